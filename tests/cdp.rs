//! The door of CDP with real clients and a real room: who gets in, what acts
//! wait for, what is kept apart, and what a bad client can do.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::response::Html;
use futures_util::{SinkExt, StreamExt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::{Value, json};
use tandem::base::{Button, Input, Point};
use tandem::bench::viewer::{Viewer, ViewerOptions};
use tandem::server::wire::{ClientMessage, ServerMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

#[path = "house/ports.rs"]
mod ports;

use ports::port;

const ADMIN: &str = "tdm_cdp-test-0123456789abcdef0123456789";
const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");

fn tandem() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("TANDEM_") {
            command.env_remove(key);
        }
    }
    command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    command
}

/// A process that is ended with this value.
struct Running(Child);

impl Running {
    /// Returns with its first line.
    fn start(mut command: Command) -> (Self, String) {
        let mut child = command.spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        (Self(child), line)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        if let Ok(ended) = pidfd_open(Pid::from_child(&self.0), PidfdFlags::empty()) {
            let patience = Timespec { tv_sec: 8, tv_nsec: 0 };
            let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&patience));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with its room `main`, and a site of test pages.
struct House {
    http: u16,
    site: String,
    _server: Running,
    dir: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        let (http, rtc) = (port(), port());
        let mut command = tandem();
        command.args(["serve", "--start-url", "about:blank", "--egress-allow", "127.0.0.0/8"]);
        command.args(["--listen", &format!("127.0.0.1:{http}"), "--rtc-listen", &format!("127.0.0.1:{rtc}")]);
        command.arg("--data-dir").arg(dir.path()).env("TANDEM_ADMIN_TOKEN", ADMIN);
        let (server, line) = Running::start(command);
        assert!(line.starts_with("Tandem is ready"), "{line:?}");
        let form = || async { Html(include_str!("cdp/form.html")) };
        let file = || async { ([("content-disposition", "attachment")], "hello") };
        let app = axum::Router::new()
            .route("/form", axum::routing::get(form))
            .route("/file.txt", axum::routing::get(file));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let site = format!("http://127.0.0.1:{}", listener.local_addr().expect("address").port());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let house = Self { http, site, _server: server, dir };
        let deadline = Instant::now() + Duration::from_secs(40);
        while house.ask("GET", "/cdp/main/json/version", &[("authorization", &bearer(ADMIN))]).await.0 != 200
        {
            assert!(Instant::now() < deadline, "the room has no browser");
            // Another process' doings have no event here.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        house
    }

    /// Status and body.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).await.expect("connects");
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            request += &format!("Host: 127.0.0.1:{}\r\n", self.http);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).await.expect("sends");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answers");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    fn token(&self, role: &str) -> String {
        let mut command = tandem();
        command.args(["token", "create", "--role", role, "--data-dir"]).arg(self.dir.path());
        let output = command.output().expect("runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Somebody with a page gets an address, an agent the token.
        let token = text.trim().split("token=").last().filter(|token| token.starts_with("tdm_"));
        token.unwrap_or_else(|| panic!("no token in {text:?}")).to_owned()
    }

    async fn client(&self, path: &str) -> Client {
        self.client_of(ADMIN, path).await
    }

    async fn client_of(&self, token: &str, path: &str) -> Client {
        let url = format!("ws://127.0.0.1:{}/cdp/main{path}?token={token}", self.http);
        Client::open(url.into_client_request().expect("request")).await.expect("opens")
    }

    /// A client with a tab of its own at the form: the client, the session, the target.
    async fn at_form(&self, token: &str) -> (Client, String, String) {
        let mut client = self.client_of(token, "").await;
        let url = format!("{}/form", self.site);
        let made = client.ask(None, "Target.createTarget", json!({ "url": url })).await.expect("made");
        let target = made["targetId"].as_str().expect("id").to_owned();
        let params = json!({ "targetId": target, "flatten": true });
        let attached = client.ask(None, "Target.attachToTarget", params).await.expect("attached");
        let session = attached["sessionId"].as_str().expect("id").to_owned();
        let deadline = Instant::now() + Duration::from_secs(60);
        while client.look(&session, "document.readyState + document.title").await != "completeForm" {
            assert!(Instant::now() < deadline, "the form does not load");
        }
        (client, session, target)
    }

