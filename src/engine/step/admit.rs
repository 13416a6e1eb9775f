//! Decides the outcome of an event in the order of semantics A13, whether it moves time, and which parts of it are
//! applied.

use std::collections::BTreeMap;

use super::people;
use super::update::Takes;
use crate::engine::context::MatchedEvent;
use crate::engine::state::cut::{Parts, Unreadable};
use crate::engine::state::dedupe::{self, Recent};
use crate::engine::state::timers::Clock;
use crate::engine::state::{Account, Tables};
use crate::model::{EventKind, EventTime, Keys, Outcome, Place, Provenance};
use crate::rules::{Plan, Time};

/// Days before the first open one that late events can still correct: eight weeks (semantics A11).
const CORRECTABLE_DAYS: i32 = 56;

/// The state that outcomes of events depend on, beside the accounts: event time, recent message ids, and places of
/// sources that were read.
#[derive(Debug)]
pub(in crate::engine) struct Admission {
    pub(in crate::engine) clock: Clock,
    recent: Recent,
    /// By source topic and partition: the highest offset read, and the offset of the record that brought it.
    sources: BTreeMap<String, BTreeMap<i32, (i64, i64)>>,
}

/// The decision about an event.
pub(in crate::engine) struct Decision {
    pub(in crate::engine) outcome: Outcome,
    /// Why, where the event goes to the dead-letter topic.
    pub(in crate::engine) detail: String,
    /// Whether the event moves time.
    pub(in crate::engine) moves_time: bool,
    /// Whether its id is remembered.
    pub(in crate::engine) is_remembered: bool,
    /// What of it is taken.
    pub(in crate::engine) takes: Option<Takes>,
}

impl Decision {
    /// The event is taken, or excluded.
    fn taken(outcome: Outcome, takes: Option<Takes>) -> Decision {
        Decision { outcome, detail: String::new(), moves_time: true, is_remembered: true, takes }
    }

    /// Nothing of the event is taken.
    fn left(outcome: Outcome, detail: String, moves_time: bool) -> Decision {
        Decision { outcome, detail, moves_time, is_remembered: false, takes: None }
    }
}

/// The id of an event's message; none where it has none, or a forbidden one.
fn message(it: &MatchedEvent<'_>) -> dedupe::Id {
    it.keys.message.filter(|_| !it.event.message_id.is_empty())
}

impl Admission {
    pub(in crate::engine) fn new(time: &Time) -> Admission {
        Admission {
            clock: Clock::new(time),
            recent: Recent::new(time.dedupe_window_ms, time.dedupe_ids),
            sources: BTreeMap::new(),
        }
    }

