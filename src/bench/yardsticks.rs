//! What the same bytes cost without Upswell: reading the topic with librdkafka, and decoding its records with the
//! generated types.

use std::time::Instant;

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;

use super::process;
use crate::kafka::{Config, Reader};
use crate::wire;

/// How many bytes of records are kept to decode them.
const SAMPLE: usize = 32 << 20;

/// What reading and decoding cost at least.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Yardsticks {
    /// CPU microseconds per event to read the topic, and to do nothing with it.
    pub drain_cpu_us: f64,
    /// Events per second of the same.
    pub drain_events_per_s: f64,
    /// CPU microseconds per event to decode a record into owned messages.
    pub decode_cpu_us: f64,
}

/// Reads a topic with `events` events, and then decodes its first records.
pub(super) fn measure(config: &Config, topic: &str, events: u64, bar: &ProgressBar) -> Result<Yardsticks> {
    let mut reader = Reader::open(config, topic)?;
    let mut sample: Vec<u8> = Vec::with_capacity(SAMPLE);
    let mut ends: Vec<usize> = Vec::new();
    let keep = |sample: &mut Vec<u8>, ends: &mut Vec<usize>, payload: &[u8]| {
        if sample.len() + payload.len() <= SAMPLE {
            sample.extend_from_slice(payload);
            ends.push(sample.len());
        }
    };
    // Read twice: copying the sample is not part of the yardstick, and the first reading fills the caches of the broker.
    reader.read_all(&mut |message| {
        keep(&mut sample, &mut ends, message.payload);
        bar.inc(1);
    })?;
    let (began, cpu, mut bytes) = (Instant::now(), process::own_cpu(), 0);
    reader.read_all(&mut |message| bytes += message.payload.len())?;
    std::hint::black_box(bytes);
    let (cpu, seconds) = (process::own_cpu() - cpu, began.elapsed().as_secs_f64());
    Ok(Yardsticks {
        drain_cpu_us: cpu * 1e6 / events.max(1) as f64,
        drain_events_per_s: events as f64 / seconds.max(1e-9),
        decode_cpu_us: decode(&sample, &ends)?,
    })
}

/// CPU microseconds per event to decode these records.
fn decode(sample: &[u8], ends: &[usize]) -> Result<f64> {
    let (cpu, mut begin, mut events) = (process::own_cpu(), 0, 0);
    for end in ends {
        events += wire::decode_owned(&sample[begin..*end])?;
        begin = *end;
    }
    Ok((process::own_cpu() - cpu) * 1e6 / events.max(1) as f64)
}
