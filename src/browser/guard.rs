//! The guard of private moments: one CDP client that has a script in a world
//! of its own in every document, in all tabs, as long as the browser lives.
//!
//! Owns what the documents tell: whether the focus is in a secret field, what
//! stands in such fields (straight into the room's masks), and which pages
//! still hold some of it (the room's seals). Decides nothing: when a moment
//! begins and ends is the room's.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use super::attach::{Attached, Moved};
use super::client::{CdpClient, CdpError, CdpEvent};
use super::frames::read;
use super::mux::{Multiplexer, Rules};
use super::planted::{Planted, Words};
use super::tabs::Tabs;
use super::{BrowserEvent, closed_roots};
use crate::base::{Privacy, Redacted};

const PLANTED: Planted = Planted {
    script: concat!(
        "(() => { if (globalThis.__tandem_guard) return;\n",
        include_str!("page/secrets.js"),
        include_str!("page/roots.js"),
        include_str!("page/guard.js"),
        "})();",
    ),
    world: "tandem_private",
    binding: "__tandem_private",
    longest: 256 << 10,
};
const BEGIN: &str = "globalThis.__tandem_guard?.begin()";
const AGAIN: &str = "globalThis.__tandem_guard?.again()";
const END: &str = "globalThis.__tandem_guard?.end()";
/// Documents that are remembered; in more than these nothing is guarded by itself.
const MOST_WORLDS: usize = 2000;
/// What a page has logged is let go of this often, so that it is not kept for us.
const LOGGED: u32 = 100;
/// How long documents may take to cover what was typed. One that hangs shows nothing new.
const COVERING: Duration = Duration::from_secs(1);
/// Documents whose closed shadow roots are looked for at once. One that asks
/// beyond it gets nothing, and asks again.
const MOST_LOOKS: usize = 16;

/// What the room tells the guard.
enum Order {
    Begin,
    End(oneshot::Sender<()>),
    Hold(Field, oneshot::Sender<bool>),
    LookAt(String),
}

/// A field, by the browser's own number of its node, and where it is.
pub(super) struct Field {
    pub tab: String,
    /// The page, or the frame with a process of its own.
    pub target: String,
    pub node: i64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    orders: mpsc::Sender<Order>,
}

#[derive(Default)]
struct World {
    in_field: bool,
    held: u32,
    /// What is being typed, as it was told last.
    typing: Option<Redacted<String>>,
}

/// What a document tells.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    hello: bool,
    gone: bool,
    focus: Option<bool>,
    held: Option<u32>,
    /// It has come across elements that may have a closed shadow root.
    roots: bool,
    /// What stands in the field that is typed in now.
    typing: Option<String>,
    values: Vec<String>,
}

struct Watchman {
    client: CdpClient,
    heard: broadcast::Receiver<Arc<CdpEvent>>,
    tabs: Tabs,
    privacy: Privacy,
    events: mpsc::Sender<BrowserEvent>,
    attached: Attached,
    /// The documents that have said hello, by session and context.
    worlds: HashMap<(String, i64), World>,
    /// What was told of each tab last.
    in_field: HashMap<String, bool>,
    /// What pages have logged since it was let go of.
    logged: u32,
    looks: Arc<Semaphore>,
    /// How often closed shadow roots were looked for.
    looked: u64,
}

impl Guard {
    pub(super) async fn start(
        mux: &Multiplexer,
        tabs: Tabs,
        privacy: Privacy,
        events: mpsc::Sender<BrowserEvent>,
    ) -> Result<Self, CdpError> {
        let client = CdpClient::attach(mux, Rules { owner: true, ..Rules::default() }).await?;
        let heard = client.events();
        // One moment at a time; whoever is ahead of the pages waits.
        let (orders, queue) = mpsc::channel(8);
        privacy.unseal_all();
        let mut watchman = Watchman {
            attached: Attached::new(client.clone(), &["iframe"]),
            client,
            heard,
            tabs,
            privacy,
            events,
            worlds: HashMap::new(),
            in_field: HashMap::new(),
            logged: 0,
            looks: Arc::new(Semaphore::new(MOST_LOOKS)),
            looked: 0,
        };
        watchman.on_tabs().await?;
        tokio::spawn(watchman.run(queue));
        Ok(Self { orders })
    }

