//! An origin as browsers mean it: scheme, host and port.

use std::fmt;
use std::str::FromStr;

/// Where a page comes from, or where ours is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    /// Lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
}

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no address of a site; write it as https://tandem.example.org, without a path")]
pub struct OriginError {
    text: String,
}

impl Origin {
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// True if a `Host` header with this value is meant for this origin.
    pub fn matches_host(&self, header: &str) -> bool {
        split_host(header, if self.secure { 443 } else { 80 })
            .is_some_and(|(host, port)| host == self.host && port == self.port)
    }
}

impl FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let wrong = || OriginError { text: text.to_owned() };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split_host(rest, if secure { 443 } else { 80 }).ok_or_else(wrong)?;
        Ok(Self { secure, host, port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => write!(f, "{scheme}://{}", self.host),
            (_, port) => write!(f, "{scheme}://{}:{port}", self.host),
        }
    }
}

/// Takes `host`, `host:port`, `[v6]` or `[v6]:port` apart.
pub(super) fn split_host(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        (format!("[{address}]"), after)
    } else {
        let end = text.find(':').unwrap_or(text.len());
        let (host, after) = text.split_at(end);
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
        if host.is_empty() || host.len() > 253 || !host.bytes().all(plain) {
            return None;
        }
        (host.to_ascii_lowercase(), after)
    };
    match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|c| c.is_ascii_digit()) => Some((host, digits.parse().ok()?)),
        None if port.is_empty() => Some((host, default_port)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_more() {
        for (text, shown) in [
            ("https://Tandem.Example.org/", "https://tandem.example.org"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:9", "http://[::1]:9"),
            ("https://a:443", "https://a"),
        ] {
            assert_eq!(text.parse::<Origin>().map(|origin| origin.to_string()), Ok(shown.into()));
        }
        for text in [
            "",
            "null",
            "tandem.example.org",
            "ftp://a",
            "https://",
            "https://a/b",
            "https://a b",
            "http://a:x",
            "http://[::1",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_header_matches_with_its_port_only() {
        let ours: Origin = "https://tandem.example.org".parse().expect("valid");
        assert!(ours.matches_host("tandem.example.org") && ours.matches_host("TANDEM.example.org:443"));
        assert!(
            !ours.matches_host("tandem.example.org:80") && !ours.matches_host("tandem.example.org.evil.org")
        );
    }
}
