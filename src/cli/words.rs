//! The page of `upswell rules explain`: describes compiled rules in words, for growth teams.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::screen::WrongUse;
use crate::model::{Field, Level, Role};
use crate::rules::{
    self, Condition, Figure, Input, Moments, Needs, OnEvent, Plan, Route, Signal, SignalRef, Tier, Trigger, TriggerKind,
};
use crate::text::{duration, suggestion};

/// Width of the page in columns.
const WIDTH: usize = 100;
/// Width of the labels in columns, with their indentation.
const INDENT: usize = 13;

/// A paragraph about one signal, trigger, tier or the like.
struct Entry {
    id: String,
    head: String,
    /// Labels and their texts.
    rows: Vec<(&'static str, String)>,
}

/// The page, or only the paragraphs with these `ids`. `off` are the signals of the file that are turned off.
///
/// # Errors
/// An id is unknown, or of a signal that is off.
pub(super) fn page(plan: &Plan, off: &[&str], ids: &[String]) -> Result<String> {
    let parts = parts(plan);
    let known = || parts.iter().flat_map(|(_, entries)| entries).map(|entry| entry.id.as_str());
    if let Some(unknown) = ids.iter().find(|id| !known().any(|known| known == *id)) {
        if off.contains(&unknown.as_str()) {
            bail!(WrongUse(format!("signal {unknown} is turned off in the rules: remove its `off: true`")));
        }
        bail!(WrongUse(format!("the rules have no {unknown}{}", suggestion(unknown, known()))));
    }
    let mut page = String::new();
    if ids.is_empty() {
        let signals = plan.user_signals.len() + plan.account_signals.len();
        writeln!(page, "{}: {signals} signals, {} triggers\n", plan.version, plan.triggers.len())?;
    }
    for (title, entries) in parts {
        let mut chosen = entries.iter().filter(|entry| ids.is_empty() || ids.contains(&entry.id)).peekable();
        if ids.is_empty() && chosen.peek().is_some() {
            writeln!(page, "{}\n", title.to_uppercase())?;
        }
        chosen.for_each(|entry| write_entry(&mut page, entry));
    }
    Ok(page)
}

fn parts(plan: &Plan) -> Vec<(&'static str, Vec<Entry>)> {
    let users = (0..).zip(&plan.user_signals).map(|(slot, it)| signal(plan, SignalRef::User(slot), it));
    let accounts = (0..).zip(&plan.account_signals).map(|(slot, it)| signal(plan, SignalRef::Account(slot), it));
    vec![
        ("signals of users", users.collect()),
        ("signals of accounts", accounts.collect()),
        ("bands of users", vec![bands(plan)]),
        ("tiers of accounts, the first that matches", plan.scores.tiers.iter().map(tier).collect()),
        ("segments", segments(plan)),
        ("triggers", (0..).zip(&plan.triggers).map(|(place, it)| trigger(plan, place, it)).collect()),
        ("guard rails", vec![rails(plan)]),
        ("routes, the first that matches", vec![routes(plan)]),
    ]
}

fn write_entry(page: &mut String, entry: &Entry) {
    page.push_str(&entry.head);
    page.push('\n');
    for (label, text) in &entry.rows {
        let mut line = format!("  {label:<width$}", width = INDENT - 2);
        let mut is_empty = true;
        for word in text.split_whitespace() {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                page.push_str(line.trim_end());
                page.push('\n');
                line = " ".repeat(INDENT);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        page.push_str(line.trim_end());
        page.push('\n');
    }
    page.push('\n');
}

fn join(words: impl IntoIterator<Item = String>, between: &str) -> String {
    words.into_iter().collect::<Vec<_>>().join(between)
}

fn signal(plan: &Plan, which: SignalRef, signal: &Signal) -> Entry {
    let of_user = matches!(which, SignalRef::User(_));
    let scope = if of_user { "of a user" } else { "of an account" };
    let is_evidence = signal.points.iter().all(|points| *points == 0);
    let scores = match (signal.pql, signal.pqa) {
        _ if is_evidence => "none: evidence only",
        // The points of users are part of the score of their account.
        (true, _) if of_user => "the user's PQL, and with the user's points the account's PQA",
        (true, true) => "the PQL of all its users, and its PQA",
        (true, false) => "the PQL of all its users",
        (false, true) => "the account's PQA",
        (false, false) => "none",
    };
    let about = signal.kind.about();
    let mut rows =
        vec![("measures", signal.kind.measures(of_user)), ("events", sources(plan, &signal.kind.needs(of_user)))];
    let points = |rung: usize| if is_evidence { String::new() } else { format!("{:+} points", signal.points[rung]) };
    let met = signal.kind.steps();
    let labels = match &met[..] {
        [met] => [if met.is_empty() { "points" } else { "at" }, "", ""],
        _ => ["rung 1", "rung 2", "rung 3"],
    };
    for (rung, (label, met)) in (1..).zip(labels.into_iter().zip(met)) {
        let parts = [met, points(rung)].into_iter().filter(|words| !words.is_empty());
        rows.push((label, join(parts, ": ")));
    }
    rows.retain(|(_, text)| !text.is_empty());
    let Moments { on, off, timer } = signal.kind.moments();
    rows.extend([("scores", scores.to_owned()), ("on", on), ("off", off)]);
    rows.extend([("keeps", about.state.to_owned()), ("timer", timer)]);
    Entry { id: signal.id.to_string(), head: format!("{} · {scope}", signal.id), rows }
}

/// The events that a signal reads: the mappings of its roles, or activity.
fn sources(plan: &Plan, needs: &Needs) -> String {
    let roles = needs.roles();
    if roles.is_empty() {
        return "activity: every track event of a user that is not passive".into();
    }
    let mapped = |role: Role| {
        let mappings =
            plan.roles.mappings().filter(move |(_, of)| *of == Some(role)).map(|(words, _)| words.to_owned());
        match join(mappings, "; ") {
            none if none.is_empty() => format!("{}: no mapping gives this role", rules::role_name(role)),
            mappings => format!("{}: {mappings}", rules::role_name(role)),
        }
    };
    let mut words = join(roles.into_iter().map(mapped), " · ");
    words.push_str(if needs.activity { " · and the activity of users" } else { "" });
    words
}

fn bands(plan: &Plan) -> Entry {
    let [emerging, warm, hot] = plan.scores.bands;
    let details = format!(
        "emerging from a PQL score of {emerging}, warm from {warm}, hot from {hot}; a band is kept down to {} points \
         below its threshold; a user without points of their own has no band",
        plan.scores.keep
    );
    Entry { id: "bands".into(), head: "bands".into(), rows: vec![("details", details)] }
}

fn tier(tier: &Tier) -> Entry {
    let mut needs = vec![match tier.users {
        (least, u32::MAX) => format!("{least} or more active users"),
        (least, most) if least == most => format!("{least} active user{}", if least == 1 { "" } else { "s" }),
        (least, most) => format!("{least} to {most} active users"),
    }];
    needs.extend((tier.departments > 0).then(|| format!("{} or more departments", tier.departments)));
    needs.extend(tier.icp.then(|| "the ideal customer profile".into()));
    needs.extend((tier.score > i32::MIN).then(|| format!("{} or more points of PQA score", tier.score)));
    let plays = Level::ALL.iter().zip(&tier.plays).filter(|(_, play)| !play.is_empty());
    let plays = join(plays.map(|(level, play)| format!("{} {play}", level.word())), " · ");
    let rows = vec![("needs", join(needs, ", ")), ("plays", plays)];
    Entry { id: tier.id.to_string(), head: format!("{} · up at once, down at the close of a day", tier.id), rows }
}

fn segments(plan: &Plan) -> Vec<Entry> {
    let segment = |segment: &rules::Segment| {
        let size = match segment.employees {
            from if from == f64::NEG_INFINITY => "the number of employees is unknown".to_owned(),
            from => format!("{from} or more employees"),
        };
        let mut details = vec![size, format!("potential from {} USD a year", segment.potential)];
        details.extend(segment.track.map(|track| format!("onboarding track {}", track.word())));
        details.extend(segment.only_user_buys.then(|| "the only user of an account counts as a buyer".into()));
        let rows = vec![("details", join(details, "; "))];
        Entry { id: segment.id.to_string(), head: segment.id.to_string(), rows }
    };
    plan.segments.iter().map(segment).collect()
}

fn trigger(plan: &Plan, place: usize, trigger: &Trigger) -> Entry {
    let mut rows = Vec::new();
    let (kind, hand, asked) = match &trigger.kind {
        TriggerKind::Event(on) => {
            rows.push(("events", events_of(plan, on)));
            if let Some(when) = &on.when {
                rows.extend(condition(when));
            }
            if on.first {
                rows.push(("fires", "only on the first such event in the life of the account".into()));
            }
            ("event trigger", on.raised_hand, on.asks_for_sales)
        }
        TriggerKind::Condition { when, per_user, rearm_after_closed_days } => {
            rows.extend(condition(when));
            let whose = if *per_user { "for a user; users at one instant share a handoff" } else { "for the account" };
            let again = match rearm_after_closed_days {
                0 => "it has been false".to_owned(),
                days => format!("it has been false on {days} closed days in a row"),
            };
            rows.push(("fires", format!("when the condition becomes true {whose}; again only after {again}")));
            ("condition trigger", false, false)
        }
    };
    rows.push(("cooldown", duration(trigger.cooldown_ms).to_string()));
    rows.push(("due", due(plan, trigger.level, hand)));
    rows.push(("held by", held_by(plan, place, trigger.level, hand)));
    rows.push(("route", routes_of(plan, place, trigger.level, asked)));
    let hand = if hand { " · a raised hand" } else { "" };
    let head = format!("{} · {} · {kind}{hand}", trigger.id, trigger.level.word());
    Entry { id: trigger.id.to_string(), head, rows }
}

/// The events that an event trigger fires on.
fn events_of(plan: &Plan, on: &OnEvent) -> String {
    let mut words = match on.role {
        Some(role) => mappings_of(plan, role),
        None => "the first activity of a user".into(),
    };
    for (field, values) in &on.only {
        write!(words, ", with {} {}", field.word(), values.join(" or ")).unwrap_or_default();
    }
    if let Some(named) = &on.plan {
        write!(words, "; or an event with which the plan becomes {named}").unwrap_or_default();
    }
    words
}

fn mappings_of(plan: &Plan, role: Role) -> String {
    let mappings = plan.roles.mappings().filter(|(_, of)| *of == Some(role)).map(|(words, _)| words.to_owned());
    format!("{}: {}", rules::role_name(role), join(mappings, "; "))
}

/// A condition, and the meaning of its names.
fn condition(when: &Condition) -> Vec<(&'static str, String)> {
    let meaning = |(name, input): (&String, &Input)| match input {
        Input::Signal(_) => format!("{name}: the rung of the signal"),
        Input::Figure(figure) => {
            let about = Figure::ALL.iter().find(|known| known.0 == *figure).map_or("", |known| known.3);
            format!("{name}: {}", lower_first(about.trim_end_matches('.')))
        }
        Input::Trait(_) => format!("{name}: a trait of the account"),
        Input::Event(field) => format!("{name}: {} of the event", field.word()),
    };
    let names = when.names().iter().zip(when.inputs()).map(meaning);
    vec![("when", when.text().to_owned()), ("where", join(names, "; "))]
}

/// The sentence with its first letter in lower case, unless it begins with an abbreviation.
fn lower_first(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain([second]).chain(chars).collect()
        }
        _ => sentence.to_owned(),
    }
}

