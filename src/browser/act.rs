//! Acting on an element: finding it, waiting until it can be acted on, and
//! waiting for what the page makes of it. The acts themselves are in
//! `pointer`, `drag`, `typing` and `files`. Each asks its permit right before
//! every input that it sends, and lets go of what it holds when a person
//! takes over.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::callout::Callout;
use super::fault::{ActError, Obstacle, StaleRef};
use super::frames::{Place, Window, pause};
use super::reaction::{Done, Watch};
use super::tabs::Tab;
use super::{CdpError, Locator};
use crate::base::Point;
use crate::floor::{FloorPermit, Preempted};

/// How long a pointer is shown to glide. Nothing waits for it.
pub(super) const GLIDE: Duration = Duration::from_millis(90);
/// How long a navigation that an act began may take to be readable.
pub(super) const NAVIGATION: Duration = Duration::from_secs(5);
/// How long a page may take to show a frame after an act.
pub(super) const REACTION: Duration = Duration::from_secs(1);

/// Who shows people where an agent acts. Called before the act goes out; must not block.
pub trait Observer: Send + Sync {
    /// The pointer goes to this place on the display and is there after `glide`.
    fn pointer(&self, to: Point, glide: Duration);
    /// A button goes down here.
    fn press(&self, at: Point);
    /// How the act that comes now is drawn on the page before it is done, if it is to be.
    fn callout(&self) -> Option<Callout> {
        None
    }
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
    pub place: Place,
    pub handle: u64,
    /// Where, in the page's coordinates.
    pub at: (f64, f64),
    pub display: Point,
    /// Where its frame begins in the page.
    pub origin: (f64, f64),
    /// A locator expression for it, as code.
    pub code: String,
    /// What the script said to what was to be done with it at once.
    pub outcome: Option<Outcome>,
}

/// What the script does with an element in the very call that finds it,
/// which saves a round trip. Only in the page's main frame: for others it has
/// to be known first that nothing lies over them.
pub(super) struct AtOnce<'a> {
    pub name: &'static str,
    pub argument: Value,
    /// What it sets off is listened to from there on.
    pub watch: &'a mut Watch,
}

/// What the script says of one try.
#[derive(Deserialize)]
struct Probe {
    state: String,
    code: Option<String>,
    why: Option<String>,
    what: Option<String>,
    count: Option<usize>,
    #[serde(default)]
    matches: Vec<String>,
    handle: Option<u64>,
    x: Option<f64>,
    y: Option<f64>,
    window: Option<Window>,
    outcome: Option<Outcome>,
}

/// What the script says of what it did.
#[derive(Deserialize, Default)]
pub(super) struct Outcome {
    #[serde(default)]
    pub gone: bool,
    #[serde(default)]
    pub done: bool,
    pub error: Option<String>,
    /// The error may go away by itself.
    pub wait: Option<String>,
    pub verdict: Option<String>,
    pub checked: Option<bool>,
    #[serde(default)]
    pub radio: bool,
    #[serde(default)]
    pub multiple: bool,
}

/// What must hold before an act.
pub(super) type Needs = &'static [&'static str];
pub(super) const CLICKABLE: Needs = &["visible", "enabled", "stable", "point", "hit"];
pub(super) const HOVERABLE: Needs = &["visible", "stable", "point", "hit"];
pub(super) const FILLABLE: Needs = &["visible", "enabled", "editable", "point"];
pub(super) const SELECTABLE: Needs = &["visible", "enabled", "point"];
pub(super) const VISIBLE: Needs = &["visible"];
pub(super) const STABLE: Needs = &["scroll", "stable"];
pub(super) const ATTACHED: Needs = &[];

/// How long to let the page react before its answer is read.
#[derive(Clone, Copy)]
pub(super) enum Frame {
    /// Until it has shown a frame.
    Shown,
    /// The same, but a key does not wait for the whole of a frame's time.
    Soon,
    /// From when the text that is on its way has come.
    Typed,
}

