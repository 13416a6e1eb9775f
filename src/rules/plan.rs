//! The compiled plan: what the engine looks up, by index, without a string or an option in its way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::condition::Condition;
use super::exclude::Exclude;
use super::free_mail::FreeMail;
use super::ids::Ids;
use super::roles::{RoleBits, Roles};
use super::template::Template;
use crate::model::{Calendar, EventTime, Field, Level, Role, Track};

/// Signals of one scope: a byte names one.
pub(super) const SIGNALS_MAX: usize = 256;
/// Triggers.
pub(super) const TRIGGERS_MAX: usize = 1_024;
/// Tiers: the rungs of their changes are small numbers.
pub(super) const TIERS_MAX: usize = 14;
/// Weekly values that conditions see.
pub(super) const WEEKS_KNOWN: i64 = 13;
/// Rungs of a ladder: what two bits can tell apart from off.
pub(super) const RUNGS_MAX: usize = 3;

/// Everything that decides what events mean and what follows.
#[derive(Debug)]
pub struct Plan {
    /// Name and hash of the rules.
    pub version: Arc<str>,
    /// How event time moves.
    pub time: Time,
    /// Which ids are none, and how account ids are written.
    pub ids: Ids,
    /// Accounts that a partition may hold.
    pub accounts_max: usize,
    /// Users that a partition may hold.
    pub users_max: usize,
    /// What raw events mean.
    pub roles: Roles,
    /// Who and what does not count.
    pub exclude: Exclude,
    /// What is counted by the day, by id.
    pub meters: Vec<Meter>,
    /// Signals of a user, in the order of the file: the index is the slot.
    pub user_signals: Vec<Signal>,
    /// Signals of an account, in the order of the file: the index is the slot.
    pub account_signals: Vec<Signal>,
    /// Where to look when something happens.
    pub index: Index,
    /// What people and companies are.
    pub people: People,
    /// What points make.
    pub scores: Scores,
    /// Size classes by employees, smallest first; the first is of those whose size is unknown.
    pub segments: Vec<Segment>,
    /// Triggers, in the order of the file.
    pub triggers: Vec<Trigger>,
    /// The order in which triggers of one instant are decided: by level, then as in the file.
    pub by_level: Vec<usize>,
    /// When a medium handoff is due, in milliseconds after outreach may begin: from, by.
    pub medium_due_ms: (i64, i64),
    /// Guard rails.
    pub rails: Rails,
    /// Through whom: the first that matches.
    pub routes: Vec<Route>,
    /// Who owns an account: the first that matches.
    pub territories: Vec<Territory>,
    /// People who try handoffs out: the share of accounts that goes to them, and who they are.
    pub pilot: Option<(f64, Vec<String>)>,
    /// Money.
    pub money: Money,
    /// What to say: the first that matches.
    pub templates: Vec<Template>,
    /// Names of traits beyond the known ones that conditions read.
    pub traits: Vec<String>,
}

impl Plan {
    /// The slots of the user's (or the account's) signals in another plan, for those that measure the same there.
    pub fn slots_in(&self, other: &Plan, of_users: bool) -> Vec<Option<usize>> {
        let lists = [self, other].map(|plan| if of_users { &plan.user_signals } else { &plan.account_signals });
        let same = |signal: &Signal, it: &Signal| signal.id == it.id && self.measures(&signal.kind, other, &it.kind);
        lists[0].iter().map(|signal| lists[1].iter().position(|it| same(signal, it))).collect()
    }

    /// Whether two kinds measure the same: meters stand in other places where there are more of them.
    fn measures(&self, kind: &Kind, other: &Plan, of_other: &Kind) -> bool {
        let meters_in = |a: usize, b: usize| self.meters[a] == other.meters[b];
        match (kind, of_other) {
            (
                Kind::Ladder(Ladder { of: Of::Volume(a), rungs }),
                Kind::Ladder(Ladder { of: Of::Volume(b), rungs: others }),
            ) => meters_in(*a, *b) && rungs == others,
            (Kind::Spike(a), Kind::Spike(b)) => {
                meters_in(a.meter, b.meter) && (a.at_least, a.above) == (b.at_least, b.above)
            }
            (kind, of_other) => kind == of_other,
        }
    }
}

/// How event time moves in a partition, and where its days begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// How far an event may lag behind the newest, in milliseconds; at most 24 hours.
    pub allowed_lateness_ms: i64,
    /// How far an event may be ahead of its record's time, in milliseconds.
    pub max_skew_ms: i64,
    /// How long an id is remembered, in milliseconds of event time.
    pub dedupe_window_ms: i64,
    /// How many ids are remembered.
    pub dedupe_ids: usize,
    /// Users and accounts away for more days than this start a new life.
    pub forget_after_days: i32,
    /// Where days begin.
    pub calendar: Calendar,
}

