//! Decides whether a handoff fires, is held or is dropped: cooldowns, pacing, and the other guard rails (semantics D3
//! to D10, §7).

use super::delta::{HELD, Step};
use super::emit;
use crate::engine::context::MatchedEvent;
use crate::engine::state::Account;
use crate::engine::state::timers::Timer;
use crate::engine::state::triggers::{Edge, OCCURRENCE_STALE_MS, Paced, State};
use crate::engine::state::word::Flag;
use crate::model::{EventTime, Evidence, Field, Level, Rail, SignalKind};
use crate::rules::Plan;

/// Whether a true condition or an occurrence fires, as cooldowns and rails decide.
pub(super) enum Passes {
    /// It fires now.
    Fires,
    /// It fires later, if it is still true then.
    Waits,
    /// It never fires.
    Never,
}

/// An edge to be checked against cooldowns and rails: its trigger, the state of the trigger, and its user.
pub(super) struct AtRails<'a> {
    pub(super) trigger: usize,
    pub(super) state: &'a mut State,
    pub(super) edge: &'a mut Edge,
    pub(super) user: Option<u32>,
    pub(super) raised_hand: bool,
}

/// Whether an edge fires, which it does unless the cooldown or a rail holds it. A rail that holds it is published, and
/// returned. `at` is the instant of the step.
pub(super) fn passes(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    at: EventTime,
    mut it: AtRails<'_>,
) -> (Passes, Option<Rail>) {
    let plan = step.plan;
    let trigger = &plan.triggers[it.trigger];
    if step.is_history || plan.rails.live_from.is_some_and(|from| at < from) {
        hold(step, account, &mut it, Rail::WarmUp, None);
        return (Passes::Never, Some(Rail::WarmUp));
    }
    // A new edge is measured by its own instant, one that was held before by the watermark (semantics D4).
    let clock = if it.edge.waited { step.now } else { at };
    let rested = it.state.fired_at.map(|fired| fired.plus(trigger.cooldown_ms));
    if let Some(end) = rested.filter(|end| clock < *end) {
        wait(step, &mut it, Some(end));
        return (Passes::Waits, None);
    }
    let has_usage = account.has_usage(account.window_end(step.open_day()));
    if plan.rails.usage && !it.raised_hand && !has_usage {
        hold(step, account, &mut it, Rail::Usage, None);
        return (Passes::Waits, Some(Rail::Usage));
    }
    if trigger.level == Level::High {
        return (Passes::Fires, None);
    }
    let paced = account.paced();
    let pacing = pacing_end(paced, trigger.level, plan);
    if let Some(end) = pacing.filter(|end| clock < *end && it.edge.passed() != pacing) {
        hold(step, account, &mut it, Rail::Pacing, Some(end));
        return (Passes::Waits, Some(Rail::Pacing));
    }
    it.edge.pass(pacing);
    if let Some(until) = engaged_until(account, clock, plan) {
        hold(step, account, &mut it, Rail::Engaged, until);
        return (Passes::Waits, Some(Rail::Engaged));
    }
    (Passes::Fires, None)
}

/// An edge has to wait, until the given instant if that is known.
pub(super) fn wait(step: &mut Step<'_>, it: &mut AtRails<'_>, until: Option<EventTime>) {
    it.edge.waited = true;
    let Some(until) = until else { return };
    // The end may have passed already for a late event, whose timer would never be taken.
    if it.state.wakes_at != Some(until) || until <= step.now {
        it.state.wakes_at = Some(until);
        step.timers.schedule(until, step.index, Timer::HoldEnds);
    }
}

/// A rail holds an edge: published once per edge and rail (semantics D26).
fn hold(step: &mut Step<'_>, account: &mut Account<'_>, it: &mut AtRails<'_>, rail: Rail, until: Option<EventTime>) {
    wait(step, it, until);
    if it.edge.held & rail as u8 == 0 {
        it.edge.held |= rail as u8;
        if rail == Rail::Usage {
            account.word.set(Flag::WANTS_USAGE, true);
        }
        emit::entry(step, account, it.user, (HELD, it.trigger), |step, _| {
            let trigger = step.plan.triggers[it.trigger].id.clone();
            (SignalKind::Held { trigger, rail }, Evidence::default())
        });
    }
}

/// When pacing ends for a handoff of this level (semantics D9).
fn pacing_end(paced: Paced, level: Level, plan: &Plan) -> Option<EventTime> {
    paced.before(level).map(|at| at.plus(plan.rails.pacing_ms))
}

/// Until when the account must not be contacted. None: no rail forbids it; `Some(None)`: no end is known.
fn engaged_until(account: &Account<'_>, clock: EventTime, plan: &Plan) -> Option<Option<EventTime>> {
    let is = |field| account.traits().and_then(|traits| traits.boolean(field)) == Some(true);
    if plan.rails.engaged_traits && (is(Field::DoNotContact) || is(Field::OpenOpportunity)) {
        return Some(None);
    }
    let ends = account.unanswered().map(|(_, at)| at.plus(plan.rails.unanswered_ms));
    ends.filter(|end| clock < *end).max().map(Some)
}

/// Whether pacing holds an edge of a trigger that was not evaluated again (semantics D10).
pub(super) fn waits_for_pacing(
    plan: &Plan,
    account: &Account<'_>,
    index: usize,
    paced: Paced,
    has_usage: bool,
    now: EventTime,
) -> bool {
    let trigger = &plan.triggers[index];
    let Some(state) = account.trigger(index) else { return false };
    let in_cooldown = state.fired_at().is_some_and(|fired| now < fired.plus(trigger.cooldown_ms));
    let pacing = pacing_end(paced, trigger.level, plan);
    let is_paced = pacing.is_some_and(|end| now < end);
    let waits = |edge: Edge| edge.waited && edge.held & Rail::Pacing as u8 != 0 && edge.passed() != pacing;
    let kept = state.kept().is_some_and(|kept| waits(kept.edge) && now < kept.time.plus(OCCURRENCE_STALE_MS));
    let has_usage = has_usage || !plan.rails.usage;
    has_usage && is_paced && ((!in_cooldown && state.edges().any(waits)) || kept)
}

/// Whether any edge waits for a usage fact.
pub(super) fn wants_usage(account: &mut Account<'_>) -> bool {
    if !account.word.is(Flag::WANTS_USAGE) {
        return false;
    }
    let wants = |edge: Edge| edge.held & Rail::Usage as u8 != 0;
    let is = account.triggers().any(|it| it.edges().any(wants) || it.kept().is_some_and(|kept| wants(kept.edge)));
    account.word.set(Flag::WANTS_USAGE, is);
    is
}

/// Notes an outcome of a handoff: no rail waits for its answer any more. Returns whether a rail may have lifted.
pub(super) fn answer(plan: &Plan, account: &mut Account<'_>, it: &MatchedEvent<'_>) -> bool {
    let Some(role) = it.roles.outcome() else { return false };
    let id = it.text(plan, role, Field::HandoffId);
    account.retain_unanswered(|handoff, at| {
        let named = || id.as_ref().is_none_or(|id| handoff.to_string() == *id);
        it.event.time < at || !named()
    })
}
