//! Reads YAML. Every error has a place, and says what is expected there.

use super::error::{Error, with_suggestion};

/// Reads a YAML file of ours: unknown keys are refused with a suggestion, and every error has its line.
///
/// # Errors
/// The text is not what `T` allows.
pub fn read_yaml<T: serde::de::DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|error| {
        let what = error.without_snippet().to_string();
        let Some(at) = error.location() else { return Error::new(name, in_words(&what)) };
        let (line, column) = (at.line() as usize, at.column() as usize);
        // The place is told before, and its words are no names to suggest.
        let what = in_words(what.trim_end_matches(&format!(" at line {line}, column {column}")));
        let before = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let before: String = before.chars().take(column.saturating_sub(1)).collect();
        let is_syntax = SYNTAX_ERRORS.iter().any(|begin| what.starts_with(begin));
        let hint = match CONDITIONS.iter().find(|key| is_syntax && before.contains(**key)) {
            Some(key) => format!(": write the condition after `{key}` in quotes"),
            None => String::new(),
        };
        Error::new(format!("{name}:{line}:{column}"), what + &hint)
    })
}

/// The keys after which a condition stands.
const CONDITIONS: [&str; 2] = ["when:", "above:"];
/// How the parser begins to say that a text is no YAML, which `[`, `:` and quotes in a condition without quotes make it.
const SYNTAX_ERRORS: [&str; 3] = ["unexpected character", "while parsing", "invalid trailing content"];
const FROM_0: &str = "a whole number from 0 is wanted";
/// What the parser says in the words of its programmers, as beginnings of a message, and in ours.
const WORDS: [(&str, &str); 15] = [
    ("duplicate mapping key: ", "this key stands twice: "),
    ("multiple YAML documents", "`---` begins a second document: a file has one"),
    ("data did not match any variant of untagged enum Points", "points are a whole number, or a list of them"),
    ("data did not match any variant of untagged enum Word", "a text, true or false is wanted"),
    (
        "data did not match any variant of untagged enum Significance",
        "`none` or tests like { above: 32, each: 10 } are wanted",
    ),
    ("data did not match", "a value of another form is wanted"),
    ("invalid u8", FROM_0),
    ("invalid u16", FROM_0),
    ("invalid u32", FROM_0),
    ("invalid u64", FROM_0),
    ("invalid i32", "a whole number is wanted"),
    ("invalid floating point", "a number is wanted"),
    ("invalid boolean", "true or false is wanted"),
    ("expected sequence start", "a list is wanted, as in [a, b]"),
    ("expected mapping start", "keys and values are wanted, as in { a: 1 }"),
];

/// A message of the parser, in words for who writes rules.
fn in_words(what: &str) -> String {
    match WORDS.iter().find(|(begin, _)| what.starts_with(begin)) {
        // Only what follows on the name of a key is worth telling.
        Some((begin, ours)) if begin.ends_with(": ") => {
            let key = what[begin.len()..].split(',').next().unwrap_or_default();
            format!("{ours}{key}")
        }
        Some((_, ours)) => (*ours).to_owned(),
        None => with_suggestion(what),
    }
}

/// A condition that begins with `!` outside of quotes is a tag of YAML, which drops it without a word.
pub(super) fn refuse_tags(name: &str, text: &str) -> Result<(), Error> {
    for (number, line) in (1..).zip(text.lines()) {
        for key in CONDITIONS {
            let Some((before, after)) = line.split_once(key) else { continue };
            let is_key = before.trim_start_matches([' ', '-']).is_empty() || before.trim_end().ends_with(['{', ',']);
            let condition = after.trim_start();
            if is_key && condition.starts_with('!') && !condition.starts_with("!!") {
                let column = line.chars().count() - condition.chars().count() + 1;
                let place = format!("{name}:{number}:{column}");
                let what = format!("write the condition after `{key}` in quotes: `!` is a tag of YAML");
                return Err(Error::new(place, what));
            }
        }
    }
    Ok(())
}
