//! The kind `seen`: an event of some roles. It turns on at once, and off when the TTL of the newest event ends.

use super::kind::{At, Fed, Measure, Subject, deed, end, mark, next};
use crate::engine::context::{Context, MatchedEvent};
use crate::engine::state::Account;
use crate::model::{EventTime, Role};
use crate::rules::Seen;

impl Seen {
    /// The role by which an event counts, if it does. A fact that is over proves nothing (semantics E2, E6).
    pub(super) fn counts(&self, context: &Context<'_>, account: &Account<'_>, it: &MatchedEvent<'_>) -> Option<Role> {
        let role = it.passes(context.plan, &self.filter)?;
        let counts =
            self.is_after_founding(account, role, it.event.time) && end(it.event.time, self.ttl_ms) > context.now;
        counts.then_some(role)
    }

    /// When what was seen ends to count.
    fn until(&self, at: &At<'_, '_>) -> Option<EventTime> {
        Some(end(at.facts()?.newest()?, self.ttl_ms))
    }

    /// The first admin of an account, and any admin of its first 24 hours, is not a change of admin (semantics E16).
    fn is_after_founding(&self, account: &Account<'_>, role: Role, time: EventTime) -> bool {
        self.after_founding_ms == 0
            || (account.life().is_some_and(|life| life.begun.contains(&role))
                && account.first().is_some_and(|first| time >= first.plus(self.after_founding_ms)))
    }
}

impl Measure for Seen {
    fn update(&self, context: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        if self.counts(context, subject.account, it).is_none() {
            return Fed::Nothing;
        }
        subject.facts().add_fact(mark(it));
        Fed::Fact
    }

    fn level(&self, at: &At<'_, '_>) -> u8 {
        u8::from(self.until(at).is_some_and(|until| until > at.context.now))
    }

    fn next_instant(&self, at: &At<'_, '_>) -> Option<EventTime> {
        next(at.context.now, self.until(at).into_iter())
    }

    fn turns_at(&self, at: &At<'_, '_>, instant: EventTime) -> bool {
        self.until(at) == Some(instant)
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        format!("{} {}", at.who(), deed(&self.filter))
    }
}
