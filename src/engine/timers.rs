//! Event time of a partition, and what is due when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::{Calendar, Day, EventTime};
use crate::rules::Time;

/// How far event time has come.
#[derive(Debug)]
pub(super) struct Clock {
    lateness_ms: i64,
    calendar: Calendar,
    highest: Option<EventTime>,
    /// The day of the first accepted record: the first day of the log.
    first_day: Option<Day>,
}

impl Clock {
    pub(super) fn new(time: &Time) -> Clock {
        Clock { lateness_ms: time.allowed_lateness_ms, calendar: time.calendar, highest: None, first_day: None }
    }

    /// The highest accepted event time.
    pub(super) fn highest(&self) -> Option<EventTime> {
        self.highest
    }

    /// The first day of the log.
    pub(super) fn first_day(&self) -> Option<Day> {
        self.first_day
    }

    /// No event that is still to come counts before this instant.
    pub(super) fn watermark(&self) -> Option<EventTime> {
        self.highest.map(|highest| highest.plus(-self.lateness_ms))
    }

    /// The first day that has not closed.
    pub(super) fn open_day(&self) -> Option<Day> {
        self.watermark().map(|watermark| self.calendar.day(watermark))
    }

    /// An event of this time was accepted.
    pub(super) fn accept(&mut self, time: EventTime) {
        self.first_day.get_or_insert_with(|| self.calendar.day(time));
        self.highest = self.highest.max(Some(time));
    }
}

/// What an account waits for, besides the close of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A user of a sleeping account is forgotten.
    Forget,
    /// A fact of this user and signal ends.
    Lapse {
        /// Index of the user.
        user: u32,
        /// Slot of the signal.
        slot: u8,
    },
    /// A week closes of a sleeping account whose weekly values are still told.
    Week,
    /// The rest of a trigger or of a rail ends.
    Rested,
    /// Nothing of a sleeping account can matter any more.
    Drop,
}

/// What is due, by instant, then account. An entry may be out of date: who takes it looks again.
#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(EventTime, u32, Due)>>);

impl Timers {
    pub(super) fn schedule(&mut self, at: EventTime, account: u32, due: Due) {
        self.0.push(Reverse((at, account, due)));
    }

    /// Facts are of other slots now: of user signals, and of account signals. What has none is due no more.
    pub(super) fn rename(&mut self, slot_of: impl Fn(u32, u8) -> Option<u8>) {
        let renamed = |Reverse((at, account, due)): Reverse<(EventTime, u32, Due)>| {
            let due = match due {
                Due::Lapse { user, slot } => Due::Lapse { user, slot: slot_of(user, slot)? },
                other => other,
            };
            Some(Reverse((at, account, due)))
        };
        self.0 = std::mem::take(&mut self.0).into_iter().filter_map(renamed).collect();
    }

    /// The next instant at which something is due.
    pub(super) fn next(&self) -> Option<EventTime> {
        self.0.peek().map(|Reverse(entry)| entry.0)
    }

    /// Takes the next entry, if it is due at `at`.
    pub(super) fn take(&mut self, at: EventTime) -> Option<(u32, Due)> {
        if self.next() != Some(at) {
            return None;
        }
        self.0.pop().map(|Reverse((_, account, due))| (account, due))
    }
}
