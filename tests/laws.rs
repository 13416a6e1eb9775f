//! Property tests of the fold: laws that follow from the definitions and hold for every log, tested on random logs.
//!
//! A log that fails is shrunk and printed: add it as a scenario. `PROPTEST_CASES=5000 cargo test --test laws` tests
//! each law on this number of logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use upswell::engine::{Partition, Record};
use upswell::model::{
    Calendar, DAY_MS, DayRow, Effects, Event, EventKind, EventTime, Fields, HOUR_MS, Handoff, HandoffId, MINUTE_MS,
    MetricsRow, Outcome, Reason, SignalEntry, SignalKind, Wanted, WeekRow,
};
use upswell::rules::{self, Plan, TriggerKind};
use upswell::wire;

/// The first day of every log: Monday, 2026-01-05.
const FIRST_DAY: i64 = 20_458;
/// Accounts, and how many users each may have.
const ACCOUNTS: u8 = 2;
const USERS: u8 = 20;

/// What a user did.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Use,
    SignUp,
    ViewPricing,
    Request,
    ContactSales,
    Pay(bool),
    TakeEnterprise,
    Identify,
}

/// One event of a random log.
#[derive(Clone, Debug)]
struct Act {
    time: i64,
    /// How much later it arrives, within the allowed lateness.
    delay: i64,
    account: u8,
    user: u8,
    what: What,
}

/// How an account behaves over the weeks.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Steady,
    Growing,
    Fading,
    /// Many users arrive in its sixth week.
    Bursting,
    /// After three weeks it only views pricing.
    Looking,
}

impl Mood {
    fn users(self, day: i64) -> u8 {
        let week = (day / 7) as u8;
        match self {
            Mood::Steady | Mood::Looking => 6,
            Mood::Growing => (2 + 3 * (week / 2)).min(USERS),
            Mood::Fading => USERS.saturating_sub(3 * week).max(1),
            Mood::Bursting => [4, USERS][usize::from(week >= 5)],
        }
    }

    fn does(self, day: i64, what: What) -> What {
        match (self, what) {
            (Mood::Looking, What::Use | What::SignUp | What::Request | What::ContactSales) if day > 21 => {
                What::ViewPricing
            }
            _ => what,
        }
    }
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![Just(Mood::Steady), Just(Mood::Growing), Just(Mood::Fading), Just(Mood::Bursting), Just(Mood::Looking),]
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        40 => Just(What::Use),
        2 => Just(What::SignUp),
        6 => Just(What::ViewPricing),
        1 => Just(What::Request),
        1 => Just(What::ContactSales),
        1 => any::<bool>().prop_map(What::Pay),
        1 => Just(What::TakeEnterprise),
        1 => Just(What::Identify),
    ]
}

/// A time of day: at full ten minutes, where windows meet, or one millisecond before.
fn clock() -> impl Strategy<Value = i64> {
    (0..144_i64, 0..2_i64).prop_map(|(slot, before)| slot * 10 * MINUTE_MS + before * (10 * MINUTE_MS - 1))
}

/// A log of some months by time; with a silence of that many days in it.
fn log_with(silence: impl Strategy<Value = i64>) -> impl Strategy<Value = Vec<Act>> {
    let delay = prop_oneof![3 => Just(0), 2 => 0..=HOUR_MS, 1 => Just(HOUR_MS)];
    let raw = (0..84_i64, clock(), delay, 0..ACCOUNTS, 0..USERS, what());
    ([mood(), mood()], prop::collection::vec(raw, 0..400), 0..84_i64, silence).prop_map(
        |(moods, raw, silent_from, silence)| {
            let mut acts: Vec<Act> = raw
                .into_iter()
                .map(|(day, clock, delay, account, user, what)| {
                    let mood = moods[usize::from(account)];
                    let (user, what) = (user % mood.users(day), mood.does(day, what));
                    let day = FIRST_DAY + day + if day >= silent_from { silence } else { 0 };
                    Act { time: day * DAY_MS + clock, delay, account, user, what }
                })
                .collect();
            acts.sort_by_key(|act| act.time);
            acts
        },
    )
}

/// A log with absences around the time after which users are forgotten.
fn log() -> impl Strategy<Value = Vec<Act>> {
    log_with(prop_oneof![3 => Just(0_i64), 1 => Just(40), 1 => 399..403_i64, 1 => Just(460)])
}

