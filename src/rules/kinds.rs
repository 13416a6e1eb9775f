//! The signal kinds in words: parameters, moments, state and timers of each. The documents and `rules explain` are made
//! from this table; a test holds the parameters against the compiler.

use super::plan::{Growth, GrowthBy, Kind, TraitIs};

/// What a person should know of a kind, whatever its parameters.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// As the rules file writes it: the kind, and what else tells it from its like.
    pub written: &'static str,
    /// Whose signals may be of the kind.
    pub scopes: &'static [&'static str],
    /// What it measures.
    pub measures: &'static str,
    /// The parameters that it takes, in the order in which the compiler names them.
    pub parameters: &'static [&'static str],
    /// When a signal of it turns on or climbs.
    pub on: &'static str,
    /// When it turns off or falls.
    pub off: &'static str,
    /// What it keeps, beyond the two bits that every signal takes of its user or account.
    pub state: &'static str,
    /// What wakes it without an event.
    pub timer: &'static str,
    /// A row of the rules file.
    pub example: &'static str,
}

const BOTH: &[&str] = &["user", "account"];
const USER: &[&str] = &["user"];
const ACCOUNT: &[&str] = &["account"];
const AT_ONCE: &str = "at once, at the event that proves it";
const AT_DAY_CLOSE: &str = "at the close of a day";
const NONE: &str = "none";

