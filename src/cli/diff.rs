//! `upswell rules diff`: two rules over one history, and what each would have fired.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::files::{self, Readable, Reading};
use super::screen::plain;
use super::{replay, screen};
use crate::engine::{Partition, Record};
use crate::model::{Day, Effects, EventKind, EventTime, HandoffId, Level};
use crate::rules::{self, Plan, Ready};
use crate::wire::Decoded;

/// Accounts that are shown.
const ACCOUNTS_SHOWN: usize = 10;

/// Replays two rules files over one history and shows what would have fired, appeared and vanished.
///
/// Handoffs of one id (account, trigger and instant) are compared: one that is sent under the one and held out under the
/// other, or has another level or tier, has changed. It vanishes from one row of a table and appears in another, so that
/// in every row A − vanished + appeared = B. `default` and the other names of `upswell rules print` are rules as well.
/// Rules that the history itself activates are left out. Without --until no open day closes.
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
    /// A file of events; several, merged by event time, are together one log. `-` is standard input, as NDJSON.
    #[arg(long, value_name = "FILE", required = true)]
    on: Vec<PathBuf>,
    /// Further files, as in `--on a b`.
    #[arg(value_name = "FILE", hide = true)]
    more: Vec<PathBuf>,
    /// Place accounts on so many partitions, as Kafka would: each has its own watermark.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    partitions: u16,
    /// Move time on to the start of this day when all is read: closes the days before it. It begins where
    /// `time.utc_offset` of the rules says.
    #[arg(long, value_name = "DATE", value_parser = files::date)]
    until: Option<jiff::civil::Date>,
    #[command(flatten)]
    reading: Reading,
    /// Everything, as one JSON document.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(self) -> Result<()> {
        let until = self.until.map(replay::until_day).transpose()?;
        let files = self.reading.history(&self.on, &self.more)?;
        let partitions = usize::from(self.partitions);
        let mut sides =
            [Side::new(rules::load(Some(&self.a))?, partitions), Side::new(rules::load(Some(&self.b))?, partitions)];
        let progress = screen::progress(files.bytes(), "bytes");
        let mut readable = Readable::new(sides[0].plan.time.allowed_lateness_ms);
        files.read(&progress, &mut |record, index, decoded, place| {
            readable.count(&sides[0].plan.ids.key(decoded.clone()), place);
            // Rules that the history activates are neither of the two.
            if decoded.event.as_ref().is_ok_and(|event| event.kind == EventKind::RulesActivation) {
                return Ok(());
            }
            let [a, b] = &mut sides;
            a.apply(record, index, decoded.clone())?;
            b.apply(record, index, decoded)?;
            Ok(())
        })?;
        readable.warn()?;
        if let Some(day) = until {
            sides.iter_mut().try_for_each(|side| side.close_until(day))?;
        }
        progress.finish_and_clear();
        let difference = Difference::new(sides);
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", screen::json_text(&serde_json::to_string_pretty(&difference.json())?))?,
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
    /// It goes to the holdout, and to nobody.
    holdout: bool,
}

impl Fired {
    /// What can differ between handoffs of one id.
    fn place(&self) -> (bool, Level, &Arc<str>) {
        (self.holdout, self.level, &self.tier)
    }
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

    fn apply(&mut self, record: Record, index: u32, decoded: Decoded<'_>) -> Result<()> {
        let ready = Ready::new(self.plan.ids.key(decoded))?;
        for partition in replay::place(&ready, self.partitions.len()) {
            // What becomes of an event does not matter here, only what follows from it.
            let _ = self.partitions[partition].apply_one(record, index, &ready, &mut self.effects);
            self.keep();
        }
        Ok(())
    }

