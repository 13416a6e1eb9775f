//! `upswell check`: validates the configuration and the rules, and reports how the rules fit a sample of events.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::reading::{self, Reading};
use super::screen::plain;
use super::{config, screen};
use crate::analysis::{self, Accounts, Sample};
use crate::model::{Role, Unmapped};
use crate::rules::{self, Plan, SignalRef};
use crate::telemetry::now_ms;
use crate::text;

/// Width of the column of names.
const NAME: usize = 34;
/// How many spellings of one account id are shown.
const ALIKE_SHOWN: usize = 5;
/// How many rows of a list are shown without --all.
const SHOWN: usize = 8;
/// How many places are shown where events without an account may have one.
const PLACES_SHOWN: usize = 3;
/// How many triggers are named that a role would let fire.
const TRIGGERS_SHOWN: usize = 3;

/// Checks the configuration and the rules. An error names the file, the line, what was found and what is allowed.
///
/// Without arguments it checks the defaults and the environment. With a sample of events it shows, on a screen, what the
/// data can do before anything else is tried: how many events have an account and a user, their times, duplicates and
/// faults, the events by name with the roles that they get, and the signals and triggers that can never fire on such data
/// because no event has the role or the field that they need. Then come the lines of a rules file that would change this:
/// with names that look like a missing role, which are guesses, or with NAME, for which you put the name of your event.
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
    /// Do not shorten lists to a screen, and list what no mapping covers, and the roles and mappings that no event has.
    #[arg(long, requires = "events")]
    all: bool,
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
            write_sample(&sample, &plan, self.all, &mut out)?;
        }
        Ok(())
    }
}

/// Writes what the sample contains, and which signals and triggers it can never turn on or fire.
fn write_sample(sample: &Sample, plan: &Plan, all: bool, out: &mut impl Write) -> Result<()> {
    let section =
        |out: &mut _, title: &str, rows: Vec<String>| section(out, title, rows, if all { None } else { Some(SHOWN) });
    writeln!(
        out,
        "events         {}: {} are user activity, {} have a name that no mapping covers, {} cannot be read",
        screen::count(sample.readable.events),
        screen::count(sample.activity),
        screen::count(sample.unmapped.events()),
        screen::count(sample.readable.malformed)
    )?;
    write_ids(sample, out)?;
    section(out, "events that cannot be read", sample.readable.unreadable())?;
    section(out, "events with a fault that does not stop them from being read", sample.readable.loose())?;
    section(out, "order of the events", sample.readable.disorder(None))?;
    section(
        out,
        "account ids that differ only by case or space: `ids.fold: true` in the rules makes them one account",
        Vec::from_iter(alike(&sample.accounts)),
    )?;
    section(
        out,
        "alias calls have no effect yet: two ids of one person stay two users, and are counted twice",
        Vec::from_iter(
            (sample.aliases > 0).then(|| format!("{:<NAME$}{:>12}", "alias", screen::count(sample.aliases))),
        ),
    )?;
    let rates = |(code, count): (&String, &u64)| format!("{:<NAME$}{:>12}", plain(code), screen::count(*count));
    section(
        out,
        "currencies without a rate: their amounts are unknown; add a rate to USD to `money.rates` of the rules",
        Vec::from_iter(sample.without_rate.iter().map(rates)),
    )?;
    section(out, "events by name, and the roles that the rules give them", names(sample))?;
    let signals = analysis::never_on(plan, sample);
    let count = plan.user_signals.len() + plan.account_signals.len();
    section(
        out,
        &format!("signals that can never be on with this data: {} of {count}", signals.len()),
        Vec::from_iter(signals.iter().map(|(which, why)| format!("{:<NAME$}{why}", named(plan, *which)))),
    )?;
    let triggers = (0..).zip(&plan.triggers);
    let never = |(place, trigger)| Some((trigger, analysis::never_fires(plan, place, trigger, sample)?));
    let triggers = triggers.filter_map(never).map(|(trigger, why)| format!("{:<NAME$}{why}", trigger.id));
    let triggers = Vec::from_iter(triggers);
    section(
        out,
        &format!("triggers that can never fire with this data: {} of {}", triggers.len(), plan.triggers.len()),
        triggers,
    )?;
    section(
        out,
        "lines for `roles:` of your rules that would change this; names are guessed by their words, NAME is for you to fill in",
        lines_for_roles(sample, plan),
    )?;
    if all { write_mappings(sample, plan, out) } else { Ok(()) }
}

