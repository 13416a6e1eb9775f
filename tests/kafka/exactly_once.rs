//! Tests exactly-once from end to end: two processes on a real Kafka are killed at random moments, and must publish
//! exactly what a replay of the log gives, without a loss and without a duplicate.
//!
//! The messages are read by a plain librdkafka consumer and decoded from `proto/` by reflection, so that the test does
//! not depend on the code under test. `UPSWELL_TEST_SEED` repeats the faults of one run; `UPSWELL_TEST_KILLS` and
//! `UPSWELL_TEST_FAULTS` set their number.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use prost_reflect::{DescriptorPool, DynamicMessage};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::OwnedMessage;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::broker::{Broker, unique};
use crate::service::{ask, metrics_row};

mod full_disk;
mod moves;

const PARTITIONS: i32 = 4;
const KILLS: u64 = 22;
/// Few, because the suite must end soon; a long run has 24 or more.
const FAULTS: u64 = 4;
/// After this a test that waits for something has failed.
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn kills_at_random_moments_lose_and_duplicate_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let seed = from_environment("UPSWELL_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let kills = from_environment("UPSWELL_TEST_KILLS").unwrap_or(KILLS);
    println!("UPSWELL_TEST_SEED={seed} UPSWELL_TEST_KILLS={kills}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let service = Service::new(folder.path(), &broker.brokers);
    // While the processes are killed, events keep coming: for a second and a half a kill.
    let mut generator = service.generate(kills * 3_000, 2_000);
    let mut processes = ["a", "b"].map(|name| service.start(name));
    for kill in 0..kills {
        std::thread::sleep(Duration::from_millis(rng.random_range(200..2_400)));
        let victim = rng.random_range(0..2_usize);
        processes[victim].kill().unwrap();
        processes[victim].wait().unwrap();
        println!("kill {kill}: process {victim}");
        if rng.random_bool(0.2) {
            std::thread::sleep(Duration::from_millis(rng.random_range(0..3_000)));
        }
        processes[victim] = service.start(["a", "b"][victim]);
    }
    assert!(generator.wait().unwrap().success(), "{}", service.said("generator"));
    service.ends_well(&mut processes);
}

/// A process is killed, halted for longer than its session lasts, or restarted; another one joins and leaves, or there are
/// four of them and then one; what is stored of the newest snapshots is damaged; the broker is killed and comes back; or the
/// network is silent, slow, or cut.
#[test]
fn faults_of_processes_broker_and_network_lose_and_duplicate_nothing() {
    let Some((mut broker, proxy)) = Broker::behind_proxy() else { return };
    let seed = from_environment("UPSWELL_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let faults = from_environment("UPSWELL_TEST_FAULTS").unwrap_or(FAULTS);
    println!("UPSWELL_TEST_SEED={seed} UPSWELL_TEST_FAULTS={faults}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let brokers = broker.brokers.clone();
    let service = Service::new(folder.path(), &brokers);
    // Events keep coming for 8 s a fault, about as long as one takes.
    let mut generator = service.generate(faults * 2_000, 250);
    let mut processes = ["a", "b"].map(|name| service.start(name));
    let (began, mut kinds) = (Instant::now(), Vec::new());
    for fault in 0..faults {
        std::thread::sleep(Duration::from_millis(rng.random_range(500..6_000)));
        let victim = rng.random_range(0..2_usize);
        // Each kind comes before one comes again.
        if kinds.is_empty() {
            kinds = (0..10).collect();
        }
        match kinds.swap_remove(rng.random_range(0..kinds.len())) {
            0 => {
                println!("{:?}, fault {fault}: process {victim} is killed", began.elapsed());
                service.assert_alive(&mut processes);
                processes[victim].kill().unwrap();
                processes[victim].wait().unwrap();
                processes[victim] = service.start(["a", "b"][victim]);
            }
            1 => {
                println!("{:?}, fault {fault}: process {victim} is halted", began.elapsed());
                signal(&processes[victim], "-STOP");
                std::thread::sleep(Duration::from_millis(rng.random_range(7_000..12_000)));
                signal(&processes[victim], "-CONT");
            }
            2 => {
                println!("{:?}, fault {fault}: process {victim} is restarted", began.elapsed());
                service.ends(&mut processes[victim], ["a", "b"][victim]);
                processes[victim] = service.start(["a", "b"][victim]);
            }
            3 => {
                println!("{:?}, fault {fault}: another process joins and leaves", began.elapsed());
                let mut other = service.start("c");
                std::thread::sleep(Duration::from_millis(rng.random_range(1_000..10_000)));
                service.ends(&mut other, "c");
            }
            4 => {
                let damaged = service.damage_newest(if rng.random_bool(0.5) { "blocks" } else { "snapshots" });
                println!("{:?}, fault {fault}: {damaged} files of snapshots are damaged", began.elapsed());
            }
            5 => {
                println!("{:?}, fault {fault}: four processes, and then one", began.elapsed());
                let mut more = ["c", "d"].map(|name| service.start(name));
                std::thread::sleep(Duration::from_millis(rng.random_range(1_000..10_000)));
                service.ends(&mut processes[victim], ["a", "b"][victim]);
                more.iter_mut().zip(["c", "d"]).for_each(|(process, name)| service.ends(process, name));
                std::thread::sleep(Duration::from_millis(rng.random_range(0..3_000)));
                processes[victim] = service.start(["a", "b"][victim]);
            }
            6 => {
                let long = Duration::from_millis(rng.random_range(500..15_000));
                println!("{:?}, fault {fault}: the network is silent for {long:?}", began.elapsed());
                proxy.is_silent_for(long);
            }
            7 => {
                let (long, delay) = (rng.random_range(1_000..6_000), rng.random_range(20..400));
                println!("{:?}, fault {fault}: the network is slower by {delay} ms for {long} ms", began.elapsed());
                proxy.is_slow_for(Duration::from_millis(long), Duration::from_millis(delay));
            }
            8 => {
                println!("{:?}, fault {fault}: all connections are cut", began.elapsed());
                proxy.cut();
            }
            _ => {
                println!("{:?}, fault {fault}: the broker is killed", began.elapsed());
                assert!(broker.signal("-KILL"));
                std::thread::sleep(Duration::from_millis(rng.random_range(0..5_000)));
                broker.restart();
            }
        }
    }
    assert!(generator.wait().unwrap().success(), "{}", service.said("generator"));
    service.ends_well(&mut processes);
}

/// Tests that a service under faults publishes what a replay of its log gives, and that its processes still end when
/// asked to.
impl Service<'_> {
    /// Creates the topics, and sends faulty events and then those of a simulated product, this number per second.
    fn generate(&self, events: u64, rate: u64) -> Process {
        self.run_to_end(&["topics"]);
        let spoiled = self.folder.join("spoiled.ndjson");
        std::fs::write(&spoiled, SPOILED).unwrap();
        self.run_to_end(&["send", spoiled.to_str().unwrap()]);
        let (log, events, rate) = (self.log(), events.to_string(), rate.to_string());
        let product = ["generate", "--seed", "3", "--users", "1500", "--end", "2026-08-01"];
        let sent = ["--rate", &rate, "--events", &events, "--topic", &log];
        self.spawn(&[&product[..], &sent[..]].concat(), "generator")
    }

    fn assert_alive(&self, processes: &mut [Process; 2]) {
        for (process, name) in processes.iter_mut().zip(["a", "b"]) {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "{name} stopped by itself: {}", self.said(name));
        }
    }

    fn ends_well(&self, processes: &mut [Process; 2]) {
        self.wait_until_done(&self.log());
        self.assert_alive(processes);
        for (process, name) in processes.iter_mut().zip(["a", "b"]) {
            self.ends(process, name);
        }
        self.assert_published_is_replayed();
    }

    /// Asks a process to end, and waits for it.
    fn ends(&self, process: &mut Child, name: &str) {
        signal(process, "-TERM");
        assert!(process.wait().unwrap().success(), "a graceful end is a success: {}", self.said(name));
    }

    /// Cuts off the file of each partition that was stored last. Returns how many.
    fn damage_newest(&self, kind: &str) -> usize {
        let log = self.folder.join("snapshots").join(&self.prefix).join(self.log());
        let newest = (0..PARTITIONS).filter_map(|partition| {
            let files = std::fs::read_dir(log.join(partition.to_string()).join(kind)).ok()?;
            // One may be removed meanwhile, or be stored and not have its name yet.
            let stored = files
                .filter_map(|file| Some((file.as_ref().ok()?.metadata().ok()?.modified().ok()?, file.ok()?.path())));
            stored.max().map(|(_, path)| path)
        });
        newest.filter_map(|path| std::fs::OpenOptions::new().write(true).open(path).ok()?.set_len(20).ok()).count()
    }

    fn assert_published_is_replayed(&self) {
        let replayed = self.replay(&self.log());
        let published = self.published();
        for (topic, replayed) in &replayed {
            let published = published.get(topic).cloned().unwrap_or_default();
            assert_same(topic, replayed, &published);
        }
        let mut profiles = self.profiles_of_the_log();
        for (topic, message) in [("accounts", "AccountProfile"), ("users", "UserProfile")] {
            assert_same(topic, &self.lines(topic), &self.last_of_each_key(topic, message));
            let published = self.read_committed(&format!("{}.{topic}", self.prefix)).into_iter();
            let published = published.map(|(_, bytes)| bytes.map_or("gone".into(), |bytes| decode(message, &bytes)));
            // Users of an account are in several partitions.
            let (mut published, replayed) = (published.collect::<Vec<_>>(), profiles.remove(topic).unwrap());
            published.sort_unstable();
            assert!(published.len() > 1_000, "few profiles: {}", published.len());
            let differs = published.iter().zip(&replayed).find(|(published, replayed)| published != replayed);
            assert!(published == replayed, "{topic}: {} and {}: {differs:#?}", published.len(), replayed.len());
        }
        for needed in ["handoff.high", "handoff.medium", "handoff.low", "signals", "metrics", "dead-letter"] {
            assert!(replayed.get(needed).is_some_and(|lines| !lines.is_empty()), "the log made nothing for {needed}");
        }
    }
}

/// A line that is not JSON, a user id that is a number, and an event of another century after one of this century. They are
/// older than the load, which would be too late otherwise.
const SPOILED: &str = r#"{"messageId":"s1","type":"track","event":"Feature Used","userId":"ann","context":{"groupId":"spoiled"},"timestamp":"2020-01-05T00:00:00Z"}
not JSON at all
{"messageId":"s2","type":"track","event":"Feature Used","userId":7,"context":{"groupId":"spoiled"},"timestamp":"2020-01-05T00:00:00Z"}
{"messageId":"s3","type":"track","event":"Feature Used","userId":"ann","context":{"groupId":"spoiled"},"timestamp":"1920-01-05T00:00:00Z"}
"#;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// The program with its configuration, on topics of its own.
struct Service<'a> {
    folder: &'a Path,
    brokers: &'a str,
    prefix: String,
    /// The command before that of the program.
    within: Vec<String>,
}

