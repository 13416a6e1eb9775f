//! The fold: one partition of the log in, effects out. Pure: no clock, no I/O, no randomness, no logging. The same
//! log gives the same bytes on any machine.
//!
//! `state` is what a partition remembers; it decides nothing. `partition` decides what becomes of an event and moves
//! time; `people` knows who is who; `velocity` computes figures from activity; `signals` turns figures and facts into
//! levels, `sighting` at every event, `close` at the end of days and weeks; `visits` says at which close an account or
//! user must be looked at again; `score` turns levels into bands and tiers; `trigger` turns what `values` gives to
//! conditions into handoffs; `picture` collects what a person must know. `activation` applies other rules to the state.

mod activation;
mod close;
mod partition;
mod people;
mod picture;
mod score;
mod sighting;
mod signals;
mod state;
mod trigger;
mod values;
mod velocity;
mod visits;

pub use partition::{Partition, Record};
