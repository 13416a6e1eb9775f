//! What processes cost, and what else the machine does, as Linux tells it in `/proc`. Elsewhere nothing is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};

use rustix::time::{ClockId, clock_gettime};

/// CPU seconds of a process so far, of all its threads, user and system.
pub(super) fn cpu(pid: u32) -> Option<f64> {
    ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// CPU seconds by the status of a process or thread.
fn ticks(stat: &str) -> Option<f64> {
    // The name, in brackets, can contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) as f64 / ticks_per_second())
}

/// CPU seconds of a process so far by kind of thread, which its name says: `worker-1` is a worker, and the threads of
/// librdkafka begin with `rdk:`.
pub(super) fn cpu_of_threads(pid: u32) -> BTreeMap<String, f64> {
    let mut kinds = BTreeMap::new();
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return kinds };
    for stat in threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok()) {
        let Some((name, seconds)) = stat.split_once('(').and_then(|(_, rest)| rest.split_once(')')).zip(ticks(&stat))
        else {
            continue;
        };
        let name = name.0.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        let kind = if name.starts_with("rdk:") { "librdkafka" } else { name };
        *kinds.entry(kind.to_owned()).or_default() += seconds;
    }
    kinds
}

/// CPU seconds of this process so far.
pub(super) fn own_cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The largest resident memory of a process so far, in MiB.
pub(super) fn peak_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))?;
    Some(kib.trim().parse::<f64>().ok()? / 1024.0)
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

/// The processes of this machine that listen on the ports of these brokers (`host:port`, separated by commas).
pub(super) fn listening(brokers: &str) -> Vec<u32> {
    let is_local = |address: &std::net::SocketAddr| address.ip().is_loopback() || is_own(address.ip());
    let addresses = brokers.split(',').filter_map(|broker| broker.trim().to_socket_addrs().ok()).flatten();
    let ports: BTreeSet<u16> = addresses.filter(is_local).map(|address| address.port()).collect();
    let sockets: BTreeSet<String> = ["tcp", "tcp6"]
        .iter()
        .flat_map(|table| listeners(table, &ports))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_one = |pid: &u32| {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let mut targets = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| sockets.contains(&*target.to_string_lossy()))
    };
    pids.filter(|_| !sockets.is_empty()).filter(has_one).collect()
}

/// Whether an address is one of this machine: it can be bound.
fn is_own(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

/// The inodes of the sockets that listen on one of these ports.
fn listeners(table: &str, ports: &BTreeSet<u16>) -> Vec<String> {
    const LISTENING: &str = "0A";
    let text = fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        let is_one = fields.get(3) == Some(&LISTENING) && ports.contains(&port);
        is_one.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    };
    text.lines().filter_map(inode).collect()
}

/// What the machine has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Machine {
    /// CPU seconds of all processes; none where they are not known.
    busy: Option<f64>,
    /// How often the limit of this process's control group has stopped it.
    throttled: u64,
    /// The load average over a minute.
    pub(super) load: Option<f64>,
}

impl Machine {
    pub(super) fn now() -> Machine {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let all = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).map(|line| {
            let ticks: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
            // User, nice, system; idle and wait; interrupts, and what other virtual machines took.
            [0, 1, 2, 5, 6, 7].iter().filter_map(|field| ticks.get(*field)).sum::<u64>() as f64 / ticks_per_second()
        });
        let load = fs::read_to_string("/proc/loadavg").ok();
        let load = load.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Machine { busy: all, throttled: throttled().unwrap_or(0), load }
    }

    /// CPU seconds that other processes than those that are measured took since `before`, which took `known` of them.
    pub(super) fn others(&self, before: &Machine, known: f64) -> Option<f64> {
        Some((self.busy? - before.busy? - known).max(0.0))
    }

    /// How often this process was throttled since `before`.
    pub(super) fn throttled(&self, before: &Machine) -> u64 {
        self.throttled - before.throttled
    }
}

/// How often the control group of this process, or one above it, was throttled.
fn throttled() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folders =
        std::path::Path::new(path).ancestors().map(|folder| format!("/sys/fs/cgroup{}/cpu.stat", folder.display()));
    let count = |path: String| {
        let stat = fs::read_to_string(path).ok()?;
        stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.trim().parse::<u64>().ok())
    };
    Some(folders.filter_map(count).sum())
}

/// The number of cores that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_of_a_port_is_found_with_its_cost() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = std::process::id();
        if cfg!(target_os = "linux") {
            assert_eq!(listening(&format!("127.0.0.1:{port}")), [own]);
            assert!(cpu(own).is_some() && peak_mib(own).is_some_and(|mib| mib > 1.0));
            assert!(!cpu_of_threads(own).is_empty());
            assert!(Machine::now().others(&Machine::default(), 0.0).is_none());
        }
        drop(listener);
        assert_eq!(listening(&format!("127.0.0.1:{port}")), [0_u32; 0]);
        assert!(own_cpu() > 0.0 && cores() > 0);
    }
}
