//! Collects what handoffs and profiles say about an account and its users (semantics §8, §10).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::Context;
use super::figures::{Closed, people, points};
use super::state::Account;
use super::state::counts::EVENTS;
use super::state::days::Days;
use super::state::facts::Kept;
use super::state::traits::Traits;
use super::state::word::Flag;
use super::values;
use crate::model::{
    AccountProfile, Arm, Attribution, Company, Conversation, DAY_MS, EventTime, Evidence, Field, Group, HandoffContext,
    Level, Money, TopUser, Usage, UserProfile, share_of,
};
use crate::rules::{BANDS, Facts, Kind, OnEvent, Plan, SignalRef};
use crate::wire::short;

/// The number of users and features in a handoff.
const TOP_USERS: usize = 5;
const TOP_FEATURES: usize = 20;
/// How long a lead of marketing counts (semantics F4).
const MQL_MS: i64 = 180 * DAY_MS;

/// A firing: its trigger, its users, and why.
pub(super) struct Fired<'a> {
    pub(super) trigger: usize,
    /// The edges that fire, of the account or of users; empty for an event trigger.
    pub(super) concerned: &'a [Option<u32>],
    pub(super) user_ids: Vec<String>,
    /// The number of further users that it is about.
    pub(super) left_out: u32,
    pub(super) why: String,
    pub(super) evidence: Evidence,
    /// The sign-up from which the delay of outreach counts; none if a hand was raised (semantics D15).
    pub(super) signed_up: Option<EventTime>,
    pub(super) on: Option<&'a OnEvent>,
}

/// The account as it is when a trigger fires, and whether a person's answer is awaited.
pub(super) fn of_handoff(context: &Context<'_>, account: &Account<'_>, fired: &Fired<'_>) -> (HandoffContext, bool) {
    let plan = context.plan;
    let trigger = &plan.triggers[fired.trigger];
    let mut handoff_context = of_account(context, account, fired.on);
    let asked = fired.on.is_some_and(|on| on.asks_for_sales);
    let (share, salt) = &plan.rails.holdout;
    let held_out = trigger.level != Level::High && share_of(salt, account.id()) < *share;
    handoff_context.arm = if held_out { None } else { arm(context, account, fired) };
    handoff_context.holdout = held_out || handoff_context.arm.as_ref().is_some_and(|arm| arm.group == Group::Higher);
    let route = plan.routes.iter().find(|row| {
        let given = |list: &Option<Vec<Arc<str>>>, id: Option<&Arc<str>>| {
            list.as_ref().is_none_or(|list| id.is_some_and(|id| list.contains(id)))
        };
        row.triggers.as_ref().is_none_or(|list| list.contains(&fired.trigger))
            && row.levels.as_ref().is_none_or(|list| list.contains(&trigger.level))
            && given(&row.segments, Some(&handoff_context.segment))
            && given(&row.tiers, handoff_context.tier.as_ref())
            && row.asked.is_none_or(|is| is == asked)
    });
    let automated = route.is_none_or(|route| route.automated);
    handoff_context.route = route.map_or_else(|| "".into(), |route| route.route.clone());
    if let Some((share, owners)) = plan.pilot.as_ref().filter(|_| !automated) {
        let place = share_of("pilot", account.id());
        if place < *share {
            // The same hash, spread over the people: it lies between 0 and the share.
            let person = (place / share * owners.len() as f64) as usize;
            handoff_context.owner = owners[person.min(owners.len() - 1)].clone();
            handoff_context.route = "pilot".into();
        }
    }
    handoff_context.play = values::tier(context, account)
        .and_then(|id| plan.scores.tiers.iter().find(|tier| tier.id == *id))
        .map_or_else(|| "".into(), |tier| tier.plays[trigger.level as usize].clone());
    converse(plan, account, fired, &mut handoff_context);
    let awaits_answer = !automated && !handoff_context.holdout;
    (handoff_context, awaits_answer)
}

