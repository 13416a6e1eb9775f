//! The transactional producer of a worker, and a plain producer for the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::admin::SIZE_OF_PRODUCER;
use super::config::Config;
use super::consumer::GroupMetadata;
use super::error::{Error, TransactionError, is_refusal};
use super::log_line;
use super::raw::{self, Record, Topic};

/// Kafka refuses more metadata than this beside an offset, in UTF-16 units.
const METADATA_MAX: usize = 4096;
/// One wait of the flush loop; it ends early when all is delivered.
const FLUSH_SLICE: Duration = Duration::from_millis(5);
/// One wait of the loop that aborts.
const ABORT_SLICE: Duration = Duration::from_millis(20);
/// How long an operation is retried. It is longer than two transaction timeouts and the interval at which the broker
/// aborts transactions.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an operation is retried once the process was asked to stop: messages that are being sent can still arrive, and
/// the operations of a transaction together take less than the 30 s that Kubernetes allows.
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(3);
/// How long one attempt of such an operation takes, which the next one resumes; also how soon a stop is noticed.
const ATTEMPT: Duration = Duration::from_secs(3);

/// How long an attempt to send offsets may take before the client is left behind. librdkafka (2.12) obeys no timeout
/// while it searches for the group's coordinator: it can wait until some broker is connected or lost, which may never
/// happen (<https://github.com/confluentinc/librdkafka/issues/5456>).
const LEFT_BEHIND: Duration = Duration::from_secs(10);

/// The retry backoff for short transactions in sequence. With the default of 100 ms, a transaction that follows another
/// one at once waits that long.
const TRANSACTIONS: &[(&str, &str)] = &[
    // A commit sends what waits at once, so that nothing is later by this. While a batch is folded, fuller requests and
    // fewer of them save an eighth of the CPU.
    ("linger.ms", "100"),
    ("retry.backoff.ms", "2"),
    ("transaction.timeout.ms", "10000"),
    // The headers of messages are similar.
    ("compression.type", "lz4"),
    // A dead letter contains most of a record of the log.
    (SIZE_OF_PRODUCER, "4194304"),
    // A topic refuses a batch that is larger than it allows, so a batch is limited to the size of one message.
    ("batch.size", "262144"),
];

/// The header of a control record (semantics A32). Its value is empty.
pub const CONTROL_HEADERS: &[(&str, &str)] = &[("upswell-control", "1")];

/// The largest record in bytes that the producer of a worker sends; none if the configured value is not a number.
pub fn largest_sent(config: &Config) -> Option<usize> {
    config.client(TRANSACTIONS, MUSTS).get(SIZE_OF_PRODUCER)?.parse().ok()
}

/// Settings for throughput into the log.
const BULK: &[(&str, &str)] = &[
    ("linger.ms", "10"),
    ("compression.type", "lz4"),
    ("batch.size", "262144"),
    ("queue.buffering.max.kbytes", "65536"),
    ("message.max.bytes", "4194304"),
];

/// The settings that every producer requires.
const MUSTS: &[(&str, &str)] =
    &[("enable.idempotence", "true"), ("delivery.report.only.error", "true"), ("partitioner", "murmur2_random")];

/// A committed position of a group in a partition, committed with the effects of the records before it.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The topic of the log.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset of the next record.
    pub offset: i64,
    /// The metadata of the offset: ASCII, at most 4,096 bytes.
    pub metadata: &'a str,
}

/// The transactional producer of one worker.
///
/// A request that seemed lost and was sent again can arrive late, within a later transaction, and change it: an old offset
/// would take the place of a new one. The broker refuses it only if the producer has a newer epoch by then (KIP-890, whose
/// own remedy librdkafka does not have). So after a connection has failed, the next transaction has a new epoch.
pub struct Producer {
    config: Config,
    transactional_id: String,
    out: Out,
    base: Arc<BaseProducer<Deliveries>>,
}

impl Producer {
    /// Connects, fences any other producer with this id, and aborts its open transaction.
    ///
    /// # Errors
    /// The configuration is invalid, the cluster refuses, or it does not answer for a minute.
    pub fn connect(config: &Config, transactional_id: &str) -> Result<Self, Error> {
        let base = Arc::new(Self::initialise(config, transactional_id)?);
        let out = Out { topics: Vec::new(), base: Arc::clone(&base) };
        Ok(Self { config: config.clone(), transactional_id: transactional_id.to_owned(), out, base })
    }

