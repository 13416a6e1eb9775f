//! Conditions of the rules file: a part of [CEL](https://cel.dev) over dotted names, checked when the rules are loaded.
//!
//! `syntax` parses; here the tree is checked and evaluated. Unknown names, unlike types and whatever is not total and
//! deterministic are refused. What is left:
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

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::syntax::{self, Expr, Node, Operator};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A number of 64 bits with a fraction.
    Double,
    /// A string.
    Text,
    /// A list of ints.
    Ints,
    /// Not known before the value is there; where the value does not fit, the result is unknown.
    Any,
}

impl Type {
    /// Whether it may be a number.
    fn is_number(self) -> bool {
        matches!(self, Type::Int | Type::Double | Type::Any)
    }

    /// Whether a value of this type may stand where `other` is wanted.
    fn fits(self, other: Type) -> bool {
        self == other || self == Type::Any || other == Type::Any
    }

    /// Whether values of both types can be equal. Ints and doubles compare as numbers.
    fn compares_with(self, other: Type) -> bool {
        self.fits(other) || (self.is_number() && other.is_number())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "a bool",
            Type::Int => "an int",
            Type::Double => "a double",
            Type::Text => "a string",
            Type::Ints => "a list of ints",
            Type::Any => "a value of any type",
        })
    }
}

/// The value of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Not known, or absent.
    Unknown,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// A string.
    Text(Arc<str>),
    /// A list of ints.
    Ints(Vec<i64>),
}

/// What a name can be beyond its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Only {
    /// Anything.
    Any,
    /// One of these words.
    Words(Vec<String>),
    /// A text in lower case.
    LowerCase,
    /// A number from 0 to this one.
    UpTo(i64),
    /// A list of so many items at most.
    Items(i64),
}

/// What a condition may name.
#[derive(Clone, Copy)]
pub struct Vocabulary<'a> {
    /// The type of a dotted name, `user.intent.pricing` say, if there is one.
    pub type_of: &'a dyn Fn(&str) -> Option<Type>,
    /// What it can be.
    pub only: &'a dyn Fn(&str) -> Only,
    /// What to say of a name that is none.
    pub unknown: &'a dyn Fn(&str) -> String,
}

/// A condition, compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    text: String,
    names: Vec<String>,
    tree: Node,
    greatest: i64,
}

/// The functions that a condition can call.
const FUNCTIONS: [&str; 7] = ["size", "contains", "startsWith", "endsWith", "int", "double", "has"];

impl Expression {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong and in which column (counted in characters from 1): the text is no CEL expression, names something
    /// unknown, mixes types, compares with what a name can never be, is not a bool, is nested more than 16 levels
    /// deep, or uses a part of CEL that conditions leave out.
    pub fn compile(text: &str, vocabulary: &Vocabulary<'_>) -> Result<Expression, String> {
        let mut tree = syntax::parse(text)?;
        let mut checker = Checker { vocabulary, text, names: Vec::new(), greatest: 0 };
        let found = checker.check(&mut tree)?;
        if !found.fits(Type::Bool) {
            return Err(checker.error(&tree, &format!("a condition is a bool, this is {found}")));
        }
        Ok(Expression { text: text.to_owned(), names: checker.names, tree, greatest: checker.greatest })
    }

    /// The condition as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The dotted names that it reads, each once, in order of appearance.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The greatest number that is written in it, rounded up; 0 without any.
    pub fn greatest(&self) -> i64 {
        self.greatest
    }

    /// Whether the condition can be true. `can_be(i)` is what the value of `names()[i]` can be; `None`: anything.
    ///
    /// Comparisons are looked at one by one: of two that exclude each other both can be true.
    pub fn can_hold(&self, can_be: &dyn Fn(usize) -> Option<Vec<Value>>) -> bool {
        let can_be: Vec<Option<Vec<Value>>> = (0..self.names.len()).map(can_be).collect();
        outcomes(&self.tree, &can_be).contains(&Some(true))
    }

    /// Whether the condition holds; `None` if that is unknown. `value(i)` is the value of `names()[i]`: it is asked at
    /// most once for each name, and only for those that the result depends on, from left to right.
    pub fn holds(&self, value: &mut dyn FnMut(usize) -> Value) -> Option<bool> {
        const FEW: usize = 4;
        let mut few = [const { None }; FEW];
        let mut many;
        let known = match few.get_mut(..self.names.len()) {
            Some(few) => few,
            None => {
                many = vec![None; self.names.len()];
                &mut many[..]
            }
        };
        Values { known, ask: value }.holds(&self.tree)
    }
}

/// True, false and unknown.
const ANY_OUTCOME: [Option<bool>; 3] = [Some(true), Some(false), None];

/// Everything that a tree can come to, by what the values of its names can be.
fn outcomes(tree: &Node, can_be: &[Option<Vec<Value>>]) -> BTreeSet<Option<bool>> {
    match &tree.expr {
        Expr::Not(operand) => return outcomes(operand, can_be).into_iter().map(|it| it.map(|is| !is)).collect(),
        Expr::Logic { any, operands } => {
            let both = |a: Option<bool>, b: Option<bool>| match (a, b) {
                _ if a == Some(*any) || b == Some(*any) => Some(*any),
                (Some(_), Some(_)) => Some(!any),
                _ => None,
            };
            return operands.iter().fold([Some(!any)].into(), |so_far: BTreeSet<Option<bool>>, operand| {
                let next = outcomes(operand, can_be);
                so_far.iter().flat_map(|a| next.iter().map(move |b| both(*a, *b))).collect()
            });
        }
        _ => {}
    }
    let mut names = BTreeSet::new();
    let is_plain = collect_names(tree, &mut names);
    let known = |name: &usize| can_be.get(*name).and_then(Option::as_ref);
    if names.iter().any(|name| known(name).is_none()) {
        // One unknown value makes all of a comparison unknown, whatever the others are.
        let is_unknown = |name: &usize| known(name).is_some_and(|values| values.iter().all(|it| *it == Value::Unknown));
        return if is_plain && names.iter().any(is_unknown) { [None].into() } else { ANY_OUTCOME.into() };
    }
    let mut choices = vec![vec![Value::Unknown; can_be.len()]];
    for name in &names {
        let values = known(name).map_or(&[][..], Vec::as_slice);
        let with = |choice: &Vec<Value>, value: &Value| {
            let mut choice = choice.clone();
            choice[*name] = value.clone();
            choice
        };
        choices = choices.iter().flat_map(|choice| values.iter().map(|value| with(choice, value))).collect();
    }
    let holds = |values: Vec<Value>| {
        let mut known: Vec<Option<Value>> = values.into_iter().map(Some).collect();
        Values { known: &mut known, ask: &mut |_| Value::Unknown }.holds(tree)
    };
    choices.into_iter().map(holds).collect()
}

