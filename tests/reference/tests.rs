//! Tests of the reference model against cases that were computed by hand from docs/semantics.md.

use serde_json::{Map, Value, json};

use super::handoff::{handoff_id, holdout_place};
use super::pack::{DEFAULT, Measure, Pack, SLOPES, Scores};
use super::roles::Role;
use super::score::{band_of, tier_of};
use super::time::{
    Crowd, Days, Direction, Life, Trend, date, first_day_of, instant, iso_week, lives, settled_week, spike_p, week_of,
};
use super::{DAY, Event, HOUR, Input, Kind, MINUTE, Outcome, Output, Settings, run};

const PRICING: &str = "intent.pricing";
const PRICING_TTL: i64 = 30 * DAY;
const USER_ADDS: &str = "velocity.user_adds";
const GROWTH: &str = "velocity.growth";
const INACTIVE: &str = "negative.inactive";

/// Monday 2026-01-05, the first day of the histories below.
const START: i64 = 20_458;

/// A day and hour of a history, in milliseconds.
fn at(day: i64, hour: i64) -> i64 {
    (START + day) * DAY + hour * HOUR
}

fn event(ms: i64, kind: Kind, user: &str, name: &str) -> Event {
    Event {
        message_id: String::new(),
        source: String::new(),
        kind,
        name: name.to_owned(),
        user: user.to_owned(),
        account: if kind == Kind::Tick { String::new() } else { "acme".to_owned() },
        ms,
        properties: Map::new(),
        traits: Map::new(),
        provenance: None,
        rules: None,
    }
}

fn track(ms: i64, user: &str) -> Event {
    event(ms, Kind::Track, user, "Report Created")
}

fn sign_up(ms: i64, user: &str) -> Event {
    event(ms, Kind::Track, user, "Signed Up")
}

fn pricing(ms: i64, user: &str) -> Event {
    event(ms, Kind::Page, user, "Pricing")
}

/// A tick that brings the watermark to `ms`.
fn until(ms: i64) -> Event {
    event(ms + HOUR, Kind::Tick, "", "")
}

fn run_events(events: Vec<Event>) -> Output {
    run_with(events, &Settings::default())
}

fn run_with(events: Vec<Event>, settings: &Settings) -> Output {
    let in_place =
        |(offset, event)| Input { partition: 0, offset: offset as i64, index: 0, record_ms: None, event: Ok(event) };
    let input: Vec<Input> = events.into_iter().enumerate().map(in_place).collect();
    run(&input, settings)
}

/// The messages of a feed about a signal or a trigger, each as `user before>after reason|rail|occurrence at`.
fn about(feed: &[Value], id: &str) -> Vec<String> {
    let text = |message: &Value, field: &str| message[field].as_str().unwrap_or("").to_owned();
    let number = |message: &Value, field: &str| message[field].as_u64().unwrap_or(0);
    super::entries(feed)
        .iter()
        .filter(|message| message["signal"] == id || message["trigger"] == id)
        .map(|message| {
            let what = match message["kind"].as_str() {
                Some("KIND_CHANGED") => format!(
                    "{}>{} {}",
                    number(message, "rungBefore"),
                    number(message, "rungAfter"),
                    text(message, "reason")
                ),
                Some("KIND_HELD") => format!("held {}", text(message, "rail")),
                _ => "occurrence".to_owned(),
            };
            format!("{}: {what} {}", text(message, "user"), text(message, "atMs"))
        })
        .collect()
}

fn row<'a>(output: &'a Output, key: &str, value: &str) -> &'a Value {
    output.metrics.iter().find(|row| row[key] == value).unwrap_or(&Value::Null)
}

#[test]
fn ids_and_dates_match_the_vectors() {
    assert_eq!(handoff_id("acme", "five-new-users", 1_767_312_000_000), "62a46d8bb59a01314c33e295628b87f2");
    assert_eq!(date(START), "2026-01-05");
    assert_eq!(date(-1), "1969-12-31");
    assert_eq!(date(first_day_of(2000, 3) - 1), "2000-02-29");
    assert_eq!(iso_week(week_of(first_day_of(2026, 2) + 13)), "2026-W07");
    assert_eq!(iso_week(week_of(first_day_of(2027, 1))), "2026-W53");
    assert_eq!(instant(&json!("2026-01-05T01:00:00.25+01:00")), Some(at(0, 0) + 250));
    assert_eq!(instant(&json!(1_767_571_200)), Some(at(0, 0)));
}

#[test]
fn kind_and_name_decide_the_roles() {
    let role = |kind, name| event(0, kind, "ann", name).role();
    assert_eq!(role(Kind::Screen, "pricing viewed"), Some(Role::PricingViewed));
    assert_eq!(role(Kind::Page, "PRICING"), Some(Role::PricingViewed));
    assert_eq!(role(Kind::Screen, "Pricing"), None);
    assert_eq!(role(Kind::Track, "Pricing"), None);
    assert_eq!(role(Kind::Page, "Contact Sales"), None);
    assert!(event(0, Kind::Track, "ann", "").is_activity());
    assert!(!event(0, Kind::Track, "ann", "Subscription Changed").is_activity());
    assert!(!event(0, Kind::Track, "", "Report Created").is_activity());
    assert!(!event(0, Kind::Alias, "ann", "").is_activity());
}

