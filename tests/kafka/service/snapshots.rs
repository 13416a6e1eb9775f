//! Tests of snapshots: a restart folds nothing again, what cannot be used is passed over, and the log may lose what
//! snapshots cover.

use std::path::Path;

use super::*;

/// Events of some accounts on one day, with handoffs among them, each once.
fn day(number: u32) -> String {
    let accounts = (0..6).flat_map(|account| {
        let (account, at) = (format!("account-{account}"), format!("2026-03-{number:02}T10:00:00Z"));
        let used = track(&format!("f-{account}-{number}"), "Feature Used", &account, &at);
        let asked = track(&format!("c-{account}-{number}"), "Contact Sales", &account, &at);
        [used, asked]
    });
    accounts.collect::<Vec<_>>().join("\n")
}

/// How many events were folded, by these metrics.
fn events_of(metrics: &str) -> u64 {
    let counts = metrics.lines().filter(|line| line.starts_with("upswell_events_total{"));
    counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// The files below a folder whose names end like this, sorted.
fn stored_in(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(stored_in(&path, suffix)),
            false => found.extend(path.to_str().unwrap().ends_with(suffix).then_some(path)),
        }
    }
    found.sort();
    found
}

impl Program {
    fn send_day(&self, number: u32) {
        self.write("day.ndjson", day(number));
        let mut all = fs::read_to_string(self.path("all.ndjson")).unwrap_or_default();
        all += &day(number);
        self.write("all.ndjson", all + "\n");
        self.run(&["send", "day.ndjson"]).ok();
    }

    /// Runs the service until the log is worked off, and stops it. Returns what it said, and how many events it folded.
    fn work_off(&self) -> (String, u64) {
        let mut run = self.start(&["run"]);
        run.until_ready();
        self.wait_until_done(&run);
        let events = events_of(&run.get("/metrics").1);
        assert!(run.terminate().success(), "{}", run.said());
        (run.said(), events)
    }

    /// The files of its snapshots whose names end like this.
    fn stored(&self, suffix: &str) -> Vec<PathBuf> {
        stored_in(&self.path("upswell-snapshots"), suffix)
    }

    /// Deletes the records of the log before these offsets, by partition.
    fn trim_log(&self, before: &[i64]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let mut list = TopicPartitionList::new();
        for (partition, offset) in (0..).zip(before) {
            list.add_partition_offset(&self.topic("log"), partition, Offset::Offset(*offset)).unwrap();
        }
        block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    }

    /// What a replay of everything that was sent gives is what was published.
    fn assert_published_is_all(&self) {
        self.run(&["replay", "all.ndjson", "--handoffs", "handoffs"]).ok();
        let ids = |lines: &[String]| -> Vec<String> {
            let id = |line: &String| line.parse::<Value>().unwrap()["handoffId"].as_str().unwrap().to_owned();
            let mut ids: Vec<String> = lines.iter().map(id).collect();
            ids.sort();
            ids
        };
        let published = ["handoff.high", "handoff.medium", "handoff.low"].map(|topic| self.published(topic)).concat();
        assert!(!published.is_empty());
        assert_eq!(ids(&published), ids(&self.lines("handoffs")));
    }
}

#[test]
fn a_restart_begins_where_it_stopped_and_the_log_may_lose_what_was_before() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.send_day(1);
    let (said, events) = program.work_off();
    assert_eq!((events, said.contains("restored from a snapshot")), (12, false), "{said}");
    program.send_day(2);
    let (said, events) = program.work_off();
    assert_eq!(events, 12, "events are folded again: {said}");
    assert_eq!(said.matches("restored from a snapshot").count(), PARTITIONS as usize, "{said}");
    program.assert_published_is_replayed();

    program.trim_log(&program.end_of_log());
    program.send_day(3);
    assert_eq!(program.work_off().1, 12);
    program.assert_published_is_all();

    // Offsets that were set by hand do not name a snapshot: the newest before them is used.
    let consumer: BaseConsumer = program.client().create().unwrap();
    let mut offsets = TopicPartitionList::new();
    for (partition, offset) in (0..).zip(program.committed()) {
        offsets.add_partition_offset(&program.topic("log"), partition, Offset::Offset(offset)).unwrap();
    }
    consumer.commit(&offsets, rdkafka::consumer::CommitMode::Sync).unwrap();
    program.send_day(4);
    assert_eq!(program.work_off().1, 12);

    // Without them the log is not enough, and nothing is begun anew.
    fs::rename(program.path("upswell-snapshots"), program.path("elsewhere")).unwrap();
    program.is_refused(&[], &["begins at offset", "no usable snapshot", "upswell snapshot ls"]);
    fs::remove_dir_all(program.path("upswell-snapshots")).unwrap();
    fs::rename(program.path("elsewhere"), program.path("upswell-snapshots")).unwrap();
    assert_eq!(program.work_off().1, 0);
}

