//! Access to an account and its users in the tables: their rows, counts and levels.

mod beside;
mod lives;

use std::ops::{Deref, DerefMut};

use super::counts::Ring;
use super::rows::{NO_USER, Row, User};
use super::tables::{Store, Tables};
use super::word::{Flag, Word};
use crate::model::{Day, Keys};

/// An account of the tables. It reads as its row.
#[derive(Debug)]
pub(in crate::engine) struct Account<'t> {
    index: u32,
    row: &'t mut Row,
    store: &'t mut Store,
}

impl Deref for Account<'_> {
    type Target = Row;

    #[inline]
    fn deref(&self) -> &Row {
        self.row
    }
}

impl DerefMut for Account<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Row {
        self.row
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
        let (row, store) = tables.account(index);
        Account { index, row, store }
    }

    pub(in crate::engine) fn id(&self) -> &str {
        self.store.ids.get(self.row.id)
    }

    // Its users.

    #[inline]
    pub(in crate::engine) fn user(&self, user: u32) -> &User {
        #[cfg(test)]
        super::looks::add(1);
        &self.store.users[user]
    }

    #[inline]
    pub(in crate::engine) fn user_mut(&mut self, user: u32) -> &mut User {
        #[cfg(test)]
        super::looks::add(1);
        &mut self.store.users[user]
    }

    /// Whether a user is one of this account.
    pub(in crate::engine) fn owns(&self, user: u32) -> bool {
        self.store.users[user].account == self.index
    }

    pub(in crate::engine) fn user_id_bytes(&self, user: u32) -> &[u8] {
        self.store.ids.bytes(self.store.users[user].id)
    }

    /// The same as a text.
    pub(in crate::engine) fn user_id(&self, user: u32) -> &str {
        self.store.ids.get(self.store.users[user].id)
    }

    pub(in crate::engine) fn find_user(&self, id: &str) -> Option<u32> {
        self.store.find_user(self.index, Keys::hash_user(self.row.hash, id.as_bytes()), id)
    }

    /// Adds a user who is not there.
    pub(in crate::engine) fn insert_user(&mut self, hash: u64, id: &str) -> u32 {
        self.store.insert_user((self.index, self.row), hash, id)
    }

    /// Erases the id of a user. No event finds the row any more, because none has an empty id.
    pub(in crate::engine) fn erase_id(&mut self, user: u32) {
        let Store { users, ids, users_by_id, .. } = &mut *self.store;
        let id = users[user].id;
        users_by_id.remove(Keys::hash_user(self.row.hash, ids.bytes(id)), user);
        ids.erase(id);
        users_by_id.insert(Keys::hash_user(self.row.hash, b""), user);
    }

    /// The users, in no particular order.
    pub(in crate::engine) fn users(&self) -> impl Iterator<Item = (u32, &User)> {
        let mut next = self.users;
        std::iter::from_fn(move || {
            let index = (next != NO_USER).then_some(next)?;
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

    pub(in crate::engine) fn is_removed(&self, user: u32) -> bool {
        self.user(user).word.is(Flag::Removed)
    }

    /// Whether the user was ever active in this life, and was neither forgotten nor removed.
    pub(in crate::engine) fn exists(&self, user: u32) -> bool {
        let row = self.user(user);
        !row.days.is_never() && !row.word.is(Flag::Forgotten) && !self.is_removed(user)
    }

    // Counts by the day and week.

    #[inline(always)]
    pub(in crate::engine) fn count(&self, ring: Ring, number: i32) -> u32 {
        self.counts.get(&self.store.wide, ring, number)
    }

    #[inline(always)]
    pub(in crate::engine) fn sum(&self, ring: Ring, first: i32, last: i32) -> u64 {
        self.counts.sum(&self.store.wide, ring, first, last)
    }

    /// The first day after C on which users leave the month, if no user becomes active.
    pub(in crate::engine) fn next_leave(&self) -> Day {
        self.counts.next_leave(&self.store.wide)
    }

    /// Whether there was activity in the 14 weeks that end with the week after that of `day`, or later.
    pub(in crate::engine) fn has_weeks(&self, day: Day) -> bool {
        self.first().is_some() && self.last_day.week() >= day.week().plus(-13)
    }

    /// Each following day if no user becomes active: its MAU, and Σ DAU of the 28 days that end with it.
    pub(in crate::engine) fn months_to_come(&self) -> impl Iterator<Item = (Day, u32, u64)> + '_ {
        self.counts.months_to_come(&self.store.wide)
    }

    #[inline]
    pub(in crate::engine) fn add_to(&mut self, ring: Ring, number: i32, by: i32) {
        let Store { wide, .. } = &mut *self.store;
        self.row.counts.add(wide, ring, number, by);
    }

    /// Brings the counts up to the last closed day.
    pub(in crate::engine) fn close_up_to(&mut self, day: Day) {
        if self.counts.closed() < day {
            let Store { wide, .. } = &mut *self.store;
            self.row.counts.close_up_to(wide, day);
        }
    }

    // Levels of signals: of a user, or of the account.

    #[inline(always)]
    pub(in crate::engine) fn level(&self, user: Option<u32>, slot: usize) -> u8 {
        if slot < Word::HELD {
            return user.map_or(self.word, |user| self.user(user).word).rung(slot);
        }
        self.level_beside(user, slot)
    }

    #[inline(never)]
    fn level_beside(&self, user: Option<u32>, slot: usize) -> u8 {
        match user {
            Some(user) => self.store.user_levels.get(user, slot),
            None => self.store.account_levels.get(self.index, slot),
        }
    }

    pub(in crate::engine) fn set_level(&mut self, user: Option<u32>, slot: usize, level: u8) {
        match (user, slot < Word::HELD) {
            (Some(user), true) => self.user_mut(user).word.set_rung(slot, level),
            (None, true) => self.word.set_rung(slot, level),
            (Some(user), false) => self.store.user_levels.set(user, slot, level),
            (None, false) => self.store.account_levels.set(self.index, slot, level),
        }
    }

    /// The slots of the signals that are on, rising, with their levels.
    pub(in crate::engine) fn levels(&self, user: Option<u32>) -> impl Iterator<Item = (usize, u8)> + '_ {
        let (word, levels, row) = match user {
            Some(user) => (self.user(user).word, &self.store.user_levels, user),
            None => (self.word, &self.store.account_levels, self.index),
        };
        word.on().chain(levels.on(row))
    }

    /// Whether any signal is on.
    #[inline]
    pub(in crate::engine) fn has_level(&self, user: Option<u32>) -> bool {
        match user {
            Some(user) => self.user(user).word.any() || self.store.user_levels.any(user),
            None => self.word.any() || self.store.account_levels.any(self.index),
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
}
