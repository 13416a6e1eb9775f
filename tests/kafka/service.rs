//! Tests of the commands that need Kafka: `topics`, `send`, `run`, `tail`, `rules activate` and `replay --topic`.
//!
//! The messages are read by a plain librdkafka consumer and decoded from `proto/` by reflection.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use prost_reflect::{DescriptorPool, DynamicMessage};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broker::{Broker, unique};

mod backfill;
mod bench;
mod formats;
mod ingest;
mod refusals;
mod reshard;
mod snapshots;
mod stopping;

const PARTITIONS: i32 = 2;
const RULES: &str = include_str!("../../src/rules/default.yaml");
/// How long a request to the broker may take.
const QUESTION: Duration = Duration::from_secs(10);
/// After this a test that waits for something has failed.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn topics_creates_missing_topics_and_reports_differences() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::new(&broker, "");
    let first = program.run(&["topics"]).ok();
    assert_eq!(first.out.matches("created").count(), 10, "{first:?}");
    let again = program.run(&["topics"]).ok();
    assert_eq!(again.out.matches("unchanged").count(), 10, "{again:?}");
    let more = program.run(&["topics", "--partitions", "3"]).ok();
    assert_eq!(
        more.out.matches("partitions is 2").count(),
        10,
        "another number of partitions is reported, not created: {more:?}"
    );

    let other = Program::new(&broker, "");
    other.create("signals", &[("retention.ms", "1000")]);
    let told = other.run(&["topics"]).ok();
    assert!(told.out.contains("retention.ms is 1000"), "{told:?}");
    let other = Program::new(&broker, "");
    other.create("log", &[]);
    other.run(&["topics"]).fails(1, &["the log"]);
    let told = other.run(&["topics"]).out;
    for setting in ["message.timestamp.type is CreateTime", "retention.ms is 604800000"] {
        assert!(told.contains(setting), "{told}");
    }
}

/// What is off needs no topic, and changes nothing else.
#[test]
fn outputs_that_are_off_are_not_published() {
    let Some(broker) = Broker::shared() else { return };
    let off = "outputs: {signals: false, onboarding: false, accounts: false, users: false, metrics: true}";
    let [all, few] = ["", off].map(|outputs| {
        let program = Program::new(&broker, outputs);
        let topics = program.run(&["topics"]).ok().out;
        let named = |topic: &str| topics.contains(&format!("{} ", program.topic(topic)));
        let optional = ["signals", "onboarding", "accounts", "users", "metrics"].map(named);
        assert_eq!(
            optional,
            if outputs.is_empty() { [true, true, true, true, false] } else { [false, false, false, false, true] }
        );
        let events = (1..=9).flat_map(|day| {
            let at = format!("2026-03-0{day}T10:00:00Z");
            let raised = track(&format!("c{day}"), "Contact Sales", &format!("account-{day}"), &at);
            [track(&format!("f{day}"), "Feature Used", "acme", &at), raised]
        });
        program.write("events.ndjson", events.collect::<Vec<_>>().join("\n"));
        program.run(&["send", "events.ndjson"]).ok();
        let mut run = program.start(&["run"]);
        program.wait_until_done(&run);
        assert!(run.terminate().success(), "{}", run.said());
        program
    });
    let handoffs = |program: &Program| program.published("handoff.high");
    assert_eq!((handoffs(&few).len(), handoffs(&few)), (9, handoffs(&all)));
    few.replay();
    assert!(!few.lines("metrics").is_empty());
    assert_eq!(few.metrics(), few.replayed("metrics"));
    // Profiles that were off and are turned on are published, all of them.
    let config = fs::read_to_string(few.path("upswell.yaml")).unwrap();
    few.write("upswell.yaml", config.replace(off, ""));
    few.limit_transactions(3);
    few.run(&["topics"]).ok();
    let events = [0, 1].map(|partition| {
        let is_there = |account: &String| upswell::kafka::partition_of(account.as_bytes(), PARTITIONS) == partition;
        let account = (0..).map(|number| format!("new-{number}")).find(is_there).unwrap();
        track(&account, "Feature Used", &account, "2026-03-09T11:00:00Z")
    });
    few.write("events.ndjson", events.join("\n"));
    few.run(&["send", "events.ndjson"]).ok();
    few.work(&[]);
    few.replay();
    // They are as of the instant at which they are published again, so that only the keys are those of a replay.
    let key = |profile: &Value| (profile["account"].to_string(), profile["user"].to_string());
    for topic in ["accounts", "users"] {
        let published: BTreeSet<_> = few.last_of_each_key(topic).values().map(key).collect();
        let replayed: BTreeSet<_> = few.replayed(topic).iter().map(|line| key(&line.parse().unwrap())).collect();
        assert_eq!(published, replayed, "{topic}");
    }
    assert_eq!(few.last_of_each_key("accounts").len(), 12);
    // Lost offsets are noticed by whatever was published.
    few.write("upswell.yaml", config);
    few.forget_offsets();
    few.is_refused(&[], &["no committed offset", "--from-the-beginning"]);
}

#[test]
fn topics_reports_message_sizes_that_are_too_small() {
    let Some(broker) = Broker::shared() else { return };
    let small = Program::new(&broker, "");
    small.create("signals", &[("max.message.bytes", "100000")]);
    small.run(&["topics"]).fails(1, &["larger than its topic"]);
    let told = small.run(&["topics"]).out;
    assert_eq!(told.matches("max.message.bytes is 100000, should be at least 278528").count(), 1, "{told}");

    // Kafka's default holds every dead letter, but not in JSON.
    for (more, code) in [("", 0), ("outputs: {format: json}", 1)] {
        let program = Program::new(&broker, more);
        program.create("dead-letter", &[("max.message.bytes", "1048588")]);
        let told = program.run(&["topics"]);
        assert_eq!(told.status.code(), Some(code), "{told:?}");
        assert_eq!(
            told.out.contains("max.message.bytes is 1048588, should be at least 1245184"),
            code == 1,
            "{told:?}"
        );
    }

    let program = Program::new(&broker, "");
    let config = fs::read_to_string(program.path("upswell.yaml")).unwrap();
    program.write("upswell.yaml", config.replace("kafka: {", "kafka: {properties: {message.max.bytes: '100000'}, "));
    program.run(&["topics"]).fails(1, &["kafka.properties"]);
    let told = program.run(&["topics"]).out;
    assert!(told.contains("message.max.bytes of kafka.properties is 100000, should be at least 937984"), "{told}");
}

