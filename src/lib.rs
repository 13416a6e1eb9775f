//! Upswell: product events in, sales handoffs out, exactly once. The map of the rooms, ground floor first; imports
//! only go down, and rooms on one floor do not know each other (`tests/architecture.rs` reads the sources).
//!
//! - floor 0: [`model`], the nouns
//! - floor 1: [`wire`], bytes ↔ model; [`telemetry`], every metric name; [`text`], numbers and instants for people
//! - floor 2: [`rules`], the rules file → a compiled plan
//! - floor 3: [`engine`], the fold
//! - floor 4: [`kafka`], the only room that knows librdkafka
//! - floor 5: [`replay`], the driver that folds files or a topic
//! - floor 6: [`worker`], one visible loop per thread; [`serve`], health and metrics over HTTP
//! - floor 7: [`simulate`], the events that `demo` and `generate` play; [`analysis`], what `check`, `rules diff` and
//!   `explain` compute
//! - floor 8: [`cli`], one file per command

pub mod analysis;
pub mod cli;
pub mod engine;
pub mod kafka;
pub mod model;
pub mod replay;
pub mod rules;
pub mod serve;
pub mod simulate;
pub mod telemetry;
pub mod text;
pub mod wire;
pub mod worker;
