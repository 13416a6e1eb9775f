//! Velocity: the figures of closed days and weeks, each a function of who was active when (semantics §3, C).
//!
//! Whatever is decided is decided in integers. What is printed is one IEEE division, or comes from `libm`, which
//! gives the same bits on every machine.

use super::state::Account;
use super::state::counts::{ACTIVE, JOINED, WEEKS};
use super::state::days::{Days, low_bits};
use crate::model::{Day, DayRow, Week, WeekRow};
use crate::rules::{Growth, GrowthBy, LevelTest, SlopeTest};

/// Days over which MAU and stickiness look back: whole weeks.
pub(super) const MONTH: i32 = 28;
/// Weeks that a slope looks back.
const SLOPE_WEEKS: u32 = 8;
/// Complete weeks after which whoever was here before the last eight counts as settled.
const WEEKS_TO_SETTLE: u32 = 13;
/// Complete weeks below which it is unknown whether an account grows, and whether it declines (semantics C13a).
const WEEKS_TO_GROW: u32 = 4;
const WEEKS_TO_DECLINE: u32 = 10;
/// Weeks that the base level leaves out, and how many before them it looks at.
const WEEKS_LATELY: u32 = 4;
const BASE_WEEKS: u32 = 9;
/// Weeks that a streak can count.
const STREAK_MAX: u32 = 12;
/// The least change in three weeks that counts: active users of an account, active days a week of a user.
const RISE_MIN: u64 = 2;
/// Blocks of 7 days that a spike is compared with.
const BLOCKS_MAX: i32 = 8;

