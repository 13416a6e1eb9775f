//! The effects of the fold: handoffs, messages of the signals feed, onboarding tracks, profiles and dead letters.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::event::{Outcome, Place, PlaceNumber};
use super::metrics::MetricsRow;
use super::time::{Day, EventTime};

/// Passes an account to sales or nurture.
#[derive(Clone, Debug, PartialEq)]
pub struct Handoff {
    /// The id of the episode.
    pub id: HandoffId,
    /// The account.
    pub account: String,
    /// The trigger that fired.
    pub trigger: Arc<str>,
    /// How urgent it is.
    pub level: Level,
    /// When it fired.
    pub at: EventTime,
    /// The earliest instant at which a person should act, where the level has one.
    pub due_from: Option<EventTime>,
    /// The latest instant by which a person should act, where the level has one.
    pub due: Option<EventTime>,
    /// No outreach before.
    pub not_before: EventTime,
    /// Triggers whose handoffs were held by pacing when this one fired.
    pub also: Vec<Arc<str>>,
    /// The users that it is about, by id bytes: at most 100.
    pub user_ids: Vec<String>,
    /// The number of users that are left out of `user_ids`.
    pub user_ids_left_out: u32,
    /// Why the trigger fired, in words.
    pub why: String,
    /// Its evidence.
    pub evidence: Evidence,
    /// The message id of the event that caused it; empty if time did.
    pub message_id: String,
    /// The rules that fired it.
    pub rules_version: Arc<str>,
    /// What the handoff says about the account.
    pub context: Box<HandoffContext>,
}

impl Handoff {
    /// The W3C trace context of the episode, whose trace id is the handoff id.
    pub fn traceparent(&self) -> String {
        let id = self.id.to_string();
        format!("00-{id}-{}-01", &id[..16])
    }
}

/// What a handoff says about its account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HandoffContext {
    /// Size class, by its id in the rules.
    pub segment: Arc<str>,
    /// Tier, by its id in the rules; none if untiered.
    pub tier: Option<Arc<str>>,
    /// The play of the tier at this level.
    pub play: Arc<str>,
    /// The route.
    pub route: Arc<str>,
    /// The owner of the account; empty if none.
    pub owner: String,
    /// The territory; empty if none.
    pub territory: String,
    /// The source to which the account is attributed.
    pub attribution: Attribution,
    /// Whether it goes to the holdout topic only.
    pub holdout: bool,
    /// The test of a threshold, if the account lies between its two values.
    pub arm: Option<Arm>,
    /// PQA score in points.
    pub score: i32,
    /// The parts of the score: a signal and its rung, or `users`, with their points.
    pub points: Vec<(Arc<str>, u8, i32)>,
    /// The top users.
    pub top_users: Vec<TopUser>,
    /// Whether no active user is a buyer.
    pub find_buyer: bool,
    /// How the account uses the product.
    pub usage: Usage,
    /// What it pays.
    pub money: Money,
    /// What to do and say.
    pub conversation: Conversation,
    /// The traits of the company.
    pub company: Company,
}

/// A test of a threshold, and which of its two candidate values applies to an account that lies between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The id of the test.
    pub id: Arc<str>,
    /// The group of the account, by a hash.
    pub group: Group,
}

/// Which of two candidate values applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The lower one: the handoff is sent as usual.
    Lower,
    /// The higher one, which is not reached: the handoff goes to the holdout topic.
    Higher,
}

impl Group {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Group::Lower => "lower",
            Group::Higher => "higher",
        }
    }
}

/// The source to which an account is attributed (semantics F4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attribution {
    /// There is usage, and an active user is a buyer.
    UsageAndPql,
    /// There is usage, and marketing brought a lead.
    UsageAndMql,
    /// Marketing brought a lead; there is no usage.
    MqlOnly,
    /// The buyer is unknown.
    #[default]
    BuyerUnknown,
}

/// One of the users with the highest scores.
#[derive(Clone, Debug, PartialEq)]
pub struct TopUser {
    /// The user.
    pub user: String,
    /// PQL score in points.
    pub score: i32,
    /// The band; empty if none.
    pub band: Arc<str>,
    /// Whether the user may decide a purchase.
    pub is_buyer: bool,
    /// The title in the profile.
    pub title: String,
    /// The e-mail address in the profile.
    pub email: String,
}

