//! `upswell ingest`: copies the events of other topics into the log.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::config::{Config, Connection};
use super::run::{StopsAll, stop_on_signals};
use super::screen::WrongUse;
use crate::ingest::{self, Source};
use crate::telemetry::Telemetry;
use crate::wire::{Format, InputFormat};
use crate::{kafka, rules, serve, wire};

/// Copies the events of other topics into the log, exactly once, until SIGTERM or Ctrl-C.
///
/// Each topic is read in its format, as --from does with files (docs/input.md). Events are keyed by account and packed, and
/// each says where it was copied from. What cannot be used goes to the dead letters, with its bytes, its place in its topic
/// and the reason. As many processes can share a topic as it has partitions. A topic that already has the format of the
/// log, and the account as its key, needs no copy: name it as topics.log.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell ingest segment.events=segment --config upswell.yaml
  upswell ingest posthog=posthog stripe.webhooks=stripe --brokers localhost:9092
  upswell ingest --config upswell.yaml      # the topics of ingest.sources

The group of a topic is kafka.group, -ingest- and the name of the topic.")]
pub(super) struct Ingest {
    /// Topics with their formats, instead of ingest.sources.
    #[arg(value_name = "TOPIC=FORMAT", value_parser = source)]
    sources: Vec<Source>,
    #[command(flatten)]
    connection: Connection,
}

/// Parses a topic with its format.
fn source(text: &str) -> Result<Source, String> {
    let expected = || {
        let names: Vec<&str> = InputFormat::ALL.iter().map(|format| format.name()).collect();
        format!("expected TOPIC=FORMAT with one of the formats {}", names.join(", "))
    };
    let (topic, format) = text.rsplit_once('=').filter(|(topic, _)| !topic.is_empty()).ok_or_else(expected)?;
    let format = InputFormat::of_name(format).ok_or_else(expected)?;
    Ok(Source { topic: topic.to_owned(), format, account: Vec::new(), user: Vec::new() })
}

impl Ingest {
    pub(super) fn run(self) -> Result<()> {
        let mut config = self.connection.load_service()?;
        if !self.sources.is_empty() {
            config.ingest.sources = self.sources;
        }
        if config.ingest.sources.is_empty() {
            bail!(WrongUse("no topic to copy: name some as TOPIC=FORMAT, or in ingest.sources".into()));
        }
        if config.input.format.of_log() != Some(Format::Protobuf) {
            bail!(WrongUse(
                "ingest needs a log in protobuf (input.format): JSON has no place for where an event was copied from"
                    .into()
            ));
        }
        let presets = rules::presets(config.ingest.sources.iter().map(|source| source.format)).join(", ");
        if !presets.is_empty() && config.rules.file.is_none() {
            tracing::warn!(
                "the default rules of the service lack `presets: [segment, {presets}]`: name a rules file that has it"
            );
        }
        stop_on_signals(&config.kafka.stop)?;
        let jobs = jobs(&config)?;
        let telemetry = Telemetry::install()?;
        let address = serve::start(&config.http, Arc::clone(&telemetry), None)?;
        let (brokers, topics) = (&config.kafka.brokers, jobs.len());
        tracing::info!(%address, %brokers, topics, log = config.topics().log(), "started");
        copy_all(&jobs, usize::from(config.worker.threads), &telemetry)?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// A job for each topic.
fn jobs(config: &Config) -> Result<Vec<ingest::Job>> {
    let names = config.topics();
    let (log, dead_letters) = (names.log(), names.of(kafka::Output::DeadLetters));
    let partitions = kafka::partitions(&config.kafka, &log)?;
    kafka::partitions(&config.kafka, &dead_letters)?;
    let plan = rules::load(config.rules.file.as_deref())?;
    let job = |source: &Source| {
        if source.topic == log {
            bail!(WrongUse(format!("{log} is the log: it cannot be copied into itself")));
        }
        kafka::partitions(&config.kafka, &source.topic)?;
        let group = format!("{}-ingest-{}", config.kafka.group, source.topic);
        Ok(ingest::Job {
            kafka: kafka::Config { group, ..config.kafka.clone() },
            topic: source.topic.clone(),
            input: wire::Input::new(source.format, &source.account, &source.user),
            log: log.clone(),
            partitions,
            partitioner: config.input.partitioner,
            dead_letters: dead_letters.clone(),
            published: config.outputs.format,
            plan: Arc::clone(&plan),
            pack: usize::from(config.ingest.pack.max(1)),
        })
    };
    config.ingest.sources.iter().map(job).collect()
}

/// Copies every topic with this number of threads, until the process stops or one of them fails.
fn copy_all(jobs: &[ingest::Job], threads: usize, telemetry: &Telemetry) -> Result<()> {
    std::thread::scope(|scope| {
        let mut workers = Vec::new();
        for (number, job) in jobs.iter().flat_map(|job| std::iter::repeat_n(job, threads.max(1))).enumerate() {
            let worker = move || {
                let _stops = StopsAll(&job.kafka.stop);
                ingest::run(job, number, telemetry)
            };
            let name = format!("ingest-{number}");
            workers
                .push(std::thread::Builder::new().name(name).spawn_scoped(scope, worker).context("starting a thread")?);
        }
        let mut result = Ok(());
        for worker in workers {
            let ended = worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked: this is a defect")));
            result = result.and(ended);
        }
        result
    })
}
