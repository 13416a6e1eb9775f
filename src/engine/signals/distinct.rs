//! The kind `distinct`: a number of distinct values of a field. It turns on at once, and off when the TTL of values
//! ends.

use std::borrow::Cow;

use super::kind::{At, Fed, Measure, Subject, deed, end, mark, next, steps, within};
use crate::engine::context::{Context, MatchedEvent};
use crate::engine::state::Account;
use crate::model::{EventTime, Field};
use crate::rules::Distinct;

/// The value of an event that states none: the event itself (semantics E13). Features without a name do not count, but
/// all premium features without a name count together as one.
fn stands_for<'a>(distinct: &Distinct, it: &'a MatchedEvent<'a>) -> Option<Cow<'a, str>> {
    if distinct.field == Field::Feature {
        return distinct.filter.premium.then_some("".into());
    }
    if it.event.message_id.is_empty() {
        return Some(format!("{}/{}", it.place.offset, it.place.index).into());
    }
    Some(Cow::Borrowed(&it.event.message_id))
}

impl Distinct {
    /// How many values count now.
    fn values(&self, at: &At<'_, '_>) -> usize {
        let Some(facts) = at.facts() else { return 0 };
        // With a TTL it was decided when they were observed (semantics E3).
        let is_soon = |time: EventTime| self.ttl_ms.is_some() || self.is_soon(at.account, at.user, time);
        facts.values().filter(|time| end(*time, self.ttl_ms) > at.context.now && is_soon(*time)).count()
    }

    /// Whether an observation comes so soon after sign-up that it counts.
    fn is_soon(&self, account: &Account<'_>, user: Option<u32>, time: EventTime) -> bool {
        let since = user.map_or(EventTime::MIN, |user| account.user(user).since);
        self.within_ms.is_none_or(|within| time < since.plus(within))
    }
}

impl Measure for Distinct {
    fn update(&self, context: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        let plan = context.plan;
        let Some(role) = it.passes(plan, &self.filter).filter(|_| end(it.event.time, self.ttl_ms) > context.now) else {
            return Fed::Nothing;
        };
        let is_soon = self.is_soon(subject.account, subject.user, it.event.time);
        if self.ttl_ms.is_some() && !is_soon {
            return Fed::Nothing;
        }
        let value = plan.roles.text(&it.roles, role, self.field, it.event).filter(|text| !text.is_empty());
        let Some(value) = value.or_else(|| stands_for(self, it)) else { return Fed::Nothing };
        let (most, named) = (self.rungs.last().copied().unwrap_or(1) as usize, self.field == Field::Feature);
        let mut facts = subject.facts();
        let counts = facts.add_value(&value, named, mark(it), self.ttl_ms.is_some(), most);
        // One that comes too late after sign-up proves nothing, as far as the sign-up is known.
        if counts && is_soon {
            facts.add_fact(mark(it));
        }
        Fed::Fact
    }

    fn level(&self, at: &At<'_, '_>) -> u8 {
        steps(self.values(at), &self.rungs)
    }

    fn next_instant(&self, at: &At<'_, '_>) -> Option<EventTime> {
        let (facts, ttl) = (at.facts()?, self.ttl_ms?);
        next(at.context.now, facts.values().map(|time| time.plus(ttl)))
    }

    fn turns_at(&self, at: &At<'_, '_>, instant: EventTime) -> bool {
        let (Some(facts), Some(ttl)) = (at.facts(), self.ttl_ms) else { return false };
        facts.values().any(|time| time.plus(ttl) == instant)
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        let (count, field) = (self.values(at), self.field.word().replace('_', " "));
        format!("{} {} ({count} distinct: {field}{})", at.who(), deed(&self.filter), within(self.ttl_ms))
    }
}
