//! Measures the cost of decoding and folding an event, on the loads that `upswell generate --load` writes, and of
//! closing a day in a partition with a million users.
//!
//! `cargo bench --bench fold` folds the first 3 million events of each load with the default rules, and with rules of
//! two signals and two triggers. `--events N` sets the number of events; `--load NAME`, `--rules NAME` and `--closes`
//! run only a part. Each measurement runs in a process of its own, so that memory is measured separately, and prints a
//! hash of all effects, so that a wrong result shows: the same rules give the same hash on any machine. `--test` folds
//! a small part of a hundredth of the loads, for the hash only.

use std::alloc::{GlobalAlloc, Layout};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use upswell::engine::{Partition, Record, read_ahead};
use upswell::model::{DAY_MS, Day, Effects, EventTime, Outcome, Tally, Wanted};
use upswell::rules::{self, Plan, Ready};
use upswell::simulate::load::Load;
use upswell::wire::{self, Format, ToWire as _};
use xxhash_rust::xxh3::Xxh3;

const EVENTS: u64 = 3_000_000;
const SEED: u64 = 7;
/// How many records are decoded before they are folded, so that the cost of reading the clock is small.
const BATCH: usize = 128;
/// By how much the loads, the number of events and the benchmark of closes are smaller with `--test`.
const TEST_DIVISOR: u32 = 100;
const TEST_EVENTS: u64 = 20_000;

/// The rules by name.
const RULES: [&str; 2] = ["default", "two signals"];
/// Chapters that replace those of the default rules: two signals and two triggers, as a simple stream processor
/// computes them.
const TWO_SIGNALS: &str = "
meters: {}
signals:
  - { id: velocity.stickiness, kind: stickiness, scopes: [account], points: [10, 20], above_percent: [30, 50] }
  - { id: velocity.user_adds, kind: spike, scopes: [account], points: [15], in: [pqa], of: new_users, at_least: 5 }
triggers:
  - { id: five-new-users, level: medium, cooldown: 7d, when: velocity.user_adds >= 1 }
  - { id: sticky, level: low, cooldown: 7d, when: velocity.stickiness >= 2 }
routes: [{ route: inside_sales }]
money: {}
templates: []
";

/// The default rules with other chapters: a chapter begins at a key in the first column.
fn with_chapters(own: &str) -> String {
    let key = |line: &str| {
        line.split_once(':').filter(|_| line.starts_with(char::is_alphabetic)).map(|(key, _)| key.to_owned())
    };
    let replaced: Vec<String> = own.lines().filter_map(key).collect();
    let mut keeps = true;
    let kept = rules::DEFAULT.lines().filter(|line| {
        keeps = key(line).map_or(keeps, |key| !replaced.contains(&key));
        keeps
    });
    kept.chain(own.lines()).map(|line| format!("{line}\n")).collect()
}

/// The allocator of the program, with a count of the allocated bytes.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Adds to the count. Only one thread allocates, so a load and a store are enough, which cost less than an atomic
/// addition.
fn add(bytes: usize) {
    LIVE.store(LIVE.load(Relaxed).wrapping_add(bytes), Relaxed);
}

// SAFETY: every call is passed on to mimalloc as it is; counting touches only an atomic number.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { mimalloc::MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(layout.size().wrapping_neg());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { mimalloc::MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { mimalloc::MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size.wrapping_sub(layout.size()));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { mimalloc::MiMalloc.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The parsed arguments.
struct Arguments {
    events: u64,
    divisor: u32,
    load: Option<String>,
    rules: Option<String>,
    only_closes: bool,
}

