//! Lowers a checked syntax tree to code: inputs and texts become indices, constants are computed, and logic becomes
//! jumps.

use super::ir::{Arithmetic, Code, Constant, Op, Part, Relation, Term, Truth};
use super::syntax::{Expr, Node, Operator};
use crate::rules::inputs::{Input, Inputs, Value};

/// The code of a condition that the checker passed; `inputs` are those of its names.
pub(super) fn lower(tree: &Node, inputs: &[Input]) -> Code {
    let mut lowering = Lowering { code: Code { inputs: inputs.to_vec(), ..Code::default() } };
    lowering.code.main = lowering.program(tree);
    lowering.code
}

/// The inputs of what reads none.
struct Nothing;

impl Inputs for Nothing {
    fn value(&self, _: Input) -> Value<'_> {
        Value::Unknown
    }

    fn item(&self, _: Input, _: usize) -> Option<i64> {
        None
    }
}

struct Lowering {
    code: Code,
}

impl Lowering {
    fn program(&mut self, node: &Node) -> Vec<Op> {
        let mut program = Vec::new();
        self.truth(node, &mut program);
        program
    }

    /// Adds the operations that leave the truth of a node.
    fn truth(&mut self, node: &Node, program: &mut Vec<Op>) {
        if let Some(truth) = constant_truth(node) {
            return program.push(Op::Constant(truth));
        }
        match &node.expr {
            Expr::Name(name) => program.push(Op::Is(place(*name))),
            Expr::Has(name) => program.push(Op::Known(place(*name))),
            Expr::Not(operand) => {
                self.truth(operand, program);
                self.not(operand, program);
            }
            Expr::Logic { any, operands } => self.logic(*any, operands, program),
            Expr::Binary(Operator::In, operands) => {
                let op = self.membership(&operands[0], &operands[1]);
                program.push(op);
            }
            Expr::Binary(operator, operands) => match relation(*operator) {
                Some(is) => {
                    let op = self.comparison(&operands[0], is, &operands[1]);
                    program.push(op);
                }
                None => self.bool(node, program),
            },
            Expr::Call { function, operands, .. } => match (part(function), &operands[..]) {
                (Some(part), [text, of]) => {
                    let (text, of) = (self.term(text), self.term(of));
                    program.push(Op::Has(part, text, of));
                }
                _ => self.bool(node, program),
            },
            _ => self.bool(node, program),
        }
    }

    fn bool(&mut self, node: &Node, program: &mut Vec<Op>) {
        let term = self.term(node);
        program.push(Op::Bool(term));
    }

    /// Negates what an operand left. A single comparison becomes its inverse.
    fn not(&self, operand: &Node, program: &mut Vec<Op>) {
        let is_comparison =
            matches!(&operand.expr, Expr::Binary(operator, _) if relation(*operator).is_some()).then_some(());
        match (is_comparison, program.last_mut()) {
            (Some(()), Some(Op::Int(_, is, _) | Op::Double(_, is, _) | Op::Text(_, is, _) | Op::Compare(is, ..))) => {
                *is = is.inverse();
            }
            _ => program.push(Op::Not),
        }
    }

    /// `&&`, or with `any` `||`: constants that decide nothing are left out.
    fn logic(&mut self, any: bool, operands: &[Node], program: &mut Vec<Op>) {
        let neutral = Truth::of(!any);
        let operands = operands.iter().filter(|operand| constant_truth(operand) != Some(neutral));
        let mut jumps = Vec::new();
        for (number, operand) in operands.enumerate() {
            if number > 0 {
                jumps.push(program.len());
                program.push(if any { Op::Or(0) } else { Op::And(0) });
            }
            self.truth(operand, program);
            if number > 0 {
                program.push(if any { Op::Join } else { Op::Meet });
            }
        }
        let end = place(program.len());
        for jump in jumps {
            program[jump] = if any { Op::Or(end) } else { Op::And(end) };
        }
    }

