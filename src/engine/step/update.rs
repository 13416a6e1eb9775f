//! Applies an event to the state: activity, members, traits and facts. The delta records what changed.

use super::delta::{Fact, Step};
use super::life;
use super::people::{self, Taken};
use crate::engine::context::MatchedEvent;
use crate::engine::figures::windows;
use crate::engine::signals::{self, At, Fed, Subject};
use crate::engine::state::Account;
use crate::engine::state::account::Activity;
use crate::engine::state::counts::EVENTS;
use crate::engine::state::rows::User;
use crate::engine::state::timers::Timer;
use crate::engine::state::word::Flag;
use crate::model::{Day, EventKind, EventTime, Field, Role};
use crate::rules::{Changes, SignalRef};

/// Which part of an event is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Takes {
    /// All of it.
    All,
    /// Its traits, and that its user is here: its day lies too far back (semantics A12).
    Timeless,
    /// Its traits alone: it does not count (semantics A34).
    Traits,
}

/// What an event changed that triggers and rails depend on, apart from its roles.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) user: Option<u32>,
    /// The plan, in lower case, if it is now another one.
    pub(super) plan: Option<Box<str>>,
    /// It is the first meaningful event of its user.
    pub(super) new_user: bool,
    /// Whether only its traits are taken.
    pub(super) excluded: bool,
    /// What may lift a rail: an activity that was not known, an answer, a day that is new to the account, or traits.
    pub(super) activity: bool,
    pub(super) another_day: bool,
    pub(super) traits: bool,
}

/// Applies an event.
pub(super) fn event(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>, takes: Takes) -> Applied {
    let (newest, first_before, users_before) = (account.newest, account.first(), account.users_ever);
    let (counts, excluded) = (takes == Takes::All, takes == Takes::Traits);
    if !excluded {
        account.newest = newest.max(it.day);
    }
    let another_day = account.newest > newest;
    let id = &it.event.user;
    // Of an excluded event only traits are kept.
    let user = match id.is_empty() {
        true => None,
        false if excluded && !it.roles.has(Role::Profile) => it.user,
        false => Some(it.user.unwrap_or_else(|| account.insert_user(it.keys.user, id))),
    };
    let leaver = if it.roles.has(Role::MemberRemoved) { leaver(step, account, user, it) } else { None };
    // A member who leaves is removed before anybody is counted: an event is applied as a whole (semantics A14).
    if let Some(member) = leaver.filter(|_| counts) {
        remove_member(step, account, member, it.event.time);
    }
    let signs_up = counts && it.roles.has(Role::SignedUp);
    let activity = match user.filter(|_| !excluded) {
        Some(user) => note_user(step, account, user, it, counts, signs_up),
        None => Activity::Known,
    };
    if signs_up {
        account.add_sign_up(it.event.time);
    }
    if first_before.is_some_and(|before| account.first().is_some_and(|first| first > before)) {
        step.delta.account.add(Changes::REBORN);
    }
    let taken = if it.roles.is_timeless() { take_traits(step, account, user, it) } else { Taken::default() };
    if counts {
        if let Some(user) = user.filter(|_| it.event.kind == EventKind::Track && it.roles.is_activity())
            && leaver != Some(user)
        {
            return_member(step, account, user, it.event.time);
        }
        if let Some(user) = user.filter(|_| activity != Activity::Known)
            && account.user(user).days.last() >= step.open_day().plus(-27)
        {
            runs(step, account, user);
        }
        if !it.roles.is_empty() {
            facts(step, account, user, it);
        }
    }
    let knows_more = taken.created || signs_up;
    if knows_more {
        step.delta.account.add(Changes::NEW_USERS.and(Changes::COUNTING));
    } else if matches!(activity, Activity::Begins | Activity::Earlier) {
        step.delta.account.add(Changes::NEW_USERS);
    }
    if taken.created {
        // Whether the account was created within the log is known now: sign-ups may count that did not before.
        for user in account.user_indices() {
            sign_up_facts(step, user);
        }
    }
    settle_life(step, account, (first_before, users_before), newest, knows_more);
    Applied {
        user,
        plan: taken.plan,
        new_user: counts && activity == Activity::Begins,
        excluded,
        activity: activity != Activity::Known,
        another_day,
        traits: taken.traits,
    }
}

