//! Tokens for one room, made and revoked by an admin.

use axum::Extension;
use axum::Json;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ts_rs::TS;
use utoipa::ToSchema;

use super::api::{Body, RoomPath, no_room};
use super::audit;
use super::auth::Secret;
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use super::guard::Site;
use super::origin::Origin;
use crate::base::{Actor, Colour, Role, RoomId, ToolGroup, ToolGroups};
use crate::floor::Mode;
use crate::room::RecordKind;
use crate::store::{StoredToken, TokenId, UnixSeconds};

/// A token lasts at most this long; without an end it lasts until it is revoked.
const LONGEST_SECONDS: u64 = 10 * 365 * 24 * 3600;
/// One for another site's page is in that page's address: it lasts as long as
/// a page is looked at, and is renewed.
const EMBED_SECONDS: u64 = 15 * 60;
const LONGEST_EMBED_SECONDS: u64 = 24 * 3600;

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// controller, viewer or agent. May be left out of a token that renews another.
    #[serde(default)]
    role: Option<Role>,
    /// What others see beside the pointer; the role if left out.
    #[serde(default)]
    name: Option<String>,
    /// How long it is good. Left out: until it is revoked, or 15 minutes if it has an origin or
    /// is for a single use; then at most a day.
    #[serde(default)]
    expires_in_seconds: Option<u64>,
    /// Of the person, as `#rrggbb` on which white can be read; one that follows from the token if
    /// left out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    colour: Option<Colour>,
    /// To which modes its holder may change the room; to all if left out.
    #[serde(default)]
    modes: Option<Vec<Mode>>,
    /// The one site whose pages may show the room in a frame or as an element, such as
    /// `https://dashboard.example.org`. A token with an origin never goes into a cookie.
    #[serde(default)]
    origin: Option<String>,
    /// Good for the one page that brings it first, for as long as that page is open.
    #[serde(default)]
    single_use: bool,
    /// The id of a token of this room that this one follows: what is left out here is as there,
    /// and whoever comes with it is the same person.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    renews: Option<TokenId>,
    /// Which groups of tools it opens; those that the server gives all if left out.
    #[serde(default)]
    tools: Option<Vec<ToolGroup>>,
}

/// A token without its text.
#[derive(Debug, Serialize, ToSchema, TS)]
pub struct TokenView {
    #[schema(value_type = String)]
    #[ts(type = "string")]
    id: TokenId,
    role: Role,
    room: Option<String>,
    name: String,
    #[ts(type = "number")]
    created_at: UnixSeconds,
    #[ts(type = "number | null")]
    expires_at: Option<UnixSeconds>,
    #[ts(type = "number | null")]
    revoked_at: Option<UnixSeconds>,
    /// Which groups of tools it opens, if it was made with its own.
    #[ts(type = "string[] | null")]
    tools: Option<Vec<ToolGroup>>,
    #[schema(value_type = Option<String>)]
    #[ts(type = "string | null")]
    colour: Option<Colour>,
    /// To which modes its holder may change the room, if not to all.
    modes: Option<Vec<Mode>>,
    /// The one other site whose pages may bring it.
    origin: Option<String>,
    single_use: bool,
    /// A page has come with it, for which alone it is good.
    used: bool,
    /// The first token of the same person, if this one renews another.
    #[schema(value_type = Option<String>)]
    #[ts(type = "string | null")]
    person: Option<TokenId>,
}

/// A token with its text, which is shown this once.
#[derive(Debug, Serialize, ToSchema, TS)]
pub struct MadeToken {
    #[serde(flatten)]
    view: TokenView,
    token: String,
    /// The address that opens the room with it: for a token with an origin that of the frame.
    url: String,
}

impl From<StoredToken> for TokenView {
    fn from(token: StoredToken) -> Self {
        Self {
            id: token.id,
            role: token.role,
            room: token.room.map(String::from),
            name: token.name,
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            tools: token.tools.map(|tools| tools.iter().collect()),
            colour: token.colour,
            modes: token.modes,
            origin: token.origin,
            single_use: token.single_use,
            used: token.claimed.is_some(),
            person: token.person,
        }
    }
}

