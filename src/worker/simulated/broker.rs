//! A broker with what exactly-once depends on: transactions with epochs and markers that are written one by one, readers that
//! see no open and no aborted transaction, and a group with generations, static members and offsets that are pending until
//! their transaction ends. Requests can arrive late and twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use super::schedule::{self, OUTSIDE, awake, now, tell_of};
use crate::store::offset_of;
use crate::worker::standing::Standing;

/// The broker removes a member that is silent for longer.
const SESSION: Duration = Duration::from_secs(3);
/// The broker aborts a transaction that is open for longer.
const TRANSACTION: Duration = Duration::from_secs(10);
/// How long after that a marker is written at most, but for those that take long.
const MARKERS_MS: u64 = 20;
const SLOW_MARKERS_MS: u64 = 4_000;

pub(super) const LOG: &str = "upswell.log";

/// What the threads of a simulation share.
pub(super) struct World {
    pub(super) broker: Mutex<Broker>,
    /// How probable a fault of a request is, in 10,000.
    pub(super) faults: Mutex<u32>,
    /// Until when a process has no connection.
    pub(super) cuts: Mutex<BTreeMap<usize, Duration>>,
    /// How often something happened.
    pub(super) seen: Mutex<BTreeMap<&'static str, u64>>,
}

/// Counts what happened.
pub(super) fn saw(what: &'static str) {
    let world = schedule::world::<World>();
    *world.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
}

/// The broker, after what was due there until now.
pub(super) fn broker(world: &World) -> MutexGuard<'_, Broker> {
    let mut broker = world.broker.lock().unwrap_or_else(PoisonError::into_inner);
    let cuts = world.cuts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let now = now();
    let awake = awake();
    broker.advance(now, &|process| awake[process] && cuts.get(&process).is_none_or(|until| *until <= now));
    broker
}

/// A record, or the marker of a transaction.
#[derive(Clone, Debug)]
pub(super) struct Record {
    transaction: Option<usize>,
    is_marker: bool,
    pub(super) is_control: bool,
    pub(super) time_ms: i64,
    pub(super) id: String,
    pub(super) key: Option<Arc<[u8]>>,
    pub(super) value: Option<Arc<[u8]>>,
}

#[derive(Default)]
struct Partition {
    /// The first offset that is not deleted.
    low: i64,
    records: Vec<Record>,
    /// The transactions without a marker, and their first offsets.
    open: BTreeMap<usize, i64>,
}

impl Partition {
    fn stable_end(&self) -> i64 {
        self.open.values().min().copied().unwrap_or(self.records.len() as i64)
    }
}

struct Transaction {
    producer: String,
    began: Duration,
    is_committed: Option<bool>,
    partitions: BTreeSet<(String, usize)>,
    has_offsets: bool,
    /// The markers that are not written.
    unmarked: usize,
}

#[derive(Default)]
struct Producer {
    epoch: u32,
    /// The transaction that is open, or whose markers are being written.
    current: Option<usize>,
    /// How the last one ended.
    ended: Option<bool>,
    /// The records that it has written, by their epochs and numbers.
    written: BTreeSet<(u32, u64)>,
}

/// What a producer asks for.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// Records, each with its topic, its partition and its number.
    Produce(Vec<(String, usize, u64, Record)>),
    Offsets {
        group: Generation,
        offsets: Vec<(i32, i64, String)>,
    },
    End {
        commits: bool,
    },
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// The transaction before is not complete.
    Concurrent,
    /// There is a newer epoch.
    Fenced,
    /// The group says this.
    Group(&'static str),
    /// The broker does not answer.
    Silent,
}

/// The member and its generation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Generation {
    pub(super) member: String,
    pub(super) generation: i32,
    instance: Option<String>,
}

enum Later {
    /// A marker is written; to the group if there is no partition.
    Mark {
        transaction: usize,
        place: Option<(String, usize)>,
    },
    Arrives {
        producer: String,
        epoch: u32,
        ask: Ask,
    },
}

#[derive(Default)]
struct Group {
    generation: i32,
    /// Whether it waits for members to join.
    is_preparing: bool,
    members: BTreeMap<String, Member>,
    offsets: BTreeMap<i32, (i64, String)>,
    /// By producer.
    pending: BTreeMap<String, Vec<(i32, i64, String)>>,
    count: i32,
}

