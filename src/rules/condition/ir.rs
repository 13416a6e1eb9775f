//! The compiled form of a condition, and its evaluation.
//!
//! Logic is a flat program: each comparison leaves a truth value, and `&&` and `||` jump over operands that cannot
//! change the result. A comparison of an input with a constant, which is the usual case, is one operation. Other
//! operands are terms in an arena. Terms nest at most as deep as the text, which `syntax` limits. The evaluation does
//! not allocate.

use std::cmp::Ordering;

use crate::rules::inputs::{Input, Inputs, Value};

/// True, false or unknown: `&&` is the least of its operands, `||` the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Truth(pub(super) u8);

impl Truth {
    pub(super) const FALSE: Truth = Truth(0);
    pub(super) const UNKNOWN: Truth = Truth(1);
    pub(super) const TRUE: Truth = Truth(2);

    pub(super) fn of(is: bool) -> Truth {
        Truth(2 * u8::from(is))
    }

    pub(super) fn not(self) -> Truth {
        Truth(2 - self.0)
    }

    pub(super) fn known(self) -> Option<bool> {
        (self != Truth::UNKNOWN).then_some(self == Truth::TRUE)
    }

    pub(super) fn value<'a>(self) -> Value<'a> {
        self.known().map_or(Value::Unknown, Value::Bool)
    }
}

/// The orders of two values that a comparison asks for, a bit each: less, equal, greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relation(u8);

impl Relation {
    pub(super) const LESS: Relation = Relation(0b001);
    pub(super) const EQUAL: Relation = Relation(0b010);
    pub(super) const GREATER: Relation = Relation(0b100);

    pub(super) fn or(self, other: Relation) -> Relation {
        Relation(self.0 | other.0)
    }

    /// What is true exactly where this is false.
    pub(super) fn inverse(self) -> Relation {
        Relation(self.0 ^ 0b111)
    }

    /// The same of exchanged operands.
    pub(super) fn mirrored(self) -> Relation {
        Relation(self.0 & 0b010 | (self.0 & 1) << 2 | self.0 >> 2)
    }

    pub(super) fn of(self, found: Ordering) -> Truth {
        Truth(2 * (self.0 >> (found as i8 + 1) & 1))
    }

    /// Of two values that are equal or not, and neither is greater.
    pub(super) fn of_equal(self, are: bool) -> Truth {
        match self {
            Relation::EQUAL => Truth::of(are),
            _ if self == Relation::EQUAL.inverse() => Truth::of(!are),
            _ => Truth::UNKNOWN,
        }
    }
}

/// An operator of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// A question about two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Contains,
    StartsWith,
    EndsWith,
}

/// A step of a program: it leaves a truth, or combines the last one with one that is set aside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    Constant(Truth),
    /// The value of an input is true.
    Is(u16),
    /// The value of an input is known.
    Known(u16),
    /// An input compared with an int.
    Int(u16, Relation, i64),
    /// An input compared with a double.
    Double(u16, Relation, f64),
    /// An input compared with a text, by its place.
    Text(u16, Relation, u16),
    /// An input is one of the constants between two places.
    OneOf(u16, u16, u16),
    /// Two terms compared.
    Compare(Relation, u16, u16),
    /// A term equals one of the terms that are listed between two places.
    Among(u16, u16, u16),
    /// A term equals an item of a list.
    InList(u16, u16),
    /// A text and a part of it.
    Has(Part, u16, u16),
    /// A term is true.
    Bool(u16),
    Not,
    /// Sets the truth aside as an operand of `&&`; false ends it, at this place.
    And(u16),
    /// The same of `||`: true ends it.
    Or(u16),
    /// `&&` of what was set aside and the truth.
    Meet,
    /// `||` of them.
    Join,
}

/// A value in a condition. Other terms and programs are named by their places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Term {
    Constant(Constant),
    Input(u16),
    /// What a program leaves.
    Truth(u16),
    Negate(u16),
    Arithmetic(Arithmetic, u16, u16),
    Size(u16),
    Int(u16),
    Double(u16),
    Item(u16, u16),
    /// A program, and the terms for true and for false.
    Choice(u16, u16, u16),
}

/// A value that is written in a condition; a text by its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Constant {
    Unknown,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(u16),
}

