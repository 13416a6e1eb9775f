//! Tests of the presets, and of the default rules, by events as the tools write them.

use super::*;

/// What each preset makes of events as its tool writes them: `call name {fields} → roles`, and with a `!` if they
/// are no activity.
const SAMPLES: [(&str, &str); 6] = [
    ("segment", SEGMENT),
    ("posthog", POSTHOG),
    ("amplitude", AMPLITUDE),
    ("mixpanel", MIXPANEL),
    ("stripe", STRIPE),
    ("snowplow", SNOWPLOW),
];

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
page Prices {"$pathname": "/pricing"} → pricing_viewed!
page Terms {"$pathname": "/terms"} → terms_viewed!
screen Pricing → pricing_viewed!
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
page Prices {"[Amplitude] Page Path": "/plans"} → pricing_viewed!
page Home {"Page Path": "/terms"} → terms_viewed!
screen Pricing table → pricing_viewed!
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
page Prices {"current_url_path": "/pricing"} → pricing_viewed!
page Home {"current_url_path": "/privacy"} → terms_viewed!
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

const SNOWPLOW: &str = r#"
track link_click {"targetUrl": "https://acme.com"} →
track web_vitals {"lcp": 7} → !
track sign_up {"method": "google"} → signed_up
track user_activated → activated
track feature_used {"feature_name": "editor"} → feature_used
track api_request → api_called
track integration_connected {"integration": "slack"} → integration_connected
track limit_reached {"resource": "storage"} → limit_hit!
track data_exported → exported
track invite_sent {"email": "bob@acme.com"} → user_invited
track invite_accepted → member_added
track workspace_created {"workspace_id": 7} → workspace_created
track pricing_viewed → pricing_viewed!
track begin_checkout {"plan": "pro"} → upgrade_started
track subscription_upgraded {"plan": "pro"} → upgrade_completed subscription_changed
track subscription_cancelled → subscription_changed!
track subscription_changed {"paid": true} → subscription_changed!
track contact_sales → contact_sales
track enterprise_feature_requested {"feature": "SSO"} → enterprise_feature_requested
track contact_support {"topic": "billing"} → support_contacted
track trial_started → trial_started!
track trial_expired → trial_ended!
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
        "presets: [segment, posthog, amplitude, mixpanel, stripe, snowplow]
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
    let plan = crate::rules::default_plan();
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
    assert!(!roles.maps_premium(), "a preset does not know which features are premium");
    assert!(!is_activity(roles, "track Email Opened"));
}
