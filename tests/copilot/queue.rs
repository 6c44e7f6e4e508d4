//! Permissions of an agent that people talk to, in the one queue of the
//! room's approvals: asked with their real arguments, answered by whoever is
//! first, by a rule, or by nobody.

use super::*;

async fn http(house: &House, method: &str, path: &str, token: &str, body: Value) -> (u16, Value) {
    let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
    let (status, _, answer) = house.ask_json(method, path, token, &bytes).await;
    (status, serde_json::from_slice(&answer).unwrap_or_default())
}

/// The next approval that a page is shown, other than those of before.
async fn shown(page: &mut house::Person, before: &[String]) -> Value {
    let open = |message: &Value| {
        let all = message.pointer("/room/approvals").and_then(Value::as_array).cloned().unwrap_or_default();
        let new = |one: &&Value| one["id"].as_str().is_some_and(|id| !before.iter().any(|old| old == id));
        all.iter().find(new).cloned()
    };
    let message = page.until_within(PATIENCE, |message| open(message).is_some()).await;
    open(&message).expect("an approval")
}

fn id(approval: &Value) -> String {
    approval["id"].as_str().expect("an id").to_owned()
}

fn bash(command: &str) -> String {
    format!("call bash {}", json!({ "command": command, "description": "A command" }))
}

