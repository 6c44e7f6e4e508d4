//! WebRTC: viewers of all rooms behind one UDP socket and one TCP listener.
//!
//! Owns the peers, their media and data channels, the bytes on those channels,
//! and the pace at which a viewer gets frames. Refuses to know who may act,
//! what a picture shows, or anything of HTTP: offers come in and answers go
//! out as text. One thread serves everybody; a viewer that is slow, silent or
//! hostile costs itself and nobody else.
//!
//! ```text
//!  encoder ─ deliver ─▶ [64 frames] ─┐              ┌─▶ UDP, in bursts (GSO)
//!                                    ├─▶ the thread ┤
//!  room ── connect, set_rung … ──────┘   peer, peer └─▶ TCP, a task each
//!  room ◀─ (PeerId, PeerEvent) ──────────┘
//! ```

mod answer;
mod codec;
mod engine;
mod feed;
mod interfaces;
mod offer;
mod outbox;
mod packetize;
mod peer;
mod tcp;
mod udp;

/// Reads an offer as a stranger may send it, for whoever tests with odd ones.
#[cfg(feature = "bench")]
pub fn reads_offer(sdp: &str) -> bool {
    offer::Offer::read(sdp, &[Codec::H264, Codec::Vp8]).is_ok()
}

pub use codec::{Channel, Echo, MAX_CLIPBOARD, MAX_TEXT, Malformed, Message, is_newer};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::base::{
    Bitrate, Codec, EncodedFrame, EncodedSink, InputStamp, PeerId, RoomId, Rung, StampedInput, Tier,
};
use crate::process::OwnPort;

/// Frames on their way to the thread. When full, a frame is dropped, its rung's
/// viewers wait for a key frame, and one is asked for.
const FRAMES: usize = 64;
/// New peers on their way to the thread. When full, whoever connects waits.
const COMMANDS: usize = 16;

/// How to serve.
#[derive(Clone, Debug)]
pub struct RtcSettings {
    pub udp: SocketAddr,
    /// For ICE-TCP; usually the same as `udp`. With port 0 the UDP port is tried first.
    pub tcp: SocketAddr,
    /// Addresses under which a NAT passes the ports on to us.
    pub public_addresses: Vec<IpAddr>,
    pub max_peers: usize,
    /// What a line is thought to carry before it was measured.
    pub start_rate: Bitrate,
    /// What a viewer can use at most: up to twice this is probed for.
    pub full_rate: Bitrate,
    pub patience: Patience,
}

/// How long to wait for a viewer.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the answer to the first encrypted contact.
    pub connect: Duration,
    /// Without a single packet. Browsers send one every few seconds.
    pub silence: Duration,
    /// With bytes waiting and none taken, on TCP.
    pub stall: Duration,
}

/// What the viewer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// Our own page: has data channels.
    Interactive,
    /// A standard player: video only.
    Whep,
}

/// A viewer that wants in.
#[derive(Debug)]
pub struct Connect<'a> {
    pub room: RoomId,
    pub kind: PeerKind,
    /// Whether its input is passed on.
    pub may_act: bool,
    pub offer: String,
    /// Where its events go. While this is full, moves and figures merge and acts
    /// queue; a room that takes nothing for long loses the peer.
    pub events: mpsc::Sender<(PeerId, PeerEvent)>,
    /// What can be encoded, best first.
    pub codecs: &'a [Codec],
}

/// A viewer that is let in; it is there once `PeerEvent::Connected` comes.
#[derive(Clone, Debug)]
pub struct Connected {
    pub peer: PeerId,
    pub answer: String,
    pub codec: Codec,
}

/// What a viewer does and how its line is.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerEvent {
    /// The line stands; a key frame is asked for.
    Connected,
    Input(StampedInput),
    /// This viewer can go on only with a key frame of this rung.
    KeyFrameNeeded(Rung),
    /// What its line carries.
    Estimate(Bitrate),
    /// Once a second.
    Stats(PeerStats),
    /// The last event of a peer.
    Closed(CloseReason),
}

/// How a viewer's line is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PeerStats {
    pub rtt: Option<Duration>,
    /// The share of packets lost on the way to the viewer, 0 to 1.
    pub loss: f32,
    pub estimate: Option<Bitrate>,
    pub sent_bytes: u64,
    /// Frames handed to the line.
    pub frames: u64,
    /// Frames that were not sent because the line was behind or a reference was missing.
    pub skipped: u64,
    pub over_tcp: bool,
    /// Where packets go.
    pub remote: Option<IpAddr>,
}

