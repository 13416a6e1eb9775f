//! Measures one run over a filled log: how fast, and at what cost, in all and in its second half.

use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;

use super::process::{self, Machine};
use super::service::Service;
use super::settings::{Contents, go_on};
use crate::kafka::Config;
use crate::telemetry::{Page, Stage};

/// How often the process is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// What one run cost.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Drain {
    /// The whole run, from the start of the process to the last event.
    pub whole: Cost,
    /// Its second half; the whole run if it ended before that half could be seen.
    pub warm: Cost,
    /// CPU microseconds per event of the second half by kind of thread, the largest first.
    pub threads: Vec<(String, f64)>,
    /// Microseconds of all workers per event of the second half by stage, by the clock.
    pub stages: Vec<(&'static str, f64)>,
    /// The largest resident memory, in MiB.
    pub peak_mib: Option<f64>,
    /// The same for each million events.
    pub peak_mib_per_million: Option<f64>,
    /// Transactions, committed or not.
    pub transactions: u64,
    /// Seconds that transactions took, of all workers.
    pub transaction_seconds: f64,
    /// Messages published, by the metrics of the process.
    pub messages: Messages,
    /// The share of the machine's CPU time that processes took which are not measured, 0 to 1.
    pub others: Option<f64>,
    /// Events folded after so many seconds.
    pub progress: Vec<(f64, u64)>,
}

/// What some events cost.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Cost {
    /// The events.
    pub events: u64,
    /// Seconds.
    pub seconds: f64,
    /// Events per second.
    pub events_per_s: f64,
    /// CPU microseconds of the process per event, which are CPU seconds per million events.
    pub cpu_us: Option<f64>,
    /// CPU microseconds of the brokers on this machine per event.
    pub broker_cpu_us: Option<f64>,
}

/// How many messages were published.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Messages {
    /// Handoffs.
    pub handoffs: u64,
    /// Messages of the signals feed.
    pub signals: u64,
    /// Changes of onboarding tracks.
    pub onboarding: u64,
    /// Day and week rows of metrics.
    pub metrics: u64,
    /// Profiles of accounts and users.
    pub profiles: u64,
}

impl Messages {
    fn of(page: &Page) -> Messages {
        let Page { handoffs, signals, onboarding, metrics, profiles, .. } = *page;
        Messages { handoffs, signals, onboarding, metrics, profiles }
    }
}

/// The process at one moment.
#[derive(Clone, Copy)]
struct Sample {
    seconds: f64,
    events: u64,
    cpu: Option<f64>,
    broker: Option<f64>,
}

impl Sample {
    fn take(service: &Service, brokers: &[u32], events: u64) -> Sample {
        let seconds = service.began.elapsed().as_secs_f64();
        Sample { seconds, events, cpu: service.cpu(), broker: cpu_of(brokers) }
    }

    fn cost_since(&self, before: &Sample) -> Cost {
        let (events, seconds) = (self.events - before.events, self.seconds - before.seconds);
        let each = |now: Option<f64>, then: Option<f64>| Some((now? - then?) * 1e6 / events.max(1) as f64);
        Cost {
            events,
            seconds,
            events_per_s: events as f64 / seconds.max(1e-9),
            cpu_us: each(self.cpu, before.cpu),
            broker_cpu_us: each(self.broker, before.broker),
        }
    }
}

/// CPU seconds of brokers so far; none if none is on this machine.
fn cpu_of(brokers: &[u32]) -> Option<f64> {
    let each = brokers.iter().map(|pid| process::cpu(*pid)).collect::<Option<Vec<f64>>>()?;
    (!each.is_empty()).then(|| each.iter().sum())
}

