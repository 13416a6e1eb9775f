//! The kind `count`: a number of events of some roles.

use super::about::{AT_ONCE, About, BOTH, Closes, Moments, Properties};
use super::filter::Filter;
use super::parameters::Parameters;
use super::seen::Seen;
use super::words::or_more;

pub(super) const ABOUT: About = About {
    written: "kind: count",
    scopes: BOTH,
    measures: "the number of events of some roles",
    parameters: &["roles", "where", "where_bound", "premium", "ttl", "after", "rungs"],
    on: AT_ONCE,
    off: "when the ttl of events ends and too few are left; without a ttl never",
    state: "about 70 bytes; 8 for each of the newest events, as many as the highest rung asks for; up to four events as evidence",
    timer: "the end of the ttl of each event",
    example: "{ id: my.exports, kind: count, scopes: [account], points: [5, 10], in: [pqa], roles: [exported], ttl: \
              28d, rungs: [3, 10] }",
};

/// Parameters of a number of events.
#[derive(Debug, PartialEq)]
pub struct Count {
    /// Which events, and how long each counts.
    pub seen: Seen,
    /// The rungs: numbers of events.
    pub rungs: Vec<u32>,
}

impl Count {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Count, String> {
        Ok(Count { seen: Seen::compile(take)?, rungs: take.counts()? })
    }
}

impl Properties for Count {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, of_user: bool) -> String {
        self.seen.measures(of_user)
    }

    fn steps(&self) -> Vec<String> {
        or_more(&self.rungs)
    }

    fn moments(&self) -> Moments {
        Moments::of_ttl(ABOUT, self.seen.ttl_ms)
    }

    fn rungs(&self) -> u8 {
        self.rungs.len() as u8
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.seen.filter)
    }

    fn leaves_out_first(&self) -> Option<&Filter> {
        self.seen.leaves_out_first()
    }

    fn closes(&self) -> Option<Closes> {
        None
    }
}
