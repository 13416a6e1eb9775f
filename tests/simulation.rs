//! Simulates random products with random faults and crashes: the fold must publish the same as the naive reference
//! model (`tests/reference/`), and publish it once however often it crashes.
//!
//! A failure prints its seed. `UPSWELL_SIMULATION_SEED=7 cargo test --test simulation` runs one seed,
//! `UPSWELL_SIMULATION_SEEDS=5000` this number of seeds: three quarters have the default rules, a quarter (seeds from
//! 1,000,000 on) random rules; in addition, an eighth (seeds from 2,000,000 on) has random rules that are replaced
//! within the log. A failure with random rules is printed with only the signals, triggers and events that it needs. Add
//! a seed that failed to `SEEDS_THAT_FAILED`; these run too, unless fewer seeds than usual are set.

mod products;
mod reference;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use products::{CHANGES, PACKS, Product, packs, packs_of, seen};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use reference::pack::DEFAULT;
use reference::{Input, Kind, Settings};
use serde_json::{Map, Value};
use upswell::engine::{BlockName, Cut, FORMATS, Partition, Record, Unlike};
use upswell::kafka::partition_of;
use upswell::model::{self, EventKind, EventTime, Feed, Fields, Outcome, Provenance, Wanted};
use upswell::{rules, wire};

const SEEDS_THAT_FAILED: [u64; 9] = [30, 33, 89, 594, 1_000_004, 1_000_014, 1_000_025, 1_000_035, 2_000_011];
const SEEDS: u64 = 80;

const DAY: i64 = 86_400_000;

/// Whether a snapshot is taken before the record at a place.
type Takes<'a> = Option<&'a dyn Fn(usize) -> bool>;

/// Neither crashes nor snapshots.
const NO_CRASH: (&[usize], Takes<'_>) = (&[], None);

#[test]
fn the_fold_agrees_with_the_reference_and_survives_crashes() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds: Vec<u64> = match number("UPSWELL_SIMULATION_SEED") {
        Some(seed) => vec![seed],
        None => {
            let all = number("UPSWELL_SIMULATION_SEEDS").unwrap_or(SEEDS);
            let of_packs = all / 4;
            let of_changes = all.div_ceil(8);
            let of_packs = (PACKS..PACKS + of_packs).chain(CHANGES..CHANGES + of_changes);
            let failed = SEEDS_THAT_FAILED.into_iter().filter(|_| all >= SEEDS);
            failed.chain(0..all - all / 4).chain(of_packs).collect()
        }
    };
    let next = AtomicUsize::new(0);
    let mut shown: BTreeMap<String, u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        let work = || {
            let mut shown = BTreeMap::new();
            while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                try_seed(*seed, &mut shown);
            }
            shown
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            for (what, times) in worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                *shown.entry(what).or_default() += times;
            }
        }
    });
    // A few seeds do not cover everything.
    if number("UPSWELL_SIMULATION_SEED").is_none() && seeds.len() as u64 >= SEEDS {
        println!("{shown:#?}");
        let missing: Vec<&&str> = seen::WANTED.iter().filter(|wanted| !shown.contains_key(**wanted)).collect();
        assert!(missing.is_empty(), "no seed showed {missing:?}: {shown:#?}");
    }
}

/// The bytes of a state depend on the layout of what is stored, and on what the fold makes of a log. A version that changes
/// either must not go on from snapshots of the one before.
#[test]
fn a_change_of_what_is_stored_raises_the_format() {
    let state = |seed| {
        let product = products::product(seed);
        let plan = Arc::new(rules::parse("simulation", &rules_of(&product.settings)).expect("rules"));
        fold(&plan, &encode(&product), NO_CRASH, Wanted::ALL).state
    };
    let states = [0, PACKS, CHANGES].map(state);
    let hash = BlockName::of(format!("{states:?}").as_bytes());
    let expected = (4, "076d529b7451ea4b7e34876e4f346cb4");
    assert_eq!(
        (*FORMATS.end(), &*format!("{:032x}", hash.0)),
        expected,
        "snapshots have other bytes: raise the last of engine::FORMATS, unless only these products have changed, and write both here"
    );
}

