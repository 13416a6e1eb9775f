//! The compiled plan: what the engine looks up, by index, without a string or an option in its way.

use std::sync::Arc;

use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::{Error, file};
use crate::model::{DAY_MS, EventKind, HOUR_MS, Level, Role};

/// Signals of one scope: two bits of a word each.
const SIGNALS_MAX: usize = 28;
/// Rungs of a ladder: what two bits can tell apart from off.
const RUNGS_MAX: usize = 3;

/// Everything that decides what events mean and what follows.
#[derive(Debug)]
pub struct Plan {
    /// Name and hash of the rules.
    pub version: Arc<str>,
    /// How event time moves.
    pub time: Time,
    /// Accounts that a partition may hold.
    pub accounts_max: usize,
    /// Users that a partition may hold.
    pub users_max: usize,
    /// Signals of a user, in the order of the file: the index is the slot.
    pub user_signals: Vec<Signal>,
    /// Signals of an account, in the order of the file: the index is the slot.
    pub account_signals: Vec<Signal>,
    /// Triggers, in the order of the file.
    pub triggers: Vec<Trigger>,
    /// The slots of user signals that conditions per user name: two bits each, as users keep their rungs.
    pub trigger_slots: u64,
    /// The order in which triggers of one instant are decided: by level, then as in the file.
    pub by_level: Vec<usize>,
    /// When a medium handoff is due, in milliseconds after outreach may begin: from, by.
    pub medium_due_ms: (i64, i64),
    /// Guard rails.
    pub rails: Rails,
    roles: Roles,
}

/// How event time moves in a partition.
#[derive(Clone, Copy, Debug)]
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
}

/// A signal of one scope.
#[derive(Debug)]
pub struct Signal {
    /// Its id, on the feed and in conditions.
    pub id: Arc<str>,
    /// What it measures.
    pub kind: Kind,
}

/// What a signal measures, with its parameters. State: two bits in the word of its user or account, and what
/// is said here.
#[derive(Debug)]
pub enum Kind {
    /// Mean active share of the last 28 days; rungs in percent, exclusive. Decided at day closes.
    Stickiness {
        /// The rungs: above so many percent.
        above_percent: Vec<u32>,
    },
    /// A trend of weekly values. Upward it is decided at week closes, downward at day closes, and not while inactive.
    Growth(Growth),
    /// Active on at least so many of the last 7 days. On at once, off at day closes.
    ActiveDays {
        /// The days, 1 to 7.
        days: u32,
    },
    /// New users of the account. The first rung is on at once, the second at day closes; off at day closes.
    NewUsers(NewUsers),
    /// Distinct sessions of events of a role. State: the sessions; timer: the end of each. On at once, off at its
    /// end and at day closes.
    Sessions(Sessions),
    /// An event of a role. State: the last sighting; timer: its end.
    Seen(Seen),
    /// No activity of the user in so many days. On at day closes, off at once.
    Idle {
        /// The days, 1 to 28.
        days: u32,
    },
}

impl Kind {
    /// The highest rung.
    fn rungs(&self) -> u8 {
        match self {
            Kind::Stickiness { above_percent } => above_percent.len() as u8,
            Kind::Sessions(sessions) => sessions.rungs.len() as u8,
            Kind::NewUsers(new_users) => 1 + u8::from(new_users.spike_below.is_some()),
            Kind::Growth(_) | Kind::ActiveDays { .. } | Kind::Seen(_) | Kind::Idle { .. } => 1,
        }
    }
}

/// Parameters of a trend.
#[derive(Debug)]
pub struct Growth {
    /// Upward or downward.
    pub up: bool,
    /// Any of these suffices: weeks of strict change, and the slope in thousandths of its standard deviation.
    pub tests: Vec<(u32, Option<u32>)>,
}

/// Parameters of new users.
#[derive(Debug)]
pub struct NewUsers {
    /// So many in 7 days for the first rung; as many and a spike for the second.
    pub at_least: u32,
    /// A spike is less likely than this; none: there is no second rung.
    pub spike_below: Option<f64>,
}

/// Parameters of sessions.
#[derive(Debug)]
pub struct Sessions {
    /// The role of the events.
    pub role: Role,
    /// A session ends after so many milliseconds of silence.
    pub gap_ms: i64,
    /// How long a session counts after its last event, in milliseconds.
    pub ttl_ms: i64,
    /// The rungs: so many sessions.
    pub rungs: Vec<u32>,
}

