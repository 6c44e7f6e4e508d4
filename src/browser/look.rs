//! Looking without touching: pictures of a page, and running a script in it.
//! Both go through chromiumoxide, which does them well.

use chromiumoxide::cdp::browser_protocol::page::{CaptureScreenshotFormat, Viewport};
use chromiumoxide::cdp::browser_protocol::target::TargetId;
use chromiumoxide::page::ScreenshotParams;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fault::ActError;
use super::frames::{Place, Window, read};
use super::launch::Browser;
use super::tabs::Tab;
use super::{CdpError, Locator};
use crate::floor::FloorPermit;

/// The format of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Picture {
    #[default]
    Png,
    Jpeg,
    Webp,
}

/// How many pixels a picture has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// One for each pixel of CSS.
    Css,
    /// As many as the display shows.
    #[default]
    Device,
}

/// What a picture shows.
#[derive(Clone, Debug, Default)]
pub struct Shot {
    pub format: Picture,
    pub full_page: bool,
    pub element: Option<Locator>,
    pub scale: Scale,
    /// The longest side, in pixels; a larger picture is made smaller.
    pub longest: Option<u32>,
}

/// What a person would read off an element.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Reading {
    pub text: String,
    pub value: String,
    pub checked: bool,
    pub role: String,
    pub name: String,
    pub visible: bool,
}

/// A whole page is shown up to this height; a picture beyond it is no use to anybody.
const TALLEST: f64 = 8192.0;
/// The most bytes that an answer may carry.
const LARGEST: usize = 4 << 20;

impl Browser {
    /// A picture of what the tab shows, of its whole page or of one element.
    pub async fn screenshot(&self, tab: &Tab, shot: &Shot) -> Result<Vec<u8>, ActError> {
        let state = tab.ready().await?;
        let page = self.page(&state.page).await?;
        let window: Window = tab.call(&tab.top(), "place", &Value::Null).await?;
        let mut clip = match (&shot.element, shot.full_page) {
            (Some(locator), _) => tab.element_box(locator).await?,
            (None, true) => page_box(tab, &state.session).await?,
            (None, false) => view_box(tab, &state.session).await?,
        };
        let beyond = shot.element.is_some() || shot.full_page;
        let zoom = if window.zoom > 0.0 { window.zoom } else { 1.0 };
        if shot.scale == Scale::Css {
            clip.scale = 1.0 / zoom;
        }
        let longest = clip.width.max(clip.height) * zoom * clip.scale;
        if let Some(most) = shot.longest.filter(|most| longest > f64::from(*most)) {
            clip.scale *= f64::from(most) / longest;
        }
        let mut format = shot.format;
        let mut quality = 80;
        loop {
            let params = ScreenshotParams::builder().capture_beyond_viewport(beyond).clip(clip.clone());
            let params = match format {
                Picture::Png => params.format(CaptureScreenshotFormat::Png),
                Picture::Jpeg => params.format(CaptureScreenshotFormat::Jpeg).quality(quality),
                Picture::Webp => params.format(CaptureScreenshotFormat::Webp).quality(quality),
            };
            let taken = async {
                page.screenshot(params.build()).await.map_err(|error| foreign("screenshot", &error))
            };
            let bytes = tab.guarded(taken).await?;
            if bytes.len() <= LARGEST {
                return Ok(bytes);
            }
            if shot.format == Picture::Png && shot.element.is_none() && format == Picture::Png {
                return Err(ActError::Refused(format!(
                    "the picture has {} bytes, more than the {LARGEST} that an answer takes; ask for jpeg, webp, scale css or one element",
                    bytes.len()
                )));
            }
            if quality <= 20 {
                return Err(ActError::Refused("the picture is too large; ask for one element".into()));
            }
            format = if format == Picture::Webp { Picture::Webp } else { Picture::Jpeg };
            quality -= 30;
        }
    }

