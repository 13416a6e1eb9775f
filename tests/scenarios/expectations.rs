//! Writes effects as the text of an expectation, so that a story can be compared with what happened.

use upswell::model::{
    AccountProfile, Attribution, Calendar, DAY_MS, EventTime, Evidence, HOUR_MS, Handoff, HandoffContext, HandoffId,
    Level, MINUTE_MS, Onboarding, Reason, SignalChange, SignalKind, TopUser, UserProfile,
};

use crate::{DAY_0, Said};

/// The rungs of the bands on the feed.
const BANDS: [&str; 4] = ["none", "emerging", "warm", "hot"];
/// The rungs of the tiers.
const TIERS: [&str; 5] = ["none", "T4", "T3", "T2", "T1"];
/// The rungs of `account.active_users`.
const ACTIVE_USERS: [&str; 8] = ["0", "2", "5", "7", "10", "25", "50", "100"];

/// The day as a story counts it, the time of day unless it is noon, and whether it is the end of the day.
fn day_and_clock(time: EventTime) -> (i32, String, bool) {
    let (day, ms) = (Calendar::UTC.day(time).0 - DAY_0, time.0.rem_euclid(DAY_MS));
    let (seconds, millis) = (ms / 1_000 % 60, ms % 1_000);
    let mut clock = format!(" {:02}:{:02}", ms / HOUR_MS, ms / MINUTE_MS % 60);
    if seconds > 0 || millis > 0 {
        clock += &format!(":{seconds:02}");
    }
    if millis > 0 {
        clock += &format!(".{millis:03}");
    }
    match ms {
        0 => (day - 1, String::new(), true),
        ms if ms == 12 * HOUR_MS => (day, String::new(), false),
        _ => (day, clock, false),
    }
}

fn instant(time: EventTime) -> String {
    let (day, clock, ends) = day_and_clock(time);
    format!("{}day {day}{clock}", if ends { "end of " } else { "" })
}

/// Two instants with the same time of day: `day 8–9 10:00`.
fn span(from: EventTime, to: EventTime) -> String {
    let ((first, clock, ends), (last, ..)) = (day_and_clock(from), day_and_clock(to));
    format!("{}day {first}–{last}{clock}", if ends { "end of " } else { "" })
}

/// The text of a handoff that is always compared.
pub(crate) fn handoff(handoff: &Handoff) -> String {
    let Handoff { account, trigger, at, .. } = handoff;
    assert_eq!(handoff.id, HandoffId::new(account, trigger, *at), "the id names another episode");
    assert!(!handoff.why.is_empty() && !handoff.evidence.facts.is_empty(), "a handoff says why: {handoff:?}");
    assert!(handoff.evidence.facts.iter().all(|fact| fact.at <= *at), "a handoff rests on what was: {handoff:?}");
    let level = match handoff.level {
        Level::High => "HIGH",
        Level::Medium => "MEDIUM",
        Level::Low => "LOW",
    };
    let mut line = format!("{} {account} {level} {trigger}", instant(*at));
    match (handoff.due_from, handoff.due) {
        (Some(from), Some(by)) => line += &format!(" due {}", span(from, by)),
        (None, Some(by)) if by == *at => line += " at once",
        (None, Some(by)) => line += &format!(" due {}", instant(by)),
        _ => {}
    }
    if !handoff.user_ids.is_empty() {
        line += &format!(" for {}", handoff.user_ids.join(", "));
    }
    if !handoff.also.is_empty() {
        line += &format!(" also {}", handoff.also.join(", "));
    }
    if handoff.not_before > *at {
        line += &format!(" not before {}", instant(handoff.not_before));
    }
    if handoff.context.holdout {
        line += " in the holdout";
    }
    if let Some(arm) = &handoff.context.arm {
        line += &format!(" {} of arm {}", arm.group.word(), arm.id);
    }
    line
}