fn due(plan: &Plan, level: Level, raised_hand: bool) -> String {
    let (from, by) = plan.medium_due_ms;
    let when = match level {
        Level::High => "at once".to_owned(),
        Level::Medium => format!("from {} to {} after outreach may begin", duration(from), duration(by)),
        Level::Low => "no due time: nurture".to_owned(),
    };
    match raised_hand || plan.rails.after_signup_ms == 0 {
        true => when,
        false => {
            format!("{when}; no outreach within {} of sign-up", duration(plan.rails.after_signup_ms))
        }
    }
}

/// The rails that can hold handoffs of a trigger.
fn held_by(plan: &Plan, place: usize, level: Level, raised_hand: bool) -> String {
    let rails = &plan.rails;
    let mut held = Vec::new();
    if rails.live_from.is_some() {
        held.push("warm_up: before `live_from`".to_owned());
    }
    if rails.usage && !raised_hand {
        held.push("usage: until there is activity in the last 28 days".into());
    }
    if level != Level::High && rails.pacing_ms > 0 {
        let after = if level == Level::Medium { "a medium handoff" } else { "a medium or low handoff" };
        held.push(format!("pacing: for {} after {after}", duration(rails.pacing_ms)));
    }
    if level != Level::High && (rails.engaged_traits || rails.unanswered_ms > 0) {
        held.push("engaged: while outreach is forbidden, or an opportunity or another handoff is open".into());
    }
    if level != Level::High && rails.holdout.0 > 0.0 {
        held.push(format!("holdout: {} % of accounts are held out", rails.holdout.0 * 100.0));
    }
    if let Some(arm) = rails.arms.iter().find(|arm| arm.triggers.contains(&place)) {
        held.push(format!("arm {}: {}", arm.id, between(arm)));
    }
    if held.is_empty() { "nothing".into() } else { join(held, "; ") }
}