/// A log in which no user is forgotten.
fn short_log() -> impl Strategy<Value = Vec<Act>> {
    log_with(0..40_i64)
}

/// A record of the log.
#[derive(Clone, Debug)]
struct Written {
    account: String,
    time: i64,
    arrives: i64,
    bytes: Vec<u8>,
}

/// The acts as records in the order of their times, moved by `shift` milliseconds, and a tick at the end.
fn write(acts: &[Act], shift: i64) -> Vec<Written> {
    let record = |(number, act): (usize, &Act)| {
        let time = act.time + shift;
        let account = account_name(act.account);
        Written { bytes: encode(act, number, &account, time), account, time, arrives: time + act.delay }
    };
    let mut log: Vec<Written> = acts.iter().enumerate().map(record).collect();
    let last = acts.last().map_or(FIRST_DAY * DAY_MS, |act| act.time) + shift;
    log.push(tick(last + 35 * DAY_MS));
    log
}

fn account_name(account: u8) -> String {
    format!("a{account}")
}

fn encode(act: &Act, number: usize, account: &str, time: i64) -> Vec<u8> {
    let (kind, name, properties) = match act.what {
        What::Use => (EventKind::Track, "Feature Used", "{}"),
        What::SignUp => (EventKind::Track, "Signed Up", "{}"),
        What::ViewPricing => (EventKind::Page, "Pricing", "{}"),
        What::Request => (EventKind::Track, "Enterprise Feature Requested", "{}"),
        What::ContactSales => (EventKind::Track, "Contact Sales", "{}"),
        What::Pay(true) => (EventKind::Track, "Subscription Changed", r#"{"plan":"team","paid":true}"#),
        What::Pay(false) => (EventKind::Track, "Subscription Changed", r#"{"plan":"free","paid":false}"#),
        What::TakeEnterprise => (EventKind::Track, "Subscription Changed", r#"{"plan":"Enterprise"}"#),
        What::Identify => (EventKind::Identify, "", "{}"),
    };
    wire::encode(&Event {
        message_id: format!("m{number}").into(),
        source: "app".into(),
        kind,
        name: name.into(),
        user: format!("u{}", act.user).into(),
        anonymous_id: "".into(),
        account: account.into(),
        time: EventTime(time),
        received: None,
        properties: Fields::Json(properties),
        traits: Fields::None,
        context: Fields::None,
        provenance: None,
    })
}

fn tick(time: i64) -> Written {
    let bytes = wire::encode_tick(wire::Format::Protobuf, EventTime(time));
    Written { account: String::new(), time, arrives: time, bytes }
}

/// An entry of the signals feed, with what its message says.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    account: String,
    at: EventTime,
    message_id: String,
    entry: SignalEntry,
}

/// What was published.
#[derive(Clone, Debug, PartialEq)]
enum Effect {
    Signal(Said),
    Handoff(Handoff),
}

impl Effect {
    fn account(&self) -> &str {
        match self {
            Effect::Signal(message) => &message.account,
            Effect::Handoff(handoff) => &handoff.account,
        }
    }

    fn at(&self) -> i64 {
        match self {
            Effect::Signal(message) => message.at.0,
            Effect::Handoff(handoff) => handoff.at.0,
        }
    }

    /// The same effect, of rules of this version.
    fn of_rules(mut self, version: &Arc<str>) -> Effect {
        if let Effect::Handoff(handoff) = &mut self {
            handoff.rules_version = Arc::clone(version);
        }
        self
    }

    /// The same effect of a log in which records have other places.
    fn anywhere(mut self) -> Effect {
        let evidence = match &mut self {
            Effect::Signal(said) => &mut said.entry.evidence,
            Effect::Handoff(handoff) => &mut handoff.evidence,
        };
        evidence.facts.iter_mut().for_each(|fact| fact.place = None);
        self
    }

    /// The same effect `ms` later.
    fn moved(mut self, ms: i64) -> Effect {
        let facts = match &mut self {
            Effect::Signal(message) => {
                message.at = message.at.plus(ms);
                &mut message.entry.evidence.facts
            }
            Effect::Handoff(handoff) => {
                handoff.at = handoff.at.plus(ms);
                handoff.due_from = handoff.due_from.map(|at| at.plus(ms));
                handoff.due = handoff.due.map(|at| at.plus(ms));
                handoff.not_before = handoff.not_before.plus(ms);
                handoff.id = HandoffId::new(&handoff.account, &handoff.trigger, handoff.at);
                let usage = &mut handoff.context.usage;
                usage.first_seen = usage.first_seen.map(|at| at.plus(ms));
                usage.last_seen = usage.last_seen.map(|at| at.plus(ms));
                usage.growth = usage.growth.map(|(growth, week)| (growth, week.plus((ms / (7 * DAY_MS)) as i32)));
                &mut handoff.evidence.facts
            }
        };
        facts.iter_mut().for_each(|fact| fact.at = fact.at.plus(ms));
        self
    }
}

/// The output of the fold: by record, signals before handoffs.
#[derive(Debug, Default, PartialEq)]
struct FoldOutput {
    steps: Vec<Vec<Effect>>,
    rows: Vec<MetricsRow>,
    outcomes: Vec<Outcome>,
}

impl FoldOutput {
    fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.steps.iter().flatten()
    }

    fn handoffs(&self) -> impl Iterator<Item = &Handoff> {
        self.effects().filter_map(|effect| match effect {
            Effect::Handoff(handoff) => Some(handoff),
            Effect::Signal(_) => None,
        })
    }

    /// Changes of signals: account, user and signal, the rungs, when and why.
    fn changes(&self) -> impl Iterator<Item = ((&str, &str, &str), (u8, u8), i64, Reason)> {
        self.effects().filter_map(|effect| match effect {
            Effect::Signal(Said { account, at, entry, .. }) => match &entry.kind {
                SignalKind::Changed(change) => {
                    let of = (&**account, &*entry.user, &*change.signal);
                    Some((of, (change.before, change.after), at.0, change.reason))
                }
                _ => None,
            },
            Effect::Handoff(_) => None,
        })
    }

    fn days(&self) -> impl Iterator<Item = &DayRow> {
        self.rows.iter().filter_map(|row| match row {
            MetricsRow::Day(row) => Some(row),
            MetricsRow::Week(_) => None,
        })
    }

    /// The rows in the order that they are published in.
    fn ordered_rows(&self) -> Vec<&MetricsRow> {
        let mut rows: Vec<&MetricsRow> = self.rows.iter().collect();
        rows.sort_by(|a, b| a.order().cmp(&b.order()));
        rows
    }
}

/// Folds records, and drops the effects of the first `mute` ones.
fn fold<'a>(records: impl IntoIterator<Item = &'a [u8]>, mute: usize) -> FoldOutput {
    fold_by(rules::default_plan(), records, mute)
}

