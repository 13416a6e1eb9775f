//! Runs the close of a day, and of the week that ends with it, for the account and the users that are visited.

use super::delta::{Close, Level, Step};
use super::{emit, measure, people};
use crate::engine::figures::windows::{self, MONTH};
use crate::engine::figures::{self, points};
use crate::engine::signals::{self, At};
use crate::engine::state::Account;
use crate::engine::state::due::NEVER;
use crate::engine::state::rows::User;
use crate::engine::state::word::Flag;
use crate::model::{Day, Reason};
use crate::rules::{Changes, Plan, SignalRef};

/// Whether a close after that of `day` may still change something: there is activity in its windows, a signal that a
/// close turns off, a condition that time alone changes, or a trigger that counts closed days.
pub(super) fn has_work(plan: &Plan, account: &Account<'_>, day: Day) -> bool {
    let is_restless = account.founded().is_some() && day.0 - account.last_day.0 < plan.index.restless_days;
    account.has_usage(day)
        || account.levels(None).any(|(slot, _)| plan.index.account_by_close.has(slot))
        || is_restless
        || account.has_volume(None, day.plus(-26), day.plus(1))
        || account.triggers().any(|it| it.counts_days(plan))
}

/// Closes a day. Returns the first later close at which a signal of the account may change.
pub(super) fn close(step: &mut Step<'_>, account: &mut Account<'_>, close: &Close<'_>) -> Day {
    let day = close.day;
    // These signals are known from now on: conditions that read them are evaluated although no level changed.
    step.delta.reads.all(&close.warm);
    if !close.warm.users.is_empty() {
        step.delta.concerned.extend(account.user_indices());
    }
    let rejoined = account.take_rejoined();
    if !rejoined.is_empty() {
        rejoined.into_iter().for_each(|(user, slot)| step.delta.fact(user, slot, true));
        measure::facts(step, account);
    }
    let founded = account.founded();
    let ends_week = founded.is_some() && day.is_sunday();
    close_users(step, account, close, ends_week);
    assert_counts(step, account);
    suppress_absences(step, account, founded.is_some() && account.counts.active().1 > 0);
    if let Some(founded) = founded {
        note_closed_days(step, account, founded, day);
    }
    let next = decide(step, account, None, day, ends_week);
    emit::levels(step, account, Reason::Closed);
    next
}

/// Measures the signals of the account, or of one of its users. Returns the first later close that may change one.
fn decide(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, day: Day, ends_week: bool) -> Day {
    let index = &step.context.plan.index;
    let (by_day, by_week) = match user {
        Some(_) => (&index.user_by_day, &index.user_by_week),
        None => (&index.account_by_day, &index.account_by_week),
    };
    let next_of_days = measure::at_close(step, account, user, by_day, day);
    let next_of_weeks = match ends_week {
        true => measure::at_close(step, account, user, by_week, day),
        false => measure::next_close(step, account, user, by_week, day),
    };
    next_of_days.min(next_of_weeks).min(become_known(step, account, user, day))
}

/// Marks the figures of the account that a close changes.
fn note_closed_days(step: &mut Step<'_>, account: &mut Account<'_>, founded: Day, day: Day) {
    step.delta.account.add(Changes::CLOSED_DAYS);
    if day.is_sunday() {
        step.delta.account.add(Changes::CLOSED_WEEKS);
    }
    if windows::spike_known_on(founded) == day {
        step.delta.account.add(Changes::SPIKE_KNOWN);
    }
    let idle_days = (day.0 - account.last_day.0).max(0);
    if step.plan.index.idle.lie_between(account.idle_days, idle_days) {
        step.delta.account.add(Changes::IDLE_DAYS);
    }
    account.idle_days = idle_days;
}

