//! The in-process CDP client: typed commands of chromiumoxide, sent straight
//! through the multiplexer, with sessions named by the caller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chromiumoxide::types::Command;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::mux::{Attached, Multiplexer, MuxError, Rules};
use crate::floor::OnTheWay;

/// How long a command may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a command has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CdpError {
    #[error(transparent)]
    Mux(#[from] MuxError),
    #[error("{method}: {message}")]
    Refused { method: String, code: i64, message: String },
    #[error("{method} was not answered in time")]
    Timeout { method: String },
    #[error("{method}: the answer cannot be read: {reason}")]
    Unreadable { method: String, reason: String },
}

impl CdpError {
    /// The frame, page or node that the command spoke of is no more.
    pub fn is_gone(&self) -> bool {
        const GONE: [&str; 6] = [
            "Cannot find context",
            "Execution context was destroyed",
            "Session with given id not found",
            "Inspected target navigated or closed",
            "No frame for given id",
            "Frame with the given id",
        ];
        matches!(self, CdpError::Refused { message, .. } if GONE.iter().any(|gone| message.contains(gone)))
    }
}

/// Something that the browser told.
#[derive(Debug)]
pub struct CdpEvent {
    pub method: String,
    pub session: Option<String>,
    params: Box<RawValue>,
}

impl CdpEvent {
    #[cfg(test)]
    pub(super) fn made(method: &str, params: &serde_json::Value) -> Self {
        let params = serde_json::value::to_raw_value(params).expect("json");
        Self { method: method.to_owned(), session: None, params }
    }

    /// The parameters as `T`, if they have that shape.
    pub fn params<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.params.get()).ok()
    }
}

struct Question {
    method: String,
    params: Box<RawValue>,
    session: Option<String>,
    act: Option<OnTheWay>,
    reply: oneshot::Sender<Result<Box<RawValue>, CdpError>>,
}

/// Cheap to clone. Ends when its last clone is dropped or the browser goes.
#[derive(Clone)]
pub struct CdpClient {
    questions: mpsc::Sender<Question>,
    events: broadcast::WeakSender<Arc<CdpEvent>>,
}

impl CdpClient {
    pub async fn attach(mux: &Multiplexer, rules: Rules) -> Result<Self, MuxError> {
        let attached = mux.attach(rules).await?;
        // When 128 commands wait, whoever asks waits too.
        let (questions, queue) = mpsc::channel(128);
        // A listener that falls 4096 events behind is told how many it lost.
        let (events, _) = broadcast::channel(4096);
        let weak = events.downgrade();
        tokio::spawn(run(attached, queue, events));
        Ok(Self { questions, events: weak })
    }

    /// Everything the browser tells from now on; ends at once when it has gone.
    pub fn events(&self) -> broadcast::Receiver<Arc<CdpEvent>> {
        self.events.upgrade().map_or_else(|| broadcast::channel(1).1, |events| events.subscribe())
    }

    /// True when the browser has gone.
    pub fn is_closed(&self) -> bool {
        self.questions.is_closed()
    }

    pub async fn closed(&self) {
        self.questions.closed().await;
    }

    /// Sends a typed command and waits for its result.
    pub async fn execute<C: Command>(
        &self,
        session: Option<&str>,
        command: C,
    ) -> Result<C::Response, CdpError> {
        let method = command.identifier();
        let result = self.send(session, &method, &command).await?;
        serde_json::from_str(result.get())
            .map_err(|error| CdpError::Unreadable { method: method.into_owned(), reason: error.to_string() })
    }

