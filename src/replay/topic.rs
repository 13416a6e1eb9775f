//! Reads a topic from its beginning to its stable end, partition by partition.

use std::ops::ControlFlow;

use anyhow::Result;
use indicatif::ProgressBar;

use super::files::{Place, Read};
use crate::engine::Record;
use crate::kafka::{Config, Reader};
use crate::model::EventTime;
use crate::wire::{self, Admit, BATCH, Records};

/// A topic, and how far it is read.
pub struct Topic<'a> {
    name: &'a str,
    reader: Reader,
    /// The first offset of each partition, and the one after the last.
    spans: Vec<(i64, i64)>,
}

impl<'a> Topic<'a> {
    /// Connects, and finds out where each partition begins and ends.
    ///
    /// # Errors
    /// The topic cannot be read.
    pub fn open(config: &Config, name: &'a str) -> Result<Topic<'a>> {
        let reader = Reader::open(config, name)?;
        let spans = (0..reader.partitions()).map(|partition| reader.span(partition)).collect::<Result<Vec<_>, _>>()?;
        let spans = spans.into_iter().map(|span| (span.start, span.end)).collect();
        Ok(Topic { name, reader, spans })
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> usize {
        self.spans.len()
    }

    /// How many records it has at most.
    pub fn records(&self) -> u64 {
        self.spans.iter().map(|(start, end)| (end - start) as u64).sum()
    }

    /// Shows every event, some at a time.
    ///
    /// # Errors
    /// The topic cannot be read, or `each` failed.
    pub fn read(
        mut self,
        how: &wire::Input,
        progress: &ProgressBar,
        each: &mut dyn FnMut(&mut Vec<Read<'_>>) -> Result<()>,
    ) -> Result<()> {
        for (partition, (start, _)) in (0..).zip(&self.spans) {
            if *start > 0 {
                tracing::warn!(
                    topic = self.name,
                    partition,
                    first = start,
                    "records before this offset were deleted: their effects are missing"
                );
            }
            let (mut failed, mut waiting) = (Ok(()), Records::default());
            let name = self.name;
            let mut show = |waiting: &mut Records<(Record, bool)>| -> Result<()> {
                let mut events = Vec::with_capacity(BATCH);
                for ((record, is_control), value) in waiting.iter() {
                    let admit = Admit::of_log(*is_control);
                    let number = record.offset as u64;
                    let place = Place { file: name, partition: Some(partition as usize), number, format: how.format };
                    for (index, decoded) in (0..).zip(how.decode(admit, value)) {
                        events.push(Read { record: *record, index, decoded, place });
                        if events.len() == BATCH {
                            each(&mut events)?;
                            events.clear();
                        }
                    }
                }
                each(&mut events)?;
                waiting.clear();
                Ok(())
            };
            self.reader.read(partition, &mut |message| {
                progress.inc(1);
                let record = Record { offset: message.offset, time: message.time_ms.and_then(EventTime::new) };
                waiting.push((record, message.is_control), &[message.payload]);
                failed = if waiting.are_enough() { show(&mut waiting) } else { Ok(()) };
                if failed.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            failed?;
            show(&mut waiting)?;
        }
        Ok(())
    }
}
