//! All metrics, and the status of workers and partitions for health checks. No other file names a metric.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dashmap::DashMap;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::model::{Effects, EventTime, Outcome, Tally, Unmapped};

const EVENTS: &str = "upswell_events_total";
const EVENTS_WITHOUT_ID: &str = "upswell_events_without_id_total";
const EVENTS_FAULTY: &str = "upswell_events_faulty_total";
const EVENTS_UNMAPPED: &str = "upswell_events_unmapped_total";
const EVENTS_MISPLACED: &str = "upswell_events_misplaced_total";
pub(crate) const HANDOFFS: &str = "upswell_handoffs_total";
pub(crate) const SIGNALS: &str = "upswell_signals_total";
pub(crate) const ONBOARDING: &str = "upswell_onboarding_total";
pub(crate) const METRICS: &str = "upswell_metrics_total";
pub(crate) const PROFILES: &str = "upswell_profiles_total";
pub(crate) const DEAD_LETTERS: &str = "upswell_dead_letters_total";
const INGESTED: &str = "upswell_ingested_events_total";
const TICKS: &str = "upswell_ticks_total";
const STAGES: &str = "upswell_worker_stage_microseconds_total";
const TRANSACTION_SECONDS: &str = "upswell_transaction_seconds";
/// Transactions that did not commit.
pub(crate) const TRANSACTIONS_ABORTED: &str = "upswell_transactions_aborted_total";
const SNAPSHOT_SECONDS: &str = "upswell_snapshot_seconds";
const SNAPSHOTS_FAILED: &str = "upswell_snapshots_failed_total";
const PARTITIONS: &str = "upswell_partitions";
const ACCOUNTS: &str = "upswell_partition_accounts";
const USERS: &str = "upswell_partition_users";
const POSITION: &str = "upswell_partition_position";
const RECOVERY: &str = "upswell_partition_recovery_records";
const RESTORE: &str = "upswell_partition_restore_ratio";
const WAITS_FOR_MEMORY: &str = "upswell_partition_waits_for_memory";
const MEMORY: &str = "upswell_memory_bytes";
const MEMORY_LIMIT: &str = "upswell_memory_limit_bytes";
const HISTORY: &str = "upswell_partition_history";
const END: &str = "upswell_partition_end";
const STABLE_END: &str = "upswell_partition_stable_end";
const LAG_RECORDS: &str = "upswell_partition_lag_records";
const LAG_SECONDS: &str = "upswell_partition_lag_seconds";
const WATERMARK: &str = "upswell_partition_watermark_seconds";

/// A worker whose loop made no progress for this time is stuck. It is longer than the longest wait for Kafka.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// How long gauges of a revoked partition are still shown.
const GAUGES_LAST: Duration = Duration::from_secs(60);

/// A process to which the group assigns no partition becomes ready after this time: the group moves partitions from
/// member to member in two steps, each of which takes a heartbeat of 3 s or more.
const SPARE_AFTER: Duration = Duration::from_secs(15);

/// How many names that no mapping covers get a time series of their own.
const UNMAPPED_NAMES_MAX: usize = 100;
/// The label of the other names.
const OTHER_NAMES: &str = "(other)";

/// What a worker spends its time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading records, and waiting for them.
    Read,
    /// Decoding events, hashing their ids, and reading ahead the memory that they need.
    Decode,
    /// Folding events.
    Fold,
    /// The same where a day closed.
    Close,
    /// Encoding what was caused.
    Emit,
    /// Handing messages to the producer.
    Produce,
    /// Beginning and settling transactions, and waiting for them. They are committed in another thread.
    Commit,
}

impl Stage {
    /// Every stage, with its name.
    pub const ALL: [(Stage, &'static str); 7] = [
        (Stage::Read, "read"),
        (Stage::Decode, "decode"),
        (Stage::Fold, "fold"),
        (Stage::Close, "close"),
        (Stage::Emit, "emit"),
        (Stage::Produce, "produce"),
        (Stage::Commit, "commit"),
    ];
}

/// Measures how long the stages of a worker take, by the clock.
#[derive(Debug)]
pub struct Stopwatch {
    since: Instant,
    took: [Duration; Stage::ALL.len()],
}

impl Default for Stopwatch {
    fn default() -> Stopwatch {
        Stopwatch { since: Instant::now(), took: Default::default() }
    }
}

impl Stopwatch {
    /// A stage ends, which began when another one ended.
    pub fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        self.took[stage as usize] += now - std::mem::replace(&mut self.since, now);
    }

