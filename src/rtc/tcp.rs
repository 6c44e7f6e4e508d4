//! ICE-TCP: viewers whose network has no UDP (RFC 6544, we are passive; each
//! packet behind its length, RFC 4571). One task reads and one writes for each
//! connection, so that a viewer that does not read holds up nobody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

/// No packet of a viewer is larger: media flows the other way.
const MAX_FRAME: usize = 4096;
/// The kernel's buffer of one connection: what is in it can not be recalled.
pub(super) const SEND_BUFFER: u32 = 128 * 1024;
/// Bursts waiting for the writer; when full, packets are lost as on any line.
const BURSTS: usize = 64;
/// A line that takes nothing for so long is given up, also after its peer has gone.
const STUCK: Duration = Duration::from_secs(10);

/// What a connection brings.
pub(super) enum Arrival {
    Packet { source: SocketAddr, destination: SocketAddr, bytes: BytesMut },
    Ended { source: SocketAddr },
}

/// Our end of one connection. Dropping it ends the reading at once, and the
/// writing when what was queued is out.
pub(super) struct Link {
    bursts: mpsc::Sender<Vec<u8>>,
    flow: Arc<Flow>,
    reading: AbortHandle,
    opened: Instant,
}

/// How the writing goes, shared with the writer.
struct Flow {
    since: Instant,
    queued: AtomicUsize,
    /// When the line last took bytes, in milliseconds after `since`.
    taken_at: AtomicU64,
    drained: Arc<Notify>,
}

impl Link {
    /// Takes up a connection. `arrivals` is bounded: when it is full the viewer's
    /// own sending waits. `drained` is told when the line has taken everything.
    pub fn start(
        stream: TcpStream,
        source: SocketAddr,
        destination: SocketAddr,
        arrivals: mpsc::Sender<Arrival>,
        drained: Arc<Notify>,
    ) -> Self {
        // Packets are whole; waiting to fill segments would only delay them.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (bursts, queue) = mpsc::channel(BURSTS);
        let opened = Instant::now();
        let flow = Arc::new(Flow {
            since: opened,
            queued: AtomicUsize::new(0),
            taken_at: AtomicU64::new(0),
            drained,
        });
        tokio::spawn(write(writer, queue, flow.clone()));
        let reading = tokio::spawn(async move {
            if let Err(reason) = read(reader, source, destination, &arrivals).await {
                tracing::debug!(%source, reason, "an ICE-TCP connection ends");
            }
            let _ = arrivals.send(Arrival::Ended { source }).await;
        });
        Self { bursts, flow, reading: reading.abort_handle(), opened }
    }

    /// Sends framed packets. False when the line is too far behind to take them.
    pub fn send(&self, burst: Vec<u8>) -> bool {
        let length = burst.len();
        if self.flow.queued.fetch_add(length, Ordering::Relaxed) == 0 {
            self.flow.touch();
        }
        let taken = self.bursts.try_send(burst).is_ok();
        if !taken {
            self.flow.queued.fetch_sub(length, Ordering::Relaxed);
        }
        taken
    }

    /// Bytes that the kernel has not taken yet.
    pub fn queued(&self) -> usize {
        self.flow.queued.load(Ordering::Relaxed)
    }

    /// For how long bytes wait with none taken.
    pub fn stalled(&self, now: Instant) -> Duration {
        if self.queued() == 0 {
            return Duration::ZERO;
        }
        let taken_at = Duration::from_millis(self.flow.taken_at.load(Ordering::Relaxed));
        now.saturating_duration_since(self.flow.since + taken_at)
    }

    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Flow {
    fn touch(&self) {
        self.taken_at.store(self.since.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

/// Puts a packet behind its length.
pub(super) fn frame(burst: &mut Vec<u8>, packet: &[u8]) {
    // A packet is never longer than a datagram.
    let Ok(length) = u16::try_from(packet.len()) else { return };
    burst.extend(length.to_be_bytes());
    burst.extend_from_slice(packet);
}

async fn read(
    reader: OwnedReadHalf,
    source: SocketAddr,
    destination: SocketAddr,
    arrivals: &mpsc::Sender<Arrival>,
) -> Result<(), &'static str> {
    let mut reader = tokio::io::BufReader::new(reader);
    loop {
        let mut length = [0; 2];
        if reader.read_exact(&mut length).await.is_err() {
            return Ok(());
        }
        let length = usize::from(u16::from_be_bytes(length));
        if length > MAX_FRAME {
            return Err("a frame is longer than any packet of a viewer");
        }
        let mut bytes = BytesMut::zeroed(length);
        if reader.read_exact(&mut bytes).await.is_err() {
            return Err("it ended within a frame");
        }
        if arrivals.send(Arrival::Packet { source, destination, bytes }).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>, flow: Arc<Flow>) {
    while let Some(burst) = queue.recv().await {
        let mut rest = burst.as_slice();
        while !rest.is_empty() {
            match tokio::time::timeout(STUCK, writer.write(rest)).await {
                Ok(Ok(taken)) if taken > 0 => {
                    rest = &rest[taken..];
                    flow.queued.fetch_sub(taken, Ordering::Relaxed);
                    flow.touch();
                }
                _ => return,
            }
        }
        if flow.queued.load(Ordering::Relaxed) == 0 {
            flow.drained.notify_one();
        }
    }
    let _ = writer.shutdown().await;
}
