//! Other ways to an agent: over the Agent Client Protocol, and by the address
//! of an OpenCode that runs already.

use super::*;

pub(super) fn opencode() -> std::path::PathBuf {
    Path::new(CHECKOUT).join("client/node_modules/.bin/opencode")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_over_the_agent_client_protocol_has_the_same_sessions_and_stands_in_the_same_queue() {
    let model = Model::start();
    let project = project(&model);
    let command = format!("{} acp", opencode().display());
    let dir = project.path().display().to_string();
    let house = House::open_with(&["--opencode-dir", &dir, "--acp-command", &command]).await;
    let mut reader = Reader::open(&house, None).await;
    let mut page = house.person_socket().await;
    let session = begin(&house).await;
    let (_, agent) = ask(&house, "GET", "/agent", Value::Null).await;
    assert_eq!((&agent["state"], &agent["can"]["fork"]), (&json!("ready"), &json!(false)), "{agent}");
    assert!(agent["version"].as_str().is_some_and(|version| version.starts_with("OpenCode")), "{agent}");
    assert_eq!(agent["notice"], Value::Null, "{agent}");
    let (status, refused) = ask(&house, "POST", &format!("/{session}/fork"), Value::Null).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("unsupported")), "{refused}");

    // A tool of ours changes the room's browser.
    let go = format!("call tandem_browser_navigate {}\nsay there", json!({ "url": house.at("/other") }));
    prompt(&house, &session, &go).await;
    reader.until_turned(&session).await;
    assert_eq!(said(&transcript(&house, &session).await), "there");
    let mut own = house.agent(ADMIN);
    assert_eq!(own.run("() => document.title").await, "Other");

    // Prompt, tool, permission, answer.
    let bash =
        |command: &str| format!("call bash {}", json!({ "command": command, "description": "A command" }));
    prompt(&house, &session, &format!("{}\nsay good", bash("touch made.txt"))).await;
    let (status, busy) = ask(&house, "POST", &format!("/{session}/messages"), json!({ "text": "x" })).await;
    assert_eq!(status, 400, "one turn at a time: {busy}");
    let open = |message: &Value| {
        message.pointer("/room/approvals/0/session").is_some_and(|session| !session.is_null())
    };
    let shown = page.until_within(PATIENCE, open).await;
    let asked = shown["room"]["approvals"][0].clone();
    assert_eq!(
        (&asked["arguments"]["command"], &asked["session"]["session"]),
        (&json!("touch made.txt"), &json!(session))
    );
    let path = format!("/api/approvals/{}", asked["id"].as_str().expect("an id"));
    let (status, ..) = house.ask_json("POST", &path, ADMIN, br#"{"answer":"once"}"#).await;
    assert_eq!(status, 204);
    reader.until_turned(&session).await;
    assert!(project.path().join("made.txt").exists());
    assert!(said(&transcript(&house, &session).await).ends_with("good"));

    // A stop withdraws the question.
    prompt(&house, &session, &bash("rm made.txt")).await;
    reader.until("asked", |update| update["type"] == "permission").await;
    let (status, _) = ask(&house, "POST", &format!("/{session}/abort"), Value::Null).await;
    assert_eq!(status, 204);
    reader.until("withdrawn", |one| one["type"] == "permission_gone" && one["why"] == "ended").await;
    reader.until_idle(&session).await;
    let (_, pending) = ask(&house, "GET", "/pending", Value::Null).await;
    assert_eq!(pending["permissions"], json!([]));
    assert!(project.path().join("made.txt").exists());

    // What there is to choose, and a file by its place.
    let (_, choices) = ask(&house, "GET", "/choices", Value::Null).await;
    let model =
        choices["models"].as_array().expect("models").iter().find(|one| one["default"] == true).cloned();
    assert_eq!(model.expect("a default")["id"], "scripted/scripted", "{choices:#}");
    let (_, agent) = ask(&house, "GET", "/agent", Value::Null).await;
    assert_eq!(agent["can"]["models"], true, "{agent}");
    std::fs::write(project.path().join("notes.txt"), "a note").expect("written");
    std::os::unix::fs::symlink("/etc/passwd", project.path().join("out.txt")).expect("link");
    let file = |path: &str| json!([{ "name": "notes.txt", "mime": "text/plain", "path": path }]);
    let messages = format!("/{session}/messages");
    for wrong in [
        json!({ "text": "say x", "model": "scripted/none" }),
        json!({ "text": "say x", "agent": "nobody" }),
        json!({ "text": "say x", "files": file("out.txt") }),
    ] {
        let (status, told) = ask(&house, "POST", &messages, wrong.clone()).await;
        assert_eq!(status, 400, "{wrong} {told}");
    }
    let said_so = json!({ "text": "say planned", "agent": "plan", "model": "scripted/scripted", "files": file("notes.txt") });
    let (status, told) = ask(&house, "POST", &messages, said_so).await;
    assert_eq!(status, 202, "{told}");
    reader.until_turned(&session).await;
    let (_, now) = ask(&house, "GET", &format!("/{session}"), Value::Null).await;
    assert_eq!((&now["agent"], &now["model"]), (&json!("plan"), &json!("scripted/scripted")), "{now}");
    assert!(said(&transcript(&house, &session).await).ends_with("planned"));

    // Killed, it takes the session up again, and nothing is said twice.
    let before = transcript(&house, &session).await;
    assert!(
        before.as_array().expect("messages").is_sorted_by_key(|one| one["id"].as_str().map(str::to_owned))
    );
    kill_process(Pid::from_raw(own_acp(&house)).expect("a pid"), Signal::KILL).expect("killed");
    reader.until("ended", |update| update["agent"]["state"] == "failed").await;
    prompt(&house, &session, "say again").await;
    reader.until_turned(&session).await;
    let after = transcript(&house, &session).await;
    let count = before.as_array().expect("messages").len();
    let (kept, new) = after.as_array().expect("messages").split_at(count);
    assert_eq!(kept, before.as_array().expect("messages").as_slice());
    assert_eq!((new.len(), said(&json!(new)).as_str()), (2, "again"), "{after:#}");

    // A server that is started anew knows it by the agent, with all that was said.
    drop((reader, page));
    let house = house.restarted(&["--opencode-dir", &dir, "--acp-command", &command]).await;
    let told = until_there(&house, &session).await;
    let words = |told: &Value| {
        let parts = told.as_array().expect("messages").iter().flat_map(|one| {
            let role = one["role"].clone();
            one["parts"].as_array().expect("parts").iter().map(move |part| (role.clone(), part.clone()))
        });
        let texts = parts.filter(|(_, part)| part["kind"] == "text");
        texts.map(|(role, part)| (role, part["text"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(words(&told), words(&after), "{told:#}");
    let (_, list) = ask(&house, "GET", "", Value::Null).await;
    assert!(list.as_array().expect("a list").iter().any(|one| one["id"] == json!(session)), "{list:#}");
    let lines = |told: &Value| {
        told.to_string().matches("\"record\":").count() - told.to_string().matches("\"record\":null").count()
    };
    assert_eq!((lines(&told), lines(&after)), (1, 1), "the call's line is known by the record");
    let mut reader = Reader::open(&house, None).await;
    prompt(&house, &session, "say third").await;
    reader.until_turned(&session).await;
    assert!(said(&transcript(&house, &session).await).ends_with("againthird"));
    let (status, refused) = ask(&house, "DELETE", &format!("/{session}"), Value::Null).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("unsupported")), "{refused}");
}

/// The process of this house's agent.
fn own_acp(house: &House) -> i32 {
    let mark = format!("TANDEM_RUN={}", house.data_dir().join("run").display());
    let is = |pid: i32| {
        let read = |what: &str| std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let (line, environ) = (read("cmdline"), read("environ"));
        line.split(|byte| *byte == 0).any(|word| word == b"acp")
            && environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
    };
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| is(*pid)).expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opencode_that_runs_already_is_attached_and_a_wrong_password_is_told() {
    let model = Model::start();
    let project = project(&model);
    let home = tempfile::tempdir().expect("dir");
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    let mut server = Command::new(opencode());
    server
        .args(["serve", "--hostname", "127.0.0.1", "--port", &port.to_string()])
        .current_dir(project.path());
    server
        .env("HOME", home.path())
        .env("OPENCODE_SERVER_PASSWORD", "sesame")
        .env("OPENCODE_DISABLE_MODELS_FETCH", "1");
    let mut server = Model { process: server.stdout(Stdio::piped()).spawn().expect("starts"), port };
    let mut lines = BufReader::new(server.process.stdout.take().expect("piped")).lines();
    while !lines.next().expect("a line").expect("text").contains("listening") {}

    let password = home.path().join("password");
    std::fs::write(&password, "sesame\n").expect("written");
    let (url, dir) = (format!("http://127.0.0.1:{port}"), project.path().display().to_string());
    let file = password.display().to_string();
    let args = ["--opencode-url", &url, "--opencode-dir", &dir, "--opencode-password-file", &file];
    let house = House::open_with(&args).await;
    let mut reader = Reader::open(&house, None).await;
    let session = begin(&house).await;
    let go = format!("call tandem_browser_navigate {}\nsay there", json!({ "url": house.at("/other") }));
    prompt(&house, &session, &go).await;
    reader.until_turned(&session).await;
    assert_eq!(said(&transcript(&house, &session).await), "there");
    let mut agent = house.agent(ADMIN);
    assert_eq!(agent.run("() => document.title").await, "Other");
    drop(house);
    assert!(server.process.try_wait().expect("asked").is_none(), "it is not ours to end");

    std::fs::write(&password, "wrong").expect("written");
    let house = House::open_with(&args).await;
    let (status, told) = ask(&house, "POST", "", Value::Null).await;
    let text = told["error"]["message"].as_str().unwrap_or_default();
    assert!(
        status == 503 && text.contains("--opencode-password-file") && !text.contains("wrong\""),
        "{told}"
    );
}
