//! What tools there are: names, words and schemas.

use std::sync::{Arc, OnceLock};

use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;

use super::args;

/// All tools, in the order in which agents are told of them.
pub(super) fn tools() -> &'static [Tool] {
    static TOOLS: OnceLock<Vec<Tool>> = OnceLock::new();
    TOOLS.get_or_init(|| {
        vec![
            acts::<args::Navigate>("browser_navigate", "Navigate to a URL"),
            acts::<args::Nothing>("browser_navigate_back", "Go back to the previous page in the history"),
            looks::<args::TakeSnapshot>(
                "browser_snapshot",
                "Capture an outline of the current page with refs to act on; better than a screenshot",
            ),
            acts::<args::ClickOn>("browser_click", "Perform click on a web page"),
            acts::<args::Hover>("browser_hover", "Hover over element on page"),
            acts::<args::Type>("browser_type", "Type text into editable element"),
            acts::<args::PressKey>("browser_press_key", "Press a key on the keyboard"),
            acts::<args::SelectOption>("browser_select_option", "Select an option in a dropdown"),
            acts::<args::FillForm>("browser_fill_form", "Fill multiple form fields"),
            looks::<args::TakeScreenshot>(
                "browser_take_screenshot",
                "Take a picture of the current page. Act by browser_snapshot, not by this picture",
            ),
            acts::<args::Tabs>(
                "browser_tabs",
                "List, create, close, or select a browser tab. Selecting brings it to the front for the people too",
            ),
            looks::<args::WaitFor>(
                "browser_wait_for",
                "Wait for text to appear or disappear or a specified time to pass",
            ),
            acts::<args::Evaluate>("browser_evaluate", "Evaluate JavaScript expression on page or element"),
            acts::<args::HandleDialog>("browser_handle_dialog", "Handle a dialog"),
        ]
    })
}

/// True for a tool that changes nothing.
pub(super) fn only_looks(name: &str) -> bool {
    let tool = tools().iter().find(|tool| tool.name == name);
    tool.and_then(|tool| tool.annotations.as_ref()?.read_only_hint).unwrap_or(false)
}

/// The tool that was most likely meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    const PREFIX: &str = "browser_";
    let bare = |name: &'static str| name.trim_start_matches(PREFIX);
    let names: Vec<&'static str> = tools().iter().map(|tool| bare(tool.name.as_ref())).collect();
    // It is all that names have in common, and agents of other makes leave it out.
    let wanted = name.trim_start_matches(PREFIX);
    let part_of = names.iter().copied().find(|name| wanted.len() > 3 && name.contains(wanted));
    let nearest = part_of.or_else(|| args::nearest(wanted, &names))?;
    tools().iter().map(|tool| tool.name.as_ref()).find(|name| bare(name) == nearest)
}

fn tool<T: JsonSchema>(name: &'static str, description: &'static str, reads_only: bool) -> Tool {
    let schema: JsonObject = match serde_json::to_value(schemars::schema_for!(T)) {
        Ok(serde_json::Value::Object(mut schema)) => {
            schema.remove("title");
            schema.entry("properties").or_insert_with(|| serde_json::json!({}));
            schema
        }
        _ => JsonObject::new(),
    };
    let mut tool = Tool::new(name, description, Arc::new(schema));
    tool.annotations =
        Some(ToolAnnotations::new().read_only(reads_only).destructive(!reads_only).open_world(true));
    tool
}

fn acts<T: JsonSchema>(name: &'static str, description: &'static str) -> Tool {
    tool::<T>(name, description, false)
}

fn looks<T: JsonSchema>(name: &'static str, description: &'static str) -> Tool {
    tool::<T>(name, description, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_leads_to_the_nearest_tool() {
        for (wrong, right) in [
            ("browser_clik", Some("browser_click")),
            ("navigate", Some("browser_navigate")),
            ("browser_screenshot", Some("browser_take_screenshot")),
            ("browser_frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong), right, "{wrong}");
        }
        assert!(only_looks("browser_snapshot") && !only_looks("browser_click") && !only_looks("no_such"));
    }

    #[test]
    fn every_tool_has_an_object_schema_and_its_own_name() {
        let names: std::collections::BTreeSet<_> = tools().iter().map(|tool| &tool.name).collect();
        assert_eq!(names.len(), tools().len());
        for tool in tools() {
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            assert!(tool.input_schema.contains_key("properties"), "{}", tool.name);
        }
        let click = tools().iter().find(|tool| tool.name == "browser_click").expect("there");
        assert_eq!(click.input_schema["required"], serde_json::json!(["target"]));
    }
}
