//! Generates random rules for the simulation: signals of every kind in addition to the default ones, triggers with
//! random conditions, other score thresholds and rails; and writes them as a rules file.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use serde_json::{Map, Value, json};

use super::{DAY, HOUR, MINUTE, one_of};
use crate::reference::condition::{Condition, at_least, is, not};
use crate::reference::pack::{
    By, DEFAULT, Definition, Facts, Fires, Level, Measure, Meter, Of, On, Pack, Rails, Rule, SLOPES, Scores, Test,
};
use crate::reference::roles::Role;
use crate::reference::time::Direction;

/// Signals of one scope that a rules file may have.
const SIGNALS_MAX: usize = 28;

/// A random pack: part of the default one, changed here and there, and signals and triggers of its own.
pub(crate) fn pack(rng: &mut SmallRng) -> Pack {
    let mut pack = DEFAULT.clone();
    pack.meters.extend(meters());
    pack.signals.retain(|_| rng.random_bool(0.75));
    for signal in &mut pack.signals {
        if rng.random_bool(0.3) {
            change(rng, signal);
        }
    }
    for place in 0..rng.random_range(4..10) {
        let own = signal(rng, place);
        let at = rng.random_range(0..=pack.signals.len());
        let of = |of: fn(&Definition) -> bool| pack.signals.iter().filter(|signal| of(signal)).count();
        if of(|signal| signal.of_users).max(of(|signal| signal.of_accounts)) < SIGNALS_MAX {
            pack.signals.insert(at, own);
        }
    }
    pack.scores = scores(rng);
    pack.rails = rails(rng);
    pack.triggers
        .retain(|trigger| names(trigger).iter().all(|name| is_there(name, &pack.signals)) && rng.random_bool(0.6));
    for trigger in &mut pack.triggers {
        if rng.random_bool(0.3) {
            trigger.cooldown = cooldown(rng);
        }
        if let (Fires::When(_, closes), true) = (&mut trigger.fires, rng.random_bool(0.2)) {
            *closes = rng.random_range(0..4);
        }
    }
    for place in 0..rng.random_range(3..8) {
        let own = trigger(rng, place, &pack.signals);
        let at = rng.random_range(0..=pack.triggers.len());
        pack.triggers.insert(at, own);
    }
    pack
}

/// Whether other rules that are activated within a log may have other signals of the kind `within`: it is not defined
/// whether a new one knows the earlier sign-up of a user (semantics A27, E8).
const WITHIN_CHANGES: bool = false;

/// Whether a new signal in them may leave out the first event of its role: it is not defined whether that is the first
/// of the account's life or the first that the signal knows (semantics A27, E16).
const FIRSTS_ARE_LEFT_OUT: bool = false;

/// Whether they may have other rails: it is not defined at which event a handoff fires that no rail holds any more, nor
/// how long the warm-up of accounts is then (semantics A27).
const RAILS_CHANGE: bool = false;

/// Whether triggers may have another cooldown: it is not defined when the cooldown ends for edges that already wait
/// (semantics A27).
const COOLDOWNS_CHANGE: bool = false;

/// Other rules: independent ones, or the same with some changes.
pub(crate) fn other(rng: &mut SmallRng, before: &Pack) -> Pack {
    let drawn = if rng.random_bool(0.25) { pack(rng) } else { changed(rng, before) };
    after(rng, before, drawn)
}

/// Rules as they may follow others.
pub(crate) fn after(rng: &mut SmallRng, before: &Pack, mut after: Pack) -> Pack {
    if !RAILS_CHANGE {
        after.rails = before.rails.clone();
    }
    for trigger in after.triggers.iter_mut().filter(|_| !COOLDOWNS_CHANGE) {
        let known = before.triggers.iter().find(|known| known.id == trigger.id);
        trigger.cooldown = known.map_or(trigger.cooldown, |known| known.cooldown);
    }
    let stays = |signal: &Definition| matches!(signal.measure, Measure::Within(_)) && !WITHIN_CHANGES;
    let kept: Vec<Definition> = before.signals.iter().filter(|signal| stays(signal)).cloned().collect();
    let is_kept = |signal: &Definition| kept.iter().any(|kept| kept.id == signal.id);
    after.signals.retain(|signal| !stays(signal) && !is_kept(signal));
    while after.signals.iter().filter(|signal| signal.of_users).count() + kept.len() > SIGNALS_MAX {
        after.signals.pop();
    }
    for signal in after.signals.iter_mut().filter(|_| !FIRSTS_ARE_LEFT_OUT) {
        let is_known = before.signals.iter().any(|known| known.id == signal.id && known.measure == signal.measure);
        if let (false, Measure::Seen(facts) | Measure::Count(facts, _)) = (is_known, &mut signal.measure) {
            facts.after = 0;
        }
    }
    for signal in kept {
        let at = rng.random_range(0..=after.signals.len());
        after.signals.insert(at, signal);
    }
    let known = |name: &String| is_there(name, &after.signals);
    after.triggers.retain(|trigger| names(trigger).iter().all(known));
    after
}

