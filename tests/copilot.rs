//! People's sessions with the real OpenCode and a scripted model: what is
//! said, what it does in the room's browser, what it must ask for, and what
//! is left when its process is killed.

#[allow(dead_code, reason = "other tests use the rest")]
mod house;
#[path = "copilot/others.rs"]
mod others;
#[path = "copilot/pages.rs"]
mod pages;
#[path = "copilot/pick.rs"]
mod pick;
#[path = "copilot/queue.rs"]
mod queue;
#[path = "copilot/together.rs"]
mod together;
#[path = "copilot/trouble.rs"]
mod trouble;
#[path = "copilot/whole.rs"]
mod whole;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use house::{ADMIN, House};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHECKOUT: &str = env!("CARGO_MANIFEST_DIR");
/// The first start of OpenCode makes its database, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
const SESSIONS: &str = "/api/rooms/main/sessions";

/// The model's process, ended with this value.
struct Model {
    process: Child,
    port: u16,
}

impl Model {
    fn start() -> Self {
        let script = Path::new(CHECKOUT).join("tests/copilot/model.mjs");
        let mut process =
            Command::new("node").arg(script).stdout(Stdio::piped()).spawn().expect("node starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        Self { process, port: line.trim().parse().expect("a port") }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where OpenCode works: a directory with a configuration for the model.
fn project(model: &Model) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("dir");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).expect("mode");
    let config = json!({
        "provider": { "scripted": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Scripted",
            "options": { "baseURL": format!("http://127.0.0.1:{}/v1", model.port), "apiKey": "none" },
            "models": { "scripted": { "name": "Scripted", "tool_call": true, "limit": { "context": 100_000, "output": 4000 } } },
        } },
        "model": "scripted/scripted",
        "permission": { "bash": "ask" },
        "command": { "hello": { "template": "say hello $ARGUMENTS", "description": "Greets" } },
    });
    std::fs::write(dir.path().join("opencode.json"), config.to_string()).expect("written");
    dir
}

/// A reader of a room's updates.
struct Reader {
    stream: tokio::io::BufReader<TcpStream>,
    last: String,
}

impl Reader {
    async fn open(house: &House, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(house.address()).await.expect("connects");
        let back = last.map_or_else(String::new, |last| format!("Last-Event-ID: {last}\r\n"));
        let head = format!(
            "GET {SESSIONS}/events HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ADMIN}\r\n{back}\r\n",
            house.address()
        );
        stream.write_all(head.as_bytes()).await.expect("sends");
        let mut reader = Self { stream: tokio::io::BufReader::new(stream), last: String::new() };
        let mut line = String::new();
        reader.stream.read_line(&mut line).await.expect("a line");
        assert!(line.contains(" 200 "), "{line}");
        reader
    }

    async fn next(&mut self) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.stream.read_line(&mut line).await.expect("open") > 0, "the stream ended");
            if let Some(id) = line.strip_prefix("id: ") {
                id.trim().clone_into(&mut self.last);
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).expect("json");
            }
        }
    }

    /// Waits for an update, and returns all up to it.
    async fn until(&mut self, what: &str, so: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = vec![];
        let found = async {
            loop {
                seen.push(self.next().await);
                if so(seen.last().expect("one")) {
                    return;
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, found).await;
        assert!(in_time.is_ok(), "not {what}, but {:#?}", &seen[seen.len().saturating_sub(6)..]);
        seen
    }

    /// Waits for the end of a turn, the beginning of which is still to be told.
    async fn until_turned(&mut self, session: &str) -> Vec<Value> {
        let is = |update: &Value, works: bool| {
            update["type"] == "session"
                && update["session"]["id"] == session
                && (update["session"]["state"] == "busy") == works
        };
        let mut seen = self.until("at work", |update| is(update, true)).await;
        seen.extend(self.until("at rest", |update| is(update, false)).await);
        seen
    }

    /// Waits for the end of a turn that was at work before.
    async fn until_idle(&mut self, session: &str) -> Vec<Value> {
        let rests = |update: &Value| {
            update["type"] == "session"
                && update["session"]["id"] == session
                && update["session"]["state"] != "busy"
        };
        self.until("at rest", rests).await
    }

    async fn until_asked(&mut self) -> Value {
        let full = |update: &Value| {
            update["type"] == "permission" && !update["permission"]["input"]["description"].is_null()
        };
        let seen = self.until("asked", full).await;
        seen.last().expect("one")["permission"].clone()
    }
}

async fn ask(house: &House, method: &str, path: &str, body: Value) -> (u16, Value) {
    let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
    let (status, _, answer) = house.ask(method, &format!("{SESSIONS}{path}"), ADMIN, &bytes).await;
    (status, serde_json::from_slice(&answer).unwrap_or_default())
}

async fn begin(house: &House) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, session) = ask(house, "POST", "", json!({ "title": "A task" })).await;
        if status == 201 {
            return session["id"].as_str().expect("an id").to_owned();
        }
        assert!(status == 503 && Instant::now() < deadline, "{status} {session}");
    }
}

