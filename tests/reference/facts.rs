//! What follows directly from the applied events: traits, observations, lives and amounts of money.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::account::{Account, Applied, User};
use super::pack::{Facts, Measure, Signal};
use super::roles::{BILLING_TOPICS, EXECUTIVE, PRODUCT_ROLES, Role, is_free_mail};
use super::time::{Life, instant};
use super::{DAY, Event};

/// How long a lead of marketing counts (semantics F4).
const MQL_TTL: i64 = 180 * DAY;

/// A subscription by its latest events.
#[derive(Clone)]
struct Subscription {
    paid: bool,
    plan: Option<String>,
    /// A month, in USD.
    mrr: Option<f64>,
    /// Seats × price, in USD.
    yearly: Option<f64>,
    /// The latest event: time and place.
    last: Option<(i64, (i64, u32))>,
}

/// What the plan `enterprise` is of: subscriptions, the account's trait, and so the account.
pub(super) struct Enterprise {
    subscriptions: BTreeSet<String>,
    by_trait: bool,
    of_account: bool,
}

impl Enterprise {
    /// Whether an event made it the plan: of its own subscription, which no trait had said before, or by a trait of an
    /// account that had another one (semantics D27).
    pub(super) fn is_chosen_by(&self, event: &Event, after: &Enterprise) -> bool {
        let id = event.text("subscription_id").unwrap_or_default();
        match event.role() {
            Some(Role::SubscriptionChanged) => {
                after.subscriptions.contains(id) && !self.subscriptions.contains(id) && !self.by_trait
            }
            Some(Role::Firmographics) => after.by_trait && !self.of_account,
            _ => false,
        }
    }
}

/// Trimmed and lower-cased; empty is none (semantics E12).
pub(super) fn folded(value: &Value) -> Option<String> {
    Some(value.as_str()?.trim().to_lowercase()).filter(|text| !text.is_empty())
}

/// Employees from a number or the lower end of a range as text (semantics E19).
pub(super) fn size(value: &Value) -> Option<i64> {
    if let Some(number) = value.as_f64() {
        return Some(number.floor() as i64);
    }
    let text = value.as_str()?.trim();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether a text holds one of the words, whole and without regard to case.
pub(super) fn has_word(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| words.contains(&word))
}

fn topic(event: &Event) -> Option<String> {
    folded(event.properties.get("topic")?)
}

fn asks_about_billing(event: &Event) -> bool {
    topic(event).is_some_and(|topic| BILLING_TOPICS.contains(&topic.as_str()))
}

fn is_premium(event: &Event) -> bool {
    event.properties.get("premium").and_then(Value::as_bool) == Some(true)
}

impl Account {
    pub(super) fn user_ids(&self) -> Vec<String> {
        self.users.keys().cloned().collect()
    }

    /// O, the first open day.
    pub(super) fn open_day(&self) -> i64 {
        self.settings.day_of(self.clock)
    }

    /// T = max(O, day of the newest applied event).
    pub(super) fn newest_day(&self) -> i64 {
        self.open_day().max(self.newest_event_day.unwrap_or(i64::MIN))
    }

    /// The events of a role that count as facts of a user: those since the user was last forgotten (semantics B12).
    pub(super) fn facts_of<'a>(&'a self, user: &'a User, role: Role) -> impl Iterator<Item = &'a Applied> {
        let indices = user.by_role.get(&role).into_iter().flatten();
        indices.filter(|index| **index >= user.erased).map(|index| &self.events[*index])
    }

    /// Those of the user's present life: after the last day of the life before it (semantics B9, E4).
    pub(super) fn life_facts_of<'a>(&'a self, user: &'a User, role: Role) -> impl Iterator<Item = &'a Applied> {
        let before = before_last(&user.lives);
        self.facts_of(user, role).filter(move |applied| self.settings.day_of(applied.event.ms) > before)
    }

    /// The events of a role, by anybody, that count as facts of the account.
    pub(super) fn facts(&self, role: Role) -> impl Iterator<Item = &Applied> {
        let indices = self.by_role.get(&role).into_iter().flatten();
        indices.filter(|index| **index >= self.erased).map(|index| &self.events[*index])
    }

