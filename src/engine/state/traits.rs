//! Traits of companies and people: the value of each with the latest event time (semantics A22).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{EventTime, Field, Place};
use crate::rules::{Exclude, People};

/// The value of a trait, and the event that stated it: the latest event time wins (semantics A22).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::engine) struct Latest<T> {
    pub(in crate::engine) value: T,
    stated_at: (EventTime, Place),
}

impl<T: PartialEq> Latest<T> {
    pub(in crate::engine) fn new(value: T, stated_at: (EventTime, Place)) -> Latest<T> {
        Latest { value, stated_at }
    }

    /// The event that stated it.
    pub(in crate::engine) fn stated_at(&self) -> (EventTime, Place) {
        self.stated_at
    }

    /// Takes a value unless a later one is known; returns whether it is now another one.
    pub(in crate::engine) fn replace(&mut self, value: T, stated_at: (EventTime, Place)) -> bool {
        if self.stated_at > stated_at {
            return false;
        }
        self.stated_at = stated_at;
        let changed = self.value != value;
        self.value = value;
        changed
    }
}

/// The value of a trait. Null withdraws it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::engine) enum Value {
    Null,
    Boolean(bool),
    Number(f64),
    Text(Box<str>),
}

/// The name of a trait: one that the engine knows, or one that only conditions name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::engine) enum Key {
    Known(Field),
    Other(Box<str>),
}

/// What is known of a company and its subscriptions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Traits {
    company: BTreeMap<Key, Latest<Value>>,
    /// By id; the one without an id under the empty text (semantics D29).
    subscriptions: BTreeMap<Box<str>, Subscription>,
}

/// What is known of a subscription: each field by the latest event that states it (semantics A22).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Subscription {
    stated: Profile,
    /// The latest event of the subscription.
    last: (EventTime, Place),
}

/// Subscriptions that are kept of an account (semantics D29).
const SUBSCRIPTIONS_MAX: usize = 100;
/// Longest id of a subscription, in bytes (semantics A29).
pub(in crate::engine) const ID_MAX: usize = 1_024;

/// Known fields, each with the event that stated it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Profile(Vec<(Field, Latest<Value>)>);

