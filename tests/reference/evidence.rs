//! Evidence: the facts of a signal or a handoff (semantics E23).

use serde_json::{Value, json};

use super::DAY;
use super::account::{Account, Moment};
use super::condition::{Condition, Value as Known};
use super::pack::{Measure, Signal, Trigger};
use super::roles::Role;
use super::time::{days_within, last_closed_week};

/// An event or a figure: the instant, the place of the event in the log, the number.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Fact {
    ms: i64,
    place: Option<i64>,
    number: f64,
}

/// Facts, and how many more there are.
#[derive(Default)]
pub(super) struct Evidence {
    facts: Vec<Fact>,
    left_out: usize,
}

/// A handoff explains its condition for so many users.
const EXPLAINED: usize = 5;

/// offset · 2²⁰ + index.
fn number_of((offset, index): (i64, u32)) -> i64 {
    (offset << 20) + i64::from(index)
}

impl Fact {
    fn order(&self) -> (i64, Option<i64>) {
        (self.ms, self.place)
    }
}

impl Evidence {
    /// Of events the first and the newest three.
    fn of_events(facts: &[Fact]) -> Evidence {
        let mut facts = facts.to_vec();
        facts.sort_by_key(Fact::order);
        let left_out = facts.len().saturating_sub(4);
        facts.drain(1.min(facts.len())..1.min(facts.len()) + left_out);
        Evidence { facts, left_out }
    }

    /// Writes the facts into a message.
    pub(super) fn write(&self, message: &mut Value) {
        let fact = |fact: &Fact| {
            let mut value = json!({});
            if fact.ms != 0 {
                value["ms"] = json!(fact.ms.to_string());
            }
            if let Some(place) = fact.place {
                value["place"] = json!(place.to_string());
            }
            if fact.number != 0.0 {
                value["number"] = json!(fact.number);
            }
            value
        };
        message["facts"] = self.facts.iter().map(fact).collect();
        if self.left_out > 0 {
            message["factsLeftOut"] = json!(self.left_out);
        }
    }
}

impl From<Fact> for Evidence {
    fn from(fact: Fact) -> Evidence {
        Evidence { facts: vec![fact], left_out: 0 }
    }
}

/// Which events are facts of which signals.
impl Account {
    /// Adds the event that was applied last to the facts of the signals that it proves.
    pub(super) fn prove(&mut self) {
        let Some(newest) = self.events.last() else { return };
        let (user, fact) = (newest.event.user.clone(), self.fact_of_newest());
        for signal in self.settings.pack.signals() {
            let of_user = (signal.it.of_users && !user.is_empty()).then(|| user.clone());
            let of_account = signal.it.of_accounts.then(String::new);
            for id in of_user.into_iter().chain(of_account) {
                if self.is_fact(&id, signal) {
                    self.facts.entry((id, signal)).or_default().push(fact);
                }
            }
        }
    }

    pub(super) fn fact_of_newest(&self) -> Fact {
        let newest = self.events.last().expect("an event was applied");
        Fact { ms: newest.event.ms, place: Some(number_of(newest.place)), number: 1.0 }
    }

    fn is_fact(&self, id: &str, signal: Signal) -> bool {
        let Some(newest) = self.events.last() else { return false };
        let (ms, role) = (newest.event.ms, newest.event.role());
        match &signal.it.measure {
            Measure::Seen(_) | Measure::Count(..) | Measure::Sessions { .. } => {
                self.observations(id, signal).iter().any(|applied| applied.place_in_account == newest.place_in_account)
            }
            Measure::Distinct { .. } => self.proves_a_value(id, signal),
            // Once the sign-up is known, nothing later counts: another one could only be earlier.
            Measure::Within(within) => {
                let signed_up = self
                    .users
                    .get(id)
                    .and_then(|user| self.life_facts_of(user, Role::SignedUp).map(|applied| applied.event.ms).min());
                role == Some(Role::Activated) && signed_up.is_none_or(|signed_up| ms < signed_up + within)
            }
            // What is completed already was not abandoned.
            Measure::Abandoned { start, complete, after, ttl } => {
                role == Some(*start)
                    && ms + after + ttl > newest.watermark
                    && !self.facts(*complete).any(|completed| completed.event.ms >= ms)
            }
            _ => false,
        }
    }

