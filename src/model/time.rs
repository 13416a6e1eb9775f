//! Event time: integer milliseconds in UTC, and the days and ISO weeks of a calendar.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60_000;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A duration in milliseconds, written `30m`, `24h` or `7d` in files; a day is 24 hours.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

    /// This instant moved by `ms` milliseconds.
    pub fn plus(self, ms: i64) -> EventTime {
        EventTime(self.0 + ms)
    }
}

/// Where days and weeks begin: at midnight of one offset from UTC (semantics A33). An instant has no offset: the day
/// that it lies in depends on the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    /// How far its clocks are ahead of UTC, in milliseconds.
    offset_ms: i64,
}

impl Calendar {
    /// The calendar of UTC.
    pub const UTC: Calendar = Calendar { offset_ms: 0 };
    /// No offset is larger, on either side of UTC.
    const OFFSET_MAX: i64 = 14 * HOUR_MS;

    /// The calendar whose clocks are `minutes` ahead of UTC, from -840 to 840.
    pub fn ahead(minutes: i64) -> Option<Calendar> {
        let calendar = Calendar { offset_ms: minutes.checked_mul(MINUTE_MS)? };
        (-Calendar::OFFSET_MAX..=Calendar::OFFSET_MAX).contains(&calendar.offset_ms).then_some(calendar)
    }

    /// The day that an instant lies in: ⌊(ms + offset) / 86,400,000⌋.
    #[inline]
    pub fn day(self, time: EventTime) -> Day {
        Day((time.0 + self.offset_ms).div_euclid(DAY_MS) as i32)
    }

    /// The first instant of a day.
    #[inline]
    pub fn start(self, day: Day) -> EventTime {
        EventTime(i64::from(day.0) * DAY_MS - self.offset_ms)
    }

    /// The first instant after a day: when the watermark reaches it, the day closes.
    #[inline]
    pub fn end(self, day: Day) -> EventTime {
        self.start(day.plus(1))
    }
}

impl fmt::Display for Calendar {
    /// Its offset: `+05:30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.offset_ms / MINUTE_MS;
        let sign = if minutes < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }
}

impl FromStr for Calendar {
    type Err = String;

    /// From its offset, a sign, hours and minutes: `+05:30`.
    fn from_str(text: &str) -> Result<Calendar, String> {
        let minutes: i64 = match *text.as_bytes() {
            [b'+' | b'-', a @ b'0'..=b'9', b @ b'0'..=b'9', b':', c @ b'0'..=b'5', d @ b'0'..=b'9'] => {
                [(a, 600), (b, 60), (c, 10), (d, 1)].map(|(digit, worth)| i64::from(digit - b'0') * worth).iter().sum()
            }
            _ => return Err(format!("{text:?} is not an offset from UTC: write +05:30 or -08:00")),
        };
        Calendar::ahead(if text.starts_with('-') { -minutes } else { minutes })
            .ok_or_else(|| format!("{text} is too far from UTC: -14:00 to +14:00 are allowed"))
    }
}

/// A day of a calendar: whole days since its 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub i32);

impl Day {
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

impl From<jiff::civil::Date> for Day {
    fn from(date: jiff::civil::Date) -> Day {
        Day((date - jiff::civil::date(1970, 1, 1)).get_days())
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
        assert_eq!(Calendar::UTC.day(EventTime(-1)), Day(-1));
        assert_eq!(Day(-4).week(), Week(-1));
        assert_eq!(Day(-3).week(), Week(0));
        assert_eq!(Week(0).monday(), Day(-3));
        assert!(Day(3).is_sunday());
    }

    #[test]
    fn days_begin_at_midnight_of_the_offset() {
        let calendar: Calendar = "+05:30".parse().unwrap();
        assert_eq!(calendar.start(Day(0)), EventTime(-19_800_000));
        assert_eq!(calendar.day(EventTime(-19_800_001)), Day(-1));
        assert_eq!((calendar.day(EventTime(66_599_999)), calendar.day(EventTime(66_600_000))), (Day(0), Day(1)));
        for text in ["-14:00", "-08:00", "-00:30", "+00:00", "+05:45", "+14:00"] {
            let calendar: Calendar = text.parse().unwrap();
            assert_eq!(calendar.to_string(), text);
            for day in [-719_000, -1, 0, 20_498].map(Day) {
                assert_eq!((calendar.day(calendar.start(day)), calendar.end(day)), (day, calendar.start(day.plus(1))));
                assert_eq!(calendar.day(calendar.end(day).plus(-1)), day);
            }
            let ends = [EventTime::MIN, EventTime::MAX].map(|time| calendar.day(time).to_string());
            assert!(ends[0].starts_with("-009999-01-0") && ends[1].starts_with("9999-12-3"), "{ends:?}");
        }
        assert_eq!("-00:00".parse(), Ok(Calendar::UTC));
        for text in
            ["", "0", "Z", "+5:30", "+0530", "05:30", "+05:60", "+05:3", "+05:300", "+14:01", "-15:00", "+5a:00"]
        {
            assert!(text.parse::<Calendar>().is_err(), "{text}");
        }
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
