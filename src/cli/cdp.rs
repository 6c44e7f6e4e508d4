//! `tandem cdp`: a room's browser on a local port, at the addresses where
//! Chromium's own debugging endpoint has it, for clients that take only a
//! host and a port: ChromeDriver, chrome://inspect.
//!
//! Listens on loopback alone and adds the token. Whoever can connect to the
//! port can use the room; as at Chromium's own port, a request under another
//! name than ours and a page's request get nothing.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use clap::Args;
use futures_util::{SinkExt, StreamExt};
use http::Method;
use http_body_util::BodyExt as _;
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as Upstream};

use super::args::print;
use super::failure::Failure;
use super::remote::{Connection, Reach, Remote};
use crate::base::RoomId;
use crate::browser::LONGEST_FROM_CLIENT;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(40);
/// The longest answer and the longest message of the browser.
const LONGEST_ANSWER: usize = 256 << 20;

#[derive(Debug, Args)]
pub(super) struct Bridge {
    #[command(flatten)]
    reach: Reach,
    /// Where to listen; loopback only
    #[arg(long, default_value = "127.0.0.1:9222")]
    listen: SocketAddr,
}

/// Where requests go.
struct Far {
    remote: Remote,
    room: RoomId,
}

/// An answer of the server.
struct Answer {
    status: StatusCode,
    kind: String,
    body: Vec<u8>,
}

pub(super) async fn run(bridge: Bridge) -> Result<ExitCode, Failure> {
    if !bridge.listen.ip().is_loopback() {
        return Err(Failure::new(
            "--listen is an address that others reach; the port has no password, so only loopback is taken",
        ));
    }
    let far = Arc::new(Far { remote: bridge.reach.remote()?, room: bridge.reach.room });
    let first = far.get(Method::GET, "/json/version").await.map_err(|error| {
        Failure::new(format!("the server at {} does not answer: {error}; see --server", far.remote.host()))
    })?;
    if !first.status.is_success() {
        let told: Option<serde_json::Value> = serde_json::from_slice(&first.body).ok();
        let told =
            told.as_ref().and_then(|told| told["error"]["message"].as_str()).unwrap_or("no reason given");
        return Err(Failure::new(format!("the server says {}: {told}", first.status)));
    }
    let listener = TcpListener::bind(bridge.listen).await.map_err(|error| {
        Failure::new(format!("cannot listen on {}: {error}; see --listen", bridge.listen))
    })?;
    let address = listener.local_addr()?;
    print(&format!("DevTools listening on ws://{address}/devtools/browser/{}\n", far.room))?;
    let app = Router::new().fallback(pass).with_state(far).layer(from_fn(guard));
    let served = axum::serve(listener, app).with_graceful_shutdown(async {
        let _ = tokio::signal::ctrl_c().await;
    });
    served.await?;
    Ok(ExitCode::SUCCESS)
}

/// As Chromium does it: no rebound name, no page.
async fn guard(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    }
}

fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !text(header::HOST).is_some_and(is_ours) {
        return Some("this port is reached as localhost or by its address only\n");
    }
    let foreign = headers.contains_key(header::ORIGIN) && text(header::ORIGIN) != Some("devtools://devtools");
    foreign.then_some("pages may not use this port\n")
}

