//! What the record keeps of a tool's call. What an argument is for is known by
//! its name here; of what is not known, only the length is kept.

use rmcp::model::JsonObject;
use serde_json::{Map, Value};

use super::answer::{Done, Fault};
use super::session::Session;
use super::tool::Kind;
use crate::policy::SessionCall;
use crate::room::record::redact;
use crate::room::{Begun, CallKey, Entry, Outcome, RecordKind};

/// Arguments that name what is acted on, or how. They are kept.
const KEPT: [&str; 35] = [
    "target",
    "ref",
    "element",
    "startTarget",
    "startElement",
    "endTarget",
    "endElement",
    "role",
    "accessibleName",
    "button",
    "modifiers",
    "type",
    "action",
    "format",
    "level",
    "part",
    "state",
    "position",
    "cursor",
    "scale",
    "filename",
    "paths",
    "domain",
    "sameSite",
    "colorScheme",
    "reducedMotion",
    "forcedColors",
    "contrast",
    "media",
    "networkConditions",
    "timezone",
    "timezoneId",
    "locale",
    "location",
    "isolatedContext",
];
/// Arguments that are programs.
const CODE: [&str; 2] = ["function", "code"];
/// Arguments that are addresses, or patterns of them.
const ADDRESSES: [&str; 3] = ["url", "pattern", "filter"];
/// The most of an argument that is kept, in characters.
const LONGEST: usize = 200;
/// Faults whose words are our own; the others' may quote the page or the call.
const OWN_WORDS: [&str; 7] =
    ["floor", "no_browser", "browser_ended", "record", "rules", "denied", "approval"];

/// A call as it is recorded: before it acts, or once it has looked.
pub(super) struct Recorded {
    entry: Entry,
    begun: Option<Begun>,
    /// When it is a call of a conversation: its key, and which one if that is known.
    key: Option<CallKey>,
    call: Option<SessionCall>,
}

/// Writes down a call that acts, before it does. A call that looks is written
/// down when it has ended.
pub(super) async fn begin(
    session: &Session,
    kind: Kind,
    tool: &str,
    arguments: &JsonObject,
    page: Option<String>,
) -> Result<Option<Recorded>, Fault> {
    let Some(recorder) = session.seat.recorder() else { return Ok(None) };
    let kind = if kind == Kind::Looks { RecordKind::Look } else { RecordKind::Act };
    let entry = Entry::new(kind, tool).by(session.seat.actor()).page(&page.unwrap_or_default());
    let actor = &session.seat.actor().id;
    let key = recorder.calls().follows(actor);
    let key = key.then(|| CallKey::new(actor, tool, &Value::Object(arguments.clone())));
    let call = match &key {
        Some(key) => recorder.calls().claim_soon(key).await,
        None => None,
    };
    let entry = entry.details(Value::Object(kept(tool, arguments)));
    let entry = match &call {
        Some(call) => entry.of_call(call),
        None => entry,
    };
    let begun = match kind {
        RecordKind::Act => {
            let begun = recorder.begin(entry.clone()).await;
            let begun = begun.map_err(|refused| Fault::new("record", refused.to_string()))?;
            if let Some(key) = &key {
                recorder.calls().written(key.clone(), call.as_ref(), begun.seq());
            }
            Some(begun)
        }
        _ => None,
    };
    Ok(Some(Recorded { entry, begun, key, call }))
}

/// Writes down how it ended.
pub(super) fn end(session: &Session, recorded: Option<Recorded>, done: &Done) {
    let (Some(Recorded { entry, begun, key, call }), Some(recorder)) = (recorded, session.seat.recorder())
    else {
        return;
    };
    let (outcome, reason) = match done {
        Ok(answer) => match &answer.fault {
            Some(fault) => ending(fault),
            None => (Outcome::Done, String::new()),
        },
        Err(fault) => ending(fault),
    };
    let entry = entry.outcome(outcome).because(&reason);
    match (begun, key) {
        (Some(begun), _) => begun.end(outcome, &reason),
        (None, None) => recorder.note(entry),
        (None, Some(key)) => {
            let number = recorder.note_told(entry);
            tokio::spawn(async move {
                if let Ok(seq) = number.await {
                    recorder.calls().written(key, call.as_ref(), seq);
                }
            });
        }
    }
}

