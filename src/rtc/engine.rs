//! The thread: moves packets between the sockets and the peers, frames from
//! the encoders to the peers, and wakes each peer when it asked to be woken.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use str0m::Input as Str0mInput;
use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive, Transmit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc, oneshot};

use super::packetize::Packets;
use super::peer::{Lines, Peer};
use super::tcp::{self, Arrival, Link};
use super::udp::{self, Udp};
use super::{CloseReason, Command, RtcError, RtcSettings, Shared, Totals, lock};
use crate::base::{EncodedFrame, PeerId, RoomId};

/// TCP connections that have not shown whose they are.
const MAX_STRANGERS: usize = 64;
/// How long they may take for it.
const STRANGER: Duration = Duration::from_secs(10);
/// Packets from all TCP connections; when full, their tasks wait, and so the viewers.
const ARRIVALS: usize = 256;
/// Deadlines that are not str0m's are looked at this often, while there is anyone.
const TICK: Duration = Duration::from_millis(500);
/// Rooms' clocks start with this much behind them, so that no time is negative.
const HEAD_START: Duration = Duration::from_secs(1);
/// How long closed peers may wait for their rooms to take the last event.
const FAREWELL: Duration = Duration::from_secs(5);

/// The bound ports.
pub(super) struct Sockets {
    udp: StdUdpSocket,
    tcp: StdTcpListener,
    local: (SocketAddr, SocketAddr),
}

struct Engine {
    shared: Arc<Shared>,
    lines: Wires,
    listener: TcpListener,
    frames: mpsc::Receiver<EncodedFrame>,
    commands: mpsc::Receiver<Command>,
    arrivals: mpsc::Receiver<Arrival>,
    peers: HashMap<PeerId, Peer>,
    /// Peers that are over, until their rooms know.
    gone: Vec<(Peer, Instant)>,
    by_ufrag: HashMap<String, PeerId>,
    by_address: HashMap<(Protocol, SocketAddr), PeerId>,
    /// When each room's RTP clock started.
    clocks: HashMap<RoomId, Instant>,
    tick: Instant,
    received: u64,
}

/// The sockets as peers see them.
struct Wires {
    udp: Udp,
    links: HashMap<SocketAddr, Connection>,
    to_engine: mpsc::Sender<Arrival>,
    drained: Arc<Notify>,
    /// Packets for one TCP connection that leave together.
    burst: Vec<u8>,
    burst_to: Option<SocketAddr>,
    refused: u64,
    tcp_packets: u64,
    tcp_bytes: u64,
}

struct Connection {
    link: Link,
    known: bool,
}

impl Sockets {
    pub fn bind(settings: &RtcSettings) -> Result<Self, RtcError> {
        let udp = StdUdpSocket::bind(settings.udp).map_err(|error| refusal("UDP", settings.udp, error))?;
        let udp_address = udp.local_addr().map_err(|error| refusal("UDP", settings.udp, error))?;
        let mut wanted = vec![settings.tcp];
        if settings.tcp.port() == 0 {
            // One number for both is easier on firewalls.
            wanted.insert(0, SocketAddr::new(settings.tcp.ip(), udp_address.port()));
        }
        let mut bound = listen(wanted[0]);
        if bound.is_err() && wanted.len() > 1 {
            bound = listen(wanted[1]);
        }
        let tcp = bound.map_err(|error| refusal("TCP", settings.tcp, error))?;
        let tcp_address = tcp.local_addr().map_err(|error| refusal("TCP", settings.tcp, error))?;
        let ready = udp.set_nonblocking(true).and_then(|()| tcp.set_nonblocking(true));
        ready.map_err(|error| refusal("UDP", settings.udp, error))?;
        Ok(Self { udp, tcp, local: (udp_address, tcp_address) })
    }

    pub fn local(&self) -> (SocketAddr, SocketAddr) {
        self.local
    }
}

