//! `upswell run`: starts the service, that is, the worker threads and the HTTP server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::config::{Config, Connection};
use crate::kafka::{LogSettings, LogWatch};
use crate::registry::Registry;
use crate::store::{self, Store};
use crate::telemetry::Telemetry;
use crate::worker::{self, Job, Memory, StartBarrier};
use crate::{kafka, rules, serve};

/// How often `run` looks at its memory, and whether it is to stop.
const WATCH: Duration = Duration::from_millis(100);
/// How often it looks at the settings of the log.
const WATCH_LOG: Duration = Duration::from_secs(10);

/// Runs the service: reads the log and publishes signals and handoffs, exactly once, until SIGTERM or Ctrl-C.
///
/// Several processes with the same group share the partitions of the log. /livez, /readyz and /metrics are served over
/// HTTP, and a POST to /snapshots takes snapshots now. The environment can set any key of the configuration:
/// UPSWELL_KAFKA__BROKERS is kafka.brokers.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell run                            # on localhost:9092, with the default rules
  upswell run --config upswell.yaml
  UPSWELL_KAFKA__BROKERS=kafka:9092 upswell run --config upswell.yaml --log-format json")]
pub(super) struct Run {
    #[command(flatten)]
    connection: Connection,
    /// Start even if the group has no committed offsets although results were published. All results are published
    /// again.
    #[arg(long)]
    from_the_beginning: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<()> {
        let config = self.connection.load_service()?;
        stop_on_signals(&config.kafka.stop)?;
        let snapshots = open_snapshots(&config)?.map(Arc::new);
        let job = Job { from_the_beginning: self.from_the_beginning, snapshots, ..job(&config)? };
        let telemetry = Telemetry::install()?;
        let asked = job.snapshots.as_ref().map(|_| Arc::clone(&job.snapshots_asked));
        let address = serve::start(&config.http, Arc::clone(&telemetry), asked)?;
        let (brokers, threads) = (&config.kafka.brokers, config.worker.threads);
        tracing::info!(%address, %brokers, rules = %job.plan.version, threads, "started");
        match check_topics(&config) {
            Err(error) if matches!(error.downcast_ref(), Some(kafka::Error::Stopped { .. })) => {}
            checked => {
                let (watch, log) = checked?;
                std::thread::scope(|scope| {
                    let watches = || watch_all(&config, &job, &telemetry, &watch, &log);
                    let watching = std::thread::Builder::new().name("watch".into()).spawn_scoped(scope, watches);
                    let watching = watching.context("starting the thread that watches")?;
                    let worked = work(&job, usize::from(threads), &telemetry);
                    let watched =
                        watching.join().unwrap_or_else(|_| bail!("the watching thread panicked: this is a defect"));
                    worked.and(watched)
                })?;
            }
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// The store of the snapshots of the group and its log; none if snapshots are off.
///
/// # Errors
/// It cannot be opened.
pub(super) fn open_snapshots(config: &Config) -> Result<Option<Store>> {
    let store::Config { enabled, location, .. } = &config.snapshots;
    if !enabled {
        return Ok(None);
    }
    let store = Store::make(location, &config.kafka.group, &config.topics().log());
    store
        .map(Some)
        .context("set snapshots.location to a folder that can be written or to a URL, or snapshots.enabled: false")
}

/// The job of the workers by the configuration, without snapshots.
pub(super) fn job(config: &Config) -> Result<Job> {
    let plan = rules::load_for(config.rules.file.as_deref(), &[config.input.format])?;
    config.check_feed(&plan)?;
    let registry = Registry::open(&config.schema_registry)?;
    let schemas = registry.as_ref().map(|registry| registry.schemas());
    Ok(Job {
        kafka: config.kafka.clone(),
        topics: config.topics(),
        input: config.input.reading(config.input.format).with_schemas(schemas),
        registry,
        plan,
        idle_after: Duration::from_millis(config.input.idle_after.0 as u64),
        commit_interval: Duration::from_millis(config.worker.commit_interval.0 as u64),
        transaction_messages: config.worker.transaction_messages.get() as usize,
        partitioner: config.input.partitioner,
        snapshots: None,
        snapshot_every: Duration::from_millis(config.snapshots.every.0 as u64),
        snapshots_asked: Arc::default(),
        memory: Arc::new(Memory::new(config.worker.memory_mib)),
        from_the_beginning: false,
    })
}

/// Sets `stop` on SIGTERM and Ctrl-C; a second one ends the process at once.
pub(super) fn stop_on_signals(stop: &Arc<AtomicBool>) -> Result<()> {
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(stop))?;
        signal_hook::flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

/// Has all threads of the process stop when one of them ends, for whatever reason.
struct StopsAll<'a>(&'a AtomicBool);

impl Drop for StopsAll<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs this number of workers, at least one, until `stop` is set or one of them fails.
pub(super) fn work(job: &Job, threads: usize, telemetry: &Telemetry) -> Result<()> {
    let threads = threads.max(1);
    let start = &StartBarrier::new(threads);
    let workers = (0..threads).map(|number| move || worker::run(job, number, start, telemetry));
    run_all("worker", workers, &job.kafka.stop)
}

/// Runs workers, each in a thread of its own, until all have ended. When one ends, for whatever reason, `stop` is set.
pub(super) fn run_all<W: FnOnce() -> Result<()> + Send>(
    name: &str,
    workers: impl Iterator<Item = W>,
    stop: &AtomicBool,
) -> Result<()> {
    let _stops = StopsAll(stop);
    std::thread::scope(|scope| {
        let start = |(number, worker): (usize, W)| {
            let run = move || {
                let _stops = StopsAll(stop);
                worker()
            };
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn_scoped(scope, run)
        };
        let started: Vec<_> = workers.enumerate().map(start).collect::<Result<_, _>>().context("starting a worker")?;
        let mut result = Ok(());
        for worker in started {
            let ended = worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked: this is a defect")));
            result = result.and(ended);
        }
        result
    })
}

/// Checks, before anything is read, that all topics exist, and that the log has the broker's times and keeps all records.
/// Returns its settings, and how to read them again.
fn check_topics(config: &Config) -> Result<(LogWatch, LogSettings)> {
    let names = config.topics();
    let outputs = names.outputs().map(|row| names.of(row.output));
    kafka::check_exist(&config.kafka, [names.log()].into_iter().chain(outputs))?;
    let watch = LogWatch::new(&config.kafka, &names.log())?;
    let settings = watch.look()?;
    check_settings(config, &settings)?;
    Ok((watch, settings))
}

/// Checks that the log has the broker's times and keeps all records.
fn check_settings(config: &Config, log: &LogSettings) -> Result<()> {
    let topic = config.topics().log();
    if log.is_compacted {
        bail!(
            "topic {topic} is compacted (cleanup.policy=compact): the broker keeps only the last record of each key, but \
             every event counts. Set cleanup.policy to delete; if the broker has dropped records already, begin with a \
             new log, a new topics.prefix and a new kafka.group, and send the events there"
        );
    }
    if !config.input.trust_create_time && !log.is_append_time {
        bail!(
            "topic {topic} has the producers' times (message.timestamp.type=CreateTime): one wrong clock could make all \
             later events too late. Set it to LogAppendTime; or set input.trust_create_time: true if you trust the \
             clock of every producer"
        );
    }
    Ok(())
}

/// Until the process stops, looks how much memory it takes, and whether the log is still what it was when it started.
///
/// # Errors
/// The log has other settings, with which results would be wrong, or another number of partitions.
fn watch_all(config: &Config, job: &Job, telemetry: &Telemetry, watch: &LogWatch, then: &LogSettings) -> Result<()> {
    let _stops = StopsAll(&config.kafka.stop);
    let (mut looked_at, mut warned) = (Instant::now(), false);
    while !config.kafka.is_stopping() {
        job.memory.look(telemetry);
        std::thread::sleep(WATCH);
        if looked_at.elapsed() >= WATCH_LOG {
            watch_log(config, watch, then, &mut warned)?;
            looked_at = Instant::now();
        }
    }
    Ok(())
}

fn watch_log(config: &Config, watch: &LogWatch, then: &LogSettings, warned: &mut bool) -> Result<()> {
    match watch.look() {
        Ok(now) => {
            check_settings(config, &now)?;
            if now.partitions != then.partitions {
                let (topic, group) = (config.topics().log(), config.kafka.group.clone());
                let (then, now) = (then.partitions, now.partitions);
                return Err(kafka::Error::PartitionsChanged { topic, group, then, now }.into());
            }
        }
        // If Kafka does not answer, the workers say so.
        Err(error) if error.is_passing() || matches!(error, kafka::Error::Stopped { .. }) => {}
        Err(error) => {
            if !std::mem::replace(warned, true) {
                let why = error.to_string();
                tracing::warn!(why, "the settings of the log cannot be read: changes of them are not noticed");
            }
        }
    }
    Ok(())
}
