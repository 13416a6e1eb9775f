//! The partitions that are assigned to a worker, and their effects since the last commit.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::background::Background;
use super::client::{Consumer, Kafka, Producer};
use super::job::Job;
use super::outbox::{Names, Outbox, To};
use super::owned::{Before, Owned, REPORT_EVERY};
use super::publisher::{Batch, Position, Publisher};
use super::restore::{Restored, ToRestore, restore};
use super::snapshots::{Answer, Request, save};
use super::standing::{BUILD, Standing};
use super::system::{Instant, now_ms};
use crate::kafka::{self, Ended, Output, Outputs, Polled};
use crate::model::EventTime;
use crate::registry;
use crate::store::{self, Progress};
use crate::telemetry::{PartitionStatus, Stage, Stopwatch, Telemetry};
use crate::wire;

/// The least time between two ticks of a silent partition.
const TICK_EVERY: Duration = Duration::from_secs(10);
/// How long partitions that go to other members wait for their last snapshots.
const STORE_WHEN_REVOKED: Duration = Duration::from_secs(5);
/// How long to wait before a storage that did not answer is asked again.
const RESTORE_AGAIN: Duration = Duration::from_secs(1);
/// How long a partition is not restored after there was no memory for it.
const WHEN_MEMORY_WAS_FULL: Duration = Duration::from_secs(30);
/// How long a transaction is open before its commit begins, also while the records of one poll are folded. Where the
/// process gets little CPU time that takes long, and a transaction that reaches its timeout would do so again and again.
const OPEN_MAX: Duration = Duration::from_secs(3);

/// A partition whose state is being restored: nothing of it is read before.
struct Restoring {
    before: Before,
    progress: Arc<Progress>,
    reported: Instant,
    /// When the storage is asked again, which did not answer, and for what.
    again: Option<(Instant, ToRestore)>,
    /// Whether it was logged that it does not answer.
    is_told: bool,
}

/// The assigned partitions, and their effects since the last commit.
pub(super) struct Share<'a, K: Kafka> {
    pub(super) job: &'a Job,
    pub(super) telemetry: &'a Telemetry,
    pub(super) partitions: BTreeMap<i32, Owned>,
    pub(super) outbox: Outbox,
    pub(super) publisher: Publisher<K>,
    /// Stores snapshots. None if none are taken.
    snapshots: Option<Background<Request, Answer>>,
    /// Restores partitions, each with the answer whose it is. None if no snapshots are taken.
    restorer: Option<Restorer>,
    /// The assigned partitions that are being restored.
    restoring: BTreeMap<i32, Restoring>,
    /// How often somebody had asked for snapshots when it last looked.
    snapshots_asked: u64,
    /// Whether one could not be stored, of a partition that the worker has.
    snapshots_fail: bool,
    /// Until when the partitions that are revoked now wait for their last snapshots.
    pub(super) stores_until: Option<Instant>,
    /// Why the worker must stop: from then on nothing is processed or published.
    pub(super) failed: Option<Ended>,
    /// The number of partitions of the log.
    count: i32,
    /// The id of the topic of the log; empty if the broker knows none.
    log_id: String,
    /// Assigned partitions with records but without a committed offset, which were not checked yet.
    without_offset: BTreeSet<i32>,
    /// Measures what is not measured for each partition.
    pub(super) watch: Stopwatch,
    /// The group's generation; none from a change of the group until its partitions have been checked, and after a failure,
    /// whose cause may be that it is an old one.
    pub(super) group: Option<K::Generation>,
    pub(super) committed_at: Instant,
}

type Restorer = Background<ToRestore, (ToRestore, Result<Option<Restored>, store::Error>)>;