/// Parameters of a seen role.
#[derive(Debug)]
pub struct Seen {
    /// The role.
    pub role: Role,
    /// How long it counts, in milliseconds.
    pub ttl_ms: i64,
}

/// A trigger.
#[derive(Debug)]
pub struct Trigger {
    /// Its id: hashed into handoff ids.
    pub id: Arc<str>,
    /// How urgent it is.
    pub level: Level,
    /// How long it rests after a fire, in milliseconds.
    pub cooldown_ms: i64,
    /// What makes it fire.
    pub kind: TriggerKind,
}

/// What makes a trigger fire.
#[derive(Debug)]
pub enum TriggerKind {
    /// An event of a role.
    Pulse(Pulse),
    /// A condition that becomes true.
    State {
        /// The condition.
        when: Condition,
        /// Whether each user has an edge of its own.
        per_user: bool,
        /// Closed days on which it must have been false before it can fire again; 0: any moment.
        rearm_after_closed_days: u8,
    },
}

/// What a pulse listens to.
#[derive(Debug)]
pub struct Pulse {
    /// Events of this role.
    pub role: Role,
    /// And the latest plan becoming this one, in lower case.
    pub plan: Option<String>,
    /// The signal that events of the role feed, if any.
    pub signal: Option<Arc<str>>,
}

/// A condition, three-valued: unknown where a value is not known yet.
#[derive(Debug)]
pub enum Condition {
    /// All of them.
    All(Vec<Condition>),
    /// Any of them.
    Any(Vec<Condition>),
    /// A signal stands on this rung or higher.
    Signal(SignalRef, u8),
    /// A figure of the account is as said.
    Metric(AccountMetric, bool),
}

/// A signal by scope and slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalRef {
    /// Of the user that a trigger looks at.
    User(usize),
    /// Of the account.
    Account(usize),
}

/// Figures of an account that conditions name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountMetric {
    /// The latest subscription is paid.
    Paid,
    /// There are two blocks of 7 days to compare new users with.
    SpikeKnown,
    /// The last closed week has more active users than the one so many weeks before.
    WauAbove(u8),
}

/// Guard rails.
#[derive(Clone, Copy, Debug)]
pub struct Rails {
    /// No outreach so soon after sign-up, in milliseconds.
    pub after_signup_ms: i64,
    /// No handoff without a usage fact.
    pub usage: bool,
    /// At most one medium or low handoff in this time, in milliseconds.
    pub pacing_ms: i64,
    /// Days during which an account that was not born in the log has no new users.
    pub warm_up_days: i32,
}

/// The roles of one event name: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoleSet {
    bits: u64,
    active: bool,
}

impl RoleSet {
    /// Whether the set holds `role`.
    pub fn has(self, role: Role) -> bool {
        self.bits & (1 << role as u32) != 0
    }

    /// Whether the event has no role.
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Whether the event is activity of its user: it has no role, or one that is not passive.
    pub fn is_activity(self) -> bool {
        self.bits == 0 || self.active
    }

    fn insert(&mut self, role: Role, passive: bool) {
        self.bits |= 1 << role as u32;
        self.active |= !passive;
    }
}

/// Event names in lower case → roles, by kind of call.
#[derive(Debug)]
struct Roles {
    by_name: HashMap<(u8, Box<[u8]>), RoleSet, foldhash::fast::FixedState>,
    longest: usize,
}

const NAME_MAX: usize = 128;

impl Plan {
    /// The roles of an event with this kind and name.
    pub fn roles(&self, kind: EventKind, name: &str) -> RoleSet {
        if name.len() > self.roles.longest {
            return RoleSet::default();
        }
        let mut lower = [0; NAME_MAX];
        let lower = &mut lower[..name.len()];
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        self.roles.by_name.get(&NameRef(kind as u8, lower)).copied().unwrap_or_default()
    }
}

/// Borrowed key of the table of names.
#[derive(Hash)]
struct NameRef<'a>(u8, &'a [u8]);

impl hashbrown::Equivalent<(u8, Box<[u8]>)> for NameRef<'_> {
    fn equivalent(&self, key: &(u8, Box<[u8]>)) -> bool {
        self.0 == key.0 && *self.1 == *key.1
    }
}

