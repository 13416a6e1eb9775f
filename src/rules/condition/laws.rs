//! Property tests of conditions with random texts: evaluation agrees with a plain walk over the syntax tree, and the
//! set of possible results contains every actual result.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::ir::order;
use super::syntax::{Expr, Node, Operator};
use super::tests::{Known, Values, compile, names, place};
use super::*;

/// Evaluates a tree as the definition reads: every part after the other, nothing left out, nothing compiled.
struct Walk<'a> {
    inputs: Vec<Input>,
    values: &'a Values,
}

#[derive(Clone, PartialEq)]
enum Found {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Ints(Vec<i64>),
}

impl Found {
    fn as_value(&self) -> Value<'_> {
        match self {
            Found::Bool(is) => Value::Bool(*is),
            Found::Int(number) => Value::Int(*number),
            Found::Double(number) => Value::Double(*number),
            Found::Text(text) => Value::Text(text),
            Found::Ints(_) => Value::Unknown,
        }
    }
}

impl Walk<'_> {
    fn name(&self, index: usize) -> Option<Found> {
        match self.values.all[place(self.inputs[index])] {
            Value::Unknown => None,
            Value::Bool(is) => Some(Found::Bool(is)),
            Value::Int(number) => Some(Found::Int(number)),
            Value::Double(number) => Some(Found::Double(number)),
            Value::Text(text) => Some(Found::Text(text.to_owned())),
            Value::Ints(_) => Some(Found::Ints(self.values.items.clone())),
        }
    }

    fn holds(&self, node: &Node) -> Option<bool> {
        match self.value(node)? {
            Found::Bool(is) => Some(is),
            _ => None,
        }
    }

    fn value(&self, node: &Node) -> Option<Found> {
        let all = |operands: &[Node]| -> Option<Vec<Found>> { operands.iter().map(|it| self.value(it)).collect() };
        match &node.expr {
            Expr::Bool(is) => Some(Found::Bool(*is)),
            Expr::Int(number) => Some(Found::Int(*number)),
            Expr::Double(number) => Some(Found::Double(*number)),
            Expr::Text(text) => Some(Found::Text(text.to_string())),
            Expr::Name(index) => self.name(*index),
            Expr::Has(index) => Some(Found::Bool(self.name(*index).is_some())),
            Expr::Not(operand) => self.holds(operand).map(|is| Found::Bool(!is)),
            Expr::Negate(operand) => match self.value(operand)? {
                Found::Int(number) => number.checked_neg().map(Found::Int),
                Found::Double(number) => Some(Found::Double(-number)),
                _ => None,
            },
            Expr::Logic { any, operands } => {
                let all: Vec<Option<bool>> = operands.iter().map(|operand| self.holds(operand)).collect();
                if all.contains(&Some(*any)) {
                    return Some(Found::Bool(*any));
                }
                (!all.contains(&None)).then_some(Found::Bool(!any))
            }
            Expr::Binary(Operator::In, operands) => {
                let item = self.value(&operands[0])?;
                let list = match &operands[1].expr {
                    Expr::List(elements) => all(elements)?,
                    _ => match self.value(&operands[1])? {
                        Found::Ints(items) => items.into_iter().map(Found::Int).collect(),
                        _ => return None,
                    },
                };
                Some(Found::Bool(list.iter().any(|other| equal(&item, other))))
            }
            Expr::Binary(operator, operands) => {
                let both = all(&operands[..])?;
                applied(*operator, &both[0], &both[1])
            }
            Expr::Choice(operands) => self.value(&operands[if self.holds(&operands[0])? { 1 } else { 2 }]),
            Expr::Index(operands) => match &all(&operands[..])?[..] {
                [Found::Ints(items), Found::Int(at)] => items.get(usize::try_from(*at).ok()?).copied().map(Found::Int),
                _ => None,
            },
            Expr::Call { function, operands, .. } => called(function, &all(operands)?),
            Expr::Null | Expr::Path(_) | Expr::List(_) => None,
        }
    }
}

fn called(function: &str, operands: &[Found]) -> Option<Found> {
    match (function, operands) {
        ("size", [Found::Text(text)]) => Some(Found::Int(text.chars().count() as i64)),
        ("size", [Found::Ints(items)]) => Some(Found::Int(items.len() as i64)),
        ("contains", [Found::Text(text), Found::Text(part)]) => Some(Found::Bool(text.contains(part))),
        ("startsWith", [Found::Text(text), Found::Text(part)]) => Some(Found::Bool(text.starts_with(part))),
        ("endsWith", [Found::Text(text), Found::Text(part)]) => Some(Found::Bool(text.ends_with(part))),
        ("int", [Found::Int(number)]) => Some(Found::Int(*number)),
        ("int", [Found::Double(number)]) => {
            (number.abs() < 9_223_372_036_854_775_808.0).then_some(Found::Int(*number as i64))
        }
        ("int", [Found::Text(text)]) => text.parse().ok().map(Found::Int),
        ("double", [Found::Int(number)]) => Some(Found::Double(*number as f64)),
        ("double", [Found::Double(number)]) => Some(Found::Double(*number)),
        ("double", [Found::Text(text)]) => text.parse().ok().map(Found::Double),
        _ => None,
    }
}

