//! The kind `age`: at a given age, the account still has one user, or still uses only free features. It turns on at
//! that age, and off at once (semantics E17, E20).

use super::kind::{At, Measure};
use super::new_users::counting_from;
use crate::model::{EventTime, Evidence};
use crate::rules::{Age, Still};

/// Whether a premium feature was used; unknown where neither a mapping nor an event says which are (semantics E20).
fn knows_premium(at: &At<'_, '_>) -> Option<bool> {
    let stated = at.account.rare().and_then(|rare| rare.premium);
    stated.or(at.context.plan.roles.maps_premium().then_some(false))
}

/// Whether the warm-up of an account that may have been in mid-life when the log began is over (semantics B17).
fn is_settled(at: &At<'_, '_>) -> bool {
    counting_from(at.context, at.account)
        .is_some_and(|from| at.first().is_some_and(|day| from == day.plus(1)) || at.context.open_day() >= from)
}

impl Measure for Age {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        let account = at.account;
        let is_old = account.first().is_some_and(|first| at.context.now >= first.plus(self.age_ms)) && is_settled(at);
        let is = || match self.still {
            Still::SingleUser => account.users_ever == 1 && !account.rare().is_some_and(|rare| rare.invited),
            Still::FreeOnly => knows_premium(at) == Some(false) && !account.is_paid(),
        };
        u8::from(is_old && is() && !at.is_forgotten())
    }

    fn level_at_once(&self, at: &At<'_, '_>) -> u8 {
        self.level(at)
    }

    fn ages(&self, at: &At<'_, '_>) -> Option<[EventTime; 2]> {
        let (time, founded) = (at.account.first()?.plus(self.age_ms), at.first()?);
        let plan = at.context.plan;
        Some([time, plan.time.calendar.start(founded.plus(plan.rails.warm_up_days)).max(time)])
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        (self.still == Still::SingleUser || knows_premium(at).is_some()) && is_settled(at)
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        let days = at.account.first().map_or(0, |first| (at.context.now.0 - first.0) / crate::model::DAY_MS);
        at.figure(days as f64)
    }
}
