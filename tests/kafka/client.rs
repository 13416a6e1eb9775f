//! Tests of the module `kafka` on a real broker: topics, consumer groups, transactions and readers.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::mocking::{MockCluster, MockCoordinator};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use upswell::kafka::{
    Committed, Config, Consumer, Error, LogWatch, LogWriter, Polled, Producer, Progress, Reader, Span, Tail, Topics,
    TransactionError, commit, committed, ensure_topics, members, partition_of, partitions,
};

use crate::broker::{Broker, unique};

const WAIT: Duration = Duration::from_millis(50);
/// After this a test that waits for something has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// Writes numbers, each keyed by itself.
fn write(config: &Config, topic: &str, numbers: std::ops::Range<u32>) {
    let mut writer = LogWriter::connect(config, topic).unwrap();
    for number in numbers {
        let text = number.to_string();
        writer.send(None, Some(text.as_bytes()), text.as_bytes()).unwrap();
    }
    writer.flush().unwrap();
}

/// Everything committed in a topic, by partition and offset.
fn read_all(config: &Config, topic: &str) -> Vec<(i32, i64, String)> {
    let mut reader = Reader::open(config, topic).unwrap();
    let mut all = Vec::new();
    for partition in 0..reader.partitions() {
        let mut each = |message: upswell::kafka::Message<'_>| {
            all.push((message.partition, message.offset, text(message.payload)));
            ControlFlow::Continue(())
        };
        reader.read(partition, &mut each).unwrap();
    }
    all
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn sorted_numbers(records: &[(i32, i64, String)]) -> Vec<u32> {
    let mut numbers: Vec<u32> = records.iter().map(|(.., text)| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

/// Polls until `done` returns true; it gets everything that is delivered.
fn poll_until(consumer: &mut Consumer, mut done: impl FnMut(Polled<'_>) -> bool) {
    let deadline = Instant::now() + LIMIT;
    let mut over = false;
    while !over {
        assert!(Instant::now() < deadline, "nothing more came");
        consumer.poll(WAIT, &mut |polled| over |= done(polled)).unwrap();
    }
}

/// Polls until each of `count` partitions was assigned and read to its end.
fn poll_to_the_end(consumer: &mut Consumer, count: usize) -> Vec<(i32, i64, String)> {
    let (mut seen, mut ended) = (Vec::new(), std::collections::BTreeSet::new());
    poll_until(consumer, |polled| {
        match polled {
            Polled::Message(message) => seen.push((message.partition, message.offset, text(message.payload))),
            Polled::End { partition, .. } => drop(ended.insert(partition)),
            _ => {}
        }
        ended.len() == count
    });
    seen
}

/// A broker that was halted for long has no leader for its partitions when it answers again, and then has one.
#[test]
fn the_span_of_a_partition_is_read_once_it_has_a_leader() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("log", 2, 1).unwrap();
    cluster.partition_leader("log", 1, None).unwrap();
    let config = Config { brokers: cluster.bootstrap_servers(), ..Config::default() };
    let reads = std::thread::spawn(move || {
        let reader = Reader::open(&config, "log").unwrap();
        assert_eq!(reader.span(0).unwrap(), Span { start: 0, end: 0 });
        assert_eq!(reader.span(1).unwrap(), Span { start: 0, end: 0 });
        // A partition that the topic does not have is an error at once.
        assert!(reader.span(2).unwrap_err().to_string().contains("log[2]"));
    });
    std::thread::sleep(Duration::from_secs(2));
    assert!(!reads.is_finished(), "it has no leader yet");
    cluster.partition_leader("log", 1, Some(1)).unwrap();
    reads.join().unwrap();
}

/// A static member that the group has removed learns of it as it joins again, and librdkafka keeps its partitions.
#[test]
fn a_member_that_was_replaced_commits_nothing() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("log", 2, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    // The mock cluster has not removed the member, and waits for it.
    let properties = [("session.timeout.ms".to_owned(), "6000".to_owned())].into();
    let config = Config { brokers, group_instance_id: Some("own".into()), properties, ..Config::default() };
    let mut consumer = Consumer::join(&config, "log", 0).unwrap();
    let mut owned = std::collections::BTreeSet::new();
    poll_until(&mut consumer, |polled| {
        if let Polled::Assigned { partition, .. } = polled {
            owned.insert(partition);
        }
        owned.len() == 2
    });
    assert!(consumer.group_metadata().is_ok());
    cluster.request_errors(RDKafkaApiKey::JoinGroup, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]);
    let (deadline, mut asks) = (Instant::now() + LIMIT, Instant::now());
    let lost = loop {
        assert!(Instant::now() < deadline, "the group still has the member");
        // A member that joins anyway ignores it.
        if Instant::now() >= asks {
            let again = RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
            cluster.request_errors(RDKafkaApiKey::Heartbeat, &[again]);
            asks += Duration::from_secs(1);
        }
        // What is given up meanwhile must not be committed.
        let mut each = |polled: Polled<'_>| assert!(!matches!(polled, Polled::Revoked { group: Some(_), .. }));
        if let Err(error) = consumer.poll(WAIT, &mut each).and_then(|_| consumer.group_metadata()) {
            break error;
        }
    };
    assert!(matches!(lost, Error::MembershipLost { .. }) && lost.is_passing(), "{lost}");
}

/// Where the group's coordinator cannot be found or reached, librdkafka waits for it without end.
#[test]
fn a_commit_that_finds_no_coordinator_comes_to_an_end() {
    let cluster = MockCluster::new(2).unwrap();
    let config = Config { brokers: cluster.bootstrap_servers(), ..Config::default() };
    for topic in ["log", "out"] {
        cluster.create_topic(topic, 1, 1).unwrap();
        cluster.partition_leader(topic, 0, Some(1)).unwrap();
    }
    cluster.coordinator(MockCoordinator::Group(config.group.clone()), 2).unwrap();
    let id = unique("id");
    cluster.coordinator(MockCoordinator::Transaction(id.clone()), 1).unwrap();
    let mut consumer = Consumer::join(&config, "log", 0).unwrap();
    poll_to_the_end(&mut consumer, 1);
    let group = consumer.group_metadata().unwrap();
    let mut producer = Producer::connect(&config, &id).unwrap();
    let mut commit = || {
        producer.begin()?;
        producer.send("out", None, None, Some(b"1"), [])?;
        producer.commit(&[Progress { topic: "log", partition: 0, offset: 1, metadata: "" }], &group)
    };
    commit().unwrap();
    cluster.broker_down(2).unwrap();
    // The one that meets the end of the connection may be refused at once.
    let found = (0..5).any(|_| {
        let why = commit().unwrap_err();
        assert!(matches!(why, TransactionError::Aborted(_)), "{why}");
        why.to_string().contains("no coordinator")
    });
    assert!(found, "none waited for the coordinator");
    cluster.broker_up(2).unwrap();
    commit().unwrap();
}

#[test]
fn topics_are_created_once_and_differences_reported() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let config = broker.config();
    let topics = Topics { prefix: unique("own"), ..Topics::default() };

    let first = ensure_topics(&config, &topics.specs(3, None)).unwrap();
    assert_eq!(first.len(), 10);
    assert!(first.iter().all(|report| report.created && report.partitions == 3 && report.differs.is_empty()));
    let again = ensure_topics(&config, &topics.specs(3, None)).unwrap();
    assert!(again.iter().all(|report| !report.created && report.differs.is_empty()), "{again:?}");
    let more = ensure_topics(&config, &topics.specs(4, None)).unwrap();
    assert!(more.iter().all(|report| report.partitions == 3 && report.differs[0].name == "partitions"));

    assert_eq!(partitions(&config, &topics.log()).unwrap(), 3);
    let look = |topic: &str| LogWatch::new(&config, topic).unwrap().look();
    let settings = look(&topics.log()).unwrap();
    assert!(settings.is_append_time && !settings.is_compacted, "{settings:?}");
    let plain = broker.topic(1);
    assert!(!look(&plain).unwrap().is_append_time);
    let as_log = Topics { log: Some(plain), ..topics };
    let differs = &ensure_topics(&config, &as_log.specs(1, None)).unwrap()[0].differs;
    let told: Vec<String> = differs.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("message.timestamp.type is CreateTime, should be LogAppendTime"), "{told:?}");
    assert!(told.iter().any(|line| line.contains("what no snapshot covers must stay")), "{told:?}");

    let missing = unique("missing");
    assert!(matches!(partitions(&config, &missing), Err(Error::TopicMissing { .. })));
    let told = look(&missing);
    assert!(matches!(told, Err(Error::TopicMissing { .. })), "{told:?}");
    assert!(matches!(Consumer::join(&config, &missing, 0), Err(Error::TopicMissing { .. })));
}