fn applied(operator: Operator, left: &Found, right: &Found) -> Option<Found> {
    let found = order(left.as_value(), right.as_value());
    let is = |expected: &[Ordering]| found.map(|found| Found::Bool(expected.contains(&found)));
    match (operator, left, right) {
        (Operator::Equal, ..) => Some(Found::Bool(equal(left, right))),
        (Operator::NotEqual, ..) => Some(Found::Bool(!equal(left, right))),
        (Operator::Less, ..) => is(&[Ordering::Less]),
        (Operator::LessOrEqual, ..) => is(&[Ordering::Less, Ordering::Equal]),
        (Operator::Greater, ..) => is(&[Ordering::Greater]),
        (Operator::GreaterOrEqual, ..) => is(&[Ordering::Greater, Ordering::Equal]),
        (Operator::Add, Found::Int(a), Found::Int(b)) => a.checked_add(*b).map(Found::Int),
        (Operator::Subtract, Found::Int(a), Found::Int(b)) => a.checked_sub(*b).map(Found::Int),
        (Operator::Multiply, Found::Int(a), Found::Int(b)) => a.checked_mul(*b).map(Found::Int),
        (Operator::Divide, Found::Int(a), Found::Int(b)) => a.checked_div(*b).map(Found::Int),
        (Operator::Remainder, Found::Int(a), Found::Int(b)) => a.checked_rem(*b).map(Found::Int),
        (Operator::Add, Found::Double(a), Found::Double(b)) => Some(Found::Double(a + b)),
        (Operator::Subtract, Found::Double(a), Found::Double(b)) => Some(Found::Double(a - b)),
        (Operator::Multiply, Found::Double(a), Found::Double(b)) => Some(Found::Double(a * b)),
        (Operator::Divide, Found::Double(a), Found::Double(b)) => Some(Found::Double(a / b)),
        _ => None,
    }
}

fn equal(left: &Found, right: &Found) -> bool {
    match (left, right) {
        (Found::Bool(_), Found::Bool(_)) | (Found::Ints(_), Found::Ints(_)) => left == right,
        _ => order(left.as_value(), right.as_value()) == Some(Ordering::Equal),
    }
}

/// Writes a condition by what bytes say, each a choice; where they end, it ends.
struct Writer<'a>(std::slice::Iter<'a, u8>);

const ORDERS: &[&str] = &["<", "<=", ">", ">=", "==", "!="];