/// Starts the thread. It ends when every handle is gone, or by `Command::Stop`.
pub(super) fn start(
    sockets: Sockets,
    shared: Arc<Shared>,
    frames: mpsc::Receiver<EncodedFrame>,
    commands: mpsc::Receiver<Command>,
) -> Result<(), RtcError> {
    let thread_error = |source| RtcError::Thread { source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(thread_error)?;
    let (to_engine, arrivals) = mpsc::channel(ARRIVALS);
    let (udp, listener) = {
        let _context = runtime.enter();
        let udp = Udp::new(sockets.udp).map_err(thread_error)?;
        (udp, TcpListener::from_std(sockets.tcp).map_err(thread_error)?)
    };
    let lines = Wires {
        udp,
        links: HashMap::new(),
        to_engine,
        drained: Arc::new(Notify::new()),
        burst: Vec::new(),
        burst_to: None,
        refused: 0,
        tcp_packets: 0,
        tcp_bytes: 0,
    };
    let mut engine = Engine {
        shared,
        lines,
        listener,
        frames,
        commands,
        arrivals,
        peers: HashMap::new(),
        gone: Vec::new(),
        by_ufrag: HashMap::new(),
        by_address: HashMap::new(),
        clocks: HashMap::new(),
        tick: Instant::now(),
        received: 0,
    };
    std::thread::Builder::new()
        .name("rtc".into())
        .spawn(move || {
            let stopped = runtime.block_on(engine.run());
            drop(engine);
            // Writers of TCP goodbyes get a moment; then nothing of us is left.
            runtime.shutdown_timeout(Duration::from_millis(200));
            if let Some(stopped) = stopped {
                let _ = stopped.send(());
            }
        })
        .map(drop)
        .map_err(thread_error)
}

impl Engine {
    async fn run(&mut self) -> Option<oneshot::Sender<()>> {
        let shared = self.shared.clone();
        let drained = self.lines.drained.clone();
        loop {
            let wake = self.wake();
            let sleep = async move {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                frame = self.frames.recv() => match frame {
                    Some(frame) => self.handle_frame(frame),
                    None => { self.close_all(); return None; }
                },
                command = self.commands.recv() => match command {
                    Some(Command::Add { peer, done }) => {
                        self.add(*peer);
                        let _ = done.send(());
                    }
                    Some(Command::Stop { done }) => {
                        self.close_all();
                        self.say_farewell().await;
                        return Some(done);
                    }
                    None => { self.close_all(); return None; }
                },
                () = shared.noted.notified() => self.handle_notes(),
                () = self.lines.udp.readable() => self.handle_udp(),
                Some(arrival) = self.arrivals.recv() => self.handle_arrival(arrival),
                () = drained.notified() => self.handle_drained(),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, source)) => self.handle_accept(stream, source),
                    // Out of descriptors, most likely: what is open goes on.
                    Err(error) => {
                        tracing::warn!(%error, "an ICE-TCP connection could not be taken");
                        tokio::task::yield_now().await;
                    }
                },
                () = sleep => {}
            }
            self.handle_timeouts();
        }
    }

    /// When the next peer wants attention; nothing when there is nobody.
    fn wake(&self) -> Option<Instant> {
        let peers = self.peers.values().map(Peer::wake).min();
        let anyone = !self.peers.is_empty() || !self.lines.links.is_empty() || !self.gone.is_empty();
        let tick = anyone.then_some(self.tick + TICK);
        peers.into_iter().chain(tick).min()
    }

    fn add(&mut self, peer: Peer) {
        self.by_ufrag.insert(peer.ufrag.clone(), peer.id);
        self.peers.insert(peer.id, peer);
    }

    fn handle_frame(&mut self, frame: EncodedFrame) {
        if self.shared.veiled.load(Ordering::Acquire) {
            self.handle_notes();
        }
        if !self.peers.values().any(|peer| peer.takes(&frame.room, frame.rung)) {
            return;
        }
        let now = Instant::now();
        let packets = Arc::new(Packets::new(frame));
        if packets.payloads.is_empty() {
            return;
        }
        let start = *self
            .clocks
            .entry(packets.room.clone())
            .or_insert_with(|| packets.captured_at.checked_sub(HEAD_START).unwrap_or(packets.captured_at));
        let timestamp = rtp_time(packets.captured_at.saturating_duration_since(start));
        let stall = self.shared.settings.patience.stall;
        for peer in self.peers.values_mut().filter(|peer| peer.room == packets.room) {
            peer.handle_frame(now, &packets, timestamp, stall, &mut self.lines);
            self.lines.flush();
        }
    }

    fn handle_notes(&mut self) {
        let now = Instant::now();
        self.shared.veiled.store(false, Ordering::Release);
        let notes = std::mem::take(&mut *lock(&self.shared.notes));
        for (id, veil) in notes.veils {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.set_veil(now, veil.map(|frame| Arc::new(Packets::new(frame))), &mut self.lines);
                self.lines.flush();
            }
        }
        for (id, rung) in notes.rungs {
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.set_rung(now, rung);
            }
        }
        for (room, rung) in notes.broken {
            for peer in self.peers.values_mut().filter(|peer| peer.room == room) {
                peer.handle_broken(now, rung);
            }
        }
        for id in notes.ended {
            self.remove(now, id, CloseReason::Ended);
        }
    }

    fn handle_udp(&mut self) {
        let now = Instant::now();
        // The socket is lent out so that peers can answer while it is read.
        let mut arrived: Vec<(SocketAddr, SocketAddr, BytesMut)> = Vec::new();
        self.lines.udp.receive(|source, destination, bytes| {
            arrived.push((source, destination, bytes.into()));
        });
        for (source, destination, bytes) in arrived {
            self.handle_packet(now, Protocol::Udp, source, destination, &bytes);
        }
    }

    fn handle_arrival(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Packet { source, destination, bytes } => {
                self.handle_packet(Instant::now(), Protocol::Tcp, source, destination, &bytes);
            }
            Arrival::Ended { source } => {
                self.lines.links.remove(&source);
                // The viewer may come back by another connection or by UDP; else its silence tells.
                self.by_address.remove(&(Protocol::Tcp, source));
            }
        }
    }

    /// Finds whose packet it is: STUN says so itself, the rest by its address.
    fn handle_packet(
        &mut self,
        now: Instant,
        proto: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        self.received += 1;
        let is_stun = bytes.first().is_some_and(|first| *first < 2);
        let id = if is_stun {
            let claimed = StunMessage::parse(bytes).ok().and_then(|stun| {
                let (local, _) = stun.split_username()?;
                self.by_ufrag.get(local).copied()
            });
            claimed.or_else(|| self.by_address.get(&(proto, source)).copied())
        } else {
            self.by_address.get(&(proto, source)).copied()
        };
        let Some(peer) = id.and_then(|id| self.peers.get_mut(&id)) else { return };
        let Ok(receive) = Receive::new(proto, source, destination, bytes) else { return };
        if is_stun {
            // str0m checks the password here; before that an address means nothing.
            let input = Str0mInput::Receive(now, receive);
            if !peer.accepts(&input) {
                return;
            }
            let Str0mInput::Receive(_, receive) = input else { return };
            if !peer.addresses.contains(&(proto, source)) && peer.addresses.len() < 16 {
                peer.addresses.push((proto, source));
                self.by_address.insert((proto, source), peer.id);
            }
            if let Some(connection) = self.lines.links.get_mut(&source).filter(|_| proto == Protocol::Tcp) {
                connection.known = true;
            }
            peer.handle_receive(now, receive, &mut self.lines);
        } else {
            peer.handle_receive(now, receive, &mut self.lines);
        }
        self.lines.flush();
    }

    fn handle_drained(&mut self) {
        let now = Instant::now();
        for peer in self.peers.values_mut() {
            peer.handle_drained(now, &mut self.lines);
            self.lines.flush();
        }
    }

    fn handle_accept(&mut self, stream: TcpStream, source: SocketAddr) {
        let strangers = self.lines.links.values().filter(|connection| !connection.known).count();
        if strangers >= MAX_STRANGERS {
            tracing::debug!("too many ICE-TCP connections of strangers; one more is refused");
            return;
        }
        let Ok(destination) = stream.local_addr() else { return };
        let (source, destination) = (udp::canonical(source), udp::canonical(destination));
        let link = Link::start(
            stream,
            source,
            destination,
            self.lines.to_engine.clone(),
            self.lines.drained.clone(),
        );
        self.lines.links.insert(source, Connection { link, known: false });
    }

    fn handle_timeouts(&mut self) {
        let now = Instant::now();
        for peer in self.peers.values_mut() {
            if now >= peer.wake() || peer.outbox.has_waiting() {
                peer.handle_timeout(now, &mut self.lines);
                self.lines.flush();
            }
        }
        let settings = &self.shared.settings;
        let over: Vec<_> =
            self.peers.iter().filter_map(|(id, peer)| Some((*id, peer.verdict(now, settings)?))).collect();
        for (id, reason) in over {
            self.remove(now, id, reason);
        }
        self.gone.retain_mut(|(peer, until)| !peer.outbox.flush() && now < *until);
        if now >= self.tick + TICK {
            self.handle_tick(now);
        }
    }

    fn handle_tick(&mut self, now: Instant) {
        self.tick = now;
        let stall = self.shared.settings.patience.stall;
        for peer in self.peers.values_mut() {
            peer.handle_tick(now, stall, &self.lines);
        }
        self.lines.links.retain(|_, connection| connection.known || connection.link.age(now) < STRANGER);
        if self.peers.is_empty() {
            self.clocks.clear();
        }
        self.publish();
    }

    fn publish(&self) {
        let mut totals = Totals {
            packets: self.lines.udp.sent.packets + self.lines.tcp_packets,
            bytes: self.lines.udp.sent.bytes + self.lines.tcp_bytes,
            sends: self.lines.udp.sent.calls,
            refused: self.lines.udp.sent.refused + self.lines.refused,
            frames_dropped: self.shared.frames_dropped.load(Ordering::Relaxed),
            received: self.received,
            ..Totals::default()
        };
        let mut peers = lock(&self.shared.peers);
        peers.clear();
        for (id, peer) in self.peers.iter().filter(|(_, peer)| peer.is_connected()) {
            let stats = peer.stats();
            totals.peers += 1;
            totals.rtt_max = totals.rtt_max.max(stats.rtt);
            totals.loss_max = totals.loss_max.max(stats.loss);
            peers.insert(*id, stats);
        }
        drop(peers);
        self.shared.totals.send_replace(totals);
    }

    fn remove(&mut self, now: Instant, id: PeerId, reason: CloseReason) {
        let Some(mut peer) = self.peers.remove(&id) else { return };
        peer.close(now, reason, &mut self.lines);
        self.lines.flush();
        self.by_ufrag.remove(&peer.ufrag);
        for (proto, address) in std::mem::take(&mut peer.addresses) {
            if self.by_address.get(&(proto, address)) == Some(&id) {
                self.by_address.remove(&(proto, address));
                if proto == Protocol::Tcp {
                    self.lines.links.remove(&address);
                }
            }
        }
        lock(&self.shared.peers).remove(&id);
        if !peer.outbox.flush() {
            self.gone.push((peer, now + FAREWELL));
        }
    }

    fn close_all(&mut self) {
        let now = Instant::now();
        let ids: Vec<PeerId> = self.peers.keys().copied().collect();
        for id in ids {
            self.remove(now, id, CloseReason::Ended);
        }
        self.publish();
    }

    /// Rooms that are slow to take the last events get a moment.
    async fn say_farewell(&mut self) {
        let until = Instant::now() + Duration::from_secs(1);
        while !self.gone.is_empty() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
            self.gone.retain_mut(|(peer, _)| !peer.outbox.flush());
        }
    }
}

