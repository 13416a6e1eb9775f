//! One partition of the log: decides which record is next, which day closes, and what is due at which instant. `step`
//! applies it to an account.

pub(super) mod ahead;
mod control;
pub(super) mod reshard;
mod snapshot;
mod trail;

use std::sync::Arc;

use super::context::{By, Context, MatchedEvent, Warming};
use super::handoff_context;
use super::state::due::Due;
use super::state::timers::{Timer, Timers};
use super::state::{Account, Tables};
use super::step::admit::Admission;
use super::step::update::Takes;
use super::step::{self, Close, Delta, Step};
use crate::model::{
    AccountProfile, Day, DeadLetter, Effects, Event, EventKind, EventTime, HandoffContext, Keys, Outcome, Place, Tally,
    UserProfile, Wanted,
};
use crate::rules::{Plan, Ready};
use crate::wire::BATCH;
use trail::Trail;

/// Characters of a dead letter's explanation: it must fit into a record beside the payload.
const DETAIL_MAX: usize = 300;

/// The place of a record, and its own time.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The offset in the partition.
    pub offset: i64,
    /// The time that the log gave it; none where there is no log.
    pub time: Option<EventTime>,
}

/// A partition of the log, folded up to some offset.
#[derive(Debug)]
pub struct Partition {
    plan: Arc<Plan>,
    admission: Admission,
    timers: Timers,
    tables: Tables,
    /// Which accounts and users are visited at which close.
    due: Due,
    warming: Warming,
    trail: Trail,
    /// Whether the history of a backfill has begun and not ended.
    is_history: bool,
    /// The offsets of the logs before this one, whose state it goes on from: places are counted on from them.
    passed: i64,
    /// Buffers of a step, reused by the next one.
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    delta: Delta,
    timers: Vec<(u32, Timer)>,
}

/// An account as it is at some offset.
#[derive(Debug)]
pub struct Standing {
    /// Its profile.
    pub profile: AccountProfile,
    /// What a handoff would say of it.
    pub context: HandoffContext,
    /// The profiles of its users, by id.
    pub users: Vec<UserProfile>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug)]
pub struct Folded {
    /// Its outcome.
    pub outcome: Outcome,
    /// It counts as activity only, because no mapping covers its name (semantics §4).
    pub is_unmapped: bool,
    /// The number of accounts from which it erased a user (semantics B15).
    pub erased: u32,
    /// It has a user, anonymous or message id that the rules forbid.
    has_forbidden_id: bool,
}

/// A [`Step`] of an account of a partition: borrows what it works with, and leaves the tables free.
macro_rules! take_step {
    ($partition:ident, $effects:expr, $index:expr, $cause:expr, $by:expr, $now:expr, $open_day:expr) => {
        Step {
            context: Context {
                plan: &$partition.plan,
                cause: $cause,
                by: $by,
                now: $now,
                open_day: $open_day,
                log_began: $partition.admission.clock.first_day(),
                is_history: $partition.is_history,
                warming: &$partition.warming,
            },
            effects: $effects,
            timers: &mut $partition.timers,
            due: &mut $partition.due,
            index: $index,
            delta: $partition.scratch.delta.anew(),
        }
    };
}
use take_step;

impl Partition {
    /// A partition before its first record.
    pub fn new(plan: Arc<Plan>) -> Partition {
        let mut tables = Tables::new();
        tables.hold_levels(plan.user_signals.len(), plan.account_signals.len());
        Partition {
            admission: Admission::new(&plan.time),
            timers: Timers::default(),
            tables,
            due: Due::default(),
            warming: Warming::default(),
            trail: Trail::default(),
            is_history: false,
            passed: 0,
            scratch: Scratch::default(),
            plan,
        }
    }

    /// The rules that apply.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The watermark: days that end at or before it are closed; none before the first record.
    pub fn watermark(&self) -> Option<EventTime> {
        self.admission.clock.watermark()
    }

    /// The first day that has not closed; none before the first record.
    pub fn open_day(&self) -> Option<Day> {
        self.admission.clock.open_day()
    }

    /// The highest event time accepted; none before the first record.
    pub fn highest(&self) -> Option<EventTime> {
        self.admission.clock.highest()
    }

    /// A hash of what was made of the log: the outcome of every event at its place, and all handoffs. Two folds of the same
    /// log by the same rules and the same version of the program have the same one.
    pub fn trail(&self) -> u64 {
        self.trail.number()
    }

    /// Accounts held.
    pub fn accounts(&self) -> usize {
        self.tables.accounts()
    }

    /// Users held.
    pub fn users(&self) -> usize {
        self.tables.users()
    }

