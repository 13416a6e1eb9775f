//! Activation of other rules within a log (semantics A27): which state stays valid with the new rules.

use std::collections::{BTreeMap, BTreeSet};

use super::account::{Account, Rungs};
use super::handoff::BY_FORMER_RULES;
use super::pack::{Fires, Measure, Pack, Signal, Trigger};
use super::time::{Direction, sunday, week_of};
use super::trigger::Edge;

/// A signal, and whether it is that of users: one with both scopes is two.
pub(super) type Half = (Signal, bool);

/// Signals that have not been decided by a close yet, and the open day when they began.
pub(super) type Warming = BTreeMap<Half, i64>;

/// What the signals and triggers of the former rules are in the new ones.
pub(super) struct Renaming {
    before: &'static Pack,
    after: &'static Pack,
    /// A signal is the same if its id is, and it measures the same, whatever its points.
    halves: BTreeMap<Half, Half>,
    /// A trigger is the same if its id is.
    triggers: BTreeMap<Trigger, Trigger>,
}

fn halves(pack: &'static Pack) -> impl Iterator<Item = Half> {
    let of = |of_users: bool| pack.signals().map(move |signal| (signal, of_users)).filter(is_scope);
    of(true).chain(of(false))
}

fn is_scope((signal, of_users): &Half) -> bool {
    if *of_users { signal.it.of_users } else { signal.it.of_accounts }
}

impl Renaming {
    pub(super) fn new(before: &'static Pack, after: &'static Pack) -> Self {
        let same_signal = |(signal, of_users): Half| {
            let now = after.signal(&signal.it.id).filter(|now| now.it.measure == signal.it.measure)?;
            is_scope(&(now, of_users)).then_some(((signal, of_users), (now, of_users)))
        };
        let same_trigger = |trigger: Trigger| {
            let now = after.in_order().find(|now| now.it.id == trigger.it.id)?;
            Some((trigger, now))
        };
        Self {
            before,
            after,
            halves: halves(before).filter_map(same_signal).collect(),
            triggers: before.in_order().filter_map(same_trigger).collect(),
        }
    }

    fn half(&self, signal: Signal, of_users: bool) -> Option<Signal> {
        self.halves.get(&(signal, of_users)).map(|half| half.0)
    }

    /// The new signals that a close decides, and those that already waited for one.
    pub(super) fn warming(&self, still: &Warming, open_day: i64) -> Warming {
        let was = |half: &Half| self.halves.iter().find(|(_, now)| *now == half).map(|(was, _)| was);
        let began = |half: Half| match was(&half) {
            Some(was) => Some((half, *still.get(was)?)),
            None => is_decided_at_closes(half.0).then_some((half, open_day)),
        };
        halves(self.after).filter_map(began).collect()
    }

    fn renamed<T>(
        &self,
        before: BTreeMap<Trigger, T>,
        stays: impl Fn(Trigger, Trigger) -> bool,
    ) -> BTreeMap<Trigger, T> {
        let now = |trigger: Trigger| self.triggers.get(&trigger).copied().filter(|now| stays(trigger, *now));
        before.into_iter().filter_map(|(trigger, it)| Some((now(trigger)?, it))).collect()
    }

    fn rungs(&self, rungs: &Rungs, of_users: bool) -> Rungs {
        let mut renamed = Rungs::default();
        for (was, now) in self.halves.iter().filter(|((_, is_of_users), _)| *is_of_users == of_users) {
            renamed.set(now.0, rungs.get(was.0));
        }
        renamed
    }
}

/// What closes decide (semantics C3); of new users the spike.
fn is_decided_at_closes(signal: Signal) -> bool {
    use Measure::{Growth, Idle, NewUsers, Spike, Stalled, Stickiness};
    matches!(signal.it.measure, Growth(..) | Idle(_) | NewUsers { .. } | Spike { .. } | Stalled { .. } | Stickiness(_))
}

/// Whether a trigger fires on the same as before: what it waits with is kept then.
fn fires_on_the_same(was: Trigger, now: Trigger) -> bool {
    was.it.fires == now.it.fires
}

