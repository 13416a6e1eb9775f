//! The reference model: a naive, independent implementation of docs/semantics.md, with which the simulation compares
//! the engine.
//!
//! It keeps every applied event and, for each account, the set of days on which each user was active, and computes
//! everything from these again whenever something is due. The only other state is what the definitions themselves
//! require: the rungs of signals, bands and tiers, what triggers have fired, and the watermark. Rules have a type of
//! its own ([`pack::Pack`]). It is not optimised for speed. "semantics C21" in a comment names the rule that a function
//! implements. Times are integer milliseconds of event time, UTC. Days are numbered from 1970-01-01 and begin where the
//! settings say (semantics A33).

mod account;
mod activation;
pub(crate) mod condition;
mod evidence;
mod facts;
mod handoff;
mod ids;
pub(crate) mod pack;
mod profiles;
pub(crate) mod roles;
mod score;
mod signals;
#[cfg(test)]
mod tests;
pub(crate) mod time;
mod trigger;

use std::collections::BTreeMap;

use account::Account;
use activation::{Renaming, Warming};
pub(crate) use ids::is_none;
use pack::Pack;
use roles::Role;
use serde_json::{Map, Value};
pub(crate) use time::date;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The last days that may still be corrected, before the first open day (semantics A11).
const CORRECTABLE_DAYS: i64 = 56;

/// One event of the log, in its place.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// The partition of the log.
    pub(crate) partition: i32,
    /// The offset of the record in the partition.
    pub(crate) offset: i64,
    /// The index of the event in the record.
    pub(crate) index: u32,
    /// The record's own time in milliseconds, where it has one.
    pub(crate) record_ms: Option<i64>,
    /// The event, or what is malformed about it.
    pub(crate) event: Result<Event, String>,
}

/// A decoded event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Identifies the event within its source; empty: never a duplicate.
    pub(crate) message_id: String,
    /// The producer.
    pub(crate) source: String,
    /// The kind of call.
    pub(crate) kind: Kind,
    /// The name of what was done, or of the page or screen.
    pub(crate) name: String,
    /// The user; empty if there is none.
    pub(crate) user: String,
    /// The account; empty only in control events.
    pub(crate) account: String,
    /// Event time, milliseconds.
    pub(crate) ms: i64,
    /// What is known of the event.
    pub(crate) properties: Map<String, Value>,
    /// What is known of the user or the account.
    pub(crate) traits: Map<String, Value>,
    /// Topic, partition and offset the event was brought from.
    pub(crate) provenance: Option<(String, i32, i64)>,
    /// The rules that an activation brings; none: rules that cannot be applied.
    pub(crate) rules: Option<&'static Pack>,
}

/// The kinds of call, with the kinds of control event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Track,
    Identify,
    Group,
    Page,
    Screen,
    Alias,
    Tick,
    RulesActivation,
    BackfillBegin,
    BackfillEnd,
    Forget,
}

/// What may be configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How far the watermark stays behind the highest accepted event time, milliseconds.
    pub(crate) allowed_lateness_ms: i64,
    /// How far an event may be ahead of its record's time, milliseconds.
    pub(crate) max_skew_ms: i64,
    /// How long an id is remembered, milliseconds of event time.
    pub(crate) dedupe_window_ms: i64,
    /// How many ids are remembered.
    pub(crate) dedupe_ids: usize,
    /// After how many days of absence a new life starts.
    pub(crate) forget_after_days: i64,
    /// What happened before is history and fires nothing, milliseconds.
    pub(crate) live_from_ms: Option<i64>,
    /// Whether the history of a backfill has begun and not ended (semantics A36).
    pub(crate) is_history: bool,
    /// Whether some do not count: the user u1, e-mail addresses at vendor.example, and what is_test marks
    /// (semantics A34).
    pub(crate) exclude: bool,
    /// The share of accounts that are held out, 0 to 1.
    pub(crate) holdout_share: f64,
    /// What the accounts held out are drawn by.
    pub(crate) holdout_salt: &'static str,
    /// Account ids are the same without regard to case and space.
    pub(crate) fold_ids: bool,
    /// The rules that apply.
    pub(crate) pack: &'static Pack,
    /// By so much the clocks by which days begin are ahead of UTC, milliseconds (semantics A33).
    pub(crate) utc_offset_ms: i64,
}

impl Settings {
    /// ⌊(ms + offset) / 86,400,000⌋ (semantics A33).
    pub(crate) fn day_of(&self, ms: i64) -> i64 {
        (ms + self.utc_offset_ms).div_euclid(DAY)
    }