/// Compiles a file; its name and text are for errors and the version.
pub(super) fn compile(name: &str, text: &str, file: file::File) -> Result<Plan, Error> {
    let wrong = |at: serde_saphyr::Location, what: String| Error {
        place: format!("{name}:{}:{}", at.line(), at.column()),
        what,
    };
    let (mut user_signals, mut account_signals) = (Vec::new(), Vec::new());
    for signal in &file.signals {
        let at = signal.referenced;
        let signal = &signal.value;
        let whole = |what| wrong(at, format!("signal {}: {what}", signal.id));
        let mut seen = user_signals.iter().chain(&account_signals);
        if seen.any(|other: &Signal| *other.id == *signal.id) {
            return Err(whole("the id is used twice".into()));
        }
        for scope in &signal.scopes {
            let kind = signal_kind(signal, *scope).map_err(whole)?;
            let list = if *scope == file::Scope::User { &mut user_signals } else { &mut account_signals };
            list.push(Signal { id: signal.id.as_str().into(), kind });
            if list.len() > SIGNALS_MAX {
                return Err(whole(format!("more than {SIGNALS_MAX} signals of one scope")));
            }
        }
        if signal.scopes.is_empty() {
            return Err(whole("scopes is empty: allowed are user, account".into()));
        }
    }
    let mut triggers: Vec<Trigger> = Vec::new();
    for trigger in &file.triggers {
        let at = trigger.referenced;
        let trigger = &trigger.value;
        let whole = |what| wrong(at, format!("trigger {}: {what}", trigger.id));
        if triggers.iter().any(|other| *other.id == *trigger.id) {
            return Err(whole("the id is used twice".into()));
        }
        if trigger.cooldown.0 == 0 {
            return Err(whole("cooldown is 0: two handoffs of one instant would share an id".into()));
        }
        let kind = trigger_kind(trigger, &user_signals, &account_signals).map_err(whole)?;
        let (id, level) = (trigger.id.as_str().into(), trigger.level);
        triggers.push(Trigger { id, level, cooldown_ms: trigger.cooldown.0, kind });
    }
    let trigger_slots = triggers.iter().fold(0, |slots, trigger| slots | slots_of(trigger));
    let mut by_level: Vec<usize> = (0..triggers.len()).collect();
    by_level.sort_by_key(|&trigger| triggers[trigger].level);
    Ok(Plan {
        version: format!("{}@{:016x}", file.name, xxh3_64(text.as_bytes())).into(),
        time: time(&file.time).map_err(|(at, what)| wrong(at, what))?,
        accounts_max: file.limits.accounts as usize,
        users_max: file.limits.users as usize,
        user_signals,
        account_signals,
        triggers,
        trigger_slots,
        by_level,
        medium_due_ms: (file.due.medium.from.0, file.due.medium.by.0),
        rails: Rails {
            after_signup_ms: file.rails.after_signup.0,
            usage: file.rails.usage,
            pacing_ms: file.rails.pacing.0,
            warm_up_days: i32::from(file.rails.warm_up_days),
        },
        roles: roles(&file.roles).map_err(|what| Error { place: name.to_owned(), what })?,
    })
}

/// The slots of user signals that a trigger's condition names.
fn slots_of(trigger: &Trigger) -> u64 {
    fn of(condition: &Condition) -> u64 {
        match condition {
            Condition::All(list) | Condition::Any(list) => list.iter().fold(0, |slots, each| slots | of(each)),
            Condition::Signal(SignalRef::User(slot), _) => 3 << (2 * slot),
            Condition::Signal(SignalRef::Account(_), _) | Condition::Metric(..) => 0,
        }
    }
    match &trigger.kind {
        TriggerKind::State { when, .. } => of(when),
        TriggerKind::Pulse(_) => 0,
    }
}

fn time(time: &file::Time) -> Result<Time, (serde_saphyr::Location, String)> {
    let lateness = time.allowed_lateness.value.0;
    if lateness > DAY_MS {
        let what = format!("allowed_lateness is {} h: at most 24h is allowed", lateness / HOUR_MS);
        return Err((time.allowed_lateness.referenced, what));
    }
    // Shorter lives than the window that late events can reach would make forgetting observable.
    let forget = time.forget_after_days.value;
    if !(64..=36_500).contains(&forget) {
        return Err((
            time.forget_after_days.referenced,
            format!("forget_after_days is {forget}: 64 to 36500 are allowed"),
        ));
    }
    Ok(Time {
        allowed_lateness_ms: lateness,
        max_skew_ms: time.max_skew.0,
        dedupe_window_ms: time.dedupe_window.map_or(lateness, |window| window.0),
        dedupe_ids: time.dedupe_ids as usize,
        forget_after_days: forget as i32,
    })
}