    /// The page on paper.
    pub async fn pdf(&self, tab: &Tab) -> Result<Vec<u8>, ActError> {
        #[derive(Deserialize)]
        struct Printed {
            data: String,
        }
        let state = tab.ready().await?;
        let params = json!({ "printBackground": true, "preferCSSPageSize": true });
        let printed = tab.client.send(Some(&state.session), "Page.printToPDF", &params);
        let printed: Printed = match tab.guarded(printed).await {
            Ok(printed) => read("Page.printToPDF", printed.get())?,
            Err(ActError::Cdp(CdpError::Refused { message, .. })) => {
                return Err(ActError::Refused(format!(
                    "this Chromium does not print to PDF with a window: {message}"
                )));
            }
            Err(error) => return Err(error),
        };
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(printed.data).map_err(|error| {
            CdpError::Unreadable { method: "Page.printToPDF".into(), reason: error.to_string() }.into()
        })
    }

    /// chromiumoxide's page of a tab. It may learn of a new one a moment after us.
    pub(super) async fn page(&self, target: &str) -> Result<chromiumoxide::Page, ActError> {
        let deadline = Instant::now() + std::time::Duration::from_secs(2);
        let mut attempt = 1;
        loop {
            match self.chromiumoxide().get_page(TargetId::new(target)).await {
                Ok(page) => return Ok(page),
                Err(error) if Instant::now() >= deadline => return Err(foreign("get_page", &error).into()),
                Err(_) => super::frames::pause(attempt, deadline).await,
            }
            attempt = (attempt + 1).min(3);
        }
    }
}

impl Tab {
    /// Runs a function of the agent's in the page's own world; with an
    /// element it is the function's argument. Returns its value.
    pub async fn evaluate(
        &self,
        permit: &FloorPermit,
        function: &str,
        element: Option<&Locator>,
        deadline: Instant,
    ) -> Result<Value, ActError> {
        self.ready().await?;
        let mut place = self.top();
        let mut arguments = Vec::new();
        let mut context = None;
        if let Some(locator) = element {
            let (found, object) = self.in_page_world(locator).await?;
            place = found;
            arguments.push(json!({ "objectId": object }));
            context = Some(object);
        }
        permit.check()?;
        let source = function.trim();
        let done = async {
            match context {
                Some(object) => {
                    let params = json!({
                        "functionDeclaration": source, "objectId": object, "arguments": arguments,
                        "returnByValue": true, "awaitPromise": true, "userGesture": true,
                    });
                    self.run(&place, "Runtime.callFunctionOn", &params).await
                }
                None => {
                    // A function is called; anything else is a value already.
                    let expression = format!("((f) => typeof f === 'function' ? f() : f)(({source}\n))");
                    let params = json!({
                        "expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true,
                    });
                    self.run(&place, "Runtime.evaluate", &params).await
                }
            }
        };
        let value = tokio::time::timeout_at(deadline, done)
            .await
            .map_err(|_| ActError::Refused("the function did not return in time".into()))??;
        Ok(read("Runtime.evaluate", value.get())?)
    }