async fn prompt(house: &House, session: &str, text: &str) {
    let (status, answer) = ask(house, "POST", &format!("/{session}/messages"), json!({ "text": text })).await;
    assert_eq!(status, 202, "{answer}");
}

async fn transcript(house: &House, session: &str) -> Value {
    let (status, page) = ask(house, "GET", &format!("/{session}/messages"), Value::Null).await;
    assert_eq!(status, 200, "{page}");
    page["messages"].clone()
}

/// The same once the last words are these and the session rests. A session may
/// be told to be at work twice for one turn: its title is a turn of its own.
async fn until_said(house: &House, session: &str, words: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (_, view) = ask(house, "GET", &format!("/{session}"), Value::Null).await;
        let told = transcript(house, session).await;
        if said(&told).ends_with(words) && view["state"] != "busy" {
            return told;
        }
        assert!(Instant::now() < deadline, "{words} is not said: {told:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The same from an agent that is to be started first.
async fn until_there(house: &House, session: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, page) = ask(house, "GET", &format!("/{session}/messages"), Value::Null).await;
        if status == 200 {
            return page["messages"].clone();
        }
        assert!(status == 503 && Instant::now() < deadline, "{status} {page}");
    }
}

fn said(messages: &Value) -> String {
    let messages = messages.as_array().expect("messages").iter().filter(|one| one["role"] == "agent");
    let parts = messages.flat_map(|one| one["parts"].as_array().expect("parts"));
    parts.filter(|part| part["kind"] == "text").map(|part| part["text"].as_str().expect("text")).collect()
}

/// The processes below this one that serve OpenCode: pid and port.
fn opencodes() -> Vec<(i32, u16)> {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let found = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let serves = words.first()?.contains("opencode") && words.iter().any(|word| word == "serve");
        let port = words.iter().skip_while(|word| *word != "--port").nth(1)?.parse().ok()?;
        serves.then_some((pid, port))
    });
    found.collect()
}

/// The one of this house, by the directory that its mark names.
fn own(house: &House) -> (i32, u16) {
    let mark = format!("TANDEM_RUN={}", house.data_dir().join("run").display());
    let ours = |pid: i32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
    };
    opencodes().into_iter().find(|(pid, _)| ours(*pid)).expect("it runs")
}

