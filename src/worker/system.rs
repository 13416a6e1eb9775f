//! What a worker needs of the system: a clock, and threads that serve it. In tests a simulation can take their place.

#[cfg(test)]
pub(super) use super::simulated::{Instant, Receiver, Sender, channel, now_ms, sleep, spawn};
#[cfg(not(test))]
pub(super) use crate::telemetry::now_ms;
#[cfg(not(test))]
pub(super) use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::{sleep, spawn},
    time::Instant,
};
