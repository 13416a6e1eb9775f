//! A partition that is ours: its fold, how far it has come, and whether it is silent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Job;
use crate::engine::{Partition, Record};
use crate::kafka::Message;
use crate::model::{DAY_MS, Effects, EventTime, Tally};
use crate::telemetry::{PartitionStatus, Telemetry};
use crate::wire::{self, ToWire};

/// A partition is live, and may get ticks, if its newest event is at most this much older than its record.
const LIVE_WITHIN_MS: i64 = DAY_MS;
/// A recovery tells how far it is this often.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A record that is to be sent in the next transaction.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The partition of the log that it comes from; it goes with it.
    pub(super) partition: i32,
    /// Whether it goes into that partition of the log.
    pub(super) into_log: bool,
    pub(super) topic: Arc<str>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Vec<u8>,
}

/// The names of the topics that effects go to.
#[derive(Debug)]
struct Destinations {
    handoffs: [Arc<str>; 3],
    signals: Arc<str>,
    dead_letters: Arc<str>,
    log: Arc<str>,
}

/// A partition that is ours.
#[derive(Debug)]
pub(super) struct Owned {
    fold: Partition,
    effects: Effects,
    to: Destinations,
    number: i32,
    /// The offset that comes next.
    position: i64,
    /// What the group has done: effects of records before it have been published.
    committed: i64,
    /// What the group had done when the partition came.
    recovered_at: i64,
    began: Instant,
    told: Instant,
    /// Whether there is nothing after what was folded.
    at_end: bool,
    /// Whether the newest event accepted is of today, so to say.
    live: bool,
    /// When something other than a tick came last.
    heard: Instant,
    ticked: Option<Instant>,
    tally: Tally,
}

impl Owned {
    pub(super) fn new(job: &Job, number: i32, committed: i64) -> Owned {
        let topics = &job.topics;
        let now = Instant::now();
        Owned {
            fold: Partition::new(Arc::clone(&job.plan)),
            effects: Effects::default(),
            to: Destinations {
                handoffs: ["high", "medium", "low"].map(|level| topics.handoff(level).into()),
                signals: topics.signals().into(),
                dead_letters: topics.dead_letter().into(),
                log: topics.log().into(),
            },
            number,
            position: 0,
            committed,
            recovered_at: committed,
            began: now,
            told: now,
            at_end: false,
            live: false,
            heard: now,
            ticked: None,
            tally: Tally::default(),
        }
    }

    /// Folds a record in. What it says goes to the outbox, unless it was published before.
    pub(super) fn apply(
        &mut self,
        job: &Job,
        message: &Message<'_>,
        outbox: &mut Vec<Outgoing>,
        telemetry: &Telemetry,
    ) {
        let time = message.time_ms.and_then(EventTime::new);
        let record = Record { offset: message.offset, time };
        let highest = self.fold.highest();
        let mut decoded = wire::decode(job.format, message.payload).peekable();
        let is_tick =
            decoded.peek().is_some_and(|first| first.event.as_ref().is_ok_and(|event| event.account.is_empty()));
        let tally = self.fold.apply(record, decoded, &mut self.effects);
        self.tally.add(&tally);
        if let (Some(now), Some(time)) = (self.fold.highest().filter(|now| Some(*now) != highest), time) {
            self.live = time.0 - now.0 <= LIVE_WITHIN_MS;
        }
        self.position = message.offset + 1;
        self.at_end = false;
        if !is_tick {
            self.heard = Instant::now();
        }
        if message.offset >= self.committed && !self.effects.is_empty() {
            telemetry.produced(&self.effects);
            self.send_effects(message.key, outbox);
        }
        self.effects.clear();
    }

    fn send_effects(&self, source_key: Option<&[u8]>, outbox: &mut Vec<Outgoing>) {
        let mut send = |topic: &Arc<str>, key: Option<&[u8]>, payload: Vec<u8>| {
            let (topic, key) = (Arc::clone(topic), key.map(<[u8]>::to_vec));
            outbox.push(Outgoing { partition: self.number, into_log: false, topic, key, payload });
        };
        for handoff in &self.effects.handoffs {
            send(&self.to.handoffs[handoff.level as usize], Some(handoff.account.as_bytes()), handoff.to_bytes());
        }
        for signal in &self.effects.signals {
            send(&self.to.signals, Some(signal.account.as_bytes()), signal.to_bytes());
        }
        for letter in &self.effects.dead_letters {
            send(&self.to.dead_letters, source_key, wire::dead_letter(letter, &self.to.log, self.number).to_bytes());
        }
    }

    /// There is nothing stable after what was folded.
    pub(super) fn at_end(&mut self, position: i64) {
        self.position = self.position.max(position);
        self.at_end = true;
    }

    /// Whether the wall clock should be written into the log: the partition has events of today, is at its end, and
    /// nothing came for a while (edges A5).
    pub(super) fn wants_tick(&mut self, idle_after: Duration, every: Duration) -> bool {
        let wants = self.at_end
            && self.live
            && self.heard.elapsed() >= idle_after
            && self.ticked.is_none_or(|at| at.elapsed() >= every);
        if wants {
            self.ticked = Some(Instant::now());
        }
        wants
    }

    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// Whether there is something to commit: a recovery has nothing to say before it is through.
    pub(super) fn has_progress(&self) -> bool {
        self.position > self.committed
    }

    pub(super) fn committed(&mut self) {
        self.committed = self.committed.max(self.position);
    }

    /// Shows how the partition is doing, and how far its recovery is.
    pub(super) fn tell(&mut self, partition: i32, telemetry: &Telemetry) {
        telemetry.folded(&std::mem::take(&mut self.tally));
        let status = PartitionStatus {
            position: self.position,
            recovered_at: self.recovered_at,
            watermark: self.fold.watermark(),
            accounts: self.fold.accounts(),
            users: self.fold.users(),
        };
        telemetry.partition(partition, status);
        if self.recovered_at == 0 {
            return;
        }
        if status.is_recovered() {
            let seconds = self.began.elapsed().as_secs_f64();
            tracing::info!(partition, records = self.recovered_at, seconds, "recovered");
            self.recovered_at = 0;
        } else if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let percent = 100 * self.position / self.recovered_at;
            tracing::info!(partition, position = self.position, of = self.recovered_at, percent, "recovering");
        }
    }
}
