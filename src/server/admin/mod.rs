//! What whoever administers the server sees and does: all rooms with who is in
//! them and what they take, how busy everything is; rooms put to sleep, woken,
//! stopped and started; people and agents put out. The page for it is
//! `client/shell/src/admin/`; it can do nothing that is not here.

pub(super) mod load;
pub mod model;

use std::time::{Duration, SystemTime};

use axum::extract::{FromRequest as _, Request, State};
use axum::{Extension, Json};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::api::{Body, OptionalBody, RoomPath, no_room};
use super::audit;
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use super::guard::Site;
use super::ready::conditions;
use crate::base::{ActorId, RoomId};
use crate::room::{Person, Phase, RecordKind, Rest, RoomDetails, RoomView};
use crate::store::{TokenId, UnixSeconds};
use model::{Overview, RoomLine};

/// A room that is busy falling asleep is shown without its details.
const LONGEST_LOOK: Duration = Duration::from_millis(400);

/// All rooms with who is in them and what they take, and how busy the server is. For admins.
#[utoipa::path(get, path = "/api/admin", responses(
    (status = 200, body = Overview), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn overview(
    caller: Caller,
    State(context): State<Context>,
    Extension(site): Extension<Site>,
) -> Result<Json<Overview>, ApiError> {
    caller.administer()?;
    let checks = conditions(&context).await.as_ref().clone();
    let takes = context.load.usage(&context.rooms).await;
    let scheme = if site.secure { "https" } else { "http" };
    let address = format!("{scheme}://{}{}", site.host, site.base);
    let lines = context.rooms.list().into_iter().map(|view| {
        // What was counted a moment ago may have ended since.
        let rests = matches!(view.phase, Phase::Sleeping | Phase::Stopped);
        let takes = takes.get(&view.id).copied().filter(|_| !rests);
        let (context, address) = (&context, &address);
        async move {
            let room = context.rooms.get(&view.id);
            let details = match &room {
                Some(room) => tokio::time::timeout(LONGEST_LOOK, room.details()).await.unwrap_or_default(),
                None => None,
            };
            RoomLine { takes, ..line(context, address, view, details) }
        }
    });
    let rooms = join_all(lines).await;
    Ok(Json(Overview {
        version: env!("CARGO_PKG_VERSION"),
        now: load::milliseconds(SystemTime::now()),
        started: context.load.started(),
        ready: checks.iter().all(|check| check.ok),
        checks,
        machine: load::machine(),
        load: context.load.samples(),
        rooms,
        address,
    }))
}

fn line(context: &Context, address: &str, view: RoomView, details: Option<RoomDetails>) -> RoomLine {
    let (since, people, made) = match details {
        Some(RoomDetails { since, people, spec }) => (Some(since), people, Some(spec)),
        None => {
            let person = |presence| Person { presence, since: 0, seats: 1, lines: Vec::new() };
            (None, view.present.into_iter().map(person).collect(), None)
        }
    };
    let people = people.into_iter().map(|mut person: Person| {
        for line in &mut person.lines {
            line.relayed = line.remote.is_some_and(|remote| context.load.is_turn(remote));
        }
        person
    });
    RoomLine {
        address: format!("{address}/rooms/{}", view.id),
        removable: view.id != RoomId::main(),
        id: view.id,
        phase: view.phase,
        since,
        size: view.size,
        mode: view.floor.mode,
        page: view.page,
        holder: view.holder.map(|holder| holder.name),
        people: people.collect(),
        approvals: view.approvals.len(),
        help: view.help.len(),
        takes: None,
        made,
    }
}

/// How a room is put to sleep.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asleep {
    /// Although somebody is there.
    anyway: bool,
}

/// Has a room fall asleep now; it wakes when somebody comes. Refused while somebody is there,
/// unless `anyway` says so. For admins.
#[utoipa::path(post, path = "/api/rooms/{room}/sleep", params(("room" = String, Path)), request_body = Asleep, responses(
    (status = 200, body = RoomView), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 409, body = ErrorBody, description = "Somebody is there, or it is stopped")))]
pub(super) async fn sleep(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<RoomView>, ApiError> {
    caller.administer()?;
    let OptionalBody(Asleep { anyway }) = OptionalBody::<Asleep>::from_request(request, &context).await?;
    rest(&context, &caller, &id, Rest::Sleep { anyway }).await
}

/// Wakes a room. For admins; for others entering it does.
#[utoipa::path(post, path = "/api/rooms/{room}/wake", params(("room" = String, Path)), responses(
    (status = 200, body = RoomView), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 409, body = ErrorBody, description = "It is stopped, or there is no memory for it")))]
