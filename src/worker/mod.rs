//! The loop of a worker thread: poll → decode → apply → publish → commit. The order of these steps gives exactly-once.
//!
//! Effects and the offsets of the records that caused them are committed in one Kafka transaction. If a worker dies,
//! only uncommitted work is lost: the next owner of the partition restores its state from a snapshot, folds the log from
//! there, publishes nothing up to the committed offset, and publishes the rest.

mod job;
mod outbox;
mod owned;
mod publisher;
mod snapshots;
mod standing;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::kafka::{self, Consumer, GroupMetadata, Output, Outputs, Polled, Producer, TransactionError};
use crate::model::EventTime;
use crate::telemetry::{Stage, Stopwatch, Telemetry, now_ms};
use crate::wire;
use job::Phase;
use outbox::{Names, Outbox, To};
use owned::{Before, Owned};
use publisher::{Batch, Position, Publisher};
use snapshots::{Answer, Snapshots};
use standing::Standing;

pub use job::{Config, Job, StartBarrier};

/// The version of the program.
const BUILD: &str = env!("CARGO_PKG_VERSION");
/// How long one poll waits for records, and so how soon a worker notices that it should stop.
const POLL: Duration = Duration::from_millis(100);
/// The same while a transaction commits: effects may wait for its end.
const POLL_BESIDE_COMMIT: Duration = Duration::from_millis(1);
/// How long a worker waits at most for the others before it joins the group, and before it reads.
const START_WAIT: Duration = Duration::from_secs(10);
/// How often it looks meanwhile.
const START_POLL: Duration = Duration::from_millis(5);
/// The most effects that wait for a commit before polling waits for it, too.
const WAITING_MAX: usize = 20_000;
/// How often a worker commits while it catches up.
const COMMIT_BEHIND: Duration = Duration::from_millis(100);
/// The least time between two ticks of a silent partition.
const TICK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait before a transaction that was aborted is sent again.
const RESEND_AFTER: Duration = Duration::from_millis(200);
/// For how long an aborted transaction is sent again after the process was asked to stop.
const RESEND_AT_THE_END: Duration = Duration::from_secs(3);
/// How long a process that stops waits for its last snapshots.
const STORE_AT_THE_END: Duration = Duration::from_secs(10);
/// How long partitions that go to other members wait for their last snapshots.
const STORE_WHEN_REVOKED: Duration = Duration::from_secs(5);
/// How long to wait before joining again.
const REJOIN_AFTER: Duration = Duration::from_secs(1);
/// A worker that is fenced this often within `FENCED_WITHIN` shares its name with another running process: two
/// processes with one name fence each other at every heartbeat. A broker or a process that was halted causes one
/// fence only.
const FENCED_MAX: usize = 5;
/// See `FENCED_MAX`.
const FENCED_WITHIN: Duration = Duration::from_secs(60);
/// The broker aborts a transaction that takes longer. For the producer this looks like a fence.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a transaction is open before its commit begins, also while the records of one poll are folded. Where the
/// process gets little CPU time that takes long, and a transaction that reaches its timeout would do so again and again.
const OPEN_MAX: Duration = Duration::from_secs(3);

/// The name of the snapshot that stands in the metadata of a committed offset; empty if there is none.
#[must_use]
pub fn snapshot_in(metadata: &str) -> &str {
    Standing::read(metadata).snapshot
}

