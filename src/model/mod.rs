//! The types that all modules share: events, times, roles, effects, rows of metrics. They depend on no other module.

pub mod effect;
pub mod event;
pub mod free_mail;
pub mod metrics;
pub mod text;
pub mod time;
pub mod unmapped;

pub use effect::{
    AccountProfile, Arm, Attribution, Company, Conversation, DeadLetter, Effects, Evidence, Fact, Feed, Group, Handoff,
    HandoffContext, HandoffId, Level, Money, Onboarding, Rail, Reason, SignalChange, SignalChanges, SignalEntry,
    SignalKind, TopUser, Track, Usage, UserProfile, Wanted, share_of,
};
pub use event::{Event, EventKind, Field, Fields, Keys, Outcome, Place, PlaceNumber, Provenance, Role, Tally};
pub use metrics::{DayRow, MetricsRow, WeekRow};
pub use text::Text;
pub use time::{Calendar, DAY_MS, Day, EventTime, HOUR_MS, MINUTE_MS, Millis, Week};
pub use unmapped::Unmapped;
