//! The rules file as it is written. What each key means is said where it is compiled (`plan`), and in the schema that
//! `upswell rules schema` derives from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::exclude;
use super::free_mail;
use super::ids;
use super::roles::{Mapping, Preset};
use crate::model::{Field, Level, Millis, Role};

/// The rules of an Upswell: what events mean, what is computed from them, and what follows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Rules of Upswell")]
pub(super) struct File {
    /// Names the rules, together with a hash of the file and of the presets that it names: name@hash is the version on every
    /// handoff.
    pub(super) name: String,
    /// Tracking plans whose names are understood as well. They are asked after the mappings of this file.
    #[serde(default)]
    #[schemars(with = "Vec<Preset>")]
    pub(super) presets: Vec<Spanned<String>>,
    /// How event time moves, and where days begin.
    pub(super) time: Time,
    /// Which ids are none, and how account ids are written.
    #[serde(default)]
    pub(super) ids: ids::Written,
    /// What one partition may hold.
    pub(super) limits: Limits,
    /// What raw events mean. Of several mappings with one role the first counts; an event may have several roles.
    #[schemars(with = "Vec<Mapping>")]
    pub(super) roles: Vec<Spanned<Mapping>>,
    /// Who and what does not count: not activity, no fact, no occurrence. Traits are taken all the same.
    #[serde(default)]
    #[schemars(with = "exclude::Written")]
    pub(super) exclude: Option<Spanned<exclude::Written>>,
    /// What is counted by the day, by id: what signals of the kinds spike and ladder look at.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Meter>")]
    pub(super) meters: BTreeMap<String, Spanned<Meter>>,
    /// Instances of the signal kinds, at most 256 of one scope. Rungs of a ladder are exclusive: the highest one met counts.
    #[schemars(with = "Vec<Signal>")]
    pub(super) signals: Vec<Spanned<Signal>>,
    /// What people and companies are.
    pub(super) traits: Traits,
    /// What points make.
    pub(super) scores: Scores,
    /// Size classes by employees, smallest first.
    #[schemars(with = "Vec<Segment>", length(min = 1))]
    pub(super) segments: Spanned<Vec<Spanned<Segment>>>,
    /// What fires, at most 64.
    #[schemars(with = "Vec<Trigger>")]
    pub(super) triggers: Vec<Spanned<Trigger>>,
    /// When a person should act.
    pub(super) due: Due,
    /// What keeps a handoff from reaching a person at a bad time.
    pub(super) rails: Rails,
    /// Through whom: the first row that matches.
    #[schemars(with = "Vec<Route>", length(min = 1))]
    pub(super) routes: Spanned<Vec<Spanned<Route>>>,
    /// Who owns an account: the first row that matches.
    #[serde(default)]
    #[schemars(with = "Vec<Territory>")]
    pub(super) territories: Vec<Spanned<Territory>>,
    /// People who try handoffs out.
    #[serde(default)]
    #[schemars(with = "Option<Pilot>")]
    pub(super) pilot: Option<Spanned<Pilot>>,
    /// Rates of currencies, and what follows from potential and from what was asked for.
    #[serde(default)]
    pub(super) money: Money,
    /// What to say: the first row that matches and can be filled.
    #[serde(default)]
    #[schemars(with = "Vec<Template>")]
    pub(super) templates: Vec<Spanned<Template>>,
}

/// How event time moves, and where days begin.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    /// How far an event may lag behind the newest and still reach every close; at most 24h.
    #[schemars(with = "Millis")]
    pub(super) allowed_lateness: Spanned<Millis>,
    /// How far an event may be ahead of its record's time; beyond it is from the future, and dead-lettered.
    pub(super) max_skew: Millis,
    /// How long a message id is remembered, in event time; else allowed_lateness.
    pub(super) dedupe_window: Option<Millis>,
    /// How many message ids are remembered.
    pub(super) dedupe_ids: u32,
    /// Users and accounts away for more days than this start a new life.
    #[schemars(with = "u32", range(min = 64, max = 36500))]
    pub(super) forget_after_days: Spanned<u32>,
    /// Days begin at midnight of this offset from UTC, and weeks on its Mondays: a sign, hours and minutes, `-14:00` to
    /// `+14:00`, as `-08:00`; else `+00:00`. Instants stay in UTC. There is no daylight saving time. It cannot change in a
    /// log.
    #[schemars(with = "Option<String>", regex(pattern = r"^[+-](0\d|1[0-4]):[0-5]\d$"))]
    pub(super) utc_offset: Option<Spanned<String>>,
}