/// What is counted by the day.
#[derive(Debug, PartialEq)]
pub struct Meter {
    /// Its id.
    pub id: Arc<str>,
    /// Events of this role.
    pub role: Role,
    /// With one of these values in each field, in lower case.
    pub only: Vec<(Field, Vec<String>)>,
    /// The sum of this field; none: their number.
    pub sum: Option<Field>,
    /// The field is a level: its increases are summed.
    pub gauge: bool,
}

/// What a step can change of an account and its users, a bit each: the inputs of levels and figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes(u32);

impl Changes {
    /// Who is running and active, or what they say of themselves.
    pub const ACTIVE_USERS: Changes = Changes(1);
    /// Users ever active in this life.
    pub const USERS: Changes = Changes(1 << 1);
    /// The first meaningful event of this life.
    pub const FOUNDED: Changes = Changes(1 << 2);
    /// New users, or from when on they count.
    pub const NEW_USERS: Changes = Changes(1 << 3);
    /// Figures of closed days.
    pub const CLOSED_DAYS: Changes = Changes(1 << 4);
    /// Figures of closed weeks.
    pub const CLOSED_WEEKS: Changes = Changes(1 << 5);
    /// Closed days since the last active one.
    pub const IDLE_DAYS: Changes = Changes(1 << 6);
    /// What is known of the company and its subscriptions.
    pub const TRAITS: Changes = Changes(1 << 7);
    /// Reports of how much of a quota is used.
    pub const QUOTAS: Changes = Changes(1 << 8);
    /// What meters count.
    pub const METERS: Changes = Changes(1 << 9);
    /// Whether a premium feature was used.
    pub const PREMIUM: Changes = Changes(1 << 10);
    /// Whether anybody was invited.
    pub const INVITED: Changes = Changes(1 << 11);
    /// An age is reached.
    pub const AGE: Changes = Changes(1 << 12);
    /// The PQA score.
    pub const SCORE: Changes = Changes(1 << 13);
    /// The tier.
    pub const TIER: Changes = Changes(1 << 14);
    /// Signals that time makes known may be known now.
    pub const KNOWN: Changes = Changes(1 << 15);
    /// Of a user: active on another day.
    pub const ACTIVE: Changes = Changes(1 << 16);
    /// Of a user: the sign-up, or the first event.
    pub const SIGNED_UP: Changes = Changes(1 << 17);
    /// Of a user: came, left, came back, or is forgotten.
    pub const EXISTS: Changes = Changes(1 << 18);
    /// Of a user: what they say of themselves, and what they did that buyers do.
    pub const BUYS: Changes = Changes(1 << 19);
    /// Of a user: the score.
    pub const USER_SCORE: Changes = Changes(1 << 20);
    /// Of a user: the band.
    pub const BAND: Changes = Changes(1 << 21);
    /// Of a user: active for the first time in this life.
    pub const BEGAN: Changes = Changes(1 << 22);
    /// Whether the account has one user only.
    pub const ONLY_USER: Changes = Changes(1 << 23);
    /// Levels of signals of the account.
    pub const LEVELS: Changes = Changes(1 << 25);
    /// The account begins another life.
    pub const REBORN: Changes = Changes(1 << 24);

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Changes) -> Changes {
        Changes(self.0 | other.0)
    }

    /// Adds what else changed.
    pub fn add(&mut self, other: Changes) {
        self.0 |= other.0;
    }

    /// Whether anything of both is the same.
    pub const fn meet(self, other: Changes) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing changed.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A set of triggers, by their places in the order in which they are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places([u64; TRIGGERS_MAX / 64]);

impl Places {
    /// Adds a place.
    pub fn insert(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    /// Adds the places of another set.
    fn add(&mut self, other: &Places) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own |= other);
    }

    /// The first place from this one on.
    pub fn next(&self, from: usize) -> Option<usize> {
        let mut bits = self.0.get(from / 64)? >> (from % 64) << (from % 64);
        for word in from / 64.. {
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            bits = *self.0.get(word + 1)?;
        }
        None
    }
}

/// Which condition triggers read what.
#[derive(Debug, Default)]
pub struct Readers {
    users: Vec<Places>,
    accounts: Vec<Places>,
    figures: Vec<Places>,
}

impl Readers {
    /// Adds a condition trigger at a place.
    pub(super) fn insert(&mut self, reads: &Reads, place: usize) {
        let add = |list: &mut Vec<Places>, at: usize| {
            if list.len() <= at {
                list.resize(at + 1, Places::default());
            }
            list[at].insert(place);
        };
        reads.users.each(|slot| add(&mut self.users, slot));
        reads.accounts.each(|slot| add(&mut self.accounts, slot));
        each_bit(reads.figures, |figure| add(&mut self.figures, figure));
    }

