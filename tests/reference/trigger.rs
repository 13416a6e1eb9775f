//! Triggers and rails (semantics §7, D).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::account::{Account, Moment};
use super::facts::asks_for_custom_pricing;
use super::pack::{Level, Role, Signal, Trigger};
use super::{DAY, Event};

/// A pulse older than this fires nothing, and one that is held longer is dropped (semantics A17, D25).
const PULSE_MAX_AGE: i64 = 7 * DAY;
/// The rest of rail 4 after a medium or low handoff (semantics D9).
const PACING: i64 = 3 * DAY;
/// How long rail 7 waits for the answer to a handoff.
const UNANSWERED: i64 = 7 * DAY;
/// The day closes in a row on which the condition of a trigger that hovers must be false before it arms again
/// (semantics D24, D28).
const FALSE_CLOSES_TO_REARM: u32 = 7;

/// What a trigger, or a trigger and a user, remembers of its edge.
pub(super) struct Edge {
    armed: bool,
    /// Blocked once already: from then on the watermark decides, not the edge's own time (semantics D4).
    waited: bool,
    /// The rails whose hold was published.
    held: BTreeSet<&'static str>,
    /// The end of the pacing that it passed.
    passed: Option<i64>,
    /// Consecutive day closes with the condition false.
    false_closes: u32,
    /// Whether it was false since it last fired.
    was_false: bool,
}

impl Default for Edge {
    fn default() -> Self {
        Self { armed: true, waited: false, held: BTreeSet::new(), passed: None, false_closes: 0, was_false: true }
    }
}

impl Edge {
    /// Only *false* re-arms; unknown drops a pending edge (semantics D11). With `slowly`, it takes 7 closes
    /// (semantics D28).
    fn observe(&mut self, condition: Option<bool>, closes_day: bool, slowly: bool) {
        if condition == Some(true) {
            self.false_closes = 0;
            return;
        }
        self.waited = false;
        self.held.clear();
        self.passed = None;
        if condition.is_none() {
            self.false_closes = 0;
            return;
        }
        self.was_false = true;
        self.false_closes += u32::from(closes_day);
        if !slowly || self.false_closes >= FALSE_CLOSES_TO_REARM {
            self.armed = true;
        }
    }
}

/// What an event shows the feed: a visit of the pricing page, or what a trigger goes by.
pub(super) struct Pulse {
    pub(super) trigger: Option<Trigger>,
    pub(super) signal: &'static str,
    /// Of a trigger that goes by the first of the account's life alone: this is a later one.
    is_later: bool,
}

/// What a pulse trigger may fire on.
pub(super) struct Occurrence {
    trigger: Trigger,
    user: String,
    /// The event's own time.
    ms: i64,
    held: BTreeSet<&'static str>,
    passed: Option<i64>,
}

/// A handoff that went to a person.
pub(super) struct Sent {
    id: String,
    at: i64,
    /// How many events were applied before: an answer comes after what it answers.
    events: usize,
}

/// Three-valued and (semantics D11).
pub(super) fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// Three-valued or.
fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    Some(!and(a.map(|a| !a), b.map(|b| !b))?)
}

/// Pulses.
impl Account {
    /// The pulses that an applied event is, in the order of the triggers (semantics D1, D2, D26, D27, E6).
    pub(super) fn pulses(
        &mut self,
        event: &Event,
        opens_session: bool,
        begins_life: bool,
        chooses_enterprise: bool,
    ) -> Vec<Pulse> {
        // An amount in another currency is unknown (semantics F8).
        let is_in_usd = event.text("currency").is_none_or(|currency| currency.eq_ignore_ascii_case("usd"));
        let amount = event.properties.get("amount").and_then(Value::as_f64).filter(|_| is_in_usd);
        let mut triggers = match event.role() {
            Some(Role::EnterpriseRequested) => vec![Trigger::EnterpriseRequest],
            Some(Role::ContactSales) => vec![Trigger::ContactSales],
            Some(Role::SubscriptionChanged | Role::Firmographics) if chooses_enterprise => vec![Trigger::ContactSales],
            Some(Role::SupportContacted) if asks_for_custom_pricing(event) => vec![Trigger::CustomPricing],
            Some(Role::BillingForecast) if amount.is_some_and(|amount| amount >= 500.0) && self.is_paid() => {
                vec![Trigger::FirstBill]
            }
            Some(Role::ConsolidationRequested) => vec![Trigger::Consolidation],
            _ => Vec::new(),
        };
        if begins_life && self.is_trait("target") {
            triggers.push(Trigger::TargetFirstUser);
        }
        let visit = opens_session.then_some(Pulse { trigger: None, signal: Signal::Pricing.id(), is_later: false });
        let of_trigger = |trigger: Trigger| Pulse {
            trigger: Some(trigger),
            signal: if trigger == Trigger::EnterpriseRequest { Signal::Enterprise.id() } else { "" },
            is_later: trigger.is_first_only() && !self.is_first(trigger),
        };
        visit.into_iter().chain(triggers.into_iter().map(of_trigger).collect::<Vec<_>>()).collect()
    }

