//! Checks the sources against the architecture: which module imports which, names that a module must not use (clocks
//! and I/O in the fold, metrics outside `telemetry`, librdkafka outside `kafka`), file headers, and cited rules.

use std::path::Path;

#[path = "architecture/circles.rs"]
mod circles;

/// The modules and their layers. A module imports only modules of lower layers, and none of its own layer.
const MODULES: [(&str, u8); 17] = [
    ("model", 0),
    ("wire", 1),
    ("telemetry", 1),
    ("text", 1),
    ("rules", 2),
    ("engine", 3),
    ("kafka", 4),
    ("registry", 4),
    ("store", 4),
    ("replay", 5),
    ("worker", 6),
    ("ingest", 6),
    ("serve", 6),
    ("simulate", 7),
    ("analysis", 7),
    ("bench", 8),
    ("cli", 9),
];

/// The crate roots, which may import every module.
const ROOTS: [&str; 2] = ["main", "lib"];

/// What the fold must not name: whatever can differ between two runs over the same log, and whatever logs or measures.
const NOT_IN_THE_FOLD: [(&str, &str); 29] = [
    ("std::time", CLOCK),
    ("std::fs", IO),
    ("std::io", IO),
    ("std::net", IO),
    ("std::env", IO),
    ("std::process", IO),
    ("std::thread", IO),
    ("std::sync::mpsc", IO),
    ("crossbeam_channel", IO),
    ("tokio", IO),
    ("print!", LOG),
    ("println!", LOG),
    ("eprint!", LOG),
    ("eprintln!", LOG),
    ("dbg!", LOG),
    ("tracing", LOG),
    ("log", LOG),
    ("metrics", LOG),
    ("rand", RANDOM),
    ("rand_pcg", RANDOM),
    ("getrandom", RANDOM),
    ("std::hash::RandomState", ORDER),
    ("std::collections::HashMap", ORDER),
    ("std::collections::HashSet", ORDER),
    ("crate::rules::parse", COMPILES),
    ("rules::parse", COMPILES),
    ("crate::rules::load", COMPILES),
    ("rules::load", COMPILES),
    ("Ready::new", COMPILES),
];
const CLOCK: &str = "reads a clock: time comes from the log";
const IO: &str = "does I/O: push an effect, and the worker does it";
const LOG: &str = "logs or counts: return an outcome or push an effect, and the worker tells";
const RANDOM: &str = "draws at random: hash the data with a fixed seed";
const COMPILES: &str = "compiles rules: the fold takes finished plans, which the caller compiles where it decodes";
const ORDER: &str = "is ordered by a random seed: take a BTreeMap, or hashbrown with a fixed seed";

/// The longest file of the fold, in lines.
const LINES_MAX: usize = 500;

/// Methods that iterate over a hash table.
const WALKS: [&str; 11] = [
    "iter",
    "iter_mut",
    "keys",
    "values",
    "values_mut",
    "into_iter",
    "into_keys",
    "into_values",
    "drain",
    "retain",
    "extract_if",
];

#[test]
fn the_sources_keep_to_the_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut read = 0;
    for folder in ["src", "tests", "benches", "proto"] {
        visit(&root.join(folder), &mut |path| {
            let source = std::fs::read_to_string(path).expect("sources are text");
            let path = path.strip_prefix(root).expect("visited below the root").to_string_lossy().replace('\\', "/");
            found.extend(findings(&path, &source));
            read += 1;
        });
    }
    assert!(read > 30, "only {read} sources were found");
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn files_import_only_downward() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    visit(&root, &mut |path| {
        let text = std::fs::read_to_string(path).expect("sources are text");
        sources.push((path.strip_prefix(&root).expect("visited below it").to_owned(), text));
    });
    let files = circles::Files::new(sources.iter().map(|(path, text)| (path.as_path(), text.as_str())));
    let circles = files.circles();
    assert!(circles.is_empty(), "these files import each other: move what both need down:\n{}", circles.join("\n"));
}

