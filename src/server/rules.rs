//! Rules and approvals over HTTP.

use axum::Json;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::api::{Body, RoomPath, no_room, whole};
use super::audit;
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use crate::base::{Role, RoomId};
use crate::policy::{Action, Answer, ApprovalId, ApprovalView, Explanation, RuleSet, Scope};
use crate::room::{RecordKind, Rulebook, RulebookError};

/// An approval, and the room in which it is asked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RoomApproval {
    #[schema(value_type = String)]
    room: RoomId,
    #[serde(flatten)]
    approval: ApprovalView,
}

fn rulebook(context: &Context, id: &RoomId) -> Result<std::sync::Arc<Rulebook>, ApiError> {
    let room = context.rooms.get(id).ok_or_else(no_room)?;
    room.rulebook().ok_or_else(|| ApiError::internal("this room has no rules"))
}

fn document(rules: &RuleSet) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], rules.print()).into_response()
}

async fn replace(
    context: &Context,
    caller: &Caller,
    id: &RoomId,
    scope: Scope,
    request: Request,
) -> Result<Response, ApiError> {
    let book = rulebook(context, id)?;
    let bytes = whole(request, context).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| ApiError::bad_request("rules are JSON in UTF-8"))?;
    let rules = RuleSet::parse(text).map_err(|broken| refused(&broken.into()))?;
    let details = json!({ "scope": scope, "rules": rules.len() });
    let change = audit::begin(context, caller, id, RecordKind::Rules, "replaced", details).await?;
    change.end(book.replace(scope, rules).await.map_err(|error| refused(&error)))?;
    tracing::info!(room = %id, %scope, actor = %caller.actor.id, "changed the rules");
    Ok(document(&book.set(scope)))
}

fn refused(error: &RulebookError) -> ApiError {
    match error {
        RulebookError::Broken(_) => ApiError::bad_request(error.to_string()),
        RulebookError::Store(_) => ApiError::internal(error),
    }
}

/// The room's own rules, as a document. For those who may act.
#[utoipa::path(get, path = "/api/rooms/{room}/rules", params(("room" = String, Path)), responses(
    (status = 200, body = Object), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn get_of_room(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
) -> Result<Response, ApiError> {
    caller.enter(&id)?;
    caller.act()?;
    Ok(document(&rulebook(&context, &id)?.set(Scope::Room)))
}

/// Puts other rules in place for this room, at once. Broken ones are refused with line and reason,
/// and the old ones stay. For admins.
#[utoipa::path(put, path = "/api/rooms/{room}/rules", params(("room" = String, Path)), request_body = Object, responses(
    (status = 200, body = Object), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn put_of_room(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    caller.administer()?;
    replace(&context, &caller, &id, Scope::Room, request).await
}

/// The rules of all rooms of this server. For admins.
#[utoipa::path(get, path = "/api/rules", responses(
    (status = 200, body = Object), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn get_of_server(
    caller: Caller,
    State(context): State<Context>,
) -> Result<Response, ApiError> {
    caller.administer()?;
    Ok(document(&rulebook(&context, &RoomId::main())?.set(Scope::Server)))
}

/// Puts other rules in place for all rooms, at once. For admins.
#[utoipa::path(put, path = "/api/rules", request_body = Object, responses(
    (status = 200, body = Object), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn put_of_server(
    caller: Caller,
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    caller.administer()?;
    replace(&context, &caller, &RoomId::main(), Scope::Server, request).await
}

