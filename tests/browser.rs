//! A real Chromium on a real Xvfb, acted on as an agent does it.

#[path = "browser/acting.rs"]
mod acting;
mod desk;
#[path = "browser/finding.rs"]
mod finding;
mod gate;
#[path = "browser/outlines.rs"]
mod outlines;
#[path = "browser/secret.rs"]
mod secret;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::response::Html;
use desk::{agent, permit};
use serde_json::{Value, json};
use tandem::agents::{Refused, Seat, SeatDoor};
use tandem::base::{Actor, ActorId, Point, Role, Size, ToolGroups};
use tandem::browser::{
    ActError, Acting, Attending, Browser, BrowserEvent, BrowserSettings, CdpClient, Click, Done, Locator,
    Observer, Picture, RestoredTab, Rules, Shot, SnapshotScope, Stroke, Tab,
};
use tandem::floor::{Floor, FloorPermit, Grant, Touch};
use tandem::room::{HelpEnd, RoomEvent, RoomView};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// A desk with a site of test pages.
struct Desk {
    own: desk::Desk,
    site: String,
    stand: gate::Stand,
}

impl Desk {
    async fn new() -> Self {
        let page = |text: &'static str| axum::routing::get(move || async move { Html(text) });
        let app = axum::Router::new()
            .route("/acts", page(include_str!("pages/acts.html")))
            .route("/frames", page(include_str!("pages/frames.html")))
            .route("/inner", page(include_str!("pages/inner.html")))
            .route("/other", page("<title>Other</title><h1>Other</h1>"))
            .route("/table", page(include_str!("pages/table.html")))
            .route("/mail", page(include_str!("pages/mail.html")))
            .route("/shop", page(include_str!("pages/shop.html")))
            .route("/form", page(include_str!("pages/form.html")))
            .route("/app", page(include_str!("pages/app.html")))
            .route("/able", page(include_str!("pages/able.html")))
            .route("/drag", page(include_str!("pages/drag.html")))
            .route("/find", page(include_str!("pages/find.html")))
            .route(
                "/wait",
                axum::routing::get(|| async {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    "answered"
                }),
            )
            .route(
                "/slow",
                axum::routing::get(|| async {
                    tokio::time::sleep(Duration::from_millis(400)).await;
                    Html("<title>Slow</title><h1>Slow page</h1>")
                }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let site = format!("http://127.0.0.1:{}", listener.local_addr().expect("address").port());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            own: desk::Desk::new().await,
            site,
            stand: gate::Stand::open(&["127.0.0.0/8"], gate::Names::default()),
        }
    }

    fn settings(&self) -> BrowserSettings {
        self.own.settings(&self.stand.way, &format!("{}/acts", self.site))
    }

    async fn browser(&self) -> (Arc<Browser>, mpsc::Receiver<BrowserEvent>) {
        let (events, heard) = mpsc::channel(64);
        let browser =
            Browser::start(self.settings(), events).await.unwrap_or_else(|error| panic!("{error:?}"));
        (Arc::new(browser), heard)
    }
}

fn person() -> Actor {
    Actor { id: ActorId::new("ada").expect("id"), name: "Ada".into(), role: Role::Controller, colour: None }
}

#[derive(Default)]
struct Seen(Mutex<Vec<Point>>);

impl Observer for Seen {
    fn pointer(&self, to: Point, _glide: Duration) {
        self.0.lock().expect("lock").push(to);
    }
    fn press(&self, _at: Point) {}
}

/// A tab that is acted on, with a floor that nobody else wants.
struct Hand {
    browser: Arc<Browser>,
    tab: Arc<Tab>,
    _attending: Attending,
    permit: FloorPermit,
    seen: Seen,
}

impl Hand {
    async fn new(browser: &Arc<Browser>, url: &str) -> Self {
        let tab = browser.front_tab().await.expect("a tab");
        let attending = Attending::start(Arc::clone(&tab)).await;
        let permit = permit(&mut Floor::new(Duration::from_millis(100)));
        let hand =
            Self { browser: Arc::clone(browser), tab, _attending: attending, permit, seen: Seen::default() };
        hand.go(url).await;
        hand
    }
    async fn go(&self, url: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        self.tab.navigate(&self.permit, url, deadline).await.expect("navigates");
    }
    fn acting(&self, ms: u64) -> Acting<'_> {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(ms);
        Acting { tab: &self.tab, permit: &self.permit, observer: &self.seen, deadline }
    }
    async fn click(&self, target: &str) -> Result<Done, ActError> {
        self.acting(3000).click(&at(target), &Click::default()).await
    }
    async fn js(&self, source: &str) -> Value {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        self.tab.evaluate(&self.permit, source, None, deadline).await.expect("runs")
    }
    async fn outline(&self) -> String {
        self.tab.snapshot(&SnapshotScope::default()).await.expect("a snapshot").yaml
    }
}

