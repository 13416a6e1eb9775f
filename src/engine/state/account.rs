//! Access to an account and its users in the tables: their lives, counts, traits and levels.

use std::ops::{Deref, DerefMut};

use super::counts::{self, Ring};
use super::days::Added;
use super::facts::{Facts, Head, Kept, KeptMut};
use super::rows::{FormerLife, Life, More, NOBODY, Rare, Row, User};
use super::tables::Tables;
use super::traits::Traits;
use super::word::{Flag, Word};
use crate::model::{Day, EventTime, Field};
use crate::rules::Time;

/// An account of the tables. It reads as its row.
#[derive(Debug)]
pub(in crate::engine) struct Account<'t> {
    tables: &'t mut Tables,
    index: u32,
}

impl Deref for Account<'_> {
    type Target = Row;

    #[inline]
    fn deref(&self) -> &Row {
        &self.tables.accounts[self.index]
    }
}

impl DerefMut for Account<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Row {
        &mut self.tables.accounts[self.index]
    }
}

/// What activity was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Activity {
    /// Nothing: the user was known to be active that day.
    Known,
    /// The day.
    Day,
    /// The day, and with it the user's first, which was another.
    Earlier,
    /// The day, and with it the user.
    Begins,
}

impl<'t> Account<'t> {
    /// The account at an index, to read and change.
    pub(in crate::engine) fn new(tables: &'t mut Tables, index: u32) -> Account<'t> {
        Account { tables, index }
    }

    pub(in crate::engine) fn id(&self) -> &str {
        self.tables.account_id(self.index)
    }

    // Its users.

    #[inline]
    pub(in crate::engine) fn user(&self, user: u32) -> &User {
        #[cfg(test)]
        super::looks::add(1);
        &self.tables.users[user]
    }

    #[inline]
    pub(in crate::engine) fn user_mut(&mut self, user: u32) -> &mut User {
        #[cfg(test)]
        super::looks::add(1);
        &mut self.tables.users[user]
    }

    /// Whether a user is one of this account.
    pub(in crate::engine) fn owns(&self, user: u32) -> bool {
        self.tables.users[user].account == self.index
    }

    pub(in crate::engine) fn user_id_bytes(&self, user: u32) -> &[u8] {
        self.tables.ids.bytes(self.tables.users[user].id)
    }

    /// The same as a text.
    pub(in crate::engine) fn user_id(&self, user: u32) -> &str {
        self.tables.ids.get(self.tables.users[user].id)
    }

    pub(in crate::engine) fn find_user(&self, id: &str) -> Option<u32> {
        self.tables.find_user(self.index, id)
    }

    /// The user with this hash and id, who is new if there is none.
    pub(in crate::engine) fn find_or_insert_user(&mut self, hash: u64, id: &str) -> u32 {
        let known = self.tables.find_user_hashed(self.index, hash, id);
        known.unwrap_or_else(|| self.tables.insert_user(self.index, hash, id))
    }

    /// The users, in no particular order.
    pub(in crate::engine) fn users(&self) -> impl Iterator<Item = (u32, &User)> {
        let mut next = self.users;
        std::iter::from_fn(move || {
            let index = (next != NOBODY).then_some(next)?;
            let user = self.user(index);
            next = user.next;
            Some((index, user))
        })
    }

    /// The indices of the users, for a pass that changes them.
    pub(in crate::engine) fn user_indices(&self) -> Vec<u32> {
        self.users().map(|(user, _)| user).collect()
    }

    pub(in crate::engine) fn users_len(&self) -> usize {
        self.users_len as usize
    }

    /// What is known of a user besides activity.
    #[inline]
    pub(in crate::engine) fn more(&self, user: u32) -> Option<&More> {
        self.tables.mores.get(self.tables.users[user].more)
    }

    /// The same, where it is there.
    pub(in crate::engine) fn known_more(&mut self, user: u32) -> Option<&mut More> {
        self.tables.mores.get_mut(self.tables.users[user].more)
    }

    /// The same, empty if there is none.
    pub(in crate::engine) fn more_mut(&mut self, user: u32) -> &mut More {
        let Tables { users, mores, .. } = &mut *self.tables;
        mores.get_or_new(&mut users[user].more)
    }

    /// Erases what is known of a user besides activity.
    pub(in crate::engine) fn erase_more(&mut self, user: u32) {
        self.tables.erase_more(user);
        self.user_mut(user).word.set(Flag::Removed, false);
    }

    /// What happened in this life of the account ends with it.
    pub(in crate::engine) fn erase_life(&mut self) {
        self.tables.erase_life(self.index);
    }

    /// Gives back the memory of empty state.
    pub(in crate::engine) fn tidy(&mut self, user: u32) {
        if self.more(user).is_some_and(More::is_blank) {
            self.erase_more(user);
        }
    }

    pub(in crate::engine) fn is_removed(&self, user: u32) -> bool {
        self.user(user).word.is(Flag::Removed)
    }

    /// Whether the user was ever active in this life, and was neither forgotten nor removed.
    pub(in crate::engine) fn exists(&self, user: u32) -> bool {
        let row = self.user(user);
        !row.days.is_never() && !row.word.is(Flag::Forgotten) && !self.is_removed(user)
    }

    // What only some accounts have.

    #[inline]
    pub(in crate::engine) fn rare(&self) -> Option<&Rare> {
        self.tables.rares.get(self.rare)
    }

    /// The same, where it is there.
    #[inline]
    pub(in crate::engine) fn known_rare(&mut self) -> Option<&mut Rare> {
        let at = self.rare;
        let rare = self.tables.rares.get_mut(at);
        if rare.is_some() {
            self.tables.accounts[self.index].word.set(Flag::TIMED, true);
        }
        rare
    }

    /// The same, empty if there is none.
    pub(in crate::engine) fn rare_mut(&mut self) -> &mut Rare {
        let Tables { accounts, rares, .. } = &mut *self.tables;
        let row = &mut accounts[self.index];
        row.word.set(Flag::TIMED, true);
        rares.get_or_new(&mut row.rare)
    }

    /// The same, where something of it may change with time.
    #[inline]
    pub(in crate::engine) fn timed_rare(&self) -> Option<&Rare> {
        if self.word.is(Flag::TIMED) { self.rare() } else { None }
    }

    /// Finds out whether something of it may change with time: at the end of a close.
    pub(in crate::engine) fn settle_timed(&mut self) {
        let is_timed = self.timed_rare().is_some_and(Rare::is_timed);
        self.word.set(Flag::TIMED, is_timed);
    }

    /// The traits of the company.
    pub(in crate::engine) fn traits(&self) -> Option<&Traits> {
        self.rare().map(|rare| &rare.traits)
    }

    /// Whether any subscription is paid (semantics D19, D29).
    pub(in crate::engine) fn is_paid(&self) -> bool {
        self.traits().and_then(Traits::paid).unwrap_or(false)
    }

    /// What happened in this life.
    pub(in crate::engine) fn life(&self) -> Option<&Life> {
        self.rare().map(|rare| &rare.life)
    }

    fn head(&self, user: Option<u32>) -> Head {
        match user {
            Some(user) => self.more(user).map(|more| more.facts),
            None => self.life().map(|life| life.facts),
        }
        .unwrap_or_default()
    }

    fn head_mut(&mut self, user: Option<u32>) -> (&mut Head, &mut Facts) {
        let Tables { accounts, users, mores, rares, facts, .. } = &mut *self.tables;
        let head = match user {
            Some(user) => &mut mores.get_or_new(&mut users[user].more).facts,
            None => &mut rares.get_or_new(&mut accounts[self.index].rare).life.facts,
        };
        (head, facts)
    }

    /// What is kept of the facts of a signal of a user, or of the account.
    pub(in crate::engine) fn facts(&self, user: Option<u32>, slot: usize) -> Option<Kept<'_>> {
        self.tables.facts.find(self.head(user), slot)
    }

