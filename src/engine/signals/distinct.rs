//! The kind `distinct`: a number of distinct values of a field. It turns on at once, and off when the TTL of values
//! ends.

use std::borrow::Cow;

use super::kind::{At, Fed, Measure, Subject, deed, end, mark, next, steps, within};
use crate::engine::context::{Context, MatchedEvent};
use crate::engine::state::facts::{self, State};
use crate::model::{EventTime, Field};
use crate::rules::Distinct;

/// What stands for a value that an event does not give: the event itself (semantics E13). Features without a name are
/// no further features; of premium ones, of which any counts, they are one together.
fn stands_for<'a>(distinct: &Distinct, it: &'a MatchedEvent<'a>) -> Option<Cow<'a, str>> {
    if distinct.field == Field::Feature {
        return distinct.filter.premium.then_some("".into());
    }
    if it.event.message_id.is_empty() {
        return Some(format!("{}/{}", it.place.offset, it.place.index).into());
    }
    Some(Cow::Borrowed(&it.event.message_id))
}

impl Measure for Distinct {
    fn update(&self, context: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        let plan = context.plan;
        let Some(role) = it.passes(plan, &self.filter).filter(|_| end(it.event.time, self.ttl_ms) > context.now) else {
            return Fed::Nothing;
        };
        let value = plan.roles.text(&it.roles, role, self.field, it.event).filter(|text| !text.is_empty());
        let Some(value) = value.or_else(|| stands_for(self, it)) else { return Fed::Nothing };
        let most = self.rungs.last().copied().unwrap_or(1) as usize;
        let State::Distinct(values) = subject.fact(|| State::Distinct(Vec::new())) else { return Fed::Nothing };
        let others = facts::add_value(values, &value, mark(it), self.ttl_ms.is_some(), most);
        if others { Fed::Value } else { Fed::Fact }
    }

    fn level(&self, at: At<'_, '_>) -> u8 {
        let Some(State::Distinct(values)) = at.facts() else { return 0 };
        let since = at.user.map_or(EventTime::MIN, |user| at.account.user(user).since);
        let is_soon = |time: EventTime| self.within_ms.is_none_or(|within| time < since.plus(within));
        let count = values.iter().filter(|it| end(it.time, self.ttl_ms) > at.context.now && is_soon(it.time)).count();
        steps(count, &self.rungs)
    }

    fn next_instant(&self, at: At<'_, '_>) -> Option<EventTime> {
        let (Some(State::Distinct(values)), Some(ttl)) = (at.facts(), self.ttl_ms) else { return None };
        next(at.context.now, values.iter().map(|value| value.time.plus(ttl)))
    }

    fn turns_at(&self, at: At<'_, '_>, instant: EventTime) -> bool {
        let (Some(State::Distinct(values)), Some(ttl)) = (at.facts(), self.ttl_ms) else { return false };
        values.iter().any(|value| value.time.plus(ttl) == instant)
    }

    fn words(&self, at: At<'_, '_>) -> String {
        let (count, field) = (self.evidence(at).len(), self.field.word().replace('_', " "));
        format!("{} {} ({count} distinct: {field}{})", at.who(), deed(&self.filter), within(self.ttl_ms))
    }
}
