//! Running the agent's own scripts in a page.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{bounded, quoted};
use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::{Call, PAGE, Show, locator, within};
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Evaluate {
    /// Human-readable element description
    #[allow(dead_code, reason = "known callers send it")]
    element: Option<String>,
    /// Ref, CSS selector or locator of the element that is the function's argument
    target: Option<String>,
    /// () => { /* code */ } or (element) => { /* code */ } when an element is provided
    function: String,
    /// Lay the value down as a file of this name instead of answering it
    filename: Option<String>,
}

impl Tool for Evaluate {
    const NAME: &'static str = "browser_evaluate";
    const ABOUT: &'static str = "Evaluate JavaScript expression on page or element";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let element = self.target.as_deref().map(locator).transpose()?;
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say("runs a script");
        let value = tab.evaluate(held.permit(), &self.function, element.as_ref(), within(PAGE)).await?;
        drop(held);
        let text = serde_json::to_string_pretty(&value)
            .map_err(|error| Fault::new("page_error", error.to_string()))?;
        let code = match &self.target {
            Some(target) => {
                format!("await page.locator({}).evaluate({});", quoted(target), quoted(&self.function))
            }
            None => format!("await page.evaluate({});", quoted(&self.function)),
        };
        if let Some(name) = &self.filename {
            let filed = call.file(name, "application/json", text)?;
            return Ok(Answer { result: Some(filed), code: Some(code), ..call.state(Show::Address).await });
        }
        Ok(Answer {
            result: Some(bounded(text)),
            structured: Some(json!({ "result": value })),
            code: Some(code),
            ..call.state(Show::Address).await
        })
    }
}
