//! Tests of topics in the formats of other tools: a log that is read as it is, CloudEvents in both modes, and records that
//! are framed for a schema registry.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use upswell::wire::{self, Format};

use super::ingest::read_log;
use super::*;
use crate::registry::SchemaRegistry;

/// A record of a log: its headers and its value, and if it cannot be used a part of the reason.
type Written<'a> = (&'a [(&'a str, &'a str)], Vec<u8>, Option<&'a str>);

/// `run` reads a log with these records. Each must be a handoff, or a dead letter with its bytes, its place, its headers if
/// the format reads them, and the reason.
fn run_on(broker: &Broker, more: &str, records: &[Written<'_>]) {
    let program = Program::with_topics(broker, more);
    let offsets: Vec<i64> = records
        .iter()
        .map(|(headers, value, _)| program.produce_with("log", 1, b"northwind", value, headers))
        .collect();
    let mut run = program.start(&["run"]);
    program.wait_until_done(&run);
    assert!(run.terminate().success(), "{}", run.said());
    let letters = program.read("dead-letter");
    let malformed: Vec<_> = records.iter().zip(offsets).filter_map(|(it, offset)| Some((it, offset, it.2?))).collect();
    assert_eq!(letters.len(), malformed.len(), "{:?}", program.published("dead-letter"));
    for ((headers, value, _), offset, reason) in malformed {
        let letters = letters.iter().map(|letter| letter.json("dead-letter"));
        let letter = letters.into_iter().find(|it| it["offset"].as_str().unwrap_or("0") == offset.to_string()).unwrap();
        assert!(letter["detail"].as_str().unwrap().contains(reason), "{reason}: {letter}");
        assert_eq!((&letter["topic"], &letter["partition"]), (&json!(program.topic("log")), &json!(1)), "{letter}");
        assert_eq!(bytes(&letter), *value, "{letter}");
        let kept = letter["headers"].as_array().map_or(0, Vec::len);
        assert_eq!(kept, if more.contains("cloudevents") { headers.len() } else { 0 }, "{letter}");
        if let Some((name, _)) = headers.first().filter(|_| kept > 0) {
            assert_eq!(letter["headers"][0]["name"], json!(name));
        }
    }
    let handoffs: Vec<Value> = program.published("handoff.high").iter().map(|line| line.parse().unwrap()).collect();
    let [handoff] = &handoffs[..] else { panic!("{handoffs:?}: {}", run.said()) };
    assert_eq!((&handoff["trigger"], &handoff["account"]), (&json!("contact-sales"), &json!("northwind")));
    program.assert_published_is_replayed();
}

#[test]
fn a_log_in_the_format_of_another_tool_is_processed() {
    let Some(broker) = Broker::shared() else { return };
    let call = |id: &str, name: &str, account: &str| {
        let event = format!(
            r#"{{"type":"track","event":"{name}","messageId":"{id}","userId":"ann","timestamp":"2026-03-02T10:00:00Z",
                "properties":{{"company_id":"{account}"}}}}"#
        );
        event.into_bytes()
    };
    let framed = |value: &[u8]| [b"\0\0\0\0\x07", value].concat();
    run_on(
        &broker,
        "input: {format: segment}",
        &[
            (&[], call("1", "Feature Used", "northwind"), None),
            (&[], framed(&call("2", "Contact Sales", "northwind")), None),
            // Only CloudEvents have headers that mean something.
            (
                &[("ce_id", "1")],
                call("3", "Feature Used", ""),
                Some("no account: it was looked for in context.groupId"),
            ),
            (&[], b"not JSON \xff".to_vec(), Some("not a JSON event")),
            (&[], framed(b"\x02\x04"), Some("set schema_registry.url")),
        ],
    );

    let attributes = |id: &'static str, kind: &'static str| {
        [
            ("ce_specversion", "1.0"),
            ("ce_id", id),
            ("ce_source", "/web"),
            ("ce_type", kind),
            ("ce_time", "2026-03-02T10:00:00Z"),
            ("content-type", "application/json"),
        ]
    };
    let data = br#"{"companyId":"northwind","userId":"ann"}"#.to_vec();
    let structured =
        br#"{"specversion":"1.0","id":"3","source":"/web","type":"feature.used","time":"2026-03-02T10:00:01Z",
        "data":{"companyId":"northwind","userId":"ann"}}"#;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rules.yaml");
    let default = RULES.replace("Contact Sales", "contact.sales");
    assert_ne!(default, RULES);
    fs::write(&path, default).unwrap();
    run_on(
        &broker,
        &format!("input: {{format: cloudevents}}\nrules: {{file: '{}'}}", path.display()),
        &[
            (&attributes("1", "feature.used"), data.clone(), None),
            (&attributes("2", "contact.sales"), data.clone(), None),
            (&[("content-type", "application/cloudevents+json")], structured.to_vec(), None),
            (&attributes("4", "feature.used"), br#"{"userId":"ann"}"#.to_vec(), Some("no account")),
            (&attributes("5", "feature.used")[1..], data.clone(), Some("it has no specversion")),
            (&attributes("6", "feature.used"), b"<data/>".to_vec(), Some("its data is not JSON")),
            (&[("content-type", "application/cloudevents+avro")], data, Some("cloudevents+avro is not read")),
        ],
    );
}

