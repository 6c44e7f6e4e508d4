//! One room's gate: takes connections from its browser, and makes tunnels for
//! those that the rules let through.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::counts::{Counters, Counts, count};
use super::dial::connect;
use super::pump::{HALF_CLOSED, Reader, Writer, pump};
use super::resolve::{Names, Resolve};
use super::seen::{Seen, Turned};
use super::socks::{self, Reply, SocksError};
use super::upstream;
use crate::policy::egress::{Host, Judge, Refusal, Upstream, Why};
use crate::process;

/// Tunnels of one room at a time. One more is refused; none waits.
pub const MOST_TUNNELS: usize = 1024;
/// How long a browser may take to say where it wants to go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a name may take to be resolved, and an upstream proxy to answer.
const ANSWER: Duration = Duration::from_secs(15);
/// How long a refused page of plain HTTP may take to say what it wanted.
const REQUEST: Duration = Duration::from_secs(3);
const LONGEST_HEAD: usize = 8 << 10;
/// A socket that cannot accept is asked again after this time.
const AGAIN: Duration = Duration::from_millis(100);

/// Told of a connection that was not made, once in a while for each.
pub type Tell = Arc<dyn Fn(&Turned) + Send + Sync>;

/// What a gate is made from.
pub struct GateSettings {
    pub judge: Judge,
    /// A proxy through which everything goes.
    pub upstream: Option<Upstream>,
    pub resolver: Arc<dyn Resolve>,
    pub tell: Tell,
}

/// One room's gate. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    /// Whoever holds a tunnel hears of new rules by it.
    judge: watch::Sender<Arc<Judge>>,
    upstream: Option<Upstream>,
    names: Names,
    places: Arc<Semaphore>,
    counters: Counters,
    seen: Mutex<Seen>,
    tell: Tell,
}

/// A socket at which the gate stands. Dropping it ends its tunnels too.
#[derive(Debug)]
pub struct Serving {
    _ends: DropGuard,
}

/// Why there is no tunnel.
#[derive(Debug)]
enum NoTunnel {
    Refused(Refusal),
    Failed { reply: Reply, reason: String },
}

/// A tunnel's other end.
struct Far {
    halves: (Reader, Writer),
    /// Nothing when a proxy knows it.
    address: Option<IpAddr>,
}

impl From<Refusal> for NoTunnel {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Gate {
    pub fn new(settings: GateSettings) -> Self {
        let GateSettings { judge, upstream, resolver, tell } = settings;
        Self(Arc::new(Inner {
            judge: watch::Sender::new(Arc::new(judge)),
            upstream,
            names: Names::new(resolver),
            places: Arc::new(Semaphore::new(MOST_TUNNELS)),
            counters: Counters::default(),
            seen: Mutex::default(),
            tell,
        }))
    }

    /// Takes connections from this socket until the answer is dropped.
    pub fn serve(&self, listener: std::net::TcpListener) -> io::Result<Serving> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let ends = CancellationToken::new();
        let (gate, until) = (self.clone(), ends.clone());
        tokio::spawn(async move {
            let accepting = async {
                // A gate that failed lets nobody out, and stands again at once.
                while AssertUnwindSafe(gate.accept(&listener, &until)).catch_unwind().await.is_err() {
                    tracing::error!("the room's gate failed and is started again");
                }
            };
            tokio::select! {
                () = until.cancelled() => {}
                () = accepting => {}
            }
        });
        Ok(Serving { _ends: ends.drop_guard() })
    }

    /// Puts other rules in place. Tunnels that they forbid end now.
    pub fn replace(&self, judge: Judge) {
        self.0.judge.send_replace(Arc::new(judge));
    }

    /// The proxy behind it.
    pub fn upstream(&self) -> Option<&Upstream> {
        self.0.upstream.as_ref()
    }

    pub fn counts(&self) -> Counts {
        let open = MOST_TUNNELS - self.0.places.available_permits();
        self.0.counters.read(open as u64)
    }