/// Runs a worker until `job.kafka.stop` is set: joins the group, processes its partitions, and joins again after it was
/// fenced or lost Kafka. The current batch is finished if Kafka answers within seconds; otherwise the next owner of the
/// partition publishes it.
///
/// # Errors
/// Continuing is impossible or would give wrong results, Kafka cannot be reached at the start, or another
/// running process uses the same name.
pub fn run(job: &Job, number: usize, start: &StartBarrier, telemetry: &Telemetry) -> Result<()> {
    let mut fences = Fences::default();
    let (mut has_joined, mut lost) = (false, false);
    while !job.kafka.is_stopping() {
        let ended = Worker::join(job, number, start, telemetry).and_then(|mut worker| {
            (has_joined, lost) = (true, false);
            let ended = worker.work();
            worker.leave();
            ended
        });
        match ended {
            Ok(()) => {}
            Err(Ended::Fenced(why) | Ended::Lost(why)) if job.kafka.is_stopping() => {
                let why = format!("{why:#}");
                tracing::warn!(
                    worker = number,
                    why,
                    "stopping without an answer of Kafka: the next owner publishes the rest"
                );
            }
            Err(Ended::Fenced(why)) if fences.are_too_many(Instant::now()) => {
                let within = FENCED_WITHIN.as_secs();
                return Err(why.context(format!(
                    "worker {number} was fenced {FENCED_MAX} times within {within} s: another process uses the same name"
                )));
            }
            Err(Ended::Fenced(why)) => {
                lost = false;
                tracing::warn!(worker = number, why = format!("{why:#}"), "fenced: joining again");
                std::thread::sleep(REJOIN_AFTER);
            }
            Err(Ended::Lost(why)) if has_joined => {
                // This is logged once; the line `joined` follows when the worker has joined again.
                if !std::mem::replace(&mut lost, true) {
                    let why = format!("{why:#}");
                    tracing::warn!(
                        worker = number,
                        why,
                        "Kafka, or the place of the snapshots, does not answer: joining again until it does; if this lasts, \
                         check that it runs and can be reached"
                    );
                }
                std::thread::sleep(REJOIN_AFTER);
            }
            Err(Ended::Lost(error) | Ended::Failed(error)) => return Err(error),
        }
    }
    Ok(())
}

/// When a worker was last fenced.
#[derive(Default)]
struct Fences(VecDeque<Instant>);

impl Fences {
    /// Counts a fence at `now`. Returns whether there are so many that another process must use the same name.
    fn are_too_many(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        self.0.retain(|at| now.duration_since(*at) <= FENCED_WITHIN);
        self.0.len() >= FENCED_MAX
    }
}

/// Why a worker's membership ended.
enum Ended {
    /// Another member took over, or the broker assumes so. The worker may join again.
    Fenced(anyhow::Error),
    /// Kafka did not answer for a long time, or the process is stopping.
    Lost(anyhow::Error),
    /// Continuing is impossible or would give wrong results.
    Failed(anyhow::Error),
}

impl From<kafka::Error> for Ended {
    fn from(error: kafka::Error) -> Ended {
        match &error {
            fenced if fenced.is_fenced() => Ended::Fenced(error.into()),
            lost if lost.is_passing() || matches!(lost, kafka::Error::Stopped { .. }) => Ended::Lost(error.into()),
            _ => Ended::Failed(error.into()),
        }
    }
}

/// One membership of the group.
struct Worker<'a> {
    consumer: Consumer,
    share: Share<'a>,
    number: usize,
    start: &'a StartBarrier,
    /// Since when it has waited for the barrier; none once it reads.
    waits_since: Option<Instant>,
}

/// The assigned partitions, and their effects since the last commit.
struct Share<'a> {
    job: &'a Job,
    telemetry: &'a Telemetry,
    partitions: BTreeMap<i32, Owned>,
    outbox: Outbox,
    publisher: Publisher,
    /// None if no snapshots are taken.
    snapshots: Option<Snapshots>,
    /// Until when the partitions that are revoked now wait for their last snapshots.
    stores_until: Option<Instant>,
    /// Why the worker must stop: from then on nothing is processed or published.
    failed: Option<Ended>,
    /// The number of partitions of the log.
    count: i32,
    /// The id of the topic of the log; empty if the broker knows none.
    log_id: String,
    /// Assigned partitions with records but without a committed offset, which were not checked yet.
    without_offset: BTreeSet<i32>,
    /// Measures what is not measured for each partition.
    watch: Stopwatch,
    /// The group's generation; none from a change of the group until its partitions have been checked, and after a failure,
    /// whose cause may be that it is an old one.
    group: Option<Arc<GroupMetadata>>,
    committed_at: Instant,
}

