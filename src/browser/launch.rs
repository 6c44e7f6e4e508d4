//! The Chromium of a room from its start to its end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chromiumoxide::handler::HandlerConfig;
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::client::CdpClient;
use super::downloads::Downloads;
use super::frames::Window;
use super::guard::Guard;
use super::journal::Journal;
use super::mux::{Door, GuestOptions, GuestRules, Multiplexer, MuxError, Rules};
use super::tabs::{self, Refresh, Tab, TabInfo, Tabs};
use super::uploads::Uploads;
use super::{Attached, BrowserError, BrowserSettings, CdpError};
use crate::base::{Actor, Privacy};
use crate::policy;
use crate::process::{self, Child, Exit, Program};

/// How long Chromium may take to answer for the first time.
const START: Duration = Duration::from_secs(30);
/// A Chromium that has not answered for this long hangs.
const HUNG: Duration = Duration::from_secs(10);

/// What happens to a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrowserEvent {
    /// The tabs have changed: all of them, in order. To be kept for a restart.
    Tabs(Vec<TabInfo>),
    TabCrashed {
        target: String,
        url: String,
    },
    /// The focus of a tab has come into a field of secrets, or is in none any more.
    SecretFocus {
        target: String,
        in_field: bool,
    },
    /// The last event.
    Ended(Exit),
}

/// A running Chromium. Dropping it ends the process.
pub struct Browser {
    child: Child,
    mux: Multiplexer,
    client: CdpClient,
    chromium: chromiumoxide::Browser,
    door: Door,
    guests: GuestOptions,
    privacy: Privacy,
    guard: Guard,
    executable: PathBuf,
    tabs: Tabs,
    refresh: mpsc::Sender<Refresh>,
    journal: Journal,
    pub(super) downloads: Downloads,
    pub(super) uploads: Uploads,
    tasks: Vec<JoinHandle<()>>,
}

/// Why a Chromium that has just started is gone.
fn ended(exit: process::Exit, log: String) -> BrowserError {
    match log.contains("No usable sandbox") || log.contains("Failed to move to new namespace") {
        true => BrowserError::NoSandbox,
        false => BrowserError::Ended { exit, log },
    }
}

/// chromiumoxide closes a page whose first commands go unanswered, for
/// instance behind an open dialog. Here a tab is closed by who means it.
const CHROMIUMOXIDE: Rules = Rules {
    owner: false,
    sees_browser_ui: false,
    refused: &[("Target.closeTarget", "tabs are closed by Tandem alone")],
};

