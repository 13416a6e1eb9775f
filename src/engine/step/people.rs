//! Applies traits of users and accounts, each by its latest event time, and updates the counts of running active users.

use super::delta::Step;
use crate::engine::context::MatchedEvent;
use crate::engine::figures::{people, points};
use crate::engine::state::Account;
use crate::engine::state::traits::{ID_MAX, Key, Traits, Value, host};
use crate::engine::state::word::Flag;
use crate::model::{Event, EventTime, Field, Place, Role};
use crate::rules::{Plan, RoleSet};
use crate::wire::{
    self,
    fields::{self, Scalar},
};

/// The fields of a profile of a user.
const OF_USER: [Field; 6] =
    [Field::Title, Field::Role, Field::Department, Field::Seniority, Field::UseCase, Field::Email];
/// The fields of firmographics of an account.
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
/// The fields of an event about a subscription.
const OF_SUBSCRIPTION: [Field; 6] = [Field::Plan, Field::Paid, Field::Seats, Field::Mrr, Field::Price, Field::Currency];

/// What an event changed.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The plan, in lower case, if the event's subscription or the account now has another one (semantics D27).
    pub(super) plan: Option<Box<str>>,
    /// A trait of the company or a subscription was stated.
    pub(super) traits: bool,
    /// A trait of the company changed, or whether it pays did.
    pub(super) company: bool,
    /// The plan that profiles show changed.
    pub(super) shown_plan: bool,
    /// When the account was created was stated.
    pub(super) created: bool,
    /// A trait of the user was stated.
    pub(super) profile: bool,
}

/// Whether the e-mail address that an event states of its user excludes the user; none if it states no address.
pub(in crate::engine) fn states_excluded(plan: &Plan, roles: &RoleSet, event: &Event<'_>) -> Option<bool> {
    if !roles.has(Role::Profile) {
        return None;
    }
    let address = plan.roles.text(roles, Role::Profile, Field::Email, event)?;
    Some(host(&address).is_some_and(|host| plan.exclude.has_host(&host)))
}

/// The value that an event gives to a field of a role, if it says anything of it.
fn stated(plan: &Plan, roles: &RoleSet, role: Role, field: Field, event: &Event<'_>) -> Option<Value> {
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

/// Applies the traits, subscriptions, leads and outcomes that an event states, by event time (semantics A22).
pub(super) fn take(plan: &Plan, account: &mut Account<'_>, user: Option<u32>, it: &MatchedEvent<'_>) -> Taken {
    let MatchedEvent { event, roles, place, .. } = it;
    let mut taken = Taken::default();
    let (when, rates) = ((event.time, *place), &plan.money.rates);
    let states_plan = roles.has(Role::SubscriptionChanged) || roles.has(Role::Firmographics);
    let pays = |account: &Account<'_>| {
        let plan_of = |traits: &Traits| (traits.plan(rates).map(Box::<str>::from), traits.paid());
        account.traits().filter(|_| states_plan).map(plan_of).unwrap_or_default()
    };
    let (plan_before, paid_before) = pays(account);
    if roles.has(Role::SubscriptionChanged) {
        let id = plan.roles.text(roles, Role::SubscriptionChanged, Field::SubscriptionId, event);
        let id = id.filter(|id| id.len() <= ID_MAX).unwrap_or_default();
        let stated = OF_SUBSCRIPTION.iter().filter_map(|&field| {
            let value = stated(plan, roles, Role::SubscriptionChanged, field, event)?;
            // Only a boolean says whether it is paid (semantics D19).
            (field != Field::Paid || value != Value::Null).then(|| (field, lower(field, value)))
        });
        let (changed, to) = account.traits_mut().take_subscription(&id, stated.collect(), when, rates);
        taken.traits |= changed;
        taken.plan = to;
    }
    for &field in OF_COMPANY.iter().filter(|_| roles.has(Role::Firmographics)) {
        let Some(value) = stated(plan, roles, Role::Firmographics, field, event) else { continue };
        let traits = account.traits_mut();
        let before = (field == Field::Plan).then(|| traits.plan(rates).map(Box::<str>::from));
        let changed = traits.take(Key::Known(field), lower(field, value), when);
        taken.traits |= changed;
        taken.company |= changed;
        taken.created |= changed && field == Field::CreatedAt;
        if let Some(before) = before {
            taken.traits |= traits.plan(rates) != before.as_deref();
            taken.plan = traits.plan_trait().filter(|plan| Some(*plan) != before.as_deref()).map(Box::from);
        }
    }
    if roles.has(Role::Firmographics) {
        for name in &plan.traits {
            if let Some(value) = raw(event, name) {
                taken.company |= account.traits_mut().take(Key::Other(name.as_str().into()), value, when);
            }
        }
    }
    // An opportunity is open from its creation until it is won or lost, unless the CRM says otherwise later (rail 7).
    let closed = roles.has(Role::DealWon) || roles.has(Role::DealLost);
    if closed || roles.has(Role::OpportunityCreated) {
        taken.company |= account.traits_mut().take(Key::Known(Field::OpenOpportunity), Value::Boolean(!closed), when);
    }
    if let Some(user) = user.filter(|_| roles.has(Role::Profile)) {
        // What users say of the company they are at (semantics E19).
        if let Some(value) = stated(plan, roles, Role::Profile, Field::CompanySize, event) {
            taken.company |= account.traits_mut().take(Key::Known(Field::CompanySize), value, when);
        }
        taken.profile = take_profile(plan, account, user, roles, event, when);
    }
    let (plan_after, paid_after) = pays(account);
    taken.shown_plan = plan_before != plan_after;
    taken.company |= paid_before != paid_after;
    if roles.has(Role::MqlCreated) {
        let mql = &mut account.life_mut().mql;
        *mql = (*mql).max(Some(event.time));
    }
    taken.traits |= taken.company;
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
    match fields::value(event.payload(), name)? {
        Scalar::Null => Some(Value::Null),
        Scalar::Boolean(is) => Some(Value::Boolean(is)),
        Scalar::Number(number, _) => Some(Value::Number(number)).filter(|_| number.is_finite()),
        Scalar::Text(text) => Some(Value::Text(text.as_ref().into())),
        Scalar::Nested(_) => None,
    }
}

