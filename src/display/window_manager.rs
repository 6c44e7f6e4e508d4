//! The window manager: normal windows fill the screen, dialogs float.
//!
//! Its settings are part of the program and are written anew at each start,
//! so that nothing on the machine can bind a key or draw a menu.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, CreateWindowAux, EventMask, WindowClass,
};

use super::link::{Bell, Door, Link, LinkError};
use super::server::{Server, last_words, write_private};
use super::{DisplayError, DisplaySettings};
use crate::process::{Child, Program, spawn};

const CONFIG: &str = include_str!("../../xvfb/openbox/rc.xml");
const START: Duration = Duration::from_secs(10);

/// Starts it and waits until it manages the screen.
pub(super) async fn start(settings: &DisplaySettings, server: &Server) -> Result<Child, DisplayError> {
    let config = settings.run_dir.join("rc.xml");
    write_private(&settings.user, &config, CONFIG.as_bytes())?;
    let log = settings.run_dir.join("window-manager.log");
    let bell = Bell::new()?;
    let managed = wait_until_managed(server.door.clone(), bell.clone());
    let child = spawn(Program {
        name: "window manager",
        program: settings.window_manager.clone(),
        args: vec!["--config-file".into(), config.into(), "--sm-disable".into()],
        env: super::room::env(server),
        home: settings.run_dir.clone(),
        user: settings.user.clone(),
        group: settings.group.clone(),
        network: None,
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
        let conn = &link.conn;
        let check = conn.intern_atom(false, b"_NET_SUPPORTING_WM_CHECK")?.reply()?.atom;
        let events = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        conn.change_window_attributes(link.root, &events)?;
        while !is_announced(&link, check)? {
            if answer.is_closed() {
                return Ok(());
            }
            if conn.poll_for_event()?.is_none() {
                link.wait(bell, None)?;
            }
        }
        // It announces itself a moment before it serves, and forgets the windows that ask in
        // between. So a window of our own asks, again and again, until it is shown.
        let window = conn.generate_id()?;
        let aux = CreateWindowAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
        conn.create_window(0, window, link.root, 0, 0, 2, 2, 0, WindowClass::INPUT_OUTPUT, 0, &aux)?
            .check()?;
        while !answer.is_closed() {
            conn.map_window(window)?;
            let again = Instant::now() + Duration::from_millis(50);
            while Instant::now() < again && !answer.is_closed() {
                match conn.poll_for_event()? {
                    Some(Event::MapNotify(_)) => {
                        conn.destroy_window(window)?.check()?;
                        return Ok(());
                    }
                    Some(_) => {}
                    None => link.wait(bell, Some(again))?,
                }
            }
        }
        Ok(())
    };
    watch().map_err(|error| error.request("tell when the window manager is up"))
}

/// A window manager that was killed leaves its announcement behind, but not the window it names.
fn is_announced(link: &Link, check: Atom) -> Result<bool, LinkError> {
    let told = link.conn.get_property(false, link.root, check, AtomEnum::WINDOW, 0, 1)?.reply()?;
    let Some(window) = told.value32().and_then(|mut values| values.next()) else { return Ok(false) };
    Ok(link.conn.get_geometry(window)?.reply().is_ok())
}
