//! The errors of Kafka, with messages that say what to do.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// An error of this module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key of the configuration has no usable value.
    #[error("kafka.{key}: {problem}")]
    Config {
        /// The key, below `kafka`.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A property that exactly-once depends on, or that has a key of its own.
    #[error("kafka.properties: `{key}` must not be set: {reason}")]
    Refused {
        /// The librdkafka property.
        key: String,
        /// Why it is refused, and what to use instead.
        reason: &'static str,
    },
    /// A property that librdkafka does not have, or a value that it does not take.
    #[error("kafka.properties: `{key}`: {problem}{hint}")]
    Property {
        /// The librdkafka property.
        key: String,
        /// librdkafka's own words.
        problem: String,
        /// A property with a similar name, as a sentence, or nothing.
        hint: String,
    },
    /// Encryption or SCRAM asked for in a build that has neither.
    #[error(
        "kafka.properties: `{asked}` needs TLS and SCRAM, which this build does not have: \
         build it with `cargo build --release --features tls`, or use the image of the Dockerfile"
    )]
    NeedsTls {
        /// The setting that asks for it.
        asked: String,
    },
    /// A topic does not exist, or this client may not see it.
    #[error(
        "topic `{topic}` does not exist on {brokers}, or this client may not describe it: \
         create it with `upswell topics`, or check its ACLs"
    )]
    TopicMissing {
        /// The topic.
        topic: String,
        /// The brokers asked.
        brokers: String,
    },
    /// The group has removed this member, and may have given its partitions to others.
    #[error("group `{group}` has removed this member, because its session had timed out")]
    MembershipLost {
        /// The consumer group.
        group: String,
    },
    /// Records were deleted that the state cannot be computed without.
    #[error(
        "{topic}[{partition}] begins at offset {low}, and the state is needed from offset {begin} on: records were \
         deleted that no usable snapshot covers. Restore the snapshots (`upswell snapshot ls` shows which there are), or \
         start with a new log, a new topics.prefix and a new kafka.group. docs/operators.md says how long to keep the log"
    )]
    LogTrimmed {
        /// The topic of the log.
        topic: String,
        /// The partition.
        partition: i32,
        /// Its first offset.
        low: i64,
        /// The offset from which it would be read: that of the snapshot, or 0.
        begin: i64,
    },
    /// The committed offset is beyond the end of the log: the topic was created again, or lost data.
    #[error(
        "{topic}[{partition}] ends at offset {end}, but group `{group}` has committed {committed}: \
         the topic was created again or lost records. If that is intended, use a new kafka.group; \
         otherwise restore the topic"
    )]
    OffsetsMovedBack {
        /// The topic of the log.
        topic: String,
        /// The partition.
        partition: i32,
        /// The consumer group.
        group: String,
        /// The offset that the group committed.
        committed: i64,
        /// The stable end of the partition.
        end: i64,
    },
    /// The group has no committed offset, but the results of its work are published.
    #[error(
        "group `{group}` has no committed offset for {topic}[{partition}], but `{output}` holds results of that \
         partition: the offsets expired or were deleted (Kafka deletes them with the log, too), or kafka.group was \
         changed. Every handoff would be published a second time. Restore kafka.group or the offsets; or, if that is intended, start \
         `upswell run --from-the-beginning`"
    )]
    OffsetsLost {
        /// The topic of the log.
        topic: String,
        /// The partition.
        partition: i32,
        /// The consumer group.
        group: String,
        /// The topic that holds its results.
        output: String,
    },
    /// The log has another number of partitions than when the group committed its offsets.
    #[error(
        "{topic} has {now} partitions, but group `{group}` committed offsets when it had {then}: new events of an \
         account can go to another partition than its earlier ones. Begin with a new log, a new topics.prefix and a \
         new kafka.group, and send the events there"
    )]
    PartitionsChanged {
        /// The topic of the log.
        topic: String,
        /// The consumer group.
        group: String,
        /// The number of partitions then.
        then: i32,
        /// The number of partitions now.
        now: i32,
    },
    /// The state of the log goes on with another one.
    #[error(
        "the state of {topic} was moved to {moved}, with which group `{group}` goes on. Set topics.log to {moved}, and have \
         producers write there"
    )]
    LogMoved {
        /// The topic of the log.
        topic: String,
        /// The consumer group.
        group: String,
        /// The topic of the log that goes on.
        moved: String,
    },
    /// The log was deleted and created again.
    #[error(
        "{topic} was deleted and created again: its id was {then} and is {now}. State and offsets of group `{group}` are \
         those of the log that is gone. Begin with a new topics.prefix and a new kafka.group, and send the events there"
    )]
    LogReplaced {
        /// The topic of the log.
        topic: String,
        /// The consumer group.
        group: String,
        /// Its id then.
        then: String,
        /// Its id now.
        now: String,
    },
    /// Records that should be read no longer exist.
    #[error("{topic}[{partition}]: the offset to read next does not exist ({detail}): was the log deleted or trimmed?")]
    OffsetGone {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// librdkafka's own words.
        detail: String,
    },
    /// Another process uses the same static membership.
    #[error(
        "another member joined group `{group}` with the group_instance_id `{instance}` and took \
         its place: give every process a kafka.group_instance_id of its own"
    )]
    InstanceFenced {
        /// The consumer group.
        group: String,
        /// The static member.
        instance: String,
    },
    /// A member with the same instance id has not left yet, and its session lasts (KIP-848).
    #[error(
        "group `{group}` still has a member with the group_instance_id `{instance}`: a former one, until its session \
         times out, or another running process: give every process a kafka.group_instance_id of its own"
    )]
    InstanceUnreleased {
        /// The consumer group.
        group: String,
        /// The static member.
        instance: String,
    },
    /// The process was asked to end while it waited for Kafka.
    #[error("{doing}: cancelled, because the process was asked to end")]
    Stopped {
        /// What was being done.
        doing: String,
    },
    /// The cluster refuses the request, and a retry does not help.
    #[error("{doing}: {code}: the principal of this client lacks a permission; docs/operators.md lists the ACLs")]
    NotAuthorized {
        /// What was being done.
        doing: String,
        /// Kafka's error.
        code: RDKafkaErrorCode,
    },
    /// Kafka could not be reached, or answered with errors, until the timeout.
    #[error("{doing}: {error}")]
    Client {
        /// What was being done.
        doing: String,
        /// The client's error. It is not the source, because the message contains it.
        error: KafkaError,
    },
    /// A record could not be written.
    #[error("writing to topic `{topic}`: {code}")]
    Delivery {
        /// The topic.
        topic: String,
        /// Kafka's error.
        code: RDKafkaErrorCode,
    },
}