#[test]
fn spike_probability_is_the_upper_tail() {
    // r = ½, p = ¾: the masses are √¾ · (1, 1/8, 3/128, 5/1024, 35/32768).
    let below = 0.75_f64.sqrt() * (1.0 + 1.0 / 8.0 + 3.0 / 128.0 + 5.0 / 1024.0 + 35.0 / 32_768.0);
    assert!((spike_p(5, 0, 2) - (1.0 - below)).abs() < 1e-12);
    assert_eq!(spike_p(0, 7, 8), 1.0);
}

#[test]
fn five_new_users_after_two_quiet_weeks_are_a_spike() {
    let mut events = vec![sign_up(at(0, 9), "founder")];
    events.extend((1..22).map(|day| track(at(day, 9), "founder")));
    events.extend((22..27).map(|day| track(at(day, 9), &format!("new{day}"))));
    events.push(until(at(27, 0)));
    let output = run_events(events);
    assert_eq!(
        about(&output.signals, USER_ADDS),
        [format!(": 0>1 REASON_CROSSED {}", at(26, 9)), format!(": 1>2 REASON_CLOSED {}", at(27, 0)),]
    );
    assert_eq!(output.handoffs.len(), 1);
    let handoff = &output.handoffs[0];
    assert_eq!(handoff["trigger"], "five-new-users");
    assert_eq!(handoff["atMs"], at(27, 0).to_string());
    assert_eq!(handoff["dueFromMs"], at(28, 0).to_string());
    assert_eq!(handoff["dueMs"], at(29, 0).to_string());
    let day = row(&output, "day", &date(START + 26));
    assert_eq!((&day["new_users"], &day["new_users_7d"]), (&json!(1), &json!(5)));
    assert!(day["spike_p"].as_f64().is_some_and(|p| p > 0.00027 && p < 0.000271));
}

#[test]
fn four_rising_weeks_have_a_streak_and_a_slope() {
    let mut events = Vec::new();
    for week in 0..4 {
        events.extend((0..=week).map(|user| track(at(7 * week, user), &format!("u{user}"))));
    }
    events.push(until(at(28, 0)));
    let output = run_events(events);
    let week = row(&output, "week", "2026-W05");
    assert_eq!(week["wau"], 4);
    assert_eq!(week["streak"], 3);
    assert_eq!(week["growth"], 1.0 / 3.0);
    // S₂ = −3·1 − 1·2 + 1·3 + 3·4 = 10, Q = 0 + 3 + 4 + 3 = 10.
    assert_eq!(week["slope_z"], 10.0 / (50.0_f64 / 3.0).sqrt());
    assert_eq!(row(&output, "week", "2026-W02")["growth"], Value::Null);
}

#[test]
fn four_weeks_of_six_new_weekly_users_each_are_growing() {
    // W = 1, 7, 13, 19: S₂ = 60, Q = 6·3 + 6·4 + 6·3 = 60, z = 60/√100 = 6.
    let mut events = Vec::new();
    for week in 0..4 {
        events.extend((0..=6 * week).map(|user| track(at(7 * week, 0) + user * MINUTE, &format!("u{user:02}"))));
    }
    events.push(until(at(28, 0)));
    let output = run_events(events);
    assert_eq!(row(&output, "week", "2026-W05")["slope_z"], 6.0);
    assert_eq!(about(&output.signals, GROWTH), [format!(": 0>1 REASON_CLOSED {}", at(28, 0))]);
}

/// An account with these numbers of active users in its first weeks, always the same users first.
fn weekly(weeks: &[i64]) -> Vec<Event> {
    let of_week = |(week, users): (usize, &i64)| {
        let monday = at(7 * week as i64, 0);
        (0..*users).map(move |user| track(monday + user * MINUTE, &format!("u{user:02}")))
    };
    weeks.iter().enumerate().flat_map(of_week).chain([until(at(7 * weeks.len() as i64, 0))]).collect()
}

fn trend(weeks: &[i64], settled: i64, all: i64) -> Trend {
    Trend::of_account(weeks.to_vec(), &[], Crowd { all, settled })
}

#[test]
fn two_weeks_clearly_above_the_base_level_are_growing() {
    // B = 8 and U = 8, because the newest users are not counted yet: V = 8·0 + 8. D = 12 + 13 − 16 = 9 and m = 24 − 16
    // = 8.
    let output = run_events(weekly(&[8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 12, 13, 8]));
    let last = |week| {
        let row = row(&output, "week", week);
        (row["base"].clone(), row["growing"].clone(), row["declining"].clone())
    };
    assert_eq!(last("2026-W04"), (Value::Null, Value::Null, Value::Null));
    assert_eq!(last("2026-W07"), (Value::Null, json!(false), Value::Null));
    assert_eq!(last("2026-W10"), (json!(8), json!(false), Value::Null));
    assert_eq!(last("2026-W12"), (json!(8), json!(false), json!(false)));
    assert_eq!(last("2026-W13"), (json!(8), json!(true), json!(false)));
    assert_eq!(last("2026-W14"), (json!(8), json!(false), json!(false)));
    let on_and_off = [format!(": 0>1 REASON_CLOSED {}", at(84, 0)), format!(": 1>0 REASON_CLOSED {}", at(91, 0))];
    assert_eq!(about(&output.signals, GROWTH), on_and_off);
}