/// Folds records with other rules than the default ones.
fn fold_by<'a>(plan: Arc<Plan>, records: impl IntoIterator<Item = &'a [u8]>, mute: usize) -> FoldOutput {
    let mut partition = Partition::new(plan);
    let mut effects = Effects::new(Wanted::ALL);
    let mut output = FoldOutput::default();
    for (number, bytes) in records.into_iter().enumerate() {
        let record = Record { offset: number as i64, time: None };
        for (index, decoded) in (0..).zip(wire::decode_admitting(wire::Admit::Any, wire::Format::Protobuf, bytes)) {
            let ready = rules::Ready::new(&decoded).expect("no rules");
            let outcome = partition.apply_one(record, index, &ready, &mut effects).outcome;
            if number >= mute {
                output.outcomes.push(outcome);
            }
        }
        if number >= mute {
            let signals = effects.signals.iter().flat_map(|message| {
                message.entries.iter().map(|entry| {
                    let (account, message_id) = (message.account.clone(), message.message_id.clone());
                    Effect::Signal(Said { account, at: message.at, message_id, entry: entry.clone() })
                })
            });
            output.steps.push(signals.chain(effects.handoffs.iter().cloned().map(Effect::Handoff)).collect());
            output.rows.extend(effects.metrics.iter().cloned());
        }
        effects.clear();
    }
    output
}

fn fold_log(log: &[Written]) -> FoldOutput {
    fold(log.iter().map(|record| &*record.bytes), 0)
}

