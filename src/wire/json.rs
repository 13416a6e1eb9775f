//! Decodes and encodes events as JSON with the names of the Segment spec.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::decoded::{Admit, Decoded, Loose, Malformed, Members};
use super::fields;
use super::object::{self, Object};
use super::places::{self, Places};
use super::times;
use crate::model::{Event, EventKind, EventTime, Fields};

/// Where events of Segment's spec have the account, the usual places first.
pub(super) const ACCOUNT: [&str; 25] = [
    "context.groupId",
    "groupId",
    "context.group_id",
    "context.traits.company.id",
    "context.traits.company_id",
    "context.traits.companyId",
    "context.traits.groupId",
    "traits.company.id",
    "traits.company_id",
    "traits.companyId",
    "properties.groupId",
    "properties.group_id",
    "properties.company_id",
    "properties.companyId",
    "properties.account_id",
    "properties.accountId",
    "properties.organization_id",
    "properties.organizationId",
    "properties.org_id",
    "properties.workspace_id",
    "properties.$groups.company",
    "properties.$groups.organization",
    "group_id",
    "account_id",
    "accountId",
];

/// Where they have the e-mail address of the user.
const EMAILS: [&str; 5] =
    ["context.traits.email", "traits.email", "properties.email", "properties.$set.email", "userId"];

/// The fields of a line that the fold reads, each in its encoded form. Of several with one name the last counts. Other
/// fields are skipped, and `null` is treated as absent.
#[derive(Default)]
struct Line<'a> {
    message_id: Option<&'a str>,
    source: Option<&'a str>,
    kind: Option<&'a str>,
    event: Option<&'a str>,
    name: Option<&'a str>,
    user_id: Option<&'a str>,
    anonymous_id: Option<&'a str>,
    group_id: Option<&'a str>,
    context: Option<&'a str>,
    timestamp: Option<&'a str>,
    original_timestamp: Option<&'a str>,
    sent_at: Option<&'a str>,
    received_at: Option<&'a str>,
    properties: Option<&'a str>,
    traits: Option<&'a str>,
    control: Option<&'a str>,
    rules: Option<&'a str>,
    batch: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn field(&mut self, name: &[u8]) -> Option<&mut Option<&'a str>> {
        Some(match name {
            b"messageId" => &mut self.message_id,
            b"source" => &mut self.source,
            b"type" => &mut self.kind,
            b"event" => &mut self.event,
            b"name" => &mut self.name,
            b"userId" => &mut self.user_id,
            b"anonymousId" => &mut self.anonymous_id,
            b"groupId" => &mut self.group_id,
            b"context" => &mut self.context,
            b"timestamp" => &mut self.timestamp,
            b"originalTimestamp" => &mut self.original_timestamp,
            b"sentAt" => &mut self.sent_at,
            b"receivedAt" => &mut self.received_at,
            b"properties" => &mut self.properties,
            b"traits" => &mut self.traits,
            b"control" => &mut self.control,
            b"rules" => &mut self.rules,
            b"batch" => &mut self.batch,
            _ => return None,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Line<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Reads a name as bytes: as a text, one with half a surrogate would be an error.
        struct Name<'l, 'a>(&'l mut Line<'a>);
        impl<'de, 'l, 'a> DeserializeSeed<'de> for Name<'l, 'a> {
            type Value = Option<&'l mut Option<&'a str>>;
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_bytes(self)
            }
        }
        impl<'l, 'a> Visitor<'_> for Name<'l, 'a> {
            type Value = Option<&'l mut Option<&'a str>>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(self.0.field(name))
            }
        }
        struct Fill;
        impl<'de> Visitor<'de> for Fill {
            type Value = Line<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut line = Line::default();
                while let Some(field) = map.next_key_seed(Name(&mut line))? {
                    let raw: &RawValue = map.next_value()?;
                    if let Some(field) = field {
                        *field = Some(raw.get()).filter(|raw| *raw != "null");
                    }
                }
                Ok(line)
            }
        }
        deserializer.deserialize_map(Fill)
    }
}

