//! Decodes and encodes `ProductEvent`. Decoding borrows from the record, in one pass and without an allocation, and
//! accepts exactly what a complete protobuf parser accepts.

use std::borrow::Cow;

use prost::Message as _;
use prost::encoding::{self, WireType};

use super::decoded::{Admit, Decoded, Loose, Malformed, Members, Packed, control_event};
use super::format::{Format, ID_MAX};
use super::{fields, json, proto};
use crate::model::{Event, EventKind, EventTime, Fields, Provenance, Text};

const MESSAGE_ID: u32 = 1;
const SOURCE: u32 = 2;
const TYPE: u32 = 3;
const NAME: u32 = 4;
const USER: u32 = 5;
const ANONYMOUS_ID: u32 = 6;
const ACCOUNT: u32 = 7;
const TIMESTAMP: u32 = 8;
const PROPERTIES: u32 = 9;
const TRAITS: u32 = 10;
const CONTEXT: u32 = 14;
const PACKED: u32 = 13;

/// The first event of a record, which is one event or packs others; and the rest.
#[inline]
pub(super) fn first<'a>(payload: &'a [u8], admit: Admit, rest: &mut Members<'a>) -> Option<Decoded<'a>> {
    let mut raw = Raw::default();
    let fault = match read(payload, &mut raw) {
        Ok(Form::Event) => return Some(raw.decoded(payload, admit, true)),
        Ok(Form::Packing) if raw.is_empty() => None,
        Ok(Form::Packing) => {
            Some(Malformed::new("a record that packs events has an event of its own: pack that event too"))
        }
        // The events before the fault are complete: they are decoded, followed by a malformed event with the reason.
        Err(malformed) if starts_packed(payload) => Some(malformed),
        Err(malformed) => return Some(Decoded::malformed(payload, malformed)),
    };
    let mut packed = Packed { record: payload, rest: payload, fault };
    let first = packed.next(admit);
    *rest = Members::Packed(packed);
    first
}

impl<'a> Packed<'a> {
    /// The next member.
    pub(super) fn next(&mut self, admit: Admit) -> Option<Decoded<'a>> {
        while !self.rest.is_empty() {
            let unread = self.rest;
            match next_field(unread) {
                Ok((PACKED, Value::Bytes(raw), tail)) => {
                    self.rest = tail;
                    let mut event = Raw::default();
                    return Some(match read(raw, &mut event) {
                        Ok(Form::Event) => event.decoded(raw, admit, false),
                        Ok(Form::Packing) => Decoded::malformed(
                            raw,
                            Malformed::new("a packed event packs other events: packing cannot be nested"),
                        ),
                        Err(malformed) => Decoded::malformed(raw, malformed),
                    });
                }
                Ok((_, _, tail)) => self.rest = tail,
                Err(malformed) => {
                    (self.rest, self.fault) = (&[], None);
                    return Some(Decoded::malformed(unread, malformed));
                }
            }
        }
        self.fault.take().map(|fault| Decoded::malformed(self.record, fault))
    }
}

/// What a message is: an event, or a record that packs others.
enum Form {
    Event,
    Packing,
}

/// The fields of an event that the fold reads, before they are checked against each other.
#[derive(Default)]
struct Raw<'a> {
    /// By tag; they are UTF-8.
    texts: [&'a [u8]; TIMESTAMP as usize],
    kind: i32,
    time: Option<i64>,
    properties: Fields<'a>,
    traits: Fields<'a>,
    context: Fields<'a>,
    provenance: Option<Provenance<'a>>,
    control: Option<(EventKind, String)>,
}

impl<'a> Raw<'a> {
    fn is_empty(&self) -> bool {
        let says = |tag: u32| !self.texts[tag as usize].is_empty();
        self.kind == 0 && self.time.is_none() && ![ACCOUNT, NAME, USER].into_iter().any(says)
    }

