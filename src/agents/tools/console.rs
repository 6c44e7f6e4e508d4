//! What the page has logged.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::bounded;
use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::Call;
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Messages {
    /// Level of the messages to return; each includes the more severe ones. info if left out
    level: Option<Level>,
    /// Also those from before the last navigation
    all: Option<bool>,
    /// The number of one message, to get all of it with its stack
    index: Option<u64>,
    /// Lay the messages down as a file of this name instead of answering them
    filename: Option<String>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

impl Tool for Messages {
    const NAME: &'static str = "browser_console_messages";
    const ABOUT: &'static str = "Returns the console messages of the current tab";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let level = match self.level {
            Some(Level::Error) => browser::Level::Error,
            Some(Level::Warning) => browser::Level::Warning,
            None | Some(Level::Info) => browser::Level::Info,
            Some(Level::Debug) => browser::Level::Debug,
        };
        let watch = call.watch().await?;
        watch.catch_up().await;
        if let Some(index) = self.index {
            let message = watch.message(index);
            let message =
                message.ok_or_else(|| Fault::argument(format!("there is no message {index} any more")))?;
            let whole = json!(message);
            return Ok(Answer { structured: Some(whole.clone()), ..Answer::result(format!("{whole:#}")) });
        }
        let (errors, warnings) = watch.message_counts();
        let messages = watch.messages(level, self.all == Some(true));
        let mut text = format!("Total messages: {} (Errors: {errors}, Warnings: {warnings})", messages.len());
        for message in &messages {
            text.push_str(&format!("\n{}. {message}", message.number));
        }
        if let Some(name) = &self.filename {
            return Ok(Answer::result(call.file(name, "text/plain", text)?));
        }
        Ok(Answer { structured: Some(json!({ "messages": messages })), ..Answer::result(bounded(text)) })
    }
}
