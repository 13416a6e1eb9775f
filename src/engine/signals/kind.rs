//! The interface that every kind of signal implements, and the state that it reads.

use crate::engine::context::{Context, MatchedEvent};
use crate::engine::figures::windows;
use crate::engine::state::days::Days;
use crate::engine::state::due::NEVER;
use crate::engine::state::facts::{Kept, KeptMut, Mark};
use crate::engine::state::{Account, word::Flag};
use crate::model::{Day, EventTime, Evidence};
use crate::rules::{Filter, SignalRef};

/// What an event did to the facts of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Fed {
    /// Nothing.
    Nothing,
    /// They changed.
    Fact,
    /// They changed, and a session began: an occurrence.
    Session,
    /// They changed, and a wait began that ends at this instant.
    Wait(EventTime),
}

/// The state of a signal, of one user or of the account.
pub(in crate::engine) struct At<'a, 't> {
    pub(in crate::engine) context: &'a Context<'a>,
    pub(in crate::engine) account: &'a Account<'t>,
    /// None: of the account.
    pub(in crate::engine) user: Option<u32>,
    pub(in crate::engine) slot: usize,
    /// The level that is held.
    pub(in crate::engine) held: u8,
    /// The active days of the user; of the account none.
    pub(super) days: Days,
}

/// A kind of signal with its parameters.
pub(in crate::engine) trait Measure {
    /// Applies an event to the facts.
    fn update(&self, _: &Context<'_>, _: Subject<'_, '_>, _: &MatchedEvent<'_>) -> Fed {
        Fed::Nothing
    }

    /// The level that the state proves now; 0 is off.
    fn level(&self, at: &At<'_, '_>) -> u8;

    /// The level that an event can bring about at once. Most signals only rise at once and fall at closes (semantics
    /// C3).
    fn level_at_once(&self, at: &At<'_, '_>) -> u8 {
        self.level(at).max(at.held)
    }

    /// Whether enough is known to decide that the signal is off (semantics C1, D11).
    fn is_known(&self, _: &At<'_, '_>) -> bool {
        true
    }

    /// Whether the close of `day` makes the level known that was unknown before.
    fn becomes_known(&self, _: &At<'_, '_>, _: Day) -> bool {
        false
    }

    /// The first close after that of `day` that may make it known, if no event comes; it may be too early.
    fn next_known(&self, _: &At<'_, '_>, _: Day) -> Day {
        NEVER
    }

    /// The first close after that of `day` that may change this level, if no event comes; it may be too early.
    fn next_close(&self, _: &At<'_, '_>, _: Day, _level: u8) -> Day {
        NEVER
    }

    /// The level at the close of `day`, and the first later close that may change it.
    fn at_close(&self, at: &At<'_, '_>, day: Day) -> (u8, Day) {
        let level = self.level(at);
        (level, self.next_close(at, day, level))
    }

    /// Whether the close of `day` makes the level known, and the first later close that may.
    fn known_at_close(&self, at: &At<'_, '_>, day: Day) -> (bool, Day) {
        (self.becomes_known(at, day), self.next_known(at, day))
    }

    /// The next instant after now at which a fact begins or ends to count.
    fn next_instant(&self, _: &At<'_, '_>) -> Option<EventTime> {
        None
    }

    /// When the account reaches the age that is measured, and from when on the age is known of an account that may be
    /// older than the log.
    fn ages(&self, _: &At<'_, '_>) -> Option<[EventTime; 2]> {
        None
    }

    /// Whether a fact begins or ends to count at this instant.
    fn turns_at(&self, _: &At<'_, '_>, _: EventTime) -> bool {
        false
    }

    /// Whether facts are kept that prove nothing today and may prove something later.
    fn keeps_facts(&self) -> bool {
        false
    }

    /// The evidence of the level: the facts that are kept, or the present figure.
    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        at.facts().map_or_else(Evidence::default, |kept| kept.evidence())
    }

    /// The newest number of the evidence.
    fn number(&self, at: &At<'_, '_>) -> f64 {
        self.evidence(at).facts.last().map_or(0.0, |fact| fact.number)
    }

    /// The level in words, for a person.
    fn words(&self, at: &At<'_, '_>) -> String {
        format!(
            "{}: {} is {}",
            at.who(),
            at.context.signals(at.user)[at.slot].id,
            (self.number(at) * 100.0).round() / 100.0
        )
    }
}

/// The user or account whose facts are changed.
pub(in crate::engine) struct Subject<'a, 't> {
    pub(in crate::engine) account: &'a mut Account<'t>,
    /// None: of the account.
    pub(in crate::engine) user: Option<u32>,
    pub(in crate::engine) slot: usize,
}