/// What a story must watch to compare this message.
pub(crate) fn subject(said: &Said) -> &str {
    match &said.entry.kind {
        SignalKind::Changed(change) => match &*change.signal {
            "score.band" => "bands",
            "score.tier" => "tiers",
            "account.active_users" => "active users",
            signal => signal,
        },
        SignalKind::Occurrence { .. } => "occurrences",
        SignalKind::Held { .. } => "holds",
    }
}

/// A message of the signals feed.
pub(crate) fn signal(said: &Said) -> String {
    let user = &said.entry.user;
    let who = if user.is_empty() { String::new() } else { format!("{user} ") };
    let what = match &said.entry.kind {
        SignalKind::Changed(change) => changed(change),
        SignalKind::Occurrence { signal, trigger } => {
            let names: Vec<&str> = signal.iter().chain(trigger).map(|name| &**name).collect();
            format!("occurrence {}", names.join(" "))
        }
        SignalKind::Held { trigger, rail } => format!("held {trigger} by {}", rail.word()),
    };
    format!("{} {} {who}{what}", instant(said.at), said.account)
}

fn changed(change: &SignalChange) -> String {
    let (name, rungs): (&str, &[&str]) = match &*change.signal {
        "score.band" => ("band", &BANDS),
        "score.tier" => ("tier", &TIERS),
        "account.active_users" => ("active users", &ACTIVE_USERS),
        signal => (signal, &[]),
    };
    let rung = |rung: u8| rungs.get(usize::from(rung)).map_or_else(|| rung.to_string(), |&name| name.to_owned());
    let reason = match change.reason {
        Reason::Crossed => "crossed",
        Reason::Lapsed => "lapsed",
        Reason::Closed => "closed",
        Reason::Forgotten => "forgotten",
        Reason::Activated => "activated",
    };
    format!("{name} {}→{} {reason}", rung(change.before), rung(change.after))
}

/// A detail of a message: `evidence day 1/day 2` are the times of its facts, `facts 7` is how many there are, `caused by
/// an event` or `caused by time` is what its message id says.
fn evidence_detail(evidence: &Evidence, message_id: &str, asked: &str) -> Option<String> {
    match asked.split_once(' ')? {
        ("evidence", _) => {
            let times: Vec<String> = evidence.facts.iter().map(|fact| instant(fact.at)).collect();
            Some(format!("evidence {}", times.join("/")))
        }
        ("facts", _) => Some(format!("facts {}", evidence.facts.len() + evidence.left_out as usize)),
        ("caused", _) => Some(format!("caused by {}", if message_id.is_empty() { "time" } else { "an event" })),
        _ => None,
    }
}

/// A detail of a message of the feed: `figure 50` is the number of its last fact; or one of its evidence.
pub(crate) fn signal_detail(said: &Said, asked: &str) -> String {
    let evidence = &said.entry.evidence;
    match asked.split_once(' ') {
        Some(("figure", written)) => {
            format!("figure {}", number(evidence.facts.last().map(|fact| fact.number), written))
        }
        _ => evidence_detail(evidence, &said.message_id, asked)
            .unwrap_or_else(|| panic!("the feed says nothing like {asked:?}")),
    }
}

/// A track that changed: `onboarding solo→small_team`.
pub(crate) fn onboarding(message: &Onboarding) -> String {
    let before = message.before.map_or("none", |track| track.word());
    format!("{} {} onboarding {before}→{}", instant(message.at), message.account, message.track.word())
}

/// A profile of an account, or of a user: `acme ann profile`; or the tombstone of a user: `acme ann tombstone`.
pub(crate) fn profile(at: EventTime, account: &str, user: &str, gone: bool) -> String {
    let user = if user.is_empty() { String::new() } else { format!("{user} ") };
    format!("{} {account} {user}{}", instant(at), if gone { "tombstone" } else { "profile" })
}

/// A detail of an onboarding message, such as `employees 500`.
pub(crate) fn onboarding_detail(message: &Onboarding, asked: &str) -> String {
    match asked.split_once(' ') {
        Some(("employees", written)) => format!("employees {}", number(message.employees, written)),
        _ => panic!("onboarding says nothing like {asked:?}"),
    }
}

