//! The files that an input consists of: a file, the files of a folder, or those of a zip or tar archive; each plain, gzip
//! or zstd, which its first bytes decide. Parquet becomes lines of JSON.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use indicatif::ProgressBar;
use zip::{CompressionMethod, ZipArchive};

use super::tar::{self, Tar};

/// How many bytes decide whether a file is an archive.
const MAGIC: usize = 512;

/// A file of an input: its name for messages, and its contents.
pub(super) type Part = (String, Box<dyn Read>);

/// The files of an input, one after the other.
pub(super) struct Parts {
    /// Files that were not opened yet.
    files: VecDeque<PathBuf>,
    /// An input that is open already, as standard input is.
    open: Option<Part>,
    /// The archive that is being read.
    archive: Option<Archive>,
    progress: ProgressBar,
}

/// An archive that is being read.
enum Archive {
    Tar(String, Tar),
    Zip { path: PathBuf, entries: VecDeque<Zipped> },
}

/// A file of a zip archive.
struct Zipped {
    name: String,
    start: u64,
    length: u64,
    method: CompressionMethod,
    checksum: u32,
}

impl Parts {
    /// The files of a path, which may be a folder.
    ///
    /// # Errors
    /// A folder cannot be read, or has no files.
    pub(super) fn of(path: &Path, progress: &ProgressBar) -> Result<Parts> {
        let mut files = VecDeque::new();
        if path.is_dir() {
            files.extend(files_of(path)?);
            if files.is_empty() {
                bail!("{} has no files", path.display());
            }
        } else {
            files.push_back(path.to_owned());
        }
        Ok(Parts { files, open: None, archive: None, progress: progress.clone() })
    }

    /// An input that is open already, and can be read only once.
    pub(super) fn open(name: &str, reader: Box<dyn Read>, progress: &ProgressBar) -> Parts {
        let open = Some((name.to_owned(), Box::new(progress.wrap_read(reader)) as Box<dyn Read>));
        Parts { files: VecDeque::new(), open, archive: None, progress: progress.clone() }
    }

    /// The next file.
    ///
    /// # Errors
    /// It cannot be opened, or an archive cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Part>> {
        loop {
            if let Some(archive) = &mut self.archive {
                match archive.next(&self.progress)? {
                    Some(part) => return Ok(Some(part)),
                    None => self.archive = None,
                }
            } else if let Some((name, reader)) = self.open.take() {
                if let Some(part) = self.begin(name, reader, None)? {
                    return Ok(Some(part));
                }
            } else if let Some(path) = self.files.pop_front() {
                let name = path.display().to_string();
                let file = File::open(&path).with_context(|| format!("opening {name}"))?;
                let reader = Box::new(self.progress.wrap_read(file));
                if let Some(part) = self.begin(name, reader, Some(path))? {
                    return Ok(Some(part));
                }
            } else {
                return Ok(None);
            }
        }
    }

    /// The contents of a file; none if it is an archive, whose files follow.
    fn begin(&mut self, name: String, reader: Box<dyn Read>, path: Option<PathBuf>) -> Result<Option<Part>> {
        let reading = || format!("reading {name}");
        let (head, reader) = peek(reader).with_context(reading)?;
        if let Some(path) = path.as_ref().filter(|_| is_parquet(&head)) {
            drop(reader);
            let rows = rows_of_file(path, &self.progress).with_context(reading)?;
            return Ok(Some((name, rows)));
        }
        if is_zip(&head) {
            let Some(path) = path else { bail!("{name} is a zip archive, which can only be read from a file") };
            drop(reader);
            let entries = zipped(&path).with_context(reading)?;
            self.archive = Some(Archive::Zip { path, entries });
            return Ok(None);
        }
        let (head, reader) = peek(decompress(&head, reader).with_context(reading)?).with_context(reading)?;
        if tar::is_tar(&head) {
            self.archive = Some(Archive::Tar(name, Tar::new(reader)?));
            return Ok(None);
        }
        let reader = plain(&head, reader).with_context(reading)?;
        Ok(Some((name, reader)))
    }
}

impl Archive {
    fn next(&mut self, progress: &ProgressBar) -> Result<Option<Part>> {
        let (name, reader) = match self {
            Archive::Tar(archive, tar) => {
                let next = loop {
                    match tar.next().with_context(|| format!("reading {archive}"))? {
                        Some((name, _)) if is_hidden(Path::new(&name)) => {}
                        next => break next,
                    }
                };
                let Some((name, reader)) = next else { return Ok(None) };
                (format!("{archive}/{name}"), reader)
            }
            Archive::Zip { path, entries } => {
                let Some(entry) = entries.pop_front() else { return Ok(None) };
                let name = format!("{}/{}", path.display(), entry.name);
                let reader = entry.open(path, progress).with_context(|| format!("reading {name}"))?;
                (name, reader)
            }
        };
        let reading = || format!("reading {name}");
        let (head, reader) = peek(reader).with_context(reading)?;
        if is_zip(&head) || tar::is_tar(&head) {
            bail!("{name} is an archive in an archive: unpack the outer one");
        }
        let (head, reader) = peek(decompress(&head, reader).with_context(reading)?).with_context(reading)?;
        let reader = plain(&head, reader).with_context(reading)?;
        Ok(Some((name, reader)))
    }
}

fn is_parquet(head: &[u8]) -> bool {
    head.starts_with(b"PAR1")
}

