//! One call of a tool on its way, whatever door it came through: what it may
//! use, and what its answer says of the page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use rmcp::model::JsonObject;
use tokio::sync::OwnedMutexGuard;

use super::answer::{Answer, Done, Fault};
use super::catalogue;
use super::session::{Current, Held, Session, Shown};
use super::tool::{Entry, Kind};
use crate::base::ToolGroups;
use crate::browser::{Acting, Attending, Browser, Locator, SnapshotScope, Tab};

/// How long a call waits for a person to be still.
const FLOOR: Duration = Duration::from_secs(30);
/// How long a call waits for a browser that is being started.
const BROWSER: Duration = Duration::from_secs(10);
/// How long it may take until the end of a browser that no longer answers is known.
const LAST_BREATH: Duration = Duration::from_millis(50);
/// How long an element may take to be there and ready.
pub(super) const ACT: Duration = Duration::from_secs(5);
/// How long a page may take to come, a text to appear, a function to return.
pub(super) const PAGE: Duration = Duration::from_secs(30);

/// Tells whoever called that the call is still on its way.
pub(super) trait Progress: Send + Sync {
    fn tell(&self, message: String) -> BoxFuture<'_, ()>;
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
    progress: Arc<dyn Progress>,
    current: OwnedMutexGuard<Current>,
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
    let mut current = Arc::clone(&session.current).lock_owned().await;
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
            current,
        };
        let done = (entry.run)(&mut call, arguments.clone()).await;
        let none_open = |answer: &Answer| answer.tabs.as_ref().is_none_or(|(tabs, _)| tabs.is_empty());
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
            _ if went => current = call.current,
            Ok(answer) => return answer,
            Err(fault) => return call.failed(fault).await,
        }
    }
    Answer::failed(Fault::new("browser_ended", "the browser keeps ending; try again in a moment"))
}

pub(super) fn within(time: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + time
}

pub(super) fn locator(text: &str) -> Result<Locator, Fault> {
    text.parse().map_err(|error: crate::browser::LocatorError| Fault::new("bad_locator", error.to_string()))
}

impl Call {
    /// The tab that this agent works in: the one it chose, else the one in front.
    pub async fn tab(&mut self) -> Result<Arc<Tab>, Fault> {
        if let Some(attending) = self.current.as_ref()
            && attending.tab().is_open()
            && self
                .browser
                .tab(attending.tab().target())
                .is_some_and(|tab| Arc::ptr_eq(&tab, attending.tab()))
        {
            return Ok(Arc::clone(attending.tab()));
        }
        *self.current = None;
        let front = self.browser.front_tab().await;
        let front = front
            .ok_or_else(|| Fault::new("no_tab", "the browser has no tab; open one with browser_tabs"))?;
        self.choose(Arc::clone(&front)).await;
        Ok(front)
    }

    /// From now on the agent works in this tab.
    pub async fn choose(&mut self, tab: Arc<Tab>) {
        *self.current = Some(Attending::start(tab).await);
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
        Acting { tab, permit: held.permit(), observer: shown, deadline: within(ACT) }
    }

    pub fn shown(&self) -> Shown {
        Shown(Arc::clone(&self.session.seat))
    }

    pub async fn tell(&self, message: impl Into<String>) {
        self.progress.tell(message.into()).await;
    }

    /// The answer after an act: what was run, where the page is, its outline.
    pub async fn after(&mut self, code: String) -> Done {
        Ok(Answer { code: Some(code), ..self.state(true).await })
    }

    /// Where things stand. An open dialog stands in place of the outline.
    pub async fn state(&mut self, outline: bool) -> Answer {
        let tabs = self.browser.look_at_tabs().await;
        let Ok(tab) = self.tab().await else { return Answer::default() };
        let mut answer = Answer {
            dialog: tab.dialog(),
            page: Some((tab.url(), tab.title())),
            tabs: Some((tabs, Some(tab.target().to_owned()))),
            ..Answer::default()
        };
        if outline && answer.dialog.is_none() {
            let scope = SnapshotScope::default();
            let snapshot = tab.snapshot(&scope);
            match tokio::time::timeout(PAGE, snapshot).await {
                Ok(Ok(snapshot)) => {
                    answer.page = Some((snapshot.url.clone(), snapshot.title.clone()));
                    answer.snapshot = Some(snapshot);
                }
                Ok(Err(error)) => answer.result = Some(format!("The page cannot be shown: {error}")),
                Err(_) => answer.result = Some("The page does not answer.".into()),
            }
        }
        answer
    }

    async fn failed(&mut self, fault: Fault) -> Answer {
        Answer { fault: Some(fault), ..self.state(false).await }
    }
}