/// The bounds of the account's life, and how many users it has had.
fn settle_life(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    (first, users): (Option<EventTime>, u32),
    newest: Day,
    knows_more: bool,
) {
    if account.first() != first {
        step.delta.account.add(Changes::FOUNDED.and(Changes::KNOWN));
        await_ages(step, account, 0..step.plan.index.ages.len(), EventTime::MIN);
    } else if account.newest > newest && !knows_more {
        // New users count from today on.
        let from = signals::counting_from(step, account).filter(|from| *from > newest);
        if from.is_some() && signals::knows_newcomers(step, account) {
            step.delta.account.add(Changes::NEW_USERS.and(Changes::COUNTING));
        }
    }
    settle_users(step, account, users);
}

/// Notes a change of the number of users ever active, which was `users`.
fn settle_users(step: &mut Step<'_>, account: &mut Account<'_>, users: u32) {
    if account.users_ever != users {
        step.delta.account.add(Changes::USERS);
        // The first user is no longer the only one, or is again, which can make an only user a buyer (semantics E18).
        if users.min(account.users_ever) <= 1 {
            step.delta.account.add(Changes::ONLY_USER);
            people::settle_all_buyers(step, account);
        }
    }
}

/// Adds the activity of a user, and the first time the user was seen.
fn note_user(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    user: u32,
    it: &MatchedEvent<'_>,
    counts: bool,
    signs_up: bool,
) -> Activity {
    let (mut activity, mut was_absent) = (Activity::Known, false);
    if counts && it.event.kind == EventKind::Track && it.roles.is_activity() {
        was_absent = windows::is_absent(account.user(user).days, step.last_closed(), 7);
        activity = account.add_activity(user, (it.event.time, it.day), step.plan.time.forget_after_days);
        account.add_to(EVENTS, it.day.0, 1);
    }
    let row = account.user_mut(user);
    row.note_event(it.event.time, signs_up);
    row.word.set(Flag::Heard, true);
    step.due.users.touch(&mut row.due, user);
    if activity != Activity::Known {
        if it.day <= step.last_closed() {
            // A late event corrects figures of days that have closed, and with them what is known (semantics C17).
            step.delta.account.add(Changes::CLOSED_DAYS.and(Changes::CLOSED_WEEKS).and(Changes::KNOWN));
        }
        if account.idle_days > 0 {
            account.idle_days = 0;
            step.delta.account.add(Changes::IDLE_DAYS);
        }
        let mut changes = Changes::ACTIVE;
        if activity == Activity::Begins {
            changes.add(Changes::BEGAN.and(Changes::EXISTS));
            step.delta.scored.push(user);
            people::settle_buyer(step, account, user);
        }
        step.delta.user(user, changes);
    }
    if was_absent || matches!(activity, Activity::Begins | Activity::Earlier) {
        step.delta.user(user, Changes::KNOWN);
    }
    activity
}

/// Who leaves the account: the member that the event names, else its own user.
fn leaver(step: &Step<'_>, account: &Account<'_>, user: Option<u32>, it: &MatchedEvent<'_>) -> Option<u32> {
    match it.text(step.plan, Role::MemberRemoved, Field::Member) {
        Some(member) => account.find_user(&member),
        None => user,
    }
}

/// A member left: no longer counted, banded, or a buyer, until active again (semantics B5).
fn remove_member(step: &mut Step<'_>, account: &mut Account<'_>, user: u32, time: EventTime) {
    let days = account.user(user).days;
    if days.is_never() || days.last() <= step.plan.time.calendar.day(time) {
        leave(step, account, user, time);
    }
}

fn leave(step: &mut Step<'_>, account: &mut Account<'_>, user: u32, time: EventTime) {
    let was_removed = account.is_removed(user);
    account.user_mut(user).word.set(Flag::Removed, true);
    let removed = &mut account.more_mut(user).removed;
    *removed = Some(removed.map_or(time, |known| known.max(time)));
    step.delta.scored.push(user);
    step.delta.user(user, Changes::EXISTS);
    if !was_removed {
        step.delta.rows.push(user);
    }
    people::settle_buyer(step, account, user);
    if account.user(user).word.is(Flag::Running) {
        people::leave(step.plan, account, user);
        step.delta.account.add(Changes::ACTIVE_USERS);
    }
}