/// Waits until a process that was just started has folded the log.
///
/// # Errors
/// It ends before, or this process is asked to stop.
pub(super) fn measure(
    config: &Config,
    service: &mut Service,
    brokers: &[u32],
    log: Contents,
    bar: &ProgressBar,
) -> Result<Drain> {
    let events = log.events;
    let is_warm = |folded: u64| (events / 2..events).contains(&folded);
    let (machine, own) = (Machine::now(), process::own_cpu());
    let mut samples = vec![Sample { cpu: Some(0.0), ..Sample::take(service, brokers, 0) }];
    let (mut threads, mut stages) = (None, None);
    let page = loop {
        go_on(config)?;
        let page = service.page()?.unwrap_or_default();
        let folded = log.events_of(page.records);
        if is_warm(folded) && threads.is_none() {
            threads = Some(process::cpu_of_threads(service.pid()));
            stages = Some(page.stages);
        }
        samples.push(Sample::take(service, brokers, folded));
        bar.set_position(folded);
        if folded >= events {
            break page;
        }
        std::thread::sleep(EVERY);
    };
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let half = samples.iter().find(|sample| is_warm(sample.events)).unwrap_or(&first);
    let whole = last.cost_since(&first);
    let known = |sample: Sample| sample.cpu.unwrap_or(0.0) + sample.broker.unwrap_or(0.0);
    let known = known(last) - known(first) + process::own_cpu() - own;
    let others = Machine::now().others(&machine, known);
    let peak_mib = process::peak_mib(service.pid());
    let warm = last.cost_since(half);
    let before = threads.unwrap_or_default();
    let mut threads: Vec<(String, f64)> = process::cpu_of_threads(service.pid())
        .into_iter()
        .map(|(kind, seconds)| {
            let seconds = seconds - before.get(&kind).copied().unwrap_or(0.0);
            (kind, seconds * 1e6 / warm.events.max(1) as f64)
        })
        .collect();
    threads.sort_by(|a, b| b.1.total_cmp(&a.1));
    let before = stages.unwrap_or_default();
    let each = |now: u64, then: u64| now.saturating_sub(then) as f64 / warm.events.max(1) as f64;
    let took = page.stages.iter().zip(before).map(|(now, then)| each(*now, then));
    let stages = Stage::ALL.iter().map(|(_, name)| *name).zip(took).collect();
    Ok(Drain {
        whole,
        warm,
        threads,
        stages,
        peak_mib,
        peak_mib_per_million: peak_mib.map(|mib| mib * 1e6 / events.max(1) as f64),
        transactions: page.transactions,
        transaction_seconds: page.transaction_seconds,
        messages: Messages::of(&page),
        others: others.map(|seconds| seconds / (whole.seconds.max(1e-9) * process::cores() as f64)),
        progress: samples.iter().map(|sample| (sample.seconds, sample.events)).collect(),
    })
}

impl Drain {
    /// The medians of several runs, each figure by itself; the course is that of the last run.
    pub(super) fn median(runs: &[Drain]) -> Drain {
        let Some(last) = runs.last() else { return Drain::default() };
        let some = |of: &dyn Fn(&Drain) -> Option<f64>| runs.iter().map(of).collect::<Option<Vec<f64>>>().map(middle);
        let of = |of: &dyn Fn(&Drain) -> f64| middle(runs.iter().map(of).collect());
        let cost = |half: fn(&Drain) -> &Cost| Cost {
            events: half(last).events,
            seconds: of(&|run| half(run).seconds),
            events_per_s: of(&|run| half(run).events_per_s),
            cpu_us: some(&|run| half(run).cpu_us),
            broker_cpu_us: some(&|run| half(run).broker_cpu_us),
        };
        Drain {
            whole: cost(|run| &run.whole),
            warm: cost(|run| &run.warm),
            peak_mib: some(&|run| run.peak_mib),
            peak_mib_per_million: some(&|run| run.peak_mib_per_million),
            transaction_seconds: of(&|run| run.transaction_seconds),
            others: some(&|run| run.others),
            ..last.clone()
        }
    }
}

/// The median; of an even number of values the lower one of the two in the middle.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_of_each_figure() {
        let run = |seconds: f64, cpu: Option<f64>| Drain {
            whole: Cost { seconds, cpu_us: cpu, ..Cost::default() },
            ..Drain::default()
        };
        let median = Drain::median(&[run(3.0, Some(1.0)), run(1.0, Some(9.0)), run(2.0, Some(5.0))]);
        assert_eq!((median.whole.seconds, median.whole.cpu_us), (2.0, Some(5.0)));
        assert_eq!(Drain::median(&[run(3.0, Some(1.0)), run(1.0, None)]).whole.cpu_us, None);
    }
}
