//! Publishes effects and offsets in transactions, so that folding goes on while a transaction commits.
//!
//! Effects are handed to the producer as they are folded, in an open transaction. A thread commits it; until it has
//! answered, further effects wait. Effects are kept until their commit has succeeded, because an aborted transaction is
//! sent again.

use std::time::Duration;

use super::background::Background;
use super::client::{Kafka, Producer};
use super::outbox::{About, Names, Outbox, To};
use super::system::Instant;
use crate::kafka::{Progress, TransactionError};

/// The offset of the next record of a partition, and its metadata.
#[derive(Clone, Debug)]
pub(super) struct Position {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) metadata: String,
}

/// What one transaction contains.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) effects: Outbox,
    pub(super) positions: Vec<Position>,
}

impl Batch {
    /// Removes what belongs to a partition.
    fn drop_partition(&mut self, partition: i32) {
        self.effects.drop_partition(partition);
        self.positions.retain(|position| position.partition != partition);
    }
}

/// The end of a commit: how long it took, and its result.
type Answer = (Duration, Result<(), TransactionError>);

/// A commit for the thread.
struct Commit<K: Kafka> {
    producer: K::Producer,
    log: String,
    positions: Vec<Position>,
    group: K::Generation,
}

/// The open transaction: how many effects of the outbox are in it, and since when it is open.
#[derive(Clone, Copy)]
struct Open {
    sent: usize,
    since: Instant,
}

impl<K: Kafka> Commit<K> {
    fn run(mut self) -> (K::Producer, Answer) {
        let began = Instant::now();
        let result = commit::<K>(&mut self.producer, &self.log, &self.positions, &self.group);
        (self.producer, (began.elapsed(), result))
    }
}

/// The transactional producer of a worker, and the thread that commits.
pub(super) struct Publisher<K: Kafka> {
    names: Names,
    /// None while the thread has it.
    producer: Option<K::Producer>,
    open: Option<Open>,
    /// Why the transaction that was open is not any more: its effects must be sent again.
    failed: Option<TransactionError>,
    /// The batch whose commit has not been settled.
    committing: Option<Batch>,
    answer: Option<Answer>,
    commits: Background<Commit<K>, (K::Producer, Answer)>,
}

impl<K: Kafka> Publisher<K> {
    pub(super) fn new(producer: K::Producer, names: Names) -> Publisher<K> {
        Publisher {
            names,
            producer: Some(producer),
            open: None,
            failed: None,
            committing: None,
            answer: None,
            commits: Background::new(Commit::run),
        }
    }

    /// Serves the events of the client.
    pub(super) fn attend(&self) {
        if let Some(producer) = &self.producer {
            producer.attend();
        }
    }

    /// Whether a commit has not been answered yet.
    pub(super) fn is_committing(&mut self) -> bool {
        if let Some(answered) = self.commits.answer() {
            self.answered(answered);
        }
        self.producer.is_none()
    }

    /// Whether there is a batch whose end was not taken note of.
    pub(super) fn is_unsettled(&self) -> bool {
        self.committing.is_some()
    }

    /// Waits for the commit in flight, if there is one.
    pub(super) fn wait(&mut self) {
        if self.producer.is_none() {
            let answered = self.commits.next();
            self.answered(answered);
        }
    }

    fn answered(&mut self, (producer, answer): (K::Producer, Answer)) {
        self.producer = Some(producer);
        self.answer = Some(answer);
    }

    /// Hands the effects of the outbox to the producer, at most this number in one transaction, unless a transaction must
    /// end first.
    pub(super) fn hand_over(&mut self, outbox: &Outbox, most: usize) {
        let is_free = !self.is_committing() && self.failed.is_none();
        let is_answered = self.answer.as_ref().is_none_or(|(_, result)| result.is_ok());
        let (sent, end) = (self.open.map_or(0, |open| open.sent), outbox.len().min(most));
        if let Some(producer) = self.producer.as_mut().filter(|_| is_free && is_answered && sent < end) {
            let begun = if self.open.is_some() { Ok(()) } else { producer.begin() };
            let since = self.open.map_or_else(Instant::now, |open| open.since);
            let handed = begun.and_then(|()| outbox.send(sent, end, &self.names, producer));
            self.open = handed.is_ok().then_some(Open { sent: end, since });
            self.failed = handed.err();
        }
    }