    /// Those of the account's present life.
    pub(super) fn life_facts(&self, role: Role) -> impl Iterator<Item = &Applied> {
        self.facts(role).filter(|applied| self.is_of_this_life(&applied.event))
    }

    pub(super) fn is_of_this_life(&self, event: &Event) -> bool {
        self.settings.day_of(event.ms) > before_last(&self.lives)
    }

    /// The observations that a signal counts: those whose TTL was not over when they came, or without a TTL those of
    /// this life (semantics E2, E4).
    pub(super) fn observations(&self, id: &str, signal: Signal) -> Vec<&Applied> {
        let Some(facts) = signal.facts() else {
            return Vec::new();
        };
        let since = self.since(signal, self.users.contains_key(id));
        let counts = |applied: &&Applied| {
            applied.place_in_account >= since
                && facts.ttl.is_none_or(|ttl| applied.event.ms + ttl > applied.watermark)
                && feeds(applied, facts)
        };
        let of = |role: &Role| -> Vec<&Applied> {
            match (self.users.get(id), facts.ttl) {
                (Some(user), Some(_)) => self.facts_of(user, *role).filter(counts).collect(),
                (Some(user), None) => self.life_facts_of(user, *role).filter(counts).collect(),
                (None, Some(_)) => self.facts(*role).filter(counts).collect(),
                (None, None) => self.life_facts(*role).filter(counts).collect(),
            }
        };
        facts.roles.iter().flat_map(of).collect()
    }

    /// Those that still count (semantics E1).
    pub(super) fn seen(&self, id: &str, signal: Signal) -> impl Iterator<Item = &Applied> {
        let ttl = signal.facts().and_then(|facts| facts.ttl);
        let counts = move |applied: &&Applied| ttl.is_none_or(|ttl| applied.event.ms + ttl > self.clock);
        self.observations(id, signal).into_iter().filter(counts)
    }

    /// The distinct values that still count: with `within`, those first seen so soon after the user's sign-up.
    ///
    /// A feature without a name is no further feature; premium ones, of which any counts, are one together (semantics
    /// E13).
    pub(super) fn values(&self, id: &str, signal: Signal) -> usize {
        let Measure::Distinct { facts, of, within, .. } = &signal.it.measure else { return 0 };
        let since = self.signed_up_ms(id);
        let is_soon = |applied: &&Applied| match facts.ttl {
            Some(_) => is_soon(applied, *within),
            None => within.is_none_or(|within| since.is_some_and(|since| applied.event.ms < since + within)),
        };
        let seen: Vec<&Applied> = self.seen(id, signal).filter(is_soon).collect();
        let unnamed = seen.iter().any(|applied| applied.event.text(of).is_none());
        let together = *of == "feature" && facts.premium && unnamed;
        Self::distinct(seen.into_iter(), of, *of != "feature").len() + usize::from(together)
    }

    /// The observations of values, each as its place in the account, its instant and the value; with `within`, those that
    /// came so soon after the sign-up as it was known then.
    pub(super) fn observed_values(&self, id: &str, signal: Signal) -> Vec<(usize, i64, String)> {
        let Measure::Distinct { facts, of, within, .. } = &signal.it.measure else { return Vec::new() };
        let value = |applied: &Applied| {
            let unnamed = (*of == "feature" && facts.premium && applied.event.text(of).is_none()).then(String::new);
            unnamed.or(Self::distinct(std::iter::once(applied), of, *of != "feature").pop_first())
        };
        let observed = |applied: &Applied| Some((applied.place_in_account, applied.event.ms, value(applied)?));
        let observations = self.observations(id, signal).into_iter();
        observations.filter(|applied| is_soon(applied, *within)).filter_map(observed).collect()
    }

    /// The user's sessions: silence ends one (semantics E6).
    fn sessions(&self, user: &str, signal: Signal) -> Vec<Vec<i64>> {
        let mut views: Vec<i64> = self.observations(user, signal).iter().map(|view| view.event.ms).collect();
        views.sort_unstable();
        let mut sessions: Vec<Vec<i64>> = Vec::new();
        for view in views {
            match sessions.last_mut() {
                Some(session) if session.last().is_some_and(|last| view - last < gap(signal)) => session.push(view),
                _ => sessions.push(vec![view]),
            }
        }
        sessions
    }