/// The files below a folder that contain a text, as they are or unpacked.
fn naming(folder: &Path, text: &str) -> Vec<PathBuf> {
    let is_in = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let mut files = stored_in(folder, "");
    files.retain(|path| {
        let bytes = fs::read(path).unwrap();
        is_in(&bytes) || zstd::decode_all(&bytes[..]).is_ok_and(|unpacked| is_in(&unpacked))
    });
    files
}

#[test]
fn a_user_who_was_erased_is_in_no_snapshot_and_has_no_profile() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    let user = "ann.to.be.erased@acme.example";
    let days = |user: &str, days: std::ops::Range<u32>| {
        let event = |day| {
            format!(
                r#"{{"type":"track","event":"Feature Used","messageId":"{user}-{day}","userId":"{user}",
                "timestamp":"2026-03-{day:02}T10:00:00Z","context":{{"groupId":"account-1"}}}}"#
            )
            .replace('\n', "")
        };
        days.map(event).collect::<Vec<_>>().join("\n")
    };
    let called = format!(
        r#"{{"type":"identify","userId":"{user}","timestamp":"2026-03-01T09:00:00Z","context":{{"groupId":"account-1"}},"#
    ) + &format!(r#""traits":{{"email":"{user}","title":"CFO"}}}}"#);
    program.write("all.ndjson", [called, days(user, 1..9), days("bob", 2..9)].join("\n"));
    program.run(&["send", "all.ndjson"]).ok();
    program.work_off();
    let snapshots = program.path("upswell-snapshots");
    assert!(!naming(&snapshots, user).is_empty());
    let profiles = |user: &str| {
        let keys = program.last_of_each_key("users").into_keys();
        keys.filter(|key| key.windows(user.len()).any(|part| part == user.as_bytes())).count()
    };
    assert_eq!((profiles(user), profiles("bob")), (1, 1));

    program.run(&["forget", "null"]).fails(2, &["\"null\" is the id of no user"]);
    let ordered = program.run(&["forget", user]).ok().out;
    assert!(ordered.contains(&format!("all {PARTITIONS} partitions")), "{ordered}");
    program.write("more.ndjson", days("bob", 9..12));
    program.run(&["send", "more.ndjson"]).ok();
    let (said, _) = program.work_off();
    let erased = |accounts: u32| {
        let number = format!("\"accounts\":{accounts}}}");
        said.lines().filter(|line| line.contains("a user was erased") && line.contains(&number)).count()
    };
    assert_eq!((erased(1), erased(0)), (1, PARTITIONS as usize - 1), "{said}");
    assert!(!said.contains(user), "the service logs the id");
    assert_eq!((profiles(user), profiles("bob")), (0, 1));

    // Blocks that were stored less than an hour ago may belong to a snapshot that is being taken.
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(7_200);
    let age = |path: &PathBuf| fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    program.stored("").iter().for_each(age);
    program.run(&["snapshot", "prune", "--committed-only"]).ok();
    assert_eq!(naming(&snapshots, user), Vec::<PathBuf>::new());
    program.run(&["snapshot", "verify", "--all"]).ok();
    program.assert_published_is_replayed();
}

