//! The kind `usage_ratio`: the used share of the quota that is used most. It turns on at once, and off at the close of
//! a day (semantics D21).

use super::kind::{At, Measure};
use crate::engine::state::Account;
use crate::model::Evidence;
use crate::rules::UsageRatio;

/// The used share of the fullest quota.
pub(in crate::engine) fn usage_ratio(account: &Account<'_>) -> Option<f64> {
    let quotas = account.life()?.quotas.values();
    quotas.filter(|quota| quota.value.1 > 0.0).map(|quota| quota.value.0 / quota.value.1).reduce(f64::max)
}

impl Measure for UsageRatio {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        // Multiplied, not divided: 29 of 100 are 29 percent.
        let reaches = |(used, quota): (f64, f64)| quota > 0.0 && used * 100.0 >= f64::from(self.percent) * quota;
        u8::from(at.account.life().is_some_and(|life| life.quotas.values().any(|quota| reaches(quota.value))))
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        usage_ratio(at.account).is_some()
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        usage_ratio(at.account).map_or_else(Evidence::default, |ratio| at.figure(ratio))
    }
}