#[test]
fn records_go_to_the_partition_of_their_key() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, topic) = (broker.config(), broker.topic(5));
    write(&config, &topic, 0..10_000);
    let mut writer = LogWriter::connect(&config, &topic).unwrap();
    writer.send(Some(3), None, b"10000").unwrap();
    writer.flush().unwrap();

    let mut consumer = Consumer::join(&config, &topic, 0).unwrap();
    let seen = poll_to_the_end(&mut consumer, 5);
    assert!(sorted_numbers(&seen).into_iter().eq(0..=10_000));
    for (partition, _, number) in seen.iter().filter(|(.., number)| number != "10000") {
        assert_eq!(*partition, partition_of(number.as_bytes(), 5), "{number}");
    }
    let mut sorted = seen.clone();
    sorted.sort_by_key(|&(partition, offset, _)| (partition, offset));
    assert_eq!(sorted, read_all(&config, &topic), "offsets come in order, and the reader agrees");
    for partition in 0..5 {
        let offsets: Vec<i64> = seen.iter().filter(|seen| seen.0 == partition).map(|seen| seen.1).collect();
        assert!(offsets.is_sorted());
    }
}

#[test]
fn offsets_are_committed_with_the_records_or_not_at_all() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, log, out) = (broker.config(), broker.topic(1), broker.topic(2));
    write(&config, &log, 0..10);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut consumer, 1);

    let mut producer = Producer::connect(&config, &config.transactional_id(0)).unwrap();
    producer.begin().unwrap();
    producer.send(&out, None, Some(b"a"), Some(b"1"), [("level", "high")]).unwrap();
    producer.abort().unwrap();
    producer.begin().unwrap();
    producer.send(&out, None, Some(b"a"), Some(b"2"), []).unwrap();
    let progress = Progress { topic: &log, partition: 0, offset: 7, metadata: "hash=abc" };
    producer.commit(&[progress], &consumer.group_metadata().unwrap()).unwrap();
    producer.begin().unwrap();
    producer.send(&out, None, Some(b"a"), Some(b"3"), []).unwrap();
    producer.abort().unwrap();

    assert_eq!(sorted_numbers(&read_all(&config, &out)), [2], "aborted records are not seen");
    drop(consumer);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    let mut offsets = Vec::new();
    poll_until(&mut consumer, |polled| {
        match polled {
            Polled::Assigned { partition, committed, metadata, end, .. } => {
                assert_eq!((partition, committed, metadata, end), (0, Some(7), "hash=abc", 10));
            }
            Polled::Message(message) => offsets.push(message.offset),
            Polled::End { position, .. } => assert_eq!(position, 10),
            Polled::Revoked { .. } => panic!("nobody else is there"),
        }
        matches!(polled, Polled::End { .. })
    });
    assert!(offsets.into_iter().eq(0..10), "recovery replays from the beginning");
}

