//! The port to any agent, in the shape of the Agent Client Protocol: new,
//! resume, prompt, cancel, updates, permissions. Its errors are words for people.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use ts_rs::TS;
use utoipa::ToSchema;

use super::facilities::{Can, Choices, Diff};
use super::model::{AgentState, Id, Message, Permission, Question, Session, Todo};
use crate::base::Actor;

/// What a person says to an agent.
#[derive(Clone, Debug, Default, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    pub text: String,
    /// Images and other files.
    #[serde(default)]
    #[ts(optional, as = "Option<Vec<Attachment>>")]
    pub files: Vec<Attachment>,
    /// Told as context; no answer is asked for.
    #[serde(default)]
    #[ts(optional, as = "Option<bool>")]
    pub quiet: bool,
    /// As `provider/model`, from now on; what was used last when left out.
    #[serde(default)]
    #[ts(optional)]
    pub model: Option<String>,
    /// The agent's name, from now on.
    #[serde(default)]
    #[ts(optional)]
    pub agent: Option<String>,
    /// Who says it, if no person does. Not for people to set.
    #[serde(skip)]
    #[ts(skip)]
    pub origin: Option<super::model::Origin>,
}

/// A file by its content, or by its place below the project's directory: one of the two.
#[derive(Clone, Debug, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    pub name: String,
    pub mime: String,
    /// The content in base64.
    #[serde(default)]
    #[ts(optional)]
    pub data: Option<String>,
    #[serde(default)]
    #[ts(optional)]
    pub path: Option<String>,
}

/// A person's word on a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Yes {
    Once,
    /// For the agent's process, until its next start.
    Always,
    /// With a message the agent goes on and reads it; without one its turn ends.
    Reject,
}

/// Part of a transcript.
#[derive(Clone, Debug, Serialize, TS, ToSchema)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Message>,
    pub todos: Vec<Todo>,
    /// Give this as `before` to read what came before.
    pub before: Option<String>,
    /// The id of the last update that is in here, as the stream of events has
    /// it. Updates after it, and no others, change what this says.
    pub at: String,
}

/// Everything that waits for a person.
#[derive(Clone, Debug, Default, Serialize, TS, ToSchema)]
pub struct Pending {
    pub permissions: Vec<Permission>,
    pub questions: Vec<Question>,
}

/// An update with its place in the order, written once for all readers.
#[derive(Clone, Debug)]
pub struct Numbered {
    pub id: u64,
    /// An [`super::model::Update`] as JSON.
    pub json: std::sync::Arc<str>,
}

/// Updates from a moment on.
pub struct Updates {
    /// Tells this run of the stream from others; ids of another run mean nothing.
    pub run: String,
    /// What came since the id that was asked for; `None` says: take a snapshot.
    pub missed: Option<Vec<Numbered>>,
    /// The last id before `live`.
    pub last: u64,
    /// 1024 updates wait at most for one reader; a slower one is told to take a snapshot.
    pub live: broadcast::Receiver<Numbered>,
}

