//! Guesses where events without an account have one.

use std::collections::BTreeMap;

use serde_json::Value;

/// How deep accounts are looked for in an event.
const DEPTH: usize = 4;
/// Words that stand for an account in the name of a field.
const ACCOUNTS: [&str; 9] =
    ["account", "company", "customer", "group", "organisation", "organization", "org", "team", "workspace"];

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
