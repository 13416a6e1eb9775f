//! Measures `upswell ingest` beside a bare copy of the same topic: one consumer and one transactional producer of
//! librdkafka, which pass records on as they are, with the offsets in the transactions.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::made::Made;
use super::process::{self, Machine};
use super::service::Service;
use super::settings::{Bench, END, Show, go_on};
use crate::kafka::{self, Consumer, LogWriter, Polled, Producer, Progress, Reader, partition_of};
use crate::model::Day;
use crate::text::count;
use crate::wire;

/// How often both commit.
const COMMIT_EVERY: Duration = Duration::from_millis(100);

/// What both have copied, and what it cost.
#[derive(Clone, Debug, Serialize)]
pub struct Copied {
    /// Events of the topic, one in each record.
    pub events: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// `upswell ingest`, with one thread.
    pub ingest: Cost,
    /// The bare copy.
    pub copy: Cost,
    /// CPU time of `ingest`, as a multiple of the bare copy's.
    pub ratio: f64,
    /// A hash of the values that the copy has, whatever their order; that of the topic is the same.
    pub hash: String,
    /// What makes the figures doubtful.
    pub not_quiet: Vec<String>,
}

/// What copying cost, with connecting and joining.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// CPU microseconds per event.
    pub cpu_us: f64,
    /// Events per second.
    pub events_per_s: f64,
}

impl Cost {
    fn new(cpu: f64, events: u64, began: Instant) -> Cost {
        let events = events.max(1) as f64;
        Cost { cpu_us: cpu * 1e6 / events, events_per_s: events / began.elapsed().as_secs_f64().max(1e-9) }
    }
}

impl Display for Copied {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let line =
            |cost: &Cost| format!("{:.2} µs of CPU time an event · {}/s", cost.cpu_us, count(cost.events_per_s as u64));
        writeln!(f, "topic     {} events, {} bytes each, JSON", count(self.events), self.bytes / self.events.max(1))?;
        writeln!(f, "ingest    {}", line(&self.ingest))?;
        writeln!(f, "copy      {} (consumer and transactional producer of librdkafka)", line(&self.copy))?;
        writeln!(f, "ratio     {:.2}", self.ratio)?;
        writeln!(f, "          every event once in the log · the copy has the hash of the topic, {}", self.hash)?;
        self.not_quiet.iter().try_for_each(|line| writeln!(f, "not quiet {line}"))
    }
}

impl Bench {
    /// Measures `upswell ingest` beside a bare copy, and removes what it made.
    ///
    /// # Errors
    /// Kafka or a process fails, what was copied is not what was read, or the process is asked to stop.
    pub fn run_ingest(&self, show: &Show<'_>) -> Result<Copied> {
        let mut made = Made::new(&self.kafka, &self.topics);
        let copied = self.copy_both(&mut made, show);
        if self.keep {
            (show.tell)(format!("kept: {}", made.topics().join(", ")));
        } else {
            made.remove()?;
        }
        copied
    }

    fn copy_both(&self, made: &mut Made, show: &Show<'_>) -> Result<Copied> {
        let machine = Machine::now();
        let log = made.log(self)?;
        let names = made.outputs(self, "ingest")?;
        let [source, copy] = [made.like_log(self, "source")?, made.like_log(self, "copy")?];
        let bytes = self.fill_json(&source, show)?;

        let environment =
            self.environment(made, &names, None).into_iter().chain([("UPSWELL_WORKER__THREADS", "1".into())]);
        made.remember_group(&format!("{}-ingest-{source}", names.prefix));
        let arguments = ["ingest", &format!("{source}=segment")];
        let mut service = Service::start_with(&self.start, &arguments, &environment.collect::<Vec<_>>())?;
        let bar = (show.bar)(self.events, "events");
        while bar.position() < self.events {
            go_on(&self.kafka)?;
            std::thread::sleep(Duration::from_millis(20));
            bar.set_position(service.page()?.map_or(0, |page| page.ingested));
        }
        let ingest = Cost::new(service.cpu().unwrap_or(f64::NAN), self.events, service.began);
        service.stop()?;
        bar.finish_and_clear();

        let copied = self.copy_bare(made, &source, &copy, show)?;
        let (of_source, of_copy) = (self.hash(&source)?, self.hash(&copy)?);
        ensure!(of_source == of_copy, "the bare copy is not a copy: {of_source:?} and {of_copy:?}");
        let in_log = self.events_of(&log)?;
        ensure!(in_log == self.events, "{in_log} of {} events are in the log: this is a defect", self.events);
        let mut not_quiet = Vec::new();
        let cores = process::cores() as f64;
        if let Some(load) = machine.load.filter(|load| *load > cores) {
            not_quiet.push(format!("the load average was {load:.1} at the beginning, with {cores} cores"));
        }
        Ok(Copied {
            events: self.events,
            bytes,
            ingest,
            copy: copied,
            ratio: ingest.cpu_us / copied.cpu_us,
            hash: format!("{:016x}", of_source.1),
            not_quiet,
        })
    }

