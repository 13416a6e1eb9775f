//! Activates other rules: moves the state of an account from the old plan to the new one (semantics A27).

use std::collections::{BTreeMap, BTreeSet};

use super::context::Warming;
use super::state::Account;
use super::state::triggers::{Edge, State};
use super::state::word::Flag;
use super::step::{Step, emit, measure, people, score, update};
use super::values;
use crate::model::{EventTime, Reason};
use crate::rules::{Closes, Exclude, Kind, Plan, SignalRef, TriggerKind};

/// The places of the signals, triggers and meters of the old plan in the new one. A signal is the same if it has the
/// same id and measures the same thing, whatever its points.
pub(super) struct Renaming<'a> {
    before: &'a Plan,
    after: &'a Plan,
    users: Vec<Option<usize>>,
    accounts: Vec<Option<usize>>,
    /// By their places in the new plan: which meters were counted before, and where.
    meters: Vec<Option<usize>>,
    tiers: Vec<u8>,
}

impl<'a> Renaming<'a> {
    pub(super) fn new(before: &'a Plan, after: &'a Plan) -> Renaming<'a> {
        let (was, is) = (&before.scores.tiers, &after.scores.tiers);
        let rank = |id: &str| is.iter().position(|tier| *tier.id == *id).map_or(0, |place| (is.len() - place) as u8);
        Renaming {
            before,
            after,
            users: before.slots_in(after, true),
            accounts: before.slots_in(after, false),
            meters: after.meters.iter().map(|it| before.meters.iter().position(|meter| meter == it)).collect(),
            // Ranks count from the worst; 0 is untiered.
            tiers: std::iter::once(0).chain(was.iter().rev().map(|tier| rank(&tier.id))).collect(),
        }
    }

    /// The slot of a fact, if its signal is the same in both plans.
    pub(super) fn slot(&self, user: Option<u32>, slot: u8) -> Option<u8> {
        let slots = if user.is_some() { &self.users } else { &self.accounts };
        slots[usize::from(slot)].map(|slot| slot as u8)
    }

    /// The signals that the next closes decide for the first time. `still`: those that waited for that before.
    pub(super) fn warming(&self, still: &Warming) -> Warming {
        let mut warming = Warming::default();
        let mut add = |signal: SignalRef, kind: &Kind, kept: &[Option<usize>], slot: usize| {
            let was = kept.iter().position(|now| *now == Some(slot)).map(|was| match signal {
                SignalRef::User(_) => SignalRef::User(was),
                SignalRef::Account(_) => SignalRef::Account(was),
            });
            if was.is_some_and(|was| !still.has(was)) {
                return;
            }
            match kind.closes().filter(|_| !kind.is_measured_without_close()) {
                Some(Closes::Week) => warming.of_weeks.signal(signal),
                Some(Closes::Day) => warming.of_days.signal(signal),
                None => {}
            }
        };
        for (slot, signal) in self.after.user_signals.iter().enumerate() {
            add(SignalRef::User(slot), &signal.kind, &self.users, slot);
        }
        for (slot, signal) in self.after.account_signals.iter().enumerate() {
            add(SignalRef::Account(slot), &signal.kind, &self.accounts, slot);
        }
        warming
    }
}

/// Moves an account to the new plan. Signals that are removed or measure something else turn off, which is published
/// under their old ids; the others keep their state. New ones begin with the figures and traits that are known and
/// without facts, or warm up until a close decides them. Scores are computed again, and nothing fires.
pub(super) fn activate<'a>(renaming: &Renaming<'a>, step: &mut Step<'a>, account: &mut Account<'_>) {
    let Renaming { before, after, users, accounts, .. } = renaming;
    step.delta.note_before(account);
    let gone = |slots: &[Option<usize>]| Vec::from_iter((0..slots.len()).filter(|slot| slots[*slot].is_none()));
    let (gone_of_users, gone_of_accounts) = (gone(users), gone(accounts));
    let everybody = account.user_indices();
    everybody.iter().for_each(|user| measure::off(step, account, Some(*user), &gone_of_users));
    measure::off(step, account, None, &gone_of_accounts);
    emit::levels(step, account, Reason::Activated);
    let running: Vec<u32> =
        everybody.iter().copied().filter(|user| account.user(*user).word.is(Flag::Running)).collect();
    running.iter().for_each(|user| people::leave(before, account, *user));
    rename(renaming, account);
    step.context.plan = after;
    account.user_points = 0;
    exclude(renaming, account, step.now);
    let stays = |user: &&u32| !account.is_removed(**user);
    let running: Vec<u32> = running.iter().filter(stays).copied().collect();
    running.iter().for_each(|user| people::enter(after, account, *user));
    people::settle_all_buyers(step, account);
    step.delta.end_rules();
    let has_points = |user: u32| account.has_level(Some(user)) || account.user(user).word.band() > 0;
    step.delta.score_again(everybody.into_iter().filter(|user| has_points(*user)));
    step.delta.all_rows(account);
    let ages = after.index.ages.iter().enumerate();
    let new_ages = Vec::from_iter(ages.filter(|(_, slot)| !accounts.contains(&Some(**slot))).map(|(place, _)| place));
    update::await_ages(step, account, new_ages.into_iter(), step.now);
    measure::after_activation(step, account);
    emit::levels(step, account, Reason::Activated);
    score::settle(step, account, Reason::Activated);
    emit::all(step, account);
    triggers(step, account, before);
}

/// What a trigger remembered: what it fired on, its state, and its edges.
type Was<'a> = (&'a TriggerKind, State, BTreeMap<Option<u32>, Edge>);

