//! The formats of records, the kinds of published messages, and what the encoders share.

use serde::{Deserialize, Serialize};

/// The longest id, in bytes (semantics A29).
pub const ID_MAX: usize = 1_024;

/// The format of records, of the log or published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An encoded message of `upswell.v1`.
    #[default]
    Protobuf,
    /// A JSON object: an event with the names of the Segment spec, a published message as canonical proto3 JSON.
    Json,
}

/// The kinds of published messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A handoff.
    Handoff,
    /// A message of the signals feed.
    SignalChanges,
    /// A change of an onboarding track.
    Onboarding,
    /// The profile of an account.
    AccountProfile,
    /// The profile of a user.
    UserProfile,
    /// Metrics of an account on a day or in a week.
    AccountMetrics,
    /// Input that could not be used.
    DeadLetter,
}

impl Kind {
    /// Whether its topic can get a message for every event. There the headers have only what CloudEvents requires: a header
    /// costs about 0.2 µs of CPU time, and to fold an event about 1 µs.
    pub(super) fn is_frequent(self) -> bool {
        matches!(self, Kind::SignalChanges | Kind::AccountProfile | Kind::UserProfile | Kind::AccountMetrics)
    }

    /// The full name of the message in `proto/`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Handoff => "upswell.v1.Handoff",
            Kind::SignalChanges => "upswell.v1.SignalChanges",
            Kind::Onboarding => "upswell.v1.Onboarding",
            Kind::AccountProfile => "upswell.v1.AccountProfile",
            Kind::UserProfile => "upswell.v1.UserProfile",
            Kind::AccountMetrics => "upswell.v1.AccountMetrics",
            Kind::DeadLetter => "upswell.v1.DeadLetter",
        }
    }
}

pub(super) const ALWAYS_JSON: &str = "messages of the contract always have a JSON form";

/// A published message as canonical proto3 JSON.
pub(super) fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect(ALWAYS_JSON)
}