/// Why an agent does not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The agent is not there; the text says what to do.
    #[error("{0}")]
    Away(String),
    #[error("there is no such {0}; it may have been deleted")]
    Unknown(&'static str),
    /// It no longer waits for an answer.
    #[error("{0}")]
    Expired(String),
    #[error("{0}")]
    Refused(String),
    /// This agent has no such thing.
    #[error("this agent cannot {0}")]
    Unsupported(&'static str),
    /// The agent answered in a way that we do not understand, or not at all.
    #[error("the agent did not do it: {0}")]
    Broken(String),
}

/// Nothing, for what an agent cannot do.
fn cannot<'a, T: Send + 'a>(what: &'static str) -> BoxFuture<'a, Result<T, PortError>> {
    Box::pin(async move { Err(PortError::Unsupported(what)) })
}

/// An agent that people talk to.
pub trait Agent: Send + Sync {
    fn state(&self) -> AgentState;
    /// Which of the calls with an answer of their own below it knows.
    fn can(&self) -> Can;
    /// As whom it comes to the room's tools; nothing while it does not.
    fn actor(&self) -> watch::Receiver<Option<Actor>>;
    fn create(&self, title: Option<String>) -> BoxFuture<'_, Result<Session, PortError>>;
    fn list(&self, search: Option<String>, limit: usize) -> BoxFuture<'_, Result<Vec<Session>, PortError>>;
    /// Finds a session and follows it from here on.
    fn resume(&self, session: Id) -> BoxFuture<'_, Result<Session, PortError>>;
    fn rename(&self, session: Id, title: String) -> BoxFuture<'_, Result<Session, PortError>>;
    fn delete(&self, session: Id) -> BoxFuture<'_, Result<(), PortError>>;
    fn messages(
        &self,
        session: Id,
        before: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, PortError>>;
    /// Returns when the agent has taken it; the answer comes as updates.
    fn prompt(&self, session: Id, prompt: Prompt) -> BoxFuture<'_, Result<(), PortError>>;
    fn cancel(&self, session: Id) -> BoxFuture<'_, Result<(), PortError>>;
    fn pending(&self) -> BoxFuture<'_, Result<Pending, PortError>>;
    /// The first answer counts; a second one is told that it came too late.
    fn answer_permission(
        &self,
        session: Id,
        permission: Id,
        yes: Yes,
        message: Option<String>,
    ) -> BoxFuture<'_, Result<(), PortError>>;
    /// One list of labels for each item; `None` is a refusal to answer.
    fn answer_question(
        &self,
        session: Id,
        question: Id,
        answers: Option<Vec<Vec<String>>>,
    ) -> BoxFuture<'_, Result<(), PortError>>;
    /// A call is in the room's record, on this line.
    fn note_record(&self, session: Id, call: String, line: u64) -> BoxFuture<'_, ()>;
    /// Calls of before are in the room's record, on these lines. Nobody is told: who asks knows.
    fn recall_records(&self, session: Id, lines: Vec<(String, u64)>) -> BoxFuture<'_, ()>;

    /// A new session with what was said up to this message, or all of it.
    fn fork(&self, _session: Id, _message: Option<Id>) -> BoxFuture<'_, Result<Session, PortError>> {
        cannot("fork a session")
    }
    /// Undoes this message and all after it, files included.
    fn revert(&self, _session: Id, _message: Id) -> BoxFuture<'_, Result<Session, PortError>> {
        cannot("undo messages")
    }
    fn unrevert(&self, _session: Id) -> BoxFuture<'_, Result<Session, PortError>> {
        cannot("undo messages")
    }
    /// Returns when it has begun; the summary comes as updates.
    fn summarise(&self, _session: Id) -> BoxFuture<'_, Result<(), PortError>> {
        cannot("summarise a session")
    }
    fn children(&self, _session: Id) -> BoxFuture<'_, Result<Vec<Session>, PortError>> {
        Box::pin(async { Ok(vec![]) })
    }
    fn diff(&self, _session: Id) -> BoxFuture<'_, Result<Diff, PortError>> {
        cannot("tell what it changed")
    }
    fn choices(&self) -> BoxFuture<'_, Result<Choices, PortError>> {
        Box::pin(async { Ok(Choices::default()) })
    }
    /// A slash command, with files that go along. Returns when it has begun.
    fn command(
        &self,
        _session: Id,
        _name: String,
        _arguments: String,
        _files: Vec<Attachment>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        cannot("run commands")
    }
    /// At most so many files whose names are like this.
    fn files(&self, _query: String, _limit: usize) -> BoxFuture<'_, Result<Vec<String>, PortError>> {
        cannot("look for files")
    }

    /// The updates after this run and id, or from now on.
    fn updates(&self, after: Option<(String, u64)>) -> BoxFuture<'_, Result<Updates, PortError>>;
}
