//! `upswell check`: configuration and rules before anything runs, and what the rules make of a sample of events.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::files::{FileFormat, Input, Readable, read_log};
use super::{config, screen};
use crate::model::{Event, EventKind, Field, Role, Unmapped};
use crate::rules::{self, Input as Reads, Kind, Plan, RoleSet, Signal, SignalRef, Still, Trigger, TriggerKind, Value};

/// Columns of names.
const NAME: usize = 34;
/// Names without a mapping that are shown.
const NAMES_SHOWN: usize = 20;

/// Checks configuration and rules: with file, line, what was found and what is allowed.
///
/// Without arguments it checks the defaults and the environment. With a sample of events it also tells which roles they
/// cover, which mappings never matched, which names no mapping is for, and which signals and triggers of the rules can
/// therefore never fire on such data.
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
    /// How the files are written; without it told by their extensions.
    #[arg(long, value_enum, requires = "events")]
    format: Option<FileFormat>,
}

impl Check {
    pub(super) fn run(self) -> Result<()> {
        let config = config::load(self.config.as_deref())?;
        let names = config.topics.names();
        let mut out = std::io::stdout();
        writeln!(
            out,
            "configuration  good: {} at {}, group {}",
            names.log(),
            config.kafka.brokers,
            config.kafka.group
        )?;
        let file = self.rules.or(config.rules.file);
        let plan = rules::load(file.as_deref())?;
        let signals = plan.user_signals.len() + plan.account_signals.len();
        writeln!(out, "rules          good: {}, {signals} signals, {} triggers", plan.version, plan.triggers.len())?;
        if !self.events.is_empty() {
            let inputs = self.events.iter().map(|file| Input::new(file, self.format)).collect::<Result<Vec<_>>>()?;
            Sample::read(&plan, &inputs)?.tell(&plan, &mut out)?;
        }
        Ok(())
    }
}

/// What a sample of events holds, by the rules.
struct Sample {
    readable: Readable,
    /// Activity of users, with or without a role.
    activity: u64,
    /// Uses of premium features.
    premium: u64,
    /// By role.
    roles: Vec<u64>,
    /// By mapping.
    mappings: Vec<u64>,
    unmapped: Unmapped,
    /// Pages and screens, which mean nothing unless a mapping is for them.
    pages: Unmapped,
}

impl Sample {
    fn read(plan: &Plan, inputs: &[Input]) -> Result<Sample> {
        let mut sample = Sample {
            readable: Readable::default(),
            activity: 0,
            premium: 0,
            roles: vec![0; Role::ALL.len()],
            mappings: vec![0; plan.roles.mappings().count()],
            unmapped: Unmapped::default(),
            pages: Unmapped::default(),
        };
        let progress = screen::progress(inputs.iter().map(Input::bytes).sum(), "bytes");
        read_log(inputs, &progress, &mut |_, _, decoded, place| {
            sample.readable.count(decoded, place);
            if let Ok(event) = &decoded.event {
                sample.count(plan, event);
            }
            Ok(())
        })?;
        sample.readable.refuse_junk()?;
        progress.finish_and_clear();
        Ok(sample)
    }

    fn count(&mut self, plan: &Plan, event: &Event<'_>) {
        let set = plan.roles.of(event);
        plan.roles.in_order(&set).for_each(|role| self.roles[role as usize] += 1);
        plan.roles.matched(&set).for_each(|mapping| self.mappings[mapping] += 1);
        self.activity += u64::from(event.kind == EventKind::Track && !event.user.is_empty() && set.is_activity());
        self.premium += u64::from(set.has(Role::FeatureUsed) && is_premium(plan, &set, event));
        let is_page = matches!(event.kind, EventKind::Page | EventKind::Screen);
        if plan.roles.is_unmapped(event) {
            self.unmapped.count(&event.name);
        } else if is_page && !set.is_mapped() && !event.name.is_empty() {
            self.pages.count(&event.name);
        }
    }

    fn of(&self, role: Role) -> u64 {
        self.roles[role as usize]
    }

    fn tell(&self, plan: &Plan, out: &mut impl Write) -> Result<()> {
        writeln!(
            out,
            "events         {}: {} are activity of users, {} have a name that no mapping is for, {} cannot be read",
            screen::count(self.readable.events),
            screen::count(self.activity),
            screen::count(self.unmapped.events()),
            screen::count(self.readable.malformed)
        )?;
        section(out, "events that cannot be read", self.readable.unreadable().into_iter())?;
        self.tell_roles(plan, out)?;
        self.tell_names(out)?;
        let signals = never_on(plan, self);
        let off: Vec<SignalRef> = signals.iter().map(|(signal, _)| *signal).collect();
        section(
            out,
            "signals that can never be on with such data",
            signals.iter().map(|(which, why)| format!("{:<NAME$}{why}", named(plan, *which))),
        )?;
        let triggers = plan.triggers.iter().filter_map(|trigger| Some((trigger, never_fires(trigger, self, &off)?)));
        section(
            out,
            "triggers that can never fire with such data",
            triggers.map(|(trigger, why)| format!("{:<NAME$}{why}", trigger.id)),
        )
    }