/// The first event of a record, which is one event, or a list or `batch` of them, as SDKs send them; and the rest.
pub(super) fn first<'a>(
    record: &'a [u8],
    admit: Admit,
    places: &Places,
    rest: &mut Members<'a>,
) -> Option<Decoded<'a>> {
    match record.trim_ascii_start().first() {
        Some(b'{') => {}
        Some(b'[') => return first_of_list(record, record, &Line::default(), (admit, places), rest),
        _ => return Some(Decoded::malformed(record, Malformed::new("not a JSON event: not an object"))),
    }
    // Parts of a UTF-8 text are UTF-8. A record that is not UTF-8 can still be read if the faults are in skipped
    // fields.
    let line = match std::str::from_utf8(record) {
        Ok(text) => serde_json::from_str::<Line<'_>>(text),
        Err(_) => serde_json::from_slice::<Line<'_>>(record),
    };
    match line {
        Ok(line) => match line.batch {
            Some(batch) if line.kind.is_none() => first_of_list(record, batch.as_bytes(), &line, (admit, places), rest),
            _ => Some(event(record, line, (admit, places), true)),
        },
        Err(error) => Some(Decoded::malformed(record, not_json(&error))),
    }
}

fn not_json(error: &serde_json::Error) -> Malformed {
    Malformed(format!("not a JSON event: {error}"))
}

/// The first event of a list, and the rest. `sentAt` and `receivedAt` of the record apply to events without their own.
fn first_of_list<'a>(
    record: &'a [u8],
    list: &'a [u8],
    around: &Line<'a>,
    how: (Admit, &Places),
    rest: &mut Members<'a>,
) -> Option<Decoded<'a>> {
    let members: Vec<&'a RawValue> = match serde_json::from_slice(list) {
        Ok(members) => members,
        Err(error) => return Some(Decoded::malformed(record, not_json(&error))),
    };
    let read = |member: &'a RawValue| {
        let raw = member.get().as_bytes();
        if !raw.starts_with(b"{") {
            return Decoded::malformed(raw, Malformed::new("not a JSON event: not an object"));
        }
        match serde_json::from_str::<Line<'a>>(member.get()) {
            Ok(mut line) => {
                line.sent_at = line.sent_at.or(around.sent_at);
                line.received_at = line.received_at.or(around.received_at);
                Decoded { is_changed: true, ..event(raw, line, how, false) }
            }
            Err(error) => Decoded::malformed(raw, not_json(&error)),
        }
    };
    if members.is_empty() {
        return Some(Decoded::malformed(record, Malformed::new("not a JSON event: an empty list")));
    }
    let mut listed = members.into_iter().map(read).collect::<Vec<_>>().into_iter();
    let first = listed.next();
    *rest = Members::Listed(listed);
    first
}

/// Whether a record, or what it contains, is certainly a call of Segment's spec.
pub(super) fn is_certain(record: &str) -> bool {
    const CALLS: [&str; 7] =
        ["\"track\"", "\"identify\"", "\"group\"", "\"page\"", "\"screen\"", "\"alias\"", "\"control\""];
    let is_call = |text: &str| {
        let kind = Object::read(text).and_then(|object| object.get("type"));
        kind.is_some_and(|kind| CALLS.contains(&kind))
    };
    let batch =
        Object::read(record).filter(|object| object.get("type").is_none()).and_then(|object| object.get("batch"));
    match object::list(batch.unwrap_or(record)) {
        Some(members) => members.first().is_some_and(|member| is_call(member)),
        None => is_call(record),
    }
}

/// The event of a line, if its record may contain it, alone or with others.
fn event<'a>(raw: &'a [u8], line: Line<'a>, (admit, places): (Admit, &Places), is_alone: bool) -> Decoded<'a> {
    let (mut loose, mut ids) = (Loose::default(), Elsewhere { raw, places, is_used: false });
    let event = checked(line, &mut ids, &mut loose);
    let event = event.and_then(|event| admit.check(event.kind, is_alone).map(|()| event));
    Decoded { raw, event, loose, is_changed: ids.is_used, is_screened: false }
}

