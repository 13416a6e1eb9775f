//! Arguments that several commands share to read a history: the files, their format, and `--until`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};

use super::config;
use super::screen::{self, WrongUse};
use crate::model::{Day, Millis};
use crate::replay::{self, Beginning, Files, Input, Readable};
use crate::rules::{self, Plan};
use crate::text::unknown;
use crate::wire::{self, Admit, Format, InputFormat, Place};

/// The format of events, and where their accounts and users are.
#[derive(clap::Args)]
pub(super) struct Form {
    /// The format of the events: segment, rudderstack, posthog, amplitude, mixpanel, stripe, snowplow, cloudevents, json
    /// (what Upswell writes into a log) or protobuf. Without it, the first events of a file decide if they leave no doubt,
    /// otherwise it is segment. docs/input.md describes each.
    #[arg(long, value_name = "FORMAT", alias = "format", value_parser = format)]
    pub(super) from: Option<InputFormat>,
    /// Where the account of an event is, instead of input.account of the configuration: paths, and `email domain`, with
    /// commas between them. The first place that has an id counts, as in --account '$groups.team,properties.team_id'.
    #[arg(id = "place_of_account", long = "account", value_name = "PLACES", value_delimiter = ',', value_parser = place)]
    pub(super) account: Vec<Place>,
    /// Where the user of an event is, instead of input.user of the configuration.
    #[arg(id = "place_of_user", long = "user", value_name = "PLACES", value_delimiter = ',', value_parser = path)]
    pub(super) user: Vec<Place>,
}

impl Form {
    /// How records of a format are read.
    pub(super) fn reading(&self, format: InputFormat, config: &config::Input) -> wire::Input {
        let own = |own: &Vec<Place>, config: &Vec<Place>| if own.is_empty() { config.clone() } else { own.clone() };
        wire::Input::new(format, &own(&self.account, &config.account), &own(&self.user, &config.user))
    }

    /// Files, folders or archives of events, as one history.
    ///
    /// # Errors
    /// One cannot be opened, its format is unknown, or standard input is given twice.
    pub(super) fn files(
        &self,
        files: &[PathBuf],
        config: &config::Input,
        admit: Admit,
        max_jump: Option<i64>,
    ) -> Result<Files> {
        if files.iter().filter(|file| *file == Path::new("-")).count() > 1 {
            bail!(WrongUse("standard input can be read only once".into()));
        }
        let input = |path: &PathBuf| {
            Input::new(path, admit, |beginning| {
                let format = match self.from {
                    Some(format) => format,
                    None => recognised(path, beginning, admit)?,
                };
                Ok(self.reading(format, config))
            })
        };
        let files = Files::new(files.iter().map(input).collect::<Result<_>>()?, max_jump);
        self.tell(&files);
        Ok(files)
    }

    /// Says which formats were recognised, a line each.
    fn tell(&self, files: &Files) {
        if self.from.is_some() {
            return;
        }
        for format in InputFormat::ALL.into_iter().filter(|format| format.of_log().is_none()) {
            let names: Vec<String> =
                files.inputs().iter().filter(|input| input.format() == format).map(Input::name).collect();
            let more = match names.len() {
                0 => continue,
                1 => String::new(),
                files => format!(" and {} more", screen::count(files as u64 - 1)),
            };
            eprintln!("{}{more}: read as {}, by the content", screen::plain(&names[0]), format.name());
        }
    }
}

/// The rules at `path`, or the default rules with the presets for these files.
///
/// # Errors
/// The rules cannot be read.
pub(super) fn rules_for(path: Option<&Path>, files: &Files) -> Result<Arc<Plan>> {
    let formats: Vec<InputFormat> = files.inputs().iter().map(Input::format).collect();
    let plan = rules::load_for(path, &formats)?;
    if path.is_none() {
        let presets = rules::presets(formats);
        if !presets.is_empty() {
            eprintln!("the default rules apply, with the preset {}", presets.join(" and "));
        }
    }
    Ok(plan)
}

