//! The doctor's side of the server: what it knows about itself, and a
//! WebSocket that is there to be opened. Which way a person's own browser
//! takes is tried by the page `/doctor` (`client/shell/src/doctor/`).

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::context::{Context, RemoteAddress};
use super::error::{ApiError, ErrorBody};
use super::guard::Site;
use super::ready::{Check, conditions};
use super::wire::IceServer;
use crate::process::machine::{self, Namespaces};
use crate::store::UnixSeconds;

const LONGEST_HELLO: Duration = Duration::from_secs(5);

/// What the server knows about the ways to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Diagnosis {
    version: &'static str,
    /// Where this request came from, by the word of trusted proxies.
    #[schema(value_type = String)]
    your_address: IpAddr,
    /// Whether a proxy that is not trusted stands between.
    unknown_proxy: bool,
    /// Whether the address in the bar is one with TLS.
    secure: bool,
    /// The UDP and TCP port of WebRTC.
    rtc_port: u16,
    /// Addresses that were given for viewers outside.
    #[schema(value_type = Vec<String>)]
    public_addresses: Vec<IpAddr>,
    #[schema(value_type = Vec<Object>)]
    ice_servers: Vec<IceServer>,
    /// What is wrong with the server itself, if anything.
    checks: Vec<Check>,
}

/// What the server says about itself and about the way that this request took.
#[utoipa::path(get, path = "/api/doctor", responses((status = 200, body = Diagnosis), (status = 401, body = ErrorBody)))]
pub(super) async fn diagnosis(
    caller: Caller,
    State(context): State<Context>,
    Extension(site): Extension<Site>,
    Extension(RemoteAddress(your_address)): Extension<RemoteAddress>,
    headers: HeaderMap,
) -> Json<Diagnosis> {
    let deployment = &context.options.deployment;
    let mut checks = conditions(&context).await.as_ref().clone();
    let namespaces = match machine::namespaces(None).await {
        Namespaces::Refused(error) => Some(format!("refused: {error}; {}", machine::NAMESPACES_REMEDY)),
        Namespaces::Allowed | Namespaces::Unknown => None,
    };
    checks.push(Check { check: "user-namespaces", ok: namespaces.is_none(), why: namespaces });
    Json(Diagnosis {
        version: env!("CARGO_PKG_VERSION"),
        your_address,
        unknown_proxy: headers.contains_key("x-forwarded-for") && !site.proxied,
        secure: site.secure,
        rtc_port: deployment.rtc_port,
        public_addresses: deployment.public_addresses.clone(),
        ice_servers: context.ice_servers(&caller.actor.id, UnixSeconds::now()),
        checks,
    })
}

/// A WebSocket that says hello and closes: whether upgrades get through.
#[utoipa::path(get, path = "/api/doctor/ws", responses(
    (status = 101, description = "It says hello and closes"), (status = 401, body = ErrorBody), (status = 426, body = ErrorBody)))]
pub(super) async fn hello(
    _: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|_| no_upgrade(&headers))?;
    Ok(upgrade.max_message_size(1024).on_upgrade(async |mut socket| {
        let talk = async {
            socket.send(Message::text("hello")).await?;
            let bye = CloseFrame { code: 1000, reason: "that was all".into() };
            socket.send(Message::Close(Some(bye))).await?;
            // The other side closes first, as the protocol wants it.
            while let Some(Ok(_)) = socket.recv().await {}
            Ok::<(), axum::Error>(())
        };
        let _ = tokio::time::timeout(LONGEST_HELLO, talk).await;
    }))
}

/// Why a request to an address of WebSockets is none. What a browser sends for
/// one carries a key, which proxies pass on, and `Upgrade`, which they must be
/// told to pass on.
pub(super) fn no_upgrade(headers: &HeaderMap) -> ApiError {
    let message = if headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        let told = "a proxy in front took the Upgrade header off this request; let it pass WebSockets on \
                    (nginx: proxy_http_version 1.1 and the headers Upgrade and Connection, see docker/README.md)";
        tracing::warn!("{told}");
        told
    } else {
        "this address speaks WebSocket only"
    };
    let upgrade = (header::UPGRADE, axum::http::HeaderValue::from_static("websocket"));
    ApiError::new(StatusCode::UPGRADE_REQUIRED, "not-a-websocket", message).with_header(upgrade)
}
