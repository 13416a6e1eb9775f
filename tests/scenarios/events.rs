//! Parses the lines of a story that describe events: who does what, and when.

use serde_json::{Value, json};
use upswell::model::{Calendar, Day, EventTime, HOUR_MS, MINUTE_MS};

use crate::DAY_0;

/// The events of a line, with their times: each clause at each instant, in each account.
pub(crate) fn events(when: &str, accounts: &str, clauses: &str) -> Option<Vec<(EventTime, Value)>> {
    let mut events = Vec::new();
    for time in instants(when)? {
        for (account, clause) in accounts.split(", ").flat_map(|it| clauses.split(';').map(move |clause| (it, clause)))
        {
            for mut event in clause_events(clause.trim())? {
                event["context"] = json!({"groupId": account});
                event["timestamp"] = rfc3339(time).into();
                events.push((time, event));
            }
        }
    }
    Some(events)
}

/// The events of `ann, u1–u3 use editor ×2`, without account and time.
fn clause_events(clause: &str) -> Option<Vec<Value>> {
    let (clause, times) = match clause.rsplit_once(" ×") {
        Some((clause, times)) => (clause, times.parse().ok()?),
        None => (clause, 1),
    };
    let mut words = clause.split(' ');
    let mut subjects = Vec::new();
    for word in words.by_ref() {
        subjects.extend(names(word.trim_end_matches(','))?);
        if !word.ends_with(',') {
            break;
        }
    }
    let verb = words.next()?;
    let object = words.collect::<Vec<_>>().join(" ");
    let mut events = Vec::new();
    for subject in subjects {
        for mut event in actions(&subject, singular(verb), &object)? {
            if !matches!(&*subject, "it" | "sales" | "somebody") {
                event["userId"] = subject.clone().into();
            }
            events.extend(std::iter::repeat_n(event, times));
        }
    }
    Some(events)
}

/// `use` → `uses`. A verb that is not listed stays as it is.
fn singular(verb: &str) -> &str {
    const PLURALS: [(&str, &str); 10] = [
        ("are", "is"),
        ("have", "has"),
        ("use", "uses"),
        ("call", "calls"),
        ("view", "views"),
        ("share", "shares"),
        ("sign", "signs"),
        ("invite", "invites"),
        ("request", "requests"),
        ("contact", "contacts"),
    ];
    PLURALS.iter().find(|(plural, _)| *plural == verb).map_or(verb, |(_, singular)| singular)
}

