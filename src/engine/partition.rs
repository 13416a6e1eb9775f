//! One partition of the log: what becomes of each event, and in which order time moves.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::activation::{self, Renaming, Warming};
use super::close;
use super::people;
use super::picture;
use super::score;
use super::sighting::{self, Sighted};
use super::signals::{self, Context, WHOLE_ACCOUNT, Work};
use super::state::account::Activity;
use super::state::counts::EVENTS;
use super::state::dedupe::{self, Recent};
use super::state::due::Due;
use super::state::timers::{Clock, Timer, Timers};
use super::state::word::Flag;
use super::state::{Account, Tables, tables};
use super::trigger::{self, Moment, News, Occurrence};
use super::velocity;
use super::visits;
use crate::model::{
    Day, DeadLetter, Effects, Event, EventKind, EventTime, Field, MetricsRow, Outcome, Place, Provenance, Reason, Role,
    Snapshots, Tally,
};
use crate::rules::{Error, Figure, Plan, Reads, Ready, RoleSet};

/// Days before the first open one that late events can still correct: eight weeks (semantics A11).
const CORRECTABLE_DAYS: i32 = 56;

/// Characters of a dead letter's explanation: it must fit into a record beside the payload.
const DETAIL_MAX: usize = 300;

/// Where a record stands, and its own time.
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
    clock: Clock,
    timers: Timers,
    recent: Recent,
    /// By source topic and partition: the highest offset read, and the offset of the record that brought it.
    sources: HashMap<String, HashMap<i32, (i64, i64), FixedState>, FixedState>,
    tables: Tables,
    /// Who is visited at which close.
    due: Due,
    /// Whether anybody asks for profiles: they are rows of accounts and users as they stand.
    profiles: bool,
    /// Accounts that changed since their last snapshot.
    dirty: Vec<u32>,
    warming: Warming,
    /// Memory of single steps, kept for the next.
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    work: Work,
    timers: Vec<(u32, Timer)>,
    accounts: Vec<u32>,
    users: Vec<(u32, u32)>,
}

/// The close of a day for one account.
struct Close<'a> {
    day: Day,
    /// Signals that it decides for the first time.
    warm: Reads,
    /// The users to visit, each after the account.
    users: &'a [(u32, u32)],
}

/// An event that counts, and where it stands.
struct Applied<'a> {
    it: &'a Sighted<'a>,
    /// Whether it is activity, or lets signals speak; traits of long ago do not.
    counts: bool,
    /// Whether only its traits are taken (semantics A34).
    excluded: bool,
}

impl Partition {
    /// A partition before its first record.
    pub fn new(plan: Arc<Plan>) -> Partition {
        Partition {
            clock: Clock::new(&plan.time),
            timers: Timers::default(),
            recent: Recent::new(plan.time.dedupe_window_ms, plan.time.dedupe_ids),
            sources: HashMap::default(),
            tables: Tables::new(),
            due: Due::default(),
            profiles: true,
            dirty: Vec::new(),
            warming: Warming::default(),
            scratch: Scratch::default(),
            plan,
        }
    }

    /// The rules that apply.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// No event that is still to come counts before this instant; none before the first record.
    pub fn watermark(&self) -> Option<EventTime> {
        self.clock.watermark()
    }

    /// The first day that has not closed; none before the first record.
    pub fn open_day(&self) -> Option<Day> {
        self.clock.open_day()
    }

    /// The highest event time accepted; none before the first record.
    pub fn highest(&self) -> Option<EventTime> {
        self.clock.highest()
    }

    /// Accounts held.
    pub fn accounts(&self) -> usize {
        self.tables.accounts()
    }

    /// Users held.
    pub fn users(&self) -> usize {
        self.tables.users()
    }

    /// Nobody asks for [`Partition::snapshots`]: closes need not visit accounts for their sake.
    #[must_use]
    pub fn without_profiles(mut self) -> Partition {
        self.profiles = false;
        self
    }