    /// An element as an object of the page's own world.
    pub(super) async fn in_page_world(&self, locator: &Locator) -> Result<(Place, String), ActError> {
        #[derive(Deserialize)]
        struct Resolved {
            object: Object,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Object {
            object_id: Option<String>,
        }
        let (place, handle, _) = self.look(locator, false).await?;
        let object = self.held(&place, handle).await?;
        let (node, _) = self.node(&place, &object).await?;
        // Without a context the node comes as the page itself knows it.
        let params = json!({ "backendNodeId": node });
        let resolved = self.client.send(Some(&place.session), "DOM.resolveNode", &params);
        let resolved: Resolved = read("DOM.resolveNode", self.guarded(resolved).await?.get())?;
        Ok((place, resolved.object.object_id.ok_or(ActError::Stuck)?))
    }

    /// A locator expression for an element: the only one that it matches, readable, lasting.
    pub async fn generate_locator(&self, locator: &Locator) -> Result<String, ActError> {
        self.ready().await?;
        let (mut place, _, mut code) = self.look(locator, true).await?;
        while let Some((parent, object)) = self.owner(&place).await? {
            let outer: String = self.call_on(&parent, &object, "frameCode", &[]).await?;
            code = format!("{outer}.contentFrame().{code}");
            place = parent;
        }
        Ok(code)
    }

    /// What a person would read off an element, without waiting for it.
    pub async fn read_element(&self, locator: &Locator) -> Result<Reading, ActError> {
        self.ready().await?;
        let (place, handle, _) = self.look(locator, false).await?;
        self.call(&place, "read", &json!({ "handle": handle })).await
    }

    /// How many elements match, and how many of them can be seen.
    pub async fn count(&self, locator: &Locator) -> Result<(usize, usize), ActError> {
        #[derive(Deserialize)]
        struct Counted {
            error: Option<String>,
            #[serde(default)]
            count: usize,
            #[serde(default)]
            visible: usize,
        }
        self.ready().await?;
        let Ok((place, target)) = self.enter(locator).await? else { return Ok((0, 0)) };
        let counted: Counted = self.call(&place, "count", &json!({ "locator": target })).await?;
        match counted.error {
            Some(reason) => Err(ActError::Locator { locator: locator.to_string(), reason }),
            None => Ok((counted.count, counted.visible)),
        }
    }

    /// Where an element lies on its page, also one in a frame: in the
    /// document of the page, since that is what a picture is cut from.
    async fn element_box(&self, locator: &Locator) -> Result<Viewport, ActError> {
        #[derive(Deserialize)]
        struct Holder {
            x: f64,
            y: f64,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sides {
            #[serde(default)]
            gone: bool,
            #[serde(default)]
            x: f64,
            #[serde(default)]
            y: f64,
            #[serde(default)]
            width: f64,
            #[serde(default)]
            height: f64,
            #[serde(default)]
            scroll_x: f64,
            #[serde(default)]
            scroll_y: f64,
        }
        let (mut place, handle, _) = self.look(locator, false).await?;
        let mut sides: Sides = self.call(&place, "boxInPage", &json!({ "handle": handle })).await?;
        if sides.gone || sides.width < 1.0 || sides.height < 1.0 {
            return Err(ActError::Refused("the element has no size; it cannot be pictured".into()));
        }
        while let Some((parent, object)) = self.owner(&place).await? {
            let frame: Holder = self.call_on(&parent, &object, "frameBox", &[true.into()]).await?;
            let scroll: Sides = self.call_on(&parent, &object, "scrolled", &[]).await?;
            (sides.x, sides.y) = (sides.x + frame.x, sides.y + frame.y);
            (sides.scroll_x, sides.scroll_y) = (scroll.scroll_x, scroll.scroll_y);
            place = parent;
        }
        Ok(Viewport {
            x: sides.x + sides.scroll_x,
            y: sides.y + sides.scroll_y,
            width: sides.width,
            height: sides.height.min(TALLEST),
            scale: 1.0,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    css_content_size: Sides,
    css_visual_viewport: Visual,
}

#[derive(Deserialize)]
struct Sides {
    width: f64,
    height: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Visual {
    page_x: f64,
    page_y: f64,
    client_width: f64,
    client_height: f64,
}

async fn metrics(tab: &Tab, session: &str) -> Result<Metrics, ActError> {
    let nothing = json!({});
    let metrics = tab.client.send(Some(session), "Page.getLayoutMetrics", &nothing);
    Ok(read("Page.getLayoutMetrics", tab.guarded(metrics).await?.get())?)
}

async fn page_box(tab: &Tab, session: &str) -> Result<Viewport, ActError> {
    let Sides { width, height } = metrics(tab, session).await?.css_content_size;
    Ok(Viewport { x: 0.0, y: 0.0, width: width.min(TALLEST), height: height.min(TALLEST), scale: 1.0 })
}

async fn view_box(tab: &Tab, session: &str) -> Result<Viewport, ActError> {
    let view = metrics(tab, session).await?.css_visual_viewport;
    Ok(Viewport {
        x: view.page_x,
        y: view.page_y,
        width: view.client_width,
        height: view.client_height,
        scale: 1.0,
    })
}

fn foreign(method: &str, error: &chromiumoxide::error::CdpError) -> CdpError {
    CdpError::Refused { method: method.to_owned(), code: 0, message: error.to_string() }
}
