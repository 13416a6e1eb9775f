//! Profiles of accounts and users, and when they are published (semantics F13).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Event;
use super::account::Account;
use super::handoff::without_defaults;
use super::roles::Role;
use super::score::band_name;
use super::time::{sunday, week_of};

/// The traits of a user that a profile rests on.
const OF_USER: [&str; 6] = ["title", "role", "department", "seniority", "use_case", "email"];

/// What a person acts on, apart from rungs, bands, the tier and the track: an account's traits, plan, subscriptions and
/// whether it lacks a buyer; by user the traits, the activation, the removal, and whether the user buys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Acts {
    traits: String,
    plan: Option<String>,
    lacks_buyer: bool,
    users: BTreeMap<String, OfUser>,
}

/// Traits, whether activated, whether removed, and whether a buyer.
type OfUser = (Vec<Option<Value>>, bool, bool, bool);

impl Acts {
    pub(super) fn forget(&mut self, user: &str) {
        self.users.remove(user);
    }
}

impl Account {
    pub(super) fn acts(&self) -> Acts {
        let mut acts = Acts { traits: self.all_stated(), plan: self.plan(), ..Acts::default() };
        acts.users = self.users.keys().map(|id| (id.clone(), self.acts_of(id))).collect();
        acts.lacks_buyer = self.lacks_buyer(&acts);
        acts
    }

    fn acts_of(&self, id: &str) -> OfUser {
        let user = &self.users[id];
        let traits = OF_USER.map(|key| self.user_trait(id, key).cloned()).into();
        let is_activated = self.facts_of(user, Role::Activated).next().is_some();
        (traits, is_activated, user.removed.is_some(), self.is_present(id) && self.is_buyer(id))
    }

    fn lacks_buyer(&self, acts: &Acts) -> bool {
        !self.running_users().into_iter().any(|id| acts.users.get(id).is_some_and(|(.., buys)| *buys))
    }

    /// Of whom a person would act on a step of an event, or of what was due; empty: of the account. Looks only at what the
    /// step can have changed, because it is called at every step.
    fn acted_on(&mut self, event: Option<&Event>, closes: Option<i64>) -> BTreeSet<String> {
        let mut acted = std::mem::take(&mut self.acted);
        let mut known = std::mem::take(&mut self.known);
        let is_erasure = closes.is_none() && !self.forgotten_now.is_empty();
        let mut is_of_all = (event.is_some() || is_erasure) && self.users_ever() <= 2;
        if event.is_some_and(Event::is_taken_all_the_same) {
            let (traits, plan) = (self.all_stated(), self.plan());
            if plan != known.plan {
                acted.extend(self.users.keys().cloned());
            }
            if (&traits, &plan) != (&known.traits, &known.plan) {
                acted.insert(String::new());
                is_of_all = true;
            }
            (known.traits, known.plan) = (traits, plan);
        }
        let named = event.and_then(|event| event.text("member"));
        let concerned = |id: &&String| {
            is_of_all
                || self.forgotten_now.contains(*id)
                || event.is_some_and(|event| event.user == **id)
                || named == Some(id.as_str())
        };
        let nothing = (OF_USER.map(|_| None).into(), false, false, false);
        for id in self.users.keys().filter(concerned) {
            let acts = self.acts_of(id);
            if known.users.get(id).unwrap_or(&nothing) != &acts {
                acted.insert(id.clone());
            }
            known.users.insert(id.clone(), acts);
        }
        let lacks_buyer = self.lacks_buyer(&known);
        if std::mem::replace(&mut known.lacks_buyer, lacks_buyer) != lacks_buyer {
            acted.insert(String::new());
        }
        self.known = known;
        acted.extend(self.forgotten_now.iter().cloned());
        acted
    }

    /// Publishes, at the end of a step, the profiles of which something changed that a person acts on; at the close of a
    /// day also those with other figures.
    pub(super) fn publish_profiles(&mut self, cause: i64, event: Option<&Event>, closes: Option<i64>) {
        let mut acted = self.acted_on(event, closes);
        if let Some(day) = closes {
            acted.append(&mut self.heard);
            if self.has_figures(day) {
                acted.insert(String::new());
            }
        }
        if !acted.is_empty() {
            self.push_profiles(cause, |id| acted.contains(id));
        }
    }

    /// Publishes all profiles: other rules were activated.
    pub(super) fn publish_all_profiles(&mut self, cause: i64) {
        self.known = self.acts();
        self.acted.clear();
        self.push_profiles(cause, |_| true);
    }

    /// Whether the close of a day gives the account other figures: it had active users in the 28 days that end with it or
    /// with the day before, or it is a Sunday and one of the last nine weekly values is not 0.
    fn has_figures(&self, day: i64) -> bool {
        let had_users = self.active_users(day - 28, day) > 0;
        let last = week_of(day);
        let is_known = |week: i64| self.life(day).is_some_and(|life| life.first <= sunday(week) - 6);
        let had_weeks = |week: i64| is_known(week) && self.weekly_users(week) > 0;
        had_users || sunday(last) == day && (0..9).any(|back| had_weeks(last - back))
    }

    fn push_profiles(&mut self, cause: i64, of: impl Fn(&str) -> bool) {
        let at = json!(self.at(cause).to_string());
        let mut rows = Vec::new();
        if of("") {
            rows.push(self.account_profile());
        }
        let gone = self.forgotten_now.iter().filter(|id| !id.is_empty());
        for id in self.users.keys().chain(gone).filter(|id| of(id)).collect::<BTreeSet<_>>() {
            if self.forgotten_now.contains(id) {
                rows.push(json!({"account": self.name, "user": id, "gone": true}));
            } else if self.user_life(id, self.newest_day()).is_some() {
                rows.push(self.user_profile(id));
            }
        }
        for mut row in rows {
            row["atMs"] = at.clone();
            self.profiles.push(without_defaults(row));
        }
    }

    /// The profile of the account, while the account is kept.
    pub(super) fn profile(&self) -> Option<Value> {
        self.life(self.newest_day())?;
        Some(self.account_profile())
    }

    fn account_profile(&self) -> Value {
        without_defaults(json!({
            "account": self.name,
            "score": self.score(),
            "tier": self.tier_name(),
            "activeUsers": self.running_users().len(),
            "departments": self.departments().len(),
            "segment": self.segment(),
        }))
    }

    fn user_profile(&self, id: &str) -> Value {
        let user = &self.users[id];
        without_defaults(json!({
            "account": self.name,
            "user": id,
            "score": self.user_score(user),
            "band": band_name(user.band),
        }))
    }

    /// The profiles of the users, while they are kept.
    pub(super) fn user_profiles(&self) -> Vec<Value> {
        let kept = self.users.keys().filter(|id| self.user_life(id, self.newest_day()).is_some());
        kept.map(|id| self.user_profile(id)).collect()
    }
}
