//! What the same bytes cost without Upswell: reading the log with librdkafka, decoding its records with the generated
//! types, and sending the published messages with librdkafka.

use std::time::Instant;

use anyhow::Result;
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
const SENT: usize = 200_000;
/// How many of them in a transaction.
const TOGETHER: usize = 20_000;

/// A published message: its output, where its key, value and id end in the buffer, and its order among all.
struct Sample {
    output: Output,
    key: usize,
    value: usize,
    id: usize,
    order: f64,
}

/// Sends some of the messages of a run, evenly chosen, to topics of the same kind. The transactions are aborted.
pub(super) fn send(config: &Config, run: &Topics, again: &Topics, events: u64, bar: &ProgressBar) -> Result<Sending> {
    let (mut bytes, mut samples, mut all) = (Vec::new(), Vec::new(), 0);
    for row in run.outputs() {
        let mut reader = Reader::open(config, &run.of(row.output))?;
        let records: i64 =
            (0..reader.partitions()).map(|it| Ok(reader.span(it)?.end)).collect::<Result<Vec<i64>>>()?.iter().sum();
        let mut number = 0_u64;
        // Evenly by the share of each topic in what is published, of which there are at most some per event.
        let every = (events.max(records as u64) * 3).div_ceil(SENT as u64);
        reader.read_all(&mut |message| {
            number += 1;
            if !number.is_multiple_of(every) {
                return;
            }
            let mut add = |part: &[u8]| {
                bytes.extend_from_slice(part);
                bytes.len()
            };
            let key = add(message.key.unwrap_or_default());
            let value = add(message.payload);
            let id = add(message.header(c"ce_id").unwrap_or_default());
            samples.push(Sample { output: row.output, key, value, id, order: number as f64 / records.max(1) as f64 });
        })?;
        all += number;
        bar.inc(1);
    }
    let mut begin = 0;
    let mut sent: Vec<(Sample, usize)> =
        samples.into_iter().map(|it| (std::mem::replace(&mut begin, it.id), it)).map(|(at, it)| (it, at)).collect();
    sent.sort_by(|a, b| a.0.order.total_cmp(&b.0.order));
    let (source, format) = (wire::source(&run.log()), run.outputs.format);
    let names = Output::ALL.map(|row| again.of(row.output));
    let mut producer = Producer::connect(config, &format!("{}-{}", config.transactional_id_prefix, again.prefix))?;
    let cpu = process::own_cpu();
    let mut send_some = |some: &[(Sample, usize)]| -> Result<(), TransactionError> {
        producer.begin()?;
        for (Sample { output, key, value, id, .. }, begin) in some {
            let (key, value, id) = (&bytes[*begin..*key], &bytes[*key..*value], &bytes[*value..*id]);
            let id = std::str::from_utf8(id).unwrap_or_default();
            let headers = wire::headers(output.row().kind, format, id, &source, None);
            producer.send(&names[*output as usize], None, Some(key), Some(value), headers)?;
        }
        producer.flush()?;
        producer.abort()
    };
    for some in sent.chunks(TOGETHER) {
        go_on(config)?;
        send_some(some).map_err(|error| anyhow::Error::new(error).context("sending the published messages again"))?;
    }
    let message_cpu_us = (process::own_cpu() - cpu) * 1e6 / sent.len().max(1) as f64;
    let messages = all as f64 / events.max(1) as f64;
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
