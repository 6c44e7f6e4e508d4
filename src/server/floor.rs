//! Floor control over HTTP: the same as a page does on its WebSocket.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api::{Body, RoomPath, no_room};
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use crate::base::{ActorId, RoomId};
use crate::floor::Mode;
use crate::room::{FloorAsk, FloorView, Presence, RoomView};

/// Who may act in a room, and who does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FloorState {
    #[serde(flatten)]
    floor: FloorView,
    /// Who acts now; nothing when nobody does.
    holder: Option<Presence>,
    /// Names of agents that wait.
    waiting: Vec<String>,
}

/// Who may act from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FloorChange {
    mode: Mode,
}

/// A word that goes with a hand-back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandBack {
    /// For the agents, such as "logged in, please continue"; at most 500 characters are kept.
    #[serde(default)]
    note: String,
}

/// Who is to have the floor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Give {
    /// The `id` of somebody present.
    #[schema(value_type = String)]
    to: ActorId,
}

impl FloorState {
    fn of(view: &RoomView) -> Self {
        Self { floor: view.floor.clone(), holder: view.holder.clone(), waiting: view.waiting.clone() }
    }
}

async fn ask(
    context: &Context,
    caller: Caller,
    id: &RoomId,
    ask: FloorAsk,
) -> Result<Json<FloorState>, ApiError> {
    caller.enter(id)?;
    let room = context.rooms.get(id).ok_or_else(no_room)?;
    room.floor(caller.actor, ask).await?;
    let view = room.view();
    let state = FloorState::of(&view.borrow());
    Ok(Json(state))
}

/// Who may act in this room, and who does.
#[utoipa::path(get, path = "/api/rooms/{room}/floor", params(("room" = String, Path)), responses(
    (status = 200, body = FloorState), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn get(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<FloorState>, ApiError> {
    caller.enter(&id)?;
    let room = context.rooms.get(&id).ok_or_else(no_room)?;
    let view = room.view();
    let state = FloorState::of(&view.borrow());
    Ok(Json(state))
}

/// Changes who may act: `together`, `turns`, `watch` or `hands-off`. For people who may act; not
/// while another person has the floor, unless by an admin.
#[utoipa::path(put, path = "/api/rooms/{room}/floor", params(("room" = String, Path)), request_body = FloorChange, responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn put(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<FloorState>, ApiError> {
    caller.enter(&id)?;
    let Body(change) = Body::<FloorChange>::from_request(request, &context).await?;
    ask(&context, caller, &id, FloorAsk::Mode { mode: change.mode }).await
}

/// Takes the floor until it is handed back: agents are refused meanwhile. Whoever is not in the
/// room has it for 30 seconds.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/takeover", params(("room" = String, Path)), responses(
    (status = 200, body = FloorState), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn takeover(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<FloorState>, ApiError> {
    ask(&context, caller, &id, FloorAsk::Takeover).await
}

/// Hands the floor back, with a word for the agents if there is one. An admin may do it for another.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/handback", params(("room" = String, Path)), request_body = Option<HandBack>, responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn handback(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<FloorState>, ApiError> {
    caller.enter(&id)?;
    let bare = request.headers().get(axum::http::header::CONTENT_TYPE).is_none();
    let note = match bare {
        true => String::new(),
        false => Body::<HandBack>::from_request(request, &context).await?.0.note,
    };
    ask(&context, caller, &id, FloorAsk::HandBack { note }).await
}

/// Asks for the floor. A free one, and one that an agent has, is had at once.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/request", params(("room" = String, Path)), responses(
    (status = 200, body = FloorState), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn request(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<FloorState>, ApiError> {
    ask(&context, caller, &id, FloorAsk::Request).await
}

/// Gives the floor to somebody present. For whoever has it, and for admins.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/give", params(("room" = String, Path)), request_body = Give, responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn give(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<FloorState>, ApiError> {
    caller.enter(&id)?;
    let Body(give) = Body::<Give>::from_request(request, &context).await?;
    ask(&context, caller, &id, FloorAsk::Give { to: give.to }).await
}
