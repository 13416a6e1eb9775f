//! Reads memory ahead of a batch of events.

use super::Partition;
use crate::engine::state::tables::Near;
use crate::model::Keys;
use crate::wire::BATCH;

/// Reads the memory that folding these events, at most [`BATCH`], will need, each in its partition. It changes nothing.
/// Accounts, users and ids of consecutive events are far apart in memory: if they are read together, the cache misses
/// overlap.
pub fn read_ahead<'a>(events: impl Iterator<Item = (&'a Partition, &'a Keys)> + Clone) {
    for (partition, keys) in events.clone() {
        partition.tables.touch_indices(keys);
        partition.admission.touch(keys);
    }
    let mut near = [Near::default(); BATCH];
    for (near, (partition, keys)) in near.iter_mut().zip(events.clone()) {
        *near = partition.tables.touch_rows(keys);
    }
    for (near, (partition, _)) in near.iter().zip(events) {
        partition.tables.touch_beyond(*near);
    }
}