/// Runs one product through the model and the fold. `shown` counts the cases that it covers.
fn try_seed(seed: u64, shown: &mut BTreeMap<String, u64>) {
    let _named = NamedIfItFails(seed);
    let product = products::product(seed);
    let (expected, whole, records) = agree(seed, &product);
    let Product { log, settings } = &product;
    let texts: Vec<String> =
        packs_of(&product).into_iter().map(|pack| rules_of(&Settings { pack, ..*settings })).collect();
    let plan = Arc::new(rules::parse("simulation", &texts[0]).expect("rules"));
    let mut rng = SmallRng::seed_from_u64(seed ^ 0xc4a5);
    let mut crashes: Vec<usize> = (0..rng.random_range(1..6)).map(|_| rng.random_range(0..=records.len())).collect();
    crashes.sort_unstable();
    let mut chance = SmallRng::seed_from_u64(seed ^ 0xfeed);
    let ids: BTreeSet<Box<str>> = plan.feed_ids().filter(|_| chance.random_bool(0.5)).map(Into::into).collect();
    let thinned: Vec<String> = whole.published.iter().filter_map(|line| only(&ids, line)).collect();
    let bare = fold(&plan, &records, NO_CRASH, Wanted { signals: Feed::Only(Arc::new(ids)), ..Wanted::LEAST });
    assert_eq!(bare.outcomes, whole.outcomes, "seed {seed}: outcomes without profiles and metrics");
    assert_eq!(bare.trail, whole.trail, "seed {seed}: the trail depends on what is built");
    assert_eq!(bare.published, thinned, "seed {seed}: messages without profiles, metrics and some of the feed");
    let least = fold(&plan, &records, NO_CRASH, Wanted::LEAST);
    let but_signals = whole.published.iter().filter(|line| !line.contains(r#""entries":"#));
    assert!(but_signals.eq(&least.published), "seed {seed}: messages without the signals feed");
    assert_eq!(least.entries, whole.entries, "seed {seed}: entries that are counted and not built");
    let crashed = fold(&plan, &records, (&crashes, None), Wanted::ALL);
    assert!(whole.published == crashed.published, "seed {seed}: crashes at {crashes:?} can be seen");
    assert!(whole.rows == crashed.rows, "seed {seed}: crashes at {crashes:?} can be seen in profiles");
    assert!(whole.profiles == crashed.profiles, "seed {seed}: crashes at {crashes:?} are seen at the end");
    // Until the next close, what other rules have not decided yet is part of the state: crashes follow snapshots there.
    let activates = |input: &Input| input.event.as_ref().is_ok_and(|event| event.rules.is_some());
    let after_activations: Vec<usize> =
        (1..records.len()).filter(|place| log.get(place - 1).is_some_and(activates)).collect();
    let mut restores = [crashes.clone(), after_activations.iter().map(|place| place + 1).collect()].concat();
    restores.sort_unstable();
    let every = chance.random_range(1..records.len().max(2));
    let takes = |place: usize| place.is_multiple_of(every) || after_activations.contains(&place);
    let restored = fold(&plan, &records, (&restores, Some(&takes)), Wanted::ALL);
    assert!(
        whole.is(&restored),
        "seed {seed}: snapshots every {every} records and crashes at {restores:?} can be seen"
    );
    assert!(whole.state == restored.state, "seed {seed}: the state depends on snapshots every {every} records");
    assert!(whole.state == crashed.state, "seed {seed}: the state depends on crashes at {crashes:?}");
    assert!(restored.stored > 0, "seed {seed}: nothing was stored");
    let changed = activate(&mut rng, log, &records, |_, applies| texts[applies].clone());
    assert!(
        whole.is(&fold(&plan, &changed, NO_CRASH, Wanted::ALL)),
        "seed {seed}: activating the rules that apply can be seen"
    );
    let in_turn = |nth: usize, applies: usize| {
        if nth.is_multiple_of(2) { turned(&texts[applies]) } else { texts[applies].clone() }
    };
    let changed = activate(&mut rng, log, &records, in_turn);
    let turned = fold(&plan, &changed, (&crashes, Some(&takes)), Wanted::ALL);
    let moves = Vec::from_iter((0..3).map(|_| (rng.random_range(0..=records.len()), rng.random_range(1..4))));
    let stays = move_log(&mut rng, &plan, &records, &[], &BTreeSet::new());
    // Which source was read how far is known less exactly after a move.
    let moved = move_log(&mut rng, &plan, &records, &moves, &stays.replayed);
    for (key, expected) in &stays.said {
        let found = moved.said.get(key).map_or(&[][..], Vec::as_slice);
        let first = expected.iter().zip(found).position(|(expected, found)| expected != found);
        let at = first.unwrap_or(expected.len().min(found.len()));
        let (expected, found) = (expected.get(at), found.get(at));
        assert!(
            expected == found,
            "seed {seed}: moves {moves:?} can be seen: {key:?}, {at}: {expected:#?}\n{found:#?}"
        );
    }
    assert!(stays.said.len() == moved.said.len(), "seed {seed}: after moves {moves:?} there are other accounts");
    *shown.entry("moves of the log to other partitions".to_owned()).or_default() += moved.moves;
    // A pack may have several signals of an occurrence, of which the first is named.
    if seed < PACKS {
        compare_sets(seed, &whole, &turned);
    }
    seen::count(&product, &expected, shown);
}

/// Checks that the fold and the model agree. If they do not and the rules are random, prints the smallest product found
/// with which they do not.
fn agree(seed: u64, product: &Product) -> (reference::Output, FoldOutput, Vec<(Record, Vec<u8>)>) {
    let agreement = |product: &Product| {
        let expected = reference::run(&product.log, &product.settings);
        let records = encode(product);
        let plan = Arc::new(rules::parse("simulation", &rules_of(&product.settings)).expect("rules"));
        let whole = fold(&plan, &records, NO_CRASH, Wanted::ALL);
        compare(seed, &product.log, &expected, &whole);
        (expected, whole, records)
    };
    if seed < PACKS {
        return agreement(product);
    }
    let differs = |product: &Product| {
        let is_read = |pack| rules::parse("simulation", &rules_of(&Settings { pack, ..product.settings })).is_ok();
        packs_of(product).into_iter().all(is_read)
            && std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| agreement(product))).is_err()
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| agreement(product))).unwrap_or_else(|_| {
        let small = products::shrink::shrink(product, &differs);
        eprintln!("{}", products::shrink::describe(&small));
        agreement(&small)
    })
}

