//! `upswell snapshot`: lists, shows, verifies and prunes the snapshots of the state.

use std::io::Write;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};

use super::config::{Config, Connection};
use crate::store::{Manifest, Progress, Store};
use crate::{kafka, model, rules, text, worker};

/// Lists, shows, verifies and prunes the snapshots of the state.
///
/// `upswell run` takes a snapshot of each partition every snapshots.every, and when it is asked to stop. A new owner of a
/// partition begins at the snapshot whose name stands beside the committed offset, and folds only the log after it.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell snapshot ls --config upswell.yaml
  upswell snapshot show 0 --config upswell.yaml
  upswell snapshot verify --config upswell.yaml
  upswell snapshot verify --against /mnt/other/upswell-snapshots --config upswell.yaml
  upswell snapshot prune --config upswell.yaml")]
pub(super) struct Snapshot {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Ls(Ls),
    Show(Show),
    Verify(Verify),
    Prune(Prune),
}

/// Lists the snapshots of every partition, and which ones are committed.
#[derive(Args)]
struct Ls {
    #[command(flatten)]
    connection: Connection,
}

/// Prints what a snapshot is a snapshot of, as JSON: the newest of a partition, or the one with this name.
#[derive(Args)]
struct Show {
    /// The partition of the log.
    #[arg(value_name = "PARTITION")]
    partition: i32,
    /// The name, as `upswell snapshot ls` prints it.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print the names of its blocks, too.
    #[arg(long)]
    blocks: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Reads snapshots completely and checks every block: the newest of each partition.
///
/// The state is a function of the log, the rules and the version of Upswell: two processes that folded the same log have
/// the same blocks. With --against, the snapshots at the same offsets are compared with those at another place.
#[derive(Args)]
struct Verify {
    /// Verify all snapshots, not only the newest.
    #[arg(long)]
    all: bool,
    /// A folder or URL with snapshots of the same group and log.
    #[arg(long, value_name = "LOCATION")]
    against: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Removes snapshots that are not needed: all before the one that is committed and the one before that.
///
/// `upswell run` does the same after each snapshot.
#[derive(Args)]
struct Prune {
    /// Keep only the committed one. The one before it may contain a user who was erased since.
    #[arg(long)]
    committed_only: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Snapshot {
    pub(super) fn run(self) -> Result<()> {
        match self.command {
            Command::Ls(command) => command.run(),
            Command::Show(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Prune(command) => command.run(),
        }
    }
}

fn open(config: &Config) -> Result<Store> {
    Ok(Store::open(&config.snapshots.location, &config.kafka.group, &config.topics().log())?)
}

/// The names that stand beside the committed offsets, by partition.
fn committed(config: &Config) -> Result<Vec<String>> {
    let committed = kafka::committed(&config.kafka, &config.topics().log())?;
    Ok(committed.iter().map(|it| worker::snapshot_in(&it.metadata).to_owned()).collect())
}

impl Ls {
    fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let store = open(&config)?;
        let committed = committed(&config).unwrap_or_else(|error| {
            eprintln!("which snapshots are committed is unknown: {error:#}");
            Vec::new()
        });
        let mut out = std::io::stdout();
        let (mut any, partitions) = (false, store.partitions()?);
        for partition in partitions {
            for name in store.list(partition)? {
                any = true;
                let is_committed = usize::try_from(partition).ok().and_then(|it| committed.get(it)) == Some(&name);
                let mark = if is_committed { "committed" } else { "" };
                match store.read(partition, &name) {
                    Ok(Manifest { about, blocks, .. }) => writeln!(
                        out,
                        "{partition:>4}  {name}  {}  {:>11} accounts  {:>11} users  {:>6} blocks  {mark}",
                        text::minute(model::EventTime(about.taken_at_ms)),
                        text::count(about.accounts),
                        text::count(about.users),
                        blocks.len(),
                    )?,
                    Err(error) => writeln!(out, "{partition:>4}  {name}  {error}")?,
                }
            }
        }
        if !any {
            eprintln!("no snapshots at {}", store.location());
        }
        Ok(())
    }
}

impl Show {
    fn run(self) -> Result<()> {
        let store = open(&self.connection.load()?)?;
        let newest = || store.list(self.partition).map(|mut names| names.pop());
        let name = match self.name {
            Some(name) => name,
            None => newest()?.with_context(|| format!("partition {} has no snapshot", self.partition))?,
        };
        let mut shown = serde_json::to_value(store.read(self.partition, &name)?)?;
        if !self.blocks {
            let count = shown["blocks"].as_array().map_or(0, Vec::len);
            shown["blocks"] = count.into();
        }
        writeln!(std::io::stdout(), "{shown:#}")?;
        Ok(())
    }
}

impl Verify {
    fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let store = open(&config)?;
        let other = match &self.against {
            Some(location) => Some(Store::open(location, &config.kafka.group, &config.topics().log())?),
            None => None,
        };
        let mut out = std::io::stdout();
        let (mut sound, mut faulty, mut compared) = (0, 0, 0);
        for partition in store.partitions()? {
            let names = store.list(partition)?;
            let others = other.as_ref().map(|other| other.list(partition)).transpose()?.unwrap_or_default();
            let newest = if self.all { 0 } else { names.len().saturating_sub(1) };
            // Compared are all of which the other place has one at the same offset.
            for (place, name) in names.iter().enumerate() {
                let twin = others.iter().find(|it| crate::store::offset_of(it) == crate::store::offset_of(name));
                if place < newest && twin.is_none() {
                    continue;
                }
                let checked = store.read(partition, name).and_then(|manifest| {
                    store.restore(partition, &manifest, &rules::default_plan(), &Progress::default())?;
                    Ok(manifest)
                });
                let said = match (checked, twin, &other) {
                    (Err(error), ..) => Err(error.to_string()),
                    (Ok(mine), Some(twin), Some(other)) => {
                        compared += 1;
                        let theirs = other.read(partition, twin)?;
                        if (mine.head, &mine.blocks) == (theirs.head, &theirs.blocks) {
                            Ok("sound, and the same there")
                        } else {
                            Err(format!("it differs from the one at {}", other.location()))
                        }
                    }
                    (Ok(_), ..) => Ok("sound"),
                };
                (sound, faulty) = (sound + usize::from(said.is_ok()), faulty + usize::from(said.is_err()));
                writeln!(
                    out,
                    "{partition:>4}  {name}  {}",
                    match &said {
                        Ok(said) => said,
                        Err(why) => &**why,
                    }
                )?;
            }
        }
        if faulty > 0 {
            bail!("{faulty} of {} snapshots cannot be used or differ", sound + faulty);
        }
        if sound == 0 {
            bail!("there are no snapshots at {}", store.location());
        }
        if other.is_some() && compared == 0 {
            bail!("no two snapshots are at the same offset: nothing was compared");
        }
        Ok(())
    }
}

impl Prune {
    fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let store = open(&config)?;
        let stay = if self.committed_only { 1 } else { 2 };
        let mut all = crate::store::Pruned::default();
        for (partition, committed) in (0..).zip(committed(&config)?) {
            let names = store.list(partition)?;
            let kept = names.iter().rev().filter(|name| **name <= committed).take(stay);
            let kept: Vec<&str> = kept.map(String::as_str).collect();
            let pruned = store.prune(partition, &kept, &[])?;
            all.snapshots += pruned.snapshots;
            all.blocks += pruned.blocks;
        }
        writeln!(std::io::stdout(), "removed {} snapshots and {} blocks", all.snapshots, all.blocks)?;
        Ok(())
    }
}
