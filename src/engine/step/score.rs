//! Computes and writes points, bands, tiers, the published threshold of active users and the onboarding track
//! (semantics §6, F). No other file writes them.

use super::delta::Step;
use super::emit;
use crate::engine::figures::{people, points};
use crate::engine::state::Account;
use crate::engine::state::rows::Row;
use crate::engine::state::word::Flag;
use crate::model::{Onboarding, Reason, Track};
use crate::rules::{ACTIVE_USERS, BAND, Changes, Plan, TIER};

/// Updates what depends on the changes: bands of users by id, then the tier, then the threshold of active users that is
/// published, then the track. Tiers and thresholds fall at day closes only.
pub(in crate::engine) fn settle(step: &mut Step<'_>, account: &mut Account<'_>, reason: Reason) {
    if step.delta.account.meet(Changes::ACTIVE_USERS) {
        step.delta.account.add(Changes::SCORE);
    }
    if step.delta.points != 0 {
        account.user_points += std::mem::take(&mut step.delta.points);
    }
    if step.delta.account.meet(Changes::LEVELS) {
        settle_points_for_users(step, account);
    }
    if !step.delta.scored.is_empty() {
        settle_bands(step, account, reason);
    }
    if account.users_len() == 0 && account.rare().is_none() {
        return;
    }
    settle_tier(step, account, reason);
    // The track depends on the size of the company and the number of users, and on the rules.
    const TRACKED: Changes = Changes::TRAITS.and(Changes::USERS);
    if account.track.is_none() || step.delta.account.meet(TRACKED) || reason == Reason::Activated {
        settle_track(step, account);
    }
}

/// The points that signals of the account add to the score of each user.
fn settle_points_for_users(step: &mut Step<'_>, account: &mut Account<'_>) {
    let plan = step.context.plan;
    let for_users = points::for_users(plan, account);
    if for_users == account.pql_points {
        return;
    }
    account.pql_points = for_users;
    let concerned = account.users().filter(|(index, user)| {
        account.has_level(Some(*index))
            || user.word.band() > 0
            || (plan.index.trigger_everybody && account.exists(*index))
    });
    step.delta.scored.extend(concerned.map(|(index, _)| index));
}

/// The tier, and the number of active users that is published.
fn settle_tier(step: &mut Step<'_>, account: &mut Account<'_>, reason: Reason) {
    let (plan, falls) = (step.context.plan, reason == Reason::Closed);
    let Row { active_users, tier: held, threshold, .. } = **account;
    let tier = points::tier(plan, account);
    if tier > held || (falls && tier != held) {
        account.tier = tier;
        step.delta.account.add(Changes::TIER);
        step.delta.row = true;
        let score = points::pqa(plan, account);
        emit::score(step, account, None, (TIER, 1), (held, tier), reason, score);
    }
    let reached = plan.scores.active_users.partition_point(|users| active_users >= *users) as u8;
    if reached > threshold || (falls && reached != threshold) {
        account.threshold = reached;
        emit::score(step, account, None, (ACTIVE_USERS, 2), (threshold, reached), reason, active_users as i32);
    }
    if !falls && (tier < held || reached < threshold) {
        // They fall at the next close, which must visit the account: if the score fell because a fact ended, no event
        // has marked it.
        step.due.accounts.touch(&mut account.due, step.index);
    }
}

fn settle_bands(step: &mut Step<'_>, account: &mut Account<'_>, reason: Reason) {
    let plan = step.plan;
    let mut scored = std::mem::take(&mut step.delta.scored);
    scored.sort_unstable();
    scored.dedup();
    if plan.index.trigger_scores {
        // These users may be new, or may have left.
        let changes = Changes::USER_SCORE.and(Changes::EXISTS);
        scored.iter().for_each(|user| step.delta.user(*user, changes));
    }
    scored.retain(|index| points::band(plan, account, *index) != account.user(*index).word.band());
    scored.sort_by(|a, b| account.user_id_bytes(*a).cmp(account.user_id_bytes(*b)));
    for index in scored.drain(..) {
        let before = account.user(index).word.band();
        let after = points::band(plan, account, index);
        // A user who has left or is forgotten has no score (semantics B5, F3).
        let score = if account.exists(index) { points::pql(plan, account, index) } else { 0 };
        let word = &mut account.user_mut(index).word;
        word.set_band(after);
        // The end of a forgotten user's band does not count as a fall: forgetting fires nothing (semantics B12).
        let forgotten = word.is(Flag::Forgotten);
        word.set(Flag::Fell, after < before && !forgotten);
        step.delta.user_row(index, Changes::BAND);
        // The band of a forgotten user ends for the same reason as the user's signals.
        let reason = if forgotten { Reason::Forgotten } else { reason };
        emit::score(step, account, Some(index), (BAND, 0), (before, after), reason, score);
    }
    step.delta.scored = scored;
}

/// The track that the account should see; published when it changes (semantics F11).
fn settle_track(step: &mut Step<'_>, account: &mut Account<'_>) {
    let Some(track) = track(step.plan, account).filter(|track| account.track != Some(*track)) else { return };
    let before = account.track.replace(track);
    account.last_at = step.at(account);
    step.delta.row = true;
    step.effects.onboarding.push(Onboarding {
        account: account.id().to_string(),
        track,
        before,
        at: account.last_at,
        employees: account.traits().and_then(|traits| traits.employees()),
    });
}

fn track(plan: &Plan, account: &Account<'_>) -> Option<Track> {
    // An account that is forgotten has no users in a life.
    let users = if account.word.is(Flag::Forgotten) { 0 } else { account.users_ever };
    let by_users = match users {
        0 => None,
        1 => Some(Track::Solo),
        _ => Some(Track::SmallTeam),
    };
    people::segment(plan, account).track.or(by_users)
}
