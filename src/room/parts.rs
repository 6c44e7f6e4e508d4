//! The living parts of a room: display, window manager, browser, encoders.
//! Starts each in a task of its own, holds it while it lives, hands its
//! events on. Decides nothing: the lifecycle does.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::camera::Camera;
use super::lifecycle::Part;
use super::reach::{Reach, Standing};
use super::{Profile, RoomSettings, RoomSpec};
use crate::base::{Privacy, RoomId, Size};
use crate::browser::{Browser, BrowserEvent, BrowserSettings, RestoredTab, TabInfo};
use crate::display::{Display, DisplayEvent, DisplaySettings};
use crate::media::Pipeline;
use crate::process::{Group, RoomUser};

/// How long Chromium may take to close by itself.
const BROWSER_GRACE: Duration = Duration::from_secs(2);
/// How long a display that is being started when all ends may still take: one
/// that is killed in the middle of its start leaves its lock behind.
const DISPLAY_GRACE: Duration = Duration::from_millis(1200);

/// What a part has to say.
pub(super) enum Begun {
    Started(Part),
    Ended { part: Part, reason: String },
    Display(DisplayEvent),
    Browser(BrowserEvent),
}

enum Outcome {
    Display(Result<(Arc<Display>, mpsc::Receiver<DisplayEvent>), String>),
    WindowManager(Result<(), String>),
    Browser(Result<(Arc<Browser>, mpsc::Receiver<BrowserEvent>, Standing), String>),
}

pub(super) struct Parts {
    spec: RoomSpec,
    settings: Arc<RoomSettings>,
    camera: Arc<Camera>,
    reach: Arc<Reach>,
    size: Size,
    /// The limits of everything that is started here.
    group: Arc<Group>,
    privacy: Privacy,
    /// What the browser kept is to be thrown away before it starts.
    anew: bool,
    display_events: Option<mpsc::Receiver<DisplayEvent>>,
    browser: Option<Arc<Browser>>,
    browser_events: Option<mpsc::Receiver<BrowserEvent>>,
    /// The gate stands for this browser alone.
    standing: Option<Standing>,
    /// Starts under way. One that is called off has no result, or one that nobody takes.
    starting: HashMap<Part, Start>,
    starts: u64,
    /// A start has one result, and at most three starts are under way.
    results: mpsc::Receiver<(u64, Outcome)>,
    report: mpsc::Sender<(u64, Outcome)>,
}

struct Start {
    number: u64,
    task: JoinHandle<()>,
}

impl Parts {
    pub fn new(
        spec: RoomSpec,
        settings: Arc<RoomSettings>,
        camera: Arc<Camera>,
        reach: Arc<Reach>,
        group: Arc<Group>,
        privacy: Privacy,
    ) -> Self {
        let (report, results) = mpsc::channel(4);
        Self {
            size: spec.size,
            group,
            privacy,
            anew: spec.options.profile == Profile::Discard,
            spec,
            settings,
            camera,
            reach,
            display_events: None,
            browser: None,
            browser_events: None,
            standing: None,
            starting: HashMap::new(),
            starts: 0,
            results,
            report,
        }
    }

    pub fn id(&self) -> &RoomId {
        &self.spec.id
    }

    pub fn display(&self) -> Option<Arc<Display>> {
        self.camera.display()
    }

    pub fn browser(&self) -> Option<Arc<Browser>> {
        self.browser.clone()
    }

    pub fn pipeline(&self) -> &Pipeline {
        self.camera.pipeline()
    }

    /// The size with which the display comes back when it has died.
    pub fn set_size(&mut self, size: Size) {
        self.size = size;
    }

