//! Runs the code of a condition over sets of possible values, to decide whether it can be true at all.
//!
//! The result contains everything that can happen for some values of the inputs. It may contain more, because each use
//! of an input is evaluated separately.

use std::cmp::Ordering;

use super::ir::{Arithmetic, Code, Op, Part, Relation, Term, Truth, order, to_double, to_int};
use crate::rules::inputs::{Input, Type, Value};

/// What a value can be: any of its parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Possible {
    /// Whether it can be unknown.
    unknown: bool,
    /// Whether it can be false, and true.
    bools: [bool; 2],
    /// The least and greatest int.
    ints: Option<(i64, i64)>,
    /// The least and greatest double.
    doubles: Option<(f64, f64)>,
    /// Whether it can be the double that is not a number.
    nan: bool,
    texts: Texts,
    /// Whether it can be a list of ints.
    list: bool,
}

/// Which texts a value can be.
#[derive(Clone, Debug, Default, PartialEq)]
enum Texts {
    #[default]
    None,
    These(Vec<Box<str>>),
    Any,
}

/// A part of what a value can be: values of one type.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Bool(bool),
    Ints(i64, i64),
    Doubles(f64, f64),
    Nan,
    Text(&'a str),
    AnyText,
    List,
}

const ALL_INTS: (i64, i64) = (i64::MIN, i64::MAX);
const ALL_DOUBLES: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

impl Possible {
    /// Any value of a type, or unknown.
    pub fn any(of: Type) -> Possible {
        let is = |other: Type| of == other || of == Type::Any;
        Possible {
            unknown: true,
            bools: [is(Type::Bool); 2],
            ints: is(Type::Int).then_some(ALL_INTS),
            doubles: is(Type::Double).then_some(ALL_DOUBLES),
            nan: is(Type::Double),
            texts: if is(Type::Text) { Texts::Any } else { Texts::None },
            list: is(Type::Ints),
        }
    }

    /// One of these values.
    pub fn of(values: &[Value<'_>]) -> Possible {
        values.iter().fold(Possible::default(), |all, value| all.or(Possible::one(*value)))
    }

    /// An int of a range, both ends included.
    pub fn between(least: i64, greatest: i64) -> Possible {
        Possible { ints: Some((least, greatest)), ..Possible::default() }
    }

    fn one(value: Value<'_>) -> Possible {
        let none = Possible::default();
        match value {
            Value::Unknown => Possible { unknown: true, ..none },
            Value::Bool(is) => Possible { bools: [!is, is], ..none },
            Value::Int(number) => Possible { ints: Some((number, number)), ..none },
            Value::Double(number) if number.is_nan() => Possible { nan: true, ..none },
            Value::Double(number) => Possible { doubles: Some((number, number)), ..none },
            Value::Text(text) => Possible { texts: Texts::These(vec![text.into()]), ..none },
            Value::Ints(_) => Possible { list: true, ..none },
        }
    }

    /// Either of both.
    #[must_use]
    pub fn or(self, other: Possible) -> Possible {
        Possible {
            unknown: self.unknown || other.unknown,
            bools: [self.bools[0] || other.bools[0], self.bools[1] || other.bools[1]],
            ints: match (self.ints, other.ints) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            },
            doubles: match (self.doubles, other.doubles) {
                (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
                (a, b) => a.or(b),
            },
            nan: self.nan || other.nan,
            texts: match (self.texts, other.texts) {
                (Texts::Any, _) | (_, Texts::Any) => Texts::Any,
                (Texts::None, texts) | (texts, Texts::None) => texts,
                (Texts::These(mut texts), Texts::These(others)) => {
                    texts.extend(others);
                    Texts::These(texts)
                }
            },
            list: self.list || other.list,
        }
    }

    /// Its parts but for unknown.
    fn parts(&self) -> impl Iterator<Item = Kind<'_>> {
        let bools = [false, true].into_iter().filter(|is| self.bools[usize::from(*is)]).map(Kind::Bool);
        let (these, any) = match &self.texts {
            Texts::None => (&[][..], false),
            Texts::These(texts) => (&texts[..], false),
            Texts::Any => (&[][..], true),
        };
        bools
            .chain(self.ints.map(|(least, greatest)| Kind::Ints(least, greatest)))
            .chain(self.doubles.map(|(least, greatest)| Kind::Doubles(least, greatest)))
            .chain(self.nan.then_some(Kind::Nan))
            .chain(these.iter().map(|text| Kind::Text(text)))
            .chain(any.then_some(Kind::AnyText))
            .chain(self.list.then_some(Kind::List))
    }

