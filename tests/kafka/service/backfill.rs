//! Tests of `upswell backfill`: history builds up the state, and nothing of it is published.

use upswell::model::EventTime;
use upswell::wire::{self, Format};

use super::*;

/// One account asks for sales on each of these days, and the other one uses a feature.
fn days(days: std::ops::RangeInclusive<u32>) -> String {
    let events = days.flat_map(|day| {
        let at = format!("2026-03-{day:02}T10:00:00Z");
        [
            track(&format!("a-{day}"), "Contact Sales", "account-1", &at),
            track(&format!("u-{day}"), "Feature Used", "account-2", &at),
        ]
    });
    events.collect::<Vec<_>>().join("\n")
}

#[test]
fn history_is_loaded_into_an_empty_log_and_nothing_of_it_fires() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    // An event that cannot be read is dead-lettered all the same.
    let unreadable = r#"{"type":"track","event":"Feature Used","timestamp":"2026-03-05T00:00:00Z"}"#;
    program.write("history.ndjson", format!("{}\n{unreadable}\n{}", days(1..=5), days(6..=20)));
    program.write("unsorted.ndjson", format!("{}\n{}", days(6..=20), days(1..=5)));
    let unsorted = program.run(&["backfill", "unsorted.ndjson"]);
    unsorted.fails(1, &["not in time order", "--unsorted", "Nothing was written"]);
    program.run(&["backfill", "-"]).fails(2, &["history is read twice", "- is no file"]);
    assert_eq!(program.end_of_log(), [0; PARTITIONS as usize]);

    let loaded = program.run(&["backfill", "history.ndjson"]);
    let said = loaded.ok().err;
    assert!(said.contains("history of 41 events, 2026-03-01 to 2026-03-20"), "{said}");
    assert!(said.contains("events that cannot be read: 1") && said.contains("producers may write"), "{said}");
    program.run(&["backfill", "history.ndjson"]).fails(1, &["is not empty", "new kafka.group"]);

    let mut run = program.start(&["run"]);
    run.until_ready();
    program.wait_until_done(&run);
    assert!(run.terminate().success(), "{}", run.said());
    let ends = run.said().matches("history ends").count();
    assert_eq!(ends, PARTITIONS as usize, "{}", run.said());
    let handoffs = || ["handoff.high", "handoff.medium", "handoff.low"].map(|topic| program.published(topic)).concat();
    assert_eq!((handoffs(), program.published("signals")), (vec![], vec![]));
    assert_eq!(program.published("dead-letter").len(), 1);
    assert_eq!(program.last_of_each_key("accounts").len(), 2);
    program.assert_published_is_replayed();

    // What follows is live: the account that asks again is a handoff, although it asked a day before.
    program.write("live.ndjson", days(21..=21));
    program.run(&["send", "live.ndjson"]).ok();
    let mut run = program.start(&["run"]);
    run.until_ready();
    program.wait_until_done(&run);
    assert!(run.terminate().success(), "{}", run.said());
    assert_eq!(handoffs().len(), 1, "{:#?}", handoffs());
    program.assert_published_is_replayed();
}

/// A restart, other rules, and a kill while the profiles at the end of history are published in several transactions.
#[test]
fn what_happens_while_history_is_loaded_publishes_nothing_of_it_and_its_end_once() {
    const ACCOUNTS: usize = 40;
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.limit_transactions(3);
    let send_history = |day: u32| {
        let at = format!("2026-03-{day:02}T10:00:00Z");
        let asks = |account| track(&format!("{account}-{day}"), "Contact Sales", &format!("account-{account}"), &at);
        program.write("day.ndjson", (0..ACCOUNTS).map(asks).collect::<Vec<_>>().join("\n"));
        program.run(&["send", "day.ndjson"]).ok();
    };
    let mark = |begins: bool| {
        let mark = wire::encode_backfill(Format::Protobuf, begins, EventTime(1_772_323_200_000));
        for partition in 0..PARTITIONS {
            program.produce_with("log", partition, b"", &mark, &[("upswell-control", "")]);
        }
    };
    let published = || ["handoff.high", "signals", "accounts", "users"].map(|topic| program.read(topic).len());
    mark(true);
    send_history(1);
    let mut run = program.start(&["run"]);
    run.until_ready();
    program.wait_until_done(&run);
    let in_history = "upswell_partition_history{partition=\"0\"} ";
    assert!(run.get("/metrics").1.contains(&format!("{in_history}1")), "{}", run.said());
    assert!(run.terminate().success(), "{}", run.said());

    // Other rules publish all profiles again, but not in history.
    let config = fs::read_to_string(program.path("upswell.yaml")).unwrap();
    program.write("rules.yaml", RULES.replace("name: default", "name: other"));
    program.write("upswell.yaml", config + "rules: {file: rules.yaml}\n");
    send_history(2);
    // It comes back at once after it is killed.
    let instance = [("UPSWELL_KAFKA__GROUP_INSTANCE_ID", "a")];
    let run = program.start_with(&["run"], &instance);
    run.until_ready();
    program.wait_until_done(&run);
    assert_eq!(published(), [0; 4], "{}", run.said());

    send_history(3);
    mark(false);
    wait_for("some profiles", || (program.read("accounts").len() > 5).then_some(()));
    run.signal("-KILL");
    drop(run);
    let mut run = program.start_with(&["run"], &instance);
    run.until_ready();
    program.wait_until_done(&run);
    assert!(run.get("/metrics").1.contains(&format!("{in_history}0")), "{}", run.said());
    assert!(run.terminate().success(), "{}", run.said());
    assert_eq!(published(), [0, 0, ACCOUNTS, ACCOUNTS]);
    program.assert_published_is_replayed();
}
