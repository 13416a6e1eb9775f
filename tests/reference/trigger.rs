//! Triggers and guard rails of the reference model (semantics §7, D).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::account::{Account, Moment};
use super::condition::{Condition, Value as Known};
use super::facts::has_words;
use super::pack::{Fires, Level, Measure, Signal, Trigger};
use super::roles::Role;
use super::score::band_name;
use super::time::last_closed_week;
use super::{DAY, Event};

/// An event older than this fires no event trigger, and one that is held longer is dropped (semantics A17, D25).
const OCCURRENCE_MAX_AGE: i64 = 7 * DAY;
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
    pub(super) fn is_armed(&self) -> bool {
        self.armed
    }

    /// As if it had fired: it must have been false before it fires.
    pub(super) fn count_as_fired(&mut self) {
        *self = Edge { armed: false, was_false: false, ..Edge::default() };
    }

    /// Only *false* re-arms; unknown drops a pending edge (semantics D11). It takes so many closes in a row at which
    /// it is false (semantics D28).
    pub(super) fn observe(&mut self, condition: Option<bool>, closes_day: bool, closes: u32) {
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
        if self.false_closes >= closes {
            self.armed = true;
        }
    }
}

/// What an event publishes on the feed, from which event triggers are decided.
pub(super) struct EventMatch {
    pub(super) trigger: Trigger,
    pub(super) signal: &'static str,
    /// Of a trigger that goes by the first of the account's life alone: this is a later one.
    is_later: bool,
}

/// What an event trigger may fire on.
pub(super) struct Occurrence {
    pub(super) trigger: Trigger,
    pub(super) user: String,
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

/// Event triggers.
impl Account {
    /// The event triggers that the newest event matches, in the order of the triggers (semantics D1, D2, D26, D27).
    pub(super) fn matches(&mut self, event: &Event, begins_life: bool, chooses_enterprise: bool) -> Vec<EventMatch> {
        let mut matches = Vec::new();
        for trigger in self.settings.pack.in_order() {
            let Some(on) = trigger.on() else { continue };
            let by_role = on.role.is_some() && event.role() == on.role && has_words(event, &on.only);
            let by_user = on.role.is_none() && begins_life;
            let by_plan = on.enterprise && chooses_enterprise;
            let value = |name: &str| match name.strip_prefix("event.") {
                Some(field) => of_event(event, field),
                None => self.figure("", name),
            };
            let holds = || on.when.as_ref().is_none_or(|when| when.holds(&value) == Some(true));
            if !(by_role || by_user || by_plan) || !holds() {
                continue;
            }
            let feeds = |signal: &Signal| match &signal.it.measure {
                Measure::Seen(facts) => {
                    signal.it.of_users && on.role.is_some_and(|role| facts.roles == [role]) && facts.only.is_empty()
                }
                _ => false,
            };
            let signal = self.settings.pack.signals().find(feeds).filter(|_| by_role);
            let is_later = on.first && !self.is_first(trigger);
            let fact = self.fact_of_newest();
            if !is_later {
                self.occurrences.entry(trigger).or_default().push(fact);
            }
            if on.raises_hand
                && let Some(newest) = self.events.last_mut()
            {
                newest.raised_hand = true;
            }
            matches.push(EventMatch { trigger, signal: signal.map_or("", |signal| &signal.it.id), is_later });
        }
        matches
    }

    /// Whether the event just applied is the first that met the trigger in the account's life; from now on it has.
    fn is_first(&mut self, trigger: Trigger) -> bool {
        let met = self.met.get(&trigger).into_iter().flatten();
        let is_first =
            !met.filter(|index| **index >= self.erased).any(|index| self.is_of_this_life(&self.events[*index].event));
        self.met.entry(trigger).or_default().push(self.events.len() - 1);
        is_first
    }

