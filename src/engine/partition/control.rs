//! Control events: other rules apply, the history of a backfill begins or ends, a user is erased. None of them moves time.

use std::sync::Arc;

use super::{Folded, Partition, take_step};
use crate::engine::activation::{self, Renaming};
use crate::engine::context::{By, Context};
use crate::engine::state::Account;
use crate::engine::step::{self, Step};
use crate::model::{Effects, Event, EventKind, Outcome, Place, Wanted};
use crate::rules::{Error, Plan, Ready, folded};

impl Partition {
    /// Follows a control event. The text explains a dead letter.
    pub(super) fn control(
        &mut self,
        event: &Event<'_>,
        ready: &Ready<'_>,
        place: Place,
        effects: &mut Effects,
    ) -> (Outcome, String) {
        let by = By { message_id: Some(&event.message_id), place: Some(place.into()) };
        let refused = match (event.kind, ready.rules()) {
            (_, Some(rules)) => self.apply_rules(rules, by, effects),
            (EventKind::Forget, None) => self.forget(event, by, effects),
            (kind, None) => self.mark_history(kind == EventKind::BackfillBegin),
        };
        refused.map_or_else(|why| (Outcome::Refused, why), |()| (Outcome::Applied, String::new()))
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

    /// Erases a user, of one account or of all (semantics B15).
    fn forget(&mut self, event: &Event<'_>, by: By<'_>, effects: &mut Effects) -> Result<(), String> {
        if event.user.is_empty() {
            return Err("it names no user".to_owned());
        }
        let account = if self.plan.ids.fold { folded(&event.account) } else { (&*event.account).into() };
        for index in self.tables.account_indices() {
            if !account.is_empty() && *account != *self.tables.account_id(index) {
                continue;
            }
            if let Some(user) = self.tables.find_user(index, &event.user) {
                self.take_step(index, by, effects, |step, account| step::of_erasure(step, account, user));
            }
        }
        Ok(())
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
