//! What OpenCode 1.18 sends, as values. A kind of event or part that is not
//! known here, or is shaped otherwise, is kept as unknown and harms nothing.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::copilot::model::Id;

/// One event of `/event`.
#[derive(Clone, Debug)]
pub enum Event {
    Known(Box<Known>),
    Unknown { kind: String },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", content = "properties")]
pub enum Known {
    #[serde(rename = "session.created", alias = "session.updated")]
    Session { info: SessionInfo },
    #[serde(rename = "session.deleted")]
    SessionDeleted { info: SessionInfo },
    #[serde(rename = "session.status")]
    Status {
        #[serde(rename = "sessionID")]
        session: Id,
        status: StatusInfo,
    },
    #[serde(rename = "session.idle")]
    Idle {
        #[serde(rename = "sessionID")]
        session: Id,
    },
    #[serde(rename = "session.error")]
    Error {
        #[serde(rename = "sessionID")]
        session: Option<Id>,
        error: Option<ErrorInfo>,
    },
    #[serde(rename = "message.updated")]
    Message { info: MessageInfo },
    #[serde(rename = "message.removed")]
    MessageRemoved {
        #[serde(rename = "sessionID")]
        session: Id,
        #[serde(rename = "messageID")]
        message: Id,
    },
    #[serde(rename = "message.part.updated")]
    Part { part: PartInfo },
    #[serde(rename = "message.part.removed")]
    PartRemoved {
        #[serde(rename = "sessionID")]
        session: Id,
        #[serde(rename = "messageID")]
        message: Id,
        #[serde(rename = "partID")]
        part: Id,
    },
    #[serde(rename = "message.part.delta")]
    Delta {
        #[serde(rename = "sessionID")]
        session: Id,
        #[serde(rename = "messageID")]
        message: Id,
        #[serde(rename = "partID")]
        part: Id,
        field: String,
        delta: String,
    },
    #[serde(rename = "permission.asked")]
    Asked(PermissionInfo),
    #[serde(rename = "permission.replied")]
    Replied {
        #[serde(rename = "requestID")]
        request: Id,
    },
    #[serde(rename = "question.asked")]
    QuestionAsked(QuestionInfo),
    #[serde(rename = "question.replied", alias = "question.rejected")]
    QuestionEnded {
        #[serde(rename = "requestID")]
        request: Id,
    },
    #[serde(rename = "todo.updated")]
    Todos {
        #[serde(rename = "sessionID")]
        session: Id,
        todos: Vec<TodoInfo>,
    },
    /// The directory's state was thrown away, and with it the MCP servers added to it.
    #[serde(rename = "server.instance.disposed")]
    Disposed {},
}

impl Event {
    /// Reads one event; what cannot be read is unknown.
    pub fn read(text: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "type")]
            kind: String,
        }
        match serde_json::from_slice(text) {
            Ok(known) => Self::Known(Box::new(known)),
            Err(_) => {
                let kind = serde_json::from_slice::<Kind>(text).map(|found| found.kind);
                Self::Unknown { kind: kind.unwrap_or_else(|_| "no event".into()) }
            }
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct SessionInfo {
    pub id: Id,
    #[serde(default)]
    pub title: String,
    #[serde(rename = "parentID")]
    pub parent: Option<Id>,
    pub cost: Option<f64>,
    pub tokens: Option<TokensInfo>,
    pub time: Times,
    pub agent: Option<String>,
    pub model: Option<SessionModelInfo>,
    pub revert: Option<RevertInfo>,
    #[serde(default)]
    pub directory: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct SessionModelInfo {
    pub id: String,
    #[serde(rename = "providerID")]
    pub provider: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct RevertInfo {
    #[serde(rename = "messageID")]
    pub message: Id,
}

impl SessionInfo {
    /// One of which no more than the name is needed.
    pub fn bare(id: Id) -> Self {
        Self {
            id,
            title: String::new(),
            parent: None,
            cost: None,
            tokens: None,
            time: Times::default(),
            agent: None,
            model: None,
            revert: None,
            directory: String::new(),
        }
    }
}

/// Times in milliseconds; each kind of thing has some of them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Times {
    pub created: Option<f64>,
    pub updated: Option<f64>,
    pub completed: Option<f64>,
    pub start: Option<f64>,
    pub end: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TokensInfo {
    pub input: f64,
    pub output: f64,
    pub reasoning: f64,
    pub cache: CacheInfo,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CacheInfo {
    pub read: f64,
    pub write: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum StatusInfo {
    Idle,
    Busy,
    Retry { message: String, next: f64 },
}

/// The sessions that are not idle.
pub type Statuses = HashMap<Id, StatusInfo>;

#[derive(Clone, Debug, Deserialize)]
pub struct ErrorInfo {
    pub name: String,
    #[serde(default)]
    pub data: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub struct MessageInfo {
    pub id: Id,
    #[serde(rename = "sessionID")]
    pub session: Id,
    pub role: String,
    #[serde(default)]
    pub time: Times,
    pub error: Option<ErrorInfo>,
    pub agent: Option<String>,
    /// Of a person's message.
    pub model: Option<MessageModelInfo>,
    /// Of an agent's.
    #[serde(rename = "providerID")]
    pub provider: Option<String>,
    #[serde(rename = "modelID")]
    pub model_id: Option<String>,
    #[serde(default)]
    pub tokens: TokensInfo,
}

#[derive(Clone, Debug, Deserialize)]
pub struct MessageModelInfo {
    #[serde(rename = "providerID")]
    pub provider: String,
    #[serde(rename = "modelID")]
    pub model: String,
}

/// A message as `GET /session/{id}/message` has it.
#[derive(Clone, Debug, Deserialize)]
pub struct WholeMessage {
    pub info: MessageInfo,
    #[serde(default)]
    pub parts: Vec<PartInfo>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PartInfo {
    pub id: Id,
    #[serde(rename = "sessionID")]
    pub session: Id,
    #[serde(rename = "messageID")]
    pub message: Id,
    /// By its `type`; read when it is turned into a part of ours.
    #[serde(flatten)]
    pub body: Value,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Body {
    Text {
        text: String,
        /// Made by OpenCode for the model, not by somebody who speaks.
        #[serde(default)]
        synthetic: bool,
        #[serde(default)]
        metadata: Value,
        time: Option<Times>,
    },
    Reasoning {
        text: String,
        time: Option<Times>,
    },
    Tool {
        #[serde(rename = "callID")]
        call: String,
        tool: String,
        state: CallInfo,
    },
    File(FileInfo),
    StepFinish {
        #[serde(default)]
        cost: f64,
        #[serde(default)]
        tokens: TokensInfo,
    },
    Patch {
        files: Vec<String>,
    },
}

#[derive(Clone, Debug, Deserialize)]
pub struct CallInfo {
    pub status: CallStatus,
    #[serde(default)]
    pub input: Value,
    #[serde(default)]
    pub output: String,
    #[serde(default)]
    pub error: String,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub time: Times,
    #[serde(default)]
    pub attachments: Vec<FileInfo>,
    #[serde(default)]
    pub metadata: Value,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallStatus {
    Pending,
    Running,
    Completed,
    Error,
}

#[derive(Clone, Debug, Deserialize)]
pub struct FileInfo {
    #[serde(default)]
    pub mime: String,
    pub filename: Option<String>,
    #[serde(default)]
    pub url: String,
}

/// Which call of which message.
#[derive(Clone, Debug, Deserialize)]
pub struct CallName {
    #[serde(rename = "callID")]
    pub call: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PermissionInfo {
    pub id: Id,
    #[serde(rename = "sessionID")]
    pub session: Id,
    pub permission: String,
    #[serde(default)]
    pub patterns: Vec<String>,
    #[serde(default)]
    pub metadata: Value,
    #[serde(default)]
    pub always: Vec<String>,
    pub tool: Option<CallName>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct QuestionInfo {
    pub id: Id,
    #[serde(rename = "sessionID")]
    pub session: Id,
    pub questions: Vec<QuestionItemInfo>,
    pub tool: Option<CallName>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct QuestionItemInfo {
    pub question: String,
    #[serde(default)]
    pub header: String,
    #[serde(default)]
    pub options: Vec<OptionInfo>,
    #[serde(default)]
    pub multiple: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct OptionInfo {
    pub label: String,
    #[serde(default)]
    pub description: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct TodoInfo {
    pub content: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub priority: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_or_misshapen_is_unknown_and_named() {
        for (text, name) in [
            (&br#"{"type":"tui.toast.show","properties":{"title":"x"}}"#[..], "tui.toast.show"),
            (br#"{"type":"message.updated","properties":{"info":7}}"#, "message.updated"),
            (br#"{"type":"session.idle","properties":{"sessionID":"../x"}}"#, "session.idle"),
            (b"{}", "no event"),
            (b"\xff", "no event"),
        ] {
            let Event::Unknown { kind } = Event::read(text) else { panic!("{name} was read") };
            assert_eq!(kind, name);
        }
    }
}
