//! The kind `trait`: a trait of the account, or an active user who is an executive. It turns on at once, and off at the
//! close of a day.

use super::kind::{At, Measure, reached};
use crate::model::Evidence;
use crate::rules::{Executive, TraitIs};

impl Measure for TraitIs {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        let Some(traits) = at.account.traits() else { return 0 };
        match self {
            TraitIs::Employees(rungs) => traits.employees().map_or(0, |number| reached(number, rungs)),
            TraitIs::AtLeast(field, rungs) => traits.number(*field).map_or(0, |number| reached(number, rungs)),
            TraitIs::True(field) => u8::from(traits.boolean(*field) == Some(true)),
            TraitIs::OneOf(field, values) => {
                let text = traits.text(*field).map(|text| text.trim().to_lowercase());
                u8::from(text.is_some_and(|text| values.contains(&text)))
            }
        }
    }

    fn is_known(&self, at: &At<'_, '_>) -> bool {
        at.account.traits().is_some_and(|traits| match self {
            TraitIs::Employees(_) => traits.employees().is_some(),
            TraitIs::AtLeast(field, _) => traits.number(*field).is_some(),
            TraitIs::True(field) => traits.boolean(*field).is_some(),
            TraitIs::OneOf(field, _) => traits.text(*field).is_some(),
        })
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        let traits = at.account.traits();
        let number = match self {
            TraitIs::Employees(_) => traits.and_then(|traits| traits.employees()),
            TraitIs::AtLeast(field, _) => traits.and_then(|traits| traits.number(*field)),
            TraitIs::OneOf(..) | TraitIs::True(_) => Some(1.0),
        };
        number.map_or_else(Evidence::default, |number| at.figure(number))
    }
}

impl Measure for Executive {
    fn level(&self, at: &At<'_, '_>) -> u8 {
        u8::from(at.account.crowd().is_some_and(|crowd| crowd.executives > 0))
    }

    fn evidence(&self, at: &At<'_, '_>) -> Evidence {
        at.figure(f64::from(at.account.crowd().map_or(0, |crowd| crowd.executives)))
    }
}