    /// A tick to the start of this day, past the allowed lateness, in every partition.
    fn close_until(&mut self, day: Day) -> Result<()> {
        for partition in 0..self.partitions.len() {
            replay::close_until(&mut self.partitions[partition], day, &mut self.effects)?;
            self.keep();
        }
        Ok(())
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

/// Handoffs that fire under both and are not the same; one can be counted several times.
#[derive(Clone, Copy, Debug, Default)]
struct Changes {
    handoffs: u64,
    /// Sent under A, held out under B.
    held_out: u64,
    /// Held out under A, sent under B.
    sent: u64,
    level: u64,
    tier: u64,
}

impl Changes {
    fn json(self) -> serde_json::Value {
        let Changes { handoffs, held_out, sent, level, tier } = self;
        json!({"handoffs": handoffs, "heldOut": held_out, "sent": sent, "level": level, "tier": tier})
    }

    /// In words; none where nothing changed.
    fn words(self) -> Option<String> {
        let parts = [
            (self.held_out, "sent under A and held out under B"),
            (self.sent, "held out under A and sent under B"),
            (self.level, "of another level"),
            (self.tier, "of another tier"),
        ];
        let parts = parts.iter().filter(|(number, _)| *number > 0);
        let parts: Vec<String> = parts.map(|(number, what)| format!("{} {what}", screen::count(*number))).collect();
        (!parts.is_empty()).then(|| format!("changed: {}", parts.join(" · ")))
    }
}

/// What two rules say, side by side.
struct Difference {
    versions: [Arc<str>; 2],
    /// The handoffs of each, in order.
    fired: [Vec<Fired>; 2],
    /// The place of each in this order.
    by_id: [BTreeMap<HandoffId, usize>; 2],
}

impl Difference {
    fn new(sides: [Side; 2]) -> Difference {
        let versions = sides.each_ref().map(|side| Arc::clone(&side.plan.version));
        let fired = sides.map(|side| {
            let mut fired = side.fired;
            fired.sort_unstable();
            fired
        });
        let by_id = fired.each_ref().map(|fired| (0..).zip(fired).map(|(place, it)| (it.id, place)).collect());
        Difference { versions, fired, by_id }
    }

    /// The handoff of this id under A (0) or B (1).
    fn under(&self, side: usize, id: HandoffId) -> Option<&Fired> {
        self.by_id[side].get(&id).map(|place| &self.fired[side][*place])
    }

    /// Counts by a key of the handoffs. One whose key is another under the other rules vanishes here and appears there.
    fn by<K: Ord>(&self, key: impl Fn(&Fired) -> K) -> BTreeMap<K, Counts> {
        let mut counts: BTreeMap<K, Counts> = BTreeMap::new();
        for (side, fired) in (0..).zip(&self.fired) {
            for fired in fired {
                let own = key(fired);
                let is_new = self.under(1 - side, fired.id).is_none_or(|other| key(other) != own);
                let counts = counts.entry(own).or_default();
                let (all, new) = match side {
                    0 => (&mut counts.a, &mut counts.vanished),
                    _ => (&mut counts.b, &mut counts.appeared),
                };
                *all += 1;
                *new += u64::from(is_new);
            }
        }
        counts
    }

    /// What changed of the handoffs that fire under both.
    fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for a in &self.fired[0] {
            let Some(b) = self.under(1, a.id).filter(|b| b.place() != a.place()) else { continue };
            changes.handoffs += 1;
            changes.held_out += u64::from(!a.holdout && b.holdout);
            changes.sent += u64::from(a.holdout && !b.holdout);
            changes.level += u64::from(a.level != b.level);
            changes.tier += u64::from(a.tier != b.tier);
        }
        changes
    }

    /// The accounts in which most changes, most first, with what is sent and what is held out of each.
    fn accounts(&self) -> Vec<((&str, bool), Counts)> {
        let counts = self.by(|fired| (fired.account.clone(), fired.holdout));
        let mut accounts: Vec<((&str, bool), Counts)> = Vec::new();
        for fired in self.fired.iter().flatten() {
            let counts = counts.get(&(fired.account.clone(), fired.holdout)).filter(|counts| counts.changed() > 0);
            accounts.extend(counts.map(|counts| ((fired.account.as_str(), fired.holdout), *counts)));
        }
        accounts.sort_by_key(|(account, counts)| (std::cmp::Reverse(counts.changed()), *account));
        accounts.dedup_by_key(|(account, _)| *account);
        accounts
    }

    fn show(&self, out: &mut impl Write) -> Result<()> {
        let all = self.by(|_| ()).remove(&()).unwrap_or_default();
        for (name, side, count) in [("A", 0, all.a), ("B", 1, all.b)] {
            let held = self.fired[side].iter().filter(|fired| fired.holdout).count() as u64;
            let held = if held > 0 { format!(", {} of them held out", screen::count(held)) } else { String::new() };
            writeln!(out, "{name}  {:<40} {} handoffs{held}", self.versions[side], screen::count(count))?;
        }
        let changes = self.changes();
        let same = all.a - all.vanished - changes.handoffs;
        let [same, changed, vanished, appeared] =
            [same, changes.handoffs, all.vanished, all.appeared].map(screen::count);
        writeln!(
            out,
            "\nthe same {same} · changed {changed} · vanished, only under A {vanished} · appeared, only under B {appeared}"
        )?;
        if let Some(words) = changes.words() {
            writeln!(out, "{words}")?;
        }
        let row = |name: &str, holdout: bool| if holdout { format!("{name}, held out") } else { name.to_owned() };
        let triggers = self.by(|fired| (fired.level, Arc::clone(&fired.trigger), fired.holdout)).into_iter();
        let named = |level: Level, trigger: &str| format!("{:<6}  {trigger}", level.word());
        let triggers = triggers.map(|((level, it, held), counts)| (row(&named(level, &it), held), counts));
        table(out, "by trigger", triggers)?;
        let tiers = self.by(|fired| (Arc::clone(&fired.tier), fired.holdout)).into_iter();
        let named = |tier: &str| if tier.is_empty() { "untiered".to_owned() } else { tier.to_owned() };
        table(out, "by tier", tiers.map(|((tier, held), counts)| (row(&named(&tier), held), counts)))?;
        let accounts = self.accounts();
        let shown = accounts.iter().take(ACCOUNTS_SHOWN);
        let shown = shown.map(|((account, held), counts)| (row(&plain(account), *held), *counts));
        table(out, "by account, most change first", shown)?;
        if let Some(more) = accounts.len().checked_sub(ACCOUNTS_SHOWN).filter(|more| *more > 0) {
            writeln!(out, "and {} more rows: --json tells everything", screen::count(more as u64))?;
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        let all = self.by(|_| ()).remove(&()).unwrap_or_default();
        let told = |fired: &Fired| {
            json!({
                "handoffId": fired.id.to_string(),
                "account": fired.account,
                "trigger": &*fired.trigger,
                "level": fired.level,
                "at": instant(fired.at),
                "atMs": fired.at.0,
                "tier": &*fired.tier,
                "holdout": fired.holdout,
            })
        };
        let with = |mut row: serde_json::Value, change: &str| {
            row["change"] = change.into();
            row
        };
        let of_b = |fired: &Fired| match self.under(0, fired.id) {
            None => with(told(fired), "appeared"),
            Some(before) if before.place() == fired.place() => with(told(fired), "same"),
            Some(before) => {
                let mut row = with(told(fired), "changed");
                row["before"] = json!({"level": before.level, "tier": &*before.tier, "holdout": before.holdout});
                row
            }
        };
        let [a, b] = &self.fired;
        let vanished = a.iter().filter(|fired| self.under(1, fired.id).is_none());
        let vanished = vanished.map(|fired| (fired, with(told(fired), "vanished")));
        let mut handoffs: Vec<(&Fired, serde_json::Value)> =
            vanished.chain(b.iter().map(|fired| (fired, of_b(fired)))).collect();
        handoffs.sort_by_key(|(fired, _)| *fired);
        let triggers = self.by(|fired| (fired.level, Arc::clone(&fired.trigger), fired.holdout)).into_iter();
        let triggers = triggers.map(|((level, trigger, holdout), counts)| {
            json!({"level": level, "trigger": &*trigger, "holdout": holdout, "counts": counts.json()})
        });
        let tiers = self.by(|fired| (Arc::clone(&fired.tier), fired.holdout)).into_iter();
        let tiers =
            tiers.map(|((tier, holdout), counts)| json!({"tier": &*tier, "holdout": holdout, "counts": counts.json()}));
        let accounts = self.accounts().into_iter();
        let accounts = accounts.map(
            |((account, holdout), counts)| json!({"account": account, "holdout": holdout, "counts": counts.json()}),
        );
        json!({
            "a": &*self.versions[0],
            "b": &*self.versions[1],
            "counts": all.json(),
            "changes": self.changes().json(),
            "byTrigger": triggers.collect::<Vec<_>>(),
            "byTier": tiers.collect::<Vec<_>>(),
            "byAccount": accounts.collect::<Vec<_>>(),
            "handoffs": handoffs.into_iter().map(|(_, row)| row).collect::<Vec<_>>(),
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
