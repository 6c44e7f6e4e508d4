//! Other programs' ends of the clipboard, for tests: one that pastes, one that copies.

use std::thread::JoinHandle;

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Property,
    SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, Window, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::link::{Bell, Door, Link, LinkError};

/// Texts above this go in pieces.
const PIECE: usize = 10_000;

fn window(link: &Link) -> Result<Window, LinkError> {
    let window = link.conn.generate_id()?;
    let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE).override_redirect(1);
    link.conn
        .create_window(0, window, link.root, -1, -1, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &aux)?
        .check()?;
    Ok(window)
}

/// Pastes, as a program would. Nothing when nobody owns the clipboard.
pub(super) fn read(door: &Door) -> Result<Option<String>, LinkError> {
    let link = door.open().expect("opens");
    let (conn, window) = (&link.conn, window(&link)?);
    let atom = |name: &str| -> Result<u32, LinkError> {
        Ok(conn.intern_atom(false, name.as_bytes())?.reply()?.atom)
    };
    let (clipboard, target, property) = (atom("CLIPBOARD")?, atom("UTF8_STRING")?, atom("PROBE")?);
    conn.convert_selection(window, clipboard, target, property, x11rb::CURRENT_TIME)?;
    conn.flush()?;
    loop {
        if let Event::SelectionNotify(notify) = conn.wait_for_event()? {
            if notify.property == x11rb::NONE {
                return Ok(None);
            }
            let got = conn.get_property(true, window, property, AtomEnum::ANY, 0, 100_000)?.reply()?;
            return Ok(Some(String::from_utf8_lossy(&got.value).into_owned()));
        }
    }
}

/// A program that has copied a text; long ones it gives in pieces.
pub(super) struct Owner {
    bell: Bell,
    thread: Option<JoinHandle<()>>,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Owner {
    pub fn start(door: &Door, text: String) -> Result<Self, LinkError> {
        let link = door.open().expect("opens");
        let bell = Bell::new().expect("bell");
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (inner, flag) = (bell.clone(), std::sync::Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let _ = serve(&link, &text, &inner, &flag);
        });
        Ok(Self { bell, thread: Some(thread), stop })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop.store(true, std::sync::atomic::Ordering::Release);
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    link: &Link,
    text: &str,
    bell: &Bell,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<(), LinkError> {
    let (conn, window) = (&link.conn, window(link)?);
    let atom = |name: &str| -> Result<u32, LinkError> {
        Ok(conn.intern_atom(false, name.as_bytes())?.reply()?.atom)
    };
    let (clipboard, utf8, incr) = (atom("CLIPBOARD")?, atom("UTF8_STRING")?, atom("INCR")?);
    conn.set_selection_owner(window, clipboard, x11rb::CURRENT_TIME)?;
    let mut pieces: Option<(Window, u32, usize)> = None;
    while !stop.load(std::sync::atomic::Ordering::Acquire) {
        while let Some(event) = conn.poll_for_event()? {
            match event {
                Event::SelectionRequest(request) => {
                    let (to, property) = (request.requestor, request.property);
                    let known = request.target == utf8;
                    if known && text.len() > PIECE {
                        let watch = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
                        conn.change_window_attributes(to, &watch)?;
                        let size = [text.len() as u32];
                        conn.change_property32(PropMode::REPLACE, to, property, incr, &size)?;
                        pieces = Some((to, property, 0));
                    } else if known {
                        conn.change_property8(PropMode::REPLACE, to, property, utf8, text.as_bytes())?;
                    }
                    let answer = SelectionNotifyEvent {
                        response_type: SELECTION_NOTIFY_EVENT,
                        sequence: 0,
                        time: request.time,
                        requestor: to,
                        selection: clipboard,
                        target: request.target,
                        property: if known { property } else { x11rb::NONE },
                    };
                    conn.send_event(false, to, EventMask::NO_EVENT, answer)?;
                }
                Event::PropertyNotify(notify) if notify.state == Property::DELETE => {
                    if let Some((to, property, at)) = pieces {
                        let end = (at + PIECE).min(text.len());
                        let piece = &text.as_bytes()[at..end];
                        conn.change_property8(PropMode::REPLACE, to, property, utf8, piece)?;
                        pieces = (!piece.is_empty()).then_some((to, property, end));
                    }
                }
                _ => {}
            }
        }
        link.wait(bell, None)?;
    }
    Ok(())
}