    /// An event that its trigger may fire on: not an old one (semantics A17).
    pub(super) fn occurrence(&self, matched: &EventMatch, event: &Event) -> Option<Occurrence> {
        let is_new = !matched.is_later && event.ms >= self.clock - OCCURRENCE_MAX_AGE;
        is_new.then(|| Occurrence {
            trigger: matched.trigger,
            user: event.user.clone(),
            ms: event.ms,
            held: BTreeSet::new(),
            passed: None,
        })
    }
}

/// A field of an event: an amount in another currency is unknown (semantics F8).
fn of_event(event: &Event, field: &str) -> Option<Known> {
    let is_in_usd = event.text("currency").is_none_or(|currency| currency.eq_ignore_ascii_case("usd"));
    match event.properties.get(field)? {
        Value::Number(_) if !is_in_usd && ["amount", "mrr", "price", "value"].contains(&field) => None,
        Value::Number(number) => number.as_f64().map(Known::Double),
        Value::Bool(is) => Some(Known::Bool(*is)),
        Value::String(text) => Some(Known::Text(text.clone())),
        _ => None,
    }
}

/// Conditions.
impl Account {
    /// A condition, by whom it is about: per user if it names something of users, else under the empty id (semantics
    /// D5).
    pub(super) fn conditions(&self, when: &Condition) -> Vec<(String, Option<bool>)> {
        let holds = |id: &str| when.holds(&|name| self.figure(id, name));
        if when.names().iter().any(|name| name.starts_with("user.")) {
            self.users.keys().map(|id| (id.clone(), holds(id))).collect()
        } else {
            vec![(String::new(), holds(""))]
        }
    }

    /// What a name stands for, of the account and one of its users; none if it is not known.
    pub(super) fn figure(&self, id: &str, name: &str) -> Option<Known> {
        if let Some(name) = name.strip_prefix("user.") {
            return self.figure_of_user(id, name);
        }
        if let Some(signal) = self.settings.pack.signal(name) {
            return self.known_rung("", signal);
        }
        if let Some(back) = name.strip_prefix("weekly_users[") {
            let week = last_closed_week(self.first_unclosed - 1);
            return Some(Known::Int(self.trend(week)?.last(back.trim_end_matches(']').parse().ok()?)?));
        }
        let closed = self.first_unclosed - 1;
        let life = self.life(self.newest_day());
        let number = |key: &str| self.account_trait(key).and_then(Value::as_f64).map(Known::Double);
        let active = |days: i64| life.map(|_| Known::Int(self.active_users(closed - days + 1, closed)));
        match name {
            "active_users" => Some(Known::Int(self.running_users().len() as i64)),
            "users" => Some(Known::Int(self.users_ever())),
            "departments" => Some(Known::Int(self.departments().len() as i64)),
            "dau" => active(1),
            "wau" => active(7),
            "mau" => active(28),
            "stickiness" => self.stickiness(closed).map(|(sum, n, mau)| Known::Double(sum as f64 / (n * mau) as f64)),
            "new_users_7d" => life.map(|life| Known::Int(self.new_users(closed - 6, closed, life.first))),
            "spike_known" => life.map(|life| Known::Bool(super::time::spike_blocks(closed, life.first) >= 2)),
            "idle_days" => life.map(|life| Known::Int((closed - life.last).max(0))),
            "score" => Some(Known::Int(self.score())),
            "tier" => Some(Known::Text(self.tier_name().to_owned())),
            "segment" => Some(Known::Text(self.segment().to_owned())),
            "paid" => Some(Known::Bool(self.is_paid())),
            "plan" => Some(Known::Text(self.plan().unwrap_or_default())),
            "mrr" => self.mrr().map(Known::Double),
            "yearly_spend" => self.mrr().map(|mrr| Known::Double(12.0 * mrr)),
            "usage_ratio" => self.quotas().iter().map(|(used, quota)| used / quota).reduce(f64::max).map(Known::Double),
            "employees" => self.employees().map(|size| Known::Double(size as f64)),
            "industry" => Some(Known::Text(self.account_trait(name).and_then(super::facts::folded)?)),
            "country" => Some(Known::Text(self.account_trait(name)?.as_str()?.to_owned())),
            "icp" => self.stated(name).map(Known::Bool),
            "target" | "do_not_contact" | "open_opportunity" => Some(Known::Bool(self.stated(name) == Some(true))),
            "lead_score" => number(name),
            "has_contract_owner" => {
                let owner = self.account_trait("contract_owner").and_then(Value::as_str);
                Some(Known::Bool(owner.is_some_and(|owner| !owner.is_empty())))
            }
            _ => match self.account_trait(name.strip_prefix("traits.")?)? {
                Value::Bool(is) => Some(Known::Bool(*is)),
                Value::Number(number) => number.as_f64().map(Known::Double),
                Value::String(text) => Some(Known::Text(text.clone())),
                _ => None,
            },
        }
    }