    /// The condition triggers that read any of this.
    pub fn of(&self, reads: &Reads) -> Places {
        let mut places = Places::default();
        let mut add = |list: &[Places], at: usize| list.get(at).into_iter().for_each(|it| places.add(it));
        reads.users.each(|slot| add(&self.users, slot));
        reads.accounts.each(|slot| add(&self.accounts, slot));
        each_bit(reads.figures, |figure| add(&self.figures, figure));
        places
    }
}

/// Calls with the number of every bit that is set.
fn each_bit(mut bits: u64, mut call: impl FnMut(usize)) {
    while bits != 0 {
        call(bits.trailing_zeros() as usize);
        bits &= bits - 1;
    }
}

/// A set of signals of one scope, by slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    fn each(&self, mut call: impl FnMut(usize)) {
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
        self.0 == [0; SIGNALS_MAX / 64]
    }
}

/// Where to look when something happens, so that nothing else is looked at. Every list holds slots, rising.
#[derive(Debug, Default)]
pub struct Index {
    /// By role: the signals that its events feed.
    pub by_role: Vec<Vec<SignalRef>>,
    /// Account signals whose level an event can change at once, and what of the account changes it.
    pub at_once: Vec<(Changes, usize)>,
    /// All of these changes together.
    pub at_once_changes: Changes,
    /// User signals that another active day can change at once.
    pub by_activity: Vec<usize>,
    /// User signals that are measured from the sign-up.
    pub by_sign_up: Vec<usize>,
    /// User signals that the close of a day decides, and those that the close of a week decides.
    pub user_by_day: Vec<usize>,
    /// See [`Index::user_by_day`].
    pub user_by_week: Vec<usize>,
    /// Account signals that the close of a day decides, and those that the close of a week decides.
    pub account_by_day: Vec<usize>,
    /// See [`Index::account_by_day`].
    pub account_by_week: Vec<usize>,
    /// Account signals over the age of the account.
    pub ages: Vec<usize>,
    /// Account signals that closes can turn off: while one is on, closes have work.
    pub account_by_close: Slots,
    /// Event triggers, and the roles that they fire on.
    pub event_triggers: Vec<usize>,
    /// See [`Index::event_triggers`].
    pub event_trigger_roles: RoleBits,
    /// User signals of what is abandoned, by the role that completes it.
    pub completions: BTreeMap<Role, Vec<usize>>,
    /// These roles.
    pub completing: RoleBits,
    /// Everything that condition triggers read.
    pub reads: Reads,
    /// Which condition triggers read a user signal, an account signal or a figure: by slot, or by the figure's number.
    pub readers: Readers,
    /// By trigger: its place in the order of [`Plan::by_level`].
    pub places: Vec<usize>,
    /// What of it depends on changes of the account beyond levels: the signals that may become known, and the figures.
    pub reads_by: Vec<(Changes, Reads)>,
    /// All of these changes together.
    pub reads_changes: Changes,
    /// User signals that conditions of user triggers name.
    pub user_conditions: Slots,
    /// Whether a condition of a user trigger names a figure of the user.
    pub trigger_scores: bool,
    /// Whether it is one that can change where nothing of the user is on: the score, or who buys.
    pub trigger_everybody: bool,
    /// Signals that conditions read and that time makes known, though nothing turns: of the account, and of users.
    pub known_in_time: (Vec<usize>, Vec<usize>),
    /// Closed days without activity in which conditions can still become true or false.
    pub restless_days: i32,
}

/// A signal of one scope.
#[derive(Debug)]
pub struct Signal {
    /// Its id, on the feed and in conditions.
    pub id: Arc<str>,
    /// What it measures.
    pub kind: Kind,
    /// Points by rung; the first is 0.
    pub points: [i32; RUNGS_MAX + 1],
    /// Whether they enter the PQL score.
    pub pql: bool,
    /// Whether they enter the PQA score.
    pub pqa: bool,
}

/// A signal by scope and slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalRef {
    /// Of a user.
    User(usize),
    /// Of the account.
    Account(usize),
}

