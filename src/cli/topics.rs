//! `upswell topics`: creates missing topics, and reports settings that differ from what Upswell needs.

use std::io::Write;

use anyhow::{Result, bail};
use clap::Args;

use super::config::Connection;
use crate::kafka;
use crate::wire::{self, Kind};

/// Creates missing topics with the settings that they need. Existing topics are not changed: settings that differ are
/// reported.
///
/// The log keeps its records for ever; with snapshots it may lose those that they cover (docs/operators.md). Its records
/// have the time at which the broker received them, which limits the effect of a producer's wrong clock.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell topics --config upswell.yaml
  upswell topics --brokers localhost:9092 --partitions 16")]
pub(super) struct Topics {
    #[command(flatten)]
    connection: Connection,
    /// The number of partitions of created topics, instead of topics.partitions.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    partitions: Option<u16>,
}

impl Topics {
    pub(super) fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let (topics, names) = (&config.topics, config.topics());
        let partitions = self.partitions.unwrap_or(topics.partitions);
        let specs = names.specs(i32::from(partitions), topics.replication.map(i32::from));
        let (mut unusable, mut too_small) = (false, false);
        let mut out = std::io::stdout();
        for report in kafka::ensure_topics(&config.kafka, &specs)? {
            let state = match (report.created, report.differs.is_empty()) {
                (true, _) => "created",
                (false, true) => "unchanged",
                (false, false) => "differs",
            };
            writeln!(out, "{:<28} {:>4} partitions  {state}", report.topic, report.partitions)?;
            for difference in &report.differs {
                writeln!(out, "{:<28} {difference}", "")?;
                let may_differ = difference.name == "partitions"
                    || config.snapshots.enabled && difference.name.starts_with("retention.");
                unusable |= report.topic == names.log() && !may_differ;
                too_small |= difference.name == kafka::SIZE_OF_TOPIC;
            }
        }
        let largest = wire::record_max(Kind::DeadLetter, config.outputs.format);
        if let Some(sent) = kafka::largest_sent(&config.kafka).filter(|sent| *sent < largest) {
            let name = kafka::SIZE_OF_PRODUCER;
            writeln!(
                out,
                "{name} of kafka.properties is {sent}, should be at least {largest}: the size of the largest dead letter"
            )?;
            too_small = true;
        }
        if unusable {
            bail!("with these settings of the log, results would be wrong: change them with the tools of your Kafka");
        }
        if too_small {
            bail!(
                "the service would stop at a message that is larger than its topic or the producer allows: raise these \
                 sizes with the tools of your Kafka and in kafka.properties"
            );
        }
        Ok(())
    }
}
