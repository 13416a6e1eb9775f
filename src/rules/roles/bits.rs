//! Roles as the bits of a word, and the sets of them that decide how an event counts.

use crate::model::Role;

/// Roles, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoleBits(pub(super) u64);

impl FromIterator<Role> for RoleBits {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> RoleBits {
        RoleBits(roles.into_iter().fold(0, |bits, role| bits | bit(role)))
    }
}

/// The roles of outcomes of handoffs.
pub(super) const OUTCOMES: u64 = !(bit(Role::OutreachSent) - 1);
/// The roles whose events count although they are old: outcomes, traits, and a lead of marketing, which counts for half
/// a year.
pub(super) const TIMELESS: u64 =
    OUTCOMES | bit(Role::SubscriptionChanged) | bit(Role::Firmographics) | bit(Role::Profile) | bit(Role::MqlCreated);

pub(super) const fn bit(role: Role) -> u64 {
    1 << role as u32
}

/// Whether events of a role are no activity of their user, unless a mapping says otherwise.
pub(super) fn is_passive(role: Role) -> bool {
    bit(role) & OUTCOMES != 0
        || matches!(
            role,
            Role::PricingViewed
                | Role::TermsViewed
                | Role::UsageReported
                | Role::LimitHit
                | Role::Profile
                | Role::Firmographics
                | Role::BillingForecast
                | Role::SubscriptionChanged
                | Role::MqlCreated
                | Role::TrialStarted
                | Role::TrialEnded
        )
}
