//! The kind `age`: an account that at a given age still has one user, or still uses only free features.

use super::about::{ACCOUNT, AT_ONCE, About, Closes, Properties};
use super::parameters::Parameters;
use crate::model::DAY_MS;
use crate::rules::changes::Changes;
use crate::rules::needs::Needs;
use crate::text::duration;

pub(super) const ABOUT: About = About {
    written: "kind: age",
    scopes: ACCOUNT,
    measures: "`days` after the first activity still a `single_user` (one user, nobody invited), or still \
              `free_only` (not paid, no premium feature; unknown unless a mapping says what is premium)",
    parameters: &["of", "days"],
    on: "at that age",
    off: AT_ONCE,
    state: "nothing of its own",
    timer: "the age",
    example: "{ id: my.alone, kind: age, scopes: [account], points: -5, in: [pqa], of: single_user, days: 14 }",
};

/// Parameters of an account's age.
#[derive(Debug, PartialEq)]
pub struct Age {
    /// How old, in milliseconds since the first meaningful event.
    pub age_ms: i64,
    /// What it still is.
    pub still: Still,
}

/// What an account of some age still is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Still {
    /// One user, and nobody invited.
    SingleUser,
    /// Not paid, and without a premium feature.
    FreeOnly,
}

impl Age {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Age, String> {
        let still = match take.need("of", &take.signal.of)?.as_str() {
            "single_user" => Still::SingleUser,
            "free_only" => Still::FreeOnly,
            other => return Err(format!("of is {other}: allowed are single_user, free_only")),
        };
        Ok(Age { age_ms: i64::from(take.days(3_650)?) * DAY_MS, still })
    }
}

impl Properties for Age {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        let still = match self.still {
            Still::SingleUser => "the account has one user and no invitation",
            Still::FreeOnly => "the account neither pays nor used a premium feature",
        };
        format!("{} after the first activity, and {still}", duration(self.age_ms))
    }

    fn needs(&self, _: bool) -> Needs {
        Needs { premium: self.still == Still::FreeOnly, ..Needs::activity() }
    }

    fn changes(&self) -> Changes {
        match self.still {
            Still::SingleUser => Changes::AGE.and(Changes::ONLY_USER).and(Changes::INVITED),
            Still::FreeOnly => Changes::AGE.and(Changes::PREMIUM).and(Changes::TRAITS),
        }
    }

    fn known_by(&self) -> Changes {
        self.changes().and(Changes::FOUNDED).and(Changes::COUNTING)
    }

    fn closes(&self) -> Option<Closes> {
        None
    }
}
