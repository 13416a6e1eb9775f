//! Tests of the meaning of conditions, and of error messages.

use std::cell::RefCell;

use super::*;
use crate::text::suggestion;

/// The items of the only list.
const ITEMS: [i64; 5] = [9, 8, 7, 6, 5];

/// The names of these tests, with their types and values.
pub(super) fn names() -> Vec<(&'static str, Type, Value<'static>)> {
    vec![
        ("velocity.user_adds", Type::Int, Value::Int(1)),
        ("velocity.growth", Type::Int, Value::Int(1)),
        ("feature.limit_hit", Type::Int, Value::Int(0)),
        ("user.intent.pricing", Type::Int, Value::Int(2)),
        ("user.band", Type::Text, Value::Text("warm")),
        ("user.band_fell", Type::Bool, Value::Bool(false)),
        ("spike_known", Type::Bool, Value::Bool(false)),
        ("paid", Type::Bool, Value::Bool(false)),
        ("target", Type::Bool, Value::Bool(true)),
        ("active_users", Type::Int, Value::Int(12)),
        ("usage_ratio", Type::Double, Value::Double(0.8)),
        ("weekly_users", Type::Ints, Value::Ints(Input::Trait(11))),
        ("event.amount", Type::Double, Value::Double(512.5)),
        ("traits.region", Type::Any, Value::Text("emea")),
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

/// The place of an input among the names.
pub(super) fn place(input: Input) -> usize {
    match input {
        Input::Signal(SignalRef::Account(place)) | Input::Trait(place) => place,
        _ => unreachable!("the names of these tests are signals of an account and traits"),
    }
}

pub(super) struct Known;

impl Vocabulary for Known {
    fn find(&mut self, name: &str) -> Option<(Input, Type)> {
        let at = names().iter().position(|(known, ..)| *known == name)?;
        let is_signal = names()[at].1 == Type::Int && name.contains('.');
        let input = if is_signal { Input::Signal(SignalRef::Account(at)) } else { Input::Trait(at) };
        Some((input, names()[at].1))
    }

    fn only(&self, name: &str) -> Only {
        match name {
            "user.band" => Only::Words(["", "warm", "hot", "warn"].map(str::to_owned).into()),
            "velocity.user_adds" => Only::UpTo(2),
            "traits.region" => Only::LowerCase,
            "weekly_users" => Only::Items(13),
            _ => Only::Any,
        }
    }

    fn unknown(&self, name: &str) -> String {
        format!("unknown name `{name}`{}", suggestion(name, names().iter().map(|(known, ..)| *known)))
    }
}

/// The values of all names, and which were asked for.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) all: Vec<Value<'static>>,
    pub(super) items: Vec<i64>,
    asked: RefCell<Vec<&'static str>>,
}

impl Values {
    pub(super) fn new(all: Vec<Value<'static>>, items: &[i64]) -> Values {
        Values { all, items: items.to_vec(), asked: RefCell::default() }
    }

    fn usual() -> Values {
        Values::new(names().into_iter().map(|(.., value)| value).collect(), &ITEMS)
    }
}

impl Inputs for Values {
    fn value(&self, input: Input) -> Value<'_> {
        self.asked.borrow_mut().push(names()[place(input)].0);
        self.all[place(input)]
    }

    fn item(&self, _: Input, at: usize) -> Option<i64> {
        self.items.get(at).copied()
    }
}

pub(super) fn compile(text: &str) -> Result<Condition, String> {
    Condition::compile(text, &mut Known)
}

fn holds(text: &str) -> Option<bool> {
    compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).holds(&Values::usual())
}

#[track_caller]
fn refused(text: &str, error: &str) {
    assert_eq!(compile(text).map(|_| ()), Err(error.to_owned()), "{text}");
}

#[test]
fn a_number_matters_where_a_comparison_of_it_turns() {
    let turns = |text: &str| {
        let (input, _) = Known.find("active_users").expect("a name of these tests");
        Condition::compile(text, &mut Known).unwrap_or_else(|error| panic!("{text}: {error}")).turns(input)
    };
    for (text, expected) in [
        ("active_users >= 7", Some(vec![7])),
        ("active_users > 7", Some(vec![8])),
        ("paid && active_users == 7", Some(vec![7, 8])),
        ("!(active_users < 7) || active_users <= 9", Some(vec![7, 10])),
        ("paid", Some(vec![])),
        ("active_users + 1 > 7", None),
    ] {
        assert_eq!(turns(text), expected, "{text}");
    }
}

