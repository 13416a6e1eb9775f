//! The only module that uses librdkafka: group consumer, transactional producer, readers, topics, and the embedded
//! broker of the demo. It reads and writes bytes and does not know their meaning.

mod admin;
mod config;
mod consumer;
mod embedded;
mod error;
mod log_line;
mod membership;
mod offsets;
mod producer;
mod raw;
mod reader;
mod topics;

pub use admin::{
    Difference, LogSettings, LogWatch, SIZE_OF_PRODUCER, SIZE_OF_TOPIC, Setting, TopicReport, TopicSpec, check_exist,
    delete_before, ensure_topics, partitions, remove,
};
pub use config::Config;
pub use consumer::{Consumer, Ends, GroupMetadata, Polled};
pub use embedded::Embedded;
pub use error::{Error, TransactionError};
pub use membership::{Ended, stay_member};
pub use offsets::{Committed, commit, committed, members, topic_id};
pub use producer::{CONTROL_HEADERS, LogWriter, Partitioner, Producer, Progress, largest_sent, partition_of};
pub use raw::Message;
pub use reader::{Reader, Span, Tail};
pub use topics::{Key, Output, Outputs, Row, Topics};
