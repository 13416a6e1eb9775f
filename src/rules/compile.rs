//! The file as written → the plan: every name becomes an index, everything that cannot be is refused with its place.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_saphyr::{Location, Spanned};
use xxhash_rust::xxh3::xxh3_64;

use super::condition::{Condition, Inputs, Only, Type, Value, Vocabulary};
use super::exclude::Exclude;
use super::file::{self, File};
use super::free_mail::FreeMail;
use super::ids::Ids;
use super::plan::*;
use super::roles::{Preset, Roles};
use super::template::Template;
use super::{Error, suggestion};
use crate::model::{Calendar, DAY_MS, EventTime, Field, HOUR_MS, Level, Millis, Role, Track};

/// Compiles a file. Its name is for errors, and its text with the presets written out for the version: what decides
/// names the rules.
pub(super) fn compile(name: &str, whole: &str, file: &File) -> Result<Plan, Error> {
    let presets = presets(name, file)?;
    plan(whole, file, &presets).map_err(|(at, what)| Error::new(place(name, at), what))
}

/// The text of a file with the mappings of its presets written out, after its own. Without presets it is the text.
pub(super) fn whole<'a>(name: &str, text: &'a str, file: &File) -> Result<Cow<'a, str>, Error> {
    if file.presets.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let presets = presets(name, file)?;
    match appended(text, &presets) {
        Some(whole) => Ok(Cow::Owned(whole)),
        None => as_json(name, text, &presets).map(Cow::Owned),
    }
}

/// The text without its chapter `presets`, and with their mappings at the end of the list of `roles`: it stays as it is
/// written, with its comments. None where the two are not written as usual, `roles` with an item a line.
fn appended(text: &str, presets: &[Preset]) -> Option<String> {
    let chapters = super::chapters(text);
    let only = |key: &str| {
        let mut found = chapters.iter().filter(|(other, _)| *other == key);
        found.next().filter(|_| found.next().is_none()).map(|(_, chapter)| *chapter)
    };
    // What is below the key, line by line.
    let below = |chapter: &'static str| chapter.lines().skip_while(|line| !line.starts_with("roles:")).skip(1);
    only("presets")?;
    let roles = only("roles")?;
    let mut lines = roles.lines().skip_while(|line| !line.starts_with("roles:"));
    let is_bare = |line: &str| line.is_empty() || line.starts_with('#');
    lines.next().filter(|key| is_bare(key["roles:".len()..].trim()))?;
    let first = lines.find(|line| !is_bare(line.trim()))?;
    let indent = first.len() - first.trim_start_matches(' ').len();
    first[indent..].starts_with("- ").then_some(())?;
    let written: usize = chapters.iter().map(|(_, chapter)| chapter.len()).sum();
    let mut whole = text[..text.len() - written].to_owned();
    for (key, chapter) in &chapters {
        match *key {
            "presets" => {}
            "roles" => {
                whole += chapter.trim_end();
                for preset in presets {
                    whole += &format!("\n{:indent$}# preset {}", "", preset.word());
                    for line in below(preset.text()) {
                        whole += &format!("\n{:indent$}{}", "", line.strip_prefix("  ").unwrap_or(line));
                    }
                }
                whole += "\n";
                whole += &chapter[chapter.trim_end().len()..];
            }
            _ => whole += chapter,
        }
    }
    Some(whole)
}

/// The same as JSON, which is YAML: for a text that is written in another way.
fn as_json(name: &str, text: &str, presets: &[Preset]) -> Result<String, Error> {
    type Document = serde_json::Map<String, serde_json::Value>;
    let mappings = |document: &mut Document| match document.get_mut("roles") {
        Some(serde_json::Value::Array(mappings)) => std::mem::take(mappings),
        _ => Vec::new(),
    };
    let mut document: Document = super::read_yaml(name, text)?;
    let mut all = mappings(&mut document);
    for preset in presets {
        all.append(&mut mappings(&mut super::read_yaml(preset.word(), preset.text())?));
    }
    document.remove("presets");
    document.insert("roles".into(), all.into());
    Ok(serde_json::to_string_pretty(&document).expect("a document of texts and numbers has a JSON form"))
}

/// Puts the mappings of a file's presets among its own.
pub(super) fn resolve(name: &str, file: &mut File) -> Result<(), Error> {
    let presets = presets(name, file)?;
    file.presets.clear();
    file.roles.extend(presets.into_iter().flat_map(Preset::mappings));
    Ok(())
}

/// The presets that a file names. Which there are depends on the version of Upswell, and not on the text.
fn presets(name: &str, file: &File) -> Result<Vec<Preset>, Error> {
    let preset = |written: &Spanned<String>| {
        Preset::ALL.into_iter().find(|preset| preset.word() == written.value).ok_or_else(|| {
            let known = Preset::ALL.map(Preset::word).join(", ");
            let what = super::with_suggestion(&format!("unknown preset {}, expected one of {known}", written.value));
            Error { is_local: true, ..Error::new(place(name, written.referenced), what) }
        })
    };
    file.presets.iter().map(preset).collect()
}

/// A place in a file. What a preset brings does not stand there.
fn place(name: &str, at: Location) -> String {
    let (line, column) = if at == Location::UNKNOWN { (1, 1) } else { (at.line(), at.column()) };
    format!("{name}:{line}:{column}")
}

/// What is wrong, and where.
type Wrong = (Location, String);

/// Something that is wrong with what stands there.
fn wrong<T>(there: &Spanned<T>, what: impl Into<String>) -> Wrong {
    (there.referenced, what.into())
}

fn plan(whole: &str, file: &File, presets: &[Preset]) -> Result<Plan, Wrong> {
    let time = time(&file.time)?;
    let roles = Roles::compile(&file.roles, presets)?;
    let exclude = file.exclude.as_ref().map(|it| Exclude::compile(&it.value).map_err(|what| wrong(it, what)));
    let meters = meters(&file.meters)?;
    let segments = segments(&file.segments)?;
    let tiers = tiers(&file.scores.tiers)?;
    let mut names = names(&file.signals, &meters)?;
    names.segments = segments.iter().map(|segment| segment.id.to_string()).collect();
    names.tiers = tiers.iter().map(|tier| tier.id.to_string()).collect();
    let triggers = triggers(&file.triggers, &mut names)?;
    let arms = arms(&file.rails.arms, &triggers, &mut names)?;
    let mut by_level: Vec<usize> = (0..triggers.len()).collect();
    by_level.sort_by_key(|&trigger| triggers[trigger].level);
    Ok(Plan {
        version: version(&file.name, whole),
        time,
        ids: Ids::compile(&file.ids),
        accounts_max: limit("accounts", &file.limits.accounts)?,
        users_max: limit("users", &file.limits.users)?,
        roles,
        exclude: exclude.transpose()?.unwrap_or_default(),
        meters,
        index: index(&names, &triggers, &by_level),
        people: people(&file.traits),
        routes: routes(&file.routes, &triggers, &segments, &tiers)?,
        scores: scores(&file.scores, tiers)?,
        territories: territories(&file.territories, &segments)?,
        templates: templates(&file.templates, &triggers)?,
        segments,
        triggers,
        by_level,
        medium_due_ms: due(&file.due.medium)?,
        rails: rails(&file.rails, arms)?,
        pilot: file.pilot.as_ref().map(pilot).transpose()?,
        money: money(&file.money, &names)?,
        user_signals: names.users,
        account_signals: names.accounts,
        traits: names.traits,
    })
}

/// Names the rules. It is published, and committed with offsets, where Kafka takes 4,096 bytes: a name that is too long
/// is cut before the hash (semantics F22).
fn version(name: &str, whole: &str) -> Arc<str> {
    const NAME_MAX: usize = 200;
    let (name, rest) = name.split_at(name.floor_char_boundary(NAME_MAX));
    let ellipsis = if rest.is_empty() { "" } else { "…" };
    format!("{name}{ellipsis}@{:016x}", xxh3_64(whole.as_bytes())).into()
}

