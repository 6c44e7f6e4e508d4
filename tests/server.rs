//! The server's doors, over real TCP. Behind them stand rooms that are
//! doubles: what a room does is shown elsewhere.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{SinkExt as _, StreamExt as _};
use tandem::base::{Actor, ActorKind, CursorImage, Role, RoomId, Size, ToolGroups};
use tandem::room::{
    FloorAsk, FloorView, HelpAnswer, Phase, Presence, Room, RoomError, RoomEvent, RoomSpec, RoomView, Rooms,
    ViewerKind, ViewerSeat,
};
use tandem::server::wire::{ClientMessage, ServerMessage, WireError};
use tandem::server::{
    Context, Deployment, Edges, Proxies, RunTokens, Secret, ServerOptions, Telemetry, TelemetrySource, Turn,
    new_token,
};
use tandem::store::{Store, TokenId, UnixSeconds};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;

const ADMIN: &str = "an-admin-token-for-tests";

// --- Rooms that are doubles ---------------------------------------------

struct DoubleRoom {
    view: watch::Sender<Arc<RoomView>>,
    events: broadcast::Sender<RoomEvent>,
    cursor: watch::Sender<Option<Arc<CursorImage>>>,
    seats: Arc<AtomicUsize>,
}

struct DoubleSeat(Arc<AtomicUsize>);

#[derive(Default)]
struct DoubleRooms(Mutex<BTreeMap<RoomId, Arc<DoubleRoom>>>);

impl DoubleRoom {
    fn new(spec: RoomSpec) -> Arc<Self> {
        let view = RoomView {
            id: spec.id,
            size: spec.size,
            phase: Phase::Live,
            present: vec![],
            holder: None,
            floor: FloorView::default(),
            private: None,
            waiting: vec![],
            help: vec![],
            approvals: vec![],
            page: None,
        };
        Arc::new(Self {
            view: watch::Sender::new(Arc::new(view)),
            events: broadcast::Sender::new(8),
            cursor: watch::Sender::new(None),
            seats: Arc::default(),
        })
    }
}

impl Room for DoubleRoom {
    fn view(&self) -> watch::Receiver<Arc<RoomView>> {
        self.view.subscribe()
    }
    fn events(&self) -> broadcast::Receiver<RoomEvent> {
        self.events.subscribe()
    }
    fn cursor(&self) -> watch::Receiver<Option<Arc<CursorImage>>> {
        self.cursor.subscribe()
    }
    fn enter(&self, _: Actor) -> BoxFuture<'_, Result<Box<dyn ViewerSeat>, RoomError>> {
        self.seats.fetch_add(1, Ordering::SeqCst);
        let seat: Box<dyn ViewerSeat> = Box::new(DoubleSeat(Arc::clone(&self.seats)));
        Box::pin(async move { Ok(seat) })
    }
    fn resize(&self, actor: Actor, size: Size) -> BoxFuture<'_, Result<(), RoomError>> {
        assert!(actor.role.may_act(), "the server let a viewer through");
        self.view.send_modify(|view| Arc::make_mut(view).size = size);
        Box::pin(async { Ok(()) })
    }
    fn floor(&self, actor: Actor, ask: FloorAsk) -> BoxFuture<'_, Result<(), RoomError>> {
        assert!(actor.role.kind() == ActorKind::Person, "only people in this test");
        match ask {
            FloorAsk::Takeover => {
                self.view.send_modify(|view| {
                    Arc::make_mut(view).floor.takeover = Some(Presence {
                        id: actor.id.clone(),
                        name: actor.name.clone(),
                        kind: ActorKind::Person,
                        role: actor.role,
                        colour: actor.colour,
                    });
                });
                Box::pin(async { Ok(()) })
            }
            other => {
                let told = format!("{} says {other:?}", actor.name);
                Box::pin(async { Err(RoomError::Forbidden(told)) })
            }
        }
    }
    fn help(&self, actor: Actor, id: u32, answer: HelpAnswer) -> BoxFuture<'_, Result<(), RoomError>> {
        let told = format!("{} says {answer:?} to {id}", actor.name);
        Box::pin(async { Err(RoomError::BadRequest(told)) })
    }
}

impl ViewerSeat for DoubleSeat {
    fn offer(&self, kind: ViewerKind, sdp: String) -> BoxFuture<'_, Result<String, RoomError>> {
        Box::pin(async move {
            match sdp.as_str() {
                "v=0 h264" => Ok(format!("answer to {kind:?}")),
                "v=0 av1" => Err(RoomError::NoCodec("no codec in common".into())),
                _ => Err(RoomError::BadOffer("this is no offer".into())),
            }
        })
    }
}

impl Drop for DoubleSeat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Rooms for DoubleRooms {
    fn list(&self) -> Vec<RoomView> {
        self.0.lock().unwrap().values().map(|room| room.view.borrow().as_ref().clone()).collect()
    }
    fn get(&self, id: &RoomId) -> Option<Arc<dyn Room>> {
        self.0.lock().unwrap().get(id).map(|room| Arc::clone(room) as Arc<dyn Room>)
    }
    fn create(&self, spec: RoomSpec) -> BoxFuture<'_, Result<RoomView, RoomError>> {
        let mut rooms = self.0.lock().unwrap();
        let made = if rooms.contains_key(&spec.id) {
            Err(RoomError::Exists)
        } else if rooms.len() >= 3 {
            Err(RoomError::Full("there are 3 rooms already".into()))
        } else {
            let room = DoubleRoom::new(spec.clone());
            let view = room.view.borrow().as_ref().clone();
            rooms.insert(spec.id, room);
            Ok(view)
        };
        Box::pin(async { made })
    }
    fn remove(&self, id: &RoomId) -> BoxFuture<'_, Result<(), RoomError>> {
        let removed = self.0.lock().unwrap().remove(id).map(drop).ok_or(RoomError::NotFound);
        Box::pin(async { removed })
    }
}

struct Counts;

impl TelemetrySource for Counts {
    fn read(&self) -> Telemetry {
        Telemetry {
            frames_encoded: 42,
            encode_seconds: 1.5,
            bytes_sent: 1000,
            input_events: 7,
            lines: 1,
            ..Telemetry::default()
        }
    }
}

// --- A server and a client ----------------------------------------------

struct Server {
    address: SocketAddr,
    rooms: Arc<DoubleRooms>,
    store: Store,
    data: tempfile::TempDir,
    shutdown: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    fn header(&self, name: &str) -> &str {
        self.headers(name).first().copied().unwrap_or_default()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_in(Deployment::default()).await
    }

