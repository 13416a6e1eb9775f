//! An input before it is read: what it consists of, how it begins, and how it is decoded.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Cursor, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;

use super::documents::{Division, Found};
use super::parts::{Part, Parts};
use crate::wire::{self, Admit, InputFormat};

/// Windows begins files with it.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The name of standard input in messages.
const STANDARD_INPUT: &str = "standard input";
/// How many bytes of an input are read to recognise its format, and how many records of them count.
const BEGINNING: usize = 1 << 20;
const RECOGNISED_BY: usize = 20;

/// One input: a file, a folder or an archive; `-` is standard input.
pub struct Input {
    path: PathBuf,
    pub(super) how: wire::Input,
    pub(super) admit: Admit,
    /// What can be read only once, such as standard input, and was opened to find out its format.
    open: RefCell<Option<(Part, Parts)>>,
}

/// How an input begins.
pub struct Beginning {
    /// The name of its first file.
    pub name: String,
    /// Its first bytes, decompressed.
    pub head: Vec<u8>,
}

impl Beginning {
    /// The records that are complete in the first bytes, at most some of them.
    pub fn records(&self) -> Vec<&[u8]> {
        let (mut division, mut rest, mut records) = (Division::of(&self.head), &self.head[..], Vec::new());
        if division == Division::Lines {
            let is_whole = self.head.len() < BEGINNING;
            let lines =
                self.head.split_inclusive(|byte| *byte == b'\n').filter(|line| is_whole || line.ends_with(b"\n"));
            let lines = lines.map(|line| without_line_end(line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)));
            return lines.filter(|line| !line.trim_ascii().is_empty()).take(RECOGNISED_BY).collect();
        }
        while records.len() < RECOGNISED_BY
            && let Found::Record(start, end) = division.next(rest, false)
        {
            records.push(&rest[start..end]);
            rest = &rest[end..];
        }
        records
    }
}

impl Input {
    /// An input whose records may contain the events of `admit`. `choose` gets its beginning, and says how it is read.
    ///
    /// # Errors
    /// It cannot be opened or read, or `choose` failed.
    pub fn new(path: &Path, admit: Admit, choose: impl FnOnce(&Beginning) -> Result<wire::Input>) -> Result<Input> {
        let is_stream = path == Path::new("-") || std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir());
        let mut parts = match path == Path::new("-") {
            true => Parts::open(STANDARD_INPUT, Box::new(std::io::stdin().lock()), &ProgressBar::hidden()),
            false if is_stream => {
                let name = path.display().to_string();
                let file = File::open(path).with_context(|| format!("opening {name}"))?;
                Parts::open(&name, Box::new(file), &ProgressBar::hidden())
            }
            false => Parts::of(path, &ProgressBar::hidden())?,
        };
        let (name, mut reader) = parts.next()?.with_context(|| format!("{} has no files", path.display()))?;
        let mut head = Vec::new();
        let read = reader.by_ref().take(BEGINNING as u64).read_to_end(&mut head);
        // What is wrong later in the file is reported where it is read.
        if let Err(error) = read
            && head.is_empty()
        {
            return Err(error).with_context(|| format!("reading {name}"));
        }
        let beginning = Beginning { name, head };
        let how = choose(&beginning)?;
        let Beginning { name, head } = beginning;
        let whole: Box<dyn io::Read> = Box::new(Cursor::new(head).chain(reader));
        let open = RefCell::new(is_stream.then_some(((name, whole), parts)));
        Ok(Input { path: path.to_owned(), how, admit, open })
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        if self.path == Path::new("-") { STANDARD_INPUT.into() } else { self.path.display().to_string() }
    }

    /// The format of its records.
    pub fn format(&self) -> InputFormat {
        self.how.format
    }

    /// How its records are read.
    pub fn how(&self) -> &wire::Input {
        &self.how
    }

    /// Bytes in the file, where that is known.
    pub(super) fn bytes(&self) -> Option<u64> {
        std::fs::metadata(&self.path).ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Its first file, and those that follow.
    pub(super) fn open(&self, progress: &ProgressBar) -> Result<(Part, Parts)> {
        if let Some(((name, reader), parts)) = self.open.take() {
            return Ok(((name, Box::new(progress.wrap_read(reader))), parts));
        }
        let mut parts = Parts::of(&self.path, progress)?;
        let first = parts.next()?.with_context(|| format!("{} has no files", self.path.display()))?;
        Ok((first, parts))
    }
}

/// A line without its end.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
