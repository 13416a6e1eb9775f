//! How much memory the process takes, and how much it may.
//!
//! The fold must not depend on the memory of a machine, so that what has no room is not an outcome of an event: the
//! partition waits before the record, and what was folded of it stays as it is.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::telemetry::Telemetry;

/// How much of its limit the process may fill with state, in percent. The rest is for records that were read, messages that
/// wait, and pages that are copied while a snapshot is stored.
const CEILING: u64 = 80;
/// Below this it takes new state again.
const ROOM: u64 = 75;
/// How often the limit is read, which costs more than the memory of the process.
const LIMIT_EVERY: Duration = Duration::from_secs(1);
/// What lasts shorter is not logged.
const LASTS: Duration = Duration::from_secs(3);
const MIB: u64 = 1 << 20;

/// The memory of the process.
#[derive(Debug)]
pub struct Memory {
    /// The limit by the configuration; none if that of the container, or else the memory of the machine, applies.
    limit: Option<u64>,
    looks: Mutex<Looks>,
    is_full: AtomicBool,
}

/// What only looks need.
#[derive(Debug)]
struct Looks {
    /// None where the operating system does not tell.
    system: Option<System>,
    /// The limit, and when it was read.
    limit: Option<(u64, Instant)>,
    /// Since when memory is full, or not; and whether the log says that it is.
    since: Instant,
    is_told: bool,
}

impl Memory {
    /// With a limit in MiB, or that of the container or the machine.
    #[must_use]
    pub fn new(limit_mib: Option<NonZeroU32>) -> Memory {
        let limit = limit_mib.map(|mib| u64::from(mib.get()) * MIB);
        let looks = Looks { system: System::new().ok(), limit: None, since: Instant::now(), is_told: false };
        Memory { limit, looks: Mutex::new(looks), is_full: AtomicBool::new(false) }
    }

    /// Whether there is no room for new state, as far as the last look tells.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Looks how much memory the process takes, and at its limit, which can change while it runs. Where the operating system
    /// does not tell, nothing is ever full.
    pub fn look(&self, telemetry: &Telemetry) {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let Looks { system, limit: known, since, is_told } = &mut *looks;
        let Some(system) = system else { return };
        let pid = Pid::from_u32(std::process::id());
        let what = ProcessRefreshKind::nothing().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        let Some(process) = system.process(pid) else { return };
        let takes = process.memory();
        let limit = match known.filter(|(_, at)| at.elapsed() < LIMIT_EVERY) {
            Some((limit, _)) => limit,
            None => {
                let of_container = process.cgroup_limits().map(|limits| limits.total_memory);
                let limit = self.limit.or(of_container).unwrap_or_else(|| {
                    // The container has none.
                    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
                    system.total_memory()
                });
                known.insert((limit, Instant::now())).0
            }
        };
        if limit == 0 {
            return;
        }
        telemetry.memory(takes, limit);
        let was_full = self.is_full();
        let is_full = is_full(was_full, takes, limit);
        self.is_full.store(is_full, Ordering::Relaxed);
        if is_full != was_full {
            *since = Instant::now();
        }
        if is_full == *is_told || since.elapsed() < LASTS {
            return;
        }
        *is_told = is_full;
        let (takes_mib, limit_mib) = (takes / MIB, limit / MIB);
        if is_full {
            tracing::error!(
                takes_mib,
                limit_mib,
                "memory is full: partitions wait before the next record with a new account or user, and are not restored; \
                 everything else goes on. Start more processes, so that each has fewer partitions, or raise the memory of \
                 the container (or worker.memory_mib)"
            );
        } else {
            tracing::info!(takes_mib, limit_mib, "there is memory for new accounts and users again");
        }
    }
}

/// Whether a process that takes so many bytes has no room for new state.
fn is_full(was_full: bool, takes: u64, limit: u64) -> bool {
    takes > limit / 100 * if was_full { ROOM } else { CEILING }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_full_above_the_ceiling_until_there_is_room_again() {
        let full = |was_full, takes| is_full(was_full, takes, 1_000);
        assert_eq!([full(false, 800), full(false, 801), full(true, 780), full(true, 750)], [false, true, true, false]);
    }
}
