//! Writes the events of a load into the log: as fast as it goes, or each at its time.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;

use super::settings::go_on;
use crate::kafka::{Config, LogWriter, partition_of};
use crate::model::EventTime;
use crate::simulate::load::Event;
use crate::wire;

/// How long the writer sleeps if no event is due.
const NAP: Duration = Duration::from_micros(500);

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    /// Events.
    pub(super) events: u64,
    /// Records.
    pub(super) records: u64,
    /// Bytes of their values.
    pub(super) bytes: u64,
    /// Seconds that it took.
    pub(super) seconds: f64,
    /// The time of the last event.
    pub(super) newest: Option<EventTime>,
}

/// Writes events into a log, keyed and partitioned by account, or packed.
pub(super) struct Filler {
    writer: LogWriter,
    /// The events of the next record, by partition. Unused if `pack` is 1.
    packs: Vec<Vec<Vec<u8>>>,
    pack: usize,
    written: Written,
}

impl Filler {
    pub(super) fn new(config: &Config, topic: &str, partitions: u16, pack: u16) -> Result<Filler> {
        let writer = LogWriter::connect(config, topic)?;
        let packs = vec![Vec::new(); usize::from(partitions)];
        Ok(Filler { writer, packs, pack: usize::from(pack), written: Written::default() })
    }

    fn write(&mut self, event: &Event) -> Result<()> {
        let mut payload = Vec::with_capacity(192);
        event.append(&mut payload);
        let account = event.account_id();
        let partition = partition_of(account.as_bytes(), self.packs.len() as i32);
        self.written.events += 1;
        self.written.newest = Some(event.time);
        if self.pack == 1 {
            return self.send(partition, Some(account.as_bytes()), &payload);
        }
        let members = &mut self.packs[partition as usize];
        members.push(payload);
        if members.len() == self.pack { self.send_pack(partition) } else { Ok(()) }
    }

    fn send_pack(&mut self, partition: i32) -> Result<()> {
        let members = std::mem::take(&mut self.packs[partition as usize]);
        self.send(partition, None, &wire::pack(members))
    }

    fn send(&mut self, partition: i32, key: Option<&[u8]>, payload: &[u8]) -> Result<()> {
        self.written.records += 1;
        self.written.bytes += payload.len() as u64;
        Ok(self.writer.send(Some(partition), key, payload)?)
    }

    /// Sends what waits to be packed, and waits until all is delivered.
    fn finish(mut self, began: Instant) -> Result<Written> {
        for partition in 0..self.packs.len() {
            if !self.packs[partition].is_empty() {
                self.send_pack(partition as i32)?;
            }
        }
        self.writer.flush()?;
        self.written.seconds = began.elapsed().as_secs_f64();
        Ok(self.written)
    }

    /// Writes all events at once.
    pub(super) fn flat_out(
        mut self,
        config: &Config,
        events: impl Iterator<Item = Event>,
        bar: &ProgressBar,
    ) -> Result<Written> {
        let began = Instant::now();
        for (number, event) in (1_u64..).zip(events) {
            self.write(&event)?;
            if number.is_multiple_of(4_096) {
                bar.set_position(number);
                go_on(config)?;
            }
        }
        self.finish(began)
    }

    /// Writes each event when it is due: the first at `began`, and then so many per second. If the log takes them more
    /// slowly, they are late, but none is left out.
    pub(super) fn at_rate(
        mut self,
        config: &Config,
        events: impl Iterator<Item = Event>,
        pace: Pace,
        bar: &ProgressBar,
    ) -> Result<Written> {
        for (number, event) in (0_u64..).zip(events) {
            let due = pace.due(number);
            while Instant::now() < due {
                std::thread::sleep(NAP);
            }
            self.write(&event)?;
            if number.is_multiple_of(1_024) {
                bar.set_position(number);
                go_on(config)?;
            }
        }
        self.finish(pace.began)
    }
}

/// When events are due.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// When the first one is.
    pub(super) began: Instant,
    /// How many are due in a second.
    pub(super) rate: u64,
}

impl Pace {
    /// When the event with this number, from 0, is due.
    pub(super) fn due(&self, number: u64) -> Instant {
        self.began + Duration::from_secs_f64(number as f64 / self.rate as f64)
    }
}
