//! Newline-delimited JSON with the names of the Segment spec → model.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use super::{Malformed, fields};
use crate::model::{Event, EventKind, EventTime, Fields};

/// A line, as it stands. Fields that the fold does not read are passed over.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, default)]
    message_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    source: Option<Text<'a>>,
    #[serde(borrow, default)]
    r#type: Option<Text<'a>>,
    #[serde(borrow, default)]
    event: Option<Text<'a>>,
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    user_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    anonymous_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    group_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    context: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow, default)]
    received_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
    #[serde(borrow, default)]
    traits: Option<&'a RawValue>,
    #[serde(borrow, default)]
    control: Option<Text<'a>>,
    #[serde(borrow, default)]
    rules: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    #[serde(borrow, default)]
    group_id: Option<Text<'a>>,
}

/// A text, borrowed where it holds no escape.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Borrow).map(Text)
    }
}

fn or_empty(text: Option<Text<'_>>) -> Cow<'_, str> {
    text.map_or(Cow::Borrowed(""), |text| text.0)
}

/// The event on a line.
pub(super) fn decode(line: &[u8]) -> Result<Event<'_>, Malformed> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed::new("not a JSON event: not an object"));
    }
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|error| Malformed(format!("not a JSON event: {error}")))?;
    let kind = match line.r#type.as_ref().map(|kind| &*kind.0) {
        Some("track") => EventKind::Track,
        Some("identify") => EventKind::Identify,
        Some("group") => EventKind::Group,
        Some("page") => EventKind::Page,
        Some("screen") => EventKind::Screen,
        Some("alias") => EventKind::Alias,
        Some("control") => match line.control.as_ref().map(|control| &*control.0) {
            Some("tick") => EventKind::Tick,
            Some("rules") => EventKind::RulesActivation,
            Some(other) => return Err(Malformed(format!("unknown control {other:?}: allowed are tick, rules"))),
            None => return Err(Malformed::new("a control event without a control")),
        },
        Some(other) => return Err(Malformed(format!("unknown type {other:?}"))),
        None => return Err(Malformed::new("no type")),
    };
    let in_context = match object(line.context, "context")? {
        Fields::Json(context) => {
            let context: Context<'_> =
                serde_json::from_str(context).map_err(|error| Malformed(format!("context: {error}")))?;
            or_empty(context.group_id)
        }
        _ => Cow::Borrowed(""),
    };
    let account = match (kind, line.group_id) {
        (EventKind::Group, Some(own)) if !own.0.is_empty() => own.0,
        _ => in_context,
    };
    if account.is_empty() && !matches!(kind, EventKind::Tick | EventKind::RulesActivation) {
        return Err(Malformed::new("no account: neither context.groupId nor, in a group call, groupId"));
    }
    let name = match kind {
        EventKind::Track => line.event,
        EventKind::RulesActivation => line.rules,
        _ => line.name,
    };
    Ok(Event {
        message_id: or_empty(line.message_id),
        source: or_empty(line.source),
        kind,
        name: or_empty(name),
        user: or_empty(line.user_id),
        anonymous_id: or_empty(line.anonymous_id),
        account,
        time: time(line.timestamp, "timestamp")?.ok_or_else(|| Malformed::new("no timestamp"))?,
        received: time(line.received_at, "receivedAt")?,
        properties: object(line.properties, "properties")?,
        traits: object(line.traits, "traits")?,
        provenance: None,
    })
}

fn time(text: Option<Text<'_>>, field: &str) -> Result<Option<EventTime>, Malformed> {
    let Some(Text(text)) = text else { return Ok(None) };
    match instant(&text) {
        Some(time) => Ok(Some(time)),
        None => Err(Malformed(format!("{field} {text:?} is not an RFC 3339 time of the years -9999 to 9999"))),
    }
}

/// An RFC 3339 time, floored to milliseconds (edges A2).
pub fn instant(text: &str) -> Option<EventTime> {
    let parsed = text.parse::<jiff::Timestamp>().ok();
    let time = parsed.or_else(|| without_what_is_finer(text)?.parse().ok())?;
    EventTime::new(time.as_nanosecond().div_euclid(1_000_000) as i64)
}

/// The time without the digits of its second behind the ninth: more are not read.
fn without_what_is_finer(text: &str) -> Option<String> {
    let digits = text.find(['.', ',']).map(|point| point + 1)?;
    let end = digits + text[digits..].bytes().take_while(u8::is_ascii_digit).count();
    (end > digits + 9).then(|| format!("{}{}", &text[..digits + 9], &text[end..]))
}

fn object<'a>(raw: Option<&'a RawValue>, field: &str) -> Result<Fields<'a>, Malformed> {
    match raw.map(RawValue::get) {
        None => Ok(Fields::None),
        Some(object) if object.starts_with('{') => Ok(Fields::Json(object)),
        Some(other) => Err(Malformed(format!("{field} is not an object but {other:.20}"))),
    }
}

