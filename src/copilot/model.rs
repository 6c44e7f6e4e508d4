//! What a conversation with an agent is, for the page and the API: the same
//! for all agents. Owns the nouns; what an agent calls them stays in its adapter.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;

/// An agent's name for a session, a message, a part, a question or a permission.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
#[ts(type = "string")]
pub struct Id(String);

impl Id {
    /// Takes 1 to 80 letters, digits, dashes and underscores, so that it fits an address.
    pub fn new(text: &str) -> Option<Self> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        ((1..=80).contains(&text.len()) && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text).ok_or("an id has 1 to 80 letters, digits, dashes and underscores")
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0
    }
}

/// What a session is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum SessionState {
    #[default]
    Idle,
    Busy,
    /// The model did not answer; it is asked again at `until`, in milliseconds since 1970.
    Retrying {
        until: u64,
        reason: String,
    },
    /// The last turn ended by a fault.
    Failed {
        reason: String,
    },
}

impl SessionState {
    /// True while a turn runs.
    pub fn is_working(&self) -> bool {
        matches!(self, Self::Busy | Self::Retrying { .. })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Tokens {
    pub input: u64,
    pub output: u64,
    pub reasoning: u64,
    pub cache_read: u64,
    pub cache_write: u64,
}

/// One conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Session {
    pub id: Id,
    pub title: String,
    #[serde(flatten)]
    pub state: SessionState,
    /// The session whose agent started this one as its subagent.
    pub parent: Option<Id>,
    /// Milliseconds since 1970, as all times here.
    pub created: u64,
    pub updated: u64,
    /// In US dollars, as the agent reckons.
    pub cost: f64,
    pub tokens: Tokens,
    /// What was used last: a model as `provider/model`, and an agent by its name.
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub agent: Option<String>,
    /// How much of the model's memory is in use; nothing until that is known.
    #[serde(default)]
    pub context: Option<ContextUse>,
    /// What was undone, until the next prompt; `unrevert` brings it back.
    #[serde(default)]
    pub reverted: Option<Reverted>,
}

/// How full the model's memory is, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ContextUse {
    pub used: u64,
    /// Nothing when nobody knows.
    pub limit: Option<u64>,
}

/// From where on a session is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Reverted {
    /// This message and all after it do not count.
    pub message: Id,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    User,
    Agent,
}