fn time(time: &file::Time) -> Result<Time, Wrong> {
    let lateness = time.allowed_lateness.value.0;
    if lateness > DAY_MS {
        let what = format!("allowed_lateness is {} h: at most 24h is allowed", lateness / HOUR_MS);
        return Err((time.allowed_lateness.referenced, what));
    }
    // Shorter lives than the window that late events can reach would make forgetting observable.
    let forget = time.forget_after_days.value;
    if !(64..=36_500).contains(&forget) {
        return Err((
            time.forget_after_days.referenced,
            format!("forget_after_days is {forget}: 64 to 36500 are allowed"),
        ));
    }
    let calendar = match &time.utc_offset {
        None => Calendar::UTC,
        Some(offset) => offset.value.parse().map_err(|what| wrong(offset, format!("utc_offset: {what}")))?,
    };
    Ok(Time {
        allowed_lateness_ms: lateness,
        max_skew_ms: time.max_skew.0,
        dedupe_window_ms: time.dedupe_window.map_or(lateness, |window| window.0),
        dedupe_ids: time.dedupe_ids as usize,
        forget_after_days: forget as i32,
        calendar,
    })
}

fn limit(name: &str, written: &Spanned<u32>) -> Result<usize, Wrong> {
    match written.value {
        0 => Err(wrong(written, format!("limits.{name} is 0: nothing could be taken in"))),
        limit => Ok(limit as usize),
    }
}

fn due(medium: &Spanned<file::DueRange>) -> Result<(i64, i64), Wrong> {
    let (from, by) = (medium.value.from.0, medium.value.by.0);
    if from > by {
        return Err(wrong(medium, "due.medium: from is later than by"));
    }
    Ok((from, by))
}

fn meters(written: &BTreeMap<String, Spanned<file::Meter>>) -> Result<Vec<Meter>, Wrong> {
    let meter = |(id, spanned): (&String, &Spanned<file::Meter>)| {
        let meter = &spanned.value;
        if meter.gauge && meter.sum.is_none() {
            return Err(wrong(spanned, format!("meter {id}: a gauge needs sum, the field that has its level")));
        }
        let only = words("where", &meter.only).map_err(|what| wrong(spanned, format!("meter {id}: {what}")))?;
        Ok(Meter { id: id.as_str().into(), role: meter.role, only, sum: meter.sum, gauge: meter.gauge })
    };
    written.iter().map(meter).collect()
}

/// An id is a word: it stands in messages, in conditions, and in other rows of the file.
fn id(id: &str) -> Result<Arc<str>, String> {
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Err(format!("id is {id:?}: letters, digits, - and _ are allowed, and at least one"));
    }
    Ok(id.into())
}

/// A text that must say something.
fn said(name: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err(format!("{name} is missing")) } else { Ok(()) }
}

/// A list without an entry matches nothing, where leaving it out matches everything.
fn not_empty<T>(name: &str, list: Option<&[T]>) -> Result<(), String> {
    match list {
        Some([]) => Err(format!("{name} is empty, which is never: leave it out, or name some")),
        _ => Ok(()),
    }
}

/// What rules can name.
#[derive(Default)]
struct Names {
    /// Signals by scope.
    users: Vec<Signal>,
    accounts: Vec<Signal>,
    /// Signals that are written and off.
    off: Vec<String>,
    /// Traits beyond the known ones that conditions read.
    traits: Vec<String>,
    segments: Vec<String>,
    tiers: Vec<String>,
}

impl Names {
    /// Says that there is no such signal, and which may be meant.
    fn no_signal(&self, id: &str) -> String {
        if self.off.iter().any(|off| off == id) {
            return format!("signal {id} is off");
        }
        let known = self.users.iter().chain(&self.accounts).map(|signal| &*signal.id);
        format!("there is no signal {id}{}", suggestion(id, known))
    }
}

fn names(written: &[Spanned<file::Signal>], meters: &[Meter]) -> Result<Names, Wrong> {
    let mut names = Names::default();
    let mut ids: Vec<&str> = Vec::new();
    for spanned in written {
        let signal = &spanned.value;
        let whole = |what| (spanned.referenced, format!("signal {}: {what}", signal.id));
        if ids.contains(&&*signal.id) {
            return Err(whole("the id is used twice".into()));
        }
        let is_word = |word: &str| {
            let mut chars = word.chars();
            chars.next().is_some_and(|c| c.is_ascii_lowercase())
                && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !signal.id.contains('.') || !signal.id.split('.').all(is_word) {
            return Err(whole("an id has a group and a name, like velocity.growth, in lower case".into()));
        }
        let reserved = ["user.", "event.", "traits.", "score."];
        if signal.id == "account.active_users" || reserved.iter().any(|group| signal.id.starts_with(group)) {
            return Err(whole(format!("the id is taken: {} and account.active_users are", reserved.join(" "))));
        }
        ids.push(&signal.id);
        if signal.scopes.is_empty() {
            return Err(whole("scopes is empty: allowed are user, account".into()));
        }
        if signal.scopes.len() > 1 && signal.scopes[1..].contains(&signal.scopes[0]) {
            return Err(whole("scopes names one scope twice".into()));
        }
        if signal.off {
            names.off.push(signal.id.clone());
        }
        for scope in &signal.scopes {
            let kind = signal_kind(signal, *scope, meters).map_err(whole)?;
            let (pql, pqa) = match &signal.enters {
                Some(scores) => (scores.contains(&file::ScoreName::Pql), scores.contains(&file::ScoreName::Pqa)),
                None => (*scope == file::Scope::User, *scope == file::Scope::Account),
            };
            let list = if *scope == file::Scope::User { &mut names.users } else { &mut names.accounts };
            if signal.off {
                continue;
            }
            list.push(Signal {
                id: signal.id.as_str().into(),
                points: points(&signal.points, kind.rungs()).map_err(whole)?,
                kind,
                pql,
                pqa,
            });
            if list.len() > SIGNALS_MAX {
                return Err(whole(format!("more than {SIGNALS_MAX} signals of one scope")));
            }
        }
    }
    Ok(names)
}

fn points(written: &file::Points, rungs: u8) -> Result<[i32; RUNGS_MAX + 1], String> {
    let each = match written {
        file::Points::None => vec![0; rungs.into()],
        file::Points::All(points) => vec![*points; rungs.into()],
        file::Points::Each(points) => points.clone(),
    };
    if each.len() != usize::from(rungs) {
        return Err(format!("points has {} numbers for {rungs} rungs", each.len()));
    }
    if let Some(far) = each.iter().find(|points| points.abs() > 10_000) {
        return Err(format!("points is {far}: -10000 to 10000 are allowed"));
    }
    Ok(std::array::from_fn(|rung| if rung == 0 { 0 } else { each.get(rung - 1).copied().unwrap_or(0) }))
}

/// The parameters of a signal that a kind takes, one after the other, and what is left over.
struct Parameters<'a> {
    signal: &'a file::Signal,
    name: file::Kind,
    taken: Vec<&'static str>,
}

