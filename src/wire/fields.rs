//! Reads properties and traits in their encoded form, JSON or protobuf: one field at a time, when a rule needs it.

use std::borrow::Cow;

use prost::DecodeError;
use prost::bytes::Buf;
use prost::encoding::{self, DecodeContext, WireType};
use prost_types::{ListValue, Struct, value::Kind};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::decoded::Malformed;
use crate::model::{Event, Fields};

/// How deep lists and objects may nest in one property or trait; what nests deeper is left out (semantics A30).
const DEPTH_MAX: u32 = 64;
/// Protobuf messages inside each other at that depth: a struct, its entry and the value for each level. Deeper ones are
/// not read.
const MESSAGES_MAX: u32 = 3 * DEPTH_MAX + 3;

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// A text; also the digits of a whole number beyond 2⁵³, of which a double would lose some.
    Text(Cow<'a, str>),
    /// A number, and its digits as written; empty if it is a protobuf double.
    Number(f64, &'a str),
    /// A boolean.
    Boolean(bool),
    /// An explicit null.
    Null,
    /// A list or a struct.
    Nested(Nested<'a>),
}

/// A list or a struct, in its encoded form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Nested<'a> {
    /// Either, in JSON.
    Json(&'a str),
    /// A `google.protobuf.Struct`.
    Struct(&'a [u8]),
    /// A `google.protobuf.ListValue`.
    List(&'a [u8]),
}

impl<'a> Scalar<'a> {
    /// The number. A whole number that a double cannot represent is rounded to the nearest double.
    pub fn number(self) -> Option<f64> {
        match self {
            Scalar::Number(number, _) => Some(number),
            Scalar::Text(text) if is_large(&text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// The boolean.
    pub fn boolean(self) -> Option<bool> {
        match self {
            Scalar::Boolean(boolean) => Some(boolean),
            _ => None,
        }
    }

    /// The text. A number is converted to text, because ids are numbers in many products: a whole number by the digits
    /// as written, because several large numbers are the same double.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Scalar::Text(text) => Some(text),
            Scalar::Number(_, written) if is_whole(written) => Some(written.into()),
            Scalar::Number(number, _) => Some(number.to_string().into()),
            _ => None,
        }
    }

    /// The text, or the contents of a list or struct as text.
    pub fn words(self) -> Option<Cow<'a, str>> {
        match self {
            Scalar::Nested(nested) => nested.words().map(Cow::Owned),
            scalar => scalar.text(),
        }
    }
}

pub(super) fn is_whole(written: &str) -> bool {
    let digits = written.strip_prefix('-').unwrap_or(written);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text is a whole number above 2⁵³ or below −2⁵³ in JSON. Such numbers are usually ids, and several of them
/// are the same double, so they are kept as digits in every format.
fn is_large(text: &str) -> bool {
    const LAST_EXACT: &str = "9007199254740992";
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() >= LAST_EXACT.len()
        && !digits.starts_with('0')
        && is_whole(digits)
        && (digits.len() > LAST_EXACT.len() || digits > LAST_EXACT)
}

impl Nested<'_> {
    /// All of it as JSON, as far as it can be kept (semantics A30).
    pub fn json(self) -> Option<serde_json::Value> {
        match self {
            Nested::Json(raw) => keep(raw),
            Nested::Struct(fields) => Some(struct_to_json(std::iter::once(fields))),
            Nested::List(list) => Some(list_to_json(list)),
        }
    }

    /// Longest text that is made of a list or struct, in bytes: a person does not read on.
    const WORDS_MAX: usize = 2_000;

    /// What stands in it, for a person: the items of a list with commas, of a struct the values in the order of their
    /// keys. What is too long ends with an ellipsis.
    fn words(self) -> Option<String> {
        let mut words = words(&self.json()?);
        if words.len() > Self::WORDS_MAX {
            let end = (0..=Self::WORDS_MAX).rev().find(|end| words.is_char_boundary(*end)).unwrap_or(0);
            words.truncate(end);
            words.push('…');
        }
        Some(words)
    }
}

fn words(value: &serde_json::Value) -> String {
    use serde_json::Value as Json;
    let joined = |values: &mut dyn Iterator<Item = &Json>, separator| {
        values.map(words).filter(|words| !words.is_empty()).collect::<Vec<_>>().join(separator)
    };
    match value {
        Json::String(text) => text.trim().to_owned(),
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(double) => double.to_string(),
            None => number.to_string(),
        },
        Json::Array(items) => joined(&mut items.iter(), ", "),
        Json::Object(fields) => joined(&mut fields.values(), " "),
        Json::Null | Json::Bool(_) => String::new(),
    }
}

/// The value of the field named `key`; where none is named so, `key` is a path through structs and lists, as in
/// `$set.email` and `items.data.0.price`.
#[inline]
pub fn value<'a>(fields: &'a Fields<'_>, key: &str) -> Option<Scalar<'a>> {
    match fields {
        Fields::None => None,
        Fields::Json(object) => value_in_json(object, key),
        Fields::Owned(object) => value_in_json(object, key),
        Fields::Proto { part, tag } => value_in_proto(part, *tag, key),
    }
}

/// The first step of a path, and the rest; none if the key is a name. Names are short: this is the shorter way.
#[inline]
fn path(key: &str) -> Option<(&str, &str)> {
    let dot = key.bytes().position(|byte| byte == b'.')?;
    Some((&key[..dot], &key[dot + 1..]))
}

fn value_in_json<'a>(object: &'a str, key: &str) -> Option<Scalar<'a>> {
    let field = |name| json_field(object, name).filter(|value| is_flat_enough(value.get()));
    let value = field(key).or_else(|| {
        let (first, rest) = path(key)?;
        rest.split('.').try_fold(field(first)?, json_step)
    })?;
    json_scalar(value.get())
}

fn value_in_proto<'a>(part: &'a [u8], tag: u32, key: &str) -> Option<Scalar<'a>> {
    let structs = || members(part).filter(move |member| member.0 == tag).map(|member| member.1);
    let field = |name| proto_field(structs(), name).filter(|value| value.nests_at_most(DEPTH_MAX));
    let value = field(key).or_else(|| {
        let (first, rest) = path(key)?;
        rest.split('.').try_fold(field(first)?, proto_step)
    })?;
    Some(match value {
        Value::Scalar(Scalar::Number(number, _)) if !number.is_finite() => return None,
        Value::Scalar(scalar) => scalar,
        Value::Struct(fields) => Scalar::Nested(Nested::Struct(fields)),
        Value::List(list) => Scalar::Nested(Nested::List(list)),
    })
}

