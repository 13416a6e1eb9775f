//! The rows of accounts and users.

use std::hint::black_box;

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::days::Days;
use super::due::Visit;
use super::ids::Id;
use super::pages::Ref;
use super::word::{Flag, Word};
use crate::model::{Day, EventTime, Track};

/// No user: the end of a list.
pub(in crate::engine) const NO_USER: u32 = u32::MAX;

/// A user of an account: a cache line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(align(64))]
pub(in crate::engine) struct User {
    pub(in crate::engine) days: Days,
    /// The sign-up, or else the first event of any kind.
    pub(in crate::engine) since: EventTime,
    pub(in crate::engine) word: Word,
    pub(super) id: Id,
    /// The account, and its list of users.
    pub(super) account: u32,
    pub(super) next: u32,
    pub(super) previous: u32,
    pub(super) beside: Ref,
    /// When the user is visited next.
    pub(in crate::engine) due: Visit,
}

const _: () = assert!(size_of::<User>() == 64);

impl Default for User {
    fn default() -> User {
        User {
            days: Days::NEVER,
            since: EventTime::MAX,
            word: Word::default(),
            id: Id::default(),
            account: 0,
            next: NO_USER,
            previous: NO_USER,
            beside: Ref::default(),
            due: Visit::NEVER,
        }
    }
}

impl User {
    /// An event of the user was applied: `since` is the earliest sign-up, or else the earliest event of any kind.
    pub(in crate::engine) fn note_event(&mut self, time: EventTime, signs_up: bool) {
        if signs_up && !self.word.is(Flag::SignedUp) {
            self.word.set(Flag::SignedUp, true);
            self.since = time;
        } else if signs_up || !self.word.is(Flag::SignedUp) {
            self.since = self.since.min(time);
        }
    }

    /// The earliest sign-up, if there was one.
    pub(in crate::engine) fn signed_up(&self) -> Option<EventTime> {
        self.word.is(Flag::SignedUp).then_some(self.since)
    }

    /// Forgets since when the user is here.
    pub(in crate::engine) fn forget_since(&mut self) {
        self.since = EventTime::MAX;
        self.word.set(Flag::SignedUp, false);
    }
}

/// An instant, or none.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Instant(i64);

impl Instant {
    pub(super) const NONE: Instant = Instant(i64::MIN);

    pub(super) fn of(at: EventTime) -> Instant {
        Instant(at.0)
    }

    #[inline]
    pub(super) fn get(self) -> Option<EventTime> {
        (self.0 != Instant::NONE.0).then_some(EventTime(self.0))
    }
}

/// An account: five cache lines.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[repr(align(64))]
pub(in crate::engine) struct Row {
    pub(super) hash: u64,
    pub(super) id: Id,
    /// The users, newest first, and how many they are.
    pub(super) users: u32,
    pub(super) users_len: u32,
    pub(super) rare: Ref,
    pub(in crate::engine) word: Word,
    /// The earliest meaningful event of this life.
    pub(super) first: Instant,
    /// The sign-up nearest to `first`, of those that came so far; the latest while there is no `first`.
    pub(super) signed_up: Instant,
    /// The founding day, that of `first`, and the last active day; meaningless without `first`.
    pub(super) founded: Day,
    pub(in crate::engine) last_day: Day,
    /// The day of the newest applied event of any kind.
    pub(in crate::engine) newest: Day,
    /// When the account is visited next.
    pub(in crate::engine) due: Visit,
    /// The latest instant that a published effect carried.
    pub(in crate::engine) last_at: EventTime,
    /// Lives of users begun in this life of the account.
    pub(in crate::engine) users_ever: u32,
    /// Users active in the running 28 days who have not left.
    pub(in crate::engine) active_users: u32,
    /// How many of them are buyers.
    pub(in crate::engine) buyers: u32,
    /// Their points in the PQA score.
    pub(in crate::engine) user_points: i32,
    /// The points of the account's signals in every PQL score, when bands were last computed.
    pub(in crate::engine) pql_points: i32,
    /// Closed days since the last active one, as of the last close.
    pub(in crate::engine) idle_days: i32,
    /// The tier, counted from the lowest: 0 is untiered.
    pub(in crate::engine) tier: u8,
    /// How many of the published thresholds of active users are reached.
    pub(in crate::engine) threshold: u8,
    /// The track that was published last.
    pub(in crate::engine) track: Option<Track>,
    pub(in crate::engine) counts: Counts,
}

const _: () = assert!(size_of::<Row>() == 320);

impl Default for Row {
    fn default() -> Row {
        Row {
            hash: 0,
            id: Id::default(),
            users: NO_USER,
            users_len: 0,
            rare: Ref::default(),
            word: Word::default(),
            first: Instant::NONE,
            signed_up: Instant::NONE,
            founded: Day(i32::MIN),
            last_day: Day(i32::MIN),
            newest: Day(i32::MIN),
            due: Visit::NEVER,
            last_at: EventTime::MIN,
            users_ever: 0,
            active_users: 0,
            buyers: 0,
            user_points: 0,
            pql_points: 0,
            idle_days: 0,
            tier: 0,
            threshold: 0,
            track: None,
            counts: Counts::new(Day(0)),
        }
    }
}

impl Row {
    /// Reads ahead what an event changes: the row, and of the counters those of days.
    pub(super) fn touch(&self) {
        black_box((self.hash, self.signed_up, self.last_at, self.track, self.threshold));
        self.counts.touch();
    }
}
