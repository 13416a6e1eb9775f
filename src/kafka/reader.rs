//! Readers without a consumer group: of a topic from its beginning to its stable end, or of several topics as they
//! grow.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use super::config::Config;
use super::consumer::{FETCH, STABLE, count_partitions, partition_error, span};
use super::error::Error;
use super::log_line;
use super::raw::{Entry, Forward, Inbox, Message};

/// One wait for records.
const WAIT: Duration = Duration::from_millis(100);

/// What was read of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first offset that the partition still has; 0 if nothing was deleted.
    pub start: i64,
    /// The stable end when reading began.
    pub end: i64,
}

/// Reads the partitions of a topic, one after another, each from its beginning.
pub struct Reader {
    config: Config,
    topic: String,
    partitions: usize,
    inbox: Inbox<Alone>,
    base: Arc<BaseConsumer<Alone>>,
}

impl Reader {
    /// Opens a topic.
    ///
    /// # Errors
    /// When the configuration is refused, Kafka cannot be reached, or the topic is missing.
    pub fn open(config: &Config, topic: &str) -> Result<Self, Error> {
        let base = connect(config, STABLE)?;
        let partitions = count_partitions(&base, config, topic)?;
        let inbox = Inbox::new(&base);
        Ok(Self { config: config.clone(), topic: topic.to_owned(), partitions, inbox, base })
    }

    /// The number of partitions.
    #[must_use]
    pub fn partitions(&self) -> i32 {
        i32::try_from(self.partitions).unwrap_or(i32::MAX)
    }

    /// The beginning and the stable end of a partition as they are now.
    ///
    /// # Errors
    /// When Kafka cannot be reached or refuses.
    pub fn span(&self, partition: i32) -> Result<Span, Error> {
        let (start, end) = span(&self.base, &self.config, &self.topic, partition)?;
        Ok(Span { start, end })
    }

