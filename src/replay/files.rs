//! Reads events from files: newline-delimited JSON or length-delimited protobuf; plain, gzip or zstd, which the first
//! bytes decide.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use prost::encoding::decode_varint;

use super::forms::{self, HEAD};
use crate::engine::Record;
use crate::model::{DAY_MS, EventTime};
use crate::text;
use crate::wire::{self, Admit, BATCH, Decoded, Format, Malformed, Records};

/// The largest record of a file in bytes. A larger length means that the file has another format.
const RECORD_MAX: u64 = 64 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One input file; `-` is standard input.
pub struct Input {
    path: PathBuf,
    format: Format,
    admit: Admit,
}

impl Input {
    /// A file of this format, whose records may contain the events of `admit`.
    pub fn new(path: &Path, format: Format, admit: Admit) -> Input {
        Input { path: path.to_owned(), format, admit }
    }

    /// Its name in messages.
    fn name(&self) -> String {
        if self.path == Path::new("-") { "standard input".into() } else { self.path.display().to_string() }
    }

    /// Bytes in the file, where that is known.
    fn bytes(&self) -> Option<u64> {
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
        let raw: Box<dyn io::Read> = if input.path == Path::new("-") {
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

    /// The present record.
    fn record(&self) -> &[u8] {
        if self.input.format == Format::Json { self.record.trim_ascii() } else { &self.record }
    }

    /// The events of a record of this file.
    fn events<'r>(&self, record: &'r [u8]) -> wire::Events<'r> {
        wire::decode_admitting(self.input.admit, self.input.format, record)
    }

    /// The time of the present record's first event, if it can be read.
    fn time(&self) -> Option<EventTime> {
        self.events(self.record()).next().and_then(|decoded| decoded.event.ok()).map(|event| event.time)
    }
}

/// How far event time may go on from one event to the next.
struct Jumps {
    /// The limit, in milliseconds.
    longest: i64,
    newest: EventTime,
}

impl Jumps {
    /// The last instant that an event may have now.
    fn bound(&self) -> EventTime {
        self.newest.plus(self.longest)
    }

    /// Makes an event malformed if it is too far ahead.
    fn check(&mut self, decoded: &mut Decoded<'_>) {
        let Ok(event) = &decoded.event else { return };
        if event.time <= self.bound() {
            self.newest = self.newest.max(event.time);
            return;
        }
        decoded.event = Err(Malformed(format!(
            "its time, {}, is {} days ahead of the newest event before it, {}: more than --max-jump allows",
            text::minute(event.time),
            (event.time.0 - self.newest.0) / DAY_MS,
            text::minute(self.newest)
        )));
    }
}

/// The files of a history: together one log.
pub struct Files {
    inputs: Vec<Input>,
    /// How far event time may jump ahead, in milliseconds.
    longest_jump: Option<i64>,
}

impl Files {
    /// The files, in any order. Event time may jump ahead by at most `max_jump` milliseconds from one event to the
    /// next; without it, there is no limit.
    pub fn new(inputs: Vec<Input>, longest_jump: Option<i64>) -> Files {
        Files { inputs, longest_jump }
    }

    /// Bytes of all files, where they are known.
    pub fn bytes(&self) -> Option<u64> {
        self.inputs.iter().map(Input::bytes).sum()
    }

