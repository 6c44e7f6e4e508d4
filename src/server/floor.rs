//! Floor control over HTTP: the same as a page does on its WebSocket.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::api::{Body, OptionalBody, RoomPath, no_room};
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use crate::base::ActorId;
use crate::floor::Mode;
use crate::room::{FloorAsk, FloorView, Presence, PrivateView, Room};

/// Who may act in a room, and who does.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FloorState {
    #[serde(flatten)]
    floor: FloorView,
    /// Who acts now; nothing when nobody does.
    holder: Option<Presence>,
    /// Names of agents that wait.
    waiting: Vec<String>,
    /// A person's private moment, if one is on.
    private: Option<PrivateView>,
}

/// Who may act from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FloorChange {
    mode: Mode,
}

/// Whether somebody is alone with the page from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Private {
    on: bool,
}

/// A word that goes with a hand-back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandBack {
    /// For the agents, such as "logged in, please continue"; at most 500 characters are kept.
    #[serde(default)]
    note: String,
}

/// Where there is nothing to be said: what is said all the same is refused, not lost.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Who is to have the floor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Give {
    /// The `id` of somebody present.
    #[schema(value_type = String)]
    to: ActorId,
}

/// A caller in a room that they may enter.
pub(super) struct AtFloor {
    caller: Caller,
    room: Arc<dyn Room>,
}

impl FromRequestParts<Context> for AtFloor {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, context).await?;
        let RoomPath(id) = RoomPath::from_request_parts(parts, context).await?;
        caller.enter(&id)?;
        let room = context.rooms.get(&id).ok_or_else(no_room)?;
        Ok(Self { caller, room })
    }
}

impl AtFloor {
    fn state(&self) -> Json<FloorState> {
        let view = self.room.view();
        let view = view.borrow();
        let (floor, holder, waiting) = (view.floor.clone(), view.holder.clone(), view.waiting.clone());
        let private = view.private.clone();
        Json(FloorState { floor, holder, waiting, private })
    }

    async fn ask(self, ask: FloorAsk) -> Result<Json<FloorState>, ApiError> {
        self.room.floor(self.caller.actor.clone(), ask).await?;
        Ok(self.state())
    }
}

/// Who may act in this room, and who does.
#[utoipa::path(get, path = "/api/rooms/{room}/floor", params(("room" = String, Path)), responses(
    (status = 200, body = FloorState), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn get(at: AtFloor) -> Json<FloorState> {
    at.state()
}

/// Changes who may act: `together`, `turns`, `watch` or `hands-off`. For people who may act; not
/// while another person has the floor, unless by an admin.
#[utoipa::path(put, path = "/api/rooms/{room}/floor", params(("room" = String, Path)), request_body = FloorChange, responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(super) async fn put(at: AtFloor, Body(change): Body<FloorChange>) -> Result<Json<FloorState>, ApiError> {
    at.caller.change_to(change.mode)?;
    at.ask(FloorAsk::Mode { mode: change.mode }).await
}

/// Takes the floor until it is handed back: agents are refused meanwhile. Whoever is not in the
/// room has it for 30 seconds.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/takeover", params(("room" = String, Path)), responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(super) async fn takeover(at: AtFloor, _: OptionalBody<Nothing>) -> Result<Json<FloorState>, ApiError> {
    at.ask(FloorAsk::Takeover).await
}

/// Hands the floor back, with a word for the agents if there is one. An admin may do it for another.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/handback", params(("room" = String, Path)), request_body = Option<HandBack>, responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(super) async fn handback(
    at: AtFloor,
    OptionalBody(said): OptionalBody<HandBack>,
) -> Result<Json<FloorState>, ApiError> {
    at.ask(FloorAsk::HandBack { note: said.note }).await
}

/// Begins or ends a private moment: agents see and do nothing meanwhile, people below the role of
/// the setting `private_from` see no picture. It ends by whoever began it, or by an admin; whoever
/// is not in the room has it for a minute.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/private", params(("room" = String, Path)), request_body = Private, responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(super) async fn private(at: AtFloor, Body(private): Body<Private>) -> Result<Json<FloorState>, ApiError> {
    at.ask(FloorAsk::Private { on: private.on }).await
}

/// Asks for the floor. A free one, and one that an agent has, is had at once.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/request", params(("room" = String, Path)), responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(super) async fn request(at: AtFloor, _: OptionalBody<Nothing>) -> Result<Json<FloorState>, ApiError> {
    at.ask(FloorAsk::Request).await
}

/// Gives the floor to somebody present. For whoever has it, and for admins.
#[utoipa::path(post, path = "/api/rooms/{room}/floor/give", params(("room" = String, Path)), request_body = Give, responses(
    (status = 200, body = FloorState), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 415, body = ErrorBody)))]
pub(super) async fn give(at: AtFloor, Body(give): Body<Give>) -> Result<Json<FloorState>, ApiError> {
    at.ask(FloorAsk::Give { to: give.to }).await
}
