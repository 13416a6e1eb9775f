//! The kind `growth`: a trend of weekly values.

use super::about::{ACCOUNT, AT_DAY_CLOSE, About, BOTH, Closes, Moments, NONE, Properties};
use super::parameters::Parameters;
use super::significance::{self, Compiled, LevelTest, SlopeTest};
use super::written::{Direction, Scope};
use crate::rules::changes::Changes;

pub(super) const ABOUT: About = About {
    written: "kind: growth",
    scopes: BOTH,
    measures: "weekly active users clearly above or below the account's base level; for users, and for accounts whose base \
              level is unknown, the slope of active days or weekly users; unknown before four complete weeks (a decline of \
              an account: ten)",
    parameters: &["direction", "of", "significance"],
    on: "up: at the close of a week; down: at the close of a day, and not while inactive",
    off: "at the same closes",
    state: "nothing of its own: weekly values are kept anyway",
    timer: NONE,
    example: "{ id: my.surge, kind: growth, scopes: [account], points: 15, in: [pqa], direction: up, significance: \
              { above: 50, each: 16 } }",
};
pub(super) const BY_PERCENT: About = About {
    written: "kind: growth, of: ratio or new_users",
    scopes: ACCOUNT,
    measures: "`ratio`: the change of the last week's WAU by at least `at_least` percent; `new_users`: new users of 7 \
              days, in percent of active users",
    parameters: &["direction", "of", "at_least"],
    on: "as growth",
    off: "as growth",
    state: "nothing of its own: weekly values are kept anyway",
    timer: NONE,
    example: "{ id: my.jump, kind: growth, scopes: [account], points: 15, in: [pqa], direction: up, of: ratio, \
              at_least: 50 }",
};

/// Parameters of a trend.
#[derive(Debug, PartialEq)]
pub struct Growth {
    /// Upward or downward.
    pub up: bool,
    /// What decides it.
    pub by: GrowthBy,
}

/// How a trend is decided (semantics §3).
#[derive(Debug, PartialEq, Eq)]
pub enum GrowthBy {
    /// The last weeks lie clearly above or below the account's base level; of a user, and of an account while that is
    /// unknown, any of the slopes.
    Level(LevelTest, Vec<SlopeTest>),
    /// A streak of three weeks of strict change.
    Streak,
    /// The change of the last week in percent of the week before.
    Ratio(u32),
    /// New users of the last 7 days in percent of the active users.
    Newcomers(u32),
}

impl GrowthBy {
    /// The test, for people.
    fn words(&self, of_user: bool) -> String {
        let slope = |test: &SlopeTest| {
            let weeks =
                if test.streak == 1 { "the last week".to_owned() } else { format!("{} weeks in a row", test.streak) };
            format!("{weeks}, with a slope of {} standard deviations", f64::from(test.z_thousandths) / 1_000.0)
        };
        let any = |slopes: &[SlopeTest]| slopes.iter().map(slope).collect::<Vec<_>>().join("; or ");
        match self {
            GrowthBy::Level(_, slopes) if of_user => any(slopes),
            GrowthBy::Level(LevelTest::Above { both, each }, slopes) => format!(
                "two weeks clearly above the base level (above {both}, each {each}); before seven complete weeks: {}",
                any(slopes)
            ),
            GrowthBy::Level(LevelTest::Below { below, share }, _) => {
                format!("four weeks clearly below the base level, at no more than {share} % of it (below {below})")
            }
            GrowthBy::Streak => "3 weeks in a row".to_owned(),
            GrowthBy::Ratio(percent) => format!("by {percent} % in the last week"),
            GrowthBy::Newcomers(percent) => format!("new users of 7 days are {percent} % of the active users"),
        }
    }
}

impl Growth {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Growth, String> {
        let signal = take.signal;
        let up = take.need("direction", &signal.direction)? == Direction::Up;
        let by = match take.take("of", &signal.of).as_deref() {
            None => {
                take.taken.push("significance");
                let significance = signal.significance.as_ref().ok_or_else(|| take.missing("significance"))?;
                match significance::compile(significance, up, take.scope == Scope::User)? {
                    Compiled::Streak => GrowthBy::Streak,
                    Compiled::Tests(level, slopes) => GrowthBy::Level(level, slopes),
                }
            }
            Some(by) => {
                let percent = take.need("at_least", &signal.at_least)?;
                if percent > 10_000 {
                    return Err(format!("at_least is {percent}: at most 10000 percent is allowed"));
                }
                match (by, take.scope) {
                    ("ratio", Scope::Account) => GrowthBy::Ratio(percent),
                    ("new_users", Scope::Account) if up => GrowthBy::Newcomers(percent),
                    _ => {
                        return Err("of: expected ratio, or with direction up new_users, both for accounts only".into());
                    }
                }
            }
        };
        Ok(Growth { up, by })
    }
}

impl Properties for Growth {
    fn about(&self) -> About {
        match self.by {
            GrowthBy::Ratio(_) | GrowthBy::Newcomers(_) => BY_PERCENT,
            GrowthBy::Level(..) | GrowthBy::Streak => ABOUT,
        }
    }

    fn measures(&self, of_user: bool) -> String {
        let way = if self.up { "up" } else { "down" };
        let what = if of_user { "the user's active days a week" } else { "weekly active users" };
        format!("{what} going {way}: {}", self.by.words(of_user))
    }

    fn moments(&self) -> Moments {
        if self.up {
            Moments::new("at the close of a week", "at the close of a week", ABOUT.timer)
        } else {
            let on = "at the close of a day, and not while inactive";
            Moments::new(on, AT_DAY_CLOSE, ABOUT.timer)
        }
    }

    fn known_by(&self) -> Changes {
        match self.by {
            GrowthBy::Newcomers(_) => Changes::KNOWN.and(Changes::COUNTING),
            _ => Changes::KNOWN,
        }
    }

    fn is_known_in_time(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(if self.up { Closes::Week } else { Closes::Day })
    }

    fn restless_days(&self) -> i32 {
        // Four complete weeks may end so late after the founding day.
        if self.up { 35 } else { 0 }
    }
}