/// The value of a key of an object as it stands there; of several with one key the last. The others are passed over.
pub(super) fn json_field<'a>(object: &'a str, key: &str) -> Option<&'a RawValue> {
    struct IsKey<'k>(&'k str);
    impl<'de> DeserializeSeed<'de> for IsKey<'_> {
        type Value = bool;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
            deserializer.deserialize_bytes(self)
        }
    }
    impl Visitor<'_> for IsKey<'_> {
        type Value = bool;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a key")
        }
        fn visit_bytes<E>(self, key: &[u8]) -> Result<bool, E> {
            Ok(key == self.0.as_bytes() || (key.contains(&SURROGATE) && replaced(key) == self.0))
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

/// The first byte of half a surrogate pair in the bytes of serde_json. Other characters begin with it too.
const SURROGATE: u8 = 0xed;

/// The text with U+FFFD for each half of a surrogate.
pub(super) fn replaced(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let valid = std::str::from_utf8(rest).map_or_else(|error| error.valid_up_to(), str::len);
        text.push_str(std::str::from_utf8(&rest[..valid]).unwrap_or_default());
        rest = &rest[valid..];
        if !rest.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
            // Half a surrogate has three bytes.
            rest = rest.get(3..).unwrap_or_default();
        }
    }
    Cow::Owned(text)
}

