//! Reads the files of a tar archive one after the other, <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>:
//! names and sizes of ustar, of pax headers and of GNU tar.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

/// The length of a header, of which a multiple is every length.
const BLOCK: usize = 512;
/// The longest header of names that is read. Longer ones are no names.
const NAMES_MAX: u64 = 1 << 20;

/// An archive that is read from its beginning.
pub(super) struct Tar {
    reader: Rc<RefCell<Box<dyn Read>>>,
    /// Bytes of the present file that were not read yet, and those that fill its last block.
    left: Rc<RefCell<(u64, u64)>>,
}

/// The contents of a file of an archive.
struct Entry {
    reader: Rc<RefCell<Box<dyn Read>>>,
    left: Rc<RefCell<(u64, u64)>>,
}

impl Read for Entry {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut left = self.left.borrow_mut();
        let most = buffer.len().min(usize::try_from(left.0).unwrap_or(usize::MAX));
        let read = self.reader.borrow_mut().read(&mut buffer[..most])?;
        if read == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
        }
        left.0 -= read as u64;
        Ok(read)
    }
}

/// Whether these first bytes of a file are those of a tar archive.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

impl Tar {
    pub(super) fn new(reader: Box<dyn Read>) -> Tar {
        Tar { reader: Rc::new(RefCell::new(reader)), left: Rc::default() }
    }

    /// The next regular file: its name and its contents. What was not read of the one before is passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<(String, Box<dyn Read>)>> {
        let (mut long_name, mut long_size) = (None, None);
        loop {
            self.pass_over()?;
            let mut header = [0; BLOCK];
            // Two blocks of zeros end an archive; some writers leave them out.
            if !self.block(&mut header)? || header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let kind = header[156];
            let size = number(&header[124..136]).ok_or_else(|| invalid("a header without a size"))?;
            let size = if matches!(kind, b'L' | b'K' | b'x' | b'g') { size } else { long_size.take().unwrap_or(size) };
            let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
            *self.left.borrow_mut() = (size, padding);
            match kind {
                b'L' => long_name = Some(text(&self.names(size)?)),
                b'x' => {
                    let records = self.names(size)?;
                    long_name = pax(&records, "path").or(long_name);
                    long_size = pax(&records, "size").and_then(|size| size.parse().ok());
                }
                b'0' | 0 | b'7' => {
                    let name = long_name.take().unwrap_or_else(|| name(&header));
                    let (reader, left) = (Rc::clone(&self.reader), Rc::clone(&self.left));
                    return Ok(Some((name, Box::new(Entry { reader, left }))));
                }
                // Folders, links and comments; what a long name before them names.
                b'g' | b'K' => {}
                _ => long_name = None,
            }
        }
    }

    fn pass_over(&mut self) -> io::Result<()> {
        let (left, padding) = std::mem::take(&mut *self.left.borrow_mut());
        let rest = left + padding;
        let passed = io::copy(&mut self.reader.borrow_mut().as_mut().take(rest), &mut io::sink())?;
        // The last file may lack the bytes that fill its block.
        if passed < left { Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off")) } else { Ok(()) }
    }

    /// Reads a header. Returns whether there is one.
    fn block(&mut self, header: &mut [u8; BLOCK]) -> io::Result<bool> {
        let mut read = 0;
        while read < BLOCK {
            match self.reader.borrow_mut().read(&mut header[read..])? {
                0 if read == 0 => return Ok(false),
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off")),
                more => read += more,
            }
        }
        Ok(true)
    }

    fn names(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > NAMES_MAX {
            return Err(invalid("a name is too long"));
        }
        let mut names = Vec::new();
        Entry { reader: Rc::clone(&self.reader), left: Rc::clone(&self.left) }.take(size).read_to_end(&mut names)?;
        Ok(names)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a tar archive: {what}"))
}

/// A text that ends at a zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn name(header: &[u8; BLOCK]) -> String {
    match text(&header[345..500]) {
        folder if folder.is_empty() || header[257..263] != *b"ustar\0" => text(&header[..100]),
        folder => format!("{folder}/{}", text(&header[..100])),
    }
}

/// A number in octal digits, or in binary if its first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        return field[4..].iter().try_fold(0_u64, |number, byte| Some(number.checked_mul(256)? + u64::from(*byte)));
    }
    let digits = text(field);
    u64::from_str_radix(digits.trim(), 8).ok()
}

/// The value of a key of a pax header, whose records are `length key=value`.
fn pax(mut records: &[u8], key: &str) -> Option<String> {
    let mut found = None;
    while let Some(space) = records.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let record = records.get(space + 1..length)?.strip_suffix(b"\n")?;
        records = records.get(length..)?;
        if let Some(value) = record.strip_prefix(key.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
            found = Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of a file, with its contents.
    fn file(kind: u8, name: &str, contents: &[u8]) -> Vec<u8> {
        let mut header = vec![0; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
        header[156] = kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header.extend(contents);
        header.resize(header.len().next_multiple_of(BLOCK), 0);
        header
    }

    fn all(archive: &[u8]) -> io::Result<Vec<(String, String)>> {
        let mut tar = Tar::new(Box::new(io::Cursor::new(archive.to_vec())));
        let mut found = Vec::new();
        while let Some((name, mut contents)) = tar.next()? {
            // The second file is left unread.
            let mut text = String::new();
            if found.len() != 1 {
                contents.read_to_string(&mut text)?;
            }
            found.push((name, text));
        }
        Ok(found)
    }

    #[test]
    fn files_are_read_in_their_order_with_long_names() {
        let long = "n".repeat(150);
        let record = format!("{} path={long}\n", 150 + 10);
        let archive = [
            file(b'5', "folder/", b""),
            file(b'0', "folder/a", b"one\n"),
            file(0, "b", &[b'x'; 700]),
            file(b'x', "pax", record.as_bytes()),
            file(b'0', "short", b"three"),
            file(b'L', "././@LongLink", format!("{long}\0").as_bytes()),
            file(b'0', "short", b"four"),
            vec![0; 2 * BLOCK],
            b"what follows the end".to_vec(),
        ]
        .concat();
        assert!(is_tar(&archive) && !is_tar(b"ustar"));
        let expected = [("folder/a", "one\n"), ("b", ""), (&long, "three"), (&long, "four")];
        assert_eq!(all(&archive).unwrap(), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        for end in [BLOCK + 100, 2 * BLOCK + 2, 4 * BLOCK] {
            assert!(all(&archive[..end]).is_err(), "{end}");
        }
        assert!(number(b"\x80\0\0\0\0\0\0\x01\0\0\0\0") == Some(1 << 32) && number(b"x").is_none());
    }
}
