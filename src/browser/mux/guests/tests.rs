//! Clients from outside, stepped: their contexts, their acts, their going.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::guest::GuestOptions;
use super::*;
use crate::base::{Actor, ActorId, Privacy, Role};
use crate::browser::Rules;
use crate::floor::{Floor, Grant, Touch};

/// A multiplexer with made-up time, its floor, and a browser that is played by the test.
struct Stage {
    mux: Mux,
    floor: Floor,
    now: Instant,
}

/// What came out: calls to the browser, messages to the clients, wishes for the floor.
#[derive(Default)]
struct Out {
    calls: Vec<Value>,
    told: Vec<(ClientId, Value)>,
    wishes: Vec<ClientId>,
    dropped: Vec<ClientId>,
}

fn actor(name: &str, role: Role) -> Actor {
    Actor { id: ActorId::new(name).expect("id"), name: name.into(), role, colour: None }
}

impl Stage {
    fn new() -> Self {
        let floor = Floor::new(Duration::from_millis(1500));
        Self { mux: Mux::default(), floor, now: Instant::now() }
    }

    fn out(&mut self) -> Out {
        let mut out = Out::default();
        let json = |bytes: &[u8]| serde_json::from_slice(bytes).expect("json");
        while let Some(output) = self.mux.poll_output() {
            match output {
                Output::ToBrowser(bytes) | Output::Act(_, bytes, _) => out.calls.push(json(&bytes)),
                Output::ToClient(client, bytes) => out.told.push((client, json(&bytes))),
                Output::Signal(client, GuestSignal::WantFloor) => out.wishes.push(client),
                Output::Signal(..) => {}
                Output::Drop(client, _) => out.dropped.push(client),
            }
        }
        out
    }

    fn hear(&mut self, message: Value) {
        self.mux.handle_from_browser(self.now, message.to_string().as_bytes()).expect("readable");
    }

    fn guest(&mut self, root: &str, target: Option<&str>) -> ClientId {
        let options = GuestOptions {
            privacy: Privacy::default(),
            target: target.map(str::to_owned),
            download_dir: "/data/rooms/main/downloads".into(),
            private_dir: "/data".into(),
            rules: None,
        };
        let client = self.mux.attach(self.now, Rules::default(), Some(options));
        let id = self.out().calls[0]["id"].clone();
        self.hear(json!({ "id": id, "result": { "sessionId": root } }));
        client
    }

    /// A page of a browser context is attached to a client's session.
    fn page(&mut self, parent: &str, session: &str, context: &str, waiting: bool) -> Out {
        let info = json!({ "targetId": format!("T{session}"), "type": "page", "url": "http://x/",
            "browserContextId": context });
        let params = json!({ "sessionId": session, "targetInfo": info, "waitingForDebugger": waiting });
        self.hear(json!({ "method": "Target.attachedToTarget", "params": params, "sessionId": parent }));
        self.out()
    }

    fn say(&mut self, client: ClientId, id: u64, session: Option<&str>, method: &str, params: Value) -> Out {
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.mux.handle_from_client(self.now, client, message.to_string().into());
        self.out()
    }

    fn grant(&mut self, client: ClientId) -> Out {
        let Ok(Grant::Now(permit)) = self.floor.handle_agent(self.now, &actor("bot", Role::Agent)) else {
            panic!("not granted")
        };
        self.mux.handle_floor(self.now, client, Ok(Arc::new(permit)));
        self.out()
    }

    fn person_acts(&mut self) {
        let ada = actor("ada", Role::Controller);
        let _ = self.floor.handle_person(self.now, &ada, Touch::Momentary).expect("may");
    }

    /// A context that the client makes.
    fn context(&mut self, client: ClientId, context: &str) -> Value {
        let call = self.say(client, 900, None, "Target.createBrowserContext", json!({})).calls.remove(0);
        self.hear(json!({ "id": call["id"], "result": { "browserContextId": context } }));
        self.out();
        call
    }
}

