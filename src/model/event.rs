//! The input: events, their places in the log, and their outcomes; roles and fields.

use std::borrow::Cow;
use std::num::NonZeroI64;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::text::Text;
use super::time::EventTime;

/// One product event, borrowed from its record.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// Identifies the event within its source; if empty, duplicates are not detected.
    pub message_id: Text<'a>,
    /// The producer.
    pub source: Text<'a>,
    /// What kind of call this is.
    pub kind: EventKind,
    /// The name of the event, page or screen; of an activation of rules, the text of the rules file.
    pub name: Text<'a>,
    /// The user within the account; empty: unknown.
    pub user: Text<'a>,
    /// The device or browser of a visitor whose user is not known.
    pub anonymous_id: Text<'a>,
    /// The account; empty only in control events.
    pub account: Text<'a>,
    /// When it happened.
    pub time: EventTime,
    /// When it was received, if a file has that time. It replaces the time of the record.
    pub received: Option<EventTime>,
    /// The properties of the event.
    pub properties: Fields<'a>,
    /// The traits of the user (identify) or of the account (group).
    pub traits: Fields<'a>,
    /// The context of the event, of which the user agent is read.
    pub context: Fields<'a>,
    /// The place in another topic from which it was copied into the log.
    pub provenance: Option<Provenance<'a>>,
}

impl<'a> Event<'a> {
    /// The fields of the event: properties if events of its kind have a name, otherwise traits.
    pub fn payload(&self) -> &Fields<'a> {
        if self.kind.has_name() { &self.properties } else { &self.traits }
    }
}

/// Hashes of the ids of an event, by which its account, its user and duplicates are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The hash of the account.
    pub account: u64,
    /// The hash of the user within the account; meaningless if the event has no user.
    pub user: u64,
    /// The hash of source and message id; none if the event has no message id.
    pub message: Option<u128>,
}

impl Keys {
    /// The hashes of an event.
    pub fn of(event: &Event<'_>) -> Keys {
        let account = Keys::hash_account(event.account.as_bytes());
        Keys { account, user: Keys::hash_user(account, event.user.as_bytes()), message: Keys::hash_message(event) }
    }

    /// The hash of an account's id.
    pub fn hash_account(id: &[u8]) -> u64 {
        xxh3_64(id)
    }

    /// The hash of a user, of the hash of the account and the id of the user.
    pub fn hash_user(account: u64, id: &[u8]) -> u64 {
        (account ^ xxh3_64(id).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The hash of a message id, seeded with the hash of its source.
    fn hash_message(event: &Event<'_>) -> Option<u128> {
        (!event.message_id.is_empty())
            .then(|| xxh3_128_with_seed(event.message_id.as_bytes(), xxh3_64(event.source.as_bytes())))
    }
}

/// The kind of call of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A user did something.
    Track,
    /// Traits of a user.
    Identify,
    /// Traits of an account.
    Group,
    /// A page was viewed.
    Page,
    /// A screen of an app was viewed.
    Screen,
    /// Two ids are the same person.
    Alias,
    /// Control: time has passed.
    Tick,
    /// Control: other rules apply from here on.
    RulesActivation,
    /// Control: the history of a backfill begins.
    BackfillBegin,
    /// Control: it ends.
    BackfillEnd,
    /// Control: a user is erased.
    Forget,
}

impl EventKind {
    /// Whether calls of this kind have a name, which identify and group calls do not have.
    pub fn has_name(self) -> bool {
        !matches!(self, EventKind::Identify | EventKind::Group)
    }

