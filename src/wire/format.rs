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

/// The formats of input by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputFormat {
    /// Encoded messages `upswell.v1.ProductEvent`.
    #[default]
    Protobuf,
    /// The JSON that Upswell writes into a log: calls of Segment's spec with the account in `context.groupId`.
    Json,
    /// Calls of Segment's spec, with the account in any of the usual places.
    Segment,
    /// The same; RudderStack writes what Segment writes.
    Rudderstack,
    /// Batch exports, webhooks and capture requests of PostHog.
    Posthog,
    /// Exports, HTTP requests and event webhooks of Amplitude.
    Amplitude,
    /// Raw exports and import requests of Mixpanel.
    Mixpanel,
    /// Enriched events of Snowplow, as TSV or JSON.
    Snowplow,
    /// Webhook events of Stripe, and lists of them.
    Stripe,
    /// Events in the JSON format of CloudEvents.
    Cloudevents,
}

impl InputFormat {
    /// All of them.
    pub const ALL: [InputFormat; 10] = [
        InputFormat::Segment,
        InputFormat::Rudderstack,
        InputFormat::Posthog,
        InputFormat::Amplitude,
        InputFormat::Mixpanel,
        InputFormat::Stripe,
        InputFormat::Snowplow,
        InputFormat::Cloudevents,
        InputFormat::Json,
        InputFormat::Protobuf,
    ];

    /// The name, as in `--from` and `input.format`.
    pub fn name(self) -> &'static str {
        match self {
            InputFormat::Protobuf => "protobuf",
            InputFormat::Json => "json",
            InputFormat::Segment => "segment",
            InputFormat::Rudderstack => "rudderstack",
            InputFormat::Posthog => "posthog",
            InputFormat::Amplitude => "amplitude",
            InputFormat::Mixpanel => "mixpanel",
            InputFormat::Snowplow => "snowplow",
            InputFormat::Stripe => "stripe",
            InputFormat::Cloudevents => "cloudevents",
        }
    }

    /// The format of this name.
    pub fn of_name(name: &str) -> Option<InputFormat> {
        InputFormat::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format of a log that may contain such records as they are.
    pub fn of_log(self) -> Option<Format> {
        match self {
            InputFormat::Protobuf => Some(Format::Protobuf),
            InputFormat::Json | InputFormat::Segment | InputFormat::Rudderstack => Some(Format::Json),
            _ => None,
        }
    }

    /// The format of control records in a log with records of this format.
    pub fn of_control(self) -> Format {
        if self == InputFormat::Protobuf { Format::Protobuf } else { Format::Json }
    }

    /// Whether the records are JSON or other text, one a line.
    pub fn is_text(self) -> bool {
        self != InputFormat::Protobuf
    }
}

impl From<Format> for InputFormat {
    fn from(format: Format) -> InputFormat {
        match format {
            Format::Protobuf => InputFormat::Protobuf,
            Format::Json => InputFormat::Json,
        }
    }
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
