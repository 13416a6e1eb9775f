//! `upswell rules diff`: two rules over one history, and what each would have fired.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::check::plain;
use super::files::{self, FileFormat, Input, Readable, read_log};
use super::{replay, screen};
use crate::engine::{Partition, Record};
use crate::model::{Effects, EventKind, EventTime, HandoffId, Level};
use crate::rules::{self, Plan};
use crate::wire::{self, Decoded, Format};

/// Accounts that are shown.
const ACCOUNTS_SHOWN: usize = 10;

/// Replays two rules files over one history and shows what would have fired, appeared and vanished.
///
/// A handoff is the same under both if its id is: the same account, trigger and instant. `default` and the other
/// names of `upswell rules print` are rules as well. Rules that the history itself activates are left out. Without --until no open day closes.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules diff default mine.yaml --on history.ndjson.zst
  upswell rules diff old.yaml new.yaml --on a.ndjson --on b.ndjson --until 2026-08-01 --json")]
pub(super) struct Diff {
    /// The rules as they are.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The rules as they could be.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// A file of events; several, in order, are together one log. `-` is standard input, as NDJSON.
    #[arg(long, value_name = "FILE", required = true)]
    on: Vec<PathBuf>,
    /// Further files, as in `--on a b`.
    #[arg(value_name = "FILE", hide = true)]
    more: Vec<PathBuf>,
    /// Place accounts on so many partitions, as Kafka would: each has its own watermark.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    partitions: u16,
    /// Move time on to the start of this day (UTC) when all is read: closes the days before it.
    #[arg(long, value_name = "DATE", value_parser = files::date)]
    until: Option<jiff::civil::Date>,
    /// How records are written; without it told by the file's extension.
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// Everything, as one JSON document.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(self) -> Result<()> {
        let until = self.until.map(replay::tick_time).transpose()?;
        let inputs = files::history(&self.on, &self.more, self.format)?;
        let partitions = usize::from(self.partitions);
        let mut sides =
            [Side::new(rules::load(Some(&self.a))?, partitions), Side::new(rules::load(Some(&self.b))?, partitions)];
        let progress = screen::progress(inputs.iter().map(Input::bytes).sum(), "bytes");
        let mut readable = Readable::default();
        read_log(&inputs, &progress, &mut |record, index, decoded, place| {
            readable.count(decoded, place);
            sides.iter_mut().for_each(|side| side.apply(record, index, decoded));
            Ok(())
        })?;
        readable.warn()?;
        if let Some(start) = until {
            sides.iter_mut().for_each(|side| side.close_until(start));
        }
        progress.finish_and_clear();
        let difference = Difference::new(sides);
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", serde_json::to_string_pretty(&difference.json())?)?,
            false => difference.show(&mut out)?,
        }
        Ok(())
    }
}

/// What matters of a handoff; in the order in which it is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fired {
    at: EventTime,
    account: String,
    trigger: Arc<str>,
    id: HandoffId,
    level: Level,
    /// Empty if untiered.
    tier: Arc<str>,
    holdout: bool,
}

/// Rules, and what they say of the history.
struct Side {
    plan: Arc<Plan>,
    partitions: Vec<Partition>,
    effects: Effects,
    fired: Vec<Fired>,
}

impl Side {
    fn new(plan: Arc<Plan>, partitions: usize) -> Side {
        let partitions = (0..partitions).map(|_| Partition::new(Arc::clone(&plan))).collect();
        Side { plan, partitions, effects: Effects::default(), fired: Vec::new() }
    }

    fn apply(&mut self, record: Record, index: u32, decoded: &Decoded<'_>) {
        // Rules that the history activates are neither of the two.
        if decoded.event.as_ref().is_ok_and(|event| event.kind == EventKind::RulesActivation) {
            return;
        }
        for partition in replay::place(decoded, self.partitions.len()) {
            // What becomes of an event does not matter here, only what follows from it.
            let _ = self.partitions[partition].apply_one(record, index, decoded, &mut self.effects);
            self.keep();
        }
    }

