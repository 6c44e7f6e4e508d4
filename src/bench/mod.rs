//! `tandem bench`: measures a real room on this machine, with native viewers
//! and a real browser, and prints a table and JSON.
//!
//! The server under measurement is a process of its own. Its CPU time is its
//! own, without Chromium's and Xvfb's; what measuring costs is not in it, but
//! takes its part of the machine.

mod agents;
mod audit;
mod cdp;
mod egress;
mod floor;
mod mcp;
mod pages;
mod panel;
mod policy;
mod psnr;
mod rooms;
mod seat;
mod service;
mod table;
mod truth;
pub mod viewer;
mod watcher;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::{join_all, try_join_all};

use self::seat::Seated;
use self::service::Service;
use self::table::{Goal, Row, percentile};
use self::viewer::{Viewer, ViewerOptions, whep};
use self::watcher::Watcher;
use crate::base::{Button, Input, Modifiers, Point};

/// How long each rate is measured.
const SPAN: Duration = Duration::from_secs(10);
/// Until a page has loaded, been painted over and come to rest.
const REST: Duration = Duration::from_secs(4);
/// Native viewers of one room.
const CROWD: usize = 30;
/// Presses for each distribution of latencies.
const PRESSES: usize = 60;
/// Frames with fewer bytes show the empty display before Chromium's window.
const BLANK: usize = 6000;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Measure only these parts
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Write the JSON to this file instead of printing it
    #[arg(long)]
    json: Option<PathBuf>,
    /// The cli.js of @playwright/mcp, to be measured beside our tools for agents
    #[arg(long, value_name = "PATH")]
    playwright_mcp: Option<PathBuf>,
    /// The folder of the web client in Tandem's source, by which the panel is measured
    #[arg(long, value_name = "PATH", default_value = "client")]
    client: PathBuf,
}

/// A part of the benchmark: one page in one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Still,
    Typing,
    Scrolling,
    Crowd,
    Click,
    Cdp,
    Agents,
    Policy,
    Floor,
    Audit,
    Panel,
    Egress,
    Rooms,
}

/// Runs the benchmark; true when every goal was met.
pub async fn run(args: BenchArgs) -> anyhow::Result<bool> {
    let pages = pages::serve().await?;
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let mut rows = Vec::new();
    let mut add = |new: Vec<Row>| {
        for row in new {
            row.print();
            rows.push(row);
        }
    };
    if wanted(Part::Still) {
        add(still(&format!("{pages}/still")).await.context("still")?);
    }
    if wanted(Part::Typing) {
        add(typing(&format!("{pages}/typing")).await.context("typing")?);
    }
    if wanted(Part::Scrolling) {
        add(scrolling(&format!("{pages}/scrolling")).await.context("scrolling")?);
    }
    if wanted(Part::Crowd) {
        add(crowd(&format!("{pages}/scrolling")).await.context("crowd")?);
    }
    if wanted(Part::Click) {
        add(click(&format!("{pages}/click")).await.context("click")?);
    }
    if wanted(Part::Cdp) {
        add(cdp::round_trips(&format!("{pages}/still")).await.context("cdp")?);
    }
    if wanted(Part::Agents) {
        add(agents::measure(&pages, args.playwright_mcp.as_deref()).await.context("agents")?);
    }
    if wanted(Part::Policy) {
        add(policy::decisions()?);
    }
    if wanted(Part::Floor) {
        add(floor::takeovers(&format!("{pages}/floor")).await.context("floor")?);
    }
    if wanted(Part::Audit) {
        add(audit::appends().await.context("audit")?);
        add(audit::beside_the_picture(&format!("{pages}/scrolling")).await.context("audit")?);
    }
    if wanted(Part::Panel) {
        match panel::measure(&args.client, &format!("{pages}/still")).await {
            Ok(rows) => add(rows),
            // Who asks for all of it may have no node.
            Err(error) if args.only.is_empty() => {
                eprintln!("panel: {error:#}");
                add(panel::unmeasured());
            }
            Err(error) => return Err(error.context("panel")),
        }
    }
    if wanted(Part::Egress) {
        add(egress::page_loads().await.context("egress")?);
    }
    if wanted(Part::Rooms) {
        add(rooms::rest_and_wake(&format!("{pages}/still")).await.context("rooms")?);
    }
    let json = serde_json::to_string_pretty(&rows)?;
    match args.json {
        Some(path) => std::fs::write(path, json)?,
        None => println!("{json}"),
    }
    Ok(rows.iter().all(|row| row.met != Some(false)))
}

