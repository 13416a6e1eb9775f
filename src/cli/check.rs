//! `upswell check`: configuration and rules before anything runs, and what the rules make of a sample of events.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::reading::Reading;
use super::screen::plain;
use super::{config, screen};
use crate::analysis::{self, Accounts, Sample};
use crate::model::Role;
use crate::rules::{self, Plan, SignalRef};

/// Columns of names.
const NAME: usize = 34;
/// Forms of one account id that are shown.
const ALIKE_SHOWN: usize = 5;
/// Names without a mapping that are shown.
const NAMES_SHOWN: usize = 20;

/// Checks configuration and rules: with file, line, what was found and what is allowed.
///
/// Without arguments it checks the defaults and the environment. With a sample of events it also tells which roles they
/// cover, which mappings never matched, which names no mapping is for, and which signals and triggers of the rules can
/// never fire on such data, because no event has the role, or carries the field, that they need.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell check --config upswell.yaml
  upswell check --rules rules.yaml
  upswell check --rules rules.yaml --events sample.ndjson.zst")]
pub(super) struct Check {
    /// The configuration file. The rules that it names are checked as well.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The rules file, instead of the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Files of events, a sample of what the log will hold. `-` is standard input, as NDJSON.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    events: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

impl Check {
    pub(super) fn run(self) -> Result<()> {
        let config = config::load(self.config.as_deref())?;
        let names = config.topics.names();
        let mut out = std::io::stdout();
        writeln!(
            out,
            "configuration  good: {} at {} ({}), group {}",
            names.log(),
            config.kafka.brokers,
            config.kafka.brokers_from,
            config.kafka.group
        )?;
        let file = self.rules.or(config.rules.file);
        let plan = rules::load(file.as_deref())?;
        let signals = plan.user_signals.len() + plan.account_signals.len();
        writeln!(out, "rules          good: {}, {signals} signals, {} triggers", plan.version, plan.triggers.len())?;
        if !self.events.is_empty() {
            let files = self.reading.files(&self.events)?;
            let progress = screen::progress(files.bytes(), "bytes");
            let mut sample = Sample::new(&plan);
            sample.read(&plan, &files, &progress)?;
            progress.finish_and_clear();
            tell(&sample, &plan, &mut out)?;
        }
        Ok(())
    }
}

/// Says what the sample holds.
fn tell(sample: &Sample, plan: &Plan, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "events         {}: {} are activity of users, {} have a name that no mapping is for, {} cannot be read",
        screen::count(sample.readable.events),
        screen::count(sample.activity),
        screen::count(sample.unmapped.events()),
        screen::count(sample.readable.malformed)
    )?;
    section(out, "events that cannot be read", sample.readable.unreadable().into_iter())?;
    section(out, "events that are read in part, or only with care", sample.readable.loose().into_iter())?;
    section(out, "order of the events", sample.readable.disorder(None).into_iter())?;
    section(
        out,
        "account ids that differ by case or space only: `ids.fold: true` of the rules makes one account of each",
        alike(&sample.accounts),
    )?;
    section(
        out,
        "alias calls do nothing yet: two ids of one person stay two users, and count twice",
        (sample.aliases > 0).then(|| format!("{:<NAME$}{:>12}", "alias", screen::count(sample.aliases))).into_iter(),
    )?;
    section(
        out,
        "currencies without a rate: their amounts are unknown; give `money.rates` of the rules a rate to USD",
        sample.without_rate.iter().map(|(code, count)| format!("{:<NAME$}{:>12}", plain(code), screen::count(*count))),
    )?;
    tell_roles(sample, plan, out)?;
    tell_names(sample, out)?;
    let signals = analysis::never_on(plan, sample);
    section(
        out,
        "signals that can never be on with such data",
        signals.iter().map(|(which, why)| format!("{:<NAME$}{why}", named(plan, *which))),
    )?;
    let triggers = (0..).zip(&plan.triggers);
    let triggers =
        triggers.filter_map(|(place, trigger)| Some((trigger, analysis::never_fires(plan, place, trigger, sample)?)));
    section(
        out,
        "triggers that can never fire with such data",
        triggers.map(|(trigger, why)| format!("{:<NAME$}{why}", trigger.id)),
    )
}

fn tell_roles(sample: &Sample, plan: &Plan, out: &mut impl Write) -> Result<()> {
    let came = Role::ALL.iter().filter(|role| sample.of(**role) > 0);
    let row = |role: &Role| format!("{:<NAME$}{:>12}", rules::role_name(*role), screen::count(sample.of(*role)));
    section(out, "roles that came", came.map(row))?;
    let missing = Role::ALL.iter().filter(|role| sample.of(**role) == 0);
    let (mapped, unmapped): (Vec<Role>, Vec<Role>) = missing.copied().partition(|role| plan.roles.covers(*role));
    section(out, "roles that never came", lines(&mapped))?;
    section(out, "roles that no mapping gives", lines(&unmapped))?;
    let never = plan.roles.mappings().zip(&sample.mappings).filter(|(_, count)| **count == 0);
    section(
        out,
        "mappings that never matched",
        never.map(|((words, role), _)| {
            let role = role.map_or("(no role)".into(), rules::role_name);
            format!("{role:<NAME$}{words}")
        }),
    )
}

fn tell_names(sample: &Sample, out: &mut impl Write) -> Result<()> {
    for (title, names) in [
        ("names that no mapping is for: they count as activity, and mean nothing else", &sample.unmapped),
        ("pages and screens that no mapping is for: they mean nothing", &sample.pages),
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

/// Ids that are alike, some of them.
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

/// Names of roles, some on each line.
fn lines(roles: &[Role]) -> impl Iterator<Item = String> {
    let row = |roles: &[Role]| roles.iter().map(|role| rules::role_name(*role)).collect::<Vec<_>>().join(", ");
    roles.chunks(5).map(row)
}

/// A title and the rows below it; nothing without rows.
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
