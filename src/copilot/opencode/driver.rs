//! One task for one room's agent: starts the process when it is first asked
//! for, holds the state, brings it back after a crash, numbers the updates.
//!
//! ```text
//!  off ─ asked ─▶ starting ─▶ ready ─ crash, silence ─▶ restarting ─▶ starting
//!   ▲                │ a person must act, or five tries failed
//!   └──── asked ── failed
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::client::{Client, ClientError};
use super::events::{Event, Known};
use super::process::{self, Running, Setup};
use super::reducer::{Overdue, Reducer};
use crate::base::{Actor, RoomId};
use crate::copilot::model::{AgentState, Id, Session, Update};
use crate::copilot::port::{PortError, Updates};
use crate::copilot::teller::Teller;

/// Events that wait for the driver; when they are more, OpenCode's socket waits.
const EVENTS: usize = 1024;
/// After so many failures in a row somebody has to ask anew.
const TRIES: u32 = 5;
/// Who lived so long has not failed in a row.
const LIVED: Duration = Duration::from_secs(60);
/// How long the process may take to end.
const GRACE: Duration = Duration::from_millis(800);
/// A tool of ours may wait for a person: for help, or a yes.
const MCP_TIMEOUT: Duration = Duration::from_secs(6 * 3600);

/// What somebody's deed does to the state, and what is told of it.
type Change = Box<dyn FnOnce(&mut Reducer) -> Vec<Update> + Send>;

/// A look at the state and at what was told of it, in one step.
type Look = Box<dyn FnOnce(&Reducer, &Teller) + Send>;

/// What the driver is asked.
pub(super) enum Command {
    /// Somebody wants the agent.
    Wake,
    Look(Look),
    Change(Change),
    /// Reads a session with its newest messages, and holds them from here on.
    Follow {
        session: Id,
        reply: oneshot::Sender<Result<Session, PortError>>,
    },
    Subscribe {
        after: Option<(String, u64)>,
        reply: oneshot::Sender<Updates>,
    },
}

pub(super) struct Driver {
    setup: Setup,
    room: RoomId,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<AgentState>,
    client: watch::Sender<Option<Client>>,
    actor: watch::Sender<Option<Actor>>,
    stop: CancellationToken,
    reducer: Reducer,
    /// Asked for but not yet read; as many as commands come.
    follows: VecDeque<(Id, oneshot::Sender<Result<Session, PortError>>)>,
    woken: bool,
    teller: Teller,
}

/// Where the driver says how things are.
pub(super) struct Told {
    pub(super) state: watch::Sender<AgentState>,
    pub(super) client: watch::Sender<Option<Client>>,
    pub(super) actor: watch::Sender<Option<Actor>>,
}

/// The program ends, or nobody has a handle any more.
struct Stopped;

impl Driver {
    pub(super) fn new(
        setup: Setup,
        room: RoomId,
        commands: mpsc::Receiver<Command>,
        told: Told,
        stop: CancellationToken,
    ) -> Self {
        let Told { state, client, actor } = told;
        Self {
            setup,
            room,
            commands,
            state,
            client,
            actor,
            stop,
            reducer: Reducer::default(),
            follows: VecDeque::new(),
            woken: false,
            teller: Teller::default(),
        }
    }

    pub(super) async fn drive(mut self) {
        // Ends only when it is stopped.
        let _ = self.run().await;
    }

    async fn run(&mut self) -> Result<(), Stopped> {
        loop {
            while !self.woken {
                self.serve(std::future::pending::<()>()).await?;
            }
            let reason = self.keep_up().await?;
            tracing::warn!(room = %self.room, reason, "the agent stays away");
            self.woken = false;
            self.refuse_follows(&reason);
            self.tell_state(AgentState::Failed { reason });
        }
    }

    /// Keeps the process up; returns why it no longer tries.
    async fn keep_up(&mut self) -> Result<String, Stopped> {
        let mut failures = 0;
        let mut restarted = false;
        if !matches!(*self.state.borrow(), AgentState::Restarting { .. }) {
            self.tell_state(AgentState::Starting);
        }
        loop {
            let (setup, room) = (self.setup.clone(), self.room.clone());
            let reason = match self.serve_until(async move { process::start(&setup, &room).await }).await? {
                Err(error) if error.is_final() => return Ok(error.to_string()),
                Err(error) => error.to_string(),
                Ok(running) => {
                    let since = Instant::now();
                    let pid = running.pid();
                    tracing::info!(room = %self.room, pid, version = running.version, "the agent's process listens");
                    let ended = self.live(&running, restarted).await;
                    self.client.send_replace(None);
                    running.terminate(GRACE).await;
                    restarted = true;
                    if since.elapsed() >= LIVED {
                        failures = 0;
                    }
                    let Ended { reason, hopeless } = ended?;
                    if hopeless {
                        return Ok(reason);
                    }
                    reason
                }
            };
            failures += 1;
            if failures >= TRIES {
                return Ok(format!("{reason}. It was tried {TRIES} times; ask again to try anew."));
            }
            tracing::warn!(room = %self.room, reason, "the agent is started again");
            self.tell_state(AgentState::Restarting { reason });
            let pause = Duration::from_millis(250) * 4_u32.pow(failures - 1);
            self.serve_until(tokio::time::sleep(pause)).await?;
        }
    }

