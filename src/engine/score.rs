//! Rungs → points, bands, tiers, tracks (semantics §6, F). Integers only: a score is the sum of its evidence.

use super::people;
use super::signals::Context;
use super::state::Account;
use super::state::word::{Flag, Word};
use crate::model::{Fact, Onboarding, Reason, SignalChange, SignalKind, Track};
use crate::rules::{Figure, Plan, Signal};

/// The signals of the feed that are no signals of the rules.
const BAND: &str = "score.band";
const TIER: &str = "score.tier";
const ACTIVE_USERS: &str = "account.active_users";

fn points(signals: &[Signal], word: Word, enters: impl Fn(&Signal) -> bool) -> i32 {
    word.on()
        .filter(|(slot, _)| enters(&signals[*slot]))
        .map(|(slot, rung)| signals[slot].points[usize::from(rung)])
        .sum()
}

/// The points of a user's own signals in the PQL score.
pub(super) fn user_points(plan: &Plan, word: Word) -> i32 {
    points(&plan.user_signals, word, |signal| signal.pql)
}

/// What a running active user adds to the PQA score: points of its own, if they are good, and those of signals that
/// enter that score alone.
pub(super) fn contribution(plan: &Plan, word: Word) -> i32 {
    if !word.any() {
        return 0;
    }
    user_points(plan, word).max(0) + points(&plan.user_signals, word, |signal| signal.pqa && !signal.pql)
}

/// PQL score: the user's own points and those of the account's signals.
pub(super) fn pql(plan: &Plan, account: &Account<'_>, user: u32) -> i32 {
    user_points(plan, account.user(user).word) + account.pql_points
}

/// PQA score.
pub(super) fn pqa(plan: &Plan, account: &Account<'_>) -> i32 {
    account.user_points + points(&plan.account_signals, account.word, |signal| signal.pqa)
}

/// The band of a score; the one that is held is kept a little below its threshold (semantics F1).
fn band(plan: &Plan, score: i32, held: u8) -> u8 {
    let keep = plan.scores.keep;
    let entered = plan.scores.bands.iter().filter(|threshold| score >= **threshold).count() as u8;
    let kept = plan.scores.bands.iter().take(held.into()).filter(|threshold| score >= **threshold - keep).count() as u8;
    entered.max(kept)
}

/// The tier that the account is in, counted from the worst; 0 is none (semantics F2).
fn tier(plan: &Plan, account: &Account<'_>) -> u8 {
    if account.active_users == 0 {
        return 0;
    }
    let score = pqa(plan, account);
    let departments = account.rare().map_or(0, |rare| rare.departments.len() as u32);
    let icp = || account.traits().and_then(|traits| traits.boolean(crate::model::Field::Icp)) == Some(true);
    let tiers = &plan.scores.tiers;
    let found = tiers.iter().position(|tier| {
        (tier.users.0..=tier.users.1).contains(&account.active_users)
            && score >= tier.score
            && departments >= tier.departments
            && (!tier.icp || icp())
    });
    found.map_or(0, |place| (tiers.len() - place) as u8)
}

/// Scores follow what has moved: bands of users by id, then the tier, then the number of active users that is told,
/// then the track. Tiers and numbers fall at day closes only.
pub(super) fn settle(context: &mut Context<'_>, account: &mut Account<'_>, reason: Reason) {
    let plan = context.plan;
    account.user_points += std::mem::take(&mut context.work.points);
    let pql_points = points(&plan.account_signals, account.word, |signal| signal.pql);
    if pql_points != account.pql_points {
        account.pql_points = pql_points;
        account.touch_users(context.when(account));
        let concerned = account.users().filter(|(index, user)| {
            user.word.any() || user.word.band() > 0 || (plan.index.trigger_everybody && account.exists(*index))
        });
        context.work.scored.extend(concerned.map(|(index, _)| index));
    }
    if !context.work.scored.is_empty() {
        settle_bands(context, account, reason);
    }
    if account.users_len() == 0 && account.rare().is_none() {
        return;
    }
    let falls = reason == Reason::Closed;
    let tier = tier(plan, account);
    if tier > account.tier || (falls && tier != account.tier) {
        let before = std::mem::replace(&mut account.tier, tier);
        context.work.changed.figure(Figure::Tier);
        tell(context, account, None, TIER, (before, tier), reason, pqa(plan, account));
    }
    let reached = plan.scores.active_users.iter().filter(|users| account.active_users >= **users).count() as u8;
    if reached > account.threshold || (falls && reached != account.threshold) {
        let before = std::mem::replace(&mut account.threshold, reached);
        tell(context, account, None, ACTIVE_USERS, (before, reached), reason, account.active_users as i32);
    }
    settle_track(context, account);
}

fn settle_bands(context: &mut Context<'_>, account: &mut Account<'_>, reason: Reason) {
    let plan = context.plan;
    let mut scored = std::mem::take(&mut context.work.scored);
    scored.sort_unstable();
    scored.dedup();
    context.work.changed.figure(Figure::Score);
    context.work.changed.figure(Figure::UserScore);
    // Who is scored may have come, or gone.
    context.work.changed.figure(Figure::UserBuys);
    if plan.index.trigger_scores {
        context.work.touched.extend(&scored);
    }
    scored.retain(|index| band_now(plan, account, *index) != account.user(*index).word.band());
    scored.sort_by(|a, b| account.user_id(*a).cmp(account.user_id(*b)));
    for index in scored.drain(..) {
        let before = account.user(index).word.band();
        let (after, score) = (band_now(plan, account, index), pql(plan, account, index));
        let word = &mut account.user_mut(index).word;
        word.set_band(after);
        // Who is forgotten has not fallen: nothing fires then (semantics B12).
        word.set(Flag::Fell, after < before && !word.is(Flag::Forgotten));
        context.work.changed.figure(Figure::UserBand);
        context.work.changed.figure(Figure::UserFell);
        context.work.touched.push(index);
        // The band of who is forgotten goes with their signals (semantics B12).
        let reason = if word.is(Flag::Forgotten) { Reason::Forgotten } else { reason };
        tell(context, account, Some(index), BAND, (before, after), reason, score);
    }
    context.work.scored = scored;
}

/// A user without good points of their own has no band (semantics §6, semantics F3).
fn band_now(plan: &Plan, account: &Account<'_>, user: u32) -> u8 {
    let word = account.user(user).word;
    if user_points(plan, word) <= 0 || !account.exists(user) {
        return 0;
    }
    band(plan, pql(plan, account, user), word.band())
}

fn tell(
    context: &mut Context<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    signal: &str,
    (before, after): (u8, u8),
    reason: Reason,
    number: i32,
) {
    let fact = Fact { message_id: context.message_id.into(), at: context.cause, number: number.into() };
    let kind = SignalKind::Changed(SignalChange { signal: signal.into(), before, after, reason });
    context.publish(account, user, kind, vec![fact]);
}

/// The track that the account should see; told when it changes (semantics F11).
fn settle_track(context: &mut Context<'_>, account: &mut Account<'_>) {
    let by_size = people::segment(context.plan, account).track;
    let by_users = match account.users_ever {
        0 => None,
        1 => Some(Track::Solo),
        _ => Some(Track::SmallTeam),
    };
    let track = by_size.or(by_users);
    if let Some(track) = track.filter(|track| account.track != Some(*track)) {
        let before = account.track.replace(track);
        account.last_at = context.at(account);
        context.effects.onboarding.push(Onboarding {
            account: account.id().to_string(),
            track,
            before,
            at: account.last_at,
            employees: account.traits().and_then(|traits| traits.employees()),
        });
    }
}
