//! The tables of a partition: the rows of accounts, the index that finds them, and the store of everything else.

use std::hint::black_box;

use super::beside::{Crowd, Former, Life, More, OfSignal, OfUser, Rare, Unanswered};
use super::counted::Counted;
use super::counts::{Counts, WideCounts};
use super::cut::{Parts, Unreadable};
use super::due::{Due, Visit};
use super::facts::Facts;
use super::ids::Ids;
use super::index::Index;
use super::levels::Levels;
use super::pages::{Pages, Slab};
use super::rows::{NO_USER, Row, User};
use super::traits::Traits;
use super::triggers::Triggers;
use super::word::Flag;
use crate::model::{Day, Keys};

/// Rows of a page where they are large, or few accounts have one.
pub(super) const LARGE: usize = 64;

/// The accounts of a partition.
#[derive(Debug)]
pub(in crate::engine) struct Tables {
    pub(super) accounts: Pages<Row, LARGE>,
    pub(super) store: Store,
    accounts_by_id: Index,
    free_accounts: Vec<u32>,
}

/// Everything of accounts that is not in their rows, such as their users. It is apart from the rows, so that a row and the
/// store can be borrowed at the same time.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) users: Pages<User>,
    pub(super) ids: Ids,
    pub(super) beside: Beside,
    pub(super) facts: Facts,
    pub(super) triggers: Triggers,
    pub(super) counted: Counted,
    pub(super) wide: WideCounts,
    /// Levels for which rows have no room: of users, of accounts.
    pub(super) user_levels: Levels,
    pub(super) account_levels: Levels,
    pub(super) users_by_id: Index,
    free_users: Vec<u32>,
}

/// What only some accounts and users have beside their rows.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) of_users: Slab<OfUser>,
    pub(super) mores: Slab<More, LARGE>,
    pub(super) rares: Slab<Rare>,
    pub(super) traits: Slab<Traits, LARGE>,
    pub(super) lives: Slab<Life, LARGE>,
    pub(super) crowds: Slab<Crowd, LARGE>,
    pub(super) formers: Slab<Former, LARGE>,
    pub(super) of_signals: Slab<OfSignal>,
    pub(super) unanswered: Slab<Unanswered>,
}

impl Beside {
    fn new() -> Beside {
        Beside {
            of_users: Slab::new(),
            mores: Slab::new(),
            rares: Slab::new(),
            traits: Slab::new(),
            lives: Slab::new(),
            crowds: Slab::new(),
            formers: Slab::new(),
            of_signals: Slab::new(),
            unanswered: Slab::new(),
        }
    }

    fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Beside { of_users, mores, rares, traits, lives, crowds, formers, of_signals, unanswered } = self;
        of_users.parts(parts)?;
        mores.parts(parts)?;
        rares.parts(parts)?;
        traits.parts(parts)?;
        lives.parts(parts)?;
        crowds.parts(parts)?;
        formers.parts(parts)?;
        of_signals.parts(parts)?;
        unanswered.parts(parts)
    }
}

/// The rows that an event most likely concerns.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Near {
    account: Option<u32>,
    user: Option<u32>,
}

impl Tables {
    pub(in crate::engine) fn new() -> Tables {
        let store = Store {
            users: Pages::new(),
            ids: Ids::default(),
            beside: Beside::new(),
            facts: Facts::new(),
            triggers: Triggers::new(),
            counted: Counted::new(),
            wide: WideCounts::new(),
            user_levels: Levels::new(),
            account_levels: Levels::new(),
            users_by_id: Index::new(),
            free_users: Vec::new(),
        };
        Tables { accounts: Pages::new(), store, accounts_by_id: Index::new(), free_accounts: Vec::new() }
    }

    /// Makes room for the levels of this number of signals of users and of accounts.
    pub(in crate::engine) fn hold_levels(&mut self, of_users: usize, of_accounts: usize) {
        let Store { users, user_levels, account_levels, .. } = &mut self.store;
        user_levels.hold(of_users, users.len() as usize);
        account_levels.hold(of_accounts, self.accounts.len() as usize);
    }