impl<'a> Service<'a> {
    fn new(folder: &'a Path, brokers: &'a str) -> Service<'a> {
        let (prefix, snapshots) = (unique("exactly-once"), folder.join("snapshots"));
        let snapshots = snapshots.display();
        let config = format!(
            "kafka: {{brokers: '{brokers}', group: '{prefix}', transactional_id_prefix: '{prefix}', properties: {{session.timeout.ms: 6000}}}}\n\
             topics: {{prefix: '{prefix}', partitions: {PARTITIONS}}}\n\
             worker: {{threads: 2, commit_interval: 200ms, transaction_messages: 40}}\n\
             outputs: {{metrics: true}}\n\
             snapshots: {{location: '{snapshots}', every: 300ms}}\n\
             http: {{listen: '127.0.0.1:0'}}\n"
        );
        std::fs::write(folder.join("upswell.yaml"), config).unwrap();
        Service { folder, brokers, prefix, within: Vec::new() }
    }

    fn log(&self) -> String {
        format!("{}.log", self.prefix)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = [env!("CARGO_BIN_EXE_upswell").to_owned()];
        let mut words = self.within.iter().chain(&program);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).arg("--config").arg(self.folder.join("upswell.yaml")).stdin(Stdio::null());
        command
    }

    fn run_to_end(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn spawn(&self, arguments: &[&str], name: &str) -> Process {
        let mut said = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join(name)).unwrap();
        let mut command = self.command(arguments);
        let mut child = command.env("UPSWELL_KAFKA__GROUP_INSTANCE_ID", name).stderr(Stdio::piped()).spawn().unwrap();
        // Not by the process itself, whose files may have a limit.
        let mut says = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut says, &mut said));
        Process(child)
    }

    fn start(&self, name: &str) -> Process {
        self.spawn(&["run"], name)
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap_or_default()
    }

    /// The value of a metric without labels of a process.
    fn metric(&self, process: &str, name: &str) -> u64 {
        let deadline = Instant::now() + LIMIT;
        let address = loop {
            let said = self.said(process);
            if let Some((_, rest)) = said.rsplit_once("started address=") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
            assert!(Instant::now() < deadline, "{said}");
            std::thread::sleep(Duration::from_millis(50));
        };
        let (_, metrics) = ask(&address, "GET", "/metrics");
        let of = |line: &str| line.strip_prefix(name)?.trim().parse::<f64>().ok();
        metrics.lines().find_map(of).unwrap_or_default() as u64
    }

    /// Waits until the group has committed the end of every partition of the log.
    fn wait_until_done(&self, log: &str) {
        let watcher: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.brokers).set("group.id", &self.prefix).create().unwrap();
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut partitions = TopicPartitionList::new();
            partitions.add_partition_range(log, 0, PARTITIONS - 1);
            // A broker that has only just started may still look for the group's coordinator, or for leaders.
            let committed = watcher.committed_offsets(partitions, Duration::from_secs(10));
            drop(watcher.fetch_metadata(Some(log), Duration::from_secs(10)));
            let end = |partition| watcher.fetch_watermarks(log, partition, Duration::from_secs(10));
            let ends: Result<Vec<_>, _> = (0..PARTITIONS).map(end).collect();
            let (Ok(committed), Ok(ends)) = (committed, ends) else {
                assert!(Instant::now() < deadline, "the offsets of the group are not available");
                std::thread::sleep(Duration::from_millis(200));
                continue;
            };
            let left: i64 = (0..)
                .zip(ends)
                .map(|(partition, (_, end))| match committed.find_partition(log, partition).unwrap().offset() {
                    Offset::Offset(done) => end - done,
                    _ => end,
                })
                .sum();
            if left == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{left} records are left:\n{}\n{}", self.said("a"), self.said("b"));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What a replay of the log gives, as JSON lines by topic without its prefix.
    fn replay(&self, log: &str) -> BTreeMap<String, Vec<String>> {
        let path = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let (handoffs, signals, letters) = (path("handoffs"), path("signals"), path("letters"));
        let (onboarding, accounts, users) = (path("onboarding"), path("accounts"), path("users"));
        let outputs = ["--handoffs", &handoffs, "--signals", &signals, "--dead-letters", &letters];
        let metrics = path("metrics");
        let others = ["--onboarding", &onboarding, "--accounts", &accounts, "--users", &users, "--metrics", &metrics];
        self.run_to_end(&[&["replay", "--topic", log], &outputs[..], &others[..]].concat());
        let mut by_topic: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let files = [(&signals, "signals"), (&onboarding, "onboarding"), (&metrics, "metrics")];
        for (file, topic) in files.into_iter().chain([(&letters, "dead-letter"), (&handoffs, "handoff")]) {
            for line in std::fs::read_to_string(file).unwrap().lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                let level = value["level"].as_str().map(|level| level.replace("LEVEL_", ".").to_lowercase());
                by_topic.entry(topic.to_owned() + &level.unwrap_or_default()).or_default().push(value.to_string());
            }
        }
        by_topic
    }

    /// What a replay wrote into a file, as JSON.
    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join(file)).unwrap();
        text.lines().map(|line| line.parse::<serde_json::Value>().unwrap().to_string()).collect()
    }

    /// What compaction would leave of a topic of profiles, by key.
    fn last_of_each_key(&self, topic: &str, message: &str) -> Vec<String> {
        let mut last = BTreeMap::new();
        for (key, payload) in self.read_committed(&format!("{}.{topic}", self.prefix)) {
            match payload {
                Some(payload) => last.insert(key, decode(message, &payload)),
                None => last.remove(&key),
            };
        }
        last.into_values().collect()
    }

    /// The committed messages of the output topics, decoded by `proto/`.
    fn published(&self) -> BTreeMap<String, Vec<String>> {
        let messages = [
            ("handoff.high", "Handoff"),
            ("handoff.medium", "Handoff"),
            ("handoff.low", "Handoff"),
            ("signals", "SignalChanges"),
            ("onboarding", "Onboarding"),
            ("metrics", "AccountMetrics"),
            ("dead-letter", "DeadLetter"),
        ];
        messages
            .into_iter()
            .map(|(topic, message)| {
                let values = self.read_committed(&format!("{}.{topic}", self.prefix));
                let lines = values.iter().map(|(_, bytes)| decode(message, bytes.as_deref().unwrap_or_default()));
                let lines =
                    lines.map(|line| if topic == "metrics" { metrics_row(&line.parse().unwrap()) } else { line });
                (topic.to_owned(), lines.collect())
            })
            .collect()
    }

    /// Every profile that the log makes, by topic; of a tombstone nothing but that it is one.
    fn profiles_of_the_log(&self) -> BTreeMap<&str, Vec<String>> {
        use upswell::model::{Effects, EventTime, Wanted};
        use upswell::wire::{self, ToWire as _};
        let wanted = Wanted { accounts: true, users: true, ..Wanted::LEAST };
        let mut profiles: BTreeMap<&str, Vec<String>> = [("accounts", Vec::new()), ("users", Vec::new())].into();
        let mut partitions: BTreeMap<i32, upswell::engine::Partition> = BTreeMap::new();
        for message in self.read_messages(&self.log()) {
            let new = || upswell::engine::Partition::new(upswell::rules::default_plan());
            let partition = partitions.entry(message.partition()).or_insert_with(new);
            let time = message.timestamp().to_millis().and_then(EventTime::new);
            let record = upswell::engine::Record { offset: message.offset(), time };
            let admit = wire::Admit::of_log(message.headers().is_some());
            let payload = message.payload().unwrap_or_default();
            let decoded: Vec<_> = wire::decode_admitting(admit, wire::Format::Protobuf, payload).collect();
            let mut effects = Effects::new(wanted.clone());
            let _ = partition.apply(record, decoded.iter().flat_map(upswell::rules::Ready::new), &mut effects);
            let plain = |json: String| json.parse::<serde_json::Value>().unwrap().to_string();
            profiles.entry("accounts").or_default().extend(effects.accounts.iter().map(|it| plain(it.to_json())));
            let users = effects.users.iter().map(|it| if it.gone { "gone".into() } else { plain(it.to_json()) });
            profiles.entry("users").or_default().extend(users);
        }
        profiles.values_mut().for_each(|lines| lines.sort_unstable());
        profiles
    }

    /// Keys and values.
    fn read_committed(&self, topic: &str) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let bytes = |part: Option<&[u8]>| part.map(<[u8]>::to_vec);
        let messages = self.read_messages(topic).into_iter();
        messages.map(|message| (bytes(message.key()).unwrap_or_default(), bytes(message.payload()))).collect()
    }

    fn read_messages(&self, topic: &str) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.brokers)
            .set("group.id", unique("reader"))
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut partitions = TopicPartitionList::new();
        (0..PARTITIONS)
            .for_each(|partition| partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap());
        consumer.assign(&partitions).unwrap();
        let (mut values, mut ends) = (Vec::new(), 0);
        let deadline = Instant::now() + LIMIT;
        while ends < PARTITIONS {
            assert!(Instant::now() < deadline, "{topic} has no end");
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => values.push(message.detach()),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => ends += 1,
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => {}
            }
        }
        values
    }
}

