//! The commands, one file each. A command reads its arguments and its configuration, wires rooms together, and
//! tells a person what happens: results on standard output, progress and summaries on standard error.

mod check;
pub mod config;
mod demo;
mod diff;
mod explain;
mod generate;
mod page;
mod reading;
mod replay;
mod rules;
mod run;
mod screen;
mod send;
mod tail;
mod topics;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Turns product events into sales handoffs, exactly once.
///
/// Product events go in through a Kafka topic, velocity signals are computed in memory for every account, and
/// handoffs come out on Kafka topics: high, medium and low.
#[derive(Parser)]
#[command(name = "upswell", version, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    /// How log lines are written, to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  upswell demo                                      see it work, with nothing else installed
  upswell replay events.ndjson --handoffs -         what would have fired on your history
  upswell explain acme --on events.ndjson           the life of one account, and why
  upswell topics --config upswell.yaml              create the topics on your Kafka
  upswell run --config upswell.yaml                 the service
  upswell tail --config upswell.yaml --level high   watch handoffs as they are committed
  upswell rules diff default mine.yaml --on FILE    what a change of the rules would do

Exit codes: 0 all right, 1 failed, 2 wrong use. Log lines are filtered by RUST_LOG, as in RUST_LOG=upswell=debug.";

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Run(run::Run),
    Replay(replay::Replay),
    Explain(explain::Explain),
    Send(send::Send),
    Generate(generate::Generate),
    Topics(topics::Topics),
    Tail(tail::Tail),
    Check(check::Check),
    Rules(rules::Rules),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = start_logging(arguments.log_format, &arguments.command);
    let result = started.and_then(|()| match arguments.command {
        Command::Demo(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Send(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Topics(command) => command.run(),
        Command::Tail(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Rules(command) => command.run(),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", screen::plain_lines(&format!("{error:#}")));
            let wrong_use = error.chain().any(|cause| {
                cause.is::<screen::WrongUse>() || cause.is::<crate::rules::Error>() || cause.is::<config::Error>()
            });
            if wrong_use { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether the reader of our output has gone, as `head` does: nothing is wrong then.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

fn start_logging(format: LogFormat, command: &Command) -> Result<()> {
    // What the service logs would run between the handoffs that a person watches.
    let usual = if matches!(command, Command::Demo(_)) { "warn" } else { "warn,upswell=info" };
    let filter = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| usual.into());
    let filter: Targets = filter.parse().map_err(|error| {
        screen::WrongUse(format!("RUST_LOG is `{filter}`: {error}; write levels, as in warn,upswell=debug"))
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    // Not `lines.with_filter`: with that, a record of the `log` crate that is filtered out takes the next line with it.
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}
