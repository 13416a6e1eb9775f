//! Signals: one file per kind. It defines how an event updates the facts of a signal, how the level is measured from
//! the state, whether the level is known, when time alone can change either, and the evidence of the level.
//!
//! No code here writes a level; `step::measure` does.

mod abandoned;
mod active_days;
mod age;
mod count;
mod distinct;
mod growth;
mod idle;
mod kind;
mod ladder;
mod new_users;
mod seen;
mod sessions;
mod spike;
mod stalled;
mod stickiness;
mod traits;
mod usage_ratio;
mod within;

use super::context::Context;
use super::state::Account;
use crate::model::Evidence;
use crate::rules::{Kind, SignalRef, each_kind};

pub(super) use kind::{At, Fed, Measure, Subject};
pub(super) use new_users::{counting_from, knows_newcomers};
pub(super) use usage_ratio::usage_ratio;

/// The kind of a signal, to measure it by.
pub(super) fn of<'a>(at: &At<'a, '_>) -> &'a dyn Measure {
    of_kind(at.context.kind(at.user, at.slot))
}

/// A kind of signal, to measure by.
pub(super) fn of_kind(kind: &Kind) -> &dyn Measure {
    each_kind!(kind, it => it)
}

/// Whether a signal's level is known, so that off counts as 0 and not as unknown (semantics C1, D11).
pub(super) fn is_known(context: &Context<'_>, account: &Account<'_>, signal: SignalRef, user: Option<u32>) -> bool {
    if context.warming.has(signal) {
        return false;
    }
    At::new(context, account, signal, user).is_some_and(|it| of(&it).is_known(&it))
}

/// The evidence of a level.
pub(super) fn evidence(context: &Context<'_>, account: &Account<'_>, signal: SignalRef, user: Option<u32>) -> Evidence {
    At::new(context, account, signal, user).map_or_else(Evidence::default, |it| of(&it).evidence(&it))
}

/// A level in words.
pub(super) fn words(context: &Context<'_>, account: &Account<'_>, signal: SignalRef, user: Option<u32>) -> String {
    At::new(context, account, signal, user).map_or(String::new(), |it| of(&it).words(&it))
}
