//! Encodes effects as messages of `proto/`, in protobuf or in canonical proto3 JSON.

use prost::bytes::{BufMut as _, BytesMut};
use serde::Serialize;

use super::bounds::{self, HEADERS_MAX, List, PAYLOAD_MAX, fit, id, short};
use super::format::{ALWAYS_JSON, Format, Kind};
use super::headers::Headers;
use super::proto;
use crate::model::{
    AccountProfile, Arm, Attribution, Company, Conversation, Day, DeadLetter, EventTime, Fact, Group, Handoff, Level,
    MetricsRow, Money, Onboarding, Outcome, PlaceNumber, Reason, SignalChanges, SignalEntry, SignalKind, TopUser,
    Track, Usage, UserProfile,
};

/// An effect that has a message in `proto/`.
pub trait ToWire {
    /// Which message.
    fn kind(&self) -> Kind;
    /// When it happened, if that is known.
    fn at(&self) -> Option<EventTime>;
    /// The account that it is about, if that is known.
    fn account(&self) -> Option<&str>;
    /// The user that it is about, if it is about one.
    fn user(&self) -> Option<&str> {
        None
    }
    /// The W3C trace context of the episode that it belongs to, if it belongs to one.
    fn traceparent(&self) -> Option<String> {
        None
    }
    /// Whether it removes its key from a compacted topic: its record has no value.
    fn is_tombstone(&self) -> bool {
        false
    }
    /// Appends the value of its record to a buffer.
    fn append(&self, format: Format, buffer: &mut BytesMut);

    /// The value of its record.
    fn to_payload(&self, format: Format) -> Vec<u8> {
        let mut buffer = BytesMut::new();
        self.append(format, &mut buffer);
        buffer.into()
    }

    /// The message as bytes.
    fn to_bytes(&self) -> Vec<u8> {
        self.to_payload(Format::Protobuf)
    }

    /// The message as canonical proto3 JSON, on one line.
    fn to_json(&self) -> String {
        String::from_utf8(self.to_payload(Format::Json)).expect("JSON is UTF-8")
    }
}

/// Appends a message to a buffer.
fn append(message: &(impl prost::Message + Serialize), format: Format, buffer: &mut BytesMut) {
    match format {
        Format::Protobuf => message.encode(buffer).expect("the buffer grows"),
        Format::Json => serde_json::to_writer(buffer.writer(), message).expect(ALWAYS_JSON),
    }
}

macro_rules! to_wire {
    ($($effect:ident is $kind:ident by $message:ident { $($more:item)* })*) => {$(
        impl ToWire for $effect {
            fn kind(&self) -> Kind {
                Kind::$kind
            }

            fn at(&self) -> Option<EventTime> {
                Some(self.at)
            }

            fn account(&self) -> Option<&str> {
                Some(&self.account)
            }

            $($more)*

            fn append(&self, format: Format, buffer: &mut BytesMut) {
                append(&$message(self), format, buffer);
            }
        }
    )*};
}

to_wire! {
    Handoff is Handoff by handoff {
        fn traceparent(&self) -> Option<String> {
            Some(self.traceparent())
        }
    }
    SignalChanges is SignalChanges by signal_changes {}
    Onboarding is Onboarding by onboarding {}
    AccountProfile is AccountProfile by account_profile {}
    UserProfile is UserProfile by user_profile {
        fn user(&self) -> Option<&str> {
            Some(&self.user.user)
        }

        fn is_tombstone(&self) -> bool {
            self.gone
        }
    }
}

impl ToWire for MetricsRow {
    fn kind(&self) -> Kind {
        Kind::AccountMetrics
    }

    fn at(&self) -> Option<EventTime> {
        Some(match self {
            MetricsRow::Day(row) => row.at,
            MetricsRow::Week(row) => row.at,
        })
    }

    fn account(&self) -> Option<&str> {
        Some(self.order().2)
    }

    fn append(&self, format: Format, buffer: &mut BytesMut) {
        append(&metrics(self), format, buffer);
    }
}

impl ToWire for proto::DeadLetter {
    fn kind(&self) -> Kind {
        Kind::DeadLetter
    }

    fn at(&self) -> Option<EventTime> {
        EventTime::new(self.record_time_ms).filter(|at| at.0 != 0)
    }

    fn account(&self) -> Option<&str> {
        None
    }

    fn append(&self, format: Format, buffer: &mut BytesMut) {
        append(self, format, buffer);
    }
}

