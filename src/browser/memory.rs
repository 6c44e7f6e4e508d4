//! What the acts remember of a tab between two calls: where the script is in
//! each frame, what the agent was shown, where the mouse is. All of it can be
//! lost and is then found again.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::act::PointerButton;
use super::frames::Place;

/// More frames than this are not remembered at once.
const MOST_FRAMES: usize = 256;
/// More refs than this are not remembered; a page shows far fewer.
const MOST_REFS: usize = 20_000;

/// The script in one document.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub session: String,
    /// The script's object. Its name is never given twice, also not by another
    /// process, so an old one can only fail.
    pub script: String,
    pub context: i64,
}

/// The one lock of a tab; never held across an await.
#[derive(Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    worlds: HashMap<String, World>,
    /// By frame: the world it was found in, and the element that holds the frame.
    owners: HashMap<String, (String, String)>,
    /// Role and name of the refs that were shown last.
    shown: HashMap<String, (String, String)>,
    pointer: (f64, f64),
    /// Where a pointer is drawn for a video, and in which document.
    drawn_pointer: Option<((f64, f64), u64)>,
    pressed: Vec<PointerButton>,
    /// Lets go of them when the agent that pressed them is preempted.
    hand: Option<Hand>,
    /// Sessions whose network is listened to.
    heard: HashSet<String>,
    /// The session in which the page believes itself focused.
    focused: Option<String>,
}

/// A task that ends with this value.
struct Hand(tokio::task::AbortHandle);

impl Drop for Hand {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Memory {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn world(&self, place: &Place) -> Option<World> {
        self.inner().worlds.get(&place.id).filter(|world| world.session == place.session).cloned()
    }

    pub fn keep_world(&self, place: &Place, world: World) {
        let mut inner = self.inner();
        if inner.worlds.len() >= MOST_FRAMES {
            inner.worlds.clear();
            inner.owners.clear();
        }
        inner.worlds.insert(place.id.clone(), world);
    }

    pub fn forget(&self, frame: &str) {
        let mut inner = self.inner();
        inner.worlds.remove(frame);
        inner.owners.remove(frame);
    }

    pub fn owner(&self, frame: &str, world: &str) -> Option<String> {
        self.inner()
            .owners
            .get(frame)
            .filter(|(found_in, _)| found_in == world)
            .map(|(_, object)| object.clone())
    }

    pub fn keep_owner(&self, frame: &str, world: &str, object: &str) {
        self.inner().owners.insert(frame.to_owned(), (world.to_owned(), object.to_owned()));
    }

    /// Remembers what refs mean, so that a stale one can be told what it was.
    pub fn show<'a>(&self, shown: impl Iterator<Item = (&'a str, &'a str, &'a str)>) {
        let mut inner = self.inner();
        if inner.shown.len() > MOST_REFS {
            inner.shown.clear();
        }
        for (reference, role, name) in shown.take(MOST_REFS) {
            inner.shown.insert(reference.to_owned(), (role.to_owned(), name.to_owned()));
        }
    }

    pub fn shown(&self, reference: &str) -> Option<(String, String)> {
        self.inner().shown.get(reference).cloned()
    }

    pub fn pointer(&self) -> (f64, f64) {
        self.inner().pointer
    }

    pub fn set_pointer(&self, at: (f64, f64)) {
        self.inner().pointer = at;
    }

    pub fn drawn_pointer(&self) -> Option<((f64, f64), u64)> {
        self.inner().drawn_pointer
    }

    pub fn set_drawn_pointer(&self, at: Option<((f64, f64), u64)>) {
        self.inner().drawn_pointer = at;
    }

    pub fn press(&self, button: PointerButton) {
        let mut inner = self.inner();
        if !inner.pressed.contains(&button) {
            inner.pressed.push(button);
        }
    }

    /// True when it was down.
    pub fn release(&self, button: PointerButton) -> bool {
        let mut inner = self.inner();
        let before = inner.pressed.len();
        inner.pressed.retain(|one| *one != button);
        inner.pressed.len() != before
    }

    /// Who lets go of what is pressed, in place of who did before.
    pub fn set_hand(&self, task: Option<tokio::task::AbortHandle>) {
        self.inner().hand = task.map(Hand);
    }

    pub fn pressed(&self) -> Vec<PointerButton> {
        self.inner().pressed.clone()
    }

    /// True when that is new.
    pub fn set_focused(&self, session: Option<&str>) -> bool {
        let mut inner = self.inner();
        let new = inner.focused.as_deref() != session;
        inner.focused = session.map(str::to_owned);
        new
    }

    /// True the first time that it is asked for a session.
    pub fn listen(&self, session: &str) -> bool {
        let mut inner = self.inner();
        if inner.heard.len() >= MOST_FRAMES {
            inner.heard.clear();
        }
        inner.heard.insert(session.to_owned())
    }
}
