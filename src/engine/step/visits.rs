//! Computes when an account and its users are visited again: the next close at which time alone may change something of
//! them. A close visits no others, so its cost is proportional to what changes.
//!
//! The results assume that no event arrives in between, since an event makes the row due at the next close anyway. A
//! visit too many is harmless; a missing visit is not.

use super::close;
use super::delta::{Close, Step};
use crate::engine::context::Context;
use crate::engine::figures::windows::spike_known_on;
use crate::engine::state::Account;
use crate::engine::state::due::NEVER;
use crate::engine::state::word::Flag;
use crate::model::Day;
use crate::rules::{Needed, Plan};

/// Days after a user or account is forgotten until no late event can matter.
const LATE_DAYS: i32 = 57;

/// Computes the next visit of the account after a close, and those of visited users who are not kept; removes users whose
/// days can no longer matter. `next`: the first later close at which a signal of the account may change.
pub(super) fn after_close(step: &mut Step<'_>, account: &mut Account<'_>, close: &Close<'_>, next: Day) {
    let (day, open_day, time) = (close.day, step.open_day(), step.plan.time);
    for &(_, user) in close.users {
        let row = account.user(user);
        let is_kept = !row.days.is_never() && !row.word.is(Flag::Forgotten);
        if is_kept || account.drop_gone_user(user, open_day, &time) {
            continue;
        }
        let next = next_of_gone_user(step, account, user, day);
        step.due.users.by(&mut account.user_mut(user).due, user, next.max(day.plus(1)));
    }
    let next = next_of_account(step, account, day, step.effects.wanted.figures(), next);
    step.due.accounts.by(&mut account.due, step.index, next.max(day.plus(1)));
    account.settle_timed();
}

/// Whether nothing of the account can matter to a later event.
pub(super) fn is_over(step: &Step<'_>, account: &Account<'_>) -> bool {
    account.is_blank() && step.open_day() >= over_on(step.plan, account)
}

/// The day from which on no late event can join the last life of an account.
fn over_on(plan: &Plan, account: &Account<'_>) -> Day {
    account.newest.plus(plan.time.forget_after_days + LATE_DAYS + 1)
}

fn next_sunday(day: Day) -> Day {
    day.plus(1).week().sunday()
}

/// When a user who was never active or is forgotten is visited next. Only memory is left to free; a user who is still
/// referred to is visited again in a year.
fn next_of_gone_user(context: &Context<'_>, account: &Account<'_>, index: u32, day: Day) -> Day {
    let (time, user) = (&context.plan.time, account.user(index));
    let last = if user.days.is_never() { time.calendar.day(user.since) } else { user.days.last() };
    let over = last.plus(time.forget_after_days + LATE_DAYS);
    if over > day { over } else { day.plus(time.forget_after_days) }
}

/// The first close after that of `day` at which something of an account may change; `next` is that of its signals.
fn next_of_account(context: &Context<'_>, account: &Account<'_>, day: Day, rows_wanted: bool, mut next: Day) -> Day {
    let plan = context.plan;
    let tomorrow = day.plus(1);
    let is_under_way = || account.triggers().any(|it| it.is_under_way(plan));
    if account.newest > day
        || !context.warming.is_empty()
        || is_under_way()
        || (rows_wanted && close::has_work(plan, account, day))
    {
        return tomorrow;
    }
    let over = over_on(plan, account).plus(-1);
    if account.is_blank() {
        next = next.min(if over > day { over } else { day.plus(30) });
    }
    // An account without users has signals too, such as those of meters.
    if let Some(founded) = account.founded() {
        let sunday = if account.has_weeks(day) { next_sunday(day) } else { NEVER };
        if rows_wanted {
            next = next.min(sunday);
        }
        if !account.word.is(Flag::Forgotten) {
            next = next.min(account.last_day.plus(plan.time.forget_after_days));
        }
        next = next.min(next_figure(plan, account, founded, day, sunday));
    }
    next
}

/// The first close after that of `day` that changes a figure which conditions read.
fn next_figure(plan: &Plan, account: &Account<'_>, founded: Day, day: Day, sunday: Day) -> Day {
    if plan.index.reads_closed_days && account.has_usage(day.plus(-1)) {
        return day.plus(1);
    }
    let idle = plan.index.idle.after((day.0 - account.last_day.0).max(0));
    let mut next = idle.map_or(NEVER, |idle| Day(account.last_day.0.saturating_add(idle).min(NEVER.0)));
    // A trigger that fired may fire again once its condition is false, and unknown may become false at a week's end.
    let matters = |needed: &Needed| match needed {
        Needed::Never => false,
        _ => needed.is_met(account.levels(None).map(|(slot, _)| slot)) || account.triggers().next().is_some(),
    };
    if sunday < next && matters(&plan.index.weekly_users) {
        next = sunday;
    }
    let spike_known = spike_known_on(founded);
    if spike_known > day && spike_known < next && matters(&plan.index.spike_known) {
        next = spike_known;
    }
    next
}
