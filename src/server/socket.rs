//! The WebSocket of a viewer's page: one task, one loop, no queue of its own.
//!
//! The view and the pointer are watched, so a slow page skips to the newest;
//! events that it is too slow for are lost. A page that takes nothing for five
//! seconds or says nothing for 45 is put out. A page that brings its token in
//! the handshake is told why it is refused by a close code: no script sees the
//! status of a handshake that failed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::api::{RoomPath, no_room};
use super::auth::Ended;
use super::caller::{Caller, SUBPROTOCOL, brings_token_by_protocol};
use super::context::Context;
use super::doctor::no_upgrade;
use super::error::{ApiError, ErrorBody};
use super::feeds::Feeds;
use super::wire::{ClientMessage, PROTOCOL, ServerMessage, WireError};
use crate::base::{CursorImage, Role, RoomId, Size};
use crate::room::{FloorAsk, Phase, Presence, Room, RoomError, RoomView, ViewerKind, ViewerSeat};
use crate::store::UnixSeconds;

const LARGEST: usize = 64 * 1024;
const PING_EVERY: Duration = Duration::from_secs(15);
const LONGEST_SILENCE: Duration = Duration::from_secs(45);
const LONGEST_WRITE: Duration = Duration::from_secs(5);
/// A room that takes longer to answer an offer has lost its viewer anyway.
const LONGEST_OFFER: Duration = Duration::from_secs(10);
const MOST_MALFORMED: u32 = 10;
/// Tools that one page calls at once.
const MOST_CALLS: usize = 8;
const LARGEST_RESULT: usize = 192 * 1024;
const MOST_REPORTED: usize = 64;
/// Longer than this is no input-to-photon time but a page that slept.
const LONGEST_PHOTON_MS: f32 = 10_000.0;

/// Why the server ends a connection, as a close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Restart,
    TooMuchNonsense,
    TooLarge,
    TokenEnded(Ended),
    RoomGone,
    PutOut,
    /// The door was not opened, by the code of the refusal.
    Refused(&'static str),
    /// The connection is dead or the page has gone.
    Silently,
}

impl Closing {
    fn frame(self) -> Option<(u16, &'static str)> {
        match self {
            Closing::Restart => Some((1012, "service restart")),
            Closing::TooMuchNonsense => Some((1008, "too many malformed messages")),
            Closing::TooLarge => Some((1009, "a message is at most 64 KiB")),
            Closing::TokenEnded(Ended::Expired) => Some((4001, "the token has run out")),
            Closing::TokenEnded(Ended::Revoked) => Some((4002, "the token was revoked")),
            Closing::TokenEnded(Ended::Used) => Some((4003, "the token was used by another page")),
            Closing::RoomGone => Some((4004, "the room was removed")),
            Closing::PutOut => Some((4008, "who administers the server put you out")),
            Closing::Refused("not-found") => Some((4004, "there is no such room")),
            Closing::Refused("unauthorized") => Some((4005, "the token is unknown")),
            Closing::Refused("wrong-origin") => Some((4006, "the token is not for this site")),
            Closing::Refused("forbidden") => Some((4007, "the token is for another room")),
            Closing::Refused("too-many") => Some((4029, "too many wrong tokens; wait a minute")),
            Closing::Refused(_) => Some((1011, "something failed on the server")),
            Closing::Silently => None,
        }
    }
}

/// Opens the signalling connection of a page. Its messages are in `src/server/wire.rs`.
#[utoipa::path(get, path = "/api/rooms/{room}/ws", params(("room" = String, Path)), responses(
    (status = 101, description = "The WebSocket is open"), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 426, body = ErrorBody)))]
