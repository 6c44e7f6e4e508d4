//! Many rooms on one server: three awake and eight asleep, nobody watching.
//! What each takes, and how soon a sleeping one is there again.

use std::ffi::OsStr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::service::Service;
use super::table::{Goal, Row, percentile};
use super::{REST, SPAN};

/// Rooms that stay awake, the room `main` among them.
const AWAKE: usize = 3;
const ASLEEP: usize = 8;
/// What one room may take to come up on a machine that has other things to do.
const LONGEST_START: Duration = Duration::from_secs(60);
/// No event tells of another process' rooms here; they are asked this often.
const AGAIN: Duration = Duration::from_millis(10);
const MB: f64 = 1024.0 * 1024.0;

/// Measures rooms at rest and their waking.
pub(super) async fn rest_and_wake(page: &str) -> anyhow::Result<Vec<Row>> {
    let most = (AWAKE + ASLEEP).to_string();
    let service = Service::start_with(page, &[OsStr::new("--max-rooms"), OsStr::new(&most)]).await?;
    let mut ids = vec!["main".to_owned()];
    until(&service, "main", "live").await?;
    let mut made = Vec::new();
    for number in 1..AWAKE {
        made.push(make(&service, page, &mut ids, number).await?);
    }
    tokio::time::sleep(REST).await;
    let awake_alone = service.memory()?;
    for number in AWAKE..AWAKE + ASLEEP {
        made.push(make(&service, page, &mut ids, number).await?);
    }
    let (awake, asleep) = ids.split_at(AWAKE);
    for id in asleep {
        order(&service, id, "sleep").await?;
        until(&service, id, "sleeping").await?;
    }
    tokio::time::sleep(REST).await;
    let grown = (service.memory()? - awake_alone) / ASLEEP as f64;
    // What they use is told since it was asked the last time.
    taken(&service).await?;
    let before = service.cpu()?;
    tokio::time::sleep(SPAN).await;
    let server = service.cpu()?.percent_since(before);
    let rooms = taken(&service).await?;
    let of = |id: &String| rooms.iter().find(|room| room["id"] == id.as_str());
    let mean = |what: &str| {
        let found = awake.iter().filter_map(|id| of(id)?["takes"][what].as_f64());
        found.sum::<f64>() / AWAKE as f64
    };
    for id in asleep {
        ensure!(of(id).is_some_and(|room| room["takes"].is_null()), "{id} is asleep and has programs");
    }
    let (memory, cpu, processes) = (mean("memory_bytes") / MB, mean("cpu") * 100.0, mean("processes"));
    let mut waking = Vec::new();
    for id in asleep {
        let begun = Instant::now();
        order(&service, id, "wake").await?;
        until(&service, id, "live").await?;
        waking.push(begun.elapsed().as_secs_f64() * 1000.0);
        // As many are awake as before, so that each wakes beside the same.
        order(&service, id, "sleep").await?;
        until(&service, id, "sleeping").await?;
    }
    service.stop().await?;
    let (typical, worst) = (percentile(&mut waking, 0.5), percentile(&mut waking, 1.0));
    Ok(vec![
        Row::new(
            "a sleeping room is there again",
            "ms",
            Goal::AtMost(4000.0),
            vec![("worst", worst), ("p50", typical), ("a new one, p50", percentile(&mut made, 0.5))],
        ),
        Row::new(
            "a room asleep: what the server keeps for it",
            "MB",
            Goal::AtMost(4.0),
            vec![("each", grown), ("programs", 0.0)],
        ),
        Row::new(
            "a room awake, nobody there, a page at rest",
            "MB",
            Goal::AtMost(500.0),
            vec![("each", memory), ("% of a core", cpu), ("processes and threads", processes)],
        ),
        Row::new(
            "the server itself with three rooms awake and eight asleep",
            "%",
            Goal::AtMost(2.0),
            vec![("of a core", server)],
        ),
    ])
}

/// Makes a room; how long it took until it was there, in milliseconds.
async fn make(service: &Service, page: &str, ids: &mut Vec<String>, number: usize) -> anyhow::Result<f64> {
    let id = format!("room-{number}");
    let begun = Instant::now();
    let (status, body) =
        service.ask("POST", "/api/rooms", &json!({ "id": id, "start_url": page }).to_string()).await?;
    ensure!(status == 201, "no room {id}: {body}");
    until(service, &id, "live").await?;
    ids.push(id);
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}

async fn order(service: &Service, id: &str, what: &str) -> anyhow::Result<()> {
    let (status, body) = service.ask("POST", &format!("/api/rooms/{id}/{what}"), "").await?;
    ensure!(status == 200, "{id} does not {what}: {body}");
    Ok(())
}

async fn until(service: &Service, id: &str, phase: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + LONGEST_START;
    loop {
        let rooms: Vec<Value> = serde_json::from_str(&service.get("/api/rooms").await?)?;
        let room = rooms.iter().find(|room| room["id"] == id).with_context(|| format!("no room {id}"))?;
        if room["phase"]["state"] == phase {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{id} is not {phase}: {}\n{}", room["phase"], service.log());
        tokio::time::sleep(AGAIN).await;
    }
}

async fn taken(service: &Service) -> anyhow::Result<Vec<Value>> {
    let overview: Value = serde_json::from_str(&service.get("/api/admin").await?)?;
    Ok(overview["rooms"].as_array().cloned().unwrap_or_default())
}
