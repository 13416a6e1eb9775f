//! Rows of metrics: what the closes of days and weeks compute for every account.

use std::sync::Arc;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::time::{Day, EventTime, Week};

/// A row, published once and never rewritten.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricsRow {
    /// An account on a closed day with MAU > 0.
    Day(DayRow),
    /// An account in a closed, complete ISO week with MAU > 0 on its Sunday.
    Week(WeekRow),
}

/// An account's figures on a closed day.
#[derive(Clone, Debug, PartialEq)]
pub struct DayRow {
    /// The account.
    pub account: Arc<str>,
    /// When the day closed.
    pub at: EventTime,
    /// The day.
    pub day: Day,
    /// Distinct active users on the day.
    pub dau: u32,
    /// Distinct active users in the 7 days that end with it.
    pub wau: u32,
    /// Distinct active users in the 28 days that end with it.
    pub mau: u32,
    /// Mean daily active users divided by `mau`, 0 to 1; unknown before the 7th day.
    pub stickiness: Option<f64>,
    /// Users first active on the day.
    pub new_users: u32,
    /// Users first active in the 7 days that end with it.
    pub new_users_7d: u32,
    /// The probability of at least `new_users_7d` new users; unknown before two whole blocks of 7 days.
    pub spike_p: Option<f64>,
}

/// An account's figures in a closed, complete ISO week.
#[derive(Clone, Debug, PartialEq)]
pub struct WeekRow {
    /// The account.
    pub account: Arc<str>,
    /// When its Sunday closed.
    pub at: EventTime,
    /// The week.
    pub week: Week,
    /// Distinct active users in the week.
    pub wau: u32,
    /// Change against the week before, as a share of it.
    pub growth: Option<f64>,
    /// Weeks of strict increase up to this one, at most 12.
    pub streak: Option<u32>,
    /// The slope over the last weeks in units of its standard deviation.
    pub slope_z: Option<f64>,
    /// The base level B of the account; unknown before seven complete weeks.
    pub base: Option<u32>,
    /// Whether the account grows, whether or not a signal of the rules uses it; unknown before four complete weeks.
    pub growing: Option<bool>,
    /// Whether it declines, whether or not a signal of the rules uses it; unknown before ten complete weeks.
    pub declining: Option<bool>,
}

impl MetricsRow {
    /// The close that computed it: rows are ordered by the day that closed, day before week, account.
    pub fn order(&self) -> (Day, bool, &str) {
        match self {
            MetricsRow::Day(row) => (row.day, false, &row.account),
            MetricsRow::Week(row) => (row.week.sunday(), true, &row.account),
        }
    }
}

impl Serialize for MetricsRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            MetricsRow::Day(row) => {
                let mut out = serializer.serialize_struct("DayRow", 10)?;
                out.serialize_field("kind", "day")?;
                out.serialize_field("account", &*row.account)?;
                out.serialize_field("day", &row.day.to_string())?;
                out.serialize_field("dau", &row.dau)?;
                out.serialize_field("wau", &row.wau)?;
                out.serialize_field("mau", &row.mau)?;
                out.serialize_field("stickiness", &row.stickiness)?;
                out.serialize_field("new_users", &row.new_users)?;
                out.serialize_field("new_users_7d", &row.new_users_7d)?;
                out.serialize_field("spike_p", &row.spike_p)?;
                out.end()
            }
            MetricsRow::Week(row) => {
                let mut out = serializer.serialize_struct("WeekRow", 10)?;
                out.serialize_field("kind", "week")?;
                out.serialize_field("account", &*row.account)?;
                out.serialize_field("week", &row.week.to_string())?;
                out.serialize_field("wau", &row.wau)?;
                out.serialize_field("growth", &row.growth)?;
                out.serialize_field("streak", &row.streak)?;
                out.serialize_field("slope_z", &row.slope_z)?;
                out.serialize_field("base", &row.base)?;
                out.serialize_field("growing", &row.growing)?;
                out.serialize_field("declining", &row.declining)?;
                out.end()
            }
        }
    }
}
