//! The framing of Confluent's Schema Registry: a value begins with a byte 0 and the id of its schema, and in protobuf with
//! the place of its message in the schema.
//! <https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format>
//!
//! No event in protobuf or JSON begins with a byte 0, so framed records are recognised by it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::decoded::Malformed;
use super::fields;
use super::format::InputFormat;

/// The byte with which a framed value begins.
pub(super) const MAGIC: u8 = 0;
/// The message of Upswell's own protobuf.
const EVENT: &str = "upswell.v1.ProductEvent";

/// A schema of the registry, as far as records are read with it.
#[derive(Debug)]
pub enum Schema {
    /// JSON Schema: the value is JSON after the framing.
    Json,
    /// Protobuf: the full names of its messages, by their place.
    Protobuf(Messages),
    /// Avro.
    #[cfg(feature = "avro")]
    Avro(super::avro::Avro),
    /// None that can be used: the reason, in words.
    Unusable(String),
}

/// The full names of the messages of a protobuf schema, by their place: the index among the messages of the file, then that
/// among the messages within it, and so on.
pub type Messages = BTreeMap<Vec<u32>, String>;

/// The schemas that were looked up, by their ids.
#[derive(Debug, Default)]
pub struct Schemas(RwLock<BTreeMap<u32, Arc<Schema>>>);

impl Schemas {
    /// The schema with this id, if it was looked up.
    pub fn get(&self, id: u32) -> Option<Arc<Schema>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).map(Arc::clone)
    }

    /// Keeps what the registry says of an id.
    pub fn insert(&self, id: u32, schema: Schema) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::new(schema));
    }
}

/// The id of the schema of a framed value; none of another value.
pub fn schema_id(value: &[u8]) -> Option<u32> {
    let (id, _) = value.strip_prefix(&[MAGIC])?.split_first_chunk()?;
    Some(u32::from_be_bytes(*id))
}

/// What a value contains: itself if it is not framed, what follows the framing, or the JSON that is made of a record in Avro.
pub(super) fn payload<'a>(
    value: &'a [u8],
    format: InputFormat,
    schemas: Option<&Schemas>,
) -> Result<Cow<'a, [u8]>, Malformed> {
    if value.first() != Some(&MAGIC) {
        return Ok(Cow::Borrowed(value));
    }
    let (Some(id), Some(rest)) = (schema_id(value), value.get(5..)) else {
        return Err(Malformed::new("it begins as a record of a schema registry, but the id of the schema is cut off"));
    };
    let name = format.name();
    let schema = schemas.map(|schemas| schemas.get(id).ok_or_else(|| Malformed(format!("schema {id} was not read"))));
    match (schema.transpose()?.as_deref(), format.is_text()) {
        (None, false) => message(id, rest, None).map(Cow::Borrowed),
        (Some(Schema::Protobuf(messages)), false) => message(id, rest, Some(messages)).map(Cow::Borrowed),
        (None, true) if format != InputFormat::Snowplow && !is_json(rest) => Err(Malformed(format!(
            "a framed record with schema {id} that is not JSON: if its schema is Avro, set schema_registry.url"
        ))),
        (None | Some(Schema::Json), true) => Ok(Cow::Borrowed(rest)),
        #[cfg(feature = "avro")]
        (Some(Schema::Avro(avro)), true) => match avro.to_json(rest) {
            Ok(json) => Ok(Cow::Owned(json.into_bytes())),
            Err(why) => Err(Malformed(format!("it cannot be read with its schema {id}: {why}"))),
        },
        (Some(Schema::Unusable(why)), _) => Err(Malformed(why.clone())),
        #[cfg(feature = "avro")]
        (Some(Schema::Avro(_)), false) => Err(other_type(id, "Avro", name)),
        (Some(Schema::Json), false) => Err(other_type(id, "JSON Schema", name)),
        (Some(Schema::Protobuf(_)), true) => Err(other_type(id, "protobuf", name)),
    }
}

fn other_type(id: u32, found: &str, format: &str) -> Malformed {
    Malformed(format!("its schema {id} is {found}, but the topic is read as {format}"))
}

