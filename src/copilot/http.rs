//! The addresses below `/api/rooms/{room}/sessions`. A request reaches them
//! after the server let its caller in, with [`Actor`] and [`RoomId`] among its
//! extensions. Sessions are for people who may act: a viewer reads nothing of
//! them, and an agent must not answer its own permissions.

mod conversations;
mod more;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::copilots::{Copilots, Member};
use super::model::{Id, Update};
use super::port::PortError;
use crate::base::{Actor, Role, RoomId};
use crate::room::RoomError;

/// A prompt carries pictures.
const LARGEST_PROMPT: usize = 16 << 20;
const LARGEST_BODY: usize = 64 << 10;

/// The routes.
pub fn router(copilots: Arc<Copilots>) -> Router {
    const ONE: &str = "/api/rooms/{room}/sessions/{session}";
    let projects = Router::new()
        .route("/api/rooms/{room}/sessions/projects", get(more::list_projects).post(more::add_project))
        .route("/api/rooms/{room}/sessions/projects/{project}", axum::routing::delete(more::remove_project))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    Router::new()
        .route("/api/rooms/{room}/sessions", get(conversations::list).post(conversations::create))
        .route("/api/rooms/{room}/sessions/agent", get(conversations::agent))
        .route("/api/rooms/{room}/sessions/events", get(conversations::events))
        .route("/api/rooms/{room}/sessions/pending", get(conversations::pending))
        .route("/api/rooms/{room}/sessions/choices", get(more::choices))
        .route("/api/rooms/{room}/sessions/files", get(more::files))
        .route(ONE, get(conversations::show).patch(conversations::rename).delete(conversations::delete))
        .route(&format!("{ONE}/abort"), post(conversations::abort))
        .route(&format!("{ONE}/fork"), post(more::fork))
        .route(&format!("{ONE}/revert"), post(more::revert))
        .route(&format!("{ONE}/unrevert"), post(more::unrevert))
        .route(&format!("{ONE}/summarise"), post(more::summarise))
        .route(&format!("{ONE}/children"), get(more::children))
        .route(&format!("{ONE}/diff"), get(more::diff))
        .route(&format!("{ONE}/command"), post(more::command))
        .route(&format!("{ONE}/permissions/{{permission}}"), post(conversations::answer_permission))
        .route(&format!("{ONE}/questions/{{question}}"), post(conversations::answer_question))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .route(
            &format!("{ONE}/messages"),
            get(conversations::messages)
                .post(conversations::prompt)
                .layer(DefaultBodyLimit::max(LARGEST_PROMPT)),
        )
        .layer(from_fn_with_state(Arc::clone(&copilots), bring_to_the_agent))
        .merge(projects)
        .layer(from_fn(people_only))
        .with_state(copilots)
}

async fn people_only(request: Request, next: Next) -> Response {
    match request.extensions().get::<Actor>() {
        Some(actor) if actor.role == Role::Agent || !actor.role.may_act() => {
            let text = "sessions are for people who may act; use a token with the role controller";
            refuse(StatusCode::FORBIDDEN, "forbidden", text)
        }
        Some(_) => next.run(request).await,
        None => {
            tracing::error!("a request for sessions came without saying whose it is");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Deserialize)]
struct Where {
    project: Option<String>,
}

/// Finds the agent that a request is for, by its room and `?project=`.
async fn bring_to_the_agent(
    State(copilots): State<Arc<Copilots>>,
    Extension(room): Extension<RoomId>,
    Query(place): Query<Where>,
    mut request: Request,
    next: Next,
) -> Response {
    let found = async {
        let project = place.project.filter(|text| !text.is_empty());
        let project = project.map(|text| Id::new(&text).ok_or(PortError::Unknown("project"))).transpose()?;
        copilots.of(&room, project).await
    };
    match found.await {
        Ok(member) => {
            request.extensions_mut().insert(member);
            next.run(request).await
        }
        Err(error) => Refusal::from(error).into_response(),
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

/// A refusal as an answer.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        refuse(self.status, self.code, &self.message)
    }
}

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        let (status, code) = match error {
            PortError::Away(_) => (StatusCode::SERVICE_UNAVAILABLE, "agent-away"),
            PortError::Unknown(_) => (StatusCode::NOT_FOUND, "not-found"),
            PortError::Expired(_) => (StatusCode::CONFLICT, "expired"),
            PortError::Refused(_) => (StatusCode::BAD_REQUEST, "bad-request"),
            PortError::Unsupported(_) => (StatusCode::CONFLICT, "unsupported"),
            PortError::Broken(_) => (StatusCode::BAD_GATEWAY, "agent-failed"),
        };
        Self { status, code, message: error.to_string() }
    }
}

impl From<RoomError> for Refusal {
    fn from(error: RoomError) -> Self {
        let (status, code) = match error {
            RoomError::Late(_) | RoomError::NotFound => (StatusCode::CONFLICT, "expired"),
            RoomError::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            RoomError::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "agent-away"),
        };
        Self { status, code, message: error.to_string() }
    }
}

fn wrong(message: &str) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, code: "bad-request", message: message.to_owned() }
}

fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| wrong(&format!("the body is not right: {error}")))
}

/// An id out of the address; one that cannot be is one that does not exist.
fn id(path: &HashMap<String, String>, name: &'static str) -> Result<Id, Refusal> {
    path.get(name).and_then(|text| Id::new(text)).ok_or_else(|| PortError::Unknown(name).into())
}

type Agents = State<Arc<Copilots>>;
/// The agent of the room and project that a request is for.
type Own = Extension<Arc<Member>>;
type Names = Path<HashMap<String, String>>;

#[derive(OpenApi)]
#[openapi(
    paths(
        conversations::list,
        conversations::create,
        conversations::agent,
        conversations::pending,
        conversations::events,
        conversations::show,
        conversations::rename,
        conversations::delete,
        conversations::messages,
        conversations::prompt,
        conversations::abort,
        conversations::answer_permission,
        conversations::answer_question,
        more::fork,
        more::revert,
        more::unrevert,
        more::summarise,
        more::children,
        more::diff,
        more::choices,
        more::command,
        more::files,
        more::list_projects,
        more::add_project,
        more::remove_project
    ),
    components(schemas(Update))
)]
struct Document;

/// The path items, and under `components` the schemas that they name.
pub fn openapi_paths() -> Value {
    let document = serde_json::to_value(Document::openapi()).expect("the document has only texts for keys");
    let mut items = document["paths"].clone();
    items["components"] = document["components"].clone();
    items
}
