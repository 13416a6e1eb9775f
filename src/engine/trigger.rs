//! Rungs → handoffs: edges, rests, guard rails (edges D).
//!
//! An edge that has not fired and whose condition is true is pending: it fires as soon as no rest and no rail keeps
//! it. There is no other state of being pending.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::account::Account;
use super::signals::{self, Context, Evidence};
use super::timers::Due;
use super::velocity;
use crate::model::{Event, EventTime, Fact, Handoff, HandoffId, Level, Place, Rail, SignalKind};
use crate::rules::{AccountMetric, Condition, Plan, Pulse, RoleSet, SignalRef, TriggerKind};

/// A pulse older than this, against the watermark, is published but fires nothing (edges A17).
const PULSE_STALE_MS: i64 = 7 * crate::model::DAY_MS;

/// What the triggers of an account remember.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    /// By the trigger's place in the rules.
    states: BTreeMap<usize, State>,
    /// The last medium or low handoff.
    paced: Option<(Level, EventTime)>,
}

#[derive(Debug, Default)]
struct State {
    fired_at: Option<EventTime>,
    /// When the timer that was set last wakes what waits.
    wakes_at: Option<EventTime>,
    /// By user, or [`WHOLE_ACCOUNT`] for the account's own. Edges at their beginning are left out.
    edges: BTreeMap<u32, Edge>,
    /// Pulses since the last fire.
    evidence: Evidence,
}

/// One condition on its way from false to fired.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Edge {
    /// It fired and the condition was not false since.
    fired: bool,
    /// A rest or a rail kept it: it is released by the watermark.
    waited: bool,
    /// Rails that have been published as holding it, one bit each.
    held: u8,
    /// Closed days in a row on which the condition was false after it fired.
    false_days: u8,
}

/// Of so many users a handoff tells in words and facts; of the others it tells the ids, and beyond a bound their
/// number: a handoff must fit into a record, and a person does not read on.
const SUBJECTS_TOLD: usize = 5;
const USER_IDS_MAX: usize = 1_000;

const WHOLE_ACCOUNT: u32 = u32::MAX;

/// An event that is the occurrence of a pulse trigger.
#[derive(Debug)]
pub(super) struct Occurrence<'a> {
    trigger: usize,
    user: Option<u32>,
    time: EventTime,
    place: Place,
    message_id: &'a str,
    /// It is the plan that became another one, not an event of the role.
    by_plan: bool,
}

impl Triggers {
    /// Whether any edge is under way: fired and not false since, or waiting.
    pub(super) fn are_under_way(&self) -> bool {
        self.states.values().any(|state| !state.edges.is_empty())
    }

    /// Whether any edge waits for a usage fact.
    pub(super) fn want_usage(&self) -> bool {
        self.states.values().flat_map(|state| state.edges.values()).any(|edge| edge.held & Rail::Usage as u8 != 0)
    }

    /// Whether a user's edge is remembered.
    pub(super) fn names(&self, user: u32) -> bool {
        self.states.values().any(|state| state.edges.contains_key(&user))
    }

    /// Users have moved to other places; those whose edges are remembered are not dropped.
    pub(super) fn rename(&mut self, places: &BTreeMap<u32, u32>) {
        for state in self.states.values_mut() {
            let edges = std::mem::take(&mut state.edges);
            state.edges =
                edges.into_iter().map(|(user, edge)| (places.get(&user).copied().unwrap_or(user), edge)).collect();
        }
    }
}

/// Publishes what an event is an occurrence of, whether or not it will fire (edges D26).
pub(super) fn pulses<'a>(
    context: &mut Context<'_>,
    account: &mut Account,
    user: Option<u32>,
    (roles, plan_change): (RoleSet, PlanChange<'_>),
    event: &'a Event<'_>,
    place: Place,
    occurrences: &mut Vec<Occurrence<'a>>,
) {
    let plan = context.plan;
    if roles.is_empty() {
        return;
    }
    for (trigger, pulse) in plan.triggers.iter().enumerate().filter_map(|(index, trigger)| match &trigger.kind {
        TriggerKind::Pulse(pulse) => Some((index, pulse)),
        TriggerKind::State { .. } => None,
    }) {
        if !roles.has(pulse.role) && !plan_change.becomes(pulse) {
            continue;
        }
        let signal = pulse.signal.clone().filter(|_| roles.has(pulse.role));
        let fact = Fact { message_id: event.message_id.as_ref().into(), at: event.time, number: 1.0 };
        let kind = SignalKind::Pulse { signal, trigger: Some(plan.triggers[trigger].id.clone()) };
        context.publish(account, user, kind, vec![fact]);
        occurrences.push(Occurrence {
            trigger,
            user,
            time: event.time,
            place,
            message_id: &event.message_id,
            by_plan: !roles.has(pulse.role),
        });
    }
}

