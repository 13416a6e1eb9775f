//! One visible loop per thread: poll → decode → apply → publish → commit. Its order is the guarantee.
//!
//! Effects and the offsets of the records that caused them go into one Kafka transaction. What is lost with a worker
//! is only what nobody has seen: the next owner folds the log from its beginning, mute up to the committed offset,
//! and says the rest.

mod job;
mod owned;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::kafka::{self, Consumer, Polled, Producer, Progress, TransactionError};
use crate::model::{Calendar, EventTime};
use crate::telemetry::{Telemetry, now_ms};
use crate::wire;
use owned::{Outgoing, Owned};

pub use job::{Config, Job};

/// How long one poll waits for records: also how soon a worker hears that it should stop.
const POLL: Duration = Duration::from_millis(100);
/// A silent partition gets a tick at most so often.
const TICK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait before a transaction that was aborted is sent again.
const RESEND_AFTER: Duration = Duration::from_millis(200);
/// How long a transaction that is aborted again and again is still sent again after a stop.
const RESEND_AT_THE_END: Duration = Duration::from_secs(3);
/// How long to wait before joining again.
const REJOIN_AFTER: Duration = Duration::from_secs(1);
/// A worker that is fenced so often within `FENCED_WITHIN` has a live namesake: two that hold one name fence each
/// other at every heartbeat of 3 s. A broker that comes back, or a process that was halted, fences once.
const FENCED_MAX: usize = 5;
/// See `FENCED_MAX`.
const FENCED_WITHIN: Duration = Duration::from_secs(60);
/// The broker ends a transaction that takes longer, which its producer cannot tell from a fence.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Profiles of a partition that go into one transaction: with more, as after the close of a day with a million
/// users, it could outlast its timeout.
const PROFILES_AT_ONCE: usize = 10_000;