/// The contents of a JSON string; the inner none if it has escapes, the outer none if the value is not a string.
#[inline]
fn json_plain(raw: &str) -> Option<Option<&str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    Some((!inner.as_bytes().contains(&b'\\')).then_some(inner))
}

/// The bytes of a JSON text: UTF-8 but for halves of surrogates.
fn json_bytes(raw: &str) -> Option<Vec<u8>> {
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text")
        }
        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
    serde_json::Deserializer::from_str(raw).deserialize_bytes(Bytes).ok()
}

/// A JSON text, with U+FFFD for each half of a surrogate (semantics A30); one without escapes is read where it stands.
/// None where the value is no text.
pub(super) fn json_text(raw: &str) -> Option<Cow<'_, str>> {
    match json_plain(raw)? {
        Some(text) => Some(Cow::Borrowed(text)),
        None => Some(Cow::Owned(replaced(&json_bytes(raw)?).into_owned())),
    }
}

/// A JSON text that holds no half of a surrogate.
pub(super) fn json_text_exact(raw: &str) -> Option<Cow<'_, str>> {
    match json_plain(raw)? {
        Some(text) => Some(Cow::Borrowed(text)),
        None => String::from_utf8(json_bytes(raw)?).ok().map(Cow::Owned),
    }
}

/// A JSON number: finite, or none; a large whole one by its digits.
fn json_number(raw: &str) -> Option<Scalar<'_>> {
    let number = raw.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some(if is_large(raw) { Scalar::Text(Cow::Borrowed(raw)) } else { Scalar::Number(number, raw) })
}

fn json_scalar(raw: &str) -> Option<Scalar<'_>> {
    Some(match raw.as_bytes().first()? {
        b'"' => Scalar::Text(json_text(raw)?),
        b'{' | b'[' => Scalar::Nested(Nested::Json(raw)),
        b't' => Scalar::Boolean(true),
        b'f' => Scalar::Boolean(false),
        b'n' => Scalar::Null,
        _ => return json_number(raw),
    })
}

/// Whether lists and objects nest in a JSON value at most as deep as is read.
fn is_flat_enough(raw: &str) -> bool {
    if !raw.starts_with(['{', '[']) {
        return true;
    }
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_u32, 0, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest <= DEPTH_MAX
}

/// One step of a path: into a struct by name, into a list by index among the items that can be kept.
fn json_step<'a>(value: &'a RawValue, step: &str) -> Option<&'a RawValue> {
    match value.get().as_bytes().first()? {
        b'{' => json_field(value.get(), step),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            let kept = items.into_iter().filter(|item| json_scalar(item.get()).is_some());
            kept.into_iter().nth(step.parse::<usize>().ok()?)
        }
        _ => None,
    }
}

/// A JSON value as far as it can be kept, of at most the depth that is read: texts with U+FFFD for halves of
/// surrogates, without the numbers that are not finite (semantics A30). None where nothing of it can be kept.
fn keep(raw: &str) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match json_scalar(raw)? {
        Scalar::Text(text) => Json::String(text.into_owned()),
        Scalar::Number(_, raw) => Json::Number(serde_json::from_str(raw).ok()?),
        Scalar::Boolean(boolean) => Json::Bool(boolean),
        Scalar::Null => Json::Null,
        Scalar::Nested(_) if raw.starts_with('[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
            Json::Array(items.into_iter().filter_map(|item| keep(item.get())).collect())
        }
        Scalar::Nested(_) => Json::Object(keep_members(raw, |_| true)),
    })
}