    /// Sends any command and waits for its raw result.
    pub async fn send(
        &self,
        session: Option<&str>,
        method: &str,
        params: &(impl serde::Serialize + ?Sized),
    ) -> Result<Box<RawValue>, CdpError> {
        let answer = self.post(session, method, params).await?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(MuxError::Gone.into()),
            Err(_) => Err(CdpError::Timeout { method: method.to_owned() }),
        }
    }

    /// Sends a command; the answer may be waited for later or not at all.
    /// Commands go out in the order in which this returns.
    pub async fn post(
        &self,
        session: Option<&str>,
        method: &str,
        params: &(impl serde::Serialize + ?Sized),
    ) -> Result<oneshot::Receiver<Result<Box<RawValue>, CdpError>>, CdpError> {
        self.post_act(session, method, params, None).await
    }

    /// The same with an input, which is on its way until the browser has answered.
    pub async fn post_act(
        &self,
        session: Option<&str>,
        method: &str,
        params: &(impl serde::Serialize + ?Sized),
        act: Option<OnTheWay>,
    ) -> Result<oneshot::Receiver<Result<Box<RawValue>, CdpError>>, CdpError> {
        let params = serde_json::value::to_raw_value(params)
            .map_err(|error| CdpError::Unreadable { method: method.to_owned(), reason: error.to_string() })?;
        let (reply, answer) = oneshot::channel();
        let question =
            Question { method: method.to_owned(), params, session: session.map(str::to_owned), act, reply };
        self.questions.send(question).await.map_err(|_| MuxError::Gone)?;
        Ok(answer)
    }
}

struct Unanswered {
    method: String,
    act: Option<OnTheWay>,
    reply: oneshot::Sender<Result<Box<RawValue>, CdpError>>,
}

type Waiting = HashMap<u64, Unanswered>;

async fn run(
    mut attached: Attached,
    mut questions: mpsc::Receiver<Question>,
    events: broadcast::Sender<Arc<CdpEvent>>,
) {
    let to_browser = attached.sender();
    let mut waiting = Waiting::new();
    let mut last = 0u64;
    loop {
        tokio::select! {
            biased;
            message = attached.next() => match message {
                Some(message) => hear(&message, &mut waiting, &events),
                None => return,
            },
            question = questions.recv() => {
                let Some(Question { method, params, session, act, reply }) = question else { return };
                last += 1;
                let message = call(last, &method, &params, session.as_deref());
                if last.is_multiple_of(256) {
                    waiting.retain(|_, waiting| waiting.act.is_some() || !waiting.reply.is_closed());
                }
                match to_browser.send(message).await {
                    Ok(()) => drop(waiting.insert(last, Unanswered { method, act, reply })),
                    Err(error) => drop(reply.send(Err(error.into()))),
                }
            }
        }
    }
}

fn call(id: u64, method: &str, params: &RawValue, session: Option<&str>) -> Bytes {
    #[derive(serde::Serialize)]
    struct Call<'a> {
        id: u64,
        method: &'a str,
        params: &'a RawValue,
        #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
        session: Option<&'a str>,
    }
    serde_json::to_vec(&Call { id, method, params, session }).unwrap_or_default().into()
}

fn hear(message: &[u8], waiting: &mut Waiting, events: &broadcast::Sender<Arc<CdpEvent>>) {
    #[derive(Deserialize)]
    struct Fault {
        code: i64,
        message: String,
    }
    #[derive(Deserialize)]
    struct Heard {
        id: Option<u64>,
        method: Option<String>,
        params: Option<Box<RawValue>>,
        result: Option<Box<RawValue>>,
        error: Option<Fault>,
        #[serde(rename = "sessionId")]
        session: Option<String>,
    }
    let Ok(heard) = serde_json::from_slice::<Heard>(message) else {
        return tracing::warn!("the multiplexer sent something unreadable");
    };
    if let Some(Unanswered { method, act, reply }) = heard.id.and_then(|id| waiting.remove(&id)) {
        drop(act);
        let result = match (heard.result, heard.error) {
            (Some(result), _) => Ok(result),
            (None, Some(fault)) => {
                Err(CdpError::Refused { method, code: fault.code, message: fault.message })
            }
            (None, None) => Err(CdpError::Unreadable { method, reason: "it is empty".into() }),
        };
        let _ = reply.send(result);
    } else if let (Some(method), Some(params)) = (heard.method, heard.params) {
        let _ = events.send(Arc::new(CdpEvent { method, session: heard.session, params }));
    }
}
