//! `tandem mcp`: a room's tools for agents that speak MCP over standard input
//! and output only. Each message goes to the server's own endpoint; nothing is
//! interpreted here but what the transport needs.
//!
//! A server that was restarted knows the session no more: then it is opened
//! anew with what the agent said at first, and the message is sent again.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::failure::Failure;
use super::remote::{Reach, Remote};
use crate::base::RoomId;

/// The longest message from the agent.
const LONGEST: u64 = 4 << 20;
/// The longest answer of the server: a few pictures.
const LONGEST_ANSWER: usize = 64 << 20;
/// How many calls may be on their way; a further one waits.
const MOST_AT_ONCE: usize = 32;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// What the transport needs of a message.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    method: Option<String>,
}

#[derive(Default)]
struct Session {
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
    /// What the agent said at first.
    hello: Option<Bytes>,
    /// How often it was opened, so that many calls that fail together open it once.
    opened: u64,
}

struct Bridge {
    remote: Remote,
    room: RoomId,
    session: Mutex<Session>,
    reopening: tokio::sync::Mutex<()>,
    /// Lines for the agent. 64 may wait; then whoever has more waits too.
    out: mpsc::Sender<Bytes>,
}

pub(super) async fn run(reach: Reach) -> Result<ExitCode, Failure> {
    let (out, lines) = mpsc::channel(64);
    let bridge = Arc::new(Bridge {
        remote: reach.remote()?,
        room: reach.room,
        session: Mutex::default(),
        reopening: tokio::sync::Mutex::default(),
        out,
    });
    let written = tokio::spawn(write(lines));
    let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
    let mut calls = JoinSet::new();
    let mut input = BufReader::new(tokio::io::stdin());
    loop {
        let mut line = Vec::new();
        let read = (&mut input).take(LONGEST + 1).read_until(b'\n', &mut line).await?;
        if read == 0 {
            break;
        }
        if line.len() as u64 > LONGEST {
            return Err(Failure::new(format!("a message has more than {} MiB", LONGEST >> 20)));
        }
        let line = Bytes::from(line.trim_ascii().to_vec());
        if line.is_empty() {
            continue;
        }
        let first = serde_json::from_slice::<Envelope>(&line)
            .is_ok_and(|message| message.id.is_none() || message.method.as_deref() == Some("initialize"));
        // What comes after the greeting needs what it brings; and a notification keeps its place.
        if first {
            bridge.pass(line).await;
            continue;
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let bridge = Arc::clone(&bridge);
        calls.spawn(async move {
            bridge.pass(line).await;
            drop(place);
        });
        while calls.try_join_next().is_some() {}
    }
    // The agent has gone and wants no more answers.
    calls.shutdown().await;
    bridge.end().await;
    drop(bridge);
    let _ = written.await;
    Ok(ExitCode::SUCCESS)
}

async fn write(mut lines: mpsc::Receiver<Bytes>) {
    let mut output = tokio::io::stdout();
    while let Some(line) = lines.recv().await {
        let written = async {
            output.write_all(&line).await?;
            output.write_all(b"\n").await?;
            output.flush().await
        };
        if written.await.is_err() {
            return;
        }
    }
}

impl Bridge {
    /// Passes one message on, and its answer back.
    async fn pass(&self, line: Bytes) {
        let (id, method) = match serde_json::from_slice::<Envelope>(&line) {
            Ok(message) => (message.id.map(ToOwned::to_owned), message.method),
            Err(error) => return self.refuse(None, -32700, &format!("this is no JSON-RPC: {error}")).await,
        };
        let hello = method.as_deref() == Some("initialize");
        if hello {
            let mut session = self.session();
            *session =
                Session { hello: Some(line.clone()), opened: session.opened + 1, ..Session::default() };
        }
        let opened = self.session().opened;
        let mut answer = self.post(line.clone()).await;
        let lost = matches!(&answer, Ok(answer) if answer.status() == StatusCode::NOT_FOUND);
        if lost && !hello && self.reopen(opened).await {
            answer = self.post(line).await;
        }
        let refused = match answer {
            Ok(answer) if answer.status().is_success() => self.relay(answer, hello).await.err(),
            Ok(answer) => Some(reason(answer).await),
            Err(error) => Some(format!(
                "the Tandem server at {} does not answer: {error}. Is it running?",
                self.remote.host()
            )),
        };
        if let (Some(why), Some(id)) = (refused, id) {
            self.refuse(Some(&id), -32000, &why).await;
        }
    }

    /// Opens the session anew unless somebody else just did; true when it is open.
    async fn reopen(&self, opened: u64) -> bool {
        let _alone = self.reopening.lock().await;
        let hello = {
            let mut session = self.session();
            if session.opened != opened {
                return true;
            }
            (session.id, session.opened) = (None, opened + 1);
            session.hello.clone()
        };
        let Some(hello) = hello else { return false };
        let answer = match self.post(hello).await {
            Ok(answer) if answer.status().is_success() => answer,
            _ => return false,
        };
        self.remember(&answer);
        // Its answer is the agent's from the first time.
        let _ = answer.into_body().collect().await;
        let ready = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        self.post(ready).await.is_ok_and(|answer| answer.status().is_success())
    }

    async fn post(&self, body: Bytes) -> std::io::Result<Response<Incoming>> {
        let mut request = self.request(Method::POST, body)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        self.remote.send(request).await
    }

    fn request(&self, method: Method, body: Bytes) -> std::io::Result<Request<Bytes>> {
        let path = format!("/rooms/{}/mcp", self.room);
        let mut request =
            Request::builder().method(method).uri(path).body(body).map_err(std::io::Error::other)?;
        let session = self.session();
        for (name, value) in [(SESSION, &session.id), (VERSION, &session.version)] {
            if let Some(value) = value {
                request.headers_mut().insert(name, value.clone());
            }
        }
        Ok(request)
    }

    /// Hands on an answer: one message, or a stream of them.
    async fn relay(&self, answer: Response<Incoming>, hello: bool) -> Result<(), String> {
        if hello {
            self.remember(&answer);
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let stream = kind.starts_with("text/event-stream");
        let mut body = answer.into_body();
        let mut buffer = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
            let Ok(data) = frame.into_data() else { continue };
            if buffer.len() + data.len() > LONGEST_ANSWER {
                return Err(format!("the answer has more than {} MiB", LONGEST_ANSWER >> 20));
            }
            buffer.extend_from_slice(&data);
            while stream && let Some(event) = next_event(&mut buffer) {
                self.tell(event, hello).await;
            }
        }
        if !stream && !buffer.is_empty() {
            self.tell(buffer.freeze(), hello).await;
        }
        Ok(())
    }

    /// One line for the agent. A message is JSON without line breaks, or is made so.
    async fn tell(&self, message: Bytes, hello: bool) {
        if hello
            && let Ok(message) = serde_json::from_slice::<Value>(&message)
            && let Some(version) = message["result"]["protocolVersion"].as_str()
        {
            self.session().version = HeaderValue::from_str(version).ok();
        }
        let one_line = match message.contains(&b'\n') {
            false => Some(message),
            true => serde_json::from_slice::<Value>(&message).ok().map(|value| value.to_string().into()),
        };
        if let Some(line) = one_line {
            let _ = self.out.send(line).await;
        }
    }

    async fn refuse(&self, id: Option<&RawValue>, code: i32, message: &str) {
        let error =
            serde_json::json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } });
        let _ = self.out.send(error.to_string().into()).await;
    }

    /// Tells the server that the session is over.
    async fn end(&self) {
        if self.session().id.is_none() {
            return;
        }
        if let Ok(request) = self.request(Method::DELETE, Bytes::new()) {
            let grace = std::time::Duration::from_secs(1);
            let _ = tokio::time::timeout(grace, self.remote.send(request)).await;
        }
    }

    fn remember(&self, answer: &Response<Incoming>) {
        self.session().id = answer.headers().get(SESSION).cloned();
    }

    fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the server refused, out of its answer.
