//! What an agent offers beside a conversation: models and commands to choose
//! from, files to name, what it changed, the directories it works in. Owns the
//! nouns only, the same for all agents.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::model::{AgentState, Id, Session};

/// What an agent can do besides answering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Can {
    pub fork: bool,
    pub revert: bool,
    pub summarise: bool,
    pub commands: bool,
    pub models: bool,
    pub files: bool,
    pub diff: bool,
}

/// The agent of a room and project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct AgentView {
    #[serde(flatten)]
    pub state: AgentState,
    pub can: Can,
}

/// What a prompt may choose.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Choices {
    pub agents: Vec<AgentChoice>,
    pub models: Vec<ModelChoice>,
    pub commands: Vec<CommandChoice>,
}

/// A way of working: `build`, `plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct AgentChoice {
    pub name: String,
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct ModelChoice {
    /// As `provider/model`.
    pub id: String,
    pub name: String,
    pub provider: String,
    /// What is used when nobody chooses.
    pub default: bool,
}

/// A slash command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct CommandChoice {
    pub name: String,
    pub description: String,
}

/// Files that a session changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Diff {
    pub files: Vec<FileChange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct FileChange {
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub after: Option<String>,
    /// In the unified form.
    pub patch: String,
    pub added: u32,
    pub removed: u32,
}

/// The subagents of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Children {
    pub sessions: Vec<Session>,
}

/// Files that can be named in a prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Files {
    /// Relative to the project's directory; at most 50.
    pub files: Vec<String>,
}

/// A directory in which an agent works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Project {
    pub id: Id,
    pub name: String,
    pub dir: String,
}

/// The projects of a room, the first one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Projects {
    pub projects: Vec<Project>,
    /// Below these, more can be added.
    pub roots: Vec<String>,
}
