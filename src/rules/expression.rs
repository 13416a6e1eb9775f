//! Conditions of the rules file: CEL expressions over dotted names, checked when the rules are loaded.
//!
//! The `cel` crate parses and evaluates. What it leaves open is here: names with dots become plain variables, and a
//! walk over the syntax tree refuses unknown names, unlike types and whatever is not total and deterministic. What is
//! left:
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

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::thread;

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ParseErrors};

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
    /// The syntax tree; its variables are the indices of `names` in decimal, after a `?` where presence is asked.
    tree: IdedExpr,
    greatest: i64,
}

/// Longest text of a condition, in bytes.
const LONGEST: usize = 2_000;
/// Deepest nesting, of brackets in the text and of operators in the tree. It bounds the stack that parsing, checking
/// and evaluating need, as rules also arrive while the processor runs.
const DEEPEST: u16 = 16;
/// Stack of the thread that parses. The generated parser takes up to 0.2 MiB a bracket in a build without optimisation.
const PARSER_STACK: usize = 16 << 20;

/// How the parser's messages on the grammar start.
const SYNTAX_ERROR: &str = "Syntax error: ";
/// Its ways to say that something is unexpected.
const JARGON: [&str; 4] =
    ["mismatched input", "extraneous input", "no viable alternative at input", "token recognition error at:"];

/// The functions that a condition can call.
const FUNCTIONS: [&str; 7] = ["size", "contains", "startsWith", "endsWith", "int", "double", "has"];

/// CEL's standard functions, without macros, optional values, regular expressions and time.
static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::default().with_optional_support(false).with_stdlib()));

impl Expression {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong and in which column (counted in characters from 1): the text is no CEL expression, names something
    /// unknown, mixes types, compares with what a name can never be, is not a bool, or uses a part of CEL that
    /// conditions leave out.
    pub fn compile(text: &str, vocabulary: &Vocabulary<'_>) -> Result<Expression, String> {
        let (mut tree, source) = parse(text)?;
        let mut checker = Checker { vocabulary, source, names: Vec::new(), greatest: 0, depth: 0 };
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

    /// Whether the condition holds; `None` if that is unknown. `value(i)` is the value of `names()[i]` and is asked
    /// once for each name, in order.
    pub fn holds(&self, value: &mut dyn FnMut(usize) -> Value) -> Option<bool> {
        evaluate(&self.tree, &Values((0..self.names.len()).map(value).collect()))
    }
}

/// Whether a tree holds with these values.
fn evaluate(tree: &IdedExpr, values: &Values) -> Option<bool> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.set_variable_resolver(values);
    let result = cel::Value::resolve_val(tree, &context).ok()?;
    result.downcast_ref::<CelBool>().map(|holds| *holds.inner())
}

/// True, false and unknown.
const ANY_OUTCOME: [Option<bool>; 3] = [Some(true), Some(false), None];

