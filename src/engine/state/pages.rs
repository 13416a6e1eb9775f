//! A table of rows in pages: it grows by a page, and no row moves.

use std::ops::{Index, IndexMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cut::{self, Block, Blocks, Content, Held, NameCell, Parts, Shared, Stored, Table, Unreadable};

/// Rows by their index. An index is stable for the life of its row.
#[derive(Debug)]
pub(in crate::engine) struct Pages<T, const ROWS: usize = 512> {
    pages: Vec<Held<Page<T, ROWS>>>,
    len: u32,
    /// By block: its name in the last snapshot that has it as it is, or will have.
    names: Vec<NameCell>,
}

/// A page. Rows that are not yet used are blank. Alignment and size are multiples of 4 KiB (512 rows of a multiple of 8
/// bytes are): mimalloc allocates such a block at its own size, while a vector of 64 KiB takes a block of 80 KiB. Rows of
/// 64 bytes lie in cache lines.
#[derive(Clone, Debug)]
#[repr(C, align(4096))]
struct Page<T, const ROWS: usize>([T; ROWS]);

/// About how many bytes of pages are stored together.
const BLOCK: usize = 1 << 20;

impl<T: Stored, const ROWS: usize> Pages<T, ROWS> {
    /// How many pages are a block.
    const OF_BLOCK: usize = {
        assert!(ROWS.is_power_of_two());
        if size_of::<Page<T, ROWS>>() < BLOCK { BLOCK / size_of::<Page<T, ROWS>>() } else { 1 }
    };

    pub(in crate::engine) fn new() -> Self {
        Pages { pages: Vec::new(), len: 0, names: Vec::new() }
    }

    /// How many rows there are.
    pub(in crate::engine) fn len(&self) -> u32 {
        self.len
    }

    /// Bytes of its pages.
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.pages.len() * size_of::<Page<T, ROWS>>()
    }

    /// Adds a row and returns its index.
    pub(in crate::engine) fn push(&mut self, row: T) -> u32 {
        let index = self.len;
        if index as usize == self.pages.len() * ROWS {
            self.pages.push(Held::new(Page::blank()));
        }
        self.len += 1;
        self[index] = row;
        index
    }

    /// Removes all rows, and keeps the pages for others.
    pub(in crate::engine) fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    fn get(&self, index: u32) -> Option<&T> {
        Some(&self.pages.get(index as usize / ROWS)?.get().0[index as usize % ROWS])
    }

    #[inline]
    fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        Some(&mut self.pages.get_mut(index as usize / ROWS)?.get_mut().0[index as usize % ROWS])
    }
}

impl<T: Stored, const ROWS: usize> Page<T, ROWS> {
    fn blank() -> Box<Self> {
        Box::new(Page(std::array::from_fn(|_| T::default())))
    }
}

/// The pages of a block, and how many rows they have.
#[derive(Debug)]
struct Rows<T, const ROWS: usize> {
    pages: Vec<Arc<Shared<Page<T, ROWS>>>>,
    len: usize,
}

impl<T: Stored, const ROWS: usize> Content for Rows<T, ROWS> {
    fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = Vec::with_capacity(self.len * size_of::<T>());
        let rows = self.pages.iter().flat_map(|page| &page.get().0).take(self.len);
        for row in rows {
            cut::append(row, &mut bytes)?;
        }
        Ok(bytes)
    }
}

impl<T: Stored, const ROWS: usize> Table for Pages<T, ROWS> {
    fn cut(&mut self, blocks: &mut Vec<Block>) {
        let rows_of_block = ROWS * Self::OF_BLOCK;
        let len = self.len as usize;
        let used = len.div_ceil(ROWS);
        cut::cut_pages(&mut self.pages[..used], Self::OF_BLOCK, &mut self.names, blocks, |number, pages| {
            Box::new(Rows { pages, len: (len - number * rows_of_block).min(rows_of_block) })
        });
        self.names.truncate(used.div_ceil(Self::OF_BLOCK));
    }

    fn forget_names(&mut self) {
        self.names.clear();
    }

    fn rows(&self) -> u32 {
        self.len
    }

    fn restore(&mut self, rows: u32, blocks: &mut Blocks<'_>) -> Result<(), Unreadable> {
        *self = Pages::new();
        while self.len < rows {
            let (name, bytes) = cut::next(blocks)?;
            let mut rest = &bytes[..];
            for _ in 0..Self::OF_BLOCK {
                let mut page = Page::blank();
                for row in page.0.iter_mut().take((rows - self.len) as usize) {
                    *row = cut::take(&mut rest)?;
                    self.len += 1;
                }
                self.pages.push(Held::stored(page));
                if self.len == rows {
                    break;
                }
            }
            cut::ends(rest)?;
            self.names.push(Arc::new(name.into()));
        }
        Ok(())
    }
}

impl<T: Clone, const ROWS: usize> Index<u32> for Pages<T, ROWS> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.pages[index as usize / ROWS].get().0[index as usize % ROWS]
    }
}

