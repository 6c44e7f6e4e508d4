//! What a peer tells its room, without ever waiting for the room: figures and
//! moves merge, acts queue in order, and a room that takes nothing is noticed.

use std::collections::VecDeque;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::PeerEvent;
use crate::base::{Input, PeerId};

/// Acts that may wait for the room. More means that the room is stuck.
const QUEUE: usize = 1024;

pub(super) struct Outbox {
    peer: PeerId,
    events: mpsc::Sender<(PeerId, PeerEvent)>,
    queue: VecDeque<PeerEvent>,
    stuck: bool,
}

impl Outbox {
    pub fn new(peer: PeerId, events: mpsc::Sender<(PeerId, PeerEvent)>) -> Self {
        Self { peer, events, queue: VecDeque::new(), stuck: false }
    }

    pub fn push(&mut self, event: PeerEvent) {
        if self.queue.is_empty() {
            match self.events.try_send((self.peer, event)) {
                Ok(()) => {}
                Err(TrySendError::Full((_, event))) => self.queue.push_back(event),
                Err(TrySendError::Closed(_)) => self.stuck = true,
            }
            return;
        }
        // Only neighbours merge, so that acts keep their order among moves.
        if self.queue.back().is_some_and(|last| replaces(&event, last)) {
            self.queue.pop_back();
        }
        let is_last = matches!(event, PeerEvent::Closed(_));
        if self.queue.len() < QUEUE || is_last {
            self.queue.push_back(event);
        } else {
            self.stuck = true;
        }
    }

    /// Tries again. True when nothing is left.
    pub fn flush(&mut self) -> bool {
        while let Some(event) = self.queue.pop_front() {
            match self.events.try_send((self.peer, event)) {
                Ok(()) => {}
                Err(TrySendError::Full((_, event))) => {
                    self.queue.push_front(event);
                    return false;
                }
                Err(TrySendError::Closed(_)) => {
                    self.stuck = true;
                    self.queue.clear();
                }
            }
        }
        true
    }

    pub fn has_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The room is gone or takes nothing.
    pub fn is_stuck(&self) -> bool {
        self.stuck
    }
}

/// Whether the newer event makes the older one worthless.
fn replaces(newer: &PeerEvent, older: &PeerEvent) -> bool {
    match (newer, older) {
        (PeerEvent::Estimate(_), PeerEvent::Estimate(_)) | (PeerEvent::Stats(_), PeerEvent::Stats(_)) => true,
        (PeerEvent::KeyFrameNeeded(newer), PeerEvent::KeyFrameNeeded(older)) => newer == older,
        (PeerEvent::Input(newer), PeerEvent::Input(older)) => {
            matches!((&newer.input, &older.input), (Input::Move(_), Input::Move(_)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Bitrate, Point, StampedInput};
    use crate::rtc::CloseReason;

    fn input(input: Input) -> PeerEvent {
        PeerEvent::Input(StampedInput { input, stamp: None })
    }

    fn moved(x: i32) -> PeerEvent {
        input(Input::Move(Point { x, y: 0 }))
    }

    #[test]
    fn moves_merge_and_acts_do_not_while_the_room_is_busy() {
        let (sender, mut events) = mpsc::channel(1);
        let mut outbox = Outbox::new(PeerId(1), sender);
        let text = || input(Input::Text("a".into()));
        for event in [moved(1), moved(2), moved(3), text(), text(), moved(4), moved(5)] {
            outbox.push(event);
        }
        let mut seen = Vec::new();
        while let Ok((_, event)) = events.try_recv() {
            seen.push(event);
            outbox.flush();
        }
        assert_eq!(seen, [moved(1), moved(3), text(), text(), moved(5)]);
        assert!(!outbox.is_stuck() && !outbox.has_waiting());
    }

    #[test]
    fn a_room_that_takes_nothing_is_noticed_but_hears_of_the_end() {
        let (sender, mut events) = mpsc::channel(1);
        let mut outbox = Outbox::new(PeerId(1), sender);
        for _ in 0..QUEUE + 2 {
            outbox.push(input(Input::ReleaseAll));
        }
        assert!(outbox.is_stuck());
        outbox.push(PeerEvent::Closed(CloseReason::Unheard));
        let mut last = None;
        while let Ok((_, event)) = events.try_recv() {
            last = Some(event);
            outbox.flush();
        }
        assert_eq!(last, Some(PeerEvent::Closed(CloseReason::Unheard)));
    }

    #[test]
    fn a_room_that_is_gone_is_noticed() {
        let (sender, events) = mpsc::channel(1);
        drop(events);
        let mut outbox = Outbox::new(PeerId(1), sender);
        outbox.push(PeerEvent::Estimate(Bitrate::kbps(1)));
        assert!(outbox.is_stuck());
    }
}
