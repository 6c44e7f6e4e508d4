//! The task of a recording: it listens in every page and frame and tells the
//! steps what was done there by people.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::ByPerson;
use super::steps::{Steps, Told};
use crate::browser::attach::{Attached, Moved};
use crate::browser::client::{CdpClient, CdpError, CdpEvent};
use crate::browser::fault::ActError;
use crate::browser::frames::{Place, read};
use crate::browser::launch::Browser;
use crate::browser::mux::Rules;
use crate::browser::planted::{Planted, Words};
use crate::browser::tabs::{Tab, TabInfo, Tabs};

const PLANTED: Planted = Planted {
    script: concat!(
        "(() => { if (globalThis.__tandem_recorder) return;\n",
        include_str!("../page/dom.js"),
        include_str!("../page/aria.js"),
        include_str!("../page/refs.js"),
        include_str!("../page/locators.js"),
        include_str!("../page/words.js"),
        "{\n",
        include_str!("../page/secrets.js"),
        include_str!("../page/recorder.js"),
        "} })();",
    ),
    world: "tandem_recorder",
    binding: "__tandem_record",
    // What is longer is no act.
    longest: 64 << 10,
};
/// How long the way to a frame may take to be found.
const FRAME: Duration = Duration::from_millis(500);
/// What follows an act in the page within this many milliseconds is its doing.
const CAUSED: f64 = 1500.0;

pub(super) struct Taker {
    client: CdpClient,
    heard: broadcast::Receiver<Arc<CdpEvent>>,
    tabs: Tabs,
    /// The window that people have; other contexts are not listened to.
    context: Option<String>,
    by_person: ByPerson,
    steps: Arc<Mutex<Steps>>,
    listening: watch::Sender<usize>,
    stop: CancellationToken,
    at_start: usize,
    /// The tabs that are open as far as it was told.
    open: HashSet<String>,
    attached: Attached,
    /// Our worlds by session and context, with their frames.
    worlds: HashMap<(String, i64), String>,
    /// The code of the way to frames that are not the page itself.
    frames: HashMap<String, String>,
    front: Option<String>,
    /// Navigations on their way, with what began them.
    begun: HashMap<String, Begun>,
    /// Where each tab is in its history.
    places: HashMap<String, i64>,
}

struct Begun {
    by_person: bool,
    kind: String,
    at: f64,
}

impl Taker {
    pub async fn start(
        browser: &Browser,
        first: &Tab,
        by_person: ByPerson,
        steps: Arc<Mutex<Steps>>,
        listening: watch::Sender<usize>,
        stop: CancellationToken,
    ) -> Result<Self, ActError> {
        let attached = browser.client_of_own(Rules { owner: true, ..Rules::default() }).await;
        let client = attached.map_err(CdpError::from)?;
        let heard = client.events();
        browser.look_at_tabs().await;
        let mut taker = Self {
            attached: Attached::new(client.clone(), &["iframe"]),
            client,
            heard,
            tabs: browser.tabs_seen(),
            context: first.context().map(str::to_owned),
            by_person,
            steps,
            listening,
            stop,
            at_start: 0,
            open: HashSet::new(),
            worlds: HashMap::new(),
            frames: HashMap::new(),
            front: None,
            begun: HashMap::new(),
            places: HashMap::new(),
        };
        let open = taker.own_tabs();
        {
            let mut steps = taker.steps.lock().unwrap_or_else(PoisonError::into_inner);
            for (at, (info, _)) in open.iter().enumerate() {
                steps.knows(&info.target, at, info.target == first.target());
            }
        }
        taker.front = open.iter().find(|(info, _)| info.front).map(|(info, _)| info.target.clone());
        taker.at_start = open.len();
        for (info, _) in &open {
            taker.open.insert(info.target.clone());
            taker.attached.attach(&info.target).await?;
        }
        Ok(taker)
    }

    pub fn tabs_at_start(&self) -> usize {
        self.at_start
    }

