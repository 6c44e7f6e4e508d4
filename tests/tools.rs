//! The tools through their HTTP and MCP doors with a real room: each does what
//! it says, refuses what it cannot do with words that help, and no page, person
//! or other agent is harmed by it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tandem::base::{Button, Input, Modifiers, Point};

#[allow(dead_code, reason = "other tests use the rest")]
mod house;
use house::{ADMIN, Agent, House};

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_does_what_it_says() {
    let house = House::open().await;
    let all = house.token("agent", Some("all"));
    let mut agent = house.agent(&all);
    going_and_looking(&house, &mut agent).await;
    acting(&house, &mut agent).await;
    files(&house, &mut agent).await;
    by_coordinates(&house, &mut agent).await;
    for_tests(&mut agent).await;
    network(&house, &mut agent).await;
    storage(&house, &mut agent).await;
    for_developers(&house, &mut agent).await;
    with_people(&mut agent).await;
    let listed: BTreeSet<String> = house.listed(&all).await.into_iter().collect();
    let left: Vec<_> = listed.difference(&agent.used).collect();
    assert!(left.is_empty(), "not tried: {left:?}");
}

async fn going_and_looking(house: &House, agent: &mut Agent<'_>) {
    let page = agent.go(&house.page()).await;
    assert!(page.text.contains("- Page Title: Tools") && page.text.contains("button \"Press\""), "{page}");
    let away = agent.go(&house.at("/other")).await;
    assert!(away.text.contains("await page.goto("), "{away}");
    let back = agent.ok("browser_navigate_back", json!({})).await;
    assert!(back.text.contains("Page Title: Tools"), "{back}");

    let secrets = agent.ok("browser_secrets", json!({})).await;
    assert!(secrets.text.contains("There are no secrets for this room"), "{secrets}");

    let shown = agent.ok("browser_snapshot", json!({ "target": "#fruit", "boxes": true })).await;
    assert!(
        shown.text.contains("Pear") && shown.text.contains("[box=") && !shown.text.contains("Press"),
        "{shown}"
    );
    agent.ok("browser_snapshot", json!({ "filename": "page.yml" })).await;
    let (status, _, filed) = house.ask("GET", "/api/rooms/main/files/page.yml", ADMIN, b"").await;
    assert!(status == 200 && String::from_utf8_lossy(&filed).contains("Press"));
    let found = agent.ok("browser_find", json!({ "text": "pear" })).await;
    assert!(found.text.contains("Pear") && found.structured()["count"] == 1, "{found}");
    let found = agent.ok("browser_find", json!({ "regex": "/twin/i" })).await;
    assert_eq!(found.structured()["count"], 2, "{found}");
    let shot = agent.ok("browser_take_screenshot", json!({ "type": "jpeg", "filename": "shot.jpeg" })).await;
    assert_eq!(shot.body["content"][1]["mimeType"], "image/jpeg", "{shot}");
    let (_, head, filed) = house.ask("GET", "/api/rooms/main/files/shot.jpeg", ADMIN, b"").await;
    assert!(filed.starts_with(&[0xff, 0xd8]) && head.contains("image/jpeg"), "{head}");

    agent.run("() => setTimeout(() => fruit.append('Plum'), 300)").await;
    agent.ok("browser_wait_for", json!({ "text": "Plum" })).await;
    agent.ok("browser_wait_for", json!({ "time": 0.01 })).await;
    let value = agent
        .ok("browser_evaluate", json!({ "target": "#fruit", "function": "(el) => el.children.length" }))
        .await;
    assert_eq!(value.structured()["result"], 2, "{value}");

    agent.ok("browser_tabs", json!({ "action": "new", "url": house.at("/other") })).await;
    let alone = json!({ "action": "new", "url": house.at("/other"), "isolatedContext": "alone" });
    agent.ok("browser_tabs", alone).await;
    let tabs = agent.tabs().await;
    assert_eq!((tabs.len(), tabs[2]["current"].as_bool()), (3, Some(true)), "{tabs:?}");
    agent.ok("browser_close", json!({})).await;
    agent.ok("browser_tabs", json!({ "action": "close", "index": 1 })).await;
    let chosen = agent.ok("browser_tabs", json!({ "action": "select", "index": 0 })).await;
    assert!(chosen.text.contains("Page Title: Tools"), "{chosen}");
    agent.ok("browser_resize", json!({ "width": 1024, "height": 700 })).await;
    agent.until("() => outerWidth", json!(1024)).await;
}

