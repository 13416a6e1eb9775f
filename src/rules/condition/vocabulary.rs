//! What a condition may name, as its compiler asks for it.

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
    /// A list of so many items at most.
    Items(i64),
}

/// What a condition may name.
pub(in crate::rules) trait Vocabulary {
    /// What a dotted name stands for, `user.intent.pricing` say, and its type; none if there is no such name.
    fn find(&mut self, name: &str) -> Option<(Input, Type)>;

    /// What it can be.
    fn only(&self, name: &str) -> Only;

    /// What to say of a name that is none.
    fn unknown(&self, name: &str) -> String;
}
