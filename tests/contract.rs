//! Tests of the published messages against `proto/`, which is read by reflection: every field of every message is set
//! from the right value, messages can be read back, and no message is too large.

#![recursion_limit = "256"]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};
use serde_json::json;
use upswell::kafka::{Key, Output};
use upswell::model::{
    AccountProfile, Arm, Attribution, Company, Conversation, Day, DayRow, DeadLetter, EventTime, Evidence, Fact, Group,
    Handoff, HandoffContext, HandoffId, Level, MetricsRow, Money, Onboarding, Outcome, Place, PlaceNumber, Rail,
    Reason, SignalChange, SignalChanges, SignalEntry, SignalKind, TopUser, Track, Usage, UserProfile, Week, WeekRow,
};
use upswell::wire::{self, Format, Kind, ToWire};

/// 2026-03-02T10:00:00Z.
const AT: EventTime = EventTime(1_772_445_600_000);

fn descriptor(kind: Kind) -> MessageDescriptor {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        let files =
            ["handoff", "signal", "profile", "metrics", "dead_letter"].map(|name| format!("upswell/v1/{name}.proto"));
        DescriptorPool::from_file_descriptor_set(protox::compile(files, ["proto"]).unwrap()).unwrap()
    });
    POOL.get_message_by_name(kind.name()).unwrap()
}

/// Every field that is not at its default, by path.
fn set_fields(path: &str, message: &DynamicMessage, found: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        let path = format!("{path}.{}", field.name());
        let inner = match value {
            Value::List(list) => list.iter().filter_map(Value::as_message).collect(),
            value => Vec::from_iter(value.as_message()),
        };
        inner.into_iter().for_each(|inner| set_fields(&path, inner, found));
        found.insert(path);
    }
}

fn all_fields(path: &str, message: &MessageDescriptor, found: &mut BTreeSet<String>) {
    for field in message.fields() {
        let path = format!("{path}.{}", field.name());
        if let Some(inner) = field.kind().as_message() {
            all_fields(&path, inner, found);
        }
        found.insert(path);
    }
}

/// Checks that the effects together set every field of their message, and that bytes and JSON agree.
#[track_caller]
fn complete(effects: &[&dyn ToWire]) {
    let kind = effects[0].kind();
    let (mut set, mut all) = (BTreeSet::new(), BTreeSet::new());
    all_fields("", &descriptor(kind), &mut all);
    for effect in effects {
        let message = DynamicMessage::decode(descriptor(kind), &*effect.to_bytes()).unwrap();
        assert_eq!(message.descriptor().full_name(), kind.name());
        set_fields("", &message, &mut set);
        let parse = |text: &str| text.parse::<serde_json::Value>().unwrap();
        assert_eq!(serde_json::to_value(&message).unwrap(), parse(&effect.to_json()), "the canonical JSON");
        for format in [Format::Protobuf, Format::Json] {
            assert_eq!(wire::read_json(kind, &effect.to_payload(format)).unwrap(), effect.to_json());
        }
    }
    assert_eq!(set, all, "left: set from the model; right: in the contract");
}

fn evidence() -> Evidence {
    let fact = Fact { at: EventTime(1_772_445_500_000), place: PlaceNumber::new(7 << 20), number: 5.5 };
    Evidence { facts: vec![fact], left_out: 2 }
}

fn user() -> TopUser {
    TopUser {
        user: "ann".into(),
        score: 85,
        band: "hot".into(),
        is_buyer: true,
        title: "CTO".into(),
        email: "ann@acme.example".into(),
    }
}