    /// The event, if its record may contain it, alone or with others.
    #[inline(always)]
    fn decoded(&mut self, raw: &'a [u8], admit: Admit, is_alone: bool) -> Decoded<'a> {
        let mut loose = Loose::default();
        for tag in [MESSAGE_ID, USER, ANONYMOUS_ID] {
            let id = &mut self.texts[tag as usize];
            if id.len() > ID_MAX {
                (*id, loose.left_out) = (&[], true);
            }
        }
        let checked = self.checked();
        let (kind, name, time) = match checked.and_then(|it| admit.check(it.0, is_alone).map(|()| it)) {
            Ok(checked) => checked,
            Err(malformed) => return Decoded { loose, ..Decoded::malformed(raw, malformed) },
        };
        let text = |tag: u32| Text::of_checked(self.texts[tag as usize]);
        let event = Event {
            message_id: text(MESSAGE_ID),
            source: text(SOURCE),
            kind,
            name,
            user: text(USER),
            anonymous_id: text(ANONYMOUS_ID),
            account: text(ACCOUNT),
            time,
            received: None,
            properties: std::mem::take(&mut self.properties),
            traits: std::mem::take(&mut self.traits),
            context: std::mem::take(&mut self.context),
            provenance: self.provenance.take(),
        };
        Decoded { raw, event: Ok(event), loose, is_changed: false, is_screened: false }
    }

    fn checked(&mut self) -> Result<(EventKind, Text<'a>, EventTime), Malformed> {
        let mut name = Text::of_checked(self.texts[NAME as usize]);
        let account = self.texts[ACCOUNT as usize];
        let kind = match proto::EventType::try_from(self.kind) {
            Ok(proto::EventType::Track) => EventKind::Track,
            Ok(proto::EventType::Identify) => EventKind::Identify,
            Ok(proto::EventType::Group) => EventKind::Group,
            Ok(proto::EventType::Page) => EventKind::Page,
            Ok(proto::EventType::Screen) => EventKind::Screen,
            Ok(proto::EventType::Alias) => EventKind::Alias,
            Ok(proto::EventType::Control) => {
                let control = self.control.take();
                let (kind, rules) = control.ok_or_else(|| Malformed::new("a control event without a control"))?;
                name = rules.into();
                kind
            }
            Ok(proto::EventType::Unspecified) => return Err(Malformed::new("no type")),
            Err(_) => return Err(Malformed::new(format!("unknown type {}", self.kind))),
        };
        if account.is_empty() && !kind.is_control() {
            return Err(Malformed::new("no account"));
        }
        if account.len() > ID_MAX {
            return Err(Malformed(format!("account_id is longer than {ID_MAX} bytes")));
        }
        let ms = self.time.ok_or_else(|| Malformed::new("no timestamp"))?;
        let time = EventTime::new(ms)
            .ok_or_else(|| Malformed::new(format!("timestamp {ms} ms is outside the years -9999 to 9999")))?;
        Ok((kind, name, time))
    }
}

/// The names of the fields, from tag 1 on.
const NAMES: [&str; 14] = [
    "message_id",
    "source",
    "type",
    "event",
    "user_id",
    "anonymous_id",
    "account_id",
    "timestamp_ms",
    "properties",
    "traits",
    "provenance",
    "control",
    "packed",
    "context",
];

/// The value of a field.
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// A fixed-width number or a group: skipped, as no field of ours is one.
    Other,
}

/// The field that a message begins with, and what follows it. The message is passed by value and not by reference, so
/// that it stays in registers from field to field.
#[inline(always)]
fn next_field(message: &[u8]) -> Result<(u32, Value<'_>, &[u8]), Malformed> {
    match *message {
        // Nearly all fields have a tag below 16 and a short length.
        [key @ 0x08..0x80, length @ 0..0x80, ref tail @ ..] if key & 7 == 2 && tail.len() >= usize::from(length) => {
            let (bytes, tail) = tail.split_at(usize::from(length));
            Ok((u32::from(key >> 3), Value::Bytes(bytes), tail))
        }
        [key @ 0x08..0x80, ref tail @ ..] if key & 7 == 0 => {
            let mut rest = tail;
            let number = fields::take_varint(&mut rest)?;
            Ok((u32::from(key >> 3), Value::Varint(number), rest))
        }
        _ => next_other_field(message),
    }
}

