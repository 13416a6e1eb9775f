//! Reads YAML. Every error has a place, and says what was found there and what is expected.

use serde_saphyr::{DefaultMessageFormatter, Error as Fault, Location, MessageFormatter};

use super::error::{Error, place};
use crate::text::unknown;

/// Reads a YAML file of ours: unknown keys are refused with a suggestion, and every error has its line.
///
/// # Errors
/// The text is not what `T` allows.
pub fn read_yaml<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|fault| {
        let fault = fault.without_snippet();
        let what = describe(fault, text);
        match fault.location() {
            Some(at) => Error::new(place(name, at), what),
            None => Error::new(name, what),
        }
    })
}

/// The keys after which a condition stands.
const CONDITIONS: [&str; 2] = ["when:", "above:"];

/// What is wrong, for somebody who writes rules.
fn describe(fault: &Fault, text: &str) -> String {
    let Some(at) = fault.location() else { return expectation(fault, None) };
    match fault {
        Fault::AliasError { error, .. } => describe(error, text),
        Fault::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
        Fault::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        Fault::DuplicateMappingKey { key: Some(key), .. } => format!("the key `{key}` is used twice"),
        Fault::DuplicateMappingKey { key: None, .. } => "a key is used twice".into(),
        Fault::MultipleDocuments { .. } => "`---` begins a second document: expected one document".into(),
        Fault::Eof { .. } => "the text ends here: expected keys with values".into(),
        // `[`, `:` and quotes in a condition without quotes make it invalid.
        Fault::ExternalMessage { msg, .. } => match condition_before(at, text) {
            Some(key) => format!("invalid YAML: {msg}: write the condition after `{key}` in quotes"),
            None => format!("invalid YAML: {msg}"),
        },
        fault => match (fault, key_of(at, text)) {
            (Fault::SerdeUnknownVariant { variant, expected, .. }, Some(key)) if key == variant => {
                unknown("key", key, expected)
            }
            (fault, Some(key)) => format!("{key}: {}", expectation(fault, found(at, text))),
            (fault, None) => expectation(fault, found(at, text)),
        },
    }
}

/// What is wrong with a value.
fn expectation(fault: &Fault, found: Option<String>) -> String {
    let expected = match fault {
        Fault::SerdeInvalidType { unexpected, expected, .. }
        | Fault::SerdeInvalidValue { unexpected, expected, .. } => {
            return format!("expected {expected}, found {unexpected}");
        }
        Fault::SerdeUnknownVariant { variant, expected, .. } => return unknown("value", variant, expected),
        Fault::NullIntoString { .. } => return "expected a text, found nothing".into(),
        Fault::InvalidScalar { ty: "boolean", .. } | Fault::InvalidBooleanStrict { .. } => "true or false",
        Fault::InvalidScalar { ty: "u8", .. } => "a whole number from 0 to 255",
        Fault::InvalidScalar { ty: "u16", .. } => "a whole number from 0 to 65535",
        Fault::InvalidScalar { ty, .. } if ty.starts_with('u') => "a whole number from 0",
        Fault::InvalidScalar { ty, .. } if ty.starts_with('i') => "a whole number",
        Fault::InvalidScalar { .. } => "a number",
        Fault::Unexpected { expected: "sequence start", .. } => "a list, for example [a, b]",
        Fault::Unexpected { expected: "mapping start", .. } => "keys with values, for example { a: 1 }",
        Fault::Unexpected { expected: "string scalar", .. }
        | Fault::ExternallyTaggedEnumExpectedScalarOrMapping { .. }
        | Fault::UnexpectedValueForUnitEnumVariant { .. } => "a single value",
        fault => return DefaultMessageFormatter.format_message(fault).into_owned(),
    };
    match found {
        Some(found) => format!("expected {expected}, found {found}"),
        None => format!("expected {expected}"),
    }
}

/// The value at a place, as it is written; of a list or of keys only that it is one.
fn found(at: Location, text: &str) -> Option<String> {
    let (rest, token) = token(at, text)?;
    Some(match token {
        "{" => "keys with values".into(),
        "[" => "a list".into(),
        "" if rest.starts_with('-') => "a list".into(),
        "" => "keys with values".into(),
        token => {
            let line: String = token.lines().next().unwrap_or_default().chars().take(60).collect();
            format!("`{line}`{}", if line.len() < token.len() { " …" } else { "" })
        }
    })
}

/// The key at a place, or the key whose value is there.
fn key_of(at: Location, text: &str) -> Option<&str> {
    let (rest, token) = token(at, text)?;
    let is_key = !token.is_empty() && rest[token.len()..].starts_with(':');
    let before = text[..text.len() - rest.len()].trim_end();
    let key = if is_key { token } else { before.strip_suffix(':')?.rsplit([' ', '{', ',', '\n']).next()? };
    let is_word = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.$".contains(c));
    Some(key).filter(|key| is_word(key))
}

/// The text from a place on, and the token that begins there.
fn token(at: Location, text: &str) -> Option<(&str, &str)> {
    let (from, length) = at.span().byte_offset().zip(at.span().byte_len())?;
    let rest = text.get(usize::try_from(from).ok()?..)?;
    Some((rest, rest.get(..usize::try_from(length).ok()?)?))
}

/// The key of a condition that stands before a place in its line.
fn condition_before(at: Location, text: &str) -> Option<&'static str> {
    let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let before: String = text.lines().nth(index(at.line()))?.chars().take(index(at.column())).collect();
    CONDITIONS.into_iter().find(|key| before.contains(key))
}

/// A condition that begins with `!` outside of quotes is a tag of YAML, which drops it without a word.
pub(super) fn refuse_tags(name: &str, text: &str) -> Result<(), Error> {
    for (number, line) in (1..).zip(text.lines()) {
        for key in CONDITIONS {
            let Some((before, after)) = line.split_once(key) else { continue };
            let is_key = before.trim_start_matches([' ', '-']).is_empty() || before.trim_end().ends_with(['{', ',']);
            let condition = after.trim_start();
            if is_key && condition.starts_with('!') && !condition.starts_with("!!") {
                let column = line.chars().count() - condition.chars().count() + 1;
                let place = format!("{name}:{number}:{column}");
                let what = format!("write the condition after `{key}` in quotes: `!` is a tag of YAML");
                return Err(Error::new(place, what));
            }
        }
    }
    Ok(())
}
