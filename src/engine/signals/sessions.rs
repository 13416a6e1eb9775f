//! The kind `distinct` of `session`: a number of sessions of events. It turns on at once, and off when the TTL of
//! sessions ends, or at the next close if a late event joins two sessions.

use super::kind::{At, Fed, Measure, Subject, deed, end, mark, next, steps, within};
use crate::engine::context::{Context, MatchedEvent};
use crate::engine::state::facts::{self, Evidence, State};
use crate::model::EventTime;
use crate::rules::Sessions;

impl Sessions {
    fn live(&self, at: At<'_, '_>) -> usize {
        let Some(State::Sessions(list, _)) = at.facts() else { return 0 };
        list.iter().filter(|session| session.1.plus(self.ttl_ms) > at.context.now).count()
    }
}

impl Measure for Sessions {
    fn update(&self, context: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        let counts = end(it.event.time, Some(self.ttl_ms)) > context.now;
        if !counts || it.passes(context.plan, &self.filter).is_none() {
            return Fed::Nothing;
        }
        let facts = subject.fact(|| State::Sessions(Vec::new(), Evidence::default()));
        let State::Sessions(list, evidence) = facts else { return Fed::Nothing };
        evidence.add(mark(it));
        if facts::add_to_sessions(list, it.event.time, self.gap_ms) { Fed::Session } else { Fed::Fact }
    }

    fn level(&self, at: At<'_, '_>) -> u8 {
        steps(self.live(at), &self.rungs)
    }

    fn next_instant(&self, at: At<'_, '_>) -> Option<EventTime> {
        let Some(State::Sessions(list, _)) = at.facts() else { return None };
        next(at.context.now, list.iter().map(|session| session.1.plus(self.ttl_ms)))
    }

    fn turns_at(&self, at: At<'_, '_>, instant: EventTime) -> bool {
        let Some(State::Sessions(list, _)) = at.facts() else { return false };
        list.iter().any(|session| session.1.plus(self.ttl_ms) == instant)
    }

    fn words(&self, at: At<'_, '_>) -> String {
        let live = self.live(at);
        format!("{} {} in {live} sessions{}", at.who(), deed(&self.filter), within(Some(self.ttl_ms)))
    }
}
