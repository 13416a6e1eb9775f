//! Figures and facts → rungs: the signal kinds, each with its state, its timers and its words.

use super::account::{Account, User};
use super::activity::Days;
use super::timers::{Due, Timers};
use super::velocity::{self, Closed, Trend};
use crate::model::{
    Day, Effects, Event, EventTime, Fact, Place, Reason, Role, SignalChange, SignalKind, SignalMessage,
};
use crate::rules::{Kind, Plan, RoleSet, SignalRef};

/// What surrounds an account while the fold works on it.
pub(super) struct Context<'a> {
    pub(super) plan: &'a Plan,
    pub(super) effects: &'a mut Effects,
    pub(super) timers: &'a mut Timers,
    /// The account's place in its partition.
    pub(super) index: u32,
    /// What effects are caused by: the event's time, or the instant at which work is due.
    pub(super) cause: EventTime,
    /// The event that causes them; empty for due work.
    pub(super) message_id: &'a str,
    /// The watermark; while due work runs, its instant.
    pub(super) now: EventTime,
    pub(super) log_began: Option<Day>,
    /// Signals that moved; who publishes them empties the list.
    pub(super) changes: &'a mut Vec<Change>,
    /// Whether any signal moved since triggers were last evaluated, and whose.
    pub(super) moved: &'a mut bool,
    pub(super) touched: &'a mut Vec<u32>,
}

/// A signal that moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// None at account scope.
    user: Option<u32>,
    slot: usize,
    before: u8,
    after: u8,
}

/// Facts of a user for one signal, kept while they count.
#[derive(Debug)]
pub(super) enum Facts {
    /// The role was seen; the fact ends at this instant.
    Seen(EventTime, Evidence),
    /// Sessions by time, disjoint: first and last event.
    Sessions(Vec<(EventTime, EventTime)>, Evidence),
}

impl Facts {
    pub(super) fn evidence(&self) -> &Evidence {
        match self {
            Facts::Seen(_, evidence) | Facts::Sessions(_, evidence) => evidence,
        }
    }
}

/// The events that something rests on: the first and the newest five, by (time, place) (edges E23).
#[derive(Debug, Default)]
pub(super) struct Evidence(Vec<(EventTime, Place, Box<str>)>);

impl Evidence {
    const NEWEST: usize = 5;

    pub(super) fn add(&mut self, time: EventTime, place: Place, message_id: &str) {
        let at = self.0.partition_point(|known| (known.0, known.1) < (time, place));
        self.0.insert(at, (time, place, message_id.into()));
        if self.0.len() > 1 + Self::NEWEST {
            self.0.remove(1);
        }
    }

    pub(super) fn facts(&self) -> impl Iterator<Item = Fact> {
        self.0.iter().map(|(at, _, message_id)| Fact { message_id: message_id.clone(), at: *at, number: 1.0 })
    }
}

impl Context<'_> {
    /// The instant that an effect on this account carries: never before the one that the last effect carried
    /// (edges A17).
    pub(super) fn at(&self, account: &Account) -> EventTime {
        self.cause.max(account.last_at)
    }

    /// O: the first open day.
    pub(super) fn open_day(&self) -> Day {
        self.now.day()
    }

    /// Publishes a message of the signals feed.
    pub(super) fn publish(&mut self, account: &mut Account, user: Option<u32>, kind: SignalKind, facts: Vec<Fact>) {
        account.last_at = self.at(account);
        self.effects.signals.push(SignalMessage {
            account: account.id.to_string(),
            user: user.map_or(String::new(), |user| account.users.get(user).id.to_string()),
            kind,
            at: account.last_at,
            facts,
        });
    }

    /// Publishes the signals that moved: users by id, then the account, each in the order of the rules (edges A15).
    /// Triggers look at what they say when they are next evaluated.
    pub(super) fn publish_changes(&mut self, account: &mut Account, reason: Reason) {
        if self.changes.is_empty() {
            return;
        }
        *self.moved = true;
        let mut changes = std::mem::take(self.changes);
        let key = |change: &Change| {
            (change.user.is_none(), change.user.map(|user| &*account.users.get(user).id), change.slot)
        };
        changes.sort_by(|a, b| key(a).cmp(&key(b)));
        for change in changes.drain(..) {
            self.touched.extend(change.user);
            let signals = if change.user.is_some() { &self.plan.user_signals } else { &self.plan.account_signals };
            let signal = match change.user {
                Some(_) => SignalRef::User(change.slot),
                None => SignalRef::Account(change.slot),
            };
            let facts = facts(self, account, signal, change.user);
            let signal = signals[change.slot].id.clone();
            let kind = SignalKind::Changed(SignalChange { signal, before: change.before, after: change.after, reason });
            self.publish(account, change.user, kind, facts);
        }
        *self.changes = changes;
    }

    fn turn_user(&mut self, user: &mut User, index: u32, slot: usize, rung: u8) {
        let before = user.word.rung(slot);
        if before != rung {
            user.word.set_rung(slot, rung);
            self.changes.push(Change { user: Some(index), slot, before, after: rung });
        }
    }

    fn turn_account(&mut self, account: &mut Account, slot: usize, rung: u8) {
        let before = account.word.rung(slot);
        if before != rung {
            account.word.set_rung(slot, rung);
            self.changes.push(Change { user: None, slot, before, after: rung });
        }
    }
}

