//! What an agent may know and set about a tab, on a real Chromium with pages of our own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{any, get};
use serde_json::{Value, json};
use tandem::base::{Actor, ActorId, Point, Role, Size};
use tandem::browser::*;
use tandem::floor::{Floor, FloorPermit, Grant};
use tandem::process::{Child, Program, RoomUser, spawn};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

struct Desk {
    _dir: tempfile::TempDir,
    _xvfb: Child,
    root: PathBuf,
    user: RoomUser,
    display: String,
    port: u16,
}

impl Desk {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let root = dir.path().to_owned();
        std::fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
        let user = RoomUser::resolve("tandem").or_else(|_| RoomUser::resolve("nobody")).expect("a user");
        let home = user.private_dir(&root.join("x")).expect("home");
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        let xvfb = spawn(Program {
            name: "xvfb",
            program: "Xvfb".into(),
            args: ["-displayfd", "3", "-screen", "0", "1280x720x24", "-nolisten", "tcp", "-ac"]
                .map(Into::into)
                .into(),
            env: vec![],
            home,
            user: user.clone(),
            fds: vec![(write, 3)],
            log: root.join("xvfb.log"),
            mark: root.clone(),
        })
        .await
        .expect("Xvfb starts");
        let mut number = Vec::new();
        let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(read).expect("pipe");
        while !number.ends_with(b"\n") {
            assert_ne!(pipe.read_buf(&mut number).await.expect("display"), 0, "Xvfb ended");
        }
        let number = String::from_utf8(number).expect("digits");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        tokio::spawn(async move { axum::serve(listener, site()).await });
        Self { _dir: dir, _xvfb: xvfb, root, user, display: format!(":{}", number.trim()), port }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The same site under another name: another origin, so another process.
    fn other(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    async fn browser(&self) -> Arc<Browser> {
        // Nobody reads; the tests look at the browser itself.
        let (events, mut heard) = mpsc::channel(64);
        tokio::spawn(async move { while heard.recv().await.is_some() {} });
        let settings = BrowserSettings {
            executable: "chromium".into(),
            bubblewrap: "bwrap".into(),
            user: self.user.clone(),
            mark: self.root.clone(),
            run_dir: self.root.clone(),
            profile_dir: self.root.join("profile"),
            download_dir: self.root.join("downloads"),
            env: vec![("DISPLAY".into(), self.display.clone().into())],
            size: Size::DEFAULT,
            start_url: self.url("/blank"),
            policies: true,
            restore: vec![],
            extra_args: vec![],
        };
        Arc::new(Browser::start(settings, events).await.unwrap_or_else(|error| panic!("{error:?}")))
    }
}

fn site() -> axum::Router {
    let page = |text: &'static str| get(move || async move { Html(text) });
    axum::Router::new()
        .route("/blank", page("<title>Blank</title><button id=b>Press</button><input id=i aria-label=Name>"))
        .route("/log", page(include_str!("pages/log.html")))
        .route("/log-inner", page("<script>console.warn('from the frame')</script>"))
        .route("/fetch", page(include_str!("pages/fetch.html")))
        .route("/fields", page(include_str!("pages/fields.html")))
        .route("/files", page(include_str!("pages/files.html")))
        .route(
            "/echo",
            any(|headers: HeaderMap, body: String| async move {
                let list: Vec<_> =
                    headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?"))).collect();
                ([(header::SET_COOKIE, "seen=1; Path=/; HttpOnly")], format!("{body}|{}", list.join("\n")))
            }),
        )
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "slow"
            }),
        )
        .route("/hop", get(|| async { Redirect::temporary("/echo") }))
        .route("/missing", get(|| async { StatusCode::NOT_FOUND }))
        .route("/bytes", get(|| async { ([(header::CONTENT_TYPE, "image/png")], vec![0u8, 159, 146, 150]) }))
        .route(
            "/download",
            get(|| async {
                let kind = [
                    (header::CONTENT_TYPE, "application/octet-stream"),
                    (header::CONTENT_DISPOSITION, "attachment; filename=\"re port.exe\""),
                ];
                (kind, "contents".repeat(1000)).into_response()
            }),
        )
        .route(
            "/endless",
            get(|| async {
                let kind = [
                    (header::CONTENT_TYPE, "application/octet-stream"),
                    (header::CONTENT_DISPOSITION, "attachment; filename=\"endless.bin\""),
                ];
                let stream = futures_util::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok::<_, std::convert::Infallible>(bytes::Bytes::from_static(&[7; 4096])), ()))
                });
                (kind, axum::body::Body::from_stream(stream)).into_response()
            }),
        )
}

struct Nobody;

impl Observer for Nobody {
    fn pointer(&self, _to: Point, _glide: Duration) {}
    fn press(&self, _at: Point) {}
}

/// An agent in a tab, with a floor that nobody else wants.
struct Agent {
    tab: Arc<Tab>,
    attending: Attending,
    permit: FloorPermit,
}