struct Member {
    client: usize,
    instance: Option<String>,
    heard: Duration,
    has_joined: bool,
    /// The partitions that it says it has, and since which generation.
    claims: BTreeMap<i32, i32>,
    assigned: BTreeSet<i32>,
}

/// A change of the assignment that the application answers.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Assign(Vec<i32>),
    Revoke(Vec<i32>),
}

/// The part of a consumer that runs beside the application: it joins the group again by itself.
pub(super) struct Library {
    process: usize,
    instance: Option<String>,
    pub(super) member: String,
    generation: i32,
    assignment: BTreeSet<i32>,
    pub(super) changes: VecDeque<Change>,
    pub(super) is_answering: bool,
    /// The group has removed the member, which has learned of it.
    pub(super) is_lost: bool,
    /// Another member has its instance id.
    pub(super) is_fenced: bool,
    is_closed: bool,
}

pub(super) struct Broker {
    rng: SmallRng,
    topics: BTreeMap<String, Vec<Partition>>,
    transactions: Vec<Transaction>,
    producers: BTreeMap<String, Producer>,
    group: Group,
    pub(super) libraries: Vec<Library>,
    later: BTreeMap<(Duration, u64), Later>,
    /// Numbers members, and what is due later.
    number: u64,
}

impl Broker {
    pub(super) fn new(seed: u64, partitions: usize) -> Broker {
        let log = (0..partitions).map(|_| Partition::default()).collect();
        Broker {
            rng: SmallRng::seed_from_u64(seed ^ 0xb70c_e700),
            topics: BTreeMap::from([(LOG.to_owned(), log)]),
            transactions: Vec::new(),
            producers: BTreeMap::new(),
            group: Group { count: partitions as i32, ..Group::default() },
            libraries: Vec::new(),
            later: BTreeMap::new(),
            number: 0,
        }
    }

