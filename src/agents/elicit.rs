//! An approval that is asked at the agent's own client too, by MCP's
//! elicitation: the question in its words, and what an answer means.
//!
//! Owns: the two ways of asking. A client of a version before 2026-07-28 is
//! sent a request in the middle of its call. A later one is sent the question
//! as the call's first result and calls again with the answer; its call goes
//! on between these rounds ([`Round`], [`Rounds`]), so that people in the room
//! can answer meanwhile. Refuses: to take for a yes what is not clearly one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::BoxFuture;
use rmcp::model::{
    ClientCapabilities, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, InputResponses, JsonObject,
    ServerRequest,
};
use rmcp::service::{Peer, PeerRequestOptions, RequestHandle, RoleServer};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::answer::Answer;
use super::call::Progress;
use super::desk::IDLE;
use crate::policy::{self, Request};

/// The name of the one question of a round.
const KEY: &str = "approval";
/// The most of one text in a question, in characters.
const LONGEST_SHOWN: usize = 200;

/// Whether a client can put a question with an answer to choose before its user.
pub(super) fn can_ask(client: Option<&ClientCapabilities>) -> bool {
    // A client that names no way of asking asks by forms.
    let elicits = client.and_then(|client| client.elicitation.as_ref());
    elicits.is_some_and(|elicits| elicits.form.is_some() || elicits.url.is_none())
}

