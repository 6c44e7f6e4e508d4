//! Which address leads where. `/api` is described by `openapi.json`.

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{RequestExt as _, Router};
use tower::ServiceExt as _;

use super::api::RoomPath;
use super::caller::Caller;
use super::context::Context;
use super::error::ApiError;
use super::{
    admin, api, assets, audit, cdp, doctor, egress, embed, floor, guard, page, pick, ready, rules, secrets,
    socket, tokens, whep,
};
use crate::base::RoomId;

const LARGEST_BODY: usize = 64 * 1024;
/// Rules are one document.
const LARGEST_RULES: usize = crate::policy::LONGEST_DOCUMENT;
/// A tool's arguments may carry text to type; a body of MCP is read whole.
const LARGEST_MCP_BODY: usize = 4 * 1024 * 1024;
/// A file laid down for agents' tools.
const LARGEST_FILE: usize = 32 * 1024 * 1024;
/// What a person says to an agent, with pictures.
const LARGEST_PROMPT: usize = 16 * 1024 * 1024;
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// All of the server as one service.
pub fn router(context: &Context) -> Router {
    let api = Router::new()
        .route("/api/health", get(api::health))
        .route("/api/ready", get(ready::ready))
        .route("/api/doctor", get(doctor::diagnosis))
        .route("/api/doctor/ws", get(doctor::hello))
        .route("/api/openapi.json", get(api::openapi))
        .route("/metrics", get(api::metrics))
        .route("/api/rooms", get(api::list).post(api::create))
        .route("/api/rooms/{room}", get(api::get).patch(api::change).delete(api::remove))
        .route("/api/rooms/{room}/floor", get(floor::get).put(floor::put))
        .route("/api/rooms/{room}/floor/takeover", post(floor::takeover))
        .route("/api/rooms/{room}/floor/handback", post(floor::handback))
        .route("/api/rooms/{room}/floor/request", post(floor::request))
        .route("/api/rooms/{room}/floor/give", post(floor::give))
        .route("/api/rooms/{room}/floor/private", post(floor::private))
        .route("/api/rooms/{room}/pick", post(pick::pick))
        .route("/api/rooms/{room}/rules/test", post(rules::test))
        .route("/api/rooms/{room}/audit", get(audit::search))
        .route("/api/rooms/{room}/audit.jsonl", get(audit::export))
        .route("/api/rooms/{room}/audit/verify", get(audit::verify))
        .route("/api/approvals", get(rules::approvals))
        .route("/api/approvals/{id}", post(rules::answer))
        .route("/api/approvals/{id}/picture", get(rules::picture))
        .route("/api/secrets", get(secrets::list))
        .route("/api/secrets/{name}", put(secrets::put).delete(secrets::remove))
        .route("/api/admin", get(admin::overview))
        .route("/api/rooms/{room}/sleep", post(admin::sleep))
        .route("/api/rooms/{room}/wake", post(admin::wake))
        .route("/api/rooms/{room}/stop", post(admin::stop))
        .route("/api/rooms/{room}/start", post(admin::start))
        .route("/api/rooms/{room}/put-out", post(admin::put_out))
        .route("/api/tokens", get(tokens::list_all))
        .route("/api/tokens/{id}", delete(tokens::revoke_any))
        .route("/api/rooms/{room}/tokens", get(tokens::list).post(tokens::create))
        .route("/api/rooms/{room}/tokens/{id}", delete(tokens::revoke))
        .route("/api/rooms/{room}/ws", get(socket::open))
        .route(
            "/api/rooms/{room}/whep",
            post(whep::offer).options(whep::not_for_players).patch(whep::not_for_players),
        )
        .route(
            "/api/rooms/{room}/whep/{player}",
            delete(whep::end).options(whep::not_for_resource).patch(whep::not_for_resource),
        )
        .layer(from_fn(in_time))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    let documents = Router::new()
        .route("/api/rules", get(rules::get_of_server).put(rules::put_of_server))
        .route("/api/rooms/{room}/egress", get(egress::get).put(egress::put))
        .route("/api/rooms/{room}/rules", get(rules::get_of_room).put(rules::put_of_room))
        .layer(from_fn(in_time))
        .layer(DefaultBodyLimit::max(LARGEST_RULES));
    let agents = Router::new()
        .route("/api/rooms/{room}/tools", get(agents_room))
        .route("/api/rooms/{room}/tools/{tool}", post(agents_room))
        .route("/api/rooms/{room}/files", get(agents_room))
        .route(
            "/api/rooms/{room}/files/{name}",
            get(agents_room).put(agents_room).layer(DefaultBodyLimit::max(LARGEST_FILE)),
        )
        .route("/mcp", axum::routing::any(agents_main))
        .route("/rooms/{room}/mcp", axum::routing::any(agents_room))
        .layer(DefaultBodyLimit::max(LARGEST_MCP_BODY));
    let sessions = Router::new()
        .route("/api/rooms/{room}/sessions", axum::routing::any(sessions_room))
        .route("/api/rooms/{room}/sessions/{*rest}", axum::routing::any(sessions_room))
        .layer(DefaultBodyLimit::max(LARGEST_PROMPT));
    let cdp = Router::new()
        .route("/cdp/{room}", get(cdp::root))
        .route("/cdp/{room}/", get(cdp::root))
        .route("/cdp/{room}/{*rest}", axum::routing::any(cdp::below))
        .layer(from_fn(in_time))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    Router::new()
        .merge(api)
        .merge(documents)
        .merge(agents)
        .merge(sessions)
        .merge(cdp)
        .route("/", get(page::root))
        .route("/rooms/{room}", get(page::room))
        .route("/embed/{room}", get(embed::frame))
        .route("/embed.js", get(embed::script))
        .route("/embed.mjs", get(embed::script))
        .route("/embed-chat.mjs", get(embed::script))
        .route("/embed-page.js", get(embed::own_script))
        .route("/doctor", get(page::doctor))
        .route("/admin", get(page::admin))
        .route("/assets/{*path}", get(assets::asset))
        .method_not_allowed_fallback(not_so)
        .fallback(assets::other)
        .layer(from_fn_with_state(context.clone(), guard::guard))
        .with_state(context.clone())
}

