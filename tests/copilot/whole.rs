//! What a session can be told to do besides answering, and the projects.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_forked_undone_summarised_and_take_models_commands_and_files() {
    let (house, _model, project) = house().await;
    let git = Command::new("git").args(["init", "-q"]).current_dir(project.path()).status();
    assert!(git.expect("git").success());
    // As root the agent runs as the rooms' user, to whom its project belongs.
    if rustix::process::geteuid().is_root() {
        let chown = Command::new("chown").args(["-R", "tandem"]).arg(project.path()).status();
        assert!(chown.expect("chown").success());
    }
    let mut reader = Reader::open(&house, None).await;
    let session = begin(&house).await;
    let of = |rest: &str| format!("/{session}{rest}");
    let (_, agent) = ask(&house, "GET", "/agent", Value::Null).await;
    assert_eq!(
        (&agent["state"], &agent["can"]["fork"], &agent["can"]["diff"]),
        (&json!("ready"), &json!(true), &json!(true))
    );

    // What there is to choose, and nothing that is a secret.
    let (_, choices) = ask(&house, "GET", "/choices", Value::Null).await;
    let model =
        choices["models"].as_array().expect("models").iter().find(|one| one["default"] == true).cloned();
    let model = model.expect("a default");
    assert_eq!(
        (&model["id"], &model["name"]),
        (&json!("scripted/scripted"), &json!("Scripted")),
        "{choices:#}"
    );
    let names = |list: &str| {
        choices[list].as_array().expect("a list").iter().map(|one| one["name"].clone()).collect::<Vec<_>>()
    };
    assert!(
        names("agents").contains(&json!("plan")) && names("commands").contains(&json!("hello")),
        "{choices:#}"
    );
    assert!(!names("agents").contains(&json!("title")), "{choices:#}");
    assert!(!choices.to_string().contains("apiKey"), "{choices:#}");

    // A model, an agent, a file by its path.
    for wrong in [
        json!({ "text": "say x", "model": "scripted/none" }),
        json!({ "text": "say x", "model": "scripted" }),
        json!({ "text": "say x", "agent": "nobody" }),
        json!({ "text": "say x", "files": [{ "name": "p", "mime": "text/plain", "path": "../../etc/passwd" }] }),
        json!({ "text": "say x", "files": [{ "name": "p", "mime": "text/plain", "path": "a", "data": "YQ==" }] }),
        json!({ "text": "say x", "files": [{ "name": "p", "mime": "text/plain" }] }),
        json!({ "text": "say x", "origin": "room" }),
    ] {
        let (status, told) = ask(&house, "POST", &of("/messages"), wrong.clone()).await;
        assert_eq!(status, 400, "{wrong} {told}");
        assert!(told["error"]["message"].as_str().is_some_and(|text| text.len() > 20), "{told}");
    }
    std::fs::write(project.path().join("notes.txt"), "a note").expect("written");
    let (_, found) = ask(&house, "GET", "/files?query=notes", Value::Null).await;
    assert_eq!(found["files"][0], "notes.txt", "the nearest first: {found}");
    let write = json!({ "filePath": project.path().join("made.txt"), "content": "one\ntwo\n" });
    let files = json!([{ "name": "notes.txt", "mime": "text/plain", "path": "notes.txt" }]);
    let said_so = json!({ "text": format!("call write {write}\nsay written"), "model": "scripted/scripted", "agent": "build", "files": files });
    let (status, told) = ask(&house, "POST", &of("/messages"), said_so).await;
    assert_eq!(status, 202, "{told}");
    reader.until_turned(&session).await;
    let (_, now) = ask(&house, "GET", &of(""), Value::Null).await;
    assert_eq!((&now["model"], &now["agent"]), (&json!("scripted/scripted"), &json!("build")), "{now:#}");
    assert_eq!(now["context"]["limit"], 100_000, "{now:#}");
    assert!(now["context"]["used"].as_u64().is_some_and(|used| used > 0), "{now:#}");
    let told = transcript(&house, &session).await;
    assert!(
        told[0]["parts"]
            .as_array()
            .expect("parts")
            .iter()
            .any(|part| part["kind"] == "file" && part["name"] == "notes.txt"),
        "{told:#}"
    );

    // What changed. OpenCode reckons it a moment after the turn.
    let deadline = std::time::Instant::now() + PATIENCE;
    let diff = loop {
        let (_, diff) = ask(&house, "GET", &of("/diff"), Value::Null).await;
        if diff["files"] != json!([]) || std::time::Instant::now() > deadline {
            break diff;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(
        (&diff["files"][0]["path"], &diff["files"][0]["added"]),
        (&json!("made.txt"), &json!(2)),
        "{diff:#}"
    );
    assert!(diff["files"][0]["patch"].as_str().is_some_and(|patch| patch.contains("+one")), "{diff:#}");

    // A fork has what was before its message, and is a session of its own.
    let first = told[0]["id"].clone();
    prompt(&house, &session, "say second").await;
    reader.until_turned(&session).await;
    let told = until_said(&house, &session, "second").await;
    let mut users = told.as_array().expect("messages").iter().filter(|one| one["role"] == "user");
    let second = users.next_back().expect("one")["id"].clone();
    let (status, forked) = ask(&house, "POST", &of("/fork"), json!({ "message": second })).await;
    assert_eq!(status, 201, "{forked}");
    let fork = forked["id"].as_str().expect("an id").to_owned();
    let copied = transcript(&house, &fork).await;
    assert!(fork != session && said(&copied) == "written", "{copied:#} of {told:#}");
    let (status, _) = ask(&house, "POST", &of("/fork"), Value::Null).await;
    assert_eq!(status, 201);

    // Undone with its files, and brought back.
    let (status, undone) = ask(&house, "POST", &of("/revert"), json!({ "message": first })).await;
    assert_eq!((status, &undone["reverted"]["message"]), (200, &first), "{undone}");
    assert!(!project.path().join("made.txt").exists());
    let (status, back) = ask(&house, "POST", &of("/unrevert"), Value::Null).await;
    assert_eq!((status, &back["reverted"]), (200, &Value::Null), "{back}");
    assert!(project.path().join("made.txt").exists());
    let (status, _) = ask(&house, "POST", &of("/revert"), json!({ "message": "msg_none" })).await;
    assert_eq!(status, 404);

    // A command, and a summary in place of what was said.
    let (status, _) = ask(&house, "POST", &of("/command"), json!({ "name": "none" })).await;
    assert_eq!(status, 404);
    let (status, told) =
        ask(&house, "POST", &of("/command"), json!({ "name": "hello", "arguments": "there" })).await;
    assert_eq!(status, 202, "{told}");
    reader.until_turned(&session).await;
    assert!(said(&transcript(&house, &session).await).ends_with("hello there"));
    let pixel =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let along = |mime: &str| json!({ "name": "hello", "arguments": "with it", "files": [{ "name": "dot.png", "mime": mime, "data": pixel }] });
    let (status, told) = ask(&house, "POST", &of("/command"), along("none")).await;
    assert_eq!(status, 400, "{told}");
    let (status, told) = ask(&house, "POST", &of("/command"), along("image/png")).await;
    assert_eq!(status, 202, "{told}");
    reader.until_turned(&session).await;
    let told = transcript(&house, &session).await;
    let asked = told.as_array().expect("messages").iter().rfind(|one| one["role"] == "user").expect("one");
    let file = |part: &&Value| part["kind"] == "file" && part["name"] == "dot.png";
    assert!(asked["parts"].as_array().expect("parts").iter().any(|part| file(&part)), "{asked:#}");
    let before = transcript(&house, &session).await.as_array().expect("messages").len();
    let (status, told) = ask(&house, "POST", &of("/summarise"), Value::Null).await;
    assert_eq!(status, 202, "{told}");
    reader.until_turned(&session).await;
    assert!(transcript(&house, &session).await.as_array().expect("messages").len() > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_below_the_allowed_roots_have_agents_of_their_own() {
    let model = Model::start();
    let (project, root) = (project(&model), tempfile::tempdir().expect("dir"));
    std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    let second = root.path().join("second");
    std::fs::create_dir(&second).expect("dir");
    std::fs::set_permissions(&second, std::fs::Permissions::from_mode(0o777)).expect("mode");
    std::fs::copy(project.path().join("opencode.json"), second.join("opencode.json")).expect("copied");
    std::os::unix::fs::symlink("/etc", root.path().join("out")).expect("link");
    let house = House::open_with(&[
        "--opencode-dir",
        &project.path().display().to_string(),
        "--opencode-roots",
        &root.path().display().to_string(),
    ])
    .await;
    let (_, list) = ask(&house, "GET", "/projects", Value::Null).await;
    assert_eq!(list["projects"][0]["dir"], json!(project.path()), "{list}");
    assert_eq!(
        (list["projects"].as_array().map(Vec::len), &list["roots"][0]),
        (Some(1), &json!(root.path()))
    );
    for wrong in ["/etc", "/no/such/place", "second", ""] {
        let (status, told) = ask(&house, "POST", "/projects", json!({ "dir": wrong })).await;
        assert_eq!(status, 400, "{wrong}: {told}");
    }
    // Neither by a link nor by the way up.
    for wrong in [root.path().join("out"), root.path().join("second/../../..")] {
        let (status, told) = ask(&house, "POST", "/projects", json!({ "dir": wrong })).await;
        assert_eq!(status, 400, "{wrong:?}: {told}");
    }
    let (status, added) = ask(&house, "POST", "/projects", json!({ "dir": second })).await;
    assert_eq!((status, &added["name"]), (201, &json!("second")), "{added}");
    let id = added["id"].as_str().expect("an id").to_owned();
    let (_, same) = ask(&house, "POST", "/projects", json!({ "dir": second })).await;
    assert_eq!(same["id"], json!(id));

    // Its sessions are its own.
    let own = begin(&house).await;
    let deadline = Instant::now() + PATIENCE;
    let other = loop {
        let (status, session) =
            ask(&house, "POST", &format!("?project={id}"), json!({ "title": "There" })).await;
        if status == 201 {
            break session["id"].as_str().expect("an id").to_owned();
        }
        assert!(status == 503 && Instant::now() < deadline, "{status} {session}");
    };
    let mut page = house.person_socket().await;
    page.send(json!({ "type": "sessions", "on": true, "project": id })).await;
    let say = format!("call write {}", json!({ "filePath": second.join("made.txt"), "content": "x" }));
    let (status, told) =
        ask(&house, "POST", &format!("/{other}/messages?project={id}"), json!({ "text": say })).await;
    assert_eq!(status, 202, "{told}");
    let done =
        |message: &Value| message["update"]["part"]["state"] == "done" && message["project"] == json!(id);
    page.until_within(PATIENCE, done).await;
    assert!(second.join("made.txt").exists());
    let (_, list) = ask(&house, "GET", &format!("?project={id}"), Value::Null).await;
    let ids: Vec<_> = list.as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
    assert!(ids.contains(&json!(other)) && !ids.contains(&json!(own)), "{list:#}");
    let (status, _) = ask(&house, "GET", "?project=nowhere", Value::Null).await;
    assert_eq!(status, 404);

    let (status, _) = ask(&house, "DELETE", &format!("/projects/{id}"), Value::Null).await;
    assert_eq!(status, 204);
    let (status, _) = ask(&house, "GET", &format!("?project={id}"), Value::Null).await;
    assert_eq!(status, 404);
    let (status, _) = ask(&house, "DELETE", "/projects/main", Value::Null).await;
    assert_eq!(status, 400);
    assert!(second.join("made.txt").exists());
}
