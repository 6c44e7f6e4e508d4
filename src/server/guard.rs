//! What every request passes first: is it meant for us (a rebound name is
//! not), does it come from our own page (a foreign one gets nothing, unless it
//! brings a token that is for its site), and the headers that keep our page
//! from being used by others.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::Credential;
use super::base_path::BasePath;
use super::caller::{brings_token, brings_token_by_protocol};
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

/// A page of another site asks, with a token of its own.
#[derive(Clone, Debug)]
pub(super) struct Foreign {
    pub(super) origin: Origin,
    /// It is one of those that the server's settings name.
    listed: bool,
}

impl Foreign {
    /// Whether this token may come from there.
    pub(super) fn may_bring(&self, credential: &Credential) -> bool {
        self.listed || credential.origin.as_deref() == Some(self.origin.to_string().as_str())
    }
}

/// Who may show an answer of ours in a frame. Nobody, unless the answer says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Own,
    By(Origin),
    /// A page that says one sentence and can do nothing.
    Anyone,
}

/// An answer that is the same for all the world, such as the script for other sites.
#[derive(Clone, Copy, Debug)]
pub(super) struct Public;

pub(super) async fn guard(State(context): State<Context>, mut request: Request, next: Next) -> Response {
    let checked = check(&context.options, &request);
    let (site, mut response) = match checked {
        Ok((mut site, foreign)) => {
            name_client(&context.options, &mut site, &mut request);
            request.extensions_mut().insert(site.clone());
            let response = match foreign {
                None => next.run(request).await,
                Some(foreign) => across(&context, foreign, request, next).await,
            };
            (Some(site), response)
        }
        Err(refusal) => (None, refusal.into_response()),
    };
    protect(&mut response, site.as_ref());
    response
}

/// Lets a page of another site in as far as its token leads, and its browser know.
async fn across(context: &Context, foreign: Foreign, mut request: Request, next: Next) -> Response {
    let origin = foreign.origin.clone();
    if brings_token_by_protocol(request.headers()) {
        // No browser holds a socket to the rules for other sites: its token decides.
        request.extensions_mut().insert(foreign);
        return next.run(request).await;
    }
    let known = foreign.listed
        || context.auth.knows_origin(&origin.to_string()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot look an origin up");
            false
        });
    if !known {
        return foreign_refusal().into_response();
    }
    let mut response = if is_preflight(&request) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        request.extensions_mut().insert(foreign);
        next.run(request).await
    };
    let headers = response.headers_mut();
    if let Ok(origin) = HeaderValue::from_str(&origin.to_string()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, last-event-id, tandem-page"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn foreign_refusal() -> ApiError {
    ApiError::wrong_origin("other sites may not use this server; a token may be made for one of them")
}

/// Puts the address of whoever really asks in the place of a trusted proxy's.
fn name_client(options: &ServerOptions, site: &mut Site, request: &mut Request) {
    let proxies = &options.deployment.proxies;
    let Some(RemoteAddress(peer)) = request.extensions().get().copied() else { return };
    site.proxied = proxies.trusts(peer);
    let client = proxies.client(peer, request.headers());
    request.extensions_mut().insert(RemoteAddress(client));
}

fn check(options: &ServerOptions, request: &Request) -> Result<(Site, Option<Foreign>), ApiError> {
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
    let foreign = foreign_refusal;
    let path = request.uri().path();
    let mut from_us = false;
    let mut from = None;
    if headers.contains_key(header::ORIGIN) && request.uri().path().starts_with("/cdp/") {
        // No page speaks CDP, ours neither; DevTools does, and brings a token.
        from_us = text(headers, header::ORIGIN) == Some(DEVTOOLS);
        if !from_us {
            return Err(foreign());
        }
    } else if headers.contains_key(header::ORIGIN) {
        let origin: Origin =
            text(headers, header::ORIGIN).and_then(|origin| origin.parse().ok()).ok_or_else(foreign)?;
        let listed = options.allowed_origins.contains(&origin);
        from_us = origin.matches_host(host) || listed || is_public(path);
        if listed || !from_us {
            // What is below a room can be reached with a token that is for the site.
            let may_be = path.starts_with("/api/rooms/") && (brings_token(headers) || is_preflight(request));
            from = may_be.then_some(Foreign { origin, listed });
            if from.is_none() && !from_us {
                return Err(foreign());
            }
            from_us = true;
        }
    }
    let fetch_site = text(headers, HeaderName::from_static("sec-fetch-site"));
    if !from_us && is_programs(path) && matches!(fetch_site, Some("cross-site" | "same-site")) {
        return Err(foreign());
    }
    Ok((site, from))
}

