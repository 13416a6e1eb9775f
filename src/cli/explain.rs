//! `upswell explain`: the life of one account, told from its history.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::files::{self, Readable, Reading};
use super::replay::{self, GATHER_EVERY};
use super::{page, screen};
use crate::engine::{Partition, Record};
use crate::model::{
    AccountSnapshot, Day, Effects, Handoff, MetricsRow, Onboarding, SignalMessage, Snapshots, Tally, UserSnapshot,
    Week, WeekRow,
};
use crate::rules::{self, Plan, Ready};
use crate::wire::ToWire;

/// Accounts that are named where the one asked for is unknown.
const NEAREST: usize = 3;
/// The account is looked at so often while it is active: one that is forgotten later can still be shown.
const LOOK_EVERY_DAYS: i32 = 7;

/// Tells an account's life: weekly users, signals, scores, what fired, what was held back, and why.
///
/// The history is folded as `upswell replay` folds it, on one partition. Without --until no open day closes.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell explain acme --on events.ndjson.zst
  upswell explain acme --on a.ndjson --on b.ndjson --rules mine.yaml --until 2026-08-01
  upswell explain acme --on events.ndjson --json | jq '.handoffs[].why'")]
pub(super) struct Explain {
    /// The account.
    account: String,
    /// A file of events; several, merged by event time, are together one log. `-` is standard input, as NDJSON.
    #[arg(long, value_name = "FILE", required = true)]
    on: Vec<PathBuf>,
    /// Further files, as in `--on a b`.
    #[arg(value_name = "FILE", hide = true)]
    more: Vec<PathBuf>,
    /// The rules; without it the default pack.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Move time on to the start of this day when all is read: closes the days before it. It begins where
    /// `time.utc_offset` of the rules says.
    #[arg(long, value_name = "DATE", value_parser = files::date)]
    until: Option<jiff::civil::Date>,
    #[command(flatten)]
    reading: Reading,
    /// Every signal and hold, not only the newest of each.
    #[arg(long)]
    all: bool,
    /// One JSON document instead of the page, with the published messages as proto3 JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self) -> Result<()> {
        let until = self.until.map(replay::until_day).transpose()?;
        let files = self.reading.history(&self.on, &self.more)?;
        let plan = rules::load(self.rules.as_deref())?;
        let (ids, lateness_ms) = (plan.ids.clone(), plan.time.allowed_lateness_ms);
        let account = if ids.fold { rules::folded(&self.account).into_owned() } else { self.account };
        let mut fold = Fold::new(plan, account);
        let progress = screen::progress(files.bytes(), "bytes");
        let mut readable = Readable::new(lateness_ms);
        files.read(&progress, &mut |record, index, decoded, place| {
            let decoded = ids.key(decoded);
            readable.count(&decoded, place);
            fold.apply(record, index, &Ready::new(decoded).with_context(|| place.to_string())?);
            Ok(())
        })?;
        readable.warn()?;
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

/// What is known of an account.
pub(super) struct Life {
    /// The account.
    pub(super) account: String,
    /// The rules.
    pub(super) plan: Arc<Plan>,
    /// What became of its events.
    pub(super) events: Tally,
    /// Its closed, complete weeks with somebody active in the 28 days before their end.
    pub(super) weeks: BTreeMap<Week, WeekRow>,
    /// New users by week, as far as its days are closed.
    pub(super) new_users: BTreeMap<Week, u32>,
    /// Closed weeks with somebody active in the 28 days before their end, complete or not.
    awake: BTreeSet<Week>,
    /// The last closed week.
    closed: Option<Week>,
    /// Its part of the signals feed.
    pub(super) signals: Vec<SignalMessage>,
    /// Its handoffs.
    pub(super) handoffs: Vec<Handoff>,
    /// Its onboarding tracks.
    pub(super) onboarding: Vec<Onboarding>,
    /// How it stands; none where no event of it was applied.
    pub(super) stands: Option<AccountSnapshot>,
    /// How its users stand, by id.
    pub(super) users: BTreeMap<String, UserSnapshot>,
}

/// The whole log, of which only what concerns one account is kept.
struct Fold {
    partition: Partition,
    effects: Effects,
    life: Life,
    events: u64,
    looked: Option<Day>,
    /// Every account that came.
    accounts: HashSet<String>,
}

impl Fold {
    fn new(plan: Arc<Plan>, account: String) -> Fold {
        let life = Life {
            account,
            plan: Arc::clone(&plan),
            events: Tally::default(),
            weeks: BTreeMap::new(),
            new_users: BTreeMap::new(),
            awake: BTreeSet::new(),
            closed: None,
            signals: Vec::new(),
            handoffs: Vec::new(),
            onboarding: Vec::new(),
            stands: None,
            users: BTreeMap::new(),
        };
        Fold {
            partition: Partition::new(plan),
            effects: Effects::with_metrics(),
            life,
            events: 0,
            looked: None,
            accounts: HashSet::new(),
        }
    }

