//! The kind `idle`: no activity of a user for a number of days. It turns on at the close of a day, and off at once
//! (semantics E10).

use super::kind::{At, Measure, after};
use crate::engine::figures::windows;
use crate::engine::state::due::NEVER;
use crate::model::{Day, Evidence};
use crate::rules::Idle;

impl Measure for Idle {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        u8::from(!at.days.is_never() && windows::is_absent(at.days, at.context.last_closed(), self.days))
    }

    /// A late day before the window of today changes nothing before the next close (semantics C4).
    fn level_at_once(&self, at: &At<'_, '_>) -> u8 {
        if at.days.count(at.window_end(), self.days) > 0 { 0 } else { at.held }
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        at.first().is_some_and(|first| at.context.last_closed().0 - first.0 >= self.days as i32)
    }

    fn becomes_known(&self, at: &At<'_, '_>, day: Day) -> bool {
        at.first().is_some_and(|first| day == first.plus(self.days as i32))
    }

    fn next_known(&self, at: &At<'_, '_>, day: Day) -> Day {
        at.first().map_or(NEVER, |first| after(day, first.plus(self.days as i32)))
    }

    fn next_close(&self, at: &At<'_, '_>, _: Day, level: u8) -> Day {
        if level == 0 { at.days.last().plus(self.days as i32) } else { NEVER }
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        let days = at.days;
        if days.is_never() {
            return Evidence::default();
        }
        at.figure(f64::from((at.context.last_closed().0 - days.last().0).max(0)))
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        format!("{} was not active for {} days", at.who(), self.number(at))
    }
}
