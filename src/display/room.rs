//! The display as a whole: brought up in order, watched, brought down in order.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Sender, error::TrySendError};
use tokio::sync::{Mutex, oneshot};
use tokio::task::AbortHandle;

use super::capture::Capture;
use super::cursor::Never;
use super::input::Injector;
use super::link::Post;
use super::screen::{self, Picture};
use super::server::{self, Server};
use super::{DisplayError, DisplayEvent, InjectError, clipboard, cursor, window_manager};
use crate::base::{FrameSink, Size, StampedInput};
use crate::floor::FloorPermit;
use crate::process::{Child, Group, RoomUser};

/// How long the X server and the window manager may take to end when asked.
const GRACE: Duration = Duration::from_millis(800);

/// What a display is made of.
#[derive(Clone, Debug)]
pub struct DisplaySettings {
    /// A directory of this room alone, owned by its user and closed to others.
    pub run_dir: PathBuf,
    pub user: RoomUser,
    /// The limits of its programs.
    pub group: Option<Arc<Group>>,
    /// The sweep's mark.
    pub mark: PathBuf,
    pub xvfb: PathBuf,
    pub window_manager: PathBuf,
    pub size: Size,
    pub max_size: Size,
    /// The most pictures a second.
    pub frame_rate: u32,
}

impl DisplaySettings {
    /// Programs from `PATH`, the default size, at most 3840x2160 at 60 pictures a second.
    pub fn new(run_dir: PathBuf, user: RoomUser, mark: PathBuf) -> Self {
        Self {
            run_dir,
            user,
            group: None,
            mark,
            xvfb: "Xvfb".into(),
            window_manager: "openbox".into(),
            size: Size::DEFAULT,
            max_size: Size::new(3840, 2160).unwrap_or(Size::DEFAULT),
            frame_rate: 60,
        }
    }
}

/// A running display. Dropping it ends everything at once; [`Display::stop`] ends it in order.
pub struct Display {
    settings: DisplaySettings,
    // The order matters when dropped: threads are told to end before their server goes.
    capture: Capture,
    injector: Injector,
    screen: Post<screen::Order>,
    cursor: Post<Never>,
    threads: Vec<JoinHandle<()>>,
    events: Sender<DisplayEvent>,
    window_manager: Mutex<(Child, Watch)>,
    server: Server,
    server_watch: Watch,
}

/// A task that reports the end of a program, cancelled with this value.
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl std::fmt::Debug for Display {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Display").field("number", &self.server.door.number).finish_non_exhaustive()
    }
}

impl Display {
    /// Starts the X server at its largest size, gives the screen its size,
    /// then the threads, then the window manager. The sink is told the size
    /// before this returns; pictures come when somebody watches.
    pub async fn start(
        settings: DisplaySettings,
        sink: Box<dyn FrameSink>,
        events: Sender<DisplayEvent>,
    ) -> Result<Display, DisplayError> {
        fits(settings.size, settings.max_size)?;
        server::clear_stale(&settings.run_dir);
        let server = server::start(&settings).await?;
        let door = &server.door;
        let (screen, screen_thread) = screen::start(door, events.clone())?;
        ask(&screen, |answer| screen::Order::Resize(settings.size, answer)).await?;
        let (capture, sent, capture_thread) = Capture::start(door, settings.frame_rate, sink)?;
        let (clipboard, clipboard_thread) = clipboard::start(door, events.clone())?;
        let (injector, input_thread) = Injector::start(door, sent, clipboard)?;
        let manager = window_manager::start(&settings, &server).await?;
        // After the window manager, which gives the root its first pointer.
        let (cursor, cursor_thread) = cursor::start(door, events.clone())?;
        let server_watch = watch("xvfb", &server.child, &events);
        let manager_watch = watch("window manager", &manager, &events);
        tracing::info!(display = door.number, size = %settings.size, "display is up");
        Ok(Display {
            settings,
            capture,
            injector,
            screen,
            cursor,
            threads: vec![capture_thread, input_thread, clipboard_thread, cursor_thread, screen_thread],
            events,
            window_manager: Mutex::new((manager, manager_watch)),
            server,
            server_watch,
        })
    }