#[test]
fn four_weeks_clearly_below_the_base_level_are_declining() {
    // B = 8, U = 8, V = 8: m = 4, 100·4 ≤ 60·8 and 16·8 ≥ 12·8.
    let output = run_events(weekly(&[8, 8, 8, 8, 8, 8, 8, 8, 8, 4, 4, 3, 4]));
    let declining = |week| row(&output, "week", week)["declining"].clone();
    assert_eq!([declining("2026-W13"), declining("2026-W14")], [json!(false), json!(true)]);
    assert_eq!(about(&output.signals, "negative.declining"), [format!(": 0>1 REASON_CLOSED {}", at(91, 0))]);
    let one_better = run_events(weekly(&[8, 8, 8, 8, 8, 8, 8, 8, 8, 4, 5, 3, 4]));
    assert_eq!(row(&one_better, "week", "2026-W14")["declining"], json!(false));
}

#[test]
fn the_base_level_is_the_third_largest_of_nine_weeks() {
    let base = |c: i64| trend(&(1..=c).collect::<Vec<_>>(), 0, 0).base();
    assert_eq!([6, 7, 8, 11, 12, 13].map(base), [None, Some(3), Some(3), Some(6), Some(6), Some(7)]);
    assert_eq!([settled_week(100, 12), settled_week(100, 13)], [96, 92]);
}

#[test]
fn the_spread_counts_users_who_arrive_and_leave() {
    // B = 10, U = 20, V = 10·10 + 20: D² ≥ 192 and m² ≥ 60.
    let grows = |before, now| trend(&[&[10; 11][..], &[before, now]].concat(), 20, 0).grows(32, 10, &SLOPES);
    let cases = [(14, 20, true), (20, 14, true), (14, 19, false), (13, 30, false), (30, 13, false)];
    for (before, now, growing) in cases {
        assert_eq!(grows(before, now), Some(growing), "{before} {now}");
    }
    // m² ≥ 72; then B = U = 40, V = 40: the share decides.
    let declines = |usual, all, most| trend(&[&[usual; 9][..], &[most, 0, most, 0]].concat(), 0, all).declines(12, 60);
    assert_eq!([declines(10, 20, 1), declines(10, 20, 2)], [Some(true), Some(false)]);
    assert_eq!([declines(40, 40, 24), declines(40, 40, 25)], [Some(true), Some(false)]);
    assert_eq!(trend(&[0; 13], 0, 0).declines(12, 60), Some(false));
    // Without users U is 1: B = 0, U = V = 1, D ≥ 6 and m ≥ 4.
    assert_eq!(
        [(3, 3), (2, 4), (1, 9)].map(|(a, b)| trend(&[&[0; 11][..], &[a, b]].concat(), 0, 0).grows(32, 10, &SLOPES)),
        [Some(true), Some(true), Some(false)]
    );
}

#[test]
fn the_slope_decides_while_there_is_no_base_level() {
    // So many in every week, and n who came in the last: S₂ = 3n, Q = 3n, z = 3·√(n/5).
    let grows = |usual: usize, new: usize| {
        let users = [vec![vec![true; 4]; usual], vec![vec![false, false, false, true]; new]].concat();
        let (usual, now) = (usual as i64, (usual + new) as i64);
        Trend::of_account(vec![usual, usual, usual, now], &users, Crowd::default()).grows(32, 10, &SLOPES)
    };
    assert_eq!([grows(35, 7), grows(36, 7), grows(30, 6)], [Some(true), Some(false), Some(false)]);
    assert_eq!(trend(&[1, 2, 3], 0, 0).grows(32, 10, &SLOPES), None);
    assert_eq!(trend(&[1, 2, 3, 9], 0, 0).grows(32, 10, &SLOPES), Some(false), "no variance, no z");
}

#[test]
fn users_grow_by_two_days_at_least() {
    let moves = |weeks: Vec<i64>| {
        let up = Trend::of_user(weeks.clone()).moves(Direction::Up, &SLOPES);
        let mirrored = weeks.iter().map(|days| 7 - days).collect();
        assert_eq!(Trend::of_user(mirrored).moves(Direction::Down, &SLOPES), up);
        up
    };
    assert_eq!(moves(vec![0, 0, 7]), None);
    // z = 21/√27.2 and 15/√21.3.
    assert_eq!([moves(vec![0, 0, 0, 7]), moves(vec![0, 0, 0, 5])], [Some(true), Some(false)]);
    let tail = |fifth| moves(vec![0, 0, 0, 0, fifth, 6, 6, 7]);
    assert_eq!([tail(5), tail(6)], [Some(true), Some(false)]);
}