#[test]
fn snapshots_are_listed_verified_and_pruned() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.run(&["snapshot", "verify"]).fails(1, &["opening the snapshots at upswell-snapshots"]);
    assert!(!program.path("upswell-snapshots").exists(), "only the service makes the folder");
    for number in 1..5 {
        program.send_day(number);
        program.work_off();
    }
    let listed = program.run(&["snapshot", "ls"]).ok().out;
    assert_eq!(listed.matches("committed").count(), PARTITIONS as usize, "{listed}");
    let shown: Value = program.run(&["snapshot", "show", "0"]).ok().out.parse().unwrap();
    assert_eq!((&shown["partition"], &shown["offset"]), (&json!(0), &json!(program.committed()[0])));
    let name = listed.split_whitespace().nth(1).unwrap();
    let first: Value = program.run(&["snapshot", "show", "0", name, "--blocks"]).ok().out.parse().unwrap();
    assert!(first["offset"].as_i64() < shown["offset"].as_i64() && first["blocks"].is_array(), "{first}");
    program.run(&["snapshot", "show", "0", "nothing"]).fails(1, &["snapshot nothing of partition 0"]);
    let told = program.run(&["snapshot", "verify", "--all"]).ok().out;
    assert_eq!(told.matches("sound").count(), listed.lines().count(), "{told}");

    // Another process that folds the same log has the same snapshots.
    let twin = Program::new(&broker, "");
    let config = fs::read_to_string(program.path("upswell.yaml")).unwrap();
    let names = |group: &str| format!("group: '{group}'");
    twin.write("upswell.yaml", config.replace(&names(&program.prefix), &names(&twin.prefix)));
    let location = ("UPSWELL_SNAPSHOTS__LOCATION", twin.path("snapshots"));
    let mut run = twin.start_with(&["run", "--from-the-beginning"], &[(location.0, location.1.to_str().unwrap())]);
    run.until_ready();
    assert!(run.terminate().success(), "{}", run.said());
    // Each group has a folder of its own.
    fs::rename(location.1.join(&twin.prefix), location.1.join(&program.prefix)).unwrap();
    let against = ["snapshot", "verify", "--against", location.1.to_str().unwrap()];
    let told = program.run(&against).ok().out;
    assert_eq!(told.matches("the same there").count(), PARTITIONS as usize, "{told}");
    // What is damaged is not compared.
    for manifest in stored_in(&location.1, ".json") {
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, text.replace("\"blocks\"", "\"others\"")).unwrap();
    }
    program.run(&against).fails(1, &["is damaged"]);

    let pruned = program.run(&["snapshot", "prune"]).ok().out;
    assert!(pruned.starts_with("removed "), "{pruned}");
    let left = program.run(&["snapshot", "ls"]).ok().out;
    assert!(left.lines().count() <= 2 * PARTITIONS as usize, "{left}");

    // Snapshots are taken when somebody asks for them, too.
    let mut run = program.start_with(&["run"], &[("UPSWELL_SNAPSHOTS__EVERY", "1h")]);
    run.until_ready();
    program.send_day(5);
    program.wait_until_done(&run);
    let before = program.stored(".json");
    assert_eq!(run.ask("POST", "/snapshots").0, 202);
    let is_new = |path: &PathBuf| !before.contains(path);
    let asked =
        || (program.stored(".json").iter().filter(|path| is_new(path)).count() == PARTITIONS as usize).then_some(());
    wait_for("the snapshots that were asked for", asked);
    assert!(run.terminate().success(), "{}", run.said());
}

/// A member that gives up a partition commits a snapshot of it first. Both protocols of groups are tried.
#[test]
fn a_partition_that_moves_is_not_folded_again() {
    let Some(broker) = Broker::shared() else { return };
    for protocol in ["classic", "consumer"] {
        let program = Program::with_topics(&broker, "");
        program.send_day(1);
        let environment = [("UPSWELL_KAFKA__PROPERTIES__GROUP_PROTOCOL", protocol)];
        let mut first = program.start_with(&["run"], &environment);
        first.until_ready();
        program.wait_until_done(&first);
        let mut second = program.start_with(&["run"], &environment);
        let restored = |run: &Running| run.said().matches("restored from a snapshot").count();
        wait_for("a partition of the second process", || (restored(&second) == 1).then_some(()));
        program.send_day(2);
        program.wait_until_done(&second);
        let events = [&first, &second].map(|run| events_of(&run.get("/metrics").1));
        assert_eq!(events.iter().sum::<u64>(), 24, "{protocol}: {events:?}: {}", second.said());
        // The other one goes, and its partition comes back with what it has folded since.
        assert!(first.terminate().success(), "{}", first.said());
        wait_for("the other partition", || (restored(&second) == 2).then_some(()));
        program.send_day(3);
        program.wait_until_done(&second);
        assert!(second.terminate().success(), "{}", second.said());
        program.assert_published_is_replayed();
    }
}

/// Where snapshots cannot be stored, everything else goes on.
#[test]
fn a_store_that_refuses_stops_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    for partition in 0..PARTITIONS {
        let folder = program.path("upswell-snapshots").join(&program.prefix).join(program.topic("log"));
        fs::create_dir_all(folder.join(partition.to_string())).unwrap();
        fs::write(folder.join(format!("{partition}/blocks")), "not a folder").unwrap();
    }
    program.send_day(1);
    let (said, events) = program.work_off();
    assert_eq!(said.matches("no snapshot: it is tried again").count(), 1, "{said}");
    assert_eq!(events, 12);
    let (said, events) = program.work_off();
    assert_eq!((events, said.contains("restored from a snapshot")), (12, false), "{said}");
    program.assert_published_is_replayed();
    // A place that cannot be made is an error at the start.
    program.is_refused(&[("UPSWELL_SNAPSHOTS__LOCATION", "upswell.yaml/x")], &["upswell.yaml/x", "snapshots.location"]);
    program.is_refused(&[("UPSWELL_SNAPSHOTS__LOCATION", "nowhere://x")], &["nowhere://x", "snapshots.location"]);
}

