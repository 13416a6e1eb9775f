//! The kind `trait`: a trait of the account.

use super::about::{ACCOUNT, AT_DAY_CLOSE, AT_ONCE, About, Closes, NONE, Properties};
use super::parameters::Parameters;
use crate::model::{Field, Role};
use crate::rules::changes::Changes;
use crate::rules::checks::not_empty;
use crate::rules::meters::Meter;

pub(super) const AT_LEAST: About = About {
    written: "kind: trait, of: employees or lead_score",
    scopes: ACCOUNT,
    measures: "a number that is known of the account, at least so large",
    parameters: &["of", "rungs"],
    on: AT_ONCE,
    off: AT_DAY_CLOSE,
    state: "the trait, kept anyway and never forgotten with activity",
    timer: NONE,
    example: "{ id: my.lead, kind: trait, scopes: [account], points: 10, in: [pqa], of: lead_score, rungs: [50] }",
};
pub(super) const ONE_OF: About = About {
    written: "kind: trait, of: industry, country or territory",
    scopes: ACCOUNT,
    measures: "a text that is known of the account, one of these without regard to case",
    parameters: &["of", "one_of"],
    example: "{ id: my.region, kind: trait, scopes: [account], points: 5, in: [pqa], of: country, one_of: [DE, AT, \
              CH] }",
    ..AT_LEAST
};
pub(super) const TRUE: About = About {
    written: "kind: trait, of: icp, target or open_opportunity",
    scopes: ACCOUNT,
    measures: "something that is true of the account",
    parameters: &["of"],
    example: "{ id: my.target, kind: trait, scopes: [account], points: 10, in: [pqa], of: target }",
    ..AT_LEAST
};
pub(super) const EXECUTIVE: About = About {
    written: "kind: trait, of: executives",
    scopes: ACCOUNT,
    measures: "an active user with an executive title, or with a role in the product that counts as one (`traits`)",
    parameters: &["of"],
    on: AT_ONCE,
    off: AT_DAY_CLOSE,
    state: "nothing of its own: executives are counted anyway",
    timer: NONE,
    example: "{ id: my.boss, kind: trait, scopes: [account], points: 10, in: [pqa], of: executives }",
};

/// What a trait must be.
#[derive(Debug, PartialEq)]
pub enum TraitIs {
    /// Employees, a ladder.
    Employees(Vec<f64>),
    /// A text, one of these, in lower case.
    OneOf(Field, Vec<String>),
    /// True.
    True(Field),
    /// A number, a ladder.
    AtLeast(Field, Vec<f64>),
}

/// A running active user is an executive: a trait of the account that its users tell.
#[derive(Debug)]
pub(super) struct Executive;

impl TraitIs {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<TraitIs, String> {
        let field = take.field()?;
        let is = match (field, &take.signal.one_of, &take.signal.rungs) {
            (Field::Employees, None, Some(_)) => TraitIs::Employees(take.ladder()?),
            (Field::LeadScore, None, Some(_)) => TraitIs::AtLeast(field, take.ladder()?),
            (Field::Industry | Field::Country | Field::Territory, Some(values), None) => {
                take.taken.push("one_of");
                not_empty("one_of", Some(values))?;
                TraitIs::OneOf(field, values.iter().map(|value| value.trim().to_lowercase()).collect())
            }
            (Field::Icp | Field::Target | Field::OpenOpportunity, None, None) => TraitIs::True(field),
            _ => {
                return Err(
                    "a trait is employees or lead_score with rungs, industry, country or territory with one_of, \
                        or icp, target or open_opportunity"
                        .into(),
                );
            }
        };
        Ok(is)
    }
}

impl Properties for TraitIs {
    fn about(&self) -> About {
        match self {
            TraitIs::Employees(_) | TraitIs::AtLeast(..) => AT_LEAST,
            TraitIs::OneOf(..) => ONE_OF,
            TraitIs::True(_) => TRUE,
        }
    }

    fn rungs(&self) -> u8 {
        match self {
            TraitIs::Employees(rungs) | TraitIs::AtLeast(_, rungs) => rungs.len() as u8,
            TraitIs::OneOf(..) | TraitIs::True(_) => 1,
        }
    }

    fn roles(&self, _meters: &[Meter]) -> Vec<Role> {
        match self {
            // What users say of their company stands in where nobody else says how large it is (semantics E19).
            TraitIs::Employees(_) => vec![Role::Firmographics, Role::Profile],
            _ => vec![Role::Firmographics],
        }
    }

    fn changes(&self) -> Changes {
        Changes::TRAITS
    }

    fn known_by(&self) -> Changes {
        self.changes()
    }

    fn only_falls_at_closes(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}

impl Properties for Executive {
    fn about(&self) -> About {
        EXECUTIVE
    }

    fn roles(&self, _meters: &[Meter]) -> Vec<Role> {
        vec![Role::Profile]
    }

    fn changes(&self) -> Changes {
        Changes::ACTIVE_USERS
    }

    fn only_falls_at_closes(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}
