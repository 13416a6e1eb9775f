//! Tests on a real Apache Kafka: the module `kafka`, the commands and the service, and exactly-once under faults.

mod broker;
mod client;
mod exactly_once;
mod proxy;
mod registry;
mod service;