/// What one partition may hold before new state is refused, loudly.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Accounts.
    #[schemars(with = "u32", range(min = 1))]
    pub(super) accounts: Spanned<u32>,
    /// Users.
    #[schemars(with = "u32", range(min = 1))]
    pub(super) users: Spanned<u32>,
}

/// What is counted by the day.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Meter {
    /// Events of this role.
    pub(super) role: Role,
    /// Of them those whose fields have one of these values, without regard to case.
    #[serde(default, rename = "where")]
    pub(super) only: BTreeMap<Field, Vec<Word>>,
    /// Sum of this field of them; else their number.
    pub(super) sum: Option<Field>,
    /// The field is a level, not an amount: its increases are summed, from the latest reading by event time.
    #[serde(default)]
    pub(super) gauge: bool,
}

/// A signal with the parameters of every kind; which of them a kind takes is checked when it is compiled.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["id", "kind", "scopes"]))]
pub(super) struct Signal {
    /// Its id, on the feed and in conditions: a group and a name in lower case, as velocity.growth.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"))]
    pub(super) id: String,
    /// What it measures. Each kind takes parameters of its own, and refuses others.
    #[schemars(with = "Kind")]
    pub(super) kind: Option<Kind>,
    /// Whose signal it is: user, account, or both, which makes two signals of one id.
    #[schemars(length(min = 1, max = 2))]
    pub(super) scopes: Vec<Scope>,
    /// Points of each rung, or one number for all; -10000 to 10000. Without points it is evidence.
    pub(super) points: Points,
    /// The scores that the points enter; without it a user's enter pql, and an account's pqa, if it has both scopes.
    #[serde(rename = "in")]
    pub(super) enters: Option<Vec<ScoreName>>,
    /// Off, without being removed from the file.
    pub(super) off: bool,
    /// Events of these roles.
    pub(super) roles: Vec<Role>,
    /// Of them only those whose fields have one of these values, without regard to case.
    #[serde(rename = "where")]
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Field"}))]
    pub(super) only: BTreeMap<Field, Vec<Word>>,
    /// The same, where the mapping of an event binds the field; others count.
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Field"}))]
    pub(super) where_bound: BTreeMap<Field, Vec<Word>>,
    /// Only events of premium features.
    pub(super) premium: bool,
    /// What is counted or compared: a field, `session`, a figure, a meter, by kind.
    pub(super) of: Option<String>,
    /// How long a fact counts; without it for life.
    pub(super) ttl: Option<Millis>,
    /// Silence that ends a session.
    pub(super) gap: Option<Millis>,
    /// Only so soon after sign-up, or after the first event.
    pub(super) within: Option<Millis>,
    /// Only so long after the founding of the account; or after the start.
    pub(super) after: Option<Millis>,
    /// The rungs of a ladder, one to three, rising.
    #[schemars(length(min = 1, max = 3), extend("items" = {"type": "number", "exclusiveMinimum": 0}))]
    pub(super) rungs: Option<Vec<f64>>,
    /// Values that count.
    pub(super) one_of: Option<Vec<String>>,
    /// Percent that a share must exceed, for each of one to three rungs, rising.
    #[schemars(length(min = 1, max = 3))]
    pub(super) above_percent: Option<Vec<u32>>,
    /// Whether it looks for growth or decline.
    pub(super) direction: Option<Direction>,
    /// Tests of a trend, any of which suffices; or none: a bare streak of three weeks.
    pub(super) significance: Option<Significance>,
    /// Days: of the last 7 for active_days, at most 28 for idle, at most 3650 for age.
    #[schemars(range(min = 1, max = 3650))]
    pub(super) days: Option<u32>,
    /// Weeks.
    #[schemars(range(min = 1, max = 12))]
    pub(super) weeks: Option<u32>,
    /// At least so many.
    pub(super) at_least: Option<u32>,
    /// A spike is less likely than this.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) spike_below: Option<f64>,
    /// A spike lies so many standard deviations above the mean.
    pub(super) spike_above: Option<f64>,
}

