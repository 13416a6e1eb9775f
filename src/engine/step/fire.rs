//! Decides when a trigger fires: occurrences of events, edges of conditions, cooldowns and guard rails (semantics D).
//!
//! An edge that has not fired and whose condition is true is pending: it fires as soon as no cooldown and no rail holds
//! it. A pending edge has no other state. An occurrence that a rail holds is pending for a week.

use std::sync::Arc;

use super::delta::{Step, TRIGGERS};
use super::emit;
use super::life;
use super::rails::{self, AtRails, Passes};
use super::update::Applied;
use crate::engine::context::MatchedEvent;
use crate::engine::handoff_context::{self, Fired};
use crate::engine::state::Account;
use crate::engine::state::facts::Mark;
use crate::engine::state::triggers::{Edge, Kept, OCCURRENCE_STALE_MS, Paced, State};
use crate::engine::state::word::Flag;
use crate::engine::values;
use crate::model::{EventTime, Evidence, Handoff, HandoffId, Level, Rail, SignalKind};
use crate::rules::{Changes, Condition, OnEvent, Places, Plan, Reads, TriggerKind};
use crate::wire::LIST_MAX;

/// The most users whose reasons a handoff explains. The ids of others are listed, and beyond a limit only counted
/// (semantics F22).
const SUBJECTS_MAX: usize = 5;

/// An event that is the occurrence of an event trigger.
#[derive(Debug)]
struct Occurrence {
    trigger: usize,
    user: Option<u32>,
    mark: Mark,
    /// The occurrence is a change of the plan, not an event of the role.
    by_plan: bool,
}

/// Why triggers are evaluated, which decides which edges are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// An event: edges of conditions that read something that changed.
    Event,
    /// An event that may lift a rail, or due work: also every edge under way, that is, one that waits or whose closed
    /// days are counted.
    Due,
    /// The close of a day: also every edge under way.
    DayClose,
}

/// Evaluates the conditions that read what an event changed, and the triggers that it is an occurrence of.
pub(super) fn after_event(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>, applied: &Applied) {
    begin_lives(step, account);
    let mut occurrences = Vec::new();
    if !applied.excluded {
        find_occurrences(step, account, it, applied, &mut occurrences);
    }
    let plan = step.context.plan;
    step.delta.settle_reads(plan, account);
    let usage_comes = applied.activity && rails::wants_usage(account);
    let answered = rails::answer(plan, account, it);
    // On another day, the activity that a waiting handoff needs may have left the last 28 days.
    let another_day = applied.another_day && is_under_way(plan, account);
    let lifts = usage_comes || answered || another_day || account.word.is(Flag::FIRED) || applied.traits;
    account.word.set(Flag::FIRED, false);
    if lifts || !occurrences.is_empty() || step.delta.reads.meet(&plan.index.reads) {
        evaluate(step, account, &occurrences, if lifts { Moment::Due } else { Moment::Event });
    }
}

/// Evaluates the conditions that read what changed at an instant, and all edges under way.
pub(super) fn after_due_work(step: &mut Step<'_>, account: &mut Account<'_>, moment: Moment) {
    let plan = step.context.plan;
    step.delta.settle_reads(plan, account);
    if is_under_way(plan, account) || step.delta.reads.meet(&plan.index.reads) {
        evaluate(step, account, &[], moment);
    }
}

fn is_under_way(plan: &Plan, account: &Account<'_>) -> bool {
    account.triggers().any(|it| it.is_under_way(plan))
}

/// The account, or a user, begins a new life. Conditions about absence are false on its first day, so they may fire
/// again (semantics B12).
fn begin_lives(step: &Step<'_>, account: &mut Account<'_>) {
    let is_new = |(_, changes): &&(u32, Changes)| changes.meet(Changes::BEGAN);
    let account_is_new = step.delta.account.meet(Changes::REBORN);
    if !account_is_new && !step.delta.users.iter().any(|it| is_new(&it)) {
        return;
    }
    if account.triggers().next().is_none() {
        return;
    }
    let plan = step.plan;
    let reads_absence = |place: &usize| matches!(&plan.triggers[*place].kind, TriggerKind::Condition { when, .. } if when.reads.meet(&plan.index.absence));
    let places: Vec<usize> = account.triggers().map(|it| it.trigger()).filter(reads_absence).collect();
    for place in places {
        let mut state = account.take_state(place).unwrap_or_default();
        if account_is_new {
            account.set_edge(&mut state, place, None, Edge::default());
        }
        for (user, _) in step.delta.users.iter().filter(is_new) {
            account.set_edge(&mut state, place, Some(*user), Edge::default());
        }
        account.put_state(place, state);
    }
}