fn main() {
    // As the program does: the memory that is measured is that of the service.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let mut arguments = std::env::args().skip(1);
    let mut wanted = Arguments { events: EVENTS, divisor: 1, load: None, rules: None, only_closes: false };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--measure-fold" => return measure_fold(&value(), value().parse().expect("a length")),
            "--measure-closes" => {
                let divisor = value().parse().expect("a divisor");
                return measure_closes(divisor, value() == "profiles");
            }
            "--events" => wanted.events = value().parse().expect("--events takes a number"),
            "--load" => wanted.load = Some(value()),
            "--rules" => wanted.rules = Some(value()),
            "--closes" => wanted.only_closes = true,
            "--test" => (wanted.events, wanted.divisor) = (TEST_EVENTS, TEST_DIVISOR),
            // Cargo adds it.
            "--bench" => {}
            other => panic!("no such argument: {other}; there are --events, --load, --rules, --closes and --test"),
        }
    }
    if !wanted.only_closes {
        folds(&wanted);
    }
    if wanted.only_closes || (wanted.load.is_none() && wanted.rules.is_none()) {
        closes(wanted.divisor);
    }
}

/// Runs the selected measurements of folds, and prints a table with a column for each.
fn folds(wanted: &Arguments) {
    let is_wanted = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let mut columns = Vec::new();
    for load in Load::ALL.into_iter().filter(|load| is_wanted(&wanted.load, load.name)) {
        let first = Day::from(jiff::civil::date(2025, 1, 6));
        let mut events = Vec::new();
        let mut event_bytes = Vec::new();
        for event in load.divided(wanted.divisor).play(SEED, first).take(wanted.events as usize) {
            event_bytes.clear();
            event.append(&mut event_bytes);
            events.extend_from_slice(&(event_bytes.len() as u32).to_le_bytes());
            events.extend_from_slice(&event_bytes);
        }
        for rules in RULES.into_iter().filter(|rules| is_wanted(&wanted.rules, rules)) {
            let folded: Folded = child(&["--measure-fold", rules, &events.len().to_string()], &events);
            columns.push(([load.name, rules].map(str::to_owned), folded));
        }
    }
    assert!(!columns.is_empty(), "no such load or rules");
    let row = |name: &str, cell: &dyn Fn(&Folded) -> String| {
        let cells: String = columns.iter().map(|(_, folded)| format!("{:>18}", cell(folded))).collect();
        println!("{name:<30}{cells}");
    };
    let heading = |at: usize| columns.iter().map(|(names, _)| format!("{:>18}", names[at])).collect::<String>();
    println!("{:<30}{}\n{:<30}{}", "load", heading(0), "rules", heading(1));
    row("events", &|it| thousands(it.events));
    row("  applied", &|it| thousands(it.applied));
    row("users", &|it| thousands(it.users));
    row("accounts", &|it| thousands(it.accounts));
    row("CPU an event", &|it| micros(it.total(), it.events));
    row("  decode", &|it| micros(it.decode, it.events));
    row("  fold, between closes", &|it| micros(it.fold, it.events));
    row("  closes", &|it| micros(it.closes, it.events));
    row("instructions per event", &|it| {
        it.instructions.map_or("not available".into(), |it_all| thousands(it_all / it.events.max(1)))
    });
    row("closes of a day", &|it| thousands(it.close_count));
    row("  the longest", &|it| millis(it.close_longest));
    row("handoffs", &|it| thousands(it.handoffs));
    row("signal changes", &|it| thousands(it.signals));
    row("onboarding changes", &|it| thousands(it.onboarding));
    row("dead letters", &|it| thousands(it.dead_letters));
    row("resident memory per user", &|it| bytes(it.resident, it.users));
    row("  allocated", &|it| bytes(it.live, it.users));
    row("  slack of the allocator", &|it| bytes(it.resident.saturating_sub(it.live), it.users));
    row("hash of the effects", &|it| it.hash.clone());
    if columns.iter().all(|(_, folded)| folded.instructions.is_none()) {
        println!("instructions: not available; perf_event_open needs hardware counters and the permission");
    }
}

