//! Reads published messages back, for `tail` and `demo`: protobuf or JSON, whichever they are.

use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decoded::Malformed;
use super::format::{Kind, json};
use super::proto;
use crate::model::{
    Arm, Attribution, Company, Conversation, EventTime, Evidence, Fact, Group, Handoff, HandoffContext, HandoffId,
    Level, Money, PlaceNumber, TopUser, Usage, Week,
};

/// A published message as canonical proto3 JSON, on one line.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_json(kind: Kind, bytes: &[u8]) -> Result<String, Malformed> {
    fn through<M: Message + Default + Serialize + DeserializeOwned>(
        kind: Kind,
        bytes: &[u8],
    ) -> Result<String, Malformed> {
        read::<M>(kind, bytes).map(|message| json(&message))
    }
    match kind {
        Kind::Handoff => through::<proto::Handoff>(kind, bytes),
        Kind::SignalChanges => through::<proto::SignalChanges>(kind, bytes),
        Kind::Onboarding => through::<proto::Onboarding>(kind, bytes),
        Kind::AccountProfile => through::<proto::AccountProfile>(kind, bytes),
        Kind::UserProfile => through::<proto::UserProfile>(kind, bytes),
        Kind::AccountMetrics => through::<proto::AccountMetrics>(kind, bytes),
        Kind::DeadLetter => through::<proto::DeadLetter>(kind, bytes),
    }
}

/// JSON begins with a brace. No encoded message of the contract does: it would begin with a group.
fn read<M: Message + Default + DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<M, Malformed> {
    let message = match bytes.first() {
        Some(b'{') => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        _ => M::decode(bytes).map_err(|error| error.to_string()),
    };
    message.map_err(|error| bad(kind, &error))
}

fn bad(kind: Kind, what: &str) -> Malformed {
    Malformed(format!("no {}: {what}", kind.name()))
}

/// A published handoff. Words of a conversation that this version does not know are left out.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_handoff(bytes: &[u8]) -> Result<Handoff, Malformed> {
    let message: proto::Handoff = read(Kind::Handoff, bytes)?;
    let level = match message.level() {
        proto::Level::High => Level::High,
        proto::Level::Medium => Level::Medium,
        proto::Level::Low => Level::Low,
        proto::Level::Unspecified => return Err(bad(Kind::Handoff, "no level")),
    };
    let at = time(message.at_ms)?;
    Ok(Handoff {
        id: HandoffId::new(&message.account, &message.trigger, at),
        level,
        at,
        due_from: some_time(message.due_from_ms)?,
        due: some_time(message.due_ms)?,
        not_before: time(message.not_before_ms)?,
        also: message.also.iter().map(|id| id.as_str().into()).collect(),
        user_ids: message.user_ids.clone(),
        user_ids_left_out: message.user_ids_left_out,
        why: message.why.clone(),
        evidence: Evidence {
            facts: message.facts.iter().map(fact).collect::<Result<_, _>>()?,
            left_out: message.facts_left_out,
        },
        message_id: message.message_id.clone(),
        account: message.account.clone(),
        trigger: message.trigger.as_str().into(),
        rules_version: message.rules_version.as_str().into(),
        context: Box::new(context(message)?),
    })
}

fn time(ms: i64) -> Result<EventTime, Malformed> {
    EventTime::new(ms).ok_or_else(|| bad(Kind::Handoff, "a time out of range"))
}

fn some_time(ms: i64) -> Result<Option<EventTime>, Malformed> {
    if ms == 0 { Ok(None) } else { time(ms).map(Some) }
}

fn fact(fact: &proto::Fact) -> Result<Fact, Malformed> {
    let place = |number: i64| PlaceNumber::new(number).ok_or_else(|| bad(Kind::Handoff, "a place out of range"));
    Ok(Fact { at: time(fact.ms)?, place: fact.place.map(place).transpose()?, number: fact.number })
}

