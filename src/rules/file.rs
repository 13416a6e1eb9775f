//! The rules file as a whole: its chapters, and how they are compiled to a plan.
//!
//! The types of a chapter document its keys. `upswell rules schema` derives the JSON Schema from them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use xxhash_rust::xxh3::xxh3_64;

use super::error::{Error, Wrong, place, wrong};
use super::exclude::{self, Exclude};
use super::ids::{self, Ids};
use super::names::Names;
use super::packs::chapters;
use super::plan::Plan;
use super::roles::{Mapping, Preset, Roles};
use super::yaml::{read_yaml, refuse_tags};
use super::{
    index, meters, money, rails, routes, scores, segments, signals, template, territories, time, traits, triggers,
};
use crate::text::unknown;

/// The rules of Upswell: what events mean, which signals and scores are computed from them, and which handoffs are
/// sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rules of Upswell")]
struct File {
    /// The name of the rules. With a hash of the file and of the presets that it names it is the version on every
    /// handoff: name@hash.
    name: String,
    /// Mappings that ship with Upswell for the event names of other tools. They come after the mappings of this file.
    #[serde(default)]
    #[schemars(with = "Vec<Preset>")]
    presets: Vec<Spanned<String>>,
    /// How event time moves, and where days begin.
    time: time::Written,
    /// Ids that are treated as missing or invalid, and whether account ids differ by case and space.
    #[serde(default)]
    ids: ids::Written,
    /// How many accounts and users one partition may have.
    limits: time::Limits,
    /// What raw events mean. Of several mappings with one role the first counts; an event may have several roles.
    #[schemars(with = "Vec<Mapping>")]
    roles: Vec<Spanned<Mapping>>,
    /// Users and events that do not count as activity, facts or occurrences. Their traits are applied.
    #[serde(default)]
    #[schemars(with = "exclude::Written")]
    exclude: Option<Spanned<exclude::Written>>,
    /// What is counted per day, by id. Signals of the kinds spike and ladder read these counts.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, meters::Written>")]
    meters: BTreeMap<String, Spanned<meters::Written>>,
    /// Instances of the signal kinds, at most 256 of users and 256 of accounts. Rungs of a ladder are exclusive: the
    /// highest one that is met counts.
    #[schemars(with = "Vec<signals::Written>")]
    signals: Vec<Spanned<signals::Written>>,
    /// How titles, departments and company sizes are read.
    traits: traits::Written,
    /// Bands of users and tiers of accounts, by score.
    scores: scores::Written,
    /// Size classes by employees, smallest first.
    #[schemars(with = "Vec<segments::Written>", length(min = 1))]
    segments: Spanned<Vec<Spanned<segments::Written>>>,
    /// Which handoffs are sent, and when; at most 1,024 triggers.
    #[schemars(with = "Vec<triggers::Written>")]
    triggers: Vec<Spanned<triggers::Written>>,
    /// When a person should act.
    due: rails::Due,
    /// Guard rails: when handoffs are held.
    rails: rails::Written,
    /// Through which channel or team a handoff goes: the first row that matches.
    #[schemars(with = "Vec<routes::Written>", length(min = 1))]
    routes: Spanned<Vec<Spanned<routes::Written>>>,
    /// Who owns an account: the first row that matches.
    #[serde(default)]
    #[schemars(with = "Vec<territories::Written>")]
    territories: Vec<Spanned<territories::Written>>,
    /// People who try out handoffs: they get those of a share of the accounts.
    #[serde(default)]
    #[schemars(with = "Option<territories::Pilot>")]
    pilot: Option<Spanned<territories::Pilot>>,
    /// Rates of currencies, the potential above which a person introduces themself, and suggested plans.
    #[serde(default)]
    money: money::Written,
    /// Texts for the first message to a user: the first row that matches and can be filled.
    #[serde(default)]
    #[schemars(with = "Vec<template::Written>")]
    templates: Vec<Spanned<template::Written>>,
}