/// Semantics F22: in topics with the sizes that are Kafka's default.
#[test]
fn messages_fit_into_their_topics_whatever_the_log_contains() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::new(&broker, "input: {format: json}");
    for topic in ["log", "handoff.high", "signals", "accounts", "users", "dead-letter"] {
        program.create(topic, &[("message.timestamp.type", "LogAppendTime")]);
    }
    drop(program.run(&["topics"]));
    let huge = "x".repeat(440_000);
    let mut events = vec![
        track("m0", "Feature Used", "acme", "2026-03-02T10:00:00Z").replace("\"ann\"", &format!("\"{huge}\"")),
        track(&huge, "Feature Used", "acme", "2026-03-02T10:00:01Z"),
    ];
    for user in 0..6 {
        let traits = json!({"email": format!("{huge}{user}@acme.example"), "title": huge});
        let at = format!("2026-03-02T10:0{user}:00Z");
        let told = json!({"type": "identify", "userId": format!("u{user}"), "context": {"groupId": "acme"}, "timestamp": at,
            "messageId": format!("i{user}"), "traits": traits});
        let used = json!({"type": "track", "event": "Feature Used", "userId": format!("u{user}"), "context": {"groupId": "acme"},
            "timestamp": at, "messageId": format!("f{user}"), "properties": {"feature": format!("{huge}{user}")}});
        events.extend([told.to_string(), used.to_string()]);
    }
    events.push(track("m1", "Contact Sales", "acme", "2026-03-02T11:00:00Z"));
    program.write("events.ndjson", events.join("\n"));
    program.run(&["send", "events.ndjson"]).ok();
    let nonsense = vec![b'x'; 950_000];
    program.produce("log", 0, &nonsense[..2_000], &nonsense);
    let mut run = program.start(&["run"]);
    program.wait_until_done(&run);
    assert!(run.terminate().success(), "{}", run.said());

    let handoffs = program.read("handoff.high");
    assert_eq!(handoffs.len(), 1, "{}", run.said());
    let handoff = handoffs[0].json("handoff.high");
    assert_eq!((&handoff["trigger"], &handoff["userIds"]), (&json!("contact-sales"), &json!(["ann"])));
    let cut = json!("x".repeat(256) + "…");
    let known =
        handoff["topUsers"].as_array().unwrap().iter().filter(|user| user["title"] == cut && user["email"] == cut);
    assert!(known.count() >= 4, "{handoff}");
    assert_eq!(handoff["usage"]["features"][0]["feature"], cut);
    let letters = program.read("dead-letter");
    assert_eq!(letters.len(), 1);
    let letter = letters[0].json("dead-letter");
    assert_eq!(letters[0].key.as_ref().unwrap().len(), 1_024);
    assert_eq!((&letter["payloadSize"], bytes(&letter).len()), (&json!("950000"), 921_600));
    program.assert_published_is_replayed();
}

#[test]
fn run_refuses_missing_topics_create_time_and_compaction() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::new(&broker, "");
    program.run(&["run"]).fails(1, &[&program.topic("log"), "upswell topics"]);
    program.run(&["send", "nothing.ndjson"]).fails(1, &[&program.topic("log"), "upswell topics"]);
    program.run(&["tail"]).fails(1, &[&program.topic("handoff.high"), "upswell topics"]);
    program.run(&["replay", "--topic", &program.topic("log")]).fails(1, &[&program.topic("log")]);

    program.create("log", &[("message.timestamp.type", "CreateTime")]);
    drop(program.run(&["topics"]));
    program.run(&["run"]).fails(1, &["CreateTime", "LogAppendTime", "input.trust_create_time"]);
    let mut trusting = program.start_with(&["run"], &[("UPSWELL_INPUT__TRUST_CREATE_TIME", "true")]);
    trusting.until_ready();
    assert!(trusting.terminate().success());
    let program = Program::new(&broker, "");
    program.create("log", &[("message.timestamp.type", "LogAppendTime"), ("cleanup.policy", "compact,delete")]);
    drop(program.run(&["topics"]));
    program.is_refused(&[], &[&program.topic("log"), "is compacted", "Set cleanup.policy to delete"]);

    let program = Program::with_topics(&broker, "");
    let first = program.start(&["run"]);
    let address = first.address();
    let second = program.command(&["run"]).env("UPSWELL_HTTP__LISTEN", &address).output().unwrap();
    Ended::of(&second).fails(1, &[&address, "http.listen"]);
}

#[test]
fn a_json_log_is_processed_end_to_end() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "input: {format: json}");
    program.write(
        "events.ndjson",
        [
            track("m1", "Feature Used", "acme", "2026-03-02T10:00:00Z"),
            track("m2", "Contact Sales", "acme", "2026-03-02T11:00:00Z"),
            track("m3", "Enterprise Feature Requested", "globex", "2026-03-02T12:00:00Z"),
            track("m4", "Feature Used", "globex", "2046-03-02T12:00:00Z"),
            track("m5", "Feature Used", "globex", "1999-03-02T12:00:00Z"),
        ]
        .join("\r\n"),
    );
    program.run(&["send", "events.ndjson"]).ok();
    // From a producer that does not know Upswell.
    let foreign: [(&[u8], &[u8]); 3] =
        [(b"key", b"not JSON \xff"), (b"\x00\x01", b""), (b"acme", b"{\"type\":\"track\"}")];
    let offsets = foreign.map(|(key, payload)| program.produce("log", 1, key, payload));

    let mut run = program.start(&["run"]);
    program.wait_until_done(&run);
    assert!(run.terminate().success(), "{}", run.said());

    let letters = program.read("dead-letter");
    for ((key, payload), offset) in foreign.iter().zip(offsets.map(|offset| offset.to_string())) {
        let (record, letter) = letters
            .iter()
            .map(|record| (record, decode("DeadLetter", &record.payload)))
            .find(|(_, letter)| letter["offset"] == offset && letter["partition"] == 1)
            .unwrap_or_else(|| panic!("no dead letter for {payload:?}"));
        assert_eq!(record.key.as_deref(), Some(*key), "the key of its source");
        assert_eq!(bytes(&letter), *payload);
        assert_eq!(letter["reason"], "DEAD_LETTER_REASON_MALFORMED");
        assert_eq!(letter["topic"], program.topic("log"));
        assert!(!letter["detail"].as_str().unwrap().is_empty() && letter["recordTimeMs"].is_string(), "{letter}");
    }
    let reasons: Vec<String> = program.published("dead-letter");
    for (reason, id) in [("FROM_THE_FUTURE", "m4"), ("TOO_LATE", "m5")] {
        let letter: Value = reasons.iter().find(|letter| letter.contains(reason)).unwrap().parse().unwrap();
        let payload: Value = serde_json::from_slice(&bytes(&letter)).unwrap();
        assert_eq!(payload["messageId"], id, "the bytes are those that came");
    }
    assert_eq!(program.published("handoff.high").len(), 2);
    program.assert_published_is_replayed();
}

