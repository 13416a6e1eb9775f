//! The rules file → a checked, compiled plan that the engine follows: roles, signals, triggers and rails as data.

mod compile;
mod expression;
mod file;
mod kinds;
mod plan;
mod roles;
mod template;

use std::path::Path;
use std::sync::{Arc, LazyLock};

pub use expression::{Type, Value};
pub use kinds::{About, KINDS};
pub use plan::*;
pub use roles::{RoleSet, Roles, word as role_name};
pub use template::Template;

/// The default rules pack, as text.
pub const DEFAULT: &str = include_str!("default.yaml");

/// A rules file that cannot be followed: where, what was found, what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Error {
    /// The file, and the line and column in it where they are known.
    pub place: String,
    /// What is wrong.
    pub what: String,
}

/// The default rules, compiled.
pub fn default_plan() -> Arc<Plan> {
    static PLAN: LazyLock<Arc<Plan>> =
        LazyLock::new(|| Arc::new(parse("the default rules", DEFAULT).expect("the embedded rules are tested")));
    Arc::clone(&PLAN)
}

/// The rules of the file at `path`; without one the default rules.
///
/// # Errors
/// The file cannot be read, or says something that is not allowed.
pub fn load(path: Option<&Path>) -> Result<Arc<Plan>, Error> {
    let Some(path) = path else { return Ok(default_plan()) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| Error { place: name.clone(), what: error.to_string() })?;
    parse(&name, &text).map(Arc::new)
}

/// Reads a YAML file of ours: unknown keys are refused with a suggestion, and every error has its line.
///
/// # Errors
/// The text is not what `T` allows.
pub fn read_yaml<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map_or(name.to_owned(), |at| format!("{name}:{}:{}", at.line(), at.column()));
        Error { place, what: with_suggestion(&error.without_snippet().to_string()) }
    })
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
    let near = names(after)
        .into_iter()
        .map(|allowed| (strsim::jaro_winkler(&found, &allowed), allowed))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, allowed)) if likeness > 0.75 => format!("{what}: did you mean `{allowed}`?"),
        _ => what.to_owned(),
    }
}

/// The rules in `text`; `name` says where it is from.
///
/// # Errors
/// The text says something that is not allowed.
pub fn parse(name: &str, text: &str) -> Result<Plan, Error> {
    read_yaml(name, text).and_then(|file| compile::compile(name, text, file))
}

/// The JSON Schema of a rules file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(file::File).to_value()
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
