//! Events in files: newline-delimited JSON or length-delimited protobuf; plain, gzip or zstd by their first bytes.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;

use super::{WrongUse, screen};
use crate::engine::Record;
use crate::wire::{self, Admit, Decoded, Format};

/// A record of a file may be at most so long: more is a file of another kind.
const RECORD_MAX: u64 = 64 << 20;
/// How many events that cannot be read are told one by one.
const UNREADABLE_SHOWN: usize = 3;
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
}

impl Reading {
    pub(super) fn input(&self, path: &Path) -> Result<Input> {
        Input::new(path, self.format, if self.control { Admit::Any } else { Admit::Product })
    }

    /// The files of a history: those of `--on`, and what follows it as in `--on a b`.
    ///
    /// # Errors
    /// Standard input is named twice, or the order of the files is not clear.
    pub(super) fn history(&self, on: &[PathBuf], more: &[PathBuf]) -> Result<Vec<Input>> {
        if on.len() > 1 && !more.is_empty() {
            bail!(WrongUse(format!("{}: write --on before each file", more[0].display())));
        }
        let files = || on.iter().chain(more);
        if files().filter(|file| *file == Path::new("-")).count() > 1 {
            bail!(WrongUse("standard input can be read only once".into()));
        }
        files().map(|file| self.input(file)).collect()
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

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Bytes in the file, where that is known.
    pub(super) fn bytes(&self) -> Option<u64> {
        std::fs::metadata(&self.path).ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Calls `each` with every record of the file and how many lines or records were read with it; `progress` follows the bytes read.
    pub(super) fn read(&self, progress: &ProgressBar, each: &mut dyn FnMut(&[u8], u64) -> Result<()>) -> Result<()> {
        let raw: Box<dyn Read> = if self.path == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(File::open(&self.path).with_context(|| format!("opening {}", self.name()))?)
        };
        // Only what reading does is the file's fault, not what is done with a record.
        let reading = || format!("reading {}", self.name());
        let mut reader = decompress(progress.wrap_read(raw)).with_context(reading)?;
        let (mut record, mut number, mut is_first) = (Vec::new(), 0, true);
        loop {
            let more = match self.format {
                Format::Json => read_line(&mut reader, &mut record, &mut number),
                Format::Protobuf => read_delimited(&mut reader, &mut record, &mut number),
            };
            if !more.with_context(reading)? {
                return Ok(());
            }
            if let Some(remedy) =
                is_first.then(|| other_form(&record)).flatten().filter(|_| self.format == Format::Json)
            {
                bail!("{} {remedy}", self.name());
            }
            is_first = false;
            each(if self.format == Format::Json { record.trim_ascii() } else { &record }, number)?;
        }
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

/// Reads files, in order, as one log: `each` gets every event with its record, its index in it, and where it stands.
pub(super) fn read_log(
    inputs: &[Input],
    progress: &ProgressBar,
    each: &mut dyn FnMut(Record, u32, Decoded<'_>, Place<'_>) -> Result<()>,
) -> Result<()> {
    let mut offset = 0;
    for input in inputs {
        let file = input.name();
        input.read(progress, &mut |payload, number| {
            let record = Record { offset, time: None };
            offset += 1;
            let place = Place { file: &file, number, format: input.format() };
            let mut events = (0..).zip(wire::decode_admitting(input.admit, input.format, payload));
            events.try_for_each(|(index, decoded)| each(record, index, decoded, place))
        })?;
    }
    Ok(())
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
}

impl Readable {
    /// Counts an event; one that cannot be read is remembered if it is among the first.
    pub(super) fn count(&mut self, decoded: &Decoded<'_>, place: Place<'_>) {
        self.events += 1;
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

    /// Says on standard error if something could not be read.
    ///
    /// # Errors
    /// Nothing could be read.
    pub(super) fn warn(&self) -> Result<()> {
        self.refuse_junk()?;
        if let Some(first) = self.first.first() {
            let [malformed, events] = [self.malformed, self.events].map(screen::count);
            eprintln!("{malformed} of {events} events cannot be read, the first: {first}");
        }
        self.loose().iter().for_each(|line| eprintln!("{line}"));
        Ok(())
    }

    /// Refuses input of which nothing could be read.
    ///
    /// # Errors
    /// There are events, and none of them can be read: how many, and why the first.
    pub(super) fn refuse_junk(&self) -> Result<()> {
        match self.first.first() {
            Some(first) if self.malformed == self.events => {
                bail!("none of {} events can be read, the first: {first}", screen::count(self.events))
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
    let other = match path.extension().and_then(|it| it.to_str()).map(str::to_lowercase).as_deref() {
        Some("zip") => Some(ZIP),
        Some("csv" | "tsv") => Some(CSV),
        _ => None,
    };
    if let Some(remedy) = other {
        bail!("{} {remedy}", path.display());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("ndjson" | "jsonl" | "json") => Ok(Format::Json),
        Some("pb" | "binpb" | "protobuf") => Ok(Format::Protobuf),
        _ => bail!(WrongUse(format!(
            "{}: the format is not told: end the name in .ndjson, .jsonl, .json, .pb, .binpb or .protobuf \
             (before .gz or .zst){remedy}",
            path.display()
        ))),
    }
}

const ZIP: &str = "is a zip archive: unpack it, and give the files in it, one JSON event a line";
const CSV: &str = "is csv, or another table: one JSON event a line is expected; convert it first";

/// What the first line tells of a file that is not NDJSON, and what to do with it. None where it may be.
fn other_form(line: &[u8]) -> Option<&'static str> {
    if line.contains(&0) && (line.starts_with(b"\xff\xfe") || line.starts_with(b"\xfe\xff")) {
        return Some(
            "is UTF-16, as Windows shells write it: convert it to UTF-8, as in `iconv -f UTF-16 -t UTF-8`, or in \
             PowerShell with `-Encoding utf8`",
        );
    }
    if line.starts_with(b"PK\x03\x04") {
        return Some(ZIP);
    }
    let line = line.trim_ascii();
    match *line.first()? {
        b'{' | b'[' if matches!(line.last(), Some(b'{' | b'[' | b',')) => Some(
            "is JSON over several lines: one event a line is expected; write it so with `jq -c .`, or with `jq -c '.[]'` \
             if it is a list",
        ),
        // No JSON value begins with a letter and holds a separator.
        b'a'..=b'z' | b'A'..=b'Z' | b'"' if line.iter().any(|byte| b",;\t".contains(byte)) && !line.contains(&b'{') => {
            Some(CSV)
        }
        _ => None,
    }
}

fn decompress<'a>(mut raw: impl Read + 'a) -> std::io::Result<Box<dyn BufRead + 'a>> {
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
