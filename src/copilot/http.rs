//! The addresses below `/api/rooms/{room}/sessions`. A request reaches them
//! after the server let its caller in, with [`Actor`] and [`RoomId`] among its
//! extensions. Sessions are for people who may act: a viewer reads nothing of
//! them, and an agent must not answer its own permissions.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use super::copilots::{Copilots, Member};
use super::facilities::{AgentView, Children, Choices, Diff, Files, Project, Projects};
use super::feed;
use super::model::{Id, Session, Update};
use super::port::{Attachment, Page, Pending, PortError, Prompt, Yes};
use crate::base::{Actor, Role, RoomId};
use crate::policy::Answer;
use crate::room::RoomError;

/// A prompt carries pictures.
const LARGEST_PROMPT: usize = 16 << 20;
const LARGEST_BODY: usize = 64 << 10;
const LONGEST_TITLE: usize = 200;
const LONGEST_MESSAGE: usize = 4000;
const MOST_FILES: usize = 32;
const LONGEST_PATH: usize = 4096;
const LONGEST_ARGUMENTS: usize = 32 << 10;
/// Files that one search gives.
const MOST_FOUND: usize = 50;
/// A stream ends so late, so that who lost the right to read does not read on;
/// a browser comes back by itself.
const LONGEST_STREAM: Duration = Duration::from_secs(300);

/// The routes.
pub fn router(copilots: Arc<Copilots>) -> Router {
    const ONE: &str = "/api/rooms/{room}/sessions/{session}";
    let projects = Router::new()
        .route("/api/rooms/{room}/sessions/projects", get(list_projects).post(add_project))
        .route("/api/rooms/{room}/sessions/projects/{project}", axum::routing::delete(remove_project))
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    Router::new()
        .route("/api/rooms/{room}/sessions", get(list).post(create))
        .route("/api/rooms/{room}/sessions/agent", get(agent))
        .route("/api/rooms/{room}/sessions/events", get(events))
        .route("/api/rooms/{room}/sessions/pending", get(pending))
        .route("/api/rooms/{room}/sessions/choices", get(choices))
        .route("/api/rooms/{room}/sessions/files", get(files))
        .route(ONE, get(show).patch(rename).delete(delete))
        .route(&format!("{ONE}/abort"), post(abort))
        .route(&format!("{ONE}/fork"), post(fork))
        .route(&format!("{ONE}/revert"), post(revert))
        .route(&format!("{ONE}/unrevert"), post(unrevert))
        .route(&format!("{ONE}/summarise"), post(summarise))
        .route(&format!("{ONE}/children"), get(children))
        .route(&format!("{ONE}/diff"), get(diff))
        .route(&format!("{ONE}/command"), post(command))
        .route(&format!("{ONE}/permissions/{{permission}}"), post(answer_permission))
        .route(&format!("{ONE}/questions/{{question}}"), post(answer_question))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .route(
            &format!("{ONE}/messages"),
            get(messages).post(prompt).layer(DefaultBodyLimit::max(LARGEST_PROMPT)),
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

fn title(text: String) -> Result<String, Refusal> {
    let text = text.trim().to_owned();
    match text.chars().count() {
        1..=LONGEST_TITLE => Ok(text),
        _ => Err(wrong("a title has 1 to 200 characters")),
    }
}

type Agents = State<Arc<Copilots>>;
/// The agent of the room and project that a request is for.
type Own = Extension<Arc<Member>>;
type Names = Path<HashMap<String, String>>;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSession {
    #[serde(default)]
    title: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionChange {
    title: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PermissionAnswer {
    answer: Yes,
    /// With a rejection: what the agent reads, and goes on.
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuestionAnswer {
    /// One list of labels for each item; left out, the question is refused.
    #[serde(default)]
    answers: Option<Vec<Vec<String>>>,
}

#[derive(Debug, Deserialize)]
struct Listing {
    search: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Paging {
    before: Option<String>,
    limit: Option<usize>,
}

/// The sessions, newest first. Starts the agent if it must be.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions", tag = "sessions", operation_id = "list_sessions",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("search" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Vec<Session>), (status = 403), (status = 503)))]
async fn list(Extension(member): Own, Query(query): Query<Listing>) -> Result<Json<Vec<Session>>, Refusal> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let search = query.search.filter(|search| !search.is_empty());
    Ok(Json(member.agent.list(search, limit).await?))
}

/// A new session.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions", tag = "sessions", operation_id = "create_session",
    params(("room" = String, Path), ("project" = Option<String>, Query)), request_body = NewSession,
    responses((status = 201, body = Session), (status = 400), (status = 403), (status = 503)))]
async fn create(Extension(member): Own, bytes: Bytes) -> Result<(StatusCode, Json<Session>), Refusal> {
    let new: NewSession = if bytes.is_empty() { NewSession::default() } else { body(&bytes)? };
    let name = new.title.map(title).transpose()?;
    Ok((StatusCode::CREATED, Json(member.agent.create(name).await?)))
}

/// How the agent's process is. Starts nothing.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/agent", tag = "sessions", operation_id = "get_session_agent",
    params(("room" = String, Path), ("project" = Option<String>, Query)), responses((status = 200, body = AgentView), (status = 403)))]
async fn agent(Extension(member): Own) -> Json<AgentView> {
    Json(AgentView { state: member.agent.state(), can: member.agent.can() })
}

/// What waits for a person, of all sessions.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/pending", tag = "sessions", operation_id = "get_session_pending",
    params(("room" = String, Path), ("project" = Option<String>, Query)), responses((status = 200, body = Pending), (status = 403), (status = 503)))]
