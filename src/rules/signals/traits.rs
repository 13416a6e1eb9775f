//! The kind `trait`: a trait of the account.

use super::about::{ACCOUNT, AT_DAY_CLOSE, AT_ONCE, About, Closes, NONE, Properties};
use super::parameters::Parameters;
use super::words::or_more;
use crate::model::Field;
use crate::rules::changes::Changes;
use crate::rules::checks::not_empty;
use crate::rules::needs::{Is, Needs};

pub(super) const AT_LEAST: About = About {
    written: "kind: trait, of: employees or lead_score",
    scopes: ACCOUNT,
    measures: "a number that is known of the account: at least as large as a rung",
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

/// A running active user is an executive.
#[derive(Debug, PartialEq)]
pub struct Executive;

impl Executive {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Executive, String> {
        take.need("of", &take.signal.of).map(|_| Executive)
    }
}

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

    fn is_of_company(&self) -> bool {
        true
    }

    fn measures(&self, _: bool) -> String {
        match self {
            TraitIs::Employees(_) => "employees, by firmographics, else as users state".into(),
            TraitIs::OneOf(field, _) | TraitIs::True(field) | TraitIs::AtLeast(field, _) => {
                format!("{} of the account", field.word())
            }
        }
    }

    fn steps(&self) -> Vec<String> {
        match self {
            TraitIs::Employees(rungs) | TraitIs::AtLeast(_, rungs) => or_more(rungs),
            TraitIs::OneOf(_, values) => vec![values.join(" or ")],
            TraitIs::True(_) => vec!["true".into()],
        }
    }

    fn needs(&self, _: bool) -> Needs {
        match self {
            TraitIs::Employees(_) => Needs::employees(),
            TraitIs::OneOf(field, _) => Needs::firmographics(*field, Is::Text),
            TraitIs::True(Field::OpenOpportunity) => Needs::open_opportunity(),
            TraitIs::True(field) => Needs::firmographics(*field, Is::Boolean),
            TraitIs::AtLeast(field, _) => Needs::firmographics(*field, Is::Number),
        }
    }

    fn ends_at_closes(&self) -> bool {
        false
    }

    fn is_measured_without_close(&self) -> bool {
        true
    }

    fn rungs(&self) -> u8 {
        match self {
            TraitIs::Employees(rungs) | TraitIs::AtLeast(_, rungs) => rungs.len() as u8,
            TraitIs::OneOf(..) | TraitIs::True(_) => 1,
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

    fn measures(&self, _: bool) -> String {
        "active users with an executive title, or with a product role that counts as one".into()
    }

    fn steps(&self) -> Vec<String> {
        or_more(&[1])
    }

    fn needs(&self, _: bool) -> Needs {
        Needs::profile(&[(Field::Title, Is::Text), (Field::Role, Is::Text)])
    }

    fn is_measured_without_close(&self) -> bool {
        true
    }

    fn changes(&self) -> Changes {
        Changes::CROWD
    }

    fn only_falls_at_closes(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}
