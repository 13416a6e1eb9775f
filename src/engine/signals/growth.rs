//! The kind `growth`: a trend of weekly values. Growth is decided at the close of a week; a decline at the close of a
//! day, and not while inactive (semantics C11 to C16, C31).

use super::kind::{At, Measure, after, next_sunday};
use super::new_users;
use super::new_users::knows_newcomers;
use crate::engine::figures::{Closed, trend, windows};
use crate::engine::state::counts::{ACTIVE, WEEKS};
use crate::engine::state::due::NEVER;
use crate::model::{Day, Evidence};
use crate::rules::{Growth, GrowthBy};

/// The Sundays at which a trend becomes known: a change in percent after 2 weeks, a slope after 4, a decline after 10.
fn weeks_that_tell(first: Day) -> impl Iterator<Item = Day> {
    let known = windows::weeks_known_on(first, 0);
    [2, 4, 10].into_iter().map(move |weeks| known.plus(7 * weeks))
}

impl Growth {
    /// Complete weeks below which it is off or unknown.
    fn weeks_needed(&self) -> u32 {
        match self.by {
            GrowthBy::Level(..) | GrowthBy::Streak => trend::WEEKS_TO_GROW,
            GrowthBy::Ratio(_) | GrowthBy::Newcomers(_) => 2,
        }
    }

    /// Whether it grows, or declines; none while that is unknown.
    fn moves(&self, at: &At<'_, '_>) -> Option<bool> {
        let last_closed = at.context.last_closed();
        if at.user.is_some() {
            let days = at.days;
            // Of an absent user nothing is known (semantics C14).
            let is_absent = days.is_never()
                || (!self.up && windows::is_absent(days, last_closed, 7))
                || !windows::may_know_weeks(days.first(), last_closed, self.weeks_needed());
            return if is_absent { None } else { trend::of_user(days, last_closed).moves(self) };
        }
        let closed = Closed::last(at.account, last_closed)?;
        // An inactive account does not decline (semantics C13a, C16).
        if !self.up && closed.wau(at.account) == 0 {
            return Some(false);
        }
        if !at.first().is_some_and(|first| windows::may_know_weeks(first, last_closed, self.weeks_needed())) {
            return None;
        }
        match &self.by {
            GrowthBy::Level(level, slopes) => closed.moves(at.account, (*level, slopes)),
            GrowthBy::Streak => closed.runs(at.account, self.up),
            // Without users in the week before, the change is undefined (semantics C11).
            GrowthBy::Ratio(percent) => closed.change(at.account).map(|(before, after)| {
                let by = i64::from(after) - i64::from(before);
                (if self.up { by } else { -by }) * 100 >= i64::from(*percent) * i64::from(before)
            }),
            GrowthBy::Newcomers(percent) => {
                (closed.knows_change() && knows_newcomers(at.context, at.account)).then(|| {
                    let counting = u64::from(new_users::counting(at.context, at.account, closed.day));
                    let mau = u64::from(closed.mau(at.account));
                    mau > 0 && counting * 100 >= u64::from(*percent) * mau
                })
            }
        }
    }
}

impl Measure for Growth {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        u8::from(self.moves(at) == Some(true))
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        let is_absent = || windows::is_absent(at.days, at.context.last_closed(), 7);
        (at.user.is_none() || !is_absent()) && self.moves(at).is_some()
    }

    fn becomes_known(&self, at: &At<'_, '_>, day: Day) -> bool {
        // An inactive account does not decline: that is known at any age, from the seventh day without activity on.
        let falls_silent = || at.account.counts.active().0 == 0 && at.account.count(ACTIVE, day.0 - 7) > 0;
        if at.user.is_none() && !self.up && falls_silent() {
            return true;
        }
        let is_known = |first| weeks_that_tell(first).any(|sunday| sunday == day);
        day.is_sunday() && (matches!(self.by, GrowthBy::Ratio(_)) || at.first().is_some_and(is_known))
    }

    fn next_known(&self, at: &At<'_, '_>, day: Day) -> Day {
        let Some(first) = at.first() else { return NEVER };
        let by_weeks = match self.by {
            GrowthBy::Ratio(_) if day < first.plus(7 * 13) => next_sunday(day),
            GrowthBy::Ratio(_) => NEVER,
            _ => weeks_that_tell(first).find(|sunday| *sunday > day).unwrap_or(NEVER),
        };
        let is_of_account = at.user.is_none() && !self.up;
        by_weeks.min(if is_of_account { after(day, at.account.last_day.plus(7)) } else { NEVER })
    }

    fn next_close(&self, at: &At<'_, '_>, day: Day, level: u8) -> Day {
        let Some(first) = at.first() else { return NEVER };
        if level == 0 && !windows::may_know_weeks(first, day.plus(7), self.weeks_needed()) {
            return NEVER;
        }
        let (sunday, last) = (next_sunday(day), at.user.map_or(at.account.last_day, |_| at.days.last()));
        match level {
            // It begins at the end of a week with activity, once enough weeks are known.
            0 if last > sunday.plus(-7) && sunday >= windows::weeks_known_on(first, self.weeks_needed()) => sunday,
            0 => NEVER,
            // A trend changes with the week, and that of a user ends with absence.
            _ if at.user.is_some() => sunday.min(last.plus(7).max(day.plus(1))),
            _ if self.up => sunday,
            _ => day.plus(1),
        }
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        let last_closed = at.context.last_closed();
        if at.user.is_none() {
            return at.figure(at.account.count(WEEKS, windows::last_week(last_closed).0).into());
        }
        if at.days.is_never() {
            return Evidence::default();
        }
        trend::of_user(at.days, last_closed).z().map_or_else(Evidence::default, |z| at.figure(z))
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        if at.user.is_some() {
            let id = &at.context.signals(at.user)[at.slot].id;
            return format!("{}: {id} is {}", at.who(), (self.number(at) * 100.0).round() / 100.0);
        }
        Closed::last(at.account, at.context.last_closed())
            .map_or(String::new(), |it| it.trend_in_words(at.account, self))
    }
}
