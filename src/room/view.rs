//! What a room is and what happens in it, as its readers see it: the page,
//! the agents, the API. All readers get the same two streams.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::base::{ActorId, ActorKind, Colour, Role, RoomId, Size};
use crate::floor::Mode;
use crate::policy::{Answered, ApprovalId, ApprovalView};

/// What is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct RoomView {
    #[schema(value_type = String)]
    #[ts(type = "string")]
    pub id: RoomId,
    pub size: Size,
    pub phase: Phase,
    /// Everybody present, each person and agent once, in order of arrival.
    pub present: Vec<Presence>,
    /// Who acts now; nothing when nobody does.
    pub holder: Option<Presence>,
    pub floor: FloorView,
    /// A person is alone with the page: agents see and do nothing until it is over.
    #[serde(default)]
    pub private: Option<PrivateView>,
    /// Names of agents that wait for a person to be still.
    pub waiting: Vec<String>,
    /// What agents ask of people, oldest first.
    pub help: Vec<HelpRequest>,
    /// What waits for a person's yes or no, oldest first.
    #[serde(default, skip_deserializing)]
    pub approvals: Vec<ApprovalView>,
    /// The tab in front, if the browser runs.
    pub page: Option<PageView>,
}

/// Where a room is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Phase {
    Starting,
    Live,
    /// Nobody was here for long: its programs have ended, its tabs are
    /// remembered. It wakes when somebody comes.
    Sleeping,
    /// Whoever administers the server stopped it; it stays so until they start it.
    Stopped,
    /// A part has died and is being brought back; `reason` says which and why.
    Restarting {
        reason: String,
    },
    /// It could not be brought back; it is tried again every minute.
    Failed {
        reason: String,
    },
    Stopping,
}

/// Somebody in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Presence {
    #[schema(value_type = String)]
    #[ts(type = "string")]
    pub id: ActorId,
    pub name: String,
    pub kind: ActorKind,
    pub role: Role,
    /// As `#rrggbb`, if one was chosen for them; else one that follows from the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    #[ts(type = "string", optional)]
    pub colour: Option<Colour>,
}

/// Who may act.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct FloorView {
    pub mode: Mode,
    /// The person who has the floor for themselves until they hand back.
    pub takeover: Option<Presence>,
    /// Whose turn it is, in the mode `turns`.
    pub turn: Option<Presence>,
    /// Who asks for the floor, the next one first.
    pub requests: Vec<Presence>,
    /// How often people have handed back so far.
    pub hand_backs: u32,
}

/// A private moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct PrivateView {
    /// Whose it is.
    pub by: Presence,
    /// By itself, since the focus is in a field of secrets; else by hand.
    pub by_field: bool,
    /// The lowest role that sees the picture meanwhile; all below it see none.
    pub from: Role,
    /// It is over as soon as what was typed is covered.
    pub ending: bool,
}

/// What somebody does about the floor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FloorAsk {
    /// I have it for myself until I hand back; agents are refused meanwhile.
    Takeover,
    /// I am done with it; the note goes to the agents.
    HandBack {
        #[serde(default)]
        note: String,
    },
    /// I ask whoever has it.
    Request,
    /// I do not ask any more.
    Withdraw,
    /// Somebody else is to have it.
    Give {
        #[schema(value_type = String)]
        #[ts(type = "string")]
        to: ActorId,
    },
    /// From now on, this is who may act.
    Mode { mode: Mode },
    /// I am alone with the page: agents are blind, viewers see none of it; or no longer.
    Private { on: bool },
}

/// An agent asks a person to do something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct HelpRequest {
    pub id: u32,
    pub agent: Presence,
    /// The agent's words.
    pub reason: String,
    /// What the person is asked for.
    pub task: HelpTask,
    /// Who has taken it up.
    pub helper: Option<Presence>,
}

/// What a person is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HelpTask {
    /// To do something in the browser.
    #[default]
    Act,
    /// To draw on a picture of the page.
    Annotate,
}

/// One mark that a person drew, in pixels of the display.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Mark {
    pub shape: MarkShape,
    /// Two opposite corners of a box, or the points of a line.
    pub points: Vec<(i32, i32)>,
    /// What the person says of it.
    #[serde(default)]
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MarkShape {
    Box,
    Line,
}

/// What a person says to a request for help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum HelpAnswer {
    /// I do it.
    Accept,
    /// It is done; the note and the marks go to the agent.
    Done {
        #[serde(default)]
        note: String,
        /// What was drawn, for a request to annotate.
        #[serde(default)]
        #[ts(optional, as = "Option<Vec<Mark>>")]
        marks: Vec<Mark>,
    },
    /// Nobody will do it; the note goes to the agent.
    Decline {
        #[serde(default)]
        note: String,
    },
}

/// The tab in front.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct PageView {
    pub title: String,
    pub url: String,
}

/// What happened. Losing one harms nothing: what must not be lost is in the view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RoomEvent {
    /// Somebody's pointer is on its way to this place on the display and arrives after `ms`.
    Pointer {
        #[schema(value_type = String)]
        #[ts(type = "string")]
        actor: ActorId,
        x: i32,
        y: i32,
        ms: u32,
    },
    /// Somebody pressed here.
    Press {
        #[schema(value_type = String)]
        #[ts(type = "string")]
        actor: ActorId,
        x: i32,
        y: i32,
    },
    /// A word for what an agent does: "clicks Sign in". Empty when it has finished.
    Doing {
        #[schema(value_type = String)]
        #[ts(type = "string")]
        actor: ActorId,
        text: String,
    },
    /// Text that a person's copy in the browser put on the display's clipboard.
    Clipboard { text: String },
    /// A question for a yes was answered, or is asked no more. Told once of each.
    Settled {
        #[schema(value_type = String)]
        #[ts(type = "string")]
        id: ApprovalId,
        /// Who asked.
        #[schema(value_type = String)]
        #[ts(type = "string")]
        actor: ActorId,
        how: Settled,
    },
}

/// What became of a question for a yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Settled {
    Answered {
        answered: Answered,
    },
    /// Nobody answered in time.
    Expired,
    /// The page is not as it was.
    Stale,
    /// Who asked wants it no longer, or left.
    Withdrawn,
    /// The room ended or lost its browser.
    Closed {
        reason: String,
    },
}
