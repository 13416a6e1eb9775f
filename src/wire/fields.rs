//! Properties and traits, read where they stand: one field at a time, only when a rule asks.

use std::borrow::Cow;

use prost::bytes::Buf;
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message as _};
use prost_types::{Struct, value::Kind};

use super::Malformed;
use crate::model::Fields;

/// How deep lists and structs may nest, as in `prost`.
const DEPTH_MAX: u32 = 100;

/// The text of field `key`, if it is a text.
pub fn text<'a>(fields: &Fields<'a>, key: &str) -> Option<Cow<'a, str>> {
    match find(fields, key)? {
        Scalar::Text(text) => Some(text),
        _ => None,
    }
}

/// The number of field `key`, if it is a number.
pub fn number(fields: &Fields<'_>, key: &str) -> Option<f64> {
    match find(fields, key)? {
        Scalar::Number(number) => Some(number),
        _ => None,
    }
}

/// The truth of field `key`, if it is a boolean.
pub fn boolean(fields: &Fields<'_>, key: &str) -> Option<bool> {
    match find(fields, key)? {
        Scalar::Boolean(boolean) => Some(boolean),
        _ => None,
    }
}

/// Whether field `key` is there and null.
pub fn is_null(fields: &Fields<'_>, key: &str) -> bool {
    matches!(find(fields, key), Some(Scalar::Null))
}

/// A field's value.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Boolean(bool),
    Null,
    /// A list or a struct.
    Other,
}

fn find<'a>(fields: &Fields<'a>, key: &str) -> Option<Scalar<'a>> {
    match *fields {
        Fields::None => None,
        Fields::Json(object) => {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(object).ok()?;
            Some(match object.get(key)? {
                serde_json::Value::String(text) => Scalar::Text(Cow::Owned(text.clone())),
                serde_json::Value::Number(number) => Scalar::Number(number.as_f64()?),
                serde_json::Value::Bool(boolean) => Scalar::Boolean(*boolean),
                serde_json::Value::Null => Scalar::Null,
                _ => Scalar::Other,
            })
        }
        // Of several entries with one key the last counts, as in any protobuf map.
        Fields::Proto { event, tag } => members(event)
            .filter(|member| member.0 == tag)
            .flat_map(|(_, properties)| members(properties))
            .filter_map(|(_, entry)| entry_value(entry, key))
            .last(),
    }
}

pub(super) fn broken(error: DecodeError) -> Malformed {
    Malformed(format!("not a ProductEvent: {error}"))
}

/// Skips the value of a field that is not read.
pub(super) fn skip(rest: &mut &[u8], tag: u32, wire_type: WireType) -> Result<(), Malformed> {
    match wire_type {
        WireType::Varint => take_varint(rest).map(drop),
        WireType::LengthDelimited => take_bytes(rest).map(drop),
        _ => encoding::skip_field(wire_type, tag, rest, DecodeContext::default()).map_err(broken),
    }
}

/// Takes a varint off the front of `rest`; nearly all have one byte.
#[inline]
pub(super) fn take_varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    match *rest {
        [byte, tail @ ..] if *byte < 0x80 => {
            *rest = tail;
            Ok(u64::from(*byte))
        }
        _ => encoding::decode_varint(rest).map_err(broken),
    }
}

/// Takes a field's key off the front of `rest`.
#[inline]
pub(super) fn take_key(rest: &mut &[u8]) -> Result<(u32, WireType), Malformed> {
    match *rest {
        // Tags 1 to 15 with the two wire types of nearly all fields.
        [byte, tail @ ..] if (0x08..0x80).contains(byte) && byte & 5 == 0 => {
            *rest = tail;
            Ok((u32::from(byte >> 3), if byte & 2 == 0 { WireType::Varint } else { WireType::LengthDelimited }))
        }
        _ => encoding::decode_key(rest).map_err(broken),
    }
}

/// Takes the bytes of a length-delimited field off the front of `rest`.
#[inline]
pub(super) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = take_varint(rest)?;
    match usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) {
        Some((bytes, tail)) => {
            *rest = tail;
            Ok(bytes)
        }
        None => Err(Malformed::new("not a ProductEvent: a field is cut off")),
    }
}

/// The length-delimited fields of a checked message, by tag; fields of other wire types are passed over.
fn members(mut message: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        while !message.is_empty() {
            let (tag, wire_type) = take_key(&mut message).ok()?;
            if wire_type == WireType::LengthDelimited {
                return Some((tag, take_bytes(&mut message).ok()?));
            }
            skip(&mut message, tag, wire_type).ok()?;
        }
        None
    })
}

/// The value of a map entry, if its key is `key`.
fn entry_value<'a>(entry: &'a [u8], key: &str) -> Option<Scalar<'a>> {
    let name = members(entry).filter(|field| field.0 == 1).last().map_or(&b""[..], |field| field.1);
    if name != key.as_bytes() {
        return None;
    }
    let mut scalar = Scalar::Other;
    for (_, mut value) in members(entry).filter(|field| field.0 == 2) {
        while !value.is_empty() {
            let (tag, wire_type) = take_key(&mut value).ok()?;
            scalar = match (tag, wire_type) {
                (1, WireType::Varint) => take_varint(&mut value).map(|_| Scalar::Null).ok()?,
                (2, WireType::SixtyFourBit) => Scalar::Number(value.try_get_f64_le().ok()?),
                (3, WireType::LengthDelimited) => {
                    Scalar::Text(Cow::Borrowed(std::str::from_utf8(take_bytes(&mut value).ok()?).ok()?))
                }
                (4, WireType::Varint) => Scalar::Boolean(take_varint(&mut value).ok()? != 0),
                _ => {
                    skip(&mut value, tag, wire_type).ok()?;
                    if matches!(tag, 5 | 6) { Scalar::Other } else { scalar }
                }
            };
        }
    }
    Some(scalar)
}

