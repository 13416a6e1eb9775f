//! The topics: the log, and one table of the outputs.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Feed, Level, Wanted};
use crate::telemetry;
use crate::wire::{Format, Kind};

/// A topic that effects are published to: a row of the table [`Output::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Output {
    /// Handoffs that are urgent.
    High,
    /// Handoffs with a time by which somebody should act.
    Medium,
    /// Handoffs for nurture.
    Low,
    /// Handoffs that were held out as a control group.
    Holdout,
    /// The signals feed.
    Signals,
    /// The latest profile of each account.
    Accounts,
    /// The latest profile of each user.
    Users,
    /// The onboarding track that each account should see.
    Onboarding,
    /// The metrics of accounts, as days and weeks close.
    Metrics,
    /// Events that could not be used, with the reason.
    DeadLetters,
}

/// What the messages of an output have as their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The account.
    Account,
    /// The account and the user.
    User,
    /// The key of the record that could not be used.
    Record,
}

/// What all messages of an output have in common.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The output.
    pub output: Output,
    /// The name of its topic after the prefix.
    pub name: &'static str,
    /// The messages.
    pub kind: Kind,
    /// Their key.
    pub key: Key,
    /// Whether only the last message of a key is kept; otherwise messages are deleted with age.
    pub is_compacted: bool,
    /// The counter of the messages.
    pub metric: &'static str,
}

impl Output {
    /// Every output. To add one, add a row and its message.
    pub const ALL: [Row; 10] = {
        use telemetry::{DEAD_LETTERS, HANDOFFS, METRICS, ONBOARDING, PROFILES, SIGNALS};
        const fn row(output: Output, name: &'static str, kind: Kind, key: Key, metric: &'static str) -> Row {
            Row { output, name, kind, key, metric, is_compacted: false }
        }
        const fn compacted(row: Row) -> Row {
            Row { is_compacted: true, ..row }
        }
        [
            row(Output::High, "handoff.high", Kind::Handoff, Key::Account, HANDOFFS),
            row(Output::Medium, "handoff.medium", Kind::Handoff, Key::Account, HANDOFFS),
            row(Output::Low, "handoff.low", Kind::Handoff, Key::Account, HANDOFFS),
            row(Output::Holdout, "handoff.holdout", Kind::Handoff, Key::Account, HANDOFFS),
            row(Output::Signals, "signals", Kind::SignalChanges, Key::Account, SIGNALS),
            compacted(row(Output::Accounts, "accounts", Kind::AccountProfile, Key::Account, PROFILES)),
            compacted(row(Output::Users, "users", Kind::UserProfile, Key::User, PROFILES)),
            row(Output::Onboarding, "onboarding", Kind::Onboarding, Key::Account, ONBOARDING),
            row(Output::Metrics, "metrics", Kind::AccountMetrics, Key::Account, METRICS),
            row(Output::DeadLetters, "dead-letter", Kind::DeadLetter, Key::Record, DEAD_LETTERS),
        ]
    };

    /// The output of handoffs of a level that are not held out.
    #[must_use]
    pub fn of_level(level: Level) -> Output {
        match level {
            Level::High => Output::High,
            Level::Medium => Output::Medium,
            Level::Low => Output::Low,
        }
    }

    /// The letter of its messages in their ids.
    #[must_use]
    pub fn letter(self) -> char {
        char::from(self.row().name.as_bytes()[0])
    }

    /// Its row of the table.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        &Output::ALL[self as usize]
    }
}

/// The names of the topics, and what is published.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// The beginning of every name.
    pub prefix: String,
    /// The topic of the log, if its name does not follow the prefix.
    pub log: Option<String>,
    /// What is published.
    pub outputs: Outputs,
}

impl Default for Topics {
    fn default() -> Self {
        Self { prefix: "upswell".into(), log: None, outputs: Outputs::default() }
    }
}

impl Topics {
    /// The log: the only input.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.clone().unwrap_or_else(|| self.named("log"))
    }

    /// The topic of an output.
    #[must_use]
    pub fn of(&self, output: Output) -> String {
        self.named(output.row().name)
    }

    /// The outputs that are published.
    pub fn outputs(&self) -> impl Iterator<Item = &'static Row> {
        Output::ALL.iter().filter(|row| self.outputs.has(row.output))
    }

    fn named(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }
}

