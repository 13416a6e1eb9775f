//! Starts a real schema registry for the tests: Apicurio Registry, from its Maven artifact, which has the API of
//! Confluent's. It keeps its schemas in memory.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::broker::{fetched, free_ports, send_signal, spawn, unless_it_cannot_run};

const APICURIO: &str = "3.0.9";
const START_UP: Duration = Duration::from_secs(120);

/// A schema registry, for as long as this lives.
pub(crate) struct SchemaRegistry {
    /// Its address.
    pub(crate) url: String,
    server: Child,
    directory: TempDir,
}

impl SchemaRegistry {
    /// None if it cannot run, which is then printed.
    pub(crate) fn start() -> Option<SchemaRegistry> {
        unless_it_cannot_run(|| {
            let artifact = format!("-Dartifact=io.apicurio:apicurio-registry-app:{APICURIO}:tar.gz:all");
            let name = format!("apicurio-{APICURIO}");
            let program = fetched(&name, &["dependency:unpack", &artifact])?;
            let jar = program.join(format!("apicurio-registry-app-{APICURIO}-runner.jar"));
            let [port] = free_ports().map_err(|error| error.to_string())?;
            let settings = ["-Dquarkus.http.host=127.0.0.1".to_owned(), format!("-Dquarkus.http.port={port}")];
            let java = ["java", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(str::to_owned);
            let jar = ["-jar".to_owned(), jar.display().to_string()];
            let directory = TempDir::new().map_err(|error| error.to_string())?;
            let server = spawn(&[&java[..], &settings, &jar].concat(), directory.path(), "log");
            let server = server.map_err(|error| format!("java: {error}"))?;
            let url = format!("http://127.0.0.1:{port}/apis/ccompat/v7");
            let registry = SchemaRegistry { url, server, directory };
            registry.await_start()?;
            Ok(registry)
        })
    }

    fn await_start(&self) -> Result<(), String> {
        let deadline = Instant::now() + START_UP;
        while ureq::get(format!("{}/subjects", self.url)).call().is_err() {
            let id = fs::read_to_string(self.directory.path().join("pid")).unwrap_or_default();
            let has_ended = !id.trim().is_empty() && !send_signal(self.directory.path(), "-0");
            if has_ended || Instant::now() > deadline {
                let said = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                let tail: Vec<&str> = said.lines().rev().take(20).collect();
                return Err(format!("the schema registry did not start:\n{}", tail.join("\n")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Registers a schema of a type, with the subjects that it refers to by a name, and returns its id.
    pub(crate) fn register(&self, subject: &str, kind: &str, schema: &str, references: &[(&str, &str)]) -> u32 {
        let references =
            references.iter().map(|(name, subject)| json!({"name": name, "subject": subject, "version": 1}));
        let references: Vec<Value> = references.collect();
        let body = json!({"schemaType": kind, "schema": schema, "references": references}).to_string();
        let request = ureq::post(format!("{}/subjects/{subject}/versions", self.url));
        let request = request.header("Content-Type", "application/vnd.schemaregistry.v1+json");
        let answer = request.send(body).unwrap().into_body().read_to_string().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        u32::try_from(answer["id"].as_u64().unwrap()).unwrap()
    }

    /// Sends a signal to it.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(send_signal(self.directory.path(), signal));
    }
}

impl Drop for SchemaRegistry {
    fn drop(&mut self) {
        drop(self.server.stdin.take());
        drop(self.server.wait());
    }
}
