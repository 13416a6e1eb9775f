//! Formats the page that `upswell explain` prints: the history of one account, in 100 columns.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::screen;
use crate::analysis::{Life, Time};
use crate::model::{
    Arm, Calendar, EventTime, Evidence, Fact, Handoff, Level, PlaceNumber, Rail, SignalEntry, SignalKind, Week,
};
use crate::rules::{BANDS, TriggerKind};

/// Width of the page in columns.
const WIDTH: usize = 100;
/// Width of a curve in columns, without its label.
const CURVE: usize = 78;
/// How many changes of tier are shown, newest first.
const TIERS_SHOWN: usize = 3;
/// Width of the time and the kind at the beginning of a line about a trigger.
const MARGIN: usize = 28;
/// How many periods of each signal are shown without `--all`, newest first.
const TIMES_SHOWN: usize = 4;
/// How many handoffs, holds and occurrences are shown without `--all`, newest first.
const LINES_SHOWN: usize = 24;
/// How many of the users whose handoff was held at one instant are named without `--all`.
const USERS_SHOWN: usize = 3;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const ON: &str = "\x1b[32m";

/// The page of an account. With `all`, nothing is left out; with `colour`, it has escape sequences for a terminal.
pub(super) fn of(life: &Life, all: bool, colour: bool) -> String {
    let mut page = Page { text: String::new(), all, colour };
    page.head(life);
    page.curves(life);
    page.score(life);
    page.users(life);
    page.fired(life);
    page.signals(life);
    page.talk(life);
    page.text
}