/// The records in the order of their arrival.
fn by_arrival(mut log: Vec<Written>) -> Vec<Written> {
    log.sort_by_key(|record| record.arrives);
    log
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(64, |_| default.cases);
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn time_never_runs_backwards_within_an_account(acts in log()) {
        let output = fold_log(&by_arrival(write(&acts, 0)));
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for step in &output.steps {
            let mut newest = last.clone();
            // Signals and handoffs of one record come in two lists; each keeps the order.
            for handoffs in [false, true] {
                let mut last = last.clone();
                for effect in step.iter().filter(|effect| matches!(effect, Effect::Handoff(_)) == handoffs) {
                    let before = last.insert(effect.account(), effect.at()).unwrap_or(i64::MIN);
                    prop_assert!(effect.at() >= before, "{effect:?} after {before}");
                    let newest = newest.entry(effect.account()).or_insert(effect.at());
                    *newest = effect.at().max(*newest);
                }
            }
            last = newest;
        }
    }

    #[test]
    fn any_order_within_the_lateness_gives_the_same_metrics(acts in log()) {
        let log = write(&acts, 0);
        let (in_order, late) = (fold_log(&log), fold_log(&by_arrival(log)));
        prop_assert!(late.outcomes.iter().all(|outcome| *outcome == Outcome::Applied));
        prop_assert_eq!(in_order.ordered_rows(), late.ordered_rows());
    }

    #[test]
    fn splitting_the_log_anywhere_changes_nothing(acts in log(), at in any::<prop::sample::Index>()) {
        let log = by_arrival(write(&acts, 0));
        let at = at.index(log.len() + 1).min(log.len());
        let whole = fold_log(&log);
        let mut both = fold_log(&log[..at]);
        let rest = fold(log.iter().map(|record| &*record.bytes), at);
        both.steps.extend(rest.steps);
        both.rows.extend(rest.rows);
        both.outcomes.extend(rest.outcomes);
        prop_assert_eq!(whole, both);
    }

    #[test]
    fn packing_the_log_changes_nothing(acts in log(), size in 1..40_usize) {
        let log = by_arrival(write(&acts, 0));
        let alone = fold_log(&log);
        let packed: Vec<Vec<u8>> = log
            .chunk_by(|a, b| !a.account.is_empty() && !b.account.is_empty())
            .flat_map(|run| run.chunks(size))
            // A tick must be the only event of its record.
            .map(|chunk| match chunk {
                [tick] if tick.account.is_empty() => tick.bytes.clone(),
                chunk => wire::pack(chunk.iter().map(|record| record.bytes.clone()).collect()),
            })
            .collect();
        let packed = fold(packed.iter().map(|bytes| &**bytes), 0);
        prop_assert_eq!(&alone.outcomes, &packed.outcomes);
        prop_assert_eq!(&alone.rows, &packed.rows);
        for handoffs in [false, true] {
            let of = |output: &FoldOutput| -> Vec<Effect> {
                let kind = |effect: &&Effect| matches!(effect, Effect::Handoff(_)) == handoffs;
                output.effects().filter(kind).cloned().map(Effect::anywhere).collect()
            };
            prop_assert_eq!(of(&alone), of(&packed));
        }
    }

    #[test]
    fn doubling_every_record_within_the_window_changes_nothing(acts in log(), lag in 0..6_usize) {
        let log = by_arrival(write(&acts, 0));
        let once = fold_log(&log);
        let window_ms = rules::default_plan().time.dedupe_window_ms;
        let highest: Vec<i64> = log
            .iter()
            .scan(i64::MIN, |highest, record| {
                *highest = record.time.max(*highest);
                Some(*highest)
            })
            .collect();
        let mut doubled: Vec<&Written> = Vec::new();
        let mut is_copy = Vec::new();
        for (number, record) in log.iter().enumerate() {
            doubled.push(record);
            is_copy.push(false);
            // A copy of an earlier record if the dedupe window still has it, otherwise of this one.
            let earlier = number.saturating_sub(lag);
            let known = highest[number] - window_ms <= highest[earlier];
            doubled.push(if known { &log[earlier] } else { record });
            is_copy.push(true);
        }
        let twice = fold(doubled.iter().map(|record| &*record.bytes), 0);
        for ((outcome, is_copy), record) in twice.outcomes.iter().zip(&is_copy).zip(&doubled) {
            let expected = if *is_copy && !record.account.is_empty() { Outcome::Duplicate } else { Outcome::Applied };
            prop_assert_eq!(*outcome, expected);
        }
        prop_assert_eq!(&once.rows, &twice.rows);
        let anywhere = |output: &FoldOutput| -> Vec<Effect> { output.effects().cloned().map(Effect::anywhere).collect() };
        prop_assert_eq!(anywhere(&once), anywhere(&twice));
    }

    #[test]
    fn a_ladder_stands_on_one_rung_and_every_change_begins_where_the_last_ended(acts in log()) {
        let output = fold_log(&by_arrival(write(&acts, 0)));
        let mut rungs = BTreeMap::new();
        for (of, (before, after), ..) in output.changes() {
            prop_assert_ne!(before, after, "{:?}", of);
            let last = rungs.insert(of, after).unwrap_or(0);
            prop_assert_eq!(last, before, "{:?}", of);
            prop_assert!(after <= highest_rung(of.2), "{:?} stands on rung {}", of, after);
        }
    }

    #[test]
    fn fires_of_a_trigger_are_a_cooldown_apart(acts in log()) {
        let output = fold_log(&by_arrival(write(&acts, 0)));
        for trigger in &rules::default_plan().triggers {
            let mut last: BTreeMap<&str, i64> = BTreeMap::new();
            for handoff in output.handoffs().filter(|handoff| handoff.trigger == trigger.id) {
                let before = last.insert(&handoff.account, handoff.at.0);
                let cooldown_is_over = before.is_none_or(|before| handoff.at.0 - before >= trigger.cooldown_ms);
                prop_assert!(cooldown_is_over, "{} fired at {:?} and at {}", trigger.id, before, handoff.at.0);
            }
        }
    }

    #[test]
    fn between_two_fires_a_state_was_false(acts in log()) {
        let output = fold_log(&write(&acts, 0));
        for (account, trigger, user, fires) in fires_of_conditions(&output) {
            for pair in fires.windows(2) {
                let between = Between { output: &output, account, from: pair[0], to: pair[1] };
                let was_false = match trigger {
                    "five-new-users" => between.newcomers_were_false_for_seven_closes(),
                    "pricing-sessions" => between.fell("intent.pricing", user, 2) || between.paid(&acts),
                    "steady-growth" => between.fell("velocity.growth", "", 1) || between.week_did_not_rise(),
                    "user-hot" | "user-warm" => between.changed("score.band", user),
                    "at-risk" => between.fell("negative.declining", "", 1) || between.something_was_done(&acts),
                    other => panic!("a law for {other} is missing"),
                };
                prop_assert!(was_false, "{account} {user}: {trigger} fired at {pair:?} and was not false between");
            }
        }
    }

    #[test]
    fn a_fact_counts_to_the_last_millisecond_of_its_time(acts in short_log(), which in any::<prop::sample::Index>()) {
        let seen: Vec<usize> = (0..acts.len())
            .filter(|number| matches!(acts[*number].what, What::Request | What::ViewPricing))
            .collect();
        prop_assume!(!seen.is_empty());
        let last = *which.get(&seen);
        let act = &acts[last];
        let (signal, ttl_days) = match act.what {
            What::Request => ("intent.enterprise", 90),
            _ => ("intent.pricing", 30),
        };
        let end = act.time + ttl_days * DAY_MS;
        let (account, user) = (account_name(act.account), format!("u{}", act.user));
        let of = (&*account, &*user, signal);
        let mut log = write(&acts[..=last], 0);
        log.pop();
        log.push(tick(end - 1 + HOUR_MS));
        let on = fold_log(&log);
        let rung = on.changes().filter(|change| change.0 == of).last().map(|(_, (_, after), ..)| after);
        prop_assert!(rung.is_some_and(|rung| rung > 0), "{of:?} is off one millisecond before {end}");
        log.push(tick(end + HOUR_MS));
        let off = fold_log(&log);
        let last = off.changes().filter(|change| change.0 == of).last();
        let last = last.map(|(_, (_, after), at, reason)| (after, at, reason));
        prop_assert_eq!(last, Some((0, end, Reason::Lapsed)));
    }

    #[test]
    fn figures_bound_each_other(acts in log()) {
        let output = fold_log(&by_arrival(write(&acts, 0)));
        let mut weekly = BTreeMap::new();
        for row in output.days() {
            prop_assert!(row.mau > 0 && row.dau <= row.wau && row.wau <= row.mau, "{row:?}");
            prop_assert!(row.new_users <= row.dau && row.new_users_7d <= row.wau, "{row:?}");
            prop_assert!(row.new_users <= row.new_users_7d, "{row:?}");
            let share = |figure: Option<f64>| figure.is_none_or(|figure| (0.0..=1.0).contains(&figure));
            prop_assert!(share(row.stickiness) && share(row.spike_p), "{row:?}");
            weekly.insert((row.account.to_string(), row.day), row.wau);
        }
        for row in &output.rows {
            if let MetricsRow::Week(row) = row {
                let sunday = weekly.get(&(row.account.to_string(), row.week.sunday()));
                prop_assert_eq!(sunday, Some(&row.wau), "{:?}", row);
                prop_assert!(row.streak.is_none_or(|weeks| weeks <= 12), "{row:?}");
                prop_assert!(row.growth.is_none_or(|growth| growth >= -1.0), "{row:?}");
            }
        }
    }

    #[test]
    fn founders_and_new_users_are_all_users(acts in short_log()) {
        let output = fold_log(&by_arrival(write(&acts, 0)));
        for account in 0..ACCOUNTS {
            let active = || acts.iter().filter(|act| act.account == account && is_activity(act.what));
            let Some(founded) = active().next().map(|act| act.time.div_euclid(DAY_MS)) else { continue };
            let ever: BTreeSet<u8> = active().map(|act| act.user).collect();
            let on_first_day = active().filter(|act| act.time.div_euclid(DAY_MS) == founded);
            let founders: BTreeSet<u8> = on_first_day.map(|act| act.user).collect();
            let new: u32 =
                output.days().filter(|row| *row.account == *account_name(account)).map(|row| row.new_users).sum();
            prop_assert_eq!(founders.len() + new as usize, ever.len());
        }
    }

    #[test]
    fn ids_of_handoffs_are_unique(acts in log()) {
        let output = fold_log(&by_arrival(write(&acts, 0)));
        let mut ids = BTreeSet::new();
        for handoff in output.handoffs() {
            prop_assert_eq!(handoff.id, HandoffId::new(&handoff.account, &handoff.trigger, handoff.at));
            prop_assert!(ids.insert(handoff.id), "{handoff:?}");
        }
    }

    #[test]
    fn weeks_later_everything_is_the_same(acts in log(), weeks in -4_000..4_000_i64) {
        let (now, then) = (by_arrival(write(&acts, 0)), by_arrival(write(&acts, 7 * weeks * DAY_MS)));
        let (now, then) = (fold_log(&now), fold_log(&then));
        let days = 7 * weeks as i32;
        let rows: Vec<MetricsRow> = now.rows.iter().cloned().map(|row| moved_row(row, days, 7 * weeks * DAY_MS)).collect();
        prop_assert_eq!(&rows, &then.rows);
        let effects: Vec<Effect> = now.effects().cloned().map(|effect| effect.moved(7 * weeks * DAY_MS)).collect();
        prop_assert_eq!(effects, then.effects().cloned().collect::<Vec<_>>());
    }

    #[test]
    fn days_that_begin_earlier_are_the_same_days_of_earlier_events(acts in log(), steps in -56..=56_i64) {
        let minutes = 15 * steps;
        let here = fold_log(&by_arrival(write(&acts, 0)));
        let log = by_arrival(write(&acts, -minutes * MINUTE_MS));
        let there = fold_by(rules_of_offset(minutes), log.iter().map(|record| &*record.bytes), 0);
        let rows = here.rows.iter().cloned().map(|row| moved_row(row, 0, -minutes * MINUTE_MS));
        prop_assert_eq!(&rows.collect::<Vec<_>>(), &there.rows);
        let version = rules::default_plan().version.clone();
        let effects = |output: &FoldOutput, ms: i64| -> Vec<Effect> {
            output.effects().cloned().map(|effect| effect.moved(ms).of_rules(&version)).collect()
        };
        prop_assert_eq!(effects(&here, -minutes * MINUTE_MS), effects(&there, 0));
    }

    #[test]
    fn accounts_do_not_see_each_other(acts in log(), account in 0..ACCOUNTS) {
        let log = by_arrival(write(&acts, 0));
        let account = account_name(account);
        // Events of other accounts move time and change nothing else.
        let unless_its_own = |record: &Written| (record.account != account).then(|| tick(record.time));
        let alone: Vec<Written> =
            log.iter().map(|record| unless_its_own(record).unwrap_or_else(|| record.clone())).collect();
        let (together, alone) = (fold_log(&log), fold_log(&alone));
        prop_assert!(together.effects().filter(|effect| effect.account() == account).eq(alone.effects()));
        let its_own = |row: &&MetricsRow| row.order().2 == account;
        prop_assert!(together.rows.iter().filter(its_own).eq(alone.rows.iter()));
    }
}

