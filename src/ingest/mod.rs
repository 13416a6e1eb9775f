//! Copies the events of other topics into the log, exactly once: what was read of a topic, what follows from it and how far
//! it was read are one transaction.
//!
//! A worker belongs to the group of one topic. It has no state: after whatever happens to it, the topic is read again from
//! the committed offset. Each event says where it was copied from, so that the fold would also drop one that came twice.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::kafka::{
    self, Consumer, Ended, GroupMetadata, Message, Output, Partitioner, Polled, Producer, Progress, TransactionError,
};
use crate::model::{DeadLetter, EventTime, Outcome, Place, Provenance};
use crate::registry::{self, Registry};
use crate::rules::Plan;
use crate::telemetry::Telemetry;
use crate::wire::{self, Admit, Format, Headers, Input, InputFormat, Kind, ToWire as _};

/// How long one poll waits for records.
const POLL: Duration = Duration::from_millis(100);
/// How often what was read is committed.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// A record of the log is not filled beyond this number of bytes.
const RECORD_BYTES: usize = 256 * 1_024;
/// The events of one record of a topic stay in one record of the log, which can then be larger, but not than this: brokers
/// take a MiB by default.
const RECORD_MAX: usize = wire::PAYLOAD_MAX;

/// The `ingest` chapter of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The topics to copy from.
    pub sources: Vec<Source>,
    /// The most events in a record of the log.
    pub pack: NonZeroU16,
}

impl Default for Config {
    fn default() -> Config {
        Config { sources: Vec::new(), pack: PACK }
    }
}

const PACK: NonZeroU16 = NonZeroU16::new(100).unwrap();

/// A topic to copy from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name.
    pub topic: String,
    /// The format of its records.
    pub format: InputFormat,
    /// Where the account of an event is; empty: in the usual places of the format.
    #[serde(default)]
    pub account: Vec<wire::Place>,
    /// Where the user of an event is; empty: where the format has it.
    #[serde(default)]
    pub user: Vec<wire::Place>,
}

/// What a worker needs to copy a topic.
#[derive(Clone, Debug)]
pub struct Job {
    /// How to reach Kafka. The group is that of the topic.
    pub kafka: kafka::Config,
    /// The topic that is read, and how.
    pub topic: String,
    /// How its records are read.
    pub input: Input,
    /// Where the schemas of framed records are, if they are read with their schemas.
    pub registry: Option<Arc<Registry>>,
    /// The log, in protobuf, and its number of partitions.
    pub log: String,
    /// Its number of partitions.
    pub partitions: i32,
    /// How the partition of an account is chosen.
    pub partitioner: Partitioner,
    /// The topic of dead letters, and their format.
    pub dead_letters: String,
    /// The format of dead letters.
    pub published: Format,
    /// The rules, which say how ids are written.
    pub plan: Arc<Plan>,
    /// The most events in a record of the log.
    pub pack: usize,
}

/// Copies a topic until the process stops.
///
/// # Errors
/// Continuing is impossible or would lose records, Kafka cannot be reached at the start, or another running process uses
/// the same name.
pub fn run(job: &Job, number: usize, telemetry: &Telemetry) -> Result<()> {
    let join = || Worker::join(job, number, telemetry);
    kafka::stay_member(
        &job.kafka,
        number,
        || telemetry.round(number),
        join,
        |mut worker| {
            let ended = worker.work();
            // What was not committed is aborted by the next producer of this name, or by the broker.
            worker.consumer.leave();
            ended
        },
    )
}

/// One membership of the group of the topic.
struct Worker<'a> {
    consumer: Consumer,
    copy: Copy<'a>,
    number: usize,
}

/// What was read since the last commit.
struct Copy<'a> {
    job: &'a Job,
    telemetry: &'a Telemetry,
    producer: Producer,
    /// Whether a transaction is open.
    is_open: bool,
    /// The id of the topic; empty if the broker knows none.
    topic_id: String,
    /// By partition of the log, the events of the next record.
    packs: Vec<Pack>,
    /// By partition of the topic, the offset up to which it was read, and the committed one.
    positions: BTreeMap<i32, (i64, i64)>,
    committed_at: Instant,
    /// Why the worker must stop: from then on nothing is copied or committed.
    failed: Option<Ended>,
}

/// Events for one record of the log, and their bytes.
#[derive(Default)]
struct Pack {
    events: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pack {
    fn push(&mut self, event: Vec<u8>) {
        self.bytes += event.len();
        self.events.push(event);
    }
}

impl<'a> Worker<'a> {
    fn join(job: &'a Job, number: usize, telemetry: &'a Telemetry) -> Result<Worker<'a>, Ended> {
        telemetry.round(number);
        telemetry.assigned(number, false);
        let producer = Producer::connect(&job.kafka, &job.kafka.transactional_id(number))?;
        let consumer = Consumer::join(&job.kafka, &job.topic, number)?;
        tracing::info!(worker = number, topic = job.topic, group = job.kafka.group, "joined");
        let copy = Copy {
            job,
            telemetry,
            producer,
            is_open: false,
            topic_id: consumer.topic_id().unwrap_or_default().to_owned(),
            packs: (0..job.partitions).map(|_| Pack::default()).collect(),
            positions: BTreeMap::new(),
            committed_at: Instant::now(),
            failed: None,
        };
        Ok(Worker { consumer, copy, number })
    }