/// The same rules with other points, parameters, signals, triggers, score marks and meters, in another order.
fn changed(rng: &mut SmallRng, before: &Pack) -> Pack {
    let mut after = before.clone();
    for signal in &mut after.signals {
        if rng.random_bool(0.15) {
            change(rng, signal);
        } else if rng.random_bool(0.15) {
            signal.points.iter_mut().for_each(|points| *points = 5 * rng.random_range(-2..7));
        } else if rng.random_bool(0.03) {
            signal.enters = one_of(rng, &[None, Some((true, true)), Some((false, true)), Some((false, false))]);
        }
    }
    // Another signal under an id that existed before: conditions that were made for the former signal must not read it.
    let mut anew: Vec<String> = Vec::new();
    for place in 0..after.signals.len() {
        if rng.random_bool(0.08) {
            let id = after.signals[place].id.clone();
            after.signals[place] = Definition { id: id.clone(), ..signal(rng, 0) };
            anew.push(id);
        }
    }
    let reads_anew = |name: &String| anew.contains(&name.strip_prefix("user.").unwrap_or(name).to_owned());
    after.triggers.retain(|trigger| !names(trigger).iter().any(reads_anew));
    let is_crowded = |of: fn(&Definition) -> bool, signals: &[Definition]| {
        signals.iter().filter(|signal| of(signal)).count() > SIGNALS_MAX
    };
    after.signals.retain(|_| rng.random_bool(0.93));
    for place in 20..20 + rng.random_range(0..3) {
        let own = signal(rng, place);
        let at = rng.random_range(0..=after.signals.len());
        after.signals.retain(|signal| signal.id != own.id);
        after.signals.insert(at.min(after.signals.len()), own);
    }
    while is_crowded(|signal| signal.of_users, &after.signals)
        || is_crowded(|signal| signal.of_accounts, &after.signals)
    {
        after.signals.pop();
    }
    match rng.random_range(0..4) {
        0 => after.signals.reverse(),
        1 if !after.signals.is_empty() => after.signals.rotate_left(1),
        _ => {}
    }
    if rng.random_bool(0.3) {
        rename_meter(rng, &mut after);
    }
    if rng.random_bool(0.2) {
        after.meters.reverse();
    }
    if rng.random_bool(0.2) && !after.meters.iter().any(|meter| meter.id == "limits") {
        after.meters.insert(0, Meter { id: "limits", role: Role::LimitHit, only: Vec::new(), sum: None, gauge: false });
    }
    if rng.random_bool(0.4) {
        after.scores = scores(rng);
    }
    after.triggers.retain(|_| rng.random_bool(0.9));
    let is_there = |trigger: &Rule| names(trigger).iter().all(|name| is_there(name, &after.signals));
    after.triggers.retain(is_there);
    for trigger in &mut after.triggers {
        if rng.random_bool(0.1) {
            trigger.level = one_of(rng, &[Level::High, Level::Medium, Level::Low]);
        }
    }
    for place in 20..20 + rng.random_range(0..4) {
        let own = trigger(rng, place, &after.signals);
        // Under a new id, or one that was there before.
        let at = rng.random_range(0..=after.triggers.len());
        match after.triggers.get_mut(at) {
            Some(known) if rng.random_bool(0.3) => *known = Rule { id: known.id.clone(), ..own },
            _ => {
                after.triggers.retain(|trigger| trigger.id != own.id);
                after.triggers.insert(at.min(after.triggers.len()), own);
            }
        }
    }
    if rng.random_bool(0.3) {
        after.triggers.reverse();
    }
    after
}

/// A meter by another name, also where signals name it.
fn rename_meter(rng: &mut SmallRng, pack: &mut Pack) {
    const NAMES: [(&str, &str); 3] = [("stored", "kept"), ("used", "spent"), ("features", "uses")];
    let (one, other) = one_of(rng, &NAMES);
    let rename = |meter: &mut Meter| {
        meter.id = match meter.id {
            id if id == one => other,
            id if id == other => one,
            id => id,
        }
    };
    pack.meters.iter_mut().for_each(rename);
    for signal in &mut pack.signals {
        if let Measure::Spike { meter, .. } | Measure::Ladder(Of::Meter(meter), _) = &mut signal.measure {
            rename(meter);
        }
    }
}

/// What the condition of a trigger reads.
fn names(trigger: &Rule) -> Vec<String> {
    match &trigger.fires {
        Fires::When(when, _) => when.names(),
        Fires::On(on) => on.when.iter().flat_map(Condition::names).collect(),
    }
}

/// Whether a name of a condition that looks like a signal's is one of the pack.
fn is_there(name: &str, signals: &[Definition]) -> bool {
    let of_user = name.strip_prefix("user.");
    let id = of_user.unwrap_or(name);
    let was_one = DEFAULT.signals.iter().any(|signal| signal.id == id) || id.starts_with("own.");
    let is_scope = |signal: &Definition| if of_user.is_some() { signal.of_users } else { signal.of_accounts };
    !was_one || signals.iter().any(|signal| signal.id == id && is_scope(signal))
}

