//! The room's seat, as the tools see it, and the routes that lead to it.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use ::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::handler::{LARGEST_BODY, mcp_service};
use super::http;
use super::port::{NoYes, Refused, Seat, SeatDoor};
use crate::base::{Actor, RoomId, Size, ToolGroups};
use crate::browser::Browser;
use crate::floor::FloorPermit;
use crate::policy::{self, ApprovalId, End, Fingerprint, NotApproved, Rules};
use crate::room::{
    AgentSeat, HelpEnd, HelpTask, House, NoApproval, NoFloor, Recorder, RoomEvent, RoomView, Secrets,
};

fn no_yes(why: NoApproval) -> NoYes {
    match why {
        NoApproval::No(NotApproved::Stale | NotApproved::Ended(End::Stale { .. })) => NoYes::Stale,
        why => NoYes::No(why.to_string()),
    }
}

impl Seat for AgentSeat {
    fn actor(&self) -> &Actor {
        self.actor()
    }

    fn browser(&self, deadline: Instant) -> BoxFuture<'_, Result<Arc<Browser>, String>> {
        Box::pin(self.ready_browser(deadline))
    }

    fn floor(&self, deadline: Instant) -> BoxFuture<'_, Result<FloorPermit, Refused>> {
        Box::pin(async move {
            self.floor(deadline).await.map_err(|refusal| match refusal {
                NoFloor::Held { .. } | NoFloor::HeldByAgent { .. } => Refused::Busy(refusal.to_string()),
                NoFloor::Refused(_) | NoFloor::PutOut | NoFloor::Stopping => {
                    Refused::Forbidden(refusal.to_string())
                }
            })
        })
    }

    fn is_here(&self) -> bool {
        self.is_here()
    }

    fn done(&self, permit: FloorPermit) {
        self.done(permit);
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules()
    }

    fn asks_clients(&self) -> bool {
        self.asks_clients()
    }

    fn ask_approval<'a>(
        &'a self,
        request: policy::Request,
        at_client: BoxFuture<'a, policy::Answer>,
    ) -> BoxFuture<'a, Result<ApprovalId, NoYes>> {
        Box::pin(async move { self.ask_approval_here_and_there(request, at_client).await.map_err(no_yes) })
    }

    fn spend_approval(&self, id: ApprovalId, page: Fingerprint) -> BoxFuture<'_, Result<(), NoYes>> {
        Box::pin(async move { self.spend_approval(id, page).await.map(drop).map_err(no_yes) })
    }

    fn why_not(&self, url: &str, since: SystemTime) -> Option<String> {
        self.why_not(url, since)
    }

    fn view(&self) -> watch::Receiver<Arc<RoomView>> {
        self.view()
    }

    fn resize(&self, size: Size) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move { self.resize(size).await.map_err(|error| error.to_string()) })
    }

    fn ask_help(&self, reason: String, task: HelpTask, limit: Duration) -> BoxFuture<'_, HelpEnd> {
        Box::pin(self.ask_help(reason, task, limit))
    }

    fn recorder(&self) -> Option<Recorder> {
        Some(AgentSeat::recorder(self).clone())
    }

    fn secrets(&self) -> Option<Secrets> {
        Some(AgentSeat::secrets(self).clone())
    }

    fn show(&self, event: RoomEvent) {
        self.show(event);
    }
}

/// MCP and the tools over HTTP. Each request comes with the extensions
/// [`Actor`], [`RoomId`] and [`ToolGroups`], put there by whoever let it in.
pub fn router(house: Arc<House>, stop: CancellationToken) -> Router {
    service(stop).layer(from_fn_with_state(house, bring_to_the_seat))
}

/// The same for requests that have a [`SeatDoor`] among their extensions.
pub fn service(stop: CancellationToken) -> Router {
    let desk = Desk::open_for_calls(stop.clone());
    let mcp =
        Router::new().fallback_service(mcp_service(Arc::clone(&desk), stop)).layer(from_fn(read_in_time));
    http::routes(desk).fallback_service(mcp)
}

