//! Edges of conditions, and what else is remembered of triggers as it is.

use serde::{Deserialize, Serialize};

use crate::model::{EventTime, Level};

/// No instant.
pub(super) const NEVER: EventTime = EventTime(i64::MIN);

pub(super) fn stored(at: Option<EventTime>) -> EventTime {
    at.unwrap_or(NEVER)
}

pub(super) fn known(at: EventTime) -> Option<EventTime> {
    (at != NEVER).then_some(at)
}

/// When the last medium and the last low handoff went out (semantics D9).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Paced {
    medium: EventTime,
    low: EventTime,
}

impl Default for Paced {
    fn default() -> Paced {
        Paced { medium: NEVER, low: NEVER }
    }
}

impl Paced {
    /// A handoff goes out.
    pub(in crate::engine) fn note(&mut self, level: Level, at: EventTime) {
        match level {
            Level::High => {}
            Level::Medium => self.medium = at,
            Level::Low => self.low = at,
        }
    }

    /// The last handoff whose pacing holds one of this level: a medium handoff passes the pacing of a low one, a high
    /// one passes all.
    pub(in crate::engine) fn before(self, level: Level) -> Option<EventTime> {
        match level {
            Level::High => None,
            Level::Medium => known(self.medium),
            Level::Low => known(self.medium.max(self.low)),
        }
    }
}

/// One condition on its way from false to fired. At its beginning there is nothing to remember of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) struct Edge {
    /// The end of the pacing that it passed by its own instant: the same one does not hold it again (semantics D26).
    pub(in crate::engine) passed: EventTime,
    /// It fired and the condition was not false since.
    pub(in crate::engine) fired: bool,
    /// A cooldown or a rail held it: from then on the watermark decides when it fires (semantics D4).
    pub(in crate::engine) waited: bool,
    /// Rails that have been published as holding it, one bit each.
    pub(in crate::engine) held: u8,
    /// Closed days in a row on which the condition was false after it fired.
    pub(in crate::engine) false_days: u8,
}

impl Default for Edge {
    fn default() -> Edge {
        Edge { passed: NEVER, fired: false, waited: false, held: 0, false_days: 0 }
    }
}

impl Edge {
    /// The end of the pacing that it passed.
    pub(in crate::engine) fn passed(self) -> Option<EventTime> {
        known(self.passed)
    }

    pub(in crate::engine) fn pass(&mut self, pacing: Option<EventTime>) {
        self.passed = stored(pacing);
    }

    /// An edge that fired.
    pub(in crate::engine) fn fired() -> Edge {
        Edge { fired: true, ..Edge::default() }
    }
}

/// An occurrence that a rail holds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Kept {
    /// The event's own time.
    pub(in crate::engine) time: EventTime,
    pub(in crate::engine) user: Option<u32>,
    pub(in crate::engine) by_plan: bool,
    pub(in crate::engine) edge: Edge,
}