fn methods(out: &Out) -> Vec<&str> {
    out.calls.iter().map(|call| call["method"].as_str().expect("a method")).collect()
}

fn error(out: &Out) -> &str {
    out.told.iter().find_map(|(_, message)| message["error"]["message"].as_str()).unwrap_or_default()
}

#[test]
fn an_act_waits_for_the_floor_with_its_session_and_the_others_go_on() {
    let mut stage = Stage::new();
    let client = stage.guest("R", None);
    stage.page("R", "S", "main", false);
    let out = stage.say(client, 1, Some("S"), "Page.reload", json!({}));
    assert!(out.calls.is_empty() && out.wishes == [client]);
    let out = stage.say(client, 2, Some("S"), "Page.captureScreenshot", json!({}));
    assert!(out.calls.is_empty() && out.wishes.is_empty());
    assert_eq!(methods(&stage.say(client, 3, None, "Browser.getVersion", json!({}))), ["Browser.getVersion"]);
    let out = stage.say(client, 4, Some("S"), "Runtime.runIfWaitingForDebugger", json!({}));
    assert_eq!(out.calls.len(), 1, "what is held for this client alone goes on");
    assert_eq!(methods(&stage.grant(client)), ["Page.reload", "Page.captureScreenshot"]);
    // The permit is kept while it is fresh.
    assert_eq!(methods(&stage.say(client, 5, Some("S"), "Page.reload", json!({}))), ["Page.reload"]);
    stage.person_acts();
    let out = stage.say(client, 6, Some("S"), "Page.reload", json!({}));
    assert!(out.calls.is_empty() && out.wishes == [client]);
    stage.say(client, 7, Some("S"), "Page.captureScreenshot", json!({}));
    stage.mux.handle_floor(stage.now, client, Err("Ada is using the browser".into()));
    let out = stage.out();
    assert_eq!(error(&out), "Ada is using the browser");
    assert_eq!(methods(&out), ["Page.captureScreenshot"], "what only stood behind goes on");
}

#[test]
fn a_permit_is_given_back_when_idle_and_what_is_held_goes_up_when_it_is_stale() {
    let mut stage = Stage::new();
    let client = stage.guest("R", None);
    stage.page("R", "S", "main", false);
    let press = json!({ "type": "mousePressed", "x": 7, "y": 9, "button": "left" });
    stage.say(client, 1, Some("S"), "Input.dispatchMouseEvent", press);
    assert_eq!(stage.grant(client).calls.len(), 1);
    let key = json!({ "type": "keyDown", "code": "ShiftLeft", "key": "Shift" });
    stage.say(client, 2, Some("S"), "Input.dispatchKeyEvent", key);
    stage.now += Duration::from_secs(5);
    stage.mux.handle_timeout(stage.now);
    assert!(stage.out().calls.is_empty(), "a held button keeps the permit");
    stage.person_acts();
    assert!(stage.mux.poll_timeout().is_some_and(|at| at <= stage.now + Duration::from_millis(50)));
    stage.mux.handle_timeout(stage.now);
    let out = stage.out();
    let kinds: Vec<_> = out.calls.iter().map(|call| call["params"]["type"].clone()).collect();
    assert_eq!(kinds, ["mouseReleased", "keyUp"]);
    assert_eq!(
        (&out.calls[0]["params"]["x"], &out.calls[1]["params"]["code"]),
        (&json!(7.0), &json!("ShiftLeft"))
    );
    // Its own release comes late: it is answered and not done, since the person may hold that button now.
    let release = json!({ "type": "mouseReleased", "x": 7, "y": 9, "button": "left" });
    let out = stage.say(client, 3, Some("S"), "Input.dispatchMouseEvent", release);
    assert_eq!((out.calls.len(), out.told.len()), (0, 1));

    let other = stage.guest("Q", None);
    stage.page("Q", "P", "main", false);
    stage.now += Duration::from_secs(10);
    stage.say(other, 1, Some("P"), "Page.reload", json!({}));
    stage.grant(other);
    assert!(matches!(stage.floor.holder(stage.now), crate::floor::Holder::Agent { .. }));
    stage.now += Duration::from_secs(1);
    stage.mux.handle_timeout(stage.now);
    assert_eq!(stage.floor.holder(stage.now), crate::floor::Holder::Nobody);
}

