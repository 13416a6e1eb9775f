//! Rungs → handoffs: edges, rests, guard rails (semantics D).
//!
//! An edge that has not fired and whose condition is true is pending: it fires as soon as no rest and no rail keeps
//! it. There is no other state of being pending. The occurrence of a pulse that a rail keeps is pending for a week.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::picture;
use super::sighting::{self, Sighted};
use super::signals::{Context, WHOLE_ACCOUNT};
use super::state::Account;
use super::state::facts::Mark;
use super::state::rows::User;
use super::state::timers::Timer;
use super::state::triggers::{Edge, Kept, State};
use super::state::word::Flag;
use super::values;
use crate::model::{DAY_MS, EventTime, Fact, Field, Handoff, HandoffId, Level, Rail, SignalKind};
use crate::rules::{Condition, Figure, Kind, Plan, Pulse, Reads, SignalRef, Trigger, TriggerKind};
use crate::wire::LIST_MAX;

/// A pulse older than this, against the watermark, is published but fires nothing (semantics A17), and one that a rail
/// keeps waits no longer (semantics D25).
const PULSE_STALE_MS: i64 = 7 * DAY_MS;

/// Of so many users a handoff tells in words and facts; of the others it tells the ids, and beyond a bound their
/// number (semantics F22): a person does not read on.
const SUBJECTS_TOLD: usize = 5;

/// An event that is the occurrence of a pulse trigger.
#[derive(Debug)]
pub(super) struct Occurrence<'a> {
    trigger: usize,
    user: Option<u32>,
    mark: Mark<'a>,
    /// It is the plan that became another one, not an event of the role.
    by_plan: bool,
}

/// Whether any edge waits for a usage fact.
pub(super) fn wants_usage(account: &mut Account<'_>) -> bool {
    if !account.word.is(Flag::WANTS_USAGE) {
        return false;
    }
    let wants = |edge: &Edge| edge.held & Rail::Usage as u8 != 0;
    let is = account.rare().is_some_and(|rare| {
        let mut states = rare.triggers.states.iter();
        states.any(|(_, state)| {
            state.edges.values().any(wants) || state.kept.as_ref().is_some_and(|kept| wants(&kept.edge))
        })
    });
    account.word.set(Flag::WANTS_USAGE, is);
    is
}

/// Other rules apply. What a trigger of the same id remembers stays: when it fired, and the edges of a condition or the
/// occurrences of a pulse that is the same. What is true without an edge counts as fired: a change of the rules fires
/// nothing (semantics A27).
pub(super) fn after_activation(context: &Context<'_>, account: &mut Account<'_>, before: &Plan) {
    let plan = context.plan;
    let states = account.known_rare().map(|rare| std::mem::take(&mut rare.triggers.states)).unwrap_or_default();
    let mut by_id: BTreeMap<&str, (&TriggerKind, State)> = BTreeMap::new();
    for (place, state) in states {
        by_id.insert(&before.triggers[place].id, (&before.triggers[place].kind, state));
    }
    for (place, trigger) in plan.triggers.iter().enumerate() {
        let (was, mut state) = by_id.remove(&*trigger.id).map_or((None, State::default()), |it| (Some(it.0), it.1));
        match (&trigger.kind, was) {
            (TriggerKind::Pulse(pulse), Some(TriggerKind::Pulse(was))) if was == pulse => {}
            (TriggerKind::Pulse(_), _) => {
                state = State { fired_at: state.fired_at, fired_by: state.fired_by, ..State::default() }
            }
            (TriggerKind::State { when, per_user, rearm_after_closed_days }, was) => {
                let known = std::mem::take(&mut state.edges);
                let is_same = matches!(was, Some(TriggerKind::State { when: was, rearm_after_closed_days: rearm, .. })
                    if was == when && rearm == rearm_after_closed_days);
                let known = if is_same { known } else { BTreeMap::new() };
                state = State { fired_at: state.fired_at, wakes_at: state.wakes_at, ..State::default() };
                let whole = [WHOLE_ACCOUNT];
                let users = account.user_indices();
                for &key in if *per_user { &users[..] } else { &whole[..] } {
                    let user = (key != WHOLE_ACCOUNT).then_some(key);
                    let edge = match (values::holds(context, account, user, when, None), known.get(&key)) {
                        (Some(true), None) => Some(Edge { fired: true, ..Edge::default() }),
                        (Some(false), known) if *rearm_after_closed_days > 0 => known.copied(),
                        (Some(false), _) => None,
                        (_, known) => known.copied(),
                    };
                    if let Some(edge) = edge {
                        state.edges.insert(key, edge);
                    }
                }
            }
        }
        put_back(account, place, state);
    }
}

