//! Filling in: text, keys, choices.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{called, or, quoted};
use crate::agents::answer::{Done, Fault};
use crate::agents::call::{Call, locator};
use crate::agents::secrets;
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{self, KeyError, Stroke};

/// The longest text that can be typed key by key in one call.
const LONGEST_TYPED: usize = 10_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Type {
    /// Human-readable element description, shown to people
    element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of the field
    target: String,
    /// Text to type into the element, or secret:NAME (see browser_secrets)
    text: String,
    /// Whether to submit entered text (press Enter after)
    submit: Option<bool>,
    /// Whether to type one character at a time, after what is there. By default the text replaces the field's value at once.
    slowly: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct PressKey {
    /// Name of the key to press or a character to generate, such as `ArrowLeft`, `a` or `ControlOrMeta+a`
    key: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct SelectOption {
    /// Human-readable element description, shown to people
    element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of the list
    target: String,
    /// Values or labels to select
    values: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct FillForm {
    /// Fields to fill in
    fields: Vec<Field>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Field {
    /// Human-readable element description
    #[allow(dead_code, reason = "for the reader of the call; the name is shown")]
    element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of the field
    target: String,
    /// Human-readable field name
    name: String,
    /// Type of the field
    #[serde(rename = "type")]
    kind: FieldKind,
    /// Value to fill in: a text or secret:NAME (see browser_secrets), "true" or "false" for a checkbox, the option's label for a combobox
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum FieldKind {
    Textbox,
    Checkbox,
    Radio,
    Combobox,
    Slider,
}

impl Tool for Type {
    const NAME: &'static str = "browser_type";
    const ABOUT: &'static str = "Type text into editable element";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let target = locator(&self.target)?;
        let slowly = self.slowly == Some(true);
        if slowly && self.text.chars().count() > LONGEST_TYPED {
            return Err(Fault::argument(format!(
                "the text is too long to be typed key by key ({LONGEST_TYPED} characters at most); leave out slowly"
            )));
        }
        if slowly {
            secrets::refuse(&self.text, "leave out slowly")?;
        }
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("types into {}", called(self.element.as_deref(), &self.target)));
        let shown = call.shown();
        let acting = call.acting(&tab, &held, &shown);
        let (mut done, method) = match slowly {
            true => (call.noting_fields(acting.type_slowly(&target, &self.text)).await?, "pressSequentially"),
            false if secrets::meant_by(&self.text)?.is_some() => {
                call.note_fields().await;
                (call.fill(&acting, &target, &self.text).await?, "fill")
            }
            false => (call.noting_fields(acting.fill(&target, &self.text)).await?, "fill"),
        };
        let element = or(&done.code, &self.target);
        let mut ran = format!("await page.{element}.{method}({});", quoted(&self.text));
        if self.submit == Some(true) {
            done = acting.press(&stroke("Enter")?).await.map_err(|error| {
                let Fault { code, text } = error.into();
                Fault { code, text: format!("the text was typed, but Enter was not pressed: {text}") }
            })?;
            ran.push_str(&format!("\nawait page.{element}.press('Enter');"));
        }
        drop(held);
        call.after_filling(done, ran).await
    }
}

impl Tool for PressKey {
    const NAME: &'static str = "browser_press_key";
    const ABOUT: &'static str = "Press a key on the keyboard";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let stroke = stroke(&self.key)?;
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("presses {}", self.key));
        let shown = call.shown();
        let done = call.acting(&tab, &held, &shown).press(&stroke).await?;
        drop(held);
        call.after(done, format!("await page.keyboard.press({});", quoted(&self.key))).await
    }
}

impl Tool for SelectOption {
    const NAME: &'static str = "browser_select_option";
    const ABOUT: &'static str = "Select an option in a dropdown";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let target = locator(&self.target)?;
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("chooses in {}", called(self.element.as_deref(), &self.target)));
        let shown = call.shown();
        let acting = call.acting(&tab, &held, &shown);
        let done = call.noting_fields(acting.select(&target, &self.values)).await?;
        drop(held);
        let values: Vec<_> = self.values.iter().map(|value| quoted(value)).collect();
        let element = or(&done.code, &self.target);
        call.after_filling(done, format!("await page.{element}.selectOption([{}]);", values.join(", "))).await
    }
}

impl Tool for FillForm {
    const NAME: &'static str = "browser_fill_form";
    const ABOUT: &'static str = "Fill multiple form fields";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let held = call.floor().await?;
        let shown = call.shown();
        let mut ran = Vec::new();
        let mut last = browser::Done::default();
        call.note_fields().await;
        for field in &self.fields {
            let target = locator(&field.target)?;
            call.session.say(format!("fills in {}", field.name));
            let acting = call.acting(&tab, &held, &shown);
            let done = match field.kind {
                FieldKind::Textbox | FieldKind::Slider => call.fill(&acting, &target, &field.value).await,
                FieldKind::Combobox => {
                    let values = std::slice::from_ref(&field.value);
                    acting.select(&target, values).await.map_err(Fault::from)
                }
                FieldKind::Checkbox | FieldKind::Radio => match field.value.as_str() {
                    "true" => acting.set_checked(&target, true).await.map_err(Fault::from),
                    "false" => acting.set_checked(&target, false).await.map_err(Fault::from),
                    other => {
                        let text =
                            format!("{}: a box takes \"true\" or \"false\", not {other:?}", field.name);
                        return Err(Fault::argument(text));
                    }
                },
            };
            let done = done.map_err(|Fault { code, text }| {
                let before = match ran.len() {
                    0 => String::new(),
                    some => format!(" ({some} of {} fields were filled in before)", self.fields.len()),
                };
                Fault { code, text: format!("{}: {text}{before}", field.name) }
            })?;
            let what = match field.kind {
                FieldKind::Textbox | FieldKind::Slider => format!("fill({})", quoted(&field.value)),
                FieldKind::Combobox => format!("selectOption({})", quoted(&field.value)),
                FieldKind::Checkbox | FieldKind::Radio => format!("setChecked({})", field.value),
            };
            ran.push(format!("await page.{}.{what};", or(&done.code, &field.target)));
            last = done;
        }
        drop(held);
        call.after_filling(last, ran.join("\n")).await
    }
}

fn stroke(key: &str) -> Result<Stroke, Fault> {
    key.parse().map_err(|error: KeyError| Fault::argument(error.to_string()))
}