/// What a new active day of a user proves at once.
pub(super) fn after_activity(context: &mut Context<'_>, account: &mut Account, index: u32, day: Day) {
    let (plan, window_end) = (context.plan, account.window_end(context.open_day()));
    let user = account.users.get_mut(index);
    for (slot, signal) in plan.user_signals.iter().enumerate() {
        match signal.kind {
            Kind::ActiveDays { days } if user.days.count(window_end, 7) >= days => {
                context.turn_user(user, index, slot, 1)
            }
            // A late day before the window of today changes nothing before the next close (edges C4, E10).
            Kind::Idle { days } if day.0 > window_end.0 - days as i32 => context.turn_user(user, index, slot, 0),
            _ => {}
        }
    }
}

/// What is known of new users proves at once: upward, to the first rung (edges C3, C20).
pub(super) fn after_newcomer(context: &mut Context<'_>, account: &mut Account) {
    let plan = context.plan;
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        if let Kind::NewUsers(new_users) = &signal.kind {
            let window_end = account.window_end(context.open_day());
            if account.word.rung(slot) == 0 && counting_newcomers(context, account, window_end) >= new_users.at_least {
                context.turn_account(account, slot, 1);
            }
        }
    }
}

/// New users in the 7 days that end with `day`, as signals count them.
fn counting_newcomers(context: &Context<'_>, account: &Account, day: Day) -> u32 {
    let from = account.newcomers_count_from(context.log_began, context.plan.rails.warm_up_days);
    from.map_or(0, |from| account.newcomers(day, from))
}

/// Whether a signal's figure is known, so that off means no (edges C1, D11).
pub(super) fn knows(context: &Context<'_>, account: &Account, signal: SignalRef, user: Option<u32>) -> bool {
    let last_closed = context.open_day().plus(-1);
    let (kind, first) = match signal {
        SignalRef::Account(slot) => (&context.plan.account_signals[slot].kind, account.founded()),
        SignalRef::User(slot) => {
            let days = user.map(|user| account.users.get(user).days).filter(|days| !days.is_never());
            (&context.plan.user_signals[slot].kind, days.map(Days::first))
        }
    };
    match kind {
        Kind::NewUsers(_) => knows_newcomers(context, account),
        Kind::Stickiness { .. } => first.is_some_and(|first| velocity::stickiness_days(last_closed, first).is_some()),
        Kind::Growth(_) => {
            first.is_some_and(|first| velocity::weeks_known(first, velocity::last_week(last_closed)) >= 2)
        }
        Kind::ActiveDays { .. } | Kind::Idle { .. } | Kind::Sessions(_) | Kind::Seen(_) => true,
    }
}

/// Whether new users can be compared with two blocks of 7 days from this close on.
pub(super) fn spike_becomes_known(account: &Account, day: Day) -> bool {
    account
        .founded()
        .is_some_and(|founded| velocity::blocks(day, founded) == 2 && velocity::blocks(day.plus(-1), founded) < 2)
}

