//! Event time: integer milliseconds, days and ISO weeks, all UTC.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A length of time in milliseconds, written `30m`, `24h` or `7d` in files; a day is 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub i64);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Millis, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse::<jiff::Span>()
            .and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()))
            .ok()
            .and_then(|duration| i64::try_from(duration.as_millis()).ok())
            .filter(|ms| *ms >= 0)
            .map(Millis)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration: write 500ms, 30m, 24h or 7d")))
    }
}

impl JsonSchema for Millis {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time: 500ms, 30s, 30m, 24h, 7d, or several of them with blanks between. \
                            A day is 24 hours.",
            "pattern": r"^\d+(ms|s|m|h|d|w)( \d+(ms|s|m|h|d|w))*$",
            "examples": ["30m", "24h", "90d"],
        })
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", self.0))
    }
}

/// An instant of event time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

impl EventTime {
    /// The earliest instant that an event may carry: -9999-01-02T01:59:59Z, the first that `jiff` knows.
    pub const MIN: EventTime = EventTime(-377_705_023_201_000);
    /// The latest instant that an event may carry: 9999-12-30T22:00:00.999Z, the last that `jiff` knows.
    pub const MAX: EventTime = EventTime(253_402_207_200_999);

    /// The instant `ms` milliseconds since 1970, if an event may carry it.
    pub fn new(ms: i64) -> Option<EventTime> {
        let time = EventTime(ms);
        (EventTime::MIN..=EventTime::MAX).contains(&time).then_some(time)
    }

    /// The day that this instant lies in.
    pub fn day(self) -> Day {
        Day(self.0.div_euclid(DAY_MS) as i32)
    }

    /// This instant moved by `ms` milliseconds.
    pub fn plus(self, ms: i64) -> EventTime {
        EventTime(self.0 + ms)
    }
}

/// A day: whole days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The first instant of the day.
    pub fn start(self) -> EventTime {
        EventTime(i64::from(self.0) * DAY_MS)
    }

    /// The first instant after the day: when the watermark reaches it, the day closes.
    pub fn end(self) -> EventTime {
        self.plus(1).start()
    }

    /// The day `days` later.
    pub fn plus(self, days: i32) -> Day {
        Day(self.0 + days)
    }

    /// The ISO week that the day lies in.
    pub fn week(self) -> Week {
        Week((self.0 + 3).div_euclid(7))
    }

    /// Whether the day is the last of its ISO week.
    pub fn is_sunday(self) -> bool {
        self.week().sunday() == self
    }

    fn civil(self) -> jiff::civil::Date {
        jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(self.0))
    }
}

impl fmt::Display for Day {
    /// `2026-02-14`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil())
    }
}

/// An ISO week: whole weeks since Monday, 1969-12-29.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Week(pub i32);

impl Week {
    /// The first day of the week.
    pub fn monday(self) -> Day {
        Day(self.0 * 7 - 3)
    }

    /// The last day of the week: the week closes with it.
    pub fn sunday(self) -> Day {
        Day(self.0 * 7 + 3)
    }

    /// The week `weeks` later.
    pub fn plus(self, weeks: i32) -> Week {
        Week(self.0 + weeks)
    }
}

impl fmt::Display for Week {
    /// `2026-W07`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let week = self.monday().civil().iso_week_date();
        write!(f, "{:04}-W{:02}", week.year(), week.week())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_weeks_floor_also_before_1970() {
        assert_eq!(EventTime(-1).day(), Day(-1));
        assert_eq!(Day(-4).week(), Week(-1));
        assert_eq!(Day(-3).week(), Week(0));
        assert_eq!(Week(0).monday(), Day(-3));
        assert!(Day(3).is_sunday());
    }

    #[test]
    fn dates_print_as_people_write_them() {
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Day(-1).to_string(), "1969-12-31");
        assert_eq!(Day(20_498).to_string(), "2026-02-14");
        assert_eq!(Day(20_498).week().to_string(), "2026-W07");
        assert_eq!(Day(20_453).week().to_string(), "2026-W01", "Wednesday, 2025-12-31");
        assert_eq!(Day(18_628).week().to_string(), "2020-W53", "Friday, 2021-01-01");
    }
}