fn permit() -> FloorPermit {
    let actor = Actor { id: ActorId::new("bot").expect("id"), name: "Bot".into(), role: Role::Agent };
    match Floor::new(Duration::from_millis(100)).handle_agent(Instant::now(), &actor) {
        Ok(Grant::Now(permit)) => permit,
        other => panic!("{other:?}"),
    }
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(10)
}

impl Agent {
    async fn new(browser: &Browser, url: &str) -> Self {
        let tab = browser.front_tab().await.expect("a tab");
        let attending = Attending::start(Arc::clone(&tab)).await;
        let agent = Self { tab, attending, permit: permit() };
        agent.go(url).await;
        agent
    }
    fn watch(&self) -> &Watch {
        self.attending.watch()
    }
    async fn go(&self, url: &str) {
        self.tab.navigate(&self.permit, url, soon()).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }
    async fn js(&self, source: &str) -> Value {
        let value = self.tab.evaluate(&self.permit, source, None, soon()).await;
        value.unwrap_or_else(|error| panic!("{source}: {error}"))
    }
    fn acting(&self) -> Acting<'_> {
        Acting { tab: &self.tab, permit: &self.permit, observer: &Nobody, deadline: soon() }
    }
    async fn click(&self, target: &str) {
        let target: Locator = target.parse().expect("a locator");
        self.acting().click(&target, &Click::default()).await.unwrap_or_else(|error| panic!("{target}: {error}"));
    }
    /// Waits until the log has a message with this text.
    async fn logged(&self, text: &str) -> Message {
        loop {
            let changed = self.watch().console_changed();
            let all = self.watch().messages(Level::Debug, true);
            if let Some(found) = all.iter().find(|message| message.text.contains(text)) {
                return found.clone();
            }
            within(changed, &format!("{text} in {all:#?}")).await;
        }
    }
    /// Waits until a request of this address is as wanted.
    async fn requested(&self, part: &str, wanted: impl Fn(&Request) -> bool) -> Request {
        loop {
            let changed = self.watch().network_changed();
            let all = self.watch().requests(true);
            if let Some(found) = all.iter().find(|one| one.url.contains(part) && wanted(one)) {
                return found.clone();
            }
            within(changed, &format!("{part} in {all:#?}")).await;
        }
    }
}

async fn within<T>(what: impl Future<Output = T>, name: &str) -> T {
    match tokio::time::timeout(Duration::from_secs(10), what).await {
        Ok(value) => value,
        Err(_) => panic!("did not happen: {name}"),
    }
}