#[inline(never)]
fn next_other_field(message: &[u8]) -> Result<(u32, Value<'_>, &[u8]), Malformed> {
    let mut rest = message;
    let (tag, wire_type) = fields::take_key(&mut rest)?;
    let value = match wire_type {
        WireType::Varint => Value::Varint(fields::take_varint(&mut rest)?),
        WireType::LengthDelimited => Value::Bytes(fields::take_bytes(&mut rest)?),
        _ => {
            fields::skip(&mut rest, tag, wire_type)?;
            Value::Other
        }
    };
    Ok((tag, value, rest))
}

#[cold]
fn wrong_type(name: &str) -> Malformed {
    Malformed(format!("{name} has the wrong wire type"))
}

/// Whether the bytes begin like a packing record: its first field is a member.
fn starts_packed(payload: &[u8]) -> bool {
    matches!(next_field(payload), Ok((PACKED, Value::Bytes(_), _)))
}

/// Checks that the texts of a message are UTF-8. The first bytes of a message are checked together as far as they are
/// ASCII: in nearly all events that covers every id and name, as the first byte that is not ASCII belongs to the timestamp.
struct Texts {
    /// The length of the message, and how many of its first bytes were found to be ASCII.
    length: usize,
    ascii: usize,
}

impl Texts {
    fn new(message: &[u8]) -> Texts {
        const HIGH: u128 = u128::MAX / 255 * 0x80;
        let mut ascii = 0;
        for word in message.as_chunks::<16>().0 {
            let high = u128::from_le_bytes(*word) & HIGH;
            if high != 0 {
                ascii += high.trailing_zeros() as usize / 8;
                break;
            }
            ascii += word.len();
        }
        Texts { length: message.len(), ascii }
    }

    /// The bytes of a text, after which so many follow in the message.
    #[inline(always)]
    fn check<'a>(
        &self,
        text: &'a [u8],
        after: usize,
        name: impl FnOnce() -> &'static str,
    ) -> Result<&'a [u8], Malformed> {
        if self.length - after <= self.ascii || fields::is_text(text) { Ok(text) } else { Err(not_utf8(name())) }
    }
}

#[cold]
fn not_utf8(name: &str) -> Malformed {
    Malformed(format!("{name} is not UTF-8"))
}

/// Reads the fields of a message.
fn read<'a>(message: &'a [u8], raw: &mut Raw<'a>) -> Result<Form, Malformed> {
    use Value::{Bytes, Varint};
    let mut form = Form::Event;
    let texts = Texts::new(message);
    let mut rest = message;
    while !rest.is_empty() {
        let (tag, value, tail) = next_field(rest)?;
        let name = || NAMES[tag as usize - 1];
        match (tag, value) {
            (MESSAGE_ID | SOURCE | NAME | USER | ANONYMOUS_ID | ACCOUNT, Bytes(bytes)) => {
                raw.texts[tag as usize] = texts.check(bytes, tail.len(), name)?;
            }
            (TYPE, Varint(kind)) => raw.kind = kind as i32,
            (TIMESTAMP, Varint(time)) => raw.time = Some(time as i64),
            (PROPERTIES | TRAITS | CONTEXT, Bytes(value)) => {
                fields::check(value).map_err(|what| Malformed(format!("{}: {what}", name())))?;
                let known = match tag {
                    PROPERTIES => &mut raw.properties,
                    TRAITS => &mut raw.traits,
                    _ => &mut raw.context,
                };
                // One field holds it, but for a message that repeats it.
                let part = if let Fields::None = known { &rest[..rest.len() - tail.len()] } else { message };
                *known = Fields::Proto { part, tag };
            }
            (11, Bytes(value)) => raw.provenance = Some(provenance(value)?),
            (12, Bytes(value)) => raw.control = control(value)?.or(raw.control.take()),
            (PACKED, Bytes(_)) => form = Form::Packing,
            (1..=14, _) => return Err(wrong_type(name())),
            _ => {}
        }
        rest = tail;
    }
    Ok(form)
}

