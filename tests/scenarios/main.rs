//! What Upswell says and when, as stories: who did what on which day, and everything that must come of it.
//!
//! Each test is a text of stories, and what stands before its first story is told in each of them. A story is a table.
//! Day 1 is a Monday; columns are separated by two or more spaces; `#` begins a remark.
//!
//! ```text
//! proves  intent.pricing, E6                               rows of the catalogue and rules that the test decides
//! story  its name
//! pack   early                                             the rules that ship under this name, not the default pack
//! rules  rails holdout share: 0.5                          the pack with another value, set by its path
//! day 1          acme  ann signs up; bob, cy use editor    what happened, in an account
//! day 2–5, 9     acme  u1–u20 use editor                   on several days, by several users
//! day 2 10:00 arriving day 3    acme  ann uses editor      an event that comes late; it says when it was received
//! again arriving day 3                                     the line before once more, with its message ids
//! day 2          acme  ann uses editor    → too-late       what becomes of it, if it is not applied
//! until end of day 9                                       the watermark reaches this instant
//! activate day 9  rails usage: false                       once the watermark is there: the rules with another value,
//!                                                          `as before`, or what is written
//! watch intent.pricing, bands, occurrences, holds               what is compared besides handoffs
//! expect day 9   acme  MEDIUM five-new-users due day 11–12 a handoff, a change, an occurrence or a hold
//! figures day 9  acme  dau 3, stickiness unknown           some figures of a closed day, week, or none
//! profile        acme  score 95, tier T3                   some of what the account's last profile says
//! profile        acme ann  score 50, band warm             of a user's, or none
//! ```
//!
//! `day 8` is its noon, `day 8 10:00` and `day 8 10:00:00.001` are what they say, `end of day 8` is the midnight at
//! which it closes. What users, the account itself (`it`), its salespeople (`sales`) or `somebody` without an id can
//! do is listed in `tell`; `×3` behind it is three times.
//!
//! Events arrive in the order of their times, unless they say otherwise. Handoffs are compared in full, and so is
//! what is watched: the signals named, `bands`, `tiers`, `active users` (their thresholds), `onboarding`, `occurrences` and
//! `holds`. Whatever happened must be expected. Figures are rounded as they are written. An expectation reads like one
//! of
//!
//! ```text
//! day 9 acme HIGH contact-sales at once for ann
//! day 9 acme MEDIUM pricing-sessions due day 10–11 for ann, bob also five-new-users not before day 9 13:00
//! day 9 acme LOW steady-growth with segment smb, route automated_email
//! day 9 acme MEDIUM lead-score due day 10–11 in the holdout higher of arm lead-score-40
//! end of day 9 acme ann velocity.frequency 1→0 closed
//! day 9 acme ann band none→warm crossed with figure 50
//! day 9 acme tier T4→T3 crossed
//! day 9 acme active users 0→2 crossed
//! day 9 acme onboarding solo→small_team
//! day 9 acme ann occurrence contact-sales
//! day 9 acme held five-new-users by pacing
//! ```
//!
//! Of what stands behind `with` and in a profile, only what is named is compared: `say` lists it. The table of which
//! scenario decides what is `docs/catalogue.md`; the test in `catalogue` says how to write it anew.

mod catalogue;
mod say;
mod tell;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use upswell::engine::{Partition, Record};
use upswell::model::{
    AccountProfile, Day, Effects, EventTime, HOUR_MS, Handoff, Onboarding, Profiles, SignalMessage, UserProfile,
};
use upswell::{rules, wire};

