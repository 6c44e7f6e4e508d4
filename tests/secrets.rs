//! An agent signs in with a password that it never learns, and a page that is
//! not the password's gets nothing: with a real room, and a site that checks
//! what arrives.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tandem::policy::Totp;

#[allow(dead_code, reason = "other tests use the rest of it")]
mod house;
use house::{ADMIN, House};

const USER: &str = "ann-of-the-xyzzy";
const PASSWORD: &str = "correct-horse-xyzzy-9";
const KEY: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const LOGIN: &str = r#"<!doctype html><title>Sign in</title>
<form method=post action=/in>
  <label>User <input name=user id=user></label>
  <label>Password <input name=password id=password type=password></label>
  <label>Code <input name=code id=code autocomplete=one-time-code></label>
  <label>Note <textarea name=note id=note></textarea></label>
  <button>Sign in</button>
</form>"#;

/// What each sign-in sent.
type Arrived = Arc<Mutex<Vec<String>>>;

/// A site of one origin; everything that is sent to it is kept.
async fn site(frame: Option<&str>) -> (String, Arrived) {
    let arrived = Arrived::default();
    let around = format!("<title>Around</title><iframe src='{}/login'></iframe>", frame.unwrap_or_default());
    let moving = LOGIN.replace(
        "</form>",
        &format!(
            "</form><script>password.onfocus = () => {{ location = '{}/login'; }}</script>",
            frame.unwrap_or_default()
        ),
    );
    let app = Router::new()
        .route("/login", get(|| async { Html(LOGIN) }))
        .route("/around", get(move || async move { Html(around) }))
        .route("/moving", get(move || async move { Html(moving) }))
        .route(
            "/in",
            post(|State(arrived): State<Arrived>, body: String| async move {
                arrived.lock().expect("held").push(body);
                Html("<title>Welcome</title><h1>Welcome, you are signed in</h1>")
            }),
        )
        .with_state(Arc::clone(&arrived));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let at = format!("http://127.0.0.1:{}", listener.local_addr().expect("address").port());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (at, arrived)
}

