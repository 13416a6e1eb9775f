//! `upswell send`: sends events from files to the log.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::config::{self, Config, Connection};
use super::reading::Form;
use super::screen::{self, WrongUse};
use crate::kafka::{self, LogWriter, Partitioner};
use crate::model::EventTime;
use crate::replay::{Files, Input, Read, Readable};
use crate::rules::{self, Plan};
use crate::wire::{self, Admit, Decoded, Format, InputFormat};

/// Sends events from files to the log, keyed by account and partitioned by input.partitioner.
///
/// An event that cannot be read is sent unchanged, so that the service dead-letters it and nothing is lost.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell send events.ndjson.zst --config upswell.yaml
  upswell send export.zip --from amplitude --config upswell.yaml
  upswell send a.ndjson b.ndjson --brokers localhost:9092 --topic upswell.log --pack 100")]
pub(super) struct Send {
    /// Files of events, folders or archives. Several are merged by event time. `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    to: To,
}

/// How events of files get into the log.
#[derive(Args)]
pub(super) struct To {
    /// The topic of the log, instead of topics.log.
    #[arg(long, value_name = "T")]
    topic: Option<String>,
    /// Pack this number of events into one record, which makes reading 8 to 10 times cheaper. Only for a protobuf log.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pack: u16,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    pub(super) connection: Connection,
}

impl To {
    /// Files of events.
    pub(super) fn files(&self, files: &[PathBuf], config: &Config) -> Result<Files> {
        let files = self.form.files(files, &config.input, Admit::Product, None)?;
        // The events in the log have the names of the tool, but no longer its format.
        let presets = rules::presets(files.inputs().iter().map(Input::format)).join(", ");
        if !presets.is_empty() && config.rules.file.is_none() {
            eprintln!(
                "the default rules of the service lack `presets: [segment, {presets}]`: name a rules file that has it"
            );
        }
        Ok(files)
    }

    /// The log.
    pub(super) fn open(&self, config: &Config) -> Result<Log> {
        let topic = self.topic.clone().unwrap_or_else(|| config.topics().log());
        Log::open(&config.kafka, &topic, &config.input, usize::from(self.pack))
    }
}

impl Send {
    pub(super) fn run(self) -> Result<()> {
        let config = self.to.connection.load()?;
        let files = self.to.files(&self.files, &config)?;
        let plan = rules::load(config.rules.file.as_deref())?;
        let mut log = self.to.open(&config)?;
        let readable = log.send_all(&files, &plan)?;
        log.finish()?;
        eprintln!("sent {} events to {} on {}", screen::count(readable.events), log.topic, config.kafka.brokers);
        readable.loose().iter().for_each(|line| eprintln!("{line}"));
        if readable.malformed > 0 {
            let malformed = screen::count(readable.malformed);
            eprintln!("{malformed} of them cannot be read: the service will dead-letter them");
            readable.unreadable().iter().for_each(|line| eprintln!("cannot be read: {line}"));
        }
        readable.refuse_junk()
    }
}

/// Writes a control event into every partition of the log. Returns how many there are.
pub(super) fn send_to_all(config: &kafka::Config, topic: &str, control: &[u8]) -> Result<i32> {
    let partitions = kafka::partitions(config, topic)?;
    let mut writer = LogWriter::connect(config, topic)?;
    (0..partitions).try_for_each(|partition| writer.send_control(partition, control))?;
    writer.flush()?;
    Ok(partitions)
}