impl Parameters<'_> {
    fn missing(&self, name: &str) -> String {
        format!("kind {:?} needs {name}", self.name)
    }

    fn take<T: Clone>(&mut self, name: &'static str, value: &Option<T>) -> Option<T> {
        if !self.taken.contains(&name) {
            self.taken.push(name);
        }
        value.clone()
    }

    fn need<T: Clone>(&mut self, name: &'static str, value: &Option<T>) -> Result<T, String> {
        self.take(name, value).ok_or_else(|| self.missing(name))
    }

    fn length(&mut self, name: &'static str, value: Option<Millis>) -> Result<i64, String> {
        let length = self.need(name, &value)?.0;
        if length > 0 { Ok(length) } else { Err(format!("{name} is 0")) }
    }

    /// A time to live, if there is one.
    fn ttl(&mut self) -> Result<Option<i64>, String> {
        match self.take("ttl", &self.signal.ttl) {
            Some(Millis(0)) => Err("ttl is 0: leave it out, and a fact counts for life".into()),
            ttl => Ok(ttl.map(|ttl| ttl.0)),
        }
    }

    fn ladder(&mut self) -> Result<Vec<f64>, String> {
        let rungs = self.need("rungs", &self.signal.rungs)?;
        let rising = rungs.is_sorted_by(|a, b| a < b) && rungs.iter().all(|rung| rung.is_finite() && *rung > 0.0);
        if (1..=RUNGS_MAX).contains(&rungs.len()) && rising {
            Ok(rungs)
        } else {
            Err(format!("rungs must hold 1 to {RUNGS_MAX} rising numbers above 0"))
        }
    }

    fn counts(&mut self) -> Result<Vec<u32>, String> {
        let whole = |rung: f64| {
            let fits = rung.fract() == 0.0 && rung <= 1_000.0;
            if fits {
                Ok(rung as u32)
            } else {
                Err(format!("rungs holds {rung}: whole numbers up to 1000 are allowed"))
            }
        };
        self.ladder()?.into_iter().map(whole).collect()
    }

    fn days(&mut self, max: u32) -> Result<u32, String> {
        match self.need("days", &self.signal.days)? {
            days if (1..=max).contains(&days) => Ok(days),
            days => Err(format!("days is {days}: 1 to {max} are allowed")),
        }
    }

    fn filter(&mut self) -> Result<Filter, String> {
        self.taken.extend(["roles", "where", "where_bound", "premium"]);
        if self.signal.roles.is_empty() {
            return Err(self.missing("roles"));
        }
        Ok(Filter {
            roles: self.signal.roles.clone(),
            only: words("where", &self.signal.only)?,
            where_bound: words("where_bound", &self.signal.where_bound)?,
            premium: self.signal.premium,
        })
    }

    fn two_roles(&mut self) -> Result<(Role, Role), String> {
        self.taken.push("roles");
        match self.signal.roles[..] {
            [first, then] => Ok((first, then)),
            _ => Err(format!("kind {:?} needs two roles: what begins, and what ends", self.name)),
        }
    }

    fn field(&mut self) -> Result<Field, String> {
        let of = self.need("of", &self.signal.of)?;
        field(&of).ok_or_else(|| super::with_suggestion(&format!("unknown field {of}, expected one of {}", fields())))
    }

    /// Whatever was given and not taken is a mistake.
    fn rest(&self) -> Result<(), String> {
        let signal = self.signal;
        let given = [
            ("roles", !signal.roles.is_empty()),
            ("where", !signal.only.is_empty()),
            ("where_bound", !signal.where_bound.is_empty()),
            ("premium", signal.premium),
            ("of", signal.of.is_some()),
            ("ttl", signal.ttl.is_some()),
            ("gap", signal.gap.is_some()),
            ("within", signal.within.is_some()),
            ("after", signal.after.is_some()),
            ("rungs", signal.rungs.is_some()),
            ("one_of", signal.one_of.is_some()),
            ("above_percent", signal.above_percent.is_some()),
            ("direction", signal.direction.is_some()),
            ("significance", signal.significance.is_some()),
            ("days", signal.days.is_some()),
            ("weeks", signal.weeks.is_some()),
            ("at_least", signal.at_least.is_some()),
            ("spike_below", signal.spike_below.is_some()),
            ("spike_above", signal.spike_above.is_some()),
        ];
        match given.iter().find(|(name, is_given)| *is_given && !self.taken.contains(name)) {
            Some((name, _)) => Err(format!("kind {:?} takes {}, not {name}", self.name, self.taken.join(", "))),
            None => Ok(()),
        }
    }
}

fn fields() -> String {
    Field::ALL.map(Field::word).join(", ")
}

fn field(word: &str) -> Option<Field> {
    Field::ALL.into_iter().find(|field| field.word() == word)
}

/// Values that fields may have, in lower case.
fn words(name: &str, written: &BTreeMap<Field, Vec<file::Word>>) -> Result<Vec<(Field, Vec<String>)>, String> {
    let text = |word: &file::Word| match word {
        file::Word::Boolean(is) => is.to_string(),
        file::Word::Text(text) => text.trim().to_lowercase(),
    };
    let values = |(field, words): (&Field, &Vec<file::Word>)| {
        not_empty(&format!("{name}.{}", field.word()), Some(words))?;
        Ok((*field, words.iter().map(text).collect()))
    };
    written.iter().map(values).collect()
}

fn signal_kind(signal: &file::Signal, scope: file::Scope, meters: &[Meter]) -> Result<Kind, String> {
    use file::{Kind as Name, Scope};
    let name = signal.kind.ok_or("kind is missing: what does it measure?")?;
    let scopes: &[Scope] = match name {
        Name::Stickiness | Name::Growth | Name::Seen | Name::Count | Name::Distinct | Name::Idle => {
            &[Scope::User, Scope::Account]
        }
        Name::Within | Name::Abandoned | Name::ActiveDays => &[Scope::User],
        Name::Ladder | Name::Spike | Name::Age | Name::UsageRatio | Name::Trait => &[Scope::Account],
    };
    if !scopes.contains(&scope) {
        return Err(format!("kind {name:?} has the scopes {scopes:?}, not {scope:?}"));
    }
    let mut take = Parameters { signal, name, taken: Vec::new() };
    let kind = match name {
        Name::Seen | Name::Count => {
            let seen = Seen {
                filter: take.filter()?,
                ttl_ms: take.ttl()?,
                after_founding_ms: take.take("after", &signal.after).map_or(0, |after| after.0),
            };
            if name == Name::Seen { Kind::Seen(seen) } else { Kind::Count(Count { seen, rungs: take.counts()? }) }
        }
        Name::Distinct if signal.of.as_deref() == Some("session") => {
            take.taken.push("of");
            if scope == Scope::Account {
                return Err("sessions are of users".into());
            }
            Kind::Sessions(Sessions {
                filter: take.filter()?,
                gap_ms: take.take("gap", &signal.gap).map_or(0, |gap| gap.0),
                ttl_ms: take.length("ttl", signal.ttl)?,
                rungs: take.counts()?,
            })
        }
        Name::Distinct => Kind::Distinct(Distinct {
            filter: take.filter()?,
            field: take.field()?,
            ttl_ms: take.ttl()?,
            within_ms: take.take("within", &signal.within).map(|within| within.0),
            rungs: take.counts()?,
        }),
        Name::Within => {
            let (first, then) = take.two_roles()?;
            if (first, then) != (Role::SignedUp, Role::Activated) {
                return Err("roles: only [signed_up, activated] so far".into());
            }
            Kind::Within(Within { first, then, within_ms: take.length("within", signal.within)? })
        }
        Name::Abandoned => {
            let (start, complete) = take.two_roles()?;
            let after_ms = take.length("after", signal.after)?;
            Kind::Abandoned(Abandoned { start, complete, after_ms, ttl_ms: take.length("ttl", signal.ttl)? })
        }
        Name::ActiveDays => Kind::ActiveDays(ActiveDays { days: take.days(7)? }),
        Name::Stickiness => {
            let above = take.need("above_percent", &signal.above_percent)?;
            let rising = above.is_sorted_by(|a, b| a < b) && above.iter().all(|percent| *percent < 100);
            if !(1..=RUNGS_MAX).contains(&above.len()) || !rising {
                return Err(format!("above_percent must hold 1 to {RUNGS_MAX} rising numbers below 100"));
            }
            Kind::Stickiness(Stickiness { above_percent: above })
        }
        Name::Growth => growth(&mut take, scope)?,
        Name::Spike => match take.need("of", &signal.of)?.as_str() {
            "new_users" => Kind::NewUsers(NewUsers {
                at_least: take.need("at_least", &signal.at_least)?.max(1),
                spike_below: match take.take("spike_below", &signal.spike_below) {
                    Some(p) if !(p > 0.0 && p <= 1.0) => {
                        return Err(format!("spike_below is {p}: a probability above 0, at most 1, is allowed"));
                    }
                    p => p,
                },
            }),
            of => Kind::Spike(Spike {
                meter: meter(of, meters)?,
                at_least: take.need("at_least", &signal.at_least)?,
                above: match take.need("spike_above", &signal.spike_above)? {
                    above if above.is_finite() && above > 0.0 => above,
                    above => return Err(format!("spike_above is {above}: a number above 0 is allowed")),
                },
            }),
        },
        Name::Idle if scope == Scope::User => Kind::Idle(Idle { days: take.days(28)? }),
        Name::Idle => {
            if take.need("of", &signal.of)? != "new_users" {
                return Err("of: only new_users is idle for accounts".into());
            }
            let (at_least, weeks) = (take.need("at_least", &signal.at_least)?, take.need("weeks", &signal.weeks)?);
            if !(1..=12).contains(&weeks) {
                return Err(format!("weeks is {weeks}: 1 to 12 are allowed"));
            }
            Kind::Stalled(Stalled { at_least, weeks })
        }
        Name::Age => {
            let still = match take.need("of", &signal.of)?.as_str() {
                "single_user" => Still::SingleUser,
                "free_only" => Still::FreeOnly,
                other => return Err(format!("of is {other}: allowed are single_user, free_only")),
            };
            Kind::Age(Age { age_ms: i64::from(take.days(3_650)?) * DAY_MS, still })
        }
        Name::UsageRatio => Kind::UsageRatio(UsageRatio { percent: take.need("at_least", &signal.at_least)? }),
        Name::Ladder => {
            let of = match take.need("of", &signal.of)?.as_str() {
                "active_users" => Of::ActiveUsers,
                "users_of_a_domain" => Of::UsersOfADomain,
                "departments" => Of::Departments,
                other => Of::Volume(meter(other, meters)?),
            };
            Kind::Ladder(Ladder { of, rungs: take.ladder()? })
        }
        Name::Trait => trait_is(&mut take)?,
    };
    take.rest()?;
    Ok(kind)
}