/// Whether it is known how many new users the account has, for signals (edges B17).
pub(super) fn knows_newcomers(context: &Context<'_>, account: &Account) -> bool {
    let from = account.newcomers_count_from(context.log_began, context.plan.rails.warm_up_days);
    from.is_some_and(|from| {
        account.founded().is_some_and(|founded| from == founded.plus(1))
            || account.window_end(context.open_day()) >= from
    })
}

/// What an event of some roles proves of its user at once.
pub(super) fn after_sighting(
    context: &mut Context<'_>,
    account: &mut Account,
    user: u32,
    roles: RoleSet,
    event: &Event<'_>,
    place: Place,
) {
    let plan = context.plan;
    if roles.is_empty() {
        return;
    }
    for (slot, signal) in plan.user_signals.iter().enumerate() {
        let (role, ttl_ms) = match &signal.kind {
            Kind::Seen(seen) => (seen.role, seen.ttl_ms),
            Kind::Sessions(sessions) => (sessions.role, sessions.ttl_ms),
            _ => continue,
        };
        let end = event.time.plus(ttl_ms);
        // A fact that is over does nothing (edges E2, E6).
        if !roles.has(role) || end <= context.now {
            continue;
        }
        let key = (user, slot as u8);
        let mut began = false;
        let rung = match &signal.kind {
            Kind::Sessions(kind) => {
                let facts =
                    account.rare().facts.entry(key).or_insert_with(|| Facts::Sessions(Vec::new(), Evidence::default()));
                let Facts::Sessions(sessions, evidence) = facts else { continue };
                evidence.add(event.time, place, &event.message_id);
                began = add_to_sessions(sessions, event.time, kind.gap_ms);
                rung_of_sessions(sessions, kind, context.now)
            }
            _ => {
                let facts = account.rare().facts.entry(key).or_insert_with(|| Facts::Seen(end, Evidence::default()));
                let Facts::Seen(until, evidence) = facts else { continue };
                evidence.add(event.time, place, &event.message_id);
                *until = end.max(*until);
                1
            }
        };
        context.timers.schedule(end, context.index, Due::Lapse { user, slot: slot as u8 });
        let state = account.users.get_mut(user);
        // A late event may join two sessions: downward only at the next close.
        let before = state.word.rung(slot);
        context.turn_user(state, user, slot, rung.max(before));
        if rung < before {
            account.rare().rejoined.insert(key);
        }
        if began {
            let fact = Fact { message_id: event.message_id.as_ref().into(), at: event.time, number: 1.0 };
            let pulse = SignalKind::Pulse { signal: Some(signal.id.clone()), trigger: None };
            context.publish(account, Some(user), pulse, vec![fact]);
        }
    }
}

/// Takes an event into the sessions, which it may join; returns whether it joined none (edges E6).
fn add_to_sessions(sessions: &mut Vec<(EventTime, EventTime)>, time: EventTime, gap_ms: i64) -> bool {
    let near = |session: &(EventTime, EventTime)| time.0 - session.1.0 < gap_ms && session.0.0 - time.0 < gap_ms;
    let at = sessions.partition_point(|session| session.1 < time && !near(session));
    let joined = sessions[at..].iter().take_while(|session| near(session)).count();
    let whole = sessions[at..at + joined]
        .iter()
        .fold((time, time), |whole, session| (whole.0.min(session.0), whole.1.max(session.1)));
    sessions.splice(at..at + joined, [whole]);
    joined == 0
}

fn rung_of_sessions(sessions: &[(EventTime, EventTime)], kind: &crate::rules::Sessions, now: EventTime) -> u8 {
    let live = live(sessions, kind, now);
    kind.rungs.iter().take_while(|rung| live >= **rung as usize).count() as u8
}

/// How many sessions still count.
fn live(sessions: &[(EventTime, EventTime)], kind: &crate::rules::Sessions, now: EventTime) -> usize {
    sessions.iter().filter(|session| session.1.plus(kind.ttl_ms) > now).count()
}

