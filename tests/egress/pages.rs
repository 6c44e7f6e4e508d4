//! The browser's own pages, where an admin has opened them to people.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tandem::base::{Input, Modifiers};
use tandem::bench::viewer::{Viewer, ViewerOptions};

use crate::house::{ADMIN, House};
use crate::rooms::send;

const CONTROL: u32 = 0xffe3;
const ENTER: u32 = 0xff0d;

async fn key(person: &Viewer, keysym: u32, down: bool, control: bool) {
    let modifiers = Modifiers { control, ..Modifiers::default() };
    person.input(0, 0, Input::Key { keysym, code: 0, down, modifiers }).await.expect("sent");
}

/// A person writes into the browser's own bar, until the tab is there.
async fn go(house: &House, room: &str, person: &Viewer, address: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        key(person, CONTROL, true, true).await;
        key(person, b'l'.into(), true, true).await;
        key(person, b'l'.into(), false, true).await;
        key(person, CONTROL, false, false).await;
        for keysym in address.bytes().map(u32::from).chain([ENTER]) {
            key(person, keysym, true, false).await;
            key(person, keysym, false, false).await;
        }
        // The window manager gives the window the keyboard in its own time.
        let there = house.until_room(room, |view| view["page"]["url"].as_str() == Some(address));
        if tokio::time::timeout(Duration::from_secs(5), there).await.is_ok() {
            return;
        }
    }
    panic!("{address} is not reached in {room}");
}

/// What an agent's tool answers in a room.
async fn tool(house: &House, room: &str, name: &str, arguments: Value) -> (u16, String) {
    let path = format!("/api/rooms/{room}/tools/{name}");
    let (status, _, body) = house.ask_json("POST", &path, ADMIN, arguments.to_string().as_bytes()).await;
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_admin_opens_them_people_reach_the_browsers_own_pages_and_agents_go_to_none() {
    let house = House::open().await;
    let made = json!({ "id": "own", "options": { "browser_pages": true } }).to_string();
    let (status, _, body) = house.ask_json("POST", "/api/rooms", ADMIN, made.as_bytes()).await;
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    house.until_room("own", |view| view["phase"]["state"] == "live").await;
    let person = |room| {
        let options = ViewerOptions { data_channels: true, ..ViewerOptions::default() };
        house.person_in(room, ADMIN, options)
    };

    let (ann, _seat) = person("own").await;
    go(&house, "own", &ann, "chrome://version/").await;
    house.until_room("own", |view| view["page"]["title"] == "About Version").await;
    // Files of the machine stay closed to everybody.
    go(&house, "own", &ann, "file:///etc/passwd").await;
    let (_, shown) = tool(&house, "own", "browser_snapshot", json!({})).await;
    assert!(shown.contains("blocked") && !shown.contains("root:"), "{shown}");
    go(&house, "own", &ann, "chrome://version/").await;
    // Where nobody opened them.
    let (bob, _seat) = person("main").await;
    go(&house, "main", &bob, "chrome://version/").await;
    let (_, shown) = tool(&house, "main", "browser_snapshot", json!({})).await;
    assert!(shown.contains("blocked") && !shown.contains("Command Line"), "{shown}");

    for url in ["chrome://version/", "chrome://settings/", "view-source:http://127.0.0.1/", "about:version"] {
        let (status, said) = tool(&house, "own", "browser_navigate", json!({ "url": url })).await;
        assert!(status >= 400, "{url}: {said}");
    }
    let mut socket = house.socket("/cdp/own", ADMIN).await;
    for url in ["chrome://settings/", "view-source:http://127.0.0.1/"] {
        let create = json!({ "id": 1, "method": "Target.createTarget", "params": { "url": url } });
        let made = send(&mut socket, create).await;
        assert!(made["error"]["message"].is_string(), "{url}: {made}");
    }
}