#[test]
fn inactive_users_and_accounts_do_not_decline() {
    // Paid, and idle for seven closed days twice: in between the condition was false, although no week is known.
    let paid = tracked(at(0, 0), "", "Subscription Changed", json!({"paid": true}));
    let output = run_events(vec![paid, track(at(0, 1), "ann"), track(at(10, 1), "ann"), until(at(18, 0))]);
    let at_risk: Vec<String> = sent(&output).into_iter().filter(|sent| sent.starts_with("at-risk")).collect();
    assert_eq!(at_risk.len(), 2, "{at_risk:?}");
}

#[test]
fn a_pricing_view_counts_until_its_ttl_ends() {
    let view = at(0, 12);
    let seen = run_events(vec![pricing(view, "ann"), until(view + PRICING_TTL - 1)]);
    assert_eq!(
        about(&seen.signals, PRICING),
        [format!("ann: 0>1 REASON_CROSSED {view}"), format!("ann: occurrence {view}")]
    );
    let over = run_events(vec![pricing(view, "ann"), until(view + PRICING_TTL)]);
    assert_eq!(about(&over.signals, PRICING)[2..], [format!("ann: 1>0 REASON_LAPSED {}", view + PRICING_TTL)]);
}

#[test]
fn pacing_holds_the_second_medium_handoff_for_three_days() {
    let mut events = vec![sign_up(at(0, 9), "founder")];
    events.extend((0..5).map(|user| track(at(1, 10 + user), &format!("new{user}"))));
    events.extend((1..4).map(|hour| pricing(at(2, hour), "founder")));
    events.push(until(at(5, 0)));
    let output = run_events(events);
    let (first, rest_end) = (at(1, 14), at(4, 14));
    let fired: Vec<(&Value, &Value)> = output.handoffs.iter().map(|h| (&h["trigger"], &h["atMs"])).collect();
    assert_eq!(
        fired,
        [
            (&json!("five-new-users"), &json!(first.to_string())),
            (&json!("pricing-sessions"), &json!(rest_end.to_string())),
        ]
    );
    assert_eq!(output.handoffs[1]["userIds"], json!(["founder"]));
    assert_eq!(about(&output.signals, "pricing-sessions"), [format!("founder: held pacing {}", at(2, 3))]);
}

#[test]
fn the_sent_handoff_names_those_held_by_pacing() {
    // W = 1, 1, 1, 1, 8: S₂ = 28, Q = 28, z = 28/√56 ≥ 3.5; and 7 new users after 3 blocks without any.
    let mut events = vec![sign_up(at(0, 9), "founder")];
    events.extend((1..5).map(|week| track(at(7 * week, 9), "founder")));
    events.extend((0..7).map(|user| track(at(34, user), &format!("new{user}"))));
    events.push(until(at(38, 0)));
    let output = run_events(events);
    let sent: Vec<[&Value; 3]> = output.handoffs.iter().map(|h| [&h["trigger"], &h["atMs"], &h["also"]]).collect();
    let (first, second) = (json!(at(35, 0).to_string()), json!(at(38, 0).to_string()));
    assert_eq!(
        sent,
        [
            [&json!("five-new-users"), &first, &json!(["steady-growth"])],
            [&json!("steady-growth"), &second, &Value::Null],
        ]
    );
    assert_eq!(about(&output.signals, "steady-growth"), [format!(": held pacing {}", at(35, 0))]);
}

#[test]
fn raised_hands_pass_every_rail_and_have_a_cooldown_of_a_day() {
    let ask = |ms| event(ms, Kind::Track, "ann", "enterprise feature requested");
    let output = run_events(vec![ask(at(0, 1)), ask(at(0, 5)), ask(at(1, 1))]);
    let fired: Vec<&Value> = output.handoffs.iter().map(|handoff| &handoff["notBeforeMs"]).collect();
    assert_eq!(fired, [&json!(at(0, 1).to_string()), &json!(at(1, 1).to_string())]);
    assert_eq!(about(&output.signals, "enterprise-request").len(), 3);
}

#[test]
fn pricing_without_usage_is_held_until_somebody_is_active() {
    let mut events: Vec<Event> = (1..4).map(|hour| pricing(at(0, hour), "ann")).collect();
    events.push(track(at(1, 0), "bob"));
    let output = run_events(events);
    assert_eq!(about(&output.signals, "pricing-sessions"), [format!("ann: held usage {}", at(0, 3))]);
    assert_eq!(output.handoffs.len(), 1);
    assert_eq!(output.handoffs[0]["atMs"], at(1, 0).to_string());
    assert_eq!(output.handoffs[0]["notBeforeMs"], (at(0, 1) + DAY).max(at(1, 0)).to_string());
}

