//! Size classes of accounts, and buyers, by their traits.

use crate::engine::state::Account;
use crate::engine::state::traits::Traits;
use crate::rules::{Plan, Segment};

/// The size class of an account (semantics D23, E19).
pub(in crate::engine) fn segment<'a>(plan: &'a Plan, account: &Account<'_>) -> &'a Segment {
    let employees = account.traits().and_then(Traits::employees);
    let place = employees.map_or(0, |size| plan.segments.iter().rposition(|it| size >= it.employees).unwrap_or(0));
    &plan.segments[place]
}

/// Whether a user may decide a purchase (semantics E18).
pub(in crate::engine) fn is_buyer(plan: &Plan, account: &Account<'_>, user: u32) -> bool {
    let more = account.more(user);
    account.exists(user)
        && (more.is_some_and(|more| more.acted || more.profile.is_buyer(&plan.people))
            || (account.users_ever == 1 && segment(plan, account).only_user_buys))
}
