//! Upswell reads product events from Kafka, computes signals for each account, and publishes sales handoffs, exactly
//! once. A module imports only modules of lower layers, and none of its own layer (`tests/architecture.rs` checks it):
//!
//! - layer 0: [`model`], the types that all modules share
//! - layer 1: [`wire`], bytes ↔ model; [`telemetry`], all metrics; [`text`], numbers and times as text
//! - layer 2: [`rules`], the rules file → a compiled plan
//! - layer 3: [`engine`], the deterministic fold of events into state and effects
//! - layer 4: [`kafka`], the only module that uses librdkafka; [`registry`], the schemas of a schema registry; [`store`],
//!   snapshots in object storage
//! - layer 5: [`replay`], the driver that processes files or a topic without the service
//! - layer 6: [`worker`], the loop of a worker thread; [`ingest`], the copy of other topics into the log; [`serve`],
//!   health and metrics over HTTP
//! - layer 7: [`simulate`], the events that `demo` and `generate` send; [`analysis`], what `check`, `rules diff` and
//!   `explain` compute
//! - layer 8: [`mod@bench`], what `upswell bench` measures
//! - layer 9: [`cli`], one file per command

pub mod analysis;
pub mod bench;
pub mod cli;
pub mod engine;
pub mod ingest;
pub mod kafka;
pub mod model;
pub mod registry;
pub mod replay;
pub mod rules;
pub mod serve;
pub mod simulate;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod wire;
pub mod worker;