/// Which value applies if a threshold is tested and no user of the handoff reaches the higher one.
fn arm(context: &Context<'_>, account: &Account<'_>, fired: &Fired<'_>) -> Option<Arm> {
    let arm = context.plan.rails.arms.iter().find(|arm| arm.triggers.contains(&fired.trigger))?;
    let above = |user: &Option<u32>| values::holds(context, account, *user, &arm.above, None) == Some(true);
    if fired.concerned.iter().any(above) {
        return None;
    }
    let group = if share_of(&arm.salt, account.id()) < arm.share { Group::Lower } else { Group::Higher };
    Some(Arm { id: arm.id.clone(), group })
}

/// What handoffs and profiles have in common. The event of a handoff is passed because it may have no user, so that no
/// signal shows it: a raised hand is a usage fact (semantics D16), and what it asks for suggests a plan.
pub(super) fn of_account(context: &Context<'_>, account: &Account<'_>, on: Option<&OnEvent>) -> HandoffContext {
    let plan = context.plan;
    let usage = usage(context, account);
    let find_buyer = account.buyers == 0;
    let raised_hand = on.is_some_and(|on| on.raised_hand);
    let has_usage = raised_hand || account.has_usage(account.window_end(context.open_day()));
    let mql = account.life().and_then(|life| life.mql).is_some_and(|mql| context.at(account) < mql.plus(MQL_MS));
    let (territory, owner) = territory(plan, account);
    HandoffContext {
        segment: people::segment(plan, account).id.clone(),
        tier: values::tier(context, account).cloned(),
        owner,
        territory,
        attribution: match (has_usage, !find_buyer, mql) {
            (true, true, _) => Attribution::UsageAndPql,
            (true, false, true) => Attribution::UsageAndMql,
            (false, _, true) => Attribution::MqlOnly,
            _ => Attribution::BuyerUnknown,
        },
        score: points::pqa(plan, account),
        points: evidence(plan, account),
        top_users: top_users(plan, account),
        find_buyer,
        usage,
        money: money(plan, account, on),
        company: company(account),
        ..HandoffContext::default()
    }
}

/// The score as the sum of its evidence.
fn evidence(plan: &Plan, account: &Account<'_>) -> Vec<(Arc<str>, u8, i32)> {
    let mut points = Vec::new();
    for (slot, rung) in account.levels(None) {
        let signal = &plan.account_signals[slot];
        let worth = if signal.pqa { signal.points[usize::from(rung)] } else { 0 };
        points.push((signal.id.clone(), rung, worth));
    }
    if account.user_points != 0 {
        points.push(("users".into(), 0, account.user_points));
    }
    points
}

/// By score, then own points, then id (semantics F5).
fn top_users(plan: &Plan, account: &Account<'_>) -> Vec<TopUser> {
    let mut users: Vec<(i32, i32, u32)> = account
        .users()
        .filter(|(_, user)| user.word.is(Flag::Running))
        .map(|(index, _)| (points::pql(plan, account, index), points::of_user(plan, account, index), index))
        .collect();
    assert_eq!(users.len(), account.active_users as usize, "running users of {}", account.id());
    let id = |user: u32| account.user_id_bytes(user);
    let order =
        |a: &(i32, i32, u32), b: &(i32, i32, u32)| (b.0, b.1).cmp(&(a.0, a.1)).then_with(|| id(a.2).cmp(id(b.2)));
    if users.len() > TOP_USERS {
        users.select_nth_unstable_by(TOP_USERS, order);
        users.truncate(TOP_USERS);
    }
    users.sort_unstable_by(order);
    users.into_iter().map(|(_, _, user)| top_user(plan, account, user)).collect()
}

fn top_user(plan: &Plan, account: &Account<'_>, user: u32) -> TopUser {
    let text = |field| {
        let text = account.more(user).and_then(|more| more.profile.text(field));
        text.unwrap_or_default().to_owned()
    };
    TopUser {
        user: account.user_id(user).to_owned(),
        score: points::pql(plan, account, user),
        band: BANDS[usize::from(account.user(user).word.band())].into(),
        is_buyer: people::is_buyer(plan, account, user),
        title: text(Field::Title),
        email: text(Field::Email),
    }
}

