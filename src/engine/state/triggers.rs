//! The state of the triggers of an account: edges of conditions, cooldowns, and what a guard rail holds.

use std::collections::BTreeMap;
use std::hint::black_box;

use super::facts::Occurrences;
use crate::model::{DAY_MS, EventTime, Level};
use crate::rules::{Plan, TriggerKind};

/// An occurrence of an event trigger that is older than this, against the watermark, is published but fires nothing
/// (semantics A17), and one that a rail holds waits no longer (semantics D25).
pub(in crate::engine) const OCCURRENCE_STALE_MS: i64 = 7 * DAY_MS;

/// What the triggers of an account remember.
#[derive(Debug, Default)]
pub(in crate::engine) struct Triggers {
    /// By the trigger's place in the rules, rising. Few triggers have anything to remember.
    pub(in crate::engine) states: Vec<(usize, State)>,
    /// The last medium and the last low handoff.
    pub(in crate::engine) paced: Paced,
}

/// When the last medium and the last low handoff went out (semantics D9).
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Paced {
    medium: Option<EventTime>,
    low: Option<EventTime>,
}

impl Paced {
    /// A handoff goes out.
    pub(in crate::engine) fn note(&mut self, level: Level, at: EventTime) {
        match level {
            Level::High => {}
            Level::Medium => self.medium = Some(at),
            Level::Low => self.low = Some(at),
        }
    }

    /// The handoff that one of this level must keep its distance from: medium passes what low began, high passes all.
    pub(in crate::engine) fn before(self, level: Level) -> Option<EventTime> {
        match level {
            Level::High => None,
            Level::Medium => self.medium,
            Level::Low => self.medium.max(self.low),
        }
    }
}

#[derive(Debug, Default)]
pub(in crate::engine) struct State {
    pub(in crate::engine) fired_at: Option<EventTime>,
    /// The own time of the event that fired last: the cooldown is measured by it too (semantics D4).
    pub(in crate::engine) fired_by: Option<EventTime>,
    /// When the timer that was set last wakes what waits.
    pub(in crate::engine) wakes_at: Option<EventTime>,
    /// By user; the account's own under none. Edges at their beginning are left out.
    pub(in crate::engine) edges: BTreeMap<Option<u32>, Edge>,
    /// Occurrences since the last firing.
    pub(in crate::engine) evidence: Option<Box<Occurrences>>,
    /// The newest occurrence that a rail keeps.
    pub(in crate::engine) kept: Option<Kept>,
}

/// An occurrence that a rail keeps.
#[derive(Debug)]
pub(in crate::engine) struct Kept {
    /// The event's own time.
    pub(in crate::engine) time: EventTime,
    pub(in crate::engine) user: Option<u32>,
    pub(in crate::engine) by_plan: bool,
    pub(in crate::engine) edge: Edge,
}

/// One condition on its way from false to fired.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Edge {
    /// It fired and the condition was not false since.
    pub(in crate::engine) fired: bool,
    /// A cooldown or a rail kept it: it is released by the watermark.
    pub(in crate::engine) waited: bool,
    /// Rails that have been published as holding it, one bit each.
    pub(in crate::engine) held: u8,
    /// The end of the pacing that it passed by its own instant: the same one does not hold it again (semantics D26).
    pub(in crate::engine) passed: Option<EventTime>,
    /// Closed days in a row on which the condition was false after it fired.
    pub(in crate::engine) false_days: u8,
}

impl State {
    /// Whether there is nothing to remember.
    pub(in crate::engine) fn is_blank(&self) -> bool {
        self.fired_at.is_none() && self.edges.is_empty() && self.kept.is_none() && self.evidence.is_none()
    }
}

impl Triggers {
    pub(in crate::engine) fn get(&self, trigger: usize) -> Option<&State> {
        self.place(trigger).ok().map(|place| &self.states[place].1)
    }

    pub(in crate::engine) fn take(&mut self, trigger: usize) -> Option<State> {
        self.place(trigger).ok().map(|place| self.states.remove(place).1)
    }

    pub(in crate::engine) fn put(&mut self, trigger: usize, state: State) {
        match self.place(trigger) {
            Ok(place) => self.states[place].1 = state,
            Err(place) => {
                self.states.reserve_exact(1);
                self.states.insert(place, (trigger, state));
            }
        }
    }

    fn place(&self, trigger: usize) -> Result<usize, usize> {
        self.states.binary_search_by_key(&trigger, |(place, _)| *place)
    }

    /// Whether anything is under way that time alone can move on: an edge or an occurrence that waits, or closed days that
    /// are counted until what fired may fire again. What fired and needs no such days waits for what its condition reads.
    pub(in crate::engine) fn are_under_way(&self, plan: &Plan) -> bool {
        let waits = |state: &State| state.kept.is_some() || state.edges.values().any(|edge| !edge.fired);
        self.states.iter().any(|(place, state)| waits(state) || Self::counts_days(plan, *place, state))
    }

    /// Whether closed days are counted, or will be, until something that fired may fire again.
    pub(in crate::engine) fn count_days(&self, plan: &Plan) -> bool {
        self.states.iter().any(|(place, state)| Self::counts_days(plan, *place, state))
    }

    fn counts_days(plan: &Plan, trigger: usize, state: &State) -> bool {
        match plan.triggers[trigger].kind {
            TriggerKind::Condition { rearm_after_closed_days, .. } => {
                rearm_after_closed_days > 0 && !state.edges.is_empty()
            }
            TriggerKind::Event(_) => false,
        }
    }

    /// Reads ahead what says whether anything is remembered.
    pub(super) fn touch(&self) {
        black_box((self.states.first().map(|(place, _)| *place), self.paced.medium));
    }

    /// Whether a user's edge is remembered.
    pub(in crate::engine) fn names(&self, user: u32) -> bool {
        self.states.iter().any(|(_, state)| {
            state.edges.contains_key(&Some(user)) || state.kept.as_ref().is_some_and(|kept| kept.user == Some(user))
        })
    }
}
