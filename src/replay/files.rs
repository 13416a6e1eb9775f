//! Reads events from files: text with an event on each line, JSON over several lines, or length-delimited protobuf.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead as _, Read as _};
use std::ops::Range;

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;

use super::documents::{Division, Found, HEAD};
use super::forms;
use super::input::{BYTE_ORDER_MARK, Input, without_line_end};
use super::parts::Parts;
use crate::engine::Record;
use crate::model::{DAY_MS, EventTime};
use crate::text;
use crate::wire::{self, BATCH, Decoded, Headers, InputFormat, Malformed};

/// The largest record of a file in bytes. A larger length means that the file has another format, and a longer line would
/// fill memory.
const RECORD_MAX: u64 = 64 << 20;
/// How many bytes of a file are in memory at least.
const BLOCK: usize = 1 << 18;

/// An input that is being read, record by record. The records that were read last are in memory; the block of bytes that
/// holds them changes only in [`Source::fill`].
struct Source<'a> {
    input: &'a Input,
    /// The names of its files so far, the last one is being read.
    names: Vec<String>,
    reader: Box<dyn io::Read>,
    /// The files that follow.
    parts: Parts,
    block: Vec<u8>,
    /// Where the present record is in the block, where the bytes after it begin, and where those that were read end.
    record: Range<usize>,
    next: usize,
    end: usize,
    /// Whether the file has no more bytes than those of the block.
    is_at_end: bool,
    /// How many lines or records of the file were read with the present one.
    number: u64,
    /// How the file is divided into records; none before its beginning was read.
    division: Option<Division>,
}

/// What follows the present record of a file.
enum Next {
    /// A record, which is the present one now.
    Record,
    /// A record that is not completely in the block.
    Unread,
    /// Nothing.
    End,
}