impl Browser {
    pub async fn start(
        settings: BrowserSettings,
        events: mpsc::Sender<BrowserEvent>,
    ) -> Result<Self, BrowserError> {
        for dir in [&settings.profile_dir, &settings.download_dir] {
            settings.user.private_dir(dir)?;
        }
        settings.clear_profile_lock()?;
        let policy = settings.write_policies()?;
        let restore = settings.restorable();
        let first = restore.first().map_or(settings.start_url.as_str(), |tab| tab.url.as_str());
        let (program, args) = settings.command(policy.as_deref(), first);
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (their_read, our_write) = pipe().map_err(|error| BrowserError::Pipe(error.into()))?;
        let (our_read, their_write) = pipe().map_err(|error| BrowserError::Pipe(error.into()))?;
        // Pictures come through here; a larger pipe is fewer turns. Without it, all works as well.
        let _ = rustix::pipe::fcntl_setpipe_size(&our_read, 1 << 20);
        let log = settings.run_dir.join("chromium.log");
        let wrapped = policy.is_some();
        let child = process::spawn(Program {
            name: "chromium",
            program,
            args,
            env: settings.environment(),
            home: settings.profile_dir.clone(),
            user: settings.user.clone(),
            group: settings.group.clone(),
            network: settings.gate.as_ref().and_then(|gate| gate.network.clone()),
            fds: vec![(their_read, 3), (their_write, 4)],
            log: log.clone(),
            mark: settings.mark.clone(),
        })
        .await
        .map_err(|error| match error {
            process::ProcessError::Missing { .. } if wrapped => BrowserError::NoBubblewrap,
            error => error.into(),
        })?;
        let last_words = || {
            let text = process::read_end(&log, 600).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.trim().to_owned()
        };
        let mux = Multiplexer::start(our_read, our_write).map_err(BrowserError::Pipe)?;
        let client = CdpClient::attach(&mux, Rules { owner: true, ..Rules::default() })
            .await
            .map_err(CdpError::from)?;
        let nothing = json!({});
        let answer = tokio::select! {
            answer = tokio::time::timeout(START, client.send(None, "Browser.getVersion", &nothing)) => answer,
            exit = child.exited() => return Err(ended(exit, last_words())),
        };
        match answer {
            Ok(Ok(_)) => {}
            // The pipe closes a moment before the process is known to have ended.
            Ok(Err(_)) if tokio::time::timeout(Duration::from_secs(1), child.exited()).await.is_ok() => {
                return Err(ended(child.exited().await, last_words()));
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(BrowserError::Silent { seconds: START.as_secs(), log: last_words() }),
        }
        restore_tabs(&client, &restore).await?;
        let journal = Journal::default();
        let (tabs, refresh) = tabs::track(
            client.clone(),
            mux.clone(),
            journal.clone(),
            settings.privacy.clone(),
            events.clone(),
        )
        .await?;
        let privacy = settings.privacy.clone();
        let guard = Guard::start(&mux, tabs.clone(), privacy.clone(), events.clone()).await?;
        let folder = &settings.download_dir;
        let owner = settings.user.uid();
        let downloads = Downloads::start(&client, folder, owner, tabs.clone(), journal.clone()).await?;
        let uploads = Uploads::new(&settings.run_dir, &settings.user);
        let door = Door::open(mux.clone(), CHROMIUMOXIDE).await.map_err(BrowserError::Pipe)?;
        let (chromium, mut handler) =
            chromiumoxide::Browser::connect_with_config(door.url(), handler_config())
                .await
                .map_err(|error| BrowserError::Chromiumoxide(Box::new(error)))?;
        let drive = tokio::spawn(async move {
            while let Some(step) = handler.next().await {
                if let Err(error) = step {
                    tracing::debug!(%error, "chromiumoxide");
                    return;
                }
            }
        });
        let exited = child.exited();
        let watch = tokio::spawn(async move {
            let exit = match exited.await {
                // bubblewrap tells the signal that ended its child as a shell does.
                Exit::Code(code) if wrapped && code > 128 => Exit::Signal(code - 128),
                exit => exit,
            };
            // A room that no longer listens needs no news.
            let _ = events.send(BrowserEvent::Ended(exit)).await;
        });
        // The run directory lies in the server's data directory, with everything that it keeps.
        let private_dir = settings.mark.parent().unwrap_or(&settings.mark).to_owned();
        let guests = GuestOptions {
            target: None,
            download_dir: settings.download_dir.clone(),
            private_dir,
            rules: None,
            privacy: privacy.clone(),
        };
        let executable = settings.real_executable();
        Ok(Self {
            child,
            mux,
            client,
            chromium,
            door,
            guests,
            privacy,
            guard,
            executable,
            tabs,
            refresh,
            journal,
            downloads,
            uploads,
            tasks: vec![drive, watch],
        })
    }

    // Getters.

    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    pub fn is_running(&self) -> bool {
        self.child.is_running()
    }

    /// Whether the pipe to it is open: it closes as Chromium ends, a moment
    /// before its process is known to have ended.
    pub fn answers(&self) -> bool {
        self.child.is_running() && !self.client.is_closed()
    }

    /// Waits until the pipe to it has closed.
    pub async fn gone(&self) {
        self.client.closed().await;
    }

    /// The tabs as last seen, in order.
    pub fn tabs(&self) -> Vec<TabInfo> {
        self.tabs.borrow().iter().map(|(info, _)| info.clone()).collect()
    }

    /// A tab by the browser's name for it.
    pub fn tab(&self, target: &str) -> Option<Arc<Tab>> {
        let tabs = self.tabs.borrow();
        tabs.iter().find(|(info, _)| info.target == target).map(|(_, tab)| Arc::clone(tab))
    }

    /// What happened, in order.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What must not be seen of it, and when.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// What keeps watch over private moments in its pages.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    pub fn cdp_client(&self) -> &CdpClient {
        &self.client
    }

    /// chromiumoxide's own handle, for what it does well.
    pub fn chromiumoxide(&self) -> &chromiumoxide::Browser {
        &self.chromium
    }

    /// Another CDP client on the same pipe.
    pub async fn attach(&self, rules: Rules) -> Result<Attached, MuxError> {
        self.mux.attach(rules).await
    }