    async fn start_in(deployment: Deployment) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let data = tempfile::tempdir().expect("dir");
        let store = Store::open(data.path()).expect("a store");
        let rooms = Arc::new(DoubleRooms::default());
        let spec = |id: &str| RoomSpec::new(RoomId::new(id).unwrap(), Size::DEFAULT);
        for id in ["main", "other"] {
            rooms.create(spec(id)).await.expect("made");
        }
        let tokens = RunTokens::new(Some(Secret::chosen(ADMIN).unwrap())).expect("tokens");
        let options = ServerOptions {
            port: address.port(),
            loopback: true,
            public_urls: vec!["https://tandem.example.org".parse().unwrap()],
            allowed_origins: vec![],
            ice_servers: vec![],
            tools: ToolGroups::default(),
            deployment: Deployment { data_dir: data.path().to_owned(), ..deployment },
        };
        let mcp = axum::Router::new().fallback(async |request: axum::extract::Request| {
            let extensions = request.extensions();
            let actor = extensions.get::<Actor>().expect("an actor");
            let room = extensions.get::<RoomId>().expect("a room");
            let groups = extensions.get::<ToolGroups>().expect("groups of tools");
            assert!(request.headers().get("authorization").is_none());
            format!("{} {} {:?} {groups}", room, actor.id, actor.role)
        });
        let edges = Edges {
            agents: Some(mcp),
            copilot: None,
            sessions: None,
            tools_document: tandem::cli::edges_document(),
            telemetry: Some(Arc::new(Counts)),
        };
        let shutdown = CancellationToken::new();
        let context = Context::new(
            Arc::clone(&rooms) as Arc<dyn Rooms>,
            store.clone(),
            &tokens,
            options,
            edges,
            shutdown.clone(),
        );
        let served = tokio::spawn(tandem::server::serve(listener, context));
        Self { address, rooms, store, data, shutdown, served }
    }

    /// Sends a request as written and reads the answer to its end.
    async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        // A server that refuses early may close before it has read all.
        let _ = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let asked = String::from_utf8_lossy(&request[..request.len().min(80)]);
        read.unwrap_or_else(|_| panic!("no end of the answer to {asked:?}: {text:?}")).ok();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text.as_str(), ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.raw(request.as_bytes()).await
    }

    async fn with(&self, token: &str, method: &str, path: &str, json: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let kind = ("Content-Type", "application/json");
        self.ask(method, path, &[("Authorization", &bearer), kind], json).await
    }

    async fn token(&self, role: Role, room: Option<&str>, seconds: Option<u64>) -> (TokenId, String) {
        let secret = Secret::random().expect("random");
        let room = room.map(|room| RoomId::new(room).unwrap());
        let stored = new_token(&secret, role, room, Some("Ada"), seconds).expect("a token");
        self.store.add_token(stored.clone()).await.expect("added");
        (stored.id, secret.reveal().to_owned())
    }

    async fn page(&self, token: &str) -> Page {
        let mut request = format!("ws://{}/api/rooms/main/ws", self.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
        Page(socket)
    }

    fn seats(&self) -> usize {
        let rooms = self.rooms.0.lock().unwrap();
        rooms.values().map(|room| room.seats.load(Ordering::SeqCst)).sum()
    }
}

struct Page(tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>);

