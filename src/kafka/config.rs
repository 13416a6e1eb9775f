//! The `kafka` chapter of the configuration with its checks.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::{Error, is_silence};
use super::raw;
use crate::text::suggestion;

/// The cluster, the group, and any librdkafka property except those that exactly-once depends on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to find the cluster: `host:port`, several separated by commas.
    pub brokers: String,
    /// The consumer group. Its committed offsets record which input has been processed.
    pub group: String,
    /// A name of this process that survives its restart. With it a restarted process gets its partitions back at once
    /// (static membership) and aborts the open transaction of its predecessor.
    pub group_instance_id: Option<String>,
    /// The prefix of every transactional id, for ACLs with a prefix.
    pub transactional_id_prefix: String,
    /// librdkafka properties passed through, by their own names.
    #[serde(deserialize_with = "scalars")]
    pub properties: BTreeMap<String, String>,
    /// Not a key: once it is set, all calls that wait for Kafka return within seconds, so that a process can stop while
    /// no broker answers. Copies of a configuration share it.
    #[serde(skip)]
    pub stop: Arc<AtomicBool>,
    /// Not a key: where `brokers` was set, in words, for the error when nothing answers there.
    #[serde(skip)]
    pub brokers_from: String,
    /// Not a key: how long to wait for a cluster that does not answer.
    #[serde(skip)]
    pub patience: Duration,
}

/// How long the service waits for a cluster, which may be starting at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".into(),
            group: "upswell".into(),
            group_instance_id: None,
            transactional_id_prefix: "upswell".into(),
            properties: BTreeMap::new(),
            stop: Arc::default(),
            brokers_from: "the default of kafka.brokers".into(),
            patience: PATIENCE,
        }
    }
}

/// Properties that are refused, each with its reason.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "use kafka.brokers"),
    ("metadata.broker.list", "use kafka.brokers"),
    ("group.id", "use kafka.group"),
    ("group.instance.id", "use kafka.group_instance_id; each worker adds its number"),
    ("transactional.id", "use kafka.transactional_id_prefix; each worker has an id of its own"),
    (
        "isolation.level",
        "must be read_committed: otherwise a new owner of a partition does not wait for the open \
         transaction of the previous owner, and outputs can be published twice",
    ),
    ("enable.auto.commit", "offsets are committed in the same transaction as the output, never by a timer"),
    ("enable.auto.offset.store", "offsets are committed in the same transaction as the output"),
    ("auto.commit.interval.ms", "offsets are committed in the same transaction as the output"),
    ("auto.offset.reset", "a missing offset must stop the process; a silent reset loses or repeats records"),
    ("enable.partition.eof", "Upswell needs the end of a partition, to close days of silent partitions"),
    (
        "partition.assignment.strategy",
        "must be cooperative-sticky: with another one, all partitions stop whenever one moves",
    ),
    ("enable.idempotence", "producing must be idempotent"),
    ("acks", "idempotent and transactional producing needs acks=all"),
    ("request.required.acks", "idempotent and transactional producing needs acks=all"),
    ("max.in.flight", "idempotent producing sets it"),
    ("max.in.flight.requests.per.connection", "idempotent producing sets it"),
    ("retries", "idempotent producing sets it"),
    ("message.send.max.retries", "idempotent producing sets it"),
    ("enable.gapless.guarantee", "the transaction already guarantees it"),
    ("delivery.report.only.error", "Upswell needs the report of every delivery"),
    (
        "log.connection.close",
        "after a lost connection a producer needs a new epoch: otherwise a late request can move offsets back",
    ),
    ("partitioner", "use input.partitioner: all producers of the log must use the same"),
    ("allow.auto.create.topics", "topics that are created automatically have the wrong settings; use `upswell topics`"),
    ("statistics.interval.ms", "the lag of partitions is measured every second"),
    ("test.mock.num.brokers", "use `upswell demo` for an embedded broker"),
];

impl Config {
    /// Checks everything that can be checked without a network.
    ///
    /// # Errors
    /// When a key is empty, a property is refused, unknown or has a bad value, or when it asks
    /// for TLS or SCRAM in a build without them.
    pub fn check(&self) -> Result<(), Error> {
        self.check_keys()?;
        let features = builtin_features();
        for (key, value) in &self.properties {
            if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| refused == key) {
                return Err(Error::Refused { key: key.clone(), reason });
            }
            if needs_tls(key, value) && !has_tls(&features) {
                return Err(Error::NeedsTls { asked: asked(key, value) });
            }
            check_property(key, value)?;
        }
        Ok(())
    }

    /// Whether the process was asked to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The message about an `error` that occurred while `doing`. If no broker answered, it has the address, where the
    /// address was set, and how to set another one.
    pub(super) fn met(&self, doing: &str, error: &KafkaError) -> String {
        if !is_silence(error) {
            return doing.to_owned();
        }
        format!(
            "nothing answers at {} ({}). Start Kafka there, or name the cluster with --brokers HOST:PORT, kafka.brokers \
             in the file of --config, or UPSWELL_KAFKA__BROKERS; {doing}",
            self.brokers, self.brokers_from
        )
    }

    fn check_keys(&self) -> Result<(), Error> {
        let filled = [
            ("brokers", &self.brokers),
            ("group", &self.group),
            ("transactional_id_prefix", &self.transactional_id_prefix),
        ];
        match filled.into_iter().find(|(_, value)| value.trim().is_empty()) {
            Some((key, _)) => Err(Error::Config { key, problem: "must not be empty" }),
            None if self.group_instance_id.as_deref() == Some("") => {
                Err(Error::Config { key: "group_instance_id", problem: "leave it out, or give it a name" })
            }
            None => Ok(()),
        }
    }

    /// A transactional id for a worker of this process. With `group_instance_id` it is the same after a restart, so
    /// that the restarted process aborts the open transaction of its predecessor; otherwise it is unique in the
    /// cluster.
    #[must_use]
    pub fn transactional_id(&self, worker: usize) -> String {
        let prefix = &self.transactional_id_prefix;
        match &self.group_instance_id {
            Some(instance) => format!("{prefix}-{}-{instance}-{worker}", self.group),
            None => {
                let unique = RandomState::new().build_hasher().finish();
                format!("{prefix}-{}-{unique:016x}-{worker}", self.group)
            }
        }
    }

    /// A configuration of librdkafka: defaults, overridden by `properties`, overridden by required values.
    pub(super) fn client(&self, defaults: &[(&str, &str)], musts: &[(&str, &str)]) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set_log_level(RDKafkaLogLevel::Info);
        client.set("client.id", "upswell");
        for (key, value) in defaults {
            client.set(*key, *value);
        }
        for (key, value) in &self.properties {
            client.set(key.as_str(), value.as_str());
        }
        client.set("bootstrap.servers", self.brokers.as_str());
        for (key, value) in musts {
            client.set(*key, *value);
        }
        client
    }
}

