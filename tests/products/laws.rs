//! Tests of the reference model itself: two runs give the same result, duplicates change nothing, and a log that is
//! moved by whole weeks gives the same result, moved.

use serde_json::{Value, json};

use super::{Input, Kind, Settings, product};
use crate::reference::{Output, is_none, run};

const WEEK: i64 = 7 * super::DAY;
const SEEDS: std::ops::Range<u64> = 0..4;

/// The log of a seed, in which outcomes name no handoff: ids depend on the time.
fn log_of(seed: u64) -> (Vec<Input>, Settings) {
    let mut product = product(seed);
    for input in &mut product.log {
        if let Ok(event) = &mut input.event {
            event.properties.remove("handoff_id");
        }
    }
    (product.log, product.settings)
}

fn moved(log: &[Input], by: i64) -> Vec<Input> {
    let mut log = log.to_vec();
    for input in &mut log {
        input.record_ms = input.record_ms.map(|ms| ms + by);
        let Ok(event) = &mut input.event else { continue };
        event.ms += by;
        if let Some(created) = event.traits.get_mut("createdAt") {
            let unix = created.as_i64().unwrap_or(0);
            *created = json!(if unix.abs() >= 100_000_000_000 { unix + by } else { unix + by / 1_000 });
        }
    }
    log
}

/// An output with its times moved, and without ids that depend on them.
fn said(output: &Output, by: i64) -> Vec<Vec<Value>> {
    let moved = |value: &Value| {
        let mut value = value.clone();
        for name in ["day", "week", "handoffId"] {
            value.as_object_mut().and_then(|fields| fields.remove(name));
        }
        let move_by = |value: &mut Value, names: &[&str]| {
            for name in names {
                if let Some(ms) = value[name].as_str().and_then(|ms| ms.parse::<i64>().ok()) {
                    value[name] = json!(ms + by);
                }
            }
        };
        move_by(&mut value, &["atMs", "dueMs", "dueFromMs", "notBeforeMs"]);
        let facts = value.get_mut("facts").and_then(Value::as_array_mut);
        facts.into_iter().flatten().for_each(|fact| move_by(fact, &["ms"]));
        let entries = value.get_mut("entries").and_then(Value::as_array_mut).into_iter().flatten();
        let facts = entries.filter_map(|entry| entry.get_mut("facts")?.as_array_mut()).flatten();
        facts.for_each(|fact| move_by(fact, &["ms"]));
        value
    };
    let Output { metrics, handoffs, signals, onboarding, profiles, accounts, users, .. } = output;
    let outputs = [metrics, handoffs, signals, onboarding, profiles, accounts, users];
    outputs.map(|all| all.iter().map(moved).collect()).into()
}

#[test]
fn two_runs_of_the_model_agree() {
    for seed in SEEDS {
        let (first, second) = (product(seed), product(seed));
        let [first, second] = [first, second].map(|product| run(&product.log, &product.settings));
        assert!(said(&first, 0) == said(&second, 0), "seed {seed}");
    }
}

#[test]
fn a_shift_by_whole_weeks_shifts_the_output() {
    for seed in SEEDS {
        let (log, settings) = log_of(seed);
        let by = 60 * WEEK;
        let later = Settings { live_from_ms: settings.live_from_ms.map(|ms| ms + by), ..settings };
        let (here, there) = (run(&log, &settings), run(&moved(&log, by), &later));
        for (here, there) in said(&here, by).iter().zip(&said(&there, 0)) {
            for (here, there) in here.iter().zip(there) {
                assert_eq!(here, there, "seed {seed}");
            }
            assert_eq!(here.len(), there.len(), "seed {seed}");
        }
    }
}

#[test]
fn duplicate_records_change_nothing() {
    for seed in SEEDS {
        let (log, settings) = log_of(seed);
        let has_id = |input: &Input| {
            input.event.as_ref().is_ok_and(|event| {
                !is_none(&event.message_id) && event.provenance.is_none() && event.kind != Kind::Tick
            })
        };
        let doubled: Vec<Input> =
            log.iter().flat_map(|input| vec![input.clone(); 1 + usize::from(has_id(input))]).collect();
        assert!(said(&run(&log, &settings), 0) == said(&run(&doubled, &settings), 0), "seed {seed}");
    }
}
