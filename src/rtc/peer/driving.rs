//! What str0m wants of a peer and says by it: its packets and events, the frames
//! that it takes for the line, the messages that came by its channels.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::bwe::BweKind;
use str0m::channel::ChannelId;
use str0m::media::MediaTime;
use str0m::net::Protocol;
use str0m::rtp::{ExtensionValues, RtpWrite};
use str0m::{Event, Input as Str0mInput, Output, PacerReason, Reason};

use super::super::answer::RESEND_PACKETS;
use super::super::codec::{Channel, Echo, Message, is_newer};
use super::super::feed::Backlog;
use super::super::packetize::Packets;
use super::super::{CloseReason, PeerEvent, PeerKind, stamp_of};
use super::{CALM, Lines, NOW, Peer, Pending, QUIET, STAMPS, TCP_ENOUGH};
use crate::base::{Bitrate, InputStamp, StampedInput};

impl Peer {
    /// Lets str0m say everything that it has to say now.
    pub(super) fn drive(&mut self, now: Instant, lines: &mut impl Lines) {
        self.guard(|peer| {
            if let Err(error) = peer.poll(now, lines) {
                peer.closing = Some(CloseReason::Failed(error.to_string()));
            }
        });
    }

    /// A panic inside one peer's protocol state ends that peer only.
    pub(super) fn guard(&mut self, act: impl FnOnce(&mut Self)) {
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

    pub(super) fn backlog(&self, now: Instant, lines: &impl Lines) -> Backlog {
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

    pub(super) fn ask_key_frame(&mut self, now: Instant) {
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
}
