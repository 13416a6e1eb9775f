//! The loop of a worker thread: poll → decode → apply → publish → commit. The order of these steps gives exactly-once.
//!
//! Effects and the offsets of the records that caused them are committed in one Kafka transaction. If a worker dies,
//! only uncommitted work is lost: the next owner of the partition restores its state from a snapshot, folds the log from
//! there, publishes nothing up to the committed offset, and publishes the rest.

mod background;
mod client;
mod job;
mod memory;
mod outbox;
mod owned;
mod publisher;
mod reshard;
mod restore;
mod share;
#[cfg(test)]
mod simulated;
mod snapshots;
mod standing;
mod system;

use std::time::Duration;

use anyhow::Result;

use crate::kafka::{self, Ended, TransactionError};
use crate::telemetry::{Stage, Telemetry};
use client::{Cluster, Consumer, Kafka, Producer};
use job::Phase;
use share::Share;
use standing::Standing;
use system::{Instant, sleep};

pub use job::{Config, Job, StartBarrier};
pub use memory::Memory;
pub use reshard::{Moved, NewLog, reshard};

/// How long one poll waits for records, and so how soon a worker notices that it should stop.
const POLL: Duration = Duration::from_millis(100);
/// The same while a transaction commits: effects may wait for its end.
const POLL_BESIDE_COMMIT: Duration = Duration::from_millis(1);
/// The same while a partition is restored: it is to be read at once.
const POLL_BESIDE_RESTORING: Duration = Duration::from_millis(5);
/// How long a worker waits at most for the others before it joins the group, and before it reads.
const START_WAIT: Duration = Duration::from_secs(10);
/// How often it looks meanwhile.
const START_POLL: Duration = Duration::from_millis(5);
/// The most effects that wait for a commit before polling waits for it, too.
const WAITING_MAX: usize = 20_000;
/// How often a worker commits while it catches up.
const COMMIT_BEHIND: Duration = Duration::from_millis(100);
/// How long to wait before a transaction that was aborted is sent again.
const RESEND_AFTER: Duration = Duration::from_millis(200);
/// For how long an aborted transaction is sent again after the process was asked to stop.
const RESEND_AT_THE_END: Duration = Duration::from_secs(3);
/// How long a process that stops waits for its last snapshots.
const STORE_AT_THE_END: Duration = Duration::from_secs(10);
/// The broker aborts a transaction that takes longer. For the producer this looks like a fence.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

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
    let join = || Worker::<Cluster>::join(job, number, start, telemetry);
    kafka::stay_member(
        &job.kafka,
        number,
        || telemetry.round(number),
        join,
        |mut worker| {
            let ended = worker.work();
            worker.leave();
            ended
        },
    )
}

/// One membership of the group.
struct Worker<'a, K: Kafka> {
    consumer: K::Consumer,
    share: Share<'a, K>,
    number: usize,
    start: &'a StartBarrier,
    /// Since when it has waited for the barrier; none once it reads.
    waits_since: Option<Instant>,
}

impl<'a, K: Kafka> Worker<'a, K> {
    fn join(
        job: &'a Job,
        number: usize,
        start: &'a StartBarrier,
        telemetry: &'a Telemetry,
    ) -> Result<Worker<'a, K>, Ended> {
        telemetry.round(number);
        telemetry.assigned(number, false);
        // The producer comes first: it aborts an open transaction of its predecessor, and Kafka does not return the
        // committed offsets before that.
        let id = job.kafka.transactional_id(number);
        let producer = K::Producer::connect(&job.kafka, &id)?;
        let began = Instant::now();
        while !start.arrive(Phase::Connected, number) && began.elapsed() < START_WAIT && !job.kafka.is_stopping() {
            sleep(START_POLL);
        }
        let topic = job.topics.log();
        let consumer = K::Consumer::join(&job.kafka, &topic, number)?;
        if let Err(ended) = check_log::<K>(job, &consumer) {
            consumer.leave();
            return Err(ended);
        }
        tracing::info!(worker = number, topic, group = job.kafka.group, "joined");
        let share = Share::new(job, telemetry, &consumer, producer);
        Ok(Worker { consumer, share, number, start, waits_since: Some(Instant::now()) })
    }

    fn work(&mut self) -> Result<(), Ended> {
        while !self.share.job.kafka.is_stopping() {
            self.share.telemetry.round(self.number);
            let wait = match () {
                () if self.share.publisher.is_committing() => POLL_BESIDE_COMMIT,
                () if self.share.is_restoring() => POLL_BESIDE_RESTORING,
                () => POLL,
            };
            self.take(wait)?;
            self.share.tick_silent_partitions();
            self.publish(false)?;
            self.share.watch.lap(Stage::Commit);
            self.share.take_due_snapshots();
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
            sleep(START_POLL);
        } else {
            consumer.poll(wait, &mut |polled| share.take(polled))?;
        }
        share.fold_waiting();
        share.stores_until = None;
        if let Some(ended) = share.failed.take() {
            return Err(ended);
        }
        share.check_lost_offsets()?;
        share.take_restored(consumer)?;
        share.wait_for_memory(consumer)?;
        if share.group.is_none() {
            share.group = Some(consumer.group_metadata()?);
        }
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
            let group = self.consumer.group_metadata()?;
            self.share.group = Some(group.clone());
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
            sleep(RESEND_AFTER);
            // The group may have changed: revoked partitions are dropped with their effects. No records are read,
            // because a batch that fails must not grow.
            let Worker { consumer, share, .. } = self;
            consumer.attend(&mut |polled| share.take(polled))?;
            share.check_lost_offsets()?;
            self.share.telemetry.round(self.number);
            let began = Instant::now();
            let sent = self.share.publisher.send_again(&self.consumer.group_metadata()?);
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

    fn leave(mut self) {
        self.share.publisher.leave();
        self.share.drop_partitions();
        self.consumer.leave();
    }
}