    /// What a function makes of each part; unknown stays unknown.
    fn map(&self, result: impl Fn(Kind<'_>) -> Possible) -> Possible {
        let unknown = Possible { unknown: self.unknown, ..Possible::default() };
        self.parts().fold(unknown, |all, part| all.or(result(part)))
    }

    /// The same of two: unknown where either is.
    fn with(&self, other: &Possible, result: impl Fn(Kind<'_>, Kind<'_>) -> Possible) -> Possible {
        let unknown = Possible { unknown: self.unknown || other.unknown, ..Possible::default() };
        let pairs = self.parts().flat_map(|left| other.parts().map(move |right| (left, right)));
        pairs.fold(unknown, |all, (left, right)| all.or(result(left, right)))
    }

    /// Whether it is known: unknown, or true.
    fn knowns(&self) -> Truths {
        Truths::NONE.and(self.unknown, Truth::UNKNOWN).and(self.parts().next().is_some(), Truth::TRUE)
    }

    /// Whether it is true, as a condition asks: what is no bool is unknown.
    fn truths(&self) -> Truths {
        let is_else = self.unknown || self.parts().any(|part| !matches!(part, Kind::Bool(_)));
        Truths::NONE.and(self.bools[0], Truth::FALSE).and(self.bools[1], Truth::TRUE).and(is_else, Truth::UNKNOWN)
    }
}

fn unknown() -> Possible {
    Possible::one(Value::Unknown)
}

/// A set of truths, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Truths(u8);

impl Truths {
    const NONE: Truths = Truths(0);

    fn one(truth: Truth) -> Truths {
        Truths(1 << truth.0)
    }

    fn has(self, truth: Truth) -> bool {
        self.0 >> truth.0 & 1 != 0
    }

    /// With a truth, if it is possible.
    fn and(self, is: bool, truth: Truth) -> Truths {
        if is { Truths(self.0 | 1 << truth.0) } else { self }
    }

    fn all(self) -> impl Iterator<Item = Truth> {
        [Truth::FALSE, Truth::UNKNOWN, Truth::TRUE].into_iter().filter(move |truth| self.has(*truth))
    }

    fn with(self, other: Truths, result: impl Fn(Truth, Truth) -> Truth) -> Truths {
        let pairs = self.all().flat_map(|left| other.all().map(move |right| (left, right)));
        pairs.fold(Truths::NONE, |all, (left, right)| all.and(true, result(left, right)))
    }

    fn value(self) -> Possible {
        Possible {
            unknown: self.has(Truth::UNKNOWN),
            bools: [self.has(Truth::FALSE), self.has(Truth::TRUE)],
            ..Possible::default()
        }
    }
}

impl Code {
    /// Whether it can leave true; `inputs`: what the value of each input can be.
    pub(super) fn can_hold(&self, inputs: &[Possible]) -> bool {
        self.outcomes(&self.main, inputs).has(Truth::TRUE)
    }

    /// Everything that a program can leave. No jump is taken: what it skips would decide nothing.
    fn outcomes(&self, program: &[Op], inputs: &[Possible]) -> Truths {
        let (mut found, mut aside) = (Truths::one(Truth::TRUE), Vec::new());
        for op in program {
            match op {
                Op::And(_) | Op::Or(_) => aside.push(found),
                Op::Meet => found = aside.pop().unwrap_or(found).with(found, Truth::min),
                Op::Join => found = aside.pop().unwrap_or(found).with(found, Truth::max),
                Op::Not => found = found.with(found, |truth, _| truth.not()),
                _ => found = self.leaves(*op, inputs),
            }
        }
        found
    }

