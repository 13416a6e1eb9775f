//! Moves the state of a log to a new log with another number of partitions. The service is stopped meanwhile.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};

use super::job::Job;
use super::restore::{Restored, ToRestore, use_snapshot};
use super::standing::{BUILD, Standing};
use super::system::now_ms;
use crate::engine::Partition;
use crate::kafka::{self, Committed, LogWriter, Reader, Topics};
use crate::model::EventTime;
use crate::store::{About, Store, offset_of};
use crate::wire;

/// Where the state moves to.
#[derive(Debug)]
pub struct NewLog<'a> {
    /// The topic, which is created if it is missing.
    pub topic: &'a str,
    /// Its number of partitions.
    pub partitions: i32,
    /// How often it is replicated if it is created; the broker's default if none.
    pub replication: Option<i32>,
    /// Where its snapshots are stored.
    pub store: &'a Store,
}

/// What was moved.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Accounts.
    pub accounts: usize,
    /// Users.
    pub users: usize,
    /// The number of partitions before.
    pub partitions: usize,
}

/// The state of the old log's partitions, and how far the group has read each.
struct Old {
    partitions: Vec<(Partition, i64)>,
    committed: Vec<Committed>,
    /// Whether one is live: such a partition gets ticks.
    live: bool,
}

/// Moves the state. Producers must have stopped before, and then the service, by SIGTERM, after it had read everything. The
/// new log begins with a tick of the highest event time of the old one. `say` gets the name of each step as it begins.
///
/// Until the last step, which commits the offsets of the group in both logs at once, nothing of the old log changes, and it
/// can be repeated.
///
/// # Errors
/// The service runs or has not read or stored everything, the partitions of the old log differ in what a partition has once
/// (`engine::Unlike`), the new log is no empty log, or Kafka or the store cannot be reached or refuses.
pub fn reshard(job: &Job, new: &NewLog<'_>, say: &mut dyn FnMut(&str)) -> Result<Moved> {
    let log = job.topics.log();
    let group = &job.kafka.group;
    let members = kafka::members(&job.kafka, &log)?;
    ensure!(members == 0, "group `{group}` has {members} members: stop the service, and repeat");
    let count = usize::try_from(new.partitions).context("a log has at least one partition")?;
    // Before the state is read, which takes long.
    let place = |account: &str| job.partitioner.place(account.as_bytes(), new.partitions);
    ensure!(
        place("").is_some(),
        "input.partitioner is none: how producers choose the partition of an account is not known, so that it is not known \
         where they will send its events. Set it to murmur2 or crc32, if one of these places your events"
    );
    let topic_id = make(job, new)?;

    say(&format!("reading the state of {log}"));
    let old = read(job, &log)?;
    let partitions = old.partitions.len();
    let highest = old.partitions.iter().filter_map(|(partition, _)| partition.highest()).max();
    let Some(highest) = highest else {
        bail!("{log} has had no events: there is nothing to move. Delete it, and create it with more partitions");
    };
    say("dividing it");
    // By both partitioners an account is in the partition that is its hash modulo their number.
    let common = (1..=count.min(partitions)).rev().find(|it| count % it == 0 && partitions % it == 0).unwrap_or(1);
    let number = |account: &str| place(account).and_then(|it| usize::try_from(it).ok()).unwrap_or_default();
    let mut states = Partition::reshard(old.partitions, count, number, |of, to| of % common == to % common)?;

    say(&format!("beginning {}", new.topic));
    begin(job, new, highest)?;
    say(&format!("storing the state in {}", new.store.location()));
    let mut metadata = Vec::new();
    let mut moved = Moved { accounts: 0, users: 0, partitions };
    for (partition, state) in (0..).zip(&mut states) {
        let about = About {
            topic: new.topic.to_owned(),
            topic_id: topic_id.clone(),
            partition,
            partitions: new.partitions,
            offset: BEGIN,
            taken_at_ms: now_ms(),
            live: old.live,
            first_rules: job.plan.version.to_string(),
            outputs: job.topics.outputs.as_bits(),
            ..About::of(state)
        };
        let name = new.store.save(&mut state.cut()?, about)?;
        let trail = Some((BUILD, state.trail()));
        let standing = Standing { snapshot: &name, trail, ..Standing::now(job, new.partitions, &topic_id) };
        metadata.push(standing.to_string());
        (moved.accounts, moved.users) = (moved.accounts + state.accounts(), moved.users + state.users());
    }
    let gone = |it: &Committed| Standing { moved: new.topic, ..Standing::read(&it.metadata) }.to_string();
    let left = Vec::from_iter(old.committed.iter().map(gone));
    let of_old = (0..).zip(&old.committed).zip(&left).filter_map(|((partition, it), metadata)| {
        Some(kafka::Progress { topic: &log, partition, offset: it.offset?, metadata })
    });
    let of_new = (0..).zip(&metadata).map(|(partition, metadata)| kafka::Progress {
        topic: new.topic,
        partition,
        offset: BEGIN,
        metadata,
    });
    kafka::commit(&job.kafka, &Vec::from_iter(of_old.chain(of_new)))?;
    Ok(moved)
}