/// Adds the names that a tree reads; whether it reads all of them, and asks of none only whether it is known.
fn collect_names(tree: &Node, names: &mut BTreeSet<usize>) -> bool {
    let mut is_plain = !matches!(&tree.expr, Expr::Has(_) | Expr::Choice(_) | Expr::Logic { .. });
    if let Expr::Name(index) | Expr::Has(index) = tree.expr {
        names.insert(index);
    }
    for operand in tree.expr.operands() {
        is_plain &= collect_names(operand, names);
    }
    is_plain
}

/// The values of an expression's names, by index, each asked when it is needed first.
struct Values<'a> {
    known: &'a mut [Option<Value>],
    ask: &'a mut dyn FnMut(usize) -> Value,
}

impl Values<'_> {
    fn get(&mut self, index: usize) -> Value {
        self.known[index].get_or_insert_with(|| (self.ask)(index)).clone()
    }

    /// Whether a part of a condition is true; `None` if that is unknown or the part is no bool.
    fn holds(&mut self, node: &Node) -> Option<bool> {
        match self.value(node)? {
            Value::Bool(holds) => Some(holds),
            _ => None,
        }
    }

    /// The value of a part of a condition; `None` where it is unknown or fails.
    fn value(&mut self, node: &Node) -> Option<Value> {
        match &node.expr {
            Expr::Bool(value) => Some(Value::Bool(*value)),
            Expr::Int(value) => Some(Value::Int(*value)),
            Expr::Double(value) => Some(Value::Double(*value)),
            Expr::Text(value) => Some(Value::Text(Arc::clone(value))),
            Expr::Name(index) => Some(self.get(*index)).filter(|value| *value != Value::Unknown),
            Expr::Has(index) => Some(Value::Bool(self.get(*index) != Value::Unknown)),
            Expr::Not(operand) => self.holds(operand).map(|holds| Value::Bool(!holds)),
            Expr::Negate(operand) => match self.value(operand)? {
                Value::Int(value) => value.checked_neg().map(Value::Int),
                Value::Double(value) => Some(Value::Double(-value)),
                _ => None,
            },
            Expr::Logic { any, operands } => self.logic(*any, operands),
            Expr::Binary(Operator::In, operands) => self.is_in(&operands[0], &operands[1]).map(Value::Bool),
            Expr::Binary(operator, operands) => {
                let (left, right) = (self.value(&operands[0])?, self.value(&operands[1])?);
                apply(*operator, &left, &right)
            }
            Expr::Choice(operands) => {
                let chosen = if self.holds(&operands[0])? { 1 } else { 2 };
                self.value(&operands[chosen])
            }
            Expr::Index(operands) => match (self.value(&operands[0])?, self.value(&operands[1])?) {
                (Value::Ints(list), Value::Int(index)) => {
                    list.get(usize::try_from(index).ok()?).map(|value| Value::Int(*value))
                }
                _ => None,
            },
            Expr::Call { function, operands, .. } => self.call(function, operands),
            // The checker leaves none of them.
            Expr::Null | Expr::Path(_) | Expr::List(_) => None,
        }
    }

    /// `&&`, or with `any` `||`: the first operand that decides alone ends it.
    fn logic(&mut self, any: bool, operands: &[Node]) -> Option<Value> {
        let mut all = Some(!any);
        for operand in operands {
            match self.holds(operand) {
                Some(holds) if holds == any => return Some(Value::Bool(any)),
                Some(_) => {}
                None => all = None,
            }
        }
        all.map(Value::Bool)
    }

    fn is_in(&mut self, item: &Node, list: &Node) -> Option<bool> {
        let item = self.value(item)?;
        let Expr::List(elements) = &list.expr else {
            let Value::Ints(list) = self.value(list)? else { return None };
            return Some(list.iter().any(|element| equal(&item, &Value::Int(*element))));
        };
        let elements: Option<Vec<Value>> = elements.iter().map(|element| self.value(element)).collect();
        Some(elements?.iter().any(|element| equal(&item, element)))
    }

    fn call(&mut self, function: &str, operands: &[Node]) -> Option<Value> {
        let first = self.value(operands.first()?)?;
        let second = operands.get(1).map(|operand| self.value(operand));
        match (function, first, second) {
            ("size", Value::Text(text), None) => i64::try_from(text.chars().count()).ok().map(Value::Int),
            ("size", Value::Ints(list), None) => i64::try_from(list.len()).ok().map(Value::Int),
            ("contains", Value::Text(text), Some(Some(Value::Text(part)))) => Some(Value::Bool(text.contains(&*part))),
            ("startsWith", Value::Text(text), Some(Some(Value::Text(part)))) => {
                Some(Value::Bool(text.starts_with(&*part)))
            }
            ("endsWith", Value::Text(text), Some(Some(Value::Text(part)))) => Some(Value::Bool(text.ends_with(&*part))),
            ("int", Value::Int(value), None) => Some(Value::Int(value)),
            ("int", Value::Double(value), None) => {
                // Both bounds are powers of two, which a double holds exactly.
                let fits = value > -9_223_372_036_854_775_808.0 && value < 9_223_372_036_854_775_808.0;
                fits.then_some(Value::Int(value as i64))
            }
            ("int", Value::Text(text), None) => text.parse().ok().map(Value::Int),
            ("double", Value::Int(value), None) => Some(Value::Double(value as f64)),
            ("double", Value::Double(value), None) => Some(Value::Double(value)),
            ("double", Value::Text(text), None) => text.parse().ok().map(Value::Double),
            _ => None,
        }
    }
}