/// Refuses a log that is not the one of which the group committed its offsets: one that was created again, or whose number
/// of partitions differs, because accounts have moved to other partitions (semantics A35). Added partitions have no offset,
/// so the offsets of all are checked. Also refuses another `time.utc_offset` (semantics A33).
fn check_log<K: Kafka>(job: &Job, consumer: &K::Consumer) -> Result<(), Ended> {
    let (topic, group) = (job.topics.log(), job.kafka.group.clone());
    let committed = K::Consumer::committed(&job.kafka, &topic)?;
    for then in committed.iter().filter(|it| !it.metadata.is_empty()).map(|it| Standing::read(&it.metadata)) {
        if !then.moved.is_empty() {
            let moved = then.moved.to_owned();
            return Err(kafka::Error::LogMoved { topic, group, moved }.into());
        }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::kafka::{Embedded, LogWriter};

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
        let job = Job { kafka, topics, ..Job::of_tests() };
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
            while folded() != 1 {
                assert!(Instant::now() < deadline && !worker.is_finished(), "it is not reported");
                std::thread::sleep(Duration::from_millis(5));
            }
            let asked = Instant::now();
            drop(stop);
            worker.join().unwrap().unwrap();
            assert!(asked.elapsed() < Duration::from_secs(25), "{:?}", asked.elapsed());
        });
    }

    #[test]
    fn a_partition_goes_on_where_it_waited_when_there_is_memory_again() {
        let topics = kafka::Topics::default();
        let names: Vec<String> = topics.specs(1, None).into_iter().map(|spec| spec.name).collect();
        let broker = Embedded::start(names.iter().map(|name| (name.as_str(), 1))).unwrap();
        let kafka = kafka::Config { brokers: broker.brokers(), ..kafka::Config::default() };
        let mut writer = LogWriter::connect(&kafka, &topics.log()).unwrap();
        for account in ["acme", "north", "south"] {
            let event = EVENT.replace("acme", account).replace("m1", account);
            writer.send(Some(0), Some(account.as_bytes()), event.as_bytes()).unwrap();
        }
        writer.flush().unwrap();
        let job = Job { kafka, topics, ..Job::of_tests() };
        let telemetry = Telemetry::of_tests();
        let start = StartBarrier::new(1);
        job.memory.set_full(true);
        std::thread::scope(|scope| {
            let stop = Stop(&job.kafka);
            let worker = scope.spawn(|| run(&job, 0, &start, &telemetry));
            let deadline = Instant::now() + Duration::from_secs(60);
            let until = |waits: bool, events: u64| {
                let holds = || {
                    let partitions = telemetry.partitions();
                    let all_wait = partitions.iter().all(|(_, status)| status.waits_for_memory == waits);
                    all_wait && !partitions.is_empty() && telemetry.totals().events == events
                };
                while !holds() {
                    assert!(Instant::now() < deadline && !worker.is_finished(), "{:?}", telemetry.partitions());
                    std::thread::sleep(Duration::from_millis(5));
                }
            };
            until(true, 0);
            std::thread::sleep(Duration::from_millis(500));
            until(true, 0);
            job.memory.set_full(false);
            until(false, 3);
            drop(stop);
            worker.join().unwrap().unwrap();
        });
    }
}
