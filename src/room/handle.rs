//! The way into a room for everybody who is not its driver: commands with a
//! reply slot go in, the view and the facts come out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::camera::Camera;
use super::help::HelpEnd;
use super::port::{Room, RoomError, ViewerKind, ViewerSeat};
use super::record::Recorder;
use super::rulebook::Rulebook;
use super::secrets::Secrets;
use super::{
    FloorAsk, HelpAnswer, HelpTask, Person, Reach, Rest, RoomDetails, RoomEvent, RoomSpec, RoomView,
};
use crate::base::{Actor, ActorId, CursorImage, RoomId, Size};
use crate::browser::Browser;
use crate::floor::{FloorPermit, Refusal};
use crate::policy::{
    Answer, ApprovalId, Approved, AskError, Fingerprint, Named, NotApproved, Request, Rules,
};
use crate::process::Group;

const PUT_OUT: &str = "who administers this server put you out of the room; \
                       open a new session if you are to go on";

/// Names one seat of one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SeatId(pub u64);

/// What has become of somebody's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SeatEnd {
    #[default]
    Here,
    /// Its connection has ended and no other took its place.
    LineGone,
    /// Whoever administers the server put them out.
    PutOut,
}

/// What the driver is asked.
pub(super) enum Command {
    /// Somebody comes in. The driver says by `end` what becomes of the seat.
    Enter {
        seat: SeatId,
        actor: Actor,
        end: watch::Sender<SeatEnd>,
    },
    Leave(SeatId),
    Offer {
        seat: SeatId,
        kind: ViewerKind,
        sdp: String,
        reply: oneshot::Sender<Result<String, RoomError>>,
    },
    Resize {
        actor: Actor,
        size: Size,
        reply: oneshot::Sender<Result<(), RoomError>>,
    },
    /// An agent wants the floor, by the deadline. A dropped reply slot is a request withdrawn.
    Floor {
        actor: Actor,
        deadline: Instant,
        reply: oneshot::Sender<Result<FloorPermit, NoFloor>>,
    },
    Done(FloorPermit),
    /// Asks people for a yes. The reply slot is kept until it has ended.
    AskApproval {
        request: Box<Request>,
        reply: oneshot::Sender<Result<ApprovalId, AskError>>,
        answered: oneshot::Sender<Result<(), NotApproved>>,
    },
    /// Uses a yes up, if the page is as it was.
    SpendApproval {
        id: ApprovalId,
        page: Fingerprint,
        reply: oneshot::Sender<Result<Approved, NotApproved>>,
    },
    WithdrawApproval(ApprovalId),
    AnswerApproval {
        actor: Actor,
        id: ApprovalId,
        answer: Answer,
        reply: oneshot::Sender<Result<(), RoomError>>,
    },
    /// The user of the agent's own client answers what this agent asked.
    AnswerAtClient {
        agent: Actor,
        id: ApprovalId,
        answer: Answer,
    },
    ApprovalPicture {
        id: ApprovalId,
        reply: oneshot::Sender<Option<Bytes>>,
    },
    Control {
        actor: Actor,
        ask: FloorAsk,
        reply: oneshot::Sender<Result<(), RoomError>>,
    },
    AskHelp {
        id: u32,
        actor: Actor,
        reason: String,
        task: HelpTask,
        limit: Duration,
        reply: oneshot::Sender<HelpEnd>,
    },
    WithdrawHelp(u32),
    AnswerHelp {
        actor: Actor,
        id: u32,
        answer: HelpAnswer,
        reply: oneshot::Sender<Result<(), RoomError>>,
    },
    Show(RoomEvent),
    Wake,
    /// Whoever administers the server wants it so.
    Rest {
        rest: Rest,
        reply: oneshot::Sender<Result<(), RoomError>>,
    },
    /// Ends all places of somebody; says whether they had one.
    PutOut {
        actor: ActorId,
        reply: oneshot::Sender<bool>,
    },
    /// Since when it is as it is, and who is here.
    Details {
        reply: oneshot::Sender<(u64, Vec<Person>)>,
    },
    Stop {
        reply: oneshot::Sender<()>,
    },
}

