//! The handle to one room's OpenCode: the port's calls as its requests.

use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::convert;
use super::driver::{Command, Driver, Told, told};
use super::events::SessionInfo;
use super::facilities::{ModelName, file_parts};
use super::process::Setup;
use super::reducer::Reducer;
use crate::base::{Actor, RoomId};
use crate::copilot::facilities::{Can, Choices, Diff};
use crate::copilot::model::{AgentState, Id, Origin, Session, Update};
use crate::copilot::place::homeless;
use crate::copilot::port::{Agent, Attachment, Page, Pending, PortError, Prompt, Updates, Yes};
use crate::copilot::teller::Teller;

/// How long somebody waits for the agent to be there.
const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// One room's OpenCode. It is started when it is first asked for, and ends with the last handle.
pub struct OpenCode {
    /// 64 commands wait at most; who sends one more waits for a place.
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<AgentState>,
    client: watch::Receiver<Option<Client>>,
    actor: watch::Receiver<Option<Actor>>,
}

impl OpenCode {
    pub fn open(setup: Setup, room: RoomId, stop: CancellationToken, tasks: &TaskTracker) -> Self {
        let (commands, queue) = mpsc::channel(64);
        let (state, state_seen) = watch::channel(AgentState::default());
        let (client, client_seen) = watch::channel(None);
        let (actor, actor_seen) = watch::channel(None);
        tasks.spawn(Driver::new(setup, room, queue, Told { state, client, actor }, stop).drive());
        Self { commands, state: state_seen, client: client_seen, actor: actor_seen }
    }

    async fn command(&self, command: Command) -> Result<(), PortError> {
        self.commands.send(command).await.map_err(|_| stopping())
    }

    /// The way to it, after it was started if it must be.
    async fn ready(&self) -> Result<Client, PortError> {
        if let Some(client) = self.client.borrow().clone() {
            return Ok(client);
        }
        let (mut state, mut client) = (self.state.clone(), self.client.clone());
        // A failure of before does not count for who asks now.
        state.mark_unchanged();
        self.command(Command::Wake).await?;
        let failed = async {
            loop {
                if state.changed().await.is_err() {
                    return stopping();
                }
                if let AgentState::Failed { reason } = &*state.borrow() {
                    return PortError::Away(reason.clone());
                }
            }
        };
        let there = async {
            let found = client.wait_for(Option::is_some).await.ok().and_then(|client| client.clone());
            found.ok_or_else(stopping)
        };
        tokio::select! {
            there = there => there,
            why = failed => Err(why),
            () = tokio::time::sleep(LONGEST_WAIT) => {
                Err(PortError::Away("the agent is still starting; try again in a moment".into()))
            }
        }
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reducer) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        self.look_at_once(move |reducer, _| look(reducer)).await
    }

    /// The same, with the last update that was told of what is looked at.
    async fn look_at_once<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Reducer, &Teller) -> T + Send + 'static,
    ) -> Result<T, PortError> {
        let (reply, answer) = oneshot::channel();
        let look =
            Box::new(move |reducer: &Reducer, teller: &Teller| drop(reply.send(look(reducer, teller))));
        self.command(Command::Look(look)).await?;
        answer.await.map_err(|_| stopping())
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Reducer) -> (T, Vec<Update>) + Send + 'static,
    ) -> Result<T, PortError> {
        let (reply, answer) = oneshot::channel();
        let change = Box::new(move |reducer: &mut Reducer| {
            let (told, updates) = change(reducer);
            let _ = reply.send(told);
            updates
        });
        self.command(Command::Change(change)).await?;
        answer.await.map_err(|_| stopping())
    }

    /// Takes what OpenCode answered about a session, whose event may still come.
    async fn see(&self, info: SessionInfo) -> Result<Session, PortError> {
        let id = info.id.clone();
        let seen = self.change(move |reducer| {
            let updates = reducer.handle_session(info);
            (reducer.session(&id), updates)
        });
        seen.await?.ok_or(PortError::Unknown("session"))
    }

    async fn follow(&self, session: &Id) -> Result<Session, PortError> {
        let id = session.clone();
        let held = self.look(move |reducer| reducer.is_followed(&id).then(|| reducer.session(&id)).flatten());
        if let Some(session) = held.await? {
            return Ok(session);
        }
        let (reply, answer) = oneshot::channel();
        self.command(Command::Follow { session: session.clone(), reply }).await?;
        answer.await.map_err(|_| stopping())?
    }
}

fn stopping() -> PortError {
    PortError::Away("the agent is being stopped".into())
}

/// A session that the state does not hold, as it is by itself.
fn alone(info: SessionInfo) -> Session {
    convert::session(info)
}

impl Agent for OpenCode {
    fn state(&self) -> AgentState {
        self.state.borrow().clone()
    }

    fn can(&self) -> Can {
        Can {
            fork: true,
            revert: true,
            summarise: true,
            commands: true,
            models: true,
            files: true,
            diff: true,
        }
    }