#[test]
fn a_client_that_goes_lets_go_of_what_it_held() {
    let mut stage = Stage::new();
    let client = stage.guest("R", None);
    stage.page("R", "S", "main", false);
    let touch = json!({ "type": "touchStart", "touchPoints": [{ "x": 1, "y": 1 }] });
    stage.say(client, 1, Some("S"), "Input.dispatchTouchEvent", touch);
    stage.grant(client);
    stage.mux.handle_gone(client);
    assert_eq!(methods(&stage.out()), ["Input.dispatchTouchEvent", "Target.detachFromTarget"]);
}

#[test]
fn overrides_are_done_in_own_contexts_and_refused_or_left_where_people_look() {
    let mut stage = Stage::new();
    let client = stage.guest("R", None);
    let call = stage.context(client, "C");
    assert_eq!(call["params"]["disposeOnDetach"], true);
    stage.page("R", "S", "main", false);
    stage.page("R", "O", "C", false);
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    let light = json!({ "media": "", "features": [{ "name": "prefers-color-scheme", "value": "light" }] });
    let own = stage.say(client, 1, Some("O"), "Emulation.setEmulatedMedia", dark.clone());
    assert_eq!(own.calls.len(), 1);
    let shared = stage.say(client, 2, Some("S"), "Emulation.setEmulatedMedia", dark);
    assert!(shared.calls.is_empty() && error(&shared).contains("browser context of your own"));
    let silent = stage.say(client, 3, Some("S"), "Emulation.setEmulatedMedia", light);
    assert!(silent.calls.is_empty());
    assert_eq!(silent.told[0].1, json!({ "id": 3, "result": {}, "sessionId": "S" }));
    let downloads = json!({ "behavior": "allowAndName", "downloadPath": "/root", "browserContextId": "C" });
    let own = stage.say(client, 4, None, "Browser.setDownloadBehavior", downloads);
    assert_eq!(own.calls[0]["params"]["downloadPath"], "/data/rooms/main/downloads");
    let shared = stage.say(client, 5, None, "Browser.setDownloadBehavior", json!({ "behavior": "deny" }));
    assert!(shared.calls.is_empty() && shared.told[0].1.get("error").is_none());
    let shared =
        stage.say(client, 6, None, "Target.disposeBrowserContext", json!({ "browserContextId": "main" }));
    assert!(shared.calls.is_empty() && !error(&shared).is_empty());
    let window = json!({ "windowId": 1, "bounds": {} });
    assert!(!error(&stage.say(client, 7, None, "Browser.setWindowBounds", window.clone())).is_empty());
    let asked = stage.say(client, 8, Some("O"), "Browser.getWindowForTarget", json!({}));
    stage.hear(json!({ "id": asked.calls[0]["id"], "result": { "windowId": 1 }, "sessionId": "O" }));
    assert_eq!(stage.say(client, 9, None, "Browser.setWindowBounds", window).calls.len(), 1);
    for (file, may) in [("/data/tandem.db", false), ("/data/../data/x", false), ("relative", false)] {
        let out = stage.say(client, 10, Some("S"), "DOM.setFileInputFiles", json!({ "files": [file] }));
        assert_eq!(out.wishes.is_empty() && !error(&out).is_empty(), !may, "{file}");
    }
    let downloaded = json!({ "files": ["/data/rooms/main/downloads/a", "/home/me/b"] });
    assert_eq!(stage.say(client, 11, Some("S"), "DOM.setFileInputFiles", downloaded).wishes, [client]);
}

