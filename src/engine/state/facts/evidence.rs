//! Evidence: events as facts, of which the first and the newest three are kept (semantics E23).

use serde::{Deserialize, Serialize};

use crate::model::{EventTime, Evidence, Fact, PlaceNumber};

/// An event as a fact: when, and where it stands in the log. Facts are ordered so (semantics E23). Its number is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::engine) struct Mark {
    pub(in crate::engine) time: EventTime,
    pub(in crate::engine) place: PlaceNumber,
}

/// Of the facts after the first the newest, newest first.
pub(super) type Newest = [Option<Mark>; NEWEST];

const NEWEST: usize = 3;

/// What is published of events: the first, the newest, and how many others there were.
pub(super) fn evidence(first: Option<Mark>, newest: Newest, count: u32) -> Evidence {
    let marks = first.into_iter().chain(newest.into_iter().rev().flatten());
    let facts: Vec<Fact> = marks.map(Mark::fact).collect();
    let left_out = count.saturating_sub(facts.len() as u32);
    Evidence { facts, left_out }
}

impl Mark {
    fn fact(self) -> Fact {
        Fact { at: self.time, place: Some(self.place), number: 1.0 }
    }
}

/// Keeps the first fact and the newest three.
pub(super) fn add_mark(first: &mut Option<Mark>, newest: &mut Newest, mark: Mark) {
    // A new first makes the old one the oldest of the others.
    let mark = match first {
        Some(known) if mark < *known => std::mem::replace(known, mark),
        Some(_) => mark,
        None => {
            *first = Some(mark);
            return;
        }
    };
    let at = newest.iter().position(|known| known.is_none_or(|known| known < mark));
    if let Some(at) = at {
        newest[at..].rotate_right(1);
        newest[at] = Some(mark);
    }
}

/// The same of what is not kept for a signal: occurrences that a trigger rests on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Occurrences {
    first: Option<Mark>,
    newest: Newest,
    count: u32,
}

impl Occurrences {
    pub(in crate::engine) fn add(&mut self, mark: Mark) {
        add_mark(&mut self.first, &mut self.newest, mark);
        self.count = self.count.saturating_add(1);
    }

    pub(in crate::engine) fn evidence(&self) -> Evidence {
        evidence(self.first, self.newest, self.count)
    }
}