    /// Whether the event is a control event, which needs no account.
    pub fn is_control(self) -> bool {
        use EventKind::{BackfillBegin, BackfillEnd, Forget, RulesActivation, Tick};
        matches!(self, Tick | RulesActivation | BackfillBegin | BackfillEnd | Forget)
    }
}

/// Properties or traits in their encoded form. A field is decoded when it is read (`wire::fields`).
#[derive(Clone, Debug, Default)]
pub enum Fields<'a> {
    /// There are none.
    #[default]
    None,
    /// Every occurrence of field `tag` in an encoded `ProductEvent` that was checked. Together they are one `Struct`.
    Proto {
        /// The part of the event that holds them: whole fields.
        part: &'a [u8],
        /// The tag of the field of the `Struct`.
        tag: u32,
    },
    /// A JSON object.
    Json(&'a str),
    /// A JSON object that does not stand in the record as it is, because the record is in the format of another tool.
    Owned(Box<str>),
}

/// The place in another topic from which an event was copied into the log.
#[derive(Clone, Debug)]
pub struct Provenance<'a> {
    /// The topic.
    pub topic: Cow<'a, str>,
    /// Its partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// The place of an event in its partition of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The offset of the record.
    pub offset: i64,
    /// The index of the event in its record.
    pub index: u32,
}

/// The place of an event in its partition as one number, for evidence: offset · 2²⁰ + index in the record (semantics
/// E23). It orders events as [`Place`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlaceNumber(NonZeroI64);

impl PlaceNumber {
    /// Bits of the index. A record of a million events is larger than any broker takes.
    const INDEX_BITS: u32 = 20;

    /// The number, from 0.
    pub fn get(self) -> i64 {
        self.0.get() - 1
    }

    /// A number that was published; none below 0.
    pub fn new(number: i64) -> Option<PlaceNumber> {
        NonZeroI64::new(number.checked_add(1)?).filter(|it| it.get() > 0).map(PlaceNumber)
    }
}

impl From<Place> for PlaceNumber {
    fn from(place: Place) -> PlaceNumber {
        const OFFSET_MAX: i64 = (1 << (62 - PlaceNumber::INDEX_BITS)) - 1;
        let index = place.index.min((1 << PlaceNumber::INDEX_BITS) - 1);
        let number = (place.offset.clamp(0, OFFSET_MAX) << PlaceNumber::INDEX_BITS) + i64::from(index);
        PlaceNumber(NonZeroI64::new(number + 1).expect("places count from 0"))
    }
}

/// A role: what an event means to the rules, whatever the product calls it (semantics §4, §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A user signed up.
    SignedUp,
    /// A user reached the first value of the product.
    Activated,
    /// A user began to fill in a profile.
    ProfilingStarted,
    /// A user completed a profile.
    ProfilingFinished,
    /// A feature was used.
    FeatureUsed,
    /// The API was called.
    ApiCalled,
    /// An integration was connected.
    IntegrationConnected,
    /// A usage or storage limit was hit.
    LimitHit,
    /// How much of a quota is used.
    UsageReported,
    /// Data was exported.
    Exported,
    /// Content was shared.
    Shared,
    /// A user invited somebody.
    UserInvited,
    /// A user became a member.
    MemberAdded,
    /// A user is no longer a member.
    MemberRemoved,
    /// A workspace was created.
    WorkspaceCreated,
    /// The account has a new admin.
    AdminTransferred,
    /// The pricing page was viewed.
    PricingViewed,
    /// Terms or the privacy policy were viewed.
    TermsViewed,
    /// An upgrade was started.
    UpgradeStarted,
    /// An upgrade was completed.
    UpgradeCompleted,
    /// A user asked to speak to sales.
    ContactSales,
    /// A user asked for an enterprise feature, such as SSO, SAML, SCIM or audit logs.
    EnterpriseFeatureRequested,
    /// A user contacted support.
    SupportContacted,
    /// A user asked to consolidate the seats of several teams.
    ConsolidationRequested,
    /// The plan or the payment of a subscription changed.
    SubscriptionChanged,
    /// The amount of the next bill was forecast.
    BillingForecast,
    /// A trial began.
    TrialStarted,
    /// A trial ended.
    TrialEnded,
    /// Traits of a user.
    Profile,
    /// Traits of an account.
    Firmographics,
    /// Marketing brought a lead.
    MqlCreated,
    /// Outcome: a message was sent to the account.
    OutreachSent,
    /// Outcome: a call was made.
    CallMade,
    /// Outcome: the account replied.
    Replied,
    /// Outcome: a meeting was booked.
    MeetingBooked,
    /// Outcome: sales accepted the handoff.
    Accepted,
    /// Outcome: sales rejected the handoff.
    Rejected,
    /// Outcome: sales graded a signal as useful or not.
    Graded,
    /// Outcome: an opportunity was created.
    OpportunityCreated,
    /// Outcome: a deal was won.
    DealWon,
    /// Outcome: a deal was lost.
    DealLost,
    /// Outcome: a net promoter score was given.
    Nps,
}