/// Looks for the account and the user where a log does not have them.
struct Elsewhere<'a, 'p> {
    raw: &'a [u8],
    places: &'p Places,
    /// Whether an id was taken from one of the places.
    is_used: bool,
}

impl<'a> Elsewhere<'a, '_> {
    /// Whether the account of a call is where a log has it, if it is there.
    fn leave_account(&self, kind: EventKind) -> bool {
        self.places.begin_as_the_log() || kind == EventKind::Group || kind.is_control()
    }

    fn account(&mut self, loose: &mut Loose) -> Result<Cow<'a, str>, Malformed> {
        if self.places == &Places::LOG {
            return Err(Malformed::new("no account: expected context.groupId, or groupId in a group call"));
        }
        let object = self.object();
        self.is_used = true;
        let found = self.places.account(&|path| look(&object, path), &EMAILS)?;
        loose.account_at = found.at;
        Ok(found.id)
    }

    fn user(&mut self) -> Cow<'a, str> {
        let object = self.object();
        self.is_used = true;
        self.places.user(&|path| look(&object, path)).unwrap_or_default()
    }

    fn object(&self) -> Object<'a> {
        std::str::from_utf8(self.raw).ok().and_then(Object::read).unwrap_or_default()
    }
}

/// The value at a path from the top of an event, otherwise within its properties.
fn look<'a>(event: &Object<'a>, path: &str) -> Option<&'a str> {
    event.at(path).or_else(|| object::within(event.get("properties")?, path))
}

/// The kind of a call.
fn kind(line: &Line<'_>) -> Result<EventKind, Malformed> {
    Ok(match needed(line.kind, "type")?.as_deref() {
        Some("track") => EventKind::Track,
        Some("identify") => EventKind::Identify,
        Some("group") => EventKind::Group,
        Some("page") => EventKind::Page,
        Some("screen") => EventKind::Screen,
        Some("alias") => EventKind::Alias,
        Some("control") => match needed(line.control, "control")?.as_deref() {
            Some("tick") => EventKind::Tick,
            Some("rules") => EventKind::RulesActivation,
            Some("backfill_begin") => EventKind::BackfillBegin,
            Some("backfill_end") => EventKind::BackfillEnd,
            Some("forget") => EventKind::Forget,
            Some(other) => {
                let allowed = "tick, rules, backfill_begin, backfill_end, forget";
                return Err(Malformed(format!("unknown control {other:?}: allowed are {allowed}")));
            }
            None => return Err(Malformed::new("a control event without a control")),
        },
        Some(other) => return Err(Malformed(format!("unknown type {other:?}"))),
        None => return Err(Malformed::new("no type")),
    })
}

fn checked<'a>(line: Line<'a>, elsewhere: &mut Elsewhere<'a, '_>, loose: &mut Loose) -> Result<Event<'a>, Malformed> {
    let kind = kind(&line)?;
    let context = object(line.context, loose);
    let in_context = match context {
        Fields::Json(context) => fields::json_field(context, "groupId").map(RawValue::get).filter(|raw| *raw != "null"),
        _ => None,
    };
    let [in_context_at, at_the_top] = elsewhere.places.of_calls;
    let (own, place, at) = match (kind, line.group_id.filter(|raw| *raw != "\"\"")) {
        (EventKind::Group, Some(own)) => (Some(own), "groupId", at_the_top),
        _ => (in_context.filter(|_| elsewhere.leave_account(kind)), "context.groupId", in_context_at),
    };
    let is_control = kind.is_control();
    let account = match own {
        None => Cow::Borrowed(""),
        Some(_) if is_control && kind != EventKind::Forget => Cow::Borrowed(""),
        Some(raw) => places::id(raw).ok_or_else(|| places::not_an_id(raw, place))?,
    };
    loose.account_at = if account.is_empty() { 0 } else { at };
    let account = if account.is_empty() && !is_control { elsewhere.account(loose)? } else { account };
    let mut id_or_none = |raw: Option<&'a str>| {
        let id = raw.map_or(Some(Cow::Borrowed("")), places::id);
        loose.left_out |= id.is_none();
        id.unwrap_or_default()
    };
    let (message_id, user, anonymous_id) =
        (id_or_none(line.message_id), id_or_none(line.user_id), id_or_none(line.anonymous_id));
    let user = if is_control || elsewhere.places.have_usual_user() { user } else { elsewhere.user() };
    let name = match kind {
        EventKind::Track => text_or_none(line.event, loose),
        EventKind::RulesActivation => needed(line.rules, "rules")?.unwrap_or_default(),
        _ => text_or_none(line.name, loose),
    };
    let (time, received) = times(&line, loose)?;
    Ok(Event {
        message_id: message_id.into(),
        source: text_or_none(line.source, loose).into(),
        kind,
        name: name.into(),
        user: user.into(),
        anonymous_id: anonymous_id.into(),
        account: account.into(),
        time,
        received,
        properties: object(line.properties, loose),
        traits: object(line.traits, loose),
        context,
        provenance: None,
    })
}

