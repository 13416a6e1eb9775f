//! Three-valued conditions, and their text in a rules file (semantics D11).

/// The meaning of a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
}

/// A condition over names. What is not known is none, and so is what depends on it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    /// Whether a name is known.
    Known(String),
    /// A name that is true or false.
    Is(String),
    /// A name, compared with a whole number, or with one that has a fraction.
    Compare(String, &'static str, Value),
    /// A name whose text is one of these.
    OneOf(String, Vec<String>),
    /// Two of the last closed weeks, counted back from the newest.
    Weeks(usize, &'static str, usize),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// A signal's rung, or another whole number, of at least this.
pub(crate) fn at_least(name: &str, number: i64) -> Condition {
    Condition::Compare(name.to_owned(), ">=", Value::Int(number))
}

pub(crate) fn is(name: &str) -> Condition {
    Condition::Is(name.to_owned())
}

pub(crate) fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

pub(crate) fn or<const N: usize>(conditions: [Condition; N]) -> Condition {
    Condition::Any(conditions.into())
}

/// Three-valued and (semantics D11).
fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

impl Condition {
    pub(crate) fn and(self, other: Condition) -> Condition {
        Condition::All(vec![self, other])
    }

    pub(crate) fn of_double(name: &str, operator: &'static str, number: f64) -> Condition {
        Condition::Compare(name.to_owned(), operator, Value::Double(number))
    }

    pub(crate) fn one_of(name: &str, texts: &[&str]) -> Condition {
        Condition::OneOf(name.to_owned(), texts.iter().map(|text| (*text).to_owned()).collect())
    }

    pub(crate) fn of_weeks(back: usize, operator: &'static str, other: usize) -> Condition {
        Condition::Weeks(back, operator, other)
    }

    /// Whether it holds; `weekly_users[2]` is the name of a week.
    pub(crate) fn holds(&self, value: &dyn Fn(&str) -> Option<Value>) -> Option<bool> {
        match self {
            Condition::Known(name) => Some(value(name).is_some()),
            Condition::Is(name) => match value(name)? {
                Value::Bool(is) => Some(is),
                _ => None,
            },
            Condition::Compare(name, operator, with) => match (value(name)?, with) {
                (Value::Int(a), Value::Int(b)) => Some(compares(a.cmp(b), operator)),
                (Value::Double(a), Value::Double(b)) => Some(compares(a.total_cmp(b), operator)),
                _ => None,
            },
            Condition::OneOf(name, texts) => match value(name)? {
                Value::Text(text) => Some(texts.contains(&text)),
                _ => None,
            },
            Condition::Weeks(back, operator, other) => {
                let week = |back: &usize| value(&format!("weekly_users[{back}]"));
                match (week(back)?, week(other)?) {
                    (Value::Int(a), Value::Int(b)) => Some(compares(a.cmp(&b), operator)),
                    _ => None,
                }
            }
            Condition::Not(condition) => Some(!condition.holds(value)?),
            Condition::All(conditions) => {
                conditions.iter().map(|condition| condition.holds(value)).fold(Some(true), and)
            }
            Condition::Any(conditions) => {
                let negated = conditions.iter().map(|condition| condition.holds(value).map(|is| !is));
                Some(!negated.fold(Some(true), and)?)
            }
        }
    }

    /// The names that it reads.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Condition::Known(name) | Condition::Is(name) | Condition::Compare(name, ..) | Condition::OneOf(name, _) => {
                vec![name.clone()]
            }
            Condition::Weeks(..) => vec!["weekly_users".to_owned()],
            Condition::Not(condition) => condition.names(),
            Condition::All(conditions) | Condition::Any(conditions) => {
                conditions.iter().flat_map(Condition::names).collect()
            }
        }
    }

    /// As a rules file writes it.
    pub(crate) fn text(&self) -> String {
        let joined = |conditions: &[Condition], with: &str| {
            format!("({})", conditions.iter().map(Condition::text).collect::<Vec<_>>().join(with))
        };
        match self {
            Condition::Known(name) => format!("has({name})"),
            Condition::Is(name) => name.clone(),
            Condition::Compare(name, operator, with) => match with {
                Value::Int(number) => format!("{name} {operator} {number}"),
                Value::Double(number) => format!("{name} {operator} {number:?}"),
                Value::Bool(is) => format!("{name} {operator} {is}"),
                Value::Text(text) => format!("{name} {operator} {text:?}"),
            },
            Condition::OneOf(name, texts) => format!("{name} in {texts:?}"),
            Condition::Weeks(back, operator, other) => {
                format!("weekly_users[{back}] {operator} weekly_users[{other}]")
            }
            Condition::Not(condition) => format!("!({})", condition.text()),
            Condition::All(conditions) => joined(conditions, " && "),
            Condition::Any(conditions) => joined(conditions, " || "),
        }
    }
}

fn compares(ordering: std::cmp::Ordering, operator: &str) -> bool {
    match operator {
        ">=" => ordering.is_ge(),
        ">" => ordering.is_gt(),
        "<" => ordering.is_lt(),
        "<=" => ordering.is_le(),
        "==" => ordering.is_eq(),
        _ => ordering.is_ne(),
    }
}