    /// Starts a part; the outcome comes by [`Parts::next`].
    pub fn begin(&mut self, part: Part, tabs: &[TabInfo]) {
        self.call_off(part);
        self.starts += 1;
        let (report, number) = (self.report.clone(), self.starts);
        let task = match part {
            Part::Display => {
                let settings = self.display_settings();
                let sink = self.pipeline().sink();
                tokio::spawn(async move {
                    // The display's news: the pointer's picture and its end. A full
                    // queue makes the display's own threads wait, not the room.
                    let (sender, events) = mpsc::channel(64);
                    let started = match settings {
                        Ok(settings) => Display::start(settings, Box::new(sink), sender)
                            .await
                            .map(|display| (Arc::new(display), events))
                            .map_err(|error| sentence(&error)),
                        Err(error) => Err(error),
                    };
                    let _ = report.send((number, Outcome::Display(started))).await;
                })
            }
            Part::WindowManager => {
                let display = self.display();
                tokio::spawn(async move {
                    let started = match display {
                        Some(display) => {
                            display.restart_window_manager().await.map_err(|error| sentence(&error))
                        }
                        None => Err("there is no display".into()),
                    };
                    let _ = report.send((number, Outcome::WindowManager(started))).await;
                })
            }
            Part::Browser => {
                let settings = self.browser_settings(tabs);
                let forget = std::mem::take(&mut self.anew);
                let reach = Arc::clone(&self.reach);
                tokio::spawn(async move {
                    let (sender, events) = mpsc::channel(64);
                    let settings = match (settings, forget) {
                        (Ok(settings), true) => forgotten(settings).await,
                        (settings, _) => settings,
                    };
                    let started = async {
                        let settings = settings?;
                        let (gate, standing) = reach.stand().await?;
                        let settings = BrowserSettings { gate: Some(gate), ..settings };
                        let started = Browser::start(settings, sender).await;
                        let browser = started.map_err(|error| sentence(&error))?;
                        Ok((Arc::new(browser), events, standing))
                    }
                    .await;
                    let _ = report.send((number, Outcome::Browser(started))).await;
                })
            }
        };
        self.starting.insert(part, Start { number, task });
    }

    /// What happens next. Safe to be dropped and called again.
    pub async fn next(&mut self) -> Begun {
        loop {
            let begun = tokio::select! {
                Some((number, outcome)) = self.results.recv() => self.handle_outcome(number, outcome),
                event = receive(&mut self.display_events) => self.handle_display(event),
                event = receive(&mut self.browser_events) => self.handle_browser(event),
            };
            if let Some(begun) = begun {
                return begun;
            }
        }
    }

    /// Lets go of what has ended, and of what stood on it.
    pub fn drop_part(&mut self, part: Part) {
        self.call_off(part);
        match part {
            Part::Display => {
                self.camera.set_display(None);
                self.display_events = None;
                self.drop_part(Part::WindowManager);
                self.drop_part(Part::Browser);
            }
            Part::Browser => {
                self.browser = None;
                self.browser_events = None;
                self.standing = None;
            }
            Part::WindowManager => {}
        }
    }

    /// Ends everything for good.
    pub async fn stop(&mut self) {
        self.rest().await;
        self.results.close();
    }

    /// Ends everything until it is begun again: the browser first, so that it writes its profile.
    pub async fn rest(&mut self) {
        for part in [Part::Browser, Part::WindowManager] {
            self.call_off(part);
        }
        if let Some(Start { mut task, number }) = self.starting.remove(&Part::Display) {
            if tokio::time::timeout(DISPLAY_GRACE, &mut task).await.is_err() {
                task.abort();
            }
            while let Ok((one, outcome)) = self.results.try_recv() {
                if let (true, Outcome::Display(Ok((display, _)))) = (one == number, outcome) {
                    self.camera.set_display(Some(display));
                }
            }
        }
        if let Some(browser) = self.browser.take() {
            browser.stop(BROWSER_GRACE).await;
        }
        self.standing = None;
        (self.browser_events, self.display_events) = (None, None);
        self.anew = self.spec.options.profile == Profile::Discard;
        let display = self.display();
        self.camera.set_display(None);
        if let Some(display) = display {
            stop_display(display).await;
        }
    }

    /// What was started and is no longer wanted ends with its start.
    fn call_off(&mut self, part: Part) {
        if let Some(start) = self.starting.remove(&part) {
            start.task.abort();
        }
    }

    fn handle_outcome(&mut self, number: u64, outcome: Outcome) -> Option<Begun> {
        let part = match &outcome {
            Outcome::Display(_) => Part::Display,
            Outcome::WindowManager(_) => Part::WindowManager,
            Outcome::Browser(_) => Part::Browser,
        };
        // A start that was called off as its result was on the way: dropping it ends what it started.
        self.starting.get(&part).filter(|start| start.number == number)?;
        self.starting.remove(&part);
        Some(match outcome {
            Outcome::Display(Ok((display, events))) => {
                self.camera.set_display(Some(display));
                self.display_events = Some(events);
                Begun::Started(Part::Display)
            }
            Outcome::Browser(Ok((browser, events, standing))) => {
                self.browser = Some(browser);
                self.standing = Some(standing);
                self.browser_events = Some(events);
                Begun::Started(Part::Browser)
            }
            Outcome::WindowManager(Ok(())) => Begun::Started(Part::WindowManager),
            Outcome::Display(Err(reason)) => Begun::Ended { part: Part::Display, reason },
            Outcome::Browser(Err(reason)) => Begun::Ended { part: Part::Browser, reason },
            Outcome::WindowManager(Err(reason)) => Begun::Ended { part: Part::WindowManager, reason },
        })
    }

