//! Visits of the users of the simulated product, and their events.

use std::borrow::Cow;

use super::draw::{hash, portion};

const MINUTE_MS: i64 = 60_000;
/// The longest visit. The gaps between its events are shorter than the silence that ends a session.
const VISIT_MS: i64 = 40 * MINUTE_MS;
/// One event in this many arrives late, by less than `LATE_MS`.
const LATE_ONE_IN: u64 = 64;
const LATE_MS: u64 = 20 * MINUTE_MS as u64;

/// One event of the simulated product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unique within the stream: 16 hexadecimal digits.
    pub message_id: String,
    /// The account, such as `brightforge-3f2a`.
    pub account_id: String,
    /// The user, such as `u_8f3a1c2b`; never the same in two accounts.
    pub user_id: String,
    /// What kind of call this is.
    pub kind: Kind,
    /// The name of the thing done or of the page seen; empty for identify and group.
    pub name: &'static str,
    /// When it happened: milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ms: i64,
    /// Properties of the event; the traits, in identify and group.
    pub properties: Vec<(&'static str, PropertyValue)>,
}

/// The kinds of call of the Segment spec that the product makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user did something.
    Track,
    /// A page was viewed.
    Page,
    /// Traits of a user.
    Identify,
    /// Traits of an account.
    Group,
}

/// The value of a property or trait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// A user at work for up to 40 minutes.
pub(super) struct Visit {
    pub(super) start_ms: i64,
    pub(super) account: u32,
    pub(super) member: u32,
    pub(super) user: u32,
    pub(super) opening: What,
    pub(super) draw: u64,
}

impl Visit {
    /// A visit for the last events of a history without visits in its last hours.
    pub(super) fn of_the_first_user(start_ms: i64) -> Self {
        Self { start_ms, account: 0, member: 0, user: 0, opening: What::Feature, draw: 0 }
    }

    /// Its share in the events of its slot.
    pub(super) fn weight(&self) -> u64 {
        if self.opening == What::SignedUp { 8 } else { 2 + (self.draw >> 48) % 6 }
    }

    pub(super) fn plan(&self, events: u64, end_ms: i64, planned: &mut Vec<Planned>) {
        let pace_ms = 20_000 + (self.draw >> 20 & 0xffff) as i64;
        let length_ms = VISIT_MS.min(pace_ms.saturating_mul(events as i64)).min(end_ms - self.start_ms) as u64;
        for index in 0..events {
            let draw = hash(self.draw, index);
            let wait_ms = (draw >> 32) % (length_ms / events).max(1);
            let ms = self.start_ms + (portion(length_ms, index, events) + wait_ms) as i64;
            let late_ms = match (draw >> 48).is_multiple_of(LATE_ONE_IN) {
                true => hash(draw, 0) % LATE_MS,
                false => 0,
            };
            planned.push(Planned {
                arrival_ms: ms + late_ms as i64,
                ms,
                account: self.account,
                user: self.user,
                what: self.what(index),
                draw: draw as u32,
            });
        }
    }

    pub(super) fn what(&self, index: u64) -> What {
        match (self.opening, index) {
            (opening, 0) => opening,
            (What::SignedUp, 1) => What::Identify,
            (What::SignedUp, 2) if self.member == 0 => What::Group,
            (What::Pricing, 3) => What::Pricing,
            _ => What::Feature,
        }
    }
}

/// An event to come. The order of the fields is the order of the stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Planned {
    pub(super) arrival_ms: i64,
    pub(super) ms: i64,
    pub(super) account: u32,
    pub(super) user: u32,
    pub(super) what: What,
    pub(super) draw: u32,
}

/// The kind of an event, with its properties.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    SignedUp,
    Identify,
    Group,
    Feature,
    Pricing,
    Enterprise,
    ContactSales,
    Paid,
    Cancelled,
}

impl What {
    pub(super) fn call(self) -> (Kind, &'static str) {
        match self {
            Self::SignedUp => (Kind::Track, "Signed Up"),
            Self::Identify => (Kind::Identify, ""),
            Self::Group => (Kind::Group, ""),
            Self::Feature => (Kind::Track, "Feature Used"),
            Self::Pricing => (Kind::Page, "Pricing"),
            Self::Enterprise => (Kind::Track, "Enterprise Feature Requested"),
            Self::ContactSales => (Kind::Track, "Contact Sales"),
            Self::Paid | Self::Cancelled => (Kind::Track, "Subscription Changed"),
        }
    }
}

pub(super) fn text(text: &'static str) -> PropertyValue {
    PropertyValue::Text(Cow::Borrowed(text))
}
