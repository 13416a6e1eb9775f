//! Backfills: history that builds up the state, and of which nothing is published.

use super::{Folded, Partition};
use crate::model::{Effects, EventKind, Outcome, Wanted};

impl Partition {
    /// Whether the history of a backfill has begun and not ended.
    pub fn is_history(&self) -> bool {
        self.is_history
    }

    /// The history of a backfill begins or ends here. The text explains a dead letter.
    pub(super) fn mark_history(&mut self, kind: EventKind) -> (Outcome, String) {
        let begins = kind == EventKind::BackfillBegin;
        if begins != self.is_history {
            self.is_history = begins;
            return (Outcome::Applied, String::new());
        }
        let refused = if begins { "history has begun before" } else { "no history has begun" };
        (Outcome::Refused, refused.to_owned())
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