/// Which accounts an arm compares, and how it splits them.
fn between(arm: &rules::Arm) -> String {
    let (above, share) = (arm.above.text(), arm.share * 100.0);
    format!(
        "unless {above}, handoffs are sent for {share} % of accounts (salt {}), and held out for the others",
        arm.salt
    )
}

/// The routes that handoffs of a trigger can match, up to the first that always matches.
fn routes_of(plan: &Plan, place: usize, level: Level, asked: bool) -> String {
    let may = |route: &&Route| {
        route.triggers.as_ref().is_none_or(|list| list.contains(&place))
            && route.levels.as_ref().is_none_or(|list| list.contains(&level))
            && route.asked.is_none_or(|is| is == asked)
    };
    let mut words = Vec::new();
    for route in plan.routes.iter().filter(may) {
        let mut only = Vec::new();
        only.extend(route.segments.as_ref().map(|list| format!("segment {}", list.join(" or "))));
        only.extend(route.tiers.as_ref().map(|list| format!("tier {}", list.join(" or "))));
        let always = only.is_empty();
        words.push(match always {
            true => route.route.to_string(),
            false => format!("{} for {}", route.route, only.join(" and ")),
        });
        if always {
            break;
        }
    }
    join(words, ", else ")
}

fn rails(plan: &Plan) -> Entry {
    let rails = &plan.rails;
    let share = rails.holdout.0 * 100.0;
    let mut rows = vec![
        (
            "signup",
            format!("no outreach within {} of sign-up, unless a hand was raised", duration(rails.after_signup_ms)),
        ),
        (
            "usage",
            match rails.usage {
                true => "no handoff without activity in the last 28 days, unless a hand was raised".to_owned(),
                false => "off".to_owned(),
            },
        ),
        (
            "pacing",
            format!(
                "at most one medium or low handoff of an account in {}; a higher level passes",
                duration(rails.pacing_ms)
            ),
        ),
        (
            "warm-up",
            format!(
                "for {} days, the signals on new users, activation and age of an account that was in mid-life when the \
                 log began are unknown",
                rails.warm_up_days
            ),
        ),
    ];
    if let Some(from) = rails.live_from {
        rows.push((
            "live from",
            format!("{}: what happened before is published as held, and never fires", super::screen::minute(from)),
        ));
    }
    let mut engaged = Vec::new();
    engaged.extend(rails.engaged_traits.then(|| "do_not_contact or open_opportunity is true".to_owned()));
    let unanswered =
        || format!("a handoff to a person is younger than {} and has no outcome", duration(rails.unanswered_ms));
    engaged.extend((rails.unanswered_ms > 0).then(unanswered));
    rows.push((
        "engaged",
        match engaged.is_empty() {
            true => "off".into(),
            false => format!("no medium or low handoff while {}", join(engaged, ", or while ")),
        },
    ));
    rows.push((
        "holdout",
        match share > 0.0 {
            true => {
                format!(
                    "medium and low handoffs of {share} % of accounts (salt {}) go to the holdout topic only",
                    rails.holdout.1
                )
            }
            false => "off".into(),
        },
    ));
    for arm in &rails.arms {
        let triggers = join(arm.triggers.iter().map(|at| plan.triggers[*at].id.to_string()), ", ");
        rows.push(("arm", format!("{} of {triggers}: {}", arm.id, between(arm))));
    }
    Entry { id: "rails".into(), head: "rails".into(), rows }
}

