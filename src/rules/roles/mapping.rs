//! A mapping of the chapter `roles`: which events it matches, their role, and where their fields are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::bits::is_passive;
use super::pattern::{is_pattern, matches};
use crate::model::{Event, Field, Role};
use crate::rules::forms::{self, Forms};
use crate::wire::fields::{self, Scalar};

/// A mapping: which events it matches, their role, and where their fields are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rules) struct Mapping {
    /// The role of the events. Without it they have no role, and are not reported as unmapped.
    pub(super) role: Option<Role>,
    /// Names of track events, or patterns for them: `*` matches any text, `?` one character. Names are
    /// compared without regard to the case of ASCII letters.
    #[serde(default)]
    pub(super) track: Vec<String>,
    /// The same for pages.
    #[serde(default)]
    pub(super) page: Vec<String>,
    /// The same for screens.
    #[serde(default)]
    pub(super) screen: Vec<String>,
    /// All identify calls.
    #[serde(default)]
    pub(super) identify: bool,
    /// All group calls.
    #[serde(default)]
    pub(super) group: bool,
    /// Properties (traits, in identify and group calls), each of which must have one of the given values; texts may be
    /// patterns, as in names.
    #[serde(default, rename = "where")]
    conditions: BTreeMap<String, Allowed>,
    /// Where the fields of the role are, if they are not in properties of the same name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Field"}))]
    bind: BTreeMap<Field, Source>,
    /// Whether the events are passive, that is, do not count as activity of their user; by default the role decides.
    passive: Option<bool>,
    /// Whether the used features are premium.
    #[serde(default)]
    premium: bool,
}

/// The values that a property may have.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::rules) enum Allowed {
    /// This.
    One(Literal),
    /// One of these.
    AnyOf(Vec<Literal>),
}

impl Forms for Allowed {
    const EXPECTED: &'static str = "a text, a number, true or false, or a list of them";

    fn boolean(is: bool) -> Option<Allowed> {
        Literal::boolean(is).map(Allowed::One)
    }

    fn number(number: f64) -> Option<Allowed> {
        Literal::number(number).map(Allowed::One)
    }

    fn text(text: &str) -> Option<Allowed> {
        Literal::text(text).map(Allowed::One)
    }

    fn list<'de, D: Deserializer<'de>>(list: D) -> Option<Result<Allowed, D::Error>> {
        forms::whole(list, Allowed::AnyOf)
    }
}

/// A value of a property.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::rules) enum Literal {
    /// `true` or `false`.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text; in a condition it may be a pattern.
    Text(String),
}

impl Forms for Literal {
    const EXPECTED: &'static str = "a text, a number, true or false";

    fn boolean(is: bool) -> Option<Literal> {
        Some(Literal::Boolean(is))
    }

    fn number(number: f64) -> Option<Literal> {
        Some(Literal::Number(number))
    }

    fn text(text: &str) -> Option<Literal> {
        Some(Literal::Text(text.into()))
    }
}

/// Where a field is: a property, the first of several properties that is present, or more about it. A property that is
/// not a key may be a path: `$set.email`, `items.data.0.price`.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
enum Source {
    /// A property.
    Property(String),
    /// The first of these properties that is present.
    FirstOf(Vec<String>),
    /// More about it.
    Read(Read),
}

impl Forms for Source {
    const EXPECTED: &'static str =
        "a property, a list of properties, or keys such as { property: cents, scale: 1/100 }";

    fn text(text: &str) -> Option<Source> {
        Some(Source::Property(text.into()))
    }

    fn list<'de, D: Deserializer<'de>>(list: D) -> Option<Result<Source, D::Error>> {
        forms::whole(list, Source::FirstOf)
    }

    fn keys<'de, D: Deserializer<'de>>(keys: D) -> Option<Result<Source, D::Error>> {
        forms::whole(keys, Source::Read)
    }
}

/// How a field is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// The property, or the first of several that is present.
    property: Option<Properties>,
    /// A factor by which the number is multiplied, such as 1/100 for cents.
    scale: Option<Scale>,
    /// Another property by which the number is multiplied, such as the quantity.
    times: Option<String>,
    /// Another property by which the number is divided, such as the number of months that it is for.
    per: Option<String>,
    /// A property that holds a subscription of Stripe, from which `mrr`, `price` or `paid` is computed: all items by
    /// the month, for `mrr` less the discounts that last; `paid` is false where the items cost nothing.
    bill: Option<String>,
    /// The value of the field if no property has one.
    value: Option<Literal>,
}