    /// A moment begins: what is filled in from now on is kept.
    pub fn begin(&self) {
        // A full queue means that several begin at once; one is enough.
        let _ = self.orders.try_send(Order::Begin);
    }

    /// A field holds a secret that nobody typed by hand: as long as it does, its
    /// tab is sealed. False when it holds nothing, or cannot be found.
    pub(super) async fn hold(&self, field: Field) -> bool {
        let (reply, held) = oneshot::channel();
        if self.orders.send(Order::Hold(field, reply)).await.is_err() {
            return false;
        }
        tokio::time::timeout(2 * COVERING, held).await.is_ok_and(|held| held.unwrap_or_default())
    }

    /// A tab is sealed as far as it holds something, and not beyond.
    pub(super) async fn look_at(&self, tab: &str) {
        let _ = self.orders.send(Order::LookAt(tab.to_owned())).await;
    }

    /// A moment is over: ends when what was typed is known and covered, or
    /// after a second in a page that hangs.
    pub async fn end(&self) {
        let (reply, done) = oneshot::channel();
        if self.orders.send(Order::End(reply)).await.is_ok() {
            let _ = tokio::time::timeout(2 * COVERING, done).await;
        }
    }
}

impl Watchman {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut tabs = self.tabs.clone();
        loop {
            let done = tokio::select! {
                biased;
                event = self.heard.recv() => match event {
                    Ok(event) => self.on_event(&event).await,
                    Err(broadcast::error::RecvError::Lagged(lost)) => {
                        tracing::warn!(lost, "events of the guard of private moments were lost; all pages are asked again");
                        self.ask_again().await
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                changed = tabs.changed() => match changed {
                    Ok(()) => self.on_tabs().await,
                    Err(_) => return,
                },
                order = orders.recv() => match order {
                    Some(order) => self.on_order(order).await,
                    None => return,
                },
            };
            match done {
                Err(CdpError::Mux(_)) => return,
                Err(error) => tracing::debug!(%error, "a page went while it was guarded"),
                Ok(()) => {}
            }
        }
    }

    async fn ask_again(&self) -> Result<(), CdpError> {
        for (session, context) in self.worlds.keys() {
            drop(self.run_in(session, *context, AGAIN).await?);
        }
        Ok(())
    }

    async fn on_order(&mut self, order: Order) -> Result<(), CdpError> {
        match order {
            Order::Begin => {
                for (session, context) in self.worlds.keys() {
                    drop(self.run_in(session, *context, BEGIN).await?);
                }
            }
            Order::LookAt(tab) => self.tell(&tab).await,
            Order::Hold(field, reply) => {
                let held = self.hold(&field).await;
                self.tell(&field.tab).await;
                let _ = reply.send(held);
            }
            Order::End(reply) => {
                // Fields that are only being found; what is asked from now on is asked after it.
                let worlds: Vec<_> = self.worlds.keys().take(MOST_LOOKS).cloned().collect();
                worlds.iter().for_each(|world| self.look_behind(world));
                let asked = self.worlds.keys().map(|(session, context)| {
                    let client = self.client.clone();
                    let world = (session.clone(), *context);
                    let params = json!({ "expression": END, "contextId": context,
                        "returnByValue": true, "awaitPromise": true });
                    async move {
                        let done = client.send(Some(&world.0), "Runtime.evaluate", &params);
                        let done = tokio::time::timeout(COVERING, done).await.ok()?;
                        Some((world, done))
                    }
                });
                #[derive(Deserialize)]
                struct Outcome {
                    result: Remote,
                }
                #[derive(Deserialize)]
                struct Remote {
                    #[serde(default)]
                    value: Value,
                }
                for (world, done) in join_all(asked.collect::<Vec<_>>()).await.into_iter().flatten() {
                    match done {
                        Ok(done) => {
                            let outcome = read::<Outcome>("Runtime.evaluate", done.get());
                            let told = outcome.ok().map(|outcome| outcome.result.value);
                            if let Some(told) = told.and_then(|told| serde_json::from_value(told).ok()) {
                                self.on_told(world, told).await;
                            }
                        }
                        Err(error) if error.is_gone() => drop(self.worlds.remove(&world)),
                        Err(_) => {}
                    }
                }
                let _ = reply.send(());
            }
        }
        Ok(())
    }

    /// Has the document that the field is in hold it.
    async fn hold(&mut self, field: &Field) -> bool {
        #[derive(Deserialize)]
        struct Resolved {
            object: Object,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Object {
            object_id: String,
        }
        #[derive(Deserialize)]
        struct Outcome {
            result: Remote,
        }
        #[derive(Deserialize)]
        struct Remote {
            #[serde(default)]
            value: Value,
        }
        let there = |session: &str| {
            let inside = self.attached.get(session);
            inside.is_some_and(|inside| inside.tab == field.tab && inside.target == field.target)
        };
        let worlds: Vec<_> = self.worlds.keys().filter(|(session, _)| there(session)).cloned().collect();
        for (session, context) in worlds {
            let asked = async {
                // A node of another document is refused.
                let params = json!({ "backendNodeId": field.node, "executionContextId": context });
                let resolved = self.client.send(Some(&session), "DOM.resolveNode", &params).await?;
                let object = read::<Resolved>("DOM.resolveNode", resolved.get())?.object.object_id;
                let held = "function() { return globalThis.__tandem_guard?.hold(this) === true; }";
                let params =
                    json!({ "functionDeclaration": held, "objectId": object, "returnByValue": true });
                let method = "Runtime.callFunctionOn";
                let held = self.client.send(Some(&session), method, &params).await?;
                Ok::<_, CdpError>(read::<Outcome>(method, held.get())?.result.value == true)
            };
            if matches!(tokio::time::timeout(COVERING, asked).await, Ok(Ok(true))) {
                if let Some(world) = self.worlds.get_mut(&(session, context)) {
                    world.held = world.held.max(1);
                }
                return true;
            }
        }
        false
    }

    /// Runs something in a document; its end is not waited for.
    async fn run_in(
        &self,
        session: &str,
        context: i64,
        expression: &str,
    ) -> Result<super::act::Reply, CdpError> {
        let params = json!({ "expression": expression, "contextId": context });
        self.client.post(Some(session), "Runtime.evaluate", &params).await
    }

    async fn on_tabs(&mut self) -> Result<(), CdpError> {
        let open: Vec<String> =
            self.tabs.borrow_and_update().iter().map(|(info, _)| info.target.clone()).collect();
        let privacy = self.privacy.clone();
        self.attached.keep_tabs(|tab| open.iter().any(|open| open == tab));
        self.in_field.retain(|tab, _| {
            let is_open = open.contains(tab);
            if !is_open {
                privacy.seal(tab, false);
            }
            is_open
        });
        for tab in open {
            if self.attached.has_tab(&tab) {
                continue;
            }
            match self.attached.attach(&tab).await {
                Ok(()) => {}
                Err(CdpError::Mux(error)) => return Err(error.into()),
                Err(error) => tracing::debug!(%error, "a tab went before it could be guarded"),
            }
        }
        Ok(())
    }

    async fn on_event(&mut self, event: &CdpEvent) -> Result<(), CdpError> {
        if let Some(moved) = self.attached.on_event(event) {
            return self.on_moved(moved).await;
        }
        let session = event.session.clone().unwrap_or_default();
        if let Some(words) = PLANTED.words(event) {
            return self.on_words(session, words).await;
        }
        match event.method.as_str() {
            "Page.frameNavigated" => {
                #[derive(Deserialize)]
                struct Navigated {
                    frame: Frame,
                }
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Frame {
                    parent_id: Option<String>,
                }
                // The documents of this session went with its own; the new one says hello after this.
                if event.params::<Navigated>().is_some_and(|navigated| navigated.frame.parent_id.is_none()) {
                    self.worlds.retain(|(of, _), _| *of != session);
                    if let Some(tab) = self.attached.tab_of(&session) {
                        self.tell(&tab).await;
                    }
                }
            }
            "Runtime.consoleAPICalled" => {
                self.logged += 1;
                if self.logged.is_multiple_of(LOGGED) {
                    let params = json!({ "objectGroup": "console" });
                    drop(self.client.post(Some(&session), "Runtime.releaseObjectGroup", &params).await?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn on_moved(&mut self, moved: Moved) -> Result<(), CdpError> {
        match moved {
            Moved::In { session, .. } => {
                drop(PLANTED.plant(&self.client, &self.attached, &session).await?);
            }
            Moved::Out { session, inside } => {
                self.privacy.seal(&inside.target, false);
                self.worlds.retain(|(of, _), _| *of != session);
                self.tell(&inside.tab).await;
            }
            // The tracker tells of it.
            Moved::Closed => {}
        }
        Ok(())
    }

    async fn on_words(&mut self, session: String, words: Words) -> Result<(), CdpError> {
        let Ok(told) = serde_json::from_str::<Told>(&words.text) else { return Ok(()) };
        let world = (session, words.context);
        if told.hello && self.privacy.is_on() {
            drop(self.run_in(&world.0, world.1, BEGIN).await?);
        }
        if told.roots {
            self.look_behind(&world);
        }
        self.on_told(world, told).await;
        Ok(())
    }

    /// Looks for closed shadow roots where a document asks for it. Nobody waits:
    /// a page that is slow with it holds no other up, and the script tells what
    /// it found.
    fn look_behind(&mut self, (session, context): &(String, i64)) {
        let Ok(place) = Arc::clone(&self.looks).try_acquire_owned() else { return };
        self.looked += 1;
        let group = format!("tandem_roots_{}", self.looked);
        let (client, session, context) = (self.client.clone(), session.clone(), *context);
        tokio::spawn(async move {
            if let Err(error) = closed_roots::hand_over(&client, &session, context, &group).await {
                tracing::debug!(%error, "a document went before its closed shadow roots were found");
            }
            drop(place);
        });
    }

    async fn on_told(&mut self, world: (String, i64), told: Told) {
        for value in &told.values {
            self.privacy.masks().add(value);
        }
        let Some(tab) = self.attached.tab_of(&world.0) else { return };
        if told.gone {
            self.worlds.remove(&world);
        } else if self.worlds.len() < MOST_WORLDS || self.worlds.contains_key(&world) {
            let known = self.worlds.entry(world).or_default();
            known.in_field = told.focus.unwrap_or(known.in_field);
            known.held = told.held.unwrap_or(known.held);
            if let Some(value) = told.typing {
                let before = known.typing.as_ref().map(|before| before.reveal().as_str());
                self.privacy.masks().grow(before, &value);
                known.typing = Some(Redacted::new(value));
            }
        }
        self.tell(&tab).await;
    }

    /// What all documents of a tab come to.
    async fn tell(&mut self, tab: &str) {
        let of_tab = |session: &str| self.attached.get(session).is_some_and(|inside| inside.tab == tab);
        let worlds = || self.worlds.iter().filter(|((session, _), _)| of_tab(session));
        // A script in one frame reads the others of its origin: the tab is sealed as a whole.
        let sealed = worlds().any(|(_, world)| world.held > 0);
        self.privacy.seal(tab, sealed);
        for (_, inside) in self.attached.all().filter(|(_, inside)| inside.tab == tab) {
            self.privacy.seal(&inside.target, sealed);
        }
        let in_field = worlds().any(|(_, world)| world.in_field);
        if self.in_field.insert(tab.to_owned(), in_field).unwrap_or(false) != in_field {
            // A room that does not listen has gone.
            let event = BrowserEvent::SecretFocus { target: tab.to_owned(), in_field };
            let _ = self.events.send(event).await;
        }
    }
}
