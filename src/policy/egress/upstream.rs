//! A proxy behind the gate, through which all of a room's connections go.

use std::fmt;
use std::str::FromStr;

use crate::base::Redacted;

/// How it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamKind {
    /// HTTP with `CONNECT`.
    Http,
    /// The same within TLS.
    Https,
    Socks5,
}

/// An upstream proxy. Its password is nowhere printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub kind: UpstreamKind,
    pub host: String,
    pub port: u16,
    /// Name and password.
    pub account: Option<(String, Redacted<String>)>,
}

/// Why a text is no proxy. It is not repeated, since it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "proxy is http://host:port, https://host:port or socks5://host:port, with user:password@ before the host if \
     it wants that"
)]
pub struct UpstreamError;

/// The longest name or password that SOCKS can say.
const LONGEST: usize = 255;

impl Upstream {
    /// With its credentials, for the store alone.
    pub fn reveal(&self) -> String {
        let Some((user, password)) = &self.account else { return self.to_string() };
        let escaped = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            text.bytes().fold(String::new(), |all, byte| match plain(byte) {
                true => all + char::from(byte).to_string().as_str(),
                false => all + &format!("%{byte:02X}"),
            })
        };
        let at = self.to_string();
        let (scheme, rest) = at.split_once("://").unwrap_or(("", &at));
        format!("{scheme}://{}:{}@{rest}", escaped(user), escaped(password.reveal()))
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let (scheme, rest) = text.split_once("://").ok_or(UpstreamError)?;
        let kind = match scheme {
            "http" => UpstreamKind::Http,
            "https" => UpstreamKind::Https,
            "socks5" => UpstreamKind::Socks5,
            _ => return Err(UpstreamError),
        };
        let (account, at) = match rest.rsplit_once('@') {
            Some((account, at)) => (Some(account), at),
            None => (None, rest),
        };
        let account = account
            .map(|account| {
                let (user, password) = account.split_once(':').ok_or(UpstreamError)?;
                let (user, password) = (unescaped(user)?, unescaped(password)?);
                let long = user.len() > LONGEST || password.len() > LONGEST;
                // A user of `Basic` ends at its first colon.
                let broken = user.is_empty() || user.contains(':');
                let control = user.chars().chain(password.chars()).any(char::is_control);
                if long || broken || control {
                    return Err(UpstreamError);
                }
                Ok((user, Redacted::new(password)))
            })
            .transpose()?;
        let (host, port) = at.rsplit_once(':').ok_or(UpstreamError)?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|port| digits && *port > 0).ok_or(UpstreamError)?;
        let host = match url::Host::parse(host).map_err(|_| UpstreamError)? {
            url::Host::Domain(name) if name.is_empty() => return Err(UpstreamError),
            url::Host::Domain(name) => name,
            url::Host::Ipv4(address) => address.to_string(),
            url::Host::Ipv6(address) => address.to_string(),
        };
        Ok(Self { kind, host, port, account })
    }
}

fn unescaped(text: &str) -> Result<String, UpstreamError> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.zip(low).map(|(high, low)| high * 16 + low).ok_or(UpstreamError)?;
                u8::try_from(value).map_err(|_| UpstreamError)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| UpstreamError)
}

impl serde::Serialize for Upstream {
    /// Without name and password too: [`Upstream::reveal`] has those.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Upstream {
    /// Without name and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            UpstreamKind::Http => "http",
            UpstreamKind::Https => "https",
            UpstreamKind::Socks5 => "socks5",
        };
        let bracketed = self.host.contains(':');
        let (open, close) = if bracketed { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read_with_its_account_and_shown_without() {
        let proxy: Upstream = "socks5://us%65r:p%40ss:%2F@[fd00::1]:1080".parse().expect("a proxy");
        assert_eq!(proxy.to_string(), "socks5://[fd00::1]:1080");
        let (user, password) = proxy.account.clone().expect("an account");
        assert_eq!((user.as_str(), password.reveal().as_str()), ("user", "p@ss:/"));
        assert!(!format!("{proxy:?}").contains("p@ss"));
        assert_eq!(proxy.reveal().parse(), Ok(proxy));
        assert_eq!(
            "http://Proxy.Example:8080".parse::<Upstream>().map(|p| p.reveal()),
            Ok("http://proxy.example:8080".into())
        );
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_being_repeated() {
        for text in [
            "proxy:8080",
            "ftp://a:1",
            "socks4://a:1",
            "http://a",
            "http://:1",
            "http://a b:1",
            "http://a:0",
            "http://secret@a:1",
            "http://:secret@a:1",
            "http://a:1/",
            "http://u:%zz@a:1",
            "http://u:%0a@a:1",
            "http://a:+1",
            "",
        ] {
            let said = text.parse::<Upstream>().expect_err(text).to_string();
            assert!(said.contains("socks5://") && !said.contains("secret"), "{text}");
        }
    }
}
