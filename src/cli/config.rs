//! The configuration file: one YAML file, every key of which `upswell.example.yaml` documents.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use figment::Figment;
use figment::providers::{Env, Serialized};
use serde::{Deserialize, Serialize};

use crate::model::Millis;
use crate::wire::Format;
use crate::{kafka, serve, worker};

/// The whole file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How to reach Kafka.
    pub kafka: kafka::Config,
    /// The names of the topics.
    pub topics: Topics,
    /// How the log is read.
    pub input: Input,
    /// How what is published is written.
    pub output: Output,
    /// What to look for.
    pub rules: Rules,
    /// The threads that do the work.
    pub worker: worker::Config,
    /// Health and metrics.
    pub http: serve::Config,
}

/// The names of the topics, and how `upswell topics` creates them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topics {
    /// The beginning of every name.
    pub prefix: String,
    /// The log, where it is a topic of another name.
    pub log: Option<String>,
    /// Partitions of a topic that is created: the most workers that can share the work.
    pub partitions: u16,
    /// Copies of each partition of a topic that is created; without it the broker's default.
    pub replication: Option<u16>,
}

impl Default for Topics {
    fn default() -> Topics {
        Topics { prefix: "upswell".into(), log: None, partitions: 8, replication: None }
    }
}

impl Topics {
    /// The names.
    pub fn names(&self) -> kafka::Topics {
        kafka::Topics { prefix: self.prefix.clone(), log: self.log.clone() }
    }
}

/// How the log is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// How its records are written.
    pub format: Format,
    /// Go on although the log has the producers' times: one wrong clock can then silence an account.
    pub trust_create_time: bool,
    /// A live partition that is silent for so long gets ticks, so that its days close.
    pub idle_after: Millis,
    /// How its producers choose the partition of an account.
    pub partitioner: kafka::Partitioner,
}

impl Default for Input {
    fn default() -> Input {
        Input {
            format: Format::Protobuf,
            trust_create_time: false,
            idle_after: Millis(60_000),
            partitioner: kafka::Partitioner::Murmur2,
        }
    }
}

/// How what is published is written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Output {
    /// The values of its records.
    pub format: Format,
}

/// What to look for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// The rules file, or the name of rules that ship with Upswell; without it the default pack.
    pub file: Option<PathBuf>,
}

/// A configuration that cannot be used: where, what was found, what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Error {
    place: String,
    what: String,
}

/// Reads the file, if one is given, and lets the environment override it: `UPSWELL_KAFKA__BROKERS` is
/// `kafka.brokers`.
///
/// # Errors
/// The file cannot be read, or it or the environment says something that is not allowed.
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
    // Others begin like this as well: Kubernetes tells of services, as in UPSWELL_SERVICE_HOST.
    let is_property = |key: &str| key.to_lowercase().starts_with("kafka__properties__");
    let is_key = move |key: &str| key.contains("__") && !is_property(key);
    let environment = Env::prefixed("UPSWELL_").filter(move |key| is_key(key.as_str())).split("__");
    let in_file = written.kafka.brokers != kafka::Config::default().brokers;
    let figment = Figment::from(Serialized::defaults(written)).merge(environment);
    let mut config: Config = figment.extract().map_err(|error| {
        let key = error.path.join("__").to_uppercase();
        Error {
            place: format!("environment UPSWELL_{key}"),
            what: crate::rules::with_suggestion(&error.kind.to_string()),
        }
    })?;
    // Properties have dots in their names, which variables cannot have.
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
        Some(path) => format!("the default of kafka.brokers, which {} leaves as it is", path.display()),
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

/// What no parser finds.
fn check(config: &Config) -> Result<(), String> {
    let Config { topics, worker, .. } = config;
    let names = topics.names();
    let legal = |name: &str| {
        !name.is_empty() && name.len() <= 200 && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !legal(&topics.prefix) || !legal(&names.log()) {
        return Err("topics.prefix and topics.log: Kafka allows letters, digits, '.', '_' and '-', at least one and at most 200".into());
    }
    if names.outputs().contains(&names.log()) {
        return Err(format!("topics.log is {}, which is also written to: the log would feed on itself", names.log()));
    }
    match (topics.partitions, topics.replication, worker.threads) {
        (0, ..) => Err("topics.partitions is 0: at least 1".into()),
        (_, Some(0), _) => Err("topics.replication is 0: at least 1, or null".into()),
        (.., 0) => Err("worker.threads is 0: at least 1".into()),
        _ => Ok(()),
    }
}

/// How long a person waits for an answer of Kafka.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a command finds Kafka.
#[derive(Args, Clone, Debug)]
pub(super) struct Connection {
    /// The configuration file; upswell.example.yaml shows every key. Without it the defaults and the environment.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where to find the cluster, instead of kafka.brokers.
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
}

impl Connection {
    /// The configuration of a command that a person waits for.
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
