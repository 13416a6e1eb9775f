//! Tests of the conditions under which the service refuses to start or stops with an error, and of similar ones under
//! which it continues.

use super::*;

impl Program {
    /// Works until the group has committed the end of the log.
    pub(super) fn work(&self, arguments: &[&str]) -> String {
        let mut run = self.start(&[&["run"], arguments].concat());
        self.wait_until_done(&run);
        assert!(run.terminate().success(), "{}", run.said());
        run.said()
    }

    /// Starts the service and waits until it ends with an error that says this.
    pub(super) fn is_refused(&self, environment: &[(&str, &str)], words: &[&str]) {
        let mut run = self.start_with(&["run"], environment);
        let status = wait_for("the refusal", || run.child.try_wait().unwrap());
        refused(&run, status, words);
    }

    fn send(&self, id: &str, account: &str, at: &str) {
        self.write("events.ndjson", track(id, "Contact Sales", account, at));
        self.run(&["send", "events.ndjson"]).ok();
    }

    fn committed_for(&self, partition: i32) -> Option<i64> {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic("log"), partition);
        let committed = consumer.committed_offsets(list, QUESTION).unwrap();
        committed.elements()[0].offset().to_raw().filter(|offset| *offset >= 0)
    }

    pub(super) fn forget_offsets(&self) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let deleted = block_on(admin.delete_groups(&[&self.prefix], &AdminOptions::new())).unwrap();
        assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
        assert_eq!((self.committed_for(0), self.committed_for(1)), (None, None));
    }
}

fn refused(run: &Running, status: ExitStatus, words: &[&str]) {
    let said = run.said();
    assert_eq!(status.code(), Some(1), "{said}");
    words.iter().for_each(|words| assert!(said.contains(words), "{words:?} is not said: {said}"));
}

/// An account of each of the two partitions.
fn accounts() -> [String; 2] {
    [0, 1].map(|partition| {
        let mut names = (0..).map(|number| format!("account-{number}"));
        names.find(|name| upswell::kafka::partition_of(name.as_bytes(), PARTITIONS) == partition).unwrap()
    })
}

#[test]
fn lost_offsets_are_refused_but_a_new_partition_is_not() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let [first, second] = accounts();
    program.send("m1", &first, "2026-03-02T10:00:00Z");
    program.work(&[]);
    assert_eq!((program.committed_for(0), program.committed_for(1)), (Some(1), None));
    // The other partition gets its first event: all outputs are of the first, and it may begin.
    program.send("m2", &second, "2026-03-02T10:00:00Z");
    program.work(&[]);
    assert_eq!(program.read("handoff.high").len(), 2);

    program.forget_offsets();
    let told = [&program.prefix, "no committed offset", &program.topic("accounts"), "--from-the-beginning"];
    program.is_refused(&[], &told);
    let renamed = unique("renamed");
    program.is_refused(&[("UPSWELL_KAFKA__GROUP", &renamed)], &[&renamed, "no committed offset"]);
    assert_eq!(program.read("handoff.high").len(), 2, "nothing goes out a second time");
    program.work(&["--from-the-beginning"]);
    assert_eq!(program.read("handoff.high").len(), 4, "as was asked for");
}

#[test]
fn aborted_records_on_outputs_do_not_count_as_results() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.send("m1", &accounts()[0], "2026-03-02T10:00:00Z");
    // As of a process that was killed in its first transaction.
    let killed: BaseProducer = program.client().set("transactional.id", unique("killed")).create().unwrap();
    killed.init_transactions(QUESTION).unwrap();
    killed.begin_transaction().unwrap();
    let source = format!("/upswell/{}", program.topic("log"));
    let headers = [("ce_id", "0-1-0"), ("ce_source", &source)]
        .iter()
        .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
    let accounts = program.topic("accounts");
    killed.send(BaseRecord::to(&accounts).key("a").payload("x").headers(headers)).unwrap();
    killed.flush(QUESTION).unwrap();
    killed.abort_transaction(QUESTION).unwrap();
    program.work(&[]);
    program.assert_published_is_replayed();
}

