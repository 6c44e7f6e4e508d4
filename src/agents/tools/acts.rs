//! The hand: clicking, pointing, dragging, answering dialogs.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{called, or, quoted};
use crate::agents::answer::Done;
use crate::agents::call::{Call, locator};
use crate::agents::secrets;
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{self, PointerButton};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Click {
    /// Human-readable element description, shown to people
    element: Option<String>,
    /// Ref from the page snapshot such as e5 or f2e5, a CSS selector, or a locator such as getByRole("button", { name: "Save" })
    target: String,
    /// Whether to perform a double click instead of a single click
    double_click: Option<bool>,
    /// Button to click, defaults to left
    button: Option<MouseButton>,
    /// Modifier keys to hold
    modifiers: Option<Vec<Modifier>>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MouseButton {
    Left,
    Right,
    Middle,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum Modifier {
    Alt,
    Control,
    ControlOrMeta,
    Meta,
    Shift,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Hover {
    /// Human-readable element description, shown to people
    element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator
    target: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Drag {
    /// Human-readable description of what is dragged, shown to people
    start_element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of what is dragged
    start_target: String,
    /// Human-readable description of where it is dropped
    end_element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of where it is dropped
    end_target: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct HandleDialog {
    /// Whether to accept the dialog
    accept: bool,
    /// The text of the prompt in case of a prompt dialog
    prompt_text: Option<String>,
}

impl From<MouseButton> for PointerButton {
    fn from(button: MouseButton) -> Self {
        match button {
            MouseButton::Left => PointerButton::Left,
            MouseButton::Middle => PointerButton::Middle,
            MouseButton::Right => PointerButton::Right,
        }
    }
}

impl Tool for Click {
    const NAME: &'static str = "browser_click";
    const ABOUT: &'static str = "Perform click on a web page";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let target = locator(&self.target)?;
        let click = browser::Click {
            button: self.button.unwrap_or(MouseButton::Left).into(),
            double: self.double_click == Some(true),
            modifiers: self.modifiers.iter().flatten().map(|modifier| format!("{modifier:?}")).collect(),
        };
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("clicks {}", called(self.element.as_deref(), &self.target)));
        let shown = call.shown();
        let done = call.acting(&tab, &held, &shown).click(&target, &click).await?;
        drop(held);
        let method = if click.double { "dblclick" } else { "click" };
        let code = format!("await page.{}.{method}();", or(&done.code, &self.target));
        call.after(done, code).await
    }
}

impl Tool for Hover {
    const NAME: &'static str = "browser_hover";
    const ABOUT: &'static str = "Hover over element on page";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let target = locator(&self.target)?;
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("points at {}", called(self.element.as_deref(), &self.target)));
        let shown = call.shown();
        let done = call.acting(&tab, &held, &shown).hover(&target).await?;
        drop(held);
        let code = format!("await page.{}.hover();", or(&done.code, &self.target));
        call.after(done, code).await
    }
}

impl Tool for Drag {
    const NAME: &'static str = "browser_drag";
    const ABOUT: &'static str = "Perform drag and drop between two elements";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let (from, to) = (locator(&self.start_target)?, locator(&self.end_target)?);
        let tab = call.tab().await?;
        let held = call.floor().await?;
        let (what, whither) = (
            called(self.start_element.as_deref(), &self.start_target),
            called(self.end_element.as_deref(), &self.end_target),
        );
        call.session.say(format!("drags {what} to {whither}"));
        let shown = call.shown();
        let done = call.acting(&tab, &held, &shown).drag(&from, &to).await?;
        drop(held);
        let code = format!("await page.{};", done.code);
        call.after(done, code).await
    }
}

impl Tool for HandleDialog {
    const NAME: &'static str = "browser_handle_dialog";
    const ABOUT: &'static str = "Handle a dialog";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        secrets::refuse(
            self.prompt_text.as_deref().unwrap_or_default(),
            "a dialog is no field that secrets fit",
        )?;
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(if self.accept { "accepts a dialog" } else { "dismisses a dialog" });
        let shown = call.shown();
        let acting = call.acting(&tab, &held, &shown);
        let done = acting.answer_dialog(self.accept, self.prompt_text.as_deref()).await?;
        drop(held);
        let code = match (self.accept, &self.prompt_text) {
            (true, Some(text)) => format!("await dialog.accept({});", quoted(text)),
            (true, None) => "await dialog.accept();".to_owned(),
            (false, _) => "await dialog.dismiss();".to_owned(),
        };
        call.after(done, code).await
    }
}