async fn acting(house: &House, agent: &mut Agent<'_>) {
    agent.go(&house.page()).await;
    let clicked = agent
        .ok(
            "browser_click",
            json!({ "target": "getByRole('button', { name: 'Press' })", "modifiers": ["Shift"] }),
        )
        .await;
    assert!(clicked.text.contains("await page.getByRole('button', { name: 'Press' }).click();"), "{clicked}");
    assert!(
        clicked.text.contains("click 1 0 true") && !clicked.text.contains("Apple"),
        "only what changed: {clicked}"
    );
    agent.ok("browser_click", json!({ "target": "#press", "doubleClick": true })).await;
    assert_eq!(agent.out().await, "double");
    agent.ok("browser_click", json!({ "target": "#press", "button": "right" })).await;
    agent.until("() => out.value", json!("aux 2")).await;
    agent.ok("browser_press_key", json!({ "key": "Escape" })).await;
    agent.ok("browser_hover", json!({ "target": "h1" })).await;
    agent.ok("browser_hover", json!({ "target": "#press" })).await;
    assert_eq!(agent.out().await, "over");
    agent.ok("browser_type", json!({ "target": "#name", "text": "Ada ☂", "submit": true })).await;
    assert_eq!(agent.out().await, "entered Ada ☂");
    agent.ok("browser_type", json!({ "target": "#name", "text": "!", "slowly": true })).await;
    assert_eq!(agent.run("() => name_.value").await, "Ada ☂!");
    agent.ok("browser_press_key", json!({ "key": "Backspace" })).await;
    assert_eq!(agent.run("() => name_.value").await, "Ada ☂");
    agent.ok("browser_select_option", json!({ "target": "#colour", "values": ["Green"] })).await;
    assert_eq!(agent.run("() => colour.value").await, "g");
    let fields = json!([
        { "target": "#name", "name": "Name", "type": "textbox", "value": "Bob" },
        { "target": "#agree", "name": "Agree", "type": "checkbox", "value": "true" },
        { "target": "#colour", "name": "Colour", "type": "combobox", "value": "Red" },
        { "target": "#size", "name": "Size", "type": "slider", "value": "7" },
    ]);
    agent.ok("browser_fill_form", json!({ "fields": fields })).await;
    assert_eq!(
        agent.run("() => [name_.value, agree.checked, colour.value, size.value].join()").await,
        "Bob,true,Red,7"
    );
    agent.ok("browser_drag", json!({ "startTarget": "#drag", "endTarget": "#bin" })).await;
    assert_eq!(agent.out().await, "dropped cargo");

    let asked = agent.ok("browser_click", json!({ "target": "#ask" })).await;
    assert!(asked.text.contains("Your name?") && asked.text.contains("browser_handle_dialog"), "{asked}");
    agent.ok("browser_handle_dialog", json!({ "accept": true, "promptText": "Eve" })).await;
    agent.until("() => out.value", json!("said Eve")).await;
}

async fn files(house: &House, agent: &mut Agent<'_>) {
    let path = "/api/rooms/main/files/note.txt";
    let (status, _, _) = house.ask("PUT", path, ADMIN, b"a note").await;
    assert_eq!(status, 201);
    let (status, head, body) = house.ask("GET", path, ADMIN, b"").await;
    assert_eq!((status, body.as_slice()), (200, b"a note".as_slice()));
    assert!(head.contains("attachment") && head.contains("sandbox"), "{head}");
    let (_, _, list) = house.ask("GET", "/api/rooms/main/files", ADMIN, b"").await;
    assert!(String::from_utf8_lossy(&list).contains("note.txt"));
    assert_eq!(house.ask("GET", "/api/rooms/main/files/none", ADMIN, b"").await.0, 404);

    let asked = agent.ok("browser_click", json!({ "target": "#choose" })).await;
    assert!(asked.text.contains("browser_file_upload"), "{asked}");
    let files = json!([{ "name": "second.txt", "text": "more" }]);
    agent.ok("browser_file_upload", json!({ "paths": ["/somewhere/note.txt"], "files": files })).await;
    agent.until("() => out.value", json!("note.txt=a note;second.txt=more")).await;
    agent.ok("browser_file_upload", json!({ "target": "#file", "files": files })).await;
    agent.until("() => out.value", json!("second.txt=more")).await;
    agent
        .ok("browser_drop", json!({ "target": "#bin", "paths": ["note.txt"], "data": { "text/plain": "x" } }))
        .await;
    assert_eq!(agent.out().await, "dropped xnote.txt");
    // No file of this machine.
    let refused =
        agent.refused("browser_file_upload", json!({ "target": "#file", "paths": ["/etc/passwd"] })).await;
    assert!(
        refused.code() == "bad_argument" && refused.text.contains("PUT /api/rooms/main/files/passwd"),
        "{refused}"
    );

    agent.ok("browser_click", json!({ "target": "getByText('Download')" })).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let listed = loop {
        let listed = agent.ok("browser_downloads", json!({})).await;
        if listed.text.contains("file.txt (complete") {
            break listed;
        }
        assert!(Instant::now() < deadline, "{listed}");
    };
    let number = listed.structured()["downloads"][0]["number"].clone();
    let read = agent.ok("browser_downloads", json!({ "read": number })).await;
    assert!(read.text.contains("hello from a file"), "{read}");
    agent.ok("browser_file_upload", json!({ "target": "#file", "paths": ["file.txt"] })).await;
    agent.until("() => out.value", json!("file.txt=hello from a file")).await;

    agent.ok("browser_pdf_save", json!({ "filename": "it.pdf" })).await;
    assert!(house.ask("GET", "/api/rooms/main/files/it.pdf", ADMIN, b"").await.2.starts_with(b"%PDF"));
}