fn context() -> HandoffContext {
    HandoffContext {
        segment: "mid_market".into(),
        tier: Some("T2".into()),
        play: "targeted outreach".into(),
        route: "inside_sales".into(),
        owner: "kim".into(),
        territory: "emea".into(),
        attribution: Attribution::UsageAndPql,
        holdout: true,
        arm: Some(Arm { id: "new-users-8".into(), group: Group::Higher }),
        score: 120,
        points: vec![("fit.size".into(), 1, 10), ("users".into(), 0, 110)],
        top_users: vec![user()],
        find_buyer: true,
        usage: Usage {
            features: vec![("editor".into(), 40), ("export".into(), 2)],
            active_users: 9,
            activated_users: 6,
            dau: 3,
            wau: 7,
            mau: 12,
            stickiness: Some(0.25),
            growth: Some((0.5, Week(2_930))),
            first_seen: Some(EventTime(1_767_312_000_000)),
            last_seen: Some(EventTime(1_772_409_600_000)),
            days_to_activation: Some(2),
            events: 321,
        },
        money: Money {
            plan: "team".into(),
            paid: Some(false),
            mrr: Some(99.5),
            quotas: vec![("api".into(), 80.0, 100.0)],
            potential: 5_000.0,
            suggested_plan: "business".into(),
            seats: Some(8.0),
        },
        conversation: Conversation {
            buying_stage: "evaluating",
            next_step: "demo",
            needs: vec!["solutions_engineer"],
            template: "steady-growth".into(),
            text: "Nine of you use the editor.".into(),
        },
        company: Company {
            employees: Some(120.0),
            industry: "software".into(),
            country: "DE".into(),
            icp: Some(true),
            target: true,
            tech_stack: "rust".into(),
            contacts: "bob".into(),
            lead_score: Some(22.0),
        },
    }
}

fn handoff() -> Handoff {
    Handoff {
        id: HandoffId::new("acme", "five-new-users", AT),
        account: "acme".into(),
        trigger: "five-new-users".into(),
        level: Level::Medium,
        at: AT,
        due_from: Some(AT.plus(1)),
        due: Some(AT.plus(2)),
        not_before: AT.plus(3),
        also: vec!["steady-growth".into()],
        user_ids: vec!["ann".into()],
        user_ids_left_out: 0,
        why: "five new users".into(),
        evidence: evidence(),
        message_id: "m1".into(),
        rules_version: "default@1".into(),
        context: Box::new(context()),
    }
}

fn account() -> AccountProfile {
    AccountProfile {
        account: "acme".into(),
        at: AT,
        users: 15,
        founded: Some(Day(20_455)),
        last_active: Some(Day(20_514)),
        dau: 3,
        wau: 7,
        mau: 12,
        stickiness: Some(0.25),
        trajectory: [None, None, None, None, None, None, Some(0), Some(7)],
        active_users: 9,
        events: 321,
        score: 120,
        tier: Some("T2".into()),
        segment: "mid_market".into(),
        departments: 2,
        plan: "team".into(),
        paid: Some(false),
        find_buyer: true,
        enterprise_requests: vec!["sso".into()],
        signals: vec!["fit.size".into()],
    }
}

fn profile_of_user() -> UserProfile {
    UserProfile {
        account: "acme".into(),
        at: AT,
        gone: false,
        user: user(),
        signed_up: Some(EventTime(1_767_312_000_001)),
        first_day: Some(Day(20_455)),
        last_day: Some(Day(20_514)),
        source: "referral".into(),
        activated: true,
        features: vec!["editor".into()],
        plan: "team".into(),
        signals: vec!["feature.api".into()],
    }
}

fn onboarding() -> Onboarding {
    let (track, before) = (Track::Enterprise, Some(Track::SmallTeam));
    Onboarding { account: "acme".into(), track, before, at: AT, employees: Some(600.0) }
}

fn metrics() -> [MetricsRow; 2] {
    let (account, day): (Arc<str>, _) = ("acme".into(), Day(20_514));
    let day_row = DayRow {
        account: account.clone(),
        at: AT,
        day,
        dau: 3,
        wau: 7,
        mau: 12,
        stickiness: Some(0.25),
        new_users: 1,
        new_users_7d: 2,
        spike_p: Some(0.125),
    };
    let week_row = WeekRow {
        account,
        at: AT,
        week: day.week(),
        wau: 7,
        growth: Some(-0.5),
        streak: Some(0),
        slope_z: Some(1.5),
        base: Some(4),
        growing: Some(false),
        declining: Some(true),
    };
    [MetricsRow::Day(day_row), MetricsRow::Week(week_row)]
}

