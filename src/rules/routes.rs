//! The chapter `routes`: to which channel or team a handoff goes.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::{known, not_empty, present};
use super::error::{Wrong, wrong};
use super::scores::Tier;
use super::segments::Segment;
use super::triggers::{self, Trigger};
use crate::model::Level;

/// A row of the routes: all that is given must match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["route"]))]
#[schemars(rename = "Route")]
pub(super) struct Written {
    /// The channel or team.
    route: String,
    /// Handoffs of these triggers.
    triggers: Option<Vec<String>>,
    /// Of these levels.
    levels: Option<Vec<Level>>,
    /// Of accounts of these segments.
    segments: Option<Vec<String>>,
    /// Of accounts of these tiers.
    tiers: Option<Vec<String>>,
    /// Whether the account asked for sales itself.
    asked: Option<bool>,
    /// No person reads the handoff, and no answer is awaited.
    automated: bool,
}

/// A row of the routes: all that is given must match.
#[derive(Debug)]
pub struct Route {
    /// Through whom.
    pub route: Arc<str>,
    /// Triggers, by their place.
    pub triggers: Option<Vec<usize>>,
    /// Levels.
    pub levels: Option<Vec<Level>>,
    /// Segments.
    pub segments: Option<Vec<Arc<str>>>,
    /// Tiers.
    pub tiers: Option<Vec<Arc<str>>>,
    /// Whether the account asked for sales itself.
    pub asked: Option<bool>,
    /// No person reads the handoff.
    pub automated: bool,
}

/// Compiles the chapter.
pub(super) fn compile(
    written: &Spanned<Vec<Spanned<Written>>>,
    triggers: &[Trigger],
    segments: &[Segment],
    tiers: &[Tier],
) -> Result<Vec<Route>, Wrong> {
    let segment_ids: Vec<&Arc<str>> = segments.iter().map(|segment| &segment.id).collect();
    let tier_ids: Vec<&Arc<str>> = tiers.iter().map(|tier| &tier.id).collect();
    let route = |route: &Written| {
        present("route", &route.route)?;
        not_empty("levels", route.levels.as_deref())?;
        Ok(Route {
            route: route.route.as_str().into(),
            triggers: triggers::places(&route.triggers, triggers)?,
            levels: route.levels.clone(),
            segments: known("segment", &route.segments, &segment_ids)?,
            tiers: known("tier", &route.tiers, &tier_ids)?,
            asked: route.asked,
            automated: route.automated,
        })
    };
    let is_last = |route: &Written| {
        let Written { triggers, levels, segments, tiers, asked, .. } = route;
        triggers.is_none() && levels.is_none() && segments.is_none() && tiers.is_none() && asked.is_none()
    };
    let rows = &written.value;
    let found = rows.iter().map(|row| {
        let route: Result<Route, String> = route(&row.value);
        route.map_err(|what| wrong(row, format!("routes: {what}")))
    });
    let found = found.collect::<Result<Vec<_>, _>>()?;
    match rows.last() {
        Some(last) if is_last(&last.value) => Ok(found),
        Some(last) => Err(wrong(last, "routes: the last row must match everything")),
        None => Err(wrong(written, "routes is empty: the last row must match everything")),
    }
}
