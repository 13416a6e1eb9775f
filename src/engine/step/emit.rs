//! Builds the messages about levels, occurrences, scores and profiles. Words and evidence are computed only here, for
//! published messages.

use super::delta::{Level, Step};
use crate::engine::context::MatchedEvent;
use crate::engine::signals;
use crate::engine::state::Account;
use crate::model::{Evidence, Fact, Reason, SignalChange, SignalKind, SignalMessage};
use crate::rules::{Closes, SignalRef};

/// Publishes a message of the signals feed.
pub(super) fn signal(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    kind: SignalKind,
    evidence: Evidence,
) {
    account.last_at = step.at(account);
    step.effects.signals.push(SignalMessage {
        account: account.id().to_string(),
        user: user.map_or(String::new(), |user| account.user_id(user).to_string()),
        kind,
        at: account.last_at,
        evidence,
        message_id: step.by.message_id.to_owned(),
    });
    match user {
        Some(user) => step.delta.rows.push(user),
        None => step.delta.row = true,
    }
}

/// Publishes the levels that changed: users by id, then the account, each in the order of the rules; what the close of a
/// week decides after what that of its last day does (semantics A15).
pub(in crate::engine) fn levels(step: &mut Step<'_>, account: &mut Account<'_>, reason: Reason) {
    if step.delta.levels.is_empty() {
        return;
    }
    let mut levels = std::mem::take(&mut step.delta.levels);
    let closes_week = reason == Reason::Closed && step.last_closed().is_sunday();
    let by_week = |it: &Level| closes_week && step.kind(it.user, it.slot).closes() == Some(Closes::Week);
    let key = |it: &Level| (by_week(it), it.user.is_none(), it.user.map(|user| account.user_id_bytes(user)), it.slot);
    levels.sort_by(|a, b| key(a).cmp(&key(b)));
    for Level { user, slot, before, after } in levels.drain(..) {
        if ends_in_silence(step, account, user, slot, after) {
            continue;
        }
        let signal = user.map_or(SignalRef::Account(slot), |_| SignalRef::User(slot));
        let evidence = signals::evidence(step, account, signal, user);
        let signal = step.signals(user)[slot].id.clone();
        self::signal(
            step,
            account,
            user,
            SignalKind::Changed(SignalChange { signal, before, after, reason }),
            evidence,
        );
    }
    step.delta.levels = levels;
}

/// An absence that was not published ends without being published (semantics E10).
fn ends_in_silence(step: &Step<'_>, account: &mut Account<'_>, user: Option<u32>, slot: usize, after: u8) -> bool {
    let Some(user) = user.filter(|_| after == 0 && step.plan.index.absences.has(slot)) else {
        return false;
    };
    account.ends_unpublished(user, slot)
}

/// Publishes the sessions that an event began (semantics E6).
pub(super) fn sessions(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>) {
    let mut sessions = std::mem::take(&mut step.delta.sessions);
    for (user, slot) in sessions.drain(..) {
        let id = step.signals(user)[slot].id.clone();
        occurrence(step, account, user, it, SignalKind::Occurrence { signal: Some(id), trigger: None });
    }
    step.delta.sessions = sessions;
}

/// Publishes an occurrence of a signal or trigger.
pub(super) fn occurrence(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    it: &MatchedEvent<'_>,
    kind: SignalKind,
) {
    let fact = Fact { at: it.event.time, place: Some(it.place.into()), number: 1.0 };
    signal(step, account, user, kind, fact.into());
}

/// Publishes a band, a tier or a number of active users that changed.
pub(super) fn score(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    id: &str,
    (before, after): (u8, u8),
    reason: Reason,
    number: i32,
) {
    let evidence = step.figure(number.into()).into();
    let kind = SignalKind::Changed(SignalChange { signal: id.into(), before, after, reason });
    signal(step, account, user, kind, evidence);
}

/// Marks the profiles that changed.
pub(in crate::engine) fn profiles(step: &mut Step<'_>, account: &mut Account<'_>) {
    let when = (step.at(account), step.now);
    if !step.profiles {
        return;
    }
    if step.delta.all_rows {
        account.touch_users(when);
    }
    step.delta.rows.iter().for_each(|user| account.touch_user(*user, when));
    if step.delta.row {
        account.touch(when);
    }
}