async fn pending(Extension(member): Own) -> Result<Json<Pending>, Refusal> {
    Ok(Json(member.agent.pending().await?))
}

/// One session, which is followed from here on.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "get_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)),
    responses((status = 200, body = Session), (status = 403), (status = 404), (status = 503)))]
async fn show(Extension(member): Own, Path(path): Names) -> Result<Json<Session>, Refusal> {
    Ok(Json(member.agent.resume(id(&path, "session")?).await?))
}

/// Gives a session another title.
#[utoipa::path(patch, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "rename_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)), request_body = SessionChange,
    responses((status = 200, body = Session), (status = 400), (status = 403), (status = 404), (status = 503)))]
async fn rename(Extension(member): Own, Path(path): Names, bytes: Bytes) -> Result<Json<Session>, Refusal> {
    let change: SessionChange = body(&bytes)?;
    let session = id(&path, "session")?;
    Ok(Json(member.agent.rename(session, title(change.title)?).await?))
}

/// Deletes a session with its messages.
#[utoipa::path(delete, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "delete_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 503)))]
async fn delete(Extension(member): Own, Path(path): Names) -> Result<StatusCode, Refusal> {
    member.agent.delete(id(&path, "session")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The newest messages, or those before a place.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}/messages", tag = "sessions", operation_id = "list_session_messages",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path), ("before" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Page), (status = 403), (status = 404), (status = 503)))]
async fn messages(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Extension(member): Own,
    Path(path): Names,
    Query(query): Query<Paging>,
) -> Result<Json<Page>, Refusal> {
    if query.before.as_ref().is_some_and(|before| before.len() > 2000) {
        return Err(wrong("`before` is not one that a page gave"));
    }
    let limit = query.limit.unwrap_or(50).clamp(1, 100);
    Ok(Json(copilots.page(&room, &member, id(&path, "session")?, query.before, limit).await?))
}

/// Says something to the agent. The answer comes as events.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/messages", tag = "sessions", operation_id = "prompt_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)), request_body = Prompt,
    responses((status = 202), (status = 400), (status = 403), (status = 404), (status = 413), (status = 503)))]
async fn prompt(Extension(member): Own, Path(path): Names, bytes: Bytes) -> Result<StatusCode, Refusal> {
    let said: Prompt = body(&bytes)?;
    if said.text.trim().is_empty() && said.files.is_empty() {
        return Err(wrong("there is neither a text nor a file"));
    }
    if said.files.len() > MOST_FILES {
        return Err(wrong("a prompt has at most 32 files"));
    }
    let mime = |text: &str| {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"/+-.".contains(&c);
        text.contains('/') && text.len() <= 100 && text.bytes().all(plain)
    };
    let base64 = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"+/=".contains(&c));
    let whole = |file: &Attachment| match (&file.data, &file.path) {
        (Some(data), None) => base64(data),
        (None, Some(path)) => path.len() <= LONGEST_PATH,
        _ => false,
    };
    if let Some(file) = said.files.iter().find(|file| !mime(&file.mime) || !whole(file)) {
        let name: String = file.name.chars().take(60).collect();
        return Err(wrong(&format!(
            "the file {name:?} needs a media type, and either its content in base64 or its path"
        )));
    }
    member.agent.prompt(id(&path, "session")?, said).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Stops the turn, and withdraws what it asked for.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/abort", tag = "sessions", operation_id = "abort_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 503)))]
