//! The fold: turns the events of one partition of the log into state and effects. It uses no clock, I/O, randomness or
//! logging, so the same log gives the same bytes on any machine.
//!
//! `partition` decides which record is next and which day closes. `step` runs the phases of everything that happens to
//! an account. `signals` measures levels, with a file for each kind, from `figures` and the facts in `state`. `values`
//! provides what conditions read. `handoff_context` collects what a handoff says about its account. `activation`
//! applies other rules to the state. `state` stores the state of a partition and decides nothing.

mod activation;
mod context;
mod figures;
mod handoff_context;
mod partition;
mod signals;
mod state;
mod step;
mod values;

pub use partition::ahead::read_ahead;
pub use partition::reshard::Unlike;
pub use partition::{Folded, Partition, Record, Standing};
pub use state::cut::{Block, BlockName, Blocks, Cut, FORMATS, Unreadable};
