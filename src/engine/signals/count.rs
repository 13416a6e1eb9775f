//! The kind `count`: a number of events of some roles. It turns on at once, and off when the TTL of events ends.

use super::kind::{At, Fed, Measure, Subject, deed, mark, next, steps, within};
use crate::engine::context::{Context, MatchedEvent};
use crate::engine::state::facts::{self, Evidence, State};
use crate::model::EventTime;
use crate::rules::Count;

impl Measure for Count {
    fn update(&self, context: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        if self.seen.counts(context, subject.account, it).is_none() {
            return Fed::Nothing;
        }
        if let State::Count(instants, evidence) = subject.fact(|| State::Count(Vec::new(), Evidence::default())) {
            evidence.add(mark(it));
            let most = self.rungs.last().copied().unwrap_or(1) as usize;
            facts::add_instant(instants, it.event.time, most);
        }
        Fed::Fact
    }

    fn level(&self, at: At<'_, '_>) -> u8 {
        let Some(State::Count(instants, _)) = at.facts() else { return 0 };
        let counts = |it: &&EventTime| self.seen.ttl_ms.is_none_or(|ttl| it.plus(ttl) > at.context.now);
        steps(instants.iter().filter(counts).count(), &self.rungs)
    }

    fn next_instant(&self, at: At<'_, '_>) -> Option<EventTime> {
        let (Some(State::Count(instants, _)), Some(ttl)) = (at.facts(), self.seen.ttl_ms) else { return None };
        next(at.context.now, instants.iter().map(|it| it.plus(ttl)))
    }

    fn turns_at(&self, at: At<'_, '_>, instant: EventTime) -> bool {
        let (Some(State::Count(instants, _)), Some(ttl)) = (at.facts(), self.seen.ttl_ms) else { return false };
        instants.iter().any(|it| it.plus(ttl) == instant)
    }

    fn words(&self, at: At<'_, '_>) -> String {
        format!("{} {} often{}", at.who(), deed(&self.seen.filter), within(self.seen.ttl_ms))
    }
}
