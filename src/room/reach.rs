//! What a room's browser reaches: its gate, the lists it is held to, and what
//! is kept of them. The lists of the server and of the room count together.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde_json::json;
use ts_rs::TS;
use utoipa::ToSchema;

use super::RoomOptions;
use super::record::{Entry, Outcome, RecordKind, Recorder};
use crate::base::RoomId;
use crate::browser::GateWay;
use crate::egress::{Counts, Gate, GateSettings, Serving, System, Turned};
use crate::policy::egress::{EgressLists, Judge};
use crate::process::{Network, OwnPort};
use crate::store::{Store, StoreError};

/// What all rooms of a server are held to.
#[derive(Clone, Debug, Default)]
pub struct ServerReach {
    pub lists: EgressLists,
    /// The names and ports under which the service itself is found from outside.
    pub own: Vec<(String, u16)>,
}

/// What a room's browser reaches.
pub struct Reach {
    store: Store,
    room: RoomId,
    server: ServerReach,
    lists: RwLock<EgressLists>,
    gate: Gate,
    /// Held while lists are changed, so that what counts is what is kept.
    changing: tokio::sync::Mutex<()>,
    /// The browser had no network of its own when it last started.
    by_flags: AtomicBool,
}

/// What a room's browser reaches, for people.
#[derive(Clone, Debug, Serialize, TS, ToSchema)]
pub struct ReachView {
    /// The room's own lists.
    #[serde(flatten)]
    pub lists: EgressLists,
    /// The lists of all rooms of this server, by `--egress-allow` and `--egress-deny`.
    pub server: EgressLists,
    /// The proxy behind the gate, without its credentials.
    pub proxy: Option<String>,
    /// What holds the browser to the gate: `namespace`, a network in which there is nothing else, or
    /// `settings`, its own settings alone.
    pub held_by: &'static str,
    /// Connections that are open now.
    pub open: u64,
    /// What was refused or not reached, the latest first.
    pub turned_away: Vec<Turned>,
}

/// Why lists were not changed. The old ones stand.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    #[error("{0}")]
    Lists(String),
    #[error("the lists cannot be kept: {0}")]
    Store(#[from] StoreError),
}

fn key(room: &RoomId) -> String {
    format!("egress.{room}")
}

impl Reach {
    /// `broken`: what the room was made with cannot be read, so it reaches nothing.
    pub(super) async fn open(
        store: Store,
        room: RoomId,
        server: ServerReach,
        options: &RoomOptions,
        broken: bool,
        recorder: Recorder,
    ) -> Result<Self, ReachError> {
        let kept = store.setting(key(&room)).await?.filter(|text| !text.is_empty());
        let lists = match kept {
            _ if broken => nothing(),
            Some(text) => {
                serde_json::from_str(&text).map_err(|error| ReachError::Lists(error.to_string()))?
            }
            None => options.egress.clone(),
        };
        let named = room.clone();
        let tell = move |turned: &Turned| {
            tracing::debug!(room = %named, host = turned.host, port = turned.port, kind = turned.kind, "not let out");
            let outcome = if turned.kind == "failed" { Outcome::Failed } else { Outcome::Refused };
            // A name that is not there is the page's affair, not the room's.
            if outcome == Outcome::Refused {
                let entry = Entry::new(RecordKind::Decision, "egress").outcome(outcome);
                // As an address: in other words the record takes out what could be a number of a card.
                let host = if turned.host.contains(':') {
                    format!("[{}]", turned.host)
                } else {
                    turned.host.clone()
                };
                let details = json!({ "to": format!("tcp://{host}:{}", turned.port) });
                recorder.note(entry.because(turned.kind).details(details));
            }
        };
        let gate = Gate::new(GateSettings {
            judge: Judge::new(&server.lists, &lists, &server.own),
            upstream: options.proxy.clone(),
            resolver: Arc::new(System::default()),
            tell: Arc::new(tell),
        });
        Ok(Self {
            store,
            room,
            server,
            lists: RwLock::new(lists),
            gate,
            changing: tokio::sync::Mutex::default(),
            by_flags: AtomicBool::new(false),
        })
    }

    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    pub fn counts(&self) -> Counts {
        self.gate.counts()
    }

    pub fn view(&self) -> ReachView {
        ReachView {
            lists: self.lists.read().unwrap_or_else(PoisonError::into_inner).clone(),
            server: self.server.lists.clone(),
            proxy: self.gate.upstream().map(ToString::to_string),
            held_by: if self.by_flags.load(Relaxed) { "settings" } else { "namespace" },
            open: self.gate.counts().open,
            turned_away: self.gate.turned_away(),
        }
    }

    /// Puts other lists in place, at once; connections that they forbid end.
    pub async fn replace(&self, lists: EgressLists) -> Result<(), ReachError> {
        lists.check().map_err(ReachError::Lists)?;
        let _changing = self.changing.lock().await;
        let text = serde_json::to_string(&lists).expect("texts are JSON");
        self.store.put_setting(key(&self.room), text).await?;
        self.gate.replace(Judge::new(&self.server.lists, &lists, &self.server.own));
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = lists;
        Ok(())
    }

    /// Forgets what was kept, for the room is removed.
    pub(super) async fn forget(&self) -> Result<(), StoreError> {
        self.store.put_setting(key(&self.room), String::new()).await
    }

    /// Puts the gate where a browser that is about to start finds it.
    pub(super) async fn stand(&self) -> Result<(GateWay, Standing), String> {
        let made = tokio::task::spawn_blocking(Network::make).await.map_err(|error| error.to_string())?;
        let (way, listener, own) = match made {
            Ok((network, listener)) => {
                self.by_flags.store(false, Relaxed);
                (GateWay { port: network.port(), network: Some(Arc::new(network)) }, listener, None)
            }
            Err(error) => {
                if !self.by_flags.swap(true, Relaxed) {
                    tracing::warn!(
                        room = %self.room, %error,
                        "no network namespace can be made, so the browser is held to the gate by its settings alone"
                    );
                }
                let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
                let port = listener.local_addr().map_err(|error| error.to_string())?.port();
                (GateWay { port, network: None }, listener, Some(OwnPort::claim(port)))
            }
        };
        let serving = self.gate.serve(listener).map_err(|error| error.to_string())?;
        Ok((way, Standing { _serving: serving, _own: own }))
    }
}

/// The gate stands for one browser as long as this lives.
pub(super) struct Standing {
    _serving: Serving,
    _own: Option<OwnPort>,
}

/// Lists by which nothing is reached.
fn nothing() -> EgressLists {
    let star = "*".parse().expect("a star is an entry");
    EgressLists { allow: vec![], deny: vec![star] }
}
