//! The commands of the program, one file each. A command reads its arguments and the configuration, runs the modules
//! that do the work, and prints results to standard output, progress and summaries to standard error.

mod backfill;
mod bench;
mod check;
pub mod config;
mod cost;
mod demo;
mod diff;
mod explain;
mod forget;
mod generate;
mod ingest;
mod init;
mod page;
mod reading;
mod replay;
mod reshard;
mod rules;
mod run;
mod screen;
mod send;
mod snapshot;
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
/// Upswell reads product events from a Kafka topic, computes signals for every account in memory, and publishes
/// handoffs to Kafka topics by level: high, medium and low.
#[derive(Parser)]
#[command(name = "upswell", version, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    /// The format of log lines, which are written to standard error.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  upswell demo                                      run a demo; it needs no Kafka
  upswell check --events events.ndjson              what your data can show, on one screen
  upswell init events.ndjson                        write a configuration and rules for it
  upswell replay events.ndjson --handoffs -         what would have fired on your history
  upswell explain acme --on events.ndjson           what happened in one account, and why
  upswell topics --config upswell.yaml              create the topics on your Kafka
  upswell backfill events.ndjson --config FILE      load your history into the empty log
  upswell ingest events=segment --config FILE       copy another topic into the log, exactly once
  upswell run --config upswell.yaml                 run the service
  upswell reshard --to TOPIC --partitions N         give the log another number of partitions
  upswell tail --config upswell.yaml --level high   watch handoffs as they are committed
  upswell rules diff default mine.yaml --on FILE    what a change of the rules would do
  upswell bench --brokers localhost:9092            what it costs on your Kafka

Exit codes: 0 success, 1 failure, 2 invalid arguments, configuration or rules. RUST_LOG filters log lines, as in
RUST_LOG=upswell=debug.";

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Plain text.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Run(run::Run),
    Replay(replay::Replay),
    Explain(explain::Explain),
    Send(send::Send),
    Backfill(backfill::Backfill),
    Ingest(ingest::Ingest),
    Forget(forget::Forget),
    Generate(generate::Generate),
    Topics(topics::Topics),
    Tail(tail::Tail),
    Check(check::Check),
    Rules(rules::Rules),
    Snapshot(snapshot::Snapshot),
    Reshard(reshard::Reshard),
    Bench(bench::Measure),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = start_logging(arguments.log_format, &arguments.command);
    let result = started.and_then(|()| match arguments.command {
        Command::Demo(command) => command.run(),
        Command::Init(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Send(command) => command.run(),
        Command::Backfill(command) => command.run(),
        Command::Ingest(command) => command.run(),
        Command::Forget(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Topics(command) => command.run(),
        Command::Tail(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Rules(command) => command.run(),
        Command::Snapshot(command) => command.run(),
        Command::Reshard(command) => command.run(),
        Command::Bench(command) => command.run(),
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

/// Whether the reader of standard output has closed it, as `head` does. This is not an error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

fn start_logging(format: LogFormat, command: &Command) -> Result<()> {
    // The demo prints handoffs: log lines of the service would mix with them.
    let usual = if matches!(command, Command::Demo(_)) { "warn" } else { "warn,upswell=info" };
    let filter = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| usual.into());
    let filter: Targets = filter.parse().map_err(|error| {
        screen::WrongUse(format!("RUST_LOG is `{filter}`: {error}; expected levels, such as warn,upswell=debug"))
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_target(false).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    // Not `lines.with_filter`: with it, a filtered record of the `log` crate also suppresses the next line.
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(())
}
