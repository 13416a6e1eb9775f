//! Rules of the reference model: signals, triggers, score thresholds and rails as data, with the default rules as
//! docs/semantics.md states them.

use std::sync::LazyLock;

use super::condition::Condition;
use super::roles::{CUSTOM_PRICING_TOPICS, Role};
use super::time::Direction;
use super::{DAY, HOUR, MINUTE};

/// What decides which signals there are and what follows from them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pack {
    pub(crate) signals: Vec<Definition>,
    pub(crate) triggers: Vec<Rule>,
    pub(crate) meters: Vec<Meter>,
    pub(crate) scores: Scores,
    pub(crate) rails: Rails,
}

/// A signal (semantics §5).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) measure: Measure,
    pub(crate) of_users: bool,
    pub(crate) of_accounts: bool,
    /// Of each rung, the first of them rung 1.
    pub(crate) points: Vec<i64>,
    /// Whether the points enter the PQL and the PQA score; none: a user's the PQL, an account's the PQA.
    pub(crate) enters: Option<(bool, bool)>,
}

/// What a signal measures, with its parameters. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Measure {
    Seen(Facts),
    Count(Facts, Vec<usize>),
    Distinct { facts: Facts, of: &'static str, within: Option<i64>, rungs: Vec<usize> },
    Sessions { facts: Facts, gap: i64, rungs: Vec<usize> },
    Within(i64),
    Abandoned { start: Role, complete: Role, after: i64, ttl: i64 },
    ActiveDays(i64),
    Stickiness(Vec<i64>),
    Growth(Direction, By),
    NewUsers { at_least: i64, spike_below: Option<f64> },
    Spike { meter: Meter, at_least: i64, above: f64 },
    Idle(i64),
    Stalled { at_least: usize, weeks: i64 },
    SingleUser { days: i64 },
    FreeOnly { days: i64 },
    UsageRatio { percent: i64 },
    Ladder(Of, Vec<i64>),
    Employees(Vec<i64>),
    LeadScore(Vec<i64>),
    OneOf(&'static str, Vec<&'static str>),
    True(&'static str),
    Executive,
}

/// The events that feed a signal.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) roles: Vec<Role>,
    /// Fields that must each have one of some values, in lower case.
    pub(crate) only: Vec<(&'static str, Vec<&'static str>)>,
    pub(crate) premium: bool,
    /// How long each counts; none: for this life.
    pub(crate) ttl: Option<i64>,
    /// Only so long after the first activity of the account, and never the first event of its role (semantics E16).
    pub(crate) after: i64,
}

/// What a trend is judged by (semantics §3, C13a, C31).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum By {
    /// The least multiples of the spread, upward of both weeks and of each; and the slopes.
    Above {
        both: i128,
        each: i128,
        slopes: Vec<Test>,
    },
    /// The least multiple of the spread, downward, and the percent of the base level that no week exceeds.
    Below {
        below: i128,
        share: i64,
        slopes: Vec<Test>,
    },
    Streak,
    /// The change of the last week in percent.
    Ratio(i64),
    /// New users of seven days in percent of the active ones.
    NewUsers(i64),
}

/// A streak of weeks, and a slope in thousandths of its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) streak: i64,
    pub(crate) thousandths: i64,
}

/// What counts for a trend by default.
pub(crate) const SLOPES: [Test; 2] = [Test { streak: 3, thousandths: 3_000 }, Test { streak: 1, thousandths: 3_500 }];

/// What a ladder climbs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Of {
    ActiveUsers,
    UsersOfADomain,
    Departments,
    Meter(Meter),
}

/// What is counted by the day.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Meter {
    pub(crate) id: &'static str,
    pub(crate) role: Role,
    pub(crate) only: Vec<(&'static str, Vec<&'static str>)>,
    /// The sum of this number; none: the events.
    pub(crate) sum: Option<&'static str>,
    /// The number is a level, whose increases are summed.
    pub(crate) gauge: bool,
}