/// The key of a user in a compacted topic: the account, a zero byte, the user. A zero byte inside the account is
/// followed by 0xff, which begins no user: two users never share a key.
pub fn user_key(account: &str, user: &str) -> Vec<u8> {
    let mut key = BytesMut::with_capacity(account.len() + 1 + user.len());
    append_user_key(account, user, &mut key);
    key.into()
}

/// Appends the key of a user to a buffer.
pub fn append_user_key(account: &str, user: &str, buffer: &mut BytesMut) {
    for (at, part) in account.as_bytes().split(|byte| *byte == 0).enumerate() {
        if at > 0 {
            buffer.put_slice(b"\0\xff");
        }
        buffer.put_slice(part);
    }
    buffer.put_u8(0);
    buffer.put_slice(user.as_bytes());
}

fn texts<T: AsRef<str>>(list: &[T]) -> Vec<String> {
    list.iter().map(|text| short(text.as_ref())).collect()
}

fn ms(at: Option<EventTime>) -> i64 {
    at.map_or(0, |at| at.0)
}

fn facts(facts: &[Fact]) -> Vec<proto::Fact> {
    facts
        .iter()
        .map(|fact| proto::Fact { ms: fact.at.0, place: fact.place.map(PlaceNumber::get), number: fact.number })
        .collect()
}

fn handoff(handoff: &Handoff) -> proto::Handoff {
    let context = &*handoff.context;
    let message = proto::Handoff {
        handoff_id: handoff.id.to_string(),
        account: id(&handoff.account),
        trigger: short(&handoff.trigger),
        level: match handoff.level {
            Level::High => proto::Level::High,
            Level::Medium => proto::Level::Medium,
            Level::Low => proto::Level::Low,
        } as i32,
        at_ms: handoff.at.0,
        due_from_ms: ms(handoff.due_from),
        due_ms: ms(handoff.due),
        not_before_ms: handoff.not_before.0,
        also: texts(&handoff.also),
        user_ids: handoff.user_ids.iter().map(|user| id(user)).collect(),
        user_ids_left_out: handoff.user_ids_left_out,
        why: short(&handoff.why),
        facts: facts(&handoff.evidence.facts),
        facts_left_out: handoff.evidence.left_out,
        message_id: id(&handoff.message_id),
        rules_version: short(&handoff.rules_version),
        segment: short(&context.segment),
        tier: short(context.tier.as_deref().unwrap_or_default()),
        play: short(&context.play),
        route: short(&context.route),
        owner: short(&context.owner),
        territory: short(&context.territory),
        attribution: match context.attribution {
            Attribution::UsageAndPql => proto::Attribution::UsageAndPql,
            Attribution::UsageAndMql => proto::Attribution::UsageAndMql,
            Attribution::MqlOnly => proto::Attribution::MqlOnly,
            Attribution::BuyerUnknown => proto::Attribution::BuyerUnknown,
        } as i32,
        holdout: context.holdout,
        traceparent: handoff.traceparent(),
        score: context.score,
        points: context
            .points
            .iter()
            .map(|(signal, rung, points)| proto::SignalPoints {
                signal: short(signal),
                rung: u32::from(*rung),
                points: *points,
            })
            .collect(),
        top_users: context.top_users.iter().map(top_user).collect(),
        find_buyer: context.find_buyer,
        usage: Some(usage(&context.usage)),
        money: Some(money(&context.money)),
        conversation: Some(conversation(&context.conversation)),
        company: Some(company(&context.company)),
        arm: context.arm.as_ref().map(arm),
    };
    let lists = [
        List {
            len: |it: &proto::Handoff| it.facts.len(),
            leave_out: |it, some| leave_out_facts(&mut it.facts, &mut it.facts_left_out, some),
        },
        List {
            len: |it| it.user_ids.len(),
            leave_out: |it, some| leave_out(&mut it.user_ids, &mut it.user_ids_left_out, some),
        },
        List {
            len: |it| it.money.as_ref().map_or(0, |money| money.quotas.len()),
            leave_out: |it, some| {
                if let Some(money) = &mut it.money {
                    leave_out(&mut money.quotas, &mut money.quotas_left_out, some);
                }
            },
        },
    ];
    fit(message, &lists)
}

/// Leaves out the last items of a list.
fn leave_out<T>(list: &mut Vec<T>, left_out: &mut u32, some: usize) {
    list.truncate(list.len() - some);
    *left_out += some as u32;
}

/// Leaves out facts: the first and the newest stay longest, as where evidence is kept (semantics E23).
fn leave_out_facts(facts: &mut Vec<proto::Fact>, left_out: &mut u32, some: usize) {
    let first = usize::from(some < facts.len());
    facts.drain(first..first + some);
    *left_out += some as u32;
}

