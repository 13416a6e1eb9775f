//! Bytes ↔ model: protobuf and newline-delimited JSON. Generated types never leave this room, and decoding never
//! fails: what cannot be read is an event that says what is wrong.

mod bounds;
mod cloudevents;
mod effects;
pub mod fields;
mod json;
mod protobuf;
mod published;
mod records;

use serde::{Deserialize, Serialize};

use crate::model::{Event, EventKind, EventTime, Fields};

pub use bounds::{LIST_MAX, MESSAGE_MAX, PAYLOAD_MAX, dead_letter_key, record_max, short};
pub use cloudevents::{Context, source};
pub use effects::{ToWire, dead_letter, user_key};
pub use json::{encode as encode_json, instant};
pub use protobuf::{append, encode, encode_activation, encode_tick, pack};
pub use published::{read_handoff, read_json};
pub use records::{BATCH, Records};

/// The types that `proto/` describes, generated at build time.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/upswell.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/upswell.v1.serde.rs"));
}

/// The longest id, in bytes (semantics A29).
const ID_MAX: usize = 1_024;

/// How records are written: those of the log, or those that are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An encoded message of `upswell.v1`.
    #[default]
    Protobuf,
    /// A JSON object: an event with the names of the Segment spec, a published message as canonical proto3 JSON.
    Json,
}

/// The messages that are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An account is passed to sales or nurture.
    Handoff,
    /// The signals feed.
    SignalChanged,
    /// A track changed.
    Onboarding,
    /// An account as it stands.
    AccountProfile,
    /// A user as they stand.
    UserProfile,
    /// What could not be used.
    DeadLetter,
}

impl Kind {
    /// The full name of the message in `proto/`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Handoff => "upswell.v1.Handoff",
            Kind::SignalChanged => "upswell.v1.SignalChanged",
            Kind::Onboarding => "upswell.v1.Onboarding",
            Kind::AccountProfile => "upswell.v1.AccountProfile",
            Kind::UserProfile => "upswell.v1.UserProfile",
            Kind::DeadLetter => "upswell.v1.DeadLetter",
        }
    }
}

/// One event of a record: its bytes, and what they say.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// The bytes as they came: the record's value, or one member of it.
    pub raw: &'a [u8],
    /// The event, or what is wrong with it.
    pub event: Result<Event<'a>, Malformed>,
    /// What was read although it is not as the contract says.
    pub loose: Loose,
    /// Whether the event says other than its bytes: a member of a JSON list or batch may have times from there, and an
    /// account's id may be folded.
    pub is_changed: bool,
}

/// Faults of a record that do not cost the event, to be counted (semantics A30, A31).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loose {
    /// A time has no zone: it is taken as UTC.
    pub zoneless: bool,
    /// A field of an unexpected type is as if absent.
    pub left_out: bool,
    /// An id is one that the rules forbid: without an account the event is malformed, without others it is as if they
    /// were absent.
    pub forbidden: bool,
}

impl<'a> Decoded<'a> {
    /// An event, as if it had been read from these bytes.
    pub fn event(raw: &'a [u8], event: Event<'a>) -> Decoded<'a> {
        Decoded { raw, event: Ok(event), loose: Loose::default(), is_changed: false }
    }

    /// A tick of this time, which stands in no record.
    pub fn tick(time: EventTime) -> Decoded<'static> {
        Decoded::event(b"", control_event(EventKind::Tick, "", time))
    }

    fn malformed(raw: &'a [u8], malformed: Malformed) -> Decoded<'a> {
        Decoded { raw, event: Err(malformed), loose: Loose::default(), is_changed: false }
    }
}

fn control_event(kind: EventKind, rules: &str, time: EventTime) -> Event<'_> {
    Event {
        message_id: "".into(),
        source: "".into(),
        kind,
        name: rules.into(),
        user: "".into(),
        anonymous_id: "".into(),
        account: "".into(),
        time,
        received: None,
        properties: Fields::None,
        traits: Fields::None,
        context: Fields::None,
        provenance: None,
    }
}

/// What is wrong with an event that cannot be read, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    fn new(what: impl Into<String>) -> Malformed {
        Malformed(what.into())
    }
}

/// What a record may hold: control events are for those who operate the service (semantics A32).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Product events only: a record of the log without the header `upswell-control`, or a line of a file.
    Product,
    /// One control event and nothing else: a record of the log with that header.
    Control,
    /// Product events, or one control event: a record of a file that is read with `--control`.
    Any,
}

impl Admit {
    /// What a record of the log may hold, by whether it has the header of control records.
    pub fn of_log(is_control: bool) -> Admit {
        if is_control { Admit::Control } else { Admit::Product }
    }

    /// An event that must not stand where it does is malformed.
    fn check(self, decoded: &mut Decoded<'_>, is_alone: bool) {
        let kind = decoded.event.as_ref().ok().map(|event| event.kind);
        if let Some(refusal) = kind.and_then(|kind| self.refusal(kind, is_alone)) {
            decoded.event = Err(Malformed::new(refusal));
        }
    }

    /// Why an event must not stand where it does.
    fn refusal(self, kind: EventKind, is_alone: bool) -> Option<&'static str> {
        match (self, kind.is_control()) {
            (Admit::Product | Admit::Any, false) => None,
            (Admit::Product, true) => Some(
                "a control event is taken only from a record with the header upswell-control, or from a file that is \
                 read with --control",
            ),
            (Admit::Control, false) => {
                Some("a record with the header upswell-control must contain one control event and nothing else")
            }
            (Admit::Control | Admit::Any, true) if !is_alone => {
                Some("a control event must be the only event of its record")
            }
            (Admit::Control | Admit::Any, true) => None,
        }
    }
}

/// The events of a record, in order.
#[derive(Debug)]
pub struct Events<'a> {
    admit: Admit,
    members: Members<'a>,
}

#[derive(Debug)]
enum Members<'a> {
    /// A record with one event, or none left.
    One(Option<Decoded<'a>>),
    /// A packing record.
    Packed(protobuf::Packed<'a>),
    /// A JSON list of events.
    Listed(std::vec::IntoIter<Decoded<'a>>),
}

impl<'a> Iterator for Events<'a> {
    type Item = Decoded<'a>;

    #[inline]
    fn next(&mut self) -> Option<Decoded<'a>> {
        let mut decoded = match &mut self.members {
            // It was admitted when it was decoded.
            Members::One(event) => return event.take(),
            Members::Packed(members) => members.next(),
            Members::Listed(members) => members.next(),
        };
        decoded.iter_mut().for_each(|decoded| self.admit.check(decoded, false));
        decoded
    }
}

/// The product events of the record with this value.
pub fn decode(format: Format, payload: &[u8]) -> Events<'_> {
    decode_admitting(Admit::Product, format, payload)
}

/// The events of the record with this value; those that it must not hold are malformed.
pub fn decode_admitting(admit: Admit, format: Format, payload: &[u8]) -> Events<'_> {
    let mut members = match format {
        Format::Protobuf => protobuf::decode(payload),
        Format::Json => json::decode(payload),
    };
    if let Members::One(Some(decoded)) = &mut members {
        admit.check(decoded, true);
    }
    Events { admit, members }
}