/// The result of an operator; `None` where it fails: a division by zero, an overflow, values of unlike types.
fn apply(operator: Operator, left: &Value, right: &Value) -> Option<Value> {
    let is = |expected: &[Ordering]| order(left, right).map(|found| Value::Bool(expected.contains(&found)));
    match operator {
        Operator::Equal => return Some(Value::Bool(equal(left, right))),
        Operator::NotEqual => return Some(Value::Bool(!equal(left, right))),
        Operator::Less => return is(&[Ordering::Less]),
        Operator::LessOrEqual => return is(&[Ordering::Less, Ordering::Equal]),
        Operator::Greater => return is(&[Ordering::Greater]),
        Operator::GreaterOrEqual => return is(&[Ordering::Greater, Ordering::Equal]),
        _ => {}
    }
    match (operator, left, right) {
        (Operator::Add, Value::Int(a), Value::Int(b)) => a.checked_add(*b).map(Value::Int),
        (Operator::Subtract, Value::Int(a), Value::Int(b)) => a.checked_sub(*b).map(Value::Int),
        (Operator::Multiply, Value::Int(a), Value::Int(b)) => a.checked_mul(*b).map(Value::Int),
        (Operator::Divide, Value::Int(a), Value::Int(b)) => a.checked_div(*b).map(Value::Int),
        (Operator::Remainder, Value::Int(a), Value::Int(b)) => a.checked_rem(*b).map(Value::Int),
        (Operator::Add, Value::Double(a), Value::Double(b)) => Some(Value::Double(a + b)),
        (Operator::Subtract, Value::Double(a), Value::Double(b)) => Some(Value::Double(a - b)),
        (Operator::Multiply, Value::Double(a), Value::Double(b)) => Some(Value::Double(a * b)),
        (Operator::Divide, Value::Double(a), Value::Double(b)) => Some(Value::Double(a / b)),
        _ => None,
    }
}

/// Whether two values are equal; ints and doubles are compared as numbers, other unlike types are not equal.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Ints(a), Value::Ints(b)) => a == b,
        _ => order(left, right) == Some(Ordering::Equal),
    }
}

/// The order of two numbers or two texts; `None` of anything else, and of what is not a number.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Double(b)) => int_with_double(*a, *b),
        (Value::Double(a), Value::Int(b)) => int_with_double(*b, *a).map(Ordering::reverse),
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

/// Infers types bottom-up and turns dotted names into indices of `names` as it goes.
struct Checker<'a> {
    vocabulary: &'a Vocabulary<'a>,
    text: &'a str,
    names: Vec<String>,
    greatest: i64,
}

