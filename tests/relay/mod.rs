//! Lines for tests: a UDP relay that loses, delays and limits, and a TCP relay
//! that can stop reading. Both on loopback, both in user space.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tandem::base::Bitrate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What the line does to packets, both ways; the rate counts towards the viewer only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    pub loss: f64,
    pub delay: Duration,
    pub rate: Option<Bitrate>,
}

/// Bytes that wait before the narrow part of the line; what does not fit is lost.
const QUEUE: Duration = Duration::from_millis(300);

pub struct Relay {
    address: SocketAddr,
    link: Arc<Mutex<Link>>,
    server: Arc<Mutex<Option<SocketAddr>>>,
    tasks: Vec<AbortHandle>,
}

impl Relay {
    /// Carries nothing until it knows the server by `towards`.
    pub async fn start(link: Link) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
        let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a port"));
        let address = front.local_addr().expect("bound");
        let link = Arc::new(Mutex::new(link));
        let server = Arc::new(Mutex::new(None));
        let viewer = Arc::new(Mutex::new(None));
        let up = tokio::spawn(carry(
            front.clone(),
            back.clone(),
            viewer.clone(),
            server.clone(),
            link.clone(),
            false,
        ));
        let down = tokio::spawn(carry(back, front, server.clone(), viewer, link.clone(), true));
        Self { address, link, server, tasks: vec![up.abort_handle(), down.abort_handle()] }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn towards(&self, server: SocketAddr) {
        *self.server.lock().expect("whole") = Some(server);
    }

    pub fn change(&self, change: impl FnOnce(&mut Link)) {
        change(&mut self.link.lock().expect("whole"));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Carries packets one way. `near` is who sends to `from`, `far` is where they go.
async fn carry(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    near: Arc<Mutex<Option<SocketAddr>>>,
    far: Arc<Mutex<Option<SocketAddr>>>,
    link: Arc<Mutex<Link>>,
    limited: bool,
) {
    let mut buffer = vec![0; 2048];
    // A fixed sequence, so that every run loses alike.
    let mut random = 0x2545_f491_4f6c_dd1du64;
    let mut free_at = Instant::now();
    let (queue, mut waiting) = tokio::sync::mpsc::channel::<(Instant, SocketAddr, Vec<u8>)>(4096);
    let sender = tokio::spawn(async move {
        while let Some((at, target, packet)) = waiting.recv().await {
            tokio::time::sleep_until(at.into()).await;
            let _ = to.send_to(&packet, target).await;
        }
    });
    let _end = Ended(sender.abort_handle());
    loop {
        let Ok((length, source)) = from.recv_from(&mut buffer).await else { continue };
        *near.lock().expect("whole") = Some(source);
        let Some(target) = *far.lock().expect("whole") else { continue };
        let link = *link.lock().expect("whole");
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if ((random >> 11) as f64 / (1u64 << 53) as f64) < link.loss {
            continue;
        }
        let now = Instant::now();
        let mut leaves = now;
        if let Some(rate) = link.rate.filter(|_| limited) {
            if free_at.saturating_duration_since(now) > QUEUE {
                continue;
            }
            let takes = Duration::from_secs_f64(length as f64 * 8.0 / rate.as_bps() as f64);
            free_at = free_at.max(now) + takes;
            leaves = free_at;
        }
        let _ = queue.try_send((leaves + link.delay, target, buffer[..length].to_vec()));
    }
}

struct Ended(AbortHandle);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A TCP line that can be blocked towards the viewer.
pub struct TcpGate {
    address: SocketAddr,
    open: watch::Sender<bool>,
    task: AbortHandle,
}

impl TcpGate {
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let open = watch::Sender::new(true);
        let gate = open.clone();
        let task = tokio::spawn(async move {
            while let Ok((viewer, _)) = listener.accept().await {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.set_recv_buffer_size(16 * 1024).expect("a small buffer");
                let server = socket.connect(server).await.expect("the server listens");
                tokio::spawn(join(viewer, server, gate.subscribe()));
            }
        });
        Self { address, open, task: task.abort_handle() }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn stop_reading(&self) {
        self.open.send_replace(false);
    }
}

impl Drop for TcpGate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn join(viewer: TcpStream, server: TcpStream, mut open: watch::Receiver<bool>) {
    let (mut viewer_in, mut viewer_out) = viewer.into_split();
    let (mut server_in, mut server_out) = server.into_split();
    let up = tokio::io::copy(&mut viewer_in, &mut server_out);
    let down = async {
        let mut buffer = vec![0; 4096];
        loop {
            if open.wait_for(|open| *open).await.is_err() {
                return;
            }
            match server_in.read(&mut buffer).await {
                Ok(length) if length > 0 => {
                    if viewer_out.write_all(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    };
    let _ = tokio::join!(up, down);
}