/// What cannot be read now may be there: nothing is folded from the beginning instead. Only the partition waits.
#[test]
fn a_store_that_does_not_answer_is_waited_for() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.send_day(1);
    program.work_off();
    let mut blocks = program.stored(".zst");
    blocks.retain(|path| path.parent().unwrap().ends_with("0/blocks"));
    let contents: Vec<Vec<u8>> = blocks.iter().map(|path| fs::read(path).unwrap()).collect();
    for path in &blocks {
        // It is there, and cannot be read.
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink(path, path).unwrap();
    }
    let mut run = program.start(&["run"]);
    wait_for("a warning", || run.said().contains("does not answer: trying again").then_some(()));
    program.send_day(2);
    let folded = || Some(events_of(&run.get("/metrics").1)).filter(|events| *events > 0);
    wait_for("events of the other partition", folded);
    std::thread::sleep(Duration::from_secs(3));
    assert!(folded() < Some(12), "{}", run.said());
    assert_eq!(run.said().matches("does not answer").count(), 1, "logged once: {}", run.said());
    let (status, missing) = run.get("/readyz");
    assert!(status == 503 && missing.contains("partition 0 restores its state"), "{status} {missing}");
    for (path, content) in blocks.iter().zip(contents) {
        fs::remove_file(path).unwrap();
        fs::write(path, content).unwrap();
    }
    run.until_ready();
    program.wait_until_done(&run);
    assert_eq!(events_of(&run.get("/metrics").1), 12, "{}", run.said());
    assert!(run.terminate().success(), "{}", run.said());
    program.assert_published_is_replayed();
}

/// Nothing is lost where there is no memory for it: it waits in the log.
#[test]
fn while_memory_is_full_nothing_new_is_taken_and_the_process_lives() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    program.send_day(1);
    let little = [("UPSWELL_WORKER__MEMORY_MIB", "1")];
    let mut run = program.start_with(&["run"], &little);
    let waits = |run: &Running, partitions: usize| {
        let (status, body) = run.get("/readyz");
        (status == 503 && body.matches("until there is memory").count() == partitions).then_some(())
    };
    wait_for("partitions that wait before their first record", || waits(&run, PARTITIONS as usize));
    assert_eq!((run.get("/livez").0, events_of(&run.get("/metrics").1)), (200, 0));
    wait_for("the log to say so", || (run.said().matches("memory is full").count() == 1).then_some(()));
    assert!(run.terminate().success(), "{}", run.said());
    program.work_off();

    // Now there are snapshots, for which there is no memory either.
    program.send_day(2);
    let mut run = program.start_with(&["run"], &little);
    wait_for("partitions that wait for their state", || waits(&run, PARTITIONS as usize));
    assert_eq!(events_of(&run.get("/metrics").1), 0);
    assert!(run.terminate().success(), "{}", run.said());
    assert_eq!(program.work_off().1, 12);
    program.assert_published_is_replayed();
}

/// Blocks that something else has removed are stored again.
#[test]
fn blocks_that_are_gone_are_stored_again() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "snapshots: {every: 200ms}");
    program.send_day(1);
    let mut run = program.start(&["run"]);
    run.until_ready();
    program.wait_until_done(&run);
    wait_for("snapshots", || {
        (program.path("upswell-snapshots").exists() && !program.stored(".json").is_empty()).then_some(())
    });
    for block in program.stored(".zst") {
        let _ = fs::remove_file(block);
    }
    // Each snapshot looks for the blocks that it names.
    for number in 2..6 {
        program.send_day(number);
        program.wait_until_done(&run);
        std::thread::sleep(Duration::from_millis(600));
    }
    assert!(run.said().contains("blocks of snapshots are gone"), "{}", run.said());
    assert!(run.terminate().success(), "{}", run.said());
    let (said, events) = program.work_off();
    assert_eq!(said.matches("restored from a snapshot").count(), PARTITIONS as usize, "{said}");
    assert_eq!(events, 0, "{said}");
    program.assert_published_is_replayed();
}

