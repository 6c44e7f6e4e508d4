//! The addresses below `/api/rooms/{room}/sessions`. A request reaches them
//! after the server let its caller in, with [`Actor`] and [`RoomId`] among its
//! extensions. Sessions are for people who may act: a viewer reads nothing of
//! them, and an agent must not answer its own permissions.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::{OpenApi, ToSchema};

use super::model::{AgentState, Id, Session, Update};
use super::opencode::{OpenCode, Setup};
use super::port::{Agent, Numbered, Page, Pending, PortError, Prompt, Updates, Yes};
use crate::base::{Actor, Role, RoomId};

/// A prompt carries pictures.
const LARGEST_PROMPT: usize = 16 << 20;
const LARGEST_BODY: usize = 64 << 10;
const LONGEST_TITLE: usize = 200;
const LONGEST_MESSAGE: usize = 4000;
/// A stream ends so late, so that who lost the right to read does not read on;
/// a browser comes back by itself.
const LONGEST_STREAM: Duration = Duration::from_secs(300);

/// All rooms' agents.
pub struct Copilots {
    setup: Setup,
    /// Says whether there is such a room.
    exists: Box<dyn Fn(&RoomId) -> bool + Send + Sync>,
    /// Never held across an await.
    agents: Mutex<HashMap<RoomId, Arc<dyn Agent>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Copilots {
    /// Nothing is started before somebody asks for it.
    pub fn new(
        setup: Setup,
        exists: impl Fn(&RoomId) -> bool + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let agents = Mutex::default();
        Arc::new(Self { setup, exists: Box::new(exists), agents, stop, tasks: TaskTracker::new() })
    }

    fn of(&self, room: &RoomId) -> Arc<dyn Agent> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        // An agent ends with its room.
        agents.retain(|room, _| (self.exists)(room));
        let open = || {
            Arc::new(OpenCode::open(self.setup.clone(), room.clone(), self.stop.clone(), &self.tasks))
                as Arc<_>
        };
        Arc::clone(agents.entry(room.clone()).or_insert_with(open))
    }

    /// Ends all agents' processes.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The routes.
pub fn router(copilots: Arc<Copilots>) -> Router {
    const ONE: &str = "/api/rooms/{room}/sessions/{session}";
    Router::new()
        .route("/api/rooms/{room}/sessions", get(list).post(create))
        .route("/api/rooms/{room}/sessions/agent", get(agent))
        .route("/api/rooms/{room}/sessions/events", get(events))
        .route("/api/rooms/{room}/sessions/pending", get(pending))
        .route(ONE, get(show).patch(rename).delete(delete))
        .route(&format!("{ONE}/abort"), post(abort))
        .route(&format!("{ONE}/permissions/{{permission}}"), post(answer_permission))
        .route(&format!("{ONE}/questions/{{question}}"), post(answer_question))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .route(
            &format!("{ONE}/messages"),
            get(messages).post(prompt).layer(DefaultBodyLimit::max(LARGEST_PROMPT)),
        )
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
            PortError::Broken(_) => (StatusCode::BAD_GATEWAY, "agent-failed"),
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
    params(("room" = String, Path), ("search" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Vec<Session>), (status = 403), (status = 503)))]
async fn list(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Query(query): Query<Listing>,
) -> Result<Json<Vec<Session>>, Refusal> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let search = query.search.filter(|search| !search.is_empty());
    Ok(Json(copilots.of(&room).list(search, limit).await?))
}

/// A new session.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions", tag = "sessions", operation_id = "create_session",
    params(("room" = String, Path)), request_body = NewSession,
    responses((status = 201, body = Session), (status = 400), (status = 403), (status = 503)))]
async fn create(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Session>), Refusal> {
    let new: NewSession = if bytes.is_empty() { NewSession::default() } else { body(&bytes)? };
    let name = new.title.map(title).transpose()?;
    Ok((StatusCode::CREATED, Json(copilots.of(&room).create(name).await?)))
}

