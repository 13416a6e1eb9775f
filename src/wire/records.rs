//! Collects records until there are enough to decode and fold them as a batch.

/// The number of events in a batch, for which memory is read ahead. It is large enough for the reads to overlap, and
/// small enough that what was read for the last event is still in the cache when it is applied.
pub const BATCH: usize = 32;

/// Collected records, each with its metadata; their values are in one buffer.
#[derive(Debug)]
pub struct Records<T> {
    values: Vec<u8>,
    /// The metadata of each record, and where its value ends.
    records: Vec<(T, usize)>,
}

impl<T> Default for Records<T> {
    fn default() -> Records<T> {
        Records { values: Vec::new(), records: Vec::new() }
    }
}

impl<T> Records<T> {
    /// Larger records are not collected, because decoding them takes longer than reading memory.
    const BYTES: usize = 65_536;

    /// Adds a record whose value is these parts, one after the other.
    pub fn push(&mut self, about: T, value: &[&[u8]]) {
        value.iter().for_each(|part| self.values.extend_from_slice(part));
        self.records.push((about, self.values.len()));
    }

    /// Whether there are enough of them.
    pub fn are_enough(&self) -> bool {
        self.records.len() >= BATCH || self.values.len() >= Self::BYTES
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Removes the records, and gives back the memory of large ones.
    pub fn clear(&mut self) {
        self.values.clear();
        self.values.shrink_to(2 * Self::BYTES);
        self.records.clear();
    }

    /// The records in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (&T, &[u8])> {
        let mut begin = 0;
        self.records.iter().map(move |(about, end)| (about, &self.values[std::mem::replace(&mut begin, *end)..*end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_in_order_and_are_enough_by_number_or_by_size() {
        let mut records = Records::default();
        for (about, value) in [(1, &b"one"[..]), (2, b""), (3, b"three")] {
            records.push(about, &[value]);
        }
        let found: Vec<_> = records.iter().map(|(about, value)| (*about, value)).collect();
        assert_eq!(found, [(1, &b"one"[..]), (2, b""), (3, b"three")]);
        assert!(!records.are_enough());
        (3..BATCH as i32).for_each(|about| records.push(about, &[b"x"]));
        assert!(records.are_enough());
        records.clear();
        assert!(records.is_empty() && !records.are_enough());
        records.push(1, &[&vec![0; 1 << 20]]);
        assert!(records.are_enough());
        records.clear();
        assert!(records.values.capacity() < 1 << 20);
    }
}
