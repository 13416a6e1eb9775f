//! The messages that wait to be published, in the order of their effects. A message is encoded once, into a buffer that
//! all of them share, and stays there until its transaction is committed: an aborted transaction is sent again.

use std::collections::VecDeque;
use std::fmt::Write as _;

use prost::bytes::{BufMut as _, BytesMut};

use super::client::Producer;
use crate::kafka::{self, Key, Output, TransactionError};
use crate::model::HandoffId;
use crate::wire::{self, Attributes, Format, ToWire};

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum To {
    Output(Output),
    /// A control record, for the partition of the log that the message belongs to.
    Log,
}

/// What the worker needs to know of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    /// The partition of the log that caused it. If the partition is revoked, the message is dropped.
    pub(super) partition: i32,
    pub(super) to: To,
    /// The offset of the record that caused it, and how many effects of that record come before it; none for control
    /// records, and for profiles that are published again.
    pub(super) place: Option<(i64, u32)>,
}

/// The id of a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Id<'a> {
    /// That of a handoff.
    Handoff(HandoffId),
    /// The place of the record that caused the message, and its number among the messages of its output.
    Place(&'a str, usize),
}

/// An effect as a message of an output.
pub(super) struct Published<'a> {
    pub(super) id: Id<'a>,
    pub(super) effect: &'a dyn ToWire,
    /// The key of the record that could not be used.
    pub(super) key_of_record: Option<&'a [u8]>,
}

/// A message, and where it is in the buffer: its value, key and id follow each other.
#[derive(Debug)]
struct Message {
    about: About,
    /// How many bytes were ever in the buffer before it.
    begins: usize,
    /// The length of its value; none of a tombstone.
    value: Option<usize>,
    /// The length of its key; none of a message without a key.
    key: Option<usize>,
    id: usize,
    attributes: Option<Box<Attributes>>,
}

/// The messages that wait to be published.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    messages: VecDeque<Message>,
    bytes: BytesMut,
    /// How many bytes were removed from the front of the buffer.
    removed: usize,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What the worker needs to know of the messages, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = About> {
        self.messages.iter().map(|message| message.about)
    }

    /// Adds a message of an output.
    pub(super) fn publish(
        &mut self,
        output: Output,
        (partition, place): (i32, Option<(i64, u32)>),
        format: Format,
        published: &Published<'_>,
    ) {
        let &Published { id, effect, key_of_record } = published;
        let begins = self.ends();
        let value = (!effect.is_tombstone()).then(|| self.add(|bytes| effect.append(format, bytes)));
        let key = match (output.row().key, effect.account(), effect.user()) {
            (Key::Account, Some(account), _) => Some(self.add(|bytes| bytes.put_slice(account.as_bytes()))),
            (Key::User, Some(account), Some(user)) => {
                Some(self.add(|bytes| wire::append_user_key(account, user, bytes)))
            }
            (Key::Record, ..) => key_of_record.map(|key| self.add(|bytes| bytes.put_slice(wire::dead_letter_key(key)))),
            (Key::Account | Key::User, ..) => None,
        };
        let id = self.add(|bytes| {
            let written = match id {
                Id::Handoff(id) => write!(bytes, "{id}"),
                Id::Place(place, number) => write!(bytes, "{place}{}{number}", output.letter()),
            };
            written.expect("the buffer grows");
        });
        let attributes = Attributes::of(effect).map(Box::new);
        let about = About { partition, to: To::Output(output), place };
        self.messages.push_back(Message { about, begins, value, key, id, attributes });
    }

    /// Adds a control record for a partition of the log.
    pub(super) fn control(&mut self, partition: i32, record: &[u8]) {
        let begins = self.ends();
        let value = Some(self.add(|bytes| bytes.put_slice(record)));
        let about = About { partition, to: To::Log, place: None };
        self.messages.push_back(Message { about, begins, value, key: None, id: 0, attributes: None });
    }

    /// How many bytes were ever in the buffer.
    fn ends(&self) -> usize {
        self.removed + self.bytes.len()
    }

    /// Writes to the buffer, and returns how many bytes.
    fn add(&mut self, write: impl FnOnce(&mut BytesMut)) -> usize {
        let before = self.bytes.len();
        write(&mut self.bytes);
        self.bytes.len() - before
    }

    /// Adds the messages from `from` up to `to` to the producer's transaction.
    ///
    /// # Errors
    /// See `Producer::send`.
    pub(super) fn send<G>(
        &self,
        from: usize,
        to: usize,
        names: &Names,
        producer: &mut impl Producer<G>,
    ) -> Result<(), TransactionError> {
        self.messages.range(from..to).try_for_each(|message| {
            let &Message { begins, value, key, id, ref attributes, about } = message;
            let bytes = &self.bytes[begins - self.removed..];
            let (of_value, bytes) = bytes.split_at(value.unwrap_or(0));
            let (of_key, bytes) = bytes.split_at(key.unwrap_or(0));
            let (value, key, id) = (value.map(|_| of_value), key.map(|_| of_key), &bytes[..id]);
            let topic = names.of(about.to);
            match about.to {
                To::Log => {
                    let headers = kafka::CONTROL_HEADERS.iter().copied();
                    producer.send(topic, Some(about.partition), key, value, headers)
                }
                To::Output(output) => {
                    let id = std::str::from_utf8(id).expect("it was written as text");
                    let kind = output.row().kind;
                    let headers = wire::headers(kind, names.format, id, &names.source, attributes.as_deref());
                    producer.send(topic, None, key, value, headers)
                }
            }
        })
    }

    /// Removes this number of messages from the front, as an outbox of their own.
    pub(super) fn split_to(&mut self, count: usize) -> Outbox {
        let messages: VecDeque<Message> = self.messages.drain(..count).collect();
        let length = self.messages.front().map_or(self.bytes.len(), |next| next.begins - self.removed);
        let removed = self.removed;
        self.removed += length;
        Outbox { messages, bytes: self.bytes.split_to(length), removed }
    }

    /// Drops the messages from `from` up to `to`.
    pub(super) fn drop_range(&mut self, from: usize, to: usize) {
        self.messages.drain(from..to);
    }

    /// Drops the messages that a partition caused.
    pub(super) fn drop_partition(&mut self, partition: i32) {
        self.messages.retain(|message| message.about.partition != partition);
    }
}

