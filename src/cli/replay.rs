//! `upswell replay`: processes files or a topic with the same code as the service, and writes the results to files.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use foldhash::fast::FixedState;

use super::config::Connection;
use super::cost;
use super::reading::{self, Reading};
use super::screen::{self, WrongUse};
use crate::engine::Record;
use crate::model::{Day, Effects, EventTime, Keys, MetricsRow, Outcome, Tally, Unmapped, Wanted};
use crate::registry::Registry;
use crate::replay::{Driver, Place, Read, Readable, Step, Topic};
use crate::rules::{self, Plan, Ready};
use crate::wire::{self, Headers, Kind, ToWire};

/// Processes a history as the service would, and writes what would have been published.
///
/// The same log gives the same bytes on any machine. Days that are still open at the end of the history close only with
/// --until.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell replay events.ndjson.zst --show
  upswell replay events.ndjson.zst --handoffs -
  upswell replay export.zip --from amplitude --handoffs -
  upswell replay posthog.ndjson --account '$groups.team' --dead-letters letters.ndjson
  upswell replay a.ndjson b.ndjson --until 2026-08-01 --metrics metrics.ndjson
  upswell replay --topic upswell.log --brokers localhost:9092 --signals signals.ndjson
  upswell replay events.ndjson --accounts accounts.ndjson --users users.ndjson
  gunzip -c old.gz | upswell replay - --rules mine.yaml --handoffs out.ndjson")]
pub(super) struct Replay {
    /// Files of events, folders or archives (zip, tar). Several are merged by event time. `-` is standard input.
    #[arg(value_name = "FILE", required_unless_present = "topic", conflicts_with = "topic")]
    files: Vec<PathBuf>,
    /// Read this topic instead: every partition from its beginning to its stable end.
    #[arg(long, value_name = "T")]
    topic: Option<String>,
    /// The rules file, instead of the one that the configuration names. Without either, the default rules apply, with the
    /// preset for the format of the files.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// At the end of the input, close all days before this one. Days begin at midnight of `time.utc_offset` of the
    /// rules.
    #[arg(long, value_name = "DATE", value_parser = reading::date)]
    until: Option<jiff::civil::Date>,
    /// Distribute accounts over this number of partitions, as Kafka does. Each partition has its own watermark.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "topic")]
    partitions: u16,
    #[command(flatten)]
    reading: Reading,
    /// Print a line for each handoff to standard output: when, level, account, trigger and why.
    #[arg(long)]
    show: bool,
    /// Write the figures of every account by day and week, one JSON object per line.
    #[arg(long, value_name = "OUT")]
    metrics: Option<PathBuf>,
    /// Write handoffs, as proto3 JSON, one per line.
    #[arg(long, value_name = "OUT")]
    handoffs: Option<PathBuf>,
    /// Write the signals feed, as proto3 JSON, one message per line.
    #[arg(long, value_name = "OUT")]
    signals: Option<PathBuf>,
    /// Write changes of onboarding tracks, as proto3 JSON, one per line.
    #[arg(long, value_name = "OUT")]
    onboarding: Option<PathBuf>,
    /// Write the last profile of each account, as proto3 JSON, one per line, ordered by id.
    #[arg(long, value_name = "OUT")]
    accounts: Option<PathBuf>,
    /// Write the last profile of each user, as proto3 JSON, one per line, ordered by account and id.
    #[arg(long, value_name = "OUT")]
    users: Option<PathBuf>,
    /// Write dead letters, as proto3 JSON, one per line.
    #[arg(long, value_name = "OUT")]
    dead_letters: Option<PathBuf>,
    /// Also print the cost: CPU time in all and per event, the peak of resident memory, and the memory of each part of
    /// the state.
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Replay {
    pub(super) fn run(self) -> Result<()> {
        self.refuse_paths_that_clash()?;
        let until = self.until.map(reading::until_day).transpose()?;
        let started = Instant::now();
        let mut fold = match &self.topic {
            Some(topic) => self.read_topic(topic)?,
            None => self.read_files()?,
        };
        if let Some(day) = until {
            fold.close_until(day)?;
        }
        fold.finish()?;
        // If nothing could be read, there are no results to print.
        reading::refuse_junk(&fold.readable)?;
        fold.summary(started);
        if self.topic.is_none() && fold.published.handoffs == [0; 3] {
            eprintln!("nothing fired: `upswell check --events FILE` shows what the events lack");
        }
        if self.stats {
            eprintln!("cost      {}", cost::of_process(fold.published.tally.total()));
            eprintln!("state     {}", cost::of_state(fold.driver.partitions()));
        }
        Ok(())
    }

    /// A file is either read or written, and by one output only.
    fn refuse_paths_that_clash(&self) -> Result<()> {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let whole = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| absolute(path));
        let mut taken: Vec<PathBuf> = self.files.iter().filter(|path| *path != Path::new("-")).map(whole).collect();
        let outputs = [&self.metrics, &self.handoffs, &self.signals, &self.onboarding, &self.accounts, &self.users];
        for path in
            outputs.into_iter().chain([&self.dead_letters]).flatten().filter(|path| path.is_file() || !path.exists())
        {
            if (taken.contains(&whole(path)) || self.show) && path == Path::new("-") {
                bail!(WrongUse("only one of the outputs can go to standard output".into()));
            }
            if taken.contains(&whole(path)) {
                bail!(WrongUse(format!("{} is named twice: an output would write over it", path.display())));
            }
            taken.push(whole(path));
        }
        if self.files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
            bail!(WrongUse("standard input can be read only once".into()));
        }
        Ok(())
    }

    fn outputs(&self) -> Result<Outputs> {
        Ok(Outputs {
            metrics: open(self.metrics.as_deref())?.map(|out| Rows { out, waiting: BTreeMap::new() }),
            shown: self.show.then(|| std::io::stdout().is_terminal()),
            handoffs: open(self.handoffs.as_deref())?,
            signals: open(self.signals.as_deref())?,
            onboarding: open(self.onboarding.as_deref())?,
            accounts: open(self.accounts.as_deref())?.map(|out| Latest::new(out, Kind::AccountProfile)),
            users: open(self.users.as_deref())?.map(|out| Latest::new(out, Kind::UserProfile)),
            dead_letters: open(self.dead_letters.as_deref())?,
        })
    }

    fn read_files(&self) -> Result<Fold> {
        let config = self.connection.load()?;
        let files = self.reading.files(&self.files, &config.input)?;
        let plan = reading::rules_for(self.rules.as_deref().or(config.rules.file.as_deref()), &files)?;
        let mut fold = Fold::new(plan, usize::from(self.partitions), self.outputs()?);
        let progress = screen::progress(files.bytes(), "bytes");
        files.read(&progress, &mut |events| fold.apply_all(events))?;
        progress.finish_and_clear();
        Ok(fold)
    }

    fn read_topic(&self, topic: &str) -> Result<Fold> {
        let config = self.connection.load()?;
        let format = self.reading.form.from.unwrap_or(config.input.format);
        let plan = rules::load_for(self.rules.as_deref().or(config.rules.file.as_deref()), &[format])?;
        let source = Topic::open(&config.kafka, Registry::open(&config.schema_registry)?, topic)?;
        let mut fold = Fold::new(plan, source.partitions(), self.outputs()?);
        let progress = screen::progress(Some(source.records()), "records");
        let how = self.reading.form.reading(format, &config.input);
        source.read(how, &progress, &mut |events| fold.apply_all(events))?;
        progress.finish_and_clear();
        Ok(fold)
    }
}