/// Counts a running active user by the new profile instead of the old one.
fn take_profile(
    plan: &Plan,
    account: &mut Account<'_>,
    user: u32,
    roles: &RoleSet,
    event: &Event<'_>,
    when: (EventTime, Place),
) -> bool {
    let news: Vec<(Field, Value)> = OF_USER
        .into_iter()
        .filter_map(|field| stated(plan, roles, Role::Profile, field, event).map(|value| (field, value)))
        .collect();
    if news.is_empty() {
        return false;
    }
    let runs = account.user(user).word.is(Flag::Running);
    if runs {
        count(plan, account, user, false);
    }
    let profile = &mut account.more_mut(user).profile;
    let mut changed = false;
    for (field, value) in news {
        changed |= profile.take(field, value, when);
    }
    if runs {
        count(plan, account, user, true);
    }
    changed
}

/// Notes whether a user may decide a purchase now, after something changed on which that depends (semantics E18).
pub(super) fn settle_buyer(step: &mut Step<'_>, account: &mut Account<'_>, user: u32) {
    let buys = people::is_buyer(step.plan, account, user);
    let word = &mut account.user_mut(user).word;
    if word.is(Flag::Buyer) == buys {
        return;
    }
    word.set(Flag::Buyer, buys);
    step.delta.rows.push(user);
    if word.is(Flag::Running) {
        count_buyer(account, buys);
    }
}

/// The same of all users.
pub(in crate::engine) fn settle_all_buyers(step: &mut Step<'_>, account: &mut Account<'_>) {
    account.user_indices().into_iter().for_each(|user| settle_buyer(step, account, user));
}

fn count_buyer(account: &mut Account<'_>, is_in: bool) {
    account.buyers = if is_in { account.buyers + 1 } else { account.buyers - 1 };
}

/// A user is among the running active ones now (semantics C2).
pub(in crate::engine) fn enter(plan: &Plan, account: &mut Account<'_>, user: u32) {
    let state = account.user_mut(user);
    if state.word.is(Flag::Running) {
        return;
    }
    state.word.set(Flag::Running, true);
    let points = points::contribution(plan, account, user);
    account.active_users += 1;
    account.user_points += points;
    if account.user(user).word.is(Flag::Buyer) {
        count_buyer(account, true);
    }
    count(plan, account, user, true);
}

/// A user is among the running active ones no longer.
pub(in crate::engine) fn leave(plan: &Plan, account: &mut Account<'_>, user: u32) {
    let state = account.user_mut(user);
    if !state.word.is(Flag::Running) {
        return;
    }
    state.word.set(Flag::Running, false);
    let points = points::contribution(plan, account, user);
    account.active_users -= 1;
    account.user_points -= points;
    if account.user(user).word.is(Flag::Buyer) {
        count_buyer(account, false);
    }
    count(plan, account, user, false);
}

/// Counts a running user's department, e-mail host and rank in or out.
fn count(plan: &Plan, account: &mut Account<'_>, user: u32, is_in: bool) {
    let people = &plan.people;
    let Some(profile) = account.more(user).map(|more| &more.profile) else { return };
    if profile.is_empty() {
        return;
    }
    let (department, domain) = (profile.department(people), profile.domain(people));
    let executive = profile.is_executive(people);
    if department.is_none() && domain.is_none() && !executive {
        return;
    }
    let crowd = account.crowd_mut();
    for (counts, name) in [(&mut crowd.departments, department), (&mut crowd.domains, domain)] {
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
        crowd.executives = if is_in { crowd.executives + 1 } else { crowd.executives - 1 };
    }
}
