//! Where an action happens, and patterns for it.
//!
//! An address is read as Chromium reads it (WHATWG URL): case, IDN
//! (`bücher.example` is `xn--bcher-kva.example`), odd spellings of IP
//! addresses, default ports and names of users are settled before a rule sees
//! them, and a dot at the end of a host does not count.
//!
//! | pattern | `deny` and `ask` | `allow` |
//! |---|---|---|
//! | `https://shop.example` | any port | port 443 |
//! | `https://shop.example:8443`, `:*` | this port, any port | the same |
//! | `shop.example` | any scheme, any port | `https`, port 443 |
//! | `*.shop.example` | hosts below it, not itself | the same |
//! | `shop-*.example` | `*` is any text | `*` stays between two dots |
//! | `data:`, `about:blank`, `file:` | such an address | the same |
//! | `*` | everywhere | everywhere |
//! | `new` | where no person of the room has named it ([`super::Named`]) | refused |
//!
//! An address that nobody knows or can read is met by every pattern that
//! denies or asks, and by no pattern that allows but `*`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::glob::Glob;

/// Where an action happens: an origin, or what stands in for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Place {
    /// Scheme, host (ASCII, small) and port; the port of `https` is 443 and so on.
    Origin { scheme: String, host: String, port: Option<u16> },
    /// An address without a host: `data:`, `about:blank`, `javascript:`, `file:`.
    /// It is itself, not the page that opened it.
    Opaque(String),
    /// There is one, but it is not known or cannot be read.
    Unknown,
}

/// A pattern for places.
#[derive(Clone, Debug)]
pub(super) enum PlacePattern {
    Anywhere,
    /// Where nobody has named it. Met by whoever knows what was named.
    New,
    /// The text of an opaque place.
    Opaque(Glob),
    Origin(OriginPattern),
}

#[derive(Clone, Debug)]
pub(super) struct OriginPattern {
    /// Nothing: not written.
    scheme: Option<Glob>,
    host: Glob,
    /// The host's labels from the left, without a leading `*`.
    labels: Vec<Glob>,
    /// It began with `*.` or is `*`.
    below: bool,
    port: PortPattern,
    /// The labels at its end that hold no wildcard.
    tail: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    NotWritten,
    Any,
    Only(u16),
}

impl Place {
    /// The place of an address. An origin alone is an address too.
    pub fn of(url: &str) -> Self {
        let Ok(mut url) = url::Url::parse(url) else { return Self::Unknown };
        // What wraps an address is at the address inside.
        while matches!(url.scheme(), "blob" | "filesystem" | "view-source") {
            match url::Url::parse(url.path()) {
                Ok(inside) => url = inside,
                Err(_) => return Self::Opaque(format!("{}:", url.scheme())),
            }
        }
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        match url.scheme() {
            "file" => Self::Opaque("file:".to_owned()),
            "about" => Self::Opaque(format!("about:{}", url.path().to_ascii_lowercase())),
            scheme if host.is_empty() => Self::Opaque(format!("{scheme}:")),
            scheme => Self::Origin {
                scheme: scheme.to_owned(),
                host: host.to_ascii_lowercase(),
                port: url.port_or_known_default(),
            },
        }
    }

    /// A pattern for this place and no other; none for one that is not known
    /// or that everybody can be at.
    pub fn pattern(&self) -> Option<String> {
        match self {
            Self::Origin { scheme, host, port: Some(port) } => Some(format!("{scheme}://{host}:{port}")),
            Self::Origin { .. } | Self::Opaque(_) | Self::Unknown => None,
        }
    }