#[test]
fn offsets_are_told_and_committed_from_outside_the_group_whatever_transactions_are_open() {
    use rdkafka::producer::{BaseProducer, Producer as _};
    let Some(broker) = Broker::shared() else {
        return;
    };
    let config = Config { patience: Duration::from_secs(5), ..broker.config() };
    let log = broker.topic(2);
    write(&config, &log, 0..10);
    let none = Committed { offset: None, metadata: String::new() };
    assert_eq!(committed(&config, &log).unwrap(), [none.clone(), none.clone()]);
    let at = |offset, metadata| Progress { topic: &log, partition: 1, offset, metadata };
    commit(&config, &[at(2, "first")]).unwrap();

    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers);
    let producer: BaseProducer = client.clone().set("transactional.id", unique("id")).create().unwrap();
    // Not a member either: the group has none.
    let outside: rdkafka::consumer::BaseConsumer = client.set("group.id", &config.group).create().unwrap();
    let group = rdkafka::consumer::Consumer::group_metadata(&outside).unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    let mut offsets = rdkafka::TopicPartitionList::new();
    offsets.add_partition_offset(&log, 1, rdkafka::Offset::Offset(7)).unwrap();
    producer.send_offsets_to_transaction(&offsets, &group, LIMIT).unwrap();
    let first = Committed { offset: Some(2), metadata: "first".to_owned() };
    assert_eq!(committed(&config, &log).unwrap(), [none, first], "the offset of the transaction is open");
    producer.abort_transaction(LIMIT).unwrap();

    assert_eq!(members(&config, &log).unwrap(), 0);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut consumer, 2);
    assert_eq!(members(&config, &log).unwrap(), 1);
}

