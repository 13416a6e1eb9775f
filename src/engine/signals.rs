//! Figures and facts → rungs: the signal kinds, each with its state and its timers.

use super::account::{Account, Flag, User};
use super::activation::Warming;
use super::activity::Days;
use super::facts::{self, Evidence, Fact as Kept, Mark, State};
use super::people;
use super::score;
use super::timers::{Due, Timers};
use super::velocity::{self, Closed};
use crate::model::{
    Day, Effects, Event, EventTime, Fact, Field, Place, Reason, Role, SignalChange, SignalKind, SignalMessage,
};
use crate::rules::{Figure, Filter, Kind, Of, Plan, Reads, RoleSet, SignalRef, Spike, Still, TraitIs, TrendTest};

/// Stands for the account itself where a user's index is expected.
pub(super) const WHOLE_ACCOUNT: u32 = u32::MAX;
/// Instants kept of what should follow something soon.
const FOLLOWERS_MAX: usize = 16;

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
    /// Signals that closes decide, of rules that no close has seen yet: off means unknown.
    pub(super) warming: Warming,
    pub(super) work: &'a mut Work,
}

/// What moved since it was last looked at. The memory is kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Signals that moved, to be published.
    changes: Vec<Change>,
    /// What running users add to the score, more or less.
    pub(super) points: i32,
    /// Users whose band may be another one.
    pub(super) scored: Vec<u32>,
    /// What conditions read and has changed, and the users whose own conditions it may concern.
    pub(super) changed: Reads,
    pub(super) touched: Vec<u32>,
}

impl Work {
    /// For another account, or another step: what nobody looked at concerns nobody.
    pub(super) fn anew(&mut self) -> &mut Work {
        self.changes.clear();
        self.scored.clear();
        self.touched.clear();
        (self.points, self.changed) = (0, Reads::default());
        self
    }
}

/// A signal that moved.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// None at account scope.
    user: Option<u32>,
    slot: usize,
    before: u8,
    after: u8,
}

impl Context<'_> {
    /// The instant that an effect on this account carries: never before the one that the last effect carried
    /// (edges A17).
    pub(super) fn at(&self, account: &Account) -> EventTime {
        self.cause.max(account.last_at)
    }

    /// The same, and how far time has come: when something of an account changes.
    pub(super) fn when(&self, account: &Account) -> (EventTime, EventTime) {
        (self.at(account), self.now)
    }

    /// O: the first open day.
    pub(super) fn open_day(&self) -> Day {
        self.now.day()
    }

    /// C: the last closed day.
    pub(super) fn last_closed(&self) -> Day {
        self.open_day().plus(-1)
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
        match user {
            Some(user) => account.touch_user(user, (account.last_at, self.now)),
            None => account.touch((account.last_at, self.now)),
        }
    }

    /// Publishes the signals that moved: users by id, then the account, each in the order of the rules (edges A15),
    /// and what scores follow from them. Triggers look at all of it when they are next evaluated.
    pub(super) fn publish_changes(&mut self, account: &mut Account, reason: Reason) {
        self.tell_changes(account, reason);
        score::settle(self, account, reason);
    }

    /// The signals alone.
    pub(super) fn tell_changes(&mut self, account: &mut Account, reason: Reason) {
        let mut changes = std::mem::take(&mut self.work.changes);
        let key = |change: &Change| {
            (change.user.is_none(), change.user.map(|user| &*account.users.get(user).id), change.slot)
        };
        changes.sort_by(|a, b| key(a).cmp(&key(b)));
        for change in changes.drain(..) {
            let signal = match change.user {
                Some(_) => SignalRef::User(change.slot),
                None => SignalRef::Account(change.slot),
            };
            self.work.changed.signal(signal);
            if let Some(user) = change.user {
                self.work.touched.push(user);
                self.work.scored.push(user);
            }
            if self.keeps_untold(account, &change) {
                continue;
            }
            let facts = facts(self, account, signal, change.user);
            let signals = if change.user.is_some() { &self.plan.user_signals } else { &self.plan.account_signals };
            let signal = signals[change.slot].id.clone();
            let kind = SignalKind::Changed(SignalChange { signal, before: change.before, after: change.after, reason });
            self.publish(account, change.user, kind, facts);
        }
        self.work.changes = changes;
    }

    /// An absence that nobody was told of ends as silently (edges E10).
    fn keeps_untold(&self, account: &mut Account, change: &Change) -> bool {
        let Some(user) = change.user else { return false };
        if !matches!(self.plan.user_signals[change.slot].kind, Kind::Idle { .. }) || change.after > 0 {
            return false;
        }
        let word = &mut account.users.get_mut(user).word;
        let untold = word.is(Flag::Untold);
        word.set(Flag::Untold, false);
        untold
    }

    /// Whether anything moved that publishing, scores or triggers must look at.
    pub(super) fn has_work(&self) -> bool {
        !self.work.changes.is_empty() || !self.work.scored.is_empty() || !self.work.changed.is_empty()
    }

    pub(super) fn turn_user(&mut self, user: &mut User, index: u32, slot: usize, rung: u8) {
        let before = user.word.rung(slot);
        if before == rung {
            return;
        }
        let running = user.word.is(Flag::Running);
        let points = if running { score::contribution(self.plan, user.word) } else { 0 };
        user.word.set_rung(slot, rung);
        if running {
            self.work.points += score::contribution(self.plan, user.word) - points;
        }
        self.work.changes.push(Change { user: Some(index), slot, before, after: rung });
    }

    pub(super) fn turn_account(&mut self, account: &mut Account, slot: usize, rung: u8) {
        let before = account.word.rung(slot);
        if before != rung {
            account.word.set_rung(slot, rung);
            self.work.changes.push(Change { user: None, slot, before, after: rung });
        }
    }

    fn turn(&mut self, account: &mut Account, user: Option<u32>, slot: usize, rung: u8) {
        match user {
            Some(index) => self.turn_user(account.users.get_mut(index), index, slot, rung),
            None => self.turn_account(account, slot, rung),
        }
    }

    fn kind(&self, user: Option<u32>, slot: usize) -> &'_ Kind {
        let signals = if user.is_some() { &self.plan.user_signals } else { &self.plan.account_signals };
        &signals[slot].kind
    }
}

/// What a newly active day of a user proves at once.
pub(super) fn after_activity(context: &mut Context<'_>, account: &mut Account, index: u32, day: Day) {
    let (plan, window_end) = (context.plan, account.window_end(context.open_day()));
    let user = account.users.get_mut(index);
    for &slot in &plan.index.user_by_activity {
        match plan.user_signals[slot].kind {
            Kind::ActiveDays { days } if user.days.count(window_end, 7) >= days => {
                context.turn_user(user, index, slot, 1)
            }
            // A late day before the window of today changes nothing before the next close (edges C4, E10).
            Kind::Idle { days } if day.0 > window_end.0 - days as i32 => context.turn_user(user, index, slot, 0),
            _ => {}
        }
    }
    if account.users.get(index).days.last() >= context.open_day().plus(-27) {
        runs(context, account, index);
    }
}

/// A user who is not removed is among the running active ones.
fn runs(context: &mut Context<'_>, account: &mut Account, index: u32) {
    if account.users.get(index).is_removed() || account.users.get(index).word.is(Flag::Running) {
        return;
    }
    people::enter(context.plan, account, index);
    after_running(context, account);
}

