//! The parameters of a signal, as its kind takes them one after the other.

use std::sync::Arc;

use super::filter::Filter;
use super::written::{Name, Scope, Written};
use crate::model::{Field, Millis, Role};
use crate::rules::checks::{field, words};
use crate::rules::meters::Meter;
use crate::text::unknown;

/// The most rungs of a ladder: a level has two bits, and 0 is off.
pub(super) const RUNGS_MAX: usize = 3;

/// The parameters of a signal that a kind takes, one after the other, and what is left over.
pub(super) struct Parameters<'a> {
    /// The row.
    pub(super) signal: &'a Written,
    /// Its kind.
    pub(super) name: Name,
    /// Whose signal it is.
    pub(super) scope: Scope,
    /// The meters that it may name.
    pub(super) meters: &'a [Arc<Meter>],
    /// What was taken.
    pub(super) taken: Vec<&'static str>,
}

impl Parameters<'_> {
    pub(super) fn missing(&self, name: &str) -> String {
        format!("kind {} needs {name}", self.name)
    }

    pub(super) fn take<T: Clone>(&mut self, name: &'static str, value: &Option<T>) -> Option<T> {
        if !self.taken.contains(&name) {
            self.taken.push(name);
        }
        value.clone()
    }

    pub(super) fn need<T: Clone>(&mut self, name: &'static str, value: &Option<T>) -> Result<T, String> {
        self.take(name, value).ok_or_else(|| self.missing(name))
    }

    pub(super) fn length(&mut self, name: &'static str, value: Option<Millis>) -> Result<i64, String> {
        let length = self.need(name, &value)?.0;
        if length > 0 { Ok(length) } else { Err(format!("{name} is 0")) }
    }

    /// A time to live, if there is one.
    pub(super) fn ttl(&mut self) -> Result<Option<i64>, String> {
        match self.take("ttl", &self.signal.ttl) {
            Some(Millis(0)) => Err("ttl is 0: leave it out if facts should count for life".into()),
            ttl => Ok(ttl.map(|ttl| ttl.0)),
        }
    }

    pub(super) fn ladder(&mut self) -> Result<Vec<f64>, String> {
        let rungs = self.need("rungs", &self.signal.rungs)?;
        let rising = rungs.is_sorted_by(|a, b| a < b) && rungs.iter().all(|rung| rung.is_finite() && *rung > 0.0);
        if (1..=RUNGS_MAX).contains(&rungs.len()) && rising {
            Ok(rungs)
        } else {
            Err(format!("rungs must be 1 to {RUNGS_MAX} rising numbers above 0"))
        }
    }

    pub(super) fn counts(&mut self) -> Result<Vec<u32>, String> {
        let whole = |rung: f64| {
            let fits = rung.fract() == 0.0 && rung <= 1_000.0;
            if fits {
                Ok(rung as u32)
            } else {
                Err(format!("rungs holds {rung}: whole numbers up to 1000 are allowed"))
            }
        };
        self.ladder()?.into_iter().map(whole).collect()
    }

    pub(super) fn days(&mut self, max: u32) -> Result<u32, String> {
        match self.need("days", &self.signal.days)? {
            days if (1..=max).contains(&days) => Ok(days),
            days => Err(format!("days is {days}: 1 to {max} are allowed")),
        }
    }

    pub(super) fn filter(&mut self) -> Result<Filter, String> {
        self.taken.extend(["roles", "where", "where_bound", "premium"]);
        if self.signal.roles.is_empty() {
            return Err(self.missing("roles"));
        }
        Ok(Filter {
            roles: self.signal.roles.clone(),
            only: words("where", &self.signal.only)?,
            where_bound: words("where_bound", &self.signal.where_bound)?,
            premium: self.signal.premium,
        })
    }

    pub(super) fn two_roles(&mut self) -> Result<(Role, Role), String> {
        self.taken.push("roles");
        match self.signal.roles[..] {
            [first, then] => Ok((first, then)),
            _ => Err(format!("kind {} needs two roles: the one that begins, and the one that ends", self.name)),
        }
    }

    pub(super) fn field(&mut self) -> Result<Field, String> {
        let of = self.need("of", &self.signal.of)?;
        field(&of).ok_or_else(|| unknown("field", &of, &Field::ALL.map(Field::word)))
    }

    /// Refuses parameters that the kind did not take.
    pub(super) fn rest(&self) -> Result<(), String> {
        let signal = self.signal;
        let given = [
            ("roles", !signal.roles.is_empty()),
            ("where", !signal.only.is_empty()),
            ("where_bound", !signal.where_bound.is_empty()),
            ("premium", signal.premium),
            ("of", signal.of.is_some()),
            ("ttl", signal.ttl.is_some()),
            ("gap", signal.gap.is_some()),
            ("within", signal.within.is_some()),
            ("after", signal.after.is_some()),
            ("rungs", signal.rungs.is_some()),
            ("one_of", signal.one_of.is_some()),
            ("above_percent", signal.above_percent.is_some()),
            ("direction", signal.direction.is_some()),
            ("significance", signal.significance.is_some()),
            ("days", signal.days.is_some()),
            ("weeks", signal.weeks.is_some()),
            ("at_least", signal.at_least.is_some()),
            ("spike_below", signal.spike_below.is_some()),
            ("spike_above", signal.spike_above.is_some()),
        ];
        match given.iter().find(|(name, is_given)| *is_given && !self.taken.contains(name)) {
            Some((name, _)) => Err(format!("kind {} takes {}, not {name}", self.name, self.taken.join(", "))),
            None => Ok(()),
        }
    }
}