    /// Stores or restores them.
    pub(in crate::engine) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Tables { accounts, store, accounts_by_id, free_accounts } = self;
        let Store {
            users,
            ids,
            beside,
            facts,
            triggers,
            counted,
            wide,
            user_levels,
            account_levels,
            users_by_id,
            free_users,
        } = store;
        parts.table(accounts)?;
        parts.value(free_accounts)?;
        parts.table(users)?;
        parts.value(free_users)?;
        parts.table(ids)?;
        beside.parts(parts)?;
        facts.parts(parts)?;
        triggers.parts(parts)?;
        counted.parts(parts)?;
        wide.parts(parts)?;
        user_levels.parts(parts)?;
        account_levels.parts(parts)?;
        if parts.are_restored() {
            *accounts_by_id = Index::of(all_but(accounts.len(), free_accounts), |index| accounts[index].hash);
            *users_by_id = Index::of(all_but(users.len(), free_users), |index| {
                let user = &users[index];
                Keys::hash_user(accounts[user.account].hash, ids.bytes(user.id))
            });
        }
        Ok(())
    }

    /// Accounts held.
    pub(in crate::engine) fn accounts(&self) -> usize {
        self.accounts.len() as usize - self.free_accounts.len()
    }

    /// Users held.
    pub(in crate::engine) fn users(&self) -> usize {
        self.store.users.len() as usize - self.store.free_users.len()
    }

    /// The bytes that each part takes.
    pub(in crate::engine) fn bytes(&self) -> Vec<(&'static str, usize)> {
        let store = &self.store;
        let Beside { of_users, mores, rares, traits, lives, crowds, formers, of_signals, unanswered } = &store.beside;
        let others =
            [traits.bytes(), lives.bytes(), crowds.bytes(), formers.bytes(), of_signals.bytes(), unanswered.bytes()];
        let mut all = vec![
            ("accounts", self.accounts.bytes()),
            ("wide counts", store.wide.bytes()),
            ("users", store.users.bytes()),
            ("ids", store.ids.held()),
            ("indices", self.accounts_by_id.bytes() + store.users_by_id.bytes()),
            ("levels beyond rows", store.user_levels.bytes() + store.account_levels.bytes()),
            ("facts", store.facts.bytes()),
            ("beside users", of_users.bytes()),
            ("about users", mores.bytes()),
            ("beside accounts", rares.bytes()),
            ("about accounts", others.iter().sum()),
        ];
        all.extend(store.triggers.bytes());
        all.extend(store.counted.bytes());
        all
    }

    /// The indices of all accounts held, in the order of the table.
    pub(in crate::engine) fn account_indices(&self) -> impl Iterator<Item = u32> + use<> {
        all_but(self.accounts.len(), &self.free_accounts)
    }

    /// Takes the accounts to visit at the close of a day, rising, each with the users to visit: pairs of account and
    /// user, by account.
    pub(in crate::engine) fn take_due(
        &mut self,
        due: &mut Due,
        day: Day,
        accounts: &mut Vec<u32>,
        users: &mut Vec<(u32, u32)>,
    ) {
        let Tables { accounts: rows, store: Store { users: user_rows, .. }, .. } = self;
        // A bit for each account; by account, how many of its users are due and where they begin.
        let (mut is_due, mut users_of) =
            (vec![0_u64; (rows.len() as usize).div_ceil(64)], vec![0_u32; rows.len() as usize]);
        let mut taken = Vec::new();
        let mut mark = |account: u32| is_due[account as usize / 64] |= 1 << (account % 64);
        due.users.take(day, |user| taken.push(user), |user, change| change(&mut user_rows[user].due));
        for user in &taken {
            let account = user_rows[*user].account;
            users_of[account as usize] += 1;
            mark(account);
        }
        due.accounts.take(day, &mut mark, |account, change| change(&mut rows[account].due));
        // In order without comparisons: each account's users begin where those of the accounts before it end.
        let mut begin = 0;
        for (word, bits) in is_due.iter_mut().enumerate() {
            while *bits != 0 {
                let account = word as u32 * 64 + bits.trailing_zeros();
                *bits &= *bits - 1;
                accounts.push(account);
                begin += std::mem::replace(&mut users_of[account as usize], begin);
            }
        }
        users.resize(taken.len(), (0, 0));
        for user in taken {
            let account = user_rows[user].account;
            let place = &mut users_of[account as usize];
            users[*place as usize] = (account, user);
            *place += 1;
        }
    }

    /// Whether there is no room for the ids of another account and user.
    pub(in crate::engine) fn ids_are_full(&self) -> bool {
        self.store.ids.is_full()
    }

    /// The id of an account.
    pub(in crate::engine) fn account_id(&self, index: u32) -> &str {
        self.store.ids.get(self.accounts[index].id)
    }

    pub(in crate::engine) fn find_account(&self, hash: u64, id: &[u8]) -> Option<u32> {
        self.accounts_by_id.find(hash, |index| {
            let row = &self.accounts[index];
            row.hash == hash && self.store.ids.bytes(row.id) == id
        })
    }

    /// The account, and the user in it, of an event with these keys. Nearly always both are known: then the user leads to
    /// the account.
    pub(in crate::engine) fn find(&self, keys: &Keys, account: &[u8], user: &[u8]) -> (Option<u32>, Option<u32>) {
        let Store { users, ids, users_by_id, .. } = &self.store;
        let is = |index: u32| {
            let row = &users[index];
            let of = &self.accounts[row.account];
            ids.bytes(row.id) == user && of.hash == keys.account && ids.bytes(of.id) == account
        };
        let known = if user.is_empty() { None } else { users_by_id.find(keys.user, is) };
        let of_user = known.map(|user| users[user].account);
        (of_user.or_else(|| self.find_account(keys.account, account)), known)
    }

    pub(in crate::engine) fn find_user(&self, account: u32, id: &str) -> Option<u32> {
        let hash = Keys::hash_user(self.accounts[account].hash, id.as_bytes());
        self.store.find_user(account, hash, id)
    }

    /// The row of an account, and the store, which has room for another user.
    pub(super) fn account(&mut self, index: u32) -> (&mut Row, &mut Store) {
        let Tables { accounts, store, .. } = self;
        let Store { users, ids, users_by_id, .. } = store;
        users_by_id.make_room(|index| {
            let user = &users[index];
            Keys::hash_user(accounts[user.account].hash, ids.bytes(user.id))
        });
        (&mut accounts[index], store)
    }

    /// Reads ahead for an event with these keys: first the buckets of the indices.
    pub(in crate::engine) fn touch_indices(&self, keys: &Keys) {
        self.accounts_by_id.touch(keys.account);
        self.store.users_by_id.touch(keys.user);
    }

    /// Reads ahead, once the buckets are near: the rows that the event most likely concerns.
    pub(in crate::engine) fn touch_rows(&self, keys: &Keys) -> Near {
        let Store { users, users_by_id, .. } = &self.store;
        let near = Near { account: self.accounts_by_id.likely(keys.account), user: users_by_id.likely(keys.user) };
        if let Some(index) = near.account {
            self.accounts[index].touch();
        }
        black_box(near.user.map(|index| users[index].id));
        near
    }

    /// Reads ahead, once the rows are near: what they refer to.
    pub(in crate::engine) fn touch_beyond(&self, near: Near) {
        let Store { users, ids, beside, .. } = &self.store;
        if let Some(index) = near.account {
            let row = &self.accounts[index];
            ids.touch(row.id);
            if let Some(rare) = beside.rares.get(row.rare) {
                rare.touch();
            }
        }
        if let Some(index) = near.user {
            ids.touch(users[index].id);
        }
    }

    /// Reads ahead for the visits of a close: the rows of some accounts and users, then what most accounts have besides.
    pub(in crate::engine) fn touch_visits(&self, accounts: &[u32], users: &[(u32, u32)]) {
        let Store { users: rows, beside, triggers, .. } = &self.store;
        for index in accounts {
            self.accounts[*index].touch();
        }
        for (_, index) in users {
            black_box(rows[*index].id);
        }
        for beside in users.iter().filter_map(|(_, index)| beside.of_users.get(rows[*index].beside)) {
            black_box(beside.facts);
        }
        let timed = accounts.iter().map(|index| &self.accounts[*index]).filter(|row| row.word.is(Flag::TIMED));
        for rare in timed.filter_map(|row| beside.rares.get(row.rare)) {
            triggers.touch(rare.triggers);
        }
    }

    /// Adds an account that is not there; `closed` is the last closed day.
    pub(in crate::engine) fn insert_account(&mut self, hash: u64, id: &str, closed: Day) -> u32 {
        let row = Row { hash, id: self.store.ids.push(id), counts: Counts::new(closed), ..Row::default() };
        let index = match self.free_accounts.pop() {
            Some(index) => {
                self.accounts[index] = row;
                index
            }
            None => self.accounts.push(row),
        };
        self.store.account_levels.begin(index);
        let accounts = &self.accounts;
        self.accounts_by_id.make_room(|index| accounts[index].hash);
        self.accounts_by_id.insert(hash, index);
        index
    }

    /// Gives back the memory of an account without users.
    pub(in crate::engine) fn remove_account(&mut self, index: u32) {
        let Tables { accounts, store, .. } = self;
        let row = &mut accounts[index];
        store.erase_life(row);
        store.erase_rare(row);
        self.accounts_by_id.remove(row.hash, index);
        store.ids.erase(row.id);
        row.counts.give_back(&mut store.wide);
        row.due = Visit::NEVER;
        self.free_accounts.push(index);
    }
}

