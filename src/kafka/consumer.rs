//! A member of the consumer group. Each worker thread has one.
//!
//! The worker decides at which offset an assigned partition is read from: that of a snapshot, or 0. It folds the records up
//! to the committed offset again and drops their effects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::config::Config;
use super::error::{Error, is_lasting, is_passing, is_refusal, is_silence};
use super::log_line;
use super::raw::{Entry, Forward, Inbox, Message, TopicId, member_id};

/// The generation of the group in which offsets are committed. Get it again for each transaction.
pub type GroupMetadata = Arc<rdkafka::consumer::ConsumerGroupMetadata>;

/// How to fetch; any of it can be overridden. `fetch.queue.backoff.ms` matters most: its default
/// of a second makes a small queue slow.
pub(super) const FETCH: &[(&str, &str)] = &[
    ("queued.max.messages.kbytes", "4096"),
    ("fetch.queue.backoff.ms", "5"),
    ("fetch.message.max.bytes", "262144"),
    ("check.crcs", "true"),
];

/// The settings that reading the log requires.
pub(super) const STABLE: &[(&str, &str)] = &[
    ("isolation.level", "read_committed"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
];

/// How long a request to the cluster is repeated. A predecessor's open transaction delays the committed offsets by its
/// timeout of 10 s and up to 10 s more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one request may take, and so how soon a stop is noticed.
pub(super) const QUESTION: Duration = Duration::from_secs(5);
/// How long to wait for the client to leave the group. It may wait for brokers that do not answer, or for ever.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// How often librdkafka reports the ends of partitions.
const STATISTICS_MS: &str = "1000";
/// How often the log is asked for its id.
const WATCH: Duration = Duration::from_secs(10);
/// How long a wait for records may keep group events waiting.
const SLICE: Duration = Duration::from_millis(20);

/// What a poll delivers, in order.
pub enum Polled<'a, G = GroupMetadata> {
    /// The partition was assigned, and its records follow.
    Assigned {
        /// The partition.
        partition: i32,
        /// The committed offset of the group; none if it never committed.
        committed: Option<i64>,
        /// The metadata of the committed offset.
        metadata: &'a str,
        /// The first offset now.
        low: i64,
        /// The stable end now.
        end: i64,
        /// The offset from which it is read: 0 unless it is set. Without one it is read once `begin` tells the offset.
        begin: &'a mut Option<i64>,
    },
    /// The partition is revoked once this returns; none of its records follows.
    Revoked {
        /// The partition.
        partition: i32,
        /// The generation in which offsets of it can still be committed; none if another member may already own it.
        group: Option<G>,
    },
    /// A record of an assigned partition.
    Message(Message<'a>),
    /// The stable end is reached. It is reported again after further records.
    End {
        /// The partition.
        partition: i32,
        /// The offset of the next record. It can be more than one above the last record, because markers of
        /// transactions and aborted records have offsets too.
        position: i64,
    },
}

/// The ends of a partition in the last answer of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The offset after the last record that can be read. Later records belong to open transactions or follow one.
    pub stable: i64,
    /// The offset after the last record.
    pub last: i64,
}

/// A member of the consumer group.
pub struct Consumer {
    config: Config,
    topic: String,
    partitions: Vec<Option<Forward<Group>>>,
    inbox: Inbox<Group>,
    /// Assigned partitions that are not read yet, each with the first offset of the log when it was assigned.
    waiting: BTreeMap<i32, i64>,
    /// Whether the group has assigned partitions, even if none.
    assigned: bool,
    /// The id that the group had given this member when it assigned the partitions.
    member: String,
    topic_id: Option<String>,
    /// The question for its present id, if one is open.
    asked: Option<TopicId<Group>>,
    asked_at: Instant,
    /// The broker to ask for it; none is the controller.
    broker: Option<i32>,
    base: Arc<BaseConsumer<Group>>,
}