/// Who runs is another set: upward at once (edges C2).
pub(super) fn after_running(context: &mut Context<'_>, account: &mut Account) {
    for figure in [Figure::ActiveUsers, Figure::Departments, Figure::Score] {
        context.work.changed.figure(figure);
    }
    climb(context, account);
}

/// Ladders over figures of the account, upward.
fn climb(context: &mut Context<'_>, account: &mut Account) {
    let plan = context.plan;
    for &slot in &plan.index.account_ladders {
        let rung = ladder(context, account, slot, account.window_end(context.open_day()));
        if rung > account.word.rung(slot) {
            context.turn_account(account, slot, rung);
        }
    }
}

/// The rung of a ladder or of the executives, with windows that end on `day`.
fn ladder(context: &Context<'_>, account: &Account, slot: usize, day: Day) -> u8 {
    match &context.plan.account_signals[slot].kind {
        Kind::Executive => u8::from(account.rare.as_ref().is_some_and(|rare| rare.executives > 0)),
        Kind::Ladder(of, rungs) => {
            let figure = figure(account, *of, day);
            rungs.iter().take_while(|rung| figure >= **rung).count() as u8
        }
        _ => 0,
    }
}

/// The figure that a ladder climbs.
fn figure(account: &Account, of: Of, day: Day) -> f64 {
    let rare = account.rare.as_ref();
    match of {
        Of::ActiveUsers => account.active_users.into(),
        Of::Departments => rare.map_or(0, |rare| rare.departments.len()) as f64,
        Of::UsersOfADomain => rare.and_then(|rare| rare.domains.values().max().copied()).unwrap_or(0).into(),
        Of::Volume(meter) => volume(account, meter, day.plus(-27), day),
    }
}

/// What a meter counted on the days `from` to `to`.
fn volume(account: &Account, meter: usize, from: Day, to: Day) -> f64 {
    let meter = account.rare.as_ref().and_then(|rare| rare.meters.get(meter));
    meter.map_or(0.0, |(daily, _)| daily.sum(from.0, to.0) as f64 / 1_000.0)
}

/// What is known of new users proves at once: upward, to the first rung (edges C3, C20).
pub(super) fn after_newcomer(context: &mut Context<'_>, account: &mut Account) {
    let plan = context.plan;
    for &slot in &plan.index.newcomers {
        let Kind::NewUsers(new_users) = &plan.account_signals[slot].kind else { continue };
        let window_end = account.window_end(context.open_day());
        if account.word.rung(slot) == 0 && counting_newcomers(context, account, window_end) >= new_users.at_least {
            context.turn_account(account, slot, 1);
        }
    }
}

/// New users in the 7 days that end with `day`, as signals count them.
fn counting_newcomers(context: &Context<'_>, account: &Account, day: Day) -> u32 {
    let from = account.newcomers_count_from(context.log_began, context.plan.rails.warm_up_days);
    from.map_or(0, |from| account.newcomers(day, from))
}

/// Whether new users can be compared with two blocks of 7 days from this close on.
fn spike_becomes_known(account: &Account, day: Day) -> bool {
    account
        .founded()
        .is_some_and(|founded| velocity::blocks(day, founded) == 2 && velocity::blocks(day.plus(-1), founded) < 2)
}

/// Whether it is known how many new users the account has, for signals (edges B17).
fn knows_newcomers(context: &Context<'_>, account: &Account) -> bool {
    let from = account.newcomers_count_from(context.log_began, context.plan.rails.warm_up_days);
    from.is_some_and(|from| {
        account.founded().is_some_and(|founded| from == founded.plus(1))
            || account.window_end(context.open_day()) >= from
    })
}

/// Whether a signal's figure is known, so that off means no (edges C1, D11).
pub(super) fn knows(context: &Context<'_>, account: &Account, signal: SignalRef, user: Option<u32>) -> bool {
    if context.warming.has(signal) {
        return false;
    }
    let last_closed = context.last_closed();
    let (kind, first) = match signal {
        SignalRef::Account(slot) => (&context.plan.account_signals[slot].kind, account.founded()),
        SignalRef::User(slot) => {
            let days = user.map(|user| account.users.get(user).days).filter(|days| !days.is_never());
            (&context.plan.user_signals[slot].kind, days.map(Days::first))
        }
    };
    let weeks = || first.map_or(0, |first| velocity::weeks_known(first, velocity::last_week(last_closed)));
    let traits = account.traits();
    match kind {
        Kind::NewUsers(_) => knows_newcomers(context, account),
        Kind::Stickiness { .. } => first.is_some_and(|first| velocity::stickiness_days(last_closed, first).is_some()),
        Kind::Growth(_) => weeks() >= 2,
        Kind::Stalled { weeks: needed, .. } => weeks() >= *needed,
        Kind::Spike(_) => first.is_some_and(|first| velocity::blocks(last_closed, first) >= 8),
        Kind::Idle { days } => first.is_some_and(|first| last_closed.0 - first.0 >= *days as i32),
        Kind::Age { still: Still::FreeOnly, .. } => knows_premium(context, account).is_some() && first.is_some(),
        Kind::Age { still: Still::SingleUser, .. } => first.is_some(),
        Kind::Within(_) => user.is_some_and(|user| account.users.get(user).signed_up().is_some()),
        Kind::UsageRatio { .. } => usage_ratio(account).is_some(),
        Kind::Trait(TraitIs::Employees(_)) => traits.is_some_and(|traits| traits.employees().is_some()),
        Kind::Trait(TraitIs::OneOf(field, _)) => traits.is_some_and(|traits| traits.text(*field).is_some()),
        Kind::Trait(TraitIs::True(field)) => traits.is_some_and(|traits| traits.boolean(*field).is_some()),
        Kind::Trait(TraitIs::AtLeast(field, _)) => traits.is_some_and(|traits| traits.number(*field).is_some()),
        Kind::ActiveDays { .. }
        | Kind::Sessions(_)
        | Kind::Seen(_)
        | Kind::Count(..)
        | Kind::Distinct(_)
        | Kind::Abandoned(_)
        | Kind::Ladder(..)
        | Kind::Executive => true,
    }
}

/// The used share of the fullest quota (edges D21).
pub(super) fn usage_ratio(account: &Account) -> Option<f64> {
    let quotas = account.rare.as_ref()?.life.quotas.values();
    quotas.filter(|quota| quota.value.1 > 0.0).map(|quota| quota.value.0 / quota.value.1).reduce(f64::max)
}

/// An event, its roles, and where it stands.
pub(super) struct Sighted<'a> {
    pub(super) event: &'a Event<'a>,
    pub(super) roles: RoleSet,
    pub(super) place: Place,
}