fn provenance(message: &[u8]) -> Result<Provenance<'_>, Malformed> {
    const NAMES: [&str; 3] = ["provenance.topic", "provenance.partition", "provenance.offset"];
    let mut provenance = Provenance { topic: Cow::Borrowed(""), partition: 0, offset: 0 };
    let mut rest = message;
    while !rest.is_empty() {
        let (tag, value, tail) = next_field(rest)?;
        match (tag, value) {
            (1, Value::Bytes(topic)) => {
                provenance.topic = std::str::from_utf8(topic).map_err(|_| not_utf8(NAMES[0]))?.into();
            }
            (2, Value::Varint(partition)) => provenance.partition = partition as i32,
            (3, Value::Varint(offset)) => provenance.offset = offset as i64,
            (1..=3, _) => return Err(wrong_type(NAMES[tag as usize - 1])),
            _ => {}
        }
        rest = tail;
    }
    Ok(provenance)
}

/// The kind of a control event, and the rules that it contains.
fn control(bytes: &[u8]) -> Result<Option<(EventKind, String)>, Malformed> {
    let control = proto::Control::decode(bytes).map_err(fields::broken)?;
    Ok(control.kind.map(|kind| match kind {
        proto::control::Kind::Tick(_) => (EventKind::Tick, String::new()),
        proto::control::Kind::RulesActivation(activation) => (EventKind::RulesActivation, activation.rules),
        proto::control::Kind::BackfillBegin(_) => (EventKind::BackfillBegin, String::new()),
        proto::control::Kind::BackfillEnd(_) => (EventKind::BackfillEnd, String::new()),
        proto::control::Kind::Forget(_) => (EventKind::Forget, String::new()),
    }))
}

/// The event as an encoded `ProductEvent`. The time of receipt in a file is left out, because records of the log have
/// their own time.
pub fn encode(event: &Event<'_>) -> Vec<u8> {
    let is_control = event.kind.is_control();
    let control = |kind| Some(proto::Control { kind: Some(kind) });
    proto::ProductEvent {
        message_id: event.message_id.to_string(),
        source: event.source.to_string(),
        r#type: type_of(event.kind) as i32,
        event: if is_control { String::new() } else { event.name.to_string() },
        user_id: event.user.to_string(),
        anonymous_id: event.anonymous_id.to_string(),
        account_id: event.account.to_string(),
        timestamp_ms: Some(event.time.0),
        properties: fields::to_struct(&event.properties),
        traits: fields::to_struct(&event.traits),
        context: fields::user_agent(event).map(fields::context_of),
        provenance: event.provenance.as_ref().map(|place| proto::Provenance {
            topic: place.topic.to_string(),
            partition: place.partition,
            offset: place.offset,
        }),
        control: match event.kind {
            EventKind::Tick => control(proto::control::Kind::Tick(proto::Tick {})),
            EventKind::RulesActivation => {
                control(proto::control::Kind::RulesActivation(proto::RulesActivation { rules: event.name.to_string() }))
            }
            EventKind::BackfillBegin => control(proto::control::Kind::BackfillBegin(proto::BackfillBegin {})),
            EventKind::BackfillEnd => control(proto::control::Kind::BackfillEnd(proto::BackfillEnd {})),
            EventKind::Forget => control(proto::control::Kind::Forget(proto::Forget {})),
            _ => None,
        },
        packed: Vec::new(),
    }
    .encode_to_vec()
}