/// The default rules, with days that begin `minutes` before those of UTC.
fn rules_of_offset(minutes: i64) -> Arc<Plan> {
    let (from, offset) = ("# utc_offset: \"-08:00\"", Calendar::ahead(minutes).expect("an offset"));
    assert!(rules::DEFAULT.contains(from));
    let text = rules::DEFAULT.replacen(from, &format!("utc_offset: \"{offset}\""), 1);
    let plan = Arc::new(rules::parse("offset", &text).expect("rules"));
    assert_eq!(plan.time.calendar, offset);
    plan
}

/// The highest rung of a signal of the feed.
fn highest_rung(id: &str) -> u8 {
    let plan = rules::default_plan();
    match id {
        "score.band" => 3,
        "score.tier" => plan.scores.tiers.len() as u8,
        "account.active_users" => plan.scores.active_users.len() as u8,
        _ => {
            let signals = plan.user_signals.iter().chain(&plan.account_signals);
            signals.filter(|signal| *signal.id == *id).map(|signal| signal.kind.rungs()).max().unwrap_or(0)
        }
    }
}

fn is_activity(what: What) -> bool {
    matches!(what, What::Use | What::SignUp | What::Request | What::ContactSales)
}

/// A row of so many days later, which closed so many milliseconds later.
fn moved_row(row: MetricsRow, days: i32, ms: i64) -> MetricsRow {
    match row {
        MetricsRow::Day(row) => MetricsRow::Day(DayRow { at: row.at.plus(ms), day: row.day.plus(days), ..row }),
        MetricsRow::Week(row) => {
            MetricsRow::Week(WeekRow { at: row.at.plus(ms), week: row.week.plus(days / 7), ..row })
        }
    }
}

