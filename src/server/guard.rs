//! What every request passes first: is it meant for us (a rebound name is
//! not), does it come from our own page (a foreign one gets nothing), and the
//! headers that keep our page from being used by others.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::base_path::BasePath;
use super::cdp::DEVTOOLS;
use super::context::{Context, RemoteAddress, ServerOptions};
use super::error::ApiError;
use super::origin::{Origin, split_host};

/// How this request reached us, after it was found to be meant for us.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// As in the address bar.
    pub(super) host: String,
    pub(super) secure: bool,
    /// The path below which we are shown there.
    pub(super) base: BasePath,
    /// It came by a proxy that is trusted.
    pub(super) proxied: bool,
}

pub(super) async fn guard(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let checked = check(&context.options, &request);
    let (site, mut response) = match checked {
        Ok(mut site) => {
            name_client(&context.options, &mut site, &mut request);
            request.extensions_mut().insert(site.clone());
            (Some(site), next.run(request).await)
        }
        Err(refusal) => (None, refusal.into_response()),
    };
    protect(response.headers_mut(), site.as_ref());
    response
}

/// Puts the address of whoever really asks in the place of a trusted proxy's.
fn name_client(options: &ServerOptions, site: &mut Site, request: &mut Request) {
    let proxies = &options.deployment.proxies;
    let Some(RemoteAddress(peer)) = request.extensions().get().copied() else { return };
    site.proxied = proxies.trusts(peer);
    let client = proxies.client(peer, request.headers());
    request.extensions_mut().insert(RemoteAddress(client));
}

fn check(options: &ServerOptions, request: &Request) -> Result<Site, ApiError> {
    let headers = request.headers();
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => text(headers, header::HOST)
            .ok_or_else(|| ApiError::bad_request("the request has no Host header, or more than one"))?,
    };
    let site = site(options, host).ok_or_else(|| {
        let message = "this server is not reached under this name; \
                       open it by its own address or start it with --public-url";
        ApiError::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", message)
    })?;
    let foreign =
        || ApiError::new(StatusCode::FORBIDDEN, "wrong-origin", "other sites may not use this server");
    let mut from_us = false;
    if headers.contains_key(header::ORIGIN) && request.uri().path().starts_with("/cdp/") {
        // No page speaks CDP, ours neither; DevTools does, and brings a token.
        from_us = text(headers, header::ORIGIN) == Some(DEVTOOLS);
        if !from_us {
            return Err(foreign());
        }
    } else if headers.contains_key(header::ORIGIN) {
        let origin: Origin =
            text(headers, header::ORIGIN).and_then(|origin| origin.parse().ok()).ok_or_else(foreign)?;
        from_us = origin.matches_host(host) || options.allowed_origins.contains(&origin);
        if !from_us {
            return Err(foreign());
        }
    }
    let fetch_site = text(headers, HeaderName::from_static("sec-fetch-site"));
    if !from_us && is_programs(request.uri().path()) && matches!(fetch_site, Some("cross-site" | "same-site"))
    {
        return Err(foreign());
    }
    Ok(site)
}

/// True for what scripts and programs ask for, as against pages.
fn is_programs(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/cdp/") || path == "/metrics" || path.ends_with("/mcp")
}

fn site(options: &ServerOptions, host: &str) -> Option<Site> {
    let site = |secure| Site {
        host: host.to_owned(),
        secure,
        base: options.deployment.base.clone(),
        proxied: false,
    };
    let public = options.public_urls.iter().find(|origin| origin.matches_host(host));
    if let Some(origin) = public {
        return Some(site(origin.is_secure()));
    }
    let (name, port) = split_host(host, 80)?;
    let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().ok();
    let ours = match literal {
        // A literal address cannot be rebound, but on loopback only loopback makes sense.
        Some(address) => address.is_loopback() || !options.loopback,
        None => name == "localhost",
    };
    (ours && port == options.port).then(|| site(false))
}

/// The one value of a header, if there is exactly one and it is text.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

fn protect(headers: &mut HeaderMap, site: Option<&Site>) {
    // Older browsers do not count a WebSocket under 'self'. Styles may stand in
    // the page because the framework writes style attributes.
    let sockets = site.map_or_else(String::new, |site| format!(" ws://{0} wss://{0}", site.host));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         media-src 'self' blob:; font-src 'self'; manifest-src 'self'; connect-src 'self'{sockets}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        // A file that somebody laid down comes with a stricter one.
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Not for names of one machine: the word would hold for all that runs there.
    if site.is_some_and(|site| site.secure && is_public_name(&site.host)) {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// True for a name that is neither an address nor this machine's own.
fn is_public_name(host: &str) -> bool {
    split_host(host, 443).is_some_and(|(name, _)| {
        let literal = name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok();
        !literal && name != "localhost" && !name.ends_with(".localhost")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ToolGroups;
    use axum::body::Body;

    fn options(loopback: bool) -> ServerOptions {
        ServerOptions {
            port: 8080,
            loopback,
            public_urls: vec!["https://tandem.example.org".parse().expect("valid")],
            allowed_origins: vec!["https://friend.example.org".parse().expect("valid")],
            ice_servers: vec![],
            tools: ToolGroups::default(),
            deployment: Default::default(),
        }
    }

    fn status(loopback: bool, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = axum::http::Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).expect("valid");
        check(&options(loopback), &request).err().map(|error| error.status().as_u16())
    }

    #[test]
    fn a_rebound_name_is_refused() {
        for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "tandem.example.org"] {
            assert_eq!(status(true, "/", &[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.example:8080",
            "localhost",
            "127.0.0.1:81",
            "192.168.0.9:8080",
            "localhost.evil.org:8080",
            "",
        ] {
            assert!(status(true, "/", &[("host", host)]).is_some(), "{host}");
        }
        assert_eq!(status(false, "/", &[("host", "192.168.0.9:8080")]), None);
        assert_eq!(status(false, "/", &[("host", "evil.example:8080")]), Some(421));
        assert_eq!(status(true, "/", &[]), Some(400));
    }

    #[test]
    fn a_foreign_page_gets_nothing() {
        let host = ("host", "127.0.0.1:8080");
        let with = |name, value| status(true, "/api/rooms", &[host, (name, value)]);
        assert_eq!(with("origin", "http://127.0.0.1:8080"), None);
        assert_eq!(with("origin", "https://friend.example.org"), None);
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9", "http://localhost:8080", ""] {
            assert_eq!(with("origin", origin), Some(403), "{origin}");
        }
        assert_eq!(with("sec-fetch-site", "cross-site"), Some(403));
        assert_eq!(with("sec-fetch-site", "same-origin"), None);
        let cdp = |origin| status(true, "/cdp/main", &[host, ("origin", origin)]);
        assert_eq!(cdp("devtools://devtools"), None);
        for origin in
            ["http://127.0.0.1:8080", "https://friend.example.org", "null", "devtools://devtools.evil"]
        {
            assert_eq!(cdp(origin), Some(403), "{origin}");
        }
        assert_eq!(status(true, "/rooms/main", &[host, ("sec-fetch-site", "cross-site")]), None);
        assert_eq!(status(true, "/rooms/main/mcp", &[host, ("sec-fetch-site", "cross-site")]), Some(403));
    }
}
