//! Who people and companies are: traits by their latest event time, and what running active users add up to.

use std::collections::BTreeMap;

use super::account::{Account, Flag, Latest, User};
use super::score;
use super::sighting::Sighted;
use crate::model::{Event, EventTime, Field, Place, Role};
use crate::rules::{Exclude, People, Plan, RoleSet, Segment};
use crate::wire::{
    self,
    fields::{self, Scalar},
};

/// The fields that a profile tells of a user.
const OF_USER: [Field; 6] =
    [Field::Title, Field::Role, Field::Department, Field::Seniority, Field::UseCase, Field::Email];
/// The fields that firmographics tell of an account.
const OF_COMPANY: [Field; 15] = [
    Field::Employees,
    Field::Industry,
    Field::Icp,
    Field::Target,
    Field::TechStack,
    Field::LeadScore,
    Field::Contacts,
    Field::DoNotContact,
    Field::OpenOpportunity,
    Field::Territory,
    Field::Country,
    Field::Owner,
    Field::ContractOwner,
    Field::CreatedAt,
    Field::Plan,
];
/// The fields that an event tells of a subscription.
const OF_SUBSCRIPTION: [Field; 6] = [Field::Plan, Field::Paid, Field::Seats, Field::Mrr, Field::Price, Field::Currency];

/// The value of a trait. Null takes back what was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(f64),
    Text(Box<str>),
}

/// The name of a trait: one that the engine knows, or one that only conditions name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Known(Field),
    Other(Box<str>),
}

/// What is known of a company and its subscriptions.
#[derive(Debug, Default)]
pub(super) struct Traits {
    company: BTreeMap<Key, Latest<Value>>,
    /// By id; the one without an id under the empty text (semantics D29).
    subscriptions: BTreeMap<Box<str>, Subscription>,
}

/// What is known of a subscription: each field by the latest event that states it (semantics A22).
#[derive(Debug)]
struct Subscription {
    stated: Profile,
    /// The latest event of the subscription.
    last: (EventTime, Place),
}

/// Subscriptions that are kept of an account (semantics D29).
const SUBSCRIPTIONS_MAX: usize = 100;
/// Longest id of a subscription, in bytes (semantics A29).
const ID_MAX: usize = 1_024;

/// Known fields, each with the event that stated it.
#[derive(Debug, Default)]
pub(super) struct Profile(Vec<(Field, Latest<Value>)>);

/// What an event changed.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The plan, in lower case, if the event's subscription or the account now has another one (semantics D27).
    pub(super) plan: Option<Box<str>>,
    /// Something of the company or subscription was said.
    pub(super) traits: bool,
    /// Something was said of the creation of the account.
    pub(super) created: bool,
    /// Something was said of the user.
    pub(super) profile: bool,
    /// Marketing brought a lead, the latest one known.
    pub(super) lead: bool,
}

impl Traits {
    pub(super) fn is_empty(&self) -> bool {
        self.company.is_empty() && self.subscriptions.is_empty()
    }

    fn value(&self, field: Field) -> Option<&Value> {
        self.company.get(&Key::Known(field)).map(|latest| &latest.value).filter(|value| **value != Value::Null)
    }

    pub(super) fn text(&self, field: Field) -> Option<&str> {
        match self.value(field)? {
            Value::Text(text) => Some(&**text).filter(|text| !text.trim().is_empty()),
            _ => None,
        }
    }

    pub(super) fn boolean(&self, field: Field) -> Option<bool> {
        match self.value(field)? {
            Value::Boolean(is) => Some(*is),
            _ => None,
        }
    }

    pub(super) fn number(&self, field: Field) -> Option<f64> {
        match self.value(field)? {
            Value::Number(number) => Some(*number),
            Value::Text(text) => lower_end(text),
            _ => None,
        }
    }

    pub(super) fn instant(&self, field: Field) -> Option<EventTime> {
        self.number(field).and_then(|ms| EventTime::new(ms as i64))
    }