/// The result of a measurement of a fold. Times are CPU time of its thread, user and system, in nanoseconds. Memory is
/// in bytes, less the memory of the process before the first event.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Folded {
    events: u64,
    applied: u64,
    users: u64,
    accounts: u64,
    decode: u64,
    fold: u64,
    closes: u64,
    close_count: u64,
    close_longest: u64,
    instructions: Option<u64>,
    handoffs: u64,
    signals: u64,
    onboarding: u64,
    dead_letters: u64,
    resident: u64,
    live: u64,
    hash: String,
}

impl Folded {
    fn total(&self) -> u64 {
        self.decode + self.fold + self.closes
    }
}

/// Runs this program with other arguments and an input, and parses its output as JSON.
fn child<T: serde::de::DeserializeOwned>(arguments: &[&str], input: &[u8]) -> T {
    let program = std::env::current_exe().expect("the program has a path");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts again");
    child.stdin.take().expect("it is piped").write_all(input).expect("the measurement reads its input");
    let output = child.wait_with_output().expect("the measurement ends");
    assert!(output.status.success(), "the measurement failed");
    serde_json::from_slice(&output.stdout).expect("the measurement answers in JSON")
}

fn plan(name: &str) -> Arc<Plan> {
    let text = if name == "default" { rules::DEFAULT.to_owned() } else { with_chapters(TWO_SIGNALS) };
    Arc::new(rules::parse(name, &text).unwrap_or_else(|error| panic!("{error}")))
}

/// CPU time of this thread, user and system, in nanoseconds.
fn cpu() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
    pages * rustix::param::page_size() as u64
}

