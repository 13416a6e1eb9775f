//! Decodes records of topics, which can be more than the value that a line of a file is: the attributes of a CloudEvent may
//! stand in the headers, and the value may be framed for a schema registry.

use std::borrow::Cow;

use super::decoded::{Admit, Decoded, Members};
use super::format::InputFormat;
use super::framing::{self, MAGIC};
use super::headers::Headers;
use super::input::Input;
use super::{Events, vendors};

impl Input {
    /// Whether records of this format are read with their headers. Those of all others are decoded without.
    pub fn reads_headers(&self) -> bool {
        self.format == InputFormat::Cloudevents
    }

    /// The events of a record of a topic. Events that it may not contain are malformed.
    #[inline]
    pub fn decode_record<'a>(&'a self, admit: Admit, value: &'a [u8], headers: Headers<'a>) -> Events<'a> {
        let is_plain = headers.is_empty() && value.first() != Some(&MAGIC);
        if is_plain || admit == Admit::Control {
            return self.decode(admit, value);
        }
        self.decode_wrapped(admit, value, headers)
    }

    #[inline(never)]
    fn decode_wrapped<'a>(&'a self, admit: Admit, value: &'a [u8], headers: Headers<'a>) -> Events<'a> {
        let made = framing::payload(value, self.format, self.schemas()).and_then(|payload| {
            let event = self.reads_headers().then(|| vendors::cloudevents::structured(headers, &payload)).flatten();
            Ok((event.transpose()?, payload))
        });
        let events: Vec<Decoded<'a>> = match made {
            Err(malformed) => vec![Decoded::malformed(value, malformed)],
            Ok((Some(json), _)) => self.decode_made(admit, json.as_bytes(), value),
            Ok((None, Cow::Owned(json))) => self.decode_made(admit, &json, value),
            Ok((None, Cow::Borrowed(payload))) if payload.len() == value.len() => return self.decode(admit, value),
            Ok((None, Cow::Borrowed(payload))) => {
                // A dead letter of the whole record has its framing, too.
                let whole =
                    |it: Decoded<'a>| if std::ptr::eq(it.raw, payload) { Decoded { raw: value, ..it } } else { it };
                self.decode(admit, payload).map(whole).collect()
            }
        };
        Events { admit, record: None, rest: Members::Listed(events.into_iter()) }
    }

    /// The events of a JSON text that was made of a record.
    fn decode_made<'a>(&self, admit: Admit, json: &[u8], value: &'a [u8]) -> Vec<Decoded<'a>> {
        let owned = |it: Decoded<'_>| Decoded {
            raw: value,
            event: it.event.map(vendors::owned),
            loose: it.loose,
            is_changed: true,
            is_screened: it.is_screened,
        };
        self.decode(admit, json).map(owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wire::{self, Schema, Schemas};

    /// The events of a record, in the JSON of a log, or the reasons why they are malformed. All name the whole record.
    fn read(input: &Input, headers: &[(&str, &str)], value: &[u8]) -> Vec<Result<String, String>> {
        let mut buffer = Vec::new();
        Headers::append(&mut buffer, headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        let events = input.decode_record(Admit::Product, value, Headers::of(&buffer));
        let told = |it: Decoded<'_>| {
            assert_eq!(it.raw, value);
            it.event.map(|event| wire::encode_json(&event)).map_err(|malformed| malformed.0)
        };
        events.map(told).collect()
    }

    #[test]
    fn a_cloud_event_has_one_meaning_in_both_modes() {
        let input = Input::new(InputFormat::Cloudevents, &[], &[]);
        let structured =
            br#"{"specversion":"1.0","id":"c-1","source":"/b","type":"contact","time":"2026-10-06T10:01:00Z",
            "accountid":"n\u00f6rd","datacontenttype":"application/json","data":{"userId":"u-1"}}"#;
        let expected = read(&input, &[("content-type", "application/cloudevents+json; charset=UTF-8")], structured);
        assert!(expected[0].as_ref().is_ok_and(|event| event.contains("n\u{f6}rd")), "{expected:?}");
        assert_eq!(read(&input, &[], structured), expected);
        assert_eq!(read(&input, &[("content-type", "application/json")], structured), expected);
        let required = [
            ("ce_specversion", "1.0"),
            ("ce_id", "c-1"),
            ("ce_source", "/b"),
            ("ce_type", "contact"),
            ("ce_time", "2026-10-06T10:01:00Z"),
            ("ce_accountid", "n\u{f6}rd"),
        ];
        let with = |more: (&'static str, &'static str)| [&required[..], &[more]].concat();
        let data = br#" {"userId":"u-1"} "#;
        for content_type in ["application/json; charset=utf-8", "text/json", "application/acme+json"] {
            assert_eq!(read(&input, &with(("Content-Type", content_type)), data), expected);
        }
        assert_eq!(read(&input, &required, data), expected);
        let framed = [&b"\0\0\0\0\x07"[..], data].concat();
        assert_eq!(read(&input, &required, &framed), expected, "with JSON Schema");
        // Without data, an event of an account.
        assert!(read(&input, &required, b"")[0].as_ref().is_ok_and(|event| event.contains("contact")));
        // A header cannot stand for the data.
        assert_eq!(read(&input, &with(("ce_data", r#"{"userId":"u-2"}"#)), b""), read(&input, &required, b""));

        for (headers, value, part) in [
            (with(("content-type", "application/xml")), &data[..], "content-type application/xml is not read"),
            (with(("content-type", "application/cloudevents+avro")), data, "application/cloudevents+avro is not read"),
            (required.to_vec(), b"{", "its data is not JSON"),
            (required[1..].to_vec(), data, "it has no specversion"),
            ([&required[..3], &required[4..]].concat(), data, "it has no type"),
            (required[..5].to_vec(), data, "no account"),
            (vec![("content-type", "application/cloudevents+json")], data, "it has no specversion"),
        ] {
            let found = read(&input, &headers, value);
            assert!(found.len() == 1 && found[0].as_ref().is_err_and(|it| it.contains(part)), "{part}: {found:?}");
        }
        let mut buffer = Vec::new();
        Headers::append(&mut buffer, [("ce_id", &b"\xff"[..])].into_iter());
        let found = input.decode_record(Admit::Product, data, Headers::of(&buffer)).next().unwrap().event;
        assert!(found.is_err_and(|it| it.0.contains("ce_id is not UTF-8")));
    }

    #[test]
    fn framed_records_are_read_in_every_format() {
        let json = br#"{"type":"track","event":"x","messageId":"1","context":{"groupId":"a"},"timestamp":0}"#;
        let segment = Input::new(InputFormat::Segment, &[], &[]);
        let expected = read(&segment, &[], json);
        let framed = [&b"\0\0\0\0\x07"[..], json].concat();
        assert_eq!(read(&segment, &[], &framed), expected);
        assert_eq!(read(&Input::new(InputFormat::Json, &[], &[]), &[], &framed), expected);
        let protobuf = Input::new(InputFormat::Protobuf, &[], &[]);
        let event = wire::encode(&segment.decode(Admit::Product, json).next().unwrap().event.unwrap());
        assert_eq!(read(&protobuf, &[], &[&b"\0\0\0\0\x07\0"[..], &event].concat()), expected);
        // An event that is packed with others names its own bytes.
        let packed = [&b"\0\0\0\0\x07\0"[..], &wire::pack(vec![event.clone(), event.clone()])].concat();
        let raws = protobuf.decode_record(Admit::Product, &packed, Headers::NONE).map(|it| it.raw.to_vec());
        assert_eq!(raws.collect::<Vec<_>>(), [&event[..], &event[..]]);
        // A dead letter has the framing.
        let found = read(&segment, &[], b"\0\0\0\0\x07{\"type\":\"sing\"}");
        assert!(found[0].as_ref().is_err_and(|it| it.contains("unknown type")), "{found:?}");
        let schemas = Arc::new(Schemas::default());
        schemas.insert(7, Schema::Unusable("unknown schema 7".into()));
        assert_eq!(read(&segment.with_schemas(Some(schemas)), &[], &framed), [Err("unknown schema 7".to_owned())]);
        // Control records are Upswell's own.
        let tick = wire::encode_tick(wire::Format::Json, crate::model::EventTime(0));
        let cloudevents = Input::new(InputFormat::Cloudevents, &[], &[]);
        assert!(cloudevents.decode_record(Admit::Control, &tick, Headers::NONE).all(|it| it.event.is_ok()));
    }
}
