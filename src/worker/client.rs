//! What a worker needs of Kafka. The service has a cluster, and the tests also a simulated one.

use std::time::Duration;

use crate::kafka::{self, Committed, Config, Ends, Error, GroupMetadata, Polled, Progress, TransactionError};

/// The two clients of a worker.
pub(super) trait Kafka: 'static {
    /// The generation of the group in which offsets are committed.
    type Generation: Clone + Send + 'static;
    type Consumer: Consumer<Self::Generation>;
    type Producer: Producer<Self::Generation> + Send + 'static;
}

/// See [`kafka::Consumer`].
pub(super) trait Consumer<G>: Sized {
    fn join(config: &Config, topic: &str, worker: usize) -> Result<Self, Error>;
    fn leave(self);
    fn topic_id(&self) -> Option<&str>;
    fn partitions(&self) -> i32;
    fn is_assigned(&self) -> bool;
    fn group_metadata(&self) -> Result<G, Error>;
    fn poll(&mut self, wait: Duration, each: &mut impl FnMut(Polled<'_, G>)) -> Result<(), Error>;
    fn attend(&mut self, each: &mut impl FnMut(Polled<'_, G>)) -> Result<(), Error>;
    fn begin(&mut self, partition: i32, offset: i64) -> Result<(), Error>;
    fn halt(&mut self, partition: i32) -> Result<(), Error>;
    fn ends(&self, each: &mut impl FnMut(i32, Ends));
    /// See [`kafka::committed`].
    fn committed(config: &Config, topic: &str) -> Result<Vec<Committed>, Error>;
}

/// See [`kafka::Producer`].
pub(super) trait Producer<G>: Sized {
    fn connect(config: &Config, transactional_id: &str) -> Result<Self, Error>;
    fn attend(&self);
    fn begin(&mut self) -> Result<(), TransactionError>;
    fn send<'a>(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a str, &'a str), IntoIter: Clone>,
    ) -> Result<(), TransactionError>;
    fn commit(&mut self, progress: &[Progress<'_>], group: &G) -> Result<(), TransactionError>;
    fn abort(&mut self) -> Result<(), TransactionError>;
    /// See [`kafka::partitions`].
    fn partitions(config: &Config, topic: &str) -> Result<i32, Error>;
}

/// A cluster, through librdkafka.
pub(super) enum Cluster {}

impl Kafka for Cluster {
    type Generation = GroupMetadata;
    type Consumer = kafka::Consumer;
    type Producer = kafka::Producer;
}

impl Consumer<GroupMetadata> for kafka::Consumer {
    fn join(config: &Config, topic: &str, worker: usize) -> Result<Self, Error> {
        kafka::Consumer::join(config, topic, worker)
    }

    fn leave(self) {
        kafka::Consumer::leave(self);
    }

    fn topic_id(&self) -> Option<&str> {
        kafka::Consumer::topic_id(self)
    }

    fn partitions(&self) -> i32 {
        kafka::Consumer::partitions(self)
    }

    fn is_assigned(&self) -> bool {
        kafka::Consumer::is_assigned(self)
    }

    fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        kafka::Consumer::group_metadata(self)
    }

    fn poll(&mut self, wait: Duration, each: &mut impl FnMut(Polled<'_>)) -> Result<(), Error> {
        kafka::Consumer::poll(self, wait, each)
    }

    fn attend(&mut self, each: &mut impl FnMut(Polled<'_>)) -> Result<(), Error> {
        kafka::Consumer::attend(self, each)
    }

    fn begin(&mut self, partition: i32, offset: i64) -> Result<(), Error> {
        kafka::Consumer::begin(self, partition, offset)
    }

    fn halt(&mut self, partition: i32) -> Result<(), Error> {
        kafka::Consumer::halt(self, partition)
    }

    fn ends(&self, each: &mut impl FnMut(i32, Ends)) {
        kafka::Consumer::ends(self, each);
    }

    fn committed(config: &Config, topic: &str) -> Result<Vec<Committed>, Error> {
        kafka::committed(config, topic)
    }
}

impl Producer<GroupMetadata> for kafka::Producer {
    fn connect(config: &Config, transactional_id: &str) -> Result<Self, Error> {
        kafka::Producer::connect(config, transactional_id)
    }

    fn attend(&self) {
        kafka::Producer::attend(self);
    }

    fn begin(&mut self) -> Result<(), TransactionError> {
        kafka::Producer::begin(self)
    }

    fn send<'a>(
        &mut self,
        topic: &str,
        partition: Option<i32>,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'a str, &'a str), IntoIter: Clone>,
    ) -> Result<(), TransactionError> {
        kafka::Producer::send(self, topic, partition, key, payload, headers)
    }

    fn commit(&mut self, progress: &[Progress<'_>], group: &GroupMetadata) -> Result<(), TransactionError> {
        kafka::Producer::commit(self, progress, group)
    }

    fn abort(&mut self) -> Result<(), TransactionError> {
        kafka::Producer::abort(self)
    }

    fn partitions(config: &Config, topic: &str) -> Result<i32, Error> {
        kafka::partitions(config, topic)
    }
}
