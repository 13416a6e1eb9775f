//! Measures the service on a Kafka cluster: fills a log of its own with a load, lets `upswell run` process it, and
//! compares what was published with `replay`. Everything that it made is removed at the end.

mod copy;
mod drain;
mod fill;
mod latency;
mod made;
mod plot;
mod process;
mod recovery;
mod report;
mod results;
mod service;
mod settings;
mod yardsticks;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::kafka::{Tail, Topics};
use crate::model::{DAY_MS, Day, EventTime, HOUR_MS};
use crate::simulate::load::Event;
use drain::Drain;
use fill::{Filler, Pace, Written};
use latency::Expected;
use made::Made;
use process::Machine;
use report::Live;
use results::Handoffs;
use service::Service;
use settings::{Contents, END, go_on};

pub use copy::Copied;
pub use plot::plot;
pub use report::Report;
pub use service::Start;
pub use settings::{Bench, Show};

/// The events of the first seconds at a rate are not counted.
const SETTLE: Duration = Duration::from_secs(3);

impl Bench {
    /// How many events of the load are needed.
    pub fn events_needed(&self) -> u64 {
        self.events + self.rate.map_or(0, |rate| rate * self.seconds)
    }

    /// Measures, and removes what it made, also if that fails or the process is asked to stop.
    ///
    /// # Errors
    /// Kafka or the service fails, or the process is asked to stop.
    pub fn run(&self, show: &Show<'_>) -> Result<Report> {
        let mut made = Made::new(&self.kafka, &self.topics);
        let report = self.measure(&mut made, show);
        if self.keep {
            (show.tell)(format!("kept: {}", made.topics().join(", ")));
        }
        let removed = if self.keep { Ok(()) } else { made.remove() };
        let mut report = report?;
        removed.context("removing the topics of the benchmark")?;
        report.removed = !self.keep;
        Ok(report)
    }

    fn measure(&self, made: &mut Made, show: &Show<'_>) -> Result<Report> {
        let machine = Machine::now();
        let brokers = process::listening(&self.kafka.brokers);
        let log = made.log(self)?;
        let mut events = self.load.play(self.seed, Day::from(END).plus(-(self.load.days as i32)));
        let filled = self.fill(&log, &mut events, show)?;
        let bar = (show.bar)(filled.records, "records");
        let yardsticks = yardsticks::measure(&self.kafka, &log, filled.events, &bar)?;
        bar.finish_and_clear();
        let (mut runs, mut results, mut live, mut last) = (Vec::new(), Vec::new(), None, None);
        for round in 1..=self.rounds {
            let names = made.outputs(self, &format!("run{round}"))?;
            let mut service = Service::start(&self.start, &self.environment(made, &names, None))?;
            let bar = (show.bar)(filled.events, "events");
            let contents = Contents { records: filled.records, events: filled.events };
            runs.push(drain::measure(&self.kafka, &mut service, &brokers, contents, &bar)?);
            bar.finish_and_clear();
            if let Some(rate) = self.rate.filter(|_| round == self.rounds) {
                live = Some(self.live(rate, &names, &mut service, &mut events, filled, show)?);
            }
            service.settle()?;
            service.stop()?;
            results.push(results::published(&self.kafka, &names)?);
            (show.tell)(runs[runs.len() - 1].line(round));
            last = Some(names);
        }
        let (events, records) = live.as_ref().map_or((0, 0), |live: &Live| (live.events, live.records));
        let all = Contents { records: filled.records + records, events: filled.events + events };
        let sending = match &last {
            Some(names) => {
                let (again, bar) = (made.outputs(self, "again")?, (show.bar)(names.outputs().count() as u64, "topics"));
                let sending = yardsticks::send(&self.kafka, names, &again, all.events, &bar)?;
                bar.finish_and_clear();
                Some(sending)
            }
            None => None,
        };
        let recovery = match self.kill {
            true => {
                let names = made.outputs(self, "kill")?;
                let start = || Service::start(&self.start, &self.environment(made, &names, Some("bench")));
                let bar = (show.bar)(all.events, "events");
                let recovery = recovery::measure(&self.kafka, &start, all, &bar)?;
                bar.finish_and_clear();
                results.push(results::published(&self.kafka, &names)?);
                Some(recovery)
            }
            false => None,
        };
        let bar = (show.bar)(filled.records, "records");
        let replayed = results::replayed(&self.kafka, &log, &self.plan, self.topics.outputs.format, &bar)?;
        bar.finish_and_clear();
        // Only the last round has the events at a rate.
        let differ = |it: &&Handoffs| **it != replayed.handoffs;
        let same = if live.is_some() { self.rounds as usize - 1 } else { 0 };
        let equal =
            !results[same..].iter().any(|it| differ(&it)) && results[..same].windows(2).all(|it| it[0] == it[1]);
        let mut report = Report {
            filled: filled.into(),
            yardsticks,
            sending,
            replayed,
            median: Drain::median(&runs),
            runs,
            live,
            recovery,
            handoffs: results[results.len() - 1],
            equal,
            ..Report::about(self, brokers.len())
        };
        report.notice(&machine);
        Ok(report)
    }

    fn fill(&self, log: &str, events: &mut impl Iterator<Item = Event>, show: &Show<'_>) -> Result<Written> {
        let bar = (show.bar)(self.events, "events");
        let filler = Filler::new(&self.kafka, log, self.partitions, self.pack)?;
        let written = filler.flat_out(&self.kafka, events.take(self.events as usize), &bar)?;
        bar.finish_and_clear();
        (show.tell)(format!(
            "filled {log} with {} events in {:.1} s",
            crate::text::count(written.events),
            written.seconds
        ));
        Ok(written)
    }

