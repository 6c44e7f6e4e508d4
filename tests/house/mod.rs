//! A server with its room `main` and a site of test pages, and the clients
//! that come to it: agents by HTTP and MCP, and people.

pub mod asking;
mod ports;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::response::Html;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::{Value, json};
use tandem::bench::viewer::{Viewer, ViewerOptions};
use tandem::server::wire::{ClientMessage, ServerMessage};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use ports::port;

pub const ADMIN: &str = "tdm_tools-test-0123456789abcdef0123456789";
const PATIENCE: Duration = Duration::from_secs(60);

/// Another process' doings have no event here: it is asked so often.
const AGAIN: Duration = Duration::from_millis(20);

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

pub struct House {
    http: u16,
    site: String,
    _server: Running,
    dir: tempfile::TempDir,
}

impl House {
    pub async fn open() -> Self {
        Self::open_with(&[]).await
    }

    /// With further arguments of `tandem serve`.
    pub async fn open_with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        Self::open_in(dir, args).await
    }

    /// The server is ended, and another one started on what it kept.
    #[allow(dead_code, reason = "not every test starts it again")]
    pub async fn restarted(self, args: &[&str]) -> Self {
        let Self { _server, dir, .. } = self;
        drop(_server);
        Self::open_in(dir, args).await
    }

    async fn open_in(dir: tempfile::TempDir, args: &[&str]) -> Self {
        let (http, rtc) = (port(), port());
        let mut command = tandem();
        command.args(["serve", "--start-url", "about:blank", "--egress-allow", "127.0.0.0/8"]);
        command.args(["--listen", &format!("127.0.0.1:{http}"), "--rtc-listen", &format!("127.0.0.1:{rtc}")]);
        command.arg("--data-dir").arg(dir.path()).args(args).env("TANDEM_ADMIN_TOKEN", ADMIN);
        let log = std::fs::File::options().create(true).append(true).open(dir.path().join("server.log"));
        command.stderr(log.expect("a log"));
        let mut child = command.spawn().expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let log = || std::fs::read_to_string(dir.path().join("server.log")).unwrap_or_default();
        assert!(line.starts_with("Tandem is ready"), "{line:?}: {}", log());
        let app = axum::Router::new()
            .route("/", get(|| async { Html(include_str!("../pages/tools.html")) }))
            .route("/injection", get(|| async { Html(include_str!("../pages/injection.html")) }))
            .route("/floor", get(|| async { Html(include_str!("../pages/floor.html")) }))
            .route(
                "/login",
                get(|| async { Html(include_str!("../pages/login.html")) }).post(|body: String| async move {
                    Html(format!(
                        "<!doctype html><title>Welcome</title><h1>Welcome</h1><p>You sent {} bytes</p>",
                        body.len()
                    ))
                }),
            )
            .route("/closed", get(|| async { Html(include_str!("../pages/closed.html")) }))
            .route("/other", get(|| async { Html("<!doctype html><title>Other</title><h1>Other</h1>") }))
            .route("/api/item", get(|| async { "an item" }).post(|body: String| async { body }))
            .route(
                "/file.txt",
                get(|| async { ([("content-disposition", "attachment")], "hello from a file") }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let site = format!("http://127.0.0.1:{}", listener.local_addr().expect("address").port());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let house = Self { http, site, _server: Running(child), dir };
        house.until(|view| view["phase"]["state"] == "live").await;
        house
    }

    pub fn page(&self) -> String {
        self.at("/")
    }

    /// The origin of the pages.
    pub fn site(&self) -> &str {
        &self.site
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Where the server listens.
    #[allow(dead_code, reason = "not every test speaks to it by itself")]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.http)
    }

    /// Where the server keeps its database.
    #[allow(dead_code, reason = "not every test harms it")]
    pub fn data_dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub fn agent(&self, token: &str) -> Agent<'_> {
        Agent { house: self, token: token.to_owned(), used: BTreeSet::new() }
    }

    async fn send(&self, method: &str, path: &str, token: &str, headers: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).await.expect("connects");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\nConnection: close\r\n{headers}\r\n",
            self.http,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.expect("sends");
        stream
    }

    /// Status, head and body.
    pub async fn ask(&self, method: &str, path: &str, token: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        self.ask_with(method, path, token, "", body).await
    }

    /// The same with a body that says that it is JSON, if there is one.
    pub async fn ask_json(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let headers = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        self.ask_with(method, path, token, headers, body).await
    }

    /// The same with headers of one's own.
    pub async fn ask_with(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &str,
        body: &[u8],
    ) -> (u16, String, Vec<u8>) {
        let mut stream = self.send(method, path, token, headers, body).await;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answers");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head, answer.split_off(end + 4))
    }

    /// A call whose answer is not waited for.
    pub async fn hang(&self, tool: &str, arguments: Value) -> TcpStream {
        let path = format!("/api/rooms/main/tools/{tool}");
        self.send("POST", &path, ADMIN, "", arguments.to_string().as_bytes()).await
    }

    /// The names of the tools that a token opens.
    pub async fn listed(&self, token: &str) -> Vec<String> {
        let (_, _, body) = self.ask("GET", "/api/rooms/main/tools", token, b"").await;
        let body: Value = serde_json::from_slice(&body).expect("json");
        let tools = body["tools"].as_array().expect("tools");
        tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Waits until the room is so.
    pub async fn until(&self, so: impl Fn(&Value) -> bool) {
        self.until_room("main", so).await;
    }

    pub async fn until_room(&self, room: &str, so: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, _, view) = self.ask("GET", &format!("/api/rooms/{room}"), ADMIN, b"").await;
            let view: Value = serde_json::from_slice(&view).expect("json");
            if so(&view) {
                return;
            }
            assert!(Instant::now() < deadline, "the room stays {view}");
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub fn token(&self, role: &str, tools: Option<&str>) -> String {
        match tools {
            Some(tools) => self.token_with(role, &["--tools", tools]),
            None => self.token_with(role, &[]),
        }
    }

    pub fn token_of(&self, role: &str, name: &str) -> String {
        self.token_with(role, &["--name", name])
    }

    pub fn token_for_room(&self, role: &str, room: &str) -> String {
        self.token_with(role, &["--room", room])
    }

    fn token_with(&self, role: &str, more: &[&str]) -> String {
        let mut command = tandem();
        command.args(["token", "create", "--role", role]).args(more);
        let output = command.arg("--data-dir").arg(self.dir.path()).output().expect("runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Somebody with a page gets an address, an agent the token.
        let token = text.trim().split("token=").last().filter(|token| token.starts_with("tdm_"));
        token.unwrap_or_else(|| panic!("no token in {text:?}")).to_owned()
    }

    /// A WebSocket to the server.
    pub async fn socket(&self, path: &str, token: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        let mut request =
            format!("ws://127.0.0.1:{}{path}", self.http).into_client_request().expect("request");
        let bearer = format!("Bearer {token}").parse().expect("value");
        request.headers_mut().insert("authorization", bearer);
        connect_async(request).await.expect("opens").0
    }

    /// A person without a picture.
    pub async fn person_socket(&self) -> Person {
        self.person_socket_of(ADMIN).await
    }

    pub async fn person_socket_of(&self, token: &str) -> Person {
        let mut person = self.page_of(token).await;
        // The room counts somebody a moment after letting them in.
        person
            .until(|message| {
                let present = message["room"]["present"].as_array().into_iter().flatten();
                present.into_iter().any(|one| one["kind"] == "person")
            })
            .await;
        person
    }

    /// A page that has not been told anything yet.
    pub async fn page_of(&self, token: &str) -> Person {
        Person(self.socket("/api/rooms/main/ws", token).await)
    }

    /// A person with a hand on the room.
    pub async fn person(&self) -> Viewer {
        self.person_of(ADMIN).await.0
    }

    /// The same, with the end of what keeps the seat: when it is aborted, the person has left.
    pub async fn person_of(&self, token: &str) -> (Viewer, tokio::task::JoinHandle<()>) {
        let options = ViewerOptions { data_channels: true, ..ViewerOptions::default() };
        self.person_with(token, options).await
    }

    /// The same, with a viewer of one's own making.
    pub async fn person_with(
        &self,
        token: &str,
        options: ViewerOptions,
    ) -> (Viewer, tokio::task::JoinHandle<()>) {
        self.person_in("main", token, options).await
    }

    pub async fn person_in(
        &self,
        room: &str,
        token: &str,
        options: ViewerOptions,
    ) -> (Viewer, tokio::task::JoinHandle<()>) {
        let mut socket = self.socket(&format!("/api/rooms/{room}/ws"), token).await;
        let (back, kept) = tokio::sync::oneshot::channel();
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
        let seat = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        viewer.wait_for_frames(1, Duration::from_secs(20)).await.expect("a picture");
        (viewer, seat)
    }

    pub async fn mcp(&self, token: &str) -> Mcp<'_> {
        self.mcp_that(token, json!({})).await
    }

    /// By a client that can do this besides.
    pub async fn mcp_that(&self, token: &str, capabilities: Value) -> Mcp<'_> {
        let mut mcp = Mcp { house: self, token: token.to_owned(), session: None, id: 0 };
        let client = json!({ "name": "test", "version": "1" });
        let hello =
            json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client });
        let welcome = mcp.ask("initialize", hello).await;
        assert_eq!(welcome["result"]["serverInfo"]["name"], "tandem", "{welcome}");
        mcp.notify("notifications/initialized", json!({})).await;
        mcp
    }
}