fn meters() -> [Meter; 3] {
    let of = |id, role| Meter { id, role, only: Vec::new(), sum: None, gauge: false };
    [
        Meter {
            sum: Some("used"),
            gauge: true,
            only: vec![("meter", vec!["storage"])],
            ..of("stored", Role::UsageReported)
        },
        Meter { sum: Some("used"), ..of("used", Role::UsageReported) },
        of("features", Role::FeatureUsed),
    ]
}

/// Other points or parameters: with others it measures something else.
fn change(rng: &mut SmallRng, signal: &mut Definition) {
    signal.points.iter_mut().for_each(|points| *points += 5 * rng.random_range(-2..3));
    let ttl = one_of(rng, &[5 * HOUR, DAY, 7 * DAY, 60 * DAY]);
    match &mut signal.measure {
        Measure::Seen(facts) | Measure::Distinct { facts: facts @ Facts { ttl: Some(_), .. }, .. } => {
            facts.ttl = Some(ttl);
        }
        Measure::Sessions { facts, gap, .. } => (facts.ttl, *gap) = (Some(ttl), one_of(rng, &[0, MINUTE, HOUR])),
        Measure::Within(ms) => *ms = one_of(rng, &[MINUTE + 1, 6 * HOUR]),
        Measure::ActiveDays(days) => *days = rng.random_range(1..8),
        Measure::Idle(days) => *days = rng.random_range(1..29),
        Measure::NewUsers { at_least, .. } => *at_least = rng.random_range(1..7),
        Measure::SingleUser { days } | Measure::FreeOnly { days } => *days = rng.random_range(1..60),
        _ => {}
    }
}

/// A signal of some kind.
fn signal(rng: &mut SmallRng, place: usize) -> Definition {
    let (mut measure, of_users, of_accounts) = measure(rng);
    // An account has no sign-up of its own.
    if let (Measure::Distinct { within, .. }, true) = (&mut measure, of_accounts) {
        *within = None;
    }
    let rungs = rungs_of(&measure);
    let points = (0..rungs).map(|_| 5 * rng.random_range(-2..7)).collect();
    let enters =
        one_of(rng, &[None, Some((true, true)), Some((true, false)), Some((false, true)), Some((false, false))]);
    Definition { id: format!("own.s{place}"), measure, of_users, of_accounts, points, enters }
}

fn rungs_of(measure: &Measure) -> usize {
    match measure {
        Measure::Count(_, rungs) | Measure::Distinct { rungs, .. } | Measure::Sessions { rungs, .. } => rungs.len(),
        Measure::Stickiness(rungs) | Measure::Ladder(_, rungs) => rungs.len(),
        Measure::Employees(rungs) | Measure::LeadScore(rungs) => rungs.len(),
        Measure::NewUsers { spike_below, .. } => 1 + usize::from(spike_below.is_some()),
        _ => 1,
    }
}

/// Up to three rising numbers.
fn ladder(rng: &mut SmallRng, from: i64, step: i64) -> Vec<i64> {
    let mut rungs = vec![rng.random_range(from..from + step)];
    while rungs.len() < 3 && rng.random_bool(0.5) {
        rungs.push(rungs[rungs.len() - 1] + rng.random_range(1..=step));
    }
    rungs
}

fn counts(rng: &mut SmallRng) -> Vec<usize> {
    ladder(rng, 1, 3).into_iter().map(|rung| rung as usize).collect()
}

/// Roles whose events products send.
const ROLES: [Role; 19] = [
    Role::SignedUp,
    Role::Activated,
    Role::FeatureUsed,
    Role::ApiCalled,
    Role::IntegrationConnected,
    Role::LimitHit,
    Role::UsageReported,
    Role::Exported,
    Role::Shared,
    Role::UserInvited,
    Role::MemberAdded,
    Role::WorkspaceCreated,
    Role::AdminTransferred,
    Role::PricingViewed,
    Role::TermsViewed,
    Role::UpgradeStarted,
    Role::EnterpriseRequested,
    Role::SupportContacted,
    Role::TrialStarted,
];

fn facts(rng: &mut SmallRng) -> Facts {
    let mut roles = vec![one_of(rng, &ROLES)];
    let second = one_of(rng, &ROLES);
    if rng.random_bool(0.3) && second != roles[0] {
        roles.push(second);
    }
    let ttl = one_of(rng, &[None, Some(5 * HOUR), Some(DAY), Some(3 * DAY + 1), Some(14 * DAY), Some(90 * DAY)]);
    let only = only(rng, &roles);
    let after = if only.is_empty() && rng.random_bool(0.15) { one_of(rng, &[HOUR, DAY, 10 * DAY]) } else { 0 };
    Facts { premium: roles == [Role::FeatureUsed] && rng.random_bool(0.3), only, ttl, after, roles }
}

/// What the events of a role are asked for.
fn only(rng: &mut SmallRng, roles: &[Role]) -> Vec<(&'static str, Vec<&'static str>)> {
    let only = match roles {
        [Role::SupportContacted] => ("topic", vec!["bug", "invoices"]),
        [Role::UsageReported | Role::LimitHit] => ("meter", vec!["seats"]),
        [Role::FeatureUsed] => ("feature", vec!["f1", "f2", "f3"]),
        [Role::Shared] => ("external", vec!["false"]),
        _ => return Vec::new(),
    };
    if rng.random_bool(0.4) { vec![only] } else { Vec::new() }
}