fn meter(id: &str, meters: &[Meter]) -> Result<usize, String> {
    meters.iter().position(|meter| *meter.id == *id).ok_or_else(|| {
        let known: Vec<&str> = meters.iter().map(|meter| &*meter.id).collect();
        format!("of is {id}, which is no meter: meters has {}", known.join(", "))
    })
}

fn trait_is(take: &mut Parameters<'_>) -> Result<Kind, String> {
    if take.need("of", &take.signal.of)? == "executives" {
        return Ok(Kind::Executive);
    }
    let field = take.field()?;
    let is = match (field, &take.signal.one_of, &take.signal.rungs) {
        (Field::Employees, None, Some(_)) => TraitIs::Employees(take.ladder()?),
        (Field::LeadScore, None, Some(_)) => TraitIs::AtLeast(field, take.ladder()?),
        (Field::Industry | Field::Country | Field::Territory, Some(values), None) => {
            take.taken.push("one_of");
            not_empty("one_of", Some(values))?;
            TraitIs::OneOf(field, values.iter().map(|value| value.trim().to_lowercase()).collect())
        }
        (Field::Icp | Field::Target | Field::OpenOpportunity, None, None) => TraitIs::True(field),
        _ => {
            return Err("a trait is employees or lead_score with rungs, industry, country or territory with one_of, \
                        or icp, target or open_opportunity"
                .into());
        }
    };
    Ok(Kind::Trait(is))
}

fn growth(take: &mut Parameters<'_>, scope: file::Scope) -> Result<Kind, String> {
    let signal = take.signal;
    let up = take.need("direction", &signal.direction)? == file::Direction::Up;
    let by = match take.take("of", &signal.of).as_deref() {
        None => {
            take.taken.push("significance");
            let significance = signal.significance.as_ref().ok_or_else(|| take.missing("significance"))?;
            self::significance(significance, up, scope)?
        }
        Some(by) => {
            let percent = take.need("at_least", &signal.at_least)?;
            if percent > 10_000 {
                return Err(format!("at_least is {percent}: at most 10000 percent is allowed"));
            }
            match (by, scope) {
                ("ratio", file::Scope::Account) => GrowthBy::Ratio(percent),
                ("new_users", file::Scope::Account) if up => GrowthBy::Newcomers(percent),
                _ => return Err("of: allowed are ratio, and upward new_users, of accounts".into()),
            }
        }
    };
    Ok(Kind::Growth(Growth { up, by }))
}

/// What `significance` says of a scope.
fn significance(significance: &file::Significance, up: bool, scope: file::Scope) -> Result<GrowthBy, String> {
    let tests = match significance {
        file::Significance::Word(word) if word == "none" => return Ok(GrowthBy::Streak),
        file::Significance::Word(_) => {
            return Err("significance: allowed is none, or tests like { above: 32, each: 10 }".to_owned());
        }
        file::Significance::Tests(tests) => tests,
    };
    // Days tell of 7 changes from week to week, and the weekly values of an account of 12.
    let longest = if scope == file::Scope::User { 7 } else { 12 };
    let slope = |test: &file::Test| {
        let thousandths = (test.z * 1_000.0).round();
        let fits = (0.0..=1e6).contains(&thousandths) && (test.z * 1_000.0 - thousandths).abs() < 1e-6;
        if fits && (1..=longest).contains(&test.streak) {
            Ok(SlopeTest { streak: test.streak, z_thousandths: thousandths as u32 })
        } else {
            Err(format!("significance: slope: streak 1 to {longest}, z 0 to 1000 in steps of 0.001"))
        }
    };
    let slopes = match &tests.slope {
        None => SlopeTest::DEFAULT.to_vec(),
        Some(slopes) if slopes.is_empty() => return Err("significance: slope is empty".to_owned()),
        Some(slopes) => slopes.iter().map(slope).collect::<Result<_, _>>()?,
    };
    let level = match (up, tests.above, tests.each, tests.below, tests.share) {
        (true, Some(both), Some(each), None, None) => LevelTest::Above { both, each },
        (false, None, None, Some(below), Some(share)) if share < 100 => LevelTest::Below { below, share },
        (false, None, None, Some(_), Some(share)) => {
            return Err(format!("significance: share is {share}: below 100 is allowed"));
        }
        // The slope alone is enough where it alone decides.
        (_, None, None, None, None) if scope == file::Scope::User => {
            if up {
                LevelTest::GROWING
            } else {
                LevelTest::DECLINING
            }
        }
        (true, ..) => return Err("significance: upward wants above and each, as in { above: 32, each: 10 }".to_owned()),
        (false, ..) => {
            return Err("significance: downward wants below and share, as in { below: 12, share: 60 }".to_owned());
        }
    };
    if let LevelTest::Above { both: 0, .. } | LevelTest::Above { each: 0, .. } | LevelTest::Below { below: 0, .. } =
        level
    {
        return Err("significance: above, each and below are at least 1".to_owned());
    }
    Ok(GrowthBy::Level(level, slopes))
}

