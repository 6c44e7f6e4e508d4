//! JSON-RPC over a pair of pipes: questions with their answers, and what the
//! other side asks and tells.
//!
//! The messages are those of the protocol's crate. The line is ours: that
//! crate's queues have no bound, its lines no longest length and its questions
//! no time-out, so an agent that floods it would take all memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_client_protocol_schema::v1::{Error, JsonRpcMessage, Notification, Request, RequestId, Response};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::protocol::{Call, Notice};

/// One message; it may carry a picture.
const LONGEST_LINE: u64 = 32 << 20;
/// Messages that wait to be handled; when they are more, the agent's pipe waits.
const INCOMING: usize = 256;
/// Messages that wait to be written; who has one more waits for a place.
const OUTGOING: usize = 64;

/// What the agent asks or tells.
#[derive(Debug)]
pub(super) enum Incoming {
    Request { id: RequestId, method: Arc<str>, params: Value },
    Notice { method: Arc<str>, params: Value },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("it has ended")]
    Closed,
    #[error("it did not answer in time")]
    Slow,
    /// With its own words.
    #[error("{message}")]
    Refused { code: i32, message: String },
    #[error("its answer is not one of the protocol: {0}")]
    Unclear(String),
}

/// An answer, and how much had been told before it.
type Answer = (u64, Result<Value, LineError>);
type Waiting = Arc<Mutex<HashMap<i64, oneshot::Sender<Answer>>>>;

/// The line to one process. Cheap to clone; it ends when the process closes it.
#[derive(Clone)]
pub(super) struct Line {
    out: mpsc::Sender<String>,
    waiting: Waiting,
    next: Arc<AtomicI64>,
    /// How much of what was told has been handled.
    handled: watch::Receiver<u64>,
}

/// What the other side says by itself, in order.
pub(super) struct Told {
    queue: mpsc::Receiver<Incoming>,
    handled: watch::Sender<u64>,
    given: u64,
}

impl Told {
    /// The next one. Asking for it says that the one before has been handled.
    pub(super) async fn next(&mut self) -> Option<Incoming> {
        self.handled.send_replace(self.given);
        let next = self.queue.recv().await;
        self.given += u64::from(next.is_some());
        next
    }
}

