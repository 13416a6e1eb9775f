//! Creates missing topics, and reports settings of existing topics that differ.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::config::Config;
use super::consumer::{count_partitions, look_up, patiently};
use super::error::Error;
use super::log_line;
use super::topics::Topics;
use crate::wire::{Format, Kind, record_max};

/// How long one request may take.
const QUESTION: Duration = Duration::from_secs(10);
/// How long a new topic may take until every broker knows it.
const PROPAGATION: Duration = Duration::from_secs(30);
/// Days, in milliseconds.
const DAYS_30: &str = "2592000000";

/// A topic as it should be.
#[derive(Debug, Clone)]
pub struct TopicSpec {
    /// The name.
    pub name: String,
    /// The number of partitions.
    pub partitions: i32,
    /// The number of replicas; the broker's default if there is none.
    pub replication: Option<i32>,
    /// The settings that matter.
    pub settings: Vec<Setting>,
}

/// A setting of a topic and why it matters.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Kafka's name for it.
    pub name: &'static str,
    /// The value it is created with.
    pub value: &'static str,
    /// The least number that is allowed too; none if only `value` is.
    pub at_least: Option<usize>,
    /// Why.
    pub why: &'static str,
}

impl Setting {
    const fn new(name: &'static str, value: &'static str, why: &'static str) -> Setting {
        Setting { name, value, at_least: None, why }
    }

    /// Whether a topic may have this value.
    fn allows(&self, found: &str) -> bool {
        match self.at_least {
            Some(least) => found.parse().is_ok_and(|found: usize| found >= least),
            None => found == self.value,
        }
    }
}

/// Kafka's name of the largest batch of records that a topic takes, in bytes; a batch has at least one record.
pub const SIZE_OF_TOPIC: &str = "max.message.bytes";
/// The producer's name of the largest record that it sends, in bytes.
pub const SIZE_OF_PRODUCER: &str = "message.max.bytes";
/// Kafka's own default of both.
const SIZE_USUAL: &str = "1048588";

/// What was found or done about a topic.
#[derive(Debug, Clone)]
pub struct TopicReport {
    /// The topic.
    pub topic: String,
    /// Its number of partitions now.
    pub partitions: i32,
    /// Whether it was created just now.
    pub created: bool,
    /// The settings that differ. They are not changed, because they may be intended.
    pub differs: Vec<Difference>,
}

/// A setting of a topic that differs from what is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting, or `partitions`.
    pub name: &'static str,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub wanted: String,
    /// Why.
    pub why: &'static str,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is {}, should be {}: {}", self.name, self.found, self.wanted, self.why)
    }
}

const APPEND_TIME: Setting = Setting::new(
    "message.timestamp.type",
    "LogAppendTime",
    "the time at which the broker received a record limits event time, because a producer's clock can be wrong",
);
const ALL_TIME: Setting = Setting::new(
    "retention.ms",
    "-1",
    "what no snapshot covers must stay, and without snapshots that is all of the log",
);
const ALL_SIZE: Setting = Setting { name: "retention.bytes", ..ALL_TIME };
const NOT_COMPACTED: Setting =
    Setting::new("cleanup.policy", "delete", "every record is needed, not only the last of a key");
const COMPACTED: Setting = Setting::new("cleanup.policy", "compact", "only the last profile of a key is needed");
const MONTH: Setting =
    Setting::new("retention.ms", DAYS_30, "operators need time to find the cause and to send the events again");

/// The size of messages that a topic must allow so that every message of a kind can be published.
const fn holds(kind: Kind, output: Format) -> Setting {
    let (value, why) = match kind {
        Kind::DeadLetter => ("4194304", "a dead letter contains up to 900 KiB of a record of the log"),
        _ => (SIZE_USUAL, "a message has up to 256 KiB, and the service stops if one is refused"),
    };
    Setting { name: SIZE_OF_TOPIC, value, at_least: Some(record_max(kind, output)), why }
}

impl Topics {
    /// Every topic with the settings that it needs. The log and the outputs have the same number of partitions.
    #[must_use]
    pub fn specs(&self, partitions: i32, replication: Option<i32>) -> Vec<TopicSpec> {
        let spec =
            |name, settings: &[Setting]| TopicSpec { name, partitions, replication, settings: settings.to_vec() };
        let mut specs = vec![spec(self.log(), &[APPEND_TIME, ALL_TIME, ALL_SIZE, NOT_COMPACTED])];
        specs.extend(self.outputs().map(|row| {
            let (name, holds) = (self.of(row.output), holds(row.kind, self.outputs.format));
            if row.is_compacted { spec(name, &[COMPACTED, holds]) } else { spec(name, &[NOT_COMPACTED, MONTH, holds]) }
        }));
        specs
    }
}

