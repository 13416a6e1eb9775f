//! Reads and checks the configuration: a YAML file, overridden by environment variables. `upswell.example.yaml`
//! documents every key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Serialized};
use serde::{Deserialize, Serialize};

use crate::model::{Feed, Millis};
use crate::rules::Plan;
use crate::text::{suggestion, unknown};
use crate::wire::{self, InputFormat, Place};
use crate::{ingest, kafka, registry, serve, store, worker};

/// The whole configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How to reach Kafka.
    pub kafka: kafka::Config,
    /// The names of the topics.
    pub topics: Topics,
    /// How the log is read.
    pub input: Input,
    /// Where the schemas of framed records are.
    pub schema_registry: registry::Config,
    /// Which topics are copied into the log.
    pub ingest: ingest::Config,
    /// What is published, and how.
    pub outputs: kafka::Outputs,
    /// Which rules apply.
    pub rules: Rules,
    /// The worker threads.
    pub worker: worker::Config,
    /// Snapshots of the state.
    pub snapshots: store::Config,
    /// The HTTP server for health and metrics.
    pub http: serve::Config,
}

/// The names of the topics, and how `upswell topics` creates them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// The prefix of every topic name.
    pub prefix: String,
    /// The topic of the log, if it does not follow the prefix.
    pub log: Option<String>,
    /// Partitions of the topics that are created. At most so many workers can share the work.
    pub partitions: u16,
    /// Replication factor of the topics that are created; the broker's default if none.
    pub replication: Option<u16>,
}

impl Default for Topics {
    fn default() -> Topics {
        Topics { prefix: "upswell".into(), log: None, partitions: 8, replication: None }
    }
}

/// How the log is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// The format of its records.
    pub format: InputFormat,
    /// Where the account of an event is; empty: in the usual places of the format.
    pub account: Vec<Place>,
    /// Where the user of an event is; empty: where the format has it.
    pub user: Vec<Place>,
    /// Accept a log whose records have the producer's time. One wrong clock can then make all later events too late.
    pub trust_create_time: bool,
    /// A live partition that got no event for this time gets ticks, so that its days close.
    pub idle_after: Millis,
    /// How the producers choose the partition of an account.
    pub partitioner: kafka::Partitioner,
}

impl Default for Input {
    fn default() -> Input {
        Input {
            format: InputFormat::Protobuf,
            account: Vec::new(),
            user: Vec::new(),
            trust_create_time: false,
            idle_after: Millis(60_000),
            partitioner: kafka::Partitioner::Murmur2,
        }
    }
}

impl Input {
    /// How records of a format are read.
    pub(super) fn reading(&self, format: InputFormat) -> wire::Input {
        wire::Input::new(format, &self.account, &self.user)
    }
}

/// Which rules apply.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The rules file, or the name of rules that ship with Upswell; the default rules if none.
    pub file: Option<PathBuf>,
}

impl Config {
    /// The names of the topics.
    pub fn topics(&self) -> kafka::Topics {
        kafka::Topics {
            prefix: self.topics.prefix.clone(),
            log: self.topics.log.clone(),
            outputs: self.outputs.clone(),
        }
    }

    /// Checks that the rules have the signals and triggers to which the signals feed is limited.
    ///
    /// # Errors
    /// They lack one.
    pub(super) fn check_feed(&self, plan: &Plan) -> Result<(), Error> {
        let Feed::Only(ids) = &self.outputs.signals else { return Ok(()) };
        let known: Vec<&str> = plan.feed_ids().collect();
        ids.iter().find(|id| !known.contains(&&***id)).map_or(Ok(()), |id| {
            let near = suggestion(id, known.iter().copied());
            let what = format!("the rules {} have no signal or trigger `{id}`{near}", plan.version);
            Err(Error { place: "outputs.signals".into(), what })
        })
    }
}

/// An invalid configuration: where the error is, what was found and what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Error {
    place: String,
    what: String,
}