    /// The same of all signals, by slot.
    pub(in crate::engine) fn all_facts(&self, user: u32) -> impl Iterator<Item = (usize, Kept<'_>)> {
        self.tables.facts.of(self.head(Some(user)))
    }

    /// The same, to change.
    pub(in crate::engine) fn known_facts(&mut self, user: Option<u32>, slot: usize) -> Option<KeptMut<'_>> {
        let head = self.head(user);
        self.tables.facts.find_mut(head, slot)
    }

    /// The same, empty if there is nothing.
    pub(in crate::engine) fn facts_mut(&mut self, user: Option<u32>, slot: usize) -> KeptMut<'_> {
        let (head, facts) = self.head_mut(user);
        facts.find_or_new(head, slot)
    }

    /// Keeps no facts of a signal any more.
    pub(in crate::engine) fn drop_facts(&mut self, user: Option<u32>, slot: usize) {
        if !self.head(user).is_empty() {
            let (head, facts) = self.head_mut(user);
            facts.remove(head, slot);
        }
        user.into_iter().for_each(|user| self.tidy(user));
    }

    /// Moves facts to other slots; a signal that has none there has no facts any more.
    pub(in crate::engine) fn rename_facts(&mut self, user: Option<u32>, slot_of: impl Fn(u8) -> Option<u8>) {
        if !self.head(user).is_empty() {
            let (head, facts) = self.head_mut(user);
            facts.rename(head, slot_of);
        }
        user.into_iter().for_each(|user| self.tidy(user));
    }

    // Counts by the day and week.

    #[inline(always)]
    pub(in crate::engine) fn count(&self, ring: Ring, number: i32) -> u32 {
        self.counts.get(&self.tables.wide, ring, number)
    }

    #[inline(always)]
    pub(in crate::engine) fn sum(&self, ring: Ring, first: i32, last: i32) -> u64 {
        self.counts.sum(&self.tables.wide, ring, first, last)
    }

    /// Each following day if no user becomes active: its MAU, and Σ DAU of the 28 days that end with it.
    pub(in crate::engine) fn months_to_come(&self) -> impl Iterator<Item = (Day, u32, u64)> + '_ {
        self.counts.months_to_come(&self.tables.wide)
    }

    #[inline]
    pub(in crate::engine) fn add_to(&mut self, ring: Ring, number: i32, by: i32) {
        let Tables { accounts, wide, .. } = &mut *self.tables;
        accounts[self.index].counts.add(wide, ring, number, by);
    }

    /// Brings the counts up to the last closed day.
    pub(in crate::engine) fn close_up_to(&mut self, day: Day) {
        if self.counts.closed() < day {
            let Tables { accounts, wide, .. } = &mut *self.tables;
            accounts[self.index].counts.close_up_to(wide, day);
        }
    }

    /// Marks the profile of the account as changed at an instant, with the watermark at that time.
    pub(in crate::engine) fn touch(&mut self, (at, now): (EventTime, EventTime)) {
        let row = &mut **self;
        row.word.set(Flag::Dirty, true);
        (row.changed, row.as_of) = (at, now);
    }

    /// Marks the profiles of the user and the account as changed.
    pub(in crate::engine) fn touch_user(&mut self, user: u32, (at, now): (EventTime, EventTime)) {
        let user = self.user_mut(user);
        user.word.set(Flag::Dirty, true);
        user.changed = at;
        self.touch((at, now));
    }

    /// Marks the profiles of all users as changed.
    pub(in crate::engine) fn touch_users(&mut self, when: (EventTime, EventTime)) {
        let mut next = self.users;
        while next != NOBODY {
            self.touch_user(next, when);
            next = self.user(next).next;
        }
        self.touch(when);
    }

    // Its life.

    /// The earliest meaningful event of this life.
    pub(in crate::engine) fn first(&self) -> Option<EventTime> {
        self.first
    }

    /// The founding day: that of the earliest meaningful event of this life (semantics B6).
    pub(in crate::engine) fn founded(&self) -> Option<Day> {
        self.first.map(|_| self.founded)
    }

    /// Whether there was activity in the 28 days that end with `day` or later.
    pub(in crate::engine) fn has_usage(&self, day: Day) -> bool {
        self.first.is_some() && self.last_day >= day.plus(-27)
    }

    /// T: the last day of windows that do not wait for a close.
    pub(in crate::engine) fn window_end(&self, open_day: Day) -> Day {
        open_day.max(self.newest)
    }

    // Levels of signals: of a user, or of the account.

    #[inline]
    pub(in crate::engine) fn level(&self, user: Option<u32>, slot: usize) -> u8 {
        if slot < Word::HELD {
            return user.map_or(self.word, |user| self.user(user).word).rung(slot);
        }
        match user {
            Some(user) => self.tables.user_levels.get(user, slot),
            None => self.tables.account_levels.get(self.index, slot),
        }
    }

    pub(in crate::engine) fn set_level(&mut self, user: Option<u32>, slot: usize, level: u8) {
        match (user, slot < Word::HELD) {
            (Some(user), true) => self.user_mut(user).word.set_rung(slot, level),
            (None, true) => self.word.set_rung(slot, level),
            (Some(user), false) => self.tables.user_levels.set(user, slot, level),
            (None, false) => self.tables.account_levels.set(self.index, slot, level),
        }
    }

    /// The slots of the signals that are on, rising, with their levels.
    pub(in crate::engine) fn levels(&self, user: Option<u32>) -> impl Iterator<Item = (usize, u8)> + '_ {
        let (word, levels, row) = match user {
            Some(user) => (self.user(user).word, &self.tables.user_levels, user),
            None => (self.word, &self.tables.account_levels, self.index),
        };
        word.on().chain(levels.on(row))
    }

    /// Whether any signal is on.
    #[inline]
    pub(in crate::engine) fn has_level(&self, user: Option<u32>) -> bool {
        match user {
            Some(user) => self.user(user).word.any() || self.tables.user_levels.any(user),
            None => self.word.any() || self.tables.account_levels.any(self.index),
        }
    }

    /// Moves the levels to other slots; a signal that has none there is off.
    pub(in crate::engine) fn rename_levels(&mut self, user: Option<u32>, slots: &[Option<usize>]) {
        let levels: Vec<(usize, u8)> = self.levels(user).collect();
        levels.iter().for_each(|(slot, _)| self.set_level(user, *slot, 0));
        for (slot, level) in levels {
            if let Some(slot) = slots[slot] {
                self.set_level(user, slot, level);
            }
        }
    }

    /// A user was active, at an instant of a day.
    pub(in crate::engine) fn add_activity(
        &mut self,
        user: u32,
        (time, day): (EventTime, Day),
        forget_after: i32,
    ) -> Activity {
        self.add_to_life((time, day), forget_after);
        let before = self.user(user).days;
        let added = self.user_mut(user).days.add(day, forget_after);
        if added == Added::Nothing {
            return Activity::Known;
        }
        {
            let Tables { accounts, wide, .. } = &mut *self.tables;
            accounts[self.index].counts.add_activity(wide, before, day);
        }
        match added {
            Added::Nothing | Added::Day => {}
            Added::First => {
                self.users_ever += 1;
                self.add_to(counts::JOINED, day.0, 1);
            }
            Added::Life(first, last) => {
                // Each user counts once in a life of the account (semantics B16).
                if self.founded().is_none_or(|founded| last < founded) {
                    self.users_ever += 1;
                }
                self.add_to(counts::JOINED, day.0, 1);
                self.begin_life(user, first, last);
            }
            Added::Earlier(first) => {
                self.add_to(counts::JOINED, first.0, -1);
                if !self.join_former(user, day, forget_after) {
                    self.add_to(counts::JOINED, day.0, 1);
                }
            }
        }
        self.user_mut(user).word.set(Flag::Forgotten, false);
        self.word.set(Flag::Forgotten, false);
        if before.is_never() || before.in_week(day.week()) == 0 {
            self.add_to(counts::WEEKS, day.week().0, 1);
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
                self.rare_mut().former = Some((first, self.founded, self.last_day));
                (self.first, self.founded, self.users_ever) = (Some(time), day, 0);
            }
            self.last_day = day;
        } else if time < first {
            (self.first, self.founded) = (Some(time), day);
            let former = self.rare().and_then(|rare| rare.former);
            if let Some((first, founded, _)) = former.filter(|(.., last)| day.0 - last.0 <= forget_after) {
                (self.first, self.founded) = (Some(first), founded);
                self.rare_mut().former = None;
                self.users_ever = self.count_users_ever();
            }
        }
    }

    /// Users ever active in this life, each once (semantics B16).
    pub(in crate::engine) fn count_users_ever(&self) -> u32 {
        let been = |user: &User| self.founded().is_some_and(|day| !user.days.is_never() && user.days.last() >= day);
        self.users().filter(|(_, user)| been(user)).count() as u32
    }

    /// A user begins a new life after a long absence. A late day may still join the two lives.
    fn begin_life(&mut self, index: u32, first: Day, last: Day) {
        let user = self.user_mut(index);
        let (since, signed_up) = (user.since, user.word.is(Flag::SignedUp));
        if !user.word.is(Flag::Forgotten) {
            user.forget_since();
        }
        self.rare_mut().former_users.insert(index, FormerLife { first, last, since, signed_up });
    }

    /// Joins the user's former life to this one if `day` closes the gap; returns whether it did.
    fn join_former(&mut self, index: u32, day: Day, forget_after: i32) -> bool {
        let Some(lives) = self.known_rare().map(|rare| &mut rare.former_users) else { return false };
        if lives.get(&index).is_none_or(|life| day.0 - life.last.0 > forget_after) {
            return false;
        }
        if let Some(life) = lives.remove(&index) {
            let user = self.user_mut(index);
            user.days.join(life.first);
            user.note_event(life.since, life.signed_up);
        }
        true
    }

    /// Forgets former lives that no late day can join any more.
    pub(in crate::engine) fn drop_former_lives(&mut self, open_day: Day) {
        if !self.word.is(Flag::TIMED) {
            return;
        }
        let at = self.rare;
        let Tables { users, rares, .. } = &mut *self.tables;
        if let Some(rare) = rares.get_mut(at).filter(|rare| !rare.former_users.is_empty()) {
            rare.former_users.retain(|user, _| users[*user].days.first() >= open_day.plus(-57));
        }
    }

    /// Records a sign-up: the one nearest to the first event is kept.
    pub(in crate::engine) fn add_sign_up(&mut self, time: EventTime) {
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
    pub(in crate::engine) fn newcomers_count_from(&self, log_began: Option<Day>, warm_up_days: i32) -> Option<Day> {
        const NEAR_MS: i64 = 24 * crate::model::HOUR_MS;
        let first = self.first?;
        let near = |known: Option<EventTime>| known.is_some_and(|known| (known.0 - first.0).abs() < NEAR_MS);
        let born = near(self.signed_up)
            || log_began.is_some_and(|day| self.founded > day.plus(warm_up_days))
            || near(self.traits().and_then(|traits| traits.instant(Field::CreatedAt)));
        Some(self.founded.plus(if born { 1 } else { warm_up_days.max(1) }))
    }

    /// New users in the 7 days that end with `day`, none before `from`, which lies after the founding day.
    pub(in crate::engine) fn newcomers(&self, day: Day, from: Day) -> u32 {
        self.sum(counts::JOINED, from.0.max(day.0 - 6), day.0) as u32
    }

    /// Whether nothing is left that a later event could depend on.
    pub(in crate::engine) fn is_blank(&self) -> bool {
        self.users_len == 0 && self.rare().is_none_or(|rare| rare.traits.is_empty())
    }

    /// Gives back the memory of a user whose days can no longer matter: forgotten, so long ago that no late day can
    /// join their life, and not of those ever active in this life of the account, of whom each counts once (semantics
    /// B16). Nothing tells whether or when this happens. Returns whether the user is gone.
    pub(in crate::engine) fn drop_gone_user(&mut self, index: u32, open_day: Day, time: &Time, profiles: bool) -> bool {
        let user = self.user(index);
        let last = if user.days.is_never() { time.calendar.day(user.since) } else { user.days.last() };
        let long_ago = open_day.plus(-57 - time.forget_after_days);
        if last >= long_ago {
            return false;
        }
        let former = self.rare().and_then(|rare| rare.former).filter(|(.., last)| *last >= long_ago);
        let begun = former.map(|(_, day, _)| day).or(self.founded()).filter(|_| self.last_day >= long_ago);
        let is_named =
            || self.rare().is_some_and(|rare| rare.triggers.names(index) || rare.former_users.contains_key(&index));
        let gone = (user.days.is_never() || begun.is_none_or(|begun| last < begun))
            && !self.has_level(Some(index))
            && !(profiles && user.word.is(Flag::Dirty))
            && self.more(index).is_none()
            && !is_named();
        if gone {
            self.tables.remove_user(index);
        }
        gone
    }
}
