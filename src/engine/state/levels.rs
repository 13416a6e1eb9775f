//! The levels of the signals that do not fit into a row: two bits each, in words beside the rows.

use super::cut::{Parts, Unreadable};
use super::pages::Pages;
use super::word::Word;

/// Signals whose levels share a word.
const IN_A_WORD: usize = 32;

/// Levels of the signals of one scope from [`Word::HELD`] on, by row.
#[derive(Debug)]
pub(super) struct Levels {
    /// Words of a row; none while the rows have room for all.
    words: usize,
    rows: Pages<u64, 4096>,
}

impl Levels {
    pub(super) fn new() -> Levels {
        Levels { words: 0, rows: Pages::new() }
    }

    /// Makes room for this number of signals and rows.
    pub(super) fn hold(&mut self, signals: usize, rows: usize) {
        let words = signals.saturating_sub(Word::HELD).div_ceil(IN_A_WORD).max(self.words);
        if words != self.words {
            let mut moved = Pages::new();
            for row in 0..rows {
                let known =
                    |word: usize| if word < self.words { self.rows[(row * self.words + word) as u32] } else { 0 };
                (0..words).for_each(|word| _ = moved.push(known(word)));
            }
            (self.words, self.rows) = (words, moved);
        }
    }

    /// Stores or restores them.
    pub(super) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Levels { words, rows } = self;
        parts.value(words)?;
        parts.table(rows)
    }

    /// Begins a row with every signal off.
    pub(super) fn begin(&mut self, row: u32) {
        for word in row * self.words as u32..(row + 1) * self.words as u32 {
            if word < self.rows.len() {
                self.rows[word] = 0;
            } else {
                self.rows.push(0);
            }
        }
    }

    /// Copies the levels of a row of others.
    pub(super) fn adopt(&mut self, from: &Levels, row: u32, to: u32) {
        from.on(row).for_each(|(slot, level)| self.set(to, slot, level));
    }

    /// Bytes of its words.
    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    fn place(&self, row: u32, slot: usize) -> (u32, usize) {
        let beyond = slot - Word::HELD;
        (row * self.words as u32 + (beyond / IN_A_WORD) as u32, 2 * (beyond % IN_A_WORD))
    }

    #[inline]
    pub(super) fn get(&self, row: u32, slot: usize) -> u8 {
        let (word, shift) = self.place(row, slot);
        (self.rows[word] >> shift & 3) as u8
    }

    pub(super) fn set(&mut self, row: u32, slot: usize, level: u8) {
        let (word, shift) = self.place(row, slot);
        self.rows[word] = self.rows[word] & !(3 << shift) | u64::from(level) << shift;
    }

    /// The slots that are on, with their levels.
    pub(super) fn on(&self, row: u32) -> impl Iterator<Item = (usize, u8)> + '_ {
        let from = row * self.words as u32;
        (0..self.words * IN_A_WORD).filter_map(move |place| {
            let word = self.rows[from + (place / IN_A_WORD) as u32];
            // Most words are zero.
            let level = (word != 0).then_some((word >> (2 * (place % IN_A_WORD)) & 3) as u8)?;
            (level > 0).then_some((Word::HELD + place, level))
        })
    }

    #[inline]
    pub(super) fn any(&self, row: u32) -> bool {
        let from = row * self.words as u32;
        (from..from + self.words as u32).any(|word| self.rows[word] != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stay_when_more_signals_come() {
        let mut levels = Levels::new();
        levels.hold(Word::HELD, 0);
        (0..3).for_each(|row| levels.begin(row));
        assert_eq!((levels.on(2).count(), levels.any(2)), (0, false));
        levels.hold(Word::HELD + 1, 3);
        levels.set(1, Word::HELD, 3);
        levels.hold(256, 3);
        levels.begin(3);
        levels.set(1, 255, 1);
        levels.set(3, 100, 2);
        assert_eq!(levels.on(1).collect::<Vec<_>>(), [(Word::HELD, 3), (255, 1)]);
        assert_eq!((levels.get(3, 100), levels.get(3, 101), levels.any(0)), (2, 0, false));
        levels.set(1, Word::HELD, 0);
        levels.begin(3);
        assert_eq!((levels.on(1).count(), levels.any(3)), (1, false));
    }
}
