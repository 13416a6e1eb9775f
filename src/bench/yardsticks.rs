//! What the same bytes cost without Upswell: reading the log with librdkafka, decoding its records with the generated
//! types, and sending the published messages with librdkafka.

use std::time::Instant;

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use serde::Serialize;

use super::process;
use super::settings::go_on;
use crate::kafka::{Config, Output, Producer, Reader, Topics, TransactionError};
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

/// What sending the published messages costs at least.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sending {
    /// The messages that a run published, per event.
    pub messages: f64,
    /// CPU microseconds to send one of them, with its key and headers.
    pub message_cpu_us: f64,
    /// The same per event.
    pub cpu_us: f64,
}

/// How many messages are sent.
const SENT: u64 = 200_000;
/// How many of them in a transaction.
const TOGETHER: usize = 20_000;

/// A published message.
struct Sample {
    output: Output,
    key: Vec<u8>,
    value: Vec<u8>,
    id: String,
    /// Its place in its topic, as a share: the samples of all topics are sent in this order.
    order: f64,
}

/// Messages of a run, evenly chosen from all, and how many there are.
fn published(config: &Config, run: &Topics, bar: &ProgressBar) -> Result<(Vec<Sample>, u64)> {
    let mut topics = Vec::new();
    for row in run.outputs() {
        let reader = Reader::open(config, &run.of(row.output))?;
        let mut offsets = 0;
        for partition in 0..reader.partitions() {
            offsets += reader.span(partition)?.end as u64;
        }
        topics.push((row.output, reader, offsets));
    }
    // Markers of transactions have offsets too, but there are few.
    let every = topics.iter().map(|(.., offsets)| offsets).sum::<u64>().div_ceil(SENT).max(1);
    let (mut samples, mut messages) = (Vec::new(), 0_u64);
    for (output, mut reader, offsets) in topics {
        let before = messages;
        reader.read_all(&mut |message| {
            messages += 1;
            if messages.is_multiple_of(every) {
                samples.push(Sample {
                    output,
                    key: message.key.unwrap_or_default().to_vec(),
                    value: message.payload.to_vec(),
                    id: String::from_utf8_lossy(message.header(c"ce_id").unwrap_or_default()).into_owned(),
                    order: (messages - before) as f64 / offsets as f64,
                });
            }
        })?;
        bar.inc(1);
    }
    samples.sort_by(|a, b| a.order.total_cmp(&b.order));
    Ok((samples, messages))
}

/// Sends messages of a run of `events` events to topics of the same kind. The transactions are aborted.
pub(super) fn send(config: &Config, run: &Topics, again: &Topics, events: u64, bar: &ProgressBar) -> Result<Sending> {
    let (samples, messages) = published(config, run, bar)?;
    let (source, format) = (wire::source(&run.log()), run.outputs.format);
    let names = Output::ALL.map(|row| again.of(row.output));
    let mut producer = Producer::connect(config, &format!("{}-{}", config.transactional_id_prefix, again.prefix))?;
    let mut send_together = |samples: &[Sample]| -> Result<(), TransactionError> {
        producer.begin()?;
        for Sample { output, key, value, id, .. } in samples {
            let headers = wire::headers(output.row().kind, format, id, &source, None);
            producer.send(&names[*output as usize], None, Some(key), Some(value), headers)?;
        }
        producer.flush()?;
        producer.abort()
    };
    let cpu = process::own_cpu();
    for together in samples.chunks(TOGETHER) {
        go_on(config)?;
        send_together(together).context("sending the published messages again")?;
    }
    let message_cpu_us = (process::own_cpu() - cpu) * 1e6 / samples.len().max(1) as f64;
    let messages = messages as f64 / events.max(1) as f64;
    Ok(Sending { messages, message_cpu_us, cpu_us: messages * message_cpu_us })
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
