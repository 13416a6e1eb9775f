//! The chapter `triggers`: event triggers and condition triggers.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::{Word, id, not_empty, words};
use super::condition::Condition;
use super::error::Wrong;
use super::inputs::{Assumed, Figure, Input, SignalRef, Type, Value};
use super::names::{Names, condition};
use super::signals::{Kind, Signal};
use crate::model::{Field, Level, Millis, Role};
use crate::text::suggestion;

/// Triggers.
pub(super) const TRIGGERS_MAX: usize = 1_024;

/// A trigger: exactly one of `on` and `when`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Trigger")]
pub(super) struct Written {
    /// Its id. Never change it: it is hashed into handoff ids.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    id: String,
    /// How urgent its handoffs are.
    level: Level,
    /// Its cooldown: how long after a handoff it does not fire again.
    cooldown: Millis,
    /// Closed days in a row on which the condition must be false before the trigger can fire again; 0: false at any
    /// moment is enough.
    #[serde(default)]
    rearm_after_closed_days: u8,
    /// Fires on an event.
    on: Option<On>,
    /// Fires when this CEL condition becomes true. One that names `user.…` has an edge for each user.
    when: Option<String>,
}

/// What an event trigger fires on: exactly one of role and new_user.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "OnEvent")]
struct On {
    /// Events of this role.
    role: Option<Role>,
    /// The first meaningful event of a user.
    new_user: bool,
    /// Only events whose fields have one of these values.
    #[serde(rename = "where")]
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Field"}))]
    only: BTreeMap<Field, Vec<Word>>,
    /// And the latest plan becoming this one.
    plan: Option<String>,
    /// Fires only if this CEL condition is true; `event.…` are the fields of the event.
    when: Option<String>,
    /// Only the first in the account's life.
    first: bool,
    /// It is a raised hand: sign-up and usage do not hold it.
    raised_hand: bool,
    /// It asks for sales: the segment does not divert it.
    asks_for_sales: bool,
}

/// A trigger.
#[derive(Debug)]
pub struct Trigger {
    /// Its id: hashed into handoff ids.
    pub id: Arc<str>,
    /// How urgent it is.
    pub level: Level,
    /// Its cooldown: how long it does not fire again, in milliseconds.
    pub cooldown_ms: i64,
    /// What makes it fire.
    pub kind: TriggerKind,
}

/// What makes a trigger fire.
#[derive(Debug)]
pub enum TriggerKind {
    /// An event.
    Event(OnEvent),
    /// A condition that becomes true.
    Condition {
        /// The condition.
        when: Condition,
        /// Whether each user has an edge of its own.
        per_user: bool,
        /// Closed days on which it must have been false before it can fire again; 0: any moment.
        rearm_after_closed_days: u8,
    },
}

/// What an event trigger fires on.
#[derive(Debug, PartialEq)]
pub struct OnEvent {
    /// Events of this role; none: the first meaningful event of a user.
    pub role: Option<Role>,
    /// With one of these values in each field.
    pub only: Vec<(Field, Vec<String>)>,
    /// And the latest plan becoming this one, in lower case.
    pub plan: Option<String>,
    /// Only if this holds.
    pub when: Option<Condition>,
    /// Only the first in the account's life.
    pub first: bool,
    /// It is a raised hand: sign-up and usage do not hold it.
    pub raised_hand: bool,
    /// It asks for sales itself.
    pub asks_for_sales: bool,
    /// The signal that events of the role feed, if any.
    pub signal: Option<Arc<str>>,
}

/// Compiles the chapter.
pub(super) fn compile(written: &[Spanned<Written>], names: &mut Names) -> Result<Vec<Trigger>, Wrong> {
    let mut triggers: Vec<Trigger> = Vec::new();
    if let Some(beyond) = written.get(TRIGGERS_MAX) {
        return Err((beyond.referenced, format!("more than {TRIGGERS_MAX} triggers")));
    }
    for spanned in written {
        let trigger = &spanned.value;
        let whole = |what| (spanned.referenced, format!("trigger {}: {what}", trigger.id));
        if triggers.iter().any(|other| *other.id == *trigger.id) {
            return Err(whole("the id is used twice".into()));
        }
        if trigger.cooldown.0 == 0 {
            return Err(whole("cooldown is 0: two handoffs of one instant would share an id".into()));
        }
        let kind = trigger_kind(trigger, names).map_err(whole)?;
        let (id, level) = (id(&trigger.id).map_err(whole)?, trigger.level);
        triggers.push(Trigger { id, level, cooldown_ms: trigger.cooldown.0, kind });
    }
    Ok(triggers)
}

