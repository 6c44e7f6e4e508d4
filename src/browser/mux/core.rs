//! The multiplexer as a pure state machine: many clients, one pipe.
//!
//! ```text
//!   attach ──▶ attaching ── browser session known ──▶ open ── gone, Browser.close ──▶ removed
//!               │ its messages are held (64 at most)
//! ```
//!
//! Each client has a browser session of its own, so Chromium keeps their
//! auto-attach, their page sessions and their events apart. Here the ids are
//! made unique on the pipe, a client's own root is hidden from it, and a
//! session that is not the client's is refused. No IO, no clock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::Number;

use super::guest::{Guest, GuestOptions, GuestSignal};
use super::message::{self, Envelope, TargetBrief, TargetList, TargetPart};
use crate::base::Before;
use crate::floor::{FloorPermit, OnTheWay};

/// A client of the multiplexer. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u64);

/// What a client may do and see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// `Browser.close` closes the browser; without it only the client is detached.
    pub owner: bool,
    /// Targets of the browser's own user interface are shown.
    pub sees_browser_ui: bool,
    /// Methods that are refused, with the reason.
    pub refused: &'static [(&'static str, &'static str)],
}

/// What the shell has to do.
#[derive(Debug)]
pub enum Output {
    ToBrowser(Bytes),
    /// An act, with the id of its call: the permit is asked again right before it goes out.
    Act(u64, Bytes, Arc<FloorPermit>),
    ToClient(ClientId, Bytes),
    Signal(ClientId, GuestSignal),
    /// The client is no more; its channel is to be closed.
    Drop(ClientId, &'static str),
}

/// How many messages a client may send before its browser session is there.
const MOST_HELD: usize = 64;
/// How many calls of one client may be unanswered.
const MOST_UNANSWERED: usize = 8192;

pub(super) struct Client {
    rules: Rules,
    pub(super) root: Root,
    /// There for a client from outside.
    pub(super) guest: Option<Guest>,
    unanswered: usize,
}

pub(super) enum Root {
    /// Until the sessions are there; the browser's may be already.
    Attaching { browser: Option<String>, held: Vec<Bytes> },
    /// The browser's session, and the one that the client takes for its root.
    Open { browser: String, shown: String },
}

pub(super) enum Pending {
    Attach(ClientId),
    AttachTarget(ClientId),
    Call {
        client: ClientId,
        id: Number,
        session: Option<String>,
        effect: Effect,
        /// An input is on its way until this is answered.
        act: Option<OnTheWay>,
        /// Of a client from outside: when it was asked, and whether its answer shows nothing.
        privacy: Option<(Before, bool)>,
    },
    /// One of our own calls, whose answer nobody waits for.
    Own,
    /// One of ours that lets go of what a client held.
    Release(OnTheWay),
}

/// What an answer changes here.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    NewSession,
    TargetList,
    ContextList,
    NewContext,
    NewTab,
    World,
    Window(Option<String>),
    Acted,
    /// Answers a dialog, which somebody else may have closed in the meantime.
    Dialog,
}

struct Owner {
    client: ClientId,
    parent: Option<String>,
}

#[derive(Default)]
pub struct Mux {
    next_id: u64,
    next_client: u64,
    pub(super) clients: HashMap<ClientId, Client>,
    pending: HashMap<u64, Pending>,
    sessions: HashMap<String, Owner>,
    /// Browser contexts that clients from outside made, and whose they are.
    pub(super) contexts: HashMap<String, ClientId>,
    pub(super) outputs: VecDeque<Output>,
}

impl Mux {
    // Getters.

    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    // Handlers.

    /// A new client. It may send at once.
    pub fn attach(&mut self, now: Instant, rules: Rules, guest: Option<GuestOptions>) -> ClientId {
        self.next_client += 1;
        let client = ClientId(self.next_client);
        let root = Root::Attaching { browser: None, held: Vec::new() };
        let guest = guest.map(|options| Guest::new(now, options));
        self.clients.insert(client, Client { rules, root, guest, unanswered: 0 });
        self.own("Target.attachToBrowserTarget", &serde_json::json!({}), None, Pending::Attach(client));
        client
    }

    /// A client has gone; what it had open is closed for it.
    pub fn handle_gone(&mut self, client: ClientId) {
        let Some(mut gone) = self.clients.remove(&client) else { return };
        for (session, method, params) in gone.guest.as_mut().map(Guest::release_all).unwrap_or_default() {
            self.own(method, &params, Some(&session), Pending::Own);
        }
        if let Root::Open { browser, .. } | Root::Attaching { browser: Some(browser), .. } = gone.root {
            let params = serde_json::json!({ "sessionId": browser });
            self.own("Target.detachFromTarget", &params, None, Pending::Own);
        }
        self.sessions.retain(|_, owner| owner.client != client);
        self.contexts.retain(|_, owner| *owner != client);
        // Its answers must not be taken for a later client's; the ids stay used.
        for pending in self.pending.values_mut() {
            if matches!(pending, Pending::Call { client: of, .. } if *of == client) {
                *pending = Pending::Own;
            }
        }
    }

