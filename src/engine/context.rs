//! What stays the same during a step: the rules, the instant and the cause, and the event with its roles.

use serde::{Deserialize, Serialize};

use super::state::Account;
use crate::model::{Day, Event, EventTime, Fact, Field, Keys, Place, PlaceNumber, Role, Text};
use crate::rules::{Filter, Kind, Plan, Reads, RoleSet, Signal, SignalRef};

/// What stays the same during a step of an account.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) plan: &'a Plan,
    /// What effects are caused by: the event's time, or the instant at which work is due.
    pub(super) cause: EventTime,
    /// The event that causes them.
    pub(super) by: By<'a>,
    /// The watermark; while due work runs, its instant.
    pub(super) now: EventTime,
    /// O: the first open day, which `now` lies in.
    pub(super) open_day: Day,
    /// The day of the first record of the log.
    pub(super) log_began: Option<Day>,
    /// Whether the events are the history of a backfill, which fires nothing.
    pub(super) is_history: bool,
    /// Signals of newly activated rules that no close has decided yet.
    pub(super) warming: &'a Warming,
}

/// The event that causes effects; empty for due work.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct By<'a> {
    /// Its id, which may be empty.
    pub(super) message_id: Option<&'a Text<'a>>,
    /// Its place in the log.
    pub(super) place: Option<PlaceNumber>,
}

impl By<'_> {
    /// Its id; empty where it has none.
    pub(super) fn message_id(&self) -> String {
        self.message_id.map(Text::to_string).unwrap_or_default()
    }
}

impl<'a> Context<'a> {
    /// The `at` of an effect on this account, which is never before that of the last effect (semantics A17).
    pub(super) fn at(&self, account: &Account<'_>) -> EventTime {
        self.cause.max(account.last_at)
    }

    /// O: the first open day.
    #[inline]
    pub(super) fn open_day(&self) -> Day {
        self.open_day
    }

    /// C: the last closed day.
    #[inline]
    pub(super) fn last_closed(&self) -> Day {
        self.open_day().plus(-1)
    }

    /// The signals of users, or of the account.
    pub(super) fn signals(&self, user: Option<u32>) -> &'a [Signal] {
        if user.is_some() { &self.plan.user_signals } else { &self.plan.account_signals }
    }

    /// What a signal of a user, or of the account, measures.
    pub(super) fn kind(&self, user: Option<u32>, slot: usize) -> &'a Kind {
        &self.signals(user)[slot].kind
    }

    /// A number as evidence: a figure as it is now.
    pub(super) fn figure(&self, number: f64) -> Fact {
        Fact { at: self.cause, place: self.by.place, number }
    }
}

/// Signals of newly activated rules that no close has decided yet: off means unknown (semantics A27).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Warming {
    /// Those that the close of a week decides.
    pub(super) of_weeks: Reads,
    /// Those that the close of any day decides.
    pub(super) of_days: Reads,
}

impl Warming {
    pub(super) fn has(&self, signal: SignalRef) -> bool {
        self.of_weeks.has(signal) || self.of_days.has(signal)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of_weeks.is_empty() && self.of_days.is_empty()
    }

    /// The close of `day` decides those that this returns.
    pub(super) fn end_at(&mut self, day: Day) -> Reads {
        let of_weeks = if day.is_sunday() { std::mem::take(&mut self.of_weeks) } else { Reads::default() };
        std::mem::take(&mut self.of_days).union(&of_weeks)
    }
}

/// An event, the roles that the rules give it, and its place in the log.
pub(super) struct MatchedEvent<'a> {
    pub(super) event: &'a Event<'a>,
    /// The hashes of its ids.
    pub(super) keys: &'a Keys,
    /// Its user, if the account has had an event of the user before.
    pub(super) user: Option<u32>,
    pub(super) roles: RoleSet,
    pub(super) place: Place,
    /// The day of its time.
    pub(super) day: Day,
}

/// Whether a text equals a value that is in lower case, without regard to the case of the text.
fn is_in_lower_case(text: &str, value: &str) -> bool {
    if text.is_ascii() {
        return text.eq_ignore_ascii_case(value);
    }
    text.to_lowercase() == value
}

impl MatchedEvent<'_> {
    /// The text of a field, trimmed; none where it is absent or empty.
    pub(super) fn text(&self, plan: &Plan, role: Role, field: Field) -> Option<String> {
        plan.roles
            .text(&self.roles, role, field, self.event)
            .map(|text| text.trim().to_owned())
            .filter(|it| !it.is_empty())
    }

    /// The number of a field, where it is finite.
    pub(super) fn number(&self, plan: &Plan, role: Role, field: Field) -> Option<f64> {
        plan.roles.number(&self.roles, role, field, self.event).filter(|number| number.is_finite())
    }

    /// Whether the feature is premium; unknown where neither a mapping nor the event says so.
    pub(super) fn premium(&self, plan: &Plan) -> Option<bool> {
        if self.roles.is_premium() {
            return Some(true);
        }
        plan.roles.boolean(&self.roles, Role::FeatureUsed, Field::Premium, self.event)
    }

    /// Whether a field has one of some values, in lower case.
    pub(super) fn has(&self, plan: &Plan, role: Role, field: Field, values: &[String]) -> bool {
        let any = |text: &str| values.iter().any(|value| is_in_lower_case(text, value));
        match plan.roles.text(&self.roles, role, field, self.event) {
            Some(text) if !text.trim().is_empty() => any(text.trim()),
            _ => match plan.roles.boolean(&self.roles, role, field, self.event) {
                Some(is) => any(if is { "true" } else { "false" }),
                None => false,
            },
        }
    }

    /// The role by which the event passes a filter, if it does.
    pub(super) fn passes(&self, plan: &Plan, filter: &Filter) -> Option<Role> {
        let role = *filter.roles.iter().find(|role| self.roles.has(**role))?;
        let all = |list: &[(Field, Vec<String>)], only_bound: bool| {
            list.iter().all(|(field, values)| {
                (only_bound && !plan.roles.binds(&self.roles, role, *field)) || self.has(plan, role, *field, values)
            })
        };
        (all(&filter.only, false)
            && all(&filter.where_bound, true)
            && (!filter.premium || self.premium(plan) == Some(true)))
        .then_some(role)
    }
}
