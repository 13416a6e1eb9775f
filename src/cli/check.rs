//! `upswell check`: configuration and rules, before anything runs.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::config;
use crate::rules;

/// Checks configuration and rules: with file, line, what was found and what is allowed.
///
/// Without arguments it checks the defaults and the environment.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell check --config upswell.yaml
  upswell check --rules rules.yaml")]
pub(super) struct Check {
    /// The configuration file. The rules that it names are checked as well.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The rules file, instead of the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self) -> Result<()> {
        let config = config::load(self.config.as_deref())?;
        let names = config.topics.names();
        let mut out = std::io::stdout();
        writeln!(
            out,
            "configuration  good: {} at {}, group {}",
            names.log(),
            config.kafka.brokers,
            config.kafka.group
        )?;
        let file = self.rules.or(config.rules.file);
        let plan = rules::load(file.as_deref())?;
        let signals = plan.user_signals.len() + plan.account_signals.len();
        writeln!(out, "rules          good: {}, {signals} signals, {} triggers", plan.version, plan.triggers.len())?;
        Ok(())
    }
}
