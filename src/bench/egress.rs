//! What the gate costs a page: a site of 200 resources, loaded by a browser
//! behind the gate and by one that goes there itself, in turns, so that both
//! see the same machine. Once over new connections, as a first visit, and once
//! over those that are open.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use tokio::sync::mpsc;

use super::cdp::Screen;
use super::table::{Goal, Row, percentile};
use crate::base::{Actor, ActorId, Role, Size};
use crate::browser::{Browser, BrowserSettings, GateWay};
use crate::egress::{Gate, GateSettings, Serving, System};
use crate::floor::{Floor, FloorPermit, Grant};
use crate::policy::egress::{EgressLists, Judge};
use crate::process::{Network, RoomUser};

const RESOURCES: usize = 200;
/// Visits of each browser, each of a site that it has not seen.
const TURNS: usize = 24;
const LONGEST_LOAD: Duration = Duration::from_secs(60);

struct Visitor {
    browser: Arc<Browser>,
    permit: FloorPermit,
    cold: Vec<f64>,
    warm: Vec<f64>,
}

/// Compares page loads through the gate with direct ones.
pub(super) async fn page_loads() -> anyhow::Result<Vec<Row>> {
    let port = site().await?;
    let screen = Screen::start().await?;
    let dir = tempdir()?;
    let (way, _serving) = stand().await?;
    let started = async {
        let through = Visitor::start(&screen, &dir.join("through"), Some(way)).await?;
        let direct = Visitor::start(&screen, &dir.join("direct"), None).await?;
        anyhow::Ok([through, direct])
    };
    let mut visitors = started.await?;
    // Each turn is a site of another address, so that all its connections are new. The first warms up.
    for turn in 0..=TURNS {
        let host = Ipv4Addr::new(127, 0, 1, u8::try_from(turn + 1)?);
        let order = if turn % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let visitor = &mut visitors[index];
            let cold = visitor.load(&format!("http://{host}:{port}/?{turn}")).await?;
            let warm = visitor.load(&format!("http://{host}:{port}/?{turn}-again")).await?;
            if turn > 0 {
                visitor.cold.push(cold);
                visitor.warm.push(warm);
            }
        }
    }
    for visitor in &visitors {
        visitor.browser.stop(Duration::from_secs(2)).await;
    }
    let _ = std::fs::remove_dir_all(&dir);
    let [(cold, warm), (direct_cold, direct_warm)] =
        visitors.map(|mut visitor| (percentile(&mut visitor.cold, 0.5), percentile(&mut visitor.warm, 0.5)));
    let slower = |through: f64, direct: f64| 100.0 * (through / direct - 1.0);
    Ok(vec![Row::new(
        "a page of 200 resources through the gate, slower than direct",
        "%",
        Goal::AtMost(5.0),
        vec![
            ("new connections", slower(cold, direct_cold)),
            ("open ones", slower(warm, direct_warm)),
            ("ms through, new", cold),
            ("direct, new", direct_cold),
            ("through, open", warm),
            ("direct, open", direct_warm),
        ],
    )])
}

/// The site: scripts, styles and pictures, a few kilobytes each, never kept.
async fn site() -> anyhow::Result<u16> {
    let page = || async {
        let one = |number: usize| match number % 4 {
            0 => format!("<script src=/{number}.js></script>"),
            1 => format!("<link rel=stylesheet href=/{number}.css>"),
            _ => format!("<img src=/{number}.svg width=9 height=9>"),
        };
        Html((0..RESOURCES).fold("<!doctype html><title>Site</title>".to_owned(), |all, n| all + &one(n)))
    };
    let resource = |axum::extract::Path(name): axum::extract::Path<String>| async move {
        let (kind, text) = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("js") => ("text/javascript", format!("/*{}*/", "x".repeat(12_000))),
            Some("css") => ("text/css", format!("/*{}*/", "x".repeat(6_000))),
            _ => {
                let text = "<svg xmlns='http://www.w3.org/2000/svg'><!--";
                ("image/svg+xml", format!("{text}{}--></svg>", "x".repeat(20_000)))
            }
        };
        ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")], text).into_response()
    };
    let routes = Router::new().route("/", get(page)).route("/{name}", get(resource));
    let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    // On a thread of its own, as a machine elsewhere would be: the gate does not wait for it.
    std::thread::Builder::new().name("site".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, routes).await
        })
    })?;
    Ok(port)
}