/// A message of `proto/` as JSON.
fn decode(message: &str, bytes: &[u8]) -> String {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let files =
            ["handoff", "signal", "profile", "metrics", "dead_letter"].map(|name| format!("upswell/v1/{name}.proto"));
        DescriptorPool::from_file_descriptor_set(protox::compile(files, ["proto"]).unwrap()).unwrap()
    });
    let descriptor = POOL.get_message_by_name(&format!("upswell.v1.{message}")).unwrap();
    serde_json::to_value(DynamicMessage::decode(descriptor, bytes).unwrap()).unwrap().to_string()
}

/// A process, which does not outlive the test that started it.
struct Process(Child);

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(process: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Asserts that the messages are the same, each as often, and those of one account in the same order.
fn assert_same(topic: &str, replayed: &[String], published: &[String]) {
    let by_account = |lines: &[String]| {
        let mut accounts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in lines {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let place = ["partition", "offset"].map(|key| value[key].to_string()).concat();
            let account = value["account"].as_str().map_or(place, str::to_owned);
            accounts.entry(account).or_default().push(line.clone());
        }
        accounts
    };
    let (replayed, published) = (by_account(replayed), by_account(published));
    println!("{topic}: {} messages", replayed.values().map(Vec::len).sum::<usize>());
    for account in replayed.keys().chain(published.keys()) {
        let (replayed, published) = (replayed.get(account), published.get(account));
        assert!(replayed == published, "{topic}, {account}: replay says\n{replayed:#?}\npublished is\n{published:#?}");
    }
}
