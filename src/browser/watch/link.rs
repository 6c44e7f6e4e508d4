//! The connection of a watch: its CDP client, the sessions of the page and of
//! its frames and workers, and the task that reads them. When events are lost
//! it starts anew, since Chromium then lets go of everything that was held.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{Seen, fields};
use crate::browser::attach::{Attached, Moved};
use crate::browser::journal::Fact;
use crate::browser::mux::Multiplexer;
use crate::browser::{CdpClient, CdpError, CdpEvent, Rules};

/// What Chromium keeps of bodies for us, for all requests and for one.
const KEPT_BODIES: u64 = 32 << 20;
const KEPT_BODY: u64 = 8 << 20;
const KEPT_POSTED: u64 = 64 << 10;
/// Sessions of one page: frames in other processes and workers.
const MOST_SESSIONS: usize = 200;
/// What is watched in a page besides itself. What it asks for in its first
/// moments may be missed, since nothing waits for us.
const KINDS: &[&str] = &["iframe", "worker", "service_worker"];

#[derive(Clone, Default)]
pub(super) struct Link {
    pub client: Option<CdpClient>,
    /// The session of the page; empty until it is attached.
    pub page: String,
    /// All sessions with the kind of their target.
    pub sessions: BTreeMap<String, String>,
    /// The page has answered: its events arrive.
    pub ready: bool,
    pub fault: Option<String>,
}

impl Link {
    /// The sessions with a page in them, which take emulation and routes.
    pub fn frames(&self) -> Vec<String> {
        let frames = self.sessions.iter().filter(|(_, kind)| matches!(kind.as_str(), "page" | "iframe"));
        frames.map(|(session, _)| session.clone()).collect()
    }
}

enum End {
    /// Events were lost.
    Lost,
    /// The tab or the browser has gone.
    Gone,
}