fn roles(roles: &[file::RoleNames]) -> Result<Roles, String> {
    let mut table = Roles { by_name: HashMap::default(), longest: 0 };
    for names in roles {
        for (kind, list) in
            [(EventKind::Track, &names.track), (EventKind::Page, &names.page), (EventKind::Screen, &names.screen)]
        {
            for name in list {
                if name.len() > NAME_MAX {
                    return Err(format!("role {:?}: the name {name:?} has more than {NAME_MAX} bytes", names.role));
                }
                table.longest = table.longest.max(name.len());
                let key = (kind as u8, name.to_ascii_lowercase().into_bytes().into_boxed_slice());
                table.by_name.entry(key).or_default().insert(names.role, names.passive);
            }
        }
    }
    Ok(table)
}

fn signal_kind(signal: &file::Signal, scope: file::Scope) -> Result<Kind, String> {
    use file::{Kind as Name, Scope};
    let scopes: &[Scope] = match signal.kind {
        Name::Stickiness | Name::Growth => &[Scope::User, Scope::Account],
        Name::NewUsers => &[Scope::Account],
        Name::ActiveDays | Name::Sessions | Name::Seen | Name::Idle => &[Scope::User],
    };
    if !scopes.contains(&scope) {
        return Err(format!("kind {:?} has the scopes {scopes:?}, not {scope:?}", signal.kind));
    }
    let taken: &[&str] = match signal.kind {
        Name::Stickiness => &["above_percent"],
        Name::Growth => &["direction", "significance"],
        Name::ActiveDays | Name::Idle => &["days"],
        Name::NewUsers => &["at_least", "spike_below"],
        Name::Sessions => &["role", "gap", "ttl", "rungs"],
        Name::Seen => &["role", "ttl"],
    };
    let given = [
        ("above_percent", signal.above_percent.is_some()),
        ("direction", signal.direction.is_some()),
        ("significance", signal.significance.is_some()),
        ("days", signal.days.is_some()),
        ("at_least", signal.at_least.is_some()),
        ("spike_below", signal.spike_below.is_some()),
        ("role", signal.role.is_some()),
        ("gap", signal.gap.is_some()),
        ("ttl", signal.ttl.is_some()),
        ("rungs", signal.rungs.is_some()),
    ];
    if let Some((name, _)) = given.iter().find(|(name, is_given)| *is_given && !taken.contains(name)) {
        return Err(format!("kind {:?} takes {taken:?}, not {name}", signal.kind));
    }
    let missing = |name: &str| format!("kind {:?} needs {name}", signal.kind);
    let ladder = |rungs: &Option<Vec<u32>>, name: &str| match rungs {
        Some(rungs) if (1..=RUNGS_MAX).contains(&rungs.len()) && rungs.is_sorted_by(|a, b| a < b) && rungs[0] > 0 => {
            Ok(rungs.clone())
        }
        Some(_) => Err(format!("{name} must hold 1 to {RUNGS_MAX} rising numbers above 0")),
        None => Err(missing(name)),
    };
    let days = |max: u32| match signal.days {
        Some(days) if (1..=max).contains(&days) => Ok(days),
        Some(days) => Err(format!("days is {days}: 1 to {max} are allowed")),
        None => Err(missing("days")),
    };
    let role = || signal.role.ok_or_else(|| missing("role"));
    let ttl = || signal.ttl.map(|ttl| ttl.0).filter(|ttl| *ttl > 0).ok_or_else(|| missing("ttl"));
    Ok(match signal.kind {
        Name::Stickiness => Kind::Stickiness { above_percent: ladder(&signal.above_percent, "above_percent")? },
        Name::Growth => Kind::Growth(Growth {
            up: signal.direction.ok_or_else(|| missing("direction"))? == file::Direction::Up,
            tests: significance(
                signal.significance.as_ref().ok_or_else(|| missing("significance"))?,
                if scope == Scope::User { 7 } else { 12 },
            )?,
        }),
        Name::ActiveDays => Kind::ActiveDays { days: days(7)? },
        Name::Idle => Kind::Idle { days: days(28)? },
        Name::NewUsers => Kind::NewUsers(NewUsers {
            at_least: signal.at_least.filter(|n| *n > 0).ok_or_else(|| missing("at_least"))?,
            spike_below: signal.spike_below,
        }),
        Name::Sessions => Kind::Sessions(Sessions {
            role: role()?,
            gap_ms: signal.gap.ok_or_else(|| missing("gap"))?.0,
            ttl_ms: ttl()?,
            rungs: ladder(&signal.rungs, "rungs")?,
        }),
        Name::Seen => Kind::Seen(Seen { role: role()?, ttl_ms: ttl()? }),
    })
}

