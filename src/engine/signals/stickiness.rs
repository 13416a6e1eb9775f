//! The kind `stickiness`: the mean active share of the last 28 days (DAU/MAU). It is decided at the close of a day
//! (semantics C5 to C7).

use super::kind::{At, Measure, after, falls};
use crate::engine::figures::windows::{self, MONTH, stickiness_days};
use crate::engine::figures::{Closed, windows::rung_above};
use crate::engine::state::counts::ACTIVE;
use crate::engine::state::due::NEVER;
use crate::model::{Day, Evidence};
use crate::rules::Stickiness;

fn share(at: &At<'_, '_>) -> Option<(u32, u32)> {
    match at.user {
        Some(_) if at.days.is_never() => None,
        Some(_) => windows::user_stickiness(at.days, at.context.last_closed()),
        None => Closed::last(at.account, at.context.last_closed())?.stickiness(at.account),
    }
}

impl Stickiness {
    /// The first day after the last closed one on which the stickiness of the account may be of another level.
    fn next_of_account(&self, at: &At<'_, '_>, closed: Day, level: u8) -> Day {
        let (account, Some(founded)) = (at.account, at.first()) else { return NEVER };
        if level == 0 {
            // Without activity the share only falls, until users leave the month: it is on when it becomes known, or not.
            let known = after(closed, founded.plus(6));
            let share = (account.sum(ACTIVE, founded.0, closed.0) as u32, 7 * account.counts.active().1);
            let is_on = known != NEVER && rung_above(share, &self.above_percent) > 0;
            return account.next_leave().min(if is_on { known } else { NEVER });
        }
        for (day, mau, active_days) in account.months_to_come() {
            let share = stickiness_days(day, founded).filter(|_| mau > 0).map(|n| (active_days as u32, n * mau));
            if share.map_or(0, |share| rung_above(share, &self.above_percent)) != level {
                return day;
            }
            if mau == 0 {
                break;
            }
        }
        NEVER
    }
}

impl Measure for Stickiness {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        share(at).map_or(0, |share| rung_above(share, &self.above_percent))
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        share(at).is_some()
    }

    fn becomes_known(&self, at: &At<'_, '_>, day: Day) -> bool {
        // After 28 days without active users the share is undefined (semantics C5).
        // Without activity in the 27 days before, all users of the month are users of today: MAU is DAU.
        let is_back = || {
            let dau = at.account.count(ACTIVE, day.0);
            dau > 0 && at.account.counts.active().1 == dau && at.account.sum(ACTIVE, day.0 - MONTH, day.0 - 1) == 0
        };
        at.first().is_some_and(|first| day == first.plus(6)) || (at.user.is_none() && is_back())
    }

    fn next_known(&self, at: &At<'_, '_>, day: Day) -> Day {
        at.first().map_or(NEVER, |first| after(day, first.plus(6)))
    }

    fn next_close(&self, at: &At<'_, '_>, day: Day, level: u8) -> Day {
        let (Some(_), Some(first)) = (at.user, at.first()) else { return self.next_of_account(at, day, level) };
        let (known, days) = (first.plus(6), at.days);
        let level_on =
            |day| windows::user_stickiness(days, day).map_or(0, |share| rung_above(share, &self.above_percent));
        // Without activity the share of a user only falls: the signal turns on when the share becomes known, or not at all.
        if day < known {
            return if level_on(known) > 0 { known } else { NEVER };
        }
        falls(level, day, level_on)
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        at.ratio(share(at))
    }
}
