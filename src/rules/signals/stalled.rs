//! The kind `idle` of an account: no new users for weeks.

use super::about::{ACCOUNT, AT_DAY_CLOSE, About, Closes, NONE, Properties, RESTLESS_DAYS_OF_WEEKS};
use super::parameters::Parameters;
use super::words::or_more;
use crate::model::Field;
use crate::rules::changes::Changes;
use crate::rules::needs::{Is, Needs};

pub(super) const ABOUT: About = About {
    written: "kind: idle, of: new_users",
    scopes: ACCOUNT,
    measures: "at least `at_least` active users, all of one department, and no new user in the last `weeks` closed weeks",
    parameters: &["of", "at_least", "weeks"],
    on: AT_DAY_CLOSE,
    off: AT_DAY_CLOSE,
    state: "nothing of its own: departments and first days are kept anyway",
    timer: NONE,
    example: "{ id: my.stuck, kind: idle, scopes: [account], of: new_users, weeks: 4, at_least: 10 }",
};

/// Parameters of an account that no longer gains users.
#[derive(Debug, PartialEq)]
pub struct Stalled {
    /// The least number of active users.
    pub at_least: u32,
    /// The number of closed weeks without a new user.
    pub weeks: u32,
}

impl Stalled {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Stalled, String> {
        if take.need("of", &take.signal.of)? != "new_users" {
            return Err("of: expected new_users, for a signal of accounts".into());
        }
        let (at_least, weeks) =
            (take.need("at_least", &take.signal.at_least)?, take.need("weeks", &take.signal.weeks)?);
        if !(1..=12).contains(&weeks) {
            return Err(format!("weeks is {weeks}: 1 to 12 are allowed"));
        }
        Ok(Stalled { at_least, weeks })
    }
}

impl Properties for Stalled {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        format!("active users of one department, without a new user in {} closed weeks", self.weeks)
    }

    fn steps(&self) -> Vec<String> {
        or_more(&[self.at_least])
    }

    fn needs(&self, _: bool) -> Needs {
        Needs::profile(&[(Field::Department, Is::Text)])
    }

    fn known_by(&self) -> Changes {
        Changes::KNOWN
    }

    fn is_known_in_time(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }

    fn restless_days(&self) -> i32 {
        RESTLESS_DAYS_OF_WEEKS
    }
}
