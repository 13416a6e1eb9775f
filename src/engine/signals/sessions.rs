//! The kind `distinct` of `session`: a number of sessions of events. It turns on at once, and off when the TTL of
//! sessions ends, or at the next close if a late event joins two sessions.

use super::kind::{At, Fed, Measure, Subject, deed, end, mark, next, steps, within};
use crate::engine::context::{Context, MatchedEvent};
use crate::model::EventTime;
use crate::rules::Sessions;

impl Sessions {
    fn live(&self, at: &At<'_, '_>) -> usize {
        let Some(facts) = at.facts() else { return 0 };
        facts.sessions().filter(|session| session.1.plus(self.ttl_ms) > at.context.now).count()
    }
}

impl Measure for Sessions {
    fn update(&self, context: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        let counts = end(it.event.time, Some(self.ttl_ms)) > context.now;
        if !counts || it.passes(context.plan, &self.filter).is_none() {
            return Fed::Nothing;
        }
        let mut facts = subject.facts();
        facts.add_fact(mark(it));
        let known_from = context.now.plus(-self.ttl_ms);
        if facts.add_to_sessions(it.event.time, self.gap_ms, known_from) { Fed::Session } else { Fed::Fact }
    }

    fn level(&self, at: &At<'_, '_>) -> u8 {
        steps(self.live(at), &self.rungs)
    }

    fn next_instant(&self, at: &At<'_, '_>) -> Option<EventTime> {
        next(at.context.now, at.facts()?.sessions().map(|session| session.1.plus(self.ttl_ms)))
    }

    fn turns_at(&self, at: &At<'_, '_>, instant: EventTime) -> bool {
        at.facts().is_some_and(|facts| facts.sessions().any(|session| session.1.plus(self.ttl_ms) == instant))
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        let live = self.live(at);
        format!("{} {} in {live} sessions{}", at.who(), deed(&self.filter), within(Some(self.ttl_ms)))
    }
}
