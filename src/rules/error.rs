//! Errors in a rules file: the place, what was found and what is allowed, with the name that was probably meant.

use serde_saphyr::{Location, Spanned};

/// An invalid rules file: where the error is, what was found and what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Error {
    /// The file, and the line and column in it where they are known.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// Whether another version of Upswell may accept the same text, because the text names something that this version
    /// does not have.
    pub is_local: bool,
}

impl Error {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>) -> Error {
        Error { place: place.into(), what: what.into(), is_local: false }
    }
}

/// What is wrong, and where.
pub(super) type Wrong = (Location, String);

/// An error about a value of the file.
pub(super) fn wrong<T>(there: &Spanned<T>, what: impl Into<String>) -> Wrong {
    (there.referenced, what.into())
}

/// A place in a file. Mappings of a preset have none.
pub(super) fn place(name: &str, at: Location) -> String {
    let (line, column) = if at == Location::UNKNOWN { (1, 1) } else { (at.line(), at.column()) };
    format!("{name}:{line}:{column}")
}
