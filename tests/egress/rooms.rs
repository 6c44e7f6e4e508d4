//! What a room of a whole server reaches.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::house::{ADMIN, House};

async fn egress(house: &House, method: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, _, body) = house.ask_json(method, "/api/rooms/main/egress", token, body.as_bytes()).await;
    (status, serde_json::from_slice(&body).expect("json"))
}

#[tokio::test]
async fn an_agent_is_told_why_and_an_admin_opens_and_closes_at_once() {
    let house = House::open().await;
    let token = house.token("agent", None);
    let mut agent = house.agent(&token);
    agent.go(&house.page()).await;

    // What is refused is told, over TLS too.
    for (url, why) in [
        ("https://10.0.0.5/", "--egress-allow 10.0.0.5"),
        ("https://[fd00::1]/", "private address"),
        ("https://169.254.169.254/latest", "metadata"),
    ] {
        let refused = agent.refused("browser_navigate", json!({ "url": url })).await;
        assert!(refused.text.contains(why), "{}", refused.text);
    }
    // A page that a person sees, by plain HTTP.
    let page = agent.ok("browser_navigate", json!({ "url": "http://10.0.0.5/" })).await;
    assert!(page.text.contains("Not reachable from this room"), "{}", page.text);
    // Tandem's own is closed though the server allows loopback.
    let own = agent
        .ok("browser_navigate", json!({ "url": format!("http://{}/api/health", house.address()) }))
        .await;
    assert!(own.text.contains("belongs to Tandem itself"), "{}", own.text);

    let (status, view) = egress(&house, "GET", &token, &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(view["held_by"], "namespace");
    assert_eq!(view["server"]["allow"], json!(["127.0.0.0/8"]));
    let turned: Vec<&str> = view["turned_away"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["host"].as_str())
        .collect();
    assert!(turned.contains(&"10.0.0.5") && turned.contains(&"fd00::1"), "{turned:?}");
    let (_, _, record) = house.ask("GET", "/api/rooms/main/audit?kind=decision", ADMIN, b"").await;
    let record = String::from_utf8_lossy(&record);
    assert!(record.contains("tcp://10.0.0.5:443"), "{record}");
    let (_, _, metrics) = house.ask("GET", "/metrics", ADMIN, b"").await;
    let metrics = String::from_utf8_lossy(&metrics);
    assert!(metrics.contains("tandem_egress_connections_total{outcome=\"closed\"}"), "{metrics}");

    // Only an admin changes it, and what cannot be is refused with what could.
    assert_eq!(egress(&house, "PUT", &token, &json!({ "deny": ["*"] })).await.0, 403);
    for (bad, why) in [
        (json!({ "allow": ["10.0.0.0/99"] }), "write 10.0.0.0/8"),
        (json!({ "allow": ["*"] }), "0.0.0.0/0"),
        (json!({ "alow": [] }), "alow"),
    ] {
        let (status, said) = egress(&house, "PUT", ADMIN, &bad).await;
        assert!(status == 400 && said.to_string().contains(why), "{said}");
    }
    let (status, view) = egress(&house, "PUT", ADMIN, &json!({ "deny": ["127.0.0.1"] })).await;
    assert_eq!((status, &view["deny"]), (200, &json!(["127.0.0.1"])));
    let refused = agent.ok("browser_navigate", json!({ "url": house.at("/other") })).await;
    assert!(refused.text.contains("is in a deny list"), "{}", refused.text);
    let (status, _) = egress(&house, "PUT", ADMIN, &json!({})).await;
    assert_eq!(status, 200);
    agent.go(&house.at("/other")).await;

    // A change outlives the server.
    egress(&house, "PUT", ADMIN, &json!({ "deny": ["*.example.com"] })).await;
    let house = house.restarted(&[]).await;
    let (_, view) = egress(&house, "GET", ADMIN, &Value::Null).await;
    assert_eq!(view["deny"], json!(["*.example.com"]));
}

#[tokio::test]
async fn a_room_has_lists_and_a_proxy_of_its_own_whose_password_nobody_sees_again() {
    let house = House::open().await;
    let options = json!({ "egress": { "deny": ["*"] }, "proxy": "http://ada:topsecret@127.0.0.1:9" });
    let made = json!({ "id": "own", "options": options }).to_string();
    let (status, _, body) = house.ask_json("POST", "/api/rooms", ADMIN, made.as_bytes()).await;
    assert_eq!(status, 201);
    assert!(!String::from_utf8_lossy(&body).contains("topsecret"));
    let (_, _, body) = house.ask("GET", "/api/rooms/own/egress", ADMIN, b"").await;
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains(r#""proxy":"http://127.0.0.1:9""#) && body.contains(r#""deny":["*"]"#), "{body}");
    assert!(!body.contains("topsecret"));
    let bad = json!({ "id": "bad", "options": { "proxy": "http://ada@127.0.0.1:9" } }).to_string();
    let (status, _, body) = house.ask_json("POST", "/api/rooms", ADMIN, bad.as_bytes()).await;
    assert!(status == 400 && String::from_utf8_lossy(&body).contains("user:password@"));
}

/// One command of the protocol, and its answer.
pub async fn send(
    socket: &mut tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
    message: Value,
) -> Value {
    let id = message["id"].clone();
    socket.send(Message::text(message.to_string())).await.expect("sends");
    loop {
        let Message::Text(text) = socket.next().await.expect("open").expect("a message") else { continue };
        let answer: Value = serde_json::from_str(&text).expect("json");
        if answer["id"] == id {
            return answer;
        }
    }
}

#[tokio::test]
async fn pages_of_the_machine_and_the_browser_are_closed_to_every_door() {
    let house = House::open().await;
    let token = house.token("agent", None);
    let mut agent = house.agent(&token);
    agent.go(&house.page()).await;
    let pages = [
        "file:///etc/passwd",
        "chrome://settings/",
        "chrome://version/",
        "chrome://net-export/",
        "view-source:http://127.0.0.1/",
        "devtools://devtools/bundled/inspector.html",
        "chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai/index.html",
        "chrome-untrusted://terminal/",
        "about:version",
        "filesystem:http://127.0.0.1/temporary/a",
    ];
    for url in pages {
        agent.refused("browser_navigate", json!({ "url": url })).await;
    }
    let mut socket = house.socket("/cdp/main", &token).await;
    let mut id = 0;
    let mut next = |method: &str, session: Option<&str>, params: Value| {
        id += 1;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        message
    };
    let targets = send(&mut socket, next("Target.getTargets", None, json!({}))).await;
    let infos = targets["result"]["targetInfos"].as_array().expect("targets").clone();
    let page = infos.iter().find(|info| info["type"] == "page").expect("a page")["targetId"].clone();
    let attach = next("Target.attachToTarget", None, json!({ "targetId": page, "flatten": true }));
    let session =
        send(&mut socket, attach).await["result"]["sessionId"].as_str().expect("a session").to_owned();
    for url in pages {
        let went = send(&mut socket, next("Page.navigate", Some(&session), json!({ "url": url }))).await;
        let mut refused = went["error"].is_object() || !went["result"]["errorText"].is_null();
        if !refused {
            let text = "document.documentElement.innerText.trim() || 'blank'";
            let text = json!({ "expression": text, "returnByValue": true });
            let at = send(&mut socket, next("Runtime.evaluate", Some(&session), text)).await;
            refused = at["result"]["result"]["value"] == "blank";
            assert!(refused, "{url}: {at}");
        }
        // A new tab does not say how it fares: it is looked at.
        let made = send(&mut socket, next("Target.createTarget", None, json!({ "url": url }))).await;
        let Some(target) = made["result"]["targetId"].as_str() else { continue };
        let attach = next("Target.attachToTarget", None, json!({ "targetId": target, "flatten": true }));
        let inner =
            send(&mut socket, attach).await["result"]["sessionId"].as_str().expect("a session").to_owned();
        let text = json!({ "expression": "document.documentElement.innerText + location.href", "returnByValue": true });
        let shown = send(&mut socket, next("Runtime.evaluate", Some(&inner), text)).await.to_string();
        for word in ["root:", "--remote-debugging-pipe", "Profile Path"] {
            assert!(!shown.contains(word), "{url}: {shown}");
        }
        send(&mut socket, next("Target.closeTarget", None, json!({ "targetId": target }))).await;
    }
    // A context of its own has no way of its own.
    let params = json!({ "proxyServer": "direct://" });
    let refused = send(&mut socket, next("Target.createBrowserContext", None, params)).await;
    assert!(refused["error"]["message"].as_str().is_some_and(|said| said.contains("proxy")), "{refused}");
}
