//! The Chrome DevTools Protocol of a room's browser, for clients that exist:
//! Playwright, Puppeteer, ChromeDriver, DevTools.
//!
//! Owns the addresses below `/cdp/{room}` and who may use them: a token in a
//! header or in the address, with a role that may act, since CDP reads and
//! changes everything. A cookie opens nothing here, and no page gets in.
//! What a client may do behind the door is judged by the multiplexer
//! ([`crate::browser`]); the floor is asked here, at the room's seat.
//!
//! ```text
//!  /cdp/{room}                            WebSocket: the browser
//!  /cdp/{room}/devtools/browser/{id}      the same
//!  /cdp/{room}/devtools/page/{target}     WebSocket: one target
//!  /cdp/{room}/json/…                     what Chromium's own endpoint answers
//! ```

mod json;
mod leases;
mod session;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;

use super::api::{RoomPath, no_room};
use super::caller::{Caller, remote};
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use super::guard::Site;
use super::page::take_token;
use crate::browser::LONGEST_FROM_CLIENT;

/// DevTools' own pages, the only origin that is let in here.
pub(super) const DEVTOOLS: &str = "devtools://devtools";

/// A caller by header or address, with a role that may act.
pub(super) struct CdpCaller(Caller);

/// Where one of the addresses leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    Browser,
    Target(&'a str),
    Json(&'a str),
    Nowhere,
}

impl FromRequestParts<Context> for CdpCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
        let caller = if parts.headers.contains_key(header::AUTHORIZATION) {
            Caller::from_request_parts(parts, context).await?
        } else {
            let Some((secret, _)) = take_token(&parts.uri) else {
                return Err(ApiError::unauthorized(
                    "a token is needed here: send `Authorization: Bearer TOKEN`, or add ?token=TOKEN to the address",
                ));
            };
            let from = remote(parts)?;
            Caller::from_secret(context, &secret, from, None, None, None).await?
        };
        caller.act()?;
        Ok(Self(caller))
    }
}

/// The DevTools protocol of a room's browser, for Playwright, Puppeteer and their like.
/// Also at `/cdp/{room}/devtools/browser/{id}`, and for one target at
/// `/cdp/{room}/devtools/page/{target}`. The token goes into the header or into `?token=`.
#[utoipa::path(get, path = "/cdp/{room}", params(("room" = String, Path)), responses(
    (status = 101, description = "The WebSocket is open"), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 426, body = ErrorBody)))]
pub(super) async fn root(
    caller: CdpCaller,
    room: RoomPath,
    context: State<Context>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    open(caller, room, context, None, upgrade)
}

/// What Chromium's own debugging endpoint answers: `version`, `list`, `protocol`, `new?url`,
/// `activate/{target}`, `close/{target}`.
#[utoipa::path(get, path = "/cdp/{room}/json/{what}", params(("room" = String, Path), ("what" = String, Path)), responses(
    (status = 200, body = Object), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "A person has the floor"),
    (status = 503, body = ErrorBody, description = "The browser is being started")))]
#[expect(clippy::too_many_arguments, reason = "the parts of a request")]
pub(super) async fn below(
    caller: CdpCaller,
    room: RoomPath,
    Path((_, rest)): Path<(String, String)>,
    context: State<Context>,
    axum::Extension(site): axum::Extension<Site>,
    method: Method,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    match place(&rest) {
        Place::Browser => open(caller, room, context, None, upgrade),
        Place::Target(target) => open(caller, room, context, Some(target.to_owned()), upgrade),
        Place::Json(what) => {
            // Chromium answers HEAD as GET; PUT is what it wants for what changes something.
            if !matches!(method, Method::GET | Method::HEAD | Method::PUT) {
                return Err(ApiError::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "not-allowed",
                    "use GET, or PUT for new, activate and close",
                ));
            }
            let CdpCaller(caller) = caller;
            let RoomPath(room) = room;
            caller.enter(&room)?;
            let found = context.rooms.get(&room).ok_or_else(no_room)?;
            let desk = json::Desk { caller, room: found, id: room, site };
            desk.answer(what, &uri).await
        }
        Place::Nowhere => Err(ApiError::not_found(
            "there is json/version, json/list, json/new, json/protocol, json/activate, json/close, devtools/browser and devtools/page",
        )),
    }
}

fn open(
    CdpCaller(caller): CdpCaller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    target: Option<String>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    caller.enter(&id)?;
    let room = context.rooms.get(&id).ok_or_else(no_room)?;
    let upgrade = upgrade.map_err(|_| {
        ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            "not-a-websocket",
            "this address speaks WebSocket only; json/version below the room's address is for HTTP",
        )
        .with_header((header::UPGRADE, HeaderValue::from_static("websocket")))
    })?;
    let actor = caller.as_agent()?;
    let seat = room.enter_agent(actor)?;
    drop(room);
    let upgrade = upgrade
        // It is cleared for every read; larger messages get room of their own.
        .read_buffer_size(16 << 10)
        .max_message_size(LONGEST_FROM_CLIENT)
        .max_frame_size(LONGEST_FROM_CLIENT)
        .max_write_buffer_size(session::LONGEST_WRITE_BUFFER);
    let tracker = context.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(async move {
            context.metrics.sockets.inc();
            session::run(&context, &id, seat, &caller, target, socket).await;
            context.metrics.sockets.dec();
        })
    }))
}

fn place(rest: &str) -> Place<'_> {
    let rest = rest.trim_matches('/');
    let parts: Vec<&str> = rest.split('/').collect();
    match parts.as_slice() {
        [""] | ["devtools", "browser"] | ["devtools", "browser", _] => Place::Browser,
        ["devtools", "page", target] if is_target(target) => Place::Target(target),
        ["json", ..] => Place::Json(rest.strip_prefix("json").unwrap_or_default().trim_matches('/')),
        _ => Place::Nowhere,
    }
}

/// Chromium's names of targets are hexadecimal; nothing longer or stranger is asked for.
fn is_target(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_lead_where_chromiums_do_with_and_without_a_slash_at_the_end() {
        for (rest, wanted) in [
            ("", Place::Browser),
            ("devtools/browser/main", Place::Browser),
            ("devtools/browser/", Place::Browser),
            ("devtools/page/0A1B", Place::Target("0A1B")),
            ("devtools/page/0A1B/", Place::Target("0A1B")),
            ("json", Place::Json("")),
            ("json/", Place::Json("")),
            ("json/version/", Place::Json("version")),
            ("json/close/0A1B", Place::Json("close/0A1B")),
            ("devtools/page/..", Place::Nowhere),
            ("devtools/page", Place::Nowhere),
            ("other", Place::Nowhere),
        ] {
            assert_eq!(place(rest), wanted, "{rest}");
        }
    }
}