/// The events that a product sends for an action: a subject, a verb and an object.
fn actions(subject: &str, verb: &str, object: &str) -> Option<Vec<Value>> {
    let track = |name: &str, properties: Value| json!({"type": "track", "event": name, "properties": properties});
    let of = |key: &str, value: &str| if value.is_empty() { json!({}) } else { json!({ key: value }) };
    let (word, rest) = object.split_once(' ').unwrap_or((object, ""));
    let words: Vec<&str> = object.split(' ').collect();
    let event = match (verb, &words[..]) {
        // Actions of single users.
        ("signs", ["up"]) => track("Signed Up", json!({})),
        ("signs", ["up", "through", source]) => track("Signed Up", json!({"source": source})),
        ("activates", [""]) => track("Activated", json!({})),
        ("uses", ["premium"]) => track("Feature Used", json!({"premium": true})),
        ("uses", ["premium", ..]) => track("Feature Used", json!({"feature": rest, "premium": true})),
        ("uses", _) => track("Feature Used", json!({"feature": object})),
        ("calls", ["API"]) => track("API Called", json!({})),
        ("connects", [integration]) => track("Integration Connected", json!({"integration": integration})),
        ("exports", ["data"]) => track("Data Exported", json!({})),
        ("shares", ["inside" | "outside"]) => track("Content Shared", json!({"external": word == "outside"})),
        ("creates", ["workspace", ..]) => track("Workspace Created", of("workspace", rest)),
        ("views", ["pricing"]) => json!({"type": "page", "name": "Pricing"}),
        ("reads", ["terms"]) => json!({"type": "page", "name": "Terms"}),
        ("begins", ["profile"]) => track("Profiling Started", json!({})),
        ("finishes", ["profile"]) => track("Profiling Finished", json!({})),
        ("starts", ["upgrade"]) => track("Upgrade Started", json!({})),
        ("starts", ["upgrade", "to", plan]) => track("Upgrade Started", json!({"plan": plan})),
        ("completes", ["upgrade"]) => track("Upgrade Completed", json!({})),
        ("contacts", ["sales"]) => track("Contact Sales", json!({})),
        ("requests", _) => track("Enterprise Feature Requested", json!({"feature": object})),
        ("asks", ["for", "consolidation"]) => track("Consolidation Requested", json!({})),
        ("asks", ["support", "about", topic @ ..]) => track("Support Contacted", json!({"topic": topic.join(" ")})),
        ("tracks", _) => track(object, json!({})),
        ("opens", ["page" | "screen", ..]) => json!({"type": word, "name": rest}),
        ("is", ["identified"]) => json!({"type": "identify"}),
        // Actions with others.
        ("invites", ["somebody"]) => track("User Invited", json!({})),
        ("invites", _) => {
            let invitees = object.split(", ").map(names).collect::<Option<Vec<_>>>()?.concat();
            return Some(
                invitees.into_iter().map(|user| track("User Invited", json!({"invitee": value(&user)}))).collect(),
            );
        }
        ("adds", [member]) => track("Member Added", json!({"member": member})),
        ("removes", [member]) => track("Member Removed", json!({"member": member})),
        ("is", ["removed"]) => track("Member Removed", json!({})),
        ("makes", [admin, "admin"]) => track("Admin Transferred", json!({"admin": admin})),
        // Events of the account.
        ("hits", ["limit"]) => track("Limit Hit", json!({})),
        ("hits", ["limit", "of", meter]) => track("Limit Hit", json!({"meter": meter})),
        ("reports", [used, "of", quota, meter]) => {
            track("Usage Reported", json!({"meter": meter, "used": value(used), "quota": value(quota)}))
        }
        ("takes", ["plan", plan, "for", id]) => {
            track("Subscription Changed", json!({"subscription_id": id, "plan": plan}))
        }
        ("takes", ["plan", ..]) => track("Subscription Changed", json!({"plan": rest})),
        ("pays", [""]) => track("Subscription Changed", json!({"paid": true})),
        ("pays", ["for", "subscription", id]) => {
            track("Subscription Changed", json!({"subscription_id": id, "paid": true}))
        }
        ("pays", [mrr, "a", "month", "for", id]) => {
            track("Subscription Changed", json!({"subscription_id": id, "paid": true, "mrr": value(mrr)}))
        }
        ("stops", ["paying", "for", id]) => {
            track("Subscription Changed", json!({"subscription_id": id, "paid": false, "mrr": 0}))
        }
        ("pays", [mrr, "a", "month"]) => track("Subscription Changed", json!({"paid": true, "mrr": value(mrr)})),
        ("pays", [mrr, currency, "a", "month"]) => {
            track("Subscription Changed", json!({"paid": true, "mrr": value(mrr), "currency": currency}))
        }
        ("pays", ["for", seats, "seats", "at", price]) => {
            track("Subscription Changed", json!({"paid": true, "seats": value(seats), "price": value(price)}))
        }
        ("stops", ["paying"]) => track("Subscription Changed", json!({"paid": false})),
        ("expects", ["bill", "of", amount]) => track("Billing Forecast", json!({"amount": value(amount)})),
        ("expects", ["bill", "of", amount, currency]) => {
            track("Billing Forecast", json!({"amount": value(amount), "currency": currency}))
        }
        ("comes", ["through", "marketing"]) => track("Lead Created", json!({})),
        ("was", ["created", ..]) => json!({"type": "group", "traits": {"createdAt": rfc3339(instant(rest)?)}}),
        ("is", ["enriched", "with", ..]) => track("Account Enriched", traits(rest.strip_prefix("with ")?, subject)),
        ("has", _) if subject == "it" => json!({"type": "group", "traits": traits(object, subject)}),
        ("has", _) => json!({"type": "identify", "traits": traits(object, subject)}),
        // Outcomes of a handoff, with its trigger if the object names one.
        ("writes", _) => track("Outreach Sent", of("handoff_id", object)),
        ("calls", _) => track("Call Made", of("handoff_id", object)),
        ("replies", _) => track("Replied", of("handoff_id", object)),
        ("meets", _) => track("Meeting Booked", of("handoff_id", object)),
        ("accepts", _) => track("Handoff Accepted", of("handoff_id", object)),
        ("rejects", _) => track("Handoff Rejected", of("handoff_id", object)),
        ("opens", ["opportunity"]) => track("Opportunity Created", json!({})),
        ("wins", ["deal"]) => track("Deal Won", json!({})),
        ("loses", ["deal"]) => track("Deal Lost", json!({})),
        _ => return None,
    };
    Some(vec![event])
}