const SEEN: About = About {
    written: "kind: seen",
    scopes: BOTH,
    measures: "an event of some roles",
    parameters: &["roles", "where", "where_bound", "premium", "ttl", "after"],
    on: AT_ONCE,
    off: "when the ttl of the newest event ends; without a ttl never",
    state: "about 70 bytes; up to four events as evidence, 50 bytes and a message id each",
    timer: "the end of the ttl",
    example: "{ id: my.export, kind: seen, scopes: [user], points: 5, in: [pql, pqa], roles: [exported], ttl: 90d }",
};
const COUNT: About = About {
    written: "kind: count",
    scopes: BOTH,
    measures: "so many events of some roles",
    parameters: &["roles", "where", "where_bound", "premium", "ttl", "after", "rungs"],
    on: AT_ONCE,
    off: "when the ttl of events ends and too few are left; without a ttl never",
    state: "about 70 bytes; 8 for each of the newest events, as many as the highest rung asks for; up to four events as evidence",
    timer: "the end of the ttl of each event",
    example: "{ id: my.exports, kind: count, scopes: [account], points: [5, 10], in: [pqa], roles: [exported], ttl: \
              28d, rungs: [3, 10] }",
};
const DISTINCT: About = About {
    written: "kind: distinct",
    scopes: BOTH,
    measures: "so many distinct values of a field of events of some roles; `within` only those seen so soon after \
              sign-up",
    parameters: &["roles", "where", "where_bound", "premium", "of", "ttl", "within", "rungs"],
    on: AT_ONCE,
    off: "when the ttl of values ends and too few are left; without a ttl never",
    state: "about 70 bytes; 75 and its length for each of the values, as many as the highest rung asks for",
    timer: "the end of the ttl of each value, counted from its last event",
    example: "{ id: my.integrations, kind: distinct, scopes: [account], points: 10, in: [pqa], roles: \
              [integration_connected], of: integration, rungs: [3] }",
};
const SESSIONS: About = About {
    written: "kind: distinct, of: session",
    scopes: USER,
    measures: "so many sessions of events of some roles; one ends after `gap` of silence, and without a gap each \
              event is one",
    parameters: &["of", "roles", "where", "where_bound", "premium", "gap", "ttl", "rungs"],
    on: AT_ONCE,
    off: "when the ttl of sessions ends and too few are left; at the next close of a day where a late event joins \
              two",
    state: "about 70 bytes; 16 a session; up to four events as evidence",
    timer: "the end of the ttl of each session, counted from its last event",
    example: "{ id: my.terms, kind: distinct, scopes: [user], points: 10, in: [pql], roles: [terms_viewed], of: \
              session, gap: 30m, ttl: 30d, rungs: [2] }",
};
const WITHIN: About = About {
    written: "kind: within",
    scopes: USER,
    measures: "the second of two roles less than `within` after the first, in whatever order the events come; today \
              only signed_up and activated",
    parameters: &["roles", "within"],
    on: AT_ONCE,
    off: "never in this life of the user",
    state: "about 70 bytes; 8 for each of up to 16 instants that may still count: the newest, and of \
            any three so near to each other two; up to four events as evidence",
    timer: NONE,
    example: "{ id: my.quick_start, kind: within, scopes: [user], points: 10, in: [pql], roles: [signed_up, \
              activated], within: 1d }",
};
const ABANDONED: About = About {
    written: "kind: abandoned",
    scopes: USER,
    measures: "something started and not completed by anyone of the account within `after`",
    parameters: &["roles", "after", "ttl"],
    on: "when `after` has passed since the latest start",
    off: "at a completion, or after the ttl",
    state: "about 70 bytes; up to four events as evidence",
    timer: "the end of the wait, then the end of the ttl",
    example: "{ id: my.checkout, kind: abandoned, scopes: [user], points: 25, in: [pql], roles: [upgrade_started, \
              upgrade_completed], after: 2d, ttl: 30d }",
};
const ACTIVE_DAYS: About = About {
    written: "kind: active_days",
    scopes: USER,
    measures: "active on at least `days` of the last 7 days",
    parameters: &["days"],
    on: "at once, on the day that proves it",
    off: AT_DAY_CLOSE,
    state: "nothing of its own: the user's active days are kept anyway",
    timer: NONE,
    example: "{ id: my.daily, kind: active_days, scopes: [user], points: 20, in: [pql], days: 6 }",
};
const STICKINESS: About = About {
    written: "kind: stickiness",
    scopes: BOTH,
    measures: "the mean active share of the last 28 days (DAU/MAU), above so many percent; unknown in the first week",
    parameters: &["above_percent"],
    on: AT_DAY_CLOSE,
    off: AT_DAY_CLOSE,
    state: "nothing of its own: it is computed from active days",
    timer: NONE,
    example: "{ id: my.habit, kind: stickiness, scopes: [account], points: [5, 10, 20], above_percent: [20, 40, 60] \
              }",
};
const GROWTH: About = About {
    written: "kind: growth",
    scopes: BOTH,
    measures: "weekly active users clearly above or below the account's base level; for users, and for accounts whose base \
              level is unknown, the slope of active days or weekly users; unknown before four complete weeks (a decline of \
              an account: ten)",
    parameters: &["direction", "of", "significance"],
    on: "up: at the close of a week; down: at the close of a day, and not while inactive",
    off: "as it turns on",
    state: "nothing of its own: weekly values are kept anyway",
    timer: NONE,
    example: "{ id: my.surge, kind: growth, scopes: [account], points: 15, in: [pqa], direction: up, significance: \
              { above: 50, each: 16 } }",
};
const GROWTH_BY: About = About {
    written: "kind: growth, of: ratio or new_users",
    scopes: ACCOUNT,
    measures: "`ratio`: the change of the last week's WAU by at least so many percent; `new_users`: new users of 7 \
              days, in percent of active users",
    parameters: &["direction", "of", "at_least"],
    on: "as growth",
    off: "as growth",
    state: "nothing of its own: weekly values are kept anyway",
    timer: NONE,
    example: "{ id: my.jump, kind: growth, scopes: [account], points: 15, in: [pqa], direction: up, of: ratio, \
              at_least: 50 }",
};
const NEW_USERS: About = About {
    written: "kind: spike, of: new_users",
    scopes: ACCOUNT,
    measures: "at least so many new users in 7 days; with `spike_below` a second rung where that is less likely \
              than this for the account",
    parameters: &["of", "at_least", "spike_below"],
    on: "the first rung at once; the second at the close of a day, once two blocks of 7 days are known to compare \
              with",
    off: AT_DAY_CLOSE,
    state: "nothing of its own: new users are counted by the day anyway",
    timer: NONE,
    example: "{ id: my.newcomers, kind: spike, scopes: [account], points: [10, 20], in: [pqa], of: new_users, \
              at_least: 3, spike_below: 0.01 }",
};
const SPIKE: About = About {
    written: "kind: spike, of: a meter",
    scopes: ACCOUNT,
    measures: "a meter's last 7 days at least `at_least` and `spike_above` standard deviations above the 8 weeks \
              before; unknown without these",
    parameters: &["of", "at_least", "spike_above"],
    on: AT_DAY_CLOSE,
    off: AT_DAY_CLOSE,
    state: "the meter by the day: 32 bytes for each of 72 days, shared by all signals on it",
    timer: NONE,
    example: "{ id: my.api_spike, kind: spike, scopes: [account], points: 10, in: [pqa], of: api_calls, at_least: \
              100, spike_above: 4 }",
};
const IDLE: About = About {
    written: "kind: idle",
    scopes: USER,
    measures: "no activity in the last `days` days, by somebody who was active before",
    parameters: &["days"],
    on: AT_DAY_CLOSE,
    off: "at once, with the next activity",
    state: "nothing of its own: the user's active days are kept anyway",
    timer: NONE,
    example: "{ id: my.gone, kind: idle, scopes: [user], points: -10, in: [pql], days: 14 }",
};
const STALLED: About = About {
    written: "kind: idle, of: new_users",
    scopes: ACCOUNT,
    measures: "at least so many active users, all of one department, and nobody new in the last `weeks` closed weeks",
    parameters: &["of", "at_least", "weeks"],
    on: AT_DAY_CLOSE,
    off: AT_DAY_CLOSE,
    state: "nothing of its own: departments and first days are kept anyway",
    timer: NONE,
    example: "{ id: my.stuck, kind: idle, scopes: [account], of: new_users, weeks: 4, at_least: 10 }",
};
const AGE: About = About {
    written: "kind: age",
    scopes: ACCOUNT,
    measures: "`days` after the first activity still a `single_user` (one user, nobody invited), or still \
              `free_only` (not paid, no premium feature; unknown unless a mapping says what is premium)",
    parameters: &["of", "days"],
    on: "at that age",
    off: AT_ONCE,
    state: "nothing of its own",
    timer: "the age",
    example: "{ id: my.alone, kind: age, scopes: [account], points: -5, in: [pqa], of: single_user, days: 14 }",
};
const USAGE_RATIO: About = About {
    written: "kind: usage_ratio",
    scopes: ACCOUNT,
    measures: "at least so many percent of the fullest quota used, as last reported",
    parameters: &["at_least"],
    on: AT_ONCE,
    off: AT_DAY_CLOSE,
    state: "the latest report of each meter, about 60 bytes and its name",
    timer: NONE,
    example: "{ id: my.quota, kind: usage_ratio, scopes: [account], points: 15, in: [pqa], at_least: 80 }",
};
const LADDER: About = About {
    written: "kind: ladder",
    scopes: ACCOUNT,
    measures: "`active_users`, `users_of_a_domain` (of the company e-mail domain with the most), `departments`, or \
              a meter over 28 days, at least so many",
    parameters: &["of", "rungs"],
    on: AT_ONCE,
    off: AT_DAY_CLOSE,
    state: "nothing of its own: the figures are kept anyway; a meter as of spike",
    timer: NONE,
    example: "{ id: my.size, kind: ladder, scopes: [account], points: [5, 10, 15], in: [pqa], of: active_users, \
              rungs: [5, 20, 100] }",
};
const TRAIT_AT_LEAST: About = About {
    written: "kind: trait, of: employees or lead_score",
    scopes: ACCOUNT,
    measures: "a number that is known of the account, at least so large",
    parameters: &["of", "rungs"],
    on: AT_ONCE,
    off: AT_DAY_CLOSE,
    state: "the trait, kept anyway and never forgotten with activity",
    timer: NONE,
    example: "{ id: my.lead, kind: trait, scopes: [account], points: 10, in: [pqa], of: lead_score, rungs: [50] }",
};
const TRAIT_ONE_OF: About = About {
    written: "kind: trait, of: industry, country or territory",
    scopes: ACCOUNT,
    measures: "a text that is known of the account, one of these without regard to case",
    parameters: &["of", "one_of"],
    example: "{ id: my.region, kind: trait, scopes: [account], points: 5, in: [pqa], of: country, one_of: [DE, AT, \
              CH] }",
    ..TRAIT_AT_LEAST
};
const TRAIT_TRUE: About = About {
    written: "kind: trait, of: icp, target or open_opportunity",
    scopes: ACCOUNT,
    measures: "something that is true of the account",
    parameters: &["of"],
    example: "{ id: my.target, kind: trait, scopes: [account], points: 10, in: [pqa], of: target }",
    ..TRAIT_AT_LEAST
};
const EXECUTIVE: About = About {
    written: "kind: trait, of: executives",
    scopes: ACCOUNT,
    measures: "an active user with an executive title, or with a role in the product that counts as one (`traits`)",
    parameters: &["of"],
    on: AT_ONCE,
    off: AT_DAY_CLOSE,
    state: "nothing of its own: executives are counted anyway",
    timer: NONE,
    example: "{ id: my.boss, kind: trait, scopes: [account], points: 10, in: [pqa], of: executives }",
};