/// The members of an object as far as they can be kept; of several with one key the last, kept or not.
fn keep_members(object: &str, wanted: fn(&str) -> bool) -> serde_json::Map<String, serde_json::Value> {
    struct Key;
    impl<'de> DeserializeSeed<'de> for Key {
        type Value = String;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
            deserializer.deserialize_bytes(self)
        }
    }
    impl Visitor<'_> for Key {
        type Value = String;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a key")
        }
        fn visit_bytes<E>(self, key: &[u8]) -> Result<String, E> {
            Ok(replaced(key).into_owned())
        }
    }
    struct Members(fn(&str) -> bool);
    impl<'de> Visitor<'de> for Members {
        type Value = serde_json::Map<String, serde_json::Value>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = serde_json::Map::new();
            while let Some(key) = map.next_key_seed(Key)? {
                let raw: &RawValue = map.next_value()?;
                match Some(raw.get()).filter(|raw| (self.0)(raw)).and_then(keep) {
                    Some(value) => members.insert(key, value),
                    None => members.remove(&key),
                };
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(object).deserialize_map(Members(wanted)).unwrap_or_default()
}

/// A value in its encoded form in a message.
enum Value<'a> {
    Scalar(Scalar<'a>),
    Struct(&'a [u8]),
    List(&'a [u8]),
}

impl Value<'_> {
    /// Whether lists and structs nest in it at most so deep.
    fn nests_at_most(&self, depth: u32) -> bool {
        let below = |part: &[u8]| proto_value(std::iter::once(part)).is_none_or(|it| it.nests_at_most(depth - 1));
        match *self {
            Value::Scalar(_) => true,
            _ if depth == 0 => false,
            Value::List(list) => members(list).filter(|item| item.0 == 1).all(|item| below(item.1)),
            Value::Struct(fields) => {
                entries(fields).all(|(_, value)| value.is_none_or(|it| it.nests_at_most(depth - 1)))
            }
        }
    }

    fn is_kept(&self) -> bool {
        !matches!(self, Value::Scalar(Scalar::Number(number, _)) if !number.is_finite())
    }

    fn to_json(&self) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        Some(match self {
            Value::Scalar(Scalar::Text(text)) => Json::String(text.to_string()),
            Value::Scalar(Scalar::Number(number, _)) => Json::Number(serde_json::Number::from_f64(*number)?),
            Value::Scalar(Scalar::Boolean(boolean)) => Json::Bool(*boolean),
            Value::Scalar(_) => Json::Null,
            Value::Struct(fields) => struct_to_json(std::iter::once(*fields)),
            Value::List(list) => list_to_json(list),
        })
    }
}

/// The keys and values of a struct; `None` for a value without content.
fn entries(fields: &[u8]) -> impl Iterator<Item = (&str, Option<Value<'_>>)> {
    members(fields).filter(|member| member.0 == 1).map(|(_, entry)| {
        let value = proto_value(members(entry).filter(|field| field.0 == 2).map(|field| field.1));
        (std::str::from_utf8(key_of(entry)).unwrap_or_default(), value)
    })
}

fn struct_to_json<'a>(structs: impl Iterator<Item = &'a [u8]>) -> serde_json::Value {
    serde_json::Value::Object(structs.flat_map(entries).fold(serde_json::Map::new(), |mut members, (key, value)| {
        match value.and_then(|value| value.to_json()) {
            Some(value) => members.insert(key.to_owned(), value),
            None => members.remove(key),
        };
        members
    }))
}

fn list_to_json(list: &[u8]) -> serde_json::Value {
    let items = members(list).filter(|item| item.0 == 1);
    let kept = items.filter_map(|item| proto_value(std::iter::once(item.1))?.to_json());
    serde_json::Value::Array(kept.collect())
}

/// One step of a path: into a struct by name, into a list by index among the items that can be kept.
fn proto_step<'a>(value: Value<'a>, step: &str) -> Option<Value<'a>> {
    match value {
        Value::Struct(fields) => proto_field(std::iter::once(fields), step),
        Value::List(list) => {
            let items = members(list).filter(|item| item.0 == 1);
            let kept = items.filter_map(|item| proto_value(std::iter::once(item.1))).filter(Value::is_kept);
            kept.into_iter().nth(step.parse().ok()?)
        }
        Value::Scalar(_) => None,
    }
}

