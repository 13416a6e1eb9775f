//! `upswell check`: validates the configuration and the rules, and reports how the rules fit a sample of events.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::reading::{self, Reading};
use super::screen::plain;
use super::{config, screen};
use crate::analysis::{self, Accounts, Sample};
use crate::model::Role;
use crate::rules::{self, Plan, SignalRef};

/// Width of the column of names.
const NAME: usize = 34;
/// How many spellings of one account id are shown.
const ALIKE_SHOWN: usize = 5;
/// How many unmapped names are shown.
const NAMES_SHOWN: usize = 20;

/// Checks the configuration and the rules. An error names the file, the line, what was found and what is allowed.
///
/// Without arguments it checks the defaults and the environment. With a sample of events it also reports the roles of
/// the events, the mappings that matched no event, the names that no mapping covers, and the signals and triggers that
/// can never fire on such data because no event has the role or the field that they need.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell check --config upswell.yaml
  upswell check --rules rules.yaml
  upswell check --rules rules.yaml --events sample.ndjson.zst
  upswell check --events export.zip --from amplitude")]
pub(super) struct Check {
    /// The configuration file. The rules file that it names is checked as well.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The rules file to check, instead of the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Files, folders or archives with a sample of the events that the log will contain. `-` is standard input.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    events: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

impl Check {
    pub(super) fn run(self) -> Result<()> {
        let config = config::load(self.config.as_deref())?;
        let names = config.topics();
        let mut out = std::io::stdout();
        writeln!(
            out,
            "configuration  valid: {} at {} ({}), group {}",
            names.log(),
            config.kafka.brokers,
            config.kafka.brokers_from,
            config.kafka.group
        )?;
        let file = self.rules.or(config.rules.file.clone());
        let files = match &self.events[..] {
            [] => None,
            events => Some(self.reading.files(events, &config.input)?),
        };
        let plan = match &files {
            Some(files) => reading::rules_for(file.as_deref(), files)?,
            None => rules::load_for(file.as_deref(), &[config.input.format])?,
        };
        config.check_feed(&plan)?;
        let signals = plan.user_signals.len() + plan.account_signals.len();
        writeln!(out, "rules          valid: {}, {signals} signals, {} triggers", plan.version, plan.triggers.len())?;
        if let Some(files) = files {
            let progress = screen::progress(files.bytes(), "bytes");
            let mut sample = Sample::new(&plan);
            sample.read(&plan, &files, &progress)?;
            progress.finish_and_clear();
            write_sample(&sample, &plan, &mut out)?;
        }
        Ok(())
    }
}

/// Writes what the sample contains, and which signals and triggers it can never turn on or fire.
fn write_sample(sample: &Sample, plan: &Plan, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "events         {}: {} are user activity, {} have a name that no mapping covers, {} cannot be read",
        screen::count(sample.readable.events),
        screen::count(sample.activity),
        screen::count(sample.unmapped.events()),
        screen::count(sample.readable.malformed)
    )?;
    section(out, "events that cannot be read", sample.readable.unreadable().into_iter())?;
    section(out, "events with a fault that does not stop them from being read", sample.readable.loose().into_iter())?;
    section(out, "order of the events", sample.readable.disorder(None).into_iter())?;
    section(
        out,
        "account ids that differ only by case or space: `ids.fold: true` in the rules makes them one account",
        alike(&sample.accounts),
    )?;
    section(
        out,
        "alias calls have no effect yet: two ids of one person stay two users, and are counted twice",
        (sample.aliases > 0).then(|| format!("{:<NAME$}{:>12}", "alias", screen::count(sample.aliases))).into_iter(),
    )?;
    section(
        out,
        "currencies without a rate: their amounts are unknown; add a rate to USD to `money.rates` of the rules",
        sample.without_rate.iter().map(|(code, count)| format!("{:<NAME$}{:>12}", plain(code), screen::count(*count))),
    )?;
    write_roles(sample, plan, out)?;
    write_names(sample, out)?;
    let signals = analysis::never_on(plan, sample);
    section(
        out,
        "signals that can never be on with this data",
        signals.iter().map(|(which, why)| format!("{:<NAME$}{why}", named(plan, *which))),
    )?;
    let triggers = (0..).zip(&plan.triggers);
    let triggers =
        triggers.filter_map(|(place, trigger)| Some((trigger, analysis::never_fires(plan, place, trigger, sample)?)));
    section(
        out,
        "triggers that can never fire with this data",
        triggers.map(|(trigger, why)| format!("{:<NAME$}{why}", trigger.id)),
    )
}

