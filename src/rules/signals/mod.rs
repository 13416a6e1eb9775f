//! The chapter `signals`: what is measured of users and accounts.
//!
//! Each kind has a file with its parameters, their compilation, its description, and what the plan must know of it. This
//! file lists the kinds: a new one is a variant of [`Kind`], with a line in `each_kind`, in `kind` and in [`KINDS`].

mod abandoned;
mod about;
mod active_days;
mod age;
mod count;
mod distinct;
mod filter;
mod growth;
mod idle;
mod ladder;
mod new_users;
mod parameters;
mod seen;
mod sessions;
mod significance;
mod spike;
mod stalled;
mod stickiness;
mod traits;
mod usage_ratio;
mod within;
mod words;
mod written;

use std::ops::Deref;
use std::sync::Arc;

use serde_saphyr::Spanned;

use self::parameters::{Parameters, RUNGS_MAX};
use self::written::{Name, Points, Scope, ScoreName};
use super::error::Wrong;
use super::inputs::{SIGNALS_MAX, SignalRef};
use super::meters::Meter;
use crate::text::suggestion;

pub use self::abandoned::Abandoned;
pub(super) use self::about::RESTLESS_DAYS_OF_WEEKS;
pub use self::about::{About, Closes, Moments, Properties};
pub use self::active_days::ActiveDays;
pub use self::age::{Age, Still};
pub use self::count::Count;
pub use self::distinct::Distinct;
pub use self::filter::Filter;
pub use self::growth::{Growth, GrowthBy};
pub use self::idle::Idle;
pub use self::ladder::{Ladder, Of};
pub use self::new_users::NewUsers;
pub use self::seen::Seen;
pub use self::sessions::Sessions;
pub use self::significance::{LevelTest, SlopeTest};
pub use self::spike::Spike;
pub use self::stalled::Stalled;
pub use self::stickiness::Stickiness;
pub use self::traits::{Executive, TraitIs};
pub use self::usage_ratio::UsageRatio;
pub use self::within::Within;
pub(super) use self::written::Written;

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

/// What a signal measures, with its parameters. State: two bits in the word of its user or account, and what is listed
/// here. "At once" means at the event that proves it.
#[derive(Debug, PartialEq)]
pub enum Kind {
    /// An event of some roles. State: the end and the newest observations; timer: the end. On at once, off at its end.
    Seen(Seen),
    /// The number of events of some roles. State: their newest instants, as many as the highest rung asks for; timer: their
    /// ends. On at once, off at an end.
    Count(Count),
    /// The number of distinct values of a field. State: the newest values (without a time to live the earliest), as many as
    /// the highest rung asks for; timer: their ends. On at once, off at an end.
    Distinct(Distinct),
    /// Distinct sessions of events. State: the sessions; timer: the end of each. On at once, off at an end and, where
    /// a late event joins two, at the next day close.
    Sessions(Sessions),
    /// One role within a time after the other. State: both instants. On at once, for life.
    Within(Within),
    /// Something started and not completed in time. State: the latest start; timers: the wait and the end.
    Abandoned(Abandoned),
    /// Active on at least a number of the last 7 days. On at once, off at day closes.
    ActiveDays(ActiveDays),
    /// Mean active share of the last 28 days; rungs in percent, exclusive. Decided at day closes.
    Stickiness(Stickiness),
    /// A trend of weekly values. Upward it is decided at week closes, downward at day closes, and not while inactive.
    Growth(Growth),
    /// New users of the account. The first rung is on at once, the second at day closes; off at day closes.
    NewUsers(NewUsers),
    /// A meter far above its weeks before. State: the meter by the day. Decided at day closes.
    Spike(Spike),
    /// No activity of the user for a number of days. On at day closes, off at once.
    Idle(Idle),
    /// Active users of one department, and none of them new for weeks. Decided at day closes.
    Stalled(Stalled),
    /// An account of an age that still has a single user, or is still free. Timer: the age. Off at once.
    Age(Age),
    /// How much of the fullest quota is used, in percent. State: the latest report of each meter. On at once, off at
    /// day closes.
    UsageRatio(UsageRatio),
    /// A ladder over a figure of the account. On at once, off at day closes.
    Ladder(Ladder),
    /// A trait of the account. On at once, off at day closes.
    Trait(TraitIs),
    /// A running active user is an executive. On at once, off at day closes.
    Executive(Executive),
}

/// Evaluates an expression with the parameters of a kind: `each_kind!(kind, it => it.rungs())`.
macro_rules! each_kind {
    ($kind:expr, $it:ident => $value:expr) => {{
        use $crate::rules::Kind;
        match $kind {
            Kind::Seen($it) => $value,
            Kind::Count($it) => $value,
            Kind::Distinct($it) => $value,
            Kind::Sessions($it) => $value,
            Kind::Within($it) => $value,
            Kind::Abandoned($it) => $value,
            Kind::ActiveDays($it) => $value,
            Kind::Stickiness($it) => $value,
            Kind::Growth($it) => $value,
            Kind::NewUsers($it) => $value,
            Kind::Spike($it) => $value,
            Kind::Idle($it) => $value,
            Kind::Stalled($it) => $value,
            Kind::Age($it) => $value,
            Kind::UsageRatio($it) => $value,
            Kind::Ladder($it) => $value,
            Kind::Trait($it) => $value,
            Kind::Executive($it) => $value,
        }
    }};
}
pub(crate) use each_kind;