/// What a signal measures, with its parameters. State: two bits in the word of its user or account, and what is said
/// here. "At once" means at the event that proves it.
#[derive(Debug, PartialEq)]
pub enum Kind {
    /// An event of some roles. State: the end and the newest observations; timer: the end. On at once, off at its end.
    Seen(Seen),
    /// So many events of some roles. State: their newest instants, as many as the highest rung asks for; timer: their
    /// ends. On at once, off at an end.
    Count(Count),
    /// So many distinct values of a field. State: the newest values (without a time to live the earliest), as many as
    /// the highest rung asks for; timer: their ends. On at once, off at an end.
    Distinct(Distinct),
    /// Distinct sessions of events. State: the sessions; timer: the end of each. On at once, off at an end and, where
    /// a late event joins two, at the next day close.
    Sessions(Sessions),
    /// One role so soon after the other. State: both instants. On at once, for life.
    Within(Within),
    /// Something started and not completed in time. State: the latest start; timers: the wait and the end.
    Abandoned(Abandoned),
    /// Active on at least so many of the last 7 days. On at once, off at day closes.
    ActiveDays(ActiveDays),
    /// Mean active share of the last 28 days; rungs in percent, exclusive. Decided at day closes.
    Stickiness(Stickiness),
    /// A trend of weekly values. Upward it is decided at week closes, downward at day closes, and not while inactive.
    Growth(Growth),
    /// New users of the account. The first rung is on at once, the second at day closes; off at day closes.
    NewUsers(NewUsers),
    /// A meter far above its weeks before. State: the meter by the day. Decided at day closes.
    Spike(Spike),
    /// No activity of the user in so many days. On at day closes, off at once.
    Idle(Idle),
    /// Active users of one department, and none of them new for weeks. Decided at day closes.
    Stalled(Stalled),
    /// An account that is so old, and still so. Timer: the age. Off at once.
    Age(Age),
    /// How much of the fullest quota is used, in percent. State: the latest report of each meter. On at once, off at
    /// day closes.
    UsageRatio(UsageRatio),
    /// A ladder over a figure of the account. On at once, off at day closes.
    Ladder(Ladder),
    /// A trait of the account. On at once, off at day closes.
    Trait(TraitIs),
    /// A running active user is an executive. On at once, off at day closes.
    Executive,
}

/// Which events feed a signal.
#[derive(Debug, Default, PartialEq)]
pub struct Filter {
    /// Of these roles.
    pub roles: Vec<Role>,
    /// With one of these values in each field.
    pub only: Vec<(Field, Vec<String>)>,
    /// The same where a mapping binds the field.
    pub where_bound: Vec<(Field, Vec<String>)>,
    /// Only of premium features.
    pub premium: bool,
}

/// Parameters of a seen role.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Which events.
    pub filter: Filter,
    /// How long each counts, in milliseconds; none: for life.
    pub ttl_ms: Option<i64>,
    /// Only so long after the first meaningful event of the account, in milliseconds.
    pub after_founding_ms: i64,
}

/// Parameters of a number of events.
#[derive(Debug, PartialEq)]
pub struct Count {
    /// Which events, and how long each counts.
    pub seen: Seen,
    /// The steps: so many events.
    pub rungs: Vec<u32>,
}

/// Parameters of a user's active days.
#[derive(Debug, PartialEq)]
pub struct ActiveDays {
    /// At least so many of the last 7 days: 1 to 7.
    pub days: u32,
}

/// Parameters of stickiness.
#[derive(Debug, PartialEq)]
pub struct Stickiness {
    /// The steps: above so many percent.
    pub above_percent: Vec<u32>,
}

/// Parameters of a user's absence.
#[derive(Debug, PartialEq)]
pub struct Idle {
    /// So many days without activity: 1 to 28.
    pub days: u32,
}

/// Parameters of an account that no longer gains users.
#[derive(Debug, PartialEq)]
pub struct Stalled {
    /// At least so many active users.
    pub at_least: u32,
    /// No new user in so many closed weeks.
    pub weeks: u32,
}

/// Parameters of an account's age.
#[derive(Debug, PartialEq)]
pub struct Age {
    /// How old, in milliseconds since the first meaningful event.
    pub age_ms: i64,
    /// What it still is.
    pub still: Still,
}

/// Parameters of the used share of a quota.
#[derive(Debug, PartialEq)]
pub struct UsageRatio {
    /// At least so many percent.
    pub percent: u32,
}

/// Parameters of a ladder over a figure.
#[derive(Debug, PartialEq)]
pub struct Ladder {
    /// The figure.
    pub of: Of,
    /// The steps: at least so much.
    pub rungs: Vec<f64>,
}

/// Parameters of distinct values.
#[derive(Debug, PartialEq)]
pub struct Distinct {
    /// Which events.
    pub filter: Filter,
    /// The field; where no mapping binds it and it is absent: the message id.
    pub field: Field,
    /// How long a value counts after it was last seen, in milliseconds; none: for life.
    pub ttl_ms: Option<i64>,
    /// Only values first seen so soon after sign-up, in milliseconds.
    pub within_ms: Option<i64>,
    /// The rungs: so many values.
    pub rungs: Vec<u32>,
}

/// Parameters of sessions.
#[derive(Debug, PartialEq)]
pub struct Sessions {
    /// Which events.
    pub filter: Filter,
    /// A session ends after so many milliseconds of silence; 0: every event is one.
    pub gap_ms: i64,
    /// How long a session counts after its last event, in milliseconds.
    pub ttl_ms: i64,
    /// The rungs: so many sessions.
    pub rungs: Vec<u32>,
}