/// The approval in words. What is secret has been hidden in the request already.
pub(super) fn question(request: &Request) -> ElicitRequestParams {
    let short = |text: &str| -> String {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match text.char_indices().nth(LONGEST_SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    let mut message = format!("{} wants to do {}", request.actor.name, short(&request.tool));
    for target in request.targets.iter().take(4) {
        message += &format!(", {} {:?}", short(&target.role), short(&target.name));
    }
    for text in request.texts.iter().take(4) {
        message += &format!(", text {:?}", short(text));
    }
    if let Some(place) = request.places.first() {
        message += &format!(", at {}", short(&place.to_string()));
    }
    message += ".";
    if let Some(why) = &request.why {
        message += &format!(" It says: {:?}.", short(why));
    }
    message += " People who watch the browser are asked too; the first answer counts. Allow it once?";
    ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema: schema() }
}

fn schema() -> ElicitationSchema {
    let schema = json!({
        "type": "object",
        "properties": {
            "answer": {
                "type": "string", "title": "Answer", "enum": ["yes", "no"],
                "description": "yes: this one time; no: it is not done",
            },
            "message": {
                "type": "string", "title": "A word to the agent", "maxLength": 500,
                "description": "With a no: why, or what to do instead",
            },
        },
        "required": ["answer"],
    });
    serde_json::from_value(schema).expect("a form of two fields, tested")
}

/// What the user said; nothing when they said neither yes nor no.
fn said(result: ElicitResult) -> Option<policy::Answer> {
    let content = result.content.unwrap_or_default();
    let message = content.get("message").and_then(Value::as_str).map(str::trim);
    let message = message.filter(|message| !message.is_empty()).map(str::to_owned);
    let no = Some(policy::Answer::Deny { message });
    match (result.action, content.get("answer").and_then(Value::as_str)) {
        (ElicitationAction::Accept, Some("yes")) => Some(policy::Answer::Once),
        (ElicitationAction::Accept, Some("no")) | (ElicitationAction::Decline, _) => no,
        _ => None,
    }
}

/// Asks a client of an older version in the middle of its call. Dropping this
/// tells the client that it is not asked any more.
pub(super) async fn ask(peer: &Peer<RoleServer>, question: ElicitRequestParams) -> policy::Answer {
    struct Asked(Option<RequestHandle<RoleServer>>);
    impl Drop for Asked {
        fn drop(&mut self) {
            if let (Some(asked), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
                let why = "it was answered elsewhere, or is not asked any more";
                runtime.spawn(async move { asked.cancel(Some(why.to_owned())).await });
            }
        }
    }
    let request = ServerRequest::ElicitRequest(ElicitRequest::new(question));
    match peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await {
        Ok(handle) => {
            let mut asked = Asked(Some(handle));
            let answered = match &mut asked.0 {
                Some(handle) => (&mut handle.rx).await,
                None => return std::future::pending().await,
            };
            asked.0 = None;
            match answered {
                Ok(Ok(ClientResult::ElicitResult(result))) => match said(result) {
                    Some(answer) => return answer,
                    None => {
                        tracing::debug!("an agent's client was asked and its user said neither yes nor no")
                    }
                },
                Ok(Ok(_)) => tracing::debug!("an agent's client answered something else than it was asked"),
                Ok(Err(error)) => tracing::debug!(%error, "an agent's client did not ask its user"),
                Err(_) => tracing::debug!("an agent's client went before it answered"),
            }
        }
        Err(error) => tracing::debug!(%error, "an agent's client cannot be asked"),
    }
    // It stays with the people in the room, and with its time-out.
    std::future::pending().await
}

/// A question on its way to a client that will call again with the answer.
struct Round {
    question: ElicitRequestParams,
    answer: oneshot::Sender<policy::Answer>,
}

/// What a call sees of a client that answers by calling again.
struct Link {
    /// One at a time: a call asks, then waits.
    rounds: mpsc::Sender<Round>,
    /// Where progress goes while the client waits for the call.
    told: Arc<Mutex<Option<Arc<dyn Progress>>>>,
}

/// A call that goes on between the rounds of its client. Dropping it ends it.
pub(super) struct Running {
    key: String,
    tool: String,
    arguments: JsonObject,
    task: AbortOnDropHandle<Answer>,
    rounds: mpsc::Receiver<Round>,
    told: Arc<Mutex<Option<Arc<dyn Progress>>>>,
    /// Where the answer to the question that is out goes.
    answer: Option<oneshot::Sender<policy::Answer>>,
    until: Instant,
}

/// How far a call has come when its client hears of it.
pub(super) enum Came {
    Done(Box<Answer>),
    Asks(InputRequiredResult),
}

/// The calls whose clients have been asked and have not called again. A session
/// has one at most, since its calls come one after the other, so there are no
/// more than sessions.
#[derive(Default)]
pub(super) struct Rounds(Mutex<HashMap<String, Running>>);

impl Running {
    /// Starts a call by `run`, which is given what the call sees of its client.
    pub fn start<F>(
        key: &str,
        tool: &str,
        arguments: &JsonObject,
        run: impl FnOnce(Arc<dyn Progress>) -> F,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        // A second question of one call waits until the first has been taken out.
        let (sender, rounds) = mpsc::channel(1);
        let told: Arc<Mutex<Option<Arc<dyn Progress>>>> = Arc::default();
        let link = Arc::new(Link { rounds: sender, told: Arc::clone(&told) });
        Self {
            key: key.to_owned(),
            tool: tool.to_owned(),
            arguments: arguments.clone(),
            task: AbortOnDropHandle::new(tokio::spawn(run(link))),
            rounds,
            told,
            answer: None,
            until: Instant::now() + IDLE,
        }
    }

    /// Waits with the client until there is something for it.
    pub async fn go_on(
        mut self,
        progress: Arc<dyn Progress>,
        rounds: &Rounds,
        answers: Option<InputResponses>,
    ) -> Came {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        if let Some(waits) = self.answer.take() {
            let result = answers.and_then(|mut answers| answers.remove(KEY));
            let result = result.and_then(|result| serde_json::from_value::<ElicitResult>(result).ok());
            if let Some(answer) = result.and_then(said) {
                // When somebody else was first, nobody waits for it any more.
                let _ = waits.send(answer);
            }
        }
        tokio::select! {
            biased;
            done = &mut self.task => Came::Done(Box::new(done.unwrap_or_else(|error| {
                tracing::error!(%error, "a tool's call ended without an answer");
                Answer::failed(super::answer::Fault::new("failed", "the call failed; try again"))
            }))),
            Some(Round { question, answer }) = self.rounds.recv() => {
                self.answer = Some(answer);
                *self.told.lock().unwrap_or_else(PoisonError::into_inner) = None;
                let asked = InputRequest::Elicitation(ElicitRequest::new(question));
                let state = rounds.put(self);
                Came::Asks(InputRequiredResult::new(
                    Some(InputRequests::from([(KEY.to_owned(), asked)])),
                    Some(state),
                ))
            }
        }
    }
}

impl Rounds {
    /// Keeps a call until its client calls again; gives the word by which it does.
    fn put(&self, mut running: Running) -> String {
        let mut bytes = [0; 16];
        // Without randomness another agent could guess it; the session's key stands before that too.
        getrandom::fill(&mut bytes).expect("the kernel gives randomness once it has started");
        let state = format!("{:032x}", u128::from_le_bytes(bytes));
        running.until = Instant::now() + IDLE;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(state.clone(), running);
        state
    }

    /// The call that is gone on with, if this is the same call of the same one.
    pub fn take(&self, state: &str, key: &str, tool: &str, arguments: &JsonObject) -> Option<Running> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &Running| one.key == key && one.tool == tool && one.arguments == *arguments;
        all.get(state).is_some_and(same).then(|| all.remove(state)).flatten()
    }

    /// Ends the calls whose clients have not called again.
    pub fn sweep(&self, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, running| now < running.until);
    }
}

