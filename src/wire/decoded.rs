//! A decoded event, the reason why one is malformed, and which events a record may contain.

use crate::model::{Event, EventKind, EventTime, Fields};

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
    /// Whether forbidden ids were removed from it (`rules::Ids::key`).
    pub is_screened: bool,
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
    /// No fault: at which of the places of the input the account was found, counted from 1; 0 if it was at none of them,
    /// such as the field of a protobuf event.
    pub account_at: u8,
}

impl<'a> Decoded<'a> {
    /// The event as if it had been decoded from these bytes.
    pub fn event(raw: &'a [u8], event: Event<'a>) -> Decoded<'a> {
        Decoded { raw, event: Ok(event), loose: Loose::default(), is_changed: false, is_screened: false }
    }

    /// A tick of this time, without a record.
    pub fn tick(time: EventTime) -> Decoded<'static> {
        Decoded::event(b"", control_event(EventKind::Tick, "", time))
    }

    pub(super) fn malformed(raw: &'a [u8], malformed: Malformed) -> Decoded<'a> {
        Decoded { raw, event: Err(malformed), loose: Loose::default(), is_changed: false, is_screened: false }
    }
}

pub(super) fn control_event(kind: EventKind, rules: &str, time: EventTime) -> Event<'_> {
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
    pub(super) fn new(what: impl Into<String>) -> Malformed {
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

    /// Whether the record may contain an event of this kind, alone or with others.
    #[inline]
    pub(super) fn check(self, kind: EventKind, is_alone: bool) -> Result<(), Malformed> {
        let refusal = match (self, kind.is_control()) {
            (Admit::Product | Admit::Any, false) => return Ok(()),
            (Admit::Control | Admit::Any, true) if is_alone => return Ok(()),
            (Admit::Product, true) => {
                "a control event is taken only from a record with the header upswell-control, or from a file that is \
                 read with --control"
            }
            (Admit::Control, false) => {
                "a record with the header upswell-control must contain one control event and nothing else"
            }
            (Admit::Control | Admit::Any, true) => "a control event must be the only event of its record",
        };
        Err(Malformed::new(refusal))
    }
}

/// The events of a record that are left.
#[derive(Debug)]
pub(super) enum Members<'a> {
    /// A packing record.
    Packed(Packed<'a>),
    /// A JSON list of events.
    Listed(std::vec::IntoIter<Decoded<'a>>),
    /// No event is left.
    None,
}

/// The members of a packing record.
#[derive(Debug)]
pub(super) struct Packed<'a> {
    pub(super) record: &'a [u8],
    pub(super) rest: &'a [u8],
    /// What is wrong with the record beside its members.
    pub(super) fault: Option<Malformed>,
}