/// The wire type that each field of a message must have, by tag.
struct Shape(&'static [(u32, WireType, Inner)]);

/// What stands inside a field.
#[derive(Clone, Copy)]
enum Inner {
    Plain,
    Text,
    Message(&'static Shape),
}

static STRUCT: Shape = Shape(&[(1, WireType::LengthDelimited, Inner::Message(&ENTRY))]);
static ENTRY: Shape =
    Shape(&[(1, WireType::LengthDelimited, Inner::Text), (2, WireType::LengthDelimited, Inner::Message(&VALUE))]);
static LIST: Shape = Shape(&[(1, WireType::LengthDelimited, Inner::Message(&VALUE))]);
static VALUE: Shape = Shape(&[
    (1, WireType::Varint, Inner::Plain),
    (2, WireType::SixtyFourBit, Inner::Plain),
    (3, WireType::LengthDelimited, Inner::Text),
    (4, WireType::Varint, Inner::Plain),
    (5, WireType::LengthDelimited, Inner::Message(&STRUCT)),
    (6, WireType::LengthDelimited, Inner::Message(&LIST)),
]);

/// Whether the bytes are a `google.protobuf.Struct`: what passes can be read without a doubt.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check(message: &[u8]) -> Result<(), Malformed> {
    check_shape(message, &STRUCT, DEPTH_MAX)
}

fn check_shape(mut message: &[u8], shape: &Shape, depth: u32) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Err(Malformed::new("nested too deep")) };
    while !message.is_empty() {
        let (tag, wire_type) = take_key(&mut message)?;
        match shape.0.iter().find(|field| field.0 == tag) {
            Some((_, expected, _)) if wire_type != *expected => {
                return Err(Malformed(format!("field {tag} has the wrong wire type")));
            }
            Some((_, _, Inner::Text)) => {
                std::str::from_utf8(take_bytes(&mut message)?).map_err(|_| Malformed::new("a text is not UTF-8"))?;
            }
            Some((_, _, Inner::Message(shape))) => check_shape(take_bytes(&mut message)?, shape, depth)?,
            Some((_, _, Inner::Plain)) | None => skip(&mut message, tag, wire_type)?,
        }
    }
    Ok(())
}

/// The fields as a protobuf `Struct`, keys in byte order.
pub(super) fn to_struct(fields: &Fields<'_>) -> Option<Struct> {
    match *fields {
        Fields::None => None,
        Fields::Json(object) => serde_json::from_str(object).ok().map(from_json),
        Fields::Proto { event, tag } => {
            let whole: Vec<u8> =
                members(event).filter(|member| member.0 == tag).flat_map(|(_, bytes)| bytes.iter().copied()).collect();
            Struct::decode(&whole[..]).ok()
        }
    }
}

/// The fields as a JSON object.
pub(super) fn to_json(fields: &Fields<'_>) -> Option<String> {
    match *fields {
        Fields::None => None,
        Fields::Json(object) => Some(object.to_owned()),
        Fields::Proto { .. } => to_struct(fields).map(|fields| into_json(fields).to_string()),
    }
}

fn into_json(fields: Struct) -> serde_json::Value {
    fn value(field: prost_types::Value) -> serde_json::Value {
        use serde_json::Value as Json;
        match field.kind {
            None | Some(Kind::NullValue(_)) => Json::Null,
            Some(Kind::BoolValue(boolean)) => Json::Bool(boolean),
            Some(Kind::NumberValue(number)) => serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number),
            Some(Kind::StringValue(text)) => Json::String(text),
            Some(Kind::ListValue(list)) => Json::Array(list.values.into_iter().map(value).collect()),
            Some(Kind::StructValue(fields)) => into_json(fields),
        }
    }
    serde_json::Value::Object(fields.fields.into_iter().map(|(key, field)| (key, value(field))).collect())
}

fn from_json(object: serde_json::Map<String, serde_json::Value>) -> Struct {
    fn value(json: serde_json::Value) -> prost_types::Value {
        use serde_json::Value as Json;
        prost_types::Value {
            kind: Some(match json {
                Json::Null => Kind::NullValue(0),
                Json::Bool(boolean) => Kind::BoolValue(boolean),
                // Every JSON number that serde_json reads has a nearest double.
                Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
                Json::String(text) => Kind::StringValue(text),
                Json::Array(items) => {
                    Kind::ListValue(prost_types::ListValue { values: items.into_iter().map(value).collect() })
                }
                Json::Object(object) => Kind::StructValue(from_json(object)),
            }),
        }
    }
    Struct { fields: object.into_iter().map(|(key, json)| (key, value(json))).collect() }
}
