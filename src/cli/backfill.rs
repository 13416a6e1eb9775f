//! `upswell backfill`: loads history into an empty log.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::reading::{self, duration};
use super::screen::{self, WrongUse};
use super::send::To;
use crate::kafka;
use crate::model::EventTime;
use crate::replay::{Files, Read, Readable};
use crate::rules::{self, Plan};
use crate::wire::Admit;

/// Loads history into an empty log: what happened before the service goes live.
///
/// The events are written between two marks. The service folds what lies between them, and publishes nothing of it but
/// dead letters. At the second mark it publishes the profiles of all accounts and users, and from there on everything.
/// Conditions that are true there count as fired: they fire again once they have been false. So an account with a year
/// of history is known from the first day, and sales does not get a year of handoffs at once.
///
/// The files are read twice, first to check them. Try the history before with `upswell replay` and `upswell explain`.
/// Let producers write to the log only after this command has ended: what they write before is history too.
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
    /// Treat an event as malformed if its time is further ahead of the newest event before it than this, such as 30d.
    #[arg(long, value_name = "D", value_parser = duration)]
    max_jump: Option<i64>,
    /// Load events that are not in the order of their times, too: those that are too late will not count.
    #[arg(long)]
    unsorted: bool,
    #[command(flatten)]
    to: To,
}

impl Backfill {
    pub(super) fn run(self) -> Result<()> {
        if self.files.iter().any(|file| file == Path::new("-")) {
            bail!(WrongUse("history is read twice, first to check it: give a file instead of -".into()));
        }
        let config = self.to.connection.load()?;
        let inputs = self.files.iter().map(|file| reading::input(file, self.to.format, Admit::Product));
        let files = Files::new(inputs.collect::<Result<_>>()?, self.max_jump);
        let plan = rules::load(config.rules.file.as_deref())?;
        let mut log = self.to.open(&config)?;
        refuse_records(&config.kafka, &log.topic)?;
        let (events, span) = self.check(&files, &plan)?;
        eprintln!("history of {} events, {span}", screen::count(events));
        let loaded =
            log.mark_history(true).and_then(|()| log.send_all(&files, &plan)).and_then(|_| log.mark_history(false));
        loaded.with_context(|| {
            format!(
                "the history is not complete, and nothing of it will be published: delete the topic {}, the offsets of \
                 the group {} and its snapshots, create the topic with `upswell topics`, and repeat",
                log.topic, config.kafka.group
            )
        })?;
        eprintln!("loaded into {} on {}: producers may write to it now", log.topic, config.kafka.brokers);
        Ok(())
    }

    /// Reads the files, and warns of events that cannot be read. Returns how many events there are, and of which days.
    fn check(&self, files: &Files, plan: &Plan) -> Result<(u64, String)> {
        let progress = screen::progress(files.bytes(), "bytes");
        progress.set_message("checking");
        let mut readable = Readable::new(plan.time.allowed_lateness_ms);
        let (mut first, mut last) = (EventTime::MAX, EventTime::MIN);
        files.read(&progress, &mut |events| {
            for Read { mut decoded, place, .. } in events.drain(..) {
                plan.ids.key(&mut decoded);
                readable.count(&decoded, place);
                if let Ok(event) = &decoded.event {
                    (first, last) = (first.min(event.time), last.max(event.time));
                }
            }
            Ok(())
        })?;
        progress.finish_and_clear();
        readable.refuse_junk()?;
        readable.loose().iter().for_each(|line| eprintln!("{line}"));
        if readable.malformed > 0 {
            eprintln!("{} events cannot be read: the service will dead-letter them", screen::count(readable.malformed));
            readable.unreadable().iter().for_each(|line| eprintln!("cannot be read: {line}"));
        }
        let disorder = readable.disorder(None);
        if !disorder.is_empty() && !self.unsorted {
            bail!("{}; or load it as it is with --unsorted. Nothing was written", disorder.join("; "));
        }
        if readable.events == 0 {
            bail!("the files have no events");
        }
        Ok((readable.events, format!("{} to {}", plan.time.calendar.day(first), plan.time.calendar.day(last))))
    }
}

/// Refuses a log that has records: what happened after its first event cannot come before it any more.
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