    /// What has passed since a stage ended belongs to none.
    pub fn skip(&mut self) {
        self.since = Instant::now();
    }
}

/// The status of an assigned partition.
#[derive(Clone, Debug)]
pub struct PartitionStatus {
    /// While its state is restored from a snapshot: how many blocks of it are read, and of how many; of 0 while it is not
    /// known.
    pub restores: Option<(u64, u64)>,
    /// The offset of the next record.
    pub position: i64,
    /// The committed offset when the partition was assigned: effects of records before it are not published.
    pub recovered_at: i64,
    /// The offset after the last record; none before a broker has answered.
    pub end: Option<i64>,
    /// The offset after the last record that can be read: below the end while a transaction is open.
    pub stable_end: Option<i64>,
    /// Whether it has been at the stable end since it was assigned.
    pub caught_up: bool,
    /// Since when, in milliseconds since 1970, there have been records that are not folded: the time of the last folded
    /// record, or the last moment without a record after it, whichever is later. None while there is nothing to fold.
    pub behind_since: Option<i64>,
    /// Whether it waits behind an open transaction.
    pub waits: bool,
    /// Whether it waits until there is memory for the next record, or for its state.
    pub waits_for_memory: bool,
    /// Whether the history of a backfill has begun and not ended, so that nothing is published.
    pub is_history: bool,
    /// The watermark.
    pub watermark: Option<EventTime>,
    /// The version of the rules that apply.
    pub rules: Arc<str>,
    /// Accounts held.
    pub accounts: usize,
    /// Users held.
    pub users: usize,
}

impl PartitionStatus {
    /// That of a partition of which nothing is known.
    pub fn new(rules: Arc<str>) -> PartitionStatus {
        PartitionStatus {
            restores: None,
            position: 0,
            recovered_at: 0,
            end: None,
            stable_end: None,
            caught_up: false,
            behind_since: None,
            waits: false,
            waits_for_memory: false,
            is_history: false,
            watermark: None,
            rules,
            accounts: 0,
            users: 0,
        }
    }

    /// Whether the position has reached the offset that was committed when the partition was assigned.
    pub fn is_recovered(&self) -> bool {
        self.restores.is_none() && self.position >= self.recovered_at
    }

    /// Records that were written and are not folded, including transaction markers; none while the end is not known.
    pub fn lag_records(&self) -> Option<i64> {
        self.end.map(|end| (end - self.position).max(0))
    }

    /// For how long there have been records that are not folded, in seconds.
    pub fn lag_seconds(&self) -> Option<f64> {
        self.end?;
        Some(self.behind_since.map_or(0.0, |since| (now_ms() - since).max(0) as f64 / 1e3))
    }

    /// What the partition still has to do before the process is ready.
    fn awaits(&self, partition: i32) -> Option<String> {
        if self.waits_for_memory {
            Some(format!("partition {partition} waits at offset {} until there is memory for it", self.position))
        } else if let Some((blocks, of)) = self.restores {
            Some(format!("partition {partition} restores its state: {blocks} of {of} blocks are read"))
        } else if !self.is_recovered() {
            let (position, to) = (self.position, self.recovered_at);
            Some(format!("partition {partition} recovers: at offset {position} of {to}"))
        } else if !self.caught_up {
            let lag = self.lag_records().map_or("an unknown number of".into(), |lag| lag.to_string());
            Some(format!("partition {partition} catches up: {lag} records are not processed"))
        } else {
            None
        }
    }
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// The status of the process, and its metrics.
#[derive(Debug)]
pub struct Telemetry {
    partitions: DashMap<i32, PartitionStatus>,
    workers: DashMap<usize, WorkerStatus>,
    events: AtomicU64,
    signals: AtomicU64,
    handoffs: [AtomicU64; 3],
    /// Names that no mapping covers and that have a time series.
    unmapped: DashMap<Box<str>, ()>,
    prometheus: PrometheusHandle,
}

/// The status of a worker.
#[derive(Clone, Copy, Debug)]
struct WorkerStatus {
    /// When its loop last made progress.
    round: Instant,
    /// Since when the group has assigned it partitions, even if none.
    assigned: Option<Instant>,
}

/// Totals since the process began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Events folded, of any outcome; those of a recovery too.
    pub events: u64,
    /// Messages of the signals feed.
    pub signals: u64,
    /// Handoffs by level.
    pub handoffs: [u64; 3],
    /// Accounts held.
    pub accounts: u64,
}