fn usage(context: &Context<'_>, account: &Account<'_>) -> Usage {
    let last_closed = context.last_closed();
    let mut features: Vec<(String, u64)> = account
        .features(last_closed.plus(-26), account.window_end(context.open_day()))
        .filter(|(_, uses)| *uses > 0)
        .map(|(name, uses)| (name.to_owned(), uses))
        .collect();
    features.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    features.truncate(TOP_FEATURES);
    let activated = || account.users().filter_map(|(user, _)| Some((account.more(user)?.activated?, user)));
    let first_activated = activated().min_by_key(|(at, user)| (*at, account.user_id(*user)));
    let closed = Closed::last(account, last_closed);
    let mut usage = Usage {
        features,
        active_users: account.active_users,
        activated_users: activated().count() as u32,
        first_seen: account.first(),
        last_seen: account.first().map(|_| context.plan.time.calendar.start(account.last_day)),
        days_to_activation: first_activated.and_then(|(at, user)| {
            let signed_up = account.user(user).signed_up()?;
            Some(((at.0 - signed_up.0).max(0) / DAY_MS) as i32)
        }),
        events: account.sum(EVENTS, last_closed.0 - 27, last_closed.0),
        ..Usage::default()
    };
    if let Some(closed) = closed {
        (usage.dau, usage.wau, usage.mau) = (closed.dau(account), closed.wau(account), closed.mau(account));
        usage.stickiness = ratio(closed.stickiness(account));
        usage.growth = closed
            .change(account)
            .filter(|(before, _)| *before > 0)
            .map(|(before, after)| ((f64::from(after) - f64::from(before)) / f64::from(before), closed.week()));
    }
    usage
}

fn money(plan: &Plan, account: &Account<'_>, on: Option<&OnEvent>) -> Money {
    let traits = account.traits();
    let of_segment = people::segment(plan, account).potential;
    let of_seats = traits.and_then(|traits| traits.seats_worth(&plan.money.rates)).unwrap_or(0.0);
    let asked_for = |id: &Arc<str>| on.is_some_and(|on| on.signal.as_ref() == Some(id));
    let is_on = |signal: &SignalRef| match signal {
        SignalRef::Account(slot) => account.level(None, *slot) > 0 || asked_for(&plan.account_signals[*slot].id),
        SignalRef::User(slot) => {
            account.users().any(|(user, _)| account.level(Some(user), *slot) > 0)
                || asked_for(&plan.user_signals[*slot].id)
        }
    };
    let suggested = plan.money.suggested_plans.iter().find(|(signals, _)| signals.iter().any(is_on));
    Money {
        plan: traits.and_then(|traits| traits.plan(&plan.money.rates)).unwrap_or_default().to_owned(),
        paid: traits.and_then(Traits::paid),
        mrr: traits.and_then(|traits| traits.mrr(&plan.money.rates)),
        quotas: account.life().map_or(Vec::new(), |life| {
            let quota = |meter: &str, (used, quota): (f64, f64)| (meter.to_owned(), used, quota);
            life.quotas.iter().map(|(meter, latest)| quota(meter, latest.value)).collect()
        }),
        potential: of_segment.max(of_seats),
        suggested_plan: suggested.map_or_else(|| "".into(), |(_, plan)| plan.clone()),
        seats: traits.and_then(|traits| traits.seats(&plan.money.rates)),
    }
}

fn company(account: &Account<'_>) -> Company {
    let Some(traits) = account.traits() else { return Company::default() };
    let text = |field| traits.text(field).unwrap_or_default().to_owned();
    Company {
        employees: traits.employees(),
        industry: text(Field::Industry),
        country: text(Field::Country),
        icp: traits.boolean(Field::Icp),
        target: traits.boolean(Field::Target).unwrap_or(false),
        tech_stack: text(Field::TechStack),
        contacts: text(Field::Contacts),
        lead_score: traits.number(Field::LeadScore),
    }
}

