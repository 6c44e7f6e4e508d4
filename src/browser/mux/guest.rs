//! What the multiplexer knows of a client from outside: the contexts and tabs
//! that it made, the worlds of its pages, what it holds down, the dialogs it
//! saw open, its permit, and what waits for the floor or a yes. Pure; time
//! comes in as an argument.

mod judge;
mod page;

pub(super) use judge::Verdict;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value, json};

use self::page::{Mouse, OpenDialog, Page};
use super::acts;
use super::message;
use super::tally::ActTally;
use crate::base::{Actor, Before, Masks, Privacy};
use crate::floor::{FloorPermit, OnTheWay};
use crate::policy::{Action, Decision, Rules};

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
/// Requests of private moments that are remembered, so that none is read later.
const MOST_PRIVATE: usize = 2000;

const PRIVATE: &str =
    "a person is in a private moment: nothing is seen or done here until it is over; wait, and try again";
const WAS_PRIVATE: &str =
    "a person was in a private moment while this was on its way; what came of it is not told";
const SEALED: &str = "what a person typed in private stands on this page: code and heaps are not read here until it is gone, \
                      as by a navigation; acts by Input, pictures, outlines and the DOM go on";
const PRIVATE_REQUEST: &str = "this request was made in a person's private moment";

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
    /// What it must not see, and when.
    pub privacy: Privacy,
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
    /// Requests that began in private moments.
    private_requests: VecDeque<String>,
}

/// What becomes of an event in a private moment.
#[derive(Debug, PartialEq)]
pub(super) enum Unseen {
    /// It is told.
    Told,
    /// It is not told.
    Kept,
    /// It is not told, and what waits for the client's answer goes on with ours.
    Answered(&'static str, Value),
}

/// One of our own calls for a client: session, method, parameters.
pub(super) type OwnCall = (String, &'static str, Value);

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
            private_requests: VecDeque::new(),
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
        page.lets_go_of_nothing(method, params)
    }

    /// Why this is not to be seen now, if it is not.
    pub fn withheld(&self, session: &str, method: &str, params: Option<&RawValue>) -> Option<&'static str> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Part<'a> {
            #[serde(borrow, default)]
            request_id: Cow<'a, str>,
        }
        let privacy = &self.options.privacy;
        if privacy.is_on() && !acts::is_plumbing(method, params) {
            return Some(PRIVATE);
        }
        let page = self.pages.get(session);
        if acts::can_read_fields(method) && page.is_some_and(|page| privacy.is_sealed(&page.target)) {
            return Some(SEALED);
        }
        let of_request = !self.private_requests.is_empty() && method.starts_with("Network.");
        let private = of_request
            && message::read::<Part>(params)
                .is_some_and(|part| self.private_requests.iter().any(|id| *id == part.request_id));
        private.then_some(PRIVATE_REQUEST)
    }

    /// Why what came of a call is not told, if it is not.
    pub fn answer_withheld(&self, since: Before, plumbing: bool) -> Option<&'static str> {
        (!plumbing && self.options.privacy.touched(since)).then_some(WAS_PRIVATE)
    }

    pub fn masks(&self) -> &Masks {
        self.options.privacy.masks()
    }

    pub fn holds_back(&self, session: &str) -> bool {
        self.held.iter().chain(self.questions.values()).any(|held| held.session == session)
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

    /// An event in a private moment, if one is on.
    pub fn handle_unseen(&mut self, method: &str, params: Option<&RawValue>) -> Unseen {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Part {
            #[serde(default)]
            request_id: String,
            #[serde(default)]
            session_id: i64,
        }
        if !self.options.privacy.is_on() || acts::is_plumbing_event(method) {
            return Unseen::Told;
        }
        let part: Option<Part> = message::read(params);
        match (method, part) {
            ("Fetch.requestPaused", Some(part)) => {
                Unseen::Answered("Fetch.continueRequest", json!({ "requestId": part.request_id }))
            }
            ("Fetch.authRequired", Some(part)) => Unseen::Answered(
                "Fetch.continueWithAuth",
                json!({ "requestId": part.request_id, "authChallengeResponse": { "response": "Default" } }),
            ),
            ("Page.screencastFrame", Some(part)) => {
                Unseen::Answered("Page.screencastFrameAck", json!({ "sessionId": part.session_id }))
            }
            ("Network.requestWillBeSent" | "Network.webSocketCreated", Some(part)) => {
                if self.private_requests.len() == MOST_PRIVATE {
                    self.private_requests.pop_front();
                }
                self.private_requests.push_back(part.request_id);
                Unseen::Kept
            }
            _ => Unseen::Kept,
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
            let released = page.release_all();
            calls.extend(released.into_iter().map(|(method, params)| (session.clone(), method, params)));
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