fn signals() -> SignalChanges {
    let (before, after, reason) = (1, 2, Reason::Closed);
    let (signal, trigger): (Arc<str>, Arc<str>) = ("intent.pricing".into(), "pricing-sessions".into());
    let kinds = [
        SignalKind::Changed(SignalChange { signal: signal.clone(), before, after, reason }),
        SignalKind::Occurrence { signal: Some(signal), trigger: Some(trigger.clone()) },
        SignalKind::Held { trigger, rail: Rail::Pacing },
    ];
    let entry = |kind| SignalEntry { user: "ann".into(), kind, evidence: evidence() };
    SignalChanges {
        account: "acme".into(),
        at: AT,
        message_id: "m1".into(),
        entries: kinds.map(entry).into(),
        part: 1,
        last: true,
    }
}

fn letter() -> DeadLetter {
    DeadLetter {
        reason: Outcome::TooLate,
        detail: "late".into(),
        payload: b"x".to_vec(),
        place: Place { offset: 7, index: 1 },
        record_time: Some(AT),
    }
}

#[test]
fn every_field_of_the_contract_is_set() {
    let many = longest('x');
    complete(&[&handoff(), &*many[0]]);
    complete(&[&signals(), &*many[1]]);
    complete(&[&onboarding()]);
    complete(&[&account()]);
    complete(&[&profile_of_user(), &*many[6]]);
    let [day, week] = metrics();
    complete(&[&day, &week]);
    let mut headers = Vec::new();
    wire::Headers::append(&mut headers, [("ce_id", &b"7"[..])].into_iter());
    complete(&[&wire::dead_letter(&letter(), "log", 3, wire::Headers::of(&headers))]);
}

/// A message of each kind in which every text and list is as long as possible, made of this character.
fn longest(of: char) -> Vec<Box<dyn ToWire>> {
    let text = || of.to_string().repeat(110_000);
    // Ids in the log are at most this long; all other texts can be longer.
    let id = || of.to_string().repeat(1_024 / of.len_utf8());
    let shared = || -> Arc<str> { text().into() };
    let many = |of: &dyn Fn() -> String| (0..2_000).map(|_| of()).collect::<Vec<_>>();
    let word = || of.to_string().repeat(3_000);
    // Ids of the rules have no characters that JSON escapes.
    let some = || (0..64).map(|_| "x".repeat(3_000).into()).collect::<Vec<Arc<str>>>();
    let fact = Fact { at: EventTime::MAX, place: PlaceNumber::new(i64::MAX - 1), number: f64::MIN };
    let evidence = || Evidence { facts: vec![fact; 2_000], left_out: 9 };
    let user = || TopUser { user: id(), score: i32::MIN, band: shared(), is_buyer: true, title: text(), email: text() };
    let context = || HandoffContext {
        segment: shared(),
        tier: Some(shared()),
        play: shared(),
        route: shared(),
        owner: text(),
        territory: text(),
        arm: Some(Arm { id: shared(), group: Group::Higher }),
        points: some().into_iter().map(|signal| (signal, u8::MAX, i32::MIN)).collect(),
        top_users: (0..5).map(|_| user()).collect(),
        usage: Usage { features: (0..20).map(|_| (text(), u64::MAX)).collect(), ..context().usage },
        money: Money {
            plan: text(),
            quotas: (0..1_000).map(|_| (word(), f64::MIN, f64::MIN)).collect(),
            suggested_plan: shared(),
            ..context().money
        },
        conversation: Conversation { template: shared(), text: text(), ..context().conversation },
        company: Company {
            industry: text(),
            country: text(),
            tech_stack: text(),
            contacts: text(),
            ..context().company
        },
        ..context()
    };
    let handoff = Handoff {
        account: id(),
        trigger: shared(),
        also: some(),
        user_ids: many(&id),
        user_ids_left_out: 7,
        why: text(),
        evidence: evidence(),
        message_id: id(),
        rules_version: shared(),
        context: Box::new(context()),
        ..handoff()
    };
    let change = |kind: SignalKind| {
        let entry = SignalEntry { user: id(), kind, evidence: evidence() };
        Box::new(SignalChanges { account: id(), message_id: id(), entries: vec![entry], ..signals() })
            as Box<dyn ToWire>
    };
    let (before, after, reason) = (u8::MAX, u8::MAX, Reason::Activated);
    vec![
        Box::new(handoff),
        change(SignalKind::Changed(SignalChange { signal: shared(), before, after, reason })),
        change(SignalKind::Occurrence { signal: Some(shared()), trigger: Some(shared()) }),
        change(SignalKind::Held { trigger: shared(), rail: Rail::WarmUp }),
        Box::new(Onboarding { account: id(), ..onboarding() }),
        Box::new(AccountProfile {
            account: id(),
            tier: Some(shared()),
            segment: shared(),
            plan: text(),
            enterprise_requests: many(&word),
            signals: some(),
            ..account()
        }),
        Box::new(UserProfile {
            account: id(),
            user: user(),
            source: text(),
            features: many(&word),
            plan: text(),
            signals: some(),
            ..profile_of_user()
        }),
        Box::new(match metrics() {
            [MetricsRow::Day(row), _] => MetricsRow::Day(DayRow { account: id().into(), ..row }),
            _ => unreachable!("the first is of a day"),
        }),
    ]
}