fn at(target: &str) -> Locator {
    target.parse().expect("a locator")
}

fn ref_of(outline: &str, line: &str) -> String {
    let line =
        outline.lines().find(|each| each.contains(line)).unwrap_or_else(|| panic!("{line} in\n{outline}"));
    let start = line.find("[ref=").expect("a ref") + 5;
    line[start..].split(']').next().expect("closed").to_owned()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_reach_the_page_and_refusals_say_why() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/acts", desk.site)).await;

    let code = hand.click("#plain").await.expect("clicks");
    assert_eq!(&*code, "getByRole('button', { name: 'Press me' })");
    let out = hand.js("out.value").await;
    let out = out.as_str().expect("text");
    assert!(out.starts_with("plain true"), "{out}");
    // What people are shown is where the event was, in the display's pixels.
    let shown = *hand.seen.0.lock().expect("lock").last().expect("shown");
    let screen: Vec<f64> =
        out.split(' ').nth(3).expect("place").split(',').map(|n| n.parse().expect("number")).collect();
    assert!(
        (f64::from(shown.x) - screen[0]).abs() <= 1.0 && (f64::from(shown.y) - screen[1]).abs() <= 1.0,
        "{shown:?} {out}"
    );

    hand.click("#far").await.expect("scrolls there");
    assert!(hand.js("out.value").await.as_str().expect("text").starts_with("far true"));
    hand.click("getByText('Deep')").await.expect("pierces the shadow root");
    assert_eq!(hand.js("out.value").await, "deep");

    let covered =
        hand.acting(700).click(&at("#covered"), &Click::default()).await.expect_err("covered").to_string();
    assert!(covered.contains("id=\"cover\"") && covered.contains("in the way"), "{covered}");
    let off = hand.acting(700).click(&at("#off"), &Click::default()).await.expect_err("disabled").to_string();
    assert!(off.contains("not enabled"), "{off}");
    let twins = hand.click(".twin").await.expect_err("two").to_string();
    assert!(twins.contains("strict mode violation") && twins.contains("2 elements"), "{twins}");
    hand.click("locator('.twin').last()").await.expect("one of them");
    let none =
        hand.acting(300).click(&at("#nowhere"), &Click::default()).await.expect_err("none").to_string();
    assert!(none.contains("no element matches"), "{none}");
    assert!(matches!(hand.click("e9999").await, Err(ActError::NoSuchRef(_))));

    let outline = hand.outline().await;
    let vanish = ref_of(&outline, "button \"Vanish\"");
    hand.click(&vanish).await.expect("clicks");
    assert!(matches!(hand.click(&vanish).await, Err(ActError::NoSuchRef(_))), "it is detached");
    assert_eq!(ref_of(&outline, "button \"Press me\""), ref_of(&hand.outline().await, "button \"Press me\""));

    hand.acting(3000).fill(&at("getByLabel('Name')"), "Grace Hopper").await.expect("fills");
    assert_eq!(hand.js("document.getElementById('name').value").await, "Grace Hopper");
    hand.acting(3000).fill(&at("#day"), "2026-11-21").await.expect("fills a date");
    assert_eq!(hand.js("day.value").await, "2026-11-21");
    hand.acting(3000).select(&at("#pick"), &["Green".into()]).await.expect("selects");
    assert_eq!(hand.js("pick.value").await, "g");
    hand.acting(3000).set_checked(&at("#box"), true).await.expect("checks");
    assert_eq!(hand.js("box.checked").await, true);
    hand.acting(3000).type_slowly(&at("#slow"), "aB é!").await.expect("types");
    assert_eq!(hand.js("slow.value").await, "aB é!");
    let all: Stroke = "ControlOrMeta+a".parse().expect("key");
    let delete: Stroke = "Backspace".parse().expect("key");
    hand.acting(3000).press(&all).await.expect("presses");
    hand.acting(3000).press(&delete).await.expect("presses");
    assert_eq!(hand.js("slow.value").await, "");

    hand.click("#ask").await.expect("the click is done");
    assert!(hand.tab.dialog().is_some_and(|dialog| dialog.message == "Really?"));
    assert!(matches!(hand.click("#plain").await, Err(ActError::Dialog(_))));
    hand.acting(3000).answer_dialog(true, None).await.expect("answers");
    assert_eq!(hand.js("out.value").await, "yes");

    hand.click("#go").await.expect("follows the link");
    assert!(hand.outline().await.contains("heading \"Other\""), "the new page is read, not the old one");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    assert!(hand.tab.back(&hand.permit, deadline).await.expect("goes back"));
    assert!(hand.tab.url().ends_with("/acts"));
    hand.go(&format!("{}/slow", desk.site)).await;
    assert!(hand.outline().await.contains("Slow page"));

    let picture = hand.browser.screenshot(&hand.tab, &Shot::default()).await.expect("a picture");
    let picture = image::load_from_memory(&picture).expect("a PNG");
    assert!(picture.width() > 1000 && picture.height() > 400);
    let jpeg = Shot { format: Picture::Jpeg, full_page: true, ..Shot::default() };
    assert!(hand.browser.screenshot(&hand.tab, &jpeg).await.expect("a picture").starts_with(&[0xff, 0xd8]));
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_shown_and_clicked_in_this_process_and_in_another() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/frames", desk.site)).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let outline = loop {
        let outline = hand.outline().await;
        if outline.matches("button \"Inside\"").count() == 2 {
            break outline;
        }
        assert!(Instant::now() < deadline, "{outline}");
        tokio::task::yield_now().await;
    };
    let refs: Vec<_> = outline
        .lines()
        .filter(|line| line.contains("button \"Inside\""))
        .map(|line| ref_of(line, "Inside"))
        .collect();
    for reference in &refs {
        assert!(reference.starts_with('f'), "{outline}");
        hand.click(reference).await.unwrap_or_else(|error| panic!("{reference}: {error}\n{outline}"));
    }
    let after = hand.outline().await;
    assert_eq!(after.matches("button \"Was pressed\"").count(), 2, "{after}");
    for line in after.lines().filter(|line| line.contains("\"Field\"")) {
        hand.acting(3000).fill(&at(&ref_of(line, "Field")), "hello").await.expect("fills in a frame");
    }
    assert_eq!(hand.outline().await.matches(": hello").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_stops_the_typing_with_no_further_character() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/acts", desk.site)).await;
    let mut floor = Floor::new(Duration::from_millis(100));
    let permit = permit(&mut floor);
    let text = "x".repeat(3000);
    let acting = Acting { permit: &permit, ..hand.acting(5000) };
    let slow = at("#slow");
    let typing = acting.type_slowly(&slow, &text);
    let takeover = async {
        while hand.js("slow.value.length").await.as_u64().unwrap_or(0) < 20 {}
        let _ = floor.handle_person(Instant::now(), &person(), Touch::Press(1)).expect("may");
    };
    let (typed, ()) = tokio::join!(typing, takeover);
    let Err(ActError::PreemptedAfter { done, of: 3000 }) = typed else { panic!("{typed:?}") };
    // Keys that a busy page has been given may come a moment later, and not one more.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut length = hand.js("slow.value.length").await;
    while length.as_u64() < Some(done as u64) && Instant::now() < deadline {
        length = hand.js("slow.value.length").await;
    }
    assert_eq!(length.as_u64(), Some(done as u64), "as much as it says");
    assert!(length.as_u64().is_some_and(|length| (20..3000).contains(&length)), "{length}");
    hand.js("new Promise((done) => setTimeout(done, 100))").await;
    assert_eq!(hand.js("slow.value.length").await, length);
    assert!(matches!(
        Acting { permit: &permit, ..hand.acting(500) }.click(&at("#plain"), &Click::default()).await,
        Err(ActError::Preempted(_))
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_is_boxed_in_and_comes_back_with_its_tabs() {
    let desk = Desk::new().await;
    let (browser, mut events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/acts", desk.site)).await;

    // Not root, sandboxed, and no port.
    let mut renderers = 0;
    let mut inodes = Vec::new();
    for pid in std::fs::read_dir("/proc")
        .expect("proc")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
    {
        let Ok(environ) = std::fs::read(format!("/proc/{pid}/environ")) else { continue };
        let mark = format!("TANDEM_RUN={}", desk.own.root.display());
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let ours = environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes());
        if !(ours || command.contains(&desk.own.root.display().to_string())) || !command.contains("chromium")
        {
            continue;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field =
            |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        assert!(!field("Uid:").contains("\t0"), "{command} runs as root");
        if command.contains("--type=renderer") {
            renderers += 1;
            assert!(field("Seccomp:").ends_with('2'), "{status}");
            assert!(field("NSpid:").split_whitespace().count() > 2, "{status}");
        }
        for fd in std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            if let Ok(link) = std::fs::read_link(fd.path())
                && let Some(inode) = link.to_string_lossy().strip_prefix("socket:[")
            {
                inodes.push(inode.trim_end_matches(']').to_owned());
            }
        }
    }
    assert!(renderers > 0, "no renderer was found");
    let tcp = std::fs::read_to_string("/proc/net/tcp").expect("tcp")
        + &std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    for line in tcp.lines().filter(|line| line.split_whitespace().nth(3) == Some("0A")) {
        let inode = line.split_whitespace().nth(9).expect("inode");
        assert!(!inodes.iter().any(|own| own == inode), "Chromium listens: {line}");
    }
    // The managed policies hold.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    let blocked = hand.tab.navigate(&hand.permit, "file:///etc/passwd", deadline).await.expect_err("blocked");
    assert!(blocked.to_string().contains("ERR_BLOCKED_BY_ADMINISTRATOR"), "{blocked}");

    // Killed and back.
    hand.go(&format!("{}/acts", desk.site)).await;
    let second = browser.open_tab(&hand.permit, &format!("{}/other", desk.site)).await.expect("opens");
    assert!(browser.is_responsive().await);
    let tabs = loop {
        let tabs = browser.look_at_tabs().await;
        if tabs.len() == 2 && tabs[1].title == "Other" {
            break tabs;
        }
    };
    assert!(tabs[1].front && tabs[1].target == second && !tabs[0].front, "{tabs:?}");
    browser.select_tab(&hand.permit, &hand.tab).await.expect("selects");
    let restore: Vec<_> =
        browser.tabs().into_iter().map(|tab| RestoredTab { url: tab.url, front: tab.front }).collect();
    assert!(restore[0].front);
    let group = i32::try_from(browser.pid()).expect("pid");
    // SAFETY: a plain system call with integers; the group is the one we started.
    assert_eq!(unsafe { libc::kill(-group, libc::SIGKILL) }, 0);
    let ended = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match events.recv().await {
                Some(BrowserEvent::Ended(exit)) => return exit,
                Some(_) => {}
                None => panic!("no news of the end"),
            }
        }
    });
    ended.await.expect("the end is an event");
    drop((hand, browser));
    let (sender, _events) = mpsc::channel(64);
    let started = Instant::now();
    let settings = BrowserSettings { restore, ..desk.settings() };
    let again = Browser::start(settings, sender).await.expect("starts again");
    println!("restart with two tabs: {:?}", started.elapsed());
    let urls: Vec<_> = again.look_at_tabs().await.into_iter().map(|tab| (tab.url, tab.front)).collect();
    assert_eq!(urls, [(format!("{}/acts", desk.site), true), (format!("{}/other", desk.site), false)]);
    let stopped = Instant::now();
    let exit = again.stop(Duration::from_secs(4)).await;
    println!("stop: {:?} {exit}", stopped.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_in_the_back_is_acted_on_and_clients_do_not_disturb_each_other() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/acts", desk.site)).await;
    browser.open_tab(&hand.permit, &format!("{}/other", desk.site)).await.expect("opens");
    assert_ne!(browser.front_tab().await.expect("front").target(), hand.tab.target());
    hand.click("#plain").await.expect("clicks in the back");
    assert!(hand.js("out.value").await.as_str().expect("text").starts_with("plain true"));

    // Two more clients: one leaves in the middle, the other goes on; so does chromiumoxide.
    let mut one = browser.attach(Rules::default()).await.expect("attaches");
    let mut two = browser.attach(Rules::default()).await.expect("attaches");
    for client in [&one, &two] {
        client
            .sender()
            .send(
                json!({ "id": 1, "method": "Target.setDiscoverTargets", "params": { "discover": true } })
                    .to_string()
                    .into(),
            )
            .await
            .expect("sends");
    }
    assert!(one.next().await.is_some() && two.next().await.is_some());
    one.sender().send(r#"{"id":2,"method":"Browser.close"}"#.into()).await.expect("sends");
    while one.next().await.is_some() {}
    two.sender().send(r#"{"id":9,"method":"Browser.getVersion"}"#.into()).await.expect("sends");
    loop {
        let message: Value = serde_json::from_slice(&two.next().await.expect("goes on")).expect("json");
        assert!(!message.to_string().contains("top-chrome"), "the browser's own interface was shown");
        if message["id"] == 9 {
            assert!(message["result"]["product"].is_string());
            break;
        }
    }
    assert!(browser.chromiumoxide().version().await.expect("answers").product.contains("Chrome"));
    assert!(!browser.chromiumoxide().pages().await.expect("pages").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn how_long_things_take() {
    let desk = Desk::new().await;
    let started = Instant::now();
    let (browser, _events) = desk.browser().await;
    println!("start: {:?}", started.elapsed());
    let hand = Hand::new(&browser, &format!("{}/acts", desk.site)).await;
    let mut times: [Vec<Duration>; 5] = Default::default();
    let client: &CdpClient = browser.cdp_client();
    for _ in 0..25 {
        let mut lap = Instant::now();
        let mut next = |times: &mut Vec<Duration>| {
            times.push(lap.elapsed());
            lap = Instant::now();
        };
        client.send(None, "Browser.getVersion", &json!({})).await.expect("answers");
        next(&mut times[0]);
        hand.click("#plain").await.expect("clicks");
        next(&mut times[1]);
        hand.acting(3000).fill(&at("#slow"), "some text").await.expect("fills");
        next(&mut times[2]);
        hand.outline().await;
        next(&mut times[3]);
        hand.go(&format!("{}/acts", desk.site)).await;
        next(&mut times[4]);
    }
    for (name, times) in ["CDP round trip", "click", "fill", "snapshot", "navigate"].into_iter().zip(times) {
        println!("{name}: {:?}", median(times));
    }
    let typed = Instant::now();
    hand.acting(3000).type_slowly(&at("#slow"), &"a".repeat(100)).await.expect("types");
    println!("100 keys: {:?}", typed.elapsed());
    println!("{}", hand.outline().await);
}

struct TestSeat {
    actor: Actor,
    browser: Arc<Browser>,
    floor: Mutex<Floor>,
    shown: Mutex<Vec<RoomEvent>>,
}

impl Seat for TestSeat {
    fn actor(&self) -> &Actor {
        &self.actor
    }
    fn browser(
        &self,
        _deadline: Instant,
    ) -> futures_util::future::BoxFuture<'_, Result<Arc<Browser>, String>> {
        Box::pin(async { Ok(Arc::clone(&self.browser)) })
    }
    fn floor(&self, _deadline: Instant) -> futures_util::future::BoxFuture<'_, Result<FloorPermit, Refused>> {
        Box::pin(async {
            match self.floor.lock().expect("lock").handle_agent(Instant::now(), &self.actor) {
                Ok(Grant::Now(permit)) => Ok(permit),
                Ok(Grant::Wait { holder, .. }) => {
                    Err(Refused::Busy(format!("{holder} is using the browser")))
                }
                Err(refusal) => Err(Refused::Forbidden(refusal.to_string())),
            }
        })
    }
    fn done(&self, permit: FloorPermit) {
        self.floor.lock().expect("lock").handle_done(Instant::now(), permit);
    }
    fn view(&self) -> tokio::sync::watch::Receiver<Arc<RoomView>> {
        let view = serde_json::json!({
            "id": "main", "size": Size::DEFAULT, "phase": { "state": "live" }, "present": [],
            "floor": { "mode": "together", "requests": [], "hand_backs": 0 }, "waiting": [], "help": [],
        });
        let view: RoomView = serde_json::from_value(view).expect("a view");
        tokio::sync::watch::Sender::new(Arc::new(view)).subscribe()
    }
    fn resize(&self, _: Size) -> futures_util::future::BoxFuture<'_, Result<(), String>> {
        unreachable!("no tool in this test resizes the display")
    }
    fn ask_help(
        &self,
        _: String,
        _: tandem::room::HelpTask,
        _: Duration,
    ) -> futures_util::future::BoxFuture<'_, HelpEnd> {
        unreachable!("no tool in this test asks for help")
    }
    fn show(&self, event: RoomEvent) {
        self.shown.lock().expect("lock").push(event);
    }
}

/// One POST as an MCP client sends it; the session's id and the last message.
async fn post(address: &str, session: Option<&str>, body: Value) -> (Option<String>, Value) {
    let body = body.to_string();
    let session = session.map(|id| format!("Mcp-Session-Id: {id}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\n{session}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answers");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let id = answer.lines().find_map(|line| {
        line.to_ascii_lowercase().starts_with("mcp-session-id:").then(|| line[15..].trim().to_owned())
    });
    let data: String = answer
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter(|data| data.contains("jsonrpc"))
        .map(str::trim)
        .collect();
    (id, serde_json::from_str(&data).unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_over_mcp() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let floor = Mutex::new(Floor::new(Duration::from_secs(60)));
    let seat = Arc::new(TestSeat { actor: agent(), browser, floor, shown: Mutex::default() });
    let open = Arc::clone(&seat);
    let door = SeatDoor {
        key: "main/bot".into(),
        room: tandem::base::RoomId::main(),
        groups: ToolGroups::default(),
        open: Arc::new(move || Ok(Arc::clone(&open) as Arc<dyn Seat>)),
    };
    let app = axum::Router::new()
        .fallback_service(tandem::agents::service(tokio_util::sync::CancellationToken::new()))
        .layer(axum::Extension(door));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": "2025-06-18",
        "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let (session, answer) = post(&address, None, hello).await;
    assert!(
        answer["result"]["instructions"].as_str().is_some_and(|text| text.contains("person")),
        "{answer}"
    );
    let session = session.expect("a session");
    post(&address, Some(&session), json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let (_, list) =
        post(&address, Some(&session), json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })).await;
    assert!(list["result"]["tools"].as_array().is_some_and(|tools| tools.len() >= 10), "{list}");
    let call = async |name: &str, arguments: Value| {
        let body = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": name, "arguments": arguments } });
        let started = Instant::now();
        let (_, answer) = post(&address, Some(&session), body).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{name} took {:?}", started.elapsed());
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        (text, answer)
    };
    let (text, answer) = call("browser_navigate", json!({ "url": format!("{}/acts", desk.site) })).await;
    assert!(text.contains("### Page\n- Page URL: ") && text.contains("### Snapshot\n```yaml"), "{answer}");
    let button = ref_of(&text, "button \"Press me\"");
    let (text, answer) = call("browser_click", json!({ "element": "the button", "target": button })).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    assert!(text.contains("### Ran Playwright code") && text.contains("plain true"), "{text}");
    let (text, _) = call("browser_type", json!({ "target": "getByLabel('Name')", "text": "Ada" })).await;
    assert!(text.contains(": Ada"), "{text}");
    let (text, _) = call("browser_evaluate", json!({ "function": "() => ({ a: document.title })" })).await;
    assert!(text.starts_with("### Result\n{\n  \"a\": \"Acts\"\n}"), "{text}");
    let (text, _) = call("browser_evaluate", json!({ "function": "(el) => el.id", "target": button })).await;
    assert!(text.contains("\"plain\""), "{text}");
    let (text, _) = call("browser_wait_for", json!({ "text": "Press me" })).await;
    assert!(text.contains("Waited for"), "{text}");
    let (_, answer) = call("browser_take_screenshot", json!({})).await;
    assert_eq!(answer["result"]["content"][1]["mimeType"], "image/png", "{answer}");
    let (text, _) =
        call("browser_tabs", json!({ "action": "new", "url": format!("{}/other", desk.site) })).await;
    assert!(text.contains("1: (current) (in front)"), "{text}");
    let (text, _) = call("browser_tabs", json!({ "action": "close" })).await;
    assert!(text.contains("0: (current)") && !text.contains("- 1:"), "{text}");
    let (text, _) = call("browser_press_key", json!({ "key": "Tab" })).await;
    assert!(text.contains("keyboard.press"), "{text}");
    for (name, arguments, wanted) in [
        ("browser_click", json!({ "ref": "e1" }), "did you mean \"target\"?"),
        ("browser_navigate", json!({ "url": "file:///etc/passwd" }), "file: addresses are not opened here"),
        ("browser_click", json!({ "target": "e99999" }), "Take a new snapshot"),
        ("browser_press_key", json!({ "key": "Nonsense" }), "Unknown key"),
    ] {
        let (text, answer) = call(name, arguments).await;
        assert!(text.starts_with("### Error\n") && text.contains(wanted), "{text}");
        assert_eq!(answer["result"]["isError"], true);
    }
    let shown = std::mem::take(&mut *seat.shown.lock().expect("lock"));
    assert!(shown.iter().any(|event| matches!(event, RoomEvent::Press { .. })));
    assert!(
        shown
            .iter()
            .any(|event| matches!(event, RoomEvent::Doing { text, .. } if text == "clicks the button"))
    );
    let _ = seat
        .floor
        .lock()
        .expect("lock")
        .handle_person(Instant::now(), &person(), Touch::Momentary)
        .expect("may");
    let (text, _) = call("browser_click", json!({ "target": "#plain" })).await;
    assert!(text.contains("Ada is using the browser"), "{text}");
    let before = Arc::strong_count(&seat);
    let gone = format!(
        "DELETE /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nMcp-Session-Id: {session}\r\n\r\n"
    );
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("connects");
    stream.write_all(gone.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("answers");
    tokio::time::timeout(Duration::from_secs(60), async {
        while Arc::strong_count(&seat) >= before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the seat is given back with the session");
}
