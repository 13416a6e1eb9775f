//! Looks up the schemas of framed records in a schema registry, by its HTTP API.
//! <https://docs.confluent.io/platform/current/schema-registry/develop/api.html>
//!
//! A schema never changes under its id, so what was looked up is kept. While the registry does not answer, records wait.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::wire::{self, Schema, Schemas};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a record waits in place for a registry that does not answer. After that the reader of the topic gives up its
/// partitions and joins again, so that it does not hold up the others of its group.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon the registry is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// How soon it is asked again for an id that it did not know, because a replica may learn of it late.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(30);
/// A schema refers to at most so many others.
const REFERENCES_MAX: usize = 1_000;

/// The `schema_registry` chapter of the configuration.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Its address; none if framed records are read without their schemas.
    pub url: Option<String>,
    /// The name for basic authentication.
    pub username: Option<String>,
    /// The password for basic authentication.
    pub password: Option<String>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("url", &self.url).field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why a schema is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry does not answer, or not as it should: it may do so later.
    #[error("the schema registry {url} does not answer: {why}")]
    Away {
        /// Its address.
        url: String,
        /// What happened.
        why: String,
    },
    /// Asking again would not help.
    #[error("{0}")]
    Refused(String),
}

/// A schema registry.
#[derive(Debug)]
pub struct Registry {
    url: String,
    authorization: Option<String>,
    client: ureq::Agent,
    schemas: Arc<Schemas>,
    /// What was looked up, by id, and when if the registry did not know it.
    known: Mutex<BTreeMap<u32, Option<Instant>>>,
    /// Whether it is logged that it does not answer.
    is_away: AtomicBool,
}

/// A schema, as the registry returns it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    schema: String,
    /// Avro if it is missing.
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    subject: String,
    version: i64,
}