fn context(message: proto::Handoff) -> Result<HandoffContext, Malformed> {
    Ok(HandoffContext {
        attribution: match message.attribution() {
            proto::Attribution::UsageAndPql => Attribution::UsageAndPql,
            proto::Attribution::UsageAndMql => Attribution::UsageAndMql,
            proto::Attribution::MqlOnly => Attribution::MqlOnly,
            proto::Attribution::BuyerUnknown | proto::Attribution::Unspecified => Attribution::BuyerUnknown,
        },
        segment: message.segment.into(),
        tier: (!message.tier.is_empty()).then(|| message.tier.into()),
        play: message.play.into(),
        route: message.route.into(),
        owner: message.owner,
        territory: message.territory,
        holdout: message.holdout,
        arm: message.arm.and_then(arm),
        score: message.score,
        points: message.points.into_iter().map(|it| (it.signal.into(), it.rung as u8, it.points)).collect(),
        top_users: message.top_users.into_iter().map(top_user).collect(),
        find_buyer: message.find_buyer,
        usage: message.usage.map(usage).transpose()?.unwrap_or_default(),
        money: message.money.map(money).unwrap_or_default(),
        conversation: message.conversation.map(conversation).unwrap_or_default(),
        company: message.company.map(company).unwrap_or_default(),
    })
}

/// None where its group is one that this version does not know.
fn arm(arm: proto::Arm) -> Option<Arm> {
    let group = match arm.group() {
        proto::Group::Lower => Group::Lower,
        proto::Group::Higher => Group::Higher,
        proto::Group::Unspecified => return None,
    };
    Some(Arm { id: arm.id.into(), group })
}

fn top_user(user: proto::TopUser) -> TopUser {
    TopUser {
        user: user.user,
        score: user.score,
        band: user.band.into(),
        is_buyer: user.is_buyer,
        title: user.title,
        email: user.email,
    }
}

fn usage(usage: proto::UsageSummary) -> Result<Usage, Malformed> {
    Ok(Usage {
        features: usage.features.into_iter().map(|it| (it.feature, it.count)).collect(),
        active_users: usage.active_users,
        activated_users: usage.activated_users,
        dau: usage.dau,
        wau: usage.wau,
        mau: usage.mau,
        stickiness: usage.stickiness,
        growth: match usage.growth {
            Some(growth) => Some((growth, week(&usage.growth_week)?)),
            None => None,
        },
        first_seen: some_time(usage.first_seen_ms)?,
        last_seen: some_time(usage.last_seen_ms)?,
        days_to_activation: usage.days_to_activation,
        events: usage.events,
    })
}

/// A week as it is printed: `2026-W07`.
fn week(text: &str) -> Result<Week, Malformed> {
    let sunday = || {
        let (year, week) = text.rsplit_once("-W")?;
        jiff::civil::ISOWeekDate::new(year.parse().ok()?, week.parse().ok()?, jiff::civil::Weekday::Sunday).ok()
    };
    let sunday = sunday().ok_or_else(|| bad(Kind::Handoff, "growth_week is no week"))?.date();
    Ok(crate::model::Day::from(sunday).week())
}

fn money(money: proto::Money) -> Money {
    Money {
        plan: money.plan,
        paid: money.paid,
        mrr: money.mrr,
        quotas: money.quotas.into_iter().map(|it| (it.meter, it.used, it.quota)).collect(),
        potential: money.potential,
        suggested_plan: money.suggested_plan.into(),
        seats: money.seats,
    }
}

fn conversation(conversation: proto::Conversation) -> Conversation {
    let known = |word: &String| {
        const WORDS: [&str; 7] =
            ["exploring", "evaluating", "ready", "discovery_call_30m", "demo", "educate", "solutions_engineer"];
        WORDS.into_iter().find(|known| known == word)
    };
    Conversation {
        buying_stage: known(&conversation.buying_stage).unwrap_or_default(),
        next_step: known(&conversation.next_step).unwrap_or_default(),
        needs: conversation.needs.iter().filter_map(known).collect(),
        template: conversation.template.into(),
        text: conversation.text,
    }
}

fn company(company: proto::Company) -> Company {
    Company {
        employees: company.employees,
        industry: company.industry,
        country: company.country,
        icp: company.icp,
        target: company.target,
        tech_stack: company.tech_stack,
        contacts: company.contacts,
        lead_score: company.lead_score,
    }
}