/// How an account uses the product. Windows end with the last closed day unless a field says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Features with their uses in the running 28 days, most used first.
    pub features: Vec<(String, u64)>,
    /// Running active users.
    pub active_users: u32,
    /// Activated users.
    pub activated_users: u32,
    /// Distinct active users of the day.
    pub dau: u32,
    /// Of 7 days.
    pub wau: u32,
    /// Of 28 days.
    pub mau: u32,
    /// Mean share of active users on a day.
    pub stickiness: Option<f64>,
    /// Growth of weekly active users, and its week.
    pub growth: Option<(f64, super::Week)>,
    /// The first meaningful event of this life.
    pub first_seen: Option<EventTime>,
    /// The start of the last active day.
    pub last_seen: Option<EventTime>,
    /// Whole days from sign-up to activation, of the user who was activated first.
    pub days_to_activation: Option<i32>,
    /// Meaningful events of the last 28 closed days.
    pub events: u64,
}

/// What an account pays and could pay.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Money {
    /// The plan, in lower case; empty if unknown.
    pub plan: String,
    /// Whether it is paid.
    pub paid: Option<bool>,
    /// Revenue a month in USD, of all paid subscriptions.
    pub mrr: Option<f64>,
    /// Used and allowed, by meter.
    pub quotas: Vec<(String, f64, f64)>,
    /// What the account could be worth a year, in USD.
    pub potential: f64,
    /// The suggested plan; empty if none.
    pub suggested_plan: Arc<str>,
    /// Seats of the subscription that the plan is of.
    pub seats: Option<f64>,
}

/// What to do and say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// exploring, evaluating or ready.
    pub buying_stage: &'static str,
    /// What to propose.
    pub next_step: &'static str,
    /// Who else should take part.
    pub needs: Vec<&'static str>,
    /// The template of the text; empty if none applies.
    pub template: Arc<str>,
    /// What to say.
    pub text: String,
}

/// The traits of a company.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Company {
    /// Employees.
    pub employees: Option<f64>,
    /// Industry; empty if unknown.
    pub industry: String,
    /// Country; empty if unknown.
    pub country: String,
    /// Whether it matches the ideal customer profile.
    pub icp: Option<bool>,
    /// Whether it is a target account.
    pub target: bool,
    /// Technologies.
    pub tech_stack: String,
    /// Known contacts.
    pub contacts: String,
    /// Lead score.
    pub lead_score: Option<f64>,
}

/// A change of the onboarding track of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct Onboarding {
    /// The account.
    pub account: String,
    /// The track.
    pub track: Track,
    /// The one before.
    pub before: Option<Track>,
    /// When.
    pub at: EventTime,
    /// Employees, where known.
    pub employees: Option<f64>,
}

/// The onboarding track of an account (semantics F11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Track {
    /// One user.
    Solo,
    /// Two users or more.
    SmallTeam,
    /// A mid-market company: richer onboarding, with the offer of a walkthrough.
    MidMarket,
    /// An enterprise: sales is notified at once, and the product is never gated.
    Enterprise,
}

impl Track {
    /// Its name on the topic.
    pub fn word(self) -> &'static str {
        match self {
            Track::Solo => "solo",
            Track::SmallTeam => "small_team",
            Track::MidMarket => "mid_market",
            Track::Enterprise => "enterprise",
        }
    }
}

/// The profile of an account. Its figures are those of the last closed day unless a field says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountProfile {
    /// The account.
    pub account: String,
    /// The instant of the profile.
    pub at: EventTime,
    /// Users ever active in this life.
    pub users: u32,
    /// Its founding day; none before its first meaningful event.
    pub founded: Option<Day>,
    /// Its last active day; none before its first meaningful event.
    pub last_active: Option<Day>,
    /// Distinct active users of the day.
    pub dau: u32,
    /// Of 7 days.
    pub wau: u32,
    /// Of 28 days.
    pub mau: u32,
    /// Mean share of active users on a day.
    pub stickiness: Option<f64>,
    /// Distinct active users of the last 8 closed weeks, oldest first; none where the week is not complete.
    pub trajectory: [Option<u32>; 8],
    /// Running active users.
    pub active_users: u32,
    /// Meaningful events of the last 28 closed days.
    pub events: u64,
    /// PQA score in points.
    pub score: i32,
    /// Tier, by its id in the rules; none if untiered.
    pub tier: Option<Arc<str>>,
    /// Size class, by its id in the rules.
    pub segment: Arc<str>,
    /// Distinct departments of running active users.
    pub departments: u32,
    /// The plan, in lower case; empty if unknown.
    pub plan: String,
    /// Whether it is paid.
    pub paid: Option<bool>,
    /// Requested enterprise features, in byte order.
    pub enterprise_requests: Vec<String>,
    /// Whether no active user is a buyer.
    pub find_buyer: bool,
    /// Signals that are on.
    pub signals: Vec<Arc<str>>,
}

