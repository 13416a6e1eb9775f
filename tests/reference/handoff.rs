//! The published messages of the reference model: the signals feed and the handoffs, as canonical JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::DAY;
use super::account::Account;
use super::evidence::Evidence;
use super::pack::{Level, Measure, Signal, Trigger};
use super::trigger::EventMatch;

/// Canonical proto3 JSON leaves default values out.
pub(super) fn without_defaults(message: Value) -> Value {
    let Value::Object(fields) = message else {
        return message;
    };
    let is_default = |value: &Value| match value {
        Value::String(text) => text.is_empty() || text == "0",
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(values) => values.is_empty(),
        Value::Bool(value) => !value,
        _ => false,
    };
    Value::Object(fields.into_iter().filter(|(_, value)| !is_default(value)).collect())
}

/// The first 16 bytes of SHA-256 over the fields, each preceded by its length in 4 bytes (semantics D7).
pub(super) fn handoff_id(account: &str, trigger: &str, at: i64) -> String {
    let mut bytes = Vec::new();
    for field in [account, trigger, &at.to_string()] {
        bytes.extend((field.len() as u32).to_be_bytes());
        bytes.extend(field.as_bytes());
    }
    Sha256::digest(&bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The place of an account in 0 to 1: the first 8 bytes of SHA-256(salt ‖ 0 ‖ account) ÷ 2⁶⁴ (semantics D17).
pub(super) fn holdout_place(salt: &str, account: &str) -> f64 {
    let digest = Sha256::digest([salt.as_bytes(), &[0], account.as_bytes()].concat());
    let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    first as f64 / 2.0_f64.powi(64)
}

/// The signals feed.
impl Account {
    /// Never backwards within an account (semantics A17).
    pub(super) fn at(&self, cause: i64) -> i64 {
        self.last_at.map_or(cause, |last| last.max(cause))
    }

    /// The rung of a signal.
    pub(super) fn rung(&self, id: &str, signal: Signal) -> u32 {
        self.users.get(id).map_or(&self.rungs, |user| &user.rungs).get(signal)
    }

    /// Moves a signal and publishes that, if it is one (semantics C25, E5).
    pub(super) fn set_rung(&mut self, id: &str, signal: Signal, rung: u32, cause: i64, reason: &str) {
        let before = self.rung(id, signal);
        // What it rests on begins anew, and the message of that has no facts (semantics E23).
        if before > 0 && rung == 0 {
            self.facts.remove(&(id.to_owned(), signal));
        }
        self.users.get_mut(id).map_or(&mut self.rungs, |user| &mut user.rungs).set(signal, rung);
        if matches!(signal.it.measure, Measure::Idle(_)) {
            self.publish_inactive(id, signal, rung == 1, cause, reason);
        } else if before != rung {
            let evidence = self.evidence(id, signal, cause);
            let order = (CHANGED, signal.place);
            self.publish_change((id, &signal.it.id), order, (before, rung), cause, reason, &evidence);
        }
        if before != rung {
            self.acted.insert(id.to_owned());
        }
    }

    /// Once per absence; where nobody was active for 28 days the feed waits for a close at which somebody was
    /// (semantics E10).
    fn publish_inactive(&mut self, id: &str, signal: Signal, is_inactive: bool, cause: i64, reason: &str) {
        let closed = self.first_unclosed - 1;
        let may_begin = reason == "REASON_CLOSED" && self.active_users(closed - 27, closed) > 0;
        let Some(user) = self.users.get_mut(id) else {
            return;
        };
        let is_published = user.published_inactive.contains(&signal);
        let is_new = is_inactive && !is_published && may_begin;
        let is_over = !is_inactive && is_published;
        if is_new || is_over {
            user.published_inactive.remove(&signal);
            user.published_inactive.extend(is_new.then_some(signal));
            let (evidence, rungs) = (self.evidence(id, signal, cause), (u32::from(is_over), u32::from(is_new)));
            self.publish_change((id, &signal.it.id), (CHANGED, signal.place), rungs, cause, reason, &evidence);
        }
    }

    pub(super) fn publish_change(
        &mut self,
        (id, signal): (&str, &str),
        order: Order,
        (before, after): (u32, u32),
        cause: i64,
        reason: &str,
        evidence: &Evidence,
    ) {
        let message = json!({
            "user": id,
            "signal": signal,
            "kind": "KIND_CHANGED",
            "rungBefore": before,
            "rungAfter": after,
            "reason": reason,
        });
        self.publish(message, order, cause, evidence);
    }

    pub(super) fn publish_occurrence(&mut self, matched: &EventMatch, user: &str, cause: i64) {
        let message =
            json!({"user": user, "signal": matched.signal, "kind": "KIND_OCCURRED", "trigger": matched.trigger.it.id});
        self.publish(message, (TRIGGERS, matched.trigger.place), cause, &self.fact_of_newest().into());
    }

    /// A view that joins no known session (semantics D26).
    pub(super) fn publish_visit(&mut self, signal: Signal, user: &str, cause: i64) {
        let message = json!({"user": user, "signal": signal.it.id, "kind": "KIND_OCCURRED"});
        self.publish(message, (VISITS, signal.place), cause, &self.fact_of_newest().into());
    }

    /// Once per edge and rail (semantics D8, D26).
    pub(super) fn publish_held(
        &mut self,
        trigger: Trigger,
        user: &str,
        rail: &'static str,
        held: &mut BTreeSet<&'static str>,
        cause: i64,
    ) {
        if held.insert(rail) {
            let message = json!({"user": user, "kind": "KIND_HELD", "rail": rail, "trigger": trigger.it.id});
            self.publish(message, (HELD, trigger.place), cause, &Evidence::default());
        }
    }

    fn publish(&mut self, mut message: Value, order: Order, cause: i64, evidence: &Evidence) {
        self.last_at = Some(self.at(cause));
        let user = message["user"].as_str().unwrap_or("").to_owned();
        evidence.write(&mut message);
        self.said.push(((user.is_empty(), user, order), without_defaults(message)));
    }

    /// Publishes what the step said as one record, and in parts if it is long: users by id bytes, then the account
    /// (semantics D26).
    pub(super) fn publish_step(&mut self, cause: i64) {
        let mut said = std::mem::take(&mut self.said);
        said.sort_by(|a, b| a.0.cmp(&b.0));
        let entries: Vec<Value> = said.into_iter().map(|(_, entry)| entry).collect();
        let parts = entries.len().div_ceil(ENTRIES_MAX);
        for (part, entries) in entries.chunks(ENTRIES_MAX).enumerate() {
            self.feed.push(without_defaults(json!({
                "account": self.name,
                "atMs": self.at(cause).to_string(),
                "entries": entries,
                "part": part,
                "last": part + 1 == parts,
            })));
        }
    }
}

/// The place of an entry among those of its user, or of the account (semantics D26).
pub(super) type Order = (u8, usize);

pub(super) const BY_FORMER_RULES: u8 = 0;
const CHANGED: u8 = 1;
pub(super) const FIGURES: u8 = 2;
const VISITS: u8 = 3;
const TRIGGERS: u8 = 4;
const HELD: u8 = 5;
const ENTRIES_MAX: usize = 500;

/// Handoffs.
impl Account {
    /// A handoff with its times (semantics D15) and its id (semantics D7).
    pub(super) fn handoff(&self, trigger: Trigger, users: &[String], at: i64, evidence: &Evidence) -> Value {
        let not_before = if trigger.raises_hand() { at } else { self.not_before(users, at) };
        let (level, due_from, due) = match trigger.it.level {
            Level::High => ("LEVEL_HIGH", 0, not_before),
            Level::Medium => ("LEVEL_MEDIUM", not_before + DAY, not_before + 2 * DAY),
            Level::Low => ("LEVEL_LOW", 0, 0),
        };
        let closed = self.first_unclosed - 1;
        let share = self.settings.holdout_share;
        let is_held_out = holdout_place(self.settings.holdout_salt, &self.name) < share;
        let (is_buyer_known, attribution) = self.attribution(trigger);
        let mut handoff = json!({
            "handoffId": handoff_id(&self.name, &trigger.it.id, at),
            "account": self.name,
            "trigger": trigger.it.id,
            "level": level,
            "atMs": at.to_string(),
            "dueFromMs": due_from.to_string(),
            "dueMs": due.to_string(),
            "notBeforeMs": not_before.to_string(),
            // Lists of ids end at 100 (semantics F22).
            "userIds": users.iter().take(100).collect::<Vec<_>>(),
            "userIdsLeftOut": users.len().saturating_sub(100),
            "segment": self.segment(),
            "tier": self.tier_name(),
            "route": self.route(trigger),
            "attribution": attribution,
            "holdout": is_held_out && trigger.it.level != Level::High,
            "score": self.score(),
            "topUsers": self.top_users(),
            "findBuyer": !is_buyer_known,
            "usage": without_defaults(json!({
                "activeUsers": self.running_users().len(),
                "dau": self.active_users(closed, closed),
                "wau": self.active_users(closed - 6, closed),
                "mau": self.active_users(closed - 27, closed),
            })),
            "money": without_defaults(json!({"potential": self.potential()})),
        });
        evidence.write(&mut handoff);
        without_defaults(handoff)
    }

    /// Rail 1: a day after the latest sign-up of its users, else after the account's first event (semantics D13, D15).
    fn not_before(&self, users: &[String], at: i64) -> i64 {
        let sign_up = if users.is_empty() {
            self.lives.last().and_then(|life| self.first_of_day.get(&life.first)).copied()
        } else {
            users.iter().filter_map(|user| self.signed_up_ms(user)).max()
        };
        sign_up.map_or(at, |sign_up| at.max(sign_up + self.settings.pack.rails.after_signup))
    }

    /// The route: the first that applies (semantics §7, rail 3).
    fn route(&self, trigger: Trigger) -> &'static str {
        let segment = self.segment();
        let asks_for_sales = trigger.on().is_some_and(|on| on.asks_for_sales);
        match trigger.it.level {
            _ if trigger.it.id == "at-risk" => "customer_success",
            Level::Low => "automated_email",
            _ if asks_for_sales && segment == "enterprise" => "named_ae",
            _ if asks_for_sales => "inside_sales",
            _ if segment == "smb" || self.tier_name() == "T4" => "automated_email",
            _ if segment == "mid_market" => "inside_sales",
            _ if segment == "enterprise" => "named_ae",
            Level::High => "inside_sales",
            _ => "automated_email",
        }
    }

    /// Whether a running user may buy, and who brought the account; a raised hand is usage (semantics F4, D16).
    fn attribution(&self, trigger: Trigger) -> (bool, &'static str) {
        let has_buyer = self.running_users().into_iter().any(|user| self.is_buyer(user));
        let attribution = match (trigger.raises_hand() || self.has_usage(), has_buyer, self.has_mql()) {
            (true, true, _) => "ATTRIBUTION_USAGE_AND_PQL",
            (true, _, true) => "ATTRIBUTION_USAGE_AND_MQL",
            (_, _, true) => "ATTRIBUTION_MQL_ONLY",
            _ => "ATTRIBUTION_BUYER_UNKNOWN",
        };
        (has_buyer, attribution)
    }

    /// The lower end of the segment's target, raised to seats × price a year, in USD (semantics F8).
    fn potential(&self) -> f64 {
        let target = match self.segment() {
            "mid_market" => 5_000.0,
            "enterprise" => 50_000.0,
            _ => 0.0,
        };
        self.seats_worth().unwrap_or(0.0).max(target)
    }
}