    /// A client with a new epoch.
    fn initialise(config: &Config, transactional_id: &str) -> Result<BaseProducer<Deliveries>, Error> {
        let doing = format!("starting the transactional producer `{transactional_id}` on {}", config.brokers);
        let mut client = config.client(TRANSACTIONS, MUSTS);
        client.set("transactional.id", transactional_id);
        let base: BaseProducer<Deliveries> =
            client.create_with_context(Deliveries::default()).map_err(|error| Error::client(doing.as_str(), error))?;
        // Asked for the coordinator before it is connected, a client tries again after half a second.
        raw::await_broker(&base, ATTEMPT);
        repeat(config, || base.init_transactions(ATTEMPT)).map_err(|error| match config.is_stopping() {
            true => Error::Stopped { doing: doing.clone() },
            false => Error::client(config.met(&doing, &error), error),
        })?;
        Ok(base)
    }

    /// Serves the events of the client. It should be called regularly, so that errors are logged in time.
    pub fn attend(&self) {
        self.base.poll(Duration::ZERO);
    }

    /// Begins a transaction, with a new epoch if the client has lost a connection.
    ///
    /// # Errors
    /// When the producer was fenced or failed for good, or Kafka does not answer.
    pub fn begin(&mut self) -> Result<(), TransactionError> {
        // A poll serves one event of those that wait, one of which may tell of a lost connection.
        for _ in 0..self.base.in_flight_count() {
            self.base.poll(Duration::ZERO);
        }
        // Another producer may have its id: then it is not for this one to take it back.
        if let Some(fatal) = self.fatal() {
            return Err(fatal);
        }
        if self.base.context().lost.load(Ordering::Relaxed) {
            tracing::info!(id = self.transactional_id, "a connection was lost: the next transaction has a new epoch");
            let initialised = Self::initialise(&self.config, &self.transactional_id);
            let base = Arc::new(initialised.map_err(|error| match error {
                Error::Stopped { .. } => TransactionError::Fenced(error.to_string()),
                error if error.is_passing() => TransactionError::Aborted(error.to_string()),
                error => TransactionError::Fatal(error.to_string()),
            })?);
            self.out = Out { topics: Vec::new(), base: Arc::clone(&base) };
            self.base = base;
        }
        self.base.context().take();
        self.base.begin_transaction().map_err(|error| self.end(error))
    }