/// The rules in `text`; errors begin with `name`.
///
/// # Errors
/// The text is not a valid rules file.
pub fn parse(name: &str, text: &str) -> Result<Plan, Error> {
    refuse_tags(name, text)?;
    let file: File = read_yaml(name, text)?;
    let whole = whole(name, text, &file)?;
    compile(name, &whole, &file)
}

/// The rules in `text` with the mappings of its presets written out: a text that every version of Upswell compiles
/// alike, whatever its presets are. A text without presets is returned unchanged.
///
/// # Errors
/// The text is not valid, or has another meaning with its presets written out.
pub fn complete<'a>(name: &str, text: &'a str) -> Result<Cow<'a, str>, Error> {
    let plan = parse(name, text)?;
    let mut file: File = read_yaml(name, text)?;
    let whole = whole(name, text, &file)?;
    if let Cow::Owned(whole) = &whole {
        resolve(name, &mut file)?;
        let (expected, found) = (compile(name, whole, &file)?, parse(name, whole)?);
        if found.version != plan.version || format!("{found:?}") != format!("{expected:?}") {
            let what = "with the mappings of `presets` written out, the rules have another meaning: write the keys `presets` \
                        and `roles` as the default rules have them, each item of `roles` on a line of its own";
            return Err(Error::new(name, what));
        }
    }
    Ok(whole)
}

/// The JSON Schema of a rules file, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}

/// Compiles a file. `name` is for errors. `whole`, the text with the presets written out, is hashed into the version,
/// so that the version covers everything that decides.
fn compile(name: &str, whole: &str, file: &File) -> Result<Plan, Error> {
    let presets = presets(name, file)?;
    plan(whole, file, &presets).map_err(|(at, what)| Error::new(place(name, at), what))
}

/// The text of a file with the mappings of its presets written out, after its own. Without presets it is the text.
fn whole<'a>(name: &str, text: &'a str, file: &File) -> Result<Cow<'a, str>, Error> {
    if file.presets.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let presets = presets(name, file)?;
    match appended(text, &presets) {
        Some(whole) => Ok(Cow::Owned(whole)),
        None => as_json(name, text, &presets).map(Cow::Owned),
    }
}

/// The text without its chapter `presets`, and with the mappings of the presets at the end of the list of `roles`; the
/// rest is unchanged, with its comments. None if the two chapters are not written as usual, with each item of `roles`
/// on a line of its own.
fn appended(text: &str, presets: &[Preset]) -> Option<String> {
    let chapters = chapters(text);
    let only = |key: &str| {
        let mut found = chapters.iter().filter(|(other, _)| *other == key);
        found.next().filter(|_| found.next().is_none()).map(|(_, chapter)| *chapter)
    };
    // What is below the key, line by line.
    let below = |chapter: &'static str| chapter.lines().skip_while(|line| !line.starts_with("roles:")).skip(1);
    only("presets")?;
    let roles = only("roles")?;
    let mut lines = roles.lines().skip_while(|line| !line.starts_with("roles:"));
    let is_bare = |line: &str| line.is_empty() || line.starts_with('#');
    lines.next().filter(|key| is_bare(key["roles:".len()..].trim()))?;
    let first = lines.find(|line| !is_bare(line.trim()))?;
    let indent = first.len() - first.trim_start_matches(' ').len();
    first[indent..].starts_with("- ").then_some(())?;
    let written: usize = chapters.iter().map(|(_, chapter)| chapter.len()).sum();
    let mut whole = text[..text.len() - written].to_owned();
    for (key, chapter) in &chapters {
        match *key {
            "presets" => {}
            "roles" => {
                whole += chapter.trim_end();
                for preset in presets {
                    whole += &format!("\n{:indent$}# preset {}", "", preset.word());
                    for line in below(preset.text()) {
                        whole += &format!("\n{:indent$}{}", "", line.strip_prefix("  ").unwrap_or(line));
                    }
                }
                whole += "\n";
                whole += &chapter[chapter.trim_end().len()..];
            }
            _ => whole += chapter,
        }
    }
    Some(whole)
}