/// Parameters of one role after another.
#[derive(Debug, PartialEq)]
pub struct Within {
    /// The first.
    pub first: Role,
    /// The other.
    pub then: Role,
    /// Less than so many milliseconds later.
    pub within_ms: i64,
}

/// Parameters of something abandoned.
#[derive(Debug, PartialEq)]
pub struct Abandoned {
    /// Starts it.
    pub start: Role,
    /// Completes it, by anyone of the account.
    pub complete: Role,
    /// How long it may take, in milliseconds.
    pub after_ms: i64,
    /// How long it counts, in milliseconds.
    pub ttl_ms: i64,
}

/// Parameters of a trend.
#[derive(Debug, PartialEq)]
pub struct Growth {
    /// Upward or downward.
    pub up: bool,
    /// What decides it.
    pub by: GrowthBy,
}

/// What a trend is judged by (semantics §3).
#[derive(Debug, PartialEq, Eq)]
pub enum GrowthBy {
    /// The last weeks lie clearly above or below the account's base level; of a user, and of an account while that is
    /// unknown, any of the slopes.
    Level(LevelTest, Vec<SlopeTest>),
    /// A bare streak of three weeks of strict change.
    Streak,
    /// The change of the last week in percent of the week before.
    Ratio(u32),
    /// New users of the last 7 days in percent of the active users.
    Newcomers(u32),
}

/// How far weeks must lie from the base level B. U·V is the variance that users who come by chance would give a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelTest {
    /// The last two weeks above it: D²·U ≥ `both`·V and m²·U ≥ `each`·V, D = W(k) + W(k−1) − 2B and
    /// m = 2·min(W(k), W(k−1)) − 2B, both above 0.
    Above {
        /// Of both weeks together.
        both: u32,
        /// Of each of them.
        each: u32,
    },
    /// The last four weeks below it: m²·U ≥ `below`·V and 100·M ≤ `share`·B, M = max(W(k−3) … W(k)), m = B − M above 0.
    Below {
        /// Of the greatest of them.
        below: u32,
        /// Percent of the base level that none exceeds.
        share: u32,
    },
}

impl LevelTest {
    /// What growing means by default.
    pub const GROWING: LevelTest = LevelTest::Above { both: 32, each: 10 };
    /// What declining means by default.
    pub const DECLINING: LevelTest = LevelTest::Below { below: 12, share: 60 };
}

/// A test of a slope: weeks of strict change, and the slope in thousandths of its standard deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlopeTest {
    /// Weeks of strict change.
    pub streak: u32,
    /// Thousandths of the slope's standard deviation.
    pub z_thousandths: u32,
}

impl SlopeTest {
    /// The slopes that count by default: any of them.
    pub const DEFAULT: [SlopeTest; 2] =
        [SlopeTest { streak: 3, z_thousandths: 3_000 }, SlopeTest { streak: 1, z_thousandths: 3_500 }];
}

/// Parameters of new users.
#[derive(Debug, PartialEq)]
pub struct NewUsers {
    /// So many in 7 days for the first rung; as many and a spike for the second.
    pub at_least: u32,
    /// A spike is less likely than this; none: there is no second rung.
    pub spike_below: Option<f64>,
}

/// Parameters of a meter's spike.
#[derive(Debug, PartialEq)]
pub struct Spike {
    /// The meter, by its place.
    pub meter: usize,
    /// So much in 7 days.
    pub at_least: u32,
    /// So many standard deviations above the mean.
    pub above: f64,
}

/// What an account of some age still is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Still {
    /// One user, and nobody invited.
    SingleUser,
    /// Not paid, and without a premium feature.
    FreeOnly,
}

/// Figures that ladders climb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Running active users.
    ActiveUsers,
    /// The most running active users with one company's e-mail host.
    UsersOfADomain,
    /// Distinct departments of running active users.
    Departments,
    /// A meter over 28 days, by its place.
    Volume(usize),
}

/// The closes that decide a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    /// Those of days.
    Day,
    /// Those of weeks.
    Week,
}

/// What a trait must be.
#[derive(Debug, PartialEq)]
pub enum TraitIs {
    /// Employees, a ladder.
    Employees(Vec<f64>),
    /// A text, one of these, in lower case.
    OneOf(Field, Vec<String>),
    /// True.
    True(Field),
    /// A number, a ladder.
    AtLeast(Field, Vec<f64>),
}