    /// Adds a record to the transaction. Without a partition the key decides; without a payload it is a tombstone:
    /// compaction then removes the key.
    ///
    /// # Errors
    /// When the record cannot be taken; the transaction has then been aborted.
    pub fn send<'a>(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a str, &'a str), IntoIter: Clone>,
    ) -> Result<(), TransactionError> {
        self.out.enqueue(topic, &Record { partition, key, payload }, headers.into_iter()).map_err(|error| {
            if let Some(code) = error.rdkafka_error_code() {
                self.base.context().note(topic, code);
            }
            self.end(error)
        })
    }

    /// Waits until all records are delivered.
    ///
    /// # Errors
    /// See `TransactionError`.
    pub fn flush(&mut self) -> Result<(), TransactionError> {
        self.drain().map_err(|error| self.end(error))
    }

    /// Commits the records and the positions of the group in one transaction.
    ///
    /// # Errors
    /// See `TransactionError`. Unless it is `Fenced`, no reader sees anything of the transaction.
    pub fn commit(&mut self, progress: &[Progress<'_>], group: &GroupMetadata) -> Result<(), TransactionError> {
        let offsets = match offset_list(progress) {
            Ok(offsets) => offsets,
            Err(problem) => {
                self.abort()?;
                return Err(TransactionError::Fatal(problem));
            }
        };
        // Sends the records that linger, so that they travel while the offsets do.
        raw::flush(&self.base, FLUSH_SLICE);
        let (offsets, mut hangs) = (Arc::new(offsets), false);
        let sent = repeat(&self.config, || {
            self.send_offsets(&offsets, group).unwrap_or_else(|| {
                hangs = true;
                Ok(())
            })
        });
        if hangs {
            // Nothing can be asked of this client any more, so that it cannot commit. Its transaction ends as the next one
            // begins, or by its timeout.
            self.base.context().lost.store(true, Ordering::Relaxed);
            let long = LEFT_BEHIND.as_secs();
            return Err(TransactionError::Aborted(format!("no coordinator of the group was found within {long} s")));
        }
        sent.map_err(|error| self.end(error))?;
        self.flush()?;
        // All is delivered, so the flush in the crate's commit returns at once.
        repeat(&self.config, || self.base.commit_transaction(ATTEMPT)).map_err(|error| {
            // A commit without an answer can neither be aborted nor be assumed to have succeeded.
            if is_retriable(&error) { self.unanswered(&error) } else { self.end(error) }
        })?;
        log_line::answered();
        Ok(())
    }

    /// Sends offsets once; none if that does not come to an end. Then a thread with the client stays behind until it does.
    fn send_offsets(&self, offsets: &Arc<TopicPartitionList>, group: &GroupMetadata) -> Option<KafkaResult<()>> {
        let (answer, answered) = channel();
        let (base, offsets, group) = (Arc::clone(&self.base), Arc::clone(offsets), Arc::clone(group));
        std::thread::spawn(move || {
            let sent = base.send_offsets_to_transaction(&offsets, &group, ATTEMPT);
            // Before the answer, so that it is not this thread that ends the client.
            drop(base);
            let _ = answer.send(sent);
        });
        answered.recv_timeout(LEFT_BEHIND).ok()
    }

    /// Aborts the transaction. No reader sees anything of it.
    ///
    /// # Errors
    /// When the producer was fenced or failed for good.
    pub fn abort(&mut self) -> Result<(), TransactionError> {
        // In slices, with polls between: records that the abort purges wait to be polled.
        let aborted = repeat(&self.config, || {
            self.base.poll(Duration::ZERO);
            self.base.abort_transaction(ABORT_SLICE)
        });
        match aborted {
            Ok(()) => Ok(()),
            Err(error) => Err(match self.fatal() {
                Some(fatal) => fatal,
                // A new producer of the same id ends the transaction.
                None => TransactionError::Fenced(format!("it could not be aborted: {error}")),
            }),
        }
    }

    /// Waits until all records are delivered or have failed. A failed delivery counts as waiting until it is polled, and
    /// would delay the commit until its timeout.
    fn drain(&self) -> KafkaResult<()> {
        let began = Instant::now();
        while !raw::flush(&self.base, FLUSH_SLICE) {
            self.base.poll(Duration::ZERO);
            if began.elapsed() > patience(&self.config) {
                return Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut));
            }
        }
        Ok(())
    }

    /// Ends a transaction after `error`, and returns what it means for the transaction.
    fn end(&mut self, error: KafkaError) -> TransactionError {
        if let Some(fatal) = self.fatal() {
            return fatal;
        }
        let gave_up = is_retriable(&error) || matches!(error, KafkaError::Flush(_));
        if gave_up && self.config.is_stopping() {
            return self.unanswered(&error);
        }
        self.base.poll(Duration::ZERO);
        let delivery = self.base.context().take();
        let hopeless = error.rdkafka_error_code().filter(|code| is_hopeless(*code));
        let message = match &delivery {
            Some((topic, code)) => format!("writing to topic `{topic}`: {code} ({error})"),
            None => error.to_string(),
        };
        if let Err(error) = self.abort() {
            return error;
        }
        let hopeless = hopeless.or_else(|| delivery.map(|(_, code)| code).filter(|code| is_hopeless(*code)));
        match hopeless {
            Some(_) => TransactionError::Fatal(message),
            None => TransactionError::Aborted(message),
        }
    }

    /// The error for an operation with an unknown result. The broker ends the transaction when its timeout passes or a
    /// producer with the same id connects; before that, it does not return the committed offset to the next owner of a
    /// partition.
    fn unanswered(&self, error: &KafkaError) -> TransactionError {
        self.fatal().unwrap_or_else(|| TransactionError::Fenced(format!("it was not answered: {error}")))
    }

    /// The error that ended this producer, if one did.
    fn fatal(&self) -> Option<TransactionError> {
        let (code, reason) = self.base.client().fatal_error()?;
        let message = format!("{code}: {reason}");
        Some(if is_refusal(code) { TransactionError::Fatal(message) } else { TransactionError::Fenced(message) })
    }
}

/// An idempotent producer for the log without transactions, for throughput. Records are delivered when `flush` returns.
pub struct LogWriter {
    out: Out,
    topic: String,
}