/// A request that was lost on its way, and sent again, arrives all the same, within the next transaction.
#[test]
fn a_late_request_of_an_older_transaction_does_not_move_offsets_back() {
    let Some((broker, proxy)) = Broker::behind_proxy() else { return };
    let (config, log) = (broker.config(), broker.topic(1));
    write(&config, &log, 0..10);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut consumer, 1);
    let mut producer = Producer::connect(&config, &unique("id")).unwrap();
    let mut commit = |offset| {
        let progress = Progress { topic: &log, partition: 0, offset, metadata: "" };
        producer.begin().unwrap();
        producer.commit(&[progress], &consumer.group_metadata().unwrap()).unwrap();
    };
    proxy.withhold_offsets();
    commit(5);
    assert!(proxy.deliver_late(), "a request was withheld");
    commit(7);
    drop(consumer);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    poll_until(&mut consumer, |polled| {
        if let Polled::Assigned { committed, .. } = polled {
            assert_eq!(committed, Some(7));
        }
        matches!(polled, Polled::End { .. })
    });
}

#[test]
fn many_short_transactions_in_a_row_need_no_backoff() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, log, out) = (broker.config(), broker.topic(1), broker.topic(2));
    write(&config, &log, 0..200);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut consumer, 1);
    let mut producer = Producer::connect(&config, &config.transactional_id(0)).unwrap();
    let began = Instant::now();
    for n in 0..200_i64 {
        producer.begin().unwrap();
        let number = n.to_string();
        producer.send(&out, None, Some(number.as_bytes()), Some(number.as_bytes()), []).unwrap();
        let progress = Progress { topic: &log, partition: 0, offset: n + 1, metadata: "" };
        producer.commit(&[progress], &consumer.group_metadata().unwrap()).unwrap();
    }
    eprintln!("200 transactions in {:?}", began.elapsed());
    assert!(sorted_numbers(&read_all(&config, &out)).into_iter().eq(0..200));
}

#[test]
fn the_stable_end_is_after_markers_and_before_an_open_transaction() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, topic) = (broker.config(), broker.topic(1));
    let mut producer = Producer::connect(&config, &unique("id")).unwrap();
    let mut consumer = Consumer::join(&config, &topic, 0).unwrap();
    for round in 0..3 {
        producer.begin().unwrap();
        producer.send(&topic, Some(0), None, Some(round.to_string().as_bytes()), []).unwrap();
        producer.commit(&[], &consumer.group_metadata().unwrap()).unwrap();
    }
    assert_eq!(sorted_numbers(&read_all(&config, &topic)), [0, 1, 2]);
    let mut position_at_end = 0;
    poll_until(&mut consumer, |polled| {
        if let Polled::End { position, .. } = polled {
            position_at_end = position;
        }
        position_at_end == 6
    });

    // An open transaction hides its record and, until it ends, the end of the partition.
    let mut open = Producer::connect(&config, &unique("id")).unwrap();
    open.begin().unwrap();
    open.send(&topic, Some(0), None, Some(b"3"), []).unwrap();
    open.flush().unwrap();
    write_plain(&config, &topic, "4");
    assert_eq!(sorted_numbers(&read_all(&config, &topic)), [0, 1, 2]);
    open.abort().unwrap();
    assert_eq!(sorted_numbers(&read_all(&config, &topic)), [0, 1, 2, 4]);
}