/// A kind with its parameters, and whose signals are of it: of users, of accounts.
fn measure(rng: &mut SmallRng) -> (Measure, bool, bool) {
    let whose = one_of(rng, &[(true, false), (false, true), (true, true)]);
    let of_users = |measure| (measure, true, false);
    let of_accounts = |measure| (measure, false, true);
    match rng.random_range(0..24) {
        0 => (Measure::Seen(facts(rng)), whose.0, whose.1),
        1 | 2 => (Measure::Count(facts(rng), counts(rng)), whose.0, whose.1),
        3 | 4 => (distinct(rng), whose.0, whose.1),
        5 => {
            let ttl = one_of(rng, &[5 * HOUR, DAY, 30 * DAY]);
            let roles = vec![one_of(rng, &[Role::PricingViewed, Role::TermsViewed, Role::FeatureUsed])];
            let facts = Facts { roles, ttl: Some(ttl), ..Facts::default() };
            of_users(Measure::Sessions { facts, gap: one_of(rng, &[0, MINUTE, 2 * HOUR]), rungs: counts(rng) })
        }
        6 => of_users(Measure::Within(one_of(rng, &[MINUTE, HOUR, 2 * DAY]))),
        7 => {
            let (start, complete) = one_of(
                rng,
                &[
                    (Role::UpgradeStarted, Role::UpgradeCompleted),
                    (Role::TrialStarted, Role::TrialEnded),
                    (Role::PricingViewed, Role::UpgradeStarted),
                ],
            );
            let after = one_of(rng, &[HOUR, DAY, 5 * DAY]);
            of_users(Measure::Abandoned { start, complete, after, ttl: one_of(rng, &[HOUR, 3 * DAY, 30 * DAY]) })
        }
        8 => of_users(Measure::ActiveDays(rng.random_range(1..8))),
        9 => (Measure::Stickiness(ladder(rng, 5, 25)), whose.0, whose.1),
        10 | 11 => {
            let direction = one_of(rng, &[Direction::Up, Direction::Down]);
            (Measure::Growth(direction, trend(rng, direction)), whose.0, whose.1)
        }
        12 => of_accounts(Measure::Growth(one_of(rng, &[Direction::Up, Direction::Down]), By::Ratio(percent(rng)))),
        13 => of_accounts(Measure::Growth(Direction::Up, By::NewUsers(percent(rng)))),
        14 => of_accounts(Measure::NewUsers {
            at_least: rng.random_range(1..6),
            spike_below: one_of(rng, &[None, Some(0.01), Some(0.2)]),
        }),
        15 => {
            let meter = one_of(rng, &[&meters()[..], &[Meter::api_calls()]].concat());
            of_accounts(Measure::Spike {
                meter,
                at_least: rng.random_range(1..6),
                above: one_of(rng, &[0.5, 2.0, 4.0]),
            })
        }
        16 => of_users(Measure::Idle(rng.random_range(1..29))),
        17 => of_accounts(Measure::Stalled { at_least: rng.random_range(1..5), weeks: rng.random_range(1..6) }),
        18 if rng.random_bool(0.5) => of_accounts(Measure::SingleUser { days: rng.random_range(1..50) }),
        18 => of_accounts(Measure::FreeOnly { days: rng.random_range(1..50) }),
        19 => of_accounts(Measure::UsageRatio { percent: one_of(rng, &[10, 79, 80, 81, 99]) }),
        20 => of_accounts(Measure::Ladder(
            one_of(rng, &[Of::ActiveUsers, Of::UsersOfADomain, Of::Departments]),
            ladder(rng, 1, 4),
        )),
        21 => {
            let meter = one_of(rng, &[&meters()[..], &[Meter::api_calls()]].concat());
            of_accounts(Measure::Ladder(Of::Meter(meter), ladder(rng, 1, 20)))
        }
        22 => of_accounts(one_of(
            rng,
            &[
                Measure::Employees(vec![10, 80]),
                Measure::LeadScore(vec![19, 20, 30]),
                Measure::OneOf("country", vec!["de", "at"]),
                Measure::OneOf("industry", vec!["retail", "media"]),
            ],
        )),
        _ => of_accounts(one_of(rng, &[Measure::True("icp"), Measure::True("target"), Measure::Executive])),
    }
}

fn distinct(rng: &mut SmallRng) -> Measure {
    let (role, of) = one_of(
        rng,
        &[
            (Role::FeatureUsed, "feature"),
            (Role::UserInvited, "invitee"),
            (Role::WorkspaceCreated, "workspace"),
            (Role::UsageReported, "meter"),
            (Role::SupportContacted, "topic"),
        ],
    );
    let ttl = one_of(rng, &[None, Some(DAY), Some(20 * DAY)]);
    let within = one_of(rng, &[None, Some(2 * DAY), Some(14 * DAY)]);
    let facts = Facts { roles: vec![role], premium: of == "feature" && rng.random_bool(0.3), ttl, ..Facts::default() };
    Measure::Distinct { facts, of, within, rungs: counts(rng) }
}