    fn session_ends(&self, user: &str, signal: Signal) -> Vec<i64> {
        let ttl = signal.facts().and_then(|facts| facts.ttl).unwrap_or(0);
        self.sessions(user, signal).iter().filter_map(|session| Some(session.last()? + ttl)).collect()
    }

    pub(super) fn ends_a_session(&self, user: &str, signal: Signal, t: i64) -> bool {
        self.session_ends(user, signal).contains(&t)
    }

    /// How many sessions have a last view within its TTL (semantics E3).
    pub(super) fn known_sessions(&self, user: &str, signal: Signal) -> usize {
        self.session_ends(user, signal).into_iter().filter(|end| *end > self.clock).count()
    }

    /// A view of a user, its TTL not over, that joins no session still known (semantics E6). The event is the newest
    /// applied.
    pub(super) fn opens_session(&self, signal: Signal) -> bool {
        let is_of_sessions = matches!(signal.it.measure, Measure::Sessions { .. });
        let facts = signal.facts().filter(|_| is_of_sessions);
        let (Some(facts), Some(newest)) = (facts, self.events.last()) else { return false };
        let (event, ttl) = (&newest.event, facts.ttl.unwrap_or(0));
        let views = self.observations(&event.user, signal);
        let mut others: Vec<i64> = views.iter().filter(|view| view.place != newest.place).map(|a| a.event.ms).collect();
        others.sort_unstable();
        let sessions = others.chunk_by(|a, b| b - a < gap(signal));
        let mut known = sessions.filter(|session| session.last().is_some_and(|last| last + ttl > self.clock));
        !event.user.is_empty()
            && views.len() > others.len()
            && event.ms + ttl > self.clock
            && !known.any(|session| session.iter().any(|view| (event.ms - view).abs() < gap(signal)))
    }

