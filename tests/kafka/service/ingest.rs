//! Tests of `ingest`: every event of the topics is in the log once, whatever happens to the processes.

use std::ops::ControlFlow;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use upswell::kafka::{LogWriter, Reader, partition_of};
use upswell::wire;

use super::*;

/// More with `UPSWELL_TEST_KILLS`.
const KILLS: u64 = 4;

/// The record with this number of a topic, as Segment's SDKs send it: one event, now and then a list of two, or junk. And
/// the ids of its events.
fn segment(number: u64) -> (String, Vec<String>) {
    let event = |id: &str, account: u64| {
        format!(
            r#"{{"type":"track","event":"Feature Used","messageId":"{id}","userId":"u{}","timestamp":"2026-03-02T10:00:00Z",
                "context":{{"groupId":"a{account}"}}}}"#,
            number % 7
        )
    };
    let [first, second] = ["x", "y"].map(|letter| format!("s{number}{letter}"));
    match number % 20 {
        19 => (format!(r#"{{"number":{number}}}"#), Vec::new()),
        // Of one account, and so in one record of the log.
        0 => (format!("[{},{}]", event(&first, 3), event(&second, 3)), vec![first, second]),
        1 => (format!("[{},{}]", event(&first, 1), event(&second, 2)), vec![first, second]),
        _ => (event(&first, number % 5), vec![first]),
    }
}

fn amplitude(number: u64) -> (String, Vec<String>) {
    let id = format!("m{number}");
    let event = format!(
        r#"{{"event_type":"Feature Used","user_id":"u{}","event_time":"2026-03-02 10:00:00.000000","$insert_id":"{id}",
            "groups":{{"company":["a{}"]}}}}"#,
        number % 7,
        number % 5
    );
    (event, vec![id])
}

/// By message id, from where each event of the log was copied.
pub(super) fn read_log(program: &Program) -> BTreeMap<String, Vec<(String, i32, i64)>> {
    let config = upswell::kafka::Config { brokers: program.brokers.clone(), ..upswell::kafka::Config::default() };
    let mut reader = Reader::open(&config, &program.topic("log")).unwrap();
    let mut found: BTreeMap<String, Vec<(String, i32, i64)>> = BTreeMap::new();
    for partition in 0..reader.partitions() {
        let mut each = |message: upswell::kafka::Message<'_>| {
            // Compressed, the broker would also take a larger one.
            assert!(message.payload.len() <= wire::PAYLOAD_MAX + 1_024, "{} bytes", message.payload.len());
            for decoded in wire::decode(wire::Format::Protobuf, message.payload) {
                let event = decoded.event.expect("only what can be used is copied");
                assert_eq!(partition_of(event.account.as_bytes(), PARTITIONS), partition);
                let from = event.provenance.expect("it says where it was copied from");
                let place = (from.topic.to_string(), from.partition, from.offset);
                found.entry(event.message_id.to_string()).or_default().push(place);
            }
            ControlFlow::Continue(())
        };
        reader.read(partition, &mut each).unwrap();
    }
    found
}

#[test]
fn topics_are_copied_exactly_once_while_processes_are_killed() {
    let Some(broker) = Broker::shared() else { return };
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("UPSWELL_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let kills = number("UPSWELL_TEST_KILLS").unwrap_or(KILLS);
    println!("UPSWELL_TEST_SEED={seed} UPSWELL_TEST_KILLS={kills}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let program = Program::with_topics(&broker, "");
    let [calls, lines] = [broker.topic(3), broker.topic(2)];
    let arguments = ["ingest", &format!("{calls}=segment"), &format!("{lines}=amplitude")];
    let start = |name: &str| {
        let session = ("UPSWELL_KAFKA__PROPERTIES__SESSION_TIMEOUT_MS", "6000");
        program.start_with(&arguments, &[("UPSWELL_KAFKA__GROUP_INSTANCE_ID", name), session])
    };
    let config = broker.config();
    let mut writers = [&calls, &lines].map(|topic| LogWriter::connect(&config, topic).unwrap());
    let (mut expected, mut junk, mut written) = (BTreeSet::new(), 0, 0);
    let mut write = |records: u64| {
        for record in written..written + records {
            for (writer, (text, ids)) in writers.iter_mut().zip([segment(record), amplitude(record)]) {
                writer.send(None, Some(record.to_string().as_bytes()), text.as_bytes()).unwrap();
                junk += usize::from(ids.is_empty());
                expected.extend(ids);
            }
        }
        writers.iter_mut().for_each(|writer| writer.flush().unwrap());
        written += records;
    };
    let mut processes = ["a", "b"].map(start);
    for kill in 0..kills {
        for _ in 0..rng.random_range(4..40) {
            write(40);
            std::thread::sleep(Duration::from_millis(50));
        }
        let victim = rng.random_range(0..2_usize);
        println!("kill {kill}: process {victim}");
        processes[victim].child.kill().unwrap();
        processes[victim].child.wait().unwrap();
        processes[victim] = start(["a", "b"][victim]);
    }
    write(200);

    wait_for("all events in the log", || (read_log(&program).len() == expected.len()).then_some(()));
    for mut process in processes {
        assert!(process.terminate().success(), "{}", process.said());
    }
    let found = read_log(&program);
    assert!(found.keys().eq(&expected), "only these events are in the log");
    let doubled: Vec<_> = found.iter().filter(|(_, places)| places.len() > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    let letters: Vec<Value> = program.published("dead-letter").iter().map(|line| line.parse().unwrap()).collect();
    let places: BTreeSet<String> = letters
        .iter()
        .map(|letter| format!("{} {} {}", letter["topic"], letter["partition"], letter["offset"]))
        .collect();
    assert_eq!((letters.len(), places.len()), (junk, junk), "one dead letter for each record that cannot be used");
    assert!(letters.iter().all(|letter| letter["topic"] == json!(calls)), "{letters:?}");
    println!("{} events and {junk} dead letters, each once", expected.len());
}

/// One record that the log does not take must not stop the others.
#[test]
fn what_is_too_large_for_the_log_is_dead_lettered() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let topic = broker.topic(1);
    let mut writer = LogWriter::connect(&broker.config(), &topic).unwrap();
    let large = |id: &str, bytes: usize| {
        let (event, text) = (segment(2).0.replace("s2x", id), "x".repeat(bytes));
        event.replace(r#""type""#, &format!(r#""properties":{{"text":"{text}"}},"type""#))
    };
    let fits = [large("l1", 200_000), large("l2", 200_000), large("l3", 600_000)];
    let never = large("l4", 930_000);
    for record in fits.iter().chain([&never]).chain([&large("l5", 10)]) {
        writer.send(None, None, record.as_bytes()).unwrap();
    }
    writer.flush().unwrap();
    let mut run = program.start(&["ingest", &format!("{topic}=segment")]);
    wait_for("four events in the log", || (read_log(&program).len() == 4).then_some(()));
    let counted = format!(r#"upswell_ingested_events_total{{topic="{topic}"}} 4"#);
    wait_for("the metric", || run.get("/metrics").1.contains(&counted).then_some(()));
    assert_eq!(run.get("/livez").0, 200);
    assert!(run.terminate().success(), "{}", run.said());
    let letters: Vec<Value> = program.published("dead-letter").iter().map(|line| line.parse().unwrap()).collect();
    let [letter] = &letters[..] else { panic!("{} dead letters", letters.len()) };
    assert_eq!((&letter["topic"], &letter["offset"]), (&json!(topic), &json!("3")), "{:.300}", letter.to_string());
    assert!(letter["detail"].as_str().unwrap().contains("bytes in the log"), "{:.300}", letter.to_string());
}
