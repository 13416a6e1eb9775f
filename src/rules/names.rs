//! Resolves the names in conditions: figures, signals, traits, and fields of the event.

use super::checks::field;
use super::condition::{Condition, Only, Vocabulary};
use super::inputs::{Figure, Input, SignalRef, Type, WEEKS_KNOWN};
use super::scores::BANDS;
use super::signals::{Signal, Signals, slot};
use crate::model::Field;
use crate::text::suggestion;

/// What rules can name.
#[derive(Default)]
pub(super) struct Names {
    /// The signals.
    pub(super) signals: Signals,
    /// Traits beyond the known ones that conditions read.
    pub(super) traits: Vec<String>,
    /// Ids of the segments.
    pub(super) segments: Vec<String>,
    /// Ids of the tiers.
    pub(super) tiers: Vec<String>,
}

/// The condition in a text; `key` is where it is written.
pub(super) fn condition(key: &str, text: &str, names: &mut Names, of_event: bool) -> Result<Condition, String> {
    let condition =
        Condition::compile(text, &mut Scope { names, of_event }).map_err(|what| format!("{key}: {what}"))?;
    if condition.names().is_empty() {
        return Err(format!("{key}: the condition names nothing, so its result is always the same"));
    }
    Ok(condition)
}

/// What a condition may name: with `of_event` fields of an event, and nothing of a user.
struct Scope<'a> {
    names: &'a mut Names,
    of_event: bool,
}

impl Vocabulary for Scope<'_> {
    fn find(&mut self, name: &str) -> Option<(Input, Type)> {
        let found = type_of(name, self.names, self.of_event)?;
        Some((input(name, self.names), found))
    }

    fn only(&self, name: &str) -> Only {
        only(name, self.names)
    }

    fn unknown(&self, name: &str) -> String {
        unknown(name, self.names, self.of_event)
    }
}

fn type_of(path: &str, names: &Names, of_event: bool) -> Option<Type> {
    if let Some((_, _, of, _)) = Figure::ALL.iter().find(|figure| figure.1 == path) {
        return (!of_event || !path.starts_with("user.")).then_some(*of);
    }
    if let Some(of_event_field) = path.strip_prefix("event.") {
        return (of_event && field(of_event_field).is_some()).then_some(Type::Any);
    }
    if let Some(name) = path.strip_prefix("traits.") {
        return (!name.contains('.')).then_some(Type::Any);
    }
    let known = match path.strip_prefix("user.") {
        Some(id) => !of_event && slot(&names.signals.users, id).is_some(),
        None => slot(&names.signals.accounts, path).is_some(),
    };
    known.then_some(Type::Int)
}

fn input(path: &str, names: &mut Names) -> Input {
    if let Some((figure, ..)) = Figure::ALL.iter().find(|figure| figure.1 == path) {
        return Input::Figure(*figure);
    }
    if let Some(field) = path.strip_prefix("event.").and_then(field) {
        return Input::Event(field);
    }
    if let Some(name) = path.strip_prefix("traits.") {
        let place = names.traits.iter().position(|known| known == name).unwrap_or_else(|| {
            names.traits.push(name.to_owned());
            names.traits.len() - 1
        });
        return Input::Trait(place);
    }
    let user = path.strip_prefix("user.").and_then(|id| slot(&names.signals.users, id)).map(SignalRef::User);
    let account = || slot(&names.signals.accounts, path).map(SignalRef::Account);
    match user.or_else(account) {
        Some(signal) => Input::Signal(signal),
        None => unreachable!("`{path}` has a type, so it is a figure, a field, a trait or a signal"),
    }
}

/// The values that a name can have.
fn only(path: &str, names: &Names) -> Only {
    let words = |words: &[String]| Only::Words(words.to_vec());
    let rungs = |list: &[Signal], id: &str| slot(list, id).map(|slot| Only::UpTo(list[slot].kind.rungs().into()));
    match path {
        "user.band" => words(&BANDS.map(str::to_owned)),
        "segment" => words(&names.segments),
        "tier" => words(&[&[String::new()], &*names.tiers].concat()),
        "plan" | "industry" => Only::LowerCase,
        "weekly_users" => Only::Items(WEEKS_KNOWN),
        _ => path
            .strip_prefix("user.")
            .and_then(|id| rungs(&names.signals.users, id))
            .or_else(|| rungs(&names.signals.accounts, path))
            .unwrap_or(Only::Any),
    }
}

/// Why a condition may not name this, and what may be meant instead.
fn unknown(path: &str, names: &Names, of_event: bool) -> String {
    let id = path.strip_prefix("user.").unwrap_or(path);
    if names.signals.off.iter().any(|off| off == id) {
        return format!("signal `{id}` is off");
    }
    if of_event && path.starts_with("user.") && type_of(path, names, false).is_some() {
        return format!("`{path}` is of a user: the condition of an event trigger is about the account and `event.…`");
    }
    let of_other_scope = if id == path { format!("user.{path}") } else { id.to_owned() };
    if type_of(&of_other_scope, names, of_event).is_some() {
        return format!("unknown name `{path}`: did you mean `{of_other_scope}`?");
    }
    let figures = Figure::ALL.iter().map(|figure| figure.1.to_owned());
    let accounts = names.signals.accounts.iter().map(|signal| signal.id.to_string());
    let users = names.signals.users.iter().map(|signal| format!("user.{}", signal.id));
    let fields = Field::ALL.iter().filter(|_| of_event).map(|field| format!("event.{}", field.word()));
    let known: Vec<String> = figures.chain(accounts).chain(users).chain(fields).collect();
    let allowed = known.iter().map(String::as_str).filter(|name| !of_event || !name.starts_with("user."));
    format!("unknown name `{path}`{}", suggestion(path, allowed))
}