/// The contents of a file of an archive, or of one that is compressed, as text if it is Parquet.
fn plain(head: &[u8], reader: Box<dyn Read>) -> Result<Box<dyn Read>> {
    if is_parquet(head) { rows_of_stream(reader) } else { Ok(reader) }
}

#[cfg(feature = "parquet")]
fn rows_of_file(path: &Path, progress: &ProgressBar) -> Result<Box<dyn Read>> {
    super::parquet::of_file(File::open(path)?, progress)
}

#[cfg(feature = "parquet")]
fn rows_of_stream(stream: Box<dyn Read>) -> Result<Box<dyn Read>> {
    super::parquet::of_stream(stream)
}

#[cfg(not(feature = "parquet"))]
const NO_PARQUET: &str = "it is Parquet, which this program does not read: build it with `--features parquet`";

#[cfg(not(feature = "parquet"))]
fn rows_of_file(_: &Path, _: &ProgressBar) -> Result<Box<dyn Read>> {
    bail!(NO_PARQUET)
}

#[cfg(not(feature = "parquet"))]
fn rows_of_stream(_: Box<dyn Read>) -> Result<Box<dyn Read>> {
    bail!(NO_PARQUET)
}

fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Whether a file, or a folder that it is in, is hidden: systems put files of their own into folders and archives.
fn is_hidden(path: &Path) -> bool {
    let names = path.components().filter_map(|component| match component {
        std::path::Component::Normal(name) => name.to_str(),
        _ => None,
    });
    names.into_iter().any(|name| name.starts_with('.') || name == "__MACOSX")
}

/// The files of a folder and of its folders, in the order of their names.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("reading {}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        if !is_hidden(Path::new(&entry.file_name())) {
            paths.push(entry.path());
        }
    }
    sort_by_name(&mut paths, |path| path.to_string_lossy().into_owned());
    let files = paths.into_iter().map(|path| if path.is_dir() { files_of(&path) } else { Ok(vec![path]) });
    Ok(files.collect::<Result<Vec<_>>>()?.concat())
}

/// Sorts by name. Numbers in names are compared as numbers: Amplitude writes the hours of a day as `_9` and `_10`.
fn sort_by_name<T>(items: &mut [T], name: impl Fn(&T) -> String) {
    items.sort_by_cached_key(|item| {
        let name = name(item);
        let (mut key, mut digits) = (String::new(), String::new());
        for c in name.chars().chain(['\0']) {
            if c.is_ascii_digit() {
                digits.push(c);
                continue;
            }
            if !digits.is_empty() {
                key += &format!("{:0>40}", std::mem::take(&mut digits));
            }
            key.push(c);
        }
        (key, name)
    });
}

/// The files of a zip archive, in the order of their names.
fn zipped(path: &Path) -> Result<VecDeque<Zipped>> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let mut entries = Vec::new();
    for number in 0..archive.len() {
        let entry = archive.by_index_raw(number)?;
        let name = entry.name()?.into_owned();
        if entry.is_dir() || entry.is_symlink() || is_hidden(Path::new(&name)) {
            continue;
        }
        if entry.encrypted() {
            bail!("{name} is encrypted");
        }
        let start = entry.data_start().with_context(|| format!("{name} has no contents"))?;
        let (length, method, checksum) = (entry.compressed_size(), entry.compression(), entry.crc32());
        entries.push(Zipped { name, start, length, method, checksum });
    }
    if entries.is_empty() {
        bail!("the archive has no files");
    }
    sort_by_name(&mut entries, |entry| entry.name.clone());
    Ok(entries.into())
}

impl Zipped {
    fn open(&self, path: &Path, progress: &ProgressBar) -> Result<Box<dyn Read>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.start))?;
        let raw = BufReader::new(progress.wrap_read(file)).take(self.length);
        let reader: Box<dyn Read> = match self.method {
            CompressionMethod::Stored => Box::new(raw),
            CompressionMethod::Deflated => Box::new(flate2::read::DeflateDecoder::new(raw)),
            other => bail!("it is compressed as {other}, expected deflate, as most programs do"),
        };
        Ok(Box::new(Checked { reader, hasher: crc32fast::Hasher::new(), expected: self.checksum }))
    }
}

/// Contents whose checksum is compared at their end.
struct Checked {
    reader: Box<dyn Read>,
    hasher: crc32fast::Hasher,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.hasher.clone().finalize() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the archive is damaged: a checksum differs"));
        }
        Ok(read)
    }
}

/// The first bytes of a reader, and the whole of it.
fn peek(mut reader: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut head = Vec::with_capacity(MAGIC);
    reader.by_ref().take(MAGIC as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Box::new(Cursor::new(head).chain(reader))))
}

fn decompress(head: &[u8], reader: Box<dyn Read>) -> io::Result<Box<dyn Read>> {
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(reader))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(reader)?),
        _ => reader,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = ["a_10#0", "a_9#1", "a_9#0", "b", "a", "a_09#0", "B", ".x"].map(str::to_owned);
        sort_by_name(&mut names, Clone::clone);
        assert_eq!(names, [".x", "B", "a", "a_09#0", "a_9#0", "a_9#1", "a_10#0", "b"]);
        assert!(
            is_hidden(Path::new("a/.DS_Store")) && is_hidden(Path::new("__MACOSX/a")) && !is_hidden(Path::new("./a"))
        );
    }
}
