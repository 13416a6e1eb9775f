//! Builds the messages about levels, occurrences, scores and profiles. Words and evidence are computed only here, for
//! published messages.

use super::delta::{CHANGED, Close, Entry, FIGURES, Level, SESSIONS, Step};
use crate::engine::context::MatchedEvent;
use crate::engine::figures::Closed;
use crate::engine::handoff_context;
use crate::engine::signals;
use crate::engine::state::Account;
use crate::engine::state::counts::ACTIVE;
use crate::engine::state::word::Flag;
use crate::engine::values;
use crate::model::{Evidence, Fact, MetricsRow, Reason, SignalChange, SignalChanges, SignalEntry, SignalKind};
use crate::rules::SignalRef;

/// The most entries of a message of the signals feed, and the most bytes that it may have by [`weight`].
const ENTRIES_MAX: usize = 500;
const WEIGHT_MAX: usize = 240 << 10;

/// Weeks of which one must have had users for an account to get a profile on a Sunday (semantics F13): those that the
/// profile shows, and the one before.
const WEEKS_SHOWN: usize = 9;

/// Adds an entry to the step's message of the signals feed, which is built only if it is wanted.
pub(super) fn entry(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    order: (u8, usize),
    build: impl FnOnce(&Step<'_>, &Account<'_>) -> (SignalKind, Evidence),
) {
    account.last_at = step.at(account);
    step.effects.entries += 1;
    if step.effects.wanted.signals.is_on() {
        let (kind, evidence) = build(step, account);
        if step.effects.wanted.signals.has(&kind) {
            step.delta.entries.push(Entry { user, order, kind, evidence });
        }
    }
}