    /// Whether a transaction has been open for at least this long.
    pub(super) fn is_open_for(&self, long: Duration) -> bool {
        self.open.is_some_and(|open| open.since.elapsed() >= long)
    }

    /// Commits the effects that were handed over, and these positions. If the transaction cannot be begun, or was aborted
    /// before, that is the answer: the batch has to be sent again.
    pub(super) fn commit(&mut self, batch: Batch, group: K::Generation) {
        debug_assert!(!self.is_unsettled(), "a batch takes the place of one that may have to be sent again");
        let positions = batch.positions.clone();
        self.committing = Some(batch);
        let Some(mut producer) = self.producer.take() else { return };
        let begun = match (self.failed.take(), self.open.take()) {
            (Some(error), _) => Err(error),
            (None, Some(_)) => Ok(()),
            (None, None) => producer.begin(),
        };
        if let Err(error) = begun {
            return self.answered((producer, (Duration::ZERO, Err(error))));
        }
        self.commits.ask(Commit { producer, log: self.names.of(To::Log).to_owned(), positions, group });
    }

    /// How long the last commit took if it has succeeded, once.
    pub(super) fn take_success(&mut self) -> Option<Duration> {
        let has_ended = !self.is_committing();
        let success = self.answer.take_if(|(_, result)| has_ended && result.is_ok());
        success.map(|(took, _)| took)
    }

    /// How long the last commit took if it has failed, and why, once.
    pub(super) fn take_failure(&mut self) -> Option<(Duration, TransactionError)> {
        let (took, result) = self.answer.take_if(|(_, result)| result.is_err())?;
        result.err().map(|error| (took, error))
    }

    /// The batch that was committed, or has to be sent again.
    pub(super) fn take_batch(&mut self) -> Batch {
        self.committing.take().unwrap_or_default()
    }

    /// The effects that have to be sent again.
    pub(super) fn kept(&self) -> impl Iterator<Item = About> {
        self.committing.iter().flat_map(|batch| batch.effects.iter())
    }

    /// The name of a topic.
    pub(super) fn topic(&self, to: To) -> &str {
        self.names.of(to)
    }

    /// Whether the open transaction failed, so that it must be ended by a commit.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Sends the batch that was aborted, and waits for its commit.
    ///
    /// # Errors
    /// As `Producer::commit`.
    pub(super) fn send_again(&mut self, group: &K::Generation) -> Result<(), TransactionError> {
        let (Some(producer), Some(batch)) = (&mut self.producer, &self.committing) else { return Ok(()) };
        producer.begin()?;
        batch.effects.send(0, batch.effects.len(), &self.names, producer)?;
        commit::<K>(producer, self.names.of(To::Log), &batch.positions, group)
    }

    /// Drops what belongs to a revoked partition, also from the outbox. A commit in flight ends first. An open
    /// transaction with effects of the partition is aborted: those of other partitions are sent again.
    pub(super) fn drop_partition(&mut self, partition: i32, outbox: &mut Outbox) {
        self.wait();
        if let Some(batch) = &mut self.committing {
            batch.drop_partition(partition);
        }
        if self.open.is_some_and(|open| outbox.iter().take(open.sent).any(|effect| effect.partition == partition)) {
            self.abort();
        }
        outbox.drop_partition(partition);
    }

    /// Aborts the open transaction, if there is one. Its effects are to be handed over again.
    pub(super) fn abort(&mut self) {
        if let (Some(producer), Some(_)) = (&mut self.producer, self.open.take()) {
            self.failed = producer.abort().err();
        }
    }

    /// Ends what is open, before the worker leaves the group.
    pub(super) fn leave(&mut self) {
        self.wait();
        self.abort();
    }
}

fn commit<K: Kafka>(
    producer: &mut K::Producer,
    topic: &str,
    positions: &[Position],
    group: &K::Generation,
) -> Result<(), TransactionError> {
    let progress: Vec<Progress<'_>> = positions
        .iter()
        .map(|at| Progress { topic, partition: at.partition, offset: at.offset, metadata: &at.metadata })
        .collect();
    producer.commit(&progress, group)
}
