//! The chapter `meters`: what is counted by day.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::{Word, words};
use super::error::{Wrong, wrong};
use crate::model::{Field, Role};

/// What is counted by the day.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Meter")]
pub(super) struct Written {
    /// Events of this role.
    role: Role,
    /// Only events whose fields have one of these values, without regard to case.
    #[serde(default, rename = "where")]
    only: BTreeMap<Field, Vec<Word>>,
    /// The field that is summed; without it the events are counted.
    sum: Option<Field>,
    /// The field is a level, not an amount: its increases are summed, from the latest reading by event time.
    #[serde(default)]
    gauge: bool,
}

/// What is counted by the day.
#[derive(Debug, PartialEq, Eq)]
pub struct Meter {
    /// Its id.
    pub id: Arc<str>,
    /// Events of this role.
    pub role: Role,
    /// With one of these values in each field, in lower case.
    pub only: Vec<(Field, Vec<String>)>,
    /// The sum of this field; none: their number.
    pub sum: Option<Field>,
    /// The field is a level: its increases are summed.
    pub gauge: bool,
}

/// A meter, and its place among those of the rules. Two are equal if they count the same, whatever their places are.
#[derive(Clone, Debug, Eq)]
pub struct MeterRef {
    /// The place.
    pub place: usize,
    /// The meter.
    pub meter: Arc<Meter>,
}

impl PartialEq for MeterRef {
    fn eq(&self, other: &MeterRef) -> bool {
        self.meter == other.meter
    }
}

/// Compiles the chapter.
pub(super) fn compile(written: &BTreeMap<String, Spanned<Written>>) -> Result<Vec<Arc<Meter>>, Wrong> {
    let meter = |(id, spanned): (&String, &Spanned<Written>)| {
        let meter = &spanned.value;
        if meter.gauge && meter.sum.is_none() {
            return Err(wrong(spanned, format!("meter {id}: a gauge needs sum, the field that has its level")));
        }
        let only = words("where", &meter.only).map_err(|what| wrong(spanned, format!("meter {id}: {what}")))?;
        Ok(Arc::new(Meter { id: id.as_str().into(), role: meter.role, only, sum: meter.sum, gauge: meter.gauge }))
    };
    written.iter().map(meter).collect()
}

/// The meter of that id.
pub(super) fn find(id: &str, meters: &[Arc<Meter>]) -> Result<MeterRef, String> {
    let mut all = meters.iter().enumerate();
    let found = all.find(|(_, meter)| *meter.id == *id);
    found.map(|(place, meter)| MeterRef { place, meter: Arc::clone(meter) }).ok_or_else(|| {
        let known: Vec<&str> = meters.iter().map(|meter| &*meter.id).collect();
        format!("of is {id}, which is not a meter: `meters` has {}", known.join(", "))
    })
}
