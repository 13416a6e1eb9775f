//! The chapter `scores`: bands of users and tiers of accounts.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::id;
use super::error::{Wrong, wrong};
use crate::model::Level;

/// The most tiers: their rungs on the signals feed are small numbers.
const TIERS_MAX: usize = 14;

/// What points make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Scores")]
pub(super) struct Written {
    /// Bands of a PQL score.
    #[schemars(with = "Bands")]
    bands: Spanned<Bands>,
    /// Tiers of an account, best first.
    #[schemars(with = "Vec<WrittenTier>", length(max = 14))]
    tiers: Vec<Spanned<WrittenTier>>,
    /// Numbers of active users that are published when they are reached, rising; at most 255 of them.
    #[schemars(with = "Vec<u32>", length(max = 255))]
    active_users: Spanned<Vec<u32>>,
}

/// Bands of a PQL score.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bands {
    /// The score from which a user is emerging.
    emerging: i32,
    /// The score from which a user is warm.
    warm: i32,
    /// The score from which a user is hot.
    hot: i32,
    /// How many points a score may fall below the threshold of its band without losing the band.
    keep: i32,
}

/// A tier: all its conditions are needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tier")]
struct WrittenTier {
    /// Its id.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    id: String,
    /// The least number of active users.
    users: u32,
    /// The greatest number of active users.
    users_at_most: Option<u32>,
    /// The least number of departments.
    #[serde(default)]
    departments: u32,
    /// Matches the ideal customer profile.
    #[serde(default)]
    icp: bool,
    /// The least score.
    score: Option<i32>,
    /// The score must be greater than this.
    score_above: Option<i32>,
    /// What its team does, by level.
    #[serde(default)]
    plays: BTreeMap<Level, String>,
}

/// What points make.
#[derive(Debug)]
pub struct Scores {
    /// The scores from which a user is emerging, warm and hot.
    pub bands: [i32; 3],
    /// How many points a score may fall below the threshold of its band without losing the band.
    pub keep: i32,
    /// Tiers, best first.
    pub tiers: Vec<Tier>,
    /// Numbers of active users whose crossing is published, rising.
    pub active_users: Vec<u32>,
}

/// The id of a user's band on the signals feed.
pub const BAND: &str = "score.band";
/// The id of the tier.
pub const TIER: &str = "score.tier";
/// The id of the number of active users.
pub const ACTIVE_USERS: &str = "account.active_users";

/// The names of the bands by their rung.
pub const BANDS: [&str; 4] = ["", "emerging", "warm", "hot"];

/// A tier: all its conditions are needed.
#[derive(Debug)]
pub struct Tier {
    /// Its id.
    pub id: Arc<str>,
    /// The least and the greatest number of running active users.
    pub users: (u32, u32),
    /// The least number of departments.
    pub departments: u32,
    /// Matches the ideal customer profile.
    pub icp: bool,
    /// The least score.
    pub score: i32,
    /// What its team does: high, medium, low.
    pub plays: [Arc<str>; 3],
}

/// Compiles the chapter.
pub(super) fn compile(written: &Written) -> Result<Scores, Wrong> {
    let Bands { emerging, warm, hot, keep } = written.bands.value;
    if !(0 < emerging && emerging < warm && warm < hot && (0..emerging).contains(&keep)) {
        let what = "scores.bands: emerging, warm and hot must rise above 0, and keep be less than emerging";
        return Err(wrong(&written.bands, what));
    }
    let active_users = &written.active_users.value;
    if !active_users.is_sorted_by(|a, b| a < b) || active_users.contains(&0) {
        return Err(wrong(&written.active_users, "scores.active_users must rise above 0"));
    }
    if active_users.len() > usize::from(u8::MAX) {
        return Err(wrong(&written.active_users, "scores.active_users: at most 255 are allowed"));
    }
    Ok(Scores { bands: [emerging, warm, hot], keep, tiers: tiers(&written.tiers)?, active_users: active_users.clone() })
}

fn tiers(written: &[Spanned<WrittenTier>]) -> Result<Vec<Tier>, Wrong> {
    if let Some(beyond) = written.get(TIERS_MAX) {
        return Err(wrong(beyond, format!("scores.tiers: at most {TIERS_MAX} are allowed")));
    }
    let mut tiers: Vec<Tier> = Vec::new();
    for spanned in written {
        let tier = tier(&spanned.value, &tiers);
        tiers.push(tier.map_err(|what| wrong(spanned, format!("tier {}: {what}", spanned.value.id)))?);
    }
    Ok(tiers)
}

fn tier(tier: &WrittenTier, others: &[Tier]) -> Result<Tier, String> {
    let id = id(&tier.id)?;
    if others.iter().any(|other| other.id == id) {
        return Err("the id is used twice".into());
    }
    let users = (tier.users, tier.users_at_most.unwrap_or(u32::MAX));
    if users.0 > users.1 {
        return Err(format!("users is {}, but users_at_most is only {}", users.0, users.1));
    }
    Ok(Tier {
        id,
        users,
        departments: tier.departments,
        icp: tier.icp,
        score: tier.score.unwrap_or(i32::MIN).max(tier.score_above.map_or(i32::MIN, |score| score.saturating_add(1))),
        plays: Level::ALL.map(|level| tier.plays.get(&level).map_or("", String::as_str).into()),
    })
}