pub(super) async fn wake(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<RoomView>, ApiError> {
    caller.administer()?;
    rest(&context, &caller, &id, Rest::Wake).await
}

/// Ends a room's programs; nobody's coming wakes it until it is started again, also after a
/// restart of the server. Its tabs and its profile stay. For admins.
#[utoipa::path(post, path = "/api/rooms/{room}/stop", params(("room" = String, Path)), responses(
    (status = 200, body = RoomView), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn stop(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<RoomView>, ApiError> {
    caller.administer()?;
    rest(&context, &caller, &id, Rest::Stop).await
}

/// Starts a room that was stopped. For admins.
#[utoipa::path(post, path = "/api/rooms/{room}/start", params(("room" = String, Path)), responses(
    (status = 200, body = RoomView), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 409, body = ErrorBody, description = "There is no memory for it")))]
pub(super) async fn start(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Json<RoomView>, ApiError> {
    caller.administer()?;
    rest(&context, &caller, &id, Rest::Start).await
}

async fn rest(
    context: &Context,
    caller: &Caller,
    id: &RoomId,
    rest: Rest,
) -> Result<Json<RoomView>, ApiError> {
    let room = context.rooms.get(id).ok_or_else(no_room)?;
    let change = audit::begin(context, caller, id, RecordKind::Room, rest.as_str(), json!({})).await?;
    change.end(context.rooms.rest(id, rest).await.map_err(ApiError::from))?;
    tracing::info!(room = %id, actor = %caller.actor.id, what = rest.as_str(), "an admin's hand");
    let view = caller.sees(&room.view().borrow());
    Ok(Json(view))
}

/// Who is to go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutOut {
    /// As the room lists them.
    #[schema(value_type = String)]
    actor: ActorId,
    /// Also ends the token that they came with, so that they cannot come back by it. The tokens
    /// of the server's own run are not ended.
    #[serde(default)]
    revoke: bool,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WasPutOut {
    /// How many tokens were revoked.
    revoked: usize,
}

/// Ends all pages, players and sessions of somebody in a room. For admins.
#[utoipa::path(post, path = "/api/rooms/{room}/put-out", params(("room" = String, Path)), request_body = PutOut, responses(
    (status = 200, body = WasPutOut), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn put_out(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<WasPutOut>, ApiError> {
    caller.administer()?;
    let room = context.rooms.get(&id).ok_or_else(no_room)?;
    let Body(PutOut { actor, revoke }) = Body::<PutOut>::from_request(request, &context).await?;
    let present = room.view().borrow().present.iter().find(|who| who.id == actor).map(|who| who.name.clone());
    let name = present.ok_or_else(|| ApiError::not_found("nobody of this id is in the room"))?;
    let details = json!({ "id": actor, "name": name, "revoke": revoke });
    let change = audit::begin(&context, &caller, &id, RecordKind::Room, "put out", details).await?;
    let done = async {
        // First the token, or a page that is quick is back before it is ended.
        let revoked = if revoke { revoke_of(&context, &id, &actor).await? } else { 0 };
        room.put_out(actor.clone()).await?;
        Ok(WasPutOut { revoked })
    };
    let done = change.end(done.await)?;
    tracing::info!(room = %id, actor = %caller.actor.id, who = %actor, revoked = done.revoked, "put somebody out");
    Ok(Json(done))
}

/// Revokes the tokens of this room by which somebody is who they are.
async fn revoke_of(context: &Context, room: &RoomId, actor: &ActorId) -> Result<usize, ApiError> {
    // An actor's id begins with the token's: `token`, `token.page`, `token:agent`.
    let stem = actor.as_str().split(['.', ':']).next().unwrap_or_default();
    let Some(stem) = TokenId::new(stem) else { return Ok(0) };
    let now = UnixSeconds::now();
    let mut revoked = 0;
    for token in context.store.tokens(None).await? {
        let theirs = token.id == stem || token.person.as_ref() == Some(&stem);
        let here = token.room.as_ref().is_none_or(|of| of == room);
        if theirs && here && token.is_good(now) && context.store.revoke_token(token.id, now).await? {
            revoked += 1;
        }
    }
    context.auth.tokens_changed();
    Ok(revoked)
}