/// Closes a day for the visited users who are kept, and decides when they are visited next.
fn close_users(step: &mut Step<'_>, account: &mut Account<'_>, close: &Close<'_>, ends_week: bool) {
    let (tomorrow, before) = (close.day.plus(1), account.active_users);
    let is_warming = !step.context.warming.is_empty();
    for &(_, user) in close.users {
        let User { days, word, .. } = *account.user(user);
        if days.is_never() || word.is(Flag::Forgotten) {
            continue;
        }
        let next = close_user(step, account, user, close.day, ends_week);
        // A user who was active on the open day is visited at its close.
        let next = if days.last() > close.day || is_warming { tomorrow } else { next.max(tomorrow) };
        step.due.users.by(&mut account.user_mut(user).due, user, next);
    }
    if account.active_users != before {
        step.delta.account.add(Changes::ACTIVE_USERS);
    }
}

/// Measures a user. After 28 days without activity the user is no longer a running active one. Returns the next close
/// that may change something of the user, if no event comes.
fn close_user(step: &mut Step<'_>, account: &mut Account<'_>, user: u32, day: Day, ends_week: bool) -> Day {
    let plan = step.context.plan;
    let next = decide(step, account, Some(user), day, ends_week);
    let User { days, word, .. } = *account.user(user);
    let (leaves, is_forgotten) = (days.last().plus(MONTH - 1), days.last().plus(plan.time.forget_after_days));
    if word.is(Flag::Running) {
        if leaves > day {
            return next.min(leaves).min(is_forgotten);
        }
        people::leave(plan, account, user);
    }
    next.min(is_forgotten)
}

/// Compares incremental counts with a recount: a wrong figure must stop the process. Recounts that need a pass over all
/// users are made in debug builds only.
fn assert_counts(step: &Step<'_>, account: &Account<'_>) {
    assert!(
        account.active_users as usize <= account.users_len(),
        "running users of {}: {} of {}",
        account.id(),
        account.active_users,
        account.users_len()
    );
    if cfg!(debug_assertions) {
        let running = || account.users().filter(|(_, user)| user.word.is(Flag::Running));
        assert_eq!(account.active_users as usize, running().count(), "running users of {}", account.id());
        // The users of a forgotten account are removed one by one.
        if !account.word.is(Flag::Forgotten) {
            assert_eq!(account.users_ever, account.count_users_ever(), "users ever of {}", account.id());
        }
        let points: i32 = running().map(|(user, _)| points::contribution(step.plan, account, user)).sum();
        assert_eq!(account.user_points + step.delta.points, points, "points of users of {}", account.id());
        let buyers = running().filter(|(user, _)| figures::people::is_buyer(step.plan, account, *user)).count();
        assert_eq!(account.buyers as usize, buyers, "buyers of {}", account.id());
    }
}

/// Absences of users are not published while the account has no active users, and are published once it has some again
/// (semantics E10).
fn suppress_absences(step: &mut Step<'_>, account: &mut Account<'_>, has_active: bool) {
    let plan = step.plan;
    if !has_active {
        step.delta.levels.retain(|level| match level.user {
            Some(user) if level.after > 0 && plan.index.absences.has(level.slot) => {
                account.leave_unpublished(user, level.slot);
                false
            }
            _ => true,
        });
        return;
    }
    for (user, slot) in account.take_unpublished() {
        match account.level(Some(user), slot) {
            // It has just ended; its end is not published either.
            0 => account.leave_unpublished(user, slot),
            after => step.delta.levels.push(Level { user: Some(user), slot, before: 0, after }),
        }
    }
}

/// Marks signals of the account, or of a user, that this close makes known and that conditions read: off means no from
/// now on, although no level changed (semantics C1, D11). Returns the first later close that may make one known.
fn become_known(step: &mut Step<'_>, account: &Account<'_>, user: Option<u32>, day: Day) -> Day {
    let (of_account, of_users) = &step.context.plan.index.known_in_time;
    let slots = if user.is_some() { of_users } else { of_account };
    let mut next = NEVER;
    for &slot in slots {
        let at = At::of(&step.context, account, user, slot);
        let (is_known, until) = signals::of(&at).known_at_close(&at, day);
        next = next.min(until);
        if is_known {
            step.delta.reads.signal(user.map_or(SignalRef::Account(slot), |_| SignalRef::User(slot)));
            step.delta.concerned.extend(user);
        }
    }
    next
}
