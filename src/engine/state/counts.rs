//! The daily and weekly counts of an account, so that no figure needs a pass over its users.
//!
//! Days are counted relative to C, the last closed day. A newly active day of a user changes DAU of that day, and WAU
//! and MAU of every day in whose window it is the only active day of the user. Those days are consecutive, so only two
//! differences are stored: one at their beginning and one after their end.

use std::hint::black_box;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::cut::{Parts, Unreadable};
use super::days::Days;
use super::due::NEVER;
use super::pages::{Ref, Slab};
use crate::model::Day;

/// Lengths of the windows of WAU and MAU, in days.
const WEEK: i32 = 7;
const MONTH: i32 = 28;
/// Days after the last closed one that events can have: those of the allowed lateness.
const OPEN_DAYS: i32 = 2;

/// A range of counters, used as a ring: a day or week has the counter of its number modulo the length.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Ring {
    first: usize,
    length: i32,
}

/// Active users by the day: 28 closed days and the open ones.
pub(in crate::engine) const ACTIVE: Ring = Ring { first: 0, length: 32 };
/// Users by first active day, the founding day's included: 63 closed days and the open ones.
pub(in crate::engine) const JOINED: Ring = Ring { first: 32, length: 66 };
/// Meaningful events by the day: 28 closed days and the open ones.
pub(in crate::engine) const EVENTS: Ring = Ring { first: 98, length: 32 };
/// Differences of WAU and MAU to the day before, of days after C: of nine and of thirty of them.
const WAU: Ring = Ring { first: 130, length: 12 };
const MAU: Ring = Ring { first: 142, length: 32 };
/// Active users by the week: 13 closed weeks and the open ones.
pub(in crate::engine) const WEEKS: Ring = Ring { first: 174, length: 16 };

const COUNTERS: usize = 190;

/// Counters of an account in a byte each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Counts {
    #[serde(with = "BigArray")]
    narrow: [i8; COUNTERS],
    /// The place among the wide ones, once a byte was too narrow.
    wide: Ref,
    /// C: the last closed day when counts were last brought up to date.
    closed: i32,
    /// Users active in the 7 and in the 28 days that end with C.
    wau: u32,
    mau: u32,
}

impl Counts {
    /// Reads ahead: C, and a counter of every cache line.
    pub(super) fn touch(&self) {
        black_box(self.closed);
        self.narrow.iter().step_by(64).for_each(|counter| {
            black_box(*counter);
        });
    }
}

/// Counters of accounts that are too large for bytes.
#[derive(Debug)]
pub(in crate::engine) struct WideCounts(Slab<Wide, 64>);

/// Counters in four bytes each.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Wide(#[serde(with = "BigArray")] [i32; COUNTERS]);

impl Default for Wide {
    fn default() -> Wide {
        Wide([0; COUNTERS])
    }
}

impl WideCounts {
    pub(super) fn new() -> WideCounts {
        WideCounts(Slab::new())
    }

    /// Bytes of its rows.
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Stores or restores them.
    pub(super) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        self.0.parts(parts)
    }
}

impl Ring {
    #[inline(always)]
    fn place(self, number: i32) -> usize {
        self.first + number.rem_euclid(self.length) as usize
    }
}

impl Counts {
    /// Nothing is counted; `closed` is the last closed day.
    pub(in crate::engine) fn new(closed: Day) -> Counts {
        Counts { narrow: [0; COUNTERS], wide: Ref::NONE, closed: closed.0, wau: 0, mau: 0 }
    }

    /// C.
    pub(in crate::engine) fn closed(&self) -> Day {
        Day(self.closed)
    }

    /// WAU and MAU of C.
    pub(in crate::engine) fn active(&self) -> (u32, u32) {
        (self.wau, self.mau)
    }

    #[inline]
    fn at(&self, wide: &WideCounts, place: usize) -> i32 {
        wide.0.get(self.wide).map_or_else(|| self.narrow[place].into(), |wide| wide.0[place])
    }

    fn add_at(&mut self, wide: &mut WideCounts, place: usize, by: i32) {
        if self.wide.is_none() {
            match i8::try_from(i32::from(self.narrow[place]) + by) {
                Ok(sum) => {
                    self.narrow[place] = sum;
                    return;
                }
                Err(_) => self.widen(wide),
            }
        }
        wide.0.get_or_new(&mut self.wide).0[place] += by;
    }

    #[cold]
    fn widen(&mut self, wide: &mut WideCounts) {
        self.wide = wide.0.insert(Wide(self.narrow.map(i32::from)));
    }