impl Page {
    /// The next message, or the code of the close.
    async fn next(&mut self) -> Result<ServerMessage, u16> {
        let wait = async {
            loop {
                match self.0.next().await {
                    Some(Ok(tungstenite::Message::Text(text))) => {
                        return Ok(serde_json::from_str(&text).expect("a server message"));
                    }
                    Some(Ok(tungstenite::Message::Close(frame))) => {
                        return Err(frame.map_or(0, |frame| frame.code.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Err(0),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("a message in time")
    }

    async fn say(&mut self, text: &str) {
        self.0.send(tungstenite::Message::text(text)).await.expect("sent");
    }

    async fn tell(&mut self, message: &ClientMessage) {
        self.say(&serde_json::to_string(message).unwrap()).await;
    }
}

// --- Claims --------------------------------------------------------------

#[tokio::test]
async fn every_door_asks_for_a_token() {
    let server = Server::start().await;
    let document: serde_json::Value =
        serde_json::from_str(&tandem::server::openapi_json(&tandem::cli::edges_document())).unwrap();
    let mut doors = vec![
        ("GET".to_owned(), "/".to_owned()),
        ("GET".into(), "/rooms/main".into()),
        ("GET".into(), "/rooms/nowhere".into()),
        ("GET".into(), "/admin".into()),
        ("GET".into(), "/assets/index.js".into()),
        ("GET".into(), "/favicon.svg".into()),
        ("GET".into(), "/nothing/here".into()),
        ("PUT".into(), "/api/rooms".into()),
        ("POST".into(), "/mcp".into()),
        ("POST".into(), "/rooms/main/mcp".into()),
        ("GET".into(), "/rooms/nowhere/mcp".into()),
        ("OPTIONS".into(), "/api/rooms/main/whep".into()),
        ("PATCH".into(), "/api/rooms/main/whep/x".into()),
    ];
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let path = path
                .replace("{room}", "main")
                .replace("{id}", "0123456789ab")
                .replace("{player}", "x")
                .replace("{what}", "list");
            doors.push((method.to_uppercase(), path));
        }
    }
    assert!(doors.len() > 20);
    for (method, path) in doors.into_iter().filter(|(_, path)| path != "/api/health" && path != "/api/ready")
    {
        let answer = server.ask(&method, &path, &[], "").await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
        // In the address it is not taken by programs' doors either.
        if path.starts_with("/api") || path.contains("mcp") {
            let answer = server.ask(&method, &format!("{path}?token={ADMIN}"), &[], "").await;
            assert_eq!(answer.status, 401, "{method} {path}?token");
        }
    }
}

#[tokio::test]
async fn health_needs_no_token_and_metrics_need_the_admins() {
    let server = Server::start().await;
    let health = server.ask("GET", "/api/health", &[], "").await;
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")));
    assert!(health.json()["version"].is_string());

    server.with("wrong", "GET", "/metrics", "").await;
    let (_, viewer) = server.token(Role::Viewer, None, None).await;
    assert_eq!(server.with(&viewer, "GET", "/metrics", "").await.status, 403);
    let metrics = server.with(ADMIN, "GET", "/metrics", "").await;
    for line in [
        "tandem_rooms{phase=\"live\"} 2",
        "tandem_viewers 0",
        "tandem_frames_encoded_total 42",
        "tandem_sent_bytes_total 1000",
        "tandem_encode_seconds_total 1.5",
        "tandem_input_events_total 7",
        "tandem_auth_failures_total 1",
        "tandem_input_to_photon_milliseconds_count 0",
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line} is not in\n{}", metrics.body);
    }
}

#[tokio::test]
async fn the_overview_is_the_admins_and_rests_and_putting_out_too() {
    let server = Server::start().await;
    let (_, viewer) = server.token(Role::Viewer, None, None).await;
    let (id, guest) = server.token(Role::Controller, Some("main"), None).await;
    for (method, path, body) in [
        ("GET", "/api/admin", ""),
        ("GET", "/api/tokens", ""),
        ("DELETE", "/api/tokens/0123456789ab", ""),
        ("POST", "/api/rooms/main/sleep", ""),
        ("POST", "/api/rooms/main/wake", ""),
        ("POST", "/api/rooms/main/stop", ""),
        ("POST", "/api/rooms/main/start", ""),
        ("POST", "/api/rooms/main/put-out", "{}"),
    ] {
        for token in [&viewer, &guest] {
            let answer = server.with(token, method, path, body).await;
            assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some("forbidden")));
        }
    }
    let answer = server.with(ADMIN, "GET", "/api/admin", "").await;
    let overview = answer.json();
    assert_eq!((answer.status, overview["ready"].as_bool()), (200, Some(true)), "{overview}");
    assert_eq!(overview["rooms"].as_array().map(Vec::len), Some(2));
    let main = &overview["rooms"][0];
    assert_eq!((main["id"].as_str(), main["removable"].as_bool()), (Some("main"), Some(false)));
    assert!(main["address"].as_str().unwrap().ends_with("/rooms/main"), "{main}");
    assert!(overview["machine"]["processors"].as_u64() > Some(0), "{overview}");

    // What the room says is passed on as it is.
    let refused = server.with(ADMIN, "POST", "/api/rooms/main/sleep", "").await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(server.with(ADMIN, "POST", "/api/rooms/nowhere/wake", "").await.status, 404);
    let wrong = server.with(ADMIN, "POST", "/api/rooms/main/sleep", "{\"always\":true}").await;
    assert_eq!(wrong.status, 400, "{}", wrong.body);
    let nobody = "{\"actor\":\"nobody\"}";
    assert_eq!(server.with(ADMIN, "POST", "/api/rooms/main/put-out", nobody).await.status, 404);

    // Tokens of all rooms are seen and revoked in one place.
    let all = server.with(ADMIN, "GET", "/api/tokens", "").await.json();
    assert!(all.as_array().unwrap().iter().any(|one| one["id"] == id.to_string()), "{all}");
    assert!(!all.to_string().contains("tdm_"), "no token's text is told again");
    assert_eq!(server.with(ADMIN, "DELETE", &format!("/api/tokens/{id}"), "").await.status, 204);
    assert_eq!(server.with(&guest, "GET", "/api/rooms", "").await.status, 401);
    assert_eq!(server.with(ADMIN, "DELETE", &format!("/api/tokens/{id}"), "").await.status, 404);
}

#[tokio::test]
async fn a_token_in_the_address_moves_to_a_cookie_and_disappears() {
    let server = Server::start().await;
    let answer = server.ask("GET", &format!("/rooms/main?a=1&token={ADMIN}"), &[], "").await;
    assert_eq!((answer.status, answer.header("location")), (303, "/rooms/main?a=1"));
    let cookie =
        answer.headers("set-cookie").into_iter().find(|cookie| cookie.starts_with("tandem=")).unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let page = server.ask("GET", "/rooms/main?a=1", &[("Cookie", cookie)], "").await;
    assert!([200, 503].contains(&page.status), "{}", page.status);
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"), "{}", page.head);
    assert_eq!(server.ask("GET", "/api/rooms", &[("Cookie", cookie)], "").await.status, 200);
    let root = server.ask("GET", "/", &[("Cookie", cookie)], "").await;
    assert_eq!((root.status, root.header("location")), (303, "/rooms/main"));
    assert_eq!(server.ask("GET", "/rooms/nowhere", &[("Cookie", cookie)], "").await.status, 404);

    let wrong = server.ask("GET", "/rooms/main?token=wrong", &[], "").await;
    assert_eq!((wrong.status, wrong.headers("set-cookie").len()), (401, 0));

    let path = format!("/?token={ADMIN}");
    let secure = server.ask("GET", &path, &[("Host", "tandem.example.org")], "").await;
    assert!(secure.header("set-cookie").contains("; Secure"), "{}", secure.head);
}

#[tokio::test]
async fn foreign_names_and_foreign_pages_get_nothing() {
    let server = Server::start().await;
    let bearer = format!("Bearer {ADMIN}");
    let auth = ("Authorization", bearer.as_str());
    assert_eq!(server.ask("GET", "/api/rooms", &[auth, ("Host", "evil.example")], "").await.status, 421);
    for header in [("Origin", "http://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        let answer = server.ask("POST", "/api/rooms", &[auth, header], "{}").await;
        assert_eq!(answer.status, 403, "{header:?}");
    }
    let own = format!("http://{}", server.address);
    assert_eq!(server.ask("GET", "/api/rooms", &[auth, ("Origin", &own)], "").await.status, 200);

    let mut request = format!("ws://{}/api/rooms/main/ws", server.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    request.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
    let refused = tokio_tungstenite::connect_async(request).await.expect_err("refused");
    assert!(matches!(refused, tungstenite::Error::Http(answer) if answer.status() == 403));
}

#[tokio::test]
async fn a_viewer_watches_and_nothing_more() {
    let server = Server::start().await;
    let (_, viewer) = server.token(Role::Viewer, None, None).await;
    assert_eq!(server.with(&viewer, "GET", "/api/rooms", "").await.json().as_array().unwrap().len(), 2);
    let size = r#"{"size":{"width":800,"height":600}}"#;
    for (method, path, body) in [
        ("POST", "/api/rooms", r#"{"id":"new"}"#),
        ("DELETE", "/api/rooms/main", ""),
        ("PATCH", "/api/rooms/main", size),
        ("GET", "/api/rooms/main/tokens", ""),
        ("POST", "/api/rooms/main/tokens", r#"{"role":"viewer"}"#),
        ("DELETE", "/api/rooms/main/tokens/0123456789ab", ""),
        ("POST", "/mcp", ""),
    ] {
        let answer = server.with(&viewer, method, path, body).await;
        assert_eq!(answer.status, 403, "{method} {path}");
        assert_eq!(answer.json()["error"]["code"], "forbidden");
    }
    let (_, controller) = server.token(Role::Controller, None, None).await;
    assert_eq!(server.with(&controller, "PATCH", "/api/rooms/main", size).await.json()["size"]["width"], 800);
    assert_eq!(server.with(&controller, "DELETE", "/api/rooms/main", "").await.status, 403);

    let mut page = server.page(&viewer).await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Welcome { may_act: false, .. })));
    page.tell(&ClientMessage::Fit { width: 640, height: 480 }).await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Error { code: WireError::Forbidden, .. })));
}

