//! `upswell generate`: writes the events of a simulated product, or of a load for benchmarks, to a file or a topic.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use prost::encoding::encode_varint;

use super::config::Connection;
use super::reading;
use super::screen::{self, WrongUse};
use super::send::Log;
use crate::model::{Calendar, Day, Event, EventKind, EventTime, Fields};
use crate::simulate::load::{self, Load};
use crate::simulate::product::{self, Product, PropertyValue};
use crate::wire::{self, Decoded, Format, InputFormat};

/// Generates the events of a simulated product, or with --load the events of a load for benchmarks.
///
/// In the simulated product accounts grow and shrink, users view the pricing page, and some ask for enterprise
/// features. The same options give the same bytes on any machine. Memory use does not depend on the number of users.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell generate --users 3000 --events 300000 --end 2026-08-01 --out events.ndjson.zst
  upswell generate --seed 7 --users 1000000 --events 100000000 --end 2026-08-01 --topic upswell.log --pack 100
  upswell generate --load sparse --events 3000000 --end 2026-08-01 --out sparse.pb")]
pub(super) struct Generate {
    /// The seed of the simulated product or load.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Generate a load for benchmarks instead of the product: 10 million events in 60 days.
    #[arg(long, value_enum, conflicts_with = "users")]
    load: Option<LoadName>,
    /// The number of users of the product, at most 10 million.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    users: u64,
    /// The number of events, at most a billion; by default 300000 of a product, and all of a load. A smaller number
    /// gives the first events of the same load.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    events: Option<u64>,
    /// The history ends before this day (UTC). A load always begins 60 days before it.
    #[arg(long, value_name = "DATE", value_parser = reading::date)]
    end: jiff::civil::Date,
    /// Write at most this number of events per second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Pack this number of events into one record of the topic.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pack: u16,
    /// Write to this file: NDJSON or length-delimited protobuf by its extension, compressed if the name ends in .gz or
    /// .zst. `-` is standard output, as NDJSON.
    #[arg(long, value_name = "FILE", required_unless_present = "topic", conflicts_with = "topic")]
    out: Option<PathBuf>,
    /// Write to this topic, as `upswell send` does.
    #[arg(long, value_name = "T")]
    topic: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Generate {
    pub(super) fn run(self) -> Result<()> {
        if self.pack > 1 && self.topic.is_none() {
            bail!(WrongUse("--pack needs --topic: a file has one event per record".into()));
        }
        let load = self.load.map(LoadName::load);
        let most = load.map_or(u64::MAX, |load| load.events);
        if let Some(load) = load.filter(|load| self.events.is_some_and(|events| events > load.events)) {
            let all = screen::count(load.events);
            bail!(WrongUse(format!("--load {} has only {all} events, fewer than --events", load.name)));
        }
        let events = self.events.unwrap_or(if load.is_some() { most } else { PRODUCT_EVENTS });
        let mut sink = match (&self.topic, &self.out) {
            (Some(topic), _) => {
                let config = self.connection.load()?;
                Sink::Topic(Log::open(&config.kafka, topic, &config.input, usize::from(self.pack))?)
            }
            (None, Some(path)) => {
                let format = if path == Path::new("-") { Format::Json } else { reading::by_extension(path, "")? };
                Sink::File(open(path)?, format)
            }
            (None, None) => unreachable!("the arguments ask for one of them"),
        };
        let target = self.topic.as_deref().map(Path::new).or(self.out.as_deref()).unwrap_or(Path::new(""));
        let writing = || format!("writing {}", target.display());
        let progress = screen::progress(Some(events), "events");
        let mut pace = Pace::new(self.rate);
        let mut write = |number: u64, event: Generated| {
            sink.write(&event).with_context(writing)?;
            if number.is_multiple_of(1_024) {
                progress.set_position(number);
            }
            pace.after(number);
            anyhow::Ok(())
        };
        match load {
            Some(load) => {
                let first = Day::from(self.end).plus(-(load.days as i32));
                let events = load.play(self.seed, first).take(events as usize);
                (1..).zip(events).try_for_each(|(number, event)| write(number, Generated::Load(event)))?;
            }
            None => {
                let end = Calendar::UTC.start(self.end.into());
                let events = Product::new(self.seed, self.users, events, end.0);
                (1..).zip(events).try_for_each(|(number, event)| write(number, Generated::Product(event)))?;
            }
        }
        sink.finish().with_context(writing)?;
        progress.finish_and_clear();
        eprintln!("generated {} events", screen::count(events));
        Ok(())
    }
}

/// The default of `--events` for a product.
const PRODUCT_EVENTS: u64 = 300_000;

/// The loads by name.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum LoadName {
    /// 1 million users in 100000 accounts; a user has two events on each day of activity.
    Sparse,
    /// 100000 users in 10000 accounts; a user has twenty events on each day of activity.
    Busy,
}

impl LoadName {
    pub(super) fn load(self) -> Load {
        match self {
            LoadName::Sparse => Load::SPARSE,
            LoadName::Busy => Load::BUSY,
        }
    }
}

