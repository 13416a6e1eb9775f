//! The fold: one partition of the log in, effects out. Pure: no clock, no I/O, no randomness, no logging. The same
//! log gives the same bytes on any machine.
//!
//! `partition` decides what becomes of an event and moves time; `account` holds the state: `activity`, who was active
//! when, `facts`, what events prove, and `people`, who is who; `velocity` computes figures from activity; `signals`
//! turns figures and facts into rungs, `sighting` at every event, `close` at the end of days and weeks; `score` turns
//! rungs into bands and tiers; `trigger` turns all of it, as `values` tells it to conditions, into handoffs; `picture`
//! says what a person must know. `activation` brings all of it under other rules.

mod account;
mod activation;
mod activity;
mod close;
mod dedupe;
mod facts;
mod partition;
mod people;
mod picture;
mod score;
mod sighting;
mod signals;
mod timers;
mod trigger;
mod values;
mod velocity;

pub use partition::{Partition, Record};
