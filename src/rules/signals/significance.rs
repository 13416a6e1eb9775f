//! The parameter `significance` of trends.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::rules::forms::{self, Forms};

/// How far a trend must go.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Significance {
    /// `none`: a streak of three weeks is enough.
    #[schemars(with = "String", extend("const" = "none"))]
    None,
    /// Against the account's base level, or by slope.
    Tests(Tests),
}

impl Forms for Significance {
    const EXPECTED: &'static str = "none, or tests such as { above: 32, each: 10 }";

    fn text(text: &str) -> Option<Significance> {
        (text == "none").then_some(Significance::None)
    }

    fn keys<'de, D: Deserializer<'de>>(keys: D) -> Option<Result<Significance, D::Error>> {
        forms::whole(keys, Significance::Tests)
    }
}

forms::deserialize!(Significance);

/// The tests of a trend.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tests {
    /// Upward, of an account: how clearly the last two weeks together lie above the base level.
    above: Option<u32>,
    /// Upward, of an account: how clearly each of them does.
    each: Option<u32>,
    /// Downward, of an account: how clearly each of the last four weeks lies below it.
    below: Option<u32>,
    /// Downward, of an account: percent of the base level that none of them exceeds.
    share: Option<u32>,
    /// Of a user, and upward of an account whose base level is unknown: any of these slopes.
    slope: Option<Vec<Test>>,
}

/// A test of a slope.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// Weeks of strict change.
    streak: u32,
    /// Slope in standard deviations.
    z: f64,
}

/// How far weeks must lie from the base level B. U·V is the variance that users who come by chance would give a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelTest {
    /// The last two weeks above it: D²·U ≥ `both`·V and m²·U ≥ `each`·V, D = W(k) + W(k−1) − 2B and
    /// m = 2·min(W(k), W(k−1)) − 2B, both above 0.
    Above {
        /// Of both weeks together.
        both: u32,
        /// Of each of them.
        each: u32,
    },
    /// The last four weeks below it: m²·U ≥ `below`·V and 100·M ≤ `share`·B, M = max(W(k−3) … W(k)), m = B − M above 0.
    Below {
        /// Of the greatest of them.
        below: u32,
        /// Percent of the base level that none exceeds.
        share: u32,
    },
}

impl LevelTest {
    /// What growing means by default.
    pub const GROWING: LevelTest = LevelTest::Above { both: 32, each: 10 };
    /// What declining means by default.
    pub const DECLINING: LevelTest = LevelTest::Below { below: 12, share: 60 };
}

/// A test of a slope: weeks of strict change, and the slope in thousandths of its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlopeTest {
    /// Weeks of strict change.
    pub streak: u32,
    /// Thousandths of the slope's standard deviation.
    pub z_thousandths: u32,
}

impl SlopeTest {
    /// The slopes that count by default: any of them.
    pub const DEFAULT: [SlopeTest; 2] =
        [SlopeTest { streak: 3, z_thousandths: 3_000 }, SlopeTest { streak: 1, z_thousandths: 3_500 }];
}

/// The tests of a trend, as they are compiled.
pub(super) enum Compiled {
    /// A bare streak of three weeks.
    Streak,
    /// Against the account's base level, or by slope.
    Tests(LevelTest, Vec<SlopeTest>),
}

/// Compiles `significance` for users or accounts.
pub(super) fn compile(significance: &Significance, up: bool, of_users: bool) -> Result<Compiled, String> {
    let tests = match significance {
        Significance::None => return Ok(Compiled::Streak),
        Significance::Tests(tests) => tests,
    };
    // The kept days of a user show 7 changes from week to week, the weekly values of an account 12.
    let longest = if of_users { 7 } else { 12 };
    let slope = |test: &Test| {
        let thousandths = (test.z * 1_000.0).round();
        let fits = (0.0..=1e6).contains(&thousandths) && (test.z * 1_000.0 - thousandths).abs() < 1e-6;
        if fits && (1..=longest).contains(&test.streak) {
            Ok(SlopeTest { streak: test.streak, z_thousandths: thousandths as u32 })
        } else {
            Err(format!("significance: slope: streak 1 to {longest}, z 0 to 1000 in steps of 0.001"))
        }
    };
    let slopes = match &tests.slope {
        None => SlopeTest::DEFAULT.to_vec(),
        Some(slopes) if slopes.is_empty() => return Err("significance: slope is empty".to_owned()),
        Some(slopes) => slopes.iter().map(slope).collect::<Result<_, _>>()?,
    };
    let level = match (up, tests.above, tests.each, tests.below, tests.share) {
        (true, Some(both), Some(each), None, None) => LevelTest::Above { both, each },
        (false, None, None, Some(below), Some(share)) if share < 100 => LevelTest::Below { below, share },
        (false, None, None, Some(_), Some(share)) => {
            return Err(format!("significance: share is {share}: below 100 is allowed"));
        }
        // The slope alone is enough where it alone decides.
        (_, None, None, None, None) if of_users => {
            if up {
                LevelTest::GROWING
            } else {
                LevelTest::DECLINING
            }
        }
        (true, ..) => return Err("significance: expected above and each, as in { above: 32, each: 10 }".to_owned()),
        (false, ..) => {
            return Err("significance: expected below and share, as in { below: 12, share: 60 }".to_owned());
        }
    };
    if let LevelTest::Above { both: 0, .. } | LevelTest::Above { each: 0, .. } | LevelTest::Below { below: 0, .. } =
        level
    {
        return Err("significance: above, each and below must be at least 1".to_owned());
    }
    Ok(Compiled::Tests(level, slopes))
}