fn percent(rng: &mut SmallRng) -> i64 {
    rng.random_range(1..80)
}

fn trend(rng: &mut SmallRng, direction: Direction) -> By {
    let slopes = if rng.random_bool(0.5) {
        SLOPES.to_vec()
    } else {
        vec![Test { streak: rng.random_range(1..4), thousandths: rng.random_range(100..2_500) }]
    };
    match direction {
        _ if rng.random_bool(0.3) => By::Streak,
        Direction::Up => By::Above { both: rng.random_range(1..40), each: rng.random_range(1..15), slopes },
        Direction::Down => By::Below { below: rng.random_range(1..15), share: rng.random_range(30..95), slopes },
    }
}

fn scores(rng: &mut SmallRng) -> Scores {
    let emerging = 5 * rng.random_range(1..7);
    let warm = emerging + 5 * rng.random_range(1..5);
    Scores {
        bands: [emerging, warm, warm + 5 * rng.random_range(1..7)],
        keep: one_of(rng, &[0, 3, 4]),
        tiers: one_of(rng, &[[151, 80, 40], [60, 30, 10]]),
        user_counts: one_of(rng, &[vec![2, 5, 7, 10, 25, 50, 100], vec![1, 3, 4], vec![6]]),
    }
}

fn rails(rng: &mut SmallRng) -> Rails {
    Rails {
        after_signup: one_of(rng, &[0, DAY, 3 * DAY]),
        usage: rng.random_bool(0.8),
        pacing: one_of(rng, &[HOUR, DAY, 3 * DAY, 10 * DAY]),
        warm_up_days: one_of(rng, &[28, 28, 7]),
        engaged_traits: rng.random_bool(0.7),
        unanswered: one_of(rng, &[0, DAY, 7 * DAY]),
    }
}

fn cooldown(rng: &mut SmallRng) -> i64 {
    one_of(rng, &[HOUR, DAY, 7 * DAY, 30 * DAY])
}

/// A trigger of some kind.
fn trigger(rng: &mut SmallRng, place: usize, signals: &[Definition]) -> Rule {
    let fires = if rng.random_bool(0.3) {
        let roles = [ROLES.as_slice(), &[Role::ContactSales, Role::BillingForecast, Role::MqlCreated]].concat();
        let role = rng.random_bool(0.85).then(|| one_of(rng, &roles));
        let when = rng.random_bool(0.5).then(|| condition(rng, signals, false));
        Fires::On(On {
            role,
            only: role.map_or(Vec::new(), |role| only(rng, &[role])),
            enterprise: rng.random_bool(0.1),
            when,
            first: rng.random_bool(0.3),
            raises_hand: rng.random_bool(0.2),
            asks_for_sales: rng.random_bool(0.2),
        })
    } else {
        let of_users = rng.random_bool(0.4);
        Fires::When(condition(rng, signals, of_users), if rng.random_bool(0.3) { rng.random_range(1..9) } else { 0 })
    };
    let level = one_of(rng, &[Level::High, Level::Medium, Level::Low]);
    Rule { id: format!("own-{place}"), level, cooldown: cooldown(rng), fires }
}

/// A condition that is not true where nothing is known: it begins with something that must have happened.
fn condition(rng: &mut SmallRng, signals: &[Definition], of_users: bool) -> Condition {
    let first = if of_users { of_a_user(rng, signals) } else { of_the_account(rng, signals) };
    let mut all = vec![first];
    while all.len() < 4 && rng.random_bool(0.6) {
        let more = |rng: &mut SmallRng| {
            let is_of_user = of_users && rng.random_bool(0.4);
            let more = if is_of_user { of_a_user(rng, signals) } else { of_the_account(rng, signals) };
            if rng.random_bool(0.35) { not(more) } else { more }
        };
        let one = more(rng);
        all.push(if rng.random_bool(0.3) { Condition::Any(vec![one, more(rng)]) } else { one });
    }
    if all.len() == 1 { all.remove(0) } else { Condition::All(all) }
}

/// Something that is true of users who did something.
fn of_a_user(rng: &mut SmallRng, signals: &[Definition]) -> Condition {
    let own: Vec<&Definition> = signals.iter().filter(|signal| signal.of_users).collect();
    match rng.random_range(0..6) {
        0 => {
            Condition::OneOf("user.band".into(), one_of(rng, &[vec!["hot".into()], vec!["warm".into(), "hot".into()]]))
        }
        1 => at_least("user.score", 5 * rng.random_range(1..16)),
        2 => is("user.is_buyer"),
        3 => is("user.band_fell"),
        _ if own.is_empty() => at_least("user.score", 10),
        _ => {
            let signal = one_of(rng, &own);
            at_least(&format!("user.{}", signal.id), rng.random_range(1..=rungs_of(&signal.measure) as i64))
        }
    }
}

