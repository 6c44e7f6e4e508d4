//! One viewer: a str0m instance, what it shall get and what it says.
//!
//! Sans-IO like str0m itself: packets go in, packets and events come out, time
//! is an argument. The thread in `engine` moves the bytes.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use str0m::bwe::BweKind;
use str0m::channel::ChannelId;
use str0m::media::{MediaTime, Mid, Pt};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{ExtensionValues, RtpWrite, SeqNo};
use str0m::{Event, Input as Str0mInput, Output, PacerReason, Reason};

use super::answer::{Answered, RESEND_PACKETS, answer};
use super::codec::{Channel, Echo, Message, is_newer};
use super::feed::{Backlog, Feed, Judgement, Verdict};
use super::offer::Offer;
use super::outbox::Outbox;
use super::packetize::Packets;
use super::{
    CloseReason, Connect, Connected, PeerEvent, PeerKind, PeerStats, RtcError, RtcSettings, Shared,
    first_rung, stamp_of,
};
use crate::base::{Bitrate, InputStamp, PeerId, RoomId, Rung, StampedInput};

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

    // What str0m wants.

    /// Lets str0m say everything that it has to say now.
    fn drive(&mut self, now: Instant, lines: &mut impl Lines) {
        self.guard(|peer| {
            if let Err(error) = peer.poll(now, lines) {
                peer.closing = Some(CloseReason::Failed(error.to_string()));
            }
        });
    }

    /// A panic inside one peer's protocol state ends that peer only.
    fn guard(&mut self, act: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_err() {
            self.rtc.disconnect();
            self.closing = Some(CloseReason::Failed("an internal error".into()));
        }
    }

    fn poll(&mut self, now: Instant, lines: &mut impl Lines) -> Result<(), str0m::RtcError> {
        // str0m sends one packet for each step of its clock, a microsecond apart.
        let mut clock = now;
        let due = now + NOW;
        loop {
            match self.rtc.poll_output()? {
                Output::Transmit(packet) => {
                    self.line = Some((packet.proto, packet.destination));
                    self.stats.over_tcp = packet.proto == Protocol::Tcp;
                    self.stats.remote = Some(packet.destination.ip());
                    lines.send(&packet);
                }
                Output::Event(event) => self.handle_event(clock, event),
                Output::Timeout(at) if at <= due && self.rtc.is_alive() => {
                    // Guards against a time that does not move on.
                    clock = at.max(clock + Duration::from_nanos(1));
                    if clock > due + NOW {
                        self.wake = now + Duration::from_millis(1);
                        return Ok(());
                    }
                    self.rtc.handle_input(Str0mInput::Timeout(clock))?;
                }
                Output::Timeout(at) => {
                    if self.write_next(clock, lines) {
                        self.rtc.handle_input(Str0mInput::Timeout(clock))?;
                        continue;
                    }
                    let sent = self.media.sent_at.map(|at| now.saturating_duration_since(at));
                    let quiet = self.pending.is_empty() && sent.is_none_or(|since| since > QUIET);
                    self.wake = wake_at(now, at, self.rtc.last_timeout_reason(), self.connected && quiet);
                    return Ok(());
                }
            }
        }
    }

    /// Hands the next frame to str0m, if the line is ready for it.
    fn write_next(&mut self, now: Instant, lines: &impl Lines) -> bool {
        if self.pending.is_empty() || !self.is_line_free(now, lines) {
            return false;
        }
        let Some(Pending { packets, timestamp, .. }) = self.pending.pop_front() else { return false };
        let timestamp = self.media.after_last(timestamp);
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.media.mid, None) else { return false };
        let last = packets.payloads.len().saturating_sub(1);
        for (index, payload) in packets.payloads.iter().enumerate() {
            let write = RtpWrite::new(
                self.media.payload_type,
                self.media.sequence.inc(),
                timestamp,
                packets.captured_at,
                payload.clone(),
            );
            stream.write_rtp(write.marker(index == last).nackable(true).ext_vals(immediate()));
        }
        self.media.timestamp = Some(timestamp);
        self.media.sent_at = Some(now);
        self.media.key = packets.key;
        self.stats.frames += 1;
        self.echo(timestamp, &packets);
        true
    }

    fn is_line_free(&mut self, now: Instant, lines: &impl Lines) -> bool {
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.media.mid, None) else { return false };
        let paced = stream.queue_info().is_some_and(|queue| queue.packet_count() > 0);
        let waiting = match self.line {
            Some((Protocol::Tcp, viewer)) => lines.waiting(viewer, now).0,
            _ => 0,
        };
        !paced && waiting < TCP_ENOUGH
    }

    fn backlog(&self, now: Instant, lines: &impl Lines) -> Backlog {
        let since = self.pending.front().map(|pending| pending.since);
        let stalled = match self.line {
            Some((Protocol::Tcp, viewer)) => lines.waiting(viewer, now).1,
            _ => Duration::ZERO,
        };
        Backlog {
            oldest: since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
            behind_key: self.media.key,
            stalled,
        }
    }

    /// Tells the viewer which frame shows what it did. Frames that wait behind
    /// this one keep their echoes; those of frames left out come with it.
    fn echo(&mut self, rtp_timestamp: u32, packets: &Packets) {
        let shown = |(since, _): &mut (Instant, InputStamp)| *since <= packets.captured_at;
        let echoes: Vec<_> = self.echoes.extract_if(.., shown).collect();
        if echoes.is_empty() {
            return;
        }
        let Some(mut channel) = self.channels.moves.and_then(|id| self.rtc.channel(id)) else { return };
        for (_, InputStamp { stamp, .. }) in echoes {
            let decoded = self.channels.stamps.iter().rev().find(|(known, _)| *known == stamp);
            let took =
                decoded.map_or(Duration::ZERO, |(_, at)| packets.encoded_at.saturating_duration_since(*at));
            let server_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            // When the channel is full the echo is lost, as on an unreliable line.
            let _ = channel.write(true, &Echo { stamp, rtp_timestamp, server_us }.encode());
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => {
                self.connected = true;
                if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.media.mid, None) {
                    stream.set_rtx_cache(RESEND_PACKETS, Duration::from_secs(2), Some(0.3));
                }
                tracing::info!(room = %self.room, peer = %self.id, "a viewer is connected");
                self.outbox.push(PeerEvent::Connected);
                self.ask_key_frame(now);
            }
            Event::KeyframeRequest(_) if self.connected => self.ask_key_frame(now),
            Event::ChannelOpen(id, label) if self.kind == PeerKind::Interactive => {
                match Channel::from_label(&label) {
                    Some(Channel::Moves) => self.channels.moves = Some(id),
                    Some(Channel::Acts) => self.channels.acts = Some(id),
                    None => {
                        tracing::debug!(peer = %self.id, "a viewer opened a channel of its own; not used")
                    }
                }
            }
            Event::ChannelData(data) => self.handle_message(now, data.id, &data.data),
            Event::EgressBitrateEstimate(kind) => {
                let (BweKind::Twcc { estimate, .. } | BweKind::Remb { estimate, .. }) = kind else { return };
                let estimate = Bitrate::bps(estimate.as_u64());
                self.stats.estimate = Some(estimate);
                if self
                    .estimate
                    .is_none_or(|told| told.as_bps().abs_diff(estimate.as_bps()) * 50 > told.as_bps())
                {
                    self.estimate = Some(estimate);
                    self.outbox.push(PeerEvent::Estimate(estimate));
                }
            }
            Event::PeerStats(stats) if self.connected => {
                self.stats.rtt = stats.rtt.or(self.stats.rtt);
                self.stats.loss = stats.egress_loss_fraction.unwrap_or(0.0);
                self.stats.sent_bytes = stats.peer_bytes_tx;
                self.outbox.push(PeerEvent::Stats(self.stats));
            }
            Event::Closed => self.closing = Some(CloseReason::Left),
            _ => {}
        }
    }

    fn handle_message(&mut self, now: Instant, id: ChannelId, bytes: &[u8]) {
        let channel = match Some(id) {
            id if id == self.channels.moves => Channel::Moves,
            id if id == self.channels.acts => Channel::Acts,
            _ => return,
        };
        if self.channels.is_flood(now) {
            if !std::mem::replace(&mut self.channels.told.flood, true) {
                tracing::warn!(room = %self.room, peer = %self.id, "a viewer sends too many messages; some are dropped");
            }
            return;
        }
        let message = match Message::decode(channel, bytes) {
            Ok(message) => message,
            Err(reason) => {
                if !std::mem::replace(&mut self.channels.told.malformed, true) {
                    tracing::warn!(room = %self.room, peer = %self.id, %reason, "a viewer's message is refused");
                }
                return;
            }
        };
        if !self.may_act {
            if !std::mem::replace(&mut self.channels.told.forbidden, true) {
                tracing::warn!(room = %self.room, peer = %self.id, "input of a viewer that may only watch is refused");
            }
            return;
        }
        if let Some(sequence) = message.sequence {
            if self.channels.last_move.is_some_and(|last| !is_newer(sequence, last)) {
                return;
            }
            self.channels.last_move = Some(sequence);
        }
        let stamp = message.stamp.map(|stamp| {
            if self.channels.stamps.len() == STAMPS {
                self.channels.stamps.pop_front();
            }
            self.channels.stamps.push_back((stamp, now));
            stamp_of(self.id, stamp)
        });
        self.outbox.push(PeerEvent::Input(StampedInput { input: message.input, stamp }));
    }

    fn ask_key_frame(&mut self, now: Instant) {
        if let Some(veil) = &self.veil {
            // The same picture again is all the answer there is.
            if self.pending.is_empty() {
                let timestamp = self.media.timestamp.unwrap_or_default();
                self.pending.push_back(Pending { packets: Arc::clone(veil), timestamp, since: now });
            }
            return;
        }
        if self.feed.ask(now) {
            self.outbox.push(PeerEvent::KeyFrameNeeded(self.feed.target()));
        }
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

/// The viewer shows a frame as soon as it has it.
fn immediate() -> ExtensionValues {
    ExtensionValues {
        play_delay_min: Some(MediaTime::ZERO),
        play_delay_max: Some(MediaTime::ZERO),
        ..ExtensionValues::default()
    }
}

/// When to look after a peer that asked for `at`: a quiet one not for every
/// bit of padding and every tick of an estimator that has nothing to estimate.
fn wake_at(now: Instant, at: Instant, reason: Reason, quiet: bool) -> Instant {
    let may_wait = matches!(
        reason,
        Reason::Pacer(PacerReason::Padding | PacerReason::Handle)
            | Reason::BweDelayControl
            | Reason::BweProbeControl
            | Reason::BweProbeEstimator
            | Reason::Nack
            | Reason::Twcc
            | Reason::PauseCheck
    );
    if quiet && may_wait { at.max(now + CALM) } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_peer_sleeps_through_padding_but_not_through_real_work() {
        let now = Instant::now();
        let soon = now + Duration::from_millis(3);
        let padding = Reason::Pacer(PacerReason::Padding);
        assert_eq!(wake_at(now, soon, padding, true), now + CALM);
        assert_eq!(wake_at(now, soon, padding, false), soon);
        assert_eq!(wake_at(now, soon, Reason::DTLS, true), soon);
        assert_eq!(wake_at(now, soon, Reason::Pacer(PacerReason::Paced), true), soon);
        let late = now + 2 * CALM;
        assert_eq!(wake_at(now, late, padding, true), late);
    }

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