/// Everything that a tree can come to, by what the values of its names can be.
fn outcomes(tree: &IdedExpr, can_be: &[Option<Vec<Value>>]) -> BTreeSet<Option<bool>> {
    if let Expr::Call(call) = &tree.expr {
        let operands = || call.args.iter().map(|operand| outcomes(operand, can_be)).collect::<Vec<_>>();
        match call.func_name.as_str() {
            op::LOGICAL_NOT => return operands()[0].iter().map(|it| it.map(|is| !is)).collect(),
            op::LOGICAL_AND | op::LOGICAL_OR => {
                // What decides alone: false of `&&`, true of `||`.
                let decides = call.func_name == op::LOGICAL_OR;
                let both = |a: Option<bool>, b: Option<bool>| match (a, b) {
                    _ if a == Some(decides) || b == Some(decides) => Some(decides),
                    (Some(_), Some(_)) => Some(!decides),
                    _ => None,
                };
                let operands = operands();
                return operands[0].iter().flat_map(|a| operands[1].iter().map(move |b| both(*a, *b))).collect();
            }
            _ => {}
        }
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
    choices.into_iter().map(|values| evaluate(tree, &Values(values))).collect()
}

/// Adds the names that a tree reads; whether it reads all of them, and asks of none only whether it is known.
fn collect_names(tree: &IdedExpr, names: &mut BTreeSet<usize>) -> bool {
    let (mut is_plain, operands): (bool, Vec<&IdedExpr>) = match &tree.expr {
        Expr::Ident(variable) => {
            names.extend(variable.trim_start_matches('?').parse::<usize>());
            (!variable.starts_with('?'), Vec::new())
        }
        Expr::Call(call) => {
            let decides = matches!(call.func_name.as_str(), op::CONDITIONAL | op::LOGICAL_AND | op::LOGICAL_OR);
            (!decides, call.target.as_deref().into_iter().chain(&call.args).collect())
        }
        Expr::List(list) => (true, list.elements.iter().collect()),
        _ => (true, Vec::new()),
    };
    for operand in operands {
        is_plain &= collect_names(operand, names);
    }
    is_plain
}

/// The values of an expression's names, by index.
struct Values(Vec<Value>);

impl VariableResolver for Values {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(index) = variable.strip_prefix('?') {
            let known = *self.0.get(index.parse::<usize>().ok()?)? != Value::Unknown;
            return Some(CowVal::owned(CelBool::from(known)));
        }
        match self.0.get(variable.parse::<usize>().ok()?)? {
            Value::Unknown => None,
            Value::Bool(value) => Some(CowVal::owned(CelBool::from(*value))),
            Value::Int(value) => Some(CowVal::owned(CelInt::from(*value))),
            Value::Double(value) => Some(CowVal::owned(CelDouble::from(*value))),
            Value::Text(value) => Some(CowVal::owned(CelString::from(&**value))),
            Value::Ints(values) => {
                let values = values.iter().map(|value| Box::new(CelInt::from(*value)) as Box<dyn Val + 'b>);
                Some(CowVal::owned(CelList::from(values.collect::<Vec<_>>())))
            }
        }
    }
}

/// The syntax tree of `text`, and where its nodes stand.
fn parse(text: &str) -> Result<(IdedExpr, SourceInfo), String> {
    if text.len() > LONGEST {
        return Err(format!("a condition has at most {LONGEST} bytes, this one has {}", text.len()));
    }
    let parser = || ENVIRONMENT.parser().max_recursion_depth(DEEPEST).parse_with_source_info(text);
    let parsed = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, parser);
        thread.map_err(|error| format!("no thread to parse in: {error}")).map(thread::ScopedJoinHandle::join)
    })?;
    match parsed {
        Ok(Ok(parsed)) => Ok(parsed),
        Ok(Err(failed)) => Err(explain(&failed)),
        Err(_) => Err("the parser failed on it".to_owned()),
    }
}

/// The first syntax error, without the parser's list of all that could have stood there instead.
fn explain(failed: &ParseErrors) -> String {
    if failed.errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        return too_deep();
    }
    // Other errors follow from those of the grammar, or stand alone.
    let syntax = failed.errors.iter().find(|error| error.msg.starts_with(SYNTAX_ERROR));
    let Some(first) = syntax.or(failed.errors.first()) else { return "not an expression".to_owned() };
    let message = first.msg.strip_prefix(SYNTAX_ERROR).unwrap_or(&first.msg);
    let message = message.split(" expecting").next().unwrap_or(message).replace("'<EOF>'", "end");
    let place = place(first.pos.0, first.pos.1);
    match JARGON.iter().find_map(|jargon| message.strip_prefix(jargon)) {
        Some(input) => format!("{place}unexpected{input}"),
        None => format!("{place}{message}"),
    }
}

/// The start of an error message. Conditions are mostly of one line, so the line is named only past the first.
fn place(line: isize, column: isize) -> String {
    match line {
        ..=1 => format!("column {column}: "),
        _ => format!("line {line}, column {column}: "),
    }
}

fn too_deep() -> String {
    format!("nested more than {DEEPEST} levels deep")
}

/// The written form of an operator that the parser names `_&&_`, `!_` or `@in`.
fn symbol(operator: &str) -> &str {
    operator.trim_matches(['_', '@'])
}

