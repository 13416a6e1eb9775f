//! The rules file → a checked, compiled plan that the engine follows: roles, signals, triggers and rails as data.

mod bill;
mod compile;
mod condition;
mod exclude;
mod file;
mod free_mail;
mod ids;
mod kinds;
mod plan;
mod roles;
mod template;

use std::borrow::Cow;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use crate::model::{EventKind, Keys};
use crate::wire::Decoded;

pub use condition::{Condition, Inputs, Possible, Type, Value};
pub use exclude::Exclude;
pub use ids::{Ids, folded};
pub use kinds::{About, KINDS};
pub use plan::*;
pub use roles::{RoleSet, Roles, word as role_name};
pub use template::{Facts, Template};

/// The default rules pack, as text.
pub const DEFAULT: &str = include_str!("default.yaml");

/// Rules that ship with Upswell under a name, which stands for them wherever a rules file is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Pack {
    /// The name.
    pub name: &'static str,
    /// For whom they are.
    pub about: &'static str,
    /// The chapters in which they differ from the default pack.
    own: &'static str,
}

/// Every pack that ships with Upswell, the default one first.
pub const PACKS: [Pack; 4] = [
    Pack { name: "default", about: "A product with paying customers, and people who sell", own: "" },
    Pack {
        name: "early",
        about: "A company with its first customers, whose founders talk to everybody",
        own: include_str!("profiles/early.yaml"),
    },
    Pack {
        name: "mature",
        about: "Many customers, and a sales team in segments that are cut at 200 and 1000 employees",
        own: include_str!("profiles/mature.yaml"),
    },
    Pack {
        name: "from-sales-led",
        about: "Outbound sales that a self-serve product is added to: target accounts first",
        own: include_str!("profiles/from-sales-led.yaml"),
    },
];

/// The whole text of the pack of that name: a rules file that stands by itself.
pub fn pack(name: &str) -> Option<Cow<'static, str>> {
    let pack = PACKS.iter().find(|pack| pack.name == name)?;
    if pack.own.is_empty() {
        return Some(Cow::Borrowed(DEFAULT));
    }
    let own = chapters(pack.own);
    let text = chapters(DEFAULT).into_iter().map(|(key, chapter)| match own.iter().find(|(other, _)| *other == key) {
        // What parts a chapter from the next stays as it is.
        Some((_, instead)) => format!("{}{}", instead.trim_end(), &chapter[chapter.trim_end().len()..]),
        None => chapter.to_owned(),
    });
    Some(Cow::Owned(text.collect()))
}

/// The chapters of a rules file with their keys. A chapter begins at a key in the first column; comments directly above
/// it are its own.
fn chapters(text: &str) -> Vec<(&str, &str)> {
    let mut begins: Vec<(&str, usize)> = Vec::new();
    let (mut place, mut comment) = (0, None);
    for line in text.split_inclusive('\n') {
        match line.split_once(':') {
            _ if line.starts_with('#') => {
                comment.get_or_insert(place);
            }
            Some((key, _)) if line.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                begins.push((key, comment.take().unwrap_or(place)));
            }
            _ => comment = None,
        }
        place += line.len();
    }
    let ends = begins.iter().skip(1).map(|(_, begin)| *begin).chain([text.len()]);
    begins.iter().zip(ends).map(|((key, begin), end)| (*key, &text[*begin..end])).collect()
}

/// A rules file that cannot be followed: where, what was found, what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Error {
    /// The file, and the line and column in it where they are known.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// Whether another version of Upswell may follow the same text: it asks for something that this one does not have.
    pub is_local: bool,
}

impl Error {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Error {
        Error { place: place.into(), what: what.into(), is_local: false }
    }
}

/// One event of a record, ready for the fold: the rules that it activates are compiled.
#[derive(Debug)]
pub struct Ready<'a> {
    decoded: Decoded<'a>,
    keys: Keys,
    /// Of an activation of rules the plan, or what the text says that is not allowed.
    rules: Option<Result<Arc<Plan>, Error>>,
}

impl<'a> Ready<'a> {
    /// Prepares an event for the fold.
    ///
    /// # Errors
    /// The event activates rules that this version of Upswell cannot compile and another one may: to go on without them
    /// would give other results. Rules that no version can follow are no error here; the fold refuses them.
    pub fn new(decoded: Decoded<'a>) -> Result<Ready<'a>, Error> {
        let text = decoded.event.as_ref().ok().filter(|event| event.kind == EventKind::RulesActivation);
        let rules = text.map(|event| parse("the activated rules", &event.name).map(Arc::new));
        match rules {
            Some(Err(mut error)) if error.is_local => {
                error.what += "; these rules were activated by a version of Upswell that knows it; fold the log with that \
                               version";
                Err(error)
            }
            rules => {
                let keys = decoded.event.as_ref().map(Keys::of).unwrap_or_default();
                Ok(Ready { decoded, keys, rules })
            }
        }
    }

    /// What the event is found by; of one that cannot be read without a meaning.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The rules that the event activates, or why they are refused; none of any other event.
    pub fn rules(&self) -> Option<Result<&Arc<Plan>, &Error>> {
        self.rules.as_ref().map(Result::as_ref)
    }
}

impl<'a> Deref for Ready<'a> {
    type Target = Decoded<'a>;

    fn deref(&self) -> &Decoded<'a> {
        &self.decoded
    }
}