/// An account's figures at the close of a day, from what is counted by the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) day: Day,
    founded: Day,
    pub(super) dau: u32,
    pub(super) wau: u32,
    pub(super) mau: u32,
    /// Σ DAU over the last 28 days.
    active_days: u32,
    new_users: u32,
    pub(super) new_users_7d: u32,
    /// New users in the blocks of 7 days before.
    new_users_before: u32,
    /// The last week whose Sunday has closed.
    week: Week,
    /// Complete weeks up to it.
    weeks_known: u32,
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
    /// The figures at the close of `day`.
    pub(super) fn new(account: &Account<'_>, day: Day, founded: Day) -> Closed {
        let week = last_week(day);
        let mut closed = Closed {
            day,
            founded,
            dau: 0,
            wau: 0,
            mau: 0,
            active_days: 0,
            new_users: 0,
            new_users_7d: 0,
            new_users_before: 0,
            week,
            weeks_known: weeks_known(founded, week),
        };
        if account.counts.closed() == day {
            closed.take_counts(account);
            debug_assert_eq!(closed, closed.recounted(account), "figures of {}", account.id());
        } else {
            closed = closed.recounted(account);
        }
        closed
    }

    fn take_counts(&mut self, account: &Account<'_>) {
        let day = self.day.0;
        self.dau = account.count(ACTIVE, day);
        (self.wau, self.mau) = account.counts.active();
        self.active_days = account.sum(ACTIVE, day - (MONTH - 1), day) as u32;
        let joined =
            |first: i32, last: i32| account.sum(JOINED, first.max(self.founded.0.saturating_add(1)), last) as u32;
        self.new_users = joined(day, day);
        self.new_users_7d = joined(day - 6, day);
        self.new_users_before = joined(day - 6 - 7 * self.blocks().max(0), day - 7);
    }

    /// The same by a pass over the users: for days before the last closed one, and to hold the counts against.
    fn recounted(&self, account: &Account<'_>) -> Closed {
        let mut closed = Closed {
            dau: 0,
            wau: 0,
            mau: 0,
            active_days: 0,
            new_users: 0,
            new_users_7d: 0,
            new_users_before: 0,
            ..self.clone()
        };
        for (_, user) in account.users() {
            let active = user.days.ending(self.day);
            if active == 0 {
                continue;
            }
            closed.dau += (active & 1) as u32;
            closed.wau += u32::from(active & low_bits(7) != 0);
            closed.mau += u32::from(active & low_bits(28) != 0);
            closed.active_days += (active & low_bits(28)).count_ones();
            let first = user.days.first();
            let age = self.day.0 - first.0;
            if first != self.founded && age >= 0 {
                closed.new_users += u32::from(age == 0);
                closed.new_users_7d += u32::from(age < 7);
                closed.new_users_before += u32::from(age >= 7 && (age - 7) / 7 < self.blocks());
            }
        }
        closed
    }

    fn presence(&self, account: &Account<'_>) -> Presence {
        let (mut presence, weeks) = (Presence::default(), i64::from(self.slope_weeks()));
        let settled_weeks = if self.weeks_known < WEEKS_TO_SETTLE { 4 } else { 8 };
        for (_, user) in account.users() {
            let in_weeks = user.days.ending(self.week.sunday());
            if in_weeks == 0 {
                continue;
            }
            let active = i64::from(weeks_with_any(in_weeks, self.slope_weeks()));
            presence.unsteadiness += active * (weeks - active);
            if in_weeks & low_bits(7 * SLOPE_WEEKS) != 0 {
                presence.present += 1;
                presence.settled += u32::from(user.days.first() <= self.week.plus(-settled_weeks).sunday());
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
        self.weeks_known.min(SLOPE_WEEKS)
    }

    /// Over how many days stickiness is taken; none while undefined.
    fn stickiness_days(&self) -> Option<u32> {
        stickiness_days(self.day, self.founded).filter(|_| self.mau > 0)
    }

    /// The share of its active users that the account sees on a mean day, as numerator and denominator.
    pub(super) fn stickiness(&self) -> Option<(u32, u32)> {
        self.stickiness_days().map(|days| (self.active_days, days * self.mau))
    }

    /// The distribution that new users of 7 days are expected to follow, once two blocks are known (semantics C22).
    pub(super) fn expected_newcomers(&self) -> Option<Newcomers> {
        (self.blocks() >= 2).then(|| Newcomers { blocks: self.blocks() as u32, total: self.new_users_before })
    }

    /// The trend of weekly active users at the last closed week.
    fn trend<'a>(&self, account: &'a Account<'_>) -> Trend<impl Fn(u32) -> u32 + 'a, impl Fn() -> i64 + 'a> {
        let (week, n, closed) = (self.week, self.slope_weeks(), self.clone());
        Trend {
            weeks_known: self.weeks_known,
            back: move |weeks: u32| account.count(WEEKS, week.0 - weeks as i32),
            n,
            scale: 1,
            spread: move || (i64::from(n) + 1) * closed.presence(account).unsteadiness,
        }
    }

    /// What is usual for the account: of the complete weeks that are the 5th to the 13th newest the third largest, of
    /// fewer the (1 + ⌊b/4⌋)-th; unknown with less than three of them (semantics §3, semantics C13a).
    pub(super) fn base(&self, account: &Account<'_>) -> Option<u32> {
        let known = self.weeks_known.saturating_sub(WEEKS_LATELY).min(BASE_WEEKS);
        if known < 3 {
            return None;
        }
        let mut weeks = [0; BASE_WEEKS as usize];
        let weeks = &mut weeks[..known as usize];
        for (weeks_ago, value) in (WEEKS_LATELY as i32..).zip(weeks.iter_mut()) {
            *value = account.count(WEEKS, self.week.0 - weeks_ago);
        }
        weeks.sort_unstable_by(|a, b| b.cmp(a));
        Some(weeks[weeks.len() / 4])
    }

    /// Whether the last weeks lie so clearly above or below the base level; none while that is unknown (semantics §3).
    fn lies(&self, account: &Account<'_>, test: LevelTest) -> Option<bool> {
        let base = i128::from(self.base(account)?);
        let week = |back: i32| i128::from(account.count(WEEKS, self.week.0 - back));
        // distance² · U ≥ so many V, V = B·(U − B) + U.
        let reaches = |distance: i128, users: i128, times: u32| {
            distance > 0 && distance * distance * users >= i128::from(times) * (base * (users - base) + users)
        };
        // The more users, the harder: who fails with the fewest that there can be needs no count.
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
                (self.weeks_known >= WEEKS_TO_DECLINE)
                    .then(|| is_below && reaches(fewest) && reaches(users(self.presence(account).present)))
            }
        }
    }

    /// Whether weekly active users grow, or decline, as the test of the level says; while the base level is unknown by a
    /// slope, where it matters. None while it is unknown (semantics C13a).
    pub(super) fn moves(&self, account: &Account<'_>, by: (LevelTest, &[SlopeTest])) -> Option<bool> {
        let (level, slopes) = by;
        let lies = self.lies(account, level);
        if lies.is_some() || matches!(level, LevelTest::Below { .. }) || self.weeks_known < WEEKS_TO_GROW {
            return lies;
        }
        let trend = self.trend(account);
        let [now, before] = [0, 3].map(|back| u64::from((trend.back)(back)));
        let matters = now >= before + RISE_MIN && 5 * now >= 6 * before;
        Some(matters && trend.meets(slopes, true))
    }

    /// A bare streak of three weeks of strict change; unknown before four complete weeks (semantics C31).
    pub(super) fn runs(&self, account: &Account<'_>, up: bool) -> Option<bool> {
        self.trend(account).runs(up)
    }

    /// What makes the account grow or decline, in words: the weeks that are compared, oldest first, and what is usual.
    pub(super) fn trend_in_words(&self, account: &Account<'_>, growth: &Growth) -> String {
        let base = self.base(account).filter(|_| matches!(growth.by, GrowthBy::Level(..)));
        let weeks = match (base, growth.up) {
            (Some(_), true) => 2,
            (Some(_), false) => 4,
            (None, _) => self.weeks_known.min(4) as i32,
        };
        let values: Vec<String> =
            (0..weeks).rev().map(|back| account.count(WEEKS, self.week.0 - back).to_string()).collect();
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
    pub(super) fn change(&self, account: &Account<'_>) -> Option<(u32, u32)> {
        let [now, before] = [0, 1].map(|back| account.count(WEEKS, self.week.0 - back));
        self.knows_change().then_some((before, now)).filter(|(before, _)| *before > 0)
    }

    /// Whether two complete weeks are known.
    pub(super) fn knows_change(&self) -> bool {
        self.weeks_known >= 2
    }

    /// The last week whose Sunday has closed.
    pub(super) fn week(&self) -> Week {
        self.week
    }

    /// The row of the day, if the account has one.
    pub(super) fn day_row(&self, account: &Account<'_>) -> Option<DayRow> {
        (self.mau > 0).then(|| DayRow {
            account: account.id().into(),
            day: self.day,
            dau: self.dau,
            wau: self.wau,
            mau: self.mau,
            stickiness: self.stickiness().map(|(part, whole)| f64::from(part) / f64::from(whole)),
            new_users: self.new_users,
            new_users_7d: self.new_users_7d,
            spike_p: self.expected_newcomers().map(|expected| expected.at_least(self.new_users_7d)),
        })
    }

    /// The row of the week that closes with the day, if the account has one (semantics C18).
    pub(super) fn week_row(&self, account: &Account<'_>) -> Option<WeekRow> {
        if !self.day.is_sunday() || self.weeks_known == 0 || self.mau == 0 {
            return None;
        }
        let wau = account.count(WEEKS, self.week.0);
        let growth = self.change(account).map(|(before, now)| (f64::from(now) - f64::from(before)) / f64::from(before));
        let trend = self.trend(account);
        Some(WeekRow {
            account: account.id().into(),
            week: self.week,
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

/// In how many of the newest `weeks` weeks, at most eight, a day is set.
fn weeks_with_any(days: u64, weeks: u32) -> u32 {
    // Bit 0 of each group of seven becomes whether any of the seven is set.
    const SUNDAYS: u64 = 0x0002_0408_1020_4081;
    let pairs = days | days >> 1;
    let fours = pairs | pairs >> 2;
    let sevens = fours | fours >> 3;
    (sevens & SUNDAYS & low_bits(7 * weeks)).count_ones()
}

/// The last week whose Sunday is `day` or lies before it.
pub(super) fn last_week(day: Day) -> Week {
    day.plus(1).week().plus(-1)
}

/// Complete weeks up to `week` of a life that began on `first`: those whose Monday is not before it (semantics C10).
pub(super) fn weeks_known(first: Day, week: Week) -> u32 {
    let first_complete = first.plus(6).week();
    (week.0 - first_complete.0 + 1).max(0) as u32
}

/// m of semantics C21, at most 8.
pub(super) fn blocks(day: Day, founded: Day) -> i32 {
    (day.0 - 7 - founded.0).div_euclid(7).min(BLOCKS_MAX)
}

/// n of stickiness for a life that began on `first`: at most 28 days, unknown with less than 7 (semantics C5, C6).
pub(super) fn stickiness_days(day: Day, first: Day) -> Option<u32> {
    let days = (day.0 - first.0 + 1).min(MONTH);
    (days >= 7).then_some(days as u32)
}

/// The highest rung of a ladder in percent that part / whole lies above; exactly on it does not count.
pub(super) fn rung_above((part, whole): (u32, u32), percents: &[u32]) -> u8 {
    percents.iter().take_while(|percent| 100 * u64::from(part) > u64::from(**percent) * u64::from(whole)).count() as u8
}

/// No activity in the `silent` days that end with `day`, and none known after them (semantics E10).
pub(super) fn is_absent(days: Days, day: Day, silent: u32) -> bool {
    days.last() <= day && days.count(day, silent) == 0
}

/// The share of the last days on which a user was active, as numerator and denominator.
pub(super) fn user_stickiness(days: Days, day: Day) -> Option<(u32, u32)> {
    stickiness_days(day, days.first()).map(|n| (days.count(day, MONTH as u32), n))
}

/// Weeks of strict change up to the newest, `back` weeks counted from it; unknown with less than two (semantics C12).
fn streak(back: impl Fn(u32) -> u32, known: u32, up: bool) -> Option<u32> {
    let limit = known.checked_sub(1).filter(|limit| *limit > 0)?.min(STREAK_MAX);
    let moved = |weeks: &u32| if up { back(*weeks) > back(weeks + 1) } else { back(*weeks) < back(weeks + 1) };
    Some((0..limit).take_while(moved).count() as u32)
}

/// 2·Σ (t − t̄)·W(t) over the newest `n` weeks; unknown with less than four (semantics C13).
fn slope(back: impl Fn(u32) -> u32, n: u32) -> Option<i64> {
    (n >= 4).then(|| (0..n).map(|weeks| (i64::from(n) - 1 - 2 * i64::from(weeks)) * i64::from(back(weeks))).sum())
}

/// A trend of weekly values, each part of it taken when it is asked for.
pub(super) struct Trend<Back, Spread> {
    weeks_known: u32,
    /// The values, by weeks before the newest.
    back: Back,
    /// How many of them the slope looks at.
    n: u32,
    /// What its variance is made of, as in [`Slope`].
    scale: i64,
    spread: Spread,
}

/// A slope S in units of its standard deviation √V: with S₂ = 2·S, z² = 3·scale·S₂² / spread.
struct Slope {
    twice: i64,
    scale: i64,
    spread: i64,
}

/// The trend of a user's active days per week at the last closed week. It sees the 8 weeks that the days tell of:
/// streaks beyond 7 count as 7 (semantics C14).
pub(super) fn user_trend(days: Days, day: Day) -> Trend<impl Fn(u32) -> u32, impl Fn() -> i64> {
    let week = last_week(day);
    let known = weeks_known(days.first(), week).min(SLOPE_WEEKS);
    let in_weeks = days.ending(week.sunday());
    let n = i64::from(known);
    let active = i64::from((in_weeks & low_bits(7 * known)).count_ones());
    Trend {
        weeks_known: known,
        back: move |weeks: u32| (in_weeks >> (7 * weeks) & low_bits(7)).count_ones(),
        n: known,
        scale: 7 * n - 1,
        spread: move || (n * n - 1) * active * (7 * n - active),
    }
}

impl<Back: Fn(u32) -> u32, Spread: Fn() -> i64> Trend<Back, Spread> {
    /// Weeks of strict change.
    fn streak(&self, up: bool) -> Option<u32> {
        streak(&self.back, self.weeks_known, up)
    }

    fn slope(&self) -> Option<Slope> {
        slope(&self.back, self.n).map(|twice| Slope { twice, scale: self.scale, spread: (self.spread)() })
    }

    /// Whether a user's active days go up, or down; unknown before four complete weeks (semantics C14).
    pub(super) fn moves(&self, growth: &Growth) -> Option<bool> {
        let GrowthBy::Level(_, slopes) = &growth.by else { return self.runs(growth.up) };
        let [now, before] = [0, 3].map(|back| u64::from((self.back)(back)));
        let matters = if growth.up { now >= before + RISE_MIN } else { now + RISE_MIN <= before };
        (self.weeks_known >= WEEKS_TO_GROW).then(|| matters && self.meets(slopes, growth.up))
    }

    /// Three weeks of strict change.
    fn runs(&self, up: bool) -> Option<bool> {
        (self.weeks_known >= WEEKS_TO_GROW).then(|| self.streak(up).is_some_and(|weeks| weeks >= 3))
    }

    /// Whether it meets any of the slopes; one without a z is none.
    fn meets(&self, slopes: &[SlopeTest], up: bool) -> bool {
        let meets = |test: &SlopeTest| {
            self.streak(up).is_some_and(|weeks| weeks >= test.streak)
                && self.slope().is_some_and(|slope| slope.reaches(test.z_thousandths, up))
        };
        slopes.iter().any(meets)
    }

    /// The slope, for people.
    pub(super) fn z(&self) -> Option<f64> {
        self.slope()?.z()
    }
}

impl Slope {
    /// Whether the slope goes up (or down) by at least so many thousandths of its standard deviation (semantics C13).
    fn reaches(&self, z_thousandths: u32, up: bool) -> bool {
        let directed = if up { self.twice > 0 } else { self.twice < 0 };
        let (twice, z) = (i128::from(self.twice), i128::from(z_thousandths));
        directed
            && self.spread > 0
            && 3_000_000 * i128::from(self.scale) * twice * twice >= z * z * i128::from(self.spread)
    }

    /// z; undefined where the values cannot vary.
    fn z(self) -> Option<f64> {
        (self.spread > 0).then(|| self.twice as f64 / libm::sqrt(self.spread as f64 / (3 * self.scale) as f64))
    }
}

/// What new users of 7 days are expected to be, after whole blocks of 7 days with new users in all: a negative
/// binomial with r = ½ + total and success probability (1 + blocks) / (2 + blocks) (semantics §3).
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomers {
    blocks: u32,
    total: u32,
}

impl Newcomers {
    /// P(X ≥ x).
    pub(super) fn at_least(self, x: u32) -> f64 {
        if x == 0 {
            return 1.0;
        }
        let r = 0.5 + f64::from(self.total);
        let fail = 1.0 / f64::from(2 + self.blocks);
        let mean = r / f64::from(1 + self.blocks);
        let x = f64::from(x);
        // The sum that starts beside x and runs away from the mean: all its terms are small and none cancel.
        if x > mean {
            let mut term = self.probability(x, r, fail);
            let mut sum = term;
            let mut next = x;
            while term > sum * 1e-18 {
                term *= (next + r) / (next + 1.0) * fail;
                next += 1.0;
                sum += term;
            }
            sum
        } else {
            let mut term = self.probability(x - 1.0, r, fail);
            let mut sum = term;
            let mut last = x - 1.0;
            while last > 0.0 && term > sum * 1e-18 {
                term *= last / ((last - 1.0 + r) * fail);
                last -= 1.0;
                sum += term;
            }
            1.0 - sum
        }
    }

    /// P(X = x).
    fn probability(self, x: f64, r: f64, fail: f64) -> f64 {
        if r + x < 150.0 {
            // Short products keep every digit that logarithms of gammas would lose.
            let start = libm::pow(f64::from(1 + self.blocks) / f64::from(2 + self.blocks), r);
            return (0..x as u32).map(f64::from).fold(start, |p, k| p * ((k + r) / (k + 1.0) * fail));
        }
        let log = libm::lgamma(x + r) - libm::lgamma(r) - libm::lgamma(x + 1.0);
        libm::exp(log + r * libm::log1p(-fail) + x * libm::log(fail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_the_negative_binomial_is_exact() {
        // S = 0 after two blocks: r = ½, fail = ¼. P(X ≥ 1) = 1 − √¾.
        let none = Newcomers { blocks: 2, total: 0 };
        assert!((none.at_least(1) - (1.0 - 0.75_f64.sqrt())).abs() < 1e-15);
        assert_eq!(none.at_least(0), 1.0);
        // P(X ≥ 2) = 1 − √¾·(1 + ½·¼).
        assert!((none.at_least(2) - (1.0 - 0.75_f64.sqrt() * 1.125)).abs() < 1e-15);
        // Both sums and both forms of the probability meet: P(X ≥ x) = P(X = x) + P(X ≥ x + 1).
        for total in [0, 3, 40, 149, 150, 2_000, 100_000] {
            for blocks in [2, 8] {
                let expected = Newcomers { blocks, total };
                let mean = (total / (1 + blocks)) as i64;
                for x in [mean - 3, mean, mean + 1, mean + 30] {
                    let x = x.max(0) as u32;
                    let fail = 1.0 / f64::from(2 + blocks);
                    let step = expected.probability(f64::from(x), 0.5 + f64::from(total), fail);
                    let (here, next) = (expected.at_least(x), expected.at_least(x + 1));
                    assert!((here - next - step).abs() < 1e-9 * here, "{expected:?} {x}: {here} {next} {step}");
                }
            }
        }
    }

    #[test]
    fn weeks_are_complete_from_the_first_monday_on() {
        let monday = Week(10).monday();
        assert_eq!(weeks_known(monday, Week(10)), 1);
        assert_eq!(weeks_known(monday.plus(1), Week(10)), 0);
        assert_eq!(weeks_known(monday.plus(1), Week(11)), 1);
        assert_eq!(last_week(Week(10).sunday()), Week(10));
        assert_eq!(last_week(Week(10).sunday().plus(6)), Week(10));
    }

    #[test]
    fn exactly_on_a_rung_does_not_count() {
        assert_eq!(rung_above((5, 10), &[30, 50]), 1);
        assert_eq!(rung_above((51, 100), &[30, 50]), 2);
        assert_eq!(rung_above((3, 10), &[30, 50]), 0);
    }
}
