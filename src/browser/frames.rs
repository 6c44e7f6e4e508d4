//! Talking to the script in a frame, and where a frame lies in its page.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::client::CdpError;
use super::fault::ActError;
use super::memory::World;
use super::tabs::{Frame, PageState, Tab};
use super::watch::Watch;
use super::{SCRIPT, WORLD};
use crate::base::Point;

/// One frame, with the session that speaks for it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub id: String,
    pub session: String,
    pub number: u32,
}

/// The window as a page sees it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    pub x: f64,
    pub y: f64,
    pub outer_width: f64,
    pub outer_height: f64,
    pub inner_width: f64,
    pub inner_height: f64,
    #[serde(default = "one")]
    pub zoom: f64,
}

fn one() -> f64 {
    1.0
}

#[derive(Deserialize)]
struct Remote {
    result: RemoteObject,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoteObject {
    object_id: Option<String>,
}

/// An agent works in this tab: it gets frames and focus also while it is hidden.
pub struct Attending {
    tab: Arc<Tab>,
    /// Goes with the agent, and all that it has set with it.
    watch: Watch,
}

impl Window {
    /// A point of the display as a point of the page.
    pub fn to_page(self, x: i32, y: i32) -> (f64, f64) {
        let origin = self.to_display(0.0, 0.0);
        let zoom = if self.zoom > 0.0 { self.zoom } else { 1.0 };
        (f64::from(x - origin.x) / zoom, f64::from(y - origin.y) / zoom)
    }

    /// A point of the page as a point on the display. Chromium's own bar is above the page.
    pub fn to_display(self, x: f64, y: f64) -> Point {
        let left = (self.outer_width - self.inner_width * self.zoom) / 2.0;
        let top = self.outer_height - self.inner_height * self.zoom;
        let round = |value: f64| value.round().clamp(-10_000.0, 10_000.0) as i32;
        Point { x: round(self.x + left + x * self.zoom), y: round(self.y + top + y * self.zoom) }
    }
}

impl Attending {
    pub async fn start(tab: Arc<Tab>) -> Self {
        tab.attended.fetch_add(1, Ordering::AcqRel);
        tab.emulate_focus(true).await;
        let watch = Watch::start(&tab, tab.mux.clone(), tab.journal.clone()).await;
        tab.add_watch(&watch);
        Self { tab, watch }
    }

    /// Console, network, routes and emulation, as this agent has them.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    pub fn tab(&self) -> &Arc<Tab> {
        &self.tab
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        if self.tab.attended.fetch_sub(1, Ordering::AcqRel) == 1
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let tab = Arc::clone(&self.tab);
            runtime.spawn(async move {
                if tab.attended.load(Ordering::Acquire) == 0 {
                    tab.let_go().await;
                    tab.hide_pointer().await;
                    tab.emulate_focus(false).await;
                }
            });
        }
    }
}

impl Tab {
    /// Where the page lies, if it answers.
    pub async fn window(&self) -> Option<Window> {
        let top = self.top();
        let context = self.world(&top).await.ok()?.context;
        let expression = "({ x: screenX, y: screenY, outerWidth, outerHeight, innerWidth, innerHeight, zoom: devicePixelRatio })";
        let params = json!({ "expression": expression, "contextId": context, "returnByValue": true });
        let value = self.run(&top, "Runtime.evaluate", &params).await.ok()?;
        serde_json::from_str(value.get()).ok()
    }

    /// Nobody waits for the answer: what is sent later comes later.
    pub(super) async fn emulate_focus(&self, enabled: bool) {
        let session = self.state.borrow().session.clone();
        if !session.is_empty() && self.memory.set_focused(enabled.then_some(session.as_str())) {
            let params = json!({ "enabled": enabled });
            let _ = self.client.post(Some(&session), "Emulation.setFocusEmulationEnabled", &params).await;
        }
    }

    /// The state of the page once it is attached, unless something is in the way.
    pub(super) async fn ready(&self) -> Result<PageState, ActError> {
        let mut state = self.state.clone();
        let known = state.wait_for(|state| !state.session.is_empty() || state.closed);
        let known = tokio::time::timeout(Duration::from_secs(10), known).await;
        let known = known.map_err(|_| ActError::Stuck)?.map_err(|_| ActError::Closed)?.clone();
        match obstacle(&known) {
            Some(error) => Err(error),
            None => Ok(known),
        }
    }

    /// The main frame.
    pub(super) fn top(&self) -> Place {
        let state = self.state.borrow();
        Place { id: state.page.clone(), session: state.session.clone(), number: 0 }
    }