/// Semantics F22.
#[test]
fn no_message_is_too_large_to_be_published() {
    const FORMATS: [Format; 2] = [Format::Protobuf, Format::Json];
    for of in ['x', 'ü', '\0', '"', '\u{10ffff}'] {
        for message in longest(of) {
            for format in FORMATS {
                let size = message.to_payload(format).len();
                assert!(size <= wire::MESSAGE_MAX, "{:?} of {of:?} in {format:?}: {size} bytes", message.kind());
            }
        }
        let letter = DeadLetter { detail: of.to_string().repeat(5_000), payload: vec![0; 4_000_000], ..letter() };
        let mut headers = Vec::new();
        let (name, value) = (of.to_string().repeat(20), [0xff; 100]);
        wire::Headers::append(&mut headers, std::iter::repeat_n((&*name, &value[..]), 1_000));
        for format in FORMATS {
            let letter = wire::dead_letter(&letter, "log", 3, wire::Headers::of(&headers)).to_payload(format);
            assert!(letter.len() + 4_096 <= wire::record_max(Kind::DeadLetter, format), "{format:?}");
        }
        let json: serde_json::Value =
            wire::dead_letter(&letter, "log", 3, wire::Headers::NONE).to_json().parse().unwrap();
        assert_eq!(json["payloadSize"], "4000000");
        assert_eq!(json["payload"].as_str().unwrap().len(), wire::PAYLOAD_MAX / 3 * 4);
    }
    // With the sizes that Kafka allows by default.
    assert!(wire::record_max(Kind::DeadLetter, Format::Protobuf) < 1_048_588);

    let read = |of: char| longest(of)[0].to_json().parse::<serde_json::Value>().unwrap();
    let plain = read('x');
    let count = |it: &serde_json::Value| it.as_array().map_or(0, Vec::len) as u64;
    assert_eq!(plain["why"], "x".repeat(256) + "…");
    assert_eq!(plain["account"].as_str().unwrap().len(), 1_024, "ids are whole");
    assert_eq!(count(&plain["topUsers"]), 5);
    // As few as possible of 100 facts and 100 ids of 1 KiB are left out.
    for (of, message) in [("x", &plain), ("\0", &read('\0'))] {
        for (list, left_out, all) in [("facts", "factsLeftOut", 2_009), ("userIds", "userIdsLeftOut", 2_007)] {
            assert_eq!(count(&message[list]) + message[left_out].as_u64().unwrap(), all, "{list} of {of:?}");
        }
        let money = &message["money"];
        assert_eq!(count(&money["quotas"]) + money["quotasLeftOut"].as_u64().unwrap(), 1_000, "{of:?}");
    }
    assert_eq!((count(&plain["userIds"]), count(&plain["money"]["quotas"])), (100, 100));
    let escaped = read('\0');
    assert_eq!(count(&plain["facts"]), 100);
    assert!(count(&escaped["facts"]) < 100 && count(&escaped["userIds"]) < 100, "six bytes of JSON for one of text");
}

