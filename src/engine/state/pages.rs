//! A table of rows in pages: it grows by a page, and no row moves.

use std::ops::{Index, IndexMut};

/// Rows by their index. An index is stable for the life of its row.
#[derive(Debug)]
pub(in crate::engine) struct Pages<T, const ROWS: usize = 512> {
    pages: Vec<Box<Page<T, ROWS>>>,
    len: u32,
}

/// A page. Rows that are not yet used are blank. Alignment and size are multiples of 4 KiB (512 rows of a multiple of 8
/// bytes are): mimalloc allocates such a block at its own size, while a vector of 64 KiB takes a block of 80 KiB. Rows of
/// 64 bytes lie in cache lines.
#[derive(Debug)]
#[repr(C, align(4096))]
struct Page<T, const ROWS: usize>([T; ROWS]);

impl<T: Default, const ROWS: usize> Pages<T, ROWS> {
    pub(in crate::engine) fn new() -> Self {
        const { assert!(ROWS.is_power_of_two()) };
        Pages { pages: Vec::new(), len: 0 }
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
        if (index as usize).is_multiple_of(ROWS) {
            self.pages.push(Box::new(Page(std::array::from_fn(|_| T::default()))));
        }
        self.len += 1;
        self[index] = row;
        index
    }

    #[inline]
    fn get(&self, index: u32) -> Option<&T> {
        Some(&self.pages.get(index as usize / ROWS)?.0[index as usize % ROWS])
    }

    #[inline]
    fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        Some(&mut self.pages.get_mut(index as usize / ROWS)?.0[index as usize % ROWS])
    }
}

impl<T, const ROWS: usize> Index<u32> for Pages<T, ROWS> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.pages[index as usize / ROWS].0[index as usize % ROWS]
    }
}

impl<T, const ROWS: usize> IndexMut<u32> for Pages<T, ROWS> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.pages[index as usize / ROWS].0[index as usize % ROWS]
    }
}

/// Values that not every row has, in pages. The place of a removed value is used again.
#[derive(Debug)]
pub(in crate::engine) struct Slab<T, const ROWS: usize = 512> {
    values: Pages<T, ROWS>,
    free: Vec<Ref>,
}

/// A reference into a [`Slab`]: none, or an index plus one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

impl<T: Default, const ROWS: usize> Slab<T, ROWS> {
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