    fn figure_of_user(&self, id: &str, name: &str) -> Option<Known> {
        let user = self.users.get(id)?;
        match name {
            "band" => Some(Known::Text(band_name(user.band).to_owned())),
            "band_fell" => Some(Known::Bool(user.band_fell)),
            // A user who was never active, or has left, has no score (semantics B4, B5).
            "score" => Some(Known::Int(if self.is_present(id) { self.user_score(user) } else { 0 })),
            "is_buyer" => Some(Known::Bool(self.is_present(id) && self.is_buyer(id))),
            _ => self.known_rung(id, self.settings.pack.signal(name)?),
        }
    }

    /// A signal that is on is known; one that is off counts as 0 only if enough history is known (semantics D11, C17).
    fn known_rung(&self, id: &str, signal: Signal) -> Option<Known> {
        let rung = self.rung(id, signal);
        (rung > 0 || self.is_known(id, signal)).then_some(Known::Int(rung.into()))
    }

    /// The first day of a new life of the account: nobody is absent, and what is about absence arms again (semantics
    /// B12).
    pub(super) fn rearm_account(&mut self) {
        self.edges.retain(|(trigger, _), _| !reads(*trigger, |name| name == "idle_days"));
    }

    /// The same of a user.
    pub(super) fn rearm(&mut self, event: &Event) {
        let is_idle = |name: &str| {
            let signal = name.strip_prefix("user.").and_then(|id| self.settings.pack.signal(id));
            signal.is_some_and(|signal| matches!(signal.it.measure, Measure::Idle(_)))
        };
        self.edges.retain(|(trigger, user), _| *user != event.user || !reads(*trigger, is_idle));
    }
}

/// Whether the condition of a trigger reads such a name.
fn reads(trigger: Trigger, is_such: impl Fn(&str) -> bool) -> bool {
    match &trigger.it.fires {
        Fires::When(when, _) => when.names().iter().any(|name| is_such(name)),
        Fires::On(_) => false,
    }
}

/// Rails and firing.
impl Account {
    /// Evaluates every trigger once: high, medium, low, each in the order of the rules file (semantics A15, D10).
    pub(super) fn evaluate(&mut self, moment: Moment, occurred: &[Occurrence]) {
        let at = self.at(moment.cause);
        let mut sent: Vec<(Trigger, Value)> = Vec::new();
        let mut paced = Vec::new();
        for trigger in self.settings.pack.triggers() {
            let (fires, is_paced) = match &trigger.it.fires {
                Fires::On(_) => {
                    let new = occurred.iter().find(|occurrence| occurrence.trigger == trigger);
                    self.pass_occurrence(trigger, new, moment, at)
                }
                Fires::When(when, closes) => {
                    let pending = self.pending_edges(trigger, when, *closes, moment);
                    self.pass_edges(trigger, &pending, moment, at)
                }
            };
            if is_paced {
                paced.push(trigger);
            }
            if !fires.is_empty() {
                sent.push((trigger, self.fire(trigger, &fires, at, moment)));
            }
        }
        self.send(sent, &paced);
    }

