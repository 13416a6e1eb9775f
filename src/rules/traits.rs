//! The chapter `traits`: how titles, departments and e-mail hosts are read.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::free_mail::{self, FreeMail};

/// How people and companies are recognised.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Traits")]
pub(super) struct Written {
    /// Words of executive titles.
    executive_titles: Vec<String>,
    /// Words of the titles and seniorities of buyers, besides executive ones.
    buyer_titles: Vec<String>,
    /// Roles in the product whose holders count as executives.
    executive_roles: Vec<String>,
    /// A list of e-mail hosts that belong to no company. A list never changes; a newer one has another name.
    free_mail_list: Option<free_mail::List>,
    /// Further e-mail hosts that belong to no company.
    #[serde(default)]
    free_mail: Vec<String>,
    /// E-mail hosts that belong to a company although the list has them.
    #[serde(default)]
    company_mail: Vec<String>,
    /// Other names of departments.
    #[serde(default)]
    departments: BTreeMap<String, String>,
    /// What support is asked about before a purchase.
    billing_topics: Vec<String>,
}

/// How people are recognised.
#[derive(Debug)]
pub struct People {
    /// Words of executive titles, each a list of words in lower case.
    pub executive_titles: Vec<Vec<String>>,
    /// Words of buyers' titles and seniorities, executive ones included.
    pub buyer_titles: Vec<Vec<String>>,
    /// Roles in the product whose holders count as executives, in lower case.
    pub executive_roles: BTreeSet<String>,
    /// E-mail hosts that are no company's.
    pub free_mail: FreeMail,
    /// Other names of departments.
    pub departments: BTreeMap<String, String>,
    /// What support is asked about before a purchase, in lower case.
    pub billing_topics: BTreeSet<String>,
}

/// Compiles the chapter.
pub(super) fn compile(written: &Written) -> People {
    let lower = |list: &[String]| -> BTreeSet<String> { list.iter().map(|word| word.trim().to_lowercase()).collect() };
    let words = |list: &[String]| -> Vec<Vec<String>> {
        list.iter().map(|title| title.to_lowercase().split_whitespace().map(str::to_owned).collect()).collect()
    };
    let executive_titles = words(&written.executive_titles);
    let mut buyer_titles = words(&written.buyer_titles);
    buyer_titles.extend(executive_titles.iter().cloned());
    People {
        executive_titles,
        buyer_titles,
        executive_roles: lower(&written.executive_roles),
        free_mail: FreeMail::new(written.free_mail_list, lower(&written.free_mail), lower(&written.company_mail)),
        departments: written
            .departments
            .iter()
            .map(|(from, to)| (from.trim().to_lowercase(), to.trim().to_lowercase()))
            .collect(),
        billing_topics: lower(&written.billing_topics),
    }
}
