//! What tabs there are and what goes on in each: one task that listens to
//! the browser and is the only one to write it down. Everybody else reads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::attach::{Attached, Moved, TargetInfo};
use super::client::{CdpClient, CdpError, CdpEvent};
use super::journal::{Fact, Journal};
use super::mux::Multiplexer;
pub(super) use super::state::Frame;
pub use super::state::{Chooser, Dialog, PageState};
use super::watch::Seen;
use super::{BrowserEvent, SCRIPT, WORLD};
use crate::base::Privacy;

/// A tab, as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TabInfo {
    /// The browser's name for it; the same as long as the tab is open.
    pub target: String,
    pub url: String,
    pub title: String,
    pub front: bool,
}

/// A tab of the browser. Its state is written by the tracker alone.
pub struct Tab {
    pub(super) target: String,
    pub(super) client: CdpClient,
    pub(super) state: watch::Receiver<PageState>,
    /// The highest ref that was given out, so that none is given twice in the tab's life.
    pub(super) last_ref: AtomicU64,
    /// How many agents attend to it; focus is emulated while there is one.
    pub(super) attended: AtomicUsize,
    /// What the acts remember of its page.
    pub(super) memory: Arc<super::memory::Memory>,
    /// The tab whose page opened this one, once its page is known.
    opener: OnceLock<String>,
    /// Its browser context, once its page is known.
    context: OnceLock<String>,
    /// The last file chooser that was answered.
    pub(super) answered_chooser: AtomicU64,
    /// Something is framed for people.
    pub(super) highlighted: AtomicBool,
    pub(super) mux: Multiplexer,
    pub(super) journal: Journal,
    pub(super) privacy: Privacy,
    /// The watches of agents, oldest first. Held for a moment only.
    pub(super) watches: Mutex<Vec<Weak<Seen>>>,
}

/// Asks the tracker to look at the browser now.
pub(super) type Refresh = oneshot::Sender<Vec<TabInfo>>;

/// The tracker's open tabs, in the order of the tab strip.
pub(super) type Tabs = watch::Receiver<Vec<(TabInfo, Arc<Tab>)>>;

struct Tracker {
    client: CdpClient,
    mux: Multiplexer,
    journal: Journal,
    privacy: Privacy,
    tabs: HashMap<String, Known>,
    attached: Attached,
    /// Which tab a tab descends from by opening, for the limit on popups.
    families: HashMap<String, String>,
    /// The context of people's own window.
    home: Option<String>,
    shown: watch::Sender<Vec<(TabInfo, Arc<Tab>)>>,
    told: Vec<TabInfo>,
    events: mpsc::Sender<BrowserEvent>,
    /// When to look at the tab strip again, if something has changed there.
    look_at: Option<tokio::time::Instant>,
}

struct Known {
    tab: Arc<Tab>,
    state: watch::Sender<PageState>,
}

/// Changes of one moment are looked at together. Each glance holds the events of
/// the pages up, and acts wait for those.
const GATHER: Duration = Duration::from_millis(20);

/// How many tabs that descend from one tab may be open: pages that open more
/// of them would take the room away from people.
const MOST_POPUPS: usize = 20;

/// A glance at the tab strip at least this often: switching tabs is no event.
const GLANCE: Duration = Duration::from_secs(1);

/// Starts to track. Returns when the tabs that are there are known.
pub(super) async fn track(
    client: CdpClient,
    mux: Multiplexer,
    journal: Journal,
    privacy: Privacy,
    events: mpsc::Sender<BrowserEvent>,
) -> Result<(Tabs, mpsc::Sender<Refresh>), CdpError> {
    let heard = client.events();
    let filter = json!([{ "type": "page" }, { "type": "tab" }]);
    client.send(None, "Target.setDiscoverTargets", &json!({ "discover": true, "filter": filter })).await?;
    let (shown, tabs) = watch::channel(Vec::new());
    let mut tracker = Tracker {
        attached: Attached::new(client.clone(), &["iframe"]),
        client,
        mux,
        journal,
        privacy,
        tabs: HashMap::new(),
        families: HashMap::new(),
        home: None,
        shown,
        told: Vec::new(),
        events,
        look_at: None,
    };
    tracker.glance().await?;
    // When 16 ask at once, the next one waits.
    let (refresh, asked) = mpsc::channel(16);
    tokio::spawn(tracker.run(heard, asked));
    Ok((tabs, refresh))
}

impl Tab {
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The tab whose page opened this one, if a page did.
    pub fn opener(&self) -> Option<&str> {
        self.opener.get().map(String::as_str)
    }

