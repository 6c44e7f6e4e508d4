//! The handle to one room's agent over the Agent Client Protocol: starts the
//! process when it is first asked for, and anew when it has ended.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::line::{Incoming, Line, LineError};
use super::state::State;
use crate::base::{Actor, RoomId};
use crate::copilot::facilities::{Can, Choices};
use crate::copilot::model::{AgentState, FileView, Gone, Id, Session, Update};
use crate::copilot::opencode::Setup;
use crate::copilot::opencode::process::{find, last_words};
use crate::copilot::port::{Agent, Page, Pending, PortError, Prompt, Updates, Yes};
use crate::copilot::teller::Teller;
use crate::process::{Child, Program, spawn};

/// The first start may fetch the agent's package.
const LONGEST_START: Duration = Duration::from_secs(120);
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
/// A turn may wait for people.
const LONGEST_TURN: Duration = Duration::from_secs(24 * 3600);
const GRACE: Duration = Duration::from_millis(800);

/// One room's agent. It is started when it is first asked for.
pub(in crate::copilot) struct Acp {
    inner: Arc<Inner>,
}

struct Inner {
    setup: Setup,
    room: RoomId,
    /// Never held across an await, like the next.
    state: Mutex<(State, Teller)>,
    /// The requests that permissions answer, with the options of each.
    asked: Mutex<HashMap<Id, (Line, Value, Value)>>,
    status: watch::Sender<AgentState>,
    actor: watch::Sender<Option<Actor>>,
    /// One start at a time.
    running: tokio::sync::Mutex<Option<Running>>,
    runs: std::sync::atomic::AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The process as it is now.
#[derive(Clone)]
struct Running {
    line: Line,
    run: u64,
    /// What sessions are opened with: our tools.
    servers: Value,
    can_load: bool,
    directory: String,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn told(error: LineError) -> PortError {
    match error {
        LineError::Closed | LineError::Slow => {
            PortError::Away(format!("the agent is away: {error}; try again"))
        }
        LineError::Refused { message, .. } => PortError::Broken(message),
    }
}

impl Acp {
    pub(in crate::copilot) fn open(
        setup: Setup,
        room: RoomId,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let inner = Inner {
            setup,
            room,
            state: Mutex::default(),
            asked: Mutex::default(),
            status: watch::channel(AgentState::default()).0,
            actor: watch::channel(None).0,
            running: tokio::sync::Mutex::default(),
            runs: Default::default(),
            stop: stop.child_token(),
            tasks: tasks.clone(),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Drop for Acp {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, (State, Teller)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> (T, Vec<Update>)) -> T {
        let mut guard = self.state();
        let (state, teller) = &mut *guard;
        let (result, updates) = change(state);
        teller.tell(updates);
        result
    }

    fn tell_status(&self, status: AgentState) {
        self.status.send_replace(status.clone());
        self.state().1.tell(vec![Update::Agent { agent: status }]);
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<Id, (Line, Value, Value)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process, started if it must be.
    async fn ready(self: &Arc<Self>) -> Result<Running, PortError> {
        let mut running = self.running.lock().await;
        if let Some(running) = &*running {
            return Ok(running.clone());
        }
        if self.stop.is_cancelled() {
            return Err(PortError::Away("the agent is being stopped".into()));
        }
        self.tell_status(AgentState::Starting);
        match self.start().await {
            Ok((started, version, notice)) => {
                *running = Some(started.clone());
                self.tell_status(AgentState::Ready { version, notice });
                Ok(started)
            }
            Err(reason) => {
                self.tell_status(AgentState::Failed { reason: reason.clone() });
                Err(PortError::Away(reason))
            }
        }
    }

    async fn start(self: &Arc<Self>) -> Result<(Running, String, Option<String>), String> {
        let setup = &self.setup;
        let [name, args @ ..] = setup.acp.as_slice() else { return Err("no command is set".into()) };
        let program = find(std::path::Path::new(name)).ok_or_else(|| {
            format!("The agent's program {name} was not found; install it, or name another by --acp-command")
        })?;
        let failed = |error: &dyn std::fmt::Display| format!("The agent did not start: {error}");
        let base = setup.base(&self.room);
        let private = |path: &std::path::Path| setup.user.private_dir(path).map_err(|error| failed(&error));
        private(&base)?;
        let home = match &setup.home {
            Some(home) => home.clone(),
            None => private(&base.join("home"))?,
        };
        let directory = setup.main_directory(&self.room);
        if setup.directory.is_none() {
            private(&directory)?;
        } else if !directory.is_dir() {
            return Err(format!(
                "the directory {} is not there; make it, or choose another",
                directory.display()
            ));
        }
        let logs = match &setup.place {
            Some(place) => private(&base.join("projects").join(place))?,
            None => base.clone(),
        };
        let pipes = || pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(&error));
        let ((their_in, our_out), (our_in, their_out)): ((OwnedFd, OwnedFd), (OwnedFd, OwnedFd)) =
            (pipes()?, pipes()?);
        let mut env: Vec<(std::ffi::OsString, std::ffi::OsString)> =
            vec![("OPENCODE_DISABLE_MODELS_FETCH".into(), "1".into())];
        env.extend(setup.env.iter().cloned());
        let child = spawn(Program {
            name: "acp agent",
            program,
            args: args.iter().map(Into::into).collect(),
            env,
            home,
            user: setup.user.clone(),
            fds: vec![(their_in, 0), (their_out, 1)],
            log: logs.join("acp.log"),
            mark: setup.run_dir.clone(),
        });
        let child = child.await.map_err(|error| failed(&error))?;
        let to = pipe::Sender::from_owned_fd(our_out).map_err(|error| failed(&error))?;
        let from = pipe::Receiver::from_owned_fd(our_in).map_err(|error| failed(&error))?;
        let (line, incoming) = Line::open(from, to);
        let client = json!({ "name": "tandem", "title": "Tandem", "version": env!("CARGO_PKG_VERSION") });
        let able = json!({ "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false });
        let hello = json!({ "protocolVersion": 1, "clientCapabilities": able, "clientInfo": client });
        let welcome = match line.ask("initialize", hello, LONGEST_START).await {
            Ok(welcome) => welcome,
            Err(error) => {
                child.terminate(GRACE).await;
                return Err(format!("The agent did not start: {error}{}", last_words(&logs.join("acp.log"))));
            }
        };
        if welcome["protocolVersion"] != 1 {
            child.terminate(GRACE).await;
            return Err("the agent speaks another version of the Agent Client Protocol than 1".into());
        }
        let can = &welcome["agentCapabilities"];
        let (servers, notice) = match can.pointer("/mcpCapabilities/http") == Some(&Value::Bool(true)) {
            true => self.lend_tools().await,
            false => (json!([]), Some("it takes no MCP server over HTTP".to_owned())),
        };
        let notice = notice.map(|why| format!("it cannot use the room's browser: {why}"));
        let info = &welcome["agentInfo"];
        let text = |value: &Value| value.as_str().unwrap_or_default().chars().take(60).collect::<String>();
        let version = format!("{} {}", text(&info["name"]), text(&info["version"])).trim().to_owned();
        let run = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let running = Running {
            line: line.clone(),
            run,
            servers,
            can_load: can["loadSession"] == true,
            directory: directory.display().to_string(),
        };
        tracing::info!(room = %self.room, pid = child.pid(), version, "the agent's process speaks");
        self.tasks.spawn(Arc::clone(self).listen(child, line, incoming, run));
        Ok((running, version, notice))
    }

    async fn lend_tools(&self) -> (Value, Option<String>) {
        let minted = (self.setup.mint)(self.room.clone(), self.setup.name.clone()).await;
        match minted {
            Err(why) => (json!([]), Some(why)),
            Ok((token, actor)) => {
                self.actor.send_replace(Some(actor));
                let url = format!("{}/rooms/{}/mcp", self.setup.origin, self.room);
                let login = json!({ "name": "Authorization", "value": format!("Bearer {}", token.reveal()) });
                (json!([{ "type": "http", "name": "tandem", "url": url, "headers": [login] }]), None)
            }
        }
    }

    /// As long as the process lives.
    async fn listen(
        self: Arc<Self>,
        child: Child,
        line: Line,
        mut incoming: mpsc::Receiver<Incoming>,
        run: u64,
    ) {
        let reason = loop {
            let message = tokio::select! {
                () = self.stop.cancelled() => break "it was stopped".to_owned(),
                exit = child.exited() => break format!("it {exit}"),
                message = incoming.recv() => message,
            };
            match message {
                Some(message) => self.handle(&line, message).await,
                None => break "it closed its output".to_owned(),
            }
        };
        child.terminate(GRACE).await;
        self.asked().clear();
        self.change(|state| ((), state.handle_restart(now())));
        let mut running = self.running.lock().await;
        if running.as_ref().is_some_and(|running| running.run == run) {
            *running = None;
            let reason =
                format!("The agent's process has ended: {reason}. It is started anew when it is asked.");
            self.tell_status(AgentState::Failed { reason });
        }
    }

    async fn handle(&self, line: &Line, message: Incoming) {
        let session = |params: &Value| params["sessionId"].as_str().and_then(Id::new);
        match message {
            Incoming::Notice { method, params } if method == "session/update" => {
                if let Some(session) = session(&params) {
                    self.change(|state| ((), state.handle_update(now(), &session, &params["update"])));
                }
            }
            Incoming::Notice { method, .. } => {
                tracing::trace!(method, "an agent's word that says nothing here")
            }
            Incoming::Request { id, method, params } if method == "session/request_permission" => {
                let asked = session(&params).and_then(|session| {
                    // The way back is there before anybody can answer.
                    let mut guard = self.state();
                    let (state, teller) = &mut *guard;
                    let (permission, updates) = state.handle_permission(&session, &params)?;
                    let back = (line.clone(), id.clone(), params["options"].clone());
                    self.asked().insert(permission, back);
                    teller.tell(updates);
                    Some(())
                });
                if asked.is_none() {
                    let _ = line.answer(&id, json!({ "outcome": { "outcome": "cancelled" } })).await;
                }
            }
            Incoming::Request { id, method, .. } => {
                let _ = line.refuse(&id, -32601, &format!("{method} is not offered here")).await;
            }
        }
    }

    /// The session as this start of the process knows it.
    async fn open_session(self: &Arc<Self>, session: &Id) -> Result<Running, PortError> {
        let running = self.ready().await?;
        let known = {
            let guard = self.state();
            (guard.0.session(session).is_some(), guard.0.is_of(session, running.run))
        };
        match known {
            (false, _) => return Err(PortError::Unknown("session")),
            (true, true) => return Ok(running),
            (true, false) if !running.can_load => {
                let why = "the agent was started anew and cannot take up older sessions; begin a new one";
                return Err(PortError::Refused(why.into()));
            }
            (true, false) => {}
        }
        // What it tells of the past meanwhile is held already.
        let params = json!({ "sessionId": session, "cwd": running.directory, "mcpServers": running.servers });
        running.line.ask("session/load", params, LONGEST_ANSWER).await.map_err(told)?;
        self.change(|state| ((), state.handle_session(now(), session, None, running.run)));
        Ok(running)
    }

    async fn say(self: Arc<Self>, running: Running, session: Id, blocks: Vec<Value>) {
        let params = json!({ "sessionId": session, "prompt": blocks });
        let answer = running.line.ask("session/prompt", params, LONGEST_TURN).await;
        let fault = match answer {
            Ok(answer) => match answer["stopReason"].as_str() {
                Some("refusal") => Some("The model refused to go on.".to_owned()),
                Some("max_tokens") => {
                    Some("The answer was longer than the model may give; ask it to go on.".to_owned())
                }
                Some("max_turn_requests") => {
                    Some("The turn took more steps than it may; ask it to go on.".to_owned())
                }
                _ => None,
            },
            Err(LineError::Closed) => Some("The agent's process ended during this turn.".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        self.change(|state| ((), state.handle_end(now(), &session, fault)));
    }
}

impl Agent for Acp {
    fn state(&self) -> AgentState {
        self.inner.status.borrow().clone()
    }

    fn can(&self) -> Can {
        Can { commands: true, ..Can::default() }
    }

    fn actor(&self) -> watch::Receiver<Option<Actor>> {
        self.inner.actor.subscribe()
    }

    fn create(&self, title: Option<String>) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            let running = self.inner.ready().await?;
            let params = json!({ "cwd": running.directory, "mcpServers": running.servers });
            let made = running.line.ask("session/new", params, LONGEST_ANSWER).await.map_err(|error| {
                match error {
                    LineError::Refused { code: -32000, message } => PortError::Refused(format!(
                        "the agent wants a login: {message}. Log in with its own program as the room's user"
                    )),
                    error => told(error),
                }
            })?;
            let id = made["sessionId"].as_str().and_then(Id::new);
            let id = id.ok_or_else(|| PortError::Broken("its name for the session cannot be used".into()))?;
            self.inner.change(|state| ((), state.handle_session(now(), &id, title, running.run)));
            self.inner.state().0.session(&id).ok_or(PortError::Unknown("session"))
        })
    }

    fn list(&self, search: Option<String>, limit: usize) -> BoxFuture<'_, Result<Vec<Session>, PortError>> {
        Box::pin(async move {
            self.inner.ready().await?;
            let search = search.map(|search| search.to_lowercase());
            let fits = |session: &Session| {
                search.as_ref().is_none_or(|search| session.title.to_lowercase().contains(search))
            };
            Ok(self.inner.state().0.sessions().into_iter().filter(fits).take(limit).collect())
        })
    }

    fn resume(&self, session: Id) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move { self.inner.state().0.session(&session).ok_or(PortError::Unknown("session")) })
    }

