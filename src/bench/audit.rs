//! What it costs to write acts down: on the path of each of them, and to the
//! picture of a room in which many are written.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::tungstenite::Message;

use super::floor::{self, Socket};
use super::seat::Seated;
use super::service::Service;
use super::table::{Goal, Row, percentile};
use super::viewer::{Viewer, ViewerOptions};
use crate::base::{Actor, ActorId, Role, RoomId};
use crate::room::{Entry, RecordKind, Recorder, Retention};
use crate::store::Store;

const LINES: usize = 20_000;
/// Agents that act at the same time.
const AT_ONCE: usize = 16;
const ALONE: usize = 3000;

/// Lines a second by many writers, and how long one of them waits.
pub(super) async fn appends() -> anyhow::Result<Vec<Row>> {
    let dir = std::env::temp_dir().join(format!("tandem-bench-audit-{}", std::process::id()));
    let done = measure(&dir).await;
    std::fs::remove_dir_all(&dir)?;
    done
}

async fn measure(dir: &std::path::Path) -> anyhow::Result<Vec<Row>> {
    let store = Store::open(dir)?;
    let retention = Retention { age: Duration::from_secs(86_400), bytes: 100_000_000 };
    let recorder = Recorder::open(store, RoomId::main(), retention);
    let actor =
        Actor { id: ActorId::new("bench")?, name: "bench".to_owned(), role: Role::Agent, colour: None };
    let act = |number: usize| {
        let details = json!({ "target": format!("e{number}"), "element": "Sign in", "button": "left" });
        let entry = Entry::new(RecordKind::Act, "browser_click").by(&actor);
        entry.page("https://www.example.org/a/page?query").details(details)
    };
    let mut alone = Vec::with_capacity(ALONE);
    for number in 0..ALONE {
        let start = Instant::now();
        recorder.write(act(number)).await?;
        alone.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let start = Instant::now();
    let writes = (0..LINES).map(|number| {
        let recorder = &recorder;
        let entry = act(number);
        async move {
            let start = Instant::now();
            recorder.write(entry).await.map(|_| start.elapsed().as_secs_f64() * 1e3)
        }
    });
    let times: Vec<_> = futures_util::stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
    let rate = LINES as f64 / start.elapsed().as_secs_f64();
    let mut crowded = times.into_iter().collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let verified = recorder.record().verify().await?;
    anyhow::ensure!(
        verified.ok && verified.lines == (LINES + ALONE) as u64,
        "the chain is broken: {verified:?}"
    );
    let verify = verified.lines as f64 / start.elapsed().as_secs_f64();
    recorder.close().await;
    Ok(vec![
        Row::new(
            "lines written to the record",
            "lines/s",
            Goal::AtLeast(1000.0),
            vec![
                ("by 16 writers", rate),
                ("p50 ms of each", percentile(&mut crowded, 0.5)),
                ("p99 ms", percentile(&mut crowded, 0.99)),
                ("verified a second", verify),
            ],
        ),
        Row::new(
            "an act waits for its line",
            "ms",
            Goal::AtMost(1.0),
            vec![("p50", percentile(&mut alone, 0.5)), ("p99", percentile(&mut alone, 0.99))],
        ),
    ])
}

/// Lines a second while the picture is looked at, and pages that cause them.
const STREAM: usize = 1000;
const WRITERS: usize = 4;
/// Windows without and with them, in turns, so that what else the machine does meets both.
const WINDOWS: usize = 4;
const PRESSES: usize = 24;
const BETWEEN: Duration = Duration::from_millis(170);
/// Until the page scrolls and the stream has come to its rate.
const REST: Duration = Duration::from_secs(4);
/// Until the writers are at their rate, or what they left is written.
const CHANGE: Duration = Duration::from_millis(500);

/// What was seen of the picture.
#[derive(Default)]
struct Picture {
    frames: u64,
    seconds: f64,
    /// Milliseconds from an input to the last packet of the first frame after it.
    arrived: Vec<f64>,
    /// Until that frame was encoded.
    encoded: Vec<f64>,
    lines: u64,
}

/// A room whose page scrolls, with and without 1,000 lines a second in its record.
///
/// The lines are written as all are: a page's message goes to the room's
/// driver, which writes down what was asked of the floor.
pub(super) async fn beside_the_picture(page: &str) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(page).await?;
    let options = ViewerOptions { keep_frames: true, data_channels: true, ..ViewerOptions::default() };
    let seated = Seated::enter(&service, options).await?;
    super::first_picture(&service, &seated.viewer).await?;
    tokio::time::sleep(REST).await;
    let (mut without, mut with) = (Picture::default(), Picture::default());
    let mut stamp = 0;
    for _ in 0..WINDOWS {
        look(&service, &seated.viewer, &mut stamp, &mut without).await?;
        let mut writers = Vec::with_capacity(WRITERS);
        for _ in 0..WRITERS {
            writers.push(tokio::spawn(write(floor::open(&service, "/api/rooms/main/ws").await?)));
        }
        tokio::time::sleep(CHANGE).await;
        let looked = look(&service, &seated.viewer, &mut stamp, &mut with).await;
        for writer in writers {
            if writer.is_finished() {
                writer.await??;
            } else {
                writer.abort();
            }
        }
        looked?;
        tokio::time::sleep(CHANGE).await;
    }
    let verified: Value = serde_json::from_str(&service.get("/api/rooms/main/audit/verify").await?)?;
    ensure!(verified["ok"] == true, "the chain is broken: {verified}");
    drop(seated);
    service.stop().await?;
    let fps = |picture: &Picture| picture.frames as f64 / picture.seconds;
    let ratio = |with: f64, without: f64| with / without.max(f64::EPSILON);
    let lines = with.lines as f64 / with.seconds;
    ensure!(without.lines as f64 / without.seconds < 10.0, "lines were written also without writers");
    let mut rows = vec![
        Row::new(
            "lines a second beside the picture",
            "lines/s",
            Goal::AtLeast(0.95 * STREAM as f64),
            vec![("", lines)],
        ),
        Row::new(
            "pictures a second with 1,000 lines a second",
            "of those without",
            Goal::AtLeast(0.97),
            vec![
                ("", ratio(fps(&with), fps(&without))),
                ("fps with", fps(&with)),
                ("fps without", fps(&without)),
            ],
        ),
    ];
    for (label, fraction) in [("p50", 0.5), ("p95", 0.95)] {
        let of = |times: &mut Vec<f64>| percentile(times, fraction);
        let (loaded, idle) = (of(&mut with.arrived), of(&mut without.arrived));
        rows.push(Row::new(
            "input to last packet with 1,000 lines a second",
            "of that without",
            Goal::AtMost(1.15),
            vec![
                (label, ratio(loaded, idle)),
                ("ms with", loaded),
                ("ms without", idle),
                ("ms until encoded, with", of(&mut with.encoded)),
                ("without", of(&mut without.encoded)),
            ],
        ));
    }
    Ok(rows)
}