fn trigger_kind(trigger: &Written, names: &mut Names) -> Result<TriggerKind, String> {
    match (&trigger.on, &trigger.when) {
        (Some(on), None) if trigger.rearm_after_closed_days == 0 => {
            let feeds = |signal: &&Signal| match &signal.kind {
                Kind::Seen(seen) => {
                    on.role.is_some_and(|role| seen.filter.roles == [role]) && seen.filter.only.is_empty()
                }
                _ => false,
            };
            let signal = names.signals.users.iter().find(feeds).map(|signal| Arc::clone(&signal.id));
            if on.role.is_some() == on.new_user {
                return Err("`on` has neither or both of role and new_user: expected exactly one".into());
            }
            Ok(TriggerKind::Event(OnEvent {
                role: on.role,
                only: words("where", &on.only)?,
                plan: on.plan.as_ref().map(|plan| plan.to_lowercase()),
                when: on.when.as_ref().map(|when| condition("when", when, names, true)).transpose()?,
                first: on.first,
                raised_hand: on.raised_hand,
                asks_for_sales: on.asks_for_sales,
                signal,
            }))
        }
        (Some(_), None) => Err("rearm_after_closed_days is for condition triggers (`when`) only".into()),
        (None, Some(when)) => {
            let when = condition("when", when, names, false)?;
            let per_user = when.names().iter().any(|name| name.starts_with("user."));
            must_be_noticed(&when, per_user, names)?;
            Ok(TriggerKind::Condition { when, per_user, rearm_after_closed_days: trigger.rearm_after_closed_days })
        }
        _ => Err("expected exactly one of `on` and `when`".into()),
    }
}

/// A condition is evaluated when something that it reads changes. One that can be true where nothing has ever happened
/// would fire late, or never.
fn must_be_noticed(when: &Condition, per_user: bool, names: &Names) -> Result<(), String> {
    let of_user = |input: Input| match input {
        Input::Signal(SignalRef::User(_)) => true,
        Input::Figure(figure) => Figure::OF_ACCOUNT >> figure as u32 & 1 == 0,
        _ => false,
    };
    let segment = &*names.segments[0];
    let off = |input: Input| {
        if per_user && !of_user(input) {
            return Value::Unknown;
        }
        match input {
            Input::Signal(_) => Value::Int(0),
            Input::Trait(_) | Input::Event(_) => Value::Unknown,
            Input::Figure(Figure::Industry | Figure::Country) => Value::Unknown,
            Input::Figure(Figure::Segment) => Value::Text(segment),
            Input::Figure(figure) => match Figure::ALL.iter().find(|known| known.0 == figure).map(|known| known.2) {
                Some(Type::Int) => Value::Int(0),
                Some(Type::Text) => Value::Text(""),
                Some(Type::Bool) if figure != Figure::Icp => Value::Bool(false),
                _ => Value::Unknown,
            },
        }
    };
    match (when.holds(&Assumed(&off)), per_user) {
        (Some(false), _) | (None, false) => Ok(()),
        (_, true) => {
            Err("when can be true for a user without any signal: also name a signal, a band or a score".into())
        }
        (_, false) => {
            Err("when is true for an account of which nothing is known: also name what must have happened".into())
        }
    }
}

/// The place of a trigger among all, by its id.
pub(super) fn place(id: &str, triggers: &[Trigger]) -> Result<usize, String> {
    let found = triggers.iter().position(|trigger| *trigger.id == *id);
    found.ok_or_else(|| {
        format!("there is no trigger {id}{}", suggestion(id, triggers.iter().map(|trigger| &*trigger.id)))
    })
}

/// The places of triggers in a list; none where the list is left out.
pub(super) fn places(ids: &Option<Vec<String>>, triggers: &[Trigger]) -> Result<Option<Vec<usize>>, String> {
    not_empty("triggers", ids.as_deref())?;
    let place = |id: &String| place(id, triggers);
    ids.as_ref().map(|ids| ids.iter().map(place).collect()).transpose()
}
