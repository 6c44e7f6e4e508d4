//! The path below which this server stands behind a proxy, such as `/tandem`.
//!
//! It is a setting and never read from a header: `X-Forwarded-Prefix` can be
//! written by anybody who reaches the server, and what is printed at the start
//! needs it before there is any request.

use std::fmt;
use std::str::FromStr;

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// Empty, or a path that begins with a slash and does not end with one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

/// Why a text is no base path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no base path; write it as /tandem, of letters, digits, - _ . ~ and /")]
pub struct BasePathError {
    text: String,
}

impl BasePath {
    /// One of our own addresses as a browser must ask for it.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where cookies count: here and below.
    pub(super) fn cookie_path(&self) -> String {
        self.at("/")
    }

    /// Takes the base off a request. One without it is as good: the proxy has
    /// taken it off, or the request comes from this machine.
    pub(super) fn strip(&self, request: &mut Request) {
        if self.0.is_empty() {
            return;
        }
        let Some(rest) = request.uri().path_and_query().and_then(|all| all.as_str().strip_prefix(&self.0))
        else {
            return;
        };
        let rest = match rest.as_bytes().first() {
            Some(b'/') => rest.to_owned(),
            None | Some(b'?') => format!("/{rest}"),
            // `/tandemonium` is not below `/tandem`.
            Some(_) => return,
        };
        let mut parts = request.uri().clone().into_parts();
        let Ok(path) = rest.parse::<PathAndQuery>() else { return };
        parts.path_and_query = Some(path);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
}

impl FromStr for BasePath {
    type Err = BasePathError;
    fn from_str(text: &str) -> Result<Self, BasePathError> {
        let path = text.trim_end_matches('/');
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.~/".contains(&c);
        let good = path.is_empty()
            || (path.starts_with('/')
                && path.len() <= 200
                && path.bytes().all(plain)
                && path[1..].split('/').all(|part| !matches!(part, "" | "." | "..")));
        match good {
            true => Ok(Self(path.to_owned())),
            false => Err(BasePathError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn a_base_path_is_plain_and_has_no_way_up() {
        for (text, kept) in [("", ""), ("/", ""), ("/tandem", "/tandem"), ("/a/b/", "/a/b")] {
            assert_eq!(text.parse::<BasePath>().map(|base| base.to_string()), Ok(kept.to_owned()));
        }
        for text in ["tandem", "/a/../b", "//a", "/a b", "/a?b", "/a\"", "/ä", "/a//b"] {
            assert!(text.parse::<BasePath>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_base_is_taken_off_where_it_stands_and_only_there() {
        let base: BasePath = "/tandem".parse().expect("valid");
        for (asked, seen) in [
            ("/tandem/rooms/main?a=1", "/rooms/main?a=1"),
            ("/tandem", "/"),
            ("/tandem?token=x", "/?token=x"),
            ("/rooms/main", "/rooms/main"),
            ("/tandemonium", "/tandemonium"),
        ] {
            let mut request = Request::builder().uri(asked).body(Body::empty()).expect("valid");
            base.strip(&mut request);
            assert_eq!(request.uri().to_string(), seen);
        }
    }
}
