//! The chapter `segments`: size classes of accounts.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::{amount, id};
use super::error::{Wrong, wrong};
use crate::model::Track;

/// A size class.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Segment")]
pub(super) struct Written {
    /// Its id.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    id: String,
    /// The least number of employees; without it, the class of accounts whose size is unknown.
    employees: Option<f64>,
    /// What an account is worth a year at least, in USD.
    #[serde(default)]
    potential: f64,
    /// The onboarding track of its accounts: mid_market or enterprise; without it the track follows from the number of
    /// users.
    track: Option<TrackName>,
    /// The only user of an account of it may decide a purchase.
    #[serde(default)]
    only_user_buys: bool,
}

/// An onboarding track for accounts of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum TrackName {
    /// Richer onboarding, with the offer of a walkthrough.
    MidMarket,
    /// Sales is notified at once, and the product is never gated.
    Enterprise,
}

/// A size class.
#[derive(Debug)]
pub struct Segment {
    /// Its id.
    pub id: Arc<str>,
    /// The least number of employees.
    pub employees: f64,
    /// What an account is worth a year at least, in USD.
    pub potential: f64,
    /// The track of its accounts; none: by their users.
    pub track: Option<Track>,
    /// The only user of an account of it may decide a purchase.
    pub only_user_buys: bool,
}

/// Compiles the chapter.
pub(super) fn compile(written: &Spanned<Vec<Spanned<Written>>>) -> Result<Vec<Segment>, Wrong> {
    let mut segments: Vec<Segment> = Vec::new();
    for spanned in &written.value {
        let segment = segment(&spanned.value, &segments);
        segments.push(segment.map_err(|what| wrong(spanned, format!("segment {}: {what}", spanned.value.id)))?);
    }
    if segments.is_empty() {
        return Err(wrong(written, "segments is empty: expected at least one, for accounts whose size is unknown"));
    }
    Ok(segments)
}

fn segment(segment: &Written, smaller: &[Segment]) -> Result<Segment, String> {
    let id = id(&segment.id)?;
    if smaller.iter().any(|other| other.id == id) {
        return Err("the id is used twice".into());
    }
    let employees = match (segment.employees, smaller.last()) {
        (None, None) => f64::NEG_INFINITY,
        (Some(employees), Some(before)) if employees >= 0.0 && employees > before.employees => employees,
        _ => return Err("expected no `employees` in the first segment, and rising numbers in the others".into()),
    };
    Ok(Segment {
        id,
        employees,
        potential: amount("potential", segment.potential)?,
        track: segment.track.map(|track| match track {
            TrackName::MidMarket => Track::MidMarket,
            TrackName::Enterprise => Track::Enterprise,
        }),
        only_user_buys: segment.only_user_buys,
    })
}