impl Role {
    /// Every role, in the order of docs/semantics.md.
    pub const ALL: [Role; 42] = [
        Role::SignedUp,
        Role::Activated,
        Role::ProfilingStarted,
        Role::ProfilingFinished,
        Role::FeatureUsed,
        Role::ApiCalled,
        Role::IntegrationConnected,
        Role::LimitHit,
        Role::UsageReported,
        Role::Exported,
        Role::Shared,
        Role::UserInvited,
        Role::MemberAdded,
        Role::MemberRemoved,
        Role::WorkspaceCreated,
        Role::AdminTransferred,
        Role::PricingViewed,
        Role::TermsViewed,
        Role::UpgradeStarted,
        Role::UpgradeCompleted,
        Role::ContactSales,
        Role::EnterpriseFeatureRequested,
        Role::SupportContacted,
        Role::ConsolidationRequested,
        Role::SubscriptionChanged,
        Role::BillingForecast,
        Role::TrialStarted,
        Role::TrialEnded,
        Role::Profile,
        Role::Firmographics,
        Role::MqlCreated,
        Role::OutreachSent,
        Role::CallMade,
        Role::Replied,
        Role::MeetingBooked,
        Role::Accepted,
        Role::Rejected,
        Role::Graded,
        Role::OpportunityCreated,
        Role::DealWon,
        Role::DealLost,
        Role::Nps,
    ];

    /// What the user of an event of this role did, as a predicate.
    pub fn deed(self) -> &'static str {
        match self {
            Role::SignedUp => "signed up",
            Role::Activated => "reached first value",
            Role::ProfilingStarted => "began the profile",
            Role::ProfilingFinished => "finished the profile",
            Role::FeatureUsed => "used a feature",
            Role::ApiCalled => "called the API",
            Role::IntegrationConnected => "connected an integration",
            Role::LimitHit => "hit a limit",
            Role::UsageReported => "used some of a quota",
            Role::Exported => "exported data",
            Role::Shared => "shared content",
            Role::UserInvited => "invited somebody",
            Role::MemberAdded => "became a member",
            Role::MemberRemoved => "left",
            Role::WorkspaceCreated => "created a workspace",
            Role::AdminTransferred => "made somebody admin",
            Role::PricingViewed => "viewed pricing",
            Role::TermsViewed => "read the terms",
            Role::UpgradeStarted => "started an upgrade",
            Role::UpgradeCompleted => "completed an upgrade",
            Role::ContactSales => "asked for sales",
            Role::EnterpriseFeatureRequested => "asked for an enterprise feature",
            Role::SupportContacted => "asked support",
            Role::ConsolidationRequested => "asked to consolidate the seats of several teams",
            Role::SubscriptionChanged => "changed the subscription",
            Role::BillingForecast => "has an upcoming bill",
            Role::TrialStarted => "started a trial",
            Role::TrialEnded => "ended a trial",
            Role::Profile => "has a profile",
            Role::Firmographics => "has new traits",
            Role::MqlCreated => "came through marketing",
            Role::OutreachSent => "got a message",
            Role::CallMade => "was called",
            Role::Replied => "replied",
            Role::MeetingBooked => "booked a meeting",
            Role::Accepted => "was accepted by sales",
            Role::Rejected => "was rejected by sales",
            Role::Graded => "was graded",
            Role::OpportunityCreated => "became an opportunity",
            Role::DealWon => "was won",
            Role::DealLost => "was lost",
            Role::Nps => "gave a score",
        }
    }
}

