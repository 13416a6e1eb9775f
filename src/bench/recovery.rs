//! From `kill -9` until a new process has caught up, and from SIGTERM until the next one is ready.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;
use serde::Serialize;

use super::service::Service;
use super::settings::{Contents, go_on};
use crate::kafka::Config;

/// How often a process is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// How long a recovery took. The new process is started at once.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Recovery {
    /// Events that were folded when the process was killed.
    pub killed_at: u64,
    /// How many of them a snapshot had, from which the new process began.
    pub restored: u64,
    /// Seconds from the kill until the new process had those of a snapshot, or the first event.
    pub first_event_s: f64,
    /// Seconds from the kill until all events are folded and the process is ready.
    pub caught_up_s: f64,
    /// CPU seconds of the new process until then.
    pub cpu_s: Option<f64>,
    /// Seconds from SIGTERM until the process after that one was ready.
    pub restart_s: f64,
    /// What these seconds were spent on, one after the other: until the process had ended; until all workers of the next one
    /// had joined the group; until all partitions were restored; and until it was ready. None if its log does not tell.
    pub restart_steps_s: Option<[f64; 4]>,
}

/// Kills a process after nine tenths of the events, starts another one, and restarts that when it has caught up.
pub(super) fn measure(
    config: &Config,
    start: &dyn Fn() -> Result<Service>,
    log: Contents,
    bar: &ProgressBar,
) -> Result<Recovery> {
    let events = log.events;
    let mut service = start()?;
    let killed_at = await_that(config, (&mut service, log), bar, |_, folded| folded >= events / 10 * 9)?;
    let killed = Instant::now();
    service.kill()?;
    let mut service = start()?;
    let restored = await_that(config, (&mut service, log), bar, |_, folded| folded > 0)?;
    let first_event_s = killed.elapsed().as_secs_f64();
    await_that(config, (&mut service, log), bar, |service, folded| folded >= events && service.is_ready())?;
    let (caught_up_s, cpu_s) = (killed.elapsed().as_secs_f64(), service.cpu());
    service.settle()?;
    let asked = Instant::now();
    service.stop()?;
    let stopped = Instant::now();
    let mut service = start()?;
    await_that(config, (&mut service, log), bar, |service, folded| folded >= events && service.is_ready())?;
    let ready = Instant::now();
    let restart_s = (ready - asked).as_secs_f64();
    let steps = service.last_said("joined").zip(service.last_said("restored from a snapshot"));
    let restart_steps_s = steps.map(|(joined, restored)| {
        let ends = [stopped, joined, restored, ready];
        let begins = [asked, stopped, joined, restored];
        std::array::from_fn(|step| ends[step].saturating_duration_since(begins[step]).as_secs_f64())
    });
    service.stop()?;
    Ok(Recovery { killed_at, restored, first_event_s, caught_up_s, cpu_s, restart_s, restart_steps_s })
}

/// Waits until this holds of a process and the number of events that it has folded, and returns the number.
fn await_that(
    config: &Config,
    (service, log): (&mut Service, Contents),
    bar: &ProgressBar,
    holds: impl Fn(&Service, u64) -> bool,
) -> Result<u64> {
    loop {
        go_on(config)?;
        let folded = log.events_of(service.page()?.unwrap_or_default().records);
        bar.set_position(folded);
        if holds(service, folded) {
            return Ok(folded);
        }
        std::thread::sleep(EVERY);
    }
}