/// Each name is a test, each text its stories.
macro_rules! stories {
    ($($name:ident $text:literal)*) => {
        $(#[test] fn $name() { $crate::check($text) })*

        /// The tests of this chapter: names and texts.
        pub(crate) const TESTS: &[(&str, &str)] = &[$((stringify!($name), $text)),*];
    };
}

/// A module of stories for each part of the specification.
macro_rules! chapters {
    ($($chapter:ident)*) => {
        $(mod $chapter;)*

        /// Every chapter and its tests.
        const CHAPTERS: &[(&str, &[(&str, &str)])] = &[$((stringify!($chapter), $chapter::TESTS)),*];
    };
}

chapters! { time features collaboration velocity accounts intent fit scores triggers rails handoffs outputs }

/// Day 0 of the stories: the day before Monday, 2026-01-05.
const DAY_0: i32 = 20_457;

/// Runs each story of a text, with what is told before the first of them, and compares what came of it with what it
/// expects.
#[track_caller]
fn check(text: &str) {
    let mut stories = text.split("story  ");
    let shared = stories.next().unwrap_or_default();
    let wrong = |story: &str| {
        let (name, told) = story.split_once('\n').unwrap_or((story, ""));
        let story = Story::parse(&format!("{shared}\n{told}"));
        let compared = story.and_then(|story| story.compare(&story.run()?));
        compared.err().map(|wrong| format!("{name}\n{wrong}"))
    };
    let wrong: Vec<String> = stories.filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A story, taken apart.
#[derive(Default)]
struct Story {
    /// The pack; empty: the default one.
    pack: String,
    /// Changes of the rules: a path, and the value there.
    rules: Vec<(String, Value)>,
    records: Vec<Told>,
    watched: Vec<String>,
    expected: Vec<String>,
    figures: Vec<Figures>,
    /// Whose profiles say what: an account, or an account and a user.
    profiles: Vec<(String, String)>,
}

/// A record of the log.
#[derive(Clone)]
struct Told {
    arrives: EventTime,
    event: Value,
    outcome: String,
}

/// What is expected of one row of metrics, which begins with `of`: its figures, or that there is no such row.
struct Figures {
    of: Value,
    expected: Option<BTreeMap<String, String>>,
}

/// What came of a story.
#[derive(Default)]
struct Happened {
    effects: Vec<Effect>,
    rows: Vec<Value>,
    accounts: BTreeMap<String, AccountProfile>,
    /// By account and user, as in `acme ann`.
    users: BTreeMap<String, UserProfile>,
}

/// One thing that was said.
enum Effect {
    Handoff(Handoff),
    Signal(SignalMessage),
    Onboarding(Onboarding),
}

impl Effect {
    fn at(&self) -> EventTime {
        match self {
            Effect::Handoff(handoff) => handoff.at,
            Effect::Signal(message) => message.at,
            Effect::Onboarding(onboarding) => onboarding.at,
        }
    }

    fn say(&self) -> String {
        match self {
            Effect::Handoff(handoff) => say::handoff(handoff),
            Effect::Signal(message) => say::signal(message),
            Effect::Onboarding(onboarding) => say::onboarding(onboarding),
        }
    }

    /// What it says where `asked` stands behind `with`.
    fn say_detail(&self, asked: &str) -> String {
        match self {
            Effect::Handoff(handoff) => say::handoff_detail(handoff, asked),
            Effect::Signal(message) => say::signal_detail(message, asked),
            Effect::Onboarding(onboarding) => say::onboarding_detail(onboarding, asked),
        }
    }

    /// What is said in full, and of the details those that the expectations name for it.
    fn say_as(&self, expected: &[String]) -> String {
        let line = self.say();
        let begin = format!("{line} with ");
        match expected.iter().find_map(|expected| expected.strip_prefix(&begin)) {
            Some(asked) => begin + &details(asked, |asked| self.say_detail(asked)),
            None => line,
        }
    }
}

/// What `of` says where each of the details `asked` stands.
fn details(asked: &str, of: impl Fn(&str) -> String) -> String {
    asked.split(", ").map(of).collect::<Vec<_>>().join(", ")
}

impl Story {
    fn parse(text: &str) -> Result<Story, String> {
        let mut story = Story::default();
        let mut last: Vec<Told> = Vec::new();
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            story.line(line, &mut last).ok_or_else(|| format!("this line is not part of the grammar: {line}"))?;
        }
        story.records.sort_by_key(|told| told.arrives);
        Ok(story)
    }

    /// Takes a line in; none if it is not understood. `last` is what the last line of events told.
    fn line(&mut self, line: &str, last: &mut Vec<Told>) -> Option<()> {
        if let Some(expected) = line.strip_prefix("expect ") {
            self.expected.push(expected.split_whitespace().collect::<Vec<_>>().join(" "));
            return Some(());
        }
        let (line, outcome) = line.split_once('→').unwrap_or((line, "applied"));
        let columns: Vec<&str> = line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        let Some(first) = columns.first() else { return Some(()) };
        if let Some(what) = first.strip_prefix("watch ") {
            self.watched.extend(what.split(',').map(|name| name.trim().to_owned()));
        } else if *first == "pack" {
            self.pack = (*columns.get(1)?).into();
        } else if *first == "rules" {
            let (path, value) = columns.get(1)?.split_once(": ")?;
            self.rules.push((path.into(), serde_saphyr::from_str(value).ok()?));
        } else if let Some(of) = first.strip_prefix("figures ") {
            self.figures.push(Figures::parse(of, columns.get(1)?, columns.get(2)?)?);
        } else if *first == "profile" {
            self.profiles.push(((*columns.get(1)?).into(), (*columns.get(2)?).into()));
        } else if let Some(instant) = first.strip_prefix("until ") {
            let time = tell::instant(instant)?.plus(HOUR_MS);
            let event = json!({"type": "control", "control": "tick", "timestamp": tell::rfc3339(time)});
            self.records.push(Told { arrives: time, event, outcome: outcome.into() });
        } else if let Some(instant) = first.strip_prefix("activate ") {
            let time = tell::instant(instant)?;
            let change = columns.get(1)?.split_once(": ").map(|(path, value)| (path, serde_saphyr::from_str(value)));
            let rules = match change {
                Some((path, value)) => self.file(&[(path.into(), value.ok()?)]).ok()?.to_string(),
                None if *columns.get(1)? == "as before" => self.file(&[]).ok()?.to_string(),
                None => (*columns.get(1)?).into(),
            };
            let tick = json!({"type": "control", "control": "tick", "timestamp": tell::rfc3339(time.plus(HOUR_MS))});
            self.records.push(Told { arrives: time, event: tick, outcome: "applied".into() });
            let event = json!({
                "type": "control", "control": "rules", "rules": rules, "timestamp": tell::rfc3339(time)
            });
            self.records.push(Told { arrives: time, event, outcome: outcome.trim().into() });
        } else if *first != "proves" {
            self.events(&columns, outcome.trim(), last)?;
        }
        Some(())
    }

    /// Takes a line of events in.
    fn events(&mut self, columns: &[&str], outcome: &str, last: &mut Vec<Told>) -> Option<()> {
        let (when, arrives) = match columns.first()?.split_once("arriving") {
            Some((when, arrives)) => (when.trim(), Some(tell::instant(arrives.trim())?)),
            None => (*columns.first()?, None),
        };
        if when != "again" {
            last.clear();
            for (time, event) in tell::events(when, columns.get(1)?, columns.get(2)?)? {
                last.push(Told { arrives: time, event, outcome: String::new() });
            }
            self.number(last);
        }
        last.iter_mut().for_each(|told| told.outcome = outcome.into());
        if let Some(arrives) = arrives {
            last.iter_mut().for_each(|told| {
                told.arrives = arrives;
                told.event["receivedAt"] = tell::rfc3339(arrives).into();
            });
        }
        self.records.extend(last.iter().cloned());
        Some(())
    }

    fn number(&self, events: &mut [Told]) {
        for (number, told) in (self.records.len()..).zip(events) {
            told.event["messageId"] = format!("m{number}").into();
        }
    }

    /// The pack with the story's changes.
    fn plan(&self) -> Result<Arc<rules::Plan>, String> {
        static DEFAULT: LazyLock<Arc<rules::Plan>> = LazyLock::new(rules::default_plan);
        if self.rules.is_empty() && self.pack.is_empty() {
            return Ok(Arc::clone(&DEFAULT));
        }
        let file = self.file(&[])?;
        rules::parse("the story's rules", &file.to_string()).map(Into::into).map_err(|error| error.to_string())
    }

    /// The pack with the story's changes, and more.
    fn file(&self, more: &[(String, Value)]) -> Result<Value, String> {
        let name = if self.pack.is_empty() { "default" } else { &self.pack };
        let text = rules::pack(name).ok_or_else(|| format!("there is no pack {name}"))?;
        let mut file: Value = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
        for (path, value) in self.rules.iter().chain(more) {
            set(&mut file, path, value).ok_or_else(|| format!("the rules have no {path}"))?;
        }
        Ok(file)
    }

    /// Folds the story's log.
    fn run(&self) -> Result<Happened, String> {
        let mut partition = Partition::new(self.plan()?);
        let mut effects = Effects::with_metrics();
        let mut happened = Happened::default();
        for (offset, told) in (0..).zip(&self.records) {
            let bytes = happened.answering(&told.event).to_string().into_bytes();
            for decoded in wire::decode_admitting(wire::Admit::Any, wire::Format::Json, &bytes) {
                let ready = rules::Ready::new(decoded).map_err(|error| error.to_string())?;
                let outcome = partition.apply_one(Record { offset, time: None }, 0, &ready, &mut effects);
                if outcome.word() != told.outcome {
                    return Err(format!("{} is {}, not {}", told.event, outcome.word(), told.outcome));
                }
            }
            happened.take_profiles(&mut partition);
            happened.effects.extend(effects.signals.drain(..).filter(|it| self.watches(it)).map(Effect::Signal));
            happened.effects.extend(effects.handoffs.drain(..).map(Effect::Handoff));
            if self.watched.iter().any(|watched| watched == "onboarding") {
                happened.effects.extend(effects.onboarding.drain(..).map(Effect::Onboarding));
            }
            let new_rows = effects.metrics.iter().flatten().map(serde_json::to_value);
            happened.rows.extend(new_rows.map(|row| row.expect("rows have a JSON form")));
            effects.clear();
        }
        happened.effects.sort_by_key(Effect::at);
        Ok(happened)
    }

    /// What differs between what happened and what is expected, if anything does.
    fn compare(&self, happened: &Happened) -> Result<(), String> {
        let said: Vec<String> = happened.effects.iter().map(|effect| effect.say_as(&self.expected)).collect();
        let (mut expected, mut found) = (self.expected.clone(), said.clone());
        for (who, what) in &self.profiles {
            expected.push(format!("profile {who} {what}"));
            found.push(format!("profile {who} {}", happened.say_profile(who, what)));
        }
        expected.sort_unstable();
        found.sort_unstable();
        let figures: Vec<String> = self.figures.iter().filter_map(|figures| figures.differ(&happened.rows)).collect();
        if expected == found && figures.is_empty() {
            return Ok(());
        }
        let without = |of: &[String], without: &[String]| -> Vec<String> {
            of.iter().filter(|line| !without.contains(line)).cloned().collect()
        };
        Err(format!(
            "expected, but did not happen: {:#?}\nhappened, but was not expected: {:#?}\n\
             figures that differ: {figures:#?}\nall that happened: {said:#?}",
            without(&expected, &found),
            without(&found, &expected),
        ))
    }

    fn watches(&self, message: &SignalMessage) -> bool {
        self.watched.iter().any(|watched| watched == say::subject(message))
    }
}

impl Happened {
    /// The event with the id of the handoff that it answers, in place of the trigger's.
    fn answering(&self, event: &Value) -> Value {
        let mut event = event.clone();
        let Some(trigger) = event["properties"]["handoff_id"].as_str() else { return event };
        let id = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Handoff(handoff) if *handoff.trigger == *trigger => Some(handoff.id.to_string()),
            _ => None,
        });
        event["properties"]["handoff_id"] = id.unwrap_or_else(|| format!("no {trigger} was fired")).into();
        event
    }

    /// What changed since the last record: the last value of each key is kept.
    fn take_profiles(&mut self, partition: &mut Partition) {
        let mut profiles = Profiles::default();
        partition.profiles(&mut profiles);
        self.accounts.extend(profiles.accounts.into_iter().map(|it| (it.account.clone(), it)));
        for user in profiles.users {
            let key = format!("{} {}", user.account, user.user.user);
            if user.gone {
                self.users.remove(&key);
            } else {
                self.users.insert(key, user);
            }
        }
    }

    /// What the last profile says where each of the details `asked` stands.
    fn say_profile(&self, who: &str, asked: &str) -> String {
        if let Some(account) = self.accounts.get(who) {
            details(asked, |asked| say::account_detail(account, asked))
        } else if let Some(user) = self.users.get(who) {
            details(asked, |asked| say::user_detail(user, asked))
        } else {
            "none".into()
        }
    }
}