/// Reads the file, if one is given, and overrides it with the environment: `UPSWELL_KAFKA__BROKERS` sets
/// `kafka.brokers`.
///
/// # Errors
/// The file cannot be read, or the file or the environment has an invalid key or value.
pub fn load(path: Option<&Path>) -> Result<Config, Error> {
    let written = match path {
        None => Config::default(),
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error { place: name.clone(), what: error.to_string() })?;
            crate::rules::read_yaml(&name, &text).map_err(|error| Error { place: error.place, what: error.what })?
        }
    };
    // Not every variable with this prefix is a key: Kubernetes sets UPSWELL_SERVICE_HOST for a service of that name.
    let is_property = |key: &str| key.to_lowercase().starts_with("kafka__properties__");
    let is_key = move |key: &str| key.contains("__") && !is_property(key);
    let environment = Env::prefixed("UPSWELL_").filter(move |key| is_key(key.as_str())).split("__");
    let in_file = written.kafka.brokers != kafka::Config::default().brokers;
    let figment = Figment::from(Serialized::defaults(written)).merge(environment);
    let mut config: Config = figment.extract().map_err(|error| {
        let key = error.path.join("__").to_uppercase();
        let what = match error.kind {
            Kind::UnknownField(name, allowed) => unknown("key", &name, allowed),
            Kind::UnknownVariant(name, allowed) => unknown("value", &name, allowed),
            kind => kind.to_string(),
        };
        Error { place: format!("environment UPSWELL_{key}"), what }
    })?;
    // Names of properties contain dots, which names of variables cannot contain.
    for (name, value) in std::env::vars_os() {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && let Some(property) = name.strip_prefix("UPSWELL_KAFKA__PROPERTIES__")
        {
            config.kafka.properties.insert(property.to_lowercase().replace('_', "."), value.to_owned());
        }
    }
    let in_environment = figment.find_metadata("kafka.brokers").is_some_and(|from| from.name.contains("environment"));
    config.kafka.brokers_from = match path {
        _ if in_environment => "from UPSWELL_KAFKA__BROKERS".into(),
        Some(path) if in_file => format!("from kafka.brokers in {}", path.display()),
        Some(path) => format!("the default of kafka.brokers, which {} does not change", path.display()),
        None => config.kafka.brokers_from,
    };
    check(&config).map_err(|what| Error {
        place: path.map_or("configuration".into(), |path| path.display().to_string()),
        what,
    })?;
    config.kafka.check().map_err(|error| Error {
        place: path.map_or("configuration".into(), |path| path.display().to_string()),
        what: error.to_string(),
    })?;
    Ok(config)
}

/// Checks what the parser cannot check: names of topics, and numbers that must not be 0.
fn check(config: &Config) -> Result<(), String> {
    let Config { topics, worker, .. } = config;
    let names = config.topics();
    let legal = |name: &str| {
        !name.is_empty() && name.len() <= 200 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !legal(&topics.prefix) || !legal(&names.log()) {
        return Err("topics.prefix and topics.log: expected 1 to 200 characters, which are letters, digits, '.', '_' \
                    and '-'"
            .into());
    }
    if names.outputs().any(|row| names.of(row.output) == names.log()) {
        return Err(format!(
            "topics.log is {}, which is also an output topic: Upswell would read its own messages",
            names.log()
        ));
    }
    if config.input.user.contains(&Place::EmailDomain) {
        return Err("input.user: the domain of an e-mail address is no user: expected a path such as userId".into());
    }
    match (topics.partitions, topics.replication, worker.threads) {
        (0, ..) => Err("topics.partitions is 0: expected at least 1".into()),
        (_, Some(0), _) => Err("topics.replication is 0: expected at least 1, or null".into()),
        (.., 0) => Err("worker.threads is 0: expected at least 1".into()),
        _ => Ok(()),
    }
}

/// How long an interactive command waits for an answer of Kafka.
const PATIENCE: Duration = Duration::from_secs(10);

/// The arguments by which a command connects to Kafka.
#[derive(Args, Clone, Debug)]
pub(super) struct Connection {
    /// The configuration file; upswell.example.yaml documents every key. Without it, the defaults and the environment
    /// apply.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The addresses of the Kafka cluster, instead of kafka.brokers.
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
}

impl Connection {
    /// The configuration of an interactive command, which gives up early if Kafka does not answer.
    pub(super) fn load(&self) -> Result<Config, Error> {
        let mut config = self.load_service()?;
        config.kafka.patience = PATIENCE;
        Ok(config)
    }

    /// The configuration of the service.
    pub(super) fn load_service(&self) -> Result<Config, Error> {
        let mut config = load(self.config.as_deref())?;
        if let Some(brokers) = &self.brokers {
            config.kafka.brokers.clone_from(brokers);
            config.kafka.brokers_from = "from --brokers".into();
            config.kafka.check().map_err(|error| Error { place: "--brokers".into(), what: error.to_string() })?;
        }
        Ok(config)
    }
}