/// The event as a line. It must be one that a line can say: no provenance.
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
        properties: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        traits: Option<&'a RawValue>,
    }
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct OutContext<'a> {
        group_id: &'a str,
    }
    let raw = |fields: &Fields<'_>| fields::to_json(fields).and_then(|text| RawValue::from_string(text).ok());
    let (properties, traits) = (raw(&event.properties), raw(&event.traits));
    let (kind, is_track) = match event.kind {
        EventKind::Track => ("track", true),
        EventKind::Identify => ("identify", false),
        EventKind::Group => ("group", false),
        EventKind::Page => ("page", false),
        EventKind::Screen => ("screen", false),
        EventKind::Alias => ("alias", false),
        EventKind::Tick => return control("tick", None, event.time),
        EventKind::RulesActivation => return control("rules", Some(&event.name), event.time),
    };
    let out = Out {
        message_id: &event.message_id,
        source: &event.source,
        r#type: kind,
        event: if is_track { &event.name } else { "" },
        name: if is_track { "" } else { &event.name },
        user_id: &event.user,
        anonymous_id: &event.anonymous_id,
        context: OutContext { group_id: &event.account },
        timestamp: timestamp(event.time).to_string(),
        properties: properties.as_deref(),
        traits: traits.as_deref(),
    };
    serde_json::to_string(&out).expect("texts and times always have a JSON form")
}

fn timestamp(time: EventTime) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(time.0).expect("an event's time lies in the years that jiff knows")
}

/// A control event, as a line.
fn control(control: &str, rules: Option<&str>, time: EventTime) -> String {
    #[derive(serde::Serialize)]
    struct Out<'a> {
        r#type: &'a str,
        control: &'a str,
        timestamp: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        rules: Option<&'a str>,
    }
    let out = Out { r#type: "control", control, timestamp: timestamp(time).to_string(), rules };
    serde_json::to_string(&out).expect("texts and times always have a JSON form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        decode(line.as_bytes()).map(|e| format!("{e:?}")).unwrap_err().0
    }

    #[test]
    fn a_segment_call_is_read() {
        let line = r#"{"messageId":"m","type":"track","event":"Feature \u0055sed","userId":"ann","context":{"groupId":"acme","ip":"::1"},
            "timestamp":"2026-02-14T12:00:00.1239+02:00","properties":{"feature":"editor"},"writeKey":7}"#;
        let event = decode(line.as_bytes()).unwrap();
        assert_eq!((&*event.account, &*event.name, event.time), ("acme", "Feature Used", EventTime(1_771_063_200_123)));
        assert_eq!(fields::value(&event.properties, "feature"), Some(fields::Scalar::Text("editor".into())));
    }

    #[test]
    fn a_time_is_floored_however_fine_it_is() {
        for (text, ms) in [
            ("1969-12-31T23:59:59.9999Z", -1),
            ("1969-12-31T23:59:59.99999999999999Z", -1),
            ("1970-01-01T00:00:00.00123456789123Z", 1),
            ("1970-01-01T02:00:00.0019999999999+02:00", 1),
        ] {
            assert_eq!(instant(text), Some(EventTime(ms)), "{text}");
        }
        for text in ["1970-01-01T00:00:00.0012345678x9Z", "1970-01-01T00:00:00.", "0.12345678901", "é.12345678901é"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn only_group_calls_name_their_account_outside_the_context() {
        assert!(
            told(r#"{"type":"track","event":"x","groupId":"acme","timestamp":"2026-01-01T00:00:00Z"}"#)
                .contains("no account")
        );
        assert!(decode(br#"{"type":"group","groupId":"acme","timestamp":"2026-01-01T00:00:00Z"}"#).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let with = |rest: &str| format!(r#"{{"type":"track","context":{{"groupId":"acme"}},{rest}}}"#);
        assert!(told(&with(r#""event":"x""#)).contains("no timestamp"));
        assert!(told(&with(r#""userId":7,"timestamp":"2026-01-01T00:00:00Z""#)).contains("expected a string"));
        assert!(told(&with(r#""timestamp":"yesterday""#)).contains("not an RFC 3339 time"));
        assert!(told(&with(r#""timestamp":1767225600"#)).contains("expected a string"));
        assert!(told(&with(r#""timestamp":"2026-01-01T00:00:00Z","properties":[1]"#)).contains("not an object"));
        assert!(
            told(r#"{"type":"sing","context":{"groupId":"a"},"timestamp":"2026-01-01T00:00:00Z"}"#)
                .contains("unknown type")
        );
        assert!(
            told(r#"{"type":"track","context":{"groupId":5},"timestamp":"2026-01-01T00:00:00Z"}"#)
                .contains("expected a string")
        );
        assert!(told("[").contains("not a JSON event"));
        assert!(decode(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let line = r#"{"messageId":"m","type":"page","name":"Pricing","userId":"ann","context":{"groupId":"acme"},"timestamp":"2026-02-14T10:00:00.123Z","properties":{"a":1}}"#;
        assert_eq!(encode(&decode(line.as_bytes()).unwrap()), line);
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
                for decoded in crate::wire::decode(format, &bytes) {
                    let event = decoded.event.unwrap();
                    assert_eq!((event.kind, event.time, &*event.name), (kind, at, name));
                }
            }
        }
    }
}
