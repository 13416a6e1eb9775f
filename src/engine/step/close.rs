//! Runs the close of a day, and of the week that ends with it, for the account and the users that are visited.

use super::delta::{Close, Level, Step};
use super::{emit, measure, people};
use crate::engine::figures::{Closed, points, windows};
use crate::engine::signals::{self, At};
use crate::engine::state::Account;
use crate::engine::state::word::Flag;
use crate::model::{Day, Reason};
use crate::rules::{Changes, Kind, Plan, SignalRef};

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

/// Closes a day. Returns the figures, if the account is founded.
pub(super) fn close(step: &mut Step<'_>, account: &mut Account<'_>, close: &Close<'_>) -> Option<Closed> {
    let (plan, day, users) = (step.plan, close.day, close.users);
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
    let closed = Closed::last(account, day);
    close_users(step, account, day, users);
    assert_counts(step, account);
    suppress_absences(step, account, closed.as_ref().is_some_and(|closed| closed.mau > 0));
    if closed.is_some() {
        step.delta.account.add(Changes::CLOSED_DAYS);
        if account.founded().map(windows::spike_known_on) == Some(day) {
            step.delta.account.add(Changes::SPIKE_KNOWN);
        }
        let idle_days = (day.0 - account.last_day.0).max(0);
        if plan.index.idle.lie_between(account.idle_days, idle_days) {
            step.delta.account.add(Changes::IDLE_DAYS);
        }
        account.idle_days = idle_days;
        become_known(step, account, day, users);
        step.delta.row = true;
    }
    measure::of_account(step, account, &plan.index.account_by_day);
    emit::levels(step, account, Reason::Closed);
    let closed = closed?;
    if day.is_sunday() {
        step.delta.account.add(Changes::CLOSED_WEEKS);
        for &(_, user) in users {
            if is_measured(plan, account, user, day) {
                measure::of_user(step, account, user, &plan.index.user_by_week);
            }
        }
        measure::of_account(step, account, &plan.index.account_by_week);
        emit::levels(step, account, Reason::Closed);
    }
    Some(closed)
}

/// Measures the visited users, and removes those who were not active in the last 28 days from the running count.
fn close_users(step: &mut Step<'_>, account: &mut Account<'_>, day: Day, users: &[(u32, u32)]) {
    let (plan, first_running, before) = (step.plan, day.plus(1 - 27), account.active_users);
    for &(_, user) in users {
        if is_measured(plan, account, user, day) {
            measure::of_user(step, account, user, &plan.index.user_by_day);
        }
        let row = account.user(user);
        if row.word.is(Flag::Running) && row.days.last() < first_running {
            people::leave(plan, account, user);
        }
    }
    if account.active_users != before {
        step.delta.account.add(Changes::ACTIVE_USERS);
    }
}

/// Whether a close can change a level of a user. A user without an active day in the mask has no signal on but absence,
/// and it stays on.
fn is_measured(plan: &Plan, account: &Account<'_>, user: u32, day: Day) -> bool {
    let row = account.user(user);
    let is_idle = |slot: usize| matches!(plan.user_signals[slot].kind, Kind::Idle(_));
    let turns = || plan.index.user_by_day.iter().any(|slot| (account.level(Some(user), *slot) == 0) == is_idle(*slot));
    !row.days.is_never() && !row.word.is(Flag::Forgotten) && (row.days.ending(day.plus(1)) != 0 || turns())
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
    }
}

/// While an account has no active users, absence is not published; once it has some again it is (semantics E10).
fn suppress_absences(step: &mut Step<'_>, account: &mut Account<'_>, has_active: bool) {
    let plan = step.plan;
    let is_idle = |slot: usize| matches!(plan.user_signals[slot].kind, Kind::Idle(_));
    if !has_active {
        step.delta.levels.retain(|level| match level.user {
            Some(user) if level.after > 0 && is_idle(level.slot) => {
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

/// Marks signals that this close makes known and that conditions read: off means no from now on, although no level
/// changed (semantics C1, D11).
fn become_known(step: &mut Step<'_>, account: &Account<'_>, day: Day, users: &[(u32, u32)]) {
    let (of_account, of_users) = &step.context.plan.index.known_in_time;
    for &slot in of_account {
        let at = At { context: &step.context, account, user: None, slot };
        if signals::of(at).becomes_known(at, day) {
            step.delta.reads.signal(SignalRef::Account(slot));
        }
    }
    for &slot in of_users {
        for &(_, user) in users {
            let at = At { context: &step.context, account, user: Some(user), slot };
            if !account.user(user).days.is_never() && signals::of(at).becomes_known(at, day) {
                step.delta.reads.signal(SignalRef::User(slot));
                step.delta.concerned.push(user);
            }
        }
    }
}