/// How the agent's process is. Starts nothing.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/agent", tag = "sessions", operation_id = "get_session_agent",
    params(("room" = String, Path)), responses((status = 200, body = AgentState), (status = 403)))]
async fn agent(State(copilots): Agents, Extension(room): Extension<RoomId>) -> Json<AgentState> {
    Json(copilots.of(&room).state())
}

/// What waits for a person, of all sessions.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/pending", tag = "sessions", operation_id = "get_session_pending",
    params(("room" = String, Path)), responses((status = 200, body = Pending), (status = 403), (status = 503)))]
async fn pending(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
) -> Result<Json<Pending>, Refusal> {
    Ok(Json(copilots.of(&room).pending().await?))
}

/// One session, which is followed from here on.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "get_session",
    params(("room" = String, Path), ("session" = String, Path)),
    responses((status = 200, body = Session), (status = 403), (status = 404), (status = 503)))]
async fn show(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
) -> Result<Json<Session>, Refusal> {
    Ok(Json(copilots.of(&room).resume(id(&path, "session")?).await?))
}

/// Gives a session another title.
#[utoipa::path(patch, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "rename_session",
    params(("room" = String, Path), ("session" = String, Path)), request_body = SessionChange,
    responses((status = 200, body = Session), (status = 400), (status = 403), (status = 404), (status = 503)))]
async fn rename(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
    bytes: Bytes,
) -> Result<Json<Session>, Refusal> {
    let change: SessionChange = body(&bytes)?;
    let session = id(&path, "session")?;
    Ok(Json(copilots.of(&room).rename(session, title(change.title)?).await?))
}

/// Deletes a session with its messages.
#[utoipa::path(delete, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "delete_session",
    params(("room" = String, Path), ("session" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 503)))]
async fn delete(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
) -> Result<StatusCode, Refusal> {
    copilots.of(&room).delete(id(&path, "session")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The newest messages, or those before a place.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}/messages", tag = "sessions", operation_id = "list_session_messages",
    params(("room" = String, Path), ("session" = String, Path), ("before" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Page), (status = 403), (status = 404), (status = 503)))]
async fn messages(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
    Query(query): Query<Paging>,
) -> Result<Json<Page>, Refusal> {
    if query.before.as_ref().is_some_and(|before| before.len() > 2000) {
        return Err(wrong("`before` is not one that a page gave"));
    }
    let limit = query.limit.unwrap_or(50).clamp(1, 100);
    Ok(Json(copilots.of(&room).messages(id(&path, "session")?, query.before, limit).await?))
}

/// Says something to the agent. The answer comes as events.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/messages", tag = "sessions", operation_id = "prompt_session",
    params(("room" = String, Path), ("session" = String, Path)), request_body = Prompt,
    responses((status = 202), (status = 400), (status = 403), (status = 404), (status = 413), (status = 503)))]
async fn prompt(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let said: Prompt = body(&bytes)?;
    if said.text.trim().is_empty() && said.files.is_empty() {
        return Err(wrong("there is neither a text nor a file"));
    }
    let mime = |text: &str| {
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"/+-.".contains(&c);
        text.contains('/') && text.len() <= 100 && text.bytes().all(plain)
    };
    let base64 = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"+/=".contains(&c));
    if let Some(file) =
        said.files.iter().find(|file| !mime(&file.mime) || !file.data.as_deref().is_some_and(base64))
    {
        let name: String = file.name.chars().take(60).collect();
        return Err(wrong(&format!("the file {name:?} needs a media type and its content in base64")));
    }
    copilots.of(&room).prompt(id(&path, "session")?, said).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Stops the turn, and withdraws what it asked for.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/abort", tag = "sessions", operation_id = "abort_session",
    params(("room" = String, Path), ("session" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 503)))]
