//! Reads a topic from its beginning to its stable end, partition by partition.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use indicatif::ProgressBar;

use super::files::{Place, Read};
use crate::engine::Record;
use crate::kafka::{Config, Reader};
use crate::model::EventTime;
use crate::registry::Registry;
use crate::wire::{self, Admit, BATCH, Headers, Records};

/// A topic, and how far it is read.
pub struct Topic<'a> {
    name: &'a str,
    reader: Reader,
    registry: Option<Arc<Registry>>,
    /// Whether the process is stopping.
    stop: Arc<AtomicBool>,
    /// The first offset of each partition, and the one after the last.
    spans: Vec<(i64, i64)>,
}

impl<'a> Topic<'a> {
    /// Connects, and finds out where each partition begins and ends. Framed records are read with the schemas of the
    /// registry, if there is one.
    ///
    /// # Errors
    /// The topic cannot be read.
    pub fn open(config: &Config, registry: Option<Arc<Registry>>, name: &'a str) -> Result<Topic<'a>> {
        let reader = Reader::open(config, name)?;
        let spans = (0..reader.partitions()).map(|partition| reader.span(partition)).collect::<Result<Vec<_>, _>>()?;
        let spans = spans.into_iter().map(|span| (span.start, span.end)).collect();
        Ok(Topic { name, reader, registry, stop: Arc::clone(&config.stop), spans })
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
        how: wire::Input,
        progress: &ProgressBar,
        each: &mut dyn FnMut(&mut Vec<Read<'_>>) -> Result<()>,
    ) -> Result<()> {
        let how = &how.with_schemas(self.registry.as_ref().map(|registry| registry.schemas()));
        for (partition, (start, _)) in (0..).zip(&self.spans) {
            if *start > 0 {
                tracing::warn!(
                    topic = self.name,
                    partition,
                    first = start,
                    "records before this offset were deleted: their effects are missing"
                );
            }
            let (mut failed, mut waiting, mut headers) = (Ok(()), Records::default(), Vec::new());
            let name = self.name;
            let mut show = |waiting: &mut Records<(Record, bool, usize)>| -> Result<()> {
                let mut events = Vec::with_capacity(BATCH);
                for ((record, is_control, length), bytes) in waiting.iter() {
                    let (value, headers) = bytes.split_at(bytes.len() - length);
                    let headers = Headers::of(headers);
                    let admit = Admit::of_log(*is_control);
                    let number = record.offset as u64;
                    let (partition, format) = (Some(partition as usize), how.format);
                    let place = Place { file: name, partition, number, format, headers };
                    for (index, decoded) in (0..).zip(how.decode_record(admit, value, headers)) {
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
                if let Some(registry) = &self.registry
                    && let Err(error) = registry.prepare(message.payload, &self.stop)
                {
                    failed = Err(error.into());
                    return ControlFlow::Break(());
                }
                let record = Record { offset: message.offset, time: message.time_ms.and_then(EventTime::new) };
                headers.clear();
                if how.reads_headers() {
                    Headers::append(&mut headers, message.headers());
                }
                waiting.push((record, message.is_control, headers.len()), &[message.payload, &headers]);
                failed = if waiting.are_enough() { show(&mut waiting) } else { Ok(()) };
                if failed.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            failed?;
            show(&mut waiting)?;
        }
        Ok(())
    }
}
