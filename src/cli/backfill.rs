//! `upswell backfill`: loads history into an empty log.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::screen::{self, WrongUse};
use super::send::{Log, To, read_all};
use crate::kafka;
use crate::model::EventTime;
use crate::replay::Files;
use crate::rules::{self, Plan};

/// Loads history into an empty log: what happened before the service goes live.
///
/// The events are written between two marks. The service folds what lies between them, and publishes nothing of it but
/// dead letters. At the second mark it publishes the profiles of all accounts and users; after it everything is
/// published as usual. Conditions that are true there count as fired: they fire again once they have been false. So an
/// account with a year of history is known from the first day, and sales does not get a year of handoffs at once.
///
/// The files are read twice, first to check them. First try the history with `upswell replay` and `upswell explain`.
/// Let producers write to the log only after this command has ended: what they write before is history too. If the
/// command is interrupted, nothing that the log contains is published until it is completed with a new log.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell replay history.ndjson.zst --handoffs -    # what would have fired
  upswell topics --config upswell.yaml
  upswell backfill history.ndjson.zst --config upswell.yaml
  upswell backfill 2025-*.ndjson.zst 2026-*.ndjson.zst --pack 100 --config upswell.yaml")]
pub(super) struct Backfill {
    /// Files of events in the order of their times. Several files are merged by event time.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Load events that are not in the order of their times, too: those that are too late will not count.
    #[arg(long)]
    unsorted: bool,
    #[command(flatten)]
    to: To,
}

/// What the files contain.
struct Checked {
    events: u64,
    malformed: u64,
    /// The times of the first and the last event.
    span: (EventTime, EventTime),
}

impl Backfill {
    pub(super) fn run(self) -> Result<()> {
        // A missing file is reported where it is read.
        let is_stream = |file: &&PathBuf| std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file());
        if let Some(stream) = self.files.iter().find(|file| file.as_os_str() == "-" || is_stream(file)) {
            let stream = stream.display();
            bail!(WrongUse(format!("history is read twice, first to check it: {stream} is no file that can be")));
        }
        let config = self.to.connection.load()?;
        let files = self.to.files(&self.files, &config)?;
        let plan = rules::load(config.rules.file.as_deref())?;
        let mut log = self.to.open(&config)?;
        refuse_records(&config.kafka, &log.topic)?;
        let checked = self.check(&files, &plan)?;
        let (first, last) = checked.span;
        let [begin, end] = [first, last].map(|time| plan.time.calendar.day(time));
        eprintln!("history of {} events, {begin} to {end}", screen::count(checked.events));
        // Reading the files may have taken long.
        refuse_records(&config.kafka, &log.topic)?;
        let (brokers, group, topic) = (&config.kafka.brokers, &config.kafka.group, log.topic.clone());
        load(&config.kafka, &mut log, &files, &plan, &checked).with_context(|| {
            format!(
                "the history in {topic} is not complete, and a service that reads it may not publish what follows. \
                 Delete the topic, the offsets of the group {group} and its snapshots, create the topic with `upswell \
                 topics`, and repeat; if dead letters of the history were published, start with `upswell run \
                 --from-the-beginning`"
            )
        })?;
        eprintln!("loaded into {topic} on {brokers}: producers may write to it now");
        Ok(())
    }

    /// Reads the files, and warns of events that cannot be read.
    fn check(&self, files: &Files, plan: &Plan) -> Result<Checked> {
        let (mut first, mut last) = (EventTime::MAX, EventTime::MIN);
        let readable = read_all(files, plan, |decoded, _| {
            if let Ok(event) = &decoded.event {
                (first, last) = (first.min(event.time), last.max(event.time));
            }
            Ok(())
        })?;
        readable.refuse_junk()?;
        readable.loose().iter().for_each(|line| eprintln!("{line}"));
        if readable.malformed > 0 {
            let malformed = screen::count(readable.malformed);
            eprintln!("events that cannot be read: {malformed}; the service will dead-letter them");
            readable.unreadable().iter().for_each(|line| eprintln!("cannot be read: {line}"));
        }
        if let Some(disorder) = readable.disorder(None).first().filter(|_| !self.unsorted) {
            bail!("{disorder}. Sort it, or load it as it is with --unsorted. Nothing was written");
        }
        if readable.events == 0 {
            bail!("the files have no events");
        }
        Ok(Checked { events: readable.events, malformed: readable.malformed, span: (first, last) })
    }
}

/// Writes the files between the marks.
fn load(config: &kafka::Config, log: &mut Log, files: &Files, plan: &Plan, checked: &Checked) -> Result<()> {
    log.mark_history(true, checked.span.0)?;
    let mut reader = kafka::Reader::open(config, &log.topic)?;
    for partition in 0..reader.partitions() {
        let mut begins = false;
        reader.read(partition, &mut |message| {
            begins = message.is_control;
            ControlFlow::Break(())
        })?;
        if !begins {
            bail!("another producer has written to partition {partition} meanwhile");
        }
    }
    let sent = log.send_all(files, plan)?;
    if (sent.events, sent.malformed) != (checked.events, checked.malformed) {
        bail!("the files have changed since they were checked");
    }
    log.mark_history(false, checked.span.1)
}

/// Refuses a log that has records: what happened before its first event cannot come after it.
fn refuse_records(config: &kafka::Config, topic: &str) -> Result<()> {
    let reader = kafka::Reader::open(config, topic)?;
    for partition in 0..reader.partitions() {
        let end = reader.span(partition)?.end;
        if end > 0 {
            bail!(
                "{topic} is not empty: partition {partition} has had {} records. History can only be loaded before \
                 everything else: into a new topic (topics.log or topics.prefix), with a new kafka.group",
                screen::count(end as u64)
            );
        }
    }
    Ok(())
}
