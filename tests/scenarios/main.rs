//! Scenario tests: stories that say who did what on which day, and everything that must follow.
//!
//! A test is a text of stories. Lines before its first story belong to each of them. Day 1 is a Monday. Columns are
//! separated by two or more spaces, and `#` begins a comment.
//!
//! ```text
//! proves  intent.pricing, E6                               rows of the catalogue and rules that the test proves
//! story  its name
//! pack   early                                             the rules that ship under this name, not the default rules
//! rules  rails holdout share: 0.5                          another value in the rules, set by its path
//! day 1          acme  ann signs up; bob, cy use editor    events of an account
//! day 2–5, 9     acme  u1–u20 use editor                   events on several days, of several users
//! day 2 10:00 arriving day 3    acme  ann uses editor      an event that arrives late, with the time of receipt
//! again arriving day 3                                     the events of the previous line, with their message ids
//! day 2          acme  ann uses editor    → too-late       the outcome, if it is not `applied`
//! until end of day 9                                       the watermark reaches this instant
//! activate day 9  rails usage: false                       an activation of rules when the watermark reaches this
//!                                                          instant: another value, `as before`, or a text
//! backfill day 1  begins                                   the history of a backfill begins, or `ends`
//! watch intent.pricing, bands, occurrences, holds          what is compared besides handoffs
//! expect day 9   acme  MEDIUM five-new-users due day 11–12 a handoff, a change, an occurrence or a held handoff
//! figures day 9  acme  dau 3, stickiness unknown           some figures of a closed day or week, or `none`
//! profile        acme  score 95, tier T3                   some values of the account's last published profile
//! profile        acme ann  score 50, band warm             some values of a user's last published profile, or `none`
//! stands         acme  potential 5000                      some values that a handoff would have in the end
//! ```
//!
//! `day 8` is noon of this day, `day 8 10:00` and `day 8 10:00:00.001` are other times of it, `end of day 8` is the
//! midnight at which it closes. `events` lists the actions of users, of the account (`it`), of sales (`sales`) and of
//! `somebody` without an id. `×3` after an action repeats it three times.
//!
//! Events arrive in the order of their times, unless a line says otherwise. All handoffs are compared, and everything
//! that is watched: signals by their ids, `bands`, `tiers`, `active users` (their thresholds), `onboarding`,
//! `occurrences`, `holds` and `profiles`. Everything that happens must be expected. Figures are rounded as they are written.
//! Expectations look like these:
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
//! day 9 acme ann profile
//! ```
//!
//! After `with` and in a profile, only the values that are named are compared; `expectations` lists them. `catalogue`
//! generates `docs/catalogue.md`, which lists the scenarios by what they prove.