fn ending(fault: &Fault) -> (Outcome, String) {
    let outcome = match fault.code {
        "floor" | "rules" | "denied" | "approval" | "record" => Outcome::Refused,
        "preempted" | "cancelled" => Outcome::Cancelled,
        _ => Outcome::Failed,
    };
    match OWN_WORDS.contains(&fault.code) {
        true => (outcome, format!("{}: {}", fault.code, fault.text)),
        false => (outcome, fault.code.to_owned()),
    }
}

fn kept(tool: &str, arguments: &JsonObject) -> Map<String, Value> {
    arguments.iter().map(|(key, value)| (key.clone(), argument(tool, key, value))).collect()
}

fn argument(tool: &str, key: &str, value: &Value) -> Value {
    match value {
        Value::String(text) if CODE.contains(&key) => redact::code(text),
        Value::String(text) if ADDRESSES.contains(&key) => address(text),
        Value::String(text) if tool == "browser_press_key" && key == "key" => pressed(text),
        Value::String(text) if KEPT.contains(&key) => redact::shortened(text, LONGEST).into(),
        // Names are of fields, cookies and downloads; their values are secrets of people.
        Value::String(text) if key == "name" => redact::words(text, LONGEST).into(),
        Value::String(text) => redact::typed(text),
        Value::Array(values) => values.iter().take(32).map(|value| argument(tool, key, value)).collect(),
        Value::Object(map) => {
            // The keys of what is dropped on a page are its MIME types.
            Value::Object(map.iter().map(|(key, value)| (key.clone(), argument(tool, key, value))).collect())
        }
        value => value.clone(),
    }
}

/// The name of a key; a letter could be one of a password.
fn pressed(key: &str) -> Value {
    let last = key.rsplit('+').next().unwrap_or_default();
    let named = last.chars().count() > 1 && last.chars().all(|c| c.is_ascii_alphanumeric());
    match named || key.starts_with("Control+") || key.starts_with("Meta+") || key.starts_with("Alt+") {
        true => redact::shortened(key, 40).into(),
        false => redact::typed(key),
    }
}

fn address(text: &str) -> Value {
    match text.contains("://") || text.contains(':') {
        true => redact::address(text).into(),
        false => redact::shortened(text.split(['?', '#']).next().unwrap_or_default(), LONGEST).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(tool: &str, arguments: Value) -> String {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        Value::Object(kept(tool, &arguments)).to_string()
    }

    #[test]
    fn of_what_is_typed_or_stored_only_the_length_is_kept() {
        for (tool, arguments) in [
            ("browser_type", json!({ "target": "e1", "text": "hunter2" })),
            (
                "browser_fill_form",
                json!({ "fields": [{ "target": "e1", "name": "Password", "value": "hunter2" }] }),
            ),
            ("browser_cookie_set", json!({ "name": "sid", "value": "hunter2" })),
            ("browser_localstorage_set", json!({ "key": "k", "value": "hunter2" })),
            (
                "browser_route",
                json!({ "pattern": "**/x?k=hunter2", "headers": ["authorization: hunter2"], "body": "hunter2" }),
            ),
            ("browser_navigate", json!({ "url": "https://u:hunter2@a.example/?k=hunter2#hunter2" })),
            ("browser_navigate", json!({ "url": "a.example/x?hunter2" })),
            ("browser_evaluate", json!({ "function": "() => login('hunter2')" })),
            ("browser_drop", json!({ "target": "e1", "data": { "text/plain": "hunter2" } })),
            ("browser_handle_dialog", json!({ "accept": true, "promptText": "hunter2" })),
            ("browser_select_option", json!({ "target": "e1", "values": ["hunter2"] })),
            ("unknown", json!({ "anything": [{ "deep": "hunter2" }] })),
        ] {
            let kept = of(tool, arguments);
            assert!(!kept.contains("hunter2"), "{tool}: {kept}");
        }
        assert_eq!(
            of("browser_type", json!({ "text": "hunter2" })),
            json!({ "text": { "characters": 7 } }).to_string()
        );
    }

    #[test]
    fn a_key_is_kept_by_its_name_and_a_letter_is_not() {
        for (key, kept) in
            [("Enter", true), ("Control+a", true), ("h", false), ("Shift+H", false), ("+", false)]
        {
            let shown = of("browser_press_key", json!({ "key": key }));
            assert_eq!(shown.contains(&format!("\"{key}\"")), kept, "{shown}");
        }
    }
}
