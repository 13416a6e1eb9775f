//! What was computed: the committed handoffs, and those that `replay` gives for the same log.

use std::sync::Arc;

use anyhow::Result;
use indicatif::ProgressBar;
use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::process;
use crate::kafka::{Config, Reader, Topics};
use crate::model::Wanted;
use crate::replay::{Driver, Read, Topic};
use crate::rules::{Plan, Ready};
use crate::wire::{Format, Kind, ToWire};

/// The number of handoffs, and a hash of them that does not depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Handoffs {
    /// How many.
    pub count: u64,
    /// The sum of the hashes of their bytes.
    #[serde(serialize_with = "hex")]
    pub hash: u64,
}

impl Handoffs {
    fn add(&mut self, payload: &[u8]) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(xxh3_64(payload));
    }
}

fn hex<S: Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{hash:016x}"))
}

/// The topics of handoffs.
pub(super) fn topics(names: &Topics) -> Vec<String> {
    names.outputs().filter(|row| row.kind == Kind::Handoff).map(|row| names.of(row.output)).collect()
}

/// The handoffs that were committed.
pub(super) fn published(config: &Config, names: &Topics) -> Result<Handoffs> {
    let mut handoffs = Handoffs::default();
    for topic in topics(names) {
        Reader::open(config, &topic)?.read_all(&mut |message| handoffs.add(message.payload))?;
    }
    Ok(handoffs)
}

/// What `replay` gives for a log: its handoffs, and CPU microseconds per event to read, decode and fold them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Replayed {
    /// The handoffs.
    pub handoffs: Handoffs,
    /// The events.
    pub events: u64,
    /// CPU microseconds per event.
    pub cpu_us: f64,
}

/// Folds a log without the service.
pub(super) fn replayed(
    config: &Config,
    log: &str,
    plan: &Arc<Plan>,
    format: Format,
    bar: &ProgressBar,
) -> Result<Replayed> {
    let cpu = process::own_cpu();
    let source = Topic::open(config, None, log)?;
    let mut driver = Driver::new(plan, source.partitions(), Wanted::LEAST);
    let (mut handoffs, mut events) = (Handoffs::default(), 0);
    source.read(Format::Protobuf.into(), bar, &mut |read| {
        let ready = read.iter().map(|it| Ok((place(it), Ready::new(&it.decoded)?))).collect::<Result<Vec<_>>>()?;
        driver.read_ahead(ready.iter().map(|(partition, ready)| (*partition, ready)));
        for ((partition, ready), it) in ready.iter().zip(&*read) {
            driver.apply(*partition..*partition + 1, it.record, it.index, ready, &mut |step| {
                step.effects.handoffs.iter().for_each(|handoff| handoffs.add(&handoff.to_payload(format)));
                Ok(())
            })?;
        }
        events += read.len() as u64;
        Ok(())
    })?;
    let cpu_us = (process::own_cpu() - cpu) * 1e6 / events.max(1) as f64;
    Ok(Replayed { handoffs, events, cpu_us })
}

/// The partition that an event was read from.
fn place(read: &Read<'_>) -> usize {
    read.place.partition.unwrap_or(0)
}
