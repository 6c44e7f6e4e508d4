//! For whoever writes tests: locators, and assertions on what is there.

use schemars::JsonSchema;
use serde::Deserialize;

use super::quoted;
use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::{Call, locator};
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct GenerateLocator {
    /// Human-readable element description
    #[allow(dead_code, reason = "known callers send it")]
    element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator
    target: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct VerifyElement {
    /// Role of the element, as the snapshot shows it
    role: String,
    /// Name of the element, as the snapshot shows it
    accessible_name: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct VerifyText {
    /// Text that should be visible
    text: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct VerifyList {
    /// Human-readable list description
    element: String,
    /// Ref from the page snapshot, CSS selector or locator of the list
    target: String,
    /// Texts that should be in the list
    items: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct VerifyValue {
    /// Type of the element
    #[serde(rename = "type")]
    kind: super::forms::FieldKind,
    /// Human-readable element description
    element: String,
    /// Ref from the page snapshot, CSS selector or locator
    target: String,
    /// Value that it should have; "true" or "false" for a checkbox
    value: String,
}

impl Tool for GenerateLocator {
    const NAME: &'static str = "browser_generate_locator";
    const ABOUT: &'static str = "Generate a Playwright locator for an element, to use in tests";
    const GROUP: ToolGroup = ToolGroup::Testing;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let target = locator(&self.target)?;
        let code = call.tab().await?.generate_locator(&target).await?;
        Ok(Answer::result(code))
    }
}

impl Tool for VerifyElement {
    const NAME: &'static str = "browser_verify_element_visible";
    const ABOUT: &'static str = "Verify element is visible on the page";
    const GROUP: ToolGroup = ToolGroup::Testing;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let code =
            format!("getByRole({}, {{ name: {} }})", quoted(&self.role), quoted(&self.accessible_name));
        visible(call, &code, "element").await
    }
}

impl Tool for VerifyText {
    const NAME: &'static str = "browser_verify_text_visible";
    const ABOUT: &'static str =
        "Verify text is visible on the page. Prefer browser_verify_element_visible if possible";
    const GROUP: ToolGroup = ToolGroup::Testing;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        visible(call, &format!("getByText({})", quoted(&self.text)), "text").await
    }
}

impl Tool for VerifyList {
    const NAME: &'static str = "browser_verify_list_visible";
    const ABOUT: &'static str = "Verify list is visible on the page";
    const GROUP: ToolGroup = ToolGroup::Testing;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let list = tab.read_element(&locator(&self.target)?).await?;
        if !list.visible {
            return Err(failed(format!("the list {} is not visible", self.element)));
        }
        if let Some(missing) = self.items.iter().find(|item| !list.text.contains(item.as_str())) {
            return Err(failed(format!("{missing:?} is not in the list {}", self.element)));
        }
        let code = tab.generate_locator(&locator(&self.target)?).await?;
        let lines: Vec<_> = self
            .items
            .iter()
            .map(|item| format!("await expect(page.{code}).toContainText({});", quoted(item)))
            .collect();
        done(lines.join("\n"))
    }
}

impl Tool for VerifyValue {
    const NAME: &'static str = "browser_verify_value";
    const ABOUT: &'static str = "Verify element value";
    const GROUP: ToolGroup = ToolGroup::Testing;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        use super::forms::FieldKind;
        let (tab, target) = (call.tab().await?, locator(&self.target)?);
        let read = tab.read_element(&target).await?;
        let boxed = matches!(self.kind, FieldKind::Checkbox | FieldKind::Radio);
        let found = if boxed { read.checked.to_string() } else { read.value.clone() };
        // A list shows the label of what is chosen and has its value.
        let matches = found == self.value || self.kind == FieldKind::Combobox && read.text == self.value;
        if !matches {
            return Err(failed(format!("{} is {found:?}, not {:?}", self.element, self.value)));
        }
        let code = tab.generate_locator(&target).await?;
        done(match (boxed, self.value.as_str()) {
            (true, "true") => format!("await expect(page.{code}).toBeChecked();"),
            (true, _) => format!("await expect(page.{code}).not.toBeChecked();"),
            (false, value) => format!("await expect(page.{code}).toHaveValue({});", quoted(value)),
        })
    }
}

async fn visible(call: &mut Call, code: &str, what: &str) -> Done {
    let (all, visible) = call.tab().await?.count(&locator(code)?).await?;
    match (all, visible) {
        (_, 1..) => done(format!("await expect(page.{code}).toBeVisible();")),
        (0, _) => Err(failed(format!("there is no such {what}: {code}"))),
        (all, _) => Err(failed(format!("{all} match {code}, and none of them is visible"))),
    }
}

fn failed(text: String) -> Fault {
    Fault::new("verification", text)
}

fn done(code: String) -> Done {
    Ok(Answer { code: Some(code), ..Answer::result("Done") })
}
