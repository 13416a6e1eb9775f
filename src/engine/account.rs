//! An account and its users: the state that the fold keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::activity::{Added, Days, Ring};
use super::facts::{Daily, Fact};
use super::people::{Profile, Traits};
use super::trigger::Triggers;
use crate::model::{Day, EventTime, Field, HandoffId, Place, Role, Track};
use crate::rules::{SignalRef, Time};

/// How many users are found by looking at all of them before an index pays.
const UNINDEXED_USERS: usize = 16;

/// A user of an account.
#[derive(Debug)]
pub(super) struct User {
    pub(super) id: Box<str>,
    pub(super) days: Days,
    /// The sign-up, or else the first event of any kind.
    pub(super) since: EventTime,
    pub(super) word: Word,
    /// When something of what a snapshot tells last changed.
    pub(super) changed: EventTime,
    /// What many users do not have.
    pub(super) more: Option<Box<More>>,
}

/// What is known of a user besides activity. Erased when the user is forgotten.
#[derive(Debug, Default)]
pub(super) struct More {
    /// By slot.
    pub(super) facts: Vec<Fact>,
    pub(super) profile: Profile,
    /// Does not count, by the e-mail address that is known (semantics A34).
    pub(super) excluded: bool,
    /// Left the account, and not active since.
    pub(super) removed: Option<EventTime>,
    /// Raised a hand, started an upgrade, asked about billing, or read the terms.
    pub(super) acted: bool,
    /// Where the earliest sign-up says that the user came from.
    pub(super) source: Option<(EventTime, Box<str>)>,
    /// First value.
    pub(super) activated: Option<EventTime>,
}

/// Two bits for the rung of each signal, two for the band, and flags.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word(u64);

/// A flag of a word.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Flag {
    /// The band was entered from above.
    Fell = 1 << 58,
    /// Of a user: counted among the running active users.
    Running = 1 << 59,
    /// Inactive, which nobody was told yet (semantics E10). Of an account: that some user is.
    Untold = 1 << 60,
    /// Changed since the last snapshot.
    Dirty = 1 << 61,
    /// `since` is a sign-up.
    SignedUp = 1 << 62,
    /// Forgotten since the last active day.
    Forgotten = 1 << 63,
}

impl Flag {
    /// Of an account: on the list of those whose snapshot is to be told.
    pub(super) const LISTED: Flag = Flag::Running;
    /// Of an account: something fired, so rails that keep what waits may be others at the next event.
    pub(super) const FIRED: Flag = Flag::Fell;
    /// Of an account: an edge may wait for a usage fact.
    pub(super) const WANTS_USAGE: Flag = Flag::SignedUp;
}

impl Word {
    const SIGNALS: u64 = (1 << 56) - 1;
    const BAND: u32 = 56;

    pub(super) fn rung(self, slot: usize) -> u8 {
        (self.0 >> (2 * slot) & 3) as u8
    }

    pub(super) fn set_rung(&mut self, slot: usize, rung: u8) {
        self.0 = self.0 & !(3 << (2 * slot)) | u64::from(rung) << (2 * slot);
    }

    /// The same rungs in other slots; what has none is off.
    pub(super) fn renamed(self, slots: &[Option<usize>]) -> Word {
        let mut word = Word(self.0 & !Self::SIGNALS);
        self.on()
            .filter_map(|(slot, rung)| Some((slots[slot]?, rung)))
            .for_each(|(slot, rung)| word.set_rung(slot, rung));
        word
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
    pub(super) fn any(self) -> bool {
        self.0 & Self::SIGNALS != 0
    }

    /// Whether any signal of these slots is on: two bits each.
    pub(super) fn any_of(self, slots: u64) -> bool {
        self.0 & slots != 0
    }

    /// 0 none, 1 emerging, 2 warm, 3 hot.
    pub(super) fn band(self) -> u8 {
        (self.0 >> Self::BAND & 3) as u8
    }

    pub(super) fn set_band(&mut self, band: u8) {
        self.0 = self.0 & !(3 << Self::BAND) | u64::from(band) << Self::BAND;
    }

    pub(super) fn is(self, flag: Flag) -> bool {
        self.0 & flag as u64 != 0
    }

    pub(super) fn set(&mut self, flag: Flag, is: bool) {
        self.0 = if is { self.0 | flag as u64 } else { self.0 & !(flag as u64) };
    }
}

/// The users of an account, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Users {
    list: Vec<User>,
    hashes: Vec<u32>,
    index: Option<Box<HashTable<u32>>>,
}

