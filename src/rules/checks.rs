//! Checks that several chapters share: ids, lists, shares, amounts of money and values of fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;

use super::forms::{self, Forms};
use crate::model::Field;
use crate::text::suggestion;

/// An id: messages, conditions and other rows of the file contain it.
pub(super) fn id(id: &str) -> Result<Arc<str>, String> {
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Err(format!("id is {id:?}: expected letters, digits, - and _, at least one"));
    }
    Ok(id.into())
}

/// A text that must not be empty.
pub(super) fn present(name: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err(format!("{name} is missing")) } else { Ok(()) }
}

/// A list must not be empty: it would match nothing, while a missing list matches everything.
pub(super) fn not_empty<T>(name: &str, list: Option<&[T]>) -> Result<(), String> {
    match list {
        Some([]) => Err(format!("{name} is empty, so it matches nothing: leave it out, or list at least one")),
        _ => Ok(()),
    }
}

/// The ids of a list, each of which must exist.
pub(super) fn known(
    what: &str,
    ids: &Option<Vec<String>>,
    there: &[&Arc<str>],
) -> Result<Option<Vec<Arc<str>>>, String> {
    not_empty(&format!("{what}s"), ids.as_deref())?;
    let find = |id: &String| {
        let found = there.iter().find(|known| known.as_ref() == id).map(|known| Arc::clone(known));
        found.ok_or_else(|| format!("there is no {what} {id}{}", suggestion(id, there.iter().map(|known| &***known))))
    };
    ids.as_ref().map(|ids| ids.iter().map(find).collect()).transpose()
}

/// An amount of money that is not negative.
pub(super) fn amount(name: &str, amount: f64) -> Result<f64, String> {
    if amount.is_finite() && amount >= 0.0 {
        return Ok(amount);
    }
    Err(format!("{name} is {amount}: 0 or more US dollars are allowed"))
}

pub(super) fn share(name: &str, share: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("{name} is {share}: 0 to 1 is allowed")) }
}

/// The field of that name.
pub(super) fn field(word: &str) -> Option<Field> {
    Field::ALL.into_iter().find(|field| field.word() == word)
}

/// A value that a field may have.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(super) enum Word {
    /// `true` or `false`.
    Boolean(bool),
    /// A text.
    Text(String),
}

impl Forms for Word {
    const EXPECTED: &'static str = "a text, true or false";

    fn boolean(is: bool) -> Option<Word> {
        Some(Word::Boolean(is))
    }

    fn text(text: &str) -> Option<Word> {
        Some(Word::Text(text.into()))
    }
}

forms::deserialize!(Word);

/// Values that fields may have, in lower case.
pub(super) fn words(name: &str, written: &BTreeMap<Field, Vec<Word>>) -> Result<Vec<(Field, Vec<String>)>, String> {
    let text = |word: &Word| match word {
        Word::Boolean(is) => is.to_string(),
        Word::Text(text) => text.trim().to_lowercase(),
    };
    let values = |(field, words): (&Field, &Vec<Word>)| {
        not_empty(&format!("{name}.{}", field.word()), Some(words))?;
        Ok((*field, words.iter().map(text).collect()))
    };
    written.iter().map(values).collect()
}
