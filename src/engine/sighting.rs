//! What an event proves, and for how long: facts with their timers, and what it means for the life of its account.

use super::signals::{Context, WHOLE_ACCOUNT, after_newcomer, climb, climb_quotas, settle_ages};
use super::state::Account;
use super::state::facts::{self, Evidence, Fact as Kept, Mark, State};
use super::state::rows::Latest;
use super::state::timers::Timer;
use crate::model::{Day, Event, EventTime, Fact, Field, Place, Reason, Role, SignalKind};
use crate::rules::{Count, Distinct, Figure, Filter, Kind, Plan, RoleSet, SignalRef};

/// Instants kept of what should follow something soon: the newest, and of any three so soon after each other two.
const FOLLOWERS_MAX: usize = 16;

/// An event, its roles, and where it stands.
pub(super) struct Sighted<'a> {
    pub(super) event: &'a Event<'a>,
    pub(super) roles: RoleSet,
    pub(super) place: Place,
    /// The day of its time.
    pub(super) day: Day,
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
pub(super) fn after_sighting(
    context: &mut Context<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    it: &Sighted<'_>,
) {
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
    // The first event of a role is the first for every signal that it feeds.
    if !context.work.begun.is_empty() {
        account.rare_mut().life.begun.extend(context.work.begun.drain(..));
    }
    if let Some(user) = user.filter(|_| it.roles.has(Role::SignedUp)) {
        // Another sign-up can be the earliest: what is measured from it is measured again.
        recount_from_sign_up(context, account, user);
    }
    note_life(context, account, user, it);
}

