//! An assigned partition: its fold, its position and lag, the messages that wait to be published, and its ticks.

use std::sync::Arc;
use std::time::Duration;

use super::job::Job;
use super::outbox::{Id, Outbox, Published};
use super::restore::Restored;
use super::snapshots::{Answer, Named, Request};
use super::standing::Standing;
use super::system::{Instant, now_ms};
use crate::engine::{Partition, Record, read_ahead};
use crate::kafka::{Ends, Message, Output};
use crate::model::{DAY_MS, Day, Effects, EventKind, EventTime, Outcome, Tally, Unmapped};
use crate::rules::Ready;
use crate::store::About;
use crate::telemetry::{PartitionStatus, Stage, Stopwatch, Telemetry};
use crate::wire::{self, BATCH, Decoded, Headers, Records, ToWire};

/// A partition is live, and may get ticks, if its newest event is at most this much older than its record.
const LIVE_WITHIN_MS: i64 = DAY_MS;
/// A partition catches up if its last folded record is older than this.
const BEHIND_MS: i64 = 1_000;
/// After this time a wait behind an open transaction is logged. Most waits end within milliseconds.
const WAITS_AFTER: Duration = Duration::from_secs(5);
/// How often the progress of a recovery is logged.
pub(super) const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Detects that the partition waits behind an open transaction, that is, that its stable end does not move although
/// records follow it.
#[derive(Debug, Default)]
struct Waits {
    /// The stable end at which the position is, and since when.
    at: Option<(i64, Instant)>,
    /// Whether the wait was logged.
    logged: bool,
}

impl Waits {
    /// `stands_at` is the stable end if the position is there and records follow it. Returns `true` if a wait begins
    /// and `false` if it ends.
    fn look(&mut self, stands_at: Option<i64>, now: Instant) -> Option<bool> {
        self.at = stands_at.map(|end| match self.at {
            Some((before, since)) if before == end => (end, since),
            _ => (end, now),
        });
        let waits = self.at.is_some_and(|(_, since)| now.duration_since(since) >= WAITS_AFTER);
        (std::mem::replace(&mut self.logged, waits) != waits).then_some(waits)
    }
}

/// A record that waits to be folded. Its bytes are its value, its headers and its key.
#[derive(Debug)]
struct Waiting {
    offset: i64,
    time_ms: Option<i64>,
    is_control: bool,
    /// The length of its headers, as far as its format reads them.
    headers: usize,
    /// The length of its key, if it has one.
    key: Option<usize>,
}

/// The record that causes effects, for the ids of their messages.
#[derive(Clone, Copy)]
struct Cause<'a> {
    offset: i64,
    time_ms: Option<i64>,
    headers: Headers<'a>,
    key: Option<&'a [u8]>,
}

impl Cause<'_> {
    fn time(self) -> Option<EventTime> {
        self.time_ms.and_then(EventTime::new)
    }
}

/// An event of a record with its index, or a record without events.
struct Part<'a> {
    cause: Cause<'a>,
    /// Whether it is the first and the last of its record.
    begins: bool,
    event: Option<(u32, Decoded<'a>)>,
    ends: bool,
}

/// The record that is being folded.
#[derive(Clone, Copy, Debug, Default)]
struct Current {
    /// The highest event time before it.
    highest: Option<EventTime>,
    /// The first day that was open before it.
    open_day: Option<Day>,
    /// Whether it is a control event.
    is_control: bool,
}

/// What its owners before have left of a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// The committed offset: effects of records before it have been published.
    pub(super) committed: i64,
    /// How many effects of the record there were published, too.
    pub(super) partly: u32,
    /// The trail of the fold there, if this fold must have the same.
    pub(super) trail: Option<u64>,
    /// Whether all profiles are published again, because they were off, or followed from other rules.
    pub(super) republishes: bool,
    /// The stable end when the partition was assigned.
    pub(super) end: i64,
}

