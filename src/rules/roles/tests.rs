//! Tests of mappings, with events as JSON and as protobuf.

mod presets;

use serde::Deserialize;

use super::*;
use crate::rules::read_yaml;
use crate::wire::{self, Format};

fn compiled(yaml: &str) -> Result<Roles, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        presets: Vec<Preset>,
        #[serde(default)]
        roles: Vec<Spanned<Mapping>>,
    }
    let file: File = read_yaml("rules.yaml", yaml).map_err(|error| error.to_string())?;
    Roles::compile(&file.roles, &file.presets).map_err(|(at, what)| format!("{}: {what}", at.line()))
}

fn roles(yaml: &str) -> Roles {
    compiled(yaml).unwrap_or_else(|error| panic!("{error}"))
}

/// Asks about a call, as JSON and as protobuf: both must say the same.
fn ask<T: PartialEq + std::fmt::Debug>(call: &str, ask: impl Fn(&Event<'_>) -> T) -> T {
    let (kind, rest) = call.split_once(' ').unwrap_or((call, ""));
    let (name, fields) =
        rest.split_once('{').map_or((rest, "{}".to_owned()), |(name, rest)| (name, format!("{{{rest}")));
    let fields: serde_json::Value = serde_json::from_str(&fields).unwrap_or_else(|error| panic!("{call}: {error}"));
    let line = serde_json::json!({
        "type": kind, "event": name.trim(), "name": name.trim(), "properties": fields, "traits": fields,
        "messageId": "m", "userId": "u", "groupId": "acme", "context": {"groupId": "acme"},
        "timestamp": "2026-01-05T09:00:00Z",
    });
    let line = line.to_string();
    let decoded = |format, bytes: &[u8]| {
        let answers: Vec<T> = wire::decode(format, bytes).map(|decoded| ask(&decoded.event.unwrap())).collect();
        <[T; 1]>::try_from(answers).unwrap_or_else(|_| panic!("{call}: one event")).into_iter().next().unwrap()
    };
    let json = decoded(Format::Json, line.as_bytes());
    let encoded = wire::decode(Format::Json, line.as_bytes()).next().unwrap().event.unwrap();
    assert_eq!(json, decoded(Format::Protobuf, &wire::encode(&encoded)), "{call}");
    json
}

fn words(roles: &Roles, call: &str) -> String {
    ask(call, |event| roles.in_order(&roles.of(event)).map(word).collect::<Vec<_>>().join(" "))
}

#[test]
fn names_are_the_same_without_regard_to_the_case_of_letters_alone() {
    let roles = roles("roles: [{role: exported, track: ['Report [A] Exported', 'größe']}]");
    for name in ["Report [A] Exported", "REPORT [a] EXPORTED", "größe", "GRößE"] {
        assert_eq!(words(&roles, &format!("track {name}")), "exported", "{name}");
    }
    // `{` and `[`, and `@` and the backtick, differ by the bit that tells the case of letters.
    for name in ["Report {A} Exported", "Report [A] Exporte", "Report [A] Exported ", "gr\u{d6}ße", "GRÖSSE"] {
        let mapped = ask("track x", |event| roles.of(&Event { name: name.into(), ..event.clone() }).is_mapped());
        assert!(!mapped, "{name}");
    }
}

fn is_activity(roles: &Roles, call: &str) -> bool {
    ask(call, |event| roles.of(event).is_activity())
}

fn number(roles: &Roles, call: &str, role: Role, field: Field) -> Option<f64> {
    ask(call, |event| roles.number(&roles.of(event), role, field, event))
}

fn text(roles: &Roles, call: &str, role: Role, field: Field) -> Option<String> {
    ask(call, |event| roles.text(&roles.of(event), role, field, event).map(Cow::into_owned))
}

fn boolean(roles: &Roles, call: &str, role: Role, field: Field) -> Option<bool> {
    ask(call, |event| roles.boolean(&roles.of(event), role, field, event))
}

#[test]
fn names_are_compared_without_regard_to_case_and_by_kind_of_call() {
    let roles = roles("roles: [{ role: pricing_viewed, track: [Pricing Viewed, Tarif é*], page: [Pricing] }]");
    assert_eq!(words(&roles, "track pricing VIEWED"), "pricing_viewed");
    assert_eq!(words(&roles, "page PRICING"), "pricing_viewed");
    assert_eq!(words(&roles, "track TARIF éx"), "pricing_viewed");
    for other in ["track Pricing", "screen Pricing", "page Pricing Viewed", "identify", "group", "track", "page"] {
        assert_eq!(words(&roles, other), "", "{other}");
    }
    assert!(!is_activity(&roles, "track Pricing Viewed"));
    assert!(is_activity(&roles, &format!("track {}", "anything else, however long ".repeat(20))));
}

#[test]
fn patterns_match_any_text_and_single_characters() {
    let cases = [
        ("feature_*", "feature_", true),
        ("feature_*", "Feature_Export", true),
        ("feature_*", "feature", false),
        ("*", "", true),
        ("*", "anything", true),
        ("?", "", false),
        ("?", "é", true),
        ("??", "é", false),
        ("a?c", "aéC", true),
        ("*used*", "Feature Used Twice", true),
        ("*ab", "aab", true),
        ("*ab", "abb", false),
        ("a*b*c", "a--b--b--c", true),
        ("a*b*c", "a--c--b", false),
        ("**x", "yyx", true),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
    }
}

#[test]
fn patterns_are_asked_for_names_that_are_written_out_too_and_by_their_first_byte() {
    let roles = roles(
        "roles:
        - { role: exported, track: [Export Done] }
        - { role: shared, track: ['export *', '[x] *'] }
        - { role: api_called, track: ['?xport d*'] }",
    );
    assert_eq!(words(&roles, "track export done"), "exported shared api_called");
    assert_eq!(words(&roles, "track Export Doing"), "shared api_called");
    assert_eq!(words(&roles, "track Import Done"), "");
    assert_eq!(words(&roles, "track [X] y"), "shared");
    assert!(!ask("track Import Done", |event| roles.of(event).is_mapped()));
}

#[test]
fn every_property_that_where_names_must_have_one_of_the_values() {
    let roles = roles(
        "roles: [{ role: feature_used, track: [Used], where: { plan: [pro, 'Bus*'], beta: true, level: [1, 2.5], a.b: x } }]",
    );
    let used = |plan: &str, beta: &str, level: &str, inner: &str| {
        let fields = format!(r#"{{"plan": {plan}, "beta": {beta}, "level": {level}, "a": {{"b": {inner}}}}}"#);
        words(&roles, &format!("track Used {fields}")) == "feature_used"
    };
    assert!(used("\"PRO\"", "true", "1", "\"X\""));
    assert!(used("\"business plus\"", "true", "2.5", "\"x\""));
    assert!(!used("\"free\"", "true", "1", "\"x\""));
    assert!(!used("\"pro\"", "false", "1", "\"x\""));
    assert!(!used("\"pro\"", "\"true\"", "1", "\"x\""));
    assert!(!used("\"pro\"", "true", "2", "\"x\""));
    assert!(!used("\"pro\"", "true", "1", "null"));
    assert!(!used("null", "true", "1", "\"x\""));
    assert_eq!(words(&roles, "track Used"), "");
}

#[test]
fn of_several_mappings_with_one_role_the_first_says_what_it_is() {
    let roles = roles(
        "roles:
        - { role: exported, track: [Export], passive: true }
        - { role: shared, track: [Export], where: { external: true }, bind: { external: { value: false } } }
        - { role: shared, track: [Ex*], passive: true }
        - { role: exported, track: [Export] }",
    );
    assert_eq!(words(&roles, "track Export"), "exported shared");
    assert!(!is_activity(&roles, "track Export"));
    let outside = r#"track Export {"external": true}"#;
    assert!(is_activity(&roles, outside));
    assert_eq!(boolean(&roles, outside, Role::Shared, Field::External), Some(false));
    assert_eq!(boolean(&roles, r#"track Exp {"external": true}"#, Role::Shared, Field::External), Some(true));
    assert_eq!(boolean(&roles, outside, Role::ApiCalled, Field::External), None);
    assert_eq!(ask(outside, |event| roles.matched(&roles.of(event)).collect::<Vec<_>>()), [0, 1, 2, 3]);
    assert_eq!(ask("track Export", |event| roles.matched(&roles.of(event)).collect::<Vec<_>>()), [0, 2, 3]);
    assert!(ask(outside, |event| roles.binds(&roles.of(event), Role::Shared, Field::External)));
    assert!(!ask("track Export", |event| roles.binds(&roles.of(event), Role::Shared, Field::External)));
}

#[test]
fn premium_and_passive_are_marks_and_a_mapping_may_have_no_role() {
    let roles = roles(
        "roles:
        - { role: feature_used, track: [Used] }
        - { role: feature_used, track: [Used], where: { feature: [sso] }, premium: true }
        - { track: [Ping, Used], passive: true }
        - { track: [Login] }",
    );
    assert!(ask(r#"track Used {"feature": "SSO"}"#, |event| roles.of(event).is_premium()));
    assert!(!ask(r#"track Used {"feature": "editor"}"#, |event| roles.of(event).is_premium()));
    assert!(is_activity(&roles, "track Used") && is_activity(&roles, "track Login"));
    assert!(!is_activity(&roles, "track Ping"));
    for call in ["track Ping", "track Login"] {
        assert_eq!(ask(call, |event| (roles.of(event).is_empty(), roles.of(event).is_mapped())), (true, true));
    }
    assert!(roles.maps_premium() && roles.covers(Role::FeatureUsed) && !roles.covers(Role::ApiCalled));
    assert!(self::roles("roles: [{ role: feature_used, track: [a], bind: { premium: pro } }]").maps_premium());
    assert!(!self::roles("roles: [{ role: feature_used, track: [a] }]").maps_premium());
}

#[test]
fn passive_by_default_is_what_is_no_deed_of_the_user() {
    for role in Role::ALL {
        let yaml = format!("roles: [{{ role: {}, track: [Done] }}]", word(role));
        let expected = !matches!(
            word(role).as_str(),
            "pricing_viewed"
                | "terms_viewed"
                | "usage_reported"
                | "limit_hit"
                | "profile"
                | "firmographics"
                | "billing_forecast"
                | "subscription_changed"
                | "mql_created"
                | "trial_started"
                | "trial_ended"
                | "outreach_sent"
                | "call_made"
                | "replied"
                | "meeting_booked"
                | "accepted"
                | "rejected"
                | "graded"
                | "opportunity_created"
                | "deal_won"
                | "deal_lost"
                | "nps"
        );
        assert_eq!(is_activity(&roles(&yaml), "track Done"), expected, "{role:?}");
        let marked = yaml.replace("track", &format!("passive: {expected}, track"));
        assert_eq!(is_activity(&roles(&marked), "track Done"), !expected, "{role:?}");
    }
}

#[test]
fn fields_are_read_where_they_are_bound_scaled_and_with_a_value_instead() {
    let roles = roles(
        "roles:
        - role: subscription_changed
          track: [Invoice]
          bind:
            plan: [plan_name, items.0.plan, tier]
            mrr: { property: cents, scale: 1/100, times: seats }
            price: { property: cents, scale: 0.5, value: 7 }
            paid: { property: is_paid, value: true }
            currency: { value: usd }
        - { role: profile, identify: true, bind: { email: [email, $email] } }",
    );
    let subscription = Role::SubscriptionChanged;
    let invoice =
        r#"track Invoice {"cents": 1999, "seats": 3, "items": [{"plan": "pro"}], "tier": "x", "is_paid": false}"#;
    assert_eq!(text(&roles, invoice, subscription, Field::Plan).as_deref(), Some("pro"));
    assert_eq!(number(&roles, invoice, subscription, Field::Mrr), Some(59.97));
    assert_eq!(number(&roles, invoice, subscription, Field::Price), Some(999.5));
    assert_eq!(number(&roles, invoice, subscription, Field::Seats), Some(3.0));
    assert_eq!(text(&roles, invoice, subscription, Field::Seats).as_deref(), Some("3"));
    assert_eq!(boolean(&roles, invoice, subscription, Field::Paid), Some(false));
    assert_eq!(text(&roles, invoice, subscription, Field::Currency).as_deref(), Some("usd"));
    let bare = r#"track Invoice {"plan_name": null, "items": [], "tier": 2}"#;
    assert_eq!(text(&roles, bare, subscription, Field::Plan).as_deref(), Some("2"));
    assert_eq!(number(&roles, bare, subscription, Field::Mrr), None);
    assert_eq!(number(&roles, bare, subscription, Field::Price), Some(7.0));
    assert_eq!(boolean(&roles, bare, subscription, Field::Paid), Some(true));
    assert_eq!(number(&roles, r#"track Invoice {"cents": 5}"#, subscription, Field::Mrr), None, "no quantity");
    let is_null = |call: &str, role, field| ask(call, |event| roles.is_null(&roles.of(event), role, field, event));
    assert!(is_null(r#"identify {"email": null}"#, Role::Profile, Field::Email));
    assert!(!is_null(r#"identify {"email": null, "$email": "a@b.c"}"#, Role::Profile, Field::Email));
    assert!(!is_null("identify {}", Role::Profile, Field::Email));
    assert!(is_null(r#"identify {"title": null}"#, Role::Profile, Field::Title));
    assert!(!is_null(r#"identify {"title": null}"#, Role::Firmographics, Field::Title));
    assert_eq!(text(&roles, r#"identify {"$email": "a@b.c"}"#, Role::Profile, Field::Email).as_deref(), Some("a@b.c"));
    assert_eq!(text(&roles, r#"identify {"title": "CTO"}"#, Role::Profile, Field::Title).as_deref(), Some("CTO"));
}

#[test]
fn lists_are_told_in_words() {
    let roles = roles("roles: [{ role: firmographics, group: true, bind: { contacts: [people, contacts] } }]");
    let words = |call: &str| {
        ask(call, |event| {
            let told = roles.words(&roles.of(event), Role::Firmographics, Field::Contacts, event);
            told.map(Cow::into_owned)
        })
    };
    let told = |contacts: &str| words(&format!(r#"group {{"contacts": {contacts}}}"#));
    assert_eq!(told(r#"["Ann", " Bob ", "", 7, 2.5, null]"#).as_deref(), Some("Ann, Bob, 7, 2.5"));
    assert_eq!(
        told(r#"[{"name": "Ann", "email": "ann@acme.com", "owner": true}, {"tags": ["a", "b"]}]"#).as_deref(),
        Some("ann@acme.com Ann, a, b")
    );
    assert_eq!(told(r#"{"cto": "Ann", "ceo": {"name": "Bob"}}"#).as_deref(), Some("Bob Ann"));
    assert_eq!(told("\"Ann\"").as_deref(), Some("Ann"));
    assert_eq!(told("[]").as_deref(), Some(""));
    assert_eq!(told("true"), None);
    assert_eq!(words(r#"group {"people": null, "contacts": ["Ann"]}"#).as_deref(), Some("Ann"));
    let long = told(&format!("[{}\"é\"]", "\"é\", ".repeat(1_000))).unwrap();
    assert!(long.len() < 2_010 && long.ends_with('…'), "{long}");
}

#[test]
fn what_is_not_allowed_is_refused() {
    let told = |yaml: &str| compiled(yaml).map(drop).unwrap_err();
    assert!(told("roles: [{ role: exportd, track: [a] }]").contains("did you mean `exported`"));
    assert!(told("roles: [{ role: exported, trak: [a] }]").contains("did you mean `track`"));
    assert!(told("presets: [segmnt]").contains("did you mean `segment`"));
    assert_eq!(
        told("roles:\n- { role: exported }"),
        "2: role exported: matches no event: expected at least one of track, page, screen, identify and group"
    );
    assert!(told("roles: [{ role: exported, track: [''] }]").contains("a name is empty"));
    assert!(told(&format!("roles: [{{ role: exported, track: [{}] }}]", "n".repeat(129))).contains("128 bytes"));
    assert!(told("roles: [{ role: exported, track: [a], premium: true }]").contains("feature_used"));
    assert!(told("roles: [{ track: [a], bind: { plan: b } }]").contains("bind is allowed only with a role"));
    assert!(told("roles: [{ role: exported, track: [a], where: { b: [] } }]").contains("at least one value"));
    assert!(told("roles: [{ role: exported, track: [a], where: { b: { c: d } } }]").contains("a list of them"));
    for (bind, what) in [
        ("plan: { bill: a }", "only mrr, price and paid"),
        ("mrr: { bill: a, scale: 2 }", "bill must be the only key of a binding"),
        ("mrr: { bill: '' }", "the name of a property is empty"),
    ] {
        let refusal = told(&format!("roles: [{{ role: subscription_changed, track: [a], bind: {{ {bind} }} }}]"));
        assert!(refusal.contains(what), "{refusal}");
    }
    assert!(
        told("roles: [{ role: exported, track: [a], bind: { plan: { scale: 2 } } }]")
            .contains("expected a property, or only a value")
    );
    assert!(told("roles: [{ role: exported, track: [a], bind: { plan: '' } }]").contains("property is empty"));
    assert!(
        told("roles: [{ role: exported, track: [a], bind: { plan: { proprety: b } } }]")
            .contains("did you mean `property`")
    );
    assert!(told("roles: [{ role: exported, track: [a], bind: { paln: b } }]").contains("did you mean `plan`"));
    for scale in ["0", "-1", "1/0", "1/x", "one"] {
        let yaml =
            format!("roles: [{{ role: exported, track: [a], bind: {{ mrr: {{ property: b, scale: {scale} }} }} }}]");
        assert!(told(&yaml).contains("fraction such as 1/100"), "{scale}: {}", told(&yaml));
    }
    let many: String = (0..129).map(|_| "- { role: exported, track: [a] }\n").collect();
    assert_eq!(told(&format!("roles:\n{many}")), "130: more than 128 mappings for one name or with patterns");
}