impl<'a> Worker<'a> {
    fn join(
        job: &'a Job,
        number: usize,
        start: &'a StartBarrier,
        telemetry: &'a Telemetry,
    ) -> Result<Worker<'a>, Ended> {
        telemetry.round(number);
        telemetry.assigned(number, false);
        // The producer comes first: it aborts an open transaction of its predecessor, and Kafka does not return the
        // committed offsets before that.
        let id = job.kafka.transactional_id(number);
        let producer = Producer::connect(&job.kafka, &id)?;
        let began = Instant::now();
        while !start.arrive(Phase::Connected, number) && began.elapsed() < START_WAIT && !job.kafka.is_stopping() {
            std::thread::sleep(START_POLL);
        }
        let topic = job.topics.log();
        let consumer = Consumer::join(&job.kafka, &topic, number)?;
        check_log(job, &consumer)?;
        tracing::info!(worker = number, topic, group = job.kafka.group, "joined");
        let now = Instant::now();
        let share = Share {
            job,
            telemetry,
            partitions: BTreeMap::new(),
            outbox: Outbox::default(),
            publisher: Publisher::new(producer, Names::new(&job.topics)),
            snapshots: job.snapshots.clone().map(Snapshots::new),
            stores_until: None,
            failed: None,
            count: consumer.partitions(),
            log_id: consumer.topic_id().unwrap_or_default().to_owned(),
            without_offset: BTreeSet::new(),
            watch: Stopwatch::default(),
            group: None,
            committed_at: now,
        };
        Ok(Worker { consumer, share, number, start, waits_since: Some(now) })
    }

    fn work(&mut self) -> Result<(), Ended> {
        while !self.share.job.kafka.is_stopping() {
            self.share.telemetry.round(self.number);
            let wait = if self.share.publisher.is_committing() { POLL_BESIDE_COMMIT } else { POLL };
            self.take(wait)?;
            self.share.tick_silent_partitions();
            self.publish(false)?;
            self.share.watch.lap(Stage::Commit);
            self.share.take_snapshots(None, self.share.job.snapshot_every);
        }
        self.publish(true)?;
        // The next owner folds nothing again.
        self.share.store_snapshots(None, Instant::now() + STORE_AT_THE_END);
        self.publish(true)
    }

    /// Polls once: handles group events, and passes records to their partitions.
    fn take(&mut self, wait: Duration) -> Result<(), Ended> {
        self.share.publisher.attend();
        let waits_for_others = self.waits_for_others();
        let Worker { consumer, share, .. } = self;
        if waits_for_others {
            consumer.attend(&mut |polled| share.take(polled))?;
            std::thread::sleep(START_POLL);
        } else {
            consumer.poll(wait, &mut |polled| share.take(polled))?;
        }
        share.fold_waiting();
        share.stores_until = None;
        if let Some(ended) = share.failed.take() {
            return Err(ended);
        }
        share.check_lost_offsets()?;
        share.group.get_or_insert_with(|| Arc::new(consumer.group_metadata()));
        consumer.ends(&mut |partition, ends| {
            if let Some(owned) = share.partitions.get_mut(&partition) {
                owned.ends_at(ends);
            }
        });
        share.telemetry.assigned(self.number, consumer.is_assigned());
        share.report();
        Ok(())
    }

    /// Whether other workers of the process have no partitions yet. The first one to join may be assigned all partitions,
    /// and what it folded of those that the others then get would be folded again.
    fn waits_for_others(&mut self) -> bool {
        let is_open = self.consumer.is_assigned() && self.start.arrive(Phase::Assigned, self.number);
        self.waits_since = self.waits_since.filter(|since| !is_open && since.elapsed() < START_WAIT);
        self.waits_since.is_some()
    }

    /// Settles the last transaction if it has ended, and commits effects and the offsets of the records that caused them
    /// in the next one. Without effects it waits for the commit interval, unless this is the `last` time. Then, and while many
    /// effects wait, it also waits for the end of the transaction.
    fn publish(&mut self, last: bool) -> Result<(), Ended> {
        loop {
            let waits = last || self.share.outbox.len() >= WAITING_MAX;
            if waits {
                self.share.publisher.wait();
            }
            self.settle()?;
            // Not whether a commit is in flight: an answer that has come since is not settled.
            if self.share.publisher.is_unsettled() {
                return Ok(());
            }
            let since = self.share.committed_at.elapsed();
            let due = last || since >= self.share.job.commit_interval;
            let gathers = !last && since < COMMIT_BEHIND && self.share.catches_up();
            let is_waiting = !self.share.outbox.is_empty() && !gathers || self.share.publisher.has_failed();
            if !(is_waiting || due && self.share.has_progress()) {
                return Ok(());
            }
            let group = Arc::new(self.consumer.group_metadata());
            self.share.group = Some(Arc::clone(&group));
            self.share.commit(group);
            if !waits {
                return Ok(());
            }
        }
    }

    /// If the last commit has ended, takes note of it, or sends its effects again.
    fn settle(&mut self) -> Result<(), Ended> {
        self.share.settle();
        match self.share.publisher.take_failure() {
            None => Ok(()),
            Some((took, error)) => {
                self.share.telemetry.transaction(took, false);
                self.share.group = None;
                self.send_again(error, took)
            }
        }
    }

    /// Sends the effects of a transaction that failed after this time again, until they are committed. Once the process
    /// stops, only for a short time, after which the next owner publishes them. No records are read meanwhile.
    fn send_again(&mut self, mut error: TransactionError, mut took: Duration) -> Result<(), Ended> {
        let mut stopping = None;
        let mut aborted = 0_u64;
        loop {
            let why = match error {
                TransactionError::Aborted(why) => why,
                TransactionError::Fenced(why) => {
                    let why = anyhow::Error::msg(why);
                    return Err(if took >= TRANSACTION_TIMEOUT { Ended::Lost(why) } else { Ended::Fenced(why) });
                }
                TransactionError::Fatal(why) => {
                    self.share.check_destinations()?;
                    return Err(Ended::Failed(anyhow::anyhow!("worker {}: {why}", self.number)));
                }
            };
            if self.share.job.kafka.is_stopping()
                && stopping.get_or_insert_with(Instant::now).elapsed() >= RESEND_AT_THE_END
            {
                return Err(Ended::Lost(anyhow::anyhow!("the transaction was aborted: {why}")));
            }
            // If a topic no longer exists, every further attempt would fail.
            self.share.check_destinations()?;
            if aborted == 0 {
                tracing::warn!(
                    worker = self.number,
                    why,
                    "a transaction was aborted: it is sent again until it is committed; if that lasts, see that \
                     the brokers of the log, the outputs and the group's coordinator are up"
                );
            }
            aborted += 1;
            std::thread::sleep(RESEND_AFTER);
            // The group may have changed: revoked partitions are dropped with their effects. No records are read,
            // because a batch that fails must not grow.
            let Worker { consumer, share, .. } = self;
            consumer.attend(&mut |polled| share.take(polled))?;
            share.check_lost_offsets()?;
            self.share.telemetry.round(self.number);
            let began = Instant::now();
            let sent = self.share.publisher.send_again(&self.consumer.group_metadata());
            took = began.elapsed();
            self.share.telemetry.transaction(took, sent.is_ok());
            match sent {
                Ok(()) => {
                    tracing::info!(worker = self.number, aborted, "transactions are committed again");
                    self.share.committed();
                    return Ok(());
                }
                Err(again) => error = again,
            }
        }
    }

    fn leave(&mut self) {
        self.share.publisher.leave();
        let partitions: Vec<i32> = self.share.partitions.keys().copied().collect();
        partitions.into_iter().for_each(|partition| self.share.drop_partition(partition));
    }
}