impl Registry {
    /// The registry of a configuration; none if it has none. Nothing is asked yet.
    ///
    /// # Errors
    /// The address is none, or this program cannot reach it.
    pub fn open(config: &Config) -> Result<Option<Arc<Registry>>, Error> {
        let Some(url) = &config.url else { return Ok(None) };
        let refuse = |what: &str| Err(Error::Refused(format!("schema_registry.url is {url}: {what}")));
        match url::Url::parse(url).ok().as_ref().map(url::Url::scheme) {
            Some("http") => {}
            Some("https") if cfg!(feature = "avro") => {}
            Some("https") => return refuse("this program has no TLS for it: build it with `--features avro`"),
            _ => return refuse("expected an address such as http://registry:8081"),
        }
        let credentials = match (&config.username, &config.password) {
            (None, None) => None,
            (Some(name), password) => Some(format!("{name}:{}", password.as_deref().unwrap_or_default())),
            (None, Some(_)) => return Err(Error::Refused("schema_registry.password needs a username".into())),
        };
        let client = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).http_status_as_error(false);
        Ok(Some(Arc::new(Registry {
            url: url.trim_end_matches('/').to_owned(),
            authorization: credentials.map(|credentials| format!("Basic {}", STANDARD.encode(credentials))),
            client: client.build().new_agent(),
            schemas: Arc::default(),
            known: Mutex::default(),
            is_away: AtomicBool::new(false),
        })))
    }

    /// The schemas that were looked up.
    pub fn schemas(&self) -> Arc<Schemas> {
        Arc::clone(&self.schemas)
    }

    /// Looks up the schema of a record before it is decoded, if its value is framed and the schema is not known. Waits a
    /// while for a registry that does not answer, unless the process is stopping.
    ///
    /// # Errors
    /// The registry does not answer, or refuses.
    pub fn prepare(&self, value: &[u8], stop: &AtomicBool) -> Result<(), Error> {
        match wire::schema_id(value) {
            Some(id) if !self.is_known(id) => self.look_up(id, stop),
            _ => Ok(()),
        }
    }

    fn is_known(&self, id: u32) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).is_some_and(|unknown| unknown.is_none_or(|since| since.elapsed() < UNKNOWN_AGAIN))
    }

    fn look_up(&self, id: u32, stop: &AtomicBool) -> Result<(), Error> {
        let began = Instant::now();
        let found = loop {
            match self.ask(id) {
                Err(Error::Away { url, why }) => {
                    if !self.is_away.swap(true, Ordering::Relaxed) {
                        tracing::warn!(url, why, "the schema registry does not answer: records wait until it does");
                    }
                    if began.elapsed() >= PATIENCE || stop.load(Ordering::Relaxed) {
                        return Err(Error::Away { url, why });
                    }
                    std::thread::sleep(AGAIN);
                }
                found => break found?,
            }
        };
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!(url = self.url, "the schema registry answers");
        }
        let unknown = found.is_none().then(Instant::now);
        let schema = found.unwrap_or_else(|| Schema::Unusable(format!("the schema registry knows no schema {id}")));
        if let (Schema::Unusable(why), None) = (&schema, unknown) {
            tracing::warn!(id, why, "records with this schema are dead-lettered");
        }
        self.schemas.insert(id, schema);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(id, unknown);
        Ok(())
    }

    /// The schema with this id; none if the registry does not know it.
    fn ask(&self, id: u32) -> Result<Option<Schema>, Error> {
        let Some(answer) = self.get(&format!("/schemas/ids/{id}"))? else { return Ok(None) };
        Ok(Some(match answer.schema_type.as_deref().unwrap_or("AVRO") {
            "JSON" => Schema::Json,
            "PROTOBUF" => Schema::Protobuf(wire::messages(&answer.schema)),
            "AVRO" => self.avro(id, &answer)?,
            other => Schema::Unusable(format!("its schema {id} has the type {other}, which is not read")),
        }))
    }

    #[cfg(feature = "avro")]
    fn avro(&self, id: u32, answer: &Answer) -> Result<Schema, Error> {
        let references = self.references(answer)?;
        Ok(match wire::Avro::new(&answer.schema, &references) {
            Ok(avro) => Schema::Avro(avro),
            Err(error) => Schema::Unusable(format!("its schema {id} cannot be read: {error}")),
        })
    }

    #[cfg(not(feature = "avro"))]
    fn avro(&self, id: u32, answer: &Answer) -> Result<Schema, Error> {
        self.references(answer)?;
        let url = &self.url;
        Err(Error::Refused(format!(
            "a record has the schema {id} of {url}, which is Avro: this program does not read Avro, build it with \
             `--features avro`"
        )))
    }

    /// The schemas that a schema refers to, and those that these refer to.
    fn references(&self, answer: &Answer) -> Result<Vec<String>, Error> {
        let (mut found, mut asked) = (Vec::new(), BTreeSet::new());
        let mut unread: Vec<(String, i64)> =
            answer.references.iter().map(|it| (it.subject.clone(), it.version)).collect();
        while let Some((subject, version)) = unread.pop() {
            if !asked.insert((subject.clone(), version)) {
                continue;
            }
            if asked.len() > REFERENCES_MAX {
                return Err(Error::Refused(format!("a schema refers to more than {REFERENCES_MAX} others")));
            }
            let name: String = url::form_urlencoded::byte_serialize(subject.as_bytes()).collect();
            // A form has + for a space, a path does not.
            let path = format!("/subjects/{}/versions/{version}", name.replace('+', "%20"));
            let answer = self.get(&path)?.ok_or_else(|| self.away(&format!("it has no {path}")))?;
            unread.extend(answer.references.into_iter().map(|it| (it.subject, it.version)));
            found.push(answer.schema);
        }
        Ok(found)
    }

    fn away(&self, why: &str) -> Error {
        Error::Away { url: self.url.clone(), why: why.to_owned() }
    }

    /// What the registry answers; none if it does not know it.
    fn get(&self, path: &str) -> Result<Option<Answer>, Error> {
        let mut request = self.client.get(format!("{}{path}", self.url));
        request = request.header("Accept", "application/vnd.schemaregistry.v1+json, application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let answer = request.call().map_err(|error| self.away(&error.to_string()))?;
        let status = answer.status().as_u16();
        let text = answer.into_body().read_to_string().map_err(|error| self.away(&error.to_string()))?;
        let code = || serde_json::from_str::<serde_json::Value>(&text).ok()?.get("error_code")?.as_u64();
        match status {
            200 => serde_json::from_str(&text).map(Some).map_err(|error| self.away(&format!("{path}: {error}"))),
            // 40401 to 40403: no subject, version or schema. Another 404 is not of a registry.
            404 if code().is_some_and(|code| (40_401..=40_403).contains(&code)) => Ok(None),
            401 | 403 => Err(Error::Refused(format!(
                "the schema registry {} answers {path} with {status}: check schema_registry.username and .password",
                self.url
            ))),
            _ => Err(self.away(&format!("{path} is answered with {status}: {text:.200}"))),
        }
    }
}
