//! One step: everything that happens to an account at one place in the log. All causes run the same phases in the same
//! order: `update` changes the state and records the changes in a [`Delta`]; `measure` measures the levels that depend
//! on them; `score` computes points, bands and tiers; `fire` evaluates conditions and decides handoffs; `emit` builds
//! the messages. Before them, `admit` decides the outcome of an event.

pub(super) mod admit;
pub(super) mod close;
pub(super) mod delta;
pub(super) mod emit;
pub(super) mod fire;
pub(super) mod life;
pub(super) mod measure;
pub(super) mod people;
pub(super) mod rails;
pub(super) mod score;
pub(super) mod update;
pub(super) mod visits;

use super::context::MatchedEvent;
use super::state::Account;
use super::state::due::NEVER;
use super::state::timers::Timer;
use super::state::word::Flag;
use crate::model::{EventTime, Reason};

pub(super) use delta::{Close, Delta, Step};

/// The step of an event.
pub(super) fn of_event(step: &mut Step<'_>, account: &mut Account<'_>, it: &MatchedEvent<'_>, takes: update::Takes) {
    step.delta.note_before(account);
    let applied = update::event(step, account, it, takes);
    // Most events bring nothing that is measured, published or waited for.
    let is_known = it.roles.is_empty() && !applied.activity && !applied.another_day && !account.word.is(Flag::FIRED);
    if is_known && account.track.is_some() && step.delta.is_empty() {
        return;
    }
    measure::after_event(step, account);
    if step.delta.is_worth_a_score() || account.track.is_none() && takes != update::Takes::Traits {
        emit::levels(step, account, Reason::Crossed);
        score::settle(step, account, Reason::Crossed);
    }
    emit::sessions(step, account, it);
    fire::after_event(step, account, it, &applied);
    emit::all(step, account);
}

/// Publishes the profiles of the account and all its users.
pub(super) fn profiles(step: &mut Step<'_>, account: &mut Account<'_>) {
    step.delta.all_rows(account);
    emit::all(step, account);
}

/// The step in which a user is erased.
pub(super) fn of_erasure(step: &mut Step<'_>, account: &mut Account<'_>, user: u32) {
    step.delta.note_before(account);
    update::erase(step, account, user);
    measure::forgotten(step, account);
    measure::at_once(step, account);
    emit::levels(step, account, Reason::Forgotten);
    score::settle(step, account, Reason::Forgotten);
    fire::after_due_work(step, account, fire::Moment::Due);
    emit::all(step, account);
    account.erase_id(user);
}

/// The step of what is due for the account at one instant: facts end, users are forgotten, a day and a week close
/// (semantics A15). Returns whether nothing of the account can matter any more.
pub(super) fn of_due_work(
    step: &mut Step<'_>,
    account: &mut Account<'_>,
    at: EventTime,
    timers: &[(u32, Timer)],
    closes: Option<Close<'_>>,
) -> bool {
    step.delta.note_before(account);
    update::lapse(step, account, timers);
    measure::facts(step, account);
    measure::at_once(step, account);
    emit::levels(step, account, Reason::Lapsed);
    let (mut moment, mut next) = (fire::Moment::Due, NEVER);
    if let Some(close) = &closes {
        moment = fire::Moment::DayClose;
        update::forget(step, account, close.users);
        measure::forgotten(step, account);
        emit::levels(step, account, Reason::Forgotten);
        next = close::close(step, account, close);
        emit::figures(step, account, close);
    }
    // All work that is due at one instant is one step, even if the day was closed earlier in it.
    let closes_day = closes.is_some() || (at == step.now && at == step.plan.time.calendar.start(step.open_day()));
    if closes.is_some() || step.delta.is_worth_a_score() {
        score::settle(step, account, if closes_day { Reason::Closed } else { Reason::Lapsed });
    }
    fire::after_due_work(step, account, moment);
    emit::all(step, account);
    let Some(close) = closes else { return false };
    account.drop_former_lives(step.open_day());
    visits::after_close(step, account, &close, next);
    visits::is_over(step, account)
}