/// Prints the seed if anything panics.
struct NamedIfItFails(u64);

impl Drop for NamedIfItFails {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("UPSWELL_SIMULATION_SEED={}", self.0);
        }
    }
}

// What the model knows of each message.
const ENTRY: [&str; 10] =
    ["user", "signal", "kind", "rungBefore", "rungAfter", "reason", "rail", "trigger", "facts", "factsLeftOut"];
const TRACK: [&str; 5] = ["account", "track", "before", "atMs", "notifySales"];
const PROFILE: [&str; 8] = ["account", "user", "score", "tier", "activeUsers", "departments", "segment", "band"];
const ROW: [&str; 10] =
    ["account", "user", "score", "tier", "activeUsers", "departments", "segment", "band", "gone", "atMs"];
const HANDOFF: [&str; 20] = [
    "handoffId",
    "account",
    "trigger",
    "level",
    "atMs",
    "dueFromMs",
    "dueMs",
    "notBeforeMs",
    "also",
    "userIds",
    "userIdsLeftOut",
    "segment",
    "tier",
    "route",
    "attribution",
    "holdout",
    "score",
    "findBuyer",
    "facts",
    "factsLeftOut",
];

/// A published line without the entries of other signals and triggers than these; none if none are left.
fn only(ids: &BTreeSet<Box<str>>, line: &str) -> Option<String> {
    let mut message: Value = line.parse().unwrap();
    let Some(entries) = message["entries"].as_array_mut() else { return Some(line.to_owned()) };
    entries.retain(|entry| {
        ["signal", "trigger"].iter().any(|key| entry[*key].as_str().is_some_and(|id| ids.contains(id)))
    });
    // The logs are too small for a message of several parts, which would be numbered anew.
    assert!(!entries.is_empty() || message.get("part").is_none());
    (message["entries"] != Value::Array(Vec::new()))
        .then(|| wire::read_json(wire::Kind::SignalChanges, message.to_string().as_bytes()).unwrap())
}

/// The output of the fold.
#[derive(Default)]
struct FoldOutput {
    outcomes: Vec<Outcome>,
    /// By account: metrics, handoffs and signals.
    metrics: Vec<Value>,
    /// Handoffs, signals and tracks as lines, in order.
    published: Vec<String>,
    /// How many entries the signals feed has.
    entries: u64,
    /// The published profiles of accounts and users as lines, in order.
    rows: Vec<String>,
    /// The accounts and users at the end, as lines.
    profiles: Vec<String>,
    /// The state at the end: its head, and the names of its blocks.
    state: Option<(Vec<u8>, Vec<BlockName>)>,
    trail: u64,
    /// How many blocks were stored.
    stored: usize,
}

