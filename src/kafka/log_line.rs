//! What librdkafka says, passed on to `tracing` under the target `librdkafka`.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// One log line of librdkafka. A property that belongs to the other kind of client is no news:
/// consumers and producers are given the same pass-through properties.
pub(super) fn write(level: RDKafkaLogLevel, facility: &str, line: &str) {
    use RDKafkaLogLevel::{Alert, Critical, Debug, Emerg, Error, Info, Notice, Warning};
    match level {
        _ if facility == "CONFWARN" => tracing::debug!(target: "librdkafka", "{facility} {line}"),
        Emerg | Alert | Critical | Error => {
            tracing::error!(target: "librdkafka", "{facility} {line}")
        }
        Warning => tracing::warn!(target: "librdkafka", "{facility} {line}"),
        Notice | Info => tracing::info!(target: "librdkafka", "{facility} {line}"),
        Debug => tracing::debug!(target: "librdkafka", "{facility} {line}"),
    }
}

/// An error that concerns a whole client. librdkafka goes on by itself after nearly all of them,
/// and those that end a client are returned by the call that meets them. The end of a partition
/// comes this way too and is no error.
pub(super) fn client_error(error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
        tracing::warn!(target: "librdkafka", "{error}: {reason}");
    }
}
