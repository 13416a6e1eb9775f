//! The levels of the signals that do not fit into a row: two bits each, in words beside the rows.

use super::word::Word;

/// Signals whose levels share a word.
const IN_A_WORD: usize = 32;

/// Levels of the signals of one scope from [`Word::HELD`] on, by row.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// Words of a row; none while the rows have room for all.
    words: usize,
    rows: Vec<u64>,
}

impl Levels {
    /// Makes room for this number of signals and rows.
    pub(super) fn hold(&mut self, signals: usize, rows: usize) {
        let words = signals.saturating_sub(Word::HELD).div_ceil(IN_A_WORD).max(self.words);
        if words != self.words {
            let mut moved = vec![0; words * rows];
            if self.words > 0 {
                for (to, from) in moved.chunks_mut(words).zip(self.rows.chunks(self.words)) {
                    to[..from.len()].copy_from_slice(from);
                }
            }
            (self.words, self.rows) = (words, moved);
        }
    }

    /// Begins a row with every signal off.
    pub(super) fn begin(&mut self, row: u32) {
        let (from, to) = (row as usize * self.words, (row as usize + 1) * self.words);
        if self.rows.len() < to {
            self.rows.resize(to, 0);
        }
        self.rows[from..to].fill(0);
    }

    /// Bytes of its words.
    pub(super) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<u64>()
    }

    fn place(&self, row: u32, slot: usize) -> (usize, usize) {
        let beyond = slot - Word::HELD;
        (row as usize * self.words + beyond / IN_A_WORD, 2 * (beyond % IN_A_WORD))
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
        let from = row as usize * self.words;
        (0..self.words * IN_A_WORD).filter_map(move |place| {
            let word = self.rows[from + place / IN_A_WORD];
            // Most words are zero.
            let level = (word != 0).then_some((word >> (2 * (place % IN_A_WORD)) & 3) as u8)?;
            (level > 0).then_some((Word::HELD + place, level))
        })
    }

    #[inline]
    pub(super) fn any(&self, row: u32) -> bool {
        let from = row as usize * self.words;
        self.rows[from..from + self.words].iter().any(|word| *word != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stay_when_more_signals_come() {
        let mut levels = Levels::default();
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