    /// The browser context that it belongs to.
    pub fn context(&self) -> Option<&str> {
        self.context.get().map(String::as_str)
    }

    pub fn state(&self) -> PageState {
        self.state.borrow().clone()
    }

    /// Its state, for who waits for a change of it.
    pub fn subscribe(&self) -> watch::Receiver<PageState> {
        self.state.clone()
    }

    pub fn dialog(&self) -> Option<Dialog> {
        self.state.borrow().dialog.clone()
    }

    pub fn url(&self) -> String {
        self.state.borrow().url.clone()
    }

    pub fn title(&self) -> String {
        self.state.borrow().title.clone()
    }

    pub fn is_open(&self) -> bool {
        !self.state.borrow().closed && self.state.has_changed().is_ok()
    }
}

impl Tracker {
    async fn run(
        mut self,
        mut heard: broadcast::Receiver<Arc<CdpEvent>>,
        mut asked: mpsc::Receiver<Refresh>,
    ) {
        let mut clock = tokio::time::interval(GLANCE);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let looked = tokio::select! {
                biased;
                event = heard.recv() => match event {
                    Ok(event) => self.on_event(&event).await,
                    Err(broadcast::error::RecvError::Lagged(lost)) => {
                        tracing::warn!(lost, "events of the browser were lost");
                        self.glance().await
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                reply = asked.recv() => match reply {
                    Some(reply) => {
                        let looked = self.glance().await;
                        let _ = reply.send(self.told.clone());
                        looked
                    }
                    None => return,
                },
                () = tokio::time::sleep_until(self.look_at.unwrap_or_else(tokio::time::Instant::now)),
                    if self.look_at.is_some() =>
                {
                    self.look_at = None;
                    self.glance().await
                }
                _ = clock.tick() => self.glance().await,
            };
            if let Err(error) = looked
                && !error.is_gone()
            {
                tracing::debug!(%error, "the tabs could not be read");
                if matches!(error, CdpError::Mux(_)) {
                    return;
                }
            }
        }
    }

    /// Reads the tab strip: what is open, in which order, what is in front.
    async fn glance(&mut self) -> Result<(), CdpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct List {
            target_infos: Vec<TargetInfo>,
        }
        let filter = json!({ "filter": [{ "type": "tab" }] });
        let list = self.client.send(None, "Target.getTargets", &filter).await?;
        let list: List = serde_json::from_str(list.get()).map_err(|error| CdpError::Unreadable {
            method: "Target.getTargets".into(),
            reason: error.to_string(),
        })?;
        let mut strip: Vec<_> = list
            .target_infos
            .into_iter()
            .filter_map(|info| Some((info.embedder_data.as_ref()?.tab_strip_index, info)))
            .collect();
        if self.home.is_none() {
            self.home = strip.first().and_then(|(_, info)| info.browser_context_id.clone());
        }
        // The window of people first; each isolated context has one of its own.
        let home = self.home.clone();
        let away = |info: &TargetInfo| match info.browser_context_id == home {
            true => None,
            false => info.browser_context_id.clone(),
        };
        strip.sort_by_key(|(index, info)| (away(info), *index));
        self.tabs.retain(|target, known| {
            let open = strip.iter().any(|(_, info)| info.target_id == *target);
            if !open {
                known.state.send_modify(|state| state.closed = true);
                self.families.remove(target);
                let (url, title) = (known.tab.url(), known.tab.title());
                self.journal.add(Some(target), Fact::TabClosed { url, title });
            }
            open
        });
        self.attached.keep_tabs(|tab| self.tabs.contains_key(tab));
        let mut infos = Vec::new();
        let mut has_front = false;
        for (_, info) in strip {
            if !self.tabs.contains_key(&info.target_id)
                && let Err(error) = self.adopt(&info).await
            {
                tracing::debug!(%error, "a tab went while it was looked at");
                continue;
            }
            let front = !has_front && info.embedder_data.is_some_and(|data| data.tab_active);
            has_front |= front;
            if let Some(known) = self.tabs.get(&info.target_id) {
                known.state.send_if_modified(|state| {
                    let same = state.url == info.url && state.title == info.title;
                    state.url.clone_from(&info.url);
                    state.title.clone_from(&info.title);
                    !same
                });
            }
            infos.push(TabInfo { target: info.target_id, url: info.url, title: info.title, front });
        }
        self.tell(infos).await;
        Ok(())
    }