#[test]
fn every_message_has_headers() {
    let Some(broker) = Broker::shared() else { return };
    for format in ["protobuf", "json"] {
        let program = Program::with_topics(&broker, &format!("outputs: {{format: {format}}}"));
        let mut tail = program.start(&["tail", "--json"]);
        wait_for("tail to follow", || tail.said().contains("following").then_some(()));
        let events = [track("m1", "Contact Sales", "acme", "2026-03-02T10:00:00Z"), "no JSON".into()];
        program.write("events.ndjson", events.join("\n"));
        program.run(&["send", "events.ndjson"]).ok();
        let mut run = program.start(&["run"]);
        program.wait_until_done(&run);
        assert!(run.terminate().success(), "{}", run.said());

        let source = format!("/upswell/{}", program.topic("log"));
        let mut ids = BTreeSet::new();
        for topic in ["handoff.high", "signals", "accounts", "users", "dead-letter"] {
            let records = program.read(topic);
            assert!(!records.is_empty(), "nothing on {topic}");
            for record in records {
                let (headers, message) = (&record.headers, record.json(topic));
                let said = |name: &str| headers.get(name).map(String::as_str);
                assert_eq!(said("ce_specversion"), Some("1.0"));
                assert_eq!(said("ce_source"), Some(source.as_str()));
                assert_eq!(said("ce_type"), Some(format!("upswell.v1.{}", message_on(topic)).as_str()));
                assert_eq!(said("content-type"), Some(format!("application/{format}").as_str()));
                let is_frequent = ["signals", "accounts", "users"].contains(&topic);
                assert_eq!(said("ce_subject"), message["account"].as_str().filter(|_| !is_frequent));
                let at = ["atMs", "recordTimeMs"].iter().find_map(|name| message[*name].as_str());
                let at = at.filter(|_| !is_frequent);
                let at = at.map_or(0, |at| at.parse().unwrap());
                let time: Option<jiff::Timestamp> = said("ce_time").map(|time| time.parse().unwrap());
                assert_eq!(time.map_or(0, jiff::Timestamp::as_millisecond), at, "{headers:?}");
                let id = message["handoffId"].as_str();
                assert!(id.is_none_or(|id| said("ce_id") == Some(id)), "{headers:?}");
                assert_eq!(said("ce_traceparent"), message["traceparent"].as_str());
                assert!(ids.insert(said("ce_id").unwrap().to_owned()), "{headers:?} names two messages");
            }
        }
        let published = program.read("handoff.high")[0].json("handoff.high");
        assert_eq!(tail.line().parse::<Value>().unwrap(), published, "tail reads either");
        program.assert_published_is_replayed();
    }
}

#[test]
fn the_last_profile_of_a_key_is_the_current_state() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "rules: {file: rules.yaml}");
    program.write("rules.yaml", RULES);
    let work = || {
        program.run(&["send", "events.ndjson"]).ok();
        let mut run = program.start(&["run"]);
        program.wait_until_done(&run);
        assert!(run.terminate().success(), "{}", run.said());
    };
    // Before the third event ann is forgotten: it comes more than 400 days later.
    for (id, account, at) in
        [("m1", "acme", "2024-01-01"), ("m2", "globex", "2024-01-02"), ("m3", "acme", "2026-03-02")]
    {
        let event = track(id, "Feature Used", account, &format!("{at}T10:00:00Z")).replace("ann", id);
        program.write("events.ndjson", event);
        work();
    }
    let users = program.read("users");
    let erased = users.iter().find(|record| record.payload.is_empty()).expect("a tombstone");
    assert_eq!(erased.key.as_deref(), Some(&b"acme\0m1"[..]));
    assert!(program.last_of_each_key("users").contains_key(&b"acme\0m3"[..]));

    // With other rules profiles may differ, so all are published again.
    let of_acme = || program.read("accounts").iter().filter(|record| record.key.as_deref() == Some(b"acme")).count();
    let before = of_acme();
    let placed = |account: &str| upswell::kafka::partition_of(account.as_bytes(), PARTITIONS);
    let names = (0..).map(|number| format!("account-{number}"));
    let beside = names.into_iter().find(|name| placed(name) == placed("acme")).unwrap();
    for (id, text, more) in [("m4", RULES.to_owned(), 0), ("m5", format!("{RULES}\n# Changed.\n"), 1)] {
        program.write("rules.yaml", text);
        program.write("events.ndjson", track(id, "Feature Used", &beside, "2026-03-02T11:00:00Z"));
        work();
        assert_eq!(of_acme(), before + more, "{id}");
    }
    program.assert_published_is_replayed();
}

/// `/readyz`, and what it lists as missing.
fn readiness(run: &Running) -> (u16, Value) {
    let (status, body) = run.get("/readyz");
    (status, serde_json::from_str(&body).unwrap())
}

#[test]
fn a_process_is_ready_when_its_partitions_are_read_to_their_end() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let events = (0..2_000)
        .map(|user| track(&format!("m{user}"), "Feature Used", &format!("account-{user}"), "2026-03-02T10:00:00Z"));
    program.write("events.ndjson", events.collect::<Vec<_>>().join("\n"));
    program.run(&["send", "events.ndjson"]).ok();
    let mut first = program.start(&["run"]);
    let mut missing = BTreeSet::new();
    let ready = wait_for("readiness", || {
        let (status, body) = readiness(&first);
        let told = body["missing"].as_array().unwrap();
        assert_eq!(status == 200, told.is_empty(), "{body}");
        missing.extend(told.iter().map(|why| why.as_str().unwrap().to_owned()));
        (status == 200).then_some(body)
    });
    assert!(missing.iter().any(|why| why.contains("waits for the group to assign partitions")), "{missing:?}");
    let partitions = ready["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), PARTITIONS as usize, "ready with what the group assigned: {ready}");
    let ends = program.end_of_log();
    for (partition, end) in partitions.iter().zip(&ends) {
        assert!(partition["position"].as_i64().unwrap() >= *end && partition["caughtUp"] == true, "{ready}");
    }
    program.wait_until_done(&first);
    for metric in ["end", "stable_end", "position"] {
        wait_for("the ends of the log", || {
            let (_, metrics) = first.get("/metrics");
            let told =
                |partition| format!("upswell_partition_{metric}{{partition=\"{partition}\"}} {}", ends[partition]);
            [0, 1].iter().all(|partition| metrics.contains(&told(*partition))).then_some(())
        });
    }

    // One of three processes gets no partition. It becomes ready too, but not before the group is stable.
    let second = program.start(&["run"]);
    wait_for("the second process", || {
        let (status, body) = readiness(&second);
        (status == 200 && body["partitions"].as_array().unwrap().len() == 1).then_some(())
    });
    let third = program.start(&["run"]);
    let (began, mut left_over) = (Instant::now(), false);
    wait_for("the third process", || {
        let (status, body) = readiness(&third);
        left_over |= body.to_string().contains("no partition is assigned");
        (status == 200).then_some(())
    });
    assert!(left_over && began.elapsed() >= Duration::from_secs(10), "{}", third.said());
    assert!(first.terminate().success(), "{}", first.said());
}

