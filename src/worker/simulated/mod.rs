//! Workers on a simulated broker and a simulated storage of snapshots: processes are killed and halted wherever they wait,
//! join and leave; requests and answers are lost, late and doubled; objects are damaged. After that, a reader of what is
//! committed sees of every output what the fold of the log gives, in order for each key.
//!
//! A seed draws everything, so that a failure can be repeated; see `CONTRIBUTING.md`.

mod broker;
mod clients;
mod objects;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use self::broker::{Broker, LOG, World, broker, saw};
use self::clients::Simulated;
use self::objects::Objects;
use super::Worker;
use super::job::{Job, StartBarrier};
use super::memory::Memory;
use super::standing::Standing;
use crate::engine::{Partition, Record};
use crate::kafka::{self, Ended, Key, Output};
use crate::model::{Effects, EventTime};
use crate::rules::{self, Ready};
use crate::store::{self, Store};
use crate::telemetry::Telemetry;
use crate::wire::{self, Admit, Format, ToWire};

pub(super) use schedule::{Instant, Receiver, Sender, channel, now_ms, sleep, spawn};

/// How many seeds a run of the tests tries.
const SEEDS: u64 = 300;
/// Once nothing fails any more, everything is folded and committed within this time.
const SETTLED: Duration = Duration::from_secs(150);
/// How long a process takes at most to stop.
const STOPPED: Duration = Duration::from_secs(60);
/// After so many failures no more seeds are tried.
const FAILED_MAX: usize = 5;
/// What many seeds must have shown.
const WANTED: [&str; 27] = [
    "killed",
    "killed at a request",
    "halted",
    "halted at a request",
    "cut",
    "left",
    "joined",
    "replaced",
    "transaction committed",
    "transaction aborted",
    "transaction timed out",
    "request never answered",
    "late request",
    "late request refused",
    "session timed out",
    "static member replaced",
    "member replaced unnoticed",
    "offsets of another generation",
    "restored from a snapshot",
    "damaged",
    "refused",
    "memory full",
    "log trimmed",
    "fenced",
    "rules activated",
    "user forgotten",
    "tick",
];

/// What a seed draws for its whole run.
struct Settings {
    partitions: usize,
    records: usize,
    is_static: bool,
    /// Workers of a process.
    workers: usize,
    damages: bool,
    trims: bool,
    /// How many records at the beginning are history.
    history: usize,
    /// Whether other rules are activated.
    activates: bool,
    transaction_messages: usize,
    snapshot_every: Duration,
    commit_interval: Duration,
    idle_after: Duration,
    /// How much faster the time of the day passes than the clock.
    days: i64,
    /// How probable a fault of a request is, in 10,000.
    faults: u32,
}

impl Settings {
    fn draw(rng: &mut SmallRng) -> Settings {
        let millis = |rng: &mut SmallRng, range| Duration::from_millis(rng.random_range(range));
        Settings {
            partitions: rng.random_range(1..=4),
            records: rng.random_range(15..70),
            is_static: rng.random_bool(0.5),
            workers: if rng.random_bool(0.2) { 2 } else { 1 },
            damages: rng.random_bool(0.4),
            trims: rng.random_bool(0.3),
            history: if rng.random_bool(0.15) { rng.random_range(1..15) } else { 0 },
            activates: rng.random_bool(0.05),
            transaction_messages: [2, 7, 1_000][rng.random_range(0..3)],
            snapshot_every: millis(rng, 200..6_000),
            commit_interval: millis(rng, 50..1_000),
            idle_after: millis(rng, 1_000..20_000),
            days: [60, 600, 3_600][rng.random_range(0..3)],
            faults: [0, 20, 100, 300][rng.random_range(0..4)],
        }
    }
}

/// A process that was started.
struct Process {
    number: usize,
    instance: String,
    job: Arc<Job>,
    is_stopping: bool,
}