#[test]
fn a_late_day_joins_two_lives() {
    let two: Days = [0, 401].into();
    assert_eq!(lives(&two, 400), [Life { first: 0, last: 0 }, Life { first: 401, last: 401 }]);
    let one: Days = [0, 350, 401].into();
    assert_eq!(lives(&one, 400), [Life { first: 0, last: 401 }]);
    // Ann comes back 401 days later as a new user of an account that bob kept alive, until a late day joins.
    let mut events = vec![track(at(0, 1), "bob"), track(at(1, 1), "ann"), track(at(300, 1), "bob")];
    events.push(track(at(402, 1), "ann"));
    let apart = run_events([events.clone(), vec![until(at(403, 0))]].concat());
    assert_eq!(row(&apart, "day", &date(START + 402))["new_users"], 1);
    let joined = run_events([events, vec![track(at(350, 1), "ann"), until(at(403, 0))]].concat());
    assert_eq!(row(&joined, "day", &date(START + 402))["new_users"], 0);
    assert!(joined.outcomes.iter().all(|outcome| *outcome == Outcome::Applied));
}

#[test]
fn an_absent_user_is_inactive_once_and_then_forgotten() {
    let output = run_events(vec![track(at(0, 1), "ann"), until(at(402, 0))]);
    let expected =
        [format!("ann: 0>1 REASON_CLOSED {}", at(8, 0)), format!("ann: 1>0 REASON_FORGOTTEN {}", at(401, 0))];
    assert_eq!(about(&output.signals, INACTIVE), expected);
}

#[test]
fn every_event_has_one_outcome() {
    let named = |ms, id: &str| Event { message_id: id.to_owned(), ..track(ms, "ann") };
    let brought = |offset| Event { provenance: Some(("app".to_owned(), 0, offset)), ..track(at(60, 0), "ann") };
    let take = |offset, record_ms, event| Input { partition: 0, offset, index: 0, record_ms, event };
    let ahead = at(60, 0) + 5 * MINUTE;
    let input = [
        take(0, None, Err("no account".to_owned())),
        take(1, None, Ok(named(at(60, 0), "a"))),
        take(2, None, Ok(named(at(60, 0), "a"))),
        take(3, Some(at(60, 0)), Ok(track(ahead + 1, "ann"))),
        take(4, None, Ok(brought(7))),
        take(5, None, Ok(brought(7))),
        // The watermark is 59 days and 23 hours in: day 3 is eight weeks before the first open day.
        take(6, None, Ok(track(at(3, 0), "ann"))),
        take(7, None, Ok(track(at(2, 23), "ann"))),
        take(8, None, Ok(event(at(2, 23), Kind::Identify, "ann", ""))),
        take(9, None, Ok(event(at(60, 0), Kind::RulesActivation, "", ""))),
        take(10, Some(at(60, 0)), Ok(track(ahead, "ann"))),
    ];
    use Outcome::*;
    let expected =
        [Malformed, Applied, Duplicate, FromTheFuture, Applied, Replayed, Applied, TooLate, Applied, Refused, Applied];
    assert_eq!(run(&input, &Settings::default()).outcomes, expected);
}

fn with(event: Event, properties: Value) -> Event {
    Event { properties: properties.as_object().cloned().unwrap_or_default(), ..event }
}

fn tracked(ms: i64, user: &str, name: &str, properties: Value) -> Event {
    with(event(ms, Kind::Track, user, name), properties)
}

/// What becomes known of the company.
fn company(ms: i64, traits: Value) -> Event {
    Event { traits: traits.as_object().cloned().unwrap_or_default(), ..event(ms, Kind::Group, "", "") }
}

/// Traits of a user.
fn person(ms: i64, user: &str, traits: Value) -> Event {
    Event { traits: traits.as_object().cloned().unwrap_or_default(), ..event(ms, Kind::Identify, user, "") }
}

/// The handoffs as `trigger at route`.
fn sent(output: &Output) -> Vec<String> {
    let text = |handoff: &Value, key: &str| handoff[key].as_str().unwrap_or("").to_owned();
    let show = |handoff: &Value| {
        let [trigger, at, route] = ["trigger", "atMs", "route"].map(|key| text(handoff, key));
        format!("{trigger} {at} {route}")
    };
    output.handoffs.iter().map(show).collect()
}

#[test]
fn holdout_numbers_match_the_vectors() {
    let vectors =
        [("upswell", "acme", 0.5660363324), ("upswell", "globex", 0.9535991290), ("2026-q1", "acme", 0.1654284891)];
    for (salt, account, place) in vectors {
        assert!((holdout_place(salt, account) - place).abs() < 5e-11, "{salt} {account}");
    }
}

#[test]
fn bands_are_kept_down_to_five_points_below() {
    let cases = [(80, 0, 3), (79, 0, 2), (75, 3, 3), (74, 3, 2), (50, 0, 2), (49, 0, 1), (47, 3, 2), (45, 2, 2)];
    let more = [(44, 2, 1), (44, 3, 1), (30, 0, 1), (29, 0, 0), (25, 1, 1), (24, 3, 0), (79, 2, 2), (45, 1, 1)];
    for (score, held, band) in cases.into_iter().chain(more) {
        assert_eq!(band_of(&Scores::default(), score, held), band, "{score} from {held}");
    }
}