/// A condition, ready to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Code {
    /// What it reads, in order of appearance.
    pub(super) inputs: Vec<Input>,
    /// The program of the whole condition.
    pub(super) main: Vec<Op>,
    /// Programs inside terms.
    pub(super) programs: Vec<Vec<Op>>,
    pub(super) terms: Vec<Term>,
    /// Terms of lists in brackets, by their places.
    pub(super) lists: Vec<u16>,
    /// Constants of lists in brackets.
    pub(super) constants: Vec<Constant>,
    pub(super) texts: Vec<Box<str>>,
}

impl Code {
    /// Runs the whole condition.
    pub(super) fn holds(&self, inputs: &impl Inputs) -> Truth {
        self.run::<false>(&self.main, inputs)
    }

    /// Whether the whole condition, of which no part is negated, is true: what is unknown ends an `&&` as what is false.
    pub(super) fn is_true(&self, inputs: &impl Inputs) -> bool {
        self.run::<true>(&self.main, inputs) == Truth::TRUE
    }

    /// Whether it negates a part of itself, which is true then where the part is false, and not where it is unknown.
    pub(super) fn negates(&self) -> bool {
        let negates = |pair: &[Op]| matches!(pair, [Op::Meet | Op::Join | Op::Int(..), Op::Not]);
        self.main.windows(2).any(negates)
    }

    /// The ints at which comparisons of an input with constants change while it rises; none if it occurs elsewhere.
    pub(super) fn turns(&self, of: Input) -> Option<Vec<i32>> {
        let is = |input: u16| self.inputs[usize::from(input)] == of;
        let in_a_term = self.terms.iter().any(|term| matches!(term, Term::Input(input) if is(*input)));
        let mut turns = Vec::new();
        for op in std::iter::once(&self.main).chain(&self.programs).flatten() {
            let (relation, than) = match *op {
                Op::Int(input, relation, than) if is(input) => (relation, than),
                Op::Double(input, ..) | Op::OneOf(input, ..) if is(input) => return None,
                _ => continue,
            };
            // `>= 7` changes at 7, `> 7` at 8, `== 7` at both. What no count reaches changes nothing.
            let [below, equal, above] = [Ordering::Less, Ordering::Equal, Ordering::Greater].map(|it| relation.of(it));
            let at = [(below != equal, than), (equal != above, than.saturating_add(1))];
            turns.extend(at.into_iter().filter(|(turns, _)| *turns).filter_map(|(_, at)| i32::try_from(at).ok()));
        }
        (!in_a_term).then_some(turns)
    }

    /// Runs a program. Terms run programs in turn, no deeper than the text is nested. `ONLY_TRUE`: it only matters whether
    /// the result is true; if it is not, the result may be unknown instead of false, and false instead of unknown.
    fn run<const ONLY_TRUE: bool>(&self, program: &[Op], inputs: &impl Inputs) -> Truth {
        let (mut at, mut truth) = (0, Truth::TRUE);
        // Two bits for each operand that is set aside; there are no more of them than levels of nesting.
        let mut aside = 0_u64;
        while let Some(op) = program.get(at) {
            at += 1;
            truth = match *op {
                // Most signals are off. Where that would not be enough, it need not be known.
                Op::Int(input, is, than) if ONLY_TRUE && self.would_be_false(input, is, than, inputs) => Truth::FALSE,
                Op::Int(input, is, than) => match self.get(input, inputs) {
                    Value::Int(value) => is.of(value.cmp(&than)),
                    value => compare(value, is, Value::Int(than), inputs),
                },
                Op::And(end) | Op::Or(end) => {
                    let ends = match op {
                        Op::And(_) => truth == Truth::FALSE || (ONLY_TRUE && truth == Truth::UNKNOWN),
                        _ => truth == Truth::TRUE,
                    };
                    if ends {
                        at = end.into();
                    } else {
                        aside = aside << 2 | u64::from(truth.0);
                    }
                    truth
                }
                Op::Meet | Op::Join => {
                    let other = Truth((aside & 3) as u8);
                    aside >>= 2;
                    if *op == Op::Meet { truth.min(other) } else { truth.max(other) }
                }
                Op::Not => truth.not(),
                _ => self.leaf(op, inputs),
            };
        }
        truth
    }

    /// Whether a comparison would be false if the value of its input were known.
    fn would_be_false(&self, input: u16, is: Relation, than: i64, inputs: &impl Inputs) -> bool {
        let value = inputs.if_known(self.inputs[usize::from(input)]);
        matches!(value, Value::Int(value) if is.of(value.cmp(&than)) == Truth::FALSE)
    }