/// Semantics A35, also where this process is assigned only partitions that were added, and another one has the others.
#[test]
fn another_number_of_partitions_is_refused() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.send("m1", &accounts()[0], "2026-03-02T10:00:00Z");
    program.work(&[]);
    let topic = program.topic("log");
    let mut client = program.client();
    client.set("partition.assignment.strategy", "cooperative-sticky");
    let other: BaseConsumer = client.create().unwrap();
    other.subscribe(&[&topic]).unwrap();
    let assigned = || {
        drop(other.poll(Duration::from_millis(100)));
        other.assignment().unwrap().elements_for_topic(&topic).iter().map(|one| one.partition()).collect::<Vec<_>>()
    };
    wait_for("both partitions", || (assigned() == [0, 1]).then_some(()));
    let admin: AdminClient<DefaultClientContext> = program.client().create().unwrap();
    let grown = rdkafka::admin::NewPartitions::new(&topic, 5);
    assert!(block_on(admin.create_partitions([&grown], &AdminOptions::new())).unwrap()[0].is_ok());

    let told = [&topic, "has 5 partitions", "when it had 2"];
    let mut run = program.start(&["run"]);
    let status = wait_for("the refusal", || {
        assert!(assigned().starts_with(&[0, 1]), "the old partitions stay where they are");
        run.child.try_wait().unwrap()
    });
    refused(&run, status, &told);
    drop(other);
    program.is_refused(&[], &told);
}

/// The log is watched while the service runs.
#[test]
fn a_log_that_is_compacted_or_grows_is_noticed() {
    let Some(broker) = Broker::shared() else { return };
    let [compacted, grown] = [(), ()].map(|()| Program::with_topics(&broker, ""));
    let [mut first, mut second] = [&compacted, &grown].map(|program| {
        program.send("m1", &accounts()[0], "2026-03-02T10:00:00Z");
        let run = program.start(&["run"]);
        program.wait_until_done(&run);
        run
    });
    let admin: AdminClient<DefaultClientContext> = compacted.client().create().unwrap();
    let topic = compacted.topic("log");
    let compact = rdkafka::admin::AlterConfig::new(rdkafka::admin::ResourceSpecifier::Topic(&topic))
        .set("cleanup.policy", "compact")
        .set("message.timestamp.type", "LogAppendTime");
    assert!(block_on(admin.alter_configs([&compact], &AdminOptions::new())).unwrap()[0].is_ok());
    let topic = grown.topic("log");
    let more = rdkafka::admin::NewPartitions::new(&topic, 3);
    assert!(block_on(admin.create_partitions([&more], &AdminOptions::new())).unwrap()[0].is_ok());
    let status = wait_for("the refusal of compaction", || first.child.try_wait().unwrap());
    refused(&first, status, &[&compacted.topic("log"), "is compacted", "Set cleanup.policy to delete"]);
    let status = wait_for("the refusal of another partition", || second.child.try_wait().unwrap());
    refused(&second, status, &[&grown.topic("log"), "has 3 partitions", "when it had 2"]);
}

#[test]
fn a_log_that_was_created_again_is_refused() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let again = |count: usize| {
        program.delete("log");
        wait_for("the new log", || program.run(&["topics"]).status.success().then_some(()));
        (0..count).for_each(|id| program.send(&format!("m{id}"), &accounts()[0], "2026-03-02T10:00:00Z"));
    };
    program.send("m0", &accounts()[0], "2026-03-02T10:00:00Z");
    program.work(&[]);
    let consumer: BaseConsumer = program.client().create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition(&program.topic("log"), 0);
    let committed = consumer.committed_offsets(list, QUESTION).unwrap();
    assert!(committed.elements()[0].metadata().contains(", log "), "{committed:?}");

    // The broker forgets offsets with their topic, but who mirrors a group or restores it brings them back.
    again(3);
    program.is_refused(&[], &["no committed offset", "Kafka deletes them with the log"]);
    consumer.commit(&committed, rdkafka::consumer::CommitMode::Sync).unwrap();
    program
        .is_refused(&[], &[&program.topic("log"), "was deleted and created again", "Begin with a new topics.prefix"]);

    // It notices while it runs, too, although its position exists in the new log.
    program.forget_offsets();
    let mut run = program.start(&["run", "--from-the-beginning"]);
    program.wait_until_done(&run);
    run.signal("-STOP");
    again(6);
    run.signal("-CONT");
    let status = wait_for("the refusal", || run.child.try_wait().unwrap());
    refused(&run, status, &[&program.topic("log"), "was deleted and created again"]);
}