impl Kind {
    /// The highest rung.
    pub fn rungs(&self) -> u8 {
        (match self {
            Kind::Stickiness(Stickiness { above_percent }) => above_percent.len(),
            Kind::Count(Count { rungs, .. }) => rungs.len(),
            Kind::Distinct(distinct) => distinct.rungs.len(),
            Kind::Sessions(sessions) => sessions.rungs.len(),
            Kind::NewUsers(new_users) => 1 + usize::from(new_users.spike_below.is_some()),
            Kind::Ladder(Ladder { rungs, .. }) => rungs.len(),
            Kind::Trait(TraitIs::Employees(rungs) | TraitIs::AtLeast(_, rungs)) => rungs.len(),
            _ => 1,
        }) as u8
    }

    /// Which events feed it, if events of roles do.
    pub fn filter(&self) -> Option<&Filter> {
        match self {
            Kind::Seen(seen) | Kind::Count(Count { seen, .. }) => Some(&seen.filter),
            Kind::Distinct(distinct) => Some(&distinct.filter),
            Kind::Sessions(sessions) => Some(&sessions.filter),
            _ => None,
        }
    }

    /// What of an account changes its level at once, beside the events that feed it; of closes see [`Kind::closes`].
    pub fn changes(&self) -> Changes {
        match self {
            Kind::Ladder(Ladder { of: Of::Volume(_), .. }) => Changes::METERS,
            Kind::Ladder(_) | Kind::Executive => Changes::ACTIVE_USERS,
            Kind::NewUsers(_) => Changes::NEW_USERS,
            Kind::UsageRatio(_) => Changes::QUOTAS,
            Kind::Trait(_) => Changes::TRAITS,
            Kind::Age(_) => {
                Changes::AGE.and(Changes::USERS).and(Changes::INVITED).and(Changes::PREMIUM).and(Changes::TRAITS)
            }
            _ => Changes::default(),
        }
    }

    /// What of an account, or of its user, can make its level known, though the level stays.
    pub fn known_by(&self) -> Changes {
        match self {
            Kind::Stickiness(_) | Kind::Growth(_) | Kind::Spike(_) | Kind::Stalled(_) | Kind::Idle(_) => Changes::KNOWN,
            Kind::NewUsers(_) => Changes::KNOWN.and(Changes::NEW_USERS),
            Kind::UsageRatio(_) | Kind::Trait(_) => self.changes(),
            Kind::Age(_) => self.changes().and(Changes::FOUNDED).and(Changes::NEW_USERS),
            Kind::Within(_) | Kind::Distinct(Distinct { within_ms: Some(_), .. }) => Changes::SIGNED_UP,
            _ => Changes::default(),
        }
    }

    /// Which closes decide its level: none where facts or the account's age do, which are settled at their instants.
    pub fn closes(&self) -> Option<Closes> {
        match self {
            Kind::Growth(Growth { up: true, .. }) => Some(Closes::Week),
            Kind::ActiveDays(_)
            | Kind::Stickiness(_)
            | Kind::Growth(_)
            | Kind::NewUsers(_)
            | Kind::Spike(_)
            | Kind::Idle(_)
            | Kind::Stalled(_)
            | Kind::UsageRatio(_)
            | Kind::Ladder(_)
            | Kind::Trait(_)
            | Kind::Executive => Some(Closes::Day),
            Kind::Seen(_)
            | Kind::Count(_)
            | Kind::Distinct(_)
            | Kind::Sessions(_)
            | Kind::Within(_)
            | Kind::Abandoned(_)
            | Kind::Age(_) => None,
        }
    }

    /// The roles without which it can never be on; empty: activity, or traits, suffice.
    pub fn roles(&self, meters: &[Meter]) -> Vec<Role> {
        match self {
            Kind::Within(within) => vec![within.first, within.then],
            Kind::Abandoned(abandoned) => vec![abandoned.start],
            Kind::Spike(Spike { meter, .. }) | Kind::Ladder(Ladder { of: Of::Volume(meter), .. }) => {
                vec![meters[*meter].role]
            }
            Kind::UsageRatio(_) => vec![Role::UsageReported],
            // What users say of their company stands in where nobody else says how large it is (semantics E19).
            Kind::Trait(TraitIs::Employees(_)) => vec![Role::Firmographics, Role::Profile],
            Kind::Trait(_) => vec![Role::Firmographics],
            Kind::Executive
            | Kind::Ladder(Ladder { of: Of::UsersOfADomain | Of::Departments, .. })
            | Kind::Stalled(_) => {
                vec![Role::Profile]
            }
            _ => self.filter().map(|filter| filter.roles.clone()).unwrap_or_default(),
        }
    }
}

/// What people are.
#[derive(Debug)]
pub struct People {
    /// Words of executive titles, each a list of words in lower case.
    pub executive_titles: Vec<Vec<String>>,
    /// Words of buyers' titles and seniorities, executive ones included.
    pub buyer_titles: Vec<Vec<String>>,
    /// Roles in the product whose holders count as executives, in lower case.
    pub executive_roles: BTreeSet<String>,
    /// E-mail hosts that are no company's.
    pub free_mail: FreeMail,
    /// Other names of departments.
    pub departments: BTreeMap<String, String>,
    /// What support is asked about before a purchase, in lower case.
    pub billing_topics: BTreeSet<String>,
}

