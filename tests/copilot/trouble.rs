//! What goes wrong is said in words where people look, and the rest goes on.

use super::*;

/// What somebody hears who begins a session.
async fn refused(house: &House) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, told) = ask(house, "POST", "", Value::Null).await;
        let text = told["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(status >= 400, "{told}");
        if !text.contains("still starting") {
            return text;
        }
        assert!(Instant::now() < deadline, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_or_a_broken_configuration_is_told_with_what_to_do() {
    let house = House::open_with(&["--opencode", "/no/such/opencode"]).await;
    let text = refused(&house).await;
    assert!(text.contains("npm install -g opencode-ai"), "{text}");
    let (_, agent) = ask(&house, "GET", "/agent", Value::Null).await;
    assert_eq!((&agent["state"], &agent["reason"]), (&json!("failed"), &json!(text)));
    drop(house);

    let house = House::open_with(&["--acp-command", "/no/such/agent --acp"]).await;
    let text = refused(&house).await;
    assert!(text.contains("/no/such/agent") && text.contains("--acp-command"), "{text}");
    drop(house);

    let dir = tempfile::tempdir().expect("dir");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("mode");
    std::fs::write(dir.path().join("opencode.json"), r#"{ "provider": { "apiKey": "sk-secret" "#)
        .expect("written");
    let house = House::open_with(&["--opencode-dir", &dir.path().display().to_string()]).await;
    let text = refused(&house).await;
    assert!(text.contains("opencode.json") && text.contains("correct it"), "{text}");
    assert!(!text.contains("sk-secret"), "{text}");
    drop(house);

    let gone = dir.path().join("gone").display().to_string();
    let house = House::open_with(&["--opencode-dir", &gone]).await;
    let text = refused(&house).await;
    assert!(text.contains(&gone) && text.contains("--opencode-dir"), "{text}");
}

/// A request to OpenCode itself, with its password.
pub(super) async fn behind(house: &House, method: &str, path: &str, project: &Path) -> String {
    use base64::Engine as _;
    let (pid, port) = own(house);
    let environ = std::fs::read(format!("/proc/{pid}/environ")).expect("readable");
    let password = environ
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"OPENCODE_SERVER_PASSWORD="))
        .map(|password| String::from_utf8_lossy(password).into_owned())
        .expect("a password");
    let login = base64::engine::general_purpose::STANDARD.encode(format!("opencode:{password}"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Basic {login}\r\n\
         x-opencode-directory: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        project.display()
    );
    stream.write_all(head.as_bytes()).await.expect("sends");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.expect("answers");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_model_and_sessions_deleted_elsewhere_are_shown_and_the_rest_goes_on() {
    let (house, _model, project) = house().await;
    let mut reader = Reader::open(&house, None).await;
    let session = begin(&house).await;
    let state = |state: &'static str| {
        let session = session.clone();
        move |update: &Value| {
            update["type"] == "session"
                && update["session"]["id"] == json!(session)
                && update["session"]["state"] == state
        }
    };

    // The provider refuses.
    prompt(&house, &session, "fail 400").await;
    let seen = reader.until("failed", state("failed")).await;
    let reason = seen.last().expect("one")["session"]["reason"].clone();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("400")), "{reason}");

    // It is asked again at a time that is told, and stopped meanwhile.
    prompt(&house, &session, "fail 429 40").await;
    let seen = reader.until("tried again", state("retrying")).await;
    let retry = &seen.last().expect("one")["session"];
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    let wait = u128::from(retry["until"].as_u64().expect("a time")).saturating_sub(now);
    assert!((20_000..=45_000).contains(&wait), "the provider said 40 s: {retry}");
    assert!(retry["reason"].as_str().is_some_and(|reason| reason.contains("429")), "{retry}");
    let (status, _) = ask(&house, "POST", &format!("/{session}/abort"), Value::Null).await;
    assert_eq!(status, 204);
    reader.until("stopped", |update| state("idle")(update) || state("failed")(update)).await;
    prompt(&house, &session, "say on").await;
    reader.until_turned(&session).await;
    assert!(said(&transcript(&house, &session).await).ends_with("on"));

    // A page in the shared browser gets nothing done, by whatever name it comes.
    let (_, port) = own(&house);
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    let evil = json!({ "name": "evil", "config": { "type": "local", "command": ["touch", "/evil"] } });
    let posts = format!(
        "async () => {{ const out = []; for (const host of ['127.0.0.1', 'localhost', 'opencode.localhost', '[::1]'])
           for (const path of ['/mcp', '/config', '/session']) for (const type of ['', 'text/plain'])
             out.push(await fetch('http://' + host + ':{port}' + path, {{ method: 'POST', mode: 'no-cors',
               body: new Blob([{}], {{ type }}) }}).then(r => r.type + r.status, () => 'failed'));
           return out.join() }}",
        json!(evil.to_string())
    );
    let answers = agent.run(&posts).await;
    assert!(
        answers.as_str().is_some_and(|all| all.split(',').all(|one| one == "failed" || one == "opaque0")),
        "{answers}"
    );
    let servers = behind(&house, "GET", "/mcp", project.path()).await;
    assert!(servers.contains("tandem") && !servers.contains("evil"), "{servers}");
    assert!(
        behind(&house, "GET", "/config", project.path()).await.contains("scripted"),
        "with the password it would"
    );
    for path in ["/config", "/../config", "/agent/../config", "/choices/../../config"] {
        let (status, told) = ask(&house, "GET", path, Value::Null).await;
        assert!(status == 404 || !told.to_string().contains("apiKey"), "{path}: {told}");
    }

    // Deleted behind our back.
    behind(&house, "DELETE", &format!("/session/{session}"), project.path()).await;
    reader
        .until("gone", |update| update["type"] == "session_gone" && update["session"] == json!(session))
        .await;
    let (status, told) =
        ask(&house, "POST", &format!("/{session}/messages"), json!({ "text": "say x" })).await;
    assert!(
        status == 404 && told["error"]["message"].as_str().is_some_and(|text| text.contains("deleted")),
        "{told}"
    );
    let other = begin(&house).await;
    prompt(&house, &other, "say well").await;
    reader.until_turned(&other).await;
    assert_eq!(said(&transcript(&house, &other).await), "well");
}