fn triggers(written: &[Spanned<file::Trigger>], names: &mut Names) -> Result<Vec<Trigger>, Wrong> {
    let mut triggers: Vec<Trigger> = Vec::new();
    if let Some(beyond) = written.get(TRIGGERS_MAX) {
        return Err((beyond.referenced, format!("more than {TRIGGERS_MAX} triggers")));
    }
    for spanned in written {
        let trigger = &spanned.value;
        let whole = |what| (spanned.referenced, format!("trigger {}: {what}", trigger.id));
        if triggers.iter().any(|other| *other.id == *trigger.id) {
            return Err(whole("the id is used twice".into()));
        }
        if trigger.cooldown.0 == 0 {
            return Err(whole("cooldown is 0: two handoffs of one instant would share an id".into()));
        }
        let kind = trigger_kind(trigger, names).map_err(whole)?;
        let (id, level) = (id(&trigger.id).map_err(whole)?, trigger.level);
        triggers.push(Trigger { id, level, cooldown_ms: trigger.cooldown.0, kind });
    }
    Ok(triggers)
}

fn trigger_kind(trigger: &file::Trigger, names: &mut Names) -> Result<TriggerKind, String> {
    match (&trigger.on, &trigger.when) {
        (Some(on), None) if trigger.rearm_after_closed_days == 0 => {
            let feeds = |signal: &&Signal| match &signal.kind {
                Kind::Seen(seen) => {
                    on.role.is_some_and(|role| seen.filter.roles == [role]) && seen.filter.only.is_empty()
                }
                _ => false,
            };
            let signal = names.users.iter().find(feeds).map(|signal| Arc::clone(&signal.id));
            if on.role.is_some() == on.new_user {
                return Err("on takes exactly one of role and new_user".into());
            }
            Ok(TriggerKind::Event(OnEvent {
                role: on.role,
                only: words("where", &on.only)?,
                plan: on.plan.as_ref().map(|plan| plan.to_lowercase()),
                when: on.when.as_ref().map(|when| condition("when", when, names, true)).transpose()?,
                first: on.first,
                raised_hand: on.raised_hand,
                asks_for_sales: on.asks_for_sales,
                signal,
            }))
        }
        (Some(_), None) => Err("rearm_after_closed_days goes with when, not with on".into()),
        (None, Some(when)) => {
            let when = condition("when", when, names, false)?;
            let per_user = when.names().iter().any(|name| name.starts_with("user."));
            must_be_noticed(&when, per_user, names)?;
            Ok(TriggerKind::Condition { when, per_user, rearm_after_closed_days: trigger.rearm_after_closed_days })
        }
        _ => Err("exactly one of on and when is needed".into()),
    }
}

/// The condition in a text; `key` is where it is written.
fn condition(key: &str, text: &str, names: &mut Names, of_event: bool) -> Result<Condition, String> {
    let condition =
        Condition::compile(text, &mut Scope { names, of_event }).map_err(|what| format!("{key}: {what}"))?;
    if condition.names().is_empty() {
        return Err(format!("{key}: it names nothing, and so is always the same"));
    }
    Ok(condition)
}

/// What a condition may name: with `of_event` fields of an event, and nothing of a user.
struct Scope<'a> {
    names: &'a mut Names,
    of_event: bool,
}

impl Vocabulary for Scope<'_> {
    fn find(&mut self, name: &str) -> Option<(Input, Type)> {
        let found = type_of(name, self.names, self.of_event)?;
        Some((input(name, self.names), found))
    }

    fn only(&self, name: &str) -> Only {
        only(name, self.names)
    }

    fn unknown(&self, name: &str) -> String {
        unknown(name, self.names, self.of_event)
    }
}

/// Inputs of which a function gives the value.
struct Assumed<'a>(&'a dyn Fn(Input) -> Value<'a>);

impl Inputs for Assumed<'_> {
    fn value(&self, input: Input) -> Value<'_> {
        (self.0)(input)
    }

    fn item(&self, _: Input, _: usize) -> Option<i64> {
        None
    }
}

fn slot(list: &[Signal], id: &str) -> Option<usize> {
    list.iter().position(|signal| *signal.id == *id)
}

fn type_of(path: &str, names: &Names, of_event: bool) -> Option<Type> {
    if let Some((_, _, of, _)) = Figure::ALL.iter().find(|figure| figure.1 == path) {
        return (!of_event || !path.starts_with("user.")).then_some(*of);
    }
    if let Some(of_event_field) = path.strip_prefix("event.") {
        return (of_event && field(of_event_field).is_some()).then_some(Type::Any);
    }
    if let Some(name) = path.strip_prefix("traits.") {
        return (!name.contains('.')).then_some(Type::Any);
    }
    let known = match path.strip_prefix("user.") {
        Some(id) => !of_event && slot(&names.users, id).is_some(),
        None => slot(&names.accounts, path).is_some(),
    };
    known.then_some(Type::Int)
}

fn input(path: &str, names: &mut Names) -> Input {
    if let Some((figure, ..)) = Figure::ALL.iter().find(|figure| figure.1 == path) {
        return Input::Figure(*figure);
    }
    if let Some(field) = path.strip_prefix("event.").and_then(field) {
        return Input::Event(field);
    }
    if let Some(name) = path.strip_prefix("traits.") {
        let place = names.traits.iter().position(|known| known == name).unwrap_or_else(|| {
            names.traits.push(name.to_owned());
            names.traits.len() - 1
        });
        return Input::Trait(place);
    }
    let user = path.strip_prefix("user.").and_then(|id| slot(&names.users, id)).map(SignalRef::User);
    let account = || slot(&names.accounts, path).map(SignalRef::Account);
    match user.or_else(account) {
        Some(signal) => Input::Signal(signal),
        None => unreachable!("`{path}` has a type, so it is a figure, a field, a trait or a signal"),
    }
}

/// The values that a name can have.
fn only(path: &str, names: &Names) -> Only {
    let words = |words: &[String]| Only::Words(words.to_vec());
    let rungs = |list: &[Signal], id: &str| slot(list, id).map(|slot| Only::UpTo(list[slot].kind.rungs().into()));
    match path {
        "user.band" => words(&BANDS.map(str::to_owned)),
        "segment" => words(&names.segments),
        "tier" => words(&[&[String::new()], &*names.tiers].concat()),
        "plan" | "industry" => Only::LowerCase,
        "weekly_users" => Only::Items(WEEKS_KNOWN),
        _ => path
            .strip_prefix("user.")
            .and_then(|id| rungs(&names.users, id))
            .or_else(|| rungs(&names.accounts, path))
            .unwrap_or(Only::Any),
    }
}

/// Why a condition may not name this, and what may be meant instead.
fn unknown(path: &str, names: &Names, of_event: bool) -> String {
    let id = path.strip_prefix("user.").unwrap_or(path);
    if names.off.iter().any(|off| off == id) {
        return format!("signal `{id}` is off");
    }
    if of_event && path.starts_with("user.") && type_of(path, names, false).is_some() {
        return format!("`{path}` is of a user: the condition of an event trigger is about the account and `event.…`");
    }
    let of_other_scope = if id == path { format!("user.{path}") } else { id.to_owned() };
    if type_of(&of_other_scope, names, of_event).is_some() {
        return format!("unknown name `{path}`: did you mean `{of_other_scope}`?");
    }
    let figures = Figure::ALL.iter().map(|figure| figure.1.to_owned());
    let accounts = names.accounts.iter().map(|signal| signal.id.to_string());
    let users = names.users.iter().map(|signal| format!("user.{}", signal.id));
    let fields = Field::ALL.iter().filter(|_| of_event).map(|field| format!("event.{}", field.word()));
    let known: Vec<String> = figures.chain(accounts).chain(users).chain(fields).collect();
    let allowed = known.iter().map(String::as_str).filter(|name| !of_event || !name.starts_with("user."));
    format!("unknown name `{path}`{}", suggestion(path, allowed))
}