    /// A trait that only conditions name.
    pub(super) fn other(&self, name: &str) -> Option<&Value> {
        self.company.get(&Key::Other(name.into())).map(|latest| &latest.value).filter(|value| **value != Value::Null)
    }

    /// Employees: enrichment before what users say (semantics E19).
    pub(super) fn employees(&self) -> Option<f64> {
        self.number(Field::Employees).or_else(|| self.number(Field::CompanySize))
    }

    /// Whether any subscription is paid; unknown where none says so (semantics D19, D29).
    pub(super) fn paid(&self) -> Option<bool> {
        self.subscriptions.values().filter_map(Subscription::paid).reduce(|any, paid| any || paid)
    }

    /// Revenue a month in USD: that of all paid subscriptions, unknown if that of one is (semantics D29, F8); unknown
    /// where no subscription is known.
    pub(super) fn mrr(&self, rates: &BTreeMap<String, f64>) -> Option<f64> {
        if self.subscriptions.is_empty() {
            return None;
        }
        let mut paid = self.subscriptions.values().filter(|subscription| subscription.is_paid());
        paid.try_fold(0.0, |sum, subscription| Some(sum + subscription.mrr(rates)?)).filter(|sum| sum.is_finite())
    }

    /// The subscription that stands for the account: of the paid ones the one with the largest MRR, unknown below all
    /// others, the smallest id where several have it; if none is paid, that of the latest event (semantics D29).
    fn leading(&self, rates: &BTreeMap<String, f64>) -> Option<(&str, &Subscription)> {
        let worth = |subscription: &Subscription| subscription.mrr(rates).unwrap_or(f64::NEG_INFINITY);
        let all = || self.subscriptions.iter().map(|(id, subscription)| (&**id, subscription));
        all()
            .filter(|(_, subscription)| subscription.is_paid())
            .reduce(|best, next| if worth(next.1) > worth(best.1) { next } else { best })
            .or_else(|| all().max_by_key(|(_, subscription)| subscription.last))
    }

    /// The plan, in lower case: that of the leading subscription, or the account's own trait where that is later than
    /// every plan that a subscription states.
    pub(super) fn plan(&self, rates: &BTreeMap<String, f64>) -> Option<&str> {
        self.plan_trait()
            .or_else(|| self.leading(rates)?.1.stated.text(Field::Plan))
            .filter(|plan| !plan.trim().is_empty())
    }

    /// The trait that names the plan, where it is not null and later than every plan that a subscription states.
    fn plan_trait(&self) -> Option<&str> {
        let latest = self.company.get(&Key::Known(Field::Plan))?;
        let stated = self.subscriptions.values().filter_map(|it| it.stated.said(Field::Plan)).max();
        match &latest.value {
            Value::Text(text) if stated.is_none_or(|stated| stated < latest.said()) => Some(text),
            _ => None,
        }
    }

    /// Paid seats of the leading subscription.
    pub(super) fn seats(&self, rates: &BTreeMap<String, f64>) -> Option<f64> {
        self.leading(rates)?.1.stated.number(Field::Seats)
    }

    /// Seats × price × 12 of the leading subscription in USD, if both are known.
    pub(super) fn seats_worth(&self, rates: &BTreeMap<String, f64>) -> Option<f64> {
        let (_, leading) = self.leading(rates)?;
        let worth = leading.stated.number(Field::Seats)? * leading.stated.number(Field::Price)? * 12.0;
        leading.in_usd(worth, rates)
    }

