//! Checks that every signal and trigger of the default rules, every guard rail and topic, and every rule on triggers,
//! signals and scores (semantics D, E, F) has a scenario, and that `docs/catalogue.md` lists them.
//! `UPDATE_EXPECT=1 cargo test --test scenarios` writes that page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::CHAPTERS;

/// Guard rails, and the text of an expectation that shows them.
const RAILS: [(&str, &str); 8] = [
    ("signup", "not before"),
    ("usage", "by usage"),
    ("segment", "route "),
    ("pacing", "by pacing"),
    ("warm_up", "by warm_up"),
    ("holdout", "in the holdout"),
    ("arms", " of arm "),
    ("engaged", "by engaged"),
];

/// Topics, and the text of a story that shows them.
const TOPICS: [(&str, &str); 9] = [
    ("handoff.high", " HIGH "),
    ("handoff.medium", " MEDIUM "),
    ("handoff.low", " LOW "),
    ("handoff.holdout", " in the holdout"),
    ("signals", " crossed"),
    ("accounts", "profile"),
    ("users", "profile"),
    ("onboarding", " onboarding "),
    ("dead-letter", "→ too-late"),
];

/// What follows from scores, and the text of a story that shows it.
const SCORES: [(&str, &str); 7] = [
    ("scores", "score "),
    ("bands", " band "),
    ("tiers", " tier "),
    ("plays", "play "),
    ("segments", "segment "),
    ("is_buyer", "buyer "),
    ("active users", " active users "),
];

/// The page that defines the rules.
const SEMANTICS: &str = include_str!("../../docs/semantics.md");

/// Rules without a scenario, and where they are tested instead.
const ELSEWHERE: [(&str, &str); 9] = [
    ("D30", "the unit tests of `src/rules/bill.rs`"),
    ("F13", "the simulation compares the last value of each key"),
    ("F14", "not built yet: reports"),
    ("F15", "not built yet: reports"),
    ("F16", "not built yet: reports"),
    ("F18", "not built yet: reports"),
    ("F19", "not built yet: reports"),
    ("F21", "unit tests of `src/rules/` compare the default rules with the catalogue row by row"),
    ("F22", "`tests/contract.rs`: `no_message_is_too_large_to_be_published`"),
];

const INTRODUCTION: &str = "\
# The catalogue and its scenarios

This page lists what the default rules contain, and the scenarios that test each part of it. A scenario is a readable
story in `tests/scenarios`, which has a file for each group; both sides of every threshold are tested. The tests generate
this page, and fail if a row has no scenario. [semantics.md](semantics.md) defines the signals, triggers and rules.
";

/// A part of the page: its title, and its rows, each with a text that a story about it must contain.
struct Part {
    title: &'static str,
    rows: Vec<(String, String)>,
}

fn parts() -> Vec<Part> {
    let file: Value = serde_saphyr::from_str(upswell::rules::DEFAULT).expect("the embedded rules are tested");
    let ids = |list: &str| -> Vec<(String, String)> {
        let items = file[list].as_array().expect("a list").iter();
        items.filter_map(|item| item["id"].as_str()).map(|id| (id.to_owned(), id.to_owned())).collect()
    };
    let table = |kind: &str, rows: &[(&str, &str)]| {
        rows.iter().map(|(row, says)| (format!("{kind}{row}"), (*says).into())).collect()
    };
    let profiles = upswell::rules::PACKS.iter().skip(1);
    vec![
        Part { title: "Signals", rows: ids("signals") },
        Part { title: "Scores", rows: table("", &SCORES) },
        Part { title: "Triggers", rows: ids("triggers") },
        Part { title: "Guard rails", rows: table("rail ", &RAILS) },
        Part {
            title: "Starter profiles",
            rows: profiles.map(|pack| (format!("profile {}", pack.name), "route ".into())).collect(),
        },
        Part { title: "Topics", rows: table("topic ", &TOPICS) },
        Part {
            title: "Rules",
            rows: rules()
                .filter(|rule| rule.starts_with(['D', 'E', 'F']))
                .map(|rule| (rule.into(), "".into()))
                .collect(),
        },
    ]
}

/// The ids of the rules, in the order of the page that defines them.
fn rules() -> impl Iterator<Item = &'static str> {
    let headings = SEMANTICS.lines().filter_map(|line| line.strip_prefix("#### <a id=")?.split_once("</a>"));
    headings.filter_map(|(_, name)| Some(name.split_once(" · ")?.0))
}

/// The names of the tests that prove a row, by row, and their texts.
fn proofs() -> BTreeMap<&'static str, Vec<(String, &'static str)>> {
    let mut proofs = BTreeMap::<_, Vec<_>>::new();
    for &(chapter, tests) in CHAPTERS {
        for &(name, text) in tests {
            let rows = text.lines().filter_map(|line| line.trim().strip_prefix("proves ")).flat_map(|it| it.split(','));
            for row in rows {
                proofs.entry(row.trim()).or_default().push((format!("{chapter}::{name}"), text));
            }
        }
    }
    proofs
}

/// The expectations in a text.
fn expectations(text: &str) -> impl Iterator<Item = &str> {
    let begin = ["expect ", "profile "];
    text.lines().filter(move |line| begin.iter().any(|word| line.trim().starts_with(word)) || line.contains("  → "))
}

#[test]
fn every_row_has_a_scenario_that_names_it() {
    let (mut proofs, mut wrong) = (proofs(), Vec::new());
    for (row, says) in parts().into_iter().flat_map(|part| part.rows) {
        let found = proofs.remove(&*row).unwrap_or_default();
        if found.is_empty() && !ELSEWHERE.iter().any(|(rule, _)| *rule == row) {
            wrong.push(format!("{row}: no scenario proves it"));
        }
        let silent = found.iter().filter(|(_, text)| !expectations(text).any(|line| line.contains(&says)));
        wrong.extend(silent.map(|(name, _)| format!("{row}: {name} says nothing like {says:?}")));
    }
    let is_rule = |row: &str| rules().any(|rule| rule == row);
    wrong.extend(proofs.keys().filter(|row| !is_rule(row)).map(|row| format!("{row} is no row")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_page_says_which() {
    let proofs = proofs();
    let mut page = INTRODUCTION.to_owned();
    for part in parts() {
        write!(page, "\n## {}\n\n| row | scenarios |\n|---|---|\n", part.title).expect("texts grow");
        for (row, _) in part.rows {
            let scenarios: Vec<String> =
                proofs.get(&*row).into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
            let elsewhere = ELSEWHERE.iter().find(|(rule, _)| *rule == row).map(|(_, place)| (*place).to_owned());
            let says = if scenarios.is_empty() { elsewhere.unwrap_or_default() } else { scenarios.join("<br>") };
            let row = match rules().find(|rule| *rule == row) {
                Some(rule) => format!("[{rule}](semantics.md#{})", rule.to_lowercase()),
                None => row,
            };
            writeln!(page, "| {row} | {says} |").expect("texts grow");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/catalogue.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/catalogue.md is not what the scenarios say: run this test with UPDATE_EXPECT=1");
}