/// A condition is looked at when something that it reads changes. One that could be true where nothing has ever
/// happened would be noticed late, or never.
fn must_be_noticed(when: &Condition, per_user: bool, names: &Names) -> Result<(), String> {
    let of_user = |input: Input| match input {
        Input::Signal(SignalRef::User(_)) => true,
        Input::Figure(figure) => Figure::OF_ACCOUNT >> figure as u32 & 1 == 0,
        _ => false,
    };
    let segment = &*names.segments[0];
    let off = |input: Input| {
        if per_user && !of_user(input) {
            return Value::Unknown;
        }
        match input {
            Input::Signal(_) => Value::Int(0),
            Input::Trait(_) | Input::Event(_) => Value::Unknown,
            Input::Figure(Figure::Industry | Figure::Country) => Value::Unknown,
            Input::Figure(Figure::Segment) => Value::Text(segment),
            Input::Figure(figure) => match Figure::ALL.iter().find(|known| known.0 == figure).map(|known| known.2) {
                Some(Type::Int) => Value::Int(0),
                Some(Type::Text) => Value::Text(""),
                Some(Type::Bool) if figure != Figure::Icp => Value::Bool(false),
                _ => Value::Unknown,
            },
        }
    };
    match (when.holds(&Assumed(&off)), per_user) {
        (Some(false), _) | (None, false) => Ok(()),
        (_, true) => Err("when could be true of a user without any signal: name a signal, a band or a score".into()),
        (_, false) => Err("when is true of an account of which nothing is known: name what must have happened".into()),
    }
}

fn index(names: &Names, triggers: &[Trigger], by_level: &[usize]) -> Index {
    let mut index = Index { by_role: vec![Vec::new(); Role::ALL.len()], ..Index::default() };
    let is_on_event = |trigger: &usize| matches!(triggers[*trigger].kind, TriggerKind::Event(_));
    index.event_triggers = (0..triggers.len()).filter(is_on_event).collect();
    let event_trigger_role = |trigger: &Trigger| match &trigger.kind {
        TriggerKind::Event(on) => on.role,
        TriggerKind::Condition { .. } => None,
    };
    index.event_trigger_roles = triggers.iter().filter_map(event_trigger_role).collect();
    for trigger in triggers {
        let TriggerKind::Condition { when, per_user, .. } = &trigger.kind else { continue };
        index.reads.all(&when.reads);
        if *per_user {
            index.user_conditions.add(&when.reads.users);
            index.trigger_scores |= when.reads.figures & !Figure::OF_ACCOUNT != 0;
            index.trigger_everybody |= when.reads.reads(Figure::UserScore) || when.reads.reads(Figure::UserBuys);
        }
    }
    for (slot, signal) in names.users.iter().enumerate() {
        let roles = fed_by(&signal.kind);
        roles.iter().for_each(|role| index.by_role[*role as usize].push(SignalRef::User(slot)));
        match &signal.kind {
            Kind::Abandoned(abandoned) => index.completions.entry(abandoned.complete).or_default().push(slot),
            Kind::ActiveDays(_) | Kind::Idle(_) => index.by_activity.push(slot),
            kind if kind.known_by().meet(Changes::SIGNED_UP) => index.by_sign_up.push(slot),
            _ => {}
        }
        match signal.kind.closes() {
            Some(Closes::Day) => index.user_by_day.push(slot),
            Some(Closes::Week) => index.user_by_week.push(slot),
            None => {}
        }
    }
    index.places = vec![0; triggers.len()];
    for (place, trigger) in by_level.iter().enumerate() {
        index.places[*trigger] = place;
        if let TriggerKind::Condition { when, .. } = &triggers[*trigger].kind {
            index.readers.insert(&when.reads, place);
        }
    }
    index.completing = index.completions.keys().copied().collect();
    for (slot, signal) in names.accounts.iter().enumerate() {
        let (kind, roles) = (&signal.kind, fed_by(&signal.kind));
        roles.iter().for_each(|role| index.by_role[*role as usize].push(SignalRef::Account(slot)));
        if !kind.changes().is_empty() {
            index.at_once.push((kind.changes(), slot));
            index.at_once_changes.add(kind.changes());
        }
        match kind {
            Kind::Age(_) => index.ages.push(slot),
            Kind::Trait(_) | Kind::UsageRatio(_) => {}
            kind if kind.filter().is_some() => {}
            _ => index.account_by_close.insert(slot),
        }
        match kind.closes() {
            Some(Closes::Day) => index.account_by_day.push(slot),
            Some(Closes::Week) => index.account_by_week.push(slot),
            None => {}
        }
    }
    index_reads(&mut index, names);
    let conditions = triggers.iter().filter_map(|trigger| match &trigger.kind {
        TriggerKind::Condition { when, .. } => Some(when),
        TriggerKind::Event(_) => None,
    });
    index.restless_days = conditions.map(|when| restless_days(when, names)).max().unwrap_or(0);
    index
}

/// What conditions read and changes without a level that does.
fn index_reads(index: &mut Index, names: &Names) {
    let mut by = |changes: Changes, add: &dyn Fn(&mut Reads)| {
        let mut reads = Reads::default();
        add(&mut reads);
        if reads.meet(&index.reads) && !changes.is_empty() {
            index.reads_by.push((changes, reads));
            index.reads_changes.add(changes);
        }
    };
    for (figure, ..) in Figure::ALL {
        by(figure.changes(), &|reads| reads.figure(*figure));
    }
    by(Figure::Traits.changes(), &|reads| reads.figure(Figure::Traits));
    for (slot, signal) in names.accounts.iter().enumerate() {
        by(signal.kind.known_by(), &|reads| reads.signal(SignalRef::Account(slot)));
    }
    for (slot, signal) in names.users.iter().enumerate() {
        by(signal.kind.known_by(), &|reads| reads.signal(SignalRef::User(slot)));
    }
    let of_time = |signals: &[Signal], read: &Slots| {
        let slots = (0..signals.len()).filter(|slot| read.has(*slot));
        Vec::from_iter(slots.filter(|slot| signals[*slot].kind.known_by().meet(Changes::KNOWN)))
    };
    index.known_in_time = (of_time(&names.accounts, &index.reads.accounts), of_time(&names.users, &index.reads.users));
}

/// Whether it takes a while to know that a signal is off.
fn becomes_known_in_time(kind: &Kind) -> bool {
    use Kind::{Growth, Idle, NewUsers, Spike, Stalled, Stickiness};
    matches!(kind, Stickiness(_) | Growth(_) | Idle(_) | NewUsers(_) | Spike(_) | Stalled(_))
}

/// For how many closed days after the last active one time alone can change what a condition says.
fn restless_days(when: &Condition, names: &Names) -> i32 {
    /// 13 weeks of figures, and the one that the last active day lies in.
    const WEEKS_DAYS: i32 = 14 * 7;
    // Of an account without activity for 28 days no signal of activity is on.
    let at_rest = |input: Input| match input {
        Input::Signal(SignalRef::Account(slot)) if becomes_known_in_time(&names.accounts[slot].kind) => Value::Int(0),
        Input::Figure(
            Figure::ActiveUsers | Figure::Departments | Figure::Dau | Figure::Wau | Figure::Mau | Figure::NewUsers,
        ) => Value::Int(0),
        _ => Value::Unknown,
    };
    if when.holds(&Assumed(&at_rest)) == Some(false) {
        return 0;
    }
    let days = |input: &Input| match input {
        Input::Figure(Figure::IdleDays) => i32::try_from(when.greatest()).unwrap_or(i32::MAX - 1) + 1,
        Input::Figure(Figure::WeeklyUsers) => WEEKS_DAYS,
        Input::Signal(SignalRef::Account(slot)) => match names.accounts[*slot].kind {
            Kind::Spike(_) | Kind::Stalled(_) => WEEKS_DAYS,
            // Four complete weeks may end so late after the founding day.
            Kind::Growth(Growth { up: true, .. }) => 35,
            _ => 0,
        },
        _ => 0,
    };
    when.inputs().iter().map(days).max().unwrap_or(0)
}

