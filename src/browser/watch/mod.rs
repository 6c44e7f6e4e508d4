//! What an agent sees of a tab beside its elements: console, network, routes,
//! emulation, and what people typed.
//!
//! Owns one CDP client per agent and tab. So Chromium itself undoes all that
//! the agent has set when the client goes: routes end and what they held goes
//! on, emulation is taken back, nothing is buffered any more. A tab to which no
//! agent attends is not listened to at all.

mod console;
mod emulate;
mod exchange;
mod fields;
mod glob;
mod link;
mod network;
mod request;
mod route;

pub use console::{Level, Message, Origin, SourcePlace};
pub use emulate::{Conditions, DeviceChange, Emulated, Geolocation, Media};
pub use exchange::Body;
pub use fields::FieldChange;
pub use glob::{Glob, GlobError};
pub use request::{Hop, Request, RequestMark, RequestState};
pub use route::{Route, RouteAction, RouteRequest};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::console::Console;
use self::link::Link;
use self::network::Network;
use self::route::Routes;
use super::CdpClient;
use super::fault::ActError;
use super::journal::Journal;
use super::mux::Multiplexer;
use super::tabs::Tab;
use crate::base::Privacy;

/// How long a page may take to answer before an agent goes on without its log.
const PATIENCE: Duration = Duration::from_secs(2);

/// One agent's eyes on a tab. Dropping it undoes all that it has set.
pub struct Watch {
    pub(super) seen: Arc<Seen>,
    task: JoinHandle<()>,
    /// What keeps the changed fields, by frame; what is missing is looked for again.
    keepers: Mutex<HashMap<String, fields::Keeper>>,
}

/// What the task writes and everybody reads.
pub(super) struct Seen {
    target: String,
    tab: Weak<Tab>,
    link: watch::Sender<Link>,
    console: watch::Sender<Console>,
    network: watch::Sender<Network>,
    routes: watch::Sender<Routes>,
    emulated: watch::Sender<Emulated>,
    journal: Journal,
    privacy: Privacy,
    /// Answered once everything that came before is written down.
    barriers: mpsc::Sender<oneshot::Sender<()>>,
}

impl Watch {
    /// Begins to watch. Returns when the page's events arrive, or after two
    /// seconds if it does not answer; what it tells later is still heard.
    pub(super) async fn start(tab: &Arc<Tab>, mux: Multiplexer, journal: Journal) -> Self {
        // When 16 wait for the task, the next one waits too.
        let (barriers, waiting) = mpsc::channel(16);
        let seen = Arc::new(Seen {
            target: tab.target().to_owned(),
            tab: Arc::downgrade(tab),
            link: watch::channel(Link::default()).0,
            console: watch::channel(Console::default()).0,
            network: watch::channel(Network::default()).0,
            routes: watch::channel(Routes::default()).0,
            emulated: watch::channel(Emulated::default()).0,
            journal,
            privacy: tab.privacy.clone(),
            barriers,
        });
        let task = tokio::spawn(link::run(Arc::clone(&seen), mux, waiting));
        let mut link = seen.link.subscribe();
        let mut state = tab.state.clone();
        let up = async {
            tokio::select! {
                _ = link.wait_for(|link| link.ready || link.fault.is_some()) => {}
                _ = state.wait_for(|state| state.dialog.is_some() || state.closed || state.crashed) => {}
            }
        };
        let _ = tokio::time::timeout(PATIENCE, up).await;
        Self { seen, task, keepers: Mutex::default() }
    }

    /// What was logged at this level or a more severe one: since the page
    /// was loaded, or since the agent came.
    pub fn messages(&self, level: Level, all: bool) -> Vec<Message> {
        self.seen.console.borrow().list(level, all)
    }

    /// How many errors and warnings the page has logged since it was loaded.
    pub fn message_counts(&self) -> (u64, u64) {
        self.seen.console.borrow().counts()
    }

    pub fn message(&self, number: u64) -> Option<Message> {
        self.seen.console.borrow().get(number)
    }

    /// Forgets what was logged; the numbers go on.
    pub fn clear_messages(&self) {
        self.seen.console.send_modify(Console::clear);
    }

    /// Changes whenever something is logged.
    pub fn console_changed(&self) -> impl Future<Output = ()> + Send + use<> {
        changed(self.seen.console.subscribe())
    }

    /// The requests since the page was loaded, or since the agent came.
    pub fn requests(&self, all: bool) -> Vec<Request> {
        self.seen.network.borrow().list(all)
    }

    pub fn request(&self, number: u64) -> Option<Request> {
        self.seen.network.borrow().get(number)
    }

    pub fn clear_requests(&self) {
        self.seen.network.send_modify(Network::clear);
    }

    /// Changes whenever a request begins, goes on or ends.
    pub fn network_changed(&self) -> impl Future<Output = ()> + Send + use<> {
        changed(self.seen.network.subscribe())
    }