impl Meter {
    pub(crate) fn api_calls() -> Self {
        Self { id: "api_calls", role: Role::ApiCalled, only: Vec::new(), sum: None, gauge: false }
    }
}

/// What points make (semantics §6).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scores {
    /// The least score of emerging, warm and hot.
    pub(crate) bands: [i64; 3],
    /// How far below its least score a band is kept.
    pub(crate) keep: i64,
    /// The least scores of the tiers T1, T2 and T3; T4 asks for none.
    pub(crate) tiers: [i64; 3],
    /// Numbers of running active users whose crossing is published (semantics F12).
    pub(crate) user_counts: Vec<i64>,
}

/// What holds handoffs (semantics §7). Times are in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rails {
    pub(crate) after_signup: i64,
    pub(crate) usage: bool,
    pub(crate) pacing: i64,
    pub(crate) warm_up_days: i64,
    pub(crate) engaged_traits: bool,
    pub(crate) unanswered: i64,
}

/// How urgent a handoff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    High,
    Medium,
    Low,
}

/// A trigger as written (semantics §7).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) level: Level,
    /// Milliseconds.
    pub(crate) cooldown: i64,
    pub(crate) fires: Fires,
}

/// What a trigger fires on (semantics D1).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fires {
    On(On),
    /// A condition, and the closes of a day in a row at which it must be false before the trigger arms again (semantics
    /// D28).
    When(Condition, u32),
}

/// An event trigger.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct On {
    /// Events of a role; none: the first activity of a user.
    pub(crate) role: Option<Role>,
    pub(crate) only: Vec<(&'static str, Vec<&'static str>)>,
    /// Besides, the plan becomes enterprise (semantics D27).
    pub(crate) enterprise: bool,
    pub(crate) when: Option<Condition>,
    /// Only the first of the account's life fires.
    pub(crate) first: bool,
    pub(crate) raises_hand: bool,
    pub(crate) asks_for_sales: bool,
}

/// A signal of a pack: the same as another at its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signal {
    pub(super) place: usize,
    pub(super) it: &'static Definition,
}

/// A trigger of a pack: the same as another at its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trigger {
    pub(super) place: usize,
    pub(super) it: &'static Rule,
}

/// Compares by place.
macro_rules! by_place {
    ($($name:ident)*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.place == other.place
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.place.cmp(&other.place)
            }
        }
    )*};
}
by_place!(Signal Trigger);

impl Pack {
    /// Signals in the order of the file.
    pub(super) fn signals(&'static self) -> impl Iterator<Item = Signal> {
        self.signals.iter().enumerate().map(|(place, it)| Signal { place, it })
    }

    /// Triggers as they are decided: high, medium, low, and within a level in the order of the file (semantics D10).
    pub(super) fn triggers(&'static self) -> impl Iterator<Item = Trigger> {
        let of = |level| self.in_order().filter(move |trigger| trigger.it.level == level);
        [Level::High, Level::Medium, Level::Low].into_iter().flat_map(of)
    }

    /// Triggers in the order of the file.
    pub(super) fn in_order(&'static self) -> impl Iterator<Item = Trigger> {
        self.triggers.iter().enumerate().map(|(place, it)| Trigger { place, it })
    }

    /// The signal with an id.
    pub(super) fn signal(&'static self, id: &str) -> Option<Signal> {
        self.signals().find(|signal| signal.it.id == id)
    }
}

impl Trigger {
    /// Whether its condition reads a figure or trait.
    pub(super) fn reads(self, name: &str) -> bool {
        let when = match &self.it.fires {
            Fires::On(on) => on.when.as_ref(),
            Fires::When(when, _) => Some(when),
        };
        when.is_some_and(|when| when.names().iter().any(|read| read == name))
    }
}

impl Signal {
    /// The points of a rung; a ladder is exclusive (semantics E5).
    pub(super) fn points(self, rung: u32) -> i64 {
        if rung == 0 { 0 } else { self.it.points[rung as usize - 1] }
    }