    pub fn handle_from_client(&mut self, now: Instant, client: ClientId, bytes: Bytes) {
        self.handle_message(now, client, bytes, false);
    }

    /// The same, with whether people have said yes to it.
    pub(super) fn handle_message(&mut self, now: Instant, client: ClientId, bytes: Bytes, approved: bool) {
        let Some(Client { rules, root, unanswered, .. }) = self.clients.get_mut(&client) else { return };
        let rules = *rules;
        let (browser, root) = match root {
            Root::Open { browser, shown } => (browser.clone(), shown.clone()),
            Root::Attaching { held, .. } if held.len() < MOST_HELD => return held.push(bytes),
            Root::Attaching { .. } => {
                return self.cut(client, "too many messages before the browser answered");
            }
        };
        let full = *unanswered >= MOST_UNANSWERED;
        let message = match serde_json::from_slice::<Envelope>(&bytes) {
            Ok(message) => message,
            Err(error) => {
                let text = format!("this is not a CDP message: {error}");
                return self.answer_client(client, message::refusal(None, -32700, &text, None));
            }
        };
        let session = message.session.as_deref();
        let (Some(id), Some(method)) =
            (message.id.as_ref().filter(|id| message::is_whole(id)), message.method.as_deref())
        else {
            let text = "a CDP message needs an integer id and a method";
            return self.answer_client(client, message::refusal(message.id.as_ref(), -32600, text, session));
        };
        if let Some(session) = session
            && (session == root
                || session == browser
                || self.sessions.get(session).is_none_or(|owner| owner.client != client))
        {
            let text = "Session with given id not found.";
            return self.answer_client(client, message::refusal(Some(id), -32001, text, None));
        }
        if full {
            let text = "too many calls are unanswered; wait for some of their answers";
            return self.answer_client(client, message::refusal(Some(id), -32000, text, session));
        }
        if let Some((_, reason)) = rules.refused.iter().find(|(refused, _)| *refused == method) {
            return self.answer_client(client, message::refusal(Some(id), -32000, reason, session));
        }
        if method == "Browser.close" && !rules.owner {
            self.answer_client(client, answer_nothing(id, session));
            return self.cut(client, "the client closed its connection with Browser.close");
        }
        let effect = match method {
            "Target.attachToTarget" | "Target.attachToBrowserTarget" => Effect::NewSession,
            "Target.getTargets" if !rules.sees_browser_ui => Effect::TargetList,
            _ => Effect::None,
        };
        let real = session.unwrap_or(&root);
        if self.clients.get(&client).is_some_and(|client| client.guest.is_some()) {
            return self.handle_from_guest(now, client, &message, id, method, effect, real, &bytes, approved);
        }
        self.forward(client, id, method, message.params, session, real, effect, None);
    }

    /// Sends a client's call on, under an id of ours.
    #[expect(clippy::too_many_arguments, reason = "the parts of one message")]
    pub(super) fn forward(
        &mut self,
        client: ClientId,
        id: &Number,
        method: &str,
        params: Option<&serde_json::value::RawValue>,
        session: Option<&str>,
        real: &str,
        effect: Effect,
        permit: Option<Arc<FloorPermit>>,
    ) {
        let ours = self.id();
        let call = message::call(ours, method, params, Some(real)).into();
        let act = permit.as_ref().map(|permit| permit.let_go());
        let session = session.map(str::to_owned);
        let privacy = self.privacy_of_call(client, method, params);
        let pending = Pending::Call { client, id: id.clone(), session, effect, act, privacy };
        self.pending.insert(ours, pending);
        if let Some(client) = self.clients.get_mut(&client) {
            client.unanswered += 1;
        }
        self.outputs.push_back(match permit {
            Some(permit) => Output::Act(ours, call, permit),
            None => Output::ToBrowser(call),
        });
    }

    /// A message from the browser. What cannot be read is told as an error and has no effect.
    pub fn handle_from_browser(&mut self, now: Instant, bytes: &[u8]) -> Result<(), serde_json::Error> {
        let message = serde_json::from_slice::<Envelope>(bytes)?;
        match (&message.id, message.method.as_deref()) {
            (Some(id), _) => self.on_answer(now, id.as_u64(), &message),
            (None, Some(method)) => self.on_event(now, method, &message),
            (None, None) => {}
        }
        Ok(())
    }