    /// Takes what an event states of a subscription; returns whether anything is now different, and the plan if that is.
    fn take_subscription(
        &mut self,
        id: &str,
        stated: Vec<(Field, Value)>,
        when: (EventTime, Place),
        rates: &BTreeMap<String, f64>,
    ) -> (bool, Option<Box<str>>) {
        let own = |text: &str| Box::<str>::from(text);
        let as_told = |it: &Traits| (it.leading(rates).map(|(id, _)| own(id)), it.plan(rates).map(own));
        let (known_plan, before) = (self.plan_trait().map(own), as_told(self));
        let new = || Subscription { stated: Profile::default(), last: when };
        let subscription = self.subscriptions.entry(id.into()).or_insert_with(new);
        subscription.last = subscription.last.max(when);
        let (mut changed, mut plan) = (false, None);
        for (field, value) in stated {
            if subscription.stated.take(field, value, when) {
                changed = true;
                plan = plan.or((field == Field::Plan).then(|| subscription.stated.text(field).map(own)).flatten());
            }
        }
        if self.subscriptions.len() > SUBSCRIPTIONS_MAX {
            let oldest = self.subscriptions.iter().min_by_key(|(_, it)| (it.is_paid(), it.last));
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.subscriptions.remove(&id);
            }
        }
        (changed || as_told(self) != before, plan.filter(|plan| known_plan.as_ref() != Some(plan)))
    }

    /// Takes a value unless a later one is known; returns whether it is now another one.
    fn take(&mut self, key: Key, value: Value, said: (EventTime, Place)) -> bool {
        use std::collections::btree_map::Entry;
        match self.company.entry(key) {
            Entry::Vacant(entry) => {
                let is_new = value != Value::Null;
                entry.insert(Latest::new(value, said));
                is_new
            }
            Entry::Occupied(mut entry) => entry.get_mut().replace(value, said),
        }
    }
}

/// An amount in USD, which is the currency where none is said; unknown in one without a rate (semantics F8), and where
/// it is more than a number can tell.
pub(super) fn in_usd(amount: f64, currency: Option<&str>, rates: &BTreeMap<String, f64>) -> Option<f64> {
    let rate = match currency.map(str::trim) {
        None => 1.0,
        Some(code) if code.eq_ignore_ascii_case("usd") => 1.0,
        Some(code) => *rates.get(&code.to_uppercase())?,
    };
    Some(amount * rate).filter(|amount| amount.is_finite())
}