    /// A client of our own, which speaks in sessions.
    pub(super) async fn client_of_own(&self, rules: Rules) -> Result<CdpClient, MuxError> {
        CdpClient::attach(&self.mux, rules).await
    }

    /// The tabs, for who waits for a change of them.
    pub(super) fn tabs_seen(&self) -> Tabs {
        self.tabs.clone()
    }

    /// A client from outside, who speaks to the browser or to one target.
    pub async fn attach_guest(
        &self,
        target: Option<String>,
        actor: Actor,
        rules: Arc<dyn Fn() -> Arc<policy::Rules> + Send + Sync>,
    ) -> Result<Attached, MuxError> {
        let tabs = self.tabs.clone();
        let address = move |target: &str| {
            let tabs = tabs.borrow();
            tabs.iter().find(|(_, tab)| tab.page() == target).map(|(_, tab)| tab.url())
        };
        let rules = Some(GuestRules { actor, rules, address: Arc::new(address) });
        self.mux.attach_guest(GuestOptions { target, rules, ..self.guests.clone() }).await
    }

    /// Where a page is, by its own target; nothing when it is no tab's.
    pub fn address_of(&self, page: &str) -> Option<String> {
        let tabs = self.tabs.borrow();
        tabs.iter().find(|(_, tab)| tab.page() == page).map(|(_, tab)| tab.url())
    }

    /// The description of its protocol, as JSON; nothing when its package has none.
    pub async fn protocol(&self) -> Option<String> {
        super::protocol::read(&self.executable).await
    }

    /// Where a page's window is, by the page's own target.
    pub async fn window_of(&self, page: &str) -> Option<Window> {
        let tab = {
            let tabs = self.tabs.borrow();
            let found = tabs.iter().find(|(_, tab)| tab.state.borrow().page == page);
            found.map(|(_, tab)| Arc::clone(tab))
        }?;
        tab.window().await
    }

    /// Where the internal door is: a secret.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// Whether Chromium still answers.
    pub async fn is_responsive(&self) -> bool {
        let nothing = json!({});
        let answer = self.client.send(None, "Browser.getVersion", &nothing);
        matches!(tokio::time::timeout(HUNG, answer).await, Ok(Ok(_)))
    }

    /// Looks at the tab strip now, rather than at its last known state.
    pub async fn look_at_tabs(&self) -> Vec<TabInfo> {
        let (reply, answer) = oneshot::channel();
        match self.refresh.send(reply).await {
            Ok(()) => answer.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }

    /// The tab that people see.
    pub async fn front_tab(&self) -> Option<Arc<Tab>> {
        let tabs = self.look_at_tabs().await;
        let front = tabs.iter().find(|tab| tab.front).or(tabs.first())?;
        self.tab(&front.target)
    }

    /// Ends Chromium: asks it first, so that the profile is written, and does not wait longer than `grace`.
    pub async fn stop(&self, grace: Duration) -> Exit {
        let nothing = json!({});
        let half = grace / 2;
        let asked = self.client.post(None, "Browser.close", &nothing).await.is_ok();
        let exit = match asked {
            true => tokio::time::timeout(half, self.child.exited()).await.ok(),
            false => None,
        };
        match exit {
            Some(exit) => exit,
            None => self.child.terminate(half).await,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(drive) = self.tasks.first() {
            drive.abort();
        }
        self.child.kill();
    }
}

fn handler_config() -> HandlerConfig {
    HandlerConfig {
        ignore_https_errors: false,
        ignore_invalid_messages: true,
        // The window's own size; the default would shrink every page to 800x600.
        viewport: None,
        request_timeout: Duration::from_secs(60),
        ..HandlerConfig::default()
    }
}

/// Opens the tabs after the first, which came with the command line, and
/// brings to front what was there.
async fn restore_tabs(client: &CdpClient, restore: &[super::RestoredTab]) -> Result<(), CdpError> {
    let mut front = None;
    for tab in restore.iter().skip(1) {
        let params = json!({ "url": tab.url, "background": true });
        let made = client.send(None, "Target.createTarget", &params).await?;
        if tab.front {
            front = serde_json::from_str::<serde_json::Value>(made.get()).ok();
        }
    }
    if let Some(target) = front.as_ref().and_then(|made| made.get("targetId")) {
        client.send(None, "Target.activateTarget", &json!({ "targetId": target })).await?;
    }
    Ok(())
}
