//! The record of a real room: an agent acts, a person takes over and types a
//! password, a CDP client acts. All of it is written in order, no secret with
//! it, and anyone can see that nothing was changed.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tandem::base::{Button, Input, Point};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

#[allow(dead_code, reason = "other tests use the rest of it")]
mod house;
use house::{ADMIN, House};

async fn get(house: &House, path: &str) -> Value {
    let (status, _, body) = house.ask("GET", path, ADMIN, b"").await;
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).expect("json")
}

/// The lines that fit, the oldest first.
async fn lines(house: &House, query: &str) -> Vec<Value> {
    let found = get(house, &format!("/api/rooms/main/audit?oldest_first=true&limit=500&{query}")).await;
    let lines = found["lines"].as_array().expect("lines");
    lines.iter().map(|signed| signed["line"].clone()).collect()
}

/// Posts JSON to the API.
async fn post(house: &House, path: &str, body: Value) -> u16 {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
        host = house.address()
    );
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(house.address()).await.expect("connects");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("answered");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

fn position(lines: &[Value], so: impl Fn(&Value) -> bool, what: &str) -> usize {
    lines.iter().position(so).unwrap_or_else(|| panic!("no {what} in {lines:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_done_stands_in_order_and_no_secret_with_it() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&format!("{}?key=hunter2query#hunter2part", house.page())).await;
    agent.ok("browser_type", json!({ "target": "#password", "text": "hunter2typed" })).await;
    agent
        .ok(
            "browser_fill_form",
            json!({ "fields": [
        { "target": "#password", "name": "Password", "type": "textbox", "value": "hunter2filled" },
    ] }),
        )
        .await;
    agent.run("() => { window.own = 'hunter2code'; }").await;
    agent.refused("browser_click", json!({ "target": "#nothing-of-hunter-kind" })).await;
    agent.ok("browser_snapshot", json!({})).await;

    // A person takes over, types a password and hands back.
    let person = house.person().await;
    assert_eq!(post(&house, "/api/rooms/main/floor/takeover", json!({})).await, 200);
    let refused = agent.call("browser_click", json!({ "target": "#press" })).await;
    assert!(refused.text.contains("took over"), "{refused}");
    let at = Point { x: 300, y: 300 };
    person.input(0, 0, Input::Button { at, button: Button::Left, down: true }).await.expect("sent");
    person.input(1, 1, Input::Button { at, button: Button::Left, down: false }).await.expect("sent");
    person.input(2, 2, Input::Text("hunter2hand".into())).await.expect("sent");
    house.until(|view| view["holder"]["kind"] == "person").await;
    // Inputs go one after the other; the echo of a further one says that they were taken.
    person.echo(std::time::Duration::from_secs(60)).await.expect("taken");
    let note = json!({ "note": "logged in with code 483920" });
    assert_eq!(post(&house, "/api/rooms/main/floor/handback", note).await, 200);

    // The press into the field had begun a private moment, which the hand-back ends.
    house.until(|view| view["private"].is_null()).await;
    // A CDP client acts.
    let mut request = format!("ws://{}/cdp/main/devtools/browser/x", house.address())
        .into_client_request()
        .expect("request");
    request.headers_mut().insert("authorization", format!("Bearer {ADMIN}").parse().expect("value"));
    let (mut cdp, _) = connect_async(request).await.expect("opens");
    let params = json!({ "url": format!("{}?k=hunter2cdp", house.at("/other")) });
    let call = json!({ "id": 1, "method": "Target.createTarget", "params": params });
    cdp.send(Message::text(call.to_string())).await.expect("sent");
    loop {
        let Message::Text(text) = cdp.next().await.expect("open").expect("read") else { continue };
        let answer: Value = serde_json::from_str(&text).expect("json");
        if answer["id"] == 1 {
            assert!(answer["result"]["targetId"].is_string(), "{answer}");
            break;
        }
    }
    cdp.close(None).await.expect("closes");
    house.until(|view| view["holder"].is_null()).await;

    // Settings of the room are in it too.
    let rules = json!({ "rules": [] }).to_string();
    let (status, _, body) = house.ask("PUT", "/api/rooms/main/rules", ADMIN, rules.as_bytes()).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    assert_eq!(post(&house, "/api/rooms/main/tokens", json!({ "role": "viewer" })).await, 201);

    let all = lines(&house, "").await;
    let tool = |name: &'static str, outcome: &'static str| {
        move |line: &Value| line["what"] == name && line["outcome"] == outcome
    };
    let order = [
        position(&all, tool("browser_navigate", "begun"), "navigation"),
        position(&all, tool("browser_navigate", "done"), "end of the navigation"),
        position(&all, tool("browser_type", "begun"), "typing"),
        position(&all, tool("browser_evaluate", "done"), "evaluation"),
        position(&all, tool("browser_click", "failed"), "failed click"),
        position(&all, tool("browser_snapshot", "done"), "look"),
        position(&all, |line| line["what"] == "took over", "takeover"),
        position(&all, tool("browser_click", "refused"), "refused click"),
        position(&all, |line| line["kind"] == "input", "hands"),
        position(&all, |line| line["what"] == "handed back", "hand-back"),
        position(&all, tool("cdp", "begun"), "lease"),
        position(&all, |line| line["what"] == "Target.createTarget", "CDP act"),
        position(&all, |line| line["kind"] == "rules" && line["outcome"] == "done", "rules"),
        position(&all, |line| line["kind"] == "token" && line["outcome"] == "done", "token"),
    ];
    assert!(order.is_sorted(), "{order:?} {all:#?}");
    let hands = &all[order[8]]["details"];
    // What went into the password is not even counted.
    assert!(hands["presses"] == 1 && hands["texts"] == 0, "{hands}");
    assert_eq!(all[order[2]]["details"]["text"]["characters"], 12);
    let seqs: Vec<_> = all.iter().map(|line| line["seq"].as_u64().expect("a number")).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());

    let (_, head, export) = house.ask("GET", "/api/rooms/main/audit.jsonl", ADMIN, b"").await;
    let export = String::from_utf8_lossy(&export);
    assert!(head.contains("application/jsonl"), "{head}");
    assert!(!export.contains("hunter2") && !export.contains("483920") && !export.contains(ADMIN), "{export}");
    let verified = get(&house, "/api/rooms/main/audit/verify").await;
    assert!(verified["ok"] == true && verified["lines"].as_u64() >= Some(all.len() as u64), "{verified}");

    // Filters, and who may read.
    assert!(lines(&house, "kind=look").await.iter().all(|line| line["kind"] == "look"));
    assert_eq!(lines(&house, "kind=floor&text=Handed%20BACK").await.len(), 1);
    for (role, status) in [("agent", 403), ("viewer", 403), ("controller", 200)] {
        let token = house.token(role, None);
        assert_eq!(house.ask("GET", "/api/rooms/main/audit", &token, b"").await.0, status, "{role}");
    }
    for (path, status) in [
        ("/api/rooms/main/audit?limit=0", 400),
        ("/api/rooms/main/audit?limit=501", 400),
        ("/api/rooms/main/audit?kind=nonsense", 400),
        ("/api/rooms/main/audit?from=yesterday", 400),
        ("/api/rooms/none/audit", 404),
    ] {
        assert_eq!(house.ask("GET", path, ADMIN, b"").await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_not_done_and_done_again_when_it_can() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    let database = rusqlite::Connection::open(house.data_dir().join("tandem.db")).expect("opens");
    database
        .execute_batch(
            "CREATE TRIGGER fails BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
        )
        .expect("broken");
    let refused = agent.refused("browser_click", json!({ "target": "#press" })).await;
    assert!(refused.code() == "record" && refused.text.contains("disk is full"), "{refused}");
    let (status, _, body) = house.ask("PUT", "/api/rooms/main/rules", ADMIN, b"{\"rules\":[]}").await;
    assert_eq!(status, 503, "{}", String::from_utf8_lossy(&body));
    let looked = agent.ok("browser_snapshot", json!({})).await;
    assert!(!looked.text.contains("click 1"), "the press was not done: {looked}");
    database.execute_batch("DROP TRIGGER fails").expect("mended");
    let clicked = agent.ok("browser_click", json!({ "target": "#press" })).await;
    assert!(clicked.text.contains("click 1 0"), "{clicked}");
    let looks = lines(&house, "kind=look").await;
    assert_eq!(looks.len(), 1, "what was looked at meanwhile is there: {looks:?}");
    assert_eq!(get(&house, "/api/rooms/main/audit/verify").await["ok"], true);
}