    async fn until_held_by_a_person(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let (_, view) = self.ask("GET", "/api/rooms/main", &[("authorization", &bearer(ADMIN))]).await;
            let view: Value = serde_json::from_str(&view).expect("json");
            if view["holder"]["kind"] == "person" {
                return;
            }
            assert!(Instant::now() < deadline, "the press does not arrive: {view}");
            // Another process' doings have no event here.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn script(&self, name: &str, bridge: &str) {
        let script = std::path::Path::new(CHECKOUT).join("tests/cdp").join(name);
        let output = Command::new("node")
            .arg(script)
            .env("ROOM", format!("http://127.0.0.1:{}/cdp/main", self.http))
            .env("TOKEN", ADMIN)
            .env("SITE", &self.site)
            .env("BRIDGE", bridge)
            .output()
            .expect("node runs");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {out}{err}");
    }

    /// A person with a hand on the room.
    async fn person(&self) -> Viewer {
        let mut request =
            format!("ws://127.0.0.1:{}/api/rooms/main/ws", self.http).into_client_request().expect("request");
        request.headers_mut().insert("authorization", bearer(ADMIN).parse().expect("value"));
        let (mut socket, _) = connect_async_with_config(request, None, true).await.expect("opens");
        let (back, kept) = tokio::sync::oneshot::channel();
        let options = ViewerOptions { data_channels: true, ..ViewerOptions::default() };
        let viewer = Viewer::connect(options, |sdp| async move {
            let offer = serde_json::to_string(&ClientMessage::Offer { sdp }).expect("json");
            socket.send(Message::text(offer)).await.map_err(|error| error.to_string())?;
            let answer = loop {
                let message = socket.next().await.ok_or("closed")?.map_err(|error| error.to_string())?;
                let Message::Text(text) = message else { continue };
                if let Ok(ServerMessage::Answer { sdp }) = serde_json::from_str(&text) {
                    break sdp;
                }
            };
            let _ = back.send(socket);
            Ok::<_, String>(answer)
        })
        .await
        .expect("connects");
        let mut socket = kept.await.expect("kept");
        tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        viewer.wait_for_frames(1, Duration::from_secs(60)).await.expect("a picture");
        viewer
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A CDP client without a library.
struct Client {
    socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>,
    id: u64,
    events: Vec<Value>,
}

impl Client {
    async fn open(request: http::Request<()>) -> Result<Self, WsError> {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = connect_async_with_config(request, Some(config), true).await?;
        Ok(Self { socket, id: 0, events: Vec::new() })
    }

    async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.expect("sent");
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await?.ok()? {
                Message::Text(text) => return Some(serde_json::from_str(&text).expect("json")),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    async fn post(&mut self, session: Option<&str>, method: &str, params: Value) -> u64 {
        self.id += 1;
        let mut message = json!({ "id": self.id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.send(message).await;
        self.id
    }

    async fn answer(&mut self, id: u64) -> Result<Value, String> {
        loop {
            let known = self.events.iter().position(|message| message["id"] == id);
            let message = match known {
                Some(at) => self.events.remove(at),
                None => self.next().await.ok_or("closed")?,
            };
            if message["id"] == id {
                return match message.get("error") {
                    Some(error) => Err(error["message"].as_str().unwrap_or_default().to_owned()),
                    None => Ok(message["result"].clone()),
                };
            }
            self.events.push(message);
        }
    }

    async fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<Value, String> {
        let id = self.post(session, method, params).await;
        tokio::time::timeout(Duration::from_secs(60), self.answer(id)).await.map_err(|_| "no answer")?
    }

    /// What a page says without being changed.
    async fn look(&mut self, session: &str, expression: &str) -> Value {
        let params = json!({ "expression": expression, "throwOnSideEffect": true, "returnByValue": true });
        let answer = self.ask(Some(session), "Runtime.evaluate", params).await.expect("answered");
        answer["result"]["value"].clone()
    }
}

async fn left(viewer: &Viewer, down: bool) {
    let input = Input::Button { at: Point { x: 640, y: 600 }, button: Button::Left, down };
    viewer.input(0, 0, input).await.expect("sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn playwright_puppeteer_and_chromedriver_work_as_they_are() {
    let house = House::open().await;
    let mut bridge = tandem();
    bridge.args(["cdp", "--server", &format!("http://127.0.0.1:{}", house.http), "--listen", "127.0.0.1:0"]);
    bridge.env("TANDEM_TOKEN", ADMIN);
    let (_bridge, line) = Running::start(bridge);
    let address = line.split("ws://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
    tokio::task::block_in_place(|| {
        for script in ["playwright.mjs", "puppeteer.mjs", "chromedriver.mjs"] {
            house.script(script, &address);
        }
    });
    // The bridge has Chromium's manners: its own name only, and no page.
    let bridge_port: u16 = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("port");
    let through = House { http: bridge_port, ..house };
    let (status, list) = through.ask("GET", "/json/list", &[]).await;
    assert!(status == 200 && list.contains(&format!("ws://{address}/devtools/page/")), "{list}");
    assert!(!list.contains("/cdp/main") && !list.contains(ADMIN), "{list}");
    assert_eq!(through.ask("GET", "/json", &[("host", "evil.example")]).await.0, 403);
    assert_eq!(through.ask("GET", "/json", &[("origin", "http://evil.example")]).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_that_may_act_opens_and_no_page_gets_in() {
    let house = House::open().await;
    let good = bearer(ADMIN);
    let viewer = house.token("viewer");
    for path in ["/cdp/main", "/cdp/main/json/version", "/cdp/main/json", "/cdp/main/devtools/page/X"] {
        assert_eq!(house.ask("GET", path, &[]).await.0, 401, "{path}");
        assert_eq!(house.ask("GET", &format!("{path}?token=wrong"), &[]).await.0, 401, "{path}");
        assert_eq!(house.ask("GET", path, &[("cookie", &format!("tandem={ADMIN}"))]).await.0, 401, "{path}");
        assert_eq!(house.ask("GET", path, &[("authorization", &bearer(&viewer))]).await.0, 403, "{path}");
        let own = format!("http://127.0.0.1:{}", house.http);
        for origin in [own.as_str(), "http://evil.example", "null"] {
            let headers = [("authorization", good.as_str()), ("origin", origin)];
            assert_eq!(house.ask("GET", path, &headers).await.0, 403, "{path} {origin}");
        }
        let headers = [("authorization", good.as_str()), ("host", "evil.example")];
        assert_eq!(house.ask("GET", path, &headers).await.0, 421, "{path}");
    }
    let allowed = [("authorization", good.as_str())];
    assert_eq!(house.ask("GET", "/cdp/main", &allowed).await.0, 426);
    assert_eq!(house.ask("GET", "/cdp/other/json", &allowed).await.0, 404);
    assert_eq!(house.ask("GET", "/cdp/main/json/close/0123", &allowed).await.0, 404);
    assert_eq!(house.ask("POST", "/cdp/main/json/new", &allowed).await.0, 405);
    let devtools = [("authorization", good.as_str()), ("origin", "devtools://devtools")];
    assert_eq!(house.ask("GET", "/cdp/main/json/version", &devtools).await.0, 200);

    // The addresses are those of the client, without the token.
    for path in ["/cdp/main/json/version/", "/cdp/main/json/list", "/cdp/main/json"] {
        let host = format!("localhost:{}", house.http);
        let headers = [("host", host.as_str())];
        let (status, body) = house.ask("GET", &format!("{path}?token={ADMIN}"), &headers).await;
        assert!(status == 200 && body.contains(&format!("ws://{host}/cdp/main/devtools/")), "{path}: {body}");
        assert!(!body.contains(ADMIN), "{path}");
    }
    let (status, protocol) = house.ask("GET", "/cdp/main/json/protocol", &allowed).await;
    let protocol: Value = serde_json::from_str(&protocol).expect("json");
    assert!(status == 200 && protocol["domains"].as_array().is_some_and(|all| all.len() > 30));

    // A tab by HTTP: made, shown, closed.
    let path = format!("/cdp/main/json/new?{}/form&token={ADMIN}", house.site);
    let (status, made) = house.ask("PUT", &path, &[]).await;
    assert_eq!(status, 200, "{made}");
    let made: Value = serde_json::from_str(&made).expect("json");
    let id = made["id"].as_str().expect("an id");
    assert_eq!(house.ask("PUT", &format!("/cdp/main/json/activate/{id}"), &allowed).await.0, 200);

    // Its own endpoint is the target's session: no session id, and its end is the end.
    let mut page = house.client(&format!("/devtools/page/{id}")).await;
    let href = json!({ "expression": "location.href", "throwOnSideEffect": true });
    let answer = page.ask(None, "Runtime.evaluate", href).await.expect("answered");
    assert_eq!(answer["result"]["value"], format!("{}/form", house.site));
    page.ask(None, "Page.enable", json!({})).await.expect("enabled");
    assert!(page.events.iter().all(|event| event.get("sessionId").is_none()), "{:?}", page.events);
    assert_eq!(house.ask("GET", &format!("/cdp/main/json/close/{id}/"), &allowed).await.0, 200);
    let ended = async { while page.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the socket ends with its target");
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_wait_while_a_person_acts_and_looks_do_not() {
    let house = House::open().await;
    let (mut client, session, _) = house.at_form(ADMIN).await;
    let mouse = |kind: &str| json!({ "type": kind, "x": 300, "y": 300, "button": "left", "clickCount": 1 });
    let person = house.person().await;

    // A person takes over while the client holds a button: it is let go for it.
    client.ask(Some(&session), "Input.dispatchMouseEvent", mouse("mousePressed")).await.expect("pressed");
    left(&person, true).await;
    house.until_held_by_a_person().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !client.look(&session, "heard.join()").await.as_str().expect("text").contains("mouseup") {
        assert!(
            Instant::now() < deadline,
            "the button stays down: {}",
            client.look(&session, "heard.join()").await
        );
    }

    // While the person holds theirs, an act waits, and so does what follows it in its session.
    let act = client.post(Some(&session), "Input.dispatchMouseEvent", mouse("mousePressed")).await;
    let behind = client.post(Some(&session), "Page.getNavigationHistory", json!({})).await;
    client.ask(None, "Browser.getVersion", json!({})).await.expect("looking goes on");
    let waited = tokio::time::timeout(Duration::from_millis(1500), client.answer(act)).await;
    assert!(waited.is_err(), "the act was done in spite of the person: {waited:?}");
    assert!(client.events.iter().all(|message| message["id"] != behind), "it overtook");
    left(&person, false).await;
    let done = tokio::time::timeout(Duration::from_secs(60), client.answer(act)).await.expect("goes on");
    done.expect("done after the person");
    client.answer(behind).await.expect("in its turn");
    client.ask(Some(&session), "Input.dispatchMouseEvent", mouse("mouseReleased")).await.expect("released");

    // Refused at last, and the client is told who holds it.
    left(&person, true).await;
    house.until_held_by_a_person().await;
    let id = client.post(Some(&session), "Page.reload", json!({})).await;
    let keep = async {
        loop {
            // A hand that shows no sign of life counts no more after a minute.
            tokio::time::sleep(Duration::from_secs(5)).await;
            let at = Point { x: 640, y: 600 };
            person.input(1, 0, Input::Move(at)).await.expect("sent");
        }
    };
    let refused = tokio::select! {
        refused = tokio::time::timeout(Duration::from_secs(45), client.answer(id)) => refused.expect("in time"),
        never = keep => never,
    };
    let reason = refused.expect_err("refused");
    assert!(reason.contains("Admin"), "{reason}");
    left(&person, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_client_hurts_only_itself() {
    let house = House::open().await;
    let (mut good, session, _) = house.at_form(ADMIN).await;
    let mut bad = house.client("").await;
    for text in
        ["", "{", "[]", "null", r#"{"id":"x","method":"A.b"}"#, r#"{"id":1.5,"method":"A.b"}"#, "\u{0}"]
    {
        bad.socket.send(Message::text(text)).await.expect("sent");
        assert!(bad.next().await.expect("told")["error"]["message"].is_string(), "{text}");
    }
    for id in [json!(0), json!(4_000_000_000u64), json!(9_007_199_254_740_991u64), json!(3.0)] {
        bad.send(json!({ "id": id, "method": "Browser.getVersion" })).await;
        assert_eq!(bad.next().await.expect("answered")["id"], id);
    }
    for (method, params) in [
        ("Target.sendMessageToTarget", json!({ "message": "{}" })),
        ("Target.setAutoAttach", json!({ "autoAttach": true, "waitForDebuggerOnStart": false })),
        ("Target.exposeDevToolsProtocol", json!({ "targetId": "x" })),
        ("Target.disposeBrowserContext", json!({ "browserContextId": "x" })),
        ("Browser.setWindowBounds", json!({ "windowId": 1, "bounds": { "width": 300 } })),
        ("Browser.crash", json!({})),
        ("Tethering.bind", json!({ "port": 1 })),
    ] {
        bad.ask(None, method, params).await.expect_err(method);
    }
    bad.ask(Some(&session), "Runtime.enable", json!({})).await.expect_err("another client's session");
    // A download folder for the shared context is heard and left alone.
    let elsewhere = json!({ "behavior": "allow", "downloadPath": "/tmp" });
    bad.ask(None, "Browser.setDownloadBehavior", elsewhere).await.expect("answered");

    let giant = format!(r#"{{"id":1,"method":"{}"}}"#, "x".repeat(33 << 20));
    let _ = bad.socket.send(Message::text(giant)).await;
    let ended = async { while bad.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("a giant ends its connection");

    // One that asks and does not read is cut off; the others do not notice.
    let (mut deaf, deaf_session, _) = house.at_form(&house.token("agent")).await;
    let much =
        json!({ "expression": "'x'.repeat(4 << 20)", "returnByValue": true, "throwOnSideEffect": true });
    let flood = async {
        for _ in 0..80 {
            deaf.post(Some(&deaf_session), "Runtime.evaluate", much.clone()).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), flood).await.expect("taken");
    assert_eq!(good.look(&session, "1 + 1").await, 2);
    let present = r#""name":"Agent""#;
    let deadline = Instant::now() + Duration::from_secs(60);
    while house.ask("GET", "/api/rooms/main", &[("authorization", &bearer(ADMIN))]).await.1.contains(present)
    {
        assert!(Instant::now() < deadline, "it is still there");
        // Another process' doings have no event here.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut read = 0;
    let ended = async {
        while deaf.next().await.is_some() {
            read += 1
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("cut off");
    assert!(read < 80, "everything was kept for it");
    assert_eq!(good.look(&session, "2 + 2").await, 4);
    let started = Instant::now();
    good.ask(Some(&session), "Page.reload", json!({})).await.expect("acts go on");
    assert!(started.elapsed() < Duration::from_secs(20));
}
