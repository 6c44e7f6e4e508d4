//! Where a secret may be typed: one origin, or all hosts below one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `https://shop.example`, `http://127.0.0.1:8000`, or `https://*.shop.example`,
/// which are the hosts below it and not itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretOrigin {
    scheme: String,
    /// As browsers write it: small, ASCII.
    host: String,
    port: u16,
    below: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no origin for a secret: {why}")]
pub struct SecretOriginError {
    text: String,
    why: &'static str,
}

impl SecretOrigin {
    /// Whether a page of this origin, as the browser writes it, may have the secret.
    pub fn fits(&self, origin: &str) -> bool {
        let Some(there) = parts(origin) else { return false };
        let (scheme, host, port) = there;
        let host_fits = match self.below {
            false => host == self.host,
            true => host
                .strip_suffix(&self.host)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.') && !rest.starts_with('.')),
        };
        scheme == self.scheme && port == self.port && host_fits
    }
}

/// Scheme, host and port of an origin; nothing for an address that is more, or another thing.
fn parts(origin: &str) -> Option<(String, String, u16)> {
    let url = url::Url::parse(origin).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let host = url.host_str().filter(|_| plain)?;
    Some((url.scheme().to_owned(), host.to_owned(), url.port_or_known_default()?))
}

impl FromStr for SecretOrigin {
    type Err = SecretOriginError;

    fn from_str(text: &str) -> Result<Self, SecretOriginError> {
        let wrong = |why| SecretOriginError { text: text.chars().take(100).collect(), why };
        let (plain, below) = match text.split_once("://*.") {
            Some((scheme, rest)) => (format!("{scheme}://{rest}"), true),
            None => (text.to_owned(), false),
        };
        if plain.contains('*') {
            return Err(wrong("a * stands for hosts below one only, as in https://*.shop.example"));
        }
        let why = "write it as https://shop.example, with a port if it has one, and nothing after it";
        let (scheme, host, port) = parts(&plain).ok_or_else(|| wrong(why))?;
        if host.ends_with('.') {
            return Err(wrong("leave out the dot at the end"));
        }
        if below {
            if scheme != "https" {
                return Err(wrong("hosts below one are allowed by https:// only"));
            }
            let is_name = matches!(url::Host::parse(&host), Ok(url::Host::Domain(_)));
            if !is_name || !host.contains('.') {
                return Err(wrong("below *. stands a name of at least two parts, such as shop.example"));
            }
        }
        Ok(Self { scheme, host, port, below })
    }
}

impl fmt::Display for SecretOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, below } = self;
        write!(f, "{scheme}://{}{host}", if *below { "*." } else { "" })?;
        match (scheme.as_str(), port) {
            ("https", 443) | ("http", 80) => Ok(()),
            _ => write!(f, ":{port}"),
        }
    }
}

impl TryFrom<String> for SecretOrigin {
    type Error = SecretOriginError;

    fn try_from(text: String) -> Result<Self, SecretOriginError> {
        text.parse()
    }
}

impl From<SecretOrigin> for String {
    fn from(origin: SecretOrigin) -> Self {
        origin.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, origin: &str) -> bool {
        pattern.parse::<SecretOrigin>().expect("an origin").fits(origin)
    }

    #[test]
    fn a_secret_goes_to_its_origin_and_nowhere_else() {
        let shop = "https://shop.example";
        assert!(fits(shop, "https://shop.example") && fits(shop, "https://shop.example:443"));
        assert!(fits("http://127.0.0.1:8000", "http://127.0.0.1:8000"));
        assert!(fits("https://BÜCHER.example", "https://xn--bcher-kva.example"));
        for other in [
            "http://shop.example",
            "https://shop.example:444",
            "https://shop.example.evil.example",
            "https://evil-shop.example",
            "https://a.shop.example",
            "https://shop.example.",
            "https://shop.example/path",
            "https://shop.example?x",
            "https://shop.example@evil.example",
            "https://user@shop.example",
            "blob:https://shop.example/1",
            "file://shop.example",
            "null",
            "",
            "about:blank",
        ] {
            assert!(!fits(shop, other), "{other}");
        }
    }

    #[test]
    fn a_star_is_for_the_hosts_below() {
        let below = "https://*.shop.example";
        for good in ["https://a.shop.example", "https://a.b.shop.example"] {
            assert!(fits(below, good), "{good}");
        }
        for other in [
            "https://shop.example",
            "https://evilshop.example",
            "https://.shop.example",
            "http://a.shop.example",
            "https://a.shop.example:8443",
            "https://a.shop.example.evil.example",
        ] {
            assert!(!fits(below, other), "{other}");
        }
        assert!(fits("https://*.shop.example:8443", "https://a.shop.example:8443"));
    }

    #[test]
    fn what_is_no_origin_or_too_wide_is_refused() {
        for wrong in [
            "",
            "*",
            "shop.example",
            "https://",
            "https://*",
            "https://*.com",
            "http://*.shop.example",
            "https://*.127.0.0.1",
            "https://a.*.example",
            "https://*shop.example",
            "https://shop.example/login",
            "https://me@shop.example",
            "https://shop.example.",
            "file:///etc/passwd",
            "data:text/html,x",
            "javascript:alert(1)",
        ] {
            assert!(wrong.parse::<SecretOrigin>().is_err(), "{wrong}");
        }
        for good in
            ["https://shop.example", "https://*.shop.example", "http://127.0.0.1:8000", "http://[::1]:1"]
        {
            assert_eq!(good.parse::<SecretOrigin>().expect("an origin").to_string(), good);
        }
    }
}