    pub(super) fn host(&self) -> Option<&str> {
        match self {
            Self::Origin { host, .. } => Some(host),
            Self::Opaque(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin { scheme, host, port } => {
                write!(f, "{scheme}://{host}")?;
                match port {
                    Some(port) if Some(*port) != default_port(scheme) => write!(f, ":{port}"),
                    _ => Ok(()),
                }
            }
            Self::Opaque(text) => f.write_str(text),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl From<String> for Place {
    fn from(url: String) -> Self {
        Self::of(&url)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> String {
        place.to_string()
    }
}

impl PlacePattern {
    /// Reads a pattern; what is wrong with it is said in a sentence.
    pub fn new(text: &str) -> Result<Self, String> {
        match text {
            "*" => return Ok(Self::Anywhere),
            "new" => return Ok(Self::New),
            _ => {}
        }
        if text.is_empty() {
            return Err("an empty origin; write * for everywhere".to_owned());
        }
        if let Some(rest) = text.strip_prefix("file://") {
            return match rest {
                "" | "/" | "*" | "/*" => Ok(Self::Opaque(Glob::new("file:"))),
                _ => Err("files have no origin of their own; write file: for all of them".to_owned()),
            };
        }
        let opaque = ["data:", "about:", "javascript:", "file:", "blob:"];
        if opaque.iter().any(|start| text.starts_with(start)) {
            return Ok(Self::Opaque(Glob::new(&text.to_ascii_lowercase())));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => {
                let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '*' | '?');
                if scheme.is_empty() || !scheme.chars().all(good) {
                    return Err(format!("{scheme:?} is no scheme; write https, http or *"));
                }
                (Some(scheme.to_ascii_lowercase()), rest)
            }
            None => (None, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '#', '@', '\\']) {
            return Err(format!(
                "an origin is scheme, host and port; leave out what follows: {:?}",
                rest.split(['/', '#', '\\']).next().unwrap_or_default()
            ));
        }
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let port = match port {
            None => PortPattern::NotWritten,
            Some("*") => PortPattern::Any,
            Some(port) => PortPattern::Only(
                port.parse().map_err(|_| format!("{port:?} is no port; write 1 to 65535 or *"))?,
            ),
        };
        Ok(Self::Origin(OriginPattern::new(scheme.as_deref(), host, port)?))
    }

    pub fn matches(&self, place: &Place, allows: bool) -> bool {
        match (self, place) {
            (Self::Anywhere, _) => true,
            (Self::New, _) => false,
            (_, Place::Unknown) => !allows,
            (Self::Opaque(glob), Place::Opaque(text)) => glob.matches(text),
            (Self::Origin(pattern), Place::Origin { scheme, host, port }) => {
                pattern.matches(scheme, host, *port, allows)
            }
            _ => false,
        }
    }

    /// The end that every host has which this meets.
    pub fn tail(&self) -> Option<&str> {
        match self {
            Self::Origin(pattern) => pattern.tail.as_deref(),
            Self::Anywhere | Self::New | Self::Opaque(_) => None,
        }
    }
}

impl OriginPattern {
    fn new(scheme: Option<&str>, host: &str, port: PortPattern) -> Result<Self, String> {
        let host = host.trim_end_matches('.');
        if host.is_empty() {
            return Err("the host is missing; write * for any".to_owned());
        }
        let wild = |label: &str| label.contains(['*', '?']);
        let host = if wild(host) {
            let labels = host.split('.').map(|label| match () {
                () if label.is_empty() => Err(format!("{host:?} has two dots in a row")),
                () if wild(label) && !label.is_ascii() => {
                    Err(format!("{label:?}: beside a wildcard, write the label as xn--…"))
                }
                () if wild(label) => Ok(label.to_ascii_lowercase()),
                () => ascii(label),
            });
            labels.collect::<Result<Vec<_>, _>>()?.join(".")
        } else {
            ascii(host)?
        };
        let mut labels: Vec<&str> =
            if host.starts_with('[') { vec![&host] } else { host.split('.').collect() };
        let tail: Vec<&str> = labels.iter().rev().take_while(|label| !wild(label)).copied().collect();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join(".");
        let below = labels.first() == Some(&"*");
        if below {
            labels.remove(0);
        }
        Ok(Self {
            scheme: scheme.map(Glob::new),
            labels: labels.into_iter().map(Glob::new).collect(),
            below,
            port,
            tail: (!tail.is_empty()).then_some(tail),
            host: Glob::new(&host),
        })
    }

    fn matches(&self, scheme: &str, host: &str, port: Option<u16>, allows: bool) -> bool {
        let scheme_fits = match &self.scheme {
            Some(glob) => glob.matches(scheme),
            None => !allows || scheme == "https",
        };
        let port_fits = match self.port {
            PortPattern::Any => true,
            PortPattern::Only(only) => port == Some(only),
            PortPattern::NotWritten => !allows || port == default_port(scheme),
        };
        scheme_fits && port_fits && if allows { self.covers(host) } else { self.host.matches(host) }
    }

    /// Label for label, from the right.
    fn covers(&self, host: &str) -> bool {
        if host.starts_with('[') {
            return self.host.matches(host);
        }
        let mut theirs = host.rsplit('.');
        let fits =
            self.labels.iter().rev().all(|label| theirs.next().is_some_and(|their| label.matches(their)));
        fits && (theirs.next().is_some() == self.below)
    }
}

/// A host as Chromium writes it.
fn ascii(host: &str) -> Result<String, String> {
    url::Host::parse(host)
        .map(|host| host.to_string())
        .map_err(|error| format!("{host:?} is no host: {error}"))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, url: &str, denies: bool, allows: bool) {
        let compiled = PlacePattern::new(pattern).expect(pattern);
        let place = Place::of(url);
        assert_eq!(compiled.matches(&place, false), denies, "deny {pattern} at {url} ({place})");
        assert_eq!(compiled.matches(&place, true), allows, "allow {pattern} at {url} ({place})");
    }

    #[test]
    fn an_address_is_read_as_chromium_reads_it() {
        for (url, place) in [
            ("HTTPS://User:pw@Shop.Example:443/a?b#c", "https://shop.example"),
            ("https://shop.example./", "https://shop.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://ＳＨＯＰ.example", "https://shop.example"),
            ("http://0x7f.1:8080", "http://127.0.0.1:8080"),
            ("http://[::0:1]/", "http://[::1]"),
            ("https:\\\\shop.example\\x", "https://shop.example"),
            ("data:text/html,hello", "data:"),
            ("about:blank", "about:blank"),
            ("about:blank#x", "about:blank"),
            ("javascript:alert(1)", "javascript:"),
            ("file:///etc/passwd", "file:"),
            ("blob:https://shop.example/1-2", "https://shop.example"),
            ("blob:null/1", "blob:"),
            ("view-source:https://shop.example/", "https://shop.example"),
            ("chrome://settings/", "chrome://settings"),
            ("shop.example", "unknown"),
            ("https://exa mple", "unknown"),
        ] {
            assert_eq!(Place::of(url).to_string(), place, "{url}");
            assert_eq!(Place::of(&Place::of(url).to_string()).to_string(), place, "again {url}");
        }
    }

    #[test]
    fn ports_schemes_and_labels_are_narrow_for_allow_and_wide_for_deny() {
        check("https://shop.example", "https://shop.example/x", true, true);
        check("https://shop.example", "https://shop.example:8443", true, false);
        check("https://shop.example:8443", "https://shop.example:8443", true, true);
        check("https://shop.example:8443", "https://shop.example", false, false);
        check("http://localhost:*", "http://localhost:3000", true, true);
        check("shop.example", "http://shop.example", true, false);
        check("shop.example", "https://shop.example", true, true);
        check("https://*.shop.example", "https://a.b.shop.example", true, true);
        check("https://*.shop.example", "https://shop.example", false, false);
        check("https://*.shop.example", "https://evilshop.example", false, false);
        check("https://shop.example", "https://shop.example.evil.test", false, false);
        check("https://pr-*.shop.example", "https://pr-7.shop.example", true, true);
        check("https://pr-*.shop.example", "https://pr-7.evil.shop.example", true, false);
        check("https://shop.*", "https://shop.evil.test", true, false);
        check("https://bücher.example", "https://xn--bcher-kva.example", true, true);
        check("https://*.bücher.example", "https://www.xn--bcher-kva.example", true, true);
        check("HTTPS://Shop.Example/", "https://shop.example", true, true);
        check("http://[::1]:*", "http://[0:0::1]:9", true, true);
        check("*://*", "http://a.b", true, true);
        check("*://*", "data:x", false, false);
    }

    #[test]
    fn opaque_and_unknown_places_have_a_stated_answer() {
        check("*", "data:text/html,x", true, true);
        check("data:", "data:text/html,x", true, true);
        check("about:*", "about:blank", true, true);
        check("file://*", "file:///etc/passwd", true, true);
        check("https://shop.example", "about:blank", false, false);
        check("https://shop.example", "no address at all", true, false);
        check("data:", "no address at all", true, false);
        check("*", "no address at all", true, true);
    }

    #[test]
    fn a_pattern_that_could_not_mean_what_it_says_is_refused() {
        for (pattern, word) in [
            ("https://shop.example/admin/*", "leave out"),
            ("https://shop.example/*", "leave out"),
            ("https://", "host"),
            ("", "empty"),
            ("https://shop.example:http", "port"),
            ("https://shop.example:99999", "port"),
            ("ht tp://x", "scheme"),
            ("https://bü*.example", "xn--"),
            ("https://a..*", "dots"),
            ("https://exa mple", "no host"),
            ("https://user@shop.example", "leave out"),
            ("file:///etc/*", "file:"),
        ] {
            let why = PlacePattern::new(pattern).expect_err(pattern);
            assert!(why.contains(word), "{pattern}: {why}");
        }
    }
}