    // Pollers.

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn on_answer(&mut self, now: Instant, id: Option<u64>, message: &Envelope) {
        let Some(pending) = id.and_then(|id| self.pending.remove(&id)) else { return };
        match pending {
            Pending::Own => {}
            Pending::Release(released) => drop(released),
            Pending::Attach(client) => self.on_attached(now, client, message),
            Pending::AttachTarget(client) => self.on_target_attached(now, client, message),
            Pending::Call { client, id, session, effect, act, privacy } => {
                drop(act);
                if let Some(client) = self.clients.get_mut(&client) {
                    client.unanswered = client.unanswered.saturating_sub(1);
                }
                // Playwright's process would end over this error; the dialog is closed, as was wished.
                let closed_already = effect == Effect::Dialog
                    && message.error.is_some_and(|error| error.get().contains("No dialog is showing"));
                let list = match effect {
                    Effect::TargetList => self.without_hidden(client, message.result),
                    Effect::ContextList => self.without_foreign_contexts(client, message.result),
                    Effect::NewSession => {
                        if let Some(new) = new_session(message) {
                            self.own_session(new, client, session.clone());
                        }
                        None
                    }
                    Effect::None => None,
                    effect => {
                        self.on_guest_answer(client, session.as_deref(), effect, message.result);
                        None
                    }
                };
                let withheld = self.withheld_answer(client, &id, session.as_deref(), privacy);
                let answer = match (closed_already, withheld) {
                    (_, Some(refusal)) => refusal,
                    (true, None) => answer_nothing(&id, session.as_deref()),
                    (false, None) => {
                        let result = list.as_deref().or(message.result);
                        message::answer(&id, result, message.error, session.as_deref())
                    }
                };
                self.answer_client(client, answer);
            }
        }
    }

    /// The browser's session of a new client is there.
    fn on_attached(&mut self, now: Instant, client: ClientId, message: &Envelope) {
        let Some(root) = new_session(message) else {
            return self.cut(client, "the browser refused a session");
        };
        let Some(known) = self.clients.get_mut(&client) else {
            // It went before it was there.
            let params = serde_json::json!({ "sessionId": root });
            return self.own("Target.detachFromTarget", &params, None, Pending::Own);
        };
        let target = known.guest.as_ref().and_then(|guest| guest.options.target.clone());
        self.sessions.insert(root.clone(), Owner { client, parent: None });
        match target {
            None => self.open(now, client, root.clone(), root),
            Some(target) => {
                if let Root::Attaching { browser, .. } = &mut known.root {
                    *browser = Some(root.clone());
                }
                let params = serde_json::json!({ "targetId": target, "flatten": true });
                self.own("Target.attachToTarget", &params, Some(&root), Pending::AttachTarget(client));
            }
        }
    }

    /// The session of the one target that a client speaks to is there.
    fn on_target_attached(&mut self, now: Instant, client: ClientId, message: &Envelope) {
        let Some(shown) = new_session(message) else {
            return self.cut(client, "there is no such target");
        };
        let Some(Client { root: Root::Attaching { browser: Some(browser), .. }, .. }) =
            self.clients.get(&client)
        else {
            return;
        };
        let browser = browser.clone();
        self.own_session(shown.clone(), client, None);
        self.open(now, client, browser, shown);
    }

    fn open(&mut self, now: Instant, client: ClientId, browser: String, shown: String) {
        let Some(known) = self.clients.get_mut(&client) else { return };
        if let Root::Attaching { held, .. } =
            std::mem::replace(&mut known.root, Root::Open { browser, shown })
        {
            for bytes in held {
                self.handle_from_client(now, client, bytes);
            }
        }
    }

    fn on_event(&mut self, now: Instant, method: &str, message: &Envelope) {
        let Some(session) = message.session.as_deref() else {
            return self.on_root_event(method, message);
        };
        let Some(owner) = self.sessions.get(session) else { return };
        let client = owner.client;
        let Some(known) = self.clients.get(&client) else { return };
        let is_guest = known.guest.is_some();
        let (browser, root) = match &known.root {
            Root::Open { browser, shown } => (browser.as_str(), shown.as_str()),
            Root::Attaching { browser, .. } => (browser.as_deref().unwrap_or_default(), ""),
        };
        let (is_root, beneath) = (root == session, browser == session && root != session);
        let shown = (!is_root).then_some(session);
        if method.starts_with("Target.") {
            let part = target_part(message);
            let info = part.target_info.as_ref();
            let hidden = !beneath && info.is_some_and(|info| self.is_hidden(client, info));
            match (method, part.session_id.as_deref()) {
                ("Target.attachedToTarget", Some(child)) if hidden => {
                    if part.waiting_for_debugger {
                        let nothing = serde_json::json!({});
                        self.own("Runtime.runIfWaitingForDebugger", &nothing, Some(child), Pending::Own);
                    }
                    let params = serde_json::json!({ "sessionId": child });
                    return self.own("Target.detachFromTarget", &params, Some(session), Pending::Own);
                }
                ("Target.attachedToTarget", Some(child)) => {
                    self.own_session(child.to_owned(), client, shown.map(str::to_owned));
                    self.on_guest_attached(now, client, child, session, &part);
                }
                ("Target.detachedFromTarget", Some(child)) => {
                    let known = self.sessions.get(child).is_some_and(|owner| owner.client == client);
                    let was_root = beneath && child == root;
                    self.forget_session(child);
                    if was_root {
                        return self.cut(client, "its target was closed");
                    }
                    if !known {
                        return;
                    }
                }
                _ if hidden => return,
                _ => {}
            }
        }
        // The client does not know of the browser's session beneath its target's.
        if beneath {
            return;
        }
        if is_guest {
            if !self.is_told(client, session, method, message.params) {
                return;
            }
            self.on_guest_event(now, client, session, method, message.params);
        }
        self.answer_client(client, message::event(method, message.params, shown));
    }

