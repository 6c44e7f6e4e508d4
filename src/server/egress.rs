//! What a room's browser reaches, over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use serde_json::json;

use super::api::{Body, RoomPath, no_room};
use super::audit;
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use crate::base::RoomId;
use crate::policy::egress::EgressLists;
use crate::room::{Reach, ReachError, ReachView, RecordKind};

fn reach(context: &Context, id: &RoomId) -> Result<Arc<Reach>, ApiError> {
    let room = context.rooms.get(id).ok_or_else(no_room)?;
    room.reach().ok_or_else(|| ApiError::internal("this room has no gate"))
}

/// What the room's browser may reach, and what its gate has refused lately. For those who may act.
#[utoipa::path(get, path = "/api/rooms/{room}/egress", params(("room" = String, Path)), responses(
    (status = 200, body = ReachView), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn get(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<ReachView>, ApiError> {
    caller.enter(&id)?;
    caller.act()?;
    Ok(Json(reach(&context, &id)?.view()))
}

/// Puts other lists in place for this room, at once: open connections that they forbid end. The server's
/// own lists count beside them. For admins.
#[utoipa::path(put, path = "/api/rooms/{room}/egress", params(("room" = String, Path)), request_body = EgressLists, responses(
    (status = 200, body = ReachView), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn put(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<ReachView>, ApiError> {
    caller.administer()?;
    let reach = reach(&context, &id)?;
    let Body(lists) = Body::<EgressLists>::from_request(request, &context).await?;
    lists.check().map_err(ApiError::bad_request)?;
    let details = json!({ "allow": lists.allow.len(), "deny": lists.deny.len() });
    let change = audit::begin(&context, &caller, &id, RecordKind::Setting, "egress", details).await?;
    change.end(reach.replace(lists).await.map_err(|error| match error {
        ReachError::Lists(why) => ApiError::bad_request(why),
        ReachError::Store(error) => ApiError::internal(error),
    }))?;
    tracing::info!(room = %id, actor = %caller.actor.id, "changed what the room reaches");
    Ok(Json(reach.view()))
}