    /// The users for whom an event trigger fires: of several occurrences that a rail held, the newest counts (semantics
    /// D3, D25).
    fn pass_occurrence(
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
            // The own times of the events begin the cooldown too (semantics D4).
            if self.fired.get(&trigger).is_some_and(|fired| at < fired + trigger.it.cooldown)
                || self.fired_by.get(&trigger).is_some_and(|ms| new.ms < ms + trigger.it.cooldown)
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
        if !is_new && time >= pending.ms + OCCURRENCE_MAX_AGE {
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

    /// The edges of a condition trigger that are armed and true, after its conditions were looked at (semantics D1,
    /// D11). At the instant of forgetting nothing fires and nothing arms (semantics B12).
    fn pending_edges(&mut self, trigger: Trigger, when: &Condition, closes: u32, moment: Moment) -> Vec<String> {
        let mut pending = Vec::new();
        for (user, condition) in self.conditions(when) {
            if self.forgotten_now.contains(&user) {
                continue;
            }
            let edge = self.edges.entry((trigger, user.clone())).or_default();
            edge.observe(condition, moment.closes_day, closes);
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
            let cooldown_end = self.fired.get(&trigger).map(|fired| fired + trigger.it.cooldown);
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

    /// What is before the day on which the service went live is history, and so is a backfill (semantics §7, rail 5).
    fn is_history(&self, at: i64) -> bool {
        self.settings.is_history || self.settings.live_from_ms.is_some_and(|live| at < live)
    }

    /// Nothing of history is published.
    pub(super) fn drop_effects(&mut self) {
        self.handoffs.clear();
        self.feed.clear();
        self.onboarding.clear();
        self.profiles.clear();
        self.rows.clear();
    }

    /// History begins, or ends.
    pub(super) fn mark_history(&mut self, begins: bool, watermark: i64) {
        self.settings.is_history = begins;
        if !begins {
            self.publish_all_profiles(watermark);
        }
    }

    /// The first rail that holds, with the end of its hold where that is known: usage, pacing, engaged.
    ///
    /// What passed a pacing by its own instant is not held by the same one again: `passed` is its end (semantics D26).
    fn rail(&self, trigger: Trigger, time: i64, passed: &mut Option<i64>) -> Option<(&'static str, Option<i64>)> {
        let rails = &self.settings.pack.rails;
        if rails.usage && !trigger.raises_hand() && !self.has_usage() {
            return Some(("usage", None));
        }
        let pacing = self.pacing_end(trigger.it.level);
        if pacing.is_some_and(|end| time < end) && pacing != *passed {
            return Some(("pacing", pacing));
        }
        *passed = pacing;
        if trigger.it.level == Level::High {
            return None;
        }
        let is_engaged = || self.is_trait("do_not_contact") || self.open_opportunity() == Some(true);
        if rails.engaged_traits && is_engaged() {
            return Some(("engaged", None));
        }
        let ends = self.sent.iter().filter(|sent| !self.is_answered(sent)).map(|sent| sent.at + rails.unanswered);
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
        self.days.range(newest - 27..=newest).next().is_some()
    }

    /// The end of the pacing that holds this level: medium passes one that a low one started (semantics D9).
    fn pacing_end(&self, level: Level) -> Option<i64> {
        let started = match level {
            Level::High => None,
            Level::Medium => self.last_medium,
            Level::Low => self.last_medium.max(self.last_low),
        };
        started.map(|at| at + self.settings.pack.rails.pacing)
    }

    fn fire(&mut self, trigger: Trigger, users: &[String], at: i64, moment: Moment) -> Value {
        let is_over = self.fired.insert(trigger, at).is_none_or(|fired| at >= fired + trigger.it.cooldown);
        assert!(is_over, "laws: at least the cooldown between two fires");
        match trigger.it.level {
            Level::High => {}
            Level::Medium => self.last_medium = Some(at),
            Level::Low => self.last_low = Some(at),
        }
        self.last_at = Some(at);
        let evidence = self.evidence_of_handoff(trigger, users, moment);
        let users: Vec<String> = users.iter().filter(|user| !user.is_empty()).cloned().collect();
        let handoff = self.handoff(trigger, &users, at, &evidence);
        if handoff["route"] != "automated_email" && handoff["holdout"] != true {
            let id = handoff["handoffId"].as_str().unwrap_or_default().to_owned();
            self.sent.push(Sent { id, at, events: self.events.len() });
        }
        handoff
    }

    /// Sends the handoffs of one evaluation; the first medium or low one names what rail 4 held beside it
    /// (semantics D10).
    fn send(&mut self, mut sent: Vec<(Trigger, Value)>, paced: &[Trigger]) {
        if let Some((trigger, handoff)) = sent.iter_mut().find(|(trigger, _)| trigger.it.level != Level::High) {
            let also: Vec<&str> = paced.iter().filter(|held| *held != trigger).map(|held| &*held.it.id).collect();
            if !also.is_empty() {
                handoff["also"] = json!(also);
            }
        }
        self.handoffs.extend(sent.into_iter().map(|(_, handoff)| handoff));
    }
}