pub struct Person(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Person {
    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("sent");
    }

    pub async fn until(&mut self, so: impl Fn(&Value) -> bool) -> Value {
        self.until_within(PATIENCE, so).await
    }

    /// The same, for what takes longer.
    pub async fn until_within(&mut self, patience: Duration, so: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let message = self.0.next().await.expect("open").expect("read");
                let Message::Text(text) = message else { continue };
                let message: Value = serde_json::from_str(&text).expect("json");
                if so(&message) {
                    return message;
                }
            }
        };
        tokio::time::timeout(patience, found).await.expect("it is told in time")
    }

    /// Everything that is told, with this as the last.
    pub async fn all_until(&mut self, so: impl Fn(&Value) -> bool) -> String {
        let all = std::cell::RefCell::new(String::new());
        self.until(|message| {
            *all.borrow_mut() += &format!("{message}\n");
            so(message)
        })
        .await;
        all.into_inner()
    }

    /// The number of the request for help that is shown.
    pub async fn until_help(&mut self) -> u64 {
        let asked = |message: &Value| {
            let help = message.pointer("/room/help/0");
            help.filter(|help| help["helper"].is_null()).cloned()
        };
        let message = self.until(|message| asked(message).is_some()).await;
        asked(&message).and_then(|help| help["id"].as_u64()).expect("a number")
    }
}