    fn get<'i, I: Inputs>(&self, input: u16, inputs: &'i I) -> Value<'i> {
        inputs.value(self.inputs[usize::from(input)])
    }

    /// The truth that an operation leaves by itself.
    fn leaf<I: Inputs>(&self, op: &Op, inputs: &I) -> Truth {
        match *op {
            Op::Is(input) => is_true(self.get(input, inputs)),
            Op::Known(input) => Truth::of(self.get(input, inputs) != Value::Unknown),
            Op::Int(input, is, than) => compare(self.get(input, inputs), is, Value::Int(than), inputs),
            Op::Double(input, is, than) => compare(self.get(input, inputs), is, Value::Double(than), inputs),
            Op::Text(input, is, than) => compare(self.get(input, inputs), is, Value::Text(self.text(than)), inputs),
            Op::OneOf(input, from, to) => {
                let value = self.get(input, inputs);
                let constants = &self.constants[usize::from(from)..usize::from(to)];
                among(value, constants.iter().map(|constant| self.constant(*constant)), inputs)
            }
            Op::Compare(is, left, right) => compare(self.term(left, inputs), is, self.term(right, inputs), inputs),
            Op::Among(item, from, to) => {
                let item = self.term(item, inputs);
                let list = &self.lists[usize::from(from)..usize::from(to)];
                among(item, list.iter().map(|term| self.term(*term, inputs)), inputs)
            }
            Op::InList(item, list) => match (self.term(item, inputs), self.term(list, inputs)) {
                (Value::Unknown, _) => Truth::UNKNOWN,
                (item, Value::Ints(list)) => {
                    let is = |found| compare(item, Relation::EQUAL, Value::Int(found), inputs) == Truth::TRUE;
                    Truth::of(items(inputs, list).any(is))
                }
                _ => Truth::UNKNOWN,
            },
            Op::Has(part, text, of) => match (self.term(text, inputs), self.term(of, inputs)) {
                (Value::Text(text), Value::Text(of)) => Truth::of(part.is(text, of)),
                _ => Truth::UNKNOWN,
            },
            Op::Bool(term) => is_true(self.term(term, inputs)),
            Op::Constant(truth) => truth,
            Op::Not | Op::And(_) | Op::Or(_) | Op::Meet | Op::Join => Truth::UNKNOWN,
        }
    }

    pub(super) fn text(&self, place: u16) -> &str {
        &self.texts[usize::from(place)]
    }

    pub(super) fn constant(&self, constant: Constant) -> Value<'_> {
        match constant {
            Constant::Unknown => Value::Unknown,
            Constant::Bool(is) => Value::Bool(is),
            Constant::Int(number) => Value::Int(number),
            Constant::Double(number) => Value::Double(number),
            Constant::Text(place) => Value::Text(self.text(place)),
        }
    }

    /// The value of a term. It is unknown if the computation fails, for example by a division by zero.
    pub(super) fn term<'v, I: Inputs>(&'v self, term: u16, inputs: &'v I) -> Value<'v> {
        match self.terms[usize::from(term)] {
            Term::Constant(constant) => self.constant(constant),
            Term::Input(input) => self.get(input, inputs),
            Term::Truth(program) => self.run::<false>(&self.programs[usize::from(program)], inputs).value(),
            Term::Negate(term) => match self.term(term, inputs) {
                Value::Int(number) => known(number.checked_neg().map(Value::Int)),
                Value::Double(number) => Value::Double(-number),
                _ => Value::Unknown,
            },
            Term::Arithmetic(operator, left, right) => {
                known(operator.of(self.term(left, inputs), self.term(right, inputs)))
            }
            Term::Size(term) => match self.term(term, inputs) {
                Value::Text(text) => Value::Int(text.chars().count() as i64),
                Value::Ints(list) => Value::Int(items(inputs, list).count() as i64),
                _ => Value::Unknown,
            },
            Term::Int(term) => known(to_int(self.term(term, inputs)).map(Value::Int)),
            Term::Double(term) => known(to_double(self.term(term, inputs)).map(Value::Double)),
            Term::Item(list, at) => match (self.term(list, inputs), self.term(at, inputs)) {
                (Value::Ints(list), Value::Int(at)) => {
                    known(usize::try_from(at).ok().and_then(|at| inputs.item(list, at)).map(Value::Int))
                }
                _ => Value::Unknown,
            },
            Term::Choice(test, yes, no) => match self.run::<false>(&self.programs[usize::from(test)], inputs).known() {
                Some(is) => self.term(if is { yes } else { no }, inputs),
                None => Value::Unknown,
            },
        }
    }
}