/// A field of an event. The rules bind each field to a property or trait, whatever the product calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Where a user came from.
    Source,
    /// Who referred a user.
    Referral,
    /// A feature of the product.
    Feature,
    /// Whether the use was of a premium feature.
    Premium,
    /// An integration.
    Integration,
    /// What is metered.
    Meter,
    /// How much of a meter is used.
    Used,
    /// How much of a meter is allowed.
    Quota,
    /// Whether content was shared outside.
    External,
    /// Who was invited.
    Invitee,
    /// The member concerned; else the user of the event.
    Member,
    /// A workspace.
    Workspace,
    /// The new admin.
    Admin,
    /// Id of the subscription; if none, the account has one subscription.
    SubscriptionId,
    /// A plan.
    Plan,
    /// Whether a subscription is paid.
    Paid,
    /// Seats of a subscription.
    Seats,
    /// Monthly recurring revenue.
    Mrr,
    /// Price of a seat per month.
    Price,
    /// ISO 4217 code of amounts; USD if none.
    Currency,
    /// An amount of money.
    Amount,
    /// What support was asked about.
    Topic,
    /// Title of a user.
    Title,
    /// Role of a user in the product.
    Role,
    /// Department of a user.
    Department,
    /// Seniority of a user.
    Seniority,
    /// What a user wants the product for.
    UseCase,
    /// E-mail address of a user.
    Email,
    /// Employees of the company, as the user states.
    CompanySize,
    /// Employees of an account.
    Employees,
    /// Industry of an account.
    Industry,
    /// Whether an account matches the ideal customer profile.
    Icp,
    /// Whether an account is on the target list.
    Target,
    /// Technologies of an account.
    TechStack,
    /// Lead score of an account.
    LeadScore,
    /// Known contacts of an account.
    Contacts,
    /// Whether an account must not be contacted.
    DoNotContact,
    /// Whether sales has an open opportunity.
    OpenOpportunity,
    /// Territory of an account.
    Territory,
    /// Country of an account.
    Country,
    /// Owner of an account.
    Owner,
    /// Owner of the contract of an account.
    ContractOwner,
    /// When an account was created: RFC 3339 or Unix time.
    #[serde(rename = "createdAt")]
    CreatedAt,
    /// The handoff to which an outcome belongs.
    HandoffId,
    /// Why a handoff was rejected or a deal lost.
    Reason,
    /// The signal that was graded.
    Signal,
    /// Whether it was useful.
    Useful,
    /// What a deal is worth.
    Value,
    /// A score that was given.
    Score,
}

impl Field {
    /// Every field.
    pub const ALL: [Field; 49] = [
        Field::Source,
        Field::Referral,
        Field::Feature,
        Field::Premium,
        Field::Integration,
        Field::Meter,
        Field::Used,
        Field::Quota,
        Field::External,
        Field::Invitee,
        Field::Member,
        Field::Workspace,
        Field::Admin,
        Field::SubscriptionId,
        Field::Plan,
        Field::Paid,
        Field::Seats,
        Field::Mrr,
        Field::Price,
        Field::Currency,
        Field::Amount,
        Field::Topic,
        Field::Title,
        Field::Role,
        Field::Department,
        Field::Seniority,
        Field::UseCase,
        Field::Email,
        Field::CompanySize,
        Field::Employees,
        Field::Industry,
        Field::Icp,
        Field::Target,
        Field::TechStack,
        Field::LeadScore,
        Field::Contacts,
        Field::DoNotContact,
        Field::OpenOpportunity,
        Field::Territory,
        Field::Country,
        Field::Owner,
        Field::ContractOwner,
        Field::CreatedAt,
        Field::HandoffId,
        Field::Reason,
        Field::Signal,
        Field::Useful,
        Field::Value,
        Field::Score,
    ];

