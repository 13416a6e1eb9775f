//! Ids of users and accounts, in append-only pages of text.

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cut::{self, Block, Blocks, Content, Held, NameCell, Shared, Table, Unreadable};

/// Bytes of a page: the longest id fits into one, with its length.
const PAGE: usize = 65_536;

/// Lengths from here on take two characters: this bit and the upper bits, then the lower seven bits.
const LONG: usize = 0x40;

/// Pages that an [`Id`] can name.
const PAGES_MAX: usize = 65_536;

/// Every id that was seen.
#[derive(Debug, Default)]
pub(in crate::engine) struct Ids {
    /// By block: its name in the last snapshot that has it as it is, or will have.
    names: Vec<NameCell>,
    /// Each id follows its length, in one ASCII character if it is below [`LONG`], else in two. So a page is a text, and
    /// so is every id.
    pages: Vec<Held<String>>,
}

/// The place of an id: its page, and its offset there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Id(u32);

impl Ids {
    /// Adds an id.
    ///
    /// # Panics
    /// It is longer than 8,191 bytes, which decoding refuses, or the pages are full: ask [`Ids::is_full`] before.
    pub(in crate::engine) fn push(&mut self, id: &str) -> Id {
        assert!(id.len() < LONG << 7, "ids are at most 1,024 bytes long");
        let needed = 2 + id.len();
        if self.pages.last().is_none_or(|page| page.get().len() + needed > PAGE) {
            self.pages.push(Held::new(Box::new(String::with_capacity(PAGE))));
        }
        let number = self.pages.len() - 1;
        let page = self.pages[number].get_mut();
        let at = page.len();
        let character = |bits: usize| char::from(bits as u8);
        if id.len() < LONG {
            page.push(character(id.len()));
        } else {
            page.extend([character(LONG | id.len() >> 7), character(id.len() & 0x7f)]);
        }
        page.push_str(id);
        Id(u32::try_from(number * PAGE + at).expect("at most 4 GiB of ids"))
    }

    /// Whether there may be no room for another id of an account and of a user: there are 4 GiB of ids.
    pub(in crate::engine) fn is_full(&self) -> bool {
        self.pages.len() >= PAGES_MAX - 1
    }

    /// Bytes of its pages.
    pub(in crate::engine) fn held(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// Where an id stands in its page.
    #[inline(always)]
    fn place(&self, id: Id) -> (&String, Range<usize>) {
        let (page, at) = (self.pages[id.0 as usize / PAGE].get(), id.0 as usize % PAGE);
        let first = usize::from(page.as_bytes()[at]);
        if first < LONG {
            return (page, at + 1..at + 1 + first);
        }
        let length = (first & !LONG) << 7 | usize::from(page.as_bytes()[at + 1]);
        (page, at + 2..at + 2 + length)
    }

    /// The bytes of an id.
    #[inline]
    pub(in crate::engine) fn bytes(&self, id: Id) -> &[u8] {
        let (page, place) = self.place(id);
        &page.as_bytes()[place]
    }

    /// Overwrites an id, which is empty from now on.
    pub(in crate::engine) fn erase(&mut self, id: Id) {
        let (_, Range { end, .. }) = self.place(id);
        let at = id.0 as usize % PAGE;
        // With as many bytes, so that no other id moves. The first one is the length, now 0.
        self.pages[id.0 as usize / PAGE].get_mut().replace_range(at..end, &"\0".repeat(end - at));
    }

    /// Reads ahead for an id.
    pub(in crate::engine) fn touch(&self, id: Id) {
        black_box(self.pages[id.0 as usize / PAGE].get().as_bytes()[id.0 as usize % PAGE]);
    }

    /// An id.
    pub(in crate::engine) fn get(&self, id: Id) -> &str {
        let (page, place) = self.place(id);
        &page[place]
    }
}

/// How many pages are stored together: a MiB.
const OF_BLOCK: usize = 16;

/// The pages of a block.
#[derive(Debug)]
struct Texts(Vec<Arc<Shared<String>>>);

impl Content for Texts {
    fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = Vec::new();
        self.0.iter().try_for_each(|page| cut::append(page.get(), &mut bytes))?;
        Ok(bytes)
    }
}

/// Its rows are the pages.
impl Table for Ids {
    fn cut(&mut self, blocks: &mut Vec<Block>) {
        cut::cut_pages(&mut self.pages, OF_BLOCK, &mut self.names, blocks, |_, pages| Box::new(Texts(pages)));
    }

    fn forget_names(&mut self) {
        self.names.clear();
    }

    fn rows(&self) -> u32 {
        self.pages.len() as u32
    }

    fn restore(&mut self, rows: u32, blocks: &mut Blocks<'_>) -> Result<(), Unreadable> {
        *self = Ids::default();
        while self.rows() < rows {
            let (name, bytes) = cut::next(blocks)?;
            let mut rest = &bytes[..];
            for _ in 0..OF_BLOCK.min((rows - self.rows()) as usize) {
                let mut page: String = cut::take(&mut rest)?;
                page.reserve_exact(PAGE.saturating_sub(page.len()));
                self.pages.push(Held::stored(Box::new(page)));
            }
            cut::ends(rest)?;
            self.names.push(Arc::new(name.into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ids_still_fit_before_the_pages_are_full() {
        let mut ids = Ids::default();
        ids.pages.extend((0..PAGES_MAX - 2).map(|_| Held::new(Box::default())));
        assert!(!ids.is_full());
        let longest = "x".repeat(1_024);
        ids.pages.last_mut().expect("a page").get_mut().extend(std::iter::repeat_n('x', PAGE));
        let places = [ids.push(&longest), ids.push("ann")];
        assert!(ids.is_full());
        assert_eq!(places.map(|place| ids.get(place)), [&*longest, "ann"]);
    }

    #[test]
    fn ids_are_read_back_across_pages() {
        let mut ids = Ids::default();
        let all: Vec<String> = (0..1_300).map(|n| format!("{n}-{}", "é".repeat(n % 600))).collect();
        let places: Vec<Id> = all.iter().map(|id| ids.push(id)).collect();
        assert!(ids.pages.len() > 2);
        assert!(all.iter().zip(&places).all(|(id, place)| ids.get(*place) == id));
        ids.erase(places[700]);
        let left = |number: usize| if number == 700 { "" } else { &*all[number] };
        assert!((0..).zip(&places).all(|(number, place)| ids.get(*place) == left(number)));
        assert!(ids.pages.iter().all(|page| !page.get().contains(&all[700])));
    }
}
