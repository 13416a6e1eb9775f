//! The filter of a signal: which events it reads.

use std::fmt::Write as _;

use crate::model::{Field, Role};
use crate::rules::needs::{Is, Needs, Part, Source};
use crate::rules::roles::word;

/// Which events feed a signal.
#[derive(Debug, Default, PartialEq)]
pub struct Filter {
    /// Of these roles.
    pub roles: Vec<Role>,
    /// With one of these values in each field.
    pub only: Vec<(Field, Vec<String>)>,
    /// The same where a mapping binds the field.
    pub where_bound: Vec<(Field, Vec<String>)>,
    /// Only of premium features.
    pub premium: bool,
}

impl Filter {
    /// The events, for people.
    pub(super) fn words(&self) -> String {
        let roles: Vec<String> = self.roles.iter().map(|role| word(*role)).collect();
        let mut words = format!("{} events", roles.join(" or "));
        if self.premium {
            words.push_str(" of premium features");
        }
        for (field, values) in &self.only {
            let _ = write!(words, " with {} {}", field.word(), values.join(" or "));
        }
        for (field, values) in &self.where_bound {
            let _ = write!(words, " with {} {} if the mapping binds it", field.word(), values.join(" or "));
        }
        words
    }

    /// Any of the events, and a text in this field of them.
    pub(super) fn needs(&self, of_user: bool, field: Option<Field>) -> Needs {
        let parts = || {
            let only = self.only.iter().map(|(field, values)| Part::OneOf(*field, values.clone(), false));
            let bound = self.where_bound.iter().map(|(field, values)| Part::OneOf(*field, values.clone(), true));
            let field = field.map(|field| Part::Field(field, Is::Text));
            only.chain(bound).chain(self.premium.then_some(Part::Premium)).chain(field).collect()
        };
        Needs::any(self.roles.iter().map(|role| Source::new(*role, of_user, parts())).collect())
    }
}