    /// Distinct values of a property; with `own`, an event without one counts as a value of its own (semantics E13).
    pub(super) fn distinct<'a>(
        events: impl Iterator<Item = &'a Applied>,
        property: &str,
        is_own_value: bool,
    ) -> BTreeSet<String> {
        let own = |applied: &Applied| match applied.event.message_id.as_str() {
            "" => format!("{:?}", applied.place),
            id => id.to_owned(),
        };
        let value = |applied: &Applied| match applied.event.text(property) {
            Some(text) => Some(text.to_owned()),
            None => is_own_value.then(|| own(applied)),
        };
        events.filter_map(value).collect()
    }

    /// The latest value that `read` finds, by event time, then place (semantics A22).
    fn latest<'a, T>(
        &'a self,
        indices: impl Iterator<Item = &'a usize>,
        read: impl Fn(&'a Event) -> Option<T>,
    ) -> Option<T> {
        let applied = indices.map(|index| &self.events[*index]);
        let values = applied.filter_map(|a| Some(((a.event.ms, a.place), read(&a.event)?)));
        values.max_by_key(|(order, _)| *order).map(|(_, value)| value)
    }

    /// A trait of the account; an explicit null removes it (semantics A22). Never forgotten (semantics B13).
    pub(super) fn account_trait(&self, key: &str) -> Option<&Value> {
        let groups = self.by_role.get(&Role::Firmographics).into_iter().flatten();
        self.latest(groups, |event| event.traits.get(key)).filter(|value| !value.is_null())
    }

    pub(super) fn is_trait(&self, key: &str) -> bool {
        self.account_trait(key).and_then(Value::as_bool) == Some(true)
    }

    /// An opportunity is open by the latest word on it: the trait, or what became of a deal (semantics §7, rail 7;
    /// F15).
    pub(super) fn open_opportunity(&self) -> Option<bool> {
        self.stated_opportunity().map(|is| is.as_bool() == Some(true))
    }

    fn stated_opportunity(&self) -> Option<Value> {
        let of = |role: Role| self.by_role.get(&role).into_iter().flatten();
        let is_open = |event: &Event| match event.name.to_ascii_lowercase().as_str() {
            "opportunity created" => Some(Value::Bool(true)),
            "deal won" | "deal lost" => Some(Value::Bool(false)),
            _ => event.traits.get("open_opportunity").cloned(),
        };
        self.latest(of(Role::Firmographics).chain(of(Role::Outcome)), is_open)
    }

    /// A trait of a user, as facts of the user are kept.
    pub(super) fn user_trait(&self, user: &str, key: &str) -> Option<&Value> {
        let user = self.users.get(user)?;
        let calls = user.by_role.get(&Role::Profile).into_iter().flatten().filter(|index| **index >= user.erased);
        self.latest(calls, |event| event.traits.get(key)).filter(|value| !value.is_null())
    }

    /// Employees: enrichment before what users state (semantics E19).
    pub(super) fn employees(&self) -> Option<i64> {
        let profiles = self.by_role.get(&Role::Profile).into_iter().flatten();
        let said =
            || self.latest(profiles, |event| event.traits.get("company_size").filter(|_| !event.user.is_empty()));
        self.account_trait("employees").and_then(size).or_else(|| said().and_then(size))
    }

    /// All that is stated of the company, to see whether it changed.
    pub(super) fn all_stated(&self) -> String {
        let groups = self.by_role.get(&Role::Firmographics).into_iter().flatten();
        let mut keys: BTreeSet<&str> =
            groups.flat_map(|index| self.events[*index].event.traits.keys()).map(String::as_str).collect();
        // The fold keeps this one only for rules that read it.
        if !self.settings.pack.in_order().any(|trigger| trigger.reads("traits.region")) {
            keys.remove("region");
        }
        keys.remove("open_opportunity");
        let traits: Vec<_> = keys.into_iter().filter_map(|key| Some((key, self.account_trait(key)?))).collect();
        let profiles = self.by_role.get(&Role::Profile).into_iter().flatten();
        let of_somebody = |event: &'_ Event| !event.user.is_empty();
        let size =
            self.latest(profiles, |event| event.traits.get("company_size").filter(|_| of_somebody(event)).cloned());
        let changes = self.by_role.get(&Role::SubscriptionChanged).into_iter().flatten();
        let says_paid = |index: &usize| self.events[*index].event.properties.get("paid").is_some_and(Value::is_boolean);
        let paid = changes.into_iter().any(says_paid).then(|| self.is_paid());
        let known = [self.stated_opportunity(), size].map(|value| value.filter(|value| !value.is_null()));
        format!("{traits:?} {known:?} {paid:?}")
    }

    /// The subscriptions by id, each field by the latest event that has it (semantics A22, D29).
    fn subscriptions(&self) -> BTreeMap<String, Subscription> {
        let mut changes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for index in self.by_role.get(&Role::SubscriptionChanged).into_iter().flatten() {
            let id = self.events[*index].event.text("subscription_id").unwrap_or_default();
            changes.entry(id.to_owned()).or_default().push(*index);
        }
        let subscription = |changes: &[usize]| {
            let number = |key: &str| self.latest_property(changes, key, Value::as_f64);
            let text = |key: &str| self.latest_property(changes, key, |value| Some(value.as_str()?.to_owned()));
            let is_in_usd = text("currency").is_none_or(|currency| currency.eq_ignore_ascii_case("usd"));
            Subscription {
                paid: self.latest(changes.iter(), |event| event.properties.get("paid")?.as_bool()) == Some(true),
                plan: text("plan").map(|plan| plan.to_lowercase()),
                mrr: number("mrr").filter(|_| is_in_usd),
                yearly: number("seats").and_then(|seats| Some(seats * number("price")? * 12.0)).filter(|_| is_in_usd),
                last: changes.iter().map(|index| self.order(*index)).max(),
            }
        };
        changes.iter().map(|(id, changes)| (id.clone(), subscription(changes))).collect()
    }

    /// The latest value of a property that `read` understands; null takes it back (semantics A22).
    fn latest_property<T>(&self, changes: &[usize], key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let stated = |event: &Event| match event.properties.get(key)? {
            Value::Null => Some(None),
            value => read(value).map(Some),
        };
        self.latest(changes.iter(), stated).flatten()
    }

    fn order(&self, index: usize) -> (i64, (i64, u32)) {
        (self.events[index].event.ms, self.events[index].place)
    }

    /// Any subscription is paid; none seen is not paid (semantics D19, D29).
    pub(super) fn is_paid(&self) -> bool {
        self.subscriptions().values().any(|subscription| subscription.paid)
    }

    /// Revenue a month: the sum over the paid subscriptions, unknown if one of them is (semantics D29). In another
    /// currency than USD it is unknown (semantics F8).
    pub(super) fn mrr(&self) -> Option<f64> {
        let subscriptions = self.subscriptions();
        let paid: Vec<Option<f64>> = subscriptions.values().filter(|it| it.paid).map(|it| it.mrr).collect();
        if subscriptions.is_empty() { None } else { paid.into_iter().sum() }
    }

    /// The paid subscription with the largest MRR, the first by id of equal ones, unknown MRR last; if none is paid,
    /// that of the latest event (semantics D29).
    fn leading_subscription(&self) -> Option<Subscription> {
        let all: Vec<Subscription> = self.subscriptions().into_values().collect();
        let worth = |it: &Subscription| it.mrr.unwrap_or(-1.0);
        let most = all.iter().filter(|it| it.paid).map(worth).fold(-1.0, f64::max);
        let leading = all.iter().find(|it| it.paid && worth(it) == most);
        leading.or(all.iter().max_by_key(|it| it.last)).cloned()
    }

    /// Seats × price of the leading subscription by the year, in USD.
    pub(super) fn seats_worth(&self) -> Option<f64> {
        self.leading_subscription()?.yearly
    }

    /// The plan of a trait, if no subscription has set a plan since.
    fn plan_trait(&self) -> Option<String> {
        let of = |role: Role| self.by_role.get(&role).into_iter().flatten();
        let trait_at = of(Role::Firmographics).filter(|index| self.events[**index].event.traits.contains_key("plan"));
        let stated =
            of(Role::SubscriptionChanged).filter(|index| self.events[**index].event.properties.contains_key("plan"));
        let trait_at = trait_at.map(|index| self.order(*index)).max();
        let is_later = trait_at > stated.map(|index| self.order(*index)).max();
        self.account_trait("plan").and_then(Value::as_str).filter(|_| is_later).map(str::to_lowercase)
    }

    /// The plan that a trait names, else that of the leading subscription (semantics D29).
    pub(super) fn plan(&self) -> Option<String> {
        self.plan_trait().or_else(|| self.leading_subscription()?.plan)
    }

    /// What `enterprise` is the plan of.
    pub(super) fn enterprise(&self) -> Enterprise {
        let is = |plan: Option<String>| plan.as_deref() == Some("enterprise");
        let by_trait = self.plan_trait();
        Enterprise {
            subscriptions: self
                .subscriptions()
                .into_iter()
                .filter(|(_, it)| is(it.plan.clone()))
                .map(|(id, _)| id)
                .collect(),
            of_account: is(self.plan()),
            by_trait: is(by_trait),
        }
    }

    /// Used and quota of the latest report of each meter with a quota (semantics D21).
    pub(super) fn quotas(&self) -> Vec<(f64, f64)> {
        let meters = Self::distinct(self.facts(Role::UsageReported), "meter", false);
        let report = |meter: String| {
            let reports = self.facts(Role::UsageReported).filter(|a| a.event.text("meter") == Some(&meter));
            let latest = reports.max_by_key(|a| (a.event.ms, a.place))?;
            let number = |key: &str| latest.event.properties.get(key)?.as_f64();
            number("quota").filter(|quota| *quota > 0.0).and_then(|quota| Some((number("used")?, quota)))
        };
        meters.into_iter().filter_map(report).collect()
    }

    /// A lead of marketing within 180 days (semantics F4).
    pub(super) fn has_mql(&self) -> bool {
        self.facts(Role::MqlCreated).any(|a| a.event.ms + MQL_TTL > self.clock.max(a.watermark))
    }

    /// The account's created-at trait in milliseconds (semantics B17).
    fn created_at(&self) -> Option<i64> {
        self.account_trait("createdAt").and_then(instant)
    }

    /// The instant of the first meaningful event of the present life's founding day.
    pub(super) fn founded_ms(&self) -> Option<i64> {
        let life = self.life(self.newest_day())?;
        self.first_of_day.get(&life.first).copied()
    }

    /// Whether the account began within the log, not before it (semantics B17).
    pub(super) fn is_born_in_the_log(&self, founded: i64) -> bool {
        let Some(first) = self.first_of_day.get(&founded) else {
            return false;
        };
        let sign_ups =
            self.by_role.get(&Role::SignedUp).into_iter().flatten().map(|index| self.events[*index].event.ms);
        founded > self.first_day + self.settings.pack.rails.warm_up_days
            || sign_ups.chain(self.created_at()).any(|ms| (first - ms).abs() < DAY)
    }

    /// The first day whose new users and sign-ups count toward signals: the engine that starts in mid-life of its
    /// customer sees everybody as new (semantics B17).
    pub(super) fn first_counted_day(&self, founded: i64) -> i64 {
        if self.is_born_in_the_log(founded) { founded } else { founded + self.settings.pack.rails.warm_up_days }
    }

    /// In mid-life when the log began, and not yet known for long enough (semantics B17).
    pub(super) fn is_warming_up(&self) -> bool {
        let life = self.life(self.newest_day());
        life.is_some_and(|life| self.newest_day() < self.first_counted_day(life.first))
    }

    /// The user's life as of a day: the last one that had begun, while it is kept (semantics B9, B12).
    pub(super) fn user_life(&self, user: &str, day: i64) -> Option<Life> {
        self.life_of(&self.users.get(user)?.lives, day)
    }

    /// The account's life as of a day.
    pub(super) fn life(&self, day: i64) -> Option<Life> {
        self.life_of(&self.lives, day)
    }

    fn life_of(&self, lives: &[Life], day: i64) -> Option<Life> {
        let begun = *lives.iter().rfind(|life| life.first <= day)?;
        (self.open_day() - begun.last <= self.settings.forget_after_days).then_some(begun)
    }

    /// A user from the first active day of a life until forgotten or removed (semantics B4, B5).
    pub(super) fn is_present(&self, id: &str) -> bool {
        self.users.get(id).is_some_and(|user| user.removed.is_none()) && self.user_life(id, self.newest_day()).is_some()
    }

    /// The users active on (O − 27) … T who have not left (semantics C2).
    pub(super) fn running_users(&self) -> Vec<&str> {
        let from = self.first_unclosed - 27;
        let is_running = |user: &User| user.removed.is_none() && user.days.last().is_some_and(|last| *last >= from);
        self.users.iter().filter(|(_, user)| is_running(user)).map(|(id, _)| id.as_str()).collect()
    }

    /// Users ever active in the account's present life, each once (semantics B16).
    pub(super) fn users_ever(&self) -> i64 {
        self.life(self.newest_day()).map_or(0, |life| self.active_users(life.first, i64::MAX))
    }

    /// Distinct departments of running users (semantics E12).
    pub(super) fn departments(&self) -> BTreeSet<String> {
        let users = self.running_users().into_iter();
        users.filter_map(|user| folded(self.user_trait(user, "department")?)).collect()
    }

    /// The most running users that share a company's e-mail host (semantics E11).
    pub(super) fn users_of_a_domain(&self) -> usize {
        let host = |user: &str| {
            let email = self.user_trait(user, "email")?.as_str()?;
            let host = email.rsplit_once('@')?.1.trim().to_lowercase();
            (!host.is_empty() && !is_free_mail(&host)).then_some(host)
        };
        let hosts: Vec<String> = self.running_users().into_iter().filter_map(host).collect();
        hosts.iter().map(|host| hosts.iter().filter(|other| *other == host).count()).max().unwrap_or(0)
    }

    /// An executive title, or an owner or billing admin of the product (semantics E14).
    pub(super) fn is_executive(&self, user: &str) -> bool {
        let title = self.user_trait(user, "title").and_then(Value::as_str);
        let role = self.user_trait(user, "role").and_then(folded);
        title.is_some_and(|title| has_word(title, &EXECUTIVE))
            || role.is_some_and(|role| PRODUCT_ROLES.contains(&role.as_str()))
    }

    /// May decide a purchase (semantics E18).
    pub(super) fn is_buyer(&self, id: &str) -> bool {
        let Some(user) = self.users.get(id) else {
            return false;
        };
        let buys = |key: &str| {
            let text = self.user_trait(id, key).and_then(Value::as_str).unwrap_or("");
            let words = text.to_lowercase();
            let head_of = words.split(|c: char| !c.is_alphanumeric()).collect::<Vec<_>>();
            has_word(text, &EXECUTIVE)
                || has_word(text, &["director", "procurement"])
                || head_of.windows(2).any(|pair| pair == ["head", "of"])
        };
        let did = |role: Role| self.life_facts_of(user, role).next().is_some();
        let asked = self.life_facts_of(user, Role::SupportContacted);
        let before = before_last(&user.lives);
        let raised_a_hand = user.events.iter().filter(|index| **index >= user.erased).any(|index| {
            let applied = &self.events[*index];
            applied.raised_hand && self.settings.day_of(applied.event.ms) > before
        });
        let is_only_user = self.employees().is_none_or(|size| size < 50) && self.users_ever() == 1;
        buys("title")
            || buys("seniority")
            || [Role::UpgradeStarted, Role::TermsViewed].into_iter().any(did)
            || asked.map(|a| &a.event).any(asks_about_billing)
            || raised_a_hand
            || is_only_user
    }

    /// When the user signed up in this life, else the user's first event (semantics D13).
    pub(super) fn signed_up_ms(&self, user: &str) -> Option<i64> {
        let user = self.users.get(user)?;
        let born = user.lives.last().map_or(i64::MIN, |life| life.first);
        let sign_ups = self.facts_of(user, Role::SignedUp).filter(|a| self.settings.day_of(a.event.ms) >= born);
        let first = user.events.iter().filter(|index| **index >= user.erased).map(|i| self.events[*i].event.ms).min();
        sign_ups.map(|a| a.event.ms).min().or(first)
    }

    /// Unknown without a sign-up that counts (semantics B17, E8).
    pub(super) fn activated_within(&self, user: &User, within: i64) -> bool {
        let signed_up = self.life_facts_of(user, Role::SignedUp).map(|a| a.event.ms).min();
        let from = self.life(self.newest_day()).map_or(i64::MIN, |life| self.first_counted_day(life.first));
        let activated = |signed_up: i64| {
            let mut activations = self.life_facts_of(user, Role::Activated);
            activations.any(|a| (0..within).contains(&(a.event.ms - signed_up)))
        };
        signed_up.filter(|ms| self.settings.day_of(*ms) >= from).is_some_and(activated)
    }
}