/// A required field: an invalid value makes the event malformed.
fn needed<'a>(raw: Option<&'a str>, field: &str) -> Result<Option<Cow<'a, str>>, Malformed> {
    let text = |raw| fields::json_text(raw).ok_or_else(|| Malformed(format!("{field} is not a text: {raw:.40}")));
    raw.map(text).transpose()
}

/// An optional text: a value of another type is treated as absent (semantics A30).
fn text_or_none<'a>(raw: Option<&'a str>, loose: &mut Loose) -> Cow<'a, str> {
    let text = raw.map_or(Some(Cow::Borrowed("")), fields::json_text);
    loose.left_out |= text.is_none();
    text.unwrap_or_default()
}

/// When it happened, and when it was received (semantics A31).
fn times(line: &Line<'_>, loose: &mut Loose) -> Result<(EventTime, Option<EventTime>), Malformed> {
    let mut optional = |raw: Option<&str>| {
        let read = raw.map(times::time);
        loose.left_out |= read == Some(None);
        loose.zoneless |= matches!(read, Some(Some((_, true))));
        read.flatten().map(|(time, _)| time)
    };
    let received = optional(line.received_at);
    let original = line.original_timestamp.filter(|_| line.timestamp.is_none());
    let (raw, field) = match (line.timestamp, original) {
        (Some(raw), _) => (raw, "timestamp"),
        (None, Some(raw)) => (raw, "originalTimestamp"),
        (None, None) => return Err(Malformed::new("no timestamp")),
    };
    let sent = original.and_then(|_| optional(line.sent_at));
    let (mut happened, zoneless) =
        times::time(raw).ok_or_else(|| Malformed(format!("{field} {raw:.60} is not a time: {}", times::FORMS)))?;
    loose.zoneless |= zoneless;
    if let (Some(_), Some(sent), Some(received)) = (original, sent, received) {
        // The Segment spec: the device's clock is wrong by the same amount when it records and when it sends.
        happened = EventTime::new(received.0 - (sent.0 - happened.0)).ok_or_else(|| {
            Malformed::new("originalTimestamp, sentAt and receivedAt give a time outside the years -9999 to 9999")
        })?;
    }
    Ok((happened, received))
}

/// An object; any other value is treated as absent (semantics A30).
fn object<'a>(raw: Option<&'a str>, loose: &mut Loose) -> Fields<'a> {
    match raw {
        None => Fields::None,
        Some(object) if object.starts_with('{') => Fields::Json(object),
        Some(_) => {
            loose.left_out = true;
            Fields::None
        }
    }
}

