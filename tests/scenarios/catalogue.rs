//! Which scenario decides what: every row of the default pack, every guard rail, topic, and edge of the fold has one,
//! and `docs/catalogue.md` says which. `UPDATE_EXPECT=1 cargo test --test scenarios` writes that page anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::CHAPTERS;

/// Guard rails, and what an expectation says that shows them.
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

/// Topics, and what a story says that shows them.
const TOPICS: [(&str, &str); 9] = [
    ("handoff.high", " HIGH "),
    ("handoff.medium", " MEDIUM "),
    ("handoff.low", " LOW "),
    ("handoff.holdout", " in the holdout"),
    ("signals", " crossed"),
    ("accounts", "snapshot"),
    ("users", "snapshot"),
    ("onboarding", " onboarding "),
    ("dead-letter", "→ too-late"),
];

/// What scores make of an account and its users, and what a story says that shows it.
const SCORES: [(&str, &str); 7] = [
    ("scores", "score "),
    ("bands", " band "),
    ("tiers", " tier "),
    ("plays", "play "),
    ("segments", "segment "),
    ("is_buyer", "buyer "),
    ("active users", " active users "),
];

/// Edges that are not about what one partition's fold says, and where they are decided instead.
const ELSEWHERE: [(&str, &str); 7] = [
    ("F13", "the simulation compares the last value of each key"),
    ("F14", "reports"),
    ("F15", "reports"),
    ("F16", "reports"),
    ("F18", "reports"),
    ("F19", "reports"),
    ("F21", "the default pack is compared with the catalogue row by row where rules are compiled"),
];

const INTRODUCTION: &str = "\
# The catalogue and its scenarios

What the default rules contain, and for each row the scenarios that decide it: stories that can be read, in
`tests/scenarios`, one file for each part. Both sides of every threshold are told there. This page is written by the
tests and compared with them: a row without a scenario fails them.
";

/// A part of the page: its title, and its rows with what a story must say to be about one.
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
    let edges = [('D', 28), ('E', 25), ('F', 21)];
    let edges = edges.iter().flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")));
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
        Part { title: "Edges", rows: edges.map(|edge| (edge, String::new())).collect() },
    ]
}

/// The names of the tests that say that they prove a row, by row, and their texts.
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

/// The lines of a text that say what must come of it.
fn expectations(text: &str) -> impl Iterator<Item = &str> {
    let begin = ["expect ", "snapshot "];
    text.lines().filter(move |line| begin.iter().any(|word| line.trim().starts_with(word)) || line.contains("  → "))
}

#[test]
fn every_row_has_a_scenario_that_names_it() {
    let (mut proofs, mut wrong) = (proofs(), Vec::new());
    for (row, says) in parts().into_iter().flat_map(|part| part.rows) {
        let found = proofs.remove(&*row).unwrap_or_default();
        if found.is_empty() && !ELSEWHERE.iter().any(|(edge, _)| *edge == row) {
            wrong.push(format!("{row}: no scenario proves it"));
        }
        let silent = found.iter().filter(|(_, text)| !expectations(text).any(|line| line.contains(&says)));
        wrong.extend(silent.map(|(name, _)| format!("{row}: {name} says nothing like {says:?}")));
    }
    let is_edge = |row: &str| row.starts_with(['A', 'B', 'C']) && row[1..].parse::<u32>().is_ok();
    wrong.extend(proofs.keys().filter(|row| !is_edge(row)).map(|row| format!("{row} is no row")));
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
            let elsewhere = ELSEWHERE.iter().find(|(edge, _)| *edge == row).map(|(_, place)| (*place).to_owned());
            let says = if scenarios.is_empty() { elsewhere.unwrap_or_default() } else { scenarios.join("<br>") };
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
