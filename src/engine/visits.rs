//! When an account and its users are visited again: the next close at which time alone may change something of them.
//! A close visits nobody else, so it costs what changes.
//!
//! Every answer assumes that no event comes in between: one that does makes them due at the next close anyway. A visit
//! that finds nothing to do is harmless; one that is missing is not.

use super::close;
use super::signals::Context;
use super::state::Account;
use super::state::counts::{ACTIVE, WEEKS};
use super::state::due::NEVER;
use super::state::word::Flag;
use super::velocity;
use crate::model::Day;
use crate::rules::{ActiveDays, Figure, Idle, Kind, Plan, Stalled, Stickiness};

/// Days after the last active one until no late event can matter: beyond those after which who is away is forgotten.
const LATE_DAYS: i32 = 57;

/// Makes the visited users and the account due again after the close of `day`, and gives back what is over.
pub(super) fn after_close(context: &mut Context<'_>, account: &mut Account<'_>, day: Day, users: &[(u32, u32)]) {
    let (open_day, time) = (context.open_day(), context.plan.time);
    for &(_, user) in users {
        if account.drop_gone_user(user, open_day, &time, context.profiles) {
            continue;
        }
        let next = next_of_user(context, account, user, day);
        context.due.users.by(&mut account.user_mut(user).due, user, next.max(day.plus(1)));
    }
    let next = next_of_account(context, account, day);
    context.due.accounts.by(&mut account.due, context.index, next.max(day.plus(1)));
}

/// Whether nothing of the account can matter to a later event.
pub(super) fn is_over(context: &Context<'_>, account: &Account<'_>) -> bool {
    account.is_blank()
        && !(context.profiles && account.word.is(Flag::Dirty))
        && context.open_day() >= over_on(context.plan, account)
}

/// The day from which on no late event can join the last life of an account.
fn over_on(plan: &Plan, account: &Account<'_>) -> Day {
    account.newest.plus(plan.time.forget_after_days + LATE_DAYS + 1)
}

fn next_sunday(day: Day) -> Day {
    day.plus(1).week().sunday()
}

/// The first close after that of `day` at which something of a user may change.
fn next_of_user(context: &Context<'_>, account: &Account<'_>, index: u32, day: Day) -> Day {
    let (plan, user) = (context.plan, account.user(index));
    let forget_after = plan.time.forget_after_days;
    let days = user.days;
    let last = if days.is_never() { plan.time.calendar.day(user.since) } else { days.last() };
    if days.is_never() || user.word.is(Flag::Forgotten) {
        // What is left is to give back the memory; who is still remembered for others is looked at again in a year.
        let over = last.plus(forget_after + LATE_DAYS);
        return if over > day { over } else { day.plus(forget_after) };
    }
    if last > day || !context.warming.is_empty() {
        return day.plus(1);
    }
    let mut next = last.plus(forget_after);
    if user.word.is(Flag::Running) {
        next = next.min(last.plus(velocity::MONTH - 1));
    }
    for &slot in &plan.index.user_by_close {
        let rung = user.word.rung(slot);
        next = next.min(match &plan.user_signals[slot].kind {
            Kind::Stickiness(Stickiness { above_percent }) => {
                let known = days.first().plus(6);
                // Without activity the share only falls.
                if day < known {
                    known
                } else {
                    falls(rung, day, |day| {
                        velocity::user_stickiness(days, day)
                            .map_or(0, |share| velocity::rung_above(share, above_percent))
                    })
                }
            }
            Kind::ActiveDays(ActiveDays { days: needed }) => {
                falls(rung, day, |day| u8::from(days.count(day.plus(1), 7) >= *needed))
            }
            Kind::Idle(Idle { days: silent }) if rung == 0 => last.plus(*silent as i32),
            // A trend changes with the week, and ends with absence.
            Kind::Growth(_) if rung > 0 => next_sunday(day).min(last.plus(7).max(day.plus(1))),
            Kind::Growth(_) if last > next_sunday(day).plus(-7) => next_sunday(day),
            _ => NEVER,
        });
    }
    for &slot in &plan.index.known_in_time.1 {
        next = next.min(becomes_known(&plan.user_signals[slot].kind, days.first(), day));
    }
    next
}

/// The first day on which a rung is another one.
fn falls(rung: u8, day: Day, rung_on: impl Fn(Day) -> u8) -> Day {
    if rung == 0 {
        return NEVER;
    }
    (1..=velocity::MONTH + 1).map(|ahead| day.plus(ahead)).find(|day| rung_on(*day) != rung).unwrap_or(NEVER)
}

