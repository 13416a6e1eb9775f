//! The kind `seen`: an event of some roles. It turns on at once, and off when the TTL of the newest event ends.

use super::kind::{At, Fed, Measure, Subject, deed, end, mark, next};
use crate::engine::context::{Context, MatchedEvent};
use crate::engine::state::Account;
use crate::engine::state::facts::{Evidence, State};
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
        if let State::Seen(until, evidence) = subject.fact(|| State::Seen(EventTime::MIN, Evidence::default())) {
            evidence.add(mark(it));
            *until = end(it.event.time, self.ttl_ms).max(*until);
        }
        Fed::Fact
    }

    fn level(&self, at: At<'_, '_>) -> u8 {
        u8::from(matches!(at.facts(), Some(State::Seen(until, _)) if *until > at.context.now))
    }

    fn next_instant(&self, at: At<'_, '_>) -> Option<EventTime> {
        let Some(State::Seen(until, _)) = at.facts() else { return None };
        next(at.context.now, std::iter::once(*until))
    }

    fn turns_at(&self, at: At<'_, '_>, instant: EventTime) -> bool {
        matches!(at.facts(), Some(State::Seen(until, _)) if *until == instant)
    }

    fn words(&self, at: At<'_, '_>) -> String {
        format!("{} {}", at.who(), deed(&self.filter))
    }
}
