//! Parses the text of a condition to a syntax tree: the subset of the grammar of [CEL](https://cel.dev) that conditions
//! use.
//!
//! It is a Pratt parser that uses little stack: brackets and operators nest at most [`DEEPEST`] levels deep, whatever
//! the text. `check` checks names and types.

use std::sync::Arc;

/// Longest text of a condition, in bytes.
const LONGEST: usize = 2_000;
/// Deepest nesting, of brackets in the text and of operators in the tree. It bounds the stack that parsing, checking
/// and evaluating need, as rules also arrive while the processor runs.
pub(super) const DEEPEST: u16 = 16;

/// An operator of two operands, other than `&&` and `||`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    /// Every operator as it is written, longer ones first, and how strongly it binds.
    const ALL: [(&'static str, Operator, u8); 12] = [
        ("==", Operator::Equal, RELATION),
        ("!=", Operator::NotEqual, RELATION),
        ("<=", Operator::LessOrEqual, RELATION),
        (">=", Operator::GreaterOrEqual, RELATION),
        ("<", Operator::Less, RELATION),
        (">", Operator::Greater, RELATION),
        ("in", Operator::In, RELATION),
        ("+", Operator::Add, RELATION + 1),
        ("-", Operator::Subtract, RELATION + 1),
        ("*", Operator::Multiply, RELATION + 2),
        ("/", Operator::Divide, RELATION + 2),
        ("%", Operator::Remainder, RELATION + 2),
    ];

    /// The operator as it is written.
    pub(super) fn symbol(self) -> &'static str {
        Operator::ALL.iter().find(|(_, operator, _)| *operator == self).map_or("", |(symbol, ..)| symbol)
    }

    /// Whether it asks which operand is greater.
    pub(super) fn is_ordered(self) -> bool {
        matches!(self, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual)
    }

    /// The operator with the same meaning for exchanged operands.
    pub(super) fn mirrored(self) -> Operator {
        match self {
            Operator::Less => Operator::Greater,
            Operator::Greater => Operator::Less,
            Operator::LessOrEqual => Operator::GreaterOrEqual,
            Operator::GreaterOrEqual => Operator::LessOrEqual,
            other => other,
        }
    }
}

// How strongly operators bind: `?` least, then `||`, `&&`, relations, sums and products.
const CHOICE: u8 = 1;
const OR: u8 = 2;
const AND: u8 = 3;
const RELATION: u8 = 4;

/// A part of a condition, and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// In bytes of the text; brackets around it are not part of it.
    pub(super) at: usize,
    pub(super) expr: Expr,
}

/// What a part of a condition is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Arc<str>),
    Null,
    /// A dotted name as it is written.
    Path(String),
    /// A checked name, by its index in the expression's names.
    Name(usize),
    /// Whether the value of a checked name is known.
    Has(usize),
    Not(Box<Node>),
    Negate(Box<Node>),
    /// `&&`, or with `any` `||`, of two or more operands.
    Logic {
        any: bool,
        operands: Vec<Node>,
    },
    Binary(Operator, Box<[Node; 2]>),
    /// `condition ? yes : no`.
    Choice(Box<[Node; 3]>),
    /// `list[index]`.
    Index(Box<[Node; 2]>),
    List(Vec<Node>),
    /// A function, or a method of its first operand.
    Call {
        function: String,
        is_method: bool,
        operands: Vec<Node>,
    },
}

impl Expr {
    /// The parts of it, from left to right.
    pub(super) fn operands(&self) -> &[Node] {
        match self {
            Expr::Not(operand) | Expr::Negate(operand) => std::slice::from_ref(operand),
            Expr::Logic { operands, .. } | Expr::List(operands) | Expr::Call { operands, .. } => operands,
            Expr::Binary(_, operands) | Expr::Index(operands) => &operands[..],
            Expr::Choice(operands) => &operands[..],
            _ => &[],
        }
    }
}

/// The syntax tree of `text`.
///
/// # Errors
/// What is wrong and in which column (counted in characters from 1).
pub(super) fn parse(text: &str) -> Result<Node, String> {
    if text.len() > LONGEST {
        return Err(format!("a condition has at most {LONGEST} bytes, this one has {}", text.len()));
    }
    let mut parser = Parser { text, at: 0, level: 0 };
    let tree = parser.expression(CHOICE)?;
    parser.skip_blanks();
    if parser.at < text.len() { Err(parser.unexpected()) } else { Ok(tree.0) }
}