    /// Fills a topic with the events of the load, as calls of Segment's spec.
    fn fill_json(&self, topic: &str, show: &Show<'_>) -> Result<u64> {
        let mut writer = LogWriter::connect(&self.kafka, topic)?;
        let bar = (show.bar)(self.events, "events");
        let events = self.load.play(self.seed, Day::from(END).plus(-(self.load.days as i32)));
        let mut bytes = 0;
        for (number, event) in (0_u64..).zip(events.take(self.events as usize)) {
            let json = event.with(wire::encode_json);
            let account = event.account_id();
            let partition = partition_of(account.as_bytes(), i32::from(self.partitions));
            bytes += json.len() as u64;
            writer.send(Some(partition), Some(account.as_bytes()), json.as_bytes())?;
            if number.is_multiple_of(4_096) {
                bar.set_position(number);
                go_on(&self.kafka)?;
            }
        }
        writer.flush()?;
        bar.finish_and_clear();
        Ok(bytes)
    }

    /// Copies a topic record by record, with nothing but the client.
    fn copy_bare(&self, made: &mut Made, from: &str, to: &str, show: &Show<'_>) -> Result<Cost> {
        let group = format!("{to}-group");
        made.remember_group(&group);
        let config = kafka::Config { group, ..self.kafka.clone() };
        let bar = (show.bar)(self.events, "events");
        let (began, cpu) = (Instant::now(), process::own_cpu());
        let mut producer = Producer::connect(&config, &format!("{}-{to}", config.transactional_id_prefix))?;
        let mut consumer = Consumer::join(&config, from, 0)?;
        let (mut positions, mut copied, mut is_open) = (BTreeMap::<i32, i64>::new(), 0, false);
        let mut committed_at = Instant::now();
        while copied < self.events || is_open {
            go_on(&config)?;
            let mut failed = Ok(());
            consumer.poll(Duration::from_millis(100), &mut |polled| match polled {
                Polled::Assigned { committed, low, begin, .. } => *begin = Some(committed.unwrap_or(low)),
                Polled::Message(message) if failed.is_ok() => {
                    let begun = if is_open { Ok(()) } else { producer.begin() };
                    is_open = true;
                    failed = begun.and_then(|()| {
                        producer.send(to, Some(message.partition), message.key, Some(message.payload), [])
                    });
                    positions.insert(message.partition, message.offset + 1);
                    copied += 1;
                }
                _ => {}
            })?;
            failed?;
            bar.set_position(copied);
            if is_open && (committed_at.elapsed() >= COMMIT_EVERY || copied >= self.events) {
                let of =
                    |(&partition, &offset): (&i32, &i64)| Progress { topic: from, partition, offset, metadata: "" };
                let progress: Vec<Progress<'_>> = positions.iter().map(of).collect();
                producer.commit(&progress, &consumer.group_metadata()?)?;
                (is_open, committed_at) = (false, Instant::now());
            }
        }
        let cost = Cost::new(process::own_cpu() - cpu, self.events, began);
        consumer.leave();
        bar.finish_and_clear();
        Ok(cost)
    }

    /// The number of records of a topic, and a hash of their values whatever their order.
    fn hash(&self, topic: &str) -> Result<(u64, u64)> {
        let (mut records, mut sum) = (0, 0_u64);
        Reader::open(&self.kafka, topic)?.read_all(&mut |message| {
            records += 1;
            sum = sum.wrapping_add(xxh3_64(message.payload));
        })?;
        Ok((records, sum))
    }

    /// The number of different events of a log.
    fn events_of(&self, log: &str) -> Result<u64> {
        let mut ids = std::collections::BTreeSet::new();
        let mut events = 0;
        Reader::open(&self.kafka, log)?.read_all(&mut |message| {
            for event in wire::decode(wire::Format::Protobuf, message.payload).filter_map(|it| it.event.ok()) {
                events += 1;
                ids.insert(xxh3_64(event.message_id.as_bytes()));
            }
        })?;
        ensure!(ids.len() as u64 == events, "{} of {events} events of the log are different", ids.len());
        Ok(events)
    }
}