fn type_of(kind: EventKind) -> proto::EventType {
    match kind {
        EventKind::Track => proto::EventType::Track,
        EventKind::Identify => proto::EventType::Identify,
        EventKind::Group => proto::EventType::Group,
        EventKind::Page => proto::EventType::Page,
        EventKind::Screen => proto::EventType::Screen,
        EventKind::Alias => proto::EventType::Alias,
        EventKind::Tick
        | EventKind::RulesActivation
        | EventKind::BackfillBegin
        | EventKind::BackfillEnd
        | EventKind::Forget => proto::EventType::Control,
    }
}

/// Appends a product event of a known user whose properties are these texts, in the order of their names: the bytes
/// that `encode` gives for the same event, without what `encode` allocates. Its other fields are left out.
pub fn append(event: &Event<'_>, properties: &[(&str, &str)], out: &mut Vec<u8>) {
    append_text(MESSAGE_ID, &event.message_id, out);
    append_text(SOURCE, &event.source, out);
    append_varint(TYPE, type_of(event.kind) as u64, out);
    append_text(NAME, &event.name, out);
    append_text(USER, &event.user, out);
    append_text(ACCOUNT, &event.account, out);
    append_varint(TIMESTAMP, event.time.0 as u64, out);
    if properties.is_empty() {
        return;
    }
    // A Struct holds map entries of a name (1) and a Value (2), whose text is field 3.
    let value = |text: &str| delimited(text.len());
    let entry = |name: &str, text: &str| delimited(name.len()) + delimited(value(text));
    let whole = properties.iter().map(|(name, text)| delimited(entry(name, text))).sum::<usize>();
    append_length(PROPERTIES, whole, out);
    for (name, text) in properties {
        append_length(1, entry(name, text), out);
        append_length(1, name.len(), out);
        out.extend_from_slice(name.as_bytes());
        append_length(2, value(text), out);
        append_length(3, text.len(), out);
        out.extend_from_slice(text.as_bytes());
    }
}

/// What a field of that many bytes takes with its tag, which is below 16, and its length.
fn delimited(length: usize) -> usize {
    1 + encoding::encoded_len_varint(length as u64) + length
}

fn append_length(tag: u32, length: usize, out: &mut Vec<u8>) {
    encoding::encode_key(tag, WireType::LengthDelimited, out);
    encoding::encode_varint(length as u64, out);
}

/// A field of text; nothing where it is empty.
fn append_text(tag: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        append_length(tag, text.len(), out);
        out.extend_from_slice(text.as_bytes());
    }
}

fn append_varint(tag: u32, value: u64, out: &mut Vec<u8>) {
    encoding::encode_key(tag, WireType::Varint, out);
    encoding::encode_varint(value, out);
}

/// A tick of this time, as the value of a record in a log of this format.
pub fn encode_tick(format: Format, time: EventTime) -> Vec<u8> {
    encode_control(format, EventKind::Tick, "", time)
}

/// The mark at which the history of a backfill begins, or ends, as the value of a record in a log of this format.
pub fn encode_backfill(format: Format, begins: bool, time: EventTime) -> Vec<u8> {
    let kind = if begins { EventKind::BackfillBegin } else { EventKind::BackfillEnd };
    encode_control(format, kind, "", time)
}

/// A forget record for a user, in one account or in all, as the value of a record in a log of this format.
pub fn encode_forget(format: Format, user: &str, account: Option<&str>, time: EventTime) -> Vec<u8> {
    let account = account.unwrap_or_default().into();
    encode_as(format, &Event { user: user.into(), account, ..control_event(EventKind::Forget, "", time) })
}

/// An activation of these rules, as the value of a record in a log of this format.
pub fn encode_activation(format: Format, rules: &str, time: EventTime) -> Vec<u8> {
    encode_control(format, EventKind::RulesActivation, rules, time)
}

fn encode_control(format: Format, kind: EventKind, rules: &str, time: EventTime) -> Vec<u8> {
    encode_as(format, &control_event(kind, rules, time))
}

