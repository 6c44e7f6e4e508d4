//! Health, metrics and rooms.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::audit;
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use crate::base::{RoomId, Size};
use crate::floor::Mode;
use crate::room::{RecordKind, RoomOptions, RoomSpec, RoomView};
use crate::store::UnixSeconds;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// Always "ok": a server that is not does not answer.
    status: &'static str,
    version: &'static str,
}

/// A room to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRoom {
    /// 1 to 32 of `a-z`, `0-9` and `-`.
    #[schema(value_type = String)]
    id: RoomId,
    /// 1280×720 if left out.
    #[serde(default)]
    size: Option<Size>,
    /// The first page, `http:`, `https:` or `about:blank`.
    #[serde(default)]
    start_url: Option<String>,
    /// Who may act at first; the server's own setting if left out.
    #[serde(default)]
    mode: Option<Mode>,
    /// What it has of its own; the server's settings count for the rest.
    #[serde(default)]
    options: RoomOptions,
}

/// What to change in a room.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomChange {
    size: Size,
}

/// A room's name in the path; anything that cannot be one is not found.
pub(super) struct RoomPath(pub(super) RoomId);

/// A body of JSON, refused with a reason in our own form.
pub(super) struct Body<T>(pub(super) T);

/// The same where a body may be left out. One that is there is read or refused, never lost.
pub(super) struct OptionalBody<T>(pub(super) T);

impl FromRequestParts<Context> for RoomPath {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, context).await;
        let Path(found) = path.map_err(|error| ApiError::bad_request(error.body_text()))?;
        found
            .iter()
            .find(|(key, _)| key == "room")
            .and_then(|(_, value)| RoomId::new(value).ok())
            .map(Self)
            .ok_or_else(no_room)
    }
}

impl<T: DeserializeOwned> FromRequest<Context> for Body<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, context: &Context) -> Result<Self, ApiError> {
        let json = is_json(&request)?;
        let bytes = whole(request, context).await?;
        json.read(&bytes).map(Self)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Context> for OptionalBody<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, context: &Context) -> Result<Self, ApiError> {
        let json = is_json(&request);
        let bytes = whole(request, context).await?;
        match bytes.iter().all(u8::is_ascii_whitespace) {
            true => Ok(Self(T::default())),
            false => json?.read(&bytes).map(Self),
        }
    }
}

/// The request says that its body is JSON.
struct IsJson;

fn is_json(request: &Request) -> Result<IsJson, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let json = kind.is_some_and(|kind| {
        kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json")
    });
    match json {
        true => Ok(IsJson),
        false => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "send Content-Type: application/json",
        )),
    }
}

impl IsJson {
    fn read<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, ApiError> {
        serde_json::from_slice(bytes)
            .map_err(|error| ApiError::bad_request(format!("the body is not right: {error}")))
    }
}

/// The whole body, if it is within the limit.
pub(super) async fn whole(request: Request, context: &Context) -> Result<bytes::Bytes, ApiError> {
    bytes::Bytes::from_request(request, context).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is larger than 64 KiB")
        }
        _ => ApiError::bad_request("the body did not arrive whole"),
    })
}

pub(super) fn no_room() -> ApiError {
    ApiError::not_found("there is no such room")
}

/// Is the server up?
#[utoipa::path(get, path = "/api/health", responses((status = 200, body = Health)), security(()))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Counters in the text format of Prometheus. For admins.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn metrics(caller: Caller, State(context): State<Context>) -> Result<Response, ApiError> {
    caller.administer()?;
    let text = context.metrics.render().map_err(ApiError::internal)?;
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, body = Object), (status = 401, body = ErrorBody)))]
pub(super) async fn openapi(_: Caller, State(context): State<Context>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], super::document::openapi_json(&context.tools_document)).into_response()
}

/// All rooms that the caller may enter.
#[utoipa::path(get, path = "/api/rooms", responses((status = 200, body = Vec<RoomView>), (status = 401, body = ErrorBody)))]
pub(super) async fn list(caller: Caller, State(context): State<Context>) -> Json<Vec<RoomView>> {
    let views = context.rooms.list().into_iter().filter(|view| caller.enter(&view.id).is_ok());
    Json(views.map(|view| caller.sees(&view)).collect())
}

/// Makes a room. For admins.
#[utoipa::path(post, path = "/api/rooms", request_body = NewRoom, responses(
    (status = 201, body = RoomView, headers(("Location" = String))),
    (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 409, body = ErrorBody, description = "There is one of this name, or there are too many"),
))]
pub(super) async fn create(
    caller: Caller,
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    caller.administer()?;
    let Body(new) = Body::<NewRoom>::from_request(request, &context).await?;
    if let Some(url) = &new.start_url {
        check_start_url(url)?;
    }
    new.options.check().map_err(ApiError::bad_request)?;
    let spec = RoomSpec {
        id: new.id,
        size: new.size.unwrap_or(Size::DEFAULT),
        start_url: new.start_url,
        mode: new.mode,
        options: new.options,
    };
    let view = context.rooms.create(spec).await?;
    // It has no record before it is there.
    let details = json!({ "width": view.size.width(), "height": view.size.height() });
    if let Err(error) = audit::begin(&context, &caller, &view.id, RecordKind::Room, "made", details)
        .await
        .and_then(|made| made.end(Ok(())))
    {
        context.rooms.remove(&view.id).await?;
        return Err(error);
    }
    tracing::info!(room = %view.id, actor = %caller.actor.id, "made a room");
    let location = context.options.deployment.base.at(&format!("/api/rooms/{}", view.id));
    let location = HeaderValue::from_str(&location).map_err(ApiError::internal)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}

fn check_start_url(url: &str) -> Result<(), ApiError> {
    let known = url == "about:blank" || url.starts_with("http://") || url.starts_with("https://");
    if known && url.len() <= 2048 && !url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "start_url begins with http:// or https://, or is about:blank, in at most 2048 characters",
    ))
}

/// One room.
#[utoipa::path(get, path = "/api/rooms/{room}", params(("room" = String, Path)), responses(
    (status = 200, body = RoomView), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn get(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<RoomView>, ApiError> {
    caller.enter(&id)?;
    let room = context.rooms.get(&id).ok_or_else(no_room)?;
    let view = caller.sees(&room.view().borrow());
    Ok(Json(view))
}

/// Changes a room's size. For those who may act.
#[utoipa::path(patch, path = "/api/rooms/{room}", params(("room" = String, Path)), request_body = RoomChange, responses(
    (status = 200, body = RoomView), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn change(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<RoomView>, ApiError> {
    caller.enter(&id)?;
    caller.act()?;
    let room = context.rooms.get(&id).ok_or_else(no_room)?;
    let Body(change) = Body::<RoomChange>::from_request(request, &context).await?;
    room.resize(caller.actor.clone(), change.size).await?;
    let view = caller.sees(&room.view().borrow());
    Ok(Json(view))
}

/// Removes a room with its browser and its profile, and revokes its tokens. For admins.
#[utoipa::path(delete, path = "/api/rooms/{room}", params(("room" = String, Path)), responses(
    (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn remove(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<StatusCode, ApiError> {
    caller.administer()?;
    let change = audit::begin(&context, &caller, &id, RecordKind::Room, "removed", json!({})).await?;
    change.end(context.rooms.remove(&id).await.map_err(ApiError::from))?;
    // A later room of this name must not open to the guests of this one.
    context.store.revoke_tokens_of(id.clone(), UnixSeconds::now()).await?;
    context.auth.tokens_changed();
    tracing::info!(room = %id, actor = %caller.actor.id, "removed a room");
    Ok(StatusCode::NO_CONTENT)
}