    /// Folds one record in: each of its events ends in one [`Outcome`], and what follows is pushed to `effects`.
    pub fn apply<'a>(
        &mut self,
        record: Record,
        events: impl Iterator<Item = Ready<'a>>,
        effects: &mut Effects,
    ) -> Tally {
        let mut tally = Tally::default();
        for (index, ready) in (0..).zip(events) {
            let (outcome, has_forbidden) = self.screen_and_apply(record, index, &ready, effects);
            tally.count(outcome);
            tally.zoneless += u64::from(ready.loose.zoneless);
            tally.left_out += u64::from(ready.loose.left_out);
            tally.forbidden_ids += u64::from(has_forbidden);
            let unnamed = |event: &Event<'_>| event.message_id.is_empty() && !event.account.is_empty();
            tally.without_id += u64::from(ready.event.as_ref().is_ok_and(unnamed));
        }
        tally
    }

    /// Folds one event of a record in.
    pub fn apply_one(&mut self, record: Record, index: u32, ready: &Ready<'_>, effects: &mut Effects) -> Outcome {
        self.screen_and_apply(record, index, ready, effects).0
    }

    /// Folds one event of a record in, without the ids that the rules forbid; and whether it has such.
    fn screen_and_apply(
        &mut self,
        record: Record,
        index: u32,
        ready: &Ready<'_>,
        effects: &mut Effects,
    ) -> (Outcome, bool) {
        let place = Place { offset: record.offset, index };
        let mut has_forbidden = false;
        let (outcome, detail) = match (&ready.event, ready.rules()) {
            (Ok(event), Some(rules)) => self.apply_rules(rules, event, effects),
            (Ok(event), None) => match self.plan.ids.screen(event) {
                Ok(None) => self.apply_event(event, place, record.time.or(event.received), effects),
                Ok(Some(event)) => {
                    has_forbidden = true;
                    self.apply_event(&event, place, record.time.or(event.received), effects)
                }
                Err(what) => (Outcome::Malformed, what),
            },
            (Err(malformed), _) => (Outcome::Malformed, malformed.0.clone()),
        };
        if matches!(outcome, Outcome::Malformed | Outcome::FromTheFuture | Outcome::TooLate | Outcome::Refused) {
            // An error may quote what it met; the payload says all of it.
            let detail = detail.chars().take(DETAIL_MAX).collect();
            let payload = ready.raw.to_vec();
            effects.dead_letters.push(DeadLetter { reason: outcome, detail, payload, place, record_time: record.time });
        }
        (outcome, has_forbidden)
    }

    /// Decides, raises the watermark, runs what is due, applies (semantics A13, A14). The text explains a dead letter.
    fn apply_event(
        &mut self,
        event: &Event<'_>,
        place: Place,
        record_time: Option<EventTime>,
        effects: &mut Effects,
    ) -> (Outcome, String) {
        let ahead_ms = record_time.map_or(i64::MIN, |record| event.time.0.saturating_sub(record.0));
        if ahead_ms > self.plan.time.max_skew_ms {
            self.mark_read(event.provenance.as_ref(), place);
            return (Outcome::FromTheFuture, format!("its time is {ahead_ms} ms ahead of its record's"));
        }
        if event.kind == EventKind::Tick {
            self.accept(event.time, effects);
            return (Outcome::Applied, String::new());
        }
        if self.mark_read(event.provenance.as_ref(), place) {
            return (Outcome::Replayed, String::new());
        }
        let id = dedupe::id(event);
        if self.recent.has(id, self.clock.highest()) {
            return (Outcome::Duplicate, String::new());
        }
        let roles = self.plan.roles.of(event);
        let it = Sighted { event, roles, place, day: self.plan.time.calendar.day(event.time) };
        if self.is_excluded(event, &it.roles) {
            return self.exclude(it, effects);
        }
        let days_late = self.clock.open_day().map_or(0, |open| open.0 - it.day.0);
        let keeps_traits = matches!(event.kind, EventKind::Identify | EventKind::Group) || it.roles.is_timeless();
        if days_late > CORRECTABLE_DAYS && !keeps_traits {
            return (Outcome::TooLate, format!("its day lies {days_late} days before the first open one"));
        }
        if let Some(refusal) = self.refusal(event) {
            self.accept(event.time, effects);
            return (Outcome::Refused, refusal);
        }
        self.accept(event.time, effects);
        if let Some(highest) = self.clock.highest() {
            self.recent.insert(id, highest);
        }
        let counts = days_late <= CORRECTABLE_DAYS;
        self.apply_to_account(&Applied { it: &it, counts, excluded: false }, effects);
        (Outcome::Applied, String::new())
    }

    /// Whether an event does not count: by itself, or by the e-mail address of its user, as it states or as is known.
    fn is_excluded(&mut self, event: &Event<'_>, roles: &RoleSet) -> bool {
        let exclude = &self.plan.exclude;
        if exclude.is_empty() {
            return false;
        }
        let mut known = || {
            let index = self.tables.find_account(tables::hash_account(&event.account), &event.account)?;
            let account = self.tables.account(index);
            Some(account.more(account.find_user(&event.user)?)?.excluded)
        };
        let mut by_host = || people::states_excluded(&self.plan, roles, event).or_else(&mut known).unwrap_or(false);
        exclude.has_event(event) || (exclude.has_hosts() && !event.user.is_empty() && by_host())
    }

    /// Moves time by an event that does not count, and takes its traits (semantics A34).
    fn exclude(&mut self, it: Sighted<'_>, effects: &mut Effects) -> (Outcome, String) {
        let refusal = self.refusal(it.event).filter(|_| it.roles.is_timeless());
        self.accept(it.event.time, effects);
        if let Some(refusal) = refusal {
            return (Outcome::Refused, refusal);
        }
        if let Some(highest) = self.clock.highest() {
            self.recent.insert(dedupe::id(it.event), highest);
        }
        if it.roles.is_timeless() {
            self.apply_to_account(&Applied { it: &it, counts: false, excluded: true }, effects);
        }
        (Outcome::Excluded, String::new())
    }

    /// Notes that a place of a source was read; returns whether it had been before, in an earlier record.
    fn mark_read(&mut self, source: Option<&Provenance<'_>>, place: Place) -> bool {
        let Some(source) = source else { return false };
        if !self.sources.contains_key(&*source.topic) {
            self.sources.insert(source.topic.to_string(), HashMap::default());
        }
        let Some(partitions) = self.sources.get_mut(&*source.topic) else { return false };
        let (highest, brought_by) = partitions.entry(source.partition).or_insert((i64::MIN, place.offset));
        let known = source.offset < *highest || (source.offset == *highest && place.offset != *brought_by);
        if source.offset > *highest {
            (*highest, *brought_by) = (source.offset, place.offset);
        }
        known
    }

    /// Follows the rules that an event activates, if they can take the place of the present ones. It moves no time, so it
    /// is never from the future.
    fn apply_rules(
        &mut self,
        rules: Result<&Arc<Plan>, &Error>,
        event: &Event<'_>,
        effects: &mut Effects,
    ) -> (Outcome, String) {
        match rules {
            Err(error) => (Outcome::Refused, error.to_string()),
            Ok(plan) if plan.time != self.plan.time => {
                let why = "`time` of the rules cannot change in a log: what has closed stays closed";
                (Outcome::Refused, why.to_owned())
            }
            Ok(plan) if plan.ids != self.plan.ids => {
                let why = "`ids` of the rules cannot change in a log: who is who stays so";
                (Outcome::Refused, why.to_owned())
            }
            Ok(plan) => {
                self.activate(Arc::clone(plan), event, effects);
                (Outcome::Applied, String::new())
            }
        }
    }

    /// Other rules apply to all that comes. That is at a place in the log, not at an instant: no time passes.
    fn activate(&mut self, after: Arc<Plan>, event: &Event<'_>, effects: &mut Effects) {
        if after.version == self.plan.version {
            return;
        }
        let before = std::mem::replace(&mut self.plan, Arc::clone(&after));
        let Some(now) = self.clock.watermark() else { return };
        let renaming = Renaming::new(&before, &after);
        self.warming = renaming.warming(self.warming);
        self.timers.rename(|user, slot| renaming.slot(user, slot));
        for index in self.tables.account_indices() {
            let mut account = self.tables.account(index);
            account.close_up_to(self.plan.time.calendar.day(now).plus(-1));
            self.due.accounts.touch(&mut account.due, index);
            for user in account.user_indices() {
                self.due.users.touch(&mut account.user_mut(user).due, user);
            }
            let mut context = Context {
                plan: &before,
                effects,
                timers: &mut self.timers,
                due: &mut self.due,
                index,
                cause: now,
                message_id: &event.message_id,
                now,
                log_began: self.clock.first_day(),
                warming: self.warming,
                profiles: self.profiles,
                work: self.scratch.work.anew(),
            };
            activation::activate(&renaming, &mut context, &mut account);
            self.list(index);
        }
    }

    /// Why there is no room for what the event brings, if so.
    fn refusal(&self, event: &Event<'_>) -> Option<String> {
        let (accounts_full, users_full) =
            (self.accounts() >= self.plan.accounts_max, self.users() >= self.plan.users_max);
        let ids_full = self.tables.ids_are_full();
        if !accounts_full && !users_full && !ids_full {
            return None;
        }
        let account = self.tables.find_account(tables::hash_account(&event.account), &event.account);
        if account.is_none() && accounts_full {
            return Some(format!("the partition holds {} accounts: limits.accounts of the rules", self.accounts()));
        }
        let is_known = account.is_some_and(|index| self.tables.find_user(index, &event.user).is_some());
        let brings_id = account.is_none() || (!event.user.is_empty() && !is_known);
        if ids_full && brings_id {
            return Some("the partition holds 4 GiB of ids: spread its accounts over more partitions".to_owned());
        }
        (users_full && !event.user.is_empty() && !is_known)
            .then(|| format!("the partition holds {} users: limits.users of the rules", self.users()))
    }

    /// Tells how accounts and users stand that changed since this was last asked: one snapshot of each.
    pub fn snapshots(&mut self, told: &mut Snapshots) {
        let Some(now) = self.clock.watermark() else { return };
        let mut dirty = std::mem::take(&mut self.dirty);
        dirty.sort_by(|a, b| self.tables.account_id(*a).cmp(self.tables.account_id(*b)));
        let mut effects = Effects::default();
        for index in dirty {
            let mut account = self.tables.account(index);
            // Figures are those of the day that had closed when something changed last.
            let as_of = account.as_of.min(now);
            let context = Context {
                plan: &self.plan,
                effects: &mut effects,
                timers: &mut self.timers,
                due: &mut self.due,
                index,
                cause: as_of,
                message_id: "",
                now: as_of,
                log_began: self.clock.first_day(),
                warming: self.warming,
                profiles: self.profiles,
                work: self.scratch.work.anew(),
            };
            told.accounts.push(picture::account_snapshot(&context, &account));
            let mut users: Vec<u32> =
                account.users().filter(|(_, user)| user.word.is(Flag::Dirty)).map(|(user, _)| user).collect();
            users.sort_by(|a, b| account.user_id(*a).cmp(account.user_id(*b)));
            for user in users {
                // Who was never active is no user yet (semantics B4).
                if !account.user(user).days.is_never() {
                    told.users.push(picture::user_snapshot(&context, &account, user));
                }
                account.user_mut(user).word.set(Flag::Dirty, false);
            }
            account.word.set(Flag::Dirty, false);
            account.word.set(Flag::LISTED, false);
        }
    }

    /// Takes what changed so far as told: somebody else has told it.
    pub fn skip_snapshots(&mut self) {
        for index in std::mem::take(&mut self.dirty) {
            let mut account = self.tables.account(index);
            account.word.set(Flag::Dirty, false);
            account.word.set(Flag::LISTED, false);
            for user in account.user_indices() {
                account.user_mut(user).word.set(Flag::Dirty, false);
            }
        }
    }

    /// Puts an account that changed on the list of those whose snapshot is to be told.
    fn list(&mut self, index: u32) {
        let mut account = self.tables.account(index);
        if self.profiles && account.word.is(Flag::Dirty) && !account.word.is(Flag::LISTED) {
            account.word.set(Flag::LISTED, true);
            self.dirty.push(index);
        }
    }

    fn apply_to_account(&mut self, applied: &Applied<'_>, effects: &mut Effects) {
        let Some(now) = self.clock.watermark() else { return };
        let last_closed = self.plan.time.calendar.day(now).plus(-1);
        let id = &*applied.it.event.account;
        let hash = tables::hash_account(id);
        let known = self.tables.find_account(hash, id);
        let index = known.unwrap_or_else(|| self.tables.insert_account(hash, id, last_closed));
        let mut account = self.tables.account(index);
        account.close_up_to(last_closed);
        self.due.accounts.touch(&mut account.due, index);
        let newest = account.newest;
        if !applied.excluded {
            account.newest = newest.max(applied.it.day);
        }
        let mut context = Context {
            plan: &self.plan,
            effects,
            timers: &mut self.timers,
            due: &mut self.due,
            index,
            cause: applied.it.event.time,
            message_id: &applied.it.event.message_id,
            now,
            log_began: self.clock.first_day(),
            warming: self.warming,
            profiles: self.profiles,
            work: self.scratch.work.anew(),
        };
        applied.run(&mut context, &mut account, newest);
        self.list(index);
        // A late event can begin to wait for what is already over.
        while let Some(at) = self.timers.next().filter(|at| *at <= now) {
            self.run_timers(at, now, effects);
        }
    }

    /// An event of this time was accepted: raises the watermark and runs what is due up to it, instant by instant.
    fn accept(&mut self, time: EventTime, effects: &mut Effects) {
        let before = self.clock.open_day();
        self.clock.accept(time);
        let (Some(watermark), Some(first_open)) = (self.clock.watermark(), before.or(self.clock.open_day())) else {
            return;
        };
        let (mut open, calendar) = (first_open, self.plan.time.calendar);
        loop {
            let timer = self.timers.next().filter(|at| *at <= watermark);
            // At closes before the next visit nobody has work: on to it, or to the day of the next timer.
            let visit = self.due.next().unwrap_or(Day(i32::MAX));
            open = open.max(visit.min(calendar.day(timer.unwrap_or(watermark))));
            let close = Some(calendar.end(open)).filter(|at| *at <= watermark);
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
        let mut accounts = std::mem::take(&mut self.scratch.accounts);
        let mut users = std::mem::take(&mut self.scratch.users);
        self.due.take(day, &mut self.tables, &mut accounts, &mut users);
        accounts.extend(timers.iter().map(|(account, _)| *account));
        accounts.sort_unstable();
        accounts.dedup();
        let (mut rest_of_timers, mut rest_of_users) = (&timers[..], &users[..]);
        for &index in &accounts {
            let of_account;
            (of_account, rest_of_timers) = split_while(rest_of_timers, |it| it.0 == index);
            let of_users;
            (of_users, rest_of_users) = split_while(rest_of_users, |it| it.0 == index);
            self.run_due(index, (at, at), of_account, Some(Close { day, warm, users: of_users }), effects);
        }
        accounts.clear();
        users.clear();
        (self.scratch.accounts, self.scratch.users, self.scratch.timers) = (accounts, users, timers);
    }

    fn take_timers(&mut self, at: EventTime) -> Vec<(u32, Timer)> {
        let mut due = std::mem::take(&mut self.scratch.timers);
        due.clear();
        while let Some(entry) = self.timers.take(at) {
            due.push(entry);
        }
        due
    }

    /// Runs what is due for an account at one instant: facts that end, who is forgotten, the close of a day and of a
    /// week, then the triggers (semantics A15).
    fn run_due(
        &mut self,
        index: u32,
        (at, now): (EventTime, EventTime),
        timers: &[(u32, Timer)],
        closes: Option<Close<'_>>,
        effects: &mut Effects,
    ) {
        let mut account = self.tables.account(index);
        account.close_up_to(self.plan.time.calendar.day(now).plus(-1));
        let mut context = Context {
            plan: &self.plan,
            effects,
            timers: &mut self.timers,
            due: &mut self.due,
            index,
            cause: at,
            message_id: "",
            now,
            log_began: self.clock.first_day(),
            warming: self.warming,
            profiles: self.profiles,
            work: self.scratch.work.anew(),
        };
        let is_over = run_due(&mut context, &mut account, at, timers, closes);
        if is_over {
            self.tables.remove_account(index);
        } else {
            self.list(index);
        }
    }
}