    /// A tick to the start of this day, past the allowed lateness, in every partition.
    fn close_until(&mut self, start: EventTime) {
        let tick = wire::encode_tick(Format::Protobuf, start.plus(self.plan.time.allowed_lateness_ms));
        for partition in 0..self.partitions.len() {
            let record = Record { offset: i64::MAX, time: None };
            let _ = self.partitions[partition].apply(record, wire::decode(Format::Protobuf, &tick), &mut self.effects);
            self.keep();
        }
    }

    fn keep(&mut self) {
        self.fired.extend(self.effects.handoffs.iter().map(|handoff| Fired {
            at: handoff.at,
            account: handoff.account.clone(),
            trigger: Arc::clone(&handoff.trigger),
            id: handoff.id,
            level: handoff.level,
            tier: handoff.picture.tier.clone().unwrap_or_else(|| "".into()),
            holdout: handoff.picture.holdout,
        }));
        self.effects.clear();
    }
}

/// What became of handoffs of one sort: under A, under B, only under A, only under B.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    a: u64,
    b: u64,
    vanished: u64,
    appeared: u64,
}

impl Counts {
    fn changed(self) -> u64 {
        self.vanished + self.appeared
    }

    fn json(self) -> serde_json::Value {
        json!({"a": self.a, "b": self.b, "vanished": self.vanished, "appeared": self.appeared})
    }
}

/// What two rules say, side by side.
struct Difference {
    versions: [Arc<str>; 2],
    /// The handoffs of each, in order.
    fired: [Vec<Fired>; 2],
    ids: [BTreeSet<HandoffId>; 2],
}

impl Difference {
    fn new(sides: [Side; 2]) -> Difference {
        let versions = sides.each_ref().map(|side| Arc::clone(&side.plan.version));
        let fired = sides.map(|side| {
            let mut fired = side.fired;
            fired.sort_unstable();
            fired
        });
        let ids = fired.each_ref().map(|fired| fired.iter().map(|it| it.id).collect());
        Difference { versions, fired, ids }
    }

    /// Counts by a key of the handoffs.
    fn by<K: Ord>(&self, key: impl Fn(&Fired) -> K) -> BTreeMap<K, Counts> {
        let mut counts: BTreeMap<K, Counts> = BTreeMap::new();
        let [a, b] = &self.fired;
        for fired in a {
            let counts = counts.entry(key(fired)).or_default();
            counts.a += 1;
            counts.vanished += u64::from(!self.ids[1].contains(&fired.id));
        }
        for fired in b {
            let counts = counts.entry(key(fired)).or_default();
            counts.b += 1;
            counts.appeared += u64::from(!self.ids[0].contains(&fired.id));
        }
        counts
    }

    /// The accounts in which most changes, most first.
    fn accounts(&self) -> Vec<(&str, Counts)> {
        let mut accounts: Vec<(&str, Counts)> = Vec::new();
        let counts = self.by(|fired| fired.account.clone());
        for fired in self.fired.iter().flatten() {
            if let Some(counts) = counts.get(&fired.account).filter(|counts| counts.changed() > 0) {
                accounts.push((&fired.account, *counts));
            }
        }
        accounts.sort_by_key(|(account, counts)| (std::cmp::Reverse(counts.changed()), *account));
        accounts.dedup_by_key(|(account, _)| *account);
        accounts
    }