/// The profile of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct UserProfile {
    /// The account.
    pub account: String,
    /// The instant of the profile.
    pub at: EventTime,
    /// Whether the user was forgotten; then the profile is a tombstone.
    pub gone: bool,
    /// The user, with score, band, `is_buyer`, title and e-mail address.
    pub user: TopUser,
    /// The sign-up.
    pub signed_up: Option<EventTime>,
    /// The first active day of this life.
    pub first_day: Option<super::Day>,
    /// The last active day.
    pub last_day: Option<super::Day>,
    /// Where the user came from.
    pub source: String,
    /// Whether first value was reached.
    pub activated: bool,
    /// Features that the user's signals keep, in byte order.
    pub features: Vec<String>,
    /// The plan of the account.
    pub plan: String,
    /// Signals that are on.
    pub signals: Vec<Arc<str>>,
}

/// The id of an episode: a hash of account, trigger and instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HandoffId(pub [u8; 16]);

impl HandoffId {
    /// The first 16 bytes of SHA-256 over account, trigger and `at` in decimal, each preceded by its length in
    /// bytes as 4 bytes big-endian.
    pub fn new(account: &str, trigger: &str, at: EventTime) -> HandoffId {
        let mut hash = Sha256::new();
        for field in [account, trigger, &at.0.to_string()] {
            hash.update((field.len() as u32).to_be_bytes());
            hash.update(field.as_bytes());
        }
        let digest = hash.finalize();
        HandoffId(std::array::from_fn(|i| digest[i]))
    }
}

/// A number from 0 to 1 for an account, for experiments: the first 8 bytes, big-endian, of SHA-256 over salt, a zero
/// byte and account, divided by 2⁶⁴. Anyone can recompute it (semantics D17).
pub fn share_of(salt: &str, account: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update(salt.as_bytes());
    hash.update([0]);
    hash.update(account.as_bytes());
    let digest = hash.finalize();
    u64::from_be_bytes(std::array::from_fn(|i| digest[i])) as f64 / 18_446_744_073_709_551_616.0
}

impl fmt::Display for HandoffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How urgent a handoff is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// At once.
    High,
    /// Within 24 to 48 hours.
    Medium,
    /// Nurture.
    Low,
}

impl Level {
    /// Every level, most urgent first: the order in which triggers of one instant are decided.
    pub const ALL: [Level; 3] = [Level::High, Level::Medium, Level::Low];

    /// Its name in topics, metrics and output.
    pub fn word(self) -> &'static str {
        match self {
            Level::High => "high",
            Level::Medium => "medium",
            Level::Low => "low",
        }
    }
}

/// A piece of evidence of a signal or trigger: 24 bytes (semantics E23).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fact {
    /// When.
    pub at: EventTime,
    /// The place of the event that proves it; none for a figure that no event caused.
    pub place: Option<PlaceNumber>,
    /// 1 for an event; otherwise a count, a ratio or an amount, which the signal defines.
    pub number: f64,
}

const _: () = assert!(size_of::<Fact>() == 24);

/// The evidence of a signal or trigger: facts by (instant, place), and how many more there are that are not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The facts.
    pub facts: Vec<Fact>,
    /// How many more there are, which are not kept.
    pub left_out: u32,
}

impl From<Fact> for Evidence {
    fn from(fact: Fact) -> Evidence {
        Evidence { facts: vec![fact], left_out: 0 }
    }
}

