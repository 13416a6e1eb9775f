//! The state of a step, and the delta: each phase records its changes in it, and later phases read it to find what they
//! must evaluate.

use std::ops::Deref;

use crate::engine::context::Context;
use crate::engine::state::Account;
use crate::engine::state::due::Due;
use crate::engine::state::timers::Timers;
use crate::model::{Day, Effects, EventTime, Evidence, SignalKind};
use crate::rules::{Changes, Plan, Reads, Turns};

/// What a step works with, apart from its account. It dereferences to its context.
pub(in crate::engine) struct Step<'a> {
    pub(in crate::engine) context: Context<'a>,
    pub(in crate::engine) effects: &'a mut Effects,
    pub(in crate::engine) timers: &'a mut Timers,
    /// Which accounts and users are visited at which close.
    pub(in crate::engine) due: &'a mut Due,
    /// The account's place in the tables.
    pub(in crate::engine) index: u32,
    /// What has changed since the last phase that looked at it.
    pub(in crate::engine) delta: &'a mut Delta,
}

impl<'a> Deref for Step<'a> {
    type Target = Context<'a>;

    fn deref(&self) -> &Context<'a> {
        &self.context
    }
}

/// The close of a day for one account.
pub(in crate::engine) struct Close<'a> {
    pub(in crate::engine) day: Day,
    /// Its end.
    pub(in crate::engine) at: EventTime,
    /// Signals that it decides for the first time.
    pub(in crate::engine) warm: Reads,
    /// The users to visit, each after the account.
    pub(in crate::engine) users: &'a [(u32, u32)],
}

/// What has changed of an account and its users. The memory is kept from step to step.
#[derive(Debug, Default)]
pub(in crate::engine) struct Delta {
    /// Running active users, users ever active, and buyers, before the step.
    before: (u32, u32, u32),
    /// Of the account.
    pub(super) account: Changes,
    /// Of its users. A user may occur several times.
    pub(super) users: Vec<(u32, Changes)>,
    /// Facts to measure again.
    pub(super) facts: Vec<Fact>,
    /// Users whose profiles are published at the end of the step. A user may occur several times.
    pub(super) rows: Vec<u32>,
    /// Users who were forgotten: tombstones are published.
    pub(super) gone: Vec<u32>,
    /// Whether the profile of the account is published.
    pub(super) row: bool,
    /// Entries of the signals feed.
    pub(super) entries: Vec<Entry>,
    /// Signals of which a session began.
    pub(super) sessions: Vec<(Option<u32>, usize)>,
    /// Levels that changed, to be published.
    pub(super) levels: Vec<Level>,
    /// By how much the points of running users changed.
    pub(super) points: i32,
    /// Users whose band may have changed.
    pub(super) scored: Vec<u32>,
    /// The inputs of conditions that have changed, and the users whose conditions may read them.
    pub(super) reads: Reads,
    pub(super) concerned: Vec<u32>,
}

/// Facts of a signal that changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    /// None: of the account.
    pub(super) user: Option<u32>,
    pub(super) slot: usize,
    /// Whether the level may fall now; else it falls at the next close of a day.
    pub(super) falls: bool,
    /// The end of the wait that began with it.
    pub(super) waits_until: Option<EventTime>,
}

/// The order of entries of a user, or of the account (semantics D26); first come changes by rules that end.
const BY_FORMER_RULES: u8 = 0;
pub(super) const CHANGED: u8 = 1;
pub(super) const FIGURES: u8 = 2;
pub(super) const SESSIONS: u8 = 3;
pub(super) const TRIGGERS: u8 = 4;
pub(super) const HELD: u8 = 5;

/// An entry of the signals feed.
#[derive(Debug)]
pub(super) struct Entry {
    /// None: of the account.
    pub(super) user: Option<u32>,
    /// Its place among the entries of the user, or of the account.
    pub(super) order: (u8, usize),
    pub(super) kind: SignalKind,
    pub(super) evidence: Evidence,
}

/// A level that changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// None: of the account.
    pub(super) user: Option<u32>,
    pub(super) slot: usize,
    pub(super) before: u8,
    pub(super) after: u8,
}

impl Delta {
    /// The same, emptied for another step.
    pub(in crate::engine) fn anew(&mut self) -> &mut Delta {
        self.users.clear();
        self.facts.clear();
        self.rows.clear();
        self.gone.clear();
        self.entries.clear();
        self.sessions.clear();
        self.levels.clear();
        self.scored.clear();
        self.concerned.clear();
        (self.account, self.points, self.reads) = (Changes::default(), 0, Reads::default());
        self.row = false;
        self
    }