fn routes(plan: &Plan) -> Entry {
    let row = |route: &Route| {
        let mut only = Vec::new();
        let triggers = |list: &Vec<usize>| join(list.iter().map(|at| plan.triggers[*at].id.to_string()), " or ");
        only.extend(route.triggers.as_ref().map(|list| format!("trigger {}", triggers(list))));
        let levels = |list: &Vec<Level>| join(list.iter().map(|level| level.word().to_owned()), " or ");
        only.extend(route.levels.as_ref().map(|list| format!("level {}", levels(list))));
        only.extend(route.segments.as_ref().map(|list| format!("segment {}", list.join(" or "))));
        only.extend(route.tiers.as_ref().map(|list| format!("tier {}", list.join(" or "))));
        only.extend(
            route.asked.map(|is| if is { "it asked for sales" } else { "it did not ask for sales" }.to_owned()),
        );
        let automated = if route.automated { " (automated)" } else { "" };
        let only = if only.is_empty() { "everything else".to_owned() } else { only.join(", ") };
        ("", format!("{}{automated}: {only}", route.route))
    };
    let mut rows: Vec<_> = plan.routes.iter().map(row).collect();
    let territory = |row: &rules::Territory| {
        let mut only = Vec::new();
        only.extend(row.countries.as_ref().map(|list| format!("{} {}", Field::Country.word(), list.join(" or "))));
        only.extend(row.segments.as_ref().map(|list| format!("segment {}", list.join(" or "))));
        only.extend(row.industries.as_ref().map(|list| format!("{} {}", Field::Industry.word(), list.join(" or "))));
        only.extend(row.share.map(|share| format!("{} % of accounts", share * 100.0)));
        let only = if only.is_empty() { "everything else".to_owned() } else { only.join(", ") };
        ("owner", format!("{} ({}): {only}", row.owner, row.territory))
    };
    rows.extend(plan.territories.iter().map(territory));
    if let Some((share, owners)) = &plan.pilot {
        rows.push(("pilot", format!("{} % of accounts go to {}", share * 100.0, owners.join(", "))));
    }
    let excluded = plan.exclude.words();
    if !excluded.is_empty() {
        rows.push(("excluded", excluded.join("; ")));
    }
    Entry { id: "routes".into(), head: "routes".into(), rows }
}
