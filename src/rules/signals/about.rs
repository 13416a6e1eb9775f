//! The description of a kind of signal: its documentation, and what it depends on.

use std::fmt;

use super::filter::Filter;
use crate::model::Role;
use crate::rules::changes::Changes;
use crate::rules::meters::Meter;

/// What a person should know of a kind, whatever its parameters.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// As the rules file writes it: the kind, and what else tells it from its like.
    pub written: &'static str,
    /// Whose signals may be of the kind.
    pub scopes: &'static [&'static str],
    /// What it measures.
    pub measures: &'static str,
    /// The parameters that it takes, in the order in which the compiler names them.
    pub parameters: &'static [&'static str],
    /// When a signal of it turns on or climbs.
    pub on: &'static str,
    /// When it turns off or falls.
    pub off: &'static str,
    /// What it keeps, beyond the two bits that every signal takes of its user or account.
    pub state: &'static str,
    /// What wakes it without an event.
    pub timer: &'static str,
    /// A row of the rules file.
    pub example: &'static str,
}

pub(super) const BOTH: &[&str] = &["user", "account"];
pub(super) const USER: &[&str] = &["user"];
pub(super) const ACCOUNT: &[&str] = &["account"];
pub(super) const AT_ONCE: &str = "at once, at the event that proves it";
pub(super) const AT_DAY_CLOSE: &str = "at the close of a day";
pub(super) const NONE: &str = "none";

/// The closes that decide a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    /// Those of days.
    Day,
    /// Those of weeks.
    Week,
}

/// For how many closed days after the last active one figures of weeks can change: 13 weeks of figures, and the one that
/// the last active day lies in.
pub(in crate::rules) const RESTLESS_DAYS_OF_WEEKS: i32 = 14 * 7;

/// What the plan must know of a signal of some kind. How its level is measured is decided in `engine/signals`.
pub trait Properties: fmt::Debug {
    /// What a person should know of the kind.
    fn about(&self) -> About;

    /// The highest rung.
    fn rungs(&self) -> u8 {
        1
    }

    /// Which events feed it, if events of roles do.
    fn filter(&self) -> Option<&Filter> {
        None
    }

    /// The roles whose events feed it.
    fn fed_by(&self) -> Vec<Role> {
        self.filter().map(|filter| filter.roles.clone()).unwrap_or_default()
    }

    /// The roles without which it can never be on; empty: activity, or traits, suffice.
    fn roles(&self, _meters: &[Meter]) -> Vec<Role> {
        self.fed_by()
    }

    /// What of an account changes its level at once, beside the events that feed it; of closes see
    /// [`Properties::closes`].
    fn changes(&self) -> Changes {
        Changes::default()
    }

    /// What of an account, or of its user, can make its level known, though the level stays.
    fn known_by(&self) -> Changes {
        Changes::default()
    }

    /// Whether it takes a while to know that a signal is off.
    fn is_known_in_time(&self) -> bool {
        false
    }

    /// Which closes decide its level: none where facts or the account's age do, which are settled at their instants.
    fn closes(&self) -> Option<Closes>;

    /// Whether closes can turn it off and never on: events alone change what it measures, and raise it at once.
    fn only_falls_at_closes(&self) -> bool {
        false
    }

    /// For how many closed days after the last active one time alone can change whether it is known, or its level.
    fn restless_days(&self) -> i32 {
        0
    }
}
