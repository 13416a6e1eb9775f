//! `upswell rules diff`: replays one history with two rules files, and compares the handoffs.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::config;
use super::reading::{self, Reading};
use super::screen::{self, plain};
use crate::analysis::{Changes, Counts, Difference, Fired, Side};
use crate::model::{EventKind, EventTime, Level};
use crate::replay::{Read, Readable};
use crate::rules;

/// How many accounts are shown.
const ACCOUNTS_SHOWN: usize = 10;

/// Replays one history with two rules files, and shows which handoffs stay, vanish and appear.
///
/// Handoffs are compared by id, which is account, trigger and instant. A handoff has changed if it fires with both
/// files and is held out with one of them, or has another level or tier. A changed handoff vanishes from one row of a
/// table and appears in another, so that in every row A − vanished + appeared = B. A and B may also be names that
/// `upswell rules print` knows, such as `default`. Rules that the history itself activates are ignored. Days that are
/// still open at the end of the history close only with --until.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules diff default mine.yaml --on history.ndjson.zst
  upswell rules diff old.yaml new.yaml --on a.ndjson --on b.ndjson --until 2026-08-01 --json")]
pub(super) struct Diff {
    /// The current rules.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The new rules.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// A file of events, a folder or an archive; can be repeated. Several are merged by event time. `-` is standard input.
    #[arg(long, value_name = "FILE", required = true)]
    on: Vec<PathBuf>,
    /// Further files after `--on`, as in `--on a b`.
    #[arg(value_name = "FILE", hide = true)]
    more: Vec<PathBuf>,
    /// Distribute accounts over this number of partitions, as Kafka does. Each partition has its own watermark.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    partitions: u16,
    /// At the end of the input, close all days before this one. Days begin at midnight of `time.utc_offset` of the
    /// rules.
    #[arg(long, value_name = "DATE", value_parser = reading::date)]
    until: Option<jiff::civil::Date>,
    /// The configuration file, of which input.account and input.user apply.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Print one JSON document with all handoffs.
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(self) -> Result<()> {
        let until = self.until.map(reading::until_day).transpose()?;
        let files = self.reading.history(&self.on, &self.more, &config::load(self.config.as_deref())?.input)?;
        let partitions = usize::from(self.partitions);
        let mut sides =
            [Side::new(rules::load(Some(&self.a))?, partitions), Side::new(rules::load(Some(&self.b))?, partitions)];
        let progress = screen::progress(files.bytes(), "bytes");
        let mut readable = Readable::new(sides[0].plan.time.allowed_lateness_ms);
        files.read(&progress, &mut |events| {
            events.drain(..).try_for_each(|Read { record, index, decoded, place }| {
                let mut keyed = decoded.clone();
                sides[0].plan.ids.key(&mut keyed);
                readable.count(&keyed, place);
                // Only A and B apply, so activations in the history are ignored.
                if decoded.event.as_ref().is_ok_and(|event| event.kind == EventKind::RulesActivation) {
                    return Ok(());
                }
                let [a, b] = &mut sides;
                a.apply(record, index, decoded.clone())?;
                b.apply(record, index, decoded)
            })
        })?;
        reading::warn(&readable)?;
        if let Some(day) = until {
            sides.iter_mut().try_for_each(|side| side.close_until(day))?;
        }
        progress.finish_and_clear();
        let difference = Difference::new(sides);
        let mut out = std::io::stdout().lock();
        match self.json {
            true => writeln!(out, "{}", screen::json_text(&serde_json::to_string_pretty(&document(&difference))?))?,
            false => show(&difference, &mut out)?,
        }
        Ok(())
    }
}