#[tokio::test]
async fn a_token_for_one_room_opens_no_other() {
    let server = Server::start().await;
    let made = server
        .with(ADMIN, "POST", "/api/rooms/other/tokens", r#"{"role":"controller","name":"Grace"}"#)
        .await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["url"], format!("http://{}/rooms/other?token={token}", server.address));
    assert_eq!(server.with(token, "GET", "/api/rooms/other", "").await.status, 200);
    let listed = server.with(token, "GET", "/api/rooms", "").await.json();
    assert_eq!((listed.as_array().unwrap().len(), listed[0]["id"].as_str()), (1, Some("other")));
    for (method, path) in [
        ("GET", "/api/rooms/main"),
        ("GET", "/api/rooms/main/ws"),
        ("POST", "/api/rooms/main/whep"),
        ("GET", "/rooms/main"),
        ("POST", "/rooms/main/mcp"),
    ] {
        assert_eq!(server.with(token, method, path, "").await.status, 403, "{method} {path}");
    }
    let refused = server.with(ADMIN, "POST", "/api/rooms/other/tokens", r#"{"role":"admin"}"#).await;
    assert_eq!(refused.status, 400);
    let list = server.with(ADMIN, "GET", "/api/rooms/other/tokens", "").await;
    assert!(list.body.contains("Grace") && !list.body.contains(token), "{}", list.body);

    // With the room goes its token, also for a later room of that name.
    assert_eq!(server.with(ADMIN, "DELETE", "/api/rooms/other", "").await.status, 204);
    assert_eq!(server.with(ADMIN, "POST", "/api/rooms", r#"{"id":"other"}"#).await.status, 201);
    assert_eq!(server.with(token, "GET", "/api/rooms/other", "").await.status, 401);
}

#[tokio::test]
async fn a_revoked_or_expired_token_is_refused_and_its_page_is_put_out() {
    let server = Server::start().await;
    let (id, token) = server.token(Role::Controller, Some("main"), None).await;
    let mut page = server.page(&token).await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Welcome { .. })));
    let path = format!("/api/rooms/main/tokens/{id}");
    assert_eq!(server.with(ADMIN, "DELETE", &path, "").await.status, 204);
    assert_eq!(server.with(ADMIN, "DELETE", &path, "").await.status, 404);
    assert_eq!(server.with(&token, "GET", "/api/rooms", "").await.status, 401);
    assert_eq!(page.next().await, Err(4002));

    // What the command line revokes on the data directory counts as well.
    let (id, token) = server.token(Role::Controller, None, None).await;
    let mut page = server.page(&token).await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Welcome { .. })));
    let command = Store::open_beside(server.data.path()).expect("opens");
    assert!(command.revoke_token(id, UnixSeconds::now()).await.expect("revoked"));
    let asked = std::time::Instant::now();
    assert_eq!(page.next().await, Err(4002));
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());

    let (_, token) = server.token(Role::Viewer, None, Some(1)).await;
    let mut page = server.page(&token).await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Welcome { .. })));
    assert_eq!(page.next().await, Err(4001));
}