/// The table of faults in the operators' guide names a test for each.
#[test]
fn every_fault_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("docs/operators.md")).expect("a guide");
    let (_, faults) = guide.split_once("\n## Faults\n").expect("the chapter");
    let rows = faults.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let tests = rows.take_while(|line| line.starts_with('|')).map(|row| {
        let last = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap_or_default();
        last.trim().trim_matches('`').to_owned()
    });
    let mut sources = String::new();
    for folder in ["src", "tests"] {
        visit(&root.join(folder), &mut |path| sources += &std::fs::read_to_string(path).expect("sources are text"));
    }
    let named: Vec<String> = tests.collect();
    assert!(named.len() > 10, "{named:?}");
    for test in named {
        assert!(sources.contains(&format!("#[test]\nfn {test}()")), "docs/operators.md names the test {test}");
    }
}

fn visit(folder: &Path, each: &mut impl FnMut(&Path)) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            visit(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path);
        }
    }
}

/// Everything in a source that violates the architecture: file, line, what was found and what to do.
fn findings(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut found: Vec<(usize, String)> = Vec::new();
    if !source.starts_with("//! ") {
        found.push((1, "has no header: begin it with `//!` and say what the file is for".into()));
    }
    found.extend(unsafe_code(path, &tokens));
    if let Some(module) = module_of(path) {
        let paths = paths(&tokens);
        found.extend(imports(path, module, &paths));
        found.extend(foreign_names(module, &tokens, &paths));
        if module == "engine" {
            found.extend(impurities(&tokens, &paths));
            if source.lines().count() > LINES_MAX {
                found.push((LINES_MAX, format!("goes on after {LINES_MAX} lines: divide it by purpose")));
            }
        }
    }
    found.into_iter().map(|(line, what)| format!("{path}:{line}: {what}")).collect()
}

/// The module of a source; none outside `src`.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    Some(inside.split_once('/').map_or(inside.trim_end_matches(".rs"), |(module, _)| module))
}