    fn work(&mut self) -> Result<(), Ended> {
        while !self.copy.job.kafka.is_stopping() {
            self.copy.telemetry.round(self.number);
            self.copy.producer.attend();
            let Worker { consumer, copy, number } = self;
            consumer.poll(POLL, &mut |polled| copy.take(polled))?;
            copy.telemetry.assigned(*number, consumer.is_assigned());
            if let Some(ended) = copy.failed.take() {
                return Err(ended);
            }
            if copy.has_progress() && copy.committed_at.elapsed() >= COMMIT_EVERY {
                copy.commit(&consumer.group_metadata()?)?;
            }
        }
        match self.copy.has_progress() {
            true => self.copy.commit(&self.consumer.group_metadata()?),
            false => Ok(()),
        }
    }
}

impl Copy<'_> {
    /// Takes what a poll delivers.
    fn take(&mut self, polled: Polled<'_>) {
        let taken = match polled {
            // The membership ends with this poll.
            Polled::Assigned { begin, .. } if self.failed.is_some() => {
                *begin = None;
                Ok(())
            }
            _ if self.failed.is_some() => Ok(()),
            Polled::Assigned { partition, committed, metadata, low, begin, .. } => {
                let from = self.assign(partition, committed, metadata, low);
                *begin = from.as_ref().ok().copied();
                from.map(drop)
            }
            Polled::Revoked { partition, group } => self.revoke(partition, group.as_ref()),
            Polled::Message(message) => self.copy(&message),
            Polled::End { partition, position } => {
                self.positions.entry(partition).and_modify(|(to, _)| *to = position.max(*to));
                Ok(())
            }
        };
        self.failed = self.failed.take().or(taken.err());
    }

    /// A partition of the topic is assigned. Returns from which offset it is read: at first from its beginning.
    fn assign(&mut self, partition: i32, committed: Option<i64>, metadata: &str, low: i64) -> Result<i64, Ended> {
        let then = metadata.strip_prefix("topic ").unwrap_or_default();
        if !then.is_empty() && !self.topic_id.is_empty() && then != self.topic_id {
            let (topic, group) = (self.job.topic.clone(), self.job.kafka.group.clone());
            return Err(
                kafka::Error::LogReplaced { topic, group, then: then.to_owned(), now: self.topic_id.clone() }.into()
            );
        }
        let from = committed.unwrap_or(low);
        if from < low {
            return Err(Ended::Failed(anyhow::anyhow!(
                "{}[{partition}] begins at offset {low}, and group `{}` has copied it up to {from}: the records between were \
                 deleted before they were copied. To go on without them, set the offsets of the group to {low} \
                 (kafka-consumer-groups.sh --reset-offsets), and keep the topic longer",
                self.job.topic,
                self.job.kafka.group
            )));
        }
        tracing::info!(topic = self.job.topic, partition, from, "assigned");
        self.positions.insert(partition, (from, from));
        Ok(from)
    }

    /// A partition goes to another member: what was read is committed before.
    fn revoke(&mut self, partition: i32, group: Option<&GroupMetadata>) -> Result<(), Ended> {
        tracing::info!(topic = self.job.topic, partition, lost = group.is_none(), "revoked");
        let ended = match group {
            Some(group) if self.has_progress() => self.commit(group),
            None if self.has_progress() => {
                Err(Ended::Lost(anyhow::anyhow!("partition {partition} of {} was lost", self.job.topic)))
            }
            _ => Ok(()),
        };
        self.positions.remove(&partition);
        ended
    }

    /// Copies the events of a record: those that can be used into the log, the others to the dead letters.
    fn copy(&mut self, message: &Message<'_>) -> Result<(), Ended> {
        let (job, record_time) = (self.job, message.time_ms.and_then(EventTime::new));
        if let Some(registry) = &job.registry {
            registry.prepare(message.payload, &job.kafka.stop).map_err(|error| match error {
                registry::Error::Away { .. } => Ended::Lost(error.into()),
                registry::Error::Refused(_) => Ended::Failed(error.into()),
            })?;
        }
        let mut headers = Vec::new();
        if job.input.reads_headers() {
            Headers::append(&mut headers, message.headers());
        }
        let headers = Headers::of(&headers);
        let (mut packs, mut letters, mut copied): (Vec<(i32, Pack)>, Vec<DeadLetter>, u64) = Default::default();
        let letter = |index, detail, payload: &[u8]| {
            let (reason, payload) = (Outcome::Malformed, payload.to_vec());
            DeadLetter { reason, detail, payload, place: Place { offset: message.offset, index }, record_time }
        };
        for (index, mut decoded) in (0..).zip(job.input.decode_record(Admit::Product, message.payload, headers)) {
            job.plan.ids.key(&mut decoded);
            let event = match &mut decoded.event {
                Ok(event) => event,
                Err(malformed) => {
                    letters.push(letter(index, malformed.0.clone(), decoded.raw));
                    continue;
                }
            };
            let (topic, partition, offset) = ((&*job.topic).into(), message.partition, message.offset);
            event.provenance = Some(Provenance { topic, partition, offset });
            let account = event.account.as_bytes();
            let chosen = job.partitioner.place(account, job.partitions);
            let to = chosen.unwrap_or_else(|| kafka::partition_of(account, job.partitions));
            let at = packs.iter().position(|(it, _)| *it == to).unwrap_or_else(|| {
                packs.push((to, Pack::default()));
                packs.len() - 1
            });
            packs[at].1.push(wire::encode(event));
            copied += 1;
        }
        if let Some(bytes) = packs.iter().map(|(_, pack)| pack.bytes).find(|bytes| *bytes > RECORD_MAX) {
            let detail = format!("its events take {bytes} bytes in the log, in a record of at most {RECORD_MAX}");
            (packs, letters, copied) = (Vec::new(), vec![letter(0, detail, message.payload)], 0);
        }
        packs.into_iter().try_for_each(|(to, pack)| self.add(to, pack))?;
        letters.iter().try_for_each(|letter| self.dead_letter(message, headers, letter))?;
        self.positions.entry(message.partition).and_modify(|(to, _)| *to = message.offset + 1);
        self.telemetry.ingested(&job.topic, copied);
        Ok(())
    }

    /// Adds events of one record to the next record of a partition of the log. They stay together: the fold drops what a
    /// later record says of the same place.
    fn add(&mut self, to: i32, pack: Pack) -> Result<(), Ended> {
        if self.packs[to as usize].bytes + pack.bytes > RECORD_BYTES {
            self.send(to)?;
        }
        let waits = &mut self.packs[to as usize];
        pack.events.into_iter().for_each(|event| waits.push(event));
        if waits.events.len() >= self.job.pack { self.send(to) } else { Ok(()) }
    }

    fn dead_letter(&mut self, message: &Message<'_>, headers: Headers<'_>, letter: &DeadLetter) -> Result<(), Ended> {
        let job = self.job;
        let published = wire::dead_letter(letter, &job.topic, message.partition, headers);
        let source = wire::source(&job.topic);
        let Place { offset, index } = letter.place;
        let id = format!("{}-{offset}-{}{index}", message.partition, Output::DeadLetters.letter());
        self.open()?;
        let headers = wire::headers(Kind::DeadLetter, job.published, &id, &source, None);
        let key = message.key.map(wire::dead_letter_key);
        let payload = published.to_payload(job.published);
        self.producer.send(&job.dead_letters, None, key, Some(&payload), headers).map_err(ended)?;
        self.telemetry.dead_letter(letter.reason);
        Ok(())
    }

    /// Sends what waits for a partition of the log, as one record.
    fn send(&mut self, to: i32) -> Result<(), Ended> {
        let Pack { mut events, .. } = std::mem::take(&mut self.packs[to as usize]);
        let record = match events.len() {
            0 => return Ok(()),
            1 => events.remove(0),
            _ => wire::pack(events),
        };
        self.open()?;
        self.producer.send(&self.job.log, Some(to), None, Some(&record), []).map_err(ended)
    }

    fn open(&mut self) -> Result<(), Ended> {
        if !self.is_open {
            self.producer.begin().map_err(ended)?;
            self.is_open = true;
        }
        Ok(())
    }

    fn has_progress(&self) -> bool {
        self.positions.values().any(|(to, committed)| to > committed)
    }

    /// Sends what waits, and commits it with the positions of the topic.
    fn commit(&mut self, group: &GroupMetadata) -> Result<(), Ended> {
        (0..self.job.partitions).try_for_each(|to| self.send(to))?;
        self.open()?;
        let metadata = format!("topic {}", self.topic_id);
        let moved = self.positions.iter().filter(|(_, (to, committed))| to > committed);
        let progress: Vec<Progress<'_>> = moved
            .map(|(&partition, &(offset, _))| Progress {
                topic: &self.job.topic,
                partition,
                offset,
                metadata: &metadata,
            })
            .collect();
        let began = Instant::now();
        let committed = self.producer.commit(&progress, group).map_err(ended);
        self.telemetry.transaction(began.elapsed(), committed.is_ok());
        committed?;
        self.is_open = false;
        self.positions.values_mut().for_each(|(to, committed)| *committed = *to);
        self.committed_at = Instant::now();
        Ok(())
    }
}

/// What the failure of a transaction means for the membership: the topic is read again from the committed offset.
fn ended(error: TransactionError) -> Ended {
    match error {
        TransactionError::Aborted(why) => Ended::Lost(anyhow::Error::msg(why)),
        TransactionError::Fenced(why) => Ended::Fenced(anyhow::Error::msg(why)),
        TransactionError::Fatal(why) => Ended::Failed(anyhow::Error::msg(why)),
    }
}