/// The event as a line of JSON. It must not have a provenance, which JSON cannot express.
pub fn encode(event: &Event<'_>) -> String {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'a> {
        #[serde(skip_serializing_if = "str::is_empty")]
        message_id: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        source: &'a str,
        r#type: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        event: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        name: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        user_id: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        anonymous_id: &'a str,
        context: OutContext<'a>,
        timestamp: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        received_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        properties: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        traits: Option<&'a RawValue>,
    }
    let user_agent = fields::user_agent(event);
    let raw = |fields: &Fields<'_>| fields::to_json(fields).and_then(|text| RawValue::from_string(text).ok());
    let (properties, traits) = (raw(&event.properties), raw(&event.traits));
    let (kind, is_track) = match event.kind {
        EventKind::Track => ("track", true),
        EventKind::Identify => ("identify", false),
        EventKind::Group => ("group", false),
        EventKind::Page => ("page", false),
        EventKind::Screen => ("screen", false),
        EventKind::Alias => ("alias", false),
        EventKind::Tick => return control("tick", event),
        EventKind::RulesActivation => return control("rules", event),
        EventKind::BackfillBegin => return control("backfill_begin", event),
        EventKind::BackfillEnd => return control("backfill_end", event),
        EventKind::Forget => return control("forget", event),
    };
    let out = Out {
        message_id: &event.message_id,
        source: &event.source,
        r#type: kind,
        event: if is_track { &event.name } else { "" },
        name: if is_track { "" } else { &event.name },
        user_id: &event.user,
        anonymous_id: &event.anonymous_id,
        context: OutContext { group_id: &event.account, user_agent: user_agent.as_deref() },
        timestamp: timestamp(event.time).to_string(),
        received_at: event.received.map(|received| timestamp(received).to_string()),
        properties: properties.as_deref(),
        traits: traits.as_deref(),
    };
    serde_json::to_string(&out).expect("texts and times always have a JSON form")
}

fn timestamp(time: EventTime) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(time.0).expect("an event's time lies in the years that jiff knows")
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct OutContext<'a> {
    group_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
}

