//! Decodes records of the log and encodes published messages, in protobuf and JSON. Types generated from `proto/` are
//! private to this module. Decoding never fails: an event that cannot be read contains the reason.

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

/// The format of records, of the log or published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An encoded message of `upswell.v1`.
    #[default]
    Protobuf,
    /// A JSON object: an event with the names of the Segment spec, a published message as canonical proto3 JSON.
    Json,
}

/// The kinds of published messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A handoff.
    Handoff,
    /// A message of the signals feed.
    SignalChanged,
    /// A change of an onboarding track.
    Onboarding,
    /// The profile of an account.
    AccountProfile,
    /// The profile of a user.
    UserProfile,
    /// Input that could not be used.
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

/// One event of a record: its bytes, and the decoded event or the reason why it is malformed.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// The bytes of the event: the value of the record, or one event of a packed record.
    pub raw: &'a [u8],
    /// The event, or the reason why it is malformed.
    pub event: Result<Event<'a>, Malformed>,
    /// Faults of the event that do not make it malformed.
    pub loose: Loose,
    /// Whether the event differs from its bytes: an event of a JSON list or batch may have times from there, and the
    /// account id may be folded.
    pub is_changed: bool,
}

/// Faults that are counted but do not make an event malformed (semantics A30, A31), and forbidden ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loose {
    /// A time has no zone: it is taken as UTC.
    pub zoneless: bool,
    /// A field has an unexpected type: it is treated as absent.
    pub left_out: bool,
    /// An id is forbidden by the rules: with such an account id the event is malformed, other ids are treated as
    /// absent.
    pub forbidden: bool,
}

impl<'a> Decoded<'a> {
    /// The event as if it had been decoded from these bytes.
    pub fn event(raw: &'a [u8], event: Event<'a>) -> Decoded<'a> {
        Decoded { raw, event: Ok(event), loose: Loose::default(), is_changed: false }
    }

    /// A tick of this time, without a record.
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

/// The reason why an event is malformed, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    fn new(what: impl Into<String>) -> Malformed {
        Malformed(what.into())
    }
}

/// Which events a record may contain. Control events are reserved for operators (semantics A32).
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
    /// Which events a record of the log may contain, by whether it has the header of control records.
    pub fn of_log(is_control: bool) -> Admit {
        if is_control { Admit::Control } else { Admit::Product }
    }

    /// Makes an event malformed if the record may not contain it.
    fn check(self, decoded: &mut Decoded<'_>, is_alone: bool) {
        let kind = decoded.event.as_ref().ok().map(|event| event.kind);
        if let Some(refusal) = kind.and_then(|kind| self.refusal(kind, is_alone)) {
            decoded.event = Err(Malformed::new(refusal));
        }
    }

    /// Why the record may not contain an event of this kind, if so.
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
            // It was checked when it was decoded.
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

/// The events of the record with this value. Events that it may not contain are malformed.
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