    fn leaves(&self, op: Op, inputs: &[Possible]) -> Truths {
        let input = |at: u16| &inputs[usize::from(at)];
        let term = |at: u16| self.values(at, inputs);
        match op {
            Op::Constant(truth) => Truths::one(truth),
            Op::Is(at) => input(at).truths(),
            Op::Known(at) => {
                let known = input(at).parts().next().is_some();
                Truths::NONE.and(input(at).unknown, Truth::FALSE).and(known, Truth::TRUE)
            }
            Op::Int(at, is, than) => compare(input(at), is, &Possible::one(Value::Int(than))),
            Op::Double(at, is, than) => compare(input(at), is, &Possible::one(Value::Double(than))),
            Op::Text(at, is, than) => compare(input(at), is, &Possible::one(Value::Text(self.text(than)))),
            Op::OneOf(at, from, to) => {
                let constants = &self.constants[usize::from(from)..usize::from(to)];
                among(input(at), constants.iter().map(|constant| Possible::one(self.constant(*constant))))
            }
            Op::Compare(is, left, right) => compare(&term(left), is, &term(right)),
            Op::Among(item, from, to) => {
                among(&term(item), self.lists[usize::from(from)..usize::from(to)].iter().map(|at| term(*at)))
            }
            Op::InList(item, list) => {
                let either = |_: Kind<'_>, list: Kind<'_>| match list {
                    Kind::List => Possible { bools: [true; 2], ..Possible::default() },
                    _ => unknown(),
                };
                term(item).with(&term(list), either).truths()
            }
            Op::Has(part, text, of) => term(text).with(&term(of), |text, of| has(part, text, of)).truths(),
            Op::Bool(at) => term(at).truths(),
            Op::Not | Op::And(_) | Op::Or(_) | Op::Meet | Op::Join => Truths::NONE,
        }
    }

    /// Everything that a term can be.
    fn values(&self, at: u16, inputs: &[Possible]) -> Possible {
        let values = |at: u16| self.values(at, inputs);
        match self.terms[usize::from(at)] {
            Term::Constant(constant) => Possible::one(self.constant(constant)),
            Term::Input(input) => inputs[usize::from(input)].clone(),
            Term::Truth(program) => self.outcomes(&self.programs[usize::from(program)], inputs).value(),
            Term::Negate(operand) => values(operand).map(negated),
            Term::Arithmetic(operator, left, right) => {
                values(left).with(&values(right), |left, right| calculate(operator, left, right))
            }
            Term::Size(operand) => values(operand).map(|part| match part {
                Kind::Text(text) => Possible::one(Value::Int(text.chars().count() as i64)),
                Kind::AnyText | Kind::List => Possible::between(0, i64::MAX),
                _ => unknown(),
            }),
            Term::Int(operand) => values(operand).map(as_int),
            Term::Double(operand) => values(operand).map(as_double),
            Term::Item(list, at) => values(list).with(&values(at), |list, at| match (list, at) {
                (Kind::List, Kind::Ints(..)) => Possible { ints: Some(ALL_INTS), ..unknown() },
                _ => unknown(),
            }),
            Term::Choice(test, yes, no) => {
                let test = self.outcomes(&self.programs[usize::from(test)], inputs);
                let when = |truth: Truth, value: &dyn Fn() -> Possible| {
                    if test.has(truth) { value() } else { Possible::default() }
                };
                when(Truth::UNKNOWN, &unknown)
                    .or(when(Truth::TRUE, &|| values(yes)))
                    .or(when(Truth::FALSE, &|| values(no)))
            }
        }
    }