fn is_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// The message after its place in the schema. Without the schema only the first one is known to be an event.
fn message<'a>(id: u32, mut rest: &'a [u8], messages: Option<&Messages>) -> Result<&'a [u8], Malformed> {
    let place = place(&mut rest)
        .ok_or_else(|| Malformed(format!("a framed record with schema {id}: the place of its message is cut off")))?;
    let Some(messages) = messages else {
        return if place == [0] {
            Ok(rest)
        } else {
            Err(Malformed(format!(
                "a framed record whose message is at {place:?} in schema {id}: without schema_registry.url only the first \
                 message of a schema, [0], is read"
            )))
        };
    };
    match messages.get(&place) {
        Some(name) if name == EVENT => Ok(rest),
        Some(name) => Err(Malformed(format!("its message is {name} of schema {id}: expected {EVENT}"))),
        None => {
            Err(Malformed(format!("a framed record whose message is at {place:?}, which schema {id} does not have")))
        }
    }
}

/// Takes the place of a message off the front of `rest`: the number of indexes and the indexes; 0 alone is the first message.
fn place(rest: &mut &[u8]) -> Option<Vec<u32>> {
    /// Messages do not nest deeper than this.
    const DEPTH_MAX: u32 = 100;
    let mut next = || {
        let varint = fields::take_varint(rest).ok()?;
        // Zigzag: none of the numbers is negative.
        (varint % 2 == 0).then_some(u32::try_from(varint / 2).ok()?)
    };
    match next()? {
        0 => Some(vec![0]),
        count @ 1..=DEPTH_MAX => (0..count).map(|_| next()).collect(),
        _ => None,
    }
}

/// The messages of a protobuf schema in its text form, with their places. What else the schema contains is passed over.
pub fn messages(schema: &str) -> Messages {
    let (mut messages, mut package) = (Messages::new(), String::new());
    // For each open brace the message that it belongs to, if it is one: its place, its name, and how many messages it has.
    let mut open: Vec<Option<(Vec<u32>, String, u32)>> = vec![Some((Vec::new(), String::new(), 0))];
    let mut tokens = Tokens(schema).peekable();
    let mut is_start = true;
    while let Some(token) = tokens.next() {
        let starts = std::mem::replace(&mut is_start, matches!(token, "{" | "}" | ";"));
        match token {
            "package" if starts && open.len() == 1 => package = tokens.next().unwrap_or_default().to_owned(),
            "message" if starts => {
                let name = tokens.next().unwrap_or_default();
                let opens = tokens.next_if_eq(&"{").is_some();
                let Some(Some((place, parent, count))) = open.last_mut().filter(|_| opens) else { continue };
                let (mut place, parts) = (place.clone(), [&*package, parent, name]);
                place.push(*count);
                *count += 1;
                let full = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
                let within = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
                messages.insert(place.clone(), full);
                open.push(Some((place, within, 0)));
                is_start = true;
            }
            "{" => open.push(None),
            "}" if open.len() > 1 => drop(open.pop()),
            _ => {}
        }
    }
    messages
}

/// The words and signs of a protobuf schema, without comments and texts.
struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let rest = self.0.trim_start();
            let first = rest.chars().next()?;
            let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let (length, is_token) = if rest.starts_with("//") {
                (rest.find('\n').unwrap_or(rest.len()), false)
            } else if let Some(comment) = rest.strip_prefix("/*") {
                (comment.find("*/").map_or(rest.len(), |at| at + 4), false)
            } else if first == '"' || first == '\'' {
                (text_length(rest, first), false)
            } else if is_word(first) {
                (rest.find(|c| !is_word(c)).unwrap_or(rest.len()), true)
            } else {
                (first.len_utf8(), true)
            };
            let (token, tail) = rest.split_at(length);
            self.0 = tail;
            if is_token {
                return Some(token);
            }
        }
    }
}

