//! One room's agent behind its handle: keeps its process, takes what it says,
//! and has it take up sessions of before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent_client_protocol_schema::v1::{
    CLIENT_METHOD_NAMES, ContentBlock, Error, ListSessionsRequest, LoadSessionRequest, PermissionOption,
    PermissionOptionKind, PromptRequest, RequestId, RequestPermissionOutcome, RequestPermissionResponse,
    SelectedPermissionOutcome, SetSessionConfigOptionRequest, SetSessionModeRequest, StopReason,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::content::{By, listed, settings};
use super::line::{Incoming, Line, LineError, Told};
use super::process::{self, GRACE, Running, Started};
use super::protocol::{self, Known, Opened, SetSessionModel};
use super::state::{Kind, State, Switch};
use crate::base::{Actor, RoomId};
use crate::copilot::model::{AgentState, Id, Update};
use crate::copilot::opencode::Setup;
use crate::copilot::port::PortError;
use crate::copilot::teller::Teller;
use crate::process::Child;

pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(60);
/// A turn may wait for people.
const LONGEST_TURN: Duration = Duration::from_secs(24 * 3600);
/// Pages of the agent's own list of sessions that are read.
const MOST_PAGES: usize = 10;
pub(super) const REJECT: [PermissionOptionKind; 2] =
    [PermissionOptionKind::RejectOnce, PermissionOptionKind::RejectAlways];

/// The request that a permission answers, with its options.
pub(super) type Asked = (Line, RequestId, Vec<PermissionOption>);