#[test]
fn a_wait_behind_an_open_transaction_is_logged_once() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let mut run = program.start(&["run"]);
    run.until_ready();
    let mut client = program.client();
    client.set("transactional.id", unique("foreign")).set("transaction.timeout.ms", "120000");
    let foreign: BaseProducer = client.create().unwrap();
    foreign.init_transactions(LIMIT).unwrap();
    foreign.begin_transaction().unwrap();
    let topic = program.topic("log");
    foreign.send(BaseRecord::<(), _>::to(&topic).partition(0).payload("no JSON")).map_err(|(error, _)| error).unwrap();
    foreign.flush(QUESTION).unwrap();
    program.produce("log", 0, b"", b"behind it");
    let gauge = |name: &str| {
        let (_, metrics) = run.get("/metrics");
        let start = format!("upswell_partition_{name}{{partition=\"0\"}} ");
        let told = metrics.lines().find_map(|line| line.strip_prefix(&start)).map(|told| told.parse::<f64>().unwrap());
        told.unwrap_or(-1.0)
    };
    let lines = |words: &str| run.said().lines().filter(|line| line.contains(words)).count();
    wait_for("the line", || (lines("waiting behind an open transaction") > 0).then_some(()));
    assert_eq!([gauge("stable_end"), gauge("end"), gauge("lag_records")], [0.0, 2.0, 2.0]);
    assert!(gauge("lag_seconds") >= 5.0);
    assert_eq!(readiness(&run).1["partitions"][0]["waitsForTransaction"], true);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(lines("waiting behind an open transaction"), 1, "{}", run.said());
    foreign.commit_transaction(QUESTION).unwrap();
    wait_for("the end of it", || (lines("no longer waiting behind an open transaction") > 0).then_some(()));
    wait_for("no lag", || (gauge("lag_records") == 0.0 && gauge("lag_seconds") == 0.0).then_some(()));
    assert_eq!(gauge("stable_end"), gauge("end"));
    assert_eq!(lines("no longer waiting behind an open transaction"), 1, "{}", run.said());
    assert!(run.terminate().success(), "{}", run.said());
}

#[test]
fn rules_are_activated_without_a_restart() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let changed = RULES.replace(
        "\ntriggers:\n",
        "\ntriggers:\n  - { id: three-users, level: high, cooldown: 1d, when: active_users >= 3 }\n",
    );
    program.write("changed.yaml", &changed);
    program.write("broken.yaml", "name: broken\n");
    program.write("other-time.yaml", RULES.replace("allowed_lateness: 1h", "allowed_lateness: 2h"));
    program.run(&["rules", "activate", "broken.yaml"]).fails(2, &["broken.yaml"]);
    program.run(&["rules", "activate", "other-time.yaml"]).fails(2, &["`time` of the rules cannot change"]);
    let told = program.run(&["rules", "activate", "changed.yaml", "--dry-run"]).ok();
    assert!(told.out.contains("trigger three-users is new") && told.out.contains("nothing was written"), "{told:?}");
    assert_eq!(program.end_of_log(), [0, 0]);

    let mut run = program.start(&["run"]);
    run.until_ready();
    let send = |account: &str, users: &[&str], at: &str| {
        let event = |user: &&str| track(&format!("{account}-{user}-{at}"), "Feature Used", account, at);
        let events: Vec<String> =
            users.iter().map(|user| event(user).replace("\"ann\"", &format!("\"{user}\""))).collect();
        program.write("events.ndjson", events.join("\n"));
        program.run(&["send", "events.ndjson"]).ok();
    };
    send("before", &["u1", "u2", "u3"], "2026-03-02T10:00:00Z");
    send("after", &["u1", "u2"], "2026-03-02T10:00:00Z");
    let told = program.run(&["rules", "activate", "changed.yaml"]).ok();
    assert!(told.out.contains("was written to all 2 partitions"), "{told:?}");
    // The record names no preset, because it contains the mappings.
    let whole = upswell::rules::complete("changed.yaml", &changed).unwrap();
    assert!(changed.contains("\npresets: [segment]\n") && !whole.contains("presets"));
    let written = |record: &&Record| String::from_utf8_lossy(&record.payload).contains(&*whole);
    assert_eq!(program.read("log").iter().filter(written).count(), 2);
    let nonsense = upswell::wire::encode_activation(
        upswell::wire::Format::Protobuf,
        "nonsense",
        upswell::model::EventTime(1_772_445_600_000),
    );
    // Without the header of control records it is not one.
    program.produce("log", 0, b"", &nonsense);
    program.produce_with("log", 0, b"", &nonsense, upswell::kafka::CONTROL_HEADERS);
    send("before", &["u4"], "2026-03-02T11:00:00Z");
    send("after", &["u3"], "2026-03-02T11:00:00Z");
    program.wait_until_done(&run);
    assert!(run.said().contains("rules activated"), "{}", run.said());
    let version = upswell::rules::parse("changed.yaml", &changed).unwrap().version;
    wait_for("every partition to tell the rules that apply", || {
        let ready: Value = serde_json::from_str(&run.get("/readyz").1).unwrap();
        ready["partitions"].as_array().unwrap().iter().all(|one| one["rules"] == *version).then_some(())
    });
    assert!(run.terminate().success(), "{}", run.said());
    let fired: Vec<Value> = program.read("handoff.high").iter().map(|record| record.json("handoff.high")).collect();
    assert_eq!(fired.len(), 1, "{fired:?}");
    assert_eq!((&fired[0]["account"], &fired[0]["trigger"]), (&json!("after"), &json!("three-users")));
    assert_eq!(fired[0]["rulesVersion"], json!(&*version));
    let letters = program.read("dead-letter");
    assert_eq!(letters.len(), 2);
    let [outside, letter] = [0, 1].map(|place: usize| letters[place].json("dead-letter"));
    assert!(outside["detail"].as_str().unwrap().contains("upswell-control"), "{outside}");
    assert_eq!(letter["reason"], json!("DEAD_LETTER_REASON_REFUSED"), "{letter}");

    // The next owner folds the log with the rules that apply at each place in it, and publishes nothing again.
    let mut again = program.start(&["run"]);
    send("after", &["u4"], "2026-03-04T11:00:00Z");
    program.wait_until_done(&again);
    assert!(again.terminate().success(), "{}", again.said());
    assert_eq!(program.read("handoff.high").len(), 1);
    program.assert_published_is_replayed();

    // Rules that another version can compile, and this one cannot, end the service: without them its results would
    // differ.
    let foreign = changed.replace("presets: [segment]", "presets: [another]");
    let foreign = upswell::wire::encode_activation(
        upswell::wire::Format::Protobuf,
        &foreign,
        upswell::model::EventTime(1_772_445_600_000),
    );
    let offset = program.produce_with("log", 1, b"", &foreign, upswell::kafka::CONTROL_HEADERS);
    let place = format!("{}, partition 1, offset {offset}", program.topic("log"));
    program.run(&["run"]).fails(2, &[&place, "unknown preset `another`", "a version of Upswell that knows it"]);
}

