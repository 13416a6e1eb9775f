//! Lists the cases that the random products must have contained, all seeds together, so that the simulation is known to
//! cover them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Product, packs, packs_of};
use crate::reference::pack::Fires;
use crate::reference::{Kind, Output};

/// Every change, trigger, rail, route, track and outcome that the products are made to bring about.
pub(crate) const WANTED: &[&str] = &[
    "BackfillBegin Applied",
    "BackfillBegin Refused",
    "BackfillEnd Applied",
    "BackfillEnd Refused",
    "Forget Applied",
    "Forget Refused",
    "feature.premium 0→1",
    "feature.premium 1→2",
    "feature.premium 2→1",
    "feature.premium 1→0",
    "feature.limit_hit 0→1",
    "feature.limit_hit 1→0",
    "feature.api 0→1",
    "feature.api 1→0",
    "feature.breadth 0→1",
    "feature.export 0→1",
    "feature.export 1→0",
    "collab.invites 0→1",
    "collab.invites 1→2",
    "collab.invites 2→3",
    "collab.domain 0→1",
    "collab.domain 1→2",
    "collab.domain 2→1",
    "collab.domain 1→0",
    "collab.shared 0→1",
    "collab.shared 1→0",
    "collab.departments 0→1",
    "collab.departments 1→0",
    "collab.workspaces 0→1",
    "velocity.activation 0→1",
    "velocity.stickiness 0→1",
    "velocity.stickiness 1→2",
    "velocity.stickiness 2→1",
    "velocity.growth 0→1",
    "velocity.growth 1→0",
    "velocity.growth of an account 0→1",
    "velocity.growth of an account 1→0",
    "velocity.growth of a user 0→1",
    "negative.declining of an account 0→1",
    "negative.declining of an account 1→0",
    "negative.declining of a user 0→1",
    "growing by the slope",
    "growing by the base level",
    "not growing any more by the base level",
    "declining",
    "not declining any more",
    "velocity.frequency 0→1",
    "velocity.frequency 1→0",
    "velocity.user_adds 0→1",
    "velocity.user_adds 1→2",
    "velocity.user_adds 1→0",
    "velocity.volume 0→1",
    "velocity.volume 1→0",
    "account.users 0→1",
    "account.users 1→0",
    "account.executive 0→1",
    "account.executive 1→0",
    "account.stalled 0→1",
    "account.stalled 1→0",
    "intent.pricing 0→1",
    "intent.pricing 1→2",
    "intent.pricing 2→1",
    "intent.pricing 1→0",
    "intent.abandoned_upgrade 0→1",
    "intent.abandoned_upgrade 1→0",
    "intent.enterprise 0→1",
    "intent.enterprise 1→0",
    "intent.billing_support 0→1",
    "intent.billing_support 1→0",
    "intent.admin_change 0→1",
    "intent.admin_change 1→0",
    "intent.terms 0→1",
    "intent.terms 1→0",
    "fit.size 0→1",
    "fit.size 0→2",
    "fit.size 2→1",
    "fit.industry 0→1",
    "fit.industry 1→0",
    "fit.icp 0→1",
    "fit.icp 1→0",
    "negative.inactive 0→1",
    "negative.inactive 1→0",
    "negative.declining 0→1",
    "negative.declining 1→0",
    "negative.single_user 0→1",
    "negative.single_user 1→0",
    "negative.free_only 0→1",
    "negative.free_only 1→0",
    "score.band 0→1",
    "score.band 1→2",
    "score.band 2→3",
    "score.band 3→2",
    "score.band 2→1",
    "score.band 1→0",
    "score.band 0→3",
    "score.tier 0→1",
    "score.tier 1→2",
    "score.tier 2→3",
    "score.tier 3→4",
    "score.tier 4→3",
    "score.tier 3→2",
    "score.tier 1→0",
    "account.active_users 0→1",
    "account.active_users 1→2",
    "account.active_users 2→3",
    "account.active_users 3→4",
    "account.active_users 4→5",
    "account.active_users 1→0",
    "REASON_CROSSED",
    "REASON_LAPSED",
    "REASON_CLOSED",
    "REASON_FORGOTTEN",
    "score.band REASON_LAPSED",
    "score.band REASON_FORGOTTEN",
    "intent.abandoned_upgrade REASON_LAPSED",
    "intent.abandoned_upgrade REASON_CROSSED",
    "negative.single_user REASON_LAPSED",
    "negative.single_user REASON_CROSSED",
    "negative.free_only REASON_LAPSED",
    "negative.free_only REASON_CROSSED",
    "occurrence intent.pricing",
    "occurrence intent.enterpriseenterprise-request",
    "occurrence contact-sales",
    "occurrence custom-pricing",
    "occurrence first-bill",
    "occurrence consolidation",
    "occurrence target-first-user",
    "rail usage",
    "rail pacing",
    "rail engaged",
    "rail warm_up",
    "held user",
    "held event trigger",
    "enterprise-request",
    "contact-sales",
    "near-limit",
    "custom-pricing",
    "user-hot",
    "five-new-users",
    "pricing-sessions",
    "icp-departments",
    "first-bill",
    "lead-score",
    "consolidation",
    "self-serve-ceiling",
    "at-risk",
    "user-warm",
    "target-engaged",
    "steady-growth",
    "target-first-user",
    "also",
    "several users",
    "holdout",
    "find buyer",
    "potential above the segment",
    "route automated_email",
    "route inside_sales",
    "route named_ae",
    "route customer_success",
    "segment smb",
    "segment mid_market",
    "segment enterprise",
    "segment unknown",
    "tier T1",
    "tier T2",
    "tier T3",
    "tier T4",
    "ATTRIBUTION_USAGE_AND_PQL",
    "ATTRIBUTION_USAGE_AND_MQL",
    "ATTRIBUTION_BUYER_UNKNOWN",
    "track solo",
    "track small_team",
    "track mid_market",
    "track enterprise",
    "notify sales",
    "Applied",
    "Duplicate",
    "Replayed",
    "Excluded",
    "TooLate",
    "FromTheFuture",
    "Malformed",
    "ids: the account is none",
    "ids: the account is not folded",
    "ids: the user is none",
    "ids: the message id is none",
    "days begin before those of UTC",
    "days begin after those of UTC",
    "own abandoned up",
    "own active_days up",
    "own age of a single user up",
    "own condition trigger",
    "own condition trigger of users",
    "own condition trigger that re-arms after closes",
    "own count up",
    "own distinct up",
    "own distinct within up",
    "own event trigger",
    "own event trigger with a condition",
    "own executive up",
    "own growth by a streak up",
    "own growth by new users up",
    "own growth by ratio up",
    "own growth up",
    "own idle up",
    "own ladder of a gauge up",
    "own ladder of a meter up",
    "own ladder up",
    "own seen up",
    "own sessions up",
    "own spike of new users up",
    "own spike up",
    "own stalled up",
    "own stickiness up",
    "own trait of a text up",
    "own trait that is true up",
    "own usage_ratio up",
    "own within up",
    "a signal up by other rules",
    "a signal down by other rules",
    "score.band REASON_ACTIVATED",
    "account.active_users REASON_ACTIVATED",
];