#[test]
fn tiers_need_all_their_conditions() {
    assert_eq!(tier_of(&Scores::default(), 10, 2, true, 151), 4);
    assert_eq!(tier_of(&Scores::default(), 10, 2, true, 150), 3);
    assert_eq!(tier_of(&Scores::default(), 10, 1, true, 400), 3);
    assert_eq!(tier_of(&Scores::default(), 9, 2, true, 400), 3);
    assert_eq!(tier_of(&Scores::default(), 5, 0, false, 79), 2);
    assert_eq!(tier_of(&Scores::default(), 2, 0, false, 40), 2);
    assert_eq!(tier_of(&Scores::default(), 2, 0, false, 39), 0);
    assert_eq!(tier_of(&Scores::default(), 1, 2, true, 400), 1);
    assert_eq!(tier_of(&Scores::default(), 0, 0, true, 45), 0);
}

#[test]
fn every_signal_is_of_a_user_an_account_or_both() {
    for signal in DEFAULT.signals() {
        assert!(signal.it.of_users || signal.it.of_accounts, "{}", signal.it.id);
    }
    let counted = DEFAULT.signals().filter(|signal| signal.is_in_user_points());
    let most: i64 = counted.filter_map(|signal| signal.it.points.iter().max()).sum();
    // 15 + 15 + 10 + 30 + 10 + 10 + 20 + 15 + 15 + 20 + 25 + 30 + 20, less 20 and 15.
    assert_eq!(most, 235 - 35);
}

#[test]
fn a_request_makes_a_user_emerging_until_it_lapses() {
    let (asked, end) = (at(0, 12), at(90, 12));
    let ask = tracked(asked, "ann", "Enterprise Feature Requested", json!({"feature": "sso"}));
    let output = run_events(vec![ask, until(end)]);
    let band = about(&output.signals, "score.band");
    // 30 points, and 20 less for a week away: 10 is none.
    assert_eq!(band, [format!("ann: 0>1 REASON_CROSSED {asked}"), format!("ann: 1>0 REASON_CLOSED {}", at(8, 0))]);
    let lapsed = format!("ann: 1>0 REASON_LAPSED {end}");
    assert_eq!(about(&output.signals, "intent.enterprise").last(), Some(&lapsed));
    assert_eq!(
        output.handoffs[0]["topUsers"],
        json!([{"user": "ann", "score": 30, "band": "emerging", "isBuyer": true}])
    );
}

#[test]
fn premium_counts_distinct_features_by_their_last_use() {
    let used = |ms, feature| tracked(ms, "ann", "Feature Used", json!({"feature": feature, "premium": true}));
    let events = vec![used(at(0, 1), "a"), used(at(0, 2), "b"), used(at(1, 1), "a"), used(at(1, 2), "c")];
    let output = run_events([events, vec![until(at(91, 3))]].concat());
    let expected = [
        format!("ann: 0>1 REASON_CROSSED {}", at(0, 1)),
        format!("ann: 1>2 REASON_CROSSED {}", at(1, 2)),
        format!("ann: 2>1 REASON_LAPSED {}", at(90, 2)),
        format!("ann: 1>0 REASON_LAPSED {}", at(91, 2)),
    ];
    assert_eq!(about(&output.signals, "feature.premium"), expected);
}

#[test]
fn an_upgrade_is_abandoned_after_a_day() {
    const ABANDONED: &str = "intent.abandoned_upgrade";
    let start = at(0, 10);
    let began = || tracked(start, "ann", "Upgrade Started", json!({"plan": "team"}));
    let done = |ms| tracked(ms, "bob", "Upgrade Completed", json!({}));
    let on = format!("ann: 0>1 REASON_LAPSED {}", start + DAY);
    assert!(about(&run_events(vec![began(), until(start + DAY - 1)]).signals, ABANDONED).is_empty());
    let over = run_events(vec![began(), until(start + 31 * DAY)]);
    assert_eq!(about(&over.signals, ABANDONED), [on.clone(), format!("ann: 1>0 REASON_LAPSED {}", start + 31 * DAY)]);
    let in_time = run_events(vec![began(), done(start + DAY - 1), until(start + DAY)]);
    assert!(about(&in_time.signals, ABANDONED).is_empty());
    let later = run_events(vec![began(), until(start + DAY), done(start + 3 * DAY)]);
    assert_eq!(about(&later.signals, ABANDONED), [on, format!("ann: 1>0 REASON_CROSSED {}", start + 3 * DAY)]);
}

#[test]
fn activation_within_an_hour_counts_in_any_order_of_arrival() {
    for (after, is_on) in [(HOUR - 1, true), (HOUR, false), (0, true), (-1, false)] {
        let activated = tracked(at(0, 5) + after, "ann", "Activated", json!({}));
        let output = run_events(vec![activated, sign_up(at(0, 5), "ann")]);
        assert_eq!(about(&output.signals, "velocity.activation").len(), usize::from(is_on), "{after}");
    }
}

