//! Rules and approvals with a real room: what is denied does not happen at
//! any door, what asks waits for a person, and a yes is for the page as it was.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

#[allow(dead_code, reason = "other tests use the rest")]
mod house;
use house::asking::SHOP;
use house::{ADMIN, House};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rule_denies_happens_at_no_door_and_names_the_rule() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    let deny = json!({ "rules": [
        { "name": "no-other", "effect": "deny", "what": ["browser_*", "Page.*", "Target.*"],
          "classes": "navigate", "where": house.site(), "note": "stay" },
        { "name": "no-pay", "effect": "deny", "matching": { "target": { "role": "button", "name": "Pay*" } } },
    ]});
    let (status, kept) = house.put_rules("/api/rooms/main/rules", &deny).await;
    assert_eq!((status, kept["rules"].as_array().map(Vec::len)), (200, Some(2)), "{kept}");
    let refused = agent.refused("browser_navigate", json!({ "url": house.at("/other") })).await;
    assert!(refused.code() == "denied" && refused.text.contains("no-other"), "{refused}");
    agent.run(SHOP).await;
    let refused = agent.refused("browser_click", json!({ "target": "#pay" })).await;
    assert!(refused.code() == "denied" && refused.text.contains("no-pay"), "{refused}");
    assert_eq!(agent.run("() => paid.value").await, "0");

    let mut client = Client::open(&house).await;
    let session = client.at(&house.page()).await;
    let url = house.at("/other");
    let refusal =
        client.ask(Some(&session), "Page.navigate", json!({ "url": url })).await.expect_err("denied");
    assert!(refusal.contains("no-other"), "{refusal}");
    let refusal = client.ask(None, "Target.createTarget", json!({ "url": url })).await.expect_err("denied");
    assert!(refusal.contains("no-other"), "{refusal}");
    let path = format!("/cdp/main/json/new?{url}");
    let (status, _, body) = house.ask("PUT", &path, ADMIN, b"").await;
    assert!(status == 403 && String::from_utf8_lossy(&body).contains("no-other"));

    // All of it stands in the record, with the rule.
    let expected = [
        ("act", "browser_navigate", "no-other"),
        ("act", "browser_click", "no-pay"),
        ("decision", "Page.navigate", "no-other"),
        ("decision", "Target.createTarget", "no-other"),
        ("act", "Target.createTarget", "no-other"),
    ];
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let path = "/api/rooms/main/audit?outcome=refused&limit=500";
        let (_, _, found) = house.json("GET", path, ADMIN, b"").await;
        let lines = found["lines"].as_array().cloned().unwrap_or_default();
        let has = |(kind, what, rule): &(&str, &str, &str)| {
            lines.iter().map(|signed| &signed["line"]).any(|line| {
                line["kind"] == *kind
                    && line["what"] == *what
                    && line["reason"].as_str().is_some_and(|why| why.contains(rule))
            })
        };
        if expected.iter().all(has) {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{:?} are not in {lines:#?}",
            expected.iter().filter(|line| !has(line)).collect::<Vec<_>>()
        );
        // Another process' doings have no event here.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // Broken rules change nothing and say where they are wrong.
    let broken = b"{ \"rules\": [\n { \"name\": \"x\", \"efect\": \"deny\" } ] }";
    let (status, _, body) = house.json("PUT", "/api/rooms/main/rules", ADMIN, broken).await;
    let why = body.to_string();
    assert!(status == 400 && why.contains("line 2") && why.contains("effect"), "{why}");
    agent.refused("browser_navigate", json!({ "url": house.at("/other") })).await;
    // A dry run says the same and does nothing.
    let action = json!({ "tool": "browser_navigate", "classes": ["navigate"], "places": [house.site()] });
    let (status, _, told) =
        house.json("POST", "/api/rooms/main/rules/test", ADMIN, action.to_string().as_bytes()).await;
    assert!(status == 200 && told["decision"]["effect"] == "deny", "{told}");
    let viewer = house.token("viewer", None);
    assert_eq!(house.ask("GET", "/api/rooms/main/rules", &viewer, b"").await.0, 403);
    let person = house.token("controller", None);
    assert_eq!(house.ask("PUT", "/api/rooms/main/rules", &person, b"{\"rules\":[]}").await.0, 403);
    assert_eq!(house.ask("PUT", "/api/rules", &person, b"{\"rules\":[]}").await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_waits_for_a_person_and_one_yes_is_one_act() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    agent.run(SHOP).await;
    let ask = json!({ "rules": [{ "name": "look-first", "effect": "ask",
        "matching": { "target": { "name": ["Pay*", "Password*"] } } }] });
    assert_eq!(house.put_rules("/api/rules", &ask).await.0, 200);

    let viewer = house.token("viewer", None);
    let bob = house.token("controller", None);
    let click = json!({ "target": "#pay", "element": "the pay button" });
    let (reply, ()) = tokio::join!(agent.call("browser_click", click.clone()), async {
        let asked = house.asked("").await;
        assert_eq!((asked["tool"].as_str(), asked["room"].as_str()), (Some("browser_click"), Some("main")));
        assert_eq!(asked["targets"], json!([{ "role": "button", "name": "Pay now" }]));
        assert_eq!((asked["why"].as_str(), asked["position"].as_u64()), (Some("the pay button"), Some(1)));
        assert_eq!(asked["rule"]["name"], "look-first");
        let path = format!("/api/approvals/{}/picture", asked["id"].as_str().expect("id"));
        let (status, _, picture) = house.ask("GET", &path, ADMIN, b"").await;
        assert!(status == 200 && picture.starts_with(&[0xff, 0xd8]), "a picture");
        let once = json!({ "answer": "once" });
        assert_eq!(house.answer(&viewer, &asked, &once).await.0, 403, "a viewer has no say");
        assert_eq!(house.answer(ADMIN, &asked, &json!({ "answer": "perhaps" })).await.0, 400);
        assert_eq!(house.answer(&bob, &asked, &once).await.0, 204);
        let (status, why) = house.answer(ADMIN, &asked, &once).await;
        assert!(status == 409 && why.to_string().contains("already"), "{why}");
    });
    assert!(reply.status == 200, "{reply}");
    assert_eq!(agent.run("() => paid.value").await, "1");

    // The next one is asked again; no is no, with a word.
    let (reply, ()) = tokio::join!(agent.call("browser_click", click.clone()), async {
        let asked = house.asked("").await;
        let no = json!({ "answer": "deny", "message": "too expensive" });
        assert_eq!(house.answer(&bob, &asked, &no).await.0, 204);
    });
    assert!(reply.code() == "denied" && reply.text.contains("too expensive"), "{reply}");
    assert_eq!(agent.run("() => paid.value").await, "1");

    // The page changes while a person thinks: the yes was for another page, so it is asked again.
    let mut other = house.agent(ADMIN);
    let (reply, ()) = tokio::join!(agent.call("browser_click", click.clone()), async {
        let asked = house.asked("").await;
        let swap = "() => { const b = pay.cloneNode(true); b.textContent = 'Pay now'; pay.replaceWith(b); }";
        let mut client = Client::open(&house).await;
        let session = client.at(&house.page()).await;
        client.evaluate(&session, &format!("({swap})()")).await;
        assert_eq!(house.answer(&bob, &asked, &json!({ "answer": "once" })).await.0, 204);
        let again = house.asked(asked["id"].as_str().expect("id")).await;
        assert_eq!(house.answer(&bob, &again, &json!({ "answer": "always-for-origin" })).await.0, 204);
    });
    assert!(reply.status == 200, "{reply}");
    assert_eq!(agent.run("() => paid.value").await, "2");
    // From now on it is not asked any more, by this agent, here.
    agent.ok("browser_click", click).await;
    assert_eq!(agent.run("() => paid.value").await, "3");
    let (_, _, rules) = house.json("GET", "/api/rooms/main/rules", ADMIN, b"").await;
    assert_eq!(rules["rules"][0]["over"], "server/look-first", "{rules}");

    // What goes into a password is shown to nobody.
    let typed = json!({ "target": "#secret", "text": "hunter2" });
    let (reply, ()) = tokio::join!(other.call("browser_type", typed), async {
        let asked = house.asked("").await;
        assert!(!asked.to_string().contains("hunter2"), "{asked}");
        assert!(asked["classes"].to_string().contains("credentials"), "{asked}");
        assert_eq!(house.answer(&bob, &asked, &json!({ "answer": "once" })).await.0, 204);
    });
    assert!(reply.status == 200, "{reply}");
    assert_eq!(agent.run("() => secret.value").await, "hunter2");

    // Who hangs up asks no more.
    let hanging = house.hang("browser_type", json!({ "target": "#secret", "text": "x" })).await;
    house.asked("").await;
    drop(hanging);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !house.approvals().await.is_empty() {
        assert!(Instant::now() < deadline, "it is still asked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_message_waits_for_a_yes_and_those_behind_it_wait_too() {
    let house = House::open().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    agent.run(SHOP).await;
    agent.run("() => document.getElementById('name').focus()").await;
    let ask = json!({ "rules": [{ "name": "typing", "effect": "ask", "what": "Input.insertText" }] });
    assert_eq!(house.put_rules("/api/rooms/main/rules", &ask).await.0, 200);
    let mut client = Client::open(&house).await;
    let session = client.at(&house.page()).await;
    let value = "document.getElementById('name').value";
    let typed = client.post(Some(&session), "Input.insertText", json!({ "text": "one" })).await;
    let key = json!({ "type": "char", "text": "!" });
    let after = client.post(Some(&session), "Input.dispatchKeyEvent", key).await;
    let asked = house.asked("").await;
    assert_eq!(asked["tool"], "Input.insertText");
    assert!(!asked.to_string().contains("one\""), "raw CDP does not say which field: {asked}");
    // Another client looks meanwhile: nothing has been typed, also not what stands behind.
    let mut watcher = Client::open(&house).await;
    let looking = watcher.at(&house.page()).await;
    assert_eq!(watcher.evaluate(&looking, value).await, "");
    assert_eq!(house.answer(ADMIN, &asked, &json!({ "answer": "once" })).await.0, 204);
    client.answer(typed).await.expect("typed");
    client.answer(after).await.expect("typed");
    assert_eq!(watcher.evaluate(&looking, value).await, "one!");
    let typed = client.post(Some(&session), "Input.insertText", json!({ "text": "two" })).await;
    let asked = house.asked("").await;
    assert_eq!(house.answer(ADMIN, &asked, &json!({ "answer": "deny", "message": "no more" })).await.0, 204);
    let refusal = client.answer(typed).await.expect_err("denied");
    assert!(refusal.contains("no more"), "{refusal}");
    assert_eq!(watcher.evaluate(&looking, value).await, "one!");
}

/// A CDP client without a library.
struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: u64,
}

impl Client {
    async fn open(house: &House) -> Self {
        let url = format!("ws://{}/cdp/main?token={ADMIN}", house.address());
        Self { socket: connect_async(url).await.expect("opens").0, id: 0 }
    }

    /// A session of the page at this address.
    async fn at(&mut self, url: &str) -> String {
        let list = self.ask(None, "Target.getTargets", json!({})).await.expect("listed");
        let pages = list["targetInfos"].as_array().expect("a list").clone();
        let page = pages.iter().find(|info| info["type"] == "page" && info["url"] == url).expect("the page");
        let params = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = self.ask(None, "Target.attachToTarget", params).await.expect("attached");
        attached["sessionId"].as_str().expect("a session").to_owned()
    }

    async fn post(&mut self, session: Option<&str>, method: &str, params: Value) -> u64 {
        self.id += 1;
        let mut message = json!({ "id": self.id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.socket.send(Message::text(message.to_string())).await.expect("sent");
        self.id
    }

    async fn answer(&mut self, id: u64) -> Result<Value, String> {
        let answered = async {
            loop {
                let message = self.socket.next().await.expect("open").expect("a message");
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text).expect("json");
                if message["id"] == id {
                    return match message.get("error") {
                        Some(error) => Err(error["message"].as_str().unwrap_or_default().to_owned()),
                        None => Ok(message["result"].clone()),
                    };
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), answered).await.map_err(|_| "no answer")?
    }

    async fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<Value, String> {
        let id = self.post(session, method, params).await;
        self.answer(id).await
    }

    async fn evaluate(&mut self, session: &str, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        let answer = self.ask(Some(session), "Runtime.evaluate", params).await.expect("answered");
        answer["result"]["value"].clone()
    }
}