/// Semantics D26: a day closes on which all users of an account have been inactive for a week.
#[test]
fn a_step_with_many_entries_is_published_in_parts() {
    const USERS: usize = 1_200;
    // Short ids, and the longest ones, of characters for which JSON needs six bytes.
    for (prefix, number) in [(String::new(), 3), ("\u{1}".repeat(1_019), 33)] {
        let mut partition = upswell::engine::Partition::new(upswell::rules::default_plan());
        let mut effects = upswell::model::Effects::new(upswell::model::Wanted::ALL);
        let users: Vec<String> = (0..USERS).map(|user| format!("{prefix}{user:05}")).collect();
        let event = |user: &String| {
            let user = serde_json::to_string(user).unwrap();
            format!(
                r#"{{"type":"track","event":"Feature Used","userId":{user},"context":{{"groupId":"acme"}},"timestamp":"2026-03-02T10:00:00Z"}}"#
            )
            .into_bytes()
        };
        let nine_days_later = wire::encode_tick(Format::Json, EventTime(AT.0 + 9 * 86_400_000));
        for (offset, bytes) in (0..).zip(users.iter().rev().map(event).chain([nine_days_later])) {
            let decoded: Vec<_> = wire::decode_admitting(wire::Admit::Any, Format::Json, &bytes).collect();
            effects.clear();
            let record = upswell::engine::Record { offset, time: None };
            let tally = partition.apply(record, decoded.iter().flat_map(upswell::rules::Ready::new), &mut effects);
            assert_eq!(tally.of(Outcome::Applied), 1);
        }
        let is_inactive = |entry: &SignalEntry| matches!(&entry.kind, SignalKind::Changed(change) if &*change.signal == "negative.inactive");
        let parts: Vec<_> = effects.signals.iter().filter(|part| part.entries.iter().any(is_inactive)).collect();
        assert_eq!(parts.len(), number, "parts");
        for (number, part) in parts.iter().enumerate() {
            let is_last = number + 1 == parts.len();
            assert_eq!((part.at, part.part, part.last), (parts[0].at, number as u32, is_last));
            assert!(part.entries.len() <= 500 && (is_last || part.entries.len() > 1));
            for format in [Format::Protobuf, Format::Json] {
                assert!(part.to_payload(format).len() <= wire::MESSAGE_MAX);
            }
        }
        let entries = parts.iter().flat_map(|part| &part.entries).filter(|entry| is_inactive(entry));
        assert_eq!(entries.map(|entry| entry.user.clone()).collect::<Vec<_>>(), users);
    }
}