async fn by_coordinates(house: &House, agent: &mut Agent<'_>) {
    agent.go(&house.page()).await;
    agent.ok("browser_mouse_move_xy", json!({ "x": 600, "y": 60 })).await;
    agent.ok("browser_mouse_down", json!({})).await;
    agent.ok("browser_mouse_up", json!({})).await;
    agent.ok("browser_mouse_wheel", json!({ "deltaX": 0, "deltaY": 50 })).await;
    agent.until("() => seen.join()", json!("mousemove,mousedown,mouseup,wheel")).await;
    agent.run("() => { seen.length = 0 }").await;
    agent.ok("browser_mouse_click_xy", json!({ "x": 600, "y": 60, "clickCount": 2 })).await;
    let seen = agent.run("() => seen.join()").await;
    assert!(seen.as_str().is_some_and(|seen| seen.ends_with("mouseup,dblclick")), "{seen}");
    agent.run("() => { seen.length = 0 }").await;
    agent.ok("browser_mouse_drag_xy", json!({ "startX": 520, "startY": 40, "endX": 680, "endY": 100 })).await;
    let seen = agent.run("() => seen.join()").await;
    assert!(seen.as_str().is_some_and(|seen| seen.ends_with("mousedown,mousemove,mouseup")), "{seen}");
}

async fn for_tests(agent: &mut Agent<'_>) {
    let code = agent.ok("browser_generate_locator", json!({ "target": "#agree" })).await;
    assert!(code.text.contains("getByRole('checkbox', { name: 'Agree' })"), "{code}");
    let press = json!({ "role": "button", "accessibleName": "Press" });
    agent.ok("browser_verify_element_visible", press).await;
    let refused = agent
        .refused("browser_verify_element_visible", json!({ "role": "button", "accessibleName": "Pull" }))
        .await;
    assert_eq!(refused.code(), "verification", "{refused}");
    agent.ok("browser_verify_text_visible", json!({ "text": "Apple" })).await;
    assert_eq!(
        agent.refused("browser_verify_text_visible", json!({ "text": "Plum" })).await.code(),
        "verification"
    );
    let list = |items: Value| json!({ "element": "fruit", "target": "#fruit", "items": items });
    agent.ok("browser_verify_list_visible", list(json!(["Apple", "Pear"]))).await;
    assert_eq!(
        agent.refused("browser_verify_list_visible", list(json!(["Fig"]))).await.code(),
        "verification"
    );
    let value =
        |value: &str| json!({ "type": "combobox", "element": "colour", "target": "#colour", "value": value });
    agent.ok("browser_verify_value", value("Red")).await;
    let refused = agent.refused("browser_verify_value", value("Green")).await;
    assert!(refused.text.contains("\"Red\", not \"Green\""), "{refused}");
}

async fn network(house: &House, agent: &mut Agent<'_>) {
    agent.go(&house.page()).await;
    let heard = agent.ok("browser_console_messages", json!({ "level": "error" })).await;
    assert!(heard.text.contains("a loud error") && !heard.text.contains("a quiet word"), "{heard}");
    let fetch = "async () => { try { return await (await fetch('/api/item')).text() } catch (e) { return 'failed' } }";
    assert_eq!(agent.run(fetch).await, "an item");
    let listed = agent.ok("browser_network_requests", json!({ "filter": "/api/" })).await;
    assert!(listed.text.contains("/api/item") && listed.text.contains("200"), "{listed}");
    let number = listed.structured()["requests"][0]["number"].clone();
    let body = agent.ok("browser_network_request", json!({ "index": number, "part": "response-body" })).await;
    assert_eq!(body.text, "### Result\nan item");

    let route = json!({ "pattern": "**/api/*", "status": 201, "body": "made up" });
    agent.ok("browser_route", route).await;
    assert_eq!(agent.run(fetch).await, "made up");
    let routes = agent.ok("browser_route_list", json!({})).await;
    assert!(routes.text.contains("**/api/*"), "{routes}");
    let removed = agent.ok("browser_unroute", json!({ "pattern": "**/api/*" })).await;
    assert!(removed.text.contains("Removed 1"), "{removed}");
    assert_eq!(agent.run(fetch).await, "an item");
    agent.ok("browser_network_state_set", json!({ "state": "offline" })).await;
    assert_eq!(agent.run(fetch).await, "failed");
    agent.ok("browser_network_state_set", json!({ "state": "online" })).await;
    assert_eq!(agent.run(fetch).await, "an item");
}