impl Error {
    /// The most specific variant for an `error` that occurred while `doing`.
    pub(super) fn client(doing: impl Into<String>, error: KafkaError) -> Self {
        let doing = doing.into();
        match code_of(&error) {
            Some(code) if is_refusal(code) => Self::NotAuthorized { doing, code },
            _ => Self::Client { doing, error },
        }
    }

    /// Whether this client was fenced: another one took over its name, or the broker assumes so. A new member or
    /// producer can continue.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
        match self {
            Self::InstanceFenced { .. } | Self::InstanceUnreleased { .. } => true,
            Self::Client { error, .. } => {
                matches!(code_of(error), Some(Fenced | InvalidProducerEpoch | ProducerFenced))
            }
            _ => false,
        }
    }

    /// Whether it ends by itself once Kafka answers again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::MembershipLost { .. } => true,
            Self::Client { error, .. } => is_passing(error),
            _ => false,
        }
    }
}

/// Why a transaction did not commit, by what the caller has to do.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// Another producer took over, or this one cannot continue. Only the committed offsets show whether the last commit
    /// succeeded. Drop the partitions, create a new producer, and join again.
    #[error("the transactional producer was fenced: {0}")]
    Fenced(String),
    /// The transaction was aborted. Poll the consumer, drop revoked partitions, and send the rest again in a new
    /// transaction.
    #[error("the transaction was aborted: {0}")]
    Aborted(String),
    /// A retry cannot succeed.
    #[error("the transaction failed and would fail again: {0}")]
    Fatal(String),
}

/// The code of Kafka in an error, also in the variant for which the crate has none.
pub(super) fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        error => error.rdkafka_error_code(),
    }
}

/// Whether an error is temporary: a retry can succeed without another configuration.
pub(super) fn is_passing(error: &KafkaError) -> bool {
    match error {
        KafkaError::MessageConsumptionFatal(_) => false,
        KafkaError::Transaction(error) => error.is_retriable(),
        error => code_of(error).is_some_and(|code| !is_lasting(code)),
    }
}

/// Whether a retry cannot help.
pub(super) fn is_lasting(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    is_refusal(code) || matches!(code, UnknownPartition | UnknownTopic | UnknownTopicOrPartition)
}

/// Whether nothing answered: there is no broker, it does not listen, or it hangs.
pub(super) fn is_silence(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        AllBrokersDown, BrokerTransportFailure, MessageTimedOut, OperationTimedOut, RequestTimedOut, Resolve,
    };
    let code = match error {
        KafkaError::Transaction(error) => Some(error.code()),
        error => code_of(error),
    };
    matches!(
        code,
        Some(AllBrokersDown | BrokerTransportFailure | MessageTimedOut | OperationTimedOut | RequestTimedOut | Resolve)
    )
}

/// Whether `code` means that a permission is missing.
pub(super) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{
        ClusterAuthorizationFailed, GroupAuthorizationFailed, TopicAuthorizationFailed,
        TransactionalIdAuthorizationFailed,
    };
    matches!(
        code,
        ClusterAuthorizationFailed
            | GroupAuthorizationFailed
            | TopicAuthorizationFailed
            | TransactionalIdAuthorizationFailed
    )
}
