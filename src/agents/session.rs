//! One agent's session: its seat in the room and its own current tab.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit};

use super::port::Seat;
use crate::base::Point;
use crate::browser::{Attending, Browser, Observer, Tab};
use crate::floor::FloorPermit;
use crate::room::RoomEvent;

pub(super) struct Session {
    pub seat: Arc<dyn Seat>,
    /// The agent's current tab. Held for the length of a call: a session's calls come one after the other.
    pub current: Mutex<Option<Attending>>,
    /// The session's place among all; given back with it.
    pub _place: OwnedSemaphorePermit,
}

/// The floor, given back however the act ends.
pub(super) struct Held<'a> {
    seat: &'a dyn Seat,
    permit: Option<FloorPermit>,
}

/// Tells the room what people are to see.
pub(super) struct Shown<'a>(pub &'a dyn Seat);

impl Session {
    /// The tab that this agent works in: the one it chose, else the one in front.
    pub async fn tab(&self, current: &mut Option<Attending>, browser: &Browser) -> Result<Arc<Tab>, String> {
        if let Some(attending) = current.as_ref()
            && attending.tab().is_open()
            && browser.tab(attending.tab().target()).is_some_and(|tab| Arc::ptr_eq(&tab, attending.tab()))
        {
            return Ok(Arc::clone(attending.tab()));
        }
        *current = None;
        let front = browser.front_tab().await.ok_or("the browser has no tab; open one with browser_tabs")?;
        *current = Some(Attending::start(Arc::clone(&front)).await);
        Ok(front)
    }

    /// A word for people about what is done; empty when it is over.
    pub fn say(&self, text: impl Into<String>) {
        let text: String = text.into();
        let text = text.chars().filter(|c| !c.is_control()).take(80).collect();
        self.seat.show(RoomEvent::Doing { actor: self.seat.actor().id.clone(), text });
    }
}

impl<'a> Held<'a> {
    pub fn new(seat: &'a dyn Seat, permit: FloorPermit) -> Self {
        Self { seat, permit: Some(permit) }
    }

    pub fn permit(&self) -> &FloorPermit {
        self.permit.as_ref().expect("it is taken out only by the drop")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.seat.done(permit);
        }
    }
}

impl Observer for Shown<'_> {
    fn pointer(&self, to: Point, glide: std::time::Duration) {
        let ms = u32::try_from(glide.as_millis()).unwrap_or(u32::MAX);
        self.0.show(RoomEvent::Pointer { actor: self.0.actor().id.clone(), x: to.x, y: to.y, ms });
    }

    fn press(&self, at: Point) {
        self.0.show(RoomEvent::Press { actor: self.0.actor().id.clone(), x: at.x, y: at.y });
    }
}