async fn answer(house: &House, approval: &Value, answer: Value) -> (u16, Value) {
    http(house, "POST", &format!("/api/approvals/{}", id(approval)), ADMIN, answer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_stand_in_the_rooms_queue_with_their_arguments_and_the_first_answer_counts() {
    let (house, _model, project) = house().await;
    let mut reader = Reader::open(&house, None).await;
    let mut page = house.person_socket().await;
    let session = begin(&house).await;

    // Two devices at once.
    prompt(&house, &session, &format!("{}\nsay good", bash("touch made.txt"))).await;
    let asked = shown(&mut page, &[]).await;
    assert_eq!(asked["arguments"]["command"], "touch made.txt", "{asked:#}");
    assert_eq!((&asked["arguments"]["description"], &asked["tool"]), (&json!("A command"), &json!("bash")));
    let place = &asked["session"];
    assert_eq!(
        (&place["session"], &place["root"], &place["project"]),
        (&json!(session), &json!(session), &json!("main"))
    );
    assert!(
        asked["always"].as_str().is_some_and(|text| text.contains("until the agent restarts")),
        "{asked:#}"
    );
    let (_, list) = http(&house, "GET", "/api/approvals", ADMIN, Value::Null).await;
    assert_eq!((&list[0]["id"], &list[0]["room"]), (&asked["id"], &json!("main")));
    let bea = house.token_of("controller", "Bea");
    let (path, once) = (format!("/api/approvals/{}", id(&asked)), json!({ "answer": "once" }));
    let (own, other) = tokio::join!(
        http(&house, "POST", &path, ADMIN, once.clone()),
        http(&house, "POST", &path, &bea, once.clone())
    );
    let (lost, first) = if own.0 == 204 { (&other, "dmin") } else { (&own, "Bea") };
    assert_eq!((own.0.min(other.0), own.0.max(other.0)), (204, 409), "{own:?} {other:?}");
    assert!(lost.1.to_string().contains(&format!("{first} has answered already")), "{lost:?}");
    reader.until_turned(&session).await;
    assert!(project.path().join("made.txt").exists());
    let mut seen = vec![id(&asked)];

    // With a word the agent goes on.
    prompt(&house, &session, &bash("rm made.txt")).await;
    let asked = shown(&mut page, &seen).await;
    seen.push(id(&asked));
    let (status, _) = answer(&house, &asked, json!({ "answer": "deny", "message": "Keep it" })).await;
    assert_eq!(status, 204);
    reader.until_turned(&session).await;
    assert!(project.path().join("made.txt").exists());
    assert!(said(&transcript(&house, &session).await).contains("Keep it"));

    // Always is for this process, and nobody is asked again.
    prompt(&house, &session, &bash("touch one.txt")).await;
    let asked = shown(&mut page, &seen).await;
    seen.push(id(&asked));
    let (status, refused) = answer(&house, &asked, json!({ "answer": "always-for-origin" })).await;
    assert_eq!(status, 400, "no origin: {refused}");
    assert_eq!(answer(&house, &asked, json!({ "answer": "always" })).await.0, 204);
    reader.until_turned(&session).await;
    prompt(&house, &session, &bash("touch two.txt")).await;
    let told = reader.until_turned(&session).await;
    assert!(told.iter().all(|update| update["type"] != "permission"), "{told:#?}");
    assert!(project.path().join("two.txt").exists());

    // A stop withdraws the question, and a late answer is told so.
    prompt(&house, &session, &bash("rm one.txt")).await;
    let asked = shown(&mut page, &seen).await;
    seen.push(id(&asked));
    let (status, _) = ask(&house, "POST", &format!("/{session}/abort"), Value::Null).await;
    assert_eq!(status, 204);
    let none = |message: &Value| message.pointer("/room/approvals").is_some_and(|open| open == &json!([]));
    page.until_within(PATIENCE, none).await;
    let (status, late) = answer(&house, &asked, once.clone()).await;
    assert_eq!(status, 409, "{late}");
    reader.until_turned(&session).await;

    // A subagent asks in its own session, below the one that people opened.
    let task = json!({ "description": "Remove", "prompt": bash("rm one.txt"), "subagent_type": "general" });
    prompt(&house, &session, &format!("call task {task}")).await;
    let asked = shown(&mut page, &seen).await;
    seen.push(id(&asked));
    let place = &asked["session"];
    assert_eq!((&place["root"], &asked["arguments"]["command"]), (&json!(session), &json!("rm one.txt")));
    assert_ne!(place["session"], json!(session));
    assert_eq!(answer(&house, &asked, once).await.0, 204);
    reader.until_turned(&session).await;
    assert!(!project.path().join("one.txt").exists());
    let (_, children) = ask(&house, "GET", &format!("/{session}/children"), Value::Null).await;
    assert_eq!(children["sessions"][0]["id"], place["session"], "{children}");
    let told = transcript(&house, &session).await;
    let mut parts =
        told.as_array().expect("messages").iter().flat_map(|one| one["parts"].as_array().expect("parts"));
    let task = parts.rfind(|part| part["name"] == "task").expect("the call");
    assert_eq!(task["child"], place["session"], "the call names the session that does its work: {task:#}");

    // Rules answer before people are asked.
    let rules = json!({ "rules": [
        { "name": "copies", "effect": "allow", "what": "bash", "matching": { "arguments": { "command": "cp *" } } },
        { "name": "no-moves", "effect": "deny", "what": "bash", "matching": { "arguments": { "command": "mv *" } } },
    ] });
    let (status, told) = http(&house, "PUT", "/api/rooms/main/rules", ADMIN, rules).await;
    assert_eq!(status, 200, "{told}");
    prompt(&house, &session, &format!("{}\n{}", bash("cp made.txt copy.txt"), bash("mv made.txt away.txt")))
        .await;
    reader.until_turned(&session).await;
    assert!(project.path().join("copy.txt").exists() && project.path().join("made.txt").exists());
    assert!(said(&transcript(&house, &session).await).contains("no-moves"));

    // All of it is in the record.
    let (_, lines) = http(&house, "GET", "/api/rooms/main/audit?limit=500", ADMIN, Value::Null).await;
    let lines = lines["lines"].as_array().expect("lines").clone();
    let of = |kind: &str| {
        lines.iter().map(|one| one["line"].clone()).filter(|line| line["kind"] == kind).collect::<Vec<_>>()
    };
    let begun = of("approval");
    let begun = begun
        .iter()
        .filter(|line| line["details"]["session"].as_str().is_some_and(|id| id.starts_with("ses_")));
    let begun = begun.count();
    assert_eq!(begun, seen.len());
    assert_eq!(of("decision").iter().filter(|line| line["what"] == "bash").count(), 2);
}
