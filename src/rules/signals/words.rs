//! Texts that descriptions of several kinds share.

use crate::text::duration;

/// Each rung of a ladder of numbers.
pub(super) fn or_more<T: ToString>(rungs: &[T]) -> Vec<String> {
    rungs.iter().map(|rung| format!("{} or more", rung.to_string())).collect()
}

/// How long each event counts.
pub(super) fn each_for(ttl_ms: Option<i64>) -> String {
    ttl_ms.map_or("each for life".into(), |ttl| format!("each for {}", duration(ttl)))
}
