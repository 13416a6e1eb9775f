//! Effects → the contract's messages, as bytes or as canonical proto3 JSON.

use prost::Message;

use super::proto;
use crate::model::{DeadLetter, Fact, Handoff, HandoffId, Level, Outcome, Reason, SignalKind, SignalMessage};

/// An effect that the contract has a message for.
pub trait ToWire {
    /// The message as bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// The message as canonical proto3 JSON, on one line.
    fn to_json(&self) -> String;
}

fn json(message: &impl serde::Serialize) -> String {
    serde_json::to_string(message).expect("messages of the contract always have a JSON form")
}

fn facts(facts: &[Fact]) -> Vec<proto::Fact> {
    facts
        .iter()
        .map(|fact| proto::Fact { message_id: fact.message_id.to_string(), ms: fact.at.0, number: fact.number })
        .collect()
}

fn handoff(handoff: &Handoff) -> proto::Handoff {
    proto::Handoff {
        handoff_id: handoff.id.to_string(),
        account: handoff.account.clone(),
        trigger: handoff.trigger.to_string(),
        level: match handoff.level {
            Level::High => proto::Level::High,
            Level::Medium => proto::Level::Medium,
            Level::Low => proto::Level::Low,
        } as i32,
        at_ms: handoff.at.0,
        due_from_ms: handoff.due_from.map_or(0, |at| at.0),
        due_ms: handoff.due.map_or(0, |at| at.0),
        not_before_ms: handoff.not_before.0,
        also: handoff.also.iter().map(ToString::to_string).collect(),
        user_ids: handoff.user_ids.clone(),
        why: handoff.why.clone(),
        facts: facts(&handoff.facts),
        rules_version: handoff.rules_version.to_string(),
    }
}

impl ToWire for Handoff {
    fn to_bytes(&self) -> Vec<u8> {
        handoff(self).encode_to_vec()
    }

    fn to_json(&self) -> String {
        json(&handoff(self))
    }
}

fn signal(message: &SignalMessage) -> proto::SignalChanged {
    let mut out = proto::SignalChanged {
        account: message.account.clone(),
        user: message.user.clone(),
        at_ms: message.at.0,
        facts: facts(&message.facts),
        ..Default::default()
    };
    match &message.kind {
        SignalKind::Changed(change) => {
            out.kind = proto::Kind::Changed as i32;
            out.signal = change.signal.to_string();
            out.rung_before = u32::from(change.before);
            out.rung_after = u32::from(change.after);
            out.reason = match change.reason {
                Reason::Crossed => proto::Reason::Crossed,
                Reason::Lapsed => proto::Reason::Lapsed,
                Reason::Closed => proto::Reason::Closed,
                Reason::Forgotten => proto::Reason::Forgotten,
            } as i32;
        }
        SignalKind::Pulse { signal, trigger } => {
            out.kind = proto::Kind::Pulse as i32;
            out.signal = signal.as_deref().unwrap_or_default().to_owned();
            out.trigger = trigger.as_deref().unwrap_or_default().to_owned();
        }
        SignalKind::Held { trigger, rail } => {
            out.kind = proto::Kind::Held as i32;
            out.trigger = trigger.to_string();
            out.rail = rail.word().to_owned();
        }
    }
    out
}

impl ToWire for SignalMessage {
    fn to_bytes(&self) -> Vec<u8> {
        signal(self).encode_to_vec()
    }

    fn to_json(&self) -> String {
        json(&signal(self))
    }
}

/// A dead letter with the place that only its reader knows.
pub fn dead_letter<'a>(letter: &'a DeadLetter, topic: &'a str, partition: i32) -> impl ToWire + use<'a> {
    proto::DeadLetter {
        reason: match letter.reason {
            Outcome::FromTheFuture => proto::DeadLetterReason::FromTheFuture,
            Outcome::TooLate => proto::DeadLetterReason::TooLate,
            Outcome::Refused => proto::DeadLetterReason::Refused,
            Outcome::Malformed | Outcome::Applied | Outcome::Duplicate | Outcome::Replayed => {
                proto::DeadLetterReason::Malformed
            }
        } as i32,
        detail: letter.detail.clone(),
        payload: letter.payload.clone(),
        topic: topic.to_owned(),
        partition,
        offset: letter.place.offset,
        index: letter.place.index,
        record_time_ms: letter.record_time.map_or(0, |time| time.0),
    }
}

impl ToWire for proto::DeadLetter {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    fn to_json(&self) -> String {
        json(self)
    }
}

/// A published handoff, read back.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_handoff(bytes: &[u8]) -> Result<Handoff, super::Malformed> {
    let bad = |what: &str| super::Malformed(format!("not a Handoff: {what}"));
    let message = proto::Handoff::decode(bytes).map_err(|error| bad(&error.to_string()))?;
    let time = |ms: i64| crate::model::EventTime::new(ms).ok_or_else(|| bad("a time out of range"));
    let some_time = |ms: i64| if ms == 0 { Ok(None) } else { time(ms).map(Some) };
    let level = match message.level() {
        proto::Level::High => Level::High,
        proto::Level::Medium => Level::Medium,
        proto::Level::Low => Level::Low,
        proto::Level::Unspecified => return Err(bad("no level")),
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
        user_ids: message.user_ids,
        why: message.why,
        facts: message
            .facts
            .iter()
            .map(|fact| {
                Ok(Fact { message_id: fact.message_id.as_str().into(), at: time(fact.ms)?, number: fact.number })
            })
            .collect::<Result<_, super::Malformed>>()?,
        account: message.account,
        trigger: message.trigger.as_str().into(),
        rules_version: message.rules_version.as_str().into(),
    })
}
