//! What an agent's session needs of its room, and how the server hands it in.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::base::{Actor, RoomId, Size, ToolGroups};
use crate::browser::Browser;
use crate::floor::FloorPermit;
use crate::policy::{Answer, ApprovalId, Effect, Fingerprint, Request, RuleSet, Rules};
use crate::room::{HelpEnd, HelpTask, Recorder, RoomEvent, RoomView, Secrets};

/// An agent's place in a room. Dropping it is leaving.
pub trait Seat: Send + Sync + 'static {
    fn actor(&self) -> &Actor;

    /// Waits until the room's browser runs; at the deadline, why it does not, in words for the agent.
    fn browser(&self, deadline: Instant) -> BoxFuture<'_, Result<Arc<Browser>, String>>;

    /// Waits for the floor until the deadline.
    fn floor(&self, deadline: Instant) -> BoxFuture<'_, Result<FloorPermit, Refused>>;

    /// False when the agent was put out; a new place is then a new door's to give.
    fn is_here(&self) -> bool {
        true
    }

    /// Gives the floor back, whether the permit is stale or not.
    fn done(&self, permit: FloorPermit);

    /// What is in the room, as everybody sees it.
    fn view(&self) -> watch::Receiver<Arc<RoomView>>;

    /// Makes the display, and with it the browser's window, this large.
    fn resize(&self, size: Size) -> BoxFuture<'_, Result<(), String>>;

    /// Asks people for help and waits for how it ends. Dropping this withdraws it.
    fn ask_help(&self, reason: String, task: HelpTask, limit: Duration) -> BoxFuture<'_, HelpEnd>;

    /// What may be done in the room, as things are now.
    fn rules(&self) -> Arc<Rules> {
        Arc::new(Rules::new(Effect::Allow, &RuleSet::default(), &RuleSet::default()))
    }

    /// Whether the user of the agent's own client may be asked too.
    fn asks_clients(&self) -> bool {
        false
    }

    /// Asks people for a yes and waits for it. `at_client` is what the user of
    /// the agent's own client says, if they are asked. Dropping this withdraws
    /// the question.
    fn ask_approval<'a>(
        &'a self,
        _: Request,
        _at_client: BoxFuture<'a, Answer>,
    ) -> BoxFuture<'a, Result<ApprovalId, NoYes>> {
        Box::pin(async { Err(NoYes::No("there is nobody here to ask".into())) })
    }

    /// Uses a yes up, if the page is as it was when it was asked.
    fn spend_approval(&self, _: ApprovalId, _: Fingerprint) -> BoxFuture<'_, Result<(), NoYes>> {
        Box::pin(async { Err(NoYes::No("there is nobody here to ask".into())) })
    }

    /// Why the browser did not get to an address since then, if the room's gate knows.
    fn why_not(&self, _url: &str, _since: SystemTime) -> Option<String> {
        None
    }

    /// Where what is done here is written down.
    fn recorder(&self) -> Option<Recorder> {
        None
    }

    /// What is kept for agents to type without reading it.
    fn secrets(&self) -> Option<Secrets> {
        None
    }

    /// What people see: the pointer, a press, a word for what is done. Never blocks.
    fn show(&self, event: RoomEvent);
}

/// Why an agent did not get the floor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody else had it all the time.
    #[error("{0}")]
    Busy(String),
    /// It may not have it as things are.
    #[error("{0}")]
    Forbidden(String),
}

/// Why there is no yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoYes {
    /// The page has changed since it was asked.
    Stale,
    No(String),
}

/// The server puts one of these into the extensions of every request that
/// it lets through to the MCP service.
#[derive(Clone)]
pub struct SeatDoor {
    /// Who comes in and to which room: a session is only for the one that opened it.
    pub key: String,
    pub room: RoomId,
    /// What the token opens of the tools.
    pub groups: ToolGroups,
    /// Takes the seat.
    pub open: Arc<dyn Fn() -> Result<Arc<dyn Seat>, String> + Send + Sync>,
}
