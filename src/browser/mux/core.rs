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
use crate::floor::FloorPermit;

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
    },
    /// One of our own calls, whose answer nobody waits for.
    Own,
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
            return self.handle_from_guest(now, client, &message, id, method, effect, real, &bytes);
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
        let pending = Pending::Call { client, id: id.clone(), session: session.map(str::to_owned), effect };
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
            Pending::Attach(client) => self.on_attached(now, client, message),
            Pending::AttachTarget(client) => self.on_target_attached(now, client, message),
            Pending::Call { client, id, session, effect } => {
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
                let answer = match closed_already {
                    true => answer_nothing(&id, session.as_deref()),
                    false => {
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn sent(mux: &mut Mux) -> Vec<Output> {
        std::iter::from_fn(|| mux.poll_output()).collect()
    }

    fn to_browser(outputs: &[Output]) -> Vec<Value> {
        let calls = outputs.iter().filter_map(|output| match output {
            Output::ToBrowser(bytes) => Some(serde_json::from_slice(bytes).expect("json")),
            _ => None,
        });
        calls.collect()
    }

    fn to_client(outputs: &[Output], client: ClientId) -> Vec<Value> {
        let messages = outputs.iter().filter_map(|output| match output {
            Output::ToClient(to, bytes) if *to == client => {
                Some(serde_json::from_slice(bytes).expect("json"))
            }
            _ => None,
        });
        messages.collect()
    }

    fn say(mux: &mut Mux, client: ClientId, value: Value) {
        mux.handle_from_client(Instant::now(), client, value.to_string().into());
    }

    fn hear(mux: &mut Mux, value: Value) {
        mux.handle_from_browser(Instant::now(), value.to_string().as_bytes()).expect("readable");
    }

    /// A client whose browser session is called `root`.
    fn open(mux: &mut Mux, root: &str, rules: Rules) -> ClientId {
        let client = mux.attach(Instant::now(), rules, None);
        let id = to_browser(&sent(mux))[0]["id"].clone();
        hear(mux, json!({ "id": id, "result": { "sessionId": root } }));
        client
    }

    #[test]
    fn a_client_sees_its_own_ids_and_never_its_root_session() {
        let mut mux = Mux::default();
        let client = open(&mut mux, "R", Rules::default());
        say(&mut mux, client, json!({ "id": 7, "method": "Browser.getVersion" }));
        let call = to_browser(&sent(&mut mux)).remove(0);
        assert_eq!((&call["method"], &call["sessionId"]), (&json!("Browser.getVersion"), &json!("R")));
        hear(&mut mux, json!({ "id": call["id"], "result": { "product": "x" }, "sessionId": "R" }));
        let got = to_client(&sent(&mut mux), client);
        assert_eq!(got, [json!({ "id": 7, "result": { "product": "x" } })]);
    }

    #[test]
    fn what_is_sent_early_is_held_until_the_session_is_there() {
        let mut mux = Mux::default();
        let client = mux.attach(Instant::now(), Rules::default(), None);
        say(&mut mux, client, json!({ "id": 1, "method": "A.b" }));
        let calls = to_browser(&sent(&mut mux));
        assert_eq!(calls.len(), 1);
        hear(&mut mux, json!({ "id": calls[0]["id"], "result": { "sessionId": "R" } }));
        assert_eq!(to_browser(&sent(&mut mux))[0]["method"], "A.b");
        let flood = mux.attach(Instant::now(), Rules::default(), None);
        for id in 0..=MOST_HELD {
            say(&mut mux, flood, json!({ "id": id, "method": "A.b" }));
        }
        assert!(matches!(sent(&mut mux).last(), Some(Output::Drop(client, _)) if *client == flood));
    }

    #[test]
    fn another_clients_session_is_refused() {
        let mut mux = Mux::default();
        let (a, b) = (open(&mut mux, "RA", Rules::default()), open(&mut mux, "RB", Rules::default()));
        let attached = json!({ "method": "Target.attachedToTarget", "sessionId": "RA", "params":
            { "sessionId": "S", "targetInfo": { "type": "page", "url": "http://x/" }, "waitingForDebugger": false } });
        hear(&mut mux, attached);
        sent(&mut mux);
        for session in ["S", "RA", "RB", "nonsense"] {
            say(&mut mux, b, json!({ "id": 3, "method": "Runtime.enable", "sessionId": session }));
            let outputs = sent(&mut mux);
            assert!(to_browser(&outputs).is_empty(), "{session}");
            assert_eq!(to_client(&outputs, b)[0]["error"]["code"], -32001, "{session}");
        }
        say(&mut mux, a, json!({ "id": 3, "method": "Runtime.enable", "sessionId": "S" }));
        assert_eq!(to_browser(&sent(&mut mux))[0]["sessionId"], "S");
    }

    #[test]
    fn what_is_not_cdp_is_refused_and_harms_nothing() {
        let mut mux = Mux::default();
        let client = open(&mut mux, "R", Rules::default());
        for bad in ["", "{", "[]", "null", "{\"id\":\"x\",\"method\":\"A.b\"}", "{\"id\":1}", "\u{0}\u{1}"] {
            mux.handle_from_client(Instant::now(), client, bad.into());
            let outputs = sent(&mut mux);
            assert!(to_browser(&outputs).is_empty(), "{bad}");
            assert!(to_client(&outputs, client)[0]["error"]["message"].is_string(), "{bad}");
        }
        assert!(mux.handle_from_browser(Instant::now(), b"{").is_err());
        hear(&mut mux, json!({ "id": 999, "result": {} }));
        hear(&mut mux, json!({ "method": "Page.loadEventFired", "sessionId": "unknown" }));
        assert!(sent(&mut mux).is_empty());
    }

    #[test]
    fn browser_close_detaches_only_the_client_that_says_it() {
        let mut mux = Mux::default();
        let (a, b) = (open(&mut mux, "RA", Rules::default()), open(&mut mux, "RB", Rules::default()));
        say(&mut mux, a, json!({ "id": 1, "method": "Browser.close" }));
        let outputs = sent(&mut mux);
        let calls = to_browser(&outputs);
        assert!(calls.iter().all(|call| call["method"] != "Browser.close"));
        assert_eq!(calls[0]["params"]["sessionId"], "RA");
        assert!(matches!(outputs.last(), Some(Output::Drop(client, _)) if *client == a));
        say(&mut mux, b, json!({ "id": 1, "method": "X.y" }));
        assert_eq!(to_browser(&sent(&mut mux)).len(), 1);
        let owner = open(&mut mux, "RC", Rules { owner: true, ..Rules::default() });
        say(&mut mux, owner, json!({ "id": 1, "method": "Browser.close" }));
        assert_eq!(to_browser(&sent(&mut mux))[0]["method"], "Browser.close");
    }

    #[test]
    fn the_browsers_own_interface_is_hidden_also_when_it_calls_itself_a_page() {
        let mut mux = Mux::default();
        let client = open(&mut mux, "R", Rules::default());
        let ui = json!({ "targetId": "U", "type": "page", "url": "chrome://omnibox-popup.top-chrome/" });
        let page = json!({ "targetId": "P", "type": "page", "url": "http://x.top-chrome.example/" });
        hear(
            &mut mux,
            json!({ "method": "Target.targetCreated", "params": { "targetInfo": ui }, "sessionId": "R" }),
        );
        assert!(sent(&mut mux).is_empty());
        let attached = json!({ "sessionId": "S", "targetInfo": ui, "waitingForDebugger": true });
        hear(&mut mux, json!({ "method": "Target.attachedToTarget", "params": attached, "sessionId": "R" }));
        let methods: Vec<_> = to_browser(&sent(&mut mux)).iter().map(|call| call["method"].clone()).collect();
        assert_eq!(methods, ["Runtime.runIfWaitingForDebugger", "Target.detachFromTarget"]);
        say(&mut mux, client, json!({ "id": 1, "method": "Target.getTargets" }));
        let id = to_browser(&sent(&mut mux))[0]["id"].clone();
        hear(&mut mux, json!({ "id": id, "result": { "targetInfos": [ui, page] }, "sessionId": "R" }));
        let got = to_client(&sent(&mut mux), client);
        assert_eq!(got[0]["result"]["targetInfos"], json!([page]));
    }

    #[test]
    fn a_detached_session_takes_its_children_with_it() {
        let mut mux = Mux::default();
        let client = open(&mut mux, "R", Rules::default());
        for (parent, child) in [("R", "S"), ("S", "T")] {
            let params = json!({ "sessionId": child, "targetInfo": { "type": "page", "url": "" }, "waitingForDebugger": false });
            hear(
                &mut mux,
                json!({ "method": "Target.attachedToTarget", "params": params, "sessionId": parent }),
            );
        }
        hear(
            &mut mux,
            json!({ "method": "Target.detachedFromTarget", "params": { "sessionId": "S" }, "sessionId": "R" }),
        );
        sent(&mut mux);
        say(&mut mux, client, json!({ "id": 1, "method": "A.b", "sessionId": "T" }));
        assert_eq!(to_client(&sent(&mut mux), client)[0]["error"]["code"], -32001);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Call { client: usize, id: i64, session: usize },
        Answer(usize),
        Event(usize),
        Leave(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..3usize, 0..5i64, 0..4usize).prop_map(|(client, id, session)| Step::Call { client, id, session }),
            4 => (0..20usize).prop_map(Step::Answer),
            2 => (0..6usize).prop_map(Step::Event),
            1 => (0..3usize).prop_map(Step::Leave),
        ]
    }

    proptest! {
        /// Three clients use the same ids at the same time; each call carries its
        /// client's name, and so does the browser's answer.
        #[test]
        fn nobody_gets_anothers_answers_or_events(steps in prop::collection::vec(step(), 1..120)) {
            let mut mux = Mux::default();
            let clients: Vec<_> = (0..3).map(|n| open(&mut mux, &format!("R{n}"), Rules::default())).collect();
            for n in 0..3 {
                let params = json!({ "sessionId": format!("S{n}"), "waitingForDebugger": false,
                    "targetInfo": { "type": "page", "url": "" } });
                hear(&mut mux, json!({ "method": "Target.attachedToTarget", "params": params, "sessionId": format!("R{n}") }));
            }
            sent(&mut mux);
            let mut waiting: Vec<Value> = Vec::new();
            let mut left = [false; 3];
            for step in steps {
                match step {
                    Step::Call { client, id, session } => {
                        let mut call = json!({ "id": id, "method": "X.y", "params": { "of": client, "id": id } });
                        if session < 3 {
                            call["sessionId"] = format!("S{session}").into();
                        }
                        say(&mut mux, clients[client], call);
                    }
                    Step::Answer(which) if !waiting.is_empty() => {
                        let call = waiting.remove(which % waiting.len());
                        hear(&mut mux, json!({ "id": call["id"], "result": call["params"], "sessionId": call["sessionId"] }));
                    }
                    Step::Answer(_) => {}
                    Step::Event(which) => {
                        let session = format!("{}{}", if which < 3 { "R" } else { "S" }, which % 3);
                        hear(&mut mux, json!({ "method": "X.happened", "params": { "of": which % 3 }, "sessionId": session }));
                    }
                    Step::Leave(which) => {
                        mux.handle_gone(clients[which]);
                        left[which] = true;
                    }
                }
                let outputs = sent(&mut mux);
                for (n, client) in clients.iter().enumerate() {
                    for got in to_client(&outputs, *client) {
                        prop_assert!(!left[n]);
                        if let Some(result) = got.get("result") {
                            prop_assert_eq!(&result["of"], &json!(n));
                            prop_assert_eq!(&result["id"], &got["id"]);
                        } else if got.get("error").is_none() {
                            prop_assert_eq!(&got["params"]["of"], &json!(n));
                        }
                        let own = format!("S{n}");
                        prop_assert!(got.get("sessionId").is_none_or(|session| *session == own));
                    }
                }
                let calls = to_browser(&outputs);
                for call in calls.iter().filter(|call| call["method"] == "X.y") {
                    let of = &call["params"]["of"];
                    let session = call["sessionId"].as_str().expect("always one");
                    let (root, page) = (format!("R{of}"), format!("S{of}"));
                    prop_assert!(session == root || session == page);
                    waiting.push(call.clone());
                }
            }
        }
    }
}
