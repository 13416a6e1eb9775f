//! The kind `count`: a number of events of some roles. It turns on at once, and off when the TTL of events ends.

use super::kind::{At, Fed, Measure, Subject, deed, mark, next, steps, within};
use crate::engine::context::{Context, MatchedEvent};
use crate::model::EventTime;
use crate::rules::Count;

impl Measure for Count {
    fn update(&self, context: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        if self.seen.counts(context, subject.account, it).is_none() {
            return Fed::Nothing;
        }
        let mut facts = subject.facts();
        facts.add_fact(mark(it));
        facts.add_instant(it.event.time, self.rungs.last().copied().unwrap_or(1) as usize);
        Fed::Fact
    }

    fn level(&self, at: &At<'_, '_>) -> u8 {
        let Some(facts) = at.facts() else { return 0 };
        let counts = |it: &EventTime| self.seen.ttl_ms.is_none_or(|ttl| it.plus(ttl) > at.context.now);
        steps(facts.instants().filter(counts).count(), &self.rungs)
    }

    fn next_instant(&self, at: &At<'_, '_>) -> Option<EventTime> {
        let (facts, ttl) = (at.facts()?, self.seen.ttl_ms?);
        next(at.context.now, facts.instants().map(|it| it.plus(ttl)))
    }

    fn turns_at(&self, at: &At<'_, '_>, instant: EventTime) -> bool {
        let (Some(facts), Some(ttl)) = (at.facts(), self.seen.ttl_ms) else { return false };
        facts.instants().any(|it| it.plus(ttl) == instant)
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        format!("{} {} often{}", at.who(), deed(&self.seen.filter), within(self.seen.ttl_ms))
    }
}