fn fed_by(kind: &Kind) -> Vec<Role> {
    match kind {
        Kind::Within(within) => vec![within.first, within.then],
        Kind::Abandoned(abandoned) => vec![abandoned.start],
        _ => kind.filter().map(|filter| filter.roles.clone()).unwrap_or_default(),
    }
}

fn people(written: &file::Traits) -> People {
    let lower = |list: &[String]| -> BTreeSet<String> { list.iter().map(|word| word.trim().to_lowercase()).collect() };
    let words = |list: &[String]| -> Vec<Vec<String>> {
        list.iter().map(|title| title.to_lowercase().split_whitespace().map(str::to_owned).collect()).collect()
    };
    let executive_titles = words(&written.executive_titles);
    let mut buyer_titles = words(&written.buyer_titles);
    buyer_titles.extend(executive_titles.iter().cloned());
    People {
        executive_titles,
        buyer_titles,
        executive_roles: lower(&written.executive_roles),
        free_mail: FreeMail::new(written.free_mail_list, lower(&written.free_mail), lower(&written.company_mail)),
        departments: written
            .departments
            .iter()
            .map(|(from, to)| (from.trim().to_lowercase(), to.trim().to_lowercase()))
            .collect(),
        billing_topics: lower(&written.billing_topics),
    }
}

fn scores(written: &file::Scores, tiers: Vec<Tier>) -> Result<Scores, Wrong> {
    let file::Bands { emerging, warm, hot, keep } = written.bands.value;
    if !(0 < emerging && emerging < warm && warm < hot && (0..emerging).contains(&keep)) {
        let what = "scores.bands: emerging, warm and hot must rise above 0, and keep be less than emerging";
        return Err(wrong(&written.bands, what));
    }
    let active_users = &written.active_users.value;
    if !active_users.is_sorted_by(|a, b| a < b) || active_users.contains(&0) {
        return Err(wrong(&written.active_users, "scores.active_users must rise above 0"));
    }
    if active_users.len() > usize::from(u8::MAX) {
        return Err(wrong(&written.active_users, "scores.active_users: at most 255 are allowed"));
    }
    Ok(Scores { bands: [emerging, warm, hot], keep, tiers, active_users: active_users.clone() })
}

fn tiers(written: &[Spanned<file::Tier>]) -> Result<Vec<Tier>, Wrong> {
    if let Some(beyond) = written.get(TIERS_MAX) {
        return Err(wrong(beyond, format!("scores.tiers: at most {TIERS_MAX} are allowed")));
    }
    let mut tiers: Vec<Tier> = Vec::new();
    for spanned in written {
        let tier = tier(&spanned.value, &tiers);
        tiers.push(tier.map_err(|what| wrong(spanned, format!("tier {}: {what}", spanned.value.id)))?);
    }
    Ok(tiers)
}

fn tier(tier: &file::Tier, others: &[Tier]) -> Result<Tier, String> {
    let id = id(&tier.id)?;
    if others.iter().any(|other| other.id == id) {
        return Err("the id is used twice".into());
    }
    let users = (tier.users, tier.users_at_most.unwrap_or(u32::MAX));
    if users.0 > users.1 {
        return Err(format!("users is {}, more than users_at_most, {}", users.0, users.1));
    }
    Ok(Tier {
        id,
        users,
        departments: tier.departments,
        icp: tier.icp,
        score: tier.score.unwrap_or(i32::MIN).max(tier.score_above.map_or(i32::MIN, |score| score.saturating_add(1))),
        plays: Level::ALL.map(|level| tier.plays.get(&level).map_or("", String::as_str).into()),
    })
}

fn segments(written: &Spanned<Vec<Spanned<file::Segment>>>) -> Result<Vec<Segment>, Wrong> {
    let mut segments: Vec<Segment> = Vec::new();
    for spanned in &written.value {
        let segment = segment(&spanned.value, &segments);
        segments.push(segment.map_err(|what| wrong(spanned, format!("segment {}: {what}", spanned.value.id)))?);
    }
    if segments.is_empty() {
        return Err(wrong(written, "segments is empty: at least one is needed, of companies whose size is unknown"));
    }
    Ok(segments)
}

fn segment(segment: &file::Segment, smaller: &[Segment]) -> Result<Segment, String> {
    let id = id(&segment.id)?;
    if smaller.iter().any(|other| other.id == id) {
        return Err("the id is used twice".into());
    }
    let employees = match (segment.employees, smaller.last()) {
        (None, None) => f64::NEG_INFINITY,
        (Some(employees), Some(before)) if employees >= 0.0 && employees > before.employees => employees,
        _ => return Err("the first segment has no employees, the others rising numbers of them".into()),
    };
    Ok(Segment {
        id,
        employees,
        potential: amount("potential", segment.potential)?,
        track: segment.track.map(|track| match track {
            file::TrackName::MidMarket => Track::MidMarket,
            file::TrackName::Enterprise => Track::Enterprise,
        }),
        only_user_buys: segment.only_user_buys,
    })
}

/// An amount of money that is not negative.
fn amount(name: &str, amount: f64) -> Result<f64, String> {
    if amount.is_finite() && amount >= 0.0 {
        return Ok(amount);
    }
    Err(format!("{name} is {amount}: 0 or more US dollars are allowed"))
}

fn share(name: &str, share: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("{name} is {share}: 0 to 1 is allowed")) }
}

fn rails(written: &file::Rails, arms: Vec<Arm>) -> Result<Rails, Wrong> {
    let live_from = match &written.live_from {
        None => None,
        Some(text) => {
            let time: jiff::Timestamp = text
                .value
                .parse()
                .map_err(|_| wrong(text, format!("rails.live_from: {:?} is not an RFC 3339 instant", text.value)))?;
            EventTime::new(time.as_millisecond())
        }
    };
    let holdout = &written.holdout.value;
    let held_out = share("rails.holdout.share", holdout.share).map_err(|what| wrong(&written.holdout, what))?;
    Ok(Rails {
        after_signup_ms: written.after_signup.0,
        usage: written.usage,
        pacing_ms: written.pacing.0,
        warm_up_days: i32::from(written.warm_up_days),
        live_from,
        engaged_traits: written.engaged.traits,
        unanswered_ms: written.engaged.unanswered.0,
        holdout: (held_out, holdout.salt.clone()),
        arms,
    })
}

fn arms(written: &[Spanned<file::Arm>], triggers: &[Trigger], names: &mut Names) -> Result<Vec<Arm>, Wrong> {
    let mut arms: Vec<Arm> = Vec::new();
    for spanned in written {
        let whole = |what| (spanned.referenced, format!("arm {}: {what}", spanned.value.id));
        let arm = arm(&spanned.value, triggers, names).map_err(whole)?;
        if arms.iter().any(|other| other.id == arm.id) {
            return Err(whole("the id is used twice".into()));
        }
        for (at, trigger) in arm.triggers.iter().enumerate() {
            let others = arms.iter().flat_map(|other| &other.triggers).chain(&arm.triggers[..at]);
            if others.into_iter().any(|other| other == trigger) {
                return Err(whole(format!("trigger {} is named twice: one arm a trigger", triggers[*trigger].id)));
            }
        }
        arms.push(arm);
    }
    Ok(arms)
}