/// A size like "51-200" is read by its lower end (semantics E19).
fn lower_end(text: &str) -> Option<f64> {
    let digits: String = text
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

impl Subscription {
    fn paid(&self) -> Option<bool> {
        match self.stated.value(Field::Paid)? {
            Value::Boolean(is) => Some(*is),
            _ => None,
        }
    }

    fn is_paid(&self) -> bool {
        self.paid() == Some(true)
    }

    /// Revenue a month in USD.
    fn mrr(&self, rates: &BTreeMap<String, f64>) -> Option<f64> {
        self.in_usd(self.stated.number(Field::Mrr)?, rates)
    }

    fn in_usd(&self, amount: f64, rates: &BTreeMap<String, f64>) -> Option<f64> {
        in_usd(amount, self.stated.text(Field::Currency).filter(|code| !code.trim().is_empty()), rates)
    }
}

impl Profile {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn value(&self, field: Field) -> Option<&Value> {
        Some(&self.0.iter().find(|known| known.0 == field)?.1.value)
    }

    /// The event that stated a field last, null or not.
    fn said(&self, field: Field) -> Option<(EventTime, Place)> {
        Some(self.0.iter().find(|known| known.0 == field)?.1.said())
    }

    pub(super) fn text(&self, field: Field) -> Option<&str> {
        match self.value(field)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self, field: Field) -> Option<f64> {
        match self.value(field)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn take(&mut self, field: Field, value: Value, said: (EventTime, Place)) -> bool {
        match self.0.iter_mut().find(|known| known.0 == field) {
            Some((_, latest)) => latest.replace(value, said),
            None => {
                self.0.push((field, Latest::new(value, said)));
                true
            }
        }
    }

    /// The department: trimmed, in lower case, by the name that the rules give it (semantics E12).
    pub(super) fn department(&self, people: &People) -> Option<Box<str>> {
        let name = self.text(Field::Department)?.trim().to_lowercase();
        let name = people.departments.get(&name).cloned().unwrap_or(name);
        (!name.is_empty()).then(|| name.into())
    }

    /// The host of the e-mail address, if it is a company's (semantics E11).
    pub(super) fn domain(&self, people: &People) -> Option<Box<str>> {
        let host = host(self.text(Field::Email)?)?;
        (!people.free_mail.contains(&host)).then(|| host.into())
    }

    /// Whether the user does not count by the host of the e-mail address (semantics A34).
    pub(super) fn is_excluded(&self, exclude: &Exclude) -> bool {
        exclude.has_hosts() && self.text(Field::Email).and_then(host).is_some_and(|host| exclude.has_host(&host))
    }

    /// An executive title, or a role in the product that only those have (semantics E14).
    pub(super) fn is_executive(&self, people: &People) -> bool {
        let role = self.text(Field::Role).map(|role| role.trim().to_lowercase());
        role.is_some_and(|role| people.executive_roles.contains(&role))
            || self.text(Field::Title).is_some_and(|title| has_words(title, &people.executive_titles))
    }

    fn is_buyer(&self, people: &People) -> bool {
        [Field::Title, Field::Seniority]
            .into_iter()
            .filter_map(|field| self.text(field))
            .any(|title| has_words(title, &people.buyer_titles))
    }
}

/// The host of an e-mail address, in lower case.
fn host(address: &str) -> Option<String> {
    Some(address.rsplit_once('@')?.1.trim().to_lowercase()).filter(|host| !host.is_empty())
}

/// Whether an event states an e-mail address of its user, and that it is of somebody who does not count; none where it
/// states no address.
pub(super) fn states_excluded(plan: &Plan, roles: &RoleSet, event: &Event<'_>) -> Option<bool> {
    if !roles.has(Role::Profile) {
        return None;
    }
    let address = plan.roles.text(roles, Role::Profile, Field::Email, event)?;
    Some(host(&address).is_some_and(|host| plan.exclude.has_host(&host)))
}

/// Whether a text holds the words of any phrase, one after the other.
fn has_words(text: &str, phrases: &[Vec<String>]) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    phrases.iter().any(|phrase| words.windows(phrase.len().max(1)).any(|window| window == &phrase[..]))
}

/// The value that an event gives to a field of a role, if it says anything of it.
fn said(plan: &Plan, roles: &RoleSet, role: Role, field: Field, event: &Event<'_>) -> Option<Value> {
    let table = &plan.roles;
    if table.is_null(roles, role, field, event) {
        return Some(Value::Null);
    }
    let text = || table.text(roles, role, field, event).map(|text| Value::Text(text.as_ref().into()));
    let number = || table.number(roles, role, field, event).filter(|number| number.is_finite()).map(Value::Number);
    match field {
        Field::Paid | Field::Icp | Field::Target | Field::DoNotContact | Field::OpenOpportunity => {
            table.boolean(roles, role, field, event).map(Value::Boolean)
        }
        Field::Seats | Field::Mrr | Field::Price | Field::LeadScore => number(),
        Field::Employees | Field::CompanySize => number().or_else(text),
        Field::CreatedAt => created_at(number(), text()),
        Field::TechStack | Field::Contacts => {
            table.words(roles, role, field, event).map(|words| Value::Text(words.as_ref().into()))
        }
        _ => text(),
    }
}

/// When the product says that the account was created: RFC 3339, or seconds or milliseconds since 1970.
fn created_at(number: Option<Value>, text: Option<Value>) -> Option<Value> {
    /// Later as seconds than any account, earlier as milliseconds: 1973-03-03.
    const SECONDS_MAX: f64 = 1e11;
    let time = match (number, text) {
        (Some(Value::Number(number)), _) => {
            EventTime::new(libm::floor(if number.abs() < SECONDS_MAX { number * 1_000.0 } else { number }) as i64)
        }
        (_, Some(Value::Text(text))) => wire::instant(&text),
        _ => None,
    };
    time.map(|time| Value::Number(time.0 as f64))
}

/// Takes what an event says of its account and user for good, by event time (semantics A22).
pub(super) fn take(plan: &Plan, account: &mut Account, user: Option<u32>, it: &Sighted<'_>) -> Taken {
    let Sighted { event, roles, place, .. } = it;
    let mut taken = Taken::default();
    let (when, rates) = ((event.time, *place), &plan.money.rates);
    if roles.has(Role::SubscriptionChanged) {
        let id = plan.roles.text(roles, Role::SubscriptionChanged, Field::SubscriptionId, event);
        let id = id.filter(|id| id.len() <= ID_MAX).unwrap_or_default();
        let stated = OF_SUBSCRIPTION.iter().filter_map(|&field| {
            let value = said(plan, roles, Role::SubscriptionChanged, field, event)?;
            // Only a boolean says whether it is paid (semantics D19).
            (field != Field::Paid || value != Value::Null).then(|| (field, lower(field, value)))
        });
        let (changed, to) = account.rare().traits.take_subscription(&id, stated.collect(), when, rates);
        taken.traits |= changed;
        taken.plan = to;
    }
    for &field in OF_COMPANY.iter().filter(|_| roles.has(Role::Firmographics)) {
        let Some(value) = said(plan, roles, Role::Firmographics, field, event) else { continue };
        let traits = &mut account.rare().traits;
        let before = (field == Field::Plan).then(|| traits.plan(rates).map(Box::<str>::from));
        let changed = traits.take(Key::Known(field), lower(field, value), when);
        taken.traits |= changed;
        taken.created |= changed && field == Field::CreatedAt;
        if let Some(before) = before {
            taken.traits |= traits.plan(rates) != before.as_deref();
            taken.plan = traits.plan_trait().filter(|plan| Some(*plan) != before.as_deref()).map(Box::from);
        }
    }
    if roles.has(Role::Firmographics) {
        for name in &plan.traits {
            if let Some(value) = raw(event, name) {
                taken.traits |= account.rare().traits.take(Key::Other(name.as_str().into()), value, when);
            }
        }
    }
    // An opportunity is open from its creation until it is won or lost, unless the CRM says otherwise later (rail 7).
    let closed = roles.has(Role::DealWon) || roles.has(Role::DealLost);
    if closed || roles.has(Role::OpportunityCreated) {
        taken.traits |= account.rare().traits.take(Key::Known(Field::OpenOpportunity), Value::Boolean(!closed), when);
    }
    if let Some(user) = user.filter(|_| roles.has(Role::Profile)) {
        // What users say of the company they are at (semantics E19).
        if let Some(value) = said(plan, roles, Role::Profile, Field::CompanySize, event) {
            taken.traits |= account.rare().traits.take(Key::Known(Field::CompanySize), value, when);
        }
        taken.profile = take_profile(plan, account, user, roles, event, when);
    }
    if roles.has(Role::MqlCreated) {
        let mql = &mut account.rare().life.mql;
        taken.lead = mql.is_none_or(|known| known < event.time);
        *mql = (*mql).max(Some(event.time));
    }
    taken
}

/// Plans are compared and published in lower case.
fn lower(field: Field, value: Value) -> Value {
    match value {
        Value::Text(text) if field == Field::Plan => Value::Text(text.to_lowercase().into()),
        other => other,
    }
}

/// A trait that no field is for, where the fields of the event stand too.
fn raw(event: &Event<'_>, name: &str) -> Option<Value> {
    match fields::value(event.told(), name)? {
        Scalar::Null => Some(Value::Null),
        Scalar::Boolean(is) => Some(Value::Boolean(is)),
        Scalar::Number(number, _) => Some(Value::Number(number)).filter(|_| number.is_finite()),
        Scalar::Text(text) => Some(Value::Text(text.as_ref().into())),
        Scalar::Nested(_) => None,
    }
}

/// A user who runs is counted by the old profile no longer, and by the new one.
fn take_profile(
    plan: &Plan,
    account: &mut Account,
    user: u32,
    roles: &RoleSet,
    event: &Event<'_>,
    when: (EventTime, Place),
) -> bool {
    let news: Vec<(Field, Value)> = OF_USER
        .into_iter()
        .filter_map(|field| said(plan, roles, Role::Profile, field, event).map(|value| (field, value)))
        .collect();
    if news.is_empty() {
        return false;
    }
    let runs = account.users.get(user).word.is(Flag::Running);
    if runs {
        count(plan, account, user, false);
    }
    let profile = &mut account.users.get_mut(user).more().profile;
    for (field, value) in news {
        profile.take(field, value, when);
    }
    if runs {
        count(plan, account, user, true);
    }
    true
}

/// A user is among the running active ones now (semantics C2).
pub(super) fn enter(plan: &Plan, account: &mut Account, user: u32) {
    let state = account.users.get_mut(user);
    if state.word.is(Flag::Running) {
        return;
    }
    state.word.set(Flag::Running, true);
    account.active_users += 1;
    account.user_points += score::contribution(plan, state.word);
    count(plan, account, user, true);
}

/// A user is among the running active ones no longer.
pub(super) fn leave(plan: &Plan, account: &mut Account, user: u32) {
    let state = account.users.get_mut(user);
    if !state.word.is(Flag::Running) {
        return;
    }
    state.word.set(Flag::Running, false);
    account.active_users -= 1;
    account.user_points -= score::contribution(plan, state.word);
    count(plan, account, user, false);
}

/// Counts a running user's department, e-mail host and rank in or out.
fn count(plan: &Plan, account: &mut Account, user: u32, is_in: bool) {
    let people = &plan.people;
    let Some(profile) = account.users.get(user).more.as_ref().map(|more| &more.profile) else { return };
    if profile.0.is_empty() {
        return;
    }
    let (department, domain) = (profile.department(people), profile.domain(people));
    let executive = profile.is_executive(people);
    let rare = account.rare();
    for (counts, name) in [(&mut rare.departments, department), (&mut rare.domains, domain)] {
        let Some(name) = name else { continue };
        if is_in {
            *counts.entry(name).or_insert(0) += 1;
            continue;
        }
        let Some(count) = counts.get_mut(&name) else { unreachable!("a running user is counted") };
        *count -= 1;
        if *count == 0 {
            counts.remove(&name);
        }
    }
    if executive {
        rare.executives = if is_in { rare.executives + 1 } else { rare.executives - 1 };
    }
}

/// The size class of an account (semantics D23, E19).
pub(super) fn segment<'a>(plan: &'a Plan, account: &Account) -> &'a Segment {
    let employees = account.traits().and_then(Traits::employees);
    let place = employees.map_or(0, |size| plan.segments.iter().rposition(|it| size >= it.employees).unwrap_or(0));
    &plan.segments[place]
}

