//! Events in files: newline-delimited JSON or length-delimited protobuf; plain, gzip or zstd by their first bytes.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;

use crate::engine::Record;
use crate::wire::{self, Decoded, Format};

/// A record of a file may be at most so long: more is a file of another kind.
const RECORD_MAX: u64 = 64 << 20;

/// One input file; `-` is standard input.
pub(super) struct Input {
    path: PathBuf,
    format: Format,
}

impl Input {
    /// A file whose format is given, or told by its extension (before `.gz` or `.zst`); standard input is NDJSON.
    pub(super) fn new(path: &Path, format: Option<FileFormat>) -> Result<Input> {
        let format = match format {
            Some(FileFormat::Ndjson) => Format::Json,
            Some(FileFormat::Protobuf) => Format::Protobuf,
            None if path == Path::new("-") => Format::Json,
            None => by_extension(path)?,
        };
        Ok(Input { path: path.to_owned(), format })
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

    /// Calls `each` with every record of the file; `progress` follows the bytes read.
    pub(super) fn read(&self, progress: &ProgressBar, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let raw: Box<dyn Read> = if self.path == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(File::open(&self.path).with_context(|| format!("opening {}", self.name()))?)
        };
        let mut reader = decompress(progress.wrap_read(raw)).with_context(|| format!("reading {}", self.name()))?;
        match self.format {
            Format::Json => read_lines(&mut reader, each),
            Format::Protobuf => read_delimited(&mut reader, each),
        }
        .with_context(|| format!("reading {}", self.name()))
    }
}

/// Reads files, in order, as one log: `each` gets every event with its record, its index in it, and the file's name.
pub(super) fn read_log(
    inputs: &[Input],
    progress: &ProgressBar,
    each: &mut dyn FnMut(Record, u32, &Decoded<'_>, &str) -> Result<()>,
) -> Result<()> {
    let mut offset = 0;
    for input in inputs {
        let name = input.name();
        input.read(progress, &mut |payload| {
            let record = Record { offset, time: None };
            offset += 1;
            let mut events = (0..).zip(wire::decode(input.format(), payload));
            events.try_for_each(|(index, decoded)| each(record, index, &decoded, &name))
        })?;
    }
    Ok(())
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
pub(super) fn by_extension(path: &Path) -> Result<Format> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("ndjson" | "jsonl" | "json") => Ok(Format::Json),
        Some("pb" | "binpb" | "protobuf") => Ok(Format::Protobuf),
        _ => bail!(super::WrongUse(format!(
            "{}: the format is not told by .ndjson, .jsonl, .json, .pb, .binpb or .protobuf: say --format",
            path.display()
        ))),
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

/// Lines without their ends; blank ones are passed over.
fn read_lines(reader: &mut dyn BufRead, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = line.trim_ascii();
        if !text.is_empty() {
            each(text)?;
        }
        line.clear();
    }
    Ok(())
}

fn read_delimited(reader: &mut dyn BufRead, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut record = Vec::new();
    let mut number = 0_u64;
    while !reader.fill_buf()?.is_empty() {
        let length = read_length(reader).with_context(|| format!("the length of record {number}"))?;
        if length > RECORD_MAX {
            bail!(
                "record {number} claims {length} bytes, more than {RECORD_MAX}: this is no length-delimited protobuf"
            );
        }
        record.clear();
        let read = (&mut *reader).take(length).read_to_end(&mut record)?;
        if read as u64 != length {
            bail!("record {number} is cut off: {read} of {length} bytes");
        }
        each(&record)?;
        number += 1;
    }
    Ok(())
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