/// Sets what stands at `path`, words that are keys, places, or ids of list items; `+` adds an item, and nothing
/// (`null`) takes one away.
fn set(file: &mut Value, path: &str, new: &Value) -> Option<()> {
    let (word, rest) = path.split_once(' ').unwrap_or((path, ""));
    let inner = match file {
        Value::Array(items) => {
            if word == "+" {
                items.push(new.clone());
                return Some(());
            }
            let is_meant = |item: &Value| ["id", "role"].iter().any(|key| item[key] == word);
            let place = word.parse().ok().or_else(|| items.iter().position(is_meant))?;
            items.get_mut(place)?
        }
        Value::Object(keys) if rest.is_empty() && new.is_null() => return keys.remove(word).map(drop),
        Value::Object(keys) => keys.entry(word).or_insert_with(|| json!({})),
        _ => return None,
    };
    if rest.is_empty() {
        *inner = new.clone();
        return Some(());
    }
    set(inner, rest, new)
}

impl Figures {
    fn parse(of: &str, account: &str, text: &str) -> Option<Figures> {
        let of = match of.split_once(' ')? {
            ("day", day) => {
                json!({"kind": "day", "account": account, "day": Day(DAY_0 + day.parse::<i32>().ok()?).to_string()})
            }
            ("week", week) => {
                let sunday = Day(DAY_0 + 7 * week.parse::<i32>().ok()?);
                json!({"kind": "week", "account": account, "week": sunday.week().to_string()})
            }
            _ => return None,
        };
        let figure = |text: &str| text.trim().split_once(' ').map(|(name, value)| (name.into(), value.into()));
        let expected = if text == "none" { None } else { Some(text.split(',').map(figure).collect::<Option<_>>()?) };
        Some(Figures { of, expected })
    }

    /// How the rows differ from what is expected, if they do.
    fn differ(&self, rows: &[Value]) -> Option<String> {
        let is_meant = |row: &&Value| self.of.as_object().is_some_and(|of| of.iter().all(|(key, is)| row[key] == *is));
        let row = rows.iter().find(is_meant);
        let agrees = match (&self.expected, row) {
            (None, None) => true,
            (Some(expected), Some(row)) => expected.iter().all(|(name, value)| is_figure(row.get(name), value)),
            _ => false,
        };
        let found = || row.map_or("no such row".to_owned(), Value::to_string);
        (!agrees).then(|| format!("{}: expected {:?}, found {}", self.of, self.expected, found()))
    }
}

/// Whether a figure is what was written of it, to as many digits.
fn is_figure(found: Option<&Value>, written: &str) -> bool {
    match found {
        Some(Value::Null) => written == "unknown",
        Some(Value::Bool(is)) => written == if *is { "yes" } else { "no" },
        Some(found) => found.as_f64().is_some_and(|number| say::rounded_as(number, written) == written),
        None => false,
    }
}
