//! Event time of a partition, and timers for work that is due at an instant.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use serde::{Deserialize, Serialize};

use super::cut::{Parts, Unreadable};
use super::lists::{List, Lists};
use crate::model::{Calendar, Day, EventTime};
use crate::rules::Time;

/// How far event time has come.
#[derive(Debug)]
pub(in crate::engine) struct Clock {
    lateness_ms: i64,
    calendar: Calendar,
    highest: Option<EventTime>,
    /// The first day that has not closed, and its end.
    open: Option<(Day, EventTime)>,
    /// The day of the first accepted record: the first day of the log.
    first_day: Option<Day>,
}

impl Clock {
    pub(in crate::engine) fn new(time: &Time) -> Clock {
        let (lateness_ms, calendar) = (time.allowed_lateness_ms, time.calendar);
        Clock { lateness_ms, calendar, highest: None, open: None, first_day: None }
    }

    /// Stores or restores it.
    pub(in crate::engine) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Clock { lateness_ms: _, calendar: _, highest, open, first_day } = self;
        parts.value(highest)?;
        parts.value(open)?;
        parts.value(first_day)
    }

    /// The highest accepted event time.
    pub(in crate::engine) fn highest(&self) -> Option<EventTime> {
        self.highest
    }

    /// The first day of the log.
    pub(in crate::engine) fn first_day(&self) -> Option<Day> {
        self.first_day
    }

    /// The highest event time less the allowed lateness.
    pub(in crate::engine) fn watermark(&self) -> Option<EventTime> {
        self.highest.map(|highest| highest.plus(-self.lateness_ms))
    }

    /// The first day that has not closed.
    pub(in crate::engine) fn open_day(&self) -> Option<Day> {
        self.open.map(|(day, _)| day)
    }

    /// The clock of a log that goes on from others with the same open day: where the one is that has come farthest.
    pub(in crate::engine) fn join(&mut self, other: &Clock) {
        self.highest = self.highest.max(other.highest);
        self.open = self.open.max(other.open);
        self.first_day = self.first_day.into_iter().chain(other.first_day).min();
    }

    /// An event of this time was accepted.
    pub(in crate::engine) fn accept(&mut self, time: EventTime) {
        self.first_day.get_or_insert_with(|| self.calendar.day(time));
        self.highest = self.highest.max(Some(time));
        let watermark = self.watermark().unwrap_or(time);
        if self.open.is_none_or(|(_, end)| watermark >= end) {
            let day = self.calendar.day(watermark);
            self.open = Some((day, self.calendar.end(day)));
        }
    }
}

/// What an account waits for, besides the close of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) enum Timer {
    /// A fact of this signal begins or ends to count, or an age is reached.
    Lapse {
        /// Index of the user; none: of the account.
        user: Option<u32>,
        /// Slot of the signal.
        slot: u8,
    },
    /// A cooldown or a rail ends.
    HoldEnds,
}

/// A timer as one number of 16 bytes, so that timers compare as numbers: by instant (56 bits), account (32), user plus one
/// or 0 for the account (32), and slot (8). The end of a hold has the largest number for its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Entry(i128);

/// An entry in the list of its span: the rest of its instant (24 bits) and slot, account, and user as in [`Entry`].
type Later = [u32; 3];

/// A span is 2²⁴ ms long, 4 h 40 min.
const SPAN_BITS: u32 = 24;
/// Entries of a chunk of a list: with the place of the next one they fill a KiB.
const CHUNK: usize = 85;

impl Entry {
    const HOLD_ENDS: u32 = u32::MAX;

    fn new(at: EventTime, account: u32, timer: Timer) -> Entry {
        let (user, slot) = match timer {
            Timer::Lapse { user, slot } => (user.map_or(0, |user| user + 1), slot),
            Timer::HoldEnds => (Entry::HOLD_ENDS, 0),
        };
        Entry(i128::from(at.0) << 72 | i128::from(account) << 40 | i128::from(user) << 8 | i128::from(slot))
    }

    fn later(self) -> Later {
        let rest = (self.at().0 as u32) << (32 - SPAN_BITS) | self.0 as u32 & 0xff;
        [rest, self.account(), (self.0 >> 8) as u32]
    }

    fn of_span(span: i64, [rest, account, user]: Later) -> Entry {
        let at = span << SPAN_BITS | i64::from(rest >> (32 - SPAN_BITS));
        Entry(i128::from(at) << 72 | i128::from(account) << 40 | i128::from(user) << 8 | i128::from(rest & 0xff))
    }

    fn span(self) -> i64 {
        self.at().0 >> SPAN_BITS
    }

    fn at(self) -> EventTime {
        EventTime((self.0 >> 72) as i64)
    }

    fn account(self) -> u32 {
        (self.0 >> 40) as u32
    }