/// What was committed tells whether the log gives the same again.
#[test]
fn a_log_that_gives_another_result_is_refused() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "snapshots: {enabled: false}");
    program.send_day(1);
    program.work_off();
    // Another trail is put in the place of the one that was committed.
    let consumer: BaseConsumer = program.client().create().unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition(&program.topic("log"), partition);
    }
    let before = consumer.committed_offsets(list, QUESTION).unwrap();
    let mut after = TopicPartitionList::new();
    for element in before.elements() {
        let (mut element_after, metadata) =
            (after.add_partition(element.topic(), element.partition()), element.metadata().to_owned());
        let at = metadata.find("trail ").expect("a trail") + "trail ".len();
        let other = format!("{}{:016x}{}", &metadata[..at], 7, &metadata[at + 16..]);
        element_after.set_offset(element.offset()).unwrap();
        element_after.set_metadata(&other);
    }
    consumer.commit(&after, rdkafka::consumer::CommitMode::Sync).unwrap();
    program.is_refused(&[], &["trail", "0000000000000007", "another result"]);
    // A start by other rules expects no trail.
    program.write("rules.yaml", RULES.replace("name: default", "name: other"));
    let config = fs::read_to_string(program.path("upswell.yaml")).unwrap();
    program.write("upswell.yaml", config + "rules: {file: rules.yaml}\n");
    assert_eq!(program.work_off().1, 12);
}

#[test]
fn a_snapshot_that_cannot_be_used_is_passed_over() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "");
    for number in 1..4 {
        program.send_day(number);
        program.work_off();
    }
    // The newest manifest of each partition is cut off: the snapshots before are used.
    let manifests = program.stored(".json");
    let folder = |path: &PathBuf| path.parent().unwrap().to_owned();
    for pair in manifests.chunk_by(|a, b| folder(a) == folder(b)) {
        assert!(pair.len() >= 2, "{pair:?}");
        let newest = pair.last().unwrap();
        let bytes = fs::read(newest).unwrap();
        fs::write(newest, &bytes[..bytes.len() / 2]).unwrap();
    }
    program.send_day(4);
    let (said, events) = program.work_off();
    assert_eq!(said.matches("a snapshot cannot be used").count(), PARTITIONS as usize, "{said}");
    assert_eq!(said.matches("restored from a snapshot").count(), PARTITIONS as usize, "{said}");
    assert!(said.contains("damaged"), "{said}");
    assert_eq!(events, 24, "{said}");
    // No block is what it was: the log is folded from its beginning.
    for block in program.stored(".zst") {
        let mut bytes = fs::read(&block).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&block, bytes).unwrap();
    }
    program.send_day(5);
    let (said, events) = program.work_off();
    assert_eq!((events, said.contains("restored from a snapshot")), (60, false), "{said}");
    // What is stored since is sound again.
    program.send_day(6);
    assert_eq!(program.work_off().1, 12);
    program.assert_published_is_replayed();
}

#[test]
fn other_rules_and_outputs_do_not_go_on_from_a_snapshot_of_others() {
    let Some(broker) = Broker::shared() else { return };
    let program = Program::with_topics(&broker, "outputs: {metrics: false, accounts: false, users: false}");
    for number in 1..3 {
        program.send_day(number);
        program.work_off();
    }
    let config = fs::read_to_string(program.path("upswell.yaml")).unwrap();
    program.write("upswell.yaml", config.replace("accounts: false, users: false", "accounts: true, users: true"));
    program.run(&["topics"]).ok();
    // With other outputs the state is the same, and closes visit more accounts from now on: also those without an event
    // since, whose figures change as time passes.
    let others = [0, 1].map(|partition| {
        let is_there = |account: &String| upswell::kafka::partition_of(account.as_bytes(), PARTITIONS) == partition;
        (0..).map(|number| format!("other-{number}")).find(is_there).unwrap()
    });
    for number in [3, 28] {
        let used = |account: &String| {
            track(&format!("{account}-{number}"), "Feature Used", account, &format!("2026-03-{number:02}T10:00:00Z"))
        };
        program.write("day.ndjson", others.each_ref().map(used).join("\n"));
        program.run(&["send", "day.ndjson"]).ok();
        assert_eq!(program.work_off().1, 2);
    }
    program.replay();
    program.assert_profiles_are_replayed();
    // With other rules it follows from the log.
    program.write("rules.yaml", RULES.replace("name: default", "name: other"));
    let config = fs::read_to_string(program.path("upswell.yaml")).unwrap();
    program.write("upswell.yaml", config + "rules: {file: rules.yaml}\n");
    let (said, events) = program.work_off();
    assert!(said.contains("it follows from the rules default@"), "{said}");
    assert_eq!(events, 28, "{said}");
}
