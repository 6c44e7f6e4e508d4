//! Which tools there are, by name, and which one was meant.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::args;
use super::tool::Entry;
use super::tools;
use crate::base::ToolGroups;

static TOOLS: LazyLock<Vec<Entry>> = LazyLock::new(tools::all);

/// All tools, in the order in which agents are told of them.
pub(super) fn all() -> &'static [Entry] {
    &TOOLS
}

/// Those that a token opens.
pub(super) fn within(groups: ToolGroups) -> impl Iterator<Item = &'static Entry> {
    all().iter().filter(move |entry| groups.contains(entry.group))
}

/// The tool of this name; else why there is none, with the one most likely meant.
pub(super) fn find(name: &str, groups: ToolGroups) -> Result<&'static Entry, String> {
    if let Some(entry) = all().iter().find(|entry| entry.tool.name == name) {
        if groups.contains(entry.group) {
            return Ok(entry);
        }
        let group = entry.group.as_str();
        return Err(format!(
            "{name} is in the group {group:?}, which this token does not open; make one with: tandem token create --role agent --tools {groups},{group}"
        ));
    }
    let name: String = name.chars().take(64).collect();
    Err(match nearest(&name, groups) {
        Some(nearest) => format!("there is no tool {name:?}; did you mean {nearest:?}?"),
        None => format!("there is no tool {name:?}; tools/list names those there are"),
    })
}

/// The tool that was most likely meant.
fn nearest(name: &str, groups: ToolGroups) -> Option<&'static str> {
    const PREFIX: &str = "browser_";
    let bare = |name: &'static str| name.trim_start_matches(PREFIX);
    let names: Vec<&'static str> = within(groups).map(|entry| bare(entry.tool.name.as_ref())).collect();
    // It is all that names have in common, and agents of other makes leave it out.
    let wanted = name.trim_start_matches(PREFIX);
    let part_of = names.iter().copied().find(|name| wanted.len() > 3 && name.contains(wanted));
    let same_words =
        || names.iter().copied().find(|name| words(name).is_superset(&words(wanted)) && !wanted.is_empty());
    let nearest = part_of.or_else(same_words).or_else(|| args::nearest(wanted, &names))?;
    all().iter().map(|entry| entry.tool.name.as_ref()).find(|name| bare(name) == nearest)
}

fn words(name: &str) -> BTreeSet<&str> {
    name.split('_').filter(|word| !word.is_empty()).collect()
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
            assert_eq!(nearest(wrong, ToolGroups::ALL), right, "{wrong}");
        }
    }

    #[test]
    fn every_tool_has_an_object_schema_and_its_own_name() {
        let names: BTreeSet<_> = all().iter().map(|entry| &entry.tool.name).collect();
        assert_eq!(names.len(), all().len());
        for Entry { tool, .. } in all() {
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            assert!(tool.input_schema.contains_key("properties"), "{}", tool.name);
            let text = serde_json::to_string(&tool.input_schema).expect("JSON");
            assert!(!text.contains("$ref") && !text.contains("$defs"), "{}: {text}", tool.name);
        }
        let click = find("browser_click", ToolGroups::default()).map(|entry| &entry.tool);
        assert_eq!(
            click.map(|tool| tool.input_schema["required"].clone()),
            Ok(serde_json::json!(["target"]))
        );
    }
}