    async fn tell(&mut self, infos: Vec<TabInfo>) {
        if infos == self.told {
            return;
        }
        let shown = infos
            .iter()
            .filter_map(|info| Some((info.clone(), Arc::clone(&self.tabs.get(&info.target)?.tab))))
            .collect();
        self.shown.send_replace(shown);
        self.told.clone_from(&infos);
        // What is isolated ends with the browser; it is not brought back elsewhere.
        let kept = |info: &TabInfo| {
            let context = self.tabs.get(&info.target).and_then(|known| known.tab.context());
            context.is_none() || context == self.home.as_deref()
        };
        let infos = infos.into_iter().filter(kept).collect();
        // A room that does not listen has gone.
        let _ = self.events.send(BrowserEvent::Tabs(infos)).await;
    }

    /// Attaches to a new tab and, through it, to the page inside.
    async fn adopt(&mut self, info: &TargetInfo) -> Result<(), CdpError> {
        self.attached.attach(&info.target_id).await?;
        let (state, page) = watch::channel(PageState::default());
        let tab = Arc::new(Tab {
            target: info.target_id.clone(),
            client: self.client.clone(),
            state: page,
            last_ref: AtomicU64::new(0),
            attended: AtomicUsize::new(0),
            memory: Arc::default(),
            opener: OnceLock::new(),
            context: OnceLock::new(),
            answered_chooser: AtomicU64::new(0),
            highlighted: AtomicBool::new(false),
            mux: self.mux.clone(),
            journal: self.journal.clone(),
            privacy: self.privacy.clone(),
            watches: Mutex::default(),
        });
        self.tabs.insert(info.target_id.clone(), Known { tab, state });
        Ok(())
    }

