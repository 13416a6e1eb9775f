//! The kind `usage_ratio`: a share of a quota is used.

use super::about::{ACCOUNT, AT_DAY_CLOSE, AT_ONCE, About, Closes, NONE, Properties};
use super::parameters::Parameters;
use crate::rules::changes::Changes;
use crate::rules::needs::Needs;

pub(super) const ABOUT: About = About {
    written: "kind: usage_ratio",
    scopes: ACCOUNT,
    measures: "at least `at_least` percent of some quota used, as last reported",
    parameters: &["at_least"],
    on: AT_ONCE,
    off: AT_DAY_CLOSE,
    state: "the latest report of each meter, about 60 bytes and its name",
    timer: NONE,
    example: "{ id: my.quota, kind: usage_ratio, scopes: [account], points: 15, in: [pqa], at_least: 80 }",
};

/// Parameters of the used share of a quota.
#[derive(Debug, PartialEq)]
pub struct UsageRatio {
    /// The least share, in percent.
    pub percent: u32,
}

impl UsageRatio {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<UsageRatio, String> {
        Ok(UsageRatio { percent: take.need("at_least", &take.signal.at_least)? })
    }
}

impl Properties for UsageRatio {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        "used share of the quota that is used most, as last reported".into()
    }

    fn steps(&self) -> Vec<String> {
        vec![format!("{} % or more", self.percent)]
    }

    fn needs(&self, _: bool) -> Needs {
        Needs::quota()
    }

    fn ends_at_closes(&self) -> bool {
        false
    }

    fn is_measured_without_close(&self) -> bool {
        true
    }

    fn changes(&self) -> Changes {
        Changes::QUOTAS
    }

    fn known_by(&self) -> Changes {
        self.changes()
    }

    fn only_falls_at_closes(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}