    /// What a program on this display needs to know.
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        env(&self.server)
    }

    pub fn number(&self) -> u32 {
        self.server.door.number
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (super::link::Door, u32) {
        (self.server.door.clone(), self.server.child.pid())
    }

    #[cfg(test)]
    pub(super) async fn window_manager_pid(&self) -> u32 {
        self.window_manager.lock().await.0.pid()
    }

    /// Queues an input; never blocks. The permit is asked once more here.
    pub fn inject(&self, permit: &FloorPermit, input: StampedInput) -> Result<(), InjectError> {
        self.injector.inject(permit, input)
    }

    /// Everything that injection holds down goes up.
    pub fn release_all(&self) -> Result<(), InjectError> {
        self.injector.release_all()
    }

    /// Captures while somebody watches. Who begins gets the whole picture at once.
    pub fn watch(&self, watched: bool) {
        self.capture.watch(watched);
    }

    /// The whole picture again.
    pub fn refresh(&self) {
        self.capture.refresh();
    }

    /// The encoder has taken the last committed picture: the next may be captured.
    pub fn taken(&self) {
        self.capture.taken();
    }

    /// Gives the screen another size. The picture follows by itself, as does
    /// [`DisplayEvent::Resized`].
    pub async fn resize(&self, size: Size) -> Result<(), DisplayError> {
        fits(size, self.settings.max_size)?;
        ask(&self.screen, |answer| screen::Order::Resize(size, answer)).await
    }

    /// The whole picture as it is now, read without shared memory: for tests and measurements.
    pub async fn grab(&self) -> Result<Picture, DisplayError> {
        ask(&self.screen, screen::Order::Grab).await
    }

    /// Starts the window manager again after it has ended; ends the old one if it has not.
    pub async fn restart_window_manager(&self) -> Result<(), DisplayError> {
        let mut slot = self.window_manager.lock().await;
        slot.1.0.abort();
        slot.0.terminate(GRACE).await;
        let manager = window_manager::start(&self.settings, &self.server).await?;
        let watch = watch("window manager", &manager, &self.events);
        *slot = (manager, watch);
        Ok(())
    }

    /// Ends the window manager, the threads and the X server, and removes their files.
    pub async fn stop(self) {
        let Display { settings, capture, injector, screen, cursor, threads, window_manager, server, .. } =
            self;
        drop(self.server_watch);
        let (manager, watch) = window_manager.into_inner();
        drop(watch);
        manager.terminate(GRACE).await;
        drop((capture, injector, screen, cursor));
        server.child.terminate(GRACE).await;
        // Each ends by its closed queue or by its lost connection, so this waits for a moment only.
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
        });
        if joined.await.unwrap_or(1) > 0 {
            tracing::error!(display = server.door.number, "a thread of the display has panicked");
        }
        server::clear_stale(&settings.run_dir);
        server::forget(&settings.run_dir);
        tracing::info!(display = server.door.number, "display has stopped");
    }
}

/// Puts events in the room's queue without ever blocking a thread: when it
/// is full, the latest of this thread's events waits here and is tried again.
pub(super) struct Outbox {
    events: Sender<DisplayEvent>,
    waiting: Option<DisplayEvent>,
}

impl Outbox {
    pub fn new(events: Sender<DisplayEvent>) -> Self {
        Self { events, waiting: None }
    }

    pub fn offer(&mut self, event: DisplayEvent) {
        self.waiting = match self.events.try_send(event) {
            Err(TrySendError::Full(event)) => Some(event),
            Ok(()) | Err(TrySendError::Closed(_)) => None,
        };
    }

    /// Tries again what waits, and says when to come back if it still does.
    pub fn retry(&mut self) -> Option<Instant> {
        let event = self.waiting.take()?;
        self.offer(event);
        self.waiting.as_ref().map(|_| Instant::now() + Duration::from_millis(50))
    }
}

pub(super) fn env(server: &Server) -> Vec<(OsString, OsString)> {
    vec![
        ("DISPLAY".into(), format!(":{}", server.door.number).into()),
        ("XAUTHORITY".into(), server.authority.clone().into()),
    ]
}

pub(super) fn thread(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, DisplayError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .map_err(|source| DisplayError::System { what: "a thread", source })
}

fn fits(asked: Size, max: Size) -> Result<(), DisplayError> {
    if asked.width() <= max.width() && asked.height() <= max.height() {
        Ok(())
    } else {
        Err(DisplayError::TooLarge { asked, max })
    }
}

async fn ask<T>(
    screen: &Post<screen::Order>,
    order: impl FnOnce(oneshot::Sender<Result<T, DisplayError>>) -> screen::Order,
) -> Result<T, DisplayError> {
    let (answer, answered) = oneshot::channel();
    screen.send(order(answer)).map_err(|error| match error {
        std::sync::mpsc::TrySendError::Full(_) => {
            DisplayError::Request { what: "do more than eight things at once", reason: "it is busy".into() }
        }
        std::sync::mpsc::TrySendError::Disconnected(_) => DisplayError::Gone,
    })?;
    answered.await.map_err(|_| DisplayError::Gone)?
}

fn watch(what: &'static str, child: &Child, events: &Sender<DisplayEvent>) -> Watch {
    let (exited, events) = (child.exited(), events.clone());
    let task = tokio::spawn(async move {
        let exit = exited.await;
        tracing::warn!(what, %exit, "a program of the display has ended");
        let _ = events.send(DisplayEvent::Ended { what, exit }).await;
    });
    Watch(task.abort_handle())
}