/// A control event, as a line.
fn control(control: &str, event: &Event<'_>) -> String {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Out<'a> {
        r#type: &'a str,
        control: &'a str,
        timestamp: String,
        #[serde(skip_serializing_if = "str::is_empty")]
        rules: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        user_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<OutContext<'a>>,
    }
    let out = Out {
        r#type: "control",
        control,
        timestamp: timestamp(event.time).to_string(),
        rules: &event.name,
        user_id: &event.user,
        context: (!event.account.is_empty()).then(|| OutContext { group_id: &event.account, user_agent: None }),
    };
    serde_json::to_string(&out).expect("texts and times always have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(record: &[u8]) -> crate::wire::Events<'_> {
        crate::wire::decode(crate::wire::Format::Json, record)
    }

    fn told(line: &str) -> String {
        read(line).map(|e| format!("{e:?}")).unwrap_err().0
    }

    fn read(line: &str) -> Result<Event<'_>, Malformed> {
        decode(line.as_bytes()).next().unwrap().event
    }

    #[test]
    fn a_segment_call_is_read() {
        let line = r#"{"messageId":"m","type":"track","event":"Feature \u0055sed","userId":"ann","context":{"groupId":"acme","ip":"::1"},
            "timestamp":"2026-02-14T12:00:00.1239+02:00","properties":{"feature":"editor"},"writeKey":7}"#;
        let event = read(line).unwrap();
        assert_eq!((&*event.account, &*event.name, event.time), ("acme", "Feature Used", EventTime(1_771_063_200_123)));
        assert_eq!(fields::value(&event.properties, "feature"), Some(fields::Scalar::Text("editor".into())));
    }

    #[test]
    fn a_time_of_another_clock_is_set_right_by_when_it_was_sent() {
        let with = |rest: &str| {
            let line = format!(r#"{{"type":"track","event":"x","context":{{"groupId":"a"}},{rest}}}"#);
            read(&line).map(|event| event.time.0).map_err(|error| error.0)
        };
        let at = r#""originalTimestamp":"2026-10-07T10:01:00.029Z""#;
        let sent = r#""sentAt":"2026-10-07T10:01:00.957Z""#;
        let received = r#""receivedAt":"2026-10-06T10:01:01.078Z""#;
        assert_eq!(with(&format!("{at},{sent},{received}")), Ok(1_791_280_860_150));
        assert_eq!(with(&format!("{at},{sent}")), Ok(1_791_367_260_029));
        assert_eq!(with(&format!("{at},{received},\"sentAt\":7e99")), Ok(1_791_367_260_029));
        assert!(with(r#""originalTimestamp":"never""#).unwrap_err().starts_with("originalTimestamp"));
    }

    #[test]
    fn a_field_of_another_type_costs_an_event_only_where_it_decides() {
        let line = r#"{"messageId":[1],"type":"track","event":"x","userId":1001,"anonymousId":1.5,"context":{"groupId":77},
            "source":{},"name":"x\ud83d","timestamp":"2026-01-01T00:00:00Z","receivedAt":"?","properties":[1],"traits":3,"cut \ud83d":1}"#;
        let decoded = decode(line.as_bytes()).next().unwrap();
        assert!(decoded.loose.left_out && !decoded.loose.zoneless);
        let event = decoded.event.unwrap();
        assert_eq!((&*event.account, &*event.user, &*event.anonymous_id), ("77", "1001", ""));
        assert_eq!((&*event.message_id, &*event.source, event.received), ("", "", None));
        assert!(matches!((event.properties, event.traits), (Fields::None, Fields::None)));
        // Without its name a track call is activity, as one that has none.
        let line = r#"{"type":"track","event":7,"context":{"groupId":"a"},"timestamp":0}"#;
        let decoded = decode(line.as_bytes()).next().unwrap();
        assert!(decoded.loose.left_out && decoded.event.unwrap().name.is_empty());
        let long = "a".repeat(1_025);
        let with = |account: &str, user: &str| {
            let line = format!(
                r#"{{"type":"track","event":"x","userId":"{user}","context":{{"groupId":"{account}"}},"timestamp":0}}"#
            );
            read(&line).map(|event| event.user.to_string()).map_err(|error| error.0)
        };
        assert_eq!(with(&long[1..], &long), Ok(String::new()));
        assert!(with(&long, "u").is_err() && with("a\\ud83d", "u").is_err());
        assert_eq!(with("a", "u-\\ud83d"), Ok(String::new()));
    }

    #[test]
    fn the_members_of_a_batch_or_a_list_are_events() {
        let one = |account: &str| {
            format!(r#"{{"type":"track","event":"x","context":{{"groupId":"{account}"}},"timestamp":0}}"#)
        };
        let accounts = |record: &str| -> Vec<Option<String>> {
            decode(record.as_bytes()).map(|it| it.event.ok().map(|event| event.account.to_string())).collect()
        };
        let (a, b) = (Some("a".to_owned()), Some("b".to_owned()));
        let listed = format!("[{}, 7, {}]", one("a"), one("b"));
        assert_eq!(accounts(&listed), [a.clone(), None, b.clone()]);
        assert_eq!(accounts(&format!(r#"{{"batch":{listed},"writeKey":"k"}}"#)), [a, None, b]);
        assert_eq!(accounts(r#"{"batch":7}"#), [None]);
        assert_eq!(accounts("[]"), [None]);
    }

    #[test]
    fn only_group_calls_name_their_account_outside_the_context() {
        assert!(
            told(r#"{"type":"track","event":"x","groupId":"acme","timestamp":"2026-01-01T00:00:00Z"}"#)
                .contains("no account")
        );
        assert!(read(r#"{"type":"group","groupId":"acme","timestamp":"2026-01-01T00:00:00Z"}"#).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let with = |rest: &str| format!(r#"{{"type":"track","context":{{"groupId":"acme"}},{rest}}}"#);
        assert!(told(&with(r#""event":"x""#)).contains("no timestamp"));
        assert!(told(&with(r#""timestamp":"yesterday""#)).contains("timestamp \"yesterday\" is not a time"));
        assert!(
            told(r#"{"type":"sing","context":{"groupId":"a"},"timestamp":"2026-01-01T00:00:00Z"}"#)
                .contains("unknown type")
        );
        assert!(
            told(r#"{"type":"track","context":{"groupId":5.5},"timestamp":"2026-01-01T00:00:00Z"}"#)
                .contains("context.groupId is not an id")
        );
        assert!(told("[").contains("not a JSON event"));
        assert!(decode(&[0xff, 0xfe]).all(|it| it.event.is_err()));
        // What is passed over may hold bytes that are no UTF-8; what is read may not.
        let line = br#"{"type":"track","context":{"groupId":"a"},"timestamp":0,"#;
        for (rest, is_read) in [(&b"\"?\":1}"[..], true), (b"\"event\":\"?\"}", false)] {
            let bytes: Vec<u8> = line.iter().chain(rest).map(|byte| if *byte == b'?' { 0xff } else { *byte }).collect();
            assert_eq!(decode(&bytes).next().unwrap().event.is_ok(), is_read);
        }
    }

    /// JSON values as broken producers write them.
    fn strange() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::*;
        let text = prop_oneof![
            Just(r#""great \ud83d""#.to_owned()),
            Just(r#""\udc00\ud83d\ude00x""#.to_owned()),
            Just(r#""\u0000\ud83d\u0041""#.to_owned()),
            Just("\"\u{d7ff}\u{1f600}\"".to_owned()),
            Just("\"plain\"".to_owned()),
            Just(r#""\"\\ [{""#.to_owned()),
        ];
        let number = prop_oneof![
            Just("1e400"),
            Just("-1e999"),
            Just("1e-400"),
            Just("1.50"),
            Just("-0"),
            Just("7"),
            Just("1E3"),
            Just("1e22"),
            Just("9007199254740992"),
            Just("9007199254740993"),
            Just("-9223372036854775808"),
            Just("18446744073709551616"),
            Just("1152921504606846976.5"),
            Just(r#""9007199254740993""#),
            Just(r#""900719925474099\u0033""#),
            Just("true"),
            Just("null"),
        ];
        let deep = (60_usize..70).prop_map(|depth| format!("{}7{}", r#"{"k":"#.repeat(depth), "}".repeat(depth)));
        let lists = (60_usize..200).prop_map(|depth| format!("{}7{}", "[".repeat(depth), "]".repeat(depth)));
        let leaf = prop_oneof![4 => text, 4 => number.prop_map(str::to_owned), 1 => deep, 1 => lists];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let key = prop_oneof![Just("a"), Just("k"), Just(r"cut \ud83d")];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
                proptest::collection::vec((key, inner), 0..4).prop_map(|members| {
                    let members: Vec<String> =
                        members.iter().map(|(key, value)| format!(r#""{key}":{value}"#)).collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn strange_values_are_the_same_on_every_way_in(a in strange(), b in strange(), again in strange()) {
            let line = format!(
                r#"{{"type":"track","event":"x","context":{{"groupId":"acme"}},"timestamp":0,"properties":{{"feature":"SSO","a":{a},"cut \ud83d":{b},"k":{a},"k":{again}}}}}"#
            );
            let event = read(&line).unwrap();
            let (proto, json) = (crate::wire::encode(&event), encode(&event));
            let proto_event = crate::wire::decode(crate::wire::Format::Protobuf, &proto).next().unwrap().event.unwrap();
            let json_event = read(&json).unwrap();
            let told = |event: &Event<'_>| {
                ["feature", "a", "cut \u{fffd}", "k", "a.0", "a.1", "a.1.k", "a.k", "a.cut \u{fffd}", "k.k.0", "k.2.a"].map(|key| {
                    let value = || fields::value(&event.properties, key);
                    (value().map(|value| (value.clone().number(), value.clone().boolean(), value == fields::Scalar::Null)),
                        value().and_then(fields::Scalar::text).map(Cow::into_owned),
                        value().and_then(fields::Scalar::words).map(Cow::into_owned))
                })
            };
            proptest::prop_assert_eq!(told(&event), told(&proto_event), "{}", line);
            proptest::prop_assert_eq!(told(&event), told(&json_event), "{}", line);
            proptest::prop_assert_eq!(fields::value(&proto_event.properties, "feature").and_then(fields::Scalar::text), Some("SSO".into()));
        }
    }

    #[test]
    fn whole_numbers_keep_their_digits_on_every_way_in() {
        let (ids, quotas) = (["9007199254740993", "9007199254740992", "-9007199254740993"], "9223372036854775807");
        let properties = format!(r#"{{"a":{},"b":{},"c":[{{"d":{}}}],"quota":{quotas}}}"#, ids[0], ids[1], ids[2]);
        let line = format!(
            r#"{{"type":"track","event":"x","context":{{"groupId":"a"}},"timestamp":0,"properties":{properties}}}"#
        );
        let event = read(&line).unwrap();
        let (proto, json) = (crate::wire::encode(&event), encode(&event));
        let proto = crate::wire::decode(crate::wire::Format::Protobuf, &proto).next().unwrap().event.unwrap();
        for event in [event, proto, read(&json).unwrap()] {
            let value = |key| fields::value(&event.properties, key).unwrap();
            assert_eq!(["a", "b", "c.0.d"].map(|key| value(key).text().unwrap().into_owned()), ids);
            assert_eq!((value("quota").number(), value("a").number()), (Some(2_f64.powi(63)), Some(2_f64.powi(53))));
        }
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let line = r#"{"messageId":"m","type":"page","name":"Pricing","userId":"ann","context":{"groupId":"acme"},"timestamp":"2026-02-14T10:00:00.123Z","properties":{"a":1}}"#;
        assert_eq!(encode(&read(line).unwrap()), line);
    }

    #[test]
    fn control_can_be_read_back() {
        let at = EventTime(1_771_063_200_123);
        for (kind, name) in [(EventKind::Tick, ""), (EventKind::RulesActivation, "name: \"mine\"\n# ü\n")] {
            for format in [crate::wire::Format::Json, crate::wire::Format::Protobuf] {
                let bytes = match kind {
                    EventKind::Tick => crate::wire::encode_tick(format, at),
                    _ => crate::wire::encode_activation(format, name, at),
                };
                for decoded in crate::wire::decode_admitting(crate::wire::Admit::Control, format, &bytes) {
                    let event = decoded.event.unwrap();
                    assert_eq!((event.kind, event.time, &*event.name), (kind, at, name));
                }
            }
        }
    }

    #[test]
    fn control_stands_alone_and_only_where_it_is_admitted() {
        use crate::wire::{Admit, Format, decode_admitting, encode_tick, pack};
        let tick = encode_tick(Format::Json, EventTime(0));
        let product = br#"{"type":"track","event":"x","context":{"groupId":"a"},"timestamp":0}"#.to_vec();
        let listed = [b"[", &tick[..], b"]"].concat();
        let batch = [b"{\"batch\":[", &product[..], b",", &tick, b"]}"].concat();
        let proto_tick = encode_tick(Format::Protobuf, EventTime(0));
        let proto_product = crate::wire::encode(&read(std::str::from_utf8(&product).unwrap()).unwrap());
        let packed = pack(vec![proto_product.clone(), proto_tick.clone()]);
        for (format, record, of_product, of_control, of_any) in [
            (Format::Json, &tick, vec![false], vec![true], vec![true]),
            (Format::Json, &product, vec![true], vec![false], vec![true]),
            (Format::Json, &listed, vec![false], vec![false], vec![false]),
            (Format::Json, &batch, vec![true, false], vec![false, false], vec![true, false]),
            (Format::Json, &b"no".to_vec(), vec![false], vec![false], vec![false]),
            (Format::Protobuf, &proto_tick, vec![false], vec![true], vec![true]),
            (Format::Protobuf, &proto_product, vec![true], vec![false], vec![true]),
            (Format::Protobuf, &packed, vec![true, false], vec![false, false], vec![true, false]),
            (Format::Protobuf, &Vec::new(), vec![false], vec![false], vec![false]),
        ] {
            for (admit, expected) in [(Admit::Product, of_product), (Admit::Control, of_control), (Admit::Any, of_any)]
            {
                let read: Vec<bool> = decode_admitting(admit, format, record).map(|it| it.event.is_ok()).collect();
                assert_eq!(read, expected, "{admit:?} {format:?} {:?}", String::from_utf8_lossy(record));
            }
        }
    }
}