/// A message of the signals feed: what one step changed of an account, or a part of it (semantics D26).
#[derive(Clone, Debug, PartialEq)]
pub struct SignalChanges {
    /// The account.
    pub account: String,
    /// When.
    pub at: EventTime,
    /// The message id of the event that caused it; empty if time did.
    pub message_id: String,
    /// Users by the bytes of their ids, then the account; of each, changes, occurrences, and what is held.
    pub entries: Vec<SignalEntry>,
    /// The number of this part, from 0: a step with more entries than fit into a message has several.
    pub part: u32,
    /// Whether it is the last part.
    pub last: bool,
}

/// An entry of a message of the signals feed.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalEntry {
    /// The user; empty at account scope.
    pub user: String,
    /// The kind of entry, with its contents.
    pub kind: SignalKind,
    /// Its evidence.
    pub evidence: Evidence,
}

/// The kind of an entry of the signals feed.
#[derive(Clone, Debug, PartialEq)]
pub enum SignalKind {
    /// A signal moved from one rung to another.
    Changed(SignalChange),
    /// An event of an event trigger or a session of pricing views, whether or not a handoff follows.
    Occurrence {
        /// Its signal, if any.
        signal: Option<Arc<str>>,
        /// Its trigger, if any.
        trigger: Option<Arc<str>>,
    },
    /// A guard rail holds a handoff.
    Held {
        /// The trigger.
        trigger: Arc<str>,
        /// The rail that holds it.
        rail: Rail,
    },
}

impl SignalKind {
    /// The ids of its signal and its trigger, where it has them.
    fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        let (signal, trigger) = match self {
            SignalKind::Changed(change) => (Some(&change.signal), None),
            SignalKind::Occurrence { signal, trigger } => (signal.as_ref(), trigger.as_ref()),
            SignalKind::Held { trigger, .. } => (None, Some(trigger)),
        };
        signal.into_iter().chain(trigger)
    }
}

/// A change of a signal.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalChange {
    /// The signal.
    pub signal: Arc<str>,
    /// The rung before; 0 is off.
    pub before: u8,
    /// The rung after; 0 is off.
    pub after: u8,
    /// What caused it.
    pub reason: Reason,
}

/// What caused a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An event.
    Crossed,
    /// The end of a time to live.
    Lapsed,
    /// The close of a day or week.
    Closed,
    /// The user or account was forgotten.
    Forgotten,
    /// Other rules were activated.
    Activated,
}

/// A guard rail that can hold a handoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rail {
    /// There is no usage in the last 28 days.
    Usage = 1,
    /// At most one medium or low handoff per account in the pacing time.
    Pacing = 2,
    /// A trait forbids outreach, an opportunity is open, or another handoff awaits an answer.
    Engaged = 4,
    /// The event is before `live_from` of the rules.
    WarmUp = 8,
}

impl Rail {
    /// The rail's name on the feed.
    pub fn word(self) -> &'static str {
        match self {
            Rail::Usage => "usage",
            Rail::Pacing => "pacing",
            Rail::Engaged => "engaged",
            Rail::WarmUp => "warm_up",
        }
    }
}

/// An event that could not be used.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Why.
    pub reason: Outcome,
    /// Why, in words.
    pub detail: String,
    /// The bytes of the event.
    pub payload: Vec<u8>,
    /// The place in the partition.
    pub place: Place,
    /// The time of the record.
    pub record_time: Option<EventTime>,
}

/// Which entries of the signals feed are built. In a configuration: `true`, `false`, or a list of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// All of them.
    All,
    /// None.
    Off,
    /// Those of these signals and triggers, by their ids.
    Only(Arc<BTreeSet<Box<str>>>),
}

impl Feed {
    /// Whether there can be entries.
    pub fn is_on(&self) -> bool {
        *self != Feed::Off
    }

    /// Whether an entry of this kind is built.
    pub fn has(&self, kind: &SignalKind) -> bool {
        match self {
            Feed::All => true,
            Feed::Off => false,
            Feed::Only(ids) => kind.ids().any(|id| ids.contains(&**id)),
        }
    }
}

impl From<bool> for Feed {
    fn from(is_on: bool) -> Feed {
        if is_on { Feed::All } else { Feed::Off }
    }
}

