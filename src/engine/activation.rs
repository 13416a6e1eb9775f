//! Other rules from here on: what the state of an account means by the old plan → what it means by the new
//! (semantics A27).

use super::people;
use super::signals::{self, Context, WHOLE_ACCOUNT};
use super::state::Account;
use super::state::facts::Fact;
use super::state::word::Flag;
use super::trigger;
use crate::model::{Day, EventTime, Reason};
use crate::rules::{Exclude, Kind, Plan, Reads, SignalRef};

/// Signals of new rules that no close has decided yet: off means unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Warming {
    /// Those that the close of a week decides.
    of_weeks: Reads,
    /// Those that the close of any day does.
    of_days: Reads,
}

impl Warming {
    pub(super) fn has(self, signal: SignalRef) -> bool {
        self.of_weeks.has(signal) || self.of_days.has(signal)
    }

    pub(super) fn is_empty(self) -> bool {
        self.of_weeks.is_empty() && self.of_days.is_empty()
    }

    /// The close of `day` decides those that this returns.
    pub(super) fn end_at(&mut self, day: Day) -> Reads {
        let of_weeks = if day.is_sunday() { std::mem::take(&mut self.of_weeks) } else { Reads::default() };
        std::mem::take(&mut self.of_days).union(of_weeks)
    }
}

/// What the places of the old plan are in the new one. A signal is the same if its id is and it measures the same,
/// whatever its points.
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
    pub(super) fn slot(&self, user: u32, slot: u8) -> Option<u8> {
        let slots = if user == WHOLE_ACCOUNT { &self.accounts } else { &self.users };
        slots[usize::from(slot)].map(|slot| slot as u8)
    }

    /// The signals that the next closes decide for the first time. `still`: those that waited for that before.
    pub(super) fn warming(&self, still: Warming) -> Warming {
        let mut warming = Warming::default();
        let mut add = |signal: SignalRef, kind: &Kind, kept: &[Option<usize>], slot: usize| {
            let was = kept.iter().position(|now| *now == Some(slot)).map(|was| match signal {
                SignalRef::User(_) => SignalRef::User(was),
                SignalRef::Account(_) => SignalRef::Account(was),
            });
            if was.is_some_and(|was| !still.has(was)) {
                return;
            }
            match kind {
                Kind::Growth(growth) if growth.up => warming.of_weeks.signal(signal),
                Kind::Growth(_)
                | Kind::Stickiness(_)
                | Kind::ActiveDays(_)
                | Kind::Idle(_)
                | Kind::NewUsers(_)
                | Kind::Spike(_)
                | Kind::Stalled(_) => warming.of_days.signal(signal),
                _ => {}
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

    fn rename_facts(&self, user: u32, facts: &mut Vec<Fact>) {
        facts.retain_mut(|fact| {
            let Some(slot) = self.slot(user, fact.slot) else { return false };
            fact.slot = slot;
            true
        });
        facts.sort_by_key(|fact| fact.slot);
    }
}

/// Brings an account under the new plan. Signals that it does not have, or that measure something else in it, are off,
/// told by the names that they had; the others keep their state. New ones begin with the figures and traits that are
/// known and without facts, or warm up until a close decides them. Scores follow, and nothing fires.
pub(super) fn activate<'a>(renaming: &Renaming<'a>, context: &mut Context<'a>, account: &mut Account<'_>) {
    let Renaming { before, after, users, accounts, .. } = renaming;
    let gone = |slots: &[Option<usize>]| Vec::from_iter((0..slots.len()).filter(|slot| slots[*slot].is_none()));
    let (gone_of_users, gone_of_accounts) = (gone(users), gone(accounts));
    let everybody = account.user_indices();
    for user in everybody.clone() {
        let state = account.user_mut(user);
        gone_of_users.iter().for_each(|slot| context.turn_user(state, user, *slot, 0));
    }
    gone_of_accounts.iter().for_each(|slot| context.turn_account(account, *slot, 0));
    context.tell_changes(account, Reason::Activated);
    let running: Vec<u32> =
        everybody.iter().copied().filter(|user| account.user(*user).word.is(Flag::Running)).collect();
    running.iter().for_each(|user| people::leave(before, account, *user));
    rename(renaming, account);
    context.plan = after;
    account.user_points = 0;
    exclude(renaming, account, context.now);
    let stays = |user: &&u32| !account.is_removed(**user);
    let running: Vec<u32> = running.iter().filter(stays).copied().collect();
    running.iter().for_each(|user| people::enter(after, account, *user));
    context.work.anew();
    let has_points = |user: u32| account.user(user).word.any() || account.user(user).word.band() > 0;
    context.work.scored.extend(everybody.into_iter().filter(|user| has_points(*user)));
    if account.first().is_some() || account.rare().is_some() {
        account.touch_users(context.when(account));
    }
    let is_new = |slot: &&usize| !accounts.contains(&Some(**slot));
    signals::await_ages(context, account, after.index.ages.iter().filter(is_new), context.now);
    signals::after_activation(context, account);
    context.publish_changes(account, Reason::Activated);
    trigger::after_activation(context, account, before);
}

/// Users whom the new rules exclude and the old ones did not are treated as removed (semantics A34, B5).
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
            let removed = &mut account.more_mut(user).removed;
            *removed = (*removed).max(Some(now));
        }
        account.tidy(user);
    }
}

/// The state that stands in places of the plan.
fn rename(renaming: &Renaming<'_>, account: &mut Account<'_>) {
    let Renaming { before, after, users, accounts, meters, tiers } = renaming;
    for user in account.user_indices() {
        let state = account.user_mut(user);
        state.word = state.word.renamed(users);
        if let Some(more) = account.known_more(user) {
            renaming.rename_facts(user, &mut more.facts);
            account.tidy(user);
        }
    }
    account.word = account.word.renamed(accounts);
    account.tier = tiers[usize::from(account.tier)];
    let told = account.threshold.checked_sub(1).map(|place| before.scores.active_users[usize::from(place)]);
    account.threshold = after.scores.active_users.iter().filter(|users| told >= Some(**users)).count() as u8;
    let Some(rare) = account.known_rare() else { return };
    renaming.rename_facts(WHOLE_ACCOUNT, &mut rare.life.facts);
    rare.life.firsts = trigger::firsts_in(after, before, rare.life.firsts);
    let rejoined = std::mem::take(&mut rare.rejoined).into_iter();
    rare.rejoined = rejoined.filter_map(|(user, slot)| Some((user, renaming.slot(user, slot)?))).collect();
    if !rare.meters.is_empty() {
        let mut counted: Vec<_> = std::mem::take(&mut rare.meters).into_iter().map(Some).collect();
        let mut take = |place: usize| counted.get_mut(place).and_then(Option::take).unwrap_or_default();
        rare.meters = meters.iter().map(|was| was.map(&mut take).unwrap_or_default()).collect();
    }
}