impl<'a, K: Kafka> Share<'a, K> {
    /// No partitions yet.
    pub(super) fn new(
        job: &'a Job,
        telemetry: &'a Telemetry,
        consumer: &K::Consumer,
        producer: K::Producer,
    ) -> Share<'a, K> {
        Share {
            job,
            telemetry,
            partitions: BTreeMap::new(),
            outbox: Outbox::default(),
            publisher: Publisher::new(producer, Names::new(&job.topics)),
            snapshots: job.snapshots.clone().map(|store| Background::new(move |request| save(&store, request))),
            restorer: job.snapshots.as_ref().map(|_| restorer(job.clone())),
            restoring: BTreeMap::new(),
            snapshots_asked: job.snapshots_asked.load(Ordering::Relaxed),
            snapshots_fail: false,
            stores_until: None,
            failed: None,
            count: consumer.partitions(),
            log_id: consumer.topic_id().unwrap_or_default().to_owned(),
            without_offset: BTreeSet::new(),
            watch: Stopwatch::default(),
            group: None,
            committed_at: Instant::now(),
        }
    }

    /// Takes what a poll delivers: a partition comes or goes, or a record is to be folded.
    pub(super) fn take(&mut self, polled: Polled<'_, K::Generation>) {
        if let Polled::Assigned { .. } | Polled::Revoked { .. } = polled {
            self.group = None;
        }
        match polled {
            // The membership ends with this poll: nothing of the partition is read.
            Polled::Assigned { begin, .. } if self.failed.is_some() => *begin = None,
            Polled::Assigned { partition, committed, metadata, end, begin, .. } => {
                *begin = self.assign(partition, committed, metadata, end);
            }
            Polled::Revoked { partition, group } => {
                tracing::info!(partition, lost = group.is_none(), "revoked");
                if let Some(group) = group {
                    self.give_up(partition, &group);
                }
                self.drop_partition(partition);
            }
            Polled::Message(message) => {
                if let Some(registry) = self.job.registry.as_ref().filter(|_| self.failed.is_none()) {
                    self.failed =
                        registry.prepare(message.payload, &self.job.kafka.stop).err().map(|error| match error {
                            registry::Error::Away { .. } => Ended::Lost(error.into()),
                            registry::Error::Refused(_) => Ended::Failed(error.into()),
                        });
                }
                if let Some(owned) = self.partitions.get_mut(&message.partition).filter(|_| self.failed.is_none())
                    && owned.take(&message, &self.job.input)
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

    /// A partition is assigned. Returns from which offset it is read; none if its state is restored first, or the worker
    /// must stop.
    fn assign(&mut self, partition: i32, committed: Option<i64>, metadata: &str, end: i64) -> Option<i64> {
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
                "the rules have changed: the past is computed again with the new rules, and nothing of it is published \
                 again except profiles"
            );
        }
        let outputs = self.job.topics.outputs.as_bits();
        let were_off = committed > 0 && outputs & !then.outputs & Outputs::profiles() != 0;
        if were_off {
            tracing::info!(partition, "profiles were off: all of them are published");
        }
        // With other rules or outputs the number of effects means nothing: the record counts as published, but for its
        // profiles.
        let is_void = then.published > 0 && (changed || then.outputs != outputs);
        let (committed, partly) = if is_void { (committed + 1, 0) } else { (committed, then.published) };
        let republishes = changed || were_off || is_void;
        // Another version, or other rules, may make something else of the log.
        let trail = then.trail.filter(|(build, _)| *build == BUILD && !changed).map(|(_, trail)| trail);
        let before = Before { committed, partly, trail, republishes, end };
        if self.failed.is_some() {
            return None;
        }
        let Some(restorer) = self.restorer.as_mut().filter(|_| committed > 0) else {
            return Some(self.own(partition, before, None));
        };
        let progress = Arc::<Progress>::default();
        let reported = Instant::now();
        let restoring = Restoring { before, progress: Arc::clone(&progress), reported, again: None, is_told: false };
        self.restoring.insert(partition, restoring);
        let (named, log) = (then.snapshot.to_owned(), self.log_id.clone());
        restorer.ask(ToRestore { partition, committed, named, log, partitions: self.count, outputs, progress });
        None
    }

    /// The partition is read from now on. Returns from which offset.
    fn own(&mut self, partition: i32, before: Before, restored: Option<Restored>) -> i64 {
        let begin = restored.as_ref().map_or(0, |it| it.offset);
        tracing::info!(partition, committed = before.committed, end = before.end, begin, "assigned");
        self.partitions.insert(partition, Owned::new(self.job, (partition, self.count), before, restored));
        begin
    }

    /// Takes the partitions that are restored since it last looked, and has them read. While the storage does not answer, so
    /// that it is unknown which snapshots there are, and while memory is full, a partition waits.
    pub(super) fn take_restored(&mut self, consumer: &mut K::Consumer) -> Result<(), kafka::Error> {
        let Some(restorer) = &mut self.restorer else { return Ok(()) };
        let is_full = self.job.memory.is_full();
        let mut answers = Vec::new();
        while let Some(answer) = restorer.answer() {
            answers.push(answer);
        }
        for restoring in self.restoring.values_mut() {
            let is_due = |at: &Instant| Instant::now() >= *at && !is_full;
            if let Some((_, wanted)) = restoring.again.take_if(|(at, _)| is_due(at)) {
                restorer.ask(wanted);
            } else if is_full && restoring.again.is_none() {
                restoring.progress.cancel();
            }
        }
        for (mut wanted, restored) in answers {
            let partition = wanted.partition;
            // It may have been revoked, and even assigned again, meanwhile.
            let is_it = |it: &&mut Restoring| Arc::ptr_eq(&it.progress, &wanted.progress);
            let Some(restoring) = self.restoring.get_mut(&partition).filter(is_it) else { continue };
            match restored {
                Ok(_) if wanted.progress.is_cancelled() => {
                    wanted.progress = Arc::default();
                    restoring.progress = Arc::clone(&wanted.progress);
                    restoring.again = Some((Instant::now() + WHEN_MEMORY_WAS_FULL, wanted));
                }
                Ok(restored) => {
                    let before = restoring.before;
                    self.restoring.remove(&partition);
                    let from = self.own(partition, before, restored);
                    consumer.begin(partition, from)?;
                }
                Err(error) => {
                    if !std::mem::replace(&mut restoring.is_told, true) {
                        let why = error.to_string();
                        tracing::warn!(
                            partition,
                            why,
                            "the place of the snapshots does not answer: trying again until it does; the partition waits \
                             meanwhile, and others go on"
                        );
                    }
                    restoring.again = Some((Instant::now() + RESTORE_AGAIN, wanted));
                }
            }
        }
        Ok(())
    }

    /// Has nothing read of partitions that wait until there is memory, and goes on with them when there is.
    pub(super) fn wait_for_memory(&mut self, consumer: &mut K::Consumer) -> Result<(), kafka::Error> {
        for (&partition, owned) in self.partitions.iter_mut().filter(|(_, owned)| owned.waits_for_memory()) {
            consumer.halt(partition)?;
            if !self.job.memory.is_full() {
                consumer.begin(partition, owned.goes_on())?;
            }
        }
        Ok(())
    }

    /// Whether a partition is being restored.
    pub(super) fn is_restoring(&self) -> bool {
        !self.restoring.is_empty()
    }

    /// Commits what was folded of a partition that goes to another member, and a snapshot of it, so that its next owner
    /// folds nothing again. What fails is left to the next owner.
    fn give_up(&mut self, partition: i32, group: &K::Generation) {
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
    fn commit_all(&mut self, group: &K::Generation) -> bool {
        loop {
            self.publisher.wait();
            self.settle();
            if self.publisher.is_unsettled() {
                return false;
            }
            if self.outbox.is_empty() && !self.has_progress() {
                return true;
            }
            self.commit(group.clone());
        }
    }

    /// Folds the records that were read and wait for a full batch.
    pub(super) fn fold_waiting(&mut self) {
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
    pub(super) fn check_lost_offsets(&mut self) -> Result<(), kafka::Error> {
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
        if let Some(restoring) = self.restoring.remove(&partition) {
            restoring.progress.cancel();
        }
        self.without_offset.remove(&partition);
        self.publisher.drop_partition(partition, &mut self.outbox);
        self.telemetry.partition_gone(partition);
    }

    /// The membership ends.
    pub(super) fn drop_partitions(&mut self) {
        let partitions: Vec<i32> = self.partitions.keys().chain(self.restoring.keys()).copied().collect();
        partitions.into_iter().for_each(|partition| self.drop_partition(partition));
    }

    /// Writes ticks into live partitions that get no events (semantics A5).
    pub(super) fn tick_silent_partitions(&mut self) {
        let job = self.job;
        for (partition, owned) in &mut self.partitions {
            if owned.wants_tick(job.idle_after, TICK_EVERY) {
                self.outbox.control(*partition, &wire::encode_tick(job.input.format.of_control(), EventTime(now_ms())));
                self.telemetry.ticked();
            }
        }
    }

    /// Checks that the topics of all waiting messages still exist.
    pub(super) fn check_destinations(&self) -> Result<(), kafka::Error> {
        let all: BTreeSet<To> = self.outbox.iter().chain(self.publisher.kept()).map(|message| message.to).collect();
        let exists = |to: To| K::Producer::partitions(&self.job.kafka, self.publisher.topic(to));
        all.into_iter().try_for_each(|to| match exists(to) {
            Err(missing @ (kafka::Error::TopicMissing { .. } | kafka::Error::Stopped { .. })) => Err(missing),
            // Kafka may be unreachable for a while, which is not an error here.
            Ok(_) | Err(_) => Ok(()),
        })
    }

    /// Whether every record whose effects are not committed was written a while ago, and the transaction has room for
    /// more. Then fewer, larger transactions save the broker work.
    pub(super) fn catches_up(&self) -> bool {
        let now = now_ms();
        let waiting = || self.partitions.values().filter(|owned| owned.has_progress());
        self.outbox.len() < self.job.transaction_messages && waiting().all(|owned| owned.is_behind(now))
    }

    pub(super) fn has_progress(&self) -> bool {
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
        let standing = Standing::now(self.job, self.count, &self.log_id);
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
    pub(super) fn commit(&mut self, group: K::Generation) {
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
    pub(super) fn settle(&mut self) {
        if let Some(took) = self.publisher.take_success() {
            self.telemetry.transaction(took, true);
            self.committed();
        }
    }

    /// Takes note that the last batch was committed.
    pub(super) fn committed(&mut self) {
        self.committed_at = Instant::now();
        for Position { partition, offset, metadata } in self.publisher.take_batch().positions {
            if let Some(owned) = self.partitions.get_mut(&partition) {
                owned.committed(offset, Standing::read(&metadata).snapshot);
            }
        }
    }

    /// Takes the snapshots that are due, or that somebody has asked for, and takes note of those that were stored.
    pub(super) fn take_due_snapshots(&mut self) {
        let asked = self.job.snapshots_asked.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.snapshots_asked, asked) != asked {
            self.partitions.values_mut().for_each(Owned::ask_for_snapshot);
        }
        self.take_snapshots(None, self.job.snapshot_every);
    }

    /// The same, of one partition only or of all, where the last one was taken this long ago.
    fn take_snapshots(&mut self, only: Option<i32>, every: Duration) {
        while let Some(answer) = self.snapshots.as_mut().and_then(Background::answer) {
            self.snapshot_stored(answer);
        }
        let now = Standing::now(self.job, self.count, &self.log_id);
        let Some(snapshots) = self.snapshots.as_mut().filter(|_| self.failed.is_none()) else { return };
        for (_, owned) in self.partitions.iter_mut().filter(|(it, _)| only.is_none_or(|only| only == **it)) {
            if let Some(request) = owned.take_snapshot(self.job, &now, every) {
                snapshots.ask(request);
            }
        }
    }

    /// Stores a snapshot of everything that was folded of one partition, or of all, unless that takes longer than until
    /// this instant, or one cannot be stored.
    pub(super) fn store_snapshots(&mut self, only: Option<i32>, until: Instant) {
        let mut all_stored = true;
        loop {
            // One may be being stored that was taken before.
            if all_stored {
                self.take_snapshots(only, Duration::ZERO);
            }
            let Some(answer) = self.snapshots.as_mut().and_then(|snapshots| snapshots.wait(until)) else { return };
            all_stored &= answer.name.is_ok();
            self.snapshot_stored(answer);
        }
    }

    /// Takes note of a snapshot. That none can be stored is logged once, whatever the number of partitions, and its end, too.
    fn snapshot_stored(&mut self, answer: Answer) {
        self.telemetry.snapshot(answer.took, answer.name.is_ok());
        let (partition, offset, failed) = (answer.partition, answer.offset, answer.name.clone().err());
        if let Some(owned) = self.partitions.get_mut(&partition) {
            owned.snapshot_stored(answer);
        }
        let fails = self.partitions.values().any(Owned::is_unstored);
        match (std::mem::replace(&mut self.snapshots_fail, fails), failed) {
            (false, Some(why)) => tracing::warn!(
                partition,
                offset,
                why,
                "no snapshot: it is tried again every snapshots.every; until then a new owner of the partition begins at the \
                 one before, and folds more of the log"
            ),
            (true, _) if !fails => tracing::info!("snapshots are stored again"),
            _ => {}
        }
    }

    /// Updates the metrics of the partitions.
    pub(super) fn report(&mut self) {
        for (partition, owned) in &mut self.partitions {
            owned.report(*partition, self.telemetry);
        }
        let waits_for_memory = self.job.memory.is_full();
        for (&partition, Restoring { before, progress, reported, .. }) in &mut self.restoring {
            let (done, of) = progress.blocks();
            if reported.elapsed() >= REPORT_EVERY {
                *reported = Instant::now();
                tracing::info!(partition, blocks = done, of, "restoring");
            }
            let restores = Some((done, of));
            let rules = Arc::clone(&self.job.plan.version);
            let status = PartitionStatus {
                restores,
                waits_for_memory,
                recovered_at: before.committed,
                ..PartitionStatus::new(rules)
            };
            self.telemetry.partition(partition, status);
        }
        self.telemetry.stages(&mut self.watch);
    }
}

/// The thread that restores partitions.
fn restorer(job: Job) -> Restorer {
    Background::new(move |wanted| {
        let restored = restore(&job, &wanted);
        (wanted, restored)
    })
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
