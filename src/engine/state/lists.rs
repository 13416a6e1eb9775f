//! Lists that share their memory: what one gives back, another takes.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use super::cut::{Parts, Stored, Unreadable};
use super::pages::{Ref, Slab};

/// The entries of all lists, in chunks of about a KiB.
#[derive(Debug)]
pub(super) struct Lists<T, const CHUNK: usize> {
    chunks: Slab<Chunk<T, CHUNK>, 16>,
}

/// A list: its first and last chunk.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct List {
    first: Ref,
    last: Ref,
    len: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(bound = "T: Stored + Copy")]
struct Chunk<T, const CHUNK: usize> {
    #[serde(with = "BigArray")]
    entries: [T; CHUNK],
    next: Ref,
}

impl<T: Copy + Default, const CHUNK: usize> Default for Chunk<T, CHUNK> {
    fn default() -> Self {
        Chunk { entries: [T::default(); CHUNK], next: Ref::NONE }
    }
}

impl<T: Stored + Copy, const CHUNK: usize> Default for Lists<T, CHUNK> {
    fn default() -> Self {
        Lists { chunks: Slab::new() }
    }
}

impl List {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }
}

impl<T: Stored + Copy, const CHUNK: usize> Lists<T, CHUNK> {
    /// Stores or restores all lists; where they begin, their owners know.
    pub(super) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        self.chunks.parts(parts)
    }

    /// Adds an entry to the end of a list.
    #[inline]
    pub(super) fn push(&mut self, list: &mut List, entry: T) {
        let place = list.len as usize % CHUNK;
        if place == 0 {
            self.extend(list);
        }
        if let Some(chunk) = self.chunks.get_mut(list.last) {
            chunk.entries[place] = entry;
            list.len += 1;
        }
    }

    #[inline(never)]
    fn extend(&mut self, list: &mut List) {
        let chunk = self.chunks.insert(Chunk::default());
        match self.chunks.get_mut(list.last) {
            Some(last) => last.next = chunk,
            None => list.first = chunk,
        }
        list.last = chunk;
    }

    /// Takes the entries of a list, in their order.
    pub(super) fn take(&mut self, list: List, mut taken: impl FnMut(T)) {
        let List { first: mut next, mut len, .. } = list;
        while let Some(chunk) = self.chunks.get(next) {
            let mut at = next;
            next = chunk.next;
            chunk.entries.iter().take(len as usize).for_each(|entry| taken(*entry));
            len = len.saturating_sub(CHUNK as u32);
            self.chunks.remove(&mut at);
        }
    }

    /// The entries of a list, in their order.
    pub(super) fn of(&self, list: &List) -> impl Iterator<Item = T> {
        let (mut next, mut len) = (list.first, list.len());
        let chunks = std::iter::from_fn(move || {
            let chunk = self.chunks.get(next)?;
            next = chunk.next;
            let entries = &chunk.entries[..len.min(CHUNK)];
            len = len.saturating_sub(CHUNK);
            Some(entries)
        });
        chunks.flatten().copied()
    }

    /// Bytes of its pages.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_their_order_and_memory_is_used_again() {
        let mut lists = Lists::<u32, 7>::default();
        for _ in 0..50 {
            let mut some: [List; 3] = Default::default();
            (0..100).for_each(|entry| lists.push(&mut some[entry as usize % 3], entry));
            for (number, list) in some.into_iter().enumerate() {
                let mut taken = Vec::new();
                assert!(lists.of(&list).eq((number as u32..100).step_by(3)));
                assert_eq!((list.is_empty(), list.len()), (false, (100 - number).div_ceil(3)));
                lists.take(list, |entry| taken.push(entry));
                assert_eq!(taken, (number as u32..100).step_by(3).collect::<Vec<_>>());
            }
        }
        assert_eq!((lists.chunks.used(), lists.chunks.len()), (0, 15));
    }
}
