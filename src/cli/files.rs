//! Events in files: newline-delimited JSON or length-delimited protobuf; plain, gzip or zstd by their first bytes.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;

use super::forms::{self, Form, HEAD};
use super::{WrongUse, screen};
use crate::engine::Record;
use crate::model::{DAY_MS, EventTime, Millis};
use crate::wire::{self, Admit, Decoded, Format, Malformed};

/// A record of a file may be at most so long: more is a file of another kind.
const RECORD_MAX: u64 = 64 << 20;
/// How many events that cannot be read are told one by one.
const UNREADABLE_SHOWN: usize = 3;
/// So many events that cannot be read are looked at for whose form they have.
const FORMS_LOOKED_AT: u64 = 1_000;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One input file; `-` is standard input.
pub(super) struct Input {
    path: PathBuf,
    format: Format,
    admit: Admit,
}

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
        let inputs = files.iter().map(|file| Input::new(file, self.format, admit)).collect::<Result<_>>()?;
        Ok(Files { inputs, longest_jump: self.max_jump })
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

impl Input {
    /// A file whose format is given, or told by its extension (before `.gz` or `.zst`); standard input is NDJSON.
    pub(super) fn new(path: &Path, format: Option<FileFormat>, admit: Admit) -> Result<Input> {
        let format = match format {
            Some(FileFormat::Ndjson) => Format::Json,
            Some(FileFormat::Protobuf) => Format::Protobuf,
            None if path == Path::new("-") => Format::Json,
            None => by_extension(path, ", or say --format")?,
        };
        Ok(Input { path: path.to_owned(), format, admit })
    }

    pub(super) fn name(&self) -> String {
        if self.path == Path::new("-") { "standard input".into() } else { self.path.display().to_string() }
    }

    /// Bytes in the file, where that is known.
    pub(super) fn bytes(&self) -> Option<u64> {
        std::fs::metadata(&self.path).ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
    }
}

/// A file that is being read, record by record.
struct Source<'a> {
    input: &'a Input,
    name: String,
    reader: Box<dyn BufRead>,
    record: Vec<u8>,
    /// How many lines or records were read with the present one.
    number: u64,
    /// A record that was read ahead, and its number.
    ahead: Option<(Vec<u8>, u64)>,
}

impl<'a> Source<'a> {
    fn open(input: &'a Input, progress: &ProgressBar) -> Result<Source<'a>> {
        let name = input.name();
        let raw: Box<dyn Read> = if input.path == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(File::open(&input.path).with_context(|| format!("opening {name}"))?)
        };
        let reading = || format!("reading {name}");
        let mut reader = decompress(progress.wrap_read(raw)).with_context(reading)?;
        if input.format == Format::Json {
            let (head, whole) = peek(reader).with_context(reading)?;
            reader = whole;
            if let Some(form) = forms::of_file(&head) {
                bail!("{name} {form}");
            }
        }
        Ok(Source { input, name, reader, record: Vec::new(), number: 0, ahead: None })
    }

    /// Goes on to the next record; whether there is one.
    fn next(&mut self) -> Result<bool> {
        if let Some((record, number)) = self.ahead.take() {
            (self.record, self.number) = (record, number);
            return Ok(true);
        }
        let more = match self.input.format {
            Format::Json => read_line(&mut *self.reader, &mut self.record, &mut self.number),
            Format::Protobuf => read_delimited(&mut *self.reader, &mut self.record, &mut self.number),
        };
        more.with_context(|| format!("reading {}", self.name))
    }

    /// The time of the record after the present one, which stays the present one.
    fn look_ahead(&mut self) -> Result<Option<EventTime>> {
        let (record, number) = (std::mem::take(&mut self.record), self.number);
        let time = if self.next()? { self.time() } else { None };
        if self.number > number {
            self.ahead = Some((std::mem::take(&mut self.record), self.number));
        }
        (self.record, self.number) = (record, number);
        Ok(time)
    }

    fn events(&self) -> wire::Events<'_> {
        let record = if self.input.format == Format::Json { self.record.trim_ascii() } else { &self.record };
        wire::decode_admitting(self.input.admit, self.input.format, record)
    }

    /// The time of the present record's first event, if it can be read.
    fn time(&self) -> Option<EventTime> {
        self.events().next().and_then(|decoded| decoded.event.ok()).map(|event| event.time)
    }
}

/// How far event time may go on from one event to the next.
struct Jumps {
    /// At most so far, in milliseconds.
    longest: i64,
    newest: EventTime,
}

