//! One client's WebSocket: messages in and out, the floor asked when the
//! multiplexer says that something waits for it, the pointer shown.
//!
//! Nothing is queued here: what the client does not read waits in its queue
//! at the multiplexer, which cuts it off when that is full.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::leases::Leases;
use crate::base::RoomId;
use crate::browser::{Attached, Browser, GuestSignal, ToBrowser, Window};
use crate::policy::{Action, Class, Decision, Fingerprint, Request};
use crate::room::{AgentSeat, RoomEvent};
use crate::server::caller::Caller;
use crate::server::context::Context;
use crate::server::socket::is_too_large;

/// More than one message of the largest kind does not wait at the socket.
pub(super) const LONGEST_WRITE_BUFFER: usize = 300 << 20;
/// A client that comes while the browser starts waits this long for it.
const LONGEST_START: Duration = Duration::from_secs(20);
/// An act waits this long for the floor.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// An act waits this long for a person's yes.
const LONGEST_YES: Duration = Duration::from_secs(300);
/// A client that takes nothing for this long is put out.
const LONGEST_WRITE: Duration = Duration::from_secs(30);
/// What is queued for a client that was cut off is sent for this long.
const LAST_WORDS: Duration = Duration::from_secs(2);
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client that has not acted for this long has given the floor back.
const LEASE_ENDS: Duration = Duration::from_millis(1500);
/// Where a page lies in its window is asked again after this long.
const WINDOW_AGE: Duration = Duration::from_secs(1);

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    Restart,
    TokenEnded,
    PutOut,
    /// The browser has gone, its target was closed, or the client did not read.
    Detached,
    /// What it does cannot be written down.
    NotRecorded,
    TooLarge,
    Silently,
}

impl Closing {
    fn frame(self) -> Option<(u16, &'static str)> {
        match self {
            Closing::Restart => Some((1012, "service restart")),
            Closing::TokenEnded => Some((4001, "the token has ended")),
            Closing::PutOut => Some((4008, "who administers the server put you out")),
            Closing::Detached => Some((1001, "the browser or the target has gone")),
            Closing::NotRecorded => Some((1013, "what you do cannot be recorded; try again later")),
            Closing::TooLarge => Some((1009, "a message is too large")),
            Closing::Silently => None,
        }
    }
}

pub(super) async fn run(
    context: &Context,
    id: &RoomId,
    seat: AgentSeat,
    caller: &Caller,
    target: Option<String>,
    mut socket: WebSocket,
) {
    let actor = seat.actor().id.clone();
    let browser = match seat.ready_browser(Instant::now() + LONGEST_START).await {
        Ok(browser) => browser,
        Err(reason) => return close(&mut socket, 1013, &reason).await,
    };
    let mut attached = match browser.attach_guest(target, seat.actor().clone(), seat.rules_now()).await {
        Ok(attached) => attached,
        Err(error) => return close(&mut socket, 1013, &error.to_string()).await,
    };
    let put_out = seat.put_out();
    tracing::info!(room = %id, %actor, "a CDP client is connected");
    let signals = attached.take_signals();
    let leases = Leases::new(&seat, &browser, attached.acts());
    let to_browser = attached.sender();
    let (mut sink, mut stream) = socket.split();
    let closing = tokio::select! {
        closing = write(&mut attached, &mut sink) => closing,
        closing = read(&mut stream, &to_browser) => closing,
        closing = attend(&seat, &browser, signals, &to_browser, leases) => closing,
        _ = context.auth.ended(&caller.credential) => Closing::TokenEnded,
        () = put_out => Closing::PutOut,
        () = context.shutdown.cancelled() => Closing::Restart,
    };
    // The client's sessions and the seat go before the goodbye, which may take its time.
    drop(attached);
    drop(seat);
    tracing::info!(room = %id, %actor, ?closing, "a CDP client has gone");
    if let (Some((code, reason)), Ok(mut socket)) = (closing.frame(), sink.reunite(stream)) {
        close(&mut socket, code, reason).await;
    }
}

/// From the browser to the client. What is there together goes out together.
async fn write(attached: &mut Attached, sink: &mut SplitSink<WebSocket, Message>) -> Closing {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            message = attached.next() => match message {
                Some(message) => message,
                None => return Closing::Detached,
            },
            _ = pings.tick() => {
                match timeout(LONGEST_WRITE, sink.send(Message::Ping(Bytes::new()))).await {
                    Ok(Ok(())) => continue,
                    _ => return Closing::Silently,
                }
            }
        };
        let Ok(text) = Utf8Bytes::try_from(message) else { continue };
        let sent = async {
            sink.feed(Message::Text(text)).await?;
            if attached.has_next() { Ok(()) } else { sink.flush().await }
        };
        if !matches!(timeout(LONGEST_WRITE, sent).await, Ok(Ok(()))) {
            return Closing::Silently;
        }
    }
}

