//! What the multiplexer knows of a client from outside: the contexts and tabs
//! that it made, the worlds of its pages, what it holds down, the dialogs it
//! saw open, its permit. Says of each message what it needs. Pure; time comes
//! in as an argument.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value, json};

use super::acts::{self, Kind};
use super::message;
use super::tally::ActTally;
use crate::base::Actor;
use crate::floor::{FloorPermit, OnTheWay};
use crate::policy::{Action, Decision, Effect, Place, Rules, cdp};

/// A permit that was not used for this long is given back.
const IDLE: Duration = Duration::from_secs(1);
/// While a button or key is down, the permit is looked at this often: a gate
/// that closes tells nobody.
const LOOK: Duration = Duration::from_millis(50);
/// A page that people share does not wait longer than this for a client that
/// asked to see it before it starts.
const LONGEST_START: Duration = Duration::from_secs(10);
/// A request of such a page that a client intercepts goes on after this long.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Requests that one session may hold before the oldest are let go.
const MOST_PAUSED: usize = 1000;
/// Moves of the pointer are shown at most this often.
const POINTER_PAUSE: Duration = Duration::from_millis(40);
/// So many messages may wait for a person's yes.
const MOST_QUESTIONS: usize = 16;
/// What may wait for the floor.
const MOST_HELD: usize = 1024;
const MOST_HELD_BYTES: usize = 32 << 20;

/// What a client from outside is given.
#[derive(Clone, Debug)]
pub struct GuestOptions {
    /// The target that it speaks to, as at `/devtools/page/{target}`; else the browser.
    pub target: Option<String>,
    /// Where its downloads go.
    pub download_dir: PathBuf,
    /// Files below here are not given to pages, downloads apart.
    pub private_dir: PathBuf,
    /// What it may do, as the room says; without it, everything that is not refused to all.
    pub rules: Option<GuestRules>,
}

/// How a client from outside is judged by the room's rules.
#[derive(Clone)]
pub struct GuestRules {
    pub actor: Actor,
    /// The rules as they are now.
    pub rules: Arc<dyn Fn() -> Arc<Rules> + Send + Sync>,
    /// Where a target is now, if that is known.
    pub address: Arc<AddressOf>,
}

/// Where a target is now.
pub type AddressOf = dyn Fn(&str) -> Option<String> + Send + Sync;

impl std::fmt::Debug for GuestRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuestRules").field("actor", &self.actor.id).finish_non_exhaustive()
    }
}

/// What a client from outside needs of its room.
#[derive(Clone, Debug, PartialEq)]
pub enum GuestSignal {
    /// Messages wait for the floor. Answered by [`super::ToBrowser::floor`].
    WantFloor,
    /// A message waits for a person's yes. Answered by [`super::ToBrowser::yes`] with the number.
    WantYes { number: u64, target: Option<String>, action: Box<Action>, decision: Box<Decision> },
    /// Its pointer is here on a page.
    Pointer { target: String, x: f64, y: f64, pressed: bool },
}

/// What is to be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// In its turn.
    Pass,
    /// At once, ahead of what waits.
    Now,
    /// With the floor.
    Act,
    /// At once, unless what it releases waits itself.
    Release,
    /// It is answered and not done.
    Silent,
    /// It is answered when the dialog has closed.
    WhenClosed,
    Refuse(Cow<'static, str>),
}

/// A message that waits for the floor, or behind one that does.
pub(super) struct Held {
    pub session: String,
    pub bytes: Bytes,
    /// People have said yes to it.
    pub approved: bool,
}

pub(super) struct Guest {
    pub options: GuestOptions,
    pub acts: Arc<ActTally>,
    pub contexts: HashSet<String>,
    pub tabs: HashSet<String>,
    windows: HashSet<i64>,
    pages: HashMap<String, Page>,
    permit: Option<Arc<FloorPermit>>,
    /// While something is held down, an act is on its way.
    grip: Option<OnTheWay>,
    used: Instant,
    /// When the permit was looked at last.
    looked: Instant,
    /// The floor was asked for and the answer is not there yet.
    pub asked: bool,
    pub held: VecDeque<Held>,
    held_bytes: usize,
    /// Messages that wait for a person's yes, by number.
    questions: BTreeMap<u64, Held>,
    last_question: u64,
    shown: Option<Instant>,
}