/// Limits the number of events per second.
pub(super) struct Pace {
    rate: Option<u64>,
    began: Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<u64>) -> Pace {
        Pace { rate, began: Instant::now() }
    }

    /// Waits until this number of events may have been written.
    pub(super) fn after(&mut self, number: u64) {
        let Some(rate) = self.rate else { return };
        let due = Duration::from_secs_f64(number as f64 / rate as f64);
        // Short waits are added up, because a sleep is not exact.
        if let Some(ahead) = due.checked_sub(self.began.elapsed()).filter(|ahead| *ahead > Duration::from_millis(5)) {
            std::thread::sleep(ahead);
        }
    }
}

enum Sink {
    File(Box<dyn Write>, Format),
    Topic(Log),
}

impl Sink {
    fn write(&mut self, event: &Generated) -> Result<()> {
        match self {
            Sink::Topic(log) => send(log, event)?,
            Sink::File(out, Format::Json) => event.with(|event| writeln!(out, "{}", wire::encode_json(event)))?,
            Sink::File(out, Format::Protobuf) => {
                let payload = event.encode();
                let mut length = Vec::with_capacity(10);
                encode_varint(payload.len() as u64, &mut length);
                out.write_all(&length)?;
                out.write_all(&payload)?;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Sink::File(mut out, _) => Ok(out.flush()?),
            Sink::Topic(mut log) => log.finish(),
        }
    }
}

/// Sends a generated event to a log.
pub(super) fn send(log: &mut Log, event: &Generated) -> Result<()> {
    let raw = event.encode();
    event.with(|event| log.send(&Decoded::event(&raw, event.clone()), InputFormat::Protobuf))
}

/// A generated event.
pub(super) enum Generated {
    /// An event of a product.
    Product(product::Event),
    /// An event of a load.
    Load(load::Event),
}

impl Generated {
    /// The event as an encoded `ProductEvent`.
    fn encode(&self) -> Vec<u8> {
        match self {
            Generated::Product(event) => with_event(event, wire::encode),
            Generated::Load(event) => {
                let mut payload = Vec::with_capacity(256);
                event.append(&mut payload);
                payload
            }
        }
    }

    /// Calls `then` with the event as a type of the model.
    fn with<T>(&self, then: impl FnOnce(&Event<'_>) -> T) -> T {
        match self {
            Generated::Product(event) => with_event(event, then),
            Generated::Load(event) => event.with(then),
        }
    }
}

/// Calls `then` with the event of a product as a type of the model.
fn with_event<T>(event: &product::Event, then: impl FnOnce(&Event<'_>) -> T) -> T {
    let object: serde_json::Map<String, serde_json::Value> = event
        .properties
        .iter()
        .map(|(key, value)| {
            let value = match value {
                PropertyValue::Text(text) => text.as_ref().into(),
                PropertyValue::Number(number) => (*number).into(),
                PropertyValue::Flag(flag) => (*flag).into(),
            };
            ((*key).to_owned(), value)
        })
        .collect();
    let text = if object.is_empty() { String::new() } else { serde_json::Value::Object(object).to_string() };
    let fields = if text.is_empty() { Fields::None } else { Fields::Json(&text) };
    let kind = match event.kind {
        product::Kind::Track => EventKind::Track,
        product::Kind::Page => EventKind::Page,
        product::Kind::Identify => EventKind::Identify,
        product::Kind::Group => EventKind::Group,
    };
    let are_traits = matches!(kind, EventKind::Identify | EventKind::Group);
    let (properties, traits) = if are_traits { (Fields::None, fields) } else { (fields, Fields::None) };
    then(&Event {
        message_id: event.message_id.as_str().into(),
        source: "generate".into(),
        kind,
        name: event.name.into(),
        user: event.user_id.as_str().into(),
        anonymous_id: "".into(),
        account: event.account_id.as_str().into(),
        time: EventTime(event.timestamp_ms),
        received: None,
        properties,
        traits,
        context: Fields::None,
        provenance: None,
    })
}

/// Opens a file for writing, compressed if its name ends in .gz or .zst.
fn open(path: &Path) -> Result<Box<dyn Write>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::with_capacity(1 << 18, std::io::stdout().lock())));
    }
    let file =
        BufWriter::with_capacity(1 << 18, File::create(path).with_context(|| format!("creating {}", path.display()))?);
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    Ok(match extension.as_deref() {
        Some("gz") => Box::new(Finishing::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::fast()))),
        Some("zst" | "zstd") => Box::new(Finishing::Zstd(Some(zstd::Encoder::new(file, 3)?))),
        _ => Box::new(file),
    })
}

/// A compressor whose `flush` ends the compressed stream, so that the file is complete.
enum Finishing<W: Write> {
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(Option<zstd::Encoder<'static, W>>),
}

impl<W: Write> Write for Finishing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Finishing::Gzip(out) => out.write(bytes),
            Finishing::Zstd(Some(out)) => out.write(bytes),
            Finishing::Zstd(None) => Err(std::io::Error::other("the stream has ended")),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Finishing::Gzip(out) => {
                out.try_finish()?;
                out.get_mut().flush()
            }
            Finishing::Zstd(out) => out.take().map_or(Ok(()), |out| out.finish()?.flush()),
        }
    }
}