    async fn on_event(&mut self, event: &CdpEvent) -> Result<(), CdpError> {
        if let Some(moved) = self.attached.on_event(event) {
            return self.on_moved(moved).await;
        }
        match event.method.as_str() {
            "Target.targetCreated" | "Target.targetDestroyed" | "Target.targetInfoChanged" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Changed {
                    target_info: Option<TargetInfo>,
                }
                let kind = event.params::<Changed>().and_then(|changed| changed.target_info);
                if kind.is_none_or(|info| info.kind == "tab" || info.kind == "page") {
                    self.look_at.get_or_insert_with(|| tokio::time::Instant::now() + GATHER);
                }
                Ok(())
            }
            "Target.targetCrashed" | "Inspector.targetCrashed" => self.on_crash(event).await,
            method if method.starts_with("Page.") => {
                let session = event.session.as_deref().unwrap_or_default();
                if let Some(known) = self.known(session) {
                    let mut fact = None;
                    known.state.send_modify(|state| {
                        let before = (state.dialog.is_some(), state.last_chooser);
                        state.on_page_event(session, event);
                        fact = state.fact(before, session, event);
                    });
                    if let Some(fact) = fact {
                        self.journal.add(Some(&known.tab.target), fact);
                    }
                    if method == "Page.domContentEventFired" && known.tab.memory.drawn_pointer().is_some() {
                        let tab = Arc::clone(&known.tab);
                        // Nothing waits for it, and it takes a second at most.
                        tokio::spawn(async move { tab.redraw_pointer().await });
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn on_crash(&mut self, event: &CdpEvent) -> Result<(), CdpError> {
        let session = event.session.as_deref().unwrap_or_default();
        let Some(known) = self.known(session) else { return Ok(()) };
        if known.state.borrow().session != session {
            return Ok(());
        }
        known.state.send_modify(|state| state.crashed = true);
        let url = known.state.borrow().url.clone();
        self.journal.add(Some(&known.tab.target), Fact::Crashed { url: url.clone() });
        let _ = self.events.send(BrowserEvent::TabCrashed { target: known.tab.target.clone(), url }).await;
        Ok(())
    }

    /// The tab that a page or frame with this session is in.
    fn known(&self, session: &str) -> Option<&Known> {
        self.tabs.get(&self.attached.get(session)?.tab)
    }

    async fn on_moved(&mut self, moved: Moved) -> Result<(), CdpError> {
        match moved {
            Moved::In { session, info } => self.on_attached(session, *info).await,
            Moved::Out { session, inside } => {
                if let Some(known) = self.tabs.get(&inside.tab) {
                    known.state.send_modify(|state| state.frames.retain(|_, frame| frame.session != session));
                }
                Ok(())
            }
            // The tab strip tells of it.
            Moved::Closed => Ok(()),
        }
    }

    async fn on_attached(&mut self, session_id: String, target_info: TargetInfo) -> Result<(), CdpError> {
        let Some(known) = self.known(&session_id) else { return Ok(()) };
        let is_page = target_info.kind == "page";
        let (state, target) = (known.state.clone(), known.tab.target.clone());
        if is_page && known.tab.context.get().is_none() {
            if let Some(context) = &target_info.browser_context_id {
                let _ = known.tab.context.set(context.clone());
            }
            if !self.on_opened(&target, &target_info).await? {
                return Ok(());
            }
        }
        // First these, then the session is told of: whoever acts comes after them.
        self.enable(&session_id).await?;
        state.send_modify(|state| {
            if is_page {
                let (url, title) = (std::mem::take(&mut state.url), std::mem::take(&mut state.title));
                let (next_frame, last_chooser) = (state.next_frame, state.last_chooser);
                *state = PageState { url, title, next_frame, last_chooser, ..PageState::default() };
                state.session.clone_from(&session_id);
                state.page.clone_from(&target_info.target_id);
                state.navigation.ready = true;
            }
            let parent = if is_page { None } else { target_info.parent_frame_id.clone() };
            state.add_frame(&target_info.target_id, parent, &session_id);
        });
        self.learn_frames(&session_id).await
    }

    /// A tab has its first page: who opened it, and whether it may stay.
    async fn on_opened(&mut self, target: &str, page: &TargetInfo) -> Result<bool, CdpError> {
        let opener = page.opener_id.as_ref().and_then(|opener| {
            let parent = self.tabs.values().find(|known| known.state.borrow().page == *opener)?;
            Some(parent.tab.target.clone())
        });
        let Some(opener) = opener else {
            self.journal.add(Some(target), Fact::TabOpened { url: page.url.clone(), opener: None });
            return Ok(true);
        };
        let family = self.families.get(&opener).cloned().unwrap_or_else(|| opener.clone());
        let open = self.families.values().filter(|other| **other == family).count();
        self.families.insert(target.to_owned(), family);
        if let Some(known) = self.tabs.get(target) {
            let _ = known.tab.opener.set(opener.clone());
        }
        if open >= MOST_POPUPS {
            let reason = format!("the page had {open} tabs open already");
            tracing::info!(open, "a page opened too many tabs; the new one was closed");
            self.journal.add(Some(&opener), Fact::TabRefused { url: page.url.clone(), reason });
            drop(self.client.post(None, "Target.closeTarget", &json!({ "targetId": target })).await?);
            return Ok(false);
        }
        self.journal.add(Some(target), Fact::TabOpened { url: page.url.clone(), opener: Some(opener) });
        Ok(true)
    }

    /// Turns on what the acts need in a new page or frame. Nobody waits for the answers.
    async fn enable(&self, session: &str) -> Result<(), CdpError> {
        let world = json!({ "source": SCRIPT, "worldName": WORLD, "runImmediately": true });
        let nothing = json!({});
        for (method, params) in [
            ("Page.enable", nothing.clone()),
            ("Inspector.enable", nothing),
            self.attached.inward(),
            ("Page.addScriptToEvaluateOnNewDocument", world),
        ] {
            drop(self.client.post(Some(session), method, &params).await?);
        }
        Ok(())
    }

    /// Asks for the frames that were there before us.
    async fn learn_frames(&self, session: &str) -> Result<(), CdpError> {
        let nothing = json!({});
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Tree {
            frame_tree: Node,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Node {
            frame: NodeFrame,
            #[serde(default)]
            child_frames: Vec<Node>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct NodeFrame {
            id: String,
            parent_id: Option<String>,
        }
        fn walk(node: Node, session: &str, state: &mut PageState) {
            state.add_frame(&node.frame.id, node.frame.parent_id, session);
            for child in node.child_frames {
                walk(child, session, state);
            }
        }
        // A page with an open dialog does not answer; it must not hold the others up.
        let answer = self.client.post(Some(session), "Page.getFrameTree", &nothing).await?;
        let Some(known) = self.known(session) else { return Ok(()) };
        let (state, session) = (known.state.clone(), session.to_owned());
        tokio::spawn(async move {
            let Ok(Ok(Ok(tree))) = tokio::time::timeout(Duration::from_secs(30), answer).await else {
                return;
            };
            if let Ok(tree) = serde_json::from_str::<Tree>(tree.get()) {
                state.send_modify(|state| walk(tree.frame_tree, &session, state));
            }
        });
        Ok(())
    }
}
