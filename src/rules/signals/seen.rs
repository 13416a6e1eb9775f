//! The kind `seen`: an event of some roles.

use super::about::{AT_ONCE, About, BOTH, Closes, Moments, Properties};
use super::filter::Filter;
use super::parameters::Parameters;
use super::words::each_for;
use crate::text::duration;

pub(super) const ABOUT: About = About {
    written: "kind: seen",
    scopes: BOTH,
    measures: "an event of some roles",
    parameters: &["roles", "where", "where_bound", "premium", "ttl", "after"],
    on: AT_ONCE,
    off: "when the ttl of the newest event ends; without a ttl never",
    state: "about 70 bytes; up to four events as evidence, 50 bytes and a message id each",
    timer: "the end of the ttl",
    example: "{ id: my.export, kind: seen, scopes: [user], points: 5, in: [pql, pqa], roles: [exported], ttl: 90d }",
};

/// Parameters of a seen role.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Which events.
    pub filter: Filter,
    /// How long each counts, in milliseconds; none: for life.
    pub ttl_ms: Option<i64>,
    /// Events within this time after the first meaningful event of the account do not count, in milliseconds.
    pub after_founding_ms: i64,
}

impl Seen {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Seen, String> {
        Ok(Seen {
            filter: take.filter()?,
            ttl_ms: take.ttl()?,
            after_founding_ms: take.take("after", &take.signal.after).map_or(0, |after| after.0),
        })
    }
}

impl Properties for Seen {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        let after = match self.after_founding_ms {
            0 => String::new(),
            after => format!(", but not within {} of the first activity of the account", duration(after)),
        };
        format!("{}, {}{after}", self.filter.words(), each_for(self.ttl_ms))
    }

    fn moments(&self) -> Moments {
        Moments::of_ttl(ABOUT, self.ttl_ms)
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn leaves_out_first(&self) -> Option<&Filter> {
        self.filter().filter(|_| self.after_founding_ms > 0)
    }

    fn closes(&self) -> Option<Closes> {
        None
    }
}