impl LogWriter {
    /// A writer into `topic`.
    ///
    /// # Errors
    /// When the configuration is refused.
    pub fn connect(config: &Config, topic: &str) -> Result<Self, Error> {
        let base: BaseProducer<Deliveries> = config
            .client(BULK, MUSTS)
            .create_with_context(Deliveries::default())
            .map_err(|error| Error::client(format!("starting a producer on {}", config.brokers), error))?;
        Ok(Self { out: Out { topics: Vec::new(), base: Arc::new(base) }, topic: topic.to_owned() })
    }

    /// Takes a record; waits while the queue is full. Without a partition the key decides on it, as
    /// in the Java client.
    ///
    /// # Errors
    /// When this record cannot be taken, or one before it was not delivered.
    pub fn send(&mut self, partition: Option<i32>, key: Option<&[u8]>, payload: &[u8]) -> Result<(), Error> {
        self.take(&Record { partition, key, payload: Some(payload) }, &[])
    }

    fn take(&mut self, record: &Record<'_>, headers: &[(&str, &str)]) -> Result<(), Error> {
        let sent = self.out.enqueue(&self.topic, record, headers.iter().copied());
        self.surface()?;
        sent.map_err(|error| Error::client(format!("writing to topic `{}`", self.topic), error))
    }

    /// Sends a control record to a partition.
    ///
    /// # Errors
    /// As for `send`.
    pub fn send_control(&mut self, partition: i32, payload: &[u8]) -> Result<(), Error> {
        self.take(&Record { partition: Some(partition), key: None, payload: Some(payload) }, CONTROL_HEADERS)
    }

    /// Waits until everything is delivered.
    ///
    /// # Errors
    /// When a record was not.
    pub fn flush(&mut self) -> Result<(), Error> {
        while !raw::flush(&self.out.base, FLUSH_SLICE) {
            self.out.base.poll(Duration::ZERO);
        }
        self.surface()
    }

    /// The first failed delivery.
    fn surface(&self) -> Result<(), Error> {
        match self.out.base.context().take() {
            Some((topic, code)) => Err(Error::Delivery { topic, code }),
            None => Ok(()),
        }
    }
}

/// A producer with the topics that it has written to.
struct Out {
    topics: Vec<(String, Topic<Deliveries>)>,
    base: Arc<BaseProducer<Deliveries>>,
}

impl Out {
    /// Takes a record into the producer's queue; waits while it is full.
    fn enqueue<'a>(
        &mut self,
        topic: &str,
        record: &Record<'_>,
        headers: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> KafkaResult<()> {
        // There are about ten.
        let at = self.topics.iter().position(|(name, _)| name == topic);
        let at = match at {
            Some(at) => at,
            None => {
                let invalid = KafkaError::MessageProduction(RDKafkaErrorCode::InvalidTopic);
                self.topics.push((topic.to_owned(), Topic::new(&self.base, topic).ok_or(invalid)?));
                self.topics.len() - 1
            }
        };
        let (_, topic) = &self.topics[at];
        loop {
            match topic.produce(record, headers.clone()) {
                Ok(()) => return Ok(()),
                Err(RDKafkaErrorCode::QueueFull) => {
                    raw::flush(&self.base, FLUSH_SLICE);
                    self.base.poll(Duration::ZERO);
                }
                Err(code) => return Err(KafkaError::MessageProduction(code)),
            }
        }
    }
}

pub(super) fn offset_list(progress: &[Progress<'_>]) -> Result<TopicPartitionList, String> {
    let mut list = TopicPartitionList::with_capacity(progress.len());
    for &Progress { topic, partition, offset, metadata } in progress {
        // Checked here: much too long metadata makes the broker cut the connection.
        if metadata.encode_utf16().count() > METADATA_MAX {
            return Err(format!("the metadata of {topic}[{partition}] is longer than {METADATA_MAX} characters"));
        }
        let mut element = list.add_partition(topic, partition);
        element.set_offset(Offset::Offset(offset)).map_err(|error| error.to_string())?;
        element.set_metadata(metadata);
    }
    Ok(list)
}

/// Repeats an operation until it succeeds, fails for good, or may no longer be repeated.
fn repeat(config: &Config, mut operation: impl FnMut() -> KafkaResult<()>) -> KafkaResult<()> {
    let began = Instant::now();
    loop {
        match operation() {
            Err(error) if is_retriable(&error) && began.elapsed() < patience(config) => {}
            result => return result,
        }
    }
}

fn patience(config: &Config) -> Duration {
    if config.is_stopping() { PATIENCE_AT_THE_END } else { PATIENCE }
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if RDKafkaError::is_retriable(error))
}