    fn show(&self, out: &mut impl Write) -> Result<()> {
        let all = self.by(|_| ()).remove(&()).unwrap_or_default();
        for (name, version, count) in [("A", &self.versions[0], all.a), ("B", &self.versions[1], all.b)] {
            writeln!(out, "{name}  {version:<40} {} handoffs", screen::count(count))?;
        }
        let same = all.a - all.vanished;
        let [same, vanished, appeared] = [same, all.vanished, all.appeared].map(screen::count);
        writeln!(out, "\nthe same {same} · vanished, only under A {vanished} · appeared, only under B {appeared}")?;
        let triggers = self.by(|fired| (fired.level, Arc::clone(&fired.trigger)));
        let triggers =
            triggers.into_iter().map(|((level, trigger), counts)| (format!("{:<6}  {trigger}", level.word()), counts));
        table(out, "by trigger", triggers)?;
        let tiers = self.by(|fired| Arc::clone(&fired.tier)).into_iter();
        let named = |tier: Arc<str>| if tier.is_empty() { "untiered".to_owned() } else { tier.to_string() };
        table(out, "by tier", tiers.map(|(tier, counts)| (named(tier), counts)))?;
        let accounts = self.accounts();
        let shown = accounts.iter().take(ACCOUNTS_SHOWN).map(|(account, counts)| (plain(account), *counts));
        table(out, "by account, most change first", shown)?;
        if let Some(more) = accounts.len().checked_sub(ACCOUNTS_SHOWN).filter(|more| *more > 0) {
            writeln!(out, "and {} more accounts: --json tells everything", screen::count(more as u64))?;
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        let all = self.by(|_| ()).remove(&()).unwrap_or_default();
        let one = |fired: &Fired, change: &str| {
            json!({
                "handoffId": fired.id.to_string(),
                "account": fired.account,
                "trigger": &*fired.trigger,
                "level": fired.level,
                "at": instant(fired.at),
                "atMs": fired.at.0,
                "tier": &*fired.tier,
                "holdout": fired.holdout,
                "change": change,
            })
        };
        let [a, b] = &self.fired;
        let vanished = a.iter().filter(|fired| !self.ids[1].contains(&fired.id)).map(|fired| (fired, "vanished"));
        let others = b.iter().map(|fired| (fired, if self.ids[0].contains(&fired.id) { "same" } else { "appeared" }));
        let mut handoffs: Vec<(&Fired, &str)> = vanished.chain(others).collect();
        handoffs.sort_unstable();
        let triggers = self
            .by(|fired| (fired.level, Arc::clone(&fired.trigger)))
            .into_iter()
            .map(|(key, counts)| json!({"level": key.0, "trigger": &*key.1, "counts": counts.json()}));
        let tiers = self.by(|fired| Arc::clone(&fired.tier)).into_iter();
        let tiers = tiers.map(|(tier, counts)| json!({"tier": &*tier, "counts": counts.json()}));
        let accounts = self.accounts().into_iter();
        let accounts = accounts.map(|(account, counts)| json!({"account": account, "counts": counts.json()}));
        json!({
            "a": &*self.versions[0],
            "b": &*self.versions[1],
            "counts": all.json(),
            "byTrigger": triggers.collect::<Vec<_>>(),
            "byTier": tiers.collect::<Vec<_>>(),
            "byAccount": accounts.collect::<Vec<_>>(),
            "handoffs": handoffs.into_iter().map(|(fired, change)| one(fired, change)).collect::<Vec<_>>(),
        })
    }
}

/// RFC 3339, to the millisecond.
fn instant(time: EventTime) -> Option<String> {
    jiff::Timestamp::from_millisecond(time.0).ok().map(|time| format!("{time:.3}"))
}

fn table(out: &mut impl Write, title: &str, rows: impl Iterator<Item = (String, Counts)>) -> Result<()> {
    let rows: Vec<(String, Counts)> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title:<40} {:>9} {:>9} {:>9} {:>9}", "A", "B", "vanished", "appeared")?;
    for (name, counts) in rows {
        let [a, b, vanished, appeared] = [counts.a, counts.b, counts.vanished, counts.appeared].map(screen::count);
        writeln!(out, "{name:<40} {a:>9} {b:>9} {vanished:>9} {appeared:>9}")?;
    }
    Ok(())
}