/// The metadata of the offset of a partition whose effects were published with the present rules.
fn standing<'a>(job: &'a Job, partitions: i32, log: &'a str) -> Standing<'a> {
    Standing {
        partitions: Some(partitions),
        calendar: job.plan.time.calendar,
        ids: Some(job.plan.ids.fingerprint()),
        outputs: job.topics.outputs.as_bits(),
        log,
        snapshot: "",
        trail: None,
        published: 0,
        rules: &job.plan.version,
    }
}

impl Share<'_> {
    fn take(&mut self, polled: Polled<'_>) {
        if let Polled::Assigned { .. } | Polled::Revoked { .. } = polled {
            self.group = None;
        }
        match polled {
            // The membership ends with this poll: nothing of the partition is read.
            Polled::Assigned { end, begin, .. } if self.failed.is_some() => *begin = end,
            Polled::Assigned { partition, committed, metadata, end, begin } => {
                if committed.is_none() && end > 0 {
                    self.without_offset.insert(partition);
                }
                let then = Standing::read(metadata);
                if committed.is_some() {
                    self.failed = then.check(self.job).err().map(Ended::Failed);
                }
                let committed = committed.unwrap_or(0);
                let changed = committed > 0 && *then.rules != *self.job.plan.version;
                if changed {
                    tracing::warn!(
                        partition,
                        then = then.rules,
                        now = %self.job.plan.version,
                        "the rules have changed: the past is computed again with the new rules, and nothing of it is \
                         published again except profiles"
                    );
                }
                let outputs = self.job.topics.outputs.as_bits();
                let were_off = committed > 0 && outputs & !then.outputs & Outputs::profiles() != 0;
                if were_off {
                    tracing::info!(partition, "profiles were off: all of them are published");
                }
                // With other rules or outputs the number of effects means nothing: the record counts as published, but
                // for its profiles.
                let is_void = then.published > 0 && (changed || then.outputs != outputs);
                let (committed, partly) = if is_void { (committed + 1, 0) } else { (committed, then.published) };
                let republishes = changed || were_off || is_void;
                // A restoration may take longer than a transaction may be open.
                self.publisher.abort();
                let restored = snapshots::restore(
                    self.job,
                    &standing(self.job, self.count, &self.log_id),
                    partition,
                    committed,
                    then.snapshot,
                );
                let restored = match restored {
                    Ok(restored) => restored,
                    Err(error) => {
                        // Nothing of it is read before the worker has joined again.
                        *begin = end;
                        self.failed = self.failed.take().or(Some(Ended::Lost(error)));
                        return;
                    }
                };
                *begin = restored.as_ref().map_or(0, |it| it.offset);
                tracing::info!(partition, committed, end, begin, "assigned");
                // Another version, or other rules, may make something else of the log.
                let trail = then.trail.filter(|(build, _)| *build == BUILD && !changed).map(|(_, trail)| trail);
                let before = Before { committed, partly, trail, republishes, end };
                self.partitions.insert(partition, Owned::new(self.job, (partition, self.count), before, restored));
            }
            Polled::Revoked { partition, group } => {
                tracing::info!(partition, lost = group.is_none(), "revoked");
                if let Some(group) = group {
                    self.give_up(partition, &group);
                }
                self.drop_partition(partition);
            }
            Polled::Message(message) => {
                if let Some(owned) = self.partitions.get_mut(&message.partition).filter(|_| self.failed.is_none())
                    && owned.take(&message)
                {
                    self.watch.lap(Stage::Read);
                    self.failed = owned.fold(self.job, &mut self.outbox, self.telemetry).err().map(Ended::Failed);
                    self.watch.skip();
                    self.hand_over();
                    self.commit_if_open_for_long();
                }
            }
            Polled::End { partition, position } => {
                self.fold_waiting();
                if let Some(owned) = self.partitions.get_mut(&partition).filter(|_| self.failed.is_none()) {
                    self.failed = owned.at_end(position, self.job, &mut self.outbox).err().map(Ended::Failed);
                }
            }
        }
    }

    /// Commits what was folded of a partition that goes to another member, and a snapshot of it, so that its next owner
    /// folds nothing again. What fails is left to the next owner.
    fn give_up(&mut self, partition: i32, group: &Arc<GroupMetadata>) {
        self.fold_waiting();
        if self.failed.is_some() || !self.commit_all(group) {
            return;
        }
        // Other partitions may be revoked together with it.
        let until = *self.stores_until.get_or_insert_with(|| Instant::now() + STORE_WHEN_REVOKED);
        if !self.job.kafka.is_stopping() {
            self.store_snapshots(Some(partition), until);
            self.commit_all(group);
        }
    }

    /// Commits everything until now, and waits for it. Returns whether all of it is committed.
    fn commit_all(&mut self, group: &Arc<GroupMetadata>) -> bool {
        loop {
            self.publisher.wait();
            self.settle();
            if self.publisher.is_unsettled() {
                return false;
            }
            if self.outbox.is_empty() && !self.has_progress() {
                return true;
            }
            self.commit(Arc::clone(group));
        }
    }

    /// Folds the records that were read and wait for a full batch.
    fn fold_waiting(&mut self) {
        self.watch.lap(Stage::Read);
        for owned in self.partitions.values_mut() {
            if self.failed.is_none() {
                self.failed = owned.fold(self.job, &mut self.outbox, self.telemetry).err().map(Ended::Failed);
            }
        }
        self.watch.skip();
    }

    /// Refuses partitions whose results were published although the group has no committed offset for them, before
    /// anything of them is published.
    ///
    /// A partition without a committed offset is either new, or its offset was lost and its handoffs would be published
    /// again. What was committed together with the offset shows which.
    fn check_lost_offsets(&mut self) -> Result<(), kafka::Error> {
        let partitions = std::mem::take(&mut self.without_offset);
        if partitions.is_empty() || self.job.from_the_beginning {
            return Ok(());
        }
        match find_published(self.job, self.count, &partitions)? {
            None => Ok(()),
            Some((partition, output)) => Err(kafka::Error::OffsetsLost {
                topic: self.job.topics.log(),
                partition,
                group: self.job.kafka.group.clone(),
                output,
            }),
        }
    }

    fn drop_partition(&mut self, partition: i32) {
        self.partitions.remove(&partition);
        self.without_offset.remove(&partition);
        self.publisher.drop_partition(partition, &mut self.outbox);
        self.telemetry.partition_gone(partition);
    }

    /// Writes ticks into live partitions that get no events (semantics A5).
    fn tick_silent_partitions(&mut self) {
        let job = self.job;
        for (partition, owned) in &mut self.partitions {
            if owned.wants_tick(job.idle_after, TICK_EVERY) {
                self.outbox.control(*partition, &wire::encode_tick(job.format, EventTime(now_ms())));
                self.telemetry.ticked();
            }
        }
    }

    /// Checks that the topics of all waiting messages still exist.
    fn check_destinations(&self) -> Result<(), kafka::Error> {
        let all: BTreeSet<To> = self.outbox.iter().chain(self.publisher.kept()).map(|message| message.to).collect();
        let exists = |to: To| kafka::partitions(&self.job.kafka, self.publisher.topic(to));
        all.into_iter().try_for_each(|to| match exists(to) {
            Err(missing @ (kafka::Error::TopicMissing { .. } | kafka::Error::Stopped { .. })) => Err(missing),
            // Kafka may be unreachable for a while, which is not an error here.
            Ok(_) | Err(_) => Ok(()),
        })
    }

    /// Whether every record whose effects are not committed was written a while ago, and the transaction has room for
    /// more. Then fewer, larger transactions save the broker work.
    fn catches_up(&self) -> bool {
        let now = now_ms();
        let waiting = || self.partitions.values().filter(|owned| owned.has_progress());
        self.outbox.len() < self.job.transaction_messages && waiting().all(|owned| owned.is_behind(now))
    }

    fn has_progress(&self) -> bool {
        self.partitions.values().any(Owned::has_progress)
    }

    /// Hands effects to the producer, unless a commit is in flight.
    fn hand_over(&mut self) {
        self.publisher.hand_over(&self.outbox, self.job.transaction_messages);
        self.watch.lap(Stage::Produce);
    }

    /// Everything until now as a batch, all of it handed over, whose commit is to begin; or as much as one transaction may
    /// contain. If that ends within the effects of a record, the position is that record, with the number of its effects
    /// that are in the batch or were published before.
    fn seal(&mut self) -> Batch {
        self.hand_over();
        let most = self.outbox.len().min(self.job.transaction_messages);
        let effects = self.outbox.split_to(most);
        let standing = standing(self.job, self.count, &self.log_id);
        let position = |(&partition, owned): (&i32, &Owned)| {
            let mut rest = self.outbox.iter().filter(|effect| effect.partition == partition && effect.to != To::Log);
            let (offset, standing) = match rest.next().map(|effect| effect.place) {
                None => (owned.position(), owned.has_progress().then_some(standing)?),
                Some(Some((offset, published))) => (offset, Standing { published, ..standing }),
                // Profiles that are published again: if the worker dies, the next one begins with them anew.
                Some(None) => (owned.committed_offset(), Standing { rules: "", ..standing }),
            };
            let trail = (offset == owned.position()).then(|| (BUILD, owned.trail()));
            let standing = Standing { snapshot: owned.snapshot_beside(offset), trail, ..standing };
            Some(Position { partition, offset, metadata: standing.to_string() })
        };
        let positions = self.partitions.iter().filter_map(position).collect();
        Batch { effects, positions }
    }

    /// Begins to commit everything until now.
    fn commit(&mut self, group: Arc<GroupMetadata>) {
        let batch = self.seal();
        self.publisher.commit(batch, group);
    }

    /// The same amid a poll, if the transaction has been open for long.
    fn commit_if_open_for_long(&mut self) {
        let is_due = self.failed.is_none() && self.publisher.is_open_for(OPEN_MAX);
        if let Some(group) = self.group.as_ref().filter(|_| is_due).cloned() {
            self.settle();
            self.commit(group);
        }
    }

    /// Takes note of the last commit, if it has succeeded.
    fn settle(&mut self) {
        if let Some(took) = self.publisher.take_success() {
            self.telemetry.transaction(took, true);
            self.committed();
        }
    }

    /// Takes note that the last batch was committed.
    fn committed(&mut self) {
        self.committed_at = Instant::now();
        for Position { partition, offset, metadata } in self.publisher.take_batch().positions {
            if let Some(owned) = self.partitions.get_mut(&partition) {
                owned.committed(offset, Standing::read(&metadata).snapshot);
            }
        }
    }

    /// Takes the snapshots that are due, of one partition only or of all, and takes note of those that were stored.
    fn take_snapshots(&mut self, only: Option<i32>, every: Duration) {
        while let Some(answer) = self.snapshots.as_mut().and_then(Snapshots::answer) {
            self.snapshot_stored(answer);
        }
        let now = standing(self.job, self.count, &self.log_id);
        let Some(snapshots) = self.snapshots.as_mut().filter(|_| self.failed.is_none()) else { return };
        for (_, owned) in self.partitions.iter_mut().filter(|(it, _)| only.is_none_or(|only| only == **it)) {
            if let Some(request) = owned.take_snapshot(self.job, &now, every) {
                snapshots.save(request);
            }
        }
    }

    /// Stores a snapshot of everything that was folded of one partition, or of all, unless that takes longer than until
    /// this instant, or one cannot be stored.
    fn store_snapshots(&mut self, only: Option<i32>, until: Instant) {
        let mut all_stored = true;
        loop {
            // One may be being stored that was taken before.
            if all_stored {
                self.take_snapshots(only, Duration::ZERO);
            }
            let Some(answer) = self.snapshots.as_mut().and_then(|snapshots| snapshots.wait(until)) else { return };
            all_stored &= answer.name.is_some();
            self.snapshot_stored(answer);
        }
    }

    fn snapshot_stored(&mut self, answer: Answer) {
        self.telemetry.snapshot(answer.took, answer.name.is_some());
        if let Some(owned) = self.partitions.get_mut(&answer.partition) {
            owned.snapshot_stored(answer);
        }
    }

    /// Updates the metrics of the partitions.
    fn report(&mut self) {
        for (partition, owned) in &mut self.partitions {
            owned.report(*partition, self.telemetry);
        }
        self.telemetry.stages(&mut self.watch);
    }
}

