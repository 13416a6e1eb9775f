//! What only the close of a day or a week decides.

use super::people;
use super::score;
use super::sighting::recount;
use super::signals::{
    self, Change, Context, OF_CLOSED_DAYS, WHOLE_ACCOUNT, counting_newcomers, counts_newcomers_from, knows_newcomers,
    ladder, ratio_rung, trait_rung, volume,
};
use super::state::Account;
use super::state::days::Days;
use super::state::rows::User;
use super::state::word::Flag;
use super::velocity::{self, Closed};
use crate::model::{Day, Reason};
use crate::rules::{ActiveDays, Figure, Idle, Kind, Plan, SignalRef, Spike, Stalled, Stickiness, UsageRatio};

/// Whether closes after that of `day` may still find something: activity in their windows, a signal that they end, a
/// condition that time alone changes, closed days that a trigger counts.
pub(super) fn has_work(plan: &Plan, account: &Account<'_>, day: Day) -> bool {
    let rests = |account: &Account<'_>| {
        account.founded().is_none_or(|_| day.0 - account.last_day.0 >= plan.index.restless_days)
    };
    account.has_usage(day)
        || account.word.any_of(plan.index.account_close_bits)
        || !rests(account)
        || account.rare().is_some_and(|rare| {
            rare.meters.iter().any(|(daily, _)| daily.sum(day.0 - 26, day.0 + 1) != 0) || rare.triggers.count_days(plan)
        })
}

/// The close of a day, and of the week that ends with it, for the account and those of its users that are visited.
/// Returns the figures, if the account is founded.
pub(super) fn close_day(
    context: &mut Context<'_>,
    account: &mut Account<'_>,
    day: Day,
    users: &[(u32, u32)],
) -> Option<Closed> {
    let rejoined = account.known_rare().map(|rare| std::mem::take(&mut rare.rejoined)).unwrap_or_default();
    for (user, slot) in rejoined {
        recount(context, account, (user != WHOLE_ACCOUNT).then_some(user), slot.into(), true);
    }
    let founded = account.founded();
    let closed = Closed::new(account, day, founded.unwrap_or(day));
    let mut of_week: Vec<(u32, usize, u8)> = Vec::new();
    let first_running = day.plus(1 - 27);
    let active_before = account.active_users;
    for &(_, index) in users {
        let user = account.user_mut(index);
        close_user(context, user, index, day, &mut of_week);
        if user.word.is(Flag::Running) && user.days.last() < first_running {
            people::leave(context.plan, account, index);
        }
    }
    assert_counts(context, account);
    if account.active_users != active_before {
        context.work.changed.figure(Figure::ActiveUsers);
        context.work.changed.figure(Figure::Departments);
    }
    tell_absent(context, account, closed.mau > 0);
    if founded.is_some() {
        let idle_days = (day.0 - account.last_day.0).max(0);
        if idle_days != account.idle_days {
            account.idle_days = idle_days;
            context.work.changed.figure(Figure::IdleDays);
        }
        OF_CLOSED_DAYS.into_iter().for_each(|figure| context.work.changed.figure(figure));
        if spike_becomes_known(account, day) {
            context.work.changed.figure(Figure::SpikeKnown);
        }
        learn(context, account, day);
        account.touch(context.when(account));
    }
    close_account(context, account, &closed);
    fall_traits(context, account);
    context.tell_changes(account, Reason::Closed);
    founded?;
    if day.is_sunday() {
        context.work.changed.figure(Figure::WeeklyUsers);
        for (index, slot, rung) in of_week {
            context.turn_user(account.user_mut(index), index, slot, rung);
        }
        let plan = context.plan;
        for (slot, signal) in plan.account_signals.iter().enumerate() {
            if let Kind::Growth(growth) = &signal.kind
                && growth.up
            {
                let rung = u8::from(signals::grows(context, account, &closed, growth) == Some(true));
                context.turn_account(account, slot, rung);
            }
        }
        context.tell_changes(account, Reason::Closed);
    }
    Some(closed)
}

/// What is counted from event to event is what counting anew gives: a wrong figure must stop the process. Where counting
/// anew would cost a pass over all users, it is done in debug builds.
fn assert_counts(context: &Context<'_>, account: &Account<'_>) {
    assert!(
        account.active_users as usize <= account.users_len(),
        "running users of {}: {} of {}",
        account.id(),
        account.active_users,
        account.users_len()
    );
    if cfg!(debug_assertions) {
        let running = || account.users().map(|(_, user)| user).filter(|user| user.word.is(Flag::Running));
        assert_eq!(account.active_users as usize, running().count(), "running users of {}", account.id());
        // Of an account that is forgotten users are given back one by one.
        if !account.word.is(Flag::Forgotten) {
            assert_eq!(account.users_ever, account.count_users_ever(), "users ever of {}", account.id());
        }
        let points: i32 = running().map(|user| score::contribution(context.plan, user.word)).sum();
        assert_eq!(account.user_points + context.work.points, points, "points of users of {}", account.id());
    }
}

