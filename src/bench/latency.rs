//! From the moment at which an event was due in the log to its handoff before a reader of committed records.
//!
//! An event counts from when it was due, not from when it was written: if the pipeline slows the writer down, the wait
//! is part of the latency and is not left out (coordinated omission).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::fill::Pace;
use crate::kafka::{Config, Tail};
use crate::simulate::load::Event;
use crate::wire;

/// One wait for handoffs.
const WAIT: Duration = Duration::from_millis(50);
/// Latencies are counted up to this, in microseconds, and to three digits.
const MAX_US: u64 = 600_000_000;
/// The percentiles of a curve.
const CURVE: [f64; 12] = [1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0];

/// Latencies of handoffs, in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Latency {
    /// Handoffs that an event caused.
    pub handoffs: u64,
    /// The median.
    pub p50_ms: f64,
    /// The 90th percentile.
    pub p90_ms: f64,
    /// The 99th percentile.
    pub p99_ms: f64,
    /// The largest.
    pub max_ms: f64,
    /// Percentiles, and what they are.
    pub curve: Vec<(f64, f64)>,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Latency {
        let at = |percentile: f64| histogram.value_at_percentile(percentile) as f64 / 1e3;
        Latency {
            handoffs: histogram.len(),
            p50_ms: at(50.0),
            p90_ms: at(90.0),
            p99_ms: at(99.0),
            max_ms: histogram.max() as f64 / 1e3,
            curve: CURVE.iter().map(|percentile| (*percentile, at(*percentile))).collect(),
        }
    }
}

/// Which events are expected, and when they are due.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) pace: Pace,
    /// The number of the first event.
    pub(super) first: u64,
    /// The number of the first event that counts, after those by which the pipeline gets into its stride.
    pub(super) counted: u64,
    /// The number of the first event after the close of a day; above all others if no day closes.
    pub(super) closing: u64,
}

/// What was seen.
pub(super) struct Seen {
    /// The handoffs of events before the close of a day.
    pub(super) steady: Latency,
    /// Those of events after it.
    pub(super) closing: Latency,
    /// Handoffs that no event caused.
    pub(super) by_time: u64,
}

/// Watches the handoffs of topics until `done` is set and none has come for a second. `Tail` was opened before the
/// first event.
///
/// # Errors
/// Kafka cannot be read.
pub(super) fn watch(config: &Config, tail: &mut Tail, expected: Expected, done: &AtomicBool) -> Result<Seen> {
    let histogram = || Histogram::<u64>::new_with_bounds(1, MAX_US, 3);
    let (mut steady, mut closing, mut by_time) = (histogram()?, histogram()?, 0);
    let mut came = Instant::now();
    let is_over = |came: Instant| done.load(Ordering::Relaxed) && came.elapsed() > Duration::from_secs(1);
    while !config.is_stopping() && !is_over(came) {
        tail.poll(WAIT, &mut |message| {
            let now = Instant::now();
            came = now;
            let Ok(handoff) = wire::read_handoff(message.payload) else { return };
            match Event::number_of(&handoff.message_id) {
                None => by_time += 1,
                Some(number) if number < expected.counted => {}
                Some(number) => {
                    let waited = now.saturating_duration_since(expected.pace.due(number - expected.first));
                    let of = if number < expected.closing { &mut steady } else { &mut closing };
                    of.saturating_record(waited.as_micros().max(1) as u64);
                }
            }
        })?;
    }
    Ok(Seen { steady: Latency::of(&steady), closing: Latency::of(&closing), by_time })
}