impl User {
    /// An event of the user was applied: `since` is the earliest sign-up, or else the earliest event of any kind.
    pub(super) fn note_event(&mut self, time: EventTime, signs_up: bool) {
        if signs_up && !self.word.is(Flag::SignedUp) {
            self.word.set(Flag::SignedUp, true);
            self.since = time;
        } else if signs_up || !self.word.is(Flag::SignedUp) {
            self.since = self.since.min(time);
        }
    }

    /// The earliest sign-up, if there was one.
    pub(super) fn signed_up(&self) -> Option<EventTime> {
        self.word.is(Flag::SignedUp).then_some(self.since)
    }

    /// Whether the user was ever active in this life, and was neither forgotten nor removed.
    pub(super) fn exists(&self) -> bool {
        !self.days.is_never() && !self.word.is(Flag::Forgotten) && !self.is_removed()
    }

    pub(super) fn is_removed(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.removed.is_some())
    }

    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Gives back what holds nothing.
    pub(super) fn tidy(&mut self) {
        if self.more.as_ref().is_some_and(|more| more.is_blank()) {
            self.more = None;
        }
    }

    /// Nothing is known of when the user came.
    pub(super) fn forget_since(&mut self) {
        self.since = EventTime::MAX;
        self.word.set(Flag::SignedUp, false);
    }
}