impl FoldOutput {
    /// Whether both outputs are the same.
    fn is(&self, other: &FoldOutput) -> bool {
        let parts = |it: &FoldOutput| (it.outcomes.clone(), it.published.clone(), it.rows.clone(), it.profiles.clone());
        parts(self) == parts(other) && self.metrics == other.metrics
    }
}

/// The log with further records that activate rules: the nth of them the rules that `rules` returns, given the rules of
/// the log that apply there.
fn activate(
    rng: &mut SmallRng,
    log: &[Input],
    records: &[(Record, Vec<u8>)],
    rules: impl Fn(usize, usize) -> String,
) -> Vec<(Record, Vec<u8>)> {
    // It does not move time.
    let earliest = log.iter().filter_map(|input| Some(input.event.as_ref().ok()?.ms)).min().unwrap_or(0);
    let mut changed = records.to_vec();
    let mut places: Vec<usize> =
        (0..rng.random_range(1..5)).map(|_| rng.random_range(records.len() / 8..records.len())).collect();
    places.sort_unstable();
    for (nth, place) in places.into_iter().enumerate().rev() {
        let is_activation = |input: &&Input| input.event.as_ref().is_ok_and(|event| event.rules.is_some());
        let rules = rules(nth, log[..place].iter().filter(is_activation).count());
        let bytes = wire::encode_activation(wire::Format::Protobuf, &rules, EventTime(earliest));
        changed.insert(place, (Record { offset: records[place].0.offset, time: None }, bytes));
    }
    changed
}

/// The same rules with their signals in another order, and so at other indices of all state.
fn turned(text: &str) -> String {
    let mut file: Value = serde_saphyr::from_str(text).expect("rules");
    file["signals"].as_array_mut().expect("a list").reverse();
    file["meters"]["a_meter_before_all_others"] = serde_json::json!({"role": "limit_hit"});
    file.to_string()
}

/// Checks that rules with their signals in another order give the same output, apart from the order within an instant
/// and the order of the evidence of a score.
fn compare_sets(seed: u64, whole: &FoldOutput, turned: &FoldOutput) {
    assert_eq!(whole.outcomes, turned.outcomes, "seed {seed}");
    assert!(whole.metrics == turned.metrics, "seed {seed}: metrics differ");
    let sorted = |output: &FoldOutput| {
        let plain = |line: &String| {
            let mut value: Value = serde_json::from_str(line).expect("JSON");
            for name in ["rulesVersion", "why", "points", "facts", "next", "asOfMs"] {
                value.as_object_mut().expect("an object").remove(name);
            }
            if let Some(entries) = value.get_mut("entries").and_then(Value::as_array_mut) {
                for entry in &mut *entries {
                    entry.as_object_mut().expect("an object").remove("facts");
                }
                entries.sort_by_key(Value::to_string);
            }
            value.to_string()
        };
        let mut lines: Vec<String> = output.published.iter().map(plain).collect();
        lines.sort();
        lines
    };
    let (whole, turned) = (sorted(whole), sorted(turned));
    for place in 0..whole.len().max(turned.len()) {
        assert_eq!(whole.get(place), turned.get(place), "seed {seed}: rules in another order say something else");
    }
}

/// The default rules, with the settings of a product.
fn rules_of(settings: &Settings) -> String {
    let mut text = rules::DEFAULT.to_owned();
    let mut set = |from: &str, to: String| {
        assert!(text.contains(from), "the default pack has no `{from}`");
        text = text.replace(from, &to);
    };
    set("holdout: { share: 0,", format!("holdout: {{ share: {},", settings.holdout_share));
    set("fold: false", format!("fold: {}", settings.fold_ids));
    if settings.utc_offset_ms != 0 {
        let minutes = settings.utc_offset_ms / 60_000;
        let sign = if minutes < 0 { '-' } else { '+' };
        let offset = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
        set("# utc_offset: \"-08:00\"", format!("utc_offset: \"{offset}\""));
    }
    if settings.exclude {
        let exclude = "exclude: { users: [u1], hosts: [\"vendor.*\"], properties: { is_test: true } }";
        set("\nroles:\n", format!("\n{exclude}\nroles:\n"));
    }
    if let Some(ms) = settings.live_from_ms {
        set(
            "# live_from: 2026-01-01T00:00:00Z",
            format!("live_from: {}T00:00:00Z", reference::date(ms.div_euclid(DAY))),
        );
    }
    if *settings.pack != *DEFAULT { packs::write(&text, settings.pack) } else { text }
}