#[test]
fn a_close_with_many_users_is_published_in_several_transactions() {
    const USERS: usize = 25_000;
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.limit_transactions(5_000);
    let events = (0..USERS).map(|user| {
        let event = track(&format!("m{user}"), "Feature Used", "acme", "2026-03-02T10:00:00Z");
        event.replace("ann", &format!("user-{user}"))
    });
    // The day closes, and with it come the profiles of all who were active.
    let closes = track("next", "Feature Used", "acme", "2026-03-03T10:00:00Z");
    program.write("events.ndjson", events.chain([closes]).collect::<Vec<_>>().join("\n"));
    program.run(&["send", "events.ndjson", "--pack", "500"]).ok();
    let mut run = program.start(&["run"]);
    program.wait_until_done(&run);
    assert!(run.terminate().success(), "{}", run.said());
    let profiles = program.read("users");
    assert!(profiles.len() >= USERS);
    let ends: i64 = (0..PARTITIONS).map(|partition| program.end("users", partition)).sum();
    let markers = ends - profiles.len() as i64;
    assert!(markers >= 5, "{markers} markers of transactions");
    program.assert_published_is_replayed();
}

#[test]
fn packing_does_not_change_results() {
    let Some(broker) = Broker::shared() else { return };
    let [single, packed] = [1, 100].map(|pack| {
        let program = Program::with_topics(&broker, "");
        let events = ["--users", "300", "--events", "20000", "--end", "2026-08-01", "--out", "events.ndjson.zst"];
        program.run(&[&["generate"], &events[..]].concat()).ok();
        program.run(&["send", "events.ndjson.zst", "--pack", &pack.to_string()]).ok();
        program.replay();
        program
    });
    assert_eq!(single.end_of_log().iter().sum::<i64>(), 20_000);
    assert!(packed.end_of_log().iter().sum::<i64>() <= 20_000 / 100 + i64::from(PARTITIONS));
    // A fact has the place of its event in the log (E23), and only this depends on how events are packed.
    let without_places = |program: &Program, output| -> Vec<Value> {
        let mut values: Vec<Value> =
            program.lines(output).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        fn drop_places(value: &mut Value) {
            for fact in value.get_mut("facts").and_then(Value::as_array_mut).into_iter().flatten() {
                fact.as_object_mut().unwrap().remove("place");
            }
            value.get_mut("entries").and_then(Value::as_array_mut).into_iter().flatten().for_each(drop_places);
        }
        values.iter_mut().for_each(drop_places);
        values
    };
    for output in ["handoffs", "signals", "metrics"] {
        let expected = without_places(&single, output);
        assert!(expected.len() > 10, "the events make {output}");
        let found = without_places(&packed, output);
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(found == expected, "{output} differ: {differs:#?}");
    }
    let mut run = packed.start(&["run"]);
    packed.wait_until_done(&run);
    assert!(run.terminate().success(), "{}", run.said());
    packed.assert_published_is_replayed();
}

#[test]
fn a_running_service_serves_health_and_metrics() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.write(
        "events.ndjson",
        [
            track("m1", "Contact Sales", "acme", "2026-03-02T10:00:00Z"),
            track("", "Feature Used", "acme", "2026-03-02T11:00:00Z"),
            "nonsense".into(),
        ]
        .join("\n"),
    );
    program.run(&["send", "events.ndjson"]).ok();
    let mut run = program.start_with(&["run"], &[("UPSWELL_SNAPSHOTS__EVERY", "100ms")]);
    program.wait_until_done(&run);
    run.until_ready();
    assert_eq!(run.get("/livez").0, 200);
    assert_eq!(run.get("/nothing").0, 404);
    let (status, ready) = run.get("/readyz");
    let ready: Value = ready.parse().unwrap();
    assert_eq!((status, &ready["ready"]), (200, &json!(true)));
    assert_eq!(ready["partitions"].as_array().unwrap().len(), PARTITIONS as usize);

    // The ends of the partitions are known within a second, and there are snapshots.
    let metrics = wait_for("the ends of the partitions", || {
        let (status, metrics) = run.get("/metrics");
        assert_eq!(status, 200);
        let ends = metrics.matches("upswell_partition_stable_end{").count();
        (ends == PARTITIONS as usize && metrics.contains("upswell_snapshot_seconds_count")).then_some(metrics)
    });
    for name in documented_metrics() {
        let shown = |line: &str| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' ', '_']));
        assert!(metrics.lines().any(shown), "docs/operators.md names {name}, /metrics has only:\n{metrics}");
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} is not explained");
    }
    for line in [
        r#"upswell_events_total{outcome="applied"} 2"#,
        r#"upswell_events_total{outcome="malformed"} 1"#,
        "upswell_events_without_id_total 1",
        r#"upswell_handoffs_total{level="high",trigger="contact-sales"} 1"#,
        r#"upswell_dead_letters_total{reason="malformed"} 1"#,
        "upswell_ticks_total 0",
        "upswell_partitions 2",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "no line {line}:\n{metrics}");
    }
    for line in metrics.lines().filter(|line| line.starts_with("upswell_")) {
        let name = line.split(['{', ' ']).next().unwrap();
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(documented_metrics().contains(&name.to_owned()), "docs/operators.md does not name {name}");
    }
    assert!(run.terminate().success(), "{}", run.said());
}