#[test]
fn every_figure_is_in_its_field() {
    let json = |effect: &dyn ToWire| effect.to_json().parse::<serde_json::Value>().unwrap();
    assert_eq!(
        json(&handoff()),
        json!({
            "handoffId": "82ebc04b1f4a82ea7e815e6838eabeba",
            "account": "acme", "trigger": "five-new-users", "level": "LEVEL_MEDIUM",
            "atMs": "1772445600000", "dueFromMs": "1772445600001", "dueMs": "1772445600002",
            "notBeforeMs": "1772445600003", "also": ["steady-growth"], "userIds": ["ann"], "why": "five new users",
            "facts": [{"ms": "1772445500000", "place": "7340032", "number": 5.5}], "factsLeftOut": 2,
            "messageId": "m1", "rulesVersion": "default@1",
            "segment": "mid_market", "tier": "T2", "play": "targeted outreach", "route": "inside_sales",
            "owner": "kim", "territory": "emea", "attribution": "ATTRIBUTION_USAGE_AND_PQL", "holdout": true,
            "traceparent": "00-82ebc04b1f4a82ea7e815e6838eabeba-82ebc04b1f4a82ea-01",
            "score": 120,
            "points": [{"signal": "fit.size", "rung": 1, "points": 10}, {"signal": "users", "points": 110}],
            "topUsers": [{
                "user": "ann", "score": 85, "band": "hot", "isBuyer": true, "title": "CTO", "email": "ann@acme.example",
            }],
            "findBuyer": true,
            "usage": {
                "features": [{"feature": "editor", "count": "40"}, {"feature": "export", "count": "2"}],
                "activeUsers": 9, "activatedUsers": 6, "dau": 3, "wau": 7, "mau": 12, "stickiness": 0.25,
                "growth": 0.5, "growthWeek": "2026-W09", "firstSeenMs": "1767312000000",
                "lastSeenMs": "1772409600000", "daysToActivation": 2, "events": "321",
            },
            "money": {
                "plan": "team", "paid": false, "mrr": 99.5,
                "quotas": [{"meter": "api", "used": 80.0, "quota": 100.0}],
                "potential": 5000.0, "suggestedPlan": "business", "seats": 8.0,
            },
            "conversation": {
                "buyingStage": "evaluating", "nextStep": "demo", "needs": ["solutions_engineer"],
                "template": "steady-growth", "text": "Nine of you use the editor.",
            },
            "company": {
                "employees": 120.0, "industry": "software", "country": "DE", "icp": true, "target": true,
                "techStack": "rust", "contacts": "bob", "leadScore": 22.0,
            },
            "arm": {"id": "new-users-8", "group": "GROUP_HIGHER"},
        })
    );
    assert_eq!(
        json(&account()),
        json!({
            "account": "acme", "atMs": "1772445600000", "users": 15, "dau": 3, "wau": 7, "mau": 12,
            "stickiness": 0.25, "dauMau": 0.25, "trajectory": [{}, {}, {}, {}, {}, {}, {"users": 0}, {"users": 7}],
            "foundedDay": 20455, "lastActiveDay": 20514, "activeUsers": 9, "score": 120, "tier": "T2",
            "departments": 2, "segment": "mid_market", "plan": "team", "paid": false, "enterpriseRequests": ["sso"],
            "events": "321", "findBuyer": true, "signals": ["fit.size"],
        })
    );
    assert_eq!(
        json(&profile_of_user()),
        json!({
            "account": "acme", "user": "ann", "atMs": "1772445600000", "signedUpMs": "1767312000001",
            "firstActiveDay": 20455, "lastActiveDay": 20514, "source": "referral", "activated": true,
            "features": ["editor"], "score": 85, "band": "hot", "isBuyer": true, "plan": "team",
            "signals": ["feature.api"],
        })
    );
    assert_eq!(
        json(&onboarding()),
        json!({
            "account": "acme", "track": "enterprise", "before": "small_team", "atMs": "1772445600000",
            "notifySales": true, "employees": 600.0,
        })
    );
    assert_eq!(
        metrics().map(|row| json(&row)),
        [
            json!({
                "account": "acme", "atMs": "1772445600000",
                "day": {"day": 20514, "dau": 3, "wau": 7, "mau": 12, "stickiness": 0.25, "newUsers": 1,
                    "newUsers7d": 2, "spikeP": 0.125},
            }),
            json!({
                "account": "acme", "atMs": "1772445600000",
                "week": {
                    "monday": 20514, "wau": 7, "growth": -0.5, "streak": 0, "slopeZ": 1.5, "base": 4, "growing": false,
                    "declining": true,
                },
            }),
        ]
    );
    let [changed, occurred, held] = [0, 1, 2].map(|place| json(&signals())["entries"][place].clone());
    let facts = json!([{"ms": "1772445500000", "place": "7340032", "number": 5.5}]);
    assert_eq!(
        changed,
        json!({
            "user": "ann", "signal": "intent.pricing", "kind": "KIND_CHANGED", "rungBefore": 1, "rungAfter": 2,
            "reason": "REASON_CLOSED", "facts": facts, "factsLeftOut": 2,
        })
    );
    assert_eq!(
        occurred,
        json!({
            "user": "ann", "signal": "intent.pricing", "kind": "KIND_OCCURRED", "trigger": "pricing-sessions",
            "facts": facts, "factsLeftOut": 2,
        })
    );
    assert_eq!(
        held,
        json!({
            "user": "ann", "kind": "KIND_HELD", "trigger": "pricing-sessions", "rail": "pacing", "facts": facts,
            "factsLeftOut": 2,
        })
    );
    let mut message = json(&signals());
    message["entries"] = json!([]);
    assert_eq!(
        message,
        json!({"account": "acme", "atMs": "1772445600000", "messageId": "m1", "entries": [], "part": 1, "last": true})
    );
    let solo = Onboarding { track: Track::Solo, before: None, employees: None, ..onboarding() };
    assert_eq!(json(&solo), json!({"account": "acme", "track": "solo", "atMs": "1772445600000"}));
}