    fn comparison(&mut self, left: &Node, is: Relation, right: &Node) -> Op {
        if let Expr::Name(name) = &left.expr
            && let Some(value) = constant(right)
        {
            return self.with_constant(place(*name), is, &value, [left, right]);
        }
        if let Expr::Name(name) = &right.expr
            && let Some(value) = constant(left)
        {
            return self.with_constant(place(*name), is.mirrored(), &value, [right, left]);
        }
        let (left, right) = (self.term(left), self.term(right));
        Op::Compare(is, left, right)
    }

    fn with_constant(&mut self, input: u16, is: Relation, value: &Owned, [name, other]: [&Node; 2]) -> Op {
        match value {
            Owned::Int(number) => Op::Int(input, is, *number),
            Owned::Double(number) => Op::Double(input, is, *number),
            Owned::Text(text) => Op::Text(input, is, self.text(text)),
            Owned::Unknown | Owned::Bool(_) => {
                let (name, other) = (self.term(name), self.term(other));
                Op::Compare(is, name, other)
            }
        }
    }

    fn membership(&mut self, item: &Node, list: &Node) -> Op {
        let Expr::List(elements) = &list.expr else {
            let (item, list) = (self.term(item), self.term(list));
            return Op::InList(item, list);
        };
        let constants: Option<Vec<Owned>> = elements.iter().map(constant).collect();
        if let (Expr::Name(name), Some(values)) = (&item.expr, constants) {
            let from = place(self.code.constants.len());
            for value in &values {
                let constant = self.own(value);
                self.code.constants.push(constant);
            }
            return Op::OneOf(place(*name), from, place(self.code.constants.len()));
        }
        let item = self.term(item);
        // The elements are adjacent; lists within them come before.
        let elements: Vec<u16> = elements.iter().map(|element| self.term(element)).collect();
        let from = place(self.code.lists.len());
        self.code.lists.extend(elements);
        Op::Among(item, from, place(self.code.lists.len()))
    }

    /// The place of the term that has the value of a node.
    fn term(&mut self, node: &Node) -> u16 {
        let term = match constant(node) {
            Some(value) => Term::Constant(self.own(&value)),
            None => self.made(node),
        };
        self.code.terms.push(term);
        place(self.code.terms.len() - 1)
    }

    fn made(&mut self, node: &Node) -> Term {
        match &node.expr {
            Expr::Name(name) => Term::Input(place(*name)),
            Expr::Negate(operand) => Term::Negate(self.term(operand)),
            Expr::Index(operands) => Term::Item(self.term(&operands[0]), self.term(&operands[1])),
            Expr::Choice(operands) => {
                let test = self.nested(&operands[0]);
                Term::Choice(test, self.term(&operands[1]), self.term(&operands[2]))
            }
            Expr::Binary(operator, operands) => match arithmetic(*operator) {
                Some(operator) => Term::Arithmetic(operator, self.term(&operands[0]), self.term(&operands[1])),
                None => Term::Truth(self.nested(node)),
            },
            Expr::Call { function, operands, .. } => match (function.as_str(), &operands[..]) {
                ("size", [operand]) => Term::Size(self.term(operand)),
                ("int", [operand]) => Term::Int(self.term(operand)),
                ("double", [operand]) => Term::Double(self.term(operand)),
                _ => Term::Truth(self.nested(node)),
            },
            _ => Term::Truth(self.nested(node)),
        }
    }

    fn nested(&mut self, node: &Node) -> u16 {
        let program = self.program(node);
        self.code.programs.push(program);
        place(self.code.programs.len() - 1)
    }

    fn own(&mut self, value: &Owned) -> Constant {
        match value {
            Owned::Unknown => Constant::Unknown,
            Owned::Bool(is) => Constant::Bool(*is),
            Owned::Int(number) => Constant::Int(*number),
            Owned::Double(number) => Constant::Double(*number),
            Owned::Text(text) => Constant::Text(self.text(text)),
        }
    }

    fn text(&mut self, text: &str) -> u16 {
        let known = self.code.texts.iter().position(|known| **known == *text);
        place(known.unwrap_or_else(|| {
            self.code.texts.push(text.into());
            self.code.texts.len() - 1
        }))
    }
}

