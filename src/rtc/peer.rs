//! One viewer: a str0m instance, what it shall get and what it says.
//!
//! Sans-IO like str0m itself: packets go in, packets and events come out, time
//! is an argument. The thread in `engine` moves the bytes.

mod driving;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use str0m::Input as Str0mInput;
use str0m::channel::ChannelId;
use str0m::media::{Mid, Pt};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::SeqNo;

use super::answer::{Answered, answer};
use super::codec::is_newer;
use super::feed::{Feed, Judgement, Verdict};
use super::offer::Offer;
use super::outbox::Outbox;
use super::packetize::Packets;
use super::{
    CloseReason, Connect, Connected, PeerEvent, PeerKind, PeerStats, RtcError, RtcSettings, Shared,
    first_rung,
};
use crate::base::{Bitrate, InputStamp, PeerId, RoomId, Rung};

/// Messages a second beyond which a viewer is not a person any more.
const FLOOD: u32 = 2000;
/// Stamps remembered for an echo; older ones have long had their frame.
const STAMPS: usize = 256;
/// Echoes waiting for a frame that can be sent.
const ECHOES: usize = 64;
/// Frames waiting for the line; at 60 a second their age decides long before.
const PENDING: usize = 256;
/// Bytes in a TCP line's queue above which frames wait with us, where they can be dropped.
const TCP_ENOUGH: usize = 64 * 1024;
/// str0m asks for times this near; a timer could not tell them from now.
const NOW: Duration = Duration::from_micros(200);
/// A quiet peer is looked after this often. str0m would rather pad the line
/// every few milliseconds, which keeps nothing alive that this does not.
const CALM: Duration = Duration::from_millis(200);
/// Without a frame for this long a peer is quiet.
const QUIET: Duration = Duration::from_millis(500);

/// One of the places that `max_peers` allows. Given back when dropped.
pub(super) struct Seat(Arc<AtomicUsize>);

/// Where packets go.
pub(super) trait Lines {
    fn send(&mut self, packet: &Transmit);
    /// Bytes that wait in the TCP line to this viewer, and for how long none was taken.
    fn waiting(&self, viewer: SocketAddr, now: Instant) -> (usize, Duration);
}

pub(super) struct Peer {
    pub id: PeerId,
    pub room: RoomId,
    pub ufrag: String,
    pub outbox: Outbox,
    /// Addresses that str0m has accepted packets from.
    pub addresses: Vec<(Protocol, SocketAddr)>,
    kind: PeerKind,
    may_act: bool,
    rtc: str0m::Rtc,
    /// The next time to be looked after.
    wake: Instant,
    media: Media,
    feed: Feed,
    pending: VecDeque<Pending>,
    /// The one picture that it gets in place of the room's.
    veil: Option<Arc<Packets>>,
    /// With the time of the picture that is the first to show it.
    echoes: Vec<(Instant, InputStamp)>,
    channels: Channels,
    opened: Instant,
    heard: Instant,
    connected: bool,
    line: Option<(Protocol, SocketAddr)>,
    stats: PeerStats,
    estimate: Option<Bitrate>,
    closing: Option<CloseReason>,
    _seat: Seat,
}

/// The outgoing video.
struct Media {
    mid: Mid,
    payload_type: Pt,
    sequence: SeqNo,
    timestamp: Option<u32>,
    sent_at: Option<Instant>,
    /// Whether the frame that str0m holds is a key frame.
    key: bool,
}

/// A frame that waits for the line.
struct Pending {
    packets: Arc<Packets>,
    timestamp: u32,
    since: Instant,
}

/// The two channels and what came by them.
#[derive(Default)]
struct Channels {
    moves: Option<ChannelId>,
    acts: Option<ChannelId>,
    last_move: Option<u32>,
    stamps: VecDeque<(u32, Instant)>,
    second: Option<Instant>,
    this_second: u32,
    told: Told,
}

/// What has been logged about this peer already.
#[derive(Default)]
struct Told {
    malformed: bool,
    forbidden: bool,
    flood: bool,
}