    /// As long as one process lives. Returns why that is over.
    async fn live(&mut self, running: &Running, mut restarted: bool) -> Result<Ended, Stopped> {
        let client = running.client.clone();
        let notice = match self.lend_tools(&client).await? {
            Ok(notice) => notice,
            Err(error) => return Ok(Ended::by(&error)),
        };
        let mut missed = 0;
        loop {
            let reason = match self.listen(running, &client, &notice, &mut restarted, &mut missed).await? {
                Over::Exit(ended) => return Ok(ended),
                Over::Stream(reason) => reason,
            };
            if missed >= TRIES {
                return Ok(Ended { reason, hopeless: false });
            }
            missed += 1;
            self.client.send_replace(None);
            self.tell_state(AgentState::Restarting { reason });
            let pause = tokio::time::sleep(Duration::from_millis(100) * 4_u32.pow(missed - 1));
            self.serve_until(pause).await?;
        }
    }

    /// Gives it the room's browser. `Ok(Some(_))` says why it goes without.
    async fn lend_tools(&mut self, client: &Client) -> Result<Result<Option<String>, ClientError>, Stopped> {
        let url = format!("{}/rooms/{}/mcp", self.setup.origin, self.room);
        let (mint, room, client) = (Arc::clone(&self.setup.mint), self.room.clone(), client.clone());
        let (name, actor) = (self.setup.name.clone(), self.actor.clone());
        let lent = async move {
            match mint(room, name).await {
                Ok((token, minted)) => {
                    // Before its first call, so that this is known for one of a conversation.
                    actor.send_replace(Some(minted));
                    client.add_mcp("tandem", &url, &token, MCP_TIMEOUT).await
                }
                Err(why) => Ok(Some(why)),
            }
        };
        let lent = self.serve_until(lent).await?;
        Ok(lent.map(|why| why.map(|why| format!("it cannot use the room's browser: {why}"))))
    }