#[test]
fn a_handoff_can_be_read_back() {
    let bare = Handoff { due: None, due_from: None, context: Box::default(), ..handoff() };
    for handoff in [handoff(), bare] {
        for format in [Format::Protobuf, Format::Json] {
            assert_eq!(wire::read_handoff(&handoff.to_payload(format)).unwrap(), handoff);
        }
    }
    let lower = Some(Arm { id: "new-users-8".into(), group: Group::Lower });
    let sent = Handoff { context: Box::new(HandoffContext { arm: lower, holdout: false, ..context() }), ..handoff() };
    assert_eq!(wire::read_handoff(&sent.to_payload(Format::Protobuf)).unwrap(), sent);
    let newer = handoff().to_json().replacen('{', r#"{"addedLater":{"x":1},"#, 1).replace("evaluating", "dreaming");
    assert_eq!(wire::read_handoff(newer.as_bytes()).unwrap().context.conversation.buying_stage, "");
    for (bytes, says) in [(&b"{\"level\": 3"[..], "EOF"), (b"\xff", "no upswell.v1.Handoff"), (b"", "no level")] {
        let error = wire::read_handoff(bytes).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn headers_are_cloudevents_in_binary_mode() {
    let source = "/upswell/upswell.log";
    let headers = |effect: &dyn ToWire, id: &str, format| -> Vec<(String, String)> {
        let attributes = wire::Attributes::of(effect);
        let all = wire::headers(effect.kind(), format, id, source, attributes.as_ref());
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let handoff = handoff();
    let expected = [
        ("ce_specversion", "1.0"),
        ("ce_id", "82ebc04b1f4a82ea7e815e6838eabeba"),
        ("ce_source", "/upswell/upswell.log"),
        ("ce_type", "upswell.v1.Handoff"),
        ("content-type", "application/protobuf"),
        ("ce_time", "2026-03-02T10:00:00Z"),
        ("ce_subject", "acme"),
        ("ce_traceparent", "00-82ebc04b1f4a82ea7e815e6838eabeba-82ebc04b1f4a82ea-01"),
    ];
    let all = headers(&handoff, &handoff.id.to_string(), Format::Protobuf);
    assert_eq!(all, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let letter = DeadLetter { record_time: None, ..letter() };
    let of_letter = headers(&wire::dead_letter(&letter, "log", 3, wire::Headers::NONE), "3-7-0", Format::Json);
    let names = |headers: &[(String, String)]| Vec::from_iter(headers.iter().map(|(name, _)| name.clone()));
    let required = ["ce_specversion", "ce_id", "ce_source", "ce_type", "content-type"];
    assert_eq!(names(&of_letter), required);
    assert_eq!(names(&headers(&signals(), "3-7-s0", Format::Json)), required);
    assert_eq!(names(&headers(&profile_of_user(), "3-7-u0", Format::Json)), required);
    assert!(of_letter.contains(&("content-type".to_owned(), "application/json".to_owned())));
    for (account, is_subject) in [("", false), ("a\nb", false), ("a\u{ffff}", false), ("ä 🦀", true)] {
        let about = headers(&Onboarding { account: account.into(), ..onboarding() }, "3-7-0", Format::Json);
        assert_eq!(about.contains(&("ce_subject".to_owned(), account.to_owned())), is_subject, "{account:?}");
    }
}

#[test]
fn subscribers_are_told_of_every_output() {
    let page = include_str!("../docs/subscribers.md");
    for row in Output::ALL {
        let begins = format!("| `upswell.{}`", row.name);
        let line = page.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("{begins}"));
        let [topic, key, message] = line.split('|').skip(1).take(3).map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        assert_eq!(topic.contains("compacted"), row.is_compacted, "{line}");
        assert_eq!(message, format!("`{}`", row.kind.name().trim_start_matches("upswell.v1.")));
        let expected = match row.key {
            Key::Account => "account",
            Key::User => "account and user",
            Key::Record => "the key of the source record, at most 1,024 bytes",
        };
        assert_eq!(key, expected, "{line}");
        let operators = include_str!("../docs/operators.md");
        assert!(operators.contains(&format!("| `{}", row.metric)), "{} is not told of", row.metric);
    }
}

#[test]
fn keys_of_users_are_unique() {
    assert_eq!(wire::user_key("acme", "ann"), b"acme\0ann");
    let ids = ["", "\0", "a", "a\0", "\0a", "a\0b", "b", "\0\0"];
    let pairs: Vec<_> = ids.iter().flat_map(|account| ids.iter().map(move |user| (*account, *user))).collect();
    let keys: BTreeSet<_> = pairs.iter().map(|(account, user)| wire::user_key(account, user)).collect();
    assert_eq!(keys.len(), pairs.len());
}