impl Sighted<'_> {
    fn mark(&self) -> Mark<'_> {
        Mark { time: self.event.time, place: self.place, message_id: &self.event.message_id }
    }

    pub(super) fn text(&self, plan: &Plan, role: Role, field: Field) -> Option<String> {
        plan.roles
            .text(&self.roles, role, field, self.event)
            .map(|text| text.trim().to_owned())
            .filter(|it| !it.is_empty())
    }

    pub(super) fn number(&self, plan: &Plan, role: Role, field: Field) -> Option<f64> {
        plan.roles.number(&self.roles, role, field, self.event).filter(|number| number.is_finite())
    }

    /// Whether the feature is premium; unknown where nothing says so.
    fn premium(&self, plan: &Plan) -> Option<bool> {
        if self.roles.is_premium() {
            return Some(true);
        }
        plan.roles.boolean(&self.roles, Role::FeatureUsed, Field::Premium, self.event)
    }

    /// Whether a field has one of some values, in lower case.
    pub(super) fn has(&self, plan: &Plan, role: Role, field: Field, values: &[String]) -> bool {
        let text = self.text(plan, role, field).map(|text| text.to_lowercase());
        let text = text.or_else(|| plan.roles.boolean(&self.roles, role, field, self.event).map(|is| is.to_string()));
        text.is_some_and(|text| values.contains(&text))
    }

    /// The role by which the event feeds a signal, if it does.
    fn feeds(&self, plan: &Plan, filter: &Filter) -> Option<Role> {
        let role = *filter.roles.iter().find(|role| self.roles.has(**role))?;
        let all = |list: &[(Field, Vec<String>)], only_bound: bool| {
            list.iter().all(|(field, values)| {
                (only_bound && !plan.roles.binds(&self.roles, role, *field)) || self.has(plan, role, *field, values)
            })
        };
        (all(&filter.only, false)
            && all(&filter.where_bound, true)
            && (!filter.premium || self.premium(plan) == Some(true)))
        .then_some(role)
    }
}

/// What an event of some roles proves at once, of its user and its account.
pub(super) fn after_sighting(context: &mut Context<'_>, account: &mut Account, user: Option<u32>, it: &Sighted<'_>) {
    let plan = context.plan;
    let mut seen: (u32, u32) = (0, 0);
    for role in plan.roles.in_order(&it.roles) {
        for signal in &plan.index.by_role[role as usize] {
            // Of several roles of one event, one feeds a signal.
            let (whose, slot, seen) = match *signal {
                SignalRef::User(slot) if user.is_some() => (user, slot, &mut seen.0),
                SignalRef::User(_) => continue,
                SignalRef::Account(slot) => (None, slot, &mut seen.1),
            };
            if *seen >> slot & 1 == 0 {
                *seen |= 1 << slot;
                sight(context, account, whose, slot, it);
            }
        }
    }
    if let Some(user) = user.filter(|_| it.roles.has(Role::SignedUp)) {
        // Another sign-up can be the earliest: what is measured from it is measured again.
        recount_from_sign_up(context, account, user);
    }
    note_life(context, account, user, it);
}

/// An event may feed a signal: its fact, its timer, its rung.
fn sight(context: &mut Context<'_>, account: &mut Account, user: Option<u32>, slot: usize, it: &Sighted<'_>) {
    let plan = context.plan;
    let signals = if user.is_some() { &plan.user_signals } else { &plan.account_signals };
    let (id, kind) = (&signals[slot].id, &signals[slot].kind);
    let time = it.event.time;
    let ends = |ttl: Option<i64>| ttl.map_or(EventTime::MAX, |ttl| time.plus(ttl));
    // A fact that is over does nothing (edges E2, E6).
    let counts = |ttl: Option<i64>| ends(ttl) > context.now;
    let mut began = false;
    match kind {
        Kind::Seen(seen) | Kind::Count(seen, _) => {
            if it.feeds(plan, &seen.filter).is_none() || !counts(seen.ttl_ms) {
                return;
            }
            // Whoever founds an account is no new admin of it (edges E16).
            if seen.after_founding_ms > 0
                && account.first().is_none_or(|first| time < first.plus(seen.after_founding_ms))
            {
                return;
            }
            let new = || match kind {
                Kind::Count(..) => State::Count(Vec::new(), Evidence::default()),
                _ => State::Seen(EventTime::MIN, Evidence::default()),
            };
            match (&mut fact(account, user, slot, new).state, kind) {
                (State::Seen(until, evidence), _) => {
                    evidence.add(it.mark());
                    *until = ends(seen.ttl_ms).max(*until);
                }
                (State::Count(instants, evidence), Kind::Count(_, rungs)) => {
                    evidence.add(it.mark());
                    let most = rungs.last().copied().unwrap_or(1) as usize;
                    facts::add_instant(instants, time, true, most);
                }
                _ => return,
            }
        }
        Kind::Distinct(distinct) => {
            let Some(role) = it.feeds(plan, &distinct.filter).filter(|_| counts(distinct.ttl_ms)) else { return };
            let value = plan.roles.text(&it.roles, role, distinct.field, it.event).filter(|text| !text.is_empty());
            let Some(value) = value.or_else(|| stands_for(distinct.field, it)) else { return };
            let most = distinct.rungs.last().copied().unwrap_or(1) as usize;
            let fact = fact(account, user, slot, || State::Distinct(Vec::new()));
            let State::Distinct(values) = &mut fact.state else { return };
            let others = facts::add_value(values, &value, it.mark(), distinct.ttl_ms.is_some(), most);
            if let Some(user) = user.filter(|_| others) {
                account.touch_user(user, context.when(account));
            }
        }
        Kind::Sessions(sessions) => {
            if it.feeds(plan, &sessions.filter).is_none() || !counts(Some(sessions.ttl_ms)) {
                return;
            }
            let fact = fact(account, user, slot, || State::Sessions(Vec::new(), Evidence::default()));
            let State::Sessions(list, evidence) = &mut fact.state else { return };
            evidence.add(it.mark());
            began = facts::add_to_sessions(list, time, sessions.gap_ms);
        }
        Kind::Within(within) => {
            if it.roles.has(within.then) {
                let fact = fact(account, user, slot, || State::Within(Vec::new(), Evidence::default()));
                let State::Within(followers, evidence) = &mut fact.state else { return };
                evidence.add(it.mark());
                facts::add_instant(followers, time, false, FOLLOWERS_MAX);
            }
        }
        Kind::Abandoned(abandoned) => {
            if !it.roles.has(abandoned.start) || !counts(Some(abandoned.after_ms + abandoned.ttl_ms)) {
                return;
            }
            let fact = fact(account, user, slot, || State::Abandoned(EventTime::MIN, Evidence::default()));
            let State::Abandoned(start, evidence) = &mut fact.state else { return };
            evidence.add(it.mark());
            *start = time.max(*start);
        }
        _ => return,
    }
    recount(context, account, user, slot, false);
    if began {
        let fact = Fact { message_id: it.event.message_id.as_ref().into(), at: time, number: 1.0 };
        context.publish(account, user, SignalKind::Pulse { signal: Some(id.clone()), trigger: None }, vec![fact]);
    }
}

/// What stands for a value that an event does not give: a feature without a name counts nothing (edges E13).
fn stands_for<'a>(field: Field, it: &'a Sighted<'a>) -> Option<std::borrow::Cow<'a, str>> {
    if field == Field::Feature {
        return None;
    }
    if it.event.message_id.is_empty() {
        return Some(format!("{}/{}", it.place.offset, it.place.index).into());
    }
    Some(std::borrow::Cow::Borrowed(&it.event.message_id))
}

