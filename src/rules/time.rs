//! The chapters `time` and `limits`: how event time moves, where days begin, and how many accounts and users a
//! partition may have.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::error::{Wrong, wrong};
use crate::model::{Calendar, DAY_MS, HOUR_MS, Millis};

/// How event time moves, and where days begin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Time")]
pub(super) struct Written {
    /// How far an event may lag behind the newest one and still reach every close; at most 24h.
    #[schemars(with = "Millis")]
    allowed_lateness: Spanned<Millis>,
    /// How far an event may be ahead of the time of its record; if it is further ahead, it is from the future, and
    /// dead-lettered.
    max_skew: Millis,
    /// How long a message id is remembered, in event time; by default allowed_lateness.
    dedupe_window: Option<Millis>,
    /// How many message ids are remembered.
    dedupe_ids: u32,
    /// Users and accounts away for more days than this start a new life.
    #[schemars(with = "u32", range(min = 64, max = 36500))]
    forget_after_days: Spanned<u32>,
    /// Days begin at midnight of this offset from UTC, and weeks on its Mondays: a sign, hours and minutes, `-14:00` to
    /// `+14:00`, such as `-08:00`; by default `+00:00`. Instants stay in UTC. There is no daylight saving time. The
    /// offset cannot change in a log.
    #[schemars(with = "Option<String>", regex(pattern = r"^[+-](0\d|1[0-4]):[0-5]\d$"))]
    utc_offset: Option<Spanned<String>>,
}

/// How many accounts and users one partition may have. Events that would add more are refused, dead-lettered and
/// counted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Accounts.
    #[schemars(with = "u32", range(min = 1))]
    pub(super) accounts: Spanned<u32>,
    /// Users.
    #[schemars(with = "u32", range(min = 1))]
    pub(super) users: Spanned<u32>,
}

/// How event time moves in a partition, and where its days begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// How far an event may lag behind the newest, in milliseconds; at most 24 hours.
    pub allowed_lateness_ms: i64,
    /// How far an event may be ahead of its record's time, in milliseconds.
    pub max_skew_ms: i64,
    /// How long an id is remembered, in milliseconds of event time.
    pub dedupe_window_ms: i64,
    /// How many ids are remembered.
    pub dedupe_ids: usize,
    /// Users and accounts away for more days than this start a new life.
    pub forget_after_days: i32,
    /// Where days begin.
    pub calendar: Calendar,
}

/// Compiles the chapter `time`.
pub(super) fn compile(time: &Written) -> Result<Time, Wrong> {
    let lateness = time.allowed_lateness.value.0;
    if lateness > DAY_MS {
        let what = format!("allowed_lateness is {} h: at most 24h is allowed", lateness / HOUR_MS);
        return Err((time.allowed_lateness.referenced, what));
    }
    // Shorter lives than the window that late events can reach would make forgetting observable.
    let forget = time.forget_after_days.value;
    if !(64..=36_500).contains(&forget) {
        return Err((
            time.forget_after_days.referenced,
            format!("forget_after_days is {forget}: 64 to 36500 are allowed"),
        ));
    }
    let calendar = match &time.utc_offset {
        None => Calendar::UTC,
        Some(offset) => offset.value.parse().map_err(|what| wrong(offset, format!("utc_offset: {what}")))?,
    };
    Ok(Time {
        allowed_lateness_ms: lateness,
        max_skew_ms: time.max_skew.0,
        dedupe_window_ms: time.dedupe_window.map_or(lateness, |window| window.0),
        dedupe_ids: time.dedupe_ids as usize,
        forget_after_days: forget as i32,
        calendar,
    })
}

/// One of the `limits`, which must be above 0.
pub(super) fn limit(name: &str, written: &Spanned<u32>) -> Result<usize, Wrong> {
    match written.value {
        0 => Err(wrong(written, format!("limits.{name} is 0: expected at least 1"))),
        limit => Ok(limit as usize),
    }
}
