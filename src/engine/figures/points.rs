//! Computes points, bands and tiers from levels (semantics §6, F), in integers.

use crate::engine::state::Account;
use crate::model::Field;
use crate::rules::{Plan, Signal};

fn sum(signals: &[Signal], levels: impl Iterator<Item = (usize, u8)>, enters: impl Fn(&Signal) -> bool) -> i32 {
    levels
        .filter(|(slot, _)| enters(&signals[*slot]))
        .map(|(slot, level)| signals[slot].points[usize::from(level)])
        .sum()
}

/// The points of a user's own signals in the PQL score.
pub(in crate::engine) fn of_user(plan: &Plan, account: &Account<'_>, user: u32) -> i32 {
    sum(&plan.user_signals, account.levels(Some(user)), |signal| signal.pql)
}

/// What a running active user adds to the PQA score: the user's own points, if they are positive, and those of signals
/// that enter only that score (semantics C0).
pub(in crate::engine) fn contribution(plan: &Plan, account: &Account<'_>, user: u32) -> i32 {
    if !account.has_level(Some(user)) {
        return 0;
    }
    of_user(plan, account, user).max(0)
        + sum(&plan.user_signals, account.levels(Some(user)), |signal| signal.pqa && !signal.pql)
}

/// By how much the contribution of a running active user changes when a level does, which is still `before`.
pub(in crate::engine) fn gain(
    plan: &Plan,
    account: &Account<'_>,
    user: u32,
    slot: usize,
    (before, after): (u8, u8),
) -> i32 {
    let signal = &plan.user_signals[slot];
    let points = signal.points[usize::from(after)] - signal.points[usize::from(before)];
    match (signal.pql, signal.pqa) {
        _ if points == 0 => 0,
        (true, _) => {
            let own = of_user(plan, account, user);
            (own + points).max(0) - own.max(0)
        }
        (false, true) => points,
        (false, false) => 0,
    }
}

/// What the account's signals add to the PQL score of each of its users.
pub(in crate::engine) fn for_users(plan: &Plan, account: &Account<'_>) -> i32 {
    sum(&plan.account_signals, account.levels(None), |signal| signal.pql)
}

/// PQL score: the user's own points and those of the account's signals.
pub(in crate::engine) fn pql(plan: &Plan, account: &Account<'_>, user: u32) -> i32 {
    of_user(plan, account, user) + account.pql_points
}

/// PQA score.
pub(in crate::engine) fn pqa(plan: &Plan, account: &Account<'_>) -> i32 {
    account.user_points + sum(&plan.account_signals, account.levels(None), |signal| signal.pqa)
}

/// The band of a user: 0 none, 1 emerging, 2 warm, 3 hot. A user without positive points of their own has none
/// (semantics §6, F3); a band is kept down to a few points below its threshold (semantics F1).
pub(in crate::engine) fn band(plan: &Plan, account: &Account<'_>, user: u32) -> u8 {
    let own = of_user(plan, account, user);
    if own <= 0 || !account.exists(user) {
        return 0;
    }
    let (score, held, keep) = (own + account.pql_points, account.user(user).word.band(), plan.scores.keep);
    let entered = plan.scores.bands.iter().filter(|threshold| score >= **threshold).count() as u8;
    let kept = plan.scores.bands.iter().take(held.into()).filter(|threshold| score >= **threshold - keep).count() as u8;
    entered.max(kept)
}

/// The tier that the account belongs to now, counted from the lowest; 0 is untiered (semantics F2).
pub(in crate::engine) fn tier(plan: &Plan, account: &Account<'_>) -> u8 {
    if account.active_users == 0 {
        return 0;
    }
    let (score, active_users) = (pqa(plan, account), account.active_users);
    let icp = || account.traits().and_then(|traits| traits.boolean(Field::Icp)) == Some(true);
    let tiers = &plan.scores.tiers;
    let found = tiers.iter().position(|tier| {
        (tier.users.0..=tier.users.1).contains(&active_users)
            && score >= tier.score
            && (tier.departments == 0 || account.departments() >= tier.departments)
            && (!tier.icp || icp())
    });
    found.map_or(0, |place| (tiers.len() - place) as u8)
}