/// Refuses a log that is not the one of which the group committed its offsets: one that was created again, or whose number
/// of partitions differs, because accounts have moved to other partitions (semantics A35). Added partitions have no offset,
/// so the offsets of all are checked. Also refuses another `time.utc_offset` (semantics A33).
fn check_log(job: &Job, consumer: &Consumer) -> Result<(), Ended> {
    let (topic, group) = (job.topics.log(), job.kafka.group.clone());
    let committed = kafka::committed_metadata(&job.kafka, &topic)?;
    for then in committed.iter().filter(|metadata| !metadata.is_empty()).map(|metadata| Standing::read(metadata)) {
        if let Some(now) = consumer.topic_id().filter(|now| !then.log.is_empty() && *now != then.log) {
            let (then, now) = (then.log.to_owned(), now.to_owned());
            return Err(kafka::Error::LogReplaced { topic, group, then, now }.into());
        }
        let now = consumer.partitions();
        if let Some(then) = then.partitions.filter(|then| *then != now) {
            return Err(kafka::Error::PartitionsChanged { topic, group, then, now }.into());
        }
        then.check(job).map_err(Ended::Failed)?;
    }
    Ok(())
}

/// One of these partitions whose results were published, and a topic that has them, if there is one. The topic of
/// accounts has a profile of every account; where profiles are off, any output may be all that was published.
fn find_published(job: &Job, count: i32, partitions: &BTreeSet<i32>) -> Result<Option<(i32, String)>, kafka::Error> {
    let source = wire::source(&job.topics.log());
    let has_accounts = job.topics.outputs.accounts;
    let topics = job.topics.outputs().filter(|row| !has_accounts || row.output == Output::Accounts);
    // The id of a message begins with the partition, but for that of a handoff.
    let partition_of = |message: kafka::Message<'_>| {
        let header = |name| message.header(name).and_then(|value| std::str::from_utf8(value).ok());
        let id = header(c"ce_id").filter(|_| header(c"ce_source") == Some(&source))?;
        let of_key = || job.partitioner.place(message.key.unwrap_or_default(), count);
        id.split_once('-').map_or_else(|| of_key().or(partitions.first().copied()), |(number, _)| number.parse().ok())
    };
    for topic in topics.map(|row| job.topics.of(row.output)) {
        let mut reader = kafka::Reader::open(&job.kafka, &topic)?;
        for partition in 0..reader.partitions() {
            let mut found = None;
            reader.read(partition, &mut |message| {
                found = partition_of(message).filter(|of| partitions.contains(of));
                if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if let Some(found) = found {
                return Ok(Some((found, topic)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::kafka::{Embedded, LogWriter};
    use crate::wire::Format;

    /// A Segment event that makes a handoff.
    const EVENT: &str = r#"{"messageId":"m1","type":"track","event":"Contact Sales","userId":"ann","context":{"groupId":"acme"},"timestamp":"2026-03-02T10:00:00Z"}"#;

    /// Stops a worker whatever happens: a scope waits for its threads, also after a failed assertion.
    struct Stop<'a>(&'a kafka::Config);

    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.stop.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_worker_waits_for_the_others_and_obeys_a_stop_while_transactions_are_sent_again() {
        let topics = kafka::Topics::default();
        let names: Vec<String> = topics.specs(1, None).into_iter().map(|spec| spec.name).collect();
        let broker = Embedded::start(names.iter().map(|name| (name.as_str(), 1))).unwrap();
        broker.refuse_offsets(10_000);
        let kafka = kafka::Config { brokers: broker.brokers(), ..kafka::Config::default() };
        let mut writer = LogWriter::connect(&kafka, &topics.log()).unwrap();
        writer.send(None, Some(b"acme"), EVENT.as_bytes()).unwrap();
        writer.flush().unwrap();
        let job = Job {
            kafka,
            topics,
            format: Format::Json,
            plan: crate::rules::load(None).unwrap(),
            idle_after: Duration::from_secs(60),
            commit_interval: Duration::from_millis(100),
            transaction_messages: 1_000,
            partitioner: kafka::Partitioner::default(),
            snapshots: None,
            snapshot_every: Duration::from_secs(60),
            from_the_beginning: false,
        };
        let telemetry = Telemetry::install().unwrap();
        let start = StartBarrier::new(2);
        std::thread::scope(|scope| {
            let stop = Stop(&job.kafka);
            let worker = scope.spawn(|| run(&job, 0, &start, &telemetry));
            let deadline = Instant::now() + Duration::from_secs(120);
            std::thread::sleep(Duration::from_millis(1_500));
            assert!(telemetry.partitions().is_empty(), "it joins although the other worker is not connected yet");
            start.arrive(Phase::Connected, 1);
            while telemetry.partitions().is_empty() {
                assert!(Instant::now() < deadline && !worker.is_finished(), "nothing is assigned");
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(500));
            let folded = || telemetry.totals().events;
            assert_eq!(folded(), 0, "it reads although the other worker has no partitions yet");
            assert!(start.arrive(Phase::Assigned, 1));
            let aborted = |line: &str| line.strip_prefix(crate::telemetry::TRANSACTIONS_ABORTED)?.trim().parse().ok();
            while telemetry.render().lines().find_map(aborted).unwrap_or(0) < 3 {
                assert!(Instant::now() < deadline && !worker.is_finished(), "nothing is aborted again and again");
                std::thread::sleep(Duration::from_millis(50));
            }
            assert_eq!(folded(), 1);
            let asked = Instant::now();
            drop(stop);
            worker.join().unwrap().unwrap();
            assert!(asked.elapsed() < Duration::from_secs(25), "{:?}", asked.elapsed());
        });
    }

    #[test]
    fn only_fences_that_follow_each_other_fast_are_too_many() {
        let ended = |apart: u64, count: u64| {
            let (mut fences, began) = (Fences::default(), Instant::now());
            (0..count).any(|number| fences.are_too_many(began + Duration::from_secs(apart * number)))
        };
        assert!(ended(7, 5) && ended(15, 5));
        assert!(!ended(7, 4) && !ended(16, 100));
    }
}