/// When each condition trigger fired: account, trigger, user, and all instants.
fn fires_of_conditions(output: &FoldOutput) -> Vec<(&str, &str, &str, Vec<i64>)> {
    let plan = rules::default_plan();
    let is_state = |id: &str| {
        plan.triggers.iter().any(|trigger| *trigger.id == *id && matches!(trigger.kind, TriggerKind::Condition { .. }))
    };
    let mut fires: BTreeMap<(&str, &str, &str), Vec<i64>> = BTreeMap::new();
    for handoff in output.handoffs().filter(|handoff| is_state(&handoff.trigger)) {
        let users = handoff.user_ids.iter().map(|id| &**id);
        // A handoff about no user in particular is about the account.
        for user in users.chain(handoff.user_ids.is_empty().then_some("")) {
            fires.entry((&handoff.account, &handoff.trigger, user)).or_default().push(handoff.at.0);
        }
    }
    fires.into_iter().map(|((account, trigger, user), at)| (account, trigger, user, at)).collect()
}

/// What happened in an account between two firings.
struct Between<'a> {
    output: &'a FoldOutput,
    account: &'a str,
    from: i64,
    to: i64,
}

impl Between<'_> {
    fn holds(&self, at: i64) -> bool {
        self.from < at && at <= self.to
    }

    /// Whether a signal went below a rung.
    fn fell(&self, signal: &str, user: &str, below: u8) -> bool {
        let of = (self.account, user, signal);
        self.output.changes().any(|(who, (_, after), at, _)| who == of && after < below && self.holds(at))
    }

    /// Whether a signal changed, also at the instant of the first firing, because a late event can remove its evidence.
    fn changed(&self, signal: &str, user: &str) -> bool {
        let of = (self.account, user, signal);
        self.output.changes().any(|(who, _, at, _)| who == of && (self.from..=self.to).contains(&at))
    }

    /// Whether there was activity, or payment began or ended, from the day before the first firing on.
    fn something_was_done(&self, acts: &[Act]) -> bool {
        let from = self.from - self.from.rem_euclid(DAY_MS) - DAY_MS;
        let counts = |act: &&Act| is_activity(act.what) || matches!(act.what, What::Pay(_));
        let of_account = acts.iter().filter(|act| account_name(act.account) == self.account);
        of_account.filter(counts).any(|act| (from..=self.to).contains(&act.time))
    }

    fn paid(&self, acts: &[Act]) -> bool {
        let pays = |act: &&Act| act.what == What::Pay(true) && account_name(act.account) == self.account;
        acts.iter().filter(pays).any(|act| self.holds(act.time))
    }

    /// Whether a week closed that was not above the one four weeks before.
    fn week_did_not_rise(&self) -> bool {
        let weeks = |row: &MetricsRow| match row {
            MetricsRow::Week(row) if *row.account == *self.account => Some((row.week, row.wau)),
            _ => None,
        };
        let weeks: BTreeMap<_, _> = self.output.rows.iter().filter_map(weeks).collect();
        weeks.iter().any(|(week, wau)| {
            self.holds(Calendar::UTC.end(week.sunday()).0)
                && weeks.get(&week.plus(-4)).is_some_and(|before| wau <= before)
        })
    }

    /// Whether five new users, or the spike once that is known, were missing for seven closes in a row: six days
    /// from the first of them to the last, the lateness aside (semantics D24).
    fn newcomers_were_false_for_seven_closes(&self) -> bool {
        let of = (self.account, "", "velocity.user_adds");
        let mut turns: Vec<(i64, Option<u8>, Option<bool>)> = self
            .output
            .changes()
            .filter(|(who, ..)| *who == of)
            .map(|(_, (_, after), at, _)| (at, Some(after), None))
            .collect();
        let days = self.output.days().filter(|row| *row.account == *self.account);
        turns.extend(days.map(|row| (Calendar::UTC.end(row.day).0, None, Some(row.spike_p.is_some()))));
        turns.push((self.to, None, None));
        turns.sort_by_key(|turn| turn.0);
        let (mut rung, mut spike_known, mut false_since) = (0, false, Some(i64::MIN));
        let mut longest = 0;
        for (at, to_rung, to_known) in turns.into_iter().take_while(|turn| turn.0 <= self.to) {
            if let Some(since) = false_since {
                longest = longest.max(at - since.max(self.from));
            }
            (rung, spike_known) = (to_rung.unwrap_or(rung), to_known.unwrap_or(spike_known));
            let is_false = rung == 0 || (rung == 1 && spike_known);
            false_since = if is_false { false_since.or(Some(at)) } else { None };
        }
        longest >= 6 * DAY_MS - HOUR_MS
    }
}