    /// What was turned away or not reached, the latest first.
    pub fn turned_away(&self) -> Vec<Turned> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner).latest()
    }

    /// Why nothing came of a connection to this host after that time.
    pub fn why(&self, host: &str, port: Option<u16>, after: SystemTime) -> Option<String> {
        let host = Host::read(host).ok()?.to_string();
        let seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.why(&host, port, after).map(|turned| turned.reason.clone())
    }

    async fn accept(&self, listener: &TcpListener, until: &CancellationToken) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the room's gate cannot accept");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
                count(&self.0.counters.busy, 1);
                let reason = format!("the room has {MOST_TUNNELS} connections already; close some pages");
                self.turn_away("(many)".into(), 0, "busy", reason);
                continue;
            };
            let (gate, until) = (self.clone(), until.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = until.cancelled() => {}
                    () = gate.pass(stream) => {}
                }
                drop(place);
            });
        }
    }

    /// One connection from its first byte to its last.
    async fn pass(&self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Ok(Ok((host, port, early))) = timeout(HANDSHAKE, handshake(&mut stream)).await else { return };
        let mut judge = self.0.judge.subscribe();
        let now = Arc::clone(&judge.borrow_and_update());
        match self.open(&host, port, &now).await {
            Ok(mut far) => {
                if stream.write_all(&Reply::Done.bytes()).await.is_err() {
                    return;
                }
                if !early.is_empty() && far.halves.1.write_all(&early).await.is_err() {
                    return;
                }
                count(&self.0.counters.made, 1);
                self.carry(stream, far, &host, port, judge).await;
            }
            Err(NoTunnel::Refused(refusal)) => {
                let counter = match &refusal.why {
                    Why::Own => &self.0.counters.own,
                    Why::Denied(_) | Why::NotListed => &self.0.counters.denied,
                    Why::Closed { .. } => &self.0.counters.closed,
                };
                count(counter, 1);
                let reason = refusal.to_string();
                self.turn_away(host.to_string(), port, refusal.why.word(), reason.clone());
                tell_page(stream, port, &reason).await;
            }
            Err(NoTunnel::Failed { reply, reason }) => {
                count(&self.0.counters.failed, 1);
                self.turn_away(host.to_string(), port, "failed", reason);
                let _ = stream.write_all(&reply.bytes()).await;
            }
        }
    }

    /// Carries bytes until an end, or until the rules forbid it.
    async fn carry(
        &self,
        stream: TcpStream,
        far: Far,
        host: &Host,
        port: u16,
        mut judge: watch::Receiver<Arc<Judge>>,
    ) {
        let (read, write) = stream.into_split();
        let counters = &self.0.counters;
        let (out, back): (&AtomicU64, &AtomicU64) = (&counters.bytes_out, &counters.bytes_in);
        let pumping = pump((Box::new(read), Box::new(write)), far.halves, out, back, HALF_CLOSED);
        let forbidden = async {
            // The gate holds the other end, so this ends with the tunnel alone.
            while judge.changed().await.is_ok() {
                let judge = Arc::clone(&judge.borrow_and_update());
                let still = match far.address {
                    Some(address) => judge.address(host, address, port, is_own(address, port)).map(drop),
                    None => self.judge_for_upstream(host, port, &judge),
                };
                if let Err(refusal) = still {
                    self.turn_away(host.to_string(), port, refusal.why.word(), refusal.to_string());
                    return;
                }
            }
        };
        tokio::select! {
            () = pumping => {}
            () = forbidden => {}
        }
    }

    /// Asks the rules, and connects to what they permit.
    async fn open(&self, host: &Host, port: u16, judge: &Judge) -> Result<Far, NoTunnel> {
        if let Some(proxy) = &self.0.upstream {
            self.judge_for_upstream(host, port, judge)?;
            return self.open_upstream(proxy, host, port).await;
        }
        judge.host(host, port, false)?;
        let found = match (host.known(), host) {
            (Some(known), _) => known,
            (None, Host::Name(name)) => self.resolve(name).await?,
            (None, Host::Address(address)) => vec![*address],
        };
        // Of several addresses those that are permitted are tried. The first refusal is told.
        let (mut permitted, mut refused) = (Vec::new(), None);
        for address in found {
            match judge.address(host, address, port, is_own(address, port)) {
                Ok(address) => permitted.push(address),
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        if let (true, Some(refusal)) = (permitted.is_empty(), refused) {
            return Err(refusal.into());
        }
        let failed = |error: io::Error| {
            if let Host::Name(name) = host {
                self.0.names.forget(name);
            }
            let reply = match error.kind() {
                io::ErrorKind::ConnectionRefused => Reply::ConnectionRefused,
                _ => Reply::Unreachable,
            };
            NoTunnel::Failed { reply, reason: format!("{host}:{port} could not be reached: {error}") }
        };
        let (stream, address) = connect(&permitted, port).await.map_err(failed)?;
        let (read, write) = stream.into_split();
        Ok(Far { halves: (Box::new(read), Box::new(write)), address: Some(address) })
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, NoTunnel> {
        let unknown = |why: &str| NoTunnel::Failed {
            reply: Reply::Unreachable,
            reason: format!("the name {name} cannot be resolved: {why}"),
        };
        match timeout(ANSWER, self.0.names.resolve(name)).await {
            Ok(Ok(found)) if found.is_empty() => Err(unknown("it has no address")),
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(unknown(&error.to_string())),
            Err(_) => Err(unknown("nobody answered in time")),
        }
    }

    /// Names go to the upstream as they are. Addresses, and names that mean this
    /// machine, are judged as ever.
    fn judge_for_upstream(&self, host: &Host, port: u16, judge: &Judge) -> Result<(), Refusal> {
        judge.host(host, port, true)?;
        for address in host.known().into_iter().flatten() {
            judge.address(host, address, port, is_own(address, port))?;
        }
        Ok(())
    }

    async fn open_upstream(&self, proxy: &Upstream, host: &Host, port: u16) -> Result<Far, NoTunnel> {
        let failed = |why: String| NoTunnel::Failed {
            reply: Reply::Failed,
            reason: format!("the room's proxy {proxy} does not let {host}:{port} through: {why}"),
        };
        let read = Host::read(&proxy.host).map_err(|error| failed(error.to_string()))?;
        let addresses = match read.known() {
            Some(known) => known,
            None => timeout(ANSWER, self.0.names.resolve(&proxy.host))
                .await
                .map_err(|_| failed("its name was not resolved in time".into()))?
                .map_err(|error| failed(format!("its name cannot be resolved: {error}")))?,
        };
        // It may be anywhere, since an admin named it; but never what is ours.
        let addresses: Vec<_> = addresses.into_iter().filter(|ip| !is_own(*ip, proxy.port)).collect();
        let connected = connect(&addresses, proxy.port).await;
        let (stream, _) = connected.map_err(|error| failed(format!("it cannot be reached: {error}")))?;
        let halves = timeout(ANSWER, upstream::tunnel(stream, proxy, host, port))
            .await
            .map_err(|_| failed("it did not answer in time".into()))?
            .map_err(|fault| failed(fault.to_string()))?;
        Ok(Far { halves, address: None })
    }

    fn turn_away(&self, host: String, port: u16, kind: &'static str, reason: String) {
        let turned = {
            let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let tell = seen.add(SystemTime::now(), host, port, kind, reason);
            tell.then(|| seen.latest().into_iter().next()).flatten()
        };
        if let Some(turned) = turned {
            (self.0.tell)(&turned);
        }
    }
}

fn is_own(address: IpAddr, port: u16) -> bool {
    process::is_own(SocketAddr::new(address, port))
}

/// Reads what is wanted, and what came after it already.
async fn handshake(stream: &mut TcpStream) -> io::Result<(Host, u16, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(socks::LONGEST);
    let greeted = loop {
        match socks::greeting(&bytes) {
            Ok(Some(used)) => break used,
            Ok(None) => more(stream, &mut bytes).await?,
            Err(error) => return refuse(stream, error, &socks::NO_METHOD).await,
        }
    };
    bytes.drain(..greeted);
    stream.write_all(&socks::WELCOME).await?;
    loop {
        match socks::request(&bytes) {
            Ok(Some((host, port, used))) => return Ok((host, port, bytes.split_off(used))),
            Ok(None) => more(stream, &mut bytes).await?,
            Err(error) => return refuse(stream, error, &error.answer().bytes()).await,
        }
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut part = [0u8; socks::LONGEST];
    match stream.read(&mut part).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => {
            bytes.extend(&part[..length]);
            Ok(())
        }
    }
}

async fn refuse<T>(stream: &mut TcpStream, error: SocksError, answer: &[u8]) -> io::Result<T> {
    stream.write_all(answer).await?;
    Err(io::Error::other(error))
}

/// Tells a person who went there by plain HTTP why nothing came. All else is
/// closed: no script gets an answer from an address that it may not reach.
async fn tell_page(mut stream: TcpStream, port: u16, reason: &str) {
    if port == 443 {
        let _ = stream.write_all(&Reply::Refused.bytes()).await;
        return;
    }
    let told = async {
        stream.write_all(&Reply::Done.bytes()).await?;
        let mut head = Vec::new();
        loop {
            more(&mut stream, &mut head).await?;
            if !head.starts_with(&b"GET "[..head.len().min(4)]) || head.len() > LONGEST_HEAD {
                return Ok(());
            }
            if head.windows(4).any(|four| four == b"\r\n\r\n") {
                break;
            }
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        // Chromium says this of pages alone, never of what a page loads.
        if !head.contains("\r\nupgrade-insecure-requests: 1\r\n") {
            return Ok(());
        }
        let reason = reason.replace('&', "&amp;").replace('<', "&lt;");
        let page = format!(
            "<!doctype html><meta charset=utf-8><title>Not reachable from this room</title>\
             <meta name=color-scheme content=\"light dark\">\
             <body style=\"font:16px/1.5 sans-serif;max-width:40em;margin:4em auto;padding:0 1em\">\
             <h1 style=\"font-size:1.25em\">Not reachable from this room</h1><p>{reason}."
        );
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    let _: Result<io::Result<()>, _> = timeout(REQUEST, told).await;
}