/// The names of the topics, and what else is the same for all messages.
#[derive(Debug)]
pub(super) struct Names {
    log: String,
    /// By output.
    outputs: [String; Output::ALL.len()],
    /// The source in the headers.
    source: String,
    format: Format,
}

impl Names {
    pub(super) fn new(topics: &kafka::Topics) -> Names {
        let log = topics.log();
        Names {
            outputs: Output::ALL.map(|row| topics.of(row.output)),
            source: wire::source(&log),
            format: topics.outputs.format,
            log,
        }
    }

    /// The name of a topic.
    pub(super) fn of(&self, to: To) -> &str {
        match to {
            To::Output(output) => &self.outputs[output as usize],
            To::Log => &self.log,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventTime, Onboarding, Track};

    fn onboarding(account: &str) -> Onboarding {
        Onboarding { account: account.into(), track: Track::Solo, before: None, at: EventTime(7), employees: None }
    }

    /// What each message has as its key, in order.
    fn keys(outbox: &Outbox) -> Vec<&str> {
        let key = |it: &Message| {
            let begins = it.begins - outbox.removed + it.value.unwrap_or(0);
            &outbox.bytes[begins..begins + it.key.unwrap_or(0)]
        };
        outbox.messages.iter().map(|it| std::str::from_utf8(key(it)).unwrap()).collect()
    }

    #[test]
    fn messages_keep_their_bytes_when_others_leave() {
        let mut outbox = Outbox::default();
        let add = |outbox: &mut Outbox, partition, account: &str| {
            let effect = &onboarding(account);
            let published = Published { id: Id::Place("3-7-", 0), effect, key_of_record: None };
            outbox.publish(Output::Onboarding, (partition, Some((7, 0))), Format::Protobuf, &published);
        };
        for (partition, account) in [(0, "a"), (1, "bb"), (0, "ccc"), (1, "dddd"), (2, "eeeee")] {
            add(&mut outbox, partition, account);
        }
        outbox.control(2, b"tick");
        let mut front = outbox.split_to(2);
        assert_eq!((keys(&front), keys(&outbox)), (vec!["a", "bb"], vec!["ccc", "dddd", "eeeee", ""]));
        front.drop_partition(0);
        outbox.drop_partition(1);
        add(&mut outbox, 0, "f");
        assert_eq!((keys(&front), keys(&outbox)), (vec!["bb"], vec!["ccc", "eeeee", "", "f"]));
        outbox.drop_range(0, 2);
        let rest = outbox.split_to(2);
        assert_eq!((keys(&rest), outbox.len(), outbox.bytes.len()), (vec!["", "f"], 0, 0));
        add(&mut outbox, 0, "g");
        assert_eq!(keys(&outbox), ["g"]);
    }
}
