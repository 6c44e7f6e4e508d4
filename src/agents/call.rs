//! One call of a tool on its way, whatever door it came through: what it may
//! use, and what its answer says of the page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rmcp::model::{ElicitRequestParams, JsonObject};
use tokio::sync::OwnedMutexGuard;

use super::answer::{self, Answer, Done, Fault};
use super::catalogue;
use super::private;
use super::record;
use super::session::{Held, Session, Shown, Work};
use super::tool::{Entry, Kind};
use crate::base::{Before, ToolGroups};
use crate::browser::{self, Acting, Browser, Fact, Locator, Outline, Snapshot, SnapshotScope, Tab, Watch};
use crate::policy;

/// How long a call waits for a person to be still.
const FLOOR: Duration = Duration::from_secs(30);
/// How long a call waits for a browser that is being started.
const BROWSER: Duration = Duration::from_secs(10);
/// How long it may take until the end of a browser that no longer answers is known.
const LAST_BREATH: Duration = Duration::from_millis(50);
/// How long what was typed in private may take to be covered.
const COVERED: Duration = Duration::from_secs(3);
/// How long an element may take to be there and ready.
pub(super) const ACT: Duration = Duration::from_secs(5);
/// How long a page may take to come, a text to appear, a function to return.
pub(super) const PAGE: Duration = Duration::from_secs(30);

/// Tells whoever called that the call is still on its way.
pub(super) trait Progress: Send + Sync {
    fn tell(&self, message: String) -> BoxFuture<'_, ()>;

    /// Asks the user of the caller's client, and never ends when there is no
    /// answer to be had. Dropping this takes the question back.
    fn elicit(&self, _: ElicitRequestParams) -> BoxFuture<'_, policy::Answer> {
        Box::pin(std::future::pending())
    }
}

/// For doors that have no way to tell.
pub(super) struct Untold;

impl Progress for Untold {
    fn tell(&self, _: String) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

pub(super) struct Call {
    pub session: Arc<Session>,
    pub browser: Arc<Browser>,
    pub(super) progress: Arc<dyn Progress>,
    pub work: OwnedMutexGuard<Work>,
    /// When it began, as far as private moments are concerned.
    since: Before,
}

/// What an answer shows of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    /// Where it is, nothing of what is on it.
    Address,
    /// What changed since it was shown last.
    Changes,
    Whole,
}

/// Calls a tool by its name. A call of a session waits for the one before it.
pub(super) async fn call(
    session: &Arc<Session>,
    groups: ToolGroups,
    name: &str,
    arguments: JsonObject,
    progress: Arc<dyn Progress>,
) -> Answer {
    let entry = match catalogue::find(name, groups) {
        Ok(entry) => entry,
        Err(why) => return Answer::failed(Fault::new("unknown_tool", why)),
    };
    if entry.kind != Kind::Looks {
        session.keep_saying("");
    }
    let answer = run(session, entry, arguments, progress).await;
    session.done();
    answer
}

