//! Reads the files of a tar archive one after the other.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use self_cell::{MutBorrow, self_cell};
use tar::{Archive, Entries, Entry, EntryType};

type Bytes = Box<dyn Read>;

/// The files of an archive, and the present one.
struct Open<'a> {
    entries: Entries<'a, Bytes>,
    file: Option<Entry<'a, Bytes>>,
    /// Bytes of the present file that were not read yet.
    left: u64,
}

self_cell!(
    // The files borrow the archive, and both are kept as long as any of them is read.
    struct Opened {
        owner: MutBorrow<Archive<Bytes>>,
        #[not_covariant]
        dependent: Open,
    }
);

/// An archive that is read from its beginning; and the contents of its present file.
#[derive(Clone)]
pub(super) struct Tar(Rc<RefCell<Opened>>);

/// Whether these first bytes of a file are those of a tar archive.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

impl Tar {
    pub(super) fn new(reader: Bytes) -> io::Result<Tar> {
        let opened = Opened::try_new(MutBorrow::new(Archive::new(reader)), |archive| {
            Ok::<_, io::Error>(Open { entries: archive.borrow_mut().entries()?, file: None, left: 0 })
        })?;
        Ok(Tar(Rc::new(RefCell::new(opened))))
    }

    /// The next regular file: its name and its contents. What was not read of the one before is passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<(String, Bytes)>> {
        let name = self.0.borrow_mut().with_dependent_mut(|_, open| {
            loop {
                let Some(file) = open.entries.next().transpose()? else { return Ok::<_, io::Error>(None) };
                let kind = file.header().entry_type();
                // Folders and links have no contents of their own.
                if matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse) {
                    let name = String::from_utf8_lossy(&file.path_bytes()).into_owned();
                    (open.left, open.file) = (file.size(), Some(file));
                    return Ok(Some(name));
                }
            }
        })?;
        Ok(name.map(|name| (name, Box::new(self.clone()) as Bytes)))
    }
}

impl Read for Tar {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().with_dependent_mut(|_, open| {
            let read = open.file.as_mut().map_or(Ok(0), |file| file.read(buffer))?;
            if read == 0 && open.left > 0 && !buffer.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off"));
            }
            open.left = open.left.saturating_sub(read as u64);
            Ok(read)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(archive: &[u8]) -> io::Result<Vec<(String, String)>> {
        let mut tar = Tar::new(Box::new(io::Cursor::new(archive.to_vec())))?;
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
        let mut archive = tar::Builder::new(Vec::new());
        let mut append = |kind: EntryType, name: &str, contents: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_size(contents.len() as u64);
            header.set_path(name).unwrap();
            header.set_cksum();
            archive.append(&header, contents).unwrap();
        };
        append(EntryType::Directory, "folder/", b"");
        append(EntryType::Regular, "folder/a", b"one\n");
        append(EntryType::Continuous, "b", &[b'x'; 700]);
        append(EntryType::XHeader, "pax", format!("{} path={long}\n", 150 + 10).as_bytes());
        append(EntryType::Regular, "short", b"three");
        append(EntryType::Symlink, "link", b"");
        append(EntryType::GNULongName, "././@LongLink", format!("{long}\0").as_bytes());
        append(EntryType::Regular, "short", b"four");
        let archive = archive.into_inner().unwrap();
        assert!(is_tar(&archive) && !is_tar(b"ustar"));
        let expected = [("folder/a", "one\n"), ("b", ""), (&long, "three"), (&long, "four")];
        assert_eq!(all(&archive).unwrap(), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        for end in [512 + 100, 3 * 512 - 510, 4 * 512 + 1] {
            assert!(all(&archive[..end]).is_err(), "{end}");
        }
    }
}
