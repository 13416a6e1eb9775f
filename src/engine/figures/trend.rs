//! Trends of weekly values: streaks, and slopes in units of their standard deviation (semantics C12 to C14, C31).

use super::windows::{last_week, weeks_known};
use crate::engine::state::days::{Days, low_bits};
use crate::model::Day;
use crate::rules::{Growth, GrowthBy, SlopeTest};

/// Weeks that a slope looks back.
pub(super) const SLOPE_WEEKS: u32 = 8;
/// Complete weeks below which it is unknown whether an account or user grows (semantics C13a, C14).
pub(in crate::engine) const WEEKS_TO_GROW: u32 = 4;
/// Weeks that a streak can count.
const STREAK_MAX: u32 = 12;
/// The least change in three weeks that counts: active users of an account, active days a week of a user.
pub(super) const RISE_MIN: u64 = 2;

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
pub(in crate::engine) struct Trend<Back, Spread> {
    pub(super) weeks_known: u32,
    /// The values, by weeks before the newest.
    pub(super) back: Back,
    /// How many of them the slope looks at.
    pub(super) n: u32,
    /// What its variance is made of, as in [`Slope`].
    pub(super) scale: i64,
    pub(super) spread: Spread,
}

/// A slope S in units of its standard deviation √V: with S₂ = 2·S, z² = 3·scale·S₂² / spread.
struct Slope {
    twice: i64,
    scale: i64,
    spread: i64,
}

/// The trend of a user's active days per week at the last closed week, over the 8 weeks that the days cover: streaks
/// beyond 7 count as 7 (semantics C14).
pub(in crate::engine) fn of_user(days: Days, day: Day) -> Trend<impl Fn(u32) -> u32, impl Fn() -> i64> {
    let week = last_week(day);
    let known = weeks_known(days.first(), week).min(SLOPE_WEEKS);
    let in_weeks = days.ending(week.sunday());
    let n = i64::from(known);
    Trend {
        weeks_known: known,
        back: move |weeks: u32| (in_weeks >> (7 * weeks) & low_bits(7)).count_ones(),
        n: known,
        scale: 7 * n - 1,
        spread: move || {
            let active = i64::from((in_weeks & low_bits(7 * known)).count_ones());
            (n * n - 1) * active * (7 * n - active)
        },
    }
}

impl<Back: Fn(u32) -> u32, Spread: Fn() -> i64> Trend<Back, Spread> {
    /// Weeks of strict change.
    pub(super) fn streak(&self, up: bool) -> Option<u32> {
        streak(&self.back, self.weeks_known, up)
    }

    fn slope(&self) -> Option<Slope> {
        slope(&self.back, self.n).map(|twice| Slope { twice, scale: self.scale, spread: (self.spread)() })
    }

    /// Whether a user's active days go up, or down; unknown before four complete weeks (semantics C14).
    pub(in crate::engine) fn moves(&self, growth: &Growth) -> Option<bool> {
        let GrowthBy::Level(_, slopes) = &growth.by else { return self.runs(growth.up) };
        (self.weeks_known >= WEEKS_TO_GROW).then(|| {
            let [now, before] = [0, 3].map(|back| u64::from((self.back)(back)));
            let matters = if growth.up { now >= before + RISE_MIN } else { now + RISE_MIN <= before };
            matters && self.meets(slopes, growth.up)
        })
    }

    /// Three weeks of strict change.
    pub(super) fn runs(&self, up: bool) -> Option<bool> {
        (self.weeks_known >= WEEKS_TO_GROW).then(|| self.streak(up).is_some_and(|weeks| weeks >= 3))
    }

    /// Whether it meets any of the slopes; one without a z is none.
    pub(super) fn meets(&self, slopes: &[SlopeTest], up: bool) -> bool {
        let meets = |test: &SlopeTest| {
            self.streak(up).is_some_and(|weeks| weeks >= test.streak)
                && self.slope().is_some_and(|slope| slope.reaches(test.z_thousandths, up))
        };
        slopes.iter().any(meets)
    }

    /// The slope, for people.
    pub(in crate::engine) fn z(&self) -> Option<f64> {
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
