//! The acts: each asks its permit right before every input that it sends,
//! and lets go of what it holds when a person takes over.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fault::ActError;
use super::frames::{Place, Window, pause};
use super::keys::{Key, Stroke};
use super::tabs::Tab;
use super::{CdpError, Locator};
use crate::base::Point;
use crate::floor::FloorPermit;

/// How long a pointer is shown to glide. Nothing waits for it.
const GLIDE: Duration = Duration::from_millis(90);
/// How long a navigation that an act began may take to be readable.
const NAVIGATION: Duration = Duration::from_secs(5);
/// How long a page may take to show a frame after an act.
const REACTION: Duration = Duration::from_secs(1);

/// Who shows people where an agent acts. Called before the act goes out; must not block.
pub trait Observer: Send + Sync {
    /// The pointer goes to this place on the display and is there after `glide`.
    fn pointer(&self, to: Point, glide: Duration);
    /// A button goes down here.
    fn press(&self, at: Point);
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PointerButton {
    #[default]
    Left,
    Middle,
    Right,
}

/// How a click is made.
#[derive(Clone, Debug, Default)]
pub struct Click {
    pub button: PointerButton,
    pub double: bool,
    /// Keys held meanwhile: `Shift`, `Control`, `Alt`, `Meta`, `ControlOrMeta`.
    pub modifiers: Vec<String>,
}

/// One agent's hand on a tab, for as long as its permit is good.
pub struct Acting<'a> {
    pub tab: &'a Tab,
    pub permit: &'a FloorPermit,
    pub observer: &'a dyn Observer,
    pub deadline: Instant,
}

/// An element that can be acted on now.
pub(super) struct Found {
    place: Place,
    handle: u64,
    /// Where, in the page's coordinates.
    x: f64,
    y: f64,
    display: Point,
    /// A locator expression for it, as code.
    pub code: String,
}

#[derive(Deserialize)]
struct Probe {
    state: String,
    code: Option<String>,
    why: Option<String>,
    count: Option<usize>,
    #[serde(default)]
    matches: Vec<String>,
    handle: Option<u64>,
    x: Option<f64>,
    y: Option<f64>,
    window: Option<Window>,
}

#[derive(Deserialize, Default)]
struct Outcome {
    #[serde(default)]
    gone: bool,
    #[serde(default)]
    done: bool,
    error: Option<String>,
    verdict: Option<String>,
    checked: Option<bool>,
}

const CLICKABLE: &[&str] = &["visible", "enabled", "stable", "point", "hit"];
const HOVERABLE: &[&str] = &["visible", "stable", "point", "hit"];
const FILLABLE: &[&str] = &["visible", "enabled", "editable", "point"];
const SELECTABLE: &[&str] = &["visible", "enabled", "point"];
const ATTACHED: &[&str] = &[];