/// Semantics A29, A33.
#[test]
fn another_utc_offset_or_other_ids_are_refused() {
    let Some(broker) = Broker::shared() else { return };
    let utc = RULES.replacen("name: default", "name: other", 1);
    let east = RULES.replacen("# utc_offset: \"-08:00\"", "utc_offset: \"+05:30\"", 1);
    let folds = RULES.replacen("fold: false", "fold: true", 1);
    let (time, ids) = ("`time` of the rules cannot change", "`ids` of the rules cannot change");
    for (before, other, chapter, refusal) in [
        (&utc, &east, time, ["time.utc_offset of the rules is +05:30", "with +00:00"]),
        (&east, &utc, time, ["time.utc_offset of the rules is +00:00", "with +05:30"]),
        (&utc, &folds, ids, ["`ids` of the rules are not those with which group", "Restore them"]),
    ] {
        let program = Program::with_topics(&broker, "rules: {file: rules.yaml}");
        program.write("rules.yaml", before);
        program.write("other.yaml", other);
        program.send("m1", &accounts()[0], "2026-03-02T10:00:00Z");
        program.work(&[]);
        program.run(&["rules", "activate", "other.yaml"]).fails(2, &[chapter]);
        program.write("rules.yaml", other);
        program.run(&["run"]).fails(1, &refusal);
        assert_eq!(program.read("handoff.high").len(), 1);
        // Other rules with the same days and ids are followed.
        program.write("rules.yaml", before.replacen("name: ", "name: more-", 1));
        program.send("m2", &accounts()[1], "2026-03-02T10:00:00Z");
        program.work(&[]);
        assert_eq!(program.read("handoff.high").len(), 2);
    }
}

/// Semantics A35.
#[test]
fn an_event_in_the_wrong_partition_is_counted_and_logged_once() {
    let Some(broker) = Broker::shared() else { return };
    for (partitioner, misplaced) in [("murmur2", 2), ("crc32", 2), ("none", 0)] {
        let program = Program::with_topics(&broker, &format!("input: {{format: json, partitioner: {partitioner}}}"));
        // What the program sends is where it belongs; rules, and events that are malformed, belong nowhere.
        let events = (0..8).map(|n| track(&format!("s{n}"), "Page", &format!("acme-{n}"), "2026-03-02T10:00:00Z"));
        program.write("events.ndjson", events.collect::<Vec<_>>().join("\n"));
        program.run(&["send", "events.ndjson"]).ok();
        program.write("rules.yaml", RULES.replacen("name: default", "name: other", 1));
        program.run(&["rules", "activate", "rules.yaml"]).ok();
        let produce = |partition: i32, id: &str, account: &str| {
            let event = track(id, "Contact Sales", account, "2026-03-02T10:00:00Z");
            program.produce("log", partition, account.as_bytes(), event.as_bytes());
        };
        (0..PARTITIONS).for_each(|partition| produce(partition, &format!("n{partition}"), "null"));
        let [first, second] = if partitioner == "crc32" { ["acme-d", "acme-a"].map(str::to_owned) } else { accounts() };
        for (id, account) in [("m1", &first), ("m2", &second), ("m3", &second)] {
            produce(0, id, account);
        }

        let mut run = program.start(&["run"]);
        program.wait_until_done(&run);
        let line = format!("upswell_events_misplaced_total {misplaced}");
        wait_for("the count", || run.get("/metrics").1.lines().any(|shown| shown == line).then_some(()));
        assert!(run.terminate().success(), "{}", run.said());
        assert_eq!(run.said().matches("input.partitioner").count(), usize::from(misplaced > 0), "{}", run.said());
        assert_eq!(program.read("handoff.high").len(), 2, "they are applied");
    }
}
