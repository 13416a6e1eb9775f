//! The topics and groups that a benchmark makes on the cluster, so that they can be removed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::settings::Bench;
use crate::kafka::{self, Config, Topics, ensure_topics};

/// What was made.
pub(super) struct Made {
    config: Config,
    /// The names begin with this, and what is published.
    names: Topics,
    topics: Vec<String>,
    groups: Vec<String>,
    snapshots: PathBuf,
}

impl Made {
    /// Nothing yet. All names will begin with the prefix that is configured, so that permissions for it apply.
    pub(super) fn new(config: &Config, topics: &Topics) -> Made {
        let unique = RandomState::new().build_hasher().finish() as u32;
        let prefix = format!("{}-bench-{unique:08x}", topics.prefix);
        let snapshots = std::env::temp_dir().join(&prefix);
        let names = Topics { log: Some(format!("{prefix}.log")), prefix, outputs: topics.outputs.clone() };
        // It removes things after the process was asked to stop, too.
        let config = Config { stop: Arc::default(), ..config.clone() };
        Made { config, names, topics: Vec::new(), groups: Vec::new(), snapshots }
    }

    /// Makes the log.
    pub(super) fn log(&mut self, bench: &Bench) -> Result<String> {
        let log = self.names.log();
        self.make(bench, &self.names.clone(), &|name| name == log)?;
        Ok(log)
    }

    /// Makes the output topics of one run.
    pub(super) fn outputs(&mut self, bench: &Bench, run: &str) -> Result<Topics> {
        let log = self.names.log();
        let names = Topics { prefix: format!("{}-{run}", self.names.prefix), ..self.names.clone() };
        self.groups.push(names.prefix.clone());
        self.make(bench, &names, &|name| name != log)?;
        Ok(names)
    }

    /// Makes another topic with the settings of the log.
    pub(super) fn like_log(&mut self, bench: &Bench, name: &str) -> Result<String> {
        let log = format!("{}.{name}", self.names.prefix);
        self.make(bench, &Topics { log: Some(log.clone()), ..self.names.clone() }, &|name| name == log)?;
        Ok(log)
    }

    /// Has a group removed at the end.
    pub(super) fn remember_group(&mut self, group: &str) {
        self.groups.push(group.to_owned());
    }

    fn make(&mut self, bench: &Bench, names: &Topics, is_wanted: &dyn Fn(&str) -> bool) -> Result<()> {
        let mut specs = names.specs(i32::from(bench.partitions), bench.replication.map(i32::from));
        specs.retain(|spec| is_wanted(&spec.name));
        self.topics.extend(specs.iter().map(|spec| spec.name.clone()));
        ensure_topics(&bench.kafka, &specs)?;
        Ok(())
    }

    /// The folder of the snapshots.
    pub(super) fn snapshots(&self) -> &Path {
        &self.snapshots
    }

    /// The topics.
    pub(super) fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Removes everything.
    pub(super) fn remove(&mut self) -> Result<()> {
        match std::fs::remove_dir_all(&self.snapshots) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(anyhow::Error::new(error).context(self.snapshots.display().to_string()));
            }
            _ => {}
        }
        kafka::remove(&self.config, &std::mem::take(&mut self.topics), &[])?;
        for group in std::mem::take(&mut self.groups) {
            // A group whose member was killed has that member until its session ends. Kafka removes it some time later,
            // because its offsets went with the topics.
            let _ = kafka::remove(&self.config, &[], &[group]);
        }
        Ok(())
    }
}