impl Subject<'_, '_> {
    /// The facts of the signal, which are new if there are none.
    pub(super) fn facts(&mut self) -> KeptMut<'_> {
        self.account.facts_mut(self.user, self.slot)
    }
}

impl<'a, 't> At<'a, 't> {
    /// The signal of the account, or of the user that is given; none where it is one of a user and none is given.
    pub(in crate::engine) fn new(
        context: &'a Context<'a>,
        account: &'a Account<'t>,
        signal: SignalRef,
        user: Option<u32>,
    ) -> Option<At<'a, 't>> {
        match signal {
            SignalRef::Account(slot) => Some(At::of(context, account, None, slot)),
            SignalRef::User(slot) => user.map(|user| At::of(context, account, Some(user), slot)),
        }
    }

    /// The signal at a slot, of a user or of the account.
    #[inline]
    pub(in crate::engine) fn of(
        context: &'a Context<'a>,
        account: &'a Account<'t>,
        user: Option<u32>,
        slot: usize,
    ) -> At<'a, 't> {
        let days = user.map_or(Days::NEVER, |user| account.user(user).days);
        At { context, account, user, slot, held: account.level(user, slot), days }
    }

    /// What is kept of events.
    pub(super) fn facts(&self) -> Option<Kept<'a>> {
        self.account.facts(self.user, self.slot)
    }

    /// The first day of this life of the user, or of the account.
    pub(super) fn first(&self) -> Option<Day> {
        match self.user {
            Some(_) => Some(self.days).filter(|days| !days.is_never()).map(Days::first),
            None => self.account.founded(),
        }
    }

    /// T: the last day of windows that do not wait for a close.
    pub(super) fn window_end(&self) -> Day {
        self.account.window_end(self.context.open_day())
    }

    /// Complete weeks that are known.
    pub(super) fn weeks_known(&self) -> u32 {
        let week = windows::last_week(self.context.last_closed());
        self.first().map_or(0, |first| windows::weeks_known(first, week))
    }

    /// The user or account, for a person.
    pub(super) fn who(&self) -> String {
        self.user.map_or("the account".to_owned(), |user| self.account.user_id(user).to_string())
    }

    pub(super) fn figure(&self, number: f64) -> Evidence {
        self.context.figure(number).into()
    }

    pub(super) fn ratio(&self, share: Option<(u32, u32)>) -> Evidence {
        share.map_or_else(Evidence::default, |(part, whole)| self.figure(f64::from(part) / f64::from(whole)))
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.account.word.is(Flag::Forgotten)
    }
}

/// An event as evidence.
pub(in crate::engine) fn mark(it: &MatchedEvent<'_>) -> Mark {
    Mark { time: it.event.time, place: it.place.into() }
}

/// When a fact of this instant ends to count; without a time to live never.
pub(super) fn end(time: EventTime, ttl_ms: Option<i64>) -> EventTime {
    ttl_ms.map_or(EventTime::MAX, |ttl| time.plus(ttl))
}

/// The first of some instants that lies after now.
pub(super) fn next(now: EventTime, instants: impl Iterator<Item = EventTime>) -> Option<EventTime> {
    instants.filter(|it| *it > now && *it < EventTime::MAX).min()
}

/// How many steps of a ladder a number reaches.
pub(super) fn steps(count: usize, rungs: &[u32]) -> u8 {
    rungs.iter().take_while(|rung| count >= **rung as usize).count() as u8
}

/// How many steps of a ladder a figure reaches.
pub(super) fn reached(number: f64, rungs: &[f64]) -> u8 {
    rungs.iter().take_while(|rung| number >= **rung).count() as u8
}

pub(super) fn deed(filter: &Filter) -> &'static str {
    filter.roles.first().map_or("acted", |role| role.deed())
}

pub(super) fn within(ttl_ms: Option<i64>) -> String {
    ttl_ms.map_or(String::new(), |ttl| format!(" within {} days", ttl / crate::model::DAY_MS))
}

pub(super) fn next_sunday(day: Day) -> Day {
    day.plus(1).week().sunday()
}

/// A day, if it lies after another.
pub(super) fn after(day: Day, on: Day) -> Day {
    if on > day { on } else { NEVER }
}

/// The first day after `day` on which a level is lower than the one held, where without events it only falls, and is 0
/// once the last 28 days are empty.
pub(super) fn falls(held: u8, day: Day, level_on: impl Fn(Day) -> u8) -> Day {
    if held == 0 {
        return NEVER;
    }
    let (mut holds, mut fell) = (0, windows::MONTH + 1);
    while fell - holds > 1 {
        let middle = (holds + fell) / 2;
        if level_on(day.plus(middle)) < held { fell = middle } else { holds = middle }
    }
    day.plus(fell)
}
