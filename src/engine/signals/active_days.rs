//! The kind `active_days`: the user was active on at least a number of the last 7 days. It turns on at once, and off at
//! the close of a day.

use super::kind::{At, Measure};
use crate::model::{Day, Evidence};
use crate::rules::ActiveDays;

impl Measure for ActiveDays {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        u8::from(at.days.count(at.context.open_day(), 7) >= self.days)
    }

    fn level_at_once(&self, at: &At<'_, '_>) -> u8 {
        u8::from(at.days.count(at.window_end(), 7) >= self.days).max(at.held)
    }

    fn next_close(&self, at: &At<'_, '_>, day: Day, level: u8) -> Day {
        let days = at.days;
        super::kind::falls(level, day, |day| u8::from(days.count(day.plus(1), 7) >= self.days))
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        at.figure(f64::from(at.days.count(at.window_end(), 7)))
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        format!("{} was active on {} of the last 7 days", at.who(), self.number(at))
    }
}
