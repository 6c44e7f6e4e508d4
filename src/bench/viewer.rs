//! A viewer without a browser: the crate `webrtc`, an implementation apart from
//! the one that serves. Tests and the benchmark watch rooms through it.
//!
//! Owns one peer connection, puts frames together again, counts what arrived
//! and sends input. Refuses to decode pictures.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp::Packet;
use rtc::rtp::codec::h264::H264Packet;
use rtc::rtp::codec::vp8::Vp8Packet;
use rtc::rtp::packetizer::Depacketizer;
use rtc::rtp_transceiver::rtp_sender::{RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RtpCodecKind};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry, SettingEngineBuilder,
    register_default_interceptors,
};

use crate::base::{Codec, Input};
use crate::rtc::{Channel, Echo, Message};

const H264: u8 = 102;
const H264_RTX: u8 = 121;
const VP8: u8 = 96;
const VP8_RTX: u8 = 97;
/// Packets kept to put lost ones between them when they come again.
const REORDER: usize = 512;
/// Frames kept for `take_frames`, if asked to keep any.
const KEPT: usize = 4096;

/// What kind of viewer.
#[derive(Clone, Debug)]
pub struct ViewerOptions {
    /// What it can decode, in the order of its offer.
    pub codecs: Vec<Codec>,
    /// Open "moves" and "acts", as our page does.
    pub data_channels: bool,
    /// Only ICE-TCP instead of UDP.
    pub tcp: bool,
    /// Keep the frames themselves, not only their count.
    pub keep_frames: bool,
    /// How long connecting may take.
    pub patience: Duration,
}

/// What has arrived so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ViewerCounts {
    pub connected: bool,
    pub closed: bool,
    /// Whole frames, in order.
    pub frames: u64,
    pub key_frames: u64,
    /// Frames that could not be put together.
    pub broken_frames: u64,
    pub packets: u64,
    pub bytes: u64,
    /// Packets that came late or, more often, again.
    pub repaired: u64,
    /// Packets that never came.
    pub lost: u64,
    /// RFC 3550 interarrival jitter, in milliseconds.
    pub jitter_ms: f64,
    pub last_timestamp: u32,
    pub last_frame_at: Option<Instant>,
}

/// A frame as a decoder would get it.
#[derive(Clone, Debug)]
pub struct ViewedFrame {
    pub timestamp: u32,
    pub key: bool,
    /// H.264 as Annex B, VP8 as one frame.
    pub data: Bytes,
    pub at: Instant,
}