/// The fact of a user (or the account) and signal, which is new if there is none.
fn fact(account: &mut Account, user: Option<u32>, slot: usize, new: impl FnOnce() -> State) -> &mut Kept {
    let facts = account.facts_mut(user);
    let slot = slot as u8;
    let place = match facts.binary_search_by_key(&slot, |fact| fact.slot) {
        Ok(place) => place,
        Err(place) => {
            facts.insert(place, Kept { slot, armed: EventTime::MAX, state: new() });
            place
        }
    };
    &mut facts[place]
}

/// What a fact is measured against.
struct Around {
    now: EventTime,
    /// The user's sign-up, and the first event where there is none.
    signed_up: Option<EventTime>,
    since: EventTime,
    /// The first day whose sign-ups count.
    counts_from: Option<Day>,
    /// The latest completion by anyone of the account.
    completed: Option<EventTime>,
    /// The rung that is held.
    held: u8,
}

impl Around {
    fn new(context: &Context<'_>, account: &Account, user: Option<u32>, slot: usize) -> Around {
        let (word, signed_up, since) = match user {
            Some(user) => {
                let user = account.users.get(user);
                (user.word, user.signed_up(), user.since)
            }
            None => (account.word, None, EventTime::MIN),
        };
        let founded = account.founded();
        let from = account.newcomers_count_from(context.log_began, context.plan.rails.warm_up_days);
        Around {
            now: context.now,
            signed_up,
            since,
            // Whoever founds an account that is born in the log signs up on its first day.
            counts_from: from
                .map(|from| if founded.is_some_and(|day| from == day.plus(1)) { from.plus(-1) } else { from }),
            completed: match context.kind(user, slot) {
                Kind::Abandoned(abandoned) => {
                    account.life().and_then(|life| life.completed.get(&abandoned.complete).copied())
                }
                _ => None,
            },
            held: word.rung(slot),
        }
    }
}

/// The rung that a fact proves now, and when it may prove another; none: never.
fn measure(kind: &Kind, state: &State, around: &Around) -> (u8, Option<EventTime>) {
    let now = around.now;
    let rungs_met =
        |count: usize, rungs: &[u32]| rungs.iter().take_while(|rung| count >= **rung as usize).count() as u8;
    let next = |ends: &mut dyn Iterator<Item = EventTime>| ends.filter(|end| *end > now).min();
    match (kind, state) {
        (Kind::Seen(_), State::Seen(until, _)) => {
            (u8::from(*until > now), Some(*until).filter(|until| *until > now && *until < EventTime::MAX))
        }
        (Kind::Count(seen, rungs), State::Count(instants, _)) => {
            let Some(ttl) = seen.ttl_ms else { return (rungs_met(instants.len(), rungs), None) };
            let live = instants.iter().filter(|it| it.plus(ttl) > now).count();
            (rungs_met(live, rungs), next(&mut instants.iter().map(|it| it.plus(ttl))))
        }
        (Kind::Distinct(distinct), State::Distinct(values)) => {
            let soon = |time: EventTime| distinct.within_ms.is_none_or(|within| time < around.since.plus(within));
            let live = |time: EventTime| distinct.ttl_ms.is_none_or(|ttl| time.plus(ttl) > now);
            let count = values.iter().filter(|value| live(value.time) && soon(value.time)).count();
            let end = distinct.ttl_ms.and_then(|ttl| next(&mut values.iter().map(|value| value.time.plus(ttl))));
            (rungs_met(count, &distinct.rungs), end)
        }
        (Kind::Sessions(sessions), State::Sessions(list, _)) => {
            let ends = || list.iter().map(|session| session.1.plus(sessions.ttl_ms));
            (rungs_met(ends().filter(|end| *end > now).count(), &sessions.rungs), next(&mut ends()))
        }
        (Kind::Within(within), State::Within(followers, _)) => {
            let soon = around.signed_up.is_some_and(|from| {
                around.counts_from.is_some_and(|day| from.day() >= day)
                    && followers.iter().any(|then| (0..within.within_ms).contains(&(then.0 - from.0)))
            });
            (u8::from(soon), None)
        }
        (Kind::Abandoned(abandoned), State::Abandoned(start, _)) => {
            let on_at = start.plus(abandoned.after_ms);
            let off_at = on_at.plus(abandoned.ttl_ms);
            if around.completed.is_some_and(|completed| completed >= *start) || now >= off_at {
                (0, None)
            } else if now >= on_at {
                (1, Some(off_at))
            } else {
                (around.held, Some(on_at))
            }
        }
        _ => (0, None),
    }
}

/// Whether something of a fact begins or ends at this instant.
fn turns_at(kind: &Kind, state: &State, at: EventTime) -> bool {
    match (kind, state) {
        (_, State::Seen(until, _)) => *until == at,
        (Kind::Count(seen, _), State::Count(instants, _)) => {
            seen.ttl_ms.is_some_and(|ttl| instants.iter().any(|it| it.plus(ttl) == at))
        }
        (Kind::Distinct(distinct), State::Distinct(values)) => {
            distinct.ttl_ms.is_some_and(|ttl| values.iter().any(|value| value.time.plus(ttl) == at))
        }
        (Kind::Sessions(sessions), State::Sessions(list, _)) => {
            list.iter().any(|session| session.1.plus(sessions.ttl_ms) == at)
        }
        (Kind::Abandoned(abandoned), State::Abandoned(start, _)) => {
            let on_at = start.plus(abandoned.after_ms);
            on_at == at || on_at.plus(abandoned.ttl_ms) == at
        }
        _ => false,
    }
}

/// The rung of a signal is what its fact proves; downward only where `falls`, else at the next day close. The timer
/// is set to when that may change, and a fact that can prove nothing any more is given back.
fn recount(context: &mut Context<'_>, account: &mut Account, user: Option<u32>, slot: usize, falls: bool) {
    let Some(kept) = account.fact(user, slot) else { return };
    let around = Around::new(context, account, user, slot);
    let (rung, next) = measure(context.kind(user, slot), &kept.state, &around);
    if rung < around.held && !falls {
        account.rare().rejoined.insert((user.unwrap_or(WHOLE_ACCOUNT), slot as u8));
    } else {
        context.turn(account, user, slot, rung);
    }
    let index = context.index;
    let over = rung == 0 && next.is_none() && !matches!(context.kind(user, slot), Kind::Within(_));
    let facts = account.facts_mut(user);
    let Ok(place) = facts.binary_search_by_key(&(slot as u8), |fact| fact.slot) else { return };
    let kept = &mut facts[place];
    match next {
        Some(next) if next < kept.armed || kept.armed <= around.now => {
            kept.armed = next;
            let due = Due::Lapse { user: user.unwrap_or(WHOLE_ACCOUNT), slot: slot as u8 };
            context.timers.schedule(next, index, due);
        }
        None if over && falls => {
            facts.remove(place);
            if let Some(user) = user {
                account.users.get_mut(user).tidy();
            }
        }
        _ => {}
    }
}

/// What is measured from a user's sign-up is measured again.
fn recount_from_sign_up(context: &mut Context<'_>, account: &mut Account, user: u32) {
    let plan = context.plan;
    for (slot, signal) in plan.user_signals.iter().enumerate() {
        let from_sign_up = match &signal.kind {
            Kind::Within(_) => true,
            Kind::Distinct(distinct) => distinct.within_ms.is_some(),
            _ => false,
        };
        if from_sign_up {
            recount(context, account, Some(user), slot, false);
        }
    }
}

