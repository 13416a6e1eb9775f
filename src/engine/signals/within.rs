//! The kind `within`: one role within a time after another, whatever the order of arrival. It turns on at once, and
//! stays on for this life.

use super::kind::{At, Fed, Measure, Subject, mark};
use super::new_users;
use crate::engine::context::{Context, MatchedEvent};
use crate::model::EventTime;
use crate::rules::Within;

impl Measure for Within {
    fn update(&self, _: &Context<'_>, mut subject: Subject<'_, '_>, it: &MatchedEvent<'_>) -> Fed {
        // Nothing later counts once the sign-up is known: another one could only be earlier.
        let signed_up = subject.user.and_then(|user| subject.account.user(user).signed_up());
        let until = signed_up.map_or(EventTime::MAX, |from| from.plus(self.within_ms));
        let time = it.event.time;
        if !it.roles.has(self.then) || time >= until {
            return Fed::Nothing;
        }
        let mut facts = subject.facts();
        facts.add_fact(mark(it));
        facts.add_follower(time, self.within_ms, until);
        Fed::Fact
    }

    fn level(&self, at: &At<'_, '_>) -> u8 {
        let (Some(facts), Some(user)) = (at.facts(), at.user) else { return 0 };
        let signed_up = at.account.user(user).signed_up();
        u8::from(signed_up.is_some_and(|from| {
            new_users::counting_from_instant(at.context, at.account).is_some_and(|first| from >= first)
                && facts.instants().any(|then| (0..self.within_ms).contains(&(then.0 - from.0)))
        }))
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        at.user.is_some_and(|user| at.account.user(user).signed_up().is_some())
    }

    fn keeps_facts(&self) -> bool {
        true
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        format!("{} {} within {} min", at.who(), self.then.deed(), self.within_ms / 60_000)
    }
}