/// Why a peer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The viewer hung up.
    Left,
    /// Nothing was heard from it.
    Lost,
    /// It never came after its offer was answered.
    NeverConnected,
    /// It did not read.
    Stalled,
    /// The room or the server ended it.
    Ended,
    /// Its events were not taken by the room.
    Unheard,
    /// Its protocol state is broken.
    Failed(String),
}

/// Sums over all peers since the start, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub peers: usize,
    pub packets: u64,
    pub bytes: u64,
    /// System calls that sent those packets.
    pub sends: u64,
    /// Packets that the kernel or a TCP line would not take.
    pub refused: u64,
    /// Frames that came while the queue to the thread was full.
    pub frames_dropped: u64,
    pub received: u64,
    pub rtt_max: Option<Duration>,
    pub loss_max: f32,
}

/// Why a viewer can not be served, or nobody.
#[derive(Debug, thiserror::Error)]
pub enum RtcError {
    #[error(
        "{protocol} {address} is in use by another program; stop that one or choose another address with --rtc-listen"
    )]
    Busy { protocol: &'static str, address: SocketAddr },
    #[error("cannot listen on {protocol} {address}; choose another address with --rtc-listen")]
    Listen { protocol: &'static str, address: SocketAddr, source: std::io::Error },
    #[error("cannot start the thread that serves viewers")]
    Thread { source: std::io::Error },
    #[error("cannot make a certificate for viewers; is OpenSSL whole?")]
    Certificate,
    #[error("the offer has {bytes} bytes; 64 KiB are enough for any viewer")]
    OfferTooLarge { bytes: usize },
    #[error("the offer is not good SDP: {reason}")]
    OfferMalformed { reason: String },
    #[error("the offer has no video line")]
    NoVideo,
    #[error("the offer's video line is {direction}; a viewer offers recvonly")]
    NotReceiving { direction: String },
    #[error(
        "the offer has no codec that can be sent; it has {offered}, H.264 constrained baseline (packetization mode 1) or VP8 is needed"
    )]
    NoCodec { offered: String },
    #[error("{max} viewers are connected, more are not allowed")]
    Full { max: usize },
    #[error("viewers are not served any more: the server stops")]
    Stopped,
}

/// The handle to the thread; cheap to clone. The thread ends with the last handle.
#[derive(Clone)]
pub struct Rtc {
    shared: Arc<Shared>,
    frames: mpsc::Sender<EncodedFrame>,
    commands: mpsc::Sender<Command>,
}

/// What the handle and the thread both touch. Its locks are held for a few
/// instructions and never across an await.
struct Shared {
    settings: RtcSettings,
    local: (SocketAddr, SocketAddr),
    /// No page in a room gets there.
    _own: OwnPort,
    identity: answer::Identity,
    next_peer: AtomicU64,
    seats: Arc<AtomicUsize>,
    frames_dropped: AtomicU64,
    notes: Mutex<Notes>,
    noted: Notify,
    /// A veil is among the notes: it comes before any frame delivered after it.
    veiled: AtomicBool,
    peers: Mutex<HashMap<PeerId, PeerStats>>,
    totals: watch::Sender<Totals>,
}

/// Small wishes for the thread, merged: at most one a peer and a rung.
#[derive(Default)]
struct Notes {
    rungs: BTreeMap<PeerId, Rung>,
    ended: BTreeSet<PeerId>,
    /// Who is to see one picture instead of the room's, or the room's again.
    veils: BTreeMap<PeerId, Option<EncodedFrame>>,
    /// Rungs that lost a frame to a full queue.
    broken: BTreeSet<(RoomId, Rung)>,
}

enum Command {
    Add { peer: Box<peer::Peer>, done: oneshot::Sender<()> },
    Stop { done: oneshot::Sender<()> },
}

impl RtcSettings {
    /// The same address for both, and what suits most otherwise.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            udp: listen,
            tcp: listen,
            public_addresses: Vec::new(),
            max_peers: 200,
            start_rate: Bitrate::kbps(4000),
            full_rate: Bitrate::kbps(8000),
            patience: Patience::default(),
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(12),
            stall: Duration::from_secs(5),
        }
    }
}