    /// Whether the user's points enter the user's PQL score (column L of semantics §5).
    pub(super) fn is_in_user_points(self) -> bool {
        self.it.of_users && self.it.enters.is_none_or(|(pql, _)| pql)
    }

    /// Whether the user's points enter the PQA score alone (semantics C0).
    pub(super) fn is_of_users_in_pqa_alone(self) -> bool {
        self.it.of_users && self.it.enters == Some((false, true))
    }

    /// Whether the account's points enter the PQL score of its users.
    pub(super) fn is_in_pql_of_account(self) -> bool {
        self.it.of_accounts && self.it.enters.is_some_and(|(pql, _)| pql)
    }

    /// Whether the account's points enter the PQA score.
    pub(super) fn is_in_pqa_of_account(self) -> bool {
        self.it.of_accounts && self.it.enters.is_none_or(|(_, pqa)| pqa)
    }

    /// The events that the signal counts.
    pub(super) fn facts(self) -> Option<&'static Facts> {
        match &self.it.measure {
            Measure::Seen(facts)
            | Measure::Count(facts, _)
            | Measure::Distinct { facts, .. }
            | Measure::Sessions { facts, .. } => Some(facts),
            _ => None,
        }
    }

    /// Decided at the close of a week alone (semantics C15).
    pub(super) fn is_of_weeks(self) -> bool {
        matches!(self.it.measure, Measure::Growth(Direction::Up, _))
    }

    /// Rests on what a company is, which is never forgotten (semantics B13).
    pub(super) fn is_of_company(self) -> bool {
        use Measure::{Employees, LeadScore, OneOf, True};
        matches!(self.it.measure, Employees(_) | LeadScore(_) | OneOf(..) | True(_))
    }
}

impl Trigger {
    pub(super) fn on(self) -> Option<&'static On> {
        match &self.it.fires {
            Fires::On(on) => Some(on),
            Fires::When(..) => None,
        }
    }

    /// Somebody asked (semantics D14).
    pub(super) fn raises_hand(self) -> bool {
        self.on().is_some_and(|on| on.raises_hand)
    }
}

impl Default for Scores {
    fn default() -> Self {
        Self { bands: [30, 50, 80], keep: 5, tiers: [151, 80, 40], user_counts: vec![2, 5, 7, 10, 25, 50, 100] }
    }
}

impl Default for Rails {
    fn default() -> Self {
        Self {
            after_signup: DAY,
            usage: true,
            pacing: 3 * DAY,
            warm_up_days: 28,
            engaged_traits: true,
            unanswered: 7 * DAY,
        }
    }
}

impl Default for Pack {
    /// Domain §5 to §7.
    fn default() -> Self {
        Self {
            signals: signals(),
            triggers: triggers(),
            meters: vec![Meter::api_calls()],
            scores: Scores::default(),
            rails: Rails::default(),
        }
    }
}

/// The default pack.
pub(crate) static DEFAULT: LazyLock<Pack> = LazyLock::new(Pack::default);

/// Whose a signal is, and which scores its points enter.
const USER: (bool, bool) = (true, false);
const ACCOUNT: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);
const L_A: Option<(bool, bool)> = Some((true, true));
const L: Option<(bool, bool)> = Some((true, false));
const A: Option<(bool, bool)> = Some((false, true));

/// Events of some roles, for a number of days.
fn of(roles: &[Role], days: i64) -> Facts {
    Facts { roles: roles.to_vec(), ttl: (days > 0).then_some(days * DAY), ..Facts::default() }
}

