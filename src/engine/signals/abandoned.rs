//! The kind `abandoned`: a user started something, and no user of the account completed it in time. It turns on when
//! the wait ends, and off at a completion or at the end of the TTL.

use super::kind::{At, Fed, Measure, Subject, end, mark};
use crate::engine::context::{Context, MatchedEvent};
use crate::engine::state::Account;
use crate::model::EventTime;
use crate::rules::Abandoned;

impl Abandoned {
    /// When it turns on and off, if it was started and is not completed.
    fn span(&self, at: &At<'_, '_>) -> Option<(EventTime, EventTime)> {
        let start = at.facts()?.newest()?;
        let on_at = start.plus(self.after_ms);
        let is_open = self.completed(at.account).is_none_or(|completed| completed < start);
        is_open.then(|| (on_at, on_at.plus(self.ttl_ms)))
    }

    /// When somebody completed it last.
    fn completed(&self, account: &Account<'_>) -> Option<EventTime> {
        account.life()?.completed.get(&self.complete).copied()
    }
}

impl Measure for Abandoned {
    fn update(&self, context: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        let time = it.event.time;
        if !it.roles.has(self.start) || end(time, Some(self.after_ms + self.ttl_ms)) <= context.now {
            return Fed::Nothing;
        }
        // It is completed already: the start came late, or at the instant of the completion.
        if self.completed(subject.account).is_some_and(|completed| completed >= time) {
            return Fed::Nothing;
        }
        subject.facts().add_fact(mark(it));
        Fed::Wait(time.plus(self.after_ms))
    }

    fn level(&self, at: &At<'_, '_>) -> u8 {
        match self.span(at) {
            None => 0,
            Some((_, off_at)) if at.context.now >= off_at => 0,
            Some((on_at, _)) if at.context.now >= on_at => 1,
            // One that is on stays so while the next one is waited for.
            Some(_) => at.held,
        }
    }

    fn next_instant(&self, at: &At<'_, '_>) -> Option<EventTime> {
        let (on_at, off_at) = self.span(at)?;
        super::kind::next(at.context.now, [on_at, off_at].into_iter())
    }

    fn turns_at(&self, at: &At<'_, '_>, instant: EventTime) -> bool {
        let Some(start) = at.facts().and_then(|facts| facts.newest()) else { return false };
        let on_at = start.plus(self.after_ms);
        on_at == instant || on_at.plus(self.ttl_ms) == instant
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        format!("{} {} and did not complete it", at.who(), self.start.deed())
    }
}
