//! Guesses how the data could say more: which mapping would give a role that no event has, and where the account is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::sample::Sample;
use crate::model::Role;
use crate::rules::{self, Plan};

/// How many of the most frequent unmapped names are looked at.
const NAMES_MAX: usize = 1_000;
/// How deep accounts are looked for in an event.
const DEPTH: usize = 4;
/// Words that stand for an account in the name of a field.
const ACCOUNTS: [&str; 9] =
    ["account", "company", "customer", "group", "organisation", "organization", "org", "team", "workspace"];

/// A mapping that may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The role that no event has.
    pub role: Role,
    /// The name of track events that no mapping covers.
    pub name: String,
    /// How many there are.
    pub events: u64,
}

/// For each role that no event has, the unmapped names that look like it, by the number of their events.
///
/// A name looks like a role if it has all words of the role's name, or all of a name that is mapped to the role; endings
/// such as *-ed* and *-s* do not count. A name is guessed for one role only: the one that it has most words of.
pub fn mappings(plan: &Plan, sample: &Sample) -> Vec<Guess> {
    let mut known: Vec<(Role, BTreeSet<String>)> = Vec::new();
    for (described, role) in plan.roles.mappings() {
        let Some(role) = role.filter(|role| sample.of(*role) == 0) else { continue };
        let of_track = described.split("; ").filter_map(|part| part.strip_prefix("track "));
        known.extend(of_track.flat_map(|names| names.split(", ")).map(|name| (role, stems(name))));
    }
    let without = Role::ALL.iter().filter(|role| sample.of(**role) == 0);
    known.extend(without.map(|role| (*role, stems(&rules::role_name(*role)))));
    let guess = |(name, events): (&str, u64)| {
        let words = stems(name);
        let fits = |it: &&(Role, BTreeSet<String>)| {
            // One word says little: then it must be nearly the whole name.
            it.1.is_subset(&words) && !it.1.is_empty() && (it.1.len() > 1 || words.len() <= 2)
        };
        let (role, _) = known.iter().filter(fits).max_by_key(|(_, words)| words.len())?;
        Some(Guess { role: *role, name: name.to_owned(), events })
    };
    sample.unmapped.top(NAMES_MAX).into_iter().filter_map(guess).collect()
}

/// The words of a name without their endings.
fn stems(name: &str) -> BTreeSet<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let begins = c.is_uppercase() && before.is_lowercase();
        if begins || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().into_iter().for_each(|word| word.extend(c.to_lowercase()));
        }
        before = c;
    }
    let stem = |word: String| {
        let ends = ["ations", "ation", "ings", "ing", "ers", "er", "ed", "es", "s", "e"];
        let stem = ends.iter().find_map(|end| word.strip_suffix(end).filter(|stem| stem.len() > 2));
        stem.map_or(word.clone(), str::to_owned)
    };
    words.into_iter().filter(|word| word.len() > 1).map(stem).collect()
}

/// Where events without an account may have one: paths that end in the name of one, by how many events have a value there.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<String, u64>);

impl Places {
    /// Looks at an event without an account.
    pub(super) fn look(&mut self, raw: &[u8]) {
        if let Ok(event) = serde_json::from_slice::<Value>(raw) {
            self.walk("", &event, DEPTH);
        }
    }

    fn walk(&mut self, path: &str, value: &Value, depth: usize) {
        let Value::Object(fields) = value else { return };
        for (name, value) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            // A place is written with dots, and several with commas.
            if name.contains(['.', ',']) || depth == 0 {
                continue;
            }
            let is_id = value.as_str().is_some_and(|text| !text.trim().is_empty()) || value.is_i64() || value.is_u64();
            if is_id && is_account(name) {
                *self.0.entry(path).or_insert(0) += 1;
            } else {
                self.walk(&path, value, depth - 1);
            }
        }
    }

    /// The most frequent ones.
    pub fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.0.iter().map(|(path, count)| (&**path, *count)).collect();
        all.sort_by_key(|(path, count)| (std::cmp::Reverse(*count), *path));
        all.truncate(most);
        all
    }
}

/// Whether a field of this name may be the id of an account: `teamId`, `org_id`, `workspace`.
fn is_account(name: &str) -> bool {
    let words: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let of_what = ["id", "slug", "key", "uuid"].iter().find_map(|end| words.strip_suffix(end)).unwrap_or(&words);
    ACCOUNTS.contains(&of_what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_their_words() {
        for (name, like, is) in [
            ("Invited teammate", "Teammate Invited", true),
            ("user_invites", "User Invited", true),
            ("boardShared externally", "Board Shared", true),
            ("checkout-started-v2", "Checkout Started", true),
            ("Started", "Checkout Started", false),
            ("Contacts imported", "Contact Sales", false),
        ] {
            assert_eq!(stems(like).is_subset(&stems(name)), is, "{name}: {:?} {:?}", stems(name), stems(like));
        }
    }

    #[test]
    fn accounts_are_found_by_the_names_of_fields() {
        let mut places = Places::default();
        let event = |team: &str| {
            format!(
                r#"{{"event":"x","user_id":"u","properties":{{"teamId":"{team}","org":{{"slug":"s"}},"group.id":"g"}}}}"#
            )
        };
        [event("a"), event("b"), event(""), "no".into()].iter().for_each(|event| places.look(event.as_bytes()));
        assert_eq!(places.top(5), [("properties.teamId", 2)]);
        assert!(is_account("workspace_id") && is_account("Company") && !is_account("company_size"));
    }
}