async fn abort(Extension(member): Own, Path(path): Names) -> Result<StatusCode, Refusal> {
    member.agent.cancel(id(&path, "session")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers a permission. The first answer counts.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/permissions/{permission}", tag = "sessions",
    operation_id = "answer_session_permission", request_body = PermissionAnswer,
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path), ("permission" = String, Path)),
    responses((status = 204), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn answer_permission(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Extension(member): Own,
    Extension(actor): Extension<Actor>,
    Path(path): Names,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let given: PermissionAnswer = body(&bytes)?;
    let message = given.message.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if message.is_some() && given.answer != Yes::Reject {
        return Err(wrong("a message goes with reject only; say it in a prompt"));
    }
    if message.as_ref().is_some_and(|text| text.len() > LONGEST_MESSAGE) {
        return Err(wrong("the message is longer than 4000 bytes"));
    }
    let (session, permission) = (id(&path, "session")?, id(&path, "permission")?);
    let answer = match given.answer {
        Yes::Once => Answer::Once,
        Yes::Always => Answer::Always,
        Yes::Reject => Answer::Deny { message: message.clone() },
    };
    // It waits in the room's queue, and the first answer counts wherever it is given.
    match copilots.answer(&room, &member, actor.clone(), &permission, answer).await {
        Some(answered) => answered?,
        None => member.agent.answer_permission(session, permission.clone(), given.answer, message).await?,
    }
    tracing::info!(%room, actor = %actor.id, %permission, answer = ?given.answer, "answered an agent's permission");
    Ok(StatusCode::NO_CONTENT)
}

/// Answers the agent's questions, or refuses to.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/questions/{question}", tag = "sessions",
    operation_id = "answer_session_question", request_body = QuestionAnswer,
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path), ("question" = String, Path)),
    responses((status = 204), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn answer_question(
    Extension(member): Own,
    Path(path): Names,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let given: QuestionAnswer = body(&bytes)?;
    let (session, question) = (id(&path, "session")?, id(&path, "question")?);
    member.agent.answer_question(session, question, given.answers).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Fork {
    /// The first message that the new session does not have; all are kept without it.
    #[serde(default)]
    message: Option<Id>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Revert {
    /// This message and all after it are undone.
    message: Id,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SlashCommand {
    /// Without the slash.
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProject {
    /// An absolute path below one of the allowed roots.
    dir: String,
}

#[derive(Debug, Deserialize)]
struct FileSearch {
    #[serde(default)]
    query: String,
}

/// A new session with what this one has, up to a message.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/fork", tag = "sessions", operation_id = "fork_session",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)), request_body = Fork,
    responses((status = 201, body = Session), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn fork(
    Extension(member): Own,
    Path(path): Names,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Session>), Refusal> {
    let fork: Fork = if bytes.is_empty() { Fork::default() } else { body(&bytes)? };
    Ok((StatusCode::CREATED, Json(member.agent.fork(id(&path, "session")?, fork.message).await?)))
}

/// Undoes a message and all after it, with what they changed in files.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/revert", tag = "sessions", operation_id = "revert_session",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)), request_body = Revert,
    responses((status = 200, body = Session), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn revert(Extension(member): Own, Path(path): Names, bytes: Bytes) -> Result<Json<Session>, Refusal> {
    let Revert { message } = body(&bytes)?;
    Ok(Json(member.agent.revert(id(&path, "session")?, message).await?))
}

/// Brings back what was undone.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/unrevert", tag = "sessions", operation_id = "unrevert_session",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 200, body = Session), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn unrevert(Extension(member): Own, Path(path): Names) -> Result<Json<Session>, Refusal> {
    Ok(Json(member.agent.unrevert(id(&path, "session")?).await?))
}

/// Has the agent put a summary in place of what was said, so that the model has room again.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/summarise", tag = "sessions", operation_id = "summarise_session",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 202), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn summarise(Extension(member): Own, Path(path): Names) -> Result<StatusCode, Refusal> {
    member.agent.summarise(id(&path, "session")?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The sessions of its subagents.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}/children", tag = "sessions", operation_id = "list_session_children",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 200, body = Children), (status = 403), (status = 404), (status = 503)))]
async fn children(Extension(member): Own, Path(path): Names) -> Result<Json<Children>, Refusal> {
    Ok(Json(Children { sessions: member.agent.children(id(&path, "session")?).await? }))
}

/// What a session changed in files.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}/diff", tag = "sessions", operation_id = "get_session_diff",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 200, body = Diff), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn diff(Extension(member): Own, Path(path): Names) -> Result<Json<Diff>, Refusal> {
    Ok(Json(member.agent.diff(id(&path, "session")?).await?))
}

/// The agents, models and slash commands to choose from.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/choices", tag = "sessions", operation_id = "get_session_choices",
    params(("room" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 200, body = Choices), (status = 403), (status = 503)))]
async fn choices(Extension(member): Own) -> Result<Json<Choices>, Refusal> {
    Ok(Json(member.agent.choices().await?))
}

/// Runs a slash command. The answer comes as events.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/command", tag = "sessions", operation_id = "run_session_command",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)), request_body = SlashCommand,
    responses((status = 202), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn command(Extension(member): Own, Path(path): Names, bytes: Bytes) -> Result<StatusCode, Refusal> {
    let SlashCommand { name, arguments } = body(&bytes)?;
    if name.is_empty() || name.len() > 200 || arguments.len() > LONGEST_ARGUMENTS {
        return Err(wrong("a command has a name of 1 to 200 bytes and arguments of at most 32 KiB"));
    }
    member.agent.command(id(&path, "session")?, name, arguments).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Files of the project whose names are like this, for `@` in a prompt.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/files", tag = "sessions", operation_id = "find_session_files",
    params(("room" = String, Path), ("query" = Option<String>, Query), ("project" = Option<String>, Query)),
    responses((status = 200, body = Files), (status = 400), (status = 403), (status = 409), (status = 503)))]
async fn files(Extension(member): Own, Query(search): Query<FileSearch>) -> Result<Json<Files>, Refusal> {
    if search.query.len() > 200 {
        return Err(wrong("a query has at most 200 bytes"));
    }
    Ok(Json(Files { files: member.agent.files(search.query, MOST_FOUND).await? }))
}

/// The directories in which agents work here.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/projects", tag = "sessions", operation_id = "list_projects",
    params(("room" = String, Path)), responses((status = 200, body = Projects), (status = 403)))]
async fn list_projects(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
) -> Result<Json<Projects>, Refusal> {
    Ok(Json(copilots.list_projects(&room).await?))
}

/// Adds a directory. One that is there already is given as it is.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/projects", tag = "sessions", operation_id = "add_project",
    params(("room" = String, Path)), request_body = NewProject,
    responses((status = 201, body = Project), (status = 400), (status = 403)))]