fn signals() -> Vec<Definition> {
    use Measure::{
        Abandoned, ActiveDays, Distinct, Employees, Executive, FreeOnly, Growth, Idle, Ladder, NewUsers, OneOf, Seen,
        Sessions, SingleUser, Spike, Stalled, Stickiness, True, Within,
    };
    let rows = [
        (
            "feature.premium",
            Distinct {
                facts: Facts { premium: true, ..of(&[Role::FeatureUsed], 90) },
                of: "feature",
                within: None,
                rungs: vec![1, 3],
            },
            USER,
            vec![10, 15],
            L_A,
        ),
        ("feature.limit_hit", Seen(of(&[Role::LimitHit], 30)), ACCOUNT, vec![20], L_A),
        ("feature.api", Seen(of(&[Role::ApiCalled, Role::IntegrationConnected], 90)), USER, vec![15], L_A),
        (
            "feature.breadth",
            Distinct { facts: of(&[Role::FeatureUsed], 0), of: "feature", within: None, rungs: vec![5] },
            USER,
            vec![10],
            L_A,
        ),
        ("feature.export", Seen(of(&[Role::Exported], 90)), USER, vec![0], None),
        (
            "collab.invites",
            Distinct { facts: of(&[Role::UserInvited], 0), of: "invitee", within: None, rungs: vec![1, 3, 6] },
            USER,
            vec![10, 20, 30],
            L_A,
        ),
        ("collab.domain", Ladder(Of::UsersOfADomain, vec![3, 10]), ACCOUNT, vec![15, 25], L_A),
        (
            "collab.shared",
            Seen(Facts { only: vec![("external", vec!["true"])], ..of(&[Role::Shared], 90) }),
            USER,
            vec![10],
            L_A,
        ),
        ("collab.departments", Ladder(Of::Departments, vec![2]), ACCOUNT, vec![15], A),
        (
            "collab.workspaces",
            Distinct { facts: of(&[Role::WorkspaceCreated], 0), of: "workspace", within: None, rungs: vec![2] },
            ACCOUNT,
            vec![15],
            A,
        ),
        ("velocity.activation", Within(HOUR), USER, vec![10], L_A),
        ("velocity.stickiness", Stickiness(vec![30, 50]), BOTH, vec![10, 20], None),
        (
            "velocity.growth",
            Growth(Direction::Up, By::Above { both: 32, each: 10, slopes: SLOPES.to_vec() }),
            BOTH,
            vec![15],
            None,
        ),
        ("velocity.frequency", ActiveDays(5), USER, vec![15], L_A),
        ("velocity.user_adds", NewUsers { at_least: 5, spike_below: Some(0.0005) }, ACCOUNT, vec![15, 20], A),
        ("velocity.volume", Spike { meter: Meter::api_calls(), at_least: 5, above: 5.4 }, ACCOUNT, vec![10], A),
        ("account.users", Ladder(Of::ActiveUsers, vec![7]), ACCOUNT, vec![15], A),
        ("account.executive", Executive, ACCOUNT, vec![10], A),
        ("account.stalled", Stalled { at_least: 5, weeks: 8 }, ACCOUNT, vec![0], None),
        (
            "intent.pricing",
            Sessions { facts: of(&[Role::PricingViewed], 30), gap: 30 * MINUTE, rungs: vec![1, 3] },
            USER,
            vec![10, 20],
            L_A,
        ),
        (
            "intent.abandoned_upgrade",
            Abandoned { start: Role::UpgradeStarted, complete: Role::UpgradeCompleted, after: DAY, ttl: 30 * DAY },
            USER,
            vec![25],
            L_A,
        ),
        ("intent.enterprise", Seen(of(&[Role::EnterpriseRequested], 90)), USER, vec![30], L_A),
        (
            "intent.billing_support",
            Seen(Facts {
                only: vec![("topic", super::roles::BILLING_TOPICS.to_vec())],
                ..of(&[Role::SupportContacted], 30)
            }),
            USER,
            vec![20],
            L_A,
        ),
        ("intent.admin_change", Seen(Facts { after: DAY, ..of(&[Role::AdminTransferred], 90) }), ACCOUNT, vec![10], A),
        ("intent.terms", Seen(of(&[Role::TermsViewed], 30)), USER, vec![10], A),
        ("fit.size", Employees(vec![50, 500]), ACCOUNT, vec![10, 20], L_A),
        ("fit.industry", OneOf("industry", vec!["software"]), ACCOUNT, vec![10], L_A),
        ("fit.icp", True("icp"), ACCOUNT, vec![15], L_A),
        ("negative.inactive", Idle(7), USER, vec![-20], L),
        (
            "negative.declining",
            Growth(Direction::Down, By::Below { below: 12, share: 60, slopes: SLOPES.to_vec() }),
            BOTH,
            vec![-15],
            None,
        ),
        ("negative.single_user", SingleUser { days: 30 }, ACCOUNT, vec![-10], L_A),
        ("negative.free_only", FreeOnly { days: 30 }, ACCOUNT, vec![-10], L_A),
    ];
    let row = |(id, measure, (of_users, of_accounts), points, enters): (&str, _, _, _, _)| Definition {
        id: id.to_owned(),
        measure,
        of_users,
        of_accounts,
        points,
        enters,
    };
    rows.map(row).into()
}

