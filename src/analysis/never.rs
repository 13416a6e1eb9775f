//! Finds the signals that can never be on and the triggers that can never fire with events like those of a sample.

use std::collections::BTreeMap;

use super::needs::{Search, What, signal};
use super::sample::Sample;
use crate::model::Role;
use crate::rules::{BANDS, Condition, Figure, Input as Reads, Plan, Possible, SignalRef, Trigger, TriggerKind, Value};

/// The signals for which the sample lacks something, and what it lacks.
pub fn never_on(plan: &Plan, sample: &Sample) -> Vec<(SignalRef, String)> {
    let why = |(what, _): &(What, Search)| match what {
        What::Signal(which) => Some((*which, never(plan, *which, sample)?)),
        _ => None,
    };
    sample.needs.iter().filter_map(why).collect()
}

/// Why a signal can never be on; none if it can.
fn never(plan: &Plan, which: SignalRef, sample: &Sample) -> Option<String> {
    let mut needs = sample.needs.iter().filter(|(what, _)| *what == What::Signal(which));
    if needs.any(|(_, needs)| needs.premium) && !plan.roles.maps_premium() {
        return Some("unknown: no mapping has `premium: true`".into());
    }
    Some(format!("needs {}", sample.missing(plan, What::Signal(which))?))
}

/// The most points that a user can have with such data, as far as signals that can be on bring them.
fn most_points(plan: &Plan, sample: &Sample) -> i32 {
    let users = (0..plan.user_signals.len()).map(SignalRef::User);
    let signals = users.chain((0..plan.account_signals.len()).map(SignalRef::Account));
    let can_be = signals.filter(|which| signal(plan, *which).pql && never(plan, *which, sample).is_none());
    can_be.map(|which| signal(plan, which).points.into_iter().max().unwrap_or(0)).sum()
}

/// The values that a name in a condition can have with such data, in words too, and what it would need to have others;
/// none if it can have any value.
fn can_be(plan: &Plan, trigger: usize, input: &Reads, sample: &Sample) -> Option<(Possible, String, String)> {
    let unknown = |why| (Possible::of(&[Value::Unknown]), "unknown".to_owned(), why);
    let figure = match input {
        Reads::Signal(which) => {
            let why = never(plan, *which, sample)?;
            let why = why.strip_prefix("needs ").map_or(format!("a mapping: {why}"), str::to_owned);
            return Some((Possible::of(&[Value::Int(0), Value::Unknown]), "off".to_owned(), why));
        }
        Reads::Trait(place) => return Some(unknown(sample.missing(plan, What::Trait(*place))?)),
        Reads::Event(field) => return Some(unknown(sample.missing(plan, What::Event(trigger, *field))?)),
        Reads::Figure(Figure::UserBand) => {
            let most = most_points(plan, sample);
            let reached = plan.scores.bands.iter().filter(|from| **from <= most).count();
            let bands: Vec<Value<'_>> = BANDS.iter().take(1 + reached).map(|band| Value::Text(band)).collect();
            let why = format!("more points than the {most} that a user can get with this data");
            let stays = match reached {
                0 => "empty".to_owned(),
                _ => format!("at most {}", BANDS[reached]),
            };
            return (reached + 1 < BANDS.len()).then(|| (Possible::of(&bands), stays, why));
        }
        Reads::Figure(Figure::UserScore) => {
            let most = most_points(plan, sample);
            let why = format!("more points than the {most} that a user can get with this data");
            let score = Possible::between(i64::MIN, most.into()).or(Possible::of(&[Value::Unknown]));
            return Some((score, format!("at most {most}"), why));
        }
        Reads::Figure(figure) => *figure,
    };
    let why = sample.missing(plan, What::Figure(figure))?;
    let (value, stays) = match figure {
        Figure::ActiveUsers | Figure::Users | Figure::Departments => (Value::Int(0), "0"),
        Figure::Paid | Figure::Target | Figure::DoNotContact | Figure::OpenOpportunity | Figure::ContractOwner => {
            (Value::Bool(false), "false")
        }
        Figure::Plan => (Value::Text(""), "empty"),
        Figure::Segment => {
            let smallest = plan.segments.first().map_or("", |segment| &*segment.id);
            (Value::Text(smallest), smallest)
        }
        _ => return Some(unknown(why)),
    };
    Some((Possible::of(&[value]), stays.to_owned(), why))
}

/// Why a trigger can never fire: the sample has no event that it fires on, or its condition can never be true.
pub fn never_fires(plan: &Plan, place: usize, trigger: &Trigger, sample: &Sample) -> Option<String> {
    let when = match &trigger.kind {
        TriggerKind::Event(on) => {
            if let Some(missing) = sample.missing(plan, What::OnEvent(place)) {
                return Some(format!("needs {missing}"));
            }
            on.when.as_ref()?
        }
        TriggerKind::Condition { when, .. } => when,
    };
    let known: Vec<_> = when.inputs().iter().map(|input| can_be(plan, place, input, sample)).collect();
    let values = |at: usize| known[at].as_ref().map(|(values, ..)| values.clone());
    if when.can_hold(&values) {
        return None;
    }
    // Either each of these alone keeps it from firing, or only all of them together do.
    let alone = |at: &usize| !when.can_hold(&|other| values(other).filter(|_| other == *at));
    let bound: Vec<usize> = (0..known.len()).filter(|at| known[*at].is_some()).collect();
    let (causes, between) = match bound.iter().copied().filter(alone).collect::<Vec<_>>() {
        none if none.is_empty() => (bound, " or "),
        alone => (alone, " and "),
    };
    let (mut needs, mut names) = (Vec::new(), Vec::new());
    for at in causes {
        let Some((_, stays, why)) = &known[at] else { continue };
        if !needs.contains(why) {
            needs.push(why.clone());
        }
        names.push(format!("{} stays {stays}", when.names()[at]));
    }
    Some(format!("needs {}: {}", needs.join(between), names.join(", ")))
}

/// The roles that no event of the sample has and that a trigger which can never fire needs, with the ids of these triggers.
/// Traits of users and accounts are left out: these come with calls of their own, which need no mapping.
pub fn roles_missing<'p>(plan: &'p Plan, sample: &Sample) -> BTreeMap<Role, Vec<&'p str>> {
    let mut missing: BTreeMap<Role, Vec<&str>> = BTreeMap::new();
    for (place, trigger) in (0..).zip(&plan.triggers) {
        if never_fires(plan, place, trigger, sample).is_none() {
            continue;
        }
        let when = match &trigger.kind {
            TriggerKind::Event(on) => on.when.as_ref(),
            TriggerKind::Condition { when, .. } => Some(when),
        };
        let is_of_it = |what: &What| match what {
            What::OnEvent(at) | What::Event(at, _) => *at == place,
            What::Signal(which) => reads(when, &Reads::Signal(*which)),
            What::Figure(figure) => reads(when, &Reads::Figure(*figure)),
            What::Trait(_) => false,
        };
        let roles = sample.needs.iter().filter(|(what, _)| is_of_it(what)).flat_map(|(_, needs)| needs.roles_missing());
        for role in roles.filter(|role| sample.of(*role) == 0 && ![Role::Profile, Role::Firmographics].contains(role)) {
            let of_it = missing.entry(role).or_default();
            if of_it.last() != Some(&&*trigger.id) {
                of_it.push(&trigger.id);
            }
        }
    }
    missing
}

fn reads(when: Option<&Condition>, input: &Reads) -> bool {
    when.is_some_and(|when| when.inputs().contains(input))
}