/// The value of `key` in structs that together are one. Of several entries with one key the last counts, as in any
/// protobuf map.
fn proto_field<'a>(structs: impl Iterator<Item = &'a [u8]>, key: &str) -> Option<Value<'a>> {
    let mut found = None;
    for mut fields in structs {
        // Nearly all entries are short.
        while let [0x0a, length @ 0..0x80, tail @ ..] = fields
            && let Some((entry, tail)) = tail.split_at_checked(usize::from(*length))
        {
            if key_of(entry) == key.as_bytes() {
                found = Some(entry);
            }
            fields = tail;
        }
        let others = members(fields).filter(|(tag, entry)| *tag == 1 && key_of(entry) == key.as_bytes());
        found = others.last().map_or(found, |(_, entry)| Some(entry));
    }
    proto_value(members(found?).filter(|field| field.0 == 2).map(|field| field.1))
}

#[cold]
pub(super) fn broken(error: DecodeError) -> Malformed {
    Malformed(format!("not a ProductEvent: {error}"))
}

/// Skips the value of a field that is not read.
pub(super) fn skip(rest: &mut &[u8], tag: u32, wire_type: WireType) -> Result<(), Malformed> {
    match wire_type {
        WireType::Varint => take_varint(rest).map(drop),
        WireType::LengthDelimited => take_bytes(rest).map(drop),
        WireType::SixtyFourBit if rest.len() >= 8 => {
            *rest = &rest[8..];
            Ok(())
        }
        _ => encoding::skip_field(wire_type, tag, rest, DecodeContext::default()).map_err(broken),
    }
}

/// Takes a varint off the front of `rest`; nearly all have one byte.
#[inline(always)]
pub(super) fn take_varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    match *rest {
        [byte, tail @ ..] if *byte < 0x80 => {
            *rest = tail;
            Ok(u64::from(*byte))
        }
        _ => take_long_varint(rest),
    }
}

#[inline(never)]
fn take_long_varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    encoding::decode_varint(rest).map_err(broken)
}

/// Takes a field's key off the front of `rest`.
#[inline(always)]
pub(super) fn take_key(rest: &mut &[u8]) -> Result<(u32, WireType), Malformed> {
    match *rest {
        // Tags 1 to 15 with the wire types of nearly all fields.
        [byte @ 0x08..0x80, tail @ ..] if byte & 7 <= 2 => {
            *rest = tail;
            let wire_type = match byte & 7 {
                0 => WireType::Varint,
                1 => WireType::SixtyFourBit,
                _ => WireType::LengthDelimited,
            };
            Ok((u32::from(byte >> 3), wire_type))
        }
        _ => encoding::decode_key(rest).map_err(broken),
    }
}

/// Takes the bytes of a length-delimited field off the front of `rest`.
#[inline(always)]
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
fn members(message: &[u8]) -> MembersOf<'_> {
    MembersOf(message)
}

/// See [`members`].
#[derive(Clone)]
struct MembersOf<'a>(&'a [u8]);

impl<'a> Iterator for MembersOf<'a> {
    type Item = (u32, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(u32, &'a [u8])> {
        while !self.0.is_empty() {
            let (tag, wire_type) = take_key(&mut self.0).ok()?;
            if wire_type == WireType::LengthDelimited {
                return Some((tag, take_bytes(&mut self.0).ok()?));
            }
            skip(&mut self.0, tag, wire_type).ok()?;
        }
        None
    }
}

/// The key of a struct's entry. Nearly every entry is a short key and a short value.
#[inline]
fn key_of(entry: &[u8]) -> &[u8] {
    if let [0x0a, length @ 0..0x80, tail @ ..] = entry
        && let Some((key, [0x12, rest @ 0..0x80, value @ ..])) = tail.split_at_checked(usize::from(*length))
        && value.len() == usize::from(*rest)
    {
        return key;
    }
    members(entry).filter(|field| field.0 == 1).last().map_or(&b""[..], |field| field.1)
}

/// The value of the parts of a `google.protobuf.Value`: of several kinds the last counts.
fn proto_value<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<Value<'a>> {
    let mut found = None;
    for mut part in parts {
        while !part.is_empty() {
            let (tag, wire_type) = take_key(&mut part).ok()?;
            found = Some(match (tag, wire_type) {
                (1, WireType::Varint) => take_varint(&mut part).map(|_| Value::Scalar(Scalar::Null)).ok()?,
                (2, WireType::SixtyFourBit) => Value::Scalar(Scalar::Number(part.try_get_f64_le().ok()?, "")),
                (3, WireType::LengthDelimited) => {
                    let text = std::str::from_utf8(take_bytes(&mut part).ok()?).ok()?;
                    Value::Scalar(Scalar::Text(Cow::Borrowed(text)))
                }
                (4, WireType::Varint) => Value::Scalar(Scalar::Boolean(take_varint(&mut part).ok()? != 0)),
                (5, WireType::LengthDelimited) => Value::Struct(take_bytes(&mut part).ok()?),
                (6, WireType::LengthDelimited) => Value::List(take_bytes(&mut part).ok()?),
                _ => {
                    skip(&mut part, tag, wire_type).ok()?;
                    continue;
                }
            });
        }
    }
    found
}