    /// A frame by its number in refs.
    pub(super) fn frame(&self, number: u32) -> Option<Place> {
        if number == 0 {
            return Some(self.top());
        }
        let state = self.state.borrow();
        let (id, Frame { session, .. }) = state.frames.iter().find(|(_, frame)| frame.number == number)?;
        Some(Place { id: id.clone(), session: session.clone(), number })
    }

    /// Waits for an answer of the page, or for what keeps it from coming.
    pub(super) async fn guarded<T>(
        &self,
        answer: impl Future<Output = Result<T, CdpError>>,
    ) -> Result<T, ActError> {
        let mut state = self.state.clone();
        tokio::select! {
            biased;
            answer = answer => Ok(answer?),
            obstacle = blocked(&mut state) => Err(obstacle),
        }
    }

    /// The script in a frame: found once, then kept until its document goes.
    pub(super) async fn world(&self, place: &Place) -> Result<World, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Made {
            execution_context_id: i64,
        }
        if let Some(world) = self.memory.world(place) {
            return Ok(world);
        }
        let params = json!({ "frameId": place.id, "worldName": WORLD });
        let made = self.client.send(Some(&place.session), "Page.createIsolatedWorld", &params);
        let made = self.guarded(made).await?;
        let context = read::<Made>("Page.createIsolatedWorld", made.get())?.execution_context_id;
        for expression in ["globalThis.__tandem", SCRIPT] {
            let params = json!({ "expression": expression, "contextId": context });
            let found = self.client.send(Some(&place.session), "Runtime.evaluate", &params);
            let found: Remote = read("Runtime.evaluate", self.guarded(found).await?.get())?;
            if let Some(script) = found.result.object_id {
                let world = World { session: place.session.clone(), script, context };
                self.memory.keep_world(place, world.clone());
                return Ok(world);
            }
        }
        Err(ActError::Stuck)
    }

    /// Calls a function of the script in a frame.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        place: &Place,
        name: &str,
        argument: &Value,
    ) -> Result<T, ActError> {
        let mut fresh = false;
        loop {
            let world = self.world(place).await?;
            match self.call_in(place, &world, name, argument).await {
                // The document that was remembered is not there any more; nothing was called.
                Err(error) if error.is_stale() && !fresh => {
                    self.memory.forget(&place.id);
                    fresh = true;
                }
                value => return value,
            }
        }
    }

    /// The same in one document, and in no other that has taken its place.
    pub(super) async fn call_in<T: DeserializeOwned>(
        &self,
        place: &Place,
        world: &World,
        name: &str,
        argument: &Value,
    ) -> Result<T, ActError> {
        let params = json!({
            "functionDeclaration": "function(name, argument) { return this[name](argument); }",
            "objectId": world.script, "returnByValue": true, "awaitPromise": true,
            "arguments": [{ "value": name }, { "value": argument }],
        });
        Ok(read(name, self.run(place, "Runtime.callFunctionOn", &params).await?.get())?)
    }

    /// An element that the script holds, as an object of the script's world.
    pub(super) async fn held(&self, place: &Place, handle: u64) -> Result<String, ActError> {
        let world = self.world(place).await?;
        let params = json!({
            "functionDeclaration": "function(handle) { return this.holdRef({ handle }); }",
            "objectId": world.script, "arguments": [{ "value": handle }],
        });
        let held = self.client.send(Some(&place.session), "Runtime.callFunctionOn", &params);
        let held: Remote = read("Runtime.callFunctionOn", self.guarded(held).await?.get())?;
        held.result
            .object_id
            .ok_or_else(|| ActError::Refused("the element was removed from the page meanwhile".into()))
    }

    /// The browser's own number of such an object's node, and the frame that it holds, if any.
    pub(super) async fn node(&self, place: &Place, object: &str) -> Result<(i64, Option<String>), ActError> {
        #[derive(Deserialize)]
        struct Described {
            node: Node,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Node {
            backend_node_id: i64,
            frame_id: Option<String>,
        }
        let params = json!({ "objectId": object });
        let node = self.client.send(Some(&place.session), "DOM.describeNode", &params);
        let Described { node } = read("DOM.describeNode", self.guarded(node).await?.get())?;
        Ok((node.backend_node_id, node.frame_id))
    }

    /// Runs something in a page and takes its value; what it throws is an error.
    pub(super) async fn run(
        &self,
        place: &Place,
        method: &str,
        params: &Value,
    ) -> Result<Box<serde_json::value::RawValue>, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Outcome {
            result: Remote,
            exception_details: Option<Exception>,
        }
        #[derive(Deserialize)]
        struct Remote {
            value: Option<Box<serde_json::value::RawValue>>,
        }
        #[derive(Deserialize)]
        struct Exception {
            text: String,
            exception: Option<Thrown>,
        }
        #[derive(Deserialize)]
        struct Thrown {
            description: Option<String>,
            value: Option<Value>,
        }
        let outcome = self.guarded(self.client.send(Some(&place.session), method, params)).await?;
        let outcome: Outcome = read(method, outcome.get())?;
        if let Some(Exception { text, exception }) = outcome.exception_details {
            let thrown = exception.and_then(|thrown| {
                thrown.description.or_else(|| thrown.value.map(|value| value.to_string()))
            });
            return Err(ActError::Page(thrown.unwrap_or(text)));
        }
        let nothing = || serde_json::value::RawValue::from_string("null".into());
        match outcome.result.value {
            Some(value) => Ok(value),
            None => nothing().map_err(|error| unreadable(method, &error).into()),
        }
    }

    /// The element that holds a frame, as an object in its parent's world.
    pub(super) async fn owner(&self, place: &Place) -> Result<Option<(Place, String)>, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Owner {
            backend_node_id: i64,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Resolved {
            object: Object,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Object {
            object_id: String,
        }
        let parent = {
            let state = self.state.borrow();
            let parent = state.frames.get(&place.id).and_then(|frame| frame.parent.clone());
            parent.and_then(|id| {
                let frame = state.frames.get(&id)?;
                Some(Place { session: frame.session.clone(), number: frame.number, id })
            })
        };
        let Some(parent) = parent else { return Ok(None) };
        let world = self.world(&parent).await?;
        if let Some(object) = self.memory.owner(&place.id, &world.script) {
            return Ok(Some((parent, object)));
        }
        let context = world.context;
        let params = json!({ "frameId": place.id });
        let owner = self.client.send(Some(&parent.session), "DOM.getFrameOwner", &params);
        let owner: Owner = read("DOM.getFrameOwner", self.guarded(owner).await?.get())?;
        let params = json!({ "backendNodeId": owner.backend_node_id, "executionContextId": context });
        let resolved = self.client.send(Some(&parent.session), "DOM.resolveNode", &params);
        let resolved: Resolved = read("DOM.resolveNode", self.guarded(resolved).await?.get())?;
        let object = resolved.object.object_id;
        self.memory.keep_owner(&place.id, &world.script, &object);
        Ok(Some((parent, object)))
    }

    /// Calls a function of the script with an element as its first argument.
    pub(super) async fn call_on<T: DeserializeOwned>(
        &self,
        place: &Place,
        object: &str,
        name: &str,
        arguments: &[Value],
    ) -> Result<T, ActError> {
        let arguments: Vec<_> = arguments.iter().map(|value| json!({ "value": value })).collect();
        let params = json!({
            "functionDeclaration": format!("function(...a) {{ return __tandem.{name}(this, ...a); }}"),
            "objectId": object, "arguments": arguments, "returnByValue": true, "awaitPromise": true,
        });
        Ok(read(name, self.run(place, "Runtime.callFunctionOn", &params).await?.get())?)
    }
}