/// A session of a target.
struct Page {
    kind: String,
    target: String,
    /// The session through which it was attached.
    parent: String,
    /// The client acted on it with the permit that it has now.
    acted: bool,
    /// The floor's epoch when it last did something else than type: since then
    /// the focus is where it put it, unless somebody else has acted.
    focused: Option<u64>,
    /// In a browser context that the client made.
    own: bool,
    /// A tab that the client opened where people see it.
    own_tab: bool,
    /// Ids of isolated worlds.
    isolated: HashSet<i64>,
    /// Acts that are not answered yet.
    acts: usize,
    buttons: BTreeMap<String, (f64, f64)>,
    keys: BTreeMap<String, Value>,
    touching: bool,
    /// A text of an input method that was not committed yet.
    composing: bool,
    dialog: Option<OpenDialog>,
    starts_by: Option<Instant>,
    paused: BTreeMap<String, Instant>,
}

struct OpenDialog {
    before_unload: bool,
    /// It came from what this client did.
    own: bool,
    /// Answers that wait until somebody else closes it.
    waiting: Vec<Number>,
}

/// One of our own calls for a client: session, method, parameters.
pub(super) type OwnCall = (String, &'static str, Value);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope<'a> {
    #[serde(borrow, default)]
    browser_context_id: Option<Cow<'a, str>>,
    #[serde(default)]
    window_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attach {
    #[serde(default)]
    auto_attach: Option<bool>,
    #[serde(default)]
    flatten: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Mouse<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    x: f64,
    #[serde(default)]
    y: f64,
    #[serde(borrow, default)]
    button: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Composition<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    code: Cow<'a, str>,
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(default)]
    windows_virtual_key_code: i64,
}

impl Guest {
    pub fn new(now: Instant, options: GuestOptions) -> Self {
        Self {
            options,
            acts: Arc::default(),
            contexts: HashSet::new(),
            tabs: HashSet::new(),
            windows: HashSet::new(),
            pages: HashMap::new(),
            permit: None,
            grip: None,
            used: now,
            looked: now,
            asked: false,
            held: VecDeque::new(),
            held_bytes: 0,
            questions: BTreeMap::new(),
            last_question: 0,
            shown: None,
        }
    }

    // Getters.

    /// The permit, if it is still good.
    pub fn fresh_permit(&self) -> Option<&Arc<FloorPermit>> {
        self.permit.as_ref().filter(|permit| permit.check().is_ok())
    }

    /// Waits until the permit with which it holds something down is stale.
    pub fn preempted(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let holds = self.pages.values().any(Page::holds);
        self.permit.as_ref().filter(|_| holds).map(|permit| permit.preempted())
    }

    /// Keys go to whatever has the focus. When somebody else has acted since
    /// this client put it where it is, that may be theirs.
    pub fn may_go_astray(&self, session: &str, method: &str) -> bool {
        let focused = self.pages.get(session).filter(|page| !page.own).and_then(|page| page.focused);
        let (Some(focused), true) = (focused, acts::is_typing(method)) else { return false };
        self.fresh_permit().is_some_and(|permit| permit.epoch() != focused)
    }

    /// It has lost the floor, and what it lets go of is up already.
    pub fn was_released(&self, session: &str, method: &str, params: Option<&RawValue>) -> bool {
        let Some(page) = self.pages.get(session).filter(|_| self.fresh_permit().is_none()) else {
            return false;
        };
        match method {
            "Input.dispatchMouseEvent" => message::read::<Mouse>(params)
                .and_then(|mouse| mouse.button)
                .is_some_and(|button| !page.buttons.contains_key(button.as_ref())),
            "Input.dispatchKeyEvent" => message::read::<Key>(params).is_some_and(|key| {
                let name = if key.code.is_empty() { &key.key } else { &key.code };
                !page.keys.contains_key(name.as_ref())
            }),
            "Input.dispatchTouchEvent" => !page.touching,
            _ => false,
        }
    }

    pub fn holds_back(&self, session: &str) -> bool {
        self.held.iter().chain(self.questions.values()).any(|held| held.session == session)
    }

    /// What the room's rules say of a message. Nothing when there are none.
    pub fn decide(
        &self,
        session: &str,
        method: &str,
        params: Option<&RawValue>,
    ) -> Option<(Option<String>, Action, Decision)> {
        let GuestRules { actor, rules, address } = self.options.rules.as_ref()?;
        let rules = rules();
        if rules.is_empty() && rules.default_effect() == Effect::Allow {
            return None;
        }
        let target = self.pages.get(session).map(|page| page.target.clone());
        let page = target.as_deref().map(|target| match address(target) {
            Some(url) => Place::of(&url),
            None => Place::Unknown,
        });
        let params = message::read::<Value>(params).unwrap_or_default();
        let action = cdp::action(actor.clone(), method, params, page);
        let decision = rules.decide(&action);
        Some((target, action, decision))
    }

    /// A rule denied this: it is counted for those who write it down.
    pub fn denied(&self, target: Option<&str>, method: &str, decision: &Decision) {
        self.acts.add_denied(target, method, &decision.to_string());
    }

    /// Keeps a message until people have answered; nothing when too many wait.
    pub fn question(&mut self, session: &str, bytes: Bytes) -> Option<u64> {
        if self.questions.len() >= MOST_QUESTIONS || self.held_bytes + bytes.len() > MOST_HELD_BYTES {
            return None;
        }
        self.last_question += 1;
        self.questions
            .insert(self.last_question, Held { session: session.to_owned(), bytes, approved: false });
        Some(self.last_question)
    }

    pub fn take_question(&mut self, number: u64) -> Option<Held> {
        self.questions.remove(&number)
    }

    /// Says what a message needs; and with which other parameters it goes on, if not its own.
    pub fn judge(
        &self,
        session: &str,
        method: &str,
        params: Option<&RawValue>,
    ) -> (Verdict, Option<Box<RawValue>>) {
        let page = self.pages.get(session);
        let own = || self.is_own(page, params);
        let verdict = match acts::kind(method) {
            Kind::Look => Verdict::Pass,
            Kind::Unblock => Verdict::Now,
            Kind::Act => Verdict::Act,
            Kind::Input if acts::is_release(method, params) => Verdict::Release,
            Kind::Input => Verdict::Act,
            Kind::Evaluate => self.judge_evaluation(page, params),
            Kind::Dialog => judge_dialog(page, params),
            Kind::Shared if own() => Verdict::Pass,
            Kind::Shared => Verdict::Act,
            Kind::Own(_) | Kind::OwnOrSilent if own() => Verdict::Pass,
            Kind::Own(_) if acts::is_default(method, params) => Verdict::Silent,
            Kind::OwnOrSilent => Verdict::Silent,
            Kind::Own(reason) | Kind::Never(reason) => Verdict::Refuse(reason.into()),
            Kind::Attach => {
                let part = message::read::<Attach>(params);
                match part.is_some_and(|part| part.flatten || part.auto_attach == Some(false)) {
                    true => Verdict::Pass,
                    false => Verdict::Refuse(acts::NESTED.into()),
                }
            }
            Kind::NewContext => {
                return (Verdict::Pass, with(params, "disposeOnDetach", true.into()));
            }
            Kind::EndContext if own() => Verdict::Pass,
            Kind::EndContext => Verdict::Refuse(
                "this browser context is not this client's; close the connection instead".into(),
            ),
            Kind::Downloads if own() => {
                let dir = self.options.download_dir.to_string_lossy().into_owned();
                return (Verdict::Pass, with(params, "downloadPath", dir.into()));
            }
            Kind::Downloads => Verdict::Silent,
            Kind::Files => self.judge_files(params),
        };
        (verdict, None)
    }

    fn is_own(&self, page: Option<&Page>, params: Option<&RawValue>) -> bool {
        let scope: Option<Scope> = message::read(params);
        match scope {
            Some(Scope { browser_context_id: Some(context), .. }) => self.contexts.contains(context.as_ref()),
            Some(Scope { window_id: Some(window), .. }) => self.windows.contains(&window),
            _ => page.is_some_and(|page| page.own),
        }
    }

    fn judge_evaluation(&self, page: Option<&Page>, params: Option<&RawValue>) -> Verdict {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Part<'a> {
            #[serde(default)]
            context_id: Option<i64>,
            #[serde(default)]
            execution_context_id: Option<i64>,
            #[serde(borrow, default)]
            object_id: Option<Cow<'a, str>>,
            #[serde(default)]
            throw_on_side_effect: bool,
        }
        let Some(page) = page else { return Verdict::Pass };
        // A worker has no page to change.
        if page.own || !matches!(page.kind.as_str(), "page" | "iframe" | "tab" | "webview") {
            return Verdict::Pass;
        }
        let Some(part) = message::read::<Part>(params) else { return Verdict::Act };
        if part.throw_on_side_effect {
            return Verdict::Pass;
        }
        // An object's id names its isolate, its world and itself.
        let of_object = || part.object_id.as_ref()?.split('.').nth(1)?.parse().ok();
        let world = part.context_id.or(part.execution_context_id).or_else(of_object);
        let isolated = world.is_some_and(|world| page.isolated.contains(&world));
        if isolated && !acts::has_acting_word(params) { Verdict::Pass } else { Verdict::Act }
    }

    /// A page gets no file out of what the server keeps.
    fn judge_files(&self, params: Option<&RawValue>) -> Verdict {
        #[derive(Deserialize)]
        struct Part {
            #[serde(default)]
            files: Vec<PathBuf>,
        }
        let Some(part) = message::read::<Part>(params) else { return Verdict::Act };
        let GuestOptions { download_dir, private_dir, .. } = &self.options;
        let plain = |path: &Path| {
            path.is_absolute() && path.components().all(|part| !matches!(part, Component::ParentDir))
        };
        let may = |path: &PathBuf| {
            plain(path)
                && (path.starts_with(download_dir) || !path.starts_with(private_dir))
                && !path.starts_with("/proc")
        };
        match part.files.iter().all(may) {
            true => Verdict::Act,
            false => Verdict::Refuse("this file is not for pages; give the absolute path of another".into()),
        }
    }

    // Handlers.

    /// Keeps a message until the floor is there; false when there is no more room.
    pub fn hold(&mut self, session: &str, bytes: Bytes, approved: bool) -> bool {
        if self.held.len() >= MOST_HELD || self.held_bytes + bytes.len() > MOST_HELD_BYTES {
            return false;
        }
        self.held_bytes += bytes.len();
        self.held.push_back(Held { session: session.to_owned(), bytes, approved });
        true
    }

    pub fn take_held(&mut self) -> VecDeque<Held> {
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }

    pub fn handle_permit(&mut self, now: Instant, permit: Arc<FloorPermit>) {
        self.permit = Some(permit);
        self.used = now;
        self.pages.values_mut().for_each(|page| page.acted = false);
    }

    /// A message goes out with the permit. What it shows of the pointer comes back.
    pub fn handle_act(
        &mut self,
        now: Instant,
        session: &str,
        method: &str,
        params: Option<&RawValue>,
    ) -> Option<GuestSignal> {
        self.used = now;
        self.acts.add(self.pages.get(session).map(|page| page.target.as_str()), method);
        // A dialog that a frame opens is told by the page that holds it.
        let mut at = session.to_owned();
        let epoch = self.permit.as_ref().map(|permit| permit.epoch());
        while let Some(page) = self.pages.get_mut(&at) {
            page.acted = true;
            page.focused = if acts::is_typing(method) { page.focused.or(epoch) } else { epoch };
            at.clone_from(&page.parent);
        }
        let page = self.pages.get_mut(session)?;
        page.acts += 1;
        page.note_input(method, params);
        if matches!(method, "Input.insertText" | "Input.imeSetComposition") {
            // What committed a composition has let go of it.
            self.take_loose_grip();
        }
        let page = self.pages.get_mut(session)?;
        if page.holds() && self.grip.is_none() {
            self.grip = self.permit.as_ref().map(|permit| permit.let_go());
        }
        if method != "Input.dispatchMouseEvent" || page.kind != "page" {
            return None;
        }
        let mouse: Mouse = message::read(params)?;
        let pressed = mouse.kind == "mousePressed";
        let due = self.shown.is_none_or(|at| now.saturating_duration_since(at) >= POINTER_PAUSE);
        if !due && !pressed {
            return None;
        }
        self.shown = Some(now);
        Some(GuestSignal::Pointer { target: page.target.clone(), x: mouse.x, y: mouse.y, pressed })
    }

    pub fn handle_release(&mut self, session: &str, method: &str, params: Option<&RawValue>) {
        if let Some(page) = self.pages.get_mut(session) {
            page.note_input(method, params);
        }
        self.take_loose_grip();
    }

    /// Its grip, when nothing is held down any more.
    pub fn take_loose_grip(&mut self) -> Option<OnTheWay> {
        if self.pages.values().any(Page::holds) { None } else { self.grip.take() }
    }

    pub fn handle_unblocked(&mut self, session: &str, method: &str, params: Option<&RawValue>) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Part<'a> {
            #[serde(borrow, default)]
            request_id: Cow<'a, str>,
        }
        let Some(page) = self.pages.get_mut(session) else { return };
        if method == "Runtime.runIfWaitingForDebugger" {
            page.starts_by = None;
        } else if let Some(part) = message::read::<Part>(params) {
            page.paused.remove(part.request_id.as_ref());
        }
    }

    pub fn handle_acted(&mut self, session: &str) {
        if let Some(page) = self.pages.get_mut(session) {
            page.acts = page.acts.saturating_sub(1);
        }
    }

    pub fn handle_world(&mut self, session: &str, world: i64) {
        if let Some(page) = self.pages.get_mut(session) {
            page.isolated.insert(world);
        }
    }

    pub fn handle_window(&mut self, session: &str, params_target: Option<&str>, window: i64) {
        let own_page = self.pages.get(session).is_some_and(|page| page.own);
        let own_target = params_target
            .is_some_and(|target| self.pages.values().any(|page| page.own && page.target == target));
        if own_page || own_target {
            self.windows.insert(window);
        }
    }

    /// A target was attached. True when it is a page, whose focus is to be emulated.
    pub fn handle_attached(
        &mut self,
        now: Instant,
        session: &str,
        parent: &str,
        info: &message::TargetBrief,
        waiting: bool,
    ) -> bool {
        let own = info.context.as_deref().is_some_and(|context| self.contexts.contains(context));
        let own_tab = self.tabs.contains(info.target.as_ref())
            || self.pages.get(parent).is_some_and(|page| page.own_tab);
        let page = Page {
            kind: info.kind.clone().into_owned(),
            target: info.target.clone().into_owned(),
            parent: parent.to_owned(),
            acted: false,
            focused: None,
            own,
            own_tab,
            isolated: HashSet::new(),
            acts: 0,
            buttons: BTreeMap::new(),
            keys: BTreeMap::new(),
            touching: false,
            composing: false,
            dialog: None,
            starts_by: (waiting && !own).then_some(now + LONGEST_START),
            paused: BTreeMap::new(),
        };
        self.pages.insert(session.to_owned(), page);
        info.kind == "page"
    }

    pub fn handle_detached(&mut self, session: &str) {
        self.pages.remove(session);
        self.take_loose_grip();
    }

    /// Its answer waits until somebody closes the dialog; false when none is open.
    pub fn wait_for_dialog(&mut self, session: &str, id: &Number) -> bool {
        let dialog = self.pages.get_mut(session).and_then(|page| page.dialog.as_mut());
        match dialog {
            Some(dialog) if dialog.waiting.len() < 16 => {
                dialog.waiting.push(id.clone());
                true
            }
            _ => false,
        }
    }

    /// An event of one of its sessions. Ids of calls that are answered by it come back.
    pub fn handle_event(
        &mut self,
        now: Instant,
        session: &str,
        method: &str,
        params: Option<&RawValue>,
    ) -> Vec<Number> {
        #[derive(Deserialize)]
        struct Created<'a> {
            #[serde(borrow)]
            context: World<'a>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct World<'a> {
            id: i64,
            #[serde(borrow, default)]
            aux_data: Option<Aux<'a>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Aux<'a> {
            #[serde(borrow, default, rename = "type")]
            kind: Option<Cow<'a, str>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Destroyed {
            execution_context_id: i64,
        }
        #[derive(Deserialize)]
        struct Opening<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Paused {
            request_id: String,
        }
        let acting = self.fresh_permit().is_some();
        let Some(page) = self.pages.get_mut(session) else { return Vec::new() };
        match method {
            "Runtime.executionContextCreated" => {
                if let Some(Created { context }) = message::read(params)
                    && context.aux_data.and_then(|aux| aux.kind).as_deref() == Some("isolated")
                {
                    page.isolated.insert(context.id);
                }
            }
            "Runtime.executionContextDestroyed" => {
                if let Some(Destroyed { execution_context_id }) = message::read(params) {
                    page.isolated.remove(&execution_context_id);
                }
            }
            "Runtime.executionContextsCleared" => page.isolated.clear(),
            "Page.javascriptDialogOpening" => {
                let kind = message::read(params).map(|Opening { kind }| kind);
                let own = page.own || page.own_tab || page.acts > 0 || (acting && page.acted);
                let before_unload = kind.as_deref() == Some("beforeunload");
                page.dialog = Some(OpenDialog { before_unload, own, waiting: Vec::new() });
            }
            "Page.javascriptDialogClosed" => {
                return page.dialog.take().map(|dialog| dialog.waiting).unwrap_or_default();
            }
            "Fetch.requestPaused" if !page.own => {
                if let Some(Paused { request_id }) = message::read(params) {
                    page.paused.insert(request_id, now + LONGEST_PAUSE);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Lets go of everything that this client holds down.
    pub fn release_all(&mut self) -> Vec<OwnCall> {
        let mut calls = Vec::new();
        for (session, page) in &mut self.pages {
            for (button, (x, y)) in std::mem::take(&mut page.buttons) {
                let params =
                    json!({ "type": "mouseReleased", "x": x, "y": y, "button": button, "clickCount": 0 });
                calls.push((session.clone(), "Input.dispatchMouseEvent", params));
            }
            for params in std::mem::take(&mut page.keys).into_values() {
                calls.push((session.clone(), "Input.dispatchKeyEvent", params));
            }
            if std::mem::take(&mut page.touching) {
                let params = json!({ "type": "touchCancel", "touchPoints": [] });
                calls.push((session.clone(), "Input.dispatchTouchEvent", params));
            }
            // Left open, it would be committed where a person goes on typing.
            if std::mem::take(&mut page.composing) {
                let params = json!({ "text": "", "selectionStart": 0, "selectionEnd": 0 });
                calls.push((session.clone(), "Input.imeSetComposition", params));
            }
        }
        calls
    }

    /// What is due by now.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<OwnCall> {
        let mut calls = Vec::new();
        self.looked = now;
        for (session, page) in &mut self.pages {
            if page.starts_by.is_some_and(|by| by <= now) {
                page.starts_by = None;
                calls.push((session.clone(), "Runtime.runIfWaitingForDebugger", json!({})));
            }
            let full = page.paused.len() > MOST_PAUSED;
            let late: BTreeSet<String> = page
                .paused
                .iter()
                .filter(|(_, until)| full || **until <= now)
                .map(|(request, _)| request.clone())
                .collect();
            for request in late {
                page.paused.remove(&request);
                calls.push((session.clone(), "Fetch.continueRequest", json!({ "requestId": request })));
            }
        }
        let holds = self.pages.values().any(Page::holds);
        if self.fresh_permit().is_none() {
            self.permit = None;
            if holds {
                calls.extend(self.release_all());
            }
        } else if !holds && now.saturating_duration_since(self.used) >= IDLE {
            self.permit = None;
        }
        calls
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let holds = self.pages.values().any(Page::holds);
        let pages = self.pages.values().flat_map(|page| page.starts_by.iter().chain(page.paused.values()));
        let idle = self.permit.as_ref().map(|_| self.used + IDLE);
        pages.copied().chain(idle.filter(|_| !holds)).chain(holds.then_some(self.looked + LOOK)).min()
    }
}

impl Page {
    fn holds(&self) -> bool {
        !self.buttons.is_empty() || !self.keys.is_empty() || self.touching || self.composing
    }

    fn note_input(&mut self, method: &str, params: Option<&RawValue>) {
        match method {
            "Input.dispatchMouseEvent" => {
                let Some(mouse) = message::read::<Mouse>(params) else { return };
                let button = mouse.button.filter(|button| button != "none");
                match (mouse.kind.as_ref(), button) {
                    ("mousePressed", Some(button)) if self.buttons.len() < 8 => {
                        // A press commits what is composed.
                        self.composing = false;
                        self.buttons.insert(button.into_owned(), (mouse.x, mouse.y));
                    }
                    ("mouseReleased", Some(button)) => {
                        self.buttons.remove(button.as_ref());
                    }
                    ("mouseMoved", _) => {
                        self.buttons.values_mut().for_each(|at| *at = (mouse.x, mouse.y));
                    }
                    _ => {}
                }
            }
            "Input.dispatchKeyEvent" => {
                let Some(key) = message::read::<Key>(params) else { return };
                let name = if key.code.is_empty() { &key.key } else { &key.code };
                match key.kind.as_ref() {
                    "keyDown" | "rawKeyDown" if self.keys.len() < 64 && !name.is_empty() => {
                        let up = json!({ "type": "keyUp", "code": key.code, "key": key.key,
                            "windowsVirtualKeyCode": key.windows_virtual_key_code });
                        self.keys.insert(name.clone().into_owned(), up);
                    }
                    "keyUp" => {
                        self.keys.remove(name.as_ref());
                    }
                    _ => {}
                }
            }
            "Input.imeSetComposition" => {
                let part = message::read::<Composition>(params);
                self.composing = part.is_some_and(|part| !part.text.is_empty());
            }
            "Input.insertText" => self.composing = false,
            "Input.dispatchTouchEvent" => {
                if let Some(touch) = message::read::<Mouse>(params) {
                    self.touching = matches!(touch.kind.as_ref(), "touchStart" | "touchMove");
                }
            }
            _ => {}
        }
    }
}

/// A dialog belongs to whoever made the page open it. Playwright answers every
/// dialog that its user does not listen for, and its process ends when that
/// answer is refused; so such an answer is neither given nor refused, but
/// waits until somebody closes the dialog.
fn judge_dialog(page: Option<&Page>, params: Option<&RawValue>) -> Verdict {
    #[derive(Deserialize)]
    struct Part {
        accept: bool,
    }
    let Some((page, dialog)) = page.and_then(|page| Some((page, page.dialog.as_ref()?))) else {
        // It is closed already, as far as the client could know. A late answer must not hit the next one.
        return Verdict::Silent;
    };
    let accept = message::read::<Part>(params).is_some_and(|part| part.accept);
    match dialog.own || (accept && !dialog.before_unload) {
        _ if page.own => Verdict::Pass,
        true => Verdict::Act,
        false => Verdict::WhenClosed,
    }
}

/// The parameters with one of them replaced.
fn with(params: Option<&RawValue>, key: &str, value: Value) -> Option<Box<RawValue>> {
    let mut all: serde_json::Map<String, Value> = message::read(params).unwrap_or_default();
    all.insert(key.to_owned(), value);
    message::raw(&Value::Object(all))
}