/// An event may feed a signal: its fact, its timer, its rung.
fn sight(context: &mut Context<'_>, account: &mut Account<'_>, user: Option<u32>, slot: usize, it: &Sighted<'_>) {
    let plan = context.plan;
    let signals = if user.is_some() { &plan.user_signals } else { &plan.account_signals };
    let (id, kind) = (&signals[slot].id, &signals[slot].kind);
    let time = it.event.time;
    let ends = |ttl: Option<i64>| ttl.map_or(EventTime::MAX, |ttl| time.plus(ttl));
    // A fact that is over does nothing (semantics E2, E6).
    let counts = |ttl: Option<i64>| ends(ttl) > context.now;
    let (mut began, mut began_wait) = (false, None);
    match kind {
        Kind::Seen(seen) | Kind::Count(Count { seen, .. }) => {
            let Some(role) = it.feeds(plan, &seen.filter) else { return };
            // The first admin of an account, and any admin of its first 24 hours, is not a change of admin
            // (semantics E16).
            if seen.after_founding_ms > 0 {
                context.work.begun.push(role);
            }
            if seen.after_founding_ms > 0
                && (account.life().is_none_or(|life| !life.begun.contains(&role))
                    || account.first().is_none_or(|first| time < first.plus(seen.after_founding_ms)))
            {
                return;
            }
            if !counts(seen.ttl_ms) {
                return;
            }
            let new = || match kind {
                Kind::Count(_) => State::Count(Vec::new(), Evidence::default()),
                _ => State::Seen(EventTime::MIN, Evidence::default()),
            };
            match (&mut fact(account, user, slot, new).state, kind) {
                (State::Seen(until, evidence), _) => {
                    evidence.add(it.mark());
                    *until = ends(seen.ttl_ms).max(*until);
                }
                (State::Count(instants, evidence), Kind::Count(Count { rungs, .. })) => {
                    evidence.add(it.mark());
                    let most = rungs.last().copied().unwrap_or(1) as usize;
                    facts::add_instant(instants, time, most);
                }
                _ => return,
            }
        }
        Kind::Distinct(distinct) => {
            let Some(role) = it.feeds(plan, &distinct.filter).filter(|_| counts(distinct.ttl_ms)) else { return };
            let value = plan.roles.text(&it.roles, role, distinct.field, it.event).filter(|text| !text.is_empty());
            let Some(value) = value.or_else(|| stands_for(distinct, it)) else { return };
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
            // Nothing later counts once the sign-up is known: another one could only be earlier.
            let signed_up = user.and_then(|user| account.user(user).signed_up());
            let until = signed_up.map_or(EventTime::MAX, |from| from.plus(within.within_ms));
            if it.roles.has(within.then) && time < until {
                let fact = fact(account, user, slot, || State::Within(Vec::new(), Evidence::default()));
                let State::Within(followers, evidence) = &mut fact.state else { return };
                evidence.add(it.mark());
                followers.retain(|known| *known < until);
                facts::add_follower(followers, time, within.within_ms, FOLLOWERS_MAX);
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
            began_wait = Some(time.plus(abandoned.after_ms));
        }
        _ => return,
    }
    let before = account.rung_of(user, slot);
    recount(context, account, user, slot, false);
    // The cause of a late event that begins a wait which is already over is the end of the wait (semantics A17, E7).
    if let Some(end) = began_wait.filter(|end| before == 0 && *end <= context.now && account.rung_of(user, slot) > 0) {
        context.cause = context.cause.max(end);
    }
    if began {
        let fact = Fact { message_id: it.event.message_id.as_ref().into(), at: time, number: 1.0 };
        context.publish(account, user, SignalKind::Pulse { signal: Some(id.clone()), trigger: None }, vec![fact]);
    }
}

/// What stands for a value that an event does not give: the event (semantics E13). Features without a name are no
/// further features; of premium ones, of which any counts, they are one together.
fn stands_for<'a>(distinct: &Distinct, it: &'a Sighted<'a>) -> Option<std::borrow::Cow<'a, str>> {
    if distinct.field == Field::Feature {
        return distinct.filter.premium.then_some("".into());
    }
    if it.event.message_id.is_empty() {
        return Some(format!("{}/{}", it.place.offset, it.place.index).into());
    }
    Some(std::borrow::Cow::Borrowed(&it.event.message_id))
}

/// The fact of a user (or the account) and signal, which is new if there is none.
fn fact<'a>(account: &'a mut Account<'_>, user: Option<u32>, slot: usize, new: impl FnOnce() -> State) -> &'a mut Kept {
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
    counts_from: Option<EventTime>,
    /// The latest completion by anyone of the account.
    completed: Option<EventTime>,
    /// The rung that is held.
    held: u8,
}

impl Around {
    fn new(context: &Context<'_>, account: &Account<'_>, user: Option<u32>, slot: usize) -> Around {
        let (word, signed_up, since) = match user {
            Some(user) => {
                let user = account.user(user);
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
                .map(|from| if founded.is_some_and(|day| from == day.plus(1)) { from.plus(-1) } else { from })
                .map(|from| context.plan.time.calendar.start(from)),
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
        (Kind::Count(Count { seen, rungs }), State::Count(instants, _)) => {
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
                around.counts_from.is_some_and(|first| from >= first)
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
        (Kind::Count(Count { seen, .. }), State::Count(instants, _)) => {
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
pub(super) fn recount(
    context: &mut Context<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    slot: usize,
    falls: bool,
) {
    let Some(kept) = account.fact(user, slot) else { return };
    let around = Around::new(context, account, user, slot);
    let (rung, next) = measure(context.kind(user, slot), &kept.state, &around);
    if rung < around.held && !falls {
        account.rare_mut().rejoined.insert((user.unwrap_or(WHOLE_ACCOUNT), slot as u8));
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
            let timer = Timer::Lapse { user: user.unwrap_or(WHOLE_ACCOUNT), slot: slot as u8 };
            context.timers.schedule(next, index, timer);
        }
        None if over && falls => {
            facts.remove(place);
            if let Some(user) = user {
                account.tidy(user);
            }
        }
        _ => {}
    }
}

/// What is measured from a user's sign-up is measured again.
fn recount_from_sign_up(context: &mut Context<'_>, account: &mut Account<'_>, user: u32) {
    let plan = context.plan;
    for (slot, signal) in plan.user_signals.iter().enumerate() {
        let from_sign_up = match &signal.kind {
            Kind::Within(_) => true,
            Kind::Distinct(distinct) => distinct.within_ms.is_some(),
            _ => false,
        };
        if from_sign_up {
            // Without a sign-up it was unknown.
            context.work.changed.signal(SignalRef::User(slot));
            context.work.touched.push(user);
            recount(context, account, Some(user), slot, false);
        }
    }
}

/// It is now known of the account whether it was born in the log: sign-ups may count that did not.
pub(super) fn after_birth(context: &mut Context<'_>, account: &mut Account<'_>) {
    after_newcomer(context, account);
    account.user_indices().into_iter().for_each(|user| recount_from_sign_up(context, account, user));
}

/// What an event means for the account's life, beyond the signals that its role feeds.
fn note_life(context: &mut Context<'_>, account: &mut Account<'_>, user: Option<u32>, it: &Sighted<'_>) {
    let plan = context.plan;
    let roles = &it.roles;
    let time = it.event.time;
    if roles.has(Role::FeatureUsed) {
        if let Some(feature) = plan.roles.text(roles, Role::FeatureUsed, Field::Feature, it.event) {
            account.rare_mut().use_feature(feature.trim(), it.day);
        }
        if let Some(is) = it.premium(plan) {
            // One premium use is enough for this life.
            let premium = &mut account.rare_mut().life.premium;
            let before = premium.replace(is || *premium == Some(true));
            if *premium != before {
                plan.index.ages.iter().for_each(|slot| context.work.changed.signal(SignalRef::Account(*slot)));
                settle_ages(context, account);
            }
        }
    }
    if roles.has(Role::UserInvited) && account.life().is_none_or(|life| !life.invited) {
        account.rare_mut().life.invited = true;
        settle_ages(context, account);
    }
    if roles.has_any(plan.index.completing) {
        complete(context, account, it);
    }
    if roles.has(Role::EnterpriseFeatureRequested)
        && let Some(feature) = it.text(plan, Role::EnterpriseFeatureRequested, Field::Feature)
    {
        account.rare_mut().life.request(&feature);
    }
    if roles.has(Role::UsageReported) {
        report_usage(context, account, it);
    }
    meter(context, account, it);
    let Some(user) = user else { return };
    if roles.has(Role::Activated) {
        let activated = &mut account.more_mut(user).activated;
        if activated.is_none_or(|known| time < known) {
            *activated = Some(time);
            account.touch_user(user, context.when(account));
        }
    }
    if roles.has(Role::SignedUp)
        && let Some(source) = it.text(plan, Role::SignedUp, Field::Source)
    {
        let known = &mut account.more_mut(user).source;
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

/// A user did what buyers do (semantics E18).
pub(super) fn acts(context: &mut Context<'_>, account: &mut Account<'_>, user: u32) {
    if !account.more(user).is_some_and(|more| more.acted) {
        account.more_mut(user).acted = true;
        account.touch_user(user, context.when(account));
        context.work.changed.figure(Figure::UserBuys);
        context.work.touched.push(user);
    }
}

/// Somebody of the account completed something: nobody's is abandoned any more.
fn complete(context: &mut Context<'_>, account: &mut Account<'_>, it: &Sighted<'_>) {
    let (plan, time) = (context.plan, it.event.time);
    for (role, slots) in plan.index.completions.iter().filter(|(role, _)| it.roles.has(**role)) {
        if account.rare_mut().life.completed.get(role).is_some_and(|latest| *latest >= time) {
            continue;
        }
        account.rare_mut().life.completed.insert(*role, time);
        for &slot in slots {
            account.user_indices().into_iter().for_each(|user| recount(context, account, Some(user), slot, true));
        }
    }
}

/// A report of how much of a quota is used: of each meter the latest counts.
fn report_usage(context: &mut Context<'_>, account: &mut Account<'_>, it: &Sighted<'_>) {
    let plan = context.plan;
    let number = |field| it.number(plan, Role::UsageReported, field);
    let Some(used) = number(Field::Used) else { return };
    let quota = number(Field::Quota).unwrap_or(0.0);
    let meter = it.text(plan, Role::UsageReported, Field::Meter).unwrap_or_default();
    if account.rare_mut().life.report(&meter, (used, quota), (it.event.time, it.place)) {
        context.work.changed.figure(Figure::UsageRatio);
        climb_quotas(context, account);
    }
}

/// Counts an event in the meters that listen to it, in thousandths. A gauge rises from the latest reading by event time:
/// what an older one says that comes late is over (semantics A22).
fn meter(context: &mut Context<'_>, account: &mut Account<'_>, it: &Sighted<'_>) {
    let plan = context.plan;
    let mut counted = false;
    for (place, meter) in plan.meters.iter().enumerate().filter(|(_, meter)| it.roles.has(meter.role)) {
        if !meter.only.iter().all(|(field, values)| it.has(plan, meter.role, *field, values)) {
            continue;
        }
        let amount = match meter.sum {
            None => Some(1_000),
            Some(field) => it.number(plan, meter.role, field).map(in_thousandths),
        };
        let Some(amount) = amount else { continue };
        let meters = &mut account.rare_mut().meters;
        if meters.len() <= place {
            meters.resize_with(plan.meters.len(), Default::default);
        }
        let (daily, level) = &mut meters[place];
        let amount = if meter.gauge { rise(level, amount, (it.event.time, it.place)) } else { amount };
        daily.add(it.day.0, amount);
        counted = true;
    }
    if counted {
        climb(context, account);
    }
}

/// An amount in thousandths. What is beyond any use is counted as the most there can be: 10¹¹ of these have an exact sum.
fn in_thousandths(number: f64) -> i128 {
    const MOST: f64 = 1e27;
    libm::round(number * 1_000.0).clamp(-MOST, MOST) as i128
}

/// How far a reading lies above the one before it, which it follows in the order of event time.
fn rise(level: &mut Option<Latest<i128>>, reading: i128, said: (EventTime, Place)) -> i128 {
    match level {
        None => {
            *level = Some(Latest::new(reading, said));
            0
        }
        Some(level) => {
            let before = level.value;
            level.replace(reading, said);
            (level.value - before).max(0)
        }
    }
}

/// What is due now: facts that begin or end, and ages that are reached. A timer whose fact was seen again since has
/// nothing to end, and is set anew.
pub(super) fn lapse(context: &mut Context<'_>, account: &mut Account<'_>, timers: &[(u32, Timer)]) {
    for (_, timer) in timers {
        let Timer::Lapse { user, slot } = *timer else { continue };
        let user = (user != WHOLE_ACCOUNT).then_some(user);
        let slot = usize::from(slot);
        if user.is_some_and(|user| !account.owns(user)) {
            // The place of a user who is gone has been given to one of another account.
            continue;
        }
        if let Kind::Age(_) = context.kind(user, slot) {
            context.work.changed.signal(SignalRef::Account(slot));
            settle_ages(context, account);
        } else if let Some(kept) = account.fact(user, slot) {
            let turns = turns_at(context.kind(user, slot), &kept.state, context.now);
            recount(context, account, user, slot, turns);
        }
    }
    context.tell_changes(account, Reason::Lapsed);
}