impl Users {
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        let hash = hash(id) as u32;
        let is = |user: u32| self.hashes[user as usize] == hash && *self.list[user as usize].id == *id;
        match &self.index {
            Some(index) => index.find(spread(hash), |user| is(*user)).copied(),
            None => (0..self.hashes.len() as u32).find(|user| is(*user)),
        }
    }

    pub(super) fn insert(&mut self, id: &str) -> u32 {
        let user = self.list.len() as u32;
        self.list.push(User {
            id: id.into(),
            days: Days::NEVER,
            since: EventTime::MAX,
            word: Word::default(),
            changed: EventTime::MIN,
            more: None,
        });
        self.hashes.push(hash(id) as u32);
        self.reindex(user as usize);
        user
    }

    /// Brings the users from `first` on into the index.
    fn reindex(&mut self, first: usize) {
        if self.list.len() <= UNINDEXED_USERS {
            return;
        }
        let first = if self.index.is_some() { first } else { 0 };
        let index = self.index.get_or_insert_default();
        for user in first..self.list.len() {
            index.insert_unique(spread(self.hashes[user]), user as u32, |user| spread(self.hashes[*user as usize]));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, user: u32) -> &User {
        #[cfg(test)]
        looks::add(1);
        &self.list[user as usize]
    }

    pub(super) fn get_mut(&mut self, user: u32) -> &mut User {
        #[cfg(test)]
        looks::add(1);
        &mut self.list[user as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &User)> {
        #[cfg(test)]
        looks::add(self.list.len());
        (0..).zip(&self.list)
    }

    /// Gives back the memory of users for whom `gone` holds; `moved(old, new)` tells where the others went.
    fn drop_gone(&mut self, gone: impl Fn(u32, &User) -> bool, mut moved: impl FnMut(u32, u32)) {
        let keep: Vec<bool> = self.iter().map(|(index, user)| !gone(index, user)).collect();
        (0..).zip(&keep).filter(|(_, keep)| **keep).zip(0..).for_each(|((old, _), new)| moved(old, new));
        let (mut of_list, mut of_hashes) = (0.., 0..);
        self.list.retain(|_| of_list.next().is_some_and(|place: usize| keep[place]));
        self.hashes.retain(|_| of_hashes.next().is_some_and(|place: usize| keep[place]));
        self.index = None;
        self.reindex(0);
    }
}

/// How often a user was looked at: what a step costs, counted.
#[cfg(test)]
pub(super) mod looks {
    use std::cell::Cell;

    thread_local! {
        static LOOKS: Cell<usize> = const { Cell::new(0) };
    }

    pub(in crate::engine) fn add(users: usize) {
        LOOKS.with(|looks| looks.set(looks.get() + users));
    }

    pub(in crate::engine) fn taken() -> usize {
        LOOKS.with(Cell::take)
    }
}

/// A hash table looks at the highest and the lowest bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

fn hash(id: &str) -> u64 {
    FixedState::with_seed(0).hash_one(id)
}

/// The value of a trait, and where the event stands that said so: the latest event time wins (semantics A22).
#[derive(Debug)]
pub(super) struct Latest<T> {
    pub(super) value: T,
    said: (EventTime, Place),
}

impl<T: PartialEq> Latest<T> {
    pub(super) fn new(value: T, said: (EventTime, Place)) -> Latest<T> {
        Latest { value, said }
    }

    /// The event that stated it.
    pub(super) fn said(&self) -> (EventTime, Place) {
        self.said
    }

    /// Takes a value unless a later one is known; returns whether it is now another one.
    pub(super) fn replace(&mut self, value: T, said: (EventTime, Place)) -> bool {
        if self.said > said {
            return false;
        }
        self.said = said;
        let changed = self.value != value;
        self.value = value;
        changed
    }
}

/// An account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: Arc<str>,
    pub(super) users: Users,
    /// The earliest meaningful event of this life.
    first: Option<EventTime>,
    /// The founding day, that of `first`, and the last active day; meaningless without `first`.
    founded: Day,
    pub(super) last_day: Day,
    /// The sign-up nearest to `first`, of those that came so far; the latest while there is no `first`.
    signed_up: Option<EventTime>,
    /// The day of the newest applied event of any kind.
    pub(super) newest: Day,
    /// The latest instant that a published effect carried.
    pub(super) last_at: EventTime,
    /// When something of what a snapshot tells last changed, and how far time had come then.
    pub(super) changed: EventTime,
    pub(super) as_of: EventTime,
    pub(super) word: Word,
    /// Lives of users begun in this life of the account.
    pub(super) users_ever: u32,
    /// Users active in the running 28 days who have not left.
    pub(super) active_users: u32,
    /// What they bring to the PQA score.
    pub(super) user_points: i32,
    /// What the account's signals bring to every PQL score, as of when bands were last settled.
    pub(super) pql_points: i32,
    /// How many tiers from the worst: 0 is untiered.
    pub(super) tier: u8,
    /// How many of the told numbers of active users are reached.
    pub(super) threshold: u8,
    /// The track that was told last.
    pub(super) track: Option<Track>,
    /// Whether day closes have work here.
    pub(super) awake: bool,
    /// Closed days since the last active one, as of the last close.
    pub(super) idle_days: i32,
    /// Distinct active users per ISO week: 13 closed ones, and the open ones.
    pub(super) weeks: Ring<16>,
    /// Users by first active day, the founding day's included.
    joined: Ring<8>,
    /// Meaningful events by the day.
    pub(super) events: Ring<32>,
    pub(super) rare: Option<Box<Rare>>,
}

/// A user's life before the present one.
#[derive(Debug)]
struct FormerLife {
    first: Day,
    last: Day,
    since: EventTime,
    signed_up: bool,
}

