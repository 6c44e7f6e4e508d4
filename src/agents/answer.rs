//! The answer of a tool: one text in sections, in the order that agents know.

use rmcp::model::{CallToolResult, ContentBlock};

use crate::browser::{Dialog, Snapshot, TabInfo};

#[derive(Default)]
pub(super) struct Answer {
    pub error: Option<String>,
    pub result: Option<String>,
    pub code: Option<String>,
    /// All tabs, and which one is this agent's.
    pub tabs: Option<(Vec<TabInfo>, Option<String>)>,
    /// Address and title.
    pub page: Option<(String, String)>,
    pub dialog: Option<Dialog>,
    pub snapshot: Option<Snapshot>,
    /// Base64 and MIME type.
    pub image: Option<(String, &'static str)>,
}

impl Answer {
    pub fn error(text: impl Into<String>) -> Self {
        Self { error: Some(text.into()), ..Self::default() }
    }

    pub fn result(text: impl Into<String>) -> Self {
        Self { result: Some(text.into()), ..Self::default() }
    }

    fn text(&self) -> String {
        let mut sections = Vec::new();
        let mut section = |title: &str, body: String| sections.push(format!("### {title}\n{body}"));
        if let Some(error) = &self.error {
            section("Error", error.clone());
        }
        if let Some(result) = &self.result {
            section("Result", result.clone());
        }
        if let Some(code) = &self.code {
            section("Ran Playwright code", format!("```js\n{code}\n```"));
        }
        if let Some((tabs, current)) = self.tabs.as_ref().filter(|(tabs, _)| tabs.len() != 1) {
            section("Open tabs", list_tabs(tabs, current.as_deref()));
        }
        if let Some((url, title)) = &self.page {
            section("Page", format!("- Page URL: {url}\n- Page Title: {title}"));
        }
        if let Some(dialog) = &self.dialog {
            let text = format!(
                "- [\"{}\" dialog with message {:?}]: can be handled by browser_handle_dialog",
                dialog.kind, dialog.message
            );
            section("Modal state", text);
        }
        if let Some(snapshot) = &self.snapshot {
            section("Snapshot", format!("```yaml\n{}\n```", snapshot.yaml));
        }
        sections.join("\n")
    }

    pub fn into_result(self) -> CallToolResult {
        let text = self.text();
        let mut content = Vec::new();
        if !text.is_empty() {
            content.push(ContentBlock::text(text));
        }
        if let Some((data, mime)) = self.image {
            content.push(ContentBlock::image(data, mime));
        }
        match self.error {
            Some(_) => CallToolResult::error(content),
            None => CallToolResult::success(content),
        }
    }
}

pub(super) fn list_tabs(tabs: &[TabInfo], current: Option<&str>) -> String {
    let line = |(index, tab): (usize, &TabInfo)| {
        let mine = if Some(tab.target.as_str()) == current { " (current)" } else { "" };
        let front = if tab.front { " (in front)" } else { "" };
        format!("- {index}:{mine}{front} [{}]({})", tab.title, tab.url)
    };
    match tabs {
        [] => "No open tabs. Use browser_tabs with action new.".to_owned(),
        tabs => tabs.iter().enumerate().map(line).collect::<Vec<_>>().join("\n"),
    }
}