/// Counts what an output shows, and the settings.
pub(crate) fn count(product: &Product, output: &Output, seen: &mut BTreeMap<String, u64>) {
    let settings = &product.settings;
    let packs = packs_of(product);
    // The meaning of an id, if all rules that apply one after the other agree on it.
    let kind_of = |id: &str| {
        let mut kinds = packs.iter().flat_map(|pack| &pack.signals).filter(|own| own.id == id).map(packs::kind);
        let first = kinds.next().filter(|_| id.starts_with("own."))?;
        kinds.all(|kind| kind == first).then_some(first)
    };
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut count = |what: String| *seen.entry(what).or_insert(0) += 1;
    for (input, outcome) in product.log.iter().zip(&output.outcomes) {
        let kind = input.event.as_ref().map(|event| event.kind).unwrap_or(Kind::Track);
        if matches!(kind, Kind::BackfillBegin | Kind::BackfillEnd | Kind::Forget) {
            count(format!("{kind:?} {outcome:?}"));
        }
    }
    for handoff in &output.handoffs {
        let own = settings.pack.triggers.iter().find(|own| own.id.starts_with("own-") && handoff["trigger"] == *own.id);
        own.iter().for_each(|own| match &own.fires {
            Fires::On(on) if on.when.is_some() => count("own event trigger with a condition".into()),
            Fires::On(_) => count("own event trigger".into()),
            Fires::When(_, 1..) => count("own condition trigger that re-arms after closes".into()),
            Fires::When(..) if handoff["userIds"].is_array() => count("own condition trigger of users".into()),
            Fires::When(..) => count("own condition trigger".into()),
        });
        let segment = text(handoff, "segment");
        let target = [("mid_market", 5_000.0), ("enterprise", 50_000.0)].into_iter().find(|(id, _)| segment == *id);
        count(text(handoff, "trigger"));
        count(format!("route {}", text(handoff, "route")));
        count(format!("segment {segment}"));
        count(format!("tier {}", text(handoff, "tier")));
        count(text(handoff, "attribution"));
        let shown = [
            ("also", handoff["also"].is_array()),
            ("several users", handoff["userIds"].as_array().is_some_and(|users| users.len() > 1)),
            ("holdout", handoff["holdout"] == true),
            ("find buyer", handoff["findBuyer"] == true),
            (
                "potential above the segment",
                handoff["money"]["potential"].as_f64().unwrap_or(0.0) > target.map_or(0.0, |(_, usd)| usd),
            ),
        ];
        shown.into_iter().filter(|(_, is_so)| *is_so).for_each(|(what, _)| count(what.into()));
    }
    for signal in &crate::reference::entries(&output.signals) {
        match &*text(signal, "kind") {
            "KIND_CHANGED" => {
                let rung = |key: &str| signal[key].as_u64().unwrap_or(0);
                let (id, reason) = (text(signal, "signal"), text(signal, "reason"));
                count(format!("{id} {}→{}", rung("rungBefore"), rung("rungAfter")));
                let turned = if rung("rungAfter") > rung("rungBefore") { "up" } else { "down" };
                kind_of(&id).into_iter().for_each(|kind| count(format!("own {kind} {turned}")));
                if reason == "REASON_ACTIVATED" {
                    count(format!("a signal {turned} by other rules"));
                }
                count(format!("{id} {reason}"));
                if matches!(&*id, "velocity.growth" | "negative.declining") {
                    let whose = if signal["user"].is_string() { "a user" } else { "an account" };
                    count(format!("{id} of {whose} {}→{}", rung("rungBefore"), rung("rungAfter")));
                }
                count(reason);
            }
            "KIND_HELD" => {
                count(format!("rail {}", text(signal, "rail")));
                let is_on_event =
                    matches!(&*text(signal, "trigger"), "first-bill" | "consolidation" | "target-first-user");
                count(if is_on_event {
                    "held event trigger".into()
                } else {
                    format!("held {}", text(signal, "trigger"))
                });
                if !is_on_event && signal["user"].is_string() {
                    count("held user".into());
                }
            }
            _ => count(format!("occurrence {}{}", text(signal, "signal"), text(signal, "trigger"))),
        }
    }
    let mut before: BTreeMap<String, &Value> = BTreeMap::new();
    for row in output.metrics.iter().filter(|row| row["kind"] == "week") {
        let before = before.insert(text(row, "account"), row).unwrap_or(&Value::Null);
        let shown = [
            ("growing by the slope", row["growing"] == true && row["base"].is_null()),
            ("growing by the base level", row["growing"] == true && row["base"].is_number()),
            (
                "not growing any more by the base level",
                before["growing"] == true && row["growing"] == false && row["base"].is_number(),
            ),
            ("declining", row["declining"] == true),
            ("not declining any more", before["declining"] == true && row["declining"] == false),
        ];
        shown.into_iter().filter(|(_, is_so)| *is_so).for_each(|(what, _)| count(what.into()));
    }
    for track in &output.onboarding {
        count(format!("track {}", text(track, "track")));
        if track["notifySales"] == true {
            count("notify sales".into());
        }
    }
    match settings.utc_offset_ms {
        _ if output.metrics.is_empty() => {}
        1.. => count("days begin before those of UTC".into()),
        0 => {}
        _ => count("days begin after those of UTC".into()),
    }
    output.ids.iter().for_each(|(fault, times)| (0..*times).for_each(|_| count((*fault).into())));
    output.outcomes.iter().for_each(|outcome| count(format!("{outcome:?}")));
}