/// What points make.
#[derive(Debug)]
pub struct Scores {
    /// Emerging, warm and hot: from so many points on.
    pub bands: [i32; 3],
    /// A band is kept down to so many points below its threshold.
    pub keep: i32,
    /// Tiers, best first.
    pub tiers: Vec<Tier>,
    /// Numbers of active users whose crossing is told, rising.
    pub active_users: Vec<u32>,
}

/// The names of the bands by their rung.
pub const BANDS: [&str; 4] = ["", "emerging", "warm", "hot"];

/// A tier: all its conditions are needed.
#[derive(Debug)]
pub struct Tier {
    /// Its id.
    pub id: Arc<str>,
    /// At least, and at most, so many running active users.
    pub users: (u32, u32),
    /// At least so many departments.
    pub departments: u32,
    /// Matches the ideal customer profile.
    pub icp: bool,
    /// At least so many points.
    pub score: i32,
    /// What its team does: high, medium, low.
    pub plays: [Arc<str>; 3],
}

/// A size class.
#[derive(Debug)]
pub struct Segment {
    /// Its id.
    pub id: Arc<str>,
    /// From so many employees on.
    pub employees: f64,
    /// What an account is worth a year at least, in USD.
    pub potential: f64,
    /// The track of its accounts; none: by their users.
    pub track: Option<Track>,
    /// The only user of an account of it may decide a purchase.
    pub only_user_buys: bool,
}

/// A trigger.
#[derive(Debug)]
pub struct Trigger {
    /// Its id: hashed into handoff ids.
    pub id: Arc<str>,
    /// How urgent it is.
    pub level: Level,
    /// Its cooldown: how long it does not fire again, in milliseconds.
    pub cooldown_ms: i64,
    /// What makes it fire.
    pub kind: TriggerKind,
}

/// What makes a trigger fire.
#[derive(Debug)]
pub enum TriggerKind {
    /// An event.
    Event(OnEvent),
    /// A condition that becomes true.
    Condition {
        /// The condition.
        when: Condition,
        /// Whether each user has an edge of its own.
        per_user: bool,
        /// Closed days on which it must have been false before it can fire again; 0: any moment.
        rearm_after_closed_days: u8,
    },
}

/// What an event trigger fires on.
#[derive(Debug, PartialEq)]
pub struct OnEvent {
    /// Events of this role; none: the first meaningful event of a user.
    pub role: Option<Role>,
    /// With one of these values in each field.
    pub only: Vec<(Field, Vec<String>)>,
    /// And the latest plan becoming this one, in lower case.
    pub plan: Option<String>,
    /// Only if this holds.
    pub when: Option<Condition>,
    /// Only the first in the account's life.
    pub first: bool,
    /// It is a raised hand: sign-up and usage do not hold it.
    pub raised_hand: bool,
    /// It asks for sales itself.
    pub asks_for_sales: bool,
    /// The signal that events of the role feed, if any.
    pub signal: Option<Arc<str>>,
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

/// A set of things that conditions read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
            pub const ALL: &[(Figure, &'static str, super::condition::Type, &'static str)] =
                &[$((Figure::$figure, $name, super::condition::Type::$type, $doc),)*];
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
    Stickiness "stickiness" Double "Mean active share of the last closed days; unknown before the 7th."
    NewUsers "new_users_7d" Int "New users of the 7 days that end with the last closed one."
    SpikeKnown "spike_known" Bool "Whether two blocks of 7 days are known to compare new users with."
    WeeklyUsers "weekly_users" Ints "Active users of the last closed weeks, newest first; only complete ones, at most 13."
    IdleDays "idle_days" Int "Closed days since the last active one; followed as far as the greatest number that the condition names."
    Score "score" Int "PQA score."
    Tier "tier" Text "Id of the tier; empty if untiered."
    Segment "segment" Text "Id of the size class."
    Paid "paid" Bool "Whether any subscription is paid."
    Plan "plan" Text "Plan of the paid subscription with the largest MRR, in lower case; empty if none."
    Seats "seats" Double "Seats of the subscription that the plan is of."
    Mrr "mrr" Double "Revenue a month in USD, of all paid subscriptions."
    YearlySpend "yearly_spend" Double "Revenue a year in USD."
    UsageRatio "usage_ratio" Double "Used share of the fullest quota."
    Employees "employees" Double "Employees, as enriched, else as users say."
    Industry "industry" Text "Industry in lower case."
    Country "country" Text "Country."
    Icp "icp" Bool "Matches the ideal customer profile."
    Target "target" Bool "Is a target account."
    LeadScore "lead_score" Double "Lead score."
    DoNotContact "do_not_contact" Bool "Must not be contacted."
    OpenOpportunity "open_opportunity" Bool "Sales has an open opportunity."
    ContractOwner "has_contract_owner" Bool "Somebody owns the contract."
    UserBand "user.band" Text "The user's band: hot, warm, emerging or empty."
    UserFell "user.band_fell" Bool "Whether the band was entered from above."
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
            ActiveUsers | Departments => Changes::ACTIVE_USERS,
            Users => Changes::USERS,
            // With the first activity they become known.
            Dau | Wau | Mau | Stickiness | NewUsers | SpikeKnown => Changes::CLOSED_DAYS.and(Changes::FOUNDED),
            WeeklyUsers => Changes::CLOSED_WEEKS,
            IdleDays => Changes::IDLE_DAYS.and(Changes::FOUNDED),
            Score => Changes::SCORE,
            Tier => Changes::TIER,
            Segment | Paid | Plan | Seats | Mrr | YearlySpend | Employees | Industry | Country | Icp | Target
            | LeadScore | DoNotContact | OpenOpportunity | ContractOwner | Traits => Changes::TRAITS,
            UsageRatio => Changes::QUOTAS,
            UserBand | UserFell => Changes::BAND,
            UserScore => Changes::USER_SCORE,
            // The size class, and that there is one user only, decide too who decides alone (semantics E18).
            UserBuys => Changes::BUYS.and(Changes::EXISTS).and(Changes::TRAITS).and(Changes::ONLY_USER),
        }
    }

    /// The figures that are not of a user, as bits.
    pub const OF_ACCOUNT: u64 = !(1 << Figure::UserBand as u32
        | 1 << Figure::UserFell as u32
        | 1 << Figure::UserScore as u32
        | 1 << Figure::UserBuys as u32);
}