/// An agent by HTTP.
pub struct Agent<'a> {
    house: &'a House,
    token: String,
    /// The tools that did what they were asked.
    pub used: BTreeSet<String>,
}

/// What a tool answered.
pub struct Reply {
    pub status: u16,
    pub text: String,
    pub body: Value,
}

impl Reply {
    pub fn structured(&self) -> &Value {
        &self.body["structuredContent"]
    }

    pub fn code(&self) -> &str {
        self.body.pointer("/structuredContent/error/code").and_then(Value::as_str).unwrap_or("none")
    }

    /// The ref on the line of the outline that has these words.
    #[track_caller]
    pub fn reference(&self, words: &str) -> String {
        let line = self.text.lines().find(|line| line.contains(words));
        let reference = line.and_then(|line| line.split("[ref=").nth(1)?.split(']').next());
        reference.unwrap_or_else(|| panic!("no ref of {words:?} in {self}")).to_owned()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text)
    }
}

impl Agent<'_> {
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Reply {
        let path = format!("/api/rooms/main/tools/{tool}");
        let body = arguments.to_string();
        let asked = self.house.ask("POST", &path, &self.token, body.as_bytes());
        let answered = tokio::time::timeout(Duration::from_secs(40), asked).await;
        let (status, _, body) = answered.unwrap_or_else(|_| panic!("{tool} {arguments}: no answer"));
        let body: Value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| panic!("{tool}: {status} {}", String::from_utf8_lossy(&body)));
        let text = body.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default().to_owned();
        Reply { status, text, body }
    }

    pub async fn ok(&mut self, tool: &str, arguments: Value) -> Reply {
        let reply = self.call(tool, arguments.clone()).await;
        assert!(reply.status == 200 && reply.body["isError"] != true, "{tool} {arguments}: {reply}");
        self.used.insert(tool.to_owned());
        reply
    }

    pub async fn refused(&mut self, tool: &str, arguments: Value) -> Reply {
        let reply = self.call(tool, arguments.clone()).await;
        assert!(reply.status >= 400 && reply.body["isError"] == true, "{tool} {arguments}: {reply}");
        reply
    }

    pub async fn go(&mut self, url: &str) -> Reply {
        self.ok("browser_navigate", json!({ "url": url })).await
    }

    pub async fn run(&mut self, function: &str) -> Value {
        let reply = self.ok("browser_evaluate", json!({ "function": function })).await;
        reply.structured()["result"].clone()
    }

    /// What the page says of what was done to it.
    pub async fn out(&mut self) -> Value {
        self.run("() => out.value").await
    }

    /// Waits until a function gives this.
    pub async fn until(&mut self, function: &str, wanted: Value) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.run(function).await;
            if value == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{function} stays {value}, not {wanted}");
        }
    }

    /// Waits until so many tabs are open.
    pub async fn until_tabs(&mut self, wanted: usize) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let tabs = self.tabs().await;
            if tabs.len() == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "the tabs stay {tabs:?}");
            tokio::time::sleep(AGAIN).await;
        }
    }

    pub async fn tabs(&mut self) -> Vec<Value> {
        let reply = self.ok("browser_tabs", json!({ "action": "list" })).await;
        reply.structured()["tabs"].as_array().expect("tabs").clone()
    }
}