/// The territory and its owner: those of the CRM, else of the first matching row.
fn territory(plan: &Plan, account: &Account<'_>) -> (String, String) {
    let traits = account.traits();
    let text = |field| traits.and_then(|traits| traits.text(field)).map(str::to_owned);
    let lower = |field| text(field).map(|text| text.trim().to_lowercase());
    let segment = &people::segment(plan, account).id;
    let row = plan.territories.iter().find(|row| {
        let given = |list: &Option<Vec<String>>, value: Option<String>| {
            list.as_ref().is_none_or(|list| value.is_some_and(|value| list.contains(&value)))
        };
        given(&row.countries, lower(Field::Country))
            && given(&row.segments, Some(segment.to_string()))
            && given(&row.industries, lower(Field::Industry))
            && row.share.is_none_or(|share| share_of(&row.territory, account.id()) < share)
    });
    let of_row = |of: fn(&crate::rules::Territory) -> &String| row.map(of).cloned().unwrap_or_default();
    (
        text(Field::Territory).unwrap_or_else(|| of_row(|row| &row.territory)),
        text(Field::Owner).unwrap_or_else(|| of_row(|row| &row.owner)),
    )
}

/// The conversation: what to propose and say, by the buying stage.
fn converse(plan: &Plan, account: &Account<'_>, fired: &Fired<'_>, handoff_context: &mut HandoffContext) {
    let trigger = &plan.triggers[fired.trigger];
    let raised_hand = fired.on.is_some_and(|on| on.raised_hand);
    let warm = handoff_context.top_users.iter().any(|user| matches!(&*user.band, "warm" | "hot"));
    let asked_for_technology = account.life().is_some_and(|life| !life.requests.is_empty())
        || account.users().any(|(user, _)| account.levels(Some(user)).any(|(slot, _)| calls_for_engineers(plan, slot)));
    let personal = handoff_context.money.potential > plan.money.personal_above;
    let (stage, step) = match (raised_hand, warm || trigger.level != Level::Low) {
        (true, _) => ("ready", "discovery_call_30m"),
        (false, true) if personal => ("evaluating", "demo"),
        (false, true) => ("evaluating", "educate"),
        (false, false) => ("exploring", "educate"),
    };
    let (usage, money) = (&handoff_context.usage, &handoff_context.money);
    // A text that is inserted into another is cut in the same way as by itself (semantics F22).
    let facts = Facts {
        account: account.id().to_string(),
        why: short(&fired.why),
        features: usage.features.iter().take(3).map(|(name, _)| short(name)).collect(),
        active_users: usage.active_users,
        activated_users: usage.activated_users,
        wau: usage.wau,
        mau: usage.mau,
        events: usage.events,
        plan: short(&money.plan),
        suggested_plan: short(&money.suggested_plan),
        potential: Some(money.potential.round() as i64).filter(|potential| *potential > 0),
        segment: short(&handoff_context.segment),
        tier: short(handoff_context.tier.as_deref().unwrap_or_default()),
        owner: short(&handoff_context.owner),
    };
    let has_usage = raised_hand || handoff_context.usage.active_users > 0;
    let fits = |template: &&crate::rules::Template| {
        template.levels.as_ref().is_none_or(|levels| levels.contains(&trigger.level))
            && template.triggers.as_ref().is_none_or(|triggers| triggers.contains(&fired.trigger))
            && template.personal.is_none_or(|is| is == personal)
    };
    let filled = plan
        .templates
        .iter()
        .filter(|_| has_usage)
        .filter(fits)
        .find_map(|template| template.render(&facts).map(|text| (template.id.clone(), text)));
    let (template, text) = filled.unwrap_or_else(|| ("".into(), String::new()));
    handoff_context.conversation = Conversation {
        buying_stage: stage,
        next_step: step,
        needs: if asked_for_technology { vec!["solutions_engineer"] } else { Vec::new() },
        template,
        text,
    };
}