/// A meaningful event of a user who had left.
fn return_member(step: &mut Step<'_>, account: &mut Account<'_>, user: u32, time: EventTime) {
    if !account.is_removed(user) {
        return;
    }
    let Some(more) = account.known_more(user).filter(|more| more.removed.is_some_and(|removed| time > removed)) else {
        return;
    };
    more.removed = None;
    account.user_mut(user).word.set(Flag::Removed, false);
    account.tidy(user);
    step.delta.scored.push(user);
    step.delta.user_row(user, Changes::EXISTS);
    people::settle_buyer(step, account, user);
    if account.user(user).days.last() >= step.open_day().plus(-27) {
        runs(step, account, user);
    }
}

/// Adds a user who has not left to the running active users (semantics C2).
fn runs(step: &mut Step<'_>, account: &mut Account<'_>, user: u32) {
    if !account.is_removed(user) && !account.user(user).word.is(Flag::Running) {
        people::enter(step.plan, account, user);
        step.delta.account.add(Changes::ACTIVE_USERS);
    }
}

/// Applies traits, whatever their event time.
fn take_traits(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, it: &MatchedEvent<'_>) -> Taken {
    let taken = people::take(step.plan, account, user, it);
    if let Some(user) = user.filter(|_| taken.profile) {
        if step.plan.exclude.has_hosts() {
            exclude_by_host(step, account, user, it.event.time);
        }
        step.delta.account.add(Changes::ACTIVE_USERS);
        step.delta.user_row(user, Changes::BUYS);
        people::settle_buyer(step, account, user);
    }
    if taken.traits {
        step.delta.account.add(Changes::TRAITS);
        step.delta.row |= taken.company;
        // Whether an only user buys depends on the size of the company (semantics E18).
        if account.users_ever == 1 {
            people::settle_all_buyers(step, account);
        }
    }
    if taken.shown_plan {
        step.delta.all_rows(account);
    }
    taken
}

/// A user has another e-mail address: one who is excluded by it is treated as one who left, whatever the last active day
/// (semantics A34, B5).
fn exclude_by_host(step: &mut Step<'_>, account: &mut Account<'_>, user: u32, time: EventTime) {
    let Some(more) = account.known_more(user) else { return };
    let is_excluded = more.profile.is_excluded(&step.plan.exclude);
    let was_excluded = std::mem::replace(&mut more.excluded, is_excluded);
    if is_excluded && !was_excluded {
        leave(step, account, user, time);
    }
}

/// Feeds the signals of the user and of the account that listen to the roles of an event.
fn facts(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, it: &MatchedEvent<'_>) {
    let plan = step.plan;
    let mut begun: Vec<Role> = Vec::new();
    let from = step.delta.facts.len();
    for role in plan.roles.in_order(&it.roles) {
        for signal in &plan.index.by_role[role as usize] {
            let (user, slot) = match *signal {
                SignalRef::User(slot) if user.is_some() => (user, slot),
                SignalRef::User(_) => continue,
                SignalRef::Account(slot) => (None, slot),
            };
            // An event with several roles feeds a signal once (semantics E24).
            if step.delta.facts[from..].iter().any(|fact| fact.user == user && fact.slot == slot) {
                continue;
            }
            begun.extend(begins(step, user, slot, it));
            feed(step, account, user, slot, it);
        }
    }
    // The first event of a role is the first for every signal that it feeds (semantics E16).
    if !begun.is_empty() {
        account.life_mut().begun.extend(begun);
    }
    if let Some(user) = user.filter(|_| it.roles.has(Role::SignedUp)) {
        // Another sign-up can be the earliest: what is measured from it is measured again.
        sign_up_facts(step, user);
    }
    life::note(step, account, user, it);
}

/// The role of which this is the first event, if the first one does not count.
fn begins(step: &Step<'_>, user: Option<u32>, slot: usize, it: &MatchedEvent<'_>) -> Option<Role> {
    it.passes(step.plan, step.kind(user, slot).leaves_out_first()?)
}

/// Feeds a signal with an event.
fn feed(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, slot: usize, it: &MatchedEvent<'_>) {
    let kind = step.kind(user, slot);
    let fed = signals::of_kind(kind).update(&step.context, Subject { account, user, slot }, it);
    let mut fact = Fact { user, slot, falls: false, waits_until: None };
    match fed {
        Fed::Nothing => return,
        Fed::Fact => {}
        Fed::Session => step.delta.sessions.push((user, slot)),
        Fed::Wait(end) => fact.waits_until = Some(end),
    }
    step.delta.facts.push(fact);
}