impl Jumps {
    /// The last instant that an event may have now.
    fn bound(&self) -> EventTime {
        self.newest.plus(self.longest)
    }

    /// An event that lies too far ahead is malformed.
    fn check<'a>(&mut self, mut decoded: Decoded<'a>) -> Decoded<'a> {
        let Ok(event) = &decoded.event else { return decoded };
        if event.time <= self.bound() {
            self.newest = self.newest.max(event.time);
            return decoded;
        }
        decoded.event = Err(Malformed(format!(
            "its time, {}, lies {} days ahead of the newest before it, {}: more than --max-jump allows",
            screen::minute(event.time),
            (event.time.0 - self.newest.0) / DAY_MS,
            screen::minute(self.newest)
        )));
        decoded
    }
}

/// The files of a history.
pub(super) struct Files {
    inputs: Vec<Input>,
    /// Event time may jump ahead so far, in milliseconds.
    longest_jump: Option<i64>,
}

impl Files {
    pub(super) fn new(inputs: Vec<Input>) -> Files {
        Files { inputs, longest_jump: None }
    }

    /// Bytes of all files, where they are known.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.inputs.iter().map(Input::bytes).sum()
    }

    /// Reads the files as one log, several merged by event time: `each` gets every event with its record, its index in
    /// it, and where it stands. Of each file the order stays: the file whose next event is the oldest goes on, and a
    /// record that cannot be read follows the one before it. `progress` follows the bytes read.
    pub(super) fn read(
        &self,
        progress: &ProgressBar,
        each: &mut dyn FnMut(Record, u32, Decoded<'_>, Place<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut sources = self.inputs.iter().map(|input| Source::open(input, progress)).collect::<Result<Vec<_>>>()?;
        let mut filled = Vec::new();
        for (place, source) in sources.iter_mut().enumerate() {
            if source.next()? {
                filled.push(place);
            }
        }
        let mut jumps = self.jumps(&mut sources, &filled)?;
        let time_of = |source: &Source<'_>, jumps: &Option<Jumps>, before: EventTime| {
            // What jumps is refused: it does not hold up its file.
            let allowed = |time: &EventTime| jumps.as_ref().is_none_or(|jumps| *time <= jumps.bound());
            source.time().filter(allowed).unwrap_or(before)
        };
        let mut heads: BTreeSet<(EventTime, usize)> = match filled[..] {
            [only] => [(EventTime::MIN, only)].into(),
            _ => filled.iter().map(|place| (time_of(&sources[*place], &jumps, EventTime::MIN), *place)).collect(),
        };
        let mut offset = 0;
        while let Some((mut time, number)) = heads.pop_first() {
            let source = &mut sources[number];
            loop {
                let record = Record { offset, time: None };
                offset += 1;
                let place = Place { file: &source.name, number: source.number, format: source.input.format };
                for (index, decoded) in (0..).zip(source.events()) {
                    let decoded = match &mut jumps {
                        Some(jumps) => jumps.check(decoded),
                        None => decoded,
                    };
                    each(record, index, decoded, place)?;
                }
                if !source.next()? {
                    break;
                }
                if let Some(other) = heads.first() {
                    time = time_of(source, &jumps, time);
                    if (time, number) > *other {
                        heads.insert((time, number));
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The bound on jumps of time. Before the first event it begins at the older of the first two, in any file: a first
    /// event with a wrong time does not decide alone.
    fn jumps(&self, sources: &mut [Source<'_>], filled: &[usize]) -> Result<Option<Jumps>> {
        let Some(longest) = self.longest_jump else { return Ok(None) };
        let mut newest = None;
        for place in filled {
            let source = &mut sources[*place];
            let times = [source.time(), source.look_ahead()?].into_iter().flatten();
            newest = times.chain(newest).min();
        }
        Ok(newest.map(|newest| Jumps { longest, newest }))
    }
}

/// Where an event stands: its file, and its line (from 1) or record (from 0) in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) file: &'a str,
    /// How many lines or records were read with it.
    number: u64,
    pub(super) format: Format,
}

/// A line or record, whatever its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(u64, Format);

impl At {
    /// The same with its file.
    pub(super) fn in_file(self, file: &str) -> Place<'_> {
        Place { file, number: self.0, format: self.1 }
    }
}

impl Place<'_> {
    /// The place in its file.
    pub(super) fn at(self) -> At {
        At(self.number, self.format)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format {
            Format::Json => write!(f, "{}:{}", self.file, self.number),
            Format::Protobuf => write!(f, "{}, record {}", self.file, self.number - 1),
        }
    }
}

/// How far the events of files are from the order of time.
#[derive(Debug, Default)]
struct Order {
    newest: Option<EventTime>,
    /// The file and the line or record of the newest event.
    file: String,
    at: Option<At>,
    /// Events that are older than the newest before them by more than the allowed lateness.
    behind: u64,
    /// The event that the first of them is behind, in words.
    mover: Option<String>,
}

impl Order {
    fn look(&mut self, decoded: &Decoded<'_>, place: Place<'_>, lateness_ms: i64) {
        let Ok(event) = &decoded.event else { return };
        match self.newest {
            Some(newest) if event.time.plus(lateness_ms) < newest => {
                self.behind += 1;
                let at = self.at.as_ref();
                self.mover.get_or_insert_with(|| {
                    let at = at.map(|at| at.in_file(&self.file).to_string()).unwrap_or_default();
                    screen::plain(&format!("{at} moved time on to {}", screen::minute(newest)))
                });
            }
            Some(newest) if event.time <= newest => {}
            _ => {
                self.newest = Some(event.time);
                self.at = Some(place.at());
                if self.file != place.file {
                    self.file = place.file.to_owned();
                }
            }
        }
    }
}

/// Events, and those among them that cannot be read: how many, and why the first.
#[derive(Debug, Default)]
pub(super) struct Readable {
    pub(super) events: u64,
    pub(super) malformed: u64,
    /// Events with a time that has no zone.
    zoneless: u64,
    /// Events with a field that is as if absent.
    left_out: u64,
    /// Events of an account whose id the rules forbid, or do not take as it is written.
    forbidden_accounts: u64,
    /// Events with another id that the rules forbid.
    forbidden: u64,
    /// Where the first of them stand, and what is wrong.
    first: Vec<String>,
    /// How many of those that were looked at are of a form of others, and the first: its file, and what it is.
    foreign: u64,
    form: Option<(String, Form)>,
    /// How far events may lag behind the newest, in milliseconds, and how far they do.
    lateness_ms: i64,
    order: Order,
}

impl Readable {
    /// Of nothing yet; events may lag behind the newest by so many milliseconds.
    pub(super) fn new(lateness_ms: i64) -> Readable {
        Readable { lateness_ms, ..Readable::default() }
    }

    /// Counts an event; one that cannot be read is remembered if it is among the first.
    pub(super) fn count(&mut self, decoded: &Decoded<'_>, place: Place<'_>) {
        self.events += 1;
        self.order.look(decoded, place, self.lateness_ms);
        self.zoneless += u64::from(decoded.loose.zoneless);
        self.left_out += u64::from(decoded.loose.left_out);
        match decoded.event {
            Ok(_) => self.forbidden += u64::from(decoded.loose.forbidden),
            Err(_) => self.forbidden_accounts += u64::from(decoded.loose.forbidden),
        }
        let Err(malformed) = &decoded.event else { return };
        self.malformed += 1;
        if self.first.len() < UNREADABLE_SHOWN {
            self.first.push(screen::plain(&format!("{place}: {malformed}")));
        }
        if self.malformed <= FORMS_LOOKED_AT
            && place.format == Format::Json
            && let Some(form) = forms::of_event(decoded.raw)
        {
            self.foreign += 1;
            self.form.get_or_insert_with(|| (place.file.to_owned(), form));
        }
    }

    /// The first that cannot be read, a line each, and how many more there are.
    pub(super) fn unreadable(&self) -> Vec<String> {
        let mut lines = self.first.clone();
        let more = self.malformed - lines.len() as u64;
        lines.extend((more > 0).then(|| format!("and {} more", screen::count(more))));
        lines
    }

    /// Faults that cost no event, a line each.
    pub(super) fn loose(&self) -> Vec<String> {
        let said = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", screen::count(count)));
        let zoneless = said(self.zoneless, "events have a time without a zone: it is taken as UTC");
        let left_out = said(self.left_out, "events have a field of an unexpected type: it is taken as absent");
        let accounts = said(
            self.forbidden_accounts,
            "events have an account id that ids.forbidden of the rules names: they cannot be read",
        );
        let others = said(
            self.forbidden,
            "events have a user, anonymous or message id that ids.forbidden of the rules names: it is taken as absent",
        );
        [zoneless, left_out, accounts, others].into_iter().flatten().collect()
    }

    /// That the input is not in the order of time, with what is known of the cost, and what to do; nothing if it is.
    pub(super) fn disorder(&self, too_late: Option<u64>) -> Vec<String> {
        let Some(mover) = &self.order.mover else { return Vec::new() };
        let late = too_late.map(|late| format!(", and {} are too late to count", screen::count(late)));
        vec![
            format!(
                "the input is not in time order: {} events are older than the newest before them by more than the \
                 allowed lateness{}",
                screen::count(self.order.behind),
                late.unwrap_or_default()
            ),
            format!("{mover}: sort the input by time, correct that event, or bound jumps with --max-jump"),
        ]
    }

    /// Says on standard error if something could not be read, or is not in the order of time.
    ///
    /// # Errors
    /// Nothing could be read.
    pub(super) fn warn(&self) -> Result<()> {
        self.refuse_junk()?;
        if let Some(first) = self.first.first() {
            let [malformed, events] = [self.malformed, self.events].map(screen::count);
            eprintln!("{malformed} of {events} events cannot be read, the first: {first}");
        }
        self.loose().iter().chain(&self.disorder(None)).for_each(|line| eprintln!("{line}"));
        Ok(())
    }

    /// Refuses input of which nothing could be read, or most is of a form that is not read.
    ///
    /// # Errors
    /// There are events, and none of them can be read: how many, and why the first. Or most of those that were looked at
    /// are of another form: which, and what to do.
    pub(super) fn refuse_junk(&self) -> Result<()> {
        let [malformed, events] = [self.malformed, self.events].map(screen::count);
        let looked_at = (self.events - self.malformed) + self.malformed.min(FORMS_LOOKED_AT);
        match (&self.form, self.first.first()) {
            (Some((file, form)), _) if 2 * self.foreign > looked_at => {
                let what = format!("{file} {}. {malformed} of {events} events cannot be read", form.told());
                bail!("{}", screen::plain(&what))
            }
            (_, Some(first)) if self.malformed == self.events => {
                bail!("none of {events} events can be read, the first: {first}")
            }
            _ => Ok(()),
        }
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

fn decompress(mut raw: impl Read + 'static) -> std::io::Result<Box<dyn BufRead>> {
    let mut magic = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut magic)?;
    let whole = Cursor::new(magic.clone()).chain(raw);
    Ok(match magic[..] {
        [0x1f, 0x8b, ..] => {
            Box::new(BufReader::with_capacity(1 << 18, flate2::read::MultiGzDecoder::new(BufReader::new(whole))))
        }
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(BufReader::with_capacity(1 << 18, zstd::Decoder::new(whole)?)),
        _ => Box::new(BufReader::with_capacity(1 << 18, whole)),
    })
}

/// The beginning of what can be read, and a reader of the whole.
fn peek(mut reader: Box<dyn BufRead>) -> std::io::Result<(Vec<u8>, Box<dyn BufRead>)> {
    let mut head = Vec::with_capacity(HEAD);
    reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let whole = Cursor::new(head.clone()).chain(reader);
    Ok((head, Box::new(BufReader::with_capacity(1 << 18, whole))))
}

/// Reads the next line that is not blank; `number` of them were read before.
fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>, number: &mut u64) -> Result<bool> {
    loop {
        line.clear();
        if reader.read_until(b'\n', line)? == 0 {
            return Ok(false);
        }
        *number += 1;
        // Windows begins files with a byte order mark, which is no part of the first event.
        if *number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if !line.trim_ascii().is_empty() {
            return Ok(true);
        }
    }
}

/// Reads the next record; `number` of them were read before.
fn read_delimited(reader: &mut dyn BufRead, record: &mut Vec<u8>, number: &mut u64) -> Result<bool> {
    if reader.fill_buf()?.is_empty() {
        return Ok(false);
    }
    let length = read_length(reader).with_context(|| format!("the length of record {number}"))?;
    if length > RECORD_MAX {
        bail!("record {number} claims {length} bytes, more than {RECORD_MAX}: this is no length-delimited protobuf");
    }
    record.clear();
    let read = (&mut *reader).take(length).read_to_end(record)?;
    if read as u64 != length {
        bail!("record {number} is cut off: {read} of {length} bytes");
    }
    *number += 1;
    Ok(true)
}

fn read_length(reader: &mut dyn BufRead) -> Result<u64> {
    let mut length = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        reader.read_exact(&mut byte)?;
        length |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(length);
        }
    }
    bail!("it has more than ten bytes")
}
