//! Looking without touching: pictures of a page, and running a script in it.
//! Both go through chromiumoxide, which does them well.

use chromiumoxide::cdp::browser_protocol::page::{CaptureScreenshotFormat, Viewport};
use chromiumoxide::cdp::browser_protocol::target::TargetId;
use chromiumoxide::page::ScreenshotParams;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fault::ActError;
use super::frames::read;
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
}

/// What a picture shows.
#[derive(Clone, Debug, Default)]
pub struct Shot {
    pub format: Picture,
    pub full_page: bool,
    pub element: Option<Locator>,
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
        let clip = match (&shot.element, shot.full_page) {
            (Some(locator), _) => Some(tab.element_box(locator).await?),
            (None, true) => Some(page_box(tab, &state.session).await?),
            (None, false) => None,
        };
        let mut format = shot.format;
        let mut quality = 80;
        loop {
            let mut params = ScreenshotParams::builder().capture_beyond_viewport(clip.is_some());
            params = match format {
                Picture::Png => params.format(CaptureScreenshotFormat::Png),
                Picture::Jpeg => params.format(CaptureScreenshotFormat::Jpeg).quality(quality),
            };
            if let Some(clip) = clip.clone() {
                params = params.clip(clip);
            }
            let taken = async {
                page.screenshot(params.build()).await.map_err(|error| foreign("screenshot", &error))
            };
            let bytes = tab.guarded(taken).await?;
            if bytes.len() <= LARGEST {
                return Ok(bytes);
            }
            if shot.format == Picture::Png && shot.element.is_none() && format == Picture::Png {
                return Err(ActError::Refused(format!(
                    "the picture has {} bytes, more than the {LARGEST} that an answer takes; ask for jpeg or one element",
                    bytes.len()
                )));
            }
            if quality <= 20 {
                return Err(ActError::Refused("the picture is too large; ask for one element".into()));
            }
            (format, quality) = (Picture::Jpeg, quality - 30);
        }
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
        let place = match element {
            Some(locator) => {
                self.frame(locator.frame).ok_or_else(|| ActError::NoSuchRef(locator.to_string()))?
            }
            None => self.top(),
        };
        let mut arguments = Vec::new();
        let mut context = None;
        if let Some(locator) = element {
            let object = self.in_page_world(locator, &place).await?;
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
    pub(super) async fn in_page_world(
        &self,
        locator: &Locator,
        place: &super::frames::Place,
    ) -> Result<String, ActError> {
        #[derive(Deserialize)]
        struct Found {
            state: String,
            code: Option<String>,
            why: Option<String>,
            handle: Option<u64>,
        }
        #[derive(Deserialize)]
        struct Remote {
            result: Object,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Object {
            object_id: Option<String>,
        }
        #[derive(Deserialize)]
        struct Described {
            node: Node,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Node {
            backend_node_id: i64,
        }
        #[derive(Deserialize)]
        struct Resolved {
            object: Object,
        }
        let context = self.world(place).await?;
        let argument = json!({ "locator": locator.json(), "needs": [], "act": "look", "attempt": 0 });
        let found: Found = self.call_in(place, context, "probe", &argument).await?;
        let Some(handle) = found.handle.filter(|_| found.state == "ok") else {
            return Err(match (locator.reference(), found.code.as_deref()) {
                (Some(reference), Some("ref")) => ActError::NoSuchRef(reference.to_owned()),
                _ => ActError::Locator {
                    locator: locator.to_string(),
                    reason: found.why.unwrap_or_else(|| "it does not match exactly one element".into()),
                },
            });
        };
        let session = Some(place.session.as_str());
        let params = json!({
            "functionDeclaration": "function(handle) { return __tandem.holdRef({ handle }); }",
            "executionContextId": context, "arguments": [{ "value": handle }],
        });
        let held = self.guarded(self.client.send(session, "Runtime.callFunctionOn", &params)).await?;
        let held: Remote = read("Runtime.callFunctionOn", held.get())?;
        let params = json!({ "objectId": held.result.object_id });
        let node = self.guarded(self.client.send(session, "DOM.describeNode", &params)).await?;
        let node: Described = read("DOM.describeNode", node.get())?;
        // Without a context the node comes as the page itself knows it.
        let params = json!({ "backendNodeId": node.node.backend_node_id });
        let resolved = self.guarded(self.client.send(session, "DOM.resolveNode", &params)).await?;
        let resolved: Resolved = read("DOM.resolveNode", resolved.get())?;
        resolved.object.object_id.ok_or(ActError::Stuck)
    }

    /// Where an element lies on its page.
    async fn element_box(&self, locator: &Locator) -> Result<Viewport, ActError> {
        if locator.frame != 0 {
            return Err(ActError::Refused(
                "a picture of an element inside a frame is not taken yet; take one of the page".into(),
            ));
        }
        let place = self.top();
        let object = self.in_page_world(locator, &place).await?;
        let params = json!({
            "functionDeclaration": "function() { const b = this.getBoundingClientRect(); return [b.x + scrollX, b.y + scrollY, b.width, b.height]; }",
            "objectId": object, "returnByValue": true,
        });
        let sides = self.run(&place, "Runtime.callFunctionOn", &params).await?;
        let [x, y, width, height]: [f64; 4] = read("getBoundingClientRect", sides.get())?;
        if width < 1.0 || height < 1.0 {
            return Err(ActError::Refused("the element has no size; it cannot be pictured".into()));
        }
        Ok(Viewport { x, y, width, height: height.min(TALLEST), scale: 1.0 })
    }
}

async fn page_box(tab: &Tab, session: &str) -> Result<Viewport, ActError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metrics {
        css_content_size: Sides,
    }
    #[derive(Deserialize)]
    struct Sides {
        width: f64,
        height: f64,
    }
    let nothing = json!({});
    let metrics = tab.client.send(Some(session), "Page.getLayoutMetrics", &nothing);
    let metrics: Metrics = read("Page.getLayoutMetrics", tab.guarded(metrics).await?.get())?;
    let Sides { width, height } = metrics.css_content_size;
    Ok(Viewport { x: 0.0, y: 0.0, width: width.min(TALLEST), height: height.min(TALLEST), scale: 1.0 })
}

fn foreign(method: &str, error: &chromiumoxide::error::CdpError) -> CdpError {
    CdpError::Refused { method: method.to_owned(), code: 0, message: error.to_string() }
}