/// Waits until the allocator has returned what is free: mimalloc keeps it for a second, longer than a day of a load takes
/// here, and returns it when memory is next given back.
fn settle() {
    for _ in 0..6 {
        std::thread::sleep(std::time::Duration::from_millis(500));
        drop(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// Measures CPU time of the thread, and instructions if they can be counted.
struct Meter {
    counter: Option<perf_event::Counter>,
}

#[derive(Clone, Copy)]
struct Spent {
    cpu: u64,
    instructions: u64,
}

impl Meter {
    fn new() -> Meter {
        let counter = perf_event::Builder::new(perf_event::events::Hardware::INSTRUCTIONS).build().ok();
        Meter { counter: counter.and_then(|mut counter| counter.enable().ok().map(|()| counter)) }
    }

    fn read(&mut self) -> Spent {
        let instructions = self.counter.as_mut().and_then(|counter| counter.read().ok()).unwrap_or(0);
        Spent { cpu: cpu(), instructions }
    }

    /// CPU time since `before`; adds the instructions.
    fn since(&mut self, before: Spent, instructions: &mut u64) -> u64 {
        let now = self.read();
        *instructions += now.instructions - before.instructions;
        now.cpu - before.cpu
    }
}

/// Folds the events on standard input, and prints the result.
fn measure_fold(rules: &str, length: usize) {
    let mut events = Vec::with_capacity(length);
    std::io::stdin().lock().read_to_end(&mut events).expect("the events are piped in");
    let plan = plan(rules);
    let mut partition = Partition::new(plan);
    let mut effects = Effects::new(Wanted { signals: true.into(), ..Wanted::LEAST });
    let mut hash = Xxh3::new();
    let mut found = Folded::default();
    let mut tally = Tally::default();
    let mut meter = Meter::new();
    let mut instructions = 0;
    let (resident_before, live_before) = (resident(), LIVE.load(Relaxed));
    let mut rest = &events[..];
    let mut payloads: Vec<&[u8]> = Vec::with_capacity(BATCH);
    let mut decoded = Vec::with_capacity(BATCH);
    // The next event at or after this instant closes a day.
    let mut closes_at = EventTime::MIN;
    let mut offset = 0;
    while !rest.is_empty() {
        payloads.clear();
        while payloads.len() < BATCH
            && let Some((length, after)) = rest.split_first_chunk()
        {
            let (payload, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            payloads.push(payload);
            rest = after;
        }
        let before = meter.read();
        for payload in &payloads {
            decoded.extend(wire::decode(Format::Protobuf, payload));
        }
        let mut batch = Vec::with_capacity(decoded.len());
        batch.extend(decoded.iter().map(|decoded| Ready::new(decoded).expect("a load brings no rules")));
        found.decode += meter.since(before, &mut instructions);

        let mut before = meter.read();
        for (number, ready) in batch.iter().enumerate() {
            if number.is_multiple_of(wire::BATCH) {
                let next = batch[number..].iter().take(wire::BATCH);
                read_ahead(next.map(|ready| (&partition, ready.keys())));
            }
            let record = Record { offset, time: None };
            offset += 1;
            let closes = ready.event.as_ref().is_ok_and(|event| event.time >= closes_at);
            if !closes {
                let _ = partition.apply_and_count(record, 0, ready, &mut effects, &mut tally);
                continue;
            }
            found.fold += meter.since(before, &mut instructions);
            let was_open = partition.open_day();
            before = meter.read();
            let _ = partition.apply_and_count(record, 0, ready, &mut effects, &mut tally);
            let spent = meter.since(before, &mut instructions);
            found.closes += spent;
            if was_open.is_some() && was_open != partition.open_day() {
                found.close_count += 1;
                found.close_longest = found.close_longest.max(spent);
            }
            let time = &partition.plan().time;
            if let Some(open) = partition.open_day() {
                closes_at = time.calendar.start(open.plus(1)).plus(time.allowed_lateness_ms);
            }
            before = meter.read();
        }
        found.fold += meter.since(before, &mut instructions);
        drop(batch);
        decoded.clear();

        found.count(&effects, &mut hash);
        let before = meter.read();
        effects.clear();
        found.fold += meter.since(before, &mut instructions);
    }
    settle();
    found.resident = resident().saturating_sub(resident_before);
    found.live = (LIVE.load(Relaxed).wrapping_sub(live_before)) as u64;
    found.events = tally.total();
    found.applied = tally.of(Outcome::Applied);
    found.users = partition.users() as u64;
    found.accounts = partition.accounts() as u64;
    found.instructions = meter.counter.is_some().then_some(instructions);
    found.hash = format!("{:016x}", hash.digest());
    println!("{}", serde_json::to_string(&found).expect("plain data"));
}

impl Folded {
    /// Counts and hashes effects, outside of the measured time.
    fn count(&mut self, effects: &Effects, hash: &mut Xxh3) {
        self.handoffs += effects.handoffs.len() as u64;
        self.signals += effects.entries;
        self.onboarding += effects.onboarding.len() as u64;
        self.dead_letters += effects.dead_letters.len() as u64;
        effects.handoffs.iter().for_each(|it| hash.update(&it.to_bytes()));
        effects.signals.iter().for_each(|it| hash.update(&it.to_bytes()));
        effects.onboarding.iter().for_each(|it| hash.update(&it.to_bytes()));
    }
}

/// The cost of closing days without events, by how many users are due.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Closed {
    users: u64,
    accounts: u64,
    /// CPU time of each close, in nanoseconds.
    none_due: Vec<u64>,
    week_end: Vec<u64>,
    tenth: Vec<u64>,
    signals: u64,
    hash: String,
}

/// Without profiles, and with them: then a close visits every account that was active in the last 28 days, because its
/// profile has other figures.
fn closes(divisor: u32) {
    for profiles in ["no profiles", "profiles"] {
        closes_with(divisor, profiles);
    }
}

fn closes_with(divisor: u32, profiles: &str) {
    let closed: Closed = child(&["--measure-closes", &divisor.to_string(), profiles], &[]);
    println!(
        "\nclosing days without events, {} users in {} accounts, default rules, {profiles}",
        thousands(closed.users),
        thousands(closed.accounts)
    );
    println!("{:<30}{:>18}{:>18}{:>18}", "", "closes", "median", "longest");
    for (name, mut times) in [
        ("no user is due", closed.none_due),
        ("no user is due, a week ends", closed.week_end),
        ("a tenth of the users is due", closed.tenth),
    ] {
        times.sort_unstable();
        let [median, longest] = [times[times.len() / 2], times[times.len() - 1]].map(millis);
        println!("{name:<30}{:>18}{median:>18}{longest:>18}", times.len());
    }
    println!("{:<30}{:>18}\n{:<30}{:>18}", "signal changes", thousands(closed.signals), "hash", closed.hash);
}

/// A tenth of the users is active on each of ten days, from a Monday on, and no user later. Seven days after, and again
/// 28 days after, a tenth leaves the weekly and the monthly active users each day; in between no user is due.
fn measure_closes(divisor: u32, profiles: bool) {
    let (accounts, users) = (100_000 / divisor, 1_000_000 / divisor);
    let monday = Day::from(jiff::civil::date(2025, 1, 6));
    let mut partition = Partition::new(rules::default_plan());
    let wanted = Wanted { signals: true.into(), accounts: profiles, users: profiles, metrics: false };
    let (mut effects, mut hash, mut found) = (Effects::new(wanted), Xxh3::new(), Folded::default());
    let mut offset = 0;
    let mut apply = |partition: &mut Partition, decoded: wire::Decoded<'_>| {
        let ready = Ready::new(&decoded).expect("no rules");
        let before = cpu();
        let _ = partition.apply(Record { offset, time: None }, std::iter::once(ready), &mut effects);
        let spent = cpu() - before;
        offset += 1;
        found.count(&effects, &mut hash);
        effects.clear();
        spent
    };
    let start = |day: i32| EventTime(i64::from(monday.plus(day).0) * DAY_MS);
    for day in 0..10 {
        let of_the_day = (0..users).filter(|user| user % 10 == day as u32);
        for (place, user) in (0_i64..).zip(of_the_day) {
            // Users of an account are active on different days, in an order unrelated to account and user.
            let user = (u64::from(user) * 7_368_787) % u64::from(users);
            let event = upswell::model::Event {
                message_id: "".into(),
                source: "bench".into(),
                kind: upswell::model::EventKind::Track,
                name: "Feature Used".into(),
                user: format!("user-{user:08}").into(),
                anonymous_id: "".into(),
                account: format!("account-{:06}", user % u64::from(accounts)).into(),
                time: start(day).plus(place * DAY_MS / i64::from(users)),
                received: None,
                properties: Default::default(),
                traits: Default::default(),
                context: Default::default(),
                provenance: None,
            };
            apply(&mut partition, wire::Decoded::event(&[], event));
        }
    }
    let mut closed =
        Closed { users: partition.users() as u64, accounts: partition.accounts() as u64, ..Closed::default() };
    for day in 9..48 {
        // Past the allowed lateness of the next day: it closes this one.
        let tick = start(day + 1).plus(DAY_MS / 12);
        let spent = apply(&mut partition, wire::Decoded::tick(tick));
        match day {
            20 => closed.week_end.push(spent),
            18 | 19 | 43..=47 => closed.none_due.push(spent),
            28..=33 | 35..=37 => closed.tenth.push(spent),
            _ => {}
        }
    }
    closed.signals = found.signals;
    closed.hash = format!("{:016x}", hash.digest());
    println!("{}", serde_json::to_string(&closed).expect("plain data"));
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|it| std::str::from_utf8(it).expect("digits")).collect();
    groups.join(",")
}

fn micros(nanoseconds: u64, events: u64) -> String {
    format!("{:.3} µs", nanoseconds as f64 / 1e3 / events.max(1) as f64)
}

fn millis(nanoseconds: u64) -> String {
    format!("{:.2} ms", nanoseconds as f64 / 1e6)
}

fn bytes(bytes: u64, users: u64) -> String {
    format!("{} B", bytes / users.max(1))
}
