//! The one UDP socket of all peers. Packets of one size to one viewer leave
//! with one system call (GSO), and arrive several at a time.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Room for a burst to every viewer, and for their feedback while we are busy.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// One datagram, or several put together by the kernel.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// Datagrams (or joined ones) taken by one system call.
const BATCH: usize = 8;
/// The most that one call may carry.
const MAX_BURST: usize = 60_000;

pub(super) struct Udp {
    socket: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    buffers: Vec<Vec<u8>>,
    burst: Burst,
    pub sent: Sent,
}

/// What left, for the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub packets: u64,
    pub bytes: u64,
    pub calls: u64,
    /// Packets that the kernel would not take; the viewers ask for them again.
    pub refused: u64,
}

/// Packets that wait to leave together.
#[derive(Default)]
struct Burst {
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    route: Option<(SocketAddr, SocketAddr)>,
}

impl Udp {
    pub fn new(socket: std::net::UdpSocket) -> std::io::Result<Self> {
        let socket = UdpSocket::from_std(socket)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // The kernel may allow less; then bursts are smaller, nothing else.
        let _ = state.set_send_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let _ = state.set_recv_buffer_size(UdpSockRef::from(&socket), SOCKET_BUFFER);
        let local = socket.local_addr()?;
        let buffers = vec![vec![0; RECEIVE_BUFFER]; BATCH];
        Ok(Self { socket, state, local, buffers, burst: Burst::default(), sent: Sent::default() })
    }

    pub async fn readable(&self) {
        // An error shows when reading.
        let _ = self.socket.readable().await;
    }

    /// Hands over what has arrived: source, local destination, bytes. At most
    /// one batch, so that nobody's flood keeps the thread from the others.
    pub fn receive(&mut self, mut each: impl FnMut(SocketAddr, SocketAddr, &[u8])) {
        let mut metas = [RecvMeta::default(); BATCH];
        let (state, socket) = (&self.state, &self.socket);
        let mut slices: Vec<IoSliceMut> =
            self.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let received = socket
            .try_io(Interest::READABLE, || state.recv(UdpSockRef::from(socket), &mut slices, &mut metas));
        // An unreachable port of some viewer shows as an error here; its peer times out by itself.
        let Ok(count) = received else { return };
        for (meta, buffer) in metas.iter().zip(&self.buffers).take(count) {
            let source = canonical(meta.addr);
            let destination = match meta.dst_ip {
                Some(ip) if self.local.ip().is_unspecified() => {
                    SocketAddr::new(ip.to_canonical(), self.local.port())
                }
                _ => self.local,
            };
            let bytes = &buffer[..meta.len.min(buffer.len())];
            for datagram in bytes.chunks(meta.stride.max(1)) {
                each(source, destination, datagram);
            }
        }
    }

    /// Queues one packet; those before it leave if it does not fit with them.
    pub fn send(&mut self, source: SocketAddr, destination: SocketAddr, packet: &[u8]) {
        let burst = &self.burst;
        let joins = burst.route == Some((source, destination))
            && packet.len() <= burst.segment
            // A shorter packet may only be the last of its burst.
            && burst.bytes.len() == burst.segment * burst.count
            && burst.count < self.state.max_gso_segments()
            && burst.bytes.len() + packet.len() <= MAX_BURST;
        if !joins {
            self.flush();
            self.burst.route = Some((source, destination));
            self.burst.segment = packet.len();
        }
        self.burst.bytes.extend_from_slice(packet);
        self.burst.count += 1;
    }

    /// Lets go of what waits.
    pub fn flush(&mut self) {
        let Some((source, destination)) = self.burst.route.take() else { return };
        let transmit = Transmit {
            destination: self.routable(destination),
            ecn: None,
            contents: &self.burst.bytes,
            segment_size: (self.burst.count > 1).then_some(self.burst.segment),
            src_ip: self.local.ip().is_unspecified().then(|| self.routable(source).ip()),
        };
        let (state, socket) = (&self.state, &self.socket);
        let count = self.burst.count as u64;
        let sent = socket.try_io(Interest::WRITABLE, || state.try_send(UdpSockRef::from(socket), &transmit));
        match sent {
            Ok(()) => {
                self.sent.packets += count;
                self.sent.bytes += self.burst.bytes.len() as u64;
            }
            Err(error) => {
                if error.kind() != ErrorKind::WouldBlock {
                    tracing::debug!(%error, "the kernel refused packets to a viewer");
                }
                self.sent.refused += count;
            }
        }
        self.sent.calls += 1;
        self.burst.bytes.clear();
        self.burst.count = 0;
    }

    /// An IPv6 socket reaches IPv4 addresses in their mapped form.
    fn routable(&self, address: SocketAddr) -> SocketAddr {
        match (self.local.ip(), address.ip()) {
            (IpAddr::V6(_), IpAddr::V4(ip)) => {
                SocketAddr::new(IpAddr::V6(ip.to_ipv6_mapped()), address.port())
            }
            _ => address,
        }
    }
}

/// IPv4 addresses look the same whichever socket they came by.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