/// The tokens limited to a room, without their texts. For admins.
#[utoipa::path(get, path = "/api/rooms/{room}/tokens", params(("room" = String, Path)), responses(
    (status = 200, body = Vec<TokenView>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn list(
    caller: Caller,
    RoomPath(room): RoomPath,
    State(context): State<Context>,
) -> Result<Json<Vec<TokenView>>, ApiError> {
    caller.administer()?;
    context.rooms.get(&room).ok_or_else(no_room)?;
    let tokens = context.store.tokens(Some(room)).await?;
    Ok(Json(tokens.into_iter().map(TokenView::from).collect()))
}

/// Makes a token for a room. For admins.
#[utoipa::path(post, path = "/api/rooms/{room}/tokens", params(("room" = String, Path)), request_body = NewToken, responses(
    (status = 201, body = MadeToken), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn create(
    caller: Caller,
    RoomPath(room): RoomPath,
    State(context): State<Context>,
    Extension(site): Extension<Site>,
    request: Request,
) -> Result<Response, ApiError> {
    caller.administer()?;
    context.rooms.get(&room).ok_or_else(no_room)?;
    let Body(new) = Body::<NewToken>::from_request(request, &context).await?;
    let before = match &new.renews {
        None => None,
        Some(id) => Some(before(&context, &room, id).await?),
    };
    let Some(role) = new.role.or(before.as_ref().map(|before| before.role)) else {
        return Err(ApiError::bad_request("the body has no role; use controller, viewer or agent"));
    };
    if role.may_administer() {
        return Err(ApiError::bad_request(
            "an admin's token is for all rooms; make it with `tandem token create --role admin`",
        ));
    }
    let secret = Secret::random().map_err(ApiError::internal)?;
    let stored = stored(new, before, role, &room, &secret)?;
    let details = json!({
        "id": stored.id, "name": stored.name, "role": stored.role, "expires_at": stored.expires_at,
        "origin": stored.origin, "renews": stored.person,
    });
    let change = audit::begin(&context, &caller, &room, RecordKind::Token, "made", details).await?;
    change.end(context.store.add_token(stored.clone()).await.map_err(ApiError::from))?;
    context.auth.tokens_changed();
    tracing::info!(%room, actor = %caller.actor.id, token = %stored.id, role = role.as_str(), "made a token");
    let scheme = if site.secure { "https" } else { "http" };
    let place = if stored.origin.is_some() { "embed" } else { "rooms" };
    let made = MadeToken {
        view: stored.into(),
        url: format!("{scheme}://{}{}/{place}/{room}?token={}", site.host, site.base, secret.reveal()),
        token: secret.reveal().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Revokes a token; whoever uses it is put out. For admins.
#[utoipa::path(delete, path = "/api/rooms/{room}/tokens/{id}", params(("room" = String, Path), ("id" = String, Path)), responses(
    (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn revoke(
    caller: Caller,
    RoomPath(room): RoomPath,
    Path((_, id)): Path<(String, String)>,
    State(context): State<Context>,
) -> Result<StatusCode, ApiError> {
    caller.administer()?;
    let id = TokenId::new(&id).ok_or_else(no_token)?;
    let found = context.store.token(id.clone()).await?.filter(|token| token.room.as_ref() == Some(&room));
    found.ok_or_else(no_token)?;
    end_token(&context, &caller, &room, id).await
}

/// All tokens of this server, also those for all rooms, without their texts. For admins.
#[utoipa::path(get, path = "/api/tokens", responses(
    (status = 200, body = Vec<TokenView>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn list_all(
    caller: Caller,
    State(context): State<Context>,
) -> Result<Json<Vec<TokenView>>, ApiError> {
    caller.administer()?;
    let tokens = context.store.tokens(None).await?;
    Ok(Json(tokens.into_iter().map(TokenView::from).collect()))
}

/// Revokes a token, of whichever room; whoever uses it is put out. For admins.
#[utoipa::path(delete, path = "/api/tokens/{id}", params(("id" = String, Path)), responses(
    (status = 204), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn revoke_any(
    caller: Caller,
    Path(id): Path<String>,
    State(context): State<Context>,
) -> Result<StatusCode, ApiError> {
    caller.administer()?;
    let id = TokenId::new(&id).ok_or_else(no_token)?;
    let found = context.store.token(id.clone()).await?.ok_or_else(no_token)?;
    // What is for all rooms is written down in the one that is always there.
    let room = found.room.filter(|room| context.rooms.get(room).is_some()).unwrap_or_else(RoomId::main);
    end_token(&context, &caller, &room, id).await
}

async fn end_token(
    context: &Context,
    caller: &Caller,
    room: &RoomId,
    id: TokenId,
) -> Result<StatusCode, ApiError> {
    let details = json!({ "id": id });
    let change = audit::begin(context, caller, room, RecordKind::Token, "revoked", details).await?;
    let revoked = context.store.revoke_token(id.clone(), UnixSeconds::now()).await;
    change.end(revoked.map_err(ApiError::from).and_then(|was| if was { Ok(()) } else { Err(no_token()) }))?;
    context.auth.tokens_changed();
    tracing::info!(%room, actor = %caller.actor.id, token = %id, "revoked a token");
    Ok(StatusCode::NO_CONTENT)
}

fn no_token() -> ApiError {
    ApiError::not_found("there is no such token that is not revoked yet")
}

/// The token that another one renews.
async fn before(context: &Context, room: &RoomId, id: &TokenId) -> Result<StoredToken, ApiError> {
    let found = context.store.token(id.clone()).await?;
    let found = found.filter(|token| token.room.as_ref() == Some(room) && token.revoked_at.is_none());
    found.ok_or_else(|| {
        ApiError::bad_request(
            "there is no such token to renew in this room, or it was revoked; make a new one",
        )
    })
}

fn stored(
    new: NewToken,
    before: Option<StoredToken>,
    role: Role,
    room: &RoomId,
    secret: &Secret,
) -> Result<StoredToken, ApiError> {
    let origin = match new.origin {
        Some(text) => Some(text.parse::<Origin>().map_err(|error| ApiError::bad_request(error.to_string()))?),
        None => None,
    };
    let origin = origin
        .map(|origin| origin.to_string())
        .or_else(|| before.as_ref().and_then(|before| before.origin.clone()));
    let short = origin.is_some() || new.single_use;
    let seconds = match new.expires_in_seconds {
        Some(seconds) if short && seconds > LONGEST_EMBED_SECONDS => {
            return Err(ApiError::bad_request(
                "a token with an origin, or for a single use, lasts at most a day; renew it",
            ));
        }
        Some(seconds) => Some(seconds),
        None if short => Some(EMBED_SECONDS),
        None => None,
    };
    let name = new.name.as_deref().or(before.as_ref().map(|before| before.name.as_str()));
    let mut stored =
        new_token(secret, role, Some(room.clone()), name, seconds).map_err(ApiError::bad_request)?;
    stored.tools = new.tools.map(|tools| tools.into_iter().collect::<ToolGroups>());
    (stored.colour, stored.modes, stored.origin) = (new.colour, new.modes, origin);
    stored.single_use = new.single_use;
    if let Some(before) = before {
        stored.tools = stored.tools.or(before.tools);
        stored.colour = stored.colour.or(before.colour);
        stored.modes = stored.modes.or(before.modes);
        stored.person = Some(before.person.unwrap_or(before.id));
    }
    Ok(stored)
}

/// What is kept of a new token; or why it cannot be.
pub fn new_token(
    secret: &Secret,
    role: Role,
    room: Option<RoomId>,
    name: Option<&str>,
    expires_in_seconds: Option<u64>,
) -> Result<StoredToken, String> {
    if expires_in_seconds.is_some_and(|seconds| !(1..=LONGEST_SECONDS).contains(&seconds)) {
        return Err(
            "a token lasts from one second to ten years; leave the time out for one without end".into()
        );
    }
    let mut id = [0; 6];
    getrandom::fill(&mut id).map_err(|_| "the system gives no random numbers".to_owned())?;
    let name = match name.map(Actor::clean_name) {
        Some(name) if name.is_empty() => return Err("the token's name has nothing to show in it".into()),
        Some(name) => name,
        None => match role {
            Role::Admin => "Admin",
            Role::Controller => "Guest",
            Role::Viewer => "Viewer",
            Role::Agent => "Agent",
        }
        .to_owned(),
    };
    let now = UnixSeconds::now();
    Ok(StoredToken {
        id: TokenId::from_bytes(id),
        hash: secret.hash(),
        role,
        room,
        name,
        created_at: now,
        expires_at: expires_in_seconds.map(|seconds| now.plus(seconds)),
        revoked_at: None,
        tools: None,
        colour: None,
        modes: None,
        origin: None,
        person: None,
        single_use: false,
        claimed: None,
    })
}
