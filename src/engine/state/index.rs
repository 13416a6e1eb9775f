//! A hash index from keys to rows. The keys are stored in the rows.

use std::hint::black_box;

use crate::wire::BATCH;

/// Rows that a bucket holds: with their tags they fill a cache line.
const ROWS: usize = 12;
/// A bucket splits, with all others, when this share of all places is taken: in sixteenths.
const FULL: usize = 13;

/// A bucket: a lookup reads one cache line, seldom two.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
struct Bucket {
    rows: [u32; ROWS],
    /// A byte of the hash of each row, 0 where there is none.
    tags: [u8; ROWS],
    /// How many keys passed this bucket when it was full, and are in a later one.
    passed: u32,
}

const EMPTY: Bucket = Bucket { rows: [0; ROWS], tags: [0; ROWS], passed: 0 };

const _: () = assert!(size_of::<Bucket>() == 64);

/// An index of rows by the hash of their key.
#[derive(Debug)]
pub(in crate::engine) struct Index {
    /// As many as a power of two, or half as many more: it grows by less than the double.
    buckets: Vec<Bucket>,
    len: usize,
}

/// Whether so many rows need more buckets.
fn is_full(rows: usize, buckets: usize) -> bool {
    rows * 16 > buckets * ROWS * FULL
}

/// The number of buckets after this one.
fn next_size(buckets: usize) -> usize {
    if buckets.is_power_of_two() { buckets + buckets.div_ceil(2) } else { buckets / 3 * 4 }
}

fn tag(hash: u64) -> u8 {
    (hash >> 56) as u8 | 1
}

impl Bucket {
    /// The places of the rows with this tag: of each, the highest bit of its byte.
    #[inline]
    fn tagged(&self, tag: u8) -> u128 {
        const LOW_BITS: u128 = u128::MAX / 255 * 0x7f;
        let mut tags = [0; size_of::<u128>()];
        tags[..ROWS].copy_from_slice(&self.tags);
        let differ = u128::from_le_bytes(tags) ^ u128::from_le_bytes([tag; size_of::<u128>()]);
        // The sum reaches the highest bit of every byte that is not 0, and no byte carries into the next.
        !(((differ & LOW_BITS) + LOW_BITS) | differ) & !LOW_BITS
    }
}

/// The place whose bit in [`Bucket::tagged`] is the lowest.
#[inline]
fn first(tagged: u128) -> usize {
    tagged.trailing_zeros() as usize / 8
}

impl Index {
    pub(in crate::engine) fn new() -> Index {
        Index { buckets: vec![EMPTY], len: 0 }
    }

    /// An index of these rows. `hash_of`: the hash of the key of any row.
    pub(in crate::engine) fn of(rows: impl Iterator<Item = u32>, hash_of: impl Fn(u32) -> u64) -> Index {
        let rows: Vec<u32> = rows.collect();
        let mut index = Index::new();
        let mut buckets = 1;
        while is_full(rows.len(), buckets) {
            buckets = next_size(buckets);
        }
        index.buckets = vec![EMPTY; buckets];
        // The cache misses of some rows overlap.
        for rows in rows.chunks(BATCH) {
            let mut hashes = [0; BATCH];
            for (hash, row) in hashes.iter_mut().zip(rows) {
                *hash = hash_of(*row);
                index.touch(*hash);
            }
            rows.iter().zip(hashes).for_each(|(row, hash)| index.insert(hash, *row));
        }
        index
    }

    /// Takes all rows out, and keeps the buckets.
    pub(in crate::engine) fn clear(&mut self) {
        self.buckets.fill(EMPTY);
        self.len = 0;
    }

