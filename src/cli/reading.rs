//! Arguments that several commands share to read a history: the files, their format, and `--until`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::screen::{self, WrongUse};
use crate::model::{Day, Millis};
use crate::replay::{self, Files, Input, Readable};
use crate::wire::{Admit, Format};

/// How the files of a history are read.
#[derive(clap::Args)]
pub(super) struct Reading {
    /// The format of the records. By default the extension of each file decides, and the configuration for a topic.
    #[arg(long, value_enum)]
    pub(super) format: Option<FileFormat>,
    /// Accept control events (ticks, activations of rules, marks of a backfill, forget records), which a copy of the log
    /// contains. Without it, they are malformed.
    #[arg(long)]
    control: bool,
    /// Treat an event as malformed if its time is further ahead of the newest event before it than this, such as 30d.
    #[arg(long, value_name = "D", value_parser = duration)]
    max_jump: Option<i64>,
}

impl Reading {
    /// The files, as one history.
    ///
    /// # Errors
    /// The format of a file is unknown, or standard input is given twice.
    pub(super) fn files(&self, files: &[PathBuf]) -> Result<Files> {
        if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
            bail!(WrongUse("standard input can be read only once".into()));
        }
        let admit = if self.control { Admit::Any } else { Admit::Product };
        let inputs = files.iter().map(|file| input(file, self.format, admit)).collect::<Result<_>>()?;
        Ok(Files::new(inputs, self.max_jump))
    }

    /// The files of a history: those of `--on`, and those after it, as in `--on a b`.
    ///
    /// # Errors
    /// As for `files`; or `--on` is repeated and is missing before a file.
    pub(super) fn history(&self, on: &[PathBuf], more: &[PathBuf]) -> Result<Files> {
        if on.len() > 1 && !more.is_empty() {
            bail!(WrongUse(format!("{}: write --on before each file", more[0].display())));
        }
        self.files(&[on, more].concat())
    }
}

/// One file of a history. Without `format`, its extension (before `.gz` or `.zst`) decides; standard input is NDJSON.
///
/// # Errors
/// The extension is unknown.
pub(super) fn input(path: &Path, format: Option<FileFormat>, admit: Admit) -> Result<Input> {
    let format = match format {
        Some(FileFormat::Ndjson) => Format::Json,
        Some(FileFormat::Protobuf) => Format::Protobuf,
        None if path == Path::new("-") => Format::Json,
        None => by_extension(path, ", or set --format")?,
    };
    Ok(Input::new(path, format, admit))
}

/// Warns on standard error about events that cannot be read, have faults, or are not in the order of time.
///
/// # Errors
/// No event can be read.
pub(super) fn warn(readable: &Readable) -> Result<()> {
    readable.refuse_junk()?;
    if let Some(first) = readable.unreadable().first() {
        let [malformed, events] = [readable.malformed, readable.events].map(screen::count);
        eprintln!("{malformed} of {events} events cannot be read, the first: {first}");
    }
    readable.loose().iter().chain(&readable.disorder(None)).for_each(|line| eprintln!("{line}"));
    Ok(())
}

/// The day of `--until`. A tick must be able to move time to its start, for every offset of days.
///
/// # Errors
/// The day is too far in the past or the future.
pub(super) fn until_day(date: jiff::civil::Date) -> Result<Day> {
    let day = Day::from(date);
    match replay::can_close(day) {
        true => Ok(day),
        false => bail!(WrongUse(format!("--until {date} is out of range: events have years up to 9999"))),
    }
}

/// Parses a day.
///
/// # Errors
/// The text is not a day.
pub(super) fn date(text: &str) -> Result<jiff::civil::Date, String> {
    // jiff would accept a date with a time, and take its date.
    let is_day = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse().ok().filter(|_| is_day).ok_or_else(|| "expected a day such as 2026-08-01".to_owned())
}

/// Parses a duration such as 30d into milliseconds.
fn duration(text: &str) -> Result<i64, String> {
    use serde::de::{Deserialize as _, IntoDeserializer as _};
    let read = Millis::deserialize(text.into_deserializer());
    read.map(|duration| duration.0).map_err(|error: serde::de::value::Error| error.to_string())
}

/// The format of the records of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FileFormat {
    /// One JSON event per line.
    Ndjson,
    /// Encoded `ProductEvent`s, each preceded by its length as a varint.
    Protobuf,
}

/// The format by the extension of a file. `remedy` ends the message if the extension is unknown.
pub(super) fn by_extension(path: &Path, remedy: &str) -> Result<Format> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        // Tables and archives are recognised by their content when they are read as JSON.
        Some("ndjson" | "jsonl" | "json" | "csv" | "tsv" | "zip") => Ok(Format::Json),
        Some("pb" | "binpb" | "protobuf") => Ok(Format::Protobuf),
        _ => bail!(WrongUse(format!(
            "{}: unknown format: expected a name that ends in .ndjson, .jsonl, .json, .pb, .binpb or .protobuf \
             (before .gz or .zst){remedy}",
            path.display()
        ))),
    }
}