impl Account {
    /// Whether no close has decided a signal of these rules yet: off is unknown then. What moves up at the closes of
    /// weeks alone waits for one of these.
    pub(super) fn warms(&self, signal: Signal, of_users: bool) -> bool {
        let is_up = matches!(signal.it.measure, Measure::Growth(Direction::Up, _));
        let decided_by = |began: i64| if is_up { sunday(week_of(began)) } else { began };
        self.warming.get(&(signal, of_users)).is_some_and(|began| self.first_unclosed <= decided_by(*began))
    }

    /// Other rules apply from here on. No time passes, and nothing fires.
    pub(super) fn activate(&mut self, renaming: &Renaming, warming: &Warming) {
        let pending = self.pending();
        self.turn_off(renaming);
        for ((.., order), _) in &mut self.said {
            order.0 = BY_FORMER_RULES;
        }
        self.rename(renaming);
        (self.settings.pack, self.warming) = (renaming.after, warming.clone());
        self.begin(renaming);
        self.settle(self.clock, "REASON_ACTIVATED", false);
        self.rename_triggers(renaming, &pending);
        self.publish_step(self.clock);
        self.publish_all_profiles(self.clock);
    }

    /// The edges that wait for a cooldown or a rail: armed, and true.
    fn pending(&self) -> BTreeSet<(Trigger, String)> {
        let mut pending = BTreeSet::new();
        for trigger in self.settings.pack.in_order() {
            let Fires::When(when, _) = &trigger.it.fires else { continue };
            for (user, condition) in self.conditions(when) {
                let key = (trigger, user);
                if condition == Some(true) && self.edges.get(&key).is_some_and(Edge::is_armed) {
                    pending.insert(key);
                }
            }
        }
        pending
    }

    /// Signals that are gone, or measure something else, by the names that they had.
    fn turn_off(&mut self, renaming: &Renaming) {
        let gone = |half: &Half| !renaming.halves.contains_key(half);
        let (of_users, of_accounts): (Vec<Half>, Vec<Half>) =
            halves(renaming.before).filter(gone).partition(|(_, of_users)| *of_users);
        for user in self.user_ids() {
            for (signal, _) in &of_users {
                self.set_rung(&user, *signal, 0, self.clock, "REASON_ACTIVATED");
            }
        }
        for (signal, _) in of_accounts {
            self.set_rung("", signal, 0, self.clock, "REASON_ACTIVATED");
        }
    }

    /// The state of the signals that stay. New ones do not know earlier events, nor do new meters.
    fn rename(&mut self, renaming: &Renaming) {
        for user in self.users.values_mut() {
            user.rungs = renaming.rungs(&user.rungs, true);
            user.published_inactive =
                user.published_inactive.iter().filter_map(|it| renaming.half(*it, true)).collect();
        }
        self.rungs = renaming.rungs(&self.rungs, false);
        let facts = std::mem::take(&mut self.facts).into_iter();
        let now = |user: &str, signal: Signal| renaming.half(signal, !user.is_empty());
        self.facts = facts.filter_map(|((user, signal), it)| Some(((user.clone(), now(&user, signal)?), it))).collect();
        let begun = std::mem::take(&mut self.begun);
        let since = |half: Half| {
            let was = renaming.halves.iter().find(|(_, now)| **now == half).map(|(was, _)| was);
            let since = was.map_or(self.events.len(), |was| begun.get(was).copied().unwrap_or(0));
            (half, since)
        };
        self.begun = halves(renaming.after).map(since).collect();
        let counted = |meter| {
            let since =
                if renaming.before.meters.contains(meter) { self.metered_since(meter) } else { self.events.len() };
            (meter.clone(), since)
        };
        self.metered = renaming.after.meters.iter().map(counted).collect();
        let timers = std::mem::take(&mut self.timers);
        let of = |due: BTreeSet<(String, Signal)>| -> BTreeSet<(String, Signal)> {
            let now = |user: &str, signal: Signal| renaming.half(signal, !user.is_empty());
            due.into_iter().filter_map(|(user, signal)| Some((user.clone(), now(&user, signal)?))).collect()
        };
        self.timers = timers.into_iter().map(|(t, due)| (t, of(due))).collect();
        // The highest number that was published, among the new ones.
        let counts = &renaming.before.scores.user_counts;
        let published = self.user_count.checked_sub(1).map(|place| counts[place as usize]);
        let is_reached = |count: &&i64| published.is_some_and(|published| **count <= published);
        self.user_count = renaming.after.scores.user_counts.iter().filter(is_reached).count() as u32;
    }

