//! Random products, random faults, random crashes: the fold must say what the naive reference model says, and say
//! it once however often it dies.
//!
//! Every run prints its seed first. `UPSWELL_SIMULATION_SEED=7 cargo test --test simulation` runs one seed alone,
//! `UPSWELL_SIMULATION_SEEDS=5000` so many. A seed that failed once belongs into `SEEDS_THAT_FAILED`.

mod reference;

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use reference::{Input, Kind, Settings};
use serde_json::{Map, Value, json};
use upswell::engine::{Partition, Record};
use upswell::model::{self, EventKind, EventTime, Fields, Outcome, Provenance};
use upswell::{rules, wire};

const SEEDS_THAT_FAILED: [u64; 0] = [];
const SEEDS: u64 = 120;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

#[test]
fn the_fold_agrees_with_the_reference_and_survives_crashes() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds: Vec<u64> = match number("UPSWELL_SIMULATION_SEED") {
        Some(seed) => vec![seed],
        None => SEEDS_THAT_FAILED.into_iter().chain(0..number("UPSWELL_SIMULATION_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let mut seen = BTreeMap::new();
    for seed in seeds {
        println!("seed {seed}");
        let log = workload(seed);
        let expected = reference::run(&log, &Settings::default());
        let records = encode(&log);
        let whole = fold(&records, &[]);
        compare(seed, &log, &expected, &whole);
        let mut rng = SmallRng::seed_from_u64(seed ^ 0xc4a5);
        let mut crashes: Vec<usize> =
            (0..rng.random_range(1..6)).map(|_| rng.random_range(0..=records.len())).collect();
        crashes.sort_unstable();
        let crashed = fold(&records, &crashes);
        assert!(whole.published == crashed.published, "seed {seed}: crashes at {crashes:?} can be seen");
        count_what_happened(&expected, &mut seen);
    }
    if number("UPSWELL_SIMULATION_SEED").is_none() {
        println!("{seen:#?}");
        for wanted in WANTED {
            assert!(seen.get(wanted).copied().unwrap_or(0) > 0, "no seed showed {wanted}: {seen:#?}");
        }
    }
}

/// What the seeds together must have shown, so that agreeing means something.
const WANTED: [&str; 27] = [
    "velocity.stickiness 0→1",
    "velocity.stickiness 1→2",
    "velocity.growth 0→1",
    "velocity.growth 1→0",
    "velocity.frequency 0→1",
    "velocity.frequency 1→0",
    "velocity.user_adds 0→1",
    "velocity.user_adds 1→2",
    "velocity.user_adds 1→0",
    "intent.pricing 0→1",
    "intent.pricing 1→2",
    "intent.pricing 2→1",
    "intent.enterprise 0→1",
    "intent.enterprise 1→0",
    "negative.inactive 0→1",
    "negative.inactive 1→0",
    "negative.declining 0→1",
    "negative.declining 1→0",
    "REASON_LAPSED",
    "REASON_FORGOTTEN",
    "rail usage",
    "rail pacing",
    "enterprise-request",
    "contact-sales",
    "five-new-users",
    "pricing-sessions",
    "steady-growth",
];

fn count_what_happened(output: &reference::Output, seen: &mut BTreeMap<String, u64>) {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut count = |what: String| *seen.entry(what).or_insert(0) += 1;
    for handoff in &output.handoffs {
        count(text(handoff, "trigger"));
        if handoff["also"].is_array() {
            count("also".into());
        }
    }
    for signal in &output.signals {
        match &*text(signal, "kind") {
            "KIND_CHANGED" => {
                let rung = |key: &str| signal[key].as_u64().unwrap_or(0);
                count(format!("{} {}→{}", text(signal, "signal"), rung("rungBefore"), rung("rungAfter")));
                count(text(signal, "reason"));
            }
            "KIND_HELD" => count(format!("rail {}", text(signal, "rail"))),
            _ => count(format!("pulse {}{}", text(signal, "signal"), text(signal, "trigger"))),
        }
    }
    output.outcomes.iter().for_each(|outcome| count(format!("{outcome:?}")));
}

/// What the fold said.
#[derive(Default)]
struct Said {
    outcomes: Vec<Outcome>,
    /// By account: metrics, handoffs and signals.
    metrics: Vec<Value>,
    /// Handoffs and signals as lines, in order.
    published: Vec<String>,
}

/// Folds the log of one partition; at each crash everything since a commit some records before is lost, and a new
/// partition folds the log from its beginning, mute up to the commit.
fn fold(records: &[(Record, Vec<u8>)], crashes: &[usize]) -> Said {
    let plan = rules::default_plan();
    let mut said = Said::default();
    let mut committed = 0;
    for stop in crashes.iter().copied().chain([records.len()]) {
        let mut partition = Partition::new(plan.clone());
        let mut effects = model::Effects::with_metrics();
        for (place, (record, bytes)) in records.iter().enumerate().take(stop.max(committed)) {
            for (index, decoded) in (0..).zip(wire::decode(wire::Format::Protobuf, bytes)) {
                let outcome = partition.apply_one(*record, index, &decoded, &mut effects);
                if place >= committed {
                    said.outcomes.push(outcome);
                }
            }
            if place >= committed {
                said.published.extend(effects.handoffs.iter().map(ToWireLine::line));
                said.published.extend(effects.signals.iter().map(ToWireLine::line));
                let rows = effects.metrics.as_deref().unwrap_or_default();
                said.metrics.extend(rows.iter().map(|row| serde_json::to_value(row).unwrap()));
            }
            effects.clear();
        }
        committed = stop.max(committed);
    }
    said
}

trait ToWireLine {
    fn line(&self) -> String;
}

impl<T: wire::ToWire> ToWireLine for T {
    fn line(&self) -> String {
        self.to_json()
    }
}

fn compare(seed: u64, log: &[Input], expected: &reference::Output, said: &Said) {
    for (place, (expected, found)) in expected.outcomes.iter().zip(&said.outcomes).enumerate() {
        assert_eq!(format!("{expected:?}"), format!("{found:?}"), "seed {seed}: outcome of {:?}", log[place]);
    }
    let strip = |line: &String| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        let object = value.as_object_mut().unwrap();
        ["why", "facts", "rulesVersion"].iter().for_each(|key| drop(object.remove(*key)));
        value
    };
    let (handoffs, signals): (Vec<Value>, Vec<Value>) =
        said.published.iter().map(strip).partition(|value| value.get("handoffId").is_some());
    same_by_account(seed, "metrics", &expected.metrics, &said.metrics);
    same_by_account(seed, "signals", &expected.signals, &signals);
    same_by_account(seed, "handoffs", &expected.handoffs, &handoffs);
}

/// Compares what is said of each account; at one instant the order is free but for the chain of each signal.
fn same_by_account(seed: u64, what: &str, expected: &[Value], found: &[Value]) {
    let by_account = |values: &[Value]| {
        let mut map: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        values.iter().for_each(|value| map.entry(value["account"].to_string()).or_default().push(value.clone()));
        map
    };
    let (expected, found) = (by_account(expected), by_account(found));
    let accounts: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let nothing = Vec::new();
    for account in accounts {
        let (expected, found) = (expected.get(account).unwrap_or(&nothing), found.get(account).unwrap_or(&nothing));
        for place in 0..expected.len().max(found.len()) {
            let (expected, found) = (expected.get(place), found.get(place));
            let equal = match (expected, found) {
                (Some(expected), Some(found)) => same(expected, found),
                _ => false,
            };
            assert!(
                equal,
                "seed {seed}: {what} of {account}, line {place}:\nreference {}\nengine    {}",
                show(expected),
                show(found)
            );
        }
    }
}

fn show(value: Option<&Value>) -> String {
    value.map_or("nothing".into(), Value::to_string)
}

/// Equal, but figures that are rounded may differ by 1e-9 relative or 1e-12 absolute (edges C8).
fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| same(value, found)))
        }
        (Value::Number(expected), Value::Number(found)) => {
            let (expected, found) = (expected.as_f64().unwrap(), found.as_f64().unwrap());
            (expected - found).abs() <= 1e-12_f64.max(1e-9 * expected.abs())
        }
        _ => expected == found,
    }
}