#[derive(Debug, thiserror::Error)]
pub enum ViewerError {
    #[error("the viewer could not be set up")]
    WebRtc(#[from] webrtc::error::Error),
    #[error("the offer was not answered: {0}")]
    Signal(String),
    #[error("the viewer is not connected after {0:?}")]
    Timeout(Duration),
    #[error("the viewer's connection has ended")]
    Closed,
    #[error("the viewer has no data channels")]
    NoChannels,
}

/// One native viewer. Dropping it lets it vanish; `close` says goodbye.
pub struct Viewer {
    connection: Arc<dyn PeerConnection>,
    shared: Arc<ViewerState>,
    channels: Option<[Arc<dyn DataChannel>; 2]>,
    echoes: tokio::sync::Mutex<mpsc::Receiver<Echo>>,
    answer: String,
}

struct ViewerState {
    counts: watch::Sender<ViewerCounts>,
    gathered: watch::Sender<bool>,
    open: watch::Sender<usize>,
    track: Mutex<Option<(Arc<dyn TrackRemote>, u32)>>,
    frames: Mutex<Vec<ViewedFrame>>,
    keep: bool,
}

impl Default for ViewerOptions {
    fn default() -> Self {
        Self {
            codecs: vec![Codec::H264, Codec::Vp8],
            data_channels: false,
            tcp: false,
            keep_frames: false,
            patience: Duration::from_secs(10),
        }
    }
}

impl Viewer {
    /// Connects: `signal` carries the offer to the server and brings the answer.
    pub async fn connect<S, F, E>(options: ViewerOptions, signal: S) -> Result<Self, ViewerError>
    where
        S: FnOnce(String) -> F,
        F: Future<Output = Result<String, E>>,
        E: std::fmt::Display,
    {
        let mut engine = MediaEngine::default();
        for codec in &options.codecs {
            for parameters in codec_parameters(*codec) {
                engine.register_codec(parameters, RtpCodecKind::Video)?;
            }
        }
        let registry = register_default_interceptors(Registry::new(), &mut engine)?;
        let shared = Arc::new(ViewerState {
            counts: watch::Sender::new(ViewerCounts::default()),
            gathered: watch::Sender::new(false),
            open: watch::Sender::new(0),
            track: Mutex::default(),
            frames: Mutex::default(),
            keep: options.keep_frames,
        });
        let local = "127.0.0.1:0".to_owned();
        let (udp, tcp) = if options.tcp { (vec![], vec![local]) } else { (vec![local], vec![]) };
        let mut settings = SettingEngineBuilder::new().with_include_loopback_candidate(true);
        if options.tcp {
            settings = settings.with_network_types(vec![::rtc::ice::network_type::NetworkType::Tcp4]);
        }
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings.build())
            .with_handler(Arc::new(Handler(shared.clone())))
            .with_udp_addrs(udp)
            .with_tcp_addrs(tcp)
            .build()
            .await?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);
        let receive =
            RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
        connection.add_transceiver_from_kind(RtpCodecKind::Video, Some(receive)).await?;
        // When full, echoes are lost, as the channel that brings them allows.
        let (echo_sender, echoes) = mpsc::channel(1024);
        let channels = if options.data_channels {
            let unreliable =
                RTCDataChannelInit { ordered: false, max_retransmits: Some(0), ..Default::default() };
            let moves = connection.create_data_channel(Channel::Moves.label(), Some(unreliable)).await?;
            let acts = connection.create_data_channel(Channel::Acts.label(), None).await?;
            tokio::spawn(listen(moves.clone(), shared.clone(), Some(echo_sender)));
            tokio::spawn(listen(acts.clone(), shared.clone(), None));
            Some([moves, acts])
        } else {
            None
        };
        let offer = connection.create_offer(None).await?;
        connection.set_local_description(offer).await?;
        let deadline = options.patience;
        let gathered = shared.gathered.subscribe().wait_for(|gathered| *gathered).await.is_ok();
        let local = connection.local_description().await.filter(|_| gathered).ok_or(ViewerError::Closed)?;
        let answer = signal(local.sdp).await.map_err(|error| ViewerError::Signal(error.to_string()))?;
        connection.set_remote_description(RTCSessionDescription::answer(answer.clone())?).await?;
        if options.tcp {
            // The crate dials only what comes after the answer.
            for candidate in passive_candidates(&answer) {
                connection.add_ice_candidate(candidate).await?;
            }
        }
        let viewer = Self { connection, shared, channels, echoes: tokio::sync::Mutex::new(echoes), answer };
        viewer.wait_for(deadline, |counts| counts.connected).await?;
        if viewer.channels.is_some() {
            let mut open = viewer.shared.open.subscribe();
            let both = tokio::time::timeout(deadline, open.wait_for(|open| *open >= 2)).await;
            both.map_err(|_| ViewerError::Timeout(deadline))?.map_err(|_| ViewerError::Closed)?;
        }
        Ok(viewer)
    }

    /// The server's answer.
    pub fn answer(&self) -> &str {
        &self.answer
    }

    pub fn counts(&self) -> ViewerCounts {
        *self.shared.counts.borrow()
    }

    /// Whole frames so far.
    pub fn frames(&self) -> u64 {
        self.counts().frames
    }

    /// The frames kept since the last call.
    pub fn take_frames(&self) -> Vec<ViewedFrame> {
        std::mem::take(&mut *lock(&self.shared.frames))
    }

    /// Waits until so many whole frames have come in all.
    pub async fn wait_for_frames(
        &self,
        frames: u64,
        deadline: Duration,
    ) -> Result<ViewerCounts, ViewerError> {
        self.wait_for(deadline, move |counts| counts.frames >= frames).await
    }

    /// Waits until the counts satisfy something.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        mut satisfied: impl FnMut(&ViewerCounts) -> bool,
    ) -> Result<ViewerCounts, ViewerError> {
        let mut counts = self.shared.counts.subscribe();
        let reached = counts.wait_for(|counts| satisfied(counts) || counts.closed);
        let reached = tokio::time::timeout(deadline, reached).await;
        let counts =
            *reached.map_err(|_| ViewerError::Timeout(deadline))?.map_err(|_| ViewerError::Closed)?;
        if satisfied(&counts) { Ok(counts) } else { Err(ViewerError::Closed) }
    }

    /// Asks for a key frame.
    pub async fn request_key_frame(&self) -> Result<(), ViewerError> {
        let (track, media_ssrc) = lock(&self.shared.track).clone().ok_or(ViewerError::Closed)?;
        let request = PictureLossIndication { sender_ssrc: 0, media_ssrc };
        Ok(track.write_rtcp(vec![Box::new(request)]).await?)
    }

    /// Sends one input.
    pub async fn send(&self, message: &Message) -> Result<(), ViewerError> {
        let (channel, bytes) = message.encode();
        self.send_bytes(channel, &bytes).await
    }

    /// A move of the pointer or an act, with its stamp.
    pub async fn input(&self, sequence: u32, stamp: u32, input: Input) -> Result<(), ViewerError> {
        let sequence = matches!(input, Input::Move(_)).then_some(sequence);
        self.send(&Message { sequence, stamp: (stamp != 0).then_some(stamp), input }).await
    }

    /// Sends any bytes, also such as no viewer should.
    pub async fn send_bytes(&self, channel: Channel, bytes: &[u8]) -> Result<(), ViewerError> {
        let [moves, acts] = self.channels.as_ref().ok_or(ViewerError::NoChannels)?;
        let channel = if channel == Channel::Moves { moves } else { acts };
        Ok(channel.send(BytesMut::from(bytes)).await?)
    }

    /// The next echo.
    pub async fn echo(&self, deadline: Duration) -> Result<Echo, ViewerError> {
        let mut echoes = self.echoes.lock().await;
        let echo = tokio::time::timeout(deadline, echoes.recv()).await;
        echo.map_err(|_| ViewerError::Timeout(deadline))?.ok_or(ViewerError::Closed)
    }

    /// Hangs up.
    pub async fn close(self) -> Result<(), ViewerError> {
        Ok(self.connection.close().await?)
    }
}