impl Acting<'_> {
    /// Clicks an element. Returns a locator expression for what was clicked.
    pub async fn click(&self, locator: &Locator, click: &Click) -> Result<String, ActError> {
        let mut tries = Tries::new(self, locator);
        loop {
            let found = self.find(&mut tries, CLICKABLE, "click").await?;
            let sent = self.click_at(&found, click).await;
            let verdict = self.settle(&found.place, sent.is_ok()).await;
            sent?;
            match verdict? {
                // The event went elsewhere and was stopped there; nothing has happened yet.
                Some(elsewhere) if elsewhere != "hit" => tries.failed(format!("{elsewhere} took the click")),
                _ => return Ok(found.code),
            }
            tries.wait().await?;
        }
    }

    /// Moves the pointer over an element.
    pub async fn hover(&self, locator: &Locator) -> Result<String, ActError> {
        let found = self.find(&mut Tries::new(self, locator), HOVERABLE, "hover").await?;
        self.permit.check()?;
        self.observer.pointer(found.display, GLIDE);
        let moved = self.mouse("mouseMoved", &found, PointerButton::Left, 0, 0);
        let moved = moved.await?;
        self.answered(moved).await?;
        self.settle(&found.place, true).await?;
        Ok(found.code)
    }

    /// Replaces the text of a field, as a paste would.
    pub async fn fill(&self, locator: &Locator, text: &str) -> Result<String, ActError> {
        let found = self.find(&mut Tries::new(self, locator), FILLABLE, "field").await?;
        self.permit.check()?;
        self.observer.pointer(found.display, GLIDE);
        self.observer.press(found.display);
        let argument = json!({ "handle": found.handle, "value": text });
        let prepared: Outcome = self.tab.call(&found.place, "prepareFill", &argument).await?;
        prepared.check()?;
        if !prepared.done {
            if text.is_empty() {
                let delete: Stroke =
                    "Delete".parse().map_err(|error| ActError::Refused(format!("{error}")))?;
                self.stroke(&delete).await?;
            } else {
                self.insert(text).await?;
            }
        }
        self.settle(&found.place, true).await?;
        Ok(found.code)
    }

    /// Types a text key by key into an element, after what is there.
    pub async fn type_slowly(&self, locator: &Locator, text: &str) -> Result<String, ActError> {
        let found = self.find(&mut Tries::new(self, locator), FILLABLE, "field").await?;
        self.permit.check()?;
        self.observer.pointer(found.display, GLIDE);
        self.observer.press(found.display);
        let focused: Outcome =
            self.tab.call(&found.place, "focus", &json!({ "handle": found.handle })).await?;
        focused.check()?;
        self.type_text(text).await?;
        self.settle(&found.place, true).await?;
        Ok(found.code)
    }

    /// Types a text key by key to whatever has the focus.
    pub async fn type_text(&self, text: &str) -> Result<(), ActError> {
        for character in text.chars() {
            match Key::typed(character) {
                Some(key) => self.stroke(&Stroke { modifiers: Vec::new(), key }).await?,
                // Not on the keyboard: it comes as text.
                None => self.insert(character.encode_utf8(&mut [0; 4])).await?,
            }
        }
        Ok(())
    }

    /// Presses one key, with its modifiers, and waits for the page to react.
    pub async fn press(&self, stroke: &Stroke) -> Result<(), ActError> {
        self.tab.ready().await?;
        self.tab.emulate_focus(true).await;
        self.stroke(stroke).await?;
        self.settle(&self.tab.top(), true).await?;
        Ok(())
    }

    /// Chooses options of a list by value or label.
    pub async fn select(&self, locator: &Locator, values: &[String]) -> Result<String, ActError> {
        let found = self.find(&mut Tries::new(self, locator), SELECTABLE, "field").await?;
        self.permit.check()?;
        self.observer.pointer(found.display, GLIDE);
        self.observer.press(found.display);
        let argument = json!({ "handle": found.handle, "values": values });
        let selected: Outcome = self.tab.call(&found.place, "select", &argument).await?;
        selected.check()?;
        self.settle(&found.place, true).await?;
        Ok(found.code)
    }

    /// Clicks a box only if it is not already as wanted, and makes sure that it then is.
    pub async fn set_checked(&self, locator: &Locator, wanted: bool) -> Result<String, ActError> {
        for clicked in [false, true] {
            let found = self.find(&mut Tries::new(self, locator), ATTACHED, "field").await?;
            let argument = json!({ "handle": found.handle });
            let state: Outcome = self.tab.call(&found.place, "checked", &argument).await?;
            state.check()?;
            if state.checked == Some(wanted) {
                return Ok(found.code);
            }
            if !clicked {
                self.click(locator, &Click::default()).await?;
            }
        }
        Err(ActError::Refused("clicking it did not change its state".into()))
    }

    /// Answers the dialog that is open.
    pub async fn answer_dialog(&self, accept: bool, text: Option<&str>) -> Result<(), ActError> {
        let mut state = self.tab.state.clone();
        if state.borrow().dialog.is_none() {
            return Err(ActError::NoDialog);
        }
        let session = state.borrow().session.clone();
        let mut params = json!({ "accept": accept });
        if let Some(text) = text {
            params["promptText"] = text.into();
        }
        self.permit.check()?;
        self.tab.client.send(Some(&session), "Page.handleJavaScriptDialog", &params).await?;
        let closed = state.wait_for(|state| state.dialog.is_none());
        let _ = tokio::time::timeout(REACTION, closed).await;
        // Another one may have opened at once; that is for the next answer.
        match self.settle(&self.tab.top(), true).await {
            Err(ActError::Dialog(_)) => Ok(()),
            settled => settled.map(|_| ()),
        }
    }

    /// Tries until the element is there and everything that is needed holds.
    async fn find(&self, tries: &mut Tries<'_>, needs: &[&str], act: &str) -> Result<Found, ActError> {
        let locator = tries.locator;
        loop {
            self.permit.check()?;
            self.tab.ready().await?;
            self.tab.emulate_focus(true).await;
            self.arrival().await?;
            let Some(place) = self.tab.frame(locator.frame) else {
                return Err(no_ref(locator));
            };
            let argument =
                json!({ "locator": locator.json(), "needs": needs, "act": act, "attempt": tries.attempt });
            let probe = tokio::time::timeout_at(
                self.deadline + REACTION,
                self.tab.call::<Probe>(&place, "probe", &argument),
            );
            match probe.await {
                Ok(Ok(probe)) => match self.judge(locator, &place, probe).await? {
                    Ok(found) => return Ok(found),
                    Err(why) => tries.failed(why),
                },
                Ok(Err(error)) if error.is_gone() => tries.failed("the page changed meanwhile".into()),
                Ok(Err(error)) => return Err(error),
                Err(_) => tries.failed("the page does not answer".into()),
            }
            tries.wait().await?;
        }
    }

    /// What a try means: an element, a reason to wait, or the end.
    async fn judge(
        &self,
        locator: &Locator,
        place: &Place,
        probe: Probe,
    ) -> Result<Result<Found, String>, ActError> {
        let text = locator.to_string();
        let why = probe.why.unwrap_or_default();
        match (probe.state.as_str(), probe.code.as_deref()) {
            ("ok", code) => {
                let (Some(handle), Some(window)) = (probe.handle, probe.window) else {
                    return Err(ActError::Stuck);
                };
                let (x, y) = (probe.x.unwrap_or_default(), probe.y.unwrap_or_default());
                let has_point = probe.x.is_some();
                let (x, y, window) = match self.to_page(place, x, y, window, has_point).await? {
                    Ok(on_page) => on_page,
                    Err(why) => return Ok(Err(why)),
                };
                Ok(Ok(Found {
                    place: place.clone(),
                    handle,
                    x,
                    y,
                    display: window.to_display(x, y),
                    code: code.unwrap_or_default().to_owned(),
                }))
            }
            ("wait", _) => Ok(Err(why)),
            (_, Some("ref")) => Err(no_ref(locator)),
            (_, Some("strict")) => Err(ActError::Ambiguous {
                locator: text,
                count: probe.count.unwrap_or_default(),
                matches: probe.matches,
            }),
            (_, Some("kind")) => Err(ActError::Refused(why)),
            _ => Err(ActError::Locator { locator: text, reason: why }),
        }
    }

    /// Walks from a frame up to the page: adds where each frame lies and asks
    /// what lies over it there.
    async fn to_page(
        &self,
        place: &Place,
        mut x: f64,
        mut y: f64,
        mut window: Window,
        has_point: bool,
    ) -> Result<Result<(f64, f64, Window), String>, ActError> {
        #[derive(Deserialize)]
        struct Box {
            x: f64,
            y: f64,
            visible: bool,
            window: Window,
        }
        #[derive(Deserialize)]
        struct Hit {
            ok: bool,
            by: Option<String>,
        }
        let mut at = place.clone();
        while let Some((parent, object)) = self.tab.owner(&at).await? {
            let frame: Box = self.tab.call_on(&parent, &object, "frameBox", &[has_point.into()]).await?;
            if has_point && !frame.visible {
                return Ok(Err("the frame that holds it is not visible".into()));
            }
            (x, y, window) = (x + frame.x, y + frame.y, frame.window);
            if has_point {
                let hit: Hit = self.tab.call_on(&parent, &object, "frameHit", &[x.into(), y.into()]).await?;
                if !hit.ok {
                    return Ok(Err(format!("{} is in the way", hit.by.unwrap_or_default())));
                }
            }
            at = parent;
        }
        Ok(Ok((x, y, window)))
    }

    async fn click_at(&self, found: &Found, click: &Click) -> Result<(), ActError> {
        let mut held = Vec::new();
        for name in &click.modifiers {
            let stroke: Stroke = name.parse().map_err(|error| ActError::Refused(format!("{error}")))?;
            held.push(stroke.key);
        }
        let bits = held.iter().fold(0, |bits, key| bits | key.bit());
        self.permit.check()?;
        self.observer.pointer(found.display, GLIDE);
        let moved = self.mouse("mouseMoved", found, PointerButton::Left, 0, bits).await?;
        self.answered(moved).await?;
        let mut answers = Vec::new();
        for count in 1..=if click.double { 2 } else { 1 } {
            self.permit.check()?;
            self.observer.press(found.display);
            answers.push(self.mouse("mousePressed", found, click.button, count, bits).await?);
            // What is down comes up, whoever has the floor by now.
            answers.push(self.mouse("mouseReleased", found, click.button, count, bits).await?);
        }
        for answer in answers {
            match self.answered(answer).await {
                // A dialog that the click opened: the click itself is done.
                Err(ActError::Dialog(_)) => return Ok(()),
                Err(error) if error.is_gone() => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    async fn mouse(
        &self,
        kind: &str,
        found: &Found,
        button: PointerButton,
        count: u32,
        modifiers: u32,
    ) -> Result<Answer, ActError> {
        let (name, bit) = match button {
            _ if kind == "mouseMoved" => ("none", 0),
            PointerButton::Left => ("left", 1),
            PointerButton::Right => ("right", 2),
            PointerButton::Middle => ("middle", 4),
        };
        let params = json!({
            "type": kind, "x": found.x, "y": found.y, "button": name,
            "buttons": if kind == "mousePressed" { bit } else { 0 },
            "clickCount": count, "modifiers": modifiers,
        });
        self.post("Input.dispatchMouseEvent", &params).await
    }

    /// One key, down and up. The permit is asked before each key that goes down.
    async fn stroke(&self, stroke: &Stroke) -> Result<(), ActError> {
        let mut bits = 0;
        let mut down: Vec<&Key> = Vec::new();
        let mut answers = Vec::new();
        let mut stopped = Ok(());
        for key in stroke.modifiers.iter().chain([&stroke.key]) {
            if let Err(preempted) = self.permit.check() {
                stopped = Err(preempted);
                break;
            }
            bits |= key.bit();
            answers.push(self.post("Input.dispatchKeyEvent", &key.event(true, bits)).await?);
            down.push(key);
        }
        for key in down.into_iter().rev() {
            bits &= !key.bit();
            answers.push(self.post("Input.dispatchKeyEvent", &key.event(false, bits)).await?);
        }
        for answer in answers {
            match self.answered(answer).await {
                Err(ActError::Dialog(_)) => return Ok(()),
                Err(error) if error.is_gone() => return Ok(()),
                other => other?,
            }
        }
        Ok(stopped?)
    }

    async fn insert(&self, text: &str) -> Result<(), ActError> {
        self.permit.check()?;
        let answer = self.post("Input.insertText", &json!({ "text": text })).await?;
        self.answered(answer).await
    }

    async fn post(&self, method: &str, params: &Value) -> Result<Answer, ActError> {
        let session = self.tab.state.borrow().session.clone();
        Ok(self.tab.client.post(Some(&session), method, params).await?)
    }

    async fn answered(&self, answer: Answer) -> Result<(), ActError> {
        let answer = async {
            match tokio::time::timeout(NAVIGATION, answer).await {
                Ok(Ok(result)) => result.map(|_| ()),
                // A page that is busy with the event answers late; the event has arrived.
                Ok(Err(_)) | Err(_) => Ok(()),
            }
        };
        self.tab.guarded(answer).await
    }

    /// After an act: a frame for the page to react in, then the navigation
    /// that it began, if any. Returns what the click's guard saw.
    async fn settle(&self, place: &Place, wait: bool) -> Result<Option<String>, ActError> {
        let name = if wait { "settle" } else { "unguard" };
        let nothing = json!({});
        let seen = tokio::time::timeout(REACTION, self.tab.call::<Outcome>(place, name, &nothing)).await;
        let verdict = match seen {
            Ok(Ok(outcome)) => outcome.verdict,
            // It navigated, opened a dialog, closed its tab: the act had its effect.
            Ok(Err(ActError::Dialog(_) | ActError::Closed | ActError::Crashed)) => return Ok(None),
            Ok(Err(error)) if error.is_gone() => None,
            Ok(Err(ActError::Page(_))) | Err(_) => None,
            Ok(Err(error)) => return Err(error),
        };
        if wait {
            match self.arrival().await {
                Ok(()) | Err(ActError::Dialog(_) | ActError::Closed | ActError::Crashed) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(verdict)
    }

    /// Waits for a navigation in flight until its document can be read, five seconds at most.
    async fn arrival(&self) -> Result<(), ActError> {
        self.tab.arrival(Instant::now() + NAVIGATION).await
    }
}

type Answer = tokio::sync::oneshot::Receiver<Result<Box<serde_json::value::RawValue>, CdpError>>;

impl Outcome {
    fn check(&self) -> Result<(), ActError> {
        match &self.error {
            _ if self.gone => {
                Err(ActError::Refused("the element was removed from the page meanwhile".into()))
            }
            Some(error) => Err(ActError::Refused(error.clone())),
            None => Ok(()),
        }
    }
}

/// The tries of one act: how many, since when, and why they failed.
struct Tries<'a> {
    locator: &'a Locator,
    attempt: u32,
    started: Instant,
    deadline: Instant,
    log: Vec<String>,
}

impl<'a> Tries<'a> {
    fn new(acting: &Acting<'_>, locator: &'a Locator) -> Self {
        let started = Instant::now();
        Self { locator, attempt: 0, started, deadline: acting.deadline, log: Vec::new() }
    }

    fn failed(&mut self, why: String) {
        if self.log.last() != Some(&why) && self.log.len() < 20 {
            self.log.push(why);
        }
    }

    async fn wait(&mut self) -> Result<(), ActError> {
        if Instant::now() >= self.deadline {
            return Err(ActError::NotActionable {
                locator: self.locator.to_string(),
                ms: self.started.elapsed().as_millis(),
                tries: std::mem::take(&mut self.log),
            });
        }
        pause(self.attempt, self.deadline).await;
        self.attempt += 1;
        Ok(())
    }
}

fn no_ref(locator: &Locator) -> ActError {
    match locator.reference() {
        Some(reference) => ActError::NoSuchRef(reference.to_owned()),
        None => ActError::Closed,
    }
}