async fn run(
    session: &Arc<Session>,
    entry: &Entry,
    arguments: JsonObject,
    progress: Arc<dyn Progress>,
) -> Answer {
    let mut work = Arc::clone(&session.work).lock_owned().await;
    // What only looks may be done a second time when the browser went under it.
    let listing = arguments.get("action").is_some_and(|action| action == "list");
    let looks = entry.kind == Kind::Looks || (entry.tool.name == "browser_tabs" && listing);
    for last in [!looks, true] {
        let browser = match session.seat.browser(Instant::now() + BROWSER).await {
            Ok(browser) => browser,
            Err(why) => return Answer::failed(Fault::new("no_browser", why)),
        };
        let mut call = Call {
            session: Arc::clone(session),
            browser: Arc::clone(&browser),
            progress: Arc::clone(&progress),
            work,
            since: browser.privacy().now(),
        };
        let kind = if looks { Kind::Looks } else { entry.kind };
        let page = call.work.current(&browser).map(|attending| attending.tab().url());
        let page = page.or_else(|| session.seat.view().borrow().page.as_ref().map(|page| page.url.clone()));
        let recorded = match record::begin(session, kind, &entry.tool.name, &arguments, page).await {
            Ok(recorded) => recorded,
            Err(fault) => return Answer::failed(fault),
        };
        // What happens after its first call is news to it, whether it asks for news or not.
        call.work.told(&browser);
        let tool = entry.tool.name.as_ref();
        call.covered().await;
        let tab = call.work.current(&browser).map(|attending| Arc::clone(attending.tab()));
        let private = private::refused(browser.privacy(), tool, tab.as_deref());
        let done = match private.or_else(|| call.outdated(&arguments)) {
            Some(fault) => Err(fault),
            None => match call.consent(&entry.tool.name, &arguments).await {
                Ok(()) => (entry.run)(&mut call, arguments.clone()).await,
                Err(fault) => Err(fault),
            },
        };
        let done = private::given(browser.privacy(), tool, call.since, done);
        record::end(session, recorded, &done);
        let none_open = |answer: &Answer| answer.tabs.as_ref().is_some_and(|(tabs, _)| tabs.is_empty());
        let doubtful = done.as_ref().map_or(true, none_open);
        // The pipe closes a moment after its last command has failed.
        let went = doubtful && tokio::time::timeout(LAST_BREATH, browser.gone()).await.is_ok();
        match done {
            _ if went && last => {
                return Answer::failed(Fault::new(
                    "browser_ended",
                    "the browser ended during this call and is being started again with its tabs; \
                     take a new snapshot before going on",
                ));
            }
            _ if went => work = call.work,
            Ok(answer) => return Answer { masks: browser.privacy().masks().clone(), ..answer },
            Err(fault) if fault.code == "private" => return Answer::failed(fault),
            Err(fault) => {
                let answer = call.failed(fault).await;
                let answer = match browser.privacy().touched(call.since) {
                    true => answer.without_page(),
                    false => answer,
                };
                return Answer { masks: browser.privacy().masks().clone(), ..answer };
            }
        }
    }
    Answer::failed(Fault::new("browser_ended", "the browser keeps ending; try again in a moment"))
}

/// A file's name as a part of an address.
fn url_escaped(name: &str) -> String {
    name.bytes()
        .map(|c| match c {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(c).to_string(),
            _ => format!("%{c:02X}"),
        })
        .collect()
}

pub(super) fn within(time: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + time
}

pub(super) fn locator(text: &str) -> Result<Locator, Fault> {
    text.parse().map_err(|error: crate::browser::LocatorError| Fault::new("bad_locator", error.to_string()))
}

/// Whether an argument is a ref of an outline, or holds one.
fn names_ref((key, value): (&String, &serde_json::Value)) -> bool {
    match value {
        serde_json::Value::String(text) => {
            let named = matches!(key.as_str(), "target" | "ref" | "startTarget" | "endTarget");
            named && matches!(text.parse::<Locator>(), Ok(locator) if locator.is_ref())
        }
        serde_json::Value::Array(values) => {
            values.iter().filter_map(serde_json::Value::as_object).any(|object| object.iter().any(names_ref))
        }
        _ => false,
    }
}

/// The page, or why it cannot be shown.
async fn look(tab: &Tab, limit: Duration) -> Result<Snapshot, String> {
    let scope = SnapshotScope::default();
    match tokio::time::timeout(limit, tab.snapshot(&scope)).await {
        Ok(Ok(snapshot)) => Ok(snapshot),
        Ok(Err(error)) => Err(format!("The page cannot be shown: {error}")),
        Err(_) => Err("The page does not answer.".to_owned()),
    }
}

impl Call {
    /// A private moment that is over but for what was typed being covered is waited for.
    async fn covered(&mut self) {
        if self.browser.privacy().is_on() {
            let mut view = self.session.seat.view();
            let over = view.wait_for(|view| !view.private.as_ref().is_some_and(|moment| moment.ending));
            let _ = tokio::time::timeout(COVERED, over).await;
            self.since = self.browser.privacy().now();
        }
    }

    /// The refusal of refs from before a person had the browser for themselves.
    fn outdated(&mut self, arguments: &JsonObject) -> Option<Fault> {
        let hand_backs = self.session.seat.view().borrow().floor.hand_backs;
        if !self.work.is_outdated(hand_backs) || !arguments.iter().any(names_ref) {
            return None;
        }
        let browser = Arc::clone(&self.browser);
        let (facts, _) = browser.journal().since(self.work.told(&browser));
        let told = facts.iter().rev().find_map(|entry| match &entry.fact {
            Fact::HandedBack { by, note, seconds } if note.is_empty() => {
                Some(format!("{by} had the browser for {seconds} s"))
            }
            Fact::HandedBack { by, note, seconds } => {
                Some(format!("{by} had the browser for {seconds} s and says {note:?}"))
            }
            _ => None,
        });
        let told = told.unwrap_or_else(|| "a person had the browser".into());
        Some(Fault::new(
            "stale_ref",
            format!(
                "{told}; refs from before are stale. what_changed says what happened and shows the page; then use the refs from there"
            ),
        ))
    }

