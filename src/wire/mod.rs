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

pub use bounds::{LIST_MAX, MESSAGE_MAX, PAYLOAD_MAX, dead_letter_key, record_max, short};
pub use cloudevents::{Attributes, headers, source};
pub use decoded::{Admit, Decoded, Loose, Malformed};
pub use effects::{ToWire, append_user_key, dead_letter, user_key};
pub use format::{Format, ID_MAX, Kind};
pub use json::{encode as encode_json, instant};
pub use protobuf::{
    append, decode_owned, encode, encode_activation, encode_backfill, encode_forget, encode_tick, pack,
};
pub use published::{read_handoff, read_json};
pub use records::{BATCH, Records};

/// The events of a record, in order.
#[derive(Debug)]
pub struct Events<'a> {
    admit: Admit,
    /// The record, until its first event is decoded.
    record: Option<(Format, &'a [u8])>,
    /// The events after the first.
    rest: Members<'a>,
}

impl<'a> Iterator for Events<'a> {
    type Item = Decoded<'a>;

    #[inline]
    fn next(&mut self) -> Option<Decoded<'a>> {
        let Events { admit, record, rest } = self;
        match record.take() {
            Some((Format::Protobuf, payload)) => protobuf::first(payload, *admit, rest),
            Some((Format::Json, payload)) => json::first(payload, *admit, rest),
            None => match rest {
                Members::Packed(packed) => packed.next(*admit),
                Members::Listed(listed) => listed.next(),
                Members::None => None,
            },
        }
    }
}

/// The product events of the record with this value.
pub fn decode(format: Format, payload: &[u8]) -> Events<'_> {
    decode_admitting(Admit::Product, format, payload)
}

/// The events of the record with this value. Events that it may not contain are malformed.
pub fn decode_admitting(admit: Admit, format: Format, payload: &[u8]) -> Events<'_> {
    Events { admit, record: Some((format, payload)), rest: Members::None }
}