impl Serialize for Feed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Feed::Only(ids) => serializer.collect_seq(&**ids),
            Feed::All | Feed::Off => serializer.serialize_bool(self.is_on()),
        }
    }
}

impl<'de> Deserialize<'de> for Feed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Feed, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Feed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or a list of ids of signals and triggers")
            }

            fn visit_bool<E>(self, is_on: bool) -> Result<Feed, E> {
                Ok(is_on.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Feed, A::Error> {
                let mut ids = BTreeSet::new();
                while let Some(id) = list.next_element()? {
                    ids.insert(id);
                }
                Ok(Feed::Only(Arc::new(ids)))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

/// Which effects are built. State and the other effects do not depend on it. Handoffs and dead letters always are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The signals feed.
    pub signals: Feed,
    /// Profiles of accounts.
    pub accounts: bool,
    /// Profiles of users.
    pub users: bool,
    /// Rows of metrics.
    pub metrics: bool,
}

impl Wanted {
    /// All of them.
    pub const ALL: Wanted = Wanted { signals: Feed::All, accounts: true, users: true, metrics: true };
    /// Handoffs, onboarding tracks and dead letters only.
    pub const LEAST: Wanted = Wanted { signals: Feed::Off, accounts: false, users: false, metrics: false };

    /// Whether closes visit accounts of which nothing but figures has changed.
    pub fn figures(&self) -> bool {
        self.accounts || self.metrics
    }
}

/// The buffer to which the fold pushes its effects, in order.
#[derive(Debug)]
pub struct Effects {
    /// What is built.
    pub wanted: Wanted,
    /// Handoffs.
    pub handoffs: Vec<Handoff>,
    /// The signals feed, if it is wanted.
    pub signals: Vec<SignalChanges>,
    /// How many entries the signals feed has, wanted or not.
    pub entries: u64,
    /// Tracks that changed.
    pub onboarding: Vec<Onboarding>,
    /// Profiles of accounts, if they are wanted.
    pub accounts: Vec<AccountProfile>,
    /// Profiles of users, if they are wanted.
    pub users: Vec<UserProfile>,
    /// Rows of metrics, if they are wanted.
    pub metrics: Vec<MetricsRow>,
    /// Dead letters.
    pub dead_letters: Vec<DeadLetter>,
}

impl Effects {
    /// An empty buffer.
    pub fn new(wanted: Wanted) -> Effects {
        Effects {
            wanted,
            handoffs: Vec::new(),
            signals: Vec::new(),
            entries: 0,
            onboarding: Vec::new(),
            accounts: Vec::new(),
            users: Vec::new(),
            metrics: Vec::new(),
            dead_letters: Vec::new(),
        }
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.handoffs.is_empty()
            && self.entries == 0
            && self.onboarding.is_empty()
            && self.accounts.is_empty()
            && self.users.is_empty()
            && self.metrics.is_empty()
            && self.dead_letters.is_empty()
    }

    /// Drops what is in the buffer. Its memory is kept, unless there was so much, as at the close of a day, that it would
    /// lie idle until the next one.
    pub fn clear(&mut self) {
        if self.is_empty() {
            return;
        }
        self.entries = 0;
        empty(&mut self.handoffs);
        empty(&mut self.signals);
        empty(&mut self.onboarding);
        empty(&mut self.accounts);
        empty(&mut self.users);
        empty(&mut self.metrics);
        empty(&mut self.dead_letters);
    }
}

/// The most messages of one kind for which memory is kept.
const KEPT: usize = 1_024;

fn empty<T>(messages: &mut Vec<T>) {
    messages.clear();
    messages.shrink_to(KEPT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_handoff_is_stable_for_ever() {
        let id = HandoffId::new("acme", "five-new-users", EventTime(1_767_312_000_000));
        assert_eq!(id.to_string(), "62a46d8bb59a01314c33e295628b87f2");
    }

    #[test]
    fn shares_are_those_of_the_domain_page() {
        for (salt, account, expected) in [
            ("upswell", "acme", 0.566_036_332_4),
            ("upswell", "globex", 0.953_599_129_0),
            ("2026-q1", "acme", 0.165_428_489_1),
        ] {
            assert!((share_of(salt, account) - expected).abs() < 1e-10, "{salt} {account}");
        }
    }
}
