//! Amounts by the day.

use std::iter::Sum;
use std::ops::AddAssign;

/// Amounts of the last `DAYS` days, in time order; days without any are left out.
#[derive(Debug)]
pub(in crate::engine) struct Daily<const DAYS: i32, Amount>(Vec<(i32, Amount)>);

impl<const DAYS: i32, Amount> Default for Daily<DAYS, Amount> {
    fn default() -> Self {
        Daily(Vec::new())
    }
}

impl<const DAYS: i32, Amount: Copy + AddAssign + Sum> Daily<DAYS, Amount> {
    /// Adds an amount to a day.
    pub(in crate::engine) fn add(&mut self, day: i32, amount: Amount) {
        match self.0.last_mut() {
            Some(last) if last.0 == day => last.1 += amount,
            Some(last) if last.0 > day => match self.0.binary_search_by_key(&day, |entry| entry.0) {
                Ok(at) => self.0[at].1 += amount,
                Err(at) => self.0.insert(at, (day, amount)),
            },
            _ => {
                // What has left every window goes before the list grows.
                if self.0.len() == self.0.capacity() {
                    self.0.retain(|entry| entry.0 > day - DAYS);
                }
                self.0.push((day, amount));
            }
        }
    }

    /// The sum of the days `from` to `to`.
    pub(in crate::engine) fn sum(&self, from: i32, to: i32) -> Amount {
        self.0.iter().rev().skip_while(|entry| entry.0 > to).take_while(|entry| entry.0 >= from).map(|it| it.1).sum()
    }

    /// Whether anything was added on the days `from` to `to`.
    pub(in crate::engine) fn has_any(&self, from: i32, to: i32) -> bool {
        self.0.iter().rev().skip_while(|entry| entry.0 > to).take_while(|entry| entry.0 >= from).next().is_some()
    }

    /// Whether no window of `day` or later sees anything.
    pub(in crate::engine) fn is_over(&self, day: i32) -> bool {
        self.0.last().is_none_or(|last| last.0 <= day - DAYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn days_sum_up_as_a_list_would(steps in proptest::collection::vec((-5_i32..9, 1_i64..9), 0..120)) {
            let (mut daily, mut list, mut newest) = (Daily::<31, i64>::default(), Vec::new(), 0);
            for (step, amount) in steps {
                newest = newest.max(newest + step);
                let day = newest + step.min(0);
                daily.add(day, amount);
                list.push((day, amount));
                let expected: i64 = list.iter().filter(|it| (newest - 27..=newest - 1).contains(&it.0)).map(|it| it.1).sum();
                prop_assert_eq!(daily.sum(newest - 27, newest - 1), expected);
            }
        }
    }
}
