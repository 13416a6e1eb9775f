//! Tests on a real Apache Kafka.

mod broker;
mod exactly_once;
mod room;
mod service;