/// Points of the rungs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "points are a whole number, or a list of one for each rung")]
#[schemars(extend("anyOf" = [
    {"description": "None.", "type": "null"},
    {"description": "The same for every rung.", "type": "integer", "minimum": -10000, "maximum": 10000},
    {
        "description": "One number for each rung.",
        "type": "array",
        "items": {"type": "integer", "minimum": -10000, "maximum": 10000},
        "minItems": 1,
        "maxItems": 3
    }
]))]
pub(super) enum Points {
    /// None.
    #[default]
    None,
    /// The same for every rung.
    All(i32),
    /// One number for each rung.
    Each(Vec<i32>),
}

/// A value that a field may have.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, true or false")]
pub(super) enum Word {
    /// A truth.
    Boolean(bool),
    /// A text.
    Text(String),
}

/// A score that points enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ScoreName {
    /// Of users: how engaged they are.
    Pql,
    /// Of accounts.
    Pqa,
}

/// What a signal measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// An event of some roles.
    Seen,
    /// So many events of some roles.
    Count,
    /// So many distinct values of a field, or sessions.
    Distinct,
    /// A figure of the account, at least so large.
    Ladder,
    /// One role soon after another.
    Within,
    /// Something started and not completed in time.
    Abandoned,
    /// Active on so many of the last 7 days.
    ActiveDays,
    /// The mean active share of the last 28 days.
    Stickiness,
    /// A trend of weekly values.
    Growth,
    /// Far more than usual: of new users, or of a meter.
    Spike,
    /// No activity for days; of an account: nobody new for weeks.
    Idle,
    /// So old, and still a single user or free.
    Age,
    /// So much of a quota used.
    UsageRatio,
    /// What is known of the account.
    Trait,
}

/// Whose signal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scope {
    /// Each user's.
    User,
    /// The account's.
    Account,
}

/// Which way a trend goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    /// Growth.
    Up,
    /// Decline.
    Down,
}

/// How far a trend must go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "significance is none, or tests like { above: 32, each: 10 }")]
pub(super) enum Significance {
    /// `none`: a bare streak of three weeks.
    #[schemars(extend("const" = "none"))]
    Word(String),
    /// Against the account's base level, or by slope.
    Tests(Tests),
}

/// The tests of a trend.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tests {
    /// Upward, of an account: how clearly the last two weeks together lie above the base level.
    pub(super) above: Option<u32>,
    /// Upward, of an account: how clearly each of them does.
    pub(super) each: Option<u32>,
    /// Downward, of an account: how clearly each of the last four weeks lies below it.
    pub(super) below: Option<u32>,
    /// Downward, of an account: percent of the base level that none of them exceeds.
    pub(super) share: Option<u32>,
    /// Of a user, and upward of an account whose base level is unknown: any of these slopes.
    pub(super) slope: Option<Vec<Test>>,
}

/// A test of a slope.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    /// Weeks of strict change.
    pub(super) streak: u32,
    /// Slope in standard deviations.
    pub(super) z: f64,
}

/// What people and companies are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Traits {
    /// Words of executive titles.
    pub(super) executive_titles: Vec<String>,
    /// Words of the titles and seniorities of buyers, besides executive ones.
    pub(super) buyer_titles: Vec<String>,
    /// Roles in the product whose holders count as executives.
    pub(super) executive_roles: Vec<String>,
    /// A list of e-mail hosts that are no company's; it never changes, a newer one has another name.
    pub(super) free_mail_list: Option<free_mail::List>,
    /// Further e-mail hosts that are no company's.
    #[serde(default)]
    pub(super) free_mail: Vec<String>,
    /// E-mail hosts that are a company's, though the list has them.
    #[serde(default)]
    pub(super) company_mail: Vec<String>,
    /// Other names of departments.
    #[serde(default)]
    pub(super) departments: BTreeMap<String, String>,
    /// What support is asked about before a purchase.
    pub(super) billing_topics: Vec<String>,
}

/// What points make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scores {
    /// Bands of a PQL score.
    #[schemars(with = "Bands")]
    pub(super) bands: Spanned<Bands>,
    /// Tiers of an account, best first.
    #[schemars(with = "Vec<Tier>", length(max = 14))]
    pub(super) tiers: Vec<Spanned<Tier>>,
    /// Numbers of active users whose crossing is told, rising, at most 255.
    #[schemars(with = "Vec<u32>", length(max = 255))]
    pub(super) active_users: Spanned<Vec<u32>>,
}