/// What an event did to the plan of the latest subscription.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PlanChange<'a> {
    /// The plan, in lower case, if it is now another one.
    pub(super) now: Option<&'a str>,
}

impl PlanChange<'_> {
    fn becomes(self, pulse: &Pulse) -> bool {
        pulse.plan.is_some() && self.now == pulse.plan.as_deref()
    }
}

/// Why triggers are evaluated, and with it which edges of single users can have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// An event: only users whose signals moved.
    Event,
    /// An event that concerns every user of the account, as a paid subscription does.
    EventForAll,
    /// An event that is a usage fact for edges that waited for one, or something was due: every edge under way.
    Due,
    /// The close of a day: every edge under way.
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
}

/// Evaluates every trigger: high, medium, low, and within a level as the rules have them (edges D10).
pub(super) fn evaluate(
    context: &mut Context<'_>,
    account: &mut Account,
    occurrences: &[Occurrence<'_>],
    moment: Moment,
) {
    let plan = context.plan;
    *context.moved = false;
    let mut users: BTreeSet<u32> = context.touched.drain(..).collect();
    if moment == Moment::EventForAll {
        users.extend(
            account.users.iter().filter(|(_, user)| user.word.any_of(plan.trigger_slots)).map(|(index, _)| index),
        );
    }
    let at = context.at(account);
    let mut evaluation = Evaluation { context, at, moment, paced: Vec::new(), first_paced: None };
    for &index in &plan.by_level {
        match &plan.triggers[index].kind {
            TriggerKind::Pulse(pulse) => {
                occurrences.iter().filter(|it| it.trigger == index).for_each(|it| evaluation.pulse(account, pulse, it));
            }
            TriggerKind::State { when, per_user: false, rearm_after_closed_days } => {
                evaluation.state(account, index, when, *rearm_after_closed_days, &[WHOLE_ACCOUNT]);
            }
            TriggerKind::State { when, per_user: true, rearm_after_closed_days } => {
                let known = account.rare.as_ref().and_then(|rare| rare.triggers.states.get(&index));
                let known = known.filter(|_| moment != Moment::Event);
                let edges = known.iter().flat_map(|state| state.edges.keys().copied());
                let concerned: BTreeSet<u32> = edges.chain(users.iter().copied()).collect();
                let mut concerned = Vec::from_iter(concerned);
                concerned.sort_by(|a, b| account.users.get(*a).id.cmp(&account.users.get(*b).id));
                if !concerned.is_empty() {
                    evaluation.state(account, index, when, *rearm_after_closed_days, &concerned);
                }
            }
        }
    }
    if let Some(first) = evaluation.first_paced {
        let handoff = &mut evaluation.context.effects.handoffs[first];
        handoff.also = evaluation.paced.into_iter().filter(|id| *id != handoff.trigger).collect();
    }
}

impl Evaluation<'_, '_> {
    fn pulse(&mut self, account: &mut Account, pulse: &Pulse, occurrence: &Occurrence<'_>) {
        let trigger = &self.context.plan.triggers[occurrence.trigger];
        let state = account.rare().triggers.states.entry(occurrence.trigger).or_default();
        state.evidence.add(occurrence.time, occurrence.place, occurrence.message_id);
        let stale = occurrence.time < self.context.now.plus(-PULSE_STALE_MS);
        let rested = state.fired_at.is_some_and(|fired| self.at < fired.plus(trigger.cooldown_ms));
        if stale || rested {
            return;
        }
        state.fired_at = Some(self.at);
        let facts = std::mem::take(&mut state.evidence).facts().collect();
        let user = occurrence.user.map(|user| account.users.get(user).id.to_string());
        let who = user.as_deref().unwrap_or("somebody");
        let why = match (occurrence.by_plan, &pulse.plan) {
            (true, Some(plan)) => format!("{who} chose the {plan} plan"),
            _ => format!("{who} {}", signals::deed(pulse.role)),
        };
        // A pulse is a raised hand: rails 1 and 2 let it pass (edges D14).
        let not_before = None;
        self.fire(account, occurrence.trigger, user.into_iter().collect(), not_before, why, facts);
    }

    fn state(&mut self, account: &mut Account, index: usize, when: &Condition, rearm_after: u8, concerned: &[u32]) {
        let mut state = account.rare.as_mut().and_then(|rare| rare.triggers.states.remove(&index)).unwrap_or_default();
        let mut ready = Vec::new();
        for &key in concerned {
            let user = (key != WHOLE_ACCOUNT).then_some(key);
            let mut edge = state.edges.remove(&key).unwrap_or_default();
            match holds(when, self.context, account, user) {
                Some(false) => {
                    edge.false_days = edge.false_days.saturating_add(u8::from(self.moment == Moment::DayClose));
                    let fired = edge.fired && edge.false_days < rearm_after;
                    edge = Edge { fired, false_days: if fired { edge.false_days } else { 0 }, ..Edge::default() };
                }
                // Unknown neither re-arms nor keeps a pending edge (edges D11).
                None => edge = Edge { fired: edge.fired, ..Edge::default() },
                Some(true) => {
                    edge.false_days = 0;
                    if !edge.fired && self.passes(account, index, &mut state, user, &mut edge) {
                        ready.push(key);
                        edge = Edge { fired: true, ..Edge::default() };
                    }
                }
            }
            if edge != Edge::default() {
                state.edges.insert(key, edge);
            }
        }
        if !ready.is_empty() {
            state.fired_at = Some(self.at);
            self.fire_state(account, index, when, &ready);
        }
        if state.fired_at.is_some() || !state.edges.is_empty() {
            account.rare().triggers.states.insert(index, state);
        }
    }

    /// Whether neither the cooldown nor a rail keeps a true edge; what keeps it is noted, and published if a rail.
    fn passes(
        &mut self,
        account: &mut Account,
        index: usize,
        state: &mut State,
        user: Option<u32>,
        edge: &mut Edge,
    ) -> bool {
        let plan = self.context.plan;
        let trigger = &plan.triggers[index];
        // A new edge is measured by its own instant, one that was kept before by the watermark (edges D4).
        let clock = if edge.waited { self.context.now } else { self.at };
        if let Some(rested) =
            state.fired_at.map(|fired| fired.plus(trigger.cooldown_ms)).filter(|rested| clock < *rested)
        {
            self.wait(state, edge, Some(rested));
            return false;
        }
        if plan.rails.usage && !account.has_usage(account.window_end(self.context.open_day())) {
            self.hold(account, index, user, (state, edge), Rail::Usage, None);
            return false;
        }
        if let Some(rested) = pacing_end(account, trigger.level, plan).filter(|rested| clock < *rested) {
            self.hold(account, index, user, (state, edge), Rail::Pacing, Some(rested));
            if !self.paced.contains(&trigger.id) {
                self.paced.push(trigger.id.clone());
            }
            return false;
        }
        true
    }

    /// An edge has to wait, until the given instant if that is known.
    fn wait(&mut self, state: &mut State, edge: &mut Edge, until: Option<EventTime>) {
        edge.waited = true;
        if until.is_some() && state.wakes_at != until {
            state.wakes_at = until;
            until.into_iter().for_each(|until| self.context.timers.schedule(until, self.context.index, Due::Rested));
        }
    }

    /// A rail keeps an edge: told once per edge and rail (edges D26).
    fn hold(
        &mut self,
        account: &mut Account,
        index: usize,
        user: Option<u32>,
        (state, edge): (&mut State, &mut Edge),
        rail: Rail,
        until: Option<EventTime>,
    ) {
        self.wait(state, edge, until);
        if edge.held & rail as u8 == 0 {
            edge.held |= rail as u8;
            let trigger = self.context.plan.triggers[index].id.clone();
            self.context.publish(account, user, SignalKind::Held { trigger, rail }, Vec::new());
        }
    }

    fn fire_state(&mut self, account: &mut Account, index: usize, when: &Condition, ready: &[u32]) {
        let users: Vec<u32> = ready.iter().copied().filter(|key| *key != WHOLE_ACCOUNT).collect();
        let subjects: Vec<Option<u32>> =
            if users.is_empty() { vec![None] } else { users.iter().take(SUBJECTS_TOLD).copied().map(Some).collect() };
        let (mut words, mut facts) = (Vec::new(), Vec::new());
        for subject in subjects {
            for signal in named(when) {
                if account.rung(signal, subject) > 0 {
                    words.push(signals::words(self.context, account, signal, subject));
                    facts.extend(signals::facts(self.context, account, signal, subject));
                }
            }
        }
        if users.len() > SUBJECTS_TOLD {
            words.push(format!("and {} more users", users.len() - SUBJECTS_TOLD));
        }
        facts.sort_by_key(|fact| fact.at);
        let since = users.iter().map(|user| account.users.get(*user).since).max().or(account.first());
        let ids = users.iter().take(USER_IDS_MAX).map(|user| account.users.get(*user).id.to_string()).collect();
        words.dedup();
        self.fire(account, index, ids, since, words.join("; "), facts);
    }

    /// Sends a handoff. `signed_up`: no outreach before a while after it; none if a hand was raised (edges D15).
    fn fire(
        &mut self,
        account: &mut Account,
        index: usize,
        user_ids: Vec<String>,
        signed_up: Option<EventTime>,
        why: String,
        facts: Vec<Fact>,
    ) {
        let plan = self.context.plan;
        let trigger = &plan.triggers[index];
        let at = self.at;
        let not_before = signed_up.map_or(at, |since| at.max(since.plus(plan.rails.after_signup_ms)));
        let (due_from, due) = match trigger.level {
            Level::High => (None, Some(not_before)),
            Level::Medium => (Some(not_before.plus(plan.medium_due_ms.0)), Some(not_before.plus(plan.medium_due_ms.1))),
            Level::Low => (None, None),
        };
        account.last_at = at;
        let rare = account.rare();
        if trigger.level != Level::High {
            rare.triggers.paced = Some((trigger.level, at));
            self.first_paced.get_or_insert(self.context.effects.handoffs.len());
        }
        self.context.effects.handoffs.push(Handoff {
            id: HandoffId::new(&account.id, &trigger.id, at),
            account: account.id.to_string(),
            trigger: trigger.id.clone(),
            level: trigger.level,
            at,
            due_from,
            due,
            not_before,
            also: Vec::new(),
            user_ids,
            why,
            facts,
            rules_version: plan.version.clone(),
        });
    }
}

/// When the last handoff stops keeping one of this level: medium passes what low began, high passes all (edges D9).
fn pacing_end(account: &Account, level: Level, plan: &Plan) -> Option<EventTime> {
    let (paced, at) = account.rare.as_ref()?.triggers.paced?;
    let passes = level == Level::High || (level == Level::Medium && paced == Level::Low);
    (!passes).then(|| at.plus(plan.rails.pacing_ms))
}

/// Whether a condition holds; none if that is unknown: false and unknown is false, true and unknown is unknown.
fn holds(condition: &Condition, context: &Context<'_>, account: &Account, user: Option<u32>) -> Option<bool> {
    // One that decides is enough; else one that is unknown makes all of it unknown.
    let several = |list: &[Condition], decides: bool| {
        let mut all = Some(!decides);
        for each in list {
            match holds(each, context, account, user) {
                Some(is) if is == decides => return Some(decides),
                Some(_) => {}
                None => all = None,
            }
        }
        all
    };
    match condition {
        Condition::All(list) => several(list, false),
        Condition::Any(list) => several(list, true),
        Condition::Signal(signal, rung) => {
            signals::knows(context, account, *signal, user).then(|| account.rung(*signal, user) >= *rung)
        }
        Condition::Metric(AccountMetric::Paid, is) => Some(account.is_paid() == *is),
        Condition::Metric(AccountMetric::SpikeKnown, is) => {
            let last_closed = context.open_day().plus(-1);
            account.founded().map(|founded| (velocity::blocks(last_closed, founded) >= 2) == *is)
        }
        Condition::Metric(AccountMetric::WauAbove(weeks), is) => {
            (account.risen.1 >> weeks & 1 != 0).then_some((account.risen.0 >> weeks & 1 != 0) == *is)
        }
    }
}

/// The signals that a condition names, in order.
fn named(condition: &Condition) -> Vec<SignalRef> {
    match condition {
        Condition::All(list) | Condition::Any(list) => {
            let mut signals = Vec::new();
            list.iter().flat_map(named).for_each(|signal| {
                if !signals.contains(&signal) {
                    signals.push(signal)
                }
            });
            signals
        }
        Condition::Signal(signal, _) => vec![*signal],
        Condition::Metric(..) => Vec::new(),
    }
}
