//! The values that conditions read: signals, figures, traits and fields of events; their types, and sets of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::changes::Changes;
use crate::model::Field;

/// Signals of one scope: a byte names one.
pub(super) const SIGNALS_MAX: usize = 256;
/// Weekly values that conditions see.
pub(super) const WEEKS_KNOWN: i64 = 13;

/// What a name in a condition refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// True or false.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A number of 64 bits with a fraction.
    Double,
    /// A string.
    Text,
    /// A list of ints.
    Ints,
    /// A type that is known only with the value; if the value does not fit, the result is unknown.
    Any,
}

impl Type {
    /// Whether it may be a number.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Type::Int | Type::Double | Type::Any)
    }

    /// Whether a value of this type is allowed where `other` is expected.
    pub(super) fn fits(self, other: Type) -> bool {
        self == other || self == Type::Any || other == Type::Any
    }

    /// Whether values of both types can be equal. Ints and doubles compare as numbers.
    pub(super) fn compares_with(self, other: Type) -> bool {
        self.fits(other) || (self.is_number() && other.is_number())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Bool => "a bool",
            Type::Int => "an int",
            Type::Double => "a double",
            Type::Text => "a string",
            Type::Ints => "a list of ints",
            Type::Any => "a value of any type",
        })
    }
}

/// The value of an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known, or absent.
    Unknown,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// A string.
    Text(&'a str),
    /// A list of ints: its items are asked for one by one.
    Ints(Input),
}

/// The values that a condition reads, each computed when it is asked for.
pub trait Inputs {
    /// The value of an input.
    fn value(&self, input: Input) -> Value<'_>;

    /// The value of an input, with 0 for a signal that is off, whether or not it is known to be off.
    fn if_known(&self, input: Input) -> Value<'_> {
        self.value(input)
    }

    /// The item of a list at a place from 0 on; none past its end.
    fn item(&self, list: Input, at: usize) -> Option<i64>;
}

/// Inputs of which a function gives the value, to try a condition on values that are assumed.
pub(super) struct Assumed<'a>(pub(super) &'a dyn Fn(Input) -> Value<'a>);

impl Inputs for Assumed<'_> {
    fn value(&self, input: Input) -> Value<'_> {
        (self.0)(input)
    }

    fn item(&self, _: Input, _: usize) -> Option<i64> {
        None
    }
}

/// A signal by scope and slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalRef {
    /// Of a user.
    User(usize),
    /// Of the account.
    Account(usize),
}

/// Something that a condition reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The rung of a signal.
    Signal(SignalRef),
    /// A figure of the account or user.
    Figure(Figure),
    /// A trait beyond the known ones, by its place.
    Trait(usize),
    /// A field of the event.
    Event(Field),
}

/// A set of signals of one scope, by slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots([u64; SIGNALS_MAX / 64]);

impl Slots {
    /// Adds a slot.
    pub fn insert(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    /// Whether a slot is in it.
    pub fn has(&self, slot: usize) -> bool {
        self.0[slot / 64] >> (slot % 64) & 1 != 0
    }

    /// Calls with every slot, rising.
    pub(super) fn each(&self, mut call: impl FnMut(usize)) {
        for (word, of_word) in self.0.into_iter().enumerate().filter(|(_, of_word)| *of_word != 0) {
            each_bit(of_word, |bit| call(word * 64 + bit));
        }
    }

    /// Adds the slots of another set.
    pub fn add(&mut self, other: &Slots) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own |= other);
    }

    /// Whether the sets share a slot.
    pub fn meet(&self, other: &Slots) -> bool {
        self.0.iter().zip(other.0).any(|(own, other)| own & other != 0)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.into_iter().fold(0, |all, word| all | word) == 0
    }
}

