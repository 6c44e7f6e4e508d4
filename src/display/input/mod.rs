//! The input thread: what a permitted hand does, done by XTEST.
//!
//! The permit is asked once more right before an input enters the queue. The
//! thread flushes after each input and waits for no answer on the way, apart
//! from two rare cases: a key that had to be mapped in, and a text for the
//! clipboard, which must be there before the key that pastes it.

mod keyboard;
mod layout;
mod wheel;

use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xkb::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    self, AtomEnum, ChangeWindowAttributesAux, ClientMessageEvent, ConnectionExt as _, EventMask,
};
use x11rb::protocol::xtest::ConnectionExt as _;

use self::keyboard::{Keyboard, Op};
use self::layout::Layout;
use self::wheel::Axis;
use super::DisplayError;
use super::capture::Sent;
use super::clipboard;
use super::link::{Door, Letter, Link, LinkError, Mail, Post, mailbox};
use crate::base::{Button, Input, InputStamp, Point, StampedInput};
use crate::floor::{FloorPermit, Preempted};

/// How long the clipboard may take to be ours before the paste goes on without it.
const CLIPBOARD_WAIT: Duration = Duration::from_millis(200);
/// How long a program may take to read what was typed, if it can be asked.
const READ_WAIT: Duration = Duration::from_millis(500);
/// The same for a program that cannot be asked.
const BLIND_WAIT: Duration = Duration::from_millis(80);

/// A key follows a press no sooner. A browser looks up asynchronously what a
/// press hits, but sends keys to the old focus at once. No hand is this fast,
/// but a line that was held up brings both together.
const AFTER_PRESS: Duration = Duration::from_millis(30);

/// Why an input was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    #[error(transparent)]
    Preempted(#[from] Preempted),
    #[error("the display is not keeping up with input; this one was refused")]
    Full,
    #[error("the display has ended")]
    Gone,
    #[error("text of {len} bytes is more than the {max} that a display takes at once")]
    TooLong { len: usize, max: usize },
}

/// Longest text to type at once, in bytes.
const MAX_TEXT: usize = 16 * 1024;

/// How long the pointer is taken to be where it was sent.
const STAYS: Duration = Duration::from_secs(1);

/// The door to the input thread. 1024 inputs may wait; then a move is
/// dropped, because a later one follows, and anything else is refused.
pub(super) struct Injector {
    post: Post<StampedInput>,
}

struct Thread {
    link: Link,
    mail: Mail<StampedInput>,
    queue: VecDeque<Act>,
    closed: bool,
    sent: SyncSender<Sent>,
    clipboard: Post<clipboard::Order>,
    keyboard: Keyboard,
    buttons: BTreeSet<u8>,
    pressed: Option<Instant>,
    /// Where the pointer was sent last, and when.
    pointer: Option<(Point, Instant)>,
    wheel: (Axis, Axis),
    atoms: Atoms,
    pings: u32,
}

/// An input with all the stamps that were merged into it.
struct Act {
    input: Input,
    stamps: Vec<InputStamp>,
}

struct Atoms {
    active_window: u32,
    protocols: u32,
    ping: u32,
}

impl Injector {
    pub fn start(
        door: &Door,
        sent: SyncSender<Sent>,
        clipboard: Post<clipboard::Order>,
    ) -> Result<(Self, JoinHandle<()>), DisplayError> {
        let link = door.open()?;
        let keyboard = prepare(&link).map_err(|error| error.request("take input by XTEST"))?;
        let atoms = atoms(&link).map_err(|error| error.request("name atoms"))?;
        let (post, mail) = mailbox(1024)?;
        let mut thread = Thread {
            link,
            mail,
            queue: VecDeque::new(),
            closed: false,
            sent,
            clipboard,
            keyboard,
            buttons: BTreeSet::new(),
            pressed: None,
            pointer: None,
            wheel: Default::default(),
            atoms,
            pings: 0,
        };
        let handle = super::room::thread("tandem-input", move || {
            if let Err(error) = thread.run() {
                tracing::debug!(%error, "input has ended");
            }
        })?;
        Ok((Self { post }, handle))
    }

    pub fn inject(&self, permit: &FloorPermit, input: StampedInput) -> Result<(), InjectError> {
        let (len, max) = match &input.input {
            Input::Text(text) => (text.len(), MAX_TEXT),
            Input::Clipboard(text) => (text.len(), clipboard::MAX_TEXT),
            _ => (0, 0),
        };
        if len > max {
            return Err(InjectError::TooLong { len, max });
        }
        permit.check()?;
        self.send(input)
    }

    /// Everything that injection holds goes up. Needs no permit: it presses nothing.
    pub fn release_all(&self) -> Result<(), InjectError> {
        self.send(StampedInput { input: Input::ReleaseAll, stamp: None })
    }

    fn send(&self, input: StampedInput) -> Result<(), InjectError> {
        match self.post.send(input) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(StampedInput { input: Input::Move(_), .. })) => Ok(()),
            Err(TrySendError::Full(_)) => Err(InjectError::Full),
            Err(TrySendError::Disconnected(_)) => Err(InjectError::Gone),
        }
    }
}