    /// Whether the value of the newest event counts because of it: no other event of the value counts for as long, and
    /// fewer other values than the highest rung needs do.
    fn proves_a_value(&self, id: &str, signal: Signal) -> bool {
        let Measure::Distinct { facts, rungs, .. } = &signal.it.measure else { return false };
        let observations = self.observed_values(id, signal);
        let Some(newest) = self.events.last() else { return false };
        let is_newest = |place: &usize| *place == newest.place_in_account;
        let Some((_, _, value)) = observations.iter().find(|(place, ..)| is_newest(place)) else { return false };
        // With a TTL the latest event counts, else the earliest.
        let counts_as_long = |ms: i64| if facts.ttl.is_some() { ms >= newest.event.ms } else { ms <= newest.event.ms };
        let others = observations.iter().filter(|(place, ms, _)| !is_newest(place) && counts_as_long(*ms));
        let values: std::collections::BTreeSet<&String> = others.map(|(_, _, value)| value).collect();
        !values.contains(value) && values.len() < rungs.last().copied().unwrap_or(1)
    }

    /// Facts of a signal that is off are no facts any more once none of them counts.
    pub(super) fn forget_facts_if_over(&mut self, id: &str, signal: Signal) {
        let is_over = match &signal.it.measure {
            Measure::Seen(_) | Measure::Count(..) => self.seen(id, signal).next().is_none(),
            // An event without a value is no fact.
            Measure::Distinct { facts, .. } => {
                let counts = |ms: i64| facts.ttl.is_none_or(|ttl| ms + ttl > self.clock);
                !self.observed_values(id, signal).iter().any(|(_, ms, _)| counts(*ms))
            }
            Measure::Sessions { .. } => self.known_sessions(id, signal) == 0,
            Measure::Abandoned { .. } => self.users.get(id).is_some_and(|user| !self.waits(user, signal)),
            _ => false,
        };
        if is_over && self.rung(id, signal) == 0 {
            self.facts.remove(&(id.to_owned(), signal));
        }
    }

    /// Whether the latest start of something is not completed, and its TTL not over.
    fn waits(&self, user: &super::account::User, signal: Signal) -> bool {
        let Measure::Abandoned { start, complete, after, ttl } = signal.it.measure else { return false };
        let since = self.since(signal, true);
        let starts = self.facts_of(user, start).filter(|applied| applied.place_in_account >= since);
        starts.map(|applied| applied.event.ms).max().is_some_and(|start| {
            self.clock < start + after + ttl && !self.facts(complete).any(|completed| completed.event.ms >= start)
        })
    }
}

/// What is published.
impl Account {
    /// A number, as a fact of what happens now.
    pub(super) fn figure_fact(&self, number: f64, cause: i64) -> Evidence {
        Fact { ms: cause, place: self.by.map(number_of), number }.into()
    }

    /// What a signal rests on.
    pub(super) fn evidence(&self, id: &str, signal: Signal, cause: i64) -> Evidence {
        use Measure::{Abandoned, Count, Distinct, Seen, Sessions, Within};
        match signal.it.measure {
            Seen(_) | Count(..) | Distinct { .. } | Sessions { .. } | Within(_) | Abandoned { .. } => {
                Evidence::of_events(self.facts.get(&(id.to_owned(), signal)).map_or(&[], Vec::as_slice))
            }
            _ => match self.figure_of_signal(id, signal) {
                Some(number) => self.figure_fact(number, cause),
                None => Evidence::default(),
            },
        }
    }

