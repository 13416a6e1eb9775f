//! The state of triggers: edges of conditions, cooldowns, and what a guard rail holds.

mod adopt;
mod edge;

use std::hint::black_box;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::cut::{Parts, Unreadable};
use super::facts::{Mark, Occurrences};
use super::index::Index;
use super::pages::{Ref, Slab};
use crate::model::{DAY_MS, EventTime, Evidence};
use crate::rules::{Plan, TriggerKind};
use edge::{NEVER, known, stored};

pub(in crate::engine) use edge::{Edge, Kept, Paced};

/// An occurrence of an event trigger that is older than this, against the watermark, is published but fires nothing
/// (semantics A17), and one that a rail holds waits no longer (semantics D25).
pub(in crate::engine) const OCCURRENCE_STALE_MS: i64 = 7 * DAY_MS;

/// What the triggers of all accounts remember.
#[derive(Debug)]
pub(in crate::engine) struct Triggers {
    rows: Slab<Row>,
    /// Edges of single users. An edge of the account is in the row of its trigger.
    edges: Slab<UserEdge>,
    edges_by_user: Index,
    /// Occurrences since the last firing.
    evidence: Slab<Occurrences>,
    /// Occurrences that a rail holds.
    kept: Slab<Option<Kept>>,
}

/// The triggers of an account that have something to remember, by their places in the rules. Most have nothing.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Head(Ref);

/// What a trigger of an account remembers: a cache line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(align(64))]
struct Row {
    fired_at: EventTime,
    fired_by: EventTime,
    wakes_at: EventTime,
    edge: Edge,
    edges: Ref,
    evidence: Ref,
    kept: Ref,
    next: Ref,
    trigger: u16,
}

const _: () = assert!(size_of::<Row>() == 64);

impl Default for Row {
    fn default() -> Row {
        Row {
            fired_at: NEVER,
            fired_by: NEVER,
            wakes_at: NEVER,
            edge: Edge::default(),
            edges: Ref::NONE,
            evidence: Ref::NONE,
            kept: Ref::NONE,
            next: Ref::NONE,
            trigger: 0,
        }
    }
}

/// The edge of a user, in the list of those of its trigger.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct UserEdge {
    edge: Edge,
    user: u32,
    next: Ref,
    previous: Ref,
    trigger: u16,
}

const _: () = assert!(size_of::<UserEdge>() == 32);

/// What a trigger remembers, taken out of its row for an evaluation. It must be put back.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct State {
    pub(in crate::engine) fired_at: Option<EventTime>,
    /// The own time of the event that fired last: the cooldown is measured by it too (semantics D4).
    pub(in crate::engine) fired_by: Option<EventTime>,
    /// The instant of the last timer that was set for what waits.
    pub(in crate::engine) wakes_at: Option<EventTime>,
    /// The newest occurrence that a rail holds.
    pub(in crate::engine) kept: Option<Kept>,
    /// The edge of the account.
    edge: Edge,
    /// Those of users.
    edges: Ref,
    evidence: Ref,
}

/// What is remembered of a trigger, to read.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Remembered<'a> {
    triggers: &'a Triggers,
    row: &'a Row,
}

impl<'a> Remembered<'a> {
    /// The trigger's place in the rules.
    pub(in crate::engine) fn trigger(self) -> usize {
        self.row.trigger.into()
    }

    pub(in crate::engine) fn fired_at(self) -> Option<EventTime> {
        known(self.row.fired_at)
    }

    pub(in crate::engine) fn kept(self) -> Option<Kept> {
        *self.triggers.kept.get(self.row.kept)?
    }

    /// The users with edges, in no order.
    pub(in crate::engine) fn users(self) -> impl Iterator<Item = u32> + use<'a> {
        self.triggers.edges(self.row.edges).map(|edge| edge.user)
    }

    /// Whether the account has an edge.
    pub(in crate::engine) fn has_own_edge(self) -> bool {
        self.row.edge != Edge::default()
    }

    /// The edges, that of the account first.
    pub(in crate::engine) fn edges(self) -> impl Iterator<Item = Edge> + use<'a> {
        let own = Some(self.row.edge).filter(|edge| *edge != Edge::default());
        own.into_iter().chain(self.triggers.edges(self.row.edges).map(|edge| edge.edge))
    }

    /// Whether anything is under way that time alone can move on: an edge or an occurrence that waits, or closed days that
    /// are counted until what fired may fire again. What fired and needs no such days waits for what its condition reads.
    pub(in crate::engine) fn is_under_way(self, plan: &Plan) -> bool {
        self.row.kept != Ref::NONE || self.counts_days(plan) || self.edges().any(|edge| !edge.fired)
    }

    /// Whether closed days are counted, or will be, until it may fire again.
    pub(in crate::engine) fn counts_days(self, plan: &Plan) -> bool {
        match plan.triggers[self.trigger()].kind {
            TriggerKind::Condition { rearm_after_closed_days, .. } => {
                rearm_after_closed_days > 0 && self.edges().next().is_some()
            }
            TriggerKind::Event(_) => false,
        }
    }

    /// Whether a user's edge is remembered, or an occurrence of the user.
    pub(in crate::engine) fn names(self, user: u32) -> bool {
        self.triggers.find_edge(self.row.trigger, user).is_some()
            || self.kept().is_some_and(|kept| kept.user == Some(user))
    }
}