/// The first `len` indices, rising, but for those that are free.
fn all_but(len: u32, free: &[u32]) -> impl Iterator<Item = u32> + use<> {
    let mut free = free.to_vec();
    free.sort_unstable();
    (0..len).filter(move |index| free.binary_search(index).is_err())
}

impl Store {
    pub(super) fn find_user(&self, account: u32, hash: u64, id: &str) -> Option<u32> {
        self.users_by_id.find(hash, |index| {
            let user = &self.users[index];
            user.account == account && self.ids.bytes(user.id) == id.as_bytes()
        })
    }

    /// Adds a user who is not there to the account of a row that [`Tables::account`] has borrowed.
    pub(super) fn insert_user(&mut self, (account, row): (u32, &mut Row), hash: u64, id: &str) -> u32 {
        let user = User { id: self.ids.push(id), account, next: row.users, ..User::default() };
        let index = match self.free_users.pop() {
            Some(index) => {
                self.users[index] = user;
                index
            }
            None => self.users.push(user),
        };
        self.user_levels.begin(index);
        if row.users != NO_USER {
            self.users[row.users].previous = index;
        }
        (row.users, row.users_len) = (index, row.users_len + 1);
        self.users_by_id.insert(hash, index);
        index
    }

    /// Gives back the memory of a user that no later event can depend on. What the id took in its page stays taken.
    pub(super) fn remove_user(&mut self, row: &mut Row, index: u32) {
        let User { id, next, previous, .. } = self.users[index];
        let hash = Keys::hash_user(row.hash, self.ids.bytes(id));
        self.users_by_id.remove(hash, index);
        match previous {
            NO_USER => row.users = next,
            previous => self.users[previous].next = next,
        }
        if next != NO_USER {
            self.users[next].previous = previous;
        }
        row.users_len -= 1;
        self.erase_more(index);
        self.ids.erase(id);
        self.users[index].due = Visit::NEVER;
        self.free_users.push(index);
    }