fn layer_of(module: &str) -> Option<u8> {
    MODULES.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn imports(path: &str, module: &str, paths: &[(usize, String)]) -> Vec<(usize, String)> {
    if ROOTS.contains(&module) {
        return Vec::new();
    }
    let Some(layer) = layer_of(module) else {
        return vec![(1, format!("is in the module `{module}`, which has no layer: add it to tests/architecture.rs"))];
    };
    // How many times `super` leads from this file to the crate root.
    let depth = if path.matches('/').count() == 1 || path.ends_with("/mod.rs") { 1 } else { 2 };
    let mut found = Vec::new();
    for (line, named) in paths {
        let segments: Vec<&str> = named.split("::").collect();
        let supers = segments.iter().take_while(|segment| **segment == "super").count();
        let target = match segments[0] {
            "crate" => segments.get(1),
            "super" if supers >= depth => segments.get(supers).filter(|target| layer_of(target).is_some()),
            _ => None,
        };
        let Some(target) = target.copied().filter(|target| *target != module) else { continue };
        let advice = match layer_of(target) {
            None => format!("`{target}` has no layer in tests/architecture.rs"),
            Some(above) if above > layer => {
                format!("`{module}` (layer {layer}) must not import `{target}` (layer {above}): move it down")
            }
            Some(beside) if beside == layer => {
                format!(
                    "`{module}` and `{target}` share layer {layer} and must not import each other: move it a layer down"
                )
            }
            Some(_) => continue,
        };
        found.push((*line, format!("names `{named}`: {advice}")));
    }
    found
}

/// Metrics outside `telemetry`, and librdkafka outside `kafka`.
fn foreign_names(module: &str, tokens: &[(usize, Token)], paths: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    if module != "telemetry" {
        let has_own_module = tokens.windows(2).any(|pair| pair[0].1.is("mod") && pair[1].1.is("metrics"));
        let is_metric = |named: &str| {
            ["counter!", "gauge!", "histogram!", "metrics_exporter_prometheus"].iter().any(|name| begins(named, name))
                || named.starts_with("describe_")
                || (begins(named, "metrics") && !has_own_module)
        };
        let advice = "metrics live in src/telemetry.rs; call a function of it";
        let named = paths.iter().filter(|(_, named)| is_metric(named));
        found.extend(named.map(|(line, named)| (*line, format!("names `{named}`: {advice}"))));
        found.extend(tokens.iter().filter_map(|(line, token)| match token {
            Token::Text(text) if text.starts_with("upswell_") => {
                Some((*line, format!("names the metric \"{text}\": {advice}")))
            }
            _ => None,
        }));
    }
    if module != "kafka" {
        let named = tokens.iter().filter(|(_, token)| token.is("rdkafka") || token.is("rdkafka_sys"));
        found
            .extend(named.map(|(line, _)| {
                (*line, "names rdkafka: only src/kafka knows it; give that module a function".into())
            }));
    }
    found
}

fn unsafe_code(path: &str, tokens: &[(usize, Token)]) -> Vec<(usize, String)> {
    // Tests and benches may count allocations, which takes an allocator.
    let counts = !path.starts_with("src/") && tokens.iter().any(|(_, token)| token.is("GlobalAlloc"));
    if path == "src/kafka/raw.rs" || counts {
        return Vec::new();
    }
    let advice = "is unsafe: only src/kafka/raw.rs may be, where the argument for it stands";
    tokens.iter().filter(|(_, token)| token.is("unsafe")).map(|(line, _)| (*line, advice.to_owned())).collect()
}

/// Names that the fold must not use, and iterations over hash tables.
fn impurities(tokens: &[(usize, Token)], paths: &[(usize, String)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let is_tests = |words: &[(usize, Token)]| words[0].1.is("cfg") && words[2].1.is("test");
    let tests = tokens.windows(3).find(|words| is_tests(words)).map_or(usize::MAX, |words| words[0].0);
    for (line, named) in paths {
        let forbidden = NOT_IN_THE_FOLD.iter().find(|(name, _)| begins(named, name)).map(|(_, why)| *why);
        // Tests of the fold may compile rules.
        let forbidden = forbidden.filter(|why| *why != COMPILES || *line < tests);
        if let Some(why) = forbidden.or(named.ends_with("::now").then_some(CLOCK)) {
            found.push((*line, format!("names `{named}`, which {why}")));
        }
    }
    let tables = hash_tables(tokens);
    let is_table = |token: &Token| matches!(token, Token::Word(word) if tables.contains(&word.as_str()));
    let is_place = |token: &Token| matches!(token, Token::Word(_)) || token.is("&") || token.is(".");
    for (at, (line, token)) in tokens.iter().enumerate() {
        let after = |n: usize, what: &str| tokens.get(at + n).is_some_and(|(_, token)| token.is(what));
        let walked = is_table(token) && after(1, ".") && WALKS.iter().any(|walk| after(2, walk)) && after(3, "(");
        let place = tokens[at + 1..].iter().take_while(|(_, token)| is_place(token)).count();
        let looped = token.is("in") && place > 0 && is_table(&tokens[at + place].1) && after(place + 1, "{");
        if walked || looped {
            let advice = "walks over a hash table, whose order is nobody's promise: take a BTreeMap, or sort";
            found.push((*line, advice.to_owned()));
        }
    }
    found
}

/// Fields and variables of a file that are hash tables.
fn hash_tables(tokens: &[(usize, Token)]) -> Vec<&str> {
    let is_table = |token: &Token| ["HashMap", "HashSet", "HashTable"].iter().any(|name| token.is(name));
    let mut names = Vec::new();
    for (at, (_, token)) in tokens.iter().enumerate() {
        let Token::Word(name) = token else { continue };
        let mut rest = tokens[at + 1..].iter().map(|(_, token)| token);
        if !rest.next().is_some_and(|token| token.is(":") || token.is("=")) {
            continue;
        }
        let mut kind = rest.take_while(|token| ![",", ";", ")", "(", "=", "{", "}"].iter().any(|end| token.is(end)));
        if kind.any(is_table) {
            names.push(name.as_str());
        }
    }
    names
}

/// Whether a path is `name` or leads through it.
fn begins(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A token of Rust source, without comments and character literals.
#[derive(Debug, PartialEq)]
enum Token {
    /// A name, a keyword or a number.
    Word(String),
    /// `::`, or a single other character.
    Sign(&'static str),
    /// The contents of a string literal.
    Text(String),
}

impl Token {
    fn is(&self, what: &str) -> bool {
        match self {
            Token::Word(word) => word == what,
            Token::Sign(sign) => *sign == what,
            Token::Text(_) => false,
        }
    }
}

/// The signs that the checks distinguish; all others are equal.
const SIGNS: [&str; 18] = ["::", ":", "{", "}", "(", ")", "<", ">", ";", ",", ".", "*", "&", "!", "=", "#", "[", "]"];

/// The tokens of a source with their lines.
fn tokens(source: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, token) = token(rest, first);
        tokens.extend(token.map(|token| (line, token)));
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of the first token, and the token unless it is left out.
fn token(rest: &str, first: char) -> (usize, Option<Token>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if let Some((length, text)) = text(rest) {
        return (length, Some(Token::Text(text.to_owned())));
    }
    if first == '\'' {
        return (character(rest), None);
    }
    if first.is_alphanumeric() || first == '_' {
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        return (length, Some(Token::Word(rest[..length].to_owned())));
    }
    let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
    let other = if first.is_whitespace() { None } else { Some("other") };
    (sign.map_or(first.len_utf8(), str::len), sign.or(other).map(Token::Sign))
}

fn block_comment(rest: &str) -> usize {
    let (mut at, mut open) = (2, 1);
    while open > 0 && at < rest.len() {
        let tail = &rest.as_bytes()[at..];
        let step = if tail.starts_with(b"/*") { 1 } else { -i32::from(tail.starts_with(b"*/")) };
        open += step;
        at += if step == 0 { 1 } else { 2 };
    }
    at
}

/// The length of a string literal with its quotes, and its contents: `"…"`, `b"…"`, `r#"…"#` and the like.
fn text(rest: &str) -> Option<(usize, &str)> {
    let prefix = rest.bytes().take_while(|byte| b"bcr".contains(byte)).count();
    if !matches!(&rest[..prefix], "" | "b" | "c" | "r" | "br" | "cr") {
        return None;
    }
    let hashes = rest[prefix..].find(|c| c != '#')?;
    let start = prefix + hashes;
    if !rest[start..].starts_with('"') || (hashes > 0 && !rest[..prefix].ends_with('r')) {
        return None;
    }
    let inside = &rest[start + 1..];
    let length = if rest[..prefix].ends_with('r') {
        inside.find(&format!("\"{}", "#".repeat(hashes)))?
    } else {
        let mut escaped = false;
        inside.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?
    };
    Some((start + 1 + length + 1 + hashes, &inside[..length]))
}

/// The length of a character with its quotes, or of the quote before a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest.char_indices().skip(1);
    match (inside.next(), inside.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            rest[from..].find('\'').map_or(rest.len(), |end| from + end + 1)
        }
        (_, Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// All paths in a source: of imports, one for each leaf; otherwise those of at least two names, and macros with their
/// `!`.
fn paths(tokens: &[(usize, Token)]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((line, token)) = tokens.get(at) {
        let Token::Word(word) = token else {
            at += 1;
            continue;
        };
        at += 1;
        if word == "use" && tokens.get(at).is_some_and(|(_, next)| !next.is("<")) {
            at = leaves(tokens, at, "", &mut found);
            continue;
        }
        let mut path = word.clone();
        while let Some(name) = next_name(tokens, at) {
            path = format!("{path}::{name}");
            at += 2;
        }
        if tokens.get(at).is_some_and(|(_, next)| next.is("!")) {
            path.push('!');
        }
        if path.contains("::") || path.ends_with('!') {
            found.push((*line, path));
        }
    }
    found
}

/// The name after a `::` at `at`.
fn next_name(tokens: &[(usize, Token)], at: usize) -> Option<&str> {
    match (tokens.get(at)?, tokens.get(at + 1)?) {
        ((_, sign), (_, Token::Word(name))) if sign.is("::") => Some(name),
        _ => None,
    }
}

/// Adds the leaves of the tree of imports that begins at `at`. Returns where it ends.
fn leaves(tokens: &[(usize, Token)], mut at: usize, prefix: &str, found: &mut Vec<(usize, String)>) -> usize {
    let mut path = prefix.to_owned();
    while let Some((line, token)) = tokens.get(at) {
        at += 1;
        match token {
            Token::Word(word) if word == "as" => at += 1,
            Token::Word(name) => {
                path = if path.is_empty() { name.clone() } else { format!("{path}::{name}") };
                if !tokens.get(at).is_some_and(|(_, next)| next.is("::")) {
                    found.push((*line, path.clone()));
                }
            }
            sign if sign.is("*") => found.push((*line, path.clone())),
            sign if sign.is("{") => at = leaves(tokens, at, &path, found),
            sign if sign.is(",") => path = prefix.to_owned(),
            sign if sign.is("}") || sign.is(";") => break,
            _ => {}
        }
    }
    at
}

/// The findings in a source with a header, without their places.
fn messages(path: &str, source: &str) -> Vec<String> {
    let place = |finding: String| finding.split_once(": ").map_or(finding.clone(), |(_, what)| what.to_owned());
    findings(path, &format!("//! A header.\n{source}")).into_iter().map(place).collect()
}

#[track_caller]
fn refused(path: &str, source: &str, because: &str) {
    let found = messages(path, source);
    assert!(found.iter().any(|what| what.contains(because)), "{path}: {source}\nfound {found:?}");
}

#[track_caller]
fn allowed(path: &str, source: &str) {
    assert_eq!(messages(path, source), [""; 0], "{path}: {source}");
}

#[test]
fn an_import_that_goes_up_or_sideways_is_found() {
    refused("src/model/time.rs", "use crate::wire::Format;", "must not import `wire`");
    refused("src/engine/mod.rs", "use crate::{model::Day, worker};", "must not import `worker`");
    refused("src/wire/mod.rs", "fn f() { crate::telemetry::install(); }", "share layer 1");
    refused("src/telemetry.rs", "use super::wire;", "share layer 1");
    refused("src/kafka/reader.rs", "use super::super::cli::screen;", "must not import `cli`");
    refused("src/engine/mod.rs", "use crate::secrets::Key;", "has no layer in tests");
    refused("src/cellar/mod.rs", "", "has no layer");
    allowed(
        "src/engine/trigger.rs",
        "use super::rules::Own; use crate::engine::x; use crate::{model, rules::{Plan, Rails}};",
    );
    allowed(
        "src/engine/trigger.rs",
        "// crate::worker\nconst A: &str = \"crate::worker\"; const B: char = '\"'; /* use crate::cli; */",
    );
    allowed("src/lib.rs", "pub use crate::cli::main;");
}

#[test]
fn an_impure_fold_is_found() {
    for source in [
        "use std::time::Duration;",
        "fn f() { let t = std::time::Instant::now(); }",
        "fn f() { jiff::Timestamp::now(); }",
        "use std::{sync::Arc, fs::File};",
        "use std::net::TcpStream;",
        "fn f() { println!(\"x\"); }",
        "fn f() { dbg!(1); }",
        "fn f() { tracing::info!(\"x\"); }",
        "fn f() { metrics::counter!(\"x\"); }",
        "use rand::Rng;",
        "use std::collections::{BTreeMap, HashMap};",
        "use std::hash::RandomState;",
        "use crate::rules::{Plan, parse};",
        "use crate::rules::{self, Plan}; fn f() { rules::parse(\"\", \"\"); }",
        "use crate::rules::Ready; fn f() { Ready::new(it); }",
    ] {
        refused("src/engine/partition.rs", source, "which ");
        allowed("src/worker/mod.rs", &source.replace("metrics::counter!", "f!"));
    }
    allowed(
        "src/engine/partition.rs",
        "#[cfg(test)]\nmod tests { use crate::rules::{self, Ready}; fn f() { rules::parse(it); } }",
    );
    let table = "struct S { seen: hashbrown::HashMap<u32, u32>, list: Vec<u32> }\n";
    refused(
        "src/engine/dedupe.rs",
        &format!("{table}fn f(s: &S) {{ s.seen.values().sum() }}"),
        "walks over a hash table",
    );
    refused(
        "src/engine/dedupe.rs",
        &format!("{table}fn f(s: &S) {{ for x in &s.seen {{}} }}"),
        "walks over a hash table",
    );
    refused("src/engine/dedupe.rs", "fn f() { let t = HashTable::new(); t.iter() }", "walks over a hash table");
    allowed(
        "src/engine/dedupe.rs",
        &format!(
            "{table}fn f(s: &S) {{ for x in &s.list {{}} s.list.iter(); s.seen.get(&1); for x in s.seen.get(&1) {{}} }}"
        ),
    );
}

#[test]
fn a_long_file_of_the_fold_is_found() {
    let lines = |count: usize| "fn f() {}\n".repeat(count);
    refused("src/engine/step/fire.rs", &lines(LINES_MAX + 1), "divide it by purpose");
    allowed("src/engine/step/fire.rs", &lines(LINES_MAX - 1));
    allowed("src/wire/json.rs", &lines(LINES_MAX + 1));
}

#[test]
fn a_missing_header_is_found() {
    assert!(findings("benches/fold.rs", "fn main() {}")[0].starts_with("benches/fold.rs:1: has no header"));
    assert_eq!(findings("benches/fold.rs", "//! What folding costs.\nfn main() {}"), [""; 0]);
}

#[test]
fn a_name_in_the_wrong_module_is_found() {
    refused("src/worker/mod.rs", "fn f() { metrics::gauge!(\"x\").set(1.0); }", "src/telemetry.rs");
    refused("src/worker/mod.rs", "use metrics::counter;", "src/telemetry.rs");
    refused(
        "src/serve/mod.rs",
        "const NAME: &str = \"upswell_events_total\";",
        "names the metric \"upswell_events_total\"",
    );
    refused("src/cli/topics.rs", "use rdkafka::admin::AdminClient;", "names rdkafka");
    refused("src/cli/topics.rs", "fn f(t: rdkafka_sys::RDKafkaType) {}", "names rdkafka");
    allowed("src/telemetry.rs", "fn f() { metrics::counter!(\"upswell_events_total\"); }");
    allowed("src/model/mod.rs", "mod metrics; pub use metrics::MetricsRow;");
    allowed("src/kafka/admin.rs", "use rdkafka::admin::AdminClient;");
}

#[test]
fn unsafe_code_is_found() {
    refused("src/engine/account.rs", "fn f() { unsafe { x() } }", "is unsafe");
    refused("tests/laws.rs", "unsafe fn f() {}", "is unsafe");
    refused("src/engine/account.rs", "unsafe impl GlobalAlloc for A {}", "is unsafe");
    allowed("benches/fold.rs", "unsafe impl GlobalAlloc for Counting {}");
    allowed("src/kafka/raw.rs", "fn f() { unsafe { x() } }");
    allowed("src/engine/account.rs", "// unsafe\nconst A: &str = r#\"unsafe \" unsafe\"#; fn f<'unsafe_>() {}");
}

#[test]
fn a_finding_says_where_it_is() {
    let found = findings("src/engine/mod.rs", "//! A header.\n\n/* a\nb */\nuse std::fs;\n");
    assert_eq!(found, ["src/engine/mod.rs:5: names `std::fs`, which does I/O: push an effect, and the worker does it"]);
}

/// The page that defines what is computed: its sections, rules and laws have anchors.
const SEMANTICS: &str = "docs/semantics.md";

/// Where rules are cited.
const CITING: [&str; 7] = ["src", "tests", "benches", "proto", "docs", "k8s", "."];

#[test]
fn cited_rules_are_on_the_semantics_page_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join(SEMANTICS)).expect("the page can be read");
    let anchors = anchors(&page);
    let mut found = faults_of_anchors(&page);
    let mut read = 0;
    for folder in CITING {
        visit_texts(&root.join(folder), folder != ".", &mut |path| {
            let text = std::fs::read_to_string(path).expect("sources are text");
            let path = path.strip_prefix(root).expect("visited below the root").to_string_lossy().replace('\\', "/");
            let path = path.trim_start_matches("./");
            let unknown = cited(path, &text).into_iter().filter(|(_, id)| !anchors.contains(&id.as_str()));
            found.extend(unknown.map(|(line, id)| format!("{path}:{line}: cites `{id}`, which {SEMANTICS} lacks")));
            read += 1;
        });
    }
    assert!(read > 100, "only {read} texts were found");
    assert!(anchors.len() > 170, "only {} anchors were found", anchors.len());
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

/// Visits the files that may cite a rule in a folder and, if `deep`, in the folders in it.
fn visit_texts(folder: &Path, deep: bool, each: &mut impl FnMut(&Path)) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && deep {
            visit_texts(&path, deep, each);
        } else if path.extension().is_some_and(|it| ["rs", "proto", "md", "yaml", "toml"].iter().any(|one| it == *one))
        {
            each(&path);
        }
    }
}

/// The anchors of a page, in order: `s3` for section 3, `a5` for rule A5.
fn anchors(page: &str) -> Vec<&str> {
    page.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect()
}

/// Anchors that occur twice, and headings of rules whose id differs from their anchor.
fn faults_of_anchors(page: &str) -> Vec<String> {
    let anchors = anchors(page);
    let twice = anchors.iter().enumerate().filter(|(at, id)| anchors[..*at].contains(id));
    let mut found: Vec<String> = twice.map(|(_, id)| format!("{SEMANTICS}: has two anchors `{id}`")).collect();
    for heading in page.lines().filter(|line| line.starts_with("#### ")) {
        let name = heading.rsplit_once("</a>").map_or(heading, |(_, name)| name);
        let id = name.split(' ').next().unwrap_or_default();
        if is_rule(id) && !heading.contains(&format!("<a id=\"{}\"></a>", id.to_lowercase())) {
            found.push(format!("{SEMANTICS}: `{heading}` has not the anchor of {id}"));
        }
    }
    found
}

/// Whether a word is the id of a rule: a letter from A to F, one or two digits, and perhaps a small letter.
fn is_rule(word: &str) -> bool {
    let number = word.trim_start_matches(|c| ('A'..='F').contains(&c));
    let digits = number.trim_end_matches(|c: char| c.is_ascii_lowercase());
    word.len() == number.len() + 1
        && number.len() <= digits.len() + 1
        && (1..=2).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The anchors that a text cites, with the line: rules by their ids, sections as §3, and the targets of links. In
/// source code, only comments and the `proves` lines of scenarios count.
fn cited(path: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let says = match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("md") => line,
            Some("rs") if line.trim().starts_with("proves ") => line,
            Some("rs" | "proto") => line.split_once("//").map_or("", |(_, comment)| comment),
            _ => line.split_once('#').map_or("", |(_, comment)| comment),
        };
        let words = says.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '§');
        found.extend(words.filter_map(|word| match word.strip_prefix('§') {
            Some(section) => Some((at + 1, format!("s{section}"))),
            None => is_rule(word).then(|| (at + 1, word.to_lowercase())),
        }));
        let link = if path == SEMANTICS { "](#" } else { "semantics.md#" };
        let links = says.split(link).skip(1).filter_map(|rest| rest.split([')', ' ', '>']).next());
        found.extend(links.map(|id| (at + 1, id.to_owned())));
    }
    found
}