/// What would become of an action, by which rule, and what came close. Nothing is done. For those who may act.
#[utoipa::path(post, path = "/api/rooms/{room}/rules/test", params(("room" = String, Path)), request_body = Object, responses(
    (status = 200, body = Explanation), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn test(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<Explanation>, ApiError> {
    caller.enter(&id)?;
    caller.act()?;
    let book = rulebook(&context, &id)?;
    let Body(mut asked) = Body::<Value>::from_request(request, &context).await?;
    if let Some(asked) = asked.as_object_mut() {
        // Left out, it is the caller's own agent that would do it.
        let actor = caller.as_agent()?;
        asked.entry("actor").or_insert(serde_json::to_value(actor).map_err(ApiError::internal)?);
    }
    let action: Action = serde_json::from_value(asked)
        .map_err(|error| ApiError::bad_request(format!("this is no action: {error}")))?;
    Ok(Json(book.explain(&action)))
}

/// Everything that waits for a yes in the rooms that the caller may enter, the oldest first. For
/// people who may answer; an agent reads what it asks itself.
#[utoipa::path(get, path = "/api/approvals", responses(
    (status = 200, body = Vec<RoomApproval>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub(super) async fn approvals(
    caller: Caller,
    State(context): State<Context>,
) -> Result<Json<Vec<RoomApproval>>, ApiError> {
    reads(&caller)?;
    let rooms = context.rooms.list().into_iter().filter(|view| caller.enter(&view.id).is_ok());
    let all = rooms.flat_map(|view| {
        let room = view.id;
        let own = view.approvals.into_iter().filter(|approval| caller.reads_questions_of(&approval.actor));
        own.map(|approval| RoomApproval { room: room.clone(), approval }).collect::<Vec<_>>()
    });
    Ok(Json(all.collect()))
}

fn reads(caller: &Caller) -> Result<(), ApiError> {
    match caller.actor.role {
        Role::Viewer => Err(ApiError::forbidden(
            "only those who may answer read what is asked; ask for a token with the role controller",
        )),
        Role::Admin | Role::Controller | Role::Agent => Ok(()),
    }
}

/// The room in which an approval is asked, if the caller may read it.
fn asked_in(context: &Context, caller: &Caller, id: ApprovalId) -> Option<RoomId> {
    let mut rooms = context.rooms.list().into_iter().filter(|view| caller.enter(&view.id).is_ok());
    let is_it = |open: &ApprovalView| open.id == id && caller.reads_questions_of(&open.actor);
    rooms.find(|view| view.approvals.iter().any(is_it)).map(|view| view.id)
}

fn approval(
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<ApprovalId, ApiError> {
    let Path(text) = path.map_err(|error| ApiError::bad_request(error.body_text()))?;
    text.parse().map_err(|_| over())
}

fn over() -> ApiError {
    ApiError::not_found("there is no such approval, or it is over")
}

/// Answers an approval: `once`, `always-for-origin` or `deny` with a message. The first answer
/// counts; a later one is told whose that was. For people who may act.
#[utoipa::path(post, path = "/api/approvals/{id}", params(("id" = String, Path)), request_body = Answer, responses(
    (status = 204), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 409, body = ErrorBody, description = "Somebody has answered already")))]
pub(super) async fn answer(
    caller: Caller,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
    State(context): State<Context>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let id = approval(path)?;
    let Body(answer) = Body::<Answer>::from_request(request, &context).await?;
    let mut ended = over();
    // One that was just answered is not in the view any more; its room still knows by whom.
    let first = asked_in(&context, &caller, id);
    let rooms = match first {
        Some(room) => vec![room],
        None => {
            let all = context.rooms.list().into_iter().map(|view| view.id);
            all.filter(|room| caller.enter(room).is_ok()).collect()
        }
    };
    for room in rooms {
        let Some(found) = context.rooms.get(&room) else { continue };
        match found.approve(caller.actor.clone(), id, answer.clone()).await {
            Ok(()) => return Ok(StatusCode::NO_CONTENT),
            Err(crate::room::RoomError::NotFound) => {}
            Err(error) => ended = error.into(),
        }
    }
    Err(ended)
}

/// The page around what an approval is about, for those who may read it.
#[utoipa::path(get, path = "/api/approvals/{id}/picture", params(("id" = String, Path)), responses(
    (status = 200, content_type = "image/jpeg"), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub(super) async fn picture(
    caller: Caller,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
    State(context): State<Context>,
) -> Result<Response, ApiError> {
    reads(&caller)?;
    let id = approval(path)?;
    let room = asked_in(&context, &caller, id).and_then(|room| context.rooms.get(&room)).ok_or_else(over)?;
    let picture = room.approval_picture(id).await.ok_or_else(over)?;
    let kind = match picture.starts_with(b"\x89PNG") {
        true => "image/png",
        false => "image/jpeg",
    };
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(([kind, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], picture).into_response())
}