    /// Reads a partition from its beginning to the stable end that it has now, unless `each`
    /// breaks off. Records of transactions that are open or were aborted are not seen.
    ///
    /// # Errors
    /// When Kafka cannot be reached or refuses, or the process is stopping.
    pub fn read(
        &mut self,
        partition: i32,
        each: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<Span, Error> {
        self.read_from(partition, 0, each)
    }

    /// The same from an offset, if it is not before the beginning.
    ///
    /// # Errors
    /// As for `read`.
    pub fn read_from(
        &mut self,
        partition: i32,
        offset: i64,
        each: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<Span, Error> {
        let Span { start, end } = self.span(partition)?;
        let span = Span { start: start.max(offset), end };
        if span.start < span.end {
            let doing = format!("reading {}[{partition}]", self.topic);
            let _forward = self.inbox.forward(&self.topic, partition);
            let list = list(&self.topic, [partition], Offset::Offset(span.start));
            list.and_then(|list| self.base.assign(&list)).map_err(|error| Error::client(doing.as_str(), error))?;
            let read = self.read_until(partition, span.end, each);
            self.base.unassign().map_err(|error| Error::client(doing.as_str(), error))?;
            read?;
        }
        Ok(span)
    }

    /// Reads all partitions at the same time, each from its beginning to the stable end that it has now. The records of a
    /// partition come in their order. Returns what was read of each partition.
    ///
    /// # Errors
    /// As for `read`.
    pub fn read_all(&mut self, each: &mut impl FnMut(Message<'_>)) -> Result<Vec<Span>, Error> {
        let spans = (0..self.partitions()).map(|partition| self.span(partition)).collect::<Result<Vec<_>, _>>()?;
        let Self { config, topic, inbox, base, .. } = self;
        let doing = format!("reading {topic}");
        let full = (0..).zip(&spans).filter(|(_, span)| span.start < span.end);
        let mut unread: BTreeMap<i32, i64> = full.map(|(partition, span)| (partition, span.end)).collect();
        let _forwards: Vec<_> = unread.keys().map(|partition| inbox.forward(topic, *partition)).collect();
        let mut all = TopicPartitionList::new();
        let starts = unread.keys().map(|partition| (*partition, spans[*partition as usize].start));
        let mut add = |(partition, start)| all.add_partition_offset(topic, partition, Offset::Offset(start));
        starts.map(&mut add).collect::<KafkaResult<Vec<()>>>().map_err(|error| Error::client(doing.as_str(), error))?;
        base.assign(&all).map_err(|error| Error::client(doing.as_str(), error))?;
        while !unread.is_empty() {
            if config.is_stopping() {
                return Err(Error::Stopped { doing });
            }
            serve(base)?;
            let mut failed = Ok(());
            inbox.read(WAIT, &mut |entry| match entry {
                Entry::Message(message) => match unread.get(&message.partition) {
                    Some(end) if message.offset < *end => each(message),
                    Some(_) => drop(unread.remove(&message.partition)),
                    None => {}
                },
                Entry::End { partition, .. } => drop(unread.remove(&partition)),
                Entry::Error { partition, code, detail } if failed.is_ok() => {
                    failed = partition_error(config, topic, partition, code, &detail);
                }
                Entry::Error { .. } => {}
            });
            failed?;
            // The position passes markers of transactions, for which there is no entry.
            let positions = base.position().map_err(|error| Error::client("asking for the position", error))?;
            for element in positions.elements() {
                if let Offset::Offset(offset) = element.offset()
                    && unread.get(&element.partition()).is_some_and(|end| offset >= *end)
                {
                    unread.remove(&element.partition());
                }
            }
        }
        base.unassign().map_err(|error| Error::client(doing.as_str(), error))?;
        Ok(spans)
    }

    fn read_until(
        &mut self,
        partition: i32,
        end: i64,
        each: &mut impl FnMut(Message<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Self { config, topic, inbox, base, .. } = self;
        loop {
            if config.is_stopping() {
                return Err(Error::Stopped { doing: format!("reading {topic}[{partition}]") });
            }
            serve(base)?;
            let (mut done, mut failed) = (false, Ok(()));
            inbox.read(WAIT, &mut |entry| match entry {
                _ if done => {}
                Entry::Message(message) if message.partition == partition => {
                    done = message.offset >= end || each(message).is_break();
                }
                Entry::End { partition: ended, .. } if ended == partition => done = true,
                Entry::Error { partition: of, code, detail } if of == partition && failed.is_ok() => {
                    failed = partition_error(config, topic, partition, code, &detail);
                }
                _ => {}
            });
            failed?;
            // Where only markers of transactions are left, and an open transaction after them,
            // there is no event for the end; the position has passed them.
            if done || position(base)? >= end {
                return Ok(());
            }
        }
    }
}

/// Follows topics from their present end.
pub struct Tail {
    config: Config,
    _forwards: Vec<Forward<Alone>>,
    inbox: Inbox<Alone>,
    base: Arc<BaseConsumer<Alone>>,
}

impl Tail {
    /// Opens topics at their end.
    ///
    /// # Errors
    /// When the configuration is refused, Kafka cannot be reached, or a topic is missing.
    pub fn open(config: &Config, topics: &[String]) -> Result<Self, Error> {
        let base = connect(config, STABLE)?;
        let inbox = Inbox::new(&base);
        let mut all = TopicPartitionList::new();
        let mut forwards = Vec::new();
        for topic in topics {
            let count = i32::try_from(count_partitions(&base, config, topic)?).unwrap_or(i32::MAX);
            for partition in 0..count {
                let doing = format!("finding the end of {topic}[{partition}]");
                // The present end, not the end when fetching begins, so that no record between them is missed.
                let (_, end) = span(&base, config, topic, partition)?;
                all.add_partition_offset(topic, partition, Offset::Offset(end))
                    .map_err(|error| Error::client(doing, error))?;
                forwards.extend(inbox.forward(topic, partition));
            }
        }
        base.assign(&all).map_err(|error| Error::client("following topics", error))?;
        Ok(Self { config: config.clone(), _forwards: forwards, inbox, base })
    }

    /// Delivers the records that were committed since; waits at most `wait` for the first.
    ///
    /// # Errors
    /// Continuing is impossible. Temporary errors are logged and not returned.
    pub fn poll(&mut self, wait: Duration, each: &mut impl FnMut(Message<'_>)) -> Result<(), Error> {
        serve(&self.base)?;
        let mut failed = Ok(());
        self.inbox.read(wait, &mut |entry| match entry {
            Entry::Message(message) => each(message),
            Entry::End { .. } => {}
            Entry::Error { partition, code, detail } => {
                failed = partition_error(&self.config, "the topics followed", partition, code, &detail);
            }
        });
        failed
    }
}

fn connect(config: &Config, musts: &[(&str, &str)]) -> Result<Arc<BaseConsumer<Alone>>, Error> {
    let mut client = config.client(FETCH, musts);
    // librdkafka assigns no partition without a group. The group is neither joined nor committed to, and because it is
    // the group of the service, no further permission is needed.
    client.set("group.id", config.group.as_str());
    let base = client
        .create_with_context(Alone)
        .map_err(|error| Error::client(format!("starting a reader on {}", config.brokers), error))?;
    Ok(Arc::new(base))
}

/// Passes on the log lines of librdkafka, and keeps a fatal error.
fn serve(base: &BaseConsumer<Alone>) -> Result<(), Error> {
    log_line::settle();
    if let Some(Err(error)) = base.poll(Duration::ZERO) {
        if let Some((code, reason)) = base.client().fatal_error() {
            return Err(Error::client(reason, KafkaError::MessageConsumptionFatal(code)));
        }
        log_line::passing(&error, "reading");
    }
    Ok(())
}

/// The next offset of the only partition assigned.
fn position(base: &BaseConsumer<Alone>) -> Result<i64, Error> {
    let list = base.position().map_err(|error| Error::client("asking for the position", error))?;
    Ok(match list.elements().first().map(rdkafka::topic_partition_list::TopicPartitionListElem::offset) {
        Some(Offset::Offset(offset)) => offset,
        _ => -1,
    })
}

fn list(topic: &str, partitions: impl IntoIterator<Item = i32>, offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition, offset)?;
    }
    Ok(list)
}

/// A consumer outside any group.
struct Alone;

impl ClientContext for Alone {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line::write(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_line::client_error(&error, reason);
    }
}

impl ConsumerContext for Alone {}
