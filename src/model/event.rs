//! What goes in: events, where they stand, and what became of each.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::time::EventTime;

/// One product event, borrowed from the record that carried it.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Identifies the event within its source; empty: never a duplicate.
    pub message_id: Cow<'a, str>,
    /// The producer.
    pub source: Cow<'a, str>,
    /// What kind of call this is.
    pub kind: EventKind,
    /// The name of the thing done, or of the page or screen seen.
    pub name: Cow<'a, str>,
    /// The user within the account; empty: unknown.
    pub user: Cow<'a, str>,
    /// A device of somebody unknown.
    pub anonymous_id: Cow<'a, str>,
    /// The account; empty only in control events.
    pub account: Cow<'a, str>,
    /// When it happened.
    pub time: EventTime,
    /// When it was received, where a file says so: stands in for the record's time.
    pub received: Option<EventTime>,
    /// What is known of the event itself.
    pub properties: Fields<'a>,
    /// What is known of the user (identify) or of the account (group).
    pub traits: Fields<'a>,
    /// Where it was read before it came into the log.
    pub provenance: Option<Provenance<'a>>,
}

/// What kind of call an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A user did something.
    Track,
    /// Traits of a user.
    Identify,
    /// Traits of an account.
    Group,
    /// A page was viewed.
    Page,
    /// A screen of an app was viewed.
    Screen,
    /// Two ids are the same person.
    Alias,
    /// Control: time has passed.
    Tick,
    /// Control: other rules apply from here on.
    RulesActivation,
}

/// Properties or traits as they came. They stay encoded until a rule asks for a field (`wire::fields`).
#[derive(Clone, Copy, Debug, Default)]
pub enum Fields<'a> {
    /// There are none.
    #[default]
    None,
    /// Every occurrence of field `tag` in an encoded, checked `ProductEvent`: together one `Struct`.
    Proto {
        /// The whole event.
        event: &'a [u8],
        /// The field that holds the `Struct`.
        tag: u32,
    },
    /// A JSON object.
    Json(&'a str),
}

/// The place in another topic from which an event was brought into the log.
#[derive(Clone, Debug)]
pub struct Provenance<'a> {
    /// The topic.
    pub topic: Cow<'a, str>,
    /// Its partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// The place of an event in its partition of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The offset of the record.
    pub offset: i64,
    /// The index of the event in its record.
    pub index: u32,
}

/// What an event means to the rules, whatever the product calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Somebody signed up.
    SignedUp,
    /// A feature was used.
    FeatureUsed,
    /// The pricing page was viewed.
    PricingViewed,
    /// SSO, SAML, SCIM, audit logs and the like were asked for.
    EnterpriseFeatureRequested,
    /// Somebody asked to speak to sales.
    ContactSales,
    /// The plan or its payment changed.
    SubscriptionChanged,
}

/// What became of an event: every event ends in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Outcome {
    /// It counts.
    Applied,
    /// Its (source, message id) was applied before, within the dedupe window: dropped.
    Duplicate,
    /// It came again from a place of its source that was read before: dropped.
    Replayed,
    /// Its day can no longer be corrected: dead-lettered.
    TooLate,
    /// Its time is ahead of its record's: dead-lettered.
    FromTheFuture,
    /// It cannot be read: dead-lettered.
    Malformed,
    /// It needs more than is allowed: dead-lettered.
    Refused,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 7] = [
        Outcome::Applied,
        Outcome::Duplicate,
        Outcome::Replayed,
        Outcome::TooLate,
        Outcome::FromTheFuture,
        Outcome::Malformed,
        Outcome::Refused,
    ];

    /// The word for it in metrics, logs and summaries.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Duplicate => "duplicate",
            Outcome::Replayed => "replayed",
            Outcome::TooLate => "too-late",
            Outcome::FromTheFuture => "from-the-future",
            Outcome::Malformed => "malformed",
            Outcome::Refused => "refused",
        }
    }
}

/// How many events ended in which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    outcomes: [u64; Outcome::ALL.len()],
    /// Events without a message id: a repeat of one cannot be told.
    pub without_id: u64,
}

impl Tally {
    /// Counts one event.
    pub fn count(&mut self, outcome: Outcome) {
        self.outcomes[outcome as usize] += 1;
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Tally) {
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(mine, theirs)| *mine += theirs);
        self.without_id += other.without_id;
    }

    /// How many events ended in `outcome`.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// How many events there were.
    pub fn total(&self) -> u64 {
        self.outcomes.iter().sum()
    }
}
