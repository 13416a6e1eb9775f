//! The kind `spike` of `new_users`: new users of the account in 7 days. The first rung turns on at once; the second
//! rung, more new users than usual for the account, at the close of a day. Both turn off at the close of a day
//! (semantics C3, C20 to C25).

use super::kind::{At, Measure, after};
use crate::engine::context::Context;
use crate::engine::figures::Closed;
use crate::engine::state::Account;
use crate::engine::state::due::NEVER;
use crate::model::{Day, EventTime, Evidence};
use crate::rules::NewUsers;

/// The first day whose new users count toward signals (semantics B17).
pub(in crate::engine) fn counting_from(context: &Context<'_>, account: &Account<'_>) -> Option<Day> {
    account.newcomers_count_from(context.log_began, context.plan.rails.warm_up_days)
}

/// The first instant at which sign-ups count. In an account whose life began in the log, those of its first day count
/// too.
pub(super) fn counting_from_instant(context: &Context<'_>, account: &Account<'_>) -> Option<EventTime> {
    let from = counting_from(context, account)?;
    let is_born = account.founded().is_some_and(|day| from == day.plus(1));
    Some(context.plan.time.calendar.start(if is_born { from.plus(-1) } else { from }))
}

/// New users in the 7 days that end with `day`, as signals count them.
pub(super) fn counting(context: &Context<'_>, account: &Account<'_>, day: Day) -> u32 {
    counting_from(context, account).map_or(0, |from| account.newcomers(day, from))
}

/// Whether it is known how many new users the account has, for signals (semantics B17).
pub(in crate::engine) fn knows_newcomers(context: &Context<'_>, account: &Account<'_>) -> bool {
    counting_from(context, account).is_some_and(|from| {
        account.founded().is_some_and(|founded| from == founded.plus(1))
            || account.window_end(context.open_day()) >= from
    })
}

impl NewUsers {
    /// Whether so many new users are unlikely for the account.
    fn is_spike(&self, at: &At<'_, '_>, new_users: u32) -> bool {
        let Some(below) = self.spike_below.filter(|_| new_users >= self.at_least) else { return false };
        let closed = Closed::last(at.account, at.context.last_closed());
        let expected = closed.and_then(|closed| closed.expected_newcomers(at.account));
        expected.is_some_and(|expected| expected.at_least(new_users) < below)
    }
}

impl Measure for NewUsers {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        let (closed, open) = (at.context.last_closed(), at.context.open_day());
        // Few accounts have so many users, and fewer so many new ones, whichever of them count.
        if at.account.users_len() < self.at_least as usize
            || at.account.newcomers(closed, Day(i32::MIN)).max(at.account.newcomers(open, Day(i32::MIN)))
                < self.at_least
            || !knows_newcomers(at.context, at.account)
        {
            return 0;
        }
        if self.is_spike(at, counting(at.context, at.account, closed)) {
            return 2;
        }
        u8::from(counting(at.context, at.account, open) >= self.at_least)
    }

    fn level_at_once(&self, at: &At<'_, '_>) -> u8 {
        let is_on = || {
            at.account.users_len() >= self.at_least as usize
                && counting(at.context, at.account, at.window_end()) >= self.at_least
        };
        at.held.max(u8::from(at.held == 0 && is_on()))
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        knows_newcomers(at.context, at.account)
    }

    fn becomes_known(&self, at: &At<'_, '_>, day: Day) -> bool {
        let age = at.first().map(|first| day.0 - first.0);
        let warm_up = at.context.plan.rails.warm_up_days.max(1);
        // Of most accounts the traits need not be asked whether they were born in the log.
        age.is_some_and(|age| age == 0 || age == warm_up - 1)
            && counting_from(at.context, at.account) == Some(day.plus(1))
    }

    fn next_known(&self, at: &At<'_, '_>, day: Day) -> Day {
        counting_from(at.context, at.account).map_or(NEVER, |from| after(day, from.plus(-1)))
    }

    fn next_close(&self, _: &At<'_, '_>, day: Day, level: u8) -> Day {
        if level > 0 { day.plus(1) } else { NEVER }
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        // A spike is decided on closed days, the first step on the days that end now.
        let day = if at.held > 1 { at.context.last_closed() } else { at.window_end() };
        at.figure(f64::from(counting(at.context, at.account, day)))
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        let usual = if at.held > 1 { ", far more than usual here" } else { "" };
        format!("{} new users in 7 days{usual}", self.number(at))
    }
}
