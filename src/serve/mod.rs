//! Serves health and metrics over HTTP, and takes requests for snapshots. It reads `telemetry`, never the engine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::telemetry::Telemetry;

/// The `http` chapter of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Config {
        Config { listen: SocketAddr::from(([0, 0, 0, 0], 8080)) }
    }
}

/// Opens the port and serves on a thread of its own, until the process ends. Requests for snapshots are counted in
/// `snapshots_asked`, which is none where none are taken. Returns the address.
///
/// # Errors
/// When the port is taken.
pub fn start(
    config: &Config,
    telemetry: Arc<Telemetry>,
    snapshots_asked: Option<Arc<AtomicU64>>,
) -> Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bound = runtime.block_on(tokio::net::TcpListener::bind(config.listen));
    let listener = bound.with_context(|| format!("listening on {} (http.listen)", config.listen))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("http".into()).spawn(move || {
        if let Err(error) = runtime.block_on(async { axum::serve(listener, router(telemetry, snapshots_asked)).await })
        {
            tracing::error!(%error, "health and metrics are no longer served");
        }
    })?;
    Ok(address)
}

fn router(telemetry: Arc<Telemetry>, snapshots_asked: Option<Arc<AtomicU64>>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/snapshots", post(move || async move { snapshots(snapshots_asked.as_deref()) }))
        .with_state(telemetry)
}

/// Answers 503 if a worker is stuck, so that Kubernetes restarts the process.
async fn livez(State(telemetry): State<Arc<Telemetry>>) -> impl IntoResponse {
    if telemetry.is_alive() {
        (StatusCode::OK, "alive\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "a worker is stuck\n")
    }
}

/// Answers 503, with what is missing, until the process has its partitions and has read them to their end.
async fn readyz(State(telemetry): State<Arc<Telemetry>>) -> impl IntoResponse {
    let missing = telemetry.missing();
    let ready = missing.is_empty();
    let partitions: Vec<_> = telemetry
        .partitions()
        .into_iter()
        .map(|(partition, status)| {
            json!({
                "partition": partition,
                "restoredBlocks": status.restores.map(|(blocks, _)| blocks),
                "restoresBlocks": status.restores.map(|(_, of)| of),
                "recovered": status.is_recovered(),
                "caughtUp": status.caught_up,
                "waitsForTransaction": status.waits,
                "waitsForMemory": status.waits_for_memory,
                "position": status.position,
                "recoversTo": status.recovered_at,
                "end": status.end,
                "stableEnd": status.stable_end,
                "lagRecords": status.lag_records(),
                "lagSeconds": status.lag_seconds(),
                "watermarkMs": status.watermark.map(|at| at.0),
                "rules": &*status.rules,
                "accounts": status.accounts,
                "users": status.users,
            })
        })
        .collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "missing": missing, "partitions": partitions })))
}

/// Asks for a snapshot of every partition of the process.
fn snapshots(asked: Option<&AtomicU64>) -> impl IntoResponse + use<> {
    match asked {
        Some(asked) => {
            asked.fetch_add(1, Ordering::Relaxed);
            (
                StatusCode::ACCEPTED,
                "snapshots are taken of all partitions of this process that have moved: see upswell snapshot ls\n",
            )
        }
        None => (StatusCode::CONFLICT, "no snapshots are taken: snapshots.enabled is false\n"),
    }
}

async fn metrics(State(telemetry): State<Arc<Telemetry>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry.render())
}