#[test]
fn a_citation_of_nothing_is_found() {
    let ids = |path, text| -> Vec<String> { cited(path, text).into_iter().map(|(_, id)| id).collect() };
    assert_eq!(ids("src/a.rs", "f(); // late (semantics A5, C13a–C14, §3, rail 4)"), ["a5", "c13a", "c14", "s3"]);
    assert_eq!(ids("src/a.rs", "let A5 = \"B2\"; // AB2, A123, a5, G1, U+FFFD, B2b2"), [""; 0]);
    assert_eq!(ids("tests/a.rs", "        proves  scores, E25"), ["e25"]);
    assert_eq!(ids("proto/a.proto", "int32 a = 1; // B17"), ["b17"]);
    assert_eq!(ids("docs/a.md", "[D2](semantics.md#d3) | A29"), ["d2", "a29", "d3"]);
    assert_eq!(ids("k8s/a.yaml", "a: B2 # F22"), ["f22"]);
    assert_eq!(ids(SEMANTICS, "see [this](#laws)"), ["laws"]);
    let page = "#### <a id=\"a5\"></a>A5 · Ticks\n#### <a id=\"a5\"></a>A6 · More\n";
    assert_eq!(
        faults_of_anchors(page),
        [
            "docs/semantics.md: has two anchors `a5`",
            "docs/semantics.md: `#### <a id=\"a5\"></a>A6 · More` has not the anchor of A6",
        ]
    );
}