impl Rtc {
    /// Takes the ports and starts the thread.
    pub async fn start(settings: RtcSettings) -> Result<Self, RtcError> {
        let sockets = engine::Sockets::bind(&settings)?;
        let (frames, frame_queue) = mpsc::channel(FRAMES);
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let shared = Arc::new(Shared {
            local: sockets.local(),
            _own: OwnPort::claim(sockets.local().1.port()),
            identity: answer::Identity::new().ok_or(RtcError::Certificate)?,
            next_peer: AtomicU64::new(1),
            seats: Arc::default(),
            frames_dropped: AtomicU64::new(0),
            notes: Mutex::default(),
            noted: Notify::new(),
            veiled: AtomicBool::new(false),
            peers: Mutex::default(),
            totals: watch::Sender::new(Totals::default()),
            settings,
        });
        engine::start(sockets, shared.clone(), frame_queue, command_queue)?;
        Ok(Self { shared, frames, commands })
    }

    /// The UDP and TCP addresses in use.
    pub fn local(&self) -> (SocketAddr, SocketAddr) {
        self.shared.local
    }

    /// Answers an offer. The viewer then has `Patience::connect` to come.
    pub async fn connect(&self, connect: Connect<'_>) -> Result<Connected, RtcError> {
        let seat = self.seat()?;
        let id = PeerId(self.shared.next_peer.fetch_add(1, Ordering::Relaxed));
        let (peer, connected) = peer::Peer::new(id, connect, &self.shared, seat)?;
        let (done, added) = oneshot::channel();
        let add = Command::Add { peer: Box::new(peer), done };
        self.commands.send(add).await.map_err(|_| RtcError::Stopped)?;
        added.await.map_err(|_| RtcError::Stopped)?;
        Ok(connected)
    }

    /// Which encode a viewer gets, from that one's next key frame on.
    pub fn set_rung(&self, peer: PeerId, rung: Rung) {
        self.note(|notes| {
            notes.rungs.insert(peer, rung);
        });
    }

    /// From now on a viewer gets this key frame of its codec and nothing of the
    /// room; with nothing, the room again. No frame that is delivered after
    /// this is sent before it has come true.
    pub fn set_veil(&self, peer: PeerId, veil: Option<EncodedFrame>) {
        self.note(|notes| {
            notes.veils.insert(peer, veil);
        });
        self.shared.veiled.store(true, Ordering::Release);
    }

    /// Ends a viewer. `Closed(Ended)` follows.
    pub fn disconnect(&self, peer: PeerId) {
        self.note(|notes| {
            notes.ended.insert(peer);
        });
    }

    /// The last second's figures of a viewer, if it is connected.
    pub fn stats(&self, peer: PeerId) -> Option<PeerStats> {
        lock(&self.shared.peers).get(&peer).copied()
    }

    /// The sums, renewed every second while there are viewers.
    pub fn totals(&self) -> watch::Receiver<Totals> {
        self.shared.totals.subscribe()
    }

    /// Says goodbye to all viewers and ends the thread.
    pub async fn stop(self, deadline: Duration) {
        let (done, stopped) = oneshot::channel();
        let stop = async {
            if self.commands.send(Command::Stop { done }).await.is_ok() {
                let _ = stopped.await;
            }
        };
        if tokio::time::timeout(deadline, stop).await.is_err() {
            tracing::warn!("viewers were not told of the end in time");
        }
    }

    fn seat(&self) -> Result<peer::Seat, RtcError> {
        let max = self.shared.settings.max_peers;
        peer::Seat::take(&self.shared.seats, max).ok_or(RtcError::Full { max })
    }

    fn note(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut lock(&self.shared.notes));
        self.shared.noted.notify_one();
    }
}

impl EncodedSink for Rtc {
    fn deliver(&self, frame: EncodedFrame) {
        if let Err(mpsc::error::TrySendError::Full(frame)) = self.frames.try_send(frame) {
            self.shared.frames_dropped.fetch_add(1, Ordering::Relaxed);
            self.note(|notes| {
                notes.broken.insert((frame.room, frame.rung));
            });
        }
    }
}

impl std::fmt::Debug for Rtc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rtc").field("local", &self.shared.local).finish_non_exhaustive()
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CloseReason::Left => "the viewer hung up",
            CloseReason::Lost => "nothing was heard from the viewer",
            CloseReason::NeverConnected => "the viewer never came",
            CloseReason::Stalled => "the viewer stopped reading",
            CloseReason::Ended => "it was ended here",
            CloseReason::Unheard => "the room did not take its events",
            CloseReason::Failed(why) => return write!(f, "its connection broke: {why}"),
        })
    }
}

/// The rung that a viewer starts on.
fn first_rung(codec: Codec) -> Rung {
    Rung { codec, tier: Tier::Full }
}

/// A panic elsewhere leaves these small maps usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The mark of an input of this peer.
fn stamp_of(peer: PeerId, stamp: u32) -> InputStamp {
    InputStamp { peer, stamp }
}
