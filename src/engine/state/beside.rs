//! What only some accounts and users have, stored outside their rows. Each part is in its own slab, so that a user who
//! has only facts takes memory for facts alone.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use serde::{Deserialize, Serialize};

use super::facts;
use super::pages::Ref;
use super::traits::{Latest, Profile};
use super::triggers::{self, Paced};
use crate::model::{Day, EventTime, HandoffId, Place, Role};

/// References from a user to what is stored outside the row.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct OfUser {
    pub(super) facts: facts::Head,
    /// What is known of the user, a [`More`].
    pub(super) more: Ref,
}

impl OfUser {
    pub(super) fn is_blank(self) -> bool {
        self.facts.is_empty() && self.more.is_none()
    }
}

/// Data of a user apart from activity and facts. It is erased when the user is forgotten.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct More {
    pub(in crate::engine) profile: Profile,
    /// Whether the user is excluded by the e-mail address (semantics A34).
    pub(in crate::engine) excluded: bool,
    /// When the user was removed from the account, if there was no activity since.
    pub(in crate::engine) removed: Option<EventTime>,
    /// Whether the user raised a hand, started an upgrade, asked about billing, or read the terms.
    pub(in crate::engine) acted: bool,
    /// Where the earliest sign-up says that the user came from.
    pub(in crate::engine) source: Option<(EventTime, Box<str>)>,
    /// When the user reached first value.
    pub(in crate::engine) activated: Option<EventTime>,
}

impl More {
    pub(super) fn is_blank(&self) -> bool {
        let More { profile, excluded, removed, acted, source, activated } = self;
        !excluded && profile.is_empty() && removed.is_none() && !acted && source.is_none() && activated.is_none()
    }
}

/// References from an account to what is stored outside the row, and small values that most accounts have: a cache
/// line.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[repr(align(64))]
pub(in crate::engine) struct Rare {
    /// What is kept of facts of the account.
    pub(super) facts: facts::Head,
    pub(super) triggers: triggers::Head,
    /// The last medium and the last low handoff.
    pub(in crate::engine) paced: Paced,
    /// Lists of what meters and features count.
    pub(super) meters: Ref,
    pub(super) features: Ref,
    /// Signals whose facts prove less since a late event: their levels fall at the next close of a day.
    pub(super) rejoined: Ref,
    /// Absences of users that are not published (semantics E10).
    pub(super) unpublished: Ref,
    /// Handoffs to persons that await an answer.
    pub(super) unanswered: Ref,
    /// Traits of the company and its subscriptions, which are not forgotten.
    pub(super) traits: Ref,
    /// A [`Life`], [`Crowd`] and [`Former`].
    pub(super) life: Ref,
    pub(super) crowd: Ref,
    pub(super) former: Ref,
    /// Somebody was invited in this life.
    pub(in crate::engine) invited: bool,
    /// Whether a premium feature was used in this life; none: nothing says which features are premium.
    pub(in crate::engine) premium: Option<bool>,
    /// Some amount of a meter was negative.
    pub(in crate::engine) has_negative_amounts: bool,
}

const _: () = assert!(size_of::<Rare>() == 64);

impl Rare {
    /// Whether something of it may change with time, or waits for a close.
    pub(super) fn is_timed(&self) -> bool {
        !(self.rejoined.is_none() && self.former.is_none() && self.triggers.is_empty() && self.meters.is_none())
    }

    /// Reads ahead.
    pub(super) fn touch(&self) {
        black_box(self.meters);
    }
}

/// What happened in an account's life, and ends with it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Life {
    /// The latest completion of what could be abandoned, by the role that completes it.
    pub(in crate::engine) completed: BTreeMap<Role, EventTime>,
    /// Roles whose first event does not count, and was seen.
    pub(in crate::engine) begun: BTreeSet<Role>,
    /// The latest lead that marketing brought.
    pub(in crate::engine) mql: Option<EventTime>,
    /// Enterprise features asked for.
    pub(in crate::engine) requests: BTreeSet<Box<str>>,
    /// Event triggers that have had their first occurrence, by their places.
    pub(in crate::engine) firsts: BTreeSet<u16>,
    /// By meter: used and quota, as last reported.
    pub(in crate::engine) quotas: BTreeMap<Box<str>, Latest<(f64, f64)>>,
}

/// Counts of traits of running active users.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Crowd {
    /// By department.
    pub(in crate::engine) departments: BTreeMap<Box<str>, u32>,
    /// By e-mail host.
    pub(in crate::engine) domains: BTreeMap<Box<str>, u32>,
    /// Those who are executives.
    pub(in crate::engine) executives: u32,
}

/// Former lives and firings, which may matter again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Former {
    /// The life of the account before this one, while a late day can still join them: first event, its day, last day.
    pub(super) of_account: Option<(EventTime, Day, Day)>,
    /// The same of users.
    pub(super) of_users: BTreeMap<u32, FormerLife>,
    /// When triggers fired last that the rules do not have any more, by id (semantics A27).
    pub(super) of_triggers: BTreeMap<Box<str>, (Option<EventTime>, Option<EventTime>)>,
}

impl Former {
    pub(super) fn is_blank(&self) -> bool {
        self.of_account.is_none() && self.of_users.is_empty() && self.of_triggers.is_empty()
    }
}

/// A user's life before the present one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FormerLife {
    pub(super) first: Day,
    pub(super) last: Day,
    pub(super) since: EventTime,
    pub(super) signed_up: bool,
}

/// A signal of a user, or of the account, in a list.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct OfSignal {
    /// None: of the account.
    pub(super) user: Option<u32>,
    pub(super) slot: u8,
    pub(super) next: Ref,
}

/// A handoff to a person that awaits an answer.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Unanswered {
    pub(super) id: HandoffId,
    pub(super) at: EventTime,
    pub(super) next: Ref,
}

impl Default for Unanswered {
    fn default() -> Unanswered {
        Unanswered { id: HandoffId([0; 16]), at: EventTime::MIN, next: Ref::NONE }
    }
}

/// The number of distinct names of one account that are counted separately; further ones are counted together.
pub(super) const NAMES_MAX: usize = 1_000;
pub(super) const OTHER: &str = "(other)";

impl Life {
    /// An enterprise feature was asked for. Beyond a bound of distinct ones the first ones are kept.
    pub(in crate::engine) fn request(&mut self, feature: &str) {
        const REQUESTS_MAX: usize = 100;
        if self.requests.len() < REQUESTS_MAX && !self.requests.contains(feature) {
            self.requests.insert(feature.into());
        }
    }

    /// A quota was reported; returns whether it is the latest of its meter and says something else.
    pub(in crate::engine) fn report(
        &mut self,
        meter: &str,
        (used, quota): (f64, f64),
        stated_at: (EventTime, Place),
    ) -> bool {
        if let Some(known) = self.quotas.get_mut(meter) {
            return known.replace((used, quota), stated_at);
        }
        let meter = if self.quotas.len() < NAMES_MAX { meter } else { OTHER };
        self.quotas.insert(meter.into(), Latest::new((used, quota), stated_at));
        true
    }
}
