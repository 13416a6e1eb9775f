//! What a benchmark reports: as text for people, and as JSON.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::drain::{Cost, Drain, Messages};
use super::fill::Written;
use super::latency::{Latency, Seen};
use super::process::{self, Machine};
use super::recovery::Recovery;
use super::results::{Handoffs, Replayed};
use super::settings::Bench;
use super::yardsticks::{Sending, Yardsticks};
use crate::kafka::Row;
use crate::text::count;
use crate::wire::Kind;

/// A share of CPU time that other processes may take before it is reported.
const OTHERS_MAX: f64 = 0.1;
/// How much longer than planned the writer may take.
const LATE_MAX: f64 = 1.02;

/// Everything that was measured. A figure that is not known here is absent.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The version of Upswell.
    pub version: &'static str,
    /// The version of the rules.
    pub rules: String,
    /// The load.
    pub load: About,
    /// The cores that this process may use.
    pub cores: usize,
    /// Brokers on this machine, whose CPU time is measured.
    pub local_brokers: usize,
    /// Filling the log.
    pub filled: Filled,
    /// What reading and decoding cost at least.
    pub yardsticks: Yardsticks,
    /// What sending the published messages costs at least.
    pub sending: Option<Sending>,
    /// What `replay` gives for the same log, and what it costs.
    pub replayed: Replayed,
    /// The medians of the runs.
    pub median: Drain,
    /// Every run.
    pub runs: Vec<Drain>,
    /// The events at a rate.
    pub live: Option<Live>,
    /// The recovery.
    pub recovery: Option<Recovery>,
    /// The handoffs that were committed.
    pub handoffs: Handoffs,
    /// Whether every run committed the handoffs that `replay` gives.
    pub equal: bool,
    /// What makes the figures doubtful.
    pub not_quiet: Vec<String>,
    /// Whether the topics were removed.
    pub removed: bool,
}

/// The load and the topics.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// Events in the log before the service starts.
    pub events: u64,
    /// Accounts of the whole load.
    pub accounts: u32,
    /// Its users.
    pub users: u32,
    /// The days that it lasts.
    pub days: u32,
    /// The exponent of the law of Zipf that account sizes follow.
    pub skew: f64,
    /// Bytes of text in every event.
    pub payload: u32,
    /// Its seed.
    pub seed: u64,
    /// Events of a record.
    pub pack: u16,
    /// Partitions of every topic.
    pub partitions: u16,
    /// The topics that are published beside handoffs and dead letters.
    pub outputs: Vec<&'static str>,
}

/// How the log was filled.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Filled {
    /// Events.
    pub events: u64,
    /// Records.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Seconds.
    pub seconds: f64,
}

impl From<Written> for Filled {
    fn from(Written { events, records, bytes, seconds, .. }: Written) -> Filled {
        Filled { events, records, bytes, seconds }
    }
}

/// Events that were written at a rate.
#[derive(Clone, Debug, Serialize)]
pub struct Live {
    /// Events that were due in a second.
    pub rate: u64,
    /// Events that were written.
    pub events: u64,
    /// Their records.
    pub records: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// CPU microseconds of the process per event.
    pub cpu_us: Option<f64>,
    /// From when an event was due to its handoff before a reader.
    pub latency: Latency,
    /// The same of events after a day closed.
    pub after_close: Option<Latency>,
    /// Handoffs that no event caused.
    pub by_time: u64,
}

impl Live {
    pub(super) fn new(rate: u64, written: Written, seen: Seen, cpu: Option<f64>, close: bool) -> Live {
        let Written { events, records, seconds, .. } = written;
        Live {
            rate,
            events,
            records,
            seconds,
            cpu_us: cpu.map(|cpu| cpu * 1e6 / events.max(1) as f64),
            latency: seen.steady,
            after_close: close.then_some(seen.closing),
            by_time: seen.by_time,
        }
    }
}