    /// Whether folding the event adds neither an account nor a user.
    pub fn knows(&self, ready: &Ready<'_>) -> bool {
        let Some(event) = ready.event.as_ref().ok().filter(|event| !event.kind.is_control()) else { return true };
        let (account, user) = self.tables.find(ready.keys(), event.account.as_bytes(), event.user.as_bytes());
        account.is_some() && (event.user.is_empty() || user.is_some())
    }

    /// The bytes that each part of the state takes, without texts that are allocated one by one.
    pub fn bytes(&self) -> Vec<(&'static str, usize)> {
        let (timers, ids, visits) = (self.timers.bytes(), self.admission.bytes(), self.due.bytes());
        let mut all = self.tables.bytes();
        all.extend([("timers", timers), ("message ids", ids), ("visits", visits)]);
        all
    }

    /// Folds one record: each of its events ends in one [`Outcome`], and its effects are pushed to `effects`.
    pub fn apply<'a>(
        &mut self,
        record: Record,
        events: impl Iterator<Item = Ready<'a>>,
        effects: &mut Effects,
    ) -> Tally {
        let mut tally = Tally::default();
        for (index, ready) in (0..).zip(events) {
            let _ = self.apply_and_count(record, index, &ready, effects, &mut tally);
        }
        tally
    }

    /// Folds one event of a record, and counts it.
    pub fn apply_and_count(
        &mut self,
        record: Record,
        index: u32,
        ready: &Ready<'_>,
        effects: &mut Effects,
        tally: &mut Tally,
    ) -> Folded {
        let folded = self.apply_one(record, index, ready, effects);
        tally.count(folded.outcome);
        tally.zoneless += u64::from(ready.loose.zoneless);
        tally.left_out += u64::from(ready.loose.left_out);
        tally.forbidden_ids += u64::from(folded.has_forbidden_id);
        let unnamed = |event: &Event<'_>| event.message_id.is_empty() && !event.kind.is_control();
        tally.without_id += u64::from(ready.event.as_ref().is_ok_and(unnamed));
        folded
    }

    /// Folds one event of a record, without the ids that the rules forbid. Of history only dead letters are pushed to
    /// `effects`; where it ends, all profiles.
    pub fn apply_one(&mut self, record: Record, index: u32, ready: &Ready<'_>, effects: &mut Effects) -> Folded {
        if self.is_history {
            return self.apply_history(effects, |it, unseen| it.apply_any(record, index, ready, unseen));
        }
        self.apply_any(record, index, ready, effects)
    }

    fn apply_any(&mut self, record: Record, index: u32, ready: &Ready<'_>, effects: &mut Effects) -> Folded {
        let place = Place { offset: record.offset, index };
        let counted = Place { offset: self.passed + record.offset, index };
        let (handoffs, entries) = (effects.handoffs.len(), effects.entries);
        let (outcome, erased) = (Outcome::Malformed, 0);
        let mut folded = Folded { outcome, is_unmapped: false, erased, has_forbidden_id: false };
        let mut detail = String::new();
        match &ready.event {
            Ok(event) if event.kind.is_control() && event.kind != EventKind::Tick => {
                detail = self.control(event, ready, counted, effects, &mut folded);
            }
            Ok(event) => match if ready.is_screened { Ok(false) } else { self.plan.ids.screen(event) } {
                Ok(has_forbidden_id) => {
                    folded.has_forbidden_id = has_forbidden_id;
                    let screened = has_forbidden_id.then(|| Box::new(self.plan.ids.without_forbidden(event)));
                    let time = record.time.or(event.received);
                    let event = (screened.as_deref().unwrap_or(event), ready.keys());
                    detail = self.apply_event(event, counted, time, effects, &mut folded);
                }
                Err(what) => detail = what,
            },
            Err(malformed) => detail.clone_from(&malformed.0),
        }
        let outcome = folded.outcome;
        self.trail.leave(place, outcome, effects.entries - entries, &effects.handoffs[handoffs..]);
        if matches!(outcome, Outcome::Malformed | Outcome::FromTheFuture | Outcome::TooLate | Outcome::Refused) {
            // An error may quote what it met; the payload says all of it.
            let detail = detail.chars().take(DETAIL_MAX).collect();
            let payload = ready.raw.to_vec();
            effects.dead_letters.push(DeadLetter { reason: outcome, detail, payload, place, record_time: record.time });
        }
        folded
    }

    /// Decides, raises the watermark, runs what is due, applies (semantics A13, A14). The text explains a dead letter.
    fn apply_event(
        &mut self,
        (event, keys): (&Event<'_>, &Keys),
        place: Place,
        record_time: Option<EventTime>,
        effects: &mut Effects,
        folded: &mut Folded,
    ) -> String {
        let (roles, day) = (self.plan.roles.of(event), self.plan.time.calendar.day(event.time));
        let mut it = MatchedEvent { event, keys, user: None, roles, place, day };
        let decision = self.admission.decide(&self.plan, &mut self.tables, &it, record_time);
        if decision.moves_time {
            self.accept(event.time, effects);
        }
        if decision.is_remembered {
            self.admission.remember(&it);
        }
        if let Some(takes) = decision.takes {
            folded.is_unmapped = takes != Takes::Traits && it.roles.is_unmapped(event);
            self.apply_to_account(&mut it, takes, effects);
        }
        folded.outcome = decision.outcome;
        decision.detail
    }

    /// Pushes the profiles of all accounts and users as they are now, accounts by id.
    pub fn all_profiles(&mut self, effects: &mut Effects) {
        let mut indices = Vec::from_iter(self.tables.account_indices());
        indices.sort_by(|a, b| self.tables.account_id(*a).cmp(self.tables.account_id(*b)));
        for index in indices {
            let _ = self.look_at(index, effects, step::profiles);
        }
    }

    /// An account as it is now, if there is one of this id.
    pub fn standing(&mut self, account: &str) -> Option<Standing> {
        let id = account.as_bytes();
        let index = self.tables.find_account(Keys::hash_account(id), id)?;
        let mut effects = Effects::new(Wanted::ALL);
        let context = self.look_at(index, &mut effects, |step, account| {
            step::profiles(step, account);
            handoff_context::of_account(step, account, None)
        })?;
        Some(Standing { profile: effects.accounts.pop()?, context, users: effects.users })
    }

    /// Looks at an account as it is now; none before the first record.
    fn look_at<T>(
        &mut self,
        index: u32,
        effects: &mut Effects,
        look: impl FnOnce(&mut Step<'_>, &mut Account<'_>) -> T,
    ) -> Option<T> {
        self.step_of(index, By::default(), effects, look)
    }

    /// Takes a step of an account in which no time passes; none before the first record.
    fn step_of<T>(
        &mut self,
        index: u32,
        by: By<'_>,
        effects: &mut Effects,
        take: impl FnOnce(&mut Step<'_>, &mut Account<'_>) -> T,
    ) -> Option<T> {
        let now = self.admission.clock.watermark()?;
        let (mut account, open_day) = (Account::new(&mut self.tables, index), self.plan.time.calendar.day(now));
        account.close_up_to(open_day.plus(-1));
        let mut step = take_step!(self, effects, index, now, by, now, open_day);
        Some(take(&mut step, &mut account))
    }

    fn apply_to_account(&mut self, it: &mut MatchedEvent<'_>, takes: Takes, effects: &mut Effects) {
        let clock = &self.admission.clock;
        let (Some(now), Some(open_day)) = (clock.watermark(), clock.open_day()) else { return };
        let last_closed = open_day.plus(-1);
        let (id, user) = (&it.event.account, &it.event.user);
        let account;
        (account, it.user) = self.tables.find(it.keys, id.as_bytes(), user.as_bytes());
        let index = account.unwrap_or_else(|| self.tables.insert_account(it.keys.account, id, last_closed));
        let mut account = Account::new(&mut self.tables, index);
        account.close_up_to(last_closed);
        self.due.accounts.touch(&mut account.due, index);
        let by = By { message_id: Some(&it.event.message_id), place: Some(it.place.into()) };
        let mut step = take_step!(self, effects, index, it.event.time, by, now, open_day);
        step::of_event(&mut step, &mut account, it, takes);
        // A late event can set a timer for an instant that has passed.
        while let Some(at) = self.timers.next().filter(|at| *at <= now) {
            self.run_timers(at, now, effects);
        }
    }

    /// An event of this time was accepted: raises the watermark and runs what is due up to it, instant by instant.
    fn accept(&mut self, time: EventTime, effects: &mut Effects) {
        let before = self.admission.clock.open_day();
        self.admission.clock.accept(time);
        let clock = &self.admission.clock;
        let (Some(watermark), Some(open_day)) = (clock.watermark(), clock.open_day()) else { return };
        let (mut open, calendar) = (before.unwrap_or(open_day), self.plan.time.calendar);
        loop {
            let timer = self.timers.next().filter(|at| *at <= watermark);
            let mut close = None;
            if open < open_day {
                // The closes before the next visit visit no row: skip to it, or to the day of the next timer.
                let visit = self.due.next().unwrap_or(Day(i32::MAX));
                open = open.max(visit.min(timer.map_or(open_day, |at| calendar.day(at))));
                close = (open < open_day).then(|| calendar.end(open));
            }
            match (timer, close) {
                (None, None) => return,
                (Some(at), None) => self.run_timers(at, at, effects),
                (Some(at), Some(close)) if at < close => self.run_timers(at, at, effects),
                (_, Some(close)) => {
                    self.close_day(open, close, effects);
                    open = open.plus(1);
                }
            }
        }
    }

    /// Runs the work that is due at an instant at which no day closes.
    fn run_timers(&mut self, at: EventTime, now: EventTime, effects: &mut Effects) {
        let timers = self.take_timers(at);
        for of_account in timers.chunk_by(|a, b| a.0 == b.0) {
            self.run_due(of_account[0].0, (at, now), of_account, None, effects);
        }
        self.scratch.timers = timers;
    }

    /// Closes a day at its end, together with what else is due at that instant: account by account.
    fn close_day(&mut self, day: Day, at: EventTime, effects: &mut Effects) {
        let warm = self.warming.end_at(day);
        let timers = self.take_timers(at);
        let (mut accounts, mut users) = (Vec::new(), Vec::new());
        self.tables.take_due(&mut self.due, day, &mut accounts, &mut users);
        if !timers.is_empty() {
            accounts.extend(timers.iter().map(|(account, _)| *account));
            // A stable sort merges the two sorted runs.
            accounts.sort();
            accounts.dedup();
        }
        let (mut rest_of_timers, mut rest_of_users) = (&timers[..], &users[..]);
        for together in accounts.chunks(BATCH) {
            let last = together.last().copied().unwrap_or_default();
            self.tables.touch_visits(together, split_while(rest_of_users, |it| it.0 <= last).0);
            for &index in together {
                let of_account;
                (of_account, rest_of_timers) = split_while(rest_of_timers, |it| it.0 == index);
                let of_users;
                (of_users, rest_of_users) = split_while(rest_of_users, |it| it.0 == index);
                self.run_due(index, (at, at), of_account, Some(Close { day, at, warm, users: of_users }), effects);
            }
        }
        self.scratch.timers = timers;
    }

    fn take_timers(&mut self, at: EventTime) -> Vec<(u32, Timer)> {
        let mut due = std::mem::take(&mut self.scratch.timers);
        due.clear();
        while let Some(entry) = self.timers.take(at) {
            due.push(entry);
        }
        due
    }

    /// Runs what is due for an account at one instant.
    fn run_due(
        &mut self,
        index: u32,
        (at, now): (EventTime, EventTime),
        timers: &[(u32, Timer)],
        closes: Option<Close<'_>>,
        effects: &mut Effects,
    ) {
        let (mut account, open_day) = (Account::new(&mut self.tables, index), self.plan.time.calendar.day(now));
        account.close_up_to(open_day.plus(-1));
        let mut step = take_step!(self, effects, index, at, By::default(), now, open_day);
        let is_over = step::of_due_work(&mut step, &mut account, at, timers, closes);
        if is_over {
            self.tables.remove_account(index);
        }
    }
}