fn write_roles(sample: &Sample, plan: &Plan, out: &mut impl Write) -> Result<()> {
    let present = Role::ALL.iter().filter(|role| sample.of(**role) > 0);
    let row = |role: &Role| format!("{:<NAME$}{:>12}", rules::role_name(*role), screen::count(sample.of(*role)));
    section(out, "roles of the events", present.map(row))?;
    let missing = Role::ALL.iter().filter(|role| sample.of(**role) == 0);
    let (mapped, unmapped): (Vec<Role>, Vec<Role>) = missing.copied().partition(|role| plan.roles.covers(*role));
    section(out, "roles that no event has", lines(&mapped))?;
    section(out, "roles that no mapping gives", lines(&unmapped))?;
    let never = plan.roles.mappings().zip(&sample.mappings).filter(|(_, count)| **count == 0);
    section(
        out,
        "mappings that matched no event",
        never.map(|((words, role), _)| {
            let role = role.map_or("(no role)".into(), rules::role_name);
            format!("{role:<NAME$}{words}")
        }),
    )
}

fn write_names(sample: &Sample, out: &mut impl Write) -> Result<()> {
    for (title, names) in [
        ("names that no mapping covers: they count as activity only", &sample.unmapped),
        ("pages and screens that no mapping covers: they have no effect", &sample.pages),
    ] {
        let mut rows: Vec<String> = names
            .top(NAMES_SHOWN)
            .iter()
            .map(|(name, count)| format!("{:<NAME$}{:>12}", plain(name), screen::count(*count)))
            .collect();
        if names.names() > NAMES_SHOWN {
            rows.push(format!("and {} more names", screen::count((names.names() - NAMES_SHOWN) as u64)));
        }
        section(out, title, rows.into_iter())?;
    }
    Ok(())
}

/// Account ids that differ only by case or space, one group per line; the first groups if there are many.
fn alike(accounts: &Accounts) -> impl Iterator<Item = String> + '_ {
    let row = |ids: &BTreeSet<String>| {
        let mut shown: Vec<String> = ids.iter().take(ALIKE_SHOWN).map(|id| plain(&format!("{id:?}"))).collect();
        shown.extend((ids.len() > ALIKE_SHOWN).then(|| "…".to_owned()));
        shown.join(", ")
    };
    let more = accounts.alike.len().saturating_sub(NAMES_SHOWN) as u64;
    let more = (more > 0).then(|| format!("and {} more", screen::count(more)));
    accounts.alike.values().take(NAMES_SHOWN).map(row).chain(more)
}

/// Names of roles, five per line.
fn lines(roles: &[Role]) -> impl Iterator<Item = String> {
    let row = |roles: &[Role]| roles.iter().map(|role| rules::role_name(*role)).collect::<Vec<_>>().join(", ");
    roles.chunks(5).map(row)
}

/// Writes a title and the rows below it. Without rows it writes nothing.
fn section(out: &mut impl Write, title: &str, rows: impl Iterator<Item = String>) -> Result<()> {
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    rows.iter().try_for_each(|row| writeln!(out, "  {row}"))?;
    Ok(())
}

fn named(plan: &Plan, which: SignalRef) -> String {
    let scope = if matches!(which, SignalRef::User(_)) { "user" } else { "account" };
    format!("{} ({scope})", analysis::signal(plan, which).id)
}