impl Acting<'_> {
    /// Tries until the element is there and everything that is needed holds.
    pub(super) async fn find(
        &self,
        tries: &mut Tries<'_>,
        needs: Needs,
        act: &str,
    ) -> Result<Found, ActError> {
        self.find_and(tries, needs, act, None).await
    }

    /// The same, and does something with it at once where that can be.
    pub(super) async fn find_and(
        &self,
        tries: &mut Tries<'_>,
        needs: Needs,
        act: &str,
        mut at_once: Option<AtOnce<'_>>,
    ) -> Result<Found, ActError> {
        let locator = tries.locator;
        // A box that is looked at may need no act.
        let mut shown = tries.shown || act == "check" || self.observer.callout().is_none();
        loop {
            self.permit.check()?;
            self.tab.ready().await?;
            if tries.attempt == 0 {
                self.tab.emulate_focus(true).await;
            }
            self.arrival().await?;
            let tried = async {
                let Ok((place, target)) = self.tab.enter(locator).await? else {
                    return Ok(Err((Obstacle::NoMatch, "no frame matches".to_owned())));
                };
                let mut argument = json!({
                    "locator": target, "needs": needs, "act": act, "attempt": tries.attempt, "guarding": shown,
                });
                let may = shown && place.id == self.tab.top().id;
                let mut _act = None;
                if let Some(then) = at_once.as_mut().filter(|_| may) {
                    argument["then"] = json!({ "name": then.name, "argument": then.argument });
                    then.watch.begin();
                    _act = Some(self.permit.begin()?);
                }
                let probe = self.tab.call::<Probe>(&place, "probe", &argument).await?;
                self.judge(locator, &place, probe).await
            };
            match tokio::time::timeout_at(self.deadline + REACTION, tried).await {
                Ok(Ok(Ok(found))) if shown => return Ok(found),
                Ok(Ok(Ok(found))) => {
                    let point = needs.contains(&"point").then_some(found.at);
                    self.call_out(point, Some(&found)).await?;
                    (shown, tries.shown) = (true, true);
                    // The page went on meanwhile: it is looked at again.
                    continue;
                }
                Ok(Ok(Err((obstacle, why)))) => tries.failed(obstacle, why),
                Ok(Err(error)) if error.is_gone() => {
                    tries.failed(Obstacle::Busy, "the page changed meanwhile".into())
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => tries.failed(Obstacle::Busy, "the page does not answer".into()),
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
    ) -> Result<Result<Found, (Obstacle, String)>, ActError> {
        let text = locator.to_string();
        let why = probe.why.unwrap_or_default();
        match (probe.state.as_str(), probe.code.as_deref()) {
            ("ok", code) => {
                let (Some(handle), Some(window)) = (probe.handle, probe.window) else {
                    return Err(ActError::Stuck);
                };
                let (x, y) = (probe.x.unwrap_or_default(), probe.y.unwrap_or_default());
                let inside = (x, y);
                let has_point = probe.x.is_some();
                let mut code = code.unwrap_or_default().to_owned();
                let (x, y, window) = match self.to_page(place, (x, y), window, has_point, &mut code).await? {
                    Ok(on_page) => on_page,
                    Err(obstacle) => return Ok(Err(obstacle)),
                };
                let display = window.to_display(x, y);
                let origin = (x - inside.0, y - inside.1);
                let outcome = probe.outcome;
                Ok(Ok(Found { place: place.clone(), handle, at: (x, y), display, origin, code, outcome }))
            }
            ("wait", code) => {
                let what = probe.what.filter(|what| !what.is_empty());
                let why = what.map_or(why.clone(), |what| format!("{why}: {what}"));
                Ok(Err((Obstacle::from_code(code.unwrap_or_default()), why)))
            }
            (_, Some("ref")) => Err(self.tab.no_ref(locator).await),
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
        (mut x, mut y): (f64, f64),
        mut window: Window,
        has_point: bool,
        code: &mut String,
    ) -> Result<Result<(f64, f64, Window), (Obstacle, String)>, ActError> {
        #[derive(Deserialize)]
        struct Holder {
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
            let frame: Holder = self.tab.call_on(&parent, &object, "frameBox", &[has_point.into()]).await?;
            let outer: String = self.tab.call_on(&parent, &object, "frameCode", &[]).await?;
            *code = format!("{outer}.contentFrame().{code}");
            if has_point && !frame.visible {
                return Ok(Err((Obstacle::Invisible, "the frame that holds it is not visible".into())));
            }
            (x, y, window) = (x + frame.x, y + frame.y, frame.window);
            if has_point {
                let hit: Hit = self.tab.call_on(&parent, &object, "frameHit", &[x.into(), y.into()]).await?;
                if !hit.ok {
                    let by = hit.by.unwrap_or_default();
                    return Ok(Err((Obstacle::Covered, format!("{by} is in the way of the frame"))));
                }
            }
            at = parent;
        }
        Ok(Ok((x, y, window)))
    }

    /// Finds an element and has the script do something with it, in one call where that can be.
    pub(super) async fn find_and_do(
        &self,
        locator: &Locator,
        needs: Needs,
        act: &str,
        name: &'static str,
        argument: Value,
        watch: &mut Watch,
    ) -> Result<(Found, Outcome), ActError> {
        let at_once = AtOnce { name, argument: argument.clone(), watch };
        let mut found = self.find_and(&mut Tries::new(self, locator), needs, act, Some(at_once)).await?;
        let done = found.outcome.take();
        self.show(&found)?;
        let outcome = match done {
            Some(outcome) => outcome,
            None => {
                watch.begin();
                let mut argument = argument;
                argument["handle"] = found.handle.into();
                self.ask(&found.place, name, &argument).await?
            }
        };
        outcome.check()?;
        Ok((found, outcome))
    }

    /// Calls the script, as long as the act may take; a page that hangs does not hang the caller.
    pub(super) async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        place: &Place,
        name: &str,
        argument: &Value,
    ) -> Result<T, ActError> {
        // Much of what is asked gives the focus to something or changes it.
        let _act = self.permit.let_go();
        let answer = self.tab.call(place, name, argument);
        tokio::time::timeout_at(self.deadline + REACTION, answer).await.map_err(|_| ActError::Stuck)?
    }

    /// Shows people where this is about to happen.
    pub(super) fn show(&self, found: &Found) -> Result<(), ActError> {
        self.permit.check()?;
        self.observer.pointer(found.display, GLIDE);
        self.observer.press(found.display);
        Ok(())
    }

    pub(super) async fn post(&self, method: &str, params: &Value) -> Result<Reply, ActError> {
        let act = self.permit.begin()?;
        let session = self.tab.state.borrow().session.clone();
        Ok(self.tab.client.post_act(Some(&session), method, params, Some(act)).await?)
    }

    /// Posts what lets go of something: that goes out, whoever has the floor by now.
    pub(super) async fn post_release(&self, method: &str, params: &Value) -> Result<Reply, ActError> {
        let act = self.permit.let_go();
        let session = self.tab.state.borrow().session.clone();
        Ok(self.tab.client.post_act(Some(&session), method, params, Some(act)).await?)
    }

    async fn answered(&self, answer: Reply, deadline: Instant) -> Result<(), ActError> {
        let answer = async {
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(result)) => result.map(|_| ()),
                // A page that is busy with the event answers late; the event has arrived.
                Ok(Err(_)) | Err(_) => Ok(()),
            }
        };
        self.tab.guarded(answer).await
    }

    /// The same for inputs: a dialog that one opened, or a page that it left, means that it was done.
    pub(super) async fn all_answered(&self, answers: Vec<Reply>) -> Result<(), ActError> {
        let deadline = Instant::now() + NAVIGATION;
        for answer in answers {
            match self.answered(answer, deadline).await {
                Err(ActError::Dialog(_) | ActError::Closed) => return Ok(()),
                Err(error) if error.is_gone() => return Ok(()),
                other => other?,
            }
        }
        Ok(())
    }

    /// A frame for the page to react in. Returns what the click's guard saw.
    pub(super) async fn reacted(&self, place: &Place, frame: Frame) -> Result<Option<String>, ActError> {
        let argument = match frame {
            Frame::Shown => json!({ "most": 250 }),
            Frame::Soon => json!({ "most": 4 }),
            Frame::Typed => json!({ "most": 2, "typed": true }),
        };
        let seen = tokio::time::timeout(REACTION, self.tab.call::<Outcome>(place, "settle", &argument)).await;
        match seen {
            Ok(Ok(outcome)) => Ok(outcome.verdict),
            // It navigated, opened a dialog, closed its tab: the act had its effect.
            Ok(Err(ActError::Dialog(_) | ActError::Closed | ActError::Crashed | ActError::Page(_)))
            | Err(_) => Ok(None),
            Ok(Err(error)) if error.is_gone() => Ok(None),
            Ok(Err(error)) => Err(error),
        }
    }

    /// After an act and its frame: what it began, until that has arrived, within bounds.
    pub(super) async fn finish(
        &self,
        place: &Place,
        mut watch: Watch,
        code: String,
    ) -> Result<Done, ActError> {
        let began = Instant::now();
        loop {
            watch.catch_up();
            match self.arrival().await {
                Ok(()) => {}
                Err(ActError::Dialog(_) | ActError::Closed | ActError::Crashed) => break,
                Err(error) => return Err(error),
            }
            let quiet = watch.is_quiet();
            watch.answers(began).await;
            if quiet || began.elapsed() >= REACTION {
                break;
            }
            // What was answered is drawn, and may have asked for more.
            self.reacted(place, Frame::Shown).await?;
        }
        Ok(watch.done(self.tab, code))
    }

    /// Both, for acts without a guard.
    pub(super) async fn settle(&self, found: Found, watch: Watch, frame: Frame) -> Result<Done, ActError> {
        self.reacted(&found.place, frame).await?;
        self.finish(&found.place, watch, found.code).await
    }

    /// Waits for a navigation in flight until its document can be read, five seconds at most.
    pub(super) async fn arrival(&self) -> Result<(), ActError> {
        self.tab.arrival(Instant::now() + NAVIGATION).await
    }
}

