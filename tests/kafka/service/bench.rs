//! Tests of `upswell bench`: a small one from end to end, what it removes, and a stop in the middle.

use super::*;

/// The topics of the broker whose names begin so.
fn topics(program: &Program, prefix: &str) -> Vec<String> {
    let consumer: BaseConsumer = program.client().create().unwrap();
    let metadata = consumer.fetch_metadata(None, QUESTION).unwrap();
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    names.filter(|name| name.starts_with(prefix)).collect()
}

#[test]
fn a_small_bench_counts_what_replay_counts_and_removes_its_topics() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::new(&broker, "");
    let load = ["bench", "--users", "3000", "--events", "20000", "--partitions", "2", "--pack", "10", "--seed", "7"];
    let more = ["--outputs", "peers", "--rate", "2000", "--seconds", "2", "--kill", "--json", "--plot", "bench.svg"];
    let ended = program.run(&[&load[..], &more].concat()).ok();
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let number = |pointer: &str| {
        report.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}: {report}"))
    };
    assert_eq!(number("/filled/events"), 20_000.0);
    assert!(number("/filled/records") < 2_100.0, "packed: {report}");
    assert_eq!(number("/replayed/events"), 24_000.0);
    assert_eq!(report["handoffs"], report["replayed"]["handoffs"]);
    assert_eq!((&report["equal"], &report["removed"]), (&json!(true), &json!(true)));
    assert!(number("/handoffs/count") > 0.0 && number("/median/messages/metrics") > 0.0, "{report}");
    assert_eq!(number("/median/messages/signals"), 0.0, "peers publish no signals");
    assert_eq!(number("/live/events"), 4_000.0);
    assert!(number("/recovery/killed_at") >= 21_600.0, "nine tenths of all events: {report}");
    let rows = number("/median/messages/metrics");
    assert!(number("/sending/messages") * 24_000.0 >= rows, "the last run has the events at a rate, too: {report}");
    let stages = report["median"]["stages"].as_array().unwrap();
    let took = |stage: &str| stages.iter().find(|it| it[0] == stage).and_then(|it| it[1].as_f64()).unwrap();
    assert!(stages.len() == 7 && took("decode") > 0.0 && took("fold") > 0.0, "{report}");
    for figure in [
        "/yardsticks/drain_cpu_us",
        "/yardsticks/decode_cpu_us",
        "/sending/message_cpu_us",
        "/replayed/cpu_us",
        "/median/whole/seconds",
        "/median/warm/events",
    ] {
        assert!(number(figure) > 0.0, "{figure}: {report}");
    }
    if cfg!(target_os = "linux") && std::env::var_os("UPSWELL_TEST_BROKERS").is_none() {
        for figure in ["/median/whole/cpu_us", "/median/warm/broker_cpu_us", "/median/peak_mib"] {
            assert!(number(figure) >= 0.0, "{figure}: {report}");
        }
    }
    let plot = fs::read_to_string(program.path("bench.svg")).unwrap();
    assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n") && plot.contains("only decoding"), "{plot}");
    assert_eq!(topics(&program, &format!("{}-bench-", program.prefix)), [""; 0]);
}

#[test]
fn a_bench_that_is_stopped_removes_its_topics() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::new(&broker, "");
    let mut bench = program.start(&["bench", "--users", "100000", "--events", "1000000", "--partitions", "2"]);
    let prefix = format!("{}-bench-", program.prefix);
    wait_for("the output topics", || (topics(&program, &prefix).len() > 2).then_some(()));
    assert_eq!(bench.terminate().code(), Some(1), "{}", bench.said());
    assert_eq!(topics(&program, &prefix), [""; 0], "{}", bench.said());
}
