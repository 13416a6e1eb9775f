//! What is measured, and how progress is shown.

use std::sync::Arc;

use anyhow::Result;
use indicatif::ProgressBar;

use super::service::Start;
use crate::kafka::{self, Topics};
use crate::rules::Plan;
use crate::simulate::load::Load;

/// A load ends before this day.
pub(super) const END: jiff::civil::Date = jiff::civil::date(2025, 3, 3);

/// What is measured, and how.
pub struct Bench {
    /// How to reach Kafka.
    pub kafka: kafka::Config,
    /// What is published. The names are replaced.
    pub topics: Topics,
    /// Partitions of every topic.
    pub partitions: u16,
    /// Their replication factor; the broker's default if none.
    pub replication: Option<u16>,
    /// The rules.
    pub plan: Arc<Plan>,
    /// How the service is started.
    pub start: Start,
    /// The load.
    pub load: Load,
    /// Its seed.
    pub seed: u64,
    /// How many of its events are in the log before the service starts.
    pub events: u64,
    /// Events of a record.
    pub pack: u16,
    /// After that, so many events per second, to measure latency; none if it is not measured.
    pub rate: Option<u64>,
    /// For so many seconds.
    pub seconds: u64,
    /// Whether a day closes meanwhile.
    pub close: bool,
    /// Whether a process is killed and recovers.
    pub kill: bool,
    /// How often the log is processed; the medians are reported.
    pub rounds: u16,
    /// Whether the topics stay.
    pub keep: bool,
}

/// What a log contains, which is written without transactions: its offsets are its records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents {
    /// Records.
    pub(super) records: u64,
    /// The events in them.
    pub(super) events: u64,
}

impl Contents {
    /// How many events so many records have, about.
    pub(super) fn events_of(self, records: u64) -> u64 {
        let events = u128::from(records.min(self.records)) * u128::from(self.events) / u128::from(self.records.max(1));
        u64::try_from(events).unwrap_or(u64::MAX)
    }
}

/// How progress is shown.
pub struct Show<'a> {
    /// A bar over so many of something.
    pub bar: &'a dyn Fn(u64, &'static str) -> ProgressBar,
    /// Tells what was done.
    pub tell: &'a dyn Fn(String),
}

/// Fails if the process was asked to stop.
pub(super) fn go_on(config: &kafka::Config) -> Result<()> {
    match config.is_stopping() {
        true => Err(kafka::Error::Stopped { doing: "measuring".into() }.into()),
        false => Ok(()),
    }
}