async fn bring_to_the_seat(State(house): State<Arc<House>>, mut request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (Some(actor), Some(room), Some(groups)) =
        (extensions.get::<Actor>(), extensions.get::<RoomId>(), extensions.get::<ToolGroups>().copied())
    else {
        tracing::error!("an agent's request came without saying whose it is");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let (actor, room) = (actor.clone(), room.clone());
    let key = format!("{} in {room}", actor.id);
    if own_session(request.headers_mut(), &key).is_err() {
        return refuse(StatusCode::NOT_FOUND, -32600, "there is no such session; initialize a new one");
    }
    let door = SeatDoor {
        key: key.clone(),
        room: room.clone(),
        groups,
        open: Arc::new(move || {
            let room = house.handle(&room).ok_or("the room is gone")?;
            let seat = room.enter_agent(actor.clone()).map_err(|error| error.to_string())?;
            Ok(Arc::new(seat) as Arc<dyn Seat>)
        }),
    };
    request.extensions_mut().insert(door);
    let mut response = next.run(request).await;
    if let Some(id) = response.headers().get(SESSION).and_then(|id| id.to_str().ok())
        && let Ok(signed) = HeaderValue::from_str(&format!("{id}.{}", seal(id, &key)))
    {
        response.headers_mut().insert(SESSION, signed);
    }
    response
}

const SESSION: &str = "mcp-session-id";
/// How long the body of a call may take to arrive.
const LONGEST_BODY: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq, Eq)]
struct NoSuchSession;

/// Takes our seal off the session's id. The id of a session that somebody
/// else opened, or of an earlier run, is one that does not exist.
fn own_session(headers: &mut HeaderMap, key: &str) -> Result<(), NoSuchSession> {
    let Some(given) = headers.get(SESSION) else { return Ok(()) };
    let bare = given.to_str().ok().and_then(|given| given.rsplit_once('.'));
    let bare =
        bare.filter(|(id, seal_given)| bool::from(seal(id, key).as_bytes().ct_eq(seal_given.as_bytes())));
    match bare.and_then(|(id, _)| HeaderValue::from_str(id).ok()) {
        Some(id) => {
            headers.insert(SESSION, id);
            Ok(())
        }
        None => Err(NoSuchSession),
    }
}

/// Ties a session to the one who opened it.
fn seal(id: &str, key: &str) -> String {
    static RUN: OnceLock<[u8; 32]> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let mut bytes = [0; 32];
        // Without it the id alone guards the session, which is a random one too.
        let _ = getrandom::fill(&mut bytes);
        bytes
    });
    // Everything before the last field is of fixed length or has no zero byte in it.
    let mut digest = Sha256::new();
    for part in [&run[..], key.as_bytes(), b"\0", id.as_bytes()] {
        digest.update(part);
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..16])
}

/// Reads the call as a whole, so that what is wrong with it is told by the right status.
async fn read_in_time(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(LONGEST_BODY, axum::body::to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!("a call has at most {} MiB", LARGEST_BODY >> 20);
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, -32600, &text);
        }
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, -32600, "the call did not arrive in time"),
    };
    #[derive(serde::Deserialize)]
    struct Call<'a> {
        #[serde(borrow, default)]
        method: Option<std::borrow::Cow<'a, str>>,
        #[serde(default)]
        params: Option<Params>,
    }
    #[derive(Default, serde::Deserialize)]
    struct Params {
        #[serde(default)]
        arguments: serde_json::Value,
    }
    let wrong = |text: &str| refuse(StatusCode::BAD_REQUEST, -32600, text);
    match serde_json::from_slice::<Call>(&body) {
        Err(error) if error.is_data() => match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => return wrong("batches are not taken; send one message at a time"),
            _ => return wrong("this is no JSON-RPC message"),
        },
        Err(error) => return refuse(StatusCode::BAD_REQUEST, -32700, &format!("this is no JSON: {error}")),
        Ok(Call { method: Some(method), params: Some(params) }) if method == "tools/call" => {
            if !(params.arguments.is_object() || params.arguments.is_null()) {
                return wrong("the arguments of a tool are an object");
            }
        }
        Ok(_) => {}
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// A refusal in the words of JSON-RPC.
fn refuse(status: StatusCode, code: i32, message: &str) -> Response {
    let body =
        serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderName;

    fn headers(id: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(SESSION), HeaderValue::from_str(id).expect("valid"))])
    }

    #[test]
    fn a_session_is_only_for_the_one_that_opened_it() {
        let signed = format!("abc.{}", seal("abc", "ann in main"));
        let mut own = headers(&signed);
        assert!(own_session(&mut own, "ann in main").is_ok());
        assert_eq!(own[SESSION], "abc");
        for (id, key) in [
            (signed.as_str(), "bob in main"),
            ("abc", "ann in main"),
            ("abc.", "ann in main"),
            (&format!("abd.{}", seal("abc", "ann in main")), "ann in main"),
        ] {
            assert_eq!(own_session(&mut headers(id), key), Err(NoSuchSession), "{id} for {key}");
        }
        assert!(own_session(&mut HeaderMap::new(), "bob in main").is_ok());
    }
}