/// Guard rails.
#[derive(Debug)]
pub struct Rails {
    /// No outreach so soon after sign-up, in milliseconds.
    pub after_signup_ms: i64,
    /// No handoff without a usage fact.
    pub usage: bool,
    /// At most one medium or low handoff in this time, in milliseconds.
    pub pacing_ms: i64,
    /// Days during which an account that was not born in the log has no new users.
    pub warm_up_days: i32,
    /// What happened before is history.
    pub live_from: Option<EventTime>,
    /// None while do-not-contact or an open opportunity.
    pub engaged_traits: bool,
    /// None while a handoff to a person has no answer, for so many milliseconds.
    pub unanswered_ms: i64,
    /// Accounts that are left alone: their share, and the salt.
    pub holdout: (f64, String),
    /// Tests of a threshold, at most one a trigger.
    pub arms: Vec<Arm>,
}

/// A test of a threshold: the conditions of its triggers are the lower of two candidate values.
#[derive(Debug)]
pub struct Arm {
    /// Its id.
    pub id: Arc<str>,
    /// Its triggers, by their place.
    pub triggers: Vec<usize>,
    /// The higher value is reached too.
    pub above: Condition,
    /// The share of the accounts between the two for which the lower value decides.
    pub share: f64,
    /// Hashed with the account.
    pub salt: Arc<str>,
}

/// A row of the routes: all that is given must match.
#[derive(Debug)]
pub struct Route {
    /// Through whom.
    pub route: Arc<str>,
    /// Triggers, by their place.
    pub triggers: Option<Vec<usize>>,
    /// Levels.
    pub levels: Option<Vec<Level>>,
    /// Segments.
    pub segments: Option<Vec<Arc<str>>>,
    /// Tiers.
    pub tiers: Option<Vec<Arc<str>>>,
    /// Whether the account asked for sales itself.
    pub asked: Option<bool>,
    /// No person reads it.
    pub automated: bool,
}

/// A row of the territory table: all that is given must match.
#[derive(Debug)]
pub struct Territory {
    /// The territory.
    pub territory: String,
    /// Who owns its accounts.
    pub owner: String,
    /// Countries, in lower case.
    pub countries: Option<Vec<String>>,
    /// Segments.
    pub segments: Option<Vec<String>>,
    /// Industries, in lower case.
    pub industries: Option<Vec<String>>,
    /// A share of the accounts.
    pub share: Option<f64>,
}

/// Money.
#[derive(Debug)]
pub struct Money {
    /// USD for a unit of a currency, by code in upper case.
    pub rates: BTreeMap<String, f64>,
    /// Above so much a year a person introduces themself, in USD.
    pub personal_above: f64,
    /// Plans that fit, by signals any of which asks for it.
    pub suggested_plans: Vec<(Vec<SignalRef>, Arc<str>)>,
}