/// Whether the bytes are a `google.protobuf.Struct`: what passes can be read without a doubt.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check(message: &[u8]) -> Result<(), Malformed> {
    check_struct(message, MESSAGES_MAX)
}

/// Checks a `Struct` in which messages nest at most so deep. Deeper parts belong to a value that is left out, so they
/// are never read.
fn check_struct(message: &[u8], depth: u32) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let is_ascii = message.is_ascii();
    let mut rest = message;
    while !rest.is_empty() {
        // Nearly every entry is a short key and a short text, in ASCII.
        if let [0x0a, length @ 0..0x80, tail @ ..] = rest
            && is_ascii
            && let Some((entry, tail)) = tail.split_at_checked(usize::from(*length))
            && is_short_text(entry)
        {
            rest = tail;
        } else {
            rest = check_member(rest, depth)?;
        }
    }
    Ok(())
}

/// Whether an entry of a struct is a key and a text, both short.
#[inline(always)]
fn is_short_text(entry: &[u8]) -> bool {
    if let [0x0a, key @ 0..0x80, tail @ ..] = entry
        && let Some([0x12, value @ 0..0x80, 0x1a, text @ 0..0x80, rest @ ..]) = tail.get(usize::from(*key)..)
    {
        return rest.len() == usize::from(*text) && rest.len() + 2 == usize::from(*value);
    }
    false
}

/// Checks the first field of a `Struct`; what follows it.
fn check_member(mut rest: &[u8], depth: u32) -> Result<&[u8], Malformed> {
    match take_key(&mut rest)? {
        (1, WireType::LengthDelimited) => check_entry(take_bytes(&mut rest)?, depth)?,
        (1, _) => return Err(wrong_type(1)),
        (tag, wire_type) => skip(&mut rest, tag, wire_type)?,
    }
    Ok(rest)
}

#[inline]
fn check_entry(message: &[u8], depth: u32) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let mut rest = message;
    while !rest.is_empty() {
        match take_key(&mut rest)? {
            (1, WireType::LengthDelimited) => check_text(take_bytes(&mut rest)?)?,
            (2, WireType::LengthDelimited) => check_value(take_bytes(&mut rest)?, depth)?,
            (tag @ 1..=2, _) => return Err(wrong_type(tag)),
            (tag, wire_type) => skip(&mut rest, tag, wire_type)?,
        }
    }
    Ok(())
}

#[inline]
fn check_value(message: &[u8], depth: u32) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let mut rest = message;
    while !rest.is_empty() {
        match take_key(&mut rest)? {
            (1 | 4, WireType::Varint) => take_varint(&mut rest).map(drop)?,
            (tag @ 2, wire_type @ WireType::SixtyFourBit) => skip(&mut rest, tag, wire_type)?,
            (3, WireType::LengthDelimited) => check_text(take_bytes(&mut rest)?)?,
            (5, WireType::LengthDelimited) => check_struct(take_bytes(&mut rest)?, depth)?,
            (6, WireType::LengthDelimited) => check_list(take_bytes(&mut rest)?, depth)?,
            (tag @ 1..=6, _) => return Err(wrong_type(tag)),
            (tag, wire_type) => skip(&mut rest, tag, wire_type)?,
        }
    }
    Ok(())
}

