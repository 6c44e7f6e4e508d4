//! Many clients on one pipe, stepped.

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
        Output::ToClient(to, bytes) if *to == client => Some(serde_json::from_slice(bytes).expect("json")),
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
        hear(&mut mux, json!({ "method": "Target.attachedToTarget", "params": params, "sessionId": parent }));
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
