//! The interface by which the compiler of conditions finds the names that a condition may use.

use crate::rules::inputs::{Input, Type};

/// What a name can be beyond its type.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::rules) enum Only {
    /// Anything.
    Any,
    /// One of these words.
    Words(Vec<String>),
    /// A text in lower case.
    LowerCase,
    /// A number from 0 to this one.
    UpTo(i64),
    /// A list with at most this number of items.
    Items(i64),
}

/// What a condition may name.
pub(in crate::rules) trait Vocabulary {
    /// The input and the type of a dotted name such as `user.intent.pricing`; none if there is no such name.
    fn find(&mut self, name: &str) -> Option<(Input, Type)>;

    /// What it can be.
    fn only(&self, name: &str) -> Only;

    /// The error message for an unknown name.
    fn unknown(&self, name: &str) -> String;
}