/// It is now known of the account whether it was born in the log: sign-ups may count that did not.
pub(super) fn after_birth(context: &mut Context<'_>, account: &mut Account) {
    after_newcomer(context, account);
    (0..account.users.len() as u32).for_each(|user| recount_from_sign_up(context, account, user));
}

/// What an event means for the account's life, beyond the signals that its role feeds.
fn note_life(context: &mut Context<'_>, account: &mut Account, user: Option<u32>, it: &Sighted<'_>) {
    let plan = context.plan;
    let roles = &it.roles;
    let time = it.event.time;
    if roles.has(Role::FeatureUsed) {
        if let Some(feature) = plan.roles.text(roles, Role::FeatureUsed, Field::Feature, it.event) {
            account.rare().use_feature(feature.trim(), time.day());
        }
        if let Some(is) = it.premium(plan) {
            // One premium use is enough for this life.
            let premium = &mut account.rare().life.premium;
            let before = premium.replace(is || *premium == Some(true));
            if *premium != before {
                settle_ages(context, account);
            }
        }
    }
    if roles.has(Role::UserInvited) && account.life().is_none_or(|life| !life.invited) {
        account.rare().life.invited = true;
        settle_ages(context, account);
    }
    if roles.has_any(plan.index.completing) {
        complete(context, account, it);
    }
    if roles.has(Role::MqlCreated) {
        let mql = &mut account.rare().life.mql;
        *mql = (*mql).max(Some(time));
    }
    if roles.has(Role::EnterpriseFeatureRequested)
        && let Some(feature) = it.text(plan, Role::EnterpriseFeatureRequested, Field::Feature)
    {
        account.rare().life.request(&feature);
    }
    if roles.has(Role::UsageReported) {
        report_usage(context, account, it);
    }
    meter(context, account, it);
    let Some(user) = user else { return };
    if roles.has(Role::Activated) {
        let activated = &mut account.users.get_mut(user).more().activated;
        if activated.is_none_or(|known| time < known) {
            *activated = Some(time);
            account.touch_user(user, context.when(account));
        }
    }
    if roles.has(Role::SignedUp)
        && let Some(source) = it.text(plan, Role::SignedUp, Field::Source)
    {
        let known = &mut account.users.get_mut(user).more().source;
        if known.as_ref().is_none_or(|known| time < known.0) {
            *known = Some((time, source.into()));
            account.touch_user(user, context.when(account));
        }
    }
    let billing = || {
        it.text(plan, Role::SupportContacted, Field::Topic)
            .is_some_and(|topic| plan.people.billing_topics.contains(&topic.to_lowercase()))
    };
    if roles.has(Role::UpgradeStarted)
        || roles.has(Role::TermsViewed)
        || (roles.has(Role::SupportContacted) && billing())
    {
        acts(context, account, user);
    }
}

/// A user did what buyers do (edges E18).
pub(super) fn acts(context: &mut Context<'_>, account: &mut Account, user: u32) {
    if !account.users.get(user).more.as_ref().is_some_and(|more| more.acted) {
        account.users.get_mut(user).more().acted = true;
        account.touch_user(user, context.when(account));
        context.work.changed.figure(Figure::UserBuys);
        context.work.touched.push(user);
    }
}

/// Somebody of the account completed something: nobody's is abandoned any more.
fn complete(context: &mut Context<'_>, account: &mut Account, it: &Sighted<'_>) {
    let (plan, time) = (context.plan, it.event.time);
    for (role, slots) in plan.index.completions.iter().filter(|(role, _)| it.roles.has(**role)) {
        if account.rare().life.completed.get(role).is_some_and(|latest| *latest >= time) {
            continue;
        }
        account.rare().life.completed.insert(*role, time);
        for &slot in slots {
            (0..account.users.len() as u32).for_each(|user| recount(context, account, Some(user), slot, true));
        }
    }
}

/// A report of how much of a quota is used: of each meter the latest counts.
fn report_usage(context: &mut Context<'_>, account: &mut Account, it: &Sighted<'_>) {
    let plan = context.plan;
    let number = |field| it.number(plan, Role::UsageReported, field);
    let Some(used) = number(Field::Used) else { return };
    let quota = number(Field::Quota).unwrap_or(0.0);
    let meter = it.text(plan, Role::UsageReported, Field::Meter).unwrap_or_default();
    if account.rare().life.report(&meter, (used, quota), (it.event.time, it.place)) {
        context.work.changed.figure(Figure::UsageRatio);
        climb_quotas(context, account);
    }
}

fn climb_quotas(context: &mut Context<'_>, account: &mut Account) {
    let plan = context.plan;
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        if let Kind::UsageRatio { percent } = signal.kind {
            let rung = ratio_rung(account, percent);
            context.turn_account(account, slot, rung.max(account.word.rung(slot)));
        }
    }
}

fn ratio_rung(account: &Account, percent: u32) -> u8 {
    u8::from(usage_ratio(account).is_some_and(|ratio| ratio * 100.0 >= f64::from(percent)))
}

/// Counts an event in the meters that listen to it, in thousandths.
fn meter(context: &mut Context<'_>, account: &mut Account, it: &Sighted<'_>) {
    let plan = context.plan;
    let mut counted = false;
    for (place, meter) in plan.meters.iter().enumerate().filter(|(_, meter)| it.roles.has(meter.role)) {
        let amount = match meter.sum {
            None => Some(1_000.0),
            Some(field) => it.number(plan, meter.role, field).map(|number| libm::round(number * 1_000.0)),
        };
        // Beyond this a sum of days would not be exact.
        let Some(amount) = amount.filter(|amount| amount.abs() < 1e15) else { continue };
        let meters = &mut account.rare().meters;
        if meters.len() <= place {
            meters.resize_with(plan.meters.len(), Default::default);
        }
        let (daily, level) = &mut meters[place];
        let day = it.event.time.day().0;
        if meter.gauge {
            let before = level.replace(amount as i64);
            daily.add(day, before.map_or(0, |before| (amount as i64 - before).max(0)));
        } else {
            daily.add(day, amount as i64);
        }
        counted = true;
    }
    if counted {
        climb(context, account);
    }
}

/// Other rules apply: what needs no close is proved by what is known.
pub(super) fn after_activation(context: &mut Context<'_>, account: &mut Account) {
    climb(context, account);
    after_newcomer(context, account);
    climb_quotas(context, account);
    after_traits(context, account);
}

/// Traits of the account are others.
pub(super) fn after_traits(context: &mut Context<'_>, account: &mut Account) {
    context.work.changed.figures |= Figure::OF_ACCOUNT;
    let plan = context.plan;
    for &slot in &plan.index.account_traits {
        let Kind::Trait(is) = &plan.account_signals[slot].kind else { continue };
        let rung = trait_rung(account, is);
        context.turn_account(account, slot, rung.max(account.word.rung(slot)));
    }
    settle_ages(context, account);
}

/// Traits that no longer hold are off from the close of the day on.
fn fall_traits(context: &mut Context<'_>, account: &mut Account) {
    let plan = context.plan;
    for &slot in &plan.index.account_traits {
        if let Kind::Trait(is) = &plan.account_signals[slot].kind {
            context.turn_account(account, slot, trait_rung(account, is));
        }
    }
}

