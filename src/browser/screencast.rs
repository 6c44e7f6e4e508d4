//! What a tab shows, picture after picture, as Chromium's own screencast gives
//! it: also of a tab behind others or in an isolated context.
//!
//! Owns a CDP client for it, so that Chromium stops when this is dropped.
//! Knows nothing of what becomes of the pictures.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::client::{CdpClient, CdpError, CdpEvent};
use super::fault::ActError;
use super::frames::{Window, read};
use super::mux::Rules;
use super::tabs::Tab;

/// How long a page may take for its first picture, and for its last.
const PATIENCE: Duration = Duration::from_secs(3);
/// JPEG's quality: text has no visible rings.
const QUALITY: u32 = 90;

/// What a screencast tells.
#[derive(Clone, Debug)]
pub enum Cast {
    /// A JPEG of what is shown now.
    Picture(Vec<u8>),
    /// The tab or the browser has gone; nothing comes any more.
    Gone,
}

/// A screencast that runs. Dropping it ends it.
pub struct Screencast {
    task: JoinHandle<()>,
    ends: mpsc::Sender<oneshot::Sender<()>>,
}

struct Caster<F> {
    client: CdpClient,
    /// The session of the tab; the pages in it come and go below it.
    tab: String,
    page: String,
    start: Value,
    first: watch::Sender<bool>,
    sink: F,
}

type Heard = broadcast::Receiver<Arc<CdpEvent>>;

impl Screencast {
    /// Begins, and returns when the first picture is there. `most` bounds the
    /// sides of the pictures. The sink must not block.
    pub async fn start<F>(tab: &Tab, most: (u32, u32), sink: F) -> Result<Self, ActError>
    where
        F: Fn(Cast) + Send + Sync + 'static,
    {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Session {
            session_id: String,
        }
        tab.ready().await?;
        let client = CdpClient::attach(&tab.mux, Rules { owner: true, ..Rules::default() })
            .await
            .map_err(CdpError::from)?;
        let heard = client.events();
        let params = json!({ "targetId": tab.target, "flatten": true });
        let method = "Target.attachToTarget";
        let attached: Session = read(method, client.send(None, method, &params).await?.get())?;
        let start = json!({
            "format": "jpeg", "quality": QUALITY, "maxWidth": most.0, "maxHeight": most.1,
            "everyNthFrame": 1,
        });
        let auto = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true });
        drop(client.post(Some(&attached.session_id), "Target.setAutoAttach", &auto).await?);
        let (first, mut begun) = watch::channel(false);
        let caster = Caster { client, tab: attached.session_id, page: String::new(), start, first, sink };
        // One ends it; whoever comes second finds it ended.
        let (ends, end) = mpsc::channel(1);
        let task = tokio::spawn(caster.run(heard, end));
        let this = Self { task, ends };
        // A page that is busy gives its first picture later.
        let _ = tokio::time::timeout(PATIENCE, begun.wait_for(|begun| *begun)).await;
        Ok(this)
    }

    /// Ends it once everything that the page has shown so far was told.
    pub async fn stop(self) {
        let (reply, done) = oneshot::channel();
        if self.ends.send(reply).await.is_ok() {
            let _ = tokio::time::timeout(PATIENCE, done).await;
        }
    }
}

impl Drop for Screencast {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<F: Fn(Cast) + Send + Sync> Caster<F> {
    async fn run(mut self, mut heard: Heard, mut end: mpsc::Receiver<oneshot::Sender<()>>) {
        loop {
            tokio::select! {
                biased;
                event = heard.recv() => match event {
                    Ok(event) => match self.on_event(&event).await {
                        Ok(true) => {}
                        Ok(false) | Err(CdpError::Mux(_)) => return (self.sink)(Cast::Gone),
                        Err(error) => tracing::debug!(%error, "a page went while it was recorded"),
                    },
                    // What is not acknowledged would hold up what comes: begin anew.
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        let page = self.page.clone();
                        if self.cast(&page).await.is_err() {
                            return (self.sink)(Cast::Gone);
                        }
                    }
                    Err(broadcast::error::RecvError::Closed) => return (self.sink)(Cast::Gone),
                },
                reply = end.recv() => {
                    let Some(reply) = reply else { return };
                    self.finish(&mut heard).await;
                    let _ = reply.send(());
                    return;
                }
            }
        }
    }

    async fn finish(&mut self, heard: &mut Heard) {
        let page = self.page.clone();
        // The page draws what it has been told, and what it draws comes before the answer.
        let drawn = json!({
            "expression": "new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); setTimeout(done, 250); })",
            "awaitPromise": true,
        });
        for (method, params) in [("Runtime.evaluate", drawn), ("Page.stopScreencast", json!({}))] {
            let answer = self.client.send(Some(&page), method, &params);
            let _ = tokio::time::timeout(Duration::from_secs(1), answer).await;
        }
        while let Ok(event) = heard.try_recv() {
            let _ = self.on_event(&event).await;
        }
    }

    async fn cast(&self, page: &str) -> Result<(), CdpError> {
        if page.is_empty() {
            return Ok(());
        }
        let focus = json!({ "enabled": true });
        for (method, params) in [
            ("Page.enable", &json!({})),
            // A tab behind others draws too.
            ("Emulation.setFocusEmulationEnabled", &focus),
            ("Page.stopScreencast", &json!({})),
            ("Page.startScreencast", &self.start),
        ] {
            drop(self.client.post(Some(page), method, params).await?);
        }
        Ok(())
    }

    /// False when the tab has gone.
    async fn on_event(&mut self, event: &CdpEvent) -> Result<bool, CdpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Attached {
            session_id: String,
            target_info: Info,
        }
        #[derive(Deserialize)]
        struct Info {
            #[serde(rename = "type")]
            kind: String,
            subtype: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Detached {
            session_id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Frame {
            data: String,
            session_id: i64,
        }
        match event.method.as_str() {
            "Target.attachedToTarget" if event.session.as_deref() == Some(&self.tab) => {
                let Some(Attached { session_id, target_info }) = event.params() else { return Ok(true) };
                let prerender = target_info.subtype.as_deref() == Some("prerender");
                if target_info.kind == "page" && !prerender {
                    self.page = session_id;
                    let page = self.page.clone();
                    self.cast(&page).await?;
                }
            }
            "Target.detachedFromTarget" => {
                let gone = event.params::<Detached>().map(|gone| gone.session_id);
                return Ok(gone.as_ref() != Some(&self.tab));
            }
            "Page.screencastFrame" => {
                let Some(Frame { data, session_id }) = event.params() else { return Ok(true) };
                // At once: two that are not acknowledged make Chromium drop the next,
                // which may be the last.
                let ack = json!({ "sessionId": session_id });
                let page = event.session.as_deref();
                drop(self.client.post(page, "Page.screencastFrameAck", &ack).await?);
                if page == Some(&self.page)
                    && let Ok(jpeg) = BASE64_STANDARD.decode(&data)
                {
                    (self.sink)(Cast::Picture(jpeg));
                    self.first.send_replace(true);
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

impl Tab {
    /// How many pixels its page has in each direction.
    pub async fn view_size(&self) -> Result<(u32, u32), ActError> {
        self.ready().await?;
        let window: Window = self.call(&self.top(), "place", &Value::Null).await?;
        let side = |side: f64| (side * window.zoom).round().clamp(1.0, 10_000.0) as u32;
        Ok((side(window.inner_width), side(window.inner_height)))
    }
}