fn write_plain(config: &Config, topic: &str, value: &str) {
    let mut writer = LogWriter::connect(config, topic).unwrap();
    writer.send(Some(0), None, value.as_bytes()).unwrap();
    writer.flush().unwrap();
}

#[test]
fn the_older_of_two_producers_is_fenced() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, log, out) = (broker.config(), broker.topic(1), broker.topic(1));
    write(&config, &log, 0..3);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut consumer, 1);
    let id = unique("id");
    let mut older = Producer::connect(&config, &id).unwrap();
    older.begin().unwrap();
    older.send(&out, None, None, Some(b"1"), []).unwrap();
    let mut newer = Producer::connect(&config, &id).unwrap();
    let progress = Progress { topic: &log, partition: 0, offset: 1, metadata: "" };
    let fenced = older.commit(&[progress], &consumer.group_metadata().unwrap()).unwrap_err();
    assert!(matches!(fenced, TransactionError::Fenced(_)), "{fenced}");
    assert!(matches!(older.begin(), Err(TransactionError::Fenced(_))));
    newer.begin().unwrap();
    newer.send(&out, None, None, Some(b"2"), []).unwrap();
    newer.commit(&[progress], &consumer.group_metadata().unwrap()).unwrap();
    assert_eq!(sorted_numbers(&read_all(&config, &out)), [2]);
}

#[test]
fn a_transaction_that_cannot_succeed_is_an_error() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, log, out) = (broker.config(), broker.topic(1), broker.topic(1));
    let consumer = Consumer::join(&config, &log, 0).unwrap();
    let mut producer = Producer::connect(&config, &unique("id")).unwrap();
    // More than the topic takes (1 MiB), less than the producer does.
    producer.begin().unwrap();
    let incompressible: Vec<u8> =
        (0_u64..1 << 18).flat_map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_le_bytes()).collect();
    producer.send(&out, None, None, Some(&incompressible), []).unwrap();
    let failed = producer.commit(&[], &consumer.group_metadata().unwrap()).unwrap_err();
    assert!(matches!(&failed, TransactionError::Fatal(why) if why.contains(&out)), "{failed:?}");
    // More than the producer takes.
    producer.begin().unwrap();
    let failed = producer.send(&out, None, None, Some(&vec![0; 8 << 20]), []).unwrap_err();
    assert!(matches!(failed, TransactionError::Fatal(_)), "{failed:?}");
    // The producer still works; at most it must send again, because the refused record left a gap.
    let mut resend = || {
        producer.begin()?;
        producer.send(&out, None, None, Some(b"1"), [])?;
        producer.commit(&[], &consumer.group_metadata().unwrap())
    };
    while let Err(error) = resend() {
        assert!(matches!(error, TransactionError::Aborted(_)), "{error:?}");
    }
    assert_eq!(sorted_numbers(&read_all(&config, &out)), [1]);
}