/// A viewer by WHEP: `url` is the endpoint, as in `http://127.0.0.1:8080/api/rooms/main/whep`.
pub async fn whep(url: &str, token: &str, options: ViewerOptions) -> Result<Viewer, ViewerError> {
    Viewer::connect(options, |offer| post_sdp(url.to_owned(), token.to_owned(), offer)).await
}

/// One HTTP/1.1 POST, small enough to need no client: the answer's SDP.
pub async fn post_sdp(url: String, token: String, offer: String) -> Result<String, String> {
    let rest = url.strip_prefix("http://").ok_or("only http:// is spoken here")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await.map_err(|error| format!("{host}: {error}"))?;
    let request = format!(
        "POST /{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{offer}",
        offer.len()
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    stream.take(1 << 20).read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|_| "the response is not text")?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("the response has no body")?;
    let status = head.lines().next().unwrap_or_default();
    if !status.contains(" 201 ") {
        return Err(format!("{status}: {}", body.trim()));
    }
    Ok(if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunk(body).ok_or("the response's chunks are broken")?
    } else {
        body.to_owned()
    })
}

fn unchunk(mut body: &str) -> Option<String> {
    let mut text = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n")?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        if length == 0 {
            return Some(text);
        }
        text.push_str(rest.get(..length)?);
        body = rest.get(length..)?.strip_prefix("\r\n")?;
    }
}

fn codec_parameters(codec: Codec) -> [RTCRtpCodecParameters; 2] {
    let (mime_type, format, payload_type, rtx) = match codec {
        Codec::H264 => (
            "video/H264",
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            H264,
            H264_RTX,
        ),
        Codec::Vp8 => ("video/VP8", "", VP8, VP8_RTX),
    };
    let feedback = [("ccm", "fir"), ("nack", ""), ("nack", "pli")];
    let rtcp_feedback = feedback
        .map(|(typ, parameter)| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() })
        .to_vec();
    let parameters = |mime_type: &str, format: String, payload_type, rtcp_feedback| RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format,
            rtcp_feedback,
        },
        payload_type,
    };
    [
        parameters(mime_type, format.to_owned(), payload_type, rtcp_feedback),
        parameters("video/rtx", format!("apt={payload_type}"), rtx, vec![]),
    ]
}