/// A page at rest: what watching costs, how sharp it is, how soon it is there.
async fn still(page: &str) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(page).await?;
    let options = ViewerOptions { keep_frames: true, data_channels: true, ..ViewerOptions::default() };
    let seated = Seated::enter(&service, options).await?;
    let first = first_picture(&service, &seated.viewer).await?;
    tokio::time::sleep(REST).await;
    let before = service.cpu()?;
    tokio::time::sleep(SPAN).await;
    let cpu = service.cpu()?.percent_since(before);
    let memory = service.memory()?;
    drop(seated);

    let watcher = Watcher::start(service.data_dir().join("watcher")).await?;
    let room = format!("http://{}/rooms/main", service.address);
    let mut opening = vec![watcher.open(&format!("{room}?token={}", service.token)).await?];
    for _ in 0..8 {
        opening.push(watcher.open(&room).await?);
    }
    tokio::time::sleep(REST).await;
    let shown = watcher.picture_after(Duration::from_secs(1)).await?;
    let truth = truth::grab(&service.data_dir().join("run/main/display"))?;
    ensure!((truth.width, truth.height) == (shown.width, shown.height), "the picture has another size");
    let luma = psnr::luma_psnr(&truth.bgrx, &shown.rgba);
    watcher.stop().await?;
    service.stop().await?;
    Ok(vec![
        Row::new("serve to first picture", "ms", Goal::AtMost(4000.0), vec![("", first)]),
        Row::new("CPU, still page, watched", "%", Goal::AtMost(1.0), vec![("core", cpu)]),
        Row::new("memory of the service (PSS)", "MB", Goal::AtMost(60.0), vec![("", memory)]),
        Row::new(
            "opening a live room to first picture",
            "ms",
            Goal::AtMost(500.0),
            vec![("p50", percentile(&mut opening, 0.5)), ("max", percentile(&mut opening, 1.0))],
        ),
        Row::new(
            "still text after 1 s, against the display",
            "dB",
            Goal::AtLeast(50.0),
            vec![("luma", luma)],
        ),
    ])
}

/// Ten keys a second into a text area.
async fn typing(page: &str) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(page).await?;
    let seated = Seated::enter(&service, interactive()).await?;
    first_picture(&service, &seated.viewer).await?;
    tokio::time::sleep(REST).await;
    press(&seated.viewer, Point { x: 300, y: 200 }, 0).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (cpu, counts) = (service.cpu()?, seated.viewer.counts());
    let start = Instant::now();
    let mut clock = tokio::time::interval(Duration::from_millis(100));
    let text = b"the quick brown fox jumps over the lazy dog ";
    for letter in text.iter().cycle().take((SPAN.as_millis() / 100) as usize) {
        clock.tick().await;
        for down in [true, false] {
            let modifiers = Modifiers::default();
            let key = Input::Key { keysym: u32::from(*letter), code: 0, down, modifiers };
            seated.viewer.input(0, 0, key).await?;
        }
    }
    let percent = service.cpu()?.percent_since(cpu);
    let after = seated.viewer.counts();
    let seconds = start.elapsed().as_secs_f64();
    let fps = (after.frames - counts.frames) as f64 / seconds;
    let kbps = (after.bytes - counts.bytes) as f64 * 8.0 / seconds / 1000.0;
    drop(seated);
    service.stop().await?;
    Ok(vec![Row::new(
        "CPU while typing, 10 keys a second",
        "%",
        Goal::AtMost(6.0),
        vec![("core", percent), ("fps", fps), ("kb/s", kbps)],
    )])
}