/// Facts of a user and signal end, or may have been joined: the rung is what the facts still say.
fn recount(context: &mut Context<'_>, account: &mut Account, user: u32, slot: u8) {
    let Some(rare) = account.rare.as_mut() else { return };
    let Some(facts) = rare.facts.get_mut(&(user, slot)) else { return };
    let now = context.now;
    let (rung, spent) = match (facts, &context.plan.user_signals[usize::from(slot)].kind) {
        (Facts::Seen(until, _), _) => (u8::from(*until > now), *until <= now),
        (Facts::Sessions(sessions, _), Kind::Sessions(kind)) => {
            sessions.retain(|session| session.1.plus(kind.ttl_ms) > now);
            (rung_of_sessions(sessions, kind, now), sessions.is_empty())
        }
        (Facts::Sessions(..), _) => return,
    };
    context.turn_user(account.users.get_mut(user), user, usize::from(slot), rung);
    if spent {
        rare.facts.remove(&(user, slot));
    }
}

/// The ends of facts that are due now. A timer whose fact was seen again since has nothing to end.
pub(super) fn lapse(context: &mut Context<'_>, account: &mut Account, due: &[(u32, Due)]) {
    for (_, due) in due {
        if let Due::Lapse { user, slot } = *due
            && let Some(facts) = account.rare.as_ref().and_then(|rare| rare.facts.get(&(user, slot)))
            && ends(context.plan, slot, facts).contains(&context.now)
        {
            recount(context, account, user, slot);
        }
    }
    context.publish_changes(account, Reason::Lapsed);
}

/// When the facts of a user and signal end.
fn ends(plan: &Plan, slot: u8, facts: &Facts) -> Vec<EventTime> {
    match (facts, &plan.user_signals[usize::from(slot)].kind) {
        (Facts::Seen(until, _), _) => vec![*until],
        (Facts::Sessions(sessions, _), Kind::Sessions(kind)) => {
            sessions.iter().map(|it| it.1.plus(kind.ttl_ms)).collect()
        }
        (Facts::Sessions(..), _) => Vec::new(),
    }
}

/// Gives back the memory of users that can no longer matter; returns of how many.
pub(super) fn drop_gone_users(context: &mut Context<'_>, account: &mut Account, all: bool) -> usize {
    let dropped = account.drop_gone_users(context.open_day(), context.plan.time.forget_after_days, all);
    if dropped > 0 {
        // Users have moved to other places, and their timers with them.
        for (&(user, slot), facts) in account.rare.iter().flat_map(|rare| &rare.facts) {
            for end in ends(context.plan, slot, facts) {
                context.timers.schedule(end, context.index, Due::Lapse { user, slot });
            }
        }
    }
    dropped
}

/// Users whose last active day lies too far back are forgotten (edges B12). Returns when the next one is.
pub(super) fn forget(context: &mut Context<'_>, account: &mut Account) -> Option<EventTime> {
    let forget_after = context.plan.time.forget_after_days;
    let mut next: Option<Day> = None;
    for index in 0..account.users.len() as u32 {
        let user = account.users.get_mut(index);
        if user.days.is_never() || user.word.forgotten() {
            continue;
        }
        let due = user.days.last().plus(forget_after + 1);
        if due > context.open_day() {
            next = Some(next.map_or(due, |next| next.min(due)));
            continue;
        }
        (0..context.plan.user_signals.len()).for_each(|slot| context.turn_user(user, index, slot, 0));
        user.word.set_forgotten(true);
        user.forget_since();
        if let Some(rare) = account.rare.as_mut().filter(|rare| !rare.facts.is_empty()) {
            (0..context.plan.user_signals.len()).for_each(|slot| drop(rare.facts.remove(&(index, slot as u8))));
        }
    }
    context.publish_changes(account, Reason::Forgotten);
    next.map(Day::start)
}

/// The close of a day, and of the week that ends with it. Returns the figures, if the account is founded.
pub(super) fn close_day(context: &mut Context<'_>, account: &mut Account, day: Day) -> Option<Closed> {
    let rejoined = account.rare.as_mut().map(|rare| std::mem::take(&mut rare.rejoined)).unwrap_or_default();
    rejoined.into_iter().for_each(|(user, slot)| recount(context, account, user, slot));
    let founded = account.founded();
    let mut closed = Closed::new(day, founded.unwrap_or(day));
    let mut of_week = Vec::new();
    for index in 0..account.users.len() as u32 {
        let user = account.users.get_mut(index);
        closed.add(user.days);
        close_user(context, user, index, day, &mut of_week);
    }
    if closed.mau == 0 {
        keep_from_idling(context, account);
    }
    if founded.is_none() {
        context.publish_changes(account, Reason::Closed);
        return None;
    }
    close_account(context, account, &closed);
    context.publish_changes(account, Reason::Closed);
    if day.is_sunday() {
        context.changes.append(&mut of_week);
        account.risen = closed.risen(account);
        let plan = context.plan;
        for (slot, signal) in plan.account_signals.iter().enumerate() {
            if let Kind::Growth(growth) = &signal.kind
                && growth.up
            {
                let rung = u8::from(closed.trend(account).meets(growth));
                context.turn_account(account, slot, rung);
            }
        }
        context.publish_changes(account, Reason::Closed);
    }
    Some(closed)
}