impl Report {
    /// A report of what is measured, before anything was.
    pub(super) fn about(bench: &Bench, local_brokers: usize) -> Report {
        let can_be_off = |row: &&Row| !matches!(row.kind, Kind::Handoff | Kind::DeadLetter);
        Report {
            version: env!("CARGO_PKG_VERSION"),
            rules: bench.plan.version.to_string(),
            load: About {
                name: bench.load.name,
                events: bench.events,
                accounts: bench.load.accounts,
                users: bench.load.users,
                days: bench.load.days,
                skew: f64::from(bench.load.skew) / 100.0,
                payload: bench.load.payload,
                seed: bench.seed,
                pack: bench.pack,
                partitions: bench.partitions,
                outputs: bench.topics.outputs().filter(can_be_off).map(|row| row.name).collect(),
            },
            cores: process::cores(),
            local_brokers,
            filled: Written::default().into(),
            yardsticks: Yardsticks { drain_cpu_us: 0.0, drain_events_per_s: 0.0, decode_cpu_us: 0.0 },
            sending: None,
            replayed: Replayed::default(),
            median: Drain::default(),
            runs: Vec::new(),
            live: None,
            recovery: None,
            handoffs: Handoffs::default(),
            equal: false,
            not_quiet: Vec::new(),
            removed: false,
        }
    }

    /// Notes what makes the figures doubtful, since `before`.
    pub(super) fn notice(&mut self, before: &Machine) {
        let cores = self.cores as f64;
        if let Some(load) = before.load.filter(|load| *load > cores) {
            self.not_quiet.push(format!("the load average was {load:.1} at the beginning, with {cores} cores"));
        }
        if let Some(others) = self.median.others.filter(|others| *others > OTHERS_MAX) {
            let percent = others * 100.0;
            self.not_quiet.push(format!("other processes took {percent:.0} % of the CPU time of this machine"));
        }
        match Machine::now().throttled(before) {
            0 => {}
            times => self.not_quiet.push(format!("the CPU limit of the control group stopped processes {times} times")),
        }
        if let Some(live) = &self.live {
            let planned = live.events as f64 / live.rate as f64;
            if live.seconds > planned * LATE_MAX + 1.0 {
                let rate = count((live.events as f64 / live.seconds) as u64);
                self.not_quiet.push(format!("the log took only {rate} events per second, so latencies grow"));
            }
        }
        if self.local_brokers == 0 {
            self.not_quiet.push("no broker runs on this machine, so its CPU time is not known".into());
        }
    }
}

impl Drain {
    /// A run on one line.
    pub(super) fn line(&self, round: u16) -> String {
        let cpu = self.warm.cpu_us.map_or(String::new(), |cpu| format!(" at {cpu:.2} µs of CPU an event"));
        let rate = count(self.warm.events_per_s as u64);
        format!("run {round}: {:.1} s, in its second half {rate} events/s{cpu}", self.whole.seconds)
    }
}

/// A number with two digits after the point, or a dash.
struct Figure(Option<f64>);

impl Display for Figure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.map_or("-".into(), |value| format!("{value:.2}")))
    }
}

fn row(f: &mut Formatter<'_>, name: &str, cost: &Cost) -> fmt::Result {
    let (rate, cpu, broker) = (count(cost.events_per_s as u64), Figure(cost.cpu_us), Figure(cost.broker_cpu_us));
    writeln!(f, "{name:<34} {rate:>12} {cpu:>14} {broker:>17}")
}