async fn house() -> (House, Model, tempfile::TempDir) {
    let model = Model::start();
    let project = project(&model);
    let house = House::open_with(&["--opencode-dir", &project.path().display().to_string()]).await;
    (house, model, project)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_answered_in_pieces_and_its_tools_change_the_rooms_browser() {
    let (house, _model, _project) = house().await;
    let (status, state) = ask(&house, "GET", "/agent", Value::Null).await;
    assert_eq!((status, &state["state"]), (200, &json!("off")), "nobody has asked for it");
    let mut reader = Reader::open(&house, None).await;
    let session = begin(&house).await;
    let (_, state) = ask(&house, "GET", "/agent", Value::Null).await;
    assert_eq!((&state["state"], &state["notice"]), (&json!("ready"), &Value::Null), "{state}");

    prompt(&house, &session, "say one two three").await;
    let seen = reader.until_turned(&session).await;
    let pieces: String = seen
        .iter()
        .filter(|one| one["type"] == "piece")
        .map(|one| one["text"].as_str().expect("text"))
        .collect();
    assert_eq!(pieces, "one two three");
    let told = transcript(&house, &session).await;
    assert_eq!((told[0]["role"].as_str(), said(&told).as_str()), (Some("user"), "one two three"), "{told:#}");

    let go = format!("call tandem_browser_navigate {}\nsay there", json!({ "url": house.at("/other") }));
    prompt(&house, &session, &go).await;
    let seen = reader.until_turned(&session).await;
    let tools = seen.iter().filter(|one| one["part"]["kind"] == "tool");
    let states: Vec<_> = tools.map(|one| one["part"]["state"].as_str().expect("a state")).collect();
    assert!(states.contains(&"running") && states.ends_with(&["done"]), "{states:?}");
    let mut agent = house.agent(ADMIN);
    assert_eq!(agent.run("() => document.title").await, "Other");

    // Who comes back gets what was missed, or is told to read anew.
    let last = seen_id(&reader);
    drop(reader);
    prompt(&house, &session, "say again").await;
    let mut reader = Reader::open(&house, Some(&last)).await;
    let seen = reader.until_turned(&session).await;
    assert!(seen.iter().any(|one| one["type"] == "piece" && one["text"] == "again"), "{seen:#?}");
    let mut stranger = Reader::open(&house, Some("another-run.7")).await;
    assert_eq!(stranger.next().await["type"], "snapshot");

    doors(&house, &session).await;
    walls(&house).await;
}

fn seen_id(reader: &Reader) -> String {
    assert!(!reader.last.is_empty());
    reader.last.clone()
}

/// Who may not, and what may not be sent.
async fn doors(house: &House, session: &str) {
    for role in ["viewer", "agent"] {
        let token = house.token(role, None);
        for path in ["", "/agent", "/events", "/pending"] {
            let (status, ..) = house.ask("GET", &format!("{SESSIONS}{path}"), &token, b"").await;
            assert_eq!(status, 403, "{role} {path}");
        }
    }
    let (status, ..) = house.ask("GET", SESSIONS, "wrong", b"").await;
    assert_eq!(status, 401);
    for (method, path, body, wanted) in [
        ("GET", "/ses_nobody".to_owned(), Value::Null, 404),
        ("GET", "/..%2Fconfig".to_owned(), Value::Null, 404),
        ("POST", format!("/{session}/messages"), json!({ "text": " " }), 400),
        ("POST", format!("/{session}/messages"), json!({ "txt": "x" }), 400),
        ("PATCH", format!("/{session}"), json!({ "title": "" }), 400),
        ("PATCH", format!("/{session}"), json!({ "title": "Renamed" }), 200),
        ("POST", format!("/{session}/permissions/per_none"), json!({ "answer": "once" }), 409),
        ("POST", format!("/{session}/permissions/per_none"), json!({ "answer": "perhaps" }), 400),
        ("POST", format!("/{session}/questions/que_none"), json!({}), 409),
    ] {
        let (status, answer) = ask(house, method, &path, body).await;
        assert_eq!(status, wanted, "{method} {path} {answer}");
    }
    let (_, list) = ask(house, "GET", "?search=Renamed", Value::Null).await;
    assert_eq!(list[0]["id"], session, "{list}");
    let (status, _) = ask(house, "DELETE", &format!("/{session}"), Value::Null).await;
    assert_eq!(status, 204);
    let (status, _) = ask(house, "GET", &format!("/{session}"), Value::Null).await;
    assert_eq!(status, 404);
}

/// A page in the shared browser reaches OpenCode's port, and is not let in.
async fn walls(house: &House) {
    let (_, port) = own(house);
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    let posts = format!(
        "async () => {{ const out = []; for (const host of ['127.0.0.1', 'localhost']) for (const path of ['/mcp', '/config', '/session'])
           out.push(await fetch('http://' + host + ':{port}' + path, {{ method: 'POST', mode: 'no-cors', body: new Blob([JSON.stringify({{
             name: 'evil', config: {{ type: 'local', command: ['touch', '/evil'] }} }})]) }}).then(r => r.type, () => 'failed'));
           return out.join() }}"
    );
    let answers = agent.run(&posts).await;
    assert!(answers.as_str().is_some_and(|answers| !answers.contains("basic")), "{answers}");
    for (method, path) in [("POST", "/mcp"), ("GET", "/config"), ("GET", "/session"), ("POST", "/session")] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        stream.write_all(head.as_bytes()).await.expect("sends");
        let mut answer = vec![];
        stream.read_to_end(&mut answer).await.expect("answers");
        assert!(answer.starts_with(b"HTTP/1.1 401"), "{method} {path}: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_answered_once_rejected_and_withdrawn_and_a_killed_agent_comes_back() {
    let (house, _model, project) = house().await;
    let mut reader = Reader::open(&house, None).await;
    let session = begin(&house).await;
    let bash =
        |command: &str| format!("call bash {}", json!({ "command": command, "description": "A command" }));

    // Once: it goes on, and of two devices the first counts.
    prompt(&house, &session, &format!("{}\nsay good", bash("echo yes > made.txt"))).await;
    let asked = reader.until_asked().await;
    assert_eq!(asked["input"]["command"], "echo yes > made.txt");
    let path = format!("/{session}/permissions/{}", asked["id"].as_str().expect("an id"));
    let (once, twice) = tokio::join!(
        ask(&house, "POST", &path, json!({ "answer": "once" })),
        ask(&house, "POST", &path, json!({ "answer": "once" })),
    );
    let mut statuses = [once.0, twice.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409], "{once:?} {twice:?}");
    reader.until_idle(&session).await;
    assert_eq!(std::fs::read_to_string(project.path().join("made.txt")).expect("made"), "yes\n");
    assert_eq!(said(&transcript(&house, &session).await), "good");

    // With a message the agent goes on, and has read it.
    prompt(&house, &session, &bash("rm made.txt")).await;
    let asked = reader.until_asked().await;
    let path = format!("/{session}/permissions/{}", asked["id"].as_str().expect("an id"));
    let (status, _) = ask(&house, "POST", &path, json!({ "answer": "reject", "message": "Keep it" })).await;
    assert_eq!(status, 204);
    reader.until_idle(&session).await;
    assert!(project.path().join("made.txt").exists());
    assert!(said(&transcript(&house, &session).await).contains("Keep it"));

    // A stop withdraws what is asked, for good.
    prompt(&house, &session, &bash("rm made.txt")).await;
    let asked = reader.until_asked().await;
    let (status, _) = ask(&house, "POST", &format!("/{session}/abort"), Value::Null).await;
    assert_eq!(status, 204);
    reader.until("withdrawn", |one| one["type"] == "permission_gone" && one["why"] == "ended").await;
    let path = format!("/{session}/permissions/{}", asked["id"].as_str().expect("an id"));
    let (status, answer) = ask(&house, "POST", &path, json!({ "answer": "once" })).await;
    assert_eq!(status, 409, "{answer}");
    let (_, pending) = ask(&house, "GET", "/pending", Value::Null).await;
    assert_eq!(pending["permissions"], json!([]));

    // Killed in the middle of a word.
    prompt(&house, &session, "slow 4000 5").await;
    reader.until("the first words", |one| one["type"] == "piece").await;
    let (pid, _) = own(&house);
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::KILL).expect("killed");
    let seen = reader.until("ready again", |one| one["agent"]["state"] == "ready").await;
    assert!(seen.iter().any(|one| one["agent"]["state"] == "restarting"), "{seen:#?}");
    let before = transcript(&house, &session).await;
    let messages = before.as_array().expect("messages");
    assert!(messages.iter().all(|message| message["done"] == true), "{before:#}");
    let (_, now) = ask(&house, "GET", &format!("/{session}"), Value::Null).await;
    assert_eq!(now["state"], "idle", "{now}");
    prompt(&house, &session, "say back").await;
    reader.until_turned(&session).await;
    let after = transcript(&house, &session).await;
    let (kept, new) = after.as_array().expect("messages").split_at(messages.len());
    assert_eq!(kept, messages, "nothing of before is lost or changed");
    assert_eq!((new.len(), said(&json!(new)).as_str()), (2, "back"));
    let (again, _) = own(&house);
    assert_ne!(again, pid);
    // What is shown is what OpenCode itself has.
    let own = trouble::behind(&house, "GET", &format!("/session/{session}/message"), project.path()).await;
    let own: Value = serde_json::from_str(own.split("\r\n\r\n").nth(1).expect("a body")).expect("json");
    let theirs = own.as_array().expect("messages").iter().flat_map(|one| {
        let parts = one["parts"].as_array().expect("parts").clone();
        parts
            .into_iter()
            .filter(|part| part["type"] == "text")
            .map(|part| (one["info"]["id"].clone(), part["id"].clone(), part["text"].clone()))
    });
    let ours = after.as_array().expect("messages").iter().flat_map(|one| {
        let parts = one["parts"].as_array().expect("parts").clone();
        parts
            .into_iter()
            .filter(|part| part["kind"] == "text")
            .map(|part| (one["id"].clone(), part["id"].clone(), part["text"].clone()))
    });
    let (theirs, ours): (Vec<_>, Vec<_>) = (theirs.collect(), ours.collect());
    // Of the word in the middle of which it was killed OpenCode kept nothing; people keep what they saw.
    let cut = |all: &[(Value, Value, Value)]| {
        all.iter().map(|(message, part, _)| (message.clone(), part.clone())).collect::<Vec<_>>()
    };
    assert_eq!(cut(&ours), cut(&theirs));
    let differ: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
    assert!(
        differ.len() <= 1
            && differ.iter().all(|(ours, theirs)| {
                ours.2.as_str().expect("text").starts_with(theirs.2.as_str().expect("text"))
            }),
        "{differ:#?}"
    );
}