    fn handle_display(&mut self, event: Option<DisplayEvent>) -> Option<Begun> {
        match event {
            Some(DisplayEvent::Ended { what, exit }) => {
                let part = if what == "xvfb" { Part::Display } else { Part::WindowManager };
                Some(Begun::Ended { part, reason: format!("The {} {exit}", part.name()) })
            }
            Some(event) => Some(Begun::Display(event)),
            None => {
                self.display_events = None;
                None
            }
        }
    }

    fn handle_browser(&mut self, event: Option<BrowserEvent>) -> Option<Begun> {
        match event {
            Some(BrowserEvent::Ended(exit)) => {
                Some(Begun::Ended { part: Part::Browser, reason: format!("The browser {exit}") })
            }
            Some(event) => Some(Begun::Browser(event)),
            None => {
                self.browser_events = None;
                None
            }
        }
    }

    fn display_settings(&self) -> Result<DisplaySettings, String> {
        let settings = &self.settings;
        Ok(DisplaySettings {
            run_dir: self.private(settings.room_run_dir(self.id()).join("display"))?,
            user: self.user()?,
            group: Some(Arc::clone(&self.group)),
            mark: settings.mark().to_owned(),
            xvfb: settings.programs.xvfb.clone(),
            window_manager: settings.programs.window_manager.clone(),
            size: self.size,
            max_size: settings.max_size(),
            frame_rate: settings.frame_rate,
        })
    }

    fn browser_settings(&self, tabs: &[TabInfo]) -> Result<BrowserSettings, String> {
        let settings = &self.settings;
        let display = self.display().ok_or("there is no display")?;
        let (room_dir, options) = (settings.room_dir(self.id()), &self.spec.options);
        Ok(BrowserSettings {
            executable: settings.programs.chromium.clone(),
            bubblewrap: settings.programs.bubblewrap.clone().unwrap_or_default(),
            user: self.user()?,
            group: Some(Arc::clone(&self.group)),
            privacy: self.privacy.clone(),
            mark: settings.mark().to_owned(),
            run_dir: self.private(settings.room_run_dir(self.id()).join("browser"))?,
            profile_dir: self.private(room_dir.join("profile"))?,
            download_dir: self.private(room_dir.join("downloads"))?,
            env: display.env(),
            size: self.size,
            start_url: self.spec.start_url.clone().unwrap_or_else(|| settings.start_url.clone()),
            gate: None,
            browser_pages: options.browser_pages,
            locale: options.locale.clone(),
            time_zone: options.time_zone.clone(),
            policies: settings.programs.bubblewrap.is_some(),
            restore: tabs.iter().map(|tab| RestoredTab { url: tab.url.clone(), front: tab.front }).collect(),
            extra_args: vec![],
        })
    }

    fn private(&self, dir: PathBuf) -> Result<PathBuf, String> {
        self.user()?.private_dir(&dir).map_err(|error| sentence(&error))
    }

    fn user(&self) -> Result<RoomUser, String> {
        let (settings, id) = (&self.settings, self.id());
        // What its agents have beside it stays theirs.
        let own = ["profile", "downloads"].map(|name| settings.room_dir(id).join(name));
        settings.users.of(id.as_str(), &own).map_err(|error| sentence(&error))
    }
}

/// A browser that knows nothing of the last visit.
async fn forgotten(settings: BrowserSettings) -> Result<BrowserSettings, String> {
    for dir in [&settings.profile_dir, &settings.download_dir] {
        match tokio::fs::remove_dir_all(dir).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(format!("{} cannot be thrown away: {error}", dir.display()));
            }
            _ => {}
        }
        settings.user.private_dir(dir).map_err(|error| sentence(&error))?;
    }
    Ok(settings)
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Display => "display",
            Part::WindowManager => "window manager",
            Part::Browser => "browser",
        }
    }
}

async fn receive<T>(events: &mut Option<mpsc::Receiver<T>>) -> Option<T> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

/// Stops the display as soon as nobody else looks at it: a resize under way,
/// or an encoder that says it took a picture. Dropping it ends it all the same.
async fn stop_display(mut display: Arc<Display>) {
    for _ in 0..100 {
        match Arc::try_unwrap(display) {
            Ok(display) => return display.stop().await,
            Err(shared) => display = shared,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An error with what caused it, as one line.
fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