/// A gate as a room has it, with its network where one can be made.
async fn stand() -> anyhow::Result<(GateWay, Serving)> {
    let allow = vec!["127.0.0.0/8".parse()?];
    let lists = EgressLists { allow, deny: vec![] };
    let gate = Gate::new(GateSettings {
        judge: Judge::new(&lists, &EgressLists::default(), &[]),
        upstream: None,
        resolver: Arc::new(System::default()),
        tell: Arc::new(|_| {}),
    });
    let (way, listener) = match Network::make() {
        Ok((network, listener)) => {
            (GateWay { port: network.port(), network: Some(Arc::new(network)) }, listener)
        }
        Err(_) => {
            let listener = std::net::TcpListener::bind((IpAddr::from(Ipv4Addr::LOCALHOST), 0))?;
            (GateWay { port: listener.local_addr()?.port(), network: None }, listener)
        }
    };
    Ok((way, gate.serve(listener)?))
}

fn tempdir() -> anyhow::Result<std::path::PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = std::env::temp_dir().join(format!("tandem-bench-egress-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o711).create(&dir)?;
    Ok(dir)
}

impl Visitor {
    async fn start(screen: &Screen, dir: &Path, gate: Option<GateWay>) -> anyhow::Result<Self> {
        let user = RoomUser::resolve("tandem").or_else(|_| RoomUser::resolve("nobody"))?;
        let root = user.private_dir(dir)?;
        let (events, mut heard) = mpsc::channel(64);
        tokio::spawn(async move { while heard.recv().await.is_some() {} });
        let settings = BrowserSettings {
            privacy: Default::default(),
            executable: "chromium".into(),
            bubblewrap: "bwrap".into(),
            user,
            group: None,
            mark: root.clone(),
            run_dir: root.clone(),
            profile_dir: root.join("profile"),
            download_dir: root.join("downloads"),
            env: vec![("DISPLAY".into(), screen.number.clone().into())],
            size: Size::DEFAULT,
            start_url: "about:blank".into(),
            gate,
            browser_pages: false,
            locale: None,
            time_zone: None,
            policies: true,
            restore: vec![],
            extra_args: vec![],
        };
        let browser = Arc::new(Browser::start(settings, events).await?);
        let id = ActorId::new("bench").map_err(|error| anyhow!("{error}"))?;
        let actor = Actor { id, name: "Bench".into(), role: Role::Agent, colour: None };
        match Floor::new(Duration::ZERO).handle_agent(Instant::now(), &actor) {
            Ok(Grant::Now(permit)) => Ok(Self { browser, permit, cold: vec![], warm: vec![] }),
            _ => Err(anyhow!("an empty room does not let an agent act")),
        }
    }

    /// Loads a page; from the start of the navigation to the end of its load, in milliseconds.
    async fn load(&self, url: &str) -> anyhow::Result<f64> {
        let tab = self.browser.front_tab().await.context("no tab")?;
        let deadline = tokio::time::Instant::now() + LONGEST_LOAD;
        tab.navigate(&self.permit, url, deadline).await?;
        let ended = "() => new Promise((done) => {
            const look = () => {
              const { loadEventEnd } = performance.getEntriesByType('navigation')[0];
              loadEventEnd > 0 ? done(loadEventEnd) : setTimeout(look, 5);
            };
            look();
          })";
        let took = tab.evaluate(&self.permit, ended, None, deadline).await?;
        took.as_f64().with_context(|| format!("{url} did not load"))
    }
}