#[test]
fn a_single_user_is_published_after_thirty_days() {
    let (born, month) = (at(0, 9), at(30, 9));
    let alone = |more: Vec<Event>| run_events([vec![sign_up(born, "ann")], more].concat());
    const SINGLE: &str = "negative.single_user";
    assert!(about(&alone(vec![until(month - 1)]).signals, SINGLE).is_empty());
    let on = format!(": 0>1 REASON_LAPSED {month}");
    let joined = alone(vec![until(month), track(at(31, 0), "bob")]);
    assert_eq!(about(&joined.signals, SINGLE), [on, format!(": 1>0 REASON_CROSSED {}", at(31, 0))]);
    let invited = alone(vec![tracked(at(1, 0), "ann", "User Invited", json!({"invitee": "x"})), until(month)]);
    assert!(about(&invited.signals, SINGLE).is_empty());
}

#[test]
fn a_removed_member_leaves_at_the_next_close() {
    let events = vec![
        track(at(0, 1), "ann"),
        track(at(0, 2), "bob"),
        tracked(at(0, 3), "ann", "Member Removed", json!({"member": "bob"})),
        until(at(1, 0)),
        track(at(1, 5), "bob"),
    ];
    let expected = [
        format!(": 0>1 REASON_CROSSED {}", at(0, 2)),
        format!(": 1>0 REASON_CLOSED {}", at(1, 0)),
        format!(": 0>1 REASON_CROSSED {}", at(1, 5)),
    ];
    assert_eq!(about(&run_events(events).signals, "account.active_users"), expected);
}

#[test]
fn an_absence_is_published_when_the_account_is_active_again() {
    // Ann's only day becomes known 40 days later: nobody is active until bob comes.
    let mut events = vec![until(at(40, 0)), track(at(0, 1), "ann"), until(at(42, 0))];
    assert!(about(&run_events(events.clone()).signals, INACTIVE).is_empty());
    events.extend([track(at(42, 1), "bob"), until(at(43, 0))]);
    assert_eq!(about(&run_events(events).signals, INACTIVE), [format!("ann: 0>1 REASON_CLOSED {}", at(43, 0))]);
}

#[test]
fn the_first_bill_of_500_fires_once_in_a_life() {
    let bill = |ms, amount: f64| tracked(ms, "", "Billing Forecast", json!({"amount": amount}));
    let paid = |ms, paid: bool| tracked(ms, "", "Subscription Changed", json!({"paid": paid}));
    let events = vec![
        track(at(0, 0), "ann"),
        bill(at(0, 1), 900.0),
        paid(at(0, 2), true),
        bill(at(0, 3), 499.99),
        bill(at(0, 4), 500.0),
        bill(at(20, 0), 700.0),
    ];
    let output = run_events(events);
    assert_eq!(
        about(&output.signals, "first-bill"),
        [format!(": occurrence {}", at(0, 4)), format!(": occurrence {}", at(20, 0))]
    );
    let bills: Vec<String> = sent(&output).into_iter().filter(|sent| sent.starts_with("first-bill")).collect();
    assert_eq!(bills, [format!("first-bill {} automated_email", at(0, 4))]);
}

#[test]
fn a_change_to_the_enterprise_plan_fires_contact_sales() {
    let plan = |ms, plan: &str| tracked(ms, "ann", "Subscription Changed", json!({"plan": plan}));
    let output = run_events(vec![plan(at(0, 1), "team"), plan(at(0, 2), "Enterprise"), plan(at(2, 0), "ENTERPRISE")]);
    assert_eq!(sent(&output), [format!("contact-sales {} inside_sales", at(0, 2))]);
}

#[test]
fn an_unanswered_handoff_holds_the_next() {
    let asked = at(0, 1);
    let events = vec![
        tracked(asked, "ann", "Contact Sales", json!({})),
        tracked(at(1, 0), "ann", "Consolidation Requested", json!({})),
    ];
    let held = format!("ann: held engaged {}", at(1, 0));
    let silent = run_events([events.clone(), vec![until(asked + 7 * DAY)]].concat());
    assert_eq!(about(&silent.signals, "consolidation")[1..], [held]);
    assert_eq!(sent(&silent)[1..], [format!("consolidation {} automated_email", asked + 7 * DAY)]);
    let replied = run_events([events.clone(), vec![tracked(at(2, 0), "", "Replied", json!({}))]].concat());
    assert_eq!(sent(&replied)[1..], [format!("consolidation {} automated_email", at(2, 0))]);
    let of_another = tracked(at(2, 0), "", "Replied", json!({"handoff_id": "another"}));
    assert_eq!(sent(&run_events([events, vec![of_another]].concat())).len(), 1);
}

#[test]
fn a_held_event_trigger_waits_seven_days() {
    let asked = at(1, 0);
    for (lifts, fires) in [(asked + 7 * DAY - 1, true), (asked + 7 * DAY, false)] {
        let output = run_events(vec![
            company(at(0, 0), json!({"do_not_contact": true})),
            tracked(asked, "ann", "Consolidation Requested", json!({})),
            until(lifts),
            company(lifts, json!({"do_not_contact": null})),
        ]);
        assert_eq!(sent(&output).len(), usize::from(fires), "{lifts}");
    }
}