/// The reason of a turn that failed.
async fn failure(reader: &mut Reader, session: &str) -> String {
    let failed = |update: &Value| {
        update["type"] == "session"
            && update["session"]["id"] == json!(session)
            && update["session"]["state"] == "failed"
    };
    let seen = reader.until("failed", failed).await;
    seen.last().expect("one")["session"]["reason"].as_str().expect("words").to_owned()
}

fn changed(project: &Path, change: impl FnOnce(&mut Value)) {
    let path = project.join("opencode.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("json");
    change(&mut config);
    std::fs::write(&path, config.to_string()).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_too_slow_a_talk_that_is_too_long_and_a_directory_that_is_gone_are_told_in_words() {
    let model = Model::start();
    let project = project(&model);
    changed(project.path(), |config| {
        let server = Path::new(CHECKOUT).join("tests/copilot/slow-mcp.mjs");
        config["mcp"] =
            json!({ "slow": { "type": "local", "command": ["node", server], "timeout": 10_000 } });
        config["compaction"] = json!({ "auto": false });
    });
    let dir = project.path().display().to_string();
    let house = House::open_with(&["--opencode-dir", &dir]).await;
    let mut reader = Reader::open(&house, None).await;
    let session = begin(&house).await;

    prompt(&house, &session, "call slow_wait {}\nsay on").await;
    let failed =
        |update: &Value| update["part"]["name"] == "slow_wait" && update["part"]["state"] == "failed";
    let seen = reader.until("too slow", failed).await;
    let output = seen.last().expect("one")["part"]["output"].as_str().expect("words").to_owned();
    assert!(output.contains("did not answer in time") && output.contains("`timeout`"), "{output}");
    reader.until_idle(&session).await;
    assert!(said(&transcript(&house, &session).await).ends_with("on"), "the turn goes on");

    prompt(&house, &session, "overflow").await;
    let reason = failure(&mut reader, &session).await;
    assert!(reason.contains("too long for the model") && reason.contains("Summarise"), "{reason}");

    // Another session goes on until the directory is taken away.
    let other = begin(&house).await;
    prompt(&house, &other, "say well").await;
    reader.until_turned(&other).await;
    std::fs::remove_dir_all(project.path()).expect("removed");
    let (status, told) = ask(&house, "POST", &format!("/{other}/messages"), json!({ "text": "say x" })).await;
    let text = told["error"]["message"].as_str().unwrap_or_default();
    assert!(status == 400 && text.contains(&dir) && text.contains("make it again"), "{told}");
    assert_eq!(said(&transcript(&house, &other).await), "well", "it can still be read");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_or_with_ports_that_are_taken_it_is_told_what_to_do() {
    let model = Model::start();
    let project = project(&model);
    changed(project.path(), |config| *config = json!({ "disabled_providers": ["opencode"] }));
    let house = House::open_with(&["--opencode-dir", &project.path().display().to_string()]).await;
    let mut reader = Reader::open(&house, None).await;
    let session = begin(&house).await;
    prompt(&house, &session, "say x").await;
    let reason = failure(&mut reader, &session).await;
    assert!(reason.contains("no model") && reason.contains("opencode auth login"), "{reason}");
    drop((reader, house));

    // The real program, on a port that somebody has.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = taken.local_addr().expect("address").port();
    let program = project.path().join("opencode");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec {0} --version\nexec {0} serve --hostname 127.0.0.1 --port {port}\n",
        others::opencode().display()
    );
    std::fs::write(&program, script).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let house = House::open_with(&["--opencode", &program.display().to_string()]).await;
    let text = refused(&house).await;
    assert!(text.contains("cannot listen") && text.contains("ask again"), "{text}");
    let (_, agent) = ask(&house, "GET", "/agent", Value::Null).await;
    assert_eq!((&agent["state"], &agent["reason"]), (&json!("failed"), &json!(text)));
}