/// An assigned partition.
#[derive(Debug)]
pub(super) struct Owned {
    fold: Partition,
    /// Records that were read and are not folded yet.
    waiting: Records<Waiting>,
    current: Current,
    effects: Effects,
    /// How many messages it published since the metrics were last updated, by output. Those whose metric has labels are
    /// counted at once.
    unreported: [u64; Output::ALL.len()],
    number: i32,
    /// The number of partitions of the log.
    count: i32,
    /// Events in another partition than that of their account, since the metric was last updated.
    misplaced: u64,
    /// Whether a warning about such an event was logged.
    misplaced_warned: bool,
    /// The offset of the next record.
    position: i64,
    /// The committed offset: effects of records before it have been published.
    committed: i64,
    /// How many effects of the record at the committed offset were published before the partition was assigned.
    partly: u32,
    /// The trail that the owner before has left at the committed offset, if it is known.
    left: Option<u64>,
    /// Whether effects are not published, because the position is before the committed offset.
    mute: bool,
    snapshots: Named,
    /// Whether the last one could not be stored.
    is_unstored: bool,
    /// Whether all profiles are published again, because they were off, or followed from other rules.
    republishes: bool,
    /// The committed offset when the partition was assigned.
    recovered_at: i64,
    began: Instant,
    reported: Instant,
    /// The ends of the partition; none before a broker has answered.
    ends: Option<Ends>,
    /// Whether it has been at the stable end since it was assigned.
    caught_up: bool,
    /// When it was assigned, when the last folded record was written, and when there was last nothing to fold; in
    /// milliseconds since 1970.
    came_at: i64,
    folded_at: Option<i64>,
    current_at: Option<i64>,
    waits: Waits,
    /// Whether the position is at the stable end.
    at_end: bool,
    /// Whether it waits at its position until there is memory.
    waits_for_memory: bool,
    /// Whether the newest accepted event is at most a day older than its record.
    live: bool,
    /// When a record other than a tick arrived last, and whether the batch that is being folded has one.
    heard: Instant,
    hears: bool,
    ticked: Option<Instant>,
    tally: Tally,
    unmapped: Unmapped,
    watch: Stopwatch,
}

impl Owned {
    /// One of so many partitions. If it was not restored, its log is folded from the beginning.
    pub(super) fn new(job: &Job, (number, count): (i32, i32), before: Before, restored: Option<Restored>) -> Owned {
        let now = Instant::now();
        let Before { committed, partly, trail, republishes, end } = before;
        let Restored { fold, offset, live, name } = restored.unwrap_or_else(|| Restored {
            fold: Partition::new(Arc::clone(&job.plan)),
            offset: 0,
            live: false,
            name: String::new(),
        });
        Owned {
            fold,
            snapshots: Named::new(name, offset),
            is_unstored: false,
            waiting: Records::default(),
            current: Current::default(),
            effects: Effects::new(job.topics.outputs.wanted()),
            unreported: Default::default(),
            number,
            count,
            misplaced: 0,
            misplaced_warned: false,
            position: offset,
            committed,
            partly,
            left: trail,
            mute: true,
            republishes,
            recovered_at: committed,
            began: now,
            reported: now,
            ends: None,
            // A broker tells that there is nothing more only after a while.
            caught_up: offset >= end,
            came_at: now_ms(),
            folded_at: None,
            current_at: None,
            waits: Waits::default(),
            at_end: false,
            waits_for_memory: false,
            live,
            heard: now,
            hears: false,
            ticked: None,
            tally: Tally::default(),
            unmapped: Unmapped::default(),
            watch: Stopwatch::default(),
        }
    }

    /// Adds a record to the batch. Returns whether the batch is full.
    pub(super) fn take(&mut self, message: &Message<'_>, input: &wire::Input) -> bool {
        // It is read again from its position.
        if self.waits_for_memory {
            return false;
        }
        let &Message { offset, time_ms, is_control, key, payload, .. } = message;
        let mut headers = Vec::new();
        if input.reads_headers() {
            Headers::append(&mut headers, message.headers());
        }
        let about = Waiting { offset, time_ms, is_control, headers: headers.len(), key: key.map(<[u8]>::len) };
        self.waiting.push(about, &[payload, &headers, key.unwrap_or_default()]);
        self.waiting.are_enough()
    }

