//! The tools over plain HTTP: a list, one address for each tool, and their
//! part of the OpenAPI document. The answer is the one that MCP gives.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Fault};
use super::call::{Untold, call};
use super::catalogue;
use super::desk::Desk;
use super::port::SeatDoor;
use super::shelf::Filed;
use crate::base::ToolGroups;

const LIST: &str = "/api/rooms/{room}/tools";
const ONE: &str = "/api/rooms/{room}/tools/{tool}";
const FILES: &str = "/api/rooms/{room}/files";
const FILE: &str = "/api/rooms/{room}/files/{name}";

/// The largest file that is laid down.
pub(super) const LARGEST_FILE: usize = 32 << 20;

pub(super) fn routes(desk: Arc<Desk>) -> Router {
    Router::new()
        .route(LIST, get(list))
        .route(ONE, post(run))
        .route(FILES, get(files))
        .route(FILE, get(fetch).put(lay_down).layer(DefaultBodyLimit::max(LARGEST_FILE)))
        .with_state(desk)
}

async fn list(Extension(door): Extension<SeatDoor>) -> Json<Value> {
    let tools: Vec<_> = catalogue::within(door.groups).map(|entry| &entry.tool).collect();
    Json(json!({ "tools": tools }))
}

async fn run(
    State(desk): State<Arc<Desk>>,
    Extension(door): Extension<SeatDoor>,
    // By name, as the outer router's own match of the same path is among them.
    Path(path): Path<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let arguments = match body.iter().all(u8::is_ascii_whitespace) {
        true => JsonObject::new(),
        false => match serde_json::from_slice(&body) {
            Ok(arguments) => arguments,
            Err(error) => {
                let text = format!("the body is to be the tool's arguments as a JSON object: {error}");
                return respond(Answer::failed(Fault::argument(text)));
            }
        },
    };
    match desk.stateless(&door) {
        // Whoever hangs up no longer wants it: then this is dropped, and with it what the act holds.
        Ok(session) => {
            let tool = path.get("tool").map(String::as_str).unwrap_or_default();
            respond(call(&session, door.groups, tool, arguments, Arc::new(Untold)).await)
        }
        Err(why) => respond(Answer::failed(Fault::new("no_session", why))),
    }
}

async fn files(State(desk): State<Arc<Desk>>, Extension(door): Extension<SeatDoor>) -> Json<Value> {
    let files = desk.shelf.list(&door.room);
    let one = |file: &Filed| json!({ "name": file.name, "type": file.mime, "bytes": file.bytes.len() });
    Json(json!({ "files": files.iter().map(one).collect::<Vec<_>>() }))
}

async fn fetch(
    State(desk): State<Arc<Desk>>,
    Extension(door): Extension<SeatDoor>,
    Path(path): Path<HashMap<String, String>>,
) -> Response {
    let name = path.get("name").map(String::as_str).unwrap_or_default();
    let Some(file) = desk.shelf.get(&door.room, name) else {
        return respond(Answer::failed(Fault::new("unknown_file", format!("there is no file {name:?}"))));
    };
    // What a page wrote must not run as ours, should somebody open it.
    let kind = HeaderValue::from_str(&file.mime);
    let headers = [
        (header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream"))),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, file.bytes).into_response()
}

async fn lay_down(
    State(desk): State<Arc<Desk>>,
    Extension(door): Extension<SeatDoor>,
    Path(path): Path<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let name = path.get("name").map(String::as_str).unwrap_or_default();
    let mime = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let mime = mime.unwrap_or("application/octet-stream");
    match desk.shelf.put(&door.room, name, mime, body) {
        Ok(name) => (StatusCode::CREATED, Json(json!({ "name": name }))).into_response(),
        Err(why) => respond(Answer::failed(Fault::argument(why))),
    }
}

fn respond(answer: Answer) -> Response {
    let status = match answer.fault.as_ref().map(|fault| fault.code) {
        None => StatusCode::OK,
        Some("unknown_tool" | "unknown_file") => StatusCode::NOT_FOUND,
        Some("bad_argument" | "bad_locator" | "address") => StatusCode::BAD_REQUEST,
        // A person has the floor, or took it.
        Some("floor" | "preempted" | "private") => StatusCode::CONFLICT,
        Some("no_browser" | "browser_ended" | "no_session") => StatusCode::SERVICE_UNAVAILABLE,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut result = answer.into_result();
    result.result_type = None;
    let mut response = (status, Json(result)).into_response();
    if matches!(status, StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(2));
    }
    response
}

/// The path items of all tools.
pub fn openapi_paths() -> Value {
    let answer = json!({
        "description": "What MCP's tools/call answers: `content`, `structuredContent`, `isError`",
        "content": { "application/json": { "schema": { "type": "object" } } },
    });
    let refused = json!({
        "description": "The tool did not do it; `structuredContent.error` has a code and a text",
        "content": { "application/json": { "schema": { "type": "object" } } },
    });
    let closed = json!({
        "description": "No token, or one that does not open this",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ErrorBody" } } },
    });
    let room = json!({ "name": "room", "in": "path", "required": true, "schema": { "type": "string" } });
    let mut paths = Map::new();
    let list = json!({ "get": {
        "tags": ["tools"], "operationId": "list_tools", "parameters": [room],
        "summary": "The tools that the token opens, with the schemas of their arguments",
        "responses": { "200": answer, "401": closed, "403": closed },
    } });
    paths.insert(LIST.into(), list);
    let name = json!({ "name": "name", "in": "path", "required": true, "schema": { "type": "string" } });
    let any = json!({ "content": { "application/octet-stream": {} } });
    let file = json!({ "description": "The file", "content": { "application/octet-stream": {} } });
    paths.insert(
        FILES.into(),
        json!({ "get": {
        "tags": ["files"], "operationId": "list_files", "parameters": [room],
        "summary": "The files that tools made or that were laid down for them",
        "responses": { "200": answer, "401": closed, "403": closed },
    } }),
    );
    paths.insert(FILE.into(), json!({
        "get": {
            "tags": ["files"], "operationId": "fetch_file", "parameters": [room, name],
            "summary": "Fetches a file", "responses": { "200": file, "401": closed, "403": closed, "404": refused },
        },
        "put": {
            "tags": ["files"], "operationId": "lay_down_file", "parameters": [room, name],
            "summary": "Lays a file down, for browser_file_upload, browser_drop or browser_set_storage_state",
            "requestBody": any,
            "responses": { "201": answer, "400": refused, "401": closed, "403": closed, "413": closed },
        },
    }));
    for entry in catalogue::within(ToolGroups::ALL) {
        let tool = &entry.tool;
        let item = json!({ "post": {
            "tags": ["tools", entry.group.as_str()], "operationId": tool.name, "parameters": [room],
            "summary": tool.description,
            "requestBody": { "content": { "application/json": { "schema": &*tool.input_schema } } },
            "responses": {
                "200": answer, "400": refused, "401": closed, "403": closed, "404": refused,
                "409": refused, "422": refused, "503": refused,
            },
        } });
        paths.insert(LIST.to_owned() + "/" + &tool.name, item);
    }
    Value::Object(paths)
}
