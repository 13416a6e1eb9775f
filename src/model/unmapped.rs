//! Counts event names that no mapping covers, in bounded memory.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::text::Text;

/// The number of distinct names that are counted separately; further names are counted together.
const NAMES_MAX: usize = 1_000;
/// Longer names are cut, in characters.
const NAME_MAX: usize = 100;

/// Counts of names that no mapping covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmapped {
    names: HashMap<Box<[u8]>, u64, FixedState>,
    /// Events with further names.
    others: u64,
}

impl Unmapped {
    /// Counts an event by its name.
    pub fn count(&mut self, name: &Text<'_>) {
        // A name of at most this number of bytes has no more characters, so it need not be counted.
        let cut = if name.len() > NAME_MAX { name.char_indices().nth(NAME_MAX) } else { None };
        let name = cut.map_or(name.as_bytes(), |(end, _)| &name.as_bytes()[..end]);
        if let Some(count) = self.names.get_mut(name) {
            *count += 1;
        } else if self.names.len() < NAMES_MAX {
            self.names.insert(name.into(), 1);
        } else {
            self.others += 1;
        }
    }

    /// Events counted.
    pub fn events(&self) -> u64 {
        self.names.values().sum::<u64>() + self.others
    }

    /// Distinct names counted one by one.
    pub fn names(&self) -> usize {
        self.names.values().filter(|count| **count > 0).count()
    }

    /// The most frequent names, at most `most`, with their counts: by count, then by name.
    pub fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.names.iter().map(|(name, count)| (text(name), *count)).collect();
        all.retain(|(_, count)| *count > 0);
        all.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        all.truncate(most);
        all
    }

    /// Passes the counts to `each` and sets them to 0; further names are none. The memory of the names is kept.
    pub fn drain(&mut self, mut each: impl FnMut(Option<&str>, u64)) {
        for (name, count) in self.names.iter_mut().filter(|(_, count)| **count > 0) {
            each(Some(text(name)), std::mem::take(count));
        }
        if self.others > 0 {
            each(None, std::mem::take(&mut self.others));
        }
    }
}

/// A counted name as a text, which it was.
fn text(name: &[u8]) -> &str {
    std::str::from_utf8(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_up_to_a_bound_and_handed_over_once() {
        let mut unmapped = Unmapped::default();
        for number in 0..=NAMES_MAX {
            unmapped.count(&format!("{number:04}").into());
        }
        unmapped.count(&"0007".into());
        unmapped.count(&"ü".repeat(1_000).into());
        assert_eq!((unmapped.events(), unmapped.names()), (NAMES_MAX as u64 + 3, NAMES_MAX));
        assert_eq!(unmapped.top(2), [("0007", 2), ("0000", 1)]);
        let (mut named, mut others) = (0, 0);
        unmapped.drain(|name, count| *(if name.is_some() { &mut named } else { &mut others }) += count);
        assert_eq!((named, others), (NAMES_MAX as u64 + 1, 2));
        assert_eq!((unmapped.events(), unmapped.top(1).len()), (0, 0));
    }
}
