//! Measures the levels whose inputs have changed, and writes those that changed. Only this file writes levels, and
//! removes facts that are no longer needed.

use super::delta::{Fact, Level, Step};
use crate::engine::figures::points;
use crate::engine::signals::{self, At};
use crate::engine::state::Account;
use crate::engine::state::due::NEVER;
use crate::engine::state::timers::Timer;
use crate::engine::state::word::Flag;
use crate::model::Day;
use crate::rules::{Changes, SignalRef};

/// Measures what an event changes at once.
pub(super) fn after_event(step: &mut Step<'_>, account: &mut Account<'_>) {
    facts(step, account);
    let by_activity = &step.context.plan.index.by_activity;
    if !by_activity.is_empty() {
        for place in 0..step.delta.users.len() {
            let (user, changes) = step.delta.users[place];
            if changes.meet(Changes::ACTIVE) {
                by_activity.iter().for_each(|slot| level_at_once(step, account, Some(user), *slot));
            }
        }
    }
    at_once(step, account);
}

/// Measures the account's levels that depend on what changed and that may change at once.
pub(super) fn at_once(step: &mut Step<'_>, account: &mut Account<'_>) {
    step.delta.note_crowd(account);
    let (index, changes) = (&step.context.plan.index, step.delta.account);
    if changes.meet(index.at_once_changes) {
        for (_, slot) in index.at_once.iter().filter(|(by, _)| by.meet(changes)) {
            level_at_once(step, account, None, *slot);
        }
    }
}

/// Measures the levels of facts that changed.
pub(super) fn facts(step: &mut Step<'_>, account: &mut Account<'_>) {
    let mut facts = std::mem::take(&mut step.delta.facts);
    facts.drain(..).for_each(|it| fact(step, account, it));
    step.delta.facts = facts;
}

/// Measures the level of a signal from its facts. A level that would fall falls only if it may fall now, otherwise at the
/// next close. Sets the timer to the next instant at which the facts prove another level, and removes facts that can no
/// longer prove any.
fn fact(step: &mut Step<'_>, account: &mut Account<'_>, it: Fact) {
    let Fact { user, slot, falls, waits_until } = it;
    let Some(armed) = account.facts(user, slot).map(|kept| kept.armed()) else { return };
    let at = At::of(&step.context, account, user, slot);
    let (kind, held) = (signals::of(&at), at.held);
    let (level, next, keeps) = (kind.level(&at), kind.next_instant(&at), kind.keeps_facts());
    if level >= held || falls {
        set(step, account, user, slot, level);
        // A late event began a wait that is over already: its end is the cause (semantics A17, E7).
        if let Some(end) = waits_until.filter(|end| held == 0 && level > 0 && *end <= step.now) {
            step.context.cause = step.context.cause.max(end);
        }
    } else {
        account.rejoin(user, slot);
    }
    match next {
        Some(next) if next < armed || armed <= step.context.now => {
            account.facts_mut(user, slot).arm(next);
            step.timers.schedule(next, step.index, Timer::Lapse { user, slot: slot as u8 });
        }
        None if level == 0 && falls && !keeps => account.drop_facts(user, slot),
        _ => {}
    }
}

/// Measures a level after an event.
fn level_at_once(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, slot: usize) {
    let at = At::of(&step.context, account, user, slot);
    let (held, level) = (at.held, signals::of(&at).level_at_once(&at));
    if level != held {
        change(step, account, user, slot, (held, level));
    }
}

/// Turns off all signals of forgotten users and of a forgotten account, but for what is known of the company (semantics
/// B12, B13).
pub(super) fn forgotten(step: &mut Step<'_>, account: &mut Account<'_>) {
    let plan = step.plan;
    for place in 0..step.delta.users.len() {
        let (user, changes) = step.delta.users[place];
        if changes.meet(Changes::EXISTS) && account.user(user).word.is(Flag::Forgotten) {
            (0..plan.user_signals.len()).for_each(|slot| set(step, account, Some(user), slot, 0));
        }
    }
    if step.delta.account.meet(Changes::EXISTS) {
        let slots = (0..plan.account_signals.len()).filter(|slot| !plan.account_signals[*slot].kind.is_of_company());
        slots.for_each(|slot| set(step, account, None, slot, 0));
    }
}

/// Measures signals of the account, or of one of its users, at the close of a day. Returns the first later close that may
/// change one of them, if no event comes.
pub(super) fn at_close(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    slots: &[usize],
    day: Day,
) -> Day {
    let only_fall = &step.context.plan.index.only_fall;
    let mut next = NEVER;
    for &slot in slots {
        if user.is_none() && only_fall.has(slot) && account.level(None, slot) == 0 {
            continue;
        }
        let at = At::of(&step.context, account, user, slot);
        let (held, (level, until)) = (at.held, signals::of(&at).at_close(&at, day));
        next = next.min(until);
        if level != held {
            change(step, account, user, slot, (held, level));
        }
    }
    next
}

/// The first close after that of `day`, which does not decide these signals, that may change one of them.
pub(super) fn next_close(step: &Step<'_>, account: &Account<'_>, user: Option<u32>, slots: &[usize], day: Day) -> Day {
    let next = |slot: &usize| {
        let at = At::of(&step.context, account, user, *slot);
        signals::of(&at).next_close(&at, day, at.held)
    };
    slots.iter().map(next).min().unwrap_or(NEVER)
}

/// Turns signals off that other rules do not have.
pub(in crate::engine) fn off(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, slots: &[usize]) {
    slots.iter().for_each(|slot| set(step, account, user, *slot, 0));
}

/// Measures the signals that need no close, after an activation of other rules (semantics A27).
pub(in crate::engine) fn after_activation(step: &mut Step<'_>, account: &mut Account<'_>) {
    let index = &step.context.plan.index;
    for user in account.user_indices() {
        index.by_activity.iter().for_each(|slot| level_at_once(step, account, Some(user), *slot));
    }
    index.at_once.iter().for_each(|(_, slot)| level_at_once(step, account, None, *slot));
}

/// Writes a level if it changed, and records the change.
#[inline]
fn set(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, slot: usize, level: u8) {
    let before = account.level(user, slot);
    if before != level {
        change(step, account, user, slot, (before, level));
    }
}

fn change(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, slot: usize, (before, level): (u8, u8)) {
    if let Some(user) = user.filter(|user| account.user(*user).word.is(Flag::Running)) {
        step.delta.points += points::gain(step.plan, account, user, slot, (before, level));
    }
    account.set_level(user, slot, level);
    if level == 0
        && let Some(mut kept) = account.known_facts(user, slot)
    {
        kept.begin_anew();
    }
    step.delta.levels.push(Level { user, slot, before, after: level });
    let signal = user.map_or(SignalRef::Account(slot), |_| SignalRef::User(slot));
    step.delta.reads.signal(signal);
    step.delta.account.add(if user.is_some() { Changes::SCORE } else { Changes::SCORE.and(Changes::LEVELS) });
    match user {
        Some(user) => {
            step.delta.concerned.push(user);
            step.delta.scored.push(user);
            step.delta.rows.push(user);
        }
        None => step.delta.row = true,
    }
}
