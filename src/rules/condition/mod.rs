//! Conditions of the rules file: a subset of [CEL](https://cel.dev) over dotted names, checked when the rules are
//! loaded.
//!
//! `syntax` parses the text; `check` refuses unknown names, types that do not match, and everything that is not
//! deterministic; `lower` compiles the tree to flat code; `ir` runs it over the values of its inputs, and `possible`
//! over the sets of values that they can have. Conditions support:
//!
//! | | |
//! |---|---|
//! | logic | `&&`, `\|\|`, `!`, `c ? a : b` |
//! | comparison | `==`, `!=`, `<`, `<=`, `>`, `>=`, between an int and a double too; `x in [a, b]`, `x in list` |
//! | arithmetic | `+`, `-`, `*`, `/` of two ints or of two doubles, `%` of ints |
//! | lists | `list[0]`, `size(list)` |
//! | text | `size(s)`, `s.contains(t)`, `s.startsWith(t)`, `s.endsWith(t)` |
//! | conversion | `int(x)`, `double(x)` |
//! | presence | `has(name)`: whether its value is known |
//!
//! A condition is true, false or unknown. An unknown value, and any error at run time (a division by zero, an index
//! past the end, a trait of another type), makes unknown what depends on it; `false && unknown` is false and
//! `true || unknown` is true, in either order: Kleene's logic, which is CEL's rule for errors.

mod check;
mod ir;
#[cfg(test)]
mod laws;
mod lower;
mod possible;
mod syntax;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::cell::Cell;

use self::ir::Code;
use super::inputs::{Input, Inputs, Reads, SignalRef, Type, Value};

pub use self::possible::Possible;
pub(super) use self::vocabulary::{Only, Vocabulary};

/// A condition, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct Condition {
    text: Box<str>,
    names: Vec<String>,
    types: Vec<Type>,
    code: Code,
    greatest: i64,
    /// Whether a part of it is negated.
    negates: bool,
    /// Inputs that occur more than once, up to the number that is cached during an evaluation.
    repeated: Vec<Input>,
    needs: Option<Vec<SignalRef>>,
    /// What it reads, as a set.
    pub reads: Reads,
}

/// Conditions with the same text are equal, even if the indices of their inputs differ.
impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        self.text == other.text
    }
}

impl Condition {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong and in which column (counted in characters from 1): the text is no CEL expression, names something
    /// unknown, mixes types, compares with what a name can never be, is not a bool, is nested more than 16 levels
    /// deep, or uses a part of CEL that conditions leave out.
    pub(super) fn compile(text: &str, vocabulary: &mut dyn Vocabulary) -> Result<Condition, String> {
        let checked = check::check(text, vocabulary)?;
        let inputs: Vec<Input> = checked.names.iter().map(|(_, input, _)| *input).collect();
        let mut reads = Reads::default();
        inputs.iter().for_each(|input| reads.add(input));
        let code = lower::lower(&checked.tree, &inputs);
        let mut condition = Condition {
            text: text.into(),
            types: checked.names.iter().map(|(.., of)| *of).collect(),
            names: checked.names.into_iter().map(|(name, ..)| name).collect(),
            greatest: checked.greatest,
            negates: code.negates(),
            repeated: code.repeated().take(REMEMBERED).collect(),
            code,
            needs: None,
            reads,
        };
        condition.needs = condition.needed();
        Ok(condition)
    }

    /// The condition as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The dotted names that it reads, each once, in order of appearance.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The inputs of the names, in their order.
    pub fn inputs(&self) -> &[Input] {
        &self.code.inputs
    }

    /// The greatest number that is written in it, rounded up; 0 without any.
    pub fn greatest(&self) -> i64 {
        self.greatest
    }

    /// The ints at which the condition can change while one of its inputs, an int, rises, in order; none if it can change
    /// at any: the input occurs in a term, and not only in comparisons with constants.
    pub(in crate::rules) fn turns(&self, of: Input) -> Option<Vec<i32>> {
        let mut turns = self.code.turns(of)?;
        turns.sort_unstable();
        turns.dedup();
        Some(turns)
    }

    /// Signals of which at least one must be on for the condition to be true; none if it can be true without. Of a
    /// condition that is never true they are no signals.
    pub fn needs(&self) -> Option<&[SignalRef]> {
        self.needs.as_deref()
    }

    /// Whether the condition is true; `None` if that is unknown. Inputs are read from left to right, and only those
    /// that the result depends on.
    pub fn holds(&self, inputs: &impl Inputs) -> Option<bool> {
        if self.repeated.is_empty() {
            return self.code.holds(inputs).known();
        }
        let known = [const { Cell::new(None) }; REMEMBERED];
        self.code.holds(&Remembered { inputs, repeated: &self.repeated, known }).known()
    }

    /// Whether the condition holds; false where that is unknown. Less is asked than [`Condition::holds`] asks.
    pub fn is_true(&self, inputs: &impl Inputs) -> bool {
        if self.negates {
            return self.holds(inputs) == Some(true);
        }
        if self.repeated.is_empty() {
            return self.code.is_true(inputs);
        }
        let known = [const { Cell::new(None) }; REMEMBERED];
        self.code.is_true(&Remembered { inputs, repeated: &self.repeated, known })
    }

    /// Whether the condition can be true. `can_be(i)` is what the value of `names()[i]` can be; `None`: anything of its
    /// type. False is certain; each name is looked at by itself, so what only two together forbid counts as possible.
    pub fn can_hold(&self, can_be: &dyn Fn(usize) -> Option<Possible>) -> bool {
        let any = |at: usize| Possible::any(self.types[at]);
        let inputs: Vec<Possible> = (0..self.names.len()).map(|at| can_be(at).unwrap_or_else(|| any(at))).collect();
        self.code.can_hold(&inputs)
    }

    /// A smallest set of signals without which it cannot be true: none of them can be left out.
    fn needed(&self) -> Option<Vec<SignalRef>> {
        let off = Possible::of(&[Value::Int(0), Value::Unknown]);
        let without = |signals: &[SignalRef]| {
            let is_off = |at: usize| matches!(self.inputs()[at], Input::Signal(signal) if signals.contains(&signal));
            self.can_hold(&|at| is_off(at).then(|| off.clone()))
        };
        let signal = |input: &Input| match input {
            Input::Signal(signal) => Some(*signal),
            _ => None,
        };
        let mut needed: Vec<SignalRef> = self.inputs().iter().filter_map(signal).collect();
        if without(&needed) {
            return None;
        }
        for place in (0..needed.len()).rev() {
            let left_out = needed.remove(place);
            if without(&needed) {
                needed.insert(place, left_out);
            }
        }
        Some(needed)
    }
}

/// The number of repeated inputs that are cached.
const REMEMBERED: usize = 4;

/// Inputs with a cache for those that occur more than once in a condition.
struct Remembered<'a, I> {
    inputs: &'a I,
    repeated: &'a [Input],
    known: [Cell<Option<Value<'a>>>; REMEMBERED],
}

impl<I: Inputs> Inputs for Remembered<'_, I> {
    fn value(&self, input: Input) -> Value<'_> {
        let Some(place) = self.repeated.iter().position(|known| *known == input) else {
            return self.inputs.value(input);
        };
        self.known[place].get().unwrap_or_else(|| {
            let value = self.inputs.value(input);
            self.known[place].set(Some(value));
            value
        })
    }

    fn if_known(&self, input: Input) -> Value<'_> {
        self.inputs.if_known(input)
    }

    fn item(&self, list: Input, at: usize) -> Option<i64> {
        self.inputs.item(list, at)
    }
}