    /// Whether the event just applied is the first that met the trigger in the account's life; from now on it has.
    fn is_first(&mut self, trigger: Trigger) -> bool {
        let met = self.met.get(&trigger).into_iter().flatten();
        let is_first =
            !met.filter(|index| **index >= self.erased).any(|index| self.is_of_this_life(&self.events[*index].event));
        self.met.entry(trigger).or_default().push(self.events.len() - 1);
        is_first
    }

    /// A pulse that its trigger may fire on: not an old one (semantics A17).
    pub(super) fn occurrence(&self, pulse: &Pulse, event: &Event) -> Option<Occurrence> {
        let trigger = pulse.trigger.filter(|_| !pulse.is_later && event.ms >= self.clock - PULSE_MAX_AGE)?;
        Some(Occurrence { trigger, user: event.user.clone(), ms: event.ms, held: BTreeSet::new(), passed: None })
    }
}

/// Conditions.
impl Account {
    /// The condition of a state trigger: per user for user edges, else under the empty id (semantics D5).
    fn conditions(&self, trigger: Trigger) -> Vec<(String, Option<bool>)> {
        let paid = self.is_paid();
        match trigger {
            Trigger::UserHot => self.of_users(|account, id| account.users[id].band == 3),
            Trigger::UserWarm => {
                self.of_users(|account, id| account.users[id].band == 2 && !account.users[id].band_fell)
            }
            Trigger::TargetEngaged => {
                let target = self.is_trait("target");
                self.of_users(|account, id| target && account.users[id].band >= 2)
            }
            Trigger::PricingSessions => {
                self.of_users(|account, id| account.users[id].rungs.get(Signal::Pricing) == 2 && !paid)
            }
            _ => vec![(String::new(), self.account_condition(trigger, paid))],
        }
    }

    fn of_users(&self, holds: impl Fn(&Self, &str) -> bool) -> Vec<(String, Option<bool>)> {
        self.users.keys().map(|id| (id.clone(), Some(holds(self, id)))).collect()
    }

    fn account_condition(&self, trigger: Trigger, paid: bool) -> Option<bool> {
        let number = |key: &str| self.account_trait(key).and_then(Value::as_f64);
        match trigger {
            Trigger::NearLimit => {
                let quotas = self.quotas();
                let is_near =
                    (!quotas.is_empty()).then(|| quotas.iter().any(|(used, quota)| 5.0 * used >= 4.0 * quota));
                let limit = or(is_near, Some(self.rungs.get(Signal::LimitHit) >= 1));
                and(Some(self.running_users().len() >= 10), limit)
            }
            Trigger::FiveNewUsers => self.five_new_users(),
            Trigger::IcpDepartments => {
                let icp = self.account_trait("icp").and_then(Value::as_bool);
                and(icp, Some(self.departments().len() >= 2))
            }
            Trigger::LeadScore => {
                let score = number("lead_score").map(|score| score >= 20.0);
                and(and(score, Some(self.users_ever() >= 2)), Some(!paid))
            }
            Trigger::SelfServeCeiling => {
                let yearly = self.mrr().map(|mrr| mrr * 12.0 >= 10_000.0);
                let owner = self.account_trait("contract_owner").and_then(Value::as_str);
                and(and(Some(paid), yearly), Some(owner.is_none_or(str::is_empty)))
            }
            Trigger::AtRisk => {
                let is_idle = self.life(self.newest_day()).map(|life| self.first_unclosed - 1 - life.last >= 7);
                and(Some(paid), or(self.declines(), is_idle))
            }
            Trigger::SteadyGrowth => self.is_steady(),
            _ => None,
        }
    }
}