/// What many accounts do not have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// The life before this one, while a late day can still join them: first event, its day, and last day.
    former: Option<(EventTime, Day, Day)>,
    /// The same of users.
    former_users: BTreeMap<u32, FormerLife>,
    /// What is known of the company and its subscription. Never forgotten with activity.
    pub(super) traits: Traits,
    /// What happened in this life.
    pub(super) life: Life,
    /// Facts of users that a late event has changed downward: they count at the next day close.
    pub(super) rejoined: BTreeSet<(u32, u8)>,
    /// Features by name, with their uses.
    pub(super) features: Vec<(Box<str>, Monthly)>,
    /// Meters, by their place in the rules: amounts in thousandths, and the level of a gauge.
    pub(super) meters: Vec<(Metered, Option<Latest<i128>>)>,
    /// Running active users by department.
    pub(super) departments: BTreeMap<Box<str>, u32>,
    /// Running active users by e-mail host.
    pub(super) domains: BTreeMap<Box<str>, u32>,
    /// Running active users who are executives.
    pub(super) executives: u32,
    /// Handoffs to persons that wait for an answer.
    pub(super) unanswered: Vec<(HandoffId, EventTime)>,
    /// What triggers remember.
    pub(super) triggers: Triggers,
}

/// What happened in an account's life, and ends with it.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Facts of the account, by slot.
    pub(super) facts: Vec<Fact>,
    /// Somebody was invited.
    pub(super) invited: bool,
    /// Whether a premium feature was used; none: nothing says which features are premium.
    pub(super) premium: Option<bool>,
    /// The latest completion of what could be abandoned, by the role that completes it.
    pub(super) completed: BTreeMap<Role, EventTime>,
    /// Roles of which the first event does not count, as of an admin, and has been seen.
    pub(super) begun: BTreeSet<Role>,
    /// The latest lead that marketing brought.
    pub(super) mql: Option<EventTime>,
    /// Enterprise features asked for.
    pub(super) requests: BTreeSet<Box<str>>,
    /// Pulse triggers whose first has been, a bit each.
    pub(super) firsts: u64,
    /// By meter: used and quota, as last reported.
    pub(super) quotas: BTreeMap<Box<str>, Latest<(f64, f64)>>,
}

/// Days that a running count looks back on, and the open ones.
pub(super) type Monthly = Daily<31, u64>;
/// Days that a meter looks back on: nine blocks of seven days, and the open ones.
pub(super) type Metered = Daily<72, i128>;

/// Names that are kept of one account: what more there is, is counted together under the last of these.
const NAMES_MAX: usize = 1_000;
const OTHER: &str = "(other)";