    /// What happens by itself until now. `hears` tells whether a process can be heard.
    fn advance(&mut self, now: Duration, hears: &dyn Fn(usize) -> bool) {
        while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= now) {
            match first.remove() {
                Later::Mark { transaction, place } => self.mark(transaction, place),
                Later::Arrives { producer, epoch, ask } => {
                    let answer = self.handle(&producer, epoch, &ask, now);
                    saw(if answer.is_ok() { "late request" } else { "late request refused" });
                    tell_of(OUTSIDE, || format!("late, from {producer}/{epoch}: {} → {answer:?}", ask.name()));
                }
            }
        }
        let is_old = |it: &Transaction| it.is_committed.is_none() && now >= it.began + TRANSACTION;
        let open = self.producers.values().filter_map(|it| it.current);
        for transaction in open.filter(|it| is_old(&self.transactions[*it])).collect::<Vec<_>>() {
            let producer = self.transactions[transaction].producer.clone();
            saw("transaction timed out");
            tell_of(OUTSIDE, || format!("the transaction {transaction} of {producer} times out"));
            self.producers.get_mut(&producer).expect("it has begun it").epoch += 1;
            self.decide(transaction, false, now);
        }
        for member in self.group.members.values_mut() {
            if hears(self.libraries[member.client].process) && !self.libraries[member.client].is_closed {
                member.heard = now;
            }
        }
        let silent: Vec<String> =
            self.group.members.iter().filter(|(_, it)| now > it.heard + SESSION).map(first).collect();
        for member in silent {
            saw("session timed out");
            tell_of(OUTSIDE, || format!("the session of {member} times out"));
            self.group.members.remove(&member);
            self.prepare();
        }
        for client in 0..self.libraries.len() {
            let Library { process, is_closed, .. } = self.libraries[client];
            if !is_closed && hears(process) && self.rng.random_bool(0.5) {
                self.serve_library(client, now);
            }
        }
        self.complete();
    }

    fn at(&mut self, when: Duration, what: Later) {
        self.number += 1;
        self.later.insert((when, self.number), what);
    }

    // Topics.

    fn partition(&mut self, topic: &str, partition: usize) -> &mut Partition {
        let partitions = self.topics.entry(topic.to_owned()).or_default();
        while partitions.len() <= partition {
            partitions.push(Partition::default());
        }
        &mut partitions[partition]
    }

    /// Appends a record to the log.
    pub(super) fn append(&mut self, partition: i32, is_control: bool, time_ms: i64, key: Option<&[u8]>, value: &[u8]) {
        let (key, value) = (key.map(Arc::from), Some(value.into()));
        let record = Record { transaction: None, is_marker: false, is_control, time_ms, id: String::new(), key, value };
        self.partition(LOG, partition as usize).records.push(record);
    }

    /// The first offset of a partition of the log, its stable end, and its end.
    pub(super) fn ends(&mut self, partition: i32) -> (i64, i64, i64) {
        let partition = self.partition(LOG, partition as usize);
        (partition.low, partition.stable_end(), partition.records.len() as i64)
    }

    /// The records of a partition that a reader sees from an offset on, at most so many, and the offset that comes next.
    pub(super) fn read(&mut self, topic: &str, partition: usize, from: i64, most: usize) -> (Vec<(i64, Record)>, i64) {
        let it = self.partition(topic, partition);
        let (mut offset, end, mut found) = (from, it.stable_end(), Vec::new());
        while offset < end && found.len() < most {
            let record = &self.topics[topic][partition].records[offset as usize];
            let is_committed = record.transaction.is_none_or(|it| self.transactions[it].is_committed == Some(true));
            if is_committed && !record.is_marker {
                found.push((offset, record.clone()));
            }
            offset += 1;
        }
        (found, offset)
    }

    /// The topics, each with its number of partitions.
    pub(super) fn topics(&self) -> Vec<(String, usize)> {
        self.topics.iter().map(|(name, partitions)| (name.clone(), partitions.len())).collect()
    }

    /// Deletes the records of the log before an offset.
    pub(super) fn trim(&mut self, partition: i32, low: i64) {
        let it = self.partition(LOG, partition as usize);
        it.low = it.low.max(low);
    }

    // Transactions.

    /// A new epoch for a producer, once its transaction has ended.
    pub(super) fn initialise(&mut self, producer: &str, now: Duration) -> Result<u32, Refusal> {
        let it = self.producers.entry(producer.to_owned()).or_default();
        let Some(current) = it.current else {
            it.epoch += 1;
            return Ok(it.epoch);
        };
        if self.transactions[current].is_committed.is_none() {
            it.epoch += 1;
            self.decide(current, false, now);
        }
        Err(Refusal::Concurrent)
    }

    /// Has a request arrive later, once more.
    pub(super) fn arrives_late(&mut self, producer: &str, epoch: u32, ask: &Ask, now: Duration) {
        let after = Duration::from_millis(self.rng.random_range(1..8_000));
        self.at(now + after, Later::Arrives { producer: producer.to_owned(), epoch, ask: ask.clone() });
    }

    pub(super) fn handle(&mut self, producer: &str, epoch: u32, ask: &Ask, now: Duration) -> Result<(), Refusal> {
        let it = self.producers.get_mut(producer).expect("it was initialised");
        if it.epoch != epoch {
            return Err(Refusal::Fenced);
        }
        match ask {
            Ask::Produce(records) => {
                for (topic, partition, number, record) in records {
                    let it = self.producers.get_mut(producer).expect("it was initialised");
                    if it.written.contains(&(epoch, *number)) {
                        continue;
                    }
                    let transaction = self.open(producer, now)?;
                    self.producers.get_mut(producer).expect("as above").written.insert((epoch, *number));
                    self.transactions[transaction].partitions.insert((topic.clone(), *partition));
                    let partition = self.partition(topic, *partition);
                    if record.is_control {
                        saw("tick");
                    }
                    partition.open.entry(transaction).or_insert(partition.records.len() as i64);
                    partition.records.push(Record { transaction: Some(transaction), ..record.clone() });
                }
                Ok(())
            }
            Ask::Offsets { group, offsets } => {
                let transaction = self.open(producer, now)?;
                self.transactions[transaction].has_offsets = true;
                self.check(group)?;
                self.group.pending.entry(producer.to_owned()).or_default().extend(offsets.iter().cloned());
                Ok(())
            }
            Ask::End { commits } => match it.current.map(|it| (it, self.transactions[it].is_committed)) {
                Some((current, None)) => {
                    self.decide(current, *commits, now);
                    Ok(())
                }
                Some((_, Some(is_committed))) if is_committed == *commits => Ok(()),
                // Nothing was sent of it, or it was repeated.
                None if !commits || it.ended == Some(true) => Ok(()),
                _ => Err(Refusal::Fenced),
            },
        }
    }

    /// The open transaction of a producer, which begins with its first request.
    fn open(&mut self, producer: &str, now: Duration) -> Result<usize, Refusal> {
        let it = self.producers.get_mut(producer).expect("it was initialised");
        match it.current {
            Some(current) if self.transactions[current].is_committed.is_none() => Ok(current),
            Some(_) => Err(Refusal::Concurrent),
            None => {
                it.current = Some(self.transactions.len());
                self.transactions.push(Transaction {
                    producer: producer.to_owned(),
                    began: now,
                    is_committed: None,
                    partitions: BTreeSet::new(),
                    has_offsets: false,
                    unmarked: 0,
                });
                Ok(self.transactions.len() - 1)
            }
        }
    }

    /// A transaction is to be committed or aborted, which no failure changes. Its markers are written one by one.
    fn decide(&mut self, transaction: usize, commits: bool, now: Duration) {
        let it = &mut self.transactions[transaction];
        it.is_committed = Some(commits);
        saw(if commits { "transaction committed" } else { "transaction aborted" });
        let it = &self.transactions[transaction];
        let mut places: Vec<_> = it.partitions.iter().cloned().map(Some).collect();
        places.extend(it.has_offsets.then_some(None));
        self.transactions[transaction].unmarked = places.len();
        if places.is_empty() {
            self.ends_transaction(transaction);
        }
        let most = if self.rng.random_bool(0.02) { SLOW_MARKERS_MS } else { MARKERS_MS };
        for place in places {
            let after = Duration::from_millis(self.rng.random_range(0..most));
            self.at(now + after, Later::Mark { transaction, place });
        }
    }

    fn mark(&mut self, transaction: usize, place: Option<(String, usize)>) {
        let is_committed = self.transactions[transaction].is_committed == Some(true);
        match place {
            Some((topic, partition)) => {
                let partition = self.partition(&topic, partition);
                partition.open.remove(&transaction);
                partition.records.push(Record {
                    transaction: Some(transaction),
                    is_marker: true,
                    is_control: false,
                    time_ms: 0,
                    id: String::new(),
                    key: None,
                    value: None,
                });
            }
            None => {
                let offsets = self.group.pending.remove(&self.transactions[transaction].producer).unwrap_or_default();
                for (partition, offset, metadata) in offsets.into_iter().filter(|_| is_committed) {
                    tell_of(OUTSIDE, || format!("committed: {LOG}[{partition}] at {offset}, {metadata}"));
                    let before = self.group.offsets.get(&partition).map_or(0, |(before, _)| *before);
                    let snapshot = offset_of(Standing::read(&metadata).snapshot).unwrap_or(0);
                    if offset < before || snapshot > offset {
                        schedule::fail(format!(
                            "{LOG}[{partition}] was committed at {before}, and is at {offset} with a snapshot at {snapshot}"
                        ));
                    }
                    self.group.offsets.insert(partition, (offset, metadata));
                }
            }
        }
        self.transactions[transaction].unmarked -= 1;
        if self.transactions[transaction].unmarked == 0 {
            self.ends_transaction(transaction);
        }
    }

    fn ends_transaction(&mut self, transaction: usize) {
        let Transaction { producer, is_committed, .. } = &self.transactions[transaction];
        let it = self.producers.get_mut(producer).expect("it has begun it");
        (it.current, it.ended) = (None, *is_committed);
    }

    /// Whether a transaction is open, or markers of one are missing.
    pub(super) fn is_busy(&self) -> bool {
        self.producers.values().any(|it| it.current.is_some()) || !self.later.is_empty()
    }

    // The group.

    /// The offset and its metadata that the group has committed; none if a transaction with another one is open.
    pub(super) fn committed(&self, partition: i32) -> Option<Option<(i64, String)>> {
        let is_pending = self.group.pending.values().flatten().any(|(it, ..)| *it == partition);
        (!is_pending).then(|| self.group.offsets.get(&partition).cloned())
    }

    pub(super) fn count(&self) -> i32 {
        self.group.count
    }

    /// What a transaction of this generation may commit. A producer that names no member is not checked.
    fn check(&self, group: &Generation) -> Result<(), Refusal> {
        if group.member.is_empty() {
            return Ok(());
        }
        if self.group.members.contains_key(&group.member) {
            let is_it = group.generation == self.group.generation;
            saw(if is_it { "offsets" } else { "offsets of another generation" });
            return if is_it { Ok(()) } else { Err(Refusal::Group("another generation")) };
        }
        let is_replaced = self.group.members.values().any(|it| it.instance.is_some() && it.instance == group.instance);
        Err(Refusal::Group(if is_replaced { "another member has the instance" } else { "an unknown member" }))
    }

    /// The members are to join again.
    fn prepare(&mut self) {
        self.group.is_preparing = true;
        self.group.members.values_mut().for_each(|member| member.has_joined = false);
    }

    /// If all members have joined, a new generation begins.
    fn complete(&mut self) {
        let group = &mut self.group;
        if !group.is_preparing || group.members.is_empty() || !group.members.values().all(|it| it.has_joined) {
            return;
        }
        group.is_preparing = false;
        group.generation += 1;
        // Who says that he has a partition, and who has said so last.
        let mut owners: BTreeMap<i32, (i32, Option<String>)> = BTreeMap::new();
        for (name, member) in &group.members {
            for (partition, since) in &member.claims {
                let owner = owners.entry(*partition).or_insert((*since, None));
                match owner.0.cmp(since) {
                    std::cmp::Ordering::Less => *owner = (*since, Some(name.clone())),
                    std::cmp::Ordering::Equal => owner.1 = owner.1.is_none().then(|| name.clone()),
                    std::cmp::Ordering::Greater => {}
                }
            }
        }
        let mut free: Vec<i32> = (0..group.count).filter(|it| !owners.contains_key(it)).collect();
        let owns = |name: &String| -> BTreeSet<i32> {
            owners.iter().filter(|(_, (_, owner))| owner.as_ref() == Some(name)).map(first).collect()
        };
        let mut names: Vec<String> = group.members.keys().cloned().collect();
        names.sort_by_key(|name| std::cmp::Reverse(owns(name).len()));
        let (least, more) = (group.count as usize / names.len(), group.count as usize % names.len());
        for (place, name) in names.iter().enumerate() {
            let most = least + usize::from(place < more);
            let mut assigned: BTreeSet<i32> = owns(name).into_iter().take(most).collect();
            while assigned.len() < most
                && let Some(partition) = free.pop()
            {
                assigned.insert(partition);
            }
            tell_of(OUTSIDE, || format!("generation {}: {name} gets {assigned:?}", group.generation));
            group.members.get_mut(name).expect("it is one of them").assigned = assigned;
        }
    }

    /// A consumer subscribes. Returns its number.
    pub(super) fn subscribe(&mut self, process: usize, instance: Option<String>) -> usize {
        self.libraries.push(Library {
            process,
            instance,
            member: String::new(),
            generation: -1,
            assignment: BTreeSet::new(),
            changes: VecDeque::new(),
            is_answering: false,
            is_lost: false,
            is_fenced: false,
            is_closed: false,
        });
        self.libraries.len() - 1
    }

    /// A consumer leaves; a static member without telling the group.
    pub(super) fn leave(&mut self, client: usize) {
        let library = &mut self.libraries[client];
        library.is_closed = true;
        if library.instance.is_none() && self.group.members.remove(&library.member).is_some() {
            self.prepare();
        }
    }

    /// Joins as a new member, with what it still has.
    fn join(&mut self, client: usize, now: Duration) {
        self.number += 1;
        let library = &self.libraries[client];
        let name = format!("member-{}", self.number);
        let instance = library.instance.clone();
        let former = self.group.members.iter().find(|(_, it)| instance.is_some() && it.instance == instance).map(first);
        let former = former.and_then(|former| self.group.members.remove(&former));
        let claims = library.assignment.iter().map(|it| (*it, library.generation)).collect();
        let mut member = Member { client, instance, heard: now, has_joined: false, claims, assigned: BTreeSet::new() };
        match former {
            // It gets the assignment of its former self, so there is no rebalance.
            Some(former) if !self.group.is_preparing => (member.has_joined, member.assigned) = (true, former.assigned),
            _ => self.prepare(),
        }
        tell_of(OUTSIDE, || format!("{name} joins as client {client}, with {:?}", member.claims));
        self.group.members.insert(name.clone(), member);
        let library = &mut self.libraries[client];
        library.member = name;
        library.is_lost = false;
    }

    /// What a client does by itself, beside the application.
    fn serve_library(&mut self, client: usize, now: Duration) {
        let library = &mut self.libraries[client];
        if library.is_closed || library.is_fenced {
            return;
        }
        let is_answered = !library.is_answering && library.changes.is_empty();
        if !library.member.is_empty() && !self.group.members.contains_key(&library.member) {
            let is_replaced = |it: &Member| it.instance.is_some() && it.instance == library.instance;
            if self.group.members.values().any(is_replaced) {
                library.is_fenced = true;
                saw("static member replaced");
            } else if !is_answered {
                library.is_lost = true;
            } else if self.rng.random_bool(0.5) {
                // It learns of it while it joins again: what it has stays, in the new generation, too.
                saw("member replaced unnoticed");
                self.join(client, now);
            } else {
                tell_of(OUTSIDE, || format!("client {client} has lost {:?}", library.assignment));
                library.is_lost = true;
                library.member = String::new();
                library.changes.push_back(Change::Revoke(library.assignment.iter().copied().collect()));
            }
            return;
        }
        if !is_answered {
            return;
        }
        let Some(member) = self.group.members.get_mut(&library.member) else {
            return self.join(client, now);
        };
        if self.group.is_preparing {
            if !member.has_joined {
                member.has_joined = true;
                member.claims = library.assignment.iter().map(|it| (*it, library.generation)).collect();
            }
        } else if member.has_joined && library.generation != self.group.generation {
            library.generation = self.group.generation;
            let revoked: Vec<i32> = library.assignment.difference(&member.assigned).copied().collect();
            let added: Vec<i32> = member.assigned.difference(&library.assignment).copied().collect();
            if !revoked.is_empty() {
                library.changes.push_back(Change::Revoke(revoked));
            }
            library.changes.push_back(Change::Assign(added));
        }
    }

    /// The application has answered a change.
    pub(super) fn answered(&mut self, client: usize, change: &Change) {
        let library = &mut self.libraries[client];
        library.is_answering = false;
        match change {
            Change::Assign(list) => library.assignment.extend(list),
            Change::Revoke(list) => {
                library.assignment.retain(|partition| !list.contains(partition));
                if !library.is_lost && !library.is_closed {
                    self.join_again(client);
                }
            }
        }
    }

    /// A member makes the group rebalance.
    pub(super) fn join_again(&mut self, client: usize) {
        if self.group.members.contains_key(&self.libraries[client].member) {
            self.prepare();
        }
    }

    /// The present generation of a client.
    pub(super) fn generation(&self, client: usize) -> Generation {
        let Library { member, generation, instance, .. } = &self.libraries[client];
        Generation { member: member.clone(), generation: *generation, instance: instance.clone() }
    }
}

impl Ask {
    pub(super) fn name(&self) -> String {
        match self {
            Ask::Produce(records) => {
                let records: Vec<String> =
                    records.iter().map(|(topic, _, _, record)| format!("{} to {topic}", record.id)).collect();
                format!("produce {}", records.join(", "))
            }
            Ask::Offsets { group, offsets } => {
                let offsets: Vec<(i32, i64)> =
                    offsets.iter().map(|(partition, offset, _)| (*partition, *offset)).collect();
                format!("send offsets {offsets:?} as {} of generation {}", group.member, group.generation)
            }
            Ask::End { commits } => if *commits { "commit" } else { "abort" }.to_owned(),
        }
    }
}

impl Record {
    pub(super) fn of_output(id: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
        let (key, value) = (key.map(Arc::from), value.map(Arc::from));
        let is_control = id.is_empty();
        let time_ms = schedule::now_ms();
        Record { transaction: None, is_marker: false, is_control, time_ms, id: id.to_owned(), key, value }
    }
}

fn first<A: Clone, B>((first, _): (&A, B)) -> A {
    first.clone()
}
