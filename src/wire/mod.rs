//! Decodes records of the log and encodes published messages, in protobuf and JSON. Types generated from `proto/` are
//! private to this module. Decoding never fails: an event that cannot be read contains the reason.

mod bounds;
mod cloudevents;
mod decoded;
mod effects;
pub mod fields;
mod format;
mod json;
mod proto;
mod protobuf;
mod published;
mod records;

use self::decoded::Members;
use crate::model::EventKind;

pub use bounds::{LIST_MAX, MESSAGE_MAX, PAYLOAD_MAX, dead_letter_key, record_max, short};
pub use cloudevents::{Context, source};
pub use decoded::{Decoded, Loose, Malformed};
pub use effects::{ToWire, dead_letter, user_key};
pub use format::{Format, Kind};
pub use json::{encode as encode_json, instant};
pub use protobuf::{append, encode, encode_activation, encode_tick, pack};
pub use published::{read_handoff, read_json};
pub use records::{BATCH, Records};

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