fn hash_of_edge(trigger: u16, user: u32) -> u64 {
    xxh3_64(&(u64::from(trigger) << 32 | u64::from(user)).to_le_bytes())
}

impl Triggers {
    pub(super) fn new() -> Triggers {
        Triggers {
            rows: Slab::new(),
            edges: Slab::new(),
            edges_by_user: Index::new(),
            evidence: Slab::new(),
            kept: Slab::new(),
        }
    }

    fn rows(&self, Head(first): Head) -> impl Iterator<Item = (Ref, &Row)> {
        let mut next = first;
        std::iter::from_fn(move || {
            let (at, row) = (next, self.rows.get(next)?);
            next = row.next;
            Some((at, row))
        })
    }

    fn edges(&self, first: Ref) -> impl Iterator<Item = &UserEdge> {
        let mut next = first;
        std::iter::from_fn(move || {
            let edge = self.edges.get(next)?;
            next = edge.next;
            Some(edge)
        })
    }

    /// What is remembered, by the trigger's place in the rules, rising.
    pub(super) fn of(&self, head: Head) -> impl Iterator<Item = Remembered<'_>> {
        self.rows(head).map(|(_, row)| Remembered { triggers: self, row })
    }

    /// What a trigger remembers; nothing where it remembers nothing.
    pub(super) fn get(&self, head: Head, trigger: usize) -> Option<State> {
        let (_, row) = self.rows(head).find(|(_, row)| usize::from(row.trigger) == trigger)?;
        Some(State {
            fired_at: known(row.fired_at),
            fired_by: known(row.fired_by),
            wakes_at: known(row.wakes_at),
            kept: self.kept.get(row.kept).copied().flatten(),
            edge: row.edge,
            edges: row.edges,
            evidence: row.evidence,
        })
    }

    /// Puts back what a trigger remembers; the row goes if that is nothing.
    pub(super) fn put(&mut self, head: &mut Head, trigger: usize, state: State) {
        let is_here = |(_, row): &(Ref, &Row)| usize::from(row.trigger) == trigger;
        let known = self.rows(*head).find(is_here).map(|(at, _)| at);
        if state.is_blank() {
            known.into_iter().for_each(|at| self.unlink(head, at));
            return;
        }
        let at = known.unwrap_or_else(|| self.link(head, trigger as u16));
        let Some(row) = self.rows.get_mut(at) else { return };
        (row.fired_at, row.fired_by) = (stored(state.fired_at), stored(state.fired_by));
        (row.wakes_at, row.edge) = (stored(state.wakes_at), state.edge);
        (row.edges, row.evidence) = (state.edges, state.evidence);
        match state.kept {
            Some(kept) => *self.kept.get_or_new(&mut row.kept) = Some(kept),
            None => self.kept.remove(&mut row.kept),
        }
    }

    fn link(&mut self, head: &mut Head, trigger: u16) -> Ref {
        let before = self.rows(*head).take_while(|(_, row)| row.trigger < trigger).last().map(|(at, _)| at);
        let at = self.rows.insert(Row { trigger, ..Row::default() });
        let link = match before.and_then(|before| self.rows.get_mut(before)) {
            Some(before) => &mut before.next,
            None => &mut head.0,
        };
        let next = std::mem::replace(link, at);
        if let Some(row) = self.rows.get_mut(at) {
            row.next = next;
        }
        at
    }

    fn unlink(&mut self, head: &mut Head, mut at: Ref) {
        let before = self.rows(*head).find(|(_, row)| row.next == at).map(|(before, _)| before);
        let Some(row) = self.rows.get(at).copied() else { return };
        match before.and_then(|before| self.rows.get_mut(before)) {
            Some(before) => before.next = row.next,
            None => head.0 = row.next,
        }
        let Row { mut kept, .. } = row;
        self.kept.remove(&mut kept);
        self.rows.remove(&mut at);
    }

    fn find_edge(&self, trigger: u16, user: u32) -> Option<Ref> {
        let is_it = |at: u32| self.edges.get(Ref::of(at)).is_some_and(|it| (it.trigger, it.user) == (trigger, user));
        self.edges_by_user.find(hash_of_edge(trigger, user), is_it).map(Ref::of)
    }

    /// The edge of a user, or of the account: one at its beginning where none is remembered.
    pub(super) fn edge(&self, state: &State, trigger: usize, user: Option<u32>) -> Edge {
        let Some(user) = user else { return state.edge };
        self.find_edge(trigger as u16, user).and_then(|at| self.edges.get(at)).map(|it| it.edge).unwrap_or_default()
    }

    /// Remembers an edge; one at its beginning is forgotten.
    pub(super) fn set_edge(&mut self, state: &mut State, trigger: usize, user: Option<u32>, edge: Edge) {
        let Some(user) = user else {
            state.edge = edge;
            return;
        };
        let trigger = trigger as u16;
        match (self.find_edge(trigger, user), edge == Edge::default()) {
            (Some(at), false) => {
                if let Some(row) = self.edges.get_mut(at) {
                    row.edge = edge;
                }
            }
            (Some(at), true) => self.remove_edge(state, at),
            (None, true) => {}
            (None, false) => {
                let row = UserEdge { edge, user, next: state.edges, previous: Ref::NONE, trigger };
                let at = self.edges.insert(row);
                if let Some(next) = self.edges.get_mut(state.edges) {
                    next.previous = at;
                }
                state.edges = at;
                let edges = &self.edges;
                let hash_of = |at| edges.get(Ref::of(at)).map_or(0, |edge| hash_of_edge(edge.trigger, edge.user));
                self.edges_by_user.make_room(hash_of);
                self.edges_by_user.insert(hash_of_edge(trigger, user), at.number());
            }
        }
    }

    fn remove_edge(&mut self, state: &mut State, mut at: Ref) {
        let Some(UserEdge { user, next, previous, trigger, .. }) = self.edges.get(at).copied() else { return };
        match self.edges.get_mut(previous) {
            Some(before) => before.next = next,
            None => state.edges = next,
        }
        if let Some(after) = self.edges.get_mut(next) {
            after.previous = previous;
        }
        self.edges_by_user.remove(hash_of_edge(trigger, user), at.number());
        self.edges.remove(&mut at);
    }

    /// Takes all edges out, each with its user; none: of the account.
    pub(super) fn take_edges(&mut self, state: &mut State) -> Vec<(Option<u32>, Edge)> {
        let own = Some(std::mem::take(&mut state.edge)).filter(|edge| *edge != Edge::default());
        let mut taken: Vec<(Option<u32>, Edge)> = own.into_iter().map(|edge| (None, edge)).collect();
        while let Some(UserEdge { edge, user, .. }) = self.edges.get(state.edges).copied() {
            taken.push((Some(user), edge));
            self.remove_edge(state, state.edges);
        }
        taken
    }

    /// Adds an occurrence to those since the last firing.
    pub(super) fn add_occurrence(&mut self, state: &mut State, mark: Mark) {
        self.evidence.get_or_new(&mut state.evidence).add(mark);
    }

    /// Takes the occurrences since the last firing.
    pub(super) fn take_evidence(&mut self, state: &mut State) -> Evidence {
        let evidence = self.evidence.get(state.evidence).map(Occurrences::evidence).unwrap_or_default();
        self.evidence.remove(&mut state.evidence);
        evidence
    }

    /// Takes all that is remembered, by the trigger's place in the rules.
    pub(super) fn take_all(&mut self, head: &mut Head) -> Vec<(usize, State)> {
        let places: Vec<usize> = self.rows(*head).map(|(_, row)| row.trigger.into()).collect();
        let taken: Vec<_> = places.iter().filter_map(|place| Some((*place, self.get(*head, *place)?))).collect();
        while !head.0.is_none() {
            self.unlink(head, head.0);
        }
        taken
    }

    /// Forgets all that is remembered of an account.
    pub(super) fn clear(&mut self, head: &mut Head) {
        for (_, mut state) in self.take_all(head) {
            self.give_back(&mut state);
        }
    }

    /// Gives back the memory of what is remembered of a trigger.
    pub(super) fn give_back(&mut self, state: &mut State) {
        self.take_edges(state);
        self.evidence.remove(&mut state.evidence);
    }

    /// Reads ahead what says whether anything is remembered.
    pub(super) fn touch(&self, head: Head) {
        black_box(self.rows.get(head.0).map(|row| row.trigger));
    }

    /// Stores or restores them.
    pub(super) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Triggers { rows, edges, edges_by_user, evidence, kept } = self;
        rows.parts(parts)?;
        edges.parts(parts)?;
        evidence.parts(parts)?;
        kept.parts(parts)?;
        if parts.are_restored() {
            let hash_at = |at| edges.get(Ref::of(at)).map_or(0, |it| hash_of_edge(it.trigger, it.user));
            *edges_by_user = Index::of(edges.places().map(Ref::number), hash_at);
        }
        Ok(())
    }

    /// Bytes of its pages.
    pub(super) fn bytes(&self) -> [(&'static str, usize); 2] {
        let edges = self.edges.bytes() + self.edges_by_user.bytes();
        let others = self.rows.bytes() + self.evidence.bytes() + self.kept.bytes();
        [("triggers", others), ("edges of users", edges)]
    }
}