    /// Reads the files as one log, merged by event time: `each` gets the events in order, in batches. The order within
    /// a file stays: the next event is taken from the file whose next event is the oldest, and a record that cannot be
    /// read follows the one before it. `progress` shows the bytes read.
    ///
    /// # Errors
    /// A file cannot be opened or read, is of another format, or `each` failed. `each` gets the events read before.
    pub fn read(&self, progress: &ProgressBar, each: &mut dyn FnMut(&mut Vec<Read<'_>>) -> Result<()>) -> Result<()> {
        let mut sources = self.inputs.iter().map(|input| Source::open(input, progress)).collect::<Result<Vec<_>>>()?;
        let mut filled = Vec::new();
        for (place, source) in sources.iter_mut().enumerate() {
            if source.next()? {
                filled.push(place);
            }
        }
        let jumps = self.jumps(&mut sources, &filled)?;
        let mut merged = Merged { sources, jumps, waiting: Records::default() };
        let read = merged.read(&filled, each);
        // What follows from an error of `each` is none of what waits: it has been taken.
        merged.show(each)?;
        read
    }

    /// The limit of jumps of time. It begins at the older of the first two events of all files, so that a first event
    /// with a wrong time does not set it alone.
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

/// The files of a history while they are read.
struct Merged<'a> {
    sources: Vec<Source<'a>>,
    jumps: Option<Jumps>,
    /// Records that were read and not passed on yet.
    waiting: Records<Waiting>,
}

/// A record that was read, with its file and its place.
struct Waiting {
    source: usize,
    record: Record,
    number: u64,
}

impl Merged<'_> {
    fn read(&mut self, filled: &[usize], each: &mut dyn FnMut(&mut Vec<Read<'_>>) -> Result<()>) -> Result<()> {
        let mut heads: BTreeSet<(EventTime, usize)> = match filled[..] {
            [only] => [(EventTime::MIN, only)].into(),
            _ => filled.iter().map(|place| (self.time_of(*place, EventTime::MIN), *place)).collect(),
        };
        let mut offset = 0;
        while let Some((mut time, number)) = heads.pop_first() {
            loop {
                let source = &self.sources[number];
                let record = Record { offset, time: None };
                offset += 1;
                self.waiting.push(Waiting { source: number, record, number: source.number }, &[source.record()]);
                // Which file goes on depends on how far time has come where jumps are bounded.
                if self.waiting.are_enough() || (self.jumps.is_some() && !heads.is_empty()) {
                    self.show(each)?;
                }
                if !self.sources[number].next()? {
                    break;
                }
                if let Some(other) = heads.first() {
                    time = self.time_of(number, time);
                    if (time, number) > *other {
                        heads.insert((time, number));
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The time by which a file is merged: that of its next event. An event that jumps too far ahead does not count,
    /// because it is refused.
    fn time_of(&self, number: usize, before: EventTime) -> EventTime {
        let allowed = |time: &EventTime| self.jumps.as_ref().is_none_or(|jumps| *time <= jumps.bound());
        self.sources[number].time().filter(allowed).unwrap_or(before)
    }

    /// Passes on the events of the waiting records.
    fn show(&mut self, each: &mut dyn FnMut(&mut Vec<Read<'_>>) -> Result<()>) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut events = Vec::with_capacity(BATCH);
        for (Waiting { source, record, number }, value) in waiting.iter() {
            let source = &self.sources[*source];
            let place = Place { file: &source.name, partition: None, number: *number, format: source.input.format };
            for (index, decoded) in (0..).zip(source.events(value)) {
                events.push(Read { record: *record, index, decoded, place });
                if let (Some(jumps), Some(read)) = (&mut self.jumps, events.last_mut()) {
                    jumps.check(&mut read.decoded);
                }
                if events.len() == BATCH {
                    each(&mut events)?;
                    events.clear();
                }
            }
        }
        each(&mut events)?;
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }
}

/// An event that was read, with its place.
pub struct Read<'a> {
    /// Its record.
    pub record: Record,
    /// Its index in it.
    pub index: u32,
    /// The event.
    pub decoded: Decoded<'a>,
    /// The place of its record.
    pub place: Place<'a>,
}

/// The place of an event: its file, and its line (from 1) or record (from 0) in it; or its topic, partition and offset.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file or topic.
    pub file: &'a str,
    /// The partition of a topic; none of a file.
    pub partition: Option<usize>,
    /// How many lines or records were read with it; the offset in a topic.
    pub(super) number: u64,
    /// How its records are written.
    pub format: Format,
}

/// A line or record, whatever its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(u64, Format);

impl At {
    /// The same with its file.
    pub(super) fn in_file(self, file: &str) -> Place<'_> {
        Place { file, partition: None, number: self.0, format: self.1 }
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
        match (self.partition, self.format) {
            (Some(partition), _) => write!(f, "{}, partition {partition}, offset {}", self.file, self.number),
            (None, Format::Json) => write!(f, "{}:{}", self.file, self.number),
            (None, Format::Protobuf) => write!(f, "{}, record {}", self.file, self.number - 1),
        }
    }
}

fn decompress(mut raw: impl io::Read + 'static) -> std::io::Result<Box<dyn BufRead>> {
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
    let buffer = reader.fill_buf()?;
    if buffer.is_empty() {
        return Ok(false);
    }
    record.clear();
    // Nearly every record is completely in the buffer and can be copied at once.
    let mut rest = buffer;
    let length = decode_varint(&mut rest).ok();
    if let Some(whole) = length.and_then(|length| rest.get(..usize::try_from(length).ok()?)) {
        record.extend_from_slice(whole);
        let bytes = buffer.len() - rest.len() + whole.len();
        reader.consume(bytes);
    } else {
        let length = read_length(reader).with_context(|| format!("the length of record {number}"))?;
        if length > RECORD_MAX {
            bail!(
                "record {number} has a length of {length} bytes, more than {RECORD_MAX}: not length-delimited protobuf"
            );
        }
        let read = (&mut *reader).take(length).read_to_end(record)?;
        if read as u64 != length {
            bail!("record {number} is cut off: {read} of {length} bytes");
        }
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