async fn abort(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
) -> Result<StatusCode, Refusal> {
    copilots.of(&room).cancel(id(&path, "session")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers a permission. The first answer counts.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/permissions/{permission}", tag = "sessions",
    operation_id = "answer_session_permission", request_body = PermissionAnswer,
    params(("room" = String, Path), ("session" = String, Path), ("permission" = String, Path)),
    responses((status = 204), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn answer_permission(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
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
    copilots.of(&room).answer_permission(session, permission.clone(), given.answer, message).await?;
    tracing::info!(%room, actor = %actor.id, %permission, answer = ?given.answer, "answered an agent's permission");
    Ok(StatusCode::NO_CONTENT)
}

/// Answers the agent's questions, or refuses to.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/questions/{question}", tag = "sessions",
    operation_id = "answer_session_question", request_body = QuestionAnswer,
    params(("room" = String, Path), ("session" = String, Path), ("question" = String, Path)),
    responses((status = 204), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
async fn answer_question(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let given: QuestionAnswer = body(&bytes)?;
    let (session, question) = (id(&path, "session")?, id(&path, "question")?);
    copilots.of(&room).answer_question(session, question, given.answers).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What changes, as Server-Sent Events, each an `Update` with an id. Who comes
/// back with `Last-Event-ID` gets what was missed, or the update `snapshot`:
/// then read the sessions and messages anew.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/events", tag = "sessions", operation_id = "session_events",
    params(("room" = String, Path), ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, body = Update, content_type = "text/event-stream"), (status = 403), (status = 503)))]
async fn events(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let last = headers.get("last-event-id").and_then(|last| last.to_str().ok());
    let after = last.map(|last| match last.rsplit_once('.') {
        Some((run, id)) => (run.to_owned(), id.parse().unwrap_or(u64::MAX)),
        None => (String::new(), u64::MAX),
    });
    let updates = copilots.of(&room).updates(after).await?;
    let over = {
        let stop = copilots.stop.clone();
        async move {
            let _ = tokio::time::timeout(LONGEST_STREAM, stop.cancelled_owned()).await;
        }
    };
    let stream = told(updates).take_until(Box::pin(over));
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

fn told(updates: Updates) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let Updates { run, missed, last, live } = updates;
    let run: Arc<str> = run.into();
    let snapshot: Arc<str> = r#"{"type":"snapshot"}"#.into();
    let first = match missed {
        // Where one is, so that coming back works before anything has happened.
        Some(missed) if missed.is_empty() => vec![Numbered { id: last, json: r#"{"type":"hello"}"#.into() }],
        Some(missed) => missed,
        None => vec![Numbered { id: last, json: Arc::clone(&snapshot) }],
    };
    let rest = stream::unfold((live, last), move |(mut live, mut at)| {
        let snapshot = Arc::clone(&snapshot);
        async move {
            match live.recv().await {
                Ok(one) => {
                    at = one.id;
                    Some((one, (live, at)))
                }
                // Too slow: what it missed is more than waits for one reader.
                Err(RecvError::Lagged(missed)) => {
                    at += missed;
                    Some((Numbered { id: at, json: snapshot }, (live, at)))
                }
                Err(RecvError::Closed) => None,
            }
        }
    });
    stream::iter(first)
        .chain(rest)
        .map(move |one| Ok(Event::default().id(format!("{run}.{}", one.id)).data(&*one.json)))
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
        answer_question
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::broadcast;

    #[tokio::test]
    async fn a_reader_who_is_too_slow_is_told_to_take_a_snapshot() {
        let (sender, live) = broadcast::channel(2);
        for id in 1..=5 {
            sender.send(Numbered { id, json: "{}".into() }).expect("a reader");
        }
        drop(sender);
        let updates = Updates { run: "r".into(), missed: Some(vec![]), last: 0, live };
        let events: Vec<_> = told(updates).collect().await;
        let texts: Vec<_> = events.iter().map(|event| format!("{event:?}")).collect();
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(texts[0].contains("hello") && texts[1].contains("snapshot"), "{texts:?}");
        assert!(texts[1].contains("r.3") && texts[3].contains("r.5"), "{texts:?}");
    }
}