fn close_user(context: &mut Context<'_>, user: &mut User, index: u32, day: Day, of_week: &mut Vec<Change>) {
    let days = user.days;
    // Who has no day in the mask has nothing on but inactivity, and nothing more to lose.
    if days.is_never() || user.word.forgotten() || (days.ending(day.plus(1)) == 0 && !turns_idle(context.plan, user)) {
        return;
    }
    let plan = context.plan;
    for (slot, signal) in plan.user_signals.iter().enumerate() {
        match &signal.kind {
            Kind::Stickiness { above_percent } => {
                let rung =
                    velocity::user_stickiness(days, day).map_or(0, |share| velocity::rung_above(share, above_percent));
                context.turn_user(user, index, slot, rung);
            }
            Kind::ActiveDays { days: needed } => {
                let rung = u8::from(days.count(day.plus(1), 7) >= *needed);
                context.turn_user(user, index, slot, rung);
            }
            Kind::Idle { days: silent } => {
                let rung = u8::from(is_absent(days, day, *silent));
                context.turn_user(user, index, slot, rung);
            }
            Kind::Growth(growth) if growth.up => {
                if day.is_sunday() {
                    let first = context.changes.len();
                    let rung = u8::from(Trend::of_user(days, day).meets(growth));
                    context.turn_user(user, index, slot, rung);
                    of_week.extend(context.changes.drain(first..));
                }
            }
            Kind::Growth(growth) => {
                let rung = u8::from(!is_absent(days, day, 7) && Trend::of_user(days, day).meets(growth));
                context.turn_user(user, index, slot, rung);
            }
            Kind::Sessions(_) | Kind::Seen(_) | Kind::NewUsers(_) => {}
        }
    }
}

/// No activity in the `silent` days that end with `day`, and none known after them (edges E10).
fn is_absent(days: Days, day: Day, silent: u32) -> bool {
    days.last() <= day && days.count(day, silent) == 0
}

/// Users of an account without active users become inactive only once it has some again (edges E10).
fn keep_from_idling(context: &mut Context<'_>, account: &mut Account) {
    let plan = context.plan;
    context.changes.retain(|change| match change.user {
        Some(user) if change.after > 0 && matches!(plan.user_signals[change.slot].kind, Kind::Idle { .. }) => {
            account.users.get_mut(user).word.set_rung(change.slot, change.before);
            false
        }
        _ => true,
    });
}

/// Whether a user without a day in the mask still has to become inactive.
fn turns_idle(plan: &Plan, user: &User) -> bool {
    plan.user_signals.iter().enumerate().any(|(slot, signal)| match signal.kind {
        Kind::Idle { .. } => user.word.rung(slot) == 0,
        Kind::Sessions(_) | Kind::Seen(_) => false,
        _ => user.word.rung(slot) > 0,
    })
}

fn close_account(context: &mut Context<'_>, account: &mut Account, closed: &Closed) {
    let plan = context.plan;
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        let rung = match &signal.kind {
            Kind::Stickiness { above_percent } => {
                closed.stickiness().map_or(0, |share| velocity::rung_above(share, above_percent))
            }
            Kind::Growth(growth) if !growth.up => u8::from(closed.wau > 0 && closed.trend(account).meets(growth)),
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
            _ => continue,
        };
        context.turn_account(account, slot, rung);
    }
}

