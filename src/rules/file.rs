//! The rules file as it is written.

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::model::{Level, Millis, Role};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) time: Time,
    pub(super) limits: Limits,
    pub(super) roles: Vec<RoleNames>,
    pub(super) signals: Vec<Spanned<Signal>>,
    pub(super) triggers: Vec<Spanned<Trigger>>,
    pub(super) due: Due,
    pub(super) rails: Rails,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    pub(super) allowed_lateness: Spanned<Millis>,
    pub(super) max_skew: Millis,
    pub(super) dedupe_window: Option<Millis>,
    pub(super) dedupe_ids: u32,
    pub(super) forget_after_days: Spanned<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub(super) accounts: u32,
    pub(super) users: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleNames {
    pub(super) role: Role,
    #[serde(default)]
    pub(super) passive: bool,
    #[serde(default)]
    pub(super) track: Vec<String>,
    #[serde(default)]
    pub(super) page: Vec<String>,
    #[serde(default)]
    pub(super) screen: Vec<String>,
}

/// A signal with the parameters of every kind; which of them a kind takes is checked when it is compiled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signal {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) scopes: Vec<Scope>,
    pub(super) above_percent: Option<Vec<u32>>,
    pub(super) direction: Option<Direction>,
    pub(super) significance: Option<Significance>,
    pub(super) days: Option<u32>,
    pub(super) at_least: Option<u32>,
    pub(super) spike_below: Option<f64>,
    pub(super) role: Option<Role>,
    pub(super) gap: Option<Millis>,
    pub(super) ttl: Option<Millis>,
    pub(super) rungs: Option<Vec<u32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Stickiness,
    Growth,
    ActiveDays,
    NewUsers,
    Sessions,
    Seen,
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    User,
    Account,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Up,
    Down,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Significance {
    Word(String),
    AnyOf(Vec<Test>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) streak: u32,
    pub(super) z: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    pub(super) id: String,
    pub(super) level: Level,
    pub(super) cooldown: Millis,
    pub(super) per: Option<Scope>,
    #[serde(default)]
    pub(super) rearm_after_closed_days: u8,
    pub(super) pulse: Option<Pulse>,
    pub(super) when: Option<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pulse {
    pub(super) role: Role,
    pub(super) plan: Option<String>,
}

/// A condition: exactly one of the keys, but `rung`, which belongs to `signal`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Condition {
    pub(super) all: Option<Vec<Condition>>,
    pub(super) any: Option<Vec<Condition>>,
    pub(super) signal: Option<String>,
    pub(super) rung: Option<u8>,
    pub(super) paid: Option<bool>,
    pub(super) spike_known: Option<bool>,
    pub(super) wau_above_weeks_ago: Option<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Due {
    pub(super) medium: DueRange,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DueRange {
    pub(super) from: Millis,
    pub(super) by: Millis,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rails {
    pub(super) after_signup: Millis,
    pub(super) usage: bool,
    pub(super) pacing: Millis,
    pub(super) warm_up_days: u8,
}