/// Random logs contain all cases that the laws are about.
#[test]
fn random_logs_contain_what_the_laws_are_about() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..200 {
        let acts = log().new_tree(&mut runner).expect("a log can be made").current();
        let output = fold_log(&by_arrival(write(&acts, 0)));
        let mut count = |what: String| *seen.entry(what).or_default() += 1;
        for effect in output.effects() {
            match effect {
                Effect::Handoff(handoff) => count(handoff.trigger.to_string()),
                Effect::Signal(said) => {
                    if let SignalKind::Held { rail, .. } = &said.entry.kind {
                        count(rail.word().into());
                    }
                }
            }
        }
        output.changes().for_each(|(of, (before, after), _, reason)| {
            count(format!("{reason:?}"));
            count(format!("{} {before}→{after}", of.2));
        });
        for (_, trigger, _, fires) in fires_of_conditions(&output) {
            fires.windows(2).for_each(|_| count(format!("{trigger} again")));
        }
    }
    println!("{seen:#?}");
    for wanted in [
        "enterprise-request",
        "contact-sales",
        "five-new-users",
        "pricing-sessions",
        "steady-growth",
        "five-new-users again",
        "pricing-sessions again",
        "usage",
        "pacing",
        "Crossed",
        "Lapsed",
        "Closed",
        "Forgotten",
        "velocity.stickiness 1→2",
        "velocity.growth 0→1",
        "velocity.frequency 0→1",
        "velocity.user_adds 1→2",
        "intent.pricing 2→1",
        "intent.enterprise 1→0",
        "negative.inactive 0→1",
        "negative.declining 0→1",
    ] {
        assert!(seen.contains_key(wanted), "no random log showed {wanted}: {seen:#?}");
    }
}
