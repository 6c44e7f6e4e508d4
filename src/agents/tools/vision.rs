//! The pointer by coordinates, in CSS pixels of the viewport.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::acts::MouseButton;
use crate::agents::answer::{Done, Fault};
use crate::agents::call::Call;
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::PointerButton;

/// The longest that a button is held for a click.
const LONGEST_DELAY: f64 = 10_000.0;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Move {
    /// X coordinate
    x: f64,
    /// Y coordinate
    y: f64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Click {
    /// X coordinate
    x: f64,
    /// Y coordinate
    y: f64,
    /// Button to click, defaults to left
    button: Option<MouseButton>,
    /// Number of clicks, defaults to 1
    click_count: Option<f64>,
    /// Time between mouse down and mouse up in milliseconds, defaults to 0
    delay: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Drag {
    /// Start X coordinate
    start_x: f64,
    /// Start Y coordinate
    start_y: f64,
    /// End X coordinate
    end_x: f64,
    /// End Y coordinate
    end_y: f64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Down {
    /// Button to press, defaults to left
    button: Option<MouseButton>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Up {
    /// Button to release, defaults to left
    button: Option<MouseButton>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Wheel {
    /// X delta
    delta_x: f64,
    /// Y delta
    delta_y: f64,
}

fn button(button: Option<MouseButton>) -> PointerButton {
    button.unwrap_or(MouseButton::Left).into()
}

fn name(button: PointerButton) -> &'static str {
    match button {
        PointerButton::Left => "left",
        PointerButton::Middle => "middle",
        PointerButton::Right => "right",
    }
}

impl Tool for Move {
    const NAME: &'static str = "browser_mouse_move_xy";
    const ABOUT: &'static str = "Move mouse to a given position";
    const GROUP: ToolGroup = ToolGroup::Vision;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let held = call.floor().await?;
        let shown = call.shown();
        let done = call.acting(&tab, &held, &shown).mouse_move((self.x, self.y)).await?;
        drop(held);
        call.after(done, format!("await page.mouse.move({}, {});", self.x, self.y)).await
    }
}

impl Tool for Click {
    const NAME: &'static str = "browser_mouse_click_xy";
    const ABOUT: &'static str = "Click mouse button at a given position";
    const GROUP: ToolGroup = ToolGroup::Vision;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let (count, delay) = (self.click_count.unwrap_or(1.0), self.delay.unwrap_or(0.0));
        if !(1.0..=3.0).contains(&count) || !(0.0..=LONGEST_DELAY).contains(&delay) {
            return Err(Fault::argument("clickCount is from 1 to 3 and delay from 0 to 10000 ms"));
        }
        let button = button(self.button);
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("clicks at {}, {}", self.x, self.y));
        let shown = call.shown();
        let delay = Duration::from_secs_f64(delay / 1000.0);
        let acting = call.acting(&tab, &held, &shown);
        let done = acting.mouse_click((self.x, self.y), button, count as u32, delay).await?;
        drop(held);
        let code = format!(
            "await page.mouse.click({}, {}, {{ button: '{}', clickCount: {count} }});",
            self.x,
            self.y,
            name(button)
        );
        call.after(done, code).await
    }
}

impl Tool for Drag {
    const NAME: &'static str = "browser_mouse_drag_xy";
    const ABOUT: &'static str = "Drag left mouse button to a given position";
    const GROUP: ToolGroup = ToolGroup::Vision;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say("drags");
        let shown = call.shown();
        let (from, to) = ((self.start_x, self.start_y), (self.end_x, self.end_y));
        let done = call.acting(&tab, &held, &shown).mouse_drag(from, to).await?;
        drop(held);
        let code = format!(
            "await page.mouse.move({}, {});\nawait page.mouse.down();\nawait page.mouse.move({}, {});\nawait page.mouse.up();",
            from.0, from.1, to.0, to.1
        );
        call.after(done, code).await
    }
}

impl Tool for Down {
    const NAME: &'static str = "browser_mouse_down";
    const ABOUT: &'static str = "Press mouse down. It is released when a person takes over";
    const GROUP: ToolGroup = ToolGroup::Vision;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let button = button(self.button);
        let tab = call.tab().await?;
        let held = call.floor().await?;
        let shown = call.shown();
        let done = call.acting(&tab, &held, &shown).mouse_down(button).await?;
        drop(held);
        call.after(done, format!("await page.mouse.down({{ button: '{}' }});", name(button))).await
    }
}

impl Tool for Up {
    const NAME: &'static str = "browser_mouse_up";
    const ABOUT: &'static str = "Press mouse up";
    const GROUP: ToolGroup = ToolGroup::Vision;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let button = button(self.button);
        let tab = call.tab().await?;
        let held = call.floor().await?;
        let shown = call.shown();
        let done = call.acting(&tab, &held, &shown).mouse_up(button).await?;
        drop(held);
        call.after(done, format!("await page.mouse.up({{ button: '{}' }});", name(button))).await
    }
}

impl Tool for Wheel {
    const NAME: &'static str = "browser_mouse_wheel";
    const ABOUT: &'static str = "Scroll mouse wheel";
    const GROUP: ToolGroup = ToolGroup::Vision;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say("scrolls");
        let shown = call.shown();
        let done = call.acting(&tab, &held, &shown).mouse_wheel(self.delta_x, self.delta_y).await?;
        drop(held);
        call.after(done, format!("await page.mouse.wheel({}, {});", self.delta_x, self.delta_y)).await
    }
}