fn close_user(context: &mut Context<'_>, user: &mut User, index: u32, day: Day, of_week: &mut Vec<(u32, usize, u8)>) {
    let days = user.days;
    // Who has no day in the mask has nothing on but inactivity, and nothing more to lose.
    if days.is_never()
        || user.word.is(Flag::Forgotten)
        || (days.ending(day.plus(1)) == 0 && !turns_idle(context.plan, user))
    {
        return;
    }
    let plan = context.plan;
    for &slot in &plan.index.user_by_close {
        match &plan.user_signals[slot].kind {
            Kind::Stickiness(Stickiness { above_percent }) => {
                let rung =
                    velocity::user_stickiness(days, day).map_or(0, |share| velocity::rung_above(share, above_percent));
                context.turn_user(user, index, slot, rung);
            }
            Kind::ActiveDays(ActiveDays { days: needed }) => {
                let rung = u8::from(days.count(day.plus(1), 7) >= *needed);
                context.turn_user(user, index, slot, rung);
            }
            Kind::Idle(Idle { days: silent }) => {
                let rung = u8::from(velocity::is_absent(days, day, *silent));
                context.turn_user(user, index, slot, rung);
            }
            Kind::Growth(growth) if growth.up && day.is_sunday() => {
                let rung = u8::from(velocity::user_trend(days, day).moves(growth) == Some(true));
                if rung != user.word.rung(slot) {
                    of_week.push((index, slot, rung));
                }
            }
            Kind::Growth(growth) if growth.up => {}
            Kind::Growth(growth) => {
                let moves =
                    !velocity::is_absent(days, day, 7) && velocity::user_trend(days, day).moves(growth) == Some(true);
                let rung = u8::from(moves);
                context.turn_user(user, index, slot, rung);
            }
            _ => {}
        }
    }
}

/// Whether a user without a day in the mask still has to become inactive.
fn turns_idle(plan: &Plan, user: &User) -> bool {
    plan.index.user_by_close.iter().any(|&slot| match plan.user_signals[slot].kind {
        Kind::Idle(_) => user.word.rung(slot) == 0,
        _ => user.word.rung(slot) > 0,
    })
}

/// While an account has no active users nobody is told who is absent; once it has some again they are (semantics E10).
fn tell_absent(context: &mut Context<'_>, account: &mut Account<'_>, has_active: bool) {
    let plan = context.plan;
    let is_idle = |slot: usize| matches!(plan.user_signals[slot].kind, Kind::Idle(_));
    if !has_active {
        let scored = &mut context.work.scored;
        let touched = &mut context.work.touched;
        context.work.changes.retain(|change| match change.user {
            Some(user) if change.after > 0 && is_idle(change.slot) => {
                account.user_mut(user).word.set(Flag::Untold, true);
                account.word.set(Flag::Untold, true);
                scored.push(user);
                touched.push(user);
                false
            }
            _ => true,
        });
        return;
    }
    if !account.word.is(Flag::Untold) {
        return;
    }
    account.word.set(Flag::Untold, false);
    for index in account.user_indices() {
        let word = &mut account.user_mut(index).word;
        if word.is(Flag::Untold) {
            word.set(Flag::Untold, false);
            let slots = plan.index.user_by_close.iter().copied().filter(|slot| is_idle(*slot) && word.rung(*slot) > 0);
            let changes = slots.map(|slot| Change { user: Some(index), slot, before: 0, after: word.rung(slot) });
            context.work.changes.extend(changes);
        }
    }
}

/// What conditions read and may be known from this close on: off means no, though nothing turned (semantics C1, D11).
fn learn(context: &mut Context<'_>, account: &Account<'_>, day: Day) {
    let plan = context.plan;
    let (of_account, of_users) = &plan.index.known_in_time;
    if let Some(founded) = account.founded() {
        let weeks = velocity::weeks_known(founded, velocity::last_week(day));
        for &slot in of_account {
            let is_now = match &plan.account_signals[slot].kind {
                Kind::NewUsers(_) => counts_newcomers_from(context, account) == Some(day.plus(1)),
                // Before ten weeks it is known only of an inactive account: it does not decline.
                Kind::Growth(growth) if !growth.up => weeks <= 10,
                kind => may_become_known(kind, founded, day),
            };
            if is_now {
                context.work.changed.signal(SignalRef::Account(slot));
            }
        }
    }
    for &slot in of_users {
        let kind = &plan.user_signals[slot].kind;
        for (index, user) in account.users() {
            if !user.days.is_never() && may_become_known(kind, user.days.first(), day) {
                context.work.changed.signal(SignalRef::User(slot));
                context.work.touched.push(index);
            }
        }
    }
}

