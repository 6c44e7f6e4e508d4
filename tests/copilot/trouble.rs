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
async fn behind(house: &House, method: &str, path: &str, project: &Path) -> String {
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
    prompt(&house, &session, "fail 429").await;
    let seen = reader.until("tried again", state("retrying")).await;
    let retry = &seen.last().expect("one")["session"];
    assert!(retry["until"].as_u64().is_some_and(|until| until > 1_700_000_000_000), "{retry}");
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