/// Folds the log of one partition. A crash loses everything since a commit some records before, and a new partition
/// folds the log from its beginning, or where snapshots are taken from the last one before the commit, and drops the
/// effects up to the commit. With profiles and metrics closes visit more accounts.
fn fold(
    plan: &Arc<rules::Plan>,
    records: &[(Record, Vec<u8>)],
    (crashes, takes): (&[usize], Takes<'_>),
    wanted: Wanted,
) -> FoldOutput {
    let mut output = FoldOutput::default();
    let mut committed = 0;
    let mut store = Store::default();
    for stop in crashes.iter().copied().chain([records.len()]) {
        let (from, mut partition) = store.restore(committed).unwrap_or_else(|| (0, Partition::new(plan.clone())));
        let mut effects = model::Effects::new(wanted.clone());
        let mut cut = None;
        for (place, (record, bytes)) in records.iter().enumerate().take(stop.max(committed)).skip(from) {
            if takes.is_some_and(|takes| takes(place)) {
                // The pages of a cut are stored while the partition goes on.
                store.add(cut.replace((place, Arc::clone(partition.plan()), partition.cut().unwrap())));
            }
            for (index, decoded) in (0..).zip(wire::decode_admitting(wire::Admit::Any, wire::Format::Protobuf, bytes)) {
                let is_activation = decoded.event.as_ref().is_ok_and(|event| event.kind == EventKind::RulesActivation);
                let ready = rules::Ready::new(&decoded).expect("rules of this version");
                let letters = effects.dead_letters.len();
                let outcome = partition.apply_one(*record, index, &ready, &mut effects).outcome;
                let is_left = matches!(
                    outcome,
                    Outcome::Malformed | Outcome::FromTheFuture | Outcome::TooLate | Outcome::Refused
                );
                assert_eq!(effects.dead_letters.len() - letters, usize::from(is_left), "a dead letter of {outcome:?}");
                assert!(!is_activation || outcome == Outcome::Applied, "rules are refused");
                if place >= committed && !is_activation {
                    output.outcomes.push(outcome);
                }
            }
            if place >= committed {
                output.entries += effects.entries;
                output.published.extend(effects.handoffs.iter().map(ToWireLine::line));
                output.published.extend(effects.signals.iter().map(ToWireLine::line));
                output.published.extend(effects.onboarding.iter().map(ToWireLine::line));
                output.metrics.extend(effects.metrics.iter().map(|row| serde_json::to_value(row).unwrap()));
                output.rows.extend(effects.accounts.iter().map(ToWireLine::line));
                output.rows.extend(effects.users.iter().map(row_of_user));
            }
            effects.clear();
        }
        store.add(cut);
        committed = stop.max(committed);
        let mut last = Store::default();
        last.add(Some((committed, Arc::clone(partition.plan()), partition.cut().unwrap())));
        output.state = last.snapshots.pop().map(|snapshot| (snapshot.head, snapshot.blocks));
        output.trail = partition.trail();
        let mut now = model::Effects::new(Wanted::ALL);
        partition.all_profiles(&mut now);
        output.profiles = now.accounts.iter().map(ToWireLine::line).chain(now.users.iter().map(row_of_user)).collect();
    }
    output.stored = store.blocks.len();
    output
}

/// Messages, and the profiles at the end, by their kind and account.
type Said = BTreeMap<(&'static str, String), Vec<String>>;

fn say(said: &mut Said, effects: &model::Effects) {
    let mut add = |kind, account: &str, line| said.entry((kind, account.to_owned())).or_default().push(line);
    effects.handoffs.iter().for_each(|it| add("handoffs", &it.account, it.line()));
    effects.signals.iter().for_each(|it| add("signals", &it.account, it.line()));
    effects.onboarding.iter().for_each(|it| add("onboarding", &it.account, it.line()));
    for row in &effects.metrics {
        let row = serde_json::to_value(row).unwrap();
        add("metrics", row["account"].as_str().unwrap(), row.to_string());
    }
    effects.accounts.iter().for_each(|it| add("accounts", &it.account, it.line()));
    effects.users.iter().for_each(|it| add("users", &it.account, row_of_user(it)));
}

/// What comes of a log that moves.
#[derive(Default)]
struct Moved {
    said: Said,
    moves: u64,
    /// The places of records that a source had brought before.
    replayed: BTreeSet<usize>,
}

/// Folds a log of one partition which moves before the records at some places to a log with other numbers of partitions.
/// Partitions without records get ticks now and then, always before their next record. It does not move within history, nor
/// before rules that were activated are decided. Records at the places `but` are left out.
fn move_log(
    rng: &mut SmallRng,
    plan: &Arc<rules::Plan>,
    records: &[(Record, Vec<u8>)],
    moves: &[(usize, usize)],
    but: &BTreeSet<usize>,
) -> Moved {
    let mut moved = Moved::default();
    let (mut partitions, mut passed) = (vec![Partition::new(Arc::clone(plan))], 0);
    let said = &mut moved.said;
    let mut apply = |partition: &mut Partition, record, bytes: &[u8]| {
        let (mut effects, mut is_replayed) = (model::Effects::new(Wanted::ALL), false);
        for decoded in wire::decode_admitting(wire::Admit::Any, wire::Format::Protobuf, bytes) {
            let ready = rules::Ready::new(&decoded).expect("rules of this version");
            is_replayed |= partition.apply_one(record, 0, &ready, &mut effects).outcome == Outcome::Replayed;
        }
        say(said, &effects);
        is_replayed
    };
    let tick = |time: EventTime| wire::encode_tick(wire::Format::Protobuf, time);
    for (place, (record, bytes)) in records.iter().enumerate().filter(|(place, _)| !but.contains(place)) {
        let now = partitions.iter().filter_map(Partition::highest).max();
        let no_time = |offset| Record { offset, time: None };
        for (_, count) in moves.iter().filter(|(at, _)| *at == place) {
            let last = partitions.iter().filter_map(Partition::open_day).max();
            for partition in partitions.iter_mut().filter(|it| it.open_day() < last) {
                apply(partition, no_time(record.offset - passed), &tick(now.unwrap()));
            }
            let copies = partitions.iter_mut().map(|it| (copy(it), record.offset - passed)).collect();
            let number = |account: &str| partition_of(account.as_bytes(), *count as i32) as usize;
            match Partition::reshard(copies, *count, number, |_, _| true) {
                Ok(new) => (partitions, passed, moved.moves) = (new, record.offset, moved.moves + 1),
                Err(Unlike::History(_) | Unlike::Warming(_)) => continue,
                Err(unlike) => panic!("{unlike}"),
            }
            if let Some(now) = now {
                partitions.iter_mut().for_each(|partition| _ = apply(partition, no_time(0), &tick(now)));
            }
        }
        let offset = record.offset - passed;
        let owner = wire::decode_admitting(wire::Admit::Any, wire::Format::Protobuf, bytes).find_map(|decoded| {
            let event = decoded.event.ok().filter(|event| !event.kind.is_control())?;
            let account =
                if plan.ids.fold { rules::folded(&event.account).into_owned() } else { event.account.to_string() };
            Some(partition_of(account.as_bytes(), partitions.len() as i32) as usize)
        });
        for (number, partition) in partitions.iter_mut().enumerate() {
            let is_concerned = owner.is_none_or(|owner| owner == number);
            if let Some(now) =
                now.filter(|now| partition.highest() < Some(*now) && (is_concerned || rng.random_bool(0.3)))
            {
                apply(partition, no_time(offset), &tick(now));
            }
            if is_concerned && apply(partition, Record { offset, ..*record }, bytes) {
                moved.replayed.insert(place);
            }
        }
    }
    let now = partitions.iter().filter_map(Partition::highest).max();
    for partition in &mut partitions {
        now.iter()
            .for_each(|now| _ = apply(partition, Record { offset: i64::from(i32::MAX), time: None }, &tick(*now)));
    }
    let mut effects = model::Effects::new(Wanted::ALL);
    partitions.iter_mut().for_each(|partition| partition.all_profiles(&mut effects));
    say(&mut moved.said, &effects);
    moved
}

/// A partition that is stored and restored.
fn copy(partition: &mut Partition) -> Partition {
    let mut store = Store::default();
    store.add(Some((0, Arc::clone(partition.plan()), partition.cut().unwrap())));
    partition.forget_stored();
    store.restore(0).unwrap().1
}

/// Stored snapshots of a partition, and their blocks.
#[derive(Default)]
struct Store {
    snapshots: Vec<Snapshot>,
    blocks: BTreeMap<BlockName, Vec<u8>>,
}

struct Snapshot {
    /// After how many records it was taken.
    place: usize,
    plan: Arc<rules::Plan>,
    head: Vec<u8>,
    blocks: Vec<BlockName>,
}

impl Store {
    fn add(&mut self, cut: Option<(usize, Arc<rules::Plan>, Cut)>) {
        let Some((place, plan, Cut { head, mut blocks })) = cut else { return };
        let mut names = Vec::new();
        for block in &mut blocks {
            let name = block.name().unwrap_or_else(|| {
                let bytes = block.encode().unwrap();
                let name = BlockName::of(&bytes);
                self.blocks.insert(name, bytes);
                name
            });
            block.note_stored(name);
            names.push(name);
        }
        self.snapshots.push(Snapshot { place, plan, head, blocks: names });
    }

    /// The partition as it was at the last snapshot at or before this place, if there is one.
    fn restore(&mut self, committed: usize) -> Option<(usize, Partition)> {
        let last = self.snapshots.iter().rev().find(|snapshot| snapshot.place <= committed)?;
        let mut blocks = last.blocks.iter().map(|name| Ok((*name, self.blocks[name].clone())));
        let partition = Partition::restore(Arc::clone(&last.plan), *FORMATS.end(), &last.head, &mut blocks).unwrap();
        assert!(blocks.next().is_none(), "blocks are left");
        Some((last.place, partition))
    }
}

fn row_of_user(profile: &model::UserProfile) -> String {
    match profile.gone {
        true => {
            let (account, user, at) = (&profile.account, &profile.user.user, profile.at.0.to_string());
            serde_json::json!({"account": account, "user": user, "gone": true, "atMs": at}).to_string()
        }
        false => profile.line(),
    }
}

trait ToWireLine {
    fn line(&self) -> String;
}

impl<T: wire::ToWire> ToWireLine for T {
    fn line(&self) -> String {
        self.to_json()
    }
}

fn compare(seed: u64, log: &[Input], expected: &reference::Output, output: &FoldOutput) {
    let counts = |(input, _): &(&Input, _)| !input.event.as_ref().is_ok_and(|event| event.rules.is_some());
    let outcomes = log.iter().zip(&expected.outcomes).filter(counts);
    for ((input, expected), found) in outcomes.zip(&output.outcomes) {
        assert_eq!(format!("{expected:?}"), format!("{found:?}"), "seed {seed}: outcome of {input:?}");
    }
    let mut found: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for value in output.published.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let (what, value) = if value.get("handoffId").is_some() {
            ("handoffs", comparable(seed, &value))
        } else if value.get("track").is_some() {
            ("tracks", known(&value, &TRACK))
        } else {
            ("signals", said(&value))
        };
        found.entry(what).or_default().push(value);
    }
    same_by_account(seed, "metrics", &expected.metrics, &output.metrics);
    for (what, expected) in
        [("signals", &expected.signals), ("handoffs", &expected.handoffs), ("tracks", &expected.onboarding)]
    {
        same_by_account(seed, what, expected, found.get(what).map_or(&[], Vec::as_slice));
    }
    let rows = output.rows.iter().map(|line| known(&serde_json::from_str(line).unwrap(), &ROW)).collect::<Vec<_>>();
    // Of each key: profiles of accounts and of users are two outputs, whose order to each other is free.
    let by_key = |rows: &[Value]| {
        let keyed = |row: &Value| {
            let key = format!("{} {}", row["account"], row["user"]);
            let mut row = row.clone();
            row["account"] = key.into();
            row
        };
        rows.iter().map(keyed).collect::<Vec<_>>()
    };
    same_by_account(seed, "profiles", &by_key(&expected.profiles), &by_key(&rows));
    same_profiles(seed, expected, &output.profiles);
}

/// What the model knows of a message of the feed.
fn said(message: &Value) -> Value {
    let mut said = known(message, &["account", "atMs", "part", "last"]);
    let entries = message["entries"].as_array().map_or(&[][..], Vec::as_slice);
    said["entries"] = entries.iter().map(|entry| known(entry, &ENTRY)).collect();
    said
}

/// Checks that every account and user of the model has the same profile in the fold.
fn same_profiles(seed: u64, expected: &reference::Output, found: &[String]) {
    let key = |value: &Value| (value["account"].to_string(), value["user"].to_string());
    let found: BTreeMap<_, Value> =
        found.iter().map(|line| serde_json::from_str(line).unwrap()).map(|value| (key(&value), value)).collect();
    for expected in expected.accounts.iter().chain(&expected.users) {
        let found = found.get(&key(expected)).map(|found| known(found, &PROFILE));
        assert!(
            found.as_ref() == Some(expected),
            "seed {seed}: at the end:\nreference {expected}\nengine    {}",
            found.as_ref().map_or("nothing".into(), Value::to_string)
        );
    }
}

/// Some fields of an object, as far as it has them.
fn known(value: &Value, keys: &[&str]) -> Value {
    let known = keys.iter().filter_map(|key| Some(((*key).to_owned(), value.get(*key)?.clone())));
    Value::Object(known.collect::<Map<String, Value>>())
}

/// What the model knows of a handoff; its score is the sum of its points.
fn comparable(seed: u64, handoff: &Value) -> Value {
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let points = handoff["points"].as_array().map_or(0, |all| all.iter().map(|one| number(&one["points"])).sum());
    assert_eq!(number(&handoff["score"]), points, "seed {seed}: the score is not the sum of its points: {handoff}");
    let mut comparable = known(handoff, &HANDOFF);
    comparable["usage"] = known(&handoff["usage"], &["activeUsers", "dau", "wau", "mau"]);
    comparable["money"] = known(&handoff["money"], &["potential"]);
    if let Some(users) = handoff["topUsers"].as_array() {
        comparable["topUsers"] = users.iter().map(|user| known(user, &["user", "score", "band", "isBuyer"])).collect();
    }
    comparable
}

/// Compares the messages of each account. At one instant their order is free, except for the changes of one signal.
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
        let (all_expected, all_found) = (expected, found);
        for place in 0..expected.len().max(found.len()) {
            let (expected, found) = (expected.get(place), found.get(place));
            let equal = match (expected, found) {
                (Some(expected), Some(found)) => same(expected, found),
                _ => false,
            };
            assert!(
                equal,
                "seed {seed}: {what} of {account}, line {place}:\nreference\n{}engine\n{}",
                around(all_expected, place),
                around(all_found, place)
            );
        }
    }
}

