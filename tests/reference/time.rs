//! Days, weeks and figures over them: lives, trends, the spike of new users, and the calendar.

use std::collections::BTreeSet;

use serde_json::Value;

use super::pack::{By, SLOPES, Test};
use super::{DAY, MINUTE};

/// Days on which somebody was active.
pub(super) type Days = BTreeSet<i64>;

/// First and last active day of one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) first: i64,
    pub(super) last: i64,
}

/// The lives of a set of active days: a gap of more than `forget_after` days starts a new one (semantics B9).
pub(super) fn lives(days: &Days, forget_after: i64) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for &day in days {
        match lives.last_mut() {
            Some(life) if day - life.last <= forget_after => life.last = day,
            _ => lives.push(Life { first: day, last: day }),
        }
    }
    lives
}

/// How many of the days `from ..= to` are in the set; none if the window is empty.
pub(super) fn days_within(days: &Days, from: i64, to: i64) -> i64 {
    if from > to { 0 } else { days.range(from..=to).count() as i64 }
}

/// `week = ⌊(day + 3) / 7⌋` (semantics A1).
pub(super) fn week_of(day: i64) -> i64 {
    (day + 3).div_euclid(7)
}

pub(super) fn monday(week: i64) -> i64 {
    week * 7 - 3
}

pub(super) fn sunday(week: i64) -> i64 {
    monday(week) + 6
}

/// The first complete week of somebody whose first day this is: its Monday is not before it (semantics C10).
pub(super) fn first_complete_week(first_day: i64) -> i64 {
    let week = week_of(first_day);
    if monday(week) >= first_day { week } else { week + 1 }
}

/// The last week with Sunday ≤ day.
pub(super) fn last_closed_week(day: i64) -> i64 {
    let week = week_of(day);
    if sunday(week) <= day { week } else { week - 1 }
}

/// The values of the complete weeks of an account or a user, oldest first, and the slope of the last of them. The last
/// 13 decide everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trend {
    pub(super) weeks: Vec<i64>,
    pub(super) slope: Option<Slope>,
    pub(super) crowd: Crowd,
}

/// The users of an account who were active in weeks k − 7 … k, each once (semantics C13a).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Crowd {
    pub(super) all: i64,
    /// Those whose first active week is early enough: see [`settled_week`].
    pub(super) settled: i64,
}

/// The last week that may be a user's first one where *growing* counts the user in the spread of week k: k − 8, and
/// k − 4 while fewer than 13 weeks are complete (semantics §3).
pub(super) fn settled_week(week: i64, complete_weeks: usize) -> i64 {
    if complete_weeks < 13 { week - 4 } else { week - 8 }
}