fn encode(log: &[Input]) -> Vec<(Record, Vec<u8>)> {
    log.iter()
        .map(|input| {
            let record = Record { offset: input.offset, time: input.record_ms.map(EventTime) };
            let bytes = input.event.as_ref().map_or(b"\xffnot an event".to_vec(), encode_event);
            (record, bytes)
        })
        .collect()
}

fn encode_event(event: &reference::Event) -> Vec<u8> {
    let [properties, traits] = [&event.properties, &event.traits].map(|map| serde_json::to_string(map).unwrap());
    wire::encode(&model::Event {
        message_id: event.message_id.as_str().into(),
        source: event.source.as_str().into(),
        kind: match event.kind {
            Kind::Track => EventKind::Track,
            Kind::Identify => EventKind::Identify,
            Kind::Group => EventKind::Group,
            Kind::Page => EventKind::Page,
            Kind::Screen => EventKind::Screen,
            Kind::Alias => EventKind::Alias,
            Kind::Tick => EventKind::Tick,
            Kind::RulesActivation => EventKind::RulesActivation,
        },
        name: event.name.as_str().into(),
        user: event.user.as_str().into(),
        anonymous_id: "".into(),
        account: event.account.as_str().into(),
        time: EventTime(event.ms),
        received: None,
        properties: Fields::Json(&properties),
        traits: Fields::Json(&traits),
        provenance: event.provenance.as_ref().map(|(topic, partition, offset)| Provenance {
            topic: topic.as_str().into(),
            partition: *partition,
            offset: *offset,
        }),
    })
}

