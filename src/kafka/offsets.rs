//! The offsets that the group has committed, for a program that is no member of it.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, DefaultConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::config::Config;
use super::consumer::{self, count_partitions, id_of, patiently};
use super::error::Error;
use super::producer::{Progress, offset_list};

/// How long one request may take.
const QUESTION: Duration = Duration::from_secs(10);

/// What the group has committed for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The offset; none if it has committed nothing.
    pub offset: Option<i64>,
    /// The metadata that stands beside it.
    pub metadata: String,
}

/// What the group has committed for each partition of a topic. It does not wait for open transactions, which the members
/// of the group have all the time.
///
/// # Errors
/// When Kafka cannot be reached or refuses, or the topic is missing.
pub fn committed(config: &Config, topic: &str) -> Result<Vec<Committed>, Error> {
    let base = connect(config)?;
    let mut list = TopicPartitionList::new();
    for partition in 0..count_partitions(&base, config, topic)? {
        list.add_partition(topic, i32::try_from(partition).unwrap_or(i32::MAX));
    }
    let doing = format!("reading the committed offsets of group `{}`", config.group);
    let committed = consumer::committed(&base, config, &doing, &list)?;
    let of_partition = |element: &TopicPartitionListElem<'_>| {
        let offset = if let Offset::Offset(offset) = element.offset() { Some(offset) } else { None };
        Committed { offset, metadata: element.metadata().to_owned() }
    };
    Ok(committed.elements().iter().map(of_partition).collect())
}

/// Commits offsets of the group, all at once. It must have no members.
///
/// # Errors
/// When Kafka cannot be reached or refuses, as it does if the group has members.
pub fn commit(config: &Config, progress: &[Progress<'_>]) -> Result<(), Error> {
    let doing = format!("committing offsets of group `{}`", config.group);
    let invalid =
        |why| Error::client(format!("{doing}: {why}"), KafkaError::OffsetFetch(RDKafkaErrorCode::InvalidArgument));
    let list = offset_list(progress).map_err(invalid)?;
    let base = connect(config)?;
    patiently(config, &doing, || base.commit(&list, CommitMode::Sync))
}

/// How many members the group of a topic has now. A group of the protocol of KIP-848 seems to have none.
///
/// # Errors
/// When Kafka cannot be reached or refuses.
pub fn members(config: &Config, topic: &str) -> Result<usize, Error> {
    let doing = format!("asking for the members of group `{}`", config.group);
    let base = connect(config)?;
    // Asked for groups first, a client waits a second before it connects.
    count_partitions(&base, config, topic)?;
    let groups = patiently(config, &doing, || base.fetch_group_list(Some(&config.group), QUESTION))?;
    Ok(groups.groups().iter().map(|group| group.members().len()).sum())
}

/// The id that a topic got when it was created; none if the broker knows no ids.
///
/// # Errors
/// When Kafka cannot be reached or refuses, or the topic is missing.
pub fn topic_id(config: &Config, topic: &str) -> Result<Option<String>, Error> {
    Ok(id_of(&connect(config)?, config, topic)?.0)
}

fn connect(config: &Config) -> Result<Arc<BaseConsumer>, Error> {
    // With `read_committed` the coordinator would answer only once no transaction has offsets open.
    let musts = [
        ("allow.auto.create.topics", "false"),
        ("enable.auto.commit", "false"),
        ("isolation.level", "read_uncommitted"),
    ];
    let mut client = config.client(&[], &musts);
    client.set("group.id", config.group.as_str());
    let base = client.create_with_context(DefaultConsumerContext);
    base.map(Arc::new).map_err(|error| Error::client(format!("connecting to {}", config.brokers), error))
}
