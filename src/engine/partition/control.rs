//! Control events: other rules apply, the history of a backfill begins or ends, a user is erased. None of them moves time.

use std::sync::Arc;

use super::{Folded, Partition, take_step};
use crate::engine::activation::{self, Renaming};
use crate::engine::context::{By, Context};
use crate::engine::state::Account;
use crate::engine::step::{self, Step};
use crate::model::{Effects, Event, EventKind, Keys, Outcome, Place, Wanted};
use crate::rules::{Error, Plan, Ready, folded};

impl Partition {
    /// Follows a control event. The text explains a dead letter.
    pub(super) fn control(
        &mut self,
        event: &Event<'_>,
        ready: &Ready<'_>,
        place: Place,
        effects: &mut Effects,
        folded: &mut Folded,
    ) -> String {
        let by = By { message_id: Some(&event.message_id), place: Some(place.into()) };
        let refused = match (event.kind, ready.rules()) {
            (_, Some(rules)) => self.apply_rules(rules, by, effects),
            (EventKind::Forget, None) => self.forget(event, by, effects).map(|erased| folded.erased = erased),
            (EventKind::BackfillBegin, None) => self.mark_history(true),
            (EventKind::BackfillEnd, None) => self.mark_history(false),
            (kind, None) => unreachable!("{kind:?} is folded as an event"),
        };
        folded.outcome = if refused.is_ok() { Outcome::Applied } else { Outcome::Refused };
        refused.err().unwrap_or_default()
    }

    /// Activates rules, if they can replace the present ones.
    fn apply_rules(
        &mut self,
        rules: Result<&Arc<Plan>, &Error>,
        by: By<'_>,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let plan = rules.map_err(Error::to_string)?;
        if plan.time != self.plan.time {
            return Err("`time` of the rules cannot change in a log: what has closed stays closed".to_owned());
        }
        if plan.ids != self.plan.ids {
            return Err("`ids` of the rules cannot change in a log: who is who stays so".to_owned());
        }
        self.activate(Arc::clone(plan), by, effects);
        Ok(())
    }

    /// Applies other rules from this place in the log on.
    fn activate(&mut self, after: Arc<Plan>, by: By<'_>, effects: &mut Effects) {
        if after.version == self.plan.version {
            return;
        }
        self.tables.hold_levels(after.user_signals.len(), after.account_signals.len());
        let renaming = Renaming::new(&self.plan, &after);
        if let Some(now) = self.admission.clock.watermark() {
            self.warming = renaming.warming(&self.warming);
            self.timers.rename(|user, slot| renaming.slot(user, slot));
            for index in self.tables.account_indices() {
                let (mut account, open_day) = (Account::new(&mut self.tables, index), self.plan.time.calendar.day(now));
                account.close_up_to(open_day.plus(-1));
                self.due.accounts.touch(&mut account.due, index);
                for user in account.user_indices() {
                    self.due.users.touch(&mut account.user_mut(user).due, user);
                }
                let mut step = take_step!(self, effects, index, now, by, now, open_day);
                activation::activate(&renaming, &mut step, &mut account);
            }
        }
        self.plan = after;
    }

    /// Erases a user in one account or in all (semantics B15). Returns the number of accounts that had the user.
    fn forget(&mut self, event: &Event<'_>, by: By<'_>, effects: &mut Effects) -> Result<u32, String> {
        if event.user.is_empty() {
            return Err("it names no user".to_owned());
        }
        let account = if self.plan.ids.fold { folded(&event.account) } else { (&*event.account).into() };
        let accounts = match &*account {
            "" => Vec::from_iter(self.tables.account_indices()),
            id => Vec::from_iter(self.tables.find_account(Keys::hash_account(id.as_bytes()), id.as_bytes())),
        };
        let mut erased = 0;
        for index in accounts {
            if let Some(user) = self.tables.find_user(index, &event.user) {
                self.step_of(index, by, effects, |step, account| step::of_erasure(step, account, user));
                erased += 1;
            }
        }
        Ok(erased)
    }

    /// Whether the history of a backfill has begun and not ended.
    pub fn is_history(&self) -> bool {
        self.is_history
    }

    /// The history of a backfill begins or ends here.
    fn mark_history(&mut self, begins: bool) -> Result<(), String> {
        if begins == self.is_history {
            let refused = if begins { "history has begun before" } else { "no history has begun" };
            return Err(refused.to_owned());
        }
        self.is_history = begins;
        Ok(())
    }

    /// Folds something of history. Of its effects dead letters alone are kept; where history ends, the profiles of all
    /// accounts and users follow, from which subscribers know what has become of them.
    pub(super) fn apply_history(
        &mut self,
        effects: &mut Effects,
        apply: impl FnOnce(&mut Self, &mut Effects) -> Folded,
    ) -> Folded {
        let mut unseen = Effects::new(Wanted::LEAST);
        let folded = apply(self, &mut unseen);
        effects.dead_letters.append(&mut unseen.dead_letters);
        if !self.is_history {
            // Closes visited fewer accounts, because less was wanted.
            self.visit_all();
            self.all_profiles(effects);
        }
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Record;
    use crate::model::{DAY_MS, EventTime};
    use crate::rules;
    use crate::wire::{self, Format};

    #[test]
    fn ids_are_nowhere_once_their_users_are_dropped_or_erased() {
        let mut partition = Partition::new(rules::load(None).expect("the default rules"));
        let fold = |partition: &mut Partition, bytes: &[u8]| {
            let (record, mut erased) = (Record { offset: 0, time: None }, 0);
            for decoded in wire::decode_admitting(wire::Admit::Any, Format::Json, bytes) {
                let ready = Ready::new(&decoded).expect("rules of this version");
                erased += partition.apply_one(record, 0, &ready, &mut Effects::new(Wanted::ALL)).erased;
            }
            erased
        };
        let uses = |account: &str, user: &str, day: i64| {
            let at = 1_772_323_200_000 + day * DAY_MS;
            format!(
                r#"{{"type":"track","event":"Feature Used","userId":"{user}","timestamp":{at},"context":{{"groupId":"{account}"}}}}"#
            )
        };
        let has = |partition: &Partition, id: &str| format!("{partition:?}").contains(id);
        fold(&mut partition, uses("zeta", "ann-who-left", 0).as_bytes());
        fold(&mut partition, uses("acme", "bob-who-stays", 0).as_bytes());
        assert!(has(&partition, "ann-who-left") && has(&partition, "bob-who-stays"));
        [300, 600].iter().for_each(|day| _ = fold(&mut partition, uses("acme", "bob-who-stays", *day).as_bytes()));
        assert!(!has(&partition, "ann-who-left") && has(&partition, "bob-who-stays"));
        let forget = wire::encode_forget(Format::Json, "bob-who-stays", Some("acme"), EventTime(0));
        assert_eq!([fold(&mut partition, &forget), fold(&mut partition, &forget)], [1, 0]);
        assert!(!has(&partition, "bob-who-stays") && has(&partition, "acme"));
        fold(&mut partition, uses("acme", "carl", 602).as_bytes());
        assert_eq!(partition.users(), 1, "the row has gone with the close of a day");
    }
}
