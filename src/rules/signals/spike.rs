//! The kind `spike` of a meter: its last 7 days are far above the weeks before.

use super::about::{ACCOUNT, AT_DAY_CLOSE, About, Closes, NONE, Properties, RESTLESS_DAYS_OF_WEEKS};
use super::parameters::Parameters;
use crate::rules::changes::Changes;
use crate::rules::meters::{self, MeterRef};
use crate::rules::needs::Needs;

pub(super) const ABOUT: About = About {
    written: "kind: spike, of: a meter",
    scopes: ACCOUNT,
    measures: "a meter's last 7 days at least `at_least` and `spike_above` standard deviations above the 8 weeks \
              before; unknown without these",
    parameters: &["of", "at_least", "spike_above"],
    on: AT_DAY_CLOSE,
    off: AT_DAY_CLOSE,
    state: "the meter by the day: 32 bytes for each of 72 days, shared by all signals on it",
    timer: NONE,
    example: "{ id: my.api_spike, kind: spike, scopes: [account], points: 10, in: [pqa], of: api_calls, at_least: \
              100, spike_above: 4 }",
};

/// Parameters of a meter's spike.
#[derive(Debug, PartialEq)]
pub struct Spike {
    /// The meter.
    pub meter: MeterRef,
    /// The least amount in 7 days.
    pub at_least: u32,
    /// Standard deviations above the mean.
    pub above: f64,
}

impl Spike {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Spike, String> {
        let of = take.need("of", &take.signal.of)?;
        Ok(Spike {
            meter: meters::find(&of, take.meters)?,
            at_least: take.need("at_least", &take.signal.at_least)?,
            above: match take.need("spike_above", &take.signal.spike_above)? {
                above if above.is_finite() && above > 0.0 => above,
                above => return Err(format!("spike_above is {above}: a number above 0 is allowed")),
            },
        })
    }
}

impl Properties for Spike {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        format!("meter {} over 7 days, compared with the 8 weeks before", self.meter.meter.id)
    }

    fn steps(&self) -> Vec<String> {
        let (least, above) = (self.at_least, self.above);
        vec![format!("{least} or more, and more than {above} standard deviations above the mean")]
    }

    fn needs(&self, _: bool) -> Needs {
        Needs::meter(&self.meter.meter)
    }

    fn known_by(&self) -> Changes {
        Changes::KNOWN
    }

    fn is_known_in_time(&self) -> bool {
        true
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }

    fn restless_days(&self) -> i32 {
        RESTLESS_DAYS_OF_WEEKS
    }
}