/// One room. Cheap to clone; the room goes on without it.
#[derive(Clone)]
pub struct RoomHandle {
    pub(super) id: RoomId,
    /// 256 commands wait at most; whoever sends another one waits for a place.
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) view: watch::Receiver<Arc<RoomView>>,
    pub(super) events: broadcast::Sender<RoomEvent>,
    pub(super) cursor: watch::Receiver<Option<Arc<CursorImage>>>,
    pub(super) browser: watch::Receiver<Option<Arc<Browser>>>,
    pub(super) camera: Arc<Camera>,
    pub(super) rulebook: Arc<Rulebook>,
    pub(super) recorder: Recorder,
    pub(super) secrets: Secrets,
    pub(super) reach: Arc<Reach>,
    /// Its programs, whose use is counted.
    pub(super) group: Arc<Group>,
    /// What it was made from.
    pub(super) spec: Arc<RoomSpec>,
    pub(super) asks_clients: bool,
    pub(super) next_seat: Arc<AtomicU64>,
}

/// A place in a room. Dropping it is leaving.
struct Seat {
    id: SeatId,
    end: watch::Receiver<SeatEnd>,
    room: RoomHandle,
}

/// An agent's place in a room.
pub struct AgentSeat {
    actor: Actor,
    seat: Seat,
}

/// A question that waits for people. Dropping it withdraws the question.
pub struct OpenApproval {
    room: RoomHandle,
    id: ApprovalId,
    answer: oneshot::Receiver<Result<(), NotApproved>>,
    over: bool,
}

/// Why an agent did not get the floor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoFloor {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("a person has had the floor for {} s: {holder}. Try again in a moment, or wait for them with wait_for_user", .since.as_secs())]
    Held { holder: String, since: Duration },
    #[error("another agent has had the floor for {} s: {holder}. Try again in a moment", .since.as_secs())]
    HeldByAgent { holder: String, since: Duration },
    #[error("{PUT_OUT}")]
    PutOut,
    #[error("the room is stopping")]
    Stopping,
}

/// Why there is no yes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoApproval {
    #[error(transparent)]
    NotAsked(#[from] AskError),
    #[error(transparent)]
    No(#[from] NotApproved),
    #[error("the room is stopping")]
    Stopping,
}

impl RoomHandle {
    /// The places that its people have named.
    pub fn named(&self) -> &Named {
        self.rulebook.named()
    }

    pub fn id(&self) -> &RoomId {
        &self.id
    }

    /// An agent comes in and is present until its seat is dropped.
    pub fn enter_agent(&self, actor: Actor) -> Result<AgentSeat, RoomError> {
        let seat = self.seat(actor.clone())?;
        Ok(AgentSeat { actor, seat })
    }

    /// Ends the room's parts, each with a deadline of its own.
    pub async fn stop(&self) {
        let _ = self.ask(|reply| Command::Stop { reply }).await;
    }

    fn seat(&self, actor: Actor) -> Result<Seat, RoomError> {
        let id = SeatId(self.next_seat.fetch_add(1, Ordering::Relaxed));
        let (end, ends) = watch::channel(SeatEnd::Here);
        self.commands
            .try_send(Command::Enter { seat: id, actor, end })
            .map_err(|_| RoomError::Unavailable("the room is stopping or too busy; try again".into()))?;
        Ok(Seat { id, end: ends, room: self.clone() })
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, RoomError> {
        let stopping = || RoomError::Unavailable("the room is stopping or starting again".into());
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())
    }

    /// For what must not wait and must not be lost either, such as leaving.
    fn post(&self, command: Command) {
        if let Err(mpsc::error::TrySendError::Full(command)) = self.commands.try_send(command) {
            let commands = self.commands.clone();
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { commands.send(command).await });
            }
        }
    }
}

impl Room for RoomHandle {
    fn view(&self) -> watch::Receiver<Arc<RoomView>> {
        self.view.clone()
    }

    fn events(&self) -> broadcast::Receiver<RoomEvent> {
        self.events.subscribe()
    }