pub(super) async fn open(
    caller: Result<Caller, ApiError>,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let entered = caller.and_then(|caller| {
        caller.enter(&id)?;
        Ok((caller, context.rooms.get(&id).ok_or_else(no_room)?))
    });
    let tells = brings_token_by_protocol(&headers) && upgrade.is_ok();
    let entered = match entered {
        Err(refused) if !tells => return Err(refused),
        entered => entered,
    };
    let upgrade = upgrade.map_err(|_| no_upgrade(&headers))?;
    let upgrade = upgrade
        // It is cleared for every read.
        .read_buffer_size(8 << 10)
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * LARGEST)
        .protocols([SUBPROTOCOL]);
    let tracker = context.tasks.clone();
    let (caller, room) = match entered {
        Ok(entered) => entered,
        Err(refused) => {
            let why = match refused.code() {
                "token-expired" => Closing::TokenEnded(Ended::Expired),
                "token-revoked" => Closing::TokenEnded(Ended::Revoked),
                "token-used" => Closing::TokenEnded(Ended::Used),
                code => Closing::Refused(code),
            };
            tracing::info!(room = %id, reason = refused.code(), "refused a page of another site");
            return Ok(upgrade.on_upgrade(move |socket| tracker.track_future(close(socket, why))));
        }
    };
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(async move {
            context.metrics.sockets.inc();
            Session::run(&context, &id, room, caller, socket).await;
            context.metrics.sockets.dec();
        })
    }))
}

struct Session<'a> {
    context: &'a Context,
    id: &'a RoomId,
    caller: Caller,
    /// The caller has another token than before.
    renewed: bool,
    seat: Box<dyn ViewerSeat>,
    socket: WebSocket,
    malformed: u32,
    /// The sessions that this page is told of.
    feeds: Feeds,
    /// Tools on their way. Dropping them cancels them.
    calls: JoinSet<ServerMessage>,
}

impl<'a> Session<'a> {
    async fn run(
        context: &'a Context,
        id: &'a RoomId,
        room: Arc<dyn Room>,
        caller: Caller,
        mut socket: WebSocket,
    ) {
        let seat = match room.enter(caller.actor.clone()).await {
            Ok(seat) => seat,
            Err(error) => {
                let _ = send(&mut socket, &refusal(id, &error)).await;
                return close(socket, Closing::Restart).await;
            }
        };
        tracing::info!(room = %id, actor = %caller.actor.id, "a page is connected");
        let mut session = Self {
            context,
            id,
            caller,
            renewed: false,
            seat,
            socket,
            malformed: 0,
            feeds: Feeds::default(),
            calls: JoinSet::new(),
        };
        let closing = match session.serve(room).await {
            Ok(never) => match never {},
            Err(closing) => closing,
        };
        tracing::info!(room = %id, actor = %session.caller.actor.id, ?closing, "a page has gone");
        if closing == Closing::RoomGone {
            let message = "the room was removed".to_owned();
            let _ = session.send(&ServerMessage::Error { code: WireError::Gone, message }).await;
        }
        // The seat goes before the goodbye, which may take its time.
        let Self { socket, seat, .. } = session;
        drop(seat);
        close(socket, closing).await;
    }