/// Whether a signal of who is here since `first` may be known from the close of `day` on, and was not before.
fn may_become_known(kind: &Kind, first: Day, day: Day) -> bool {
    let weeks = || if day.is_sunday() { velocity::weeks_known(first, day.week()) } else { 0 };
    match kind {
        Kind::Stickiness(_) => day == first.plus(6),
        // A slope is known from 4 weeks on, a decline from 10, a change in percent from 2.
        Kind::Growth(_) => matches!(weeks(), 2 | 4 | 10),
        Kind::Stalled(Stalled { weeks: needed, .. }) => weeks() == *needed,
        Kind::Spike(_) => velocity::blocks(day, first) == 8 && velocity::blocks(day.plus(-1), first) < 8,
        Kind::Idle(Idle { days }) => day == first.plus(*days as i32),
        _ => false,
    }
}

fn close_account(context: &mut Context<'_>, account: &mut Account<'_>, closed: &Closed) {
    let plan = context.plan;
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        let rung = match &signal.kind {
            Kind::Stickiness(Stickiness { above_percent }) => {
                closed.stickiness().map_or(0, |share| velocity::rung_above(share, above_percent))
            }
            Kind::Growth(growth) if !growth.up => {
                u8::from(signals::grows(context, account, closed, growth) == Some(true))
            }
            Kind::NewUsers(new_users) if knows_newcomers(context, account) => {
                let counting = counting_newcomers(context, account, closed.day);
                let unlikely = |below: f64| {
                    closed.expected_newcomers().is_some_and(|expected| expected.at_least(counting) < below)
                };
                if counting >= new_users.at_least && new_users.spike_below.is_some_and(unlikely) {
                    2
                } else {
                    u8::from(counting_newcomers(context, account, closed.day.plus(1)) >= new_users.at_least)
                }
            }
            Kind::NewUsers(_) => 0,
            Kind::UsageRatio(UsageRatio { percent }) => ratio_rung(account, *percent),
            Kind::Spike(spike) => u8::from(spikes(account, spike, closed.day)),
            Kind::Stalled(Stalled { at_least, weeks }) => u8::from(is_stalled(account, *at_least, *weeks, closed.day)),
            Kind::Ladder(_) | Kind::Executive => ladder(context, account, slot, account.window_end(closed.day.plus(1))),
            _ => continue,
        };
        context.turn_account(account, slot, rung);
    }
}

/// Traits that no longer hold are off from the close of the day on.
fn fall_traits(context: &mut Context<'_>, account: &mut Account<'_>) {
    let plan = context.plan;
    for &slot in &plan.index.account_traits {
        if let Kind::Trait(is) = &plan.account_signals[slot].kind {
            context.turn_account(account, slot, trait_rung(account, is));
        }
    }
}

/// A meter of the last 7 days against the 8 blocks of 7 days before (semantics §3, semantics C30).
fn spikes(account: &Account<'_>, spike: &Spike, day: Day) -> bool {
    const BLOCKS: i32 = 8;
    if account.founded().is_none_or(|founded| velocity::blocks(day, founded) < BLOCKS) {
        return false;
    }
    let week = |back: i32| volume(account, spike.meter, day.plus(-6 - 7 * back), day.plus(-7 * back));
    let x = week(0);
    let n = f64::from(BLOCKS);
    let mean = (1..=BLOCKS).map(week).sum::<f64>() / n;
    let variance = (1..=BLOCKS).map(|back| (week(back) - mean) * (week(back) - mean)).sum::<f64>() / (n - 1.0);
    let spread = libm::sqrt(variance.max(mean).max(1.0) * (1.0 + 1.0 / n));
    x >= f64::from(spike.at_least) && (x - mean) / spread > spike.above
}

/// Whether new users can be compared with two blocks of 7 days from this close on.
fn spike_becomes_known(account: &Account<'_>, day: Day) -> bool {
    account
        .founded()
        .is_some_and(|founded| velocity::blocks(day, founded) == 2 && velocity::blocks(day.plus(-1), founded) < 2)
}

/// Active users of one department, and none of them new in so many closed weeks.
fn is_stalled(account: &Account<'_>, at_least: u32, weeks: u32, day: Day) -> bool {
    let departments = account.rare().map_or(0, |rare| rare.departments.len());
    let Some(founded) = account.founded() else { return false };
    let last = velocity::last_week(day);
    if account.active_users < at_least || departments != 1 || velocity::weeks_known(founded, last) < weeks {
        return false;
    }
    let from = last.plus(1 - weeks as i32).monday();
    let is_new =
        |days: Days| !days.is_never() && days.first() != founded && (from..=last.sunday()).contains(&days.first());
    !account.users().any(|(_, user)| is_new(user.days))
}
