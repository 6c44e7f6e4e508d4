//! What an act set off: a navigation, requests, a new tab, a dialog, a file
//! chooser. An act returns when its page has reacted, and says with what.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::time::Instant;

use super::client::CdpEvent;
use super::tabs::{Dialog, Tab};

/// How long requests that an act began may hold its answer up.
const ANSWERS: Duration = Duration::from_secs(1);
/// How long a new tab may take to be known after the page asked for it.
const OPENING: Duration = Duration::from_secs(1);

/// So many requests are waited for; a page that makes more never ends anyway.
const MOST_REQUESTS: usize = 4096;

/// What was done, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// A locator expression for the element, as code; empty where there was none.
    pub code: String,
    /// Tabs that it opened.
    pub opened: Vec<Opened>,
    /// The dialog that it opened and that now waits for an answer.
    pub dialog: Option<Dialog>,
    /// The file chooser that it opened and that now waits for files.
    pub chooser: Option<Asked>,
    /// Where it led, if it led elsewhere.
    pub went_to: Option<String>,
    /// It closed its own tab.
    pub closed: bool,
}

/// A done act reads as its code.
impl std::ops::Deref for Done {
    type Target = str;
    fn deref(&self) -> &str {
        &self.code
    }
}

/// A page that an act opened in a tab or window of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The page's target; `Tab::page` names it too.
    pub page: String,
    pub url: String,
}

/// A file chooser that waits for files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// More than one is taken.
    pub multiple: bool,
}

/// Listens to a tab from before an act until the page has reacted.
pub(super) struct Watch {
    events: broadcast::Receiver<Arc<CdpEvent>>,
    page: String,
    sessions: HashSet<String>,
    committed: u64,
    url: String,
    requests: HashSet<String>,
    asked_for_tab: bool,
    opened: Vec<Opened>,
    chooser: Option<Asked>,
    /// A native drag that was caught, with its data.
    pub drag: Option<serde_json::Value>,
}

impl Tab {
    /// Begins to listen. Answers to its own questions are not waited for:
    /// what is sent later comes later.
    pub(super) async fn watch(&self) -> Watch {
        let state = self.state.borrow().clone();
        let sessions: HashSet<_> = state.frames.values().map(|frame| frame.session.clone()).collect();
        let nothing = json!({});
        for session in &sessions {
            if self.memory.listen(session) {
                let _ = self.client.post(Some(session), "Network.enable", &nothing).await;
            }
        }
        Watch {
            events: self.client.events(),
            page: state.page,
            sessions,
            committed: state.navigation.committed,
            url: state.url,
            requests: HashSet::new(),
            asked_for_tab: false,
            opened: Vec::new(),
            chooser: None,
            drag: None,
        }
    }

    /// The page that the tab shows, as a target.
    pub fn page(&self) -> String {
        self.state.borrow().page.clone()
    }
}

impl Watch {
    /// Reads what has come so far, without waiting.
    pub fn catch_up(&mut self) {
        loop {
            match self.events.try_recv() {
                Ok(event) => self.on_event(&event),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Waits until `met`, or the deadline. True when it was met.
    pub async fn until(&mut self, deadline: Instant, met: impl Fn(&Self) -> bool) -> bool {
        self.catch_up();
        while !met(self) {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Ok(event)) => self.on_event(&event),
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {}
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => return met(self),
            }
        }
        true
    }

    /// Forgets what came before the act itself.
    pub fn begin(&mut self) {
        self.catch_up();
        self.requests.clear();
    }

    pub fn is_quiet(&self) -> bool {
        self.requests.is_empty()
    }

    /// Until the requests that the act began are answered, and a tab that it opens is there.
    pub async fn answers(&mut self, began: Instant) {
        self.until(began + ANSWERS, Watch::is_quiet).await;
        if self.asked_for_tab {
            self.until(began + OPENING, |watch| !watch.opened.is_empty()).await;
        }
    }

    pub fn done(mut self, tab: &Tab, code: String) -> Done {
        self.catch_up();
        let state = tab.state.borrow();
        let moved = state.navigation.committed != self.committed || state.url != self.url;
        Done {
            code,
            opened: self.opened,
            dialog: state.dialog.clone(),
            chooser: self.chooser,
            went_to: moved.then(|| state.url.clone()),
            closed: state.closed,
        }
    }

    fn on_event(&mut self, event: &CdpEvent) {
        let session = event.session.as_deref();
        if event.method == "Target.targetCreated" && session.is_none() {
            return self.on_target(event);
        }
        if !session.is_some_and(|session| self.sessions.contains(session)) {
            return;
        }
        let key = |id: &str| format!("{} {id}", session.unwrap_or_default());
        match event.method.as_str() {
            "Network.requestWillBeSent" => {
                // Pictures and what never ends are not waited for; the page's own document has its own wait.
                const WAITED: [&str; 5] = ["XHR", "Fetch", "Script", "Stylesheet", "Document"];
                if let Some(request) = event.params::<Request>()
                    && let Some(kind) = request.kind.as_deref()
                    && WAITED.contains(&kind)
                    && !(kind == "Document" && request.frame_id.as_deref() == Some(&self.page))
                    && self.requests.len() < MOST_REQUESTS
                {
                    self.requests.insert(key(&request.request_id));
                }
            }
            "Network.loadingFinished" | "Network.loadingFailed" => {
                if let Some(request) = event.params::<Request>() {
                    self.requests.remove(&key(&request.request_id));
                }
            }
            "Network.responseReceived" => {
                if let Some(answer) = event.params::<Answer>()
                    && answer.response.mime_type == "text/event-stream"
                {
                    self.requests.remove(&key(&answer.request_id));
                }
            }
            "Page.windowOpen" => self.asked_for_tab = true,
            "Page.fileChooserOpened" => {
                self.chooser = event
                    .params::<Opening>()
                    .map(|chooser| Asked { multiple: chooser.mode == "selectMultiple" });
            }
            "Input.dragIntercepted" => {
                #[derive(Deserialize)]
                struct Drag {
                    data: serde_json::Value,
                }
                self.drag = event.params::<Drag>().map(|drag| drag.data);
            }
            _ => {}
        }
    }

    fn on_target(&mut self, event: &CdpEvent) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Created {
            target_info: Info,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Info {
            target_id: String,
            #[serde(rename = "type")]
            kind: String,
            url: String,
            opener_id: Option<String>,
            opener_frame_id: Option<String>,
        }
        if let Some(Created { target_info: info }) = event.params::<Created>()
            && info.kind == "page"
            && [info.opener_id, info.opener_frame_id].iter().flatten().any(|opener| *opener == self.page)
        {
            self.opened.push(Opened { page: info.target_id, url: info.url });
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    request_id: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    frame_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    request_id: String,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    mime_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opening {
    mode: String,
}