/// Looks at the picture for one window.
async fn look(
    service: &Service,
    viewer: &Viewer,
    stamp: &mut u32,
    picture: &mut Picture,
) -> anyhow::Result<()> {
    let (lines, frames, start) = (newest(service).await?, viewer.frames(), Instant::now());
    let mut clock = tokio::time::interval(BETWEEN);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..PRESSES {
        clock.tick().await;
        *stamp += 1;
        let (arrived, encoded) = super::press_to_frame(viewer, *stamp).await?;
        picture.arrived.push(arrived);
        picture.encoded.push(encoded);
    }
    picture.frames += viewer.frames() - frames;
    picture.seconds += start.elapsed().as_secs_f64();
    picture.lines += newest(service).await? - lines;
    Ok(())
}

/// The number of the newest line in the room's record.
async fn newest(service: &Service) -> anyhow::Result<u64> {
    let found: Value = serde_json::from_str(&service.get("/api/rooms/main/audit?limit=1").await?)?;
    found.pointer("/lines/0/line/seq").and_then(Value::as_u64).context("the record has no lines")
}

/// Causes its part of the lines, evenly, until it is ended.
async fn write(socket: Socket) -> anyhow::Result<()> {
    let (mut sink, mut stream) = socket.split();
    let ask = json!({ "type": "floor", "ask": { "kind": "withdraw" } }).to_string();
    let mut clock = tokio::time::interval(Duration::from_secs(1) * WRITERS as u32 / STREAM as u32);
    // What was late comes at once: the rate is what is promised.
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            _ = clock.tick() => sink.send(Message::text(ask.as_str())).await?,
            message = stream.next() => {
                let message = message.context("the room's socket was closed")??;
                let refused = matches!(&message, Message::Text(text) if text.contains("\"type\":\"error\""));
                ensure!(!refused, "the floor was refused: {message}");
            }
        }
    }
}
