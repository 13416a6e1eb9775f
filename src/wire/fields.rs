//! Properties and traits, read where they stand: one field at a time, only when a rule asks.

use std::borrow::Cow;

use prost::bytes::Buf;
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message as _};
use prost_types::{Struct, value::Kind};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Malformed;
use crate::model::Fields;

/// How deep lists and structs may nest, as in `prost`.
const DEPTH_MAX: u32 = 100;

/// The text of field `key`, if it is a text.
pub fn text<'a>(fields: &Fields<'a>, key: &str) -> Option<Cow<'a, str>> {
    match value(fields, key)? {
        Scalar::Text(text) => Some(text),
        _ => None,
    }
}

/// The number of field `key`, if it is a number.
pub fn number(fields: &Fields<'_>, key: &str) -> Option<f64> {
    match value(fields, key)? {
        Scalar::Number(number) => Some(number),
        _ => None,
    }
}

/// The truth of field `key`, if it is a boolean.
pub fn boolean(fields: &Fields<'_>, key: &str) -> Option<bool> {
    match value(fields, key)? {
        Scalar::Boolean(boolean) => Some(boolean),
        _ => None,
    }
}

/// Whether field `key` is there and null.
pub fn is_null(fields: &Fields<'_>, key: &str) -> bool {
    matches!(value(fields, key), Some(Scalar::Null))
}

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// Said to be nothing.
    Null,
    /// A list or a struct.
    Other,
}

impl Scalar<'_> {
    fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Number(number) => Scalar::Number(number),
            Scalar::Boolean(boolean) => Scalar::Boolean(boolean),
            Scalar::Null => Scalar::Null,
            Scalar::Other => Scalar::Other,
        }
    }
}

/// The value of the field named `key`; where none is named so, `key` is a path through structs and lists, as in
/// `$set.email` and `items.data.0.price`.
#[inline]
pub fn value<'a>(fields: &Fields<'a>, key: &str) -> Option<Scalar<'a>> {
    match *fields {
        Fields::None => None,
        Fields::Json(object) => value_in_json(object, key),
        Fields::Proto { event, tag } => value_in_proto(event, tag, key),
    }
}

fn value_in_json<'a>(object: &'a str, key: &str) -> Option<Scalar<'a>> {
    if let Some(raw) = json_field(object, key) {
        return json_scalar(raw.get());
    }
    let (first, rest) = key.split_once('.')?;
    let first: serde_json::Value = serde_json::from_str(json_field(object, first)?.get()).ok()?;
    let value = rest.split('.').try_fold(&first, json_step)?;
    json_scalar(&value.to_string()).map(Scalar::into_owned)
}

fn value_in_proto<'a>(event: &'a [u8], tag: u32, key: &str) -> Option<Scalar<'a>> {
    let structs = || members(event).filter(move |member| member.0 == tag).map(|member| member.1);
    let value = proto_field(structs(), key).or_else(|| {
        let (first, rest) = key.split_once('.')?;
        rest.split('.').try_fold(proto_field(structs(), first)?, proto_step)
    })?;
    Some(match value {
        Value::Scalar(scalar) => scalar,
        Value::Struct(_) | Value::List(_) => Scalar::Other,
    })
}

/// The value of a key of an object as it stands there; of several with one key the last. The others are passed over.
fn json_field<'a>(object: &'a str, key: &str) -> Option<&'a RawValue> {
    struct IsKey<'k>(&'k str);
    impl<'de> DeserializeSeed<'de> for IsKey<'_> {
        type Value = bool;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
            deserializer.deserialize_str(self)
        }
    }
    impl Visitor<'_> for IsKey<'_> {
        type Value = bool;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a key")
        }
        fn visit_str<E>(self, key: &str) -> Result<bool, E> {
            Ok(key == self.0)
        }
    }
    struct Find<'k>(&'k str);
    impl<'de> Visitor<'de> for Find<'_> {
        type Value = Option<&'de RawValue>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = None;
            while let Some(is) = map.next_key_seed(IsKey(self.0))? {
                if is {
                    found = Some(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }
    serde_json::Deserializer::from_str(object).deserialize_map(Find(key)).ok()?
}

/// A JSON value; a text without escapes is read where it stands.
fn json_scalar(raw: &str) -> Option<Scalar<'_>> {
    Some(match raw.as_bytes().first()? {
        b'"' => match raw.get(1..raw.len() - 1).filter(|text| !text.contains('\\')) {
            Some(text) => Scalar::Text(Cow::Borrowed(text)),
            None => Scalar::Text(Cow::Owned(serde_json::from_str(raw).ok()?)),
        },
        b'{' | b'[' => Scalar::Other,
        b't' => Scalar::Boolean(true),
        b'f' => Scalar::Boolean(false),
        b'n' => Scalar::Null,
        _ => Scalar::Number(serde_json::from_str(raw).ok()?),
    })
}

/// One step of a path: into a struct by name, into a list by index.
fn json_step<'a>(value: &'a serde_json::Value, step: &str) -> Option<&'a serde_json::Value> {
    match value {
        serde_json::Value::Object(object) => object.get(step),
        serde_json::Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

/// A value as it stands in a message.
enum Value<'a> {
    Scalar(Scalar<'a>),
    Struct(&'a [u8]),
    List(&'a [u8]),
}

/// One step of a path: into a struct by name, into a list by index.
fn proto_step<'a>(value: Value<'a>, step: &str) -> Option<Value<'a>> {
    match value {
        Value::Struct(fields) => proto_field(std::iter::once(fields), step),
        Value::List(list) => {
            let item = members(list).filter(|item| item.0 == 1).nth(step.parse().ok()?)?;
            proto_value(std::iter::once(item.1))
        }
        Value::Scalar(_) => None,
    }
}

/// The value of `key` in structs that together are one. Of several entries with one key the last counts, as in any
/// protobuf map.
fn proto_field<'a>(structs: impl Iterator<Item = &'a [u8]>, key: &str) -> Option<Value<'a>> {
    let entry = structs
        .flat_map(members)
        .filter(|(tag, entry)| {
            let name = || members(entry).filter(|field| field.0 == 1).last().map_or(&b""[..], |field| field.1);
            *tag == 1 && name() == key.as_bytes()
        })
        .last()?;
    proto_value(members(entry.1).filter(|field| field.0 == 2).map(|field| field.1))
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

/// What the parts of a `google.protobuf.Value` say: of several kinds the last counts.
fn proto_value<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<Value<'a>> {
    let mut found = Value::Scalar(Scalar::Other);
    for mut part in parts {
        while !part.is_empty() {
            let (tag, wire_type) = take_key(&mut part).ok()?;
            found = match (tag, wire_type) {
                (1, WireType::Varint) => take_varint(&mut part).map(|_| Value::Scalar(Scalar::Null)).ok()?,
                (2, WireType::SixtyFourBit) => Value::Scalar(Scalar::Number(part.try_get_f64_le().ok()?)),
                (3, WireType::LengthDelimited) => {
                    let text = std::str::from_utf8(take_bytes(&mut part).ok()?).ok()?;
                    Value::Scalar(Scalar::Text(Cow::Borrowed(text)))
                }
                (4, WireType::Varint) => Value::Scalar(Scalar::Boolean(take_varint(&mut part).ok()? != 0)),
                (5, WireType::LengthDelimited) => Value::Struct(take_bytes(&mut part).ok()?),
                (6, WireType::LengthDelimited) => Value::List(take_bytes(&mut part).ok()?),
                _ => {
                    skip(&mut part, tag, wire_type).ok()?;
                    found
                }
            };
        }
    }
    Some(found)
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
