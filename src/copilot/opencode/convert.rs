//! OpenCode's values as Tandem's.

use serde_json::Value;

use super::events::{
    Body, CallStatus, ErrorInfo, FileInfo, MessageInfo, PartInfo, PermissionInfo, QuestionInfo, SessionInfo,
    Times, TodoInfo, TokensInfo,
};
use crate::copilot::model::{
    Author, Choice, Content, FileView, Id, MessageHead, Origin, Part, Permission, Question, QuestionItem,
    Reverted, Session, SessionState, Todo, Tokens, ToolCall, ToolState,
};

/// What a stopped turn's message says.
pub(super) const STOPPED: &str = "It was stopped.";

fn millis(time: Option<f64>) -> Option<u64> {
    // Saturates; a time before 1970 is none that a session could have.
    time.map(|time| time as u64)
}

pub(super) fn tokens(info: TokensInfo) -> Tokens {
    let whole = |count: f64| count as u64;
    Tokens {
        input: whole(info.input),
        output: whole(info.output),
        reasoning: whole(info.reasoning),
        cache_read: whole(info.cache.read),
        cache_write: whole(info.cache.write),
    }
}

pub(super) fn session(info: SessionInfo) -> Session {
    Session {
        id: info.id,
        title: info.title,
        state: SessionState::Idle,
        parent: info.parent,
        created: millis(info.time.created).unwrap_or_default(),
        updated: millis(info.time.updated).unwrap_or_default(),
        cost: info.cost.unwrap_or_default(),
        tokens: tokens(info.tokens.unwrap_or_default()),
        model: info.model.map(|model| format!("{}/{}", model.provider, model.id)),
        agent: info.agent,
        context: None,
        reverted: info.revert.map(|revert| Reverted { message: revert.message }),
    }
}

/// True for the error that says no more than that somebody stopped it.
pub(super) fn is_stop(error: &ErrorInfo) -> bool {
    error.name == "MessageAbortedError"
}

/// An error in words that say what to do, where we know it.
pub(super) fn error(error: &ErrorInfo) -> String {
    let said = error.data.get("message").and_then(Value::as_str).unwrap_or_default();
    // Below the first line there may be a stack with paths.
    let said: String = said.lines().next().unwrap_or_default().chars().take(600).collect();
    let lower = said.to_lowercase();
    match error.name.as_str() {
        "MessageAbortedError" => STOPPED.into(),
        "ProviderAuthError" => {
            format!("The model's provider refused the key: {said}. Check it in OpenCode's configuration.")
        }
        "ContextOverflowError" => too_long(&said),
        "MessageOutputLengthError" => {
            "The answer was longer than the model may give; ask it to go on.".into()
        }
        "ContentFilterError" => format!("The model's provider refused this: {said}"),
        _ if said.is_empty() => format!("The turn ended by a fault that is called {}.", error.name),
        _ if lower.contains("no providers") => {
            "There is no model: OpenCode has no provider that it may use. \
             Give it the key of one with `opencode auth login`, or name one in opencode.json."
                .into()
        }
        _ if lower.contains("model not found") => {
            format!("{said}. Choose a model in opencode.json or give the key of a provider.")
        }
        // A provider that OpenCode does not know says it in words of its own.
        _ if ["context length", "context_length", "context window"]
            .iter()
            .any(|words| lower.contains(words)) =>
        {
            too_long(&said)
        }
        _ => said,
    }
}

fn too_long(said: &str) -> String {
    format!("The conversation is too long for the model: {said}. Summarise it or begin a new session.")
}

/// Why a tool failed, in words that say what to do, where we know it.
fn failed(said: String) -> String {
    match said.contains("-32001") && said.contains("timed out") {
        true => format!(
            "The tool did not answer in time ({said}). Ask for less at once, or raise `timeout` of its MCP \
             server in opencode.json."
        ),
        false => said,
    }
}

pub(super) fn head(info: &MessageInfo) -> MessageHead {
    let role = if info.role == "user" { Author::User } else { Author::Agent };
    MessageHead {
        id: info.id.clone(),
        role,
        error: info.error.as_ref().map(error),
        created: millis(info.time.created).unwrap_or_default(),
        done: role == Author::User || info.time.completed.is_some() || info.error.is_some(),
    }
}

/// With what a message was made, and how much of the model's memory was in use after it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Used {
    pub model: Option<String>,
    pub agent: Option<String>,
    pub tokens: Option<u64>,
}

