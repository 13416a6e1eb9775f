//! The YAML type of a row of the chapter `signals`, with the parameters of all kinds.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::significance::Significance;
use crate::model::{Field, Millis, Role};
use crate::rules::checks::Word;
use crate::rules::forms::{self, Forms};

/// A signal with the parameters of every kind; which of them a kind takes is checked when it is compiled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["id", "kind", "scopes"]))]
#[schemars(rename = "Signal")]
pub(in crate::rules) struct Written {
    /// Its id, on the feed and in conditions: a group and a name in lower case, such as velocity.growth.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"))]
    pub(super) id: String,
    /// What it measures. Each kind takes parameters of its own, and refuses others.
    #[schemars(with = "Name")]
    pub(super) kind: Option<Name>,
    /// Whose signal it is: user, account, or both, which makes two signals with one id.
    #[schemars(length(min = 1, max = 2))]
    pub(super) scopes: Vec<Scope>,
    /// Points of each rung, or one number for all; -10000 to 10000. A signal without points is evidence only.
    pub(super) points: Points,
    /// The scores that the points enter. By default, points of a user's signal enter pql, and those of an account's
    /// signal pqa.
    #[serde(rename = "in")]
    pub(super) enters: Option<Vec<ScoreName>>,
    /// Off, without being removed from the file.
    pub(super) off: bool,
    /// Events of these roles.
    pub(super) roles: Vec<Role>,
    /// Only events whose fields have one of these values, without regard to case.
    #[serde(rename = "where")]
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Field"}))]
    pub(super) only: BTreeMap<Field, Vec<Word>>,
    /// The same, but only if the mapping of the event binds the field; events of other mappings count in any case.
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Field"}))]
    pub(super) where_bound: BTreeMap<Field, Vec<Word>>,
    /// Only events of premium features.
    pub(super) premium: bool,
    /// What is counted or compared: a field, `session`, a figure, a meter, by kind.
    pub(super) of: Option<String>,
    /// How long a fact counts; without it, for this life of the user or account.
    pub(super) ttl: Option<Millis>,
    /// The time without such an event after which a session ends.
    pub(super) gap: Option<Millis>,
    /// Only events within this time after sign-up, or after the first of two roles.
    pub(super) within: Option<Millis>,
    /// Events within this time after the first activity of the account do not count; for `abandoned`, the time within
    /// which completion is expected.
    pub(super) after: Option<Millis>,
    /// The rungs of a ladder, one to three, rising.
    #[schemars(length(min = 1, max = 3), extend("items" = {"type": "number", "exclusiveMinimum": 0}))]
    pub(super) rungs: Option<Vec<f64>>,
    /// Values that count.
    pub(super) one_of: Option<Vec<String>>,
    /// Percent that a share must exceed, for each of one to three rungs, rising.
    #[schemars(length(min = 1, max = 3))]
    pub(super) above_percent: Option<Vec<u32>>,
    /// Whether it looks for growth or decline.
    pub(super) direction: Option<Direction>,
    /// How clear a trend must be; `none`: a streak of three weeks is enough.
    pub(super) significance: Option<Significance>,
    /// Days: of the last 7 for active_days, at most 28 for idle, at most 3650 for age.
    #[schemars(range(min = 1, max = 3650))]
    pub(super) days: Option<u32>,
    /// Weeks.
    #[schemars(range(min = 1, max = 12))]
    pub(super) weeks: Option<u32>,
    /// The least number, or the least percentage.
    pub(super) at_least: Option<u32>,
    /// The probability below which a number of new users is a spike.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) spike_below: Option<f64>,
    /// The number of standard deviations above the mean from which an amount is a spike.
    pub(super) spike_above: Option<f64>,
}

/// Points of the rungs.
#[derive(Debug, Default, JsonSchema)]
#[schemars(untagged, extend("anyOf" = [
    {"description": "None.", "type": "null"},
    {"description": "The same for every rung.", "type": "integer", "minimum": -10000, "maximum": 10000},
    {
        "description": "One number for each rung.",
        "type": "array",
        "items": {"type": "integer", "minimum": -10000, "maximum": 10000},
        "minItems": 1,
        "maxItems": 3
    }
]))]
pub(super) enum Points {
    /// None.
    #[default]
    None,
    /// The same for every rung.
    All(i32),
    /// One number for each rung.
    Each(Vec<i32>),
}

impl Forms for Points {
    const EXPECTED: &'static str = "a whole number, or a list of one for each rung";

    fn nothing() -> Option<Points> {
        Some(Points::None)
    }

    fn number(_: f64) -> Option<Points> {
        None
    }

    fn whole(number: i64) -> Option<Points> {
        i32::try_from(number).ok().map(Points::All)
    }

    fn list<'de, D: Deserializer<'de>>(list: D) -> Option<Result<Points, D::Error>> {
        forms::whole(list, Points::Each)
    }
}

forms::deserialize!(Points);

/// A score that points enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScoreName {
    /// Of users: how engaged they are.
    Pql,
    /// Of accounts.
    Pqa,
}

/// What a signal measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Kind")]
pub(super) enum Name {
    /// An event of some roles.
    Seen,
    /// The number of events of some roles.
    Count,
    /// The number of distinct values of a field, or of sessions.
    Distinct,
    /// A figure of the account, at least so large.
    Ladder,
    /// One role soon after another.
    Within,
    /// Something started and not completed in time.
    Abandoned,
    /// The number of active days of the last 7.
    ActiveDays,
    /// The mean active share of the last 28 days.
    Stickiness,
    /// A trend of weekly values.
    Growth,
    /// Far more new users than usual, or a meter far above usual.
    Spike,
    /// No activity for days; of an account: no new user for weeks.
    Idle,
    /// An account of an age that still has a single user, or is still free.
    Age,
    /// The used share of a quota.
    UsageRatio,
    /// A trait of the account.
    Trait,
}

impl fmt::Display for Name {
    /// As in the rules file: `active_days`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, c) in format!("{self:?}").chars().enumerate() {
            let between = if at > 0 && c.is_uppercase() { "_" } else { "" };
            write!(f, "{between}{}", c.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Whose signal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    /// Each user's.
    User,
    /// The account's.
    Account,
}

impl Scope {
    /// As in the rules file.
    pub(super) fn word(self) -> &'static str {
        match self {
            Scope::User => "user",
            Scope::Account => "account",
        }
    }
}

/// Which way a trend goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    /// Growth.
    Up,
    /// Decline.
    Down,
}