/// Whether the same records would fail again.
fn is_hopeless(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{
        InvalidMessageSize, InvalidRecord, MessageBatchTooLarge, MessageSizeTooLarge, OffsetMetadataTooLarge,
        PolicyViolation, UnknownPartition, UnknownTopic, UnknownTopicOrPartition,
    };
    is_refusal(code)
        || matches!(
            code,
            InvalidMessageSize
                | InvalidRecord
                | MessageBatchTooLarge
                | MessageSizeTooLarge
                | OffsetMetadataTooLarge
                | PolicyViolation
                | UnknownPartition
                | UnknownTopic
                | UnknownTopicOrPartition
        )
}

/// Keeps the first failed delivery.
#[derive(Default)]
struct Deliveries {
    failed: Mutex<Option<(String, RDKafkaErrorCode)>>,
    /// Whether a connection was lost on which requests may be under way.
    lost: AtomicBool,
}

impl Deliveries {
    fn note(&self, topic: &str, code: RDKafkaErrorCode) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| (topic.to_owned(), code));
    }

    fn take(&self) -> Option<(String, RDKafkaErrorCode)> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // librdkafka tells of every connection that it loses, but for idle ones. It tells of the same twice within 30 s
        // only once, so the client is replaced the first time.
        if facility == "FAIL" && !line.contains("Connect to") {
            self.lost.store(true, Ordering::Relaxed);
        }
        log_line::write(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_line::client_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        use RDKafkaErrorCode::{PurgeInflight, PurgeQueue};
        let Err((error, message)) = result else {
            return;
        };
        // Purged records are those of a transaction that was aborted for another reason.
        match error.rdkafka_error_code() {
            None | Some(PurgeInflight | PurgeQueue) => {}
            Some(code) => self.note(message.topic(), code),
        }
    }
}

/// How the producers of the log choose the partition of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partitioner {
    /// As the Java client does, and librdkafka's `murmur2_random`.
    #[default]
    Murmur2,
    /// As librdkafka does by default (`consistent_random`).
    Crc32,
    /// In another way, or by another key.
    None,
}

impl Partitioner {
    /// The partition of a key among `partitions`; none if it is not known.
    #[must_use]
    pub fn place(self, key: &[u8], partitions: i32) -> Option<i32> {
        match self {
            Self::Murmur2 => Some(partition_of(key, partitions)),
            Self::Crc32 => i32::try_from(crc32fast::hash(key) % partitions.max(1).unsigned_abs()).ok(),
            Self::None => None,
        }
    }
}

/// The partition of a key among `partitions`, as the Java client and `murmur2_random` place it.
#[must_use]
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    let positive = murmur2(key) & 0x7fff_ffff;
    positive.cast_signed() % partitions.max(1)
}

/// Austin Appleby's MurmurHash2 with Kafka's seed.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let (words, tail) = key.as_chunks::<4>();
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let last = tail.iter().rev().fold(0, |last, byte| (last << 8) | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the Java client's own test, `UtilsTest.testMurmur2`.
    #[test]
    fn keys_are_placed_as_producers_do() {
        // CRC-32 of "123456789" is 0xcbf43926, as its specification says.
        assert_eq!(Partitioner::Crc32.place(b"123456789", 1_000), Some((0xcbf4_3926_u32 % 1_000).cast_signed()));
        assert_eq!(Partitioner::Murmur2.place(b"acme", 8), Some(partition_of(b"acme", 8)));
        assert_eq!(Partitioner::None.place(b"acme", 8), None);
    }

    #[test]
    fn murmur2_is_the_java_clients() {
        let vectors: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn partitions_are_in_range() {
        for key in 0..1_000_u32 {
            assert!((0..7).contains(&partition_of(&key.to_le_bytes(), 7)));
        }
    }

    #[test]
    fn metadata_that_kafka_would_refuse_is_found_before_it_is_sent() {
        let metadata = "x".repeat(METADATA_MAX);
        let progress = Progress { topic: "t", partition: 0, offset: 1, metadata: &metadata };
        assert!(offset_list(&[progress]).is_ok());
        let longer = "x".repeat(METADATA_MAX + 1);
        assert!(offset_list(&[Progress { metadata: &longer, ..progress }]).is_err());
    }
}