/// How the users of an account behave for a while.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Steady,
    Growing,
    Fading,
    Joining,
    Silent,
    Passive,
}

/// A log of some months: accounts in changing moods, and every fault that the pages name.
fn workload(seed: u64) -> Vec<Input> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut arrivals: Vec<(i64, reference::Event)> = Vec::new();
    let accounts = rng.random_range(1..4);
    let first_day = if seed.is_multiple_of(10) { -90 } else { rng.random_range(19_000..20_000) };
    for account in 0..accounts {
        simulate_account(&mut rng, &format!("a{account}"), first_day, &mut arrivals);
    }
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    let has_record_times = rng.random_bool(0.5);
    let mut log: Vec<Input> = Vec::new();
    let mut sent: u64 = 0;
    for (arrival, mut event) in arrivals {
        if event.message_id.is_empty() && rng.random_bool(0.9) {
            sent += 1;
            event.message_id = format!("m{sent}");
        }
        if rng.random_bool(0.01) {
            event.provenance = Some(("source".into(), rng.random_range(0..2), rng.random_range(0..40)));
        }
        let record_ms = has_record_times.then_some(match rng.random_range(0..60) {
            0 => event.ms - 5 * MINUTE,
            1 => event.ms - 5 * MINUTE - 1,
            _ => arrival.max(event.ms - 5 * MINUTE),
        });
        let copies = if rng.random_bool(0.03) { 2 } else { 1 };
        for _ in 0..copies {
            push(&mut log, record_ms, Ok(event.clone()));
        }
        if rng.random_bool(0.005) {
            push(&mut log, record_ms, Err("broken".into()));
        }
        if rng.random_bool(0.01) {
            let again = rng.random_range(0..log.len());
            if let Ok(old) = log[again].event.clone() {
                push(&mut log, record_ms, Ok(old));
            }
        }
        if rng.random_bool(0.01) {
            let ahead = rng.random_range(0..3 * DAY);
            push(&mut log, record_ms.map(|ms| ms + ahead), Ok(tick(arrival + ahead)));
        }
    }
    let last = log.iter().filter_map(|input| Some(input.event.as_ref().ok()?.ms)).max().unwrap_or(0);
    let after = [0, 3 * DAY, 40 * DAY, 470 * DAY][rng.random_range(0..4)];
    push(&mut log, None, Ok(tick(last + after)));
    log
}

fn push(log: &mut Vec<Input>, record_ms: Option<i64>, event: Result<reference::Event, String>) {
    let offset = log.len() as i64;
    log.push(Input { partition: 0, offset, index: 0, record_ms, event });
}

fn tick(ms: i64) -> reference::Event {
    reference::Event { kind: Kind::Tick, ..event("", "", "", ms) }
}

fn event(account: &str, user: &str, name: &str, ms: i64) -> reference::Event {
    reference::Event {
        message_id: String::new(),
        source: "app".into(),
        kind: Kind::Track,
        name: name.into(),
        user: user.into(),
        account: account.into(),
        ms,
        properties: Map::new(),
        traits: Map::new(),
        provenance: None,
    }
}