#[test]
fn what_one_client_makes_another_does_not_see() {
    let mut stage = Stage::new();
    let (one, two) = (stage.guest("R", None), stage.guest("Q", None));
    stage.context(one, "C");
    let out = stage.page("Q", "S", "C", true);
    assert!(out.told.is_empty());
    assert_eq!(methods(&out), ["Runtime.runIfWaitingForDebugger", "Target.detachFromTarget"]);
    let call = stage.say(two, 1, None, "Target.getBrowserContexts", json!({})).calls.remove(0);
    let result = json!({ "browserContextIds": ["C", "D"], "defaultBrowserContextId": "main" });
    stage.hear(json!({ "id": call["id"], "result": result, "sessionId": "Q" }));
    let told = &stage.out().told[0].1;
    assert_eq!(told["result"], json!({ "browserContextIds": ["D"], "defaultBrowserContextId": "main" }));
}

#[test]
fn evaluation_looks_in_isolated_worlds_and_acts_in_the_pages_own() {
    let mut stage = Stage::new();
    let client = stage.guest("R", None);
    stage.context(client, "C");
    stage.page("R", "S", "main", false);
    stage.page("R", "O", "C", false);
    let world = |id: i64, kind: &str| {
        json!({ "method": "Runtime.executionContextCreated", "sessionId": "S",
            "params": { "context": { "id": id, "auxData": { "type": kind } } } })
    };
    stage.hear(world(1, "default"));
    stage.hear(world(2, "isolated"));
    stage.out();
    for (params, looks) in [
        (json!({ "expression": "1" }), false),
        (json!({ "expression": "1", "contextId": 1 }), false),
        (json!({ "expression": "1", "contextId": 2 }), true),
        (json!({ "expression": "1", "throwOnSideEffect": true }), true),
        (json!({ "functionDeclaration": "f", "objectId": "-77.2.1" }), true),
        (json!({ "functionDeclaration": "f", "objectId": "-77.1.1" }), false),
        (json!({ "functionDeclaration": "e => e.focus()", "objectId": "-77.2.1" }), false),
    ] {
        // Each from a page of its own kind, so that none stands behind another.
        let out = stage.say(client, 1, Some("S"), "Runtime.callFunctionOn", params.clone());
        assert_eq!(!out.calls.is_empty(), looks, "{params}");
        stage.mux.handle_floor(stage.now, client, Err("no".into()));
        stage.out();
    }
    let own = stage.say(client, 2, Some("O"), "Runtime.evaluate", json!({ "expression": "x()" }));
    assert_eq!(own.calls.len(), 1, "a page of its own is its own");
    let made = stage.say(client, 3, Some("S"), "Page.createIsolatedWorld", json!({}));
    stage.hear(json!({ "id": made.calls[0]["id"], "result": { "executionContextId": 9 }, "sessionId": "S" }));
    stage.out();
    let look = json!({ "expression": "1", "contextId": 9 });
    assert_eq!(stage.say(client, 4, Some("S"), "Runtime.evaluate", look).calls.len(), 1);
}