impl Writer<'_> {
    fn choice(&mut self, of: usize) -> usize {
        self.0.next().map_or(0, |byte| usize::from(*byte) % of)
    }

    fn one_of(&mut self, texts: &[&str]) -> String {
        texts[self.choice(texts.len())].to_owned()
    }

    fn list(&mut self, of: Type, depth: u32, least: usize) -> Vec<String> {
        (0..least + self.choice(3)).map(|_| self.part(of, depth)).collect()
    }

    fn joined(&mut self, [left, right]: [Type; 2], operators: &[&str], depth: u32) -> String {
        let (left, operator, right) = (self.part(left, depth), self.one_of(operators), self.part(right, depth));
        format!("({left} {operator} {right})")
    }

    /// A part of a type, so many levels deep at most.
    fn part(&mut self, of: Type, depth: u32) -> String {
        match (of, self.choice(3)) {
            (_, 0) => self.leaf(of),
            _ if depth == 0 => self.leaf(of),
            (Type::Any | Type::Text | Type::Ints, _) => self.leaf(of),
            (_, 1) if self.choice(4) == 0 => {
                let [test, yes, no] = [Type::Bool, of, of].map(|of| self.part(of, depth - 1));
                format!("({test} ? {yes} : {no})")
            }
            (Type::Int, _) => self.int(depth - 1),
            (Type::Double, _) => self.double(depth - 1),
            (Type::Bool, _) => self.bool(depth - 1),
        }
    }

    fn leaf(&mut self, of: Type) -> String {
        self.one_of(match of {
            Type::Int => &[
                "active_users",
                "velocity.growth",
                "feature.limit_hit",
                "user.intent.pricing",
                "v",
                "0",
                "1",
                "2",
                "-1",
                "12",
                "9223372036854775807",
                "-9223372036854775808",
            ],
            Type::Double => &["usage_ratio", "event.amount", "0.0", "1.0", "-0.5", "12.0", "1e300"],
            Type::Text => &["user.band", "'hot'", "'warm'", "''", "'w'"],
            Type::Ints => &["weekly_users"],
            Type::Any => &["traits.seats", "traits.absent"],
            Type::Bool => {
                &["t", "u", "paid", "target", "true", "false", "has(v)", "has(traits.absent)", "traits.seats"]
            }
        })
    }

    fn int(&mut self, depth: u32) -> String {
        match self.choice(8) {
            0..=3 => self.joined([Type::Int; 2], &["+", "-", "*", "/", "%"], depth),
            4 => format!("-({})", self.part(Type::Int, depth)),
            5 => format!("weekly_users[{}]", self.part(Type::Int, depth)),
            6 => {
                let of = [Type::Double, Type::Text, Type::Any, Type::Int][self.choice(4)];
                format!("int({})", self.part(of, depth))
            }
            _ => {
                let of = [Type::Text, Type::Ints, Type::Any][self.choice(3)];
                format!("size({})", self.part(of, depth))
            }
        }
    }

    fn double(&mut self, depth: u32) -> String {
        match self.choice(4) {
            0..=1 => self.joined([Type::Double; 2], &["+", "-", "*", "/"], depth),
            2 => format!("-({})", self.part(Type::Double, depth)),
            _ => {
                let of = [Type::Int, Type::Text, Type::Any][self.choice(3)];
                format!("double({})", self.part(of, depth))
            }
        }
    }

    fn bool(&mut self, depth: u32) -> String {
        match self.choice(16) {
            0..=1 => self.joined([Type::Int; 2], ORDERS, depth),
            2 => self.joined([Type::Double, Type::Int], ORDERS, depth),
            3 => self.joined([Type::Text; 2], ORDERS, depth),
            4 => {
                let with = [Type::Text, Type::Int, Type::Double, Type::Any, Type::Bool][self.choice(5)];
                self.joined([Type::Any, with], if with == Type::Bool { &["==", "!="] } else { ORDERS }, depth)
            }
            5 => self.joined([Type::Bool; 2], &["==", "!="], depth),
            6 => self.joined([Type::Ints; 2], &["==", "!="], depth),
            7 => format!("({} in [{}])", self.part(Type::Int, depth), self.list(Type::Int, depth, 0).join(", ")),
            8 => format!("({} in ['hot', {}])", self.part(Type::Text, depth), self.part(Type::Text, depth)),
            9 => format!("({} in weekly_users)", self.part(Type::Int, depth)),
            10 => {
                let (text, of) = (self.part(Type::Text, depth), self.part(Type::Text, depth));
                format!("{text}.{}({of})", self.one_of(&["contains", "startsWith", "endsWith"]))
            }
            11 => format!("!({})", self.part(Type::Bool, depth)),
            12..=13 => format!("({})", self.list(Type::Bool, depth, 2).join(" && ")),
            _ => format!("({})", self.list(Type::Bool, depth, 2).join(" || ")),
        }
    }
}

/// A condition.
fn condition() -> impl Strategy<Value = (String, Condition)> {
    prop::collection::vec(any::<u8>(), 1..60).prop_filter_map("is refused", |bytes| {
        let text = Writer(bytes.iter()).bool(4);
        Some((text.clone(), compile(&text).ok()?))
    })
}

/// A value of a type, or unknown.
fn value(of: Type, place: usize) -> BoxedStrategy<Value<'static>> {
    let numbers = &[0, 1, 2, 3, 12, -1, i64::MAX, i64::MIN][..];
    let doubles = &[0.0, 0.8, 1.0, -2.5, 1e300, f64::INFINITY, f64::NAN][..];
    let texts = &["", "hot", "warm", "w", "12", "1.5"][..];
    let known = match of {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Int => prop::sample::select(numbers).prop_map(Value::Int).boxed(),
        Type::Double => prop::sample::select(doubles).prop_map(Value::Double).boxed(),
        Type::Text => prop::sample::select(texts).prop_map(Value::Text).boxed(),
        Type::Ints => Just(Value::Ints(Input::Trait(place))).boxed(),
        Type::Any => prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            prop::sample::select(numbers).prop_map(Value::Int),
            prop::sample::select(doubles).prop_map(Value::Double),
            prop::sample::select(texts).prop_map(Value::Text),
        ]
        .boxed(),
    };
    prop_oneof![4 => known, 1 => Just(Value::Unknown)].boxed()
}