/// Finds the triggers that an event is an occurrence of, and publishes them, whether or not they fire (semantics D26).
fn find_occurrences<'a>(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    it: &'a MatchedEvent<'a>,
    applied: &Applied,
    occurrences: &mut Vec<Occurrence>,
) {
    let plan = step.context.plan;
    if !it.roles.has_any(plan.index.event_trigger_roles) && !applied.new_user && applied.plan.is_none() {
        return;
    }
    for &trigger in &plan.index.event_triggers {
        let TriggerKind::Event(on) = &plan.triggers[trigger].kind else { continue };
        let by_role = on.role.is_some_and(|role| {
            it.roles.has(role) && on.only.iter().all(|(field, values)| it.has(plan, role, *field, values))
        });
        let by_user = on.role.is_none() && applied.new_user;
        let by_plan = on.plan.is_some() && applied.plan.as_deref() == on.plan.as_deref();
        let holds = || match &on.when {
            Some(when) => values::holds(step, account, None, when, Some((it, on.role))) == Some(true),
            None => true,
        };
        if !(by_role || by_user || by_plan) || !holds() {
            continue;
        }
        if let Some(user) = applied.user.filter(|_| on.raised_hand) {
            life::acts(step, account, user);
        }
        let signal = || on.signal.clone().filter(|_| by_role);
        let kind = || SignalKind::Occurrence { signal: signal(), trigger: Some(plan.triggers[trigger].id.clone()) };
        emit::occurrence(step, account, applied.user, it, (TRIGGERS, trigger), kind);
        // A trigger that fires once in a life notes its first occurrence.
        if on.first && !account.life_mut().firsts.insert(trigger as u16) {
            continue;
        }
        let mark = Mark { time: it.event.time, place: it.place.into() };
        occurrences.push(Occurrence { trigger, user: applied.user, mark, by_plan: !by_role && !by_user });
    }
}

/// One evaluation of the triggers of an account.
struct Evaluation<'a, 'b> {
    step: &'a mut Step<'b>,
    at: EventTime,
    moment: Moment,
    /// Triggers that pacing held.
    paced: Vec<Arc<str>>,
    /// The first medium or low handoff sent, by its place among the effects.
    first_paced: Option<usize>,
    /// Something fired.
    fired: bool,
}

/// Evaluates triggers: high, then medium, then low, and within a level in the order of the rules (semantics D10).
fn evaluate(step: &mut Step<'_>, account: &mut Account<'_>, occurrences: &[Occurrence], moment: Moment) {
    let plan = step.context.plan;
    let changed = std::mem::take(&mut step.delta.reads);
    let mut concerned = std::mem::take(&mut step.delta.concerned);
    concerned.sort_unstable();
    concerned.dedup();
    let at = step.at(account);
    let paced_before = account.paced();
    let mut evaluation = Evaluation { step, at, moment, paced: Vec::new(), first_paced: None, fired: false };
    let mut places = plan.index.readers.of(&changed);
    occurrences.iter().for_each(|it| places.insert(plan.index.places[it.trigger]));
    let remembered = |account: &Account<'_>, places: &mut Places| {
        account.triggers().for_each(|it| places.insert(plan.index.places[it.trigger()]));
    };
    // Before this place only some waiting triggers were evaluated, because nothing had fired yet.
    let mut unseen = plan.by_level.len();
    if evaluation.looks_at_all() {
        unseen = 0;
        remembered(account, &mut places);
    }
    let mut next = 0;
    while let Some(place) = places.next(next) {
        evaluation.trigger(account, plan.by_level[place], occurrences, &changed, &concerned);
        next = place + 1;
        if evaluation.looks_at_all() && unseen > next {
            unseen = next;
            remembered(account, &mut places);
        }
    }
    concerned.clear();
    evaluation.step.delta.concerned = concerned;
    evaluation.also_held(account, paced_before, unseen);
}

