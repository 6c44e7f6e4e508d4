//! Whether the server can do its work now, as against being there: what is
//! looked at, and the one line that the log has when that changes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use ts_rs::TS;
use utoipa::ToSchema;

use super::context::Context;
use crate::process::machine::{self, LEAST_DISK_MB, LEAST_SHARED_MB, Space};
use crate::room::Phase;
use crate::store::UnixSeconds;

/// The door is open to all, so what it looks at is looked at this often at most.
const HOLDS: Duration = Duration::from_secs(2);
/// And this often without anybody asking, for the log.
const LOOKS: Duration = Duration::from_secs(30);
const LONGEST_WRITE: Duration = Duration::from_secs(3);
/// The setting that is written to see whether writing works.
const PROBE: &str = "ready-probe";

/// Can it work?
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// "ready" or "not-ready".
    status: &'static str,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, ToSchema, TS)]
pub struct Check {
    pub(super) check: &'static str,
    pub(super) ok: bool,
    /// What is wrong, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub(super) why: Option<String>,
}

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Conditions(Mutex<Option<(Instant, Arc<Vec<Check>>)>>);

impl Check {
    fn ok(check: &'static str) -> Self {
        Self { check, ok: true, why: None }
    }

    fn wrong(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, ok: false, why: Some(why.into()) }
    }
}

/// Is the server ready for work: rooms up, the store writable, room on the disk?
#[utoipa::path(get, path = "/api/ready", responses((status = 200, body = Readiness), (status = 503, body = Readiness)), security(()))]
pub(super) async fn ready(State(context): State<Context>) -> Response {
    let checks = conditions(&context).await;
    let good = checks.iter().all(|check| check.ok) && !context.shutdown.is_cancelled();
    let (code, status) =
        if good { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not-ready") };
    (code, Json(Readiness { status, checks: checks.as_ref().clone() })).into_response()
}

/// What holds now, or did two seconds ago. Changes go to the log.
pub(super) async fn conditions(context: &Context) -> Arc<Vec<Check>> {
    let mut last = context.conditions.0.lock().await;
    if let Some((at, checks)) = last.as_ref()
        && at.elapsed() < HOLDS
    {
        return Arc::clone(checks);
    }
    let found = Arc::new(vec![store(context).await, disk(context), shared_memory(), rooms(context)]);
    let before = last.as_ref().map(|(_, checks)| Arc::clone(checks));
    for check in found.iter() {
        let was = before.as_ref().and_then(|all| all.iter().find(|other| other.check == check.check));
        match (&check.why, was.is_none_or(|was| was.ok)) {
            (Some(why), true) => tracing::warn!(check = check.check, "not ready: {why}"),
            (None, false) => tracing::info!(check = check.check, "ready again"),
            _ => {}
        }
    }
    *last = Some((Instant::now(), Arc::clone(&found)));
    found
}

/// Looks by itself, so that the log says it even where nobody asks.
pub(super) async fn watch(context: &Context, shutdown: CancellationToken) {
    let mut beat = tokio::time::interval(LOOKS);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first beat is at once, when rooms have hardly begun to start.
    beat.tick().await;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = beat.tick() => drop(conditions(context).await),
        }
    }
}

async fn store(context: &Context) -> Check {
    let check = "store";
    let write = context.store.put_setting(PROBE, UnixSeconds::now().0.to_string());
    match tokio::time::timeout(LONGEST_WRITE, write).await {
        Ok(Ok(())) => Check::ok(check),
        Ok(Err(error)) => Check::wrong(check, error.to_string()),
        Err(_) => {
            Check::wrong(check, "the database does not take a write within 3 seconds; is its disk well?")
        }
    }
}

fn disk(context: &Context) -> Check {
    enough(
        "disk",
        &context.options.deployment.data_dir,
        LEAST_DISK_MB,
        "make room there, or choose another disk with --data-dir",
    )
}

fn shared_memory() -> Check {
    enough(
        "shared-memory",
        Path::new("/dev/shm"),
        LEAST_SHARED_MB,
        "make it larger: mount -o remount,size=1g /dev/shm, in a container --shm-size=1g",
    )
}

fn enough(check: &'static str, path: &Path, least: u64, remedy: &str) -> Check {
    match machine::space(path) {
        Ok(Space { free_mb, .. }) if free_mb >= least => Check::ok(check),
        Ok(Space { free_mb, all_mb }) => {
            Check::wrong(check, format!("{free_mb} of {all_mb} MB are free, {least} are needed; {remedy}"))
        }
        Err(error) => Check::wrong(check, format!("cannot be looked at: {error}")),
    }
}

fn rooms(context: &Context) -> Check {
    let check = "rooms";
    let views = context.rooms.list();
    let down =
        |phase: &Phase| matches!(phase, Phase::Starting | Phase::Restarting { .. } | Phase::Failed { .. });
    match views.iter().all(|view| down(&view.phase)) && !views.is_empty() {
        true => Check::wrong(check, format!("none of {} is up; the log says why", views.len())),
        false => Check::ok(check),
    }
}
