//! The people's connections of one room: who is behind which, what each can
//! decode, which encode it is on. Turns estimates into rungs and rates, and
//! lets capture and encoders rest while nobody looks.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::handle::{SeatEnd, SeatId};
use super::parts::Parts;
use super::port::{RoomError, ViewerKind};
use super::{Line, RoomSettings};
use crate::base::{Actor, ActorId, Bitrate, Button, Codec, EncodedFrame, Input, PeerId, Role, RoomId, Size};
use crate::floor::Touch;
use crate::media::{self, Assignments, Ladder, LadderSettings, RungTarget};
use crate::rtc::{Connect, PeerEvent, PeerKind, Rtc, RtcError};

struct Seat {
    actor: Actor,
    peer: Option<PeerId>,
    /// Tells the seat's holder what has become of it.
    end: watch::Sender<SeatEnd>,
}

/// One connection.
struct Peer {
    seat: SeatId,
    codec: Codec,
    /// Nothing until it stands.
    connected_at: Option<Instant>,
}

/// A connection that has just come up asks for a key frame, which is on its
/// way already; another one within this time would be one too many.
const FIRST_KEY: Duration = Duration::from_millis(200);

pub(super) struct Viewers {
    room: RoomId,
    rtc: Rtc,
    events: mpsc::Sender<(PeerId, PeerEvent)>,
    seats: HashMap<SeatId, Seat>,
    peers: BTreeMap<PeerId, Peer>,
    ladder: Ladder,
    /// For 1280x720.
    max_bitrate: Bitrate,
    /// What encoders and connections were last told.
    assigned: Assignments,
    watched: bool,
    /// Who sees nothing of the room now, while somebody is in a private moment.
    veil: Option<Veil>,
    /// Black pictures, made when they are first needed.
    black: HashMap<(Codec, Size), EncodedFrame>,
}

/// The border between those who see a private moment and those who do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Veil {
    /// Whose moment it is.
    pub by: ActorId,
    /// The lowest role that sees it.
    pub from: Role,
    pub size: Size,
}

impl Veil {
    pub fn hides_from(&self, actor: &Actor) -> bool {
        actor.id != self.by && !self.from.includes(actor.role)
    }
}

impl Viewers {
    pub fn new(
        room: RoomId,
        settings: &RoomSettings,
        rtc: Rtc,
        events: mpsc::Sender<(PeerId, PeerEvent)>,
    ) -> Self {
        Self {
            room,
            rtc,
            events,
            seats: HashMap::new(),
            peers: BTreeMap::new(),
            ladder: Ladder::new(LadderSettings { min: settings.min_bitrate, max: settings.max_bitrate }),
            max_bitrate: settings.max_bitrate,
            assigned: Assignments::default(),
            watched: false,
            veil: None,
            black: HashMap::new(),
        }
    }

    // Getters.

    /// Who is behind a connection.
    pub fn actor(&self, peer: PeerId) -> Option<&Actor> {
        Some(&self.seats.get(&self.peers.get(&peer)?.seat)?.actor)
    }

    /// The places that somebody has.
    pub fn seats_of(&self, actor: &ActorId) -> Vec<SeatId> {
        self.seats.iter().filter(|(_, seat)| seat.actor.id == *actor).map(|(id, _)| *id).collect()
    }

    /// The connections that stand, and whose they are.
    pub fn lines(&self) -> impl Iterator<Item = (ActorId, Line)> {
        let standing = self.peers.iter().filter(|(_, line)| line.connected_at.is_some());
        standing
            .filter_map(|(peer, _)| Some((self.actor(*peer)?.id.clone(), Line::of(self.rtc.stats(*peer)))))
    }

    // Handlers.