    /// D · 86,400,000 − offset (semantics A33).
    pub(crate) fn start_of(&self, day: i64) -> i64 {
        day * DAY - self.utc_offset_ms
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_lateness_ms: HOUR,
            max_skew_ms: 5 * MINUTE,
            dedupe_window_ms: HOUR,
            dedupe_ids: 1_000_000,
            forget_after_days: 400,
            live_from_ms: None,
            is_history: false,
            exclude: false,
            holdout_share: 0.0,
            holdout_salt: "upswell",
            fold_ids: false,
            pack: &pack::DEFAULT,
            utc_offset_ms: 0,
        }
    }
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Applied,
    Duplicate,
    Replayed,
    Excluded,
    TooLate,
    FromTheFuture,
    Malformed,
    Refused,
}

/// Everything that follows from a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    /// Day and week rows, by (close instant, day before week, account) (semantics C19).
    pub(crate) metrics: Vec<Value>,
    /// Handoffs as canonical JSON, by causing input: who, what, when, through whom, evidence, score, top users without
    /// title and address, of `usage` only the counts of active users, of `money` only the potential.
    pub(crate) handoffs: Vec<Value>,
    /// The signals feed as canonical JSON, by causing input.
    pub(crate) signals: Vec<Value>,
    /// The onboarding tracks as canonical JSON, without `employees`, by causing input.
    pub(crate) onboarding: Vec<Value>,
    /// The profiles of accounts and users as canonical JSON, with `gone` for a tombstone, by causing input.
    pub(crate) profiles: Vec<Value>,
    /// Every remaining account at the end: score, tier, active users, departments, segment.
    pub(crate) accounts: Vec<Value>,
    /// Every remaining user at the end: score and band.
    pub(crate) users: Vec<Value>,
    /// One outcome per input.
    pub(crate) outcomes: Vec<Outcome>,
    /// What was wrong with ids, and how often.
    pub(crate) ids: BTreeMap<&'static str, u64>,
}

/// Computes everything that follows from a log.
pub(crate) fn run(input: &[Input], settings: &Settings) -> Output {
    let mut partitions: BTreeMap<i32, Partition> = BTreeMap::new();
    let mut output = Output::default();
    let mut rows = Vec::new();
    for event in input {
        let partition = partitions.entry(event.partition).or_insert_with(|| Partition::new(*settings));
        let named = event.event.as_ref().map(|event| ids::screen(event, settings.fold_ids));
        let (event, faults) = match named {
            Ok((Ok(screened), faults)) => (&Input { event: Ok(screened), ..event.clone() }, faults),
            Ok((Err(fault), _)) => (&Input { event: Err(fault.into()), ..event.clone() }, vec![fault]),
            Err(_) => (event, Vec::new()),
        };
        faults.into_iter().for_each(|fault| *output.ids.entry(fault).or_insert(0) += 1);
        output.outcomes.push(partition.take(event));
        for account in partition.accounts.values_mut() {
            if partition.settings.is_history {
                account.drop_effects();
            }
            output.handoffs.append(&mut account.handoffs);
            output.signals.append(&mut account.feed);
            output.onboarding.append(&mut account.onboarding);
            output.profiles.append(&mut account.profiles);
            rows.append(&mut account.rows);
        }
    }
    for account in partitions.values().flat_map(|partition| partition.accounts.values()) {
        output.accounts.extend(account.profile());
        output.users.extend(account.user_profiles());
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    output.metrics = rows.into_iter().map(|row| row.value).collect();
    output
}

/// The entries of the signals feed, each with the account and the instant of its record.
pub(crate) fn entries(feed: &[Value]) -> Vec<Value> {
    let of = |record: &Value| {
        let entries = record["entries"].as_array().cloned().unwrap_or_default();
        let (account, at) = (record["account"].clone(), record["atMs"].clone());
        entries.into_iter().map(move |mut entry| {
            (entry["account"], entry["atMs"]) = (account.clone(), at.clone());
            entry
        })
    };
    feed.iter().flat_map(of).collect()
}

impl Event {
    fn role(&self) -> Option<Role> {
        roles::role(self.kind, &self.name)
    }

    /// A track event with a user whose role is not passive (semantics B1).
    fn is_activity(&self) -> bool {
        self.kind == Kind::Track && !self.user.is_empty() && !self.role().is_some_and(Role::is_passive)
    }

    /// Too late hits only activity, counts and signals: control, traits, subscriptions, leads of marketing and outcomes
    /// are always taken (semantics A12).
    fn may_be_too_late(&self) -> bool {
        matches!(self.kind, Kind::Track | Kind::Page | Kind::Screen | Kind::Alias) && !self.is_taken_all_the_same()
    }

    /// Traits, subscriptions, leads of marketing and outcomes (semantics A12, A34).
    fn is_taken_all_the_same(&self) -> bool {
        let always = |role: Role| matches!(role, Role::SubscriptionChanged | Role::MqlCreated) || role.is_outcome();
        matches!(self.kind, Kind::Identify | Kind::Group) || self.role().is_some_and(always)
    }

    /// A text that the event carries; empty is none.
    fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property)?.as_str().filter(|text| !text.is_empty())
    }

    fn is_control(&self) -> bool {
        matches!(self.kind, Kind::Tick | Kind::RulesActivation | Kind::Forget) || self.marks_history()
    }

    fn marks_history(&self) -> bool {
        matches!(self.kind, Kind::BackfillBegin | Kind::BackfillEnd)
    }
}

