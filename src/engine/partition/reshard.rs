//! The state of a log with another number of partitions, from that of its partitions now.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Partition;
use crate::engine::state::timers::Timer;
use crate::model::{Day, Keys};
use crate::rules::Plan;

/// Partitions whose states cannot be joined now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlike {
    /// They have not closed the same days.
    #[error(
        "partition {of} has not closed {day} yet, and another one has: start the service, which closes days of silent \
         partitions, too, and stop it again"
    )]
    Days {
        /// The partition that has closed fewer.
        of: usize,
        /// The first day that it has not closed.
        day: Day,
    },
    /// Other rules apply.
    #[error("rules {there} apply in partition {of}, and rules {here} in another one: activate the same rules in all")]
    Rules {
        /// The one partition.
        of: usize,
        /// Its rules.
        there: String,
        /// Those of another one.
        here: String,
    },
    /// The history of a backfill has not ended.
    #[error("the history of a backfill has not ended in partition {0}: complete it")]
    History(usize),
    /// Rules were activated, and the next closes decide what of them was so before.
    #[error(
        "rules were activated in partition {0}, and signals wait for the close of the day or week: try again after it"
    )]
    Warming(usize),
    /// Two partitions have an account.
    #[error("account `{account}` is in partition {of} and in another one: its events were written to two partitions")]
    Twice {
        /// The account.
        account: String,
        /// One of the partitions.
        of: usize,
    },
    /// There are more ids than a partition holds.
    #[error("a partition would have more than 4 GiB of ids: choose more partitions")]
    Full,
}

impl Partition {
    /// The partitions of a log that goes on where one with another number of partitions ends. `from` are all partitions of
    /// that one, each with the offset at which it goes on; `place` says to which of `count` partitions an account belongs, and
    /// `shares` whether accounts of a partition of the one can belong to one of the other.
    ///
    /// The new partitions have no trail. Their event time is the highest of the former ones, and what is due up to then and
    /// was not done yet is done at their first record; so a tick of that time should be the first one.
    ///
    /// # Errors
    /// The partitions differ in what a partition has once.
    pub fn reshard(
        from: Vec<(Partition, i64)>,
        count: usize,
        place: impl Fn(&str) -> usize,
        shares: impl Fn(usize, usize) -> bool,
    ) -> Result<Vec<Partition>, Unlike> {
        let mut new = Vec::new();
        let Some(plan) = joint_plan(&from)? else {
            new.extend(
                from.first()
                    .map(|(first, _)| &first.plan)
                    .into_iter()
                    .flat_map(|plan| (0..count).map(|_| Partition::new(Arc::clone(plan)))),
            );
            return Ok(new);
        };
        let passed = from.iter().map(|(partition, next)| partition.passed + next).max().unwrap_or_default();
        for number in 0..count {
            let of_it = from.iter().enumerate().filter(|(former, _)| shares(*former, number));
            let former = Vec::from_iter(of_it.map(|(_, (partition, _))| &partition.admission));
            let mut partition = Partition { passed, ..Partition::new(Arc::clone(&plan)) };
            partition.admission.join(from.iter().map(|(partition, _)| &partition.admission), &former);
            new.push(partition);
        }
        // Each former one is given back once its accounts are copied.
        for (of, (partition, _)) in from.into_iter().enumerate() {
            partition.spread(of, &mut new, &place)?;
        }
        Ok(new)
    }

    /// Copies the accounts, their visits and timers.
    fn spread(&self, of: usize, new: &mut [Partition], place: impl Fn(&str) -> usize) -> Result<(), Unlike> {
        let mut adopted = BTreeMap::new();
        for index in self.tables.account_indices() {
            let id = self.tables.account_id(index);
            let number = place(id);
            let to = &mut new[number];
            if to.tables.find_account(Keys::hash_account(id.as_bytes()), id.as_bytes()).is_some() {
                return Err(Unlike::Twice { account: id.to_owned(), of });
            }
            let it = to.tables.adopt(&mut to.due, &self.tables, index).ok_or(Unlike::Full)?;
            adopted.insert(index, (number, it));
        }
        // A timer can be out of date: of an account or user that has gone.
        for (at, account, timer) in self.timers.all() {
            let Some((number, it)) = adopted.get(&account) else { continue };
            let timers = &mut new[*number].timers;
            match timer {
                Timer::Lapse { user: Some(user), slot } => {
                    let Some(user) = it.users.get(&user).copied() else { continue };
                    timers.schedule(at, it.account, Timer::Lapse { user: Some(user), slot });
                }
                of_account => timers.schedule(at, it.account, of_account),
            }
        }
        Ok(())
    }
}

/// The rules of all partitions that have folded something; none if there is none.
fn joint_plan(from: &[(Partition, i64)]) -> Result<Option<Arc<Plan>>, Unlike> {
    let begun = || from.iter().enumerate().filter(|(_, (it, _))| it.watermark().is_some() || it.is_history);
    let last = begun().filter_map(|(_, (it, _))| it.open_day()).max();
    let mut joint: Option<&Arc<Plan>> = None;
    for (of, (it, _)) in begun() {
        if it.is_history {
            return Err(Unlike::History(of));
        }
        if let Some(day) = it.open_day().filter(|day| Some(*day) < last) {
            return Err(Unlike::Days { of, day });
        }
        if !it.warming.is_empty() {
            return Err(Unlike::Warming(of));
        }
        let here = joint.get_or_insert(&it.plan);
        if here.version != it.plan.version {
            let (there, here) = (it.plan.version.to_string(), here.version.to_string());
            return Err(Unlike::Rules { of, there, here });
        }
    }
    Ok(joint.map(Arc::clone))
}