/// The rows at the front for which `is` holds, and the others.
fn split_while<T>(rows: &[T], is: impl Fn(&T) -> bool) -> (&[T], &[T]) {
    rows.split_at(rows.iter().take_while(|row| is(row)).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules;
    use crate::wire::{self, Format};

    #[test]
    #[should_panic(expected = "running users of acme")]
    fn a_wrong_count_stops_the_process() {
        let mut partition = Partition::new(rules::load(None).expect("the default rules"));
        let event = r#"{"type":"track","event":"Feature Used","messageId":"m","userId":"u",
                        "timestamp":"2026-03-02T10:00:00Z","context":{"groupId":"acme"}}"#;
        let fold = |partition: &mut Partition, offset, bytes: &[u8]| {
            for decoded in wire::decode_admitting(wire::Admit::Any, Format::Json, bytes) {
                let ready = Ready::new(&decoded).expect("rules of this version");
                let outcome =
                    partition.apply_one(Record { offset, time: None }, 0, &ready, &mut Effects::new(Wanted::ALL));
                assert_eq!(outcome.outcome, Outcome::Applied);
            }
        };
        fold(&mut partition, 0, event.as_bytes());
        assert_eq!(Account::new(&mut partition.tables, 0).active_users, 1);
        Account::new(&mut partition.tables, 0).active_users += 1;
        fold(&mut partition, 1, &wire::encode_tick(Format::Json, EventTime(1_772_600_000_000)));
    }
}
