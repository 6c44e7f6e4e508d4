//! JSON-RPC over a pair of pipes: questions with their answers, and what the
//! other side asks and tells.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::sync::{mpsc, oneshot, watch};

/// One message; it may carry a picture.
const LONGEST_LINE: u64 = 32 << 20;
/// Messages that wait to be handled; when they are more, the agent's pipe waits.
const INCOMING: usize = 256;
/// Messages that wait to be written; who has one more waits for a place.
const OUTGOING: usize = 64;

/// What the agent asks or tells.
#[derive(Debug)]
pub(super) enum Incoming {
    Request { id: Value, method: String, params: Value },
    Notice { method: String, params: Value },
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
    Refused { code: i64, message: String },
}

/// An answer, and how much had been told before it.
type Answer = (u64, Result<Value, LineError>);
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>;

/// The line to one process. Cheap to clone; it ends when the process closes it.
#[derive(Clone)]
pub(super) struct Line {
    out: mpsc::Sender<String>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
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
    pub(super) async fn ask_in_order(
        &self,
        method: &str,
        params: Value,
        limit: Duration,
    ) -> Result<Value, LineError> {
        let (before, answer) = self.ask_and_count(method, params, limit).await?;
        // Nobody handles anything any more once the line has ended.
        let _ = self.handled.clone().wait_for(|handled| *handled >= before).await;
        answer
    }

    pub(super) async fn ask(&self, method: &str, params: Value, limit: Duration) -> Result<Value, LineError> {
        self.ask_and_count(method, params, limit).await?.1
    }

    async fn ask_and_count(&self, method: &str, params: Value, limit: Duration) -> Result<Answer, LineError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let (reply, answer) = oneshot::channel();
        lock(&self.waiting).insert(id, reply);
        // Nobody waits for the answer any more once this is dropped.
        let _forget = Forget(Arc::clone(&self.waiting), id);
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(LineError::Closed),
            Err(_) => Err(LineError::Slow),
        }
    }

    pub(super) async fn tell(&self, method: &str, params: Value) -> Result<(), LineError> {
        self.send(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await
    }

    pub(super) async fn answer(&self, id: &Value, result: Value) -> Result<(), LineError> {
        self.send(json!({ "jsonrpc": "2.0", "id": id, "result": result })).await
    }

    pub(super) async fn refuse(&self, id: &Value, code: i64, message: &str) -> Result<(), LineError> {
        let error = json!({ "code": code, "message": message });
        self.send(json!({ "jsonrpc": "2.0", "id": id, "error": error })).await
    }

    async fn send(&self, message: Value) -> Result<(), LineError> {
        self.out.send(message.to_string()).await.map_err(|_| LineError::Closed)
    }
}

struct Forget(Waiting, u64);

impl Drop for Forget {
    fn drop(&mut self) {
        lock(&self.0).remove(&self.1);
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Answer>>> {
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
        let Ok(message) = serde_json::from_slice::<Value>(&line) else { continue };
        let id = message.get("id").cloned().filter(|id| !id.is_null());
        let method = message["method"].as_str().map(str::to_owned);
        let incoming = match (id, method) {
            (Some(id), Some(method)) => Incoming::Request { id, method, params: message["params"].clone() },
            (None, Some(method)) => Incoming::Notice { method, params: message["params"].clone() },
            (Some(id), None) => {
                let reply = id.as_u64().and_then(|id| lock(&waiting).remove(&id));
                if let Some(reply) = reply {
                    let _ = reply.send((told, answer(&message)));
                }
                continue;
            }
            (None, None) => continue,
        };
        if sender.send(incoming).await.is_err() {
            break;
        }
        told += 1;
    }
    // Whoever waits is told that there will be no answer.
    lock(&waiting).clear();
}

fn answer(message: &Value) -> Result<Value, LineError> {
    match message.get("error").filter(|error| !error.is_null()) {
        None => Ok(message["result"].clone()),
        Some(error) => {
            let said = error.pointer("/data/message").or(error.get("message")).and_then(Value::as_str);
            let said = said.and_then(|said| said.lines().next()).unwrap_or("it gives no reason");
            Err(LineError::Refused {
                code: error["code"].as_i64().unwrap_or_default(),
                message: said.chars().take(300).collect(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                    line.ask("a", json!({}), limit),
                    line.ask("b", json!({}), limit),
                    line.ask("c", json!({}), limit)
                )
            }
        });
        let mut ids = HashMap::new();
        for _ in 0..3 {
            let line = lines.next_line().await.expect("read").expect("a line");
            let message: Value = serde_json::from_str(&line).expect("json");
            ids.insert(message["method"].as_str().expect("a method").to_owned(), message["id"].clone());
        }
        let said = format!(
            "hello, I am no message\n{}\n{}\n{}\n",
            json!({ "jsonrpc": "2.0", "id": ids["b"], "result": 2 }),
            json!({ "jsonrpc": "2.0", "method": "told", "params": { "x": 1 } }),
            json!({ "jsonrpc": "2.0", "id": ids["a"], "error": { "code": -32000, "message": "no\nstack" } }),
        );
        their_to.write_all(said.as_bytes()).await.expect("written");
        let Some(Incoming::Notice { method, params }) = incoming.next().await else { panic!("a notice") };
        assert_eq!((method.as_str(), &params["x"]), ("told", &json!(1)));
        drop((their_to, lines));
        let (a, b, c) = asked.await.expect("answered");
        assert_eq!(a, Err(LineError::Refused { code: -32000, message: "no".into() }));
        assert_eq!((b, c), (Ok(json!(2)), Err(LineError::Closed)));
        assert!(incoming.next().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_waits_for_what_was_told_before_it() {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (from, to) = tokio::io::split(ours);
        let (line, mut incoming) = Line::open(from, to);
        let (their_from, mut their_to) = tokio::io::split(theirs);
        let asked =
            tokio::spawn(async move { line.ask_in_order("a", json!({}), Duration::from_secs(20)).await });
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
        assert_eq!(asked.await.expect("asked"), Ok(json!(1)));
        drop((their_to, lines));
        assert!(!rest.await.expect("ended"));
    }
}
