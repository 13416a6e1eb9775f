//! Bytes ↔ model: protobuf and newline-delimited JSON. Generated types never leave this room, and decoding never
//! fails: what cannot be read is an event that says what is wrong.

mod effects;
pub mod fields;
mod json;
mod protobuf;

use serde::{Deserialize, Serialize};

use crate::model::Event;

pub use effects::{ToWire, dead_letter, read_handoff};
pub use json::encode as encode_json;
pub use protobuf::{encode, encode_tick, pack};

/// The types that `proto/` describes, generated at build time.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/upswell.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/upswell.v1.serde.rs"));
}

/// How the records of a log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An encoded `upswell.v1.ProductEvent`.
    #[default]
    Protobuf,
    /// A JSON object with the names of the Segment spec.
    Json,
}

/// One event of a record: its bytes, and what they say.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The bytes as they came: the record's value, or one member of it.
    pub raw: &'a [u8],
    /// The event, or what is wrong with it.
    pub event: Result<Event<'a>, Malformed>,
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

/// The events of a record, in order.
#[derive(Debug)]
pub enum Events<'a> {
    /// A record with one event, or none left.
    One(Option<Decoded<'a>>),
    /// A packing record.
    Packed(protobuf::Members<'a>),
}

impl<'a> Iterator for Events<'a> {
    type Item = Decoded<'a>;

    fn next(&mut self) -> Option<Decoded<'a>> {
        match self {
            Events::One(event) => event.take(),
            Events::Packed(members) => members.next(),
        }
    }
}

/// The events of the record with this value.
pub fn decode(format: Format, payload: &[u8]) -> Events<'_> {
    match format {
        Format::Protobuf => protobuf::decode(payload),
        Format::Json => Events::One(Some(Decoded { raw: payload, event: json::decode(payload) })),
    }
}
