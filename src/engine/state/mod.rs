//! The state of a partition: tables of rows with stable indices. It decides nothing.

pub(super) mod account;
pub(super) mod adopt;
mod amounts;
pub(super) mod beside;
mod counted;
pub(super) mod counts;
pub(super) mod cut;
pub(super) mod days;
pub(super) mod dedupe;
pub(super) mod due;
pub(super) mod facts;
pub(super) mod ids;
pub(super) mod index;
mod levels;
mod lists;
#[cfg(test)]
pub(super) mod looks;
mod names;
pub(super) mod pages;
pub(super) mod rows;
pub(super) mod tables;
pub(super) mod timers;
pub(super) mod traits;
pub(super) mod triggers;
pub(super) mod word;

pub(super) use account::Account;
pub(super) use tables::Tables;