    /// The tab that this agent works in: the one it chose, else the one in front.
    pub async fn tab(&mut self) -> Result<Arc<Tab>, Fault> {
        let browser = Arc::clone(&self.browser);
        if let Some(attending) = self.work.current(&browser) {
            return Ok(Arc::clone(attending.tab()));
        }
        let front = browser.front_tab().await;
        let front = front
            .ok_or_else(|| Fault::new("no_tab", "the browser has no tab; open one with browser_tabs"))?;
        self.choose(Arc::clone(&front)).await;
        Ok(front)
    }

    /// From now on the agent works in this tab.
    pub async fn choose(&mut self, tab: Arc<Tab>) {
        self.work.choose(tab).await;
    }

    /// The console and the network of its tab.
    pub async fn watch(&mut self) -> Result<&Watch, Fault> {
        self.tab().await?;
        let browser = Arc::clone(&self.browser);
        let attending = self.work.current(&browser);
        attending.map(|attending| attending.watch()).ok_or_else(|| Fault::new("closed", "the tab was closed"))
    }

    /// Waits for the floor; tells a client that asked for it that it still waits.
    pub async fn floor(&self) -> Result<Held, Fault> {
        let seat = Arc::clone(&self.session.seat);
        let mut floor = seat.floor(Instant::now() + FLOOR);
        let mut clock = tokio::time::interval(Duration::from_secs(5));
        clock.tick().await;
        loop {
            tokio::select! {
                granted = &mut floor => {
                    let permit = granted.map_err(|refused| Fault::new("floor", refused.to_string()))?;
                    return Ok(Held::new(Arc::clone(&self.session.seat), permit));
                }
                _ = clock.tick() => {
                    self.progress.tell("waiting for the person who uses the browser".into()).await;
                }
            }
        }
    }