    /// Figures and traits are known at once, and so what takes effect at once by them (semantics C3), and ages, which
    /// end by themselves.
    fn begin(&mut self, renaming: &Renaming) {
        let kept: BTreeSet<Half> = renaming.halves.values().copied().collect();
        let (of_users, of_accounts): (Vec<Half>, Vec<Half>) =
            halves(renaming.after).filter(|half| !kept.contains(half)).partition(|(_, of_users)| *of_users);
        for user in self.user_ids() {
            for (signal, _) in &of_users {
                let rung = self.rung_now(&user, *signal);
                self.set_rung(&user, *signal, rung, self.clock, "REASON_ACTIVATED");
            }
        }
        for (signal, _) in of_accounts {
            if let (Measure::SingleUser { days } | Measure::FreeOnly { days }, Some(founded)) =
                (&signal.it.measure, self.founded_ms())
            {
                for t in self.ages_at(founded, *days).into_iter().filter(|t| *t > self.clock) {
                    self.timers.entry(t).or_default().insert((String::new(), signal));
                }
            }
            let rung = match &signal.it.measure {
                Measure::NewUsers { at_least, .. } => u32::from(self.counted_new_users(self.newest_day()) >= *at_least),
                _ => self.rung_now("", signal),
            };
            self.set_rung("", signal, rung, self.clock, "REASON_ACTIVATED");
        }
    }

    /// Cooldowns go on. What waits behind a rail waits on if its trigger fires on the same. All other conditions that
    /// are true now count as fired.
    fn rename_triggers(&mut self, renaming: &Renaming, pending: &BTreeSet<(Trigger, String)>) {
        self.occurrences = renaming.renamed(std::mem::take(&mut self.occurrences), fires_on_the_same);
        let gone = renaming.before.in_order().filter(|trigger| !renaming.triggers.contains_key(trigger));
        for trigger in gone.filter(|trigger| self.fired.contains_key(trigger)) {
            let firing = (self.fired.get(&trigger).copied(), self.fired_by.get(&trigger).copied());
            self.gone.insert(trigger.it.id.clone(), firing);
        }
        self.fired = renaming.renamed(std::mem::take(&mut self.fired), |_, _| true);
        self.fired_by = renaming.renamed(std::mem::take(&mut self.fired_by), |_, _| true);
        for trigger in renaming.after.in_order() {
            let Some((fired, fired_by)) = self.gone.remove(&trigger.it.id) else { continue };
            self.fired.extend(fired.map(|fired| (trigger, fired)));
            self.fired_by.extend(fired_by.map(|fired| (trigger, fired)));
        }
        self.pending = renaming.renamed(std::mem::take(&mut self.pending), fires_on_the_same);
        for (trigger, occurrence) in &mut self.pending {
            occurrence.trigger = *trigger;
        }
        self.met = renaming.renamed(std::mem::take(&mut self.met), fires_on_the_same);
        let now =
            |trigger: Trigger| renaming.triggers.get(&trigger).copied().filter(|now| fires_on_the_same(trigger, *now));
        let edges = std::mem::take(&mut self.edges).into_iter();
        self.edges = edges.filter_map(|((trigger, user), edge)| Some(((now(trigger)?, user), edge))).collect();
        let pending: BTreeSet<(Trigger, String)> =
            pending.iter().filter_map(|(trigger, user)| Some((now(*trigger)?, user.clone()))).collect();
        for trigger in renaming.after.in_order() {
            let Fires::When(when, closes) = &trigger.it.fires else { continue };
            for (user, condition) in self.conditions(when) {
                let key = (trigger, user);
                let waits = pending.contains(&key);
                let edge = self.edges.entry(key).or_default();
                edge.observe(condition, false, *closes);
                if condition == Some(true) && !waits {
                    edge.count_as_fired();
                }
            }
        }
    }
}
