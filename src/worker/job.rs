//! The configuration of the worker threads, and what they need to run.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::memory::Memory;
use crate::kafka;
use crate::model::Millis;
use crate::registry::Registry;
use crate::rules::Plan;
use crate::store::Store;
use crate::wire;

/// The `worker` chapter of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The number of threads, each of which is a member of the group. Threads beyond the number of partitions are idle.
    pub threads: u16,
    /// How often offsets without effects are committed. Effects are committed at once.
    pub commit_interval: Millis,
    /// The most messages in a transaction. After the close of a day with many users there are several transactions.
    pub transaction_messages: NonZeroU32,
    /// How much memory the process may take, in MiB; none for the limit of its container, or the memory of the machine.
    pub memory_mib: Option<NonZeroU32>,
}

/// Some hundred thousand small messages can be produced within the timeout of a transaction.
const TRANSACTION_MESSAGES: NonZeroU32 = NonZeroU32::new(50_000).unwrap();

impl Default for Config {
    fn default() -> Config {
        Config {
            threads: 2,
            commit_interval: Millis(1_000),
            transaction_messages: TRANSACTION_MESSAGES,
            memory_mib: None,
        }
    }
}

/// What a worker needs to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// How to reach Kafka.
    pub kafka: kafka::Config,
    /// The names of the topics, and what is published.
    pub topics: kafka::Topics,
    /// How the records of the log are read.
    pub input: wire::Input,
    /// Where the schemas of framed records are, if they are read with their schemas.
    pub registry: Option<Arc<Registry>>,
    /// The rules.
    pub plan: Arc<Plan>,
    /// A live partition that got no event for this time gets ticks.
    pub idle_after: Duration,
    /// Offsets without effects are committed this often.
    pub commit_interval: Duration,
    /// The most messages in a transaction.
    pub transaction_messages: usize,
    /// How the producers of the log choose the partition of an account.
    pub partitioner: kafka::Partitioner,
    /// Where snapshots of the state are; none if none are taken.
    pub snapshots: Option<Arc<Store>>,
    /// How often one is taken of a partition.
    pub snapshot_every: Duration,
    /// How often somebody has asked for snapshots of all partitions of the process.
    pub snapshots_asked: Arc<AtomicU64>,
    /// How much memory the process takes, and may take.
    pub memory: Arc<Memory>,
    /// Whether to publish everything again if the group has no committed offsets but results were published.
    pub from_the_beginning: bool,
}

#[cfg(test)]
impl Job {
    /// A job with the defaults, a log in JSON, and no snapshots.
    pub(super) fn of_tests() -> Job {
        Job {
            kafka: kafka::Config::default(),
            topics: kafka::Topics::default(),
            input: wire::Format::Json.into(),
            registry: None,
            plan: crate::rules::default_plan(),
            idle_after: Duration::from_secs(60),
            commit_interval: Duration::from_millis(100),
            transaction_messages: 1_000,
            partitioner: kafka::Partitioner::default(),
            snapshots: None,
            snapshot_every: Duration::from_secs(60),
            snapshots_asked: Arc::default(),
            memory: Arc::new(Memory::new(None)),
            from_the_beginning: false,
        }
    }
}

/// Where the workers of a process wait for each other when it starts.
#[derive(Debug)]
pub struct StartBarrier {
    workers: usize,
    /// By phase, the workers that have arrived.
    arrived: [Mutex<BTreeSet<usize>>; 2],
}

/// What a worker has done when it waits for the others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Its producer is connected. All workers then join the group together, so that it seldom assigns partitions to one
    /// that move to another at once.
    Connected,
    /// The group has assigned its partitions, even if none.
    Assigned,
}

impl StartBarrier {
    /// A barrier for this number of workers.
    #[must_use]
    pub fn new(workers: usize) -> StartBarrier {
        StartBarrier { workers, arrived: Default::default() }
    }

    /// Notes that a worker has done something. Returns whether all have.
    pub(super) fn arrive(&self, phase: Phase, worker: usize) -> bool {
        let mut arrived = self.arrived[phase as usize].lock().unwrap_or_else(PoisonError::into_inner);
        arrived.insert(worker);
        arrived.len() >= self.workers
    }
}