impl<'a> Source<'a> {
    fn open(input: &'a Input, progress: &ProgressBar) -> Result<Source<'a>> {
        let ((name, reader), parts) = input.open(progress)?;
        let (block, record, next, end) = (vec![0; BLOCK], 0..0, 0, 0);
        let (names, is_at_end, number, division) = (vec![name], false, 0, None);
        Ok(Source { input, names, reader, parts, block, record, next, end, is_at_end, number, division })
    }

    /// The name of the file that is being read.
    fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Goes on to the next record, if it is in the block. After the last one of a file, that file's successor is read.
    fn next(&mut self) -> Result<Next> {
        let is_begun = self.division.is_some();
        match self.next_in_file()? {
            Next::Record if !is_begun && self.names.len() > 1 => {
                self.refuse_other_format()?;
                Ok(Next::Record)
            }
            Next::End => {
                let Some((name, reader)) = self.parts.next()? else { return Ok(Next::End) };
                self.names.push(name);
                (self.reader, self.is_at_end, self.number, self.division) = (reader, false, 0, None);
                Ok(Next::Unread)
            }
            next => Ok(next),
        }
    }

    /// All files of an input have one format: a file that begins with a record of another one is refused.
    fn refuse_other_format(&self) -> Result<()> {
        let format = self.input.how.format;
        match forms::of_record(&self.block[self.record.clone()], format).filter(|_| format.is_text()) {
            Some(other) => bail!(
                "{} has events in the format {}, but {} is read as {}: read files of another format as an input of their \
                 own, or name the format with --from",
                self.name(),
                other.name(),
                self.input.name(),
                format.name()
            ),
            None => Ok(()),
        }
    }

    fn next_in_file(&mut self) -> Result<Next> {
        if self.division.is_none() && self.end - self.next < HEAD && !self.is_at_end {
            return Ok(Next::Unread);
        }
        if !self.input.how.format.is_text() {
            return self.next_delimited().with_context(|| format!("reading {}", self.name()));
        }
        let division = match self.division {
            Some(division) => division,
            None => {
                let head = &self.block[self.next..self.end.min(self.next + HEAD)];
                if let Some(form) = forms::of_file(head, self.input.how.format) {
                    bail!("{} {form}", self.name());
                }
                *self.division.insert(Division::of(head))
            }
        };
        match division {
            Division::Lines => Ok(self.next_line()),
            other => Ok(self.next_document(other)),
        }
    }

    /// Goes on to the next JSON document of a file in which they have several lines.
    fn next_document(&mut self, mut division: Division) -> Next {
        let rest = &self.block[self.next..self.end];
        let found = division.next(rest, self.is_at_end);
        let Found::Record(start, end) = found else {
            return if found == Found::End { Next::End } else { Next::Unread };
        };
        // A document is at the line in which it begins: the number is that of the line in which the last one ended.
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let before = lines(&self.block[self.record.start.min(self.next)..self.next + start]);
        self.number = if self.number == 0 { 1 + lines(&rest[..start]) } else { self.number + before };
        (self.record, self.division) = (self.next + start..self.next + end, Some(division));
        self.next += end;
        Next::Record
    }

    /// Goes on to the next line that is not blank.
    fn next_line(&mut self) -> Next {
        loop {
            let mut rest = &self.block[self.next..self.end];
            // Reading from bytes in memory does not fail.
            let length = rest.skip_until(b'\n').unwrap_or(0);
            let mut line = self.next..self.next + length;
            if !self.block[line.clone()].ends_with(b"\n") && !self.is_at_end {
                return Next::Unread;
            }
            if line.is_empty() {
                return Next::End;
            }
            self.next = line.end;
            self.number += 1;
            // Windows begins files with a byte order mark, which is no part of the first event.
            if self.number == 1 && self.block[line.clone()].starts_with(BYTE_ORDER_MARK) {
                line.start += BYTE_ORDER_MARK.len();
            }
            if !self.block[line.clone()].trim_ascii().is_empty() {
                self.record = line;
                return Next::Record;
            }
        }
    }

    /// Goes on to the next record with its length before it.
    fn next_delimited(&mut self) -> Result<Next> {
        let (rest, number) = (&self.block[self.next..self.end], self.number);
        if rest.is_empty() && self.is_at_end {
            return Ok(Next::End);
        }
        let length = length(rest).with_context(|| format!("the length of record {number}"))?;
        let Some((length, bytes)) = length else {
            if self.is_at_end {
                bail!("the length of record {number} is cut off");
            }
            return Ok(Next::Unread);
        };
        if length > RECORD_MAX {
            bail!(
                "record {number} has a length of {length} bytes, more than {RECORD_MAX}: not length-delimited protobuf"
            );
        }
        let (start, read) = (self.next + bytes, rest.len() - bytes);
        if read < length as usize {
            if self.is_at_end {
                bail!("record {number} is cut off: {read} of {length} bytes");
            }
            return Ok(Next::Unread);
        }
        self.next = start + length as usize;
        self.record = start..self.next;
        self.number += 1;
        Ok(Next::Record)
    }

    /// Reads more of the file. The block keeps the present record and what follows it.
    fn fill(&mut self) -> Result<()> {
        if self.input.how.format.is_text() && (self.end - self.next) as u64 > RECORD_MAX {
            bail!(
                "{}:{}: an event or document of more than {} MiB: expected one event on each line",
                self.name(),
                self.number + 1,
                RECORD_MAX >> 20
            );
        }
        let passed = self.record.start;
        self.block.copy_within(passed..self.end, 0);
        (self.record, self.next, self.end) = (0..self.record.end - passed, self.next - passed, self.end - passed);
        // If most of the block is kept, it holds a large record: it is not looked at again for every few bytes more.
        if self.end > self.block.len() / 2 {
            self.block.resize(2 * self.block.len(), 0);
        }
        loop {
            let read = match self.reader.read(&mut self.block[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.with_context(|| format!("reading {}", self.name()))?,
            };
            self.end += read;
            self.is_at_end = read == 0;
            // A large record is looked at again when the block is full, not for every few bytes more.
            if self.is_at_end || self.block.len() == BLOCK || self.end == self.block.len() {
                return Ok(());
            }
        }
    }

    /// The time of the record after the present one, which stays the present one.
    fn look_ahead(&mut self) -> Result<Option<EventTime>> {
        loop {
            let (record, next, number, division) = (self.record.clone(), self.next, self.number, self.division);
            let time = match self.next_in_file()? {
                Next::Record => self.time(),
                Next::End => None,
                Next::Unread => {
                    self.fill()?;
                    continue;
                }
            };
            (self.record, self.next, self.number, self.division) = (record, next, number, division);
            return Ok(time);
        }
    }

    /// The events of the record at this place in the block.
    fn events(&self, record: &Range<usize>) -> wire::Events<'_> {
        let bytes = &self.block[record.clone()];
        let how = &self.input.how;
        let bytes = match how.format {
            InputFormat::Protobuf => bytes,
            // Columns at the ends of a row may be empty.
            InputFormat::Snowplow => without_line_end(bytes),
            _ => bytes.trim_ascii(),
        };
        how.decode(self.input.admit, bytes)
    }

    /// The time of the present record's first event, if it can be read.
    fn time(&self) -> Option<EventTime> {
        self.events(&self.record).next().and_then(|decoded| decoded.event.ok()).map(|event| event.time)
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

    /// The inputs.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
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
            let next = loop {
                match source.next()? {
                    Next::Unread => source.fill()?,
                    next => break next,
                }
            };
            if let Next::Record = next {
                filled.push(place);
            }
        }
        let jumps = self.jumps(&mut sources, &filled)?;
        let mut merged = Merged { sources, jumps, waiting: Vec::with_capacity(BATCH) };
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
    waiting: Vec<Waiting>,
}

/// A record that was read, with its place in the block of its file.
struct Waiting {
    source: usize,
    /// Its file among those of the input.
    file: usize,
    record: Record,
    bytes: Range<usize>,
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
                let bytes = source.record.clone();
                let file = source.names.len() - 1;
                self.waiting.push(Waiting { source: number, file, record, bytes, number: source.number });
                // Which file goes on depends on how far time has come where jumps are bounded.
                if self.waiting.len() == BATCH || (self.jumps.is_some() && !heads.is_empty()) {
                    self.show(each)?;
                }
                if !self.go_on(number, each)? {
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

    /// Goes on to the next record of a file; whether there is one.
    fn go_on(&mut self, number: usize, each: &mut dyn FnMut(&mut Vec<Read<'_>>) -> Result<()>) -> Result<bool> {
        loop {
            match self.sources[number].next()? {
                Next::Record => return Ok(true),
                Next::End => return Ok(false),
                Next::Unread => {
                    // The block changes: what waits in it is passed on before.
                    self.show(each)?;
                    self.sources[number].fill()?;
                }
            }
        }
    }

    /// Passes on the events of the waiting records.
    fn show(&mut self, each: &mut dyn FnMut(&mut Vec<Read<'_>>) -> Result<()>) -> Result<()> {
        let Merged { sources, jumps, waiting } = self;
        let mut events = Vec::with_capacity(BATCH);
        for Waiting { source, file, record, bytes, number } in waiting.drain(..) {
            let source = &sources[source];
            let place = At(number, source.input.how.format).in_file(&source.names[file]);
            for (index, decoded) in (0..).zip(source.events(&bytes)) {
                if events.len() == BATCH {
                    each(&mut events)?;
                    events.clear();
                }
                events.push(Read { record, index, decoded, place });
                if let (Some(jumps), Some(read)) = (&mut *jumps, events.last_mut()) {
                    jumps.check(&mut read.decoded);
                }
            }
        }
        each(&mut events)
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
    pub format: InputFormat,
    /// The headers of the record, if its format reads them.
    pub headers: Headers<'a>,
}

/// A line or record, whatever its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(u64, InputFormat);

impl At {
    /// The same with its file.
    pub(super) fn in_file(self, file: &str) -> Place<'_> {
        Place { file, partition: None, number: self.0, format: self.1, headers: Headers::NONE }
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
            (None, InputFormat::Protobuf) => write!(f, "{}, record {}", self.file, self.number - 1),
            (None, _) => write!(f, "{}:{}", self.file, self.number),
        }
    }
}

/// The length that some bytes begin with, a varint, and how many bytes it has; none if they end before it does.
#[inline]
fn length(bytes: &[u8]) -> Result<Option<(u64, usize)>> {
    const BYTES_MAX: usize = 10;
    let mut length = 0;
    for (place, byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return Ok(Some((length, place + 1)));
        }
    }
    if bytes.len() >= BYTES_MAX {
        bail!("it has more than ten bytes");
    }
    Ok(None)
}
