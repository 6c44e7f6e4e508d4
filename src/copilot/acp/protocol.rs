//! The protocol as its own crate has it, and the little around it that is ours:
//! which answer belongs to which request, what may be of a kind that the crate
//! does not know yet, and the one request of before that agents still have.

use agent_client_protocol_schema::v1::{
    AGENT_METHOD_NAMES as NAMES, CancelNotification, DeleteSessionRequest, InitializeRequest,
    InitializeResponse, ListSessionsRequest, ListSessionsResponse, LoadSessionRequest, LoadSessionResponse,
    NewSessionRequest, NewSessionResponse, PermissionOption, PromptRequest, RequestPermissionRequest,
    SessionId, SessionUpdate, SetSessionConfigOptionRequest, SetSessionConfigOptionResponse,
    SetSessionModeRequest, StopReason,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::content::cut;

/// A request of ours.
pub(super) trait Call: Serialize {
    const METHOD: &'static str;
    type Answer: DeserializeOwned;
}

macro_rules! calls {
    ($($request:ty => $method:expr, $answer:ty;)*) => {
        $(impl Call for $request {
            const METHOD: &'static str = $method;
            type Answer = $answer;
        })*
    };
}

calls! {
    InitializeRequest => NAMES.initialize, InitializeResponse;
    NewSessionRequest => NAMES.session_new, Opened<NewSessionResponse>;
    LoadSessionRequest => NAMES.session_load, Opened<LoadSessionResponse>;
    ListSessionsRequest => NAMES.session_list, ListSessionsResponse;
    DeleteSessionRequest => NAMES.session_delete, IgnoredAny;
    SetSessionConfigOptionRequest => NAMES.session_set_config_option, Known<SetSessionConfigOptionResponse>;
    SetSessionModeRequest => NAMES.session_set_mode, IgnoredAny;
    SetSessionModel => "session/set_model", IgnoredAny;
    PromptRequest => NAMES.session_prompt, Turned;
}

/// A notice of ours.
pub(super) trait Notice: Serialize {
    const METHOD: &'static str;
}

impl Notice for CancelNotification {
    const METHOD: &'static str = NAMES.session_cancel;
}

/// What the crate knows, or something else: of a newer protocol, or of the agent's own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(super) enum Known<T> {
    Known(T),
    Other(Value),
}

impl<T> Known<T> {
    pub(super) fn known(self) -> Option<T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Other(_) => None,
        }
    }
}

/// The end of a turn.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Turned {
    pub stop_reason: Known<StopReason>,
}

/// A session that was opened, with the models as agents told them before there were options.
#[derive(Clone, Debug)]
pub(super) struct Opened<T> {
    pub answer: T,
    pub models: Option<Models>,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Opened<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Older {
            models: Models,
        }
        let told = Value::deserialize(from)?;
        let models = Older::deserialize(&told).ok().map(|older| older.models);
        let answer = T::deserialize(told).map_err(serde::de::Error::custom)?;
        Ok(Self { answer, models })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Models {
    pub current_model_id: String,
    pub available_models: Vec<Known<Model>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Model {
    pub model_id: String,
    pub name: String,
    pub description: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetSessionModel {
    pub session_id: SessionId,
    pub model_id: String,
}

/// What an agent tells of a session. Nothing, with a line in the log, for what
/// cannot be read: that must not end the session.
pub(super) fn update(params: Value) -> Option<(SessionId, SessionUpdate)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Told {
        session_id: SessionId,
        update: Known<SessionUpdate>,
    }
    match Told::deserialize(params) {
        Ok(Told { session_id, update: Known::Known(update) }) => Some((session_id, update)),
        Ok(Told { update: Known::Other(other), .. }) => {
            let kind = cut(other["sessionUpdate"].as_str().unwrap_or("none"), 80);
            tracing::debug!(kind, "an agent's update of a kind or form that is not known says nothing");
            None
        }
        Err(error) => {
            tracing::debug!(%error, "an agent's update that is none says nothing");
            None
        }
    }
}

/// What an agent asks a yes for. Options of a kind that is not known are left out.
pub(super) fn permission(mut params: Value) -> Result<RequestPermissionRequest, serde_json::Error> {
    if let Some(options) = params.get_mut("options").and_then(Value::as_array_mut) {
        options.retain(|option| PermissionOption::deserialize(option).is_ok());
    }
    serde_json::from_value(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_update_of_a_kind_that_the_crate_does_not_know_says_nothing() {
        let told = |update: Value| update_of(json!({ "sessionId": "s", "update": update }));
        fn update_of(params: Value) -> Option<SessionUpdate> {
            update(params).map(|(_, update)| update)
        }
        let text = json!({ "type": "text", "text": "x" });
        assert!(matches!(
            told(json!({ "sessionUpdate": "agent_message_chunk", "content": text, "of_the_future": 1 })),
            Some(SessionUpdate::AgentMessageChunk(_))
        ));
        for other in [
            json!({ "sessionUpdate": "of_the_future", "content": { "type": "text", "text": "x" } }),
            json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "hologram" } }),
            json!({ "sessionUpdate": "tool_call" }),
            json!(7),
        ] {
            assert_eq!(told(other), None);
        }
        assert_eq!(update_of(json!({ "update": 7 })), None);
        assert_eq!(update_of(Value::Null), None);
    }

    #[test]
    fn a_turn_ends_for_reasons_of_the_future_too() {
        let turned = |reason: &str| serde_json::from_value::<Turned>(json!({ "stopReason": reason }));
        assert_eq!(turned("refusal").expect("read").stop_reason, Known::Known(StopReason::Refusal));
        assert_eq!(turned("of_the_future").expect("read").stop_reason.known(), None);
    }

    #[test]
    fn an_option_of_the_future_is_left_out_and_the_others_stay() {
        let option = |id: &str, kind: &str| json!({ "optionId": id, "name": id, "kind": kind });
        let asked = permission(json!({ "sessionId": "s", "toolCall": { "toolCallId": "c" },
            "options": [option("a", "allow_twice"), option("b", "allow_once"), 7] }));
        let options = asked.expect("asked").options;
        assert_eq!(options.iter().map(|one| &*one.option_id.0).collect::<Vec<_>>(), ["b"]);
        assert!(permission(json!({ "sessionId": "s", "options": [] })).is_err());
    }

    #[test]
    fn an_answer_with_models_of_before_is_read_with_them() {
        let told = json!({ "sessionId": "s", "models": { "currentModelId": "x",
            "availableModels": [{ "modelId": "x", "name": "X" }, { "name": "none" }] } });
        let opened: Opened<NewSessionResponse> = serde_json::from_value(told).expect("opened");
        assert_eq!(opened.models.expect("models").available_models.len(), 2);
        let plain: Opened<LoadSessionResponse> = serde_json::from_value(Value::Null).expect("opened");
        assert!(plain.models.is_none() && plain.answer.modes.is_none());
    }
}