async fn read(stream: &mut SplitStream<WebSocket>, to_browser: &ToBrowser) -> Closing {
    loop {
        let message = match stream.next().await {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Close(_))) | None => return Closing::Silently,
            Some(Err(error)) => return reason(error),
        };
        if to_browser.send(message).await.is_err() {
            return Closing::Detached;
        }
    }
}

/// Asks for the floor when something waits for it, and shows the pointer.
async fn attend(
    seat: &AgentSeat,
    browser: &Arc<Browser>,
    signals: Option<mpsc::Receiver<GuestSignal>>,
    to_browser: &ToBrowser,
    mut leases: Leases,
) -> Closing {
    let Some(mut signals) = signals else { return Closing::Detached };
    let mut windows: HashMap<String, (Instant, Option<Window>)> = HashMap::new();
    // At most as many as the multiplexer lets wait.
    let mut asked = FuturesUnordered::new();
    loop {
        let signal = tokio::select! {
            signal = signals.recv() => signal,
            Some((number, answer)) = asked.next() => {
                if to_browser.yes(number, answer).await.is_err() {
                    return Closing::Detached;
                }
                continue;
            }
            recorded = leases.acted() => match recorded {
                Ok(()) => continue,
                Err(_) => return Closing::NotRecorded,
            },
            () = tokio::time::sleep(LEASE_ENDS), if leases.is_open() => {
                leases.end();
                continue;
            }
        };
        let Some(signal) = signal else { break };
        match signal {
            GuestSignal::WantFloor => {
                let answer = seat.floor(Instant::now() + LONGEST_WAIT).await;
                let answer = match answer {
                    Ok(permit) => {
                        leases.begin().await.map(|()| permit).map_err(|refused| refused.to_string())
                    }
                    Err(refusal) => Err(refusal.to_string()),
                };
                if to_browser.floor(answer).await.is_err() {
                    return Closing::Detached;
                }
            }
            GuestSignal::WantYes { number, target, action, decision } => {
                asked.push(consent(seat, browser, number, target, *action, *decision));
            }
            GuestSignal::Pointer { target, x, y, pressed } => {
                let known = windows.get(&target).filter(|(at, _)| at.elapsed() < WINDOW_AGE);
                let window = match known {
                    Some((_, window)) => *window,
                    None => {
                        // A page that is busy says later where it is; its pointer is not waited for.
                        let asked = timeout(Duration::from_millis(200), browser.window_of(&target)).await;
                        let window = asked.unwrap_or_default();
                        windows.retain(|_, (at, _)| at.elapsed() < WINDOW_AGE);
                        windows.insert(target, (Instant::now(), window));
                        window
                    }
                };
                let Some(at) = window.map(|window| window.to_display(x, y)) else { continue };
                let actor = seat.actor().id.clone();
                seat.show(match pressed {
                    true => RoomEvent::Press { actor, x: at.x, y: at.y },
                    false => RoomEvent::Pointer { actor, x: at.x, y: at.y, ms: 40 },
                });
            }
        }
    }
    // It was cut off. What is queued already, such as the answer to its
    // Browser.close, has a moment to go out; whoever does not read has no more.
    drop(leases);
    tokio::time::sleep(LAST_WORDS).await;
    Closing::Detached
}

/// Asks people for a yes to one message, and uses it up.
async fn consent(
    seat: &AgentSeat,
    browser: &Arc<Browser>,
    number: u64,
    target: Option<String>,
    action: Action,
    decision: Decision,
) -> (u64, Result<(), String>) {
    let page = || {
        let address = target.as_deref().and_then(|target| browser.address_of(target));
        Fingerprint::new(format!("{target:?}|{address:?}"))
    };
    let mut request = Request::new(&action, decision, page(), LONGEST_YES);
    // Raw messages do not say whether a field is secret.
    let is_secret = |class: &Class| [Class::CREDENTIALS, Class::STORAGE].contains(class);
    if action.texts.is_empty() && !action.classes.iter().any(is_secret) {
        request.arguments = action.arguments.clone();
    }
    request.texts =
        action.texts.iter().map(|text| format!("•••• ({} characters)", text.chars().count())).collect();
    let answer = async {
        let id = seat.ask_approval(request).await?;
        seat.spend_approval(id, page()).await
    };
    let answer = answer.await;
    (number, answer.map(drop).map_err(|why| format!("{} was not approved: {why}", action.tool)))
}

async fn close(socket: &mut WebSocket, code: u16, reason: &str) {
    // A close frame holds 123 bytes of reason.
    let mut reason = reason.to_owned();
    while reason.len() > 120 {
        reason.pop();
    }
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    if matches!(timeout(Duration::from_secs(1), socket.send(frame)).await, Ok(Ok(()))) {
        let _ =
            timeout(Duration::from_secs(1), async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

fn reason(error: axum::Error) -> Closing {
    if is_too_large(&error) { Closing::TooLarge } else { Closing::Silently }
}