#[test]
fn a_dialog_that_somebody_else_opened_is_not_dismissed_and_nobody_is_refused() {
    let mut stage = Stage::new();
    let client = stage.guest("R", None);
    stage.page("R", "S", "main", false);
    let opening = json!({ "method": "Page.javascriptDialogOpening", "sessionId": "S",
        "params": { "type": "confirm", "message": "?" } });
    stage.hear(opening.clone());
    assert_eq!(stage.out().told.len(), 1, "the client is told of it");
    let out = stage.say(client, 5, Some("S"), "Page.handleJavaScriptDialog", json!({ "accept": false }));
    assert!(out.calls.is_empty() && out.told.is_empty());
    stage.hear(json!({ "method": "Page.javascriptDialogClosed", "params": {}, "sessionId": "S" }));
    let told = stage.out().told;
    assert_eq!(told[0].1, json!({ "id": 5, "result": {}, "sessionId": "S" }));

    // Opened by its own act: answered with the floor, and never refused for want of it.
    stage.say(client, 6, Some("S"), "Page.reload", json!({}));
    stage.grant(client);
    stage.hear(opening);
    stage.out();
    stage.person_acts();
    let out = stage.say(client, 7, Some("S"), "Page.handleJavaScriptDialog", json!({ "accept": false }));
    assert_eq!(out.wishes, [client]);
    stage.mux.handle_floor(stage.now, client, Err("Ada is using the browser".into()));
    assert!(stage.out().told.is_empty());
    stage.hear(json!({ "method": "Page.javascriptDialogClosed", "params": {}, "sessionId": "S" }));
    assert!(stage.out().told.iter().any(|(_, message)| message["id"] == 7 && message.get("error").is_none()));
    // A late answer must not hit the next dialog.
    let late = stage.say(client, 8, Some("S"), "Page.handleJavaScriptDialog", json!({ "accept": true }));
    assert!(late.calls.is_empty() && late.wishes.is_empty());
    assert_eq!(late.told[0].1["result"], json!({}));
}

#[test]
fn a_shared_page_does_not_wait_for_ever_for_a_client() {
    let mut stage = Stage::new();
    let client = stage.guest("R", None);
    let out = stage.page("R", "S", "main", true);
    assert_eq!(methods(&out), ["Emulation.setFocusEmulationEnabled"]);
    stage.hear(json!({ "method": "Fetch.requestPaused", "params": { "requestId": "r1" }, "sessionId": "S" }));
    stage.hear(json!({ "method": "Fetch.requestPaused", "params": { "requestId": "r2" }, "sessionId": "S" }));
    stage.out();
    stage.say(client, 1, Some("S"), "Fetch.continueRequest", json!({ "requestId": "r2" }));
    stage.now = stage.mux.poll_timeout().expect("something is due");
    stage.mux.handle_timeout(stage.now);
    assert_eq!(methods(&stage.out()), ["Runtime.runIfWaitingForDebugger"]);
    stage.now = stage.mux.poll_timeout().expect("something is due");
    stage.mux.handle_timeout(stage.now);
    let out = stage.out();
    assert_eq!(out.calls[0]["params"]["requestId"], "r1");
    assert_eq!(stage.mux.poll_timeout(), None);
}

#[test]
fn a_client_of_one_target_takes_its_session_for_the_root() {
    let mut stage = Stage::new();
    let client = stage.guest("R", Some("T"));
    stage.say(client, 1, None, "Runtime.enable", json!({}));
    let info = json!({ "targetId": "T", "type": "page", "url": "http://x/", "browserContextId": "main" });
    let params = json!({ "sessionId": "P", "targetInfo": info, "waitingForDebugger": false });
    stage.hear(json!({ "method": "Target.attachedToTarget", "params": params, "sessionId": "R" }));
    assert!(stage.out().told.is_empty(), "the session beneath is not known");
    let attach = 2;
    stage.hear(json!({ "id": attach, "result": { "sessionId": "P" }, "sessionId": "R" }));
    let out = stage.out();
    assert_eq!((methods(&out), &out.calls[0]["sessionId"]), (vec!["Runtime.enable"], &json!("P")));
    stage.hear(json!({ "method": "Page.loadEventFired", "params": {}, "sessionId": "P" }));
    let told = stage.out().told;
    assert_eq!(told[0].1, json!({ "method": "Page.loadEventFired", "params": {} }));
    for session in ["R", "P"] {
        let out = stage.say(client, 2, Some(session), "Runtime.enable", json!({}));
        assert_eq!(out.told[0].1["error"]["code"], -32001, "{session}");
    }
    stage.hear(
        json!({ "method": "Target.detachedFromTarget", "params": { "sessionId": "P" }, "sessionId": "R" }),
    );
    assert_eq!(stage.out().dropped, [client]);
}