/// Reads all events of files with their ids as the rules want them, with a progress bar. `each` gets the event and its
/// format.
pub(super) fn read_all(
    files: &Files,
    plan: &Plan,
    mut each: impl FnMut(&Decoded<'_>, InputFormat) -> Result<()>,
) -> Result<Readable> {
    let progress = screen::progress(files.bytes(), "bytes");
    let mut readable = Readable::new(plan.time.allowed_lateness_ms);
    files.read(&progress, &mut |events| {
        events.drain(..).try_for_each(|Read { mut decoded, place, .. }| {
            plan.ids.key(&mut decoded);
            readable.count(&decoded, place);
            each(&decoded, place.format)
        })
    })?;
    progress.finish_and_clear();
    Ok(readable)
}

/// Sends events to the log: chooses the partition, encodes, and packs.
pub(super) struct Log {
    pub(super) topic: String,
    writer: LogWriter,
    format: Format,
    partitioner: Partitioner,
    partitions: i32,
    /// The events of the next record, by partition. Unused if `pack` is 1.
    packs: Vec<Vec<Vec<u8>>>,
    pack: usize,
}

impl Log {
    pub(super) fn open(config: &kafka::Config, topic: &str, input: &config::Input, pack: usize) -> Result<Log> {
        let &config::Input { format, partitioner, .. } = input;
        let Some(format) = format.of_log() else {
            let name = format.name();
            bail!(WrongUse(format!("input.format is {name}: events are sent only into a log in protobuf or json")));
        };
        if pack > 1 && format == Format::Json {
            bail!(WrongUse("--pack needs a protobuf log, but input.format is json".into()));
        }
        let partitions = kafka::partitions(config, topic)?;
        let (topic, writer) = (topic.to_owned(), LogWriter::connect(config, topic)?);
        let packs = vec![Vec::new(); partitions as usize];
        Ok(Log { topic, writer, format, partitioner, partitions, packs, pack })
    }

    /// Sends all events of files, with a progress bar.
    pub(super) fn send_all(&mut self, files: &Files, plan: &Plan) -> Result<Readable> {
        read_all(files, plan, |decoded, from| self.send(decoded, from))
    }

    /// Marks in every partition where history begins or ends, after everything that was sent before. `time` is that of the
    /// first or last event, so that a copy of the log is in the order of time, too.
    pub(super) fn mark_history(&mut self, begins: bool, time: EventTime) -> Result<()> {
        self.finish()?;
        let mark = wire::encode_backfill(self.format, begins, time);
        (0..self.partitions).try_for_each(|partition| self.writer.send_control(partition, &mark))?;
        self.finish()
    }

    /// Sends an event that was decoded from the format `from`.
    pub(super) fn send(&mut self, decoded: &Decoded<'_>, from: InputFormat) -> Result<()> {
        let Ok(event) = &decoded.event else { return self.place("", decoded.raw.to_vec()) };
        let payload = match (self.format, from) {
            (to, from) if from.of_log() == Some(to) && !decoded.is_changed => decoded.raw.to_vec(),
            (Format::Protobuf, _) => wire::encode(event),
            (Format::Json, _) => wire::encode_json(event).into_bytes(),
        };
        self.place(&event.account, payload)
    }

    fn place(&mut self, account: &str, payload: Vec<u8>) -> Result<()> {
        let key = (!account.is_empty()).then_some(account.as_bytes());
        let partition = key.and_then(|key| self.partitioner.place(key, self.partitions));
        if self.pack == 1 {
            return Ok(self.writer.send(partition, key, &payload)?);
        }
        let any = || key.map_or(0, |key| kafka::partition_of(key, self.partitions));
        let partition = partition.unwrap_or_else(any);
        self.packs[partition as usize].push(payload);
        if self.packs[partition as usize].len() == self.pack {
            self.send_pack(partition)?;
        }
        Ok(())
    }

    fn send_pack(&mut self, partition: i32) -> Result<()> {
        let members = std::mem::take(&mut self.packs[partition as usize]);
        Ok(self.writer.send(Some(partition), None, &wire::pack(members))?)
    }

    /// Sends the events that wait to be packed, and waits until all records are delivered.
    pub(super) fn finish(&mut self) -> Result<()> {
        for partition in 0..self.partitions {
            if !self.packs[partition as usize].is_empty() {
                self.send_pack(partition)?;
            }
        }
        Ok(self.writer.flush()?)
    }
}
