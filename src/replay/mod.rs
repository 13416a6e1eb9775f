//! The driver that folds records of files or of a topic without the service, for `replay`, `explain`, `rules diff` and
//! `check`.

mod documents;
mod files;
mod forms;
mod input;
#[cfg(feature = "parquet")]
mod parquet;
mod parts;
mod readable;
mod tar;
mod topic;

use std::ops::Range;
use std::sync::Arc;

use anyhow::Result;

use crate::engine::{Folded, Partition, Record, read_ahead};
use crate::kafka;
use crate::model::{Day, Effects, EventTime, Wanted};
use crate::rules::{Plan, Ready};
use crate::wire::Decoded;

pub use files::{Files, Place, Read};
pub use input::{Beginning, Input};
pub use readable::Readable;
pub use topic::Topic;

/// The partitions of a log, and the effects of the last step.
pub struct Driver {
    partitions: Vec<Partition>,
    effects: Effects,
}

/// One step of a partition: the outcome of the event, and the effects.
pub struct Step<'a> {
    /// What became of the event; none if no event caused the step.
    pub folded: Option<Folded>,
    /// The number of the partition.
    pub partition: usize,
    /// The effects. What remains in the buffer is dropped before the next step.
    pub effects: &'a mut Effects,
}

impl Driver {
    /// This number of partitions before their first record.
    pub fn new(plan: &Arc<Plan>, partitions: usize, wanted: Wanted) -> Driver {
        let partition = || Partition::new(Arc::clone(plan));
        Driver { partitions: (0..partitions).map(|_| partition()).collect(), effects: Effects::new(wanted) }
    }

    /// The partitions.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The partitions, to look at their profiles.
    pub fn partitions_mut(&mut self) -> &mut [Partition] {
        &mut self.partitions
    }

    /// The partitions of an event: the one it was read from, or the one of its account if it is from a file.
    pub fn place(&self, read_from: Option<usize>, decoded: &Decoded<'_>) -> Range<usize> {
        read_from.map_or_else(|| place(decoded, self.partitions.len()), |it| it..it + 1)
    }

    /// Reads memory ahead for the next events, at most [`crate::wire::BATCH`], each with its partition.
    pub fn read_ahead<'a>(&self, events: impl Iterator<Item = (usize, &'a Ready<'a>)> + Clone) {
        read_ahead(events.map(|(partition, ready)| (&self.partitions[partition], ready.keys())));
    }

    /// Folds one event into its partition, and calls `each` for every step.
    ///
    /// # Errors
    /// `each` failed.
    pub fn apply(
        &mut self,
        places: Range<usize>,
        record: Record,
        index: u32,
        ready: &Ready<'_>,
        each: &mut dyn FnMut(Step<'_>) -> Result<()>,
    ) -> Result<()> {
        for partition in places {
            let folded = Some(self.partitions[partition].apply_one(record, index, ready, &mut self.effects));
            each(Step { folded, partition, effects: &mut self.effects })?;
            self.effects.clear();
        }
        Ok(())
    }

    /// Closes every day before this one: a tick to its start, past the allowed lateness, in every partition that has
    /// events.
    ///
    /// # Errors
    /// `each` failed.
    pub fn close_until(&mut self, day: Day, each: &mut dyn FnMut(Step<'_>) -> Result<()>) -> Result<()> {
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            let time = &partition.plan().time;
            let tick = Decoded::tick(time.calendar.start(day).plus(time.allowed_lateness_ms));
            let record = Record { offset: i64::MAX, time: None };
            let _ = partition.apply_one(record, 0, &Ready::new(&tick)?, &mut self.effects);
            each(Step { folded: None, partition: number, effects: &mut self.effects })?;
            self.effects.clear();
        }
        Ok(())
    }

    /// The first day that is open in every partition; none while one of them has no event.
    pub fn open_day(&self) -> Option<Day> {
        self.partitions.iter().map(Partition::open_day).min().flatten()
    }
}

/// The partitions of an event of a file: the one of its account; all of them if it has no account, such as a tick; the
/// first one if it cannot be read.
fn place(decoded: &Decoded<'_>, partitions: usize) -> Range<usize> {
    match &decoded.event {
        _ if partitions == 1 => 0..1,
        Ok(event) if event.account.is_empty() => 0..partitions,
        Ok(event) => {
            let partition = kafka::partition_of(event.account.as_bytes(), partitions as i32) as usize;
            partition..partition + 1
        }
        Err(_) => 0..1,
    }
}

/// Whether a tick can move time to the start of this day, for every offset of days.
pub fn can_close(day: Day) -> bool {
    let [first, last] = [EventTime::MIN, EventTime::MAX].map(|time| crate::model::Calendar::UTC.day(time));
    (first.plus(1)..last.plus(-1)).contains(&day)
}
