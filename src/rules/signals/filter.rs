//! The filter of a signal: which events it reads.

use crate::model::{Field, Role};

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
