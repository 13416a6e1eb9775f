//! Generated events: the product that `demo` and `generate` play, and the loads that benchmarks fold. Every stream is a
//! pure function of its arguments.

mod draw;
pub mod load;
mod population;
pub mod product;
mod visit;