    /// Folds the records of the batch in their order. Their effects go to the outbox, unless they were published
    /// before.
    ///
    /// # Errors
    /// A record activates rules that this version of Upswell cannot compile and another one may.
    pub(super) fn fold(&mut self, job: &Job, outbox: &mut Outbox, telemetry: &Telemetry) -> anyhow::Result<()> {
        self.watch.skip();
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut batch: Vec<Part<'_>> = Vec::with_capacity(BATCH);
        for (about, bytes) in waiting.iter() {
            let (bytes, key) = bytes.split_at(bytes.len() - about.key.unwrap_or(0));
            let (value, headers) = bytes.split_at(bytes.len() - about.headers);
            let headers = Headers::of(headers);
            let cause = Cause { offset: about.offset, time_ms: about.time_ms, headers, key: about.key.map(|_| key) };
            let admit = wire::Admit::of_log(about.is_control);
            if job.memory.is_full() {
                // The record may be of accounts and users of those before it.
                self.fold_batch(job, &mut batch, outbox, telemetry)?;
                self.waits_for_memory = self.grows_by(job.input.decode_record(admit, value, headers));
                if self.waits_for_memory {
                    break;
                }
            }
            let mut begins = true;
            for (index, decoded) in (0..).zip(job.input.decode_record(admit, value, headers)) {
                if batch.len() >= BATCH {
                    self.fold_batch(job, &mut batch, outbox, telemetry)?;
                }
                batch.push(Part { cause, begins, event: Some((index, decoded)), ends: false });
                begins = false;
            }
            // The last event of the record is the last of the batch, if the record has one.
            match batch.last_mut().filter(|_| !begins) {
                Some(last) => last.ends = true,
                None => batch.push(Part { cause, begins, event: None, ends: true }),
            }
        }
        self.fold_batch(job, &mut batch, outbox, telemetry)?;
        drop(batch);
        waiting.clear();
        self.waiting = waiting;
        if std::mem::take(&mut self.hears) {
            self.heard = Instant::now();
        }
        Ok(())
    }