/// The last day of the life before the last one.
fn before_last(lives: &[Life]) -> i64 {
    lives.iter().rev().nth(1).map_or(i64::MIN, |life| life.last)
}

/// Whether an event came so soon after its user's sign-up, as that was known then (semantics E3).
fn is_soon(applied: &Applied, within: Option<i64>) -> bool {
    within.is_none_or(|within| applied.signed_up.is_some_and(|since| applied.event.ms < since + within))
}

/// What beside its role makes an event an observation of a signal (semantics E16).
fn feeds(applied: &Applied, facts: &Facts) -> bool {
    let is_late_enough = || applied.founded.is_some_and(|founded| applied.event.ms >= founded + facts.after);
    has_words(&applied.event, &facts.only)
        && (!facts.premium || is_premium(&applied.event))
        && (facts.after == 0 || (!applied.is_first_of_role && is_late_enough()))
}

/// Whether each of some fields has one of its values, in lower case.
pub(super) fn has_words(event: &Event, only: &[(&str, Vec<&str>)]) -> bool {
    let word = |field: &str| match event.properties.get(field)? {
        Value::Bool(is) => Some(is.to_string()),
        value => folded(value),
    };
    only.iter().all(|(field, words)| word(field).is_some_and(|word| words.contains(&word.as_str())))
}

/// The silence that ends a session; 0: every event is one.
fn gap(signal: Signal) -> i64 {
    match signal.it.measure {
        Measure::Sessions { gap, .. } => gap,
        _ => 0,
    }
}

impl Account {
    /// Whether events of this life mark premium features (semantics E20).
    pub(super) fn knows_premium(&self) -> bool {
        self.life_facts(Role::FeatureUsed)
            .any(|applied| applied.event.properties.get("premium").is_some_and(Value::is_boolean))
    }

    /// Whether a premium feature was used in this life of the account (semantics E20).
    pub(super) fn has_used_premium(&self) -> bool {
        self.life_facts(Role::FeatureUsed).any(|applied| is_premium(&applied.event))
    }
}
