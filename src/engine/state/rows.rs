//! The rows of accounts and users, and the state that only some of them have.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use super::counts::Counts;
use super::daily::Daily;
use super::days::Days;
use super::due::Visit;
use super::facts::Head;
use super::ids::Id;
use super::pages::Ref;
use super::traits::{Latest, Profile, Traits};
use super::triggers::Triggers;
use super::word::{Flag, Word};
use crate::model::{Day, EventTime, HandoffId, Place, Role, Track};

/// No user: the end of a list.
pub(in crate::engine) const NOBODY: u32 = u32::MAX;

/// A user of an account: a cache line.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(in crate::engine) struct User {
    pub(in crate::engine) days: Days,
    /// The sign-up, or else the first event of any kind.
    pub(in crate::engine) since: EventTime,
    pub(in crate::engine) word: Word,
    /// When something of what a profile row says last changed.
    pub(in crate::engine) changed: EventTime,
    pub(super) id: Id,
    /// The account, and its list of users.
    pub(super) account: u32,
    pub(super) next: u32,
    pub(super) previous: u32,
    pub(super) more: Ref,
    /// When the user is visited next.
    pub(in crate::engine) due: Visit,
}

const _: () = assert!(size_of::<User>() == 64);

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

    /// Nothing is known of when the user came.
    pub(in crate::engine) fn forget_since(&mut self) {
        self.since = EventTime::MAX;
        self.word.set(Flag::SignedUp, false);
    }
}

/// The state of a user besides activity. It is erased when the user is forgotten.
#[derive(Debug, Default)]
pub(in crate::engine) struct More {
    /// What is kept of facts.
    pub(super) facts: Head,
    pub(in crate::engine) profile: Profile,
    /// Whether the user is excluded by the e-mail address (semantics A34).
    pub(in crate::engine) excluded: bool,
    /// When the user was removed from the account, if there was no activity since.
    pub(in crate::engine) removed: Option<EventTime>,
    /// Whether the user raised a hand, started an upgrade, asked about billing, or read the terms.
    pub(in crate::engine) acted: bool,
    /// Where the earliest sign-up says that the user came from.
    pub(in crate::engine) source: Option<(EventTime, Box<str>)>,
    /// When the user reached first value.
    pub(in crate::engine) activated: Option<EventTime>,
}

/// An account: six cache lines.
#[derive(Clone, Debug)]
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
    pub(super) first: Option<EventTime>,
    /// The sign-up nearest to `first`, of those that came so far; the latest while there is no `first`.
    pub(super) signed_up: Option<EventTime>,
    /// The founding day, that of `first`, and the last active day; meaningless without `first`.
    pub(super) founded: Day,
    pub(in crate::engine) last_day: Day,
    /// The day of the newest applied event of any kind.
    pub(in crate::engine) newest: Day,
    /// When the account is visited next.
    pub(in crate::engine) due: Visit,
    /// The latest instant that a published effect carried.
    pub(in crate::engine) last_at: EventTime,
    /// When something of what a profile row says last changed, and how far time had come then.
    pub(in crate::engine) changed: EventTime,
    pub(in crate::engine) as_of: EventTime,
    /// Lives of users begun in this life of the account.
    pub(in crate::engine) users_ever: u32,
    /// Users active in the running 28 days who have not left.
    pub(in crate::engine) active_users: u32,
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

const _: () = assert!(size_of::<Row>() <= 384);

impl Row {
    /// Reads ahead what an event changes: the row, and of the counters those of days.
    pub(super) fn touch(&self) {
        black_box((self.hash, self.signed_up, self.changed, self.track, self.threshold));
        self.counts.touch();
    }
}

/// A user's life before the present one.
#[derive(Debug)]
pub(super) struct FormerLife {
    pub(super) first: Day,
    pub(super) last: Day,
    pub(super) since: EventTime,
    pub(super) signed_up: bool,
}

/// State that many accounts do not have.
#[derive(Debug, Default)]
pub(in crate::engine) struct Rare {
    /// The life before this one, while a late day can still join them: first event, its day, and last day.
    pub(super) former: Option<(EventTime, Day, Day)>,
    /// The same of users.
    pub(super) former_users: BTreeMap<u32, FormerLife>,
    /// The traits of the company and its subscriptions. They are not forgotten with activity.
    pub(in crate::engine) traits: Traits,
    /// What happened in this life.
    pub(in crate::engine) life: Life,
    /// Facts of users that a late event has changed downward: they count at the next day close.
    pub(in crate::engine) rejoined: BTreeSet<(Option<u32>, u8)>,
    /// Features by name, with their uses.
    pub(in crate::engine) features: Vec<(Box<str>, Monthly)>,
    /// Meters, by their place in the rules: amounts in thousandths, and the level of a gauge.
    pub(in crate::engine) meters: Vec<(Metered, Option<Latest<i128>>)>,
    /// Some amount was negative.
    pub(in crate::engine) has_negative_amounts: bool,
    /// Running active users by department.
    pub(in crate::engine) departments: BTreeMap<Box<str>, u32>,
    /// Running active users by e-mail host.
    pub(in crate::engine) domains: BTreeMap<Box<str>, u32>,
    /// Running active users who are executives.
    pub(in crate::engine) executives: u32,
    /// Handoffs to persons that await an answer.
    pub(in crate::engine) unanswered: Vec<(HandoffId, EventTime)>,
    /// The state of triggers.
    pub(in crate::engine) triggers: Triggers,
}

