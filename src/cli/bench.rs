//! `upswell bench`: measures the service on a Kafka cluster.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

use super::config::{Config, Connection};
use super::generate::LoadName;
use super::run;
use super::screen::{self, WrongUse};
use crate::bench::{self, Bench, Show, Start};
use crate::rules;
use crate::simulate::load::Load;

/// Measures the service on your Kafka cluster: events per second, CPU time and memory per event, latency, recovery.
///
/// It creates topics of its own, fills a log with a load, lets `upswell run` process it in a process of its own, and
/// compares the committed handoffs with those that `replay` gives for the same log. At the end, and after Ctrl-C, it
/// removes its topics. In the same run it measures what only reading the topic and only decoding its records costs. CPU
/// time and memory are known on Linux, those of brokers if they run on this machine.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell bench --brokers localhost:9092
      a million events of the load sparse, with the default rules and all outputs
  upswell bench --config upswell.yaml --load busy --events 3000000 --pack 100 --rounds 3 --rate 20000 --kill \\
      --json --plot bench.svg > bench.json
      three runs over packed records, then latency at 20000 events per second, then a recovery
  upswell bench --ingest --brokers localhost:9092
      what `upswell ingest` costs beside a bare copy of the topic")]
pub(super) struct Measure {
    #[command(flatten)]
    connection: Connection,
    /// The load.
    #[arg(long, value_enum, default_value = "sparse")]
    load: LoadName,
    /// The number of events in the log before the service starts: the first ones of the load.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    events: u64,
    /// The number of users of the load. Its accounts and events change with it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=90_000_000))]
    users: Option<u32>,
    /// The number of accounts of the load.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    accounts: Option<u32>,
    /// The number of days of the load. Its events change with it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(7..=3_650))]
    days: Option<u32>,
    /// The exponent of the law of Zipf that account sizes follow: 0 is all alike, 0.8 is the default.
    #[arg(long, value_name = "S", value_parser = skew)]
    skew: Option<u32>,
    /// Add a text of this number of bytes to every event, which has some 139 bytes without it.
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    payload: u32,
    /// The seed of the load.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of partitions of every topic, instead of topics.partitions.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    partitions: Option<u16>,
    /// Pack this number of events into one record.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pack: u16,
    /// The rules, instead of rules.file of the configuration.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// What is published; by default what the configuration says.
    #[arg(long, value_enum, value_name = "WHAT")]
    outputs: Option<Outputs>,
    /// Process the log this number of times, and report the medians.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// Then write this number of events per second, at the pace of the clock, and measure how long their handoffs take.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: Option<u64>,
    /// For how many seconds.
    #[arg(long, value_name = "S", default_value_t = 30, requires = "rate", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Let a day close in the middle of them.
    #[arg(long, requires = "rate")]
    close: bool,
    /// Then process the log again, end the process with kill -9 at nine tenths, and measure how long another one takes to
    /// catch up.
    #[arg(long)]
    kill: bool,
    /// Measure `upswell ingest` instead: fill a topic with the events as JSON, copy it into the log, and copy it again record
    /// by record with nothing but librdkafka, in transactions as well.
    #[arg(long, conflicts_with_all = ["pack", "rules", "outputs", "rounds", "rate", "kill", "plot"])]
    ingest: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Also draw the figures into this file.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Keep the topics.
    #[arg(long)]
    keep: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Outputs {
    /// Every topic.
    All,
    /// Handoffs and metrics only, which is what other stream processors are compared with.
    Peers,
}

impl Measure {
    pub(super) fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let bench = self.bench(&config)?;
        if let Some(path) = &self.plot {
            // Not found out after minutes.
            std::fs::write(path, "").with_context(|| format!("writing {}", path.display()))?;
        }
        run::stop_on_signals(&config.kafka.stop)?;
        let show = Show {
            bar: &|total, unit| screen::progress(Some(total), unit),
            tell: &|line| eprintln!("{}", screen::plain(&line)),
        };
        let mut out = std::io::stdout();
        if self.ingest {
            let copied = bench.run_ingest(&show)?;
            match self.json {
                true => writeln!(out, "{}", serde_json::to_string_pretty(&copied)?)?,
                false => write!(out, "{copied}")?,
            }
            return Ok(());
        }
        let report = bench.run(&show)?;
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
            false => write!(out, "{report}")?,
        }
        if let Some(path) = &self.plot {
            std::fs::write(path, bench::plot(&report)).with_context(|| format!("writing {}", path.display()))?;
        }
        if !report.equal {
            bail!("the service committed other handoffs than replay gives: this is a defect");
        }
        Ok(())
    }

    fn bench(&self, config: &Config) -> Result<Bench> {
        let load = self.load()?;
        let rules = self.rules.as_deref().or(config.rules.file.as_deref());
        let mut topics = config.topics();
        let (all, peers) = (self.outputs == Some(Outputs::All), self.outputs == Some(Outputs::Peers));
        if all || peers {
            topics.outputs = crate::kafka::Outputs {
                format: topics.outputs.format,
                signals: all.into(),
                onboarding: all,
                accounts: all,
                users: all,
                metrics: true,
            };
        }
        let bench = Bench {
            kafka: config.kafka.clone(),
            topics,
            partitions: self.partitions.unwrap_or(config.topics.partitions),
            replication: config.topics.replication,
            plan: rules::load(rules)?,
            start: Start {
                program: std::env::current_exe().context("finding this program")?,
                config: self.connection.config.clone(),
                environment: rules
                    .map(|file| ("UPSWELL_RULES__FILE".into(), file.display().to_string()))
                    .into_iter()
                    .collect(),
            },
            load,
            seed: self.seed,
            events: self.events,
            pack: self.pack,
            rate: self.rate,
            seconds: self.seconds,
            close: self.close,
            kill: self.kill,
            rounds: self.rounds,
            keep: self.keep,
        };
        let (needed, all) = (bench.events_needed(), load.events);
        if needed > all {
            let [needed, all] = [needed, all].map(screen::count);
            bail!(WrongUse(format!(
                "the load has {all} events, but --events and --rate need {needed}: set more --users or --days, or fewer \
                 --events"
            )));
        }
        Ok(bench)
    }

    /// The load, with as many events for each user and day as the one of its name.
    fn load(&self) -> Result<Load> {
        let usual = self.load.load();
        let users = self.users.unwrap_or(usual.users);
        let scaled = |number: u64, by: u32, usual: u32| number * u64::from(by) / u64::from(usual);
        let accounts = scaled(usual.accounts.into(), users, usual.users).clamp(1, 1_000_000) as u32;
        let accounts = self.accounts.unwrap_or(accounts);
        if accounts > users {
            let [accounts, users] = [accounts, users].map(|number| screen::count(number.into()));
            bail!(WrongUse(format!("--accounts is {accounts}, more than the {users} users: every account has a user")));
        }
        let days = self.days.unwrap_or(usual.days);
        let events = scaled(scaled(usual.events, users, usual.users), days, usual.days);
        let skew = self.skew.unwrap_or(usual.skew);
        Ok(Load { name: usual.name, events, accounts, users, days, skew, payload: self.payload })
    }
}

/// Parses an exponent into hundredths.
fn skew(text: &str) -> Result<u32, String> {
    let read = text.parse::<f64>().ok().filter(|skew| (0.0..=3.0).contains(skew));
    read.map(|skew| (skew * 100.0).round() as u32).ok_or_else(|| "expected a number from 0 to 3, such as 0.8".into())
}