/// Text scrolled on every animation frame.
async fn scrolling(page: &str) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(page).await?;
    let seated = Seated::enter(&service, interactive()).await?;
    first_picture(&service, &seated.viewer).await?;
    tokio::time::sleep(REST).await;
    let (percent, fps, kbps) = rates(&service, &seated.viewer).await?;
    drop(seated);
    let watcher = Watcher::start(service.data_dir().join("watcher")).await?;
    watcher.open(&format!("http://{}/rooms/main?token={}", service.address, service.token)).await?;
    tokio::time::sleep(REST).await;
    let shown = watcher.shown_rate(SPAN).await?;
    watcher.stop().await?;
    service.stop().await?;
    let parts = vec![("core", percent), ("fps", fps), ("kb/s", kbps)];
    Ok(vec![
        Row::new("CPU, scrolling text", "%", Goal::AtMost(30.0), parts),
        Row::new("pictures a second, scrolling", "fps", Goal::AtLeast(55.0), vec![("native viewer", fps)]),
        Row::new(
            "pictures a second, scrolling, shown by a browser",
            "fps",
            Goal::AtLeast(55.0),
            vec![("", shown)],
        ),
        Row::new("rate, scrolling", "kb/s", Goal::AtMost(4000.0), vec![("", kbps)]),
    ])
}

/// Thirty viewers of one room, against one.
async fn crowd(page: &str) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(page).await?;
    let url = format!("http://{}/api/rooms/main/whep", service.address);
    let first = whep(&url, &service.token, ViewerOptions::default()).await?;
    first.wait_for_frames(1, Duration::from_secs(15)).await?;
    tokio::time::sleep(REST).await;
    let (alone, fps_alone, _) = rates(&service, &first).await?;
    let others = (1..CROWD).map(|_| whep(&url, &service.token, ViewerOptions::default()));
    let mut viewers = try_join_all(others).await?;
    viewers.push(first);
    tokio::time::sleep(REST).await;
    let before: Vec<u64> = viewers.iter().map(Viewer::frames).collect();
    let encoded = encoded_frames(&service).await?;
    let cpu = service.cpu()?;
    tokio::time::sleep(SPAN).await;
    let together = service.cpu()?.percent_since(cpu);
    let encoded = (encoded_frames(&service).await? - encoded).max(1.0);
    let after: Vec<u64> = viewers.iter().map(Viewer::frames).collect();
    let gained = before.iter().zip(&after).map(|(before, after)| (after - before) as f64);
    let mut shares: Vec<f64> = gained.map(|frames| 100.0 * frames / encoded).collect();
    join_all(viewers.into_iter().map(Viewer::close)).await;
    service.stop().await?;
    let worst = percentile(&mut shares, 0.0);
    Ok(vec![
        Row::new(
            "CPU, 30 viewers above one",
            "%",
            Goal::AtMost(40.0),
            vec![("core", together - alone), ("alone", alone), ("fps alone", fps_alone)],
        ),
        Row::new(
            "frames that the worst of 30 viewers got",
            "%",
            Goal::AtLeast(95.0),
            vec![
                ("of those encoded", worst),
                ("median", percentile(&mut shares, 0.5)),
                ("fps encoded", encoded / SPAN.as_secs_f64()),
            ],
        ),
    ])
}