    /// Inputs that occur more than once.
    pub(super) fn repeated(&self) -> impl Iterator<Item = Input> {
        let programs = [&self.main].into_iter().chain(&self.programs);
        let of_ops = programs.flatten().filter_map(|op| match op {
            Op::Is(at) | Op::Known(at) | Op::Int(at, ..) | Op::Double(at, ..) | Op::Text(at, ..) => Some(*at),
            Op::OneOf(at, ..) => Some(*at),
            _ => None,
        });
        let of_terms = self.terms.iter().filter_map(|term| match term {
            Term::Input(at) => Some(*at),
            _ => None,
        });
        let mut uses = vec![0_u32; self.inputs.len()];
        of_ops.chain(of_terms).for_each(|at| uses[usize::from(at)] += 1);
        self.inputs.iter().zip(uses).filter(|(_, uses)| *uses > 1).map(|(input, _)| *input)
    }
}

/// Every outcome of a comparison.
fn compare(left: &Possible, is: Relation, right: &Possible) -> Truths {
    left.with(right, |left, right| compared(left, is, right).value()).truths()
}

fn compared(left: Kind<'_>, is: Relation, right: Kind<'_>) -> Truths {
    let equal_or_not = || Truths::one(is.of_equal(true)).and(true, is.of_equal(false));
    match (left, right) {
        (Kind::Bool(a), Kind::Bool(b)) => Truths::one(is.of_equal(a == b)),
        (Kind::List, Kind::List) => equal_or_not(),
        (Kind::Text(a), Kind::Text(b)) => Truths::one(is.of(a.cmp(b))),
        (Kind::Text(_) | Kind::AnyText, Kind::Text(_) | Kind::AnyText) => {
            let orders = [Ordering::Less, Ordering::Equal, Ordering::Greater];
            orders.into_iter().fold(Truths::NONE, |all, found| all.and(true, is.of(found)))
        }
        _ => match (ends(left), ends(right)) {
            (Some(a), Some(b)) => {
                let (least, greatest) = (order(a.0, b.1), order(a.1, b.0));
                let overlap = least != Some(Ordering::Greater) && greatest != Some(Ordering::Less);
                Truths::NONE
                    .and(least == Some(Ordering::Less), is.of(Ordering::Less))
                    .and(overlap, is.of(Ordering::Equal))
                    .and(greatest == Some(Ordering::Greater), is.of(Ordering::Greater))
            }
            _ => Truths::one(is.of_equal(false)),
        },
    }
}

/// The least and greatest of numbers.
fn ends(part: Kind<'_>) -> Option<(Value<'_>, Value<'_>)> {
    match part {
        Kind::Ints(least, greatest) => Some((Value::Int(least), Value::Int(greatest))),
        Kind::Doubles(least, greatest) => Some((Value::Double(least), Value::Double(greatest))),
        _ => None,
    }
}

/// Whether a value can equal one of others: true if any, unknown where one of them is.
fn among(item: &Possible, others: impl Iterator<Item = Possible>) -> Truths {
    let (mut found, mut known) = (Truths::one(Truth::FALSE), item.knowns());
    for other in others {
        known = known.with(other.knowns(), Truth::min);
        let equal = compare(item, Relation::EQUAL, &other);
        found = found.with(Truths(equal.0 & !(1 << Truth::UNKNOWN.0)), Truth::max);
    }
    let found = if known.has(Truth::TRUE) { found } else { Truths::NONE };
    found.and(known.has(Truth::UNKNOWN), Truth::UNKNOWN)
}

fn has(part: Part, text: Kind<'_>, of: Kind<'_>) -> Possible {
    match (text, of) {
        (Kind::Text(text), Kind::Text(of)) => Possible::one(Value::Bool(part.is(text, of))),
        (Kind::Text(_) | Kind::AnyText, Kind::Text(_) | Kind::AnyText) => {
            Possible { bools: [true; 2], ..Possible::default() }
        }
        _ => unknown(),
    }
}

fn negated(part: Kind<'_>) -> Possible {
    match part {
        Kind::Ints(least, greatest) => {
            let ints = Some((greatest.saturating_neg(), least.saturating_neg()));
            Possible { ints, unknown: least == i64::MIN, ..Possible::default() }
        }
        Kind::Doubles(least, greatest) => Possible { doubles: Some((-greatest, -least)), ..Possible::default() },
        Kind::Nan => Possible { nan: true, ..Possible::default() },
        _ => unknown(),
    }
}

fn as_int(part: Kind<'_>) -> Possible {
    match part {
        Kind::Ints(least, greatest) => Possible::between(least, greatest),
        Kind::Doubles(least, greatest) => {
            let fail = [least, greatest].into_iter().any(|end| to_int(Value::Double(end)).is_none());
            // Casts stop at the ends of the ints.
            Possible { unknown: fail, ..Possible::between(least as i64, greatest as i64) }
        }
        Kind::Text(text) => to_int(Value::Text(text)).map_or_else(unknown, |number| Possible::between(number, number)),
        Kind::AnyText => Possible { ints: Some(ALL_INTS), ..unknown() },
        Kind::Nan | Kind::Bool(_) | Kind::List => unknown(),
    }
}

fn as_double(part: Kind<'_>) -> Possible {
    match part {
        Kind::Ints(least, greatest) => {
            Possible { doubles: Some((least as f64, greatest as f64)), ..Possible::default() }
        }
        Kind::Doubles(least, greatest) => Possible { doubles: Some((least, greatest)), ..Possible::default() },
        Kind::Nan => Possible { nan: true, ..Possible::default() },
        Kind::Text(text) => {
            to_double(Value::Text(text)).map_or_else(unknown, |number| Possible::one(Value::Double(number)))
        }
        Kind::AnyText => Possible { doubles: Some(ALL_DOUBLES), nan: true, ..unknown() },
        Kind::Bool(_) | Kind::List => unknown(),
    }
}

/// What arithmetic can come to.
fn calculate(operator: Arithmetic, left: Kind<'_>, right: Kind<'_>) -> Possible {
    match (left, right) {
        (Kind::Ints(a, b), Kind::Ints(c, d)) if a == b && c == d => {
            operator.of(Value::Int(a), Value::Int(c)).map_or_else(unknown, Possible::one)
        }
        (Kind::Ints(a, b), Kind::Ints(c, d)) => ints(operator, (a, b), (c, d)),
        (Kind::Doubles(a, b), Kind::Doubles(c, d)) => doubles(operator, (a, b), (c, d)),
        (Kind::Nan, Kind::Doubles(..) | Kind::Nan) | (Kind::Doubles(..), Kind::Nan) => {
            Possible { nan: true, unknown: operator == Arithmetic::Remainder, ..Possible::default() }
        }
        _ => unknown(),
    }
}

fn ints(operator: Arithmetic, (a, b): (i64, i64), (c, d): (i64, i64)) -> Possible {
    let [a, b, c, d] = [a, b, c, d].map(i128::from);
    let size = a.abs().max(b.abs());
    let (ends, can_fail) = match operator {
        Arithmetic::Add => ([a + c, b + d, a + c, b + d], false),
        Arithmetic::Subtract => ([a - d, b - c, a - d, b - c], false),
        Arithmetic::Multiply => ([a * c, a * d, b * c, b * d], false),
        Arithmetic::Divide => ([-size, size, 0, 0], c <= 0 && d >= 0),
        Arithmetic::Remainder => ([-size, size, 0, 0], (c <= 0 && d >= 0) || i128::from(i64::MIN) == a),
    };
    let (least, greatest) =
        ends.iter().fold((ends[0], ends[0]), |(least, most), end| (least.min(*end), most.max(*end)));
    let (lowest, highest) = (i128::from(i64::MIN), i128::from(i64::MAX));
    let ints =
        (least <= highest && greatest >= lowest).then(|| (least.max(lowest) as i64, greatest.min(highest) as i64));
    Possible { ints, unknown: can_fail || least < lowest || greatest > highest, ..Possible::default() }
}

fn doubles(operator: Arithmetic, (a, b): (f64, f64), (c, d): (f64, f64)) -> Possible {
    let anything = Possible { doubles: Some(ALL_DOUBLES), nan: true, ..Possible::default() };
    let result = |left, right| match operator.of(Value::Double(left), Value::Double(right)) {
        Some(Value::Double(number)) => Some(number),
        _ => None,
    };
    let ends = [(a, c), (a, d), (b, c), (b, d)].map(|(left, right)| result(left, right));
    let is_plain = [a, b, c, d].iter().all(|end| end.is_finite())
        && (operator != Arithmetic::Divide || c > 0.0 || d < 0.0 || (a == b && c == d));
    match ends {
        [Some(first), ..] if is_plain && !ends.iter().any(|end| end.is_none_or(f64::is_nan)) => {
            let numbers = ends.into_iter().flatten();
            let range = numbers.fold((first, first), |(least, most), end| (least.min(end), most.max(end)));
            Possible { doubles: Some(range), ..Possible::default() }
        }
        [Some(_), ..] => anything,
        // `%` of doubles fails.
        _ => unknown(),
    }
}
