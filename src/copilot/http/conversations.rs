//! Sessions and what is said in them.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Agents, Names, Own, Refusal, body, id, wrong};
use crate::base::{Actor, RoomId};
use crate::copilot::facilities::AgentView;
use crate::copilot::feed;
use crate::copilot::model::{Session, Update};
use crate::copilot::port::{Attachment, Page, Pending, Prompt, Yes};
use crate::policy::Answer;

const LONGEST_TITLE: usize = 200;
const LONGEST_MESSAGE: usize = 4000;
const MOST_FILES: usize = 32;
const LONGEST_PATH: usize = 4096;
/// A stream ends so late, so that who lost the right to read does not read on;
/// a browser comes back by itself.
const LONGEST_STREAM: Duration = Duration::from_secs(300);

fn title(text: String) -> Result<String, Refusal> {
    let text = text.trim().to_owned();
    match text.chars().count() {
        1..=LONGEST_TITLE => Ok(text),
        _ => Err(wrong("a title has 1 to 200 characters")),
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSession {
    #[serde(default)]
    title: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionChange {
    title: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PermissionAnswer {
    answer: Yes,
    /// With a rejection: what the agent reads, and goes on.
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuestionAnswer {
    /// One list of labels for each item; left out, the question is refused.
    #[serde(default)]
    answers: Option<Vec<Vec<String>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Listing {
    search: Option<String>,
    limit: Option<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Paging {
    before: Option<String>,
    limit: Option<usize>,
}

/// The sessions, newest first. Starts the agent if it must be.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions", tag = "sessions", operation_id = "list_sessions",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("search" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Vec<Session>), (status = 403), (status = 503)))]
pub(super) async fn list(
    Extension(member): Own,
    Query(query): Query<Listing>,
) -> Result<Json<Vec<Session>>, Refusal> {
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let search = query.search.filter(|search| !search.is_empty());
    Ok(Json(member.agent.list(search, limit).await?))
}

/// A new session.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions", tag = "sessions", operation_id = "create_session",
    params(("room" = String, Path), ("project" = Option<String>, Query)), request_body = NewSession,
    responses((status = 201, body = Session), (status = 400), (status = 403), (status = 503)))]
pub(super) async fn create(
    Extension(member): Own,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Session>), Refusal> {
    let new: NewSession = if bytes.is_empty() { NewSession::default() } else { body(&bytes)? };
    let name = new.title.map(title).transpose()?;
    Ok((StatusCode::CREATED, Json(member.agent.create(name).await?)))
}

/// How the agent's process is. Starts nothing.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/agent", tag = "sessions", operation_id = "get_session_agent",
    params(("room" = String, Path), ("project" = Option<String>, Query)), responses((status = 200, body = AgentView), (status = 403)))]
pub(super) async fn agent(Extension(member): Own) -> Json<AgentView> {
    Json(AgentView { state: member.agent.state(), can: member.agent.can() })
}

/// What waits for a person, of all sessions.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/pending", tag = "sessions", operation_id = "get_session_pending",
    params(("room" = String, Path), ("project" = Option<String>, Query)), responses((status = 200, body = Pending), (status = 403), (status = 503)))]
pub(super) async fn pending(Extension(member): Own) -> Result<Json<Pending>, Refusal> {
    Ok(Json(member.agent.pending().await?))
}

/// One session, which is followed from here on.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "get_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)),
    responses((status = 200, body = Session), (status = 403), (status = 404), (status = 503)))]
pub(super) async fn show(Extension(member): Own, Path(path): Names) -> Result<Json<Session>, Refusal> {
    Ok(Json(member.agent.resume(id(&path, "session")?).await?))
}

/// Gives a session another title.
#[utoipa::path(patch, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "rename_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)), request_body = SessionChange,
    responses((status = 200, body = Session), (status = 400), (status = 403), (status = 404), (status = 503)))]
pub(super) async fn rename(
    Extension(member): Own,
    Path(path): Names,
    bytes: Bytes,
) -> Result<Json<Session>, Refusal> {
    let change: SessionChange = body(&bytes)?;
    let session = id(&path, "session")?;
    Ok(Json(member.agent.rename(session, title(change.title)?).await?))
}

/// Deletes a session with its messages.
#[utoipa::path(delete, path = "/api/rooms/{room}/sessions/{session}", tag = "sessions", operation_id = "delete_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 503)))]
pub(super) async fn delete(Extension(member): Own, Path(path): Names) -> Result<StatusCode, Refusal> {
    member.agent.delete(id(&path, "session")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The newest messages, or those before a place.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}/messages", tag = "sessions", operation_id = "list_session_messages",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path), ("before" = Option<String>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, body = Page), (status = 403), (status = 404), (status = 503)))]
pub(super) async fn messages(
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
pub(super) async fn prompt(
    Extension(member): Own,
    Path(path): Names,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let said: Prompt = body(&bytes)?;
    if said.text.trim().is_empty() && said.files.is_empty() {
        return Err(wrong("there is neither a text nor a file"));
    }
    check_files(&said.files)?;
    member.named.add_text(&said.text);
    member.agent.prompt(id(&path, "session")?, said).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Files that go along are whole and not too many.
pub(super) fn check_files(files: &[Attachment]) -> Result<(), Refusal> {
    if files.len() > MOST_FILES {
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
    if let Some(file) = files.iter().find(|file| !mime(&file.mime) || !whole(file)) {
        let name: String = file.name.chars().take(60).collect();
        return Err(wrong(&format!(
            "the file {name:?} needs a media type, and either its content in base64 or its path"
        )));
    }
    Ok(())
}

/// Stops the turn, and withdraws what it asked for.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/abort", tag = "sessions", operation_id = "abort_session",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path)),
    responses((status = 204), (status = 403), (status = 404), (status = 503)))]
pub(super) async fn abort(Extension(member): Own, Path(path): Names) -> Result<StatusCode, Refusal> {
    member.agent.cancel(id(&path, "session")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers a permission. The first answer counts.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/permissions/{permission}", tag = "sessions",
    operation_id = "answer_session_permission", request_body = PermissionAnswer,
    params(("room" = String, Path), ("project" = Option<String>, Query), ("session" = String, Path), ("permission" = String, Path)),
    responses((status = 204), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
pub(super) async fn answer_permission(
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
pub(super) async fn answer_question(
    Extension(member): Own,
    Path(path): Names,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let given: QuestionAnswer = body(&bytes)?;
    let (session, question) = (id(&path, "session")?, id(&path, "question")?);
    member.agent.answer_question(session, question, given.answers).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What changes, as Server-Sent Events, each an `Update` with an id. Who comes
/// back with `Last-Event-ID` gets what was missed, or the update `snapshot`:
/// then read the sessions and messages anew.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/events", tag = "sessions", operation_id = "session_events",
    params(("room" = String, Path), ("project" = Option<String>, Query), ("Last-Event-ID" = Option<String>, Header)),
    responses((status = 200, body = Update, content_type = "text/event-stream"), (status = 403), (status = 503)))]
pub(super) async fn events(
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
