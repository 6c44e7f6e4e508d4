//! The TCP ports on which this program, and what it started, listens: what a
//! page in a room must never reach, whatever else it may. Whoever listens
//! says so here and holds the guard as long. Ports belong to the machine, so
//! there is one list for all of the process.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{LazyLock, Mutex, PoisonError};

static PORTS: LazyLock<Mutex<HashMap<Place, usize>>> = LazyLock::new(Mutex::default);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    /// On every address of this machine.
    Here(u16),
    /// Somewhere else.
    There(SocketAddr),
}

/// Holds a place that is ours. Dropping it lets go of it.
#[derive(Debug)]
pub struct OwnPort(Place);

impl OwnPort {
    /// We listen on this port of this machine.
    pub fn claim(port: u16) -> Self {
        Self::hold(Place::Here(port))
    }

    /// Something of ours is found at this address, on this machine or another.
    pub fn claim_at(address: SocketAddr) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        match is_of_this_machine(address.ip()) {
            true => Self::hold(Place::Here(address.port())),
            false => Self::hold(Place::There(address)),
        }
    }

    fn hold(place: Place) -> Self {
        *PORTS.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default() += 1;
        Self(place)
    }
}

impl Drop for OwnPort {
    fn drop(&mut self) {
        let mut ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = ports.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                ports.remove(&self.0);
            }
        }
    }
}

/// Whether something of ours is found there.
pub fn is_own(address: SocketAddr) -> bool {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let (here, there) = {
        let ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
        (ports.contains_key(&Place::Here(address.port())), ports.contains_key(&Place::There(address)))
    };
    there || here && is_of_this_machine(address.ip())
}

/// Whether a connection to this address stays on this machine: only an address
/// of its own can be bound.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_ours_on_every_address_of_this_machine_while_it_is_held() {
        let at = |text: &str| is_own(text.parse().expect("an address"));
        let (first, second) = (OwnPort::claim(9), OwnPort::claim(9));
        for text in ["127.0.0.1:9", "127.3.2.1:9", "[::1]:9", "0.0.0.0:9", "[::ffff:127.0.0.1]:9"] {
            assert!(at(text), "{text}");
        }
        assert!(!at("127.0.0.1:10") && !at("192.0.2.1:9"));
        drop(first);
        assert!(at("127.0.0.1:9"));
        drop(second);
        assert!(!at("127.0.0.1:9"));
        let elsewhere = OwnPort::claim_at("192.0.2.1:7".parse().expect("an address"));
        assert!(at("192.0.2.1:7") && !at("192.0.2.2:7") && !at("127.0.0.1:7"));
        drop(elsewhere);
        assert!(!at("192.0.2.1:7"));
    }
}
