//! Access to what only some accounts and users have, which is stored outside their rows: facts, traits, the state of
//! triggers, and more.

use super::Account;
use crate::engine::state::beside::{Crowd, Former, Life, More, OfSignal, Rare, Unanswered};
use crate::engine::state::counted::Counted;
use crate::engine::state::facts::{Facts, Head, Kept, KeptMut, Mark};
use crate::engine::state::pages::{Ref, Slab};
use crate::engine::state::tables::{Beside, LARGE, Store};
use crate::engine::state::traits::{Latest, Traits};
use crate::engine::state::triggers::{Edge, Paced, Remembered, State, Triggers};
use crate::engine::state::word::Flag;
use crate::model::{Day, EventTime, Evidence, HandoffId};

// Of users.
impl Account<'_> {
    /// What is known of a user besides activity and facts.
    #[inline]
    pub(in crate::engine) fn more(&self, user: u32) -> Option<&More> {
        let beside = &self.store.beside;
        beside.mores.get(beside.of_users.get(self.store.users[user].beside)?.more)
    }

    /// The same, where it is there.
    pub(in crate::engine) fn known_more(&mut self, user: u32) -> Option<&mut More> {
        let Store { users, beside: Beside { of_users, mores, .. }, .. } = &mut *self.store;
        mores.get_mut(of_users.get(users[user].beside)?.more)
    }

    /// The same, empty if there is none.
    pub(in crate::engine) fn more_mut(&mut self, user: u32) -> &mut More {
        let Store { users, beside: Beside { of_users, mores, .. }, .. } = &mut *self.store;
        mores.get_or_new(&mut of_users.get_or_new(&mut users[user].beside).more)
    }

    /// Erases what is known of a user besides activity.
    pub(in crate::engine) fn erase_more(&mut self, user: u32) {
        self.store.erase_more(user);
        self.user_mut(user).word.set(Flag::Removed, false);
    }

    /// Whether nothing is known of a user besides activity.
    pub(super) fn has_nothing_beside(&self, user: u32) -> bool {
        self.store.users[user].beside.is_none()
    }

    /// Gives back the memory of empty state.
    pub(in crate::engine) fn tidy(&mut self, user: u32) {
        let Store { users, beside: Beside { of_users, mores, .. }, .. } = &mut *self.store;
        let at = &mut users[user].beside;
        let Some(beside) = of_users.get_mut(*at) else { return };
        if mores.get(beside.more).is_some_and(More::is_blank) {
            mores.remove(&mut beside.more);
        }
        if beside.is_blank() {
            of_users.remove(at);
        }
    }
}