/// The names in the table of docs/operators.md; a name that begins with `_` stands for `upswell_partition_…`.
fn documented_metrics() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operators.md");
    let text = fs::read_to_string(path).unwrap();
    let mut names: Vec<String> = Vec::new();
    for row in text.lines().filter(|line| line.starts_with("| `upswell_")) {
        for name in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            let name = name.split('{').next().unwrap();
            names.push(if name.starts_with('_') { format!("upswell_partition{name}") } else { name.to_owned() });
        }
    }
    assert!(names.len() > 10, "the table of metrics was found");
    names
}

#[test]
fn a_live_partition_without_events_gets_ticks() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "input: {idle_after: 1s}");
    let placed_on = |partition| {
        let names = (0..).map(|number| format!("account-{number}"));
        names.into_iter().find(|name| upswell::kafka::partition_of(name.as_bytes(), PARTITIONS) == partition).unwrap()
    };
    let now = jiff::Timestamp::now().to_string();
    let events = [
        track("old", "Feature Used", &placed_on(1), "2026-03-02T10:00:00Z"),
        track("new", "Feature Used", &placed_on(0), &now),
    ];
    program.write("events.ndjson", events.join("\n"));
    program.run(&["send", "events.ndjson"]).ok();
    let mut run = program.start(&["run"]);
    wait_for("a tick in the log", || (program.end_of_log()[0] > 1).then_some(()));
    program.wait_until_done(&run);
    let records = program.read("log");
    let tick = records.iter().find(|record| record.partition == 0 && record.offset == 1).unwrap();
    let event = decode("ProductEvent", &tick.payload);
    assert_eq!((&event["type"], &event["control"]), (&json!("EVENT_TYPE_CONTROL"), &json!({"tick": {}})), "{event}");
    let at = |text: &Value| text.as_str().unwrap().parse::<i64>().unwrap();
    assert!(at(&event["timestampMs"]) >= now.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    assert_eq!(records.iter().filter(|record| record.partition == 1).count(), 1, "a history gets none");
    let (_, metrics) = run.get("/metrics");
    let ticks = metrics.lines().find_map(|line| line.strip_prefix("upswell_ticks_total ")).unwrap();
    assert!(ticks.parse::<u64>().unwrap() >= 1, "{ticks}");
    assert!(run.terminate().success(), "{}", run.said());
    // One that goes on from a snapshot has folded nothing that shows it.
    let before = program.end_of_log();
    let mut run = program.start(&["run"]);
    wait_for("a tick after a restart", || (program.end_of_log()[0] > before[0]).then_some(()));
    assert!(run.terminate().success(), "{}", run.said());
    assert_eq!(program.end_of_log()[1], before[1], "a history gets none");
    program.assert_published_is_replayed();
}

#[test]
fn sigterm_finishes_the_batch_and_a_restart_continues() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let log = program.topic("log");
    let events = ["--users", "300", "--events", "30000", "--end", "2026-08-01", "--rate", "2000", "--topic", &log];
    let mut generator = program.start(&[&["generate"], &events[..]].concat());
    for _ in 0..3 {
        let before: i64 = program.committed().iter().sum();
        let mut run = program.start(&["run"]);
        // After everything is generated, an earlier run may have committed all of it.
        wait_for("a commit", || {
            let commits = program.committed().iter().sum::<i64>() > before;
            (commits || generator.child.try_wait().unwrap().is_some()).then_some(())
        });
        assert!(run.terminate().success(), "{}", run.said());
        assert!(run.said().contains("stopped"), "{}", run.said());
    }
    assert!(generator.child.wait().unwrap().success(), "{}", generator.said());
    let mut run = program.start(&["run"]);
    program.wait_until_done(&run);
    assert!(run.terminate().success(), "{}", run.said());
    program.assert_published_is_replayed();
}

#[test]
fn tail_prints_a_handoff_that_is_committed_while_it_runs() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let mut run = program.start(&["run"]);
    let mut tails = [&["tail", "--json"][..], &["tail", "--json", "--level", "high"], &["tail"]].map(|arguments| {
        let tail = program.start(arguments);
        wait_for("tail to follow", || tail.said().contains("following").then_some(()));
        tail
    });
    program.write("events.ndjson", track("m1", "Contact Sales", "acme", "2026-03-02T10:00:00Z"));
    program.run(&["send", "events.ndjson"]).ok();
    program.wait_until_done(&run);
    let lines = tails.each_mut().map(Running::line);
    let published = program.published("handoff.high");
    assert_eq!(published.len(), 1);
    let published: Value = published[0].parse().unwrap();
    assert_eq!(lines[0].parse::<Value>().unwrap(), published);
    assert_eq!(lines[1], lines[0]);
    for word in ["2026-03-02 10:00", "HIGH", "acme", "contact-sales", published["why"].as_str().unwrap()] {
        assert!(lines[2].contains(word), "{}", lines[2]);
    }
    assert!(run.terminate().success(), "{}", run.said());
}

#[test]
fn a_topic_that_refuses_writes_stops_the_service() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::new(&broker, "");
    program.create("handoff.high", &[("max.message.bytes", "80")]);
    drop(program.run(&["topics"]));
    program.write("events.ndjson", track("m1", "Contact Sales", "acme", "2026-03-02T10:00:00Z"));
    program.run(&["send", "events.ndjson"]).ok();
    program.run(&["run"]).fails(1, &[&program.topic("handoff.high")]);
    assert!(program.published("signals").is_empty(), "nothing of the transaction stands");
    assert_eq!(program.committed().iter().sum::<i64>(), 0);
}

#[test]
fn a_topic_that_is_deleted_stops_the_service() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let mut run = program.start(&["run"]);
    for (id, day) in [("m1", 2), ("m2", 5)] {
        program.write("events.ndjson", track(id, "Contact Sales", "acme", &format!("2026-03-0{day}T10:00:00Z")));
        program.run(&["send", "events.ndjson"]).ok();
        if id == "m1" {
            program.wait_until_done(&run);
            program.delete("handoff.high");
        }
    }
    let status = wait_for("the service to end", || run.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(1), "{}", run.said());
    assert!(run.said().lines().last().unwrap().contains(&program.topic("handoff.high")), "{}", run.said());
}

/// A track event as a line.
fn track(id: &str, name: &str, account: &str, at: &str) -> String {
    json!({"messageId": id, "type": "track", "event": name, "userId": "ann", "context": {"groupId": account}, "timestamp": at})
        .to_string()
}