/// A constant that is not yet part of a code.
enum Owned {
    Unknown,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Box<str>),
}

/// The value of a node that reads nothing.
fn constant(node: &Node) -> Option<Owned> {
    match &node.expr {
        Expr::Bool(is) => return Some(Owned::Bool(*is)),
        Expr::Int(number) => return Some(Owned::Int(*number)),
        Expr::Double(number) => return Some(Owned::Double(*number)),
        Expr::Text(text) => return Some(Owned::Text((&**text).into())),
        _ if reads(node) => return None,
        _ => {}
    }
    let mut lowering = Lowering { code: Code::default() };
    let term = lowering.made(node);
    lowering.code.terms.push(term);
    Some(match lowering.code.term(place(lowering.code.terms.len() - 1), &Nothing) {
        Value::Bool(is) => Owned::Bool(is),
        Value::Int(number) => Owned::Int(number),
        Value::Double(number) => Owned::Double(number),
        Value::Text(text) => Owned::Text(text.into()),
        Value::Unknown | Value::Ints(_) => Owned::Unknown,
    })
}

/// The truth of a node that is always the same.
fn constant_truth(node: &Node) -> Option<Truth> {
    match &node.expr {
        Expr::Bool(is) => Some(Truth::of(*is)),
        Expr::Not(operand) => constant_truth(operand).map(Truth::not),
        // One operand alone can decide.
        Expr::Logic { any, operands } => {
            let truths = || operands.iter().map(constant_truth);
            if truths().any(|truth| truth == Some(Truth::of(*any))) {
                return Some(Truth::of(*any));
            }
            truths().try_fold(Truth::of(!any), |all, truth| Some(if *any { all.max(truth?) } else { all.min(truth?) }))
        }
        Expr::Binary(Operator::In, operands) if !reads(node) => {
            let mut lowering = Lowering { code: Code::default() };
            lowering.code.main = vec![lowering.membership(&operands[0], &operands[1])];
            Some(lowering.code.holds(&Nothing))
        }
        Expr::Binary(operator, operands) if !reads(node) => {
            let mut lowering = Lowering { code: Code::default() };
            lowering.code.main = vec![lowering.comparison(&operands[0], relation(*operator)?, &operands[1])];
            Some(lowering.code.holds(&Nothing))
        }
        Expr::Call { function, operands, .. } if !reads(node) => {
            let mut lowering = Lowering { code: Code::default() };
            let [text, of] = &operands[..] else { return None };
            lowering.code.main = vec![Op::Has(part(function)?, lowering.term(text), lowering.term(of))];
            Some(lowering.code.holds(&Nothing))
        }
        _ => None,
    }
}

/// Whether a node reads an input.
fn reads(node: &Node) -> bool {
    matches!(node.expr, Expr::Name(_) | Expr::Has(_)) || node.expr.operands().iter().any(reads)
}

fn place(at: usize) -> u16 {
    u16::try_from(at).expect("a condition has at most 2000 bytes")
}

fn relation(operator: Operator) -> Option<Relation> {
    Some(match operator {
        Operator::Equal => Relation::EQUAL,
        Operator::NotEqual => Relation::EQUAL.inverse(),
        Operator::Less => Relation::LESS,
        Operator::LessOrEqual => Relation::LESS.or(Relation::EQUAL),
        Operator::Greater => Relation::GREATER,
        Operator::GreaterOrEqual => Relation::GREATER.or(Relation::EQUAL),
        _ => return None,
    })
}

fn arithmetic(operator: Operator) -> Option<Arithmetic> {
    Some(match operator {
        Operator::Add => Arithmetic::Add,
        Operator::Subtract => Arithmetic::Subtract,
        Operator::Multiply => Arithmetic::Multiply,
        Operator::Divide => Arithmetic::Divide,
        Operator::Remainder => Arithmetic::Remainder,
        _ => return None,
    })
}

fn part(function: &str) -> Option<Part> {
    Some(match function {
        "contains" => Part::Contains,
        "startsWith" => Part::StartsWith,
        "endsWith" => Part::EndsWith,
        _ => return None,
    })
}
