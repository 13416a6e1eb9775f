//! The kind `distinct`: a number of distinct values of a field.

use super::about::{AT_ONCE, About, BOTH, Closes, Moments, Properties};
use super::filter::Filter;
use super::parameters::Parameters;
use super::words::{each_for, or_more};
use super::written::Scope;
use crate::model::Field;
use crate::rules::changes::Changes;
use crate::rules::needs::Needs;
use crate::text::duration;

pub(super) const ABOUT: About = About {
    written: "kind: distinct",
    scopes: BOTH,
    measures: "the number of distinct values of a field of events of some roles; of users, with `within`, only those seen \
              soon after sign-up",
    parameters: &["roles", "where", "where_bound", "premium", "of", "ttl", "within", "rungs"],
    on: AT_ONCE,
    off: "when the ttl of values ends and too few are left; without a ttl never",
    state: "about 70 bytes; 75 and its length for each of the values, as many as the highest rung asks for",
    timer: "the end of the ttl of each value, counted from its last event",
    example: "{ id: my.integrations, kind: distinct, scopes: [account], points: 10, in: [pqa], roles: \
              [integration_connected], of: integration, rungs: [3] }",
};

/// Parameters of distinct values.
#[derive(Debug, PartialEq)]
pub struct Distinct {
    /// Which events.
    pub filter: Filter,
    /// The field; where no mapping binds it and it is absent: the message id.
    pub field: Field,
    /// How long a value counts after it was last seen, in milliseconds; none: for life.
    pub ttl_ms: Option<i64>,
    /// Only values that are first seen within this time after sign-up, in milliseconds.
    pub within_ms: Option<i64>,
    /// The rungs: numbers of values.
    pub rungs: Vec<u32>,
}

impl Distinct {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Distinct, String> {
        let distinct = Distinct {
            filter: take.filter()?,
            field: take.field()?,
            ttl_ms: take.ttl()?,
            within_ms: take.take("within", &take.signal.within).map(|within| within.0),
            rungs: take.counts()?,
        };
        if distinct.within_ms.is_some() && take.signal.scopes.contains(&Scope::Account) {
            return Err("`within` goes by the sign-up of a user: it allows only scopes: [user]".to_owned());
        }
        Ok(distinct)
    }
}

impl Properties for Distinct {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        let within = self.within_ms.map(|it| format!(", only within {} of sign-up", duration(it)));
        let (field, events) = (self.field.word(), self.filter.words());
        let within = within.unwrap_or_default();
        format!("distinct values of {field} among {events}, {}{within}", each_for(self.ttl_ms))
    }

    fn steps(&self) -> Vec<String> {
        or_more(&self.rungs)
    }

    fn moments(&self) -> Moments {
        Moments::of_ttl(ABOUT, self.ttl_ms)
    }

    fn needs(&self, of_user: bool) -> Needs {
        // A feature has a name, unless it is premium; for other fields the id of the message is used if there is no value (semantics E13).
        let is_named = self.field == Field::Feature && !self.filter.premium;
        self.filter.needs(of_user, is_named.then_some(self.field))
    }

    fn rungs(&self) -> u8 {
        self.rungs.len() as u8
    }

    fn filter(&self) -> Option<&Filter> {
        Some(&self.filter)
    }

    fn known_by(&self) -> Changes {
        if self.within_ms.is_some() { Changes::SIGNED_UP } else { Changes::default() }
    }

    fn closes(&self) -> Option<Closes> {
        None
    }
}