/// A condition that is true for accounts with known traits.
fn of_the_account(rng: &mut SmallRng, signals: &[Definition]) -> Condition {
    let own: Vec<&Definition> = signals.iter().filter(|signal| signal.of_accounts).collect();
    let double = |name: &str, number: f64| Condition::of_double(name, ">=", number);
    match rng.random_range(0..36) {
        0..10 if !own.is_empty() => {
            let signal = one_of(rng, &own);
            at_least(&signal.id, rng.random_range(1..=rungs_of(&signal.measure) as i64))
        }
        10 => at_least("users", rng.random_range(1..9)),
        11 => at_least("departments", rng.random_range(1..4)),
        12 => at_least(one_of(rng, &["dau", "wau", "mau"]), rng.random_range(1..9)),
        13 => at_least("new_users_7d", rng.random_range(1..5)),
        14 => at_least("idle_days", rng.random_range(1..40)),
        15 => at_least("score", 10 * rng.random_range(1..12)),
        16 => Condition::one_of("tier", one_of::<&[&str]>(rng, &[&["T1", "T2"], &["T3"], &["T4"]])),
        17 => Condition::one_of("segment", one_of::<&[&str]>(rng, &[&["smb", "mid_market"], &["enterprise"]])),
        18 => is("paid"),
        19 => Condition::one_of("plan", one_of::<&[&str]>(rng, &[&["team"], &["enterprise", "free"]])),
        20 => double("mrr", one_of(rng, &[100.0, 833.5, 1000.0])),
        21 => double("yearly_spend", one_of(rng, &[1200.0, 10_000.0])),
        22 => double("usage_ratio", one_of(rng, &[0.1, 0.79, 0.8])),
        23 => double("employees", one_of(rng, &[10.0, 50.0, 500.0])),
        24 => Condition::one_of("industry", &["software", "media"]),
        25 => Condition::one_of("country", &["DE"]),
        26 => is(one_of(rng, &["icp", "target"])),
        27 => double("lead_score", one_of(rng, &[19.5, 20.0, 25.0])),
        28 => is(one_of(rng, &["do_not_contact", "open_opportunity", "has_contract_owner"])),
        29 => Condition::of_weeks(0, one_of(rng, &[">", "<"]), rng.random_range(1..6)),
        30 => Condition::of_double("stickiness", ">", one_of(rng, &[0.2, 0.4])),
        31 => is("spike_known"),
        32 => Condition::Known(one_of(rng, &["lead_score", "employees", "icp", "mrr"]).into()),
        33 => Condition::one_of("traits.region", &["emea"]),
        _ => at_least("active_users", rng.random_range(1..9)),
    }
}

/// The rules file with the pack in it: what names a signal or trigger that is no longer there is left out.
pub(crate) fn write(text: &str, pack: &Pack) -> String {
    let mut file: Value = serde_saphyr::from_str(text).expect("rules");
    let meters = pack.meters.iter().map(|meter| (meter.id.to_owned(), write_meter(meter)));
    file["meters"] = Value::Object(meters.collect());
    file["signals"] = pack.signals.iter().map(write_signal).collect();
    file["triggers"] = pack.triggers.iter().map(write_trigger).collect();
    let Scores { bands: [emerging, warm, hot], keep, tiers, user_counts } = &pack.scores;
    file["scores"]["bands"] = json!({"emerging": emerging, "warm": warm, "hot": hot, "keep": keep});
    file["scores"]["active_users"] = json!(user_counts);
    for (tier, score) in file["scores"]["tiers"].as_array_mut().expect("tiers").iter_mut().zip(tiers) {
        tier.as_object_mut().expect("a tier").remove("score_above");
        tier["score"] = json!(score);
    }
    let Rails { after_signup, usage, pacing, warm_up_days, engaged_traits, unanswered } = pack.rails;
    file["rails"]["after_signup"] = length(after_signup);
    file["rails"]["usage"] = json!(usage);
    file["rails"]["pacing"] = length(pacing);
    file["rails"]["warm_up_days"] = json!(warm_up_days);
    file["rails"]["engaged"] = json!({"traits": engaged_traits, "unanswered": length(unanswered)});
    let is_signal = |id: &Value| pack.signals.iter().any(|signal| id == &json!(signal.id));
    let is_trigger = |id: &Value| pack.triggers.iter().any(|trigger| id == &json!(trigger.id));
    keep_named(&mut file["routes"], "triggers", is_trigger);
    keep_named(&mut file["templates"], "triggers", is_trigger);
    keep_named(&mut file["money"]["suggested_plans"], "signals", is_signal);
    file.to_string()
}

/// Of the names that rows give under a key, those that are there; rows that named only others are left out.
fn keep_named(rows: &mut Value, key: &str, is_there: impl Fn(&Value) -> bool) {
    let Some(rows) = rows.as_array_mut() else { return };
    rows.retain_mut(|row| match row.get_mut(key).and_then(Value::as_array_mut) {
        Some(names) => {
            names.retain(&is_there);
            !names.is_empty()
        }
        None => true,
    });
}

/// A duration as rules files write it.
fn length(ms: i64) -> Value {
    json!(format!("{ms}ms"))
}

