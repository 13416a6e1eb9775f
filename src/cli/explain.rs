//! `upswell explain`: prints what happened in one account, and why its triggers fired.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::config;
use super::reading::{self, Reading};
use super::{page, screen};
use crate::analysis::{AccountFold, Life};
use crate::model::{EventTime, MetricsRow, Week, WeekRow};
use crate::replay::{Read, Readable};
use crate::rules::{self, Ready};
use crate::wire::ToWire;

/// Explains one account: its weekly users, signals and score, which triggers fired, which handoffs were held, and why.
///
/// The history is processed as by `upswell replay`, as one partition. Days that are still open at the end of the
/// history close only with --until.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell explain acme --on events.ndjson.zst
  upswell explain acme --on a.ndjson --on b.ndjson --rules mine.yaml --until 2026-08-01
  upswell explain acme --on posthog.ndjson --from posthog
  upswell explain acme --on events.ndjson --json | jq '.handoffs[].why'")]
pub(super) struct Explain {
    /// The id of the account.
    account: String,
    /// A file of events, a folder or an archive; can be repeated. Several are merged by event time. `-` is standard input.
    #[arg(long, value_name = "FILE", required = true)]
    on: Vec<PathBuf>,
    /// Further files after `--on`, as in `--on a b`.
    #[arg(value_name = "FILE", hide = true)]
    more: Vec<PathBuf>,
    /// The rules file, instead of the one that the configuration names. Without either, the default rules apply.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// At the end of the input, close all days before this one. Days begin at midnight of `time.utc_offset` of the
    /// rules.
    #[arg(long, value_name = "DATE", value_parser = reading::date)]
    until: Option<jiff::civil::Date>,
    /// The configuration file, of which input.account and input.user apply.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Print all entries, not only the newest ones.
    #[arg(long)]
    all: bool,
    /// Print one JSON document instead of the page, with the published messages as proto3 JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self) -> Result<()> {
        let until = self.until.map(reading::until_day).transpose()?;
        let config = config::load(self.config.as_deref())?;
        let files = self.reading.history(&self.on, &self.more, &config.input)?;
        let plan = reading::rules_for(self.rules.as_deref().or(config.rules.file.as_deref()), &files)?;
        let (ids, lateness_ms) = (plan.ids.clone(), plan.time.allowed_lateness_ms);
        let account = if ids.fold { rules::folded(&self.account).into_owned() } else { self.account };
        let mut fold = AccountFold::new(plan, account);
        let progress = screen::progress(files.bytes(), "bytes");
        let mut readable = Readable::new(lateness_ms);
        files.read(&progress, &mut |events| {
            events.drain(..).try_for_each(|Read { record, index, mut decoded, place }| {
                ids.key(&mut decoded);
                readable.count(&decoded, place);
                fold.apply(record, index, &Ready::new(&decoded).with_context(|| place.to_string())?)
            })
        })?;
        reading::warn(&readable)?;
        progress.finish_and_clear();
        if let Some(day) = until {
            fold.close_until(day)?;
        }
        let life = fold.finish()?;
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", screen::json_text(&serde_json::to_string(&document(&life)?)?))?;
        } else {
            out.write_all(page::of(&life, self.all, out.is_terminal()).as_bytes())?;
        }
        Ok(out.flush()?)
    }
}

/// The JSON document: published messages in their canonical JSON, and weeks as `replay --metrics` writes them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    account: &'a str,
    rules_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Box<RawValue>>,
    points: Vec<Points<'a>>,
    users: Vec<Box<RawValue>>,
    weeks: Vec<serde_json::Value>,
    signals: Vec<Box<RawValue>>,
    handoffs: Vec<Box<RawValue>>,
    onboarding: Vec<Box<RawValue>>,
}

/// A `SignalPoints` in its canonical JSON.
#[derive(Serialize)]
struct Points<'a> {
    signal: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    rung: i32,
    #[serde(skip_serializing_if = "is_zero")]
    points: i32,
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

fn document(life: &Life) -> Result<Document<'_>> {
    let points = life.stands.iter().flat_map(|stands| &stands.context.points);
    Ok(Document {
        account: &life.account,
        rules_version: &life.plan.version,
        profile: life.stands.as_ref().map(|stands| raw(&stands.profile)).transpose()?,
        points: points
            .map(|(signal, rung, points)| Points { signal, rung: i32::from(*rung), points: *points })
            .collect(),
        users: life.stands.iter().flat_map(|stands| &stands.users).map(raw).collect::<Result<_>>()?,
        weeks: weeks(life)?,
        signals: life.signals.iter().map(raw).collect::<Result<_>>()?,
        handoffs: life.handoffs.iter().map(raw).collect::<Result<_>>()?,
        onboarding: life.onboarding.iter().map(raw).collect::<Result<_>>()?,
    })
}

fn raw(message: &impl ToWire) -> Result<Box<RawValue>> {
    Ok(RawValue::from_string(message.to_json())?)
}

/// Every closed week since the founding, as `replay --metrics` writes it, with its new users. `replay` writes no row
/// for an incomplete week, whose `wau` is null here, nor for a week at whose end nobody was active for 28 days.
fn weeks(life: &Life) -> Result<Vec<serde_json::Value>> {
    let (Some(first), Some(last)) = (life.new_users.keys().next(), life.closed) else { return Ok(Vec::new()) };
    let row = |week: Week| -> Result<serde_json::Value> {
        let inactive = || WeekRow {
            account: (&*life.account).into(),
            at: EventTime::MIN,
            week,
            wau: 0,
            growth: None,
            streak: None,
            slope_z: None,
            base: None,
            growing: None,
            declining: None,
        };
        let known = life.weeks.get(&week);
        let mut value = serde_json::to_value(MetricsRow::Week(known.cloned().unwrap_or_else(inactive)))?;
        if known.is_none() && life.awake.contains(&week) {
            value["wau"] = serde_json::Value::Null;
        }
        value["new_users"] = life.new_users.get(&week).copied().unwrap_or(0).into();
        Ok(value)
    };
    (first.0..=last.0).map(|week| row(Week(week))).collect()
}