/// Whether a condition of a user trigger could be true of a user, by the signals that are on.
fn may_concern(plan: &Plan, account: &Account<'_>, user: u32) -> bool {
    let index = &plan.index;
    account.levels(Some(user)).any(|(slot, _)| index.user_conditions.has(slot))
        || account.user(user).word.band() > 0
        || (index.trigger_scores && account.has_level(Some(user)))
        || (index.trigger_everybody && account.exists(user))
}

impl Evaluation<'_, '_> {
    /// Whether every edge under way is evaluated, not only edges of conditions that read something that changed.
    fn looks_at_all(&self) -> bool {
        self.moment != Moment::Event || self.fired
    }

    fn trigger(
        &mut self,
        account: &mut Account<'_>,
        index: usize,
        occurrences: &[Occurrence],
        changed: &Reads,
        concerned: &[u32],
    ) {
        match &self.step.context.plan.triggers[index].kind {
            TriggerKind::Event(on) => {
                self.held_occurrence(account, index, on);
                let own = occurrences.iter().filter(|it| it.trigger == index);
                own.for_each(|it| self.occurrence(account, on, it));
            }
            TriggerKind::Condition { when, per_user: false, rearm_after_closed_days } => {
                if self.concerns_account(account, index, when, changed) {
                    self.condition(account, index, when, *rearm_after_closed_days, &[None]);
                }
            }
            TriggerKind::Condition { when, per_user: true, rearm_after_closed_days } => {
                let users = self.users(account, index, when, changed, concerned);
                if !users.is_empty() {
                    self.condition(account, index, when, *rearm_after_closed_days, &users);
                }
            }
        }
    }

    /// Whether a condition of the account is decided now: something that it reads has changed, or all edges under way are
    /// evaluated. A condition that is not true and has no edge, as most, is left out.
    fn concerns_account(&self, account: &Account<'_>, index: usize, when: &Condition, changed: &Reads) -> bool {
        let has_edge = || account.trigger(index).is_some_and(|state| state.has_own_edge());
        if !when.reads.meet(changed) {
            return self.looks_at_all() && has_edge();
        }
        values::is_true(self.step, account, None, when) || has_edge()
    }

    /// The users for whom a condition is decided now, in the order of the bytes of their ids.
    fn users(
        &self,
        account: &Account<'_>,
        index: usize,
        when: &Condition,
        changed: &Reads,
        concerned: &[u32],
    ) -> Vec<Option<u32>> {
        let known = account.trigger(index);
        let has_edge = |user: u32| known.as_ref().is_some_and(|state| state.names(user));
        let matters = |user: &u32| values::is_true(self.step, account, Some(*user), when) || has_edge(*user);
        let mut users: Vec<u32> = Vec::new();
        if when.reads.meet(changed) {
            users.extend(concerned.iter().copied().filter(matters));
        }
        if when.reads.meet_in_account(changed) {
            let all = account.users().map(|(user, _)| user);
            users.extend(all.filter(|user| may_concern(self.step.plan, account, *user)).filter(matters));
        }
        if self.looks_at_all() {
            users.extend(known.iter().flat_map(|state| state.users()));
        }
        if users.len() > 1 {
            users.sort_unstable_by(|a, b| account.user_id_bytes(*a).cmp(account.user_id_bytes(*b)));
            users.dedup();
        }
        users.into_iter().map(Some).collect()
    }