async fn not_so(_: Caller) -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "not-allowed", "this address does not take this method")
}

/// Ends a request that takes too long. A WebSocket has its answer at once and is not held to this.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(LONGEST_REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-slow",
            "this took longer than 30 seconds; try again",
        )
        .into_response(),
    }
}

async fn agents_main(
    caller: Caller,
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    // A token for one room means that room here too.
    let room = caller.room.clone().unwrap_or_else(RoomId::main);
    agents(&context, &caller, room, request).await
}

async fn agents_room(
    caller: Caller,
    RoomPath(room): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    agents(&context, &caller, room, request).await
}

/// Takes a person's request to the edge of the agents that people talk to.
async fn sessions_room(
    caller: Caller,
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    // The path's other names are that edge's own.
    let room = request.uri().path().strip_prefix("/api/rooms/").and_then(|rest| rest.split('/').next());
    let id = room.and_then(|room| RoomId::new(room).ok()).ok_or_else(api::no_room)?;
    caller.enter(&id)?;
    caller.act()?;
    context.rooms.get(&id).ok_or_else(api::no_room)?;
    let Some(service) = context.copilot.clone() else {
        let text = "this server was started without an agent to talk to";
        return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, "no-agents", text));
    };
    let mut request = request.with_limited_body();
    request.extensions_mut().insert(caller.actor.clone());
    request.extensions_mut().insert(id);
    request.headers_mut().remove(axum::http::header::AUTHORIZATION);
    request.headers_mut().remove(axum::http::header::COOKIE);
    match service.oneshot(request).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}

/// Takes a request to the agents' edge, as the caller's agent.
pub(super) async fn agents(
    context: &Context,
    caller: &Caller,
    id: RoomId,
    mut request: Request,
) -> Result<Response, ApiError> {
    caller.enter(&id)?;
    caller.act()?;
    context.rooms.get(&id).ok_or_else(api::no_room)?;
    let Some(service) = context.agents.clone() else {
        return Err(ApiError::new(
            StatusCode::NOT_IMPLEMENTED,
            "no-agents",
            "this server was started without agents",
        ));
    };
    let actor = caller.as_agent()?;
    request.extensions_mut().insert(actor);
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(caller.credential.tools.unwrap_or(context.options.tools));
    // The token has done its work; nothing behind this door needs it.
    request.headers_mut().remove(axum::http::header::AUTHORIZATION);
    request.headers_mut().remove(axum::http::header::COOKIE);
    match service.oneshot(request.with_limited_body()).await {
        Ok(response) => Ok(response),
        Err(never) => match never {},
    }
}
