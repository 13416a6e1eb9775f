//! The kind `idle` of a user: no activity for days.

use super::about::{AT_DAY_CLOSE, About, Closes, NONE, Properties, USER};
use super::parameters::Parameters;
use super::words::or_more;
use crate::rules::changes::Changes;

pub(super) const ABOUT: About = About {
    written: "kind: idle",
    scopes: USER,
    measures: "no activity in the last `days` days, by somebody who was active before",
    parameters: &["days"],
    on: AT_DAY_CLOSE,
    off: "at once, with the next activity",
    state: "nothing of its own: the user's active days are kept anyway",
    timer: NONE,
    example: "{ id: my.gone, kind: idle, scopes: [user], points: -10, in: [pql], days: 14 }",
};

/// Parameters of a user's absence.
#[derive(Debug, PartialEq)]
pub struct Idle {
    /// The number of days without activity, 1 to 28.
    pub days: u32,
}

impl Idle {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Idle, String> {
        Ok(Idle { days: take.days(28)? })
    }
}

impl Properties for Idle {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        "days without activity, of a user who was active before".into()
    }

    fn steps(&self) -> Vec<String> {
        or_more(&[self.days])
    }

    fn changes(&self) -> Changes {
        Changes::ACTIVE
    }

    fn known_by(&self) -> Changes {
        Changes::KNOWN
    }

    fn is_known_in_time(&self) -> bool {
        true
    }

    fn is_absence(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}
