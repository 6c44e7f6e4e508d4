//! What an agent may know and set about a tab, on a real Chromium with pages of our own.

mod desk;
mod gate;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect};
use axum::routing::{any, get};
use serde_json::Value;
use tandem::base::{Actor, ActorId, Point, Role};
use tandem::browser::*;
use tandem::floor::{Floor, FloorPermit, Grant};
use tokio::sync::mpsc;

/// A desk with a site of test pages.
struct Desk {
    own: desk::Desk,
    port: u16,
    stand: gate::Stand,
}

impl Desk {
    async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        tokio::spawn(async move { axum::serve(listener, site()).await });
        Self {
            own: desk::Desk::new().await,
            port,
            stand: gate::Stand::open(&["127.0.0.0/8"], gate::Names::default()),
        }
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
        let settings = self.own.settings(&self.stand.way, &self.url("/blank"));
        Arc::new(Browser::start(settings, events).await.unwrap_or_else(|error| panic!("{error:?}")))
    }
}

fn site() -> axum::Router {
    let page = |text: &'static str| get(move || async move { Html(text) });
    axum::Router::new()
        .route("/blank", page("<title>Blank</title><button id=b>Press</button><input id=i aria-label=Name><script>onmessage = (e) => confirm(e.data)</script>"))
        .route("/log", page(include_str!("pages/log.html")))
        .route("/log-inner", page("<script>console.warn('from the frame')</script>"))
        .route("/fetch", page(include_str!("pages/fetch.html")))
        .route("/busy", page(include_str!("pages/busy.html")))
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
    desk::permit(&mut Floor::new(Duration::from_millis(100)))
}

fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(60)
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
        self.acting()
            .click(&target, &Click::default())
            .await
            .unwrap_or_else(|error| panic!("{target}: {error}"));
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
    match tokio::time::timeout(Duration::from_secs(60), what).await {
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
    assert_eq!(
        thrown.stack.iter().map(|place| place.function.as_str()).collect::<Vec<_>>()[..2],
        ["inner", "outer"]
    );
    agent.logged("rejected").await;
    let failed = agent.logged("404").await;
    assert_eq!(
        (failed.level, failed.origin, failed.kind.as_str()),
        (Level::Error, Origin::Browser, "network")
    );
    assert_eq!(agent.logged("from the frame").await.from.as_deref(), Some("iframe"));
    let worker = agent.logged("from the worker").await;
    assert!(
        worker.place.is_some_and(|place| place.url.starts_with("blob:")),
        "the page tells what its workers log"
    );
    assert_eq!(agent.logged("again").await.times, 3);
    let debug = agent.logged("details").await;
    assert_eq!(debug.level, Level::Debug);
    let errors = agent.watch().messages(Level::Error, false);
    assert!(errors.iter().all(|message| message.level == Level::Error) && errors.len() >= 3);
    assert!(!agent.watch().messages(Level::Info, false).iter().any(|message| message.number == debug.number));
    assert_eq!(agent.watch().message(debug.number).map(|message| message.text), Some("details".into()));
    let (found, _) = browser.journal().since(0);
    assert!(
        found
            .iter()
            .any(|entry| matches!(&entry.fact, Fact::ConsoleError { text } if text.contains("it broke")))
    );

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
    assert_eq!(
        (document.kind.as_str(), document.status, document.method.as_str()),
        ("document", Some(200), "GET")
    );
    assert!(document.mime_type == "text/html" && document.encoded_bytes > 0 && document.decoded_bytes > 0);
    assert!(
        document.answered_after.is_some_and(|ms| ms >= 0.0)
            && document.ended_after >= document.answered_after
    );
    let body = agent.watch().response_body(document.number, 30).await.expect("a body");
    assert!(body.text.starts_with("<!doctype html>") && body.cut_from.is_some(), "{body:?}");

    agent.js("fetch('/echo', { method: 'POST', body: 'the body', headers: { 'X-Mine': 'yes' } }).then(r => r.text())").await;
    let echo = agent.requested("/echo", ended).await;
    assert!(
        echo.request_headers
            .iter()
            .any(|(name, value)| name.eq_ignore_ascii_case("x-mine") && value == "yes")
    );
    // The raw heads, not what a script may see of them.
    agent
        .requested("/echo", |one| {
            one.response_headers.iter().any(|(name, value)| name == "set-cookie" && value.contains("seen=1"))
        })
        .await;
    assert_eq!(
        agent.watch().request_body(echo.number, 100).await.expect("known").expect("a body").text,
        "the body"
    );
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
    assert!(
        agent
            .watch()
            .response_body(999, 1)
            .await
            .expect_err("unknown")
            .to_string()
            .contains("list the requests")
    );

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
    agent.requested("localhost", |one| one.url.ends_with("/fetch") && one.status == Some(200)).await;
    agent.js("void document.querySelector('iframe').contentWindow.postMessage('', '*')").await;
    agent.requested("/slow?asked", |one| one.url.starts_with("http://localhost") && ended(one)).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn downloads_are_listed_read_and_cancelled() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/blank")).await;
    let until = async |wanted: &dyn Fn(&Download) -> bool| {
        loop {
            let changed = browser.downloads_changed();
            let all = browser.downloads();
            if let Some(found) = all.iter().find(|one| wanted(one)) {
                return found.clone();
            }
            within(changed, &format!("{all:?}")).await;
        }
    };
    agent.js("location.href = '/download'").await;
    let done = until(&|one| one.state == DownloadState::Completed).await;
    assert_eq!((done.file.as_str(), done.received, done.number), ("re port.exe", 8000, 1));
    assert_eq!(done.tab.as_deref(), Some(agent.tab.target()));
    let (_, bytes) = browser.read_download(1, 10_000).expect("bytes");
    assert_eq!(bytes, "contents".repeat(1000).as_bytes());
    assert!(browser.read_download(1, 100).expect_err("too long").to_string().contains("more than 100"));
    // The same name again is another file.
    agent.js("location.href = '/download?2'").await;
    let again = until(&|one| one.state == DownloadState::Completed && one.number == 2).await;
    assert_ne!(again.path, done.path);
    assert!(
        again.path.as_ref().is_some_and(|path| path.starts_with(desk.own.root.join("downloads"))),
        "{again:?}"
    );

    agent.js("location.href = '/endless'").await;
    let endless = until(&|one| one.number == 3 && one.received > 0).await;
    assert!(browser.open_download(3).expect_err("not yet").to_string().contains("not complete"));
    browser.cancel_download(&agent.permit, endless.number).await.expect("cancels");
    until(&|one| one.number == 3 && one.state == DownloadState::Canceled).await;
    assert!(browser.open_download(7).is_err());

    // A link in place of the file leads nowhere.
    let path = done.path.expect("a path");
    std::fs::remove_file(&path).expect("removes");
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("links");
    assert!(browser.open_download(1).is_err());
    let facts = browser.journal().since(0).0;
    assert!(facts.iter().any(
        |one| matches!(&one.fact, Fact::DownloadEnded { number: 1, state, .. } if state == "completed")
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_answers_a_file_chooser_that_its_own_act_opened_and_only_that() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/files")).await;
    assert!(agent.tab.answer_chooser(&agent.permit, &[]).await.is_err());
    let one = browser.stage_upload("../one.txt", b"1").expect("staged");
    let two = browser.stage_upload("two é.txt", b"22").expect("staged");
    assert_eq!((one.name(), two.name()), ("one.txt".into(), "two é.txt".into()));
    let open = async |target: &str| {
        let mut state = agent.tab.subscribe();
        agent.click(target).await;
        within(
            async {
                while agent.tab.chooser().is_none() {
                    state.changed().await.expect("open");
                }
            },
            "a chooser",
        )
        .await;
        agent.tab.chooser().expect("open")
    };
    let result = async |wanted: &str| {
        within(
            async {
                while agent.js("out.value").await != wanted {
                    tokio::task::yield_now().await;
                }
            },
            wanted,
        )
        .await;
    };
    assert!(!open("#one").await.multiple);
    let both = [one.clone(), two.clone()];
    assert!(
        agent
            .tab
            .answer_chooser(&agent.permit, &both)
            .await
            .expect_err("one")
            .to_string()
            .contains("one file only")
    );
    agent.tab.answer_chooser(&agent.permit, &both[..1]).await.expect("answers");
    result("one.txt=1").await;
    assert!(agent.tab.chooser().is_none());
    assert!(open("#many").await.multiple);
    agent.tab.answer_chooser(&agent.permit, &both).await.expect("answers");
    result("one.txt=1;two é.txt=22").await;
    open("#one").await;
    agent.tab.answer_chooser(&agent.permit, &[]).await.expect("cancels");
    result("cancelled").await;

    // A frame in another process asks as well.
    agent.js(&format!(
        "new Promise(done => {{ const f = document.createElement('iframe'); f.onload = () => done(1); f.src = '{}'; document.body.append(f); }})",
        desk.other("/files")
    ))
    .await;
    let outline = agent.tab.snapshot(&SnapshotScope::default()).await.expect("a snapshot").yaml;
    let line = outline.lines().find(|line| line.contains("[ref=f"));
    let inner = line.and_then(|line| line.split("[ref=").nth(1)?.split(']').next());
    open(inner.unwrap_or_else(|| panic!("{outline}"))).await;
    agent.tab.answer_chooser(&agent.permit, &both[..1]).await.expect("answers in the frame");
    let facts = browser.journal().since(0).0;
    assert_eq!(facts.iter().filter(|one| matches!(one.fact, Fact::ChooserOpened { .. })).count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_answer_change_and_abort_and_end_with_the_agent() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/blank")).await;
    let route = async |pattern: &str, action: RouteAction| {
        let pattern = pattern.parse().expect("a pattern");
        agent.watch().route(&agent.permit, RouteRequest { pattern, action }).await
    };
    let fulfil = |body: &str| RouteAction::Fulfil {
        status: 201,
        body: body.as_bytes().to_vec(),
        content_type: Some("application/json".into()),
        headers: vec![("X-Made".into(), "up".into())],
    };
    let fetched = async |path: &str| {
        let source = format!("fetch('{path}').then(r => r.text(), () => 'failed')");
        agent.js(&source).await.as_str().expect("text").to_owned()
    };
    assert!(!browser.tabs().is_empty());
    route("**/api/*", fulfil("{\"a\":1}")).await.expect("routes");
    assert_eq!(fetched("/api/x").await, "{\"a\":1}");
    assert_eq!(fetched("http://localhost:1/api/x").await, "{\"a\":1}", "another origin too");
    let made = agent.requested("/api/x", ended).await;
    assert!(made.routed && made.status == Some(201), "{made:?}");
    assert!(fetched("/echo").await.contains("user-agent"), "what no route wants goes on");
    route(
        "**/echo",
        RouteAction::Continue { set: vec![("X-New".into(), "1".into())], remove: vec!["User-Agent".into()] },
    )
    .await
    .expect("routes");
    let echo = fetched("/echo").await;
    assert!(echo.contains("x-new: 1"), "{echo}");
    route("**/slow*", RouteAction::Abort).await.expect("routes");
    assert_eq!(fetched("/slow").await, "failed");
    let list = agent.watch().routes();
    assert_eq!(
        list.iter().map(|route| route.pattern.as_str()).collect::<Vec<_>>(),
        ["**/api/*", "**/echo", "**/slow*"]
    );
    assert!(list[0].matched >= 2, "{list:?}");
    assert!(agent.tab.emulated().iter().any(|line| line.contains("**/slow* are aborted")));
    // Also in a frame of another process.
    agent.js(&format!(
        "new Promise(done => {{ const f = document.createElement('iframe'); f.onload = () => done(1); f.src = '{}'; document.body.append(f); }})",
        desk.other("/fetch")
    ))
    .await;
    agent.js("void document.querySelector('iframe').contentWindow.postMessage('', '*')").await;
    agent.requested("localhost", |one| one.url.ends_with("/slow?asked") && one.routed).await;

    assert_eq!(
        agent
            .watch()
            .unroute(&agent.permit, Some(&"**/slow*".parse().expect("a pattern")))
            .await
            .expect("ends"),
        1
    );
    assert_eq!(fetched("/slow").await, "slow");
    let offline = DeviceChange::Network(Conditions::named("offline"));
    agent.watch().emulate(&agent.permit, offline).await.expect("goes offline");
    assert_eq!(fetched("/echo?offline").await, "failed");
    agent.watch().emulate(&agent.permit, DeviceChange::Network(None)).await.expect("comes back");
    assert!(fetched("/echo").await.contains("host"));

    // A stale permit routes nothing.
    let mut floor = Floor::new(Duration::from_millis(100));
    let actor =
        Actor { id: ActorId::new("bot").expect("id"), name: "Bot".into(), role: Role::Agent, colour: None };
    let Ok(Grant::Now(stale)) = floor.handle_agent(Instant::now(), &actor) else { panic!("granted") };
    let person = Actor {
        id: ActorId::new("ada").expect("id"),
        name: "Ada".into(),
        role: Role::Controller,
        colour: None,
    };
    let _ = floor.handle_person(Instant::now(), &person, tandem::floor::Touch::Press(1)).expect("may");
    let refused = agent
        .watch()
        .route(&stale, RouteRequest { pattern: "**".parse().expect("a pattern"), action: RouteAction::Abort })
        .await;
    assert!(matches!(refused, Err(ActError::Preempted(_))), "{refused:?}");

    // The agent goes in the middle of a request, and nothing stays behind.
    let Agent { tab, attending, permit } = agent;
    drop(attending);
    let source = "fetch('/api/y').then(r => r.status)";
    let status = async { while tab.evaluate(&permit, source, None, soon()).await.expect("runs") != 404 {} };
    within(status, "the routes to end").await;
    assert!(tab.emulated().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn emulation_is_for_one_tab_and_ends_with_the_agent() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/blank")).await;
    let set = async |change: DeviceChange| agent.watch().emulate(&agent.permit, change).await;
    let dark = "matchMedia('(prefers-color-scheme: dark)').matches && matchMedia('(prefers-reduced-motion: reduce)').matches && matchMedia('(prefers-contrast: more)').matches && matchMedia('(forced-colors: active)').matches";
    let media = Media {
        color_scheme: Some("dark".into()),
        reduced_motion: Some("reduce".into()),
        contrast: Some("more".into()),
        forced_colors: Some("active".into()),
        media: Some("print".into()),
    };
    set(DeviceChange::Media(media)).await.expect("media");
    assert_eq!(agent.js(dark).await, true);
    assert_eq!(agent.js("matchMedia('print').matches").await, true);
    set(DeviceChange::UserAgent(Some("Robot/1".into()))).await.expect("user agent");
    set(DeviceChange::Timezone(Some("Asia/Tokyo".into()))).await.expect("time zone");
    set(DeviceChange::Locale(Some("de-DE".into()))).await.expect("locale");
    set(DeviceChange::Locale(Some("fr-FR".into()))).await.expect("another locale");
    assert_eq!(agent.js("navigator.userAgent").await, "Robot/1");
    assert_eq!(agent.js("Intl.DateTimeFormat().resolvedOptions().timeZone").await, "Asia/Tokyo");
    assert_eq!(agent.js("(1.5).toLocaleString()").await, "1,5");
    let bad = set(DeviceChange::Timezone(Some("Nowhere/Else".into()))).await.expect_err("unknown");
    assert!(bad.to_string().to_lowercase().contains("timezone"), "{bad}");
    set(DeviceChange::Geolocation(Some(Geolocation { latitude: 48.1, longitude: 11.5, accuracy: 5.0 })))
        .await
        .expect("place");
    let place = "new Promise((done, fail) => navigator.geolocation.getCurrentPosition(p => done(p.coords.latitude), e => done(e.message)))";
    assert_eq!(agent.js(place).await, 48.1);
    set(DeviceChange::CpuSlowdown(Some(4.0))).await.expect("slower");
    set(DeviceChange::Network(Conditions::named("Slow 3G"))).await.expect("slower");
    let started = Instant::now();
    agent.js("fetch('/echo').then(r => r.text())").await;
    assert!(started.elapsed() > Duration::from_millis(1500), "{:?}", started.elapsed());
    assert_eq!(agent.tab.emulated().len(), 11, "{:?}", agent.tab.emulated());
    // A navigation changes nothing of it.
    set(DeviceChange::Network(None)).await.expect("as it was");
    agent.go(&desk.other("/blank")).await;
    assert_eq!(agent.js("navigator.userAgent").await, "Robot/1");

    let Agent { tab, attending, permit } = agent;
    drop(attending);
    let plain = format!(
        "!({dark}) && !navigator.userAgent.includes('Robot') && Intl.DateTimeFormat().resolvedOptions().timeZone !== 'Asia/Tokyo'"
    );
    let back = async { while tab.evaluate(&permit, &plain, None, soon()).await.expect("runs") != true {} };
    within(back, "all to be as it was").await;
    assert!(tab.emulated().is_empty());
    let place = place.replace("done(p.coords.latitude)", "done('told')");
    let told = tab.evaluate(&permit, &place, None, soon()).await.expect("runs");
    assert_ne!(told, "told", "the real place stays locked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_is_told_without_secrets() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/fields")).await;
    for (target, text) in [("#name", "Ada"), ("#secret", "hunter2"), ("#card", "4111"), ("#rich", "Dear")] {
        agent.acting().fill(&target.parse().expect("a locator"), text).await.expect("fills");
    }
    agent.click("#box").await;
    // What a script sets is no person's doing.
    agent.js("void (document.getElementById('name').dispatchEvent(new Event('input')))").await;
    let fields = agent.watch().record_fields().await.expect("fields");
    let told = |name: &str| {
        fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("{name} in {fields:?}"))
    };
    assert_eq!((told("Name").value.as_deref(), told("Name").kind.as_str()), (Some("Ada"), "text"));
    assert_eq!((&told("Password").value, &told("Card").value), (&None, &None));
    assert_eq!(told("News").value.as_deref(), Some("checked"));
    assert_eq!(told("Letter").value.as_deref(), Some("Dear"));
    assert!(agent.watch().changed_fields().await.expect("fields").is_empty(), "told once");
    let facts = browser.journal().since(0).0;
    assert!(!format!("{facts:?}").contains("hunter2") && !format!("{facts:?}").contains("4111"));
    assert!(facts.iter().any(|one| matches!(&one.fact, Fact::FieldChanged(field) if field.name == "Name")));
}

#[tokio::test(flavor = "multi_thread")]
async fn dialogs_are_held_in_every_tab_and_frame_and_popups_are_bounded() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/blank")).await;
    let dialog = async |tab: &Arc<Tab>| {
        let mut state = tab.subscribe();
        within(
            async {
                while tab.dialog().is_none() {
                    state.changed().await.expect("open");
                }
            },
            "a dialog",
        )
        .await;
        tab.dialog().expect("open")
    };
    // Two tabs at once, one of them with a frame of another process that asks.
    agent.js(&format!("new Promise(done => {{ const f = document.createElement('iframe'); f.onload = () => done(1); f.src = '{}'; document.body.append(f); }})", desk.other("/blank"))).await;
    let second = browser.open_tab(&agent.permit, &desk.url("/blank")).await.expect("opens");
    let second = Agent {
        tab: browser.tab(&second).expect("open"),
        attending: Attending::start(browser.tab(&second).expect("open")).await,
        permit: permit(),
    };
    second.js("void setTimeout(() => { window.answer = confirm('Second?') })").await;
    assert_eq!(dialog(&second.tab).await.message, "Second?");
    browser.select_tab(&agent.permit, &agent.tab).await.expect("selects");
    agent.js("void setTimeout(() => { window.answer = prompt('First?', 'x') })").await;
    assert_eq!(dialog(&agent.tab).await.kind, "prompt");
    assert!(second.tab.dialog().is_some(), "both are open");
    agent.acting().answer_dialog(true, Some("me")).await.expect("answers");
    assert_eq!(agent.js("answer").await, "me");
    second.acting().answer_dialog(true, None).await.expect("answers");
    assert_eq!(second.js("answer").await, true);
    // The frame asks, and is answered by way of the page.
    agent.js("void document.querySelector('iframe').contentWindow.postMessage('Inside?', '*')").await;
    assert_eq!(dialog(&agent.tab).await.message, "Inside?");
    agent.acting().answer_dialog(true, None).await.expect("answers the frame");
    assert!(agent.tab.dialog().is_none());
    // One who leaves a page that asks is asked, and it stays open until somebody answers.
    agent.go(&desk.url("/blank")).await;
    agent.js("void (onbeforeunload = (event) => { event.preventDefault(); return 'x'; })").await;
    agent.click("#b").await;
    let left = agent.tab.navigate(&agent.permit, &desk.url("/fields"), soon()).await;
    assert!(matches!(&left, Err(ActError::Dialog(dialog)) if dialog.kind == "beforeunload"), "{left:?}");
    agent.acting().answer_dialog(false, None).await.expect("stays");
    assert!(agent.tab.url().ends_with("/blank"));
    assert!(agent.tab.navigate(&agent.permit, &desk.url("/fields"), soon()).await.is_err());
    agent.acting().answer_dialog(true, None).await.expect("leaves");
    within(
        async {
            while !agent.tab.url().ends_with("/fields") {
                browser.look_at_tabs().await;
            }
        },
        "leaving",
    )
    .await;

    // Popups: who opened which, and how many.
    agent.go(&desk.url("/blank")).await;
    let before = browser.journal().last();
    agent.js("void (b.onclick = () => window.open('/fields'))").await;
    agent.click("#b").await;
    let opened = within(
        async {
            loop {
                let (facts, _) = browser.journal().since(before);
                if let Some(entry) = facts.into_iter().find(|one| matches!(one.fact, Fact::TabOpened { .. }))
                {
                    return entry;
                }
                browser.journal().after(browser.journal().last()).await;
            }
        },
        "a popup",
    )
    .await;
    assert!(
        matches!(&opened.fact, Fact::TabOpened { opener: Some(opener), .. } if opener == agent.tab.target()),
        "{opened:?}"
    );
    let popup = browser.tab(opened.tab.as_deref().expect("a tab")).expect("open");
    assert_eq!(popup.opener(), Some(agent.tab.target()));
    browser.select_tab(&agent.permit, &agent.tab).await.expect("selects");
    for _ in 0..40 {
        agent.click("#b").await;
        browser.select_tab(&agent.permit, &agent.tab).await.expect("selects");
    }
    within(async { while browser.look_at_tabs().await.len() > 25 {} }, "the popups to be closed").await;
    assert!(browser.tabs().len() >= 15, "{}", browser.tabs().len());
    assert!(browser.journal().since(0).0.iter().any(|one| matches!(one.fact, Fact::TabRefused { .. })));
    assert_eq!(agent.js("1 + 1").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_is_read_set_and_carried_in_playwrights_format() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/blank")).await;
    let (tab, permit) = (&agent.tab, &agent.permit);
    let cookie = |name: &str, domain: &str| Cookie {
        name: name.into(),
        value: "v".into(),
        domain: domain.into(),
        path: "/".into(),
        expires: -1.0,
        http_only: true,
        secure: false,
        same_site: Some("Lax".into()),
    };
    tab.set_cookie(permit, &cookie("here", "")).await.expect("sets");
    tab.set_cookie(permit, &cookie("there", "localhost")).await.expect("sets");
    assert_eq!(tab.cookies(None, None).await.expect("cookies").len(), 2);
    assert_eq!(
        tab.cookies(Some("localhost"), Some("/")).await.expect("cookies"),
        [cookie("there", "localhost")]
    );
    let odd = Cookie { secure: true, ..cookie("odd", "a b") };
    assert!(tab.set_cookie(permit, &odd).await.expect_err("odd").to_string().contains("does not take"));
    assert_eq!(tab.delete_cookies(permit, "here", None, None).await.expect("deletes"), 1);
    assert_eq!(tab.cookies(None, None).await.expect("cookies").len(), 1);

    for storage in [WebStorage::Local, WebStorage::Session] {
        tab.set_storage_item(permit, storage, "k", "v'\"é").await.expect("sets");
        tab.set_storage_item(permit, storage, "other", "x").await.expect("sets");
        assert_eq!(tab.storage_item(storage, "k").await.expect("reads").as_deref(), Some("v'\"é"));
        assert_eq!(tab.storage_items(storage).await.expect("lists").len(), 2);
        assert!(tab.delete_storage_item(permit, storage, "k").await.expect("deletes"));
        assert!(!tab.delete_storage_item(permit, storage, "k").await.expect("deletes"));
        assert_eq!(tab.storage_item(storage, "k").await.expect("reads"), None);
    }
    agent.go("data:text/html,x").await;
    let none = tab.storage_items(WebStorage::Local).await.expect_err("none").to_string();
    assert!(none.contains("has no storage"), "{none}");

    // Another origin has something too; both are carried.
    agent.go(&desk.other("/blank")).await;
    agent.js("localStorage.setItem('lang', 'en')").await;
    let tabs = browser.look_at_tabs().await.len();
    let state = browser.storage_state(tab).await.expect("a state");
    let json = serde_json::to_value(&state).expect("json");
    assert_eq!(json["cookies"][0]["sameSite"], "Lax");
    assert_eq!(json["cookies"][0]["httpOnly"], true);
    assert!(
        json["origins"].to_string().contains(r#""localStorage":[{"name":"lang","value":"en"}]"#),
        "{json}"
    );
    assert_eq!(state.origins.len(), 2, "{state:?}");
    agent.js("localStorage.setItem('extra', '1')").await;
    tab.clear_cookies(permit).await.expect("clears");
    assert!(tab.cookies(None, None).await.expect("cookies").is_empty());
    browser.set_storage_state(permit, tab, &state).await.expect("restores");
    assert_eq!(agent.js("JSON.stringify({ ...localStorage })").await, r#"{"lang":"en"}"#);
    assert_eq!(browser.storage_state(tab).await.expect("a state"), state);
    assert_eq!(browser.look_at_tabs().await.len(), tabs, "nobody sees the pages that do it");
    let strange = StorageState {
        origins: vec![OriginState { origin: "javascript:1".into(), local_storage: vec![] }],
        ..state
    };
    assert!(browser.set_storage_state(permit, tab, &strange).await.is_err());
    tab.clear_storage(permit, WebStorage::Local).await.expect("clears");
    assert!(tab.storage_items(WebStorage::Local).await.expect("lists").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_names_what_blocked_and_a_highlight_is_seen_by_people_only() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/blank")).await;
    let trace = Trace::start(&agent.tab).await.expect("begins");
    assert!(Trace::start(&agent.tab).await.err().expect("one at a time").to_string().contains("only one"));
    agent.go(&desk.url("/busy")).await;
    agent.requested("/slow?busy", ended).await;
    agent.click("#work").await;
    // An interaction is measured up to the frame that shows it.
    agent.js("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))").await;
    let recorded = trace.stop().await.expect("ends");
    let analysis = &recorded.analysis;
    println!("{analysis}");
    assert!(
        recorded.json.starts_with(b"{") && analysis.has_load && analysis.url.ends_with("/busy"),
        "{analysis}"
    );
    assert!(analysis.largest_contentful_paint >= analysis.first_contentful_paint);
    assert!(analysis.first_contentful_paint.is_some(), "{analysis}");
    assert!(analysis.long_tasks.iter().any(|task| task.ms >= 150.0), "{analysis}");
    assert!(analysis.forced_layouts >= 10 && analysis.total_blocking_time >= 100.0, "{analysis}");
    assert!(analysis.slowest_requests[0].url.contains("/slow?busy"), "{analysis}");
    assert!(analysis.main_thread["scripting"] + analysis.main_thread["rendering"] > 100.0, "{analysis}");
    assert!(analysis.long_tasks.iter().any(|task| task.mostly.starts_with("busyHandler (")), "{analysis}");
    assert!(analysis.interactions.first().is_some_and(|one| one.ms >= 100.0), "{analysis}");
    // One that is dropped makes room for the next.
    drop(Trace::start(&agent.tab).await.expect("begins"));
    let mut again = Trace::start(&agent.tab).await;
    for _ in 0..50 {
        if again.is_ok() {
            break;
        }
        browser.look_at_tabs().await;
        again = Trace::start(&agent.tab).await;
    }
    drop(again.expect("begins again"));

    agent.go(&desk.url("/blank")).await;
    let before = agent.js("document.documentElement.outerHTML").await;
    let picture = async || browser.screenshot(&agent.tab, &Shot::default()).await.expect("a picture");
    let plain = picture().await;
    agent.tab.highlight(&"#b".parse().expect("a locator"), Colour::default()).await.expect("frames");
    assert_eq!(agent.js("document.documentElement.outerHTML").await, before);
    within(async { while picture().await == plain {} }, "the highlight").await;
    agent.tab.hide_highlight().await;
    within(async { while picture().await != plain {} }, "the highlight to go").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_context_has_its_own_cookies_and_window_and_ends_whole() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/echo")).await;
    assert_eq!(agent.tab.cookies(None, None).await.expect("cookies").len(), 1);
    let context = browser.new_context(&agent.permit).await.expect("a context");
    assert!(browser.open_tab_in(&agent.permit, "nonsense", "about:blank").await.is_err());
    let target = browser.open_tab_in(&agent.permit, &context, &desk.url("/fields")).await.expect("opens");
    let tab = browser.tab(&target).expect("open");
    assert_eq!((tab.context(), agent.tab.context() == Some(&context)), (Some(context.as_str()), false));
    assert!(tab.cookies(None, None).await.expect("cookies").is_empty());
    let inside = Agent { attending: Attending::start(Arc::clone(&tab)).await, tab, permit: permit() };
    inside.go(&desk.url("/blank")).await;
    assert_eq!(inside.js("document.cookie").await, "");
    inside.click("#b").await;
    inside.js("localStorage.setItem('a', 'b')").await;
    assert_eq!(browser.storage_state(&inside.tab).await.expect("a state").origins.len(), 1);
    assert!(browser.storage_state(&agent.tab).await.expect("a state").origins.is_empty());
    // People's window goes on, and is the one that counts as in front.
    let tabs = browser.look_at_tabs().await;
    assert_eq!(tabs.len(), 2);
    assert!(tabs[0].front && tabs[0].target == agent.tab.target() && !tabs[1].front, "{tabs:?}");
    agent.go(&desk.url("/blank")).await;
    agent.click("#b").await;
    inside.js("location.href = '/download'").await;
    within(
        async {
            while !browser.downloads().iter().any(|one| one.state == DownloadState::Completed) {
                browser.downloads_changed().await;
            }
        },
        "a download of the context",
    )
    .await;
    assert_eq!(browser.read_download(1, 10_000).expect("bytes").1.len(), 8000);
    browser.dispose_context(&agent.permit, &context).await.expect("ends");
    within(async { while browser.look_at_tabs().await.len() > 1 {} }, "its tabs to close").await;
    assert!(!inside.tab.is_open() && browser.contexts().await.expect("contexts").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heap_snapshot_and_a_profile_name_what_is_large_and_hot() {
    let desk = Desk::new().await;
    let browser = desk.browser().await;
    let agent = Agent::new(&browser, &desk.url("/busy")).await;
    let leak = "void (window.kept = (() => { class Leaked { constructor(n) { this.n = n; this.list = new Array(50).fill(n); } } \
                return Array.from({ length: 20000 }, (_, n) => new Leaked(n)); })())";
    agent.js(&leak.replace("\\\n", "")).await;
    let started = Instant::now();
    let heap = agent.tab.heap_snapshot().await.expect("a snapshot");
    println!("{} bytes in {:?}\n{}", heap.json.len(), started.elapsed(), heap.summary);
    let leaked = heap.summary.largest.iter().find(|group| group.name == "Leaked").expect("named");
    assert!(leaked.count >= 20_000 && heap.summary.total_size > 5_000_000, "{}", heap.summary);
    let profiling = Profiling::start(&agent.tab).await.expect("begins");
    agent.click("#work").await;
    let profile = profiling.stop().await.expect("ends");
    assert!(profile.json.starts_with(b"{\"nodes\""));
    let hot = profile.hottest.iter().find(|function| function.function == "busyHandler");
    assert!(hot.is_some_and(|hot| hot.self_ms > 50.0 && hot.url.ends_with("/busy")), "{:?}", profile.hottest);
}