/// The first close after that of `day` at which a signal of who is here since `first` may become known.
fn becomes_known(kind: &Kind, first: Day, day: Day) -> Day {
    let later = |on: Day| if on > day { on } else { NEVER };
    match kind {
        Kind::Stickiness(_) => later(first.plus(6)),
        Kind::Growth(_) | Kind::Stalled(_) => {
            let last = first.plus(7 * 13);
            if day < last { next_sunday(day) } else { NEVER }
        }
        Kind::Spike(_) => later(first.plus(63)),
        Kind::Idle(Idle { days }) => later(first.plus(*days as i32)),
        _ => NEVER,
    }
}

/// The first close after that of `day` at which something of an account may change.
fn next_of_account(context: &Context<'_>, account: &Account<'_>, day: Day) -> Day {
    let plan = context.plan;
    let tomorrow = day.plus(1);
    let rows_wanted = context.profiles || context.effects.metrics.is_some();
    if account.newest > day
        || !context.warming.is_empty()
        || account.word.is(Flag::Untold)
        || account.rare().is_some_and(|rare| {
            rare.triggers.are_under_way() || rare.meters.iter().any(|(daily, _)| daily.sum(day.0 - 26, day.0 + 1) != 0)
        })
        || (rows_wanted && close::has_work(plan, account, day))
    {
        return tomorrow;
    }
    let over = over_on(plan, account).plus(-1);
    let mut next = if account.is_blank() { if over > day { over } else { day.plus(30) } } else { NEVER };
    let Some(founded) = account.founded() else { return next };
    let has_weeks = account.sum(WEEKS, day.week().0 - 13, day.week().0 + 1) != 0;
    let sunday = if has_weeks { next_sunday(day) } else { NEVER };
    if rows_wanted {
        next = next.min(sunday);
    }
    if !account.word.is(Flag::Forgotten) {
        next = next.min(account.last_day.plus(plan.time.forget_after_days));
    }
    let later = |on: Day| if on > day { on } else { NEVER };
    let reads = |figure: Figure| plan.index.reads.reads(figure);
    if [Figure::Dau, Figure::Wau, Figure::Mau, Figure::Stickiness, Figure::NewUsers].into_iter().any(reads)
        && account.has_usage(day.plus(-1))
    {
        return tomorrow;
    }
    if reads(Figure::IdleDays) && day.0 - account.last_day.0 < plan.index.restless_days {
        return tomorrow;
    }
    if reads(Figure::WeeklyUsers) {
        next = next.min(sunday);
    }
    if reads(Figure::SpikeKnown) {
        next = next.min(later(founded.plus(21)));
    }
    for &slot in &plan.index.known_in_time.0 {
        let kind = &plan.account_signals[slot].kind;
        next = next.min(becomes_known(kind, founded, day)).min(match kind {
            Kind::NewUsers(_) => {
                super::signals::counts_newcomers_from(context, account).map_or(NEVER, |from| later(from.plus(-1)))
            }
            // Who is inactive does not decline.
            Kind::Growth(growth) if !growth.up => later(account.last_day.plus(7)),
            _ => NEVER,
        });
    }
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        let rung = account.word.rung(slot);
        next = next.min(match &signal.kind {
            Kind::Stickiness(Stickiness { above_percent }) => stickiness_changes(account, founded, rung, above_percent),
            Kind::Growth(growth) if growth.up => sunday,
            Kind::Growth(_) if rung > 0 => tomorrow,
            Kind::Growth(_) => sunday,
            Kind::NewUsers(_) if rung > 0 => tomorrow,
            Kind::Stalled(_) if rung > 0 => tomorrow,
            Kind::Stalled(Stalled { at_least, .. }) if account.active_users >= *at_least => next_sunday(day),
            _ => NEVER,
        });
    }
    next
}

/// The first day after C on which the stickiness of the account is of another rung.
fn stickiness_changes(account: &Account<'_>, founded: Day, rung: u8, above_percent: &[u32]) -> Day {
    let closed = account.counts.closed();
    let mut active_days = account.sum(ACTIVE, closed.0 - (velocity::MONTH - 1), closed.0);
    for (day, mau) in account.mau_to_come() {
        active_days += u64::from(account.count(ACTIVE, day.0));
        active_days -= u64::from(account.count(ACTIVE, day.0 - velocity::MONTH));
        let share = velocity::stickiness_days(day, founded).filter(|_| mau > 0).map(|n| (active_days as u32, n * mau));
        if share.map_or(0, |share| velocity::rung_above(share, above_percent)) != rung {
            return day;
        }
        if mau == 0 {
            break;
        }
    }
    NEVER
}
