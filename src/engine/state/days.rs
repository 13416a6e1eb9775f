//! The days on which a user was active, as a bit mask.

use serde::{Deserialize, Serialize};

use crate::model::{Day, Week};

/// The days on which a user was active: the last 64 exactly, before that the first and last of this life.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Days {
    /// Bit i: active on day `last − i`. It is relative to the last active day, so the close of a day shifts no masks.
    mask: u64,
    first: i32,
    last: i32,
}

/// What a newly active day changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Added {
    /// The day was known.
    Nothing,
    /// The day is new; the first day of the life is what it was.
    Day,
    /// The day is new and the first one of all.
    First,
    /// The day is new and now the first of the life, instead of the given one.
    Earlier(Day),
    /// The day is new and starts a new life; the one before lasted from and to the given days.
    Life(Day, Day),
}

impl Days {
    /// No day yet.
    pub(in crate::engine) const NEVER: Days = Days { mask: 0, first: i32::MIN, last: i32::MIN };

    pub(in crate::engine) fn is_never(self) -> bool {
        self.mask == 0
    }

    /// The first active day of this life. Meaningless for [`Days::NEVER`].
    pub(in crate::engine) fn first(self) -> Day {
        Day(self.first)
    }

    /// The last active day. Meaningless for [`Days::NEVER`].
    pub(in crate::engine) fn last(self) -> Day {
        Day(self.last)
    }

    /// Adds a day that is not too late: at most 57 days before the last one. A gap of more than
    /// `forget_after` days starts a new life (semantics B9).
    pub(in crate::engine) fn add(&mut self, day: Day, forget_after: i32) -> Added {
        let day = day.0;
        if self.is_never() {
            *self = Days { mask: 1, first: day, last: day };
            return Added::First;
        }
        if day > self.last {
            let gap = day - self.last;
            let before = (Day(self.first), Day(self.last));
            self.mask = self.mask.checked_shl(gap as u32).unwrap_or(0) | 1;
            self.last = day;
            if gap > forget_after {
                self.first = day;
                return Added::Life(before.0, before.1);
            }
            return Added::Day;
        }
        let bit = 1_u64.checked_shl((self.last - day) as u32).unwrap_or(0);
        if self.mask & bit != 0 {
            return Added::Nothing;
        }
        self.mask |= bit;
        if day < self.first {
            let first = std::mem::replace(&mut self.first, day);
            return Added::Earlier(Day(first));
        }
        Added::Day
    }

    /// Takes out the newest day of the last 64; none if there is none. The first day of the life stays as it is.
    pub(in crate::engine) fn pop(&mut self) -> Option<Day> {
        let newest = (!self.is_never()).then_some(self.last)?;
        self.mask &= !1;
        let ahead = self.mask.trailing_zeros();
        self.mask = self.mask.checked_shr(ahead).unwrap_or(0);
        self.last = self.last.saturating_sub_unsigned(ahead);
        Some(Day(newest))
    }

    /// The nearest active days before and after a day that is not active, among the last 64 days.
    pub(in crate::engine) fn neighbours(self, day: Day) -> (Option<Day>, Option<Day>) {
        if self.is_never() {
            return (None, None);
        }
        if day.0 > self.last {
            return (Some(Day(self.last)), None);
        }
        let back = (self.last - day.0) as u32;
        let before = self.mask.checked_shr(back).unwrap_or(0);
        let after = self.mask & low_bits(back.min(63));
        let previous = (before != 0).then(|| Day(day.0 - before.trailing_zeros() as i32));
        let next = (after != 0).then(|| Day(self.last - (63 - after.leading_zeros() as i32)));
        (previous, next)
    }

    /// Joins the life that began on `first` to this one.
    pub(in crate::engine) fn join(&mut self, first: Day) {
        self.first = first.0;
    }

    /// Bit i: active on day `day − i`. Days after `day` are left out.
    pub(in crate::engine) fn ending(self, day: Day) -> u64 {
        let ahead = self.last.wrapping_sub(day.0);
        if self.is_never() {
            0
        } else if ahead >= 0 {
            self.mask.checked_shr(ahead as u32).unwrap_or(0)
        } else {
            self.mask.checked_shl(ahead.unsigned_abs()).unwrap_or(0)
        }
    }

    /// On how many of the `days` days that end with `day` the user was active.
    pub(in crate::engine) fn count(self, day: Day, days: u32) -> u32 {
        (self.ending(day) & low_bits(days)).count_ones()
    }

    /// On how many days of the week the user was active. The week must reach into the last 64 days.
    pub(in crate::engine) fn in_week(self, week: Week) -> u32 {
        self.count(week.sunday(), 7)
    }
}

/// The lowest `n` bits, n < 64.
pub(in crate::engine) const fn low_bits(n: u32) -> u64 {
    (1 << n) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn days_answer_as_a_set_of_days_would(steps in proptest::collection::vec((0_i32..9, 0_i32..58), 1..60)) {
            let (mut days, mut set, mut newest) = (Days::NEVER, BTreeSet::new(), 0);
            for (ahead, back) in steps {
                newest += if ahead == 8 { 401 } else { ahead };
                let day = newest - back;
                let known = set.contains(&day);
                if set.last().is_some_and(|last: &i32| day < *last - 57) { continue }
                prop_assert_eq!(days.add(Day(day), 400) == Added::Nothing, known);
                set.insert(day);
                let last = *set.last().unwrap();
                prop_assert_eq!(days.last(), Day(last));
                for end in last - 3..last + 3 {
                    let count = set.range(end - 27..=end).count() as u32;
                    prop_assert_eq!(days.count(Day(end), 28), count);
                }
            }
        }
    }
}