/// Calls with the number of every bit that is set.
pub(super) fn each_bit(mut bits: u64, mut call: impl FnMut(usize)) {
    while bits != 0 {
        call(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// A set of things that conditions read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads {
    /// User signals.
    pub users: Slots,
    /// Account signals.
    pub accounts: Slots,
    /// Figures, a bit each; traits beyond the known ones share one.
    pub figures: u64,
}

impl Reads {
    /// Adds something.
    pub fn add(&mut self, input: &Input) {
        match input {
            Input::Signal(signal) => self.signal(*signal),
            Input::Figure(figure) => self.figure(*figure),
            Input::Trait(_) => self.figure(Figure::Traits),
            Input::Event(_) => {}
        }
    }

    /// Adds a signal.
    pub fn signal(&mut self, signal: SignalRef) {
        match signal {
            SignalRef::User(slot) => self.users.insert(slot),
            SignalRef::Account(slot) => self.accounts.insert(slot),
        }
    }

    /// Adds a figure.
    pub fn figure(&mut self, figure: Figure) {
        self.figures |= 1 << figure as u32;
    }

    /// Adds all of another set.
    pub fn all(&mut self, other: &Reads) {
        self.users.add(&other.users);
        self.accounts.add(&other.accounts);
        self.figures |= other.figures;
    }

    /// Whether it holds a figure.
    pub fn reads(&self, figure: Figure) -> bool {
        self.figures >> figure as u32 & 1 != 0
    }

    /// Whether it holds a signal.
    pub fn has(&self, signal: SignalRef) -> bool {
        match signal {
            SignalRef::User(slot) => self.users.has(slot),
            SignalRef::Account(slot) => self.accounts.has(slot),
        }
    }

    /// Both sets together.
    #[must_use]
    pub fn union(mut self, other: &Reads) -> Reads {
        self.all(other);
        self
    }

    /// Whether the sets share something.
    pub fn meet(&self, other: &Reads) -> bool {
        self.figures & other.figures != 0 || self.users.meet(&other.users) || self.accounts.meet(&other.accounts)
    }

    /// Whether the sets share something of the account.
    pub fn meet_in_account(&self, other: &Reads) -> bool {
        self.figures & other.figures & Figure::OF_ACCOUNT != 0 || self.accounts.meet(&other.accounts)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.figures == 0 && self.users.is_empty() && self.accounts.is_empty()
    }
}

macro_rules! figures {
    ($($figure:ident $name:literal $type:ident $doc:literal)*) => {
        /// Figures that conditions read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Figure {
            $(#[doc = $doc] $figure,)*
            /// Traits beyond the known ones.
            Traits,
        }

        impl Figure {
            /// Every figure with its name in conditions, its type, and what it is.
            pub const ALL: &[(Figure, &'static str, Type, &'static str)] =
                &[$((Figure::$figure, $name, Type::$type, $doc),)*];
        }
    };
}

figures! {
    ActiveUsers "active_users" Int "Running active users."
    Users "users" Int "Users ever active in this life of the account."
    Departments "departments" Int "Distinct departments of running active users."
    Dau "dau" Int "Distinct active users of the last closed day."
    Wau "wau" Int "Distinct active users of the last 7 closed days."
    Mau "mau" Int "Distinct active users of the last 28 closed days."
    Stickiness "stickiness" Double "Mean share of active users on a day (DAU/MAU), over up to 28 closed days; unknown before the 7th."
    NewUsers "new_users_7d" Int "New users of the last 7 closed days."
    SpikeKnown "spike_known" Bool "Whether there are two blocks of 7 earlier days with which new users can be compared."
    WeeklyUsers "weekly_users" Ints "Active users of each of the last closed weeks, newest first; only complete weeks, at most 13."
    IdleDays "idle_days" Int "Closed days since the last active one; counted up to the greatest number that the condition names."
    Score "score" Int "PQA score."
    Tier "tier" Text "Id of the tier; empty if untiered."
    Segment "segment" Text "Id of the size class."
    Paid "paid" Bool "Whether any subscription is paid."
    Plan "plan" Text "Plan of the paid subscription with the largest MRR, in lower case; empty if none."
    Seats "seats" Double "Seats of the subscription that the plan is of."
    Mrr "mrr" Double "Revenue a month in USD, of all paid subscriptions."
    YearlySpend "yearly_spend" Double "Revenue a year in USD."
    UsageRatio "usage_ratio" Double "Used share of the quota that is used most."
    Employees "employees" Double "Employees, by firmographics, else as users state."
    Industry "industry" Text "Industry in lower case."
    Country "country" Text "Country."
    Icp "icp" Bool "Matches the ideal customer profile."
    Target "target" Bool "Is a target account."
    LeadScore "lead_score" Double "Lead score."
    DoNotContact "do_not_contact" Bool "Must not be contacted."
    OpenOpportunity "open_opportunity" Bool "Sales has an open opportunity."
    ContractOwner "has_contract_owner" Bool "Somebody owns the contract."
    UserBand "user.band" Text "The user's band: hot, warm, emerging or empty."
    UserFell "user.band_fell" Bool "Whether the user entered the band from a higher one."
    UserScore "user.score" Int "The user's PQL score."
    UserBuys "user.is_buyer" Bool "Whether the user may decide a purchase."
}

impl Figure {
    /// What changes the figure.
    pub fn changes(self) -> Changes {
        use Figure::{
            ActiveUsers, ContractOwner, Country, Dau, Departments, DoNotContact, Employees, Icp, IdleDays, Industry,
            LeadScore, Mau, Mrr, NewUsers, OpenOpportunity, Paid, Plan, Score, Seats, Segment, SpikeKnown, Stickiness,
            Target, Tier, Traits, UsageRatio, UserBand, UserBuys, UserFell, UserScore, Users, Wau, WeeklyUsers,
            YearlySpend,
        };
        match self {
            ActiveUsers => Changes::ACTIVE_NUMBER,
            Departments => Changes::CROWD,
            Users => Changes::USERS_NUMBER,
            // With the first activity they become known.
            Dau | Wau | Mau | Stickiness | NewUsers => Changes::CLOSED_DAYS.and(Changes::FOUNDED),
            SpikeKnown => Changes::SPIKE_KNOWN.and(Changes::FOUNDED),
            WeeklyUsers => Changes::CLOSED_WEEKS,
            IdleDays => Changes::IDLE_DAYS.and(Changes::FOUNDED),
            Score => Changes::SCORE,
            Tier => Changes::TIER,
            Segment | Paid | Plan | Seats | Mrr | YearlySpend | Employees | Industry | Country | Icp | Target
            | LeadScore | DoNotContact | OpenOpportunity | ContractOwner | Traits => Changes::TRAITS,
            UsageRatio => Changes::QUOTAS,
            UserBand | UserFell => Changes::BAND,
            UserScore => Changes::USER_SCORE,
            // In some size classes the only user of an account is a buyer (semantics E18).
            UserBuys => Changes::BUYS.and(Changes::EXISTS).and(Changes::TRAITS).and(Changes::ONLY_USER),
        }
    }

    /// The figures that are not of a user, as bits.
    pub const OF_ACCOUNT: u64 = !(1 << Figure::UserBand as u32
        | 1 << Figure::UserFell as u32
        | 1 << Figure::UserScore as u32
        | 1 << Figure::UserBuys as u32);
}