fn write_meter(meter: &Meter) -> Value {
    let mut row = Map::new();
    row.insert("role".into(), json!(meter.role.word()));
    write_only(&mut row, &meter.only);
    if let Some(sum) = meter.sum {
        row.insert("sum".into(), json!(sum));
        row.insert("gauge".into(), json!(meter.gauge));
    }
    Value::Object(row)
}

fn write_only(row: &mut Map<String, Value>, only: &[(&str, Vec<&str>)]) {
    let word = |word: &&str| match *word {
        "true" => json!(true),
        "false" => json!(false),
        text => json!(text),
    };
    let fields = only.iter().map(|(field, words)| ((*field).to_owned(), words.iter().map(word).collect()));
    if !only.is_empty() {
        row.insert("where".into(), Value::Object(fields.collect()));
    }
}

fn write_signal(signal: &Definition) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| {
        row.insert(key.into(), value);
    };
    put("id", json!(signal.id));
    let scopes = [("user", signal.of_users), ("account", signal.of_accounts)];
    put("scopes", scopes.iter().filter(|(_, is)| *is).map(|(scope, _)| json!(scope)).collect());
    put("points", json!(signal.points));
    if let Some((pql, pqa)) = signal.enters {
        put("in", [("pql", pql), ("pqa", pqa)].iter().filter(|(_, is)| *is).map(|(score, _)| json!(score)).collect());
    }
    let kind = match &signal.measure {
        Measure::Seen(_) => "seen",
        Measure::Count(_, rungs) => {
            put("rungs", json!(rungs));
            "count"
        }
        Measure::Distinct { of, within, rungs, .. } => {
            put("of", json!(of));
            put("rungs", json!(rungs));
            within.iter().for_each(|within| put("within", length(*within)));
            "distinct"
        }
        Measure::Sessions { gap, rungs, .. } => {
            put("of", json!("session"));
            put("rungs", json!(rungs));
            if *gap > 0 {
                put("gap", length(*gap));
            }
            "distinct"
        }
        Measure::Within(within) => {
            put("roles", json!(["signed_up", "activated"]));
            put("within", length(*within));
            "within"
        }
        Measure::Abandoned { start, complete, after, ttl } => {
            put("roles", json!([start.word(), complete.word()]));
            put("after", length(*after));
            put("ttl", length(*ttl));
            "abandoned"
        }
        Measure::ActiveDays(days) => {
            put("days", json!(days));
            "active_days"
        }
        Measure::Stickiness(above) => {
            put("above_percent", json!(above));
            "stickiness"
        }
        Measure::Growth(direction, by) => {
            put("direction", json!(if *direction == Direction::Up { "up" } else { "down" }));
            write_trend(by, &mut put);
            "growth"
        }
        Measure::NewUsers { at_least, spike_below } => {
            put("of", json!("new_users"));
            put("at_least", json!(at_least));
            spike_below.iter().for_each(|below| put("spike_below", json!(below)));
            "spike"
        }
        Measure::Spike { meter, at_least, above } => {
            put("of", json!(meter.id));
            put("at_least", json!(at_least));
            put("spike_above", json!(above));
            "spike"
        }
        Measure::Idle(days) => {
            put("days", json!(days));
            "idle"
        }
        Measure::Stalled { at_least, weeks } => {
            put("of", json!("new_users"));
            put("at_least", json!(at_least));
            put("weeks", json!(weeks));
            "idle"
        }
        Measure::SingleUser { days } | Measure::FreeOnly { days } => {
            let is_alone = matches!(signal.measure, Measure::SingleUser { .. });
            put("of", json!(if is_alone { "single_user" } else { "free_only" }));
            put("days", json!(days));
            "age"
        }
        Measure::UsageRatio { percent } => {
            put("at_least", json!(percent));
            "usage_ratio"
        }
        Measure::Ladder(of, rungs) => {
            put(
                "of",
                json!(match of {
                    Of::ActiveUsers => "active_users",
                    Of::UsersOfADomain => "users_of_a_domain",
                    Of::Departments => "departments",
                    Of::Meter(meter) => meter.id,
                }),
            );
            put("rungs", json!(rungs));
            "ladder"
        }
        Measure::Employees(rungs) | Measure::LeadScore(rungs) => {
            let is_size = matches!(signal.measure, Measure::Employees(_));
            put("of", json!(if is_size { "employees" } else { "lead_score" }));
            put("rungs", json!(rungs));
            "trait"
        }
        Measure::OneOf(of, values) => {
            put("of", json!(of));
            put("one_of", json!(values));
            "trait"
        }
        Measure::True(of) => {
            put("of", json!(of));
            "trait"
        }
        Measure::Executive => {
            put("of", json!("executives"));
            "trait"
        }
    };
    put("kind", json!(kind));
    if let Measure::Seen(facts)
    | Measure::Count(facts, _)
    | Measure::Distinct { facts, .. }
    | Measure::Sessions { facts, .. } = &signal.measure
    {
        write_facts(&mut row, facts);
    }
    Value::Object(row)
}