impl Traits {
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.company.is_empty() && self.subscriptions.is_empty()
    }

    fn value(&self, field: Field) -> Option<&Value> {
        self.company.get(&Key::Known(field)).map(|latest| &latest.value).filter(|value| **value != Value::Null)
    }

    pub(in crate::engine) fn text(&self, field: Field) -> Option<&str> {
        match self.value(field)? {
            Value::Text(text) => Some(&**text).filter(|text| !text.trim().is_empty()),
            _ => None,
        }
    }

    pub(in crate::engine) fn boolean(&self, field: Field) -> Option<bool> {
        match self.value(field)? {
            Value::Boolean(is) => Some(*is),
            _ => None,
        }
    }

    pub(in crate::engine) fn number(&self, field: Field) -> Option<f64> {
        match self.value(field)? {
            Value::Number(number) => Some(*number),
            Value::Text(text) => lower_end(text),
            _ => None,
        }
    }

    pub(in crate::engine) fn instant(&self, field: Field) -> Option<EventTime> {
        self.number(field).and_then(|ms| EventTime::new(ms as i64))
    }

    /// A trait that only conditions name.
    pub(in crate::engine) fn other(&self, name: &str) -> Option<&Value> {
        let is = |key: &Key| matches!(key, Key::Other(other) if **other == *name);
        let (_, latest) = self.company.iter().find(|(key, _)| is(key))?;
        Some(&latest.value).filter(|value| **value != Value::Null)
    }

    /// Employees: enrichment before what users say (semantics E19).
    pub(in crate::engine) fn employees(&self) -> Option<f64> {
        self.number(Field::Employees).or_else(|| self.number(Field::CompanySize))
    }

    /// Whether any subscription is paid; unknown where none says so (semantics D19, D29).
    pub(in crate::engine) fn paid(&self) -> Option<bool> {
        self.subscriptions.values().filter_map(Subscription::paid).reduce(|any, paid| any || paid)
    }

    /// Revenue a month in USD: that of all paid subscriptions, unknown if that of one is (semantics D29, F8); unknown where
    /// no subscription is known.
    pub(in crate::engine) fn mrr(&self, rates: &BTreeMap<String, f64>) -> Option<f64> {
        if self.subscriptions.is_empty() {
            return None;
        }
        let mut paid = self.subscriptions.values().filter(|subscription| subscription.is_paid());
        paid.try_fold(0.0, |sum, subscription| Some(sum + subscription.mrr(rates)?)).filter(|sum| sum.is_finite())
    }

    /// The leading subscription of the account: of the paid ones the one with the largest MRR, unknown below all
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
    pub(in crate::engine) fn plan(&self, rates: &BTreeMap<String, f64>) -> Option<&str> {
        self.plan_trait()
            .or_else(|| self.leading(rates)?.1.stated.text(Field::Plan))
            .filter(|plan| !plan.trim().is_empty())
    }

    /// The trait that names the plan, where it is not null and later than every plan that a subscription states.
    pub(in crate::engine) fn plan_trait(&self) -> Option<&str> {
        let latest = self.company.get(&Key::Known(Field::Plan))?;
        let stated = self.subscriptions.values().filter_map(|it| it.stated.stated_at(Field::Plan)).max();
        match &latest.value {
            Value::Text(text) if stated.is_none_or(|stated| stated < latest.stated_at()) => Some(text),
            _ => None,
        }
    }

    /// Paid seats of the leading subscription.
    pub(in crate::engine) fn seats(&self, rates: &BTreeMap<String, f64>) -> Option<f64> {
        self.leading(rates)?.1.stated.number(Field::Seats)
    }

    /// Seats × price × 12 of the leading subscription in USD, if both are known.
    pub(in crate::engine) fn seats_worth(&self, rates: &BTreeMap<String, f64>) -> Option<f64> {
        let (_, leading) = self.leading(rates)?;
        let worth = leading.stated.number(Field::Seats)? * leading.stated.number(Field::Price)? * 12.0;
        leading.in_usd(worth, rates)
    }

    /// Takes what an event states of a subscription; returns whether anything is now different, and the plan if that is.
    pub(in crate::engine) fn take_subscription(
        &mut self,
        id: &str,
        stated: Vec<(Field, Value)>,
        when: (EventTime, Place),
        rates: &BTreeMap<String, f64>,
    ) -> (bool, Option<Box<str>>) {
        let own = |text: &str| Box::<str>::from(text);
        let as_published = |it: &Traits| (it.leading(rates).map(|(id, _)| own(id)), it.plan(rates).map(own));
        let (known_plan, before) = (self.plan_trait().map(own), as_published(self));
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
        (changed || as_published(self) != before, plan.filter(|plan| known_plan.as_ref() != Some(plan)))
    }

    /// Takes a value unless a later one is known; returns whether it is now another one.
    pub(in crate::engine) fn take(&mut self, key: Key, value: Value, stated_at: (EventTime, Place)) -> bool {
        use std::collections::btree_map::Entry;
        match self.company.entry(key) {
            Entry::Vacant(entry) => {
                let is_new = value != Value::Null;
                entry.insert(Latest::new(value, stated_at));
                is_new
            }
            Entry::Occupied(mut entry) => entry.get_mut().replace(value, stated_at),
        }
    }
}