fn arm(arm: &Arm) -> proto::Arm {
    let group = match arm.group {
        Group::Lower => proto::Group::Lower,
        Group::Higher => proto::Group::Higher,
    };
    proto::Arm { id: short(&arm.id), group: group as i32 }
}

fn top_user(user: &TopUser) -> proto::TopUser {
    proto::TopUser {
        user: id(&user.user),
        score: user.score,
        band: short(&user.band),
        is_buyer: user.is_buyer,
        title: short(&user.title),
        email: short(&user.email),
    }
}

fn usage(usage: &Usage) -> proto::UsageSummary {
    let feature = |(feature, count): &(String, u64)| proto::FeatureUse { feature: short(feature), count: *count };
    proto::UsageSummary {
        features: usage.features.iter().map(feature).collect(),
        active_users: usage.active_users,
        activated_users: usage.activated_users,
        dau: usage.dau,
        wau: usage.wau,
        mau: usage.mau,
        stickiness: usage.stickiness,
        growth: usage.growth.map(|(growth, _)| growth),
        growth_week: usage.growth.map_or_else(String::new, |(_, week)| week.to_string()),
        first_seen_ms: ms(usage.first_seen),
        last_seen_ms: ms(usage.last_seen),
        days_to_activation: usage.days_to_activation,
        events: usage.events,
    }
}

fn money(money: &Money) -> proto::Money {
    let quota =
        |(meter, used, quota): &(String, f64, f64)| proto::Quota { meter: short(meter), used: *used, quota: *quota };
    proto::Money {
        plan: short(&money.plan),
        paid: money.paid,
        mrr: money.mrr,
        quotas: money.quotas.iter().map(quota).collect(),
        quotas_left_out: 0,
        potential: money.potential,
        suggested_plan: short(&money.suggested_plan),
        seats: money.seats,
    }
}

fn conversation(conversation: &Conversation) -> proto::Conversation {
    proto::Conversation {
        buying_stage: conversation.buying_stage.to_owned(),
        next_step: conversation.next_step.to_owned(),
        needs: texts(&conversation.needs),
        template: short(&conversation.template),
        text: bounds::talk(&conversation.text),
    }
}

fn company(company: &Company) -> proto::Company {
    proto::Company {
        employees: company.employees,
        industry: short(&company.industry),
        country: short(&company.country),
        icp: company.icp,
        target: company.target,
        tech_stack: short(&company.tech_stack),
        contacts: short(&company.contacts),
        lead_score: company.lead_score,
    }
}

fn signal_changes(changes: &SignalChanges) -> proto::SignalChanges {
    proto::SignalChanges {
        account: id(&changes.account),
        at_ms: changes.at.0,
        message_id: id(&changes.message_id),
        entries: changes.entries.iter().map(signal_entry).collect(),
        part: changes.part,
        last: changes.last,
    }
}

fn signal_entry(entry: &SignalEntry) -> proto::SignalEntry {
    let mut out = proto::SignalEntry {
        user: id(&entry.user),
        facts: facts(&entry.evidence.facts),
        facts_left_out: entry.evidence.left_out,
        ..Default::default()
    };
    match &entry.kind {
        SignalKind::Changed(change) => {
            out.kind = proto::Kind::Changed as i32;
            out.signal = short(&change.signal);
            out.rung_before = u32::from(change.before);
            out.rung_after = u32::from(change.after);
            out.reason = match change.reason {
                Reason::Crossed => proto::Reason::Crossed,
                Reason::Lapsed => proto::Reason::Lapsed,
                Reason::Closed => proto::Reason::Closed,
                Reason::Forgotten => proto::Reason::Forgotten,
                Reason::Activated => proto::Reason::Activated,
            } as i32;
        }
        SignalKind::Occurrence { signal, trigger } => {
            out.kind = proto::Kind::Occurred as i32;
            out.signal = short(signal.as_deref().unwrap_or_default());
            out.trigger = short(trigger.as_deref().unwrap_or_default());
        }
        SignalKind::Held { trigger, rail } => {
            out.kind = proto::Kind::Held as i32;
            out.trigger = short(trigger);
            out.rail = rail.word().to_owned();
        }
    }
    out
}

fn onboarding(onboarding: &Onboarding) -> proto::Onboarding {
    proto::Onboarding {
        account: id(&onboarding.account),
        track: onboarding.track.word().to_owned(),
        before: onboarding.before.map_or("", Track::word).to_owned(),
        at_ms: onboarding.at.0,
        notify_sales: onboarding.track == Track::Enterprise,
        employees: onboarding.employees,
    }
}