    async fn serve(&mut self, room: Arc<dyn Room>) -> Result<std::convert::Infallible, Closing> {
        let (mut view, mut cursor, mut events) = (room.view(), room.cursor(), room.events());
        // A page does not keep a removed room alive: its end is seen by the end of its view.
        drop(room);
        let welcome = self.welcome(&view.borrow_and_update().clone());
        self.send(&welcome).await?;
        let image = cursor.borrow_and_update().clone();
        self.show_cursor(image).await?;

        let context = self.context;
        let end_of = |caller: &Caller| {
            let credential = caller.credential.clone();
            Box::pin(async move { context.auth.ended(&credential).await })
        };
        let mut token_ended = end_of(&self.caller);
        let mut put_out = self.seat.put_out();
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        // The pointer's task may end before the room's; then there is nothing more to watch.
        let mut cursor_lives = true;
        let mut events_live = true;
        loop {
            tokio::select! {
                biased;
                () = context.shutdown.cancelled() => return Err(Closing::Restart),
                why = &mut token_ended => return Err(Closing::TokenEnded(why)),
                () = &mut put_out => return Err(Closing::PutOut),
                changed = view.changed() => {
                    changed.map_err(|_| self.end_of_room())?;
                    let room = self.caller.sees(&view.borrow_and_update());
                    let stopping = room.phase == Phase::Stopping;
                    self.send(&ServerMessage::View { room }).await?;
                    if stopping && self.context.rooms.get(self.id).is_none() {
                        return Err(self.end_of_room());
                    }
                }
                changed = cursor.changed(), if cursor_lives => {
                    cursor_lives = changed.is_ok();
                    let image = cursor.borrow_and_update().clone();
                    if cursor_lives {
                        self.show_cursor(image).await?;
                    }
                }
                event = events.recv(), if events_live => match event {
                    Ok(event) if self.caller.hears(&event) => self.send(&ServerMessage::Event { event }).await?,
                    Ok(_) => {}
                    // Losing one harms nothing: what must not be lost is in the view.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => events_live = false,
                },
                Some(called) = self.calls.join_next() => match called {
                    Ok(called) => self.send(&called).await?,
                    Err(error) => tracing::error!(%error, "a tool's call ended without an answer"),
                },
                _ = pings.tick() => {
                    if heard.elapsed() > LONGEST_SILENCE {
                        return Err(Closing::Silently);
                    }
                    if self.context.rooms.get(self.id).is_none() {
                        return Err(self.end_of_room());
                    }
                    write(&mut self.socket, Message::Ping(bytes::Bytes::new())).await?;
                }
                message = self.socket.recv() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            self.take(text.as_str()).await?;
                            if std::mem::take(&mut self.renewed) {
                                token_ended = end_of(&self.caller);
                            }
                        }
                        Some(Ok(Message::Binary(_))) => self.malformed("messages are JSON in text frames").await?,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(Ok(Message::Close(_))) | None => return Err(Closing::Silently),
                        Some(Err(error)) => return Err(reason(error)),
                    }
                }
                // Last, so that an agent that talks without end silences nothing else.
                text = self.feeds.next(), if !self.feeds.is_empty() => {
                    write(&mut self.socket, Message::Text(text.into())).await?;
                }
            }
        }
    }

    async fn take(&mut self, text: &str) -> Result<(), Closing> {
        let message = match serde_json::from_str(text) {
            Ok(message) => message,
            Err(error) => return self.malformed(&error.to_string()).await,
        };
        match message {
            ClientMessage::Offer { sdp } => {
                let answered = timeout(LONGEST_OFFER, self.seat.offer(ViewerKind::Interactive, sdp)).await;
                let answered = answered.unwrap_or_else(|_| {
                    Err(RoomError::Unavailable("the room took too long to answer; try again".into()))
                });
                match answered {
                    Ok(sdp) => self.send(&ServerMessage::Answer { sdp }).await,
                    Err(error) => self.send(&refusal(self.id, &error)).await,
                }
            }
            ClientMessage::Fit { width, height } => {
                let size = match Size::new(width, height) {
                    Ok(size) => size,
                    Err(error) => return self.malformed(&error.to_string()).await,
                };
                let resized = match self.caller.act() {
                    Ok(()) => match self.context.rooms.get(self.id) {
                        Some(room) => room.resize(self.caller.actor.clone(), size).await,
                        None => Err(RoomError::NotFound),
                    },
                    Err(refused) => Err(RoomError::Forbidden(refused.message().to_owned())),
                };
                match resized {
                    Ok(()) => Ok(()),
                    Err(error) => self.send(&refusal(self.id, &error)).await,
                }
            }
            ClientMessage::Knock => {
                if let Some(room) = self.context.rooms.get(self.id) {
                    room.knock();
                }
                Ok(())
            }
            ClientMessage::Help { id, answer } => {
                let told = match self.context.rooms.get(self.id) {
                    Some(room) => room.help(self.caller.actor.clone(), id, answer).await,
                    None => Err(RoomError::NotFound),
                };
                match told {
                    Ok(()) => Ok(()),
                    Err(error) => self.send(&refusal(self.id, &error)).await,
                }
            }
            ClientMessage::Token { token } => match self.caller.renewed(self.context, &token.0).await {
                Ok(next) => {
                    let token = &next.credential.key;
                    tracing::info!(room = %self.id, actor = %self.caller.actor.id, %token, "a page goes on with another token");
                    let token_seconds = next.credential.seconds_left();
                    self.caller = next;
                    self.renewed = true;
                    self.send(&ServerMessage::Token { token_seconds }).await
                }
                Err(refused) => {
                    let (code, message) = (WireError::Token, refused.message().to_owned());
                    self.send(&ServerMessage::Error { code, message }).await
                }
            },
            ClientMessage::Floor { ask } => {
                let allowed = match &ask {
                    FloorAsk::Mode { mode } => self.caller.change_to(*mode),
                    _ => Ok(()),
                };
                let done = match (allowed, self.context.rooms.get(self.id)) {
                    (Err(refused), _) => Err(RoomError::Forbidden(refused.message().to_owned())),
                    (Ok(()), Some(room)) => room.floor(self.caller.actor.clone(), ask).await,
                    (Ok(()), None) => Err(RoomError::NotFound),
                };
                match done {
                    Ok(()) => Ok(()),
                    Err(error) => self.send(&refusal(self.id, &error)).await,
                }
            }
            ClientMessage::Approve { id, answer } => {
                let done = match self.context.rooms.get(self.id) {
                    Some(room) => room.approve(self.caller.actor.clone(), id, answer).await,
                    None => Err(RoomError::NotFound),
                };
                match done {
                    Ok(()) => Ok(()),
                    Err(error) => self.send(&refusal(self.id, &error)).await,
                }
            }
            ClientMessage::Sessions { on, project, after } => {
                // A viewer reads nothing of them, as over HTTP.
                let turned = match self.caller.act() {
                    Ok(()) if self.caller.actor.role == Role::Agent => {
                        Err((WireError::Forbidden, "sessions are for people".to_owned()))
                    }
                    Ok(()) => {
                        let from = self.context.sessions.as_ref();
                        let (project, after) = (project.as_deref(), after.as_deref());
                        let turned = self.feeds.turn(from, self.id, on, project, after).await;
                        turned.map_err(|why| (WireError::Unavailable, why))
                    }
                    Err(refused) => Err((WireError::Forbidden, refused.message().to_owned())),
                };
                match turned {
                    Ok(()) => Ok(()),
                    Err((code, message)) => self.send(&ServerMessage::Error { code, message }).await,
                }
            }
            ClientMessage::Call { id, tool, arguments } => {
                if self.calls.len() >= MOST_CALLS {
                    let text = format!("{MOST_CALLS} calls are on their way already; wait for one");
                    return self.send(&failed_call(id, "busy", &text)).await;
                }
                let (context, caller) = (self.context.clone(), self.caller.clone());
                let room = self.id.clone();
                self.calls.spawn(async move { call(&context, &caller, room, id, &tool, arguments).await });
                Ok(())
            }
            ClientMessage::Ping { t } => self.send(&ServerMessage::Pong { t }).await,
            ClientMessage::Report { photon_ms } => {
                let sane = |ms: &f32| (0.0..=LONGEST_PHOTON_MS).contains(ms);
                if photon_ms.len() > MOST_REPORTED || !photon_ms.iter().all(sane) {
                    return self.malformed("a report has at most 64 times of 0 to 10000 ms").await;
                }
                photon_ms.into_iter().for_each(|ms| self.context.metrics.photon(ms));
                Ok(())
            }
        }
    }

    /// Says no to what was not understood; logged once a connection.
    async fn malformed(&mut self, why: &str) -> Result<(), Closing> {
        self.malformed += 1;
        if self.malformed == 1 {
            let (room, actor) = (self.id, &self.caller.actor.id);
            tracing::warn!(%room, %actor, why, "a malformed message; more of this page are not logged");
        }
        let message = why.to_owned();
        self.send(&ServerMessage::Error { code: WireError::Malformed, message }).await?;
        if self.malformed >= MOST_MALFORMED { Err(Closing::TooMuchNonsense) } else { Ok(()) }
    }

    fn welcome(&self, view: &RoomView) -> ServerMessage {
        let actor = &self.caller.actor;
        ServerMessage::Welcome {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            you: Presence {
                id: actor.id.clone(),
                name: actor.name.clone(),
                kind: actor.kind(),
                role: actor.role,
                colour: actor.colour,
            },
            may_act: actor.role.may_act(),
            room: self.caller.sees(view),
            ice_servers: self.context.ice_servers(&self.caller.actor.id, UnixSeconds::now()),
            token_seconds: self.caller.credential.seconds_left(),
            modes: self.caller.credential.modes.clone(),
        }
    }

    async fn show_cursor(&mut self, image: Option<Arc<CursorImage>>) -> Result<(), Closing> {
        let Some(image) = image else { return Ok(()) };
        let CursorImage { serial, width, height, hot_x, hot_y, png } = image.as_ref();
        self.send(&ServerMessage::Cursor {
            serial: *serial,
            width: *width,
            height: *height,
            hot_x: *hot_x,
            hot_y: *hot_y,
            png: STANDARD.encode(png),
        })
        .await
    }

    /// The room's task has ended: with the server, or because it was removed.
    fn end_of_room(&self) -> Closing {
        if self.context.shutdown.is_cancelled() { Closing::Restart } else { Closing::RoomGone }
    }

    async fn send(&mut self, message: &ServerMessage) -> Result<(), Closing> {
        send(&mut self.socket, message).await
    }
}