/// The pulse triggers whose first has been, a bit each, by the places that other rules give them.
pub(super) fn firsts_in(plan: &Plan, before: &Plan, firsts: u64) -> u64 {
    let has_been = |trigger: &Trigger| {
        let was = before.triggers.iter().position(|it| it.id == trigger.id).filter(|it| firsts >> it & 1 != 0);
        match (&trigger.kind, was.map(|was| &before.triggers[was].kind)) {
            (TriggerKind::Pulse(pulse), Some(TriggerKind::Pulse(was))) => was == pulse,
            _ => false,
        }
    };
    plan.triggers.iter().enumerate().filter(|(_, it)| has_been(it)).fold(0, |bits, (place, _)| bits | 1 << place)
}

fn put_back(account: &mut Account<'_>, index: usize, state: State) {
    if state.fired_at.is_some() || !state.edges.is_empty() || state.kept.is_some() || !state.evidence.is_empty() {
        account.rare_mut().triggers.put(index, state);
    }
}

/// What an event did that pulses listen to, besides its roles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News<'a> {
    /// The plan, in lower case, if it is now another one.
    pub(super) plan: Option<&'a str>,
    /// It is the first meaningful event of its user.
    pub(super) new_user: bool,
}

/// Publishes what an event is an occurrence of, whether or not it will fire (semantics D26).
pub(super) fn pulses<'a>(
    context: &mut Context<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    it: &'a Sighted<'a>,
    news: News<'_>,
    occurrences: &mut Vec<Occurrence<'a>>,
) {
    let plan = context.plan;
    if !it.roles.has_any(plan.index.pulse_roles) && !news.new_user && news.plan.is_none() {
        return;
    }
    for &trigger in &plan.index.pulses {
        let TriggerKind::Pulse(pulse) = &plan.triggers[trigger].kind else { continue };
        let by_role = pulse.role.is_some_and(|role| {
            it.roles.has(role) && pulse.only.iter().all(|(field, values)| it.has(plan, role, *field, values))
        });
        let by_user = pulse.role.is_none() && news.new_user;
        let by_plan = pulse.plan.is_some() && news.plan == pulse.plan.as_deref();
        let holds = || match &pulse.when {
            Some(when) => values::holds(context, account, None, when, Some((it, pulse.role))) == Some(true),
            None => true,
        };
        if !(by_role || by_user || by_plan) || !holds() {
            continue;
        }
        if pulse.raised_hand
            && let Some(user) = user
        {
            sighting::acts(context, account, user);
        }
        let signal = pulse.signal.clone().filter(|_| by_role);
        let fact = Fact { message_id: it.event.message_id.as_ref().into(), at: it.event.time, number: 1.0 };
        let kind = SignalKind::Pulse { signal, trigger: Some(plan.triggers[trigger].id.clone()) };
        context.publish(account, user, kind, vec![fact]);
        if pulse.first {
            let firsts = &mut account.rare_mut().life.firsts;
            let was = *firsts >> trigger & 1 != 0;
            *firsts |= 1 << trigger;
            if was {
                continue;
            }
        }
        let mark = Mark { time: it.event.time, place: it.place, message_id: &it.event.message_id };
        occurrences.push(Occurrence { trigger, user, mark, by_plan: !by_role && !by_user });
    }
}

/// Why triggers are evaluated, and with it which edges of single users can have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// An event: only what reads something that changed.
    Event,
    /// An event that can lift a rail, or something was due: every edge under way as well.
    Due,
    /// The close of a day: every edge under way as well.
    DayClose,
}