/// Creates the topics that are missing and reports what differs in the others, in the order given. Safe to repeat.
///
/// # Errors
/// When Kafka cannot be reached or refuses.
pub fn ensure_topics(config: &Config, specs: &[TopicSpec]) -> Result<Vec<TopicReport>, Error> {
    let admin = connect_admin(config)?;
    let lookup = connect_lookup(config)?;
    // If no broker answers, this fails early. Creating a topic would wait as for a slow cluster.
    if let Some(first) = specs.first() {
        look_up(&lookup, config, &first.name)?;
    }
    let mut reports = Vec::with_capacity(specs.len());
    for spec in specs {
        let created = create(&admin, spec)?;
        let partitions =
            if created { await_topic(config, &lookup, spec)? } else { count(config, &lookup, &spec.name)? };
        let mut report = TopicReport { topic: spec.name.clone(), partitions, created, differs: Vec::new() };
        if !created {
            report.differs = differences(config, &admin, spec, partitions)?;
        }
        reports.push(report);
    }
    Ok(reports)
}

/// Deletes topics, and consumer groups without members. What does not exist is left out.
///
/// # Errors
/// When Kafka cannot be reached or refuses.
pub fn remove(config: &Config, topics: &[String], groups: &[String]) -> Result<(), Error> {
    let admin = connect_admin(config)?;
    if !topics.is_empty() {
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        let results = block_on(admin.delete_topics(&names, &options()))
            .map_err(|error| Error::client("deleting topics", error))?;
        for (topic, code) in results.into_iter().filter_map(Result::err) {
            if code != RDKafkaErrorCode::UnknownTopicOrPartition {
                return Err(Error::client(format!("deleting topic `{topic}`"), KafkaError::AdminOp(code)));
            }
        }
    }
    for group in groups {
        let results = block_on(admin.delete_groups(&[group], &options()))
            .map_err(|error| Error::client("deleting a consumer group", error))?;
        for (group, code) in results.into_iter().filter_map(Result::err) {
            if code != RDKafkaErrorCode::GroupIdNotFound {
                return Err(Error::client(format!("deleting consumer group `{group}`"), KafkaError::AdminOp(code)));
            }
        }
    }
    Ok(())
}

/// Deletes the records of all partitions of a topic before an offset.
///
/// # Errors
/// When Kafka cannot be reached or refuses.
pub fn delete_before(config: &Config, topic: &str, partitions: i32, offset: i64) -> Result<(), Error> {
    let (admin, doing) = (connect_admin(config)?, format!("deleting records of topic `{topic}`"));
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        let added = list.add_partition_offset(topic, partition, Offset::Offset(offset));
        added.map_err(|error| Error::client(doing.as_str(), error))?;
    }
    patiently(config, &doing, || {
        let answer = block_on(admin.delete_records(&list, &options()))?;
        answer.elements().iter().try_for_each(|element| element.error())
    })
}

/// The number of partitions of a topic.
///
/// # Errors
/// When the topic is missing, or Kafka cannot be reached or refuses.
pub fn partitions(config: &Config, topic: &str) -> Result<i32, Error> {
    count(config, &connect_lookup(config)?, topic)
}

/// Checks that all of these topics exist, with one connection.
///
/// # Errors
/// When a topic is missing, or Kafka cannot be reached or refuses.
pub fn check_exist(config: &Config, topics: impl IntoIterator<Item = String>) -> Result<(), Error> {
    let lookup = connect_lookup(config)?;
    topics.into_iter().try_for_each(|topic| count(config, &lookup, &topic).map(drop))
}

/// Settings of the log with which results would be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Its records have the time at which the broker received them.
    pub is_append_time: bool,
    /// The broker drops records with an older value of a key.
    pub is_compacted: bool,
    /// The number of partitions.
    pub partitions: i32,
}

/// Reads the settings of the log, as often as it is asked.
pub struct LogWatch {
    config: Config,
    topic: String,
    lookup: BaseConsumer,
    admin: AdminClient<Admin>,
}

impl LogWatch {
    /// Connects.
    ///
    /// # Errors
    /// When the configuration is refused.
    pub fn new(config: &Config, topic: &str) -> Result<LogWatch, Error> {
        let (lookup, admin) = (connect_lookup(config)?, connect_admin(config)?);
        Ok(LogWatch { config: config.clone(), topic: topic.to_owned(), lookup, admin })
    }