fn simulate_account(rng: &mut SmallRng, account: &str, first_day: i64, arrivals: &mut Vec<(i64, reference::Event)>) {
    let moods = [Mood::Steady, Mood::Growing, Mood::Fading, Mood::Joining, Mood::Silent, Mood::Passive];
    let mut day = first_day + rng.random_range(0..50);
    let last_day = day + rng.random_range(30..170);
    let (mut users, mut mood, mut since) = (rng.random_range(1..6_usize), moods[rng.random_range(0..moods.len())], day);
    if rng.random_bool(0.3) {
        let created = day * DAY + rng.random_range(-30..30) * HOUR;
        let mut group = event(account, "", "", day * DAY + rng.random_range(0..DAY));
        group.kind = Kind::Group;
        group
            .traits
            .insert("createdAt".into(), if rng.random_bool(0.5) { json!(created) } else { json!(created / 1_000) });
        arrive(rng, group, arrivals);
    }
    while day < last_day {
        if day - since > rng.random_range(14..70) {
            (mood, since) = (moods[rng.random_range(0..moods.len())], day);
        }
        let weeks = (day - since) / 7;
        let share = match mood {
            Mood::Steady => 0.6,
            Mood::Growing => 0.1 + 0.12 * weeks as f64,
            Mood::Fading => 0.9 - 0.12 * weeks as f64,
            Mood::Joining => 0.3,
            Mood::Silent | Mood::Passive => 0.01,
        };
        let joiners = if mood == Mood::Joining && rng.random_bool(0.5) {
            rng.random_range(1..4)
        } else {
            usize::from(rng.random_bool(0.02))
        };
        if mood == Mood::Growing && users < 10 {
            users = 10;
        }
        for user in users..users + joiners {
            let name = if rng.random_bool(0.5) { "Signed Up" } else { "Feature Used" };
            let at = day * DAY + rng.random_range(0..DAY);
            arrive(rng, event(account, &format!("u{user}"), name, at), arrivals);
        }
        users = (users + joiners).min(24);
        for user in 0..users {
            if rng.random_bool(f64::clamp(share, 0.0, 1.0)) {
                let at = day * DAY + rng.random_range(0..DAY);
                arrive(rng, event(account, &format!("u{user}"), "Feature Used", at), arrivals);
            }
        }
        rare_events(rng, account, users, day, mood, arrivals);
        day += match rng.random_range(0..900) {
            0 => 400,
            1 => 401,
            2 => rng.random_range(57..66),
            3 => 460,
            4 => 30,
            _ => 1,
        };
    }
}

fn rare_events(
    rng: &mut SmallRng,
    account: &str,
    users: usize,
    day: i64,
    mood: Mood,
    arrivals: &mut Vec<(i64, reference::Event)>,
) {
    let at = day * DAY + rng.random_range(0..DAY);
    let user = if rng.random_bool(0.1) { String::new() } else { format!("u{}", rng.random_range(0..users)) };
    if rng.random_bool(if mood == Mood::Passive { 0.5 } else { 0.12 }) {
        let gap = [0, MINUTE, 29 * MINUTE, 30 * MINUTE, 2 * HOUR][rng.random_range(0..5)];
        for view in 0..rng.random_range(1..4) {
            let (kind, name) = [
                (Kind::Page, "pricing"),
                (Kind::Track, "Pricing Viewed"),
                (Kind::Screen, "Pricing"),
                (Kind::Page, "Home"),
            ][if view == 0 { 0 } else { rng.random_range(0..4) }];
            let viewed = reference::Event { kind, ..event(account, &user, name, at + view * gap) };
            arrive(rng, viewed, arrivals);
        }
    }
    if rng.random_bool(0.02) {
        arrive(rng, event(account, &user, "Enterprise Feature Requested", at), arrivals);
    }
    if rng.random_bool(0.01) {
        arrive(rng, event(account, &user, "contact sales", at), arrivals);
    }
    if rng.random_bool(0.02) {
        let mut changed = event(account, &user, "Subscription Changed", at);
        if rng.random_bool(0.8) {
            changed.properties.insert("plan".into(), json!(["team", "Enterprise", "free"][rng.random_range(0..3)]));
        }
        if rng.random_bool(0.8) {
            changed.properties.insert("paid".into(), json!(rng.random_bool(0.5)));
        }
        arrive(rng, changed, arrivals);
    }
    if rng.random_bool(0.03) {
        let kind = [Kind::Identify, Kind::Alias, Kind::Page][rng.random_range(0..3)];
        arrive(rng, reference::Event { kind, ..event(account, &user, "", at) }, arrivals);
    }
}

/// Most events arrive at once, some within the lateness, a few long after.
fn arrive(rng: &mut SmallRng, event: reference::Event, arrivals: &mut Vec<(i64, reference::Event)>) {
    let late = match rng.random_range(0..100) {
        0..60 => 0,
        60..97 => rng.random_range(0..HOUR),
        97..99 => rng.random_range(0..10 * DAY),
        _ => rng.random_range(40 * DAY..62 * DAY),
    };
    arrivals.push((event.ms + late, event));
}