impl Telemetry {
    /// Installs the metrics recorder of the process. It must be called once.
    ///
    /// # Errors
    /// When there is a recorder already.
    pub fn install() -> anyhow::Result<Arc<Telemetry>> {
        let recorder = PrometheusBuilder::new()
            .idle_timeout(metrics_util::MetricKindMask::GAUGE, Some(GAUGES_LAST))
            .set_buckets(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])?
            .build_recorder();
        let prometheus = recorder.handle();
        metrics::set_global_recorder(recorder).map_err(|error| anyhow::anyhow!("installing metrics: {error}"))?;
        describe();
        counter!(EVENTS_UNMAPPED, "name" => "(other)").increment(0);
        Ok(Arc::new(Telemetry::new(prometheus)))
    }

    fn new(prometheus: PrometheusHandle) -> Telemetry {
        Telemetry {
            partitions: DashMap::new(),
            workers: DashMap::new(),
            events: AtomicU64::new(0),
            signals: AtomicU64::new(0),
            handoffs: Default::default(),
            unmapped: DashMap::new(),
            prometheus,
        }
    }

    /// Without a metrics recorder, for tests.
    #[cfg(test)]
    pub fn of_tests() -> Telemetry {
        Telemetry::new(PrometheusBuilder::new().build_recorder().handle())
    }

    /// Events were folded.
    pub fn folded(&self, tally: &Tally) {
        self.events.fetch_add(tally.total(), Ordering::Relaxed);
        counter!(EVENTS_WITHOUT_ID).increment(tally.without_id);
        for (fault, count) in
            [("no-zone", tally.zoneless), ("wrong-type", tally.left_out), ("forbidden-id", tally.forbidden_ids)]
        {
            counter!(EVENTS_FAULTY, "fault" => fault).increment(count);
        }
        for outcome in Outcome::ALL {
            if tally.of(outcome) > 0 {
                counter!(EVENTS, "outcome" => outcome.word()).increment(tally.of(outcome));
            }
        }
    }

    /// Counts events whose names no mapping covers.
    pub fn unmapped(&self, unmapped: &mut Unmapped) {
        unmapped.drain(|name, count| {
            let told = name.filter(|name| {
                let known = self.unmapped.contains_key(*name);
                let new = !known && self.unmapped.len() < UNMAPPED_NAMES_MAX;
                if new {
                    self.unmapped.insert((*name).into(), ());
                }
                known || new
            });
            counter!(EVENTS_UNMAPPED, "name" => told.unwrap_or(OTHER_NAMES).to_owned()).increment(count);
        });
    }

    /// Events were in another partition than that of their account.
    pub fn misplaced(&self, events: u64) {
        counter!(EVENTS_MISPLACED).increment(events);
    }

    /// Messages of this metric will be published.
    pub fn published(&self, metric: &'static str, messages: u64) {
        if messages > 0 {
            counter!(metric).increment(messages);
        }
    }

    /// Effects will be published: counts those whose metric has labels, and the entries of the signals feed.
    pub fn produced(&self, effects: &Effects) {
        for handoff in &effects.handoffs {
            self.handoffs[handoff.level as usize].fetch_add(1, Ordering::Relaxed);
            counter!(HANDOFFS, "level" => handoff.level.word(), "trigger" => handoff.trigger.to_string()).increment(1);
        }
        self.signals.fetch_add(effects.entries, Ordering::Relaxed);
        effects.dead_letters.iter().for_each(|letter| self.dead_letter(letter.reason));
    }

    /// A dead letter will be published.
    pub fn dead_letter(&self, reason: Outcome) {
        counter!(DEAD_LETTERS, "reason" => reason.word()).increment(1);
    }

    /// Events of another topic were copied.
    pub fn ingested(&self, topic: &str, events: u64) {
        counter!(INGESTED, "topic" => topic.to_owned()).increment(events);
    }

    /// Adds what a stopwatch measured, in whole microseconds. The rest stays for the next time.
    pub fn stages(&self, watch: &mut Stopwatch) {
        for ((_, name), took) in Stage::ALL.iter().zip(&mut watch.took) {
            let micros = took.as_micros() as u64;
            if micros > 0 {
                *took -= Duration::from_micros(micros);
                counter!(STAGES, "stage" => *name).increment(micros);
            }
        }
    }

    /// How many bytes of memory the process takes, and may take.
    pub fn memory(&self, takes: u64, limit: u64) {
        gauge!(MEMORY).set(takes as f64);
        gauge!(MEMORY_LIMIT).set(limit as f64);
    }

    /// A tick was written.
    pub fn ticked(&self) {
        counter!(TICKS).increment(1);
    }

    /// A transaction ended, committed or not.
    pub fn transaction(&self, took: Duration, committed: bool) {
        histogram!(TRANSACTION_SECONDS).record(took);
        counter!(TRANSACTIONS_ABORTED).increment(u64::from(!committed));
    }

    /// A snapshot was stored, or not.
    pub fn snapshot(&self, took: Duration, stored: bool) {
        histogram!(SNAPSHOT_SECONDS).record(took);
        counter!(SNAPSHOTS_FAILED).increment(u64::from(!stored));
    }

    /// Sets the status of a partition.
    pub fn partition(&self, partition: i32, status: PartitionStatus) {
        self.partitions.insert(partition, status);
    }

    /// A partition was revoked.
    pub fn partition_gone(&self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// The loop of a worker made progress.
    pub fn round(&self, worker: usize) {
        let status = || WorkerStatus { round: Instant::now(), assigned: None };
        self.workers.entry(worker).or_insert_with(status).round = Instant::now();
    }

    /// Whether the group has assigned partitions to a worker.
    pub fn assigned(&self, worker: usize, assigned: bool) {
        if let Some(mut status) = self.workers.get_mut(&worker) {
            status.assigned = assigned.then(|| status.assigned.unwrap_or_else(Instant::now));
        }
    }

    /// Whether the loops of all workers make progress.
    pub fn is_alive(&self) -> bool {
        self.workers.iter().all(|worker| worker.round.elapsed() < STUCK_AFTER)
    }

    /// What is missing before the process is ready, in words; nothing once the group has assigned partitions to every
    /// worker and each partition was folded up to its stable end.
    pub fn missing(&self) -> Vec<String> {
        if self.workers.is_empty() {
            return vec!["no worker has started: the topics are being checked".into()];
        }
        let mut workers: Vec<_> = self.workers.iter().map(|entry| (*entry.key(), *entry.value())).collect();
        workers.sort_unstable_by_key(|(number, _)| *number);
        let mut missing = Vec::new();
        for (number, worker) in &workers {
            if worker.round.elapsed() >= STUCK_AFTER {
                missing.push(format!("worker {number} is stuck"));
            } else if worker.assigned.is_none() {
                missing.push(format!("worker {number} waits for the group to assign partitions"));
            }
        }
        let partitions = self.partitions();
        missing.extend(partitions.iter().filter_map(|(partition, status)| status.awaits(*partition)));
        let newest = workers.iter().filter_map(|(_, worker)| worker.assigned).max();
        if partitions.is_empty() && newest.is_some_and(|at| at.elapsed() < SPARE_AFTER) {
            let after = SPARE_AFTER.as_secs();
            missing.push(format!("no partition is assigned; without one the process becomes ready after {after} s"));
        }
        missing
    }

    /// The assigned partitions, by number.
    pub fn partitions(&self) -> Vec<(i32, PartitionStatus)> {
        let mut all: Vec<_> = self.partitions.iter().map(|entry| (*entry.key(), entry.value().clone())).collect();
        all.sort_by_key(|entry| entry.0);
        all
    }

    /// Totals since the process began.
    pub fn totals(&self) -> Totals {
        Totals {
            events: self.events.load(Ordering::Relaxed),
            signals: self.signals.load(Ordering::Relaxed),
            handoffs: [0, 1, 2].map(|level| self.handoffs[level].load(Ordering::Relaxed)),
            accounts: self.partitions.iter().map(|status| status.accounts as u64).sum(),
        }
    }

    /// The metrics as Prometheus reads them.
    pub fn render(&self) -> String {
        let partitions = self.partitions();
        gauge!(PARTITIONS).set(partitions.len() as f64);
        for (partition, status) in partitions {
            let label = partition.to_string();
            gauge!(ACCOUNTS, "partition" => label.clone()).set(status.accounts as f64);
            gauge!(USERS, "partition" => label.clone()).set(status.users as f64);
            gauge!(POSITION, "partition" => label.clone()).set(status.position as f64);
            gauge!(RECOVERY, "partition" => label.clone()).set((status.recovered_at - status.position).max(0) as f64);
            let restored = status.restores.map_or(1.0, |(blocks, of)| blocks as f64 / of.max(1) as f64);
            gauge!(RESTORE, "partition" => label.clone()).set(restored);
            gauge!(WAITS_FOR_MEMORY, "partition" => label.clone()).set(f64::from(status.waits_for_memory));
            gauge!(HISTORY, "partition" => label.clone()).set(f64::from(status.is_history));
            for (name, offset) in [(END, status.end), (STABLE_END, status.stable_end)] {
                if let Some(offset) = offset {
                    gauge!(name, "partition" => label.clone()).set(offset as f64);
                }
            }
            if let (Some(records), Some(seconds)) = (status.lag_records(), status.lag_seconds()) {
                gauge!(LAG_RECORDS, "partition" => label.clone()).set(records as f64);
                gauge!(LAG_SECONDS, "partition" => label.clone()).set(seconds);
            }
            if let Some(watermark) = status.watermark {
                gauge!(WATERMARK, "partition" => label).set(watermark.0 as f64 / 1e3);
            }
        }
        self.prometheus.run_upkeep();
        self.prometheus.render()
    }
}