/// Every kind, in the order of the documents.
pub const KINDS: [About; 21] = [
    SEEN,
    COUNT,
    DISTINCT,
    SESSIONS,
    LADDER,
    WITHIN,
    ABANDONED,
    ACTIVE_DAYS,
    STICKINESS,
    GROWTH,
    GROWTH_BY,
    NEW_USERS,
    SPIKE,
    IDLE,
    STALLED,
    AGE,
    USAGE_RATIO,
    TRAIT_AT_LEAST,
    TRAIT_ONE_OF,
    TRAIT_TRUE,
    EXECUTIVE,
];

impl Kind {
    /// What a person should know of the kind.
    pub fn about(&self) -> About {
        match self {
            Kind::Seen(_) => SEEN,
            Kind::Count(_) => COUNT,
            Kind::Distinct(_) => DISTINCT,
            Kind::Sessions(_) => SESSIONS,
            Kind::Within(_) => WITHIN,
            Kind::Abandoned(_) => ABANDONED,
            Kind::ActiveDays(_) => ACTIVE_DAYS,
            Kind::Stickiness(_) => STICKINESS,
            Kind::Growth(Growth { by, .. }) => match by {
                GrowthBy::Ratio(_) | GrowthBy::Newcomers(_) => GROWTH_BY,
                GrowthBy::Level(..) | GrowthBy::Streak => GROWTH,
            },
            Kind::NewUsers(_) => NEW_USERS,
            Kind::Spike(_) => SPIKE,
            Kind::Idle(_) => IDLE,
            Kind::Stalled(_) => STALLED,
            Kind::Age(_) => AGE,
            Kind::UsageRatio(_) => USAGE_RATIO,
            Kind::Ladder(_) => LADDER,
            Kind::Trait(TraitIs::Employees(_) | TraitIs::AtLeast(..)) => TRAIT_AT_LEAST,
            Kind::Trait(TraitIs::OneOf(..)) => TRAIT_ONE_OF,
            Kind::Trait(TraitIs::True(_)) => TRAIT_TRUE,
            Kind::Executive => EXECUTIVE,
        }
    }
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
    fn the_compiler_takes_the_parameters_that_are_told() {
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
    fn a_scope_that_is_not_told_is_refused() {
        for about in KINDS {
            for (scope, other) in [("user", "account"), ("account", "user")] {
                let row = about.example.replace(&format!("scopes: [{scope}]"), &format!("scopes: [{other}]"));
                let is_told = about.scopes.contains(&other);
                // What a user and an account of one kind need may differ; a scope that is not told never compiles.
                assert!(is_told || row == about.example || with(&row).is_err(), "{}: {row}", about.written);
            }
        }
    }
}
