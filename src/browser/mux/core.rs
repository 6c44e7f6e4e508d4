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

use bytes::Bytes;

use super::message::{self, Envelope, TargetBrief, TargetList, TargetPart};

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
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    ToBrowser(Bytes),
    ToClient(ClientId, Bytes),
    /// The client is no more; its channel is to be closed.
    Drop(ClientId, &'static str),
}

/// How many messages a client may send before its browser session is there.
const MOST_HELD: usize = 64;

struct Client {
    rules: Rules,
    root: Root,
}

enum Root {
    Attaching(Vec<Bytes>),
    Open(String),
}

enum Pending {
    Attach(ClientId),
    Call {
        client: ClientId,
        id: i64,
        session: Option<String>,
        effect: Effect,
    },
    /// One of our own calls, whose answer nobody waits for.
    Own,
}

/// What an answer changes here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    NewSession,
    TargetList,
}

struct Owner {
    client: ClientId,
    parent: Option<String>,
}

#[derive(Default)]
pub struct Mux {
    next_id: u64,
    next_client: u64,
    clients: HashMap<ClientId, Client>,
    pending: HashMap<u64, Pending>,
    sessions: HashMap<String, Owner>,
    outputs: VecDeque<Output>,
}

impl Mux {
    // Getters.

    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    // Handlers.

    /// A new client. It may send at once.
    pub fn attach(&mut self, rules: Rules) -> ClientId {
        self.next_client += 1;
        let client = ClientId(self.next_client);
        self.clients.insert(client, Client { rules, root: Root::Attaching(Vec::new()) });
        self.own("Target.attachToBrowserTarget", &serde_json::json!({}), None, Pending::Attach(client));
        client
    }

    /// A client has gone; what it had open is closed for it.
    pub fn handle_gone(&mut self, client: ClientId) {
        let Some(gone) = self.clients.remove(&client) else { return };
        if let Root::Open(root) = gone.root {
            let params = serde_json::json!({ "sessionId": root });
            self.own("Target.detachFromTarget", &params, None, Pending::Own);
        }
        self.sessions.retain(|_, owner| owner.client != client);
        // Its answers must not be taken for a later client's; the ids stay used.
        for pending in self.pending.values_mut() {
            if matches!(pending, Pending::Call { client: of, .. } if *of == client) {
                *pending = Pending::Own;
            }
        }
    }