fn trait_rung(account: &Account, is: &TraitIs) -> u8 {
    let Some(traits) = account.traits() else { return 0 };
    let reached = |number: Option<f64>, rungs: &[f64]| {
        number.map_or(0, |it| rungs.iter().take_while(|rung| it >= **rung).count())
    };
    (match is {
        TraitIs::Employees(rungs) => reached(traits.employees(), rungs),
        TraitIs::AtLeast(field, rungs) => reached(traits.number(*field), rungs),
        TraitIs::True(field) => usize::from(traits.boolean(*field) == Some(true)),
        TraitIs::OneOf(field, values) => {
            let text = traits.text(*field).map(|text| text.trim().to_lowercase());
            usize::from(text.is_some_and(|text| values.contains(&text)))
        }
    }) as u8
}

/// A member left: no longer counted, banded, or a buyer, until active again (edges B5).
pub(super) fn remove_member(context: &mut Context<'_>, account: &mut Account, user: u32, time: EventTime) {
    let state = account.users.get_mut(user);
    if !state.days.is_never() && state.days.last() > time.day() {
        return;
    }
    let removed = &mut state.more().removed;
    *removed = Some(removed.map_or(time, |known| known.max(time)));
    context.work.scored.push(user);
    account.touch_user(user, context.when(account));
    if account.users.get(user).word.is(Flag::Running) {
        people::leave(context.plan, account, user);
        for figure in [Figure::ActiveUsers, Figure::Departments, Figure::Score] {
            context.work.changed.figure(figure);
        }
    }
}

/// A meaningful event of a user who had left.
pub(super) fn return_member(context: &mut Context<'_>, account: &mut Account, user: u32, time: EventTime) {
    let state = account.users.get_mut(user);
    let Some(more) = state.more.as_mut().filter(|more| more.removed.is_some_and(|removed| time > removed)) else {
        return;
    };
    more.removed = None;
    state.tidy();
    context.work.scored.push(user);
    account.touch_user(user, context.when(account));
    if account.users.get(user).days.last() >= context.open_day().plus(-27) {
        runs(context, account, user);
    }
}

/// The first meaningful event of the account is known, or another one: what depends on its age waits from there.
pub(super) fn after_founding(context: &mut Context<'_>, account: &mut Account) {
    await_ages(context, account, context.plan.index.ages.iter(), EventTime::MIN);
}

/// Sets the timers of ages that are reached after an instant.
pub(super) fn await_ages<'p>(
    context: &mut Context<'p>,
    account: &Account,
    slots: impl Iterator<Item = &'p usize>,
    after: EventTime,
) {
    let (plan, Some(first)) = (context.plan, account.first()) else { return };
    for &slot in slots {
        if let Kind::Age { age_ms, .. } = plan.account_signals[slot].kind {
            let due = Due::Lapse { user: WHOLE_ACCOUNT, slot: slot as u8 };
            if first.plus(age_ms) > after {
                context.timers.schedule(first.plus(age_ms), context.index, due);
            }
        }
    }
}

/// Whether a premium feature was used; unknown where neither a mapping nor an event says which are (edges E20).
fn knows_premium(context: &Context<'_>, account: &Account) -> Option<bool> {
    let said = account.life().and_then(|life| life.premium);
    said.or(context.plan.roles.maps_premium().then_some(false))
}

/// What an account of some age still is (edges E17, E20).
pub(super) fn settle_ages(context: &mut Context<'_>, account: &mut Account) {
    let plan = context.plan;
    for &slot in &plan.index.ages {
        let Kind::Age { age_ms, still } = plan.account_signals[slot].kind else { continue };
        let old = account.first().is_some_and(|first| context.now >= first.plus(age_ms));
        let life = account.life();
        let is = match still {
            Still::SingleUser => account.users_ever == 1 && !life.is_some_and(|life| life.invited),
            Still::FreeOnly => knows_premium(context, account) == Some(false) && !account.is_paid(),
        };
        let forgotten = account.word.is(Flag::Forgotten);
        context.turn_account(account, slot, u8::from(old && is && !forgotten));
    }
}

/// What is due now: facts that begin or end, and ages that are reached. A timer whose fact was seen again since has
/// nothing to end, and is set anew.
pub(super) fn lapse(context: &mut Context<'_>, account: &mut Account, due: &[(u32, Due)]) {
    for (_, due) in due {
        let Due::Lapse { user, slot } = *due else { continue };
        let user = (user != WHOLE_ACCOUNT).then_some(user);
        let slot = usize::from(slot);
        if user.is_some_and(|user| user as usize >= account.users.len()) {
            // Who was here has moved to another place, with a timer of its own.
            continue;
        }
        if let Kind::Age { .. } = context.kind(user, slot) {
            settle_ages(context, account);
        } else if let Some(kept) = account.fact(user, slot) {
            let turns = turns_at(context.kind(user, slot), &kept.state, context.now);
            recount(context, account, user, slot, turns);
        }
    }
    if context.has_work() {
        context.publish_changes(account, Reason::Lapsed);
    }
}

/// Gives back the memory of users that can no longer matter; returns of how many.
pub(super) fn drop_gone_users(context: &mut Context<'_>, account: &mut Account, all: bool) -> usize {
    let dropped = account.drop_gone_users(context.open_day(), context.plan.time.forget_after_days, all);
    if dropped > 0 {
        // Users have moved to other places, and their timers with them.
        for (user, state) in account.users.iter() {
            for fact in state.more.iter().flat_map(|more| &more.facts).filter(|fact| fact.armed < EventTime::MAX) {
                context.timers.schedule(fact.armed, context.index, Due::Lapse { user, slot: fact.slot });
            }
        }
    }
    dropped
}

/// Users whose last active day lies too far back are forgotten, and with the last of them the life of the account
/// (edges B12). Returns when the next one is.
pub(super) fn forget(context: &mut Context<'_>, account: &mut Account) -> Option<EventTime> {
    let plan = context.plan;
    let forget_after = plan.time.forget_after_days;
    let mut next: Option<Day> = None;
    for index in 0..account.users.len() as u32 {
        let user = account.users.get_mut(index);
        if user.days.is_never() || user.word.is(Flag::Forgotten) {
            continue;
        }
        let due = user.days.last().plus(forget_after + 1);
        if due > context.open_day() {
            next = Some(next.map_or(due, |next| next.min(due)));
            continue;
        }
        (0..plan.user_signals.len()).for_each(|slot| context.turn_user(user, index, slot, 0));
        user.word.set(Flag::Forgotten, true);
        user.forget_since();
        user.more = None;
        account.touch_user(index, context.when(account));
        context.work.scored.push(index);
    }
    forget_account(context, account);
    if context.has_work() {
        context.publish_changes(account, Reason::Forgotten);
    }
    next.map(Day::start)
}

/// The account's own life ends like that of a user; what is known of the company stays (edges B13).
fn forget_account(context: &mut Context<'_>, account: &mut Account) {
    let plan = context.plan;
    let due = account.last_day.0.saturating_add(plan.time.forget_after_days + 1);
    if account.first().is_none() || account.word.is(Flag::Forgotten) || Day(due) > context.open_day() {
        return;
    }
    account.word.set(Flag::Forgotten, true);
    if let Some(rare) = &mut account.rare {
        rare.life = Default::default();
    }
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        if !matches!(signal.kind, Kind::Trait(_)) {
            context.turn_account(account, slot, 0);
        }
    }
}