impl Consumer {
    /// Joins the group as the `worker`th member of this process.
    ///
    /// # Errors
    /// When the configuration is refused, Kafka cannot be reached, or the topic is missing.
    pub fn join(config: &Config, topic: &str, worker: usize) -> Result<Self, Error> {
        let doing = || format!("joining group `{}` on {}", config.group, config.brokers);
        let mut client = config.client(&[FETCH, &rebalancing(config)].concat(), STABLE);
        client.set("group.id", config.group.as_str());
        client.set("statistics.interval.ms", STATISTICS_MS);
        if let Some(instance) = &config.group_instance_id {
            client.set("group.instance.id", format!("{instance}-{worker}"));
        }
        let base: BaseConsumer<Group> =
            client.create_with_context(Group::default()).map_err(|error| Error::client(doing(), error))?;
        let base = Arc::new(base);
        let inbox = Inbox::new(&base);
        let count = count_partitions(&base, config, topic)?;
        let (topic_id, leader) = id_of(&base, config, topic)?;
        base.subscribe(&[topic]).map_err(|error| Error::client(doing(), error))?;
        let partitions = (0..count).map(|_| None).collect();
        Ok(Self {
            config: config.clone(),
            topic: topic.to_owned(),
            partitions,
            inbox,
            waiting: BTreeMap::new(),
            assigned: false,
            member: String::new(),
            topic_id,
            asked: None,
            asked_at: Instant::now(),
            broker: leader,
            base,
        })
    }

    /// The id that the topic got when it was created, if the broker knows ids (since Kafka 2.8).
    #[must_use]
    pub fn topic_id(&self) -> Option<&str> {
        self.topic_id.as_deref()
    }

    /// Whether the group has assigned partitions, even if none.
    #[must_use]
    pub fn is_assigned(&self) -> bool {
        self.assigned
    }

    /// The ends of partitions that were reported since the last call, at most once a second. They come with the answers
    /// to fetches: while no broker answers there are no new ones.
    pub fn ends(&self, each: &mut impl FnMut(i32, Ends)) {
        let ends = std::mem::take(&mut *self.base.context().ends.lock().unwrap_or_else(PoisonError::into_inner));
        for (partition, ends) in ends.into_iter().filter(|(partition, _)| owned(&self.partitions, *partition)) {
            each(partition, ends);
        }
    }

