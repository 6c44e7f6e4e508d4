//! The messages of the WebSocket at `/api/rooms/{room}/ws`, each a JSON text
//! frame of at most 64 KiB; a `session_update` may be of 1 MiB. The TypeScript side is generated from here; a test
//! fails when the committed copy differs.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::floor::Mode;
use crate::policy::{Answer, ApprovalId};
use crate::room::{FloorAsk, HelpAnswer, Presence, RoomEvent, RoomView};

/// The version of these messages. A client with another one reloads the page.
pub const PROTOCOL: u32 = 1;

/// From a viewer's page.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClientMessage {
    /// An SDP offer: one video line to receive, data channels "moves" and "acts".
    /// Answered by `answer`. A second offer replaces the first connection.
    Offer { sdp: String },
    /// Make the room's display this large, in device pixels of the viewer.
    Fit { width: u32, height: u32 },
    /// Answers an agent's request for help, which the room's view lists.
    Help { id: u32, answer: HelpAnswer },
    /// Takes the floor, hands it back, asks for it, gives it or changes the mode.
    Floor { ask: FloorAsk },
    /// Answers an approval that the room's view lists.
    Approve {
        #[ts(type = "string")]
        id: ApprovalId,
        answer: Answer,
    },
    /// Calls one of the agents' tools, as the agent of this viewer. Answered by
    /// `called` with the same id.
    Call {
        id: u32,
        tool: String,
        #[serde(default)]
        #[ts(type = "Record<string, unknown>", optional)]
        arguments: serde_json::Map<String, serde_json::Value>,
    },
    /// Tell of people's sessions with an agent from now on, or after an update
    /// with this id; or no more. Of the first project unless one is named.
    #[serde(rename = "sessions")]
    Sessions {
        on: bool,
        #[serde(default)]
        #[ts(optional)]
        project: Option<String>,
        #[serde(default)]
        #[ts(optional)]
        after: Option<String>,
    },
    /// The token that follows the one that this connection came with, for the same
    /// room and role. Answered by `token`; what was there goes on.
    Token { token: TokenText },
    /// Wakes the room if it sleeps.
    Knock,
    /// Answered by `pong` with the same number.
    Ping {
        #[ts(type = "number")]
        t: f64,
    },
    /// Input-to-photon times that this viewer measured since the last report,
    /// in milliseconds; at most 64.
    Report { photon_ms: Vec<f32> },
}

/// A token's text, which is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize, TS)]
#[serde(transparent)]
pub struct TokenText(pub String);

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(redacted)")
    }
}

/// To a viewer's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ServerMessage {
    /// Always the first.
    Welcome {
        protocol: u32,
        /// Tandem's version.
        version: String,
        you: Presence,
        /// Whether this viewer's input is taken.
        may_act: bool,
        room: RoomView,
        ice_servers: Vec<IceServer>,
        /// How long the token is still good, in seconds, if it ends.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(type = "number", optional)]
        token_seconds: Option<u64>,
        /// To which modes this viewer may change the room, if not to all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        modes: Option<Vec<Mode>>,
    },
    /// The next token was taken; how long that one is good, if it ends.
    Token {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(type = "number", optional)]
        token_seconds: Option<u64>,
    },
    /// The answer to an offer.
    Answer { sdp: String },
    /// The room has changed: this is the whole of it.
    View { room: RoomView },
    /// Something happened.
    Event { event: RoomEvent },
    /// The pointer's picture; `png` is base64, empty when the pointer is hidden.
    Cursor { serial: u32, width: u16, height: u16, hot_x: u16, hot_y: u16, png: String },
    /// What a tool answered: the `content`, `structuredContent` and `isError` of MCP.
    Called {
        id: u32,
        #[ts(type = "unknown")]
        result: serde_json::Value,
    },
    Pong {
        #[ts(type = "number")]
        t: f64,
    },
    /// A session changed: an `Update`, first `hello` when nothing was missed.
    /// Who comes back gives `id` as `after`.
    #[serde(rename = "session_update")]
    SessionUpdate {
        project: String,
        id: String,
        #[ts(type = "unknown")]
        update: serde_json::Value,
    },
    /// Something was refused or went wrong. The connection goes on unless it closes.
    Error { code: WireError, message: String },
}

/// A STUN or TURN server, as `RTCPeerConnection` takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IceServer {
    pub urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub credential: Option<String>,
}

/// Why, for a program. The message beside it is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum WireError {
    /// The message was not understood.
    Malformed,
    /// The role does not allow it.
    Forbidden,
    /// The next token was not taken; the one before goes on as long as it is good.
    Token,
    /// The offer could not be answered.
    BadOffer,
    /// No codec in the offer that the server can encode.
    NoCodec,
    /// The room cannot do it now; try again.
    Unavailable,
    /// The room does not do it, and the message says why.
    Refused,
    /// The room was removed.
    Gone,
}