/// The length of a text with its quotes.
fn text_length(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(id: u32, rest: &[u8]) -> Vec<u8> {
        [&[MAGIC], &id.to_be_bytes()[..], rest].concat()
    }

    #[test]
    fn the_messages_of_a_schema_have_places() {
        let schema = r#"
            // message Comment {}
            syntax = "proto3"; package acme.v1; import "a { message \" b.proto";
            option (x) = { message: "no" };
            /* message Block { */
            enum Kind { message = 0; }
            message Order {
                message Line { int32 message = 1; message Deep {} }
                string message = 2;
                oneof it { Line line = 3; }
                message Other {}
            }
            service S { rpc Get(Order) returns (Order) { } }
            message ProductEvent { reserved 1; }"#;
        let found: Vec<_> = messages(schema).into_iter().collect();
        let expected: [(&[u32], &str); 5] = [
            (&[0], "acme.v1.Order"),
            (&[0, 0], "acme.v1.Order.Line"),
            (&[0, 0, 0], "acme.v1.Order.Line.Deep"),
            (&[0, 1], "acme.v1.Order.Other"),
            (&[1], "acme.v1.ProductEvent"),
        ];
        assert_eq!(found, expected.map(|(place, name)| (place.to_vec(), name.to_owned())));
        assert_eq!(messages(include_str!("../../proto/upswell/v1/event.proto"))[&vec![0]], EVENT);
    }

    #[test]
    fn a_framed_value_is_what_follows_or_has_a_reason() {
        use InputFormat::{Protobuf, Segment, Snowplow};
        let schemas = Schemas::default();
        schemas.insert(1, Schema::Json);
        let two = messages("package upswell.v1; message Other { message Inner {} } message ProductEvent {}");
        schemas.insert(2, Schema::Protobuf(two));
        schemas.insert(3, Schema::Unusable("no schema 3".into()));
        for (value, format, is_registry, expected) in [
            (b"{}".to_vec(), Segment, false, Ok(&b"{}"[..])),
            (framed(9, b" {}"), Segment, false, Ok(b" {}")),
            (framed(9, b"\x02a"), Segment, false, Err("schema 9 that is not JSON")),
            (framed(9, b"a\tb"), Snowplow, false, Ok(b"a\tb")),
            (framed(9, b"\0x"), Protobuf, false, Ok(b"x")),
            // One index, 0; two indexes, 1 and 0; two of which one is cut off; a negative number.
            (framed(9, b"\x02\0x"), Protobuf, false, Ok(b"x")),
            (framed(9, b"\x04\x02\0x"), Protobuf, false, Err("at [1, 0] in schema 9")),
            (framed(9, b"\x04\x02"), Protobuf, false, Err("cut off")),
            (framed(9, b"\x01"), Protobuf, false, Err("cut off")),
            (framed(9, b"\xff\xff\xff\xff\x7f"), Protobuf, false, Err("cut off")),
            (framed(0, b""), Protobuf, false, Err("cut off")),
            (vec![MAGIC, 0, 0, 0], Segment, false, Err("cut off")),
            (framed(1, b"{}"), Segment, true, Ok(b"{}")),
            (framed(1, b"\0"), Protobuf, true, Err("is JSON Schema, but the topic is read as protobuf")),
            (framed(2, b"{}"), Segment, true, Err("is protobuf, but the topic is read as segment")),
            (framed(2, b"\x02\x02x"), Protobuf, true, Ok(b"x")),
            (
                framed(2, b"\0x"),
                Protobuf,
                true,
                Err("is upswell.v1.Other of schema 2: expected upswell.v1.ProductEvent"),
            ),
            (framed(2, b"\x04\0\0x"), Protobuf, true, Err("is upswell.v1.Other.Inner")),
            (framed(2, b"\x02\x04x"), Protobuf, true, Err("does not have")),
            (framed(3, b"{}"), Segment, true, Err("no schema 3")),
            (framed(4, b"{}"), Segment, true, Err("schema 4 was not read")),
        ] {
            let found = payload(&value, format, is_registry.then_some(&schemas));
            match expected {
                Ok(rest) => assert_eq!(found.as_deref(), Ok(rest), "{value:?}"),
                Err(part) => assert!(found.as_ref().is_err_and(|it| it.0.contains(part)), "{value:?}: {found:?}"),
            }
        }
    }
}