/// The partitions, what they publish, and what is counted of it.
struct Fold {
    plan: std::sync::Arc<Plan>,
    driver: Driver,
    published: Published,
    /// What could be read of files; it is not counted for a topic.
    readable: Readable,
    unmapped: Unmapped,
    oldest: Option<EventTime>,
    newest: Option<EventTime>,
    accounts: Accounts,
}

/// The accounts of all events, by their hashes: the partitions forget accounts that were inactive for long.
#[derive(Default)]
struct Accounts {
    known: HashSet<u64, FixedState>,
    /// Hashes of the last events. They are looked up together, so that reads of memory overlap.
    waiting: Vec<u64>,
}

impl Accounts {
    const WAITING_MAX: usize = 1_024;

    fn note(&mut self, keys: &Keys) {
        self.waiting.push(keys.account);
        if self.waiting.len() == Self::WAITING_MAX {
            self.count();
        }
    }

    /// How many there are.
    fn count(&mut self) -> u64 {
        self.known.extend(self.waiting.drain(..));
        self.known.len() as u64
    }
}

/// What the partitions published.
struct Published {
    outputs: Outputs,
    tally: Tally,
    handoffs: [u64; 3],
    signals: u64,
}

struct Outputs {
    /// Print handoffs for people; in colour or not.
    shown: Option<bool>,
    metrics: Option<Rows>,
    handoffs: Option<Lines>,
    signals: Option<Lines>,
    onboarding: Option<Lines>,
    accounts: Option<Latest>,
    users: Option<Latest>,
    dead_letters: Option<Lines>,
}

/// An output, a line at a time.
struct Lines {
    name: String,
    is_terminal: bool,
    out: Box<dyn Write>,
}