async fn reason(answer: Response<Incoming>) -> String {
    let status = answer.status();
    let body = http_body_util::Limited::new(answer.into_body(), 64 << 10).collect().await;
    let told: Option<Value> = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
    let told = told.as_ref().and_then(|told| told["error"]["message"].as_str());
    format!("the Tandem server says {status}: {}", told.unwrap_or("no reason given"))
}

/// The data of the next whole event, if it is there.
fn next_event(buffer: &mut BytesMut) -> Option<Bytes> {
    loop {
        // The rest of a blank line that came in two pieces.
        while let [b'\r' | b'\n', ..] = &buffer[..] {
            let _ = buffer.split_to(1);
        }
        let end = buffer.windows(2).position(|two| two == b"\n\n" || two == b"\n\r")?;
        let mut event = buffer.split_to(end + 1);
        let mut data = Vec::new();
        for line in event.split_mut(|byte| *byte == b'\n') {
            if let Some(rest) = line.trim_ascii_end().strip_prefix(b"data:") {
                if !data.is_empty() {
                    data.push(b'\n');
                }
                data.extend_from_slice(rest.strip_prefix(b" ").unwrap_or(rest));
            }
        }
        // A comment or an event without data keeps the line open and says nothing.
        if !data.is_empty() {
            return Some(data.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_whatever_the_pieces_and_comments_are_left_out() {
        let stream = b": hi\n\nid: 1\ndata: {\"a\":\ndata: 1}\n\nretry: 3\r\n\r\ndata: {}\r\n\r\ndata: cut";
        let mut buffer = BytesMut::new();
        let mut events = Vec::new();
        for byte in stream {
            buffer.extend_from_slice(&[*byte]);
            events.extend(next_event(&mut buffer));
        }
        assert_eq!(events, [Bytes::from_static(b"{\"a\":\n1}"), Bytes::from_static(b"{}")]);
        assert!(next_event(&mut buffer).is_none());
        assert_eq!(&buffer[..], b"data: cut");
    }
}