/// The tests of a trend; `longest`: the streaks that its scope can tell.
fn significance(significance: &file::Significance, longest: u32) -> Result<Vec<(u32, Option<u32>)>, String> {
    let test = |test: &file::Test| {
        let thousandths = (test.z * 1_000.0).round();
        let fits = (0.0..=1e6).contains(&thousandths) && (test.z * 1_000.0 - thousandths).abs() < 1e-6;
        if fits && (1..=longest).contains(&test.streak) {
            Ok((test.streak, Some(thousandths as u32)))
        } else {
            Err(format!("significance: streak 1 to {longest}, z 0 to 1000 in steps of 0.001"))
        }
    };
    match significance {
        file::Significance::Word(word) if word == "none" => Ok(vec![(3, None)]),
        file::Significance::AnyOf(tests) if !tests.is_empty() => tests.iter().map(test).collect(),
        _ => Err("significance: allowed is none, or a list like [{streak: 3, z: 3.0}]".to_owned()),
    }
}

fn trigger_kind(trigger: &file::Trigger, users: &[Signal], accounts: &[Signal]) -> Result<TriggerKind, String> {
    match (&trigger.pulse, &trigger.when) {
        (Some(pulse), None) => {
            if trigger.level != Level::High
                || !matches!(pulse.role, Role::ContactSales | Role::EnterpriseFeatureRequested)
            {
                return Err(
                    "a pulse is a raised hand so far: level high, role contact_sales or enterprise_feature_requested"
                        .into(),
                );
            }
            if trigger.per.is_some() || trigger.rearm_after_closed_days > 0 {
                return Err("per and rearm_after_closed_days go with when, not with pulse".into());
            }
            let feeds = |signal: &&Signal| matches!(&signal.kind, Kind::Seen(seen) if seen.role == pulse.role);
            let signal = users.iter().find(feeds).map(|signal| Arc::clone(&signal.id));
            Ok(TriggerKind::Pulse(Pulse {
                role: pulse.role,
                plan: pulse.plan.as_ref().map(|plan| plan.to_lowercase()),
                signal,
            }))
        }
        (None, Some(when)) => {
            // An account falls asleep 28 days after its last activity, and counts no closed days then.
            if trigger.rearm_after_closed_days > 21 {
                return Err(format!(
                    "rearm_after_closed_days is {}: at most 21 is allowed",
                    trigger.rearm_after_closed_days
                ));
            }
            let per_user = trigger.per == Some(file::Scope::User);
            let when = condition(when, if per_user { users } else { &[] }, accounts)?;
            if holds_without_signals(&when) {
                return Err("when could be true with every signal off: name a signal that must be on".into());
            }
            Ok(TriggerKind::State { when, per_user, rearm_after_closed_days: trigger.rearm_after_closed_days })
        }
        _ => Err("exactly one of pulse and when is needed".into()),
    }
}

/// Whether a condition could be true of an account on which nothing is on: nobody would notice that it becomes so.
fn holds_without_signals(condition: &Condition) -> bool {
    match condition {
        Condition::All(list) => list.iter().all(holds_without_signals),
        Condition::Any(list) => list.iter().any(holds_without_signals),
        Condition::Signal(..) => false,
        Condition::Metric(..) => true,
    }
}