/// What happened in an account's life, and ends with it.
#[derive(Debug, Default)]
pub(in crate::engine) struct Life {
    /// What is kept of facts of the account.
    pub(super) facts: Head,
    /// Somebody was invited.
    pub(in crate::engine) invited: bool,
    /// Whether a premium feature was used; none: nothing says which features are premium.
    pub(in crate::engine) premium: Option<bool>,
    /// The latest completion of what could be abandoned, by the role that completes it.
    pub(in crate::engine) completed: BTreeMap<Role, EventTime>,
    /// Roles of which the first event does not count, as of an admin, and has been seen.
    pub(in crate::engine) begun: BTreeSet<Role>,
    /// The latest lead that marketing brought.
    pub(in crate::engine) mql: Option<EventTime>,
    /// Enterprise features asked for.
    pub(in crate::engine) requests: BTreeSet<Box<str>>,
    /// Event triggers whose first occurrence has been, by their places.
    pub(in crate::engine) firsts: BTreeSet<u16>,
    /// By meter: used and quota, as last reported.
    pub(in crate::engine) quotas: BTreeMap<Box<str>, Latest<(f64, f64)>>,
}

/// Days that a running count looks back on, and the open ones.
pub(in crate::engine) type Monthly = Daily<31, u64>;
/// Days that a meter looks back on: nine blocks of seven days, and the open ones.
pub(in crate::engine) type Metered = Daily<72, i128>;

/// The number of distinct names of one account that are counted separately; further ones are counted together.
const NAMES_MAX: usize = 1_000;
const OTHER: &str = "(other)";

impl Rare {
    /// Whether something of it may change with time, or waits for a close.
    pub(super) fn is_timed(&self) -> bool {
        !(self.rejoined.is_empty()
            && self.former_users.is_empty()
            && self.triggers.states.is_empty()
            && self.meters.is_empty())
    }

    /// Reads ahead what most steps look at.
    pub(super) fn touch(&self) {
        black_box((self.former.is_some(), self.former_users.is_empty(), self.rejoined.is_empty(), self.executives));
        black_box((self.life.facts.is_empty(), self.life.invited, self.life.begun.is_empty(), self.features.len()));
        black_box((self.meters.len(), self.departments.is_empty(), self.domains.is_empty(), self.unanswered.len()));
        self.triggers.touch();
    }

    /// A feature was used on a day.
    pub(in crate::engine) fn use_feature(&mut self, name: &str, day: Day) {
        if name.is_empty() {
            return;
        }
        let place =
            |features: &[(Box<str>, Monthly)], name: &str| features.binary_search_by(|known| (*known.0).cmp(name));
        let at = match place(&self.features, name) {
            Err(_) if self.features.len() >= NAMES_MAX => {
                self.features.retain(|(_, daily)| !daily.is_over(day.0));
                let full = self.features.len() >= NAMES_MAX;
                place(&self.features, if full { OTHER } else { name }).map_err(|at| (at, full))
            }
            found => found.map_err(|at| (at, false)),
        };
        let at = at.unwrap_or_else(|(at, full)| {
            self.features.insert(at, (if full { OTHER } else { name }.into(), Monthly::default()));
            at
        });
        self.features[at].1.add(day.0, 1);
    }
}

impl Life {
    /// An enterprise feature was asked for. Beyond a bound of distinct ones the first ones are kept.
    pub(in crate::engine) fn request(&mut self, feature: &str) {
        const REQUESTS_MAX: usize = 100;
        if self.requests.len() < REQUESTS_MAX && !self.requests.contains(feature) {
            self.requests.insert(feature.into());
        }
    }

    /// A quota was reported; returns whether it is the latest of its meter and says something else.
    pub(in crate::engine) fn report(
        &mut self,
        meter: &str,
        (used, quota): (f64, f64),
        stated_at: (EventTime, Place),
    ) -> bool {
        if let Some(known) = self.quotas.get_mut(meter) {
            return known.replace((used, quota), stated_at);
        }
        let meter = if self.quotas.len() < NAMES_MAX { meter } else { OTHER };
        self.quotas.insert(meter.into(), Latest::new((used, quota), stated_at));
        true
    }
}

impl More {
    pub(super) fn is_blank(&self) -> bool {
        let More { facts, profile, excluded, removed, acted, source, activated } = self;
        facts.is_empty()
            && !excluded
            && profile.is_empty()
            && removed.is_none()
            && !acted
            && source.is_none()
            && activated.is_none()
    }
}
