//! One entry of an allow or deny list: a range of addresses or a name, with a
//! port or without.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An entry of a list: `10.0.0.0/8`, `10.0.0.5:8443`, `[fd00::1]:443`,
/// `example.com`, `*.example.com:8443`, or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    what: What,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Net {
        address: IpAddr,
        bits: u8,
    },
    /// This name alone.
    Name(String),
    /// Names below this one, not itself.
    Below(String),
    Everything,
}

/// Why a text is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is no address, range or name{why}; write 10.0.0.0/8, 10.0.0.5:8443, [fd00::1]:443, example.com, \
     *.example.com or example.com:8443"
)]
pub struct PatternError {
    text: String,
    why: &'static str,
}

impl Pattern {
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// It is `*`, without a port.
    pub fn is_everything(&self) -> bool {
        self.what == What::Everything
    }

    /// It is a range, and one of its addresses is meant at this port.
    pub(super) fn is_range_for(&self, port: u16) -> bool {
        matches!(self.what, What::Net { .. }) && self.port_fits(port)
    }

    fn port_fits(&self, port: u16) -> bool {
        self.port.is_none_or(|only| only == port)
    }

    /// Whether it names this address. A name never does.
    pub fn has_address(&self, address: IpAddr, port: u16) -> bool {
        let What::Net { address: net, bits } = self.what else { return false };
        let (left, right, width) = match (net, address) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                (u128::from(u32::from(net)), u128::from(u32::from(address)), 32)
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => (u128::from(net), u128::from(address), 128),
            _ => return false,
        };
        // A range that is everything would be shifted by its whole width, which no shift can.
        let rest = width - u32::from(bits);
        self.port_fits(port) && (bits == 0 || left >> rest == right >> rest)
    }

    /// Whether it names this host, which is ASCII, small, and without a dot at its end.
    pub fn has_name(&self, name: &str, port: u16) -> bool {
        let fits = match &self.what {
            What::Name(own) => own == name,
            What::Below(above) => {
                name.strip_suffix(above.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            What::Net { .. } | What::Everything => false,
        };
        fits && self.port_fits(port)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(given: &str) -> Result<Self, PatternError> {
        let text = given.trim();
        let wrong = |why| PatternError { text: given.to_owned(), why };
        if text == "*" {
            return Ok(Self { what: What::Everything, port: None });
        }
        if text.contains("://") || text.contains('@') {
            return Err(wrong(": it is written without a scheme, a user and a path"));
        }
        if let Some((address, bits)) = text.split_once('/') {
            let (bits, port) = bits.split_once(':').map_or((bits, None), |(bits, port)| (bits, Some(port)));
            let address = address.trim_matches(['[', ']']).parse::<IpAddr>().map_err(|_| wrong(""))?;
            let width = if address.is_ipv4() { 32 } else { 128 };
            let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
            let bits = bits.parse::<u8>().ok().filter(|bits| digits && *bits <= width);
            let bits = bits.ok_or_else(|| wrong(": the range is longer than the address"))?;
            let port = port.map(read_port).transpose().map_err(wrong)?;
            // A range of IPv4 in the dress of IPv6 would never match what it means.
            if matches!(address, IpAddr::V6(six) if six.to_ipv4_mapped().is_some()) {
                return Err(wrong(": write an IPv4 range as such"));
            }
            let outside = match address {
                IpAddr::V4(four) => bits < 32 && u32::from(four) << bits != 0,
                IpAddr::V6(six) => bits < 128 && u128::from(six) << bits != 0,
            };
            if outside {
                return Err(wrong(": the address has bits outside of its range"));
            }
            return Ok(Self { what: What::Net { address, bits }, port });
        }
        let single = |address: IpAddr, port| {
            let address = address.to_canonical();
            let bits = if address.is_ipv4() { 32 } else { 128 };
            Self { what: What::Net { address, bits }, port }
        };
        if let Ok(address) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(single(address, None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(read_port(port).map_err(wrong)?)),
            None => (text, None),
        };
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(single(address, port));
        }
        let below = host.strip_prefix("*.");
        let name = below.unwrap_or(host);
        if name.contains('*') {
            return Err(wrong(": * stands alone, or as the first label of a name"));
        }
        if name.strip_suffix('.').unwrap_or(name).split('.').any(str::is_empty) {
            return Err(wrong(": a label of the name is empty"));
        }
        // Its ASCII form; a number in an odd spelling is an address.
        match url::Host::parse(name.strip_suffix('.').unwrap_or(name)) {
            Ok(url::Host::Domain(name)) if below.is_some() => Ok(Self { what: What::Below(name), port }),
            Ok(url::Host::Domain(name)) => Ok(Self { what: What::Name(name), port }),
            Ok(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => {
                Err(wrong(": write the address in its usual form"))
            }
            _ => Err(wrong("")),
        }
    }
}

fn read_port(text: &str) -> Result<u16, &'static str> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(": its port is not 1 to 65535"),
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = |address: &IpAddr| if address.is_ipv4() { 32 } else { 128 };
        match &self.what {
            What::Net { address: IpAddr::V6(six), bits: 128 } if self.port.is_some() => write!(f, "[{six}]")?,
            What::Net { address, bits } if *bits == full(address) => write!(f, "{address}")?,
            What::Net { address, bits } => write!(f, "{address}/{bits}")?,
            What::Name(name) => f.write_str(name)?,
            What::Below(name) => write!(f, "*.{name}")?,
            What::Everything => f.write_str("*")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn entries_are_read_and_printed_the_same() {
        for text in [
            "10.0.0.0/8",
            "10.0.0.5",
            "10.0.0.5:8443",
            "10.0.0.0/8:80",
            "fd00::/8",
            "fd00::1",
            "[fd00::1]:443",
            "::/0",
            "0.0.0.0/0",
            "example.com",
            "example.com:8443",
            "*.example.com",
            "*.example.com:1",
            "*",
            "localhost",
        ] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern(" Bücher.Example. ").to_string(), "xn--bcher-kva.example");
        assert_eq!(pattern("::ffff:10.0.0.5").to_string(), "10.0.0.5");
    }

    #[test]
    fn what_is_no_entry_is_refused_with_what_could_be_written() {
        for text in [
            "",
            " ",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.5:0",
            "10.0.0.5:x",
            "a:70000",
            "http://a",
            "u@a",
            "a/b",
            "a*.example",
            "*.*.a",
            "*a",
            "a b",
            "0x7f.1",
            "2130706433",
            "a:+80",
            "::ffff:10.0.0.0/104",
            "*:443",
            "..",
            "%",
        ] {
            let said = text.parse::<Pattern>().expect_err(text).to_string();
            assert!(said.contains("write 10.0.0.0/8"), "{said}");
        }
    }

    #[test]
    fn ranges_names_and_ports_meet_what_they_say() {
        let meets = |entry: &str, address: &str, port| {
            pattern(entry).has_address(address.parse().expect("an address"), port)
        };
        assert!(meets("127.0.0.0/8", "127.9.9.9", 1) && !meets("127.0.0.0/8", "128.0.0.1", 1));
        assert!(meets("10.0.0.5:80", "10.0.0.5", 80) && !meets("10.0.0.5:80", "10.0.0.5", 81));
        assert!(meets("0.0.0.0/0", "1.2.3.4", 1) && !meets("0.0.0.0/0", "::1", 1) && meets("::/0", "::1", 1));
        let named = |entry: &str, name: &str, port| pattern(entry).has_name(name, port);
        assert!(named("example.com", "example.com", 1) && !named("example.com", "a.example.com", 1));
        assert!(named("*.example.com", "a.b.example.com", 1) && !named("*.example.com", "example.com", 1));
        assert!(!named("*.example.com", "badexample.com", 1) && !named("*.example.com", ".example.com", 1));
        assert!(named("a.b:2", "a.b", 2) && !named("a.b:2", "a.b", 3));
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics_and_what_it_prints_it_reads(text in "[*a-z0-9.:/\\[\\]x%\u{0}-\u{200}-]{0,24}") {
            if let Ok(read) = text.parse::<Pattern>() {
                proptest::prop_assert_eq!(read.to_string().parse::<Pattern>(), Ok(read));
            }
        }
    }
}
