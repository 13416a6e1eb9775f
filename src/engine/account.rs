//! An account and its users: the state that the fold keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::activity::{Added, Days, Ring};
use super::signals::Facts;
use super::trigger::Triggers;
use crate::model::{Day, EventTime, Place};
use crate::rules::SignalRef;

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
}

/// Two bits for the rung of each signal, and two marks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Word(u64);

impl Word {
    const SIGNED_UP: u64 = 1 << 62;
    const FORGOTTEN: u64 = 1 << 63;

    pub(super) fn rung(self, slot: usize) -> u8 {
        (self.0 >> (2 * slot) & 3) as u8
    }

    pub(super) fn set_rung(&mut self, slot: usize, rung: u8) {
        self.0 = self.0 & !(3 << (2 * slot)) | u64::from(rung) << (2 * slot);
    }

    /// Whether any signal is on.
    pub(super) fn any(self) -> bool {
        self.0 & !(Self::SIGNED_UP | Self::FORGOTTEN) != 0
    }

    /// Whether any signal of these slots is on: two bits each.
    pub(super) fn any_of(self, slots: u64) -> bool {
        self.0 & slots != 0
    }

    /// Whether `since` is a sign-up.
    pub(super) fn signed_up(self) -> bool {
        self.0 & Self::SIGNED_UP != 0
    }

    pub(super) fn set_signed_up(&mut self, is: bool) {
        self.0 = if is { self.0 | Self::SIGNED_UP } else { self.0 & !Self::SIGNED_UP };
    }

    /// Whether the user was forgotten since the last active day.
    pub(super) fn forgotten(self) -> bool {
        self.0 & Self::FORGOTTEN != 0
    }

    pub(super) fn set_forgotten(&mut self, is: bool) {
        self.0 = if is { self.0 | Self::FORGOTTEN } else { self.0 & !Self::FORGOTTEN };
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
        if signs_up && !self.word.signed_up() {
            self.word.set_signed_up(true);
            self.since = time;
        } else if signs_up || !self.word.signed_up() {
            self.since = self.since.min(time);
        }
    }

    /// Nothing is known of when the user came.
    pub(super) fn forget_since(&mut self) {
        self.since = EventTime::MAX;
        self.word.set_signed_up(false);
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
        self.list.push(User { id: id.into(), days: Days::NEVER, since: EventTime::MAX, word: Word::default() });
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
        &self.list[user as usize]
    }

    pub(super) fn get_mut(&mut self, user: u32) -> &mut User {
        &mut self.list[user as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &User)> {
        (0..).zip(&self.list)
    }

    /// Gives back the memory of users for whom `gone` holds; `moved(old, new)` tells where the others went.
    fn drop_gone(&mut self, gone: impl Fn(u32, &User) -> bool, mut moved: impl FnMut(u32, u32)) {
        let keep: Vec<bool> = self.iter().map(|(index, user)| !gone(index, user)).collect();
        (0..).zip(&keep).filter(|(_, keep)| **keep).zip(0..).for_each(|((old, _), new)| moved(old, new));
        let (mut of_list, mut of_hashes) = (keep.iter(), keep.iter());
        self.list.retain(|_| *of_list.next().unwrap_or(&true));
        self.hashes.retain(|_| *of_hashes.next().unwrap_or(&true));
        self.index = None;
        self.reindex(0);
    }
}

/// A hash table looks at the highest and the lowest bits.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

fn hash(id: &str) -> u64 {
    FixedState::with_seed(0).hash_one(id)
}

/// The value of a trait, and where the event stands that said so: the latest event time wins (edges A22).
#[derive(Debug)]
pub(super) struct Latest<T> {
    pub(super) value: T,
    said: (EventTime, Place),
}

impl<T> Latest<T> {
    /// Takes a value unless a later one is known; returns whether it was taken and what it replaced.
    pub(super) fn update(known: &mut Option<Latest<T>>, value: T, said: (EventTime, Place)) -> (bool, Option<T>) {
        if known.as_ref().is_some_and(|known| known.said > said) {
            return (false, None);
        }
        (true, known.replace(Latest { value, said }).map(|before| before.value))
    }
}

/// An account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: Arc<str>,
    pub(super) users: Users,
    /// The earliest meaningful event of this life.
    first: Option<EventTime>,
    /// The last active day; meaningless without `first`.
    last_day: Day,
    /// The sign-up nearest to `first`, of those that came so far.
    signed_up: Option<EventTime>,
    /// The newest applied event of any kind.
    pub(super) newest: EventTime,
    /// The latest instant that a published effect carried.
    pub(super) last_at: EventTime,
    pub(super) word: Word,
    /// Bit n: whether the last closed week had more active users than the one n weeks before; and whether that is known.
    pub(super) risen: (u16, u16),
    /// Whether day closes have work here.
    pub(super) awake: bool,
    /// Distinct active users per ISO week: 13 closed ones, and the open ones.
    pub(super) weeks: Ring<16>,
    /// Users by first active day, the founding day's included.
    joined: Ring<8>,
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
    /// The life before this one, while a late day can still join them: first event and last day.
    former: Option<(EventTime, Day)>,
    /// The same of users.
    former_users: BTreeMap<u32, FormerLife>,
    /// When the product says that the account was created.
    pub(super) created_at: Option<Latest<Option<EventTime>>>,
    /// The plan of the latest subscription, in lower case.
    pub(super) plan: Option<Latest<Box<str>>>,
    /// Whether the latest subscription is paid.
    pub(super) paid: Option<Latest<bool>>,
    /// Facts of users, by user and slot.
    pub(super) facts: BTreeMap<(u32, u8), Facts>,
    /// Those of them that a late event has changed downward: they count at the next day close.
    pub(super) rejoined: BTreeSet<(u32, u8)>,
    /// What triggers remember.
    pub(super) triggers: Triggers,
}