/// Calls a tool as the viewer's agent, by the door that HTTP has.
async fn call(
    context: &Context,
    caller: &Caller,
    room: RoomId,
    id: u32,
    tool: &str,
    arguments: serde_json::Map<String, serde_json::Value>,
) -> ServerMessage {
    let named = !tool.is_empty() && tool.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    let body = serde_json::Value::Object(arguments).to_string();
    let request = axum::http::Request::builder()
        .method(axum::http::Method::POST)
        .uri(format!("/api/rooms/{room}/tools/{tool}"))
        .body(axum::body::Body::from(body));
    let request = match request {
        Ok(request) if named => request,
        _ => return failed_call(id, "unknown_tool", "a tool's name has letters and _ only"),
    };
    let answer = match super::routes::agents(context, caller, room, request).await {
        Ok(answer) => answer,
        Err(error) => return failed_call(id, "refused", error.message()),
    };
    match axum::body::to_bytes(answer.into_body(), LARGEST_RESULT).await {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(result) => ServerMessage::Called { id, result },
            Err(_) => failed_call(id, "refused", "the tool's answer cannot be read"),
        },
        Err(_) => {
            let text = "the answer is larger than 192 KiB; call this tool over HTTP or MCP";
            failed_call(id, "too_large", text)
        }
    }
}

