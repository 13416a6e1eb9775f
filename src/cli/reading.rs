//! The arguments by which commands read a history: its files, their formats, and the day to which time moves on.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::screen::{self, WrongUse};
use crate::model::{Day, Millis};
use crate::replay::{self, Files, Input, Readable};
use crate::wire::{Admit, Format};

/// How the files of a history are read.
#[derive(clap::Args)]
pub(super) struct Reading {
    /// How records are written; without it told by each file's extension, or by the configuration for a topic.
    #[arg(long, value_enum)]
    pub(super) format: Option<FileFormat>,
    /// Take control events (ticks and rules, as in a copy of the log) from the files; without it they cannot be read.
    #[arg(long)]
    control: bool,
    /// Refuse an event whose time lies further ahead of the newest before it, as in 30d; without it time may jump.
    #[arg(long, value_name = "D", value_parser = duration)]
    max_jump: Option<i64>,
}

impl Reading {
    /// The files, as one history.
    ///
    /// # Errors
    /// The format of a file is not told, or standard input is named twice.
    pub(super) fn files(&self, files: &[PathBuf]) -> Result<Files> {
        if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
            bail!(WrongUse("standard input can be read only once".into()));
        }
        let admit = if self.control { Admit::Any } else { Admit::Product };
        let inputs = files.iter().map(|file| input(file, self.format, admit)).collect::<Result<_>>()?;
        Ok(Files::new(inputs, self.max_jump))
    }

    /// The files of a history: those of `--on`, and what follows it as in `--on a b`.
    ///
    /// # Errors
    /// As for `files`, or `--on` is missing before a file.
    pub(super) fn history(&self, on: &[PathBuf], more: &[PathBuf]) -> Result<Files> {
        if on.len() > 1 && !more.is_empty() {
            bail!(WrongUse(format!("{}: write --on before each file", more[0].display())));
        }
        self.files(&[on, more].concat())
    }
}

/// One file of a history, of a given format or of the one that its extension (before `.gz` or `.zst`) tells; standard
/// input is NDJSON.
///
/// # Errors
/// The format is not told.
pub(super) fn input(path: &Path, format: Option<FileFormat>, admit: Admit) -> Result<Input> {
    let format = match format {
        Some(FileFormat::Ndjson) => Format::Json,
        Some(FileFormat::Protobuf) => Format::Protobuf,
        None if path == Path::new("-") => Format::Json,
        None => by_extension(path, ", or say --format")?,
    };
    Ok(Input::new(path, format, admit))
}

/// Says on standard error if something could not be read, or is not in the order of time.
///
/// # Errors
/// Nothing could be read.
pub(super) fn warn(readable: &Readable) -> Result<()> {
    readable.refuse_junk()?;
    if let Some(first) = readable.unreadable().first() {
        let [malformed, events] = [readable.malformed, readable.events].map(screen::count);
        eprintln!("{malformed} of {events} events cannot be read, the first: {first}");
    }
    readable.loose().iter().chain(&readable.disorder(None)).for_each(|line| eprintln!("{line}"));
    Ok(())
}

/// The day of `--until`: one to whose start a tick can move time on, wherever days begin.
///
/// # Errors
/// It lies too far out.
pub(super) fn until_day(date: jiff::civil::Date) -> Result<Day> {
    let day = Day::from(date);
    match replay::can_close(day) {
        true => Ok(day),
        false => bail!(WrongUse(format!("--until {date} lies too far out: events go up to the year 9999"))),
    }
}

/// A day as an argument.
///
/// # Errors
/// The text is something else.
pub(super) fn date(text: &str) -> Result<jiff::civil::Date, String> {
    // More than a day is no day: jiff would take the date of a date and time.
    let is_day = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    text.parse().ok().filter(|_| is_day).ok_or_else(|| "a day is written as in 2026-08-01".to_owned())
}

/// A length of time as an argument, in milliseconds.
fn duration(text: &str) -> Result<i64, String> {
    use serde::de::{Deserialize as _, IntoDeserializer as _};
    let read = Millis::deserialize(text.into_deserializer());
    read.map(|duration| duration.0).map_err(|error: serde::de::value::Error| error.to_string())
}

/// How the records of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FileFormat {
    /// One JSON event a line.
    Ndjson,
    /// Encoded `ProductEvent`s, each preceded by its length as a varint.
    Protobuf,
}

/// The format that a file's name tells of.
pub(super) fn by_extension(path: &Path, remedy: &str) -> Result<Format> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        // A table or an archive is recognised by its content, when it is read as JSON.
        Some("ndjson" | "jsonl" | "json" | "csv" | "tsv" | "zip") => Ok(Format::Json),
        Some("pb" | "binpb" | "protobuf") => Ok(Format::Protobuf),
        _ => bail!(WrongUse(format!(
            "{}: the format is not told: end the name in .ndjson, .jsonl, .json, .pb, .binpb or .protobuf \
             (before .gz or .zst){remedy}",
            path.display()
        ))),
    }
}
