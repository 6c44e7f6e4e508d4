//! Whose word counts about where a request came from.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::HeaderMap;

/// The proxies whose `X-Forwarded-For` is believed; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Net>);

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no range of addresses; write it as 10.0.0.0/8, as one address, or as private")]
pub struct NetError {
    text: String,
}

/// What `private` means: loopback, the ranges for private networks, link-local.
const PRIVATE: [(&str, u8); 7] = [
    ("127.0.0.0", 8),
    ("10.0.0.0", 8),
    ("172.16.0.0", 12),
    ("192.168.0.0", 16),
    ("::1", 128),
    ("fc00::", 7),
    ("fe80::", 10),
];

impl Net {
    fn has(self, address: IpAddr) -> bool {
        let (left, right, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                (u128::from(u32::from(net)), u128::from(u32::from(address)), 32)
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => (u128::from(net), u128::from(address), 128),
            _ => return false,
        };
        let rest = width - u32::from(self.bits);
        // A shift by the whole width is no shift that Rust knows: everything is in such a net.
        rest >= 128 || left >> rest == right >> rest
    }
}

impl Proxies {
    /// From `private`, `10.0.0.0/8` or `192.0.2.7`, any number of them.
    pub fn parse(texts: &[&str]) -> Result<Self, NetError> {
        let mut nets = Vec::new();
        for text in texts {
            match *text {
                "private" => {
                    let all = PRIVATE.iter().filter_map(|(address, bits)| {
                        Some(Net { address: address.parse().ok()?, bits: *bits })
                    });
                    nets.extend(all);
                }
                text => nets.push(text.parse()?),
            }
        }
        Ok(Self(nets))
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.has(address))
    }

    /// Who really asks: the last address in `X-Forwarded-For` that is no
    /// trusted proxy's. What stands left of it was written by whoever that is.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trusts(peer) {
            return client;
        }
        let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
        let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or("").rsplit(','));
        for hop in hops {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

impl FromStr for Net {
    type Err = NetError;
    fn from_str(text: &str) -> Result<Self, NetError> {
        let wrong = || NetError { text: text.to_owned() };
        let (address, bits) = text.split_once('/').map_or((text, None), |(net, bits)| (net, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().expect("a header"));
        }
        let proxies = Proxies::parse(trusted).expect("ranges");
        proxies.client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_unless_it_was_said() {
        assert_eq!(client(&[], "127.0.0.1", &["203.0.113.9"]), "127.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours_counts() {
        assert_eq!(client(&["private"], "172.31.77.9", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&["private"], "10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(client(&["private"], "10.0.0.1", &["6.6.6.6", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&["private"], "10.0.0.1", &["nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&["::1"], "::1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(client(&["private"], "::ffff:10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "10.0.0.0/33", "example.org", "10.0.0.0/x", "::/129"] {
            assert!(Proxies::parse(&[text]).is_err(), "{text}");
        }
        assert!(
            Proxies::parse(&["0.0.0.0/0", "::/0"]).expect("ranges").trusts("9.9.9.9".parse().expect("ip"))
        );
    }
}
