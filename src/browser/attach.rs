//! Attaching to tabs: the page in each by a session, and what is inside of it
//! with a process of its own by further ones. Owns who is inside whom, for one
//! CDP client. What is done in a session is its owner's. Nothing ever waits
//! for us at its start: a frame that was held there was seen to stand still
//! for ever.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{CdpClient, CdpError, CdpEvent};
use super::frames::read;

/// Beyond so many, what comes is left alone. Chromium itself has fewer processes.
const MOST: usize = 2000;

/// The sessions of one client.
pub(super) struct Attached {
    client: CdpClient,
    /// What is attached to besides pages: `iframe`, `worker` and the like.
    kinds: &'static [&'static str],
    /// Sessions with tabs, which hold nothing but their pages.
    tabs: HashMap<String, String>,
    inside: HashMap<String, Inside>,
}

/// A page, or what is in one.
#[derive(Clone, Debug)]
pub(super) struct Inside {
    pub tab: String,
    /// The browser's name for the page, frame or worker.
    pub target: String,
    pub kind: String,
}

/// What an event says of who is inside.
#[derive(Debug)]
pub(super) enum Moved {
    /// What happens in it comes by this session from now on.
    In {
        session: String,
        info: Box<TargetInfo>,
    },
    Out {
        session: String,
        inside: Inside,
    },
    /// A tab itself.
    Closed,
}

/// What the browser tells of a tab, a page, a frame or a worker.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetInfo {
    pub target_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub url: String,
    pub subtype: Option<String>,
    pub parent_frame_id: Option<String>,
    pub embedder_data: Option<EmbedderData>,
    /// The page that opened this one.
    pub opener_id: Option<String>,
    pub browser_context_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EmbedderData {
    #[serde(default)]
    pub tab_active: bool,
    #[serde(default)]
    pub tab_strip_index: i64,
}

impl Inside {
    pub fn is_page(&self) -> bool {
        self.kind == "page"
    }

    /// Whether there are documents in it, and not a script alone.
    pub fn has_documents(&self) -> bool {
        self.is_page() || self.kind == "iframe"
    }
}

impl Attached {
    pub fn new(client: CdpClient, kinds: &'static [&'static str]) -> Self {
        Self { client, kinds, tabs: HashMap::new(), inside: HashMap::new() }
    }

    // Getters.

    pub fn has_tab(&self, tab: &str) -> bool {
        self.tabs.values().any(|known| known == tab)
    }

    pub fn get(&self, session: &str) -> Option<&Inside> {
        self.inside.get(session)
    }

    pub fn tab_of(&self, session: &str) -> Option<String> {
        self.get(session).map(|inside| inside.tab.clone())
    }

    /// All that is attached to but tabs, by session.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Inside)> {
        self.inside.iter()
    }

    // Handlers.

    /// Attaches to a tab; the page inside is told of by an event.
    pub async fn attach(&mut self, tab: &str) -> Result<(), CdpError> {
        #[derive(Deserialize)]
        struct Session {
            #[serde(rename = "sessionId")]
            id: String,
        }
        let params = json!({ "targetId": tab, "flatten": true });
        let method = "Target.attachToTarget";
        let session: Session = read(method, self.client.send(None, method, &params).await?.get())?;
        self.tabs.insert(session.id.clone(), tab.to_owned());
        // Answered after the page inside was announced.
        let auto = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true });
        let listens = self.client.send(Some(&session.id), "Target.setAutoAttach", &auto).await;
        if listens.is_err() {
            self.tabs.remove(&session.id);
        }
        listens.map(drop)
    }

    /// Tabs that have gone are forgotten; what was in them tells of its own end.
    pub fn keep_tabs(&mut self, open: impl Fn(&str) -> bool) {
        self.tabs.retain(|_, tab| open(tab));
    }

    /// The command that attaches to what is inside of a page or frame, now and later.
    pub fn inward(&self) -> (&'static str, Value) {
        let filter: Vec<_> = self.kinds.iter().map(|kind| json!({ "type": kind })).collect();
        let params = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true,
            "filter": filter });
        ("Target.setAutoAttach", params)
    }

    /// What an event says of who is inside, if it is about one of ours.
    pub fn on_event(&mut self, event: &CdpEvent) -> Option<Moved> {
        match event.method.as_str() {
            "Target.attachedToTarget" => self.on_attached(event),
            "Target.detachedFromTarget" => {
                #[derive(Deserialize)]
                struct Detached {
                    #[serde(rename = "sessionId")]
                    session: String,
                }
                let Detached { session } = event.params()?;
                if self.tabs.remove(&session).is_some() {
                    return Some(Moved::Closed);
                }
                let inside = self.inside.remove(&session)?;
                Some(Moved::Out { session, inside })
            }
            _ => None,
        }
    }

    fn on_attached(&mut self, event: &CdpEvent) -> Option<Moved> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Came {
            session_id: String,
            target_info: Box<TargetInfo>,
        }
        let Came { session_id: session, target_info: info } = event.params()?;
        // What is told without a session are our own tabs.
        let by = event.session.as_deref()?;
        let of_tab = self.tabs.get(by);
        let is_page = info.kind == "page" && of_tab.is_some();
        let tab = of_tab.or_else(|| self.inside.get(by).map(|inside| &inside.tab))?.clone();
        // A page that is made ready ahead is nobody's until it is shown.
        let ahead = info.subtype.as_deref() == Some("prerender");
        let wanted = is_page || self.kinds.contains(&info.kind.as_str());
        if ahead || !wanted || self.inside.len() >= MOST {
            return None;
        }
        let inside = Inside { tab, target: info.target_id.clone(), kind: info.kind.clone() };
        self.inside.insert(session.clone(), inside);
        Some(Moved::In { session, info })
    }
}