/// Writes how many events have an account, a user, a time and an id of their own: without an account nothing follows.
fn write_ids(sample: &Sample, out: &mut impl Write) -> Result<()> {
    let (without, places) = &sample.without_account;
    let readable = sample.readable.events - sample.readable.malformed;
    let of_all = readable + without;
    let found = match without {
        0 => "every event has one".to_owned(),
        _ => format!("{} of {} events have one", screen::count(readable), screen::count(of_all)),
    };
    writeln!(out, "accounts       {}: {found}", screen::count(sample.accounts.number() as u64))?;
    for (path, count) in places.top(PLACES_SHOWN) {
        let count = screen::count(count);
        writeln!(out, "               {count} without one have {}: a guess is --account {}", plain(path), plain(path))?;
    }
    let users = screen::count(sample.users.len() as u64);
    let of_nobody = match sample.without_user {
        0 => "every event has one".to_owned(),
        none => format!("{} of {} events have none", screen::count(none), screen::count(readable)),
    };
    writeln!(out, "users          {users}: {of_nobody}")?;
    if let Some((first, last)) = sample.span {
        let ahead = if last.0 > now_ms() { ", which is in the future" } else { "" };
        writeln!(out, "times          {} to {}{ahead} (UTC)", text::minute(first), text::minute(last))?;
    }
    let ids = match (sample.repeated, sample.without_id) {
        (0, 0) => return Ok(()),
        (repeated, 0) => format!("{} repeat one", screen::count(repeated)),
        (repeated, none) => {
            let (repeated, none) = (screen::count(repeated), screen::count(none));
            format!("{repeated} repeat one, {none} have none, so that repeats are not found")
        }
    };
    Ok(writeln!(out, "message ids    {ids}")?)
}

/// The names of events, the most frequent ones first.
fn names(sample: &Sample) -> Vec<String> {
    let mut all = Vec::from_iter(&sample.names);
    all.sort_by_key(|(name, of_it)| (Reverse(of_it.events), *name));
    let row = |((kind, name), of_it): &(&(&str, String), &analysis::Named)| {
        let roles = Vec::from_iter(of_it.roles.iter().map(|role| rules::role_name(*role)));
        let roles = match (roles.is_empty(), *kind) {
            (true, "track") => "activity only".to_owned(),
            (true, _) => "nothing".to_owned(),
            (false, _) => roles.join(", "),
        };
        let name = if name.is_empty() { (*kind).to_owned() } else { format!("{kind} {}", plain(name)) };
        format!("{name:<NAME$}{:>12}  {roles}", screen::count(of_it.events))
    };
    all.iter().map(row).collect()
}

