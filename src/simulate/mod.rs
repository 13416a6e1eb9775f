//! Generates events: of the simulated product of `demo` and `generate`, and of the loads for benchmarks. Every stream
//! is a pure function of its arguments.

mod draw;
pub mod load;
mod population;
pub mod product;
mod visit;