impl Tab {
    /// The frame that a locator speaks of, and what to find in it. None when a
    /// frame on the way is not there.
    pub(super) async fn enter(&self, locator: &Locator) -> Result<Result<(Place, Value), ()>, ActError> {
        let Some(mut place) = self.frame(locator.frame()) else {
            return Err(self.no_ref(locator).await);
        };
        let mut hops = locator.hops();
        let target = hops.pop().unwrap_or_default();
        for hop in hops {
            let argument = json!({ "locator": hop, "needs": [], "act": "look", "attempt": 0, "code": false });
            let probe: Probe = self.call(&place, "probe", &argument).await?;
            match (probe.state.as_str(), probe.code.as_deref(), probe.handle) {
                ("ok", _, Some(handle)) => {
                    let object = self.held(&place, handle).await?;
                    let (_, frame) = self.node(&place, &object).await?;
                    let state = self.state.borrow();
                    let inner = frame.and_then(|id| {
                        let frame = state.frames.get(&id)?;
                        Some(Place { session: frame.session.clone(), number: frame.number, id })
                    });
                    let Some(inner) = inner else {
                        return Err(ActError::Locator {
                            locator: locator.to_string(),
                            reason: "what should hold a frame is no iframe".into(),
                        });
                    };
                    place = inner;
                }
                ("wait", _, _) => return Ok(Err(())),
                (_, Some("strict"), _) => {
                    return Err(ActError::Ambiguous {
                        locator: format!("the frame of {locator}"),
                        count: probe.count.unwrap_or_default(),
                        matches: probe.matches,
                    });
                }
                _ => {
                    let reason = probe.why.unwrap_or_default();
                    return Err(ActError::Locator { locator: locator.to_string(), reason });
                }
            }
        }
        Ok(Ok((place, target)))
    }