/// One evaluation of the triggers of an account.
struct Evaluation<'a, 'b> {
    context: &'a mut Context<'b>,
    at: EventTime,
    moment: Moment,
    /// Triggers that pacing held.
    paced: Vec<Arc<str>>,
    /// The first medium or low handoff sent, by its place among the effects.
    first_paced: Option<usize>,
    /// Something fired.
    fired: bool,
}

/// What fires: its trigger, whom it is about, and why.
pub(super) struct Fired<'a> {
    pub(super) trigger: usize,
    /// The edges that fire, as [`State::edges`] has them; of a pulse none.
    pub(super) concerned: &'a [u32],
    pub(super) user_ids: Vec<String>,
    /// How many more users it is about.
    left_out: u32,
    pub(super) why: String,
    facts: Vec<Fact>,
    /// No outreach before a while after this; none if a hand was raised (semantics D15).
    signed_up: Option<EventTime>,
    pub(super) pulse: Option<&'a Pulse>,
}

/// Evaluates what reads something that changed, and what is under way: high, medium, low, and within a level as the
/// rules have them (semantics D10).
pub(super) fn evaluate(
    context: &mut Context<'_>,
    account: &mut Account<'_>,
    occurrences: &[Occurrence<'_>],
    moment: Moment,
) {
    let plan = context.plan;
    let changed = std::mem::take(&mut context.work.changed);
    let touched: BTreeSet<u32> = context.work.touched.drain(..).collect();
    let at = context.at(account);
    let paced_before = account.rare().and_then(|rare| rare.triggers.paced);
    let mut evaluation = Evaluation { context, at, moment, paced: Vec::new(), first_paced: None, fired: false };
    // Of the triggers up to the first that fired not all that waits was looked at.
    let mut unseen = 0;
    for &index in &plan.by_level {
        let under_way = evaluation.looks_at_all();
        unseen += usize::from(!under_way);
        match &plan.triggers[index].kind {
            TriggerKind::Pulse(pulse) => {
                evaluation.kept_pulse(account, index, pulse);
                occurrences.iter().filter(|it| it.trigger == index).for_each(|it| evaluation.pulse(account, pulse, it));
            }
            TriggerKind::State { when, per_user: false, rearm_after_closed_days } => {
                let known = account.rare().and_then(|rare| rare.triggers.get(index));
                let has_edge = known.is_some_and(|state| !state.edges.is_empty());
                if when.reads.meet(changed) || (has_edge && under_way) {
                    evaluation.state(account, index, when, *rearm_after_closed_days, &[WHOLE_ACCOUNT]);
                }
            }
            TriggerKind::State { when, per_user: true, rearm_after_closed_days } => {
                let mut concerned: BTreeSet<u32> = BTreeSet::new();
                if when.reads.meet(changed) {
                    concerned.extend(&touched);
                }
                if when.reads.meet_in_account(changed) {
                    let may = account.users().filter(|(index, user)| may_concern(plan, account, *index, user));
                    concerned.extend(may.map(|(index, _)| index));
                }
                if under_way {
                    let known = account.rare().and_then(|rare| rare.triggers.get(index));
                    concerned.extend(known.iter().flat_map(|state| state.edges.keys()));
                }
                if !concerned.is_empty() {
                    let mut concerned = Vec::from_iter(concerned);
                    concerned.sort_by(|a, b| account.user_id(*a).cmp(account.user_id(*b)));
                    evaluation.state(account, index, when, *rearm_after_closed_days, &concerned);
                }
            }
        }
    }
    if let Some(first) = evaluation.first_paced {
        let Evaluation { context, paced, .. } = evaluation;
        let open_day = context.open_day();
        let handoff = &mut context.effects.handoffs[first];
        let (seen, now) = (plan.by_level.iter().enumerate(), context.now);
        let has_usage = account.has_usage(account.window_end(open_day));
        let is_behind = |place: usize, index: usize| {
            place < unseen && waits_for_pacing(plan, account, index, paced_before, has_usage, now)
        };
        handoff.also = seen
            .map(|(place, index)| (place, *index, &plan.triggers[*index].id))
            .filter(|(_, _, id)| **id != handoff.trigger)
            .filter(|(place, index, id)| paced.contains(id) || is_behind(*place, *index))
            .map(|(_, _, id)| id.clone())
            .collect();
    }
}

/// Whether something of a trigger that was not looked at anew is kept by pacing (semantics D10).
fn waits_for_pacing(
    plan: &Plan,
    account: &Account<'_>,
    index: usize,
    paced: Option<(Level, EventTime)>,
    has_usage: bool,
    now: EventTime,
) -> bool {
    let trigger = &plan.triggers[index];
    let Some(state) = account.rare().and_then(|rare| rare.triggers.get(index)) else { return false };
    let is_rested = state.fired_at.is_some_and(|fired| now < fired.plus(trigger.cooldown_ms));
    let pacing = pacing_end(paced, trigger.level, plan);
    let is_paced = pacing.is_some_and(|end| now < end);
    let waits = |edge: &Edge| edge.waited && edge.held & Rail::Pacing as u8 != 0 && edge.passed != pacing;
    let kept = state.kept.as_ref().is_some_and(|kept| waits(&kept.edge) && now < kept.time.plus(PULSE_STALE_MS));
    let has_usage = has_usage || !plan.rails.usage;
    has_usage && is_paced && ((!is_rested && state.edges.values().any(waits)) || kept)
}

/// The account, or a user, begins a new life: nobody is absent on its first day, so what is about absence may fire
/// again (semantics B12).
pub(super) fn begin_life(plan: &Plan, account: &mut Account<'_>, key: u32) {
    let Some(rare) = account.known_rare() else { return };
    let mut absence = Reads::default();
    absence.figure(Figure::IdleDays);
    let is_idle = |kind: &Kind| matches!(kind, Kind::Idle(_));
    for (slot, _) in plan.user_signals.iter().enumerate().filter(|(_, signal)| is_idle(&signal.kind)) {
        absence.signal(SignalRef::User(slot));
    }
    for (place, state) in &mut rare.triggers.states {
        if let TriggerKind::State { when, .. } = &plan.triggers[*place].kind
            && when.reads.meet(absence)
        {
            state.edges.remove(&key);
        }
    }
}

/// Whether a condition of a user trigger could be true of a user, by what is on.
fn may_concern(plan: &Plan, account: &Account<'_>, user_index: u32, user: &User) -> bool {
    let (index, word) = (&plan.index, user.word);
    word.any_of(index.trigger_bits)
        || word.band() > 0
        || (index.trigger_scores && word.any())
        || (index.trigger_everybody && account.exists(user_index))
}

impl Evaluation<'_, '_> {
    /// Whether every edge under way is looked at, not only what reads something that changed.
    fn looks_at_all(&self) -> bool {
        self.moment != Moment::Event || self.fired
    }

    fn state_of(&self, account: &mut Account<'_>, index: usize) -> State {
        account.known_rare().and_then(|rare| rare.triggers.take(index)).unwrap_or_default()
    }

    /// An occurrence fires, is rested and becomes evidence of the next, or is kept by a rail (semantics D2, D3).
    fn pulse(&mut self, account: &mut Account<'_>, pulse: &Pulse, occurrence: &Occurrence<'_>) {
        let index = occurrence.trigger;
        let trigger = &self.context.plan.triggers[index];
        let mut state = self.state_of(account, index);
        state.evidence.add(occurrence.mark);
        let stale = occurrence.mark.time < self.context.now.plus(-PULSE_STALE_MS);
        let time = occurrence.mark.time;
        let rested = state.fired_at.is_some_and(|fired| self.at < fired.plus(trigger.cooldown_ms))
            || state.fired_by.is_some_and(|fired| time < fired.plus(trigger.cooldown_ms));
        // What waits is replaced only by what came later (semantics D25).
        let is_newest = state.kept.as_ref().is_none_or(|kept| kept.time < time);
        if !stale && !rested && is_newest {
            let kept = Kept { time, user: occurrence.user, by_plan: occurrence.by_plan, edge: Edge::default() };
            state.kept = None;
            self.fire_or_keep(account, index, pulse, &mut state, kept);
        }
        put_back(account, index, state);
    }

    /// The occurrence that a rail keeps fires once it lifts, within a week.
    fn kept_pulse(&mut self, account: &mut Account<'_>, index: usize, pulse: &Pulse) {
        let waits = |account: &Account<'_>| Some(account.rare()?.triggers.get(index)?.kept.is_some());
        if !self.looks_at_all() || waits(account) != Some(true) {
            return;
        }
        let mut state = self.state_of(account, index);
        if let Some(kept) = state.kept.take().filter(|kept| self.context.now < kept.time.plus(PULSE_STALE_MS)) {
            self.fire_or_keep(account, index, pulse, &mut state, kept);
        }
        put_back(account, index, state);
    }

    fn fire_or_keep(&mut self, account: &mut Account<'_>, index: usize, pulse: &Pulse, state: &mut State, kept: Kept) {
        let mut edge = kept.edge;
        match self.passes(account, index, state, kept.user, &mut edge, pulse.raised_hand) {
            Passes::Fires => {}
            Passes::Waits => {
                self.wait(state, &mut edge, Some(kept.time.plus(PULSE_STALE_MS)));
                state.kept = Some(Kept { edge, ..kept });
                return;
            }
            Passes::IsOver => return,
        }
        (state.fired_at, state.fired_by) = (Some(self.at), Some(kept.time));
        let facts = std::mem::take(&mut state.evidence).told().collect();
        let user = kept.user.map(|user| account.user_id(user).to_string());
        let who = user.as_deref().unwrap_or("somebody");
        let why = match (kept.by_plan, &pulse.plan, pulse.role) {
            (true, Some(plan), _) => format!("{who} chose the {plan} plan"),
            (_, _, Some(role)) => format!("{who} {}", role.deed()),
            (_, _, None) => format!("{who} is new"),
        };
        // A raised hand waits for nothing; else a pulse is its user's, or the account's (semantics D13).
        let since = kept.user.map(|user| account.user(user).since).or(account.first());
        let signed_up = since.filter(|_| !pulse.raised_hand);
        let user_ids = user.into_iter().collect();
        self.fire(
            account,
            Fired { trigger: index, concerned: &[], user_ids, left_out: 0, why, facts, signed_up, pulse: Some(pulse) },
        );
    }

    fn state(&mut self, account: &mut Account<'_>, index: usize, when: &Condition, rearm_after: u8, concerned: &[u32]) {
        let holds = |it: &Self, account: &Account<'_>, key: u32| {
            values::holds(it.context, account, (key != WHOLE_ACCOUNT).then_some(key), when, None)
        };
        // Most conditions are not true, and never were.
        let is_known = account.rare().is_some_and(|rare| rare.triggers.get(index).is_some());
        if !is_known && concerned.iter().all(|key| holds(self, account, *key) != Some(true)) {
            return;
        }
        let mut state = self.state_of(account, index);
        let mut ready = Vec::new();
        for &key in concerned {
            let user = (key != WHOLE_ACCOUNT).then_some(key);
            let mut edge = state.edges.remove(&key).unwrap_or_default();
            match holds(self, account, key) {
                Some(false) => {
                    edge.false_days = edge.false_days.saturating_add(u8::from(self.moment == Moment::DayClose));
                    let fired = edge.fired && edge.false_days < rearm_after;
                    edge = Edge { fired, false_days: if fired { edge.false_days } else { 0 }, ..Edge::default() };
                }
                // Unknown neither re-arms nor keeps a pending edge (semantics D11).
                None => edge = Edge { fired: edge.fired, ..Edge::default() },
                Some(true) if edge.fired => edge.false_days = 0,
                Some(true) => match self.passes(account, index, &mut state, user, &mut edge, false) {
                    Passes::Fires => {
                        ready.push(key);
                        edge = Edge { fired: true, ..Edge::default() };
                    }
                    Passes::Waits => {}
                    Passes::IsOver => edge = Edge { fired: true, ..Edge::default() },
                },
            }
            if edge != Edge::default() {
                state.edges.insert(key, edge);
            }
        }
        if !ready.is_empty() {
            state.fired_at = Some(self.at);
            self.fire_state(account, index, when, &ready);
        }
        put_back(account, index, state);
    }

    /// Whether neither the cooldown nor a rail keeps what is true; what keeps it is noted, and published if a rail.
    fn passes(
        &mut self,
        account: &mut Account<'_>,
        index: usize,
        state: &mut State,
        user: Option<u32>,
        edge: &mut Edge,
        raised_hand: bool,
    ) -> Passes {
        let plan = self.context.plan;
        let trigger = &plan.triggers[index];
        if plan.rails.live_from.is_some_and(|from| self.at < from) {
            self.hold(account, index, user, (state, edge), Rail::WarmUp, None);
            return Passes::IsOver;
        }
        // A new edge is measured by its own instant, one that was kept before by the watermark (semantics D4).
        let clock = if edge.waited { self.context.now } else { self.at };
        if let Some(rested) =
            state.fired_at.map(|fired| fired.plus(trigger.cooldown_ms)).filter(|rested| clock < *rested)
        {
            self.wait(state, edge, Some(rested));
            return Passes::Waits;
        }
        let has_usage = account.has_usage(account.window_end(self.context.open_day()));
        if plan.rails.usage && !raised_hand && !has_usage {
            self.hold(account, index, user, (state, edge), Rail::Usage, None);
            return Passes::Waits;
        }
        if trigger.level == Level::High {
            return Passes::Fires;
        }
        let pacing = pacing_end(account.rare().and_then(|rare| rare.triggers.paced), trigger.level, plan);
        if let Some(rested) = pacing.filter(|rested| clock < *rested && edge.passed != pacing) {
            self.hold(account, index, user, (state, edge), Rail::Pacing, Some(rested));
            if !self.paced.contains(&trigger.id) {
                self.paced.push(trigger.id.clone());
            }
            return Passes::Waits;
        }
        edge.passed = pacing;
        if let Some(until) = engaged_until(account, clock, plan) {
            self.hold(account, index, user, (state, edge), Rail::Engaged, until);
            return Passes::Waits;
        }
        Passes::Fires
    }

    /// An edge has to wait, until the given instant if that is known.
    fn wait(&mut self, state: &mut State, edge: &mut Edge, until: Option<EventTime>) {
        edge.waited = true;
        let Some(until) = until else { return };
        // What a late event waits for may be over, and its timer gone.
        if state.wakes_at != Some(until) || until <= self.context.now {
            state.wakes_at = Some(until);
            self.context.timers.schedule(until, self.context.index, Timer::Rested);
        }
    }

    /// A rail keeps an edge: told once per edge and rail (semantics D26).
    fn hold(
        &mut self,
        account: &mut Account<'_>,
        index: usize,
        user: Option<u32>,
        (state, edge): (&mut State, &mut Edge),
        rail: Rail,
        until: Option<EventTime>,
    ) {
        self.wait(state, edge, until);
        if edge.held & rail as u8 == 0 {
            edge.held |= rail as u8;
            if rail == Rail::Usage {
                account.word.set(Flag::WANTS_USAGE, true);
            }
            let trigger = self.context.plan.triggers[index].id.clone();
            self.context.publish(account, user, SignalKind::Held { trigger, rail }, Vec::new());
        }
    }

    fn fire_state(&mut self, account: &mut Account<'_>, index: usize, when: &Condition, ready: &[u32]) {
        let users: Vec<u32> = ready.iter().copied().filter(|key| *key != WHOLE_ACCOUNT).collect();
        let subjects: Vec<Option<u32>> =
            if users.is_empty() { vec![None] } else { users.iter().take(SUBJECTS_TOLD).copied().map(Some).collect() };
        let (mut words, mut facts) = (Vec::new(), Vec::new());
        for subject in subjects {
            values::explain(self.context, account, subject, when, &mut words, &mut facts);
        }
        if users.len() > SUBJECTS_TOLD {
            words.push(format!("and {} more users", users.len() - SUBJECTS_TOLD));
        }
        facts.sort_by_key(|fact| fact.at);
        let signed_up = users.iter().map(|user| account.user(*user).since).max().or(account.first());
        let user_ids = users.iter().take(LIST_MAX).map(|user| account.user_id(*user).to_string()).collect();
        words.dedup();
        let why = words.join("; ");
        let left_out = users.len().saturating_sub(LIST_MAX) as u32;
        self.fire(
            account,
            Fired { trigger: index, concerned: ready, user_ids, left_out, why, facts, signed_up, pulse: None },
        );
    }

    /// Sends a handoff.
    fn fire(&mut self, account: &mut Account<'_>, fired: Fired<'_>) {
        let plan = self.context.plan;
        let trigger = &plan.triggers[fired.trigger];
        let at = self.at;
        let not_before = fired.signed_up.map_or(at, |since| at.max(since.plus(plan.rails.after_signup_ms)));
        let (due_from, due) = match trigger.level {
            Level::High => (None, Some(not_before)),
            Level::Medium => (Some(not_before.plus(plan.medium_due_ms.0)), Some(not_before.plus(plan.medium_due_ms.1))),
            Level::Low => (None, None),
        };
        let id = HandoffId::new(account.id(), &trigger.id, at);
        let (picture, awaits_answer) = picture::of_handoff(self.context, account, &fired);
        account.last_at = at;
        account.touch((at, self.context.now));
        self.fired = true;
        account.word.set(Flag::FIRED, true);
        let rare = account.rare_mut();
        if awaits_answer {
            rare.unanswered.retain(|(_, sent)| at < sent.plus(plan.rails.unanswered_ms));
            rare.unanswered.push((id, at));
        }
        if trigger.level != Level::High {
            rare.triggers.paced = Some((trigger.level, at));
            self.first_paced.get_or_insert(self.context.effects.handoffs.len());
        }
        self.context.effects.handoffs.push(Handoff {
            id,
            account: account.id().to_string(),
            trigger: trigger.id.clone(),
            level: trigger.level,
            at,
            due_from,
            due,
            not_before,
            also: Vec::new(),
            user_ids: fired.user_ids,
            user_ids_left_out: fired.left_out,
            why: fired.why,
            facts: fired.facts,
            rules_version: plan.version.clone(),
            picture: Box::new(picture),
        });
    }
}