    pub fn acting<'b>(&self, tab: &'b Tab, held: &'b Held, shown: &'b Shown) -> Acting<'b> {
        // An act is drawn at most twice, with its two ends, before it is done.
        let drawn = shown.callouts.as_ref().map_or(Duration::ZERO, |style| style.duration * 2);
        Acting { tab, permit: held.permit(), observer: shown, deadline: within(ACT + drawn) }
    }

    /// What people have filled in since is theirs; what comes now is the agent's own.
    pub async fn note_fields(&mut self) {
        if let Ok(watch) = self.watch().await {
            // Who filled in what is of use to `what_changed` only; it must not stop an act.
            let _ = tokio::time::timeout(ACT, watch.record_fields()).await;
        }
    }

    /// Does something after what people have filled in is asked for. Where that
    /// is one question it arrives first, and its answer need not be waited for.
    pub async fn noting_fields<T>(&mut self, act: impl Future<Output = T>) -> T {
        if self.watch().await.is_ok_and(|watch| watch.knows_fields()) {
            return tokio::join!(self.note_fields(), act).1;
        }
        self.note_fields().await;
        act.await
    }

    pub fn shown(&self) -> Shown {
        Shown { session: Arc::clone(&self.session), callouts: self.work.callouts.clone() }
    }

    pub async fn tell(&self, message: impl Into<String>) {
        self.progress.tell(message.into()).await;
    }

    /// The answer after an act: what was run, what came of it, what changed on the page.
    pub async fn after(&mut self, done: browser::Done, code: String) -> Done {
        self.answer_act(done, code, false).await
    }

    /// The same after an act that filled in fields: those are the agent's own and not noted.
    pub async fn after_filling(&mut self, done: browser::Done, code: String) -> Done {
        self.answer_act(done, code, true).await
    }

    async fn answer_act(&mut self, done: browser::Done, code: String, filled: bool) -> Done {
        let mut answer = self.look_around(Show::Changes, filled).await;
        answer.code = Some(code);
        answer.chooser = done.chooser;
        for opened in &done.opened {
            let index = answer.tabs.as_ref().and_then(|(tabs, _)| {
                let page = |tab: &browser::TabInfo| self.browser.tab(&tab.target).map(|tab| tab.page());
                tabs.iter().position(|tab| page(tab).as_deref() == Some(&opened.page))
            });
            answer.events.push(match index {
                Some(index) => format!("It opened tab {index}: {}. Go there with browser_tabs", opened.url),
                None => format!("It opened another tab: {}", opened.url),
            });
        }
        if done.closed {
            answer.events.push("It closed its tab".into());
        }
        Ok(answer)
    }

    /// Where things stand. An open dialog stands in place of the page.
    pub async fn state(&mut self, show: Show) -> Answer {
        self.look_around(show, false).await
    }

    async fn look_around(&mut self, show: Show, filled: bool) -> Answer {
        let browser = Arc::clone(&self.browser);
        // A page that hangs with an act is not waited for as long as one that is asked for.
        let limit = if show == Show::Changes { ACT } else { PAGE };
        // The tab strip and the page are asked at once; mostly the tab is the one it was.
        let attending = self.work.current(&browser);
        let before = attending.map(|attending| Arc::clone(attending.tab()));
        let looking = async {
            match &before {
                Some(tab) if show != Show::Address && tab.dialog().is_none() => Some(look(tab, limit).await),
                _ => None,
            }
        };
        let forgetting = async {
            if let Some(attending) = attending.filter(|_| filled) {
                let _ = tokio::time::timeout(ACT, attending.watch().forget_fields()).await;
            }
        };
        let (tabs, early, ()) = tokio::join!(browser.look_at_tabs(), looking, forgetting);
        let Ok(tab) = self.tab().await else {
            return Answer { tabs: Some((tabs, None)), ..Answer::default() };
        };
        let mut answer = Answer {
            dialog: tab.dialog(),
            page: Some((tab.url(), tab.title())),
            tabs: Some((tabs, Some(tab.target().to_owned()))),
            ..Answer::default()
        };
        if show != Show::Address && answer.dialog.is_none() {
            let same = before.is_some_and(|before| Arc::ptr_eq(&before, &tab));
            let looked = match early.filter(|_| same) {
                Some(looked) => looked,
                None => look(&tab, limit).await,
            };
            match looked {
                Ok(snapshot) => {
                    answer.page = Some((tab.url(), snapshot.title.clone()));
                    answer.outline = Some(self.show(&tab, snapshot, show == Show::Changes));
                }
                Err(why) => answer.result = Some(why),
            }
        }
        // What did not change since its last answer it knows.
        if let Some((url, title)) = &answer.page
            && !self.work.arrive(&tab, url, title)
            && matches!(answer.outline, Some(answer::Shown::Changes(_)))
        {
            answer.page = None;
        }
        answer
    }

    /// The page for the agent, which from now on knows it so.
    pub fn show(&mut self, tab: &Tab, snapshot: Snapshot, changes: bool) -> answer::Shown {
        let hand_backs = self.session.seat.view().borrow().floor.hand_backs;
        self.work.looked(hand_backs);
        let before = self.work.show(tab, snapshot.outline.clone());
        match before.as_ref().filter(|_| changes).map(|before: &Outline| snapshot.since(before)) {
            Some(Ok(delta)) => answer::Shown::Changes(delta.text().to_owned()),
            _ => answer::Shown::Whole(snapshot.yaml),
        }
    }

    /// Lays a result down as a file and says where it is fetched.
    pub fn file(&self, name: &str, mime: &str, bytes: impl Into<bytes::Bytes>) -> Result<String, Fault> {
        let privacy = self.browser.privacy();
        if privacy.touched(self.since) {
            return Err(Fault::new(
                "private",
                "a person was in a private moment meanwhile; nothing of it is kept",
            ));
        }
        let (session, bytes) = (&self.session, bytes.into());
        let bytes = match std::str::from_utf8(&bytes) {
            Ok(text) if privacy.masks().finds(&bytes) => privacy.masks().mask(text).into_owned().into(),
            _ => bytes,
        };
        let length = bytes.len();
        let name = session.shelf.put(&session.room, name, mime, bytes);
        let name = name.map_err(|why| Fault::new("no_place", why))?;
        let path: String = url_escaped(&name);
        Ok(format!("{length} bytes, to be fetched from /api/rooms/{}/files/{path}", session.room))
    }

    async fn failed(&mut self, fault: Fault) -> Answer {
        Answer { fault: Some(fault), ..self.state(Show::Address).await }
    }
}
