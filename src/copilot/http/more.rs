//! What a session can be told to do besides answering, what there is to
//! choose, and the projects.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::conversations::check_files;
use super::{Agents, Names, Own, Refusal, body, id, wrong};
use crate::base::RoomId;
use crate::copilot::facilities::{Children, Choices, Diff, Files, Project, Projects};
use crate::copilot::model::{Id, Session};
use crate::copilot::port::Attachment;

const LONGEST_ARGUMENTS: usize = 32 << 10;
/// Files that one search gives.
const MOST_FOUND: usize = 50;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fork {
    /// The first message that the new session does not have; all are kept without it.
    #[serde(default)]
    message: Option<Id>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revert {
    /// This message and all after it are undone.
    message: Id,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SlashCommand {
    /// Without the slash.
    name: String,
    #[serde(default)]
    arguments: String,
    /// Images and other files that go along.
    #[serde(default)]
    files: Vec<Attachment>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProject {
    /// An absolute path below one of the allowed roots.
    dir: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct FileSearch {
    #[serde(default)]
    query: String,
}

/// A new session with what this one has, up to a message.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/fork", tag = "sessions", operation_id = "fork_session",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)), request_body = Fork,
    responses((status = 201, body = Session), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
pub(super) async fn fork(
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
pub(super) async fn revert(
    Extension(member): Own,
    Path(path): Names,
    bytes: Bytes,
) -> Result<Json<Session>, Refusal> {
    let Revert { message } = body(&bytes)?;
    Ok(Json(member.agent.revert(id(&path, "session")?, message).await?))
}

/// Brings back what was undone.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/unrevert", tag = "sessions", operation_id = "unrevert_session",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 200, body = Session), (status = 403), (status = 404), (status = 409), (status = 503)))]
pub(super) async fn unrevert(Extension(member): Own, Path(path): Names) -> Result<Json<Session>, Refusal> {
    Ok(Json(member.agent.unrevert(id(&path, "session")?).await?))
}

/// Has the agent put a summary in place of what was said, so that the model has room again.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/summarise", tag = "sessions", operation_id = "summarise_session",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 202), (status = 403), (status = 404), (status = 409), (status = 503)))]
pub(super) async fn summarise(Extension(member): Own, Path(path): Names) -> Result<StatusCode, Refusal> {
    member.agent.summarise(id(&path, "session")?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The sessions of its subagents.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}/children", tag = "sessions", operation_id = "list_session_children",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 200, body = Children), (status = 403), (status = 404), (status = 503)))]
pub(super) async fn children(Extension(member): Own, Path(path): Names) -> Result<Json<Children>, Refusal> {
    Ok(Json(Children { sessions: member.agent.children(id(&path, "session")?).await? }))
}

/// What a session changed in files.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/{session}/diff", tag = "sessions", operation_id = "get_session_diff",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 200, body = Diff), (status = 403), (status = 404), (status = 409), (status = 503)))]
pub(super) async fn diff(Extension(member): Own, Path(path): Names) -> Result<Json<Diff>, Refusal> {
    Ok(Json(member.agent.diff(id(&path, "session")?).await?))
}

/// The agents, models and slash commands to choose from.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/choices", tag = "sessions", operation_id = "get_session_choices",
    params(("room" = String, Path), ("project" = Option<String>, Query)),
    responses((status = 200, body = Choices), (status = 403), (status = 503)))]
pub(super) async fn choices(Extension(member): Own) -> Result<Json<Choices>, Refusal> {
    Ok(Json(member.agent.choices().await?))
}

/// Runs a slash command. The answer comes as events.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/{session}/command", tag = "sessions", operation_id = "run_session_command",
    params(("room" = String, Path), ("session" = String, Path), ("project" = Option<String>, Query)), request_body = SlashCommand,
    responses((status = 202), (status = 400), (status = 403), (status = 404), (status = 409), (status = 503)))]
pub(super) async fn command(
    Extension(member): Own,
    Path(path): Names,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let SlashCommand { name, arguments, files } = body(&bytes)?;
    if name.is_empty() || name.len() > 200 || arguments.len() > LONGEST_ARGUMENTS {
        return Err(wrong("a command has a name of 1 to 200 bytes and arguments of at most 32 KiB"));
    }
    check_files(&files)?;
    member.agent.command(id(&path, "session")?, name, arguments, files).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Files of the project whose names are like this, for `@` in a prompt.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/files", tag = "sessions", operation_id = "find_session_files",
    params(("room" = String, Path), ("query" = Option<String>, Query), ("project" = Option<String>, Query)),
    responses((status = 200, body = Files), (status = 400), (status = 403), (status = 409), (status = 503)))]
pub(super) async fn files(
    Extension(member): Own,
    Query(search): Query<FileSearch>,
) -> Result<Json<Files>, Refusal> {
    if search.query.len() > 200 {
        return Err(wrong("a query has at most 200 bytes"));
    }
    Ok(Json(Files { files: member.agent.files(search.query, MOST_FOUND).await? }))
}

/// The directories in which agents work here.
#[utoipa::path(get, path = "/api/rooms/{room}/sessions/projects", tag = "sessions", operation_id = "list_projects",
    params(("room" = String, Path)), responses((status = 200, body = Projects), (status = 403)))]
pub(super) async fn list_projects(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
) -> Result<Json<Projects>, Refusal> {
    Ok(Json(copilots.list_projects(&room).await?))
}

/// Adds a directory. One that is there already is given as it is.
#[utoipa::path(post, path = "/api/rooms/{room}/sessions/projects", tag = "sessions", operation_id = "add_project",
    params(("room" = String, Path)), request_body = NewProject,
    responses((status = 201, body = Project), (status = 400), (status = 403)))]
pub(super) async fn add_project(
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
pub(super) async fn remove_project(
    State(copilots): Agents,
    Extension(room): Extension<RoomId>,
    Path(path): Names,
) -> Result<StatusCode, Refusal> {
    copilots.remove_project(&room, &id(&path, "project")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
