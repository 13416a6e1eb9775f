//! What is committed beside an offset: under which conditions, and how far, the effects before it were published.

use std::fmt;

use super::job::Job;
use crate::model::Calendar;

/// The version of the program.
pub(super) const BUILD: &str = env!("CARGO_PKG_VERSION");
/// What an older version published: all of it.
const ALL_OUTPUTS: u64 = u8::MAX as u64;

/// The metadata of a committed offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing<'a> {
    /// The number of partitions of the log; none if an older version committed the offset.
    pub(super) partitions: Option<i32>,
    /// The offset of days from UTC; UTC if an older version committed the offset.
    pub(super) calendar: Calendar,
    /// The fingerprint of `ids` of the rules; none if an older version committed the offset.
    pub(super) ids: Option<u32>,
    /// What was published, as `Outputs::as_bits`; all of it if an older version committed the offset.
    pub(super) outputs: u64,
    /// The id of the topic of the log; empty if the broker knew none, or an older version committed the offset.
    pub(super) log: &'a str,
    /// The last snapshot that is not after the offset; empty if there is none.
    pub(super) snapshot: &'a str,
    /// The version of the program, and the trail of its fold there; none if the fold had gone on.
    pub(super) trail: Option<(&'a str, u64)>,
    /// How many effects of the record at the offset were published, too: a transaction that would be too long ends within
    /// them.
    pub(super) published: u32,
    /// The topic of the log to which the state was moved, and with which it goes on; empty if it was not.
    pub(super) moved: &'a str,
    /// The version of the rules with which everything before the offset was published.
    pub(super) rules: &'a str,
}

impl<'a> Standing<'a> {
    /// Everything was published with the present rules.
    pub(super) fn now(job: &'a Job, partitions: i32, log: &'a str) -> Standing<'a> {
        Standing {
            partitions: Some(partitions),
            calendar: job.plan.time.calendar,
            ids: Some(job.plan.ids.fingerprint()),
            outputs: job.topics.outputs.as_bits(),
            log,
            snapshot: "",
            trail: None,
            published: 0,
            moved: "",
            rules: &job.plan.version,
        }
    }

    pub(super) fn read(metadata: &'a str) -> Standing<'a> {
        let parts = || {
            let (partitions, rest) = metadata.split_once(" partitions, UTC")?;
            let (calendar, rest) = rest.split_once(", ids ")?;
            let (ids, rest) = rest.split_once(", ")?;
            let (more, rules) = rest.split_once("rules ")?;
            let said = |name: &str| more.split(", ").find_map(|part| part.strip_prefix(name));
            Some(Standing {
                partitions: Some(partitions.parse().ok()?),
                calendar: calendar.parse().ok()?,
                ids: Some(u32::from_str_radix(ids, 16).ok()?),
                outputs: said("outputs ").map_or(Ok(ALL_OUTPUTS), |bits| u64::from_str_radix(bits, 2)).ok()?,
                log: said("log ").unwrap_or_default(),
                snapshot: said("snapshot ").unwrap_or_default(),
                trail: said("trail ").and_then(|said| {
                    let (trail, build) = said.split_once(" by ")?;
                    Some((build, u64::from_str_radix(trail, 16).ok()?))
                }),
                published: said("effects ").map_or(Ok(0), str::parse).ok()?,
                moved: said("moved to ").unwrap_or_default(),
                rules,
            })
        };
        parts().unwrap_or(Standing {
            partitions: None,
            calendar: Calendar::UTC,
            ids: None,
            outputs: ALL_OUTPUTS,
            log: "",
            snapshot: "",
            trail: None,
            published: 0,
            moved: "",
            rules: metadata,
        })
    }

    /// # Errors
    /// `time.utc_offset` or `ids` of the rules differ from those of the committed offset, so that published
    /// messages are about other days, or about other accounts and users (semantics A29, A33).
    pub(super) fn check(&self, job: &Job) -> anyhow::Result<()> {
        let (then, now) = (self.calendar, job.plan.time.calendar);
        anyhow::ensure!(
            then == now,
            "time.utc_offset of the rules is {now}, but group `{}` folded {} with {then}: it cannot change in a log. \
             Restore it; or begin with a new log, a new topics.prefix and a new kafka.group, and send the events there",
            job.kafka.group,
            job.topics.log(),
        );
        anyhow::ensure!(
            self.ids.is_none_or(|ids| ids == job.plan.ids.fingerprint()),
            "`ids` of the rules are not those with which group `{}` folded {}: they cannot change in a log. Restore them; \
             or begin with a new log, a new topics.prefix and a new kafka.group, and send the events there",
            job.kafka.group,
            job.topics.log(),
        );
        Ok(())
    }
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partitions {
            Some(count) => {
                let (calendar, ids) = (self.calendar, self.ids.unwrap_or_default());
                let Standing { outputs, log, snapshot, trail, published, moved, rules, .. } = self;
                write!(f, "{count} partitions, UTC{calendar}, ids {ids:08x}, outputs {outputs:05b}, ")?;
                if !log.is_empty() {
                    write!(f, "log {log}, ")?;
                }
                if let Some((build, trail)) = trail {
                    write!(f, "trail {trail:016x} by {build}, ")?;
                }
                if !snapshot.is_empty() {
                    write!(f, "snapshot {snapshot}, ")?;
                }
                if !moved.is_empty() {
                    write!(f, "moved to {moved}, ")?;
                }
                write!(f, "effects {published}, rules {rules}")
            }
            None => f.write_str(self.rules),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_beside_an_offset_is_read_back() {
        let (utc, other) = (Calendar::UTC, Calendar::ahead(-210).unwrap());
        for standing in [
            Standing {
                partitions: Some(8),
                calendar: other,
                ids: Some(0xfe),
                outputs: 0b11110,
                log: "mDYfRNVgSUqj-lMBd8i4Lw",
                snapshot: "00000000000000070000-0123456789abcdef",
                trail: Some(("1.2.3-rc.4", u64::MAX - 7)),
                published: 70_000,
                moved: "upswell.events-16",
                rules: "default@1",
            },
            Standing {
                partitions: Some(1),
                calendar: utc,
                ids: Some(0),
                outputs: 1 << 37,
                log: "",
                snapshot: "",
                trail: None,
                published: 0,
                moved: "",
                rules: "",
            },
            Standing {
                partitions: Some(1),
                calendar: utc,
                ids: Some(0),
                outputs: 0b11001,
                log: "-",
                snapshot: "",
                trail: None,
                published: 3,
                moved: "",
                rules: "users@2",
            },
        ] {
            assert_eq!(Standing::read(&standing.to_string()), standing);
        }
        let of_old = Standing {
            partitions: None,
            calendar: utc,
            ids: None,
            outputs: ALL_OUTPUTS,
            log: "",
            snapshot: "",
            trail: None,
            published: 0,
            moved: "",
            rules: "default@1",
        };
        assert_eq!(Standing::read("default@1"), of_old);
        assert_eq!(Standing::read(""), Standing { rules: "", ..of_old });
        let metadata = "8 partitions, UTC+00:00, ids 000000fe, rules default@1";
        assert_eq!(Standing::read(metadata), Standing { partitions: Some(8), ids: Some(0xfe), ..of_old });
    }
}