#[inline(never)]
fn check_list(message: &[u8], depth: u32) -> Result<(), Malformed> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let mut rest = message;
    while !rest.is_empty() {
        match take_key(&mut rest)? {
            (1, WireType::LengthDelimited) => check_value(take_bytes(&mut rest)?, depth)?,
            (1, _) => return Err(wrong_type(1)),
            (tag, wire_type) => skip(&mut rest, tag, wire_type)?,
        }
    }
    Ok(())
}

/// Whether a text is UTF-8. Most are short and ASCII, for which this is the shorter way.
#[inline]
pub(super) fn is_text(text: &[u8]) -> bool {
    text.is_ascii() || std::str::from_utf8(text).is_ok()
}

#[inline]
fn check_text(text: &[u8]) -> Result<(), Malformed> {
    if is_text(text) { Ok(()) } else { Err(Malformed::new("a text is not UTF-8")) }
}

#[cold]
fn wrong_type(tag: u32) -> Malformed {
    Malformed(format!("field {tag} has the wrong wire type"))
}

/// The fields as a protobuf `Struct`, as far as they can be kept (semantics A30).
pub(super) fn to_struct(fields: &Fields<'_>) -> Option<Struct> {
    to_map(fields).map(from_json)
}

/// The key of the user agent in the context of an event.
pub const USER_AGENT: &str = "userAgent";

/// The user agent of an event. The rest of its context is not kept, because it would be most of the log.
pub(super) fn user_agent<'a>(event: &'a Event<'_>) -> Option<Cow<'a, str>> {
    match value(&event.context, USER_AGENT)? {
        Scalar::Text(agent) => Some(agent),
        _ => None,
    }
}

/// The context of an event with this user agent.
pub(super) fn context_of(agent: Cow<'_, str>) -> Struct {
    from_json(serde_json::Map::from_iter([(USER_AGENT.to_owned(), agent.into())]))
}

/// The fields as a JSON object, as far as they can be kept (semantics A30).
pub(super) fn to_json(fields: &Fields<'_>) -> Option<String> {
    to_map(fields).map(|members| serde_json::Value::Object(members).to_string())
}

fn to_map(fields: &Fields<'_>) -> Option<serde_json::Map<String, serde_json::Value>> {
    match *fields {
        Fields::None => None,
        Fields::Json(object) => Some(keep_members(object, is_flat_enough)),
        Fields::Owned(ref object) => Some(keep_members(object, is_flat_enough)),
        Fields::Proto { part, tag } => {
            let mut kept = serde_json::Map::new();
            let structs = members(part).filter(|member| member.0 == tag).map(|member| member.1);
            for (key, value) in structs.flat_map(entries) {
                match value.filter(|value| value.nests_at_most(DEPTH_MAX)).and_then(|value| value.to_json()) {
                    Some(value) => kept.insert(key.to_owned(), value),
                    None => kept.remove(key),
                };
            }
            Some(kept)
        }
    }
}

fn from_json(object: serde_json::Map<String, serde_json::Value>) -> Struct {
    fn value(json: serde_json::Value) -> prost_types::Value {
        use serde_json::Value as Json;
        prost_types::Value {
            kind: Some(match json {
                Json::Null => Kind::NullValue(0),
                Json::Bool(boolean) => Kind::BoolValue(boolean),
                // What is kept has a finite double.
                Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
                Json::String(text) => Kind::StringValue(text),
                Json::Array(items) => Kind::ListValue(ListValue { values: items.into_iter().map(value).collect() }),
                Json::Object(object) => Kind::StructValue(from_json(object)),
            }),
        }
    }
    Struct { fields: object.into_iter().map(|(key, json)| (key, value(json))).collect() }
}