/// See [`Partition::run_due`]; returns whether the account is over.
fn run_due(
    context: &mut Context<'_>,
    account: &mut Account<'_>,
    at: EventTime,
    timers: &[(u32, Timer)],
    closes: Option<Close<'_>>,
) -> bool {
    sighting::lapse(context, account, timers);
    let mut moment = Moment::Due;
    if let Some(Close { day, warm, users }) = &closes {
        signals::forget(context, account, users);
        moment = Moment::DayClose;
        // These signals are known from now on: conditions that read them are evaluated although no level changed.
        context.work.changed = context.work.changed.union(*warm);
        if warm.users != 0 {
            context.work.touched.extend(account.user_indices());
        }
        if let Some(closed) = close::close_day(context, account, *day, users)
            && let Some(rows) = &mut context.effects.metrics
        {
            rows.extend(closed.day_row(account).map(MetricsRow::Day));
            rows.extend(closed.week_row(account).map(MetricsRow::Week));
        }
    }
    // All that is due at one instant is one step (semantics A15), also where the day closed before.
    let closes_day =
        closes.is_some() || (at == context.now && at == context.plan.time.calendar.start(context.open_day()));
    if closes.is_some() || context.has_work() {
        score::settle(context, account, if closes_day { Reason::Closed } else { Reason::Lapsed });
    }
    let under_way = account.rare().is_some_and(|rare| rare.triggers.are_under_way());
    if under_way || context.work.changed.meet(context.plan.index.reads) {
        trigger::evaluate(context, account, &[], moment);
    }
    let Some(Close { day, users, .. }) = closes else { return false };
    account.drop_former_lives(context.open_day());
    visits::after_close(context, account, day, users);
    visits::is_over(context, account)
}

