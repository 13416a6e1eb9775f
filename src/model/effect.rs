//! What comes out: handoffs, the signals feed and dead letters, as data.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::event::{Outcome, Place};
use super::metrics::MetricsRow;
use super::time::EventTime;

/// Passes an account to a channel: sales or nurture.
#[derive(Clone, Debug, PartialEq)]
pub struct Handoff {
    /// A stable name of the episode.
    pub id: HandoffId,
    /// The account.
    pub account: String,
    /// The trigger that fired.
    pub trigger: Arc<str>,
    /// How urgent it is.
    pub level: Level,
    /// When it fired.
    pub at: EventTime,
    /// The earliest instant at which a person should act, where the level has one.
    pub due_from: Option<EventTime>,
    /// The latest instant by which a person should act, where the level has one.
    pub due: Option<EventTime>,
    /// No outreach before.
    pub not_before: EventTime,
    /// Triggers held back in favour of this one, at the same instant.
    pub also: Vec<Arc<str>>,
    /// The users that it is about, by id bytes.
    pub user_ids: Vec<String>,
    /// The fired trigger in words.
    pub why: String,
    /// What it rests on.
    pub facts: Vec<Fact>,
    /// The rules that fired it.
    pub rules_version: Arc<str>,
}

/// The stable name of an episode: (account, trigger, instant), hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandoffId(pub [u8; 16]);

impl HandoffId {
    /// The first 16 bytes of SHA-256 over account, trigger and `at` in decimal, each preceded by its length in
    /// bytes as 4 bytes big-endian.
    pub fn new(account: &str, trigger: &str, at: EventTime) -> HandoffId {
        let mut hash = Sha256::new();
        for field in [account, trigger, &at.0.to_string()] {
            hash.update((field.len() as u32).to_be_bytes());
            hash.update(field.as_bytes());
        }
        let digest = hash.finalize();
        HandoffId(std::array::from_fn(|i| digest[i]))
    }
}

impl fmt::Display for HandoffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How urgent a handoff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// At once.
    High,
    /// Within 24 to 48 hours.
    Medium,
    /// Nurture.
    Low,
}

impl Level {
    /// Every level, most urgent first: the order in which triggers of one instant are decided.
    pub const ALL: [Level; 3] = [Level::High, Level::Medium, Level::Low];

    /// The word for it in topics, metrics and on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Level::High => "high",
            Level::Medium => "medium",
            Level::Low => "low",
        }
    }
}

/// One thing that a signal or trigger rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The event that proves it; empty for a figure of a close.
    pub message_id: Box<str>,
    /// When.
    pub at: EventTime,
    /// The figure; its meaning is the signal's.
    pub number: f64,
}

/// A message of the signals feed.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalMessage {
    /// The account.
    pub account: String,
    /// The user; empty at account scope.
    pub user: String,
    /// What is said.
    pub kind: SignalKind,
    /// When.
    pub at: EventTime,
    /// What it rests on.
    pub facts: Vec<Fact>,
}

/// What a message of the signals feed says.
#[derive(Clone, Debug, PartialEq)]
pub enum SignalKind {
    /// A signal moved from one rung to another.
    Changed(SignalChange),
    /// Something happened, fired or not.
    Pulse {
        /// The signal that it feeds, if any.
        signal: Option<Arc<str>>,
        /// The trigger that it belongs to, if any.
        trigger: Option<Arc<str>>,
    },
    /// A guard rail holds a handoff back.
    Held {
        /// What is held.
        trigger: Arc<str>,
        /// What holds it.
        rail: Rail,
    },
}

/// A signal's way from one rung to another.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalChange {
    /// The signal.
    pub signal: Arc<str>,
    /// The rung before; 0 is off.
    pub before: u8,
    /// The rung after; 0 is off.
    pub after: u8,
    /// What caused it.
    pub reason: Reason,
}

/// What caused a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An event.
    Crossed,
    /// The end of a time to live.
    Lapsed,
    /// The close of a day or week.
    Closed,
    /// The user or account was forgotten.
    Forgotten,
}

/// A guard rail that can hold a handoff back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rail {
    /// No usage fact to talk about.
    Usage = 1,
    /// At most one medium or low handoff per account in the rest time.
    Pacing = 2,
}

impl Rail {
    /// The rail's name on the feed.
    pub fn word(self) -> &'static str {
        match self {
            Rail::Usage => "usage",
            Rail::Pacing => "pacing",
        }
    }
}

/// An event that could not be used.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Why.
    pub reason: Outcome,
    /// Why, in words.
    pub detail: String,
    /// The bytes as they came.
    pub payload: Vec<u8>,
    /// Where in the partition.
    pub place: Place,
    /// The record's own time.
    pub record_time: Option<EventTime>,
}

/// The buffer that the fold pushes its effects to, in order.
#[derive(Debug, Default)]
pub struct Effects {
    /// Handoffs.
    pub handoffs: Vec<Handoff>,
    /// The signals feed.
    pub signals: Vec<SignalMessage>,
    /// Dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// Rows of metrics, if somebody asked for them.
    pub metrics: Option<Vec<MetricsRow>>,
}

impl Effects {
    /// A buffer that asks for metrics as well.
    pub fn with_metrics() -> Effects {
        Effects { metrics: Some(Vec::new()), ..Effects::default() }
    }

    /// Whether there is nothing to publish.
    pub fn is_empty(&self) -> bool {
        self.handoffs.is_empty() && self.signals.is_empty() && self.dead_letters.is_empty()
    }

    /// Drops what is in the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.handoffs.clear();
        self.signals.clear();
        self.dead_letters.clear();
        self.metrics.iter_mut().for_each(Vec::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_handoff_is_stable_for_ever() {
        let id = HandoffId::new("acme", "five-new-users", EventTime(1_767_312_000_000));
        assert_eq!(id.to_string(), "62a46d8bb59a01314c33e295628b87f2");
    }
}
