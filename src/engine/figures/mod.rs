//! Figures of an account and its users: pure functions of the state. Decisions use integers. A published ratio is one
//! IEEE division; logarithms and powers come from `libm`, which gives the same bits on every machine.

pub(super) mod closed;
pub(super) mod newcomers;
pub(super) mod people;
pub(super) mod points;
pub(super) mod trend;
pub(super) mod windows;

pub(super) use closed::Closed;