#[test]
fn a_commit_of_an_old_generation_is_aborted_and_can_be_sent_again() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, log, out) = (broker.config(), broker.topic(2), broker.topic(1));
    write(&config, &log, 0..10);
    let mut first = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut first, 2);
    let old = first.group_metadata().unwrap();
    let mut second = Consumer::join(&config, &log, 1).unwrap();
    let (mut ours, mut theirs) = (vec![0, 1], None);
    let deadline = Instant::now() + LIMIT;
    while theirs.is_none() {
        assert!(Instant::now() < deadline);
        let mut each = |polled: Polled<'_>| {
            if let Polled::Revoked { partition, group } = polled {
                assert!(group.is_some());
                ours.retain(|kept| *kept != partition);
            }
        };
        first.poll(WAIT, &mut each).unwrap();
        let mut each = |polled: Polled<'_>| {
            if let Polled::Assigned { partition, .. } = polled {
                theirs = Some(partition);
            }
        };
        second.poll(WAIT, &mut each).unwrap();
    }
    assert_eq!(ours.len(), 1);
    let mut producer = Producer::connect(&config, &unique("id")).unwrap();
    let progress = Progress { topic: &log, partition: ours[0], offset: 1, metadata: "" };
    producer.begin().unwrap();
    producer.send(&out, None, None, Some(b"1"), []).unwrap();
    let failed = producer.commit(&[progress], &old).unwrap_err();
    assert!(matches!(failed, TransactionError::Aborted(_)), "{failed:?}");
    producer.begin().unwrap();
    producer.send(&out, None, None, Some(b"1"), []).unwrap();
    producer.commit(&[progress], &first.group_metadata().unwrap()).unwrap();
    assert_eq!(sorted_numbers(&read_all(&config, &out)), [1]);
}

#[test]
fn attending_the_group_reads_no_records() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, log) = (broker.config(), broker.topic(1));
    write(&config, &log, 0..10);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    let (mut assigned, mut records) = (false, 0);
    let deadline = Instant::now() + LIMIT;
    // Also after the assignment, when the records have already been fetched.
    let mut after = 0;
    while after < 50 {
        assert!(Instant::now() < deadline);
        let mut each = |polled: Polled<'_>| match polled {
            Polled::Assigned { .. } => assigned = true,
            Polled::Message(_) => records += 1,
            _ => {}
        };
        consumer.attend(&mut each).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        after += u32::from(assigned);
    }
    assert_eq!(records, 0);
    assert_eq!(poll_to_the_end(&mut consumer, 1).len(), 10);
}

/// One member of the group in the rebalancing test: copies every record above the committed
/// offset to the output, in transactions, as a worker does.
struct Copier<'a> {
    config: &'a Config,
    out: &'a str,
    log: &'a str,
    consumer: Consumer,
    producer: Producer,
    /// The committed and the next offset of each assigned partition.
    ours: BTreeMap<i32, (i64, i64)>,
    pending: Vec<(i32, String)>,
    worker: usize,
}

impl<'a> Copier<'a> {
    fn new(config: &'a Config, log: &'a str, out: &'a str, worker: usize) -> Self {
        let consumer = Consumer::join(config, log, worker).unwrap();
        let producer = Producer::connect(config, &config.transactional_id(worker)).unwrap();
        Self { config, out, log, consumer, producer, ours: BTreeMap::new(), pending: Vec::new(), worker }
    }

    fn step(&mut self) {
        let Self { consumer, ours, pending, .. } = self;
        let mut each = |polled: Polled<'_>| match polled {
            Polled::Assigned { partition, committed, .. } => {
                assert!(ours.insert(partition, (committed.unwrap_or(0), 0)).is_none());
            }
            Polled::Revoked { partition, .. } => {
                ours.remove(&partition);
                pending.retain(|(of, _)| *of != partition);
            }
            Polled::Message(message) => {
                let (committed, next) = ours.get_mut(&message.partition).expect("only ours come");
                assert_eq!(*next, message.offset, "no gap, no stale record");
                *next += 1;
                if message.offset >= *committed {
                    pending.push((message.partition, text(message.payload)));
                }
            }
            Polled::End { partition, position } => assert_eq!(ours[&partition].1, position),
        };
        consumer.poll(WAIT, &mut each).unwrap();
        self.publish();
    }

    fn publish(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.transaction() {
            Ok(()) => {
                self.pending.clear();
                self.ours.values_mut().for_each(|(committed, next)| *committed = (*committed).max(*next));
            }
            Err(TransactionError::Aborted(_)) => {}
            Err(TransactionError::Fenced(_)) => {
                *self = Copier::new(self.config, self.log, self.out, self.worker);
            }
            Err(fatal @ TransactionError::Fatal(_)) => panic!("{fatal}"),
        }
    }

    fn transaction(&mut self) -> Result<(), TransactionError> {
        self.producer.begin()?;
        for (_, value) in &self.pending {
            self.producer.send(self.out, None, None, Some(value.as_bytes()), [])?;
        }
        let progress: Vec<Progress<'_>> = self
            .ours
            .iter()
            .filter(|(_, (committed, next))| next > committed)
            .map(|(&partition, &(_, offset))| Progress { topic: self.log, partition, offset, metadata: "" })
            .collect();
        self.producer.commit(&progress, &self.consumer.group_metadata().unwrap())
    }
}