/// Reads the keymap and takes the making of repeats away from the X server:
/// a viewer's own keyboard repeats, and a lost release must not type for ever.
fn prepare(link: &Link) -> Result<Keyboard, LinkError> {
    let conn = &link.conn;
    conn.xtest_get_version(2, 2)?.reply()?;
    conn.xkb_use_extension(1, 0)?.reply()?;
    let none = xkb::AXOption::from(0u16);
    conn.xkb_set_controls(
        xkb::ID::USE_CORE_KBD.into(),
        0u16.into(),
        0u16.into(),
        0u16.into(),
        0u16.into(),
        0u16.into(),
        0u16.into(),
        0u16.into(),
        0u16.into(),
        0,
        0,
        none,
        0u32.into(),
        0u32.into(),
        xkb::BoolCtrl::REPEAT_KEYS.bits().into(),
        // The longest delay there is.
        u16::MAX,
        u16::MAX,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0u32.into(),
        0u32.into(),
        none,
        none,
        &[0; 32],
    )?
    .check()?;
    let (first, last) = (conn.setup().min_keycode, conn.setup().max_keycode);
    let map = conn.get_keyboard_mapping(first, last.saturating_sub(first).saturating_add(1))?.reply()?;
    let layout = Layout::new(first, map.keysyms_per_keycode.into(), &map.keysyms);
    tracing::debug!(free = layout.free().len(), "keymap read");
    Ok(Keyboard::new(layout))
}

fn atoms(link: &Link) -> Result<Atoms, LinkError> {
    let ask = |name: &str| link.conn.intern_atom(false, name.as_bytes());
    let (active_window, protocols, ping) =
        (ask("_NET_ACTIVE_WINDOW")?, ask("WM_PROTOCOLS")?, ask("_NET_WM_PING")?);
    Ok(Atoms {
        active_window: active_window.reply()?.atom,
        protocols: protocols.reply()?.atom,
        ping: ping.reply()?.atom,
    })
}

impl Thread {
    fn run(&mut self) -> Result<(), LinkError> {
        loop {
            while self.link.conn.poll_for_event()?.is_some() {}
            self.fetch();
            match self.queue.pop_front() {
                Some(act) => self.act(act)?,
                None if self.closed => return Ok(()),
                None => self.link.wait(self.mail.bell(), None)?,
            }
        }
    }