/// The lines around a place, with this place marked.
fn around(values: &[Value], place: usize) -> String {
    let line = |(at, value): (usize, &Value)| format!("{} {value}\n", if at == place { '>' } else { ' ' });
    values.iter().enumerate().skip(place.saturating_sub(2)).take(5).map(line).collect()
}

/// Whether two values are equal; rounded figures may differ by 1e-9 relative or 1e-12 absolute (semantics C8).
fn same(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| same(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(expected, found)| same(expected, found))
        }
        (Value::Number(expected), Value::Number(found)) => {
            let (expected, found) = (expected.as_f64().unwrap(), found.as_f64().unwrap());
            (expected - found).abs() <= 1e-12_f64.max(1e-9 * expected.abs())
        }
        _ => expected == found,
    }
}

fn encode(Product { log, settings }: &Product) -> Vec<(Record, Vec<u8>)> {
    let bytes = |event: &reference::Event| match event.rules {
        Some(pack) => {
            let rules = rules_of(&Settings { pack, ..*settings });
            wire::encode_activation(wire::Format::Protobuf, &rules, EventTime(event.ms))
        }
        None => encode_event(event),
    };
    log.iter()
        .map(|input| {
            let record = Record { offset: input.offset, time: input.record_ms.map(EventTime) };
            let bytes = input.event.as_ref().map_or(b"\xffnot an event".to_vec(), bytes);
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
            Kind::BackfillBegin => EventKind::BackfillBegin,
            Kind::BackfillEnd => EventKind::BackfillEnd,
            Kind::Forget => EventKind::Forget,
        },
        name: event.name.as_str().into(),
        user: event.user.as_str().into(),
        anonymous_id: "".into(),
        account: event.account.as_str().into(),
        time: EventTime(event.ms),
        received: None,
        properties: Fields::Json(&properties),
        traits: Fields::Json(&traits),
        context: model::Fields::None,
        provenance: event.provenance.as_ref().map(|(topic, partition, offset)| Provenance {
            topic: topic.as_str().into(),
            partition: *partition,
            offset: *offset,
        }),
    })
}