/// An amount in USD, which is the currency if none is stated. Unknown in a currency without a rate (semantics F8), and if
/// it is out of range.
pub(in crate::engine) fn in_usd(amount: f64, currency: Option<&str>, rates: &BTreeMap<String, f64>) -> Option<f64> {
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
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn value(&self, field: Field) -> Option<&Value> {
        Some(&self.0.iter().find(|known| known.0 == field)?.1.value)
    }

    /// The event that stated a field last, null or not.
    fn stated_at(&self, field: Field) -> Option<(EventTime, Place)> {
        Some(self.0.iter().find(|known| known.0 == field)?.1.stated_at())
    }

    pub(in crate::engine) fn text(&self, field: Field) -> Option<&str> {
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

    pub(in crate::engine) fn take(&mut self, field: Field, value: Value, stated_at: (EventTime, Place)) -> bool {
        match self.0.iter_mut().find(|known| known.0 == field) {
            Some((_, latest)) => latest.replace(value, stated_at),
            None => {
                let is_new = value != Value::Null;
                self.0.push((field, Latest::new(value, stated_at)));
                is_new
            }
        }
    }

    /// The department: trimmed, in lower case, by the name that the rules give it (semantics E12).
    pub(in crate::engine) fn department(&self, people: &People) -> Option<Box<str>> {
        let name = self.text(Field::Department)?.trim().to_lowercase();
        let name = people.departments.get(&name).cloned().unwrap_or(name);
        (!name.is_empty()).then(|| name.into())
    }

    /// The host of the e-mail address, if it is a company's (semantics E11).
    pub(in crate::engine) fn domain(&self, people: &People) -> Option<Box<str>> {
        let host = host(self.text(Field::Email)?)?;
        (!people.free_mail.contains(&host)).then(|| host.into())
    }

    /// Whether the user is excluded by the host of the e-mail address (semantics A34).
    pub(in crate::engine) fn is_excluded(&self, exclude: &Exclude) -> bool {
        exclude.has_hosts() && self.text(Field::Email).and_then(host).is_some_and(|host| exclude.has_host(&host))
    }

    /// An executive title, or a role in the product that only those have (semantics E14).
    pub(in crate::engine) fn is_executive(&self, people: &People) -> bool {
        let role = self.text(Field::Role).map(|role| role.trim().to_lowercase());
        role.is_some_and(|role| people.executive_roles.contains(&role))
            || self.text(Field::Title).is_some_and(|title| has_words(title, &people.executive_titles))
    }

    pub(in crate::engine) fn is_buyer(&self, people: &People) -> bool {
        [Field::Title, Field::Seniority]
            .into_iter()
            .filter_map(|field| self.text(field))
            .any(|title| has_words(title, &people.buyer_titles))
    }
}

/// The host of an e-mail address, in lower case.
pub(in crate::engine) fn host(address: &str) -> Option<String> {
    Some(address.rsplit_once('@')?.1.trim().to_lowercase()).filter(|host| !host.is_empty())
}

/// Whether a text holds the words of any phrase, one after the other.
fn has_words(text: &str, phrases: &[Vec<String>]) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    phrases.iter().any(|phrase| words.windows(phrase.len().max(1)).any(|window| window == &phrase[..]))
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

    /// Takes what an event of an hour states of a subscription; returns the plan if it changed.
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
    fn money_of(traits: &Traits) -> (Option<bool>, Option<f64>, Option<&str>) {
        (traits.paid(), traits.mrr(&BTreeMap::new()), traits.plan(&BTreeMap::new()))
    }

    #[test]
    fn subscriptions_add_up_and_the_largest_names_the_plan() {
        let mut traits = Traits::default();
        assert_eq!(money_of(&traits), (None, None, None));
        state(&mut traits, 1, "b", &[(Field::Paid, PAID), plan("team"), mrr(100.0)]);
        state(&mut traits, 2, "c", &[(Field::Paid, PAID), plan("support"), mrr(20.0)]);
        assert_eq!(money_of(&traits), (Some(true), Some(120.0), Some("team")));
        state(&mut traits, 3, "c", &[mrr(100.0)]);
        assert_eq!(money_of(&traits).2, Some("team"), "of equal ones the first id");
        state(&mut traits, 4, "a", &[(Field::Paid, PAID), plan("metered")]);
        assert_eq!(money_of(&traits), (Some(true), None, Some("team")), "unknown below known ones");
        for (hour, id) in [(5, "a"), (6, "c"), (7, "b")] {
            state(&mut traits, hour, id, &[(Field::Paid, Value::Boolean(false))]);
        }
        assert_eq!(money_of(&traits), (Some(false), Some(0.0), Some("team")), "that of the latest event");
        state(&mut traits, 8, "c", &[]);
        assert_eq!(money_of(&traits).2, Some("support"));
    }

    #[test]
    fn each_subscription_is_known_by_its_latest_event() {
        let mut traits = Traits::default();
        state(&mut traits, 3, "a", &[(Field::Paid, Value::Boolean(false))]);
        state(&mut traits, 2, "a", &[(Field::Paid, PAID), mrr(50.0)]);
        assert_eq!(money_of(&traits), (Some(false), Some(0.0), None));
        state(&mut traits, 1, "b", &[(Field::Paid, PAID), mrr(70.0)]);
        state(&mut traits, 4, "b", &[plan("pro")]);
        assert_eq!(money_of(&traits), (Some(true), Some(70.0), Some("pro")), "what it does not state is as it was");
        state(&mut traits, 5, "b", &[(Field::Mrr, Value::Null)]);
        assert_eq!(money_of(&traits).1, None);
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
        assert_eq!(money_of(&traits).2, Some("free"), "the later word");
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