/// The rows at the front for which something holds, and the others.
fn split_while<T>(rows: &[T], is: impl Fn(&T) -> bool) -> (&[T], &[T]) {
    rows.split_at(rows.iter().take_while(|row| is(row)).count())
}

impl Applied<'_> {
    /// Takes the event into the account, whose newest day so far is given.
    fn run(&self, context: &mut Context<'_>, account: &mut Account<'_>, newest: Day) {
        let Applied { it, counts, excluded } = *self;
        let Sighted { event, roles, .. } = it;
        // Of somebody who does not count, there is nothing to keep but traits.
        let user = match event.user.is_empty() {
            true => None,
            false if excluded && !roles.has(Role::Profile) => account.find_user(&event.user),
            false => Some(account.find_or_insert_user(&event.user)),
        };
        let signs_up = counts && roles.has(Role::SignedUp);
        let (first_before, users_ever_before) = (account.first(), account.users_ever);
        // Who leaves has left before anybody is counted: an event is applied whole (semantics A14).
        if let Some(member) = self.leaves(context, account, user).filter(|_| counts) {
            signals::remove_member(context, account, member, event.time);
        }
        let noted = user.filter(|_| !excluded);
        let activity = self.note_activity(context, account, noted, signs_up);
        if first_before.is_some_and(|before| account.first().is_some_and(|first| first > before)) {
            trigger::begin_life(context.plan, account, WHOLE_ACCOUNT);
        }
        if let Some(user) = user.filter(|_| activity == Activity::Begins) {
            trigger::begin_life(context.plan, account, user);
        }
        let taken = if roles.is_timeless() { self.take_traits(context, account, user) } else { Default::default() };
        if counts {
            self.prove(context, account, user, activity, (signs_up, taken.created));
        }
        if account.first() != first_before {
            signals::after_founding(context, account);
        } else if taken.created || signs_up || account.newest > newest {
            signals::learn_of_newcomers(context, account, newest, taken.created || signs_up);
        }
        if account.users_ever != users_ever_before {
            context.work.changed.figure(Figure::Users);
            if account.users_ever <= 2 {
                // Whoever is not the only user any more may not decide alone.
                account.touch_users(context.when(account));
                context.anybody_may_buy(account);
            }
            signals::settle_ages(context, account);
        }
        let mut occurrences: Vec<Occurrence<'_>> = Vec::new();
        let news = News { plan: taken.plan.as_deref(), new_user: counts && activity == Activity::Begins };
        if !excluded {
            trigger::pulses(context, account, user, it, news, &mut occurrences);
        }
        if context.has_work() || taken.traits || (account.track.is_none() && !excluded) {
            context.publish_changes(account, Reason::Crossed);
        }
        let usage_comes = activity != Activity::Known && trigger::wants_usage(account);
        let answered = trigger::answer(context.plan, account, it);
        // On another day the activity of the last 28 may be over, and with it the usage fact of what waits.
        let under_way = || account.rare().is_some_and(|rare| rare.triggers.are_under_way());
        let another_day = account.newest > newest && under_way();
        let lifts = usage_comes || answered || another_day || account.word.is(Flag::FIRED) || taken.traits;
        account.word.set(Flag::FIRED, false);
        if lifts || !occurrences.is_empty() || context.work.changed.meet(context.plan.index.reads) {
            trigger::evaluate(context, account, &occurrences, if lifts { Moment::Due } else { Moment::Event });
        }
    }

    /// Who was active when, and since when they are here.
    fn note_activity(
        &self,
        context: &mut Context<'_>,
        account: &mut Account<'_>,
        user: Option<u32>,
        signs_up: bool,
    ) -> Activity {
        let Applied { it, counts, .. } = *self;
        let Sighted { event, roles, .. } = it;
        let mut activity = Activity::Known;
        if let Some(user) = user {
            let mut was_absent = false;
            if counts && event.kind == EventKind::Track && roles.is_activity() {
                was_absent = velocity::is_absent(account.user(user).days, context.last_closed(), 7);
                activity = account.add_activity(user, (event.time, it.day), context.plan.time.forget_after_days);
                context.work.forget_figures();
                account.add_to(EVENTS, it.day.0, 1);
            }
            if activity != Activity::Known && it.day <= context.last_closed() {
                signals::correct_closed_days(context);
            }
            let state = account.user_mut(user);
            state.note_event(event.time, signs_up);
            context.due.users.touch(&mut state.due, user);
            if activity != Activity::Known || signs_up {
                account.touch_user(user, context.when(account));
            }
            if activity == Activity::Begins {
                context.work.scored.push(user);
            }
            if was_absent || matches!(activity, Activity::Begins | Activity::Earlier) {
                signals::learn_of_user(context, user);
            }
            if activity != Activity::Known && account.idle_days > 0 {
                account.idle_days = 0;
                context.work.changed.figure(Figure::IdleDays);
            }
        }
        if signs_up {
            account.add_sign_up(event.time);
        }
        activity
    }

    /// Traits are taken whenever they were said.
    fn take_traits(&self, context: &mut Context<'_>, account: &mut Account<'_>, user: Option<u32>) -> people::Taken {
        let taken = people::take(context.plan, account, user, self.it);
        if taken.profile {
            if let Some(user) = user.filter(|_| context.plan.exclude.has_hosts()) {
                signals::exclude_by_host(context, account, user, self.it.event.time);
            }
            signals::after_running(context, account);
            context.work.changed.figure(Figure::UserBuys);
            context.work.touched.extend(user);
            user.into_iter().for_each(|user| account.touch_user(user, context.when(account)));
        }
        if taken.traits {
            signals::after_traits(context, account);
            account.touch_users(context.when(account));
            context.anybody_may_buy(account);
        }
        if taken.lead {
            account.touch(context.when(account));
        }
        taken
    }

    /// Who leaves the account, if the event says so: the member that it names, else its own user.
    fn leaves(&self, context: &Context<'_>, account: &Account<'_>, user: Option<u32>) -> Option<u32> {
        if !self.it.roles.has(Role::MemberRemoved) {
            return None;
        }
        match self.it.text(context.plan, Role::MemberRemoved, Field::Member) {
            Some(member) => account.find_user(&member),
            None => user,
        }
    }

    /// What the event proves at once.
    fn prove(
        &self,
        context: &mut Context<'_>,
        account: &mut Account<'_>,
        user: Option<u32>,
        activity: Activity,
        (signs_up, created): (bool, bool),
    ) {
        let newly = activity != Activity::Known;
        let time = self.it.event.time;
        let Sighted { event, roles, .. } = self.it;
        if let Some(user) = user.filter(|_| event.kind == EventKind::Track && roles.is_activity())
            && self.leaves(context, account, Some(user)) != Some(user)
        {
            signals::return_member(context, account, user, time);
        }
        if let Some(user) = user.filter(|_| newly) {
            signals::after_activity(context, account, user, self.it.day);
        }
        if created {
            sighting::after_birth(context, account);
        } else if matches!(activity, Activity::Begins | Activity::Earlier) || signs_up {
            signals::after_newcomer(context, account);
        }
        if !self.it.roles.is_empty() {
            sighting::after_sighting(context, account, user, self.it);
        }
    }
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
                let ready = Ready::new(decoded).expect("rules of this version");
                let outcome = partition.apply_one(Record { offset, time: None }, 0, &ready, &mut Effects::default());
                assert_eq!(outcome, Outcome::Applied);
            }
        };
        fold(&mut partition, 0, event.as_bytes());
        assert_eq!(partition.tables.account(0).active_users, 1);
        partition.tables.account(0).active_users += 1;
        fold(&mut partition, 1, &wire::encode_tick(Format::Json, EventTime(1_772_600_000_000)));
    }
}