fn encode_as(format: Format, event: &Event<'_>) -> Vec<u8> {
    match format {
        Format::Json => json::encode(event).into_bytes(),
        Format::Protobuf => encode(event),
    }
}

/// A record that carries these encoded events.
pub fn pack(members: Vec<Vec<u8>>) -> Vec<u8> {
    proto::ProductEvent { packed: members, ..Default::default() }.encode_to_vec()
}

/// Decodes a record into owned messages, as any program would that uses the generated types, and returns how many
/// events it has. Only `bench` uses it, to compare.
///
/// # Errors
/// The record is not a `ProductEvent`.
pub fn decode_owned(payload: &[u8]) -> Result<usize, Malformed> {
    let decode = |bytes: &[u8]| {
        let event = proto::ProductEvent::decode(bytes).map_err(|error| Malformed::new(error.to_string()))?;
        Ok(std::hint::black_box(event))
    };
    let event = decode(payload)?;
    event.packed.iter().try_for_each(|member| decode(member).map(drop))?;
    Ok(event.packed.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(payload: &[u8]) -> crate::wire::Events<'_> {
        crate::wire::decode(crate::wire::Format::Protobuf, payload)
    }
    use crate::wire::fields::Scalar;

    fn event(account: &str) -> proto::ProductEvent {
        proto::ProductEvent {
            message_id: "m1".into(),
            r#type: proto::EventType::Track as i32,
            event: "Feature Used".into(),
            user_id: "ann".into(),
            account_id: account.into(),
            timestamp_ms: Some(1_000),
            properties: fields::to_struct(&Fields::Json(
                r#"{"feature":"editor","n":3,"ok":true,"list":[1,{"a":null}]}"#,
            )),
            ..Default::default()
        }
    }

    fn verdicts(payload: &[u8]) -> Vec<Result<String, String>> {
        decode(payload).map(|it| it.event.map(|e| e.account.to_string()).map_err(|e| e.0)).collect()
    }

    #[test]
    fn an_event_is_read_in_place() {
        let bytes = event("acme").encode_to_vec();
        let event = decode(&bytes).next().unwrap().event.unwrap();
        assert_eq!(
            (&*event.account, &*event.user, &*event.name, event.time),
            ("acme", "ann", "Feature Used", EventTime(1_000))
        );
        let value = |key| fields::value(&event.properties, key);
        assert_eq!(value("feature"), Some(Scalar::Text("editor".into())));
        assert_eq!(value("ok"), Some(Scalar::Boolean(true)));
        assert_eq!(value("n"), Some(Scalar::Number(3.0, "")));
        assert_eq!(value("list.0"), Some(Scalar::Number(1.0, "")));
        assert_eq!(encode(&event), bytes);
    }

    #[test]
    fn an_appended_event_has_the_bytes_of_an_encoded_one() {
        let long = "x".repeat(300);
        for (properties, json) in [
            (&[][..], String::new()),
            (&[("a", "")], r#"{"a":""}"#.to_owned()),
            (&[("path", "/app"), ("plan", long.as_str())], format!(r#"{{"path":"/app","plan":"{long}"}}"#)),
        ] {
            let bytes = event("acme").encode_to_vec();
            let mut event = decode(&bytes).next().unwrap().event.unwrap();
            event.properties = if json.is_empty() { Fields::None } else { Fields::Json(&json) };
            for source in ["", "web"] {
                event.source = source.into();
                let mut appended = b"before".to_vec();
                append(&event, properties, &mut appended);
                assert_eq!(appended, [b"before", &encode(&event)[..]].concat(), "{json}");
            }
        }
    }

    #[test]
    fn a_bad_member_spoils_only_itself() {
        let nested = pack(vec![event("inner").encode_to_vec()]);
        let record = pack(vec![
            event("a").encode_to_vec(),
            vec![0xff],
            event("").encode_to_vec(),
            nested,
            event("b").encode_to_vec(),
        ]);
        let verdicts = verdicts(&record);
        assert_eq!(verdicts[0], Ok("a".into()));
        assert!(verdicts[1].as_ref().unwrap_err().contains("not a ProductEvent"));
        assert_eq!(verdicts[2], Err("no account".into()));
        assert!(verdicts[3].as_ref().unwrap_err().contains("cannot be nested"));
        assert_eq!(verdicts[4], Ok("b".into()));
    }

    #[test]
    fn members_before_a_break_are_kept_and_an_event_beside_them_is_told() {
        let mut cut = pack(vec![event("a").encode_to_vec(), event("b").encode_to_vec()]);
        cut.truncate(cut.len() - 1);
        let told = verdicts(&cut);
        assert_eq!((told.len(), &told[0]), (2, &Ok("a".to_owned())));
        assert!(told[1].as_ref().unwrap_err().contains("cut off"));

        let both = proto::ProductEvent { packed: vec![event("a").encode_to_vec()], ..event("own") }.encode_to_vec();
        let told = verdicts(&both);
        assert_eq!((told.len(), &told[0]), (2, &Ok("a".to_owned())));
        assert!(told[1].as_ref().unwrap_err().contains("an event of its own"));
    }

    #[test]
    fn the_view_agrees_with_a_full_parser_on_every_cut_and_flip() {
        // Short texts alone, numbers and lists between them, texts beyond ASCII, and lengths of two bytes.
        let long = format!(r#"{{"plan":"team","path":"{}"}}"#, "/x".repeat(100));
        let properties = [
            r#"{"plan":"team","session":"6hskn"}"#,
            r#"{"a":"b","feature":"editor","n":3,"ok":true,"list":[1,{"a":null}]}"#,
            r#"{"plan":"größer","ключ":"x"}"#,
            &long,
        ];
        for (seed, properties) in (1..).zip(properties) {
            let mut rng = 0x9e37_79b9_u32.wrapping_mul(seed);
            let user_id = if seed == 3 { "änn" } else { "ann" };
            let properties = fields::to_struct(&Fields::Json(properties));
            let whole = proto::ProductEvent { properties, user_id: user_id.into(), ..event("acme") }.encode_to_vec();
            for round in 0..10_000 {
                let mut bytes = whole.clone();
                rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = rng as usize % bytes.len();
                if round % 2 == 0 {
                    bytes.truncate(at)
                } else {
                    bytes[at] ^= 1 << (rng >> 29)
                }
                let full = proto::ProductEvent::decode(&bytes[..]);
                assert_eq!(read(&bytes, &mut Raw::default()).is_ok(), full.is_ok(), "{bytes:02x?}");
            }
        }
    }

    #[test]
    fn properties_that_stand_twice_are_one_struct_and_ids_beyond_ascii_are_read() {
        let first = event("größe").encode_to_vec();
        let second = proto::ProductEvent {
            user_id: "änn".into(),
            properties: fields::to_struct(&Fields::Json(r#"{"n":4,"plan":"größer"}"#)),
            ..Default::default()
        };
        let bytes = [first, second.encode_to_vec()].concat();
        let event = decode(&bytes).next().unwrap().event.unwrap();
        assert_eq!((&*event.account, &*event.user, &*event.name), ("größe", "änn", "Feature Used"));
        let value = |key| fields::value(&event.properties, key);
        assert_eq!(value("feature"), Some(Scalar::Text("editor".into())));
        assert_eq!(value("n"), Some(Scalar::Number(4.0, "")));
        assert_eq!(value("plan"), Some(Scalar::Text("größer".into())));
    }

    #[test]
    fn nothing_and_nonsense_are_malformed() {
        assert_eq!(verdicts(b""), vec![Err("no type".into())]);
        assert!(verdicts(b"{\"type\":\"track\"}")[0].is_err());
        let mut far = event("acme");
        far.timestamp_ms = Some(i64::MAX);
        assert!(verdicts(&far.encode_to_vec())[0].as_ref().unwrap_err().contains("outside the years"));
    }
}