    /// The settings as they are now.
    ///
    /// # Errors
    /// When the topic is missing, or Kafka cannot be reached or refuses.
    pub fn look(&self) -> Result<LogSettings, Error> {
        let LogWatch { config, topic, lookup, admin } = self;
        // Kafka describes the settings of a missing topic, too.
        let partitions = count(config, lookup, topic)?;
        let settings = describe(config, admin, topic)?;
        Ok(LogSettings {
            is_append_time: value(&settings, APPEND_TIME.name) == Some(APPEND_TIME.value),
            is_compacted: value(&settings, COMPACTED.name).is_some_and(|policy| policy.contains(COMPACTED.value)),
            partitions,
        })
    }
}

/// Whether the topic had to be created.
fn create(admin: &AdminClient<Admin>, spec: &TopicSpec) -> Result<bool, Error> {
    let doing = format!("creating topic `{}`", spec.name);
    let replication = TopicReplication::Fixed(spec.replication.unwrap_or(-1));
    let mut topic = NewTopic::new(&spec.name, spec.partitions, replication);
    for Setting { name, value, .. } in &spec.settings {
        topic = topic.set(name, value);
    }
    let results =
        block_on(admin.create_topics([&topic], &options())).map_err(|error| Error::client(doing.as_str(), error))?;
    match results.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
        Some(Err((_, code))) => Err(Error::client(doing, KafkaError::AdminOp(code))),
        _ => Ok(true),
    }
}

/// Waits until a new topic can be used.
fn await_topic(config: &Config, lookup: &BaseConsumer, spec: &TopicSpec) -> Result<i32, Error> {
    let deadline = Instant::now() + PROPAGATION;
    loop {
        match count(config, lookup, &spec.name) {
            Ok(found) if found == spec.partitions || Instant::now() > deadline => return Ok(found),
            Err(error) if Instant::now() > deadline => return Err(error),
            _ => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn differences(
    config: &Config,
    admin: &AdminClient<Admin>,
    spec: &TopicSpec,
    partitions: i32,
) -> Result<Vec<Difference>, Error> {
    let settings = describe(config, admin, &spec.name)?;
    let mut differs = Vec::new();
    if partitions != spec.partitions {
        differs.push(Difference {
            name: "partitions",
            found: partitions.to_string(),
            wanted: spec.partitions.to_string(),
            why: "with another number, accounts move to other partitions",
        });
    }
    for setting in &spec.settings {
        let found = value(&settings, setting.name).unwrap_or("unknown");
        if !setting.allows(found) {
            let wanted = setting.at_least.map_or(setting.value.to_owned(), |least| format!("at least {least}"));
            differs.push(Difference { name: setting.name, found: found.to_owned(), wanted, why: setting.why });
        }
    }
    Ok(differs)
}

fn describe(config: &Config, admin: &AdminClient<Admin>, topic: &str) -> Result<ConfigResource, Error> {
    let doing = format!("reading the settings of topic `{topic}`");
    let describe = || block_on(admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options()));
    patiently(config, &doing, || {
        describe()?.into_iter().next().ok_or(KafkaError::Canceled)?.map_err(KafkaError::AdminOp)
    })
}

fn value<'a>(settings: &'a ConfigResource, name: &str) -> Option<&'a str> {
    settings.get(name).and_then(|entry| entry.value.as_deref())
}

fn count(config: &Config, lookup: &BaseConsumer, topic: &str) -> Result<i32, Error> {
    count_partitions(lookup, config, topic).map(|count| i32::try_from(count).unwrap_or(i32::MAX))
}

fn connect_admin(config: &Config) -> Result<AdminClient<Admin>, Error> {
    let client = config.client(&[], &[]).create_with_context(Admin);
    client.map_err(|error| Error::client(format!("connecting to {}", config.brokers), error))
}

/// A consumer for looking up topics. A producer would create the topics that it asks for.
fn connect_lookup(config: &Config) -> Result<BaseConsumer, Error> {
    let client = config.client(&[], &[("allow.auto.create.topics", "false")]);
    let client: KafkaResult<BaseConsumer> = client.create_with_context(DefaultConsumerContext);
    client.map_err(|error| Error::client(format!("connecting to {}", config.brokers), error))
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(QUESTION)).operation_timeout(Some(QUESTION))
}

/// Waits for a future on this thread. The client has a thread of its own that completes it.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// The context of the admin client.
struct Admin;

impl ClientContext for Admin {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line::write(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_line::client_error(&error, reason);
    }
}
