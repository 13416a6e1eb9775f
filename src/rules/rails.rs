//! The chapters `rails` and `due`: guard rails, and when a person should act on a handoff.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::checks::{id, share};
use super::condition::Condition;
use super::error::{Wrong, wrong};
use super::names::{Names, condition};
use super::triggers::{self, Trigger, TriggerKind};
use crate::model::{EventTime, Level, Millis};

/// Guard rails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rails")]
pub(super) struct Written {
    /// No outreach within this time after sign-up.
    after_signup: Millis,
    /// No handoff without activity in the last 28 days.
    usage: bool,
    /// At most one medium or low handoff per account in this time.
    pacing: Millis,
    /// For this number of days, new users, activation and age of an account that was in mid-life when the log began are
    /// unknown.
    warm_up_days: u8,
    /// Handoffs of events before this RFC 3339 instant are published as held, and never fire.
    #[schemars(with = "Option<String>")]
    live_from: Option<Spanned<String>>,
    /// No medium or low handoff while outreach is forbidden or under way.
    engaged: Engaged,
    /// A share of accounts that get no medium or low handoff, to measure the effect of outreach.
    #[schemars(with = "Holdout")]
    holdout: Spanned<Holdout>,
    /// Tests of a threshold: accounts between two candidate values are split by hash.
    #[serde(default)]
    #[schemars(with = "Vec<WrittenArm>")]
    arms: Vec<Spanned<WrittenArm>>,
}

/// When outreach is forbidden or under way.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Engaged {
    /// While the account has `do_not_contact` or an open opportunity.
    traits: bool,
    /// For this time after a handoff to a person that has no outcome.
    unanswered: Millis,
}

/// Accounts that get no medium or low handoff.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Holdout {
    /// The share of the accounts, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    share: f64,
    /// Hashed with the account; another salt selects other accounts.
    salt: String,
}

/// A test of a threshold: the conditions of its triggers contain the lower of two candidate values.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Arm")]
struct WrittenArm {
    /// Its id, which is in every handoff of an account between the two values.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    id: String,
    /// Medium and low condition triggers, each in one arm at most.
    #[schemars(length(min = 1))]
    triggers: Vec<String>,
    /// A CEL condition that is true if the higher value is reached too. It may name `user.…` if the conditions of its
    /// triggers do.
    above: String,
    /// The share of the accounts between the two values for which the lower value applies, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    share: f64,
    /// Hashed with the account; without it the id is.
    salt: Option<String>,
}

/// When a person should act.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Due {
    /// Of medium handoffs, after outreach may begin.
    #[schemars(with = "DueRange")]
    medium: Spanned<DueRange>,
}

/// A range of time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DueRange {
    /// Not before.
    from: Millis,
    /// Not later.
    by: Millis,
}

/// Guard rails.
#[derive(Debug)]
pub struct Rails {
    /// No outreach within this time after sign-up, in milliseconds.
    pub after_signup_ms: i64,
    /// No handoff without a usage fact.
    pub usage: bool,
    /// At most one medium or low handoff in this time, in milliseconds.
    pub pacing_ms: i64,
    /// Days during which an account that was not born in the log has no new users.
    pub warm_up_days: i32,
    /// Handoffs of events before this instant are held, and never fire.
    pub live_from: Option<EventTime>,
    /// No medium or low handoff while the account has `do_not_contact` or an open opportunity.
    pub engaged_traits: bool,
    /// How long a handoff to a person that has no outcome holds others, in milliseconds.
    pub unanswered_ms: i64,
    /// The holdout: its share of the accounts, and the salt.
    pub holdout: (f64, String),
    /// Tests of a threshold, at most one a trigger.
    pub arms: Vec<Arm>,
}