    /// An occurrence fires, falls into the cooldown and becomes evidence of the next, or is held by a rail (semantics D2,
    /// D3).
    fn occurrence(&mut self, account: &mut Account<'_>, on: &OnEvent, occurrence: &Occurrence) {
        let index = occurrence.trigger;
        let trigger = &self.step.context.plan.triggers[index];
        let mut state = account.take_state(index).unwrap_or_default();
        account.add_occurrence(&mut state, occurrence.mark);
        let time = occurrence.mark.time;
        let stale = time < self.step.now.plus(-OCCURRENCE_STALE_MS);
        let in_cooldown = state.fired_at.is_some_and(|fired| self.at < fired.plus(trigger.cooldown_ms))
            || state.fired_by.is_some_and(|fired| time < fired.plus(trigger.cooldown_ms));
        // A waiting occurrence is replaced only by a later one (semantics D25).
        let is_newest = state.kept.as_ref().is_none_or(|kept| kept.time < time);
        if !stale && !in_cooldown && is_newest {
            let kept = Kept { time, user: occurrence.user, by_plan: occurrence.by_plan, edge: Edge::default() };
            state.kept = None;
            self.fire_or_hold(account, index, on, &mut state, kept);
        }
        account.put_state(index, state);
    }

    /// An occurrence that a rail holds fires when the rail lifts, within a week.
    fn held_occurrence(&mut self, account: &mut Account<'_>, index: usize, on: &OnEvent) {
        if !self.looks_at_all() || account.trigger(index).and_then(|it| it.kept()).is_none() {
            return;
        }
        let mut state = account.take_state(index).unwrap_or_default();
        if let Some(kept) = state.kept.take().filter(|kept| self.step.now < kept.time.plus(OCCURRENCE_STALE_MS)) {
            self.fire_or_hold(account, index, on, &mut state, kept);
        }
        account.put_state(index, state);
    }

    fn fire_or_hold(&mut self, account: &mut Account<'_>, index: usize, on: &OnEvent, state: &mut State, kept: Kept) {
        let mut edge = kept.edge;
        match self.passes(account, index, state, kept.user, &mut edge, on.raised_hand) {
            Passes::Fires => {}
            Passes::Waits => {
                let mut at_rails =
                    AtRails { trigger: index, state, edge: &mut edge, user: kept.user, raised_hand: on.raised_hand };
                rails::wait(self.step, &mut at_rails, Some(kept.time.plus(OCCURRENCE_STALE_MS)));
                state.kept = Some(Kept { edge, ..kept });
                return;
            }
            Passes::Never => return,
        }
        (state.fired_at, state.fired_by) = (Some(self.at), Some(kept.time));
        let evidence = account.take_occurrences(state);
        let user = kept.user.map(|user| account.user_id(user).to_string());
        let who = user.as_deref().unwrap_or("somebody");
        let why = match (kept.by_plan, &on.plan, on.role) {
            (true, Some(plan), _) => format!("{who} chose the {plan} plan"),
            (_, _, Some(role)) => format!("{who} {}", role.deed()),
            (_, _, None) => format!("{who} is new"),
        };
        // A raised hand does not wait after a sign-up. Other events wait after that of their user, else of the account
        // (semantics D13).
        let since = kept.user.map(|user| account.user(user).since).or(account.first());
        let signed_up = since.filter(|_| !on.raised_hand);
        let user_ids = user.into_iter().collect();
        let fired =
            Fired { trigger: index, concerned: &[], user_ids, left_out: 0, why, evidence, signed_up, on: Some(on) };
        self.fire(account, fired);
    }