    /// Delivers group events, then a batch of records. Waits at most `wait` for the first of them. It must be called at
    /// least every `max.poll.interval.ms` (five minutes).
    ///
    /// # Errors
    /// Continuing is impossible or would give wrong results. Temporary errors are logged and not returned.
    pub fn poll(&mut self, wait: Duration, each: &mut impl FnMut(Polled<'_>)) -> Result<(), Error> {
        let deadline = Instant::now() + wait;
        loop {
            let changed = self.serve_group(each)?;
            let left = deadline.saturating_duration_since(Instant::now());
            let slice = if changed { Duration::ZERO } else { left.min(SLICE) };
            if self.deliver(slice, each)? || changed || left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Handles group events only, without reading records. Like `poll`, it keeps the membership in the group.
    ///
    /// # Errors
    /// As for `poll`.
    pub fn attend(&mut self, each: &mut impl FnMut(Polled<'_>)) -> Result<(), Error> {
        self.serve_group(each).map(|_| ())
    }

    /// The number of partitions that the topic had when the group was joined.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }

    /// The group's present generation, for the next transaction.
    ///
    /// # Errors
    /// The member has another id than when the partitions were assigned: the group had removed it, and others may own
    /// them. librdkafka (2.12) does not say so if it learns of that while it joins again: it keeps the partitions in
    /// the new generation, in which a commit would be accepted.
    ///
    /// # Panics
    /// Never: a consumer with a group has it.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        let metadata = self.base.group_metadata().expect("the consumer has a group");
        if self.owns_any() {
            // Asked after that: an id that was replaced does not come back.
            self.member()?;
        }
        Ok(Arc::new(metadata))
    }

    /// The id of the member, which must be that with which the present partitions were assigned.
    fn member(&self) -> Result<String, Error> {
        let member = member_id(&self.base);
        if member.is_empty() || self.owns_any() && member != self.member {
            return Err(Error::MembershipLost { group: self.config.group.clone() });
        }
        Ok(member)
    }

    fn owns_any(&self) -> bool {
        !self.waiting.is_empty() || self.partitions.iter().any(Option::is_some)
    }

    /// The number of records, ends and errors that wait to be read.
    #[cfg(test)]
    pub(super) fn unread(&self) -> usize {
        self.inbox.len()
    }

    /// Notices that the topic was deleted and created again: its records would be taken for later ones of the log.
    fn watch_topic(&mut self) -> Result<(), Error> {
        if self.topic_id.is_none() {
            return Ok(());
        }
        if let Some(answer) = self.asked.as_ref().and_then(|asked| asked.answer(Duration::ZERO)) {
            self.asked = None;
            match (&self.topic_id, answer) {
                (Some(then), Ok(Some(now))) if *then != now => {
                    let (topic, then) = (self.topic.clone(), then.clone());
                    return Err(Error::LogReplaced { topic, group: self.config.group.clone(), then, now });
                }
                // The leader of then may be gone. If no broker answers, other errors tell.
                (_, Err(_)) => self.broker = None,
                _ => {}
            }
        } else if self.asked.is_none() && self.asked_at.elapsed() >= WATCH {
            self.asked_at = Instant::now();
            self.asked = TopicId::ask(&self.base, &self.topic, self.broker, QUESTION);
        }
        Ok(())
    }

    fn serve_group(&mut self, each: &mut impl FnMut(Polled<'_>)) -> Result<bool, Error> {
        log_line::settle();
        self.watch_topic()?;
        match self.base.poll(Duration::ZERO) {
            None => {}
            Some(Err(error)) => self.weigh(&error)?,
            Some(Ok(_)) => {
                let lost = KafkaError::MessageConsumption(RDKafkaErrorCode::InconsistentGroupProtocol);
                return Err(Error::client("a record came outside its partition's queue", lost));
            }
        }
        let mut changed = false;
        while let Some(change) = self.base.context().next() {
            changed = true;
            match change {
                Change::Assign(list) => self.assign(&list, each)?,
                Change::Revoke(list) => self.revoke(&list, each)?,
            }
        }
        Ok(changed)
    }

    fn deliver(&mut self, wait: Duration, each: &mut impl FnMut(Polled<'_>)) -> Result<bool, Error> {
        let Self { config, topic, partitions, inbox, .. } = self;
        let mut failed = Ok(());
        let any = inbox.read(wait, &mut |entry| match entry {
            // Records that were in flight when their partition was revoked are dropped here.
            Entry::Message(message) if owned(partitions, message.partition) => each(Polled::Message(message)),
            Entry::End { partition, position } if owned(partitions, partition) => {
                each(Polled::End { partition, position });
            }
            Entry::Error { partition, code, detail } if owned(partitions, partition) && failed.is_ok() => {
                failed = partition_error(config, topic, partition, code, &detail);
            }
            _ => {}
        });
        failed.map(|()| any)
    }

    fn assign(&mut self, list: &TopicPartitionList, each: &mut impl FnMut(Polled<'_>)) -> Result<(), Error> {
        let begun = self.examine(list).and_then(|starts| {
            self.member = self.member()?;
            if !self.assigned {
                self.join_again()?;
            }
            let mut begun = TopicPartitionList::new();
            for Start { partition, committed, metadata, low, end } in starts {
                let mut begin = Some(0);
                each(Polled::Assigned { partition, committed, metadata: &metadata, low, end, begin: &mut begin });
                match begin {
                    Some(begin) => self.add_start(&mut begun, partition, begin, low)?,
                    None => drop(self.waiting.insert(partition, low)),
                }
            }
            Ok(begun)
        });
        // The group waits for an answer to the assignment, and closing would wait for it.
        let answered = self.answer_assign(begun.as_ref().unwrap_or(&TopicPartitionList::new()));
        if let Err(error) = begun {
            self.partitions.clear();
            return Err(error);
        }
        self.assigned = true;
        answered.map_err(|error| Error::client(format!("taking over partitions of {}", self.topic), error))
    }

    /// Reads a partition from this offset, which was assigned without one. Nothing happens if it was revoked since.
    ///
    /// # Errors
    /// The log has lost the record at this offset, or the client refuses.
    pub fn begin(&mut self, partition: i32, offset: i64) -> Result<(), Error> {
        // If the membership is lost, all partitions are about to be revoked.
        let Some(low) = self.waiting.get(&partition).copied().filter(|_| !self.base.assignment_lost()) else {
            return Ok(());
        };
        let mut list = TopicPartitionList::new();
        self.add_start(&mut list, partition, offset, low)?;
        self.waiting.remove(&partition);
        self.base
            .incremental_assign(&list)
            .map_err(|error| Error::client(format!("reading {}[{partition}]", self.topic), error))
    }

    /// Reads nothing more of a partition until `begin` tells from where. What was fetched of it is dropped.
    ///
    /// # Errors
    /// The client refuses.
    pub fn halt(&mut self, partition: i32) -> Result<(), Error> {
        let slot = usize::try_from(partition).ok().and_then(|index| self.partitions.get_mut(index));
        if self.base.assignment_lost() || slot.and_then(Option::take).is_none() {
            return Ok(());
        }
        self.waiting.insert(partition, 0);
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.topic, partition);
        self.base
            .incremental_unassign(&list)
            .map_err(|error| Error::client(format!("halting {}[{partition}]", self.topic), error))
    }

    /// Adds a partition to a list of those that are to be read, and has its records come into the inbox.
    fn add_start(&mut self, list: &mut TopicPartitionList, partition: i32, begin: i64, low: i64) -> Result<(), Error> {
        if begin < low {
            return Err(Error::LogTrimmed { topic: self.topic.clone(), partition, low, begin });
        }
        list.add_partition_offset(&self.topic, partition, Offset::Offset(begin))
            .map_err(|error| Error::client("setting offsets", error))?;
        let forward = self.inbox.forward(&self.topic, partition);
        // `examine` has refused partitions that were added since the group was joined.
        self.partitions[usize::try_from(partition).unwrap_or(0)] = forward;
        Ok(())
    }

    fn revoke(&mut self, list: &TopicPartitionList, each: &mut impl FnMut(Polled<'_>)) -> Result<(), Error> {
        let group = self.group_metadata().ok().filter(|_| !self.base.assignment_lost());
        self.assigned &= group.is_some();
        let read = self.read_of(list);
        for element in list.elements() {
            let partition = element.partition();
            let slot = usize::try_from(partition).ok().and_then(|index| self.partitions.get_mut(index));
            if slot.and_then(Option::take).is_some() || self.waiting.remove(&partition).is_some() {
                each(Polled::Revoked { partition, group: group.clone() });
            }
        }
        answer_revoke(&self.base, &read)
            .map_err(|error| Error::client(format!("giving back partitions of {}", self.topic), error))
    }

    /// Those of these partitions that are read: the client knows only them.
    fn read_of(&self, list: &TopicPartitionList) -> TopicPartitionList {
        let mut read = TopicPartitionList::new();
        for element in list.elements() {
            if owned(&self.partitions, element.partition()) {
                read.add_partition(element.topic(), element.partition());
            }
        }
        read
    }

    /// Leaves the group. If librdkafka does not come to an end with that, its threads stay behind.
    pub fn leave(self) {
        let (base, group) = (Arc::clone(&self.base), self.config.group.clone());
        // All handles go first, and the client last.
        drop(self);
        let (left, has_left) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            drop(base);
            let _ = left.send(());
        });
        if has_left.recv_timeout(LEAVE_MAX).is_err() {
            tracing::warn!(
                group,
                "leaving the group takes long: going on; the group may notice only when the session times out"
            );
        }
    }

    /// Makes the group rebalance once the present assignment is answered, if this is a static member.
    ///
    /// A member that has revoked a partition joins again, and only that makes the group assign the partition to its next
    /// owner. A static member that dies before, and restarts before its session times out, gets the partitions that it
    /// was to keep without a rebalance; the revoked one would have no owner until the next rebalance. To call `subscribe`
    /// during a rebalance makes librdkafka join again when it is done. It lasts until the assignment is answered.
    fn join_again(&self) -> Result<(), Error> {
        let is_cooperative = matches!(self.base.rebalance_protocol(), RebalanceProtocol::Cooperative);
        if self.config.group_instance_id.is_none() || !is_cooperative || is_managed_by_broker(&self.config) {
            return Ok(());
        }
        match self.base.subscribe(&[&self.topic]) {
            // It was fenced meanwhile, which the next poll tells.
            Err(_) if self.base.client().fatal_error().is_some() => Ok(()),
            subscribed => {
                let doing = || format!("joining group `{}` again", self.config.group);
                subscribed.map_err(|error| Error::client(doing(), error))
            }
        }
    }

    fn answer_assign(&self, list: &TopicPartitionList) -> KafkaResult<()> {
        match self.base.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.base.incremental_assign(list),
            _ => self.base.assign(list),
        }
    }

    /// The committed offsets of the group, checked against the first and last offsets of the log.
    fn examine(&self, list: &TopicPartitionList) -> Result<Vec<Start>, Error> {
        if list.count() == 0 {
            return Ok(Vec::new());
        }
        let joined_with = self.partitions();
        if list.elements().iter().any(|element| element.partition() >= joined_with) {
            let now = count_partitions(&self.base, &self.config, &self.topic)?;
            let now = i32::try_from(now).unwrap_or(i32::MAX);
            let (topic, group) = (self.topic.clone(), self.config.group.clone());
            return Err(Error::PartitionsChanged { topic, group, then: joined_with, now });
        }
        let doing = format!(
            "reading the committed offsets of group `{}`, which wait until transactions of former members have ended",
            self.config.group
        );
        committed(&self.base, &self.config, &doing, list)?
            .elements()
            .iter()
            .map(|element| {
                let committed = match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                };
                let start = Start {
                    partition: element.partition(),
                    committed,
                    metadata: element.metadata().to_owned(),
                    low: 0,
                    end: 0,
                };
                self.check_log(start)
            })
            .collect()
    }

    fn check_log(&self, start: Start) -> Result<Start, Error> {
        let (topic, partition) = (self.topic.clone(), start.partition);
        let (low, end) = span(&self.base, &self.config, &topic, partition)?;
        match start.committed {
            Some(committed) if committed > end => {
                let group = self.config.group.clone();
                Err(Error::OffsetsMovedBack { topic, partition, group, committed, end })
            }
            _ => Ok(Start { low, end, ..start }),
        }
    }

    /// Logs a temporary error; returns any other.
    fn weigh(&self, error: &KafkaError) -> Result<(), Error> {
        if let Some((code, reason)) = self.base.client().fatal_error() {
            let (group, instance) = (self.config.group.clone(), self.config.group_instance_id.clone());
            let instance = instance.unwrap_or_default();
            match code {
                RDKafkaErrorCode::FencedInstanceId => return Err(Error::InstanceFenced { group, instance }),
                RDKafkaErrorCode::UnreleasedInstanceId => return Err(Error::InstanceUnreleased { group, instance }),
                _ => {}
            }
            let doing = format!("consuming {} ({reason})", self.topic);
            return Err(Error::client(doing, KafkaError::MessageConsumptionFatal(code)));
        }
        match error.rdkafka_error_code() {
            Some(code) if is_lasting(code) => lasting(&self.config, &self.topic, code),
            _ => {
                log_line::passing(error, &self.topic);
                Ok(())
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // From here on the context answers the group by itself; the handles of the partitions
        // and the queue go first, then the client leaves the group.
        self.base.context().closing.store(true, Ordering::Relaxed);
        while let Some(change) = self.base.context().next() {
            if let Change::Revoke(list) = change {
                let _ = answer_revoke(&self.base, &self.read_of(&list));
            } else {
                let _ = self.answer_assign(&TopicPartitionList::new());
            }
        }
        self.partitions.clear();
    }
}

/// The offsets of a partition when it is assigned.
struct Start {
    partition: i32,
    committed: Option<i64>,
    metadata: String,
    low: i64,
    end: i64,
}

/// A change of the assignment that awaits its answer.
enum Change {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
}

/// Stores the changes of the assignment, so that the consumer answers them on its own thread, where it can return an
/// error.
#[derive(Default)]
struct Group {
    changes: Mutex<VecDeque<Change>>,
    /// The ends reported since the last call of `ends`.
    ends: Mutex<BTreeMap<i32, Ends>>,
    closing: AtomicBool,
}

impl Group {
    fn next(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line::write(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_line::client_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in statistics.topics.values().flat_map(|topic| topic.partitions.values()) {
            // Below 0 they are not known.
            if partition.ls_offset >= 0 && partition.hi_offset >= 0 {
                ends.insert(partition.partition, Ends { stable: partition.ls_offset, last: partition.hi_offset });
            }
        }
    }
}

impl ConsumerContext for Group {
    fn rebalance(&self, base: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Relaxed) {
            // Once it has left the group, librdkafka answers no question about it: the call would not return.
            if !base.closed() {
                let _ = answer_revoke(base, list);
            }
            return;
        }
        let change = if assigned { Change::Assign(list.clone()) } else { Change::Revoke(list.clone()) };
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}

fn answer_revoke(base: &BaseConsumer<Group>, list: &TopicPartitionList) -> KafkaResult<()> {
    match base.rebalance_protocol() {
        RebalanceProtocol::Cooperative => base.incremental_unassign(list),
        _ => base.unassign(),
    }
}

/// Cooperative rebalancing, unless the group's members are managed by the broker (KIP-848), which
/// has strategies and heartbeats of its own. A member learns of a rebalance by a heartbeat, and one takes up to two of
/// them: at librdkafka's 3 s that is long.
fn rebalancing(config: &Config) -> Vec<(&'static str, &'static str)> {
    if is_managed_by_broker(config) {
        return Vec::new();
    }
    vec![("partition.assignment.strategy", "cooperative-sticky"), ("heartbeat.interval.ms", "500")]
}

fn is_managed_by_broker(config: &Config) -> bool {
    config.properties.get("group.protocol").is_some_and(|value| value.eq_ignore_ascii_case("consumer"))
}

fn owned<C: ConsumerContext>(partitions: &[Option<Forward<C>>], partition: i32) -> bool {
    usize::try_from(partition).ok().and_then(|index| partitions.get(index)).is_some_and(Option::is_some)
}

/// The number of partitions of a topic, or that it is missing.
pub(super) fn count_partitions<C: ConsumerContext>(
    base: &BaseConsumer<C>,
    config: &Config,
    topic: &str,
) -> Result<usize, Error> {
    let metadata = look_up(base, config, topic)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    match found.map_or(0, |found| found.partitions().len()) {
        0 => Err(Error::TopicMissing { topic: topic.to_owned(), brokers: config.brokers.clone() }),
        count => Ok(count),
    }
}

/// The id of a topic, if the broker knows ids, and who said so; none is the controller.
pub(super) fn id_of<C: ConsumerContext>(
    base: &Arc<BaseConsumer<C>>,
    config: &Config,
    topic: &str,
) -> Result<(Option<String>, Option<i32>), Error> {
    let doing = format!("asking for the id of topic `{topic}` on {}", config.brokers);
    patiently(config, &doing, || {
        // Not the controller: any broker knows it, and the mock cluster has none.
        let metadata = base.fetch_metadata(Some(topic), QUESTION)?;
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        let leader = partitions.find_map(|partition| (partition.leader() >= 0).then_some(partition.leader()));
        match TopicId::ask(base, topic, leader, QUESTION).and_then(|asked| asked.answer(QUESTION * 2)) {
            None => Err(KafkaError::AdminOp(RDKafkaErrorCode::RequestTimedOut)),
            Some(Err(RDKafkaErrorCode::UnsupportedFeature)) => Ok((None, leader)),
            Some(answer) => answer.map(|id| (id, leader)).map_err(KafkaError::AdminOp),
        }
    })
}

/// What the cluster knows of a topic.
pub(super) fn look_up<C: ConsumerContext>(
    base: &BaseConsumer<C>,
    config: &Config,
    topic: &str,
) -> Result<Metadata, Error> {
    let doing = format!("looking up topic `{topic}` on {}", config.brokers);
    patiently(config, &doing, || base.fetch_metadata(Some(topic), QUESTION))
}

/// The beginning and the end of a partition, for a reader of what is committed: its stable end.
pub(super) fn span<C: ConsumerContext>(
    base: &BaseConsumer<C>,
    config: &Config,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), Error> {
    let doing = format!("reading the first and last offset of {topic}[{partition}]");
    patiently(config, &doing, || {
        base.fetch_watermarks(topic, partition, QUESTION).or_else(|error| {
            if is_silence(&error) {
                return Err(error);
            }
            // librdkafka keeps what it knows of a topic for a quarter of an hour, also that a partition has no leader, which
            // it then calls unknown. Asking for the topic replaces it.
            let known = base.fetch_metadata(Some(topic), QUESTION)?;
            let mut partitions = known.topics().iter().flat_map(|topic| topic.partitions());
            let is_there = partitions.any(|it| it.id() == partition);
            let is_refused = error.rdkafka_error_code().is_some_and(is_refusal);
            Err(if is_there && !is_refused {
                KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)
            } else {
                error
            })
        })
    })
}

/// What the group committed for the partitions.
pub(super) fn committed<C: ConsumerContext>(
    base: &BaseConsumer<C>,
    config: &Config,
    doing: &str,
    list: &TopicPartitionList,
) -> Result<TopicPartitionList, Error> {
    patiently(config, doing, || {
        let answer = base.committed_offsets(list.clone(), QUESTION)?;
        answer.elements().iter().try_for_each(|element| element.error())?;
        Ok(answer)
    })
}

/// Repeats a request until it succeeds, fails for good, times out, or the process stops.
pub(super) fn patiently<T>(config: &Config, doing: &str, mut ask: impl FnMut() -> KafkaResult<T>) -> Result<T, Error> {
    let began = Instant::now();
    loop {
        let error = match ask() {
            Ok(answer) => {
                log_line::answered();
                return Ok(answer);
            }
            Err(error) => error,
        };
        let patience = if is_silence(&error) { config.patience } else { PATIENCE };
        if !is_passing(&error) || began.elapsed() >= patience {
            return Err(Error::client(config.met(doing, &error), error));
        }
        if config.is_stopping() {
            return Err(Error::Stopped { doing: doing.to_owned() });
        }
        log_line::passing(&error, doing);
        thread::sleep(Duration::from_millis(100));
    }
}

/// An error in the queue of a partition.
pub(super) fn partition_error(
    config: &Config,
    topic: &str,
    partition: i32,
    code: RDKafkaErrorCode,
    detail: &str,
) -> Result<(), Error> {
    match code {
        RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
            Err(Error::OffsetGone { topic: topic.to_owned(), partition, detail: detail.to_owned() })
        }
        code if is_lasting(code) => lasting(config, topic, code),
        code => {
            log_line::passing_of_partition(topic, partition, code, detail);
            Ok(())
        }
    }
}

fn lasting(config: &Config, topic: &str, code: RDKafkaErrorCode) -> Result<(), Error> {
    if is_refusal(code) {
        let doing = format!("consuming {topic} as group `{}`", config.group);
        return Err(Error::NotAuthorized { doing, code });
    }
    Err(Error::TopicMissing { topic: topic.to_owned(), brokers: config.brokers.clone() })
}
