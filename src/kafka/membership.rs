//! Keeps a thread a member of the consumer group: it joins again after it was fenced, or lost Kafka.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::config::Config;
use super::error::Error;

/// How soon a wait ends after the process was asked to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How long to wait before joining again.
const REJOIN_AFTER: Duration = Duration::from_secs(1);
/// The same while the group still has the former member of the name: so long that a session of the usual 45 s ends before
/// the worker has been fenced too often.
const REJOIN_UNRELEASED: Duration = Duration::from_secs(12);
/// A worker that is fenced this often within `FENCED_WITHIN` shares its name with another running process: two
/// processes with one name fence each other at every heartbeat. A broker or a process that was halted causes one
/// fence only.
const FENCED_MAX: usize = 5;
/// See `FENCED_MAX`.
const FENCED_WITHIN: Duration = Duration::from_secs(60);

/// Why a worker's membership ended.
#[derive(Debug)]
pub enum Ended {
    /// Another member took over, or the broker assumes so. The worker may join again.
    Fenced(anyhow::Error),
    /// Kafka did not answer for a long time, or the process is stopping.
    Lost(anyhow::Error),
    /// Continuing is impossible or would give wrong results.
    Failed(anyhow::Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Ended {
        match &error {
            fenced if fenced.is_fenced() => Ended::Fenced(error.into()),
            lost if lost.is_passing() || matches!(lost, Error::Stopped { .. }) => Ended::Lost(error.into()),
            // It may have been the position of a member whose partitions others own, as it has not learned yet. If not, the
            // offsets are examined as it joins again, which names what is gone.
            Error::OffsetGone { .. } => Ended::Lost(error.into()),
            _ => Ended::Failed(error.into()),
        }
    }
}

/// Lets the `number`th worker belong to the group until the process stops: it joins and works, and joins again after it
/// was fenced or lost Kafka. While it waits to join again, `round` is called.
///
/// # Errors
/// Continuing is impossible or would give wrong results, Kafka cannot be reached at the start, or another running process
/// uses the same name.
pub fn stay_member<M>(
    config: &Config,
    number: usize,
    round: impl Fn(),
    mut join: impl FnMut() -> Result<M, Ended>,
    mut work: impl FnMut(M) -> Result<(), Ended>,
) -> anyhow::Result<()> {
    let mut fences = Fences::default();
    let (mut has_joined, mut lost) = (false, false);
    while !config.is_stopping() {
        let ended = join().and_then(|member| {
            (has_joined, lost) = (true, false);
            work(member)
        });
        match ended {
            Ok(()) => {}
            Err(Ended::Fenced(why) | Ended::Lost(why)) if config.is_stopping() => {
                let why = format!("{why:#}");
                tracing::warn!(
                    worker = number,
                    why,
                    "stopping without an answer of Kafka: the next owner goes on from the last commit"
                );
            }
            Err(Ended::Fenced(why)) if fences.are_too_many(Instant::now()) => {
                let within = FENCED_WITHIN.as_secs();
                return Err(why.context(format!(
                    "worker {number} was fenced {FENCED_MAX} times within {within} s: another process uses the same name"
                )));
            }
            Err(Ended::Fenced(why)) => {
                lost = false;
                tracing::warn!(worker = number, why = format!("{why:#}"), "fenced: joining again");
                let is_unreleased = matches!(why.downcast_ref(), Some(Error::InstanceUnreleased { .. }));
                let until = Instant::now() + if is_unreleased { REJOIN_UNRELEASED } else { REJOIN_AFTER };
                while Instant::now() < until && !config.is_stopping() {
                    round();
                    std::thread::sleep(LOOK);
                }
            }
            Err(Ended::Lost(why)) if has_joined => {
                // This is logged once; the line `joined` follows when the worker has joined again.
                if !std::mem::replace(&mut lost, true) {
                    let why = format!("{why:#}");
                    tracing::warn!(
                        worker = number,
                        why,
                        "Kafka or the schema registry does not answer: joining again until it does; if this lasts, check \
                         that it runs and can be reached"
                    );
                }
                std::thread::sleep(REJOIN_AFTER);
            }
            Err(Ended::Lost(error) | Ended::Failed(error)) => return Err(error),
        }
    }
    Ok(())
}

/// When a worker was last fenced.
#[derive(Default)]
struct Fences(VecDeque<Instant>);

impl Fences {
    /// Counts a fence at `now`. Returns whether there are so many that another process must use the same name.
    fn are_too_many(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        self.0.retain(|at| now.duration_since(*at) <= FENCED_WITHIN);
        self.0.len() >= FENCED_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fences_that_follow_each_other_fast_are_too_many() {
        let ended = |apart: u64, count: u64| {
            let (mut fences, began) = (Fences::default(), Instant::now());
            (0..count).any(|number| fences.are_too_many(began + Duration::from_secs(apart * number)))
        };
        assert!(ended(7, 5) && ended(15, 5));
        assert!(!ended(7, 4) && !ended(16, 100));
    }
}