/// True for the files that other sites' pages load.
pub(super) fn is_public(path: &str) -> bool {
    matches!(path, "/embed.js" | "/embed.mjs" | "/embed-chat.mjs")
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

fn protect(response: &mut Response, site: Option<&Site>) {
    let framing = response.extensions().get::<Framing>().cloned();
    let public = response.extensions().get::<Public>().is_some();
    let headers = response.headers_mut();
    let ancestors = match &framing {
        None => "'none'".to_owned(),
        Some(Framing::Own) => "'self'".to_owned(),
        Some(Framing::By(origin)) => origin.to_string(),
        Some(Framing::Anyone) => "*".to_owned(),
    };
    // Older browsers do not count a WebSocket under 'self'. Styles may stand in
    // the page because the framework writes style attributes.
    let sockets = site.map_or_else(String::new, |site| format!(" ws://{0} wss://{0}", site.host));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         media-src 'self' blob:; font-src 'self'; manifest-src 'self'; connect-src 'self'{sockets}; \
         base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        // A file that somebody laid down comes with a stricter one.
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The older header knows no other sites: where the policy names one it says nothing.
    if framing.is_none() {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    let shared = public || framing.is_some();
    let policy = HeaderValue::from_static(if shared { "cross-origin" } else { "same-origin" });
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), policy);
    if public {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
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
    fn a_foreign_page_comes_as_far_as_a_token_and_no_further() {
        let foreign = |method: &str, path: &str, headers: &[(&str, &str)]| {
            let mut request = axum::http::Request::builder()
                .method(method)
                .uri(path)
                .header("host", "127.0.0.1:8080")
                .header("origin", "https://dash.example")
                .header("sec-fetch-site", "cross-site");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::empty()).expect("valid");
            check(&options(true), &request).map(|(_, foreign)| foreign.is_some()).ok()
        };
        let bearer = [("authorization", "Bearer tdm_x")];
        let socket = [("sec-websocket-protocol", "tandem.1, tandem.token.tdm_x")];
        let preflight = [("access-control-request-method", "GET")];
        assert_eq!(foreign("GET", "/api/rooms/main", &bearer), Some(true));
        assert_eq!(foreign("GET", "/api/rooms/main/ws", &socket), Some(true));
        assert_eq!(foreign("OPTIONS", "/api/rooms/main", &preflight), Some(true));
        assert_eq!(foreign("GET", "/embed.js", &[]), Some(false));
        for (method, path, headers) in [
            ("GET", "/api/rooms/main", &[][..]),
            ("GET", "/api/rooms/main/ws", &[("sec-websocket-protocol", "tandem.1")][..]),
            ("GET", "/api/rooms/main", &[("cookie", "tandem=tdm_x")][..]),
            ("GET", "/api/rooms", &bearer[..]),
            ("POST", "/rooms/main/mcp", &bearer[..]),
            ("GET", "/cdp/main", &bearer[..]),
            ("GET", "/embed-page.js", &[][..]),
        ] {
            assert_eq!(foreign(method, path, headers), None, "{path} {headers:?}");
        }
    }

    #[test]
    fn a_frame_is_allowed_to_the_one_site_that_is_named() {
        let policy = |framing: Option<Framing>| {
            let mut response = StatusCode::OK.into_response();
            if let Some(framing) = framing {
                response.extensions_mut().insert(framing);
            }
            protect(&mut response, None);
            let headers = response.headers();
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
            let ancestors = policy.split("frame-ancestors ").nth(1).expect("there").to_owned();
            (ancestors, headers.contains_key(header::X_FRAME_OPTIONS))
        };
        let dash: Origin = "https://dash.example".parse().expect("valid");
        assert_eq!(policy(None), ("'none'".into(), true));
        assert_eq!(policy(Some(Framing::Own)), ("'self'".into(), false));
        assert_eq!(policy(Some(Framing::By(dash))), ("https://dash.example".into(), false));
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