/// The default rules, compiled.
pub fn default_plan() -> Arc<Plan> {
    static PLAN: LazyLock<Arc<Plan>> =
        LazyLock::new(|| Arc::new(parse("the default rules", DEFAULT).expect("the embedded rules are tested")));
    Arc::clone(&PLAN)
}

/// The rules of the file at `path`, or of the pack of that name; without one the default rules.
///
/// # Errors
/// The file cannot be read, or says something that is not allowed.
pub fn load(path: Option<&Path>) -> Result<Arc<Plan>, Error> {
    let Some(path) = path else { return Ok(default_plan()) };
    parse(&path.display().to_string(), &read(path)?).map(Arc::new)
}

/// The text of the file at `path`. The name of a pack is that pack: a file of such a name is `./default`.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> Result<Cow<'static, str>, Error> {
    if let Some(text) = path.to_str().and_then(pack) {
        return Ok(text);
    }
    let text = std::fs::read_to_string(path);
    text.map(Cow::Owned).map_err(|error| Error::new(path.display().to_string(), error.to_string()))
}

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
fn refuse_tags(name: &str, text: &str) -> Result<(), Error> {
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

/// An error about an unknown name, with the allowed one that is most like it. Parsers quote names differently: the
/// unknown one comes first, and what is allowed follows the word `expected`.
pub fn with_suggestion(what: &str) -> String {
    let names = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_alphanumeric() || "_.-".contains(c)))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let Some((before, after)) = what.split_once("expected").filter(|_| what.contains("unknown")) else {
        return what.to_owned();
    };
    let Some(found) = names(before).pop() else { return what.to_owned() };
    let allowed = names(after);
    format!("{what}{}", suggestion(&found, allowed.iter().map(String::as_str)))
}

/// The rules in `text`; `name` says where it is from.
///
/// # Errors
/// The text says something that is not allowed.
pub fn parse(name: &str, text: &str) -> Result<Plan, Error> {
    refuse_tags(name, text)?;
    let file: file::File = read_yaml(name, text)?;
    let whole = compile::whole(name, text, &file)?;
    compile::compile(name, &whole, &file)
}

/// The rules in `text` with the mappings of its presets written out: a text that every version of Upswell compiles
/// alike, whatever its presets are. A text without presets is that already.
///
/// # Errors
/// The text says something that is not allowed, or something that means another thing where it is written out.
pub fn complete<'a>(name: &str, text: &'a str) -> Result<Cow<'a, str>, Error> {
    let plan = parse(name, text)?;
    let mut file: file::File = read_yaml(name, text)?;
    let whole = compile::whole(name, text, &file)?;
    if let Cow::Owned(whole) = &whole {
        compile::resolve(name, &mut file)?;
        let (expected, found) = (compile::compile(name, whole, &file)?, parse(name, whole)?);
        if found.version != plan.version || format!("{found:?}") != format!("{expected:?}") {
            let what = "with the mappings of `presets` written out the rules mean another thing: write the keys `presets` \
                        and `roles` as the default rules have them, each item of `roles` on a line of its own";
            return Err(Error::new(name, what));
        }
    }
    Ok(whole)
}

/// The JSON Schema of a rules file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(file::File).to_value()
}

/// The one of `names` that is most like `name`, as the end of a message; empty if none is near.
fn suggestion<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let near = names.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, known)) if likeness > 0.75 => format!(": did you mean `{known}`?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_is_its_key_with_the_comments_above_it() {
        let text = "# of a\na: 1\n# within a\n\n# of b\n# too\nb:\n  # also\n  c: 2\nd: 3\n";
        let found = chapters(text);
        assert_eq!(
            found,
            [("a", "# of a\na: 1\n# within a\n\n"), ("b", "# of b\n# too\nb:\n  # also\n  c: 2\n"), ("d", "d: 3\n")]
        );
        assert_eq!(chapters(DEFAULT).iter().map(|(_, chapter)| *chapter).collect::<String>(), DEFAULT);
    }

    #[test]
    fn every_pack_is_the_default_one_but_for_its_own_chapters() {
        for Pack { name, own, .. } in PACKS {
            let text = pack(name).expect(name);
            let plan = parse(name, &text).unwrap_or_else(|error| panic!("{error}"));
            assert!(plan.version.starts_with(&format!("{name}@")), "{}", plan.version);
            let (own, found, default) = (chapters(own), chapters(&text), chapters(DEFAULT));
            assert_eq!(found.len(), default.len(), "{name}");
            for ((key, chapter), (_, usual)) in found.iter().zip(&default) {
                let is_own = own.iter().any(|(other, _)| other == key);
                assert_eq!(chapter != usual, is_own, "{name}: {key}");
            }
            assert!(own.iter().all(|(key, _)| default.iter().any(|(other, _)| other == key)), "{name}");
        }
        assert!(pack("earl").is_none());
    }

    #[test]
    fn the_most_similar_name_is_suggested_however_names_are_quoted() {
        for what in [
            "unknown field `brokrs`, expected one of `group`, `brokers`",
            "unknown field `brokrs`, expected one of group, brokers",
            "unknown field: found `brokrs`, expected `one of `group`, `brokers``",
        ] {
            assert!(
                super::with_suggestion(what).ends_with(": did you mean `brokers`?"),
                "{}",
                super::with_suggestion(what)
            );
        }
        assert_eq!(
            super::with_suggestion("unknown field `x`, expected one of group, brokers").matches("did you").count(),
            0
        );
    }
}