/// The close of a day, and of the week that ends with it. Returns the figures, if the account is founded.
pub(super) fn close_day(context: &mut Context<'_>, account: &mut Account, day: Day) -> Option<Closed> {
    let rejoined = account.rare.as_mut().map(|rare| std::mem::take(&mut rare.rejoined)).unwrap_or_default();
    for (user, slot) in rejoined {
        recount(context, account, (user != WHOLE_ACCOUNT).then_some(user), slot.into(), true);
    }
    let founded = account.founded();
    let mut closed = Closed::new(day, founded.unwrap_or(day));
    let mut of_week: Vec<(u32, usize, u8)> = Vec::new();
    let first_running = day.plus(1 - 27);
    let active_before = account.active_users;
    for index in 0..account.users.len() as u32 {
        let user = account.users.get_mut(index);
        closed.add(user.days);
        close_user(context, user, index, day, &mut of_week);
        if user.word.is(Flag::Running) && user.days.last() < first_running {
            people::leave(context.plan, account, index);
        }
    }
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
        for figure in [Figure::Dau, Figure::Wau, Figure::Mau, Figure::Stickiness, Figure::NewUsers] {
            context.work.changed.figure(figure);
        }
        if spike_becomes_known(account, day) {
            context.work.changed.figure(Figure::SpikeKnown);
        }
        close_account(context, account, &closed);
        account.touch(context.when(account));
    }
    fall_traits(context, account);
    context.publish_changes(account, Reason::Closed);
    founded?;
    if day.is_sunday() {
        context.work.changed.figure(Figure::WeeklyUsers);
        for (index, slot, rung) in of_week {
            context.turn_user(account.users.get_mut(index), index, slot, rung);
        }
        let plan = context.plan;
        for (slot, signal) in plan.account_signals.iter().enumerate() {
            if let Kind::Growth(growth) = &signal.kind
                && growth.up
            {
                let rung = u8::from(trends(account, &closed, &growth.tests, true));
                context.turn_account(account, slot, rung);
            }
        }
        context.publish_changes(account, Reason::Closed);
    }
    Some(closed)
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
            Kind::Growth(growth) if growth.up && day.is_sunday() => {
                let rung = u8::from(velocity::user_trend(days, day).meets(growth));
                if rung != user.word.rung(slot) {
                    of_week.push((index, slot, rung));
                }
            }
            Kind::Growth(growth) if growth.up => {}
            Kind::Growth(growth) => {
                let rung = u8::from(!is_absent(days, day, 7) && velocity::user_trend(days, day).meets(growth));
                context.turn_user(user, index, slot, rung);
            }
            _ => {}
        }
    }
}

/// No activity in the `silent` days that end with `day`, and none known after them (edges E10).
fn is_absent(days: Days, day: Day, silent: u32) -> bool {
    days.last() <= day && days.count(day, silent) == 0
}

/// Whether a user without a day in the mask still has to become inactive.
fn turns_idle(plan: &Plan, user: &User) -> bool {
    plan.index.user_by_close.iter().any(|&slot| match plan.user_signals[slot].kind {
        Kind::Idle { .. } => user.word.rung(slot) == 0,
        _ => user.word.rung(slot) > 0,
    })
}