/// Whether a signal shows that the API, SSO or security was requested.
fn calls_for_engineers(plan: &Plan, slot: usize) -> bool {
    use crate::model::Role::{ApiCalled, EnterpriseFeatureRequested, IntegrationConnected};
    match &plan.user_signals[slot].kind {
        Kind::Seen(seen) => seen
            .filter
            .roles
            .iter()
            .any(|role| matches!(role, ApiCalled | IntegrationConnected | EnterpriseFeatureRequested)),
        _ => false,
    }
}

/// The profile of the account.
pub(super) fn account_profile(context: &Context<'_>, account: &Account<'_>) -> AccountProfile {
    let (plan, last_closed) = (context.plan, context.last_closed());
    let closed = Closed::last(account, last_closed);
    let figure = |of: fn(&Closed, &Account<'_>) -> u32| closed.as_ref().map_or(0, |closed| of(closed, account));
    let mut weeks = values::weekly_users(context, account).into_iter().map(|users| users as u32);
    let mut trajectory = std::array::from_fn(|_| weeks.next());
    trajectory.reverse();
    let traits = account.traits();
    AccountProfile {
        account: account.id().to_owned(),
        at: context.at(account),
        users: account.users_ever,
        founded: account.founded(),
        last_active: account.founded().map(|_| account.last_day),
        dau: figure(Closed::dau),
        wau: figure(Closed::wau),
        mau: figure(Closed::mau),
        stickiness: closed.and_then(|closed| ratio(closed.stickiness(account))),
        trajectory,
        active_users: account.active_users,
        events: account.sum(EVENTS, last_closed.0 - 27, last_closed.0),
        score: points::pqa(plan, account),
        tier: values::tier(context, account).cloned(),
        segment: people::segment(plan, account).id.clone(),
        departments: account.departments(),
        plan: traits.and_then(|traits| traits.plan(&plan.money.rates)).unwrap_or_default().to_owned(),
        paid: traits.and_then(Traits::paid),
        enterprise_requests: account
            .life()
            .map_or(Vec::new(), |life| life.requests.iter().map(|request| request.to_string()).collect()),
        find_buyer: account.buyers == 0,
        signals: account.levels(None).map(|(slot, _)| plan.account_signals[slot].id.clone()).collect(),
    }
}

fn ratio(parts: Option<(u32, u32)>) -> Option<f64> {
    parts.map(|(part, whole)| f64::from(part) / f64::from(whole))
}

/// The profile of a user.
pub(super) fn user_profile(context: &Context<'_>, account: &Account<'_>, index: u32) -> UserProfile {
    let plan = context.plan;
    let (user, more) = (account.user(index), account.more(index));
    // Of values, only features are kept by name.
    let named = |(_, kept): (usize, Kept<'_>)| kept.names().map(str::to_owned).collect::<Vec<_>>();
    let features: BTreeSet<String> = account.all_facts(index).flat_map(named).filter(|name| !name.is_empty()).collect();
    let day = |of: fn(Days) -> crate::model::Day| (!user.days.is_never()).then(|| of(user.days));
    UserProfile {
        account: account.id().to_string(),
        at: context.at(account),
        gone: user.word.is(Flag::Forgotten),
        user: top_user(plan, account, index),
        signed_up: user.signed_up(),
        first_day: day(Days::first),
        last_day: day(Days::last),
        source: more.and_then(|more| more.source.as_ref()).map_or(String::new(), |source| source.1.to_string()),
        activated: more.is_some_and(|more| more.activated.is_some()),
        features: features.into_iter().collect(),
        plan: account.traits().and_then(|traits| traits.plan(&plan.money.rates)).unwrap_or_default().to_owned(),
        signals: account.levels(Some(index)).map(|(slot, _)| plan.user_signals[slot].id.clone()).collect(),
    }
}