mod catalogue;
mod events;
mod expectations;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use upswell::engine::{Partition, Record};
use upswell::model::{
    AccountProfile, Day, Effects, EventTime, Feed, HOUR_MS, Handoff, HandoffContext, Onboarding, SignalChanges,
    SignalEntry, UserProfile, Wanted,
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

/// Runs each story of a text, with the lines before the first one, and compares what happened with what it expects.
#[track_caller]
fn check(text: &str) {
    let mut stories = text.split("story  ");
    let shared = stories.next().unwrap_or_default();
    let wrong = |story: &str| {
        let (name, lines) = story.split_once('\n').unwrap_or((story, ""));
        let story = Story::parse(&format!("{shared}\n{lines}"));
        let compared = story.and_then(|story| story.compare(&story.run()?));
        compared.err().map(|wrong| format!("{name}\n{wrong}"))
    };
    let wrong: Vec<String> = stories.filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A parsed story.
#[derive(Default)]
struct Story {
    /// The name of the rules; empty for the default rules.
    pack: String,
    /// Changes of the rules: a path, and the value there.
    rules: Vec<(String, Value)>,
    records: Vec<LogEvent>,
    watched: Vec<String>,
    expected: Vec<String>,
    figures: Vec<Figures>,
    /// Expected profiles: an account, or an account and a user; and the values.
    profiles: Vec<(String, String)>,
    /// How accounts are expected to stand in the end, and the values.
    stand: Vec<(String, String)>,
}

/// A record of the log.
#[derive(Clone)]
struct LogEvent {
    arrives: EventTime,
    event: Value,
    outcome: String,
}

/// The expected figures of the row of metrics that has the fields `of`, or that there is no such row.
struct Figures {
    of: Value,
    expected: Option<BTreeMap<String, String>>,
}

/// What happened in a story.
#[derive(Default)]
struct Happened {
    effects: Vec<Effect>,
    rows: Vec<Value>,
    accounts: BTreeMap<String, AccountProfile>,
    /// By account and user, as in `acme ann`.
    users: BTreeMap<String, UserProfile>,
    /// How the accounts stand in the end that the story asks for.
    stand: BTreeMap<String, HandoffContext>,
}

/// An entry of the signals feed, with what its message says.
struct Said {
    account: String,
    at: EventTime,
    message_id: String,
    entry: SignalEntry,
}

/// What was published.
enum Effect {
    Handoff(Handoff),
    Signal(Said),
    Onboarding(Onboarding),
    Account(AccountProfile),
    User(UserProfile),
}

impl Effect {
    fn at(&self) -> EventTime {
        match self {
            Effect::Handoff(handoff) => handoff.at,
            Effect::Signal(message) => message.at,
            Effect::Onboarding(onboarding) => onboarding.at,
            Effect::Account(profile) => profile.at,
            Effect::User(profile) => profile.at,
        }
    }

    fn text(&self) -> String {
        match self {
            Effect::Handoff(handoff) => expectations::handoff(handoff),
            Effect::Signal(message) => expectations::signal(message),
            Effect::Onboarding(onboarding) => expectations::onboarding(onboarding),
            Effect::Account(profile) => expectations::profile(profile.at, &profile.account, "", false),
            Effect::User(profile) => {
                expectations::profile(profile.at, &profile.account, &profile.user.user, profile.gone)
            }
        }
    }

    /// The detail that `asked` names after `with`.
    fn detail(&self, asked: &str) -> String {
        match self {
            Effect::Handoff(handoff) => expectations::handoff_detail(handoff, asked),
            Effect::Signal(message) => expectations::signal_detail(message, asked),
            Effect::Onboarding(onboarding) => expectations::onboarding_detail(onboarding, asked),
            Effect::Account(profile) => expectations::account_detail(profile, asked),
            Effect::User(profile) => expectations::user_detail(profile, asked),
        }
    }

    /// The text of the message, with the details that the expectations name.
    fn text_as(&self, expected: &[String]) -> String {
        let line = self.text();
        let begin = format!("{line} with ");
        match expected.iter().find_map(|expected| expected.strip_prefix(&begin)) {
            Some(asked) => begin + &details(asked, |asked| self.detail(asked)),
            None => line,
        }
    }
}

/// The details that `asked` names, each by `of`.
fn details(asked: &str, of: impl Fn(&str) -> String) -> String {
    asked.split(", ").map(of).collect::<Vec<_>>().join(", ")
}

impl Story {
    fn parse(text: &str) -> Result<Story, String> {
        let mut story = Story::default();
        let mut last: Vec<LogEvent> = Vec::new();
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            story.line(line, &mut last).ok_or_else(|| format!("this line is not part of the grammar: {line}"))?;
        }
        story.records.sort_by_key(|logged| logged.arrives);
        Ok(story)
    }

    /// Parses a line; none if it is not part of the grammar. `last` has the events of the last line of events.
    fn line(&mut self, line: &str, last: &mut Vec<LogEvent>) -> Option<()> {
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
        } else if *first == "stands" {
            self.stand.push(((*columns.get(1)?).into(), (*columns.get(2)?).into()));
        } else if let Some(instant) = first.strip_prefix("until ") {
            let time = events::instant(instant)?.plus(HOUR_MS);
            let event = json!({"type": "control", "control": "tick", "timestamp": events::rfc3339(time)});
            self.records.push(LogEvent { arrives: time, event, outcome: outcome.into() });
        } else if let Some(instant) = first.strip_prefix("backfill ") {
            let time = events::instant(instant)?;
            let mark = match *columns.get(1)? {
                "begins" => "backfill_begin",
                "ends" => "backfill_end",
                _ => return None,
            };
            let event = json!({"type": "control", "control": mark, "timestamp": events::rfc3339(time)});
            self.records.push(LogEvent { arrives: time, event, outcome: outcome.trim().into() });
        } else if let Some(instant) = first.strip_prefix("forget ") {
            let time = events::instant(instant)?;
            let (account, user) = columns.get(1)?.rsplit_once(' ').unwrap_or(("", columns.get(1)?));
            let mut event = json!({"type": "control", "control": "forget", "timestamp": events::rfc3339(time)});
            if user != "-" {
                event["userId"] = user.into();
            }
            if account != "everywhere" {
                event["context"] = json!({"groupId": account});
            }
            self.records.push(LogEvent { arrives: time, event, outcome: outcome.trim().into() });
        } else if let Some(instant) = first.strip_prefix("activate ") {
            let time = events::instant(instant)?;
            let change = columns.get(1)?.split_once(": ").map(|(path, value)| (path, serde_saphyr::from_str(value)));
            let rules = match change {
                Some((path, value)) => self.file(&[(path.into(), value.ok()?)]).ok()?.to_string(),
                None if *columns.get(1)? == "as before" => self.file(&[]).ok()?.to_string(),
                None => (*columns.get(1)?).into(),
            };
            let tick = json!({"type": "control", "control": "tick", "timestamp": events::rfc3339(time.plus(HOUR_MS))});
            self.records.push(LogEvent { arrives: time, event: tick, outcome: "applied".into() });
            let event = json!({
                "type": "control", "control": "rules", "rules": rules, "timestamp": events::rfc3339(time)
            });
            self.records.push(LogEvent { arrives: time, event, outcome: outcome.trim().into() });
        } else if *first != "proves" {
            self.events(&columns, outcome.trim(), last)?;
        }
        Some(())
    }

    /// Parses a line of events.
    fn events(&mut self, columns: &[&str], outcome: &str, last: &mut Vec<LogEvent>) -> Option<()> {
        let (when, arrives) = match columns.first()?.split_once("arriving") {
            Some((when, arrives)) => (when.trim(), Some(events::instant(arrives.trim())?)),
            None => (*columns.first()?, None),
        };
        if when != "again" {
            last.clear();
            for (time, event) in events::events(when, columns.get(1)?, columns.get(2)?)? {
                last.push(LogEvent { arrives: time, event, outcome: String::new() });
            }
            self.number(last);
        }
        last.iter_mut().for_each(|logged| logged.outcome = outcome.into());
        if let Some(arrives) = arrives {
            last.iter_mut().for_each(|logged| {
                logged.arrives = arrives;
                logged.event["receivedAt"] = events::rfc3339(arrives).into();
            });
        }
        self.records.extend(last.iter().cloned());
        Some(())
    }

    fn number(&self, events: &mut [LogEvent]) {
        for (number, logged) in (self.records.len()..).zip(events) {
            logged.event["messageId"] = format!("m{number}").into();
        }
    }

    /// The rules with the changes of the story.
    fn plan(&self) -> Result<Arc<rules::Plan>, String> {
        static DEFAULT: LazyLock<Arc<rules::Plan>> = LazyLock::new(rules::default_plan);
        if self.rules.is_empty() && self.pack.is_empty() {
            return Ok(Arc::clone(&DEFAULT));
        }
        let file = self.file(&[])?;
        rules::parse("the story's rules", &file.to_string()).map(Into::into).map_err(|error| error.to_string())
    }

    /// The rules with the changes of the story, and `more`.
    fn file(&self, more: &[(String, Value)]) -> Result<Value, String> {
        let name = if self.pack.is_empty() { "default" } else { &self.pack };
        let text = rules::pack(name).ok_or_else(|| format!("there is no pack {name}"))?;
        let mut file: Value = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
        for (path, value) in self.rules.iter().chain(more) {
            set(&mut file, path, value).ok_or_else(|| format!("the rules have no {path}"))?;
        }
        Ok(file)
    }

    /// Folds the log of the story; and again without profiles and metrics, for which closes visit more accounts: a visit
    /// that is missing shows only there.
    fn run(&self) -> Result<Happened, String> {
        let plan = self.plan()?;
        let (mut partition, mut effects) = (Partition::new(Arc::clone(&plan)), Effects::new(Wanted::ALL));
        let (mut bare, mut bare_effects) =
            (Partition::new(plan), Effects::new(Wanted { signals: Feed::All, ..Wanted::LEAST }));
        let mut happened = Happened::default();
        for (offset, logged) in (0..).zip(&self.records) {
            let bytes = happened.answering(&logged.event).to_string().into_bytes();
            for decoded in wire::decode_admitting(wire::Admit::Any, wire::Format::Json, &bytes) {
                let ready = rules::Ready::new(&decoded).map_err(|error| error.to_string())?;
                let record = Record { offset, time: None };
                let outcome = partition.apply_one(record, 0, &ready, &mut effects).outcome;
                let _ = bare.apply_one(record, 0, &ready, &mut bare_effects);
                if outcome.word() != logged.outcome {
                    return Err(format!("{} is {}, not {}", logged.event, outcome.word(), logged.outcome));
                }
            }
            let published =
                |effects: &Effects| format!("{:#?}", (&effects.handoffs, &effects.signals, &effects.onboarding));
            let [with, without] = [&effects, &bare_effects].map(published);
            if with != without {
                return Err(format!("{} causes {with} with profiles and metrics, and {without} without", logged.event));
            }
            bare_effects.clear();
            if self.watched.iter().any(|watched| watched == "profiles") {
                happened.effects.extend(effects.accounts.iter().cloned().map(Effect::Account));
                happened.effects.extend(effects.users.iter().cloned().map(Effect::User));
            }
            happened.take_profiles(&mut effects);
            let said = effects.signals.drain(..).flat_map(|message| {
                let SignalChanges { account, at, message_id, entries, .. } = message;
                let said = move |entry| Said { account: account.clone(), at, message_id: message_id.clone(), entry };
                entries.into_iter().map(said)
            });
            happened.effects.extend(said.filter(|it| self.watches(it)).map(Effect::Signal));
            happened.effects.extend(effects.handoffs.drain(..).map(Effect::Handoff));
            if self.watched.iter().any(|watched| watched == "onboarding") {
                happened.effects.extend(effects.onboarding.drain(..).map(Effect::Onboarding));
            }
            let new_rows = effects.metrics.iter().map(serde_json::to_value);
            happened.rows.extend(new_rows.map(|row| row.expect("rows have a JSON form")));
            effects.clear();
        }
        happened.effects.sort_by_key(Effect::at);
        for (account, _) in &self.stand {
            let standing = partition.standing(account).ok_or_else(|| format!("there is no account {account}"))?;
            happened.stand.insert(account.clone(), standing.context);
        }
        Ok(happened)
    }

    /// Compares what happened with what is expected.
    fn compare(&self, happened: &Happened) -> Result<(), String> {
        let said: Vec<String> = happened.effects.iter().map(|effect| effect.text_as(&self.expected)).collect();
        let (mut expected, mut found) = (self.expected.clone(), said.clone());
        for (who, what) in &self.profiles {
            expected.push(format!("profile {who} {what}"));
            found.push(format!("profile {who} {}", happened.profile(who, what)));
        }
        for (account, what) in &self.stand {
            let stands = &happened.stand[account];
            expected.push(format!("stands {account} {what}"));
            let found_so = details(what, |asked| expectations::standing_detail(stands, asked));
            found.push(format!("stands {account} {found_so}"));
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

    fn watches(&self, said: &Said) -> bool {
        self.watched.iter().any(|watched| watched == expectations::subject(said))
    }
}

impl Happened {
    /// The event, in which the id of the handoff that it answers replaces the id of the trigger.
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

    /// Takes the profiles of a record.
    fn take_profiles(&mut self, effects: &mut Effects) {
        self.accounts.extend(effects.accounts.drain(..).map(|it| (it.account.clone(), it)));
        for user in effects.users.drain(..) {
            let key = format!("{} {}", user.account, user.user.user);
            if user.gone {
                self.users.remove(&key);
            } else {
                self.users.insert(key, user);
            }
        }
    }

    /// The details of the last profile that `asked` names.
    fn profile(&self, who: &str, asked: &str) -> String {
        if let Some(account) = self.accounts.get(who) {
            details(asked, |asked| expectations::account_detail(account, asked))
        } else if let Some(user) = self.users.get(who) {
            details(asked, |asked| expectations::user_detail(user, asked))
        } else {
            "none".into()
        }
    }
}

/// Sets the value at `path`, whose words are keys, indices, or ids of list items. `+` adds an item; `null` removes a
/// key.
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

    /// How the rows differ from what is expected; none if they do not.
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

/// Whether a figure equals the written one, rounded to as many digits.
fn is_figure(found: Option<&Value>, written: &str) -> bool {
    match found {
        Some(Value::Null) => written == "unknown",
        Some(Value::Bool(is)) => written == if *is { "yes" } else { "no" },
        Some(found) => found.as_f64().is_some_and(|number| expectations::rounded_as(number, written) == written),
        None => false,
    }
}