fn arm(written: &file::Arm, triggers: &[Trigger], names: &mut Names) -> Result<Arm, String> {
    if written.triggers.is_empty() {
        return Err("triggers is empty".into());
    }
    let above = condition("above", &written.above, names, false)?;
    let of_user = above.names().iter().any(|name| name.starts_with("user."));
    let place = |id: &String| {
        let place = trigger_place(id, triggers)?;
        match (&triggers[place].kind, triggers[place].level) {
            (TriggerKind::Event(_), _) => Err(format!("trigger {id} is an event trigger: it has no threshold")),
            (_, Level::High) => Err(format!("trigger {id} is high: only medium and low ones are split")),
            (TriggerKind::Condition { per_user: false, .. }, _) if of_user => {
                Err(format!("above names user.…, but trigger {id} is of the account"))
            }
            _ => Ok(place),
        }
    };
    Ok(Arm {
        id: id(&written.id)?,
        triggers: written.triggers.iter().map(place).collect::<Result<_, String>>()?,
        above,
        share: share("share", written.share)?,
        salt: written.salt.as_ref().unwrap_or(&written.id).as_str().into(),
    })
}

fn trigger_place(id: &str, triggers: &[Trigger]) -> Result<usize, String> {
    let found = triggers.iter().position(|trigger| *trigger.id == *id);
    found.ok_or_else(|| {
        format!("there is no trigger {id}{}", suggestion(id, triggers.iter().map(|trigger| &*trigger.id)))
    })
}

fn trigger_places(ids: &Option<Vec<String>>, triggers: &[Trigger]) -> Result<Option<Vec<usize>>, String> {
    not_empty("triggers", ids.as_deref())?;
    let place = |id: &String| trigger_place(id, triggers);
    ids.as_ref().map(|ids| ids.iter().map(place).collect()).transpose()
}

fn routes(
    written: &Spanned<Vec<Spanned<file::Route>>>,
    triggers: &[Trigger],
    segments: &[Segment],
    tiers: &[Tier],
) -> Result<Vec<Route>, Wrong> {
    let segment_ids: Vec<&Arc<str>> = segments.iter().map(|segment| &segment.id).collect();
    let tier_ids: Vec<&Arc<str>> = tiers.iter().map(|tier| &tier.id).collect();
    let route = |route: &file::Route| {
        said("route", &route.route)?;
        not_empty("levels", route.levels.as_deref())?;
        Ok(Route {
            route: route.route.as_str().into(),
            triggers: trigger_places(&route.triggers, triggers)?,
            levels: route.levels.clone(),
            segments: known("segment", &route.segments, &segment_ids)?,
            tiers: known("tier", &route.tiers, &tier_ids)?,
            asked: route.asked,
            automated: route.automated,
        })
    };
    let is_last = |route: &file::Route| {
        let file::Route { triggers, levels, segments, tiers, asked, .. } = route;
        triggers.is_none() && levels.is_none() && segments.is_none() && tiers.is_none() && asked.is_none()
    };
    let rows = &written.value;
    let found = rows.iter().map(|row| {
        let route: Result<Route, String> = route(&row.value);
        route.map_err(|what| wrong(row, format!("routes: {what}")))
    });
    let found = found.collect::<Result<Vec<_>, _>>()?;
    match rows.last() {
        Some(last) if is_last(&last.value) => Ok(found),
        Some(last) => Err(wrong(last, "routes: the last row must match everything")),
        None => Err(wrong(written, "routes is empty: the last row must match everything")),
    }
}

/// The ids of a list that all stand among those that there are.
fn known(what: &str, ids: &Option<Vec<String>>, there: &[&Arc<str>]) -> Result<Option<Vec<Arc<str>>>, String> {
    not_empty(&format!("{what}s"), ids.as_deref())?;
    let find = |id: &String| {
        let found = there.iter().find(|known| known.as_ref() == id).map(|known| Arc::clone(known));
        found.ok_or_else(|| format!("there is no {what} {id}{}", suggestion(id, there.iter().map(|known| &***known))))
    };
    ids.as_ref().map(|ids| ids.iter().map(find).collect()).transpose()
}

fn territories(written: &[Spanned<file::Territory>], segments: &[Segment]) -> Result<Vec<Territory>, Wrong> {
    let segment_ids: Vec<&Arc<str>> = segments.iter().map(|segment| &segment.id).collect();
    let lower = |name: &str, list: &Option<Vec<String>>| -> Result<Option<Vec<String>>, String> {
        not_empty(name, list.as_deref())?;
        Ok(list.as_ref().map(|list| list.iter().map(|it| it.trim().to_lowercase()).collect()))
    };
    let territory = |row: &file::Territory| -> Result<Territory, String> {
        said("territory", &row.territory)?;
        said("owner", &row.owner)?;
        Ok(Territory {
            territory: row.territory.clone(),
            owner: row.owner.clone(),
            countries: lower("countries", &row.countries)?,
            segments: known("segment", &row.segments, &segment_ids)?
                .map(|ids| ids.iter().map(ToString::to_string).collect()),
            industries: lower("industries", &row.industries)?,
            share: row.share.map(|it| share("share", it)).transpose()?,
        })
    };
    let row = |row: &Spanned<file::Territory>| {
        territory(&row.value).map_err(|what| wrong(row, format!("territories: {what}")))
    };
    written.iter().map(row).collect()
}

fn pilot(written: &Spanned<file::Pilot>) -> Result<(f64, Vec<String>), Wrong> {
    let pilot = &written.value;
    if pilot.owners.is_empty() {
        return Err(wrong(written, "pilot.owners is empty"));
    }
    let share = share("pilot.share", pilot.share).map_err(|what| wrong(written, what))?;
    Ok((share, pilot.owners.clone()))
}

fn money(written: &file::Money, names: &Names) -> Result<Money, Wrong> {
    let signal = |id: &String| {
        let user = slot(&names.users, id).map(SignalRef::User);
        user.or_else(|| slot(&names.accounts, id).map(SignalRef::Account)).ok_or_else(|| names.no_signal(id))
    };
    let plan = |row: &Spanned<file::SuggestedPlan>| {
        let wrong = |what| wrong(row, format!("money.suggested_plans: {what}"));
        said("plan", &row.value.plan).map_err(wrong)?;
        not_empty("signals", Some(&row.value.signals)).map_err(wrong)?;
        let signals = row.value.signals.iter().map(signal).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        Ok((signals, Arc::from(row.value.plan.as_str())))
    };
    let rate = |(code, rate): (&String, &Spanned<f64>)| {
        if code.len() != 3 || !code.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(wrong(rate, format!("money.rates: {code} is not the code of a currency, as EUR")));
        }
        if !(rate.value.is_finite() && rate.value > 0.0) {
            return Err(wrong(rate, format!("money.rates: {code} is {}: US dollars above 0 are allowed", rate.value)));
        }
        Ok((code.to_uppercase(), rate.value))
    };
    let personal_above = written.personal_above.as_ref().map_or(Ok(0.0), |written| {
        amount("money.personal_above", written.value).map_err(|what| wrong(written, what))
    })?;
    Ok(Money {
        rates: written.rates.iter().map(rate).collect::<Result<_, _>>()?,
        personal_above,
        suggested_plans: written.suggested_plans.iter().map(plan).collect::<Result<_, _>>()?,
    })
}

fn templates(written: &[Spanned<file::Template>], triggers: &[Trigger]) -> Result<Vec<Template>, Wrong> {
    let mut templates: Vec<Template> = Vec::new();
    for spanned in written {
        let template = template(&spanned.value, triggers, &templates);
        templates.push(template.map_err(|what| wrong(spanned, format!("template {}: {what}", spanned.value.id)))?);
    }
    Ok(templates)
}

fn template(template: &file::Template, triggers: &[Trigger], others: &[Template]) -> Result<Template, String> {
    let id = id(&template.id)?;
    if others.iter().any(|other| other.id == id) {
        return Err("the id is used twice".into());
    }
    not_empty("levels", template.levels.as_deref())?;
    let places = trigger_places(&template.triggers, triggers)?;
    Template::new(id, &template.text, template.levels.clone(), places, template.personal)
}