impl Head {
    /// Whether nothing is remembered.
    pub(in crate::engine) fn is_empty(self) -> bool {
        self.0.is_none()
    }
}

impl State {
    /// A state in which nothing else is remembered than when the trigger fired, and when a timer wakes it.
    pub(in crate::engine) fn of_firing(
        fired_at: Option<EventTime>,
        fired_by: Option<EventTime>,
        wakes_at: Option<EventTime>,
    ) -> State {
        State { fired_at, fired_by, wakes_at, ..State::default() }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_blank(&self) -> bool {
        self.fired_at.is_none()
            && self.edge == Edge::default()
            && self.edges.is_none()
            && self.kept.is_none()
            && self.evidence.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn mark(time: i64) -> Mark {
        Mark { time: EventTime(time), place: crate::model::Place { offset: time, index: 0 }.into() }
    }

    proptest! {
        #[test]
        fn states_and_edges_are_those_of_maps(
            steps in proptest::collection::vec((0_usize..2, 0_usize..4, proptest::option::of(0_u32..5), 0_u8..5), 0..120),
        ) {
            let (mut triggers, mut heads) = (Triggers::new(), [Head::default(); 2]);
            let mut maps = [const { BTreeMap::<(usize, Option<u32>), Edge>::new() }; 2];
            for (account, trigger, user, what) in steps {
                let (head, map) = (&mut heads[account], &mut maps[account]);
                // A row of a user belongs to one account.
                let user = user.map(|user| 10 * account as u32 + user);
                let mut state = triggers.get(*head, trigger).unwrap_or_default();
                prop_assert_eq!(triggers.edge(&state, trigger, user), map.get(&(trigger, user)).copied().unwrap_or_default());
                let edge = Edge { held: what, ..Edge::default() };
                match what {
                    0 => map.remove(&(trigger, user)),
                    _ => map.insert((trigger, user), edge),
                };
                triggers.set_edge(&mut state, trigger, user, edge);
                triggers.put(head, trigger, state);
                for (head, map) in heads.iter().zip(&maps) {
                    let places: Vec<usize> = triggers.of(*head).map(|it| it.trigger()).collect();
                    let mut expected: Vec<usize> = map.keys().map(|(trigger, _)| *trigger).collect();
                    expected.dedup();
                    prop_assert_eq!(places, expected);
                    for it in triggers.of(*head) {
                        let mut users: Vec<u32> = it.users().collect();
                        users.sort_unstable();
                        let of_it = map.keys().filter(|(trigger, _)| *trigger == it.trigger());
                        prop_assert_eq!(users, of_it.filter_map(|(_, user)| *user).collect::<Vec<_>>());
                        prop_assert_eq!(it.has_own_edge(), map.contains_key(&(it.trigger(), None)));
                    }
                }
            }
            for (head, map) in heads.iter_mut().zip(maps) {
                let mut taken = BTreeMap::new();
                for (trigger, mut state) in triggers.take_all(head) {
                    taken.extend(triggers.take_edges(&mut state).into_iter().map(|(user, edge)| ((trigger, user), edge)));
                }
                prop_assert_eq!(taken, map);
                prop_assert!(head.is_empty());
            }
            prop_assert_eq!((triggers.rows.used(), triggers.edges.used()), (0, 0));
        }
    }

    #[test]
    fn what_is_remembered_comes_back_and_goes_as_a_whole() {
        let (mut triggers, mut head) = (Triggers::new(), Head::default());
        let mut state = State::of_firing(Some(EventTime(5)), None, Some(EventTime(7)));
        let kept = Kept { time: EventTime(4), user: Some(3), by_plan: true, edge: Edge::fired() };
        state.kept = Some(kept);
        triggers.add_occurrence(&mut state, mark(1));
        triggers.add_occurrence(&mut state, mark(2));
        triggers.put(&mut head, 9, state);
        let mut state = triggers.get(head, 9).unwrap();
        assert_eq!((state.fired_at, state.fired_by, state.wakes_at), (Some(EventTime(5)), None, Some(EventTime(7))));
        assert_eq!(state.kept.map(|kept| (kept.time, kept.user)), Some((EventTime(4), Some(3))));
        assert!(triggers.of(head).all(|it| it.names(3) && !it.names(4)));
        assert_eq!(triggers.take_evidence(&mut state).facts.len(), 2);
        triggers.put(&mut head, 9, State::default());
        assert!(head.is_empty());
        assert_eq!((triggers.rows.used(), triggers.kept.used(), triggers.evidence.used()), (0, 0, 0));
    }
}