impl Account {
    pub(super) fn new(id: &str) -> Account {
        Account {
            id: id.into(),
            users: Users::default(),
            first: None,
            last_day: Day(i32::MIN),
            signed_up: None,
            newest: EventTime::MIN,
            last_at: EventTime::MIN,
            word: Word::default(),
            risen: (0, 0),
            awake: false,
            weeks: Ring::EMPTY,
            joined: Ring::EMPTY,
            rare: None,
        }
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The earliest meaningful event of this life.
    pub(super) fn first(&self) -> Option<EventTime> {
        self.first
    }

    /// The founding day: that of the earliest meaningful event of this life (edges B6).
    pub(super) fn founded(&self) -> Option<Day> {
        self.first.map(EventTime::day)
    }

    /// Whether there was activity in the 28 days that end with `day` or later.
    pub(super) fn has_usage(&self, day: Day) -> bool {
        self.first.is_some() && self.last_day >= day.plus(-27)
    }

    /// Whether the latest subscription is paid (edges D19).
    pub(super) fn is_paid(&self) -> bool {
        self.rare.as_ref().and_then(|rare| rare.paid.as_ref()).is_some_and(|paid| paid.value)
    }

    /// T: the last day of windows that do not wait for a close.
    pub(super) fn window_end(&self, open_day: Day) -> Day {
        open_day.max(self.newest.day())
    }

    /// The rung that a signal stands on; `user` is the one that a trigger looks at.
    pub(super) fn rung(&self, signal: SignalRef, user: Option<u32>) -> u8 {
        match (signal, user) {
            (SignalRef::Account(slot), _) => self.word.rung(slot),
            (SignalRef::User(slot), Some(user)) => self.users.get(user).word.rung(slot),
            (SignalRef::User(_), None) => 0,
        }
    }

    /// A user was active: whether the day was not known before.
    pub(super) fn add_activity(&mut self, user: u32, time: EventTime, forget_after: i32) -> bool {
        let day = time.day();
        self.add_to_life(time, forget_after);
        let known_in_week = {
            let days = self.users.get(user).days;
            !days.is_never() && days.in_week(day.week()) > 0
        };
        let added = self.users.get_mut(user).days.add(day, forget_after);
        match added {
            Added::Nothing => return false,
            Added::Day => {}
            Added::First => self.joined.add(day.0),
            Added::Life(first, last) => {
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
        self.users.get_mut(user).word.set_forgotten(false);
        if !known_in_week {
            self.weeks.add(day.week().0);
        }
        true
    }

    /// Moves the bounds of the account's life (edges B6, B7, B9).
    fn add_to_life(&mut self, time: EventTime, forget_after: i32) {
        let day = time.day();
        let Some(first) = self.first else {
            (self.first, self.last_day) = (Some(time), day);
            return;
        };
        if day > self.last_day {
            if day.0 - self.last_day.0 > forget_after {
                self.rare().former = Some((first, self.last_day));
                self.first = Some(time);
            }
            self.last_day = day;
        } else if time < first {
            self.first = Some(time);
            let former = self.rare.as_ref().and_then(|rare| rare.former);
            if let Some((first, _)) = former.filter(|(_, last)| day.0 - last.0 <= forget_after) {
                self.first = Some(first);
                self.rare().former = None;
            }
        }
    }

    /// A user is back after so long that nothing of before counts; a late day may still join the two lives.
    fn begin_life(&mut self, index: u32, first: Day, last: Day) {
        let user = self.users.get_mut(index);
        let (since, signed_up) = (user.since, user.word.signed_up());
        if !user.word.forgotten() {
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
        let first = self.first.unwrap_or(time);
        let nearer = |known: EventTime| (time.0 - first.0).abs() < (known.0 - first.0).abs();
        if self.signed_up.is_none_or(nearer) {
            self.signed_up = Some(time);
        }
    }

    /// The first day whose new users count toward signals: none are known to be new while the account may have
    /// been in mid-life when the log began (edges B17).
    pub(super) fn newcomers_count_from(&self, log_began: Option<Day>, warm_up_days: i32) -> Option<Day> {
        const NEAR_MS: i64 = 24 * crate::model::HOUR_MS;
        let first = self.first?;
        let near = |known: Option<EventTime>| known.is_some_and(|known| (known.0 - first.0).abs() < NEAR_MS);
        let created_at = self.rare.as_ref().and_then(|rare| rare.created_at.as_ref());
        let born = near(self.signed_up)
            || near(created_at.and_then(|created| created.value))
            || log_began.is_some_and(|day| first.day() > day.plus(warm_up_days));
        Some(first.day().plus(if born { 1 } else { warm_up_days.max(1) }))
    }

    /// New users in the 7 days that end with `day`, none before `from`, which lies after the founding day.
    pub(super) fn newcomers(&self, day: Day, from: Day) -> u32 {
        (day.0 - 6..=day.0).filter(|index| *index >= from.0).map(|index| self.joined.get(index)).sum()
    }

    /// Whether nothing is left that a later event could depend on.
    pub(super) fn is_blank(&self) -> bool {
        let keeps = |rare: &Rare| rare.created_at.is_some() || rare.plan.is_some() || rare.paid.is_some();
        self.users.len() == 0 && !self.rare.as_deref().is_some_and(keeps)
    }

    /// Gives back the memory of users whose days can no longer matter: forgotten, and so long ago that no late day
    /// can join their life. Nothing tells whether or when this happens. A few are left until they are many, unless
    /// `all` shall go. Returns how many went.
    pub(super) fn drop_gone_users(&mut self, open_day: Day, forget_after: i32, all: bool) -> usize {
        let Account { users, rare, .. } = self;
        let holds = |rare: &Option<Box<Rare>>, user: u32| {
            rare.as_ref().is_some_and(|rare| {
                rare.facts.range((user, 0)..=(user, u8::MAX)).next().is_some() || rare.triggers.names(user)
            })
        };
        let long_ago = open_day.plus(-57 - forget_after);
        let gone = |index: u32, user: &User| {
            let last = if user.days.is_never() { user.since.day() } else { user.days.last() };
            last < long_ago && !user.word.any() && !holds(rare, index)
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
            let (lives, facts) = (std::mem::take(&mut rare.former_users), std::mem::take(&mut rare.facts));
            let rejoined = std::mem::take(&mut rare.rejoined);
            rare.former_users = lives.into_iter().filter_map(|(user, life)| Some((moved(user)?, life))).collect();
            rare.facts =
                facts.into_iter().filter_map(|((user, slot), facts)| Some(((moved(user)?, slot), facts))).collect();
            rare.rejoined = rejoined.into_iter().filter_map(|(user, slot)| Some((moved(user)?, slot))).collect();
            rare.triggers.rename(&places);
        }
        before - self.users.len()
    }
}