#[tokio::test]
async fn what_is_malformed_is_refused_with_a_reason() {
    let server = Server::start().await;
    let huge = format!(r#"{{"id":"{}"}}"#, "x".repeat(70_000));
    for (body, status) in [
        (huge.as_str(), 413),
        ("", 400),
        ("{", 400),
        (r#"{"id":"../etc"}"#, 400),
        (r#"{"id":"a","size":{"width":1,"height":1}}"#, 400),
        (r#"{"id":"a","colour":"red"}"#, 400),
        (r#"{"id":"a","start_url":"file:///etc/passwd"}"#, 400),
        (r#"{"id":"main"}"#, 409),
    ] {
        let answer = server.with(ADMIN, "POST", "/api/rooms", body).await;
        assert_eq!(answer.status, status, "{}", &body[..body.len().min(60)]);
        assert!(answer.json()["error"]["message"].as_str().is_some_and(|text| text.len() > 10));
    }
    let bearer = format!("Bearer {ADMIN}");
    let plain = server.ask("POST", "/api/rooms", &[("Authorization", &bearer)], r#"{"id":"a"}"#).await;
    assert_eq!(plain.status, 415);
    assert_eq!(
        server.with(ADMIN, "POST", "/api/rooms", r#"{"id":"a"}"#).await.header("location"),
        "/api/rooms/a"
    );
    assert_eq!(
        server.with(ADMIN, "POST", "/api/rooms", r#"{"id":"b"}"#).await.json()["error"]["code"],
        "full"
    );
    assert_eq!(server.with(ADMIN, "PUT", "/api/rooms", "").await.status, 405);
    assert_eq!(server.with(ADMIN, "GET", "/api/rooms/UPPER", "").await.status, 404);
    assert_eq!(server.with(ADMIN, "GET", "/api/rooms/main/ws", "").await.status, 426);
    assert_eq!(server.raw(b"this is no request at all\r\n\r\n").await.status, 400);
    let big = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    // Or the connection breaks before the answer is read: there is more to come than is taken.
    assert!([431, 0].contains(&server.raw(big.as_bytes()).await.status));
    assert_eq!(server.ask("GET", "/api/health", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_guesser_is_told_to_wait_but_nobody_else() {
    let server = Server::start().await;
    for _ in 0..20 {
        assert_eq!(server.with("tdm_guess", "GET", "/api/rooms", "").await.status, 401);
    }
    let answer = server.with("tdm_guess", "GET", "/api/rooms", "").await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    assert_eq!(server.with(ADMIN, "GET", "/api/rooms", "").await.status, 200);
}

#[tokio::test]
async fn readiness_writes_looks_and_needs_no_token() {
    let server = Server::start().await;
    let ready = server.ask("GET", "/api/ready", &[], "").await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (200, Some("ready")), "{}", ready.body);
    let checks = ready.json()["checks"].as_array().unwrap().len();
    assert_eq!(checks, 4);
    assert!(server.store.setting("ready-probe").await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_whose_rooms_are_all_down_is_there_but_not_ready() {
    let server = Server::start().await;
    for room in server.rooms.0.lock().unwrap().values() {
        let down = Phase::Failed { reason: "a secret of the inside".into() };
        room.view.send_modify(|view| Arc::make_mut(view).phase = down);
    }
    let ready = server.ask("GET", "/api/ready", &[], "").await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("not-ready")));
    assert!(ready.body.contains("none of 2 is up") && !ready.body.contains("secret"), "{}", ready.body);
    assert_eq!(server.ask("GET", "/api/health", &[], "").await.status, 200);
}

#[tokio::test]
async fn below_a_path_every_address_has_it_and_the_proxy_may_take_it_off() {
    let base = "/tandem".parse().unwrap();
    let server = Server::start_in(Deployment { base, ..Deployment::default() }).await;
    let https = ("Host", "tandem.example.org");
    for path in ["/rooms/main", "/tandem/rooms/main"] {
        let answer = server.ask("GET", &format!("{path}?token={ADMIN}"), &[https], "").await;
        assert_eq!((answer.status, answer.header("location")), (303, "/tandem/rooms/main"));
        for cookie in answer.headers("set-cookie") {
            assert!(cookie.contains("Path=/tandem/;") && cookie.ends_with("; Secure"), "{cookie}");
        }
    }
    let bearer = format!("Bearer {ADMIN}");
    let token = ("Authorization", bearer.as_str());
    let home = server.ask("GET", "/tandem", &[https, token], "").await;
    assert_eq!(home.header("location"), "/tandem/rooms/main");
    let made = r#"{"role":"viewer"}"#;
    let json = ("Content-Type", "application/json");
    let made = server.ask("POST", "/tandem/api/rooms/main/tokens", &[https, token, json], made).await;
    let url = made.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://tandem.example.org/tandem/rooms/main?token="), "{url}");
    let page = server.ask("GET", "/tandem/rooms/main", &[https, token], "").await;
    assert!(page.status == 503 || page.body.contains("src=\"/tandem/assets/"), "{}", page.body);
    let played = server
        .ask(
            "POST",
            "/tandem/api/rooms/main/whep",
            &[https, token, ("Content-Type", "application/sdp")],
            "v=0 h264",
        )
        .await;
    assert!(played.header("location").starts_with("/tandem/api/rooms/main/whep/"), "{}", played.head);
    assert_eq!(server.ask("GET", "/tandemonium", &[https, token], "").await.status, 404);
}

#[tokio::test]
async fn only_a_trusted_proxy_says_who_asks() {
    let address = async |proxies: &[&str]| {
        let proxies = Proxies::parse(proxies).unwrap();
        let server = Server::start_in(Deployment { proxies, ..Deployment::default() }).await;
        let forwarded = ("X-Forwarded-For", "6.6.6.6, 203.0.113.9");
        let bearer = format!("Bearer {ADMIN}");
        let told =
            server.ask("GET", "/api/doctor", &[("Authorization", &bearer), forwarded], "").await.json();
        (told["your_address"].as_str().unwrap().to_owned(), told["unknown_proxy"].as_bool().unwrap())
    };
    assert_eq!(address(&[]).await, ("127.0.0.1".into(), true));
    assert_eq!(address(&["127.0.0.1"]).await, ("203.0.113.9".into(), false));
}

#[tokio::test]
async fn behind_a_trusted_proxy_a_guesser_holds_up_nobody_else() {
    let proxies = Proxies::parse(&["private"]).unwrap();
    let server = Server::start_in(Deployment { proxies, ..Deployment::default() }).await;
    let guess = async |from: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("X-Forwarded-For", from)];
        server.ask("GET", "/api/rooms", &headers, "").await.status
    };
    for number in 0..20 {
        assert_eq!(guess("203.0.113.9", &format!("guess-{number}")).await, 401);
    }
    assert_eq!(guess("203.0.113.9", "one-more").await, 429);
    assert_eq!(guess("203.0.113.10", "another").await, 401);
}

#[tokio::test]
async fn a_proxy_that_strips_upgrade_is_named() {
    let server = Server::start().await;
    let bearer = format!("Bearer {ADMIN}");
    let stripped =
        [("Authorization", bearer.as_str()), ("Sec-WebSocket-Key", "x"), ("Sec-WebSocket-Version", "13")];
    for path in ["/api/rooms/main/ws", "/api/doctor/ws"] {
        let answer = server.ask("GET", path, &stripped, "").await;
        assert_eq!(answer.status, 426, "{path}");
        assert!(answer.body.contains("a proxy in front took the Upgrade header"), "{}", answer.body);
    }
}

#[tokio::test]
async fn each_viewer_gets_turn_credentials_that_end() {
    let turn = Turn::new(vec!["turn:t.example:3478".into()], "a-secret-of-some-length").unwrap();
    let server = Server::start_in(Deployment { turn: Some(turn), ..Deployment::default() }).await;
    let mut page = server.page(ADMIN).await;
    let Ok(ServerMessage::Welcome { ice_servers, .. }) = page.next().await else { panic!("no welcome") };
    let [only] = ice_servers.as_slice() else { panic!("{ice_servers:?}") };
    let (end, who) = only.username.as_deref().and_then(|name| name.split_once(':')).unwrap();
    let left = end.parse::<i64>().unwrap() - UnixSeconds::now().0;
    assert!((12 * 3600 - 60..=12 * 3600).contains(&left), "{left}");
    assert_eq!((who, only.credential.as_ref().map(String::len)), ("admin", Some(28)));
}

#[tokio::test]
async fn headers_keep_the_page_from_others_and_tls_stays_for_public_names() {
    let server = Server::start().await;
    let secure = server.ask("GET", "/api/health", &[("Host", "tandem.example.org")], "").await;
    assert_eq!(secure.header("strict-transport-security"), "max-age=31536000");
    for (name, value) in [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer")] {
        assert_eq!(secure.header(name), value);
    }
    assert!(secure.header("content-security-policy").starts_with("default-src 'none'"));
    let plain = server.ask("GET", "/api/health", &[], "").await;
    assert_eq!(plain.header("strict-transport-security"), "");
}

#[tokio::test]
async fn a_page_is_welcomed_answered_and_kept_informed() {
    let server = Server::start().await;
    let main = Arc::clone(&server.rooms.0.lock().unwrap()[&RoomId::main()]);
    let picture =
        CursorImage { serial: 1, width: 2, height: 2, hot_x: 0, hot_y: 0, png: vec![1, 2, 3].into() };
    main.cursor.send_replace(Some(Arc::new(picture)));
    let mut page = server.page(ADMIN).await;
    let Ok(ServerMessage::Welcome { protocol: 1, may_act: true, you, room, .. }) = page.next().await else {
        panic!("the first message is no welcome");
    };
    assert_eq!((you.id.as_str(), room.id), ("admin", RoomId::main()));
    assert!(matches!(page.next().await, Ok(ServerMessage::Cursor { png, .. }) if png == "AQID"));
    page.tell(&ClientMessage::Ping { t: 7.5 }).await;
    assert_eq!(page.next().await, Ok(ServerMessage::Pong { t: 7.5 }));
    page.tell(&ClientMessage::Offer { sdp: "v=0 h264".into() }).await;
    assert_eq!(page.next().await, Ok(ServerMessage::Answer { sdp: "answer to Interactive".into() }));
    page.tell(&ClientMessage::Offer { sdp: "v=0 av1".into() }).await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Error { code: WireError::NoCodec, .. })));
    page.tell(&ClientMessage::Fit { width: 1000, height: 701 }).await;
    assert!(
        matches!(page.next().await, Ok(ServerMessage::View { room }) if room.size.to_string() == "1000x700")
    );
    main.events.send(RoomEvent::Clipboard { text: "hello".into() }).unwrap();
    assert!(matches!(page.next().await, Ok(ServerMessage::Event { .. })));
    page.tell(&ClientMessage::Report { photon_ms: vec![20.0, 30.0] }).await;
    page.tell(&ClientMessage::Ping { t: 0.0 }).await;
    page.next().await.expect("a pong");
    let metrics = server.with(ADMIN, "GET", "/metrics", "").await;
    assert!(metrics.body.contains("tandem_input_to_photon_milliseconds_count 2"), "{}", metrics.body);
    assert_eq!(server.seats(), 1);

    drop(main);
    server.with(ADMIN, "DELETE", "/api/rooms/main", "").await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Error { code: WireError::Gone, .. })));
    assert_eq!(page.next().await, Err(4004));
}

#[tokio::test]
async fn ten_malformed_messages_close_a_page_and_the_room_lives() {
    let server = Server::start().await;
    let mut page = server.page(ADMIN).await;
    page.next().await.expect("a welcome");
    for nonsense in [
        "",
        "{",
        "null",
        r#"{"type":"dance"}"#,
        r#"{"type":"ping","t":"x"}"#,
        r#"{"type":"fit","width":0,"height":4000000000}"#,
        r#"{"type":"fit","width":-1,"height":1e99}"#,
        r#"{"type":"report","photon_ms":[-1]}"#,
        r#"{"type":"offer","sdp":"","more":1}"#,
        "[[[[",
    ] {
        page.say(nonsense).await;
        let answer = page.next().await;
        assert!(matches!(answer, Ok(ServerMessage::Error { code: WireError::Malformed, .. })), "{nonsense}");
    }
    assert_eq!(page.next().await, Err(1008));

    let mut page = server.page(ADMIN).await;
    page.next().await.expect("a welcome");
    page.say(&"x".repeat(65 * 1024)).await;
    assert!(matches!(page.next().await, Err(1009 | 0)));
    assert_eq!(server.with(ADMIN, "GET", "/api/rooms/main", "").await.status, 200);
}

#[tokio::test]
async fn a_stopping_server_says_so_and_stops() {
    let server = Server::start().await;
    let mut page = server.page(ADMIN).await;
    page.next().await.expect("a welcome");
    server.shutdown.cancel();
    assert_eq!(page.next().await, Err(1012));
    drop(page);
    tokio::time::timeout(Duration::from_secs(60), server.served).await.expect("in time").expect("no panic");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_standard_player_offers_plays_and_leaves() {
    let server = Server::start().await;
    let (_, viewer) = server.token(Role::Viewer, Some("main"), None).await;
    let bearer = format!("Bearer {viewer}");
    let sdp = [("Authorization", bearer.as_str()), ("Content-Type", "application/sdp")];
    let answer = server.ask("POST", "/api/rooms/main/whep", &sdp, "v=0 h264").await;
    assert_eq!((answer.status, answer.header("content-type")), (201, "application/sdp"));
    assert_eq!(answer.body, "answer to Whep");
    let resource = answer.header("location").to_owned();
    assert!(resource.starts_with("/api/rooms/main/whep/"));
    assert_eq!(server.seats(), 1);

    for (body, status) in [("v=0 av1", 422), ("nonsense", 400), (" ", 400), (&"x".repeat(70_000), 413)] {
        assert_eq!(server.ask("POST", "/api/rooms/main/whep", &sdp, body).await.status, status);
    }
    assert_eq!(server.with(&viewer, "POST", "/api/rooms/main/whep", "{}").await.status, 415);
    for (method, path) in
        [("OPTIONS", "/api/rooms/main/whep"), ("PATCH", "/api/rooms/main/whep"), ("PATCH", &resource)]
    {
        let answer = server.with(&viewer, method, path, "").await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("ICE"));
    }
    let (_, stranger) = server.token(Role::Viewer, None, None).await;
    assert_eq!(server.with(&stranger, "DELETE", &resource, "").await.status, 404);
    assert_eq!(server.with(&viewer, "DELETE", &resource, "").await.status, 200);
    tokio::time::timeout(Duration::from_secs(60), async {
        while server.seats() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the seat is given back");
    assert_eq!(server.with(&viewer, "DELETE", &resource, "").await.status, 404);
}

#[tokio::test]
async fn tools_act_as_an_agent_whoever_gave_the_token() {
    let server = Server::start().await;
    assert_eq!(
        server.with(ADMIN, "POST", "/mcp", "{}").await.body,
        "main admin:agent Agent core,vision,pdf,testing"
    );
    let (id, token) = server.token(Role::Agent, Some("other"), None).await;
    let wanted = format!("other {id} Agent core,vision,pdf,testing");
    for path in ["/mcp", "/rooms/other/mcp", "/api/rooms/other/tools/browser_click"] {
        assert_eq!(server.with(&token, "POST", path, "{}").await.body, wanted, "{path}");
    }
    let body = r#"{"role":"agent","tools":["core","network"]}"#;
    let made = server.with(ADMIN, "POST", "/api/rooms/main/tokens", body).await;
    let made: serde_json::Value = serde_json::from_str(&made.body).expect("a token");
    let token = made["token"].as_str().expect("its text");
    let answer = server.with(token, "GET", "/api/rooms/main/tools", "").await.body;
    assert!(answer.ends_with(" Agent core,network"), "{answer}");
    let wrong = r#"{"role":"agent","tools":["corr"]}"#;
    assert_eq!(server.with(ADMIN, "POST", "/api/rooms/main/tokens", wrong).await.status, 400);
    assert_eq!(server.with(ADMIN, "POST", "/rooms/nowhere/mcp", "{}").await.status, 404);
}

#[test]
fn the_committed_api_document_is_what_the_routes_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let wanted = tandem::server::openapi_json(&tandem::cli::edges_document());
    if std::env::var_os("TANDEM_BLESS").is_some() {
        std::fs::write(&path, &wanted).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "openapi.json is out of date; run TANDEM_BLESS=1 cargo test --test server");
}

// --- Tokens for other sites' pages ---------------------------------------

const DASH: &str = "https://dash.example";
const PAGE_ONE: &str = "00112233445566778899aabbccddeeff";
const PAGE_TWO: &str = "ffeeddccbbaa99887766554433221100";

impl Server {
    /// Makes a token as an embedder's server does: what was answered, and its text.
    async fn minted(&self, body: &str) -> (serde_json::Value, String) {
        let made = self.with(ADMIN, "POST", "/api/rooms/main/tokens", body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let made = made.json();
        let token = made["token"].as_str().unwrap().to_owned();
        (made, token)
    }

    /// Opens the socket as a page of another site does.
    async fn foreign_page(&self, origin: &str, token: &str, page: &str) -> Page {
        let mut request = format!("ws://{}/api/rooms/main/ws", self.address).into_client_request().unwrap();
        let protocols = format!("tandem.1, tandem.token.{token}, tandem.page.{page}");
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
        let (socket, answer) = tokio_tungstenite::connect_async(request).await.expect("a socket");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "tandem.1", "the token is not echoed");
        Page(socket)
    }
}

#[tokio::test]
async fn a_token_for_another_site_says_who_the_person_is_and_what_they_may_change() {
    let server = Server::start().await;
    let body = format!(
        r##"{{"role":"controller","name":"Ada","colour":"#0f766e","modes":["turns"],"origin":"{DASH}/"}}"##
    );
    let (made, token) = server.minted(&body).await;
    assert_eq!((made["origin"].as_str(), made["colour"].as_str()), (Some(DASH), Some("#0f766e")));
    assert_eq!(made["url"], format!("http://{}/embed/main?token={token}", server.address));
    let lasts = made["expires_at"].as_i64().unwrap() - made["created_at"].as_i64().unwrap();
    assert_eq!(lasts, 900, "short unless it is said");
    let listed = server.with(ADMIN, "GET", "/api/rooms/main/tokens", "").await;
    assert!(!listed.body.contains(&token) && listed.body.contains(made["id"].as_str().unwrap()));

    let mut page = server.foreign_page(DASH, &token, PAGE_ONE).await;
    let Ok(ServerMessage::Welcome { you, token_seconds, modes, .. }) = page.next().await else {
        panic!("no welcome");
    };
    assert_eq!(you.colour.map(|colour| colour.to_string()), Some("#0f766e".into()));
    assert!(token_seconds.is_some_and(|left| (890..=900).contains(&left)), "{token_seconds:?}");
    assert_eq!(modes.map(|modes| modes.len()), Some(1));
    page.say(r#"{"type":"floor","ask":{"kind":"mode","mode":"watch"}}"#).await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Error { code: WireError::Forbidden, .. })));
    let put = server.with(&token, "PUT", "/api/rooms/main/floor", r#"{"mode":"watch"}"#).await;
    assert_eq!(put.status, 403, "{}", put.body);

    for wrong in [
        r#"{"role":"viewer","origin":"dash.example"}"#,
        r#"{"role":"viewer","origin":"https://dash.example/path"}"#,
        r##"{"role":"viewer","colour":"#ffff00"}"##,
        r#"{"role":"viewer","modes":["chaos"]}"#,
        r#"{"role":"viewer","origin":"https://dash.example","expires_in_seconds":86401}"#,
        r#"{"name":"Ada"}"#,
        r#"{"renews":"000000000000"}"#,
    ] {
        let refused = server.with(ADMIN, "POST", "/api/rooms/main/tokens", wrong).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
        assert!(refused.json()["error"]["message"].as_str().unwrap().len() > 20, "{}", refused.body);
    }
    // It is no key to the page of our own, where it would go into a cookie.
    let visit = server.ask("GET", &format!("/rooms/main?token={token}"), &[], "").await;
    assert_eq!((visit.status, visit.header("set-cookie")), (403, ""));
}

#[tokio::test]
async fn a_frames_page_may_be_shown_by_the_site_of_its_token_and_no_other() {
    let server = Server::start().await;
    let (_, token) = server.minted(&format!(r#"{{"role":"viewer","origin":"{DASH}"}}"#)).await;
    let (_, plain) = server.minted(r#"{"role":"viewer"}"#).await;
    let ancestors = async |query: &str| {
        let page = server.ask("GET", &format!("/embed/main{query}"), &[], "").await;
        let policy = page.header("content-security-policy").to_owned();
        assert_eq!(page.header("x-frame-options"), "");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(page.headers("set-cookie").is_empty());
        assert!(!page.body.contains("tdm_"), "the page does not repeat its token");
        let named = policy.split("frame-ancestors ").nth(1).unwrap_or_default().to_owned();
        (page.status, named, page.body)
    };
    let (_, named, body) = ancestors(&format!("?token={token}&lang=de")).await;
    // Without a client there is a sentence, which anybody may show.
    if body.contains("embed-page.js") {
        assert_eq!(named, DASH);
        assert!(body.contains(&format!("content=\"{DASH}\"")), "{body}");
        assert_eq!(ancestors(&format!("?token={plain}")).await.1, "'self'");
    }
    let (status, named, body) = ancestors("?token=tdm_wrong").await;
    assert_eq!((status, named.as_str()), (401, "*"));
    assert!(body.contains("unknown here") && !body.contains("<script"), "{body}");
    assert!(ancestors("").await.2.contains("without a token"));
    let room = server.ask("GET", &format!("/rooms/main?token={ADMIN}"), &[], "").await;
    assert_eq!(room.header("x-frame-options"), "DENY");
    assert!(room.header("content-security-policy").contains("frame-ancestors 'none'"));
}

#[tokio::test]
async fn other_sites_reach_what_a_token_is_for_and_their_browser_is_told() {
    let server = Server::start().await;
    let evil = "https://evil.example";
    let ask = async |method: &str, path: &str, origin: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("Origin", origin), ("Sec-Fetch-Site", "cross-site")];
        headers.extend_from_slice(more);
        server.ask(method, path, &headers, "").await
    };
    let preflight = [("Access-Control-Request-Method", "GET")];
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").to_owned();
    assert_eq!(ask("OPTIONS", "/api/rooms/main", DASH, &preflight).await.status, 403, "nobody named it");
    let (made, token) = server.minted(&format!(r#"{{"role":"controller","origin":"{DASH}"}}"#)).await;
    let before = ask("OPTIONS", "/api/rooms/main", DASH, &preflight).await;
    assert_eq!((before.status, allowed(&before).as_str()), (204, DASH));
    assert_eq!(before.header("access-control-allow-credentials"), "");
    let bearer = format!("Bearer {token}");
    let with = [("Authorization", bearer.as_str())];
    let read = ask("GET", "/api/rooms/main", DASH, &with).await;
    assert_eq!((read.status, allowed(&read).as_str()), (200, DASH));
    assert!(read.headers("vary").iter().any(|vary| vary.contains("Origin")));
    let stolen = ask("GET", "/api/rooms/main", evil, &with).await;
    assert_eq!((stolen.status, allowed(&stolen).as_str()), (403, ""));
    // A site that has a token of its own gets no further with another's.
    let (_, other) = server.minted(&format!(r#"{{"role":"controller","origin":"{evil}"}}"#)).await;
    assert_eq!(ask("GET", "/api/rooms/main", evil, &with).await.status, 403);
    assert_eq!(server.foreign_page(evil, &token, PAGE_ONE).await.next().await.err(), Some(4006));
    let cookie = format!("tandem={other}");
    let by_cookie = [("Cookie", cookie.as_str())];
    assert_eq!(ask("GET", "/api/rooms/main", evil, &by_cookie).await.status, 403, "cookies are nothing here");
    for path in ["/api/rooms", "/metrics", "/cdp/main", "/rooms/main/mcp"] {
        assert_eq!(ask("GET", path, DASH, &with).await.status, 403, "{path}");
    }
    let script = ask("GET", "/embed.js", evil, &[]).await;
    assert_eq!(script.header("cross-origin-resource-policy"), "cross-origin");
    // With the last token the site is a stranger again.
    let path = format!("/api/rooms/main/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(server.with(ADMIN, "DELETE", &path, "").await.status, 204);
    assert_eq!(ask("OPTIONS", "/api/rooms/main", DASH, &preflight).await.status, 403);
}

#[tokio::test]
async fn a_page_of_another_site_is_told_by_the_close_code_why_it_is_refused() {
    let server = Server::start().await;
    let body = |more: &str| format!(r#"{{"role":"viewer","origin":"{DASH}"{more}}}"#);
    let code =
        async |token: &str, page: &str| server.foreign_page(DASH, token, page).await.next().await.err();
    assert_eq!(code("tdm_wrong", PAGE_ONE).await, Some(4005));
    let (made, token) = server.minted(&body("")).await;
    let path = format!("/api/rooms/main/tokens/{}", made["id"].as_str().unwrap());
    assert_eq!(server.with(ADMIN, "DELETE", &path, "").await.status, 204);
    assert_eq!(code(&token, PAGE_ONE).await, Some(4002));
    let (_, short) = server.minted(&body(r#","expires_in_seconds":1"#)).await;
    let mut page = server.foreign_page(DASH, &short, PAGE_ONE).await;
    assert!(matches!(page.next().await, Ok(ServerMessage::Welcome { .. })));
    assert_eq!(page.next().await, Err(4001), "it has run out meanwhile");
    assert_eq!(code(&short, PAGE_ONE).await, Some(4001));
    let other = server.with(ADMIN, "POST", "/api/rooms/other/tokens", &body("")).await.json();
    assert_eq!(code(other["token"].as_str().unwrap(), PAGE_ONE).await, Some(4007));
}

#[tokio::test]
async fn a_token_for_a_single_use_is_its_first_pages_who_may_come_back() {
    let server = Server::start().await;
    let body = format!(r#"{{"role":"viewer","origin":"{DASH}","single_use":true}}"#);
    let (made, token) = server.minted(&body).await;
    let frame = server.ask("GET", &format!("/embed/main?token={token}"), &[], "").await;
    assert!(frame.status == 200 || frame.status == 503, "to load the page uses nothing up");
    let mut first = server.foreign_page(DASH, &token, PAGE_ONE).await;
    assert!(matches!(first.next().await, Ok(ServerMessage::Welcome { .. })));
    let second = server.foreign_page(DASH, &token, PAGE_TWO).await.next().await;
    assert_eq!(second.err(), Some(4003));
    let mut again = server.foreign_page(DASH, &token, PAGE_ONE).await;
    let Ok(ServerMessage::Welcome { you, .. }) = again.next().await else { panic!("no welcome") };
    assert!(you.id.as_str().starts_with(made["id"].as_str().unwrap()) && !you.id.as_str().contains(PAGE_ONE));
    assert_eq!(server.with(&token, "GET", "/api/rooms/main", "").await.status, 401, "it says not which page");
    let list = server.with(ADMIN, "GET", "/api/rooms/main/tokens", "").await.json();
    assert_eq!(list[0]["used"], true);
}

#[tokio::test]
async fn a_renewed_token_keeps_the_seat_and_the_person() {
    let server = Server::start().await;
    let body = format!(r#"{{"role":"controller","name":"Ada","origin":"{DASH}","expires_in_seconds":3}}"#);
    let (made, token) = server.minted(&body).await;
    let mut page = server.foreign_page(DASH, &token, PAGE_ONE).await;
    let Ok(ServerMessage::Welcome { you, .. }) = page.next().await else { panic!("no welcome") };
    let id = made["id"].as_str().unwrap();
    let (next, renewed) = server.minted(&format!(r#"{{"renews":"{id}","expires_in_seconds":600}}"#)).await;
    assert_eq!((next["origin"].as_str(), next["name"].as_str()), (Some(DASH), Some("Ada")));
    for (wrong, words) in [
        ("tdm_wrong".to_owned(), "wrong"),
        (server.minted(&format!(r#"{{"role":"viewer","origin":"{DASH}"}}"#)).await.1, "same room and role"),
        (
            server.minted(r#"{"role":"controller","origin":"https://evil.example"}"#).await.1,
            "not for pages of this site",
        ),
    ] {
        page.say(&format!(r#"{{"type":"token","token":"{wrong}"}}"#)).await;
        let Ok(ServerMessage::Error { code: WireError::Token, message }) = page.next().await else {
            panic!("not refused: {words}");
        };
        assert!(message.contains(words), "{message}");
    }
    page.say(&format!(r#"{{"type":"token","token":"{renewed}"}}"#)).await;
    let Ok(ServerMessage::Token { token_seconds }) = page.next().await else { panic!("not taken") };
    assert!(token_seconds.is_some_and(|left| left > 500));
    // The old one's end, and its revocation, are nothing to the page any more.
    let path = format!("/api/rooms/main/tokens/{id}");
    assert_eq!(server.with(ADMIN, "DELETE", &path, "").await.status, 204);
    if let Ok(said) = tokio::time::timeout(Duration::from_secs(4), page.0.next()).await {
        assert!(matches!(said, Some(Ok(tungstenite::Message::Ping(_)))), "{said:?}");
    }
    assert_eq!(server.seats(), 1);
    // Whoever comes back with it is the same person.
    let mut back = server.foreign_page(DASH, &renewed, PAGE_ONE).await;
    let Ok(ServerMessage::Welcome { you: again, .. }) = back.next().await else { panic!("no welcome") };
    assert_eq!(again.id, you.id);
    let path = format!("/api/rooms/main/tokens/{}", next["id"].as_str().unwrap());
    assert_eq!(server.with(ADMIN, "DELETE", &path, "").await.status, 204);
    assert_eq!(back.next().await, Err(4002));
}