    /// Looks at the edges of a condition.
    fn condition(
        &mut self,
        account: &mut Account<'_>,
        index: usize,
        when: &Condition,
        rearm_after: u8,
        subjects: &[Option<u32>],
    ) {
        let holds = |it: &Self, account: &Account<'_>, user| values::holds(it.step, account, user, when, None);
        let mut state = account.take_state(index).unwrap_or_default();
        let mut ready = Vec::new();
        for &user in subjects {
            let before = account.edge(&state, index, user);
            let mut edge = before;
            match holds(self, account, user) {
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
                        ready.push(user);
                        edge = Edge { fired: true, ..Edge::default() };
                    }
                    Passes::Waits => {}
                    Passes::Never => edge = Edge { fired: true, ..Edge::default() },
                },
            }
            if edge != before {
                account.set_edge(&mut state, index, user, edge);
            }
        }
        if !ready.is_empty() {
            state.fired_at = Some(self.at);
            self.fire_condition(account, index, when, &ready);
        }
        account.put_state(index, state);
    }

    fn passes(
        &mut self,
        account: &mut Account<'_>,
        trigger: usize,
        state: &mut State,
        user: Option<u32>,
        edge: &mut Edge,
        raised_hand: bool,
    ) -> Passes {
        let at_rails = AtRails { trigger, state, edge, user, raised_hand };
        let (passes, rail) = rails::passes(self.step, account, self.at, at_rails);
        let id = &self.step.context.plan.triggers[trigger].id;
        if rail == Some(Rail::Pacing) && !self.paced.contains(id) {
            self.paced.push(id.clone());
        }
        passes
    }

    fn fire_condition(&mut self, account: &mut Account<'_>, index: usize, when: &Condition, ready: &[Option<u32>]) {
        let users: Vec<u32> = ready.iter().copied().flatten().collect();
        let (mut words, mut evidence) = (Vec::new(), Evidence::default());
        for user in ready.iter().take(SUBJECTS_MAX) {
            values::explain(self.step, account, *user, when, &mut words, &mut evidence);
        }
        if users.len() > SUBJECTS_MAX {
            let more = users.len() - SUBJECTS_MAX;
            words.push(format!("and {more} more {}", if more == 1 { "user" } else { "users" }));
        }
        evidence.facts.sort_by_key(|fact| (fact.at, fact.place));
        let signed_up = users.iter().map(|user| account.user(*user).since).max().or(account.first());
        let user_ids = users.iter().take(LIST_MAX).map(|user| account.user_id(*user).to_string()).collect();
        words.dedup();
        let left_out = users.len().saturating_sub(LIST_MAX) as u32;
        let why = words.join("; ");
        let fired = Fired { trigger: index, concerned: ready, user_ids, left_out, why, evidence, signed_up, on: None };
        self.fire(account, fired);
    }

    /// Sends a handoff.
    fn fire(&mut self, account: &mut Account<'_>, fired: Fired<'_>) {
        let (plan, at) = (self.step.context.plan, self.at);
        let trigger = &plan.triggers[fired.trigger];
        let not_before = fired.signed_up.map_or(at, |since| at.max(since.plus(plan.rails.after_signup_ms)));
        let (due_from, due) = match trigger.level {
            Level::High => (None, Some(not_before)),
            Level::Medium => (Some(not_before.plus(plan.medium_due_ms.0)), Some(not_before.plus(plan.medium_due_ms.1))),
            Level::Low => (None, None),
        };
        let id = HandoffId::new(account.id(), &trigger.id, at);
        let (handoff_context, awaits_answer) = handoff_context::of_handoff(self.step, account, &fired);
        account.last_at = at;
        self.fired = true;
        account.word.set(Flag::FIRED, true);
        if awaits_answer {
            account.retain_unanswered(|_, sent| at < sent.plus(plan.rails.unanswered_ms));
            account.await_answer(id, at);
        }
        if trigger.level != Level::High {
            account.rare_mut().paced.note(trigger.level, at);
            self.first_paced.get_or_insert(self.step.effects.handoffs.len());
        }
        self.step.effects.handoffs.push(Handoff {
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
            evidence: fired.evidence,
            message_id: self.step.by.message_id(),
            rules_version: plan.version.clone(),
            context: Box::new(handoff_context),
        });
    }

    /// Lists in the first medium or low handoff the triggers that pacing holds because of it (semantics D10).
    fn also_held(self, account: &Account<'_>, paced_before: Paced, unseen: usize) {
        let Evaluation { step, paced, first_paced: Some(first), .. } = self else { return };
        let (plan, now) = (step.context.plan, step.now);
        let has_usage = account.has_usage(account.window_end(step.open_day()));
        let is_behind = |place: usize, index: usize| {
            place < unseen && rails::waits_for_pacing(plan, account, index, paced_before, has_usage, now)
        };
        let handoff = &mut step.effects.handoffs[first];
        let by_level = plan.by_level.iter().enumerate();
        handoff.also = by_level
            .map(|(place, index)| (place, *index, &plan.triggers[*index].id))
            .filter(|(_, _, id)| **id != handoff.trigger)
            .filter(|(place, index, id)| paced.contains(id) || is_behind(*place, *index))
            .map(|(_, _, id)| id.clone())
            .collect();
    }
}
