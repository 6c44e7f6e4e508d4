//! The program itself, as somebody types it: what it refuses and how, how it
//! stops, and what it leaves behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

#[path = "house/ports.rs"]
mod ports;

use ports::port;

const NONE: [i32; 0] = [];
const ADMIN: &str = "tdm_program-test-0123456789abcdef0123456789";

/// The program with nothing of our environment that it would read.
fn tandem() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("TANDEM_") {
            command.env_remove(key);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A directory that the rooms' user can pass through.
fn directory() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("dir");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    dir
}

fn serve(data: &Path, http: u16, rtc: u16) -> Command {
    let mut command = tandem();
    command.args(["serve", "--start-url", "about:blank", "--egress-allow", "127.0.0.0/8"]);
    command.args(["--listen", &format!("127.0.0.1:{http}"), "--rtc-listen", &format!("127.0.0.1:{rtc}")]);
    command.arg("--data-dir").arg(data);
    command
}

/// Everything that carries the mark of the server on this directory.
fn marked(data: &Path) -> Vec<i32> {
    let mark = format!("TANDEM_RUN={}", data.join("run").display());
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()))
    })
    .collect()
}

/// Looks again and again: the table of processes and another process' doings have no event.
async fn until(what: &str, within: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !done() {
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A running server, ended at the latest with this value.
struct Server {
    child: Child,
    data: PathBuf,
    http: u16,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Server {
    /// Returns when it has said that it is ready.
    fn start(data: &Path) -> Self {
        Self::start_at(data, port())
    }

    fn start_at(data: &Path, http: u16) -> Self {
        let mut command = serve(data, http, port());
        command.env("TANDEM_ADMIN_TOKEN", ADMIN).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut errors = child.stderr.take().expect("piped");
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let server = Self { child, data: data.to_owned(), http, log: Some(log) };
        assert!(line.starts_with("Tandem is ready: http://127.0.0.1:"), "{line:?}");
        server
    }

    /// Status and body.
    fn ask(&self, method: &str, path: &str, token: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).expect("connects");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
            self.http
        );
        stream.write_all(request.as_bytes()).expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    async fn until_live(&self) {
        until("the room is live", Duration::from_secs(40), || {
            self.ask("GET", "/api/rooms/main", ADMIN).1.contains(r#""state":"live""#)
        })
        .await;
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signalled");
    }

    /// Exit code, how long it took, and what it wrote.
    async fn end(mut self, signal: Signal) -> (Option<i32>, Duration, String) {
        let asked = Instant::now();
        self.signal(signal);
        let mut code = None;
        until("it has ended", Duration::from_secs(60), || match self.child.try_wait().expect("waits") {
            Some(status) => {
                code = status.code();
                true
            }
            None => false,
        })
        .await;
        let took = asked.elapsed();
        let log = self.log.take().expect("once").join().expect("read");
        (code, took, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in marked(&self.data) {
            let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

/// It ended with code 2, one line that has these words, and nothing left running.
#[track_caller]
fn check_refused(output: &Output, data: &Path, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(output.stdout.is_empty(), "it claimed to be ready");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with("tandem: "), "not one line: {text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
    assert_eq!(marked(data), NONE, "something was left running after {text}");
}

#[test]
fn a_busy_port_is_refused_with_its_flag() {
    let dir = directory();
    let busy_tcp = TcpListener::bind("127.0.0.1:0").expect("bind");
    let busy_udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let tcp = busy_tcp.local_addr().expect("address").port();
    let udp = busy_udp.local_addr().expect("address").port();
    for (http, rtc, flag) in
        [(tcp, port(), "--listen"), (port(), udp, "--rtc-listen"), (port(), tcp, "--rtc-listen")]
    {
        let output = serve(dir.path(), http, rtc).output().expect("runs");
        check_refused(&output, dir.path(), &["in use", flag]);
    }
}

#[test]
fn a_missing_program_a_wrong_directory_and_a_wrong_setting_are_refused() {
    let dir = directory();
    let (data, file) = (dir.path().join("data"), dir.path().join("a-file"));
    std::fs::write(&file, "").expect("written");
    let config = dir.path().join("tandem.toml");
    std::fs::write(&config, "# ours\nframe_rate = \"many\"\n").expect("written");
    let run = |add: &dyn Fn(&mut Command)| {
        let mut command = serve(&data, port(), port());
        add(&mut command);
        command.output().expect("runs")
    };
    for flag in ["--chromium", "--xvfb", "--window-manager", "--bwrap"] {
        let output = run(&|command| {
            command.args([flag, "/no/such/program"]);
        });
        check_refused(&output, &data, &["/no/such/program", "apt-get install"]);
    }
    let output = serve(&file.join("below"), port(), port()).output().expect("runs");
    check_refused(&output, &data, &["a-file"]);
    let output = run(&|command| {
        command.arg("--config").arg(&config);
    });
    check_refused(&output, &data, &["tandem.toml", "2", "frame_rate"]);
    let output = run(&|command| {
        command.arg("--config").arg(dir.path().join("none.toml"));
    });
    check_refused(&output, &data, &["none.toml"]);
    let output = run(&|command| {
        command.env("TANDEM_ADMIN_TOKEN", "short");
    });
    check_refused(&output, &data, &["TANDEM_ADMIN_TOKEN", "8 characters"]);
    let rules = dir.path().join("rules.json");
    std::fs::write(&rules, "{ \"rules\": [\n  { \"name\": \"x\", \"effect\": \"dney\" }\n] }")
        .expect("written");
    let output = run(&|command| {
        command.arg("--rules-file").arg(&rules);
    });
    check_refused(&output, &data, &["rules.json", "line 2", "deny"]);
    if rustix::process::geteuid().is_root() {
        let output = run(&|command| {
            command.args(["--room-user", "no-such-user-here"]);
        });
        check_refused(&output, &data, &["no-such-user-here", "useradd"]);
    }
}

#[test]
fn the_check_of_a_file_names_the_line() {
    let dir = directory();
    let file = dir.path().join("tandem.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("written");
        tandem().args(["config", "check"]).arg(&file).output().expect("runs")
    };
    assert!(check("frame_rate = 30\n").status.success());
    for (text, line) in [
        ("\n\nframe_rate = \"many\"\n", ":3"),
        ("frame_rate = 30\nframerate = 30\n", ":2"),
        ("listen = \"127.0.0.1:1\"\n[[\n", ":2"),
    ] {
        let output = check(text);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(&format!("tandem.toml{line}")), "{line} is not in {told}");
    }
}

#[test]
fn the_doctor_says_what_is_there_in_json() {
    let dir = directory();
    let began = Instant::now();
    let mut command = tandem();
    command.args(["doctor", "--json", "--listen"]).arg(format!("127.0.0.1:{}", port()));
    command.arg("--rtc-listen").arg(format!("127.0.0.1:{}", port())).arg("--data-dir").arg(dir.path());
    let output = command.output().expect("runs");
    println!("the doctor took {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report.as_array().or_else(|| report["findings"].as_array()).expect("a list of findings");
    for check in ["chromium", "xvfb", "shared memory"] {
        let finding = findings.iter().find(|finding| finding["check"] == check);
        let finding = finding.unwrap_or_else(|| panic!("{check} is not in {report}"));
        assert!(
            ["ok", "warn", "fail"].contains(&finding["verdict"].as_str().unwrap_or_default()),
            "{finding}"
        );
    }
    for finding in findings {
        assert_eq!(finding["verdict"] == "ok", finding.get("mend").is_none(), "{finding}");
    }
}

#[tokio::test]
async fn tokens_work_beside_a_running_server_and_a_signal_ends_all_in_order() {
    let dir = directory();
    let server = Server::start(dir.path());
    let token = |words: &[&str]| {
        let output =
            tandem().arg("token").args(words).arg("--data-dir").arg(dir.path()).output().expect("runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let secret = token(&["create", "--role", "agent", "--name", "Ada", "--for", "1h"]).trim().to_owned();
    assert_eq!(server.ask("GET", "/api/rooms/main", &secret).0, 200);
    let listed = token(&["list"]);
    let line = listed.lines().find(|line| line.contains("Ada")).expect("listed");
    assert!(!listed.contains(&secret), "a list shows no secrets");
    token(&["revoke", line.split_whitespace().next().expect("an id")]);
    until("the revoked token opens nothing", Duration::from_secs(3), || {
        server.ask("GET", "/api/rooms/main", &secret).0 == 401
    })
    .await;

    let second = serve(dir.path(), port(), port()).output().expect("runs");
    assert_eq!(second.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&second.stderr).lines().count(), 1, "{second:?}");

    server.until_live().await;
    assert!(marked(dir.path()).len() >= 3, "the display, its window manager and the browser run");
    let number =
        std::fs::read_to_string(dir.path().join("run/main/display/display")).expect("the display's number");
    let (code, took, log) = server.end(Signal::TERM).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(marked(dir.path()), NONE, "{log}");
    assert!(!Path::new(&format!("/tmp/.X{}-lock", number.trim())).exists(), "the display's lock was left");
    assert!(
        !log.contains(ADMIN) && !log.contains(&secret) && !log.contains("tdm_"),
        "a secret is in the log: {log}"
    );
}

#[tokio::test]
async fn after_a_kill_the_next_start_clears_what_was_left() {
    let dir = directory();
    let server = Server::start(dir.path());
    server.until_live().await;
    let old = marked(dir.path());
    let (code, _, _) = server.end(Signal::KILL).await;
    assert_eq!(code, None);
    let server = Server::start(dir.path());
    server.until_live().await;
    let now = marked(dir.path());
    assert!(old.iter().all(|pid| !now.contains(pid)), "{old:?} and {now:?}");
    assert_eq!(server.end(Signal::TERM).await.0, Some(0));
    assert_eq!(marked(dir.path()), NONE);
}

#[tokio::test]
async fn a_signal_in_the_middle_of_a_start_leaves_nothing() {
    // Before anything runs, with the display, with the window manager, with the browser.
    for running in 0..4 {
        let dir = directory();
        let server = Server::start(dir.path());
        until("so much runs", Duration::from_secs(30), || marked(dir.path()).len() >= running).await;
        let (code, took, log) = server.end(Signal::INT).await;
        assert_eq!(code, Some(0), "{log}");
        assert!(took < Duration::from_secs(15), "{took:?} with {running}: {log}");
        assert_eq!(marked(dir.path()), NONE, "with {running}: {log}");
    }
}

#[tokio::test]
async fn an_agent_that_speaks_by_standard_io_gets_the_tools_also_after_a_restart_of_the_server() {
    let (dir, http) = (directory(), port());
    let server = Server::start_at(dir.path(), http);
    let mut agent = tandem()
        .args(["mcp", "--server", &format!("http://127.0.0.1:{http}")])
        .env("TANDEM_TOKEN", ADMIN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut input = agent.stdin.take().expect("piped");
    let mut output = BufReader::new(agent.stdout.take().expect("piped")).lines();
    let mut ask = |message: serde_json::Value| -> serde_json::Value {
        writeln!(input, "{message}").expect("written");
        if message.get("id").is_none() {
            return serde_json::Value::Null;
        }
        let line = output.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    let client = serde_json::json!({ "name": "test", "version": "1" });
    let hello = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client } });
    assert_eq!(ask(hello)["result"]["serverInfo"]["name"], "tandem");
    ask(serde_json::json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let tabs = serde_json::json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": { "name": "browser_tabs", "arguments": { "action": "list" } } });
    let listed = |answer: &serde_json::Value| answer["result"]["structuredContent"]["tabs"].is_array();
    let answer = ask(tabs.clone());
    assert!(listed(&answer), "{answer}");

    assert_eq!(server.end(Signal::TERM).await.0, Some(0));
    let refused = ask(tabs.clone());
    let told = refused["error"]["message"].as_str().expect("an error");
    assert!(told.contains("Is it running?"), "{told}");
    let server = Server::start_at(dir.path(), http);
    server.until_live().await;
    let answer = ask(tabs);
    assert!(listed(&answer), "{answer}");

    drop(input);
    let ended = agent.wait().expect("ends");
    assert!(ended.success(), "{ended:?}");
    server.end(Signal::TERM).await;
}
