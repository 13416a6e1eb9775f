//! The levels of signals, the band, and flags of a user or account, in one word.

use serde::{Deserialize, Serialize};

/// Two bits for the level of each of the first 26 signals of the scope, two for the band, and ten flags. Levels of further
/// signals are beside the rows, so that the row of a user stays one cache line.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Word(u64);

/// A flag of a word.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(in crate::engine) enum Flag {
    /// Of a user: may decide a purchase (semantics E18).
    Buyer = 1 << 53,
    /// Of a user: an event of the user was applied since the last close.
    Heard = 1 << 54,
    /// Of a user: has left the account, and was not active since.
    Removed = 1 << 55,
    /// The band was entered from above.
    Fell = 1 << 58,
    /// Of a user: counted among the running active users.
    Running = 1 << 59,
    /// The absence of the user, or of some user of the account, is not published yet (semantics E10).
    Unpublished = 1 << 60,
    /// `since` is a sign-up.
    SignedUp = 1 << 62,
    /// Forgotten since the last active day.
    Forgotten = 1 << 63,
}

impl Flag {
    /// Of an account: something besides its row may change with time, or was written since the last close: what triggers
    /// remember, meters, lives that a late event may join.
    pub(in crate::engine) const TIMED: Flag = Flag::Removed;
    /// Of an account: something fired, so other rails may hold waiting handoffs at the next event.
    pub(in crate::engine) const FIRED: Flag = Flag::Fell;
    /// Of an account: an edge may wait for a usage fact.
    pub(in crate::engine) const WANTS_USAGE: Flag = Flag::SignedUp;
}

impl Word {
    /// How many signals have their levels in the word; those of the others are beside the rows.
    pub(in crate::engine) const HELD: usize = 26;
    const SIGNALS: u64 = (1 << (2 * Self::HELD)) - 1;
    const BAND: u32 = 56;

    #[inline]
    pub(super) fn rung(self, slot: usize) -> u8 {
        (self.0 >> (2 * slot) & 3) as u8
    }

    pub(super) fn set_rung(&mut self, slot: usize, rung: u8) {
        self.0 = self.0 & !(3 << (2 * slot)) | u64::from(rung) << (2 * slot);
    }

    /// The slots that are on, with their rungs.
    pub(super) fn on(self) -> impl Iterator<Item = (usize, u8)> {
        let mut bits = self.0 & Self::SIGNALS;
        std::iter::from_fn(move || {
            let slot = (bits != 0).then(|| bits.trailing_zeros() as usize / 2)?;
            let rung = (bits >> (2 * slot) & 3) as u8;
            bits &= !(3 << (2 * slot));
            Some((slot, rung))
        })
    }

    /// Whether any signal is on.
    #[inline]
    pub(super) fn any(self) -> bool {
        self.0 & Self::SIGNALS != 0
    }

    /// 0 none, 1 emerging, 2 warm, 3 hot.
    #[inline]
    pub(in crate::engine) fn band(self) -> u8 {
        (self.0 >> Self::BAND & 3) as u8
    }

    pub(in crate::engine) fn set_band(&mut self, band: u8) {
        self.0 = self.0 & !(3 << Self::BAND) | u64::from(band) << Self::BAND;
    }

    #[inline]
    pub(in crate::engine) fn is(self, flag: Flag) -> bool {
        self.0 & flag as u64 != 0
    }

    pub(in crate::engine) fn set(&mut self, flag: Flag, is: bool) {
        self.0 = if is { self.0 | flag as u64 } else { self.0 & !(flag as u64) };
    }
}
