//! Computes the figures of closed days and weeks of an account from its daily counts (semantics §3, C).

use super::newcomers::Newcomers;
use super::trend::{RISE_MIN, SLOPE_WEEKS, Trend, WEEKS_TO_GROW};
use super::windows::{MONTH, blocks, last_week, stickiness_days, weeks_known};
use crate::engine::state::Account;
use crate::engine::state::counts::{ACTIVE, JOINED, WEEKS};
use crate::engine::state::days::low_bits;
use crate::engine::state::rows::User;
use crate::model::{Day, DayRow, EventTime, Week, WeekRow};
use crate::rules::{Growth, GrowthBy, LevelTest, SlopeTest};

/// With this number of complete weeks, users who were there before the last eight weeks count as settled.
const WEEKS_TO_SETTLE: u32 = 13;
/// Complete weeks below which it is unknown whether an account declines (semantics C13a).
const WEEKS_TO_DECLINE: u32 = 10;
/// Weeks that the base level leaves out, and how many before them it looks at.
const WEEKS_LATELY: u32 = 4;
const BASE_WEEKS: u32 = 9;

/// An account's figures at the close of a day, from what is counted by the day; each is computed when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Closed {
    pub(in crate::engine) day: Day,
    founded: Day,
}

/// Active users of the day, of the 7 and of the 28 days that end with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Active {
    dau: u32,
    wau: u32,
    mau: u32,
}

/// What a pass over the users counts of the weeks up to the last closed one. Few accounts need it: those whose weeks
/// pass every other test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Presence {
    /// Σ k·(n − k) over users active in k of the n weeks that the slope looks at.
    unsteadiness: i64,
    /// Users active in the last eight weeks, and of these the ones who were here before the last eight (before the last
    /// four while fewer than 13 weeks are complete).
    present: u32,
    settled: u32,
}

impl Closed {
    /// The figures at the close of `day`; none while the account has no activity.
    pub(in crate::engine) fn last(account: &Account<'_>, day: Day) -> Option<Closed> {
        account.founded().map(|founded| Closed { day, founded })
    }

    /// The last week whose Sunday has closed.
    pub(in crate::engine) fn week(&self) -> Week {
        last_week(self.day)
    }

    /// Complete weeks up to it.
    fn weeks_known(&self) -> u32 {
        weeks_known(self.founded, self.week())
    }

    /// Active users, as counted if the day closed last, else by a pass over the users.
    fn active(&self, account: &Account<'_>, of: impl Fn(Active) -> u32, counted: impl Fn() -> u32) -> u32 {
        if account.counts.closed() != self.day {
            return of(self.recounted(account));
        }
        let counted = counted();
        #[cfg(not(test))]
        debug_assert_eq!(counted, of(self.recounted(account)), "active users of {}", account.id());
        counted
    }

    pub(in crate::engine) fn dau(&self, account: &Account<'_>) -> u32 {
        self.active(account, |active| active.dau, || account.count(ACTIVE, self.day.0))
    }

    pub(in crate::engine) fn wau(&self, account: &Account<'_>) -> u32 {
        self.active(account, |active| active.wau, || account.counts.active().0)
    }

    pub(in crate::engine) fn mau(&self, account: &Account<'_>) -> u32 {
        self.active(account, |active| active.mau, || account.counts.active().1)
    }

    /// Σ DAU over the last 28 days.
    fn active_days(&self, account: &Account<'_>) -> u32 {
        let recounted = || {
            let days = account.users().filter(|(_, user)| !user.days.is_never());
            days.map(|(_, user)| user.days.count(self.day, MONTH as u32)).sum()
        };
        if account.counts.closed() != self.day {
            return recounted();
        }
        let active_days = account.sum(ACTIVE, self.day.0 - (MONTH - 1), self.day.0) as u32;
        #[cfg(not(test))]
        debug_assert_eq!(active_days, recounted(), "active days of {}", account.id());
        active_days
    }