impl Rare {
    /// A feature was used on a day.
    pub(super) fn use_feature(&mut self, name: &str, day: Day) {
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
    pub(super) fn request(&mut self, feature: &str) {
        const REQUESTS_MAX: usize = 100;
        if self.requests.len() < REQUESTS_MAX && !self.requests.contains(feature) {
            self.requests.insert(feature.into());
        }
    }

    /// A quota was reported; returns whether it is the latest of its meter and says something else.
    pub(super) fn report(&mut self, meter: &str, (used, quota): (f64, f64), said: (EventTime, Place)) -> bool {
        if let Some(known) = self.quotas.get_mut(meter) {
            return known.replace((used, quota), said);
        }
        let meter = if self.quotas.len() < NAMES_MAX { meter } else { OTHER };
        self.quotas.insert(meter.into(), Latest::new((used, quota), said));
        true
    }
}

impl More {
    fn is_blank(&self) -> bool {
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

/// What activity was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// Nothing: the user was known to be active that day.
    Known,
    /// The day.
    Day,
    /// The day, and with it the user's first, which was another.
    Earlier,
    /// The day, and with it the user.
    Begins,
}

impl Account {
    pub(super) fn new(id: &str) -> Account {
        Account {
            id: id.into(),
            users: Users::default(),
            first: None,
            founded: Day(i32::MIN),
            last_day: Day(i32::MIN),
            signed_up: None,
            newest: Day(i32::MIN),
            last_at: EventTime::MIN,
            changed: EventTime::MIN,
            as_of: EventTime::MIN,
            word: Word::default(),
            users_ever: 0,
            active_users: 0,
            user_points: 0,
            pql_points: 0,
            tier: 0,
            threshold: 0,
            track: None,
            awake: false,
            idle_days: 0,
            weeks: Ring::EMPTY,
            joined: Ring::EMPTY,
            events: Ring::EMPTY,
            rare: None,
        }
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Something changed that a snapshot of the account tells, at an instant, when time had come so far.
    pub(super) fn touch(&mut self, (at, now): (EventTime, EventTime)) {
        self.word.set(Flag::Dirty, true);
        (self.changed, self.as_of) = (at, now);
    }

    /// Something changed that snapshots of the user and the account tell.
    pub(super) fn touch_user(&mut self, user: u32, (at, now): (EventTime, EventTime)) {
        let user = self.users.get_mut(user);
        user.word.set(Flag::Dirty, true);
        user.changed = at;
        self.touch((at, now));
    }

    /// Something changed that snapshots of all users tell.
    pub(super) fn touch_users(&mut self, when: (EventTime, EventTime)) {
        (0..self.users.len() as u32).for_each(|user| self.touch_user(user, when));
        self.touch(when);
    }

    /// The earliest meaningful event of this life.
    pub(super) fn first(&self) -> Option<EventTime> {
        self.first
    }

    /// The founding day: that of the earliest meaningful event of this life (semantics B6).
    pub(super) fn founded(&self) -> Option<Day> {
        self.first.map(|_| self.founded)
    }

    /// Whether there was activity in the 28 days that end with `day` or later.
    pub(super) fn has_usage(&self, day: Day) -> bool {
        self.first.is_some() && self.last_day >= day.plus(-27)
    }

    /// What is known of the company.
    pub(super) fn traits(&self) -> Option<&Traits> {
        self.rare.as_ref().map(|rare| &rare.traits)
    }

    /// Whether any subscription is paid (semantics D19, D29).
    pub(super) fn is_paid(&self) -> bool {
        self.traits().and_then(Traits::paid).unwrap_or(false)
    }

    /// What happened in this life.
    pub(super) fn life(&self) -> Option<&Life> {
        self.rare.as_ref().map(|rare| &rare.life)
    }

    /// The facts kept for a signal of a user, or of the account.
    pub(super) fn fact(&self, user: Option<u32>, slot: usize) -> Option<&Fact> {
        let facts = match user {
            Some(user) => self.users.get(user).more.as_ref().map(|more| &more.facts),
            None => self.life().map(|life| &life.facts),
        };
        facts?.iter().find(|fact| usize::from(fact.slot) == slot)
    }

    /// All facts of a user, or of the account.
    pub(super) fn facts_mut(&mut self, user: Option<u32>) -> &mut Vec<Fact> {
        match user {
            Some(user) => &mut self.users.get_mut(user).more().facts,
            None => &mut self.rare().life.facts,
        }
    }

    /// T: the last day of windows that do not wait for a close.
    pub(super) fn window_end(&self, open_day: Day) -> Day {
        open_day.max(self.newest)
    }

    /// The rung that a signal stands on; `user` is the one that a trigger looks at.
    pub(super) fn rung(&self, signal: SignalRef, user: Option<u32>) -> u8 {
        match (signal, user) {
            (SignalRef::Account(slot), _) => self.word.rung(slot),
            (SignalRef::User(slot), Some(user)) => self.users.get(user).word.rung(slot),
            (SignalRef::User(_), None) => 0,
        }
    }

    /// The rung of a signal of a user, or of the account.
    pub(super) fn rung_of(&self, user: Option<u32>, slot: usize) -> u8 {
        user.map_or(self.word, |user| self.users.get(user).word).rung(slot)
    }

    /// A user was active, at an instant of a day.
    pub(super) fn add_activity(&mut self, user: u32, (time, day): (EventTime, Day), forget_after: i32) -> Activity {
        self.add_to_life((time, day), forget_after);
        let known_in_week = {
            let days = self.users.get(user).days;
            !days.is_never() && days.in_week(day.week()) > 0
        };
        let added = self.users.get_mut(user).days.add(day, forget_after);
        match added {
            Added::Nothing => return Activity::Known,
            Added::Day => {}
            Added::First => {
                self.users_ever += 1;
                self.joined.add(day.0);
            }
            Added::Life(first, last) => {
                // Each user counts once in a life of the account (semantics B16).
                if self.founded().is_none_or(|founded| last < founded) {
                    self.users_ever += 1;
                }
                self.joined.add(day.0);
                self.begin_life(user, first, last);
            }
            Added::Earlier(first) => {
                self.joined.subtract(first.0);
                if !self.join_former(user, day, forget_after) {
                    self.joined.add(day.0);
                }
            }
        }
        self.users.get_mut(user).word.set(Flag::Forgotten, false);
        self.word.set(Flag::Forgotten, false);
        if !known_in_week {
            self.weeks.add(day.week().0);
        }
        match added {
            Added::First | Added::Life(..) => Activity::Begins,
            Added::Earlier(_) => Activity::Earlier,
            Added::Day | Added::Nothing => Activity::Day,
        }
    }

    /// Moves the bounds of the account's life (semantics B6, B7, B9).
    fn add_to_life(&mut self, (time, day): (EventTime, Day), forget_after: i32) {
        let Some(first) = self.first else {
            (self.first, self.founded, self.last_day) = (Some(time), day, day);
            return;
        };
        if day > self.last_day {
            if day.0 - self.last_day.0 > forget_after {
                self.rare().former = Some((first, self.founded, self.last_day));
                (self.first, self.founded, self.users_ever) = (Some(time), day, 0);
            }
            self.last_day = day;
        } else if time < first {
            (self.first, self.founded) = (Some(time), day);
            let former = self.rare.as_ref().and_then(|rare| rare.former);
            if let Some((first, founded, _)) = former.filter(|(.., last)| day.0 - last.0 <= forget_after) {
                (self.first, self.founded) = (Some(first), founded);
                self.rare().former = None;
                self.users_ever = self.count_users_ever();
            }
        }
    }

    /// Users ever active in this life, each once (semantics B16).
    pub(super) fn count_users_ever(&self) -> u32 {
        let been = |user: &User| self.founded().is_some_and(|day| !user.days.is_never() && user.days.last() >= day);
        self.users.iter().filter(|(_, user)| been(user)).count() as u32
    }

    /// A user is back after so long that nothing of before counts; a late day may still join the two lives.
    fn begin_life(&mut self, index: u32, first: Day, last: Day) {
        let user = self.users.get_mut(index);
        let (since, signed_up) = (user.since, user.word.is(Flag::SignedUp));
        if !user.word.is(Flag::Forgotten) {
            user.forget_since();
        }
        self.rare().former_users.insert(index, FormerLife { first, last, since, signed_up });
    }

    /// Joins the user's former life to this one if `day` closes the gap; returns whether it did.
    fn join_former(&mut self, index: u32, day: Day, forget_after: i32) -> bool {
        let Some(lives) = self.rare.as_mut().map(|rare| &mut rare.former_users) else { return false };
        if lives.get(&index).is_none_or(|life| day.0 - life.last.0 > forget_after) {
            return false;
        }
        let user = self.users.get_mut(index);
        if let Some(life) = lives.remove(&index) {
            user.days.join(life.first);
            user.note_event(life.since, life.signed_up);
        }
        true
    }

    /// Forgets former lives that no late day can join any more.
    pub(super) fn drop_former_lives(&mut self, open_day: Day) {
        let Account { users, rare, .. } = self;
        if let Some(rare) = rare {
            rare.former_users.retain(|user, _| users.get(*user).days.first() >= open_day.plus(-57));
        }
    }

    /// Somebody signed up: keeps what lies nearest to the first event.
    pub(super) fn add_sign_up(&mut self, time: EventTime) {
        let nearer = |known: EventTime| match self.first {
            Some(first) => (time.0 - first.0).abs() < (known.0 - first.0).abs(),
            None => time > known,
        };
        if self.signed_up.is_none_or(nearer) {
            self.signed_up = Some(time);
        }
    }

    /// The first day whose new users count toward signals: none are known to be new while the account may have
    /// been in mid-life when the log began (semantics B17).
    pub(super) fn newcomers_count_from(&self, log_began: Option<Day>, warm_up_days: i32) -> Option<Day> {
        const NEAR_MS: i64 = 24 * crate::model::HOUR_MS;
        let first = self.first?;
        let near = |known: Option<EventTime>| known.is_some_and(|known| (known.0 - first.0).abs() < NEAR_MS);
        let born = near(self.signed_up)
            || log_began.is_some_and(|day| self.founded > day.plus(warm_up_days))
            || near(self.traits().and_then(|traits| traits.instant(Field::CreatedAt)));
        Some(self.founded.plus(if born { 1 } else { warm_up_days.max(1) }))
    }

    /// New users in the 7 days that end with `day`, none before `from`, which lies after the founding day.
    pub(super) fn newcomers(&self, day: Day, from: Day) -> u32 {
        (day.0 - 6..=day.0).filter(|index| *index >= from.0).map(|index| self.joined.get(index)).sum()
    }

    /// Whether its memory was given back.
    pub(super) fn is_gone(&self) -> bool {
        self.id.is_empty()
    }

    /// Whether nothing is left that a later event could depend on.
    pub(super) fn is_blank(&self) -> bool {
        self.users.len() == 0 && self.rare.as_deref().is_none_or(|rare| rare.traits.is_empty())
    }

    /// Gives back the memory of users whose days can no longer matter: forgotten, so long ago that no late day can join
    /// their life, and not of those ever active in this life of the account, of whom each counts once (semantics B16).
    /// Nothing tells whether or when this happens. A few are left until they are many, unless `all` shall go. Returns
    /// how many went.
    pub(super) fn drop_gone_users(&mut self, open_day: Day, time: &Time, all: bool) -> usize {
        let long_ago = open_day.plus(-57 - time.forget_after_days);
        let former = self.rare.as_ref().and_then(|rare| rare.former).filter(|(.., last)| *last >= long_ago);
        let begun = former.map(|(_, day, _)| day).or(self.founded()).filter(|_| self.last_day >= long_ago);
        let Account { users, rare, .. } = self;
        let names = |rare: &Option<Box<Rare>>, user: u32| {
            rare.as_ref().is_some_and(|rare| rare.triggers.names(user) || rare.former_users.contains_key(&user))
        };
        let gone = |index: u32, user: &User| {
            let last = if user.days.is_never() { time.calendar.day(user.since) } else { user.days.last() };
            last < long_ago
                && (user.days.is_never() || begun.is_none_or(|begun| last < begun))
                && !user.word.any()
                && !user.word.is(Flag::Dirty)
                && user.more.is_none()
                && !names(rare, index)
        };
        let before = users.len();
        let gone_users = users.iter().filter(|(index, user)| gone(*index, user)).count();
        if gone_users == 0 || (!all && gone_users * 2 < before.max(32)) {
            return 0;
        }
        let mut places = BTreeMap::new();
        users.drop_gone(gone, |old, new| _ = places.insert(old, new));
        if let Some(rare) = rare {
            let moved = |user: u32| places.get(&user).copied();
            let lives = std::mem::take(&mut rare.former_users);
            let rejoined = std::mem::take(&mut rare.rejoined);
            rare.former_users = lives.into_iter().filter_map(|(user, life)| Some((moved(user)?, life))).collect();
            rare.rejoined = rejoined.into_iter().filter_map(|(user, slot)| Some((moved(user)?, slot))).collect();
            rare.triggers.rename(&places);
        }
        before - self.users.len()
    }
}