    /// Waits until everything that the browser has told so far is written down.
    pub async fn catch_up(&self) {
        self.seen.catch_up().await;
    }

    /// Why nothing is heard, if so.
    pub fn fault(&self) -> Option<String> {
        self.seen.link.borrow().fault.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(tab) = self.seen.tab.upgrade() {
            tab.remove_watch(&self.seen);
            if tab.watches().is_empty() {
                tab.drop_highlight();
            }
        }
        // The client goes with its last clone, and all that it has set with it.
        self.seen.link.send_replace(Link::default());
        self.seen.routes.send_replace(Routes::default());
        self.seen.emulated.send_replace(Emulated::default());
    }
}

impl Seen {
    fn client(&self) -> Result<(CdpClient, String), ActError> {
        let link = self.link.borrow();
        match &link.client {
            Some(client) if !link.page.is_empty() => Ok((client.clone(), link.page.clone())),
            _ => Err(ActError::Refused(match &link.fault {
                Some(fault) => format!("the tab cannot be watched: {fault}"),
                None => "the tab is not watched yet; try again".to_owned(),
            })),
        }
    }

    /// Sends a command to the page and to its frames in other processes.
    async fn send_all(&self, method: &str, params: &Value) -> Result<(), ActError> {
        let (client, page) = self.client()?;
        let frames = self.link.borrow().frames();
        for frame in frames.iter().filter(|frame| **frame != page) {
            drop(client.post(Some(frame), method, params).await?);
        }
        client.send(Some(&page), method, params).await?;
        Ok(())
    }

    async fn catch_up(&self) {
        let Ok((client, _)) = self.client() else { return };
        let all = async {
            // Its answer comes after all that was told before.
            let _ = client.send(None, "Browser.getVersion", &json!({})).await;
            let (reply, done) = oneshot::channel();
            if self.barriers.send(reply).await.is_ok() {
                let _ = done.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, all).await;
    }
}

impl Tab {
    /// The watches that live, oldest first.
    fn watches(&self) -> Vec<Arc<Seen>> {
        let mut watches = self.watches.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        watches.retain(|seen| seen.strong_count() > 0);
        watches.iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn add_watch(&self, watch: &Watch) {
        let mut watches = self.watches.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        watches.push(Arc::downgrade(&watch.seen));
    }

    fn remove_watch(&self, seen: &Arc<Seen>) {
        let mut watches = self.watches.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        watches.retain(|watch| !std::ptr::eq(watch.as_ptr(), Arc::as_ptr(seen)));
    }

    /// All that agents have changed about this tab and that people might notice.
    pub fn emulated(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for seen in self.watches() {
            all.extend(seen.emulated.borrow().describe());
            all.extend(seen.routes.borrow().describe());
        }
        all.dedup();
        all
    }

    /// Where the requests of this tab are now. To be taken before an act.
    pub fn requests_mark(&self) -> Option<RequestMark> {
        let seen = self.watches().into_iter().next()?;
        let mark = seen.network.borrow().mark();
        Some(mark)
    }

    /// How many requests that a reader would wait for have no answer yet.
    pub fn requests_in_flight(&self) -> usize {
        self.watches().first().map_or(0, |seen| seen.network.borrow().unanswered(RequestMark::default()))
    }

    /// Waits until the requests begun since the mark are answered: documents,
    /// scripts, styles and what scripts fetch. Not for sockets, streams, media
    /// and beacons; not beyond the deadline. False when some are still out.
    pub async fn requests_answered(&self, since: RequestMark, deadline: Instant) -> bool {
        let Some(seen) = self.watches().into_iter().next() else { return true };
        let mut network = seen.network.subscribe();
        let mut page = self.state.clone();
        let quiet = async {
            loop {
                seen.catch_up().await;
                if network.borrow_and_update().unanswered(since) == 0 {
                    return true;
                }
                tokio::select! {
                    quiet = network.wait_for(|network| network.unanswered(since) == 0) => {
                        // Whoever watched has gone: nothing is known any more.
                        if quiet.is_err() { return true }
                    }
                    // A dialog stops the page, and with it its requests.
                    _ = page.wait_for(|page| page.dialog.is_some() || page.crashed || page.closed) => {
                        return false;
                    }
                }
            }
        };
        tokio::time::timeout_at(deadline, quiet).await.unwrap_or(false)
    }
}

async fn changed<T>(mut receiver: watch::Receiver<T>) {
    let _ = receiver.changed().await;
}

/// The beginning of a text, at most so many bytes, and whether something is missing.
pub(super) fn cut(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, false);
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    (&text[..end], true)
}

/// The beginning of a text, with a mark where it was cut.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match cut(text, most) {
        (text, false) => text.to_owned(),
        (text, true) => format!("{text}…"),
    }
}
