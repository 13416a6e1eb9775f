//! The message ids of recently applied events, for the detection of duplicates.

use std::collections::VecDeque;
use std::hint::black_box;

use hashbrown::HashTable;

use crate::model::EventTime;

/// Ids of applied messages, each for the dedupe window or until enough newer ones came (semantics A20).
///
/// An id is stored as its 128-bit xxh3: the probability that two of a million ids collide is below 1e-26.
#[derive(Debug)]
pub(in crate::engine) struct Recent {
    window_ms: i64,
    ids_max: usize,
    /// Oldest first: the id, and the highest accepted event time when it was applied.
    ids: VecDeque<(u128, EventTime)>,
    /// Positions in `ids`, counted from the first id ever remembered.
    index: HashTable<u32>,
    dropped: u32,
    /// Whether the last id took the place of an older one.
    drops: bool,
}

/// A message id together with its source; none if the id is empty.
pub(in crate::engine) type Id = Option<u128>;

impl Recent {
    pub(in crate::engine) fn new(window_ms: i64, ids_max: usize) -> Recent {
        Recent { window_ms, ids_max, ids: VecDeque::new(), index: HashTable::new(), dropped: 0, drops: false }
    }

    /// Whether the id was applied within the window, seen from the highest accepted event time.
    pub(in crate::engine) fn has(&self, id: Id, highest: Option<EventTime>) -> bool {
        let (Some(id), Some(highest)) = (id, highest) else { return false };
        let entry = self.index.find(id as u64, |position| self.at(*position).0 == id);
        entry.is_some_and(|position| highest.0 - self.window_ms <= self.at(*position).1.0)
    }

    /// Reads ahead for an id, before which `others` ids are added: each may take the place of the oldest.
    pub(in crate::engine) fn touch(&self, id: Id, others: usize) {
        if let Some(id) = id {
            black_box(self.index.find(id as u64, |_| false));
        }
        if let Some((oldest, _)) = self.ids.get(others).filter(|_| self.drops) {
            let position = self.dropped.wrapping_add(others as u32);
            black_box(self.index.find(*oldest as u64, |found| *found == position));
        }
    }

    /// Remembers the id of an applied message; `highest` includes it.
    pub(in crate::engine) fn insert(&mut self, id: Id, highest: EventTime) {
        let Some(id) = id else { return };
        let dropped = self.dropped;
        while self.ids.front().is_some_and(|oldest| oldest.1.0 < highest.0 - self.window_ms)
            || self.ids.len() >= self.ids_max.max(1)
        {
            self.drop_oldest();
        }
        self.drops = self.dropped != dropped;
        if self.ids_max > 0 {
            let position = self.dropped.wrapping_add(self.ids.len() as u32);
            self.ids.push_back((id, highest));
            let (ids, dropped) = (&self.ids, self.dropped);
            self.index
                .insert_unique(id as u64, position, |position| ids[position.wrapping_sub(dropped) as usize].0 as u64);
        }
    }

    /// Bytes of what is remembered.
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.ids.capacity() * size_of::<(u128, EventTime)>() + self.index.capacity() * size_of::<u32>()
    }

    fn at(&self, position: u32) -> (u128, EventTime) {
        self.ids[position.wrapping_sub(self.dropped) as usize]
    }

    fn drop_oldest(&mut self) {
        let Some((id, _)) = self.ids.front().copied() else { return };
        let dropped = self.dropped;
        if let Ok(entry) = self.index.find_entry(id as u64, |position| *position == dropped) {
            entry.remove();
        }
        self.ids.pop_front();
        self.dropped = dropped.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_the_window_and_for_so_many_newer_ones() {
        let mut recent = Recent::new(100, 3);
        recent.insert(Some(1), EventTime(1_000));
        assert!(recent.has(Some(1), Some(EventTime(1_100))));
        assert!(!recent.has(Some(1), Some(EventTime(1_101))));
        assert!(!recent.has(Some(2), Some(EventTime(1_000))));
        assert!(!recent.has(None, Some(EventTime(1_000))));
        (2..4).for_each(|id| recent.insert(Some(id), EventTime(1_000)));
        assert!(recent.has(Some(1), Some(EventTime(1_000))));
        recent.insert(Some(4), EventTime(1_000));
        assert!(!recent.has(Some(1), Some(EventTime(1_000))), "three newer ones came");
        assert!((2..5).all(|id| recent.has(Some(id), Some(EventTime(1_000)))));
    }
}
