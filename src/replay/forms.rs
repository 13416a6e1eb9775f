//! Recognises files and events that are not in the format in which they are read, for an error message that says what to
//! do.

use serde_json::Value;

use crate::wire::{self, InputFormat};

/// The format that is read, for messages about other formats.
const READ: &str = "Upswell does not read this format (docs/input.md has those that it reads): convert the file first";

/// If a file is no text with events of this format by its first (decompressed) bytes: what it is and what to do, as the
/// predicate of a sentence that begins with its name. None if it may be one.
pub(super) fn of_file(head: &[u8], format: InputFormat) -> Option<String> {
    let has_mark = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    if has_mark && head.contains(&0) || is_utf16_without_mark(head) {
        return Some(
            "is UTF-16, as Windows shells write it: convert it to UTF-8, as in `iconv -f UTF-16 -t UTF-8`, or in \
             PowerShell with `-Encoding utf8`"
                .to_owned(),
        );
    }
    let other = [
        (&b"Obj\x01"[..], "Avro"),
        (b"ORC", "ORC"),
        (b"SQLite format 3", "an SQLite database"),
        (b"BZh", "compressed with bzip2"),
        (b"\xfd7zXZ", "compressed with xz"),
    ];
    if let Some((_, what)) = other.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(format!("is {what}: {READ}"));
    }
    let head_of_text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let line = head_of_text.split_inclusive(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    let line = line.trim_ascii();
    match *line.first()? {
        _ if format == InputFormat::Snowplow => None,
        // No JSON value begins with a letter and holds a separator.
        b'a'..=b'z' | b'A'..=b'Z' | b'"' if is_row(line) => Some(CSV.to_owned()),
        b'<' => Some(format!("is XML or HTML: {READ}")),
        _ => None,
    }
}

/// The message about a table.
pub(super) const CSV: &str = "is csv or another table, expected one JSON event per line: convert the file first";

/// Whether a line that is no JSON is a row of a table. One with several tabs may have JSON in its columns.
fn is_row(line: &[u8]) -> bool {
    let has = |separators: &[u8]| line.iter().any(|byte| separators.contains(byte));
    has(b",;\t") && !has(b"{") || line.iter().filter(|byte| **byte == b'\t').count() > 2
}

/// Whether every other byte is zero, as in English text in UTF-16.
fn is_utf16_without_mark(head: &[u8]) -> bool {
    let pairs = head.get(..8).unwrap_or_default().as_chunks::<2>().0;
    let zeros = |which: usize| pairs.iter().all(|pair| pair[which] == 0 && pair[1 - which] != 0);
    !pairs.is_empty() && (zeros(0) || zeros(1))
}

/// The format of a record if it is certainly another than the one in which the record is read.
pub(super) fn of_record(raw: &[u8], format: InputFormat) -> Option<InputFormat> {
    wire::recognise([raw]).filter(|known| is_other(*known, format))
}

fn is_other(known: InputFormat, format: InputFormat) -> bool {
    known.of_log() != format.of_log() || known.of_log().is_none() && known != format
}

/// The form of an event that cannot be read in the format in which it was read, if it is recognised.
pub(super) fn of_event(raw: &[u8], format: InputFormat) -> Option<Form> {
    if let Some(known) = wire::recognise([raw]) {
        return is_other(known, format).then_some(Form::Known(known));
    }
    let whole: Value = serde_json::from_slice(raw).ok()?;
    form(&whole).or_else(|| {
        // Requests and responses of APIs contain their events in a list.
        let lists = ["events", "data", "messages", "records", "results"];
        lists.into_iter().find_map(|list| form(whole[list].as_array()?.first()?))
    })
}