async fn storage(house: &House, agent: &mut Agent<'_>) {
    agent.go(&house.page()).await;
    agent.ok("browser_cookie_set", json!({ "name": "one", "value": "1", "httpOnly": true })).await;
    agent.ok("browser_cookie_set", json!({ "name": "two", "value": "2" })).await;
    let one = agent.ok("browser_cookie_get", json!({ "name": "one" })).await;
    assert!(one.text.contains("one=1") && one.text.contains("httpOnly"), "{one}");
    agent.ok("browser_cookie_delete", json!({ "name": "two" })).await;
    let list = agent.ok("browser_cookie_list", json!({})).await;
    assert!(list.text.contains("one=1") && !list.text.contains("two=2"), "{list}");
    for (storage, object) in [("localstorage", "localStorage"), ("sessionstorage", "sessionStorage")] {
        let name = |what: &str| format!("browser_{storage}_{what}");
        for key in ["a", "b"] {
            agent.ok(&name("set"), json!({ "key": key, "value": format!("value of {key}") })).await;
        }
        assert_eq!(agent.run(&format!("() => {object}.a")).await, "value of a");
        let got = agent.ok(&name("get"), json!({ "key": "b" })).await;
        assert_eq!(got.structured()["value"], "value of b", "{got}");
        agent.ok(&name("delete"), json!({ "key": "b" })).await;
        let list = agent.ok(&name("list"), json!({})).await;
        assert!(list.text.contains("a=value of a") && !list.text.contains("b="), "{list}");
    }
    agent.ok("browser_storage_state", json!({ "filename": "state.json" })).await;
    for storage in ["localstorage", "sessionstorage"] {
        agent.ok(&format!("browser_{storage}_clear"), json!({})).await;
    }
    agent.ok("browser_cookie_clear", json!({})).await;
    let none = agent.ok("browser_cookie_list", json!({})).await;
    assert!(none.text.contains("No cookies"), "{none}");
    assert_eq!(agent.run("() => localStorage.length + sessionStorage.length").await, 0);
    agent.ok("browser_set_storage_state", json!({ "filename": "state.json" })).await;
    let one = agent.ok("browser_cookie_get", json!({ "name": "one" })).await;
    assert!(one.text.contains("one=1"), "{one}");
    assert_eq!(agent.run("() => localStorage.a").await, "value of a");
}

async fn for_developers(house: &House, agent: &mut Agent<'_>) {
    agent.go(&house.page()).await;
    let dark = "() => matchMedia('(prefers-color-scheme: dark)').matches";
    agent.ok("browser_emulate_media", json!({ "colorScheme": "dark" })).await;
    assert_eq!(agent.run(dark).await, true);
    agent.ok("browser_emulate_media", json!({ "colorScheme": null })).await;
    assert_eq!(agent.run(dark).await, false);
    agent.ok("browser_emulate", json!({ "timezone": "Asia/Tokyo", "locale": "de-DE" })).await;
    assert_eq!(agent.run("() => new Date(0).getHours()").await, 9);
    assert_eq!(agent.run("() => (1.5).toLocaleString()").await, "1,5");
    let undone = agent.ok("browser_emulate", json!({ "timezone": null, "locale": null })).await;
    assert!(undone.text.contains("Nothing is emulated"), "{undone}");
    agent.ok("browser_highlight", json!({ "target": "#press", "style": "outline: 2px solid red" })).await;
    agent.ok("browser_hide_highlight", json!({})).await;

    agent.ok("browser_start_tracing", json!({ "reload": true })).await;
    let refused = agent.refused("browser_start_tracing", json!({})).await;
    assert!(refused.text.contains("browser_stop_tracing"), "{refused}");
    let trace = agent.ok("browser_stop_tracing", json!({})).await;
    assert!(trace.text.contains("LCP") && trace.text.contains("/files/trace.json"), "{trace}");
    agent.ok("browser_start_video", json!({})).await;
    agent.ok("browser_video_show_actions", json!({ "duration": 50 })).await;
    agent.ok("browser_video_chapter", json!({ "title": "One", "duration": 50 })).await;
    agent.ok("browser_video_hide_actions", json!({})).await;
    let video = agent.ok("browser_stop_video", json!({})).await;
    assert!(video.text.contains(".webm"), "{video}");
    agent.ok("browser_start_profiling", json!({})).await;
    agent.run("() => { const end = performance.now() + 100; function burn() { while (performance.now() < end); } burn() }").await;
    let profile = agent.ok("browser_stop_profiling", json!({})).await;
    assert!(profile.text.contains("burn"), "{profile}");
    let heap = agent.ok("browser_heap_snapshot", json!({})).await;
    assert!(heap.text.contains("/files/page.heapsnapshot"), "{heap}");
    agent.ok("browser_start_recording", json!({})).await;
    agent.ok("browser_stop_recording", json!({})).await;
    agent.ok("browser_run_code_unsafe", json!({ "code": "async (page) => page.pause()" })).await;
    agent.ok("browser_resume", json!({})).await;
    let config = agent.ok("browser_get_config", json!({})).await;
    assert_eq!(config.structured()["room"], "main", "{config}");
}

