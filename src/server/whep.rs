//! WHEP: a standard player offers, gets an answer and a resource to delete.
//! There is no trickle: all our candidates are in the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use super::api::{RoomPath, no_room, whole};
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use super::wire::IceServer;
use crate::base::RoomId;
use crate::room::{Room, ViewerKind, ViewerSeat};
use crate::store::UnixSeconds;

/// Players of all rooms together.
const MOST_PLAYERS: usize = 256;
const SDP: &str = "application/sdp";

/// The players that have a resource. Each is a task that holds a seat.
#[derive(Debug, Default)]
pub(super) struct Players(Mutex<HashMap<String, Player>>);

#[derive(Debug)]
struct Player {
    room: RoomId,
    /// Whose it is.
    key: String,
    stop: CancellationToken,
}

impl Players {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<String, Player>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Plays a room: an SDP offer is answered.
#[utoipa::path(post, path = "/api/rooms/{room}/whep", params(("room" = String, Path)),
    request_body(content = String, content_type = "application/sdp"), responses(
    (status = 201, body = String, content_type = "application/sdp", headers(("Location" = String, description = "DELETE it to end"))),
    (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 413, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody, description = "No codec in common"), (status = 503, body = ErrorBody)))]
pub(super) async fn offer(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    caller.enter(&id)?;
    let room = context.rooms.get(&id).ok_or_else(no_room)?;
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if !kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case(SDP) {
        let message = "send an SDP offer with Content-Type: application/sdp";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-sdp", message));
    }
    let bytes = whole(request, &context).await?;
    let sdp = String::from_utf8(bytes.into()).map_err(|_| ApiError::bad_request("the offer is not text"))?;
    if sdp.trim().is_empty() {
        return Err(ApiError::bad_request("the body is empty; an SDP offer is expected"));
    }
    if context.players.with(|players| players.len() >= MOST_PLAYERS) {
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "full", "there are too many players"));
    }
    let seat = room.enter(caller.actor.clone()).await?;
    let answer = seat.offer(ViewerKind::Whep, sdp).await?;
    let resource = keep(&context, &id, room, &caller, seat)?;
    let location = context.options.deployment.base.at(&format!("/api/rooms/{id}/whep/{resource}"));
    let location = HeaderValue::from_str(&location).map_err(ApiError::internal)?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(SDP)), (header::LOCATION, location)];
    let mut response = (StatusCode::CREATED, headers, answer).into_response();
    for link in context.ice_servers(&caller.actor.id, UnixSeconds::now()).iter().flat_map(links) {
        response.headers_mut().append(header::LINK, link);
    }
    Ok(response)
}

/// Seats the player until it is deleted, its connection or token ends, the
/// room goes or the server stops.
fn keep(
    context: &Context,
    id: &RoomId,
    room: Arc<dyn Room>,
    caller: &Caller,
    seat: Box<dyn ViewerSeat>,
) -> Result<String, ApiError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(ApiError::internal)?;
    let resource = format!("{:032x}", u128::from_be_bytes(bytes));
    let stop = CancellationToken::new();
    let player = Player { room: id.clone(), key: caller.credential.key.clone(), stop: stop.clone() };
    context.players.with(|players| players.insert(resource.clone(), player));
    let (context, credential, name) = (context.clone(), caller.credential.clone(), resource.clone());
    let mut view = room.view();
    // The room itself is let go, so that its end is seen by the end of its view.
    drop(room);
    context.clone().tasks.spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = seat.closed() => {}
            () = seat.put_out() => {}
            _ = context.auth.ended(&credential) => {}
            () = context.shutdown.cancelled() => {}
            () = async { while view.changed().await.is_ok() {} } => {}
        }
        drop(seat);
        context.players.with(|players| players.remove(&name));
    });
    Ok(resource)
}

fn links(server: &IceServer) -> Vec<HeaderValue> {
    let quote = |text: &str| text.replace(['"', '\\'], "");
    let mut rest = String::new();
    if let (Some(user), Some(credential)) = (&server.username, &server.credential) {
        rest = format!(
            "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
            quote(user),
            quote(credential)
        );
    }
    let link = |url: &String| HeaderValue::from_str(&format!("<{url}>; rel=\"ice-server\"{rest}")).ok();
    server.urls.iter().filter_map(link).collect()
}

/// Ends a player.
#[utoipa::path(delete, path = "/api/rooms/{room}/whep/{player}", params(("room" = String, Path), ("player" = String, Path)), responses(
    (status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn end(
    caller: Caller,
    RoomPath(room): RoomPath,
    Path((_, resource)): Path<(String, String)>,
    State(context): State<Context>,
) -> Result<StatusCode, ApiError> {
    caller.enter(&room)?;
    let stop = context.players.with(|players| {
        players
            .get(&resource)
            .filter(|player| player.room == room)
            .filter(|player| player.key == caller.credential.key || caller.actor.role.may_administer())
            .map(|player| player.stop.clone())
    });
    stop.ok_or_else(|| ApiError::not_found("there is no such player"))?.cancel();
    Ok(StatusCode::OK)
}

/// What WHEP allows and we do not do.
pub(super) async fn not_for_players(_: Caller) -> ApiError {
    let message = "only POST of an offer: there is no trickle ICE and no restart, offer anew instead";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", message)
        .with_header((header::ALLOW, HeaderValue::from_static("POST")))
}

/// The same for a player's own resource.
pub(super) async fn not_for_resource(_: Caller) -> ApiError {
    let message = "only DELETE: all candidates are in the answer, there is no trickle ICE and no restart";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "not-supported", message)
        .with_header((header::ALLOW, HeaderValue::from_static("DELETE")))
}