fn passive_candidates(answer: &str) -> Vec<RTCIceCandidateInit> {
    let passive = |line: &&str| line.starts_with("a=candidate:") && line.contains("tcptype passive");
    answer
        .lines()
        .filter(passive)
        .map(|line| RTCIceCandidateInit { candidate: line[2..].to_owned(), ..Default::default() })
        .collect()
}

/// Takes what a data channel brings until it ends.
async fn listen(channel: Arc<dyn DataChannel>, shared: Arc<ViewerState>, echoes: Option<mpsc::Sender<Echo>>) {
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen => shared.open.send_modify(|open| *open += 1),
            DataChannelEvent::OnMessage(message) => {
                if let (Some(echoes), Ok(echo)) = (&echoes, Echo::decode(&message.data)) {
                    let _ = echoes.try_send(echo);
                }
            }
            DataChannelEvent::OnClose => return,
            _ => {}
        }
    }
}

struct Handler(Arc<ViewerState>);

type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The trait is made with `async_trait`; these are its methods written out.
impl PeerConnectionEventHandler for Handler {
    fn on_ice_gathering_state_change<'a, 'b>(&'a self, state: RTCIceGatheringState) -> Done<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            if state == RTCIceGatheringState::Complete {
                self.0.gathered.send_replace(true);
            }
        })
    }

    fn on_connection_state_change<'a, 'b>(&'a self, state: RTCPeerConnectionState) -> Done<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            self.0.counts.send_modify(|counts| match state {
                RTCPeerConnectionState::Connected => counts.connected = true,
                RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => counts.closed = true,
                _ => {}
            });
        })
    }

    fn on_track<'a, 'b>(&'a self, track: Arc<dyn TrackRemote>) -> Done<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            tokio::spawn(watch_track(track, self.0.clone()));
        })
    }
}

async fn watch_track(track: Arc<dyn TrackRemote>, shared: Arc<ViewerState>) {
    let mut assembler = Assembler::new(shared.keep);
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        let now = Instant::now();
        lock(&shared.track).get_or_insert_with(|| (track.clone(), packet.header.ssrc));
        let frames = assembler.take(packet, now);
        // First the frames, then the count that somebody waits for.
        if shared.keep && !frames.is_empty() {
            let mut kept = lock(&shared.frames);
            let room = KEPT.saturating_sub(kept.len());
            kept.extend(frames.into_iter().take(room));
        }
        let counts = assembler.counts;
        shared.counts.send_modify(|shown| {
            let (connected, closed) = (shown.connected, shown.closed);
            *shown = ViewerCounts { connected, closed, ..counts };
        });
    }
    shared.counts.send_modify(|counts| counts.closed = true);
}

/// Puts packets in order and frames together.
struct Assembler {
    counts: ViewerCounts,
    keep: bool,
    /// Packets after a hole, by their extended sequence number.
    ahead: BTreeMap<u64, Packet>,
    next: Option<u64>,
    building: Option<Building>,
    transit: Option<(u32, Instant)>,
}

struct Building {
    timestamp: u32,
    data: BytesMut,
    h264: H264Packet,
    vp8: Vp8Packet,
    whole: bool,
    key: bool,
}

impl Assembler {
    fn new(keep: bool) -> Self {
        Self {
            counts: ViewerCounts::default(),
            keep,
            ahead: BTreeMap::new(),
            next: None,
            building: None,
            transit: None,
        }
    }