pub(super) fn used(info: &MessageInfo) -> Used {
    let by_person = info.model.as_ref().map(|model| format!("{}/{}", model.provider, model.model));
    let by_agent = || Some(format!("{}/{}", info.provider.as_ref()?, info.model_id.as_ref()?));
    let Tokens { input, output, reasoning, cache_read, cache_write } = tokens(info.tokens);
    let all = input.saturating_add(output).saturating_add(reasoning);
    let all = all.saturating_add(cache_read).saturating_add(cache_write);
    Used { model: by_person.or_else(by_agent), agent: info.agent.clone(), tokens: (all > 0).then_some(all) }
}

fn file(info: FileInfo) -> FileView {
    FileView { name: info.filename.unwrap_or_default(), mime: info.mime, url: info.url }
}

/// The session that a call for a subagent began.
fn child(metadata: &Value) -> Option<Id> {
    metadata.get("sessionId").and_then(Value::as_str).and_then(Id::new)
}

/// `None` for a part that says nothing to people.
pub(super) fn part(info: PartInfo) -> Option<Part> {
    let ended = |time: Option<Times>| time.is_none_or(|time| time.start.is_none() || time.end.is_some());
    let mut origin = None;
    let content = match serde_json::from_value(info.body).ok()? {
        Body::Text { synthetic: true, .. } => return None,
        Body::Text { text, time, metadata, .. } => {
            origin = (metadata["tandem"] == "room").then_some(Origin::Room);
            Content::Text { text, done: ended(time) }
        }
        Body::Reasoning { text, time } => Content::Reasoning { text, done: ended(time) },
        Body::File(info) => Content::File(file(info)),
        Body::Patch { files } => Content::Patch { files },
        Body::StepFinish { cost, tokens: info } => Content::Step { cost, tokens: tokens(info) },
        Body::Tool { call, tool, state } => Content::Tool(ToolCall {
            call,
            // Others' metadata may be anybody's words, such as an MCP server's.
            child: (tool == "task").then(|| child(&state.metadata)).flatten(),
            name: tool,
            title: state.title,
            state: match state.status {
                CallStatus::Pending => ToolState::Pending,
                CallStatus::Running => ToolState::Running,
                CallStatus::Completed => ToolState::Done,
                CallStatus::Error => ToolState::Failed,
            },
            input: state.input,
            output: if state.error.is_empty() { state.output } else { failed(state.error) },
            started: millis(state.time.start),
            ended: millis(state.time.end),
            images: state.attachments.into_iter().map(file).collect(),
            record: None,
        }),
    };
    Some(Part { id: info.id, origin, content })
}

pub(super) fn permission(info: PermissionInfo, root: Id) -> Permission {
    let named = info.metadata.as_object().is_some_and(|fields| !fields.is_empty());
    Permission {
        id: info.id,
        root,
        session: info.session,
        call: info.tool.map(|tool| tool.call),
        tool: info.permission,
        input: if named { info.metadata } else { Value::Null },
        complete: false,
        patterns: info.patterns,
        always: info.always,
    }
}

pub(super) fn question(info: QuestionInfo, root: Id) -> Question {
    let items = info.questions.into_iter().map(|item| QuestionItem {
        header: item.header,
        text: item.question,
        options: item
            .options
            .into_iter()
            .map(|option| Choice { label: option.label, description: option.description })
            .collect(),
        multiple: item.multiple,
    });
    Question {
        id: info.id,
        root,
        session: info.session,
        call: info.tool.map(|tool| tool.call),
        items: items.collect(),
    }
}

pub(super) fn todo(info: TodoInfo) -> Todo {
    Todo { text: info.content, state: info.status, priority: info.priority }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fault_is_told_in_one_line_with_what_to_do() {
        let told = |name: &str, message: &str| {
            error(&ErrorInfo { name: name.into(), data: json!({ "message": message }) })
        };
        for (name, message, wanted) in [
            ("ContextOverflowError", "prompt is too long", "begin a new session"),
            ("ProviderAuthError", "invalid x-api-key", "Check it in OpenCode's configuration"),
            ("MessageOutputLengthError", "", "ask it to go on"),
            (
                "UnknownError",
                "ProviderModelNotFoundError: Model not found: a/b\n    at x.js",
                "Choose a model",
            ),
            ("UnknownError", "ProviderNoProvidersError: No providers are available", "opencode auth login"),
            ("APIError", "This model's maximum context length is 9 tokens", "begin a new session"),
            ("APIError", "MCP error -32001: Request timed out", "timed out"),
            ("NewError", "", "called NewError"),
        ] {
            let told = told(name, message);
            assert!(told.contains(wanted) && !told.contains('\n'), "{name}: {told}");
        }
    }
}