    fn actor(&self) -> watch::Receiver<Option<Actor>> {
        self.actor.clone()
    }

    fn create(&self, title: Option<String>) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let body = title.map_or_else(|| json!({}), |title| json!({ "title": title }));
            let info: SessionInfo =
                client.tell(Method::POST, "/session", &body).await.map_err(|error| told(error, "session"))?;
            let id = info.id.clone();
            self.follow(&id).await
        })
    }

    fn list(&self, search: Option<String>, limit: usize) -> BoxFuture<'_, Result<Vec<Session>, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let mut found =
                client.sessions(search.as_deref()).await.map_err(|error| told(error, "session"))?;
            found.truncate(limit);
            self.look(move |reducer| {
                let one = |info: SessionInfo| reducer.session(&info.id).unwrap_or_else(|| alone(info));
                found.into_iter().map(one).collect()
            })
            .await
        })
    }

    fn resume(&self, session: Id) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            self.ready().await?;
            self.follow(&session).await
        })
    }

    fn rename(&self, session: Id, title: String) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let path = format!("/session/{session}");
            let changed = client.tell(Method::PATCH, &path, &json!({ "title": title })).await;
            let info: SessionInfo = changed.map_err(|error| told(error, "session"))?;
            let mut own = alone(info);
            let held = self.look(move |reducer| reducer.session(&session)).await?;
            if let Some(held) = held {
                let title = std::mem::take(&mut own.title);
                own = Session { title, updated: own.updated, ..held };
            }
            Ok(own)
        })
    }

    fn note_record(&self, session: Id, call: String, line: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let noted = self.change(move |reducer| ((), reducer.handle_line(&session, &call, line)));
            if noted.await.is_err() {
                tracing::debug!("a call's line came after its agent ended");
            }
        })
    }

    fn recall_records(&self, session: Id, lines: Vec<(String, u64)>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let known = self.change(move |reducer| {
                for (call, line) in lines {
                    reducer.handle_line(&session, &call, line);
                }
                ((), vec![])
            });
            if known.await.is_err() {
                tracing::debug!("calls' lines came after their agent ended");
            }
        })
    }

    fn fork(&self, session: Id, message: Option<Id>) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let forked = client.fork(&session, message.as_ref()).await;
            let info = forked.map_err(|error| told(error, "session or message"))?;
            self.follow(&info.id).await
        })
    }

    fn revert(&self, session: Id, message: Id) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            self.follow(&session).await?;
            let (messages, _) = client
                .messages(&session, None, 100)
                .await
                .map_err(|error| told(error, "session or message"))?;
            // OpenCode takes any id and does nothing about one that it does not know.
            if !messages.iter().any(|one| one.info.id == message) {
                return Err(PortError::Unknown("message among the newest hundred"));
            }
            let reverted = client.revert(&session, &message).await;
            self.see(reverted.map_err(|error| told(error, "session or message"))?).await
        })
    }

    fn unrevert(&self, session: Id) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            self.follow(&session).await?;
            self.see(client.unrevert(&session).await.map_err(|error| told(error, "session"))?).await
        })
    }

    fn summarise(&self, session: Id) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let known = self.follow(&session).await?;
            let model = match known.model {
                Some(model) => model,
                None => {
                    let models = client.choices().await?.models;
                    let usual = models.iter().find(|model| model.default).or(models.first());
                    let none =
                        || PortError::Refused("OpenCode has no model: give it the key of a provider".into());
                    usual.ok_or_else(none)?.id.clone()
                }
            };
            let ModelName { provider, model } = client.model(&model).await?;
            let body = json!({ "providerID": provider, "modelID": model });
            client.begin(format!("/session/{session}/summarize"), body);
            Ok(())
        })
    }

    fn children(&self, session: Id) -> BoxFuture<'_, Result<Vec<Session>, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let found = client.children(&session).await.map_err(|error| told(error, "session"))?;
            self.look(move |reducer| {
                let one = |info: SessionInfo| reducer.session(&info.id).unwrap_or_else(|| alone(info));
                found.into_iter().map(one).collect()
            })
            .await
        })
    }

    fn diff(&self, session: Id) -> BoxFuture<'_, Result<Diff, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            client.session(&session).await.map_err(|error| told(error, "session"))?;
            client.diff(&session).await.map_err(|error| told(error, "session"))
        })
    }

    fn choices(&self) -> BoxFuture<'_, Result<Choices, PortError>> {
        Box::pin(async move { self.ready().await?.choices().await })
    }

    fn command(
        &self,
        session: Id,
        name: String,
        arguments: String,
        files: Vec<Attachment>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            self.follow(&session).await?;
            client.command_exists(&name).await?;
            let parts = file_parts(&client, files).await?;
            let body = json!({ "command": name, "arguments": arguments, "parts": parts });
            client.begin(format!("/session/{session}/command"), body);
            Ok(())
        })
    }

    fn files(&self, query: String, limit: usize) -> BoxFuture<'_, Result<Vec<String>, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            client.files(&query, limit).await.map_err(|error| told(error, "directory"))
        })
    }

    fn delete(&self, session: Id) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let gone = client.order(Method::DELETE, &format!("/session/{session}"), &Value::Null).await;
            gone.map_err(|error| told(error, "session"))?;
            self.change(move |reducer| ((), reducer.handle_deletion(&session))).await
        })
    }

    fn messages(
        &self,
        session: Id,
        before: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            self.follow(&session).await?;
            let read = client.messages(&session, before.as_deref(), limit).await;
            let (messages, next) = read.map_err(|error| told(error, "session or place in it"))?;
            let is_newest = before.is_none();
            self.look_at_once(move |reducer, teller| {
                let messages = match is_newest {
                    true => reducer.newest_page(&session, messages),
                    false => reducer.older_page(&session, messages),
                };
                Page { messages, todos: reducer.todos(&session), before: next, at: teller.place() }
            })
            .await
        })
    }

    fn prompt(&self, session: Id, prompt: Prompt) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            if client.is_homeless().await {
                return Err(homeless(&client.directory().display()));
            }
            // Nothing of the answer may come before it is followed.
            self.follow(&session).await?;
            let mut text = json!({ "type": "text", "text": prompt.text });
            if prompt.origin == Some(Origin::Room) {
                text["metadata"] = json!({ "tandem": "room" });
            }
            let mut parts = vec![text];
            parts.extend(file_parts(&client, prompt.files).await?);
            let mut body = json!({ "parts": parts, "noReply": prompt.quiet });
            if let Some(model) = prompt.model {
                let ModelName { provider, model } = client.model(&model).await?;
                body["model"] = json!({ "providerID": provider, "modelID": model });
            }
            if let Some(agent) = prompt.agent {
                client.agent(&agent).await?;
                body["agent"] = agent.into();
            }
            let path = format!("/session/{session}/prompt_async");
            client.order(Method::POST, &path, &body).await.map_err(|error| told(error, "session"))
        })
    }

    fn cancel(&self, session: Id) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let path = format!("/session/{session}/abort");
            client.order(Method::POST, &path, &json!({})).await.map_err(|error| told(error, "session"))
        })
    }

    fn pending(&self) -> BoxFuture<'_, Result<Pending, PortError>> {
        Box::pin(async move {
            self.look(|reducer| Pending {
                permissions: reducer.permissions().cloned().collect(),
                questions: reducer.questions().cloned().collect(),
            })
            .await
        })
    }

    fn answer_permission(
        &self,
        session: Id,
        permission: Id,
        yes: Yes,
        message: Option<String>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let id = permission.clone();
            let waits = self.change(move |reducer| {
                let ours =
                    |one: &crate::copilot::model::Permission| one.session == session || one.root == session;
                let waits = reducer.permission(&id).is_some_and(ours);
                (waits, if waits { reducer.handle_answer(&id) } else { vec![] })
            });
            if !waits.await? {
                return Err(PortError::Expired(
                    "this permission no longer waits: somebody answered it, or the turn was stopped".into(),
                ));
            }
            let mut body = json!({ "reply": match yes {
                Yes::Once => "once",
                Yes::Always => "always",
                Yes::Reject => "reject",
            } });
            if let Some(message) = message {
                body["message"] = message.into();
            }
            let path = format!("/permission/{permission}/reply");
            client.order(Method::POST, &path, &body).await.map_err(|error| told(error, "permission"))
        })
    }

    fn answer_question(
        &self,
        session: Id,
        question: Id,
        answers: Option<Vec<Vec<String>>>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let client = self.ready().await?;
            let (id, given) = (question.clone(), answers.as_ref().map(Vec::len));
            let waits = self.change(move |reducer| {
                let asked = reducer.question(&id).filter(|one| one.session == session || one.root == session);
                let asked = asked.map(|one| one.items.len());
                let fits = asked.is_some() && given.is_none_or(|given| Some(given) == asked);
                (asked, if fits { reducer.handle_answer(&id) } else { vec![] })
            });
            match waits.await? {
                None => {
                    let why = "this question no longer waits: somebody answered it, or the turn was stopped";
                    return Err(PortError::Expired(why.into()));
                }
                Some(asked) if given_differs(answers.as_ref(), asked) => {
                    return Err(PortError::Refused(format!(
                        "{asked} answers are wanted, one list for each item"
                    )));
                }
                Some(_) => {}
            }
            let (path, body) = match answers {
                Some(answers) => (format!("/question/{question}/reply"), json!({ "answers": answers })),
                None => (format!("/question/{question}/reject"), json!({})),
            };
            client.order(Method::POST, &path, &body).await.map_err(|error| told(error, "question"))
        })
    }

    fn updates(&self, after: Option<(String, u64)>) -> BoxFuture<'_, Result<Updates, PortError>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.command(Command::Subscribe { after, reply }).await?;
            answer.await.map_err(|_| stopping())
        })
    }
}

fn given_differs(answers: Option<&Vec<Vec<String>>>, asked: usize) -> bool {
    answers.is_some_and(|answers| answers.len() != asked)
}