    /// Resent packets arrive here like others: the crate has undone their wrapping.
    fn take(&mut self, packet: Packet, now: Instant) -> Vec<ViewedFrame> {
        if packet.payload.is_empty() {
            return Vec::new();
        }
        let next = *self.next.get_or_insert(u64::from(packet.header.sequence_number) + (1 << 16));
        let sequence = extend(packet.header.sequence_number, next);
        if sequence < next || self.ahead.contains_key(&sequence) {
            // Padding of the line is made of packets that were there before.
            return Vec::new();
        }
        if self.ahead.last_key_value().is_some_and(|(last, _)| *last > sequence) {
            self.counts.repaired += 1;
        } else {
            self.jitter(packet.header.timestamp, now);
        }
        self.counts.packets += 1;
        self.counts.bytes += packet.payload.len() as u64;
        self.ahead.insert(sequence, packet);
        let mut frames = Vec::new();
        loop {
            let next = self.next.unwrap_or(sequence);
            if let Some(packet) = self.ahead.remove(&next) {
                self.next = Some(next + 1);
                frames.extend(self.append(packet, now));
            } else if self.ahead.len() > REORDER || self.starts_anew() {
                // What is missing will not come, or is not needed any more.
                let Some((&first, _)) = self.ahead.first_key_value() else { break };
                self.counts.lost += first - next;
                self.next = Some(first);
                if let Some(building) = &mut self.building {
                    building.whole = false;
                }
            } else {
                break;
            }
        }
        frames
    }

    /// A key frame after a hole: a decoder goes on there.
    fn starts_anew(&self) -> bool {
        self.ahead.len() > 32 && self.ahead.first_key_value().is_some_and(|(_, packet)| is_key(packet))
    }

    fn append(&mut self, packet: Packet, now: Instant) -> Option<ViewedFrame> {
        let timestamp = packet.header.timestamp;
        if self.building.as_ref().is_some_and(|building| building.timestamp != timestamp) {
            self.counts.broken_frames += 1;
            self.building = None;
        }
        let is_vp8 = packet.header.payload_type == VP8;
        let building = self.building.get_or_insert_with(|| Building {
            timestamp,
            data: BytesMut::new(),
            h264: H264Packet::default(),
            vp8: Vp8Packet::default(),
            whole: true,
            key: false,
        });
        building.key |= is_key(&packet);
        if self.keep || is_vp8 {
            let depacketizer: &mut dyn Depacketizer =
                if is_vp8 { &mut building.vp8 } else { &mut building.h264 };
            match depacketizer.depacketize(&packet.payload) {
                Ok(part) if self.keep => building.data.extend_from_slice(&part),
                Ok(_) => {}
                Err(_) => building.whole = false,
            }
        }
        if !packet.header.marker {
            return None;
        }
        let building = self.building.take()?;
        if !building.whole {
            self.counts.broken_frames += 1;
            return None;
        }
        self.counts.frames += 1;
        self.counts.key_frames += u64::from(building.key);
        self.counts.last_timestamp = timestamp;
        self.counts.last_frame_at = Some(now);
        Some(ViewedFrame { timestamp, key: building.key, data: building.data.freeze(), at: now })
    }

    fn jitter(&mut self, timestamp: u32, now: Instant) {
        if let Some((last, at)) = self.transit.replace((timestamp, now)) {
            let sent_ms = f64::from(timestamp.wrapping_sub(last) as i32) / 90.0;
            let came_ms = now.saturating_duration_since(at).as_secs_f64() * 1000.0;
            self.counts.jitter_ms += ((came_ms - sent_ms).abs() - self.counts.jitter_ms) / 16.0;
        }
    }
}

/// The number nearest to `near` with these lower 16 bits.
fn extend(number: u16, near: u64) -> u64 {
    let ahead = number.wrapping_sub(near as u16) as i16;
    near.saturating_add_signed(i64::from(ahead))
}

/// Whether this packet begins a key frame.
fn is_key(packet: &Packet) -> bool {
    let payload = &packet.payload;
    if packet.header.payload_type == VP8 {
        // Start of the first partition, and the inverse key frame bit of its header.
        return payload.len() > 1 && payload[0] == 0x10 && payload[1] & 1 == 0;
    }
    match payload.first().map(|first| first & 0x1f) {
        Some(5) => true,
        // Parameter sets come together, and only before a key frame.
        Some(24) => payload.get(3).is_some_and(|first| first & 0x1f == 7),
        Some(28) => payload.get(1).is_some_and(|second| second & 0x9f == 0x85),
        _ => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The UDP port in an answer, for tests that put something in between.
pub fn udp_candidate(answer: &str) -> Option<SocketAddr> {
    answer.lines().find_map(|line| {
        let fields: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
        let [_, _, protocol, _, ip, port, ..] = fields.as_slice() else { return None };
        if !protocol.eq_ignore_ascii_case("udp") {
            return None;
        }
        format!("{ip}:{port}").parse().ok()
    })
}