/// How the files of a history are read.
#[derive(clap::Args)]
pub(super) struct Reading {
    #[command(flatten)]
    pub(super) form: Form,
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
    /// As for `Form::files`.
    pub(super) fn files(&self, files: &[PathBuf], config: &config::Input) -> Result<Files> {
        let admit = if self.control { Admit::Any } else { Admit::Product };
        self.form.files(files, config, admit, self.max_jump)
    }

    /// The files of a history: those of `--on`, and those after it, as in `--on a b`.
    ///
    /// # Errors
    /// As for `files`; or `--on` is repeated and is missing before a file.
    pub(super) fn history(&self, on: &[PathBuf], more: &[PathBuf], config: &config::Input) -> Result<Files> {
        if on.len() > 1 && !more.is_empty() {
            bail!(WrongUse(format!("{}: write --on before each file", more[0].display())));
        }
        self.files(&[on, more].concat(), config)
    }
}

/// The format of an input, by the name of its first file or by its first records.
///
/// # Errors
/// Neither names a format.
fn recognised(path: &Path, beginning: &Beginning, admit: Admit) -> Result<InputFormat> {
    let by_name = by_extension(Path::new(&beginning.name), ", or set --from");
    if by_name.as_ref().is_ok_and(|format| *format == Format::Protobuf) {
        return Ok(InputFormat::Protobuf);
    }
    // A copy of the log has the account where Upswell writes it.
    let calls = if admit == Admit::Any { InputFormat::Json } else { InputFormat::Segment };
    let is_of_many = path == Path::new("-") || Path::new(&beginning.name) != path;
    // What is read of Parquet is JSON.
    let is_parquet = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
    match wire::recognise(beginning.records()) {
        Some(InputFormat::Segment) => Ok(calls),
        Some(format) => Ok(format),
        None if is_of_many || is_parquet => Ok(calls),
        None => by_name.map(|_| calls),
    }
}

/// Parses the name of a format.
fn format(name: &str) -> Result<InputFormat, String> {
    // The name for a file of JSON lines that earlier versions had.
    let name = if name == "ndjson" { "segment" } else { name };
    InputFormat::of_name(name).ok_or_else(|| unknown("format", name, &InputFormat::ALL.map(InputFormat::name)))
}

fn place(text: &str) -> Result<Place, String> {
    Place::try_from(text.to_owned())
}

fn path(text: &str) -> Result<Place, String> {
    match place(text)? {
        Place::EmailDomain => Err("the domain of an e-mail address is no user".to_owned()),
        path => Ok(path),
    }
}

/// Refuses input of which no event can be read, and says how to find the account if that is why.
///
/// # Errors
/// As for `Readable::refuse_junk`.
pub(super) fn refuse_junk(readable: &Readable) -> Result<()> {
    readable.refuse_junk().map_err(|error| match error.to_string() {
        what if what.contains(": no account") => {
            anyhow::anyhow!("{what}\n`upswell check --events FILE` looks for the account in other places")
        }
        _ => error,
    })
}

/// Warns on standard error about events that cannot be read, have faults, or are not in the order of time.
///
/// # Errors
/// No event can be read.
pub(super) fn warn(readable: &Readable) -> Result<()> {
    refuse_junk(readable)?;
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

/// The format by the extension of a file. `remedy` ends the message if the extension is unknown.
pub(super) fn by_extension(path: &Path, remedy: &str) -> Result<Format> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        // Tables are recognised by their content when they are read as text.
        Some("ndjson" | "jsonl" | "json" | "csv" | "tsv") => Ok(Format::Json),
        Some("pb" | "binpb" | "protobuf") => Ok(Format::Protobuf),
        _ => bail!(WrongUse(format!(
            "{}: unknown format: expected a name that ends in .ndjson, .jsonl, .json, .pb, .binpb or .protobuf \
             (before .gz or .zst){remedy}",
            path.display()
        ))),
    }
}