/// Which topics are published beside handoffs and dead letters, and in which format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outputs {
    /// The format of the published messages.
    pub format: Format,
    /// The signals feed, or only what it says of some signals and triggers.
    pub signals: Feed,
    /// Changes of onboarding tracks.
    pub onboarding: bool,
    /// Profiles of accounts.
    pub accounts: bool,
    /// Profiles of users.
    pub users: bool,
    /// Metrics of accounts, as days and weeks close.
    pub metrics: bool,
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            format: Format::Protobuf,
            signals: Feed::All,
            onboarding: true,
            accounts: true,
            users: true,
            metrics: false,
        }
    }
}

impl Outputs {
    /// Those that can be off, in the order of their bits.
    const OPTIONAL: [Output; 5] =
        [Output::Signals, Output::Onboarding, Output::Accounts, Output::Users, Output::Metrics];

    /// Whether an output is on.
    #[must_use]
    pub fn has(&self, output: Output) -> bool {
        match output {
            Output::Signals => self.signals.is_on(),
            Output::Onboarding => self.onboarding,
            Output::Accounts => self.accounts,
            Output::Users => self.users,
            Output::Metrics => self.metrics,
            Output::High | Output::Medium | Output::Low | Output::Holdout | Output::DeadLetters => true,
        }
    }

    /// Which effects the fold builds for them.
    pub(crate) fn wanted(&self) -> Wanted {
        let Outputs { accounts, users, metrics, .. } = *self;
        Wanted { signals: self.signals.clone(), accounts, users, metrics }
    }

    /// What is published, as bits: signals, onboarding, accounts, users, metrics. If only some entries of the signals
    /// feed are published, a hash of their ids comes before these.
    pub(crate) fn as_bits(&self) -> u64 {
        let ids = match &self.signals {
            Feed::Only(ids) => {
                1 << 32 | xxh3_64(ids.iter().map(|id| format!("{id}\n")).collect::<String>().as_bytes()) >> 32
            }
            Feed::All | Feed::Off => 0,
        };
        Self::bits(ids, |output| self.has(output))
    }

    /// The bits of profiles.
    pub(crate) fn profiles() -> u64 {
        Self::bits(0, |output| matches!(output, Output::Accounts | Output::Users))
    }

    fn bits(before: u64, is_set: impl Fn(Output) -> bool) -> u64 {
        Self::OPTIONAL.iter().fold(before, |bits, output| bits << 1 | u64::from(is_set(*output)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_output_has_its_row() {
        for (at, row) in Output::ALL.iter().enumerate() {
            assert_eq!(row.output as usize, at, "{}", row.name);
            assert_eq!(row.output.row().name, row.name);
        }
        let names: BTreeSet<&str> = Output::ALL.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), Output::ALL.len());
        // Handoffs have ids of their own.
        let others = || Output::ALL.iter().filter(|row| row.kind != Kind::Handoff);
        let letters: BTreeSet<char> = others().map(|row| row.output.letter()).collect();
        assert_eq!(letters.len(), others().count());
    }

    #[test]
    fn what_is_on_is_published_and_has_its_bit() {
        let some = Outputs { signals: Feed::Off, users: false, ..Outputs::default() };
        assert_eq!((some.as_bits(), Outputs::profiles()), (0b01100, 0b00110));
        let only = |ids: &[&str]| {
            let ids = ids.iter().map(|id| (*id).into()).collect();
            Outputs { signals: Feed::Only(std::sync::Arc::new(ids)), ..Outputs::default() }.as_bits()
        };
        assert_eq!(only(&["a", "b"]), only(&["b", "a"]));
        assert!(only(&["a"]) != only(&["a", "b"]) && only(&[]) != Outputs::default().as_bits());
        assert_eq!(only(&["a"]) & 0b11111, 0b11110);
        let topics = Topics { outputs: some, ..Topics::default() };
        let names: Vec<String> = topics.outputs().map(|row| topics.of(row.output)).collect();
        let on = [
            "handoff.high",
            "handoff.medium",
            "handoff.low",
            "handoff.holdout",
            "accounts",
            "onboarding",
            "dead-letter",
        ];
        assert_eq!(names, on.map(|name| format!("upswell.{name}")));
    }
}
