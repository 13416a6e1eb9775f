//! Forbidden ids, and account ids that are not in folded form (semantics A29).

use super::Event;

const NONE: [&str; 14] = [
    "",
    "undefined",
    "null",
    "none",
    "nan",
    "nil",
    "[object object]",
    "(null)",
    "0",
    "-1",
    "anonymous",
    "guest",
    "unknown",
    "test",
];

/// Whether an id is none, an empty one included.
pub(crate) fn is_none(id: &str) -> bool {
    NONE.contains(&id.trim().to_lowercase().as_str())
}

/// The event without the ids that are none, and what was wrong with them; or why its account makes it malformed.
pub(super) fn screen(event: &Event, fold: bool) -> (Result<Event, &'static str>, Vec<&'static str>) {
    if event.is_control() {
        return (Ok(event.clone()), Vec::new());
    }
    if is_none(&event.account) {
        return (Err("ids: the account is none"), Vec::new());
    }
    if fold && event.account != event.account.trim().to_lowercase() {
        return (Err("ids: the account is not folded"), Vec::new());
    }
    let mut event = event.clone();
    let mut faults = Vec::new();
    for (id, fault) in
        [(&mut event.user, "ids: the user is none"), (&mut event.message_id, "ids: the message id is none")]
    {
        if !id.is_empty() && is_none(id) {
            id.clear();
            faults.push(fault);
        }
    }
    (Ok(event), faults)
}
