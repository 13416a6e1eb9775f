//! What signals and figures need of events: roles, and what their events must carry.

use super::meters::Meter;
use crate::model::{Field, Role};

/// The events without which a signal or figure can never have a value.
#[derive(Debug, Default)]
pub struct Needs {
    /// All of these, each from at least one of its sources.
    pub all: Vec<Vec<Source>>,
    /// Also activity of users.
    pub activity: bool,
    /// Also a mapping that says which features are premium.
    pub premium: bool,
}

/// Events of a role with all fields that are needed.
#[derive(Debug)]
pub struct Source {
    /// The role.
    pub role: Role,
    /// Only events that name a user.
    pub of_user: bool,
    /// What they must carry.
    pub parts: Vec<Part>,
}

/// Something that an event carries.
#[derive(Debug)]
pub enum Part {
    /// The use of a premium feature.
    Premium,
    /// A field that can be read as this.
    Field(Field, Is),
    /// One of these values, in lower case; `true`: or no binding of the field.
    OneOf(Field, Vec<String>, bool),
    /// A trait that only conditions name.
    Trait(String),
}

/// The value that a field must have to be useful.
#[derive(Clone, Copy, Debug)]
pub enum Is {
    /// Any value.
    Anything,
    /// A text.
    Text,
    /// A number.
    Number,
    /// A number above 0.
    Positive,
    /// `true` or `false`.
    Boolean,
    /// A number, or a text such as 51-200.
    Size,
    /// An e-mail address of a company.
    CompanyMail,
}

impl Source {
    /// Events of a role; `of_user`: only those that name a user.
    pub fn new(role: Role, of_user: bool, parts: Vec<Part>) -> Source {
        Source { role, of_user, parts }
    }
}

impl Needs {
    /// Any of these.
    pub fn any(sources: Vec<Source>) -> Needs {
        Needs { all: vec![sources], ..Needs::default() }
    }

    /// Events of one role.
    pub fn one(role: Role, of_user: bool, parts: Vec<Part>) -> Needs {
        Needs::any(vec![Source::new(role, of_user, parts)])
    }

    /// Activity of users, whatever they do.
    pub fn activity() -> Needs {
        Needs { activity: true, ..Needs::default() }
    }

    /// A field of what is known of an account.
    pub fn firmographics(field: Field, is: Is) -> Needs {
        Needs::one(Role::Firmographics, false, vec![Part::Field(field, is)])
    }

    /// A field of a subscription.
    pub fn subscription(field: Field, is: Is) -> Needs {
        Needs::one(Role::SubscriptionChanged, false, vec![Part::Field(field, is)])
    }

    /// Some fields of user traits, and user activity.
    pub fn profile(fields: &[(Field, Is)]) -> Needs {
        let source = |(field, is): &(Field, Is)| Source::new(Role::Profile, true, vec![Part::Field(*field, *is)]);
        Needs { all: vec![fields.iter().map(source).collect()], ..Needs::activity() }
    }

    /// The company size that users state is used if there is no other (semantics E19).
    pub fn employees() -> Needs {
        Needs::any(vec![
            Source::new(Role::Firmographics, false, vec![Part::Field(Field::Employees, Is::Size)]),
            Source::new(Role::Profile, false, vec![Part::Field(Field::CompanySize, Is::Size)]),
        ])
    }

    /// Both sources of the plan of an account.
    pub fn plan() -> Needs {
        let source = |role| Source::new(role, false, vec![Part::Field(Field::Plan, Is::Text)]);
        Needs::any(vec![source(Role::SubscriptionChanged), source(Role::Firmographics)])
    }

    /// Both sources of whether sales works on the account.
    pub fn open_opportunity() -> Needs {
        Needs::any(vec![
            Source::new(Role::Firmographics, false, vec![Part::Field(Field::OpenOpportunity, Is::Boolean)]),
            Source::new(Role::OpportunityCreated, false, Vec::new()),
        ])
    }

    /// Reports of how much of a quota is used.
    pub fn quota() -> Needs {
        let parts = vec![Part::Field(Field::Used, Is::Number), Part::Field(Field::Quota, Is::Positive)];
        Needs::one(Role::UsageReported, false, parts)
    }

    /// The events that a meter counts.
    pub fn meter(meter: &Meter) -> Needs {
        let only = meter.only.iter().map(|(field, values)| Part::OneOf(*field, values.clone(), false));
        let sum = meter.sum.map(|field| Part::Field(field, Is::Number));
        Needs::one(meter.role, false, only.chain(sum).collect())
    }

    /// The roles of the events, each once.
    pub fn roles(&self) -> Vec<Role> {
        let mut roles = Vec::new();
        for source in self.all.iter().flatten() {
            if !roles.contains(&source.role) {
                roles.push(source.role);
            }
        }
        roles
    }
}
