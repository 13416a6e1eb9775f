//! The fold: one partition of the log in, effects out. Pure: no clock, no I/O, no randomness, no logging. The same
//! log gives the same bytes on any machine.
//!
//! `partition` decides which record is next and which day closes; what happens then to an account is a `step`, in phases.
//! `signals` measures levels, a file for each kind, from `figures` and from the facts in `state`; `values` gives
//! conditions what they read; `handoff_context` collects what a person must know; `activation` applies other rules to the
//! state. `state` is what a partition remembers; it decides nothing.

mod activation;
mod context;
mod figures;
mod handoff_context;
mod partition;
mod signals;
mod state;
mod step;
mod values;

pub use partition::{Partition, Record, read_ahead};