fn show(difference: &Difference, out: &mut impl Write) -> Result<()> {
    let all = difference.by(|_| ()).remove(&()).unwrap_or_default();
    for (name, side, count) in [("A", 0, all.a), ("B", 1, all.b)] {
        let held = difference.fired[side].iter().filter(|fired| fired.holdout).count() as u64;
        let held = if held > 0 { format!(", {} of them held out", screen::count(held)) } else { String::new() };
        writeln!(out, "{name}  {:<40} {} handoffs{held}", difference.versions[side], screen::count(count))?;
    }
    let changes = difference.changes();
    let same = all.a - all.vanished - changes.handoffs;
    let [same, changed, vanished, appeared] = [same, changes.handoffs, all.vanished, all.appeared].map(screen::count);
    writeln!(
        out,
        "\nthe same {same} · changed {changed} · vanished, only with A {vanished} · appeared, only with B {appeared}"
    )?;
    if let Some(words) = changes_words(changes) {
        writeln!(out, "{words}")?;
    }
    let row = |name: &str, holdout: bool| if holdout { format!("{name}, held out") } else { name.to_owned() };
    let triggers = difference.by(|fired| (fired.level, Arc::clone(&fired.trigger), fired.holdout)).into_iter();
    let named = |level: Level, trigger: &str| format!("{:<6}  {trigger}", level.word());
    let triggers = triggers.map(|((level, it, held), counts)| (row(&named(level, &it), held), counts));
    table(out, "by trigger", triggers)?;
    let tiers = difference.by(|fired| (Arc::clone(&fired.tier), fired.holdout)).into_iter();
    let named = |tier: &str| if tier.is_empty() { "untiered".to_owned() } else { tier.to_owned() };
    table(out, "by tier", tiers.map(|((tier, held), counts)| (row(&named(&tier), held), counts)))?;
    let accounts = difference.accounts();
    let shown = accounts.iter().take(ACCOUNTS_SHOWN);
    let shown = shown.map(|((account, held), counts)| (row(&plain(account), *held), *counts));
    table(out, "by account, most changes first", shown)?;
    if let Some(more) = accounts.len().checked_sub(ACCOUNTS_SHOWN).filter(|more| *more > 0) {
        writeln!(out, "and {} more rows: --json prints all of them", screen::count(more as u64))?;
    }
    Ok(())
}

fn document(difference: &Difference) -> serde_json::Value {
    let all = difference.by(|_| ()).remove(&()).unwrap_or_default();
    let row = |fired: &Fired| {
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
    let with_change = |mut row: serde_json::Value, change: &str| {
        row["change"] = change.into();
        row
    };
    let of_b = |fired: &Fired| match difference.under(0, fired.id) {
        None => with_change(row(fired), "appeared"),
        Some(before) if before.place() == fired.place() => with_change(row(fired), "same"),
        Some(before) => {
            let mut row = with_change(row(fired), "changed");
            row["before"] = json!({"level": before.level, "tier": &*before.tier, "holdout": before.holdout});
            row
        }
    };
    let [a, b] = &difference.fired;
    let vanished = a.iter().filter(|fired| difference.under(1, fired.id).is_none());
    let vanished = vanished.map(|fired| (fired, with_change(row(fired), "vanished")));
    let mut handoffs: Vec<(&Fired, serde_json::Value)> =
        vanished.chain(b.iter().map(|fired| (fired, of_b(fired)))).collect();
    handoffs.sort_by_key(|(fired, _)| *fired);
    let triggers = difference.by(|fired| (fired.level, Arc::clone(&fired.trigger), fired.holdout)).into_iter();
    let triggers = triggers.map(|((level, trigger, holdout), counts)| {
        json!({"level": level, "trigger": &*trigger, "holdout": holdout, "counts": counts_json(counts)})
    });
    let tiers = difference.by(|fired| (Arc::clone(&fired.tier), fired.holdout)).into_iter();
    let tiers = tiers
        .map(|((tier, holdout), counts)| json!({"tier": &*tier, "holdout": holdout, "counts": counts_json(counts)}));
    let accounts = difference.accounts().into_iter();
    let accounts = accounts.map(
        |((account, holdout), counts)| json!({"account": account, "holdout": holdout, "counts": counts_json(counts)}),
    );
    json!({
        "a": &*difference.versions[0],
        "b": &*difference.versions[1],
        "counts": counts_json(all),
        "changes": changes_json(difference.changes()),
        "byTrigger": triggers.collect::<Vec<_>>(),
        "byTier": tiers.collect::<Vec<_>>(),
        "byAccount": accounts.collect::<Vec<_>>(),
        "handoffs": handoffs.into_iter().map(|(_, row)| row).collect::<Vec<_>>(),
    })
}

fn counts_json(counts: Counts) -> serde_json::Value {
    json!({"a": counts.a, "b": counts.b, "vanished": counts.vanished, "appeared": counts.appeared})
}

fn changes_json(changes: Changes) -> serde_json::Value {
    let Changes { handoffs, held_out, sent, level, tier } = changes;
    json!({"handoffs": handoffs, "heldOut": held_out, "sent": sent, "level": level, "tier": tier})
}

/// What changed, in words; none if nothing did.
fn changes_words(changes: Changes) -> Option<String> {
    let parts = [
        (changes.held_out, "sent with A and held out with B"),
        (changes.sent, "held out with A and sent with B"),
        (changes.level, "with another level"),
        (changes.tier, "with another tier"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, what)| format!("{} {what}", screen::count(*number))).collect();
    (!parts.is_empty()).then(|| format!("changed: {}", parts.join(" · ")))
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