#[test]
fn a_held_out_account_keeps_its_high_handoffs() {
    let settings = Settings { holdout_share: 1.0, ..Settings::default() };
    let events = vec![
        tracked(at(0, 1), "ann", "Consolidation Requested", json!({})),
        tracked(at(0, 2), "ann", "Contact Sales", json!({})),
    ];
    let output = run_with(events, &settings);
    let marks: Vec<[&Value; 2]> =
        output.handoffs.iter().map(|handoff| [&handoff["trigger"], &handoff["holdout"]]).collect();
    assert_eq!(marks, [[&json!("consolidation"), &json!(true)], [&json!("contact-sales"), &Value::Null]]);
}

#[test]
fn history_fires_nothing() {
    let settings = Settings { live_from_ms: Some(at(5, 0)), ..Settings::default() };
    let mut events = vec![sign_up(at(0, 9), "founder")];
    events.extend((0..5).map(|user| track(at(1, 10 + user), &format!("new{user}"))));
    events.push(tracked(at(2, 0), "founder", "Contact Sales", json!({})));
    events.extend([until(at(5, 0)), tracked(at(5, 1), "founder", "Contact Sales", json!({}))]);
    let output = run_with(events, &settings);
    assert_eq!(about(&output.signals, "five-new-users"), [format!(": held warm_up {}", at(1, 14))]);
    assert_eq!(about(&output.signals, "contact-sales")[1], format!("founder: held warm_up {}", at(2, 0)));
    assert_eq!(sent(&output), [format!("contact-sales {} inside_sales", at(5, 1))]);
}

#[test]
fn traits_of_the_company_decide_segment_route_and_potential() {
    let events = vec![
        company(at(0, 0), json!({"employees": "51-200", "icp": true})),
        person(at(0, 0), "ann", json!({"department": "Sales", "title": "VP Sales", "email": "ann@acme.com"})),
        track(at(0, 1), "ann"),
        tracked(at(0, 2), "", "Subscription Changed", json!({"seats": 100, "price": 49, "currency": "USD"})),
        tracked(at(0, 3), "ann", "Contact Sales", json!({})),
    ];
    let handoff = run_events(events).handoffs.remove(0);
    assert_eq!(handoff["segment"], "mid_market");
    assert_eq!(handoff["route"], "inside_sales");
    assert_eq!(handoff["tier"], "T4");
    assert_eq!(handoff["money"]["potential"], 58_800.0);
    assert_eq!(handoff["attribution"], "ATTRIBUTION_USAGE_AND_PQL");
    // Executive 10, size 10, ICP 15; ann has no points yet.
    assert_eq!(handoff["score"], 35);
    assert_eq!(handoff["usage"], json!({"activeUsers": 1}));
}

#[test]
fn tracks_depend_on_users_and_size() {
    let events = vec![
        track(at(0, 1), "ann"),
        track(at(0, 2), "bob"),
        company(at(0, 3), json!({"employees": 500})),
        company(at(0, 4), json!({"employees": null})),
    ];
    let output = run_events(events);
    let tracks: Vec<&str> = output.onboarding.iter().filter_map(|track| track["track"].as_str()).collect();
    assert_eq!(tracks, ["solo", "small_team", "enterprise", "small_team"]);
    assert_eq!(output.onboarding[2]["notifySales"], true);
    assert_eq!(output.onboarding[2]["before"], "small_team");
}

#[test]
fn an_activation_keeps_signals_that_measure_the_same() {
    let with = |change: fn(&mut Pack)| -> &'static Pack {
        let mut pack = DEFAULT.clone();
        change(&mut pack);
        Box::leak(Box::new(pack))
    };
    let activate = |ms, pack| Event { rules: Some(pack), ..event(ms, Kind::RulesActivation, "", "") };
    let shorter = with(|pack| {
        pack.signals.reverse();
        let pricing = pack.signals.iter_mut().find(|signal| signal.id == PRICING).expect("the signal");
        if let Measure::Sessions { facts, .. } = &mut pricing.measure {
            facts.ttl = Some(20 * DAY);
        }
    });
    let dearer = with(|pack| {
        pack.signals.reverse();
        pack.signals.iter_mut().filter(|signal| signal.id == PRICING).for_each(|signal| signal.points = vec![30, 60]);
    });
    let story = |pack| {
        let events = vec![track(at(0, 0), "ann"), pricing(at(0, 5), "ann"), activate(at(9, 0), pack), until(at(40, 0))];
        run_events(events).signals
    };
    let changes =
        |pack, id: &str| about(&story(pack), id).into_iter().filter(|it| it.contains('>')).collect::<Vec<_>>();
    let on = format!("ann: 0>1 REASON_CROSSED {}", at(0, 5));
    // It stays on where only its points are others, and moves the band.
    let lapsed = format!("ann: 1>0 REASON_LAPSED {}", at(30, 5));
    assert_eq!(changes(dearer, PRICING), [on.clone(), lapsed]);
    let band = format!("ann: 0>1 REASON_ACTIVATED {}", at(0, 5));
    assert_eq!(changes(dearer, "score.band")[0], band);
    // With another TTL it measures something else: the time of an activation moves nothing, and effects go not back.
    let gone = format!("ann: 1>0 REASON_ACTIVATED {}", at(0, 5));
    assert_eq!(changes(shorter, PRICING), [on, gone]);
}