fn triggers() -> Vec<Rule> {
    use super::condition::{at_least, is, not, or};
    use Level::{High, Low, Medium};
    let asked = |role| On { role: Some(role), raises_hand: true, ..On::default() };
    let rows = [
        ("enterprise-request", High, Fires::On(asked(Role::EnterpriseRequested))),
        ("contact-sales", High, Fires::On(On { enterprise: true, asks_for_sales: true, ..asked(Role::ContactSales) })),
        (
            "near-limit",
            High,
            Fires::When(
                at_least("active_users", 10)
                    .and(or([Condition::of_double("usage_ratio", ">=", 0.8), at_least("feature.limit_hit", 1)])),
                7,
            ),
        ),
        (
            "custom-pricing",
            High,
            Fires::On(On { only: vec![("topic", CUSTOM_PRICING_TOPICS.to_vec())], ..asked(Role::SupportContacted) }),
        ),
        ("user-hot", Medium, Fires::When(Condition::one_of("user.band", &["hot"]), 0)),
        (
            "five-new-users",
            Medium,
            Fires::When(
                or([at_least("velocity.user_adds", 2), at_least("velocity.user_adds", 1).and(not(is("spike_known")))]),
                7,
            ),
        ),
        ("pricing-sessions", Medium, Fires::When(at_least("user.intent.pricing", 2).and(not(is("paid"))), 0)),
        ("icp-departments", Medium, Fires::When(is("icp").and(at_least("departments", 2)), 0)),
        (
            "first-bill",
            Medium,
            Fires::On(On {
                role: Some(Role::BillingForecast),
                when: Some(Condition::of_double("event.amount", ">=", 500.0).and(is("paid"))),
                first: true,
                ..On::default()
            }),
        ),
        (
            "lead-score",
            Medium,
            Fires::When(
                Condition::of_double("lead_score", ">=", 20.0).and(at_least("users", 2)).and(not(is("paid"))),
                0,
            ),
        ),
        ("consolidation", Medium, Fires::On(On { role: Some(Role::ConsolidationRequested), ..On::default() })),
        (
            "self-serve-ceiling",
            Medium,
            Fires::When(
                is("paid").and(Condition::of_double("yearly_spend", ">=", 10_000.0)).and(not(is("has_contract_owner"))),
                7,
            ),
        ),
        (
            "at-risk",
            Medium,
            Fires::When(is("paid").and(or([at_least("negative.declining", 1), at_least("idle_days", 7)])), 0),
        ),
        ("user-warm", Low, Fires::When(Condition::one_of("user.band", &["warm"]).and(not(is("user.band_fell"))), 0)),
        ("target-engaged", Low, Fires::When(is("target").and(Condition::one_of("user.band", &["warm", "hot"])), 0)),
        ("steady-growth", Low, Fires::When(at_least("velocity.growth", 1).and(Condition::of_weeks(0, ">", 4)), 0)),
        ("target-first-user", Low, Fires::On(On { when: Some(is("target")), first: true, ..On::default() })),
    ];
    let row = |(id, level, fires): (&str, Level, Fires)| {
        let cooldown = match level {
            High => DAY,
            Medium => 7 * DAY,
            Low => 14 * DAY,
        };
        Rule { id: id.to_owned(), level, cooldown, fires }
    };
    rows.map(row).into()
}