/// The run of a seed, and what is outside of the processes.
struct Run {
    rng: SmallRng,
    settings: Settings,
    world: Arc<World>,
    objects: Arc<Objects>,
    store: Arc<Store>,
    telemetry: Arc<Telemetry>,
    processes: Vec<Process>,
    /// Instances that are started again, and when.
    due: Vec<(Duration, String)>,
    /// How many records were written.
    written: usize,
    /// What a process said that ended because records are gone that no snapshot covers.
    ended: Arc<Mutex<Option<String>>>,
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut rng = SmallRng::seed_from_u64(seed);
        let settings = Settings::draw(&mut rng);
        let world = World {
            broker: Mutex::new(Broker::new(seed, settings.partitions)),
            faults: Mutex::new(settings.faults),
            cuts: Mutex::default(),
            seen: Mutex::default(),
        };
        let objects = Arc::<Objects>::default();
        Run {
            rng,
            settings,
            world: Arc::new(world),
            store: Arc::new(Store::of_tests(Arc::clone(&objects) as _)),
            objects,
            telemetry: Arc::new(Telemetry::of_tests()),
            processes: Vec::new(),
            due: Vec::new(),
            written: 0,
            ended: Arc::default(),
        }
    }

    fn job(&self, instance: Option<String>) -> Job {
        let it = &self.settings;
        Job {
            kafka: kafka::Config { group_instance_id: instance, ..kafka::Config::default() },
            idle_after: it.idle_after,
            commit_interval: it.commit_interval,
            transaction_messages: it.transaction_messages,
            snapshots: Some(Arc::clone(&self.store)),
            snapshot_every: it.snapshot_every,
            memory: Arc::new(Memory::new(NonZeroU32::new(1))),
            // The broker is not asked what was published before.
            from_the_beginning: true,
            ..Job::of_tests()
        }
    }

    fn start(&mut self, instance: &str) {
        let number = schedule::begin_process();
        let of_kafka = self.settings.is_static.then(|| format!("{instance}-of"));
        let job = Arc::new(self.job(of_kafka));
        schedule::tell(|| format!("process {number} starts as {instance}"));
        let start = Arc::new(StartBarrier::new(self.settings.workers));
        for worker in 0..self.settings.workers {
            let (job, start, telemetry) = (Arc::clone(&job), Arc::clone(&start), Arc::clone(&self.telemetry));
            let may_end = self.settings.damages && self.settings.trims;
            let ended = Arc::clone(&self.ended);
            schedule::spawn_in(number, move || work(&job, worker, &start, &telemetry, may_end, &ended));
        }
        self.processes.push(Process { number, instance: instance.to_owned(), job, is_stopping: false });
    }

    /// The processes that have not ended; those that were killed are started again later.
    fn look(&mut self) {
        for it in std::mem::take(&mut self.processes) {
            if !schedule::has_ended(it.number) {
                self.processes.push(it);
            } else if !it.is_stopping {
                let after = Duration::from_millis(self.rng.random_range(0..5_000));
                self.due.push((schedule::now() + after, it.instance));
            }
        }
        let (due, later) = std::mem::take(&mut self.due).into_iter().partition(|(at, _)| *at <= schedule::now());
        self.due = later;
        for (_, instance) in due as Vec<(Duration, String)> {
            self.start(&instance);
        }
    }

    /// Writes a record into the log.
    fn write(&mut self) {
        if [0, self.settings.history].contains(&self.written) && self.settings.history > 0 {
            let mark = wire::encode_backfill(Format::Json, self.written == 0, EventTime(now_ms()));
            for partition in 0..self.settings.partitions as i32 {
                broker(&self.world).append(partition, true, now_ms(), None, &mark);
            }
        }
        self.written += 1;
        let (rng, number, at) = (&mut self.rng, self.written, now_ms());
        let count = self.settings.partitions as i32;
        let account = format!("a{}", rng.random_range(0..5));
        let partition = kafka::Partitioner::default().place(account.as_bytes(), count).expect("it is known");
        let broker = &mut broker(&self.world);
        let mut event = |index: usize| {
            const NAMES: [&str; 7] = [
                "Signed Up",
                "User Invited",
                "Feature Used",
                "Pricing Viewed",
                "Contact Sales",
                "Limit Hit",
                "Demo Requested",
            ];
            let (name, user) = (NAMES[rng.random_range(0..NAMES.len())], rng.random_range(0..4));
            let feature = rng.random_range(0..3);
            format!(
                r#"{{"type":"track","event":"{name}","messageId":"{number}-{index}","userId":"u{user}","timestamp":{at},
                     "context":{{"groupId":"{account}"}},"properties":{{"feature":"f{feature}","meter":"seats"}}}}"#
            )
        };
        let value = match number % 16 {
            3 => format!("[{},{},{}]", event(0), event(1), event(2)),
            5 => "neither JSON nor an event".to_owned(),
            // With it a batch is full, so that its effects are handed over amid a poll.
            7 | 11 | 14 => event(0).replace("\"seats\"", &format!("\"seats\",\"note\":\"{}\"", "-".repeat(66_000))),
            _ => event(0),
        };
        broker.append(partition, false, at, Some(account.as_bytes()), value.as_bytes());
        if rng.random_bool(0.02) {
            let forget = wire::encode_forget(Format::Json, "u1", None, EventTime(at));
            broker.append(partition, true, at, None, &forget);
            saw("user forgotten");
        }
        if self.settings.activates && rng.random_bool(0.05) {
            saw("rules activated");
            let rules = rules::DEFAULT.replacen("presets: [segment]", "presets: []", rng.random_range(0..2));
            broker.append(partition, true, at, None, &wire::encode_activation(Format::Json, &rules, EventTime(at)));
        }
    }

    fn any(&mut self) -> Option<&Process> {
        let running: Vec<&Process> = self.processes.iter().filter(|it| !it.is_stopping).collect();
        (!running.is_empty()).then(|| running[self.rng.random_range(0..running.len())])
    }

    /// Something happens.
    fn happen(&mut self) {
        let what = self.rng.random_range(0..100);
        let millis = |rng: &mut SmallRng, range| Duration::from_millis(rng.random_range(range));
        let (short, long) = (millis(&mut self.rng, 20..2_000), millis(&mut self.rng, 2_000..25_000));
        let takes = if self.rng.random_bool(0.6) { short } else { long };
        let is_new = self.processes.len() + self.due.len() < 4;
        match what {
            0..50 => {
                for _ in 0..self.rng.random_range(1..8) {
                    self.write();
                }
            }
            50..55 => {
                if let Some(number) = self.any().map(|it| it.number) {
                    saw("killed");
                    schedule::tell(|| format!("process {number} is killed"));
                    schedule::kill(number);
                }
            }
            55..60 => {
                if let Some(number) = self.any().map(|it| it.number) {
                    saw("halted");
                    schedule::tell(|| format!("process {number} is halted for {takes:?}"));
                    schedule::halt(number, takes);
                }
            }
            60..64 => {
                if let Some(number) = self.any().map(|it| it.number) {
                    saw("cut");
                    schedule::tell(|| format!("process {number} has no connection for {takes:?}"));
                    self.world.cuts.lock().expect("as above").insert(number, schedule::now() + takes);
                }
            }
            64..69 if is_new => {
                saw("joined");
                let number = schedule::now().as_millis();
                self.start(&format!("i{number}"));
            }
            69..72 => {
                if let Some(number) = self.any().map(|it| it.number) {
                    saw("left");
                    self.stop(number);
                }
            }
            // The former one goes on, or wakes up later.
            72..75 if is_new => {
                if let Some((number, instance)) = self.any().map(|it| (it.number, it.instance.clone())) {
                    saw("replaced");
                    if self.rng.random_bool(0.5) {
                        schedule::halt(number, takes);
                    }
                    self.processes.iter_mut().filter(|it| it.number == number).for_each(|it| it.is_stopping = true);
                    self.start(&instance);
                }
            }
            75..78 => {
                if let Some(process) = self.any() {
                    process.job.snapshots_asked.fetch_add(1, Ordering::Relaxed);
                }
            }
            78..86 if self.settings.damages => match self.rng.random_range(0..6) {
                0 => {
                    saw("refused");
                    self.objects.refuses.fetch_xor(true, Ordering::Relaxed);
                }
                1 => drop(self.objects.is_slow.fetch_xor(true, Ordering::Relaxed)),
                2 => drop(self.objects.tears.swap(true, Ordering::Relaxed)),
                3 => *self.objects.late.lock().expect("no thread fails with it") = short,
                _ => {
                    saw("damaged");
                    self.objects.damage();
                }
            },
            86..90 => {
                let is_full = self.rng.random_bool(0.5);
                if let Some(process) = self.any() {
                    if is_full {
                        saw("memory full");
                    }
                    process.job.memory.set_full(is_full);
                }
            }
            90..94 if self.settings.trims => self.trim(),
            94..96 => sleep(long),
            _ => {}
        }
    }

    /// The log loses what the last snapshot covers whose name was committed.
    fn trim(&self) {
        for partition in 0..self.settings.partitions as i32 {
            let committed = broker(&self.world).committed(partition).flatten();
            let Some((_, metadata)) = committed else { continue };
            if let Some(low) = store::offset_of(Standing::read(&metadata).snapshot) {
                saw("log trimmed");
                schedule::tell(|| format!("partition {partition} is trimmed to {low}"));
                broker(&self.world).trim(partition, low);
            }
        }
    }

    fn stop(&mut self, number: usize) {
        schedule::tell(|| format!("process {number} is to stop"));
        for it in self.processes.iter_mut().filter(|it| it.number == number) {
            it.is_stopping = true;
            it.job.kafka.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Everything, outside of the processes.
    fn go(&mut self) {
        for number in 0..self.rng.random_range(1..=3) {
            self.start(&format!("i{number}"));
        }
        while self.written < self.settings.records && !schedule::has_failed() {
            sleep(Duration::from_millis(self.rng.random_range(1..400)));
            self.look();
            self.happen();
        }
        schedule::tell(|| "nothing fails any more".to_owned());
        *self.world.faults.lock().expect("no thread fails with it") = 0;
        self.world.cuts.lock().expect("no thread fails with it").clear();
        self.objects.refuses.store(false, Ordering::Relaxed);
        self.objects.tears.store(false, Ordering::Relaxed);
        self.objects.is_slow.store(false, Ordering::Relaxed);
        *self.objects.late.lock().expect("no thread fails with it") = Duration::ZERO;
        for it in &self.processes {
            schedule::halt(it.number, Duration::ZERO);
            it.job.memory.set_full(false);
        }
        let until = schedule::now() + SETTLED;
        while !self.is_settled() && !self.has_ended() {
            if schedule::has_failed() {
                return;
            }
            if schedule::now() > until {
                return schedule::fail(format!("{SETTLED:?} after the last fault not everything is committed"));
            }
            sleep(Duration::from_millis(100));
            self.look();
            if self.processes.iter().all(|it| it.is_stopping) && self.due.is_empty() {
                self.start("last");
            }
        }
        self.due.clear();
        for number in self.processes.iter().map(|it| it.number).collect::<Vec<_>>() {
            self.stop(number);
        }
        let until = schedule::now() + STOPPED;
        while self.processes.iter().any(|it| !schedule::has_ended(it.number)) || broker(&self.world).is_busy() {
            if schedule::has_failed() {
                return;
            }
            if schedule::now() > until {
                return schedule::fail(format!("not all processes have stopped within {STOPPED:?}"));
            }
            sleep(Duration::from_millis(200));
        }
        if !schedule::has_failed()
            && let Err(why) = self.compare()
        {
            schedule::fail(why);
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.lock().expect("no thread fails with it").is_some()
    }

    /// Whether everything that was written is folded and committed. Ticks may follow.
    fn is_settled(&self) -> bool {
        let broker = &mut broker(&self.world);
        (0..self.settings.partitions as i32).all(|partition| {
            let (records, _) = broker.read(LOG, partition as usize, 0, usize::MAX);
            let last = records.iter().rev().find(|(_, record)| !record.is_control || record.key.is_some());
            let Some(Some((committed, _))) = broker.committed(partition) else { return last.is_none() };
            last.is_none_or(|(offset, _)| committed > *offset)
        })
    }

    /// Compares what was published with the fold of the log up to the committed offsets.
    fn compare(&self) -> Result<(), String> {
        let expected = self.expected()?;
        let mut published: Messages = BTreeMap::new();
        let topics = broker(&self.world).topics();
        for (topic, partitions) in topics.into_iter().filter(|(topic, _)| topic != LOG) {
            let mut ids = BTreeSet::new();
            for partition in 0..partitions {
                for (_, record) in clients::read_all(&self.world, &topic, partition) {
                    if !ids.insert(record.id.clone()) {
                        return Err(format!("{topic} has {} twice", record.id));
                    }
                    let key = (topic.clone(), record.key.as_deref().unwrap_or_default().to_vec());
                    published.entry(key).or_default().push((record.id, record.value.map(|value| value.to_vec())));
                }
            }
        }
        let keys: BTreeSet<_> = expected.keys().chain(published.keys()).collect();
        for key @ (topic, of) in keys {
            let none = Vec::new();
            let [wanted, found] = [&expected, &published].map(|all| all.get(key).unwrap_or(&none));
            let differs = (0..wanted.len().max(found.len())).find(|at| wanted.get(*at) != found.get(*at));
            if let Some(at) = differs {
                let ids = |all: &[Message]| all.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
                return Err(format!(
                    "{topic}, key {}: message {at} differs\nexpected {:?}\npublished {:?}",
                    String::from_utf8_lossy(of),
                    ids(wanted),
                    ids(found)
                ));
            }
        }
        Ok(())
    }

    fn expected(&self) -> Result<Messages, String> {
        let (job, mut expected) = (self.job(None), Messages::new());
        for partition in 0..self.settings.partitions {
            let committed = broker(&self.world).committed(partition as i32).flatten();
            let (committed, metadata) = committed.unwrap_or_default();
            let (mut fold, mut effects) =
                (Partition::new(Arc::clone(&job.plan)), Effects::new(job.topics.outputs.wanted()));
            let then = Standing::read(&metadata);
            let records = clients::read_all(&self.world, LOG, partition);
            let (before, after): (Vec<_>, Vec<_>) = records.into_iter().partition(|(offset, _)| *offset < committed);
            let mut take = |(offset, record): &(i64, broker::Record), most: usize| {
                let at = Record { offset: *offset, time: EventTime::new(record.time_ms) };
                let value = record.value.as_deref().unwrap_or_default();
                for (index, decoded) in (0..).zip(job.input.decode(Admit::of_log(record.is_control), value)) {
                    let ready = Ready::new(&decoded).expect("rules of this version");
                    let _ = fold.apply_one(at, index, &ready, &mut effects);
                }
                let all = messages(&job, (partition as i32, *offset), record.key.as_deref(), &effects);
                for (key, message) in all.into_iter().take(most) {
                    expected.entry(key).or_default().push(message);
                }
                effects.clear();
                fold.trail()
            };
            let trails: Vec<u64> = before.iter().map(|record| take(record, usize::MAX)).collect();
            if then.trail.map(|(_, trail)| trail).zip(trails.last()).is_some_and(|(then, now)| then != *now) {
                return Err(format!("partition {partition}: the trail beside the offset is not that of the fold"));
            }
            // A transaction has ended within the effects of a record.
            if let Some(record) = after.first().filter(|_| then.published > 0) {
                take(record, then.published as usize);
            }
        }
        Ok(expected)
    }
}

/// The id and the value of a message.
type Message = (String, Option<Vec<u8>>);
/// By topic and key, in order.
type Messages = BTreeMap<(String, Vec<u8>), Vec<Message>>;

/// The messages of a record, in their order.
fn messages(
    job: &Job,
    (partition, offset): (i32, i64),
    key: Option<&[u8]>,
    effects: &Effects,
) -> Vec<((String, Vec<u8>), Message)> {
    let mut all = Vec::new();
    let mut add = |output: Output, id: Option<String>, number: usize, effect: &dyn ToWire| {
        let key = match (output.row().key, effect.account(), effect.user()) {
            (Key::Account, Some(account), _) => account.as_bytes().to_vec(),
            (Key::User, Some(account), Some(user)) => wire::user_key(account, user),
            (Key::Record, ..) => key.map(wire::dead_letter_key).unwrap_or_default().to_vec(),
            _ => Vec::new(),
        };
        let id = id.unwrap_or_else(|| format!("{partition}-{offset}-{}{number}", output.letter()));
        let value = (!effect.is_tombstone()).then(|| effect.to_payload(job.topics.outputs.format));
        all.push(((job.topics.of(output), key), (id, value)));
    };
    for handoff in &effects.handoffs {
        let output = if handoff.context.holdout { Output::Holdout } else { Output::of_level(handoff.level) };
        add(output, Some(handoff.id.to_string()), 0, handoff);
    }
    for (number, letter) in effects.dead_letters.iter().enumerate() {
        add(Output::DeadLetters, None, number, &wire::dead_letter(letter, LOG, partition, wire::Headers::default()));
    }
    let mut all_of = |output, effects: &mut dyn Iterator<Item = &dyn ToWire>| {
        effects.enumerate().for_each(|(number, effect)| add(output, None, number, effect));
    };
    all_of(Output::Signals, &mut effects.signals.iter().map(|it| it as _));
    all_of(Output::Onboarding, &mut effects.onboarding.iter().map(|it| it as _));
    all_of(Output::Accounts, &mut effects.accounts.iter().map(|it| it as _));
    all_of(Output::Users, &mut effects.users.iter().map(|it| it as _));
    all_of(Output::Metrics, &mut effects.metrics.iter().map(|it| it as _));
    all
}

/// A worker of a process, which joins again as `kafka::stay_member` does.
fn work(
    job: &Job,
    number: usize,
    start: &StartBarrier,
    telemetry: &Telemetry,
    may_end: bool,
    ended: &Mutex<Option<String>>,
) {
    while !job.kafka.is_stopping() {
        let result = Worker::<Simulated>::join(job, number, start, telemetry).and_then(|mut worker| {
            let ended = worker.work();
            worker.leave();
            ended
        });
        schedule::tell(|| match &result {
            Ok(()) => format!("worker {number} has stopped"),
            Err(Ended::Fenced(why) | Ended::Lost(why) | Ended::Failed(why)) => format!("worker {number} ends: {why:#}"),
        });
        match result {
            Ok(()) => {}
            Err(Ended::Fenced(why)) => {
                saw("fenced");
                // Its instance is another process's now.
                if matches!(why.downcast_ref(), Some(kafka::Error::InstanceFenced { .. })) {
                    return;
                }
                sleep(AGAIN);
            }
            Err(Ended::Lost(_)) => sleep(AGAIN),
            Err(Ended::Failed(why)) => {
                if may_end && matches!(why.downcast_ref(), Some(kafka::Error::LogTrimmed { .. })) {
                    saw("records gone");
                    *ended.lock().expect("no thread fails with it") = Some(format!("{why:#}"));
                } else {
                    schedule::fail(format!("a worker has failed: {why:#}"));
                }
                return;
            }
        }
    }
}

/// How long a worker waits before it joins again.
const AGAIN: Duration = Duration::from_secs(1);

/// Tries a seed. Returns what happened, and why it failed, if it did.
fn try_seed(seed: u64, tells: bool, seen: &mut BTreeMap<&'static str, u64>) -> (Vec<String>, Option<String>) {
    let mut run = Run::new(seed);
    let world = Arc::clone(&run.world);
    let result = schedule::run(seed, run.settings.days, tells, Arc::clone(&world) as _, || run.go());
    for (what, times) in &*world.seen.lock().expect("no thread fails with it") {
        *seen.entry(what).or_default() += times;
    }
    result
}

/// `UPSWELL_FAULT_SEEDS=10000` tries more, `UPSWELL_FAULT_SEED=7` one of them, and prints what happened.
#[test]
fn whatever_fails_nothing_is_lost_or_doubled() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let one = number("UPSWELL_FAULT_SEED");
    let all = number("UPSWELL_FAULT_SEEDS").unwrap_or(SEEDS);
    let seeds: Vec<u64> = one.map_or_else(|| (0..all).collect(), |seed| vec![seed]);
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let seen = Mutex::new(BTreeMap::<&'static str, u64>::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let is_enough = || failed.lock().expect("no thread fails with it").len() >= FAILED_MAX;
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !is_enough()) {
                    let mut mine = BTreeMap::new();
                    let (trace, why) = try_seed(*seed, one.is_some(), &mut mine);
                    trace.iter().for_each(|line| println!("{line}"));
                    if let Some(why) = why {
                        failed.lock().expect("no thread fails with it").push((*seed, why));
                    }
                    let mut seen = seen.lock().expect("no thread fails with it");
                    mine.into_iter().for_each(|(what, times)| *seen.entry(what).or_default() += times);
                }
            });
        }
    });
    let (mut failed, seen) = (failed.into_inner().expect("as above"), seen.into_inner().expect("as above"));
    println!("{seen:#?}");
    failed.sort();
    if let Some((seed, why)) = failed.first() {
        let seeds: Vec<u64> = failed.iter().map(|(seed, _)| *seed).collect();
        let (trace, again) = try_seed(*seed, true, &mut BTreeMap::new());
        let last = trace.len().saturating_sub(200);
        trace[last..].iter().for_each(|line| eprintln!("{line}"));
        panic!("UPSWELL_FAULT_SEED={seed}: {why}\nagain: {again:?}\nall that failed: {seeds:?}");
    }
    if one.is_none() && all >= SEEDS {
        let missing: Vec<_> = WANTED.iter().filter(|what| !seen.contains_key(**what)).collect();
        assert!(missing.is_empty(), "no seed showed {missing:?}");
    }
}