struct Page {
    text: String,
    all: bool,
    colour: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour && !code.is_empty() { format!("{code}{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Writes a heading with a remark at the right margin.
    fn heading(&mut self, title: &str, remark: &str) {
        let remark = fit(remark, WIDTH - title.chars().count() - 2);
        let gap = WIDTH - title.chars().count() - remark.chars().count();
        let remark = if remark.is_empty() { remark } else { self.paint(DIM, &remark) };
        let line = format!("\n{}{:gap$}{remark}", self.paint(BOLD, title), "");
        self.line(&line);
    }

    fn left_out(&mut self, number: usize) {
        if number > 0 {
            let line = self.paint(DIM, &format!("  … {} earlier ones: --all shows them", screen::count(number as u64)));
            self.line(&line);
        }
    }

    fn head(&mut self, life: &Life) {
        let title = self.paint(BOLD, &fit(&life.account, WIDTH));
        self.line(&title);
        let events = format!("{} · rules {}", screen::outcomes(&life.events), life.plan.version);
        self.line(&fit(&events, WIDTH));
        let calendar = life.plan.time.calendar;
        if calendar != Calendar::UTC {
            self.line(&format!("days begin at midnight of UTC{calendar}; times with hours and minutes are in UTC"));
        }
        let Some(stands) = &life.stands else { return };
        let (profile, context) = (&stands.profile, &stands.context);
        let (usage, money) = (&context.usage, &context.money);
        let mut words = vec![
            format!("{}, {} active in 28 days", users_of(profile.users), usage.active_users),
            format!("{} points", context.score),
            context.tier.as_deref().unwrap_or("no tier").to_owned(),
            format!("segment {}", context.segment),
        ];
        words.extend((!money.plan.is_empty()).then(|| format!("plan {}", money.plan)));
        words.extend(money.paid.map(|paid| if paid { "paid".to_owned() } else { "not paid".to_owned() }));
        self.line(&fit(&words.join(" · "), WIDTH));
        if let (Some(first), Some(last)) = (profile.founded, profile.last_active) {
            self.line(&format!("first active {first}, last {last}"));
        }
    }

    /// Active users, new users and users of each band, by week.
    fn curves(&mut self, life: &Life) {
        let known = || life.weeks.keys().chain(life.new_users.keys()).copied();
        let (Some(first), Some(last)) = (known().min(), known().max()) else { return };
        let weeks: Vec<Week> = (first.0..=last.0).map(Week).collect();
        let active: Vec<u32> = weeks.iter().map(|week| life.weeks.get(week).map_or(0, |row| row.wau)).collect();
        let added: Vec<u32> = weeks.iter().map(|week| life.new_users.get(week).copied().unwrap_or(0)).collect();
        let each = weeks.len().div_ceil(CURVE);
        let scale = if each > 1 { format!("one column is the highest of {each} weeks") } else { "by week".into() };
        self.heading("Users", &scale);
        self.curve("active", &weeks, &active, each);
        self.curve("new", &weeks, &added, each);
        let banded = life.bands(&weeks);
        for (rung, name) in BANDS.iter().enumerate().skip(1).rev() {
            let users: Vec<u32> = banded.iter().map(|counts| counts[rung]).collect();
            if users.iter().any(|users| *users > 0) {
                self.curve(name, &weeks, &users, each);
            }
        }
        let ends = (first.monday().to_string(), last.monday().to_string());
        let columns = weeks.len().div_ceil(each);
        let axis = match columns.checked_sub(ends.0.len() + ends.1.len() + 1) {
            Some(gap) => format!("{:10}{}{:gap$} {}", "", ends.0, "", ends.1),
            None => format!("{:10}{} to {}", "", ends.0, ends.1),
        };
        let axis = self.paint(DIM, &axis);
        self.line(&axis);
    }

    fn curve(&mut self, label: &str, weeks: &[Week], values: &[u32], each: usize) {
        let columns: Vec<u32> = values.chunks(each).map(|chunk| chunk.iter().copied().max().unwrap_or(0)).collect();
        let most = columns.iter().copied().max().unwrap_or(0);
        let when = values.iter().position(|value| *value == most && most > 0);
        let line = format!("{label:<10}{}", self.paint("\x1b[36m", &spark(&columns)));
        self.line(&line);
        if let Some(when) = when {
            let words = format!("{:10}{}highest: {most} in the week of {}", "", "", weeks[when].monday());
            let words = self.paint(DIM, &words);
            self.line(&words);
        }
    }

    fn score(&mut self, life: &Life) {
        let Some(stands) = &life.stands else { return };
        let tiers = tiers(life);
        self.heading(&format!("Score: {} points", stands.context.score), &tiers);
        if stands.context.points.is_empty() {
            self.line("  no signal of the account is on, and no active user contributes points");
        }
        for (signal, rung, points) in &stands.context.points {
            let is_users = &**signal == "users";
            let what = if is_users { "points of its active users".to_owned() } else { format!("rung {rung}") };
            self.line(&fit(&format!("  {points:>+5}  {signal:<26}  {what}"), WIDTH));
            let brought = if is_users { life.brought(stands) } else { BTreeMap::new() };
            // A removed user contributes nothing, but the profile of the user does not show the removal. So the parts
            // are shown only if they add up.
            if brought.values().map(|(_, sum)| sum).sum::<i32>() == *points {
                for (signal, (users, sum)) in brought {
                    let line = fit(&format!("           {sum:>+5}  {signal:<26}  {}", users_of(users)), WIDTH);
                    let line = self.paint(DIM, &line);
                    self.line(&line);
                }
            }
        }
    }

    fn users(&mut self, life: &Life) {
        let Some(stands) = &life.stands else { return };
        if stands.context.top_users.is_empty() {
            return;
        }
        let buyer = if stands.context.find_buyer { "no buyer is known" } else { "" };
        self.heading("Top users", buyer);
        for user in &stands.context.top_users {
            let signals = life.user(&user.user).map_or(String::new(), |it| it.signals.join(" "));
            let buyer = if user.is_buyer { "buyer " } else { "" };
            let about = [&*user.band, buyer.trim_end(), &user.title, &signals];
            let about = about.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" · ");
            self.line(&fit(&format!("  {:>+5}  {:<26}  {about}", user.score, fit(&user.user, 26)), WIDTH));
        }
    }

    /// Handoffs, held handoffs, and occurrences of event triggers that did not fire, by time.
    fn fired(&mut self, life: &Life) {
        let mut lines: Vec<(EventTime, Vec<String>)> = Vec::new();
        for handoff in &life.handoffs {
            lines.push((handoff.at, self.handoff(handoff)));
        }
        let has_fired = |at: EventTime, trigger: &str| {
            life.handoffs.iter().any(|handoff| handoff.at == at && *handoff.trigger == *trigger)
        };
        // Handoffs about several users that are held at one instant share a line.
        let mut held: BTreeMap<(EventTime, &str, &str), (Rail, Vec<&str>)> = BTreeMap::new();
        for (at, entry) in life.entries() {
            match &entry.kind {
                SignalKind::Held { trigger, rail } => {
                    let key = (at, &**trigger, rail.word());
                    held.entry(key).or_insert((*rail, Vec::new())).1.push(&entry.user);
                }
                SignalKind::Occurrence { trigger: Some(trigger), .. } if !has_fired(at, trigger) => {
                    let who = self.names(&[&entry.user]);
                    let words = format!("{who}an occurrence that did not fire at once: {}", why_not(life, trigger));
                    lines.push((at, self.row(at, ("occurred", DIM), trigger, &words)));
                }
                _ => {}
            }
        }
        for ((at, trigger, _), (rail, users)) in held {
            let words = format!("{}{}; {}", self.names(&users), why_held(rail), later(life, at, trigger, rail, &users));
            lines.push((at, self.row(at, ("held", DIM), trigger, &words)));
        }
        lines.sort_by_key(|(at, _)| *at);
        let number = |level: Level| life.handoffs.iter().filter(|handoff| handoff.level == level).count() as u64;
        self.heading("Handoffs, and what was held", &screen::levels(&Level::ALL.map(number)));
        if lines.is_empty() {
            self.line("  none yet");
        }
        let skipped = if self.all { 0 } else { lines.len().saturating_sub(LINES_SHOWN) };
        self.left_out(skipped);
        lines.into_iter().skip(skipped).flat_map(|(_, lines)| lines).for_each(|line| self.line(&line));
    }

    fn handoff(&self, handoff: &Handoff) -> Vec<String> {
        let due = handoff.due.map_or("nurture".into(), |due| format!("due {}", screen::minute(due)));
        let holdout = if handoff.context.holdout { " · held out, not sent" } else { "" };
        let also =
            if handoff.also.is_empty() { String::new() } else { format!(" · also {}", handoff.also.join(", ")) };
        let route = &handoff.context.route;
        let arm = |arm: &Arm| format!(" · {} of arm {}", arm.group.word(), arm.id);
        let arm = handoff.context.arm.as_ref().map(arm).unwrap_or_default();
        let head = format!("{route} · {due}{holdout}{arm}{also}");
        let word = handoff.level.word().to_uppercase();
        let mut lines = self.row(handoff.at, (&word, screen::level_colour(handoff.level)), &handoff.trigger, &head);
        lines.extend(wrap(&handoff.why, WIDTH - MARGIN).into_iter().map(|text| format!("{:MARGIN$}{text}", "")));
        lines
    }

    /// The names of users, as the beginning of a line; empty for the account itself.
    fn names(&self, users: &[&str]) -> String {
        let users: Vec<&str> = users.iter().copied().filter(|user| !user.is_empty()).collect();
        let shown = if self.all { users.len() } else { users.len().min(USERS_SHOWN) };
        let names = users[..shown].join(", ");
        match users.len() - shown {
            _ if users.is_empty() => String::new(),
            0 => format!("{names}: "),
            more => format!("{names} and {} more: ", screen::count(more as u64)),
        }
    }

    /// A line about a trigger, followed by further lines if the words do not fit.
    fn row(&self, at: EventTime, (word, code): (&str, &str), trigger: &str, words: &str) -> Vec<String> {
        let trigger = fit(trigger, 20);
        let mut words = wrap(words, WIDTH - MARGIN - 22).into_iter();
        let first = format!(
            "  {}  {}{trigger:<20}  {}",
            self.paint(DIM, &screen::minute(at)),
            self.paint(code, &format!("{word:<6}  ")),
            words.next().unwrap_or_default()
        );
        std::iter::once(first).chain(words.map(|text| format!("{:1$}{text}", "", MARGIN + 22))).collect()
    }

    /// Every signal with the periods in which it was on, and their evidence.
    fn signals(&mut self, life: &Life) {
        let times = life.times();
        self.heading("Signals", "the highest rung, and its evidence: value by message id");
        if times.is_empty() {
            self.line("  none was ever on");
        }
        for ((is_user, signal), times) in &times {
            let users: BTreeSet<&str> = times.iter().map(|time| time.user).collect();
            let on = times.iter().filter(|time| time.until.is_none()).count();
            let scope = match (is_user, users.len()) {
                (false, _) => "account".to_owned(),
                (true, users) => users_of(users as u32),
            };
            let now = if on == 0 {
                "off".to_owned()
            } else if *is_user {
                format!("on {on}")
            } else {
                "on".to_owned()
            };
            let code = if on > 0 { ON } else { "" };
            let number = screen::count(times.len() as u64);
            let line = format!(
                "  {}  {scope:<12}  {} · {now}",
                self.paint(code, &format!("{:<26}", fit(signal, 26))),
                if times.len() == 1 { "once".to_owned() } else { format!("{number} times") },
            );
            self.line(&line);
            let skipped = if self.all { 0 } else { times.len().saturating_sub(TIMES_SHOWN) };
            if skipped > 0 {
                let line = self.paint(DIM, &format!("    … {} earlier ones", screen::count(skipped as u64)));
                self.line(&line);
            }
            times.iter().skip(skipped).for_each(|time| self.time(life, time, *is_user));
        }
    }

    fn time(&mut self, life: &Life, time: &Time<'_>, is_user: bool) {
        let until = time.until.map_or("on".to_owned(), screen::minute);
        let user = if is_user { format!("{:<16}  ", fit(time.user, 16)) } else { String::new() };
        let span = format!("    {} → {until:<16}  ", screen::minute(time.from));
        let fell =
            if time.until.is_none() && time.now < time.rung { format!(", now {}", time.now) } else { String::new() };
        let rest = format!("{user}rung {}{fell}  {}", time.rung, facts(time.evidence, &life.message_ids));
        let rest = fit(&rest, WIDTH - span.chars().count());
        let line = format!("{}{rest}", self.paint(DIM, &span));
        self.line(&line);
    }

    /// The conversation that the last handoff proposes.
    fn talk(&mut self, life: &Life) {
        let Some(last) = life.handoffs.last() else { return };
        let conversation = &last.context.conversation;
        self.heading("What to say", &format!("{} of {}", last.trigger, screen::minute(last.at)));
        let needs = conversation.needs.iter().copied();
        let step: Vec<&str> = [conversation.buying_stage, conversation.next_step]
            .into_iter()
            .chain(needs)
            .filter(|it| !it.is_empty())
            .collect();
        self.line(&fit(&format!("  {}", step.join(" · ")), WIDTH));
        let text = if conversation.text.is_empty() { "no template applies" } else { &conversation.text };
        wrap(text, WIDTH - 4).iter().for_each(|line| self.line(&format!("  {line}")));
    }
}

/// The account's newest changes of tier. Rung 1 is the lowest tier, which is the last in the list of the rules.
fn tiers(life: &Life) -> String {
    let tiers = &life.plan.scores.tiers;
    let name = |rung: u8| match rung {
        0 => "none",
        rung => tiers.len().checked_sub(usize::from(rung)).map_or("?", |place| &tiers[place].id),
    };
    let step = |(at, entry): (EventTime, &SignalEntry)| match &entry.kind {
        SignalKind::Changed(change) if &*change.signal == "score.tier" => {
            Some(format!("{} {}", life.plan.time.calendar.day(at), name(change.after)))
        }
        _ => None,
    };
    let steps: Vec<String> = life.entries().filter_map(step).collect();
    let newest = &steps[steps.len().saturating_sub(TIERS_SHOWN)..];
    match (steps.len(), newest.join(" → ")) {
        (0, _) => "never in a tier".into(),
        (number, newest) if number > TIERS_SHOWN => format!("tiers: … → {newest}"),
        (_, newest) => format!("tiers: {newest}"),
    }
}

/// Why a rail holds a handoff.
fn why_held(rail: Rail) -> &'static str {
    match rail {
        Rail::Usage => "usage: no activity in the last 28 days",
        Rail::Pacing => "pacing: another handoff was just sent",
        Rail::Engaged => "engaged: outreach is forbidden, or an opportunity or a handoff is open",
        Rail::WarmUp => "warm_up: before live_from of the rules",
    }
}

