//! `upswell rules`: prints, explains and compares rules files, and activates new rules in a running service.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::config::Connection;
use super::diff::Diff;
use super::screen::WrongUse;
use super::send::send_to_all;
use super::words;
use crate::model::EventTime;
use crate::rules::{self, Plan};
use crate::telemetry::now_ms;
use crate::wire;

/// Prints, explains and compares rules files, and activates them.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules print early > mine.yaml
  upswell rules schema > upswell.schema.json
  upswell rules explain --rules mine.yaml velocity.growth at-risk
  upswell rules diff default mine.yaml --on history.ndjson.zst
  upswell rules activate mine.yaml --config upswell.yaml")]
pub(super) struct Rules {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Print(Print),
    Schema(Schema),
    Explain(Explain),
    Diff(Diff),
    Activate(Activate),
}

/// Prints a rules file that ships with Upswell, with its comments, as a start for your own.
///
/// The names can be used wherever a rules file is expected: `--rules early`, `rules.file: mature`,
/// `upswell rules diff default early`. For a file of such a name write `./early`.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules print > mine.yaml
  upswell rules print early > mine.yaml
  upswell rules diff default early --on history.ndjson.zst")]
struct Print {
    /// The name of the rules.
    #[arg(value_name = "NAME", default_value = "default", value_parser = packs())]
    name: String,
}

fn packs() -> PossibleValuesParser {
    rules::PACKS.map(|pack| PossibleValue::new(pack.name).help(pack.about)).into()
}

/// Prints the JSON Schema of the rules file, for editors.
///
/// With the line `# yaml-language-server: $schema=upswell.schema.json` at the top of a rules file, an editor with a
/// YAML language server completes and checks the file.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules schema > upswell.schema.json")]
struct Schema {}

/// Describes rules in words: signals, scores, triggers, guard rails and routes.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules explain
  upswell rules explain --rules mine.yaml velocity.growth at-risk")]
struct Explain {
    /// The rules file. Without it, the default rules are described.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Describe only these: ids of signals, triggers, tiers and segments; or bands, rails, routes.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
}

/// Activates rules in a running service: writes them into every partition of the log, from which point they apply.
///
/// A signal keeps its state if it still measures the same thing. A signal that is removed, or measures something else,
/// turns off. A new signal ignores earlier events; figures and traits are known at once. The activation fires nothing: a
/// condition that is true right after it counts as fired. `time` and `ids` of the rules cannot change. If the command
/// fails half-way, repeat it: activating rules that already apply changes nothing. The log contains the rules with the
/// mappings of their presets, so another version of Upswell applies the same mappings. Do not change rules.file:
/// records before the activation are still read with it.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules diff upswell-rules.yaml mine.yaml --on history.ndjson.zst
  upswell rules activate mine.yaml --config upswell.yaml --dry-run
  upswell rules activate mine.yaml --config upswell.yaml")]
struct Activate {
    /// The new rules: a file, or a name that `upswell rules print` knows.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only check the rules, and print how they differ from those of the configuration; write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Activate {
    fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let default = Path::new("default");
        let (plan, text) = read(&self.file)?;
        let whole = rules::complete(&self.file.display().to_string(), &text)?;
        let (configured, before) = read(config.rules.file.as_deref().unwrap_or(default))?;
        if plan.time != configured.time {
            bail!(WrongUse("`time` of the rules cannot change in a log: closed days and weeks would change".into()));
        }
        if plan.ids != configured.ids {
            bail!(WrongUse("`ids` of the rules cannot change in a log: ids that were published would change".into()));
        }
        let mut out = std::io::stdout().lock();
        for line in differences(&configured, &plan).into_iter().chain(changes(&document(&before)?, &document(&text)?)) {
            writeln!(out, "{line}")?;
        }
        let topic = config.topics().log();
        if self.dry_run {
            return Ok(writeln!(out, "{} can be activated; nothing was written", plan.version)?);
        }
        let activation = wire::encode_activation(config.input.format.of_control(), &whole, EventTime(now_ms()));
        let partitions = send_to_all(&config.kafka, &topic, &activation)?;
        Ok(writeln!(out, "{} was written to all {partitions} partitions of {topic}", plan.version)?)
    }
}

/// The rules of a file, or of a name that `upswell rules print` knows, and their text.
fn read(file: &Path) -> Result<(Plan, String)> {
    let text = rules::read(file)?.into_owned();
    Ok((rules::parse(&file.display().to_string(), &text)?, text))
}

/// The rules file as parsed YAML.
fn document(text: &str) -> Result<Map<String, Value>, rules::Error> {
    rules::read_yaml("rules", text)
}