/// A detail of a handoff: any value of its handoff context, one of its evidence, or a part of its `why` or `text`.
pub(crate) fn handoff_detail(handoff: &Handoff, asked: &str) -> String {
    let contains = |name: &str, text: &str, words: &str| {
        if text.contains(words) { asked.to_owned() } else { format!("{name} {text:?}") }
    };
    match asked.split_once(' ') {
        Some(("why", words)) => contains("why", &handoff.why, words),
        Some(("text", words)) => contains("text", &handoff.context.conversation.text, words),
        _ => evidence_detail(&handoff.evidence, &handoff.message_id, asked)
            .unwrap_or_else(|| context(&handoff.context, asked)),
    }
}

/// A detail of an account's profile.
pub(crate) fn account_detail(profile: &AccountProfile, asked: &str) -> String {
    match asked.split_once(' ') {
        Some(("users", _)) => format!("users {}", profile.users),
        Some(("founded", _)) => {
            profile.founded.map_or("founded never".into(), |day| format!("founded day {}", day.0 - DAY_0))
        }
        Some(("last", _)) => {
            profile.last_active.map_or("last never".into(), |day| format!("last day {}", day.0 - DAY_0))
        }
        Some(("departments", _)) => format!("departments {}", profile.departments),
        Some(("requests", _)) => format!("requests {}", list(&profile.enterprise_requests)),
        Some(("signals", _)) => format!("signals {}", list(&profile.signals)),
        Some(("trajectory", _)) => {
            let weeks = profile.trajectory.iter().map(|week| week.map_or("unknown".into(), |users| users.to_string()));
            format!("trajectory {}", list(&weeks.collect::<Vec<_>>()))
        }
        Some(("active", _)) => format!("active users {}", profile.active_users),
        Some(("dau", _)) => format!("dau {}", profile.dau),
        Some(("wau", _)) => format!("wau {}", profile.wau),
        Some(("mau", _)) => format!("mau {}", profile.mau),
        Some(("events", _)) => format!("events {}", profile.events),
        Some(("score", _)) => format!("score {}", profile.score),
        Some(("tier", _)) => format!("tier {}", profile.tier.as_deref().map_or("none".into(), word)),
        Some(("segment", _)) => format!("segment {}", word(&profile.segment)),
        Some(("plan", _)) => format!("plan {}", word(&profile.plan)),
        Some(("paid", _)) => format!("paid {}", profile.paid.map_or("unknown".into(), yes)),
        Some(("buyer", _)) => format!("buyer {}", if profile.find_buyer { "wanted" } else { "known" }),
        _ => panic!("the profile of an account has no {asked:?}"),
    }
}

/// What a handoff of the account would say, as it stands in the end.
pub(crate) fn standing_detail(standing: &HandoffContext, asked: &str) -> String {
    context(standing, asked)
}

/// A detail of a user's profile.
pub(crate) fn user_detail(profile: &UserProfile, asked: &str) -> String {
    let user = &profile.user;
    let day = |day: upswell::model::Day| format!("day {}", day.0 - DAY_0);
    let (name, says) = match asked.split_once(' ') {
        Some(("score", _)) => ("score", user.score.to_string()),
        Some(("band", _)) => ("band", word(&user.band)),
        Some(("buyer", _)) => ("buyer", yes(user.is_buyer)),
        Some(("activated", _)) => ("activated", yes(profile.activated)),
        Some(("source", _)) => ("source", word(&profile.source)),
        Some(("plan", _)) => ("plan", word(&profile.plan)),
        Some(("title", _)) => ("title", word(&user.title)),
        Some(("email", _)) => ("email", word(&user.email)),
        Some(("features", _)) => ("features", list(&profile.features)),
        Some(("signals", _)) => ("signals", list(&profile.signals)),
        Some(("signed", _)) => ("signed up", profile.signed_up.map_or("never".into(), instant)),
        Some(("first", _)) => ("first", profile.first_day.map_or("never".into(), day)),
        Some(("last", _)) => ("last", profile.last_day.map_or("never".into(), day)),
        _ => panic!("the profile of a user has no {asked:?}"),
    };
    format!("{name} {says}")
}