    /// The variables by which the service uses these topics.
    fn environment(&self, made: &Made, names: &Topics, instance: Option<&str>) -> Vec<(&'static str, String)> {
        let outputs = &names.outputs;
        let mut environment = vec![
            ("UPSWELL_KAFKA__BROKERS", self.kafka.brokers.clone()),
            ("UPSWELL_KAFKA__GROUP", names.prefix.clone()),
            ("UPSWELL_TOPICS__PREFIX", names.prefix.clone()),
            ("UPSWELL_TOPICS__LOG", names.log()),
            ("UPSWELL_INPUT__FORMAT", "protobuf".into()),
            ("UPSWELL_SNAPSHOTS__LOCATION", made.snapshots().display().to_string()),
            ("UPSWELL_INPUT__PARTITIONER", "murmur2".into()),
            ("UPSWELL_OUTPUTS__SIGNALS", serde_json::json!(outputs.signals).to_string()),
            ("UPSWELL_OUTPUTS__ONBOARDING", outputs.onboarding.to_string()),
            ("UPSWELL_OUTPUTS__ACCOUNTS", outputs.accounts.to_string()),
            ("UPSWELL_OUTPUTS__USERS", outputs.users.to_string()),
            ("UPSWELL_OUTPUTS__METRICS", outputs.metrics.to_string()),
        ];
        environment.extend(instance.map(|name| ("UPSWELL_KAFKA__GROUP_INSTANCE_ID", name.to_owned())));
        environment
    }

    /// Writes events at a rate to the service that has folded the others, and measures how long their handoffs take.
    fn live(
        &self,
        rate: u64,
        names: &Topics,
        service: &mut Service,
        events: &mut (impl Iterator<Item = Event> + Send),
        filled: Written,
        show: &Show<'_>,
    ) -> Result<Live> {
        let count = rate * self.seconds;
        let closing = if self.close { filled.events + count / 2 } else { u64::MAX };
        let clock = Clock { from: filled.newest.unwrap_or(EventTime(0)), first: filled.events, rate, closing };
        let events = events.take(count as usize).map(|mut event| {
            event.time = clock.time(event.number);
            event
        });
        let mut tail = Tail::open(&self.kafka, &results::topics(names))?;
        // Records wait for nothing before they are sent.
        let mut config = self.kafka.clone();
        config.properties.insert("linger.ms".into(), "0".into());
        let filler = Filler::new(&config, &names.log(), self.partitions, self.pack)?;
        // Connecting takes a moment, in which no event is due.
        let pace = Pace { began: Instant::now() + Duration::from_secs(1), rate };
        let counted = filled.events + (SETTLE.as_secs() * rate).min(count / 10);
        let expected = Expected { pace, first: filled.events, counted, closing };
        let (done, bar) = (AtomicBool::new(false), (show.bar)(count, "events"));
        let before = service.cpu();
        let (written, seen, cpu) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let written = filler.at_rate(&self.kafka, events, pace, &bar);
                if written.is_err() {
                    done.store(true, Ordering::Relaxed);
                }
                written
            });
            let waiter = scope.spawn(|| {
                let written = writer.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the writer panicked")));
                let cpu = service.cpu();
                let folded = written.and_then(|written| {
                    self.await_records(service, filled.records + written.records)?;
                    Ok(written)
                });
                done.store(true, Ordering::Relaxed);
                folded.map(|written| (written, cpu.zip(before).map(|(now, then)| now - then)))
            });
            let seen = latency::watch(&self.kafka, &mut tail, expected, &done);
            let (written, cpu) = waiter.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the watcher panicked")))?;
            anyhow::Ok((written, seen?, cpu))
        })?;
        bar.finish_and_clear();
        Ok(Live::new(rate, written, seen, cpu, self.close))
    }

    fn await_records(&self, service: &mut Service, records: u64) -> Result<()> {
        while service.page()?.unwrap_or_default().records < records {
            go_on(&self.kafka)?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// The times of events that are sent at a rate: they go at the pace of the clock, so that no day closes, or they skip to
/// where one does.
#[derive(Clone, Copy)]
struct Clock {
    /// The time of the last event before them.
    from: EventTime,
    /// The number of the first one.
    first: u64,
    rate: u64,
    /// The number of the first event after which a day closes.
    closing: u64,
}

impl Clock {
    fn time(&self, number: u64) -> EventTime {
        let passed = ((number - self.first) * 1_000 / self.rate) as i64;
        if number < self.closing {
            return self.from.plus(passed);
        }
        // Two hours into the next day: the allowed lateness is one hour by default.
        let day = self.from.0.div_euclid(DAY_MS) + 1;
        EventTime(day * DAY_MS + 2 * HOUR_MS + passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_at_a_rate_go_with_the_clock_and_skip_to_the_close_of_a_day() {
        let clock = Clock { from: EventTime(3 * DAY_MS + 5), first: 100, rate: 1_000, closing: 110 };
        assert_eq!(clock.time(100), EventTime(3 * DAY_MS + 5));
        assert_eq!(clock.time(109), EventTime(3 * DAY_MS + 14));
        assert_eq!(clock.time(110), EventTime(4 * DAY_MS + 2 * HOUR_MS + 10));
    }
}