/// One property or several.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
enum Properties {
    /// A property.
    One(String),
    /// The first of these that is there.
    FirstOf(Vec<String>),
}

impl Forms for Properties {
    const EXPECTED: &'static str = "a property, or a list of properties";

    fn text(text: &str) -> Option<Properties> {
        Some(Properties::One(text.into()))
    }

    fn list<'de, D: Deserializer<'de>>(list: D) -> Option<Result<Properties, D::Error>> {
        forms::whole(list, Properties::FirstOf)
    }
}

/// A factor.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
enum Scale {
    /// A positive number.
    Number(f64),
    /// A fraction such as 1/100.
    #[schemars(with = "String")]
    Fraction(f64, f64),
}

impl Forms for Scale {
    const EXPECTED: &'static str = "a positive number, or a fraction such as 1/100";

    fn number(number: f64) -> Option<Scale> {
        (number.is_finite() && number > 0.0).then_some(Scale::Number(number))
    }

    fn text(text: &str) -> Option<Scale> {
        let (above, below) = text.split_once('/')?;
        let part = |part: &str| part.trim().parse().ok().filter(|part: &f64| part.is_finite() && *part > 0.0);
        Some(Scale::Fraction(part(above)?, part(below)?))
    }
}

forms::deserialize!(Allowed, Literal, Source, Properties, Scale);

/// What the events of a mapping mean.
#[derive(Debug)]
pub(super) struct Meaning {
    pub(super) role: Option<Role>,
    pub(super) passive: bool,
    pub(super) premium: bool,
    pub(super) conditions: Vec<(Box<str>, Vec<Expected>)>,
    pub(super) bind: Vec<(Field, Binding)>,
    /// In words, for people.
    pub(super) description: Box<str>,
}

impl Meaning {
    /// Whether the properties of an event are as the mapping asks.
    pub(super) fn holds(&self, event: &Event<'_>) -> bool {
        self.conditions.iter().all(|(key, expected)| {
            fields::value(event.payload(), key).is_some_and(|value| expected.iter().any(|each| each.is(&value)))
        })
    }

    pub(super) fn binding(&self, field: Field) -> Option<&Binding> {
        self.bind.iter().find(|(bound, _)| *bound == field).map(|(_, binding)| binding)
    }
}

/// A value that a condition allows.
#[derive(Debug)]
pub(in crate::rules) enum Expected {
    Text(Box<str>),
    /// In lower case.
    Pattern(Box<[u8]>),
    Number(f64),
    Boolean(bool),
}

impl Expected {
    pub(in crate::rules) fn is(&self, value: &Scalar<'_>) -> bool {
        match (self, value) {
            (Expected::Text(expected), Scalar::Text(text)) => expected.eq_ignore_ascii_case(text),
            (Expected::Pattern(pattern), Scalar::Text(text)) => matches(pattern, text.as_bytes()),
            (Expected::Number(expected), value) => value.clone().number() == Some(*expected),
            (Expected::Boolean(expected), Scalar::Boolean(boolean)) => expected == boolean,
            _ => false,
        }
    }
}

/// Where a field's value comes from.
#[derive(Debug)]
pub(super) struct Binding {
    /// The first of these properties that is present.
    pub(super) keys: Vec<Box<str>>,
    /// A number is scaled by a fraction, and by other properties.
    pub(super) scale: (f64, f64),
    pub(super) times: Option<Box<str>>,
    pub(super) per: Option<Box<str>>,
    /// The property that has a subscription from which the value is computed.
    pub(super) bill: Option<Box<str>>,
    /// The value if no property has one.
    pub(super) value: Option<Literal>,
}

/// Compiles a mapping; `origin` is the preset that it is of.
pub(super) fn meaning(written: &Mapping, origin: Option<&str>) -> Result<Meaning, String> {
    if written.premium && written.role != Some(Role::FeatureUsed) {
        return Err("premium is allowed only with role feature_used".into());
    }
    if written.role.is_none() && !written.bind.is_empty() {
        return Err("bind is allowed only with a role".into());
    }
    let conditions = written.conditions.iter().map(|(key, allowed)| Ok((key.as_str().into(), expected(key, allowed)?)));
    let bind = written.bind.iter().map(|(field, source)| {
        binding(*field, source)
            .map(|binding| (*field, binding))
            .map_err(|what| format!("bind {}: {what}", field.word()))
    });
    Ok(Meaning {
        role: written.role,
        passive: written.passive.unwrap_or(written.role.is_some_and(is_passive)),
        premium: written.premium,
        conditions: conditions.collect::<Result<_, String>>()?,
        bind: bind.collect::<Result<_, String>>()?,
        description: describe(written, origin).into(),
    })
}