fn values() -> impl Strategy<Value = Values> {
    let all: Vec<_> = names().into_iter().enumerate().map(|(place, (_, of, _))| value(of, place)).collect();
    (all, prop::collection::vec(0..14_i64, 0..6)).prop_map(|(all, items)| Values::new(all, &items))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_compiled_says_what_a_walk_over_the_tree_says((text, condition) in condition(), values in values()) {
        let checked = check::check(&text, &mut Known).expect("it compiles");
        let inputs = checked.names.iter().map(|(_, input, _)| *input).collect();
        let expected = Walk { inputs, values: &values }.holds(&checked.tree);
        prop_assert_eq!(condition.holds(&values), expected, "{}", text);
        prop_assert_eq!(condition.is_true(&values), expected == Some(true), "{}", text);
    }

    #[test]
    fn what_is_true_can_be(
        (text, condition) in condition(), values in values(), others in values(), bound in any::<[u8; 32]>(),
    ) {
        // Of each name what it can be: its value, this and another one, all between two ints, or anything.
        let can_be = |at: usize| {
            let place = place(condition.inputs()[at]);
            let (is, other) = (values.all[place], others.all[place]);
            match (bound[place] % 4, is, other) {
                (0, ..) => Some(Possible::of(&[is])),
                (1, ..) => Some(Possible::of(&[other, is])),
                (2, Value::Int(a), Value::Int(b)) => Some(Possible::between(a.min(b), a.max(b))),
                _ => None,
            }
        };
        if condition.holds(&values) == Some(true) {
            prop_assert!(condition.can_hold(&can_be), "{}", text);
        }
    }

    #[test]
    fn without_the_signals_that_it_needs_no_condition_is_true((text, condition) in condition(), values in values()) {
        let Some(needs) = condition.needs() else { return Ok(()) };
        let mut values = values;
        for signal in needs {
            let is = &mut values.all[place(Input::Signal(*signal))];
            *is = if *is == Value::Unknown { Value::Unknown } else { Value::Int(0) };
        }
        prop_assert_ne!(condition.holds(&values), Some(true), "{}", text);
    }
}

#[test]
fn a_condition_needs_the_fewest_signals_that_it_cannot_be_true_without() {
    for (text, needs) in [
        ("velocity.user_adds >= 2 || (velocity.user_adds >= 1 && !spike_known)", Some(&["velocity.user_adds"][..])),
        ("velocity.growth >= 1 || user.intent.pricing >= 2", Some(&["velocity.growth", "user.intent.pricing"])),
        ("velocity.growth >= 1 && user.intent.pricing >= 2", Some(&["velocity.growth"])),
        ("active_users >= 10 && (usage_ratio >= 0.8 || feature.limit_hit >= 1)", None),
        ("velocity.growth < 1 || user.intent.pricing >= 2", None),
        ("user.band == 'hot'", None),
        // Nothing makes it true.
        ("velocity.growth >= 1 && 1 > 2", Some(&[])),
    ] {
        let condition = compile(text).expect(text);
        let found = condition
            .needs()
            .map(|signals| signals.iter().map(|signal| names()[place(Input::Signal(*signal))].0).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), needs, "{text}");
    }
}

/// Prints what an evaluation takes: `cargo test --release --lib -- --ignored --nocapture cost_of`.
#[test]
#[ignore = "a measurement"]
fn cost_of_an_evaluation() {
    let inputs = Values::new(names().into_iter().map(|(.., value)| value).collect(), &[]);
    struct Plain(Vec<Value<'static>>);
    impl Inputs for Plain {
        fn value(&self, input: Input) -> Value<'_> {
            self.0[place(input)]
        }

        fn item(&self, _: Input, _: usize) -> Option<i64> {
            None
        }
    }
    let inputs = Plain(inputs.all);
    for text in [
        "velocity.growth >= 2 || (active_users >= 1 && !spike_known)",
        "user.band == \"warm\"",
        "active_users >= 10 && usage_ratio >= 0.8",
        "user.intent.pricing >= 2 && !paid",
    ] {
        let condition = compile(text).expect(text);
        const TIMES: u32 = 2_000_000;
        let begun = std::time::Instant::now();
        let mut held = 0_u32;
        for _ in 0..TIMES {
            held += u32::from(std::hint::black_box(&condition).holds(std::hint::black_box(&inputs)) == Some(true));
        }
        println!("{:5.1} ns  {text}  ({held})", begun.elapsed().as_nanos() as f64 / f64::from(TIMES));
    }
}
