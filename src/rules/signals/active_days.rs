//! The kind `active_days`: the user was active on a number of the last 7 days.

use super::about::{AT_DAY_CLOSE, About, Closes, NONE, Properties, USER};
use super::parameters::Parameters;
use super::words::or_more;
use crate::rules::changes::Changes;

pub(super) const ABOUT: About = About {
    written: "kind: active_days",
    scopes: USER,
    measures: "active on at least `days` of the last 7 days",
    parameters: &["days"],
    on: "at once, on the day that proves it",
    off: AT_DAY_CLOSE,
    state: "nothing of its own: the user's active days are kept anyway",
    timer: NONE,
    example: "{ id: my.daily, kind: active_days, scopes: [user], points: 20, in: [pql], days: 6 }",
};

/// Parameters of a user's active days.
#[derive(Debug, PartialEq)]
pub struct ActiveDays {
    /// The least number of active days, of the last 7: 1 to 7.
    pub days: u32,
}

impl ActiveDays {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<ActiveDays, String> {
        Ok(ActiveDays { days: take.days(7)? })
    }
}

impl Properties for ActiveDays {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        "active days of the last 7".into()
    }

    fn steps(&self) -> Vec<String> {
        or_more(&[self.days])
    }

    fn changes(&self) -> Changes {
        Changes::ACTIVE
    }

    fn is_measured_without_close(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}