/// A schema registry with the documented API, of which a test sees what it is asked. For a while it does not answer.
struct Registry {
    url: String,
    /// The paths that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

const PROTOBUF: &str =
    "syntax = \"proto3\"; package upswell.v1; message Other {} message ProductEvent { string x = 1; }";
const COMPANY: &str =
    r#"{"type":"record","name":"Company","namespace":"acme","fields":[{"name":"groupId","type":"string"}]}"#;
const AVRO: &str = r#"{"type":"record","name":"Call","namespace":"acme","fields":[
    {"name":"type","type":{"type":"enum","name":"Kind","symbols":["page","track"]}},
    {"name":"event","type":["null","string"]},
    {"name":"messageId","type":"string"},
    {"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"context","type":"Company"}]}"#;

impl Registry {
    fn start(refusals: usize) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/registry/", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                // upswell:secret. All lines are read.
                let is_known = lines
                    .take_while(|line| !line.is_empty())
                    .filter(|line| line.eq_ignore_ascii_case("authorization: Basic dXBzd2VsbDpzZWNyZXQ="))
                    .count()
                    > 0;
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let number = {
                    let mut asked = all.lock().unwrap();
                    asked.push(path.clone());
                    asked.len()
                };
                let (status, body) = match &*path {
                    _ if number <= refusals => ("503 Away", json!({})),
                    _ if !is_known => ("401 Unauthorized", json!({"error_code": 401})),
                    "/registry/schemas/ids/1" => ("200 OK", json!({"schemaType": "PROTOBUF", "schema": PROTOBUF})),
                    "/registry/schemas/ids/2" => ("200 OK", json!({"schemaType": "JSON", "schema": "{}"})),
                    "/registry/schemas/ids/3" => {
                        let references = json!([{"name": "acme.Company", "subject": "a b/c", "version": 4}]);
                        ("200 OK", json!({"schema": AVRO, "references": references}))
                    }
                    "/registry/subjects/a%20b%2Fc/versions/4" => {
                        ("200 OK", json!({"subject": "a b/c", "id": 9, "version": 4, "schema": COMPANY}))
                    }
                    _ => ("404 Not Found", json!({"error_code": 40_403, "message": "Schema not found"})),
                };
                let body = body.to_string();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                drop(stream.write_all((head + &body).as_bytes()));
            }
        });
        Registry { url, asked }
    }
}

#[test]
fn framed_records_are_read_with_the_schemas_of_a_registry() {
    let Some(broker) = Broker::shared() else { return };
    let registry = Registry::start(2);
    let more = format!("schema_registry: {{url: '{}', username: upswell, password: secret}}", registry.url);
    let program = Program::with_topics(&broker, &more);
    ["events", "avro"].iter().for_each(|topic| program.create(topic, &[]));
    let json = |id: &str| track(id, "Feature Used", "acme", "2026-03-02T10:00:00Z");
    let event = |id: &str| {
        let json = json(id);
        let event = wire::decode(Format::Json, json.as_bytes()).next().unwrap().event.unwrap();
        wire::encode(&event)
    };
    let framed = |id: u32, rest: &[&[u8]]| [&[0], &id.to_be_bytes()[..], &rest.concat()].concat();
    let records = [
        (event("e1"), None),
        (framed(1, &[b"\x02\x02", &event("e2")]), None),
        (framed(1, &[b"\0", &event("e3")]), Some("its message is upswell.v1.Other of schema 1")),
        (framed(1, &[b"\x02\x02", &event("e4")]), None),
        (framed(2, &[json("e5").as_bytes()]), Some("its schema 2 is JSON Schema, but the topic is read as protobuf")),
        (framed(70_000, &[b"\0", &event("e6")]), Some("the schema registry knows no schema 70000")),
        (framed(70_000, &[b"\0", &event("e7")]), Some("the schema registry knows no schema 70000")),
    ];
    for (value, _) in &records {
        program.produce("events", 0, b"", value);
    }
    let [events, avro] = ["events", "avro"].map(|topic| program.topic(topic));
    let mut run = program.start(&["ingest", &format!("{events}=protobuf"), &format!("{avro}=segment")]);
    wait_for("three events in the log", || (read_log(&program).len() == 3).then_some(()));
    let reasons: Vec<_> =
        records.iter().zip(0..).filter_map(|((_, reason), offset)| Some((offset, (*reason)?))).collect();
    let letters = wait_for("the dead letters", || {
        let letters: Vec<Value> = program.published("dead-letter").iter().map(|line| line.parse().unwrap()).collect();
        (letters.len() == reasons.len()).then_some(letters)
    });
    for (offset, reason) in reasons {
        let letter = letters.iter().find(|it| it["offset"] == json!(offset.to_string())).unwrap();
        assert!(letter["detail"].as_str().unwrap().starts_with(reason), "{letter}");
        assert_eq!(bytes(letter), records[usize::try_from(offset).unwrap()].0);
    }
    let asked = std::mem::take(&mut *registry.asked.lock().unwrap());
    let expected = ["1", "1", "1", "2", "70000"].map(|id| format!("/registry/schemas/ids/{id}"));
    assert_eq!(asked, expected, "each is looked up once, after two refusals");
    assert!(run.said().contains("the schema registry does not answer"), "{}", run.said());

    // An enum, a union, a text, a time, and a record of another schema with a text.
    let record = b"\x02\x02\x18Feature Used\x04a1\x80\xa4\xec\xdf\x95\x67\x08acme";
    program.produce("avro", 0, b"", &framed(3, &[record]));
    if cfg!(feature = "avro") {
        let found = wait_for("the event in Avro", || Some(read_log(&program)).filter(|log| log.len() == 4));
        assert_eq!(found["a1"].len(), 1);
        program.produce("avro", 0, b"", &framed(3, &[&record[..9]]));
        wait_for("its dead letter", || (program.read("dead-letter").len() == letters.len() + 1).then_some(()));
        assert!(run.terminate().success(), "{}", run.said());
    } else {
        let status = wait_for("the end", || run.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(1));
        assert!(run.said().contains("which is Avro: this program does not read Avro"), "{}", run.said());
    }
}