impl Wires {
    /// Lets go of all that waits to leave together.
    fn flush(&mut self) {
        self.udp.flush();
        self.flush_tcp();
    }

    fn flush_tcp(&mut self) {
        let Some(viewer) = self.burst_to.take() else { return };
        let burst = std::mem::take(&mut self.burst);
        let length = burst.len() as u64;
        let sent = self.links.get(&viewer).is_some_and(|connection| connection.link.send(burst));
        if sent {
            self.tcp_bytes += length;
        } else {
            self.refused += 1;
        }
    }
}

impl Lines for Wires {
    fn send(&mut self, packet: &Transmit) {
        if packet.proto == Protocol::Udp {
            self.udp.send(packet.source, packet.destination, &packet.contents);
            return;
        }
        if self.burst_to != Some(packet.destination) {
            self.flush_tcp();
            self.burst_to = Some(packet.destination);
        }
        tcp::frame(&mut self.burst, &packet.contents);
        self.tcp_packets += 1;
    }

    fn waiting(&self, viewer: SocketAddr, now: Instant) -> (usize, Duration) {
        self.links.get(&viewer).map_or((0, Duration::ZERO), |connection| {
            (connection.link.queued(), connection.link.stalled(now))
        })
    }
}

/// The 90 kHz clock of RTP, which wraps.
fn rtp_time(since_start: Duration) -> u32 {
    (since_start.as_micros() * 9 / 100) as u32
}

fn listen(address: SocketAddr) -> std::io::Result<StdTcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Inherited by what is accepted: little should be beyond recall.
    socket.set_send_buffer_size(tcp::SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(128)?.into_std()
}

fn refusal(protocol: &'static str, address: SocketAddr, source: std::io::Error) -> RtcError {
    match source.kind() {
        ErrorKind::AddrInUse => RtcError::Busy { protocol, address },
        _ => RtcError::Listen { protocol, address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rtp_clock_ticks_90000_times_a_second_and_wraps() {
        assert_eq!(rtp_time(Duration::from_secs(1)), 90_000);
        assert_eq!(rtp_time(Duration::from_micros(16_667)), 1500);
        let wrap = Duration::from_micros((1u64 << 32) * 100 / 9 + 12);
        assert!(rtp_time(wrap) < 10);
    }
}
