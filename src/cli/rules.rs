//! `upswell rules`: the rules file as a living thing: its schema for editors, its plan in words, and what a change
//! would do.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::diff::Diff;
use super::words;
use crate::rules;

/// Works on rules files: their schema, what they say in words, and what a change of them would do.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules schema > upswell.schema.json
  upswell rules explain --rules mine.yaml velocity.growth at-risk
  upswell rules diff default mine.yaml --on history.ndjson.zst")]
pub(super) struct Rules {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Schema(Schema),
    Explain(Explain),
    Diff(Diff),
}

/// Prints the JSON Schema of a rules file, by which editors complete and check it.
///
/// With the line `# yaml-language-server: $schema=upswell.schema.json` at its top, a rules file is completed and
/// checked by every editor with a YAML language server.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules schema > upswell.schema.json")]
struct Schema {}

/// Prints what the rules say, in words: signals, scores, triggers, guard rails and routes.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell rules explain
  upswell rules explain --rules mine.yaml velocity.growth at-risk")]
struct Explain {
    /// The rules; without it the default pack.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Only these: signals, triggers, tiers and segments by their ids, or bands, rails, routes.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
}

impl Rules {
    pub(super) fn run(self) -> Result<()> {
        match self.command {
            Command::Schema(Schema {}) => {
                Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&rules::schema())?)?)
            }
            Command::Explain(explain) => {
                let plan = rules::load(explain.rules.as_deref())?;
                Ok(std::io::stdout().write_all(words::page(&plan, &explain.ids)?.as_bytes())?)
            }
            Command::Diff(diff) => diff.run(),
        }
    }
}
