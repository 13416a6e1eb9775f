//! `upswell generate`: the events of a simulated product, for a file or a log.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use prost::encoding::encode_varint;

use super::WrongUse;
use super::config::Connection;
use super::files;
use super::product::{self, Product, PropertyValue};
use super::screen;
use super::send::Log;
use crate::model::{Calendar, Event, EventKind, EventTime, Fields};
use crate::wire::{self, Decoded, Format};

/// Generates the events of a lively product: accounts that take off, fade, ask for SSO and look at prices.
///
/// The same flags give the same bytes, on any machine. Nothing of the users is held in memory.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell generate --users 3000 --events 300000 --end 2026-08-01 --out events.ndjson.zst
  upswell generate --seed 7 --users 1000000 --events 100000000 --end 2026-08-01 --topic upswell.log --pack 100")]
pub(super) struct Generate {
    /// Another seed, another product.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Users that the product gets, up to 10 million.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    users: u64,
    /// Events that they cause, up to a billion.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    events: u64,
    /// The history ends just before this day (UTC).
    #[arg(long, value_name = "DATE", value_parser = files::date)]
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
        let end = Calendar::UTC.start(self.end.into());
        let product = Product::new(self.seed, self.users, self.events, end.0);
        let mut sink = match (&self.topic, &self.out) {
            (Some(topic), _) => {
                let config = self.connection.load()?;
                Sink::Topic(Log::open(&config.kafka, topic, &config.input, usize::from(self.pack))?)
            }
            (None, Some(path)) => {
                let format = if path == Path::new("-") { Format::Json } else { files::by_extension(path, "")? };
                Sink::File(open(path)?, format)
            }
            (None, None) => unreachable!("the arguments ask for one of them"),
        };
        let target = self.topic.as_deref().map(Path::new).or(self.out.as_deref()).unwrap_or(Path::new(""));
        let writing = || format!("writing {}", target.display());
        let progress = screen::progress(Some(self.events), "events");
        let mut pace = Pace::new(self.rate);
        for (number, event) in (1..).zip(product) {
            sink.write(&event).with_context(writing)?;
            if number % 1_024 == 0 {
                progress.set_position(number);
            }
            pace.after(number);
        }
        sink.finish().with_context(writing)?;
        progress.finish_and_clear();
        eprintln!("generated {} events", screen::count(self.events));
        Ok(())
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
    fn write(&mut self, event: &product::Event) -> Result<()> {
        match self {
            Sink::Topic(log) => send(log, event),
            Sink::File(out, format) => with_event(event, |event| {
                match format {
                    Format::Json => writeln!(out, "{}", wire::encode_json(event))?,
                    Format::Protobuf => {
                        let payload = wire::encode(event);
                        let mut length = Vec::with_capacity(10);
                        encode_varint(payload.len() as u64, &mut length);
                        out.write_all(&length)?;
                        out.write_all(&payload)?;
                    }
                }
                Ok(())
            }),
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Sink::File(mut out, _) => Ok(out.flush()?),
            Sink::Topic(mut log) => log.finish(),
        }
    }
}

/// Sends an event of the product into a log.
pub(super) fn send(log: &mut Log, event: &product::Event) -> Result<()> {
    with_event(event, |event| {
        let raw = wire::encode(event);
        log.send(&Decoded::event(&raw, event.clone()), Format::Protobuf)
    })
}

/// The event in the words of the model.
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
