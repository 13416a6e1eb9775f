//! `upswell generate`: the events of a simulated product, or of a load for measuring, for a file or a log.

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
use crate::wire::{self, Decoded, Format};

/// Generates the events of a lively product (accounts that take off, fade, ask for SSO and look at prices), or with
/// --load those of a load for measuring.
///
/// The same flags give the same bytes, on any machine. Of a product's users nothing is held in memory.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell generate --users 3000 --events 300000 --end 2026-08-01 --out events.ndjson.zst
  upswell generate --seed 7 --users 1000000 --events 100000000 --end 2026-08-01 --topic upswell.log --pack 100
  upswell generate --load sparse --events 3000000 --end 2026-08-01 --out sparse.pb")]
pub(super) struct Generate {
    /// Another seed, another product.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A load for measuring, of 10 million events in 60 days, in place of the product.
    #[arg(long, value_enum, conflicts_with = "users")]
    load: Option<LoadName>,
    /// Users that the product gets, up to 10 million.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    users: u64,
    /// Events, up to a billion: of a product in all, 300000 if not given; of a load only the first so many, which do not
    /// depend on how many are asked for, else all.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    events: Option<u64>,
    /// The history ends just before this day (UTC). A load begins 60 days before it, however many events are asked for.
    #[arg(long, value_name = "DATE", value_parser = reading::date)]
    end: jiff::civil::Date,
    /// At most so many events a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    /// Put so many events into one record of the topic.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pack: u16,
    /// Write to this file: NDJSON or length-delimited protobuf by its extension, compressed if it ends in .gz or
    /// .zst; `-` is NDJSON on standard output.
    #[arg(long, value_name = "FILE", required_unless_present = "topic", conflicts_with = "topic")]
    out: Option<PathBuf>,
    /// Send to this topic, as `upswell send` does.
    #[arg(long, value_name = "T")]
    topic: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Generate {
    pub(super) fn run(self) -> Result<()> {
        if self.pack > 1 && self.topic.is_none() {
            bail!(WrongUse("--pack is for the records of a --topic: a file holds one event a record".into()));
        }
        let load = self.load.map(LoadName::load);
        let most = load.map_or(u64::MAX, |load| load.events);
        if let Some(load) = load.filter(|load| self.events.is_some_and(|events| events > load.events)) {
            let all = screen::count(load.events);
            bail!(WrongUse(format!("--load {} has {all} events, fewer than --events asks for", load.name)));
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

/// Events of a product, if nothing else is asked for.
const PRODUCT_EVENTS: u64 = 300_000;

/// The loads by name.
#[derive(Clone, Copy, clap::ValueEnum)]
enum LoadName {
    /// 1 million users of 100000 accounts, with two events on a day on which they are active.
    Sparse,
    /// 100000 users of 10000 accounts, with twenty events on a day on which they are active.
    Busy,
}

impl LoadName {
    fn load(self) -> Load {
        match self {
            LoadName::Sparse => Load::SPARSE,
            LoadName::Busy => Load::BUSY,
        }
    }
}

/// Keeps to so many events a second.
pub(super) struct Pace {
    rate: Option<u64>,
    began: Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<u64>) -> Pace {
        Pace { rate, began: Instant::now() }
    }

    /// Waits, after so many events, until they are due.
    pub(super) fn after(&mut self, number: u64) {
        let Some(rate) = self.rate else { return };
        let due = Duration::from_secs_f64(number as f64 / rate as f64);
        // Short waits are gathered: sleeping is coarse.
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

/// Sends a generated event into a log.
pub(super) fn send(log: &mut Log, event: &Generated) -> Result<()> {
    let raw = event.encode();
    event.with(|event| log.send(&Decoded::event(&raw, event.clone()), Format::Protobuf))
}

/// A generated event.
pub(super) enum Generated {
    /// Of a product.
    Product(product::Event),
    /// Of a load.
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

    /// Shows the event in the words of the model.
    fn with<T>(&self, then: impl FnOnce(&Event<'_>) -> T) -> T {
        match self {
            Generated::Product(event) => with_event(event, then),
            Generated::Load(event) => event.with(then),
        }
    }
}

/// Shows the event of a product in the words of the model.
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
        properties: if are_traits { Fields::None } else { fields },
        traits: if are_traits { fields } else { Fields::None },
        context: Fields::None,
        provenance: None,
    })
}

/// A file to write to, compressed if its name says so.
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

/// A compressor whose `flush` ends the stream: what is written is whole then.
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
