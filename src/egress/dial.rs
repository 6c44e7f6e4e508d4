//! Connecting: to an address that was judged, and to that very one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(15);
/// The next address is tried beside the first after this time.
const NEXT: Duration = Duration::from_millis(250);
/// A name with a thousand addresses is not tried to its end.
const MOST_ADDRESSES: usize = 8;

/// Connects to the first address that answers.
pub(super) async fn connect(addresses: &[IpAddr], port: u16) -> io::Result<(TcpStream, IpAddr)> {
    let mut tries = FuturesUnordered::new();
    let mut waiting = addresses.iter().take(MOST_ADDRESSES).copied();
    let mut why = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let start = |address: IpAddr| async move { (one(SocketAddr::new(address, port)).await, address) };
    tries.extend(waiting.next().map(start));
    loop {
        let ended = tokio::select! {
            ended = tries.next(), if !tries.is_empty() => ended,
            () = sleep(NEXT), if waiting.len() > 0 => None,
            else => return Err(why),
        };
        match ended {
            Some((Ok(stream), address)) => return Ok((stream, address)),
            Some((Err(error), _)) => why = error,
            None => {}
        }
        tries.extend(waiting.next().map(start));
    }
}

async fn one(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it did not answer in 15 s"))??;
    stream.set_nodelay(true)?;
    ask_whether_it_lives(&stream);
    Ok(stream)
}

/// Lets the kernel find a peer that went without a word: after a minute of
/// silence it is asked every 15 s, and given up after four questions.
fn ask_whether_it_lives(stream: &TcpStream) {
    let set = |level, name, value: libc::c_int| {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the descriptor is open as long as `stream` is borrowed, the value is live.
        // Without the option the tunnel works as well, and lives longer.
        let _ = unsafe { libc::setsockopt(stream.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    };
    set(libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1);
    set(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 60);
    set(libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 15);
    set(libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 4);
    set(libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, 120_000);
}
