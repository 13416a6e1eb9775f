//! Copies an account with all that is known of it into other tables: for a log with another number of partitions.

use std::collections::BTreeMap;

use super::beside::{Former, OfUser, Rare};
use super::due::{Due, Visit};
use super::pages::Ref;
use super::rows::{NO_USER, Row, User};
use super::tables::{Beside, Store, Tables};
use crate::model::Keys;

/// An account that was copied.
#[derive(Debug)]
pub(in crate::engine) struct Adopted {
    /// Its index now.
    pub(in crate::engine) account: u32,
    /// By their former indices, those of its users now.
    pub(in crate::engine) users: BTreeMap<u32, u32>,
}

impl Tables {
    /// Copies an account of others, which is not here, with its visits but without its timers. None if there is no room
    /// for its ids.
    pub(in crate::engine) fn adopt(&mut self, due: &mut Due, from: &Tables, account: u32) -> Option<Adopted> {
        let row = &from.accounts[account];
        if self.ids_are_full() {
            return None;
        }
        let index = self.insert_account(row.hash, from.account_id(account), row.counts.closed());
        let (mut list, mut users) = (Vec::new(), BTreeMap::new());
        let mut next = row.users;
        while next != NO_USER {
            list.push(next);
            next = from.store.users[next].next;
        }
        // The first one of the list was added last.
        for user in list.into_iter().rev() {
            if self.ids_are_full() {
                return None;
            }
            users.insert(user, self.adopt_user(due, index, &from.store, user));
        }
        let (own, store) = self.account(index);
        let &mut Row { id, users: first, .. } = own;
        *own = Row {
            id,
            users: first,
            due: Visit::NEVER,
            rare: store.adopt_rare(&from.store, row.rare, index, &users),
            counts: row.counts.adopted(&mut store.wide, &from.store.wide),
            ..row.clone()
        };
        due.accounts.adopt(row.due, &mut own.due, index);
        store.account_levels.adopt(&from.store.account_levels, account, index);
        Some(Adopted { account: index, users })
    }

    fn adopt_user(&mut self, due: &mut Due, account: u32, from: &Store, user: u32) -> u32 {
        let known = &from.users[user];
        let id = from.ids.get(known.id);
        let (row, store) = self.account(account);
        let hash = Keys::hash_user(row.hash, id.as_bytes());
        let index = store.insert_user((account, row), hash, id);
        let beside = from.beside.of_users.get(known.beside).map_or(Ref::NONE, |of_user| {
            let facts = store.facts.adopt(&from.facts, of_user.facts);
            let more = store.beside.mores.adopt(&from.beside.mores, of_user.more);
            store.beside.of_users.insert(OfUser { facts, more })
        });
        let own = &mut store.users[index];
        let &mut User { id, next, previous, .. } = own;
        *own = User { id, account, next, previous, beside, due: Visit::NEVER, ..known.clone() };
        due.users.adopt(known.due, &mut own.due, index);
        store.user_levels.adopt(&from.user_levels, user, index);
        index
    }
}

impl Store {
    fn adopt_rare(&mut self, from: &Store, rare: Ref, account: u32, users: &BTreeMap<u32, u32>) -> Ref {
        let Some(known) = from.beside.rares.get(rare) else { return Ref::NONE };
        let Store { beside, facts, triggers, counted, .. } = self;
        let Beside { rares, traits, lives, crowds, formers, of_signals, unanswered, .. } = beside;
        let others = &from.beside;
        let user_of = |user: u32| users.get(&user).copied();
        let (meters, features) = counted.adopt(&from.counted, known.meters, known.features, account);
        let mut adopt_signals = |list| {
            of_signals.adopt_list(
                &others.of_signals,
                list,
                |it| &mut it.next,
                |it| {
                    let is_of_account = it.user.is_none();
                    it.user = it.user.and_then(user_of);
                    is_of_account || it.user.is_some()
                },
            )
        };
        let mut former = formers.adopt(&others.formers, known.former);
        if let Some(Former { of_users, .. }) = formers.get_mut(former) {
            let lives = std::mem::take(of_users);
            of_users.extend(lives.into_iter().filter_map(|(user, life)| Some((user_of(user)?, life))));
        }
        if formers.get(former).is_some_and(Former::is_blank) {
            formers.remove(&mut former);
        }
        rares.insert(Rare {
            facts: facts.adopt(&from.facts, known.facts),
            triggers: triggers.adopt(&from.triggers, known.triggers, user_of),
            meters,
            features,
            rejoined: adopt_signals(known.rejoined),
            unpublished: adopt_signals(known.unpublished),
            unanswered: unanswered.adopt_list(&others.unanswered, known.unanswered, |it| &mut it.next, |_| true),
            traits: traits.adopt(&others.traits, known.traits),
            life: lives.adopt(&others.lives, known.life),
            crowd: crowds.adopt(&others.crowds, known.crowd),
            former,
            ..*known
        })
    }
}