    fn cursor(&self) -> watch::Receiver<Option<Arc<CursorImage>>> {
        self.cursor.clone()
    }

    fn enter(&self, actor: Actor) -> BoxFuture<'_, Result<Box<dyn ViewerSeat>, RoomError>> {
        Box::pin(async move {
            let seat = self.seat(actor)?;
            Ok(Box::new(seat) as Box<dyn ViewerSeat>)
        })
    }

    fn resize(&self, actor: Actor, size: Size) -> BoxFuture<'_, Result<(), RoomError>> {
        Box::pin(async move { self.ask(|reply| Command::Resize { actor, size, reply }).await? })
    }

    fn floor(&self, actor: Actor, ask: FloorAsk) -> BoxFuture<'_, Result<(), RoomError>> {
        Box::pin(async move { self.ask(|reply| Command::Control { actor, ask, reply }).await? })
    }

    fn approve(&self, actor: Actor, id: ApprovalId, answer: Answer) -> BoxFuture<'_, Result<(), RoomError>> {
        Box::pin(async move { self.ask(|reply| Command::AnswerApproval { actor, id, answer, reply }).await? })
    }

    fn approval_picture(&self, id: ApprovalId) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(
            async move { self.ask(|reply| Command::ApprovalPicture { id, reply }).await.unwrap_or_default() },
        )
    }

    fn rulebook(&self) -> Option<Arc<Rulebook>> {
        Some(Arc::clone(&self.rulebook))
    }

    fn recorder(&self) -> Option<Recorder> {
        Some(self.recorder.clone())
    }

    fn reach(&self) -> Option<Arc<Reach>> {
        Some(Arc::clone(&self.reach))
    }

    fn help(&self, actor: Actor, id: u32, answer: HelpAnswer) -> BoxFuture<'_, Result<(), RoomError>> {
        Box::pin(async move { self.ask(|reply| Command::AnswerHelp { actor, id, answer, reply }).await? })
    }

    fn enter_agent(&self, actor: Actor) -> Result<AgentSeat, RoomError> {
        RoomHandle::enter_agent(self, actor)
    }

    fn details(&self) -> BoxFuture<'_, Option<RoomDetails>> {
        Box::pin(async move {
            let (since, people) = self.ask(|reply| Command::Details { reply }).await.ok()?;
            let spec = RoomSpec { options: self.spec.options.shown(), ..RoomSpec::clone(&self.spec) };
            Some(RoomDetails { since, people, spec })
        })
    }

    fn rest(&self, rest: Rest) -> BoxFuture<'_, Result<(), RoomError>> {
        Box::pin(async move { self.ask(|reply| Command::Rest { rest, reply }).await? })
    }

    fn put_out(&self, actor: ActorId) -> BoxFuture<'_, Result<bool, RoomError>> {
        Box::pin(async move { self.ask(|reply| Command::PutOut { actor, reply }).await })
    }

    fn knock(&self) {
        // Too busy means awake.
        let _ = self.commands.try_send(Command::Wake);
    }

    fn browser(&self) -> Option<Arc<Browser>> {
        self.browser.borrow().clone().filter(|browser| browser.answers())
    }
}

impl ViewerSeat for Seat {
    fn offer(&self, kind: ViewerKind, sdp: String) -> BoxFuture<'_, Result<String, RoomError>> {
        Box::pin(
            async move { self.room.ask(|reply| Command::Offer { seat: self.id, kind, sdp, reply }).await? },
        )
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        let mut end = self.end.clone();
        Box::pin(async move {
            let _ = end.wait_for(|end| *end != SeatEnd::Here).await;
        })
    }

    fn put_out(&self) -> BoxFuture<'static, ()> {
        Box::pin(was_put_out(self.end.clone()))
    }
}

/// Ends when somebody is put out, and never when they go otherwise.
async fn was_put_out(mut end: watch::Receiver<SeatEnd>) {
    if end.wait_for(|end| *end == SeatEnd::PutOut).await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.post(Command::Leave(self.id));
    }
}

impl OpenApproval {
    pub fn id(&self) -> ApprovalId {
        self.id
    }

