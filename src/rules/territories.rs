//! The chapters `territories` and `pilot`: owners of accounts, and people who try handoffs out.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::{known, not_empty, present, share};
use super::error::{Wrong, wrong};
use super::segments::Segment;

/// A row of the territory table: all that is given must match.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["territory", "owner"]))]
#[schemars(rename = "Territory")]
pub(super) struct Written {
    /// The territory.
    territory: String,
    /// Who owns its accounts.
    owner: String,
    /// Countries, compared without regard to case.
    countries: Option<Vec<String>>,
    /// Segments.
    segments: Option<Vec<String>>,
    /// Industries, compared without regard to case.
    industries: Option<Vec<String>>,
    /// This share of the accounts, by a hash of the account: 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    share: Option<f64>,
}

/// People who try handoffs out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pilot {
    /// The share of accounts that goes to them, by a hash of the account: 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    share: f64,
    /// Who they are.
    owners: Vec<String>,
}

/// A row of the territory table: all that is given must match.
#[derive(Debug)]
pub struct Territory {
    /// The territory.
    pub territory: String,
    /// Who owns its accounts.
    pub owner: String,
    /// Countries, in lower case.
    pub countries: Option<Vec<String>>,
    /// Segments.
    pub segments: Option<Vec<String>>,
    /// Industries, in lower case.
    pub industries: Option<Vec<String>>,
    /// A share of the accounts.
    pub share: Option<f64>,
}

/// Compiles the chapter `territories`.
pub(super) fn compile(written: &[Spanned<Written>], segments: &[Segment]) -> Result<Vec<Territory>, Wrong> {
    let segment_ids: Vec<_> = segments.iter().map(|segment| &segment.id).collect();
    let lower = |name: &str, list: &Option<Vec<String>>| -> Result<Option<Vec<String>>, String> {
        not_empty(name, list.as_deref())?;
        Ok(list.as_ref().map(|list| list.iter().map(|it| it.trim().to_lowercase()).collect()))
    };
    let territory = |row: &Written| -> Result<Territory, String> {
        present("territory", &row.territory)?;
        present("owner", &row.owner)?;
        Ok(Territory {
            territory: row.territory.clone(),
            owner: row.owner.clone(),
            countries: lower("countries", &row.countries)?,
            segments: known("segment", &row.segments, &segment_ids)?
                .map(|ids| ids.iter().map(ToString::to_string).collect()),
            industries: lower("industries", &row.industries)?,
            share: row.share.map(|it| share("share", it)).transpose()?,
        })
    };
    let row = |row: &Spanned<Written>| territory(&row.value).map_err(|what| wrong(row, format!("territories: {what}")));
    written.iter().map(row).collect()
}

/// Compiles the chapter `pilot`: the share of accounts, and the owners that they go to.
pub(super) fn pilot(written: &Spanned<Pilot>) -> Result<(f64, Vec<String>), Wrong> {
    let pilot = &written.value;
    if pilot.owners.is_empty() {
        return Err(wrong(written, "pilot.owners is empty"));
    }
    let share = share("pilot.share", pilot.share).map_err(|what| wrong(written, what))?;
    Ok((share, pilot.owners.clone()))
}
