//! Measures what a restart takes: how long a partition's snapshot takes to store and to restore, for a number of users.
//!
//! `cargo bench --bench restore` folds the *sparse* load with the default rules in two partitions, stores a snapshot of
//! each in a folder, and restores both at the same time, as two workers do. `--users N` sets the number of users, by
//! default a million, and `--events N` how many events there are for each. It prints the trail of what was restored,
//! which is that of what was stored. `--test` has a thousand users.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use upswell::engine::{Partition, Record};
use upswell::kafka::partition_of;
use upswell::model::{Day, Effects, Wanted};
use upswell::rules::{self, Plan, Ready};
use upswell::simulate::load::Load;
use upswell::store::{About, Progress, Store};
use upswell::wire::{self, Format};

const SEED: u64 = 7;
const PARTITIONS: i32 = 2;

// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // As the program does.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let mut arguments = std::env::args().skip(1);
    let (mut users, mut events) = (1_000_000_u32, NonZeroU32::new(10).expect("ten"));
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--users" => users = value().parse().expect("--users takes a number"),
            "--events" => events = value().parse().expect("--events takes a number"),
            "--test" => users = 1_000,
            // Cargo adds it.
            "--bench" => {}
            other => panic!("no such argument: {other}; there are --users, --events and --test"),
        }
    }
    let load = Load { users, accounts: users / 10, events: u64::from(users) * u64::from(events.get()), ..Load::SPARSE };
    let plan = rules::default_plan();
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::make(folder.path().to_str().expect("a text"), "bench", "log").expect("it can be written");

    let (folded, _) = each_partition("folded", |partition| fold(load, partition, &plan));
    let trails: Vec<u64> = folded.iter().map(Partition::trail).collect();
    let (held, accounts) = (count(&folded, Partition::users), count(&folded, Partition::accounts));
    let folded: Vec<Mutex<Partition>> = folded.into_iter().map(Mutex::new).collect();
    let (names, _) = each_partition("stored", |partition| {
        save(&store, partition, &mut folded[partition as usize].lock().expect("no thread has failed"))
    });
    drop(folded);
    let (restored, seconds) = each_partition("restored", |partition| {
        let manifest = store.read(partition, &names[partition as usize]).expect("it was stored");
        store.restore(partition, &manifest, &plan, &Progress::default()).expect("it is sound")
    });
    assert_eq!(restored.iter().map(Partition::trail).collect::<Vec<_>>(), trails);
    assert_eq!(count(&restored, Partition::users), held);
    let bytes = size_of_folder(folder.path());
    println!("{:<12}{held:>14} users in {accounts} accounts", "held");
    println!("{:<12}{:>14.1} MB, {} bytes a user", "snapshots", bytes as f64 / 1e6, bytes / held.max(1) as u64);
    println!("{:<12}{:>14.2} seconds for a million users", "restoring", seconds * 1e6 / held.max(1) as f64);
    println!("{:<12}{:>14}", "trail", trails.iter().map(|trail| format!("{trail:016x}")).collect::<Vec<_>>().join(" "));
}

fn count(partitions: &[Partition], of: impl Fn(&Partition) -> usize) -> usize {
    partitions.iter().map(of).sum()
}

/// Wall clock and CPU time of the process, since some instant.
struct Meter(Instant, f64);

impl Meter {
    fn new() -> Meter {
        Meter(Instant::now(), cpu())
    }

    fn say(&self, what: &str) -> f64 {
        let seconds = self.0.elapsed().as_secs_f64();
        println!("{what:<12}{seconds:>14.2} s, {:.2} s of CPU time", cpu() - self.1);
        seconds
    }
}

/// CPU time of this process, user and system, in seconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Does something for every partition at the same time, on a thread each. Returns the results, and how long it took.
fn each_partition<T: Send>(what: &str, work: impl Fn(i32) -> T + Sync) -> (Vec<T>, f64) {
    let began = Meter::new();
    let done = std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..PARTITIONS).map(|partition| scope.spawn(move || work(partition))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends")).collect()
    });
    (done, began.say(what))
}

/// The accounts of the load that belong to a partition.
fn fold(load: Load, number: i32, plan: &Arc<Plan>) -> Partition {
    let mut partition = Partition::new(Arc::clone(plan));
    let mut effects = Effects::new(Wanted::LEAST);
    let (mut bytes, mut offset) = (Vec::new(), 0);
    for event in load.play(SEED, Day::from(jiff::civil::date(2025, 1, 6))) {
        if partition_of(event.account_id().as_bytes(), PARTITIONS) != number {
            continue;
        }
        bytes.clear();
        event.append(&mut bytes);
        for decoded in wire::decode(Format::Protobuf, &bytes) {
            let ready = Ready::new(&decoded).expect("a load brings no rules");
            let _ = partition.apply_one(Record { offset, time: None }, 0, &ready, &mut effects);
        }
        offset += 1;
        effects.clear();
    }
    partition
}

fn save(store: &Store, number: i32, partition: &mut Partition) -> String {
    let about = About { partition: number, partitions: PARTITIONS, offset: 1, ..About::of(partition) };
    store.save(&mut partition.cut().expect("it can be written"), about).expect("the folder takes it")
}

fn size_of_folder(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| match entry.file_type().expect("a type").is_dir() {
            true => size_of_folder(&entry.path()),
            false => entry.metadata().expect("a file").len(),
        })
        .sum()
}