impl Deref for Kind {
    type Target = dyn Properties;

    fn deref(&self) -> &Self::Target {
        each_kind!(self, it => it)
    }
}

/// Every kind, in the order of the documents.
pub const KINDS: [About; 21] = [
    seen::ABOUT,
    count::ABOUT,
    distinct::ABOUT,
    sessions::ABOUT,
    ladder::ABOUT,
    within::ABOUT,
    abandoned::ABOUT,
    active_days::ABOUT,
    stickiness::ABOUT,
    growth::ABOUT,
    growth::BY_PERCENT,
    new_users::ABOUT,
    spike::ABOUT,
    idle::ABOUT,
    stalled::ABOUT,
    age::ABOUT,
    usage_ratio::ABOUT,
    traits::AT_LEAST,
    traits::ONE_OF,
    traits::TRUE,
    traits::EXECUTIVE,
];

/// The signals of the rules.
#[derive(Default)]
pub(super) struct Signals {
    /// Signals of a user, in the order of the file: the index is the slot.
    pub(super) users: Vec<Signal>,
    /// Signals of an account, in the order of the file: the index is the slot.
    pub(super) accounts: Vec<Signal>,
    /// Ids of signals that are written and off.
    pub(super) off: Vec<String>,
}

impl Signals {
    /// The signal of that id; of two, that of users.
    ///
    /// # Errors
    /// There is no such signal, and which may be meant.
    pub(super) fn find(&self, id: &str) -> Result<SignalRef, String> {
        let user = slot(&self.users, id).map(SignalRef::User);
        user.or_else(|| slot(&self.accounts, id).map(SignalRef::Account)).ok_or_else(|| {
            if self.off.iter().any(|off| off == id) {
                return format!("signal {id} is off");
            }
            let known = self.users.iter().chain(&self.accounts).map(|signal| &*signal.id);
            format!("there is no signal {id}{}", suggestion(id, known))
        })
    }
}

/// The slot of a signal among those of one scope.
pub(super) fn slot(list: &[Signal], id: &str) -> Option<usize> {
    list.iter().position(|signal| *signal.id == *id)
}