/// The value of a handoff context that `asked` names.
fn context(context: &HandoffContext, asked: &str) -> String {
    let HandoffContext { usage, money, conversation, company, .. } = context;
    let (name, written) = asked.split_once(' ').unwrap_or((asked, ""));
    let says = match name {
        "segment" => word(&context.segment),
        "tier" => context.tier.as_deref().map_or("none".into(), word),
        "play" => word(&context.play),
        "route" => word(&context.route),
        "owner" => word(&context.owner),
        "territory" => word(&context.territory),
        "attribution" => attribution(context.attribution).into(),
        "score" => context.score.to_string(),
        "points" => list(&context.points.iter().map(|(of, _, points)| format!("{of} {points}")).collect::<Vec<_>>()),
        "top" => list(&context.top_users.iter().map(top_user).collect::<Vec<_>>()),
        "find_buyer" => yes(context.find_buyer),
        "active" => format!("users {}", usage.active_users),
        "activated" => format!("users {}", usage.activated_users),
        "dau" => usage.dau.to_string(),
        "wau" => usage.wau.to_string(),
        "mau" => usage.mau.to_string(),
        "events" => usage.events.to_string(),
        "stickiness" => number(usage.stickiness, written),
        "growth" => number(usage.growth.map(|(growth, _)| growth), written),
        "activation" => usage.days_to_activation.map_or("unknown".into(), |days| format!("after {days} days")),
        "features" => list(&usage.features.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>()),
        "first" => usage.first_seen.map_or("never".into(), instant),
        "last" => usage.last_seen.map_or("never".into(), instant),
        "plan" => word(&money.plan),
        "paid" => money.paid.map_or("unknown".into(), yes),
        "mrr" => number(money.mrr, written),
        "seats" => number(money.seats, written),
        "potential" => number(Some(money.potential), written),
        "suggested" => format!("plan {}", word(&money.suggested_plan)),
        "quotas" => {
            list(&money.quotas.iter().map(|(meter, used, of)| format!("{meter} {used} of {of}")).collect::<Vec<_>>())
        }
        "stage" => word(conversation.buying_stage),
        "next" => format!("step {}", word(conversation.next_step)),
        "needs" => list(&conversation.needs),
        "template" => word(&conversation.template),
        "employees" => number(company.employees, written),
        "industry" => word(&company.industry),
        "country" => word(&company.country),
        "icp" => company.icp.map_or("unknown".into(), yes),
        "target" => yes(company.target),
        "tech_stack" => word(&company.tech_stack.replace(", ", "/")),
        "contacts" => word(&company.contacts.replace(", ", "/")),
        "lead_score" => number(company.lead_score, written),
        _ => panic!("nothing is said like {asked:?}"),
    };
    format!("{name} {says}")
}

fn attribution(attribution: Attribution) -> &'static str {
    match attribution {
        Attribution::UsageAndPql => "usage and pql",
        Attribution::UsageAndMql => "usage and mql",
        Attribution::MqlOnly => "mql only",
        Attribution::BuyerUnknown => "unknown",
    }
}

/// `ann 95 hot buyer`.
fn top_user(user: &TopUser) -> String {
    let mut says = format!("{} {}", user.user, user.score);
    if !user.band.is_empty() {
        says += &format!(" {}", user.band);
    }
    if user.is_buyer {
        says += " buyer";
    }
    says
}

/// `editor 5/export 2`.
fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    word(&items.join("/"))
}

fn word(text: &str) -> String {
    (if text.is_empty() { "none" } else { text }).to_owned()
}

fn yes(it: bool) -> String {
    (if it { "yes" } else { "no" }).to_owned()
}

fn number(number: Option<f64>, written: &str) -> String {
    number.map_or("unknown".into(), |number| rounded_as(number, written))
}

/// A number rounded to as many digits as `written` has.
pub(crate) fn rounded_as(number: f64, written: &str) -> String {
    let digits = written.split_once('.').map_or(0, |(_, digits)| digits.len());
    format!("{number:.digits$}")
}