/// The same for a text that is written in another way: the result is JSON, which is YAML.
fn as_json(name: &str, text: &str, presets: &[Preset]) -> Result<String, Error> {
    type Document = serde_json::Map<String, serde_json::Value>;
    let mappings = |document: &mut Document| match document.get_mut("roles") {
        Some(serde_json::Value::Array(mappings)) => std::mem::take(mappings),
        _ => Vec::new(),
    };
    let mut document: Document = read_yaml(name, text)?;
    let mut all = mappings(&mut document);
    for preset in presets {
        all.append(&mut mappings(&mut read_yaml(preset.word(), preset.text())?));
    }
    document.remove("presets");
    document.insert("roles".into(), all.into());
    Ok(serde_json::to_string_pretty(&document).expect("a document of texts and numbers has a JSON form"))
}

/// Adds the mappings of a file's presets after its own.
fn resolve(name: &str, file: &mut File) -> Result<(), Error> {
    let presets = presets(name, file)?;
    file.presets.clear();
    file.roles.extend(presets.into_iter().flat_map(Preset::mappings));
    Ok(())
}

/// The presets that a file names. Which there are depends on the version of Upswell, and not on the text.
fn presets(name: &str, file: &File) -> Result<Vec<Preset>, Error> {
    let preset = |written: &Spanned<String>| {
        Preset::ALL.into_iter().find(|preset| preset.word() == written.value).ok_or_else(|| {
            let what = unknown("preset", &written.value, &Preset::ALL.map(Preset::word));
            Error { is_local: true, ..Error::new(place(name, written.referenced), what) }
        })
    };
    file.presets.iter().map(preset).collect()
}

/// Joins the chapters to a plan.
fn plan(whole: &str, file: &File, presets: &[Preset]) -> Result<Plan, Wrong> {
    let time = time::compile(&file.time)?;
    let roles = Roles::compile(&file.roles, presets)?;
    let exclude = file.exclude.as_ref().map(|it| Exclude::compile(&it.value).map_err(|what| wrong(it, what)));
    let meters = meters::compile(&file.meters)?;
    let segments = segments::compile(&file.segments)?;
    let scores = scores::compile(&file.scores)?;
    let mut names = Names {
        signals: signals::compile(&file.signals, &meters)?,
        segments: segments.iter().map(|segment| segment.id.to_string()).collect(),
        tiers: scores.tiers.iter().map(|tier| tier.id.to_string()).collect(),
        traits: Vec::new(),
    };
    let triggers = triggers::compile(&file.triggers, &mut names)?;
    let rails = rails::compile(&file.rails, &triggers, &mut names)?;
    let mut by_level: Vec<usize> = (0..triggers.len()).collect();
    by_level.sort_by_key(|&trigger| triggers[trigger].level);
    Ok(Plan {
        version: version(&file.name, whole),
        text: whole.into(),
        time,
        ids: Ids::compile(&file.ids),
        accounts_max: time::limit("accounts", &file.limits.accounts)?,
        users_max: time::limit("users", &file.limits.users)?,
        roles,
        exclude: exclude.transpose()?.unwrap_or_default(),
        meters,
        index: index::build(&names.signals, &triggers, &by_level),
        people: traits::compile(&file.traits),
        routes: routes::compile(&file.routes, &triggers, &segments, &scores.tiers)?,
        scores,
        territories: territories::compile(&file.territories, &segments)?,
        templates: template::compile(&file.templates, &triggers)?,
        segments,
        triggers,
        by_level,
        medium_due_ms: rails::due(&file.due)?,
        rails,
        pilot: file.pilot.as_ref().map(territories::pilot).transpose()?,
        money: money::compile(&file.money, &names.signals)?,
        user_signals: names.signals.users,
        account_signals: names.signals.accounts,
        traits: names.traits,
    })
}

/// The version of the rules: name@hash. It is published, and committed with offsets, where Kafka allows 4,096 bytes, so
/// a name that is too long is cut (semantics F22).
fn version(name: &str, whole: &str) -> Arc<str> {
    const NAME_MAX: usize = 200;
    let (name, rest) = name.split_at(name.floor_char_boundary(NAME_MAX));
    let ellipsis = if rest.is_empty() { "" } else { "…" };
    format!("{name}{ellipsis}@{:016x}", xxh3_64(whole.as_bytes())).into()
}
