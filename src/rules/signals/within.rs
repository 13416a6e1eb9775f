//! The kind `within`: one role within a time after another.

use super::about::{AT_ONCE, About, Closes, NONE, Properties, USER};
use super::parameters::Parameters;
use crate::model::Role;
use crate::rules::changes::Changes;
use crate::rules::needs::{Needs, Source};
use crate::rules::roles::word;
use crate::text::duration;

pub(super) const ABOUT: About = About {
    written: "kind: within",
    scopes: USER,
    measures: "the second of two roles less than `within` after the first, in whatever order the events come; today \
              only signed_up and activated",
    parameters: &["roles", "within"],
    on: AT_ONCE,
    off: "never in this life of the user",
    state: "about 70 bytes; 8 for each of up to 16 instants that may still count; up to four events as evidence",
    timer: NONE,
    example: "{ id: my.quick_start, kind: within, scopes: [user], points: 10, in: [pql], roles: [signed_up, \
              activated], within: 1d }",
};

/// Parameters of one role after another.
#[derive(Debug, PartialEq)]
pub struct Within {
    /// The first.
    pub first: Role,
    /// The other.
    pub then: Role,
    /// Less than this later, in milliseconds.
    pub within_ms: i64,
}

impl Within {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Within, String> {
        let (first, then) = take.two_roles()?;
        if (first, then) != (Role::SignedUp, Role::Activated) {
            return Err("roles: only [signed_up, activated] is supported so far".into());
        }
        Ok(Within { first, then, within_ms: take.length("within", take.signal.within)? })
    }
}

impl Properties for Within {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        format!("{} less than {} after {}", word(self.then), duration(self.within_ms), word(self.first))
    }

    fn needs(&self, of_user: bool) -> Needs {
        let role = |role: Role| vec![Source::new(role, of_user, Vec::new())];
        Needs { all: vec![role(self.first), role(self.then)], ..Needs::default() }
    }

    fn fed_by(&self) -> Vec<Role> {
        vec![self.first, self.then]
    }

    fn known_by(&self) -> Changes {
        Changes::SIGNED_UP
    }

    fn closes(&self) -> Option<Closes> {
        None
    }
}