/// Lines of a rules file: the guesses, and then a line for each other role that a trigger needs before it can fire.
fn lines_for_roles(sample: &Sample, plan: &Plan) -> Vec<String> {
    let line = |role, name: &str, note: &str| {
        plain(&format!("- {{ role: {}, track: [{name}] }}  # {note}", rules::role_name(role)))
    };
    let guesses = analysis::mappings(plan, sample);
    let mut missing = analysis::roles_missing(plan, sample);
    guesses.iter().for_each(|guess| _ = missing.remove(&guess.role));
    let mut missing = Vec::from_iter(missing);
    missing.sort_by_key(|(role, triggers)| (Reverse(triggers.len()), *role));
    let events = |it: &analysis::Guess| format!("{} events", screen::count(it.events));
    let guesses = guesses.iter().map(|it| line(it.role, &serde_json::json!(it.name).to_string(), &events(it)));
    let of_triggers = |triggers: &[&str]| {
        let more = if triggers.len() > TRIGGERS_SHOWN { ", …" } else { "" };
        format!("{}{more}", triggers[..triggers.len().min(TRIGGERS_SHOWN)].join(", "))
    };
    guesses.chain(missing.iter().map(|(role, triggers)| line(*role, "NAME", &of_triggers(triggers)))).collect()
}

/// Writes what the mappings gave, and what they did not cover.
fn write_mappings(sample: &Sample, plan: &Plan, out: &mut impl Write) -> Result<()> {
    let rows = |names: &Unmapped| {
        let row = |(name, count): (&str, u64)| format!("{:<NAME$}{:>12}", plain(name), screen::count(count));
        Vec::from_iter(names.top(names.names()).into_iter().map(row))
    };
    let unmapped = rows(&sample.unmapped);
    section(out, "names that no mapping covers: they count as activity only", unmapped, None)?;
    section(out, "pages and screens that no mapping covers: they have no effect", rows(&sample.pages), None)?;
    let present = Role::ALL.iter().filter(|role| sample.of(**role) > 0);
    let row = |role: &Role| format!("{:<NAME$}{:>12}", rules::role_name(*role), screen::count(sample.of(*role)));
    section(out, "roles of the events", present.map(row).collect(), None)?;
    let missing = Role::ALL.iter().filter(|role| sample.of(**role) == 0);
    let (mapped, unmapped): (Vec<Role>, Vec<Role>) = missing.copied().partition(|role| plan.roles.covers(*role));
    section(out, "roles that no event has", lines(&mapped).collect(), None)?;
    section(out, "roles that no mapping gives", lines(&unmapped).collect(), None)?;
    let never = plan.roles.mappings().zip(&sample.mappings).filter(|(_, count)| **count == 0);
    let never = never.map(|((words, role), _)| {
        let role = role.map_or("(no role)".into(), rules::role_name);
        format!("{role:<NAME$}{words}")
    });
    section(out, "mappings that matched no event", never.collect(), None)
}

/// Account ids that differ only by case or space, one group per line.
fn alike(accounts: &Accounts) -> impl Iterator<Item = String> + '_ {
    let row = |ids: &BTreeSet<String>| {
        let mut shown: Vec<String> = ids.iter().take(ALIKE_SHOWN).map(|id| plain(&format!("{id:?}"))).collect();
        shown.extend((ids.len() > ALIKE_SHOWN).then(|| "…".to_owned()));
        shown.join(", ")
    };
    accounts.alike.values().map(row)
}

/// Names of roles, five per line.
fn lines(roles: &[Role]) -> impl Iterator<Item = String> {
    let row = |roles: &[Role]| roles.iter().map(|role| rules::role_name(*role)).collect::<Vec<_>>().join(", ");
    roles.chunks(5).map(row)
}

/// Writes a title and at most so many of the rows below it. Without rows it writes nothing.
fn section(out: &mut impl Write, title: &str, mut rows: Vec<String>, most: Option<usize>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    if let Some(most) = most.filter(|most| rows.len() > most + 1) {
        let more = screen::count((rows.len() - most) as u64);
        rows.truncate(most);
        rows.push(format!("and {more} more: --all"));
    }
    writeln!(out, "\n{title}")?;
    rows.iter().try_for_each(|row| writeln!(out, "  {row}"))?;
    Ok(())
}

fn named(plan: &Plan, which: SignalRef) -> String {
    let scope = if matches!(which, SignalRef::User(_)) { "user" } else { "account" };
    format!("{} ({scope})", analysis::signal(plan, which).id)
}