impl Line {
    /// Opens a line; what the other side says by itself ends with the line.
    pub(super) fn open(
        from: impl AsyncRead + Unpin + Send + 'static,
        mut to: impl AsyncWrite + Unpin + Send + 'static,
    ) -> (Self, Told) {
        let (out, mut queue) = mpsc::channel::<String>(OUTGOING);
        let (sender, incoming) = mpsc::channel(INCOMING);
        let waiting = Waiting::default();
        tokio::spawn(async move {
            while let Some(mut text) = queue.recv().await {
                text.push('\n');
                if to.write_all(text.as_bytes()).await.is_err() || to.flush().await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(read(from, sender, Arc::clone(&waiting)));
        let (handled, handled_seen) = watch::channel(0);
        let told = Told { queue: incoming, handled, given: 0 };
        (Self { out, waiting, next: Arc::default(), handled: handled_seen }, told)
    }

    /// Asks, and waits until also what was told before the answer is handled.
    pub(super) async fn ask_in_order<Q: Call>(
        &self,
        request: Q,
        limit: Duration,
    ) -> Result<Q::Answer, LineError> {
        let (before, answer) = self.ask_and_count(request, limit).await?;
        // Nobody handles anything any more once the line has ended.
        let _ = self.handled.clone().wait_for(|handled| *handled >= before).await;
        read_answer::<Q>(answer)
    }

    pub(super) async fn ask<Q: Call>(&self, request: Q, limit: Duration) -> Result<Q::Answer, LineError> {
        read_answer::<Q>(self.ask_and_count(request, limit).await?.1)
    }

    async fn ask_and_count<Q: Call>(&self, request: Q, limit: Duration) -> Result<Answer, LineError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (reply, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, reply);
        // Nobody waits for the answer any more once this is dropped.
        let _forget = Forget(Arc::clone(&self.waiting), id);
        let (id, method, params) = (RequestId::Number(id), Q::METHOD.into(), Some(request));
        self.send(Request { id, method, params }).await?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(LineError::Closed),
            Err(_) => Err(LineError::Slow),
        }
    }

    pub(super) async fn tell<N: Notice>(&self, notice: N) -> Result<(), LineError> {
        self.send(Notification { method: N::METHOD.into(), params: Some(notice) }).await
    }

    pub(super) async fn answer(&self, id: &RequestId, result: impl Serialize) -> Result<(), LineError> {
        self.send(Response::<_, Error>::new(id.clone(), Ok(result))).await
    }

    pub(super) async fn refuse(&self, id: &RequestId, error: Error) -> Result<(), LineError> {
        self.send(Response::<Value>::new(id.clone(), Err(error))).await
    }

    async fn send(&self, message: impl Serialize) -> Result<(), LineError> {
        let text = serde_json::to_string(&JsonRpcMessage::wrap(message))
            .map_err(|error| LineError::Unclear(error.to_string()))?;
        self.out.send(text).await.map_err(|_| LineError::Closed)
    }
}

fn read_answer<Q: Call>(answer: Result<Value, LineError>) -> Result<Q::Answer, LineError> {
    serde_json::from_value(answer?).map_err(|error| LineError::Unclear(error.to_string()))
}

struct Forget(Waiting, i64);

impl Drop for Forget {
    fn drop(&mut self) {
        lock(&self.0).remove(&self.1);
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<i64, oneshot::Sender<Answer>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(from: impl AsyncRead + Unpin, sender: mpsc::Sender<Incoming>, waiting: Waiting) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    let mut told = 0;
    loop {
        line.clear();
        let got = (&mut from).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        if !matches!(got, Ok(1..)) || line.last() != Some(&b'\n') {
            break;
        }
        // What is no message, such as a greeting, is not for us.
        let Ok(Value::Object(mut message)) = serde_json::from_slice(&line) else { continue };
        let id = message.get("id").map(RequestId::deserialize);
        let incoming = match (id, message.contains_key("method")) {
            (Some(Ok(id)), false) => {
                if let RequestId::Number(id) = id
                    && let Some(reply) = lock(&waiting).remove(&id)
                {
                    let _ = reply.send((told, answer(message.into())));
                }
                continue;
            }
            (None | Some(Ok(RequestId::Null)), true) => {
                message.remove("id");
                let Ok(notice) = Notification::<Value>::deserialize(Value::from(message)) else { continue };
                Incoming::Notice { method: notice.method, params: notice.params.unwrap_or_default() }
            }
            (Some(Ok(_)), true) => {
                let Ok(asked) = Request::<Value>::deserialize(Value::from(message)) else { continue };
                let (id, method) = (asked.id, asked.method);
                Incoming::Request { id, method, params: asked.params.unwrap_or_default() }
            }
            _ => continue,
        };
        if sender.send(incoming).await.is_err() {
            break;
        }
        told += 1;
    }
    // Whoever waits is told that there will be no answer.
    lock(&waiting).clear();
}

fn answer(mut message: Value) -> Result<Value, LineError> {
    // Some agents write both, and one of them empty.
    if message["error"].is_null()
        && let Some(fields) = message.as_object_mut()
    {
        fields.remove("error");
    } else if let Some(fields) = message.as_object_mut() {
        fields.remove("result");
    }
    let error = match Response::<Value>::deserialize(message) {
        Ok(Response::Result { result, .. }) => return Ok(result),
        Ok(Response::Error { error, .. }) => error,
        Err(error) => return Err(LineError::Unclear(error.to_string())),
    };
    let of_its_own = error.data.as_ref().and_then(|data| data["message"].as_str());
    let said = of_its_own.unwrap_or(&error.message).lines().next().unwrap_or("it gives no reason");
    Err(LineError::Refused { code: error.code.into(), message: said.chars().take(300).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Something to ask.
    #[derive(Serialize)]
    struct Ask<const N: u8> {}

    macro_rules! asks {
        ($($n:literal => $method:literal),*) => {
            $(impl Call for Ask<$n> {
                const METHOD: &'static str = $method;
                type Answer = u8;
            })*
        };
    }

    asks!(0 => "a", 1 => "b", 2 => "c", 3 => "d");

    #[tokio::test]
    async fn answers_find_their_questions_and_an_ended_line_leaves_nobody_waiting() {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (from, to) = tokio::io::split(ours);
        let (line, mut incoming) = Line::open(from, to);
        let (their_from, mut their_to) = tokio::io::split(theirs);
        let mut lines = BufReader::new(their_from).lines();
        let limit = Duration::from_secs(20);
        let asked = tokio::spawn({
            let line = line.clone();
            async move {
                tokio::join!(
                    line.ask(Ask::<0> {}, limit),
                    line.ask(Ask::<1> {}, limit),
                    line.ask(Ask::<2> {}, limit),
                    line.ask(Ask::<3> {}, limit)
                )
            }
        });
        let mut ids = HashMap::new();
        for _ in 0..4 {
            let line = lines.next_line().await.expect("read").expect("a line");
            let message: Value = serde_json::from_str(&line).expect("json");
            ids.insert(message["method"].as_str().expect("a method").to_owned(), message["id"].clone());
        }
        let said = format!(
            "hello, I am no message\n[]\n{}\n{}\n{}\n{}\n{}\n",
            json!({ "jsonrpc": "2.0", "id": "of nobody", "result": 2 }),
            json!({ "jsonrpc": "2.0", "id": ids["b"], "result": 2, "error": null }),
            json!({ "jsonrpc": "2.0", "id": ids["d"], "result": "two" }),
            json!({ "jsonrpc": "2.0", "method": "told", "params": { "x": 1 } }),
            json!({ "jsonrpc": "2.0", "id": ids["a"], "error": { "code": -32000, "message": "no\nstack" } }),
        );
        their_to.write_all(said.as_bytes()).await.expect("written");
        let Some(Incoming::Notice { method, params }) = incoming.next().await else { panic!("a notice") };
        assert_eq!((&*method, &params["x"]), ("told", &json!(1)));
        drop((their_to, lines));
        let (a, b, c, d) = asked.await.expect("answered");
        assert_eq!(a, Err(LineError::Refused { code: -32000, message: "no".into() }));
        assert_eq!((b, c), (Ok(2), Err(LineError::Closed)));
        assert!(matches!(d, Err(LineError::Unclear(_))), "{d:?}");
        assert!(incoming.next().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_waits_for_what_was_told_before_it() {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (from, to) = tokio::io::split(ours);
        let (line, mut incoming) = Line::open(from, to);
        let (their_from, mut their_to) = tokio::io::split(theirs);
        let asked =
            tokio::spawn(async move { line.ask_in_order(Ask::<0> {}, Duration::from_secs(20)).await });
        let mut lines = BufReader::new(their_from).lines();
        let text = lines.next_line().await.expect("read").expect("a line");
        let id = serde_json::from_str::<Value>(&text).expect("json")["id"].clone();
        let notice = json!({ "jsonrpc": "2.0", "method": "told", "params": {} });
        let said = format!("{notice}\n{notice}\n{}\n", json!({ "jsonrpc": "2.0", "id": id, "result": 1 }));
        their_to.write_all(said.as_bytes()).await.expect("written");
        for _ in 0..2 {
            assert!(incoming.next().await.is_some() && !asked.is_finished());
        }
        let rest = tokio::spawn(async move { incoming.next().await.is_some() });
        assert_eq!(asked.await.expect("asked"), Ok(1));
        drop((their_to, lines));
        assert!(!rest.await.expect("ended"));
    }
}