/// Whether and when a held handoff fired later. For a handoff about users: for which of them.
fn later(life: &Life, at: EventTime, trigger: &str, rail: Rail, users: &[&str]) -> String {
    if rail == Rail::WarmUp {
        return "it never fires".into();
    }
    let of_trigger = || life.handoffs.iter().filter(|handoff| handoff.at >= at && *handoff.trigger == *trigger);
    let names = |handoff: &Handoff, user: &str| user.is_empty() || handoff.user_ids.iter().any(|id| id == user);
    let fired: Vec<EventTime> = users
        .iter()
        .filter_map(|user| of_trigger().find(|handoff| names(handoff, user)).map(|handoff| handoff.at))
        .collect();
    let paced = |handoff: &&Handoff| handoff.at == at && handoff.also.iter().any(|it| **it == *trigger);
    let instead = life.handoffs.iter().find(paced).filter(|_| rail == Rail::Pacing);
    let instead = instead.map_or(String::new(), |handoff| format!("in favour of {}, ", handoff.trigger));
    let what = match (fired.iter().min(), fired.iter().max()) {
        (Some(first), Some(last)) if fired.len() == users.len() && first == last => {
            format!("fired {}", screen::minute(*first))
        }
        (Some(first), _) => {
            let (some, all) = (screen::count(fired.len() as u64), screen::count(users.len() as u64));
            format!("fired for {some} of {all}, first {}", screen::minute(*first))
        }
        _ => "not fired yet".into(),
    };
    instead + &what
}