    /// Whether one of these events adds an account or a user.
    fn grows_by<'a>(&self, mut events: impl Iterator<Item = Decoded<'a>>) -> bool {
        events.any(|decoded| Ready::new(&decoded).is_ok_and(|ready| !self.fold.knows(&ready)))
    }

    /// Whether it waits until there is memory: nothing of it is to be read.
    pub(super) fn waits_for_memory(&self) -> bool {
        self.waits_for_memory
    }

    /// It is read again from its position.
    pub(super) fn goes_on(&mut self) -> i64 {
        self.waits_for_memory = false;
        self.position
    }

    fn fold_batch(
        &mut self,
        job: &Job,
        batch: &mut Vec<Part<'_>>,
        outbox: &mut Outbox,
        telemetry: &Telemetry,
    ) -> anyhow::Result<()> {
        let mut all_ready = Vec::with_capacity(batch.len());
        all_ready.extend(batch.iter().map(|part| part.event.as_ref().map(|(index, it)| (*index, Ready::new(it)))));
        let found = all_ready.iter().filter_map(|ready| Some((&self.fold, ready.as_ref()?.1.as_ref().ok()?.keys())));
        read_ahead(found);
        self.watch.lap(Stage::Decode);
        for (part, ready) in batch.iter().zip(all_ready) {
            if part.begins {
                self.publish_from(part.cause.offset, job, outbox)?;
                self.begin_record();
            }
            if let Some((index, ready)) = ready {
                let ready = ready.map_err(|error| {
                    let place =
                        format!("{}, partition {}, offset {}", job.topics.log(), self.number, part.cause.offset);
                    anyhow::Error::new(error).context(place)
                })?;
                self.fold_event(job, part.cause, index, &ready);
            }
            if part.ends {
                self.end_record(job, part.cause, outbox, telemetry);
            }
        }
        batch.clear();
        self.watch.lap(Stage::Fold);
        Ok(())
    }

    fn begin_record(&mut self) {
        self.current = Current { highest: self.fold.highest(), open_day: self.fold.open_day(), is_control: false };
    }

    fn fold_event(&mut self, job: &Job, cause: Cause<'_>, index: u32, ready: &Ready<'_>) {
        if let Ok(event) = &ready.event {
            let plan = self.fold.plan();
            let expected = job.partitioner.place(event.account.as_bytes(), self.count);
            // Control events have no account, and malformed events are not folded.
            let is_counted = || !event.kind.is_control() && plan.ids.screen(event).is_ok();
            if let Some(expected) = expected.filter(|expected| *expected != self.number && is_counted()) {
                self.misplaced += 1;
                if !std::mem::replace(&mut self.misplaced_warned, true) {
                    warn_of_misplaced(self.number, cause.offset, expected);
                }
            }
            self.current.is_control |= event.kind.is_control();
        }
        let before = ready.rules().map(|_| Arc::clone(self.fold.plan()));
        let was_history = self.fold.is_history();
        let record = Record { offset: cause.offset, time: cause.time() };
        let folded = self.fold.apply_and_count(record, index, ready, &mut self.effects, &mut self.tally);
        if let Ok(event) = &ready.event {
            if folded.is_unmapped {
                self.unmapped.count(&event.name);
            }
            if event.kind == EventKind::Forget && folded.outcome == Outcome::Applied {
                self.snapshots.erase(cause.offset);
                // Not whom: the log of the service is to forget, too.
                let (partition, offset, accounts) = (self.number, cause.offset, folded.erased);
                tracing::info!(partition, offset, accounts, "a user was erased");
            }
        }
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, self.fold.plan())) {
            let (before, rules) = (&*before.version, &*self.fold.plan().version);
            tracing::info!(partition = self.number, offset = cause.offset, before, rules, "rules activated");
        }
        match (was_history, self.fold.is_history()) {
            (false, true) => tracing::info!(
                partition = self.number,
                offset = cause.offset,
                "history begins: nothing is published until it ends"
            ),
            (true, false) => tracing::info!(
                partition = self.number,
                offset = cause.offset,
                accounts = self.fold.accounts(),
                users = self.fold.users(),
                "history ends: all profiles are published, and what follows as usual"
            ),
            (false, false) | (true, true) => {}
        }
    }

    fn end_record(&mut self, job: &Job, cause: Cause<'_>, outbox: &mut Outbox, telemetry: &Telemetry) {
        let Current { highest, open_day, is_control } = self.current;
        if let (Some(now), Some(time)) = (self.fold.highest().filter(|now| Some(*now) != highest), cause.time()) {
            self.live = time.0 - now.0 <= LIVE_WITHIN_MS;
        }
        self.position = cause.offset + 1;
        self.folded_at = cause.time_ms.or(self.folded_at);
        self.at_end = false;
        self.hears |= !is_control;
        if self.effects.is_empty() {
            return;
        }
        self.watch.lap(if self.fold.open_day() == open_day { Stage::Fold } else { Stage::Close });
        if !self.mute {
            self.publish(job, cause, outbox, telemetry);
        }
        self.effects.clear();
        self.watch.lap(Stage::Emit);
    }

    /// Publishes effects from this offset on, unless they were published before; first all profiles, if those that were
    /// published are of other rules or were off.
    ///
    /// # Errors
    /// This fold has made something else of the records before than the owner before, so its effects would not be those
    /// that follow from what was published.
    fn publish_from(&mut self, offset: i64, job: &Job, outbox: &mut Outbox) -> anyhow::Result<()> {
        if !self.mute || offset < self.committed {
            return Ok(());
        }
        let (now, then) = (self.fold.trail(), self.left.unwrap_or(self.fold.trail()));
        anyhow::ensure!(
            now == then,
            "{}, partition {}, offset {}: the records before give another result than when they were published: trail \
             {now:016x}, and it was {then:016x}. Records of the log, or a snapshot, are not what they were, or this \
             machine computes wrongly. Compare with a start on another machine, and without snapshots \
             (snapshots.enabled: false); to accept the difference, publish everything again, once, with a new \
             topics.prefix and kafka.group",
            job.topics.log(),
            self.number,
            self.committed,
        );
        self.mute = false;
        // The end of history publishes all profiles in any case.
        if self.republishes && !self.fold.is_history() {
            let mut all = Effects::new(self.effects.wanted.clone());
            self.fold.all_profiles(&mut all);
            let place = format!("{}-{offset}-all-", self.number);
            let (partition, unreported) = (self.number, &mut self.unreported);
            Out { partition, unreported, job, outbox, place: &place, offset: None, count: 0 }.add_profiles(&all);
        }
        Ok(())
    }

    /// Moves effects to the outbox, but for outputs that are off. Handoffs and dead letters come first: they are in the
    /// first transaction if the effects need several.
    fn publish(&mut self, job: &Job, cause: Cause<'_>, outbox: &mut Outbox, telemetry: &Telemetry) {
        let from = outbox.len();
        if !job.topics.outputs.onboarding {
            self.effects.onboarding.clear();
        }
        telemetry.produced(&self.effects);
        let place = format!("{}-{}-", self.number, cause.offset);
        let Owned { effects, unreported, number: partition, .. } = self;
        let offset = Some(cause.offset);
        let mut out = Out { partition: *partition, unreported, job, outbox, place: &place, offset, count: 0 };
        for handoff in &effects.handoffs {
            let is_held = handoff.context.holdout;
            let output = if is_held { Output::Holdout } else { Output::of_level(handoff.level) };
            out.add(output, Published { id: Id::Handoff(handoff.id), effect: handoff, key_of_record: None });
        }
        for (number, letter) in effects.dead_letters.iter().enumerate() {
            let log = job.topics.log();
            let (effect, id) = (&wire::dead_letter(letter, &log, *partition, cause.headers), Id::Place(&place, number));
            out.add(Output::DeadLetters, Published { id, effect, key_of_record: cause.key });
        }
        out.add_all(Output::Signals, &effects.signals);
        out.add_all(Output::Onboarding, &effects.onboarding);
        out.add_profiles(effects);
        out.add_all(Output::Metrics, &effects.metrics);
        let published = std::mem::take(&mut self.partly) as usize;
        outbox.drop_range(from, (from + published).min(outbox.len()));
    }

    /// The position is at the stable end.
    ///
    /// # Errors
    /// As `publish_from`.
    pub(super) fn at_end(&mut self, position: i64, job: &Job, outbox: &mut Outbox) -> anyhow::Result<()> {
        if self.waits_for_memory {
            return Ok(());
        }
        self.publish_from(position, job, outbox)?;
        self.position = self.position.max(position);
        self.at_end = true;
        Ok(())
    }

    /// The trail of the fold.
    pub(super) fn trail(&self) -> u64 {
        self.fold.trail()
    }

    /// Sets the ends of the partition.
    pub(super) fn ends_at(&mut self, ends: Ends) {
        self.ends = Some(ends);
        let is_behind = self.position >= ends.stable && ends.last > ends.stable;
        match self.waits.look(is_behind.then_some(ends.stable), Instant::now()) {
            Some(true) => tracing::warn!(
                partition = self.number,
                stable_end = ends.stable,
                end = ends.last,
                "waiting behind an open transaction of a producer of the log: it ends with the producer, or by its \
                 transaction.timeout.ms; if it stays, `kafka-transactions.sh find-hanging` names it and `abort` ends it"
            ),
            Some(false) => tracing::info!(
                partition = self.number,
                stable_end = ends.stable,
                end = ends.last,
                "no longer waiting behind an open transaction"
            ),
            None => {}
        }
    }

    /// Whether the partition needs a tick: its newest event is at most a day old, the position is at the end, and no
    /// event arrived for a while (semantics A5). History gets none.
    pub(super) fn wants_tick(&mut self, idle_after: Duration, every: Duration) -> bool {
        let wants = self.at_end
            && !self.waits_for_memory
            && self.live
            && !self.fold.is_history()
            && self.heard.elapsed() >= idle_after
            && self.ticked.is_none_or(|at| at.elapsed() >= every);
        if wants {
            self.ticked = Some(Instant::now());
        }
        wants
    }

    pub(super) fn committed_offset(&self) -> i64 {
        self.committed
    }

    pub(super) fn position(&self) -> i64 {
        self.position
    }

    /// Whether it catches up: the last folded record was written a while ago, and others follow it.
    pub(super) fn is_behind(&self, now_ms: i64) -> bool {
        !self.at_end && self.folded_at.is_some_and(|at| now_ms - at > BEHIND_MS)
    }

    /// Whether there is something to commit. A recovery commits nothing before it is complete.
    pub(super) fn has_progress(&self) -> bool {
        self.position > self.committed || self.position == self.committed && self.snapshots.is_new(self.position)
    }

    /// The name of the snapshot that stands beside a committed offset.
    pub(super) fn snapshot_beside(&self, offset: i64) -> &str {
        self.snapshots.beside(offset)
    }

    /// Has the next round take a snapshot, if anything was folded since the last one.
    pub(super) fn ask_for_snapshot(&mut self) {
        self.snapshots.ask(self.position);
    }

    /// If one is due, a snapshot of what was folded until now, and the names of those that stay. A recovery takes none.
    pub(super) fn take_snapshot(&mut self, job: &Job, now: &Standing<'_>, every: Duration) -> Option<Request> {
        if self.mute || !self.waiting.is_empty() || !self.snapshots.is_due(self.position, every) {
            return None;
        }
        let cut = match self.fold.cut() {
            Ok(cut) => cut,
            Err(error) => {
                tracing::error!(partition = self.number, why = error.to_string(), "no snapshot: this is a defect");
                return None;
            }
        };
        let about = About {
            topic: job.topics.log(),
            topic_id: now.log.to_owned(),
            partition: self.number,
            partitions: self.count,
            offset: self.position,
            taken_at_ms: now_ms(),
            live: self.live,
            first_rules: job.plan.version.to_string(),
            outputs: now.outputs,
            ..About::of(&self.fold)
        };
        Some(Request { cut, about, keep: self.snapshots.take(self.position) })
    }

    /// A snapshot that was taken is stored, or is not.
    pub(super) fn snapshot_stored(&mut self, answer: Answer) {
        if answer.lacks_blocks {
            self.fold.forget_stored();
        }
        self.is_unstored = answer.name.is_err();
        self.snapshots.stored(answer.offset, answer.name.ok().filter(|_| !answer.lacks_blocks));
    }

    /// Whether its last snapshot could not be stored.
    pub(super) fn is_unstored(&self) -> bool {
        self.is_unstored
    }

    /// What was published before this offset is committed, and the name of a snapshot.
    pub(super) fn committed(&mut self, offset: i64, snapshot: &str) {
        self.committed = self.committed.max(offset);
        self.snapshots.committed(snapshot);
        self.republishes &= self.mute;
    }

    /// Updates the metrics of the partition, and logs the progress of its recovery.
    pub(super) fn report(&mut self, partition: i32, telemetry: &Telemetry) {
        telemetry.folded(&std::mem::take(&mut self.tally));
        telemetry.unmapped(&mut self.unmapped);
        telemetry.misplaced(std::mem::take(&mut self.misplaced));
        telemetry.stages(&mut self.watch);
        for (row, count) in Output::ALL.iter().zip(std::mem::take(&mut self.unreported)) {
            telemetry.published(row.metric, count);
        }
        let is_current = self.ends.is_some_and(|ends| self.position >= ends.last);
        if is_current {
            self.current_at = Some(now_ms());
        }
        let behind_since = self.folded_at.max(self.current_at).unwrap_or(self.came_at);
        self.caught_up |= self.at_end || self.ends.is_some_and(|ends| self.position >= ends.stable);
        let status = PartitionStatus {
            restores: None,
            end: self.ends.map(|ends| ends.last),
            stable_end: self.ends.map(|ends| ends.stable),
            caught_up: self.caught_up,
            behind_since: (!is_current).then_some(behind_since),
            waits: self.waits.logged,
            waits_for_memory: self.waits_for_memory,
            is_history: self.fold.is_history(),
            position: self.position,
            recovered_at: self.recovered_at,
            watermark: self.fold.watermark(),
            rules: Arc::clone(&self.fold.plan().version),
            accounts: self.fold.accounts(),
            users: self.fold.users(),
        };
        let is_recovered = status.is_recovered();
        telemetry.partition(partition, status);
        if self.recovered_at == 0 {
            return;
        }
        if is_recovered {
            let seconds = self.began.elapsed().as_secs_f64();
            tracing::info!(partition, records = self.recovered_at, seconds, "recovered");
            self.recovered_at = 0;
        } else if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            let percent = 100 * self.position / self.recovered_at;
            tracing::info!(partition, position = self.position, of = self.recovered_at, percent, "recovering");
        }
    }
}