/// Profiles that are written to a file at the end, the last of each key.
struct Latest {
    out: Lines,
    kind: Kind,
    /// Encoded, by key.
    profiles: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Rows of metrics. They are written in one order: each waits until every partition has closed its day.
struct Rows {
    out: Lines,
    waiting: BTreeMap<(Day, bool), Vec<MetricsRow>>,
}

impl Fold {
    fn new(plan: std::sync::Arc<Plan>, partitions: usize, outputs: Outputs) -> Fold {
        let lateness_ms = plan.time.allowed_lateness_ms;
        let wanted = Wanted {
            signals: outputs.signals.is_some().into(),
            accounts: outputs.accounts.is_some(),
            users: outputs.users.is_some(),
            metrics: outputs.metrics.is_some(),
        };
        Fold {
            driver: Driver::new(&plan, partitions, wanted),
            plan,
            published: Published { outputs, tally: Tally::default(), handoffs: [0; 3], signals: 0 },
            readable: Readable::new(lateness_ms),
            unmapped: Unmapped::default(),
            oldest: None,
            newest: None,
            accounts: Accounts::default(),
        }
    }

    /// Applies events to their partitions: the one that a record was read from, or the one to which an event of a file belongs.
    fn apply_all(&mut self, events: &mut [Read<'_>]) -> Result<()> {
        for read in events.iter_mut().filter(|read| read.place.partition.is_none()) {
            self.plan.ids.key(&mut read.decoded);
            self.readable.count(&read.decoded, read.place);
        }
        let (mut batch, mut failed) = (Vec::with_capacity(events.len()), None);
        for read in &*events {
            match Ready::new(&read.decoded) {
                Ok(ready) => batch.push((self.driver.place(read.place.partition, &read.decoded), ready)),
                Err(error) => {
                    failed = Some(anyhow::Error::new(error).context(read.place.to_string()));
                    break;
                }
            }
        }
        self.driver.read_ahead(batch.iter().map(|(partitions, ready)| (partitions.start, ready)));
        for ((partitions, ready), read) in batch.into_iter().zip(&*events) {
            self.apply(partitions, read.record, read.index, &ready, read.place)?;
        }
        self.write_closed()?;
        failed.map_or(Ok(()), Err)
    }

    /// Applies one event.
    fn apply(
        &mut self,
        places: Range<usize>,
        record: Record,
        index: u32,
        ready: &Ready<'_>,
        from: Place<'_>,
    ) -> Result<()> {
        if let Ok(event) = &ready.event {
            self.oldest = Some(self.oldest.map_or(event.time, |oldest| oldest.min(event.time)));
            self.newest = self.newest.max(Some(event.time));
            if !event.kind.is_control() {
                self.accounts.note(ready.keys());
            }
        }
        let Fold { driver, published, unmapped, .. } = self;
        driver.apply(places, record, index, ready, &mut |step| {
            if let (Ok(event), true) = (&ready.event, step.folded.is_some_and(|folded| folded.is_unmapped)) {
                unmapped.count(&event.name);
            }
            published.publish(step, (from.file, from.headers))
        })
    }

    /// Writes the metrics of the days that are closed in every partition.
    fn write_closed(&mut self) -> Result<()> {
        let Some(rows) = &mut self.published.outputs.metrics else { return Ok(()) };
        match self.driver.open_day() {
            Some(open_everywhere) => rows.write_before(Some(open_everywhere)),
            None => Ok(()),
        }
    }

    /// Closes every day before this one, in every partition that has events.
    fn close_until(&mut self, day: Day) -> Result<()> {
        self.driver.close_until(day, &mut |step| self.published.publish(step, ("--until", Headers::NONE)))?;
        self.write_closed()
    }

    fn finish(&mut self) -> Result<()> {
        let Outputs { accounts, users, .. } = &mut self.published.outputs;
        [accounts, users].into_iter().flatten().try_for_each(Latest::write)?;
        if let Some(rows) = &mut self.published.outputs.metrics {
            rows.write_before(None)?;
            rows.out.flush()?;
        }
        let Outputs { handoffs, signals, onboarding, dead_letters, .. } = &mut self.published.outputs;
        [handoffs, signals, onboarding, dead_letters].into_iter().flatten().try_for_each(Lines::flush)
    }

    fn summary(&mut self, started: Instant) {
        let seconds = started.elapsed().as_secs_f64().max(1e-9);
        let total = self.published.tally.total();
        eprintln!(
            "events    {} in {seconds:.1} s ({}/s)",
            screen::count(total),
            screen::count((total as f64 / seconds) as u64)
        );
        if let (Some(oldest), Some(newest)) = (self.oldest, self.newest) {
            eprintln!("          oldest {} · newest {}", screen::minute(oldest), screen::minute(newest));
        }
        eprintln!("          {}", screen::outcomes(&self.published.tally));
        self.readable.unreadable().iter().for_each(|line| eprintln!("          cannot be read: {line}"));
        self.readable.loose().iter().for_each(|line| eprintln!("          {line}"));
        let late = self.published.tally.of(Outcome::TooLate);
        for (title, line) in ["order     ", "          "].into_iter().zip(self.readable.disorder(Some(late))) {
            eprintln!("{title}{line}");
        }
        eprintln!("accounts  {}", screen::count(self.accounts.count()));
        eprintln!("handoffs  {}", screen::levels(&self.published.handoffs));
        eprintln!("signals   {}", screen::count(self.published.signals));
        if self.unmapped.events() > 0 {
            let (events, names) = (screen::count(self.unmapped.events()), self.unmapped.names());
            let most =
                self.unmapped.top(3).into_iter().map(|(name, count)| format!("{name:?} {}", screen::count(count)));
            let most = most.collect::<Vec<_>>().join(", ");
            eprintln!("unmapped  {events} events of {names} names, most of all {most}: activity and nothing else");
        }
    }
}

impl Published {
    /// Counts what followed from one step, and writes what somebody asked for.
    fn publish(&mut self, step: Step<'_>, (source, headers): (&str, Headers<'_>)) -> Result<()> {
        step.folded.into_iter().for_each(|folded| self.tally.count(folded.outcome));
        if step.effects.is_empty() {
            return Ok(());
        }
        let Effects { handoffs, signals, entries, onboarding, accounts, users, metrics, dead_letters, .. } =
            step.effects;
        for handoff in handoffs {
            self.handoffs[handoff.level as usize] += 1;
            if let Some(colour) = self.outputs.shown {
                writeln!(std::io::stdout(), "{}", screen::handoff(handoff, colour))?;
            }
            write_line(&mut self.outputs.handoffs, || handoff.to_json())?;
        }
        self.signals += *entries;
        for signal in signals {
            write_line(&mut self.outputs.signals, || signal.to_json())?;
        }
        for track in onboarding {
            write_line(&mut self.outputs.onboarding, || track.to_json())?;
        }
        for letter in dead_letters {
            write_line(&mut self.outputs.dead_letters, || {
                wire::dead_letter(letter, source, step.partition as i32, headers).to_json()
            })?;
        }
        if let Some(out) = &mut self.outputs.accounts {
            for account in accounts {
                out.profiles.insert(account.account.as_bytes().to_vec(), account.to_bytes());
            }
        }
        if let Some(out) = &mut self.outputs.users {
            for user in users {
                let key = wire::user_key(&user.account, &user.user.user);
                if user.gone {
                    out.profiles.remove(&key);
                } else {
                    out.profiles.insert(key, user.to_bytes());
                }
            }
        }
        if let Some(out) = &mut self.outputs.metrics {
            for row in metrics.drain(..) {
                let (day, is_week, _) = row.order();
                out.waiting.entry((day, is_week)).or_default().push(row);
            }
        }
        Ok(())
    }
}

impl Latest {
    fn new(out: Lines, kind: Kind) -> Latest {
        Latest { out, kind, profiles: BTreeMap::new() }
    }