/// How the text of two rules files differs: a line for each signal, trigger and template that both have, and for each
/// other chapter.
fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let mut lines = Vec::new();
    let chapters: BTreeSet<&String> = before.keys().chain(after.keys()).filter(|key| *key != "name").collect();
    for chapter in chapters {
        let [a, b] = [before, after].map(|document| document.get(chapter).unwrap_or(&Value::Null));
        let lists = [a, b].map(|value| value.as_array().filter(|rows| rows.iter().all(|row| row["id"].is_string())));
        if let [Some(rows), Some(others)] = lists {
            for row in rows {
                let Some(other) = others.iter().find(|other| other["id"] == row["id"]) else { continue };
                let id = row["id"].as_str().unwrap_or_default();
                let kind = chapter.trim_end_matches('s');
                lines.extend(change(&format!("{kind} {id}"), row, other));
            }
            let order = |rows: &[Value], among: &[Value]| -> Vec<String> {
                let both = rows.iter().filter(|row| among.iter().any(|other| other["id"] == row["id"]));
                both.map(|row| row["id"].to_string()).collect()
            };
            if order(rows, others) != order(others, rows) {
                lines.push(format!("{chapter} are in another order"));
            }
        } else {
            lines.extend(change(chapter, a, b));
        }
    }
    lines
}

/// How a value changes, on one line; none if it does not.
fn change(what: &str, before: &Value, after: &Value) -> Option<String> {
    let mut parts = Vec::new();
    compare("", before, after, &mut parts);
    (!parts.is_empty()).then(|| format!("{what}: {}", parts.join(", ")))
}

/// Adds the values that differ, with their paths, to `parts`.
fn compare(path: &str, before: &Value, after: &Value, parts: &mut Vec<String>) {
    /// In characters; longer values are not printed.
    const LONGEST: usize = 60;
    if let (Value::Object(a), Value::Object(b)) = (before, after) {
        let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            let [a, b] = [a, b].map(|map| map.get(key).unwrap_or(&Value::Null));
            compare(&path, a, b, parts);
        }
    } else if before != after {
        let [a, b] = [before, after].map(|value| match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        });
        let change = match a.chars().count().max(b.chars().count()) {
            ..=LONGEST => format!("{a} → {b}"),
            _ => "differs".to_owned(),
        };
        parts.push(format!("{path} {change}").trim_start().to_owned());
    }
}

/// How signals and triggers of two plans differ, which keep state: a line for each difference.
fn differences(before: &Plan, after: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for of_users in [true, false] {
        let lists = [before, after].map(|plan| if of_users { &plan.user_signals } else { &plan.account_signals });
        let scope = if of_users { "a user" } else { "an account" };
        for (signal, kept) in lists[0].iter().zip(before.slots_in(after, of_users)) {
            let stays = lists[1].iter().any(|other| other.id == signal.id);
            match (kept, stays) {
                (Some(_), _) => {}
                (None, true) => lines.push(format!("signal {} of {scope} loses its state", signal.id)),
                (None, false) => lines.push(format!("signal {} of {scope} is removed", signal.id)),
            }
        }
        let is_new = |id: &str| !lists[0].iter().any(|signal| *signal.id == *id);
        let new = lists[1].iter().filter(|signal| is_new(&signal.id));
        lines.extend(new.map(|signal| format!("signal {} of {scope} is new", signal.id)));
    }
    let has = |plan: &Plan, id: &str| plan.triggers.iter().any(|trigger| *trigger.id == *id);
    let gone = before.triggers.iter().filter(|trigger| !has(after, &trigger.id));
    lines.extend(gone.map(|trigger| format!("trigger {} is removed", trigger.id)));
    let new = after.triggers.iter().filter(|trigger| !has(before, &trigger.id));
    lines.extend(new.map(|trigger| format!("trigger {} is new", trigger.id)));
    lines
}

impl Rules {
    pub(super) fn run(self) -> Result<()> {
        match self.command {
            Command::Print(Print { name }) => {
                let text = rules::pack(&name).unwrap_or_default();
                Ok(std::io::stdout().write_all(text.as_bytes())?)
            }
            Command::Schema(Schema {}) => {
                Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&rules::schema())?)?)
            }
            Command::Explain(explain) => {
                let (plan, text) = read(explain.rules.as_deref().unwrap_or(Path::new("default")))?;
                let is_off = |row: &&Value| row["off"] == true;
                let signals = document(&text)?.remove("signals").unwrap_or_default();
                let off = signals.as_array().into_iter().flatten().filter(is_off);
                let off: Vec<&str> = off.filter_map(|row| row["id"].as_str()).collect();
                Ok(std::io::stdout().write_all(words::page(&plan, &off, &explain.ids)?.as_bytes())?)
            }
            Command::Diff(diff) => diff.run(),
            Command::Activate(activate) => activate.run(),
        }
    }
}
