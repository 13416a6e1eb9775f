//! The kind `spike` of `new_users`: many new users in 7 days.

use super::about::{ACCOUNT, AT_DAY_CLOSE, About, Closes, NONE, Properties};
use super::parameters::Parameters;
use crate::rules::changes::Changes;

pub(super) const ABOUT: About = About {
    written: "kind: spike, of: new_users",
    scopes: ACCOUNT,
    measures: "at least `at_least` new users in 7 days; with `spike_below` a second rung where that is less likely \
              than this for the account",
    parameters: &["of", "at_least", "spike_below"],
    on: "the first rung at once; the second at the close of a day, once two blocks of 7 days are known to compare \
              with",
    off: AT_DAY_CLOSE,
    state: "nothing of its own: new users are counted by the day anyway",
    timer: NONE,
    example: "{ id: my.newcomers, kind: spike, scopes: [account], points: [10, 20], in: [pqa], of: new_users, \
              at_least: 3, spike_below: 0.01 }",
};

/// Parameters of new users.
#[derive(Debug, PartialEq)]
pub struct NewUsers {
    /// New users in 7 days for the first rung; the second also requires a spike.
    pub at_least: u32,
    /// The probability below which the number is a spike; none: there is no second rung.
    pub spike_below: Option<f64>,
}

impl NewUsers {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<NewUsers, String> {
        take.take("of", &take.signal.of);
        Ok(NewUsers {
            at_least: take.need("at_least", &take.signal.at_least)?.max(1),
            spike_below: match take.take("spike_below", &take.signal.spike_below) {
                Some(p) if !(p > 0.0 && p <= 1.0) => {
                    return Err(format!("spike_below is {p}: a probability above 0, at most 1, is allowed"));
                }
                p => p,
            },
        })
    }
}

impl Properties for NewUsers {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        "new users of the last 7 days".into()
    }

    fn steps(&self) -> Vec<String> {
        let spike = |below: f64| format!("as many, and with a probability below {} % for this account", below * 100.0);
        [Some(format!("{} or more", self.at_least)), self.spike_below.map(spike)].into_iter().flatten().collect()
    }

    fn rungs(&self) -> u8 {
        1 + u8::from(self.spike_below.is_some())
    }

    fn changes(&self) -> Changes {
        Changes::NEW_USERS
    }

    fn known_by(&self) -> Changes {
        Changes::KNOWN.and(Changes::COUNTING)
    }

    fn is_known_in_time(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}
