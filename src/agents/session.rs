//! One agent's session: its seat in the room and its own current tab.

use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedSemaphorePermit};

use super::port::Seat;
use crate::base::Point;
use crate::browser::{Attending, Observer};
use crate::floor::FloorPermit;
use crate::room::RoomEvent;

/// The tab that an agent works in, once it has one.
pub(super) type Current = Option<Attending>;

pub(super) struct Session {
    pub seat: Arc<dyn Seat>,
    /// Held for the length of a call: a session's calls come one after the other.
    pub current: Arc<Mutex<Current>>,
    /// What the agent said last; gone with its next act.
    said: std::sync::Mutex<String>,
    /// The session's place among all; given back with it.
    _place: OwnedSemaphorePermit,
}

/// The floor, given back however the act ends.
pub(super) struct Held {
    seat: Arc<dyn Seat>,
    permit: Option<FloorPermit>,
}

/// Tells the room what people are to see.
pub(super) struct Shown(pub Arc<dyn Seat>);

impl Session {
    pub fn new(seat: Arc<dyn Seat>, place: OwnedSemaphorePermit) -> Self {
        Self { seat, current: Arc::default(), said: Default::default(), _place: place }
    }

    /// The agent's own words, shown also between its acts.
    pub fn keep_saying(&self, text: &str) {
        text.clone_into(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The call is over: people see the agent's own words again, if it said any.
    pub fn done(&self) {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.say(said);
    }

    /// A word for people about what is done.
    pub fn say(&self, text: impl Into<String>) {
        let text: String = text.into();
        let text = text.chars().filter(|c| !c.is_control()).take(120).collect();
        self.seat.show(RoomEvent::Doing { actor: self.seat.actor().id.clone(), text });
    }
}

impl Held {
    pub fn new(seat: Arc<dyn Seat>, permit: FloorPermit) -> Self {
        Self { seat, permit: Some(permit) }
    }

    pub fn permit(&self) -> &FloorPermit {
        self.permit.as_ref().expect("it is taken out only by the drop")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.seat.done(permit);
        }
    }
}

impl Observer for Shown {
    fn pointer(&self, to: Point, glide: std::time::Duration) {
        let ms = u32::try_from(glide.as_millis()).unwrap_or(u32::MAX);
        self.0.show(RoomEvent::Pointer { actor: self.0.actor().id.clone(), x: to.x, y: to.y, ms });
    }

    fn press(&self, at: Point) {
        self.0.show(RoomEvent::Press { actor: self.0.actor().id.clone(), x: at.x, y: at.y });
    }
}
