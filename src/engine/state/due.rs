//! Which accounts and users are visited at the close of a day: those that an event changed since the last close, and
//! those for which time alone may change something.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cut::{Parts, Unreadable};
use super::lists::{List, Lists};
use crate::model::Day;

/// Entries of a chunk of a list: with the place of the next one they fill a KiB.
const CHUNK: usize = 255;

/// When a row is visited next: the day of its entry in a list, and whether an event touched it since the last close.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Visit(i32);

impl Visit {
    /// No visit before an event touches the row.
    pub(in crate::engine) const NEVER: Visit = Visit(NEVER.0 << 1);

    fn is_touched(self) -> bool {
        self.0 & 1 != 0
    }

    fn day(self) -> Day {
        Day(self.0 >> 1)
    }

    fn set_day(&mut self, day: Day) {
        self.0 = day.0 << 1 | self.0 & 1;
    }
}

/// Accounts, or users, to visit.
#[derive(Debug, Default)]
pub(in crate::engine) struct Visits {
    touched: List,
    /// By the day at whose close they are due. An entry of another day than that of its row is out of date.
    due: BTreeMap<Day, List>,
    rows: Lists<u32, CHUNK>,
}

impl Visits {
    /// Marks a row as touched by an event, so that it is visited at the next close.
    #[inline]
    pub(in crate::engine) fn touch(&mut self, visit: &mut Visit, index: u32) {
        if !visit.is_touched() {
            visit.0 |= 1;
            self.rows.push(&mut self.touched, index);
        }
    }

    /// Sets that a row is visited at the close of `day` or before; with `NEVER`, at no close.
    pub(in crate::engine) fn by(&mut self, visit: &mut Visit, index: u32, day: Day) {
        if day < visit.day() {
            visit.set_day(day);
            self.rows.push(self.due.entry(day).or_default(), index);
        }
    }

    /// Visits a row when other visits had it visited at its former place.
    pub(in crate::engine) fn adopt(&mut self, from: Visit, visit: &mut Visit, index: u32) {
        if from.is_touched() {
            self.touch(visit, index);
        }
        self.by(visit, index, from.day());
    }

    /// Takes the rows to visit at the close of a day, each once. `visit` gives access to the visit of a row.
    pub(super) fn take(
        &mut self,
        day: Day,
        mut taken: impl FnMut(u32),
        mut visit: impl FnMut(u32, &mut dyn FnMut(&mut Visit)),
    ) {
        self.rows.take(std::mem::take(&mut self.touched), |index| {
            visit(index, &mut |it| {
                it.0 &= !1;
                if it.day() <= day {
                    it.set_day(NEVER);
                }
            });
            taken(index);
        });
        while let Some(list) = self.due.first_entry().filter(|list| *list.key() <= day) {
            let (of, list) = list.remove_entry();
            self.rows.take(list, |index| {
                let mut is_due = false;
                visit(index, &mut |it| {
                    is_due = it.day() == of;
                    if is_due {
                        it.set_day(NEVER);
                    }
                });
                if is_due {
                    taken(index);
                }
            });
        }
    }

    fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Visits { touched, due, rows } = self;
        parts.value(touched)?;
        parts.value(due)?;
        rows.parts(parts)
    }

    /// Bytes of the lists.
    fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// The first day at whose close anything may be visited.
    pub(in crate::engine) fn next(&self) -> Option<Day> {
        if self.touched.is_empty() { self.due.keys().next().copied() } else { Some(Day(i32::MIN)) }
    }
}

/// A day that never comes.
pub(in crate::engine) const NEVER: Day = Day(i32::MAX >> 1);

/// Both lists.
#[derive(Debug, Default)]
pub(in crate::engine) struct Due {
    pub(in crate::engine) accounts: Visits,
    pub(in crate::engine) users: Visits,
}

impl Due {
    /// Stores or restores both.
    pub(in crate::engine) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Due { accounts, users } = self;
        accounts.parts(parts)?;
        users.parts(parts)
    }

    /// Bytes of the lists.
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.accounts.bytes() + self.users.bytes()
    }

    /// The first day at whose close anybody may be visited.
    pub(in crate::engine) fn next(&self) -> Option<Day> {
        self.accounts.next().into_iter().chain(self.users.next()).min()
    }
}
