//! The kind `stickiness`: the mean active share of the last 28 days.

use super::about::{AT_DAY_CLOSE, About, BOTH, Closes, NONE, Properties};
use super::parameters::{Parameters, RUNGS_MAX};
use crate::rules::changes::Changes;

pub(super) const ABOUT: About = About {
    written: "kind: stickiness",
    scopes: BOTH,
    measures: "the mean share of active users on a day (DAU/MAU) over the last 28 days, above a percentage; unknown in \
               the first week",
    parameters: &["above_percent"],
    on: AT_DAY_CLOSE,
    off: AT_DAY_CLOSE,
    state: "nothing of its own: it is computed from active days",
    timer: NONE,
    example: "{ id: my.habit, kind: stickiness, scopes: [account], points: [5, 10, 20], above_percent: [20, 40, 60] \
              }",
};

/// Parameters of stickiness.
#[derive(Debug, PartialEq)]
pub struct Stickiness {
    /// The rungs: the share must be above this number of percent.
    pub above_percent: Vec<u32>,
}

impl Stickiness {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Stickiness, String> {
        let above = take.need("above_percent", &take.signal.above_percent)?;
        let rising = above.is_sorted_by(|a, b| a < b) && above.iter().all(|percent| *percent < 100);
        if !(1..=RUNGS_MAX).contains(&above.len()) || !rising {
            return Err(format!("above_percent must be 1 to {RUNGS_MAX} rising numbers below 100"));
        }
        Ok(Stickiness { above_percent: above })
    }
}

impl Properties for Stickiness {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        "the mean active share of the last 28 days (DAU/MAU)".into()
    }

    fn steps(&self) -> Vec<String> {
        self.above_percent.iter().map(|percent| format!("more than {percent} %")).collect()
    }

    fn rungs(&self) -> u8 {
        self.above_percent.len() as u8
    }

    fn known_by(&self) -> Changes {
        Changes::KNOWN
    }

    fn is_known_in_time(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}
