//! Tests of `reshard`: the state goes on in a log with another number of partitions.

use upswell::kafka::{self, Reader};

use super::*;

const MORE: i32 = 6;

/// A message without the places of its facts, which count on from the old log.
fn without_places(mut message: Value) -> String {
    fn drop_places(value: &mut Value) {
        for fact in value.get_mut("facts").and_then(Value::as_array_mut).into_iter().flatten() {
            fact.as_object_mut().unwrap().remove("place");
        }
        value.get_mut("entries").and_then(Value::as_array_mut).into_iter().flatten().for_each(drop_places);
    }
    drop_places(&mut message);
    message.to_string()
}

impl Program {
    /// Waits until the group has read all of a topic.
    fn wait_until_read(&self, run: &Running, topic: &str) {
        let config =
            kafka::Config { brokers: self.brokers.clone(), group: self.prefix.clone(), ..kafka::Config::default() };
        let reader = Reader::open(&config, topic).unwrap();
        wait_for(&run.said(), || {
            let committed = kafka::committed(&config, topic).unwrap();
            let mut all = (0..).zip(committed);
            all.all(|(partition, it)| it.offset >= Some(reader.span(partition).unwrap().end)).then_some(())
        });
    }

    /// Everything but profiles that was published, and the last profiles, without places.
    fn published_without_places(&self) -> BTreeMap<&'static str, Vec<String>> {
        let topics =
            ["handoff.high", "handoff.medium", "handoff.low", "signals", "onboarding", "metrics", "dead-letter"];
        // Reading one takes a second.
        let mut all = std::thread::scope(|scope| {
            let published = |topic| {
                let reads = move || Vec::from_iter(self.read(topic).iter().map(|it| without_places(it.json(topic))));
                (topic, scope.spawn(reads))
            };
            let last = |topic| {
                let reads = move || Vec::from_iter(self.last_of_each_key(topic).into_values().map(without_places));
                (topic, scope.spawn(reads))
            };
            let reading = Vec::from_iter(topics.map(published).into_iter().chain(["accounts", "users"].map(last)));
            BTreeMap::from_iter(reading.into_iter().map(|(topic, read)| (topic, read.join().unwrap())))
        });
        all.values_mut().for_each(|lines| lines.sort_unstable());
        all
    }
}

#[test]
fn a_log_goes_on_with_another_number_of_partitions() {
    let Some(broker) = Broker::shared() else { return };
    let metrics = "outputs: {metrics: true}";
    let [whole, moved] = [(); 2].map(|()| Program::with_topics(&broker, metrics));
    let events = ["--users", "300", "--events", "12000", "--end", "2026-08-01", "--out", "all.ndjson"];
    whole.run(&[&["generate"], &events[..]].concat()).ok();
    let mut lines = whole.lines("all.ndjson");
    // At the end every partition comes to the same time.
    lines.extend(
        (0..60).map(|n| track(&format!("last-{n}"), "Feature Used", &format!("z-{n}"), "2026-08-09T10:00:00Z")),
    );
    let (first, second) = lines.split_at(lines.len() / 2);
    let (between, second) = second.split_at(1);
    let work_off = |program: &Program, topic: &str| {
        let mut run = program.start(&["run"]);
        program.wait_until_read(&run, topic);
        assert!(run.terminate().success(), "{}", run.said());
    };
    whole.write("all.ndjson", lines.join("\n"));
    whole.run(&["send", "all.ndjson"]).ok();
    work_off(&whole, &whole.topic("log"));

    moved.write("first.ndjson", first.join("\n"));
    moved.write("between.ndjson", between.join("\n"));
    moved.write("second.ndjson", second.join("\n"));
    moved.run(&["send", "first.ndjson"]).ok();
    let (log, new) = (moved.topic("log"), moved.topic("log-6"));
    let reshard = ["reshard", "--to", &new, "--partitions", &MORE.to_string()];
    let mut run = moved.start(&["run"]);
    moved.wait_until_read(&run, &log);
    moved.run(&reshard).fails(1, &["has 1 members: stop the service"]);
    assert!(run.terminate().success(), "{}", run.said());
    moved.run(&["send", "between.ndjson"]).ok();
    moved.run(&reshard).fails(1, &["records that were not read: run the service until it has"]);
    work_off(&moved, &log);
    moved.run(&["reshard", "--to", &log, "--partitions", "6"]).fails(2, &["--to is the topic of the present log"]);
    // It can be repeated.
    let stored = moved.path(&format!("upswell-snapshots/{}/{new}", moved.prefix));
    fs::write(&stored, "no folder").unwrap();
    moved.run(&reshard).fails(1, &[&new]);
    fs::remove_file(&stored).unwrap();
    let said = moved.run(&reshard).ok();
    assert!(said.out.contains(&format!("from {PARTITIONS} partitions of {log} to {MORE} of {new}")), "{}", said.out);
    moved.run(&["run"]).fails(1, &[&format!("was moved to {new}")]);
    moved.run(&reshard).fails(1, &[&format!("has read {new} already")]);

    let config = fs::read_to_string(moved.path("upswell.yaml")).unwrap();
    moved.write("upswell.yaml", config.replace("topics: {", &format!("topics: {{log: '{new}', ")));
    moved.run(&["send", "second.ndjson"]).ok();
    work_off(&moved, &new);
    let (expected, found) = (whole.published_without_places(), moved.published_without_places());
    for (topic, expected) in &expected {
        let found = &found[topic];
        assert!(expected.len() > 5 || *topic == "dead-letter", "the events make {topic}");
        let differs = found.iter().zip(expected).find(|(found, expected)| found != expected);
        assert!(found == expected, "{topic}: {} and {} messages: {differs:#?}", found.len(), expected.len());
    }
}
