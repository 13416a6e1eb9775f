//! `upswell reshard`: moves a log to another number of partitions.

use std::num::NonZeroU16;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::config::Connection;
use super::run::{job, open_snapshots};
use super::screen::{self, WrongUse};
use crate::store::Store;
use crate::worker::{self, NewLog};

/// Moves a log to another number of partitions, with its state.
///
/// The partition of an account follows from the number of partitions, so partitions cannot be added to a log. This command
/// creates a new topic and divides the state among its partitions: every figure, cooldown and handoff id goes on as if
/// nothing had happened. What is published stays as it is, and the topics of the outputs keep their partitions. The new
/// topic does not contain the events of the old one.
///
/// 1. Stop the producers, and let the service read what they wrote (upswell_partition_lag is 0).
/// 2. Stop the service with SIGTERM (on Kubernetes: scale it to 0), so that it stores a snapshot of each partition.
/// 3. Run this command, with the configuration of the service. Nothing of the old log changes before the last step, and
///    until then it can be repeated.
/// 4. Set topics.log to the new topic for the service and the producers, and start both. The service refuses to go on with
///    the old topic; delete it when you do not need its events any more.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell reshard --to upswell.log-32 --partitions 32 --config upswell.yaml")]
pub(super) struct Reshard {
    /// The topic of the new log.
    #[arg(long, value_name = "TOPIC")]
    to: String,
    /// Its number of partitions.
    #[arg(long, value_name = "N")]
    partitions: NonZeroU16,
    #[command(flatten)]
    connection: Connection,
}

impl Reshard {
    pub(super) fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let log = config.topics().log();
        if log == self.to {
            bail!(WrongUse(format!("--to is the topic of the present log, {log}: the new log needs another one")));
        }
        let snapshots =
            open_snapshots(&config)?.context("snapshots.enabled is false: the state is not stored anywhere")?;
        let job = worker::Job { snapshots: Some(Arc::new(snapshots)), ..job(&config)? };
        let store = Store::make(&config.snapshots.location, &config.kafka.group, &self.to)?;
        let new = NewLog {
            topic: &self.to,
            partitions: self.partitions.get().into(),
            replication: config.topics.replication.map(Into::into),
            store: &store,
        };
        let moved = worker::reshard(&job, &new, &mut |step| eprintln!("{step} …"))?;
        let [accounts, users] = [moved.accounts, moved.users].map(|it| screen::count(it as u64));
        println!(
            "moved {accounts} accounts and {users} users from {} partitions of {log} to {} of {}",
            moved.partitions, self.partitions, self.to
        );
        println!("now set topics.log to {} for the service and the producers, and start both", self.to);
        Ok(())
    }
}
