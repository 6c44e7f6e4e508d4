//! SOCKS5 (RFC 1928) as far as a browser speaks it: no authentication,
//! `CONNECT` alone. Reading is a pure function of the bytes that have come.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::policy::egress::Host;

/// The longest that a request can be: a name of 255 bytes.
pub const LONGEST: usize = 4 + 1 + 255 + 2;
const VERSION: u8 = 5;

/// What came is not what a browser sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocksError {
    #[error("this is no SOCKS5")]
    Version,
    #[error("a name or password is not asked for here, and must not be demanded")]
    Method,
    #[error("only CONNECT is done here")]
    Command,
    #[error("the kind of the address is unknown")]
    Kind,
    #[error("the host cannot be read")]
    Host,
    #[error("the port is 0")]
    Port,
}

impl SocksError {
    /// The answer that ends it.
    pub fn answer(self) -> Reply {
        match self {
            Self::Command => Reply::Command,
            Self::Kind => Reply::Kind,
            Self::Version | Self::Method | Self::Host | Self::Port => Reply::Failed,
        }
    }
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Done = 0,
    Failed = 1,
    /// The rules are against it.
    Refused = 2,
    Unreachable = 4,
    ConnectionRefused = 5,
    Command = 7,
    Kind = 8,
}

impl Reply {
    pub fn bytes(self) -> [u8; 10] {
        [VERSION, self as u8, 0, 1, 0, 0, 0, 0, 0, 0]
    }
}

/// No authentication.
pub const WELCOME: [u8; 2] = [VERSION, 0];
/// None of the offered methods will do.
pub const NO_METHOD: [u8; 2] = [VERSION, 0xff];

/// Reads the greeting: how long it is, or nothing while it is not whole.
pub fn greeting(bytes: &[u8]) -> Result<Option<usize>, SocksError> {
    match bytes {
        [] => Ok(None),
        [VERSION] => Ok(None),
        [VERSION, count, rest @ ..] => {
            let count = usize::from(*count);
            match rest.get(..count) {
                None => Ok(None),
                Some(methods) if methods.contains(&0) => Ok(Some(2 + count)),
                Some(_) => Err(SocksError::Method),
            }
        }
        _ => Err(SocksError::Version),
    }
}

/// Reads the request: where to, and how long it is; nothing while it is not whole.
pub fn request(bytes: &[u8]) -> Result<Option<(Host, u16, usize)>, SocksError> {
    if bytes.first().is_some_and(|version| *version != VERSION) {
        return Err(SocksError::Version);
    }
    if bytes.get(1).is_some_and(|command| *command != 1) {
        return Err(SocksError::Command);
    }
    let Some(kind) = bytes.get(3) else { return Ok(None) };
    let rest = &bytes[4..];
    let (host, used) = match kind {
        1 => match rest.first_chunk::<4>() {
            Some(four) => (Ok(Host::Address(IpAddr::V4(Ipv4Addr::from(*four)))), 4),
            None => return Ok(None),
        },
        4 => match rest.first_chunk::<16>() {
            Some(six) => (Ok(Host::Address(IpAddr::V6(Ipv6Addr::from(*six)).to_canonical())), 16),
            None => return Ok(None),
        },
        3 => {
            let Some((length, rest)) = rest.split_first() else { return Ok(None) };
            let Some(name) = rest.get(..usize::from(*length)) else { return Ok(None) };
            let name = std::str::from_utf8(name).map_err(|_| SocksError::Host);
            (name.and_then(|name| Host::read(name).map_err(|_| SocksError::Host)), 1 + usize::from(*length))
        }
        _ => return Err(SocksError::Kind),
    };
    let Some(port) = rest.get(used..).and_then(|rest| rest.first_chunk::<2>()) else { return Ok(None) };
    match u16::from_be_bytes(*port) {
        0 => Err(SocksError::Port),
        port => Ok(Some((host?, port, 4 + used + 2))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &[u8], port: u16) -> Vec<u8> {
        let head = [5, 1, 0, 3, name.len() as u8];
        [&head, name, &port.to_be_bytes()].concat()
    }

    #[test]
    fn a_browsers_words_are_read() {
        assert_eq!(greeting(&[5, 1, 0]), Ok(Some(3)));
        assert_eq!(greeting(&[5, 2, 2, 0, 9]), Ok(Some(4)));
        assert_eq!(greeting(&[5, 2, 0]), Ok(None));
        let wanted = Host::Name("example.com".into());
        assert_eq!(request(&named(b"Example.com.", 443)), Ok(Some((wanted, 443, 19))));
        let local = Host::Address(Ipv4Addr::LOCALHOST.into());
        for spelled in [&b"127.0.0.1"[..], b"0x7f.1", b"2130706433", b"::ffff:127.0.0.1", b"[::ffff:7f00:1]"]
        {
            assert_eq!(
                request(&named(spelled, 1)).map(|read| read.map(|read| read.0)),
                Ok(Some(local.clone()))
            );
        }
        assert_eq!(request(&[5, 1, 0, 1, 127, 0, 0, 1, 0, 80, 7]), Ok(Some((local, 80, 10))));
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(greeting(b"GET / HTTP/1.1"), Err(SocksError::Version));
        assert_eq!(greeting(&[4, 1]), Err(SocksError::Version));
        assert_eq!(greeting(&[5, 1, 2]), Err(SocksError::Method));
        assert_eq!(greeting(&[5, 0]), Err(SocksError::Method));
        assert_eq!(request(&[5, 2]), Err(SocksError::Command));
        assert_eq!(request(&[5, 3, 0, 1]), Err(SocksError::Command));
        assert_eq!(request(&[5, 1, 0, 2]), Err(SocksError::Kind));
        assert_eq!(request(&named(b"", 1)), Err(SocksError::Host));
        assert_eq!(request(&named(b"a\0b", 1)), Err(SocksError::Host));
        assert_eq!(request(&named(b"\xff", 1)), Err(SocksError::Host));
        assert_eq!(request(&named(b"a.b", 0)), Err(SocksError::Port));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_read_past_what_came(bytes in proptest::collection::vec(0u8.., 0..300)) {
            if let Ok(Some(used)) = greeting(&bytes) {
                proptest::prop_assert!(used <= bytes.len());
            }
            if let Ok(Some((_, port, used))) = request(&bytes) {
                proptest::prop_assert!(port > 0 && used <= bytes.len() && used <= LONGEST);
            }
        }

        #[test]
        fn a_request_in_pieces_is_the_request(name in "[a-z0-9.-]{1,60}", port in 1u16..) {
            let whole = named(name.as_bytes(), port);
            for end in 0..whole.len() {
                proptest::prop_assert!(!matches!(request(&whole[..end]), Ok(Some(_))));
            }
        }
    }
}