async fn put(house: &House, name: &str, body: Value) -> (u16, Value) {
    let path = format!("/api/secrets/{name}");
    let (status, _, body) = house.ask_json("PUT", &path, ADMIN, body.to_string().as_bytes()).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn keep_all(house: &House, origin: &str) {
    for (name, kind, value) in
        [("shop-user", "text", USER), ("shop-password", "password", PASSWORD), ("shop-code", "totp", KEY)]
    {
        let (status, told) =
            put(house, name, json!({ "kind": kind, "origins": [origin], "value": value })).await;
        assert_eq!(status, 201, "{told}");
        assert!(!told.to_string().contains(value));
    }
}

/// The lines of the record about secrets that were used, the oldest first.
async fn uses(house: &House) -> Vec<Value> {
    let path = "/api/rooms/main/audit?oldest_first=true&limit=500";
    let (status, _, body) = house.ask("GET", path, ADMIN, b"").await;
    assert_eq!(status, 200);
    let found: Value = serde_json::from_slice(&body).expect("json");
    let lines = found["lines"].as_array().expect("lines").iter().map(|signed| signed["line"].clone());
    lines.filter(|line| line["what"] == "secret").collect()
}

/// Waits until the page is of this origin. While it is left, what it held may be sealed still.
async fn until_at(agent: &mut house::Agent<'_>, origin: &str) {
    let asked = json!({ "function": "() => location.origin" });
    for _ in 0..600 {
        let reply = agent.call("browser_evaluate", asked.clone()).await;
        if reply.structured()["result"] == json!(origin) {
            return;
        }
    }
    panic!("the page does not come to {origin}");
}

/// All files of the server but the browser's own profile, with what holds one of these.
fn holding(dir: &std::path::Path, values: &[&str], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => holding(&path, values, found),
            Ok(kind) if kind.is_file() => {
                let bytes = std::fs::read(&path).unwrap_or_default();
                for value in values {
                    if bytes.windows(value.len()).any(|some| some == value.as_bytes()) {
                        found.push(format!("{value} in {}", path.display()));
                    }
                }
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_signs_in_with_what_it_never_learns() {
    let house = House::open_with(&["--log", "tandem=debug,info"]).await;
    let (shop, arrived) = site(None).await;
    keep_all(&house, &shop).await;
    let mut agent = house.agent(ADMIN);
    let mut told = vec![];
    let listed = agent.ok("browser_secrets", json!({})).await;
    assert!(listed.text.contains(&format!("secret:shop-password (password) at {shop}")), "{listed}");
    told.push(listed.text);
    agent.go(&format!("{shop}/login")).await;
    let typed = agent.ok("browser_type", json!({ "target": "#user", "text": "secret:shop-user" })).await;
    assert!(typed.text.contains("fill(\"secret:shop-user\")") && typed.text.contains("••••"), "{typed}");
    told.push(typed.text);
    let fields = json!([
        { "target": "#password", "name": "Password", "type": "textbox", "value": "secret:shop-password" },
        { "target": "#code", "name": "Code", "type": "textbox", "value": "secret:shop-code" },
        { "target": "#note", "name": "Note", "type": "textbox", "value": "from an agent" },
    ]);
    told.push(agent.ok("browser_fill_form", json!({ "fields": fields })).await.text);
    told.push(agent.ok("browser_snapshot", json!({})).await.text);
    for code in ["() => password.value", "() => [...user.value].reverse().join('')"] {
        let refused = agent.refused("browser_evaluate", json!({ "function": code })).await;
        assert!(refused.text.contains("a secret"), "{refused}");
    }
    told.push(agent.ok("browser_click", json!({ "target": "text=Sign in >> nth=-1" })).await.text);
    told.push(agent.ok("browser_wait_for", json!({ "text": "Welcome" })).await.text);

    let body = arrived.lock().expect("held").pop().expect("it was sent");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now").as_secs();
    let totp: Totp = KEY.parse().expect("a key");
    let codes: Vec<_> =
        [now, now - 30].iter().map(|at| totp.code(*at).expect("a code").reveal().clone()).collect();
    assert!(body.starts_with(&format!("user={USER}&password={PASSWORD}&code=")), "{body}");
    assert!(codes.iter().any(|code| body.contains(&format!("code={code}"))), "{body} {codes:?}");

    let uses = uses(&house).await;
    let seen: Vec<_> = uses
        .iter()
        .map(|line| {
            (line["details"]["name"].clone(), line["details"]["origin"].clone(), line["outcome"].clone())
        })
        .collect();
    let wanted = ["shop-user", "shop-password", "shop-code"]
        .map(|name| (json!(name), json!(format!("{shop}/")), json!("done")));
    assert_eq!(seen, wanted, "{uses:#?}");
    let (_, _, list) = house.ask("GET", "/api/secrets", ADMIN, b"").await;
    let list: Value = serde_json::from_slice(&list).expect("json");
    assert!(
        list["secrets"].as_array().expect("a list").iter().all(|one| one["used_at"].is_number()),
        "{list}"
    );

    // Nobody was told, and nothing that the server keeps holds it.
    told.push(list.to_string());
    told.push(json!(uses).to_string());
    let (_, _, record) = house.ask("GET", "/api/rooms/main/audit.jsonl", ADMIN, b"").await;
    told.push(String::from_utf8_lossy(&record).into_owned());
    let values = [USER, PASSWORD, KEY, codes[0].as_str()];
    for text in &told {
        assert!(values.iter().all(|value| !text.contains(value)), "{text}");
    }
    let data = house.data_dir().to_owned();
    assert!(data.join("server.log").exists() && data.join("secrets.key").exists());
    let mut found = vec![];
    holding(&data, &[PASSWORD, KEY], &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn elsewhere_a_secret_is_refused_with_words_and_nothing_is_typed() {
    let house = House::open().await;
    let (evil, evil_arrived) = site(None).await;
    let (shop, _) = site(Some(&evil)).await;
    keep_all(&house, &shop).await;
    let other = json!({ "kind": "text", "origins": [shop], "value": "of-another-room", "room": "none" });
    assert_eq!(put(&house, "theirs", other).await.0, 404, "there is no such room");
    let mut agent = house.agent(ADMIN);
    let password = |target: &str| json!({ "target": target, "text": "secret:shop-password" });

    // Another origin, its own name included.
    for page in [format!("{evil}/login"), shop.replace("127.0.0.1", "localhost") + "/login"] {
        agent.go(&page).await;
        let refused = agent.refused("browser_type", password("#password")).await;
        assert!(refused.text.contains(&format!("may be typed at {shop} only")), "{refused}");
        assert_eq!(agent.run("() => password.value").await, "");
    }
    // A foreign frame in the right page.
    agent.go(&format!("{shop}/around")).await;
    let inside = "locator('iframe').contentFrame().locator('#password')";
    let refused = agent.refused("browser_type", password(inside)).await;
    assert!(refused.text.contains(&evil) && refused.text.contains("only"), "{refused}");
    // A page that goes elsewhere as soon as it is touched.
    agent.go(&format!("{shop}/moving")).await;
    let _ = agent.call("browser_type", password("#password")).await;
    until_at(&mut agent, &evil).await;
    assert_eq!(agent.run("() => password.value").await, "");
    agent.refused("browser_type", password("#password")).await;

    agent.go(&format!("{shop}/login")).await;
    for (arguments, words) in [
        (password("#user"), "fits a password field"),
        (password("#note"), "fits a password field"),
        (json!({ "target": "#password", "text": "secret:shop-user" }), "a field of one line"),
        (json!({ "target": "#note", "text": "secret:shop-code" }), "a field of one line for a code"),
        (
            json!({ "target": "#password", "text": "secret:shop-passwort" }),
            "there are: shop-code, shop-password, shop-user",
        ),
        (json!({ "target": "#password", "text": "secret:" }), "browser_secrets lists them"),
        (
            json!({ "target": "#password", "text": "secret:shop-password", "slowly": true }),
            "leave out slowly",
        ),
    ] {
        let refused = agent.refused("browser_type", arguments).await;
        assert!(refused.text.contains(words), "{words}: {refused}");
    }
    let values = "() => [user, password, code, note].map((field) => field.value).join('')";
    assert_eq!(agent.run(values).await, "");
    // A text that only speaks of a secret is a text.
    agent.ok("browser_type", json!({ "target": "#note", "text": "my secret:shop-password" })).await;
    assert_eq!(agent.run("() => note.value").await, "my secret:shop-password");
    assert!(evil_arrived.lock().expect("held").is_empty());
    let uses = uses(&house).await;
    assert!(uses.iter().filter(|line| line["outcome"] == "refused").count() >= 8, "{uses:#?}");
    let of_evil = |line: &&Value| {
        line["details"]["origin"] == json!(format!("{evil}/")) && line["outcome"] == "refused"
    };
    assert!(uses.iter().filter(of_evil).count() >= 2, "{uses:#?}");
    assert!(!json!(uses).to_string().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_keep_secrets_and_nobody_reads_their_values() {
    let house = House::open().await;
    let body = json!({ "kind": "password", "origins": ["https://shop.example"], "value": PASSWORD });
    let text = body.to_string();
    for role in ["controller", "viewer", "agent"] {
        let token = house.token(role, None);
        for (method, path, body) in [
            ("GET", "/api/secrets", &b""[..]),
            ("PUT", "/api/secrets/shop", text.as_bytes()),
            ("DELETE", "/api/secrets/shop", &b""[..]),
        ] {
            let (status, ..) = house.ask_json(method, path, &token, body).await;
            assert_eq!(status, 403, "{role} {method} {path}");
        }
    }
    for (name, change) in [
        ("shop", json!({ "origins": [] })),
        ("shop", json!({ "origins": ["https://*.com"] })),
        ("shop", json!({ "origins": ["shop.example"] })),
        ("shop", json!({ "kind": "card" })),
        ("shop", json!({ "kind": "totp" })),
        ("shop", json!({ "value": "" })),
        ("shop", json!({ "value": "two\nlines" })),
        ("Shop", json!({})),
        ("-shop", json!({})),
    ] {
        let mut wrong = body.clone();
        wrong.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let (status, told) = put(&house, name, wrong).await;
        assert_eq!(status, 400, "{name} {change} {told}");
    }
    assert_eq!(put(&house, "shop", body.clone()).await.0, 201);
    assert_eq!(put(&house, "shop", body).await.0, 200);
    let (_, _, list) = house.ask("GET", "/api/secrets", ADMIN, b"").await;
    let list: Value = serde_json::from_slice(&list).expect("json");
    assert_eq!((&list["secrets"][0]["name"], &list["trouble"]), (&json!("shop"), &Value::Null), "{list}");

    // Another key after a restart: told, and all else goes on.
    std::fs::write(house.data_dir().join("secrets.key"), "a5".repeat(32)).expect("written");
    let house = house.restarted(&[]).await;
    let (status, _, list) = house.ask("GET", "/api/secrets", ADMIN, b"").await;
    let list = String::from_utf8_lossy(&list).into_owned();
    assert!(status == 200 && list.contains("is not the one"), "{list}");
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    let refused =
        agent.refused("browser_type", json!({ "target": "#password", "text": "secret:shop" })).await;
    assert!(refused.text.contains("the key that opens them is missing or wrong"), "{refused}");
    assert_eq!(house.ask("DELETE", "/api/secrets/shop", ADMIN, b"").await.0, 204);
    assert_eq!(house.ask("DELETE", "/api/secrets/shop", ADMIN, b"").await.0, 404);
}