/// An e-mail address at the excluded host.
fn is_of_the_vendor(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, host)| host.trim().eq_ignore_ascii_case("vendor.example"))
}

/// One partition of the log.
struct Partition {
    settings: Settings,
    /// The highest accepted event time.
    highest: Option<i64>,
    /// The day of the first accepted record (semantics B17).
    first_day: i64,
    /// Source, id and the highest accepted event time when it was applied, in log order (semantics A20).
    applied_ids: Vec<(String, String, i64)>,
    /// The highest offset seen of each source partition.
    seen: BTreeMap<(String, i32), i64>,
    accounts: BTreeMap<String, Account>,
    /// The signals that no close has decided yet by the rules that apply.
    warming: Warming,
}

impl Partition {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            highest: None,
            first_day: 0,
            applied_ids: Vec::new(),
            seen: BTreeMap::new(),
            accounts: BTreeMap::new(),
            warming: Warming::new(),
        }
    }

    fn watermark(&self) -> Option<i64> {
        self.highest.map(|highest| highest - self.settings.allowed_lateness_ms)
    }

    /// Decide, raise the watermark, run what is due, apply, evaluate (semantics A14).
    fn take(&mut self, input: &Input) -> Outcome {
        let Ok(event) = &input.event else {
            return Outcome::Malformed;
        };
        let outcome = self.decide(event, input.record_ms);
        self.note_provenance(event);
        if !matches!(outcome, Outcome::Applied | Outcome::Excluded) {
            return outcome;
        }
        if let Some(rules) = event.rules {
            self.activate(rules, (input.offset, input.index));
            return outcome;
        }
        if event.marks_history() {
            self.mark_history(event.kind == Kind::BackfillBegin);
            return outcome;
        }
        if event.kind == Kind::Forget {
            self.forget(event, (input.offset, input.index));
            return outcome;
        }
        self.raise(event);
        if !event.message_id.is_empty() {
            let highest = self.highest.unwrap_or(event.ms);
            self.applied_ids.push((event.source.clone(), event.message_id.clone(), highest));
        }
        if event.kind != Kind::Tick {
            self.apply(event, (input.offset, input.index), outcome == Outcome::Excluded);
        }
        outcome
    }

    /// The order of the tests on an event (semantics A13).
    fn decide(&self, event: &Event, record_ms: Option<i64>) -> Outcome {
        if event.account.is_empty() && !event.is_control() {
            Outcome::Malformed
        } else if record_ms.is_some_and(|record_ms| event.ms > record_ms + self.settings.max_skew_ms) {
            Outcome::FromTheFuture
        } else if self.is_replayed(event) {
            Outcome::Replayed
        } else if self.is_duplicate(event) {
            Outcome::Duplicate
        } else if self.is_excluded(event) {
            Outcome::Excluded
        } else if self.is_too_late(event) {
            Outcome::TooLate
        } else if event.kind == Kind::RulesActivation && event.rules.is_none()
            || event.kind == Kind::Forget && event.user.is_empty()
            || self.is_misplaced_mark(event.kind)
        {
            Outcome::Refused
        } else {
            Outcome::Applied
        }
    }

    /// History begins where there is none, and ends where there is (semantics A36).
    fn is_misplaced_mark(&self, kind: Kind) -> bool {
        match kind {
            Kind::BackfillBegin => self.settings.is_history,
            Kind::BackfillEnd => !self.settings.is_history,
            _ => false,
        }
    }

    /// When history ends all profiles are published.
    fn mark_history(&mut self, begins: bool) {
        self.settings.is_history = begins;
        let watermark = self.watermark().unwrap_or_default();
        for account in self.accounts.values_mut() {
            account.mark_history(begins, watermark);
        }
    }

    fn is_replayed(&self, event: &Event) -> bool {
        event.provenance.as_ref().is_some_and(|(topic, partition, offset)| {
            self.seen.get(&(topic.clone(), *partition)).is_some_and(|highest| offset <= highest)
        })
    }

    fn note_provenance(&mut self, event: &Event) {
        if let Some((topic, partition, offset)) = &event.provenance {
            let highest = self.seen.entry((topic.clone(), *partition)).or_insert(*offset);
            *highest = (*highest).max(*offset);
        }
    }

    /// Remembered while the window has not passed and fewer than `dedupe_ids` newer ids came (semantics A20, A21).
    fn is_duplicate(&self, event: &Event) -> bool {
        let Some(highest) = self.highest else {
            return false;
        };
        let newest = self.applied_ids.iter().rev().take(self.settings.dedupe_ids);
        !event.message_id.is_empty()
            && newest
                .take_while(|(_, _, at)| highest - self.settings.dedupe_window_ms <= *at)
                .any(|(source, id, _)| *source == event.source && *id == event.message_id)
    }

    /// Whether an event is excluded, by itself or by what is known of its user when it arrives (semantics A34).
    fn is_excluded(&self, event: &Event) -> bool {
        let told = if matches!(event.kind, Kind::Identify | Kind::Group) { &event.traits } else { &event.properties };
        let stated = || (event.role() == Some(Role::Profile)).then(|| event.traits.get("email")?.as_str()).flatten();
        let by_address = || match stated() {
            Some(address) => is_of_the_vendor(address),
            None => self.accounts.get(&event.account).is_some_and(|account| account.is_excluded(&event.user)),
        };
        self.settings.exclude
            && !event.is_control()
            && (event.user == "u1"
                || told.get("is_test") == Some(&Value::Bool(true))
                || (!event.user.is_empty() && by_address()))
    }

    /// Too late iff `day < O − 56` (semantics A11, A12).
    fn is_too_late(&self, event: &Event) -> bool {
        let Some(watermark) = self.watermark() else {
            return false;
        };
        let day_of = |ms| self.settings.day_of(ms);
        event.may_be_too_late() && day_of(event.ms) < day_of(watermark) - CORRECTABLE_DAYS
    }

    /// Raises the watermark and runs what is due: for every account when it rose, for the event's own always.
    fn raise(&mut self, event: &Event) {
        if self.highest.is_none() {
            self.first_day = self.settings.day_of(event.ms);
        }
        let rose = self.highest.is_none_or(|highest| event.ms > highest);
        if rose {
            self.highest = Some(event.ms);
        }
        let watermark = self.watermark().unwrap_or(event.ms);
        for account in self.accounts.values_mut().filter(|account| rose || account.name == event.account) {
            account.run_due(watermark);
        }
    }

    /// Other rules apply to all that comes; no time passes (semantics A4, A27). The same rules change nothing.
    fn activate(&mut self, rules: &'static Pack, place: (i64, u32)) {
        let (before, watermark) = (std::mem::replace(&mut self.settings.pack, rules), self.watermark());
        let Some(watermark) = watermark.filter(|_| before != rules) else {
            return;
        };
        let renaming = Renaming::new(before, rules);
        self.warming = renaming.warming(&self.warming, self.settings.day_of(watermark));
        for account in self.accounts.values_mut() {
            account.by = Some(place);
            account.activate(&renaming, &self.warming);
            account.by = None;
        }
    }

    /// Erases a user, of one account or of all (semantics B15).
    fn forget(&mut self, event: &Event, place: (i64, u32)) {
        let Some(watermark) = self.watermark() else { return };
        let named = if self.settings.fold_ids { event.account.trim().to_lowercase() } else { event.account.clone() };
        for account in self.accounts.values_mut().filter(|account| named.is_empty() || account.name == named) {
            // What a late event waits for is over.
            account.run_due(watermark);
            account.by = Some(place);
            account.erase(&event.user);
            account.by = None;
        }
    }

    fn apply(&mut self, event: &Event, place: (i64, u32), is_excluded: bool) {
        if is_excluded && !event.is_taken_all_the_same() {
            return;
        }
        let clock = self.watermark().unwrap_or(event.ms);
        let new = || {
            let account = Account::new(&event.account, self.settings, self.first_day, clock);
            Account { warming: self.warming.clone(), ..account }
        };
        let account = self.accounts.entry(event.account.clone()).or_insert_with(new);
        if is_excluded {
            account.take_traits(event, place);
        } else {
            account.apply(event, place);
        }
    }
}
