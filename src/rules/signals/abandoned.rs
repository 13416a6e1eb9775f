//! The kind `abandoned`: a user started something, and nobody completed it in time.

use super::about::{About, Closes, Moments, Properties, USER};
use super::parameters::Parameters;
use crate::model::Role;
use crate::rules::needs::{Needs, Source};
use crate::rules::roles::word;
use crate::text::duration;

pub(super) const ABOUT: About = About {
    written: "kind: abandoned",
    scopes: USER,
    measures: "something started and not completed by anyone of the account within `after`",
    parameters: &["roles", "after", "ttl"],
    on: "when `after` has passed since the latest start",
    off: "at a completion, or after the ttl",
    state: "about 70 bytes; up to four events as evidence",
    timer: "the end of the wait, then the end of the ttl",
    example: "{ id: my.checkout, kind: abandoned, scopes: [user], points: 25, in: [pql], roles: [upgrade_started, \
              upgrade_completed], after: 2d, ttl: 30d }",
};

/// Parameters of something abandoned.
#[derive(Debug, PartialEq)]
pub struct Abandoned {
    /// Starts it.
    pub start: Role,
    /// Completes it, by anyone of the account.
    pub complete: Role,
    /// How long it may take, in milliseconds.
    pub after_ms: i64,
    /// How long it counts, in milliseconds.
    pub ttl_ms: i64,
}

impl Abandoned {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Abandoned, String> {
        let (start, complete) = take.two_roles()?;
        let after_ms = take.length("after", take.signal.after)?;
        Ok(Abandoned { start, complete, after_ms, ttl_ms: take.length("ttl", take.signal.ttl)? })
    }
}

impl Properties for Abandoned {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        let (start, complete) = (word(self.start), word(self.complete));
        let (after, ttl) = (duration(self.after_ms), duration(self.ttl_ms));
        format!("{start}, and no {complete} by anyone of the account within {after}; it counts for {ttl}")
    }

    fn moments(&self) -> Moments {
        let on = ABOUT.on.replace("`after` has", &format!("{} have", duration(self.after_ms)));
        Moments::new(&on, ABOUT.off, ABOUT.timer)
    }

    fn needs(&self, of_user: bool) -> Needs {
        Needs::any(vec![Source::new(self.start, of_user, Vec::new())])
    }

    fn completed_by(&self) -> Option<Role> {
        Some(self.complete)
    }

    fn fed_by(&self) -> Vec<Role> {
        vec![self.start]
    }

    fn closes(&self) -> Option<Closes> {
        None
    }
}