    fn tell_roles(&self, plan: &Plan, out: &mut impl Write) -> Result<()> {
        let came = Role::ALL.iter().filter(|role| self.of(**role) > 0);
        let row = |role: &Role| format!("{:<NAME$}{:>12}", rules::role_name(*role), screen::count(self.of(*role)));
        section(out, "roles that came", came.map(row))?;
        let missing = Role::ALL.iter().filter(|role| self.of(**role) == 0);
        let (mapped, unmapped): (Vec<Role>, Vec<Role>) = missing.copied().partition(|role| plan.roles.covers(*role));
        section(out, "roles that never came", lines(&mapped))?;
        section(out, "roles that no mapping gives", lines(&unmapped))?;
        let never = plan.roles.mappings().zip(&self.mappings).filter(|(_, count)| **count == 0);
        section(
            out,
            "mappings that never matched",
            never.map(|((words, role), _)| {
                let role = role.map_or("(no role)".into(), rules::role_name);
                format!("{role:<NAME$}{words}")
            }),
        )
    }

    fn tell_names(&self, out: &mut impl Write) -> Result<()> {
        for (title, names) in [
            ("names that no mapping is for: they count as activity, and mean nothing else", &self.unmapped),
            ("pages and screens that no mapping is for: they mean nothing", &self.pages),
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
}

/// A name out of an event, for a terminal: control characters could do there what they like.
pub(super) fn plain(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}

/// Names of roles, some on each line.
fn lines(roles: &[Role]) -> impl Iterator<Item = String> {
    let row = |roles: &[Role]| roles.iter().map(|role| rules::role_name(*role)).collect::<Vec<_>>().join(", ");
    roles.chunks(5).map(row)
}

fn is_premium(plan: &Plan, set: &RoleSet, event: &Event<'_>) -> bool {
    set.is_premium() || plan.roles.boolean(set, Role::FeatureUsed, Field::Premium, event) == Some(true)
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

fn signal(plan: &Plan, which: SignalRef) -> &Signal {
    match which {
        SignalRef::User(slot) => &plan.user_signals[slot],
        SignalRef::Account(slot) => &plan.account_signals[slot],
    }
}

fn named(plan: &Plan, which: SignalRef) -> String {
    let scope = if matches!(which, SignalRef::User(_)) { "user" } else { "account" };
    format!("{} ({scope})", signal(plan, which).id)
}

/// The signals for which something never came, and what.
fn never_on(plan: &Plan, sample: &Sample) -> Vec<(SignalRef, String)> {
    let users = (0..plan.user_signals.len()).map(SignalRef::User);
    let accounts = (0..plan.account_signals.len()).map(SignalRef::Account);
    let why = |which: SignalRef| Some((which, missing(plan, &signal(plan, which).kind, sample)?));
    users.chain(accounts).filter_map(why).collect()
}

/// What a signal of this kind needs and the sample does not have.
fn missing(plan: &Plan, kind: &Kind, sample: &Sample) -> Option<String> {
    let roles = kind.roles(&plan.meters);
    let came = |role: &Role| sample.of(*role) > 0;
    let names = |roles: &[Role], between: &str| {
        roles.iter().map(|role| rules::role_name(*role)).collect::<Vec<_>>().join(between)
    };
    let needs_all = matches!(kind, Kind::Within(_) | Kind::Abandoned(_));
    let needs_premium = kind.filter().is_some_and(|filter| filter.premium);
    match kind {
        _ if needs_all && !roles.iter().all(came) => Some(format!("needs {}", names(&roles, " and "))),
        _ if !roles.is_empty() && !roles.iter().any(came) => Some(format!("needs {}", names(&roles, " or "))),
        Kind::Age { still: Still::FreeOnly, .. } if !plan.roles.maps_premium() => {
            Some("unknown: no mapping says which features are premium".into())
        }
        _ if needs_premium && sample.premium == 0 => {
            let why = if plan.roles.maps_premium() { "none came" } else { "no mapping says which are" };
            Some(format!("needs uses of premium features: {why}"))
        }
        _ if roles.is_empty() && sample.activity == 0 => Some("needs activity of users".into()),
        _ => None,
    }
}

/// Why a trigger cannot fire: its role never came, or its condition is false whatever else is known, with these signals
/// off.
fn never_fires(trigger: &Trigger, sample: &Sample, off: &[SignalRef]) -> Option<String> {
    match &trigger.kind {
        TriggerKind::Pulse(pulse) => {
            let role = pulse.role.filter(|role| sample.of(*role) == 0)?;
            let by_plan = pulse.plan.is_some() && sample.of(Role::SubscriptionChanged) > 0;
            (!by_plan).then(|| format!("needs {}", rules::role_name(role)))
        }
        TriggerKind::State { when, .. } => {
            let mut value = |input: usize| match &when.inputs[input] {
                Reads::Signal(signal) if off.contains(signal) => Value::Int(0),
                _ => Value::Unknown,
            };
            if when.expression.holds(&mut value) != Some(false) {
                return None;
            }
            let named = when.inputs.iter().zip(when.expression.names());
            let named = named.filter(|(input, _)| matches!(input, Reads::Signal(signal) if off.contains(signal)));
            let named: BTreeSet<&str> = named.map(|(_, name)| name.as_str()).collect();
            Some(format!("needs {}", named.into_iter().collect::<Vec<_>>().join(" or ")))
        }
    }
}