    /// Takes what has arrived; a move right behind a move replaces it.
    fn fetch(&mut self) {
        while self.queue.len() < 1024 {
            match self.mail.look() {
                Letter::Got(StampedInput { input, stamp }) => {
                    if let (Input::Move(_), Some(Act { input: last @ Input::Move(_), stamps })) =
                        (&input, self.queue.back_mut())
                    {
                        *last = input;
                        stamps.extend(stamp);
                    } else {
                        self.queue.push_back(Act { input, stamps: stamp.into_iter().collect() });
                    }
                }
                Letter::Empty => return,
                Letter::Closed => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    fn act(&mut self, act: Act) -> Result<(), LinkError> {
        // The stamp must be known to capture before its effect can be: first told, then sent.
        let now = Instant::now();
        for stamp in act.stamps {
            // When 256 wait already, this one measurement is lost.
            let _ = self.sent.try_send((now, stamp));
        }
        match act.input {
            Input::Move(at) => self.go(at, now)?,
            Input::Button { at, button, down } => {
                self.go(at, now)?;
                let button = number(button);
                let changes = if down { self.buttons.insert(button) } else { self.buttons.remove(&button) };
                if changes {
                    self.button(button, down)?;
                    self.pressed = down.then_some(now).or(self.pressed);
                }
            }
            Input::Wheel { at, dx, dy } => {
                self.go(at, now)?;
                let (right, down) = (self.wheel.0.handle_delta(now, dx), self.wheel.1.handle_delta(now, dy));
                for (notches, back, forth) in [(down, 4, 5), (right, 6, 7)] {
                    let button = if notches < 0 { back } else { forth };
                    for _ in 0..notches.unsigned_abs() {
                        self.button(button, true)?;
                        self.button(button, false)?;
                    }
                }
            }
            Input::Key { keysym, code, down, modifiers } => {
                self.let_press_arrive(down)?;
                let ops = self.keyboard.handle_key(keysym, code, down, modifiers);
                self.run_ops(&ops)?;
            }
            Input::Text(text) => {
                self.let_press_arrive(true)?;
                let ops = self.keyboard.handle_text(&text);
                self.run_ops(&ops)?;
            }
            Input::Clipboard(text) => {
                let (done, owned) = sync_channel(1);
                let order = clipboard::Order { text, done };
                if self.clipboard.send(order).is_err() || owned.recv_timeout(CLIPBOARD_WAIT).is_err() {
                    tracing::warn!("the clipboard did not take a text in time");
                }
            }
            Input::ReleaseAll => {
                let ops = self.keyboard.handle_release_all();
                self.run_ops(&ops)?;
                for button in std::mem::take(&mut self.buttons) {
                    self.button(button, false)?;
                }
            }
        }
        self.link.conn.flush()?;
        Ok(())
    }

    /// A motion that moves nothing still costs the browser a frame, and the
    /// press behind it waits for the next one. What else may have moved the
    /// pointer meanwhile is set right by the next motion after [`STAYS`].
    fn go(&mut self, at: Point, now: Instant) -> Result<(), LinkError> {
        let there = self.pointer.is_some_and(|(last, since)| last == at && now - since < STAYS);
        if there {
            return Ok(());
        }
        self.pointer = Some((at, now));
        let clamp = |side: i32| side.clamp(0, i32::from(i16::MAX)) as i16;
        let root = self.link.root;
        self.link.conn.xtest_fake_input(
            xproto::MOTION_NOTIFY_EVENT,
            0,
            0,
            root,
            clamp(at.x),
            clamp(at.y),
            0,
        )?;
        Ok(())
    }

    /// Waits before the first key that goes down after a press, if it comes right behind it.
    fn let_press_arrive(&mut self, down: bool) -> Result<(), LinkError> {
        let Some(pressed) = self.pressed.take_if(|_| down) else { return Ok(()) };
        // What arrives meanwhile rings the bell and stays in the mail.
        while pressed.elapsed() < AFTER_PRESS {
            while self.link.conn.poll_for_event()?.is_some() {}
            self.link.wait(self.mail.bell(), Some(pressed + AFTER_PRESS))?;
        }
        Ok(())
    }

    fn button(&self, button: u8, down: bool) -> Result<(), LinkError> {
        let kind = if down { xproto::BUTTON_PRESS_EVENT } else { xproto::BUTTON_RELEASE_EVENT };
        self.link.conn.xtest_fake_input(kind, button, 0, x11rb::NONE, 0, 0, 0)?;
        Ok(())
    }

    fn run_ops(&mut self, ops: &[Op]) -> Result<(), LinkError> {
        for op in ops {
            match *op {
                Op::Key { keycode, down } => {
                    let kind = if down { xproto::KEY_PRESS_EVENT } else { xproto::KEY_RELEASE_EVENT };
                    self.link.conn.xtest_fake_input(kind, keycode, 0, x11rb::NONE, 0, 0, 0)?;
                }
                Op::Map { keycode, keysym } => {
                    // Twice, or the X server would make a pair of small and capital of it. Awaiting
                    // the answer means that every program is told before the key can reach it.
                    self.link.conn.change_keyboard_mapping(1, keycode, 2, &[keysym, keysym])?.check()?;
                }
                Op::Barrier => self.await_reader()?,
            }
        }
        Ok(())
    }

    /// Waits until the program in front has read what was typed so far: it
    /// answers a ping only after the keys that came before it.
    fn await_reader(&mut self) -> Result<(), LinkError> {
        let asked = self.ping()?;
        let until = Instant::now() + if asked { READ_WAIT } else { BLIND_WAIT };
        while Instant::now() < until {
            while let Some(event) = self.link.conn.poll_for_event()? {
                if let Event::ClientMessage(message) = event
                    && message.type_ == self.atoms.protocols
                    && message.data.as_data32()[..2] == [self.atoms.ping, self.pings]
                {
                    return self.listen_to_root(EventMask::NO_EVENT);
                }
            }
            self.link.wait(self.mail.bell(), Some(until))?;
        }
        self.listen_to_root(EventMask::NO_EVENT)
    }

    /// Pings the program in front; false if it takes no pings.
    fn ping(&mut self) -> Result<bool, LinkError> {
        let (conn, atoms) = (&self.link.conn, &self.atoms);
        let active =
            conn.get_property(false, self.link.root, atoms.active_window, AtomEnum::WINDOW, 0, 1)?.reply()?;
        let Some(window) = active.value32().and_then(|mut windows| windows.next()).filter(|id| *id != 0)
        else {
            return Ok(false);
        };
        let protocols = conn.get_property(false, window, atoms.protocols, AtomEnum::ATOM, 0, 64)?;
        // The window may be gone by now.
        let Ok(protocols) = protocols.reply() else { return Ok(false) };
        if !protocols.value32().is_some_and(|mut known| known.any(|atom| atom == atoms.ping)) {
            return Ok(false);
        }
        self.listen_to_root(EventMask::SUBSTRUCTURE_NOTIFY)?;
        self.pings = self.pings.wrapping_add(1);
        let data = [self.atoms.ping, self.pings, window, 0, 0];
        let message = ClientMessageEvent::new(32, window, self.atoms.protocols, data);
        self.link.conn.send_event(false, window, EventMask::NO_EVENT, message)?;
        Ok(true)
    }

    fn listen_to_root(&self, mask: EventMask) -> Result<(), LinkError> {
        let events = ChangeWindowAttributesAux::new().event_mask(mask);
        self.link.conn.change_window_attributes(self.link.root, &events)?;
        Ok(())
    }
}

fn number(button: Button) -> u8 {
    match button {
        Button::Left => 1,
        Button::Middle => 2,
        Button::Right => 3,
        Button::Back => 8,
        Button::Forward => 9,
    }
}