/// Waits until there is something.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A message of `proto/` as JSON.
fn decode(message: &str, bytes: &[u8]) -> Value {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let files = ["event", "handoff", "signal", "profile", "metrics", "dead_letter"]
            .map(|name| format!("upswell/v1/{name}.proto"));
        DescriptorPool::from_file_descriptor_set(protox::compile(files, ["proto"]).unwrap()).unwrap()
    });
    let descriptor = POOL.get_message_by_name(&format!("upswell.v1.{message}")).unwrap();
    serde_json::to_value(DynamicMessage::decode(descriptor, bytes).unwrap()).unwrap()
}

/// The bytes of a dead letter that was read as JSON.
fn bytes(letter: &Value) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = letter["payload"].as_str().unwrap_or_default();
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let bits: Vec<u8> = digits.flat_map(|digit| (0..6).rev().map(move |bit| (digit >> bit & 1) as u8)).collect();
    bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

/// The exit code and the output of a command.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: &Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { status: output.status, out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    fn ok(self) -> Ended {
        assert!(self.status.success(), "{self:?}");
        self
    }

    #[track_caller]
    fn fails(self, code: i32, says: &[&str]) {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        let last = self.err.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default();
        says.iter().for_each(|words| assert!(last.contains(words), "{words:?} is not said: {}", self.err));
    }
}

/// A record as it was read.
struct Record {
    partition: i32,
    offset: i64,
    key: Option<Vec<u8>>,
    /// Empty if it is a tombstone.
    payload: Vec<u8>,
    headers: BTreeMap<String, String>,
}

impl Record {
    /// The message, in either format.
    fn json(&self, topic: &str) -> Value {
        match self.headers.get("content-type").map(String::as_str) {
            Some("application/json") => serde_json::from_slice(&self.payload).unwrap(),
            _ => decode(message_on(topic), &self.payload),
        }
    }
}

/// The messages on an output topic.
fn message_on(topic: &str) -> &'static str {
    match topic {
        "signals" => "SignalChanges",
        "onboarding" => "Onboarding",
        "accounts" => "AccountProfile",
        "users" => "UserProfile",
        "metrics" => "AccountMetrics",
        "dead-letter" => "DeadLetter",
        _ => "Handoff",
    }
}

/// Published metrics as a row of a replay, which has dates for days and null for what is unknown.
pub(crate) fn metrics_row(message: &Value) -> String {
    let date = |days: &Value| {
        jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days.as_i64().unwrap())).unwrap()
    };
    let row = |of: &Value, numbers: &[&str], unknown: &[&str]| {
        let snake = |key: &str| match key {
            "newUsers" => "new_users".to_owned(),
            "newUsers7d" => "new_users_7d".to_owned(),
            "spikeP" => "spike_p".to_owned(),
            "slopeZ" => "slope_z".to_owned(),
            key => key.to_owned(),
        };
        let mut row = json!({ "account": message["account"] });
        numbers.iter().for_each(|key| row[snake(key)] = of.get(*key).cloned().unwrap_or(json!(0)));
        unknown.iter().for_each(|key| row[snake(key)] = of.get(*key).cloned().unwrap_or(Value::Null));
        row
    };
    let mut row = if let Some(of) = message.get("day") {
        let mut row = row(of, &["dau", "wau", "mau", "newUsers", "newUsers7d"], &["stickiness", "spikeP"]);
        row["day"] = date(&of["day"]).to_string().into();
        row["kind"] = "day".into();
        row
    } else {
        let of = &message["week"];
        let unknown = ["growth", "streak", "slopeZ", "base", "growing", "declining"];
        let (mut row, week) = (row(of, &["wau"], &unknown), date(&of["monday"]).iso_week_date());
        row["week"] = format!("{}-W{:02}", week.year(), week.week()).into();
        row["kind"] = "week".into();
        row
    };
    assert!(message["atMs"].is_string(), "{message}");
    row.take().to_string()
}

fn headers(message: &rdkafka::message::BorrowedMessage<'_>) -> BTreeMap<String, String> {
    let headers = message.headers().into_iter().flat_map(rdkafka::message::Headers::iter);
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    headers.map(|header| (header.key.to_owned(), text(header.value))).collect()
}

/// The program in a directory of its own, with topics and a group of its own.
struct Program {
    folder: TempDir,
    brokers: String,
    prefix: String,
}

impl Program {
    /// The same with more lines of configuration.
    fn new(broker: &Broker, more: &str) -> Program {
        let (folder, prefix) = (TempDir::new().unwrap(), unique("service"));
        let config = format!(
            "kafka: {{brokers: '{}', group: '{prefix}', transactional_id_prefix: '{prefix}'}}\n\
             topics: {{prefix: '{prefix}', partitions: {PARTITIONS}}}\n\
             worker: {{threads: 1, commit_interval: 100ms}}\n\
             http: {{listen: '127.0.0.1:0'}}\n{more}\n",
            broker.brokers
        );
        fs::write(folder.path().join("upswell.yaml"), config).unwrap();
        fs::write(folder.path().join("nothing.ndjson"), "").unwrap();
        Program { folder, brokers: broker.brokers.clone(), prefix }
    }

    fn with_topics(broker: &Broker, more: &str) -> Program {
        let program = Program::new(broker, more);
        program.run(&["topics"]).ok();
        program
    }

    /// Sets the most messages of a transaction.
    fn limit_transactions(&self, messages: u32) {
        let config = fs::read_to_string(self.path("upswell.yaml")).unwrap();
        let limited = format!("worker: {{transaction_messages: {messages}, ");
        self.write("upswell.yaml", config.replace("worker: {", &limited));
    }

    fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    fn lines(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.path(name)).unwrap().lines().map(str::to_owned).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upswell"));
        command.args(arguments).args(["--config", "upswell.yaml"]).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Running {
        let said = self.path(&unique("said"));
        let mut command = self.command(arguments);
        command.args(["--log-format", "json"]).envs(environment.iter().copied()).stdout(Stdio::piped());
        Running { child: command.stderr(fs::File::create(&said).unwrap()).spawn().unwrap(), said, out: None }
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set("group.id", &self.prefix);
        client
    }

