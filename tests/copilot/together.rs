//! The agent and the room: what pages are told of it, what it is told of
//! people, and where its calls stand in the room's record.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_the_sessions_and_the_agent_learns_what_a_person_did_and_where_its_calls_are_recorded() {
    let (house, _model, project) = house().await;
    let mut reader = Reader::open(&house, None).await;
    let mut page = house.person_socket().await;
    page.send(json!({ "type": "sessions", "on": true })).await;
    let hello = page.until_within(PATIENCE, |message| message["type"] == "session_update").await;
    assert_eq!((&hello["update"]["type"], &hello["project"]), (&json!("hello"), &json!("main")));
    // Who may not act, and what is not there.
    let mut viewer = house.person_socket_of(&house.token("viewer", None)).await;
    viewer.send(json!({ "type": "sessions", "on": true })).await;
    let refused = viewer.until(|message| message["type"] == "error").await;
    assert_eq!(refused["code"], "forbidden");
    page.send(json!({ "type": "sessions", "on": true, "project": "nowhere" })).await;
    let refused = page.until(|message| message["type"] == "error").await;
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("no such project")), "{refused}");

    // Token by token.
    let session = begin(&house).await;
    prompt(&house, &session, "say one two three").await;
    let mut said = String::new();
    let mut last = String::new();
    while said != "one two three" {
        let piece = page.until_within(PATIENCE, |message| message["update"]["type"] == "piece").await;
        said.push_str(piece["update"]["text"].as_str().expect("text"));
        last = piece["id"].as_str().expect("an id").to_owned();
    }
    reader.until_turned(&session).await;
    // A page that comes back misses nothing; one with an id of old reads anew.
    let mut again = house.person_socket().await;
    again.send(json!({ "type": "sessions", "on": true, "after": last })).await;
    let next = again.until_within(PATIENCE, |message| message["type"] == "session_update").await;
    assert!(next["update"]["type"] != "snapshot" && next["update"]["type"] != "hello", "{next}");
    again.send(json!({ "type": "sessions", "on": true, "after": "of-old.3" })).await;
    again.until_within(PATIENCE, |message| message["update"]["type"] == "snapshot").await;
    again.send(json!({ "type": "sessions", "on": false })).await;

    // An act and a look, each with its line in the record.
    for (tool, input) in
        [("browser_navigate", json!({ "url": house.at("/other") })), ("browser_snapshot", json!({}))]
    {
        prompt(&house, &session, &format!("call tandem_{tool} {input}")).await;
        let recorded = |update: &Value| {
            update["part"]["name"] == format!("tandem_{tool}") && update["part"]["record"].is_u64()
        };
        let seen = reader.until("recorded", recorded).await;
        let part = seen.last().expect("one")["part"].clone();
        let (seq, call) = (part["record"].as_u64().expect("a number"), part["call"].clone());
        let path = format!("/api/rooms/main/audit?after={}&oldest_first=true&limit=1", seq - 1);
        let (_, _, body) = house.ask("GET", &path, ADMIN, b"").await;
        let found: Value = serde_json::from_slice(&body).expect("json");
        let line = &found["lines"][0]["line"];
        assert_eq!((&line["seq"], &line["what"]), (&json!(seq), &json!(tool)), "{found:#}");
        assert_eq!(
            (&line["details"]["session"], &line["details"]["call"]),
            (&json!(session), &call),
            "{line:#}"
        );
        reader.until_idle(&session).await;
        let told = transcript(&house, &session).await;
        assert!(told.to_string().contains(&format!("\"record\":{seq}")), "{told:#}");
    }

    // A hand-back is told quietly: nothing is answered.
    let mut person = house.person_socket_of(&house.token_of("controller", "Ada")).await;
    person.send(json!({ "type": "floor", "ask": { "kind": "takeover" } })).await;
    person.until(|message| !message["room"]["floor"]["takeover"].is_null()).await;
    let back = json!({ "kind": "hand-back", "note": "logged in" });
    person.send(json!({ "type": "floor", "ask": back })).await;
    let seen = reader.until("told", |update| update["part"]["origin"] == "room").await;
    let text = seen.last().expect("one")["part"]["text"].as_str().expect("text").to_owned();
    assert!(text.starts_with("Ada had the browser for") && text.contains("\"logged in\""), "{text}");
    assert!(text.contains(&house.at("/other")), "{text}");
    let told = transcript(&house, &session).await;
    let last = told.as_array().and_then(|all| all.last()).expect("one");
    assert_eq!((&last["role"], &last["parts"][0]["origin"]), (&json!("user"), &json!("room")), "{told:#}");
    let (_, now) = ask(&house, "GET", &format!("/{session}"), Value::Null).await;
    assert_eq!(now["state"], "idle");
    prompt(&house, &session, "say ready").await;
    reader.until_turned(&session).await;
    let told = transcript(&house, &session).await;
    assert!(super::said(&told).ends_with("ready"), "{told:#}");

    // After a restart of the server, its calls still stand where they stood.
    let lines = |told: &Value| {
        let parts =
            told.as_array().expect("messages").iter().flat_map(|one| one["parts"].as_array().expect("parts"));
        parts
            .filter_map(|part| part["record"].as_u64().map(|line| (part["call"].clone(), line)))
            .collect::<Vec<_>>()
    };
    let before = lines(&told);
    assert_eq!(before.len(), 2, "{told:#}");
    drop((page, viewer, again, person, reader));
    let house = house.restarted(&["--opencode-dir", &project.path().display().to_string()]).await;
    let told = until_there(&house, &session).await;
    assert_eq!(lines(&told), before, "{told:#}");
}
