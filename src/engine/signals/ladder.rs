//! The kind `ladder`: a figure of the account reaches a threshold. It turns on at once, and off at the close of a day.

use super::kind::{At, Measure, reached};
use crate::engine::state::due::NEVER;
use crate::model::{Day, Evidence};
use crate::rules::{Ladder, Of};

impl Ladder {
    fn figure(&self, at: &At<'_, '_>) -> f64 {
        match &self.of {
            Of::ActiveUsers => at.account.active_users.into(),
            Of::Departments => at.account.departments().into(),
            Of::UsersOfADomain => {
                at.account.crowd().and_then(|crowd| crowd.domains.values().max().copied()).unwrap_or(0).into()
            }
            Of::Volume(meter) => at.account.volume(meter.place, at.window_end().plus(-27), at.window_end()),
        }
    }
}

impl Measure for Ladder {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        reached(self.figure(at), &self.rungs)
    }

    fn next_close(&self, at: &At<'_, '_>, day: Day, level: u8) -> Day {
        // Without events the amounts of 28 days only fall, unless a negative one leaves them.
        let may_rise = || at.account.rare().is_some_and(|rare| rare.has_negative_amounts);
        if matches!(self.of, Of::Volume(_)) && (level > 0 || may_rise()) { day.plus(1) } else { NEVER }
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        at.figure(self.figure(at))
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        let number = self.figure(at);
        match &self.of {
            Of::ActiveUsers => format!("{number} active users"),
            Of::Departments => format!("{number} departments are active"),
            Of::UsersOfADomain => format!("{number} active users of one company domain"),
            Of::Volume(meter) => format!("{number} {} in 28 days", meter.meter.id),
        }
    }
}
