//! Rooms of their own kind: asleep and awake again, with limits, a language,
//! a profile of one visit.

#[allow(dead_code, reason = "these tests need little of it")]
mod house;

use std::time::Instant;

use house::{ADMIN, House};
use serde_json::{Value, json};

impl House {
    async fn json_of(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (status, _, answer) = self.ask_json(method, path, ADMIN, &body).await;
        (status, serde_json::from_slice(&answer).unwrap_or_default())
    }

    async fn tool_in(&self, room: &str, tool: &str, arguments: Value) -> Value {
        let (status, answer) =
            self.json_of("POST", &format!("/api/rooms/{room}/tools/{tool}"), arguments).await;
        assert_eq!(status, 200, "{answer}");
        answer["structuredContent"].clone()
    }
}

/// The commands of all processes whose environment has this text.
fn processes_with(mark: &str) -> Vec<(u32, String)> {
    let all = std::fs::read_dir("/proc").expect("proc").flatten();
    let read = |pid: u32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| String::from_utf8_lossy(&read(*pid, "environ")).contains(mark))
        .map(|pid| (pid, String::from_utf8_lossy(&read(pid, "cmdline")).replace('\0', " ")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_nobody_needs_sleeps_and_wakes_with_its_tabs_at_a_knock() {
    let house = House::open_with(&["--room-sleep-s", "1"]).await;
    let mut mcp = house.mcp(ADMIN).await;
    let page = house.at("/other");
    let call = json!({ "name": "browser_navigate", "arguments": { "url": page } });
    mcp.ask("tools/call", call).await;
    mcp.end().await;
    house.until(|view| view["phase"]["state"] == "sleeping").await;
    let mark = format!("TANDEM_RUN={}", house.data_dir().join("run").display());
    assert_eq!(processes_with(&mark), [], "nothing of it runs");
    // To look at the room is not to need it.
    let (_, view) = house.json_of("GET", "/api/rooms/main", Value::Null).await;
    assert_eq!((&view["phase"]["state"], &view["page"]["url"]), (&json!("sleeping"), &json!(page)));
    assert_eq!(house.json_of("GET", "/api/ready", Value::Null).await.0, 200, "asleep is well");

    let began = Instant::now();
    let mut mcp = house.mcp(ADMIN).await;
    let listed =
        mcp.ask("tools/call", json!({ "name": "browser_tabs", "arguments": { "action": "list" } })).await;
    println!("awake after {} ms", began.elapsed().as_millis());
    let tabs = &listed["result"]["structuredContent"]["tabs"];
    assert_eq!((tabs.as_array().map(Vec::len), &tabs[0]["url"]), (Some(1), &json!(page)), "{listed}");
    mcp.end().await;
    house.until(|view| view["phase"]["state"] == "sleeping").await;

    // A client over CDP knocks with its first question.
    let (status, version) = house.json_of("GET", "/cdp/main/json/version", Value::Null).await;
    assert_eq!(status, 200, "{version}");
    house.until(|view| view["phase"]["state"] == "sleeping").await;
    // So does a person who points at something in its last picture.
    let place = json!({ "x": 640, "y": 400 });
    let (status, picked) = house.json_of("POST", "/api/rooms/main/pick", place).await;
    assert_eq!((status, &picked["url"]), (200, &json!(page)), "{picked}");
    house.until(|view| view["phase"]["state"] == "sleeping").await;
    let lines = house.json_of("GET", "/api/rooms/main/audit?kind=room&limit=20", Value::Null).await.1;
    let said = lines.to_string();
    assert!(said.contains("\"slept\"") && said.contains("\"woke\""), "{said}");

    // Over a restart of the server too.
    let house = house.restarted(&["--room-sleep-s", "0"]).await;
    let tabs = house.tool_in("main", "browser_tabs", json!({ "action": "list" })).await;
    assert_eq!(tabs["tabs"][0]["url"].as_str(), Some(page.as_str()), "{tabs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_has_its_language_its_time_zone_and_a_profile_of_one_visit() {
    let house = House::open_with(&["--room-sleep-s", "0"]).await;
    let options = json!({ "profile": "discard", "locale": "de-DE", "time_zone": "Asia/Tokyo", "sleep_s": 1 });
    let (status, made) =
        house.json_of("POST", "/api/rooms", json!({ "id": "tokyo", "options": options })).await;
    assert_eq!(status, 201, "{made}");
    let token = house.token_for_room("agent", "tokyo");
    let page = house.at("/other");
    let visit = async |function: &str| {
        let mut mcp = house.mcp(&token).await;
        let go = json!({ "name": "browser_navigate", "arguments": { "url": page } });
        mcp.ask("tools/call", go).await;
        let look = json!({ "name": "browser_evaluate", "arguments": { "function": function } });
        let answer = mcp.ask("tools/call", look).await;
        mcp.end().await;
        answer["result"]["structuredContent"]["result"].clone()
    };
    let seen = visit(
        "() => { localStorage.was = 'here'; \
         return [navigator.language, Intl.DateTimeFormat().resolvedOptions().timeZone, localStorage.was]; }",
    )
    .await;
    assert_eq!(seen, json!(["de-DE", "Asia/Tokyo", "here"]));
    house.until_room("tokyo", |view| view["phase"]["state"] == "sleeping").await;
    let seen = visit("() => [localStorage.was ?? 'nothing', navigator.language]").await;
    assert_eq!(seen, json!(["nothing", "de-DE"]), "what it kept went with the visit");

    for (options, word) in [
        (json!({ "locale": "klingon!" }), "pt-BR"),
        (json!({ "time_zone": "Mars/Base" }), "Europe/Berlin"),
        (json!({ "proxy": "http://me@proxy:1" }), "socks5://"),
        (json!({ "limits": { "memory_mb": 1 } }), "256"),
        (json!({ "sleep": 1 }), "sleep_s"),
    ] {
        let (status, answer) =
            house.json_of("POST", "/api/rooms", json!({ "id": "bad", "options": options })).await;
        assert!(status == 400 && answer.to_string().contains(word), "{status} {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_of_a_room_with_limits_are_in_a_group_that_keeps_them() {
    let house = House::open().await;
    let limits = json!({ "memory_mb": 1500, "cpu_weight": 50, "processes": 1000 });
    let room = json!({ "id": "small", "options": { "limits": limits } });
    let (status, made) = house.json_of("POST", "/api/rooms", room).await;
    if status == 400 {
        // A machine where this server gets no control groups says so, and makes no room without them.
        assert!(made.to_string().contains("limits cannot be kept here"), "{made}");
        return;
    }
    assert_eq!(status, 201, "{made}");
    house.tool_in("small", "browser_tabs", json!({ "action": "list" })).await;
    let profile = house.data_dir().join("rooms/small/profile").display().to_string();
    let mark = format!("TANDEM_RUN={}", house.data_dir().join("run").display());
    let browser: Vec<u32> = processes_with(&mark)
        .into_iter()
        .filter(|(_, command)| command.contains(&profile))
        .map(|(pid, _)| pid)
        .collect();
    assert!(!browser.is_empty(), "its browser runs");
    for pid in browser {
        // One that ended meanwhile has no group.
        let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        assert!(groups.is_empty() || groups.contains("-small"), "{pid}: {groups}");
    }
    let metrics = house.ask("GET", "/metrics", ADMIN, b"").await.2;
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    let memory =
        metrics.lines().find_map(|line| line.strip_prefix("tandem_room_memory_bytes{room=\"small\"} "));
    let memory: u64 = memory.and_then(|bytes| bytes.parse().ok()).unwrap_or_else(|| panic!("{metrics}"));
    assert!((50 << 20..1500 << 20).contains(&memory), "{memory}");
    assert_eq!(house.json_of("DELETE", "/api/rooms/small", Value::Null).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_what_a_room_takes_and_puts_it_to_sleep_wakes_stops_and_starts_it() {
    let house = House::open().await;
    house.until(|view| view["phase"]["state"] == "live").await;
    let main = async || house.json_of("GET", "/api/admin", Value::Null).await.1["rooms"][0].clone();
    let mut takes = main().await["takes"].clone();
    // A browser that has just come up is still growing.
    for _ in 0..200 {
        if takes["memory_bytes"].as_u64() > Some(100 << 20) {
            break;
        }
        takes = main().await["takes"].clone();
    }
    println!("awake, by the admin's page: {takes}");
    assert!(takes["memory_bytes"].as_u64() > Some(100 << 20), "{takes}");
    assert!(takes["processes"].as_u64() > Some(20), "{takes}");

    let mut mcp = house.mcp(ADMIN).await;
    mcp.ask("tools/call", json!({ "name": "browser_snapshot", "arguments": {} })).await;
    let people = main().await["people"].clone();
    assert_eq!(
        (people[0]["kind"].as_str(), people[0]["seats"].as_u64()),
        (Some("agent"), Some(1)),
        "{people}"
    );
    assert!(people[0]["since"].as_u64() > Some(1_600_000_000_000), "{people}");
    let (status, refused) = house.json_of("POST", "/api/rooms/main/sleep", Value::Null).await;
    let why = refused["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 409 && why.contains("0 people and 1 agent"), "{refused}");
    let (status, view) = house.json_of("POST", "/api/rooms/main/sleep", json!({ "anyway": true })).await;
    assert_eq!((status, &view["phase"]["state"]), (200, &json!("sleeping")), "{view}");
    assert_eq!(main().await["takes"], Value::Null);

    // An agent that stayed has the room woken by its next act.
    let told = mcp.ask("tools/call", json!({ "name": "browser_snapshot", "arguments": {} })).await;
    assert!(!told["result"]["isError"].as_bool().unwrap_or_default(), "{told}");
    let (status, _) = house.json_of("POST", "/api/rooms/main/stop", Value::Null).await;
    assert_eq!(status, 200);
    let told = mcp.ask("tools/call", json!({ "name": "browser_snapshot", "arguments": {} })).await;
    assert!(told.to_string().contains("stopped by who administers"), "{told}");
    let (status, _) = house.json_of("POST", "/api/rooms/main/start", Value::Null).await;
    assert_eq!(status, 200);
    house.until(|view| view["phase"]["state"] == "live").await;

    // Put out, it is gone at once and is told so.
    let actor = main().await["people"][0]["id"].clone();
    let (status, done) =
        house.json_of("POST", "/api/rooms/main/put-out", json!({ "actor": actor, "revoke": true })).await;
    assert_eq!((status, &done["revoked"]), (200, &json!(0)), "the admin's own token is not ended");
    assert_eq!(main().await["people"], json!([]));
    let told = mcp.ask("tools/call", json!({ "name": "browser_snapshot", "arguments": {} })).await;
    assert!(told.to_string().contains("put you out"), "{told}");
    let lines =
        house.json_of("GET", "/api/rooms/main/audit?kind=room&limit=20", Value::Null).await.1.to_string();
    for said in ["put to sleep", "stopped by hand", "started by hand", "put out"] {
        assert!(lines.contains(said), "{said} is not in {lines}");
    }
}
