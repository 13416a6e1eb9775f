//! The chapter `money`: rates of currencies, the limit of a personal introduction, and suggested plans.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::{amount, not_empty, present};
use super::error::{Wrong, wrong};
use super::inputs::SignalRef;
use super::signals::Signals;

/// Money.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Money")]
pub(super) struct Written {
    /// USD for a unit of a currency, by ISO 4217 code.
    #[schemars(with = "BTreeMap<String, f64>")]
    rates: BTreeMap<String, Spanned<f64>>,
    /// The yearly potential above which a person introduces themself, in USD; by default 0, which is every account with
    /// a potential.
    #[schemars(with = "Option<f64>", range(min = 0.0))]
    personal_above: Option<Spanned<f64>>,
    /// Plans to suggest: the first row with a signal that is on.
    #[schemars(with = "Vec<SuggestedPlan>")]
    suggested_plans: Vec<Spanned<SuggestedPlan>>,
}

/// A plan to suggest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SuggestedPlan {
    /// The plan is suggested if one of these signals is on.
    signals: Vec<String>,
    /// The plan.
    plan: String,
}

/// Money.
#[derive(Debug)]
pub struct Money {
    /// USD for a unit of a currency, by code in upper case.
    pub rates: BTreeMap<String, f64>,
    /// The yearly potential above which a person introduces themself, in USD.
    pub personal_above: f64,
    /// Plans to suggest, each with the signals of which one must be on.
    pub suggested_plans: Vec<(Vec<SignalRef>, Arc<str>)>,
}

/// Compiles the chapter.
pub(super) fn compile(written: &Written, signals: &Signals) -> Result<Money, Wrong> {
    let plan = |row: &Spanned<SuggestedPlan>| {
        let wrong = |what| wrong(row, format!("money.suggested_plans: {what}"));
        present("plan", &row.value.plan).map_err(wrong)?;
        not_empty("signals", Some(&row.value.signals)).map_err(wrong)?;
        let asked =
            row.value.signals.iter().map(|id| signals.find(id)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        Ok((asked, Arc::from(row.value.plan.as_str())))
    };
    let rate = |(code, rate): (&String, &Spanned<f64>)| {
        if code.len() != 3 || !code.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(wrong(rate, format!("money.rates: {code} is not the code of a currency, such as EUR")));
        }
        if !(rate.value.is_finite() && rate.value > 0.0) {
            return Err(wrong(rate, format!("money.rates: {code} is {}: US dollars above 0 are allowed", rate.value)));
        }
        Ok((code.to_uppercase(), rate.value))
    };
    let personal_above = written.personal_above.as_ref().map_or(Ok(0.0), |written| {
        amount("money.personal_above", written.value).map_err(|what| wrong(written, what))
    })?;
    Ok(Money {
        rates: written.rates.iter().map(rate).collect::<Result<_, _>>()?,
        personal_above,
        suggested_plans: written.suggested_plans.iter().map(plan).collect::<Result<_, _>>()?,
    })
}