/// Why an event trigger may not have fired.
fn why_not(life: &Life, trigger: &str) -> String {
    let known = life.plan.triggers.iter().find(|it| *it.id == *trigger);
    match known {
        Some(known) if matches!(&known.kind, TriggerKind::Event(on) if on.first) => "only the first one fires".into(),
        Some(known) => format!("held, or in the cooldown of {} days", known.cooldown_ms / crate::model::DAY_MS),
        None => "held, or in the cooldown".into(),
    }
}

fn users_of(number: u32) -> String {
    if number == 1 { "1 user".to_owned() } else { format!("{} users", screen::count(number.into())) }
}

/// The newest three facts: their value, and the event that proves it.
fn facts(evidence: &Evidence, message_ids: &BTreeMap<PlaceNumber, Box<str>>) -> String {
    let by = |fact: &Fact| message_ids.get(&fact.place?);
    let words = |fact: &Fact| match by(fact) {
        None => number(fact.number),
        Some(id) => format!("{} by {id}", number(fact.number)),
    };
    let newest: Vec<String> = evidence.facts.iter().rev().take(3).map(words).collect();
    match evidence.facts.len().saturating_sub(3) + evidence.left_out as usize {
        0 => newest.join(", "),
        more => format!("{}, and {more} more", newest.join(", ")),
    }
}

fn number(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}

/// A bar for each value, scaled to the largest; a dot for 0.
fn spark(values: &[u32]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().max().unwrap_or(0).max(1) as usize;
    let bar = |value: &u32| match *value as usize {
        0 => '·',
        value => BARS[(value * BARS.len()).div_ceil(most).clamp(1, BARS.len()) - 1],
    };
    values.iter().map(bar).collect()
}

/// The text cut to this number of columns, without control characters.
fn fit(text: &str, columns: usize) -> String {
    let plain = |c: char| if super::screen::is_unsafe(c) { '\u{fffd}' } else { c };
    match text.chars().count() > columns {
        true => text.chars().take(columns.saturating_sub(1)).map(plain).chain(['…']).collect(),
        false => text.chars().map(plain).collect(),
    }
}

/// The text in lines of this number of columns, broken at spaces. A longer word is cut.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = fit(word, columns);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                let _ = write!(line, " {word}");
            }
            _ => lines.push(word),
        }
    }
    lines
}