    /// Erases what is known of a user besides activity.
    pub(super) fn erase_more(&mut self, user: u32) {
        let at = &mut self.users[user].beside;
        if let Some(beside) = self.beside.of_users.get_mut(*at) {
            self.facts.clear(&mut beside.facts);
            self.beside.mores.remove(&mut beside.more);
        }
        self.beside.of_users.remove(at);
    }

    /// Erases what happened in an account's life.
    pub(super) fn erase_life(&mut self, row: &Row) {
        if let Some(rare) = self.beside.rares.get_mut(row.rare) {
            self.facts.clear(&mut rare.facts);
            self.beside.lives.remove(&mut rare.life);
            (rare.invited, rare.premium) = (false, None);
        }
    }

    fn erase_rare(&mut self, row: &mut Row) {
        let Store { beside, triggers, counted, .. } = self;
        let Beside { rares, traits, crowds, formers, of_signals, unanswered, .. } = beside;
        let at = &mut row.rare;
        let Some(rare) = rares.get_mut(*at) else { return };
        triggers.clear(&mut rare.triggers);
        counted.clear(&mut rare.meters, &mut rare.features);
        traits.remove(&mut rare.traits);
        crowds.remove(&mut rare.crowd);
        formers.remove(&mut rare.former);
        for list in [&mut rare.rejoined, &mut rare.unpublished] {
            while let Some(node) = of_signals.get(*list).copied() {
                of_signals.remove(&mut std::mem::replace(list, node.next));
            }
        }
        while let Some(node) = unanswered.get(rare.unanswered).copied() {
            unanswered.remove(&mut std::mem::replace(&mut rare.unanswered, node.next));
        }
        rares.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_ahead_is_what_an_event_concerns() {
        let mut tables = Tables::new();
        let keys = |account: &str, user: &str| {
            let hash = Keys::hash_account(account.as_bytes());
            Keys { account: hash, user: Keys::hash_user(hash, user.as_bytes()), message: None }
        };
        let ids: Vec<(String, String)> = (0..2_000).map(|it| (format!("a{}", it % 300), format!("u{it}"))).collect();
        for (account, user) in &ids {
            let keys = keys(account, user);
            let known = tables.find_account(keys.account, account.as_bytes());
            let index = known.unwrap_or_else(|| tables.insert_account(keys.account, account, Day(0)));
            let (row, store) = tables.account(index);
            store.insert_user((index, row), keys.user, user);
        }
        let mut found = 0;
        for (account, user) in &ids {
            let keys = keys(account, user);
            tables.touch_indices(&keys);
            let near = tables.touch_rows(&keys);
            tables.touch_beyond(near);
            let index = tables.find_account(keys.account, account.as_bytes()).unwrap();
            found += usize::from(near.account == Some(index));
            found += usize::from(near.user == tables.find_user(index, user));
        }
        // Few keys share a bucket and a tag, or overflow into another bucket.
        assert!(found > 2 * ids.len() * 9 / 10, "{found} of {}", 2 * ids.len());
        tables.touch_beyond(tables.touch_rows(&keys("nobody", "nobody")));
    }
}