fn is_ours(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn pass(
    State(far): State<Arc<Far>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let near = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if let Ok(upgrade) = upgrade {
        return match far.socket(&path).await {
            Ok(socket) => upgrade
                .max_message_size(LONGEST_FROM_CLIENT)
                .max_frame_size(LONGEST_FROM_CLIENT)
                .on_upgrade(move |near| pump(near, socket)),
            Err(error) => error,
        };
    }
    let method = match *request.method() {
        Method::PUT => Method::PUT,
        Method::GET | Method::HEAD => Method::GET,
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    if !path.starts_with("/json") {
        return (StatusCode::NOT_FOUND, "there is /json and what it lists\n").into_response();
    }
    match far.get(method, &path).await {
        Ok(Answer { status, kind, body }) => {
            let body = match String::from_utf8(body) {
                Ok(text) => far.as_seen_here(&text, near).into_bytes(),
                Err(error) => error.into_bytes(),
            };
            let kind = HeaderValue::from_str(&kind).unwrap_or(HeaderValue::from_static("text/plain"));
            (status, [(header::CONTENT_TYPE, kind)], body).into_response()
        }
        Err(error) => {
            (StatusCode::BAD_GATEWAY, format!("the server does not answer: {error}\n")).into_response()
        }
    }
}

impl Far {
    fn path(&self, path: &str) -> String {
        format!("/cdp/{}{path}", self.room)
    }

    /// The server's addresses as this port has them.
    fn as_seen_here(&self, text: &str, near: &str) -> String {
        let there = format!("{}{}", self.remote.host(), self.remote.path(&self.path("/")));
        text.replace(&format!("wss://{there}"), &format!("ws://{near}/"))
            .replace(&format!("wss={there}"), &format!("ws={near}/"))
            .replace(&there, &format!("{near}/"))
    }

    /// One request with an answer that is read whole.
    async fn get(&self, method: Method, path: &str) -> std::io::Result<Answer> {
        let asked = async {
            let mut request = Request::builder().method(method).uri("/").body(Bytes::new());
            if let Ok(request) = &mut request {
                *request.uri_mut() = self.path(path).parse().map_err(std::io::Error::other)?;
            }
            let answer = self.remote.send(request.map_err(std::io::Error::other)?).await?;
            let status = answer.status();
            let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let kind = kind.unwrap_or("text/plain").to_owned();
            let body = http_body_util::Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
            let body = body.map_err(std::io::Error::other)?.to_bytes().to_vec();
            Ok(Answer { status, kind, body })
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(std::io::Error::other)?
    }

    async fn socket(&self, path: &str) -> Result<WebSocketStream<Connection>, Response> {
        let failed = |error: WsError| match error {
            WsError::Http(refusal) => {
                let body = refusal.body().clone().unwrap_or_default();
                (refusal.status(), body).into_response()
            }
            error => {
                (StatusCode::BAD_GATEWAY, format!("the server does not answer: {error}\n")).into_response()
            }
        };
        let asked = async {
            let path = self.remote.path(&self.path(path));
            let mut request = format!("ws://{}{path}", self.remote.host()).into_client_request()?;
            request.headers_mut().insert(header::AUTHORIZATION, self.remote.authorization()?);
            let stream = self.remote.connect().await?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(LONGEST_ANSWER))
                .max_frame_size(Some(LONGEST_ANSWER));
            Ok(tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?.0)
        };
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(socket) => socket.map_err(failed),
            Err(_) => Err(StatusCode::GATEWAY_TIMEOUT.into_response()),
        }
    }
}

/// Carries messages both ways until one side ends; the pressure goes through.
async fn pump(near: WebSocket, far: WebSocketStream<Connection>) {
    let (mut near_out, mut near_in) = near.split();
    let (mut far_out, mut far_in) = far.split();
    let out = async {
        while let Some(Ok(message)) = near_in.next().await {
            let message = match message {
                Message::Text(text) => match Upstream::text_from(text.into()) {
                    Some(message) => message,
                    None => break,
                },
                Message::Binary(bytes) => Upstream::Binary(bytes),
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            if far_out.send(message).await.is_err() {
                break;
            }
        }
        let _ = far_out.close().await;
    };
    let back = async {
        while let Some(Ok(message)) = far_in.next().await {
            let message = match message {
                Upstream::Text(text) => match axum::extract::ws::Utf8Bytes::try_from(Bytes::from(text)) {
                    Ok(text) => Message::Text(text),
                    Err(_) => break,
                },
                Upstream::Binary(bytes) => Message::Binary(bytes),
                Upstream::Close(_) => break,
                _ => continue,
            };
            if near_out.send(message).await.is_err() {
                break;
            }
        }
        let _ = near_out.close().await;
    };
    tokio::select! {
        () = out => {}
        () = back => {}
    }
}

/// A text message out of bytes that are known to be text.
trait TextFrom: Sized {
    fn text_from(bytes: Bytes) -> Option<Self>;
}

impl TextFrom for Upstream {
    fn text_from(bytes: Bytes) -> Option<Self> {
        Some(Upstream::Text(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_served() {
        for ours in ["127.0.0.1:9222", "localhost:9222", "[::1]:9222", "LOCALHOST"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in ["evil.example:9222", "", "localhost.evil.example", "192.168.0.9:9222"] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn the_servers_addresses_are_given_as_this_port_has_them() {
        let far = Far { remote: Remote::to("t:8080", false), room: RoomId::main() };
        let text = r#"{"a":"ws://t:8080/cdp/main/devtools/page/1","b":"inspector.html?ws=t:8080/cdp/main/devtools/page/1"}"#;
        let seen = far.as_seen_here(text, "localhost:9222");
        assert_eq!(
            seen,
            r#"{"a":"ws://localhost:9222/devtools/page/1","b":"inspector.html?ws=localhost:9222/devtools/page/1"}"#
        );
    }
}
