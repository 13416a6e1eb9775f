//! The kind `idle` of `new_users`: all active users are of one department, and there was no new user for a number of
//! closed weeks. It is decided at the close of a day.

use super::kind::{At, Measure, next_sunday};
use crate::engine::figures::windows;
use crate::engine::state::days::Days;
use crate::engine::state::due::NEVER;
use crate::model::{Day, Evidence};
use crate::rules::Stalled;

impl Measure for Stalled {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        let Some(founded) = at.first() else { return 0 };
        let departments = at.account.departments();
        if at.account.active_users < self.at_least || departments != 1 || !self.is_known(at) {
            return 0;
        }
        let last = windows::last_week(at.context.last_closed());
        let from = last.plus(1 - self.weeks as i32).monday();
        let is_new =
            |days: Days| !days.is_never() && days.first() != founded && (from..=last.sunday()).contains(&days.first());
        u8::from(!at.account.users().any(|(_, user)| is_new(user.days)))
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        at.weeks_known() >= self.weeks
    }

    fn becomes_known(&self, at: &At<'_, '_>, day: Day) -> bool {
        day.is_sunday() && at.weeks_known() == self.weeks
    }

    fn next_known(&self, at: &At<'_, '_>, day: Day) -> Day {
        let is_young = at.first().is_some_and(|first| day < first.plus(7 * 13));
        if is_young { next_sunday(day) } else { NEVER }
    }

    fn next_close(&self, at: &At<'_, '_>, day: Day, level: u8) -> Day {
        match level {
            0 if at.account.active_users >= self.at_least => next_sunday(day),
            0 => NEVER,
            _ => day.plus(1),
        }
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        at.figure(f64::from(at.account.active_users))
    }
}