fn condition(written: &file::Condition, users: &[Signal], accounts: &[Signal]) -> Result<Condition, String> {
    let several = |list: &[file::Condition]| {
        list.iter().map(|each| condition(each, users, accounts)).collect::<Result<Vec<_>, _>>()
    };
    let mut found = Vec::new();
    if let Some(list) = &written.all {
        found.push(Condition::All(several(list)?));
    }
    if let Some(list) = &written.any {
        found.push(Condition::Any(several(list)?));
    }
    if let Some(id) = &written.signal {
        let slot = |list: &[Signal]| list.iter().position(|signal| *signal.id == **id);
        let signal = slot(users).map(SignalRef::User).or_else(|| slot(accounts).map(SignalRef::Account));
        let signal = signal.ok_or_else(|| format!("there is no signal {id} in the scope of this trigger"))?;
        let rungs = match signal {
            SignalRef::User(slot) => users[slot].kind.rungs(),
            SignalRef::Account(slot) => accounts[slot].kind.rungs(),
        };
        let rung = written.rung.unwrap_or(1);
        if !(1..=rungs).contains(&rung) {
            return Err(format!("signal {id} has the rungs 1 to {rungs}, not {rung}"));
        }
        found.push(Condition::Signal(signal, rung));
    } else if written.rung.is_some() {
        return Err("rung goes with signal".into());
    }
    found.extend(written.paid.map(|is| Condition::Metric(AccountMetric::Paid, is)));
    found.extend(written.spike_known.map(|is| Condition::Metric(AccountMetric::SpikeKnown, is)));
    if let Some(weeks) = written.wau_above_weeks_ago {
        if !(1..=12).contains(&weeks) {
            return Err(format!("wau_above_weeks_ago is {weeks}: 1 to 12 are allowed"));
        }
        found.push(Condition::Metric(AccountMetric::WauAbove(weeks), true));
    }
    match <[Condition; 1]>::try_from(found) {
        Ok([condition]) => Ok(condition),
        Err(found) => Err(format!(
            "a condition holds exactly one of all, any, signal, paid, spike_known, wau_above_weeks_ago: found {}",
            found.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DEFAULT, default_plan, parse};
    use super::*;

    fn told(from: &str, to: &str) -> String {
        assert!(DEFAULT.contains(from), "{from}");
        parse("rules.yaml", &DEFAULT.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn names_are_compared_without_regard_to_case_and_by_kind_of_call() {
        let plan = default_plan();
        assert!(plan.roles(EventKind::Track, "pricing VIEWED").has(Role::PricingViewed));
        assert!(plan.roles(EventKind::Page, "Pricing").has(Role::PricingViewed));
        assert!(!plan.roles(EventKind::Track, "Pricing").has(Role::PricingViewed));
        assert!(!plan.roles(EventKind::Screen, "Pricing").has(Role::PricingViewed));
        assert!(!plan.roles(EventKind::Page, "Contact Sales").has(Role::ContactSales));
        assert!(!plan.roles(EventKind::Track, "Pricing Viewed").is_activity());
        assert!(plan.roles(EventKind::Track, "Contact Sales").is_activity());
        assert!(plan.roles(EventKind::Track, "anything else, however long it may be").is_activity());
    }

    #[test]
    fn what_is_not_allowed_is_refused_with_its_line() {
        assert!(told("days: 5 }", "days: 9 }").starts_with("rules.yaml:37:"), "{}", told("days: 5 }", "days: 9 }"));
        assert!(told("days: 5 }", "days: 9 }").ends_with("signal velocity.frequency: days is 9: 1 to 7 are allowed"));
        assert!(told("allowed_lateness: 1h", "allowed_lateness: 25h").contains("at most 24h"));
        assert!(told("allowed_lateness: 1h", "allowed_latenes: 1h").contains("allowed_latenes"));
        assert!(told("max_skew: 5m", "max_skew: 5 parsecs").contains("is not a duration"));
        assert!(told("rungs: [1, 3]", "rungs: [3, 1]").contains("rising"));
        assert!(
            told("signal: intent.pricing, rung", "signal: intent.prices, rung").contains("no signal intent.prices")
        );
        assert!(told("signal: velocity.growth }", "signal: intent.pricing }").contains("in the scope of this trigger"));
        assert!(told("{ paid: false }", "{ paid: false, spike_known: true }").contains("exactly one of"));
        assert!(told("level: low", "level: lowest").contains("lowest"));
        assert!(told("kind: seen,", "kind: seen, days: 3,").contains("takes"));
        assert!(told("id: steady-growth", "id: five-new-users").contains("used twice"));
    }
}
