//! Going somewhere: addresses, history, tabs.

use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Deserialize;

use super::quoted;
use crate::agents::answer::{Answer, Done, Fault, list_tabs, tabs_as_json};
use crate::agents::call::{ACT, Call, PAGE, Show, within};
use crate::agents::tool::{Kind, Tool};
use crate::base::{Size, ToolGroup};
use crate::browser::{ActError, address};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Navigate {
    /// The URL to navigate to
    url: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Back {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Tabs {
    /// Operation to perform
    action: TabAction,
    /// Tab index, for close and select. Without it close closes the current tab.
    index: Option<usize>,
    /// URL for the new tab
    url: Option<String>,
    /// For new: a tab with cookies and storage of its own, in a window of its own. Tabs with the same name share them.
    isolated_context: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Resize {
    /// Width of the browser window, in pixels
    width: f64,
    /// Height of the browser window, in pixels
    height: f64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Close {}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TabAction {
    List,
    New,
    Close,
    Select,
}

/// A page that did not come, with what the room's gate knows of it: Chromium
/// only knows that its proxy said no.
pub(super) fn not_there(call: &Call, error: ActError, url: &str, since: SystemTime) -> Fault {
    let mut fault = Fault::from(error);
    if fault.text.contains("net::ERR_")
        && let Some(why) = call.session.seat.why_not(url, since)
    {
        fault.text = format!("{}: {why}", fault.text);
    }
    fault
}

impl Tool for Navigate {
    const NAME: &'static str = "browser_navigate";
    const ABOUT: &'static str = "Navigate to a URL";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let url = checked(&self.url)?;
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("goes to {url}"));
        let since = SystemTime::now();
        let went = tab.navigate(held.permit(), &url, within(PAGE)).await;
        went.map_err(|error| not_there(call, error, &url, since))?;
        drop(held);
        let code = format!("await page.goto({});", quoted(&url));
        Ok(Answer { code: Some(code), ..call.state(Show::Whole).await })
    }
}

impl Tool for Back {
    const NAME: &'static str = "browser_navigate_back";
    const ABOUT: &'static str = "Go back to the previous page in the history";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say("goes back");
        if !tab.back(held.permit(), within(ACT)).await? {
            return Err(Fault::new("no_history", "there is no page to go back to"));
        }
        drop(held);
        Ok(Answer { code: Some("await page.goBack();".into()), ..call.state(Show::Whole).await })
    }
}

impl Tool for Tabs {
    const NAME: &'static str = "browser_tabs";
    const ABOUT: &'static str =
        "List, create, close, or select a browser tab. Selecting brings it to the front for the people too";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let browser = Arc::clone(&call.browser);
        let tabs = browser.look_at_tabs().await;
        let at = |index: usize| {
            let found = tabs.get(index).and_then(|info| browser.tab(&info.target));
            let none = || Fault::new("no_tab", format!("there is no tab {index}; there are {}", tabs.len()));
            found.ok_or_else(none)
        };
        match self.action {
            TabAction::List => {}
            TabAction::New => {
                let url = checked(self.url.as_deref().unwrap_or("about:blank"))?;
                let held = call.floor().await?;
                call.session.say("opens a tab");
                let target = match &self.isolated_context {
                    Some(name) => {
                        let context = call.work.context(&browser, name, held.permit()).await?;
                        browser.open_tab_in(held.permit(), &context, "about:blank").await?
                    }
                    None => browser.open_tab(held.permit(), "about:blank").await?,
                };
                let gone = || Fault::new("closed", "the tab was closed at once");
                let tab = browser.tab(&target).ok_or_else(gone)?;
                call.choose(Arc::clone(&tab)).await;
                if url != "about:blank" {
                    let since = SystemTime::now();
                    let went = tab.navigate(held.permit(), &url, within(PAGE)).await;
                    went.map_err(|error| not_there(call, error, &url, since))?;
                }
            }
            TabAction::Select => {
                let tab = at(self.index.ok_or_else(|| Fault::argument("select needs an index"))?)?;
                let held = call.floor().await?;
                call.session.say("changes the tab");
                browser.select_tab(held.permit(), &tab).await?;
                call.choose(tab).await;
            }
            TabAction::Close => {
                let tab = match self.index {
                    Some(index) => at(index)?,
                    None => call.tab().await?,
                };
                let held = call.floor().await?;
                call.session.say("closes a tab");
                browser.close_tab(held.permit(), &tab).await?;
            }
        }
        let tabs = browser.look_at_tabs().await;
        let current = call.tab().await.ok();
        let current = current.as_ref().map(|tab| tab.target());
        let mut answer = Answer::result(list_tabs(&tabs, current));
        answer.structured = Some(tabs_as_json(&tabs, current));
        if !matches!(self.action, TabAction::List) {
            let state = call.state(Show::Whole).await;
            (answer.page, answer.dialog, answer.outline) = (state.page, state.dialog, state.outline);
        }
        Ok(answer)
    }
}

impl Tool for Resize {
    const NAME: &'static str = "browser_resize";
    const ABOUT: &'static str = "Resize the browser window. People see it at the same size";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let side = |side: f64| if side.is_finite() { side.round().clamp(0.0, 1e6) as u32 } else { 0 };
        let size = Size::new(side(self.width), side(self.height))
            .map_err(|error| Fault::argument(error.to_string()))?;
        let held = call.floor().await?;
        call.session.say(format!("makes the window {} by {}", size.width(), size.height()));
        call.session.seat.resize(size).await.map_err(|why| Fault::new("refused", why))?;
        drop(held);
        let code =
            format!("await page.setViewportSize({{ width: {}, height: {} }});", size.width(), size.height());
        Ok(Answer { code: Some(code), ..call.state(Show::Address).await })
    }
}

impl Tool for Close {
    const NAME: &'static str = "browser_close";
    const ABOUT: &'static str = "Close the current tab. The browser itself stays: it belongs to the room";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Destroys;

    async fn run(self, call: &mut Call) -> Done {
        let Close {} = self;
        let browser = Arc::clone(&call.browser);
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say("closes a tab");
        browser.close_tab(held.permit(), &tab).await?;
        drop(held);
        Ok(Answer { code: Some("await page.close();".into()), ..call.state(Show::Address).await })
    }
}

fn checked(url: &str) -> Result<String, Fault> {
    address(url).map_err(|error| Fault::new("address", error.to_string()))
}
