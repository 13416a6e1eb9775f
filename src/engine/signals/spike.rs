//! The kind `spike` of a meter: its last 7 days are far above the 8 blocks of 7 days before. It is decided at the close
//! of a day (semantics §3, C30).

use super::kind::{At, Measure, after};
use crate::engine::figures::windows;
use crate::engine::state::due::NEVER;
use crate::model::{Day, Evidence};
use crate::rules::Spike;

/// Blocks of 7 days that the last 7 days are compared with.
const BLOCKS: i32 = 8;

impl Measure for Spike {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        if !self.is_known(at) {
            return 0;
        }
        let day = at.context.last_closed();
        let week = |back: i32| at.account.volume(self.meter.place, day.plus(-6 - 7 * back), day.plus(-7 * back));
        let (x, n) = (week(0), f64::from(BLOCKS));
        let mean = (1..=BLOCKS).map(week).sum::<f64>() / n;
        let variance = (1..=BLOCKS).map(|back| (week(back) - mean) * (week(back) - mean)).sum::<f64>() / (n - 1.0);
        let spread = libm::sqrt(variance.max(mean).max(1.0) * (1.0 + 1.0 / n));
        u8::from(x >= f64::from(self.at_least) && (x - mean) / spread > self.above)
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        at.first().is_some_and(|first| windows::blocks(at.context.last_closed(), first) >= BLOCKS)
    }

    fn becomes_known(&self, at: &At<'_, '_>, day: Day) -> bool {
        let blocks = |first, day| windows::blocks(day, first);
        at.first().is_some_and(|first| blocks(first, day) == BLOCKS && blocks(first, day.plus(-1)) < BLOCKS)
    }

    fn next_close(&self, at: &At<'_, '_>, day: Day, level: u8) -> Day {
        let tomorrow = day.plus(1);
        if level > 0 {
            return tomorrow;
        }
        let Some(known) = at.first().map(|first| first.plus(7 * (BLOCKS + 1))) else { return NEVER };
        if known > tomorrow {
            return known;
        }
        let has_amounts = at.account.has_volume(Some(self.meter.place), day.plus(-5), tomorrow);
        if has_amounts { tomorrow } else { NEVER }
    }

    fn next_known(&self, at: &At<'_, '_>, day: Day) -> Day {
        at.first().map_or(NEVER, |first| after(day, first.plus(7 * (BLOCKS + 1))))
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        let day = at.context.last_closed();
        at.figure(at.account.volume(self.meter.place, day.plus(-6), day))
    }

    fn words(&self, at: &At<'_, '_>) -> String {
        format!("{} {} in 7 days, far more than usual here", self.number(at), self.meter.meter.id)
    }
}
