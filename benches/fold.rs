//! The fold: a million events a day of 100,000 accounts with a million users, each day with its close.
//!
//! `cargo bench --bench fold`. It prints a hash of everything that the fold said, so that a fast wrong answer shows:
//! the same build prints the same hash.

use std::sync::Mutex;

use divan::Bencher;
use divan::counter::ItemsCount;
use upswell::engine::{Partition, Record};
use upswell::model::{DAY_MS, Effects, Event, EventKind, EventTime, Fields, Outcome, Tally};
use upswell::rules::Ready;
use upswell::wire::{self, Decoded, ToWire as _};
use xxhash_rust::xxh3::Xxh3;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

static SAID: Mutex<Option<(u64, Tally, usize, usize)>> = Mutex::new(None);

fn main() {
    divan::main();
    if let Some((hash, tally, accounts, users)) = *SAID.lock().expect("one thread") {
        let applied = tally.of(Outcome::Applied);
        println!("hash {hash:016x} of what {applied} events of {users} users in {accounts} accounts caused");
    }
}

/// How large: all of it, or a little of it where only the result counts (`--test`).
fn scale() -> (u32, u32) {
    if std::env::args().any(|argument| argument == "--test") { (1_000, 10_000) } else { (100_000, 1_000_000) }
}

/// A day of events, one a user, in an order that follows neither accounts nor users.
struct Day {
    messages: Vec<(String, String, String)>,
}

impl Day {
    fn new() -> Day {
        let (accounts, users) = scale();
        let place = |n: u64| (n * 7_368_787 + 12_345) % u64::from(users);
        let message = |n: u64| {
            let user = place(n);
            let account = user % u64::from(accounts);
            (format!("message-{n:016x}"), format!("account-{account:08}"), format!("user-{user:012}"))
        };
        Day { messages: (0..u64::from(users)).map(message).collect() }
    }

    /// Folds the day in, as the `number`th. What a record causes is taken away before the next, as the worker does.
    fn fold(&self, number: i64, partition: &mut Partition, effects: &mut Effects, hash: &mut Xxh3) -> Tally {
        let step = DAY_MS / self.messages.len() as i64;
        let mut tally = Tally::default();
        for (place, (message_id, account, user)) in (0_i64..).zip(&self.messages) {
            let time = EventTime((20_000 + number) * DAY_MS + place * step);
            let event = Event {
                message_id: message_id.as_str().into(),
                source: "bench".into(),
                kind: EventKind::Track,
                name: "Feature Used".into(),
                user: user.as_str().into(),
                anonymous_id: "".into(),
                account: account.as_str().into(),
                time,
                received: None,
                properties: Fields::None,
                traits: Fields::None,
                context: Fields::None,
                provenance: None,
            };
            let record = Record { offset: number * DAY_MS + place, time: Some(time) };
            let ready = Ready::new(Decoded::event(&[], event)).expect("no rules");
            tally.count(partition.apply_one(record, 0, &ready, effects));
            if !effects.is_empty() {
                take(effects, hash);
            }
        }
        tally
    }
}

fn take(effects: &mut Effects, hash: &mut Xxh3) {
    effects.handoffs.iter().for_each(|handoff| hash.update(handoff.to_json().as_bytes()));
    effects.signals.iter().for_each(|signal| hash.update(signal.to_json().as_bytes()));
    effects.clear();
}

/// Six weeks have passed; each sample is one more day.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn a_day_of_events_with_its_close(bencher: Bencher<'_, '_>) {
    let day = Day::new();
    let mut partition = Partition::new(upswell::rules::default_plan());
    let (mut effects, mut hash, mut tally, mut number) = (Effects::default(), Xxh3::new(), Tally::default(), 0);
    let mut fold = |partition: &mut Partition| {
        tally.add(&day.fold(number, partition, &mut effects, &mut hash));
        number += 1;
    };
    (0..42).for_each(|_| fold(&mut partition));
    bencher.counter(ItemsCount::new(day.messages.len())).bench_local(|| fold(&mut partition));
    *SAID.lock().expect("one thread") = Some((hash.digest(), tally, partition.accounts(), partition.users()));
}

/// The close alone: what midnight costs a partition of this size, in one piece.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn the_close_of_a_day_alone(bencher: Bencher<'_, '_>) {
    let day = Day::new();
    let mut partition = Partition::new(upswell::rules::default_plan());
    let mut effects = Effects::default();
    (0..42).for_each(|number| {
        let _ = day.fold(number, &mut partition, &mut effects, &mut Xxh3::new());
    });
    let mut now = EventTime(20_042 * DAY_MS + DAY_MS / 2);
    bencher.counter(ItemsCount::new(partition.accounts())).bench_local(|| {
        let tick = Ready::new(wire::Decoded::tick(now)).into_iter();
        let tally = partition.apply(Record { offset: i64::MAX, time: None }, tick, &mut effects);
        effects.clear();
        now = now.plus(DAY_MS);
        tally
    });
}
