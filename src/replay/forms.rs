//! Recognises files and events in formats that Upswell does not read, such as exports of other tools, for an error
//! message that says what to do.

use serde_json::Value;

/// How many bytes at the beginning of a file are inspected.
pub(super) const HEAD: usize = 512;

/// The format that is read, for messages about other formats.
const READ: &str = "Upswell reads events of the Segment spec as JSON, one per line, with the account in \
                    context.groupId (docs/events.md has an example): convert the file first";

/// If a file is not NDJSON by its first (decompressed) bytes: what it is and what to do, as the predicate of a sentence
/// that begins with its name. None if it may be NDJSON.
pub(super) fn of_file(head: &[u8]) -> Option<String> {
    let has_mark = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    if has_mark && head.contains(&0) || is_utf16_without_mark(head) {
        return Some(
            "is UTF-16, as Windows shells write it: convert it to UTF-8, as in `iconv -f UTF-16 -t UTF-8`, or in \
             PowerShell with `-Encoding utf8`"
                .to_owned(),
        );
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Some(zip(head));
    }
    let other = [
        (&b"PAR1"[..], "Parquet"),
        (b"Obj\x01", "Avro"),
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
    let is_whole = line.ends_with(b"\n") || head.len() < HEAD;
    let line = line.trim_ascii();
    match *line.first()? {
        b'{' | b'[' if is_whole && matches!(line.last(), Some(b'{' | b'[' | b',')) => Some(
            "is JSON over several lines, expected one event per line: convert it with `jq -c .`, or with `jq -c '.[]'` \
             if it is a list"
                .to_owned(),
        ),
        // No JSON value begins with a letter and holds a separator.
        b'a'..=b'z' | b'A'..=b'Z' | b'"' if line.iter().any(|byte| b",;\t".contains(byte)) && !line.contains(&b'{') => {
            Some(CSV.to_owned())
        }
        b'<' => Some(format!("is XML or HTML: {READ}")),
        _ => None,
    }
}

/// The message about a table.
pub(super) const CSV: &str = "is csv or another table, expected one JSON event per line: convert the file first";

/// Whether every other byte is zero, as in English text in UTF-16.
fn is_utf16_without_mark(head: &[u8]) -> bool {
    let pairs = head.get(..8).unwrap_or_default().as_chunks::<2>().0;
    let zeros = |which: usize| pairs.iter().all(|pair| pair[which] == 0 && pair[1 - which] != 0);
    !pairs.is_empty() && (zeros(0) || zeros(1))
}

/// The message about an archive, which depends on the name of its first file.
fn zip(head: &[u8]) -> String {
    let length = head.get(26..28).map_or(0, |length| usize::from(u16::from_le_bytes([length[0], length[1]])));
    let name = head.get(30..30 + length).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
    // The Export API of Amplitude names files project_date_hour#part.json.gz, in a folder of the project.
    if name.ends_with(".json.gz") && name.contains('#') {
        return format!("is a zip archive, probably an Amplitude export: {READ}");
    }
    "is a zip archive: unpack it and pass the files in it, with one JSON event per line".to_owned()
}

/// The form of an event that cannot be read, if it is recognised.
pub(super) fn of_event(raw: &[u8]) -> Option<Form> {
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
    if event["object"] == "event" && has("/data/object") || event["object"] == "list" && event["data"].is_array() {
        return Some(Form::Export("Stripe events"));
    }
    let known = [
        (
            has("/event_type")
                && any(&["/amplitude_id", "/$insert_id", "/insert_id", "/device_id", "/user_id", "/event_properties"]),
            "an Amplitude export",
        ),
        (has("/distinct_id") && any(&["/event", "/uuid"]), "a PostHog export"),
        (has("/event") && any(&["/properties/distinct_id", "/properties/$distinct_id"]), "a Mixpanel export"),
        (has("/event_name") && any(&["/event_timestamp", "/event_params", "/user_pseudo_id"]), "a GA4 export"),
        (has("/collector_tstamp"), "Snowplow events"),
        (has("/specversion") && has("/source"), "CloudEvents"),
        (has("/_source") && any(&["/_index", "/_id"]), "an Elasticsearch dump"),
        (has("/topic") && has("/partition") && has("/offset"), "a dump of Kafka records"),
        (
            has("/received_at") && any(&["/event_text", "/context_library_name", "/original_timestamp"]),
            "a table of a Segment or RudderStack warehouse",
        ),
    ];
    if let Some((_, whose)) = known.into_iter().find(|(is, _)| *is) {
        return Some(Form::Export(whose));
    }
    let places = [
        "/groupId",
        "/context/group_id",
        "/context/traits/company/id",
        "/context/traits/companyId",
        "/context/traits/groupId",
        "/context/groups",
        "/properties/group_id",
        "/properties/groupId",
        "/properties/company_id",
        "/properties/account_id",
        "/properties/$groups",
        "/traits/company/id",
        "/group_id",
        "/account_id",
        "/accountId",
    ];
    let place = places.into_iter().find(|place| has(place)).filter(|_| has("/type") && !has("/context/groupId"))?;
    Some(Form::Elsewhere(place))
}

/// A form of events that Upswell does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The format of another tool, in words.
    Export(&'static str),
    /// The account is in another place, which is a JSON pointer.
    Elsewhere(&'static str),
}

impl Form {
    /// What it is and what to do, as the predicate of a sentence that begins with the name of the file.
    pub(super) fn words(self) -> String {
        match self {
            Form::Export(format) => format!("is probably {format}: {READ}"),
            Form::Elsewhere(place) => {
                let place = place.trim_start_matches('/').replace('/', ".");
                format!("probably has the account in {place}: {READ}")
            }
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
            (b"PK\x03\x04\x0a\0", Some("zip archive: unpack")),
            (b"PAR1", Some("Parquet")),
            (b"\n\n[\n  {", Some("several lines")),
            (b"{\"object\": \"list\",\n", Some("several lines")),
            (b"event;user\nx;1", Some("csv")),
            (b"\"event\",\"user\"\n", Some("csv")),
            (b"<?xml version", Some("XML")),
            (b"{\"type\":\"track\"}\n", None),
            (b"[{}]\n", None),
            (b"nonsense\n", None),
            (b"", None),
        ] {
            let message = of_file(head);
            match expected {
                Some(part) => assert!(message.as_ref().is_some_and(|message| message.contains(part)), "{message:?}"),
                None => assert_eq!(message, None),
            }
        }
        let name = b"4711/4711_2026-10-05_9#0.json.gz";
        let mut archive = b"PK\x03\x04".to_vec();
        archive.resize(26, 0);
        archive.extend([name.len() as u8, 0, 0, 0]);
        archive.extend(name);
        assert!(of_file(&archive).is_some_and(|message| message.contains("Amplitude")));
    }

    #[test]
    fn events_of_other_forms_are_named() {
        for (event, expected) in [
            (
                r#"{"uuid":"1","event":"$pageview","distinct_id":"u","properties":{},"timestamp":"?"}"#,
                "a PostHog export",
            ),
            (r#"{"$insert_id":"i","event_type":"Sign Up","user_id":"u","event_time":"?"}"#, "an Amplitude export"),
            (r#"{"event":"Sign Up","properties":{"time":1,"distinct_id":"u"}}"#, "a Mixpanel export"),
            (r#"{"event_name":"page_view","event_timestamp":"1","user_pseudo_id":"1.2"}"#, "a GA4 export"),
            (r#"{"object":"event","id":"evt_1","data":{"object":{}}}"#, "Stripe events"),
            (r#"{"object":"list","data":[]}"#, "Stripe events"),
            (r#"{"api_key":"k","events":[{"event_type":"Sign Up","user_id":"u"}]}"#, "an Amplitude export"),
            (r#"{"next":null,"results":[{"event":"x","distinct_id":"u"}]}"#, "a PostHog export"),
            (r#"{"type":"track","groupId":"acme"}"#, "account in groupId"),
            (r#"{"type":"track","context":{"traits":{"company":{"id":7}}}}"#, "account in context.traits.company.id"),
            (r#"{"type":"track","properties":{"$groups":{"company":"acme"}}}"#, "account in properties.$groups"),
        ] {
            let message = of_event(event.as_bytes()).map(Form::words);
            assert!(message.as_ref().is_some_and(|message| message.contains(expected)), "{event}: {message:?}");
        }
        for event in
            [r#"{"type":"track","context":{"groupId":"a"},"groupId":"b"}"#, "{}", "no", "7", r#"{"groupId":"a"}"#]
        {
            assert_eq!(of_event(event.as_bytes()), None, "{event}");
        }
    }
}