/// z = S₂ / √(variance.0 / variance.1), where S₂ is twice S and the fraction is four times V (semantics C13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slope {
    pub(super) twice_s: i64,
    pub(super) variance: (i64, i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Trend {
    /// The trend of an account: `V = (n + 1)/12 · Q` with `Q = Σ k_u (n − k_u)` (semantics C13).
    pub(super) fn of_account(weeks: Vec<i64>, weeks_of_users: &[Vec<bool>], crowd: Crowd) -> Self {
        let n = weeks.len().min(8) as i64;
        let q: i64 = weeks_of_users
            .iter()
            .map(|user| {
                let k = user.iter().rev().take(8).filter(|&&active| active).count() as i64;
                k * (n - k)
            })
            .sum();
        let slope = (n >= 4 && q > 0).then(|| Slope { twice_s: twice_s(&weeks), variance: ((n + 1) * q, 3) });
        Self { weeks, slope, crowd }
    }

    /// The trend of a user over days: `V = 7n(n² − 1)/12 · k(N − k)/(N(N − 1))`, `N = 7n` (semantics §3, C14).
    pub(super) fn of_user(weeks: Vec<i64>) -> Self {
        let n = weeks.len().min(8) as i64;
        let (all, k) = (7 * n, weeks.iter().rev().take(8).sum::<i64>());
        let above = 7 * n * (n * n - 1) * k * (all - k);
        let slope =
            (n >= 4 && above > 0).then(|| Slope { twice_s: twice_s(&weeks), variance: (above, 3 * all * (all - 1)) });
        Self { weeks, slope, crowd: Crowd::default() }
    }

    pub(super) fn last(&self, back: usize) -> Option<i64> {
        self.weeks.iter().rev().nth(back).copied()
    }

    /// Strict steps that end with the last week, at most 12; unknown with fewer than two weeks (semantics C12).
    pub(super) fn streak(&self, direction: Direction) -> Option<i64> {
        if self.weeks.len() < 2 {
            return None;
        }
        let steps = self.weeks.windows(2).rev().take(12);
        let runs = steps.take_while(|pair| match direction {
            Direction::Up => pair[1] > pair[0],
            Direction::Down => pair[1] < pair[0],
        });
        Some(runs.count() as i64)
    }

    /// The slope test, or its mirror: what decides for a user, and for an account while its base level is unknown.
    /// Unknown with fewer than four weeks; a z that is null is not significant (semantics §3, C13a, C14).
    pub(super) fn moves(&self, direction: Direction, slopes: &[Test]) -> Option<bool> {
        let (streak, now, before) = (self.streak(direction)?, self.last(0)?, self.last(3)?);
        let reaches = |test: &Test| {
            let bound = (test.thousandths * test.thousandths, 1_000_000);
            self.slope.is_some_and(|slope| slope.reaches(direction, bound))
        };
        let is_significant = slopes.iter().any(|test| streak >= test.streak && reaches(test));
        let matters = match direction {
            Direction::Up => now >= before + 2,
            Direction::Down => now <= before - 2,
        };
        Some(is_significant && matters)
    }

    /// B(k): of the b = min(9, c − 4) weeks W(k − 3 − b) … W(k − 4) the (1 + ⌊b/4⌋)-th largest; unknown with fewer than
    /// seven complete weeks (semantics C13a).
    pub(super) fn base(&self) -> Option<i64> {
        let c = self.weeks.len();
        if c < 7 {
            return None;
        }
        let b = (c - 4).min(9);
        let mut usual = self.weeks[c - 4 - b..c - 4].to_vec();
        usual.sort_unstable();
        usual.reverse();
        Some(usual[b / 4])
    }

    /// Whether a distance from the base level is large for its spread: it is above 0, and its square times U is at
    /// least so many times V (semantics §3).
    fn is_clear(base: i64, users: i64, distance: i64, times: i128) -> bool {
        let u = i128::from(base.max(1).max(users));
        let (base, distance) = (i128::from(base), i128::from(distance));
        let v = base * (u - base) + u;
        distance > 0 && distance * distance * u >= times * v
    }

    /// *Growing* of an account: the last two weeks lie clearly above the base level (semantics §3). Unknown with fewer
    /// than four complete weeks.
    pub(super) fn grows(&self, both: i128, each: i128, slopes: &[Test]) -> Option<bool> {
        let slope_says = self.moves(Direction::Up, slopes)?;
        let Some(base) = self.base() else {
            return Some(slope_says && 5 * self.last(0)? >= 6 * self.last(3)?);
        };
        let (now, before) = (self.last(0)?, self.last(1)?);
        let is_clear = |distance, times| Self::is_clear(base, self.crowd.settled, distance, times);
        Some(is_clear(now + before - 2 * base, both) && is_clear(2 * now.min(before) - 2 * base, each))
    }

    /// *Declining* of an account, whether or not it is inactive: the last four weeks lie clearly below the base level
    /// (semantics §3). Unknown with fewer than ten complete weeks.
    pub(super) fn declines(&self, below: i128, share: i64) -> Option<bool> {
        if self.weeks.len() < 10 {
            return None;
        }
        let base = self.base()?;
        let most = self.weeks.iter().rev().take(4).copied().max()?;
        Some(100 * most <= share * base && Self::is_clear(base, self.crowd.all, base - most, below))
    }

    /// What the rows of a week print, whatever the signals go by (semantics C13a).
    pub(super) fn by_default(&self) -> [Option<bool>; 2] {
        [self.grows(32, 10, &SLOPES), self.declines(12, 60)]
    }

    /// A streak of three weeks in four complete ones, whatever chance would bring (semantics C31).
    pub(super) fn runs(&self, direction: Direction) -> Option<bool> {
        let streak = self.streak(direction).filter(|_| self.weeks.len() >= 4)?;
        Some(streak >= 3)
    }

    /// The change of the last week, as it goes in the direction, in percent of the week before: of at least so much
    /// (semantics C11).
    pub(super) fn changes(&self, direction: Direction, percent: i64) -> Option<bool> {
        let before = self.last(1).filter(|before| *before > 0)?;
        let by = self.last(0)? - before;
        let toward = if direction == Direction::Up { by } else { -by };
        Some(100 * toward >= percent * before)
    }

    /// Whether a user's days move: the slope decides, whatever an account goes by (semantics C14).
    pub(super) fn moves_of_user(&self, direction: Direction, by: &By) -> Option<bool> {
        match by {
            By::Above { slopes, .. } | By::Below { slopes, .. } => self.moves(direction, slopes),
            _ => self.runs(direction),
        }
    }

    /// Printed z (semantics C13).
    pub(super) fn z(&self) -> Option<f64> {
        self.slope.map(|slope| slope.twice_s as f64 / (slope.variance.0 as f64 / slope.variance.1 as f64).sqrt())
    }
}

impl Slope {
    /// Whether |z| ≥ √bound in the direction, in integers (semantics C13).
    pub(super) fn reaches(self, direction: Direction, bound: (i64, i64)) -> bool {
        let toward = match direction {
            Direction::Up => self.twice_s > 0,
            Direction::Down => self.twice_s < 0,
        };
        let square = i128::from(self.twice_s).pow(2) * i128::from(self.variance.1) * i128::from(bound.1);
        toward && square >= i128::from(bound.0) * i128::from(self.variance.0)
    }
}

/// S₂ = Σ (2t − n + 1)·W(t) over the last n = min(8, known) weeks (semantics C13).
pub(super) fn twice_s(weeks: &[i64]) -> i64 {
    let n = weeks.len().min(8);
    let last = &weeks[weeks.len() - n..];
    last.iter().enumerate().map(|(t, w)| (2 * t as i64 - n as i64 + 1) * w).sum()
}

/// P(X ≥ x), X ~ NB(r = ½ + S, success probability (1 + m)/(2 + m)) (semantics C22, C23).
pub(super) fn spike_p(x: i64, s: i64, m: i64) -> f64 {
    if x <= 0 {
        return 1.0;
    }
    let r = 0.5 + s as f64;
    let success = (1 + m) as f64 / (2 + m) as f64;
    let failure = 1.0 / (2 + m) as f64;
    let mut log_mass = r * libm::log(success);
    let mut tail = 0.0;
    for j in 0.. {
        let mass = libm::exp(log_mass);
        if j >= x {
            tail += mass;
            // Past the mean the masses fall at least geometrically.
            if j as f64 > r && mass < tail * 1e-18 {
                break;
            }
        }
        log_mass += libm::log((r + j as f64) / (j + 1) as f64 * failure);
    }
    tail
}

/// The whole 7-day blocks that end on D − 7 and start after F; below 2 the spike is unknown (semantics C21).
pub(super) fn spike_blocks(day: i64, founded: i64) -> i64 {
    (day - 7 - founded).div_euclid(7).min(8)
}
/// Year, month and day of the proleptic Gregorian calendar, counted from 1970-01-01 year by year.
pub(super) fn calendar(day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day.div_euclid(366).min(day.div_euclid(365));
    while first_day_of(year + 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rfind(|&month| first_day_of(year, month) <= day).unwrap_or(1);
    (year, month, day - first_day_of(year, month) + 1)
}

/// The day on which a month begins.
pub(super) fn first_day_of(year: i64, month: i64) -> i64 {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 477;
    (year - 1970) * 365 + leap_days + lengths[..month as usize - 1].iter().sum::<i64>()
}

/// `2026-02-14`.
pub(crate) fn date(day: i64) -> String {
    let (year, month, day) = calendar(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-W07`: the year of the week's Thursday, and how many Thursdays of it have come.
pub(super) fn iso_week(week: i64) -> String {
    let thursday = monday(week) + 3;
    let year = calendar(thursday).0;
    format!("{year:04}-W{:02}", (thursday - first_day_of(year, 1)) / 7 + 1)
}

/// An instant in milliseconds from RFC 3339 text or Unix time: in seconds, or in milliseconds from 10¹¹ on.
pub(super) fn instant(value: &Value) -> Option<i64> {
    if let Some(text) = value.as_str() {
        return rfc3339(text);
    }
    let unix = value.as_f64()?;
    Some(if unix.abs() >= 1e11 { unix.floor() } else { (unix * 1000.0).floor() } as i64)
}

pub(super) fn rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let digits: String = rest[..zone_at].trim_start_matches('.').chars().chain("000".chars()).take(3).collect();
    let zone = &rest[zone_at..];
    let offset = if zone.eq_ignore_ascii_case("z") {
        0
    } else {
        let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
        if zone.starts_with('-') { -minutes } else { minutes }
    };
    let days = first_day_of(year, (1..=12).contains(&month).then_some(month)?) + day - 1;
    Some(days * DAY + seconds * 1000 + digits.parse::<i64>().ok()? - offset * MINUTE)
}