    /// Tells whoever sits there that they are put out.
    pub fn put_out(&mut self, seat: SeatId) {
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.end.send_replace(SeatEnd::PutOut);
        }
    }

    pub fn enter(&mut self, seat: SeatId, actor: Actor, end: watch::Sender<SeatEnd>) {
        self.seats.insert(seat, Seat { actor, peer: None, end });
    }

    pub fn leave(&mut self, seat: SeatId) -> Option<Actor> {
        let Seat { actor, peer, .. } = self.seats.remove(&seat)?;
        if let Some(peer) = peer {
            self.forget(peer);
            self.rtc.disconnect(peer);
        }
        Some(actor)
    }

    /// Answers an offer. The seat's earlier connection ends when the new one is there.
    pub async fn offer(&mut self, seat: SeatId, kind: ViewerKind, sdp: String) -> Result<String, RoomError> {
        let Some(actor) = self.seats.get(&seat).map(|seat| seat.actor.clone()) else {
            return Err(RoomError::Unavailable("the room has been started again; come in again".into()));
        };
        let connect = Connect {
            room: self.room.clone(),
            kind: match kind {
                ViewerKind::Interactive => PeerKind::Interactive,
                ViewerKind::Whep => PeerKind::Whep,
            },
            may_act: actor.role.may_act(),
            offer: sdp,
            events: self.events.clone(),
            codecs: media::codecs(),
        };
        let connected = self.rtc.connect(connect).await.map_err(refusal)?;
        tracing::info!(room = %self.room, actor = %actor.id, peer = %connected.peer, codec = ?connected.codec, "viewer");
        // The display is captured from now on, so that a picture is ready when
        // the connection stands. Only then is it encoded: its first frame is
        // the key frame that the viewer needs.
        let line = Peer { seat, codec: connected.codec, connected_at: None };
        self.peers.insert(connected.peer, line);
        if let Some(veil) = self.veil.clone().filter(|veil| veil.hides_from(&actor)) {
            self.draw(connected.peer, connected.codec, veil.size);
        }
        let seat = self.seats.get_mut(&seat);
        if let Some(seat) = &seat {
            seat.end.send_replace(SeatEnd::Here);
        }
        if let Some(earlier) = seat.and_then(|seat| seat.peer.replace(connected.peer)) {
            self.forget(earlier);
            self.rtc.disconnect(earlier);
        }
        Ok(connected.answer)
    }

    /// A connection is gone. Says whose it was, if it was still theirs.
    pub fn closed(&mut self, peer: PeerId) -> Option<Actor> {
        let seat = self.forget(peer)?;
        let seat = self.seats.get_mut(&seat)?;
        seat.peer.take_if(|current| *current == peer)?;
        seat.end.send_replace(SeatEnd::LineGone);
        Some(seat.actor.clone())
    }

    pub fn handle(&mut self, now: Instant, peer: PeerId, event: PeerEvent, parts: &Parts) {
        match event {
            PeerEvent::Connected => {
                let Some(line) = self.peers.get_mut(&peer) else { return };
                line.connected_at = Some(now);
                self.ladder.handle_join(now, peer, line.codec);
                let rung = self.ladder.assignments().viewers.get(&peer).copied();
                // A rung that others watch already runs; a new one begins with a key frame.
                if let Some(rung) = rung.filter(|rung| self.assigned.rates.contains_key(rung)) {
                    parts.pipeline().request_key_frame(rung);
                }
            }
            PeerEvent::KeyFrameNeeded(rung) => {
                let connected_at = self.peers.get(&peer).and_then(|line| line.connected_at);
                if connected_at.is_some_and(|at| now.saturating_duration_since(at) >= FIRST_KEY) {
                    parts.pipeline().request_key_frame(rung);
                }
            }
            PeerEvent::Estimate(estimate) => {
                self.ladder.handle_estimate(now, peer, estimate);
            }
            PeerEvent::Stats(_) | PeerEvent::Input(_) | PeerEvent::Closed(_) => {}
        }
    }

    pub fn resized(&mut self, size: Size) {
        let area = size.area() as f64 / Size::DEFAULT.area() as f64;
        self.ladder.handle_max(Instant::now(), self.max_bitrate.scale(area));
    }

    /// A new display does not know yet whether anybody looks.
    pub fn display_changed(&mut self, parts: &Parts) {
        if let Some(display) = parts.display() {
            display.watch(self.watched);
        }
    }

    /// A private moment begins, or is over. Whoever is not to see it gets
    /// nothing of what is captured from now on.
    pub fn handle_veil(&mut self, veil: Option<Veil>) {
        self.veil = veil;
        let lines: Vec<_> = self
            .peers
            .iter()
            .filter_map(|(peer, line)| Some((*peer, line.codec, self.seats.get(&line.seat)?.actor.clone())))
            .collect();
        for (peer, codec, actor) in lines {
            match self.veil.as_ref().filter(|veil| veil.hides_from(&actor)).map(|veil| veil.size) {
                Some(size) => self.draw(peer, codec, size),
                None => self.rtc.set_veil(peer, None),
            }
        }
    }

    fn draw(&mut self, peer: PeerId, codec: Codec, size: Size) {
        let black = match self.black.get(&(codec, size)) {
            Some(black) => black.clone(),
            None => match media::veil(self.room.clone(), codec, size) {
                Ok(black) => {
                    self.black.clear();
                    self.black.insert((codec, size), black.clone());
                    black
                }
                Err(error) => {
                    // Without a picture to show there is no connection to show it on.
                    tracing::warn!(room = %self.room, %error, "a viewer is put out of a private moment");
                    return self.rtc.disconnect(peer);
                }
            },
        };
        self.rtc.set_veil(peer, Some(black));
    }

    pub fn close(&mut self) {
        for peer in std::mem::take(&mut self.peers).into_keys() {
            self.rtc.disconnect(peer);
        }
        for seat in self.seats.values_mut() {
            seat.peer = None;
        }
    }

    /// Brings encoders, capture and connections in line with who looks.
    pub fn advance(&mut self, now: Instant, parts: &Parts) {
        self.ladder.handle_timeout(now);
        let wanted = self.ladder.assignments();
        if wanted.rates != self.assigned.rates {
            let rungs = wanted.rates.iter().map(|(rung, bitrate)| (*rung, RungTarget { bitrate: *bitrate }));
            parts.pipeline().set_rungs(&rungs.collect());
        }
        for (peer, rung) in &wanted.viewers {
            if self.assigned.viewers.get(peer) != Some(rung) {
                self.rtc.set_rung(*peer, *rung);
            }
        }
        self.assigned = wanted;
        let watched = !self.peers.is_empty();
        if watched != self.watched {
            self.watched = watched;
            self.display_changed(parts);
        }
    }

    // Pollers.

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.ladder.poll_timeout()
    }

    fn forget(&mut self, peer: PeerId) -> Option<SeatId> {
        self.ladder.handle_leave(Instant::now(), peer);
        Some(self.peers.remove(&peer)?.seat)
    }
}

