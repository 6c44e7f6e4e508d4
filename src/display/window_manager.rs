//! The window manager: normal windows fill the screen, dialogs float.
//!
//! Its settings are part of the program and are written anew at each start,
//! so that nothing on the machine can bind a key or draw a menu.

use std::time::Duration;

use tokio::sync::oneshot;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask};

use super::link::{Bell, Door, LinkError};
use super::server::{Server, clear_the_way, last_words, write_private};
use super::{DisplayError, DisplaySettings};
use crate::process::{Child, Program, spawn};

const CONFIG: &str = include_str!("../../xvfb/openbox/rc.xml");
const START: Duration = Duration::from_secs(10);

/// Starts it and waits until it manages the screen.
pub(super) async fn start(settings: &DisplaySettings, server: &Server) -> Result<Child, DisplayError> {
    let config = settings.run_dir.join("rc.xml");
    write_private(&settings.user, &config, CONFIG.as_bytes())?;
    let log = settings.run_dir.join("window-manager.log");
    clear_the_way(&log)?;
    let bell = Bell::new()?;
    let managed = wait_until_managed(server.door.clone(), bell.clone());
    let child = spawn(Program {
        name: "window manager",
        program: settings.window_manager.clone(),
        args: vec!["--config-file".into(), config.into(), "--sm-disable".into()],
        env: super::room::env(server),
        home: settings.run_dir.clone(),
        user: settings.user.clone(),
        fds: vec![],
        log: log.clone(),
        mark: settings.mark.clone(),
    })
    .await?;
    let not_up = |why: String| DisplayError::NotUp { what: "the window manager", why, log: last_words(&log) };
    let up = tokio::select! {
        exit = child.exited() => Err(not_up(exit.to_string())),
        managed = tokio::time::timeout(START, managed) => match managed {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(DisplayError::Gone),
            Err(_) => Err(not_up(format!("did not come up in {} s", START.as_secs()))),
        },
    };
    // Also ends the waiting thread when the wait was given up.
    bell.ring();
    up.map(|()| child)
}

/// Waits on a thread of its own, which ends when the bell rings.
fn wait_until_managed(door: Door, bell: Bell) -> oneshot::Receiver<Result<(), DisplayError>> {
    let (answer, managed) = oneshot::channel();
    let wait = move || {
        let result = watch_root(&door, &bell, &answer);
        let _ = answer.send(result);
    };
    // Without the thread the answer's sender is dropped, which the waiter sees.
    let _ = super::room::thread("tandem-wm-wait", wait);
    managed
}

fn watch_root(
    door: &Door,
    bell: &Bell,
    answer: &oneshot::Sender<Result<(), DisplayError>>,
) -> Result<(), DisplayError> {
    let link = door.open()?;
    let watch = || -> Result<(), LinkError> {
        let name = b"_NET_SUPPORTING_WM_CHECK";
        let check = link.conn.intern_atom(false, name)?.reply()?.atom;
        let events = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        link.conn.change_window_attributes(link.root, &events)?;
        loop {
            // A window manager that was killed leaves the property behind, but not its window.
            let told = link.conn.get_property(false, link.root, check, AtomEnum::WINDOW, 0, 1)?.reply()?;
            if let Some(window) = told.value32().and_then(|mut values| values.next())
                && link.conn.get_geometry(window)?.reply().is_ok()
            {
                return Ok(());
            }
            let mut changed = false;
            while !changed && !answer.is_closed() {
                while let Some(event) = link.conn.poll_for_event()? {
                    changed |= matches!(event, Event::PropertyNotify(notify) if notify.atom == check);
                }
                if !changed {
                    link.wait(bell, None)?;
                }
            }
            if answer.is_closed() {
                return Ok(());
            }
        }
    };
    watch().map_err(|error| error.request("tell when the window manager is up"))
}
