//! `upswell ingest`: copies the events of other topics into the log.

use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;

use super::config::{Config, Connection};
use super::run::{run_all, stop_on_signals};
use super::screen::WrongUse;
use crate::ingest::{self, Source};
use crate::registry::Registry;
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
        let threads = usize::from(config.worker.threads).max(1);
        let each = jobs.iter().flat_map(|job| std::iter::repeat_n(job, threads)).enumerate();
        let telemetry = &*telemetry;
        let workers = each.map(|(number, job)| move || ingest::run(job, number, telemetry));
        run_all("ingest", workers, &config.kafka.stop)?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// A job for each topic.
fn jobs(config: &Config) -> Result<Vec<ingest::Job>> {
    let names = config.topics();
    let (log, dead_letters) = (names.log(), names.of(kafka::Output::DeadLetters));
    let partitions = kafka::partitions(&config.kafka, &log)?;
    let sources = config.ingest.sources.iter().map(|source| source.topic.clone());
    kafka::check_exist(&config.kafka, [dead_letters.clone()].into_iter().chain(sources))?;
    let plan = rules::load(config.rules.file.as_deref())?;
    let registry = Registry::open(&config.schema_registry)?;
    let job = |source: &Source| {
        if source.topic == log {
            bail!(WrongUse(format!("{log} is the log: it cannot be copied into itself")));
        }
        let group = format!("{}-ingest-{}", config.kafka.group, source.topic);
        Ok(ingest::Job {
            kafka: kafka::Config { group, ..config.kafka.clone() },
            topic: source.topic.clone(),
            input: wire::Input::new(source.format, &source.account, &source.user)
                .with_schemas(registry.as_ref().map(|registry| registry.schemas())),
            registry: registry.clone(),
            log: log.clone(),
            partitions,
            partitioner: config.input.partitioner,
            dead_letters: dead_letters.clone(),
            published: config.outputs.format,
            plan: Arc::clone(&plan),
            pack: usize::from(config.ingest.pack.get()),
        })
    };
    config.ingest.sources.iter().map(job).collect()
}