/// What keeps a page from answering.
pub(super) fn obstacle(state: &PageState) -> Option<ActError> {
    if state.closed {
        Some(ActError::Closed)
    } else if state.crashed {
        Some(ActError::Crashed)
    } else {
        state.dialog.clone().map(ActError::Dialog)
    }
}

async fn blocked(state: &mut tokio::sync::watch::Receiver<PageState>) -> ActError {
    match state.wait_for(|state| obstacle(state).is_some()).await {
        Ok(state) => obstacle(&state).unwrap_or(ActError::Stuck),
        Err(_) => ActError::Closed,
    }
}

fn unreadable(method: &str, error: &serde_json::Error) -> CdpError {
    CdpError::Unreadable { method: method.to_owned(), reason: error.to_string() }
}

pub(super) fn read<T: DeserializeOwned>(method: &str, text: &str) -> Result<T, CdpError> {
    serde_json::from_str(text).map_err(|error| unreadable(method, &error))
}

/// The waits between tries: quick at first, then twice a second.
pub(super) async fn pause(attempt: u32, deadline: Instant) {
    let wait = match attempt {
        0 => 0,
        1 => 20,
        2 => 50,
        3 | 4 => 100,
        _ => 500,
    };
    tokio::time::sleep_until(deadline.min(Instant::now() + Duration::from_millis(wait))).await;
}