/// Rails and firing.
impl Account {
    /// Evaluates every trigger once: high, medium, low, each in the order of the rules file (semantics A15, D10).
    pub(super) fn evaluate(&mut self, moment: Moment, occurred: &[Occurrence]) {
        let at = self.at(moment.cause);
        let mut sent: Vec<(Trigger, Value)> = Vec::new();
        let mut paced = Vec::new();
        for trigger in Trigger::ALL {
            let (fires, is_paced) = if trigger.is_pulse() {
                let new = occurred.iter().find(|occurrence| occurrence.trigger == trigger);
                self.pass_pulse(trigger, new, moment, at)
            } else {
                let pending = self.pending_edges(trigger, moment);
                self.pass_edges(trigger, &pending, moment, at)
            };
            if is_paced {
                paced.push(trigger);
            }
            if !fires.is_empty() {
                sent.push((trigger, self.fire(trigger, &fires, at)));
            }
        }
        self.send(sent, &paced);
    }

    /// The users for whom a pulse fires: of several occurrences that a rail held, the newest counts (semantics D3,
    /// D25).
    fn pass_pulse(
        &mut self,
        trigger: Trigger,
        new: Option<&Occurrence>,
        moment: Moment,
        at: i64,
    ) -> (Vec<String>, bool) {
        let mut is_new = false;
        if let Some(new) = new {
            if self.is_history(at) {
                let mut edge = Edge::default();
                self.publish_held(trigger, &new.user, "warm_up", &mut edge.held, at);
                return (Vec::new(), false);
            }
            // The own times of the events rest each other too (semantics D4).
            if self.fired.get(&trigger).is_some_and(|fired| at < fired + trigger.cooldown())
                || self.fired_by.get(&trigger).is_some_and(|ms| new.ms < ms + trigger.cooldown())
            {
                return (Vec::new(), false);
            }
            // What waits is replaced only by one of later own time (semantics D25).
            is_new = self.pending.get(&trigger).is_none_or(|pending| pending.ms < new.ms);
            if is_new {
                let occurrence =
                    Occurrence { trigger, user: new.user.clone(), ms: new.ms, held: BTreeSet::new(), passed: None };
                self.pending.insert(trigger, occurrence);
            }
        }
        let Some(mut pending) = self.pending.remove(&trigger) else {
            return (Vec::new(), false);
        };
        let time = if is_new { at } else { moment.now };
        if !is_new && time >= pending.ms + PULSE_MAX_AGE {
            return (Vec::new(), false);
        }
        let Some((rail, end)) = self.rail(trigger, time, &mut pending.passed) else {
            self.fired_by.insert(trigger, pending.ms);
            return (vec![pending.user], false);
        };
        self.waits.extend(end);
        let user = pending.user.clone();
        self.publish_held(trigger, &user, rail, &mut pending.held, at);
        self.pending.insert(trigger, pending);
        (Vec::new(), rail == "pacing")
    }

    /// The edges of a state trigger that are armed and true, after its conditions were looked at (semantics D1, D11).
    /// At the instant of forgetting nothing fires and nothing arms (semantics B12).
    fn pending_edges(&mut self, trigger: Trigger, moment: Moment) -> Vec<String> {
        let hovers = matches!(trigger, Trigger::NearLimit | Trigger::FiveNewUsers | Trigger::SelfServeCeiling);
        let mut pending = Vec::new();
        for (user, condition) in self.conditions(trigger) {
            if self.forgotten_now.contains(&user) {
                continue;
            }
            let edge = self.edges.entry((trigger, user.clone())).or_default();
            edge.observe(condition, moment.closes_day, hovers);
            if edge.armed && condition == Some(true) {
                pending.push(user);
            }
        }
        pending
    }

    /// The edges that pass cooldown and rails, and whether rail 4 held any (semantics D3, D4, D8, D9).
    fn pass_edges(&mut self, trigger: Trigger, pending: &[String], moment: Moment, at: i64) -> (Vec<String>, bool) {
        let mut fires = Vec::new();
        let mut is_paced = false;
        for user in pending {
            let key = (trigger, user.clone());
            let mut edge = self.edges.remove(&key).unwrap_or_default();
            let time = if edge.waited { moment.now } else { at };
            let cooldown_end = self.fired.get(&trigger).map(|fired| fired + trigger.cooldown());
            if self.is_history(at) {
                self.publish_held(trigger, user, "warm_up", &mut edge.held, at);
                edge.armed = false;
            } else if let Some(end) = cooldown_end.filter(|&end| time < end) {
                edge.waited = true;
                self.waits.insert(end);
            } else if let Some((rail, end)) = self.rail(trigger, time, &mut edge.passed) {
                edge.waited = true;
                self.waits.extend(end);
                self.publish_held(trigger, user, rail, &mut edge.held, at);
                is_paced |= rail == "pacing";
            } else {
                assert!(edge.was_false, "laws: false between two fires");
                edge = Edge { armed: false, was_false: false, ..Edge::default() };
                fires.push(user.clone());
            }
            self.edges.insert(key, edge);
        }
        (fires, is_paced)
    }