    fn write(&mut self) -> Result<()> {
        for profile in self.profiles.values() {
            self.out.write(&wire::read_json(self.kind, profile)?)?;
        }
        self.out.flush()
    }
}

impl Rows {
    /// Writes the rows of days before `open`, or of all, in order.
    fn write_before(&mut self, open: Option<Day>) -> Result<()> {
        let is_closed = |day: Day| open.is_none_or(|open| day < open);
        while let Some(first) = self.waiting.first_entry().filter(|entry| is_closed(entry.key().0)) {
            let mut rows = first.remove();
            rows.sort_by(|a, b| a.order().2.as_bytes().cmp(b.order().2.as_bytes()));
            for row in rows {
                self.out.write(&serde_json::to_string(&row)?)?;
            }
        }
        Ok(())
    }
}

impl Lines {
    fn write(&mut self, line: &str) -> Result<()> {
        let line = if self.is_terminal { screen::json_text(line) } else { line.into() };
        writeln!(self.out, "{line}").with_context(|| format!("writing {}", self.name))
    }

    fn flush(&mut self) -> Result<()> {
        self.out.flush().with_context(|| format!("writing {}", self.name))
    }
}

fn open(path: Option<&Path>) -> Result<Option<Lines>> {
    let Some(path) = path else { return Ok(None) };
    Ok(Some(if path == Path::new("-") {
        let is_terminal = std::io::stdout().is_terminal();
        Lines { name: "standard output".into(), is_terminal, out: Box::new(BufWriter::new(std::io::stdout().lock())) }
    } else {
        let name = path.display().to_string();
        let file = File::create(path).with_context(|| format!("creating {name}"))?;
        Lines { name, is_terminal: file.is_terminal(), out: Box::new(BufWriter::new(file)) }
    }))
}

fn write_line(out: &mut Option<Lines>, line: impl FnOnce() -> String) -> Result<()> {
    out.as_mut().map_or(Ok(()), |out| out.write(&line()))
}