fn form(event: &Value) -> Option<Form> {
    let has = |path: &str| event.pointer(path).is_some_and(|value| !value.is_null());
    let any = |paths: &[&str]| paths.iter().any(|path| has(path));
    let known = [
        (has("/event_name") && any(&["/event_timestamp", "/event_params", "/user_pseudo_id"]), "a GA4 export"),
        (has("/_source") && any(&["/_index", "/_id"]), "an Elasticsearch dump"),
        (has("/topic") && has("/partition") && has("/offset"), "a dump of Kafka records"),
        (
            has("/received_at") && any(&["/event_text", "/context_library_name", "/original_timestamp"]),
            "a table of a Segment or RudderStack warehouse",
        ),
    ];
    known.into_iter().find(|(is, _)| *is).map(|(_, whose)| Form::Export(whose))
}

/// A form of events other than the one in which they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A format that is read when it is named.
    Known(InputFormat),
    /// The format of another tool, in words.
    Export(&'static str),
}

impl Form {
    /// What it is and what to do, as the predicate of a sentence that begins with the name of the file.
    pub(super) fn words(self) -> String {
        match self {
            Form::Known(format) => format!("has events in the format {0}: read it with --from {0}", format.name()),
            Form::Export(format) => format!("is probably {format}: {READ}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named() {
        for (head, expected) in [
            (&b"\xff\xfe{\0}\0"[..], Some("UTF-16")),
            (b"\xfe\xff\0{\0}", Some("UTF-16")),
            (b"{\0\"\0t\0y\0p\0", Some("UTF-16")),
            (b"Obj\x01", Some("Avro")),
            (b"\n\n[\n  {", None),
            (b"{\"object\": \"list\",\n", None),
            (b"event;user\nx;1", Some("csv")),
            (b"\"event\",\"user\"\n", Some("csv")),
            (b"web\tmob\tpage_view\t{\"a\":1}\n", Some("csv")),
            (b"INFO\t{\"a\":1}\n", None),
            (b"<?xml version", Some("XML")),
            (b"{\"type\":\"track\"}\n", None),
            (b"[{}]\n", None),
            (b"nonsense\n", None),
            (b"", None),
        ] {
            let message = of_file(head, InputFormat::Segment);
            match expected {
                Some(part) => assert!(message.as_ref().is_some_and(|message| message.contains(part)), "{message:?}"),
                None => assert_eq!(message, None),
            }
        }
    }

    #[test]
    fn events_of_other_forms_are_named() {
        for (event, expected) in [
            (r#"{"uuid":"1","event":"$pageview","distinct_id":"u","properties":{},"timestamp":"?"}"#, "--from posthog"),
            (r#"{"$insert_id":"i","event_type":"Sign Up","user_id":"u","event_time":"?"}"#, "--from amplitude"),
            (r#"{"event":"Sign Up","properties":{"time":1,"distinct_id":"u"}}"#, "--from mixpanel"),
            (r#"{"event_name":"page_view","event_timestamp":"1","user_pseudo_id":"1.2"}"#, "a GA4 export"),
            (r#"{"object":"event","id":"evt_1","data":{"object":{}}}"#, "--from stripe"),
            (r#"{"object":"list","data":[{"object":"event","id":"evt_1","data":{"object":{}}}]}"#, "--from stripe"),
            (
                r#"{"api_key":"k","events":[{"event_type":"x","user_id":"u","event_properties":{}}]}"#,
                "--from amplitude",
            ),
            (r#"{"next":null,"results":[{"event":"x","distinct_id":"u","id":"i"}]}"#, "--from posthog"),
        ] {
            let message = of_event(event.as_bytes(), InputFormat::Segment).map(Form::words);
            assert!(message.as_ref().is_some_and(|message| message.contains(expected)), "{event}: {message:?}");
        }
        for event in
            [r#"{"type":"track","context":{"groupId":"a"},"groupId":"b"}"#, "{}", "no", "7", r#"{"groupId":"a"}"#]
        {
            assert_eq!(of_event(event.as_bytes(), InputFormat::Segment), None, "{event}");
        }
    }
}