/// Where the new log begins: its first record is deleted, so that it is known to lack what came before.
const BEGIN: i64 = 1;

/// Creates the topic, if it is missing, and checks that it is as a log must be, and empty but for ticks. Returns its id,
/// empty if the broker knows none.
fn make(job: &Job, new: &NewLog<'_>) -> Result<String> {
    let names = Topics { log: Some(new.topic.to_owned()), ..job.topics.clone() };
    let specs = names.specs(new.partitions, new.replication);
    let report = kafka::ensure_topics(&job.kafka, &specs[..1])?;
    if let Some(differs) = report.iter().flat_map(|report| &report.differs).next() {
        bail!("topic {}: {differs}", new.topic);
    }
    let committed = kafka::committed(&job.kafka, new.topic)?;
    ensure!(
        committed.iter().all(|it| it.offset.is_none()),
        "group `{}` has read {} already: if the state was moved there, set topics.log to it",
        job.kafka.group,
        new.topic
    );
    let mut reader = Reader::open(&job.kafka, new.topic)?;
    for partition in 0..reader.partitions() {
        let mut is_empty = true;
        reader.read(partition, &mut |message| {
            is_empty = message.is_control;
            if is_empty { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        ensure!(is_empty, "partition {partition} of {} has events: choose a topic that has none", new.topic);
    }
    Ok(kafka::topic_id(&job.kafka, new.topic)?.unwrap_or_default())
}

/// Reads the state of all partitions from the snapshots that stand beside the committed offsets.
fn read(job: &Job, log: &str) -> Result<Old> {
    let store = job.snapshots.as_deref().context("snapshots.enabled is false: the state is not stored anywhere")?;
    let committed = kafka::committed(&job.kafka, log)?;
    let count = i32::try_from(committed.len())?;
    let topic_id = kafka::topic_id(&job.kafka, log)?.unwrap_or_default();
    let mut reader = Reader::open(&job.kafka, log)?;
    let (mut partitions, mut live) = (Vec::new(), false);
    for (partition, it) in (0..).zip(&committed) {
        let of_partition = || format!("partition {partition} of {log}");
        let end = reader.span(partition)?.end;
        let Some(offset) = it.offset else {
            ensure!(
                end == 0,
                "{} was never read by group `{}`: run the service on it",
                of_partition(),
                job.kafka.group
            );
            partitions.push((Partition::new(Arc::clone(&job.plan)), 0));
            continue;
        };
        let then = Standing::read(&it.metadata);
        ensure!(then.moved.is_empty(), "the state of {log} was moved to {} already: set topics.log to it", then.moved);
        then.check(job)?;
        let is_alike = then.rules == &*job.plan.version && then.outputs == job.topics.outputs.as_bits();
        ensure!(
            is_alike,
            "the rules or outputs differ from those with which {} was read: run the service once with them",
            of_partition()
        );
        // Markers of transactions may follow.
        let unread = unread(&mut reader, partition, offset)?;
        ensure!(
            unread == 0,
            "{} has {unread} records that were not read: run the service until it has",
            of_partition()
        );
        ensure!(
            then.published == 0 && offset_of(then.snapshot) == Some(offset),
            "the last snapshot of {} is not of its committed offset, {offset}: start the service, and stop it with SIGTERM",
            of_partition()
        );
        let wanted = ToRestore {
            partition,
            committed: offset,
            named: then.snapshot.to_owned(),
            log: topic_id.clone(),
            partitions: count,
            outputs: then.outputs,
            progress: Arc::default(),
        };
        let restored = use_snapshot(job, store, &wanted, then.snapshot);
        let Restored { fold, live: is_live, .. } =
            restored.with_context(|| format!("the snapshot of {}", of_partition()))?;
        live |= is_live;
        partitions.push((fold, offset));
    }
    Ok(Old { partitions, committed, live })
}

/// How many records of a partition come at an offset or after it.
fn unread(reader: &mut Reader, partition: i32, offset: i64) -> Result<usize> {
    let mut unread = 0;
    if reader.span(partition)?.end > offset {
        reader.read_from(partition, offset, &mut |_| {
            unread += 1;
            ControlFlow::Continue(())
        })?;
    }
    Ok(unread)
}

/// Writes two ticks into each partition, and deletes the first. With the second, what is due up to then is done.
fn begin(job: &Job, new: &NewLog<'_>, at: EventTime) -> Result<()> {
    let tick = wire::encode_tick(job.input.format.of_control(), at);
    let mut writer = LogWriter::connect(&job.kafka, new.topic)?;
    for partition in (0..new.partitions).chain(0..new.partitions) {
        writer.send_control(partition, &tick)?;
    }
    writer.flush()?;
    kafka::delete_before(&job.kafka, new.topic, new.partitions, BEGIN)?;
    Ok(())
}
