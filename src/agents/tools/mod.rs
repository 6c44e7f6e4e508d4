//! The tools, each with its arguments, by the names that Playwright MCP gives
//! them, and ours beside them.

mod acts;
mod forms;
mod go;
mod looks;
mod script;
mod together;

#[cfg(test)]
pub(super) use acts::Click;

use super::tool::{Entry, entry};

/// All of them, in the order in which agents are told of them.
pub(super) fn all() -> Vec<Entry> {
    vec![
        entry::<go::Navigate>(),
        entry::<go::Back>(),
        entry::<looks::Snapshot>(),
        entry::<acts::Click>(),
        entry::<acts::Hover>(),
        entry::<forms::Type>(),
        entry::<forms::PressKey>(),
        entry::<forms::SelectOption>(),
        entry::<forms::FillForm>(),
        entry::<looks::Screenshot>(),
        entry::<go::Tabs>(),
        entry::<looks::WaitFor>(),
        entry::<script::Evaluate>(),
        entry::<acts::HandleDialog>(),
        entry::<together::Say>(),
        entry::<together::RequestHelp>(),
        entry::<together::WaitForUser>(),
    ]
}

/// The locator of what was found, else what the agent pointed with.
fn or(code: &str, target: &str) -> String {
    if code.is_empty() { format!("locator({})", quoted(target)) } else { code.to_owned() }
}

/// As code.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What people read: the agent's own description, else what it pointed with.
fn called(element: Option<&str>, target: &str) -> String {
    element.filter(|text| !text.is_empty()).unwrap_or(target).to_owned()
}

/// The most that one value may add to an answer.
const LONGEST_VALUE: usize = 200_000;

fn bounded(mut text: String) -> String {
    if text.len() > LONGEST_VALUE {
        let at = (0..=LONGEST_VALUE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(at);
        text.push_str("\n… the value is longer and was cut here");
    }
    text
}