/// What rests and rails make of something true.
enum Passes {
    Fires,
    /// It fires later, if it is still true then.
    Waits,
    /// It never fires.
    IsOver,
}

/// When the last handoff stops keeping one of this level: medium passes what low began, high passes all (semantics D9).
fn pacing_end(paced: Option<(Level, EventTime)>, level: Level, plan: &Plan) -> Option<EventTime> {
    let (paced, at) = paced?;
    let passes = level == Level::High || (level == Level::Medium && paced == Level::Low);
    (!passes).then(|| at.plus(plan.rails.pacing_ms))
}

/// Whether somebody is at it: outer none: nobody; inner none: nobody knows until when.
fn engaged_until(account: &Account<'_>, clock: EventTime, plan: &Plan) -> Option<Option<EventTime>> {
    let rare = account.rare()?;
    let is = |field| rare.traits.boolean(field) == Some(true);
    if plan.rails.engaged_traits && (is(Field::DoNotContact) || is(Field::OpenOpportunity)) {
        return Some(None);
    }
    let ends = rare.unanswered.iter().map(|(_, at)| at.plus(plan.rails.unanswered_ms));
    ends.filter(|end| clock < *end).max().map(Some)
}

/// An outcome of a handoff came back: whoever waited for it waits no longer. Returns whether a rail may have lifted.
pub(super) fn answer(plan: &Plan, account: &mut Account<'_>, it: &Sighted<'_>) -> bool {
    let Some(role) = it.roles.outcome() else { return false };
    let id = it.text(plan, role, Field::HandoffId);
    let Some(rare) = account.known_rare().filter(|rare| !rare.unanswered.is_empty()) else { return false };
    let before = rare.unanswered.len();
    rare.unanswered.retain(|(handoff, at)| {
        let named = id.as_ref().is_none_or(|id| handoff.to_string() == *id);
        !(named && it.event.time >= *at)
    });
    rare.unanswered.len() < before
}
