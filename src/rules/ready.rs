//! Prepares an event for the fold: hashes its ids, and compiles the rules that it activates.

use std::ops::Deref;
use std::sync::Arc;

use super::error::Error;
use super::file::parse;
use super::plan::Plan;
use crate::model::{EventKind, Keys};
use crate::wire::Decoded;

/// One event of a record, ready for the fold: the rules that it activates are compiled.
#[derive(Debug)]
pub struct Ready<'a> {
    decoded: &'a Decoded<'a>,
    keys: Keys,
    /// Of an activation of rules the plan, or what the text says that is not allowed.
    rules: Option<Box<Result<Arc<Plan>, Error>>>,
}

impl<'a> Ready<'a> {
    /// Prepares an event for the fold.
    ///
    /// # Errors
    /// The event activates rules that this version of Upswell cannot compile and another one may: to go on without them
    /// would give other results. Rules that no version can follow are no error here; the fold refuses them.
    pub fn new(decoded: &'a Decoded<'a>) -> Result<Ready<'a>, Error> {
        let text = decoded.event.as_ref().ok().filter(|event| event.kind == EventKind::RulesActivation);
        let rules = text.map(|event| compile(&event.name)).transpose()?.map(Box::new);
        let keys = decoded.event.as_ref().map(Keys::of).unwrap_or_default();
        Ok(Ready { decoded, keys, rules })
    }

    /// What the event is found by; of one that cannot be read without a meaning.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The rules that the event activates, or why they are refused; none of any other event.
    pub fn rules(&self) -> Option<Result<&Arc<Plan>, &Error>> {
        self.rules.as_deref().map(Result::as_ref)
    }
}

/// Compiles activated rules. Inside: the plan, or why no version can follow them.
#[cold]
fn compile(text: &str) -> Result<Result<Arc<Plan>, Error>, Error> {
    match parse("the activated rules", text) {
        Err(mut error) if error.is_local => {
            error.what +=
                "; these rules were activated by a version of Upswell that knows it; fold the log with that version";
            Err(error)
        }
        rules => Ok(rules.map(Arc::new)),
    }
}

impl<'a> Deref for Ready<'a> {
    type Target = Decoded<'a>;

    fn deref(&self) -> &Decoded<'a> {
        self.decoded
    }
}