impl Seat {
    pub fn take(seats: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        seats
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| (taken < max).then_some(taken + 1))
            .ok()
            .map(|_| Self(seats.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Peer {
    /// Answers an offer. Costs about a millisecond, on the caller's thread.
    pub fn new(
        id: PeerId,
        connect: Connect<'_>,
        shared: &Shared,
        seat: Seat,
    ) -> Result<(Self, Connected), RtcError> {
        let offer = Offer::read(&connect.offer, connect.codecs)?;
        let now = Instant::now();
        // str0m has read what a stranger wrote; if that ever trips it, only the stranger falls.
        let answered = catch_unwind(AssertUnwindSafe(|| answer(&connect.offer, &offer, shared, now)))
            .unwrap_or_else(|_| Err(RtcError::OfferMalformed { reason: "it can not be understood".into() }));
        let Answered { rtc, ufrag, answer, payload_type } = answered?;
        let codec = offer.format.codec;
        let peer = Self {
            id,
            room: connect.room,
            ufrag,
            outbox: Outbox::new(id, connect.events),
            addresses: Vec::new(),
            kind: connect.kind,
            may_act: connect.may_act,
            rtc,
            wake: now,
            media: Media {
                mid: offer.mid.as_str().into(),
                payload_type,
                sequence: SeqNo::default(),
                timestamp: None,
                sent_at: None,
                key: false,
            },
            feed: Feed::new(first_rung(codec)),
            pending: VecDeque::new(),
            veil: None,
            echoes: Vec::new(),
            channels: Channels::default(),
            opened: now,
            heard: now,
            connected: false,
            line: None,
            stats: PeerStats::default(),
            estimate: None,
            closing: None,
            _seat: seat,
        };
        Ok((peer, Connected { peer: id, answer, codec }))
    }

    // Getters.

    /// When to call `handle_timeout`.
    pub fn wake(&self) -> Instant {
        let waits = self.connected && self.veil.is_none();
        let anew = waits.then(|| self.feed.ask_anew_at()).flatten();
        let soonest = anew.map_or(self.wake, |anew| anew.min(self.wake));
        if self.outbox.has_waiting() {
            soonest.min(Instant::now() + Duration::from_millis(5))
        } else {
            soonest
        }
    }

    pub fn is_connected(&self) -> bool {
        self.connected
    }

    pub fn stats(&self) -> PeerStats {
        self.stats
    }

    /// Whether frames of this rung can be of use to this peer.
    pub fn takes(&self, room: &RoomId, rung: Rung) -> bool {
        self.connected && self.veil.is_none() && self.room == *room && self.feed.target().codec == rung.codec
    }

    pub fn accepts(&self, receive: &Str0mInput) -> bool {
        self.rtc.accepts(receive)
    }

    /// Why this peer is over, if it is.
    pub fn verdict(&self, now: Instant, settings: &RtcSettings) -> Option<CloseReason> {
        let patience = &settings.patience;
        if let Some(reason) = &self.closing {
            return Some(reason.clone());
        }
        if self.outbox.is_stuck() {
            return Some(CloseReason::Unheard);
        }
        if !self.rtc.is_alive() {
            return Some(CloseReason::Left);
        }
        if !self.connected && now.saturating_duration_since(self.opened) > patience.connect {
            return Some(CloseReason::NeverConnected);
        }
        if self.connected && now.saturating_duration_since(self.heard) > patience.silence {
            return Some(CloseReason::Lost);
        }
        None
    }

    // Handlers.

    pub fn handle_receive(&mut self, now: Instant, receive: Receive<'_>, lines: &mut impl Lines) {
        self.heard = now;
        self.guard(|peer| {
            if let Err(error) = peer.rtc.handle_input(Str0mInput::Receive(now, receive)) {
                // One bad packet, possibly not even the viewer's: not the end.
                tracing::debug!(peer = %peer.id, %error, "a viewer's packet was refused");
            }
        });
        self.drive(now, lines);
    }

    pub fn handle_timeout(&mut self, now: Instant, lines: &mut impl Lines) {
        self.outbox.flush();
        if self.connected && self.veil.is_none() && self.feed.ask_anew_at().is_some_and(|at| now >= at) {
            self.ask_key_frame(now);
        }
        if now >= self.wake {
            self.guard(|peer| {
                if let Err(error) = peer.rtc.handle_input(Str0mInput::Timeout(now)) {
                    peer.closing = Some(CloseReason::Failed(error.to_string()));
                }
            });
            self.drive(now, lines);
        }
    }

    /// A frame of this peer's room. `timestamp` is its RTP time.
    pub fn handle_frame(
        &mut self,
        now: Instant,
        packets: &Arc<Packets>,
        timestamp: u32,
        stall: Duration,
        lines: &mut impl Lines,
    ) {
        let mine = packets.echoes.iter().filter(|echo| echo.peer == self.id);
        let mine = mine.map(|echo| (packets.captured_at, *echo));
        let room = ECHOES.saturating_sub(self.echoes.len());
        self.echoes.extend(mine.take(room));
        if !self.connected || self.veil.is_some() {
            return;
        }
        let was_waiting = self.feed.is_waiting();
        match self.feed.judge(packets.rung, packets.serial, packets.key) {
            Judgement::Skip => {
                self.stats.skipped += 1;
                if !was_waiting && self.feed.is_waiting() {
                    self.ask_key_frame(now);
                }
                return;
            }
            Judgement::Supersede => {
                self.stats.skipped += self.pending.len() as u64;
                self.pending.clear();
            }
            Judgement::Send => {}
        }
        self.pending.push_back(Pending { packets: packets.clone(), timestamp, since: now });
        self.drive(now, lines);
        match self.backlog(now, lines).verdict(stall) {
            Verdict::Fine if self.pending.len() <= PENDING => {}
            Verdict::Drop => self.closing = Some(CloseReason::Stalled),
            Verdict::Fine | Verdict::SkipToKey => {
                self.stats.skipped += self.pending.len() as u64;
                self.pending.clear();
                self.feed.broken();
                self.ask_key_frame(now);
            }
        }
    }

    /// One picture in place of the room's, or the room's again from its next key
    /// frame on. What waits for the line is forgotten either way.
    pub fn set_veil(&mut self, now: Instant, veil: Option<Arc<Packets>>, lines: &mut impl Lines) {
        let lifted = self.veil.is_some() && veil.is_none();
        let drawn = veil.is_some();
        self.veil = veil;
        if drawn || lifted {
            self.stats.skipped += self.pending.len() as u64;
            self.pending.clear();
            self.feed.broken();
        }
        if self.connected && (drawn || lifted) {
            self.ask_key_frame(now);
            self.drive(now, lines);
        }
    }

    /// For a peer that gets no frames now: a line that takes nothing ends it too.
    pub fn handle_tick(&mut self, now: Instant, stall: Duration, lines: &impl Lines) {
        if self.backlog(now, lines).verdict(stall) == Verdict::Drop {
            self.closing = Some(CloseReason::Stalled);
        }
    }

    /// The line has taken everything: waiting frames may go.
    pub fn handle_drained(&mut self, now: Instant, lines: &mut impl Lines) {
        if !self.pending.is_empty() {
            self.drive(now, lines);
        }
    }

    /// A frame of this rung was lost before it came here.
    pub fn handle_broken(&mut self, now: Instant, rung: Rung) {
        if self.connected && self.feed.target() == rung {
            self.feed.broken();
            self.ask_key_frame(now);
        }
    }

    pub fn set_rung(&mut self, now: Instant, rung: Rung) {
        if rung.codec != self.feed.target().codec {
            tracing::warn!(peer = %self.id, ?rung, "a viewer can not change its codec; it stays where it is");
            return;
        }
        if self.feed.set_rung(rung) && self.connected {
            self.ask_key_frame(now);
        }
    }

    /// Says goodbye on the line and to the room.
    pub fn close(&mut self, now: Instant, reason: CloseReason, lines: &mut impl Lines) {
        self.pending.clear();
        let room = self.room.clone();
        tracing::info!(%room, peer = %self.id, %reason, "a viewer has gone");
        self.guard(|peer| {
            // Already closed by the other side is fine.
            let _ = peer.rtc.close();
        });
        self.drive(now, lines);
        self.outbox.push(PeerEvent::Closed(reason));
    }
}

impl Media {
    /// A frame's time, moved on if two frames would have the same one.
    fn after_last(&self, timestamp: u32) -> u32 {
        match self.timestamp {
            Some(last) if !is_newer(timestamp, last) => last.wrapping_add(1),
            _ => timestamp,
        }
    }
}

impl Channels {
    fn is_flood(&mut self, now: Instant) -> bool {
        if self.second.is_none_or(|second| now.saturating_duration_since(second) >= Duration::from_secs(1)) {
            self.second = Some(now);
            self.this_second = 0;
        }
        self.this_second = self.this_second.saturating_add(1);
        self.this_second > FLOOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_frames_have_one_time() {
        let mut media = Media {
            mid: "0".into(),
            payload_type: 96.into(),
            sequence: SeqNo::default(),
            timestamp: Some(u32::MAX),
            sent_at: None,
            key: false,
        };
        assert_eq!(media.after_last(u32::MAX), 0);
        assert_eq!(media.after_last(90), 90);
        media.timestamp = Some(100);
        assert_eq!(media.after_last(90), 101);
    }

    #[test]
    fn a_flood_of_messages_is_cut_off_until_the_next_second() {
        let mut channels = Channels::default();
        let now = Instant::now();
        assert_eq!((0..FLOOD + 10).filter(|_| channels.is_flood(now)).count(), 10);
        assert!(!channels.is_flood(now + Duration::from_secs(1)));
    }

    #[test]
    fn seats_are_given_back() {
        let seats = Arc::default();
        let one = Seat::take(&seats, 1);
        assert!(one.is_some() && Seat::take(&seats, 1).is_none());
        drop(one);
        assert!(Seat::take(&seats, 1).is_some());
    }
}