/// Whether a user may decide a purchase (semantics E18).
pub(super) fn is_buyer(plan: &Plan, account: &Account, user: &User) -> bool {
    let more = user.more.as_ref();
    user.exists()
        && (more.is_some_and(|more| more.acted || more.profile.is_buyer(&plan.people))
            || (account.users_ever == 1 && segment(plan, account).only_user_buys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_compared_word_by_word() {
        let phrases = [vec!["vp".to_owned()], vec!["vice".to_owned(), "president".to_owned()]];
        assert!(has_words("VP, Engineering", &phrases));
        assert!(has_words("Senior Vice-President", &phrases));
        assert!(!has_words("MVP owner", &phrases));
        assert!(!has_words("vice and president", &phrases));
        assert!(!has_words("", &phrases));
    }

    const PAID: Value = Value::Boolean(true);

    /// Takes what an event of an hour states of a subscription; returns the plan if that is news.
    fn state(traits: &mut Traits, hour: i64, id: &str, stated: &[(Field, Value)]) -> Option<Box<str>> {
        let when = (EventTime(hour), Place { offset: hour, index: 0 });
        traits.take_subscription(id, stated.to_vec(), when, &BTreeMap::new()).1
    }

    fn plan(name: &str) -> (Field, Value) {
        (Field::Plan, Value::Text(name.into()))
    }

    fn mrr(amount: f64) -> (Field, Value) {
        (Field::Mrr, Value::Number(amount))
    }

    /// Paid, revenue and plan.
    fn told(traits: &Traits) -> (Option<bool>, Option<f64>, Option<&str>) {
        (traits.paid(), traits.mrr(&BTreeMap::new()), traits.plan(&BTreeMap::new()))
    }

    #[test]
    fn subscriptions_add_up_and_the_largest_names_the_plan() {
        let mut traits = Traits::default();
        assert_eq!(told(&traits), (None, None, None));
        state(&mut traits, 1, "b", &[(Field::Paid, PAID), plan("team"), mrr(100.0)]);
        state(&mut traits, 2, "c", &[(Field::Paid, PAID), plan("support"), mrr(20.0)]);
        assert_eq!(told(&traits), (Some(true), Some(120.0), Some("team")));
        state(&mut traits, 3, "c", &[mrr(100.0)]);
        assert_eq!(told(&traits).2, Some("team"), "of equal ones the first id");
        state(&mut traits, 4, "a", &[(Field::Paid, PAID), plan("metered")]);
        assert_eq!(told(&traits), (Some(true), None, Some("team")), "unknown below known ones");
        for (hour, id) in [(5, "a"), (6, "c"), (7, "b")] {
            state(&mut traits, hour, id, &[(Field::Paid, Value::Boolean(false))]);
        }
        assert_eq!(told(&traits), (Some(false), Some(0.0), Some("team")), "that of the latest event");
        state(&mut traits, 8, "c", &[]);
        assert_eq!(told(&traits).2, Some("support"));
    }

    #[test]
    fn each_subscription_is_known_by_its_latest_event() {
        let mut traits = Traits::default();
        state(&mut traits, 3, "a", &[(Field::Paid, Value::Boolean(false))]);
        state(&mut traits, 2, "a", &[(Field::Paid, PAID), mrr(50.0)]);
        assert_eq!(told(&traits), (Some(false), Some(0.0), None));
        state(&mut traits, 1, "b", &[(Field::Paid, PAID), mrr(70.0)]);
        state(&mut traits, 4, "b", &[plan("pro")]);
        assert_eq!(told(&traits), (Some(true), Some(70.0), Some("pro")), "what it does not state is as it was");
        state(&mut traits, 5, "b", &[(Field::Mrr, Value::Null)]);
        assert_eq!(told(&traits).1, None);
    }

    #[test]
    fn a_plan_is_news_where_it_is_that_of_its_subscription_for_the_first_time() {
        let mut traits = Traits::default();
        assert_eq!(state(&mut traits, 1, "a", &[plan("enterprise")]).as_deref(), Some("enterprise"));
        assert_eq!(state(&mut traits, 2, "a", &[plan("enterprise")]), None);
        assert_eq!(state(&mut traits, 3, "b", &[plan("enterprise")]).as_deref(), Some("enterprise"));
        let at = |hour| (EventTime(hour), Place { offset: hour, index: 0 });
        traits.take(Key::Known(Field::Plan), Value::Text("enterprise".into()), at(4));
        assert_eq!(state(&mut traits, 5, "c", &[plan("enterprise")]), None, "the account was said to have it");
        traits.take(Key::Known(Field::Plan), Value::Text("free".into()), at(6));
        assert_eq!(told(&traits).2, Some("free"), "the later word");
    }

    #[test]
    fn of_many_subscriptions_the_oldest_unpaid_go_first() {
        let mut traits = Traits::default();
        state(&mut traits, 0, "paid", &[(Field::Paid, PAID), mrr(1.0)]);
        for hour in 1..=150 {
            state(&mut traits, hour, &format!("{hour:03}"), &[(Field::Paid, Value::Boolean(false))]);
        }
        assert_eq!(traits.subscriptions.len(), SUBSCRIPTIONS_MAX);
        assert!(traits.subscriptions.contains_key("paid") && traits.subscriptions.contains_key("052"));
        assert!(!traits.subscriptions.contains_key("051"));
    }

    #[test]
    fn a_range_is_read_by_its_lower_end() {
        assert_eq!(lower_end("51-200"), Some(51.0));
        assert_eq!(lower_end("1,001+"), Some(1_001.0));
        assert_eq!(lower_end("> 500"), Some(500.0));
        assert_eq!(lower_end("many"), None);
    }
}
