//! A broker in the process, for `demo` and for tests: the mock cluster of librdkafka, which serves the Kafka protocol
//! on a free loopback port.
//!
//! Its limitations: it keeps only the last 5 MiB of a partition; it discards the offsets of transactions, so a restart
//! begins from offset 0; it shows the records of aborted transactions; its records have the producer's time; and it
//! cannot create or describe topics.

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer as _};

use super::error::Error;
use super::raw;

/// An embedded broker, which ends when it is dropped.
pub struct Embedded {
    owner: BaseProducer,
}

impl Embedded {
    /// Starts a broker with these topics and their numbers of partitions.
    ///
    /// # Errors
    /// When no port can be opened, or a topic cannot be made.
    pub fn start<'a>(topics: impl IntoIterator<Item = (&'a str, i32)>) -> Result<Self, Error> {
        let failed = |error| Error::client("starting the embedded broker", error);
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", "1");
        let owner: BaseProducer = config.create_with_context(DefaultProducerContext).map_err(failed)?;
        raw::mock_groups_begin_at_once(&owner);
        if let Some(cluster) = owner.client().mock_cluster() {
            for (topic, partitions) in topics {
                cluster.create_topic(topic, partitions, 1).map_err(failed)?;
            }
        }
        Ok(Self { owner })
    }

    /// Refuses the offsets of this number of transactions, as for a member of an old generation.
    #[cfg(test)]
    pub(crate) fn refuse_offsets(&self, times: usize) {
        use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
        if let Some(cluster) = self.owner.client().mock_cluster() {
            let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
            cluster.request_errors(RDKafkaApiKey::TxnOffsetCommit, &vec![refusal; times]);
        }
    }

    /// Where it listens, as `kafka.brokers` wants it.
    #[must_use]
    pub fn brokers(&self) -> String {
        self.owner.client().mock_cluster().map_or_else(String::new, |cluster| cluster.bootstrap_servers())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::kafka::{Config, Consumer, LogWriter, Polled, Producer, Progress};

    #[test]
    fn the_whole_room_works_against_it() {
        let broker = Embedded::start([("log", 2), ("out", 1)]).unwrap();
        let config = Config { brokers: broker.brokers(), ..Config::default() };
        let mut writer = LogWriter::connect(&config, "log").unwrap();
        for n in 0..100_u8 {
            writer.send(None, Some(&[n]), &[n]).unwrap();
        }
        writer.flush().unwrap();

        let mut consumer = Consumer::join(&config, "log", 0).unwrap();
        let (mut seen, mut ends) = (Vec::new(), 0);
        while ends < 2 {
            let mut each = |polled: Polled<'_>| match polled {
                Polled::Message(message) => seen.push(message.payload[0]),
                Polled::End { .. } => ends += 1,
                _ => {}
            };
            consumer.poll(Duration::from_millis(100), &mut each).unwrap();
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..100));

        let mut producer = Producer::connect(&config, "demo-0").unwrap();
        producer.begin().unwrap();
        producer.send("out", None, Some(b"acme"), Some(b"handoff"), [("level", "high")]).unwrap();
        let progress = Progress { topic: "log", partition: 0, offset: 1, metadata: "" };
        producer.commit(&[progress], &consumer.group_metadata().unwrap()).unwrap();
    }

    /// librdkafka does not count what a read leaves in the queue, and would fetch as much again.
    #[test]
    fn a_read_delivers_everything_that_was_fetched() {
        const RECORDS: usize = 10_000;
        let broker = Embedded::start([("log", 1)]).unwrap();
        let config = Config { brokers: broker.brokers(), ..Config::default() };
        let mut writer = LogWriter::connect(&config, "log").unwrap();
        (0..RECORDS).for_each(|_| writer.send(Some(0), None, b"event").unwrap());
        writer.flush().unwrap();

        let mut consumer = Consumer::join(&config, "log", 0).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while consumer.unread() < RECORDS {
            assert!(Instant::now() < deadline, "{} of {RECORDS} records were fetched", consumer.unread());
            consumer.attend(&mut |_| {}).unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut read = 0;
        consumer.poll(Duration::ZERO, &mut |polled| read += usize::from(matches!(polled, Polled::Message(_)))).unwrap();
        assert_eq!(read, RECORDS);
    }
}