/// Lives until the watch is dropped or its tab has gone.
pub(super) async fn run(
    seen: Arc<Seen>,
    mux: Multiplexer,
    mut barriers: mpsc::Receiver<oneshot::Sender<()>>,
) {
    let mut wait = Duration::from_millis(50);
    loop {
        match connect(&seen, &mux).await {
            Ok((client, mut attached, mut heard)) => {
                wait = Duration::from_millis(50);
                match hear(&seen, &client, &mut attached, &mut heard, &mut barriers).await {
                    End::Lost => tracing::warn!("the events of a tab came too fast; its watch starts anew"),
                    End::Gone => {
                        seen.link.send_modify(|link| {
                            *link = Link { fault: Some("the tab was closed".into()), ..Link::default() };
                        });
                        return;
                    }
                }
            }
            Err(error) => {
                let closed = seen.tab.upgrade().is_none_or(|tab| !tab.is_open());
                seen.link.send_modify(|link| link.fault = Some(error.to_string()));
                if closed {
                    return;
                }
            }
        }
        // Dropping the client makes Chromium take back what it was told.
        seen.link.send_modify(|link| *link = Link { fault: link.fault.take(), ..Link::default() });
        seen.network.send_modify(|network| network.on_gap());
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

type Heard = broadcast::Receiver<Arc<CdpEvent>>;

/// Attaches to the tab; the page inside is announced by an event.
async fn connect(seen: &Seen, mux: &Multiplexer) -> Result<(CdpClient, Attached, Heard), CdpError> {
    let client = CdpClient::attach(mux, Rules { owner: true, ..Rules::default() }).await?;
    let heard = client.events();
    let mut attached = Attached::new(client.clone(), KINDS);
    attached.attach(&seen.target).await?;
    seen.link.send_modify(|link| {
        *link = Link { client: Some(client.clone()), ..Link::default() };
    });
    Ok((client, attached, heard))
}

async fn hear(
    seen: &Arc<Seen>,
    client: &CdpClient,
    attached: &mut Attached,
    heard: &mut Heard,
    barriers: &mut mpsc::Receiver<oneshot::Sender<()>>,
) -> End {
    loop {
        tokio::select! {
            biased;
            event = heard.recv() => match event {
                Ok(event) => match on_event(seen, client, attached, &event).await {
                    Ok(true) => {}
                    Ok(false) => return End::Gone,
                    Err(CdpError::Mux(_)) => return End::Lost,
                    Err(error) => tracing::debug!(%error, "a frame went while it was attached"),
                },
                Err(broadcast::error::RecvError::Lagged(_)) => return End::Lost,
                Err(broadcast::error::RecvError::Closed) => {
                    // Cut off for not reading, or the browser has gone; an attempt tells which.
                    return End::Lost;
                }
            },
            Some(reply) = barriers.recv() => drop(reply.send(())),
        }
    }
}

/// Writes one event down; false when the tab has gone.
async fn on_event(
    seen: &Arc<Seen>,
    client: &CdpClient,
    attached: &mut Attached,
    event: &CdpEvent,
) -> Result<bool, CdpError> {
    match attached.on_event(event) {
        Some(Moved::In { session, .. }) => {
            on_attached(seen, client, attached, session).await?;
            return Ok(true);
        }
        Some(Moved::Out { session, .. }) => {
            seen.link.send_modify(|link| drop(link.sessions.remove(&session)));
            seen.network.send_modify(|network| network.on_session_gone(&session));
            return Ok(true);
        }
        Some(Moved::Closed) => return Ok(false),
        None => {}
    }
    let session = event.session.as_deref().unwrap_or_default();
    let (domain, what) = event.method.split_once('.').unwrap_or_default();
    match (domain, what) {
        ("Runtime", "executionContextsCleared") if seen.link.borrow().page == session => {
            seen.console.send_modify(|console| console.on_document());
            seen.network.send_modify(|network| network.on_document(session));
        }
        // Of a private moment no console and no request is kept, and nothing waits for an agent.
        ("Runtime" | "Log", _) if seen.privacy.is_on() => {}
        ("Network", "loadingFinished" | "loadingFailed") => {
            seen.network.send_if_modified(|network| network.on_event(session, event).is_some());
        }
        ("Network", _) if seen.privacy.is_on() => {}
        ("Fetch", "requestPaused") if seen.privacy.is_on() => {
            #[derive(Deserialize)]
            #[serde(rename_all = "camelCase")]
            struct Paused {
                request_id: String,
            }
            if let Some(paused) = event.params::<Paused>() {
                let params = json!({ "requestId": paused.request_id });
                drop(client.post(Some(session), "Fetch.continueRequest", &params).await?);
            }
        }
        ("Runtime" | "Log", _) => {
            let kind = seen.link.borrow().sessions.get(session).cloned();
            let from = kind.as_deref().filter(|kind| *kind != "page");
            let mut error = None;
            seen.console.send_if_modified(|console| {
                let added = console.on_event(event, from);
                error = added.filter(|message| message.level == super::Level::Error).map(ToString::to_string);
                matches!(what, "consoleAPICalled" | "exceptionThrown" | "entryAdded")
            });
            // One of the watches of a tab is enough to tell.
            if let Some(text) = error
                && let Some(tab) = seen.tab.upgrade()
                && tab.watches().first().is_some_and(|first| Arc::ptr_eq(first, seen))
            {
                seen.journal
                    .add(Some(&seen.target), Fact::ConsoleError { text: super::shortened(&text, 300) });
            }
        }
        ("Network", _) => {
            seen.network.send_if_modified(|network| network.on_event(session, event).is_some());
        }
        ("Fetch", "requestPaused") => {
            let answer = seen.routes.borrow().answer(event);
            if let Some(answer) = answer {
                if let Some(id) = &answer.network {
                    seen.network.send_modify(|network| network.on_routed(session, id));
                }
                drop(client.post(Some(session), answer.method, &answer.params).await?);
                seen.routes.send_if_modified(|routes| routes.count(answer.route));
            }
        }
        _ => {}
    }
    Ok(true)
}

async fn on_attached(
    seen: &Arc<Seen>,
    client: &CdpClient,
    attached: &Attached,
    session: String,
) -> Result<(), CdpError> {
    let Some(inside) = attached.get(&session) else { return Ok(()) };
    let is_page = inside.is_page();
    if seen.link.borrow().sessions.len() >= MOST_SESSIONS {
        return Ok(());
    }
    seen.link.send_modify(|link| {
        link.sessions.insert(session.clone(), inside.kind.clone());
        if is_page {
            link.page.clone_from(&session);
        }
    });
    if is_page {
        seen.network.send_modify(|network| network.set_main(&inside.target));
    }
    let mut commands = vec![
        ("Network.enable", buffers()),
        ("Runtime.enable", json!({})),
        ("Log.enable", json!({})),
        attached.inward(),
    ];
    if inside.has_documents() {
        // Without it the script is not put into new documents.
        commands.push(("Page.enable", json!({})));
        commands.push(("Page.addScriptToEvaluateOnNewDocument", fields::announce()));
        commands.extend(seen.routes.borrow().enable());
        commands.extend(seen.emulated.borrow().commands(is_page));
    }
    commands.push(("Runtime.runIfWaitingForDebugger", json!({})));
    let mut last = None;
    for (method, params) in commands {
        last = Some(client.post(Some(&session), method, &params).await?);
    }
    if is_page && let Some(last) = last {
        let seen = Arc::downgrade(seen);
        tokio::spawn(async move {
            let _ = tokio::time::timeout(Duration::from_secs(30), last).await;
            if let Some(seen) = seen.upgrade() {
                seen.link.send_modify(|link| link.ready |= link.page == session);
            }
        });
    }
    Ok(())
}

fn buffers() -> Value {
    json!({
        "maxTotalBufferSize": KEPT_BODIES, "maxResourceBufferSize": KEPT_BODY,
        "maxPostDataSize": KEPT_POSTED,
    })
}
