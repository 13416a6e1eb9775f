//! The message ids of recently applied events, for the detection of duplicates.

use std::hint::black_box;

use serde::{Deserialize, Serialize};

use super::cut::{Parts, Unreadable};
use super::index::Index;
use super::pages::Pages;
use crate::model::EventTime;

/// Ids of applied messages, each for the dedupe window or until enough newer ones came (semantics A20).
///
/// An id is stored as its 128-bit xxh3: the probability that two of a million ids collide is below 1e-26. Ids are kept in
/// two generations. The older one is dropped as a whole, once none of its ids counts any more.
#[derive(Debug)]
pub(in crate::engine) struct Recent {
    window_ms: i64,
    ids_max: u64,
    present: Generation,
    /// The one before it.
    past: Generation,
    /// The event time when the present generation began.
    began: EventTime,
}

/// Ids in the order in which they were remembered.
#[derive(Debug)]
struct Generation {
    seen: Pages<Seen>,
    by_id: Index,
    /// How many ids were remembered before it.
    before: u64,
}

/// An id that was remembered.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Seen {
    id: [u64; 2],
    /// The highest accepted event time then.
    at: i64,
}

/// A message id together with its source; none if the id is empty.
pub(in crate::engine) type Id = Option<u128>;

/// An id in halves, which need no alignment of 16 bytes; the first is its hash.
fn halves(id: u128) -> [u64; 2] {
    [id as u64, (id >> 64) as u64]
}

impl Generation {
    fn new() -> Generation {
        Generation { seen: Pages::new(), by_id: Index::new(), before: 0 }
    }

    /// How many ids were remembered up to its end.
    fn until(&self) -> u64 {
        self.before + u64::from(self.seen.len())
    }

    fn insert(&mut self, seen: Seen) {
        let Generation { seen: rows, by_id, .. } = self;
        let row = rows.push(seen);
        by_id.make_room(|row| rows[row].id[0]);
        by_id.insert(seen.id[0], row);
    }

    fn begin_at(&mut self, before: u64) {
        self.seen.clear();
        self.by_id.clear();
        self.before = before;
    }

    fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Generation { seen, by_id, before } = self;
        parts.value(before)?;
        parts.table(seen)?;
        if parts.are_restored() {
            *by_id = Index::of(0..seen.len(), |row| seen[row].id[0]);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.seen.bytes() + self.by_id.bytes()
    }
}

impl Recent {
    pub(in crate::engine) fn new(window_ms: i64, ids_max: usize) -> Recent {
        let (present, past) = (Generation::new(), Generation::new());
        Recent { window_ms, ids_max: ids_max as u64, present, past, began: EventTime::MIN }
    }

    /// Stores or restores them.
    pub(in crate::engine) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Recent { window_ms: _, ids_max: _, present, past, began } = self;
        present.parts(parts)?;
        past.parts(parts)?;
        parts.value(began)
    }

    /// Whether the id was applied within the window, seen from the highest accepted event time.
    pub(in crate::engine) fn has(&self, id: Id, highest: Option<EventTime>) -> bool {
        let (Some(id), Some(highest)) = (id.map(halves), highest) else { return false };
        self.has_in(&self.present, id, highest) || self.past.seen.len() > 0 && self.has_in(&self.past, id, highest)
    }

    #[inline]
    fn has_in(&self, generation: &Generation, id: [u64; 2], highest: EventTime) -> bool {
        let is = |row: u32| {
            let seen = &generation.seen[row];
            seen.id == id && self.counts((generation.before + u64::from(row) + 1, EventTime(seen.at)), highest)
        };
        generation.by_id.find(id[0], is).is_some()
    }

    /// Whether an id that was remembered as the nth one, and at this time, still counts.
    fn counts(&self, (number, at): (u64, EventTime), highest: EventTime) -> bool {
        self.present.until() - number < self.ids_max && highest.0 - self.window_ms <= at.0
    }

    /// Reads ahead for an id.
    pub(in crate::engine) fn touch(&self, id: Id) {
        if let Some([hash, _]) = id.map(halves) {
            black_box((self.present.by_id.touch(hash), self.past.by_id.touch(hash)));
        }
    }

    /// Remembers the id of an applied message; `highest` includes it.
    pub(in crate::engine) fn insert(&mut self, id: Id, highest: EventTime) {
        let Some(id) = id.map(halves) else { return };
        if !self.counts((self.present.before, self.began), highest) {
            let until = self.present.until();
            std::mem::swap(&mut self.present, &mut self.past);
            self.present.begin_at(until);
            self.began = highest;
        }
        self.present.insert(Seen { id, at: highest.0 });
    }

    /// Takes the ids that count in others, in the order of their times.
    pub(in crate::engine) fn adopt<'a>(&mut self, others: impl Iterator<Item = &'a Recent>, highest: EventTime) {
        let mut all = Vec::new();
        for other in others {
            for generation in [&other.past, &other.present] {
                let rows = (0..generation.seen.len()).map(|row| (u64::from(row) + 1, generation.seen[row]));
                let counts = |(number, seen): &(u64, Seen)| {
                    other.counts((generation.before + number, EventTime(seen.at)), highest)
                };
                all.extend(rows.filter(counts).map(|(_, seen)| seen));
            }
        }
        all.sort_by_key(|seen| seen.at);
        for Seen { id: [low, high], at } in all {
            self.insert(Some(u128::from(high) << 64 | u128::from(low)), EventTime(at));
        }
    }

    /// Bytes of what is remembered.
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.present.bytes() + self.past.bytes()
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

    #[test]
    fn ids_are_those_of_a_list_from_which_the_oldest_is_dropped() {
        for (window, ids_max) in [(50, 1_000), (1_000, 7), (20, 4), (0, 2), (5, 0)] {
            let (mut recent, mut list, mut highest, mut random) = (Recent::new(window, ids_max), Vec::new(), 0, 1_u64);
            for _ in 0..5_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                highest += (random >> 33) as i64 % 7;
                let id = u128::from(random >> 40) % 60;
                let from = list.len().saturating_sub(ids_max);
                let is_known = list[from..].iter().any(|(known, at)| *known == id && highest - window <= *at);
                assert_eq!(recent.has(Some(id), Some(EventTime(highest))), is_known, "{window} {ids_max}");
                if !is_known {
                    recent.insert(Some(id), EventTime(highest));
                    list.push((id, highest));
                }
            }
            let most = list.iter().map(|(_, at)| list.iter().filter(|it| (*at - window..=*at).contains(&it.1)).count());
            let most = most.max().unwrap_or(0).min(ids_max);
            let held = (recent.present.seen.len() + recent.past.seen.len()) as usize;
            assert!(held <= 2 * most + 2, "{held} of {most}");
        }
    }
}