/// What the page of metrics of a process says, for `bench`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Page {
    /// Events that were copied into the log, of all topics.
    pub ingested: u64,
    /// Records folded of the partitions that are assigned now. Other than the count of events, it does not count those
    /// again that a rebalance moved to another worker.
    pub records: u64,
    /// Handoffs.
    pub handoffs: u64,
    /// Messages of the signals feed.
    pub signals: u64,
    /// Changes of onboarding tracks.
    pub onboarding: u64,
    /// Rows of metrics.
    pub metrics: u64,
    /// Profiles.
    pub profiles: u64,
    /// Transactions, committed or not.
    pub transactions: u64,
    /// Seconds that transactions took, of all workers.
    pub transaction_seconds: f64,
    /// Microseconds of all workers by stage.
    pub stages: [u64; Stage::ALL.len()],
}

impl Page {
    /// Reads a page.
    pub fn read(text: &str) -> Page {
        let sum = |name: &str| -> f64 {
            // A name may come with its labels.
            let is_of = |rest: &str| rest.starts_with(['{', ' ']);
            let values = text.lines().filter(|line| line.strip_prefix(name).is_some_and(is_of));
            values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        let count = |name: &str| sum(name) as u64;
        Page {
            ingested: count(INGESTED),
            records: count(POSITION),
            handoffs: count(HANDOFFS),
            signals: count(SIGNALS),
            onboarding: count(ONBOARDING),
            metrics: count(METRICS),
            profiles: count(PROFILES),
            transactions: count(&format!("{TRANSACTION_SECONDS}_count")),
            transaction_seconds: sum(&format!("{TRANSACTION_SECONDS}_sum")),
            stages: Stage::ALL.map(|(_, name)| count(&format!("{STAGES}{{stage=\"{name}\"}}"))),
        }
    }
}

fn describe() {
    describe_counter!(EVENTS, "Events processed, by outcome. A recovery counts them again.");
    describe_counter!(EVENTS_WITHOUT_ID, "Events without a message id, whose duplicates cannot be detected.");
    describe_counter!(EVENTS_FAULTY, "Events that were applied although something in them is wrong, by fault.");
    describe_counter!(
        EVENTS_UNMAPPED,
        "Events that count as activity only, because no mapping covers their name; by name."
    );
    describe_counter!(
        EVENTS_MISPLACED,
        "Events in another partition than input.partitioner gives for their account. A recovery counts them again."
    );
    describe_counter!(HANDOFFS, "Handoffs produced, by level and trigger.");
    describe_counter!(SIGNALS, "Messages of the signals feed produced.");
    describe_counter!(ONBOARDING, "Changes of onboarding tracks produced.");
    describe_counter!(METRICS, "Day and week metrics of accounts produced.");
    describe_counter!(PROFILES, "Profiles of accounts and users produced.");
    describe_counter!(DEAD_LETTERS, "Dead letters produced, by reason.");
    describe_counter!(STAGES, "What workers spent time on, by the clock and by stage, in microseconds.");
    describe_counter!(TICKS, "Ticks written into silent partitions.");
    describe_histogram!(TRANSACTION_SECONDS, "Duration of the commit of a transaction, in seconds.");
    describe_histogram!(SNAPSHOT_SECONDS, "Duration of storing a snapshot of a partition, in seconds.");
    describe_counter!(SNAPSHOTS_FAILED, "Snapshots that could not be stored: recovery begins at the one before.");
    describe_counter!(TRANSACTIONS_ABORTED, "Transactions that were aborted, and then sent again or given up.");
    describe_gauge!(PARTITIONS, "Partitions assigned to this process.");
    describe_gauge!(ACCOUNTS, "Accounts in memory, by partition.");
    describe_gauge!(USERS, "Users in memory, by partition.");
    describe_gauge!(POSITION, "The offset of the next record to process, by partition.");
    describe_gauge!(
        HISTORY,
        "Whether the history of a backfill has begun and not ended, by partition: 1 while nothing is published."
    );
    describe_gauge!(RECOVERY, "Records that a recovery still has to process, by partition; 0 after the recovery.");
    describe_gauge!(MEMORY, "Resident memory of the process.");
    describe_gauge!(
        MEMORY_LIMIT,
        "The memory that the process may take: of worker.memory_mib, its container or the machine."
    );
    describe_gauge!(
        WAITS_FOR_MEMORY,
        "1 while the partition waits until there is memory for the next record or its state."
    );
    describe_counter!(
        INGESTED,
        "Events that `upswell ingest` has copied into the log, by topic; also those of aborted transactions."
    );
    describe_gauge!(RESTORE, "How much of its snapshot is read, by partition, from 0 to 1; 1 after it is restored.");
    describe_gauge!(END, "The offset after the last record, by partition.");
    describe_gauge!(
        STABLE_END,
        "The offset after the last record that can be read, by partition. It is below the end while a producer has a \
         transaction open."
    );
    describe_gauge!(
        LAG_RECORDS,
        "Offsets between the position and the end, by partition; transaction markers are included."
    );
    describe_gauge!(LAG_SECONDS, "Seconds for which the lag in records has not been 0, by partition.");
    describe_gauge!(WATERMARK, "The watermark in seconds since 1970, by partition.");
    // Present from the beginning, so that rates and alerts see the first one.
    counter!(EVENTS_MISPLACED).absolute(0);
    counter!(SIGNALS).absolute(0);
    counter!(ONBOARDING).absolute(0);
    counter!(METRICS).absolute(0);
    counter!(PROFILES).absolute(0);
    counter!(TICKS).absolute(0);
    for (_, name) in Stage::ALL {
        counter!(STAGES, "stage" => name).absolute(0);
    }
    counter!(TRANSACTIONS_ABORTED).absolute(0);
    counter!(SNAPSHOTS_FAILED).absolute(0);
}
