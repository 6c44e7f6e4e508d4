//! What every handler has at hand.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admin::load::Load;
use super::auth::{Auth, RunTokens};
use super::base_path::BasePath;
use super::metrics::{Metrics, TelemetrySource};
use super::origin::Origin;
use super::proxies::Proxies;
use super::ready::Conditions;
use super::turn::Turn;
use super::whep::Players;
use super::wire::IceServer;
use crate::base::{ActorId, RoomId, ToolGroups};
use crate::room::Rooms;
use crate::store::{Store, UnixSeconds};

/// How the server is reached.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The port it listens on.
    pub port: u16,
    /// True when it listens on loopback only.
    pub loopback: bool,
    /// Where else it is reached, through a proxy or a tunnel.
    pub public_urls: Vec<Origin>,
    /// Other sites that may call the API.
    pub allowed_origins: Vec<Origin>,
    pub ice_servers: Vec<IceServer>,
    /// The groups of tools that a token opens unless it was made with others.
    pub tools: ToolGroups,
    pub deployment: Deployment,
}

/// What stands around the server.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// The path below which a proxy shows this server.
    pub base: BasePath,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Proxies,
    pub turn: Option<Turn>,
    /// Whose disk must not be full.
    pub data_dir: PathBuf,
    /// The UDP and TCP port of WebRTC.
    pub rtc_port: u16,
    /// Where else that port is reached.
    pub public_addresses: Vec<IpAddr>,
}

/// What others put behind the server's doors.
#[derive(Clone, Default)]
pub struct Edges {
    /// Serves agents: MCP, whatever the path, and `/api/rooms/{room}/tools`. A
    /// request reaches it after its caller was let in, with three extensions:
    /// [`crate::base::Actor`] (always with the role agent),
    /// [`crate::base::RoomId`] and [`ToolGroups`].
    pub agents: Option<axum::Router>,
    /// Serves people's sessions with an agent, `/api/rooms/{room}/sessions` and
    /// below. A request comes with [`crate::base::Actor`] and [`crate::base::RoomId`].
    pub copilot: Option<axum::Router>,
    /// The updates of those sessions, for the pages' WebSockets.
    pub sessions: Option<Arc<dyn SessionFeed>>,
    /// The part of the OpenAPI document that describes what is behind these
    /// doors: path items by path, and under `components` their schemas.
    pub tools_document: serde_json::Value,
    /// The counts of the lower floors.
    pub telemetry: Option<Arc<dyn TelemetrySource>>,
}

/// Updates of one room's and project's sessions: ids to come back with, and JSON.
pub type SessionUpdates = BoxStream<'static, (String, Arc<str>)>;

/// Where the updates of people's sessions come from.
pub trait SessionFeed: Send + Sync {
    /// From after this id, or from now on; of the first project unless one is
    /// named. A refusal is in words for people.
    fn open<'a>(
        &'a self,
        room: &'a RoomId,
        project: Option<&'a str>,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<SessionUpdates, String>>;
}

/// Shared by all requests. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub(super) inner: Arc<Inner>,
}

pub struct Inner {
    pub(super) rooms: Arc<dyn Rooms>,
    pub(super) store: Store,
    pub(super) auth: Auth,
    pub(super) options: ServerOptions,
    pub(super) metrics: Metrics,
    pub(super) telemetry: Option<Arc<dyn TelemetrySource>>,
    pub(super) load: Load,
    pub(super) agents: Option<axum::Router>,
    pub(super) copilot: Option<axum::Router>,
    pub(super) sessions: Option<Arc<dyn SessionFeed>>,
    pub(super) tools_document: serde_json::Value,
    pub(super) players: Players,
    pub(super) conditions: Conditions,
    pub(super) shutdown: CancellationToken,
    /// The tasks that outlive their request; `serve` waits for them.
    pub(super) tasks: TaskTracker,
}

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct RemoteAddress(pub(super) IpAddr);

impl Context {
    pub fn new(
        rooms: Arc<dyn Rooms>,
        store: Store,
        tokens: &RunTokens,
        options: ServerOptions,
        edges: Edges,
        shutdown: CancellationToken,
    ) -> Self {
        let inner = Inner {
            metrics: Metrics::new(Arc::clone(&rooms), edges.telemetry.clone()),
            telemetry: edges.telemetry,
            load: Load::default(),
            auth: Auth::new(store.clone(), tokens),
            rooms,
            store,
            options,
            agents: edges.agents,
            copilot: edges.copilot,
            sessions: edges.sessions,
            tools_document: edges.tools_document,
            players: Players::default(),
            conditions: Conditions::default(),
            shutdown,
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Context {
    /// The STUN and TURN servers for somebody, with credentials that hold for a while.
    pub(super) fn ice_servers(&self, who: &ActorId, now: UnixSeconds) -> Vec<IceServer> {
        let mut servers = self.options.ice_servers.clone();
        servers.extend(self.options.deployment.turn.as_ref().and_then(|turn| turn.server_for(who, now)));
        servers
    }
}

impl std::ops::Deref for Context {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.inner
    }
}