/// Moves the effects of a record, or profiles, to the outbox.
struct Out<'a> {
    partition: i32,
    unreported: &'a mut [u64; Output::ALL.len()],
    job: &'a Job,
    outbox: &'a mut Outbox,
    /// Begins the ids of messages without an id of their own.
    place: &'a str,
    /// The offset of the record.
    offset: Option<i64>,
    /// How many of its effects were added.
    count: u32,
}

impl Out<'_> {
    fn add(&mut self, output: Output, published: Published<'_>) {
        let place = self.offset.map(|offset| (offset, self.count));
        self.outbox.publish(output, (self.partition, place), self.job.topics.outputs.format, &published);
        self.count += 1;
    }

    fn add_all(&mut self, output: Output, effects: &[impl ToWire]) {
        self.unreported[output as usize] += effects.len() as u64;
        for (number, effect) in effects.iter().enumerate() {
            self.add(output, Published { id: Id::Place(self.place, number), effect, key_of_record: None });
        }
    }

    fn add_profiles(&mut self, effects: &Effects) {
        self.add_all(Output::Accounts, &effects.accounts);
        self.add_all(Output::Users, &effects.users);
    }
}

/// Logged once per partition; the metric counts the events.
fn warn_of_misplaced(partition: i32, offset: i64, expected: i32) {
    tracing::warn!(
        partition,
        offset,
        expected,
        "an event is not in the partition of its account: the events of one account in two partitions are two accounts. \
         Let every producer of the log use the account id as the key, and one partitioner: the one of input.partitioner"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Wanted;

    #[test]
    fn a_partition_catches_up_while_old_records_are_followed_by_others() {
        let job = Job::of_tests();
        let mut owned = Owned::new(&job, (0, 1), Before::default(), None);
        assert!(!owned.is_behind(10_000), "nothing was folded");
        owned.folded_at = Some(8_000);
        assert!(owned.is_behind(10_000) && !owned.is_behind(9_000));
        owned.at_end(1, &job, &mut Outbox::default()).unwrap();
        assert!(!owned.is_behind(10_000), "nothing follows");
    }

    #[test]
    fn a_silent_partition_gets_ticks_but_not_within_history() {
        let mut owned = Owned::new(&Job::of_tests(), (0, 1), Before::default(), None);
        (owned.at_end, owned.live) = (true, true);
        assert!(owned.wants_tick(Duration::ZERO, Duration::ZERO));
        for begins in [true, false] {
            let mark = wire::encode_backfill(wire::Format::Json, begins, EventTime(0));
            for decoded in wire::decode_admitting(wire::Admit::Any, wire::Format::Json, &mark) {
                let (record, ready) = (Record { offset: 0, time: None }, Ready::new(&decoded).unwrap());
                let _ = owned.fold.apply_one(record, 0, &ready, &mut Effects::new(Wanted::LEAST));
            }
            assert_eq!(owned.wants_tick(Duration::ZERO, Duration::ZERO), !begins);
        }
    }

    /// Records of these users, from an offset on.
    fn read(owned: &mut Owned, from: i64, users: &[&str]) {
        for (offset, user) in (from..).zip(users) {
            let event = format!(
                r#"{{"type":"track","event":"Feature Used","messageId":"{offset}","userId":"{user}",
                     "timestamp":"2026-03-02T10:00:00Z","context":{{"groupId":"acme"}}}}"#
            );
            owned.waiting.push(
                Waiting { offset, time_ms: None, is_control: false, headers: 0, key: None },
                &[event.as_bytes(), b""],
            );
        }
    }

    #[test]
    fn while_memory_is_full_a_partition_waits_before_the_first_record_of_a_new_user() {
        let (job, telemetry, mut outbox) = (Job::of_tests(), Telemetry::of_tests(), Outbox::default());
        let mut owned = Owned::new(&job, (0, 1), Before::default(), None);
        read(&mut owned, 0, &["ann", "ben"]);
        owned.fold(&job, &mut outbox, &telemetry).unwrap();
        job.memory.set_full(true);
        read(&mut owned, 2, &["ben", "ann", "new", "ann"]);
        owned.fold(&job, &mut outbox, &telemetry).unwrap();
        assert_eq!((owned.waits_for_memory(), owned.position(), owned.fold.users()), (true, 4, 2));
        owned.at_end(6, &job, &mut outbox).unwrap();
        assert_eq!(owned.position(), 4, "what the client still delivers is read again");
        job.memory.set_full(false);
        assert_eq!(owned.goes_on(), 4);
        read(&mut owned, 4, &["new", "ann"]);
        owned.fold(&job, &mut outbox, &telemetry).unwrap();
        assert_eq!((owned.waits_for_memory(), owned.position(), owned.fold.users()), (false, 6, 3));
    }

    #[test]
    fn only_an_open_transaction_that_stays_is_logged_and_once() {
        let (began, mut waits) = (Instant::now(), Waits::default());
        let mut look = |stands_at, second| waits.look(stands_at, began + Duration::from_secs(second));
        // Transactions that come and go: the stable end moves, or nothing follows it.
        assert_eq!([look(Some(3), 0), look(Some(5), 4), look(None, 6), look(Some(5), 7)], [None; 4]);
        assert_eq!([look(Some(5), 12), look(Some(5), 13), look(Some(5), 60)], [Some(true), None, None]);
        assert_eq!([look(None, 61), look(None, 70)], [Some(false), None]);
    }
}