impl Progress for Link {
    fn tell(&self, message: String) -> BoxFuture<'_, ()> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            if let Some(told) = told {
                told.tell(message).await;
            }
        })
    }

    fn elicit(&self, question: ElicitRequestParams) -> BoxFuture<'_, policy::Answer> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            if self.rounds.send(Round { question, answer }).await.is_ok()
                && let Ok(answer) = answered.await
            {
                return answer;
            }
            // Its user said neither yes nor no: it stays with the people in the room.
            std::future::pending().await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(action: &str, content: Value) -> Option<policy::Answer> {
        said(serde_json::from_value(json!({ "action": action, "content": content })).expect("a result"))
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        assert_eq!(result("accept", json!({ "answer": "yes" })), Some(policy::Answer::Once));
        for unclear in
            [json!({}), json!({ "answer": true }), json!({ "answer": "YES" }), json!("yes"), json!(null)]
        {
            assert_eq!(result("accept", unclear.clone()), None, "{unclear}");
        }
        assert_eq!(result("cancel", json!({ "answer": "yes" })), None);
        let no = |message: Option<&str>| Some(policy::Answer::Deny { message: message.map(str::to_owned) });
        assert_eq!(result("decline", json!({ "answer": "yes" })), no(None));
        assert_eq!(result("accept", json!({ "answer": "no", "message": " later " })), no(Some("later")));
    }

    #[test]
    fn the_form_is_one_that_the_protocol_knows() {
        let form = serde_json::to_value(schema()).expect("json");
        assert_eq!(form["required"], json!(["answer"]));
        assert_eq!(form["properties"]["answer"]["enum"], json!(["yes", "no"]));
    }

    #[tokio::test]
    async fn a_call_is_gone_on_with_by_the_same_one_with_the_same_arguments_and_once() {
        let rounds = Rounds::default();
        let start = || {
            Running::start("ann in main", "browser_click", &JsonObject::new(), |link| async move {
                let _: policy::Answer = link
                    .elicit(ElicitRequestParams::FormElicitationParams {
                        meta: None,
                        message: String::new(),
                        requested_schema: schema(),
                    })
                    .await;
                std::future::pending().await
            })
        };
        let untold = || Arc::new(super::super::call::Untold) as Arc<dyn Progress>;
        let Came::Asks(asks) = start().go_on(untold(), &rounds, None).await else { panic!("it asks") };
        let state = asks.request_state.expect("a state");
        let other = JsonObject::from_iter([("target".to_owned(), json!("e1"))]);
        assert!(rounds.take(&state, "bob in main", "browser_click", &JsonObject::new()).is_none());
        assert!(rounds.take(&state, "ann in main", "browser_type", &JsonObject::new()).is_none());
        assert!(rounds.take(&state, "ann in main", "browser_click", &other).is_none());
        assert!(rounds.take("other", "ann in main", "browser_click", &JsonObject::new()).is_none());
        assert!(rounds.take(&state, "ann in main", "browser_click", &JsonObject::new()).is_some());
        assert!(rounds.take(&state, "ann in main", "browser_click", &JsonObject::new()).is_none());
        let Came::Asks(_) = start().go_on(untold(), &rounds, None).await else { panic!("it asks") };
        rounds.sweep(Instant::now() + IDLE);
        assert!(rounds.0.lock().expect("whole").is_empty(), "one whose client stayed away has ended");
    }
}
