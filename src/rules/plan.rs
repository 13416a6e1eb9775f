//! The compiled plan: the rules in the form that the engine uses, in which everything is referred to by index.

use std::sync::Arc;

use super::exclude::Exclude;
use super::ids::Ids;
use super::index::Index;
use super::meters::Meter;
use super::money::Money;
use super::rails::Rails;
use super::roles::Roles;
use super::routes::Route;
use super::scores::{self, Scores};
use super::segments::Segment;
use super::signals::Signal;
use super::template::Template;
use super::territories::Territory;
use super::time::Time;
use super::traits::People;
use super::triggers::Trigger;

/// Everything that decides what events mean and what follows.
#[derive(Debug)]
pub struct Plan {
    /// Name and hash of the rules.
    pub version: Arc<str>,
    /// The text of the rules, with the mappings of its presets written out.
    pub text: Arc<str>,
    /// How event time moves.
    pub time: Time,
    /// Which ids are treated as missing or invalid, and whether account ids differ by case and space.
    pub ids: Ids,
    /// The most accounts of a partition.
    pub accounts_max: usize,
    /// The most users of a partition.
    pub users_max: usize,
    /// What raw events mean.
    pub roles: Roles,
    /// Users and events that do not count.
    pub exclude: Exclude,
    /// What is counted by the day, by id.
    pub meters: Vec<Arc<Meter>>,
    /// Signals of a user, in the order of the file: the index is the slot.
    pub user_signals: Vec<Signal>,
    /// Signals of an account, in the order of the file: the index is the slot.
    pub account_signals: Vec<Signal>,
    /// What to evaluate when something changes.
    pub index: Index,
    /// How people and companies are recognised.
    pub people: People,
    /// Bands and tiers.
    pub scores: Scores,
    /// Size classes by employees, smallest first; the first is of those whose size is unknown.
    pub segments: Vec<Segment>,
    /// Triggers, in the order of the file.
    pub triggers: Vec<Trigger>,
    /// The order in which triggers of one instant are decided: by level, then as in the file.
    pub by_level: Vec<usize>,
    /// When a medium handoff is due, in milliseconds after outreach may begin: from, by.
    pub medium_due_ms: (i64, i64),
    /// Guard rails.
    pub rails: Rails,
    /// Through which channel or team a handoff goes: the first row that matches.
    pub routes: Vec<Route>,
    /// Who owns an account: the first row that matches.
    pub territories: Vec<Territory>,
    /// The people who try out handoffs, after the share of accounts that goes to them.
    pub pilot: Option<(f64, Vec<String>)>,
    /// Money.
    pub money: Money,
    /// What to say: the first template that matches and can be filled.
    pub templates: Vec<Template>,
    /// Names of traits beyond the known ones that conditions read.
    pub traits: Vec<String>,
}

impl Plan {
    /// The ids that entries of the signals feed can have: signals, triggers, and what points make.
    pub fn feed_ids(&self) -> impl Iterator<Item = &str> {
        let signals = self.user_signals.iter().chain(&self.account_signals).map(|signal| &*signal.id);
        let triggers = self.triggers.iter().map(|trigger| &*trigger.id);
        signals.chain(triggers).chain([scores::BAND, scores::TIER, scores::ACTIVE_USERS])
    }

    /// The slots of the user's (or the account's) signals in another plan, for those that measure the same there.
    pub fn slots_in(&self, other: &Plan, of_users: bool) -> Vec<Option<usize>> {
        let lists = [self, other].map(|plan| if of_users { &plan.user_signals } else { &plan.account_signals });
        let same = |signal: &Signal, it: &Signal| signal.id == it.id && signal.kind == it.kind;
        lists[0].iter().map(|signal| lists[1].iter().position(|it| same(signal, it))).collect()
    }
}
