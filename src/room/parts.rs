//! The living parts of a room: display, window manager, browser, encoders.
//! Starts each in a task of its own, holds it while it lives, hands its
//! events on. Decides nothing: the lifecycle does.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::mpsc;

use super::lifecycle::Part;
use super::{RoomSettings, RoomSpec};
use crate::base::{RoomId, Size};
use crate::browser::{Browser, BrowserEvent, BrowserSettings, TabInfo};
use crate::display::{Display, DisplayEvent, DisplaySettings};
use crate::media::{MediaSettings, Pipeline};
use crate::rtc::Rtc;

/// How long Chromium may take to close by itself.
const BROWSER_GRACE: Duration = Duration::from_secs(2);

/// What a part has to say.
pub(super) enum Begun {
    Started(Part),
    Ended { part: Part, reason: String },
    Display(DisplayEvent),
    Browser(BrowserEvent),
}

enum Outcome {
    Display(Result<(Display, mpsc::Receiver<DisplayEvent>), String>),
    WindowManager(Result<(), String>),
    Browser(Result<(Browser, mpsc::Receiver<BrowserEvent>), String>),
}

pub(super) struct Parts {
    spec: RoomSpec,
    settings: Arc<RoomSettings>,
    pipeline: Pipeline,
    /// Encoder threads tell the capture through it that they took a picture.
    capture: Arc<RwLock<Option<Arc<Display>>>>,
    size: Size,
    display_events: Option<mpsc::Receiver<DisplayEvent>>,
    browser: Option<Arc<Browser>>,
    browser_events: Option<mpsc::Receiver<BrowserEvent>>,
    /// A start has one result, and at most three starts are under way.
    results: mpsc::Receiver<Outcome>,
    report: mpsc::Sender<Outcome>,
}

impl Parts {
    pub fn new(spec: RoomSpec, settings: Arc<RoomSettings>, rtc: Rtc) -> Self {
        let (report, results) = mpsc::channel(4);
        let capture: Arc<RwLock<Option<Arc<Display>>>> = Arc::default();
        let taken = {
            let capture = Arc::clone(&capture);
            move || {
                let capture = capture.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(display) = capture.as_ref() {
                    display.taken();
                }
            }
        };
        let media = MediaSettings {
            room: spec.id.clone(),
            frame_rate: settings.frame_rate,
            max_bitrate: settings.max_bitrate,
            min_bitrate: settings.min_bitrate,
        };
        Self {
            pipeline: Pipeline::new(media, Arc::new(rtc), Arc::new(taken)),
            size: spec.size,
            spec,
            settings,
            capture,
            display_events: None,
            browser: None,
            browser_events: None,
            results,
            report,
        }
    }

    pub fn id(&self) -> &RoomId {
        &self.spec.id
    }

    pub fn display(&self) -> Option<Arc<Display>> {
        self.capture.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn browser(&self) -> Option<Arc<Browser>> {
        self.browser.clone()
    }

    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// The size with which the display comes back when it has died.
    pub fn set_size(&mut self, size: Size) {
        self.size = size;
    }

    /// Starts a part; the outcome comes by [`Parts::next`].
    pub fn begin(&mut self, part: Part, tabs: &[TabInfo]) {
        let report = self.report.clone();
        match part {
            Part::Display => {
                let settings = self.display_settings();
                let sink = self.pipeline.sink();
                tokio::spawn(async move {
                    // The display's news: the pointer's picture and its end. A full
                    // queue makes the display's own threads wait, not the room.
                    let (sender, events) = mpsc::channel(64);
                    let started = match settings {
                        Ok(settings) => Display::start(settings, Box::new(sink), sender)
                            .await
                            .map(|display| (display, events))
                            .map_err(|error| sentence(&error)),
                        Err(error) => Err(error),
                    };
                    let _ = report.send(Outcome::Display(started)).await;
                });
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
                    let _ = report.send(Outcome::WindowManager(started)).await;
                });
            }
            Part::Browser => {
                let settings = self.browser_settings(tabs);
                tokio::spawn(async move {
                    let (sender, events) = mpsc::channel(64);
                    let started = match settings {
                        Ok(settings) => Browser::start(settings, sender)
                            .await
                            .map(|browser| (browser, events))
                            .map_err(|error| sentence(&error)),
                        Err(error) => Err(error),
                    };
                    let _ = report.send(Outcome::Browser(started)).await;
                });
            }
        }
    }

    /// What happens next. Safe to be dropped and called again.
    pub async fn next(&mut self) -> Begun {
        loop {
            let begun = tokio::select! {
                Some(outcome) = self.results.recv() => Some(self.handle_outcome(outcome)),
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
        match part {
            Part::Display => {
                self.set_display(None);
                self.display_events = None;
                self.drop_part(Part::Browser);
            }
            Part::Browser => {
                self.browser = None;
                self.browser_events = None;
            }
            Part::WindowManager => {}
        }
    }

    /// Ends everything: the browser first, so that it writes its profile.
    pub async fn stop(&mut self) {
        self.results.close();
        if let Some(browser) = self.browser.take() {
            browser.stop(BROWSER_GRACE).await;
        }
        let display = self.display();
        self.set_display(None);
        if let Some(display) = display {
            display.stop().await;
        }
    }

    fn handle_outcome(&mut self, outcome: Outcome) -> Begun {
        match outcome {
            Outcome::Display(Ok((display, events))) => {
                self.set_display(Some(Arc::new(display)));
                self.display_events = Some(events);
                Begun::Started(Part::Display)
            }
            Outcome::Browser(Ok((browser, events))) => {
                self.browser = Some(Arc::new(browser));
                self.browser_events = Some(events);
                Begun::Started(Part::Browser)
            }
            Outcome::WindowManager(Ok(())) => Begun::Started(Part::WindowManager),
            Outcome::Display(Err(reason)) => Begun::Ended { part: Part::Display, reason },
            Outcome::Browser(Err(reason)) => Begun::Ended { part: Part::Browser, reason },
            Outcome::WindowManager(Err(reason)) => Begun::Ended { part: Part::WindowManager, reason },
        }
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

    fn set_display(&self, display: Option<Arc<Display>>) {
        *self.capture.write().unwrap_or_else(PoisonError::into_inner) = display;
    }

    fn display_settings(&self) -> Result<DisplaySettings, String> {
        let settings = &self.settings;
        Ok(DisplaySettings {
            run_dir: self.private(settings.room_run_dir(self.id()).join("display"))?,
            user: settings.user.clone(),
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
        let room_dir = settings.room_dir(self.id());
        Ok(BrowserSettings {
            executable: settings.programs.chromium.clone(),
            bubblewrap: settings.programs.bubblewrap.clone(),
            user: settings.user.clone(),
            mark: settings.mark().to_owned(),
            run_dir: self.private(settings.room_run_dir(self.id()).join("browser"))?,
            profile_dir: self.private(room_dir.join("profile"))?,
            download_dir: self.private(room_dir.join("downloads"))?,
            env: display.env(),
            size: self.size,
            start_url: self.spec.start_url.clone().unwrap_or_else(|| settings.start_url.clone()),
            restore: tabs.to_vec(),
        })
    }

    fn private(&self, dir: PathBuf) -> Result<PathBuf, String> {
        self.settings.user.private_dir(&dir).map_err(|error| sentence(&error))
    }
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