/// Adds the levels that changed.
pub(in crate::engine) fn levels(step: &mut Step<'_>, account: &mut Account<'_>, reason: Reason) {
    let mut levels = std::mem::take(&mut step.delta.levels);
    for Level { user, slot, before, after } in levels.drain(..) {
        if ends_in_silence(step, account, user, slot, after) {
            continue;
        }
        entry(step, account, user, (CHANGED, slot), |step, account| {
            let signal = user.map_or(SignalRef::Account(slot), |_| SignalRef::User(slot));
            let evidence = signals::evidence(step, account, signal, user);
            let signal = step.signals(user)[slot].id.clone();
            (SignalKind::Changed(SignalChange { signal, before, after, reason }), evidence)
        });
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

/// Adds the sessions that an event began (semantics E6).
pub(super) fn sessions(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>) {
    let mut sessions = std::mem::take(&mut step.delta.sessions);
    for (user, slot) in sessions.drain(..) {
        let id = &step.context.signals(user)[slot].id;
        let kind = || SignalKind::Occurrence { signal: Some(id.clone()), trigger: None };
        occurrence(step, account, user, it, (SESSIONS, slot), kind);
    }
    step.delta.sessions = sessions;
}

/// Adds an occurrence of a signal or trigger.
pub(super) fn occurrence(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    it: &MatchedEvent<'_>,
    order: (u8, usize),
    kind: impl FnOnce() -> SignalKind,
) {
    let fact = Fact { at: it.event.time, place: Some(it.place.into()), number: 1.0 };
    entry(step, account, user, order, |_, _| (kind(), fact.into()));
}

/// Adds a band, a tier or a number of active users that changed.
pub(super) fn score(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    user: Option<u32>,
    (id, order): (&str, usize),
    (before, after): (u8, u8),
    reason: Reason,
    number: i32,
) {
    entry(step, account, user, (FIGURES, order), |step, _| {
        let kind = SignalKind::Changed(SignalChange { signal: id.into(), before, after, reason });
        (kind, step.figure(number.into()).into())
    });
}

/// Publishes what the step added to the signals feed and the profiles that changed in it. The last phase of every step.
pub(in crate::engine) fn all(step: &mut Step<'_>, account: &mut Account<'_>) {
    if !step.delta.entries.is_empty() {
        changes(step, account);
    }
    rows(step, account);
}

/// Publishes the entries of the step: users by id, then the account (semantics D26).
fn changes(step: &mut Step<'_>, account: &mut Account<'_>) {
    let mut entries = std::mem::take(&mut step.delta.entries);
    if entries.len() > 1 {
        let key = |it: &Entry| (it.user.is_none(), it.user.map(|user| account.user_id_bytes(user)), it.order);
        entries.sort_by(|a, b| key(a).cmp(&key(b)));
    }
    let at = step.at(account);
    let message = |part| SignalChanges {
        account: account.id().to_owned(),
        at,
        message_id: step.context.by.message_id(),
        entries: Vec::new(),
        part,
        last: false,
    };
    let (mut part, mut size) = (message(0), 0);
    for Entry { user, kind, evidence, .. } in entries.drain(..) {
        let user = user.map_or(String::new(), |user| account.user_id(user).to_owned());
        let added = SignalEntry { user, kind, evidence };
        size += weight(&added);
        if part.entries.len() == ENTRIES_MAX || size > WEIGHT_MAX {
            size = weight(&added);
            let next = message(part.part + 1);
            step.effects.signals.push(std::mem::replace(&mut part, next));
        }
        part.entries.push(added);
    }
    part.last = true;
    step.effects.signals.push(part);
    step.delta.entries = entries;
}

/// A bound of the bytes of an entry in either format. In JSON a byte of a user's id can take six, but not those of ids of
/// the rules; a fact takes at most 96 bytes, and all else 256.
fn weight(entry: &SignalEntry) -> usize {
    let ids = match &entry.kind {
        SignalKind::Changed(change) => change.signal.len(),
        SignalKind::Occurrence { signal, trigger } => {
            signal.as_ref().map_or(0, |id| id.len()) + trigger.as_ref().map_or(0, |id| id.len())
        }
        SignalKind::Held { trigger, .. } => trigger.len(),
    };
    256 + ids + 6 * entry.user.len() + 96 * entry.evidence.facts.len()
}

/// Marks the profiles that a close publishes, whatever changed (semantics F13), and publishes its metrics.
pub(super) fn figures(step: &mut Step<'_>, account: &mut Account<'_>, close: &Close<'_>) {
    for &(_, user) in close.users {
        let word = &mut account.user_mut(user).word;
        if word.is(Flag::Heard) {
            word.set(Flag::Heard, false);
            step.delta.rows.push(user);
        }
    }
    let Some(closed) = Closed::last(account, close.day) else { return };
    if step.effects.wanted.metrics {
        let at = close.at;
        step.effects.metrics.extend(closed.day_row(account, at).map(MetricsRow::Day));
        step.effects.metrics.extend(closed.week_row(account, at).map(MetricsRow::Week));
    }
    // Whether there were active users in the 28 days that end with this day, or with the day before.
    let had_users = || account.sum(ACTIVE, close.day.0 - 28, close.day.0) > 0;
    let had_weeks = || values::weekly_users(step, account).into_iter().take(WEEKS_SHOWN).any(|users| users > 0);
    step.delta.row |= step.effects.wanted.accounts && (had_users() || close.day.is_sunday() && had_weeks());
}

/// Publishes the profiles that are marked: that of the account, then those of users by id.
fn rows(step: &mut Step<'_>, account: &mut Account<'_>) {
    if step.effects.wanted.accounts && (step.delta.row || step.delta.lacks_buyer_changed(account)) {
        let profile = handoff_context::account_profile(step, account);
        step.effects.accounts.push(profile);
    }
    if !step.effects.wanted.users {
        return;
    }
    let mut rows = std::mem::take(&mut step.delta.rows);
    // Somebody who was never active is not a user yet, and somebody forgotten not any more (semantics B4, B12).
    rows.retain(|user| !account.user(*user).days.is_never() && !account.user(*user).word.is(Flag::Forgotten));
    rows.append(&mut step.delta.gone);
    if rows.len() > 1 {
        rows.sort_unstable();
        rows.dedup();
        rows.sort_by(|a, b| account.user_id_bytes(*a).cmp(account.user_id_bytes(*b)));
    }
    for user in rows.drain(..) {
        let profile = handoff_context::user_profile(step, account, user);
        step.effects.users.push(profile);
    }
    step.delta.rows = rows;
}
