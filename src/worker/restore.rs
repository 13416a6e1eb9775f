//! Restores partitions from their snapshots, on a thread of their own: the other partitions of the worker go on.

use std::sync::Arc;

use super::job::Job;
use super::system::Instant;
use crate::engine::Partition;
use crate::store::{self, About, Progress, Store, offset_of};

/// A partition to restore.
#[derive(Clone, Debug)]
pub(super) struct ToRestore {
    pub(super) partition: i32,
    /// Its committed offset, and the name of the snapshot that stands beside it; empty if there is none.
    pub(super) committed: i64,
    pub(super) named: String,
    /// The id of the topic of the log, empty if the broker knows none; and its number of partitions.
    pub(super) log: String,
    pub(super) partitions: i32,
    /// What is published, as `Outputs::as_bits`.
    pub(super) outputs: u64,
    /// How far it is, and whether it is still wanted.
    pub(super) progress: Arc<Progress>,
}

/// A partition whose state was restored, at which offset its log goes on, and from which snapshot.
pub(super) struct Restored {
    pub(super) fold: Partition,
    pub(super) offset: i64,
    /// Whether its newest event was at most a day old when it was folded.
    pub(super) live: bool,
    pub(super) name: String,
}

/// Restores a partition from the snapshot that stands beside its committed offset, or else from the last one before it
/// that can be used. None if there is none: then the log is folded from its beginning; or if it was cancelled.
///
/// # Errors
/// The storage does not answer, so that it is unknown which there are.
pub(super) fn restore(job: &Job, wanted: &ToRestore) -> Result<Option<Restored>, store::Error> {
    let &ToRestore { partition, committed, ref named, ref progress, .. } = wanted;
    let Some(store) = job.snapshots.as_deref().filter(|_| committed > 0) else { return Ok(None) };
    let mut next = match &**named {
        // Offsets that were set by hand have no metadata.
        "" => last(store, partition, |it| offset_of(it).is_some_and(|offset| offset <= committed))?,
        named => Some(named.to_owned()),
    };
    while let Some(name) = next.filter(|_| !progress.is_cancelled()) {
        let began = Instant::now();
        match use_snapshot(job, store, wanted, &name) {
            Ok(restored) => {
                let (seconds, offset) = (began.elapsed().as_secs_f64(), restored.offset);
                let (accounts, users) = (restored.fold.accounts(), restored.fold.users());
                tracing::info!(partition, offset, accounts, users, seconds, "restored from a snapshot");
                return Ok(Some(restored));
            }
            Err(_) if progress.is_cancelled() => return Ok(None),
            Err(error) => match error.downcast::<store::Error>() {
                Ok(error) if error.is_unreachable => return Err(error),
                why => {
                    let why = why.map_or_else(|error| format!("{error:#}"), |error| error.to_string());
                    tracing::warn!(partition, snapshot = name, why, "a snapshot cannot be used: trying the one before");
                }
            },
        }
        next = last(store, partition, |it| *it < *name)?;
    }
    Ok(None)
}

/// The last snapshot for which this holds.
fn last(store: &Store, partition: i32, is_it: impl Fn(&str) -> bool) -> Result<Option<String>, store::Error> {
    Ok(store.list(partition)?.into_iter().rfind(|name| is_it(name)))
}

pub(super) fn use_snapshot(job: &Job, store: &Store, wanted: &ToRestore, name: &str) -> anyhow::Result<Restored> {
    let &ToRestore { partition, committed, ref log, .. } = wanted;
    let manifest = store.read(partition, name)?;
    let About { topic_id, partitions, offset, first_rules, outputs, .. } = &manifest.about;
    let is_known = |id: &str| !id.is_empty();
    anyhow::ensure!(
        topic_id == log || !is_known(topic_id) || !is_known(log),
        "it is of a log with the id {topic_id}, and this one has {log}"
    );
    anyhow::ensure!(*partitions == wanted.partitions, "the log had {partitions} partitions");
    anyhow::ensure!(*offset <= committed, "it was taken at offset {offset}, after the committed one, {committed}");
    anyhow::ensure!(
        *first_rules == *job.plan.version,
        "it follows from the rules {first_rules}, and the configured ones are {}: the log is folded with them",
        job.plan.version
    );
    let mut fold = store.restore(partition, &manifest, &job.plan, &wanted.progress)?;
    if *outputs != wanted.outputs {
        fold.visit_all();
    }
    Ok(Restored { fold, offset: *offset, live: manifest.about.live, name: name.to_owned() })
}