/// A call that came to nothing, in the form in which tools fail.
fn failed_call(id: u32, code: &str, text: &str) -> ServerMessage {
    let result = serde_json::json!({
        "content": [{ "type": "text", "text": format!("### Error\n{text}") }],
        "structuredContent": { "error": { "code": code, "message": text } },
        "isError": true,
    });
    ServerMessage::Called { id, result }
}

fn refusal(room: &RoomId, error: &RoomError) -> ServerMessage {
    let (code, message) = match error {
        RoomError::NotFound => (WireError::Gone, error.to_string()),
        RoomError::Forbidden(_) => (WireError::Forbidden, error.to_string()),
        RoomError::BadOffer(_) => (WireError::BadOffer, error.to_string()),
        RoomError::BadRequest(_) | RoomError::Late(_) => (WireError::Refused, error.to_string()),
        RoomError::NoCodec(_) => (WireError::NoCodec, error.to_string()),
        RoomError::Unavailable(_) | RoomError::Full(_) | RoomError::Exists => {
            (WireError::Unavailable, error.to_string())
        }
        RoomError::Internal(internal) => {
            tracing::error!(%room, error = %internal, "a room failed a viewer");
            (WireError::Unavailable, "something failed on the server; try again".to_owned())
        }
    };
    ServerMessage::Error { code, message }
}

async fn send(socket: &mut WebSocket, message: &ServerMessage) -> Result<(), Closing> {
    match serde_json::to_string(message) {
        Ok(text) => write(socket, Message::Text(text.into())).await,
        Err(error) => {
            tracing::error!(%error, "a message cannot be written as JSON");
            Ok(())
        }
    }
}

/// A page that takes nothing is dropped rather than waited for.
async fn write(socket: &mut WebSocket, message: Message) -> Result<(), Closing> {
    match timeout(LONGEST_WRITE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Closing::Silently),
    }
}

/// Says goodbye and waits a moment for the answer, so that the page sees why.
async fn close(mut socket: WebSocket, closing: Closing) {
    let Some((code, reason)) = closing.frame() else { return };
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    if write(&mut socket, frame).await.is_ok() {
        let _ =
            timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

/// The one error of the transport that the other side can do something about.
pub(super) fn is_too_large(error: &axum::Error) -> bool {
    let text = error.to_string();
    text.contains("too long") || text.contains("too large")
}

fn reason(error: axum::Error) -> Closing {
    if is_too_large(&error) { Closing::TooLarge } else { Closing::Silently }
}
