//! What a worker works on, and how many workers there are.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kafka;
use crate::model::Millis;
use crate::rules::Plan;
use crate::wire::Format;

/// The threads that do the work.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many; each is a member of the group. More than partitions in all processes are idle.
    pub threads: u16,
    /// Offsets without effects are committed this often; effects are committed at once.
    pub commit_interval: Millis,
}

impl Default for Config {
    fn default() -> Config {
        Config { threads: 2, commit_interval: Millis(1_000) }
    }
}

/// What a worker works on.
#[derive(Clone, Debug)]
pub struct Job {
    /// How to reach Kafka.
    pub kafka: kafka::Config,
    /// The names of the topics.
    pub topics: kafka::Topics,
    /// How the records of the log are written.
    pub format: Format,
    /// How what is published is written.
    pub output: Format,
    /// What to look for.
    pub plan: Arc<Plan>,
    /// A live partition that is silent for so long gets ticks.
    pub idle_after: Duration,
    /// Offsets without effects are committed this often.
    pub commit_interval: Duration,
    /// How the producers of the log place accounts among its partitions.
    pub partitioner: kafka::Partitioner,
    /// Publish everything again where the group has no committed offsets but its results are published.
    pub from_the_beginning: bool,
}