impl Checker<'_> {
    /// The type of `node`. The operands are checked first, from left to right.
    fn check(&mut self, node: &mut Node) -> Result<Type, String> {
        match &mut node.expr {
            Expr::Bool(_) => Ok(Type::Bool),
            Expr::Int(number) => {
                self.greatest = self.greatest.max(*number);
                Ok(Type::Int)
            }
            Expr::Double(number) => {
                self.greatest = self.greatest.max(number.ceil() as i64);
                Ok(Type::Double)
            }
            Expr::Text(_) => Ok(Type::Text),
            Expr::Null => Err(self.error(node, "there is no null: `has(name)` asks whether a value is known")),
            Expr::Path(path) => {
                let path = std::mem::take(path);
                let (index, found) = self.name(node.at, path)?;
                node.expr = Expr::Name(index);
                Ok(found)
            }
            // Names that are checked already.
            Expr::Name(_) | Expr::Has(_) => Ok(Type::Any),
            Expr::Not(operand) => {
                let found = self.check(operand)?;
                self.takes_bool(operand, found, "!")
            }
            Expr::Negate(operand) => match self.check(operand)? {
                found if found.is_number() => Ok(found),
                _ => Err(self.error(node, "it takes the form `-x`, of a number")),
            },
            Expr::Logic { any, operands } => {
                let symbol = if *any { "||" } else { "&&" };
                let types = self.check_all(operands)?;
                for (operand, found) in operands.iter().zip(types) {
                    self.takes_bool(operand, found, symbol)?;
                }
                Ok(Type::Bool)
            }
            Expr::Binary(Operator::In, operands) => {
                let [item, list] = &mut **operands;
                self.membership(item, list)
            }
            Expr::Binary(operator, operands) => {
                let operator = *operator;
                let types = [self.check(&mut operands[0])?, self.check(&mut operands[1])?];
                match operator {
                    Operator::Equal | Operator::NotEqual => self.comparison(operator, operands, types),
                    _ if operator.is_ordered() => self.comparison(operator, operands, types),
                    _ => self.arithmetic(operator, operands, types),
                }
            }
            Expr::Choice(operands) => {
                let types = self.check_all(&mut operands[..])?;
                self.conditional(operands, &types)
            }
            Expr::Index(operands) => {
                let types = [self.check(&mut operands[0])?, self.check(&mut operands[1])?];
                self.index(operands, types)
            }
            Expr::List(_) => Err(self.error(node, "a list in brackets stands only after `in`")),
            Expr::Call { function, operands, .. } if function == "has" => {
                let [Node { at, expr: Expr::Path(path) }] = operands.as_mut_slice() else {
                    return Err(self.error(node, "`has` takes one name: `has(name)`"));
                };
                let (at, path) = (*at, std::mem::take(path));
                node.expr = Expr::Has(self.name(at, path)?.0);
                Ok(Type::Bool)
            }
            Expr::Call { function, is_method, operands } => {
                if !FUNCTIONS.contains(&function.as_str()) {
                    let what = format!("there is no function `{function}`{}", suggestion(function, FUNCTIONS));
                    return Err(self.error(node, &what));
                }
                let types = self.check_all(operands)?;
                function_type(function, *is_method, &types).map_err(|what| self.error(node, &what))
            }
        }
    }

    fn check_all(&mut self, nodes: &mut [Node]) -> Result<Vec<Type>, String> {
        nodes.iter_mut().map(|node| self.check(node)).collect()
    }

    /// The index and type of a dotted name. Of `a.b.c` the longest part that is a name counts.
    fn name(&mut self, at: usize, name: String) -> Result<(usize, Type), String> {
        if let Some(found) = (self.vocabulary.type_of)(&name) {
            let index = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
                self.names.push(name);
                self.names.len() - 1
            });
            return Ok((index, found));
        }
        let shorter = name.rmatch_indices('.').map(|(dot, _)| &name[..dot]);
        let shorter = shorter.filter_map(|part| (self.vocabulary.type_of)(part).map(|found| (part, found))).next();
        let what = match shorter {
            Some((part, found)) => format!("`{part}` is {found}, it has no part `{}`", &name[part.len() + 1..]),
            None => (self.vocabulary.unknown)(&name),
        };
        Err(syntax::error_at(self.text, at, &what))
    }

    /// An operand of `&&`, `||` and `!`.
    fn takes_bool(&self, operand: &Node, found: Type, symbol: &str) -> Result<Type, String> {
        if found.fits(Type::Bool) {
            return Ok(Type::Bool);
        }
        Err(self.error(operand, &format!("{} is {found}, `{symbol}` takes bools", self.subject(operand))))
    }

    /// `condition ? yes : no`.
    fn conditional(&self, operands: &[Node; 3], types: &[Type]) -> Result<Type, String> {
        let (condition, yes, no) = (types[0], types[1], types[2]);
        if !condition.fits(Type::Bool) {
            let subject = self.subject(&operands[0]);
            return Err(self.error(&operands[0], &format!("{subject} is {condition}, `?` takes a bool before it")));
        }
        match yes.fits(no) {
            true if yes == Type::Any => Ok(no),
            true => Ok(yes),
            false => Err(self.error(&operands[1], &format!("`?` chooses between {yes} and {no}: they must be alike"))),
        }
    }

    /// `==`, `<` and the like.
    fn comparison(&self, operator: Operator, operands: &[Node; 2], types: [Type; 2]) -> Result<Type, String> {
        let [left, right] = operands;
        if !types[0].compares_with(types[1]) {
            let what = format!("{} is {}, compared with {}", self.subject(left), types[0], types[1]);
            return Err(self.error(left, &what));
        }
        self.possible(left, operator, right)?;
        self.possible(right, operator.mirrored(), left)?;
        let mut typed = operands.iter().zip(types);
        match typed.find(|(_, found)| operator.is_ordered() && matches!(found, Type::Bool | Type::Ints)) {
            None => Ok(Type::Bool),
            Some((operand, found)) => {
                let (subject, symbol) = (self.subject(operand), operator.symbol());
                Err(self.error(operand, &format!("{subject} is {found}, `{symbol}` compares numbers and strings")))
            }
        }
    }

    /// A name that is compared with what it can never be is a mistake.
    fn possible(&self, name: &Node, operator: Operator, with: &Node) -> Result<(), String> {
        let Expr::Name(index) = name.expr else { return Ok(()) };
        let path = &self.names[index];
        let wrong = match ((self.vocabulary.only)(path), &with.expr) {
            (Only::Words(words), Expr::Text(word)) if matches!(operator, Operator::Equal | Operator::NotEqual) => {
                let hint = suggestion(word, words.iter().map(String::as_str));
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                let is_one = words.contains(&format!("{word:?}"));
                (!is_one).then(|| format!("`{path}` is never {word:?}: it is one of {}{hint}", words.join(", ")))
            }
            (Only::LowerCase, Expr::Text(word)) if word.chars().any(char::is_uppercase) => {
                Some(format!("`{path}` is never {word:?}: it is in lower case"))
            }
            (Only::UpTo(most), Expr::Int(number)) => {
                let beyond = match operator {
                    Operator::Greater => *number >= most,
                    Operator::Less | Operator::LessOrEqual => false,
                    _ => *number > most,
                };
                beyond.then(|| format!("`{path}` is at most {most}: that is its highest rung"))
            }
            _ => None,
        };
        wrong.map_or(Ok(()), |what| Err(self.error(name, &what)))
    }

    /// `+`, `-`, `*`, `/` and `%`. CEL does not mix ints and doubles here, so the message says how to convert.
    fn arithmetic(&self, operator: Operator, operands: &[Node; 2], types: [Type; 2]) -> Result<Type, String> {
        let symbol = operator.symbol();
        for (operand, found) in operands.iter().zip(types) {
            let subject = self.subject(operand);
            if !found.is_number() {
                return Err(self.error(operand, &format!("{subject} is {found}, `{symbol}` takes numbers")));
            }
            if found == Type::Any {
                let what =
                    format!("`{symbol}` takes numbers of one kind: convert {subject} with `double(…)` or `int(…)`");
                return Err(self.error(operand, &what));
            }
            if found == Type::Double && operator == Operator::Remainder {
                return Err(self.error(operand, &format!("{subject} is a double, `%` takes ints")));
            }
        }
        let [left, right] = types;
        if left == right {
            return Ok(left);
        }
        let int = &operands[usize::from(right == Type::Int)];
        let remedy = match &int.expr {
            Expr::Int(value) => format!("write `{value}.0`"),
            Expr::Name(_) => format!("write `double({})`", self.subject(int).trim_matches('`')),
            _ => "convert the int with `double(…)`".to_owned(),
        };
        Err(self.error(&operands[0], &format!("`{symbol}` of {left} and {right}: {remedy}")))
    }

    /// `list[index]`.
    fn index(&self, operands: &[Node; 2], [list, index]: [Type; 2]) -> Result<Type, String> {
        if list != Type::Ints {
            let subject = self.subject(&operands[0]);
            return Err(self.error(&operands[0], &format!("{subject} is {list}, only lists have items")));
        }
        let negative = matches!(operands[1].expr, Expr::Int(at) if at < 0);
        if !index.fits(Type::Int) || negative {
            let subject = self.subject(&operands[1]);
            return Err(self.error(&operands[1], &format!("an index is an int from 0, {subject} is not")));
        }
        if let (Expr::Name(name), Expr::Int(at)) = (&operands[0].expr, &operands[1].expr)
            && let path = &self.names[*name]
            && let Only::Items(items) = (self.vocabulary.only)(path)
            && *at >= items
        {
            let what = format!("`{path}` has at most {items} items: the last is `{path}[{}]`", items - 1);
            return Err(self.error(&operands[1], &what));
        }
        Ok(Type::Int)
    }

    /// `item in [a, b]` and `item in list`.
    fn membership(&mut self, item: &mut Node, list: &mut Node) -> Result<Type, String> {
        let wanted = self.check(item)?;
        let Expr::List(elements) = &mut list.expr else {
            let found = self.check(list)?;
            return match found {
                Type::Ints | Type::Any if wanted.is_number() => Ok(Type::Bool),
                Type::Ints => {
                    let subject = self.subject(item);
                    Err(self.error(item, &format!("{subject} is {wanted}, looked for in a list of ints")))
                }
                found => {
                    let subject = self.subject(list);
                    Err(self.error(list, &format!("{subject} is {found}, `in` takes a list such as `[1, 2]`")))
                }
            };
        };
        for element in elements {
            let found = self.check(element)?;
            if !wanted.compares_with(found) {
                let subject = self.subject(item);
                return Err(self.error(element, &format!("{subject} is {wanted}, compared with {found}")));
            }
            self.possible(item, Operator::Equal, element)?;
        }
        Ok(Type::Bool)
    }

    /// How to call `node` in a message: a name or a literal as it is written, else "this".
    fn subject(&self, node: &Node) -> String {
        match &node.expr {
            Expr::Name(index) => format!("`{}`", self.names[*index]),
            Expr::Has(index) => format!("`has({})`", self.names[*index]),
            Expr::Bool(value) => format!("`{value}`"),
            Expr::Int(value) => format!("`{value}`"),
            Expr::Double(value) => format!("`{value:?}`"),
            Expr::Text(value) => format!("{value:?}"),
            _ => "this".to_owned(),
        }
    }

    /// An error at the start of `node`.
    fn error(&self, node: &Node, what: &str) -> String {
        syntax::error_at(self.text, node.at, what)
    }
}

