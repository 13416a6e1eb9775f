//! Copies what the triggers of an account remember into other tables.

use super::{Head, Triggers, UserEdge, hash_of_edge};
use crate::engine::state::pages::Ref;

impl Triggers {
    /// Copies what others remember of an account. `user_of` says at which index a user is here; none: the user has gone.
    pub(in crate::engine::state) fn adopt(
        &mut self,
        from: &Triggers,
        Head(list): Head,
        user_of: impl Fn(u32) -> Option<u32>,
    ) -> Head {
        let Triggers { rows, edges, edges_by_user, evidence, kept } = self;
        Head(rows.adopt_list(
            &from.rows,
            list,
            |row| &mut row.next,
            |row| {
                row.evidence = evidence.adopt(&from.evidence, row.evidence);
                row.kept = kept.adopt(&from.kept, row.kept);
                if let Some(Some(it)) = kept.get_mut(row.kept) {
                    it.user = it.user.and_then(&user_of);
                }
                row.edges = edges.adopt_list(
                    &from.edges,
                    row.edges,
                    |edge| &mut edge.next,
                    |edge| {
                        let user = user_of(edge.user);
                        (edge.user, edge.previous) = (user.unwrap_or_default(), Ref::NONE);
                        user.is_some()
                    },
                );
                let mut at = row.edges;
                while let Some(UserEdge { user, next, trigger, .. }) = edges.get(at).copied() {
                    if let Some(after) = edges.get_mut(next) {
                        after.previous = at;
                    }
                    let hash_at = |at| edges.get(Ref::of(at)).map_or(0, |it| hash_of_edge(it.trigger, it.user));
                    edges_by_user.make_room(hash_at);
                    edges_by_user.insert(hash_of_edge(trigger, user), at.number());
                    at = next;
                }
                true
            },
        ))
    }
}