// Facts.
impl Account<'_> {
    fn head(&self, user: Option<u32>) -> Head {
        match user {
            Some(user) => self.store.beside.of_users.get(self.store.users[user].beside).map(|beside| beside.facts),
            None => self.rare().map(|rare| rare.facts),
        }
        .unwrap_or_default()
    }

    fn head_mut(&mut self, user: Option<u32>) -> (&mut Head, &mut Facts) {
        let Store { users, beside, facts, .. } = &mut *self.store;
        let head = match user {
            Some(user) => &mut beside.of_users.get_or_new(&mut users[user].beside).facts,
            None => &mut beside.rares.get_or_new(&mut self.row.rare).facts,
        };
        (head, facts)
    }

    /// What is kept of the facts of a signal of a user, or of the account.
    pub(in crate::engine) fn facts(&self, user: Option<u32>, slot: usize) -> Option<Kept<'_>> {
        self.store.facts.find(self.head(user), slot)
    }

    /// The same of all signals, by slot.
    pub(in crate::engine) fn all_facts(&self, user: u32) -> impl Iterator<Item = (usize, Kept<'_>)> {
        self.store.facts.of(self.head(Some(user)))
    }

    /// The same, to change.
    pub(in crate::engine) fn known_facts(&mut self, user: Option<u32>, slot: usize) -> Option<KeptMut<'_>> {
        let head = self.head(user);
        self.store.facts.find_mut(head, slot)
    }

    /// The same, empty if there is nothing.
    pub(in crate::engine) fn facts_mut(&mut self, user: Option<u32>, slot: usize) -> KeptMut<'_> {
        let (head, facts) = self.head_mut(user);
        facts.find_or_new(head, slot)
    }

    /// Keeps no facts of a signal any more.
    pub(in crate::engine) fn drop_facts(&mut self, user: Option<u32>, slot: usize) {
        if !self.head(user).is_empty() {
            let (head, facts) = self.head_mut(user);
            facts.remove(head, slot);
        }
        user.into_iter().for_each(|user| self.tidy(user));
    }

    /// Moves facts to other slots; a signal that has none there has no facts any more.
    pub(in crate::engine) fn rename_facts(&mut self, user: Option<u32>, slot_of: impl Fn(u8) -> Option<u8>) {
        if !self.head(user).is_empty() {
            let (head, facts) = self.head_mut(user);
            facts.rename(head, slot_of);
        }
        user.into_iter().for_each(|user| self.tidy(user));
    }

    /// A late event has changed facts of a signal downward: they count at the next close of a day.
    pub(in crate::engine) fn rejoin(&mut self, user: Option<u32>, slot: usize) {
        let (rare, others) = self.rare_and_others();
        rare.rejoined = others.of_signals.insert(OfSignal { user, slot: slot as u8, next: rare.rejoined });
    }

    /// Takes the signals whose facts a late event has changed downward: each once, by user.
    pub(in crate::engine) fn take_rejoined(&mut self) -> Vec<(Option<u32>, usize)> {
        if self.timed_rare().is_none_or(|rare| rare.rejoined.is_none()) {
            return Vec::new();
        }
        let (rare, others) = self.rare_and_others();
        let mut taken = take_list(others.of_signals, &mut rare.rejoined);
        taken.sort_unstable();
        taken.dedup();
        taken
    }

    /// The absence of a user, by one of several signals, is not published.
    pub(in crate::engine) fn leave_unpublished(&mut self, user: u32, slot: usize) {
        self.user_mut(user).word.set(Flag::Unpublished, true);
        self.word.set(Flag::Unpublished, true);
        let (rare, others) = self.rare_and_others();
        let row = OfSignal { user: Some(user), slot: slot as u8, next: rare.unpublished };
        rare.unpublished = others.of_signals.insert(row);
    }

    /// Takes the absences that are not published: users and signals.
    pub(in crate::engine) fn take_unpublished(&mut self) -> Vec<(u32, usize)> {
        if !self.word.is(Flag::Unpublished) {
            return Vec::new();
        }
        self.word.set(Flag::Unpublished, false);
        let (rare, others) = self.rare_and_others();
        let taken = take_list(others.of_signals, &mut rare.unpublished);
        let of_users = Vec::from_iter(taken.into_iter().filter_map(|(user, slot)| Some((user?, slot))));
        of_users.iter().for_each(|(user, _)| self.user_mut(*user).word.set(Flag::Unpublished, false));
        of_users
    }

    /// The absence of a user by a signal is over; returns whether it was not published.
    pub(in crate::engine) fn ends_unpublished(&mut self, user: u32, slot: usize) -> bool {
        if !self.user(user).word.is(Flag::Unpublished) {
            return false;
        }
        let taken = self.take_unpublished();
        let others = taken.iter().filter(|it| **it != (user, slot));
        others.for_each(|(user, slot)| self.leave_unpublished(*user, *slot));
        taken.contains(&(user, slot))
    }
}

/// Takes all signals out of a list.
fn take_list(of_signals: &mut Slab<OfSignal>, list: &mut Ref) -> Vec<(Option<u32>, usize)> {
    let mut taken = Vec::new();
    while let Some(OfSignal { user, slot, next }) = of_signals.get(*list).copied() {
        taken.push((user, slot.into()));
        of_signals.remove(&mut std::mem::replace(list, next));
    }
    taken
}

