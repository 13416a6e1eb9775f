//! `upswell tail`: handoffs as they are committed.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::config::Connection;
use super::screen;
use crate::kafka;
use crate::model::Level;
use crate::wire::{self, ToWire};

/// Shows handoffs as they are committed, until Ctrl-C.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell tail --config upswell.yaml
  upswell tail --brokers localhost:9092 --level high --json | jq .why")]
pub(super) struct Tail {
    #[command(flatten)]
    connection: Connection,
    /// Only handoffs of this level; can be repeated.
    #[arg(long, value_enum, value_name = "L")]
    level: Vec<LevelName>,
    /// As proto3 JSON, one a line.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum LevelName {
    /// At once.
    High,
    /// Within 24 to 48 hours.
    Medium,
    /// Nurture.
    Low,
}

impl Tail {
    pub(super) fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let names = config.topics.names();
        let mut levels: Vec<&str> = self.level.iter().map(|level| Level::ALL[*level as usize].word()).collect();
        if levels.is_empty() {
            levels = Level::ALL.map(Level::word).to_vec();
        }
        let topics: Vec<String> = levels.into_iter().map(|level| names.handoff(level)).collect();
        let mut tail = kafka::Tail::open(&config.kafka, &topics)?;
        eprintln!("following {} on {}", topics.join(", "), config.kafka.brokers);
        let colour = std::io::stdout().is_terminal();
        loop {
            let mut lines = Vec::new();
            tail.poll(Duration::from_millis(200), &mut |message| lines.push(line(message.payload, self.json, colour)))?;
            for line in lines {
                use std::io::Write;
                writeln!(std::io::stdout(), "{line}")?;
            }
        }
    }
}

fn line(payload: &[u8], json: bool, colour: bool) -> String {
    match wire::read_handoff(payload) {
        Ok(handoff) if json => handoff.to_json(),
        Ok(handoff) => screen::handoff(&handoff, colour),
        Err(error) => format!("a record that is no handoff: {error}"),
    }
}
