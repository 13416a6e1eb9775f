//! `upswell tail`: prints published messages as they are committed.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::config::Connection;
use super::screen;
use crate::kafka::{self, Output};
use crate::model::Level;
use crate::wire::{self, Kind};

/// Prints published messages as they are committed, until Ctrl-C.
///
/// Handoffs are printed as plain text, other messages as proto3 JSON; one message per line.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell tail --config upswell.yaml
  upswell tail --brokers localhost:9092 --level high --json | jq .why
  upswell tail signals --brokers localhost:9092
  upswell tail accounts users --config upswell.yaml")]
pub(super) struct Tail {
    /// The messages to follow; by default handoffs.
    #[arg(value_enum, value_name = "WHAT")]
    what: Vec<What>,
    #[command(flatten)]
    connection: Connection,
    /// Follow only handoffs of this level; can be repeated.
    #[arg(long, value_enum, value_name = "L")]
    level: Vec<LevelName>,
    /// Print handoffs as proto3 JSON too.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Handoffs that are sent.
    Handoffs,
    /// Handoffs of the holdout, which are not sent.
    Holdout,
    /// The signals feed.
    Signals,
    /// Changes of onboarding tracks.
    Onboarding,
    /// Profiles of accounts.
    Accounts,
    /// Profiles of users.
    Users,
    /// Metrics of accounts, by the day and week.
    Metrics,
    /// Input that could not be used.
    DeadLetters,
}

#[derive(Clone, Copy, ValueEnum)]
enum LevelName {
    /// Act at once.
    High,
    /// Act within 24 to 48 hours.
    Medium,
    /// Nurture.
    Low,
}

impl Tail {
    pub(super) fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let followed = self.topics(&config.topics());
        let topics: Vec<String> = followed.iter().map(|(topic, _)| topic.clone()).collect();
        let mut tail = kafka::Tail::open(&config.kafka, &topics)?;
        eprintln!("following {} on {}", topics.join(", "), config.kafka.brokers);
        let colour = std::io::stdout().is_terminal();
        loop {
            let mut lines = Vec::new();
            tail.poll(Duration::from_millis(200), &mut |message| {
                let kind = followed.iter().find(|(topic, _)| topic == message.topic).map(|(_, kind)| *kind);
                lines.extend(kind.map(|kind| self.line(kind, &message, colour)));
            })?;
            for line in lines {
                writeln!(std::io::stdout(), "{line}")?;
            }
        }
    }

    /// The topics to follow, and the kind of their messages.
    fn topics(&self, names: &kafka::Topics) -> Vec<(String, Kind)> {
        let chosen = |what: &&What| self.what.contains(what) || (self.what.is_empty() && **what == What::Handoffs);
        let mut outputs = Vec::new();
        for what in What::value_variants().iter().filter(chosen) {
            match what {
                What::Handoffs => outputs.extend(self.levels().map(Output::of_level)),
                What::Holdout => outputs.push(Output::Holdout),
                What::Signals => outputs.push(Output::Signals),
                What::Onboarding => outputs.push(Output::Onboarding),
                What::Accounts => outputs.push(Output::Accounts),
                What::Users => outputs.push(Output::Users),
                What::Metrics => outputs.push(Output::Metrics),
                What::DeadLetters => outputs.push(Output::DeadLetters),
            }
        }
        outputs.into_iter().map(|output| (names.of(output), output.row().kind)).collect()
    }

    fn levels(&self) -> impl Iterator<Item = Level> {
        let chosen =
            |level: &Level| self.level.is_empty() || self.level.iter().any(|it| *it as usize == *level as usize);
        Level::ALL.into_iter().filter(chosen)
    }

    fn line(&self, kind: Kind, message: &kafka::Message<'_>, colour: bool) -> String {
        let shown = if message.payload.is_empty() {
            // A zero byte separates account and user in a key.
            let key = String::from_utf8_lossy(message.key.unwrap_or_default());
            Ok(serde_json::json!({ "gone": key }).to_string())
        } else if kind == Kind::Handoff && !self.json {
            wire::read_handoff(message.payload).map(|handoff| screen::handoff(&handoff, colour))
        } else {
            wire::read_json(kind, message.payload)
        };
        match shown {
            // `screen::handoff` has removed control characters; the escape sequences in it are colours.
            Ok(line) if kind == Kind::Handoff && !self.json && !message.payload.is_empty() => line,
            Ok(json) => screen::json_text(&json).into_owned(),
            Err(error) => screen::plain(&format!("a record that cannot be read: {error}")),
        }
    }
}