    fn clear(&mut self, wide: &mut WideCounts, place: usize) -> i32 {
        let before = self.at(wide, place);
        if before != 0 {
            self.add_at(wide, place, -before);
        }
        before
    }

    /// A copy, whose counters beyond the row are in other tables.
    pub(super) fn adopted(&self, own: &mut WideCounts, from: &WideCounts) -> Counts {
        Counts { wide: own.0.adopt(&from.0, self.wide), ..self.clone() }
    }

    /// Gives back what the account has beyond its row.
    pub(in crate::engine) fn give_back(&mut self, wide: &mut WideCounts) {
        wide.0.remove(&mut self.wide);
    }

    /// The days or weeks that a ring has counters of: from, to.
    #[inline(always)]
    fn held(&self, ring: Ring) -> (i32, i32) {
        let newest = if ring.first == WEEKS.first { self.newest_week() } else { self.closed + OPEN_DAYS };
        (newest - ring.length + 1, newest)
    }

    #[inline(always)]
    fn holds(&self, ring: Ring, number: i32) -> bool {
        let (oldest, newest) = self.held(ring);
        (oldest..=newest).contains(&number)
    }

    #[inline]
    fn newest_week(&self) -> i32 {
        Day(self.closed + OPEN_DAYS).week().0
    }

    /// The count of a day or week; 0 where it is not kept.
    #[inline(always)]
    pub(in crate::engine) fn get(&self, wide: &WideCounts, ring: Ring, number: i32) -> u32 {
        if self.holds(ring, number) { self.at(wide, ring.place(number)) as u32 } else { 0 }
    }

    /// The sum of the counts from `first` to `last`.
    #[inline(always)]
    pub(in crate::engine) fn sum(&self, wide: &WideCounts, ring: Ring, first: i32, last: i32) -> u64 {
        let (oldest, newest) = self.held(ring);
        let (first, last) = (first.max(oldest), last.min(newest));
        if first > last {
            return 0;
        }
        let (from, to, end) = (ring.place(first), ring.place(last), ring.first + ring.length as usize);
        match from <= to {
            true => self.sum_of(wide, from..to + 1),
            false => self.sum_of(wide, from..end) + self.sum_of(wide, ring.first..to + 1),
        }
    }

    fn sum_of(&self, wide: &WideCounts, places: Range<usize>) -> u64 {
        match wide.0.get(self.wide) {
            None => self.narrow[places].iter().map(|count| *count as u64).sum(),
            Some(wide) => wide.0[places].iter().map(|count| *count as u64).sum(),
        }
    }

    /// Adds to the count of a day or week, if it is kept.
    pub(in crate::engine) fn add(&mut self, wide: &mut WideCounts, ring: Ring, number: i32, by: i32) {
        if self.holds(ring, number) {
            self.add_at(wide, ring.place(number), by);
        }
    }

    /// Brings the counts up to a last closed day.
    pub(in crate::engine) fn close_up_to(&mut self, wide: &mut WideCounts, day: Day) {
        while self.closed < day.0 {
            if day.0 - self.closed > JOINED.length && (self.wau, self.mau) == (0, 0) && self.is_zero(wide) {
                self.closed = day.0;
                return;
            }
            let newest_week = self.newest_week();
            self.closed += 1;
            let (wau, mau) = (self.clear(wide, WAU.place(self.closed)), self.clear(wide, MAU.place(self.closed)));
            self.wau = self.wau.checked_add_signed(wau).expect("WAU is not negative");
            self.mau = self.mau.checked_add_signed(mau).expect("MAU is not negative");
            let newest = self.closed + OPEN_DAYS;
            for ring in [ACTIVE, JOINED, EVENTS] {
                self.clear(wide, ring.place(newest));
            }
            if self.newest_week() > newest_week {
                self.clear(wide, WEEKS.place(self.newest_week()));
            }
        }
    }

    fn is_zero(&self, wide: &WideCounts) -> bool {
        wide.0.get(self.wide).map_or(self.narrow == [0; COUNTERS], |wide| wide.0 == [0; COUNTERS])
    }