/// What a signal rests on as it stands: the events kept for it, or its figure now.
pub(super) fn facts(context: &Context<'_>, account: &Account, signal: SignalRef, user: Option<u32>) -> Vec<Fact> {
    let last_closed = context.open_day().plus(-1);
    let figure = |number: f64| vec![Fact { message_id: context.message_id.into(), at: context.cause, number }];
    let ratio = |share: Option<(u32, u32)>| {
        share.map_or(Vec::new(), |(part, whole)| figure(f64::from(part) / f64::from(whole)))
    };
    match (signal, user) {
        (SignalRef::User(slot), Some(index)) => {
            let days = account.users.get(index).days;
            match &context.plan.user_signals[slot].kind {
                Kind::Sessions(_) | Kind::Seen(_) => {
                    let facts = account.rare.as_ref().and_then(|rare| rare.facts.get(&(index, slot as u8)));
                    facts.map_or(Vec::new(), |facts| facts.evidence().facts().collect())
                }
                _ if days.is_never() => Vec::new(),
                Kind::Stickiness { .. } => ratio(velocity::user_stickiness(days, last_closed)),
                Kind::Growth(_) => Trend::of_user(days, last_closed).z().map_or(Vec::new(), figure),
                Kind::ActiveDays { .. } => figure(f64::from(days.count(account.window_end(context.open_day()), 7))),
                Kind::Idle { .. } => figure(f64::from((last_closed.0 - days.last().0).max(0))),
                Kind::NewUsers(_) => Vec::new(),
            }
        }
        (SignalRef::Account(slot), _) => match &context.plan.account_signals[slot].kind {
            Kind::NewUsers(_) => {
                figure(f64::from(counting_newcomers(context, account, account.window_end(context.open_day()))))
            }
            kind => {
                let Some(founded) = account.founded() else { return Vec::new() };
                let mut closed = Closed::new(last_closed, founded);
                account.users.iter().for_each(|(_, user)| closed.add(user.days));
                match kind {
                    Kind::Stickiness { .. } => ratio(closed.stickiness()),
                    _ => closed.trend(account).z().map_or(Vec::new(), figure),
                }
            }
        },
        (SignalRef::User(_), None) => Vec::new(),
    }
}

/// The same in words, for a person.
pub(super) fn words(context: &Context<'_>, account: &Account, signal: SignalRef, user: Option<u32>) -> String {
    let plan = context.plan;
    let number = || facts(context, account, signal, user).last().map_or(0.0, |fact| fact.number);
    match (signal, user) {
        (SignalRef::Account(slot), _) => match &plan.account_signals[slot].kind {
            Kind::NewUsers(_) if account.word.rung(slot) > 1 => {
                format!("{} new users in 7 days, far more than usual here", number())
            }
            Kind::NewUsers(_) => format!("{} new users in 7 days", number()),
            Kind::Growth(_) => {
                let week = velocity::last_week(context.open_day().plus(-1));
                let known = account.founded().map_or(0, |founded| velocity::weeks_known(founded, week)).min(6) as i32;
                let weeks: Vec<String> =
                    (0..known).rev().map(|back| account.weeks.get(week.0 - back).to_string()).collect();
                format!("weekly active users went {} (z {:.1})", weeks.join(" → "), number())
            }
            _ => format!("{} is {:.2}", plan.account_signals[slot].id, number()),
        },
        (SignalRef::User(slot), Some(index)) => {
            let who = &account.users.get(index).id;
            let facts = account.rare.as_ref().and_then(|rare| rare.facts.get(&(index, slot as u8)));
            match (&plan.user_signals[slot].kind, facts) {
                (Kind::Sessions(kind), Some(Facts::Sessions(sessions, _))) => {
                    let days = kind.ttl_ms / crate::model::DAY_MS;
                    format!(
                        "{who} {} in {} sessions within {days} days",
                        deed(kind.role),
                        live(sessions, kind, context.now)
                    )
                }
                (Kind::Seen(kind), _) => format!("{who} {}", deed(kind.role)),
                _ => format!("{who}: {} is {:.2}", plan.user_signals[slot].id, number()),
            }
        }
        (SignalRef::User(_), None) => String::new(),
    }
}

/// What somebody did who caused an event of this role.
pub(super) fn deed(role: Role) -> &'static str {
    match role {
        Role::SignedUp => "signed up",
        Role::FeatureUsed => "used a feature",
        Role::PricingViewed => "viewed pricing",
        Role::EnterpriseFeatureRequested => "asked for an enterprise feature",
        Role::ContactSales => "asked for sales",
        Role::SubscriptionChanged => "changed the subscription",
    }
}
