//! Compares the handoffs that two rules files fire over one history.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use crate::engine::Record;
use crate::model::{Day, EventTime, HandoffId, Level, Wanted};
use crate::replay::{Driver, Step};
use crate::rules::{Plan, Ready};
use crate::wire::Decoded;

/// The compared values of a handoff, in the order of output.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fired {
    /// When it fired.
    pub at: EventTime,
    /// The account.
    pub account: String,
    /// The trigger.
    pub trigger: Arc<str>,
    /// Its id.
    pub id: HandoffId,
    /// Its level.
    pub level: Level,
    /// Empty if untiered.
    pub tier: Arc<str>,
    /// It goes to the holdout topic.
    pub holdout: bool,
}

impl Fired {
    /// What can differ between handoffs of one id.
    pub fn place(&self) -> (bool, Level, &Arc<str>) {
        (self.holdout, self.level, &self.tier)
    }
}

/// One of the two rules, and the handoffs that fire with it.
pub struct Side {
    /// The rules.
    pub plan: Arc<Plan>,
    driver: Driver,
    fired: Vec<Fired>,
}

impl Side {
    /// The state before the first record, with this number of partitions.
    pub fn new(plan: Arc<Plan>, partitions: usize) -> Side {
        Side { driver: Driver::new(&plan, partitions, Wanted::LEAST), plan, fired: Vec::new() }
    }

    /// Folds one event.
    ///
    /// # Errors
    /// The event activates rules that this version cannot compile.
    pub fn apply(&mut self, record: Record, index: u32, mut decoded: Decoded<'_>) -> Result<()> {
        self.plan.ids.key(&mut decoded);
        let ready = Ready::new(&decoded)?;
        let places = self.driver.place(None, &ready);
        // The outcome of an event does not matter here, only its effects.
        self.driver.apply(places, record, index, &ready, &mut |step| keep(&mut self.fired, step))
    }

    /// Closes every day before this one, in every partition.
    pub fn close_until(&mut self, day: Day) -> Result<()> {
        self.driver.close_until(day, &mut |step| keep(&mut self.fired, step))
    }
}

fn keep(fired: &mut Vec<Fired>, step: Step<'_>) -> Result<()> {
    fired.extend(step.effects.handoffs.iter().map(|handoff| Fired {
        at: handoff.at,
        account: handoff.account.clone(),
        trigger: Arc::clone(&handoff.trigger),
        id: handoff.id,
        level: handoff.level,
        tier: handoff.context.tier.clone().unwrap_or_else(|| "".into()),
        holdout: handoff.context.holdout,
    }));
    Ok(())
}

/// Counts of handoffs in one group: with A, with B, only with A, only with B.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Handoffs under A.
    pub a: u64,
    /// Handoffs under B.
    pub b: u64,
    /// Only under A.
    pub vanished: u64,
    /// Only under B.
    pub appeared: u64,
}

impl Counts {
    /// The number of handoffs that are only under one of the rules.
    pub fn changed(self) -> u64 {
        self.vanished + self.appeared
    }
}

/// Handoffs that fire under both and are not the same; one can be counted several times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    /// Handoffs that changed.
    pub handoffs: u64,
    /// Sent under A, held out under B.
    pub held_out: u64,
    /// Held out under A, sent under B.
    pub sent: u64,
    /// Of another level.
    pub level: u64,
    /// Of another tier.
    pub tier: u64,
}

/// The comparison of two rules files.
pub struct Difference {
    /// The versions of the rules.
    pub versions: [Arc<str>; 2],
    /// The handoffs of each, in order.
    pub fired: [Vec<Fired>; 2],
    /// The place of each in this order.
    by_id: [BTreeMap<HandoffId, usize>; 2],
}

impl Difference {
    /// Compares what A and B fired.
    pub fn new(sides: [Side; 2]) -> Difference {
        let versions = sides.each_ref().map(|side| Arc::clone(&side.plan.version));
        let fired = sides.map(|side| {
            let mut fired = side.fired;
            fired.sort_unstable();
            fired
        });
        let by_id = fired.each_ref().map(|fired| (0..).zip(fired).map(|(place, it)| (it.id, place)).collect());
        Difference { versions, fired, by_id }
    }

    /// The handoff of this id under A (0) or B (1).
    pub fn under(&self, side: usize, id: HandoffId) -> Option<&Fired> {
        self.by_id[side].get(&id).map(|place| &self.fired[side][*place])
    }

    /// Counts by a key of the handoffs. A handoff whose key differs under the other rules vanishes from one row and
    /// appears in another.
    pub fn by<K: Ord>(&self, key: impl Fn(&Fired) -> K) -> BTreeMap<K, Counts> {
        let mut counts: BTreeMap<K, Counts> = BTreeMap::new();
        for (side, fired) in (0..).zip(&self.fired) {
            for fired in fired {
                let own = key(fired);
                let is_new = self.under(1 - side, fired.id).is_none_or(|other| key(other) != own);
                let counts = counts.entry(own).or_default();
                let (all, new) = match side {
                    0 => (&mut counts.a, &mut counts.vanished),
                    _ => (&mut counts.b, &mut counts.appeared),
                };
                *all += 1;
                *new += u64::from(is_new);
            }
        }
        counts
    }

    /// What changed of the handoffs that fire under both.
    pub fn changes(&self) -> Changes {
        let mut changes = Changes::default();
        for a in &self.fired[0] {
            let Some(b) = self.under(1, a.id).filter(|b| b.place() != a.place()) else { continue };
            changes.handoffs += 1;
            changes.held_out += u64::from(!a.holdout && b.holdout);
            changes.sent += u64::from(a.holdout && !b.holdout);
            changes.level += u64::from(a.level != b.level);
            changes.tier += u64::from(a.tier != b.tier);
        }
        changes
    }

    /// The accounts with changes, most changes first; sent and held-out handoffs of an account are counted separately.
    pub fn accounts(&self) -> Vec<((&str, bool), Counts)> {
        let counts = self.by(|fired| (fired.account.clone(), fired.holdout));
        let mut accounts: Vec<((&str, bool), Counts)> = Vec::new();
        for fired in self.fired.iter().flatten() {
            let counts = counts.get(&(fired.account.clone(), fired.holdout)).filter(|counts| counts.changed() > 0);
            accounts.extend(counts.map(|counts| ((fired.account.as_str(), fired.holdout), *counts)));
        }
        accounts.sort_by_key(|(account, counts)| (std::cmp::Reverse(counts.changed()), *account));
        accounts.dedup_by_key(|(account, _)| *account);
        accounts
    }
}