    /// Adds a day of a user who has these other active days (`by` is 1), or takes it out (`by` is −1).
    pub(in crate::engine) fn add_activity(&mut self, wide: &mut WideCounts, others: Days, day: Day, by: i32) {
        self.add(wide, ACTIVE, day.0, by);
        let (previous, next) = others.neighbours(day);
        for (ring, length) in [(WAU, WEEK), (MAU, MONTH)] {
            // The days on which this day alone brings the user into the window.
            let first = previous.map_or(day.0, |it| day.0.max(it.0.saturating_add(length)));
            let last = next.map_or(day.0 + length - 1, |it| (day.0 + length - 1).min(it.0 - 1));
            if first > last || last < self.closed {
                continue;
            }
            if first <= self.closed {
                let count = if length == WEEK { &mut self.wau } else { &mut self.mau };
                *count = count.checked_add_signed(by).expect("WAU and MAU are not negative");
            } else {
                self.add_at(wide, ring.place(first), by);
            }
            self.add_at(wide, ring.place(last + 1), -by);
        }
    }

    /// The first day after C on which users leave the month, if no user becomes active; `NEVER` if none are in it.
    pub(in crate::engine) fn next_leave(&self, wide: &WideCounts) -> Day {
        let leaves = |day: &i32| self.at(wide, MAU.place(*day)) < 0;
        (self.closed + 1..self.closed + MAU.length).find(leaves).map_or(NEVER, Day)
    }

    /// Each day after C if no user becomes active, from the next day on: its MAU, and Σ DAU of the 28 days that end with
    /// it.
    pub(in crate::engine) fn months_to_come<'a>(
        &'a self,
        wide: &'a WideCounts,
    ) -> impl Iterator<Item = (Day, u32, u64)> + 'a {
        let (mut mau, mut active_days) = (self.mau, self.sum(wide, ACTIVE, self.closed - (MONTH - 1), self.closed));
        (self.closed + 1..self.closed + MAU.length).map(move |day| {
            mau = mau.checked_add_signed(self.at(wide, MAU.place(day))).expect("MAU is not negative");
            active_days += u64::from(self.get(wide, ACTIVE, day));
            active_days -= u64::from(self.get(wide, ACTIVE, day - MONTH));
            (Day(day), mau, active_days)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_are_those_of_a_pass_over_the_users(
            steps in proptest::collection::vec((
                (0_usize..6, prop_oneof![15 => Just(false), 1 => Just(true)]),
                -58_i32..3,
                prop_oneof![5 => Just(0), 3 => 1..3, 1 => 3..90],
            ), 1..160),
            is_wide in any::<bool>(),
        ) {
            let (mut wide, mut users) = (WideCounts::new(), [Days::NEVER; 6]);
            let mut counts = Counts::new(Day(1_000));
            if is_wide {
                counts.widen(&mut wide);
            }
            for ((user, is_erased), ahead, passes) in steps {
                counts.close_up_to(&mut wide, counts.closed().plus(passes));
                let closed = counts.closed();
                let (day, before) = (closed.plus(ahead), users[user]);
                if users[user].add(day, 400) != super::super::days::Added::Nothing {
                    counts.add_activity(&mut wide, before, day, 1);
                }
                while let Some(day) = Some(&mut users[user]).filter(|_| is_erased).and_then(Days::pop) {
                    counts.add_activity(&mut wide, users[user], day, -1);
                }
                let of = |day: Day, days: u32| users.iter().filter(|it| it.count(day, days) > 0).count() as u32;
                prop_assert_eq!(counts.active(), (of(closed, 7), of(closed, 28)));
                let mut sum = 0;
                for back in 0..28 {
                    let active = of(closed.plus(-back), 1);
                    sum += u64::from(active);
                    prop_assert_eq!(counts.get(&wide, ACTIVE, closed.0 - back), active);
                    prop_assert_eq!(counts.sum(&wide, ACTIVE, closed.0 - back, closed.0), sum);
                }
                for (day, mau, active_days) in counts.months_to_come(&wide).skip(2) {
                    prop_assert_eq!(mau, of(day, 28), "{}", day);
                    let days: u32 = users.iter().map(|it| it.count(day, 28)).sum();
                    prop_assert_eq!(active_days, u64::from(days), "{}", day);
                }
            }
        }
    }

    #[test]
    fn a_large_count_escapes_to_a_wide_one() {
        let (mut wide, mut counts) = (WideCounts::new(), Counts::new(Day(10)));
        (0..300).for_each(|_| counts.add(&mut wide, EVENTS, 9, 1));
        counts.add(&mut wide, EVENTS, 8, 7);
        assert_eq!((counts.get(&wide, EVENTS, 9), counts.sum(&wide, EVENTS, 0, 12)), (300, 307));
        counts.close_up_to(&mut wide, Day(39));
        assert_eq!(counts.sum(&wide, EVENTS, 0, 40), 0);
        counts.give_back(&mut wide);
        assert_eq!((wide.0.len(), wide.0.used()), (1, 0));
    }
}