fn check_property(key: &str, value: &str) -> Result<(), Error> {
    let mut one = ClientConfig::new();
    one.set(key, value);
    let Err(error) = one.create_native_config() else {
        return Ok(());
    };
    let (problem, hint) = match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..) => {
            let names = raw::property_names();
            ("librdkafka has no such property".into(), suggestion(key, names.iter().map(String::as_str)))
        }
        KafkaError::ClientConfig(_, description, ..) => (description, String::new()),
        other => (other.to_string(), String::new()),
    };
    Err(Error::Property { key: key.into(), problem, hint })
}

fn needs_tls(key: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    match key {
        "security.protocol" => value.contains("ssl"),
        "sasl.mechanism" | "sasl.mechanisms" => value.starts_with("scram"),
        _ => key.starts_with("ssl.") || key == "enable.ssl.certificate.verification",
    }
}

/// What librdkafka was built with, separated by commas.
fn builtin_features() -> String {
    let native = ClientConfig::new().create_native_config();
    native.and_then(|native| native.get("builtin.features")).unwrap_or_default()
}

fn has_tls(features: &str) -> bool {
    features.split(',').any(|feature| feature.trim() == "ssl")
}

/// The setting as it may be shown: an `ssl.` property can hold a key or a password.
fn asked(key: &str, value: &str) -> String {
    if key.starts_with("ssl.") { key.into() } else { format!("{key}: {value}") }
}

/// YAML and the environment write `5` and `true` without quotes; librdkafka wants text.
fn scalars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Bool(bool),
        Int(i64),
        Float(f64),
        Text(String),
    }
    let map = BTreeMap::<String, Scalar>::deserialize(deserializer)?;
    let text = |scalar| match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => value.to_string(),
        Scalar::Text(value) => value,
    };
    Ok(map.into_iter().map(|(key, value)| (key, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> Config {
        Config { properties: [(key.to_owned(), value.to_owned())].into(), ..Config::default() }
    }

    #[test]
    fn what_exactly_once_rests_on_is_refused_with_its_reason() {
        for (key, reason) in REFUSED {
            let message = with(key, "x").check().unwrap_err().to_string();
            assert!(message.contains(key) && message.contains(reason), "{message}");
        }
    }

    #[test]
    fn properties_are_checked_by_librdkafka_itself() {
        with("linger.ms", "3").check().unwrap();
        let unknown = with("fetch.queue.backoff", "3").check().unwrap_err().to_string();
        assert!(unknown.contains("did you mean `fetch.queue.backoff.ms`?"), "{unknown}");
        let bad = with("socket.keepalive.enable", "perhaps").check().unwrap_err().to_string();
        assert!(bad.contains("true or false"), "{bad}");
    }

    #[test]
    fn tls_asked_for_in_a_build_without_it_is_named() {
        for (key, value) in
            [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "SCRAM-SHA-512"), ("ssl.ca.location", "ca.pem")]
        {
            match with(key, value).check() {
                Ok(()) | Err(Error::Property { .. }) => assert!(has_tls(&builtin_features())),
                Err(error) => {
                    assert!(matches!(error, Error::NeedsTls { .. }), "{error}");
                    assert!(error.to_string().contains("--features tls"));
                }
            }
        }
    }

    #[test]
    fn a_restart_keeps_the_transactional_id_only_with_an_instance_id() {
        let named = Config { group_instance_id: Some("pod-1".into()), ..Config::default() };
        assert_eq!(named.transactional_id(2), "upswell-upswell-pod-1-2");
        assert_ne!(Config::default().transactional_id(0), Config::default().transactional_id(0));
    }

    #[test]
    fn scalars_need_no_quotes() {
        let config: Config = serde_json::from_str(r#"{"properties":{"linger.ms":5,"debug":"all"}}"#).unwrap();
        assert_eq!(config.properties["linger.ms"], "5");
        assert!(serde_json::from_str::<Config>(r#"{"broker":"x"}"#).is_err());
    }
}
