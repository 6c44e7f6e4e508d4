//! The clipboard's thread: owns the selection with a viewer's text, or
//! fetches the text when a program on the display has become the owner.
//!
//! Texts are at most 64 KiB both ways, so ours are served in one piece;
//! others' may come in pieces.

use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc::Sender;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xfixes::{ConnectionExt as _, SelectionEventMask};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Property,
    SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Window, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::link::{Door, Letter, Link, LinkError, Mail, Post, mailbox};
use super::room::Outbox;
use super::transfer::{Encoding, Incoming, Next, latin1};
use super::{DisplayError, DisplayEvent};

/// The longest text, in bytes.
pub(super) const MAX_TEXT: usize = 64 * 1024;

/// Own the clipboard with this text, and say when it is so.
pub(super) struct Order {
    pub text: String,
    pub done: SyncSender<()>,
}

x11rb::atom_manager! {
    Atoms: AtomsCookie {
        CLIPBOARD,
        INCR,
        STRING,
        TARGETS,
        TEXT,
        TIMESTAMP,
        UTF8_STRING,
        PLAIN: b"text/plain",
        PLAIN_UTF8: b"text/plain;charset=utf-8",
        TANDEM_TEXT,
    }
}

struct Thread {
    link: Link,
    mail: Mail<Order>,
    outbox: Outbox,
    atoms: Atoms,
    window: Window,
    incoming: Incoming,
    /// What we serve while we own the selection, and since when.
    own: Option<(String, u32)>,
}

/// Starts the thread. Four texts may wait; a further one is dropped, and the paste gets an older text.
pub(super) fn start(
    door: &Door,
    events: Sender<DisplayEvent>,
) -> Result<(Post<Order>, JoinHandle<()>), DisplayError> {
    let link = door.open()?;
    let (atoms, window) = prepare(&link).map_err(|error| error.request("share the clipboard"))?;
    let (post, mail) = mailbox(4)?;
    let incoming = Incoming::new(MAX_TEXT);
    let mut thread = Thread { link, mail, outbox: Outbox::new(events), atoms, window, incoming, own: None };
    let handle = super::room::thread("tandem-clipboard", move || {
        if let Err(error) = thread.run() {
            tracing::debug!(%error, "the clipboard's thread has ended");
        }
    })?;
    Ok((post, handle))
}

fn prepare(link: &Link) -> Result<(Atoms, Window), LinkError> {
    let conn = &link.conn;
    let atoms = Atoms::new(conn)?.reply()?;
    conn.xfixes_query_version(5, 0)?.reply()?;
    let window = conn.generate_id()?;
    let aux = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE).override_redirect(1);
    conn.create_window(0, window, link.root, -1, -1, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &aux)?.check()?;
    conn.xfixes_select_selection_input(window, atoms.CLIPBOARD, SelectionEventMask::SET_SELECTION_OWNER)?
        .check()?;
    Ok((atoms, window))
}

impl Thread {
    fn run(&mut self) -> Result<(), LinkError> {
        loop {
            match self.mail.look() {
                Letter::Got(order) => {
                    self.take_over(order)?;
                    continue;
                }
                Letter::Empty => {}
                Letter::Closed => return Ok(()),
            }
            if let Some(event) = self.link.conn.poll_for_event()? {
                self.handle_event(&event)?;
                continue;
            }
            self.incoming.handle_timeout(Instant::now());
            let until = [self.incoming.poll_timeout(), self.outbox.retry()].into_iter().flatten().min();
            self.link.wait(self.mail.bell(), until)?;
        }
    }

    fn take_over(&mut self, order: Order) -> Result<(), LinkError> {
        let conn = &self.link.conn;
        conn.set_selection_owner(self.window, self.atoms.CLIPBOARD, x11rb::CURRENT_TIME)?;
        let owner = conn.get_selection_owner(self.atoms.CLIPBOARD)?.reply()?.owner;
        if owner == self.window {
            self.own = Some((order.text, x11rb::CURRENT_TIME));
            self.incoming.handle_no_owner();
        }
        // Nobody waits any more when it took too long.
        let _ = order.done.try_send(());
        Ok(())
    }

