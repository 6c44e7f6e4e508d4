//! Secrets for agents, kept, listed and removed by admins. Their values come
//! in here and never go out. Changes stand in the record of the room that a
//! secret is for, or of the room `main` if it is for all.

use axum::Json;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use ts_rs::TS;
use utoipa::ToSchema;

use super::api::{Body, no_room};
use super::audit;
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use crate::base::{Redacted, RoomId};
use crate::policy::{MOST_SECRET_ORIGINS, SecretKind, SecretName, SecretOrigin};
use crate::room::RecordKind;
use crate::store::{SecretError, StoredSecret, UnixSeconds};

/// A secret without its value.
#[derive(Debug, Serialize, ToSchema, TS)]
pub struct SecretView {
    /// What agents write behind `secret:`.
    #[schema(value_type = String)]
    #[ts(type = "string")]
    name: SecretName,
    kind: SecretKind,
    /// Where it may be typed, such as `https://shop.example` or `https://*.shop.example`.
    #[schema(value_type = Vec<String>)]
    #[ts(type = "string[]")]
    origins: Vec<SecretOrigin>,
    /// Only in this room, or in all.
    room: Option<String>,
    #[ts(type = "number")]
    made_at: UnixSeconds,
    made_by: String,
    #[ts(type = "number | null")]
    used_at: Option<UnixSeconds>,
}

/// All secrets, and what keeps them from being used.
#[derive(Debug, Serialize, ToSchema, TS)]
pub struct SecretList {
    secrets: Vec<SecretView>,
    /// Why none of them can be used now, such as a missing key.
    trouble: Option<String>,
}

/// A secret to be kept. Where it may be typed cannot be changed without its value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    /// text, password or totp: which fields it fits.
    kind: SecretKind,
    /// Where it may be typed: `https://shop.example`, or `https://*.shop.example` for the hosts below.
    #[schema(value_type = Vec<String>)]
    origins: Vec<SecretOrigin>,
    /// Only in this room; in all if left out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    room: Option<RoomId>,
    /// For totp an `otpauth://` address or a key in base32. It is never shown again.
    value: String,
}

impl From<StoredSecret> for SecretView {
    fn from(secret: StoredSecret) -> Self {
        let StoredSecret { name, kind, origins, room, made_at, made_by, used_at } = secret;
        Self { name, kind, origins, room: room.map(String::from), made_at, made_by, used_at }
    }
}

fn refused(error: SecretError) -> ApiError {
    match error {
        SecretError::Store(error) => error.into(),
        error @ (SecretError::Key { .. } | SecretError::NoKey { .. } | SecretError::WrongKey { .. }) => {
            ApiError::new(StatusCode::CONFLICT, "secrets-key", error.to_string())
        }
        error => ApiError::internal(error),
    }
}

fn named(name: &str) -> Result<SecretName, ApiError> {
    name.parse().map_err(|error| ApiError::bad_request(format!("{error}")))
}

/// All secrets that agents may type without reading them, without their values. For admins.
#[utoipa::path(get, path = "/api/secrets", responses(
    (status = 200, body = SecretList), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn list(
    caller: Caller,
    State(context): State<Context>,
) -> Result<Json<SecretList>, ApiError> {
    caller.administer()?;
    let secrets = context.store.secrets().await?.into_iter().map(SecretView::from).collect();
    let trouble = context.store.check_secrets().await.err().map(|error| error.to_string());
    Ok(Json(SecretList { secrets, trouble }))
}

/// Keeps a secret; one of this name is replaced. For admins.
#[utoipa::path(put, path = "/api/secrets/{name}", params(("name" = String, Path)), request_body = NewSecret, responses(
    (status = 200, body = SecretView), (status = 201, body = SecretView), (status = 400, body = ErrorBody),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 409, body = ErrorBody)))]
pub(super) async fn put(
    caller: Caller,
    Path(name): Path<String>,
    State(context): State<Context>,
    request: Request,
) -> Result<(StatusCode, Json<SecretView>), ApiError> {
    caller.administer()?;
    let name = named(&name)?;
    let Body(NewSecret { kind, origins, room, value }) =
        Body::<NewSecret>::from_request(request, &context).await?;
    let value = Redacted::new(value);
    kind.check(value.reveal()).map_err(ApiError::bad_request)?;
    if origins.is_empty() || origins.len() > MOST_SECRET_ORIGINS {
        let text = format!("a secret has 1 to {MOST_SECRET_ORIGINS} origins at which it may be typed");
        return Err(ApiError::bad_request(text));
    }
    if let Some(room) = &room {
        context.rooms.get(room).ok_or_else(no_room)?;
    }
    let secret = StoredSecret {
        name,
        kind,
        origins,
        room,
        made_at: UnixSeconds::now(),
        made_by: caller.actor.name.clone(),
        used_at: None,
    };
    let at = secret.room.clone().unwrap_or_else(RoomId::main);
    let details =
        json!({ "name": secret.name, "kind": kind, "origins": secret.origins, "room": secret.room });
    let change = audit::begin(&context, &caller, &at, RecordKind::Setting, "secret_set", details).await?;
    let is_new = change.end(context.store.put_secret(secret.clone(), value).await.map_err(refused))?;
    tracing::info!(actor = %caller.actor.id, secret = %secret.name, "set a secret");
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(secret.into())))
}

/// Removes a secret. For admins.
#[utoipa::path(delete, path = "/api/secrets/{name}", params(("name" = String, Path)), responses(
    (status = 204), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn remove(
    caller: Caller,
    Path(name): Path<String>,
    State(context): State<Context>,
) -> Result<StatusCode, ApiError> {
    caller.administer()?;
    let name = named(&name)?;
    let none = || ApiError::not_found("there is no such secret");
    let all = context.store.secrets().await?;
    let found = all.into_iter().find(|secret| secret.name == name).ok_or_else(none)?;
    let at = found.room.unwrap_or_else(RoomId::main);
    let details = json!({ "name": name });
    let change = audit::begin(&context, &caller, &at, RecordKind::Setting, "secret_removed", details).await?;
    let removed = context.store.remove_secret(name.clone()).await.map_err(ApiError::from);
    change.end(removed.and_then(|removed| if removed { Ok(()) } else { Err(none()) }))?;
    tracing::info!(actor = %caller.actor.id, secret = %name, "removed a secret");
    Ok(StatusCode::NO_CONTENT)
}