fn latency(f: &mut Formatter<'_>, name: &str, latency: &Latency) -> fmt::Result {
    let Latency { handoffs, p50_ms, p90_ms, p99_ms, max_ms, .. } = latency;
    writeln!(
        f,
        "{name:<13}{} handoffs: p50 {p50_ms:.1} ms · p90 {p90_ms:.1} · p99 {p99_ms:.1} · longest {max_ms:.1}",
        count(*handoffs)
    )
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Report { load, filled, yardsticks, replayed, median, .. } = self;
        writeln!(
            f,
            "load         {}: {} events, {} of {} bytes a record · {} accounts, {} users, {} days",
            load.name,
            count(filled.events),
            load.pack,
            filled.bytes / filled.records.max(1),
            count(load.accounts.into()),
            count(load.users.into()),
            load.days,
        )?;
        writeln!(
            f,
            "setting      upswell {} · rules {} · handoffs and {} · {} partitions · {} cores",
            self.version,
            self.rules,
            if load.outputs.is_empty() { "nothing else".into() } else { load.outputs.join(", ") },
            load.partitions,
            self.cores,
        )?;
        writeln!(f, "\n{:<34} {:>12} {:>14} {:>17}", "", "events/s", "CPU µs/event", "broker µs/event")?;
        let runs = if self.runs.len() > 1 { format!(" (medians of {})", self.runs.len()) } else { String::new() };
        row(f, &format!("whole run{runs}"), &median.whole)?;
        let has_second_half = median.warm.events < median.whole.events;
        if has_second_half {
            row(f, &format!("second half{runs}"), &median.warm)?;
        }
        let drain = count(yardsticks.drain_events_per_s as u64);
        writeln!(f, "{:<34} {drain:>12} {:>14.2}", "only reading (librdkafka)", yardsticks.drain_cpu_us)?;
        writeln!(f, "{:<34} {:>12} {:>14.2}", "only decoding (prost)", "", yardsticks.decode_cpu_us)?;
        if let Some(Sending { messages, message_cpu_us, cpu_us }) = self.sending {
            let name = format!("only sending {messages:.2} messages");
            writeln!(f, "{name:<34} {:>12} {cpu_us:>14.2} ({message_cpu_us:.2} each)", "")?;
        }
        writeln!(f, "{:<34} {:>12} {:>14.2}\n", "reading, decoding, fold (replay)", "", replayed.cpu_us)?;
        let threads = median.threads.iter().filter(|(_, cpu)| *cpu >= 0.005);
        let threads: Vec<String> = threads.map(|(kind, cpu)| format!("{kind} {cpu:.2}")).collect();
        let part = if has_second_half { "the second half of the last run" } else { "the last run" };
        if !threads.is_empty() {
            writeln!(f, "threads      {} µs/event in {part}", threads.join(" · "))?;
        }
        let stages: Vec<String> = median.stages.iter().map(|(stage, took)| format!("{stage} {took:.2}")).collect();
        writeln!(f, "workers      {} µs/event in {part}, by the clock", stages.join(" · "))?;
        let memory = median.peak_mib.map_or("is not known here".into(), |mib| format!("{mib:.0} MiB at most"));
        let each =
            median.peak_mib_per_million.map_or(String::new(), |mib| format!(", {mib:.0} MiB per million events"));
        writeln!(f, "memory       {memory}{each}")?;
        let Messages { handoffs, signals, onboarding, metrics, profiles } = median.messages;
        let [handoffs, signals, onboarding, metrics, profiles] =
            [handoffs, signals, onboarding, metrics, profiles].map(count);
        writeln!(
            f,
            "messages     {handoffs} handoffs · {signals} signals · {profiles} profiles · {metrics} rows of metrics · \
             {onboarding} onboarding"
        )?;
        let each = median.transaction_seconds * 1e3 / median.transactions.max(1) as f64;
        writeln!(f, "transactions {}, of {each:.1} ms", count(median.transactions))?;
        self.after(f)
    }
}

impl Report {
    /// The lines about latency and recovery, and the result.
    fn after(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(live) = &self.live {
            latency(f, "latency", &live.latency)?;
            if let Some(after) = &live.after_close {
                latency(f, "  day closes", after)?;
            }
            writeln!(f, "             at {} events/s, from when an event was due", count(live.rate))?;
        }
        if let Some(recovery) = self.recovery {
            let Recovery { killed_at, restored, first_event_s, caught_up_s, restart_s, restart_steps_s, .. } = recovery;
            let (at, restored) = (count(killed_at), count(restored));
            writeln!(
                f,
                "recovery     {caught_up_s:.1} s from kill -9, at {at} events, to caught up; {first_event_s:.1} s to the \
                 first {restored}\n             {restart_s:.1} s from SIGTERM to ready again"
            )?;
            if let Some([stopped, joined, restored, ready]) = restart_steps_s {
                writeln!(
                    f,
                    "             {stopped:.2} s to store and stop, {joined:.2} s to start and join, {restored:.2} s to be \
                     assigned and restore,\n             {ready:.2} s to be at the end of the log"
                )?;
            }
        }
        let Handoffs { count: number, hash } = self.handoffs;
        let number = count(number);
        match self.equal {
            true => writeln!(f, "result       {number} handoffs, hash {hash:016x}, as replay gives")?,
            false => writeln!(
                f,
                "result       WRONG: {number} handoffs, hash {hash:016x}; replay gives {}, hash {:016x}",
                count(self.replayed.handoffs.count),
                self.replayed.handoffs.hash
            )?,
        }
        self.not_quiet.iter().try_for_each(|why| writeln!(f, "not quiet    {why}"))
    }
}