fn metrics(row: &MetricsRow) -> proto::AccountMetrics {
    use proto::account_metrics::Period;
    let period = match row {
        MetricsRow::Day(row) => Period::Day(proto::DayMetrics {
            day: row.day.0,
            dau: row.dau,
            wau: row.wau,
            mau: row.mau,
            stickiness: row.stickiness,
            new_users: row.new_users,
            new_users_7d: row.new_users_7d,
            spike_p: row.spike_p,
        }),
        MetricsRow::Week(row) => Period::Week(proto::WeekMetrics {
            monday: row.week.sunday().plus(-6).0,
            wau: row.wau,
            growth: row.growth,
            streak: row.streak,
            slope_z: row.slope_z,
            base: row.base,
            growing: row.growing,
            declining: row.declining,
        }),
    };
    proto::AccountMetrics { account: id(row.order().2), at_ms: ms(row.at()), period: Some(period) }
}

fn account_profile(account: &AccountProfile) -> proto::AccountProfile {
    let day = |day: Option<Day>| day.map_or(0, |day| day.0);
    proto::AccountProfile {
        account: id(&account.account),
        at_ms: account.at.0,
        users: account.users,
        dau: account.dau,
        wau: account.wau,
        mau: account.mau,
        stickiness: account.stickiness,
        dau_mau: (account.mau > 0).then(|| f64::from(account.dau) / f64::from(account.mau)),
        trajectory: account.trajectory.iter().map(|users| proto::WeeklyUsers { users: *users }).collect(),
        founded_day: day(account.founded),
        last_active_day: day(account.last_active),
        active_users: account.active_users,
        score: account.score,
        tier: short(account.tier.as_deref().unwrap_or_default()),
        departments: account.departments,
        segment: short(&account.segment),
        plan: short(&account.plan),
        paid: account.paid,
        // The fold keeps no more.
        enterprise_requests: texts(
            &account.enterprise_requests[..account.enterprise_requests.len().min(bounds::LIST_MAX)],
        ),
        events: account.events,
        find_buyer: account.find_buyer,
        signals: texts(&account.signals),
    }
}

fn user_profile(profile: &UserProfile) -> proto::UserProfile {
    let user = &profile.user;
    let message = proto::UserProfile {
        account: id(&profile.account),
        user: id(&user.user),
        at_ms: profile.at.0,
        signed_up_ms: profile.signed_up.map(|at| at.0),
        first_active_day: profile.first_day.map_or(0, |day| day.0),
        last_active_day: profile.last_day.map_or(0, |day| day.0),
        source: short(&profile.source),
        activated: profile.activated,
        features: texts(&profile.features),
        features_left_out: 0,
        score: user.score,
        band: short(&user.band),
        is_buyer: user.is_buyer,
        plan: short(&profile.plan),
        signals: texts(&profile.signals),
    };
    let features = List {
        len: |it: &proto::UserProfile| it.features.len(),
        leave_out: |it, some| leave_out(&mut it.features, &mut it.features_left_out, some),
    };
    fit(message, &[features])
}

/// A dead letter with what only its reader knows: the place, and the headers of the record if its format reads them.
pub fn dead_letter<'a>(
    letter: &'a DeadLetter,
    topic: &'a str,
    partition: i32,
    headers: Headers<'_>,
) -> impl ToWire + use<'a> {
    let mut left = HEADERS_MAX;
    // In JSON a byte of a name takes at most six, and one of a value less than two.
    let fits = |(name, value): &(&str, &[u8])| {
        let size = 6 * name.len() + 2 * value.len() + 32;
        left.checked_sub(size).map(|rest| left = rest).is_some()
    };
    let header = |(name, value): (&str, &[u8])| proto::DeadLetterHeader { name: name.into(), value: value.to_vec() };
    proto::DeadLetter {
        headers: headers.iter().take_while(fits).map(header).collect(),
        reason: match letter.reason {
            Outcome::FromTheFuture => proto::DeadLetterReason::FromTheFuture,
            Outcome::TooLate => proto::DeadLetterReason::TooLate,
            Outcome::Refused => proto::DeadLetterReason::Refused,
            Outcome::Malformed | Outcome::Applied | Outcome::Duplicate | Outcome::Replayed | Outcome::Excluded => {
                proto::DeadLetterReason::Malformed
            }
        } as i32,
        detail: short(&letter.detail),
        payload: letter.payload[..letter.payload.len().min(PAYLOAD_MAX)].to_vec(),
        payload_size: letter.payload.len() as u64,
        topic: id(topic),
        partition,
        offset: letter.place.offset,
        index: letter.place.index,
        record_time_ms: ms(letter.record_time),
    }
}
