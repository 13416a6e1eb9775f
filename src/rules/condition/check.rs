//! Checks a parsed condition: all names are known, types match, and no value is compared with one that it can never
//! have.

use super::syntax::{self, Expr, Node, Operator};
use super::vocabulary::{Only, Vocabulary};
use crate::rules::inputs::{Input, Type};
use crate::text::suggestion;

/// The functions that a condition can call.
const FUNCTIONS: [&str; 7] = ["size", "contains", "startsWith", "endsWith", "int", "double", "has"];

/// A condition that passed every check.
pub(super) struct Checked {
    /// Names in it are indices of `names`.
    pub(super) tree: Node,
    /// The names in it, each once, in order of appearance.
    pub(super) names: Vec<(String, Input, Type)>,
    /// The greatest number in it, rounded up; 0 if it has none.
    pub(super) greatest: i64,
}

/// Parses and checks a text.
///
/// # Errors
/// What is wrong and in which column.
pub(super) fn check(text: &str, vocabulary: &mut dyn Vocabulary) -> Result<Checked, String> {
    let mut tree = syntax::parse(text)?;
    let mut checker = Checker { vocabulary, text, names: Vec::new(), greatest: 0 };
    let found = checker.check(&mut tree)?;
    if !found.fits(Type::Bool) {
        return Err(checker.error(&tree, &format!("a condition is a bool, this is {found}")));
    }
    Ok(Checked { tree, names: checker.names, greatest: checker.greatest })
}

/// Infers types bottom-up and turns dotted names into indices of `names` as it goes.
struct Checker<'a> {
    vocabulary: &'a mut dyn Vocabulary,
    text: &'a str,
    names: Vec<(String, Input, Type)>,
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
            // Only this pass creates them.
            Expr::Name(_) | Expr::Has(_) => Ok(Type::Any),
            Expr::Not(operand) => {
                let found = self.check(operand)?;
                self.takes_bool(operand, found, "!")
            }
            Expr::Negate(operand) => match self.check(operand)? {
                found if found.is_number() => Ok(found),
                _ => Err(self.error(node, "`-` takes a number")),
            },
            Expr::Logic { any, operands } => self.logic(if *any { "||" } else { "&&" }, operands),
            Expr::Binary(operator, operands) => self.binary(*operator, operands),
            Expr::Choice(operands) => {
                let types = self.check_all(&mut operands[..])?;
                self.conditional(operands, &types)
            }
            Expr::Index(operands) => {
                let types = [self.check(&mut operands[0])?, self.check(&mut operands[1])?];
                self.index(operands, types)
            }
            Expr::List(_) => Err(self.error(node, "a list in brackets is allowed only after `in`")),
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

    /// `&&` or `||`.
    fn logic(&mut self, symbol: &str, operands: &mut [Node]) -> Result<Type, String> {
        let types = self.check_all(operands)?;
        for (operand, found) in operands.iter().zip(types) {
            self.takes_bool(operand, found, symbol)?;
        }
        Ok(Type::Bool)
    }

    /// An operator between two operands.
    fn binary(&mut self, operator: Operator, operands: &mut [Node; 2]) -> Result<Type, String> {
        if operator == Operator::In {
            let [item, list] = operands;
            return self.membership(item, list);
        }
        let types = [self.check(&mut operands[0])?, self.check(&mut operands[1])?];
        match operator {
            Operator::Equal | Operator::NotEqual => self.comparison(operator, operands, types),
            _ if operator.is_ordered() => self.comparison(operator, operands, types),
            _ => self.arithmetic(operator, operands, types),
        }
    }

    fn check_all(&mut self, nodes: &mut [Node]) -> Result<Vec<Type>, String> {
        nodes.iter_mut().map(|node| self.check(node)).collect()
    }

    /// The index and type of a dotted name. An error about `a.b.c` names the longest part of it that is known.
    fn name(&mut self, at: usize, name: String) -> Result<(usize, Type), String> {
        if let Some(index) = self.names.iter().position(|known| known.0 == name) {
            return Ok((index, self.names[index].2));
        }
        if let Some((input, found)) = self.vocabulary.find(&name) {
            self.names.push((name, input, found));
            return Ok((self.names.len() - 1, found));
        }
        let mut shorter = name.rmatch_indices('.').map(|(dot, _)| &name[..dot]);
        let shorter = shorter.find_map(|part| self.vocabulary.find(part).map(|(_, found)| (part, found)));
        let what = match shorter {
            Some((part, found)) => format!("`{part}` is {found}, it has no part `{}`", &name[part.len() + 1..]),
            None => self.vocabulary.unknown(&name),
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
            false => {
                Err(self.error(&operands[1], &format!("`?` chooses between {yes} and {no}: they must have one type")))
            }
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

    /// Refuses a comparison of a name with a value that it can never have.
    fn possible(&self, name: &Node, operator: Operator, with: &Node) -> Result<(), String> {
        let Expr::Name(index) = name.expr else { return Ok(()) };
        let path = &self.names[index].0;
        let wrong = match (self.vocabulary.only(path), &with.expr) {
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

    /// `+`, `-`, `*`, `/` and `%`. CEL does not mix ints and doubles in arithmetic; the error shows how to convert.
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
            && let path = &self.names[*name].0
            && let Only::Items(items) = self.vocabulary.only(path)
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
                    Err(self.error(item, &format!("{subject} is {wanted}, but the list contains ints")))
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

    /// A node in an error: a name or a literal as it is written, else "this".
    fn subject(&self, node: &Node) -> String {
        match &node.expr {
            Expr::Name(index) => format!("`{}`", self.names[*index].0),
            Expr::Has(index) => format!("`has({})`", self.names[*index].0),
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
    if allowed { Ok(result) } else { Err(format!("expected {usage}")) }
}