pub(in crate::rules) fn expected(key: &str, allowed: &Allowed) -> Result<Vec<Expected>, String> {
    let list = match allowed {
        Allowed::One(one) => std::slice::from_ref(one),
        Allowed::AnyOf(list) => list,
    };
    if key.is_empty() || list.is_empty() {
        return Err(format!("where {key:?}: a property and at least one value are needed"));
    }
    let each = |literal: &Literal| match literal {
        Literal::Text(text) if is_pattern(text) => Expected::Pattern(text.to_ascii_lowercase().into_bytes().into()),
        Literal::Text(text) => Expected::Text(text.as_str().into()),
        Literal::Number(number) => Expected::Number(*number),
        Literal::Boolean(boolean) => Expected::Boolean(*boolean),
    };
    Ok(list.iter().map(each).collect())
}

fn binding(field: Field, source: &Source) -> Result<Binding, String> {
    let one = std::slice::from_ref;
    let (keys, scale, times, per, bill, value) = match source {
        Source::Property(key) => (one(key), None, None, None, None, None),
        Source::FirstOf(keys) => (&keys[..], None, None, None, None, None),
        Source::Read(Read { property, scale, times, per, bill, value }) => {
            let keys = match property {
                Some(Properties::One(key)) => one(key),
                Some(Properties::FirstOf(keys)) => keys,
                None => &[],
            };
            (keys, scale.as_ref(), times.as_ref(), per.as_ref(), bill.as_ref(), value.as_ref())
        }
    };
    if keys.iter().chain(times).chain(per).chain(bill).any(String::is_empty) {
        return Err("the name of a property is empty".into());
    }
    if bill.is_some() {
        if !matches!(field, Field::Mrr | Field::Price | Field::Paid) {
            return Err("only mrr, price and paid are computed from a bill".into());
        }
        if !keys.is_empty() || value.is_some() || scale.is_some() || times.is_some() || per.is_some() {
            return Err("bill must be the only key of a binding".into());
        }
    } else if keys.is_empty() && (value.is_none() || scale.is_some() || times.is_some() || per.is_some()) {
        return Err("expected a property, or only a value".into());
    }
    Ok(Binding {
        keys: keys.iter().map(|key| key.as_str().into()).collect(),
        scale: match scale {
            // A number divided by 100 is the nearest one to the hundredth; multiplied by 0.01 it is not.
            Some(Scale::Fraction(above, below)) => (*above, *below),
            Some(Scale::Number(number)) => (*number, 1.0),
            None => (1.0, 1.0),
        },
        times: times.map(|key| key.as_str().into()),
        per: per.map(|key| key.as_str().into()),
        bill: bill.map(|key| key.as_str().into()),
        value: value.cloned(),
    })
}

/// A mapping in words: `segment: track Invite Sent where …`.
fn describe(written: &Mapping, origin: Option<&str>) -> String {
    let lists = [("track", &written.track), ("page", &written.page), ("screen", &written.screen)];
    let named = lists.iter().filter(|(_, names)| !names.is_empty());
    let mut calls: Vec<String> = named.map(|(call, names)| format!("{call} {}", names.join(", "))).collect();
    calls.extend(written.identify.then(|| "identify".into()));
    calls.extend(written.group.then(|| "group".into()));
    let literal = |literal: &Literal| match literal {
        Literal::Boolean(boolean) => boolean.to_string(),
        Literal::Number(number) => number.to_string(),
        Literal::Text(text) => text.clone(),
    };
    let conditions: Vec<String> = (written.conditions.iter())
        .map(|(key, allowed)| match allowed {
            Allowed::One(one) => format!("{key} is {}", literal(one)),
            Allowed::AnyOf(list) => format!("{key} is {}", list.iter().map(literal).collect::<Vec<_>>().join(" or ")),
        })
        .collect();
    let origin = origin.map_or(String::new(), |origin| format!("{origin}: "));
    let only = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
    format!("{origin}{}{only}", calls.join("; "))
}

/// The name of a role in the rules file.
pub fn word(role: Role) -> String {
    serde_json::to_value(role).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