    /// Waits for a yes, which from then on is the caller's to spend.
    pub async fn answered(mut self) -> Result<ApprovalId, NoApproval> {
        let answer = (&mut self.answer).await.map_err(|_| NoApproval::Stopping)?;
        self.over = true;
        answer?;
        Ok(self.id)
    }
}

impl Drop for OpenApproval {
    fn drop(&mut self) {
        if !self.over {
            self.room.post(Command::WithdrawApproval(self.id));
        }
    }
}

impl AgentSeat {
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// False when whoever administers the server put this agent out. It may come again.
    pub fn is_here(&self) -> bool {
        *self.seat.end.borrow() != SeatEnd::PutOut
    }

    /// Ends when this agent is put out.
    pub fn put_out(&self) -> impl Future<Output = ()> + Send + 'static {
        was_put_out(self.seat.end.clone())
    }

    /// Waits until the browser runs, or says in one sentence why it does not:
    /// at the deadline, or before when there is nothing to wait for.
    pub async fn ready_browser(&self, deadline: Instant) -> Result<Arc<Browser>, String> {
        if !self.is_here() {
            return Err(PUT_OUT.into());
        }
        // It may have fallen asleep under this agent's eyes.
        self.seat.room.knock();
        let (mut browser, mut view) = (self.seat.room.browser.clone(), self.seat.room.view.clone());
        let up = async {
            match browser.wait_for(|browser| browser.as_ref().is_some_and(|browser| browser.answers())).await
            {
                Ok(browser) => browser.clone(),
                Err(_) => None,
            }
        };
        let hopeless = async {
            let _ = view
                .wait_for(|view| {
                    use super::Phase;
                    matches!(view.phase, Phase::Failed { .. } | Phase::Stopped | Phase::Stopping)
                })
                .await;
        };
        let up = tokio::select! {
            biased;
            up = tokio::time::timeout_at(deadline.into(), up) => up.unwrap_or_default(),
            () = hopeless => None,
        };
        up.ok_or_else(|| match &self.seat.room.view.borrow().phase {
            super::Phase::Restarting { reason } => {
                format!("The browser is being started again: {reason}. Try again in a moment")
            }
            super::Phase::Failed { reason } => {
                format!("The browser cannot be started: {reason}. It is tried again every minute")
            }
            super::Phase::Stopped => {
                "The room was stopped by who administers this server; only they can start it".into()
            }
            super::Phase::Stopping => "The room is stopping".into(),
            super::Phase::Starting | super::Phase::Live | super::Phase::Sleeping => {
                "The browser is starting. Try again in a moment".into()
            }
        })
    }

    /// Waits for the floor until the deadline.
    pub async fn floor(&self, deadline: Instant) -> Result<FloorPermit, NoFloor> {
        if !self.is_here() {
            return Err(NoFloor::PutOut);
        }
        let (reply, answer) = oneshot::channel();
        let command = Command::Floor { actor: self.actor.clone(), deadline, reply };
        self.seat.room.commands.send(command).await.map_err(|_| NoFloor::Stopping)?;
        answer.await.map_err(|_| NoFloor::Stopping)?
    }

    /// What may be done here, as things are now.
    pub fn rules(&self) -> Arc<Rules> {
        self.seat.room.rulebook.rules()
    }

    /// The same for those who ask again and again.
    pub fn rules_now(&self) -> Arc<dyn Fn() -> Arc<Rules> + Send + Sync> {
        let rulebook = Arc::clone(&self.seat.room.rulebook);
        Arc::new(move || rulebook.rules())
    }

    /// Where what this agent does is written down.
    pub fn recorder(&self) -> &Recorder {
        &self.seat.room.recorder
    }

    /// What this agent may type without reading it.
    pub fn secrets(&self) -> &Secrets {
        &self.seat.room.secrets
    }

    /// Why the browser did not get to an address since then, if the gate knows.
    pub fn why_not(&self, url: &str, since: SystemTime) -> Option<String> {
        let url = url::Url::parse(url).ok()?;
        let gate = self.seat.room.reach.gate();
        gate.why(url.host_str()?, url.port_or_known_default(), since)
    }

    /// Asks people for a yes and waits for it. The yes is used up by
    /// [`Self::spend_approval`]. Dropping this withdraws the question.
    pub async fn ask_approval(&self, request: Request) -> Result<ApprovalId, NoApproval> {
        self.open_approval(request).await?.answered().await
    }

    /// Puts a question before the people; the answer is waited for by what this returns.
    pub async fn open_approval(&self, request: Request) -> Result<OpenApproval, NoApproval> {
        let room = &self.seat.room;
        let (answered, answer) = oneshot::channel();
        let asked = room.ask(|reply| Command::AskApproval { request: Box::new(request), reply, answered });
        let id = asked.await.map_err(|_| NoApproval::Stopping)??;
        Ok(OpenApproval { room: room.clone(), id, answer, over: false })
    }

    /// Whether the user of this agent's own client may be asked too.
    pub fn asks_clients(&self) -> bool {
        self.seat.room.asks_clients
    }

    /// Asks people, and the user of the agent's own client too; the first
    /// answer counts. When it came from elsewhere, `at_client` is dropped.
    pub async fn ask_approval_here_and_there(
        &self,
        request: Request,
        at_client: impl Future<Output = Answer> + Send,
    ) -> Result<ApprovalId, NoApproval> {
        let open = self.open_approval(request).await?;
        let (id, room) = (open.id(), &self.seat.room);
        let mut answered = std::pin::pin!(open.answered());
        tokio::select! {
            biased;
            answer = &mut answered => answer,
            said = at_client => {
                let answering = Command::AnswerAtClient { agent: self.actor.clone(), id, answer: said };
                room.commands.send(answering).await.map_err(|_| NoApproval::Stopping)?;
                // What counts comes by the same way as every answer, a no of the room's too.
                answered.await
            }
        }
    }

    /// Uses a yes up, right before the act.
    pub async fn spend_approval(&self, id: ApprovalId, page: Fingerprint) -> Result<Approved, NoApproval> {
        let spent = self.seat.room.ask(|reply| Command::SpendApproval { id, page, reply });
        Ok(spent.await.map_err(|_| NoApproval::Stopping)??)
    }

    /// Makes the display this large, as anybody may who may act.
    pub async fn resize(&self, size: Size) -> Result<(), RoomError> {
        let actor = self.actor.clone();
        self.seat.room.ask(|reply| Command::Resize { actor, size, reply }).await?
    }

    /// What is in the room, as everybody sees it.
    pub fn view(&self) -> watch::Receiver<Arc<RoomView>> {
        self.seat.room.view.clone()
    }

    /// Puts a card before the people and waits for how it ends. Dropping this withdraws it.
    pub async fn ask_help(&self, reason: String, task: HelpTask, limit: Duration) -> HelpEnd {
        struct Withdraw<'a>(&'a RoomHandle, u32);
        impl Drop for Withdraw<'_> {
            fn drop(&mut self) {
                self.0.post(Command::WithdrawHelp(self.1));
            }
        }
        let room = &self.seat.room;
        let stopping = || HelpEnd::Refused("the room is stopping".into());
        let id = room.next_seat.fetch_add(1, Ordering::Relaxed) as u32;
        let (reply, answer) = oneshot::channel();
        let ask = Command::AskHelp { id, actor: self.actor.clone(), reason, task, limit, reply };
        let _withdraw = Withdraw(room, id);
        if room.commands.send(ask).await.is_err() {
            return stopping();
        }
        answer.await.unwrap_or_else(|_| stopping())
    }

    /// Withdraws a question, or a yes that will not be used.
    pub fn withdraw_approval(&self, id: ApprovalId) {
        self.seat.room.post(Command::WithdrawApproval(id));
    }

    /// Gives the floor back.
    pub fn done(&self, permit: FloorPermit) {
        self.seat.room.post(Command::Done(permit));
    }

    /// Shows people what this agent does. Dropped when the room is too busy to look.
    pub fn show(&self, event: RoomEvent) {
        let _ = self.seat.room.commands.try_send(Command::Show(event));
    }
}
