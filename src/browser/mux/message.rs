//! The outside of a CDP message: what the multiplexer must read, and nothing
//! more. Parameters and results pass through as the bytes they came in.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

/// A message in either direction.
#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    /// Given back as it came: whatever JSON calls a whole number.
    pub id: Option<Number>,
    #[serde(borrow)]
    pub method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub params: Option<&'a RawValue>,
    #[serde(borrow)]
    pub result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow, rename = "sessionId")]
    pub session: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Call<'a, P: Serialize> {
    id: u64,
    method: &'a str,
    params: P,
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
}

#[derive(Serialize)]
struct Event<'a> {
    method: &'a str,
    params: Option<&'a RawValue>,
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
}

/// The parts of a `Target.*` message that decide whose a session is and who may see it.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetPart<'a> {
    #[serde(borrow)]
    pub session_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub target_info: Option<TargetBrief<'a>>,
    #[serde(default)]
    pub waiting_for_debugger: bool,
}

#[derive(Deserialize)]
pub(super) struct TargetBrief<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub url: Cow<'a, str>,
    #[serde(borrow, default, rename = "targetId")]
    pub target: Cow<'a, str>,
    #[serde(borrow, default, rename = "browserContextId")]
    pub context: Option<Cow<'a, str>>,
}

/// The result of `Target.getTargets`, each entry kept as it came.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetList<'a> {
    #[serde(borrow)]
    pub target_infos: Vec<&'a RawValue>,
}

impl TargetBrief<'_> {
    /// The browser's own user interface shows up beside pages, first as
    /// `browser_ui`, a moment later as `page`. Navigating it crashes Chromium.
    pub fn is_browser_ui(&self) -> bool {
        self.kind == "browser_ui"
            || self.url.split('/').nth(2).is_some_and(|host| host.ends_with(".top-chrome"))
    }
}

/// `value` as JSON. Plain strings, numbers and raw values cannot fail.
fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

pub(super) fn call(id: u64, method: &str, params: Option<&RawValue>, session: Option<&str>) -> Vec<u8> {
    match params {
        Some(params) => bytes(&Call { id, method, params, session }),
        None => bytes(&Call { id, method, params: serde_json::Map::new(), session }),
    }
}

pub(super) fn call_with(id: u64, method: &str, params: &serde_json::Value, session: Option<&str>) -> Vec<u8> {
    bytes(&Call { id, method, params, session })
}

pub(super) fn answer(
    id: &Number,
    result: Option<&RawValue>,
    error: Option<&RawValue>,
    session: Option<&str>,
) -> Vec<u8> {
    bytes(&Answer { id, result, error, session })
}

/// Whether a number can be the id of a message.
pub(super) fn is_whole(id: &Number) -> bool {
    id.is_i64() || id.is_u64() || id.as_f64().is_some_and(|id| id.fract() == 0.0)
}

/// The parameters as `T`; what has another shape is nothing.
pub(super) fn read<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(params?.get()).ok()
}

/// Any value as raw JSON.
pub(super) fn raw(value: &serde_json::Value) -> Option<Box<RawValue>> {
    RawValue::from_string(value.to_string()).ok()
}

pub(super) fn event(method: &str, params: Option<&RawValue>, session: Option<&str>) -> Vec<u8> {
    bytes(&Event { method, params, session })
}

/// A refusal by the multiplexer itself, in the shape of a CDP error.
pub(super) fn refusal(id: Option<&Number>, code: i32, text: &str, session: Option<&str>) -> Vec<u8> {
    let mut value = serde_json::json!({ "error": { "code": code, "message": text } });
    if let Some(id) = id {
        value["id"] = id.clone().into();
    }
    if let Some(session) = session {
        value["sessionId"] = session.into();
    }
    bytes(&value)
}
