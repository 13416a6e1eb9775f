//! Errors in a rules file: the place, what was found and what is allowed, with the name that was probably meant.

use serde_saphyr::{Location, Spanned};

/// A rules file that cannot be followed: where, what was found, what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Error {
    /// The file, and the line and column in it where they are known.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// Whether another version of Upswell may follow the same text: it asks for something that this one does not have.
    pub is_local: bool,
}

impl Error {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>) -> Error {
        Error { place: place.into(), what: what.into(), is_local: false }
    }
}

/// What is wrong, and where.
pub(super) type Wrong = (Location, String);

/// Something that is wrong with what stands there.
pub(super) fn wrong<T>(there: &Spanned<T>, what: impl Into<String>) -> Wrong {
    (there.referenced, what.into())
}

/// A place in a file. What a preset brings does not stand there.
pub(super) fn place(name: &str, at: Location) -> String {
    let (line, column) = if at == Location::UNKNOWN { (1, 1) } else { (at.line(), at.column()) };
    format!("{name}:{line}:{column}")
}

/// An error about an unknown name, with the allowed one that is most like it. Parsers quote names differently: the
/// unknown one comes first, and what is allowed follows the word `expected`.
pub fn with_suggestion(what: &str) -> String {
    let names = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_alphanumeric() || "_.-".contains(c)))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let Some((before, after)) = what.split_once("expected").filter(|_| what.contains("unknown")) else {
        return what.to_owned();
    };
    let Some(found) = names(before).pop() else { return what.to_owned() };
    let allowed = names(after);
    format!("{what}{}", suggestion(&found, allowed.iter().map(String::as_str)))
}

/// The one of `names` that is most like `name`, as the end of a message; empty if none is near.
pub(super) fn suggestion<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let near = names.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, known)) if likeness > 0.75 => format!(": did you mean `{known}`?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_most_similar_name_is_suggested_however_names_are_quoted() {
        for what in [
            "unknown field `brokrs`, expected one of `group`, `brokers`",
            "unknown field `brokrs`, expected one of group, brokers",
            "unknown field: found `brokrs`, expected `one of `group`, `brokers``",
        ] {
            assert!(
                super::with_suggestion(what).ends_with(": did you mean `brokers`?"),
                "{}",
                super::with_suggestion(what)
            );
        }
        assert_eq!(
            super::with_suggestion("unknown field `x`, expected one of group, brokers").matches("did you").count(),
            0
        );
    }
}