/// While an account has no active users nobody is told who is absent; once it has some again they are (edges E10).
fn tell_absent(context: &mut Context<'_>, account: &mut Account, has_active: bool) {
    let plan = context.plan;
    let is_idle = |slot: usize| matches!(plan.user_signals[slot].kind, Kind::Idle { .. });
    if !has_active {
        let scored = &mut context.work.scored;
        let touched = &mut context.work.touched;
        context.work.changes.retain(|change| match change.user {
            Some(user) if change.after > 0 && is_idle(change.slot) => {
                account.users.get_mut(user).word.set(Flag::Untold, true);
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
    for index in 0..account.users.len() as u32 {
        let word = &mut account.users.get_mut(index).word;
        if word.is(Flag::Untold) {
            word.set(Flag::Untold, false);
            let slots = plan.index.user_by_close.iter().copied().filter(|slot| is_idle(*slot) && word.rung(*slot) > 0);
            let changes = slots.map(|slot| Change { user: Some(index), slot, before: 0, after: word.rung(slot) });
            context.work.changes.extend(changes);
        }
    }
}

fn close_account(context: &mut Context<'_>, account: &mut Account, closed: &Closed) {
    let plan = context.plan;
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        let rung = match &signal.kind {
            Kind::Stickiness { above_percent } => {
                closed.stickiness().map_or(0, |share| velocity::rung_above(share, above_percent))
            }
            Kind::Growth(growth) if !growth.up => {
                u8::from(closed.wau > 0 && trends(account, closed, &growth.tests, false))
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
            Kind::UsageRatio { percent } => ratio_rung(account, *percent),
            Kind::Spike(spike) => u8::from(spikes(account, spike, closed.day)),
            Kind::Stalled { at_least, weeks } => u8::from(is_stalled(account, *at_least, *weeks, closed.day)),
            Kind::Ladder(..) | Kind::Executive => {
                ladder(context, account, slot, account.window_end(closed.day.plus(1)))
            }
            _ => continue,
        };
        context.turn_account(account, slot, rung);
    }
}

/// Whether weekly active users trend upward or downward by any of the tests.
fn trends(account: &Account, closed: &Closed, tests: &[TrendTest], up: bool) -> bool {
    let trend = closed.trend(account);
    tests.iter().any(|test| match *test {
        TrendTest::Slope(..) => trend.passes(*test, up),
        TrendTest::Ratio(percent) => closed.change(account).is_some_and(|(before, after)| {
            let by = if up { i64::from(after) - i64::from(before) } else { i64::from(before) - i64::from(after) };
            by * 100 >= i64::from(percent) * i64::from(before)
        }),
        TrendTest::Newcomers(percent) => closed.mau > 0 && closed.new_users_7d * 100 >= percent * closed.mau,
    })
}

/// A meter of the last 7 days against the 8 blocks of 7 days before (domain §3, edges C30).
fn spikes(account: &Account, spike: &Spike, day: Day) -> bool {
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

/// Active users of one department, and none of them new in so many closed weeks.
fn is_stalled(account: &Account, at_least: u32, weeks: u32, day: Day) -> bool {
    let departments = account.rare.as_ref().map_or(0, |rare| rare.departments.len());
    let Some(founded) = account.founded() else { return false };
    let last = velocity::last_week(day);
    if account.active_users < at_least || departments != 1 || velocity::weeks_known(founded, last) < weeks {
        return false;
    }
    let from = last.plus(1 - weeks as i32).monday();
    let is_new =
        |days: Days| !days.is_never() && days.first() != founded && (from..=last.sunday()).contains(&days.first());
    !account.users.iter().any(|(_, user)| is_new(user.days))
}

/// What a signal rests on as it stands: the events kept for it, or its figure now.
pub(super) fn facts(context: &Context<'_>, account: &Account, signal: SignalRef, user: Option<u32>) -> Vec<Fact> {
    let last_closed = context.last_closed();
    let figure = |number: f64| vec![Fact { message_id: context.message_id.into(), at: context.cause, number }];
    let ratio = |share: Option<(u32, u32)>| {
        share.map_or(Vec::new(), |(part, whole)| figure(f64::from(part) / f64::from(whole)))
    };
    let kept = |user: Option<u32>, slot: usize| account.fact(user, slot).map_or(Vec::new(), Kept::told);
    match (signal, user) {
        (SignalRef::User(slot), Some(index)) => {
            let days = account.users.get(index).days;
            match &context.plan.user_signals[slot].kind {
                Kind::Stickiness { .. } if !days.is_never() => ratio(velocity::user_stickiness(days, last_closed)),
                Kind::Growth(_) if !days.is_never() => {
                    velocity::user_trend(days, last_closed).z().map_or(Vec::new(), figure)
                }
                Kind::ActiveDays { .. } => figure(f64::from(days.count(account.window_end(context.open_day()), 7))),
                Kind::Idle { .. } if !days.is_never() => figure(f64::from((last_closed.0 - days.last().0).max(0))),
                _ => kept(user, slot),
            }
        }
        (SignalRef::Account(slot), _) => match &context.plan.account_signals[slot].kind {
            // A spike is decided on closed days, five at once on the days that end now.
            Kind::NewUsers(_) if account.word.rung(slot) > 1 => {
                figure(f64::from(counting_newcomers(context, account, last_closed)))
            }
            Kind::NewUsers(_) => {
                figure(f64::from(counting_newcomers(context, account, account.window_end(context.open_day()))))
            }
            Kind::Stickiness { .. } => ratio(closed_now(context, account).and_then(|closed| closed.stickiness())),
            Kind::Growth(_) => {
                closed_now(context, account).and_then(|it| it.trend(account).z()).map_or(Vec::new(), figure)
            }
            Kind::Spike(spike) => figure(volume(account, spike.meter, last_closed.plus(-6), last_closed)),
            Kind::Ladder(of, _) => figure(self::figure(account, *of, account.window_end(context.open_day()))),
            Kind::Executive => figure(f64::from(account.rare.as_ref().map_or(0, |rare| rare.executives))),
            Kind::Stalled { .. } => figure(f64::from(account.active_users)),
            Kind::Age { .. } => {
                let days = account.first().map_or(0, |first| (context.now.0 - first.0) / crate::model::DAY_MS);
                figure(days as f64)
            }
            Kind::UsageRatio { .. } => usage_ratio(account).map_or(Vec::new(), figure),
            Kind::Trait(is) => {
                let traits = account.traits();
                let number = match is {
                    TraitIs::Employees(_) => traits.and_then(|traits| traits.employees()),
                    TraitIs::AtLeast(field, _) => traits.and_then(|traits| traits.number(*field)),
                    TraitIs::OneOf(..) | TraitIs::True(_) => Some(1.0),
                };
                number.map_or(Vec::new(), figure)
            }
            _ => kept(None, slot),
        },
        (SignalRef::User(_), None) => Vec::new(),
    }
}

/// The figures of the last closed day.
pub(super) fn closed_now(context: &Context<'_>, account: &Account) -> Option<Closed> {
    let mut closed = Closed::new(context.last_closed(), account.founded()?);
    account.users.iter().for_each(|(_, user)| closed.add(user.days));
    Some(closed)
}

/// The same in words, for a person.
pub(super) fn words(context: &Context<'_>, account: &Account, signal: SignalRef, user: Option<u32>) -> String {
    let plan = context.plan;
    let number = || facts(context, account, signal, user).last().map_or(0.0, |fact| fact.number);
    let (id, kind) = match signal {
        SignalRef::User(slot) => (&plan.user_signals[slot].id, &plan.user_signals[slot].kind),
        SignalRef::Account(slot) => (&plan.account_signals[slot].id, &plan.account_signals[slot].kind),
    };
    let who = user.filter(|_| matches!(signal, SignalRef::User(_)));
    let who = who.map_or("the account".to_owned(), |user| account.users.get(user).id.to_string());
    let deed = |filter: &Filter| filter.roles.first().map_or("acted", |role| role.deed());
    let within = |ttl: Option<i64>| match ttl {
        Some(ttl) => format!(" within {} days", ttl / crate::model::DAY_MS),
        None => String::new(),
    };
    match (kind, signal) {
        (Kind::NewUsers(_), SignalRef::Account(slot)) if account.word.rung(slot) > 1 => {
            format!("{} new users in 7 days, far more than usual here", number())
        }
        (Kind::NewUsers(_), _) => format!("{} new users in 7 days", number()),
        (Kind::Growth(growth), SignalRef::Account(_)) => {
            let week = velocity::last_week(context.last_closed());
            let known = account.founded().map_or(0, |founded| velocity::weeks_known(founded, week)).min(6) as i32;
            let weeks: Vec<String> =
                (0..known).rev().map(|back| account.weeks.get(week.0 - back).to_string()).collect();
            let verb = if growth.up { "went" } else { "fell" };
            format!("weekly active users {verb} {} (z {:.1})", weeks.join(" → "), number())
        }
        (Kind::Sessions(kind), SignalRef::User(slot)) => {
            let live = match account.fact(user, slot).map(|fact| &fact.state) {
                Some(State::Sessions(list, _)) => {
                    list.iter().filter(|session| session.1.plus(kind.ttl_ms) > context.now).count()
                }
                _ => 0,
            };
            format!("{who} {} in {live} sessions{}", deed(&kind.filter), within(Some(kind.ttl_ms)))
        }
        (Kind::Seen(seen), _) => format!("{who} {}", deed(&seen.filter)),
        (Kind::Count(seen, _), _) => format!("{who} {} often{}", deed(&seen.filter), within(seen.ttl_ms)),
        (Kind::Distinct(distinct), _) => {
            let count = facts(context, account, signal, user).len();
            let field = distinct.field.word().replace('_', " ");
            format!("{who} {} ({count} distinct: {field}{})", deed(&distinct.filter), within(distinct.ttl_ms))
        }
        (Kind::Within(it), _) => format!("{who} {} within {} min", it.then.deed(), it.within_ms / 60_000),
        (Kind::Abandoned(it), _) => format!("{who} {} and did not complete it", it.start.deed()),
        (Kind::ActiveDays { .. }, _) => format!("{who} was active on {} of the last 7 days", number()),
        (Kind::Idle { .. }, _) => format!("{who} was not active for {} days", number()),
        (Kind::Ladder(Of::ActiveUsers, _), _) => format!("{} active users", number()),
        (Kind::Ladder(Of::Departments, _), _) => format!("{} departments are active", number()),
        (Kind::Ladder(Of::UsersOfADomain, _), _) => format!("{} active users of one company domain", number()),
        (Kind::Ladder(Of::Volume(meter), _), _) => format!("{} {} in 28 days", number(), plan.meters[*meter].id),
        (Kind::Spike(spike), _) => {
            format!("{} {} in 7 days, far more than usual here", number(), plan.meters[spike.meter].id)
        }
        _ => format!("{who}: {id} is {}", (number() * 100.0).round() / 100.0),
    }
}