async fn with_people(agent: &mut Agent<'_>) {
    let said = agent.ok("say", json!({ "text": "hello" })).await;
    assert!(said.text.contains("Nobody is watching"), "{said}");
    let nobody = agent.ok("wait_for_user", json!({ "timeout": 1 })).await;
    assert!(nobody.text.contains("Nobody used the browser within 1 s"), "{nobody}");
    let nobody = agent.ok("request_help", json!({ "reason": "log in", "timeout": 1 })).await;
    assert_eq!(nobody.structured()["outcome"], "unanswered", "{nobody}");
    agent.used.insert("browser_annotate".into()); // in tests/recorder.rs, with somebody to ask
    let changed = agent.ok("what_changed", json!({})).await;
    assert!(changed.structured()["facts"].is_array(), "{changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_with_words_that_help() {
    let house = House::open().await;
    let mut agent = house.agent(&house.token("agent", Some("all")));
    let page = agent.go(&house.page()).await;

    for (tool, arguments, status, code, words) in [
        ("browser_clik", json!({}), 404, "unknown_tool", "browser_click"),
        ("frobnicate", json!({}), 404, "unknown_tool", "tools/list"),
        ("browser_click", json!({ "ref": "e1" }), 400, "bad_argument", "\"target\""),
        ("browser_click", json!({}), 400, "bad_argument", "target"),
        ("browser_click", json!({ "target": 5 }), 400, "bad_argument", "string"),
        ("browser_click", json!({ "target": "getByRole(" }), 400, "bad_locator", "getByRole"),
        ("browser_click", json!({ "target": "e99999" }), 422, "stale_ref", "browser_snapshot"),
        ("browser_click", json!({ "target": ".twin" }), 422, "many_matches", ".nth("),
        ("browser_click", json!({ "target": "#none" }), 422, "no_match", "waiting for"),
        ("browser_click", json!({ "target": "getByText('Off')" }), 422, "disabled", "Call log"),
        ("browser_click", json!({ "target": "#under" }), 422, "covered", "over"),
        (
            "browser_select_option",
            json!({ "target": "#colour", "values": ["Blue"] }),
            422,
            "no_option",
            "Blue",
        ),
        ("browser_press_key", json!({ "key": "Entr" }), 400, "bad_argument", "Entr"),
        ("browser_navigate", json!({ "url": "file:///etc/passwd" }), 400, "address", "file"),
        ("browser_navigate", json!({ "url": "javascript:alert(1)" }), 400, "address", "javascript"),
        ("browser_handle_dialog", json!({ "accept": true }), 422, "no_dialog", "no dialog"),
        ("browser_file_upload", json!({ "files": [] }), 422, "no_file_chooser", "target"),
        ("browser_tabs", json!({ "action": "select", "index": 40 }), 422, "no_tab", "40"),
        ("browser_tabs", json!({ "action": "select" }), 400, "bad_argument", "index"),
        (
            "browser_evaluate",
            json!({ "function": "() => { throw new Error('oh') }" }),
            422,
            "page_error",
            "oh",
        ),
        ("browser_evaluate", json!({ "function": "() => {" }), 422, "page_error", "SyntaxError"),
        ("browser_find", json!({ "regex": "(" }), 422, "refused", "unclosed"),
        ("browser_network_requests", json!({ "filter": "(" }), 400, "bad_argument", "filter"),
        ("browser_network_request", json!({ "index": 9999 }), 400, "bad_argument", "9999"),
        (
            "browser_set_storage_state",
            json!({ "filename": "none.json" }),
            400,
            "bad_argument",
            "browser_storage_state",
        ),
        ("browser_stop_tracing", json!({}), 422, "refused", "browser_start_tracing"),
        ("browser_wait_for", json!({}), 400, "bad_argument", "textGone"),
        ("request_help", json!({ "reason": " " }), 400, "bad_argument", "reason"),
        ("wait_for_user", json!({ "timeout": 0 }), 400, "bad_argument", "3600"),
    ] {
        let refused = agent.refused(tool, arguments.clone()).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{tool} {arguments}: {refused}");
        assert!(refused.text.contains(words), "{tool} {arguments}: {words:?} is not in {refused}");
    }
    let (status, _, body) = house.ask("POST", "/api/rooms/main/tools/browser_tabs", ADMIN, b"[1").await;
    assert!(status == 400 && String::from_utf8_lossy(&body).contains("JSON object"));
    assert_eq!(house.ask("POST", "/api/rooms/none/tools/browser_tabs", ADMIN, b"").await.0, 404);

    // Drawn anew it keeps its ref; one that was drawn since the last look has another, which the error names.
    let old = page.reference("button \"Old one\"");
    agent.ok("browser_click", json!({ "target": "#redraw" })).await;
    agent.ok("browser_click", json!({ "target": old })).await;
    agent.run("() => redraw.ondblclick()").await;
    let stale = agent.refused("browser_click", json!({ "target": old })).await;
    assert_eq!(stale.code(), "stale_ref", "{stale}");
    let now =
        stale.text.split("name now is ").nth(1).and_then(|rest| rest.split(':').next()).expect("a new ref");
    agent.ok("browser_click", json!({ "target": now })).await;

    // A dialog in the way says so; it is there until somebody answers it.
    agent.ok("browser_click", json!({ "target": "#ask" })).await;
    let blocked = agent.refused("browser_click", json!({ "target": "#press" })).await;
    assert!(blocked.code() == "dialog" && blocked.text.contains("Your name?"), "{blocked}");
    let shown = agent.ok("browser_snapshot", json!({})).await;
    assert!(shown.text.contains("### Modal state"), "{shown}");
    agent.ok("browser_handle_dialog", json!({ "accept": false })).await;
    agent.until("() => out.value", json!("said null")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_its_groups_and_each_agent_has_its_own_tabs() {
    let house = House::open().await;
    let core = house.token("agent", Some("core"));
    let names = house.listed(&core).await;
    assert!(
        names.contains(&"browser_click".into()) && !names.contains(&"browser_cookie_list".into()),
        "{names:?}"
    );
    let mut agent = house.agent(&core);
    let refused = agent.refused("browser_cookie_list", json!({})).await;
    assert_eq!((refused.status, refused.code()), (404, "unknown_tool"), "{refused}");
    assert!(refused.text.contains("--tools core,storage"), "{refused}");
    let viewer = house.token("viewer", None);
    for path in ["tools", "files"] {
        assert_eq!(house.ask("GET", &format!("/api/rooms/main/{path}"), &viewer, b"").await.0, 403, "{path}");
    }
    for path in ["tools/browser_snapshot", "tools/browser_click"] {
        assert_eq!(
            house.ask("POST", &format!("/api/rooms/main/{path}"), &viewer, b"{}").await.0,
            403,
            "{path}"
        );
    }
    assert_eq!(house.ask("PUT", "/api/rooms/main/files/x", &viewer, b"x").await.0, 403);
    assert_eq!(house.ask("POST", "/api/rooms/main/tools/browser_snapshot", "wrong", b"").await.0, 401);

    let other = house.token("agent", None);
    let mut other = house.agent(&other);
    agent.ok("browser_tabs", json!({ "action": "new", "url": house.page() })).await;
    other.ok("browser_tabs", json!({ "action": "new", "url": house.at("/other") })).await;
    let (mine, theirs) = tokio::join!(
        agent.ok("browser_type", json!({ "target": "#name", "text": "mine" })),
        other.ok("browser_snapshot", json!({})),
    );
    assert!(mine.text.contains("fill(\"mine\")"), "{mine}");
    assert!(theirs.text.contains("Page Title: Other"), "{theirs}");
    // One closes its tab: the other goes on in its own.
    other.ok("browser_close", json!({})).await;
    assert_eq!(agent.run("() => name_.value").await, "mine");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_without_end_stops_its_own_calls_only() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    let other = house.token("agent", None);
    let mut other = house.agent(&other);
    agent.ok("browser_tabs", json!({ "action": "new", "url": house.page() })).await;
    other
        .ok("browser_tabs", json!({ "action": "new", "url": house.page().replace("127.0.0.1", "localhost") }))
        .await;
    agent.run("() => { press.onclick = () => { while (true); } }").await;
    let (clicked, lively) = tokio::join!(agent.call("browser_click", json!({ "target": "#press" })), async {
        let began = Instant::now();
        for n in 0..5 {
            let text = format!("turn {n}");
            other.ok("browser_type", json!({ "target": "#name", "text": text })).await;
            assert_eq!(other.run("() => name_.value").await, text);
        }
        began.elapsed()
    });
    assert!(clicked.text.contains("does not answer"), "{clicked}");
    assert!(lively < Duration::from_secs(40), "the other tab waited {lively:?}");
    let stuck = agent.refused("browser_click", json!({ "target": "#press" })).await;
    assert!(["stuck", "timed_out"].contains(&stuck.code()), "{stuck}");
    // Leaving the page ends its loop, also for a page of the same site and process.
    let began = Instant::now();
    agent.go(&house.at("/other")).await;
    assert!(agent.ok("browser_snapshot", json!({})).await.text.contains("Page Title: Other"));
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());

    // A thousand popups, for which Chromium takes the click as leave for one at a time.
    agent.go(&house.page()).await;
    agent
        .run("() => { press.onclick = () => { for (let n = 0; n < 1000; n += 1) open('/other?' + n); } }")
        .await;
    agent.ok("browser_click", json!({ "target": "#press" })).await;
    let began = Instant::now();
    assert_eq!(other.run("() => name_.value").await, "turn 4");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    let tabs = other.tabs().await;
    assert!(tabs.len() <= 40, "{} tabs are open", tabs.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_answer_dialogs_help_and_are_waited_for() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    agent.ok("what_changed", json!({})).await;

    // Help: taken up and done with a note; declined.
    let mut person = house.person_socket().await;
    let said = agent.ok("say", json!({ "text": "hello" })).await;
    assert!(said.text.contains("Shown to one person"), "{said}");
    for (answer, outcome) in [
        (json!({ "kind": "done", "note": "logged in" }), "done"),
        (json!({ "kind": "decline", "note": "not now" }), "declined"),
    ] {
        let note = answer["note"].as_str().expect("a note").to_owned();
        let helping = async {
            let id = person.until_help().await;
            person.send(json!({ "type": "help", "id": id, "answer": { "kind": "accept" } })).await;
            person.send(json!({ "type": "help", "id": id, "answer": answer })).await;
        };
        let asking = agent.ok("request_help", json!({ "reason": "Please log in", "timeout": 20 }));
        let (asked, ()) = tokio::join!(asking, helping);
        assert_eq!(asked.structured()["outcome"], outcome, "{asked}");
        assert!(asked.text.contains(&note), "{asked}");
    }

    // A person uses the browser: waited for, told of, and acts of agents wait meanwhile.
    let viewer = house.person().await;
    let press = |down| Input::Button { at: Point { x: 40, y: 690 }, button: Button::Left, down };
    let using = async {
        house.until(|view| view["present"].as_array().is_some_and(|all| !all.is_empty())).await;
        viewer.input(0, 0, press(true)).await.expect("sent");
        house.until(|view| view["holder"]["kind"] == "person").await;
        viewer.input(1, 1, press(false)).await.expect("sent");
    };
    let (waited, ()) = tokio::join!(agent.ok("wait_for_user", json!({ "timeout": 20 })), using);
    assert!(waited.text.contains("used the browser and is still again"), "{waited}");

    // Progress to an MCP client while it waits for the floor; the call ends when it hangs up.
    viewer.input(2, 2, press(true)).await.expect("sent");
    house.until(|view| view["holder"]["kind"] == "person").await;
    let keep = async {
        let mut n = 3;
        loop {
            let at = Point { x: 40 + i32::from(n % 2 == 0), y: 690 };
            viewer.input(n, n, Input::Move(at)).await.expect("sent");
            n += 1;
            // A hand that goes on moving.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let mut mcp = house.mcp(ADMIN).await;
    let told = mcp.call_until_progress("browser_click", json!({ "target": "#press" }));
    let told = tokio::select! { told = told => told, () = keep => unreachable!("it goes on") };
    assert!(told.contains("waiting for the person"), "{told}");
    viewer.input(9000, 9000, press(false)).await.expect("sent");
    house
        .until(|view| view["holder"].is_null() && view["waiting"].as_array().is_none_or(Vec::is_empty))
        .await;
    assert_ne!(agent.out().await, "click 1 0 false", "a call that was given up still clicked");

    // A dialog that an agent's click opened is answered by somebody else.
    agent.ok("browser_click", json!({ "target": "#ask" })).await;
    let second = house.token("agent", None);
    let mut second = house.agent(&second);
    let shown = second.ok("browser_snapshot", json!({})).await;
    assert!(shown.text.contains("Your name?"), "{shown}");
    viewer.input(9001, 9001, escape(true)).await.expect("sent");
    viewer.input(9002, 9002, escape(false)).await.expect("sent");
    agent.until("() => out.value", json!("said null")).await;
    let changed = agent.ok("what_changed", json!({})).await;
    assert!(
        changed.text.contains("dialog opened: \"Your name?\"") && changed.text.contains("dismissed"),
        "{changed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn isolated_contexts_end_with_the_session_that_made_them() {
    let house = House::open().await;
    let mut watching = house.agent(ADMIN);
    let before = watching.tabs().await.len();
    let mut mcp = house.mcp(ADMIN).await;
    let alone = json!({ "action": "new", "url": house.at("/other"), "isolatedContext": "alone" });
    let opened = mcp.ask("tools/call", json!({ "name": "browser_tabs", "arguments": alone })).await;
    assert!(opened["result"]["isError"] != true, "{opened}");
    assert_eq!(watching.tabs().await.len(), before + 1);
    mcp.end().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while watching.tabs().await.len() > before {
        assert!(Instant::now() < deadline, "its tab is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_doors_list_the_same_tools_and_a_cancelled_call_lets_go() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    let mut mcp = house.mcp(ADMIN).await;
    let listed = mcp.ask("tools/list", json!({})).await;
    let (_, _, body) = house.ask("GET", "/api/rooms/main/tools", ADMIN, b"").await;
    let body: Value = serde_json::from_slice(&body).expect("json");
    assert_eq!(listed["result"]["tools"], body["tools"]);
    for tool in body["tools"].as_array().expect("tools") {
        let notes = &tool["annotations"];
        for hint in ["readOnlyHint", "destructiveHint", "openWorldHint"] {
            assert!(notes[hint].is_boolean(), "{tool}");
        }
    }
    let answer = mcp.ask("tools/call", json!({ "name": "browser_clik", "arguments": {} })).await;
    assert!(
        answer["error"]["message"].as_str().is_some_and(|text| text.contains("browser_click")),
        "{answer}"
    );

    // Cancelled in the middle of the wait for an element: the floor is free at once.
    let waiting = json!({ "name": "browser_click", "arguments": { "target": "#none" } });
    let (id, _answer) = mcp.post("tools/call", waiting).await;
    house.until(|view| view["holder"]["kind"] == "agent").await;
    let began = Instant::now();
    mcp.notify("notifications/cancelled", json!({ "requestId": id })).await;
    house.until(|view| view["holder"].is_null()).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    // So it is for a client over HTTP that hangs up.
    let hanging = house.hang("browser_click", json!({ "target": "#none" })).await;
    house.until(|view| view["holder"]["kind"] == "agent").await;
    let began = Instant::now();
    drop(hanging);
    house.until(|view| view["holder"].is_null()).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    agent.ok("browser_click", json!({ "target": "#press" })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_playwright_mcp_takes_is_taken_here() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/playwright-mcp-tools.mjs");
    let output = tokio::task::block_in_place(|| std::process::Command::new("node").arg(script).output());
    let output = output.expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Vec<Value> = serde_json::from_slice(&output.stdout).expect("tools");
    assert!(theirs.len() > 60, "they are {}", theirs.len());
    let house = House::open().await;
    let all = house.token("agent", Some("all"));
    let (_, _, body) = house.ask("GET", "/api/rooms/main/tools", &all, b"").await;
    let ours: Value = serde_json::from_slice(&body).expect("json");
    let ours = ours["tools"].as_array().expect("tools");

    let mut missing = Vec::new();
    for tool in &theirs {
        let name = tool["name"].as_str().expect("a name");
        let Some(own) = ours.iter().find(|own| own["name"] == name) else {
            missing.push(name.to_owned());
            continue;
        };
        let (theirs, own) = (&tool["inputSchema"], &own["inputSchema"]);
        for (argument, schema) in theirs["properties"].as_object().expect("properties") {
            check_argument(name, argument, schema, &own["properties"][argument], &mut missing);
        }
        let needed = |schema: &Value| schema["required"].as_array().cloned().unwrap_or_default();
        for argument in needed(own).iter().filter(|argument| !needed(theirs).contains(argument)) {
            missing.push(format!("{name}: {argument} may be left out there"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The argument is here, of a type that takes the same values.
fn check_argument(tool: &str, argument: &str, theirs: &Value, own: &Value, missing: &mut Vec<String>) {
    if own.is_null() {
        return missing.push(format!("{tool}: {argument}"));
    }
    let kind = |schema: &Value| schema["type"].as_str().map(|kind| kind.replace("integer", "number"));
    if let (Some(there), Some(here)) = (kind(theirs), kind(own))
        && there != here
    {
        missing.push(format!("{tool}: {argument} is {here} here and {there} there"));
    }
    if let (Some(there), Some(here)) = (theirs["enum"].as_array(), own["enum"].as_array()) {
        for value in there.iter().filter(|value| !here.contains(value)) {
            missing.push(format!("{tool}: {argument} does not take {value}"));
        }
    }
    if let (Some(there), Some(here)) =
        (theirs["items"]["properties"].as_object(), own["items"]["properties"].as_object())
    {
        for (inner, schema) in there {
            let own = here.get(inner).unwrap_or(&Value::Null);
            check_argument(tool, &format!("{argument}.{inner}"), schema, own, missing);
        }
    }
}

fn escape(down: bool) -> Input {
    Input::Key { keysym: 0xff1b, code: 0, down, modifiers: Modifiers::default() }
}