/// Works until `job.kafka.stop` is set: joins the group, folds what it is given, and joins anew when it was fenced or
/// lost Kafka. The batch that is on its way when `stop` is set is finished if Kafka answers within seconds; if not, the
/// next owner publishes it.
///
/// # Errors
/// When going on is impossible or would be wrong, when Kafka cannot be reached from the first, or when a live process
/// holds the same name.
pub fn run(job: &Job, number: usize, telemetry: &Telemetry) -> Result<()> {
    let mut fences = Fences::default();
    let (mut has_joined, mut lost) = (false, false);
    while !job.kafka.is_stopping() {
        let ended = Worker::join(job, number, telemetry).and_then(|mut worker| {
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
                // One line until it has joined again, which the line `joined` says.
                if !std::mem::replace(&mut lost, true) {
                    let why = format!("{why:#}");
                    tracing::warn!(
                        worker = number,
                        why,
                        "Kafka does not answer: joining again until it does; if this lasts, check that the brokers run \
                         and can be reached"
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
    /// Counts a fence `now`; whether only a live namesake explains so many.
    fn are_too_many(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        self.0.retain(|at| now.duration_since(*at) <= FENCED_WITHIN);
        self.0.len() >= FENCED_MAX
    }
}

/// The metadata of a committed offset.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Standing<'a> {
    /// How many partitions the log had; none if an older version committed it, which did not say.
    partitions: Option<i32>,
    /// Where days began; in UTC if an older version committed it, which knew of no other days.
    calendar: Calendar,
    /// The fingerprint of `ids` of the rules; none if an older version committed it.
    ids: Option<u32>,
    /// The version of the rules by which everything before the offset was published.
    rules: &'a str,
}

impl<'a> Standing<'a> {
    fn read(metadata: &'a str) -> Standing<'a> {
        let parts = || {
            let (partitions, rest) = metadata.split_once(" partitions, UTC")?;
            let (calendar, rest) = rest.split_once(", ids ")?;
            let (ids, rules) = rest.split_once(", rules ")?;
            let (partitions, ids) = (partitions.parse().ok()?, u32::from_str_radix(ids, 16).ok()?);
            Some(Standing { partitions: Some(partitions), calendar: calendar.parse().ok()?, ids: Some(ids), rules })
        };
        parts().unwrap_or(Standing { partitions: None, calendar: Calendar::UTC, ids: None, rules: metadata })
    }

    /// # Errors
    /// Days began elsewhere than they do by the rules of the job, or other ids were none or alike: what was published is
    /// of other days, or of other accounts and users (semantics A29, A33).
    fn check(&self, job: &Job) -> anyhow::Result<()> {
        let (then, now) = (self.calendar, job.plan.time.calendar);
        anyhow::ensure!(
            then == now,
            "time.utc_offset of the rules is {now}, but group `{}` folded {} with {then}: it cannot change in a log. \
             Restore it; or begin with a new log, a new topics.prefix and a new kafka.group, and send the events there",
            job.kafka.group,
            job.topics.log(),
        );
        anyhow::ensure!(
            self.ids.is_none_or(|ids| ids == job.plan.ids.fingerprint()),
            "`ids` of the rules are not those with which group `{}` folded {}: they cannot change in a log. Restore them; \
             or begin with a new log, a new topics.prefix and a new kafka.group, and send the events there",
            job.kafka.group,
            job.topics.log(),
        );
        Ok(())
    }
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partitions {
            Some(count) => {
                let (calendar, ids) = (self.calendar, self.ids.unwrap_or_default());
                write!(f, "{count} partitions, UTC{calendar}, ids {ids:08x}, rules {}", self.rules)
            }
            None => f.write_str(self.rules),
        }
    }
}

/// Why a worker's membership ended.
enum Ended {
    /// Somebody else took over, or the cluster takes it so; a new membership may go on.
    Fenced(anyhow::Error),
    /// Kafka did not answer for long, or the process is stopping.
    Lost(anyhow::Error),
    /// Going on is impossible or would be wrong.
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
    producer: Producer,
    share: Share<'a>,
    number: usize,
    committed_at: Instant,
}

/// The partitions that are ours, and what they have said since the last commit.
struct Share<'a> {
    job: &'a Job,
    telemetry: &'a Telemetry,
    partitions: BTreeMap<i32, Owned>,
    outbox: Vec<Outgoing>,
    /// Why the fold cannot go on: nothing is folded or published any more.
    failed: Option<anyhow::Error>,
    /// The number of partitions of the log.
    count: i32,
    /// Partitions that came with records, but without a committed offset, and were not checked yet.
    without_offset: BTreeSet<i32>,
}

impl<'a> Worker<'a> {
    fn join(job: &'a Job, number: usize, telemetry: &'a Telemetry) -> Result<Worker<'a>, Ended> {
        telemetry.round(number);
        telemetry.assigned(number, false);
        // The producer first: it ends what a predecessor of its name left open, and the committed offsets are not
        // told before that has ended.
        let id = job.kafka.transactional_id(number);
        let producer = Producer::connect(&job.kafka, &id)?;
        let topic = job.topics.log();
        let consumer = Consumer::join(&job.kafka, &topic, number)?;
        check_log(job, consumer.partitions())?;
        tracing::info!(worker = number, topic, group = job.kafka.group, "joined");
        let share = Share {
            job,
            telemetry,
            partitions: BTreeMap::new(),
            outbox: Vec::new(),
            failed: None,
            count: consumer.partitions(),
            without_offset: BTreeSet::new(),
        };
        Ok(Worker { consumer, producer, share, number, committed_at: Instant::now() })
    }

    fn work(&mut self) -> Result<(), Ended> {
        while !self.share.job.kafka.is_stopping() {
            self.share.telemetry.round(self.number);
            self.take(POLL)?;
            self.share.tick_silent_partitions();
            self.publish(false)?;
        }
        self.publish(true)
    }

    /// Takes a batch in: group events, and records into their partitions.
    fn take(&mut self, wait: Duration) -> Result<(), Ended> {
        self.producer.attend();
        let Worker { consumer, share, .. } = self;
        consumer.poll(wait, &mut |polled| share.take(polled))?;
        share.fold_waiting();
        if let Some(error) = share.failed.take() {
            return Err(Ended::Failed(error));
        }
        share.check_lost_offsets()?;
        consumer.ends(&mut |partition, ends| {
            if let Some(owned) = share.partitions.get_mut(&partition) {
                owned.ends_at(ends);
            }
        });
        share.telemetry.assigned(self.number, consumer.is_assigned());
        share.tell();
        Ok(())
    }

    /// Effects, the latest profiles, and the offsets of what caused them, in one transaction. Offsets and profiles
    /// alone wait for their interval, unless this is the last. After an abort they are sent again; once the process
    /// stops, only for a short while: then the next owner publishes them.
    fn publish(&mut self, last: bool) -> Result<(), Ended> {
        let mut stopping = None;
        let mut aborted = 0_u64;
        loop {
            let due = last || self.committed_at.elapsed() >= self.share.job.commit_interval;
            if self.share.outbox.is_empty() && !(due && self.share.has_progress()) {
                return Ok(());
            }
            self.share.gather();
            let began = Instant::now();
            let sent = self.send_ahead().and_then(|()| self.transaction());
            self.share.telemetry.transaction(began.elapsed(), sent.is_ok());
            match sent {
                Ok(()) => {
                    if aborted > 0 {
                        tracing::info!(worker = self.number, aborted, "transactions are committed again");
                    }
                    self.committed_at = Instant::now();
                    self.share.committed();
                    return Ok(());
                }
                Err(TransactionError::Aborted(why)) => {
                    if self.share.job.kafka.is_stopping()
                        && stopping.get_or_insert_with(Instant::now).elapsed() >= RESEND_AT_THE_END
                    {
                        return Err(Ended::Lost(anyhow::anyhow!("the transaction was aborted: {why}")));
                    }
                    // Where a topic has gone, sending again would fail for ever.
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
                    // The group may have changed: what was revoked is dropped, with what it said. No records are
                    // taken in: a batch that fails must not grow.
                    let Worker { consumer, share, .. } = self;
                    consumer.attend(&mut |polled| share.take(polled))?;
                    share.check_lost_offsets()?;
                    self.share.telemetry.round(self.number);
                }
                Err(TransactionError::Fenced(why)) => {
                    let why = anyhow::Error::msg(why);
                    let timed_out = began.elapsed() >= TRANSACTION_TIMEOUT;
                    return Err(if timed_out { Ended::Lost(why) } else { Ended::Fenced(why) });
                }
                Err(TransactionError::Fatal(why)) => {
                    self.share.check_destinations()?;
                    return Err(Ended::Failed(anyhow::anyhow!("worker {}: {why}", self.number)));
                }
            }
        }
    }

    /// Where there are more profiles than one transaction should hold, the first ones go ahead in transactions of
    /// their own: a profile that comes too early, or twice, does no harm. Each commits the offset that stands already,
    /// which the group refuses to a member that has lost the partition.
    fn send_ahead(&mut self) -> Result<(), TransactionError> {
        let (job, standing) = (self.share.job, self.share.standing());
        let topic = job.topics.log();
        for (partition, owned) in &mut self.share.partitions {
            while let Some(last) = owned.profiles.keys().nth(PROFILES_AT_ONCE).cloned() {
                self.producer.begin()?;
                owned.profiles.range(..&last).try_for_each(|(_, profile)| profile.send(&mut self.producer))?;
                let (offset, rules) = owned.standing(&job.plan.version);
                let metadata = Standing { rules, ..standing }.to_string();
                let stands = Progress { topic: &topic, partition: *partition, offset, metadata: &metadata };
                self.producer.commit(&[stands], &self.consumer.group_metadata())?;
                owned.profiles = owned.profiles.split_off(&last);
            }
        }
        Ok(())
    }

    fn transaction(&mut self) -> Result<(), TransactionError> {
        let Share { job, partitions, outbox, .. } = &self.share;
        let log = job.topics.log();
        let metadata = self.share.standing().to_string();
        self.producer.begin()?;
        let profiles = partitions.values().flat_map(|owned| owned.profiles.values());
        outbox.iter().chain(profiles).try_for_each(|effect| effect.send(&mut self.producer))?;
        let progress: Vec<Progress<'_>> = partitions
            .iter()
            .filter(|(_, owned)| owned.has_progress())
            .map(|(partition, owned)| Progress {
                topic: &log,
                partition: *partition,
                offset: owned.position(),
                metadata: &metadata,
            })
            .collect();
        self.producer.commit(&progress, &self.consumer.group_metadata())
    }

    fn leave(&mut self) {
        let partitions: Vec<i32> = self.share.partitions.keys().copied().collect();
        partitions.into_iter().for_each(|partition| self.share.drop_partition(partition));
    }
}

impl<'a> Share<'a> {
    /// What is committed with the offset of a partition whose effects were published by the rules of today.
    fn standing(&self) -> Standing<'a> {
        let plan = &self.job.plan;
        let ids = Some(plan.ids.fingerprint());
        Standing { partitions: Some(self.count), calendar: plan.time.calendar, ids, rules: &plan.version }
    }

    fn take(&mut self, polled: Polled<'_>) {
        match polled {
            Polled::Assigned { partition, committed, metadata, end } => {
                if committed.is_none() && end > 0 {
                    self.without_offset.insert(partition);
                }
                let then = Standing::read(metadata);
                if committed.is_some() && self.failed.is_none() {
                    self.failed = then.check(self.job).err();
                }
                let committed = committed.unwrap_or(0);
                tracing::info!(partition, committed, end, "assigned: reading the log from its beginning");
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
                self.partitions.insert(partition, Owned::new(self.job, partition, self.count, committed, changed));
            }
            Polled::Revoked { partition, lost } => {
                tracing::info!(partition, lost, "revoked");
                self.drop_partition(partition);
            }
            Polled::Message(message) => {
                if let Some(owned) = self.partitions.get_mut(&message.partition).filter(|_| self.failed.is_none())
                    && owned.take(&message)
                {
                    self.failed = owned.fold(self.job, &mut self.outbox, self.telemetry).err();
                }
            }
            Polled::End { partition, position } => {
                self.fold_waiting();
                if let Some(owned) = self.partitions.get_mut(&partition) {
                    owned.at_end(position);
                }
            }
        }
    }

    /// Folds the records that were taken and wait for more.
    fn fold_waiting(&mut self) {
        for owned in self.partitions.values_mut() {
            if self.failed.is_none() {
                self.failed = owned.fold(self.job, &mut self.outbox, self.telemetry).err();
            }
        }
    }

    /// Refuses partitions whose results are published although the group has no committed offset for them; nothing of
    /// them is published before.
    ///
    /// A partition without a committed offset is new, or its offset is lost and its handoffs would be published again.
    /// The topic of accounts shows which: it keeps a profile of every account that was ever folded, committed together
    /// with the offset, and the id of its message names the partition.
    fn check_lost_offsets(&mut self) -> Result<(), kafka::Error> {
        let partitions = std::mem::take(&mut self.without_offset);
        if partitions.is_empty() || self.job.from_the_beginning {
            return Ok(());
        }
        match find_published(self.job, &partitions)? {
            None => Ok(()),
            Some(partition) => Err(kafka::Error::OffsetsLost {
                topic: self.job.topics.log(),
                partition,
                group: self.job.kafka.group.clone(),
                output: self.job.topics.accounts(),
            }),
        }
    }

    fn drop_partition(&mut self, partition: i32) {
        self.partitions.remove(&partition);
        self.without_offset.remove(&partition);
        self.outbox.retain(|effect| effect.partition != partition);
        self.telemetry.partition_gone(partition);
    }

    /// Writes the wall clock into partitions that are silent though their product is alive (semantics A5).
    fn tick_silent_partitions(&mut self) {
        let job = self.job;
        for (partition, owned) in &mut self.partitions {
            if owned.wants_tick(job.idle_after, TICK_EVERY) {
                let payload = Some(wire::encode_tick(job.format, EventTime(now_ms())));
                self.outbox.push(Outgoing {
                    partition: *partition,
                    into_log: true,
                    topic: job.topics.log().into(),
                    key: None,
                    payload,
                    context: None,
                });
                self.telemetry.ticked();
            }
        }
    }

    /// Whether every topic that something is to be sent to still exists.
    fn check_destinations(&self) -> Result<(), kafka::Error> {
        let profiles = self.partitions.values().flat_map(|owned| owned.profiles.values());
        let topics: BTreeSet<&str> = self.outbox.iter().chain(profiles).map(|effect| &*effect.topic).collect();
        topics.into_iter().try_for_each(|topic| match kafka::partitions(&self.job.kafka, topic) {
            Err(missing @ (kafka::Error::TopicMissing { .. } | kafka::Error::Stopped { .. })) => Err(missing),
            // Kafka may be out of reach for a while: that is waited out.
            Ok(_) | Err(_) => Ok(()),
        })
    }

    /// Gathers the profiles of what changed.
    fn gather(&mut self) {
        for owned in self.partitions.values_mut() {
            owned.gather(self.job, self.telemetry);
        }
    }

    fn has_progress(&self) -> bool {
        self.partitions.values().any(Owned::has_progress)
    }

    fn committed(&mut self) {
        self.outbox.clear();
        self.partitions.values_mut().for_each(Owned::committed);
    }

    /// Shows how the partitions are doing.
    fn tell(&mut self) {
        for (partition, owned) in &mut self.partitions {
            owned.tell(*partition, self.telemetry);
        }
    }
}

/// Refuses a log whose number of partitions is not what it was when the group committed its offsets: accounts are in
/// other partitions since (semantics A35). Partitions that were added have no offset, so those of all are looked at.
/// And refuses one whose days began elsewhere (semantics A33).
fn check_log(job: &Job, now: i32) -> Result<(), Ended> {
    let topic = job.topics.log();
    let committed = kafka::committed_metadata(&job.kafka, &topic)?;
    for then in committed.iter().filter(|metadata| !metadata.is_empty()).map(|metadata| Standing::read(metadata)) {
        if let Some(then) = then.partitions.filter(|then| *then != now) {
            let group = job.kafka.group.clone();
            return Err(kafka::Error::PartitionsChanged { topic, group, then, now }.into());
        }
        then.check(job).map_err(Ended::Failed)?;
    }
    Ok(())
}

/// A partition, out of some of the log, whose results are on the topic of accounts.
fn find_published(job: &Job, partitions: &BTreeSet<i32>) -> Result<Option<i32>, kafka::Error> {
    let source = wire::source(&job.topics.log());
    let mut reader = kafka::Reader::open(&job.kafka, &job.topics.accounts())?;
    let mut found = None;
    for partition in 0..reader.partitions() {
        reader.read(partition, &mut |message| {
            let header = |name| message.header(name).and_then(|value| std::str::from_utf8(value).ok());
            let id = header(c"ce_id").filter(|_| header(c"ce_source") == Some(&source));
            found = id.and_then(|id| id.split('-').next()?.parse().ok()).filter(|of| partitions.contains(of));
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if found.is_some() {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::kafka::{Embedded, LogWriter};
    use crate::wire::Format;

    /// A Segment event that makes a handoff.
    const EVENT: &str = r#"{"messageId":"m1","type":"track","event":"Contact Sales","userId":"ann","context":{"groupId":"acme"},"timestamp":"2026-03-02T10:00:00Z"}"#;

    #[test]
    fn a_stop_is_obeyed_while_transactions_are_aborted_and_sent_again() {
        let topics = kafka::Topics::default();
        let names: Vec<String> = topics.specs(1, None, Format::Protobuf).into_iter().map(|spec| spec.name).collect();
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
            output: Format::Json,
            plan: crate::rules::load(None).unwrap(),
            idle_after: Duration::from_secs(60),
            commit_interval: Duration::from_millis(100),
            partitioner: kafka::Partitioner::default(),
            from_the_beginning: false,
        };
        let telemetry = Telemetry::install().unwrap();
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| run(&job, 0, &telemetry));
            let deadline = Instant::now() + Duration::from_secs(120);
            let aborted = |line: &str| line.strip_prefix(crate::telemetry::TRANSACTIONS_ABORTED)?.trim().parse().ok();
            while telemetry.render().lines().find_map(aborted).unwrap_or(0) < 3 {
                assert!(Instant::now() < deadline && !worker.is_finished(), "nothing is aborted again and again");
                std::thread::sleep(Duration::from_millis(50));
            }
            let asked = Instant::now();
            job.kafka.stop.store(true, Ordering::Relaxed);
            worker.join().unwrap().unwrap();
            assert!(asked.elapsed() < Duration::from_secs(25), "{:?}", asked.elapsed());
        });
    }

    #[test]
    fn what_stands_beside_an_offset_is_read_back() {
        let (utc, other) = (Calendar::UTC, Calendar::ahead(-210).unwrap());
        for standing in [
            Standing { partitions: Some(8), calendar: other, ids: Some(0xfe), rules: "default@1" },
            Standing { partitions: Some(1), calendar: utc, ids: Some(0), rules: "" },
        ] {
            assert_eq!(Standing::read(&standing.to_string()), standing);
        }
        for old in ["default@1", ""] {
            assert_eq!(Standing::read(old), Standing { partitions: None, calendar: utc, ids: None, rules: old });
        }
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
