//! The addresses under which this machine is reached, for a socket that
//! listens on all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What to announce for a listening address: itself, or for 0.0.0.0 and [::]
/// every address of the machine, loopback only when there is no other.
pub(super) fn reachable(listening: SocketAddr) -> Vec<SocketAddr> {
    if !listening.ip().is_unspecified() {
        return vec![listening];
    }
    let all = addresses();
    let fits = |ip: &&IpAddr| listening.is_ipv6() || ip.is_ipv4();
    let mut chosen: Vec<IpAddr> = all.iter().filter(fits).filter(|ip| !ip.is_loopback()).copied().collect();
    if chosen.is_empty() {
        chosen = all.iter().filter(fits).copied().collect();
    }
    chosen.into_iter().map(|ip| SocketAddr::new(ip, listening.port())).collect()
}

/// All addresses of all interfaces that are up, without link-local ones, which
/// mean nothing without a scope.
fn addresses() -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes a pointer to a list that it allocates, or fails and leaves it alone.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return found;
    }
    let mut next = list;
    while !next.is_null() {
        // SAFETY: `next` is a non-null element of the list, which is freed only below.
        let entry = unsafe { &*next };
        next = entry.ifa_next;
        let up = entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
        if entry.ifa_addr.is_null() || !up {
            continue;
        }
        // SAFETY: a non-null `ifa_addr` points to a sockaddr, which begins with its family.
        let ip = match i32::from(unsafe { (*entry.ifa_addr).sa_family }) {
            libc::AF_INET => {
                // SAFETY: with this family the address is a whole sockaddr_in; it may be unaligned.
                let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
                IpAddr::V4(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
            }
            libc::AF_INET6 => {
                // SAFETY: with this family the address is a whole sockaddr_in6; it may be unaligned.
                let address = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
                IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr))
            }
            _ => continue,
        };
        let local = match ip {
            IpAddr::V4(ip) => ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        if !local && !found.contains(&ip) {
            found.push(ip);
        }
    }
    // SAFETY: `list` came from getifaddrs and nothing borrowed from it is left.
    unsafe { libc::freeifaddrs(list) };
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specific_address_announces_itself_and_all_announce_the_machines() {
        let one: SocketAddr = "192.0.2.1:5".parse().expect("an address");
        assert_eq!(reachable(one), [one]);
        let all = reachable("0.0.0.0:5".parse().expect("an address"));
        assert!(!all.is_empty());
        assert!(all.iter().all(|address| address.is_ipv4() && !address.ip().is_unspecified()));
    }
}