    fn timer(self) -> Timer {
        match (self.0 >> 8) as u32 {
            Entry::HOLD_ENDS => Timer::HoldEnds,
            user => Timer::Lapse { user: user.checked_sub(1), slot: self.0 as u8 },
        }
    }
}

/// Timers by instant, then account. A timer may be out of date, which is checked when it is taken.
///
/// Later timers wait in a list of their span of time, which is sorted when the span is reached.
#[derive(Debug, Default)]
pub(in crate::engine) struct Timers {
    /// All timers up to the end of a span, in order.
    near: BinaryHeap<Reverse<Entry>>,
    /// That span, counted from 1970.
    span: i64,
    far: BTreeMap<i64, List>,
    entries: Lists<Later, CHUNK>,
}

impl Timers {
    pub(in crate::engine) fn schedule(&mut self, at: EventTime, account: u32, timer: Timer) {
        let entry = Entry::new(at, account, timer);
        if entry.span() <= self.span {
            self.near.push(Reverse(entry));
        } else {
            self.entries.push(self.far.entry(entry.span()).or_default(), entry.later());
            self.advance();
        }
    }

    /// All timers, in no order.
    pub(in crate::engine) fn all(&self) -> impl Iterator<Item = (EventTime, u32, Timer)> {
        let near = self.near.iter().map(|Reverse(entry)| *entry);
        let far =
            self.far.iter().flat_map(|(span, list)| self.entries.of(list).map(|later| Entry::of_span(*span, later)));
        near.chain(far).map(|entry| (entry.at(), entry.account(), entry.timer()))
    }

    /// Stores or restores them.
    pub(in crate::engine) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Timers { near, span, far, entries } = self;
        // A heap of the same timers can have them in several orders, and a snapshot has one.
        let mut sorted = std::mem::take(near).into_vec();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        parts.value(&mut sorted)?;
        *near = sorted.into();
        parts.value(span)?;
        parts.value(far)?;
        entries.parts(parts)
    }

    /// Bytes of its lists.
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.near.capacity() * size_of::<Entry>() + self.entries.bytes()
    }

    /// Moves the timers of the next span that has some, if none are near.
    fn advance(&mut self) {
        while self.near.is_empty()
            && let Some((span, list)) = self.far.pop_first()
        {
            self.span = span;
            let mut near = std::mem::take(&mut self.near).into_vec();
            near.reserve_exact(list.len());
            self.entries.take(list, |later| near.push(Reverse(Entry::of_span(span, later))));
            self.near = near.into();
        }
    }

    /// Moves timers of facts to other slots. Those of signals without a slot are removed.
    pub(in crate::engine) fn rename(&mut self, slot_of: impl Fn(Option<u32>, u8) -> Option<u8>) {
        let renamed = |entry: Entry| match entry.timer() {
            Timer::Lapse { user, slot } => {
                let slot = slot_of(user, slot)?;
                Some(Entry::new(entry.at(), entry.account(), Timer::Lapse { user, slot }))
            }
            Timer::HoldEnds => Some(entry),
        };
        let near = std::mem::take(&mut self.near);
        self.near = near.into_iter().filter_map(|Reverse(entry)| renamed(entry).map(Reverse)).collect();
        for (span, list) in &mut self.far {
            let mut moved = Vec::new();
            self.entries.take(std::mem::take(list), |later| moved.extend(renamed(Entry::of_span(*span, later))));
            moved.into_iter().for_each(|entry| self.entries.push(list, entry.later()));
        }
        self.advance();
    }

    /// The next instant at which something is due.
    pub(in crate::engine) fn next(&self) -> Option<EventTime> {
        self.near.peek().map(|Reverse(entry)| entry.at())
    }

    /// Takes the next timer, if it is due at `at`.
    pub(in crate::engine) fn take(&mut self, at: EventTime) -> Option<(u32, Timer)> {
        if self.next() != Some(at) {
            return None;
        }
        let taken = self.near.pop().map(|Reverse(entry)| (entry.account(), entry.timer()));
        self.advance();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn timers_come_in_their_order(
            timers in proptest::collection::vec((-9_i64..90, -2_i64..2, 0_u32..3, proptest::option::of(0_u32..3), any::<u8>()), 0..60),
        ) {
            let (mut known, mut expected) = (Timers::default(), Vec::new());
            for (span, ahead, account, user, slot) in timers {
                let at = EventTime((span << SPAN_BITS) + ahead);
                let timer = if slot == 7 { Timer::HoldEnds } else { Timer::Lapse { user, slot } };
                known.schedule(at, account, timer);
                expected.push((at, account, timer));
            }
            let mut all: Vec<_> = known.all().collect();
            all.sort();
            let rest: Vec<_> = std::iter::from_fn(|| {
                let at = known.next()?;
                known.take(at).map(|(account, timer)| (at, account, timer))
            }).collect();
            expected.sort();
            prop_assert_eq!(&rest, &expected);
            prop_assert_eq!(all, expected);
            prop_assert!(known.far.is_empty());
        }
    }
}