/// Marks the signals that depend on a user's sign-up.
fn sign_up_facts(step: &mut Step<'_>, user: u32) {
    let slots = &step.context.plan.index.by_sign_up;
    if !slots.is_empty() {
        step.delta.user(user, Changes::SIGNED_UP);
        slots.iter().for_each(|slot| step.delta.fact(Some(user), *slot, false));
    }
}

/// Handles timers: facts that begin or end, and ages that are reached. A timer may be out of date, because its fact was
/// observed again and has another timer.
pub(super) fn lapse(step: &mut Step<'_>, account: &mut Account<'_>, timers: &[(u32, Timer)]) {
    for (_, timer) in timers {
        let Timer::Lapse { user, slot } = *timer else { continue };
        let slot = usize::from(slot);
        if user.is_some_and(|user| !account.owns(user)) {
            // The row of a user who was removed now belongs to a user of another account.
            continue;
        }
        if step.kind(user, slot).changes().meet(Changes::AGE) {
            step.delta.account.add(Changes::AGE);
        } else if account.facts(user, slot).is_some() {
            let at = At::of(&step.context, account, user, slot);
            let falls = signals::of(&at).turns_at(&at, step.now);
            step.delta.fact(user, slot, falls);
        }
    }
}

/// Sets the timers of ages that are reached after an instant; `ages` are places in the index.
pub(in crate::engine) fn await_ages(
    step: &mut Step<'_>,
    account: &Account<'_>,
    ages: impl Iterator<Item = usize>,
    after: EventTime,
) {
    let plan = step.plan;
    for slot in ages.map(|place| plan.index.ages[place]) {
        let at = At::of(&step.context, account, None, slot);
        let Some([reached, settled]) = signals::of(&at).ages(&at) else { continue };
        // The age of an account that may be older than the log is unknown until the warm-up ends.
        for at in [Some(reached), Some(settled).filter(|at| *at > reached)].into_iter().flatten() {
            if at > after {
                step.timers.schedule(at, step.index, Timer::Lapse { user: None, slot: slot as u8 });
            }
        }
    }
}

/// Erases a user: later figures are as if the user had never been active, except for complete weeks (semantics B15).
pub(super) fn erase(step: &mut Step<'_>, account: &mut Account<'_>, user: u32) {
    let User { days, word, .. } = *account.user(user);
    let (users, is_known) = (account.users_ever, !days.is_never() && !word.is(Flag::Forgotten));
    if is_known {
        step.delta.gone.push(user);
        step.delta.row = true;
    }
    if word.is(Flag::Running) {
        people::leave(step.plan, account, user);
        step.delta.account.add(Changes::ACTIVE_USERS);
    }
    account.erase_user(user, step.open_day());
    step.due.users.touch(&mut account.user_mut(user).due, user);
    step.due.accounts.touch(&mut account.due, step.index);
    step.delta.scored.push(user);
    step.delta.user(user, Changes::EXISTS);
    if is_known {
        let figures = Changes::CLOSED_DAYS.and(Changes::CLOSED_WEEKS).and(Changes::KNOWN).and(Changes::NEW_USERS);
        step.delta.account.add(figures);
    }
    if !account.word.is(Flag::Forgotten) {
        settle_users(step, account, users);
    }
}

/// Visited users whose last active day lies too far back are forgotten, and with the last of them the life of the
/// account; what is known of the company stays (semantics B12, B13).
pub(super) fn forget(step: &mut Step<'_>, account: &mut Account<'_>, users: &[(u32, u32)]) {
    let (open_day, forget_after) = (step.open_day(), step.plan.time.forget_after_days);
    for &(_, index) in users {
        let user = account.user_mut(index);
        let is_due = || user.days.last().plus(forget_after + 1) <= open_day;
        if user.days.is_never() || user.word.is(Flag::Forgotten) || !is_due() {
            continue;
        }
        user.word.set(Flag::Forgotten, true);
        user.word.set(Flag::Fell, false);
        user.forget_since();
        account.erase_more(index);
        step.delta.scored.push(index);
        step.delta.user(index, Changes::EXISTS);
        step.delta.gone.push(index);
        people::settle_buyer(step, account, index);
    }
    let due = Day(account.last_day.0.saturating_add(forget_after + 1));
    if account.first().is_some() && !account.word.is(Flag::Forgotten) && due <= open_day {
        account.word.set(Flag::Forgotten, true);
        step.delta.account.add(Changes::EXISTS);
        step.delta.row = true;
        account.erase_life();
    }
}