    fn figure_of_signal(&self, id: &str, signal: Signal) -> Option<f64> {
        let closed = self.open_day() - 1;
        let user = self.users.get(id);
        let ratio = |part: i64, whole: i64| part as f64 / whole as f64;
        match (&signal.it.measure, user) {
            (Measure::ActiveDays(_), Some(user)) => {
                Some(days_within(&user.days, self.newest_day() - 6, self.newest_day()) as f64)
            }
            (Measure::Stickiness(_), Some(user)) => {
                let n = (closed - self.user_life(id, closed)?.first + 1).min(28);
                (n >= 7).then(|| ratio(days_within(&user.days, closed - n + 1, closed), n))
            }
            (Measure::Stickiness(_), None) => self.stickiness(closed).map(|(sum, n, mau)| ratio(sum, n * mau)),
            (Measure::Growth(..), Some(_)) => self.user_trend(id, last_closed_week(closed))?.z(),
            (Measure::Growth(..), None) => {
                let week = last_closed_week(closed);
                Some(self.weekly_users(week) as f64)
            }
            (Measure::Idle(_), Some(user)) => user.days.last().map(|last| (closed - last).max(0) as f64),
            (Measure::NewUsers { .. }, None) => {
                let day = if self.rung(id, signal) > 1 { closed } else { self.newest_day() };
                Some(self.counted_new_users(day) as f64)
            }
            (Measure::Spike { meter, .. }, None) => Some(self.metered(meter, closed - 6, closed)),
            (Measure::Stalled { .. }, None) => Some(self.running_users().len() as f64),
            (Measure::SingleUser { .. } | Measure::FreeOnly { .. }, None) => {
                // Also of a life that is forgotten now.
                let founded = self.lives.last().and_then(|life| self.first_of_day.get(&life.first));
                Some(founded.map_or(0, |founded| (self.clock - founded) / DAY) as f64)
            }
            (Measure::UsageRatio { .. }, None) => {
                self.quotas().iter().map(|(used, quota)| used / quota).reduce(f64::max)
            }
            (Measure::Ladder(of, _), None) => Some(self.climbed(of)),
            (Measure::Employees(_), None) => self.employees().map(|size| size as f64),
            (Measure::LeadScore(_), None) => self.account_trait("lead_score").and_then(Value::as_f64),
            (Measure::OneOf(..) | Measure::True(_), None) => Some(1.0),
            (Measure::Executive, None) => {
                Some(self.running_users().into_iter().filter(|user| self.is_executive(user)).count() as f64)
            }
            _ => None,
        }
    }

    /// What a handoff rests on: the occurrences since the last firing, or what makes the condition true.
    pub(super) fn evidence_of_handoff(&mut self, trigger: Trigger, users: &[String], moment: Moment) -> Evidence {
        let super::pack::Fires::When(when, _) = &trigger.it.fires else {
            let occurrences = self.occurrences.remove(&trigger).unwrap_or_default();
            return Evidence::of_events(&occurrences);
        };
        let mut all = Evidence::default();
        for id in users.iter().take(EXPLAINED) {
            self.explain(id, when, moment.cause, &mut all);
        }
        all.facts.sort_by_key(Fact::order);
        all
    }

    fn explain(&self, id: &str, when: &Condition, cause: i64, all: &mut Evidence) {
        let mut seen = std::collections::BTreeSet::new();
        for name in when.names().into_iter().filter(|name| seen.insert(name.clone())) {
            let (of, bare) = name.strip_prefix("user.").map_or(("", &*name), |bare| (id, bare));
            let evidence = match self.settings.pack.signal(bare) {
                Some(signal) if self.rung(of, signal) > 0 => self.evidence(of, signal, cause),
                Some(_) => continue,
                None => match self.number_of_figure(id, &name) {
                    Some(number) => self.figure_fact(number, cause),
                    None => continue,
                },
            };
            all.facts.extend(evidence.facts);
            all.left_out += evidence.left_out;
        }
        if all.facts.is_empty() {
            all.facts.extend(self.figure_fact(1.0, cause).facts);
        }
    }

    /// The number that a handoff gives of a figure of its condition.
    fn number_of_figure(&self, id: &str, name: &str) -> Option<f64> {
        const TOLD: [&str; 9] = [
            "user.score",
            "active_users",
            "users",
            "departments",
            "usage_ratio",
            "yearly_spend",
            "lead_score",
            "idle_days",
            "score",
        ];
        if name == "user.band" {
            return Some(self.user_score(self.users.get(id)?) as f64);
        }
        let number = match self.figure(id, name).filter(|_| TOLD.contains(&name))? {
            Known::Int(number) => number as f64,
            Known::Double(number) => number,
            _ => return None,
        };
        (name != "idle_days" || number > 0.0).then_some(number)
    }
}