#[test]
fn rebalances_lose_and_duplicate_nothing() {
    rebalancing(&[]);
}

#[test]
fn eager_rebalances_lose_and_duplicate_nothing() {
    rebalancing(&[("partition.assignment.strategy", "range")]);
}

#[test]
fn rebalances_of_the_consumer_protocol_lose_and_duplicate_nothing() {
    rebalancing(&[("group.protocol", "consumer")]);
}

fn rebalancing(properties: &[(&str, &str)]) {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (mut config, log, out) = (broker.config(), broker.topic(6), broker.topic(2));
    config.properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut members = vec![Copier::new(&config, &log, &out, 0)];
    let mut written = 0;
    for round in 0..8 {
        write(&config, &log, written..written + 500);
        written += 500;
        match round {
            1 | 2 | 6 => members.push(Copier::new(&config, &log, &out, round)),
            4 | 5 => drop(members.remove(0)),
            _ => {}
        }
        for _ in 0..10 {
            members.iter_mut().for_each(Copier::step);
        }
    }
    let deadline = Instant::now() + LIMIT;
    while members.iter().flat_map(|member| member.ours.values()).map(|(committed, _)| committed).sum::<i64>()
        < i64::from(written)
    {
        assert!(Instant::now() < deadline, "not everything was copied");
        members.iter_mut().for_each(Copier::step);
    }
    assert!(sorted_numbers(&read_all(&config, &out)).into_iter().eq(0..written));
}

#[test]
fn a_trimmed_log_is_refused() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, log) = (broker.config(), broker.topic(1));
    write(&config, &log, 0..5);
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut consumer, 1);
    let mut producer = Producer::connect(&config, &unique("id")).unwrap();
    producer.begin().unwrap();
    let beyond = Progress { topic: &log, partition: 0, offset: 6, metadata: "" };
    producer.commit(&[beyond], &consumer.group_metadata().unwrap()).unwrap();
    drop(consumer);
    let moved = first_error(&config, &log);
    assert!(matches!(moved, Error::OffsetsMovedBack { committed: 6, end: 5, .. }), "{moved}");

    delete_records(&config, &log, 2);
    let config = Config { group: unique("group"), ..config };
    let trimmed = first_error(&config, &log);
    assert!(matches!(trimmed, Error::LogTrimmed { low: 2, begin: 0, .. }), "{trimmed}");
    // A read that begins after the deleted records needs none of them.
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    let (mut offsets, deadline) = (Vec::new(), Instant::now() + LIMIT);
    while offsets.last() != Some(&4) {
        assert!(Instant::now() < deadline);
        let mut each = |polled: Polled<'_>| match polled {
            Polled::Assigned { begin, .. } => *begin = Some(3),
            Polled::Message(message) => offsets.push(message.offset),
            _ => {}
        };
        consumer.poll(WAIT, &mut each).unwrap();
    }
    assert_eq!(offsets, [3, 4]);
}

/// The error that polling ends with; dropping the consumer after it must not hang.
fn first_error(config: &Config, log: &str) -> Error {
    let mut consumer = Consumer::join(config, log, 0).unwrap();
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < deadline, "no error came");
        if let Err(error) = consumer.poll(WAIT, &mut |_| {}) {
            return error;
        }
    }
}

