//! Figures of an account and its users: pure functions of the state, of who was active when, who people are, and which
//! signals are on. Whatever is decided is decided in integers. What is printed is one IEEE division, or comes from
//! `libm`, which gives the same bits on every machine.

pub(super) mod closed;
pub(super) mod newcomers;
pub(super) mod people;
pub(super) mod points;
pub(super) mod trend;
pub(super) mod windows;

pub(super) use closed::Closed;