/// Traits such as `title VP of Sales, department sales, icp, not target, industry null`. A value that begins with `@`
/// is the e-mail address of the subject at this host.
fn traits(text: &str, subject: &str) -> Value {
    let trait_of = |text: &str| match text.split_once(' ') {
        Some(("not", key)) => (key.to_owned(), false.into()),
        Some((key, host)) if host.starts_with('@') => (key.to_owned(), format!("{subject}{host}").into()),
        Some((key, written)) => (key.to_owned(), value(written)),
        None => (text.to_owned(), true.into()),
    };
    text.split(", ").map(trait_of).collect::<serde_json::Map<_, _>>().into()
}

/// A value: a number, a boolean, null, or a text with or without quotes.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// `ann`, or `u1–u3`: u1, u2, u3.
fn names(text: &str) -> Option<Vec<String>> {
    let Some((first, last)) = text.split_once('–') else { return Some(vec![text.to_owned()]) };
    let name = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = |text: &str| text.strip_prefix(name)?.parse::<u32>().ok();
    Some((number(first)?..=number(last)?).map(|number| format!("{name}{number}")).collect())
}

/// `day 1, 3–5 10:00, 11:00`: each of the times on each of the days.
fn instants(text: &str) -> Option<Vec<EventTime>> {
    if text.starts_with("end of") {
        return instant(text).map(|instant| vec![instant]);
    }
    let (mut days, mut clocks) = (Vec::new(), Vec::new());
    for word in text.strip_prefix("day ")?.split([' ', ',']).filter(|word| !word.is_empty()) {
        if word.contains(':') {
            clocks.push(clock(word)?);
        } else {
            let (first, last) = word.split_once('–').unwrap_or((word, word));
            days.extend(first.parse::<i32>().ok()?..=last.parse().ok()?);
        }
    }
    if clocks.is_empty() {
        clocks.push(12 * HOUR_MS);
    }
    let on = |day: i32| clocks.iter().map(move |clock| Calendar::UTC.start(Day(DAY_0 + day)).plus(*clock));
    Some(days.into_iter().flat_map(on).collect())
}

/// `day 8`, `day 8 10:00`, `end of day 8`.
pub(crate) fn instant(text: &str) -> Option<EventTime> {
    if let Some(day) = text.strip_prefix("end of day ") {
        return Some(Calendar::UTC.end(Day(DAY_0 + day.parse::<i32>().ok()?)));
    }
    instants(text)?.first().copied()
}

/// `10:00`, `10:00:00` or `10:00:00.001`, in milliseconds.
fn clock(text: &str) -> Option<i64> {
    let time: jiff::civil::Time = text.parse().ok()?;
    Some(
        (i64::from(time.hour()) * 60 + i64::from(time.minute())) * MINUTE_MS
            + i64::from(time.second()) * 1_000
            + i64::from(time.millisecond()),
    )
}

pub(crate) fn rfc3339(time: EventTime) -> String {
    jiff::Timestamp::from_millisecond(time.0).expect("stories are told of our time").to_string()
}