    /// An event of the pipe's own root: only the end of a client's session matters.
    fn on_root_event(&mut self, method: &str, message: &Envelope) {
        if method != "Target.detachedFromTarget" {
            return;
        }
        let part = target_part(message);
        let Some(owner) = part.session_id.as_deref().and_then(|session| self.sessions.get(session)) else {
            return;
        };
        if owner.parent.is_none() {
            let client = owner.client;
            let root = self.clients.get(&client).map(|client| &client.root);
            if matches!(root, Some(Root::Open { browser, .. }) if Some(browser.as_str()) == part.session_id.as_deref())
            {
                self.cut(client, "the browser ended the session");
            }
        }
    }

    /// A target that this client is not to know of: the browser's own
    /// interface, or one in a browser context that another client made.
    fn is_hidden(&self, client: ClientId, info: &TargetBrief) -> bool {
        let Some(known) = self.clients.get(&client) else { return true };
        let foreign = |context: &str| self.contexts.get(context).is_some_and(|owner| *owner != client);
        (!known.rules.sees_browser_ui && info.is_browser_ui())
            || (known.guest.is_some() && info.context.as_deref().is_some_and(foreign))
    }

    fn without_hidden(
        &self,
        client: ClientId,
        result: Option<&serde_json::value::RawValue>,
    ) -> Option<Box<serde_json::value::RawValue>> {
        let mut list: TargetList = serde_json::from_str(result?.get()).ok()?;
        list.target_infos.retain(|info| {
            !serde_json::from_str::<TargetBrief>(info.get()).is_ok_and(|brief| self.is_hidden(client, &brief))
        });
        serde_json::value::to_raw_value(&list).ok()
    }

    fn own_session(&mut self, session: String, client: ClientId, parent: Option<String>) {
        if self.clients.contains_key(&client) {
            self.sessions.entry(session).or_insert(Owner { client, parent });
        }
    }

    /// Forgets a session and those that were opened through it.
    fn forget_session(&mut self, session: &str) {
        let mut gone = vec![session.to_owned()];
        while let Some(session) = gone.pop() {
            let owner = self.sessions.remove(&session).map(|owner| owner.client);
            let client = owner.and_then(|owner| self.clients.get_mut(&owner));
            if let Some(guest) = client.and_then(|client| client.guest.as_mut()) {
                guest.handle_detached(&session);
            }
            let children =
                self.sessions.iter().filter(|(_, owner)| owner.parent.as_deref() == Some(&session));
            gone.extend(children.map(|(child, _)| child.clone()));
        }
    }

    pub(super) fn cut(&mut self, client: ClientId, why: &'static str) {
        self.handle_gone(client);
        self.outputs.push_back(Output::Drop(client, why));
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn own(
        &mut self,
        method: &str,
        params: &serde_json::Value,
        session: Option<&str>,
        pending: Pending,
    ) {
        let id = self.id();
        self.pending.insert(id, pending);
        self.outputs.push_back(Output::ToBrowser(message::call_with(id, method, params, session).into()));
    }

    pub(super) fn answer_client(&mut self, client: ClientId, bytes: Vec<u8>) {
        if self.clients.contains_key(&client) {
            let bytes = self.masked(client, bytes);
            self.outputs.push_back(Output::ToClient(client, bytes.into()));
        }
    }
}

pub(super) fn answer_nothing(id: &Number, session: Option<&str>) -> Vec<u8> {
    let nothing = serde_json::value::RawValue::from_string("{}".to_owned()).ok();
    message::answer(id, nothing.as_deref(), None, session)
}

fn target_part<'a>(message: &Envelope<'a>) -> TargetPart<'a> {
    message.params.and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or_default()
}

fn new_session(message: &Envelope) -> Option<String> {
    let part: TargetPart = serde_json::from_str(message.result?.get()).ok()?;
    part.session_id.map(|session| session.into_owned())
}

#[cfg(test)]
mod tests;
