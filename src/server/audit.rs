//! The record of a room over HTTP: searched, exported, verified. And the lines
//! that this floor writes itself: changes of rules, tokens and rooms.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::api::{RoomPath, no_room};
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use crate::base::{ActorKind, RoomId};
use crate::room::record::{Found, Search, Verified};
use crate::room::{Begun, Entry, Outcome, Record, RecordKind};

/// A room's record, and the last line that this caller may not read.
///
/// Admins read everything, of rooms that are no more too. People who may act
/// in a room read what was written since it was made. Others read nothing:
/// agents work for people, and need not know what all of them do.
async fn readable(context: &Context, caller: &Caller, id: RoomId) -> Result<(Record, u64), ApiError> {
    caller.enter(&id)?;
    caller.act()?;
    if caller.actor.kind() != ActorKind::Person {
        return Err(ApiError::forbidden("agents do not read the record; ask a person who may act here"));
    }
    let all = caller.administer().is_ok();
    let exists = context.rooms.get(&id).is_some();
    let record = Record::new(context.store.clone(), id);
    let ends = record.ends().await?;
    match ends {
        None if exists => Ok((record, 0)),
        Some(_) if all => Ok((record, 0)),
        Some(ends) if exists => Ok((record, ends.began)),
        _ => Err(no_room()),
    }
}

/// Lines of a room's record, the newest first, that fit all of what is asked.
/// For admins, and for people who may act in this room.
#[utoipa::path(get, path = "/api/rooms/{room}/audit", params(("room" = String, Path), Search), responses(
    (status = 200, body = Found), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn search(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Json<Found>, ApiError> {
    let (record, since) = readable(&context, &caller, id).await?;
    let Query(search) = search.map_err(|error| ApiError::bad_request(error.body_text()))?;
    search.check().map_err(ApiError::bad_request)?;
    Ok(Json(record.search(&search, since).await?))
}

/// The whole record as lines of JSON, the oldest first: a line with the anchor, then
/// `{"hash", "line"}` each. For admins, and for people who may act in this room.
#[utoipa::path(get, path = "/api/rooms/{room}/audit.jsonl", params(("room" = String, Path)), responses(
    (status = 200, body = String, content_type = "application/jsonl"), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn export(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Response, ApiError> {
    let name = format!("attachment; filename=\"{id}-audit.jsonl\"");
    let name = HeaderValue::from_str(&name).map_err(ApiError::internal)?;
    let (record, since) = readable(&context, &caller, id).await?;
    let lines = Body::from_stream(record.export(since).await?);
    let kind = HeaderValue::from_static("application/jsonl");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], lines).into_response())
}

/// Checks the whole chain of a room's record; names the first line that does not fit.
/// For admins, and for people who may act in this room.
#[utoipa::path(get, path = "/api/rooms/{room}/audit/verify", params(("room" = String, Path)), responses(
    (status = 200, body = Verified), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody)))]
pub(super) async fn verify(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<Verified>, ApiError> {
    let (record, _) = readable(&context, &caller, id).await?;
    Ok(Json(record.verify().await?))
}

/// A change that was written down before it is made.
pub(super) struct Change(Option<Begun>);

/// Writes down a change before it is made. What cannot be written is not done.
pub(super) async fn begin(
    context: &Context,
    caller: &Caller,
    room: &RoomId,
    kind: RecordKind,
    what: &str,
    details: Value,
) -> Result<Change, ApiError> {
    let recorder = context.rooms.get(room).and_then(|room| room.recorder());
    let Some(recorder) = recorder else { return Ok(Change(None)) };
    let entry = Entry::new(kind, what).by(&caller.actor).details(details);
    Ok(Change(Some(recorder.begin(entry).await?)))
}

impl Change {
    /// Writes down how it ended.
    pub(super) fn end<T>(self, result: Result<T, ApiError>) -> Result<T, ApiError> {
        if let Some(begun) = self.0 {
            match &result {
                Ok(_) => begun.done(),
                Err(error) if error.status().is_server_error() => begun.end(Outcome::Failed, ""),
                Err(error) => begun.end(Outcome::Refused, error.message()),
            }
        }
        result
    }
}