    /// An element that is there, without waiting: its frame and the script's number of it.
    pub(super) async fn look(&self, locator: &Locator, code: bool) -> Result<(Place, u64, String), ActError> {
        let missing =
            |reason: &str| ActError::Locator { locator: locator.to_string(), reason: reason.to_owned() };
        let Ok((place, target)) = self.enter(locator).await? else {
            return Err(missing("no frame matches"));
        };
        let argument = json!({ "locator": target, "needs": [], "act": "look", "attempt": 0, "code": code });
        let probe: Probe = self.call(&place, "probe", &argument).await?;
        match (probe.state.as_str(), probe.code.as_deref(), probe.handle) {
            ("ok", code, Some(handle)) => Ok((place, handle, code.unwrap_or_default().to_owned())),
            (_, Some("ref"), _) => Err(self.no_ref(locator).await),
            (_, Some("strict"), _) => Err(ActError::Ambiguous {
                locator: locator.to_string(),
                count: probe.count.unwrap_or_default(),
                matches: probe.matches,
            }),
            _ => Err(missing(&probe.why.unwrap_or_default())),
        }
    }

    /// Says what a stale ref was, and what is called so now.
    pub(super) async fn no_ref(&self, locator: &Locator) -> ActError {
        #[derive(Deserialize, Default)]
        struct Heir {
            role: Option<String>,
            #[serde(default)]
            name: String,
            #[serde(default)]
            count: usize,
            #[serde(default, rename = "ref")]
            reference: String,
            #[serde(default)]
            last: u64,
        }
        let reference = locator.reference().unwrap_or_default().to_owned();
        let mut stale = StaleRef { was: self.memory.shown(&reference), reference, ..StaleRef::default() };
        if let (Some(place), Some(bare)) = (self.frame(locator.frame()), locator.bare_reference()) {
            let (role, name) = stale.was.clone().unwrap_or_default();
            let start = self.last_ref.load(std::sync::atomic::Ordering::Acquire);
            let argument = json!({ "ref": bare, "role": role, "name": name, "start": start });
            let heir = tokio::time::timeout(REACTION, self.call::<Heir>(&place, "heirOf", &argument)).await;
            if let Ok(Ok(heir)) = heir {
                self.last_ref.fetch_max(heir.last, std::sync::atomic::Ordering::AcqRel);
                stale.was = stale.was.or(heir.role.map(|role| (role, heir.name)));
                stale.alike = heir.count;
                let prefix = if place.number == 0 { String::new() } else { format!("f{}", place.number) };
                stale.now =
                    Some(heir.reference).filter(|now| !now.is_empty()).map(|now| format!("{prefix}{now}"));
            }
        }
        ActError::NoSuchRef(stale)
    }
}

