//! Decodes records of the log and encodes published messages, in protobuf and JSON. Types generated from `proto/` are
//! private to this module. Decoding never fails: an event that cannot be read contains the reason.

#[cfg(feature = "avro")]
mod avro;
mod bounds;
mod cloudevents;
mod decoded;
mod effects;
pub mod fields;
mod format;
mod framing;
mod headers;
mod input;
mod json;
#[cfg(any(test, feature = "avro", feature = "parquet"))]
pub mod literal;
mod object;
mod places;
mod proto;
mod protobuf;
mod published;
mod record;
mod records;
mod times;
mod vendors;

use self::decoded::Members;
use self::input::Unread;
use self::places::Places;

#[cfg(feature = "avro")]
pub use avro::Avro;
pub use bounds::{LIST_MAX, MESSAGE_MAX, PAYLOAD_MAX, dead_letter_key, record_max, short};
pub use cloudevents::{Attributes, headers, source};
pub use decoded::{Admit, Decoded, Loose, Malformed};
pub use effects::{ToWire, append_user_key, dead_letter, user_key};
pub use format::{Format, ID_MAX, InputFormat, Kind};
pub use framing::{Messages, Schema, Schemas, messages, schema_id};
pub use headers::Headers;
pub use input::{Input, recognise};
pub use json::encode as encode_json;
pub use places::Place;
pub use protobuf::{
    append, decode_owned, encode, encode_activation, encode_backfill, encode_forget, encode_tick, pack,
};
pub use published::{read_handoff, read_json};
pub use records::{BATCH, Records};
pub use times::instant;

/// The events of a record, in order.
#[derive(Debug)]
pub struct Events<'a> {
    admit: Admit,
    /// The record, until its first event is decoded.
    record: Option<(Unread<'a>, &'a [u8])>,
    /// The events after the first.
    rest: Members<'a>,
}

impl<'a> Events<'a> {
    fn new(admit: Admit, unread: Unread<'a>, record: &'a [u8]) -> Events<'a> {
        Events { admit, record: Some((unread, record)), rest: Members::None }
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Decoded<'a>;

    #[inline]
    fn next(&mut self) -> Option<Decoded<'a>> {
        let Events { admit, record, rest } = self;
        match record.take() {
            Some((Unread::Protobuf, payload)) => protobuf::first(payload, *admit, rest),
            Some((Unread::Json(places), payload)) => json::first(payload, *admit, places, rest),
            Some((Unread::Vendor(vendor, places), payload)) => vendors::first(vendor, payload, *admit, places, rest),
            None => match rest {
                Members::Packed(packed) => packed.next(*admit),
                Members::Listed(listed) => listed.next(),
                Members::None => None,
            },
        }
    }
}

/// A log in JSON has the account where Upswell writes it.
static OF_THE_LOG: Places = Places::LOG;

impl Input {
    /// The events of the record with this value. Events that it may not contain are malformed.
    #[inline]
    pub fn decode<'a>(&'a self, admit: Admit, record: &'a [u8]) -> Events<'a> {
        let unread = match (admit, self.unread()) {
            // Control records are not written by products.
            (Admit::Control, Unread::Json(_) | Unread::Vendor(..)) => Unread::Json(&OF_THE_LOG),
            (_, unread) => unread,
        };
        Events::new(admit, unread, record)
    }
}

/// The product events of the record with this value.
pub fn decode(format: Format, payload: &[u8]) -> Events<'_> {
    decode_admitting(Admit::Product, format, payload)
}

/// The events of the record with this value. Events that it may not contain are malformed.
pub fn decode_admitting(admit: Admit, format: Format, payload: &[u8]) -> Events<'_> {
    let unread = match format {
        Format::Protobuf => Unread::Protobuf,
        Format::Json => Unread::Json(&OF_THE_LOG),
    };
    Events::new(admit, unread, payload)
}
