//! What `replay --stats` prints of the cost: CPU time, resident memory, and what takes it.

use std::collections::BTreeMap;

use rustix::time::{ClockId, clock_gettime};

use super::screen;
use crate::engine::Partition;

/// What the process has cost so far: CPU time of all its threads, user and system, and memory where the system tells.
pub(super) fn of_process(events: u64) -> String {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let memory =
        peak.and_then(|peak| peak.parse::<u64>().ok()).map_or("memory use is not available here".into(), |kib| {
            format!("{} MiB resident at most", screen::count(kib / 1024))
        });
    format!("{seconds:.2} s of CPU, {:.3} µs an event · {memory}", seconds * 1e6 / events.max(1) as f64)
}

/// What the state takes for each user, and the parts of it, the largest first.
pub(super) fn of_state(partitions: &[Partition]) -> String {
    let users = partitions.iter().map(Partition::users).sum::<usize>();
    let mut parts: BTreeMap<&str, usize> = BTreeMap::new();
    for (part, bytes) in partitions.iter().flat_map(Partition::bytes) {
        *parts.entry(part).or_default() += bytes;
    }
    let of_a_user = |bytes: usize| bytes as f64 / users.max(1) as f64;
    let mut parts: Vec<(f64, &str)> = parts.iter().map(|(part, bytes)| (of_a_user(*bytes), *part)).collect();
    parts.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let whole: f64 = parts.iter().map(|(bytes, _)| bytes).sum();
    let parts: Vec<String> =
        parts.iter().filter(|it| it.0 >= 0.1).map(|(bytes, part)| format!("{part} {bytes:.1}")).collect();
    format!("{whole:.0} bytes a user: {}", parts.join(" · "))
}