/// Bands of a PQL score.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bands {
    /// Emerging from so many points on.
    pub(super) emerging: i32,
    /// Warm from so many points on.
    pub(super) warm: i32,
    /// Hot from so many points on.
    pub(super) hot: i32,
    /// A band is kept down to so many points below its threshold.
    pub(super) keep: i32,
}

/// A tier: all its conditions are needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tier {
    /// Its id.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(super) id: String,
    /// At least so many active users.
    pub(super) users: u32,
    /// At most so many.
    pub(super) users_at_most: Option<u32>,
    /// At least so many departments.
    #[serde(default)]
    pub(super) departments: u32,
    /// Matches the ideal customer profile.
    #[serde(default)]
    pub(super) icp: bool,
    /// At least so many points.
    pub(super) score: Option<i32>,
    /// More than so many points.
    pub(super) score_above: Option<i32>,
    /// What its team does, by level.
    #[serde(default)]
    pub(super) plays: BTreeMap<Level, String>,
}

/// A size class.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Segment {
    /// Its id.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(super) id: String,
    /// From so many employees on; none: the class of companies whose size is unknown.
    pub(super) employees: Option<f64>,
    /// What an account is worth a year at least, in USD.
    #[serde(default)]
    pub(super) potential: f64,
    /// The track of its accounts: mid_market or enterprise; none: by their users.
    pub(super) track: Option<TrackName>,
    /// The only user of an account of it may decide a purchase.
    #[serde(default)]
    pub(super) only_user_buys: bool,
}

/// An onboarding track for accounts of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TrackName {
    /// Richer onboarding, with the offer of a walkthrough.
    MidMarket,
    /// Told to sales at once, never gated.
    Enterprise,
}

/// A trigger: exactly one of `on` and `when`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trigger {
    /// Its id, for ever: it is hashed into handoff ids.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(super) id: String,
    /// How urgent its handoffs are.
    pub(super) level: Level,
    /// Its cooldown: how long after a handoff it does not fire again.
    pub(super) cooldown: Millis,
    /// Closed days on which it must have been false before it can fire again; 0: it was false at any moment.
    #[serde(default)]
    pub(super) rearm_after_closed_days: u8,
    /// Fires on an event.
    pub(super) on: Option<OnEvent>,
    /// Fires when this CEL condition becomes true. One that names `user.…` has an edge for each user.
    pub(super) when: Option<String>,
}

/// What an event trigger fires on: exactly one of role and new_user.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OnEvent {
    /// Events of this role.
    pub(super) role: Option<Role>,
    /// The first meaningful event of a user.
    pub(super) new_user: bool,
    /// Of the events those whose fields have one of these values.
    #[serde(rename = "where")]
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Field"}))]
    pub(super) only: BTreeMap<Field, Vec<Word>>,
    /// And the latest plan becoming this one.
    pub(super) plan: Option<String>,
    /// Only if this CEL condition holds; `event.…` are the fields of the event.
    pub(super) when: Option<String>,
    /// Only the first in the account's life.
    pub(super) first: bool,
    /// It is a raised hand: sign-up and usage do not hold it.
    pub(super) raised_hand: bool,
    /// It asks for sales: the segment does not divert it.
    pub(super) asks_for_sales: bool,
}

/// When a person should act.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Due {
    /// Of medium handoffs, after outreach may begin.
    #[schemars(with = "DueRange")]
    pub(super) medium: Spanned<DueRange>,
}

/// A range of time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DueRange {
    /// Not before.
    pub(super) from: Millis,
    /// Not later.
    pub(super) by: Millis,
}