    fn apply(&mut self, record: Record, index: u32, ready: &Ready<'_>) {
        let outcome = self.partition.apply_one(record, index, ready, &mut self.effects);
        self.keep();
        self.events += 1;
        let mut looks = self.events.is_multiple_of(GATHER_EVERY);
        if let Ok(event) = &ready.event {
            if !self.accounts.contains(&*event.account) {
                self.accounts.insert(event.account.to_string());
            }
            if event.account == self.life.account {
                self.life.events.count(outcome);
                let day = self.life.plan.time.calendar.day(event.time);
                looks |= self.looked.is_none_or(|looked| day >= looked.plus(LOOK_EVERY_DAYS));
                self.looked = if looks { self.looked.max(Some(day)) } else { self.looked };
            }
        }
        if looks {
            self.look();
        }
    }

    /// Keeps what concerns the account.
    fn keep(&mut self) {
        let (life, effects) = (&mut self.life, &mut self.effects);
        life.handoffs.extend(effects.handoffs.drain(..).filter(|handoff| handoff.account == life.account));
        life.signals.extend(effects.signals.drain(..).filter(|signal| signal.account == life.account));
        life.onboarding.extend(effects.onboarding.drain(..).filter(|track| track.account == life.account));
        for row in effects.metrics.iter_mut().flat_map(|rows| rows.drain(..)) {
            match row {
                MetricsRow::Week(row) if *row.account == *life.account => {
                    life.weeks.insert(row.week, row);
                }
                MetricsRow::Day(row) if *row.account == *life.account => {
                    let week = row.day.week();
                    *life.new_users.entry(week).or_default() += row.new_users;
                    if row.day == week.sunday() {
                        life.awake.insert(week);
                    }
                }
                _ => {}
            }
        }
        effects.clear();
    }

    /// Takes how the account stands.
    fn look(&mut self) {
        let mut changed = Snapshots::default();
        self.partition.snapshots(&mut changed);
        let life = &mut self.life;
        life.stands = changed.accounts.into_iter().find(|it| it.account == life.account).or(life.stands.take());
        for user in changed.users.into_iter().filter(|it| it.account == life.account) {
            if user.gone {
                life.users.remove(&user.user.user);
            } else {
                life.users.insert(user.user.user.clone(), user);
            }
        }
    }

    /// A tick to the start of this day, past the allowed lateness.
    fn close_until(&mut self, day: Day) -> Result<()> {
        replay::close_until(&mut self.partition, day, &mut self.effects)?;
        self.keep();
        Ok(())
    }

    fn finish(mut self) -> Result<Life> {
        self.look();
        // The week before the one that is open.
        self.life.closed = self.partition.open_day().map(|day| day.week().plus(-1));
        // The history may hold other rules.
        self.life.plan = Arc::clone(self.partition.plan());
        if self.accounts.contains(&self.life.account) {
            return Ok(self.life);
        }
        let asked = &self.life.account;
        let mut near: Vec<(f64, &String)> =
            self.accounts.iter().map(|account| (strsim::jaro_winkler(asked, account), account)).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let near: Vec<String> = near.into_iter().take(NEAREST).map(|(_, account)| format!("{account:?}")).collect();
        let accounts = screen::count(self.accounts.len() as u64);
        match near.is_empty() {
            true if self.events == 0 => bail!("no event of account {asked:?}: the history is empty"),
            true => bail!("no event of account {asked:?}: no event of the history names an account"),
            false => bail!("no event of account {asked:?} among {accounts} accounts; nearest: {}", near.join(", ")),
        }
    }
}

/// The life as one document: messages of the contract in their canonical JSON, weeks as `replay --metrics` writes them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    account: &'a str,
    rules_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Box<RawValue>>,
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
    let points = life.stands.iter().flat_map(|stands| &stands.picture.points);
    Ok(Document {
        account: &life.account,
        rules_version: &life.plan.version,
        snapshot: life.stands.as_ref().map(raw).transpose()?,
        points: points
            .map(|(signal, rung, points)| Points { signal, rung: i32::from(*rung), points: *points })
            .collect(),
        users: life.users.values().map(raw).collect::<Result<_>>()?,
        weeks: weeks(life)?,
        signals: life.signals.iter().map(raw).collect::<Result<_>>()?,
        handoffs: life.handoffs.iter().map(raw).collect::<Result<_>>()?,
        onboarding: life.onboarding.iter().map(raw).collect::<Result<_>>()?,
    })
}

fn raw(message: &impl ToWire) -> Result<Box<RawValue>> {
    Ok(RawValue::from_string(message.to_json())?)
}

/// Every closed week since the founding, as `replay --metrics` writes it, with its new users. Of weeks without a row
/// either nobody was active, or they are not complete and how many were is not told.
fn weeks(life: &Life) -> Result<Vec<serde_json::Value>> {
    let (Some(first), Some(last)) = (life.new_users.keys().next(), life.closed) else { return Ok(Vec::new()) };
    let row = |week: Week| -> Result<serde_json::Value> {
        let asleep = || WeekRow {
            account: (&*life.account).into(),
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
        let mut value = serde_json::to_value(MetricsRow::Week(known.cloned().unwrap_or_else(asleep)))?;
        if known.is_none() && life.awake.contains(&week) {
            value["wau"] = serde_json::Value::Null;
        }
        value["new_users"] = life.new_users.get(&week).copied().unwrap_or(0).into();
        Ok(value)
    };
    (first.0..=last.0).map(|week| row(Week(week))).collect()
}
