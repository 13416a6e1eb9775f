//! Tests of mappings and presets, with events as JSON and as protobuf.

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
        "2: role exported: none of track, page, screen, identify and group says which events"
    );
    assert!(told("roles: [{ role: exported, track: [''] }]").contains("a name is empty"));
    assert!(told(&format!("roles: [{{ role: exported, track: [{}] }}]", "n".repeat(129))).contains("128 bytes"));
    assert!(told("roles: [{ role: exported, track: [a], premium: true }]").contains("feature_used"));
    assert!(told("roles: [{ track: [a], bind: { plan: b } }]").contains("bind goes with a role"));
    assert!(told("roles: [{ role: exported, track: [a], where: { b: [] } }]").contains("at least one value"));
    assert!(told("roles: [{ role: exported, track: [a], where: { b: { c: d } } }]").contains("a list of them"));
    for (bind, what) in [
        ("plan: { bill: a }", "only mrr, price and paid"),
        ("mrr: { bill: a, scale: 2 }", "bill goes with nothing else"),
        ("mrr: { bill: '' }", "the name of a property is empty"),
    ] {
        let refusal = told(&format!("roles: [{{ role: subscription_changed, track: [a], bind: {{ {bind} }} }}]"));
        assert!(refusal.contains(what), "{refusal}");
    }
    assert!(
        told("roles: [{ role: exported, track: [a], bind: { plan: { scale: 2 } } }]").contains("a property is needed")
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

/// What each preset makes of events as its tool writes them: `call name {fields} → roles`, and with a `!` if they
/// are no activity.
const SAMPLES: [(&str, &str); 5] =
    [("segment", SEGMENT), ("posthog", POSTHOG), ("amplitude", AMPLITUDE), ("mixpanel", MIXPANEL), ("stripe", STRIPE)];

const SEGMENT: &str = r#"
track Signed Up {"type": "invited", "email": "ann@acme.com"} → signed_up
track Account Created {"account_name": "Initech"} → signed_up
track Invite Sent {"invitee_email": "bob@acme.com", "invitee_role": "Owner"} → user_invited
track Account Added User {"role": "Owner"} → member_added!
track Account Removed User → member_removed!
track Trial Started {"trial_plan_name": "Business"} → trial_started!
track Trial Ended {"trial_plan_name": "Business"} → trial_ended!
page Pricing {"path": "/prices"} → pricing_viewed!
page {"path": "/pricing", "url": "https://acme.com/pricing?x=1"} → pricing_viewed!
page Terms of Use → terms_viewed!
page Home {"path": "/privacy-policy"} → terms_viewed!
page Home {"path": "/"} →
identify {"email": "ann@acme.com", "company": {"employee_count": 70}} → profile!
group {"employees": "51-200", "industry": "software", "address": {"country": "Norway"}} → firmographics!
track Signed In {"username": "ann"} →
track Account Deleted {"account_name": "Initech"} → !
track Email Opened {"email_subject": "Hello"} → !
"#;

const POSTHOG: &str = r#"
track $identify {"$set": {"email": "ann@acme.com", "title": "CTO"}, "$anon_distinct_id": "x"} → profile!
track $set {"$set": {"role": "owner"}} → profile!
track $groupidentify {"$group_type": "company", "$group_key": "acme", "$group_set": {"employees": 70}} → firmographics!
track $groupidentify {"$group_type": "project", "$group_key": "p1", "$group_set": {"employees": 3}} → !
track $pageview {"$pathname": "/pricing", "$current_url": "https://acme.com/pricing?x=1"} → pricing_viewed!
track $pageview {"$pathname": "/terms-of-service"} → terms_viewed!
track $pageview {"$pathname": "/"} → !
track $screen {"$screen_name": "Pricing"} → pricing_viewed!
track pricing viewed → pricing_viewed!
track $autocapture {"$event_type": "click"} →
track $feature_flag_called {"$feature_flag": "beta"} → !
track $pageleave → !
track user_signed_up {"source": "google"} → signed_up
track user activated → activated
track feature_used {"feature_name": "editor"} → feature_used
track api_request → api_called
track integration_connected {"integration": "slack"} → integration_connected
track usage limit reached {"resource": "storage"} → limit_hit!
track export_completed → exported
track invite sent {"email": "bob@acme.com"} → user_invited
track invite_accepted → member_added
track workspace_created {"workspace_id": 7} → workspace_created
track checkout_started {"plan": "pro"} → upgrade_started
track subscription_upgraded {"plan": "pro"} → upgrade_completed subscription_changed
track subscription_canceled → subscription_changed!
track subscription_changed {"paid": true} → subscription_changed!
track demo_requested → contact_sales
track enterprise_feature_requested {"feature": "SSO"} → enterprise_feature_requested
track support_ticket_created {"category": "billing"} → support_contacted
track trial_started → trial_started!
track trial expired → trial_ended!
"#;

const AMPLITUDE: &str = r#"
track $identify {"$set": {"email": "ann@acme.com", "title": "CTO"}} → profile!
track $groupidentify {"$set": {"employees": 70}} → firmographics!
track [Amplitude] Page Viewed {"[Amplitude] Page Path": "/pricing"} → pricing_viewed!
track Page Viewed {"Page Path": "/pricing/"} → pricing_viewed!
track [Amplitude] Page Viewed {"[Amplitude] Page Path": "/privacy"} → terms_viewed!
track Page Viewed {"Page Path": "/legal/dpa"} → terms_viewed!
track [Amplitude] Page Viewed {"[Amplitude] Page Path": "/"} → !
track [Amplitude] Screen Viewed {"[Amplitude] Screen Name": "Pricing table"} → pricing_viewed!
track Pricing Page Viewed → pricing_viewed!
track [Amplitude] Element Clicked {"[Amplitude] Element Tag": "button"} →
track [Amplitude] Start Session → !
track session_start → !
track Sign Up Completed {"source": "google"} → signed_up
track User Activated → activated
track Feature Used {"Feature Name": "editor"} → feature_used
track API Request Made → api_called
track Integration Connected {"integration": "slack"} → integration_connected
track Paywall Hit → limit_hit!
track Data Exported → exported
track Invite Sent {"invitee_email": "bob@acme.com"} → user_invited
track Invite Accepted → member_added
track Workspace Created {"workspace_id": "w1"} → workspace_created
track Checkout Started {"Plan Name": "pro"} → upgrade_started
track Plan Upgraded {"plan": "pro"} → upgrade_completed subscription_changed
track Subscription Cancelled → subscription_changed!
track Plan Changed {"plan": "team"} → subscription_changed!
track Demo Requested → contact_sales
track Enterprise Feature Requested {"feature": "SSO"} → enterprise_feature_requested
track Contacted Support {"Topic": "billing"} → support_contacted
track Trial Started → trial_started!
track Trial Ended → trial_ended!
"#;

const MIXPANEL: &str = r#"
identify {"$email": "ann@acme.com", "Title": "CTO"} → profile!
group {"Employees": 70, "$created": "2026-01-01T00:00:00Z"} → firmographics!
track $mp_web_page_view {"current_url_path": "/pricing", "current_domain": "acme.com"} → pricing_viewed!
track $mp_web_page_view {"current_url_path": "/legal/terms"} → terms_viewed!
track $mp_web_page_view {"current_url_path": "/"} → !
track View Pricing → pricing_viewed!
track $mp_click {"$el_tag_name": "button"} →
track $ae_session {"$ae_session_length": 12} → !
track Sign Up {"Signup Type": "Referral"} → signed_up
track Value Moment → activated
track Feature Used {"Feature": "editor"} → feature_used
track API Call → api_called
track Integration Added {"Integration": "slack"} → integration_connected
track Limit Reached {"limit": "storage"} → limit_hit!
track Report Exported → exported
track Invite User {"Email": "bob@acme.com"} → user_invited
track Invite Accepted → member_added
track Team Created {"team_id": 7} → workspace_created
track Begin Checkout {"Plan": "pro"} → upgrade_started
track Plan Upgraded {"Plan": "pro"} → upgrade_completed subscription_changed
track Subscription Cancelled → subscription_changed!
track Subscription Changed {"paid": true} → subscription_changed!
track Request Demo → contact_sales
track Enterprise Feature Requested {"feature": "SSO"} → enterprise_feature_requested
track Contact Support {"Topic": "billing"} → support_contacted
track Trial Started → trial_started!
track Trial Ended → trial_ended!
"#;

const STRIPE: &str = r#"
track customer.subscription.created {"data": {"object": {"status": "active", "currency": "usd", "items": {"data": [{"quantity": 1, "price": {"unit_amount": 0, "recurring": {"interval": "month", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "usd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 1999, "recurring": {"interval": "month", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "past_due", "currency": "eur", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 24000, "recurring": {"interval": "year", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "jpy", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 3000, "recurring": {"interval": "month", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "jpy", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 36000, "recurring": {"interval": "year", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "kwd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 5500, "recurring": {"interval": "month", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "kwd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 66000, "recurring": {"interval": "year", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "usd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 6000, "recurring": {"interval": "month", "interval_count": 3}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "usd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 48000, "recurring": {"interval": "year", "interval_count": 2}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "usd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 1200, "recurring": {"interval": "week", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "usd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 2400, "recurring": {"interval": "week", "interval_count": 2}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "usd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 120, "recurring": {"interval": "day", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "jpy", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 12, "recurring": {"interval": "week", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "jpy", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 12, "recurring": {"interval": "day", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "kwd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 12000, "recurring": {"interval": "week", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "kwd", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 12000, "recurring": {"interval": "day", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "ugx", "items": {"data": [{"quantity": 3, "price": {"unit_amount": 50000, "recurring": {"interval": "month", "interval_count": 1}}}]}}}} → subscription_changed!
track customer.subscription.updated {"data": {"object": {"status": "active", "currency": "usd"}}} → subscription_changed!
track customer.subscription.created {"data": {"object": {"status": "trialing", "currency": "usd"}}} → subscription_changed trial_started!
track customer.subscription.updated {"data": {"object": {"status": "active"}, "previous_attributes": {"status": "trialing"}}} → subscription_changed trial_ended!
track customer.subscription.deleted {"data": {"object": {"status": "canceled"}}} → subscription_changed!
track customer.subscription.trial_will_end {"data": {"object": {"status": "trialing"}}} → !
track invoice.upcoming {"data": {"object": {"amount_due": 60000, "currency": "usd"}}} → billing_forecast!
track invoice.upcoming {"data": {"object": {"amount_due": 60000, "currency": "jpy"}}} → billing_forecast!
track invoice.upcoming {"data": {"object": {"amount_due": 60000, "currency": "kwd"}}} → billing_forecast!
track checkout.session.completed {"data": {"object": {"mode": "subscription"}}} → upgrade_completed!
track checkout.session.completed {"data": {"object": {"mode": "payment"}}} → !
track charge.succeeded {"data": {"object": {"amount": 100}}} → !
track refund.created {"data": {"object": {"object": "refund"}}} → !
track promotion_code.created → !
track file.created {"data": {"object": {"object": "file"}}} → !
track file.created {"name": "plans.pdf"} →
"#;

#[test]
fn every_mapping_of_a_preset_is_for_an_event_as_its_tool_writes_it() {
    for (preset, samples) in SAMPLES {
        let roles = roles(&format!("presets: [{preset}]"));
        let mut unmatched: Vec<&str> = roles.mappings().map(|(description, _)| description).collect();
        for sample in samples.trim().lines() {
            let (call, expected) = sample.split_once('→').unwrap();
            let set = |event: &Event<'_>| roles.of(event);
            assert_eq!(words(&roles, call), expected.trim().trim_end_matches('!').trim(), "{preset}: {sample}");
            let mark = expected.ends_with('!') || !call.starts_with("track");
            assert_eq!(
                ask(call, |event| set(event).is_activity() && event.kind == EventKind::Track),
                !mark,
                "{preset}: {sample}"
            );
            for mapping in ask(call, |event| roles.matched(&set(event)).collect::<Vec<_>>()) {
                unmatched[mapping] = "";
            }
        }
        unmatched.retain(|description| !description.is_empty());
        assert!(unmatched.is_empty(), "{preset}: no sample for {unmatched:#?}");
    }
}

#[test]
fn stripe_counts_money_in_the_smallest_unit_of_the_currency() {
    let roles = roles("presets: [stripe]");
    let samples: Vec<&str> = STRIPE.trim().lines().map(|line| line.split_once('→').unwrap().0).collect();
    let money = |sample: usize| {
        let field = |field| number(&roles, samples[sample], Role::SubscriptionChanged, field);
        (
            boolean(&roles, samples[sample], Role::SubscriptionChanged, Field::Paid),
            field(Field::Price),
            field(Field::Mrr),
        )
    };
    let paid = |price: f64| (Some(true), Some(price), Some(3.0 * price));
    assert_eq!(money(0), (Some(false), Some(0.0), Some(0.0)));
    assert_eq!(money(1), (Some(true), Some(19.99), Some(59.97)));
    assert_eq!(money(2), paid(20.0));
    for yen in [3, 4] {
        assert_eq!(money(yen), paid(3000.0));
    }
    for dinars in [5, 6] {
        assert_eq!(money(dinars), paid(5.5));
    }
    for (sample, price) in [(7, 20.0), (8, 20.0), (9, 52.0), (10, 52.0), (11, 36.5), (12, 52.0), (13, 365.0)] {
        assert_eq!(money(sample), paid(price), "{}", samples[sample]);
    }
    assert_eq!([14, 15].map(money), [paid(52.0), paid(365.0)]);
    assert_eq!(money(16), paid(500.0), "Stripe counts hundredths of UGX");
    assert_eq!(money(17), (Some(true), None, None));
    for unpaid in [18, 20] {
        assert_eq!((money(unpaid).0, money(unpaid).2), (Some(false), Some(0.0)));
    }
    let bill = |sample: usize| number(&roles, samples[sample], Role::BillingForecast, Field::Amount);
    assert_eq!([22, 23, 24].map(bill), [Some(600.0), Some(60_000.0), Some(60.0)]);
}

#[test]
fn a_bill_is_read_with_all_its_items_and_discounts() {
    let roles = roles("presets: [stripe]");
    let call = |more: &str| {
        format!(
            r#"track customer.subscription.updated {{"data": {{"object": {{"id": "sub_A", "status": "active", "currency": "usd", {more}
            "items": {{"data": [
                {{"quantity": 10, "price": {{"unit_amount_decimal": "120000", "recurring": {{"interval": "year"}}}}}},
                {{"quantity": 1, "price": {{"unit_amount": 5000, "recurring": {{"interval": "month"}}}}}}]}}}}}}}}"#
        )
    };
    let of = |more: &str| {
        let call = call(more);
        let number = |field| number(&roles, &call, Role::SubscriptionChanged, field);
        (
            text(&roles, &call, Role::SubscriptionChanged, Field::SubscriptionId).unwrap(),
            boolean(&roles, &call, Role::SubscriptionChanged, Field::Paid),
            number(Field::Price),
            number(Field::Mrr),
            ask(&call, |event| roles.is_null(&roles.of(event), Role::SubscriptionChanged, Field::Mrr, event)),
        )
    };
    let expected = |mrr: Option<f64>| ("sub_A".to_owned(), Some(true), Some(100.0), mrr, mrr.is_none());
    assert_eq!(of(""), expected(Some(1_050.0)));
    let whole = r#""discount": {"id": "di_1", "coupon": {"percent_off": 100.0, "duration": "forever"}}, "discounts": ["di_1"],"#;
    assert_eq!(of(whole), expected(Some(0.0)));
    assert_eq!(of(r#""discounts": ["di_1"],"#), expected(None), "an id does not say what it is worth");
}

#[test]
fn presets_are_asked_after_the_files_own_mappings_and_all_fit_together() {
    let roles = roles(
        "presets: [segment, posthog, amplitude, mixpanel, stripe]
roles:
        - { role: user_invited, track: [Invite Sent], bind: { invitee: whom } }
        - { role: exported, track: [Sign Up] }",
    );
    assert_eq!(words(&roles, "track Sign Up"), "exported signed_up");
    let invite = r#"track Invite Sent {"whom": "cy", "invitee_email": "bob@acme.com"}"#;
    assert_eq!(text(&roles, invite, Role::UserInvited, Field::Invitee).as_deref(), Some("cy"));
}

#[test]
fn the_default_pack_has_a_name_for_every_role_and_reads_its_fields() {
    let plan = super::super::default_plan();
    let roles = &plan.roles;
    for role in Role::ALL {
        assert!(roles.covers(role), "{role:?}");
        let name = match role {
            Role::Profile => "identify".to_owned(),
            Role::Firmographics => "group".to_owned(),
            role => format!("track {}", word(role).replace('_', " ")),
        };
        assert!(ask(&name, |event| roles.of(event).has(role)), "{name}");
    }
    assert_eq!(words(roles, "track Profile Completed"), "profiling_finished profile");
    assert_eq!(words(roles, "track Plan Upgraded"), "upgrade_completed subscription_changed");
    assert_eq!(words(roles, "page Pricing"), "pricing_viewed");
    assert_eq!(words(roles, "screen Pricing"), "");
    let external = |call| boolean(roles, call, Role::Shared, Field::External);
    assert_eq!(external("track Dashboard Shared"), None);
    assert_eq!(external(r#"track Dashboard Shared {"is_external": true}"#), Some(true));
    assert_eq!(external(r#"track Dashboard Shared {"external": false}"#), Some(false));
    let paid = |call| boolean(roles, call, Role::SubscriptionChanged, Field::Paid);
    assert_eq!(paid("track Subscription Changed"), None);
    assert_eq!(paid("track Subscription Started"), Some(true));
    assert_eq!(paid(r#"track Subscription Started {"paid": false}"#), Some(false));
    assert_eq!(paid("track Subscription Cancelled"), Some(false));
    let wish = text(roles, "track SSO Requested", Role::EnterpriseFeatureRequested, Field::Feature);
    assert_eq!(wish.as_deref(), Some("SSO"));
    assert_eq!(number(roles, r#"group {"employee_count": 70}"#, Role::Firmographics, Field::Employees), Some(70.0));
    assert!(!roles.maps_premium(), "nobody but the product's maker knows which features are premium");
    assert!(!is_activity(roles, "track Email Opened"));
}