    fn create(&self, name: &str, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let name = self.topic(name);
        let mut topic = NewTopic::new(&name, PARTITIONS, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let created = block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        assert_eq!(created, [Ok(name)]);
    }

    fn delete(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let name = self.topic(name);
        let deleted = block_on(admin.delete_topics(&[&name], &AdminOptions::new())).unwrap();
        assert_eq!(deleted, [Ok(name)]);
    }

    /// Writes a record as a foreign producer would; returns its offset.
    fn produce(&self, topic: &str, partition: i32, key: &[u8], payload: &[u8]) -> i64 {
        self.produce_with(topic, partition, key, payload, &[])
    }

    fn produce_with(&self, topic: &str, partition: i32, key: &[u8], payload: &[u8], headers: &[(&str, &str)]) -> i64 {
        let before = self.end(topic, partition);
        let producer: BaseProducer = self.client().create().unwrap();
        let topic = self.topic(topic);
        let headers = headers
            .iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let record = BaseRecord::to(&topic).partition(partition).key(key).payload(payload).headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(QUESTION).unwrap();
        before
    }

    fn end(&self, topic: &str, partition: i32) -> i64 {
        let consumer: BaseConsumer = self.client().create().unwrap();
        // A broker that was halted has no leader for a while, and a client believes that for longer.
        wait_for("the end", || {
            drop(consumer.fetch_metadata(Some(&self.topic(topic)), QUESTION));
            consumer.fetch_watermarks(&self.topic(topic), partition, QUESTION).ok()
        })
        .1
    }

    fn end_of_log(&self) -> Vec<i64> {
        (0..PARTITIONS).map(|partition| self.end("log", partition)).collect()
    }

    /// What the group has committed, by partition of the log.
    fn committed(&self) -> Vec<i64> {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition(&self.topic("log"), partition);
        }
        // A broker that has only just started has no coordinator yet.
        let committed = wait_for("the group's offsets", || consumer.committed_offsets(list.clone(), QUESTION).ok());
        let offset = |partition| match committed.find_partition(&self.topic("log"), partition).unwrap().offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        (0..PARTITIONS).map(offset).collect()
    }

    fn wait_until_done(&self, run: &Running) {
        let deadline = Instant::now() + LIMIT;
        while self.committed() != self.end_of_log() {
            assert!(Instant::now() < deadline, "the log is not worked off: {}", run.said());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Everything committed on a topic.
    fn read(&self, topic: &str) -> Vec<Record> {
        let mut client = self.client();
        client.set("group.id", unique("reader")).set("isolation.level", "read_committed");
        client.set("enable.partition.eof", "true").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = client.create().unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&self.topic(topic), partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut records, mut ends) = (Vec::new(), 0);
        let deadline = Instant::now() + LIMIT;
        while ends < PARTITIONS {
            assert!(Instant::now() < deadline, "{topic} has no end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(Record {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key().map(<[u8]>::to_vec),
                    payload: message.payload().unwrap_or_default().to_vec(),
                    headers: headers(&message),
                }),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ends += 1,
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => {}
            }
        }
        records
    }

    /// The messages on an output topic, as sorted JSON.
    fn published(&self, topic: &str) -> Vec<String> {
        let mut lines: Vec<String> = self.read(topic).iter().map(|record| record.json(topic).to_string()).collect();
        lines.sort_unstable();
        lines
    }

    /// The metrics that were published, as sorted rows of a replay.
    fn metrics(&self) -> Vec<String> {
        let mut rows: Vec<String> = self.read("metrics").iter().map(|it| metrics_row(&it.json("metrics"))).collect();
        rows.sort_unstable();
        rows
    }

    /// What a replay has written into a file, as sorted JSON.
    fn replayed(&self, file: &str) -> Vec<String> {
        let parse = |line: &String| serde_json::from_str::<Value>(line).unwrap().to_string();
        let mut lines: Vec<String> = self.lines(file).iter().map(parse).collect();
        lines.sort_unstable();
        lines
    }

    /// What compaction would leave of a topic of profiles.
    fn last_of_each_key(&self, topic: &str) -> BTreeMap<Vec<u8>, Value> {
        let mut last = BTreeMap::new();
        for record in self.read(topic) {
            let key = record.key.clone().unwrap();
            if record.payload.is_empty() {
                last.remove(&key);
            } else {
                last.insert(key, record.json(topic));
            }
        }
        last
    }

    /// Replays the log; its outputs are then files.
    fn replay(&self) {
        let names = ["handoffs", "signals", "onboarding", "accounts", "users", "dead-letters", "metrics"];
        let options = names.map(|name| format!("--{name}"));
        let outputs: Vec<&str> = options.iter().zip(names).flat_map(|(option, name)| [option.as_str(), name]).collect();
        self.run(&[&["replay", "--topic", &self.topic("log")], &outputs[..]].concat()).ok();
    }

    fn assert_published_is_replayed(&self) {
        self.replay();
        let mut handoffs =
            ["handoff.high", "handoff.medium", "handoff.low"].map(|topic| self.published(topic)).concat();
        handoffs.sort_unstable();
        assert_eq!(handoffs, self.replayed("handoffs"));
        assert_eq!(self.published("signals"), self.replayed("signals"));
        assert_eq!(self.published("dead-letter"), self.replayed("dead-letters"));
        assert_eq!(self.published("onboarding"), self.replayed("onboarding"));
        self.assert_profiles_are_replayed();
    }

    /// Replay writes the last profile of each key.
    fn assert_profiles_are_replayed(&self) {
        for topic in ["accounts", "users"] {
            let mut last: Vec<String> = self.last_of_each_key(topic).values().map(Value::to_string).collect();
            last.sort_unstable();
            assert_eq!(last, self.replayed(topic), "{topic}");
        }
    }
}

/// Waits on this thread for a future that the client's own thread completes.
fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

/// Status and body of an answer over HTTP.
pub(crate) fn ask(address: &str, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "{method} {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// A command that runs, and is killed if it still does when this is dropped.
struct Running {
    child: Child,
    said: PathBuf,
    out: Option<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// The next line of standard output.
    fn line(&mut self) -> String {
        let out = self.out.get_or_insert_with(|| BufReader::new(self.child.stdout.take().unwrap()));
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The address of health and metrics, which is in the log.
    fn address(&self) -> String {
        wait_for("the line `started`", || {
            self.said().lines().filter_map(|line| line.parse::<Value>().ok()).find_map(|line| {
                let fields = &line["fields"];
                (fields["message"] == "started").then(|| fields["address"].as_str().unwrap().to_owned())
            })
        })
    }

    /// Status and body of an answer.
    fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path)
    }

    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        ask(&self.address(), method, path)
    }

    /// Waits until it has its partitions and has recovered them.
    fn until_ready(&self) {
        wait_for("readiness", || {
            let (status, body) = self.get("/readyz");
            let all = body.matches("\"partition\"").count() == PARTITIONS as usize;
            (status == 200 && all).then_some(())
        });
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Sends SIGTERM, as Kubernetes does, and waits until it has ended.
    fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        wait_for("the end of a process", || self.child.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