    /// What is before the day on which the service went live is history (semantics §7, rail 5).
    fn is_history(&self, at: i64) -> bool {
        self.settings.live_from_ms.is_some_and(|live| at < live)
    }

    /// The first rail that holds, with the end of its rest where that is known: usage, pacing, engaged.
    ///
    /// What passed a pacing by its own instant is not held by the same one again: `passed` is its end (semantics D26).
    fn rail(&self, trigger: Trigger, time: i64, passed: &mut Option<i64>) -> Option<(&'static str, Option<i64>)> {
        if !trigger.raises_hand() && !self.has_usage() {
            return Some(("usage", None));
        }
        let pacing = self.pacing_end(trigger.level());
        if pacing.is_some_and(|end| time < end) && pacing != *passed {
            return Some(("pacing", pacing));
        }
        *passed = pacing;
        if trigger.level() == Level::High {
            return None;
        }
        if self.is_trait("do_not_contact") || self.has_open_opportunity() {
            return Some(("engaged", None));
        }
        let ends = self.sent.iter().filter(|sent| !self.is_answered(sent)).map(|sent| sent.at + UNANSWERED);
        ends.max().filter(|&end| time < end).map(|end| ("engaged", Some(end)))
    }

    /// Any outcome at or after the handoff answers it; one that names a handoff, that one.
    fn is_answered(&self, sent: &Sent) -> bool {
        let outcomes = self.by_role.get(&Role::Outcome).into_iter().flatten().filter(|index| **index >= sent.events);
        outcomes
            .map(|index| &self.events[*index].event)
            .filter(|event| event.ms >= sent.at)
            .any(|event| event.text("handoff_id").is_none_or(|id| id == sent.id))
    }

    /// At least one meaningful event in T − 27 … T (semantics D16).
    pub(super) fn has_usage(&self) -> bool {
        let newest = self.newest_day();
        self.active_users(newest - 27, newest) > 0
    }

    /// The end of the rest that holds this level: medium passes a rest that a low one started (semantics D9).
    fn pacing_end(&self, level: Level) -> Option<i64> {
        let started = match level {
            Level::High => None,
            Level::Medium => self.last_medium,
            Level::Low => self.last_medium.max(self.last_low),
        };
        started.map(|at| at + PACING)
    }

    fn fire(&mut self, trigger: Trigger, users: &[String], at: i64) -> Value {
        let rested = self.fired.insert(trigger, at).is_none_or(|fired| at >= fired + trigger.cooldown());
        assert!(rested, "laws: at least the cooldown between two fires");
        match trigger.level() {
            Level::High => {}
            Level::Medium => self.last_medium = Some(at),
            Level::Low => self.last_low = Some(at),
        }
        self.last_at = Some(at);
        let users: Vec<String> = users.iter().filter(|user| !user.is_empty()).cloned().collect();
        let handoff = self.handoff(trigger, &users, at);
        if handoff["route"] != "automated_email" && handoff["holdout"] != true {
            let id = handoff["handoffId"].as_str().unwrap_or_default().to_owned();
            self.sent.push(Sent { id, at, events: self.events.len() });
        }
        handoff
    }

    /// Sends the handoffs of one evaluation; the first medium or low one names what rail 4 held beside it
    /// (semantics D10).
    fn send(&mut self, mut sent: Vec<(Trigger, Value)>, paced: &[Trigger]) {
        if let Some((trigger, handoff)) = sent.iter_mut().find(|(trigger, _)| trigger.level() != Level::High) {
            let also: Vec<&str> = paced.iter().filter(|held| *held != trigger).map(|held| held.id()).collect();
            if !also.is_empty() {
                handoff["also"] = json!(also);
            }
        }
        self.handoffs.extend(sent.into_iter().map(|(_, handoff)| handoff));
    }
}
