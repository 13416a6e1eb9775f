//! The clients of a worker, for the simulated broker. They keep what `crate::kafka` promises: a transaction is committed, or
//! aborted, or it is unknown which; and after a connection has failed, the next transaction has a new epoch.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt as _;

use super::broker::{Ask, Change, Generation, LOG, Record, Refusal, World, broker, saw};
use super::schedule::{self, draw, now, process, sleep, tell};
use crate::kafka::{Committed, Config, Ends, Error, Message, Polled, Progress, TransactionError};
use crate::worker::client::{self, Kafka};

/// How long a request is repeated while there is no connection.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(3);
/// How long to wait before a question is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// The same for a request that the transaction before delays.
const CONCURRENT: Duration = Duration::from_millis(5);

/// What may happen to a request.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// It does not arrive, or only later.
    Lost,
    /// It arrives, and its answer is lost.
    Unanswered,
    /// The process is killed or halted before or after it.
    Dies {
        before: bool,
    },
    Halts {
        before: bool,
    },
}

impl Fault {
    fn draw(world: &World) -> Fault {
        let probable = *world.faults.lock().expect("no thread fails with it");
        draw(|rng| {
            if rng.random_range(0..10_000) >= probable {
                return Fault::None;
            }
            let before = rng.random_bool(0.5);
            match rng.random_range(0..10) {
                0..3 => Fault::Lost,
                3..7 => Fault::Unanswered,
                7..9 => Fault::Dies { before },
                _ => Fault::Halts { before },
            }
        })
    }

    fn happens(self, is_before: bool) {
        let process = process().expect("a client is of a process");
        match self {
            Fault::Dies { before } if before == is_before => {
                saw("killed at a request");
                tell(|| "is killed".to_owned());
                schedule::kill(process);
            }
            Fault::Halts { before } if before == is_before => {
                let long = draw(|rng| Duration::from_millis(rng.random_range(100..25_000)));
                saw("halted at a request");
                tell(|| format!("is halted for {long:?}"));
                schedule::halt(process, long);
            }
            _ => return,
        }
        sleep(Duration::ZERO);
    }
}

/// What became of a request, in words.
fn said(answer: Option<&Result<(), Refusal>>, fault: Fault) -> String {
    let arrived = match answer {
        None => "lost".to_owned(),
        Some(Ok(())) => "done".to_owned(),
        Some(Err(refusal)) => format!("{refusal:?}"),
    };
    if fault == Fault::Unanswered { format!("{arrived}, and its answer is lost") } else { arrived }
}

/// The way of a request, or of its answer.
fn travel() {
    sleep(draw(|rng| Duration::from_micros(rng.random_range(50..1_500))));
}

/// Waits until there is a connection. Returns whether there was none; none if it takes too long.
fn connect(world: &World, config: &Config) -> Option<bool> {
    let (began, process) = (now(), process().expect("a client is of a process"));
    let mut was_cut = false;
    while world.cuts.lock().expect("no thread fails with it").get(&process).is_some_and(|until| *until > now()) {
        was_cut = true;
        let patience = if config.is_stopping() { PATIENCE_AT_THE_END } else { PATIENCE };
        if now() >= began + patience {
            return None;
        }
        sleep(AGAIN);
    }
    Some(was_cut)
}

/// Asks the broker something that changes nothing.
fn ask<T>(config: &Config, question: impl FnOnce(&mut super::broker::Broker) -> T) -> Result<T, Error> {
    let world = schedule::world::<World>();
    travel();
    connect(&world, config).ok_or_else(|| Error::MembershipLost { group: config.group.clone() })?;
    Ok(question(&mut broker(&world)))
}

pub(super) enum Simulated {}

impl Kafka for Simulated {
    type Generation = Generation;
    type Consumer = Consumer;
    type Producer = Producer;
}

pub(super) struct Consumer {
    config: Config,
    client: usize,
    /// The next offset of each partition that is read, and whether its end was reported there.
    positions: BTreeMap<i32, (i64, bool)>,
    waiting: BTreeMap<i32, i64>,
    is_assigned: bool,
    /// The id with which the present partitions were assigned.
    member: String,
    count: i32,
}

impl Consumer {
    fn member(&self) -> Result<Generation, Error> {
        let generation = broker(&schedule::world()).generation(self.client);
        let owns_any = !self.positions.is_empty() || !self.waiting.is_empty();
        if generation.member.is_empty() || owns_any && generation.member != self.member {
            return Err(Error::MembershipLost { group: self.config.group.clone() });
        }
        Ok(generation)
    }

    fn is_lost(&self) -> bool {
        broker(&schedule::world()).libraries[self.client].is_lost
    }