/// What an input means to the floor.
pub(super) fn touch(input: &Input) -> Touch {
    match input {
        Input::Move(_) | Input::Clipboard(_) => Touch::Move,
        Input::Button { button, down, .. } => {
            let what = match button {
                Button::Left => 0,
                Button::Middle => 1,
                Button::Right => 2,
                Button::Back => 3,
                Button::Forward => 4,
            };
            held(what, *down)
        }
        // The physical key where it is known: a keysym may differ between press and release.
        Input::Key { keysym, code: 0, down, .. } => held(0x8000_0000 | keysym, *down),
        Input::Key { code, down, .. } => held(0x100 + u32::from(*code), *down),
        Input::Wheel { .. } | Input::Text(_) => Touch::Momentary,
        Input::ReleaseAll => Touch::ReleaseAll,
    }
}

fn held(what: u32, down: bool) -> Touch {
    if down { Touch::Press(what) } else { Touch::Release(what) }
}

fn refusal(error: RtcError) -> RoomError {
    let text = error.to_string();
    match error {
        RtcError::NoCodec { .. } => RoomError::NoCodec(text),
        RtcError::Full { .. } => RoomError::Full(text),
        RtcError::OfferTooLarge { .. }
        | RtcError::OfferMalformed { .. }
        | RtcError::NoVideo
        | RtcError::NotReceiving { .. } => RoomError::BadOffer(text),
        _ => RoomError::Unavailable(text),
    }
}