/// From a press to the frame that shows it.
async fn click(page: &str) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(page).await?;
    let seated = Seated::enter(&service, ViewerOptions { keep_frames: true, ..interactive() }).await?;
    first_picture(&service, &seated.viewer).await?;
    tokio::time::sleep(REST).await;
    let (mut server, mut encoded) = (Vec::with_capacity(PRESSES), Vec::with_capacity(PRESSES));
    for turn in 0..PRESSES {
        let (arrived, ready) = press_to_frame(&seated.viewer, turn as u32 + 1).await?;
        server.push(arrived);
        encoded.push(ready);
        tokio::time::sleep(Duration::from_millis(230 + (turn as u64 * 37) % 190)).await;
    }
    drop(seated);
    let watcher = Watcher::start(service.data_dir().join("watcher")).await?;
    watcher.open(&format!("http://{}/rooms/main?token={}", service.address, service.token)).await?;
    tokio::time::sleep(REST).await;
    let (mut photon, mut composed): (Vec<_>, Vec<_>) =
        watcher.click_to_photon(PRESSES).await?.into_iter().unzip();
    watcher.stop().await?;
    service.stop().await?;
    let row = |name, samples: &mut Vec<f64>, fraction, limit| {
        let label = if fraction < 0.9 { "p50" } else { "p95" };
        Row::new(name, "ms", Goal::AtMost(limit), vec![(label, percentile(samples, fraction))])
    };
    let mut with_encoded = |mut row: Row, fraction| {
        row.values.push(("of which until encoded", percentile(&mut encoded, fraction)));
        row
    };
    let mut with_composed = |mut row: Row, fraction| {
        row.values.push(("of which until handed over", percentile(&mut composed, fraction)));
        row
    };
    Ok(vec![
        with_encoded(row("click: datagram sent to last packet of its frame", &mut server, 0.5, 10.0), 0.5),
        with_encoded(row("click: datagram sent to last packet of its frame", &mut server, 0.95, 20.0), 0.95),
        with_composed(row("click to photon in a browser", &mut photon, 0.5, 22.0), 0.5),
        with_composed(row("click to photon in a browser", &mut photon, 0.95, 35.0), 0.95),
    ])
}

fn interactive() -> ViewerOptions {
    ViewerOptions { data_channels: true, ..ViewerOptions::default() }
}

/// Milliseconds from the start of the server to the first frame that is not blank.
async fn first_picture(service: &Service, viewer: &Viewer) -> anyhow::Result<f64> {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    viewer
        .wait_for(Duration::from_secs(20), |counts| counts.frames > 0 && size(counts.bytes) > BLANK)
        .await
        .with_context(|| format!("no picture came: {}", service.log()))?;
    Ok(service.started.elapsed().as_secs_f64() * 1000.0)
}

/// CPU of the service in percent, frames a second and kb/s of this viewer.
async fn rates(service: &Service, viewer: &Viewer) -> anyhow::Result<(f64, f64, f64)> {
    let (cpu, counts, start) = (service.cpu()?, viewer.counts(), Instant::now());
    tokio::time::sleep(SPAN).await;
    let (percent, after) = (service.cpu()?.percent_since(cpu), viewer.counts());
    let seconds = start.elapsed().as_secs_f64();
    let fps = (after.frames - counts.frames) as f64 / seconds;
    Ok((percent, fps, (after.bytes - counts.bytes) as f64 * 8.0 / seconds / 1000.0))
}

async fn press(viewer: &Viewer, at: Point, stamp: u32) -> anyhow::Result<()> {
    viewer.input(stamp, 0, Input::Move(at)).await?;
    viewer.input(0, stamp, Input::Button { at, button: Button::Left, down: true }).await?;
    Ok(viewer.input(0, 0, Input::Button { at, button: Button::Left, down: false }).await?)
}

/// Presses once; milliseconds until the whole frame with its effect was
/// there, and until it was encoded, as the service says.
async fn press_to_frame(viewer: &Viewer, stamp: u32) -> anyhow::Result<(f64, f64)> {
    viewer.take_frames();
    let pressed = Instant::now();
    press(viewer, Point { x: 900, y: 600 }, stamp).await?;
    let echo = loop {
        let echo = viewer.echo(Duration::from_secs(5)).await?;
        if echo.stamp == stamp {
            break echo;
        }
    };
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let frames = viewer.frames();
        let shown = viewer.take_frames().into_iter().find(|frame| frame.timestamp == echo.rtp_timestamp);
        if let Some(frame) = shown {
            let arrived = frame.at.duration_since(pressed).as_secs_f64() * 1000.0;
            return Ok((arrived, f64::from(echo.server_us) / 1000.0));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        viewer.wait_for_frames(frames + 1, left).await?;
    }
}

/// Frames that the service has encoded, from its metrics.
async fn encoded_frames(service: &Service) -> anyhow::Result<f64> {
    let metrics = service.get("/metrics").await?;
    let line = metrics.lines().find(|line| line.starts_with("tandem_frames_encoded"));
    let value = line.and_then(|line| line.split_whitespace().nth(1)).context("no count of frames")?;
    Ok(value.parse()?)
}
