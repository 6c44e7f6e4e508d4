//! Private moments with a real room, a real browser, real hands: what a person
//! types in one is learnt by nobody else, at no door, neither during nor after.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tandem::base::{Button, Input, MASK, Masks, Modifiers, Point};
use tandem::bench::viewer::{Viewer, ViewerOptions};

#[allow(dead_code, reason = "other tests need more of it")]
mod house;
#[allow(dead_code, reason = "other tests need more of it")]
#[path = "floor/raw.rs"]
mod raw;

use house::{ADMIN, House};
use raw::Raw;

const PASSWORD: &str = "zq7kfw93x";
const CODE: &str = "482913";
const CARD: &str = "4111222233334444";
/// Frames of this size cannot hold a page.
const BLACK: usize = 6000;

/// Everything that came out of a door.
#[derive(Default)]
struct Heard(Mutex<Vec<(String, Vec<u8>)>>);

impl Heard {
    fn add(&self, door: &str, bytes: impl AsRef<[u8]>) {
        self.0.lock().expect("whole").push((door.to_owned(), bytes.as_ref().to_vec()));
    }

    /// Nothing of what was typed, in whatever form, came out.
    fn assert_clean(&self) {
        let secrets = Masks::default();
        [PASSWORD, CODE, CARD].iter().for_each(|secret| secrets.add(secret));
        let heard = self.0.lock().expect("whole");
        assert!(heard.len() > 30, "{} answers are too few to say anything", heard.len());
        for (door, bytes) in heard.iter() {
            assert!(!secrets.finds(bytes), "{door} told {}", String::from_utf8_lossy(bytes));
        }
    }
}

async fn press(person: &Viewer, at: Point) {
    for down in [true, false] {
        person.input(0, 0, Input::Button { at, button: Button::Left, down }).await.expect("sent");
    }
}

async fn key(person: &Viewer, keysym: u32) {
    for down in [true, false] {
        let key = Input::Key { keysym, code: 0, down, modifiers: Modifiers::default() };
        person.input(0, 0, key).await.expect("sent");
    }
}

async fn write(person: &Viewer, text: &str) {
    for letter in text.bytes() {
        key(person, letter.into()).await;
    }
}

const TAB: u32 = 0xff09;
const ENTER: u32 = 0xff0d;

async fn until_private(house: &House, private: bool) {
    house.until(|view| view["private"].is_null() != private).await;
}

/// Presses until the window has the keyboard, which the window manager gives it in its own time.
async fn warm_up(person: &Viewer, eye: &mut Raw, at: Point) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while std::time::Instant::now() < deadline {
        press(person, at).await;
        key(person, b'a'.into()).await;
        if eye.look("user.value !== ''").await == true {
            return;
        }
        // The window manager's doings have no event here.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the window does not get the keyboard");
}

/// Asks at every door of an agent once. What is answered is kept.
async fn ask_everywhere(house: &House, raw: &mut Raw, heard: &Heard) {
    let calls = [
        ("browser_snapshot", json!({})),
        ("browser_take_screenshot", json!({})),
        ("browser_find", json!({ "text": "Sign" })),
        (
            "browser_evaluate",
            json!({ "function": "() => [password.value, code.value, card.value, btoa(password.value)]" }),
        ),
        ("browser_console_messages", json!({})),
        ("browser_network_requests", json!({})),
        ("browser_cookie_list", json!({})),
        ("browser_localstorage_list", json!({})),
        ("browser_sessionstorage_list", json!({})),
        ("browser_storage_state", json!({})),
        ("browser_tabs", json!({ "action": "list" })),
        (
            "browser_verify_value",
            json!({ "element": "Code", "target": "#code", "type": "textbox", "value": CODE.replace('4', "5") }),
        ),
        ("what_changed", json!({})),
    ];
    let mut agent = house.agent(ADMIN);
    for (tool, arguments) in calls {
        heard.add(tool, agent.call(tool, arguments).await.body.to_string());
    }
    let text = json!({ "expression": "[password.value, code.value, card.value, location.href, document.title].join(' ')" });
    for (method, params) in [
        ("Runtime.evaluate", text),
        ("DOM.getDocument", json!({ "depth": -1, "pierce": true })),
        ("DOMSnapshot.captureSnapshot", json!({ "computedStyles": [] })),
        ("Accessibility.getFullAXTree", json!({})),
        ("Page.captureScreenshot", json!({})),
        ("Page.getNavigationHistory", json!({})),
        ("Page.getFrameTree", json!({})),
        ("Network.getCookies", json!({})),
        ("Target.getTargets", json!({})),
        ("Page.getResourceTree", json!({})),
    ] {
        let answer = raw.ask(method, params).await;
        heard.add(method, format!("{answer:?}"));
    }
    for path in ["/api/rooms/main", "/api/rooms", "/api/rooms/main/audit?limit=500", "/metrics"] {
        let (status, _, body) = house.ask("GET", path, ADMIN, b"").await;
        assert_eq!(status, 200, "{path}");
        heard.add(path, body);
    }
}