/// Compiles the chapter.
pub(super) fn compile(written: &[Spanned<Written>], meters: &[Arc<Meter>]) -> Result<Signals, Wrong> {
    let mut signals = Signals::default();
    let mut ids: Vec<&str> = Vec::new();
    for spanned in written {
        let signal = &spanned.value;
        let whole = |what| (spanned.referenced, format!("signal {}: {what}", signal.id));
        if ids.contains(&&*signal.id) {
            return Err(whole("the id is used twice".into()));
        }
        let is_word = |word: &str| {
            let mut chars = word.chars();
            chars.next().is_some_and(|c| c.is_ascii_lowercase())
                && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !signal.id.contains('.') || !signal.id.split('.').all(is_word) {
            return Err(whole("expected a group and a name in lower case, such as velocity.growth, as id".into()));
        }
        let reserved = ["user.", "event.", "traits.", "score."];
        if signal.id == "account.active_users" || reserved.iter().any(|group| signal.id.starts_with(group)) {
            let reserved = reserved.join(", ");
            return Err(whole(format!("the id is reserved, as are {reserved} and account.active_users")));
        }
        ids.push(&signal.id);
        if signal.scopes.is_empty() {
            return Err(whole("scopes is empty: allowed are user, account".into()));
        }
        if signal.scopes.len() > 1 && signal.scopes[1..].contains(&signal.scopes[0]) {
            return Err(whole("scopes names one scope twice".into()));
        }
        if signal.off {
            signals.off.push(signal.id.clone());
        }
        for scope in &signal.scopes {
            let kind = kind(signal, *scope, meters).map_err(whole)?;
            let (pql, pqa) = match &signal.enters {
                Some(scores) => (scores.contains(&ScoreName::Pql), scores.contains(&ScoreName::Pqa)),
                None => (*scope == Scope::User, *scope == Scope::Account),
            };
            let list = if *scope == Scope::User { &mut signals.users } else { &mut signals.accounts };
            if signal.off {
                continue;
            }
            list.push(Signal {
                id: signal.id.as_str().into(),
                points: points(&signal.points, kind.rungs()).map_err(whole)?,
                kind,
                pql,
                pqa,
            });
            if list.len() > SIGNALS_MAX {
                return Err(whole(format!("more than {SIGNALS_MAX} signals of one scope")));
            }
        }
    }
    Ok(signals)
}

fn points(written: &Points, rungs: u8) -> Result<[i32; RUNGS_MAX + 1], String> {
    let each = match written {
        Points::None => vec![0; rungs.into()],
        Points::All(points) => vec![*points; rungs.into()],
        Points::Each(points) => points.clone(),
    };
    if each.len() != usize::from(rungs) {
        return Err(format!("points has {} numbers for {rungs} rungs", each.len()));
    }
    if let Some(far) = each.iter().find(|points| points.abs() > 10_000) {
        return Err(format!("points is {far}: -10000 to 10000 are allowed"));
    }
    Ok(std::array::from_fn(|rung| if rung == 0 { 0 } else { each.get(rung - 1).copied().unwrap_or(0) }))
}

/// What a row measures of a scope.
fn kind(signal: &Written, scope: Scope, meters: &[Arc<Meter>]) -> Result<Kind, String> {
    let name = signal.kind.ok_or("kind is missing")?;
    let mut take = Parameters { signal, name, scope, meters, taken: Vec::new() };
    let kind = match (name, signal.of.as_deref()) {
        (Name::Seen, _) => Kind::Seen(Seen::compile(&mut take)?),
        (Name::Count, _) => Kind::Count(Count::compile(&mut take)?),
        (Name::Distinct, Some("session")) => Kind::Sessions(Sessions::compile(&mut take)?),
        (Name::Distinct, _) => Kind::Distinct(Distinct::compile(&mut take)?),
        (Name::Within, _) => Kind::Within(Within::compile(&mut take)?),
        (Name::Abandoned, _) => Kind::Abandoned(Abandoned::compile(&mut take)?),
        (Name::ActiveDays, _) => Kind::ActiveDays(ActiveDays::compile(&mut take)?),
        (Name::Stickiness, _) => Kind::Stickiness(Stickiness::compile(&mut take)?),
        (Name::Growth, _) => Kind::Growth(Growth::compile(&mut take)?),
        (Name::Spike, Some("new_users")) => Kind::NewUsers(NewUsers::compile(&mut take)?),
        (Name::Spike, _) => Kind::Spike(Spike::compile(&mut take)?),
        (Name::Idle, _) if scope == Scope::User => Kind::Idle(Idle::compile(&mut take)?),
        (Name::Idle, _) => Kind::Stalled(Stalled::compile(&mut take)?),
        (Name::Age, _) => Kind::Age(Age::compile(&mut take)?),
        (Name::UsageRatio, _) => Kind::UsageRatio(UsageRatio::compile(&mut take)?),
        (Name::Ladder, _) => Kind::Ladder(Ladder::compile(&mut take)?),
        (Name::Trait, Some("executives")) => Kind::Executive(Executive::compile(&mut take)?),
        (Name::Trait, _) => Kind::Trait(TraitIs::compile(&mut take)?),
    };
    take.rest()?;
    let About { written, scopes, .. } = kind.about();
    if !scopes.contains(&scope.word()) {
        return Err(format!("scopes has {}: `{written}` allows only {}", scope.word(), scopes.join(", ")));
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{DEFAULT, parse};

    /// The default rules with this row as their first signal.
    fn with(row: &str) -> Result<crate::rules::Plan, crate::rules::Error> {
        parse("rules", &DEFAULT.replacen("\nsignals:\n", &format!("\nsignals:\n  - {row}\n"), 1))
    }

    #[test]
    fn examples_compile_and_are_of_their_kind() {
        for about in KINDS {
            let plan = with(about.example).unwrap_or_else(|error| panic!("{}: {error}", about.written));
            let mine = |list: &[crate::rules::Signal]| {
                list.iter().find(|it| it.id.starts_with("my.")).map(|it| it.kind.about().written)
            };
            let found = mine(&plan.user_signals).or(mine(&plan.account_signals));
            assert_eq!(found, Some(about.written), "{}", about.example);
        }
    }

    #[test]
    fn the_compiler_takes_the_parameters_that_are_documented() {
        for about in KINDS {
            let foreign = if about.parameters.contains(&"days") { "gap: 30m" } else { "days: 3" };
            let row = about.example.replace(" }", &format!(", {foreign} }}"));
            let row = if about.parameters.contains(&"significance") {
                about.example.replace("} }", &format!("}}, {foreign} }}"))
            } else {
                row
            };
            let what = with(&row).expect_err(about.written).what;
            let taken =
                what.split_once(" takes ").and_then(|(_, rest)| rest.split_once(", not ")).map(|(taken, _)| taken);
            assert_eq!(taken, Some(&*about.parameters.join(", ")), "{}: {what}", about.written);
        }
    }

    #[test]
    fn a_scope_that_is_not_documented_is_refused() {
        for about in KINDS {
            for (scope, other) in [("user", "account"), ("account", "user")] {
                let row = about.example.replace(&format!("scopes: [{scope}]"), &format!("scopes: [{other}]"));
                let is_documented = about.scopes.contains(&other);
                // What a user and an account of one kind need may differ; a scope that is not documented never compiles.
                assert!(is_documented || row == about.example || with(&row).is_err(), "{}: {row}", about.written);
            }
        }
    }
}
