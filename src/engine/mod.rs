//! The fold: one partition of the log in, effects out. Pure: no clock, no I/O, no randomness, no logging. The same
//! log gives the same bytes on any machine.
//!
//! `partition` decides what becomes of an event and moves time; `account` holds the state; `activity` says who was
//! active when; `velocity` computes figures from it; `signals` turns figures and facts into rungs; `trigger` turns
//! rungs into handoffs.

mod account;
mod activity;
mod dedupe;
mod partition;
mod signals;
mod timers;
mod trigger;
mod velocity;

pub use partition::{Partition, Record};