/// An agent by MCP.
pub struct Mcp<'a> {
    house: &'a House,
    token: String,
    session: Option<String>,
    id: u64,
}

impl Mcp<'_> {
    async fn open(&self, message: &Value) -> tokio::io::BufReader<TcpStream> {
        let mut headers =
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n".to_owned();
        if let Some(session) = &self.session {
            headers += &format!("Mcp-Session-Id: {session}\r\nMcp-Protocol-Version: 2025-11-25\r\n");
        }
        let body = message.to_string();
        let stream = self.house.send("POST", "/mcp", &self.token, &headers, body.as_bytes()).await;
        tokio::io::BufReader::new(stream)
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params })
    }

    /// The messages of an answer, one by one, until one is what is waited for.
    async fn read(
        &mut self,
        mut stream: tokio::io::BufReader<TcpStream>,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        self.until(&mut stream, wanted).await
    }

    /// The same; there may be more to read after it.
    pub async fn until(
        &mut self,
        stream: &mut tokio::io::BufReader<TcpStream>,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut line = String::new();
        let found = async {
            loop {
                line.clear();
                assert!(stream.read_line(&mut line).await.expect("read") > 0, "it ended");
                if let Some(("mcp-session-id", id)) = line.trim().split_once(": ") {
                    self.session = Some(id.to_owned());
                }
                let data = line.trim().strip_prefix("data:").unwrap_or(&line).trim();
                if let Ok(message) = serde_json::from_str::<Value>(data)
                    && message.is_object()
                    && wanted(&message)
                {
                    return message;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found).await.expect("answered in time")
    }

    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        let request = self.request(method, params);
        let stream = self.open(&request).await;
        let id = request["id"].clone();
        self.read(stream, |message| message["id"] == id).await
    }

    /// A request, and where its answer and what comes before it can be read.
    pub async fn begin(&mut self, method: &str, params: Value) -> (u64, tokio::io::BufReader<TcpStream>) {
        let request = self.request(method, params);
        (self.id, self.open(&request).await)
    }

    /// What the server says without being asked.
    pub async fn listen(&mut self) -> tokio::io::BufReader<TcpStream> {
        let session = self.session.as_deref().expect("a session");
        let headers = format!(
            "Accept: text/event-stream\r\nMcp-Session-Id: {session}\r\nMcp-Protocol-Version: 2025-11-25\r\n"
        );
        tokio::io::BufReader::new(self.house.send("GET", "/mcp", &self.token, &headers, b"").await)
    }

    /// Answers a request of the server's.
    pub async fn reply(&mut self, id: &Value, result: Value) {
        let mut stream = self.open(&json!({ "jsonrpc": "2.0", "id": id, "result": result })).await;
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("read");
        assert!(line.contains("202"), "{line}");
    }

    /// The same by the version of the protocol that keeps no session: the result.
    pub async fn ask_once(&mut self, tool: &str, more: Value, capabilities: &Value) -> Value {
        let mut params = json!({ "name": tool, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        } });
        params.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let request = self.request("tools/call", params);
        let headers = format!(
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
        );
        let body = request.to_string();
        let stream = self.house.send("POST", "/mcp", &self.token, &headers, body.as_bytes()).await;
        let id = request["id"].clone();
        self.read(tokio::io::BufReader::new(stream), |message| {
            message["id"] == id || message["error"].is_object()
        })
        .await
    }

    /// A request whose answer nobody reads; it is kept open.
    pub async fn post(&mut self, method: &str, params: Value) -> (u64, impl Sized + use<>) {
        let request = self.request(method, params);
        let stream = self.open(&request).await;
        (self.id, stream)
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        let mut stream = self.open(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("read");
        assert!(line.contains("202"), "{line}");
    }

    /// Ends the session.
    pub async fn end(self) {
        let session = self.session.expect("a session");
        let headers = format!("Mcp-Session-Id: {session}\r\nMcp-Protocol-Version: 2025-11-25\r\n");
        let mut answer = String::new();
        let mut stream = self.house.send("DELETE", "/mcp", &self.token, &headers, b"").await;
        stream.read_to_string(&mut answer).await.expect("read");
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }

    /// Calls, and hangs up with the first word of progress.
    pub async fn call_until_progress(&mut self, tool: &str, arguments: Value) -> String {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "p" } });
        let request = self.request("tools/call", params);
        let stream = self.open(&request).await;
        let told = self.read(stream, |message| message["method"] == "notifications/progress").await;
        let id = self.id;
        self.notify("notifications/cancelled", json!({ "requestId": id })).await;
        told.pointer("/params/message").and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}