pub(super) type Reply = tokio::sync::oneshot::Receiver<Result<Box<serde_json::value::RawValue>, CdpError>>;

impl Outcome {
    pub fn check(&self) -> Result<(), ActError> {
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
pub(super) struct Tries<'a> {
    acting: &'a Acting<'a>,
    pub locator: &'a Locator,
    pub attempt: u32,
    /// The act was drawn.
    shown: bool,
    started: Instant,
    deadline: Instant,
    last: (Obstacle, String),
    log: Vec<String>,
}

impl<'a> Tries<'a> {
    pub fn new(acting: &'a Acting<'a>, locator: &'a Locator) -> Self {
        let last = (Obstacle::Busy, "nothing was tried".to_owned());
        Self {
            acting,
            locator,
            attempt: 0,
            shown: false,
            started: Instant::now(),
            deadline: acting.deadline,
            last,
            log: Vec::new(),
        }
    }

    pub fn failed(&mut self, obstacle: Obstacle, why: String) {
        if self.log.last() != Some(&why) && self.log.len() < 20 {
            self.log.push(why.clone());
        }
        self.last = (obstacle, why);
    }

    pub async fn wait(&mut self) -> Result<(), ActError> {
        if Instant::now() >= self.deadline {
            let (obstacle, detail) = self.last.clone();
            return Err(ActError::NotActionable {
                locator: self.locator.to_string(),
                obstacle,
                detail,
                ms: self.started.elapsed().as_millis(),
                tries: std::mem::take(&mut self.log),
            });
        }
        tokio::select! {
            () = pause(self.attempt, self.deadline) => {}
            () = self.acting.permit.preempted() => return Err(Preempted.into()),
        }
        self.attempt += 1;
        Ok(())
    }
}