/// A trigger with the same id keeps the instant at which it fired, even if rules in between did not have it. If it
/// fires on the same condition or event as before, it keeps its edges or occurrences. A condition that is true and has
/// no edge counts as fired: a change of the rules fires nothing (semantics A27).
fn triggers(step: &Step<'_>, account: &mut Account<'_>, before: &Plan) {
    let plan = step.plan;
    let mut by_id: BTreeMap<&str, Was<'_>> = BTreeMap::new();
    for (place, mut state) in account.take_states() {
        let edges = account.take_edges(&mut state).into_iter().collect();
        by_id.insert(&before.triggers[place].id, (&before.triggers[place].kind, state, edges));
    }
    for (place, trigger) in plan.triggers.iter().enumerate() {
        let known = by_id.remove(&*trigger.id);
        let (was, mut state, edges) = match known {
            Some((was, state, edges)) => (Some(was), state, edges),
            None => (None, account.take_firing(&trigger.id), BTreeMap::new()),
        };
        match (&trigger.kind, was) {
            (TriggerKind::Event(on), Some(TriggerKind::Event(was))) if was == on => {}
            (TriggerKind::Event(_), _) => {
                account.take_occurrences(&mut state);
                state = State::of_firing(state.fired_at, state.fired_by, None);
            }
            (TriggerKind::Condition { when, per_user, rearm_after_closed_days }, was) => {
                let is_same = matches!(was, Some(TriggerKind::Condition { when: was, rearm_after_closed_days: rearm, .. })
                    if was == when && rearm == rearm_after_closed_days);
                let known = if is_same { edges } else { BTreeMap::new() };
                account.take_occurrences(&mut state);
                state = State::of_firing(state.fired_at, None, state.wakes_at);
                let users = || account.user_indices().into_iter().map(Some).collect();
                let subjects: Vec<Option<u32>> = if *per_user { users() } else { vec![None] };
                for user in subjects {
                    let edge = match (values::holds(step, account, user, when, None), known.get(&user)) {
                        (Some(true), None) => Some(Edge::fired()),
                        (Some(false), known) if *rearm_after_closed_days > 0 => known.copied(),
                        (Some(false), _) => None,
                        (_, known) => known.copied(),
                    };
                    if let Some(edge) = edge {
                        account.set_edge(&mut state, place, user, edge);
                    }
                }
            }
        }
        account.put_state(place, state);
    }
    // A trigger whose id has fired must not repeat a handoff id (semantics D7).
    for (id, (_, mut state, _)) in by_id {
        account.keep_firing(id, &state);
        account.give_back(&mut state);
    }
}

/// The event triggers that have had their first occurrence, by their places in the new plan.
fn firsts_in(plan: &Plan, before: &Plan, firsts: &BTreeSet<u16>) -> BTreeSet<u16> {
    let is_same = |place: &usize| {
        let trigger = &plan.triggers[*place];
        let was =
            before.triggers.iter().position(|it| it.id == trigger.id).filter(|was| firsts.contains(&(*was as u16)));
        match (&trigger.kind, was.map(|was| &before.triggers[was].kind)) {
            (TriggerKind::Event(on), Some(TriggerKind::Event(was))) => was == on,
            _ => false,
        }
    };
    (0..plan.triggers.len()).filter(is_same).map(|place| place as u16).collect()
}

/// Treats users that the new rules exclude and the old ones did not as removed (semantics A34, B5).
fn exclude(renaming: &Renaming<'_>, account: &mut Account<'_>, now: EventTime) {
    let (before, after) = (&renaming.before.exclude, &renaming.after.exclude);
    if before.is_empty() && after.is_empty() {
        return;
    }
    for user in account.user_indices() {
        let is_named = |exclude: &Exclude| exclude.has_user(account.id(), account.user_id(user));
        let (was_named, is_named) = (is_named(before), is_named(after));
        let more = account.more(user);
        let was_excluded = was_named || more.is_some_and(|more| more.excluded);
        let by_host = more.is_some_and(|more| more.profile.is_excluded(after));
        if by_host || was_excluded {
            account.more_mut(user).excluded = by_host;
        }
        if (by_host || is_named) && !was_excluded {
            account.user_mut(user).word.set(Flag::Removed, true);
            let removed = &mut account.more_mut(user).removed;
            *removed = (*removed).max(Some(now));
        }
        account.tidy(user);
    }
}

/// Moves state that is indexed by the plan to the indices of the new plan.
fn rename(renaming: &Renaming<'_>, account: &mut Account<'_>) {
    let Renaming { before, after, users, accounts, meters, tiers } = renaming;
    for user in account.user_indices() {
        account.rename_levels(Some(user), users);
        account.rename_facts(Some(user), |slot| renaming.slot(Some(user), slot));
    }
    account.rename_levels(None, accounts);
    account.tier = tiers[usize::from(account.tier)];
    let reached = account.threshold.checked_sub(1).map(|place| before.scores.active_users[usize::from(place)]);
    account.threshold = after.scores.active_users.iter().filter(|users| reached >= Some(**users)).count() as u8;
    account.rename_facts(None, |slot| renaming.slot(None, slot));
    if account.life().is_some_and(|life| !life.firsts.is_empty()) {
        let life = account.life_mut();
        life.firsts = firsts_in(after, before, &life.firsts);
    }
    for (user, slot) in account.take_rejoined() {
        renaming.slot(user, slot as u8).into_iter().for_each(|slot| account.rejoin(user, slot.into()));
    }
    for (user, slot) in account.take_unpublished() {
        let now = renaming.slot(Some(user), slot as u8);
        now.into_iter().for_each(|slot| account.leave_unpublished(user, slot.into()));
    }
    account.rename_meters(|place| meters.iter().position(|was| *was == Some(place)));
}