/// The type of a call of `function` with `operands`, of which the first is the receiver if it is a method.
fn function_type(function: &str, is_method: bool, operands: &[Type]) -> Result<Type, String> {
    let text = |found: &Type| found.fits(Type::Text);
    let (allowed, result, usage) = match function {
        "size" => {
            (matches!(operands, [Type::Text | Type::Ints | Type::Any]), Type::Int, "`size(x)`, of a string or a list")
        }
        "contains" | "startsWith" | "endsWith" => (
            is_method && operands.len() == 2 && operands.iter().all(text),
            Type::Bool,
            "`a.contains(b)`, `a.startsWith(b)` and `a.endsWith(b)`, of two strings",
        ),
        "int" | "double" => (
            !is_method && matches!(operands, [Type::Int | Type::Double | Type::Text | Type::Any]),
            if function == "int" { Type::Int } else { Type::Double },
            "`int(x)` and `double(x)`, of a number or a string",
        ),
        _ => return Err(format!("`{function}` is not part of conditions")),
    };
    if allowed { Ok(result) } else { Err(format!("it takes the form {usage}")) }
}

/// The one of `names` that is most like `name`, as the end of a message; empty if none is near.
pub(super) fn suggestion<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let near = names.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, known)) if likeness > 0.75 => format!(": did you mean `{known}`?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of these tests, with their types and values.
    fn names() -> Vec<(&'static str, Type, Value)> {
        vec![
            ("velocity.user_adds", Type::Int, Value::Int(1)),
            ("velocity.growth", Type::Int, Value::Int(1)),
            ("feature.limit_hit", Type::Int, Value::Int(0)),
            ("user.intent.pricing", Type::Int, Value::Int(2)),
            ("user.band", Type::Text, Value::Text("warm".into())),
            ("user.band_fell", Type::Bool, Value::Bool(false)),
            ("spike_known", Type::Bool, Value::Bool(false)),
            ("paid", Type::Bool, Value::Bool(false)),
            ("target", Type::Bool, Value::Bool(true)),
            ("active_users", Type::Int, Value::Int(12)),
            ("usage_ratio", Type::Double, Value::Double(0.8)),
            ("weekly_users", Type::Ints, Value::Ints(vec![9, 8, 7, 6, 5])),
            ("event.amount", Type::Double, Value::Double(512.5)),
            ("traits.region", Type::Any, Value::Text("emea".into())),
            ("traits.seats", Type::Any, Value::Int(40)),
            ("traits.absent", Type::Any, Value::Unknown),
            ("t", Type::Bool, Value::Bool(true)),
            ("f", Type::Bool, Value::Bool(false)),
            ("u", Type::Bool, Value::Unknown),
            ("v", Type::Int, Value::Unknown),
            // Also the name of a type in CEL.
            ("list", Type::Bool, Value::Unknown),
        ]
    }

    fn compile(text: &str) -> Result<Expression, String> {
        let type_of = |path: &str| names().into_iter().find(|(name, ..)| *name == path).map(|(_, found, _)| found);
        let only = |path: &str| match path {
            "user.band" => Only::Words(["", "warm", "hot", "warn"].map(str::to_owned).into()),
            "velocity.user_adds" => Only::UpTo(2),
            "traits.region" => Only::LowerCase,
            "weekly_users" => Only::Items(13),
            _ => Only::Any,
        };
        let unknown =
            |path: &str| format!("unknown name `{path}`{}", suggestion(path, names().iter().map(|(name, ..)| *name)));
        Expression::compile(text, &Vocabulary { type_of: &type_of, only: &only, unknown: &unknown })
    }

    fn holds(text: &str) -> Option<bool> {
        let expression = compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let value = |index: usize| {
            let name = expression.names()[index].as_str();
            names().into_iter().find(|(known, ..)| *known == name).map_or(Value::Unknown, |(.., value)| value)
        };
        expression.holds(&mut { value })
    }

    #[track_caller]
    fn refused(text: &str, error: &str) {
        assert_eq!(compile(text).map(|_| ()), Err(error.to_owned()), "{text}");
    }

    #[test]
    fn a_condition_can_hold_unless_what_its_names_can_be_forbids_it() {
        let only = |name: &str| match name {
            "u" | "v" | "usage_ratio" => Some(vec![Value::Unknown]),
            "f" | "paid" => Some(vec![Value::Bool(false)]),
            "feature.limit_hit" => Some(vec![Value::Int(0), Value::Unknown]),
            "user.band" => Some(vec![Value::Text("".into()), Value::Text("warm".into())]),
            _ => None,
        };
        for (text, can) in [
            ("t", true),
            ("u", false),
            ("!u", false),
            ("u || t", true),
            ("u && t", false),
            ("v >= active_users", false),
            ("active_users >= 10 && (usage_ratio >= 0.8 || feature.limit_hit >= 1)", false),
            ("active_users >= 10 && (usage_ratio >= 0.8 || feature.limit_hit >= 0)", true),
            ("!paid && user.intent.pricing >= 2", true),
            ("paid && user.intent.pricing >= 2", false),
            ("user.band == \"hot\"", false),
            ("user.band in [\"hot\", \"warm\"] && target", true),
            ("user.band == \"hot\" || weekly_users[0] > weekly_users[4]", true),
            ("has(u) && t", false),
            ("!has(u)", true),
            ("(has(v) ? v : active_users) > 3", true),
        ] {
            let condition = compile(text).unwrap();
            assert_eq!(condition.can_hold(&|name| only(&condition.names()[name])), can, "{text}");
        }
    }

    #[test]
    fn the_logic_is_kleenes() {
        let rows = [
            // left, right, and, or
            ("t", "t", Some(true), Some(true)),
            ("t", "f", Some(false), Some(true)),
            ("t", "u", None, Some(true)),
            ("f", "t", Some(false), Some(true)),
            ("f", "f", Some(false), Some(false)),
            ("f", "u", Some(false), None),
            ("u", "t", None, Some(true)),
            ("u", "f", Some(false), None),
            ("u", "u", None, None),
        ];
        for (left, right, and, or) in rows {
            assert_eq!(holds(&format!("{left} && {right}")), and, "{left} && {right}");
            assert_eq!(holds(&format!("{left} || {right}")), or, "{left} || {right}");
            // An error, as opposed to a missing value, is unknown too.
            let (left, right) = (left.replace('u', "1 / 0 == 1"), right.replace('u', "weekly_users[9] == 1"));
            assert_eq!(holds(&format!("{left} && {right}")), and, "{left} && {right}");
            assert_eq!(holds(&format!("{left} || {right}")), or, "{left} || {right}");
        }
        assert_eq!([holds("!t"), holds("!f"), holds("!u")], [Some(false), Some(true), None]);
        assert_eq!(holds("u && u && u && u && f"), Some(false));
        assert_eq!(holds("t || u || u || u || u"), Some(true));
        assert_eq!(holds("(u || f) && (f || f)"), Some(false));
        assert_eq!([holds("u ? t : t"), holds("t ? t : u"), holds("f ? t : u")], [None, Some(true), None]);
    }

    #[test]
    fn what_depends_on_the_unknown_is_unknown() {
        for text in ["v > 1", "v == v", "v != 1", "v in [1, 2]", "1 in [1, v]", "weekly_users[v] > 0", "-v < 0", "list"]
        {
            assert_eq!(holds(text), None, "{text}");
        }
        for text in ["active_users / 0 > 1", "active_users % 0 > 1", "9223372036854775807 + active_users > 0"] {
            assert_eq!(holds(text), None, "{text}");
        }
        for text in ["traits.absent == \"emea\"", "traits.region > 3", "traits.region", "int(traits.region) > 3"] {
            assert_eq!(holds(text), None, "{text}");
        }
        assert_eq!(holds("traits.region == 3"), Some(false));
        assert_eq!([holds("has(traits.region)"), holds("has(traits.absent)")], [Some(true), Some(false)]);
        assert_eq!(holds("!has(traits.absent) || traits.absent > 3"), Some(true));
    }

    #[test]
    fn conditions_as_rules_have_them() {
        for (text, expected) in [
            ("velocity.user_adds >= 2 || (velocity.user_adds >= 1 && !spike_known)", true),
            ("user.intent.pricing >= 2 && !paid", true),
            ("user.band == \"warm\" && !user.band_fell", true),
            ("target && user.band in [\"warm\", \"hot\"]", true),
            ("active_users >= 10 && (usage_ratio >= 0.8 || feature.limit_hit >= 1)", true),
            ("velocity.growth >= 1 && weekly_users[0] > weekly_users[4]", true),
            ("event.amount >= 500.0 && paid", false),
            ("event.amount >= 500 && target", true),
            ("traits.region == \"emea\"", true),
            ("traits.seats >= 40.0 && traits.seats < 40.5", true),
        ] {
            assert_eq!(holds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn values_are_compared_and_counted_with() {
        for text in [
            "active_users == 12.0 && 12.0 == active_users && active_users > 11.9 && 12.1 > active_users",
            "active_users in [1.0, 12.0] && 7 in weekly_users && !(7.5 in weekly_users) && !(1 in [])",
            "active_users * 2 - 4 == 20 && active_users / 5 == 2 && active_users % 5 == 2 && -active_users == -12",
            "event.amount * 12.0 == 6150.0 && double(active_users) * usage_ratio > 9.5 && int(usage_ratio) == 0",
            "size(weekly_users) == 5 && size(user.band) == 4 && user.band.size() == 4 && size('né') == 2",
            "user.band.startsWith('wa') && user.band.endsWith('m') && user.band.contains('ar') && user.band < 'warn'",
            "(paid ? 1 : 2) == 2 && weekly_users[active_users - 10] == 7 && int(traits.seats) + 2 == 42",
            "paid != target && !!target == true",
        ] {
            assert_eq!(holds(text), Some(true), "{text}");
        }
    }

    #[test]
    fn names_are_listed_once_in_order() {
        let text = "user.band == 'hot' || paid && (user.intent.pricing > 0 || !paid) && has(traits.region)";
        let expression = compile(text).expect("it compiles");
        assert_eq!(expression.names(), ["user.band", "paid", "user.intent.pricing", "traits.region"]);
        assert_eq!(expression.text(), text);
        assert_eq!(compile("true").expect("it compiles").names().len(), 0);
    }

    #[test]
    fn unknown_names_and_functions_are_refused() {
        refused(
            "velocity.user_add >= 2",
            "column 1: unknown name `velocity.user_add`: did you mean `velocity.user_adds`?",
        );
        refused("paid && xyzzy", "column 9: unknown name `xyzzy`");
        refused("paid && .target", "column 9: unknown name `.target`: did you mean `target`?");
        refused("paid\n  && has(tarjet)", "line 2, column 10: unknown name `tarjet`: did you mean `target`?");
        refused("traits.region == 'é' && paid.since > 3", "column 25: `paid` is a bool, it has no part `since`");
        refused("weekly_users[0].x == 1", "column 1: only a name has a part after a dot");
        refused("sice(weekly_users) > 3", "column 1: there is no function `sice`: did you mean `size`?");
        refused("has(1)", "column 1: `has` takes one name: `has(name)`");
        refused("has(paid, target)", "column 1: `has` takes one name: `has(name)`");
    }

    #[test]
    fn unlike_types_are_refused() {
        refused("paid > 1", "column 1: `paid` is a bool, compared with an int");
        refused("target && 3 == user.band", "column 11: `3` is an int, compared with a string");
        refused("paid < target", "column 1: `paid` is a bool, `<` compares numbers and strings");
        refused(
            "weekly_users >= traits.seats",
            "column 1: `weekly_users` is a list of ints, `>=` compares numbers and strings",
        );
        refused("paid && active_users", "column 9: `active_users` is an int, `&&` takes bools");
        refused("'x' || paid", "column 1: \"x\" is a string, `||` takes bools");
        refused("!usage_ratio", "column 2: `usage_ratio` is a double, `!` takes bools");
        refused("active_users + 1", "column 1: a condition is a bool, this is an int");
        refused("active_users + 1 == paid", "column 1: this is an int, compared with a bool");
        refused("user.band in ['hot', 3]", "column 22: `user.band` is a string, compared with an int");
        refused("user.band in weekly_users", "column 1: `user.band` is a string, looked for in a list of ints");
        refused("user.band in user.band", "column 14: `user.band` is a string, `in` takes a list such as `[1, 2]`");
        refused("active_users * 1.5 > 2.0", "column 1: `*` of an int and a double: write `double(active_users)`");
        refused("usage_ratio * 100 > 80.0", "column 1: `*` of a double and an int: write `100.0`");
        refused("usage_ratio % 2.0 > 1.0", "column 1: `usage_ratio` is a double, `%` takes ints");
        refused("user.band + 'x' == 'hotx'", "column 1: `user.band` is a string, `+` takes numbers");
        let remedy = "`+` takes numbers of one kind: convert `traits.seats` with `double(…)` or `int(…)`";
        refused("2 + traits.seats > 3", &format!("column 5: {remedy}"));
        refused("traits.seats < paid", "column 16: `paid` is a bool, `<` compares numbers and strings");
        refused("-paid", "column 1: it takes the form `-x`, of a number");
        refused("active_users[0] > 1", "column 1: `active_users` is an int, only lists have items");
        refused("weekly_users[0.0] > 1", "column 14: an index is an int from 0, `0.0` is not");
        refused("weekly_users[-1] > 1", "column 14: an index is an int from 0, `-1` is not");
        refused("paid ? 1 : 'x'", "column 8: `?` chooses between an int and a string: they must be alike");
        refused("v ? t : f", "column 1: `v` is an int, `?` takes a bool before it");
    }

    #[test]
    fn what_a_name_can_never_be_is_refused() {
        let words =
            "`user.band` is never \"hott\": it is one of \"\", \"warm\", \"hot\", \"warn\": did you mean `hot`?";
        refused("user.band == 'hott'", &format!("column 1: {words}"));
        refused("paid || 'hott' != user.band", &format!("column 19: {words}"));
        refused("user.band in ['hot', 'hott']", &format!("column 1: {words}"));
        refused("traits.region == 'EMEA'", "column 1: `traits.region` is never \"EMEA\": it is in lower case");
        let rung = "column 1: `velocity.user_adds` is at most 2: that is its highest rung";
        for text in ["velocity.user_adds >= 3", "velocity.user_adds > 2", "velocity.user_adds == 3"] {
            refused(text, rung);
        }
        refused("2 < velocity.user_adds", &rung.replace("column 1", "column 5"));
        refused("velocity.user_adds in [1, 3]", rung);
        refused(
            "weekly_users[13] > 0",
            "column 14: `weekly_users` has at most 13 items: the last is `weekly_users[12]`",
        );
        for text in
            ["velocity.user_adds >= 2", "velocity.user_adds < 3", "2 >= velocity.user_adds", "weekly_users[12] > 0"]
        {
            compile(text).expect(text);
        }
    }

    #[test]
    fn the_rest_of_cel_is_refused() {
        let method = "it takes the form `a.contains(b)`, `a.startsWith(b)` and `a.endsWith(b)`, of two strings";
        refused("contains('a', 'b')", &format!("column 1: {method}"));
        refused("user.band.contains(3)", &format!("column 1: {method}"));
        refused("weekly_users.all(x, x > 1)", "column 1: there is no function `all`");
        refused("user.band.matches('w.*')", "column 1: there is no function `matches`");
        refused("timestamp('2026-01-01T00:00:00Z') < now()", "column 1: there is no function `timestamp`");
        refused("paid == null", "column 9: there is no null: `has(name)` asks whether a value is known");
        refused("active_users > 3u", "column 16: there are no unsigned numbers: leave out the `u`");
        refused("[1, 2] == weekly_users", "column 1: a list in brackets stands only after `in`");
        refused("{'a': 1} == {'a': 1}", "column 1: maps and messages are not part of conditions");
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        refused("", "column 1: unexpected end");
        refused("paid &&", "column 8: unexpected end");
        refused("paid = true", "column 6: unexpected '='");
        refused("user.band == 'é' && &&", "column 21: unexpected '&&'");
        refused("paid and target", "column 6: unexpected 'and'");
        refused("paid ? target", "column 14: unexpected end");
        refused("paid && user.in", "column 14: unexpected 'in'");
        refused("(paid", "column 6: missing ')' at end");
        refused("paid &&\n&& target", "line 2, column 1: unexpected '&&'");
        refused("active_users > 99999999999999999999", "column 16: invalid int literal");
        refused("traits.?region == 'x'", "column 8: unexpected '?'");
    }

    #[test]
    fn neither_depth_nor_length_exhausts_the_stack() {
        for (open, middle, close) in [
            ("(", "t", ")"),
            ("!(", "t", ")"),
            ("t && (", "t", ")"),
            ("[", "1", "]"),
            ("t ? t : ", "t", ""),
            ("size(", "t", ")"),
        ] {
            for count in [17, 200] {
                refused(
                    &format!("{}{middle}{}", open.repeat(count), close.repeat(count)),
                    "nested more than 16 levels deep",
                );
            }
        }
        refused(&format!("{}1 > 0", "1+".repeat(900)), "nested more than 16 levels deep");
        assert_eq!(holds(&format!("{}1 > 0", "1+".repeat(14))), Some(true));
        assert_eq!(holds(&format!("{}t{}", "!(f || ".repeat(7), ")".repeat(7))), Some(false));
        assert_eq!(holds(&format!("{}t", "u || ".repeat(100))), Some(true));
        refused(&" ".repeat(2_001), "a condition has at most 2000 bytes, this one has 2001");
    }

    #[test]
    fn only_what_the_result_depends_on_is_asked() {
        for (text, asked) in [
            ("f && paid", vec!["f"]),
            ("u && f && paid", vec!["u", "f"]),
            ("t || paid", vec!["t"]),
            ("t ? f : paid", vec!["t", "f"]),
            ("active_users > 3 && active_users < 5 && paid", vec!["active_users"]),
        ] {
            let expression = compile(text).expect(text);
            let mut found = Vec::new();
            expression.holds(&mut |index| {
                let name = expression.names()[index].as_str();
                found.push(name);
                names().into_iter().find(|(known, ..)| *known == name).map_or(Value::Unknown, |(.., value)| value)
            });
            assert_eq!(found, asked, "{text}");
        }
    }

    #[test]
    fn literals_are_those_of_cel() {
        for text in [
            r#""\x41\u00e9\U0001F600\101" == 'A\u00e9😀A' && '\'' == "'" && 'a\tb' != 'a b'"#,
            "0x1F == 31 && -0x10 == -16 && 1e3 == 1000 && .5 == 0.5 && 1.5e-1 == 0.15 && -.5 < 0.0",
            "-9223372036854775808 < 9223372036854775807 && 9007199254740993 != 9007199254740992.0",
            "active_users -1 == 11 && active_users - -1 == 13 && --active_users == 12",
            "true // the rest is a comment",
            "(paid)?false:true",
        ] {
            assert_eq!(holds(text), Some(true), "{text}");
        }
        refused("user.band == 'warm", "column 14: the string has no closing quote");
        refused("user.band == '\\q'", "column 15: there is no such escape sequence");
        refused("user.band == b'x'", "column 14: there are no bytes: leave out the `b`");
        refused("user.band == r'x'", "column 14: a string has no prefix: leave out the `r`");
        refused("1e999 > 0.0", "column 1: invalid double literal");
    }

    #[test]
    fn any_text_compiles_or_is_refused() {
        let pieces = [
            "t",
            "active_users",
            ".",
            "in",
            "!",
            "-",
            "&&",
            "||",
            "==",
            "<",
            "(",
            ")",
            "[",
            "]",
            ",",
            "?",
            ":",
            "'",
            "\\",
            "1",
            "0x",
            "1e",
            "é",
            "{",
            "has(",
            "size(",
            " ",
            "\n",
            "//",
            "u",
        ];
        let mut state = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            if let Ok(expression) = compile(&text) {
                expression.holds(&mut |_| Value::Unknown);
            }
        }
    }

    #[test]
    fn expressions_are_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&compile("paid").expect("it compiles"));
    }
}
