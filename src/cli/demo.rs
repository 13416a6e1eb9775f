//! `upswell demo`: runs a generator, a broker, the service and a consumer in one process.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::config::{self, Config};
use super::generate::{self, Generated, Pace};
use super::run;
use super::screen;
use super::send::Log;
use crate::kafka::{Embedded, Output, Tail};
use crate::model::Level;
use crate::simulate::product::Product;
use crate::telemetry::{Telemetry, Totals};
use crate::wire;

const PARTITIONS: i32 = 2;
/// How many events the generator may be ahead of the service: the embedded broker keeps only 5 MiB a partition.
const AHEAD_MAX: u64 = 20_000;
/// How long to wait for effects after the last event was sent.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs a demo that needs no Kafka: sends the events of a simulated product through a broker in this process, and
/// prints the handoffs.
///
/// The embedded broker is the test broker of librdkafka. It stores nothing on disk, and does not guarantee
/// exactly-once across a restart, nor that records have the broker's time. `upswell run` on Apache Kafka guarantees
/// both.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell demo
  upswell demo --for 30s --rate 100000
  upswell demo --seed 7 --users 20000 --events 2000000 --rate 0")]
pub(super) struct Demo {
    /// End after this time, such as 30s or 2m. Without it, the demo ends once all events are processed.
    #[arg(long = "for", value_name = "TIME")]
    lasting: Option<jiff::SignedDuration>,
    /// The seed of the simulated product.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of users of the product.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    users: u64,
    /// The number of events of its history, which ends now.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    events: u64,
    /// Events per second; 0 is without a limit.
    #[arg(long, default_value_t = 15_000, value_name = "N")]
    rate: u64,
}

impl Demo {
    pub(super) fn run(self) -> Result<()> {
        let config = Config::default();
        let names = config.topics();
        let topics: Vec<(String, i32)> =
            names.specs(PARTITIONS, None).into_iter().map(|spec| (spec.name, PARTITIONS)).collect();
        let broker = Embedded::start(topics.iter().map(|(name, partitions)| (name.as_str(), *partitions)))?;
        let mut job = run::job(&config)?;
        job.kafka.brokers = broker.brokers();
        // The embedded broker keeps no offsets.
        job.from_the_beginning = true;
        eprintln!(
            "An embedded broker listens on {}. It is a test broker: it stores nothing on disk, and does not",
            broker.brokers()
        );
        eprintln!("guarantee exactly-once across a restart, nor the broker's time on records. Apache Kafka does both.");
        eprintln!(
            "Simulating {} users and {} events. Press Ctrl-C to stop.\n",
            screen::count(self.users),
            screen::count(self.events)
        );

        let telemetry = Telemetry::install()?;
        let stop = Arc::clone(&job.kafka.stop);
        run::stop_on_signals(&stop)?;
        let handoffs: Vec<String> = Level::ALL.map(|level| names.of(Output::of_level(level))).to_vec();
        let mut tail = Tail::open(&job.kafka, &handoffs)?;
        let sent = AtomicU64::new(0);
        let history_ended = AtomicBool::new(false);
        std::thread::scope(|scope| -> Result<()> {
            let worker = std::thread::Builder::new()
                .name("worker".into())
                .spawn_scoped(scope, || run::work(&job, 1, &telemetry))?;
            let generator = std::thread::Builder::new().name("generator".into()).spawn_scoped(scope, || {
                let made = self.generate(&job.kafka, &names.log(), &telemetry, &sent, &stop);
                history_ended.store(true, Ordering::Relaxed);
                made
            })?;
            let shown = self.show(&mut tail, &telemetry, &stop, &history_ended);
            stop.store(true, Ordering::Relaxed);
            let generated =
                generator.join().map_err(|_| anyhow::anyhow!("the generator panicked: this is a defect"))?;
            let worked = worker.join().map_err(|_| anyhow::anyhow!("the worker panicked: this is a defect"))?;
            shown.and(generated).and(worked)
        })
    }

    fn generate(
        &self,
        kafka: &crate::kafka::Config,
        topic: &str,
        telemetry: &Telemetry,
        sent: &AtomicU64,
        stop: &AtomicBool,
    ) -> Result<()> {
        let now = jiff::Timestamp::now().as_millisecond();
        let mut log = Log::open(kafka, topic, &config::Input::default(), 1)?;
        let mut pace = Pace::new(Some(self.rate).filter(|rate| *rate > 0));
        for (number, event) in (1..).zip(Product::new(self.seed, self.users, self.events, now)) {
            generate::send(&mut log, &Generated::Product(event))?;
            sent.store(number, Ordering::Relaxed);
            pace.after(number);
            while number - telemetry.totals().events.min(number) > AHEAD_MAX && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
        log.finish()
    }

    /// Prints handoffs as they are committed, above a line of totals, until the demo ends.
    fn show(
        &self,
        tail: &mut Tail,
        telemetry: &Telemetry,
        stop: &AtomicBool,
        history_ended: &AtomicBool,
    ) -> Result<()> {
        let began = Instant::now();
        let colour = std::io::stdout().is_terminal();
        let line = status_line();
        let lasting = self.lasting.map(|lasting| Duration::try_from(lasting).unwrap_or_default());
        let mut ended: Option<Instant> = None;
        let mut seen = 0;
        loop {
            let mut lines = Vec::new();
            tail.poll(Duration::from_millis(50), &mut |message| {
                seen += 1;
                lines.push(match wire::read_handoff(message.payload) {
                    Ok(handoff) => screen::handoff(&handoff, colour),
                    Err(error) => format!("a record that is not a handoff: {error}"),
                });
            })?;
            line.suspend(|| lines.iter().try_for_each(|text| writeln!(std::io::stdout(), "{text}")))
                .context("showing handoffs")?;
            let totals = telemetry.totals();
            line.set_message(summary(&totals, began.elapsed()));
            if history_ended.load(Ordering::Relaxed) {
                ended.get_or_insert_with(Instant::now);
            }
            let through =
                totals.events >= self.events && totals.handoffs.iter().sum::<u64>() <= seen && lines.is_empty();
            let drained = ended.is_some_and(|at| through || at.elapsed() > DRAIN);
            if drained || stop.load(Ordering::Relaxed) || lasting.is_some_and(|lasting| began.elapsed() >= lasting) {
                line.finish_and_clear();
                eprintln!("\n{}", summary(&totals, began.elapsed()));
                return Ok(());
            }
        }
    }
}

fn status_line() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn summary(totals: &Totals, elapsed: Duration) -> String {
    let rate = totals.events as f64 / elapsed.as_secs_f64().max(1e-9);
    format!(
        "{} events ({}/s) · {} accounts · {} signals · handoffs: {}",
        screen::count(totals.events),
        screen::count(rate as u64),
        screen::count(totals.accounts),
        screen::count(totals.signals),
        screen::levels(&totals.handoffs),
    )
}