// Of accounts.
impl Account<'_> {
    /// What the account has beside its row.
    #[inline]
    pub(in crate::engine) fn rare(&self) -> Option<&Rare> {
        self.store.beside.rares.get(self.rare)
    }

    /// The same, empty if there is none.
    pub(in crate::engine) fn rare_mut(&mut self) -> &mut Rare {
        self.rare_and_others().0
    }

    /// The same, where something of it may change with time.
    #[inline]
    fn timed_rare(&self) -> Option<&Rare> {
        if self.word.is(Flag::TIMED) { self.rare() } else { None }
    }

    /// What the account has beside its row, and the parts that it refers to.
    fn rare_and_others(&mut self) -> (&mut Rare, Others<'_>) {
        let Store { beside, triggers, counted, .. } = &mut *self.store;
        let Beside { rares, traits, lives, crowds, formers, of_signals, unanswered, .. } = beside;
        let row = &mut self.row;
        row.word.set(Flag::TIMED, true);
        (
            rares.get_or_new(&mut row.rare),
            Others { traits, lives, crowds, formers, of_signals, unanswered, triggers, counted },
        )
    }

    /// Finds out whether something of it may change with time: at the end of a close.
    pub(in crate::engine) fn settle_timed(&mut self) {
        let is_timed = self.timed_rare().is_some_and(Rare::is_timed);
        self.word.set(Flag::TIMED, is_timed);
    }

    /// The traits of the company.
    pub(in crate::engine) fn traits(&self) -> Option<&Traits> {
        self.store.beside.traits.get(self.rare()?.traits)
    }

    pub(in crate::engine) fn traits_mut(&mut self) -> &mut Traits {
        let (rare, others) = self.rare_and_others();
        others.traits.get_or_new(&mut rare.traits)
    }

    /// Whether any subscription is paid (semantics D19, D29).
    pub(in crate::engine) fn is_paid(&self) -> bool {
        self.traits().and_then(Traits::paid).unwrap_or(false)
    }

    /// What happened in this life.
    pub(in crate::engine) fn life(&self) -> Option<&Life> {
        self.store.beside.lives.get(self.rare()?.life)
    }

    pub(in crate::engine) fn life_mut(&mut self) -> &mut Life {
        let (rare, others) = self.rare_and_others();
        others.lives.get_or_new(&mut rare.life)
    }

    /// What happened in this life of the account ends with it.
    pub(in crate::engine) fn erase_life(&mut self) {
        self.store.erase_life(self.row);
    }

    /// What running active users say of themselves.
    pub(in crate::engine) fn crowd(&self) -> Option<&Crowd> {
        self.store.beside.crowds.get(self.rare()?.crowd)
    }

    pub(in crate::engine) fn crowd_mut(&mut self) -> &mut Crowd {
        let (rare, others) = self.rare_and_others();
        others.crowds.get_or_new(&mut rare.crowd)
    }

    /// Departments of running active users.
    pub(in crate::engine) fn departments(&self) -> u32 {
        self.crowd().map_or(0, |crowd| crowd.departments.len() as u32)
    }

    /// Lives before the present ones.
    pub(super) fn former(&self) -> Option<&Former> {
        self.store.beside.formers.get(self.rare()?.former)
    }

    pub(super) fn former_mut(&mut self) -> &mut Former {
        let (rare, others) = self.rare_and_others();
        others.formers.get_or_new(&mut rare.former)
    }

    // Meters and features.

    /// Adds an amount to a meter, in thousandths.
    pub(in crate::engine) fn add_to_meter(&mut self, meter: usize, day: Day, amount: i128) {
        let (rare, others) = self.rare_and_others();
        others.counted.add(&mut rare.meters, meter, day, amount);
    }

    /// The latest reading of a gauge.
    pub(in crate::engine) fn gauge_mut(&mut self, meter: usize) -> &mut Option<Latest<i128>> {
        let (rare, others) = self.rare_and_others();
        others.counted.gauge(&mut rare.meters, meter)
    }

    /// What a meter counted on the days `from` to `to`.
    pub(in crate::engine) fn volume(&self, meter: usize, from: Day, to: Day) -> f64 {
        self.rare().map_or(0.0, |rare| self.store.counted.volume(rare.meters, meter, from, to) as f64 / 1_000.0)
    }

    /// Whether a meter, or with none any, counted something on the days `from` to `to`.
    pub(in crate::engine) fn has_volume(&self, meter: Option<usize>, from: Day, to: Day) -> bool {
        self.timed_rare().is_some_and(|rare| self.store.counted.has_any(rare.meters, meter, from, to))
    }

    /// Moves meters to other places; one that has none there counts nothing any more.
    pub(in crate::engine) fn rename_meters(&mut self, place_of: impl Fn(usize) -> Option<usize>) {
        if self.rare().is_some_and(|rare| !rare.meters.is_none()) {
            let (rare, others) = self.rare_and_others();
            others.counted.rename_meters(&mut rare.meters, place_of);
        }
    }

    /// A feature was used on a day.
    pub(in crate::engine) fn use_feature(&mut self, name: &str, day: Day) {
        if !name.is_empty() {
            let index = self.index;
            let (rare, others) = self.rare_and_others();
            others.counted.use_feature(&mut rare.features, index, name, day);
        }
    }

    /// How often each feature was used on the days `from` to `to`, in no order.
    pub(in crate::engine) fn features(&self, from: Day, to: Day) -> impl Iterator<Item = (&str, u64)> {
        let list = self.rare().map(|rare| rare.features).unwrap_or_default();
        self.store.counted.uses(list, from, to)
    }

    // Triggers.

    /// What triggers remember, by their places in the rules.
    pub(in crate::engine) fn triggers(&self) -> impl Iterator<Item = Remembered<'_>> {
        let head = self.timed_rare().map(|rare| rare.triggers).unwrap_or_default();
        self.store.triggers.of(head)
    }

    /// What a trigger remembers.
    pub(in crate::engine) fn trigger(&self, trigger: usize) -> Option<Remembered<'_>> {
        self.triggers().find(|it| it.trigger() == trigger)
    }

    /// Takes what a trigger remembers, to change it and put it back.
    pub(in crate::engine) fn take_state(&self, trigger: usize) -> Option<State> {
        self.store.triggers.get(self.timed_rare()?.triggers, trigger)
    }

    /// Puts back what a trigger remembers.
    pub(in crate::engine) fn put_state(&mut self, trigger: usize, state: State) {
        if state.is_blank() && self.timed_rare().is_none_or(|rare| rare.triggers.is_empty()) {
            return;
        }
        let (rare, others) = self.rare_and_others();
        others.triggers.put(&mut rare.triggers, trigger, state);
    }

    /// Takes what all triggers remember, to put it back at other places.
    pub(in crate::engine) fn take_states(&mut self) -> Vec<(usize, State)> {
        if self.rare().is_none_or(|rare| rare.triggers.is_empty()) {
            return Vec::new();
        }
        let (rare, others) = self.rare_and_others();
        others.triggers.take_all(&mut rare.triggers)
    }

    /// Keeps when a trigger fired last that the rules do not have any more.
    pub(in crate::engine) fn keep_firing(&mut self, id: &str, state: &State) {
        if state.fired_at.is_some() {
            self.former_mut().of_triggers.insert(id.into(), (state.fired_at, state.fired_by));
        }
    }

    /// What is kept of a trigger that the rules have again.
    pub(in crate::engine) fn take_firing(&mut self, id: &str) -> State {
        if self.former().is_none_or(|former| !former.of_triggers.contains_key(id)) {
            return State::default();
        }
        let (fired_at, fired_by) = self.former_mut().of_triggers.remove(id).unwrap_or_default();
        State::of_firing(fired_at, fired_by, None)
    }

    /// Gives back the memory of what a trigger remembered.
    pub(in crate::engine) fn give_back(&mut self, state: &mut State) {
        self.store.triggers.give_back(state);
    }

    /// The edge of a user, or of the account: one at its beginning where none is remembered.
    pub(in crate::engine) fn edge(&self, state: &State, trigger: usize, user: Option<u32>) -> Edge {
        self.store.triggers.edge(state, trigger, user)
    }

    pub(in crate::engine) fn set_edge(&mut self, state: &mut State, trigger: usize, user: Option<u32>, edge: Edge) {
        self.store.triggers.set_edge(state, trigger, user, edge);
    }

    /// Takes all edges out of a state, each with its user; none: of the account.
    pub(in crate::engine) fn take_edges(&mut self, state: &mut State) -> Vec<(Option<u32>, Edge)> {
        self.store.triggers.take_edges(state)
    }

    /// Removes the edges and the waiting occurrences of a user.
    pub(super) fn drop_edges_of(&mut self, user: u32) {
        let places: Vec<usize> = self.triggers().filter(|it| it.names(user)).map(|it| it.trigger()).collect();
        for place in places {
            let mut state = self.take_state(place).unwrap_or_default();
            self.set_edge(&mut state, place, Some(user), Edge::default());
            state.kept = state.kept.filter(|kept| kept.user != Some(user));
            self.put_state(place, state);
        }
    }

    /// Adds an occurrence to those since the last firing.
    pub(in crate::engine) fn add_occurrence(&mut self, state: &mut State, mark: Mark) {
        self.store.triggers.add_occurrence(state, mark);
    }

    /// Takes the occurrences since the last firing.
    pub(in crate::engine) fn take_occurrences(&mut self, state: &mut State) -> Evidence {
        self.store.triggers.take_evidence(state)
    }

    /// The last medium and the last low handoff.
    pub(in crate::engine) fn paced(&self) -> Paced {
        self.rare().map(|rare| rare.paced).unwrap_or_default()
    }

    // Handoffs to persons that await an answer.

    /// Those that await one, with the instants at which they were sent, in no order.
    pub(in crate::engine) fn unanswered(&self) -> impl Iterator<Item = (HandoffId, EventTime)> {
        let mut next = self.rare().map(|rare| rare.unanswered).unwrap_or_default();
        std::iter::from_fn(move || {
            let it = self.store.beside.unanswered.get(next)?;
            next = it.next;
            Some((it.id, it.at))
        })
    }

    /// A handoff awaits an answer.
    pub(in crate::engine) fn await_answer(&mut self, id: HandoffId, at: EventTime) {
        let (rare, others) = self.rare_and_others();
        rare.unanswered = others.unanswered.insert(Unanswered { id, at, next: rare.unanswered });
    }

    /// Those for which something does not hold await no answer any more; returns whether there are such.
    pub(in crate::engine) fn retain_unanswered(&mut self, stays: impl Fn(HandoffId, EventTime) -> bool) -> bool {
        if self.unanswered().all(|(id, at)| stays(id, at)) {
            return false;
        }
        let (rare, others) = self.rare_and_others();
        let mut next = std::mem::take(&mut rare.unanswered);
        while let Some(it) = others.unanswered.get_mut(next) {
            let mut at = next;
            next = it.next;
            if stays(it.id, it.at) {
                it.next = std::mem::replace(&mut rare.unanswered, at);
            } else {
                others.unanswered.remove(&mut at);
            }
        }
        true
    }
}

/// The parts that what an account has beside its row refers to.
struct Others<'a> {
    traits: &'a mut Slab<Traits, LARGE>,
    lives: &'a mut Slab<Life, LARGE>,
    crowds: &'a mut Slab<Crowd, LARGE>,
    formers: &'a mut Slab<Former, LARGE>,
    of_signals: &'a mut Slab<OfSignal>,
    unanswered: &'a mut Slab<Unanswered>,
    triggers: &'a mut Triggers,
    counted: &'a mut Counted,
}