async fn add_project(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Project>), Refusal> {
    let NewProject { dir } = body(&bytes)?;
    Ok((StatusCode::CREATED, Json(copilots.add_project(&room, &dir).await?)))
}

/// Takes a directory off the list and stops its agent; nothing is deleted.
#[utoipa::path(delete, path = "/api/rooms/{room}/sessions/projects/{project}", tag = "sessions", operation_id = "remove_project",
    params(("room" = String, Path), ("project" = String, Path)),
    responses((status = 204), (status = 400), (status = 403), (status = 404)))]
async fn remove_project(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
) -> Result<StatusCode, Refusal> {
    copilots.remove_project(&room, &id(&path, "project")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What changes, as Server-Sent Events, each an `Update` with an id. Who comes
/// back with `Last-Event-ID` gets what was missed, or the update `snapshot`:
/// then read the sessions and messages anew.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/events", tag = "sessions", operation_id = "session_events",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, body = Update, content_type = "text/event-stream"), (status = 403), (status = 503)))]
async fn events(
    State(copilots): Agents,
    Extension(member): Own,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    let updates = member.agent.updates(last.map(feed::place)).await?;
    let over = {
        let stop = copilots.stop.clone();
        async move {
            let _ = tokio::time::timeout(LONGEST_STREAM, stop.cancelled_owned()).await;
        }
    };
    let events = feed::told(updates)
        .map(|(id, json)| Ok::<_, Infallible>(Event::default().id(id).data(&*json)))
        .take_until(Box::pin(over));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

#[derive(OpenApi)]
#[openapi(
    paths(
        list,
        create,
        agent,
        pending,
        events,
        show,
        rename,
        delete,
        messages,
        prompt,
        abort,
        answer_permission,
        answer_question,
        fork,
        revert,
        unrevert,
        summarise,
        children,
        diff,
        choices,
        command,
        files,
        list_projects,
        add_project,
        remove_project
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