    /// Whether nothing has changed.
    pub(super) fn is_empty(&self) -> bool {
        self.account.is_empty()
            && self.users.is_empty()
            && self.facts.is_empty()
            && self.rows.is_empty()
            && !self.row
            && self.scored.is_empty()
    }

    /// Something of a user changed.
    pub(super) fn user(&mut self, user: u32, changes: Changes) {
        self.users.push((user, changes));
    }

    /// Something of a user changed on which a person acts: the profile is published.
    pub(super) fn user_row(&mut self, user: u32, changes: Changes) {
        self.rows.push(user);
        self.users.push((user, changes));
    }

    /// Other rules give other points: the bands of these users may change.
    pub(in crate::engine) fn score_again(&mut self, users: impl Iterator<Item = u32>) {
        self.account.add(Changes::LEVELS);
        self.scored.extend(users);
    }

    /// The profiles of the account and of all its users are published.
    pub(in crate::engine) fn all_rows(&mut self, account: &Account<'_>) {
        self.row = true;
        self.rows.extend(account.users().map(|(user, _)| user));
    }

    /// Other rules apply from here on in the step. What the former ones changed is published before.
    pub(in crate::engine) fn end_rules(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.order.0 = BY_FORMER_RULES);
        let (entries, rows, row) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.rows), self.row);
        self.anew();
        (self.entries, self.rows, self.row) = (entries, rows, row);
    }

    /// Facts of a signal changed.
    pub(super) fn fact(&mut self, user: Option<u32>, slot: usize, falls: bool) {
        self.facts.push(Fact { user, slot, falls, waits_until: None });
    }

    /// Whether points, bands, tiers or the track may change.
    pub(super) fn is_worth_a_score(&self) -> bool {
        const SCORED: Changes = Changes::SCORE.and(Changes::ACTIVE_USERS).and(Changes::TRAITS).and(Changes::USERS);
        !self.scored.is_empty() || self.account.meet(SCORED)
    }

    /// Keeps the numbers with which the step begins: conditions over users are evaluated only if their number changes past
    /// one that a condition compares it with.
    pub(in crate::engine) fn note_before(&mut self, account: &Account<'_>) {
        self.before = (account.active_users, account.users_ever, account.buyers);
    }

    /// Whether the account lacks a buyer now and did not before the step, or the other way round.
    pub(super) fn lacks_buyer_changed(&self, account: &Account<'_>) -> bool {
        (account.buyers == 0) != (self.before.2 == 0)
    }

    /// Where running active users changed, so did their departments and other traits, if any of them has some.
    pub(super) fn note_crowd(&mut self, account: &Account<'_>) {
        if self.account.meet(Changes::ACTIVE_USERS) && account.crowd().is_some() {
            self.account.add(Changes::CROWD);
        }
    }

    /// Maps changes to the inputs of conditions: figures, and signals that may become known. Signals whose level changed
    /// have been added already.
    pub(super) fn settle_reads(&mut self, plan: &Plan, account: &Account<'_>) {
        self.note_crowd(account);
        let (mut all, (active_users, users, _)) = (self.account, self.before);
        if all.meet(Changes::ACTIVE_USERS.and(Changes::USERS)) {
            let turns = |at: &Turns, from: u32, to: u32| at.lie_between(from as i32, to as i32);
            if turns(&plan.index.active_users, active_users, account.active_users) {
                all.add(Changes::ACTIVE_NUMBER);
            }
            if turns(&plan.index.users, users, account.users_ever) {
                all.add(Changes::USERS_NUMBER);
            }
        }
        let [of_account, of_users] = &plan.index.reads_by;
        of_account.add_to(&mut self.reads, all);
        self.users.iter().for_each(|(_, changes)| all.add(*changes));
        of_users.add_to(&mut self.reads, all);
        self.concerned.extend(self.users.iter().map(|(user, _)| *user));
        // Whether the only user of an account is a buyer depends on the size class and on whether there are other users
        // (semantics E18).
        if plan.index.trigger_everybody && self.account.meet(Changes::TRAITS.and(Changes::ONLY_USER)) {
            self.concerned.extend(account.user_indices());
        }
        self.account = Changes::default();
        self.users.clear();
    }
}
