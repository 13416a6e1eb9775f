//! The nouns of the domain: event, time, role, handoff. No behaviour that needs more than itself.

pub mod effect;
pub mod event;
pub mod metrics;
pub mod time;

pub use effect::{
    DeadLetter, Effects, Fact, Handoff, HandoffId, Level, Rail, Reason, SignalChange, SignalKind, SignalMessage,
};
pub use event::{Event, EventKind, Fields, Outcome, Place, Provenance, Role, Tally};
pub use metrics::{DayRow, MetricsRow, WeekRow};
pub use time::{DAY_MS, Day, EventTime, HOUR_MS, MINUTE_MS, Millis, Week};