    async fn listen(
        &mut self,
        running: &Running,
        client: &Client,
        notice: &Option<String>,
        restarted: &mut bool,
        missed: &mut u32,
    ) -> Result<Over, Stopped> {
        let opened = client.clone();
        let opened = self.serve_until(async move { opened.events().await }).await?;
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return Ok(self.over(running, &error)),
        };
        let (sender, mut events) = mpsc::channel(EVENTS);
        let reader = tokio::spawn(async move {
            loop {
                let event = stream.next().await;
                let ends = event.is_err();
                if sender.send(event).await.is_err() || ends {
                    return;
                }
            }
        });
        let _reader = AbortOnDrop(reader);
        // The stream is open, so what happens while this is read comes after it.
        let (reading, followed) = (client.clone(), self.reducer.followed());
        let snapshot = match self.serve_until(async move { reading.snapshot(followed).await }).await? {
            Ok(snapshot) => snapshot,
            Err(error) => return Ok(self.over(running, &error)),
        };
        let updates = self.reducer.restore(snapshot, *restarted, Instant::now());
        *restarted = false;
        self.tell(updates);
        self.client.send_replace(Some(client.clone()));
        // Of no importance to the rest: without it nobody knows how full the model is.
        let reading = client.clone();
        let limits = tokio::spawn(async move { reading.limits().await });
        let mut limits = Some(limits);
        self.tell_state(AgentState::Ready { version: running.version.clone(), notice: notice.clone() });
        let exited = running.exited();
        tokio::pin!(exited);
        loop {
            while let Some((session, reply)) = self.follows.pop_front() {
                let followed = self.follow(client, session).await?;
                // Who asked may have gone.
                let _ = reply.send(followed);
            }
            let event = tokio::select! {
                exit = &mut exited => {
                    return Ok(Over::Exit(Ended { reason: format!("OpenCode {exit}"), hopeless: false }));
                },
                event = events.recv() => event,
                read = async { limits.as_mut().expect("polled while there is one").await }, if limits.is_some() => {
                    limits = None;
                    if let Ok(Ok(read)) = read {
                        let updates = self.reducer.handle_limits(read);
                        self.tell(updates);
                    }
                    continue;
                }
                served = self.serve_one() => {
                    served?;
                    continue;
                }
            };
            match event {
                Some(Ok(event)) => {
                    *missed = 0;
                    let disposed =
                        matches!(&event, Event::Known(known) if matches!(**known, Known::Disposed {}));
                    if let Event::Unknown { kind } = &event {
                        tracing::trace!(room = %self.room, kind, "an event of a kind that says nothing here");
                    }
                    let updates = self.reducer.handle(event, Instant::now());
                    self.tell(updates);
                    if disposed && let Err(error) = self.lend_tools(client).await? {
                        return Ok(self.over(running, &error));
                    }
                }
                Some(Err(error)) => return Ok(self.over(running, &error)),
                None => return Ok(Over::Stream("OpenCode's events ended".into())),
            }
        }
    }

    fn over(&self, running: &Running, error: &ClientError) -> Over {
        let ended = Ended::by(error);
        if running.is_running() && !ended.hopeless && !matches!(error, ClientError::Refused { .. }) {
            Over::Stream(ended.reason)
        } else {
            Over::Exit(ended)
        }
    }

    async fn follow(&mut self, client: &Client, session: Id) -> Result<Result<Session, PortError>, Stopped> {
        let (reading, id) = (client.clone(), session.clone());
        let read = async move { Ok((reading.session(&id).await?, reading.transcript(id).await?)) };
        Ok(match self.serve_until(read).await? {
            Ok((info, transcript)) => {
                let updates = self.reducer.follow(info, transcript);
                self.tell(updates);
                self.reducer.session(&session).ok_or(PortError::Unknown("session"))
            }
            Err(error) => Err(told(error, "session")),
        })
    }

    // --- Serving while something else goes on ---------------------------

    /// Serves until the work is done.
    async fn serve_until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stopped> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                served = self.serve_one() => served?,
            }
        }
    }

    /// Serves one command, or until the future is done.
    async fn serve(&mut self, work: impl Future<Output = ()>) -> Result<(), Stopped> {
        tokio::select! {
            () = work => Ok(()),
            served = self.serve_one() => served,
        }
    }

    /// One command or one timeout. Safe to drop at its await.
    async fn serve_one(&mut self) -> Result<(), Stopped> {
        let timeout = self.reducer.poll_timeout();
        let overdue = async {
            match timeout {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let command = tokio::select! {
            () = self.stop.cancelled() => return Err(Stopped),
            command = self.commands.recv() => command.ok_or(Stopped)?,
            () = overdue => {
                self.expire();
                return Ok(());
            }
        };
        match command {
            Command::Wake => self.woken = true,
            Command::Look(look) => look(&self.reducer, &self.teller),
            Command::Change(change) => {
                let updates = change(&mut self.reducer);
                self.tell(updates);
            }
            Command::Follow { session, reply } => self.follows.push_back((session, reply)),
            Command::Subscribe { after, reply } => {
                let _ = reply.send(self.teller.updates(after));
            }
        }
        Ok(())
    }

    fn refuse_follows(&mut self, reason: &str) {
        for (_, reply) in self.follows.drain(..) {
            let _ = reply.send(Err(PortError::Away(reason.to_owned())));
        }
    }

    fn expire(&mut self) {
        let (updates, overdue) = self.reducer.handle_timeout(Instant::now());
        self.tell(updates);
        let Some(client) = self.client.borrow().clone() else { return };
        // At most as many as can wait at once; each has its deadline.
        tokio::spawn(async move {
            for one in overdue {
                let (path, body) = match one {
                    Overdue::Permission { id, .. } => {
                        (format!("/permission/{id}/reply"), json!({ "reply": "reject" }))
                    }
                    Overdue::Question { id } => (format!("/question/{id}/reject"), json!({})),
                };
                if let Err(error) = client.order(Method::POST, &path, &body).await {
                    tracing::debug!(%error, "could not withdraw what nobody answered");
                }
            }
        });
    }

    // --- Telling ----------------------------------------------------------

    fn tell_state(&mut self, state: AgentState) {
        if *self.state.borrow() == state {
            return;
        }
        self.state.send_replace(state.clone());
        self.tell(vec![Update::Agent { agent: state }]);
    }

    fn tell(&mut self, updates: Vec<Update>) {
        self.teller.tell(updates);
    }
}

/// Why a stream of events is over.
enum Over {
    /// The process is, or is to be.
    Exit(Ended),
    Stream(String),
}

/// Why a process is of no more use.
struct Ended {
    reason: String,
    /// Only a person can change it: trying again does not.
    hopeless: bool,
}

impl Ended {
    fn by(error: &ClientError) -> Self {
        let hopeless = matches!(error, ClientError::Configuration(_));
        Self { reason: format!("OpenCode: {error}"), hopeless }
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A client's error as the port's.
pub(super) fn told(error: ClientError, what: &'static str) -> PortError {
    match error {
        ClientError::NotFound => PortError::Unknown(what),
        ClientError::Unreachable(_) | ClientError::Slow | ClientError::Silent => {
            PortError::Away(format!("the agent is away: {error}; it is brought back, try again"))
        }
        ClientError::Refused { status: 400..=499, said } => PortError::Refused(said),
        other => PortError::Broken(other.to_string()),
    }
}