    /// Users whose first day is one of these many days, of which the last is `back` days before this one; those of the
    /// founding day are not new.
    fn joined(&self, account: &Account<'_>, back: i32, days: i32) -> u32 {
        let last = self.day.0 - back;
        let first = (last - days + 1).max(self.founded.0.saturating_add(1));
        if account.counts.closed() == self.day {
            let joined = account.sum(JOINED, first, last) as u32;
            #[cfg(not(test))]
            debug_assert_eq!(joined, recounted(account, first, last), "new users of {}", account.id());
            joined
        } else {
            recounted(account, first, last)
        }
    }

    /// New users of the last 7 days.
    pub(in crate::engine) fn new_users_7d(&self, account: &Account<'_>) -> u32 {
        self.joined(account, 0, 7)
    }

    /// Active users by a pass over the users: for days before the last closed one, and to hold the counts against.
    fn recounted(&self, account: &Account<'_>) -> Active {
        let mut found = Active::default();
        for (_, user) in account.users() {
            if user.days.is_never() {
                continue;
            }
            let active = user.days.ending(self.day);
            found.dau += (active & 1) as u32;
            found.wau += u32::from(active & low_bits(7) != 0);
            found.mau += u32::from(active & low_bits(28) != 0);
        }
        found
    }

    fn presence(&self, account: &Account<'_>) -> Presence {
        let (mut presence, weeks) = (Presence::default(), i64::from(self.slope_weeks()));
        let settled_weeks = if self.weeks_known() < WEEKS_TO_SETTLE { 4 } else { 8 };
        for (_, user) in account.users() {
            let in_weeks = user.days.ending(self.week().sunday());
            if in_weeks == 0 {
                continue;
            }
            let active = i64::from(weeks_with_any(in_weeks, self.slope_weeks()));
            presence.unsteadiness += active * (weeks - active);
            if in_weeks & low_bits(7 * SLOPE_WEEKS) != 0 {
                presence.present += 1;
                presence.settled += u32::from(user.days.first() <= self.week().plus(-settled_weeks).sunday());
            }
        }
        presence
    }

    /// m: whole blocks of 7 days that end 7 days ago and begin after the founding day (semantics C21).
    fn blocks(&self) -> i32 {
        blocks(self.day, self.founded)
    }

    /// n: weeks that the slope looks at.
    fn slope_weeks(&self) -> u32 {
        self.weeks_known().min(SLOPE_WEEKS)
    }

    /// The share of its active users that the account sees on a mean day, as numerator and denominator.
    pub(in crate::engine) fn stickiness(&self, account: &Account<'_>) -> Option<(u32, u32)> {
        let days = stickiness_days(self.day, self.founded)?;
        let mau = self.mau(account);
        (mau > 0).then(|| (self.active_days(account), days * mau))
    }

    /// The distribution that new users of 7 days are expected to follow, once two blocks are known (semantics C22).
    pub(in crate::engine) fn expected_newcomers(&self, account: &Account<'_>) -> Option<Newcomers> {
        let blocks = self.blocks();
        (blocks >= 2).then(|| Newcomers { blocks: blocks as u32, total: self.joined(account, 7, 7 * blocks) })
    }

