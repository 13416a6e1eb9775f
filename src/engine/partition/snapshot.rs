//! Snapshots of a partition: its state as blocks of bytes, and back.

use std::sync::Arc;

use super::Partition;
use crate::engine::state::Account;
use crate::engine::state::cut::{self, Blocks, Cut, Cutter, Forgetter, Parts, Restorer, Unreadable};
use crate::rules::Plan;

impl Partition {
    /// The state as it is now, to be stored. The partition goes on meanwhile: it copies a page of its tables before it
    /// changes one that the cut shares.
    ///
    /// # Errors
    /// A part of the state cannot be written, which is a mistake of the program.
    pub fn cut(&mut self) -> Result<Cut, Unreadable> {
        let mut cutter = Cutter::default();
        self.parts(&mut cutter)?;
        Ok(cutter.0)
    }

    /// A partition as it was when it was cut, in one of the [`FORMATS`](cut::FORMATS). `plan` are the rules that applied then.
    ///
    /// # Errors
    /// The head or a block is not of a state of this format.
    pub fn restore(
        plan: Arc<Plan>,
        format: u32,
        head: &[u8],
        blocks: &mut Blocks<'_>,
    ) -> Result<Partition, Unreadable> {
        let mut partition = Partition::new(plan);
        let mut restorer = Restorer { format, head, blocks };
        partition.parts(&mut restorer)?;
        cut::ends(restorer.head)?;
        Ok(partition)
    }

    /// Has the next cut store everything again: what was stored is gone.
    pub fn forget_stored(&mut self) {
        // Nothing of it can fail.
        let _ = self.parts(&mut Forgetter);
    }

    /// Has the next close of a day visit every account and user: where closes visited fewer of them, because fewer outputs
    /// were wanted.
    pub fn visit_all(&mut self) {
        for index in self.tables.account_indices() {
            let mut account = Account::new(&mut self.tables, index);
            self.due.accounts.touch(&mut account.due, index);
            for user in account.user_indices() {
                self.due.users.touch(&mut account.user_mut(user).due, user);
            }
        }
    }

    fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Partition { plan: _, admission, timers, tables, due, warming, trail, is_history, passed, scratch: _ } =
            self;
        admission.parts(parts)?;
        timers.parts(parts)?;
        tables.parts(parts)?;
        due.parts(parts)?;
        parts.value(warming)?;
        parts.value(trail)?;
        parts.value_since(2, is_history)?;
        parts.value_since(4, passed)
    }
}