    /// Bytes of its buckets.
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        ((u64::from(hash as u32) * self.buckets.len() as u64) >> 32) as usize
    }

    /// The bucket after one; none after all have been seen from `home` on.
    #[inline]
    fn after(&self, at: usize, home: usize) -> Option<usize> {
        let next = if at + 1 == self.buckets.len() { 0 } else { at + 1 };
        (next != home).then_some(next)
    }

    /// The row of the key with this hash for which `is` holds.
    #[inline]
    pub(in crate::engine) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let (home, tag) = (self.home(hash), tag(hash));
        let mut at = home;
        loop {
            let bucket = &self.buckets[at];
            let mut tagged = bucket.tagged(tag);
            while tagged != 0 {
                let row = bucket.rows[first(tagged)];
                if is(row) {
                    return Some(row);
                }
                tagged &= tagged - 1;
            }
            if bucket.passed == 0 {
                return None;
            }
            at = self.after(at, home)?;
        }
    }

    /// Reads ahead for the key with this hash.
    pub(in crate::engine) fn touch(&self, hash: u64) {
        black_box(self.buckets[self.home(hash)].passed);
    }

    /// The row that the key with this hash most likely has: none of the keys is compared.
    pub(in crate::engine) fn likely(&self, hash: u64) -> Option<u32> {
        let bucket = &self.buckets[self.home(hash)];
        let tagged = bucket.tagged(tag(hash));
        (tagged != 0).then(|| bucket.rows[first(tagged)])
    }

    /// Makes room for another row, and for a few beyond. `hash_of`: the hash of the key of any row.
    #[inline]
    pub(in crate::engine) fn make_room(&mut self, hash_of: impl Fn(u32) -> u64) {
        if is_full(self.len + 1, self.buckets.len()) {
            self.grow(hash_of);
        }
    }

    #[cold]
    fn grow(&mut self, hash_of: impl Fn(u32) -> u64) {
        let more = vec![EMPTY; next_size(self.buckets.len())];
        let before = std::mem::replace(&mut self.buckets, more);
        for bucket in &before {
            for (row, _) in bucket.rows.iter().zip(bucket.tags).filter(|(_, tag)| *tag != 0) {
                self.place(hash_of(*row), *row);
            }
        }
    }

    /// Adds a row whose key is not there, and for which there is room.
    pub(in crate::engine) fn insert(&mut self, hash: u64, row: u32) {
        self.place(hash, row);
        self.len += 1;
    }

    fn place(&mut self, hash: u64, row: u32) {
        let home = self.home(hash);
        let mut next = Some(home);
        while let Some(at) = next {
            let bucket = &mut self.buckets[at];
            if let Some(free) = bucket.tags.iter().position(|tag| *tag == 0) {
                (bucket.rows[free], bucket.tags[free]) = (row, tag(hash));
                return;
            }
            bucket.passed += 1;
            next = self.after(at, home);
        }
        unreachable!("there is room");
    }

    /// Takes a row out.
    pub(in crate::engine) fn remove(&mut self, hash: u64, row: u32) {
        let home = self.home(hash);
        let mut next = Some(home);
        while let Some(at) = next {
            let bucket = &mut self.buckets[at];
            let found = bucket.rows.iter().zip(bucket.tags).position(|(known, tag)| tag != 0 && *known == row);
            if let Some(place) = found {
                bucket.tags[place] = 0;
                self.len -= 1;
                self.forget_passing(home, at);
                return;
            }
            next = self.after(at, home).filter(|_| self.buckets[at].passed > 0);
        }
    }

    /// A key with this home is not in the bucket `until` any more.
    fn forget_passing(&mut self, home: usize, until: usize) {
        let mut at = home;
        while at != until {
            self.buckets[at].passed -= 1;
            at = if at + 1 == self.buckets.len() { 0 } else { at + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use xxhash_rust::xxh3::xxh3_64;

    proptest! {
        #[test]
        fn an_index_answers_as_a_set_would(steps in proptest::collection::vec((0_u32..400, any::<bool>()), 0..800)) {
            let (mut index, mut set) = (Index::new(), BTreeSet::new());
            // Few buckets for many keys: they overflow.
            let hash = |row: u32| xxh3_64(&row.to_le_bytes()) & 0xff00_0000_c000_0000;
            for (row, adds) in steps {
                prop_assert_eq!(index.find(hash(row), |it| it == row), set.get(&row).copied());
                match (adds, set.contains(&row)) {
                    (true, false) => { index.make_room(hash); index.insert(hash(row), row); set.insert(row); }
                    (false, true) => { index.remove(hash(row), row); set.remove(&row); }
                    _ => {}
                }
                prop_assert_eq!(index.len, set.len());
            }
            for row in 0..400 {
                prop_assert_eq!(index.find(hash(row), |it| it == row).is_some(), set.contains(&row));
            }
        }
    }

    #[test]
    fn keys_that_come_and_go_leave_no_search_without_an_end() {
        let mut index = Index::new();
        let hash = |row: u32| xxh3_64(&row.to_le_bytes());
        let mut rows = std::collections::VecDeque::new();
        for row in 0..100_000 {
            index.make_room(hash);
            index.insert(hash(row), row);
            rows.push_back(row);
            if rows.len() > 18 {
                let gone = rows.pop_front().unwrap();
                index.remove(hash(gone), gone);
                assert_eq!(index.find(hash(gone), |it| it == gone), None);
            }
            assert!(rows.iter().all(|row| index.find(hash(*row), |it| it == *row) == Some(*row)));
        }
        assert_eq!(index.buckets.len(), 2);
        rows.iter().for_each(|row| index.remove(hash(*row), *row));
        assert!(index.buckets.iter().all(|bucket| bucket.passed == 0));
    }
}