pub(super) struct Inner {
    pub(super) setup: Setup,
    pub(super) room: RoomId,
    /// Never held across an await, like the next.
    pub(super) state: Mutex<(State, Teller)>,
    /// The requests that permissions answer.
    pub(super) asked: Mutex<HashMap<Id, Asked>>,
    pub(super) status: watch::Sender<AgentState>,
    pub(super) actor: watch::Sender<Option<Actor>>,
    /// One start at a time.
    pub(super) running: tokio::sync::Mutex<Option<Running>>,
    /// One session is loaded at a time.
    pub(super) loading: tokio::sync::Mutex<()>,
    pub(super) runs: std::sync::atomic::AtomicU64,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

impl Inner {
    pub(super) fn new(setup: Setup, room: RoomId, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Self {
            setup,
            room,
            state: Mutex::default(),
            asked: Mutex::default(),
            status: watch::channel(AgentState::default()).0,
            actor: watch::channel(None).0,
            running: tokio::sync::Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            runs: Default::default(),
            stop,
            tasks,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, (State, Teller)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> (T, Vec<Update>)) -> T {
        let mut guard = self.state();
        let (state, teller) = &mut *guard;
        let (result, updates) = change(state);
        teller.tell(updates);
        result
    }

    pub(super) fn tell_status(&self, status: AgentState) {
        self.status.send_replace(status.clone());
        self.state().1.tell(vec![Update::Agent { agent: status }]);
    }

    pub(super) fn asked(&self) -> MutexGuard<'_, HashMap<Id, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process, started if it must be.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<Running, PortError> {
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

    pub(super) async fn start(self: &Arc<Self>) -> Result<(Running, String, Option<String>), String> {
        let run = self.runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let Started { child, told, running, version, notice, actor } =
            process::start(&self.setup, &self.room, run).await?;
        if let Some(actor) = actor {
            self.actor.send_replace(Some(actor));
        }
        tracing::info!(room = %self.room, pid = child.pid(), version, "the agent's process speaks");
        self.tasks.spawn(Arc::clone(self).listen(child, running.line.clone(), told, run));
        Ok((running, version, notice))
    }

    /// As long as the process lives.
    pub(super) async fn listen(self: Arc<Self>, child: Child, line: Line, mut told: Told, run: u64) {
        let reason = loop {
            let deadline = self.state().0.poll_timeout();
            let overdue = async {
                match deadline {
                    Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(now()))).await,
                    None => std::future::pending().await,
                }
            };
            let message = tokio::select! {
                () = self.stop.cancelled() => break "it was stopped".to_owned(),
                exit = child.exited() => break format!("it {exit}"),
                () = overdue => {
                    self.expire().await;
                    continue;
                }
                message = told.next() => message,
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

    pub(super) async fn handle(&self, line: &Line, message: Incoming) {
        match message {
            Incoming::Notice { method, params } if *method == *CLIENT_METHOD_NAMES.session_update => {
                if let Some((session, update)) = protocol::update(params)
                    && let Some(session) = Id::new(&session.0)
                {
                    self.change(|state| ((), state.handle_update(now(), &session, update)));
                }
            }
            Incoming::Notice { method, .. } => {
                tracing::debug!(%method, "an agent's word that says nothing here")
            }
            Incoming::Request { id, method, params }
                if *method == *CLIENT_METHOD_NAMES.session_request_permission =>
            {
                let permission = match protocol::permission(params) {
                    Ok(permission) => permission,
                    Err(error) => {
                        let error = Error::invalid_params().data(error.to_string());
                        let _ = line.refuse(&id, error).await;
                        return;
                    }
                };
                let asked = Id::new(&permission.session_id.0).and_then(|session| {
                    // The way back is there before anybody can answer.
                    let mut guard = self.state();
                    let (state, teller) = &mut *guard;
                    let (name, updates) = state.handle_permission(now(), &session, &permission)?;
                    self.asked().insert(name, (line.clone(), id.clone(), permission.options));
                    teller.tell(updates);
                    Some(())
                });
                if asked.is_none() {
                    let _ = line.answer(&id, outcome(&[], &[])).await;
                }
            }
            Incoming::Request { id, method, .. } => {
                let mut error = Error::method_not_found();
                error.message = format!("{method} is not offered here");
                let _ = line.refuse(&id, error).await;
            }
        }
    }

    /// What nobody answered in time is refused.
    pub(super) async fn expire(&self) {
        let over = self.change(|state| state.handle_timeout(now()));
        for permission in over {
            let back = self.asked().remove(&permission);
            if let Some((line, request, options)) = back {
                // Whose process has ended needs no answer.
                let _ = line.answer(&request, outcome(&options, &REJECT)).await;
            }
        }
    }

    /// The session as this start of the process knows it, with its messages.
    pub(super) async fn open_session(self: &Arc<Self>, session: &Id) -> Result<Running, PortError> {
        self.find(session).await?;
        let running = self.ready().await?;
        // Two who come at once have it loaded once.
        let _loading = self.loading.lock().await;
        let (is_of_now, is_elsewhere) = {
            let guard = self.state();
            (guard.0.is_of(session, running.run), guard.0.is_elsewhere(session))
        };
        match (is_of_now, is_elsewhere) {
            (_, None) => return Err(PortError::Unknown("session")),
            (true, Some(false)) => return Ok(running),
            _ if !running.can.load => {
                let why = "the agent was started anew and cannot take up older sessions; begin a new one";
                return Err(PortError::Refused(why.into()));
            }
            _ => {}
        }
        self.state().0.handle_loading(session);
        let request = LoadSessionRequest::new(session.to_string(), &running.directory)
            .mcp_servers(running.servers.clone());
        let loaded = running.line.ask_in_order(request, LONGEST_ANSWER).await;
        self.change(|state| {
            let mut updates = state.handle_loaded(session, loaded.is_ok().then_some(running.run));
            if let Ok(Opened { answer, models }) = &loaded {
                let options = answer.config_options.as_deref().unwrap_or_default();
                let told = settings(options, answer.modes.as_ref(), models.as_ref());
                updates.extend(state.handle_settings(session, told, false));
            }
            ((), updates)
        });
        loaded.map_err(|error| match error {
            LineError::Refused { message, .. } => PortError::Refused(format!(
                "the agent cannot take up this session: {message}. It may have been deleted elsewhere"
            )),
            error => told(error),
        })?;
        Ok(running)
    }

    /// Makes sure that a session is known, also one of before this start of ours.
    pub(super) async fn find(self: &Arc<Self>, session: &Id) -> Result<(), PortError> {
        if self.state().0.session(session).is_none() {
            self.list_theirs().await?;
        }
        self.state().0.session(session).map(drop).ok_or(PortError::Unknown("session"))
    }

    /// Asks the agent which sessions it has, if it can tell.
    pub(super) async fn list_theirs(self: &Arc<Self>) -> Result<(), PortError> {
        let running = self.ready().await?;
        if !running.can.list {
            return Ok(());
        }
        let (mut all, mut cursor) = (vec![], None::<String>);
        for _ in 0..MOST_PAGES {
            let request = ListSessionsRequest::new().cwd(std::path::PathBuf::from(&running.directory));
            match running.line.ask(request.cursor(cursor.take()), LONGEST_ANSWER).await {
                Ok(answer) => {
                    let (found, next) = listed(answer, &running.directory);
                    all.extend(found);
                    cursor = next;
                }
                Err(error @ (LineError::Refused { .. } | LineError::Unclear(_))) => {
                    tracing::warn!(room = %self.room, %error, "the agent does not list its sessions");
                    return Ok(());
                }
                Err(error) => return Err(told(error)),
            }
            if cursor.is_none() {
                break;
            }
        }
        self.change(|state| ((), state.handle_listed(now(), all, cursor.is_none())));
        Ok(())
    }

    /// Has the session go on with another model or in another way.
    pub(super) async fn switch(
        &self,
        running: &Running,
        session: &Id,
        kind: Kind,
        value: &str,
    ) -> Result<(), PortError> {
        let by = match self.state().0.switch(session, kind, value) {
            Switch::Same => return Ok(()),
            Switch::By(by) => by,
            Switch::None(some) => {
                let what = if kind == Kind::Model { "model" } else { "agent" };
                let value: String = value.chars().take(80).collect();
                return Err(PortError::Refused(match some.is_empty() {
                    true => format!("this agent lets nobody choose its {what}"),
                    false => format!(
                        "there is no {what} {value:?}; choose one of the list, such as {}",
                        some.join(", ")
                    ),
                }));
            }
        };
        let (line, id) = (&running.line, session.to_string());
        let options = match by {
            By::Option(option) => {
                let request = SetSessionConfigOptionRequest::new(id, option, value);
                let answer = line.ask(request, LONGEST_ANSWER).await.map_err(told)?;
                answer.known().map(|answer| answer.config_options).unwrap_or_default()
            }
            By::Mode => {
                let request = SetSessionModeRequest::new(id, value.to_owned());
                line.ask(request, LONGEST_ANSWER).await.map_err(told)?;
                vec![]
            }
            By::Model => {
                let request = SetSessionModel { session_id: id.into(), model_id: value.to_owned() };
                line.ask(request, LONGEST_ANSWER).await.map_err(told)?;
                vec![]
            }
        };
        self.change(|state| {
            let mut updates = state.handle_settings(session, settings(&options, None, None), false);
            updates.extend(state.handle_switched(session, kind, value));
            ((), updates)
        });
        Ok(())
    }

    pub(super) async fn say(self: Arc<Self>, running: Running, session: Id, blocks: Vec<ContentBlock>) {
        let request = PromptRequest::new(session.to_string(), blocks);
        let fault = match running.line.ask_in_order(request, LONGEST_TURN).await {
            Ok(turned) => match turned.stop_reason {
                Known::Known(StopReason::Refusal) => Some("The model refused to go on.".to_owned()),
                Known::Known(StopReason::MaxTokens) => {
                    Some("The answer was longer than the model may give; ask it to go on.".to_owned())
                }
                Known::Known(StopReason::MaxTurnRequests) => {
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

pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn told(error: LineError) -> PortError {
    match error {
        LineError::Refused { message, .. } => PortError::Broken(message),
        LineError::Unclear(_) => PortError::Broken(error.to_string()),
        LineError::Closed | LineError::Slow => {
            PortError::Away(format!("the agent is away: {error}; try again"))
        }
    }
}

/// The answer to a permission: the first of its options that is of one of these kinds.
pub(super) fn outcome(
    options: &[PermissionOption],
    kinds: &[PermissionOptionKind],
) -> RequestPermissionResponse {
    let of = |kind: &PermissionOptionKind| options.iter().find(|option| option.kind == *kind);
    RequestPermissionResponse::new(match kinds.iter().find_map(of) {
        Some(option) => {
            RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(option.option_id.clone()))
        }
        None => RequestPermissionOutcome::Cancelled,
    })
}