    fn rename(&self, session: Id, title: String) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            self.inner.change(|state| ((), state.handle_title(&session, &title)));
            self.inner.state().0.session(&session).ok_or(PortError::Unknown("session"))
        })
    }

    fn delete(&self, _: Id) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async { Err(PortError::Unsupported("delete sessions")) })
    }

    fn messages(
        &self,
        session: Id,
        before: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, PortError>> {
        Box::pin(async move {
            let guard = self.inner.state();
            let page = guard.0.page(&session, before.as_deref(), limit);
            let (messages, before) = page.ok_or(PortError::Unknown("session or place in it"))?;
            Ok(Page { messages, todos: guard.0.todos(&session), before, at: guard.1.place() })
        })
    }

    fn prompt(&self, session: Id, prompt: Prompt) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            if prompt.model.is_some() || prompt.agent.is_some() {
                return Err(PortError::Unsupported("change its model or agent by prompt"));
            }
            if prompt.files.iter().any(|file| file.data.is_none()) {
                return Err(PortError::Unsupported("take files by their path; send their content"));
            }
            let running = self.inner.open_session(&session).await?;
            let busy = || {
                PortError::Refused("the agent is still at work here; wait for it, or stop it first".into())
            };
            let mut blocks = vec![];
            let mut files = vec![];
            for file in &prompt.files {
                let data = file.data.clone().unwrap_or_default();
                files.push(FileView {
                    name: file.name.clone(),
                    mime: file.mime.clone(),
                    url: format!("data:{};base64,{data}", file.mime),
                });
                blocks.push(match file.mime.starts_with("image/") {
                    true => json!({ "type": "image", "mimeType": file.mime, "data": data }),
                    false => json!({ "type": "resource", "resource": {
                        "uri": format!("file:///{}", file.name), "mimeType": file.mime, "blob": data } }),
                });
            }
            let said = self.inner.change(|state| {
                if state.works(&session) && !prompt.quiet {
                    return (None, vec![]);
                }
                let (said, updates) =
                    state.handle_prompt(now(), &session, &prompt.text, prompt.quiet, prompt.origin, files);
                (Some(said), updates)
            });
            let said = said.ok_or_else(busy)?;
            if !said.is_empty() {
                let texts = said.into_iter().map(|text| json!({ "type": "text", "text": text }));
                let all = texts.chain(blocks).collect();
                self.inner.tasks.spawn(Arc::clone(&self.inner).say(running, session, all));
            }
            Ok(())
        })
    }

    fn cancel(&self, session: Id) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let running = self.inner.open_session(&session).await?;
            running.line.tell("session/cancel", json!({ "sessionId": session })).await.map_err(told)?;
            // What it asked is answered with the same word, as the protocol wants it.
            let waits: Vec<_> = {
                let guard = self.inner.state();
                let theirs = guard.0.permissions().into_iter().filter(|one| one.session == session);
                theirs.map(|one| one.id).collect()
            };
            for id in waits {
                let gone = self.inner.change(|state| {
                    let updates = state.handle_answer(&id, Gone::Ended);
                    (updates.is_some(), updates.unwrap_or_default())
                });
                let back = self.inner.asked().remove(&id);
                if let (true, Some((line, request, _))) = (gone, back) {
                    let cancelled = json!({ "outcome": { "outcome": "cancelled" } });
                    line.answer(&request, cancelled).await.map_err(told)?;
                }
            }
            Ok(())
        })
    }

    fn pending(&self) -> BoxFuture<'_, Result<Pending, PortError>> {
        Box::pin(
            async move { Ok(Pending { permissions: self.inner.state().0.permissions(), questions: vec![] }) },
        )
    }

    fn answer_permission(
        &self,
        session: Id,
        permission: Id,
        yes: Yes,
        message: Option<String>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let waits = self.inner.change(|state| {
                let updates = state.handle_answer(&permission, Gone::Answered);
                if let (true, Some(message)) = (updates.is_some(), message) {
                    // The protocol's answer has no place for words.
                    state.handle_context(
                        &session,
                        format!("To what you asked for, the answer was no: {message}"),
                    );
                }
                (updates.is_some(), updates.unwrap_or_default())
            });
            let back = self.inner.asked().remove(&permission);
            let Some((line, request, options)) = back.filter(|_| waits) else {
                return Err(PortError::Expired(
                    "this permission no longer waits: somebody answered it, or the turn was stopped".into(),
                ));
            };
            let kinds: &[&str] = match yes {
                Yes::Once => &["allow_once"],
                Yes::Always => &["allow_always", "allow_once"],
                Yes::Reject => &["reject_once", "reject_always"],
            };
            let of = |kind: &&str| {
                let all = options.as_array().into_iter().flatten();
                all.into_iter()
                    .find(|option| option["kind"] == **kind)
                    .map(|option| option["optionId"].clone())
            };
            let outcome = match kinds.iter().find_map(of) {
                Some(option) => json!({ "outcome": "selected", "optionId": option }),
                None => json!({ "outcome": "cancelled" }),
            };
            line.answer(&request, json!({ "outcome": outcome })).await.map_err(told)
        })
    }

    fn answer_question(
        &self,
        _: Id,
        _: Id,
        _: Option<Vec<Vec<String>>>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async { Err(PortError::Expired("this question no longer waits".into())) })
    }

    fn note_record(&self, session: Id, call: String, line: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.inner.change(|state| ((), state.handle_line(&session, &call, line))) })
    }

    fn recall_records(&self, session: Id, lines: Vec<(String, u64)>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.inner.change(|state| {
                for (call, line) in lines {
                    state.handle_line(&session, &call, line);
                }
                ((), vec![])
            });
        })
    }

    fn choices(&self) -> BoxFuture<'_, Result<Choices, PortError>> {
        Box::pin(async move {
            self.inner.ready().await?;
            Ok(Choices { commands: self.inner.state().0.commands().to_vec(), ..Choices::default() })
        })
    }

    fn command(&self, session: Id, name: String, arguments: String) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            if !self.inner.state().0.commands().iter().any(|command| command.name == name) {
                return Err(PortError::Unknown("command"));
            }
            let text = format!("/{name} {arguments}").trim_end().to_owned();
            self.prompt(session, Prompt { text, ..Prompt::default() }).await
        })
    }

    fn updates(&self, after: Option<(String, u64)>) -> BoxFuture<'_, Result<Updates, PortError>> {
        Box::pin(async move { Ok(self.inner.state().1.updates(after)) })
    }
}