    /// The trend of weekly active users at the last closed week.
    fn trend<'a>(&self, account: &'a Account<'_>) -> Trend<impl Fn(u32) -> u32 + 'a, impl Fn() -> i64 + 'a> {
        let (week, n, closed) = (self.week(), self.slope_weeks(), *self);
        Trend {
            weeks_known: self.weeks_known(),
            back: move |weeks: u32| account.count(WEEKS, week.0 - weeks as i32),
            n,
            scale: 1,
            spread: move || (i64::from(n) + 1) * closed.presence(account).unsteadiness,
        }
    }

    /// What is usual for the account: of the complete weeks that are the 5th to the 13th newest the third largest, of
    /// fewer the (1 + ⌊b/4⌋)-th; unknown with less than three of them (semantics §3, semantics C13a).
    pub(in crate::engine) fn base(&self, account: &Account<'_>) -> Option<u32> {
        let known = self.weeks_known().saturating_sub(WEEKS_LATELY).min(BASE_WEEKS);
        if known < 3 {
            return None;
        }
        let mut weeks = [0; BASE_WEEKS as usize];
        let weeks = &mut weeks[..known as usize];
        for (weeks_ago, value) in (WEEKS_LATELY as i32..).zip(weeks.iter_mut()) {
            *value = account.count(WEEKS, self.week().0 - weeks_ago);
        }
        weeks.sort_unstable_by(|a, b| b.cmp(a));
        Some(weeks[weeks.len() / 4])
    }

    /// Whether the last weeks are clearly above or below the base level, by the test; none if that is unknown
    /// (semantics §3).
    fn lies(&self, account: &Account<'_>, test: LevelTest) -> Option<bool> {
        let base = i128::from(self.base(account)?);
        let week = |back: i32| i128::from(account.count(WEEKS, self.week().0 - back));
        // distance² · U ≥ times · V, V = B·(U − B) + U.
        let reaches = |distance: i128, users: i128, times: u32| {
            distance > 0 && distance * distance * users >= i128::from(times) * (base * (users - base) + users)
        };
        // More users make the test harder: if it fails with the fewest possible, they need not be counted.
        let (fewest, users) = (base.max(1), |counted: u32| base.max(1).max(counted.into()));
        match test {
            LevelTest::Above { both, each } => {
                let least = week(0).min(week(1));
                let reaches = |users| {
                    reaches(week(0) + week(1) - 2 * base, users, both) && reaches(2 * (least - base), users, each)
                };
                Some(reaches(fewest) && reaches(users(self.presence(account).settled)))
            }
            LevelTest::Below { below, share } => {
                let most = (0..4).map(week).max()?;
                let is_below = 100 * most <= i128::from(share) * base;
                let reaches = |users| reaches(base - most, users, below);
                (self.weeks_known() >= WEEKS_TO_DECLINE)
                    .then(|| is_below && reaches(fewest) && reaches(users(self.presence(account).present)))
            }
        }
    }

    /// Whether weekly active users grow, or decline, as the test of the level says; while the base level is unknown by
    /// a slope, where it matters. None while it is unknown (semantics C13a).
    pub(in crate::engine) fn moves(&self, account: &Account<'_>, by: (LevelTest, &[SlopeTest])) -> Option<bool> {
        let (level, slopes) = by;
        let lies = self.lies(account, level);
        if lies.is_some() || matches!(level, LevelTest::Below { .. }) || self.weeks_known() < WEEKS_TO_GROW {
            return lies;
        }
        let trend = self.trend(account);
        let [now, before] = [0, 3].map(|back| u64::from((trend.back)(back)));
        let matters = now >= before + RISE_MIN && 5 * now >= 6 * before;
        Some(matters && trend.meets(slopes, true))
    }

    /// A streak of three weeks of strict change; unknown before four complete weeks (semantics C31).
    pub(in crate::engine) fn runs(&self, account: &Account<'_>, up: bool) -> Option<bool> {
        self.trend(account).runs(up)
    }

    /// What makes the account grow or decline, in words: the weeks that are compared, oldest first, and what is usual.
    pub(in crate::engine) fn trend_in_words(&self, account: &Account<'_>, growth: &Growth) -> String {
        let base = self.base(account).filter(|_| matches!(growth.by, GrowthBy::Level(..)));
        let weeks = match (base, growth.up) {
            (Some(_), true) => 2,
            (Some(_), false) => 4,
            (None, _) => self.weeks_known().min(4) as i32,
        };
        let values: Vec<String> =
            (0..weeks).rev().map(|back| account.count(WEEKS, self.week().0 - back).to_string()).collect();
        let values = match values.split_last() {
            Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
            _ => values.concat(),
        };
        match base {
            Some(base) => format!("{values} weekly active users; {base} is usual"),
            None => format!("{values} weekly active users"),
        }
    }

    /// Active users of the last closed week and of the one before; none while those are not known (semantics C11).
    pub(in crate::engine) fn change(&self, account: &Account<'_>) -> Option<(u32, u32)> {
        let [now, before] = [0, 1].map(|back| account.count(WEEKS, self.week().0 - back));
        self.knows_change().then_some((before, now)).filter(|(before, _)| *before > 0)
    }

    /// Whether two complete weeks are known.
    pub(in crate::engine) fn knows_change(&self) -> bool {
        self.weeks_known() >= 2
    }

    /// The row of the day, which closed at `at`, if the account has one.
    pub(in crate::engine) fn day_row(&self, account: &Account<'_>, at: EventTime) -> Option<DayRow> {
        (self.mau(account) > 0).then(|| DayRow {
            account: account.id().into(),
            at,
            day: self.day,
            dau: self.dau(account),
            wau: self.wau(account),
            mau: self.mau(account),
            stickiness: self.stickiness(account).map(|(part, whole)| f64::from(part) / f64::from(whole)),
            new_users: self.joined(account, 0, 1),
            new_users_7d: self.new_users_7d(account),
            spike_p: self.expected_newcomers(account).map(|expected| expected.at_least(self.new_users_7d(account))),
        })
    }

    /// The row of the week that closes with the day, if the account has one (semantics C18).
    pub(in crate::engine) fn week_row(&self, account: &Account<'_>, at: EventTime) -> Option<WeekRow> {
        if !self.day.is_sunday() || self.weeks_known() == 0 || self.mau(account) == 0 {
            return None;
        }
        let wau = account.count(WEEKS, self.week().0);
        let growth = self.change(account).map(|(before, now)| (f64::from(now) - f64::from(before)) / f64::from(before));
        let trend = self.trend(account);
        Some(WeekRow {
            account: account.id().into(),
            at,
            week: self.week(),
            wau,
            growth,
            streak: trend.streak(true),
            slope_z: trend.z(),
            base: self.base(account),
            growing: self.moves(account, (LevelTest::GROWING, &SlopeTest::DEFAULT)),
            declining: self.moves(account, (LevelTest::DECLINING, &SlopeTest::DEFAULT)),
        })
    }
}

