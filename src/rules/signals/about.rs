//! The description of a kind of signal: its documentation, and what it depends on.

use std::fmt;

use super::filter::Filter;
use crate::model::Role;
use crate::rules::changes::Changes;
use crate::rules::needs::Needs;

/// The documentation of a kind, whatever its parameters.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// How the rules file writes it: the kind, and the parameter that distinguishes it from others of the same name.
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
    /// The state that it needs, besides the two bits that every signal has in its user or account.
    pub state: &'static str,
    /// The timer that can change it without an event.
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

/// When a signal turns on and off, and what changes it without an event, for people.
#[derive(Clone, Debug)]
pub struct Moments {
    /// When it turns on or climbs.
    pub on: String,
    /// When it turns off or falls.
    pub off: String,
    /// The timer that can change it without an event.
    pub timer: String,
}

impl Moments {
    pub(super) fn new(on: &str, off: &str, timer: &str) -> Moments {
        Moments { on: on.into(), off: off.into(), timer: timer.into() }
    }

    /// Of a signal on events that count for a time; without a time, for life.
    pub(super) fn of_ttl(about: About, ttl_ms: Option<i64>) -> Moments {
        match ttl_ms {
            None => Moments::new(about.on, "never in this life of the user or account", NONE),
            Some(_) => Moments::new(about.on, about.off.split(';').next().unwrap_or_default(), about.timer),
        }
    }
}

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

/// What the plan and people must know of a signal of some kind. How its level is measured is decided in
/// `engine/signals`.
pub trait Properties: fmt::Debug {
    /// What a person should know of the kind.
    fn about(&self) -> About;

    /// What the signal measures, with its parameters, for people.
    fn measures(&self, of_user: bool) -> String;

    /// What each rung requires, for people; an empty text if what it measures says it all.
    fn steps(&self) -> Vec<String> {
        vec![String::new()]
    }

    /// When it turns on and off, for people.
    fn moments(&self) -> Moments {
        let about = self.about();
        Moments::new(about.on, about.off, about.timer)
    }

    /// The events and fields without which it can never be on.
    fn needs(&self, of_user: bool) -> Needs {
        self.filter().map_or_else(Needs::activity, |filter| filter.needs(of_user, None))
    }

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

    /// The role of the events that complete what the signal waits for.
    fn completed_by(&self) -> Option<Role> {
        None
    }

    /// What of an account, or of its user, changes its level at once, beside the events that feed it; of closes see
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

    /// Whether closes of days, in which nothing else happens, can turn it off.
    fn ends_at_closes(&self) -> bool {
        self.closes().is_some()
    }

    /// Whether its level can be measured at any instant, although closes turn it off. Other signals that closes decide
    /// are unknown after an activation of rules until the first close.
    fn is_measured_without_close(&self) -> bool {
        false
    }

    /// Whether closes can turn it off and never on: events alone change what it measures, and raise it at once.
    fn only_falls_at_closes(&self) -> bool {
        false
    }

    /// Whether it tells that a user is absent (semantics E10).
    fn is_absence(&self) -> bool {
        false
    }

    /// Whether it tells of the company, which is not forgotten with its account (semantics B13).
    fn is_of_company(&self) -> bool {
        false
    }

    /// The events of which the first one of an account does not count (semantics E16).
    fn leaves_out_first(&self) -> Option<&Filter> {
        None
    }

    /// For how many closed days after the last active one time alone can change whether it is known, or its level.
    fn restless_days(&self) -> i32 {
        0
    }
}
