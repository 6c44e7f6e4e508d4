//! What it costs to write acts down: on the path of each of them.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;

use super::table::{Goal, Row, percentile};
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
    let actor = Actor { id: ActorId::new("bench")?, name: "bench".to_owned(), role: Role::Agent };
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