/// A message without what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct MessageHead {
    pub id: Id,
    pub role: Author,
    /// Why it ended early, in words.
    pub error: Option<String>,
    pub created: u64,
    /// No more will be said.
    pub done: bool,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Message {
    #[serde(flatten)]
    pub head: MessageHead,
    pub parts: Vec<Part>,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Part {
    pub id: Id,
    /// Who put it there, if neither the person nor the agent did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub origin: Option<Origin>,
    #[serde(flatten)]
    pub content: Content,
}

/// Who else puts words into a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The room: what a person did in the browser.
    Room,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Content {
    Text {
        text: String,
        /// Nothing will be added.
        done: bool,
    },
    Reasoning {
        text: String,
        done: bool,
    },
    Tool(ToolCall),
    File(FileView),
    /// Files that were changed.
    Patch {
        files: Vec<String>,
    },
    /// The end of one step of the agent's.
    Step {
        cost: f64,
        tokens: Tokens,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolState {
    /// Its arguments are still being written.
    Pending,
    Running,
    /// For a person: a permission or an answer.
    Waiting,
    Done,
    Failed,
}

impl ToolState {
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// A tool at work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct ToolCall {
    /// What permissions and questions name it by.
    pub call: String,
    pub name: String,
    pub title: String,
    pub state: ToolState,
    /// Its arguments.
    #[ts(type = "unknown")]
    pub input: Value,
    /// What it answered, or why it failed.
    pub output: String,
    pub started: Option<u64>,
    pub ended: Option<u64>,
    pub images: Vec<FileView>,
    /// The number of its line in the room's record, if it is one of Tandem's own tools.
    #[serde(default)]
    pub record: Option<u64>,
    /// The session of the subagent that does its work, as the agent says.
    #[serde(default)]
    pub child: Option<Id>,
}

/// A file in a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct FileView {
    pub name: String,
    pub mime: String,
    /// A data address with the content, or the address of a file.
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Todo {
    pub text: String,
    /// pending, in_progress, completed or cancelled.
    pub state: String,
    pub priority: String,
}

/// What an agent may not do without a yes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Permission {
    pub id: Id,
    /// Who asks; a subagent has a session of its own.
    pub session: Id,
    /// The session that people opened: the same, or an ancestor.
    pub root: Id,
    pub call: Option<String>,
    pub tool: String,
    /// The call's real arguments; null until they are known.
    #[ts(type = "unknown")]
    pub input: Value,
    /// Whether those are all of its arguments, as the tool will get them.
    #[serde(default)]
    pub complete: bool,
    /// What the agent would call the thing: a command, a path.
    pub patterns: Vec<String>,
    /// What a yes to "always" would allow, until the agent's next start.
    pub always: Vec<String>,
}

/// Questions that wait for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Question {
    pub id: Id,
    pub session: Id,
    pub root: Id,
    pub call: Option<String>,
    pub items: Vec<QuestionItem>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct QuestionItem {
    pub header: String,
    pub text: String,
    pub options: Vec<Choice>,
    /// More than one option may be chosen.
    pub multiple: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Choice {
    pub label: String,
    pub description: String,
}

/// Why something no longer waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gone {
    Answered,
    /// The turn was stopped, or ended without it.
    Ended,
    /// The agent's process ended.
    Restarted,
    /// Nobody answered in time.
    Expired,
}

/// How the agent's process is, in words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum AgentState {
    /// Nobody has asked for it yet.
    #[default]
    Off,
    Starting,
    Ready {
        version: String,
        /// What is amiss all the same, such as that it cannot use the browser.
        notice: Option<String>,
    },
    /// It ended or cannot be reached; it is tried again.
    Restarting {
        reason: String,
    },
    /// It cannot be had until somebody does what `reason` says; asking anew tries again.
    Failed {
        reason: String,
    },
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Update {
    Session {
        session: Session,
    },
    SessionGone {
        session: Id,
    },
    /// A message began or ended; its parts come by themselves.
    Message {
        session: Id,
        message: MessageHead,
    },
    MessageGone {
        session: Id,
        message: Id,
    },
    /// A part as it is now.
    Part {
        session: Id,
        message: Id,
        part: Part,
    },
    PartGone {
        session: Id,
        message: Id,
        part: Id,
    },
    /// Text to put after the part's.
    Piece {
        session: Id,
        message: Id,
        part: Id,
        text: String,
    },
    Todos {
        session: Id,
        todos: Vec<Todo>,
    },
    Permission {
        permission: Permission,
    },
    PermissionGone {
        session: Id,
        permission: Id,
        why: Gone,
    },
    Question {
        question: Question,
    },
    QuestionGone {
        session: Id,
        question: Id,
        why: Gone,
    },
    Agent {
        agent: AgentState,
    },
    /// What the reader holds may be out of date: read the sessions and messages anew.
    Snapshot,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_fits_an_address() {
        assert!(Id::new("ses_e025d7f41ffecBwR2UOf3Qhxd4").is_some());
        for wrong in ["", "a/b", "..", "a b", "ü", &"a".repeat(81)] {
            assert!(Id::new(wrong).is_none(), "{wrong}");
        }
        assert!(serde_json::from_str::<Id>("\"../config\"").is_err());
    }

    #[test]
    fn a_session_says_its_state_beside_its_title() {
        let session = Session {
            id: Id::new("s").expect("an id"),
            title: "t".into(),
            state: SessionState::Failed { reason: "no model".into() },
            parent: None,
            created: 1,
            updated: 2,
            cost: 0.0,
            tokens: Tokens::default(),
            model: None,
            agent: None,
            context: None,
            reverted: None,
        };
        let json = serde_json::to_value(&session).expect("json");
        assert_eq!((&json["state"], &json["reason"]), (&"failed".into(), &"no model".into()));
        assert_eq!(serde_json::from_value::<Session>(json).expect("read"), session);
    }
}
