//! The kind `distinct` of `session`: a number of sessions of events.

use super::about::{AT_ONCE, About, Closes, Properties, USER};
use super::filter::Filter;
use super::parameters::Parameters;
use super::words::{each_for, or_more};
use super::written::Scope;
use crate::text::duration;

pub(super) const ABOUT: About = About {
    written: "kind: distinct, of: session",
    scopes: USER,
    measures: "the number of sessions of events of some roles; one ends after `gap` of silence, and without a gap each \
              event is one",
    parameters: &["of", "roles", "where", "where_bound", "premium", "gap", "ttl", "rungs"],
    on: AT_ONCE,
    off: "when the ttl of sessions ends and too few are left; at the next close of a day where a late event joins \
              two",
    state: "about 70 bytes; 16 a session; up to four events as evidence",
    timer: "the end of the ttl of each session, counted from its last event",
    example: "{ id: my.terms, kind: distinct, scopes: [user], points: 10, in: [pql], roles: [terms_viewed], of: \
              session, gap: 30m, ttl: 30d, rungs: [2] }",
};

/// Parameters of sessions.
#[derive(Debug, PartialEq)]
pub struct Sessions {
    /// Which events.
    pub filter: Filter,
    /// Milliseconds without such an event after which a session ends; 0: every event is a session.
    pub gap_ms: i64,
    /// How long a session counts after its last event, in milliseconds.
    pub ttl_ms: i64,
    /// The rungs: numbers of sessions.
    pub rungs: Vec<u32>,
}

impl Sessions {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Sessions, String> {
        take.taken.push("of");
        if take.scope == Scope::Account {
            return Err("scopes: only users have sessions".into());
        }
        Ok(Sessions {
            filter: take.filter()?,
            gap_ms: take.take("gap", &take.signal.gap).map_or(0, |gap| gap.0),
            ttl_ms: take.length("ttl", take.signal.ttl)?,
            rungs: take.counts()?,
        })
    }
}

impl Properties for Sessions {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        let parted = match self.gap_ms {
            0 => "each event is a session".to_owned(),
            gap => format!("a session ends after {} without such an event", duration(gap)),
        };
        format!("sessions of {}, {parted}, {}", self.filter.words(), each_for(Some(self.ttl_ms)))
    }

    fn steps(&self) -> Vec<String> {
        or_more(&self.rungs)
    }

    fn rungs(&self) -> u8 {
        self.rungs.len() as u8
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn closes(&self) -> Option<Closes> {
        None
    }
}