/// Schemas, ids and references as a registry has them that others wrote; a while it is halted.
#[test]
fn framed_records_are_read_with_a_real_registry() {
    let Some(broker) = Broker::shared() else { return };
    let Some(registry) = SchemaRegistry::start() else { return };
    registry.register("companies%20of%2Fall", "AVRO", COMPANY, &[]);
    let avro = registry.register("calls-value", "AVRO", AVRO, &[("acme.Company", "companies of/all")]);
    let other = registry.register("other-value", "PROTOBUF", PROTOBUF, &[]);
    let own = registry.register("events-value", "PROTOBUF", include_str!("../../../proto/upswell/v1/event.proto"), &[]);
    let json = registry.register("json-value", "JSON", r#"{"type":"object","properties":{"type":{}}}"#, &[]);
    let program = Program::with_topics(&broker, &format!("schema_registry: {{url: '{}'}}", registry.url));
    ["events", "calls"].iter().for_each(|topic| program.create(topic, &[]));
    let call = |id: &str| track(id, "Feature Used", "acme", "2026-03-02T10:00:00Z");
    let event = |id: &str| {
        let call = call(id);
        wire::encode(&wire::decode(Format::Json, call.as_bytes()).next().unwrap().event.unwrap())
    };
    let framed = |id: u32, rest: &[&[u8]]| [&[0], &id.to_be_bytes()[..], &rest.concat()].concat();
    registry.signal("-STOP");
    let mut sent = BTreeSet::from(["p1", "p2", "s1", "s2"]);
    program.produce("events", 0, b"", &framed(own, &[b"\0", &event("p1")]));
    program.produce("events", 1, b"", &framed(other, &[b"\x02\x02", &event("p2")]));
    program.produce("events", 1, b"", &framed(other, &[b"\0", &event("p3")]));
    program.produce("calls", 0, b"", call("s1").as_bytes());
    program.produce("calls", 0, b"", &framed(json, &[call("s2").as_bytes()]));
    if cfg!(feature = "avro") {
        let record = b"\x02\x02\x18Feature Used\x04a1\x80\xa4\xec\xdf\x95\x67\x08acme";
        program.produce("calls", 1, b"", &framed(avro, &[record]));
        sent.insert("a1");
    }
    let [events, calls] = ["events", "calls"].map(|topic| program.topic(topic));
    let mut run = program.start(&["ingest", &format!("{events}=protobuf"), &format!("{calls}=segment")]);
    wait_for("the registry is missed", || run.said().contains("the schema registry does not answer").then_some(()));
    registry.signal("-CONT");
    let log = wait_for("the events in the log", || Some(read_log(&program)).filter(|log| log.len() == sent.len()));
    assert_eq!(log.keys().map(String::as_str).collect::<BTreeSet<_>>(), sent);
    assert!(log.values().all(|found| found.len() == 1), "{log:?}");
    let letters = wait_for("the dead letter", || Some(program.published("dead-letter")).filter(|it| it.len() == 1));
    assert!(letters[0].contains(&format!("its message is upswell.v1.Other of schema {other}")), "{letters:?}");
    assert!(run.terminate().success(), "{}", run.said());
}