#[test]
fn a_condition_can_hold_unless_what_its_names_can_be_forbids_it() {
    let only = |name: &str| match name {
        "u" | "v" | "usage_ratio" => Some(Possible::of(&[Value::Unknown])),
        "f" | "paid" => Some(Possible::of(&[Value::Bool(false)])),
        "feature.limit_hit" => Some(Possible::of(&[Value::Int(0), Value::Unknown])),
        "user.band" => Some(Possible::of(&[Value::Text(""), Value::Text("warm")])),
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
    for text in ["v > 1", "v == v", "v != 1", "v in [1, 2]", "1 in [1, v]", "weekly_users[v] > 0", "-v < 0", "list"] {
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
    refused("velocity.user_add >= 2", "column 1: unknown name `velocity.user_add`: did you mean `velocity.user_adds`?");
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
    refused("user.band in weekly_users", "column 1: `user.band` is a string, but the list contains ints");
    refused("user.band in user.band", "column 14: `user.band` is a string, `in` takes a list such as `[1, 2]`");
    refused("active_users * 1.5 > 2.0", "column 1: `*` of an int and a double: write `double(active_users)`");
    refused("usage_ratio * 100 > 80.0", "column 1: `*` of a double and an int: write `100.0`");
    refused("usage_ratio % 2.0 > 1.0", "column 1: `usage_ratio` is a double, `%` takes ints");
    refused("user.band + 'x' == 'hotx'", "column 1: `user.band` is a string, `+` takes numbers");
    let remedy = "`+` takes numbers of one kind: convert `traits.seats` with `double(…)` or `int(…)`";
    refused("2 + traits.seats > 3", &format!("column 5: {remedy}"));
    refused("traits.seats < paid", "column 16: `paid` is a bool, `<` compares numbers and strings");
    refused("-paid", "column 1: `-` takes a number");
    refused("active_users[0] > 1", "column 1: `active_users` is an int, only lists have items");
    refused("weekly_users[0.0] > 1", "column 14: an index is an int from 0, `0.0` is not");
    refused("weekly_users[-1] > 1", "column 14: an index is an int from 0, `-1` is not");
    refused("paid ? 1 : 'x'", "column 8: `?` chooses between an int and a string: they must have one type");
    refused("v ? t : f", "column 1: `v` is an int, `?` takes a bool before it");
}

#[test]
fn what_a_name_can_never_be_is_refused() {
    let words = "`user.band` is never \"hott\": it is one of \"\", \"warm\", \"hot\", \"warn\": did you mean `hot`?";
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
    refused("weekly_users[13] > 0", "column 14: `weekly_users` has at most 13 items: the last is `weekly_users[12]`");
    for text in ["velocity.user_adds >= 2", "velocity.user_adds < 3", "2 >= velocity.user_adds", "weekly_users[12] > 0"]
    {
        compile(text).expect(text);
    }
}

#[test]
fn the_rest_of_cel_is_refused() {
    let method = "expected `a.contains(b)`, `a.startsWith(b)` and `a.endsWith(b)`, of two strings";
    refused("contains('a', 'b')", &format!("column 1: {method}"));
    refused("user.band.contains(3)", &format!("column 1: {method}"));
    refused("weekly_users.all(x, x > 1)", "column 1: there is no function `all`");
    refused("user.band.matches('w.*')", "column 1: there is no function `matches`");
    refused("timestamp('2026-01-01T00:00:00Z') < now()", "column 1: there is no function `timestamp`");
    refused("paid == null", "column 9: there is no null: `has(name)` asks whether a value is known");
    refused("active_users > 3u", "column 16: there are no unsigned numbers: leave out the `u`");
    refused("[1, 2] == weekly_users", "column 1: a list in brackets is allowed only after `in`");
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
        let values = Values::usual();
        compile(text).expect(text).holds(&values);
        let found = values.asked.take();
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
            expression.holds(&Values::new(vec![Value::Unknown; names().len()], &[]));
        }
    }
}

#[test]
fn expressions_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&compile("paid").expect("it compiles"));
}