/// What a person points at for their agent.
async fn pick(house: &House, at: Point) -> (u16, Value) {
    let body = json!({ "x": at.x, "y": at.y }).to_string();
    let (status, _, answer) = house.ask_json("POST", "/api/rooms/main/pick", ADMIN, body.as_bytes()).await;
    (status, serde_json::from_slice(&answer).expect("json"))
}

/// What is drawn as dots, of the page's elements with these ids, in whatever shadow root.
async fn dotted(raw: &mut Raw, ids: &[&str]) -> Vec<String> {
    fn find(node: &Value, ids: &[&str], found: &mut Vec<(String, Value)>) {
        let attributes = node["attributes"].as_array().map(Vec::as_slice).unwrap_or_default();
        for pair in attributes.chunks(2) {
            if let Some(id) = pair[1].as_str().filter(|id| pair[0] == "id" && ids.contains(id)) {
                found.push((id.to_owned(), node["nodeId"].clone()));
            }
        }
        for inner in ["children", "shadowRoots"].iter().flat_map(|key| node[key].as_array()).flatten() {
            find(inner, ids, found);
        }
    }
    let document =
        raw.ask("DOM.getDocument", json!({ "depth": -1, "pierce": true })).await.expect("a document");
    let mut found = Vec::new();
    find(&document["root"], ids, &mut found);
    let mut dotted = Vec::new();
    for (id, node) in found {
        let style = raw.ask("CSS.getComputedStyleForNode", json!({ "nodeId": node })).await.expect("a style");
        let hidden = |one: &Value| one["name"] == "-webkit-text-security" && one["value"] == "disc";
        if style["computedStyle"].as_array().expect("a list").iter().any(hidden) {
            dotted.push(id);
        }
    }
    dotted
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_what_a_person_types_in_private() {
    let house = House::open().await;
    house.agent(ADMIN).go(&house.at("/login")).await;
    let mut eye = Raw::open(&house, ADMIN, "/login").await;
    let mut raw = Raw::open(&house, ADMIN, "/login").await;
    for domain in ["Network", "Runtime", "Page", "DOM", "Log", "CSS"] {
        raw.ask(&format!("{domain}.enable"), json!({})).await.expect("enabled");
    }
    // Requests that an agent wants to hold.
    raw.ask("Fetch.enable", json!({})).await.expect("enabled");
    let (person, _seat) = house.person_of(&house.token_of("controller", "Ann")).await;
    let options = ViewerOptions { keep_frames: true, ..ViewerOptions::default() };
    let (viewer, _viewers) = house.person_with(&house.token_of("viewer", "Vic"), options).await;
    let heard = Heard::default();
    let (user, _) = eye.place("user").await;
    let (password, _) = eye.place("password").await;
    let (mirror, _) = eye.place("mirror").await;
    warm_up(&person, &mut eye, user).await;
    heard.add("before", house.agent(ADMIN).call("browser_snapshot", json!({})).await.text);

    press(&person, password).await;
    until_private(&house, true).await;
    write(&person, PASSWORD).await;
    let mut agent = house.agent(ADMIN);
    let refused = agent.refused("browser_snapshot", json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "private"), "{refused}");
    let (status, told) = pick(&house, mirror).await;
    assert_eq!(status, 409, "{told}");
    assert!(told["error"]["message"].as_str().is_some_and(|why| why.contains("private moment")), "{told}");
    let why = raw.ask("Runtime.evaluate", json!({ "expression": "1" })).await.expect_err("refused");
    assert!(why.contains("private moment"), "{why}");
    viewer.take_frames();
    ask_everywhere(&house, &mut raw, &heard).await;
    // From field to field it is one moment.
    key(&person, TAB).await;
    write(&person, CODE).await;
    key(&person, TAB).await;
    write(&person, CARD).await;
    ask_everywhere(&house, &mut raw, &heard).await;
    let (_, _, view) = house.ask("GET", "/api/rooms/main", ADMIN, b"").await;
    let view: Value = serde_json::from_slice(&view).expect("json");
    assert_eq!((&view["private"]["by"]["name"], &view["private"]["by_field"]), (&json!("Ann"), &json!(true)));
    let seen = viewer.take_frames();
    assert!(
        seen.iter().all(|frame| frame.data.len() < BLACK),
        "{:?}",
        seen.iter().map(|f| f.data.len()).collect::<Vec<_>>()
    );

    key(&person, TAB).await;
    until_private(&house, false).await;
    ask_everywhere(&house, &mut raw, &heard).await;
    let shown = agent.ok("browser_snapshot", json!({})).await;
    assert!(shown.text.contains("Password") && shown.text.contains(MASK), "{shown}");
    let sealed = agent.refused("browser_evaluate", json!({ "function": "() => 1" })).await;
    assert!(sealed.text.contains("stands on this page"), "{sealed}");
    // What is in the fields and what the page shows of it are dots, for whoever takes a picture.
    assert_eq!(dotted(&mut raw, &["code", "card", "mirror"]).await, ["code", "card", "mirror"]);
    // Nor what the page shows of it, when a person points at it for their agent.
    let (status, picked) = pick(&house, mirror).await;
    assert!(status == 200 && picked["text"] == MASK, "{picked}");
    assert!(picked["html"].as_str().is_some_and(|html| html.contains("output")), "{picked}");
    heard.add("pick", picked.to_string());
    // The person goes on where they were, in the field for notes.
    assert!(
        viewer.wait_for_frames(viewer.frames() + 3, Duration::from_secs(10)).await.is_ok(),
        "the picture is back"
    );
    assert!(viewer.take_frames().iter().any(|frame| frame.data.len() > BLACK), "the whole picture");
    key(&person, ENTER).await;
    house.until(|view| view["page"]["title"] == "Welcome").await;
    ask_everywhere(&house, &mut raw, &heard).await;
    let known = agent.ok("browser_evaluate", json!({ "function": "() => document.body.innerText + document.cookie + JSON.stringify({ ...localStorage })" })).await;
    assert!(known.text.contains("Welcome") && known.text.contains(MASK), "{known}");
    heard.add("evaluate", known.body.to_string());
    let mut requests = agent.ok("browser_network_requests", json!({ "static": true })).await;
    heard.add("requests", requests.body.to_string());
    for number in 1..20 {
        requests = agent.call("browser_network_request", json!({ "index": number })).await;
        heard.add("request", requests.body.to_string());
    }
    heard.assert_clean();
    let database = std::fs::read(house.data_dir().join("tandem.db")).expect("a database");
    for secret in [PASSWORD, CODE, CARD] {
        assert!(!database.windows(secret.len()).any(|part| part == secret.as_bytes()), "the database");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_by_hand_covers_every_field_and_only_its_person_ends_it() {
    let house = House::open().await;
    house.agent(ADMIN).go(&house.at("/login")).await;
    let mut eye = Raw::open(&house, ADMIN, "/login").await;
    let token = house.token_of("controller", "Ann");
    let (person, seat) = house.person_of(&token).await;
    let (note, _) = eye.place("note").await;
    let (user, _) = eye.place("user").await;
    warm_up(&person, &mut eye, user).await;
    let path = "/api/rooms/main/floor/private";
    for (who, status) in [
        (house.token_of("viewer", "Vic"), 403),
        (token.clone(), 200),
        (house.token_of("controller", "Bob"), 403),
    ] {
        let (got, _, body) = house.ask_json("POST", path, &who, br#"{"on":true}"#).await;
        assert_eq!(got, status, "{}", String::from_utf8_lossy(&body));
    }
    let (agents, _, _) = house.ask_json("POST", path, &house.token("agent", None), br#"{"on":true}"#).await;
    assert_eq!(agents, 403);
    let (wrong, _, _) = house.ask_json("POST", path, &token, br#"{"on":1}"#).await;
    assert_eq!(wrong, 400);
    press(&person, note).await;
    write(&person, "thesafeword").await;
    let mut agent = house.agent(ADMIN);
    let refused = agent.refused("browser_click", json!({ "target": "#send" })).await;
    assert_eq!(refused.code(), "private", "{refused}");
    let (ended, _, _) = house.ask_json("POST", path, &token, br#"{"on":false}"#).await;
    assert_eq!(ended, 200);
    until_private(&house, false).await;
    let shown = agent.ok("browser_snapshot", json!({})).await;
    assert!(shown.text.contains("Note") && !shown.text.contains("thesafeword"), "{shown}");
    // Whoever is in one and vanishes is waited for; an admin need not.
    let (_, _, _) = house.ask_json("POST", path, &token, br#"{"on":true}"#).await;
    seat.abort();
    drop(person);
    until_private(&house, true).await;
    let (ended, _, _) = house.ask_json("POST", path, ADMIN, br#"{"on":false}"#).await;
    assert_eq!(ended, 200);
    until_private(&house, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_neither_ends_a_moment_under_a_typing_hand_nor_begins_one_by_itself() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.at("/login")).await;
    let mut eye = Raw::open(&house, ADMIN, "/login").await;
    let (person, _seat) = house.person_of(&house.token_of("controller", "Ann")).await;
    let (user, _) = eye.place("user").await;
    let (password, _) = eye.place("password").await;
    warm_up(&person, &mut eye, user).await;
    // The page takes the focus into the note after three letters, and shows the password as text.
    agent
        .run("() => { password.oninput = () => { password.type = 'text'; if (password.value.length === 3) note.focus(); }; }")
        .await;
    // An agent's own focus is no person's. The floor is the agent's only once the person is still.
    agent.ok("browser_click", json!({ "target": "#password" })).await;
    house.until(|view| view["holder"].is_null()).await;
    agent.ok("browser_snapshot", json!({})).await;
    // The field has the focus already: the first letter begins it, before it is on its way.
    press(&person, password).await;
    write(&person, "abc").await;
    until_private(&house, true).await;
    write(&person, "defghijk").await;
    agent.refused("browser_snapshot", json!({})).await;
    until_private(&house, false).await;
    let shown = agent.ok("browser_snapshot", json!({})).await;
    assert!(!shown.text.contains("defghijk") && !shown.text.contains("abc"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_in_closed_shadow_roots_are_fields_too() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.at("/closed")).await;
    let mut eye = Raw::open(&house, ADMIN, "/closed").await;
    let mut raw = Raw::open(&house, ADMIN, "/closed").await;
    for domain in ["Network", "Runtime", "Page", "DOM", "Log", "CSS"] {
        raw.ask(&format!("{domain}.enable"), json!({})).await.expect("enabled");
    }
    let (person, _seat) = house.person_of(&house.token_of("controller", "Ann")).await;
    let heard = Heard::default();
    let (user, _) = eye.place("user").await;
    let (mail, _) = eye.place("mail").await;
    warm_up(&person, &mut eye, user).await;
    // A page that has them without end takes nothing from the person.
    house.until(|view| view["holder"].is_null()).await;
    let began = std::time::Instant::now();
    assert_eq!(agent.run("() => flood(4000)").await, 2000);
    println!("4,000 closed roots, 200 of them with the focus: {} ms", began.elapsed().as_millis());

    // Within an open root, into a closed one: the window hears nothing of it.
    press(&person, mail).await;
    key(&person, TAB).await;
    until_private(&house, true).await;
    write(&person, PASSWORD).await;
    let refused = agent.refused("browser_snapshot", json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "private"), "{refused}");
    ask_everywhere(&house, &mut raw, &heard).await;
    // Within the closed root, and into another one.
    key(&person, TAB).await;
    write(&person, CODE).await;
    key(&person, TAB).await;
    write(&person, CARD).await;
    agent.refused("browser_snapshot", json!({})).await;
    key(&person, TAB).await;
    until_private(&house, false).await;

    ask_everywhere(&house, &mut raw, &heard).await;
    let shown = agent.ok("browser_snapshot", json!({})).await;
    assert!(shown.text.contains("Note"), "{shown}");
    let sealed = agent.refused("browser_evaluate", json!({ "function": "() => 1" })).await;
    assert!(sealed.text.contains("stands on this page"), "{sealed}");
    let all = ["password", "code", "card", "mirror"];
    assert_eq!(dotted(&mut raw, &all).await, all);
    agent.go(&house.at("/other")).await;
    ask_everywhere(&house, &mut raw, &heard).await;
    let known = "() => document.cookie + JSON.stringify({ ...localStorage })";
    let known = agent.ok("browser_evaluate", json!({ "function": known })).await;
    assert!(known.text.contains("draft card") && known.text.contains(MASK), "{known}");
    heard.add("evaluate", known.body.to_string());
    heard.assert_clean();
}