/// Users whose first day lies between two days, by a pass over them: a first day may lie in a window though the mask,
/// which ends with the last active day, no longer holds it.
fn recounted(account: &Account<'_>, first: i32, last: i32) -> u32 {
    let is_new = |user: &User| !user.days.is_never() && (first..=last).contains(&user.days.first().0);
    account.users().filter(|(_, user)| is_new(user)).count() as u32
}

/// In how many of the newest `weeks` weeks, at most eight, a day is set.
fn weeks_with_any(days: u64, weeks: u32) -> u32 {
    // Bit 0 of each group of seven becomes whether any of the seven is set.
    const SUNDAYS: u64 = 0x0002_0408_1020_4081;
    let pairs = days | days >> 1;
    let fours = pairs | pairs >> 2;
    let sevens = fours | fours >> 3;
    (sevens & SUNDAYS & low_bits(7 * weeks)).count_ones()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::Tables;
    use crate::model::{EventTime, Keys};

    #[test]
    fn who_came_back_after_64_days_was_new_62_days_before_the_close() {
        let mut tables = Tables::new();
        let hash = Keys::hash_account(b"acme");
        let index = tables.insert_account(hash, "acme", Day(999));
        let mut account = Account::new(&mut tables, index);
        let active = |account: &mut Account<'_>, user: &str, day: i32| {
            let known = account.find_user(user);
            let user = known.unwrap_or_else(|| account.insert_user(Keys::hash_user(hash, user.as_bytes()), user));
            account.add_activity(user, (EventTime(0), Day(day)), 400);
        };
        active(&mut account, "boss", 1_000);
        active(&mut account, "ann", 1_001);
        account.close_up_to(Day(1_063));
        active(&mut account, "ann", 1_065);
        let closed = Closed::last(&account, Day(1_063)).expect("it has activity");
        assert_eq!(closed.joined(&account, 7, 7 * closed.blocks()), 1);
        assert_eq!(recounted(&account, 1_001, 1_056), 1);
        let (dau, wau, mau) = (closed.dau(&account), closed.wau(&account), closed.mau(&account));
        assert_eq!(closed.recounted(&account), Active { dau, wau, mau });
    }
}