    /// Stores or restores it.
    pub(in crate::engine) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Admission { clock, recent, sources } = self;
        clock.parts(parts)?;
        recent.parts(parts)?;
        parts.value(sources)
    }

    /// Goes on from others: time from all of them, and what was read and remembered from those whose accounts it has.
    pub(in crate::engine) fn join<'a>(&mut self, all: impl Iterator<Item = &'a Admission>, former: &[&'a Admission]) {
        all.for_each(|it| self.clock.join(&it.clock));
        let Some(highest) = self.clock.highest() else { return };
        self.recent.adopt(former.iter().map(|it| &it.recent), highest);
        let Some((first, others)) = former.split_first() else { return };
        // What one of them has not read may not have been written: it counts as not read.
        for (topic, partitions) in &first.sources {
            for (partition, (offset, brought_by)) in partitions {
                let of_others = others.iter().map(|it| it.sources.get(topic)?.get(partition).copied());
                let read = of_others.chain([Some((*offset, *brought_by))]).min().flatten();
                if let Some(read) = read {
                    self.sources.entry(topic.clone()).or_default().insert(*partition, read);
                }
            }
        }
    }

    /// Decides about an event of a record.
    pub(in crate::engine) fn decide(
        &mut self,
        plan: &Plan,
        tables: &mut Tables,
        it: &MatchedEvent<'_>,
        record_time: Option<EventTime>,
    ) -> Decision {
        let MatchedEvent { event, roles, place, day, .. } = it;
        let ahead_ms = record_time.map_or(i64::MIN, |record| event.time.0.saturating_sub(record.0));
        if ahead_ms > plan.time.max_skew_ms {
            event.provenance.iter().for_each(|source| _ = self.mark_read(source, *place));
            let detail = format!("its time is {ahead_ms} ms ahead of its record's");
            return Decision::left(Outcome::FromTheFuture, detail, false);
        }
        if event.kind == EventKind::Tick {
            return Decision::left(Outcome::Applied, String::new(), true);
        }
        if event.provenance.as_ref().is_some_and(|source| self.mark_read(source, *place)) {
            return Decision::left(Outcome::Replayed, String::new(), false);
        }
        if self.recent.has(message(it), self.clock.highest()) {
            return Decision::left(Outcome::Duplicate, String::new(), false);
        }
        if is_excluded(plan, tables, it) {
            // An excluded event still moves time, and its traits are taken (semantics A34).
            let takes = roles.is_timeless().then_some(Takes::Traits);
            return match refusal(plan, tables, it).filter(|_| takes.is_some()) {
                Some(refusal) => Decision::left(Outcome::Refused, refusal, true),
                None => Decision::taken(Outcome::Excluded, takes),
            };
        }
        let days_late = self.clock.open_day().map_or(0, |open| open.0 - day.0);
        let keeps_traits = matches!(event.kind, EventKind::Identify | EventKind::Group) || roles.is_timeless();
        if days_late > CORRECTABLE_DAYS && !keeps_traits {
            let detail = format!("its day lies {days_late} days before the first open one");
            return Decision::left(Outcome::TooLate, detail, false);
        }
        if let Some(refusal) = refusal(plan, tables, it) {
            return Decision::left(Outcome::Refused, refusal, true);
        }
        let takes = if days_late <= CORRECTABLE_DAYS { Takes::All } else { Takes::Timeless };
        Decision::taken(Outcome::Applied, Some(takes))
    }

    /// Bytes of the ids that are remembered.
    pub(in crate::engine) fn bytes(&self) -> usize {
        self.recent.bytes()
    }

    /// Reads ahead for an event with these keys.
    pub(in crate::engine) fn touch(&self, keys: &Keys) {
        self.recent.touch(keys.message);
    }

    /// Remembers the id of an event that was decided, once time has moved.
    pub(in crate::engine) fn remember(&mut self, it: &MatchedEvent<'_>) {
        if let Some(highest) = self.clock.highest() {
            self.recent.insert(message(it), highest);
        }
    }

    /// Notes that a place of a source was read; returns whether it had been before, in an earlier record.
    fn mark_read(&mut self, source: &Provenance<'_>, place: Place) -> bool {
        if !self.sources.contains_key(&*source.topic) {
            self.sources.insert(source.topic.to_string(), BTreeMap::new());
        }
        let Some(partitions) = self.sources.get_mut(&*source.topic) else { return false };
        let (highest, brought_by) = partitions.entry(source.partition).or_insert((i64::MIN, place.offset));
        let known = source.offset < *highest || (source.offset == *highest && place.offset != *brought_by);
        if source.offset > *highest {
            (*highest, *brought_by) = (source.offset, place.offset);
        }
        known
    }
}

/// Whether an event is excluded: by its own fields, or by the e-mail address of its user, which it states or which is
/// known.
fn is_excluded(plan: &Plan, tables: &mut Tables, it: &MatchedEvent<'_>) -> bool {
    let MatchedEvent { event, keys, roles, .. } = it;
    let exclude = &plan.exclude;
    if exclude.is_empty() {
        return false;
    }
    let mut known = || {
        let index = tables.find_account(keys.account, event.account.as_bytes())?;
        let account = Account::new(tables, index);
        Some(account.more(account.find_user(&event.user)?)?.excluded)
    };
    let mut by_host = || people::states_excluded(plan, roles, event).or_else(&mut known).unwrap_or(false);
    exclude.has_event(event) || (exclude.has_hosts() && !event.user.is_empty() && by_host())
}

/// If the event would exceed a limit of the partition: which one.
#[inline]
fn refusal(plan: &Plan, tables: &Tables, it: &MatchedEvent<'_>) -> Option<String> {
    let is_full = tables.accounts() >= plan.accounts_max || tables.users() >= plan.users_max || tables.ids_are_full();
    if is_full { refusal_of_full(plan, tables, it) } else { None }
}

/// The same of a partition that has reached a limit.
#[cold]
fn refusal_of_full(plan: &Plan, tables: &Tables, it: &MatchedEvent<'_>) -> Option<String> {
    let (accounts, users) = (tables.accounts(), tables.users());
    let (accounts_full, users_full) = (accounts >= plan.accounts_max, users >= plan.users_max);
    let ids_full = tables.ids_are_full();
    let MatchedEvent { event, keys, .. } = it;
    let account = tables.find_account(keys.account, event.account.as_bytes());
    if account.is_none() && accounts_full {
        return Some(format!("the partition holds {accounts} accounts: limits.accounts of the rules"));
    }
    let is_known = account.is_some_and(|index| tables.find_user(index, &event.user).is_some());
    let brings_id = account.is_none() || (!event.user.is_empty() && !is_known);
    if ids_full && brings_id {
        return Some("the partition holds 4 GiB of ids: spread its accounts over more partitions".to_owned());
    }
    (users_full && !event.user.is_empty() && !is_known)
        .then(|| format!("the partition holds {users} users: limits.users of the rules"))
}