fn delete_records(config: &Config, topic: &str, before: i64) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    let mut client = rdkafka::ClientConfig::new();
    client.set("bootstrap.servers", &config.brokers);
    let admin: AdminClient<_> = client.create().unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(topic, 0, rdkafka::Offset::Offset(before)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
}

#[test]
fn a_tail_reads_records_that_are_committed_after_it_opened() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (config, high, low) = (broker.config(), broker.topic(2), broker.topic(2));
    write(&config, &high, 0..10);
    let mut tail = Tail::open(&config, &[high.clone(), low.clone()]).unwrap();
    write(&config, &high, 10..20);
    write(&config, &low, 20..30);
    let mut seen = Vec::new();
    let deadline = Instant::now() + LIMIT;
    while seen.len() < 20 {
        assert!(Instant::now() < deadline);
        let mut each = |message: upswell::kafka::Message<'_>| {
            let number: u32 = text(message.payload).parse().unwrap();
            assert_eq!(message.topic, if number < 20 { &high } else { &low });
            seen.push(number);
        };
        tail.poll(WAIT, &mut each).unwrap();
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(10..30));
}

#[test]
fn a_static_member_gets_its_partitions_back_and_a_second_one_is_an_error() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (mut config, log) = (broker.config(), broker.topic(2));
    config.group_instance_id = Some("pod-0".into());
    let mut first = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut first, 2);
    let mut second = Consumer::join(&config, &log, 0).unwrap();
    poll_to_the_end(&mut second, 2);
    let deadline = Instant::now() + LIMIT;
    let fenced = loop {
        assert!(Instant::now() < deadline);
        if let Err(error) = first.poll(WAIT, &mut |_| {}) {
            break error;
        }
    };
    assert!(matches!(fenced, Error::InstanceFenced { .. }), "{fenced}");
}

/// As behind a load balancer: no broker has the address that clients begin with.
#[test]
fn a_member_joins_by_an_address_that_no_broker_advertises() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let (mut config, log) = (broker.config(), broker.topic(1));
    config.brokers = config.brokers.replace("127.0.0.1", "localhost");
    let mut consumer = Consumer::join(&config, &log, 0).unwrap();
    assert!(consumer.topic_id().is_some());
    poll_to_the_end(&mut consumer, 1);
}

/// A member that is to give up a partition, and dies before it has, no longer asks the group to assign it to the next
/// owner. The group does not rebalance when a static member comes back, so that member has to ask for it.
#[test]
fn partitions_that_a_dead_static_member_was_giving_up_are_assigned() {
    let Some(broker) = Broker::shared() else {
        return;
    };
    let log = broker.topic(4);
    let first = Config { group_instance_id: Some("pod-0".into()), ..broker.config() };
    let second = Config { group_instance_id: None, ..first.clone() };
    let mut dead = Consumer::join(&first, &log, 0).unwrap();
    poll_to_the_end(&mut dead, 4);
    // It joins a second time as well, and is then at rest.
    let rest = Instant::now() + Duration::from_secs(3);
    while Instant::now() < rest {
        dead.poll(WAIT, &mut |_| {}).unwrap();
    }
    let mut other = Consumer::join(&second, &log, 0).unwrap();
    let deadline = Instant::now() + LIMIT;
    while !other.is_assigned() {
        assert!(Instant::now() < deadline, "the group does not rebalance");
        other.poll(WAIT, &mut |_| panic!("it is assigned what the other one has not given up")).unwrap();
    }
    let mut back = Consumer::join(&first, &log, 0).unwrap();
    let mut owners: BTreeMap<i32, &str> = BTreeMap::new();
    while owners.len() < 4 {
        assert!(Instant::now() < deadline, "partitions without an owner: there are only {owners:?}");
        for (name, consumer) in [("back", &mut back), ("other", &mut other)] {
            let mut each = |polled: Polled<'_>| match polled {
                Polled::Assigned { partition, .. } => drop(owners.insert(partition, name)),
                Polled::Revoked { partition, .. } => drop(owners.remove(&partition)),
                _ => {}
            };
            consumer.poll(WAIT, &mut each).unwrap();
        }
    }
    drop(dead);
}