    fn handle_event(&mut self, event: &Event) -> Result<(), LinkError> {
        let now = Instant::now();
        let next = match event {
            Event::XfixesSelectionNotify(notify) if notify.selection == self.atoms.CLIPBOARD => {
                if notify.owner == self.window {
                    if let Some((_, since)) = &mut self.own {
                        *since = notify.selection_timestamp;
                    }
                    Next::Wait
                } else if notify.owner == x11rb::NONE {
                    self.incoming.handle_no_owner();
                    Next::Wait
                } else {
                    self.own = None;
                    self.incoming.handle_owner(now)
                }
            }
            Event::SelectionNotify(notify) if notify.requestor == self.window => match notify.property {
                x11rb::NONE => self.incoming.handle_refusal(now),
                _ => self.read(now)?,
            },
            Event::PropertyNotify(notify)
                if notify.atom == self.atoms.TANDEM_TEXT
                    && notify.state == Property::NEW_VALUE
                    && self.incoming.is_in_pieces() =>
            {
                self.read(now)?
            }
            Event::SelectionRequest(request) => {
                self.serve(request)?;
                Next::Wait
            }
            _ => Next::Wait,
        };
        match next {
            Next::Wait => {}
            Next::Ask(encoding) => {
                let target = match encoding {
                    Encoding::Utf8 => self.atoms.UTF8_STRING,
                    Encoding::Latin1 => self.atoms.STRING,
                };
                let (property, time) = (self.atoms.TANDEM_TEXT, x11rb::CURRENT_TIME);
                self.link.conn.convert_selection(
                    self.window,
                    self.atoms.CLIPBOARD,
                    target,
                    property,
                    time,
                )?;
            }
            Next::Done(text) => {
                if !text.is_empty() {
                    self.outbox.offer(DisplayEvent::Clipboard(text));
                }
            }
            Next::TooLong => tracing::info!(limit = MAX_TEXT, "a copied text is too long for the viewers"),
        }
        Ok(())
    }

    /// Reads and removes what the owner has put down for us.
    fn read(&mut self, now: Instant) -> Result<Next, LinkError> {
        // One unit more than the limit, so that too long is seen as such.
        let units = MAX_TEXT as u32 / 4 + 1;
        let property = self.atoms.TANDEM_TEXT;
        let got =
            self.link.conn.get_property(true, self.window, property, AtomEnum::ANY, 0, units)?.reply()?;
        if got.bytes_after > 0 {
            // It is removed only when it was read to its end; removing it asks for the next piece.
            self.link.conn.delete_property(self.window, property)?;
        }
        Ok(if got.type_ == self.atoms.INCR {
            self.incoming.handle_pieces_announced(now)
        } else if self.incoming.is_in_pieces() {
            self.incoming.handle_piece(now, &got.value)
        } else {
            self.incoming.handle_text(&got.value)
        })
    }

    /// Gives our text to a program that pastes.
    fn serve(&self, request: &SelectionRequestEvent) -> Result<(), LinkError> {
        let (conn, atoms) = (&self.link.conn, &self.atoms);
        // Old programs leave the property open; they mean the target's name.
        let property = if request.property == x11rb::NONE { request.target } else { request.property };
        let own = self.own.as_ref().filter(|_| request.selection == atoms.CLIPBOARD);
        let text = |kind: Atom, bytes: &[u8]| {
            conn.change_property8(PropMode::REPLACE, request.requestor, property, kind, bytes)
        };
        let numbers = |kind: AtomEnum, values: &[u32]| {
            conn.change_property32(PropMode::REPLACE, request.requestor, property, kind, values)
        };
        let target = request.target;
        let put = match own {
            Some(_) if target == atoms.TARGETS => Some(numbers(
                AtomEnum::ATOM,
                &[
                    atoms.TARGETS,
                    atoms.TIMESTAMP,
                    atoms.UTF8_STRING,
                    atoms.PLAIN_UTF8,
                    atoms.PLAIN,
                    atoms.TEXT,
                    atoms.STRING,
                ],
            )?),
            Some((_, since)) if target == atoms.TIMESTAMP => Some(numbers(AtomEnum::INTEGER, &[*since])?),
            Some((own, _)) if target == atoms.UTF8_STRING || target == atoms.TEXT => {
                Some(text(atoms.UTF8_STRING, own.as_bytes())?)
            }
            Some((own, _)) if target == atoms.PLAIN_UTF8 || target == atoms.PLAIN => {
                Some(text(target, own.as_bytes())?)
            }
            Some((own, _)) if target == atoms.STRING => Some(text(atoms.STRING, &latin1(own))?),
            _ => None,
        };
        // The asker's window may be gone; then there is nobody to tell either.
        let is_put = put.is_some_and(|put| put.check().is_ok());
        let property = if is_put { property } else { x11rb::NONE };
        let answer = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target,
            property,
        };
        conn.send_event(false, request.requestor, EventMask::NO_EVENT, answer)?;
        Ok(())
    }
}