/// The segments of a dotted name.
fn path(node: &IdedExpr) -> Option<Vec<&str>> {
    match &node.expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) => {
            let mut segments = path(&select.operand)?;
            segments.push(&select.field);
            Some(segments)
        }
        _ => None,
    }
}

/// The node of a dotted name's first segment, which is where it stands; the others stand at their dots.
fn root(node: &IdedExpr) -> u64 {
    match &node.expr {
        Expr::Select(select) => root(&select.operand),
        _ => node.id,
    }
}

/// Whether a call is written as a word, unlike operators.
fn is_word(call: &CallExpr) -> bool {
    call.func_name.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Infers types bottom-up and turns dotted names into indices of `names` as it goes.
struct Checker<'a> {
    vocabulary: &'a Vocabulary<'a>,
    source: SourceInfo,
    names: Vec<String>,
    greatest: i64,
    depth: u16,
}

impl Checker<'_> {
    /// The type of `node`.
    fn check(&mut self, node: &mut IdedExpr) -> Result<Type, String> {
        if self.depth >= DEEPEST {
            return Err(too_deep());
        }
        self.depth += 1;
        let found = match &mut node.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Ok(Type::Bool),
                LiteralValue::Int(number) => {
                    self.greatest = self.greatest.max(*number.inner());
                    Ok(Type::Int)
                }
                LiteralValue::Double(number) => {
                    self.greatest = self.greatest.max(number.inner().ceil() as i64);
                    Ok(Type::Double)
                }
                LiteralValue::String(_) => Ok(Type::Text),
                LiteralValue::Null => {
                    Err(self.error(node, "there is no null: `has(name)` asks whether a value is known"))
                }
                LiteralValue::UInt(_) => Err(self.error(node, "there are no unsigned numbers: leave out the `u`")),
                LiteralValue::Bytes(_) => Err(self.error(node, "there are no bytes: leave out the `b`")),
            },
            Expr::Ident(_) | Expr::Select(_) => self.name(node).map(|(index, found)| {
                *node = IdedExpr { id: root(node), expr: Expr::Ident(index.to_string()) };
                found
            }),
            Expr::Call(call) if call.func_name == "has" => self.presence(node),
            Expr::Call(_) => self.call(node),
            Expr::List(_) => Err(self.error(node, "a list in brackets stands only after `in`")),
            _ => Err(self.error(node, "maps and messages are not part of conditions")),
        };
        self.depth -= 1;
        found
    }

    /// The index and type of a dotted name. Of `a.b.c` the longest part that is a name counts.
    fn name(&mut self, node: &IdedExpr) -> Result<(usize, Type), String> {
        let Some(segments) = path(node) else {
            return Err(self.error(node, "only a name has a part after a dot"));
        };
        let name = segments.join(".");
        if let Some(found) = (self.vocabulary.type_of)(&name) {
            let index = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
                self.names.push(name);
                self.names.len() - 1
            });
            return Ok((index, found));
        }
        let shorter = (1..segments.len()).rev().map(|count| segments[..count].join("."));
        let shorter = shorter.filter_map(|name| (self.vocabulary.type_of)(&name).map(|found| (name, found))).next();
        Err(match shorter {
            Some((part, found)) => {
                let rest = &name[part.len() + 1..];
                self.error(node, &format!("`{part}` is {found}, it has no part `{rest}`"))
            }
            None => self.error(node, &(self.vocabulary.unknown)(&name)),
        })
    }

    /// `has(name)`.
    fn presence(&mut self, node: &mut IdedExpr) -> Result<Type, String> {
        let index = match &node.expr {
            Expr::Call(CallExpr { target: None, args, .. }) if args.len() == 1 => self.name(&args[0])?.0,
            _ => return Err(self.error(node, "`has` takes one name: `has(name)`")),
        };
        node.expr = Expr::Ident(format!("?{index}"));
        Ok(Type::Bool)
    }

    /// An operator, an index or a function. The operands are checked first, from left to right.
    fn call(&mut self, node: &mut IdedExpr) -> Result<Type, String> {
        let Expr::Call(call) = &mut node.expr else { return Err(self.error(node, "not a call")) };
        if call.func_name == op::IN {
            let [item, list] = call.args.as_mut_slice() else { return Err("`in` takes two operands".to_owned()) };
            return self.membership(item, list);
        }
        if is_word(call) && !FUNCTIONS.contains(&call.func_name.as_str()) {
            let hint = suggestion(&call.func_name, FUNCTIONS);
            let what = format!("there is no function `{}`{hint}", call.func_name);
            return Err(self.error(node, &what));
        }
        let mut types = Vec::new();
        for operand in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
            types.push(self.check(operand)?);
        }
        let call = &*call;
        match (call.func_name.as_str(), types.as_slice()) {
            (op::LOGICAL_AND | op::LOGICAL_OR | op::LOGICAL_NOT, operands) => self.logic(call, operands),
            (op::CONDITIONAL, &[condition, yes, no]) => self.conditional(call, condition, yes, no),
            (op::EQUALS | op::NOT_EQUALS, &[left, right]) => self.comparison(call, left, right, false),
            (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, &[left, right]) => {
                self.comparison(call, left, right, true)
            }
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, &[left, right]) => {
                self.arithmetic(call, left, right)
            }
            (op::NEGATE, &[operand]) if operand.is_number() => Ok(operand),
            (op::INDEX, &[list, index]) => self.index(call, list, index),
            (function, operands) => {
                function_type(function, call.target.is_some(), operands).map_err(|what| self.error(node, &what))
            }
        }
    }

    /// Operands of `&&`, `||` and `!`.
    fn logic(&self, call: &CallExpr, operands: &[Type]) -> Result<Type, String> {
        match call.args.iter().zip(operands).find(|(_, found)| !found.fits(Type::Bool)) {
            None => Ok(Type::Bool),
            Some((operand, found)) => {
                let (subject, symbol) = (self.subject(operand), symbol(&call.func_name));
                Err(self.error(operand, &format!("{subject} is {found}, `{symbol}` takes bools")))
            }
        }
    }

    /// `condition ? yes : no`.
    fn conditional(&self, call: &CallExpr, condition: Type, yes: Type, no: Type) -> Result<Type, String> {
        if !condition.fits(Type::Bool) {
            let subject = self.subject(&call.args[0]);
            return Err(self.error(&call.args[0], &format!("{subject} is {condition}, `?` takes a bool before it")));
        }
        match yes.fits(no) {
            true if yes == Type::Any => Ok(no),
            true => Ok(yes),
            false => Err(self.error(&call.args[1], &format!("`?` chooses between {yes} and {no}: they must be alike"))),
        }
    }

    /// `==` and the like, or with `ordered` `<` and the like.
    fn comparison(&self, call: &CallExpr, left: Type, right: Type, ordered: bool) -> Result<Type, String> {
        if !left.compares_with(right) {
            let subject = self.subject(&call.args[0]);
            return Err(self.error(&call.args[0], &format!("{subject} is {left}, compared with {right}")));
        }
        if let [left, right] = call.args.as_slice() {
            let mirrored = match call.func_name.as_str() {
                op::GREATER => op::LESS,
                op::LESS => op::GREATER,
                op::GREATER_EQUALS => op::LESS_EQUALS,
                op::LESS_EQUALS => op::GREATER_EQUALS,
                other => other,
            };
            self.possible(left, &call.func_name, right)?;
            self.possible(right, mirrored, left)?;
        }
        let mut operands = call.args.iter().zip([left, right]);
        match operands.find(|(_, found)| ordered && matches!(found, Type::Bool | Type::Ints)) {
            None => Ok(Type::Bool),
            Some((operand, found)) => {
                let (subject, symbol) = (self.subject(operand), symbol(&call.func_name));
                Err(self.error(operand, &format!("{subject} is {found}, `{symbol}` compares numbers and strings")))
            }
        }
    }

    /// A name that is compared with what it can never be is a mistake.
    fn possible(&self, name: &IdedExpr, operator: &str, with: &IdedExpr) -> Result<(), String> {
        let (Expr::Ident(index), Expr::Literal(literal)) = (&name.expr, &with.expr) else { return Ok(()) };
        let Some(path) = index.parse::<usize>().ok().and_then(|index| self.names.get(index)) else { return Ok(()) };
        let wrong = match ((self.vocabulary.only)(path), literal) {
            (Only::Words(words), LiteralValue::String(word)) if matches!(operator, op::EQUALS | op::NOT_EQUALS) => {
                let word = word.inner();
                let hint = suggestion(word, words.iter().map(String::as_str));
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                let is_one = words.contains(&format!("{word:?}"));
                (!is_one).then(|| format!("`{path}` is never {word:?}: it is one of {}{hint}", words.join(", ")))
            }
            (Only::LowerCase, LiteralValue::String(word)) if word.inner().chars().any(char::is_uppercase) => {
                Some(format!("`{path}` is never {:?}: it is in lower case", word.inner()))
            }
            (Only::UpTo(most), LiteralValue::Int(number)) => {
                let number = *number.inner();
                let beyond = match operator {
                    op::GREATER => number >= most,
                    op::LESS | op::LESS_EQUALS => false,
                    _ => number > most,
                };
                beyond.then(|| format!("`{path}` is at most {most}: that is its highest rung"))
            }
            _ => None,
        };
        wrong.map_or(Ok(()), |what| Err(self.error(name, &what)))
    }

    /// `+`, `-`, `*`, `/` and `%`. CEL does not mix ints and doubles here, so the message says how to convert.
    fn arithmetic(&self, call: &CallExpr, left: Type, right: Type) -> Result<Type, String> {
        let symbol = symbol(&call.func_name);
        for (operand, found) in call.args.iter().zip([left, right]) {
            let subject = self.subject(operand);
            if !found.is_number() {
                return Err(self.error(operand, &format!("{subject} is {found}, `{symbol}` takes numbers")));
            }
            if found == Type::Any {
                let what =
                    format!("`{symbol}` takes numbers of one kind: convert {subject} with `double(…)` or `int(…)`");
                return Err(self.error(operand, &what));
            }
            if found == Type::Double && symbol == "%" {
                return Err(self.error(operand, &format!("{subject} is a double, `%` takes ints")));
            }
        }
        if left == right {
            return Ok(left);
        }
        let int = &call.args[usize::from(right == Type::Int)];
        let remedy = match &int.expr {
            Expr::Literal(LiteralValue::Int(value)) => format!("write `{}.0`", value.inner()),
            Expr::Ident(_) => format!("write `double({})`", self.subject(int).trim_matches('`')),
            _ => "convert the int with `double(…)`".to_owned(),
        };
        Err(self.error(&call.args[0], &format!("`{symbol}` of {left} and {right}: {remedy}")))
    }

    /// `list[index]`.
    fn index(&self, call: &CallExpr, list: Type, index: Type) -> Result<Type, String> {
        if list != Type::Ints {
            let subject = self.subject(&call.args[0]);
            return Err(self.error(&call.args[0], &format!("{subject} is {list}, only lists have items")));
        }
        let negative = matches!(&call.args[1].expr, Expr::Literal(LiteralValue::Int(at)) if *at.inner() < 0);
        if !index.fits(Type::Int) || negative {
            let subject = self.subject(&call.args[1]);
            return Err(self.error(&call.args[1], &format!("an index is an int from 0, {subject} is not")));
        }
        if let (Expr::Ident(name), Expr::Literal(LiteralValue::Int(at))) = (&call.args[0].expr, &call.args[1].expr)
            && let Some(path) = name.parse::<usize>().ok().and_then(|index| self.names.get(index))
            && let Only::Items(items) = (self.vocabulary.only)(path)
            && *at.inner() >= items
        {
            let what = format!("`{path}` has at most {items} items: the last is `{path}[{}]`", items - 1);
            return Err(self.error(&call.args[1], &what));
        }
        Ok(Type::Int)
    }

    /// `item in [a, b]` and `item in list`.
    fn membership(&mut self, item: &mut IdedExpr, list: &mut IdedExpr) -> Result<Type, String> {
        let wanted = self.check(item)?;
        let Expr::List(literal) = &mut list.expr else {
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
        for element in &mut literal.elements {
            let found = self.check(element)?;
            if !wanted.compares_with(found) {
                let subject = self.subject(item);
                return Err(self.error(element, &format!("{subject} is {wanted}, compared with {found}")));
            }
            self.possible(item, op::EQUALS, element)?;
        }
        Ok(Type::Bool)
    }

    /// How to call `node` in a message: a name or a literal as it is written, else "this".
    fn subject(&self, node: &IdedExpr) -> String {
        let name = |index: &str| index.parse::<usize>().ok().and_then(|index| self.names.get(index));
        match &node.expr {
            Expr::Ident(variable) => match variable.strip_prefix('?') {
                Some(index) => name(index).map(|name| format!("`has({name})`")),
                None => name(variable).map(|name| format!("`{name}`")),
            },
            Expr::Literal(LiteralValue::Boolean(value)) => Some(format!("`{}`", value.inner())),
            Expr::Literal(LiteralValue::Int(value)) => Some(format!("`{}`", value.inner())),
            Expr::Literal(LiteralValue::Double(value)) => Some(format!("`{:?}`", value.inner())),
            Expr::Literal(LiteralValue::String(value)) => Some(format!("{:?}", value.inner())),
            _ => None,
        }
        .unwrap_or_else(|| "this".to_owned())
    }

    /// An error at the leftmost part of `node` that the parser has a place for.
    fn error(&self, node: &IdedExpr, what: &str) -> String {
        let Some(start) = self.start(node) else { return what.to_owned() };
        let before = self.source.source.get(..start as usize).unwrap_or_default();
        let (line, column) = before.chars().fold((1, 1), |(line, column), c| match c {
            '\n' => (line + 1, 1),
            _ => (line, column + 1),
        });
        format!("{}{what}", place(line, column))
    }

    /// Where `node` starts, in bytes; brackets around it are not part of it.
    fn start(&self, node: &IdedExpr) -> Option<u32> {
        let own = self.source.offset_for(node.id).map(|(start, _)| start);
        match &node.expr {
            Expr::Select(select) => self.start(&select.operand),
            // The parser places a function at its bracket.
            Expr::Call(call) if call.target.is_none() && is_word(call) => {
                own.map(|bracket| bracket.saturating_sub(call.func_name.len() as u32))
            }
            Expr::Call(call) => {
                let first = call.target.as_deref().or(call.args.first()).and_then(|first| self.start(first));
                own.into_iter().chain(first).min()
            }
            _ => own,
        }
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
        op::NEGATE => (false, Type::Any, "`-x`, of a number"),
        _ => return Err(format!("`{}` is not part of conditions", symbol(function))),
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
        refused("paid && .target", "column 10: unknown name `.target`: did you mean `target`?");
        refused("paid\n  && has(tarjet)", "line 2, column 10: unknown name `tarjet`: did you mean `target`?");
        refused("traits.region == 'é' && paid.since > 3", "column 25: `paid` is a bool, it has no part `since`");
        refused("weekly_users[0].x == 1", "column 1: only a name has a part after a dot");
        refused("sice(weekly_users) > 3", "column 1: there is no function `sice`: did you mean `size`?");
        refused("has(1)", "column 5: only a name has a part after a dot");
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
        refused("weekly_users[-1] > 1", "column 15: an index is an int from 0, `-1` is not");
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
        refused("paid = true", "column 6: unexpected '= '");
        refused("user.band == 'é' && &&", "column 21: unexpected '&&'");
        refused("paid and target", "column 6: unexpected 'and'");
        refused("paid ? target", "column 14: unexpected end");
        refused("paid && user.in", "column 14: unexpected '.in'");
        refused("(paid", "column 6: missing ')' at end");
        refused("paid &&\n&& target", "line 2, column 1: unexpected '&&'");
        refused("active_users > 99999999999999999999", "column 16: invalid int literal");
        refused("traits.?region == 'x'", "column 7: unsupported syntax '.?'");
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
    fn expressions_are_shared_between_threads() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&compile("paid").expect("it compiles"));
    }
}