fn ended(request: &Request) -> bool {
    request.state == RequestState::Finished
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_logs_is_kept_with_level_place_and_stack_across_frames_and_workers() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/log")).await;
    let object = agent.logged("an object").await;
    assert_eq!((object.level, object.origin, object.kind.as_str()), (Level::Info, Origin::Console, "log"));
    assert_eq!(object.arguments[1], "{a: 1, b: \"two\", c: Array(2)}");
    assert_eq!(object.arguments[2], "[1, 2, 3]");
    assert!(object.to_string().starts_with("[LOG] an object {a: 1"), "{object}");
    let place = object.place.expect("a place");
    assert!(place.url.ends_with("/log") && place.line == 4, "{place:?}");
    let thrown = agent.logged("it broke").await;
    assert_eq!((thrown.level, thrown.origin), (Level::Error, Origin::Exception));
    assert_eq!(thrown.text, "Error: it broke");
    assert_eq!(thrown.stack.iter().map(|place| place.function.as_str()).collect::<Vec<_>>()[..2], ["inner", "outer"]);
    agent.logged("rejected").await;
    let failed = agent.logged("404").await;
    assert_eq!((failed.level, failed.origin, failed.kind.as_str()), (Level::Error, Origin::Browser, "network"));
    assert_eq!(agent.logged("from the frame").await.from.as_deref(), Some("iframe"));
    let worker = agent.logged("from the worker").await;
    assert!(worker.place.is_some_and(|place| place.url.starts_with("blob:")), "the page tells what its workers log");
    assert_eq!(agent.logged("again").await.times, 3);
    let debug = agent.logged("details").await;
    assert_eq!(debug.level, Level::Debug);
    let errors = agent.watch().messages(Level::Error, false);
    assert!(errors.iter().all(|message| message.level == Level::Error) && errors.len() >= 3);
    assert!(!agent.watch().messages(Level::Info, false).iter().any(|message| message.number == debug.number));
    assert_eq!(agent.watch().message(debug.number).map(|message| message.text), Some("details".into()));
    let (found, _) = browser.journal().since(0);
    assert!(found.iter().any(|entry| matches!(&entry.fact, Fact::ConsoleError { text } if text.contains("it broke"))));

    agent.go(&desk.url("/blank")).await;
    agent.watch().catch_up().await;
    assert_eq!(agent.watch().messages(Level::Debug, false).len(), 0);
    assert!(agent.watch().messages(Level::Debug, true).len() > 5);
    // A flood is bounded and stops nothing.
    agent.js("(() => { for (let i = 0; i < 20000; i++) console.log(i, 'x'.repeat(200)); })()").await;
    agent.watch().catch_up().await;
    agent.js("console.log('after the flood')").await;
    agent.logged("after the flood").await;
    assert!(agent.watch().messages(Level::Debug, true).len() <= 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_listed_with_their_heads_bodies_and_ends() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/fetch")).await;
    let document = agent.requested("/fetch", ended).await;
    assert_eq!((document.kind.as_str(), document.status, document.method.as_str()), ("document", Some(200), "GET"));
    assert!(document.mime_type == "text/html" && document.encoded_bytes > 0 && document.decoded_bytes > 0);
    assert!(document.answered_after.is_some_and(|ms| ms >= 0.0) && document.ended_after >= document.answered_after);
    let body = agent.watch().response_body(document.number, 30).await.expect("a body");
    assert!(body.text.starts_with("<!doctype html>") && body.cut_from.is_some(), "{body:?}");

    agent.js("fetch('/echo', { method: 'POST', body: 'the body', headers: { 'X-Mine': 'yes' } }).then(r => r.text())").await;
    let echo = agent.requested("/echo", ended).await;
    assert!(echo.request_headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("x-mine") && value == "yes"));
    // The raw heads, not what a script may see of them.
    agent.requested("/echo", |one| one.response_headers.iter().any(|(name, value)| name == "set-cookie" && value.contains("seen=1"))).await;
    assert_eq!(agent.watch().request_body(echo.number, 100).await.expect("known").expect("a body").text, "the body");
    let body = agent.watch().response_body(echo.number, 1000).await.expect("a body");
    assert!(body.text.starts_with("the body|") && !body.base64);
    assert!(agent.watch().request_body(document.number, 9).await.expect("known").is_none());

    agent.js("fetch('/hop').then(r => r.text())").await;
    let hop = agent.requested("/echo", |one| !one.redirects.is_empty() && ended(one)).await;
    assert!(hop.redirects[0].url.ends_with("/hop") && hop.redirects[0].status == 307, "{hop:?}");
    agent.js("fetch('/missing').then(r => r.text())").await;
    assert!(agent.requested("/missing", ended).await.is_failed());
    agent.js("fetch('http://127.0.0.1:1/').catch(() => 0)").await;
    let refused = agent.requested("127.0.0.1:1/", |one| matches!(one.state, RequestState::Failed(_))).await;
    assert!(refused.to_string().contains("[FAILED] net::ERR_"), "{refused}");
    agent.js("fetch('/bytes').then(r => r.arrayBuffer()).then(() => 0)").await;
    let bytes = agent.requested("/bytes", ended).await;
    let body = agent.watch().response_body(bytes.number, 1000).await.expect("a body");
    assert!(body.base64 && body.bytes() == [0, 159, 146, 150]);
    assert!(agent.watch().response_body(999, 1).await.expect_err("unknown").to_string().contains("list the requests"));

    // The list begins with the document; the numbers go on.
    agent.go(&desk.url("/blank")).await;
    agent.requested("/blank", ended).await;
    let list = agent.watch().requests(false);
    assert!(list[0].url.ends_with("/blank") && list[0].number > hop.number, "{list:?}");
    let gone = agent.watch().response_body(echo.number, 10).await;
    assert!(gone.is_ok() || gone.expect_err("gone").to_string().contains("does not have the body"));

    // A frame in another process and a worker are seen too.
    agent.js(&format!(
        "new Promise(done => {{ const f = document.createElement('iframe'); f.onload = () => done(1); f.src = '{}'; document.body.append(f); }})",
        desk.other("/fetch")
    ))
    .await;
    agent.requested("localhost", |one| one.url.ends_with("/fetch") && ended(one)).await;
    agent.requested("/slow?inner", |one| one.url.starts_with("http://localhost") && ended(one)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_can_wait_for_what_it_asked_the_network_for_and_no_longer() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/fetch")).await;
    agent.requested("/slow?inner", ended).await;
    let mark = agent.tab.requests_mark().expect("watched");
    assert!(agent.tab.requests_answered(mark, soon()).await);
    let started = Instant::now();
    agent.click("#chain").await;
    assert!(agent.tab.requests_answered(mark, soon()).await);
    // The second request begins when the first one is answered, the page changes after both.
    assert_eq!(agent.js("out.value").await, "slow slow");
    println!("a click with two requests of 300 ms: {:?}", started.elapsed());
    let mark = agent.tab.requests_mark().expect("watched");
    agent.click("#stream").await;
    let started = Instant::now();
    assert!(agent.tab.requests_answered(mark, soon()).await, "an event stream is not waited for");
    println!("asking when quiet: {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(2));
    let mark = agent.tab.requests_mark().expect("watched");
    agent.js("void fetch('/slow?late')").await;
    let short = tokio::time::Instant::now() + Duration::from_millis(50);
    assert!(!agent.tab.requests_answered(mark, short).await, "the deadline holds");
    drop(agent.attending);
    assert_eq!(agent.tab.requests_in_flight(), 0, "nobody watches, nothing is counted");
}