fn write_facts(row: &mut Map<String, Value>, facts: &Facts) {
    row.insert("roles".into(), facts.roles.iter().map(|role| json!(role.word())).collect());
    write_only(row, &facts.only);
    if facts.premium {
        row.insert("premium".into(), json!(true));
    }
    if let Some(ttl) = facts.ttl {
        row.insert("ttl".into(), length(ttl));
    }
    if facts.after > 0 {
        row.insert("after".into(), length(facts.after));
    }
}

fn write_trend(by: &By, put: &mut impl FnMut(&str, Value)) {
    let slopes = |slopes: &[Test]| -> Value {
        slopes.iter().map(|test| json!({"streak": test.streak, "z": test.thousandths as f64 / 1_000.0})).collect()
    };
    match by {
        By::Above { both, each, slopes: tests } => {
            put("significance", json!({"above": *both as i64, "each": *each as i64, "slope": slopes(tests)}));
        }
        By::Below { below, share, slopes: tests } => {
            put("significance", json!({"below": *below as i64, "share": share, "slope": slopes(tests)}));
        }
        By::Streak => put("significance", json!("none")),
        By::Ratio(percent) => {
            put("of", json!("ratio"));
            put("at_least", json!(percent));
        }
        By::NewUsers(percent) => {
            put("of", json!("new_users"));
            put("at_least", json!(percent));
        }
    }
}

fn write_trigger(trigger: &Rule) -> Value {
    let level = match trigger.level {
        Level::High => "high",
        Level::Medium => "medium",
        Level::Low => "low",
    };
    let mut row = json!({"id": trigger.id, "level": level, "cooldown": length(trigger.cooldown)});
    match &trigger.fires {
        Fires::On(on) => {
            let mut event = Map::new();
            match on.role {
                Some(role) => event.insert("role".into(), json!(role.word())),
                None => event.insert("new_user".into(), json!(true)),
            };
            write_only(&mut event, &on.only);
            if on.enterprise {
                event.insert("plan".into(), json!("enterprise"));
            }
            if let Some(when) = &on.when {
                event.insert("when".into(), json!(when.text()));
            }
            let marks = [("first", on.first), ("raised_hand", on.raises_hand), ("asks_for_sales", on.asks_for_sales)];
            event.extend(marks.iter().filter(|(_, is)| *is).map(|(mark, _)| ((*mark).to_owned(), json!(true))));
            row["on"] = Value::Object(event);
        }
        Fires::When(when, closes) => {
            row["when"] = json!(when.text());
            if *closes > 0 {
                row["rearm_after_closed_days"] = json!(closes);
            }
        }
    }
    row
}

/// What the kind of a signal is called where it is counted.
pub(crate) fn kind(signal: &Definition) -> &'static str {
    match &signal.measure {
        Measure::Seen(_) => "seen",
        Measure::Count(..) => "count",
        Measure::Distinct { within: Some(_), .. } => "distinct within",
        Measure::Distinct { .. } => "distinct",
        Measure::Sessions { .. } => "sessions",
        Measure::Within(_) => "within",
        Measure::Abandoned { .. } => "abandoned",
        Measure::ActiveDays(_) => "active_days",
        Measure::Stickiness(_) => "stickiness",
        Measure::Growth(_, By::Above { .. } | By::Below { .. }) => "growth",
        Measure::Growth(_, By::Streak) => "growth by a streak",
        Measure::Growth(_, By::Ratio(_)) => "growth by ratio",
        Measure::Growth(_, By::NewUsers(_)) => "growth by new users",
        Measure::NewUsers { .. } => "spike of new users",
        Measure::Spike { meter: Meter { gauge: true, .. }, .. } => "spike of a gauge",
        Measure::Spike { .. } => "spike",
        Measure::Idle(_) => "idle",
        Measure::Stalled { .. } => "stalled",
        Measure::SingleUser { .. } => "age of a single user",
        Measure::FreeOnly { .. } => "age of a free account",
        Measure::UsageRatio { .. } => "usage_ratio",
        Measure::Ladder(Of::Meter(Meter { gauge: true, .. }), _) => "ladder of a gauge",
        Measure::Ladder(Of::Meter(_), _) => "ladder of a meter",
        Measure::Ladder(..) => "ladder",
        Measure::Employees(_) | Measure::LeadScore(_) => "trait of a number",
        Measure::OneOf(..) => "trait of a text",
        Measure::True(_) => "trait that is true",
        Measure::Executive => "executive",
    }
}

/// The pack for a person, as rows of a rules file.
pub(crate) fn describe(pack: &Pack) -> String {
    let rows = |rows: Vec<Value>| rows.iter().map(|row| format!("  - {row}\n")).collect::<String>();
    format!(
        "signals:\n{}triggers:\n{}meters: {:?}\n{:?}\n{:?}\n",
        rows(pack.signals.iter().map(write_signal).collect()),
        rows(pack.triggers.iter().map(write_trigger).collect()),
        pack.meters.iter().map(|meter| meter.id).collect::<Vec<_>>(),
        pack.scores,
        pack.rails,
    )
}