    pub async fn run(mut self) {
        let (mut tabs, stop) = (self.tabs.clone(), self.stop.clone());
        loop {
            let done = tokio::select! {
                biased;
                event = self.heard.recv() => match event {
                    Ok(event) => self.on_event(&event).await,
                    // What was lost was done by nobody, as far as we know.
                    Err(broadcast::error::RecvError::Lagged(lost)) => {
                        tracing::warn!(lost, "events of a recording were lost");
                        Ok(())
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                changed = tabs.changed() => match changed {
                    Ok(()) => self.on_tabs().await,
                    Err(_) => return,
                },
                () = stop.cancelled() => break,
            };
            match done {
                Err(CdpError::Mux(_)) => return,
                Err(error) => tracing::debug!(%error, "a page went while it was recorded"),
                Ok(()) => {}
            }
        }
        self.silence().await;
    }

    /// Takes the listeners out of the documents; the client's end does the rest.
    async fn silence(&self) {
        for (session, context) in self.worlds.keys() {
            let params =
                json!({ "expression": "globalThis.__tandem_recorder?.stop()", "contextId": context });
            let _ = self.client.post(Some(session), "Runtime.evaluate", &params).await;
        }
        // Answered after all of these.
        let _ = self.client.send(None, "Browser.getVersion", &json!({})).await;
    }

    fn own_tabs(&self) -> Vec<(TabInfo, Arc<Tab>)> {
        let own = |tab: &Tab| tab.context().is_none() || tab.context() == self.context.as_deref();
        self.tabs.borrow().iter().filter(|(_, tab)| own(tab)).cloned().collect()
    }

    fn tab(&self, target: &str) -> Option<Arc<Tab>> {
        self.tabs.borrow().iter().find(|(info, _)| info.target == target).map(|(_, tab)| Arc::clone(tab))
    }

    fn person_now(&self) -> bool {
        (self.by_person)(now())
    }

    fn with_steps(&self, then: impl FnOnce(&mut Steps)) {
        then(&mut self.steps.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The tab strip has changed: tabs came, went, or another one is in front.
    async fn on_tabs(&mut self) -> Result<(), CdpError> {
        let (now, by_person) = (now(), self.person_now());
        let open = self.own_tabs();
        // A tab may go before there is a session with it.
        let is_open = |tab: &str| open.iter().any(|(info, _)| info.target == tab);
        let gone: Vec<String> = self.open.extract_if(|tab| !is_open(tab)).collect();
        self.attached.keep_tabs(is_open);
        let closed_front = gone.iter().any(|tab| self.front.as_ref() == Some(tab));
        for tab in gone {
            self.with_steps(|steps| {
                if by_person && steps.is_known(&tab) && !steps.touched_since(&tab, now - CAUSED) {
                    steps.add_tab_act(&tab, now, "close", None);
                }
            });
        }
        let mut came = false;
        for (info, _) in &open {
            if self.open.insert(info.target.clone()) {
                came = true;
                // Nothing in a page led to it; its page may be gone before it is known.
                let front = self.front.clone().unwrap_or_default();
                self.with_steps(|steps| {
                    let caused = steps.touched_since(&front, now - CAUSED);
                    if by_person && !caused && !steps.is_known(&info.target) {
                        steps.add_tab(&info.target, None, now);
                    }
                });
                if let Err(error) = self.attached.attach(&info.target).await {
                    if let CdpError::Mux(_) = error {
                        return Err(error);
                    }
                    tracing::debug!(%error, "a tab went before it could be listened to");
                }
            }
        }
        let front = open.iter().find(|(info, _)| info.front).map(|(info, _)| info.target.clone());
        if front != self.front {
            if let Some(front) = front.as_deref().filter(|_| by_person && !came && !closed_front) {
                self.with_steps(|steps| steps.add_tab_act(front, now, "bringToFront", None));
            }
            self.front = front;
        }
        Ok(())
    }

    async fn on_event(&mut self, event: &CdpEvent) -> Result<(), CdpError> {
        if let Some(moved) = self.attached.on_event(event) {
            return self.on_moved(moved).await;
        }
        let session = event.session.clone().unwrap_or_default();
        if let Some(words) = PLANTED.words(event) {
            self.on_words(&session, words).await;
            return Ok(());
        }
        match event.method.as_str() {
            "Runtime.executionContextCreated" => self.on_world(&session, event).await,
            "Runtime.executionContextsCleared" => self.worlds.retain(|(of, _), _| *of != session),
            "Runtime.executionContextDestroyed" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Destroyed {
                    execution_context_id: i64,
                }
                if let Some(gone) = event.params::<Destroyed>() {
                    self.worlds.remove(&(session, gone.execution_context_id));
                }
            }
            "Page.javascriptDialogClosed" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Closed {
                    result: bool,
                    #[serde(default)]
                    user_input: String,
                }
                if let (Some(closed), Some(known)) = (event.params::<Closed>(), self.attached.get(&session))
                    && self.person_now()
                {
                    let tab = known.tab.clone();
                    self.with_steps(|steps| steps.add_dialog(&tab, closed.result, &closed.user_input));
                }
            }
            "Page.frameStartedNavigating" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Started {
                    loader_id: String,
                    #[serde(default)]
                    navigation_type: String,
                }
                if let Some(started) = event.params::<Started>() {
                    // Those that never arrived are few; beyond this they are forgotten.
                    if self.begun.len() > 200 {
                        self.begun.clear();
                    }
                    let begun =
                        Begun { by_person: self.person_now(), kind: started.navigation_type, at: now() };
                    self.begun.insert(started.loader_id, begun);
                }
            }
            "Page.frameNavigated" => self.on_navigated(&session, event).await?,
            _ => {}
        }
        Ok(())
    }

    async fn on_moved(&mut self, moved: Moved) -> Result<(), CdpError> {
        match moved {
            Moved::In { session, info } => {
                let Some(inside) = self.attached.get(&session).cloned() else { return Ok(()) };
                if inside.is_page() {
                    self.on_page(&inside.tab, info.opener_id.as_deref());
                }
                let planted = PLANTED.plant(&self.client, &self.attached, &session).await?;
                if inside.is_page() {
                    let listening = self.listening.clone();
                    tokio::spawn(async move {
                        if planted.await.is_ok() {
                            listening.send_modify(|count| *count += 1);
                        }
                    });
                }
            }
            Moved::Out { session, .. } => self.worlds.retain(|(of, _), _| *of != session),
            // The tab strip tells of it.
            Moved::Closed => {}
        }
        Ok(())
    }

    /// A tab has a page. It is a step when a person opened it, or their click.
    fn on_page(&mut self, tab: &str, opener: Option<&str>) {
        let by_page = |page: &str| {
            let mut all = self.attached.all().map(|(_, inside)| inside);
            all.find(|inside| inside.is_page() && inside.target == page).map(|inside| inside.tab.clone())
        };
        let (now, by_person) = (now(), self.person_now());
        let caused = |steps: &Steps| {
            let front = self.front.as_deref().filter(|front| *front != tab);
            front.filter(|front| steps.touched_since(front, now - CAUSED)).map(str::to_owned)
        };
        let opener = opener.and_then(by_page);
        let at = self.own_tabs().iter().position(|(info, _)| info.target == tab).unwrap_or_default();
        self.with_steps(|steps| {
            if steps.is_known(tab) {
                return;
            }
            let opener = opener.or_else(|| caused(steps));
            match by_person {
                true => steps.add_tab(tab, opener.as_deref(), now),
                false => steps.knows(tab, at, false),
            }
        });
    }

    async fn on_world(&mut self, session: &str, event: &CdpEvent) {
        #[derive(Deserialize)]
        struct Created {
            context: Context,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Context {
            id: i64,
            name: String,
            #[serde(default)]
            aux_data: Value,
        }
        let Some(Created { context }) =
            event.params::<Created>().filter(|made| made.context.name == PLANTED.world)
        else {
            return;
        };
        let frame = context.aux_data["frameId"].as_str().unwrap_or_default().to_owned();
        self.worlds.insert((session.to_owned(), context.id), frame.clone());
        // Found now, since an act in the frame may take it away.
        if let Some(tab) = self.attached.tab_of(session) {
            self.way_to(&tab, &frame).await;
        }
    }

    /// The code of the way to a frame; nothing for the page itself.
    async fn way_to(&mut self, tab: &str, frame: &str) -> Option<String> {
        if let Some(known) = self.frames.get(frame) {
            return Some(known.clone());
        }
        let tab = self.tab(tab)?;
        if tab.top().id == frame {
            return None;
        }
        let code = tokio::time::timeout(FRAME, tab.way_to_frame(frame)).await.ok()?.ok()??;
        if self.frames.len() > 1000 {
            self.frames.clear();
        }
        self.frames.insert(frame.to_owned(), code.clone());
        Some(code)
    }

    async fn on_words(&mut self, session: &str, words: Words) {
        let Ok(told) = serde_json::from_str::<Told>(&words.text) else { return };
        if !(self.by_person)(told.at) {
            return;
        }
        let world = self.worlds.get(&(session.to_owned(), words.context)).cloned();
        let (Some(frame), Some(known)) = (world, self.attached.get(session)) else { return };
        let tab = known.tab.clone();
        let is_page = known.is_page() && known.target == frame;
        let way = if is_page { None } else { self.way_to(&tab, &frame).await };
        // A frame that went before its way was known was one of the page's.
        let way = if is_page { None } else { Some(way.unwrap_or_else(|| "locator('iframe')".into())) };
        self.with_steps(|steps| steps.add(&tab, way.as_deref(), told));
    }

    /// A page is elsewhere. It is a step when the address bar or the browser's
    /// own buttons led there; what a click led to follows from that click.
    async fn on_navigated(&mut self, session: &str, event: &CdpEvent) -> Result<(), CdpError> {
        #[derive(Deserialize)]
        struct Navigated {
            frame: Frame,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Frame {
            parent_id: Option<String>,
            loader_id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct History {
            current_index: i64,
            entries: Vec<Entry>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Entry {
            url: String,
            #[serde(rename = "userTypedURL")]
            typed: String,
            transition_type: String,
        }
        let Some(Navigated { frame }) = event.params::<Navigated>() else { return Ok(()) };
        let Some(known) = self.attached.get(session).filter(|known| known.is_page()) else {
            return Ok(());
        };
        if frame.parent_id.is_some() {
            return Ok(());
        }
        let tab = known.tab.clone();
        let begun = self.begun.remove(&frame.loader_id);
        let begun =
            begun.unwrap_or_else(|| Begun { by_person: self.person_now(), kind: String::new(), at: now() });
        let method = "Page.getNavigationHistory";
        let history = self.client.send(Some(session), method, &json!({})).await?;
        let history: History = read(method, history.get())?;
        let before = self.places.insert(tab.clone(), history.current_index);
        let Some(entry) = usize::try_from(history.current_index).ok().and_then(|at| history.entries.get(at))
        else {
            return Ok(());
        };
        if !begun.by_person {
            return Ok(());
        }
        let typed = matches!(
            entry.transition_type.as_str(),
            "typed" | "address_bar" | "auto_bookmark" | "generated" | "keyword" | "keyword_generated"
        );
        let moved = before.map_or(0, |before| history.current_index - before);
        let act = match (begun.kind.as_str(), moved) {
            (kind, _) if kind.starts_with("reload") => "reload",
            (kind, -1) if kind.starts_with("history") || kind.is_empty() => "goBack",
            (kind, 1) if kind.starts_with("history") => "goForward",
            (kind, _) if typed && !kind.starts_with("history") => "goto",
            _ => return Ok(()),
        };
        // The address as it was typed may have led elsewhere by a redirect.
        let url = if entry.typed.is_empty() { entry.url.clone() } else { entry.typed.clone() };
        self.with_steps(|steps| match act {
            "goto" => steps.add_tab_act(&tab, begun.at, act, Some(&url)),
            _ if steps.touched_since(&tab, begun.at - CAUSED) => {}
            _ => steps.add_tab_act(&tab, begun.at, act, None),
        });
        Ok(())
    }
}

impl Tab {
    /// The code that finds the element of a frame, from the page on; nothing for the page itself.
    async fn way_to_frame(&self, id: &str) -> Result<Option<String>, ActError> {
        let place = {
            let state = self.state.borrow();
            state.frames.get(id).map(|frame| Place {
                session: frame.session.clone(),
                number: frame.number,
                id: id.to_owned(),
            })
        };
        let Some(mut place) = place else { return Err(ActError::Stuck) };
        let mut way: Option<String> = None;
        while let Some((parent, object)) = self.owner(&place).await? {
            let outer: String = self.call_on(&parent, &object, "frameCode", &[]).await?;
            way = Some(match way {
                Some(inner) => format!("{outer}.contentFrame().{inner}"),
                None => outer,
            });
            place = parent;
        }
        Ok(way)
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}