/// A test of a threshold: the conditions of its triggers contain the lower of two candidate values.
#[derive(Debug)]
pub struct Arm {
    /// Its id.
    pub id: Arc<str>,
    /// Its triggers, by their place.
    pub triggers: Vec<usize>,
    /// Whether the higher value is reached too.
    pub above: Condition,
    /// The share of the accounts between the two values for which the lower value applies.
    pub share: f64,
    /// Hashed with the account.
    pub salt: Arc<str>,
}

/// Compiles the chapter `rails`; the conditions of its arms may name what conditions of triggers may.
pub(super) fn compile(written: &Written, triggers: &[Trigger], names: &mut Names) -> Result<Rails, Wrong> {
    let live_from = match &written.live_from {
        None => None,
        Some(text) => {
            let time: jiff::Timestamp = text
                .value
                .parse()
                .map_err(|_| wrong(text, format!("rails.live_from: {:?} is not an RFC 3339 instant", text.value)))?;
            EventTime::new(time.as_millisecond())
        }
    };
    let holdout = &written.holdout.value;
    let held_out = share("rails.holdout.share", holdout.share).map_err(|what| wrong(&written.holdout, what))?;
    Ok(Rails {
        after_signup_ms: written.after_signup.0,
        usage: written.usage,
        pacing_ms: written.pacing.0,
        warm_up_days: i32::from(written.warm_up_days),
        live_from,
        engaged_traits: written.engaged.traits,
        unanswered_ms: written.engaged.unanswered.0,
        holdout: (held_out, holdout.salt.clone()),
        arms: arms(&written.arms, triggers, names)?,
    })
}

fn arms(written: &[Spanned<WrittenArm>], triggers: &[Trigger], names: &mut Names) -> Result<Vec<Arm>, Wrong> {
    let mut arms: Vec<Arm> = Vec::new();
    for spanned in written {
        let whole = |what| (spanned.referenced, format!("arm {}: {what}", spanned.value.id));
        let arm = arm(&spanned.value, triggers, names).map_err(whole)?;
        if arms.iter().any(|other| other.id == arm.id) {
            return Err(whole("the id is used twice".into()));
        }
        for (at, trigger) in arm.triggers.iter().enumerate() {
            let others = arms.iter().flat_map(|other| &other.triggers).chain(&arm.triggers[..at]);
            if others.into_iter().any(|other| other == trigger) {
                let id = &triggers[*trigger].id;
                return Err(whole(format!("trigger {id} is named twice: a trigger can be in one arm only")));
            }
        }
        arms.push(arm);
    }
    Ok(arms)
}

fn arm(written: &WrittenArm, triggers: &[Trigger], names: &mut Names) -> Result<Arm, String> {
    if written.triggers.is_empty() {
        return Err("triggers is empty".into());
    }
    let above = condition("above", &written.above, names, false)?;
    let of_user = above.names().iter().any(|name| name.starts_with("user."));
    let place = |id: &String| {
        let place = triggers::place(id, triggers)?;
        match (&triggers[place].kind, triggers[place].level) {
            (TriggerKind::Event(_), _) => Err(format!("trigger {id} is an event trigger: it has no threshold")),
            (_, Level::High) => Err(format!("trigger {id} is high: only medium and low ones are split")),
            (TriggerKind::Condition { per_user: false, .. }, _) if of_user => {
                Err(format!("above names user.…, but the condition of trigger {id} is about the account"))
            }
            _ => Ok(place),
        }
    };
    Ok(Arm {
        id: id(&written.id)?,
        triggers: written.triggers.iter().map(place).collect::<Result<_, String>>()?,
        above,
        share: share("share", written.share)?,
        salt: written.salt.as_ref().unwrap_or(&written.id).as_str().into(),
    })
}

/// Compiles the chapter `due`: from when and by when, in milliseconds.
pub(super) fn due(written: &Due) -> Result<(i64, i64), Wrong> {
    let medium = &written.medium;
    let (from, by) = (medium.value.from.0, medium.value.by.0);
    if from > by {
        return Err(wrong(medium, "due.medium: from is later than by"));
    }
    Ok((from, by))
}
