//! The trail of a fold: by it two folds of the same log are compared.

use serde::{Deserialize, Serialize};

use crate::model::{Handoff, Outcome, Place};

/// A hash of the outcome of every event at its place, and of what followed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trail(u64);

impl Trail {
    /// What became of an event: its outcome, how many entries of the signals feed followed, and which handoffs.
    pub(super) fn leave(&mut self, place: Place, outcome: Outcome, entries: u64, handoffs: &[Handoff]) {
        self.mix(place.offset as u64);
        self.mix(u64::from(place.index) << 32 | (outcome as u64) << 24 | entries & 0xff_ffff);
        for handoff in handoffs {
            handoff.id.0.chunks(8).for_each(|half| {
                self.mix(half.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
            });
        }
    }

    fn mix(&mut self, word: u64) {
        // 2⁶⁴ divided by the golden ratio: every bit of the word changes about half of the trail's.
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// It as a number.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}