/// An error message that starts with its place. The line is named only past the first, as most conditions have one.
pub(super) fn error_at(text: &str, at: usize, what: &str) -> String {
    let before = text.get(..at).unwrap_or_default();
    let (line, column) = before.chars().fold((1, 1), |(line, column), c| match c {
        '\n' => (line + 1, 1),
        _ => (line, column + 1),
    });
    match line {
        1 => format!("column {column}: {what}"),
        _ => format!("line {line}, column {column}: {what}"),
    }
}

struct Parser<'a> {
    text: &'a str,
    /// How far it has read, in bytes.
    at: usize,
    /// How many expressions are open.
    level: u16,
}

/// A node and its height: 1 without operands.
type Tall = (Node, u16);

impl<'a> Parser<'a> {
    /// An expression whose operators all bind at least as strongly as `least`.
    fn expression(&mut self, least: u8) -> Result<Tall, String> {
        if self.level > DEEPEST {
            return Err(too_deep());
        }
        self.level += 1;
        let found = self.operators(least);
        self.level -= 1;
        found
    }

    fn operators(&mut self, least: u8) -> Result<Tall, String> {
        let mut left = self.operand()?;
        loop {
            self.skip_blanks();
            let at = left.0.at;
            if least <= CHOICE && self.eat("?") {
                let yes = self.expression(OR)?;
                self.expect(":")?;
                let no = self.expression(CHOICE)?;
                let height = left.1.max(yes.1).max(no.1);
                left = tall(at, Expr::Choice(Box::new([left.0, yes.0, no.0])), height)?;
            } else if least <= AND && self.eat("&&") {
                left = self.logic(left, false, AND)?;
            } else if least <= OR && self.eat("||") {
                left = self.logic(left, true, OR)?;
            } else if let Some((symbol, operator, binds)) = self.operator().filter(|(.., binds)| *binds >= least) {
                self.at += symbol.len();
                let right = self.operators(binds + 1)?;
                let height = left.1.max(right.1);
                left = tall(at, Expr::Binary(operator, Box::new([left.0, right.0])), height)?;
            } else {
                return Ok(left);
            }
        }
    }

    /// A chain of `&&` or `||`, of which the first operand and operator are read. It is one level deep.
    fn logic(&mut self, first: Tall, any: bool, binds: u8) -> Result<Tall, String> {
        let (at, mut height, mut operands) = (first.0.at, first.1, vec![first.0]);
        loop {
            let next = self.operators(binds + 1)?;
            height = height.max(next.1);
            operands.push(next.0);
            self.skip_blanks();
            if !self.eat(if any { "||" } else { "&&" }) {
                return tall(at, Expr::Logic { any, operands }, height);
            }
        }
    }

