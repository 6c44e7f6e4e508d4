//! The tools' arguments, by the names that Playwright MCP gives them.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Navigate {
    /// The URL to navigate to
    pub url: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeSnapshot {
    /// Only the part below this ref from an earlier snapshot
    pub target: Option<String>,
    /// How many levels of the outline to show
    pub depth: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ClickOn {
    /// Human-readable element description, shown to people
    pub element: Option<String>,
    /// Ref from the page snapshot such as e5 or f2e5, a CSS selector, or a locator such as getByRole("button", { name: "Save" })
    pub target: String,
    /// Whether to perform a double click instead of a single click
    pub double_click: Option<bool>,
    /// Button to click, defaults to left
    pub button: Option<MouseButton>,
    /// Modifier keys to hold
    pub modifiers: Option<Vec<Modifier>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MouseButton {
    Left,
    Right,
    Middle,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub(super) enum Modifier {
    Alt,
    Control,
    ControlOrMeta,
    Meta,
    Shift,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hover {
    /// Human-readable element description, shown to people
    pub element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator
    pub target: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Type {
    /// Human-readable element description, shown to people
    pub element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of the field
    pub target: String,
    /// Text to type into the element
    pub text: String,
    /// Whether to submit entered text (press Enter after)
    pub submit: Option<bool>,
    /// Whether to type one character at a time, after what is there. By default the text replaces the field's value at once.
    pub slowly: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PressKey {
    /// Name of the key to press or a character to generate, such as `ArrowLeft`, `a` or `ControlOrMeta+a`
    pub key: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SelectOption {
    /// Human-readable element description, shown to people
    pub element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of the list
    pub target: String,
    /// Values or labels to select
    pub values: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FillForm {
    /// Fields to fill in
    pub fields: Vec<Field>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    /// Human-readable element description
    #[allow(dead_code, reason = "for the reader of the call; the name is shown")]
    pub element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of the field
    pub target: String,
    /// Human-readable field name
    pub name: String,
    /// Type of the field
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Value to fill in: "true" or "false" for a checkbox, the option's label for a combobox
    pub value: String,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum FieldKind {
    Textbox,
    Checkbox,
    Radio,
    Combobox,
    Slider,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TakeScreenshot {
    /// Image format, defaults to png
    #[serde(rename = "type")]
    pub kind: Option<ImageKind>,
    /// Ignored here: the picture comes in the answer
    #[allow(dead_code, reason = "known callers send it")]
    pub filename: Option<String>,
    /// Human-readable element description
    #[allow(dead_code, reason = "known callers send it")]
    pub element: Option<String>,
    /// Ref, CSS selector or locator of the one element to picture
    pub target: Option<String>,
    /// The full scrollable page instead of the viewport
    pub full_page: Option<bool>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ImageKind {
    Png,
    Jpeg,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tabs {
    /// Operation to perform
    pub action: TabAction,
    /// Tab index, for close and select. Without it close closes the current tab.
    pub index: Option<usize>,
    /// URL for the new tab
    pub url: Option<String>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TabAction {
    List,
    New,
    Close,
    Select,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WaitFor {
    /// The time to wait in seconds
    pub time: Option<f64>,
    /// The text to wait for
    pub text: Option<String>,
    /// The text to wait for to disappear
    pub text_gone: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Evaluate {
    /// Human-readable element description
    #[allow(dead_code, reason = "known callers send it")]
    pub element: Option<String>,
    /// Ref, CSS selector or locator of the element that is the function's argument
    pub target: Option<String>,
    /// () => { /* code */ } or (element) => { /* code */ } when an element is provided
    pub function: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct HandleDialog {
    /// Whether to accept the dialog
    pub accept: bool,
    /// The text of the prompt in case of a prompt dialog
    pub prompt_text: Option<String>,
}

/// Reads a tool's arguments; an unknown key is an error that names the nearest right one.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(arguments: Option<JsonObject>) -> Result<T, String> {
    let arguments = arguments.unwrap_or_default();
    let schema = schemars::schema_for!(T);
    let known: Vec<&str> = match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => properties.keys().map(String::as_str).collect(),
        None => Vec::new(),
    };
    if let Some(key) = arguments.keys().find(|key| !known.contains(&key.as_str())) {
        let nearest = match key.as_str() {
            "ref" | "selector" | "locator" => known.iter().find(|known| **known == "target").copied(),
            _ => nearest(key, &known),
        };
        let key: String = key.chars().take(64).collect();
        return Err(match nearest {
            Some(nearest) => format!("unknown argument {key:?}; did you mean {nearest:?}?"),
            None if known.is_empty() => format!("unknown argument {key:?}; this tool takes none"),
            None => format!("unknown argument {key:?}; this tool takes {}", known.join(", ")),
        });
    }
    serde_json::from_value(Value::Object(arguments)).map_err(|error| format!("invalid arguments: {error}"))
}

/// The known word that is most like this one, if any is like it at all.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, nearest) = known.iter().map(|known| (distance(word, known), *known)).min()?;
    (distance <= nearest.len().max(word.len()) / 2).then_some(nearest)
}

/// How many letters must change to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate().take(64) {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Option<JsonObject> {
        value.as_object().cloned()
    }

    #[test]
    fn an_unknown_argument_is_answered_with_the_nearest_right_one() {
        let refused = |value| read::<ClickOn>(object(value)).err().expect("refused");
        assert!(refused(json!({ "ref": "e5" })).contains("\"target\""));
        assert!(refused(json!({ "target": "e5", "doubleclick": true })).contains("\"doubleClick\""));
        assert!(refused(json!({ "target": "e5", "zzzzzzzz": 1 })).contains("takes"));
        assert!(refused(json!({})).contains("target"));
        assert!(read::<Nothing>(object(json!({ "x": 1 }))).err().expect("refused").contains("takes none"));
        assert!(read::<ClickOn>(object(json!({ "target": "e5", "button": "right" }))).is_ok());
    }
}