    /// Its name in rules, which is also the property that it is read from unless a mapping binds another.
    pub fn word(self) -> &'static str {
        match self {
            Field::Source => "source",
            Field::Referral => "referral",
            Field::Feature => "feature",
            Field::Premium => "premium",
            Field::Integration => "integration",
            Field::Meter => "meter",
            Field::Used => "used",
            Field::Quota => "quota",
            Field::External => "external",
            Field::Invitee => "invitee",
            Field::Member => "member",
            Field::Workspace => "workspace",
            Field::Admin => "admin",
            Field::SubscriptionId => "subscription_id",
            Field::Plan => "plan",
            Field::Paid => "paid",
            Field::Seats => "seats",
            Field::Mrr => "mrr",
            Field::Price => "price",
            Field::Currency => "currency",
            Field::Amount => "amount",
            Field::Topic => "topic",
            Field::Title => "title",
            Field::Role => "role",
            Field::Department => "department",
            Field::Seniority => "seniority",
            Field::UseCase => "use_case",
            Field::Email => "email",
            Field::CompanySize => "company_size",
            Field::Employees => "employees",
            Field::Industry => "industry",
            Field::Icp => "icp",
            Field::Target => "target",
            Field::TechStack => "tech_stack",
            Field::LeadScore => "lead_score",
            Field::Contacts => "contacts",
            Field::DoNotContact => "do_not_contact",
            Field::OpenOpportunity => "open_opportunity",
            Field::Territory => "territory",
            Field::Country => "country",
            Field::Owner => "owner",
            Field::ContractOwner => "contract_owner",
            Field::CreatedAt => "createdAt",
            Field::HandoffId => "handoff_id",
            Field::Reason => "reason",
            Field::Signal => "signal",
            Field::Useful => "useful",
            Field::Value => "value",
            Field::Score => "score",
        }
    }
}

/// The outcome of an event. Every event has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Outcome {
    /// It was applied.
    Applied,
    /// Its (source, message id) was applied before, within the dedupe window: dropped.
    Duplicate,
    /// Its place in another topic (`Provenance`) was read before: dropped.
    Replayed,
    /// `exclude` of the rules matches it: only its traits are applied (semantics A34).
    Excluded,
    /// Its day is too long ago: dead-lettered.
    TooLate,
    /// Its time is too far ahead of the time of its record: dead-lettered.
    FromTheFuture,
    /// It is malformed: dead-lettered.
    Malformed,
    /// A limit of the rules is reached, or it activates rules that cannot be applied: dead-lettered.
    Refused,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 8] = [
        Outcome::Applied,
        Outcome::Duplicate,
        Outcome::Replayed,
        Outcome::Excluded,
        Outcome::TooLate,
        Outcome::FromTheFuture,
        Outcome::Malformed,
        Outcome::Refused,
    ];

    /// Its name in metrics, logs and summaries.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Duplicate => "duplicate",
            Outcome::Replayed => "replayed",
            Outcome::Excluded => "excluded",
            Outcome::TooLate => "too-late",
            Outcome::FromTheFuture => "from-the-future",
            Outcome::Malformed => "malformed",
            Outcome::Refused => "refused",
        }
    }
}

/// Counts of events by outcome, and of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    outcomes: [u64; Outcome::ALL.len()],
    /// Events without a message id, whose duplicates cannot be detected.
    pub without_id: u64,
    /// Events with a time that has no zone.
    pub zoneless: u64,
    /// Events with a field of an unexpected type, which is treated as absent.
    pub left_out: u64,
    /// Events with a user, anonymous or message id that the rules forbid.
    pub forbidden_ids: u64,
}

impl Tally {
    /// Counts one event.
    pub fn count(&mut self, outcome: Outcome) {
        self.outcomes[outcome as usize] += 1;
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Tally) {
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(mine, theirs)| *mine += theirs);
        self.without_id += other.without_id;
        self.zoneless += other.zoneless;
        self.left_out += other.left_out;
        self.forbidden_ids += other.forbidden_ids;
    }

    /// The number of events with this outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// The number of all events.
    pub fn total(&self) -> u64 {
        self.outcomes.iter().sum()
    }
}
