//! Guesses which mapping would give a role that no event has.

use std::collections::BTreeSet;

use super::sample::Sample;
use crate::model::Role;
use crate::rules::{self, Plan};

/// How many of the most frequent unmapped names are looked at.
const NAMES_MAX: usize = 1_000;

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
}