fn known(value: Option<Value<'_>>) -> Value<'_> {
    value.unwrap_or(Value::Unknown)
}

fn is_true(value: Value<'_>) -> Truth {
    match value {
        Value::Bool(is) => Truth::of(is),
        _ => Truth::UNKNOWN,
    }
}

/// The items of a list.
fn items(inputs: &impl Inputs, list: Input) -> impl Iterator<Item = i64> {
    (0..).map_while(move |at| inputs.item(list, at))
}

/// Whether a value equals one of others; unknown where any of them is.
fn among<'v>(item: Value<'v>, others: impl Iterator<Item = Value<'v>>, inputs: &impl Inputs) -> Truth {
    if item == Value::Unknown {
        return Truth::UNKNOWN;
    }
    let mut found = Truth::FALSE;
    for other in others {
        match compare(item, Relation::EQUAL, other, inputs) {
            Truth::UNKNOWN => return Truth::UNKNOWN,
            truth => found = found.max(truth),
        }
    }
    found
}

/// Compares two values. Ints and doubles are compared as numbers; other unlike types are not equal, and in no order.
fn compare(left: Value<'_>, is: Relation, right: Value<'_>, inputs: &impl Inputs) -> Truth {
    match (left, right) {
        (Value::Unknown, _) | (_, Value::Unknown) => Truth::UNKNOWN,
        (Value::Bool(a), Value::Bool(b)) => is.of_equal(a == b),
        (Value::Ints(a), Value::Ints(b)) => is.of_equal(items(inputs, a).eq(items(inputs, b))),
        _ => order(left, right).map_or(is.of_equal(false), |found| is.of(found)),
    }
}

/// The order of two numbers or two texts; none of anything else, and of what is not a number.
pub(super) fn order(left: Value<'_>, right: Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(&b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(&b),
        (Value::Int(a), Value::Double(b)) => int_with_double(a, b),
        (Value::Double(a), Value::Int(b)) => int_with_double(b, a).map(Ordering::reverse),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The exact order of an int and a double: no int is rounded to a double.
fn int_with_double(int: i64, double: f64) -> Option<Ordering> {
    // 2⁶³, the first double beyond the ints.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if double.is_nan() {
        None
    } else if double >= BEYOND {
        Some(Ordering::Less)
    } else if double < -BEYOND {
        Some(Ordering::Greater)
    } else {
        let whole = double.trunc();
        Some(int.cmp(&(whole as i64)).then(0.0_f64.partial_cmp(&(double - whole))?))
    }
}

impl Arithmetic {
    /// The result; none where it fails: a division by zero, an overflow, values of unlike types.
    pub(super) fn of<'v>(self, left: Value<'_>, right: Value<'_>) -> Option<Value<'v>> {
        match (left, right) {
            (Value::Int(a), Value::Int(b)) => match self {
                Arithmetic::Add => a.checked_add(b),
                Arithmetic::Subtract => a.checked_sub(b),
                Arithmetic::Multiply => a.checked_mul(b),
                Arithmetic::Divide => a.checked_div(b),
                Arithmetic::Remainder => a.checked_rem(b),
            }
            .map(Value::Int),
            (Value::Double(a), Value::Double(b)) => match self {
                Arithmetic::Add => Some(a + b),
                Arithmetic::Subtract => Some(a - b),
                Arithmetic::Multiply => Some(a * b),
                Arithmetic::Divide => Some(a / b),
                Arithmetic::Remainder => None,
            }
            .map(Value::Double),
            _ => None,
        }
    }
}

impl Part {
    pub(super) fn is(self, text: &str, of: &str) -> bool {
        match self {
            Part::Contains => text.contains(of),
            Part::StartsWith => text.starts_with(of),
            Part::EndsWith => text.ends_with(of),
        }
    }
}

/// `int(x)`.
pub(super) fn to_int(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        // Both bounds are powers of two, which a double holds exactly.
        Value::Double(number) => {
            let fits = number > -9_223_372_036_854_775_808.0 && number < 9_223_372_036_854_775_808.0;
            fits.then_some(number as i64)
        }
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// `double(x)`.
pub(super) fn to_double(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(number as f64),
        Value::Double(number) => Some(number),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}
