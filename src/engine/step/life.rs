//! Applies what an event changes in the life of the account and its user, apart from signals: features, invitations,
//! completions, quotas, meters, and actions of buyers.

use super::delta::Step;
use super::people;
use crate::engine::context::MatchedEvent;
use crate::engine::state::Account;
use crate::engine::state::traits::Latest;
use crate::model::{EventTime, Field, Place, Role};
use crate::rules::Changes;

/// Applies what an event changes in the life of the account, apart from the signals that its roles feed.
pub(super) fn note(step: &mut Step<'_>, account: &mut Account<'_>, user: Option<u32>, it: &MatchedEvent<'_>) {
    let (plan, roles) = (step.plan, &it.roles);
    if roles.has(Role::FeatureUsed) {
        use_feature(step, account, it);
    }
    if roles.has(Role::UserInvited) && account.rare().is_none_or(|rare| !rare.invited) {
        account.rare_mut().invited = true;
        step.delta.account.add(Changes::INVITED);
    }
    if roles.has_any(plan.index.completing) {
        complete(step, account, it);
    }
    if roles.has(Role::EnterpriseFeatureRequested)
        && let Some(feature) = it.text(plan, Role::EnterpriseFeatureRequested, Field::Feature)
    {
        account.life_mut().request(&feature);
    }
    if roles.has(Role::UsageReported) {
        report_usage(step, account, it);
    }
    meter(step, account, it);
    if let Some(user) = user {
        note_user(step, account, user, it);
    }
}

fn use_feature(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>) {
    let plan = step.plan;
    if let Some(feature) = plan.roles.text(&it.roles, Role::FeatureUsed, Field::Feature, it.event) {
        account.use_feature(feature.trim(), it.day);
    }
    if let Some(is) = it.premium(plan) {
        // One premium use is enough for this life.
        let premium = &mut account.rare_mut().premium;
        let before = premium.replace(is || *premium == Some(true));
        if *premium != before {
            step.delta.account.add(Changes::PREMIUM);
        }
    }
}

fn note_user(step: &mut Step<'_>, account: &mut Account<'_>, user: u32, it: &MatchedEvent<'_>) {
    let (plan, roles, time) = (step.plan, &it.roles, it.event.time);
    if roles.has(Role::Activated) {
        let activated = &mut account.more_mut(user).activated;
        if activated.is_none() {
            step.delta.rows.push(user);
        }
        if activated.is_none_or(|known| time < known) {
            *activated = Some(time);
        }
    }
    if roles.has(Role::SignedUp)
        && let Some(source) = it.text(plan, Role::SignedUp, Field::Source)
    {
        let known = &mut account.more_mut(user).source;
        if known.as_ref().is_none_or(|known| time < known.0) {
            *known = Some((time, source.into()));
        }
    }
    let billing = || {
        it.text(plan, Role::SupportContacted, Field::Topic)
            .is_some_and(|topic| plan.people.billing_topics.contains(&topic.to_lowercase()))
    };
    let buys = roles.has(Role::UpgradeStarted)
        || roles.has(Role::TermsViewed)
        || (roles.has(Role::SupportContacted) && billing());
    if buys {
        acts(step, account, user);
    }
}

/// A user did what buyers do (semantics E18).
pub(super) fn acts(step: &mut Step<'_>, account: &mut Account<'_>, user: u32) {
    if !account.more(user).is_some_and(|more| more.acted) {
        account.more_mut(user).acted = true;
        step.delta.user(user, Changes::BUYS);
        people::settle_buyer(step, account, user);
    }
}

/// A user completed something for the whole account: what its users started is no longer abandoned.
fn complete(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>) {
    let (plan, time) = (step.plan, it.event.time);
    for (role, slots) in plan.index.completions.iter().filter(|(role, _)| it.roles.has(**role)) {
        let completed = &mut account.life_mut().completed;
        if completed.get(role).is_some_and(|latest| *latest >= time) {
            continue;
        }
        completed.insert(*role, time);
        for user in account.user_indices() {
            let kept = slots.iter().filter(|slot| account.facts(Some(user), **slot).is_some());
            kept.for_each(|slot| step.delta.fact(Some(user), *slot, true));
        }
    }
}

/// A report of how much of a quota is used: of each meter the latest counts.
fn report_usage(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>) {
    let plan = step.plan;
    let number = |field| it.number(plan, Role::UsageReported, field);
    let Some(used) = number(Field::Used) else { return };
    let quota = number(Field::Quota).unwrap_or(0.0);
    let meter = it.text(plan, Role::UsageReported, Field::Meter).unwrap_or_default();
    if account.life_mut().report(&meter, (used, quota), (it.event.time, it.place)) {
        step.delta.account.add(Changes::QUOTAS);
    }
}

/// Counts an event in the meters that listen to it, in thousandths. A gauge rises from the latest reading by event time:
/// an older reading that comes late changes nothing (semantics A22).
fn meter(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>) {
    let plan = step.plan;
    for (place, meter) in plan.meters.iter().enumerate().filter(|(_, meter)| it.roles.has(meter.role)) {
        if !meter.only.iter().all(|(field, values)| it.has(plan, meter.role, *field, values)) {
            continue;
        }
        let amount = match meter.sum {
            None => Some(1_000),
            Some(field) => it.number(plan, meter.role, field).map(in_thousandths),
        };
        let Some(amount) = amount else { continue };
        account.rare_mut().has_negative_amounts |= amount < 0;
        let stated = (it.event.time, it.place);
        let amount = if meter.gauge { rise(account.gauge_mut(place), amount, stated) } else { amount };
        account.add_to_meter(place, it.day, amount);
        step.delta.account.add(Changes::METERS);
    }
}

/// An amount in thousandths. Larger ones than any use are counted as the largest, of which 10¹¹ have an exact sum.
fn in_thousandths(number: f64) -> i128 {
    const MOST: f64 = 1e27;
    libm::round(number * 1_000.0).clamp(-MOST, MOST) as i128
}

/// The difference of a reading to the one before it in event time.
fn rise(level: &mut Option<Latest<i128>>, reading: i128, stated: (EventTime, Place)) -> i128 {
    match level {
        None => {
            *level = Some(Latest::new(reading, stated));
            0
        }
        Some(level) => {
            let before = level.value;
            level.replace(reading, stated);
            (level.value - before).max(0)
        }
    }
}