    /// The operator that comes next, unless it is `&&`, `||` or `?`.
    fn operator(&self) -> Option<(&'static str, Operator, u8)> {
        let rest = &self.text[self.at..];
        let is_word = |symbol: &str| rest[symbol.len()..].starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric());
        Operator::ALL.into_iter().find(|(symbol, ..)| rest.starts_with(symbol) && !(*symbol == "in" && is_word(symbol)))
    }

    /// Signs, then a name, a literal, a call or something in brackets, then what follows it directly.
    fn operand(&mut self) -> Result<Tall, String> {
        let mut signs = Vec::new();
        loop {
            self.skip_blanks();
            let at = self.at;
            if !self.text[at..].starts_with("!=") && self.eat("!") {
                signs.push((at, Expr::Not as fn(Box<Node>) -> Expr));
            } else if self.text[at..].starts_with('-') && !self.text[at + 1..].starts_with(|c: char| c.is_ascii_digit())
            {
                self.at += 1;
                signs.push((at, Expr::Negate as fn(Box<Node>) -> Expr));
            } else {
                break;
            }
        }
        let mut found = self.primary()?;
        loop {
            self.skip_blanks();
            let at = found.0.at;
            if self.eat("[") {
                let index = self.expression(CHOICE)?;
                self.expect("]")?;
                let height = found.1.max(index.1);
                found = tall(at, Expr::Index(Box::new([found.0, index.0])), height)?;
            } else if self.text[self.at..].starts_with('.') {
                self.at += 1;
                self.skip_blanks();
                let name = self.word().ok_or_else(|| self.unexpected())?;
                found = self.part(found, name)?;
            } else {
                break;
            }
        }
        while let Some((at, sign)) = signs.pop() {
            found = tall(at, sign(Box::new(found.0)), found.1)?;
        }
        Ok(found)
    }

    /// The part after a dot: a further segment of a name, or a method.
    fn part(&mut self, of: Tall, name: &str) -> Result<Tall, String> {
        let at = of.0.at;
        if self.eat("(") {
            let (operands, height) = self.list(")", vec![of.0])?;
            let call = Expr::Call { function: name.to_owned(), is_method: true, operands };
            return tall(at, call, height.max(of.1));
        }
        match of.0.expr {
            Expr::Path(path) => Ok((Node { at, expr: Expr::Path(format!("{path}.{name}")) }, 1)),
            _ => Err(error_at(self.text, at, "only a name has a part after a dot")),
        }
    }

    fn primary(&mut self) -> Result<Tall, String> {
        let at = self.at;
        if self.eat("(") {
            let inner = self.expression(CHOICE)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.eat("[") {
            let (elements, height) = self.list("]", Vec::new())?;
            return tall(at, Expr::List(elements), height);
        }
        let rest = &self.text[at..];
        if rest.starts_with('{') {
            return Err(error_at(self.text, at, "maps and messages are not part of conditions"));
        }
        if rest.starts_with(['"', '\'']) {
            return self.text_literal().map(|text| (Node { at, expr: Expr::Text(text.into()) }, 1));
        }
        let digits = rest.trim_start_matches(['-', '.']);
        if digits.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number().map(|expr| (Node { at, expr }, 1));
        }
        let root = self.eat(".");
        let Some(word) = self.word() else { return Err(self.unexpected()) };
        if self.text[self.at..].starts_with(['"', '\'']) {
            let what = match word {
                "b" | "B" => "there are no bytes: leave out the `b`".to_owned(),
                _ => format!("a string has no prefix: leave out the `{word}`"),
            };
            return Err(error_at(self.text, at, &what));
        }
        self.skip_blanks();
        let expr = match word {
            "true" => Expr::Bool(true),
            "false" => Expr::Bool(false),
            "null" => Expr::Null,
            _ if !root && self.eat("(") => {
                let (operands, height) = self.list(")", Vec::new())?;
                return tall(at, Expr::Call { function: word.to_owned(), is_method: false, operands }, height);
            }
            _ => Expr::Path(format!("{}{word}", if root { "." } else { "" })),
        };
        Ok((Node { at, expr }, 1))
    }

    /// Expressions between commas up to a closing bracket, after those that are given, and the greatest height.
    fn list(&mut self, close: &str, mut nodes: Vec<Node>) -> Result<(Vec<Node>, u16), String> {
        let mut height = 0;
        self.skip_blanks();
        if self.eat(close) {
            return Ok((nodes, height));
        }
        loop {
            let node = self.expression(CHOICE)?;
            height = height.max(node.1);
            nodes.push(node.0);
            self.skip_blanks();
            if !self.eat(",") {
                self.expect(close)?;
                return Ok((nodes, height));
            }
        }
    }

    /// A letter or `_`, then letters, digits and `_`; not `in`, which is an operator.
    fn word(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let word = &rest[..end];
        if word.is_empty() || word == "in" || word.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.at += end;
        Some(word)
    }

    fn number(&mut self) -> Result<Expr, String> {
        let (at, rest) = (self.at, &self.text[self.at..]);
        let mut end = usize::from(rest.starts_with('-'));
        let is_hex = rest[end..].starts_with("0x") || rest[end..].starts_with("0X");
        let mut is_double = false;
        if is_hex {
            end += 2;
            end += rest[end..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len() - end);
        } else {
            let digits =
                |from: usize| from + rest[from..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - from);
            end = digits(end);
            if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
                (is_double, end) = (true, digits(end + 1));
            }
            if rest[end..].starts_with(['e', 'E']) {
                let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
                let exponent = digits(end + 1 + sign);
                if exponent > end + 1 + sign {
                    (is_double, end) = (true, exponent);
                }
            }
        }
        self.at += end;
        if rest[end..].starts_with(['u', 'U']) {
            return Err(error_at(self.text, at, "there are no unsigned numbers: leave out the `u`"));
        }
        let written = &rest[..end];
        let number = match (is_double, is_hex) {
            (true, _) => written.parse().ok().filter(|value: &f64| value.is_finite()).map(Expr::Double),
            (false, true) => i64::from_str_radix(&written.replacen(['x', 'X'], "", 1), 16).ok().map(Expr::Int),
            (false, false) => written.parse().ok().map(Expr::Int),
        };
        let kind = if is_double { "double" } else { "int" };
        number.ok_or_else(|| error_at(self.text, at, &format!("invalid {kind} literal")))
    }

    fn text_literal(&mut self) -> Result<String, String> {
        let at = self.at;
        let unclosed = || error_at(self.text, at, "the string has no closing quote");
        let mut chars = self.text[at..].char_indices();
        let quote = chars.next().map_or('"', |(_, quote)| quote);
        let mut found = String::new();
        while let Some((place, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.at = at + place + c.len_utf8();
                    return Ok(found);
                }
                '\n' => return Err(unclosed()),
                '\\' => {
                    let escape = chars.next().map(|(_, escape)| escape).ok_or_else(unclosed)?;
                    let mut code = |digits: usize, radix: u32, first: u32| {
                        let digit = |code: u32, c: char| Some(code * radix + c.to_digit(radix)?);
                        let code = chars.by_ref().take(digits).try_fold(first, |code, (_, c)| digit(code, c));
                        code.and_then(char::from_u32)
                    };
                    let plain = match escape {
                        'a' => Some('\u{7}'),
                        'b' => Some('\u{8}'),
                        'f' => Some('\u{c}'),
                        'n' => Some('\n'),
                        'r' => Some('\r'),
                        't' => Some('\t'),
                        'v' => Some('\u{b}'),
                        '\\' | '?' | '"' | '\'' | '`' => Some(escape),
                        'x' | 'X' => code(2, 16, 0),
                        'u' => code(4, 16, 0),
                        'U' => code(8, 16, 0),
                        '0'..='3' => code(2, 8, escape as u32 - '0' as u32),
                        _ => None,
                    };
                    let what = || error_at(self.text, at + place, "there is no such escape sequence");
                    found.push(plain.ok_or_else(what)?);
                }
                _ => found.push(c),
            }
        }
        Err(unclosed())
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']);
            self.at = self.text.len() - rest.len();
            if !rest.starts_with("//") {
                return;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn eat(&mut self, symbol: &str) -> bool {
        let found = self.text[self.at..].starts_with(symbol);
        self.at += if found { symbol.len() } else { 0 };
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), String> {
        self.skip_blanks();
        if self.eat(symbol) {
            return Ok(());
        }
        if self.at == self.text.len() && symbol != ":" {
            return Err(error_at(self.text, self.at, &format!("missing '{symbol}' at end")));
        }
        Err(self.unexpected())
    }

    /// The error for what comes next.
    fn unexpected(&self) -> String {
        let rest = &self.text[self.at..];
        let word = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let double = ["&&", "||", "==", "!=", "<=", ">="].into_iter().find(|symbol| rest.starts_with(symbol));
        let what = match (word, double, rest.chars().next()) {
            (_, _, None) => "unexpected end".to_owned(),
            (_, Some(symbol), _) => format!("unexpected '{symbol}'"),
            (0, _, Some(c)) => format!("unexpected '{}'", c.escape_debug()),
            (end, ..) => format!("unexpected '{}'", &rest[..end]),
        };
        error_at(self.text, self.at, &what)
    }
}

/// A node above operands of at most `height`.
fn tall(at: usize, expr: Expr, height: u16) -> Result<Tall, String> {
    if height >= DEEPEST { Err(too_deep()) } else { Ok((Node { at, expr }, height + 1)) }
}

fn too_deep() -> String {
    format!("nested more than {DEEPEST} levels deep")
}