impl<T: Clone, const ROWS: usize> IndexMut<u32> for Pages<T, ROWS> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.pages[index as usize / ROWS].get_mut().0[index as usize % ROWS]
    }
}

/// Values that not every row has, in pages. The place of a removed value is used again.
#[derive(Debug)]
pub(in crate::engine) struct Slab<T, const ROWS: usize = 512> {
    values: Pages<T, ROWS>,
    free: Vec<Ref>,
}

/// A reference into a [`Slab`]: none, or an index plus one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct Ref(u32);

impl Ref {
    /// Nothing.
    pub(in crate::engine) const NONE: Ref = Ref(0);

    pub(in crate::engine) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// As a number, by which two can be told apart.
    pub(in crate::engine) fn number(self) -> u32 {
        self.0
    }

    /// The reference of a number.
    pub(in crate::engine) fn of(number: u32) -> Ref {
        Ref(number)
    }
}

impl<T: Stored, const ROWS: usize> Slab<T, ROWS> {
    pub(in crate::engine) fn new() -> Self {
        // Replacing a value by another allocates nothing.
        Slab { values: Pages::new(), free: Vec::with_capacity(8) }
    }

    #[inline]
    pub(in crate::engine) fn get(&self, at: Ref) -> Option<&T> {
        self.values.get(at.0.checked_sub(1)?)
    }

    #[inline]
    pub(in crate::engine) fn get_mut(&mut self, at: Ref) -> Option<&mut T> {
        self.values.get_mut(at.0.checked_sub(1)?)
    }

    /// Adds a value.
    pub(in crate::engine) fn insert(&mut self, value: T) -> Ref {
        match self.free.pop() {
            Some(at) => {
                self.values[at.0 - 1] = value;
                at
            }
            None => Ref(self.values.push(value) + 1),
        }
    }

    /// The value, which is new and empty if there is none.
    pub(in crate::engine) fn get_or_new(&mut self, at: &mut Ref) -> &mut T {
        if at.is_none() {
            *at = self.insert(T::default());
        }
        &mut self.values[at.0 - 1]
    }

    /// Stores or restores it.
    pub(in crate::engine) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Slab { values, free } = self;
        parts.table(values)?;
        parts.value(free)
    }

    /// Copies a value of another slab; none where there is none.
    pub(in crate::engine) fn adopt(&mut self, from: &Self, at: Ref) -> Ref {
        from.get(at).map_or(Ref::NONE, |value| self.insert(value.clone()))
    }

    /// Copies a list of another slab, in its order. `next` is where a value refers to the next one. `takes` changes what else
    /// a value refers to, and says whether it is taken.
    pub(in crate::engine) fn adopt_list(
        &mut self,
        from: &Self,
        list: Ref,
        next: impl Fn(&mut T) -> &mut Ref,
        mut takes: impl FnMut(&mut T) -> bool,
    ) -> Ref {
        let (mut at, mut values) = (list, Vec::new());
        while let Some(value) = from.get(at) {
            let mut value = value.clone();
            at = *next(&mut value);
            if takes(&mut value) {
                values.push(value);
            }
        }
        values.into_iter().rev().fold(Ref::NONE, |after, mut value| {
            *next(&mut value) = after;
            self.insert(value)
        })
    }

    /// The places that have values.
    pub(in crate::engine) fn places(&self) -> impl Iterator<Item = Ref> {
        let mut free = Vec::from_iter(self.free.iter().map(|at| at.0));
        free.sort_unstable();
        (1..=self.values.len()).filter(move |at| free.binary_search(at).is_err()).map(Ref)
    }

    /// Bytes of its pages.
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.values.bytes() + self.free.capacity() * size_of::<Ref>()
    }

    /// How many values are kept, and places of those that went.
    #[cfg(test)]
    pub(in crate::engine) fn len(&self) -> usize {
        self.values.len() as usize
    }

    #[cfg(test)]
    pub(in crate::engine) fn used(&self) -> usize {
        self.len() - self.free.len()
    }

    /// Gives a value back.
    pub(in crate::engine) fn remove(&mut self, at: &mut Ref) {
        if let Some(value) = self.get_mut(*at) {
            *value = T::default();
            self.free.push(std::mem::take(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_index_and_places_are_used_again() {
        let mut pages = Pages::<u64>::new();
        (0..20_000_u64).for_each(|row| assert_eq!(u64::from(pages.push(row)), row));
        pages[12_345] += 1;
        assert_eq!((pages[12_344], pages[12_345], pages.len()), (12_344, 12_346, 20_000));
        let mut slab = Slab::<u32>::new();
        let mut refs = [Ref::default(); 3];
        for (value, at) in refs.iter_mut().enumerate() {
            *slab.get_or_new(at) = value as u32;
        }
        let gone = refs[1];
        slab.remove(&mut refs[1]);
        assert_eq!((slab.get(refs[0]), slab.get(refs[1]), slab.get(refs[2])), (Some(&0), None, Some(&2)));
        let mut again = Ref::default();
        assert_eq!(*slab.get_or_new(&mut again), 0);
        assert_eq!(again, gone);
    }
}