    fn serve(&mut self, each: &mut impl FnMut(Polled<'_, Generation>)) -> Result<bool, Error> {
        sleep(draw(|rng| Duration::from_micros(rng.random_range(0..100))));
        let mut changed = false;
        loop {
            let change = {
                let world = schedule::world();
                let broker = &mut broker(&world);
                let library = &mut broker.libraries[self.client];
                if library.is_fenced {
                    let (group, instance) = (self.config.group.clone(), "its instance".to_owned());
                    return Err(Error::InstanceFenced { group, instance });
                }
                library.is_answering = !library.changes.is_empty();
                library.changes.pop_front()
            };
            let Some(change) = change else { return Ok(changed) };
            changed = true;
            tell(|| format!("client {}: {change:?}", self.client));
            let answered = match &change {
                Change::Assign(list) => self.assign(list, each),
                Change::Revoke(list) => {
                    self.revoke(list, each);
                    Ok(())
                }
            };
            broker(&schedule::world()).answered(self.client, &change);
            answered?;
        }
    }

    fn assign(&mut self, list: &[i32], each: &mut impl FnMut(Polled<'_, Generation>)) -> Result<(), Error> {
        let mut starts = Vec::new();
        for partition in list {
            let began = now();
            let committed = loop {
                match ask(&self.config, |broker| broker.committed(*partition))? {
                    Some(committed) => break committed,
                    None if now() >= began + PATIENCE => {
                        return Err(Error::MembershipLost { group: self.config.group.clone() });
                    }
                    None => sleep(AGAIN),
                }
            };
            let (low, end, _) = ask(&self.config, |broker| broker.ends(*partition))?;
            starts.push((*partition, committed, low, end));
        }
        self.member = self.member()?.member;
        if !self.is_assigned && self.config.group_instance_id.is_some() {
            broker(&schedule::world()).join_again(self.client);
        }
        for (partition, committed, low, end) in starts {
            let mut begin = Some(0);
            let (committed, metadata) = committed.unzip();
            let metadata = metadata.unwrap_or_default();
            each(Polled::Assigned { partition, committed, metadata: &metadata, low, end, begin: &mut begin });
            match begin {
                Some(begin) => self.start(partition, begin, low)?,
                None => drop(self.waiting.insert(partition, low)),
            }
        }
        self.is_assigned = true;
        Ok(())
    }

    fn start(&mut self, partition: i32, begin: i64, low: i64) -> Result<(), Error> {
        if begin < low {
            return Err(Error::LogTrimmed { topic: LOG.to_owned(), partition, low, begin });
        }
        self.positions.insert(partition, (begin, false));
        Ok(())
    }

    fn revoke(&mut self, list: &[i32], each: &mut impl FnMut(Polled<'_, Generation>)) {
        let group = self.member().ok().filter(|_| !self.is_lost());
        self.is_assigned &= group.is_some();
        for partition in list {
            if self.positions.remove(partition).is_some() || self.waiting.remove(partition).is_some() {
                each(Polled::Revoked { partition: *partition, group: group.clone() });
            }
        }
    }

    /// Delivers records of some partitions. Returns whether there was anything.
    fn deliver(&mut self, each: &mut impl FnMut(Polled<'_, Generation>)) -> Result<bool, Error> {
        let mut any = false;
        for partition in self.positions.keys().copied().collect::<Vec<_>>() {
            if draw(|rng| rng.random_bool(0.3)) {
                continue;
            }
            let (position, is_told) = self.positions[&partition];
            let most = draw(|rng| rng.random_range(1..40));
            let (low, end, records, next) = {
                let world = schedule::world();
                let broker = &mut broker(&world);
                let (low, end, _) = broker.ends(partition);
                let (records, next) = broker.read(LOG, partition as usize, position, most);
                (low, end, records, next)
            };
            if position < low {
                let detail = "it was deleted".to_owned();
                return Err(Error::OffsetGone { topic: LOG.to_owned(), partition, detail });
            }
            let is_told = is_told && records.is_empty();
            self.positions.insert(partition, (next, is_told || next == end));
            any |= !records.is_empty();
            for (offset, Record { time_ms, is_control, key, value, .. }) in &records {
                let (key, payload) = (key.as_deref(), value.as_deref().unwrap_or_default());
                let place = (LOG, partition, *offset);
                each(Polled::Message(Message::of_tests(place, Some(*time_ms), *is_control, key, payload)));
            }
            if next == end && !is_told {
                each(Polled::End { partition, position: end });
                any = true;
            }
        }
        Ok(any)
    }
}

impl client::Consumer<Generation> for Consumer {
    fn join(config: &Config, _: &str, worker: usize) -> Result<Self, Error> {
        let process = process().expect("a client is of a process");
        let instance = config.group_instance_id.as_ref().map(|instance| format!("{instance}-{worker}"));
        let (client, count) = ask(config, |broker| (broker.subscribe(process, instance), broker.count()))?;
        Ok(Consumer {
            config: config.clone(),
            client,
            positions: BTreeMap::new(),
            waiting: BTreeMap::new(),
            is_assigned: false,
            member: String::new(),
            count,
        })
    }

    fn leave(self) {
        broker(&schedule::world()).leave(self.client);
    }

    fn topic_id(&self) -> Option<&str> {
        Some("the-id-of-the-log")
    }

    fn partitions(&self) -> i32 {
        self.count
    }

    fn is_assigned(&self) -> bool {
        self.is_assigned
    }

    fn group_metadata(&self) -> Result<Generation, Error> {
        self.member()
    }

    fn poll(&mut self, wait: Duration, each: &mut impl FnMut(Polled<'_, Generation>)) -> Result<(), Error> {
        let until = now() + wait;
        loop {
            let changed = self.serve(each)?;
            let is_cut = {
                let world = schedule::world::<World>();
                let cuts = world.cuts.lock().expect("no thread fails with it");
                cuts.get(&process().expect("a client is of a process")).is_some_and(|until| *until > now())
            };
            if !is_cut && self.deliver(each)? || changed || now() >= until {
                return Ok(());
            }
            sleep(until - now());
        }
    }

    fn attend(&mut self, each: &mut impl FnMut(Polled<'_, Generation>)) -> Result<(), Error> {
        self.serve(each).map(drop)
    }

    fn begin(&mut self, partition: i32, offset: i64) -> Result<(), Error> {
        let Some(low) = self.waiting.get(&partition).copied().filter(|_| !self.is_lost()) else { return Ok(()) };
        self.start(partition, offset, low)?;
        saw(if offset > 0 { "restored from a snapshot" } else { "not restored" });
        self.waiting.remove(&partition);
        Ok(())
    }

    fn halt(&mut self, partition: i32) -> Result<(), Error> {
        if !self.is_lost() && self.positions.remove(&partition).is_some() {
            self.waiting.insert(partition, 0);
        }
        Ok(())
    }

    fn ends(&self, each: &mut impl FnMut(i32, Ends)) {
        for partition in self.positions.keys() {
            let (_, stable, last) = broker(&schedule::world()).ends(*partition);
            each(*partition, Ends { stable, last });
        }
    }

    fn committed(config: &Config, _: &str) -> Result<Vec<Committed>, Error> {
        let all = ask(config, |broker| (0..broker.count()).map(|it| broker.committed(it)).collect::<Vec<_>>())?;
        let committed = |it: Option<(i64, String)>| {
            let (offset, metadata) = it.map_or((None, String::new()), |(offset, metadata)| (Some(offset), metadata));
            Committed { offset, metadata }
        };
        Ok(all.into_iter().map(|it| committed(it.flatten())).collect())
    }
}

pub(super) struct Producer {
    config: Config,
    id: String,
    epoch: u32,
    /// A connection was lost on which requests may be under way.
    is_lost: bool,
    /// Another producer has its id, as it has learned.
    is_fenced: bool,
    /// Records that were taken and not sent.
    taken: Vec<(String, usize, u64, Record)>,
    number: u64,
}

impl Producer {
    fn initialise(&mut self) -> Result<(), Refusal> {
        let world = schedule::world::<World>();
        let began = now();
        loop {
            travel();
            connect(&world, &self.config).ok_or(Refusal::Silent)?;
            let initialised = broker(&world).initialise(&self.id, now());
            travel();
            match initialised {
                Ok(epoch) => {
                    tell(|| format!("{} has epoch {epoch}", self.id));
                    (self.epoch, self.is_lost) = (epoch, false);
                    self.taken.clear();
                    return Ok(());
                }
                Err(_) if now() >= began + PATIENCE => return Err(Refusal::Silent),
                Err(_) => sleep(AGAIN),
            }
        }
    }

    /// Sends a request until it is answered.
    fn request(&mut self, ask: &Ask) -> Result<(), Refusal> {
        let world = schedule::world::<World>();
        let is_commit = matches!(ask, Ask::End { commits: true });
        loop {
            let fault = Fault::draw(&world);
            fault.happens(true);
            travel();
            match connect(&world, &self.config) {
                None => return Err(Refusal::Silent),
                Some(was_cut) => self.is_lost |= was_cut,
            }
            self.is_lost |= matches!(fault, Fault::Lost | Fault::Unanswered);
            let answer = (fault != Fault::Lost).then(|| broker(&world).handle(&self.id, self.epoch, ask, now()));
            if answer != Some(Err(Refusal::Concurrent)) {
                tell(|| format!("{}/{}: {} → {}", self.id, self.epoch, ask.name(), said(answer.as_ref(), fault)));
            }
            if self.is_lost && draw(|rng| rng.random_bool(0.5)) {
                broker(&world).arrives_late(&self.id, self.epoch, ask, now());
            }
            fault.happens(false);
            travel();
            match answer.filter(|_| fault != Fault::Unanswered) {
                // There may never be an answer: what became of the request is unknown.
                None if draw(|rng| rng.random_bool(if is_commit { 0.5 } else { 0.1 })) => {
                    saw("request never answered");
                    return Err(Refusal::Silent);
                }
                None => {}
                Some(Err(Refusal::Concurrent)) => sleep(CONCURRENT),
                Some(answer) => return answer,
            }
        }
    }

    /// Sends so many of the records that were taken.
    fn flush(&mut self, count: usize) -> Result<(), Refusal> {
        let mut records: Vec<_> = self.taken.drain(..count).collect();
        while !records.is_empty() {
            let rest = records.split_off(draw(|rng| rng.random_range(1..=records.len())));
            self.request(&Ask::Produce(records))?;
            records = rest;
        }
        Ok(())
    }

    fn end(&mut self, refusal: Refusal) -> TransactionError {
        self.taken.clear();
        let aborted = match &refusal {
            Refusal::Fenced => Err(refusal.clone()),
            _ => self.request(&Ask::End { commits: false }),
        };
        match aborted {
            Ok(()) => TransactionError::Aborted(format!("{refusal:?}")),
            Err(Refusal::Fenced) => {
                self.is_fenced = true;
                TransactionError::Fenced("there is a newer epoch".to_owned())
            }
            Err(why) => TransactionError::Fenced(format!("it could not be aborted: {why:?}")),
        }
    }
}

impl client::Producer<Generation> for Producer {
    fn connect(config: &Config, transactional_id: &str) -> Result<Self, Error> {
        let id = match &config.group_instance_id {
            Some(_) => transactional_id.to_owned(),
            // The id that is drawn where there is no instance would be another one each time.
            None => format!("producer-{}-{}", process().unwrap_or_default(), schedule::turns()),
        };
        let (config, taken) = (config.clone(), Vec::new());
        let mut producer = Producer { config, id, epoch: 0, is_lost: false, is_fenced: false, taken, number: 0 };
        let stopped = |_| Error::Stopped { doing: "starting the transactional producer".to_owned() };
        producer.initialise().map_err(stopped)?;
        Ok(producer)
    }

    fn attend(&self) {}

    fn begin(&mut self) -> Result<(), TransactionError> {
        if self.is_fenced {
            return Err(TransactionError::Fenced("there is a newer epoch".to_owned()));
        }
        if self.is_lost {
            let why = |why: Refusal| TransactionError::Aborted(format!("{why:?}"));
            self.initialise().map_err(why)?;
        }
        Ok(())
    }

    fn send<'a>(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a str, &'a str), IntoIter: Clone>,
    ) -> Result<(), TransactionError> {
        let id = headers.into_iter().find(|(name, _)| *name == "ce_id").map_or("", |(_, id)| id);
        let record = Record::of_output(id, key, payload);
        let (topic, partition, number) = (topic.to_owned(), partition.unwrap_or(0) as usize, self.number);
        self.taken.push((topic, partition, number, record));
        self.number += 1;
        if draw(|rng| rng.random_bool(0.1)) {
            let count = draw(|rng| rng.random_range(0..=self.taken.len()));
            self.flush(count).map_err(|refusal| self.end(refusal))?;
        }
        Ok(())
    }

    fn commit(&mut self, progress: &[Progress<'_>], group: &Generation) -> Result<(), TransactionError> {
        let offsets = progress.iter().map(|it| (it.partition, it.offset, it.metadata.to_owned())).collect();
        let offsets = Ask::Offsets { group: group.clone(), offsets };
        let before = draw(|rng| rng.random_range(0..=self.taken.len()));
        self.flush(before)
            .and_then(|()| self.request(&offsets))
            .and_then(|()| self.flush(self.taken.len()))
            .map_err(|refusal| self.end(refusal))?;
        self.request(&Ask::End { commits: true }).map_err(|refusal| match refusal {
            // A commit without an answer can neither be aborted nor be assumed to have succeeded.
            Refusal::Silent => TransactionError::Fenced("it was not answered".to_owned()),
            refusal => self.end(refusal),
        })
    }

    fn abort(&mut self) -> Result<(), TransactionError> {
        self.taken.clear();
        self.request(&Ask::End { commits: false }).map_err(|refusal| self.end(refusal))
    }

    fn partitions(config: &Config, _: &str) -> Result<i32, Error> {
        ask(config, |_| 1)
    }
}

/// Committed records of a topic.
pub(super) fn read_all(world: &World, topic: &str, partition: usize) -> Vec<(i64, Record)> {
    broker(world).read(topic, partition, 0, usize::MAX).0
}
