//! Ports for the servers that tests start.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

const FIRST: u32 = 10_000;
/// Up to where Linux takes ports for connections on their way out: one of those
/// can be gone again before the server has it.
const END: u32 = 32_768;

/// A port that is free for UDP and TCP, and given to nobody else here.
pub fn port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes side by side begin at other places.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    GIVEN
        .compare_exchange(0, now.subsec_nanos() ^ std::process::id(), Ordering::Relaxed, Ordering::Relaxed)
        .ok();
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + given % (END - FIRST)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