    pub fn handle_from_client(&mut self, client: ClientId, bytes: Bytes) {
        let Some(Client { rules, root }) = self.clients.get_mut(&client) else { return };
        let rules = *rules;
        let root = match root {
            Root::Open(root) => root.clone(),
            Root::Attaching(held) if held.len() < MOST_HELD => return held.push(bytes),
            Root::Attaching(_) => return self.cut(client, "too many messages before the browser answered"),
        };
        let message = match serde_json::from_slice::<Envelope>(&bytes) {
            Ok(message) => message,
            Err(error) => {
                let text = format!("this is not a CDP message: {error}");
                return self.answer_client(client, message::refusal(None, -32700, &text, None));
            }
        };
        let session = message.session.as_deref();
        let (Some(id), Some(method)) = (message.id, message.method.as_deref()) else {
            let text = "a CDP message needs an integer id and a method";
            return self.answer_client(client, message::refusal(message.id, -32600, text, session));
        };
        if let Some(session) = session
            && (session == root || self.sessions.get(session).is_none_or(|owner| owner.client != client))
        {
            let text = "Session with given id not found.";
            return self.answer_client(client, message::refusal(Some(id), -32001, text, None));
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
        let ours = self.id();
        let call = message::call(ours, method, message.params, Some(session.unwrap_or(&root)));
        self.pending.insert(ours, Pending::Call { client, id, session: session.map(str::to_owned), effect });
        self.outputs.push_back(Output::ToBrowser(call.into()));
    }

    /// A message from the browser. What cannot be read is told as an error and has no effect.
    pub fn handle_from_browser(&mut self, bytes: &[u8]) -> Result<(), serde_json::Error> {
        let message = serde_json::from_slice::<Envelope>(bytes)?;
        match (message.id, message.method.as_deref()) {
            (Some(id), _) => self.on_answer(id, &message),
            (None, Some(method)) => self.on_event(method, &message),
            (None, None) => {}
        }
        Ok(())
    }

    // Pollers.

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn on_answer(&mut self, id: i64, message: &Envelope) {
        let Some(pending) = u64::try_from(id).ok().and_then(|id| self.pending.remove(&id)) else { return };
        match pending {
            Pending::Own => {}
            Pending::Attach(client) => self.on_attached(client, message),
            Pending::Call { client, id, session, effect } => {
                let list =
                    (effect == Effect::TargetList).then(|| without_browser_ui(message.result)).flatten();
                if let (Effect::NewSession, Some(new)) = (effect, new_session(message)) {
                    self.own_session(new, client, session.clone());
                }
                let result = list.as_deref().or(message.result);
                self.answer_client(client, message::answer(id, result, message.error, session.as_deref()));
            }
        }
    }

    fn on_attached(&mut self, client: ClientId, message: &Envelope) {
        let Some(root) = new_session(message) else {
            return self.cut(client, "the browser refused a session");
        };
        match self.clients.get_mut(&client) {
            Some(known) => {
                let before = std::mem::replace(&mut known.root, Root::Open(root.clone()));
                self.sessions.insert(root, Owner { client, parent: None });
                if let Root::Attaching(held) = before {
                    for bytes in held {
                        self.handle_from_client(client, bytes);
                    }
                }
            }
            // It went before it was there.
            None => {
                let params = serde_json::json!({ "sessionId": root });
                self.own("Target.detachFromTarget", &params, None, Pending::Own);
            }
        }
    }

    fn on_event(&mut self, method: &str, message: &Envelope) {
        let Some(session) = message.session.as_deref() else {
            return self.on_root_event(method, message);
        };
        let Some(owner) = self.sessions.get(session) else { return };
        let client = owner.client;
        let Some(known) = self.clients.get(&client) else { return };
        let is_root = matches!(&known.root, Root::Open(root) if root == session);
        let shown = (!is_root).then_some(session);
        if method.starts_with("Target.") {
            let part = target_part(message);
            let hidden = !known.rules.sees_browser_ui
                && part.target_info.as_ref().is_some_and(TargetBrief::is_browser_ui);
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
                }
                ("Target.detachedFromTarget", Some(child)) => {
                    let known = self.sessions.get(child).is_some_and(|owner| owner.client == client);
                    self.forget_session(child);
                    if !known {
                        return;
                    }
                }
                _ if hidden => return,
                _ => {}
            }
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
            if matches!(root, Some(Root::Open(root)) if Some(root.as_str()) == part.session_id.as_deref()) {
                self.cut(client, "the browser ended the session");
            }
        }
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
            self.sessions.remove(&session);
            let children =
                self.sessions.iter().filter(|(_, owner)| owner.parent.as_deref() == Some(&session));
            gone.extend(children.map(|(child, _)| child.clone()));
        }
    }

    fn cut(&mut self, client: ClientId, why: &'static str) {
        self.handle_gone(client);
        self.outputs.push_back(Output::Drop(client, why));
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn own(&mut self, method: &str, params: &serde_json::Value, session: Option<&str>, pending: Pending) {
        let id = self.id();
        self.pending.insert(id, pending);
        self.outputs.push_back(Output::ToBrowser(message::call_with(id, method, params, session).into()));
    }

    fn answer_client(&mut self, client: ClientId, bytes: Vec<u8>) {
        if self.clients.contains_key(&client) {
            self.outputs.push_back(Output::ToClient(client, bytes.into()));
        }
    }
}

fn answer_nothing(id: i64, session: Option<&str>) -> Vec<u8> {
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

fn without_browser_ui(
    result: Option<&serde_json::value::RawValue>,
) -> Option<Box<serde_json::value::RawValue>> {
    let mut list: TargetList = serde_json::from_str(result?.get()).ok()?;
    list.target_infos.retain(|info| {
        !serde_json::from_str::<TargetBrief>(info.get()).is_ok_and(|brief| brief.is_browser_ui())
    });
    serde_json::value::to_raw_value(&list).ok()
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
        mux.handle_from_client(client, value.to_string().into());
    }

    fn hear(mux: &mut Mux, value: Value) {
        mux.handle_from_browser(value.to_string().as_bytes()).expect("readable");
    }

    /// A client whose browser session is called `root`.
    fn open(mux: &mut Mux, root: &str, rules: Rules) -> ClientId {
        let client = mux.attach(rules);
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
        let client = mux.attach(Rules::default());
        say(&mut mux, client, json!({ "id": 1, "method": "A.b" }));
        let calls = to_browser(&sent(&mut mux));
        assert_eq!(calls.len(), 1);
        hear(&mut mux, json!({ "id": calls[0]["id"], "result": { "sessionId": "R" } }));
        assert_eq!(to_browser(&sent(&mut mux))[0]["method"], "A.b");
        let flood = mux.attach(Rules::default());
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
            mux.handle_from_client(client, bad.into());
            let outputs = sent(&mut mux);
            assert!(to_browser(&outputs).is_empty(), "{bad}");
            assert!(to_client(&outputs, client)[0]["error"]["message"].is_string(), "{bad}");
        }
        assert!(mux.handle_from_browser(b"{").is_err());
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