/// Guard rails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rails {
    /// No outreach so soon after sign-up.
    pub(super) after_signup: Millis,
    /// No handoff without activity in the last 28 days to talk about.
    pub(super) usage: bool,
    /// At most one medium or low handoff per account in this time.
    pub(super) pacing: Millis,
    /// Of an account that was in mid-life when the log began: nobody is known to be new.
    pub(super) warm_up_days: u8,
    /// What happened before is history: nobody is told of it. An RFC 3339 instant.
    #[schemars(with = "Option<String>")]
    pub(super) live_from: Option<Spanned<String>>,
    /// No medium or low handoff while somebody is at it.
    pub(super) engaged: Engaged,
    /// Accounts that are left alone, to learn whether outreach helps.
    #[schemars(with = "Holdout")]
    pub(super) holdout: Spanned<Holdout>,
    /// Tests of a threshold: accounts between two candidate values are split by hash.
    #[serde(default)]
    #[schemars(with = "Vec<Arm>")]
    pub(super) arms: Vec<Spanned<Arm>>,
}

/// When somebody is at it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Engaged {
    /// Do not contact, or an open opportunity.
    pub(super) traits: bool,
    /// A handoff to a person without an answer, for this time.
    pub(super) unanswered: Millis,
}

/// Accounts that are left alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Holdout {
    /// Their share, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) share: f64,
    /// Hashed with the account; another salt is another experiment.
    pub(super) salt: String,
}

/// A test of a threshold, of whose two candidate values the conditions of its triggers are the lower one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Arm {
    /// Its id, on every handoff of an account between the two.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(super) id: String,
    /// Medium and low triggers with a condition, each in one arm at most.
    #[schemars(length(min = 1))]
    pub(super) triggers: Vec<String>,
    /// This CEL condition says that the higher value is reached too. It may name `user.…` where its triggers do.
    pub(super) above: String,
    /// The share of the accounts between the two for which the lower value decides, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) share: f64,
    /// Hashed with the account; none: the id.
    pub(super) salt: Option<String>,
}

/// A row of the routes: all that is given must match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["route"]))]
pub(super) struct Route {
    /// Through whom.
    pub(super) route: String,
    /// Handoffs of these triggers.
    pub(super) triggers: Option<Vec<String>>,
    /// Of these levels.
    pub(super) levels: Option<Vec<Level>>,
    /// Of accounts of these segments.
    pub(super) segments: Option<Vec<String>>,
    /// Of accounts of these tiers.
    pub(super) tiers: Option<Vec<String>>,
    /// Whether the account asked for sales itself.
    pub(super) asked: Option<bool>,
    /// No person reads it, and none is waited for.
    pub(super) automated: bool,
}

/// A row of the territory table: all that is given must match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["territory", "owner"]))]
pub(super) struct Territory {
    /// The territory.
    pub(super) territory: String,
    /// Who owns its accounts.
    pub(super) owner: String,
    /// Countries, compared without regard to case.
    pub(super) countries: Option<Vec<String>>,
    /// Segments.
    pub(super) segments: Option<Vec<String>>,
    /// Industries, compared without regard to case.
    pub(super) industries: Option<Vec<String>>,
    /// This share of the accounts, by a hash of the account: 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) share: Option<f64>,
}

/// People who try handoffs out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pilot {
    /// The share of accounts that goes to them, by a hash of the account: 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) share: f64,
    /// Who they are.
    pub(super) owners: Vec<String>,
}

/// Money.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Money {
    /// USD for a unit of a currency, by ISO 4217 code.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub(super) rates: BTreeMap<String, Spanned<f64>>,
    /// Above so much a year a person introduces themself, in USD; 0 if none.
    #[schemars(with = "Option<f64>", range(min = 0.0))]
    pub(super) personal_above: Option<Spanned<f64>>,
    /// Plans that fit what was asked for; the first that matches.
    #[schemars(with = "Vec<SuggestedPlan>")]
    pub(super) suggested_plans: Vec<Spanned<SuggestedPlan>>,
}

/// A plan that fits what was asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SuggestedPlan {
    /// The signals, any of which being on asks for it.
    pub(super) signals: Vec<String>,
    /// The plan.
    pub(super) plan: String,
}

/// What to say.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["id", "text"]))]
pub(super) struct Template {
    /// Its id.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub(super) id: String,
    /// For these levels.
    pub(super) levels: Option<Vec<Level>>,
    /// For these triggers.
    pub(super) triggers: Option<Vec<String>>,
    /// For potentials above the limit of a personal introduction, or not above it.
    pub(super) personal: Option<bool>,
    /// The text, a Jinja template; it must name a usage fact.
    pub(super) text: String,
}
